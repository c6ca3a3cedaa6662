/*
 * tests/unit/codec_test.c - the row codec against DuckDB's ORDER BY, and there and back.
 */
#include "duck_fixture.h"

#include <stdio.h>
#include <string.h>

#include "duck/codec.h"

/* Random rows of each type: x is a hash of the row, p picks special values. */
static const struct sample {
    const char *type;
    const char *value;
} samples[] = {
    {"BOOLEAN", "x % 2 = 0"},
    {"INTEGER", "CASE p WHEN 1 THEN 2147483647 WHEN 2 THEN -2147483648 WHEN 3 THEN 0 "
                "ELSE (x % 2000)::INTEGER - 1000 END"},
    {"BIGINT", "CASE p WHEN 1 THEN 9223372036854775807 WHEN 2 THEN -9223372036854775808 "
               "ELSE (x % 100000000000)::BIGINT - 50000000000 END"},
    {"DOUBLE", "CASE p WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf' WHEN 3 THEN '-inf' "
               "WHEN 4 THEN -0.0 WHEN 5 THEN 0.0 WHEN 6 THEN 5e-324 WHEN 7 THEN -5e-324 "
               "WHEN 8 THEN -('nan'::DOUBLE) "
               "ELSE ((x % 2000)::DOUBLE - 1000) * 10.0 ** ((x % 61)::DOUBLE - 30) END"},
    {"DECIMAL(4,1)", "((x % 19999)::INTEGER - 9999)::DECIMAL(5,0) / 10"},
    {"DECIMAL(9,2)", "((x % 199999)::INTEGER - 99999)::DECIMAL(9,0) / 100"},
    {"DECIMAL(18,6)", "((x % 199999999)::BIGINT - 99999999)::DECIMAL(18,0) / 1000000"},
    {"DECIMAL(38,10)",
     "CASE p WHEN 1 THEN '9999999999999999999999999999.9999999999'::DECIMAL(38,10) "
     "WHEN 2 THEN '-9999999999999999999999999999.9999999999'::DECIMAL(38,10) "
     "ELSE ((x % 1999)::INTEGER - 999)::DECIMAL(38,10) * 10000000000000 END"},
    {"VARCHAR", "CASE p WHEN 1 THEN '' WHEN 2 THEN 'a' || chr(0) WHEN 3 THEN 'a' || chr(1) "
                "WHEN 4 THEN 'a' WHEN 5 THEN chr(0) || chr(0) WHEN 6 THEN 'a' || chr(0) || 'b' "
                "WHEN 7 THEN chr(1114111) WHEN 8 THEN repeat('x', (x % 100)::INTEGER) "
                "ELSE substr(md5(x::VARCHAR), 1, (x % 20)::INTEGER) END"},
    {"BLOB", "CASE p WHEN 1 THEN ''::BLOB WHEN 2 THEN '\\x00'::BLOB WHEN 3 THEN '\\xFF\\x00'::BLOB "
             "WHEN 4 THEN '\\xFF'::BLOB WHEN 5 THEN '\\x00\\xFF'::BLOB "
             "ELSE unhex(substr(md5(x::VARCHAR), 1, 2 * (x % 14)::INTEGER)) END"},
    {"DATE", "CASE p WHEN 1 THEN 'infinity'::DATE WHEN 2 THEN '-infinity'::DATE "
             "ELSE DATE '2000-01-01' + (x % 30000)::INTEGER - 15000 END"},
    {"TIMESTAMP WITH TIME ZONE",
     "CASE p WHEN 1 THEN 'infinity'::TIMESTAMPTZ WHEN 2 THEN '-infinity'::TIMESTAMPTZ "
     "ELSE make_timestamptz((x % 4000000000000000)::BIGINT - 2000000000000000) END"},
    {"JSON", "to_json({'a': x % 7, 'b': [x % 3, NULL]})"},
    {"INTEGER[]", "CASE p WHEN 1 THEN [] WHEN 2 THEN [NULL] WHEN 3 THEN [1, NULL] "
                  "ELSE list_transform(range((x % 5)::BIGINT), "
                  "lambda k: CASE WHEN (x >> k) % 5 = 0 THEN NULL "
                  "ELSE ((x >> (3 * k)) % 3)::INTEGER - 1 END) END"},
    {"VARCHAR[][]", "CASE p WHEN 1 THEN [] WHEN 2 THEN [[]] WHEN 3 THEN [NULL] "
                    "ELSE list_transform(range((x % 4)::BIGINT), lambda k: "
                    "CASE WHEN (x >> k) % 5 = 0 THEN NULL ELSE "
                    "list_transform(range(((x >> k) % 3)::BIGINT), "
                    "lambda m: chr((97 + (x >> m) % 3)::INTEGER)) END) END"},
    {"STRUCT(a INTEGER, \"b c\" VARCHAR, d STRUCT(e DOUBLE[]))",
     "CASE p WHEN 1 THEN {'a': NULL, 'b c': NULL, 'd': NULL} ELSE "
     "{'a': CASE WHEN x % 4 = 0 THEN NULL ELSE x % 3 END, 'b c': chr((97 + x % "
     "3)::INTEGER), "
     "'d': {'e': [x % 5, NULL]}} END"},
    {"MAP(VARCHAR, INTEGER)",
     "CASE p WHEN 1 THEN MAP {} WHEN 2 THEN MAP {'a': NULL} "
     "ELSE MAP {chr((97 + x % 2)::INTEGER): x % 3, 'z': (x >> 3) % 3} END"},
    {"STRUCT(k INTEGER, v MAP(INTEGER, VARCHAR[]))[]",
     "CASE p WHEN 1 THEN [] WHEN 2 THEN [NULL] ELSE list_transform(range((x % 3)::BIGINT), "
     "lambda k: {'k': (x >> k) % 3, 'v': MAP {1: [chr((97 + x % 3)::INTEGER)], 2: NULL}}) "
     "END"},
};

enum { SAMPLES = sizeof samples / sizeof *samples, ROWS = 5000 };

static void make_table(rdl_conn *c, const struct sample *s, unsigned seed)
{
    OK(rdl_execf(c, &err,
                 "CREATE OR REPLACE TABLE t AS SELECT CASE WHEN x %% 11 = 0 THEN NULL ELSE (%s) "
                 "END::%s AS v, ((x >> 9) %% 3)::INTEGER AS w FROM (SELECT hash(i + %u) >> 8 AS x, "
                 "hash(i + %u + 7) %% 20 AS p FROM range(%d) r(i))",
                 s->value, s->type, seed, seed, ROWS));
}

static void bytes_sort_as_duckdb_sorts(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < SAMPLES; i++) {
        int64_t different = -1, distinct = 0;
        make_table(f->conn, &samples[i], (unsigned)i * 1000);
        OK(rdl_query_i64(f->conn,
                         "SELECT count(*) FROM (SELECT rank() OVER (ORDER BY v ASC NULLS LAST) a, "
                         "rank() OVER (ORDER BY rdl_key(v)) b FROM t) WHERE a <> b",
                         &different, &err));
        if (different != 0)
            print_error("%s\n", samples[i].type);
        assert_int_equal(different, 0);
        OK(rdl_query_i64(f->conn,
                         "SELECT count(*) FROM (SELECT rank() OVER (ORDER BY w, v, -w) a, "
                         "rank() OVER (ORDER BY rdl_key(w, v, -w)) b FROM t) WHERE a <> b",
                         &different, &err));
        assert_int_equal(different, 0);
        OK(rdl_query_i64(f->conn, "SELECT count(DISTINCT v) FROM t", &distinct, &err));
        assert_true(distinct >= 2);
    }
}

static void check_row(const rdl_vector *v, size_t row, rdl_chunk *back, bool *maps)
{
    rdl_buf bytes = {0}, again = {0}, before = {0}, after = {0};
    size_t at = 0;
    rdl_codec_put(v, row, &bytes);
    OK(rdl_codec_get((rdl_str){bytes.p, bytes.n}, &at, &back->v[0], back->rows, &err));
    assert_int_equal(at, bytes.n);
    rdl_codec_put(&back->v[0], back->rows, &again);
    assert_int_equal(again.n, bytes.n);
    assert_memory_equal(again.p, bytes.p, bytes.n);
    rdl_vector_print_json(v, row, &before);
    rdl_vector_print_json(&back->v[0], back->rows, &after);
    if (!*maps && strcmp(rdl_buf_str(&before), "-0.0") != 0)
        assert_string_equal(rdl_buf_str(&before), rdl_buf_str(&after));
    for (size_t cut = 0; cut < bytes.n; cut++) { /* no beginning of it is a value */
        size_t zero = 0;
        rdl_err ignored;
        assert_int_equal(
            rdl_codec_get((rdl_str){bytes.p, cut}, &zero, &back->v[0], back->rows, &ignored),
            RDL_EDATA);
    }
    at = 0;
    OK(rdl_codec_get((rdl_str){bytes.p, bytes.n}, &at, &back->v[0], back->rows, &err));
    rdl_buf_fini(&bytes);
    rdl_buf_fini(&again);
    rdl_buf_fini(&before);
    rdl_buf_fini(&after);
}

static void rows_come_back_as_they_were(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < SAMPLES; i++) {
        rdl_result *r = NULL;
        const rdl_chunk *c;
        rdl_chunk *back = NULL;
        bool maps = strstr(samples[i].type, "MAP") != NULL;
        make_table(f->conn, &samples[i], (unsigned)i * 77);
        OK(rdl_query(f->conn, "SELECT v FROM t LIMIT 1500", &r, &err));
        OK(rdl_chunk_new(rdl_result_schema(r), &back, &err));
        while (rdl_result_next(r, &c)) {
            rdl_chunk_reset(back);
            for (size_t row = 0; row < c->rows; row++, back->rows++)
                check_row(&c->v[0], row, back, &maps);
        }
        rdl_chunk_free(back);
        rdl_result_free(r);
    }
}

static void decoded_rows_are_good_duckdb_values(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < SAMPLES; i++) {
        rdl_result *r = NULL;
        rdl_appender *ap = NULL;
        const rdl_chunk *c;
        rdl_buf bytes = {0};
        int64_t different = -1;
        make_table(f->conn, &samples[i], (unsigned)i * 31);
        OK(rdl_execf(f->conn, &err, "CREATE OR REPLACE TABLE back (v %s)", samples[i].type));
        OK(rdl_query(f->conn, "SELECT v FROM t", &r, &err));
        OK(rdl_appender_open(f->conn, NULL, "back", &ap, &err));
        while (rdl_result_next(r, &c)) {
            rdl_chunk *to = rdl_appender_chunk(ap);
            for (size_t row = 0; row < c->rows; row++, to->rows++) {
                size_t at = 0;
                rdl_buf_clear(&bytes);
                rdl_codec_put(&c->v[0], row, &bytes);
                OK(rdl_codec_get((rdl_str){bytes.p, bytes.n}, &at, &to->v[0], to->rows, &err));
            }
            OK(rdl_appender_flush(ap, &err));
        }
        OK(rdl_appender_close(ap, &err));
        rdl_buf_fini(&bytes);
        rdl_result_free(r);
        OK(rdl_query_i64(
            f->conn,
            "SELECT count(*) FROM (SELECT rdl_key(v) k, count(*) n FROM t GROUP BY k) a "
            "FULL JOIN (SELECT rdl_key(v) k, count(*) n FROM back GROUP BY k) b "
            "USING (k, n) WHERE a.n IS NULL OR b.n IS NULL",
            &different, &err));
        assert_int_equal(different, 0);
    }
}

static const rdl_type *type_of(rdl_arena *a, const char *text)
{
    const rdl_type *t = NULL;
    OK(rdl_type_parse(a, rdl_str_of(text), &t, &err));
    return t;
}

static void bytes_of_no_value_are_refused(void **state)
{
    static const struct {
        const char *type;
        const char *bytes;
        size_t n;
    } bad[] = {
        {"INTEGER", "", 0},
        {"INTEGER", "\x03\x80\x00\x00\x00", 5},
        {"BOOLEAN", "\x01\x02", 2},
        {"DOUBLE", "\x01\x7f\xff\xff\xff\xff\xff\xff\xff", 9},            /* -0 */
        {"DOUBLE", "\x01\xff\xf0\x00\x00\x00\x00\x00\x01", 9},            /* another NaN */
        {"DECIMAL(2,0)", "\x01\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x64", 17}, /* 100 */
        {"VARCHAR", "\x01\xff\x00\x01", 4},                               /* not UTF-8 */
        {"VARCHAR", "\x01\xed\xa0\x80\x00\x01", 6},                       /* a surrogate */
        {"VARCHAR",
         "\x01"
         "a\x00\x02",
         4},
        {"VARCHAR",
         "\x01"
         "abc",
         4},
        {"INTEGER[]", "\x01\x07", 2},
        {"INTEGER[]", "\x01\x03\x02", 3},
        {"MAP(BOOLEAN, BOOLEAN)", "\x01\x03\x01\x01\x02\x03\x01\x00\x02\x00", 10}, /* order */
        {"MAP(BOOLEAN, BOOLEAN)", "\x01\x03\x01\x01\x02\x03\x01\x01\x02\x00", 10}, /* twice */
        {"MAP(BOOLEAN, BOOLEAN)", "\x01\x03\x02\x02\x00", 5},                      /* NULL key */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rdl_arena a;
        rdl_chunk *c = NULL;
        size_t at = 0;
        rdl_err e;
        rdl_arena_init(&a, 0);
        rdl_column column = {RDL_STR("v"), type_of(&a, bad[i].type)};
        OK(rdl_chunk_new(&(rdl_schema){&column, 1}, &c, &err));
        assert_int_equal(rdl_codec_get((rdl_str){bad[i].bytes, bad[i].n}, &at, &c->v[0], 0, &e),
                         RDL_EDATA);
        rdl_chunk_free(c);
        rdl_arena_fini(&a);
    }
}

static void a_maps_order_does_not_matter(void **state)
{
    fixture *f = *state;
    int64_t same = 0;
    OK(rdl_query_i64(f->conn,
                     "SELECT (rdl_key(MAP {'b': 1, 'a': 2}) = rdl_key(MAP {'a': 2, 'b': 1}))::INT",
                     &same, &err));
    assert_int_equal(same, 1);
}

/* Vectors inside expressions are not always plain: filters, joins, lambdas and constants.
 */
static void keys_of_computed_values_are_those_of_stored_ones(void **state)
{
    fixture *f = *state;
    static const char *const values[] = {
        "list_filter([i, i + 1, i + 2], lambda k: k % 2 = 0)",
        "list_reverse([i::VARCHAR, 'x', NULL])",
        "struct_pack(a := [i, 7], b := CASE WHEN i % 2 = 0 THEN NULL ELSE [i::VARCHAR] "
        "END)",
        "[1, 2, 3]",
        "{'a': [{'b': 1}], 'c': i}",
        "list_zip([i, i + 1], ['a', 'b'])::STRUCT(a BIGINT, b VARCHAR)[]",
        "[{'a': i}, {'a': NULL}][1:1]",
        "map_from_entries([(i::VARCHAR, [i])])",
        "CASE WHEN i % 3 = 0 THEN [i] WHEN i % 3 = 1 THEN [] END",
        "(SELECT list(k ORDER BY k) FROM range(3) q(k) WHERE k <> r.i)",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int64_t different = -1;
        OK(rdl_execf(f->conn, &err,
                     "CREATE OR REPLACE TABLE computed AS SELECT i, %s AS v, rdl_key(%s) AS k "
                     "FROM range(6000) r(i) WHERE i %% 7 <> 0",
                     values[i], values[i]));
        OK(rdl_query_i64(f->conn, "SELECT count(*) FROM computed WHERE rdl_key(v) <> k", &different,
                         &err));
        assert_int_equal(different, 0);
        OK(rdl_query_i64(f->conn,
                         "SELECT count(*) FROM (SELECT k, rdl_key(c.v) AS j FROM computed c "
                         "JOIN range(3) q(n) ON c.i % 3 = n) WHERE j <> k",
                         &different, &err));
        assert_int_equal(different, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_sort_as_duckdb_sorts),
        cmocka_unit_test(rows_come_back_as_they_were),
        cmocka_unit_test(decoded_rows_are_good_duckdb_values),
        cmocka_unit_test(bytes_of_no_value_are_refused),
        cmocka_unit_test(a_maps_order_does_not_matter),
        cmocka_unit_test(keys_of_computed_values_are_those_of_stored_ones),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
