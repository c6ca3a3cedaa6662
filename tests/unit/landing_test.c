/*
 * landing_test.c - what may be taken out of a landing folder, and where it goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stream/landing.h"

typedef struct fixture {
    rdl_arena arena;
    rdl_diags diags;
    rdl_engine *e;
    char *dir;
    rdl_err err;
} fixture;

static void put(fixture *f, const char *name, const char *text)
{
    const char *path = rdl_path_join(&f->arena, f->dir, name);
    assert_int_equal(rdl_fs_mkdirs(rdl_path_dir(&f->arena, path), &f->err), RDL_OK);
    assert_int_equal(rdl_fs_write_durable(path, text, strlen(text), &f->err), RDL_OK);
}

static bool there(fixture *f, const char *name)
{
    return rdl_fs_exists(rdl_path_join(&f->arena, f->dir, name));
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    rdl_arena_init(&f->arena, 0);
    rdl_diags_init(&f->diags, &f->arena);
    f->dir = rdl_fs_temp_dir(&f->arena, "landing", &f->err);
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

static rdl_code open_with(fixture *f, const char *options)
{
    const rdl_engine_config config = {
        .dir = f->dir,
        .threads = 1,
        .memory_bytes = UINT64_C(256) << 20,
        .text = rdl_arena_printf(&f->arena,
                                 "CREATE SOURCE s (k TEXT) FROM 'in/' FORMAT JSON ON REPEAT READ "
                                 "OPTIONS (%s);\n"
                                 "CREATE STREAMING TABLE b.t AS SELECT k FROM STREAM s;\n",
                                 options)};
    rdl_engine_close(f->e);
    f->e = NULL;
    return rdl_engine_open(&config, &f->diags, &f->e, &f->err);
}

static void run(fixture *f)
{
    rdl_run_report report;
    if (rdl_engine_run_once(f->e, &report, &f->err) != RDL_OK)
        fail_msg("%s (%s)", f->err.msg, f->err.path);
}

static void a_moved_file_keeps_its_place_below_the_folder(void **state)
{
    fixture *f = *state;
    put(f, "in/2026-01-01/a.json", "{\"k\":\"a\"}\n");
    assert_int_equal(open_with(f, "after_commit = 'move:archive'"), RDL_OK);
    run(f);
    assert_false(there(f, "in/2026-01-01/a.json"));
    assert_true(there(f, "archive/2026-01-01/a.json"));
    /* The same name with other content stands beside it; with the same, there is one. */
    put(f, "in/2026-01-01/a.json", "{\"k\":\"b\"}\n");
    run(f);
    assert_true(there(f, "archive/2026-01-01/a.json"));
    assert_true(there(f, "archive/2026-01-01/a.json.2"));
    put(f, "in/2026-01-01/a.json", "{\"k\":\"b\"}\n");
    run(f);
    assert_false(there(f, "in/2026-01-01/a.json"));
    assert_int_equal(rdl_history_table(&f->e->history, RDL_STR("b.t"))->rows_total, 3);
}

static void a_file_goes_when_the_lake_has_it_and_not_before(void **state)
{
    fixture *f = *state;
    bool did;
    put(f, "in/a.json", "{\"k\":\"a\"}\n");
    assert_int_equal(open_with(f, "after_commit = 'delete'"), RDL_OK);
    assert_int_equal(rdl_engine_step(f->e, &did, &f->err), RDL_OK);
    assert_true(did);
    assert_int_equal(rdl_landing_clear(f->e, 0, &f->err), RDL_OK);
    assert_true(there(f, "in/a.json"));
    assert_int_equal(rdl_engine_flush(f->e, &f->err), RDL_OK);
    assert_false(there(f, "in/a.json"));
}

static void a_file_that_grew_since_it_was_read_stays(void **state)
{
    fixture *f = *state;
    bool did;
    put(f, "in/a.json", "{\"k\":\"a\"}\n");
    assert_int_equal(open_with(f, "after_commit = 'delete'"), RDL_OK);
    assert_int_equal(rdl_engine_step(f->e, &did, &f->err), RDL_OK);
    put(f, "in/a.json", "{\"k\":\"a\"}\n{\"k\":\"b\"}\n");
    assert_int_equal(rdl_engine_flush(f->e, &f->err), RDL_OK);
    assert_true(there(f, "in/a.json"));
    run(f);
    assert_false(there(f, "in/a.json"));
    assert_int_equal(rdl_history_table(&f->e->history, RDL_STR("b.t"))->rows_total, 2);
}

static void the_folder_may_not_be_one_that_is_read(void **state)
{
    fixture *f = *state;
    put(f, "in/a.json", "{\"k\":\"a\"}\n");
    assert_int_equal(open_with(f, "after_commit = 'move:in/done'"), RDL_EUSAGE);
    assert_non_null(strstr(f->err.msg, "the source reads"));
}

static void what_was_cleared_is_known_after_a_restart(void **state)
{
    fixture *f = *state;
    put(f, "in/a.json", "{\"k\":\"a\"}\n");
    assert_int_equal(open_with(f, "after_commit = 'delete'"), RDL_OK);
    run(f);
    put(f, "in/a.json", "{\"k\":\"other\"}\n");
    assert_int_equal(open_with(f, "after_commit = 'delete'"), RDL_OK);
    run(f);
    assert_int_equal(rdl_history_table(&f->e->history, RDL_STR("b.t"))->rows_total, 2);
    assert_false(there(f, "in/a.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_moved_file_keeps_its_place_below_the_folder, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_goes_when_the_lake_has_it_and_not_before, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_grew_since_it_was_read_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(the_folder_may_not_be_one_that_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_cleared_is_known_after_a_restart, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
