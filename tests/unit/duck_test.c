/*
 * tests/unit/duck_test.c - statements, results, errors, scans and appenders on DuckDB.
 */
#include "duck_fixture.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "duck/functions.h"

static int64_t number(fixture *f, const char *sql)
{
    int64_t x = INT64_MIN;
    OK(rdl_query_i64(f->conn, sql, &x, &err));
    return x;
}

static const char *text(fixture *f, const char *sql)
{
    char *s = NULL;
    OK(rdl_query_text(f->conn, &f->arena, sql, &s, &err));
    return s;
}

/* ---- settings ---- */

static void settings_are_ours_and_locked(void **state)
{
    fixture *f = *state;
    rdl_err e;
    assert_string_equal(rdl_duck_version(), "v1.5.6");
    assert_string_equal(text(f, "SELECT current_setting('TimeZone')"), "UTC");
    assert_int_equal(number(f, "SELECT current_setting('threads')"), 4);
    assert_string_equal(text(f, "SELECT current_setting('memory_limit')"), "512.0 MiB");
    assert_string_equal(text(f, "SELECT current_setting('autoload_known_extensions')"), "false");
    assert_string_equal(text(f, "SELECT current_setting('enable_progress_bar')"), "false");
    assert_int_not_equal(rdl_exec(f->conn, "SET TimeZone = 'Europe/Madrid'", &e), RDL_OK);
    assert_int_not_equal(rdl_exec(f->conn, "SET memory_limit = '1TB'", &e), RDL_OK);
    assert_int_not_equal(rdl_exec(f->conn, "INSTALL httpfs", &e), RDL_OK);
    assert_string_equal(text(f, "SELECT TIMESTAMPTZ '2024-07-01 12:00:00+02'"),
                        "2024-07-01 10:00:00+00");
}

/* A run of days reads a new file in every epoch: what was kept of each would fill its budget. */
static void files_that_were_read_leave_no_memory_behind(void **state)
{
    fixture *f = *state;
    rdl_buf sql = {0};
    for (int i = 0; i < 3; i++) {
        rdl_buf_clear(&sql);
        rdl_buf_printf(&sql, "COPY (SELECT range AS a FROM range(100000)) TO '%s/%d.parquet'",
                       f->dir, i);
        OK(rdl_exec(f->conn, rdl_buf_str(&sql), &err));
        rdl_buf_clear(&sql);
        rdl_buf_printf(&sql, "SELECT sum(a)::BIGINT FROM read_parquet('%s/%d.parquet')", f->dir, i);
        assert_int_equal(number(f, rdl_buf_str(&sql)), 4999950000);
    }
    assert_int_equal(number(f, "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory() "
                               "WHERE tag = 'EXTERNAL_FILE_CACHE'"),
                     0);
    rdl_buf_fini(&sql);
}

/* ---- errors ---- */

static void errors_say_code_place_and_nearest_name(void **state)
{
    static const struct {
        const char *sql;
        rdl_code code;
        uint32_t col;
        const char *msg, *hint;
    } cases[] = {
        {"SELECT idd, amount FROM orders", RDL_EUSAGE, 8,
         "referenced column \"idd\" not found in FROM clause", "Did you mean \"id\"?"},
        {"SELECT id\nFROM ordes", RDL_EUSAGE, 16, "table with name ordes does not exist",
         "Did you mean \"orders\"?"},
        {"SELECT 'é', lenth('a')", RDL_EUSAGE, 14, "scalar Function with name lenth does not exist",
         "Did you mean \"length\"?"},
        {"SELECT 1 +", RDL_EUSAGE, 11, "syntax error at end of input", ""},
        {"SELEC 1", RDL_EUSAGE, 1, "syntax error at or near \"SELEC\"", ""},
        {"SELECT upper()", RDL_EUSAGE, 8, NULL, "It takes upper(VARCHAR) -> VARCHAR."},
        {"SELECT sum(quite_another) FROM orders", RDL_EUSAGE, 12, NULL,
         "The nearest names there: id."},
        {"SELECT CAST(t.s AS INT) FROM (VALUES ('x')) t(s)", RDL_EDATA, 8,
         "could not convert string 'x' to INT32 when casting from source column s", ""},
        {"SELECT (i + 300)::TINYINT FROM range(3) r(i)", RDL_EDATA, 17, NULL, ""},
        {"SELECT error('Boom. Done.')", RDL_EDATA, 0, "boom. Done", ""},
        {"SELECT * FROM read_csv('/none/such.csv')", RDL_EIO, 15, NULL, ""},
        {"SELECT 9223372036854775807 + id FROM orders", RDL_EDATA, 0, NULL, ""},
    };
    fixture *f = *state;
    OK(rdl_exec(f->conn, "CREATE OR REPLACE TABLE orders AS SELECT 1::BIGINT AS id, 2.0 AS amount",
                &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_err e = {0};
        rdl_result *r = NULL;
        assert_int_equal(rdl_query(f->conn, cases[i].sql, &r, &e), cases[i].code);
        assert_int_equal(e.code, cases[i].code);
        assert_int_equal(e.col, cases[i].col);
        assert_int_equal(e.line, 0);
        if (cases[i].msg != NULL)
            assert_string_equal(e.msg, cases[i].msg);
        assert_string_equal(e.hint, cases[i].hint);
        assert_null(strstr(e.msg, "LINE "));
        assert_null(strchr(e.msg, '\n'));
    }
}

static void a_query_beyond_memory_is_a_limit(void **state)
{
    (void)state;
    rdl_duck *d = NULL;
    rdl_conn *c = NULL;
    rdl_err e = {0};
    OK(rdl_duck_open(&(rdl_duck_config){.memory_bytes = 20u << 20, .threads = 1}, &d, &err));
    OK(rdl_conn_open(d, &c, &err));
    assert_int_equal(rdl_exec(c,
                              "CREATE TABLE big AS SELECT md5(i::VARCHAR) || md5((-i)::VARCHAR) "
                              "AS s FROM range(5000000) r(i)",
                              &e),
                     RDL_ELIMIT);
    rdl_conn_close(c);
    rdl_duck_close(d);
}

static void *interrupt_when_running(void *arg)
{
    rdl_conn *c = arg;
    rdl_mutex m;
    rdl_cond never;
    rdl_mutex_init(&m);
    rdl_cond_init(&never);
    for (int i = 0; i < 20; i++) { /* the query may not have begun at the first */
        rdl_mutex_lock(&m);
        rdl_cond_wait_ms(&never, &m, 20);
        rdl_mutex_unlock(&m);
        rdl_conn_interrupt(c);
    }
    rdl_cond_fini(&never);
    rdl_mutex_fini(&m);
    return NULL;
}

static void an_interrupted_query_was_asked_to_stop(void **state)
{
    fixture *f = *state;
    rdl_thread *t = NULL;
    rdl_err e = {0};
    rdl_conn *c = NULL;
    OK(rdl_conn_open(f->duck, &c, &err));
    OK(rdl_thread_start("interrupt", interrupt_when_running, c, &t, &err));
    assert_int_equal(rdl_exec(c,
                              "SELECT count(*) FROM range(1000000) a, range(1000000) b "
                              "WHERE hash(a.range * b.range) = 7",
                              &e),
                     RDL_ESTOP);
    rdl_thread_join(t);
    rdl_conn_close(c);
}

/* ---- results ---- */

static void changed_rows_are_counted(void **state)
{
    fixture *f = *state;
    OK(rdl_exec(f->conn, "CREATE OR REPLACE TABLE n AS SELECT * FROM range(10) r(i)", &err));
    assert_int_equal(rdl_conn_changed(f->conn), 10);
    OK(rdl_exec(f->conn, "DELETE FROM n WHERE i < 3", &err));
    assert_int_equal(rdl_conn_changed(f->conn), 3);
    OK(rdl_execf(f->conn, &err, "UPDATE n SET i = i + %d", 1));
    assert_int_equal(rdl_conn_changed(f->conn), 7);
    OK(rdl_exec(f->conn, "SELECT 1", &err));
    assert_int_equal(rdl_conn_changed(f->conn), 0);
}

static void json_of(fixture *f, const char *sql, rdl_buf *types, rdl_buf *rows)
{
    rdl_result *r = NULL;
    const rdl_chunk *c;
    OK(rdl_query(f->conn, sql, &r, &err));
    const rdl_schema *s = rdl_result_schema(r);
    for (size_t i = 0; i < s->n; i++) {
        if (i != 0)
            rdl_buf_putc(types, ' ');
        rdl_type_print(s->v[i].type, types);
    }
    while (rdl_result_next(r, &c)) {
        for (size_t row = 0; row < c->rows; row++) {
            for (size_t i = 0; i < c->n; i++) {
                if (rows->n != 0)
                    rdl_buf_putc(rows, ' ');
                rdl_vector_print_json(&c->v[i], row, rows);
            }
        }
    }
    rdl_result_free(r);
}

static void foreign_types_are_widened_at_any_depth(void **state)
{
    static const struct {
        const char *sql, *types, *rows;
    } cases[] = {
        {"SELECT (-128)::TINYINT, 255::UTINYINT, (-32768)::SMALLINT, 65535::USMALLINT, "
         "4294967295::UINTEGER, 18446744073709551615::UBIGINT, NULL",
         "INTEGER INTEGER INTEGER INTEGER BIGINT DECIMAL(20,0) INTEGER",
         "-128 255 -32768 65535 4294967295 18446744073709551615 null"},
        {"SELECT sum(i) FROM range(5) r(i)", "DECIMAL(38,0)", "10"},
        {"SELECT 0.5::FLOAT", "DOUBLE", "0.5"},
        {"SELECT TIMESTAMP_NS '1969-12-31 23:59:59.999999999', TIMESTAMP_S '2024-01-01', "
         "TIMESTAMP_MS '2024-01-01 00:00:00.123', TIMESTAMP '2024-01-01', "
         "'infinity'::TIMESTAMP_S",
         "TIMESTAMP WITH TIME ZONE TIMESTAMP WITH TIME ZONE TIMESTAMP WITH TIME ZONE "
         "TIMESTAMP WITH TIME ZONE TIMESTAMP WITH TIME ZONE",
         "\"1969-12-31T23:59:59.999999Z\" \"2024-01-01T00:00:00.000000Z\" "
         "\"2024-01-01T00:00:00.123000Z\" \"2024-01-01T00:00:00.000000Z\" \"infinity\""},
        {"SELECT {'a': [[1::TINYINT, NULL], NULL, []], 'm': MAP {1::USMALLINT: {'x': "
         "7::HUGEINT}}}",
         "STRUCT(a INTEGER[][], m MAP(INTEGER, STRUCT(x DECIMAL(38,0))))",
         "{\"a\":[[1,null],null,[]],\"m\":{\"1\":{\"x\":7}}}"},
        {"SELECT [{'s': 'more than twelve bytes', 'j': '[1]'::JSON}, NULL], 'é\"'",
         "STRUCT(s VARCHAR, j JSON)[] VARCHAR",
         "[{\"s\":\"more than twelve bytes\",\"j\":[1]},null] \"é\\\"\""},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_buf types = {0}, rows = {0};
        json_of(f, cases[i].sql, &types, &rows);
        assert_string_equal(rdl_buf_str(&types), cases[i].types);
        assert_string_equal(rdl_buf_str(&rows), cases[i].rows);
        rdl_buf_fini(&types);
        rdl_buf_fini(&rows);
    }
}

static void values_that_do_not_fit_fail_before_the_first_chunk(void **state)
{
    static const char *const sqls[] = {
        "SELECT CASE WHEN i = 4000 THEN '100000000000000000000000000000000000000'::HUGEINT "
        "ELSE i END AS h FROM range(5000) r(i)",
        "SELECT [{'a': -('100000000000000000000000000000000000000'::HUGEINT)}] AS h",
        "SELECT '340282366920938463463374607431768211455'::UHUGEINT AS h",
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof sqls / sizeof *sqls; i++) {
        rdl_result *r = NULL;
        rdl_err e = {0};
        assert_int_equal(rdl_query(f->conn, sqls[i], &r, &e), RDL_EDATA);
        assert_non_null(strstr(e.msg, "column \"h\""));
    }
    assert_int_equal(
        number(f, "SELECT count(*) FROM (SELECT i::HUGEINT AS h FROM range(5000) r(i))"), 5000);
    rdl_result *r = NULL;
    const rdl_chunk *c;
    int64_t sum = 0;
    OK(rdl_query(f->conn, "SELECT i::HUGEINT FROM range(5000) r(i)", &r, &err));
    assert_int_equal(rdl_result_rows(r), 5000);
    while (rdl_result_next(r, &c))
        for (size_t row = 0; row < c->rows; row++)
            sum += (int64_t)rdl_vector_decimal(&c->v[0], row);
    assert_int_equal(sum, 4999 * 2500);
    rdl_result_free(r);
}

static void one_value_queries_leave_out_alone_without_one(void **state)
{
    fixture *f = *state;
    assert_int_equal(number(f, "SELECT 1 WHERE false"), INT64_MIN);
    assert_int_equal(number(f, "SELECT NULL::BIGINT"), INT64_MIN);
    assert_int_equal(number(f, "SELECT 12::HUGEINT"), 12);
    assert_int_equal(number(f, "SELECT DATE '1970-01-03'"), 2);
    assert_null(text(f, "SELECT NULL"));
    int64_t x;
    rdl_err e;
    assert_int_equal(rdl_query_i64(f->conn, "SELECT 'a' AS t", &x, &e), RDL_ESCHEMA);
}

static void values_print_as_duckdb_casts_them(void **state)
{
    static const char *const columns[] = {
        "((hash(i) % 2000)::DOUBLE - 1000) * 10.0 ** ((hash(i + 1) % 60)::DOUBLE - 30)",
        "CASE i % 9 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN '-inf' WHEN 2 THEN -0.0 WHEN 3 "
        "THEN 1e15 "
        "WHEN 4 THEN 1e16 WHEN 5 THEN 5e-324 WHEN 6 THEN 0.1 + 0.2 WHEN 7 THEN "
        "123456789012345678 "
        "ELSE 0.0001 END",
        "((hash(i) % 20000)::BIGINT - 10000)::DECIMAL(20,0) / 100",
        "((hash(i) % 200)::INTEGER - 100)::DECIMAL(4,0)",
        "(((hash(i) % 20000)::BIGINT - 10000)::DECIMAL(10,0) / 10000000)::DECIMAL(12,8)",
        "DATE '1600-01-01' + (hash(i) % 400000)::INTEGER",
        "make_timestamptz((hash(i) >> 12)::BIGINT - 1125899906842624)",
        "CASE i % 2 WHEN 0 THEN 'infinity'::TIMESTAMPTZ ELSE '-infinity' END",
        "unhex(md5(i::VARCHAR))",
        "i % 2 = 0",
        "i::VARCHAR",
    };
    fixture *f = *state;
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
        rdl_result *r = NULL;
        const rdl_chunk *c;
        rdl_buf out = {0};
        OK(rdl_queryf(f->conn, &r, &err,
                      "SELECT v, v::VARCHAR FROM (SELECT %s AS v FROM "
                      "range(3000) r(i))",
                      columns[k]));
        while (rdl_result_next(r, &c)) {
            for (size_t row = 0; row < c->rows; row++) {
                rdl_str want = rdl_vector_str(&c->v[1], row);
                rdl_buf_clear(&out);
                rdl_vector_print(&c->v[0], row, &out);
                assert_int_equal(out.n, want.n);
                assert_memory_equal(out.p, want.p, want.n);
            }
        }
        rdl_buf_fini(&out);
        rdl_result_free(r);
    }
}

static void order_by_holds_in_results_and_files(void **state)
{
    fixture *f = *state;
    rdl_arena *a = &f->arena;
    char *dir = rdl_fs_temp_dir(a, "duck_test", &err);
    assert_non_null(dir);
    char *path = rdl_path_join(a, dir, "sorted.parquet");
    OK(rdl_execf(f->conn, &err,
                 "COPY (SELECT hash(i) AS h, i FROM range(300000) r(i) ORDER BY h) TO '%s' "
                 "(FORMAT PARQUET, ROW_GROUP_SIZE 10000)",
                 path));
    rdl_buf sql = {0};
    rdl_buf_printf(&sql,
                   "SELECT count(*) FROM (SELECT h < lag(h) OVER (ORDER BY file_row_number) AS "
                   "bad FROM read_parquet('%s', file_row_number = true)) WHERE bad",
                   path);
    assert_int_equal(number(f, rdl_buf_str(&sql)), 0);
    rdl_buf_fini(&sql);
    rdl_result *r = NULL;
    const rdl_chunk *c;
    int64_t last = INT64_MIN;
    OK(rdl_query(f->conn, "SELECT (hash(i) >> 1)::BIGINT AS h FROM range(300000) r(i) ORDER BY h",
                 &r, &err));
    while (rdl_result_next(r, &c)) {
        for (size_t row = 0; row < c->rows; row++) {
            assert_true(RDL_VECTOR_AT(&c->v[0], int64_t, row) >= last);
            last = RDL_VECTOR_AT(&c->v[0], int64_t, row);
        }
    }
    rdl_result_free(r);
    OK(rdl_fs_remove_tree(dir, &err));
}

/* ---- describing and trees ---- */

static void describing_names_the_column_that_cannot_be(void **state)
{
    fixture *f = *state;
    rdl_schema s;
    rdl_err e = {0};
    OK(rdl_describe(f->conn, &f->arena,
                    "SELECT 1::HUGEINT AS h, [TIMESTAMP '2024-01-01'] AS t, '{}'::JSON AS j", &s,
                    &err));
    assert_int_equal(s.n, 3);
    assert_int_equal(s.v[0].type->kind, RDL_TYPE_DECIMAL);
    assert_int_equal(s.v[0].type->precision, 38);
    assert_int_equal(s.v[1].type->child->kind, RDL_TYPE_TIMESTAMPTZ);
    assert_int_equal(s.v[2].type->kind, RDL_TYPE_JSON);
    static const char *const refused[] = {"INTERVAL 1 DAY",      "TIME '10:00'",
                                          "'a'::ENUM('a', 'b')", "uuid()",
                                          "[1, 2]::INTEGER[2]",  "[{'a': INTERVAL 1 DAY}]"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char *sql = rdl_arena_printf(&f->arena, "SELECT 1 AS fine, %s AS odd", refused[i]);
        e = (rdl_err){0};
        assert_int_equal(rdl_describe(f->conn, &f->arena, sql, &s, &e), RDL_ESCHEMA);
        assert_non_null(strstr(e.msg, "\"odd\""));
        assert_non_null(strstr(e.hint, "CAST"));
    }
    assert_int_equal(rdl_describe(f->conn, &f->arena, "SELECT nothing", &s, &e), RDL_EUSAGE);
    assert_int_equal(e.col, 8);
    assert_int_equal(rdl_describe(f->conn, &f->arena, "CREATE TABLE x (i INT)", &s, &e),
                     RDL_EUSAGE);
}

static void trees_go_there_and_back(void **state)
{
    fixture *f = *state;
    char *json = NULL, *sql = NULL;
    rdl_err e = {0};
    OK(rdl_sql_to_tree(f->conn, &f->arena, "SELECT a, 'it''s \\ \"q\"' AS b FROM t WHERE c > 1",
                       &json, &err));
    assert_non_null(strstr(json, "SELECT_NODE"));
    OK(rdl_tree_to_sql(f->conn, &f->arena, json, &sql, &err));
    assert_string_equal(sql, "SELECT a, 'it''s \\ \"q\"' AS b FROM t WHERE (c > 1)");
    assert_int_equal(
        rdl_sql_to_tree(f->conn, &f->arena, "SELECT a FROM\n  t WHERE WHERE", &json, &e),
        RDL_EUSAGE);
    assert_int_equal(e.col, 25);
    assert_non_null(strstr(e.msg, "syntax error"));
    assert_int_equal(rdl_sql_to_tree(f->conn, &f->arena, "DROP TABLE t", &json, &e), RDL_EUSAGE);
    assert_int_equal(rdl_tree_to_sql(f->conn, &f->arena, "{}", &sql, &e), RDL_EUSAGE);
}

/* ---- scans ---- */

enum { SCAN_ROWS = 500000 };

typedef struct number_scan {
    atomic_llong next_row;
    atomic_int open_locals, opened, chunks;
    int64_t fail_at; /* fail when this row is reached; -1: never */
    bool fail_open;
    bool expect_wanted[3];
    atomic_int surprises; /* checked by the test's own thread */
} number_scan;

static rdl_code number_open(void *scan, void **out_local, rdl_err *e)
{
    number_scan *s = scan;
    if (s->fail_open)
        return rdl_err_set(e, RDL_ENET, RDL_ERR_RETRY, "could not open the counter");
    atomic_fetch_add(&s->open_locals, 1);
    atomic_fetch_add(&s->opened, 1);
    *out_local = s;
    return RDL_OK;
}

static void number_close(void *local)
{
    atomic_fetch_sub(&((number_scan *)local)->open_locals, 1);
}

static void fill_row(rdl_chunk *out, const bool *wanted, size_t row, int64_t n)
{
    if (wanted[0])
        RDL_VECTOR_AT(&out->v[0], int64_t, row) = n;
    if (wanted[1]) {
        char name[40];
        int len = snprintf(name, sizeof name, n % 2 ? "%lld" : "number %lld is even", (long long)n);
        if (n % 5 == 0)
            rdl_vector_set_null(&out->v[1], row);
        else
            rdl_vector_set_str(&out->v[1], row, name, (size_t)len);
    }
    if (wanted[2]) { /* STRUCT(l BIGINT[], d DECIMAL(10,2)) */
        rdl_vector *list = &out->v[2].children[0];
        size_t at = row * 2;
        if (n % 7 == 0) {
            rdl_vector_set_null(&out->v[2], row);
            return;
        }
        if (!rdl_vector_list_reserve(list, at + 2))
            abort();
        RDL_VECTOR_AT(&list->children[0], int64_t, at) = n;
        RDL_VECTOR_AT(&list->children[0], int64_t, at + 1) = -n;
        RDL_VECTOR_AT(list, rdl_duck_list, row) = (rdl_duck_list){at, 2};
        rdl_vector_list_set_size(list, at + 2);
        rdl_vector_set_decimal(&out->v[2].children[1], row, n % 1000);
    }
}

static rdl_code number_next(void *scan, void *local, const bool *wanted, rdl_chunk *out, rdl_err *e)
{
    number_scan *s = scan;
    if (local != scan || memcmp(wanted, s->expect_wanted, sizeof s->expect_wanted) != 0)
        atomic_fetch_add(&s->surprises, 1);
    int64_t from = atomic_fetch_add(&s->next_row, RDL_VECTOR_ROWS);
    atomic_fetch_add(&s->chunks, 1);
    int64_t to = from + RDL_VECTOR_ROWS < SCAN_ROWS ? from + RDL_VECTOR_ROWS : SCAN_ROWS;
    for (int64_t n = from; n < to; n++) {
        if (n == s->fail_at) {
            rdl_err_set(e, RDL_ECONFLICT, RDL_ERR_REPLAY, "could not count past %lld",
                        (long long)n);
            e->line = 7;
            return rdl_err_hint(e, "Count less.");
        }
        fill_row(out, wanted, (size_t)(n - from), n);
    }
    out->rows = to > from ? (size_t)(to - from) : 0;
    return RDL_OK;
}

static void register_numbers(fixture *f, number_scan *s, bool a, bool b, bool c)
{
    static const rdl_scan_ops ops = {
        .open_local = number_open,
        .next = number_next,
        .close_local = number_close,
        .threads_max = 4,
        .rows_estimate = SCAN_ROWS,
    };
    rdl_arena arena; /* gone before the scan is read: the registry keeps its own copy */
    rdl_arena_init(&arena, 0);
    const rdl_type *nested = NULL;
    OK(rdl_type_parse(&arena, RDL_STR("STRUCT(l BIGINT[], d DECIMAL(10,2))"), &nested, &err));
    rdl_column columns[] = {{RDL_STR("n"), rdl_type_of(RDL_TYPE_BIGINT)},
                            {RDL_STR("na me"), rdl_type_of(RDL_TYPE_TEXT)},
                            {RDL_STR("s"), nested}};
    *s = (number_scan){.fail_at = -1, .expect_wanted = {a, b, c}};
    OK(rdl_scan_register(f->duck, "numbers", &(rdl_schema){columns, 3}, &ops, s, &err));
    rdl_arena_fini(&arena);
}

static void a_scan_gives_every_row_once_on_several_threads(void **state)
{
    fixture *f = *state;
    number_scan s;
    register_numbers(f, &s, true, true, true);
    assert_string_equal(
        text(f, "SELECT [count(*), count(DISTINCT n), sum(n), count(\"na me\"), "
                "count(*) FILTER (WHERE \"na me\" = 'number ' || n || ' is even'), "
                "count(s), sum(s.l[1]) FILTER (WHERE s.l[2] = -n), count(s.d), "
                "count(*) FILTER (WHERE s.d = (n % 1000) / 100.0)]::VARCHAR "
                "FROM rdl_scan('numbers')"),
        "[500000, 500000, 124999750000, 400000, 200000, 428571, 107142642858, 428571, "
        "428571]");
    assert_true(atomic_load(&s.opened) >= 1 && atomic_load(&s.opened) <= 4);
    assert_int_equal(atomic_load(&s.open_locals), 0);
    assert_int_equal(atomic_load(&s.surprises), 0);
    rdl_scan_drop(f->duck, "numbers");
}

static void a_scan_reads_wanted_columns_alone(void **state)
{
    fixture *f = *state;
    number_scan s;
    register_numbers(f, &s, false, false, true);
    assert_int_equal(number(f, "SELECT count(s) FROM rdl_scan('numbers')"), 428571);
    assert_int_equal(atomic_load(&s.surprises), 0);
    rdl_scan_drop(f->duck, "numbers");
    register_numbers(f, &s, true, false, false);
    assert_int_equal(number(f, "SELECT max(n) FROM rdl_scan('numbers')"), SCAN_ROWS - 1);
    assert_int_equal(atomic_load(&s.surprises), 0);
    rdl_scan_drop(f->duck, "numbers");
    register_numbers(f, &s, true, false, false); /* DuckDB reads the first when it needs none */
    assert_int_equal(number(f, "SELECT count(*) FROM rdl_scan('numbers')"), SCAN_ROWS);
    assert_int_equal(atomic_load(&s.surprises), 0);
    rdl_scan_drop(f->duck, "numbers");
}

static void a_failing_scan_gives_its_own_error(void **state)
{
    fixture *f = *state;
    number_scan s;
    rdl_result *r = NULL;
    for (int open = 0; open < 2; open++) {
        rdl_err e = {0};
        register_numbers(f, &s, true, false, false);
        s.fail_at = open ? -1 : 100000;
        s.fail_open = open != 0;
        rdl_code rc = rdl_query(f->conn, "SELECT sum(n) FROM rdl_scan('numbers')", &r, &e);
        assert_int_equal(rc, open ? RDL_ENET : RDL_ECONFLICT);
        assert_string_equal(e.msg,
                            open ? "could not open the counter" : "could not count past 100000");
        assert_int_equal(e.flags, open ? RDL_ERR_RETRY : RDL_ERR_REPLAY);
        if (!open) {
            assert_int_equal(e.line, 7);
            assert_string_equal(e.hint, "Count less.");
        }
        e = (rdl_err){0};
        atomic_store(&s.next_row, 0);
        rc =
            rdl_exec(f->conn, "CREATE OR REPLACE TABLE x AS SELECT n FROM rdl_scan('numbers')", &e);
        assert_int_equal(rc, open ? RDL_ENET : RDL_ECONFLICT);
        assert_int_equal(rdl_exec(f->conn, "SELEC", &e), RDL_EUSAGE); /* not the scan's again */
        assert_int_equal(atomic_load(&s.open_locals), 0);
        rdl_scan_drop(f->duck, "numbers");
    }
}

static void a_scan_that_is_not_there_is_named(void **state)
{
    fixture *f = *state;
    number_scan s;
    rdl_err e = {0};
    rdl_schema schema;
    assert_int_equal(rdl_exec(f->conn, "SELECT * FROM rdl_scan('nothing')", &e), RDL_EUSAGE);
    assert_non_null(strstr(e.msg, "\"nothing\""));
    register_numbers(f, &s, true, true, true);
    OK(rdl_describe(f->conn, &f->arena, "SELECT * FROM rdl_scan('numbers')", &schema, &err));
    assert_int_equal(schema.n, 3);
    assert_int_equal(schema.v[2].type->field_count, 2);
    rdl_column one = {RDL_STR("n"), rdl_type_of(RDL_TYPE_BIGINT)};
    rdl_scan_ops ops = {.next = number_next};
    assert_int_equal(rdl_scan_register(f->duck, "numbers", &(rdl_schema){&one, 1}, &ops, NULL, &e),
                     RDL_EBUG);
    rdl_scan_drop(f->duck, "numbers");
    rdl_scan_drop(f->duck, "numbers"); /* once is enough, twice is harmless */
}

/* ---- appenders ---- */

static void appended_chunks_are_in_the_table(void **state)
{
    fixture *f = *state;
    rdl_appender *ap = NULL;
    OK(rdl_exec(f->conn,
                "CREATE SCHEMA IF NOT EXISTS s; CREATE OR REPLACE TABLE s.a (n BIGINT, "
                "t VARCHAR, l VARCHAR[])",
                &err));
    OK(rdl_appender_open(f->conn, "s", "a", &ap, &err));
    rdl_chunk *c = rdl_appender_chunk(ap);
    for (int64_t n = 0; n < 10000; n++) {
        size_t row = c->rows++, at = row;
        RDL_VECTOR_AT(&c->v[0], int64_t, row) = n;
        if (n % 3 == 0)
            rdl_vector_set_null(&c->v[1], row);
        else
            rdl_vector_set_str(&c->v[1], row, "a text of some length", n % 2 ? 21 : 6);
        assert_true(rdl_vector_list_reserve(&c->v[2], at + 1));
        rdl_vector_set_str(&c->v[2].children[0], at, "in a list, outside", 18);
        RDL_VECTOR_AT(&c->v[2], rdl_duck_list, row) = (rdl_duck_list){at, 1};
        rdl_vector_list_set_size(&c->v[2], at + 1);
        if (c->rows == RDL_VECTOR_ROWS)
            OK(rdl_appender_flush(ap, &err));
    }
    OK(rdl_appender_close(ap, &err));
    assert_string_equal(
        text(f, "SELECT [count(*), sum(n), count(t), count(*) FILTER (WHERE t = 'a text'), "
                "count(*) FILTER (WHERE l = ['in a list, outside'])]::VARCHAR FROM s.a"),
        "[10000, 49995000, 6666, 3333, 10000]");
    rdl_err e = {0};
    assert_int_not_equal(rdl_appender_open(f->conn, "s", "none", &ap, &e), RDL_OK);
    assert_non_null(strstr(e.path, "append to none"));
    OK(rdl_appender_close(NULL, &err));
}

static void appending_a_duplicate_key_fails(void **state)
{
    fixture *f = *state;
    rdl_appender *ap = NULL;
    rdl_err e = {0};
    OK(rdl_exec(f->conn, "CREATE OR REPLACE TABLE k (n BIGINT PRIMARY KEY)", &err));
    OK(rdl_appender_open(f->conn, NULL, "k", &ap, &err));
    rdl_chunk *c = rdl_appender_chunk(ap);
    RDL_VECTOR_AT(&c->v[0], int64_t, 0) = 5;
    RDL_VECTOR_AT(&c->v[0], int64_t, 1) = 5;
    c->rows = 2;
    assert_int_equal(rdl_appender_close(ap, &e), RDL_EDATA);
    assert_int_equal(number(f, "SELECT count(*) FROM k"), 0);
}

static void a_chunk_can_be_used_again(void **state)
{
    (void)state;
    rdl_chunk *c = NULL;
    rdl_column column = {RDL_STR("t"), rdl_type_of(RDL_TYPE_TEXT)};
    OK(rdl_chunk_new(&(rdl_schema){&column, 1}, &c, &err));
    for (int round = 0; round < 3; round++) {
        for (size_t row = 0; row < RDL_VECTOR_ROWS; row++)
            assert_true(rdl_vector_valid(&c->v[0], row));
        rdl_vector_set_str(&c->v[0], 0, "twelve bytes", 12);
        rdl_vector_set_null(&c->v[0], 1);
        assert_false(rdl_vector_valid(&c->v[0], 1));
        assert_int_equal(rdl_vector_str(&c->v[0], 0).n, 12);
        rdl_chunk_reset(c);
    }
    rdl_chunk_free(c);
    rdl_chunk_free(NULL);
}

/* ---- functions ---- */

static void floating_aggregates_do_not_depend_on_order(void **state)
{
    fixture *f = *state;
    OK(rdl_exec(f->conn,
                "CREATE OR REPLACE TABLE x AS SELECT i, (i % 97)::INTEGER AS g, CASE WHEN "
                "i % 13 = 0 "
                "THEN NULL ELSE ((hash(i) % 2000)::DOUBLE - 1000) * 10.0 ** ((hash(-i) % "
                "40)::DOUBLE "
                "- 20) END AS v FROM range(200000) r(i)",
                &err));
    static const char *const all = "rdl_sum(v), rdl_avg(v), rdl_var_pop(v), rdl_var_samp(v), "
                                   "rdl_stddev_pop(v), rdl_stddev_samp(v), rdl_sum_state(v), "
                                   "rdl_square_state(v)";
    char *sql = rdl_arena_printf(
        &f->arena,
        "SELECT count(*) FROM (SELECT g, %s FROM x GROUP BY g) a JOIN (SELECT g, %s FROM "
        "(SELECT * "
        "FROM x ORDER BY hash(i + 5)) GROUP BY g) b ON a IS NOT DISTINCT FROM b",
        all, all);
    assert_int_equal(number(f, sql), 97);
    assert_int_equal(
        number(f, "SELECT count(*) FROM (SELECT g, rdl_sum(v) s, rdl_avg(v) a, rdl_var_pop(v) p, "
                  "rdl_stddev_samp(v) d, rdl_sum_state(v) ss, rdl_square_state(v) sq, count(v) n "
                  "FROM x GROUP BY g) WHERE s = rdl_sum_value(ss) AND a = rdl_avg_value(ss, n) "
                  "AND "
                  "p = rdl_var_value(ss, sq, n, 'var_pop') AND "
                  "d = rdl_var_value(ss, sq, n, 'stddev_samp')"),
        97);
    assert_int_equal(number(f,
                            "SELECT count(*) FROM (SELECT rdl_sum(v) s, fsum(v) k, rdl_avg(v) a, "
                            "rdl_var_samp(v) x, var_samp(v) y FROM x GROUP BY g) WHERE "
                            "abs(s - k) <= 1e-9 * abs(k) AND abs(x - y) <= 1e-6 * y"),
                     97);
    assert_int_equal(number(f,
                            "SELECT count(*) FROM (SELECT rdl_sum(v) OVER w s, i FROM x WINDOW w "
                            "AS (ORDER BY i ROWS BETWEEN 20 PRECEDING AND CURRENT ROW)) WHERE "
                            "s IS NOT NULL"),
                     199999);
}

static void aggregates_of_nothing_are_null(void **state)
{
    fixture *f = *state;
    assert_string_equal(
        text(f, "SELECT [rdl_sum(v) IS NULL, rdl_avg(v) IS NULL, rdl_var_pop(v) IS NULL, "
                "rdl_sum_state(v) IS NULL, rdl_sum_value(rdl_sum_state(v)) IS NULL]::VARCHAR "
                "FROM (VALUES (NULL::DOUBLE)) t(v)"),
        "[true, true, true, true, true]");
    assert_string_equal(text(f, "SELECT [rdl_var_samp(v) IS NULL, rdl_var_pop(v) = 0, "
                                "rdl_stddev_samp(v) IS NULL]::VARCHAR FROM (VALUES (3.5)) t(v)"),
                        "[true, true, true]");
    rdl_err e = {0};
    rdl_result *r = NULL;
    assert_int_equal(rdl_query(f->conn, "SELECT rdl_sum_value('abc'::BLOB)", &r, &e), RDL_EDATA);
    assert_int_equal(rdl_query(f->conn,
                               "SELECT rdl_var_value(rdl_sum_state(1.0), "
                               "rdl_square_state(1.0), 1, 'median')",
                               &r, &e),
                     RDL_EDATA);
}

/* Instants of all of history, around midnights, and the edges. */
static void days_in_utc_are_those_of_icu(void **state)
{
    fixture *f = *state;
    static const char *const samples[] = {
        "SELECT make_timestamptz(CAST((hash(i) % 200000000000000000)::BIGINT - 100000000000000000 AS BIGINT)) AS t "
        "FROM range(50000) r(i)",
        "SELECT make_timestamptz((i - 15000) * 86400000000 + j) AS t FROM range(30000) r(i), (VALUES (-1), (0), (1)) x(j)",
        "SELECT unnest([NULL, TIMESTAMPTZ 'infinity', TIMESTAMPTZ '-infinity', TIMESTAMPTZ '1970-01-01 00:00:00Z', "
        "make_timestamptz(-62167219200000001)]) AS t",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        int64_t other = -1;
        char *sql = rdl_arena_printf(
            &f->arena,
            "SELECT count(*) FILTER (rdl_utc_day(t) IS DISTINCT FROM CAST(t AS DATE)) "
            "FROM (%s)",
            samples[i]);
        assert_int_equal(rdl_query_i64(f->conn, sql, &other, &err), RDL_OK);
        assert_int_equal(other, 0);
    }
}

/* Every tenth zone there is, and each hour of four years in those that do odd things. */
static void local_days_are_those_of_icu(void **state)
{
    static const char *const samples[] = {
        "SELECT name AS zone, TIMESTAMPTZ '2016-01-01 00:00:00+00' + to_minutes(CAST(i * 55711 + hash(i) % 1440 AS BIGINT)) "
        "AS t FROM pg_timezone_names(), range(490) r(i) WHERE hash(name) % 10 = 0",
        "SELECT zone, TIMESTAMPTZ '2016-01-01 00:00:00+00' + to_hours(CAST(i AS BIGINT)) - to_microseconds(CAST(i % 2 AS BIGINT)) AS t "
        "FROM range(35040) r(i), (VALUES ('America/Sao_Paulo'), ('Australia/Lord_Howe'), ('Africa/Casablanca'), "
        "('Asia/Pyongyang'), ('Pacific/Apia'), ('UTC'), ('america/new_york')) z(zone)",
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        int64_t all = 0, other = -1;
        char *sql =
            rdl_arena_printf(&f->arena,
                             "SELECT count(*) FILTER (rdl_local_day(t, zone) IS DISTINCT FROM "
                             "CAST(timezone(zone, t) AS DATE)) FROM (%s)",
                             samples[i]);
        assert_int_equal(rdl_query_i64(f->conn, sql, &other, &err), RDL_OK);
        assert_int_equal(other, 0);
        sql = rdl_arena_printf(&f->arena, "SELECT count(*) FROM (%s)", samples[i]);
        assert_int_equal(rdl_query_i64(f->conn, sql, &all, &err), RDL_OK);
        assert_true(all > 20000);
    }
    int64_t nulls = 0;
    assert_int_equal(
        rdl_query_i64(
            f->conn,
            "SELECT count(*) FROM (VALUES (NULL, 'UTC'), (TIMESTAMPTZ '2020-01-01 00:00:00+00', NULL)) "
            "v(t, z) WHERE rdl_local_day(CAST(t AS TIMESTAMPTZ), z) IS NULL",
            &nulls, &err),
        RDL_OK);
    assert_int_equal(nulls, 2);
    assert_int_not_equal(
        rdl_query_i64(f->conn,
                      "SELECT count(*) FROM range(3) r(i) WHERE rdl_local_day(TIMESTAMPTZ "
                      "'2020-01-01 00:00:00+00' + to_hours(i), 'Mars/Olympus') IS NULL",
                      &nulls, &err),
        RDL_OK);
    assert_non_null(strstr(err.msg, "no time zone \"Mars/Olympus\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_ours_and_locked),
        cmocka_unit_test(files_that_were_read_leave_no_memory_behind),
        cmocka_unit_test(errors_say_code_place_and_nearest_name),
        cmocka_unit_test(a_query_beyond_memory_is_a_limit),
        cmocka_unit_test(an_interrupted_query_was_asked_to_stop),
        cmocka_unit_test(changed_rows_are_counted),
        cmocka_unit_test(foreign_types_are_widened_at_any_depth),
        cmocka_unit_test(values_that_do_not_fit_fail_before_the_first_chunk),
        cmocka_unit_test(one_value_queries_leave_out_alone_without_one),
        cmocka_unit_test(values_print_as_duckdb_casts_them),
        cmocka_unit_test(order_by_holds_in_results_and_files),
        cmocka_unit_test(describing_names_the_column_that_cannot_be),
        cmocka_unit_test(trees_go_there_and_back),
        cmocka_unit_test(a_scan_gives_every_row_once_on_several_threads),
        cmocka_unit_test(a_scan_reads_wanted_columns_alone),
        cmocka_unit_test(a_failing_scan_gives_its_own_error),
        cmocka_unit_test(a_scan_that_is_not_there_is_named),
        cmocka_unit_test(appended_chunks_are_in_the_table),
        cmocka_unit_test(appending_a_duplicate_key_fails),
        cmocka_unit_test(a_chunk_can_be_used_again),
        cmocka_unit_test(floating_aggregates_do_not_depend_on_order),
        cmocka_unit_test(aggregates_of_nothing_are_null),
        cmocka_unit_test(days_in_utc_are_those_of_icu),
        cmocka_unit_test(local_days_are_those_of_icu),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
