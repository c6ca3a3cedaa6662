/*
 * unit/api_test.c - raudal.h, used as another program uses it: through that header alone.
 */
#include "raudal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[300];

static void put(const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void make(const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int make_pipeline(void **state)
{
    const char *tmp = getenv("TMPDIR");
    (void)state;
    snprintf(folder, sizeof folder, "%s/raudal-api-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    make("in");
    make("queries");
    put("pipeline.sql",
        "CREATE SOURCE clicks (id TEXT, page TEXT, n INTEGER) FROM '${IN:-in}/' FORMAT "
        "JSON;\n"
        "CREATE STREAMING TABLE bronze.clicks DEDUPLICATE ON (id)\n"
        "  AS SELECT * FROM STREAM clicks;\n"
        "CREATE MATERIALIZED VIEW gold.pages PRIMARY KEY (page)\n"
        "  AS SELECT page, count(*) AS clicks FROM STREAM bronze.clicks GROUP BY page;\n"
        "PUBLISH gold.pages TO 'sqlite:serving.db' PRIMARY KEY ((page));\n");
    put("queries/page.sql", "-- One page.\n--   $page  its name\n--   $least  (default 0)\n"
                            "SELECT page, clicks FROM pages WHERE page = $page AND clicks >= "
                            "coalesce($least, 0);\n");
    put("in/1.jsonl", "{\"id\":\"a\",\"page\":\"/x\",\"n\":1}\n"
                      "{\"id\":\"b\",\"page\":\"/x\",\"n\":null}\n"
                      "{\"id\":\"b\",\"page\":\"/x\",\"n\":3}\nnot json\n");
    return 0;
}

static int remove_pipeline(void **state)
{
    char command[400];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static raudal *open_it(void)
{
    raudal *r;
    if (raudal_open(folder, NULL, &r) != RAUDAL_OK)
        fail_msg("%s\n%s", raudal_error(r), raudal_diagnostics(r));
    return r;
}

/* Rows as lines: "a|b;". */
static int collect(void *arg, const raudal_row *row)
{
    char *text = arg;
    for (size_t i = 0; i < row->n; i++) {
        const char *v = row->values[i] != NULL ? row->values[i] : "NULL";
        assert_int_equal(row->values[i] != NULL ? strlen(v) : 4,
                         row->values[i] != NULL ? row->lengths[i] : 4);
        snprintf(text + strlen(text), 500 - strlen(text), "%s%s", i != 0 ? "|" : "", v);
    }
    strncat(text, ";", 2);
    return 0;
}

static int end_at_once(void *arg, const raudal_row *row)
{
    (void)row;
    ++*(int *)arg;
    return 1;
}

static void a_pipeline_runs_balances_and_answers(void **state)
{
    char rows[500] = "";
    raudal_report report = {.size = sizeof report};
    raudal_status status = {.size = sizeof status};
    raudal *r = open_it();
    (void)state;
    if (raudal_run_once(r, &report) != RAUDAL_OK)
        fail_msg("%s", raudal_error(r));
    assert_int_equal(report.epochs, 1);
    assert_int_equal(report.read, 4);
    assert_int_equal(report.written, 2);
    assert_int_equal(report.duplicate, 1);
    assert_int_equal(report.quarantined, 1);
    assert_int_equal(
        raudal_query(r, "SELECT id, page, n FROM bronze.clicks ORDER BY id", collect, rows),
        RAUDAL_OK);
    assert_string_equal(rows, "a|/x|1;b|/x|NULL;");
    rows[0] = '\0';
    const raudal_parameter page = {"page", "/x"};
    if (raudal_query_store(r, "page", &page, 1, collect, rows) != RAUDAL_OK)
        fail_msg("%s", raudal_error(r));
    assert_string_equal(rows, "/x|2;");
    assert_int_equal(raudal_get_status(r, &status), RAUDAL_OK);
    assert_int_equal(status.epoch, 1);
    assert_int_equal(status.tables, 2);
    assert_int_equal(status.quarantined, 1);
    assert_true(status.writer_alive);
    assert_int_equal(raudal_run_once(r, &report), RAUDAL_OK); /* nothing new */
    assert_int_equal(report.epochs, 0);
    raudal_close(r);
}

static void what_fails_says_why(void **state)
{
    char rows[500] = "";
    raudal *r = open_it(), *two = open_it();
    (void)state;
    assert_int_equal(raudal_query(r, "DELETE FROM bronze.clicks", collect, rows), RAUDAL_EUSAGE);
    assert_true(raudal_error(r)[0] != '\0');
    assert_int_equal(raudal_query_store(r, "pag", NULL, 0, collect, rows), RAUDAL_EUSAGE);
    assert_non_null(strstr(raudal_hint(r), "page"));
    assert_int_equal(raudal_query_store(r, "page", NULL, 0, collect, rows), RAUDAL_EUSAGE);
    assert_non_null(strstr(raudal_error(r), "\"page\""));
    assert_int_equal(raudal_run_once(r, NULL), RAUDAL_OK);
    assert_int_equal(raudal_run_once(two, NULL), RAUDAL_ECONFLICT);
    assert_non_null(strstr(raudal_error(two), "LOCK"));
    raudal_close(r);
    assert_int_equal(raudal_run_once(two, NULL), RAUDAL_OK);
    raudal_close(two);
}

static void a_text_that_is_wrong_has_diagnostics_and_a_handle(void **state)
{
    raudal *r;
    (void)state;
    put("wrong.sql", "CREATE MATERIALIZED VIEW gold.w AS SELECT nobody FROM bronze.clicks;\n");
    assert_int_equal(raudal_open(folder, NULL, &r), RAUDAL_EUSAGE);
    assert_non_null(r);
    assert_non_null(strstr(raudal_diagnostics(r), "wrong.sql:1:"));
    assert_non_null(strstr(raudal_diagnostics(r), "nobody"));
    raudal_close(r);
    put("wrong.sql", "");
    assert_int_equal(raudal_open("/nowhere/at/all", NULL, &r), RAUDAL_EIO);
    raudal_close(r);
    raudal_close(NULL);
}

static void a_query_ends_when_the_caller_says_so(void **state)
{
    int rows = 0;
    raudal *r = open_it();
    (void)state;
    assert_int_equal(raudal_query(r, "SELECT * FROM range(100)", end_at_once, &rows), RAUDAL_ESTOP);
    assert_int_equal(rows, 1);
    raudal_close(r);
}

static void *stop_it(void *arg)
{
    raudal_stop(arg);
    return NULL;
}

static void a_run_stops_when_another_thread_says_so(void **state)
{
    raudal_report report = {.size = sizeof report};
    pthread_t thread;
    raudal *r = open_it();
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, stop_it, r), 0);
    assert_int_equal(raudal_run(r, &report), RAUDAL_OK); /* would not end by itself */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(report.stopped);
    raudal_close(r);
}

static void options_choose_the_root_and_the_variables(void **state)
{
    char root[400];
    const char *set[] = {"IN=other"};
    raudal_report report = {.size = sizeof report};
    raudal *r;
    (void)state;
    snprintf(root, sizeof root, "%s/elsewhere", folder);
    make("other");
    put("other/2.jsonl", "{\"id\":\"z\",\"page\":\"/z\",\"n\":9}\n");
    raudal_options options = {
        .size = sizeof options, .root = root, .set = set, .set_count = 1, .threads = 1};
    assert_int_equal(raudal_open(folder, &options, &r), RAUDAL_OK);
    assert_int_equal(raudal_run_once(r, &report), RAUDAL_OK);
    assert_int_equal(report.read, 1);
    raudal_close(r);
    assert_int_equal(access(root, F_OK), 0);
    assert_true(strlen(raudal_version()) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipeline_runs_balances_and_answers),
        cmocka_unit_test(what_fails_says_why),
        cmocka_unit_test(a_text_that_is_wrong_has_diagnostics_and_a_handle),
        cmocka_unit_test(a_query_ends_when_the_caller_says_so),
        cmocka_unit_test(a_run_stops_when_another_thread_says_so),
        cmocka_unit_test(options_choose_the_root_and_the_variables),
    };
    return cmocka_run_group_tests(tests, make_pipeline, remove_pipeline);
}
