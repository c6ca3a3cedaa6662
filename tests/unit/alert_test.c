/*
 * alert_test.c - when each kind of alert becomes active and when it is over, on a stepped clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ops/alert.h"
#include "stream/internal.h"

#define HOUR_US (INT64_C(3600) * 1000000)

static const char pipeline[] =
    "CREATE SOURCE s (n INTEGER) FROM 'in/' FORMAT JSON ON REPEAT READ;\n"
    "CREATE STREAMING TABLE b.rows (CONSTRAINT positive EXPECT (n > 0) ON VIOLATION QUARANTINE)\n"
    "  AS SELECT n FROM STREAM s;\n"
    "CREATE STREAMING TABLE b.never AS SELECT n FROM STREAM b.rows WHERE n > 1000000;\n"
    "CREATE MATERIALIZED VIEW g.total PROMISE INTERVAL 2 HOURS SCHEDULE CRON '0 6 * * *' AS\n"
    "  SELECT sum(n) AS n FROM STREAM b.rows;\n"
    "CREATE ALERT fresh WHEN FRESHNESS OF b.rows > INTERVAL 36 HOURS NOTIFY 'true';\n"
    "CREATE ALERT fresh_never WHEN FRESHNESS OF b.never > INTERVAL 36 HOURS NOTIFY 'true';\n"
    "CREATE ALERT volume WHEN VOLUME OF b.rows OUTSIDE 4 DEVIATIONS OF LAST 7 NOTIFY 'true';\n"
    "CREATE ALERT volume_epoch WHEN VOLUME OF b.rows PER EPOCH OUTSIDE 4 DEVIATIONS NOTIFY 'true';\n"
    "CREATE ALERT quality WHEN QUALITY OF b.rows < 0.9 OVER INTERVAL 1 DAY NOTIFY 'true';\n"
    "CREATE ALERT duration WHEN DURATION OF RUN > INTERVAL 1 HOUR NOTIFY 'true';\n"
    "CREATE ALERT overdue SEVERITY CRITICAL WHEN OVERDUE OF g.total NOTIFY 'true';\n"
    "CREATE ALERT failure WHEN FAILURE OF g.total NOTIFY 'true';\n"
    "CREATE ALERT broken WHEN (SELECT 1 / (SELECT max(n) - 1 FROM b.rows) AS x, CAST('x' AS INTEGER) AS y) NOTIFY 'true';\n"
    "CREATE ALERT again REPEAT EVERY INTERVAL 6 HOURS\n"
    "  WHEN (SELECT count(*) > 0 FROM b.rows WHERE n = 999) NOTIFY 'true', 'cat';\n";

typedef struct fixture {
    rdl_arena arena;
    char *dir;
    rdl_clock clock;
    rdl_engine *e;
    rdl_catalog *catalog;
    rdl_diags diags;
    rdl_err err;
    int files;
} fixture;

static int64_t at(const char *text)
{
    int64_t us = 0;
    assert_true(rdl_timestamp_parse(text, strlen(text), &us));
    return us;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    rdl_arena_init(&f->arena, 0);
    rdl_diags_init(&f->diags, &f->arena);
    rdl_clock_stepped(&f->clock, at("2026-11-01 05:00:00"));
    f->dir = rdl_fs_temp_dir(&f->arena, "alert", &f->err);
    assert_int_equal(rdl_fs_mkdirs(rdl_path_join(&f->arena, f->dir, "in"), &f->err), RDL_OK);
    const rdl_engine_config config = {.dir = f->dir,
                                      .text = pipeline,
                                      .clock = &f->clock,
                                      .threads = 1,
                                      .memory_bytes = UINT64_C(256) << 20};
    rdl_code rc = rdl_engine_open(&config, &f->diags, &f->e, &f->err);
    if (rc != RDL_OK) {
        rdl_buf b = {0};
        rdl_diags_print(&f->diags, false, &b);
        fail_msg("%s\n%s", f->err.msg, rdl_buf_str(&b));
    }
    assert_int_equal(rdl_catalog_open(f->e->root.dir, false, &f->catalog, &f->err), RDL_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    rdl_catalog_close(f->catalog);
    rdl_engine_close(f->e);
    (void)!rdl_fs_remove_tree(f->dir, &f->err);
    rdl_arena_fini(&f->arena);
    free(f);
    return 0;
}

static void put(fixture *f, const char *rows)
{
    const char *path =
        rdl_path_join(&f->arena, f->dir, rdl_arena_printf(&f->arena, "in/%03d.json", f->files++));
    assert_int_equal(rdl_fs_put_if_absent(path, rows, strlen(rows), &f->err), RDL_OK);
}

/* Epochs of the continuous loop until there is nothing to do. */
static void turn(fixture *f)
{
    for (bool did = true; did;) {
        rdl_work w;
        rdl_work_init(f->e, &w);
        w.continuous = true;
        rdl_code rc = rdl_plan_next(f->e, &w, false, &did, &f->err);
        if (rc == RDL_OK && did)
            rc = rdl_epoch_run(f->e, &w, &f->err);
        rdl_work_fini(f->e, &w);
        if (rc != RDL_OK)
            fail_msg("%s", f->err.msg);
    }
}

/* `rows` good rows and `bad` ones, in one epoch at that time. */
static void epoch_at(fixture *f, const char *time, int rows, int bad)
{
    rdl_run_report report;
    rdl_buf b = {0};
    f->clock.value_us = at(time);
    for (int i = 0; i < rows + bad; i++)
        rdl_buf_printf(&b, "{\"n\": %d}\n", i < rows ? 1 : -1);
    put(f, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    if (rdl_engine_run_once(f->e, &report, &f->err) != RDL_OK)
        fail_msg("%s", f->err.msg);
}

static void look(fixture *f, const char *time)
{
    const rdl_reader_config config = {
        .dir = f->dir, .text = pipeline, .threads = 1, .memory_bytes = UINT64_C(256) << 20};
    rdl_reader *r = NULL;
    rdl_alerts_result result = {0};
    assert_int_equal(rdl_reader_open(&config, &f->diags, &r, &f->err), RDL_OK);
    if (rdl_alerts_look(r, f->catalog, at(time), NULL, NULL, &result, &f->err) != RDL_OK)
        fail_msg("%s", f->err.msg);
    rdl_reader_close(r);
}

static rdl_catalog_alert alert(fixture *f, const char *name)
{
    rdl_catalog_alert *list;
    size_t n;
    assert_int_equal(rdl_catalog_alerts(f->catalog, &f->arena, &list, &n, &f->err), RDL_OK);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i];
    fail_msg("no alert %s", name);
    return (rdl_catalog_alert){0};
}

static void is(fixture *f, const char *name, rdl_alert_state expected)
{
    rdl_catalog_alert a = alert(f, name);
    if (a.state != expected)
        fail_msg("%s is %s, not %s (%s)", name, rdl_alert_state_name(a.state),
                 rdl_alert_state_name(expected), a.message != NULL ? a.message : "");
}

static void what_did_not_change_for_too_long_is_told_until_it_changes(void **state)
{
    fixture *f = *state;
    epoch_at(f, "2026-11-01 05:00:00", 3, 0);
    look(f, "2026-11-02 16:59:59");
    is(f, "fresh", RDL_ALERT_QUIET);
    look(f, "2026-11-02 17:00:01");
    is(f, "fresh", RDL_ALERT_ACTIVE);
    epoch_at(f, "2026-11-02 18:00:00", 1, 0);
    look(f, "2026-11-02 18:00:01");
    is(f, "fresh", RDL_ALERT_QUIET);
    assert_int_equal(alert(f, "fresh").times, 1);
    is(f, "fresh_never", RDL_ALERT_ACTIVE); /* it never changed */
}

static void a_volume_is_unusual_when_it_lies_outside_of_the_days_before(void **state)
{
    fixture *f = *state;
    static const int usual[] = {100, 104, 97, 101, 99, 103};
    for (int i = 0; i < 6; i++)
        epoch_at(f, rdl_arena_printf(&f->arena, "2026-11-%02d 05:00:00", i + 1), usual[i], 0);
    look(f, "2026-11-07 00:30:00");
    is(f, "volume", RDL_ALERT_QUIET);
    is(f, "volume_epoch", RDL_ALERT_QUIET);
    epoch_at(f, "2026-11-07 05:00:00", 250, 0);
    look(f, "2026-11-07 06:00:00");
    is(f, "volume", RDL_ALERT_QUIET); /* the day is not over */
    is(f, "volume_epoch", RDL_ALERT_ACTIVE);
    look(f, "2026-11-08 00:30:00");
    is(f, "volume", RDL_ALERT_ACTIVE);
    epoch_at(f, "2026-11-08 05:00:00", 100, 0);
    look(f, "2026-11-09 00:30:00");
    is(f, "volume", RDL_ALERT_QUIET);
    is(f, "volume_epoch", RDL_ALERT_QUIET);
    look(f, "2026-11-10 00:30:00");   /* a day on which nothing came */
    is(f, "volume", RDL_ALERT_QUIET); /* within four deviations, since one day was so large */
    look(f, "2026-11-11 00:30:00");
    is(f, "quality", RDL_ALERT_QUIET);
}

static void four_days_tell_nothing_about_what_is_usual(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 4; i++)
        epoch_at(f, rdl_arena_printf(&f->arena, "2026-11-%02d 05:00:00", i + 1), 100, 0);
    epoch_at(f, "2026-11-05 05:00:00", 1, 0);
    look(f, "2026-11-06 00:30:00");
    is(f, "volume", RDL_ALERT_QUIET);
    is(f, "volume_epoch", RDL_ALERT_QUIET);
}

static void a_share_of_bad_rows_counts_while_it_is_recent(void **state)
{
    fixture *f = *state;
    epoch_at(f, "2026-11-01 05:00:00", 90, 10);
    look(f, "2026-11-01 05:10:00");
    is(f, "quality", RDL_ALERT_QUIET); /* 0.9 is not less */
    epoch_at(f, "2026-11-01 06:00:00", 9, 2);
    look(f, "2026-11-01 06:10:00");
    is(f, "quality", RDL_ALERT_ACTIVE);
    look(f, "2026-11-02 06:00:01"); /* a day later nothing was judged */
    is(f, "quality", RDL_ALERT_QUIET);
}

static void a_run_that_took_too_long_is_told_until_one_does_not(void **state)
{
    fixture *f = *state;
    rdl_catalog_run run = {
        .kind = "once", .outcome = "done", .started_us = at("2026-11-01 05:00:00")};
    epoch_at(f, "2026-11-01 05:00:00", 1, 0);
    run.ended_us = run.started_us + HOUR_US + 1000000;
    assert_int_equal(rdl_catalog_add_run(f->catalog, &run, &f->err), RDL_OK);
    look(f, "2026-11-01 07:00:00");
    is(f, "duration", RDL_ALERT_ACTIVE);
    /* A table's failure is no run of the whole. */
    rdl_catalog_run job = {.kind = "table g.total",
                           .outcome = "failed",
                           .message = "no",
                           .started_us = run.ended_us,
                           .ended_us = run.ended_us};
    assert_int_equal(rdl_catalog_add_run(f->catalog, &job, &f->err), RDL_OK);
    look(f, "2026-11-01 07:10:00");
    is(f, "duration", RDL_ALERT_ACTIVE);
    is(f, "failure", RDL_ALERT_ACTIVE);
    job.outcome = "done";
    run.ended_us = run.started_us + HOUR_US;
    assert_int_equal(rdl_catalog_add_run(f->catalog, &run, &f->err), RDL_OK);
    assert_int_equal(rdl_catalog_add_run(f->catalog, &job, &f->err), RDL_OK);
    look(f, "2026-11-01 07:20:00");
    is(f, "duration", RDL_ALERT_QUIET);
    is(f, "failure", RDL_ALERT_QUIET);
}

static void a_broken_promise_is_told_when_its_time_is_over(void **state)
{
    fixture *f = *state;
    f->clock.value_us = at("2026-11-01 05:00:00");
    put(f, "{\"n\": 1}\n");
    turn(f);
    look(f, "2026-11-01 05:00:01");
    is(f, "overdue", RDL_ALERT_QUIET);
    /* Rows came; the view is due at 6, and promised by 8. */
    f->clock.value_us = at("2026-11-01 05:30:00");
    put(f, "{\"n\": 5}\n");
    turn(f);
    look(f, "2026-11-01 07:59:59");
    is(f, "overdue", RDL_ALERT_QUIET);
    look(f, "2026-11-01 08:00:01");
    is(f, "overdue", RDL_ALERT_ACTIVE);
    f->clock.value_us = at("2026-11-01 08:10:00");
    turn(f);
    look(f, "2026-11-01 08:10:01");
    is(f, "overdue", RDL_ALERT_QUIET);
}

static void a_condition_that_cannot_be_asked_is_failing_and_told_once(void **state)
{
    fixture *f = *state;
    epoch_at(f, "2026-11-01 05:00:00", 1, 0);
    look(f, "2026-11-01 05:10:00");
    is(f, "broken", RDL_ALERT_FAILING);
    look(f, "2026-11-01 05:20:00");
    is(f, "broken", RDL_ALERT_FAILING);
    assert_int_equal(alert(f, "broken").waiting, 1);
}

static void an_alert_is_told_once_and_again_only_as_often_as_said(void **state)
{
    fixture *f = *state;
    epoch_at(f, "2026-11-01 05:00:00", 1, 0);
    put(f, "{\"n\": 999}\n");
    epoch_at(f, "2026-11-01 06:00:00", 1, 0);
    look(f, "2026-11-01 06:00:01");
    is(f, "again", RDL_ALERT_ACTIVE);
    assert_int_equal(alert(f, "again").waiting, 2); /* one for each target */
    look(f, "2026-11-01 11:59:59");
    assert_int_equal(alert(f, "again").waiting, 2);
    look(f, "2026-11-01 12:00:01");
    assert_int_equal(alert(f, "again").waiting, 4);
    assert_int_equal(alert(f, "again").times, 1); /* it became active once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_did_not_change_for_too_long_is_told_until_it_changes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_volume_is_unusual_when_it_lies_outside_of_the_days_before,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(four_days_tell_nothing_about_what_is_usual, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_share_of_bad_rows_counts_while_it_is_recent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_run_that_took_too_long_is_told_until_one_does_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_broken_promise_is_told_when_its_time_is_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_condition_that_cannot_be_asked_is_failing_and_told_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_alert_is_told_once_and_again_only_as_often_as_said,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
