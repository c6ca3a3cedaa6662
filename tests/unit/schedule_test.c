/*
 * schedule_test.c - cron lines, and when scheduled views are evaluated, on a stepped clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "duck/zone.h"
#include "stream/schedule.h"

#define US INT64_C(1000000)

/* ---- cron lines ---- */

static int64_t at(const char *text)
{
    int64_t us = 0;
    assert_true(rdl_timestamp_parse(text, strlen(text), &us));
    return us;
}

static void next_is(const char *line, const char *after, const char *expected)
{
    rdl_cron c;
    char why[200] = "";
    rdl_buf got = {0};
    if (!rdl_cron_parse(rdl_str_of(line), &c, why, sizeof why))
        fail_msg("'%s': %s", line, why);
    rdl_timestamp_print_iso(rdl_cron_next(&c, at(after)), &got);
    rdl_buf want = {0};
    rdl_timestamp_print_iso(at(expected), &want);
    if (strcmp(rdl_buf_str(&got), rdl_buf_str(&want)) != 0)
        fail_msg("'%s' after %s: %s, not %s", line, after, rdl_buf_str(&got), rdl_buf_str(&want));
    rdl_buf_fini(&got);
    rdl_buf_fini(&want);
}

static void refused(const char *line, const char *because)
{
    rdl_cron c;
    char why[200] = "";
    assert_false(rdl_cron_parse(rdl_str_of(line), &c, why, sizeof why));
    if (strstr(why, because) == NULL)
        fail_msg("'%s' is refused because %s", line, why);
}

static void the_next_time_is_strictly_later(void **state)
{
    (void)state;
    next_is("0 3 * * *", "2026-01-01 02:59:59.999999", "2026-01-01 03:00:00");
    next_is("0 3 * * *", "2026-01-01 03:00:00", "2026-01-02 03:00:00");
    next_is("* * * * *", "2026-01-01 00:00:00.5", "2026-01-01 00:01:00");
    next_is("30 23 31 12 *", "2026-12-31 23:30:00", "2027-12-31 23:30:00");
    next_is("* * * * *", "1969-12-31 23:59:30", "1970-01-01 00:00:00");
    next_is("59 23 * * *", "1960-02-29 23:58:59", "1960-02-29 23:59:00");
}

static void lists_ranges_steps_and_names_are_read(void **state)
{
    (void)state;
    next_is("*/15 * * * *", "2026-01-01 00:46:00", "2026-01-01 01:00:00");
    next_is("5/20 * * * *", "2026-01-01 00:26:00", "2026-01-01 00:45:00");
    next_is("0 8-18/5,22 * * *", "2026-01-01 18:30:00", "2026-01-01 22:00:00");
    next_is("0 8-18/5,22 * * *", "2026-01-01 08:30:00", "2026-01-01 13:00:00");
    next_is("0 0 * jul-Sep mon", "2026-01-01 00:00:00", "2026-07-06 00:00:00");
    next_is("0 0 * * MON-FRI", "2026-11-20 12:00:00", "2026-11-23 00:00:00");
    next_is("0 0 * * 7", "2026-11-21 12:00:00", "2026-11-22 00:00:00");
    next_is("0 0 * * 0", "2026-11-21 12:00:00", "2026-11-22 00:00:00");
    next_is("  0\t0  1 1 * ", "2026-11-21 12:00:00", "2027-01-01 00:00:00");
    next_is("@hourly", "2026-11-21 12:00:00", "2026-11-21 13:00:00");
    next_is("@weekly", "2026-11-21 12:00:00", "2026-11-22 00:00:00");
    next_is("@yearly", "2026-11-21 12:00:00", "2027-01-01 00:00:00");
}

static void a_day_that_fits_either_field_counts_when_both_are_given(void **state)
{
    (void)state;
    next_is("0 0 13 * FRI", "2026-11-13 00:00:00", "2026-11-20 00:00:00");
    next_is("0 0 13 * FRI", "2026-12-11 00:00:00", "2026-12-13 00:00:00");
    next_is("0 0 31 2 MON", "2026-03-01 00:00:00", "2027-02-01 00:00:00");
}

static void leap_days_come_when_there_are_any(void **state)
{
    (void)state;
    next_is("0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00");
    next_is("0 0 29 2 *", "2096-02-29 00:00:00", "2104-02-29 00:00:00");
    next_is("0 0 29 2 *", "1896-02-29 00:00:00", "1904-02-29 00:00:00");
    next_is("0 12 28-31 2 *", "2026-02-28 12:00:00", "2027-02-28 12:00:00");
    next_is("0 12 28-31 2 *", "2028-02-28 12:00:00", "2028-02-29 12:00:00");
    next_is("0 0 31 * *", "2026-01-31 00:00:00", "2026-03-31 00:00:00");
    /* Both fit (a star with a step is a star): only every 28 or 40 years. */
    next_is("0 0 29 2 */7", "2088-03-01 00:00:00", "2128-02-29 00:00:00");
}

static void what_is_no_cron_line_is_refused_with_the_reason(void **state)
{
    (void)state;
    refused("", "fewer than five fields");
    refused("0 3 * *", "fewer than five fields");
    refused("0 0 3 * * *", "more than five fields");
    refused("60 * * * *", "\"60\" is no minute (0 to 59)");
    refused("0 24 * * *", "is no hour");
    refused("0 0 0 * *", "is no day of the month");
    refused("0 0 1 13 *", "is no month");
    refused("0 0 * * 8", "is no weekday");
    refused("0 0 * * FRIDAY", "\"FRIDAY\" is no weekday");
    refused("0 0 * * FRI-MON", "is no weekday");
    refused("*/0 * * * *", "is no minute");
    refused("1,,2 * * * *", "is no minute");
    refused("1- * * * *", "is no minute");
    refused("99999999999 * * * *", "is no minute");
    refused("x * * * *", "is no minute");
    refused("TZ=Europe/Madrid 0 3 * * *", "write TIME ZONE");
    refused("0 0 31 2 *", "no month that it names has such a day");
    refused("0 0 30,31 FEB *", "no month that it names has such a day");
    refused("0 0 31 4,6,9,11 *", "no month that it names has such a day");
}

static void a_line_agrees_with_a_search_minute_by_minute(void **state)
{
    (void)state;
    static const char *const lines[] = {"*/7 3-5 */2 * *", "10,50 0 * 2,3 SUN", "0 */5 1-7 * 1"};
    for (size_t i = 0; i < 3; i++) {
        rdl_cron c;
        char why[200];
        assert_true(rdl_cron_parse(rdl_str_of(lines[i]), &c, why, sizeof why));
        int64_t t = at("2027-12-30 00:00:00"), next = rdl_cron_next(&c, t);
        for (int64_t m = t + 60 * US; m < t + 70 * 86400 * US; m += 60 * US) {
            rdl_civil v;
            rdl_civil_from_us(m, &v);
            int64_t days = m / (86400 * US), weekday = (days + 4) % 7;
            bool day = (c.days >> v.day & 1) != 0, week = (c.weekdays >> weekday & 1) != 0;
            bool fits = (c.minutes >> v.minute & 1) != 0 && (c.hours >> v.hour & 1) != 0 &&
                        (c.months >> v.month & 1) != 0 &&
                        (c.any_day || c.any_weekday ? day && week : day || week);
            assert_int_equal(fits, m == next);
            next = fits ? rdl_cron_next(&c, m) : next;
        }
    }
}

/* ---- zones ---- */

typedef struct zones {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
} zones;

static int zones_setup(void **state)
{
    const rdl_duck_config config = {.threads = 1};
    zones *z = calloc(1, sizeof *z);
    rdl_err err = {0};
    rdl_arena_init(&z->arena, 0);
    assert_int_equal(rdl_duck_open(&config, &z->duck, &err), RDL_OK);
    assert_int_equal(rdl_conn_open(z->duck, &z->conn, &err), RDL_OK);
    *state = z;
    return 0;
}

static int zones_teardown(void **state)
{
    zones *z = *state;
    rdl_conn_close(z->conn);
    rdl_duck_close(z->duck);
    rdl_arena_fini(&z->arena);
    free(z);
    return 0;
}

static void next_in(zones *z, const char *zone, const char *line, const char *after,
                    const char *expected)
{
    rdl_zone read;
    rdl_cron c;
    rdl_err err = {0};
    char why[200] = "";
    rdl_buf got = {0};
    assert_int_equal(rdl_zone_read(z->conn, &z->arena, rdl_str_of(zone), &read, &err), RDL_OK);
    assert_true(rdl_cron_parse(rdl_str_of(line), &c, why, sizeof why));
    int64_t next = rdl_cron_next_in(&c, &read, at(after));
    rdl_timestamp_print_iso(next, &got);
    if (next != at(expected))
        fail_msg("'%s' in %s after %s: %s, not %s", line, zone, after, rdl_buf_str(&got), expected);
    rdl_buf_fini(&got);
}

static void a_zone_without_changes_is_a_distance(void **state)
{
    next_in(*state, "America/Bogota", "0 3 * * *", "2026-11-21 00:00:00", "2026-11-21 08:00:00");
    next_in(*state, "America/Bogota", "0 3 * * *", "2026-11-21 08:00:00", "2026-11-22 08:00:00");
    next_in(*state, "Asia/Kolkata", "0 * * * *", "2026-11-21 00:00:00", "2026-11-21 00:30:00");
    next_in(*state, "UTC", "0 3 * * *", "2026-11-21 00:00:00", "2026-11-21 03:00:00");
    next_in(*state, "", "0 3 * * *", "2026-11-21 00:00:00", "2026-11-21 03:00:00");
    next_in(*state, "america/bogota", "0 0 1 * *", "2026-11-21 00:00:00", "2026-12-01 05:00:00");
}

/* Berlin: 2026-03-29 02:00 does not exist (01:00 UTC), 2026-10-25 02:00 comes twice (00:00,
 * 01:00). */
static void a_time_that_is_left_out_runs_when_the_clocks_are_put_forward(void **state)
{
    next_in(*state, "Europe/Berlin", "30 2 * * *", "2026-03-28 01:30:00", "2026-03-29 01:00:00");
    next_in(*state, "Europe/Berlin", "30 2 * * *", "2026-03-29 01:00:00", "2026-03-30 00:30:00");
    next_in(*state, "Europe/Berlin", "0 3 * * *", "2026-03-28 02:00:00", "2026-03-29 01:00:00");
    next_in(*state, "Europe/Berlin", "15 1 * * *", "2026-03-28 00:15:00", "2026-03-29 00:15:00");
}

static void a_time_that_comes_twice_runs_once(void **state)
{
    next_in(*state, "Europe/Berlin", "30 2 * * *", "2026-10-24 00:30:00", "2026-10-25 00:30:00");
    next_in(*state, "Europe/Berlin", "30 2 * * *", "2026-10-25 00:30:00", "2026-10-26 01:30:00");
    next_in(*state, "Europe/Berlin", "0 3 * * *", "2026-10-25 00:30:00", "2026-10-25 02:00:00");
}

static void a_line_for_every_hour_follows_elapsed_time(void **state)
{
    next_in(*state, "Europe/Berlin", "30 * * * *", "2026-10-25 00:30:00", "2026-10-25 01:30:00");
    next_in(*state, "Europe/Berlin", "30 * * * *", "2026-10-25 01:30:00", "2026-10-25 02:30:00");
    next_in(*state, "Europe/Berlin", "30 * * * *", "2026-03-29 00:30:00", "2026-03-29 01:30:00");
    next_in(*state, "Europe/Berlin", "*/15 * * * *", "2026-03-29 00:45:00", "2026-03-29 01:00:00");
}

/* Each day of 20 years has one run, whatever the clocks do, in places that change oddly. */
static void a_daily_line_runs_once_on_every_day(void **state)
{
    static const char *const names[] = {"Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe",
                                        "America/Santiago", "Africa/Casablanca"};
    zones *z = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        rdl_zone zone;
        rdl_cron c;
        rdl_err err = {0};
        char why[200];
        int64_t t = at("2016-01-01 12:00:00");
        assert_true(rdl_cron_parse(RDL_STR("15 2 * * *"), &c, why, sizeof why));
        assert_int_equal(rdl_zone_read(z->conn, &z->arena, rdl_str_of(names[i]), &zone, &err),
                         RDL_OK);
        assert_true(zone.n > 5);
        for (int day = 0; day < 20 * 365; day++) {
            int64_t next = rdl_cron_next_in(&c, &zone, t);
            assert_true(next - t >= 21 * 3600 * US || day == 0);
            assert_true(next - t <= 27 * 3600 * US);
            t = next;
        }
    }
}

/* ---- scheduled views ---- */

typedef struct fixture {
    rdl_arena arena;
    rdl_diags diags;
    rdl_clock clock;
    rdl_engine *e;
    char *dir;
    rdl_err err;
    int files;
} fixture;

static const char pipeline[] =
    "CREATE SOURCE s (k TEXT, v BIGINT) FROM 'in/' FORMAT JSON;\n"
    "CREATE STREAMING TABLE b.rows AS SELECT k, v FROM STREAM s;\n"
    "CREATE MATERIALIZED VIEW g.now PRIMARY KEY (k) AS\n"
    "  SELECT k, sum(v) AS total FROM STREAM b.rows GROUP BY ALL;\n"
    "CREATE MATERIALIZED VIEW g.hourly PRIMARY KEY (k) SCHEDULE CRON '0 * * * *' AS\n"
    "  SELECT k, sum(v) AS total FROM STREAM b.rows GROUP BY ALL;\n"
    "CREATE MATERIALIZED VIEW g.often PRIMARY KEY (n) SCHEDULE EVERY INTERVAL 10 MINUTES AS\n"
    "  SELECT 1 AS n, median(v) AS middle FROM b.rows;\n"
    "CREATE MATERIALIZED VIEW g.reader PRIMARY KEY (k) AS\n"
    "  SELECT k, total * 2 AS twice FROM g.hourly;\n"
    "CREATE MATERIALIZED VIEW g.chained PRIMARY KEY (n) SCHEDULE CRON '0 * * * *' AS\n"
    "  SELECT count(*) AS n FROM g.reader;\n";

static const char calm_pipeline[] = "CREATE SOURCE s (k TEXT, v BIGINT) FROM 'in/' FORMAT JSON;\n"
                                    "CREATE STREAMING TABLE b.rows AS SELECT k, v FROM STREAM s;\n"
                                    "CREATE MATERIALIZED VIEW g.calm PRIMARY KEY (k)\n"
                                    "  TRIGGER ON UPDATE AT MOST EVERY INTERVAL 1 MINUTE AS\n"
                                    "  SELECT k, count(*) AS n FROM STREAM b.rows GROUP BY ALL;\n";

static void open_text(fixture *f, const char *text)
{
    const rdl_engine_config config = {.dir = f->dir,
                                      .text = text,
                                      .clock = &f->clock,
                                      .threads = 1,
                                      .memory_bytes = UINT64_C(256) << 20};
    rdl_code rc = rdl_engine_open(&config, &f->diags, &f->e, &f->err);
    if (rc != RDL_OK) {
        rdl_buf b = {0};
        rdl_diags_print(&f->diags, false, &b);
        fail_msg("%s\n%s", f->err.msg, rdl_buf_str(&b));
    }
}

static void open_engine(fixture *f)
{
    open_text(f, pipeline);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    rdl_arena_init(&f->arena, 0);
    rdl_diags_init(&f->diags, &f->arena);
    rdl_clock_stepped(&f->clock, at("2026-11-21 10:20:00"));
    f->dir = rdl_fs_temp_dir(&f->arena, "schedule", &f->err);
    assert_int_equal(rdl_fs_mkdirs(rdl_path_join(&f->arena, f->dir, "in"), &f->err), RDL_OK);
    open_engine(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    rdl_engine_close(f->e);
    (void)!rdl_fs_remove_tree(f->dir, &f->err);
    rdl_arena_fini(&f->arena);
    free(f);
    return 0;
}

static void feed(fixture *f, const char *rows)
{
    rdl_err err = {0};
    const char *path =
        rdl_path_join(&f->arena, f->dir, rdl_arena_printf(&f->arena, "in/%03d.json", f->files++));
    rdl_file *to;
    assert_int_equal(rdl_file_create(path, &to, &err), RDL_OK);
    assert_int_equal(rdl_file_write(to, rows, strlen(rows), &err), RDL_OK);
    rdl_file_close(to);
}

/* Epochs of the continuous loop until there is nothing to do; how many there were. */
static int turn(fixture *f)
{
    for (int n = 0;; n++) {
        rdl_work w;
        bool any = false;
        rdl_work_init(f->e, &w);
        w.continuous = true;
        rdl_code rc = rdl_plan_next(f->e, &w, false, &any, &f->err);
        if (rc == RDL_OK && any)
            rc = rdl_epoch_run(f->e, &w, &f->err);
        rdl_work_fini(f->e, &w);
        if (rc != RDL_OK)
            fail_msg("%s (%s)", f->err.msg, f->err.path);
        if (!any)
            return n;
        assert_true(n < 20);
    }
}

static const rdl_table_history *history(fixture *f, const char *table)
{
    return rdl_history_table(&f->e->history, rdl_str_of(table));
}

static void step_to(fixture *f, const char *time)
{
    f->clock.value_us = at(time);
}

static void a_scheduled_view_is_evaluated_at_once_and_then_when_it_is_due(void **state)
{
    fixture *f = *state;
    assert_int_equal(turn(f), 0);
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    assert_int_equal(turn(f), 2); /* the rows, then what was due at once */
    assert_int_equal(history(f, "g.now")->last_evaluated, 1);
    assert_int_equal(history(f, "g.hourly")->last_evaluated, 2);
    assert_int_equal(history(f, "g.often")->last_evaluated, 2);

    step_to(f, "2026-11-21 10:25:00");
    feed(f, "{\"k\":\"a\",\"v\":2}\n");
    assert_int_equal(turn(f), 1);
    assert_int_equal(history(f, "g.now")->last_changed, 3);
    assert_int_equal(history(f, "g.hourly")->last_evaluated, 2);

    step_to(f, "2026-11-21 10:31:00");
    assert_int_equal(turn(f), 1);
    assert_int_equal(history(f, "g.often")->last_evaluated, 4);
    assert_int_equal(history(f, "g.hourly")->last_evaluated, 2);

    step_to(f, "2026-11-21 10:59:59");
    assert_int_equal(turn(f), 0);
    step_to(f, "2026-11-21 11:00:00");
    assert_int_equal(turn(f), 1);
    assert_int_equal(history(f, "g.hourly")->last_changed, 5);
}

static void what_reads_a_scheduled_view_sees_its_changes_when_they_come(void **state)
{
    fixture *f = *state;
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    turn(f);
    uint64_t before = history(f, "g.reader")->last_changed;
    step_to(f, "2026-11-21 10:40:00");
    feed(f, "{\"k\":\"b\",\"v\":2}\n");
    turn(f);
    assert_int_equal(history(f, "g.reader")->last_changed, before);
    step_to(f, "2026-11-21 11:00:00");
    turn(f);
    uint64_t epoch = history(f, "g.hourly")->last_changed;
    assert_true(epoch > before);
    assert_int_equal(history(f, "g.reader")->last_changed, epoch);
    assert_int_equal(history(f, "g.chained")->last_changed, epoch);
}

static void a_due_run_that_finds_nothing_new_waits_for_the_next(void **state)
{
    fixture *f = *state;
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    turn(f);
    step_to(f, "2026-11-21 11:00:05");
    assert_int_equal(turn(f), 0);
    assert_true(rdl_schedules_next(f->e) == at("2026-11-21 11:10:05"));
    step_to(f, "2026-11-21 11:05:00");
    feed(f, "{\"k\":\"a\",\"v\":2}\n");
    assert_int_equal(turn(f), 1);
    assert_int_equal(history(f, "g.hourly")->last_evaluated, 2);
    step_to(f, "2026-11-21 12:00:00");
    assert_int_equal(turn(f), 1);
    assert_int_equal(history(f, "g.hourly")->last_evaluated, 4);
}

static void runs_missed_while_it_was_down_are_made_up_for_once(void **state)
{
    fixture *f = *state;
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    turn(f);
    step_to(f, "2026-11-21 10:25:00");
    feed(f, "{\"k\":\"a\",\"v\":2}\n");
    assert_int_equal(turn(f), 1);
    rdl_engine_close(f->e);
    step_to(f, "2026-11-23 15:30:00");
    open_engine(f);
    assert_int_equal(turn(f), 1);
    assert_int_equal(history(f, "g.hourly")->last_evaluated, 4);
    assert_true(history(f, "g.hourly")->last_evaluated_us == at("2026-11-23 15:30:00"));
    assert_int_equal(turn(f), 0);
}

static void a_run_with_once_evaluates_whatever_changed(void **state)
{
    fixture *f = *state;
    rdl_run_report report;
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    turn(f);
    feed(f, "{\"k\":\"a\",\"v\":2}\n");
    assert_int_equal(rdl_engine_run_once(f->e, &report, &f->err), RDL_OK);
    assert_int_equal(f->e->history.epoch, 4); /* rows, then what has a schedule */
    assert_int_equal(history(f, "g.hourly")->last_changed, 4);
    assert_int_equal(history(f, "g.often")->last_changed, 4);
}

static void updates_are_taken_at_most_as_often_as_said(void **state)
{
    fixture *f = *state;
    rdl_engine_close(f->e);
    open_text(f, calm_pipeline);
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    turn(f);
    uint64_t first = history(f, "g.calm")->last_evaluated;
    assert_true(first > 0);
    step_to(f, "2026-11-21 10:20:30");
    feed(f, "{\"k\":\"a\",\"v\":2}\n");
    assert_int_equal(turn(f), 1);
    assert_int_equal(history(f, "g.calm")->last_evaluated, first);
    step_to(f, "2026-11-21 10:21:01");
    assert_int_equal(turn(f), 1);
    assert_true(history(f, "g.calm")->last_evaluated > first);
    /* After a pause the next update is taken at once. */
    step_to(f, "2026-11-21 10:29:00");
    feed(f, "{\"k\":\"a\",\"v\":3}\n");
    turn(f);
    assert_true(history(f, "g.calm")->last_evaluated_us >= at("2026-11-21 10:29:00"));
}

static void a_job_is_made_up_for_once_and_survives_a_restart(void **state)
{
    fixture *f = *state;
    const rdl_schedule s = {
        .kind = RDL_SCHEDULE_CRON, .cron = RDL_STR("0 3 * * *"), .zone = RDL_STR("America/Bogota")};
    rdl_job *j;
    int64_t for_us;
    assert_int_equal(rdl_job_open(f->e, RDL_STR("report x"), &s, &j, &f->err), RDL_OK);
    assert_true(rdl_job_due(f->e, j, at("2026-11-21 10:20:00"), &for_us));
    assert_int_equal(for_us, at("2026-11-21 08:00:00"));
    assert_int_equal(rdl_job_ran(f->e, j, for_us, &f->err), RDL_OK);
    assert_false(rdl_job_due(f->e, j, at("2026-11-22 07:59:59"), &for_us));
    rdl_engine_close(f->e);
    open_engine(f);
    assert_int_equal(rdl_job_open(f->e, RDL_STR("report x"), &s, &j, &f->err), RDL_OK);
    assert_int_equal(rdl_job_next(f->e, j), at("2026-11-22 08:00:00"));
    assert_int_equal(rdl_schedules_next(f->e), at("2026-11-22 08:00:00"));
    step_to(f, "2026-11-25 09:00:00");
    assert_true(rdl_job_due(f->e, j, at("2026-11-25 09:00:00"), &for_us));
    assert_int_equal(for_us, at("2026-11-25 08:00:00"));
    /* As part of an epoch: the seal says it. */
    rdl_work w;
    bool any = false;
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    rdl_work_init(f->e, &w);
    assert_int_equal(rdl_plan_next(f->e, &w, true, &any, &f->err), RDL_OK);
    rdl_job_ran_with(&w, j, for_us);
    assert_int_equal(rdl_epoch_run(f->e, &w, &f->err), RDL_OK);
    rdl_work_fini(f->e, &w);
    rdl_engine_close(f->e);
    open_engine(f);
    assert_int_equal(rdl_job_open(f->e, RDL_STR("report x"), &s, &j, &f->err), RDL_OK);
    assert_int_equal(rdl_job_next(f->e, j), at("2026-11-26 08:00:00"));
}

static void a_clock_that_was_ahead_holds_up_nothing_when_it_is_put_right(void **state)
{
    fixture *f = *state;
    const rdl_schedule s = {.kind = RDL_SCHEDULE_EVERY, .every_us = 3600 * US};
    rdl_job *j;
    int64_t for_us;
    assert_int_equal(rdl_job_open(f->e, RDL_STR("report x"), &s, &j, &f->err), RDL_OK);
    feed(f, "{\"k\":\"a\",\"v\":1}\n");
    turn(f);
    step_to(f, "2031-01-01 00:00:00");
    feed(f, "{\"k\":\"a\",\"v\":2}\n");
    turn(f);
    step_to(f, "2031-01-01 01:00:00");
    turn(f);
    assert_true(history(f, "g.hourly")->last_evaluated_us >= at("2031-01-01 00:00:00"));
    assert_int_equal(rdl_job_ran(f->e, j, f->clock.value_us, &f->err), RDL_OK);

    step_to(f, "2026-11-21 11:00:00");
    assert_true(rdl_job_due(f->e, j, f->clock.value_us, &for_us));
    assert_int_equal(for_us, f->clock.value_us);
    assert_int_equal(rdl_job_ran(f->e, j, for_us, &f->err), RDL_OK);
    assert_int_equal(rdl_job_next(f->e, j), at("2026-11-21 12:00:00"));
    feed(f, "{\"k\":\"a\",\"v\":3}\n");
    turn(f);
    /* And is asked no more often than before: at its hour. */
    uint64_t evaluated = history(f, "g.hourly")->last_evaluated;
    step_to(f, "2026-11-21 11:20:00");
    feed(f, "{\"k\":\"a\",\"v\":4}\n");
    turn(f);
    assert_int_equal(history(f, "g.hourly")->last_evaluated, evaluated);
    step_to(f, "2026-11-21 12:00:00");
    turn(f);
    assert_true(history(f, "g.hourly")->last_evaluated > evaluated);
    assert_int_equal(turn(f), 0);
}

static int64_t total_of(fixture *f, const char *key)
{
    int64_t v = -1;
    rdl_table *t = rdl_pipeline_find(f->e->pipeline, RDL_STR("g.held"));
    assert_int_equal(rdl_cache_load(f->e, t, &f->err), RDL_OK);
    char *sql = rdl_arena_printf(&f->arena,
                                 "SELECT v::BIGINT FROM c.\"g.held\" WHERE day = DATE '%s'", key);
    assert_int_equal(rdl_query_i64(f->e->conn, sql, &v, &f->err), RDL_OK);
    return v;
}

/* A held view is behind on two days; one of them is computed by hand, the schedule does the
 * other. */
static void a_range_is_refreshed_and_the_rest_stays_behind(void **state)
{
    fixture *f = *state;
    const char *column;
    uint64_t changed;
    rdl_engine_close(f->e);
    open_text(f, "CREATE SOURCE s (day DATE, v BIGINT) FROM 'in/' FORMAT JSON;\n"
                 "CREATE STREAMING TABLE b.rows AS SELECT day, v FROM STREAM s;\n"
                 "CREATE MATERIALIZED VIEW g.held PRIMARY KEY (day) SCHEDULE CRON '0 * * * *' AS\n"
                 "  SELECT day, sum(v) AS v FROM STREAM b.rows GROUP BY ALL;\n"
                 "CREATE MATERIALIZED VIEW g.twice PRIMARY KEY (day) AS\n"
                 "  SELECT day, v * 2 AS v FROM g.held;\n");
    feed(f, "{\"day\":\"2026-11-20\",\"v\":1}\n{\"day\":\"2026-11-21\",\"v\":1}\n");
    turn(f);
    step_to(f, "2026-11-21 10:30:00");
    feed(f, "{\"day\":\"2026-11-20\",\"v\":5}\n{\"day\":\"2026-11-21\",\"v\":5}\n");
    turn(f);
    assert_int_equal(total_of(f, "2026-11-20"), 1);
    const rdl_table *held = rdl_pipeline_find(f->e->pipeline, RDL_STR("g.held"));
    uint64_t evaluated = history(f, "g.held")->last_evaluated;
    assert_int_equal(rdl_engine_refresh_range(f->e, held, "2026-11-20", "2026-11-21", &column,
                                              &changed, &f->err),
                     RDL_OK);
    assert_string_equal(column, "day");
    assert_int_equal(changed, 4); /* a pair here, a pair downstream */
    assert_int_equal(total_of(f, "2026-11-20"), 6);
    assert_int_equal(total_of(f, "2026-11-21"), 1);
    assert_int_equal(history(f, "g.held")->last_evaluated, evaluated);
    step_to(f, "2026-11-21 11:00:00");
    turn(f);
    assert_int_equal(total_of(f, "2026-11-20"), 6);
    assert_int_equal(total_of(f, "2026-11-21"), 6);
    assert_int_equal(
        rdl_engine_refresh_range(f->e, held, "yesterday's", NULL, &column, &changed, &f->err),
        RDL_EUSAGE);
}

static void an_impossible_schedule_is_an_error_of_the_text(void **state)
{
    fixture *f = *state;
    rdl_engine *e = NULL;
    rdl_buf text = {0};
    const rdl_engine_config config = {
        .dir = f->dir,
        .root = rdl_path_join(&f->arena, f->dir, "other"),
        .clock = &f->clock,
        .text =
            "CREATE SOURCE s (k TEXT) FROM 'in/' FORMAT JSON;\n"
            "CREATE STREAMING TABLE b.rows AS SELECT k FROM STREAM s;\n"
            "CREATE MATERIALIZED VIEW g.v SCHEDULE CRON '0 3 31 2 *' AS SELECT k FROM b.rows;\n"};
    assert_int_equal(rdl_engine_open(&config, &f->diags, &e, &f->err), RDL_EUSAGE);
    rdl_diags_print(&f->diags, false, &text);
    assert_non_null(
        strstr(rdl_buf_str(&text), ":3:44: error: the schedule '0 3 31 2 *' of \"g.v\""));
    rdl_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_time_is_strictly_later),
        cmocka_unit_test(lists_ranges_steps_and_names_are_read),
        cmocka_unit_test(a_day_that_fits_either_field_counts_when_both_are_given),
        cmocka_unit_test(leap_days_come_when_there_are_any),
        cmocka_unit_test(what_is_no_cron_line_is_refused_with_the_reason),
        cmocka_unit_test(a_line_agrees_with_a_search_minute_by_minute),
        cmocka_unit_test_setup_teardown(a_zone_without_changes_is_a_distance, zones_setup,
                                        zones_teardown),
        cmocka_unit_test_setup_teardown(
            a_time_that_is_left_out_runs_when_the_clocks_are_put_forward, zones_setup,
            zones_teardown),
        cmocka_unit_test_setup_teardown(a_time_that_comes_twice_runs_once, zones_setup,
                                        zones_teardown),
        cmocka_unit_test_setup_teardown(a_line_for_every_hour_follows_elapsed_time, zones_setup,
                                        zones_teardown),
        cmocka_unit_test_setup_teardown(a_daily_line_runs_once_on_every_day, zones_setup,
                                        zones_teardown),
        cmocka_unit_test_setup_teardown(
            a_scheduled_view_is_evaluated_at_once_and_then_when_it_is_due, setup, teardown),
        cmocka_unit_test_setup_teardown(what_reads_a_scheduled_view_sees_its_changes_when_they_come,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_due_run_that_finds_nothing_new_waits_for_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(runs_missed_while_it_was_down_are_made_up_for_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_run_with_once_evaluates_whatever_changed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(updates_are_taken_at_most_as_often_as_said, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_job_is_made_up_for_once_and_survives_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_clock_that_was_ahead_holds_up_nothing_when_it_is_put_right, setup, teardown),
        cmocka_unit_test_setup_teardown(a_range_is_refreshed_and_the_rest_stays_behind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_impossible_schedule_is_an_error_of_the_text, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
