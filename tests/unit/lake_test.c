/*
 * tests/unit/lake_test.c - the Delta tables of src/lake, on real files and a real DuckDB.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) != RDL_OK)                                                                      \
            fail_msg("%s: %s (%s)", #expr, w->err.msg, w->err.path);                               \
    } while (0)
#define FAILS(code_, expr)                                                                         \
    do {                                                                                           \
        memset(&w->err, 0, sizeof w->err);                                                         \
        const rdl_code got_ = (expr);                                                              \
        if (got_ != (code_))                                                                       \
            fail_msg("%s: code %d, \"%s\"", #expr, (int)got_, w->err.msg);                         \
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
                                  .timestamp_us =
                                      INT64_C(1700000000000000) + (int64_t)epoch * 1000000};
}

static rdl_lake_result append(world *w, const rdl_lake_table *t, const char *select, uint64_t epoch)
{
    rdl_lake_result out;
    const rdl_lake_commit_info info = at_epoch(epoch);
    OK(rdl_lake_append(w->conn, t, select, NULL, &info, &out, &w->err));
    return out;
}

/* The end of the log says what the whole log says. */
static void shows(world *w, int64_t version, int64_t txn)
{
    int64_t got_version, got_txn;
    OK(rdl_lake_shown(w->table, ROOT, &got_version, &got_txn, &w->err));
    assert_int_equal(got_version, version);
    assert_int_equal(got_txn, txn);
}

static rdl_lake_snapshot load(world *w, int64_t version)
{
    rdl_lake_snapshot s;
    OK(rdl_lake_load(&w->arena, w->table, ROOT, version, &s, &w->err));
    if (version < 0)
        shows(w, s.version, s.txn_version);
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
    rdl_lake_result r = append(w, &t,
                               "SELECT i, DATE '2025-01-01' + (i % 3)::INT AS d, 's' || i "
                               "AS s FROM range(100) x(i)",
                               1);
    assert_int_equal(r.version, 0);
    assert_int_equal(r.files_added, 3);
    assert_int_equal(r.rows_added, 100);
    assert_string_equal(
        ask(w, "SELECT count(*) || ' ' || sum(i) || ' ' || count(DISTINCT d) FROM $T"),
        "100 4950 3");
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
    assert_string_equal(
        ask(w, "SELECT column_type FROM (DESCRIBE SELECT * FROM $T) WHERE column_name = 'j'"),
        "JSON");
    assert_true(append(w, &t, NULL, 1).already);
    append(w, &t, "SELECT 7 AS i, '{\"a\":1}' AS j", 1);
    assert_string_equal(ask(w, "SELECT i || j FROM $T"), "7{\"a\":1}");
}

static void odd_partition_values_survive(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT, \"q r\" BIGINT)", "p,q r");
    const char *rows =
        "SELECT * FROM (VALUES (1,'a/b',1),(2,'%',2),(3,'=',3),(4,' "
        "',4),(5,'ü',5),(6,'',6),"
        "(7,NULL,NULL),(8,'__HIVE_DEFAULT_PARTITION__',NULL),(9,'a b%2F?*[x]{y}#''\"\\',9),"
        "(10,'..',10),(11,'NULL',11),(12,chr(10),12)) v(i,p,\"q r\")";
    append(w, &t, rows, 1);
    OK(rdl_execf(w->conn, &w->err, "CREATE TABLE want AS %s", rows));
    assert_string_equal(ask(w, "SELECT count(*) FROM (SELECT i, p, \"q r\" FROM want "
                               "EXCEPT ALL SELECT i, p, \"q r\" FROM $T)"),
                        "0");
    assert_string_equal(ask(w, "SELECT count(*) FROM $T"), "12");
}

static void plain_partitions_are_read_with_pruning(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT, d DATE)", "d,p");
    append(w, &t,
           "SELECT * FROM (VALUES (1,'a/b',DATE '2025-01-01'),(2,NULL,DATE "
           "'2025-01-01'),(3,'ü x',NULL),"
           "(4,'a+b',NULL),(5,'x%20y:=',NULL),(6,'1e5',NULL),(7,'{\"a\":[1]}',NULL)) v(i,p,d)",
           1);
    rdl_lake_snapshot s = load(w, -1);
    rdl_buf sql = {0};
    OK(rdl_lake_select(&w->arena, w->table, &s, &sql, &w->err));
    assert_non_null(strstr(rdl_buf_str(&sql), "hive_partitioning=true"));
    rdl_buf_fini(&sql);
    assert_string_equal(
        ask(w, "SELECT string_agg(i || coalesce(p, '-') || coalesce(d::TEXT, '-'), ';' "
               "ORDER BY i) FROM $T"),
        "1a/b2025-01-01;2-2025-01-01;3ü x-;4a+b-;5x%20y:=-;61e5-;7{\"a\":[1]}-");
    assert_string_equal(ask(w, "SELECT i FROM $T WHERE p = 'x%20y:='"), "5");
    assert_string_equal(ask(w, "SELECT count(*) FROM $T WHERE p IS NULL AND d = DATE '2025-01-01'"),
                        "1");
    OK(rdl_lake_prune(&w->arena, w->conn, &s, "d = DATE '2025-01-01' AND p IS NULL", &w->err));
    assert_int_equal(s.file_count, 1);
}

static void a_table_may_lie_in_any_folder(void **state)
{
    world *w = *state;
    const char *const names[] = {"a b",    "it's",  "k=v",       "p=1/t", "[x]",  "what?",
                                 "st*r",   "100%",  "x%20y",     "ü",     "a//b", "trailing/",
                                 "./here", "#hash", "{brace,y}", "~home", "a\\b", "semi;colon"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        w->table = rdl_arena_printf(&w->arena, "%s/%s", w->dir, names[i]);
        const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
        append(w, &t, "SELECT i, 'p' || i AS p FROM range(3) x(i)", 1);
        append(w, &t, "SELECT 10 AS i, '' AS p", 2);
        assert_string_equal(
            ask(w, "SELECT sum(i) || string_agg(p, ',' ORDER BY i) || count(*) FROM $T"),
            "13p0,p1,p2,4");
        assert_string_equal(ask_at(w, 0, "SELECT sum(i) || max(p) FROM $T"), "3p2");
        rdl_lake_result r;
        bool made;
        const rdl_lake_compact_options options = {.files_min = 2};
        const rdl_lake_commit_info info = at_epoch(3);
        append(w, &t, "SELECT 11 AS i, 'p1' AS p", 3);
        OK(rdl_lake_compact(w->conn, &t, &options, &info, &r, &w->err));
        assert_int_equal(r.files_removed, 2);
        OK(rdl_lake_checkpoint(w->conn, &t, true, &made, &w->err));
        assert_string_equal(ask(w, "SELECT sum(i) FROM $T"), "24");
    }
}

static void every_type_survives(void **state)
{
    world *w = *state;
    const rdl_lake_table t =
        table_of(w,
                 "STRUCT(b BOOLEAN, i INTEGER, l BIGINT, f DOUBLE, d4 DECIMAL(4,2), d9 "
                 "DECIMAL(9,3), d18 DECIMAL(18,6), "
                 "d38 DECIMAL(38,10), t TEXT, bl BLOB, d DATE, ts TIMESTAMPTZ, j JSON, li "
                 "INTEGER[], lj JSON[], "
                 "m MAP(TEXT, BIGINT), s STRUCT(x INTEGER, \"y z\" JSON), deep STRUCT(a TEXT)[])",
                 NULL);
    const char *rows = "SELECT true AS b, 1::INTEGER AS i, 9223372036854775807 AS l, "
                       "'nan'::DOUBLE AS f, 12.34::DECIMAL(4,2) AS d4, "
                       "-1.5::DECIMAL(9,3) AS d9, 1e11::DECIMAL(18,6) AS d18, "
                       "12345678901234567890.5::DECIMAL(38,10) AS d38, "
                       "repeat('ü', 50) AS t, '\\x00\\xFF'::BLOB AS bl, DATE '1969-12-31' "
                       "AS d, TIMESTAMPTZ '1960-01-01 00:00:00.000001+00' AS ts, "
                       "'[1,{\"a\":null}]'::JSON AS j, [1,NULL] AS li, ['1'::JSON, NULL] "
                       "AS lj, MAP{'k': 1::BIGINT} AS m, "
                       "{'x': 1, 'y z': '{}'::JSON} AS s, [{'a': 'q'}] AS deep "
                       "UNION ALL SELECT "
                       "NULL,NULL,NULL,'-inf',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,"
                       "NULL,NULL,NULL,NULL,NULL";
    append(w, &t, rows, 1);
    OK(rdl_execf(w->conn, &w->err, "CREATE TABLE want AS %s", rows));
    rdl_lake_snapshot s = load(w, -1);
    assert_int_equal(s.schema.n, t.schema.n);
    for (size_t i = 0; i < t.schema.n; i++)
        if (!rdl_type_eq(s.schema.v[i].type, t.schema.v[i].type))
            fail_msg("column %.*s", (int)t.schema.v[i].name.n, t.schema.v[i].name.p);
    assert_string_equal(
        ask(w, "SELECT count(*) FROM (SELECT * FROM want EXCEPT ALL SELECT * FROM $T)"), "0");
    assert_string_equal(
        ask(w, "SELECT string_agg(column_type, ',') FROM (DESCRIBE SELECT lj, s FROM $T)"),
        "JSON[],STRUCT(x INTEGER, \"y z\" JSON)");
    assert_null(strstr(s.files[0].stats, "\"f\":nan"));
    assert_non_null(strstr(s.files[0].stats, "\"ts\":\"1960-01-01T00:00:00.000001Z\""));
}

static void statistics_never_claim_too_much(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(
        w, "STRUCT(i INTEGER, f DOUBLE, g DOUBLE, s TEXT, n TEXT, \"q\"\"x\" DECIMAL(9,2))", NULL);
    append(w, &t,
           "SELECT i, CASE WHEN i = 1 THEN 'nan'::DOUBLE ELSE i END AS f, i / 4 AS g, "
           "repeat('é', 40) || i AS s, NULL AS n, i / 8 AS \"q\"\"x\" FROM range(3) x(i)",
           1);
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
    OK(rdl_lake_replace(w->conn, &t, "SELECT 1000 AS i, 'a' AS p",
                        "SELECT 'a' AS p UNION ALL SELECT NULL", "i", &info, &r, &w->err));
    assert_int_equal(r.files_removed, 3);
    assert_int_equal(r.files_added, 1);
    assert_string_equal(ask(w, "SELECT sum(i) || ' ' || count(*) FROM $T"), "1012 4");
    assert_string_equal(ask_at(w, 1, "SELECT sum(i) || ' ' || count(*) FROM $T"), "136 10");
    const rdl_lake_commit_info next = at_epoch(4);
    FAILS(RDL_EBUG, rdl_lake_replace(w->conn, &t, "SELECT 1 AS i, 'zz' AS p", "SELECT 'a' AS p",
                                     NULL, &next, &r, &w->err));
    OK(rdl_lake_replace(w->conn, &t, "SELECT 1 AS i, 'zz' AS p", NULL, NULL, &next, &r, &w->err));
    assert_string_equal(ask(w, "SELECT sum(i) || ' ' || count(*) FROM $T"), "1 1");
}

static void no_rows_are_an_epoch_too(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TIMESTAMPTZ)", "p");
    const char *row = "SELECT 1 AS i, TIMESTAMPTZ '2025-01-01 00:00:00+00' AS p";
    const char *part = "SELECT TIMESTAMPTZ '2025-01-01 00:00:00+00' AS p";
    const char *none = "SELECT 1 AS i, TIMESTAMPTZ '2025-01-01' AS p WHERE false";
    rdl_lake_result r;
    rdl_lake_commit_info info = at_epoch(1);
    OK(rdl_lake_replace(w->conn, &t, row, part, NULL, &info, &r, &w->err));
    assert_int_equal(r.version, 0);
    info = at_epoch(2);
    OK(rdl_lake_replace(w->conn, &t, none, part, NULL, &info, &r, &w->err));
    assert_int_equal(r.files_removed, 1);
    assert_int_equal(r.files_added, 0);
    assert_string_equal(ask(w, "SELECT count(*) FROM $T"), "0");
    assert_int_equal(append(w, &t, none, 3).version, 2);
    assert_int_equal(load(w, -1).txn_version, 3);
    info = at_epoch(4);
    OK(rdl_lake_replace(w->conn, &t, row,
                        "SELECT NULL::TIMESTAMPTZ AS p WHERE false UNION ALL SELECT "
                        "TIMESTAMPTZ '2025-01-01 02:00:00+02' AS p",
                        NULL, &info, &r, &w->err));
    assert_string_equal(ask(w, "SELECT i || ' ' || p FROM $T"), "1 2025-01-01 00:00:00+00");
    const rdl_lake_table flat = {
        .dir = rdl_path_join(&w->arena, w->dir, "flat"), .app_id = ROOT, .schema = t.schema};
    OK(rdl_lake_append(w->conn, &flat, none, NULL, &info, &r, &w->err));
    assert_int_equal(r.files_added, 0);
    assert_int_equal(data_files(w), 2); /* the removed one stays for time travel */
}

static void new_columns_are_added_and_others_refused(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
    append(w, &t, "SELECT 1 AS i, 'a' AS p", 1);
    rdl_lake_table wider = table_of(w, "STRUCT(i INTEGER, p TEXT, n DECIMAL(9,2), j JSON)", "p");
    append(w, &wider, NULL, 2);
    assert_string_equal(ask(w, "SELECT count(*) || coalesce(max(n)::TEXT, '-') FROM $T"), "1-");
    append(w, &wider, "SELECT 2 AS i, 'a' AS p, 2.5 AS n, '[]' AS j", 2);
    assert_string_equal(
        ask(w, "SELECT string_agg(i || coalesce(n::TEXT, '-'), ' ' ORDER BY i) FROM $T"),
        "1- 22.50");
    assert_int_equal(load(w, 0).schema.n, 2);
    rdl_lake_result r;
    const rdl_lake_commit_info info = at_epoch(3);
    const rdl_lake_table changed =
        table_of(w, "STRUCT(i BIGINT, p TEXT, n DECIMAL(9,2), j JSON)", "p");
    FAILS(RDL_ESCHEMA, rdl_lake_append(w->conn, &changed, "SELECT 1", NULL, &info, &r, &w->err));
    assert_non_null(strstr(w->err.msg, "\"i\""));
    FAILS(RDL_ESCHEMA, rdl_lake_append(w->conn, &t, "SELECT 1", NULL, &info, &r, &w->err));
    assert_non_null(strstr(w->err.msg, "\"n\""));
    const rdl_lake_table unkeyed =
        table_of(w, "STRUCT(i INTEGER, p TEXT, n DECIMAL(9,2), j JSON)", NULL);
    FAILS(RDL_ESCHEMA, rdl_lake_append(w->conn, &unkeyed, "SELECT 1", NULL, &info, &r, &w->err));
}

static void a_version_is_found_by_its_time(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER)", NULL);
    for (uint64_t e = 1; e <= 4; e++)
        append(w, &t, "SELECT 1 AS i", e);
    int64_t v = -1;
    OK(rdl_lake_version_at(w->table, at_epoch(3).timestamp_us + 999999, &v, &w->err));
    assert_int_equal(v, 2);
    OK(rdl_lake_version_at(w->table, at_epoch(1).timestamp_us, &v, &w->err));
    assert_int_equal(v, 0);
    FAILS(RDL_EUSAGE, rdl_lake_version_at(w->table, at_epoch(1).timestamp_us - 1, &v, &w->err));
    assert_string_equal(ask_at(w, 1, "SELECT count(*) FROM $T"), "2");
    rdl_lake_snapshot s;
    FAILS(RDL_EUSAGE, rdl_lake_load(&w->arena, w->table, ROOT, 9, &s, &w->err));
    rdl_lake_version *h;
    size_t n;
    OK(rdl_lake_history(&w->arena, w->table, &h, &n, &w->err));
    assert_int_equal(n, 4);
    assert_int_equal(h[0].version, 3);
    assert_int_equal(h[0].txn_version, 4);
    assert_string_equal(h[3].operation, "STREAMING UPDATE");
}

static void compaction_keeps_rows_exactly(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
    for (uint64_t e = 1; e <= 6; e++)
        append(w, &t, "SELECT i, ['a', '', NULL][i % 3 + 1] AS p FROM range(30) x(i)", e);
    rdl_lake_table wider = table_of(w, "STRUCT(i INTEGER, p TEXT, n BIGINT)", "p");
    append(w, &wider, "SELECT 1 AS i, 'b' AS p, 5 AS n", 7);
    const char *sum = "SELECT count(*) || ' ' || sum(i) || ' ' || count(p) || ' ' || "
                      "count(DISTINCT p) || ' ' || sum(n) FROM $T";
    const char *before = ask(w, sum);
    rdl_lake_result r;
    const rdl_lake_commit_info info = {"OPTIMIZE", 7, at_epoch(7).timestamp_us};
    OK(rdl_lake_compact(w->conn, &t, NULL, &info, &r, &w->err));
    assert_int_equal(r.files_removed, 18);
    assert_int_equal(r.files_added, 3);
    assert_int_equal(r.rows_added, 180);
    assert_string_equal(ask(w, sum), before);
    assert_int_equal(load(w, -1).file_count, 4);
    assert_int_equal(load(w, -1).txn_version, 7);
    assert_false(load(w, -1).files[0].data_change && load(w, -1).files[1].data_change &&
                 load(w, -1).files[2].data_change && load(w, -1).files[3].data_change);
    OK(rdl_lake_compact(w->conn, &t, NULL, &info, &r, &w->err));
    assert_true(r.already);
    size_t removed = 0;
    OK(rdl_lake_sweep(w->table, ROOT, &removed, &w->err));
    assert_int_equal(removed, 0);
    assert_string_equal(ask_at(w, 6, sum), before);
}

static void clean_log(world *w, int64_t upto)
{
    for (int64_t v = 0; v < upto; v++)
        OK(rdl_fs_unlink(rdl_delta_commit_path(&w->arena, w->table, v), &w->err));
}

static void a_checkpoint_stands_for_the_cleaned_log(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT, j JSON)", "p");
    bool made = true;
    for (uint64_t e = 1; e <= 12; e++) {
        append(w, &t, "SELECT i, [NULL, 'ü/%'][i % 2 + 1] AS p, '[]' AS j FROM range(4) x(i)", e);
        OK(rdl_lake_checkpoint(w->conn, &t, false, &made, &w->err));
        assert_int_equal(made, e == 10);
    }
    rdl_lake_result r;
    const rdl_lake_commit_info info = at_epoch(13);
    OK(rdl_lake_replace(w->conn, &t, "SELECT 9 AS i, NULL AS p, NULL AS j",
                        "SELECT NULL::TEXT AS p", NULL, &info, &r, &w->err));
    OK(rdl_lake_checkpoint(w->conn, &t, true, &made, &w->err));
    assert_true(made);
    append(w, &t, "SELECT 10 AS i, 'x' AS p, NULL AS j", 14);
    const char *sum =
        "SELECT count(*) || ' ' || sum(i) || ' ' || count(p) || ' ' || count(j) FROM $T";
    const char *before = ask(w, sum);
    const rdl_lake_snapshot was = load(w, -1);
    assert_int_equal(load(w, 10).version, 10); /* from Parquet: the newer copy stands alone */
    assert_int_equal(load(w, 10).rows, 44);
    clean_log(w, 13);
    for (int round = 0; round < 2; round++) {
        const rdl_lake_snapshot s = load(w, -1);
        assert_string_equal(ask(w, sum), before);
        assert_int_equal(s.txn_version, 14);
        assert_int_equal(s.file_count, was.file_count);
        assert_int_equal(s.rows, was.rows);
        for (size_t i = 0; i < s.file_count; i++) {
            assert_string_equal(s.files[i].path, was.files[i].path);
            assert_string_equal(s.files[i].stats, was.files[i].stats);
        }
        assert_string_equal(s.table_id, was.table_id);
        rdl_lake_snapshot old;
        FAILS(RDL_EUSAGE, rdl_lake_load(&w->arena, w->table, ROOT, 11, &old, &w->err));
        /* And once more from the Parquet file, since our copy does not check out. */
        const char *copy =
            rdl_arena_printf(&w->arena, "%s/_delta_log/_raudal.%020d.jsonl", w->table, 12);
        rdl_buf b = {0};
        OK(rdl_fs_read(copy, 0, &b, &w->err));
        b.p[b.n / 2] ^= 1;
        OK(rdl_fs_write_durable(copy, b.p, b.n, &w->err));
        rdl_buf_fini(&b);
    }
}

static void vacuum_keeps_what_the_retention_says(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER)", NULL);
    rdl_lake_result r;
    rdl_lake_commit_info info = at_epoch(2);
    append(w, &t, "SELECT 1 AS i", 1);
    OK(rdl_lake_replace(w->conn, &t, "SELECT 2 AS i", NULL, NULL, &info, &r, &w->err));
    char **paths;
    size_t n;
    const int64_t removed_at = at_epoch(2).timestamp_us;
    OK(rdl_lake_vacuum(&w->arena, w->table, removed_at + 6 * DAY_US, 7 * DAY_US, 30 * DAY_US, false,
                       &paths, &n, &w->err));
    assert_int_equal(n, 0);
    OK(rdl_lake_vacuum(&w->arena, w->table, removed_at + 8 * DAY_US, 7 * DAY_US, 30 * DAY_US, true,
                       &paths, &n, &w->err));
    assert_int_equal(n, 1);
    assert_int_equal(data_files(w), 2);
    OK(rdl_lake_vacuum(&w->arena, w->table, removed_at + 8 * DAY_US, 7 * DAY_US, 30 * DAY_US, false,
                       &paths, &n, &w->err));
    assert_int_equal(data_files(w), 1);
    assert_string_equal(ask(w, "SELECT sum(i) FROM $T"), "2");

    bool made;
    OK(rdl_lake_checkpoint(w->conn, &t, true, &made, &w->err));
    append(w, &t, "SELECT 3 AS i", 3);
    const int64_t later = rdl_now_us(&rdl_clock_system) + 31 * DAY_US;
    OK(rdl_lake_vacuum(&w->arena, w->table, later, 7 * DAY_US, 30 * DAY_US, false, &paths, &n,
                       &w->err));
    assert_int_equal(n, 1);
    assert_string_equal(paths[0], "_delta_log/00000000000000000000.json");
    assert_string_equal(ask(w, "SELECT sum(i) FROM $T"), "5");
}

static void flip(world *w, const char *path, size_t at, size_t keep)
{
    rdl_buf b = {0};
    OK(rdl_fs_read(path, 0, &b, &w->err));
    if (at < b.n)
        b.p[at] ^= 0x01;
    OK(rdl_fs_write_durable(path, b.p, keep < b.n ? keep : b.n, &w->err));
    rdl_buf_fini(&b);
}

static void a_damaged_log_is_never_read_as_if_it_were_whole(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER)", NULL);
    append(w, &t, "SELECT 1 AS i", 1);
    append(w, &t, "SELECT 2 AS i", 2);
    const char *path = rdl_delta_commit_path(&w->arena, w->table, 1);
    rdl_buf whole = {0};
    OK(rdl_fs_read(path, 0, &whole, &w->err));
    rdl_lake_snapshot s;
    int64_t version, txn;
    const char *mark = strstr(whole.p, ",\"raudalXxh64\"");
    for (size_t at = 0; at < whole.n; at += 5) {
        if (whole.p + at >= mark && whole.p + at < mark + 15)
            continue; /* the hash's own name */
        flip(w, path, at, SIZE_MAX);
        FAILS(RDL_EDATA, rdl_lake_shown(w->table, ROOT, &version, &txn, &w->err));
        FAILS(RDL_EDATA, rdl_lake_load(&w->arena, w->table, ROOT, -1, &s, &w->err));
        assert_non_null(strstr(w->err.msg, path));
        assert_int_equal(w->err.area, RDL_AREA_STORE);
        assert_true(w->err.hint[0] != '\0');
        OK(rdl_fs_write_durable(path, whole.p, whole.n, &w->err));
    }
    for (size_t keep = 0; keep < whole.n; keep += 11) {
        flip(w, path, SIZE_MAX, keep);
        FAILS(RDL_EDATA, rdl_lake_shown(w->table, ROOT, &version, &txn, &w->err));
        FAILS(RDL_EDATA, rdl_lake_load(&w->arena, w->table, ROOT, -1, &s, &w->err));
        OK(rdl_fs_write_durable(path, whole.p, whole.n, &w->err));
    }
    rdl_buf_fini(&whole);
    append(w, &t, "SELECT 3 AS i", 3);
    OK(rdl_fs_unlink(path, &w->err));
    FAILS(RDL_EDATA, rdl_lake_load(&w->arena, w->table, ROOT, -1, &s, &w->err));
    assert_non_null(strstr(w->err.msg, path));
}

static void a_missing_or_changed_data_file_is_named(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER)", NULL);
    append(w, &t, "SELECT 1 AS i", 1);
    const rdl_lake_snapshot s = load(w, -1);
    const char *path = rdl_path_join(&w->arena, w->table, s.files[0].path);
    rdl_buf sql = {0};
    flip(w, path, SIZE_MAX, 40);
    FAILS(RDL_EDATA, rdl_lake_select(&w->arena, w->table, &s, &sql, &w->err));
    OK(rdl_fs_unlink(path, &w->err));
    FAILS(RDL_EDATA, rdl_lake_select(&w->arena, w->table, &s, &sql, &w->err));
    assert_non_null(strstr(w->err.msg, s.files[0].path));
    rdl_buf_fini(&sql);
}

static void refuse(world *w, const char *line, const char *feature)
{
    rdl_delta_state s;
    rdl_delta_state_init(&s, &w->arena);
    const rdl_code rc = rdl_delta_apply(&s, rdl_str_of(line), "x.json", &w->err);
    if (rc != RDL_ESCHEMA || strstr(w->err.msg, feature) == NULL)
        fail_msg("%s: %d %s", line, (int)rc, w->err.msg);
}

static void features_that_we_lack_are_refused_by_name(void **state)
{
    world *w = *state;
    refuse(w,
           "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":["
           "\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}",
           "deletionVectors");
    refuse(w,
           "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,"
           "\"readerFeatures\":[\"v2Checkpoint\"]}}",
           "v2Checkpoint");
    refuse(w, "{\"protocol\":{\"minReaderVersion\":2,\"minWriterVersion\":5}}", "columnMapping");
    refuse(w, "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":3}}", "checkConstraints");
    refuse(w, "{\"protocol\":{\"minReaderVersion\":9,\"minWriterVersion\":9}}", "reader version 9");
    refuse(w, "{\"add\":{\"path\":\"s3://b/x\",\"size\":1}}", "absolute paths");
    refuse(w, "{\"add\":{\"path\":\"x\",\"size\":1,\"deletionVector\":{\"storageType\":\"u\"}}}",
           "deletionVectors");
    refuse(w,
           "{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\"},"
           "\"schemaString\":\"{}\",\"configuration\":{\"delta.columnMapping.mode\":"
           "\"name\"}}}",
           "columnMapping");
    refuse(w,
           "{\"metaData\":{\"id\":\"x\",\"schemaString\":\"{\\\"type\\\":\\\"struct\\\","
           "\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"timestamp_ntz\\\"}]}\"}}",
           "timestamp_ntz");
}

/* Fails the 1st, 2nd, ... of a kind until none is left to fail. */
static void sweep_fault(world *w, const rdl_lake_table *t, rdl_fault point, uint64_t *epoch)
{
    for (unsigned n = 1; n < 60; n++) {
        const size_t before = data_files(w);
        const int64_t version = load(w, -1).version;
        rdl_lake_commit_info info = at_epoch(++*epoch);
        rdl_lake_result r;
        memset(&w->err, 0, sizeof w->err);
        rdl_fault_arm(point, n, ENOSPC);
        const rdl_code rc = rdl_lake_append(
            w->conn, t, "SELECT i, 'p' || i % 3 AS p FROM range(9) x(i)", NULL, &info, &r, &w->err);
        const bool fired = rdl_fault_fired();
        rdl_fault_disarm();
        const int64_t now = load(w, -1).version;
        assert_int_equal(data_files(w), before + (now > version ? 3 : 0));
        OK(rdl_lake_append(w->conn, t, "SELECT i, 'p' || i % 3 AS p FROM range(9) x(i)", NULL,
                           &info, &r, &w->err));
        assert_int_equal(load(w, -1).version, version + 1);
        assert_int_equal(r.already, now > version);
        if (!fired) {
            assert_int_equal(rc, RDL_OK);
            return;
        }
        assert_int_not_equal(rc, RDL_OK);
    }
    fail_msg("fault %s never stops firing", rdl_fault_name(point));
}

/* Files of a partition's rows, as a segment would have them. */
static size_t make_parts(world *w, const rdl_lake_table *t, const char *from, uint64_t least,
                         rdl_lake_part **out)
{
    size_t n = 0;
    OK(rdl_lake_parts_choose(w->conn, &w->arena, t, from, least, 8, out, &n, &w->err));
    for (size_t i = 0; i < n; i++) {
        (*out)[i].path = rdl_arena_printf(&w->arena, "%s/../made-%zu.parquet", w->table, i);
        OK(rdl_lake_part_write(w->conn, &w->arena, t, from, &(*out)[i], &w->err));
    }
    return n;
}

static void parts_are_adopted_whole_or_not_at_all(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
    const char *from = "(SELECT i::INTEGER AS i, CASE WHEN i < 6 THEN 'it''s' WHEN i < 9 THEN NULL "
                       "ELSE 'few' END AS p FROM range(10) x(i)) r";
    rdl_lake_part *parts;
    rdl_buf where = {0};
    OK(rdl_fs_mkdirs(w->table, &w->err));
    assert_true(rdl_lake_parts_fit(&t));
    assert_int_equal(make_parts(w, &t, from, 3, &parts), 2);
    assert_int_equal(parts[0].rows, 6);
    assert_string_equal(parts[0].values[0], "it's");
    assert_int_equal(parts[1].rows, 3);
    assert_null(parts[1].values[0]);
    rdl_lake_part_put_where(&t, &parts[1], &where);
    assert_string_equal(rdl_buf_str(&where), "(\"p\" IS NULL)");
    rdl_buf_fini(&where);
    const rdl_fault points[] = {RDL_FAULT_FS_RENAME, RDL_FAULT_LAKE_ADOPTED, RDL_FAULT_FS_SYNC,
                                RDL_FAULT_LAKE_AFTER_DATA, RDL_FAULT_LAKE_BEFORE_LINK};
    rdl_lake_result r;
    for (uint64_t i = 0; i < sizeof points / sizeof *points; i++) {
        const rdl_lake_commit_info info = at_epoch(1);
        rdl_fault_arm(points[i], 1, ENOSPC);
        const rdl_code rc = rdl_lake_append_parts(w->conn, &t, "SELECT 9 AS i, 'few' AS p", NULL,
                                                  parts, 2, &info, &r, &w->err);
        rdl_fault_disarm();
        assert_int_not_equal(rc, RDL_OK);
        memset(&w->err, 0, sizeof w->err);
        assert_int_equal(load(w, -1).version, -1);
        assert_int_equal(data_files(w), 0);
    }
    const rdl_lake_commit_info info = at_epoch(1);
    OK(rdl_lake_append_parts(w->conn, &t, "SELECT 9 AS i, 'few' AS p", NULL, parts, 2, &info, &r,
                             &w->err));
    assert_int_equal(r.files_added, 3);
    assert_int_equal(r.rows_added, 10);
    assert_int_equal(load(w, -1).file_count, 3);
    /* The maker's names may go: the bytes stay. */
    OK(rdl_fs_unlink(parts[0].path, &w->err));
    OK(rdl_fs_unlink(parts[1].path, &w->err));
    assert_string_equal(ask(w, "SELECT count(*) || ' ' || sum(i) || ' ' || count(p) FROM $T"),
                        "10 45 7");
    /* Again, the same epoch is there already. */
    OK(rdl_lake_append_parts(w->conn, &t, NULL, NULL, parts, 2, &info, &r, &w->err));
    assert_true(r.already);
}

static void parts_alone_make_a_commit_and_old_columns_are_told(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, n BIGINT)", NULL);
    const rdl_lake_table wider = table_of(w, "STRUCT(i INTEGER, n BIGINT, m TEXT)", NULL);
    const rdl_lake_table json = table_of(w, "STRUCT(i INTEGER, j JSON[])", NULL);
    rdl_lake_part *parts;
    rdl_lake_result r;
    OK(rdl_fs_mkdirs(w->table, &w->err));
    assert_int_equal(make_parts(w, &t, "(SELECT 1 AS i, 2 AS n) r", 1, &parts), 1);
    const rdl_lake_commit_info info = at_epoch(4);
    OK(rdl_lake_append_parts(w->conn, &t, NULL, NULL, parts, 1, &info, &r, &w->err));
    shows(w, 0, 4);
    assert_string_equal(ask(w, "SELECT sum(i) || ' ' || sum(n) || ' ' || count(*) FROM $T"),
                        "1 2 1");
    assert_true(rdl_lake_part_is_current(&t, &parts[0]));
    assert_false(rdl_lake_part_is_current(&wider, &parts[0]));
    assert_false(rdl_lake_parts_fit(&json));
}

static void a_failed_append_leaves_nothing_behind(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
    uint64_t epoch = 1;
    append(w, &t, "SELECT 1 AS i, 'p0' AS p", epoch);
    const rdl_fault points[] = {RDL_FAULT_LAKE_AFTER_DATA,   RDL_FAULT_LAKE_BEFORE_LINK,
                                RDL_FAULT_LAKE_AFTER_COMMIT, RDL_FAULT_FS_WRITE,
                                RDL_FAULT_FS_SYNC,           RDL_FAULT_FS_RENAME};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        sweep_fault(w, &t, points[i], &epoch);
    size_t removed;
    OK(rdl_lake_sweep(w->table, ROOT, &removed, &w->err));
    assert_int_equal(removed, 0);
}

static void make_foreign(world *w, const char *fields, const char *configuration)
{
    const char *log = rdl_path_join(&w->arena, w->table, "_delta_log");
    rdl_buf text = {0}, schema = {0};
    OK(rdl_fs_remove_tree(w->table, &w->err));
    OK(rdl_fs_mkdirs(log, &w->err));
    rdl_buf_printf(&schema, "{\"type\":\"struct\",\"fields\":[%s]}", fields);
    rdl_buf_puts(&text,
                 "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
                 "{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
                 "\"schemaString\":");
    rdl_buf_put_json_text(&text, (rdl_str){schema.p, schema.n});
    rdl_buf_printf(&text, ",\"partitionColumns\":[],\"configuration\":%s}}\n", configuration);
    OK(rdl_fs_write_durable(rdl_delta_commit_path(&w->arena, w->table, 0), text.p, text.n,
                            &w->err));
    rdl_buf_fini(&text);
    rdl_buf_fini(&schema);
}

static void promises_of_other_writers_are_not_broken(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER)", NULL);
    const rdl_lake_table wider = table_of(w, "STRUCT(i INTEGER, n INTEGER)", NULL);
    rdl_lake_commit_info info = at_epoch(1);
    rdl_lake_result r;
    const char *const refused[] = {
        "{\"name\":\"i\",\"type\":\"short\",\"nullable\":true,\"metadata\":{}}",
        "{\"name\":\"i\",\"type\":\"integer\",\"nullable\":false,\"metadata\":{}}",
        "{\"name\":\"i\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{\"delta."
        "invariants\":\"i > 3\"}}"};
    for (size_t i = 0; i < 3; i++) {
        make_foreign(w, refused[i], "{}");
        FAILS(RDL_ESCHEMA, rdl_lake_append(w->conn, &t, "SELECT 1 AS i", NULL, &info, &r, &w->err));
        assert_int_equal(load(w, -1).version, 0);
    }
    make_foreign(w,
                 "{\"name\":\"i\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{"
                 "\"comment\":\"ours\"}}",
                 "{\"delta.appendOnly\":\"true\"}");
    append(w, &t, "SELECT 1 AS i", 1);
    info = at_epoch(2);
    FAILS(RDL_ESCHEMA,
          rdl_lake_append(w->conn, &wider, "SELECT 1 AS i, 2 AS n", NULL, &info, &r, &w->err));
    FAILS(RDL_ESCHEMA,
          rdl_lake_replace(w->conn, &t, "SELECT 1 AS i", NULL, NULL, &info, &r, &w->err));
    assert_non_null(strstr(w->err.msg, "append-only"));
    assert_string_equal(ask(w, "SELECT sum(i) FROM $T"), "1");
}

/* A second program of the same test: appends, compacts or vacuums, and may die on the way.
 */
static int child_main(char **argv)
{
    world box = {0}, *w = &box;
    const char *what = argv[2];
    rdl_arena_init(&w->arena, 0);
    const rdl_duck_config config = {.threads = 1};
    OK(rdl_duck_open(&config, &w->duck, &w->err));
    OK(rdl_conn_open(w->duck, &w->conn, &w->err));
    w->table = argv[3];
    rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
    t.app_id = argv[4];
    char message[200];
    if (!rdl_fault_arm_from_env(message, sizeof message))
        return 9;
    rdl_lake_result r = {0};
    bool made;
    char **paths;
    size_t n;
    rdl_lake_commit_info info = at_epoch((uint64_t)strtoull(argv[5], NULL, 10));
    rdl_code rc = RDL_OK;
    if (strcmp(what, "append") == 0)
        rc = rdl_lake_append(w->conn, &t, "SELECT i, 'p' || i % 3 AS p FROM range(9) x(i)", "i",
                             &info, &r, &w->err);
    else if (strcmp(what, "many") == 0)
        for (int i = 0; i < 10 && rc == RDL_OK; i++, info.epoch++)
            rc = rdl_lake_append(w->conn, &t, "SELECT i, 'p' || i % 3 AS p FROM range(9) x(i)", "i",
                                 &info, &r, &w->err);
    else if (strcmp(what, "compact") == 0)
        rc = rdl_lake_compact(w->conn, &t, NULL, &info, &r, &w->err);
    else if (strcmp(what, "checkpoint") == 0)
        rc = rdl_lake_checkpoint(w->conn, &t, true, &made, &w->err);
    else
        rc = rdl_lake_vacuum(&w->arena, w->table, rdl_now_us(&rdl_clock_system) + DAY_US, 0, 0,
                             false, &paths, &n, &w->err);
    if (rc != RDL_OK)
        fprintf(stderr, "%s: %s\n", what, w->err.msg);
    rdl_conn_close(w->conn);
    rdl_duck_close(w->duck);
    rdl_arena_fini(&w->arena);
    return rc == RDL_OK ? (r.already ? 1 : 0) : 2;
}

static pid_t start(world *w, const char *what, const char *app, const char *epoch,
                   const char *fault)
{
    const pid_t pid = fork();
    if (pid == 0) {
        char *const args[] = {(char *)"lake_test",
                              (char *)"child",
                              (char *)(uintptr_t)what,
                              w->table,
                              (char *)(uintptr_t)app,
                              (char *)(uintptr_t)epoch,
                              NULL};
        if (fault != NULL)
            setenv("RDL_FAULT", fault, 1);
        execv("/proc/self/exe", args);
        _exit(99);
    }
    return pid;
}

static int finish(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_crash_leaves_old_or_new_and_nothing_else(void **state)
{
    world *w = *state;
    const char *count = "SELECT count(*) || ' ' || sum(i) FROM $T";
    size_t removed;
    assert_int_equal(finish(start(w, "append", ROOT, "1", "lake.before_link:1:kill")), -SIGKILL);
    assert_int_equal(load(w, -1).version, -1);
    OK(rdl_lake_sweep(w->table, ROOT, &removed, &w->err));
    assert_int_equal(data_files(w), 0);
    assert_int_equal(finish(start(w, "append", ROOT, "1", NULL)), 0);
    const char *const before_commit[] = {"lake.after_data:1:kill", "lake.before_link:1:kill"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(finish(start(w, "append", ROOT, "2", before_commit[i])), -SIGKILL);
        assert_string_equal(ask(w, count), "9 36");
        assert_int_equal(data_files(w), 6);
        OK(rdl_lake_sweep(w->table, ROOT, &removed, &w->err));
        assert_int_equal(data_files(w), 3);
    }
    assert_int_equal(finish(start(w, "append", ROOT, "2", "lake.after_commit:1:kill")), -SIGKILL);
    assert_string_equal(ask(w, count), "18 72");
    assert_int_equal(finish(start(w, "append", ROOT, "2", NULL)), 1);
    OK(rdl_lake_sweep(w->table, ROOT, &removed, &w->err));
    assert_int_equal(data_files(w), 6);
    for (int e = 3; e < 6; e++)
        assert_int_equal(finish(start(w, "append", ROOT,
                                      e == 3   ? "3"
                                      : e == 4 ? "4"
                                               : "5",
                                      NULL)),
                         0);
    assert_int_equal(finish(start(w, "compact", ROOT, "5", "lake.compact_data:1:kill")), -SIGKILL);
    assert_string_equal(ask(w, count), "45 180");
    OK(rdl_lake_sweep(w->table, ROOT, &removed, &w->err));
    assert_int_equal(removed, 3); /* the stage was gone before */
    assert_int_equal(finish(start(w, "compact", ROOT, "5", NULL)), 0);
    assert_int_equal(finish(start(w, "checkpoint", ROOT, "0", "lake.checkpoint:1:kill")), -SIGKILL);
    assert_string_equal(ask(w, count), "45 180");
    assert_int_equal(finish(start(w, "checkpoint", ROOT, "0", NULL)), 0);
    assert_int_equal(finish(start(w, "vacuum", ROOT, "0", "lake.vacuum:2:kill")), -SIGKILL);
    assert_string_equal(ask(w, count), "45 180");
    assert_int_equal(finish(start(w, "vacuum", ROOT, "0", NULL)), 0);
    assert_string_equal(ask(w, count), "45 180");
    assert_int_equal(data_files(w), 3);
}

static void two_writers_never_own_one_version(void **state)
{
    world *w = *state;
    assert_int_equal(finish(start(w, "append", ROOT, "1", NULL)), 0);
    const pid_t a = start(w, "many", ROOT, "2", NULL), b = start(w, "many", OTHER, "2", NULL);
    assert_int_equal(finish(a), 0);
    assert_int_equal(finish(b), 0);
    assert_string_equal(ask(w, "SELECT count(*) || ' ' || sum(i) FROM $T"), "189 756");
    assert_int_equal(load(w, -1).version, 20);
    /* The same epoch of the same root twice: one commits. */
    const pid_t c = start(w, "append", ROOT, "50", NULL), d = start(w, "append", ROOT, "50", NULL);
    assert_int_equal(finish(c) + finish(d), 1);
    assert_int_equal(load(w, -1).version, 21);
    assert_int_equal(data_files(w), 66);
}

static void a_replace_whose_files_are_gone_is_a_conflict(void **state)
{
    world *w = *state;
    const rdl_lake_table t = table_of(w, "STRUCT(i INTEGER, p TEXT)", "p");
    append(w, &t, "SELECT 1 AS i, 'a' AS p", 1);
    rdl_delta_state s;
    OK(rdl_delta_load(&w->arena, w->table, -1, &s, &w->err));
    rdl_lake_result r = {0};
    rdl_delta_file *removes[] = {s.files.entries[0].value};
    const rdl_lake_commit_info mine = at_epoch(2), theirs = at_epoch(9);
    rdl_lake_table other = t;
    other.app_id = OTHER;
    OK(rdl_lake_append(w->conn, &other, "SELECT 5 AS i, 'b' AS p", NULL, &theirs, &r, &w->err));
    const rdl_delta_change change = {.table = &t,
                                     .info = &mine,
                                     .txn = true,
                                     .data_change = true,
                                     .removes = removes,
                                     .remove_count = 1};
    const rdl_delta_state read = s;
    OK(rdl_delta_commit(&w->arena, &change, &s, &r, &w->err)); /* past a blind append */
    assert_int_equal(r.version, 2);
    s = read;
    const rdl_lake_commit_info again = at_epoch(3);
    rdl_delta_change late = change;
    late.info = &again;
    FAILS(RDL_ECONFLICT, rdl_delta_commit(&w->arena, &late, &s, &r, &w->err));
    assert_non_null(strstr(w->err.msg, "version 2 (STREAMING UPDATE)"));
    assert_string_equal(ask(w, "SELECT sum(i) FROM $T"), "5");
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "child") == 0)
        return child_main(argv);
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(an_append_is_read_back),
        CASE(an_epoch_is_appended_once),
        CASE(a_table_is_made_without_rows),
        CASE(odd_partition_values_survive),
        CASE(plain_partitions_are_read_with_pruning),
        CASE(a_table_may_lie_in_any_folder),
        CASE(every_type_survives),
        CASE(statistics_never_claim_too_much),
        CASE(replace_changes_only_the_named_partitions),
        CASE(no_rows_are_an_epoch_too),
        CASE(new_columns_are_added_and_others_refused),
        CASE(a_version_is_found_by_its_time),
        CASE(compaction_keeps_rows_exactly),
        CASE(a_checkpoint_stands_for_the_cleaned_log),
        CASE(vacuum_keeps_what_the_retention_says),
        CASE(a_damaged_log_is_never_read_as_if_it_were_whole),
        CASE(a_missing_or_changed_data_file_is_named),
        CASE(features_that_we_lack_are_refused_by_name),
        CASE(parts_are_adopted_whole_or_not_at_all),
        CASE(parts_alone_make_a_commit_and_old_columns_are_told),
        CASE(a_failed_append_leaves_nothing_behind),
        CASE(promises_of_other_writers_are_not_broken),
        CASE(a_crash_leaves_old_or_new_and_nothing_else),
        CASE(two_writers_never_own_one_version),
        CASE(a_replace_whose_files_are_gone_is_a_conflict),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
