/*
 * unit/ops_test.c - the list of runs, the metrics' text, and statements with parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/log.h"
#include "ops/catalog.h"
#include "ops/metrics.h"
#include "ops/statement.h"

static void runs_are_listed_the_newest_first_and_a_lost_one_is_marked(void **state)
{
    rdl_arena a;
    rdl_err err;
    rdl_catalog *c;
    rdl_catalog_run *runs,
        end = {
            .ended_us = 7000000, .epochs = 2, .last_epoch = 9, .rows_read = 100, .outcome = "done"};
    size_t n;
    (void)state;
    rdl_arena_init(&a, 0);
    char *dir = rdl_fs_temp_dir(&a, "raudal-ops", &err);
    assert_non_null(dir);
    assert_int_equal(rdl_catalog_open(dir, true, &c, &err), RDL_OK); /* there is none yet */
    assert_int_equal(rdl_catalog_runs(c, &a, 5, &runs, &n, &err), RDL_OK);
    assert_int_equal(n, 0);
    rdl_catalog_close(c);
    assert_int_equal(rdl_catalog_open(dir, false, &c, &err), RDL_OK);
    assert_int_equal(rdl_catalog_begin_run(c, "once", 1000000, &end.id, &err), RDL_OK);
    assert_int_equal(rdl_catalog_begin_run(c, "once", 5000000, &end.id, &err), RDL_OK);
    assert_int_equal(rdl_catalog_end_run(c, &end, &err), RDL_OK);
    assert_int_equal(rdl_catalog_runs(c, &a, 5, &runs, &n, &err), RDL_OK);
    assert_int_equal(n, 2);
    assert_int_equal(runs[0].started_us, 5000000);
    assert_int_equal(runs[0].ended_us, 7000000);
    assert_int_equal(runs[0].rows_read, 100);
    assert_string_equal(runs[0].outcome, "done");
    assert_string_equal(runs[1].outcome, "lost");
    assert_int_equal(runs[1].ended_us, INT64_MIN);
    rdl_catalog_close(c);
    assert_int_equal(rdl_fs_remove_tree(dir, &err), RDL_OK);
    rdl_arena_fini(&a);
}

static bool line_is_there(const rdl_buf *b, const char *line)
{
    const char *at = strstr(rdl_buf_str(b), line);
    return at != NULL && at[strlen(line)] == '\n' && (at == b->p || at[-1] == '\n');
}

static void metrics_have_help_and_type_and_the_fates_add_up(void **state)
{
    rdl_engine_status s = {.epoch = 12,
                           .files_behind = 2,
                           .last_seal_us = 1000000,
                           .total = {.read = 10, .written = 7, .duplicate = 2, .quarantined = 1}};
    rdl_buf b = {0};
    (void)state;
    rdl_log(RDL_LOG_ERROR, "epoch", "went_wrong", "why=test");
    rdl_metrics_print(&s, 3500000, &b);
    assert_true(line_is_there(&b, "# TYPE raudal_epoch gauge"));
    assert_true(line_is_there(&b, "raudal_epoch 12"));
    assert_true(line_is_there(&b, "raudal_lag_seconds 2.500000"));
    assert_true(line_is_there(&b, "raudal_rows_in_total 10"));
    assert_true(line_is_there(&b, "raudal_rows_total{fate=\"written\"} 7"));
    assert_true(line_is_there(&b, "raudal_rows_total{fate=\"quarantined\"} 1"));
    assert_true(
        line_is_there(&b, "raudal_problems_total{module=\"epoch\",event=\"went_wrong\"} 1"));
    rdl_buf_fini(&b);
}

static void an_address_that_cannot_be_is_refused(void **state)
{
    static const char *const bad[] = {"", "x", "127.0.0.1", "127.0.0.1:99999", "host name:1"};
    rdl_metrics *m;
    rdl_err err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(rdl_metrics_start(bad[i], NULL, &m, &err), RDL_EUSAGE);
        assert_int_equal(rdl_err_exit_code(&err), 3);
    }
    assert_int_equal(rdl_metrics_start("127.0.0.1:0", NULL, &m, &err), RDL_OK);
    assert_true(rdl_metrics_port(m) != 0);
    rdl_metrics_stop(m);
}

static void a_statement_ends_outside_of_quotes_and_comments(void **state)
{
    (void)state;
    assert_int_equal(rdl_statement_end(RDL_STR("SELECT 1; SELECT 2;")), 9);
    assert_int_equal(rdl_statement_end(RDL_STR("SELECT ';' ")), 0);
    assert_int_equal(rdl_statement_end(RDL_STR("SELECT \"a;b\" -- ;\n;")), 19);
    assert_int_equal(rdl_statement_end(RDL_STR("/* ; */ 1")), 0);
    assert_int_equal(rdl_statement_end(RDL_STR("SELECT 'open;")), 0);
    assert_true(rdl_statement_blank(RDL_STR(" -- only a comment\n ; /* x */")));
    assert_false(rdl_statement_blank(RDL_STR("-- x\nSELECT 1")));
}

static void parameters_come_with_their_description(void **state)
{
    rdl_arena a;
    rdl_parameter *p;
    size_t n;
    (void)state;
    rdl_arena_init(&a, 0);
    rdl_statement_parameters(&a,
                             RDL_STR("-- What it is.\n--   $org  who pays\n"
                                     "--   $n    how many (default 5)\n"
                                     "SELECT '$no', \"$nor\", x::TEXT FROM t\n"
                                     "WHERE org = $org AND day > :day AND n < $n AND org <> $org"),
                             &p, &n);
    assert_int_equal(n, 3);
    assert_string_equal(p[0].name, "org");
    assert_string_equal(p[0].description, "who pays");
    assert_false(p[0].optional);
    assert_string_equal(p[1].name, "day");
    assert_string_equal(p[1].description, "");
    assert_string_equal(p[2].name, "n");
    assert_true(p[2].optional);
    rdl_arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_listed_the_newest_first_and_a_lost_one_is_marked),
        cmocka_unit_test(metrics_have_help_and_type_and_the_fates_add_up),
        cmocka_unit_test(an_address_that_cannot_be_is_refused),
        cmocka_unit_test(a_statement_ends_outside_of_quotes_and_comments),
        cmocka_unit_test(parameters_come_with_their_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
