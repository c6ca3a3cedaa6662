/*
 * tests/unit/lake_test.c - the Delta tables of src/lake, on real files and a real DuckDB.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "lake/delta.h"

#define ROOT "0123abcd-0000-4000-8000-000000000001"
#define OTHER "99999999-0000-4000-8000-000000000002"
#define DAY_US ((int64_t)24 * 3600 * 1000000)

typedef struct world {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    char *dir; /* of the test */
    char *table;
    rdl_err err;
} world;

#define OK(expr)                                                                           \
    do {                                                                                   \
        if ((expr) != RDL_OK)                                                              \
            fail_msg("%s: %s (%s)", #expr, w->err.msg, w->err.path);                       \
    } while (0)
#define FAILS(code_, expr)                                                                 \
    do {                                                                                   \
        memset(&w->err, 0, sizeof w->err);                                                 \
        const rdl_code got_ = (expr);                                                      \
        if (got_ != (code_))                                                               \
            fail_msg("%s: code %d, \"%s\"", #expr, (int)got_, w->err.msg);                 \
    } while (0)

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    rdl_arena_init(&w->arena, 0);
    const rdl_duck_config config = {.threads = 2};
    OK(rdl_duck_open(&config, &w->duck, &w->err));
    OK(rdl_conn_open(w->duck, &w->conn, &w->err));
    w->dir = rdl_fs_temp_dir(&w->arena, "lake", &w->err);
    assert_non_null(w->dir);
    w->table = rdl_path_join(&w->arena, w->dir, "t");
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    rdl_fault_disarm();
    OK(rdl_fs_remove_tree(w->dir, &w->err));
    rdl_conn_close(w->conn);
    rdl_duck_close(w->duck);
    rdl_arena_fini(&w->arena);
    free(w);
    return 0;
}

static rdl_schema schema_of(world *w, const char *text)
{
    const rdl_type *t = NULL;
    OK(rdl_type_parse(&w->arena, rdl_str_of(text), &t, &w->err));
    rdl_schema s = {RDL_NEWN(&w->arena, rdl_column, t->field_count + 1), t->field_count};
    for (size_t i = 0; i < s.n; i++)
        s.v[i] = (rdl_column){t->field_names[i], t->field_types[i]};
    return s;
}

static rdl_lake_table table_of(world *w, const char *columns, const char *key)
{
    rdl_lake_table t = {.dir = w->table, .app_id = ROOT, .name = "t"};
    t.schema = schema_of(w, columns);
    if (key != NULL) {
        rdl_str *keys = RDL_NEWN(&w->arena, rdl_str, 4);
        const char *p = key;
        while (*p != '\0') {
            const char *comma = strchr(p, ',');
            const size_t n = comma != NULL ? (size_t)(comma - p) : strlen(p);
            keys[t.partition_count++] = (rdl_str){p, n};
            p += n + (comma != NULL);
        }
        t.partition_columns = keys;
    }
    return t;
}

static rdl_lake_commit_info at_epoch(uint64_t epoch)
{
    return (rdl_lake_commit_info){.operation = "STREAMING UPDATE",
                                  .epoch = epoch,
                                  .timestamp_us = INT64_C(1700000000000000) +
                                                  (int64_t)epoch * 1000000};
}

static rdl_lake_result append(world *w, const rdl_lake_table *t, const char *select,
                              uint64_t epoch)
{
    rdl_lake_result out;
    const rdl_lake_commit_info info = at_epoch(epoch);
    OK(rdl_lake_append(w->conn, t, select, NULL, &info, &out, &w->err));
    return out;
}

static rdl_lake_snapshot load(world *w, int64_t version)
{
    rdl_lake_snapshot s;
    OK(rdl_lake_load(&w->arena, w->table, ROOT, version, &s, &w->err));
    return s;
}

/* A query with %s for the table as of the version, its first value as text. */
static char *ask_at(world *w, int64_t version, const char *fmt)
{
    rdl_lake_snapshot s = load(w, version);
    rdl_buf from = {0}, sql = {0};
    char *out = NULL;
    OK(rdl_lake_select(&w->arena, w->table, &s, &from, &w->err));
    const char *mark = strstr(fmt, "$T");
    rdl_buf_put(&sql, fmt, (size_t)(mark - fmt));
    rdl_buf_printf(&sql, "(%s)%s", rdl_buf_str(&from), mark + 2);
    OK(rdl_query_text(w->conn, &w->arena, rdl_buf_str(&sql), &out, &w->err));
    rdl_buf_fini(&from);
    rdl_buf_fini(&sql);
    return out;
}

static char *ask(world *w, const char *fmt)
{
    return ask_at(w, -1, fmt);
}

static size_t data_files(world *w)
{
    rdl_names names;
    size_t n = 0;
    OK(rdl_fs_walk(&w->arena, w->table, &names, &w->err));
    for (size_t i = 0; i < names.n; i++)
        n += strncmp(names.v[i], "_delta_log/", 11) != 0;
    return n;
}

static void an_append_is_read_back(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, d DATE, s TEXT)", "d");
    rdl_lake_result r = append(w, &t, "SELECT i, DATE '2025-01-01' + (i % 3)::INT AS d, 's' || i AS s FROM range(100) x(i)", 1);
    assert_int_equal(r.version, 0);
    assert_int_equal(r.files_added, 3);
    assert_int_equal(r.rows_added, 100);
    assert_string_equal(ask(w, "SELECT count(*) || ' ' || sum(i) || ' ' || count(DISTINCT d) FROM $T"), "100 4950 3");
    rdl_lake_snapshot s = load(w, -1);
    assert_int_equal(s.rows, 100);
    assert_int_equal(s.txn_version, 1);
    assert_string_equal(s.txn_app_id, ROOT);
    assert_string_equal(s.files[0].partition[0], "2025-01-01");
    assert_non_null(strstr(s.files[0].stats, "\"numRecords\":34"));
    assert_int_equal(data_files(w), 3);
}

static void an_epoch_is_appended_once(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER)", NULL);
    append(w, &t, "SELECT 1 AS i", 5);
    rdl_lake_result r = append(w, &t, "SELECT 2 AS i", 5);
    assert_true(r.already);
    assert_int_equal(r.version, 0);
    r = append(w, &t, "SELECT 2 AS i", 4);
    assert_true(r.already);
    assert_string_equal(ask(w, "SELECT sum(i) FROM $T"), "1");
    assert_int_equal(data_files(w), 1);
}

static void a_table_is_made_without_rows(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, j JSON)", NULL);
    rdl_lake_snapshot s = load(w, -1);
    assert_int_equal(s.version, -1);
    append(w, &t, NULL, 1);
    assert_string_equal(ask(w, "SELECT count(*) FROM $T"), "0");
    assert_string_equal(ask(w, "SELECT column_type FROM (DESCRIBE SELECT * FROM $T) WHERE column_name = 'j'"), "JSON");
    assert_true(append(w, &t, NULL, 1).already);
    append(w, &t, "SELECT 7 AS i, '{\"a\":1}' AS j", 1);
    assert_string_equal(ask(w, "SELECT i || j FROM $T"), "7{\"a\":1}");
}

static void odd_partition_values_survive(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT, \"q r\" BIGINT)", "p,q r");
    const char *rows = "SELECT * FROM (VALUES (1,'a/b',1),(2,'%',2),(3,'=',3),(4,' ',4),(5,'ü',5),(6,'',6),"
                       "(7,NULL,NULL),(8,'__HIVE_DEFAULT_PARTITION__',NULL),(9,'a b%2F?*[x]{y}#''\"\\',9),"
                       "(10,'..',10),(11,'NULL',11),(12,chr(10),12)) v(i,p,\"q r\")";
    append(w, &t, rows, 1);
    OK(rdl_execf(w->conn, &w->err, "CREATE TABLE want AS %s", rows));
    assert_string_equal(ask(w, "SELECT count(*) FROM (SELECT i, p, \"q r\" FROM want EXCEPT ALL SELECT i, p, \"q r\" FROM $T)"), "0");
    assert_string_equal(ask(w, "SELECT count(*) FROM $T"), "12");
}

static void plain_partitions_are_read_with_pruning(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT, d DATE)", "d,p");
    append(w, &t, "SELECT * FROM (VALUES (1,'a/b',DATE '2025-01-01'),(2,NULL,DATE '2025-01-01'),(3,'ü x',NULL)) v(i,p,d)", 1);
    rdl_lake_snapshot s = load(w, -1);
    rdl_buf sql = {0};
    OK(rdl_lake_select(&w->arena, w->table, &s, &sql, &w->err));
    assert_non_null(strstr(rdl_buf_str(&sql), "hive_partitioning=true"));
    rdl_buf_fini(&sql);
    assert_string_equal(ask(w, "SELECT string_agg(i || coalesce(p, '-') || coalesce(d::TEXT, '-'), ';' ORDER BY i) FROM $T"),
                        "1a/b2025-01-01;2-2025-01-01;3ü x-");
    OK(rdl_lake_prune(&w->arena, w->conn, &s, "d = DATE '2025-01-01' AND p IS NULL", &w->err));
    assert_int_equal(s.file_count, 1);
}

static void every_type_survives(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(
        w,
        "STRUCT(b BOOLEAN, i INTEGER, l BIGINT, f DOUBLE, d4 DECIMAL(4,2), d9 DECIMAL(9,3), d18 DECIMAL(18,6), "
        "d38 DECIMAL(38,10), t TEXT, bl BLOB, d DATE, ts TIMESTAMPTZ, j JSON, li INTEGER[], lj JSON[], "
        "m MAP(TEXT, BIGINT), s STRUCT(x INTEGER, \"y z\" JSON), deep STRUCT(a TEXT)[])",
        NULL);
    const char *rows =
        "SELECT true AS b, 1::INTEGER AS i, 9223372036854775807 AS l, 'nan'::DOUBLE AS f, 12.34::DECIMAL(4,2) AS d4, "
        "-1.5::DECIMAL(9,3) AS d9, 1e11::DECIMAL(18,6) AS d18, 12345678901234567890.5::DECIMAL(38,10) AS d38, "
        "repeat('ü', 50) AS t, '\\x00\\xFF'::BLOB AS bl, DATE '1969-12-31' AS d, TIMESTAMPTZ '1960-01-01 00:00:00.000001+00' AS ts, "
        "'[1,{\"a\":null}]'::JSON AS j, [1,NULL] AS li, ['1'::JSON, NULL] AS lj, MAP{'k': 1::BIGINT} AS m, "
        "{'x': 1, 'y z': '{}'::JSON} AS s, [{'a': 'q'}] AS deep "
        "UNION ALL SELECT NULL,NULL,NULL,'-inf',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL";
    append(w, &t, rows, 1);
    OK(rdl_execf(w->conn, &w->err, "CREATE TABLE want AS %s", rows));
    rdl_lake_snapshot s = load(w, -1);
    assert_int_equal(s.schema.n, t.schema.n);
    for (size_t i = 0; i < t.schema.n; i++)
        if (!rdl_type_eq(s.schema.v[i].type, t.schema.v[i].type))
            fail_msg("column %.*s", (int)t.schema.v[i].name.n, t.schema.v[i].name.p);
    assert_string_equal(ask(w, "SELECT count(*) FROM (SELECT * FROM want EXCEPT ALL SELECT * FROM $T)"), "0");
    assert_string_equal(ask(w, "SELECT string_agg(column_type, ',') FROM (DESCRIBE SELECT lj, s FROM $T)"),
                        "JSON[],STRUCT(x INTEGER, \"y z\" JSON)");
    assert_null(strstr(s.files[0].stats, "\"f\":nan"));
    assert_non_null(strstr(s.files[0].stats, "\"ts\":\"1960-01-01T00:00:00.000001Z\""));
}

static void statistics_never_claim_too_much(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, f DOUBLE, g DOUBLE, s TEXT, n TEXT, \"q\"\"x\" DECIMAL(9,2))", NULL);
    append(w, &t, "SELECT i, CASE WHEN i = 1 THEN 'nan'::DOUBLE ELSE i END AS f, i / 4 AS g, repeat('é', 40) || i AS s, NULL AS n, i / 8 AS \"q\"\"x\" FROM range(3) x(i)", 1);
    const char *stats = load(w, -1).files[0].stats;
    assert_non_null(strstr(stats, "\"numRecords\":3"));
    const char *max = strstr(stats, "\"maxValues\"");
    assert_null(strstr(max, "\"s\":\""));
    assert_null(strstr(stats, "\"f\":1"));
    assert_non_null(strstr(max, "\"g\":0.5"));
    assert_non_null(strstr(max, "\"i\":2"));
    assert_non_null(strstr(max, "\"q\\\"x\":0.25"));
    assert_non_null(strstr(stats, "\"s\":\"éééééééééééééééééééééééééééééééé\""));
    assert_non_null(strstr(stats, "\"n\":3"));
}

static void replace_changes_only_the_named_partitions(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
    append(w, &t, "SELECT i, ['a','b',NULL][i % 3 + 1] AS p FROM range(9) x(i)", 1);
    append(w, &t, "SELECT 100 AS i, 'a' AS p", 2);
    rdl_lake_result r;
    const rdl_lake_commit_info info = at_epoch(3);
    OK(rdl_lake_replace(w->conn, &t, "SELECT 1000 AS i, 'a' AS p", "SELECT 'a' AS p UNION ALL SELECT NULL", "i", &info, &r, &w->err));
    assert_int_equal(r.files_removed, 3);
    assert_int_equal(r.files_added, 1);
    assert_string_equal(ask(w, "SELECT sum(i) || ' ' || count(*) FROM $T"), "1012 4");
    assert_string_equal(ask_at(w, 1, "SELECT sum(i) || ' ' || count(*) FROM $T"), "136 10");
    const rdl_lake_commit_info next = at_epoch(4);
    FAILS(RDL_EBUG, rdl_lake_replace(w->conn, &t, "SELECT 1 AS i, 'zz' AS p", "SELECT 'a' AS p", NULL, &next, &r, &w->err));
    OK(rdl_lake_replace(w->conn, &t, "SELECT 1 AS i, 'zz' AS p", NULL, NULL, &next, &r, &w->err));
    assert_string_equal(ask(w, "SELECT sum(i) || ' ' || count(*) FROM $T"), "1 1");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(an_append_is_read_back),
        CASE(an_epoch_is_appended_once),
        CASE(a_table_is_made_without_rows),
        CASE(odd_partition_values_survive),
        CASE(plain_partitions_are_read_with_pruning),
        CASE(every_type_survives),
        CASE(statistics_never_claim_too_much),
        CASE(replace_changes_only_the_named_partitions),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
