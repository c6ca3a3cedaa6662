/*
 * engine_loop_test.c - the continuous loop on a small pipeline: new files reach SQLite, a stop is
 * prompt, a store that cannot be written stops nobody and loses nothing.
 *
 * The loop runs on a thread of its own; the test waits for what must come by a deadline, never for
 * a length of time.
 */
#include <pthread.h>
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/machine.h"
#include "stream/internal.h"

enum { DEADLINE_S = 60 };

static const char pipeline[] =
    "CREATE SOURCE s (id BIGINT, k TEXT, v BIGINT) FROM 'in/' FORMAT JSON;\n"
    "CREATE STREAMING TABLE b.rows DEDUPLICATE ON (id) AS SELECT id, k, v FROM STREAM s;\n"
    "CREATE MATERIALIZED VIEW g.sums PRIMARY KEY (k) AS\n"
    "  SELECT k, sum(v) AS total, count(*) AS n FROM STREAM b.rows GROUP BY ALL;\n"
    "CREATE MATERIALIZED VIEW g.counts PRIMARY KEY (one) AS\n"
    "  SELECT 1 AS one, count(*) AS n FROM STREAM b.rows GROUP BY ALL;\n"
    "PUBLISH g.sums TO 'sqlite:sums.db?busy_timeout_ms=0' PRIMARY KEY (k);\n"
    "PUBLISH g.counts TO 'sqlite:counts.db?busy_timeout_ms=0' PRIMARY KEY (one);\n";

typedef struct fixture {
    rdl_arena arena;
    char *dir;
    rdl_engine *e;
    rdl_diags diags;
    pthread_t thread;
    rdl_run_report report;
    rdl_code rc;
    rdl_err err, run_err;
    int files;
    int64_t id;
} fixture;

static const char *below(fixture *f, const char *name)
{
    return rdl_path_join(&f->arena, f->dir, name);
}

static void open_with(fixture *f, const char *const *set, size_t n)
{
    const rdl_engine_config config = {.dir = f->dir,
                                      .text = pipeline,
                                      .threads = 1,
                                      .memory_bytes = UINT64_C(256) << 20,
                                      .load = {.set = set, .set_count = n}};
    rdl_code rc = rdl_engine_open(&config, &f->diags, &f->e, &f->err);
    if (rc != RDL_OK) {
        rdl_buf b = {0};
        rdl_diags_print(&f->diags, false, &b);
        fail_msg("%s (%s)\n%s", f->err.msg, f->err.path, rdl_buf_str(&b));
    }
}

static void *loop(void *arg)
{
    fixture *f = arg;
    f->rc = rdl_engine_run(f->e, &f->report, &f->run_err);
    return NULL;
}

static void start(fixture *f)
{
    assert_int_equal(pthread_create(&f->thread, NULL, loop, f), 0);
}

static void stop(fixture *f)
{
    rdl_engine_stop(f->e);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    if (f->rc != RDL_OK)
        print_message("run: %s (%s)\n", f->run_err.msg, f->run_err.path);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    rdl_log_set_level(RDL_LOG_ERROR);
    rdl_arena_init(&f->arena, 0);
    rdl_diags_init(&f->diags, &f->arena);
    f->dir = rdl_fs_temp_dir(&f->arena, "loop", &f->err);
    assert_int_equal(rdl_fs_mkdirs(below(f, "in"), &f->err), RDL_OK);
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

/* n rows of key k, each with v 1, in a new file that appears whole. */
static void feed(fixture *f, const char *k, int n)
{
    rdl_buf rows = {0};
    rdl_err err = {0};
    for (int i = 0; i < n; i++)
        rdl_buf_printf(&rows, "{\"id\":%lld,\"k\":\"%s\",\"v\":1}\n", (long long)f->id++, k);
    char name[40];
    snprintf(name, sizeof name, "in/%05d.json", f->files++);
    assert_int_equal(rdl_fs_put_if_absent(below(f, name), rows.p, rows.n, &err), RDL_OK);
    rdl_buf_fini(&rows);
}

/* A number that a store gives; -1 when it has none. */
static int64_t ask(fixture *f, const char *store, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    const char *path = below(f, rdl_arena_printf(&f->arena, ".raudal/%s", store));
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

static void wait_for(fixture *f, const char *store, const char *sql, int64_t expected)
{
    int64_t until = rdl_monotonic_us() + (int64_t)DEADLINE_S * 1000000, got = -1;
    while ((got = ask(f, store, sql)) != expected && rdl_monotonic_us() < until)
        rdl_sleep_ms(2); /* a poll with a deadline */
    if (got != expected)
        fail_msg("%s: %s gives %lld, not %lld", store, sql, (long long)got, (long long)expected);
}

static void wait_for_epochs(fixture *f, uint64_t n)
{
    int64_t until = rdl_monotonic_us() + (int64_t)DEADLINE_S * 1000000;
    rdl_engine_status s = {0};
    do {
        rdl_sleep_ms(2); /* a poll with a deadline */
        rdl_engine_get_status(f->e, &s);
    } while (s.epochs_sealed < n && rdl_monotonic_us() < until);
    assert_true(s.epochs_sealed >= n);
}

static const char sum_of_a[] = "SELECT total FROM sums WHERE k = 'a'";
static const char count_of_all[] = "SELECT n FROM counts";

static void new_files_show_up_in_the_store(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=20 ms", "lake_interval=50 ms"};
    open_with(f, set, 2);
    start(f);
    for (int i = 1; i <= 5; i++) {
        feed(f, "a", 10);
        wait_for(f, "sums.db", sum_of_a, 10 * i);
    }
    wait_for(f, "counts.db", count_of_all, 50);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
    assert_true(f->report.stopped);
    assert_int_equal(f->report.total.written, 50);
}

static void a_new_file_wakes_the_loop_long_before_the_trigger(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=1 hour"};
    open_with(f, set, 1);
    start(f);
    feed(f, "a", 10);
    wait_for(f, "sums.db", sum_of_a, 10);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
}

static void a_line_that_is_not_finished_is_left_for_later(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=10 ms"};
    rdl_err err = {0};
    rdl_file *file;
    open_with(f, set, 1);
    assert_int_equal(rdl_file_create(below(f, "in/a.json"), &file, &err), RDL_OK);
    static const char first[] = "{\"id\":1,\"k\":\"a\",\"v\":1}\n{\"id\":2,\"k\":\"a\",";
    static const char second[] = "\"v\":5}\n";
    assert_int_equal(rdl_file_write(file, first, sizeof first - 1, &err), RDL_OK);
    start(f);
    wait_for(f, "sums.db", sum_of_a, 1);
    assert_int_equal(rdl_file_write(file, second, sizeof second - 1, &err), RDL_OK);
    rdl_file_close(file);
    wait_for(f, "sums.db", sum_of_a, 6);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
    assert_int_equal(f->report.total.quarantined, 0);
}

static void a_stop_waits_for_one_epoch_at_most_and_leaves_everything_applied(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=1 ms", "max_files_per_epoch=1",
                                      "lake_interval=1 hour"};
    for (int i = 0; i < 200; i++)
        feed(f, "a", 5);
    open_with(f, set, 3);
    start(f);
    wait_for_epochs(f, 2);
    rdl_engine_status stopped = {0}, s = {0};
    rdl_engine_stop(f->e);
    rdl_engine_get_status(f->e, &stopped);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
    rdl_engine_get_status(f->e, &s);
    assert_true(s.epochs_sealed <= stopped.epochs_sealed + 1);
    assert_int_equal(s.applied, s.epoch);
    assert_int_equal(ask(f, "sums.db", sum_of_a), 5 * (int64_t)s.epochs_sealed);
    assert_int_equal(s.files_behind, 200 - (int64_t)s.epochs_sealed);
}

static sqlite3 *hold(fixture *f, const char *store)
{
    sqlite3 *db = NULL;
    const char *path = below(f, rdl_arena_printf(&f->arena, ".raudal/%s", store));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void a_store_that_cannot_be_written_stops_nobody_and_loses_nothing(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=5 ms", "lake_interval=10 ms"};
    open_with(f, set, 2);
    start(f);
    feed(f, "a", 10);
    wait_for(f, "sums.db", sum_of_a, 10);
    sqlite3 *db = hold(f, "sums.db");
    for (int i = 2; i <= 6; i++) {
        feed(f, "a", 10);
        wait_for(f, "counts.db", count_of_all, 10 * i); /* the other store goes on */
    }
    assert_int_equal(ask(f, "sums.db", sum_of_a), 10);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    wait_for(f, "sums.db", sum_of_a, 60);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
}

static void a_folder_in_the_place_of_a_store_is_waited_out(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=5 ms", "lake_interval=10 ms"};
    const char *path = below(f, ".raudal/sums.db"), *away = below(f, ".raudal/away.db");
    open_with(f, set, 2);
    start(f);
    feed(f, "a", 10);
    wait_for(f, "sums.db", sum_of_a, 10);
    sqlite3 *db = hold(f, "sums.db"); /* so that the engine lets go of it */
    feed(f, "a", 10);
    wait_for(f, "counts.db", count_of_all, 20);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(rdl_fs_mkdirs(path, &f->err), RDL_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    feed(f, "a", 10);
    wait_for(f, "counts.db", count_of_all, 30);
    assert_int_equal(rdl_fs_remove_tree(path, &f->err), RDL_OK);
    assert_int_equal(rename(away, path), 0);
    wait_for(f, "sums.db", sum_of_a, 30);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
}

static void a_store_that_was_deleted_is_filled_whole(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=5 ms", "lake_interval=10 ms"};
    open_with(f, set, 2);
    start(f);
    feed(f, "a", 10);
    wait_for(f, "sums.db", sum_of_a, 10);
    sqlite3 *db = hold(f, "sums.db");
    feed(f, "b", 10);
    wait_for(f, "counts.db", count_of_all, 20);
    assert_int_equal(unlink(below(f, ".raudal/sums.db")), 0);
    (void)unlink(below(f, ".raudal/sums.db-wal"));
    (void)unlink(below(f, ".raudal/sums.db-shm"));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    wait_for(f, "sums.db", "SELECT sum(total) FROM sums", 20);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
}

static void epochs_wait_for_a_store_that_lags_by_max_pending_epochs(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=1 ms", "lake_interval=10 ms",
                                      "max_files_per_epoch=1", "max_pending_epochs=3"};
    open_with(f, set, 4);
    start(f);
    feed(f, "a", 1);
    wait_for(f, "sums.db", sum_of_a, 1);
    sqlite3 *db = hold(f, "sums.db");
    for (int i = 0; i < 10; i++)
        feed(f, "a", 1);
    wait_for(f, "counts.db", count_of_all, 4);
    rdl_engine_status s = {0};
    rdl_engine_get_status(f->e, &s);
    assert_true(s.epochs_sealed <= 4);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    wait_for(f, "sums.db", sum_of_a, 11);
    wait_for(f, "counts.db", count_of_all, 11);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
}

static void a_stop_while_a_store_is_away_fails_and_the_next_start_applies_it(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=5 ms", "lake_interval=10 ms"};
    open_with(f, set, 2);
    start(f);
    feed(f, "a", 10);
    wait_for(f, "sums.db", sum_of_a, 10);
    sqlite3 *db = hold(f, "sums.db");
    feed(f, "a", 10);
    wait_for(f, "counts.db", count_of_all, 20);
    stop(f);
    assert_int_not_equal(f->rc, RDL_OK);
    assert_int_equal(f->run_err.area, RDL_AREA_SINK);
    rdl_engine_close(f->e);
    f->e = NULL;
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    open_with(f, set, 2);
    assert_int_equal(ask(f, "sums.db", sum_of_a), 20);
}

static void a_run_with_once_fails_when_a_store_cannot_be_written(void **state)
{
    fixture *f = *state;
    open_with(f, NULL, 0);
    feed(f, "a", 10);
    sqlite3 *db = hold(f, "sums.db");
    assert_int_not_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    assert_int_equal(f->run_err.area, RDL_AREA_SINK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    assert_int_equal(ask(f, "sums.db", sum_of_a), 10);
}

static void set_store(fixture *f, const char *store, const char *sql)
{
    sqlite3 *db = NULL;
    const char *path = below(f, rdl_arena_printf(&f->arena, ".raudal/%s", store));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_publication_that_does_not_fit_stops_no_other(void **state)
{
    fixture *f = *state;
    open_with(f, NULL, 0);
    feed(f, "a", 10);
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    rdl_engine_close(f->e);
    set_store(f, "sums.db", "ALTER TABLE sums RENAME COLUMN total TO was");
    open_with(f, NULL, 0);
    feed(f, "a", 10);
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_ESCHEMA);
    assert_int_equal(f->run_err.area, RDL_AREA_SINK);
    assert_non_null(strstr(f->run_err.msg, "column \"total\" is missing"));
    assert_non_null(strstr(f->run_err.path, "publication of g.sums"));
    assert_int_equal(ask(f, "counts.db", count_of_all), 20);
    assert_int_equal(ask(f, "sums.db", "SELECT was FROM sums"), 10);
    set_store(f, "sums.db", "ALTER TABLE sums RENAME COLUMN was TO total");
    rdl_engine_close(f->e);
    open_with(f, NULL, 0);
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    assert_int_equal(ask(f, "sums.db", sum_of_a), 20);
}

static void a_publication_that_does_not_fit_is_filled_once_it_does_while_the_run_goes_on(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=5 ms", "lake_interval=10 ms",
                                      "max_pending_epochs=2"};
    open_with(f, set, 3);
    feed(f, "a", 10);
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    rdl_engine_close(f->e);
    set_store(f, "sums.db", "ALTER TABLE sums RENAME COLUMN total TO was");
    open_with(f, set, 3);
    start(f);
    for (int i = 2; i <= 8; i++) { /* more epochs than may wait for a store that is down */
        feed(f, "a", 10);
        wait_for(f, "counts.db", count_of_all, 10 * i);
    }
    assert_int_equal(ask(f, "sums.db", "SELECT was FROM sums"), 10);
    set_store(f, "sums.db", "DROP TABLE sums");
    wait_for(f, "sums.db", sum_of_a, 80);
    stop(f);
    assert_int_equal(f->rc, RDL_OK);
}

static void an_answer_that_is_lost_counts_nothing_twice(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=5 ms", "lake_interval=10 ms"};
    open_with(f, set, 2);
    rdl_fault_arm(RDL_FAULT_SINK_AFTER_COMMIT, 3, EIO);
    start(f);
    for (int i = 1; i <= 4; i++) {
        feed(f, "a", 10);
        wait_for(f, "sums.db", sum_of_a, 10 * i);
    }
    stop(f);
    assert_true(rdl_fault_fired());
    rdl_fault_disarm();
    assert_int_equal(f->rc, RDL_OK);
    assert_int_equal(ask(f, "counts.db", count_of_all), 40);
}

static void a_lake_that_cannot_be_written_is_tried_again(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=5 ms", "lake_interval=1 ms"};
    open_with(f, set, 2);
    rdl_fault_arm(RDL_FAULT_LAKE_BEFORE_LINK, 1, EIO);
    start(f);
    for (int i = 1; i <= 4; i++) {
        feed(f, "a", 10);
        wait_for(f, "sums.db", sum_of_a, 10 * i);
    }
    stop(f);
    assert_true(rdl_fault_fired());
    rdl_fault_disarm();
    assert_int_equal(f->rc, RDL_OK);
    rdl_engine_status s = {0};
    rdl_engine_get_status(f->e, &s);
    assert_int_equal(s.applied, s.epoch);
}

static void a_limit_of_one_row_still_makes_progress(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"max_rows_per_epoch=1"};
    open_with(f, set, 1);
    feed(f, "a", 20);
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    assert_int_equal(f->report.total.written, 20);
    assert_true(f->report.epochs >= 10 && f->report.epochs <= 21);
}

static void epochs_are_cut_near_the_limit_of_rows(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"max_rows_per_epoch=100"};
    open_with(f, set, 1);
    feed(f, "a", 1000);
    feed(f, "b", 1000);
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    assert_int_equal(f->report.total.written, 2000);
    assert_true(f->report.epochs >= 18 && f->report.epochs <= 24);
}

static void what_a_failed_epoch_took_is_given_back(void **state)
{
    fixture *f = *state;
    open_with(f, NULL, 0);
    feed(f, "a", 10);
    rdl_fault_arm(RDL_FAULT_FS_SYNC, 1, EIO);
    assert_int_not_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    assert_true(rdl_fault_fired());
    rdl_fault_disarm();
    assert_int_equal(rdl_engine_run_once(f->e, &f->report, &f->run_err), RDL_OK);
    assert_int_equal(f->report.total.written, 10);
    assert_int_equal(ask(f, "sums.db", sum_of_a), 10);
}

static void an_idle_loop_takes_less_than_a_hundredth_of_a_processor(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"trigger_interval=10 ms"};
    for (int i = 0; i < 300; i++)
        feed(f, "a", 1);
    open_with(f, set, 1);
    start(f);
    wait_for(f, "sums.db", sum_of_a, 300);
    wait_for(f, "counts.db", count_of_all, 300);
    rdl_engine_status s = {0};
    while (s.applied == 0 || s.applied != s.epoch)
        rdl_engine_get_status(f->e, &s);
    rdl_sleep_ms(200); /* what follows the last epoch */
    double cpu = rdl_cpu_seconds();
    int64_t began = rdl_monotonic_us();
    rdl_sleep_ms(1000); /* what is measured is this second */
    double share = (rdl_cpu_seconds() - cpu) / ((double)(rdl_monotonic_us() - began) / 1e6);
    stop(f);
    printf("idle: %.2f %% of a processor\n", share * 100);
    assert_true(share < 0.03); /* a loaded machine's noise on top */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(new_files_show_up_in_the_store),
        CASE(a_new_file_wakes_the_loop_long_before_the_trigger),
        CASE(a_line_that_is_not_finished_is_left_for_later),
        CASE(a_stop_waits_for_one_epoch_at_most_and_leaves_everything_applied),
        CASE(a_store_that_cannot_be_written_stops_nobody_and_loses_nothing),
        CASE(a_folder_in_the_place_of_a_store_is_waited_out),
        CASE(a_store_that_was_deleted_is_filled_whole),
        CASE(epochs_wait_for_a_store_that_lags_by_max_pending_epochs),
        CASE(a_stop_while_a_store_is_away_fails_and_the_next_start_applies_it),
        CASE(a_run_with_once_fails_when_a_store_cannot_be_written),
        CASE(a_publication_that_does_not_fit_stops_no_other),
        CASE(a_publication_that_does_not_fit_is_filled_once_it_does_while_the_run_goes_on),
        CASE(an_answer_that_is_lost_counts_nothing_twice),
        CASE(a_lake_that_cannot_be_written_is_tried_again),
        CASE(a_limit_of_one_row_still_makes_progress),
        CASE(epochs_are_cut_near_the_limit_of_rows),
        CASE(what_a_failed_epoch_took_is_given_back),
        CASE(an_idle_loop_takes_less_than_a_hundredth_of_a_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
