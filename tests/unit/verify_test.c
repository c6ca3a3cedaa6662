/*
 * verify_test.c - verify beside a run, step by step: the store and the cut that was taken are of
 * different epochs.  That alone is no difference, and hides none.
 */
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "batch/verify.h"
#include "stream/engine.h"

static const char pipeline[] =
    "CREATE SOURCE s (id BIGINT, k TEXT, v BIGINT) FROM 'in/' FORMAT JSON;\n"
    "CREATE STREAMING TABLE b.rows DEDUPLICATE ON (id) AS SELECT id, k, v FROM STREAM s;\n"
    "CREATE MATERIALIZED VIEW g.sums PRIMARY KEY (k) AS\n"
    "  SELECT k, sum(v) AS total, count(*) AS n FROM STREAM b.rows GROUP BY ALL;\n"
    "PUBLISH g.sums TO 'sqlite:sums.db' PRIMARY KEY (k);\n";

typedef struct fixture {
    rdl_arena arena;
    char *dir;
    rdl_engine *e;
    rdl_diags diags;
    rdl_err err;
    int files;
} fixture;

static const char *below(fixture *f, const char *name)
{
    return rdl_path_join(&f->arena, f->dir, name);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    rdl_log_set_level(RDL_LOG_ERROR);
    rdl_arena_init(&f->arena, 0);
    rdl_diags_init(&f->diags, &f->arena);
    f->dir = rdl_fs_temp_dir(&f->arena, "verify", &f->err);
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

static void open_engine(fixture *f)
{
    static const char *const set[] = {"max_files_per_epoch=1"};
    const rdl_engine_config config = {.dir = f->dir,
                                      .text = pipeline,
                                      .threads = 1,
                                      .memory_bytes = UINT64_C(256) << 20,
                                      .load = {.set = set, .set_count = 1}};
    assert_int_equal(rdl_engine_open(&config, &f->diags, &f->e, &f->err), RDL_OK);
}

static void close_engine(fixture *f)
{
    rdl_engine_close(f->e);
    f->e = NULL;
}

/* One more row of key a, sealed and applied; the root is held meanwhile alone. */
static void add(fixture *f)
{
    rdl_run_report report;
    char name[40], row[80];
    snprintf(name, sizeof name, "in/%05d.json", f->files);
    snprintf(row, sizeof row, "{\"id\":%d,\"k\":\"a\",\"v\":1}\n", f->files++);
    assert_int_equal(rdl_fs_put_if_absent(below(f, name), row, strlen(row), &f->err), RDL_OK);
    open_engine(f);
    assert_int_equal(rdl_engine_run_once(f->e, &report, &f->err), RDL_OK);
    close_engine(f);
}

static rdl_code reopen(void *arg, rdl_reader **out, rdl_err *err)
{
    fixture *f = arg;
    const rdl_reader_config config = {
        .dir = f->dir, .text = pipeline, .threads = 1, .memory_bytes = UINT64_C(256) << 20};
    return rdl_reader_open(&config, &f->diags, out, err);
}

/* The check of the store, at the reader's cut first. */
static rdl_verify_item check_store(fixture *f, rdl_reader *r)
{
    rdl_verify_item *items;
    size_t n;
    const rdl_verify_options options = {
        .samples_max = 10, .stores = true, .reopen = reopen, .reopen_arg = f};
    if (rdl_verify(r, &f->arena, &options, &items, &n, &f->err) != RDL_OK)
        fail_msg("%s", f->err.msg);
    assert_int_equal(n, 3);
    assert_int_equal(items[0].differences + items[1].differences, 0);
    assert_non_null(items[2].publication);
    if (items[2].differences > 0)
        print_message("%s\n", items[2].problem);
    return items[2];
}

static void set_store(fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(below(f, ".raudal/sums.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_run_that_ended_after_the_cut_was_taken_makes_no_difference(void **state)
{
    fixture *f = *state;
    rdl_reader *r = NULL;
    add(f);
    assert_int_equal(reopen(f, &r, &f->err), RDL_OK);
    add(f);
    assert_int_equal(check_store(f, r).differences, 0);
    rdl_reader_close(r);
}

static void a_store_ahead_of_all_that_was_sealed_differs(void **state)
{
    fixture *f = *state;
    rdl_reader *r = NULL;
    add(f);
    set_store(f, "UPDATE _raudal_progress SET epoch = epoch + 1");
    assert_int_equal(reopen(f, &r, &f->err), RDL_OK);
    assert_int_equal(check_store(f, r).differences, 1);
    rdl_reader_close(r);
}

/* Put back to what it was an epoch ago, as it is while a run is about to apply the newest. */
static const char an_epoch_ago[] = "UPDATE _raudal_progress SET epoch = epoch - 1;"
                                   "UPDATE \"sums\" SET total = total - 1, n = n - 1";

static void a_store_that_lags_beside_a_run_is_held_to_its_own_epoch(void **state)
{
    fixture *f = *state;
    rdl_reader *r = NULL;
    add(f);
    add(f);
    open_engine(f); /* it has the root; it has brought the store up, so put that back after */
    set_store(f, an_epoch_ago);
    assert_int_equal(reopen(f, &r, &f->err), RDL_OK);
    rdl_verify_item item = check_store(f, r);
    assert_int_equal(item.differences, 0);
    assert_non_null(strstr(item.against, "lake at epoch 1,"));
    rdl_reader_close(r);
}

static void a_wrong_value_in_a_store_that_lags_is_found(void **state)
{
    fixture *f = *state;
    rdl_reader *r = NULL;
    add(f);
    add(f);
    open_engine(f);
    set_store(f, an_epoch_ago);
    set_store(f, "UPDATE \"sums\" SET total = 7");
    assert_int_equal(reopen(f, &r, &f->err), RDL_OK);
    rdl_verify_item item = check_store(f, r);
    assert_int_equal(item.differences, 1);
    assert_int_equal(item.sample_count, 1);
    assert_non_null(strstr(item.samples[0].got, "total=7"));
    rdl_reader_close(r);
}

static void a_store_that_lags_with_no_run_beside_it_differs(void **state)
{
    fixture *f = *state;
    rdl_reader *r = NULL;
    add(f);
    add(f);
    set_store(f, an_epoch_ago);
    assert_int_equal(reopen(f, &r, &f->err), RDL_OK);
    assert_int_equal(check_store(f, r).differences, 1);
    rdl_reader_close(r);
}

/*
 * The store takes epochs 2 and 3 of b and a, and stays at 2; the lake goes from 1 to 3 in one step, and
 * what was between is pruned: nothing knows any more what the table was at 2.
 */
static void let_the_store_stay_between_two_versions(fixture *f)
{
    static const char rows[] = "{\"id\":%d,\"k\":\"%s\",\"v\":1}\n";
    rdl_run_report report;
    add(f);
    for (int i = 0; i < 2; i++) {
        char name[40], row[80];
        snprintf(name, sizeof name, "in/%05d.json", f->files);
        snprintf(row, sizeof row, rows, f->files++, i == 0 ? "b" : "a");
        assert_int_equal(rdl_fs_put_if_absent(below(f, name), row, strlen(row), &f->err), RDL_OK);
    }
    for (int run = 0; run < 2; run++) {
        if (run > 0)
            rdl_fault_arm(RDL_FAULT_SINK_BEFORE_ROWS, 1, EIO);
        open_engine(f);
        rdl_fault_arm(RDL_FAULT_SINK_BEFORE_ROWS, 1, EIO);
        assert_int_not_equal(rdl_engine_run_once(f->e, &report, &f->err), RDL_OK);
        rdl_fault_disarm();
        close_engine(f);
        if (run == 0)
            set_store(f, "UPDATE _raudal_progress SET epoch = epoch + 1;"
                         "INSERT INTO \"sums\" (k, total, n) VALUES ('b', 1, 1)");
    }
}

static void a_store_that_lags_for_long_beside_a_run_makes_no_difference(void **state)
{
    fixture *f = *state;
    rdl_reader *r = NULL;
    rdl_lock *held;
    let_the_store_stay_between_two_versions(f);
    assert_int_equal(rdl_lock_take(below(f, ".raudal/state/LOCK"), "run", &held, &f->err), RDL_OK);
    assert_int_equal(reopen(f, &r, &f->err), RDL_OK);
    rdl_verify_item item = check_store(f, r);
    assert_int_equal(item.differences, 0);
    assert_int_equal(item.rows, 2);
    assert_string_equal(item.against, "lake at epoch 3, without rows that epochs after 2 change, "
                                      "which the store has not yet");
    rdl_reader_close(r);
    rdl_lock_release(held);
}

static void a_wrong_value_in_a_store_that_lags_for_long_is_found(void **state)
{
    fixture *f = *state;
    rdl_reader *r = NULL;
    rdl_lock *held;
    let_the_store_stay_between_two_versions(f);
    set_store(f, "UPDATE \"sums\" SET total = 7; INSERT INTO \"sums\" (k, total, n) VALUES ('c', 1, 1)");
    assert_int_equal(rdl_lock_take(below(f, ".raudal/state/LOCK"), "run", &held, &f->err), RDL_OK);
    assert_int_equal(reopen(f, &r, &f->err), RDL_OK);
    assert_int_equal(check_store(f, r).differences, 2); /* of b and c: a is written over */
    rdl_reader_close(r);
    rdl_lock_release(held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_that_ended_after_the_cut_was_taken_makes_no_difference),
        TEST(a_store_ahead_of_all_that_was_sealed_differs),
        TEST(a_store_that_lags_beside_a_run_is_held_to_its_own_epoch),
        TEST(a_wrong_value_in_a_store_that_lags_is_found),
        TEST(a_store_that_lags_with_no_run_beside_it_differs),
        TEST(a_store_that_lags_for_long_beside_a_run_makes_no_difference),
        TEST(a_wrong_value_in_a_store_that_lags_for_long_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
