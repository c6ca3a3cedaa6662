/*
 * tests/unit/parquet_test.c - what our Parquet writer wrote, DuckDB reads back as it was.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/hash.h"
#include "lake/parquet.h"
#include "duck_fixture.h"

static const char *path_of(fixture *f)
{
    return rdl_path_join(&f->arena, f->dir, "a.parquet");
}

/* The rows of the select as one file, and what the writer says of it. */
static rdl_parquet_written write_all(fixture *f, rdl_parquet *p, const char *select)
{
    rdl_parquet_written w;
    rdl_result *r = NULL;
    const rdl_chunk *k;
    OK(rdl_query(f->conn, select, &r, &err));
    OK(rdl_parquet_open(p, path_of(f), &err));
    while (rdl_result_next(r, &k)) {
        size_t half = k->rows / 3;
        OK(rdl_parquet_put(p, k, 0, half, &err));
        OK(rdl_parquet_put(p, k, half, k->rows - half, &err));
    }
    OK(rdl_parquet_close(p, &w, &err));
    rdl_result_free(r);
    return w;
}

static rdl_parquet *writer(fixture *f, const char *select)
{
    rdl_parquet *p = NULL;
    rdl_schema *s = RDL_NEW(&f->arena, rdl_schema);
    OK(rdl_describe(f->conn, &f->arena, select, s, &err));
    OK(rdl_parquet_new(s, true, &p, &err));
    return p;
}

static int64_t number(fixture *f, const char *fmt, ...)
{
    va_list ap;
    int64_t n = -1;
    va_start(ap, fmt);
    char sql[4000];
    vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    OK(rdl_query_i64(f->conn, sql, &n, &err));
    return n;
}

/* The same rows, with their types, as a multiset. */
static void assert_same(fixture *f, const char *select)
{
    rdl_schema want, got;
    bool same;
    const char *read = rdl_arena_printf(&f->arena, "SELECT * FROM read_parquet('%s')", path_of(f));
    OK(rdl_describe_same(f->conn, &f->arena, select, &want, &same, &err));
    OK(rdl_describe_same(f->conn, &f->arena, read, &got, &same, &err));
    assert_int_equal(got.n, want.n);
    for (size_t i = 0; i < want.n; i++) {
        assert_true(rdl_str_eq(want.v[i].name, got.v[i].name));
        assert_true(rdl_type_eq(want.v[i].type, got.v[i].type));
    }
    assert_int_equal(number(f, "SELECT count(*) FROM (%s)", select),
                     number(f, "SELECT count(*) FROM (%s)", read));
    assert_int_equal(
        number(f, "SELECT count(*) FROM ((%s) EXCEPT ALL (%s))", select, read), 0);
    assert_int_equal(
        number(f, "SELECT count(*) FROM ((%s) EXCEPT ALL (%s))", read, select), 0);
}

static void round_trip(fixture *f, const char *select)
{
    rdl_parquet *p = writer(f, select);
    rdl_parquet_written w = write_all(f, p, select);
    rdl_stat st;
    OK(rdl_fs_stat(path_of(f), &st, &err));
    assert_int_equal(st.size, w.bytes);
    assert_int_equal(w.rows, number(f, "SELECT count(*) FROM (%s)", select));
    assert_same(f, select);
    rdl_parquet_free(p);
}

/* Every type, NULL in each; i is the row. */
#define SCALARS                                                                            \
    "CASE WHEN i % 7 <> 0 THEN i % 3 = 0 END AS a_bool, "                                  \
    "CASE WHEN i % 5 <> 0 THEN (i * 7919 % 100)::INTEGER END AS an_int, "                  \
    "CASE WHEN i % 11 <> 0 THEN i * 1000000007 - 5000000000 END AS a_big, "                \
    "CASE WHEN i % 3 <> 0 THEN i / 7.0::DOUBLE - 3 END AS a_double, "                      \
    "CASE WHEN i % 2 <> 0 THEN (i % 97)::DECIMAL(4,1) END AS d4, "                         \
    "CASE WHEN i % 2 = 0 THEN (i % 9973 - 500)::DECIMAL(9,3) END AS d9, "                  \
    "(i - 50)::DECIMAL(18,6) / 3 AS d18_double, (i * 3 - 50)::DECIMAL(18,6) AS d18, "      \
    "CASE WHEN i % 13 <> 0 THEN (i - 70)::DECIMAL(38,4) * 1000000000000 END AS d38, "      \
    "CASE WHEN i % 4 <> 0 THEN 'org-' || (i % 17) END AS a_text, "                         \
    "repeat(chr((97 + i % 26)::INTEGER), (i % 90)::INTEGER) AS long_text, "                \
    "CASE WHEN i % 6 <> 0 THEN encode('b' || i) END AS a_blob, "                           \
    "CASE WHEN i % 9 <> 0 THEN DATE '2025-07-18' - (i % 800)::INTEGER END AS a_date, "     \
    "CASE WHEN i % 8 <> 0 THEN TIMESTAMPTZ '1969-12-31 23:59:59.123456+00' + "             \
    "to_microseconds(i * 777777777) END AS a_time, "                                       \
    "CASE WHEN i % 3 = 0 THEN ('{\"i\":' || i || '}')::JSON END AS a_json, "                   \
    "NULL::VARCHAR AS never, 42::BIGINT AS always"

static const char *rows_of(fixture *f, const char *columns, int n)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT ");
    rdl_buf_puts(&sql, columns);
    rdl_buf_printf(&sql, " FROM range(%d) t(i)", n);
    const char *out = rdl_arena_strdup(&f->arena, rdl_buf_str(&sql));
    rdl_buf_fini(&sql);
    return out;
}

static void scalars_of_all_types_come_back(void **state)
{
    fixture *f = *state;
    static const int counts[] = {0, 1, 2, 7, 8, 9, 100, 2048, 5000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        round_trip(f, rows_of(f, SCALARS, counts[i]));
}

static void nested_values_come_back(void **state)
{
    fixture *f = *state;
    static const char columns[] =
        "CASE WHEN i % 5 <> 0 THEN [x FOR x IN range(i % 4) IF x <> 2] END AS lists, "
        "CASE WHEN i % 3 <> 0 THEN [NULL, 'a' || i, NULL, ''] ELSE [] END AS holes, "
        "CASE WHEN i % 4 <> 0 THEN map(['k' || i, 'z'], [i, NULL]) ELSE MAP {} END AS maps, "
        "CASE WHEN i % 7 <> 0 THEN {'a': i, 'b': CASE WHEN i % 2 = 0 THEN {'c': 'x' || i, "
        "'d': [i, NULL]} END} END AS structs, "
        "[[i, i + 1], [], NULL, [NULL]] AS deep, "
        "CASE WHEN i % 2 = 0 THEN [{'n': i, 'm': map([i], [[i::VARCHAR]])}, NULL] END AS all_of_it";
    round_trip(f, rows_of(f, columns, 3));
    round_trip(f, rows_of(f, columns, 3000));
}

static void a_file_of_many_row_groups_comes_back(void **state)
{
    fixture *f = *state;
    static const char select[] = "SELECT " SCALARS " FROM range(300000) t(i)";
    round_trip(f, select);
    assert_true(number(f, "SELECT count(DISTINCT row_group_id) FROM parquet_metadata('%s')",
                       path_of(f)) >= 3);
}

static void wide_rows_end_a_row_group_early(void **state)
{
    fixture *f = *state;
    static const char select[] =
        "SELECT i, repeat(md5(i::VARCHAR), 32768) AS wide FROM range(100) t(i)";
    rdl_parquet *p = writer(f, select);
    (void)write_all(f, p, select);
    rdl_parquet_free(p);
    /* By their sums: the rows themselves, compared, would need more memory than there is for a test. */
    assert_int_equal(number(f, "SELECT count(*) FROM (SELECT i, md5(wide) FROM (%s) EXCEPT ALL "
                               "SELECT i, md5(wide) FROM read_parquet('%s'))",
                            select, path_of(f)),
                     0);
    assert_int_equal(number(f, "SELECT count(*) FROM read_parquet('%s')", path_of(f)), 100);
    assert_true(number(f, "SELECT count(DISTINCT row_group_id) FROM parquet_metadata('%s')",
                       path_of(f)) >= 3);
}

static void one_writer_makes_files_that_know_nothing_of_each_other(void **state)
{
    fixture *f = *state;
    static const char *const selects[] = {
        "SELECT 'a' || i AS t, i AS n FROM range(1000) t(i)",
        "SELECT NULL::VARCHAR AS t, NULL::BIGINT AS n FROM range(3)",
        "SELECT 'zz' AS t, -5::BIGINT AS n",
    };
    static const char *const lows[] = {"a0", NULL, "zz"};
    rdl_parquet *p = writer(f, selects[0]);
    for (size_t i = 0; i < 3; i++) {
        rdl_parquet_written w = write_all(f, p, selects[i]);
        assert_same(f, selects[i]);
        if (lows[i] == NULL)
            assert_null(w.bounds[0].min.p);
        else
            assert_true(rdl_str_eq(w.bounds[0].min, rdl_str_of(lows[i])));
        assert_int_equal(w.bounds[0].nulls, i == 1 ? 3 : 0);
    }
    rdl_parquet_free(p);
}

static void bounds_are_those_of_the_rows(void **state)
{
    fixture *f = *state;
    static const char select[] = "SELECT " SCALARS " FROM range(10000) t(i)";
    rdl_parquet *p = writer(f, select);
    rdl_parquet_written w = write_all(f, p, select);
    rdl_schema s;
    OK(rdl_describe(f->conn, &f->arena, select, &s, &err));
    for (size_t i = 0; i < s.n; i++) {
        const rdl_parquet_bounds *b = &w.bounds[i];
        if (s.v[i].type->kind == RDL_TYPE_BLOB || s.v[i].type->kind == RDL_TYPE_JSON || b->min.p == NULL)
            continue;
        assert_true(b->any);
        assert_int_equal(
            number(f, "SELECT (min(%.*s)::VARCHAR = '%.*s' AND max(%.*s)::VARCHAR = '%.*s')::INT "
                      "FROM (%s)",
                   (int)s.v[i].name.n, s.v[i].name.p, (int)b->min.n, b->min.p,
                   (int)s.v[i].name.n, s.v[i].name.p, (int)b->max.n, b->max.p, select),
            1);
        assert_int_equal(number(f, "SELECT count(*) FILTER (%.*s IS NULL) FROM (%s)",
                                (int)s.v[i].name.n, s.v[i].name.p, select),
                         (int64_t)b->nulls);
    }
    rdl_parquet_free(p);
}

/* Row groups that cannot match are passed over by these bounds, so a wrong one loses rows. */
static void filters_over_statistics_lose_no_row(void **state)
{
    fixture *f = *state;
    static const char select[] =
        "SELECT i, i::DECIMAL(38,2) - 150000 AS d, 'k' || lpad(i::VARCHAR, 90, '0') AS t, "
        "(i - 150000) / 3.0::DOUBLE AS x, TIMESTAMPTZ '1969-12-31 00:00:00+00' + to_seconds(i) "
        "AS moment, i % 2 = 0 AS b, DATE '1969-06-01' + (i // 1000)::INTEGER AS day "
        "FROM range(300000) t(i)";
    static const char *const filters[] = {
        "d < -149990",        "d = 149999",      "t = 'k' || lpad('299999', 90, '0')",
        "t < 'k' || lpad('7', 90, '0')",         "x = 0",
        "x > 49990",          "moment < '1970-01-01'", "b AND i > 299990",
        "day = '1969-06-01'", "day > '1970-03-01'",
    };
    round_trip(f, select);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        int64_t want = number(f, "SELECT count(*) FROM (%s) WHERE %s", select, filters[i]);
        assert_true(want > 0);
        assert_int_equal(
            number(f, "SELECT count(*) FROM read_parquet('%s') WHERE %s", path_of(f), filters[i]),
            want);
    }
}

static void doubles_with_nan_have_no_bounds(void **state)
{
    fixture *f = *state;
    static const char select[] =
        "SELECT CASE WHEN i = 5 THEN 'nan'::DOUBLE WHEN i = 6 THEN 'inf'::DOUBLE ELSE -0.0 END "
        "AS x, CASE WHEN i > 5 THEN 0.0::DOUBLE ELSE -0.0 END AS zero FROM range(10) t(i)";
    rdl_parquet *p = writer(f, select);
    rdl_parquet_written w = write_all(f, p, select);
    assert_null(w.bounds[0].min.p);
    assert_non_null(w.bounds[1].min.p);
    assert_same(f, select);
    assert_int_equal(number(f, "SELECT count(*) FROM read_parquet('%s') WHERE isnan(x)", path_of(f)),
                     1);
    assert_int_equal(number(f, "SELECT count(*) FROM read_parquet('%s') WHERE zero = 0", path_of(f)),
                     10);
    rdl_parquet_free(p);
}

static void a_failed_write_is_told_and_the_writer_goes_on(void **state)
{
    fixture *f = *state;
    static const char select[] = "SELECT i FROM range(10) t(i)";
    rdl_parquet *p = writer(f, select);
    rdl_parquet_written w;
    rdl_result *r = NULL;
    const rdl_chunk *k;
    OK(rdl_query(f->conn, select, &r, &err));
    assert_true(rdl_result_next(r, &k));
    OK(rdl_parquet_open(p, path_of(f), &err));
    OK(rdl_parquet_put(p, k, 0, k->rows, &err));
    rdl_fault_arm(RDL_FAULT_FS_WRITE, 1, 28);
    assert_int_equal(rdl_parquet_close(p, &w, &err), RDL_EIO);
    rdl_fault_disarm();
    rdl_result_free(r);
    write_all(f, p, select);
    assert_same(f, select);
    rdl_parquet_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scalars_of_all_types_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(nested_values_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_many_row_groups_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_rows_end_a_row_group_early, setup, teardown),
        cmocka_unit_test_setup_teardown(one_writer_makes_files_that_know_nothing_of_each_other,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_are_those_of_the_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(filters_over_statistics_lose_no_row, setup, teardown),
        cmocka_unit_test_setup_teardown(doubles_with_nan_have_no_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_is_told_and_the_writer_goes_on, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
