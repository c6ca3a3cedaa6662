/*
 * tests/unit/held_test.c - rows held beside DuckDB, kept plans over them, and packed files.
 */
#include "duck_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duck/codec.h"
#include "duck/packed.h"

static int64_t kept_number(fixture *f, const char *sql)
{
    rdl_result *r = NULL;
    const rdl_chunk *k;
    OK(rdl_query_kept(f->conn, sql, &r, &err));
    assert_true(rdl_result_next(r, &k));
    int64_t n = RDL_VECTOR_AT(&k->v[0], int64_t, 0);
    rdl_result_free(r);
    return n;
}

static rdl_held *hold(fixture *f, const char *name, const char *select, bool *new_shape)
{
    rdl_held *h = NULL;
    OK(rdl_held_query(f->conn, name, select, false, 1 << 20, &h, new_shape, &err));
    assert_non_null(h);
    return h;
}

static void kept_plans_read_the_rows_that_are_held_now(void **state)
{
    fixture *f = *state;
    static const char sum[] = "SELECT coalesce(sum(a), 0)::BIGINT FROM rdl_held('t') WHERE a > 100";
    bool new_shape;
    rdl_held *h = hold(f, "t", "SELECT range AS a FROM range(10)", &new_shape);
    assert_true(new_shape);
    assert_int_equal(kept_number(f, sum), 0);
    assert_ptr_equal(hold(f, "t", "SELECT range AS a FROM range(5000)", &new_shape), h);
    assert_false(new_shape);
    assert_int_equal(kept_number(f, sum), 4999LL * 5000 / 2 - 5050);
    rdl_held_clear(h);
    assert_int_equal(kept_number(f, sum), 0);
}

static void another_shape_forgets_the_plans_over_the_old_one(void **state)
{
    fixture *f = *state;
    static const char count[] = "SELECT count(*) FROM rdl_held('t')";
    bool new_shape;
    (void)hold(f, "t", "SELECT 1::BIGINT AS a", &new_shape);
    assert_int_equal(kept_number(f, count), 1);
    (void)hold(f, "t", "SELECT 'x' AS a, [1, 2] AS b FROM range(3)", &new_shape);
    assert_true(new_shape);
    assert_int_equal(kept_number(f, count), 3);
    (void)hold(f, "t", "SELECT 'y' AS a, [3] AS b FROM range(4)", &new_shape);
    assert_false(new_shape);
    assert_int_equal(kept_number(f, count), 4);
}

static void rows_are_numbered_and_rejected_ones_go(void **state)
{
    fixture *f = *state;
    bool new_shape;
    rdl_held *h =
        hold(f, "t", "SELECT range AS a, 'row ' || range AS b, [range] AS c FROM range(5000)",
             &new_shape);
    assert_int_equal(
        kept_number(f, "SELECT count(*) FROM rdl_held('t') WHERE rowid = a AND c[1] = a"), 5000);
    bool *gone = calloc(5000, sizeof *gone);
    for (size_t i = 0; i < 5000; i += 2)
        gone[i] = true;
    OK(rdl_held_filter(h, gone, &err));
    free(gone);
    assert_int_equal(rdl_held_rows(h), 2500);
    assert_int_equal(
        kept_number(f, "SELECT count(*) FROM rdl_held('t') WHERE a % 2 = 1 AND b = 'row ' "
                       "|| a AND c[1] = a"),
        2500);
}

static void chunks_that_lose_no_row_stay_as_they_are(void **state)
{
    fixture *f = *state;
    bool new_shape;
    rdl_held *h =
        hold(f, "t", "SELECT range AS a, 'row ' || range AS b FROM range(7000)", &new_shape);
    bool *gone = calloc(7000, sizeof *gone);
    for (size_t i = 2000; i < 4200; i++) /* a whole chunk, and some of its neighbours */
        gone[i] = true;
    gone[6999] = true;
    int64_t sum = kept_number(
        f, "SELECT sum(a)::BIGINT FROM rdl_held('t') WHERE NOT (rowid BETWEEN 2000 AND 4199) "
           "AND rowid < 6999");
    OK(rdl_held_filter(h, gone, &err));
    free(gone);
    assert_int_equal(rdl_held_rows(h), 7000 - 2201);
    assert_int_equal(kept_number(f, "SELECT sum(a)::BIGINT FROM rdl_held('t')"), sum);
    assert_int_equal(
        kept_number(
            f,
            "SELECT count(DISTINCT rowid) FROM rdl_held('t') WHERE rowid < 4799 AND b = 'row ' || a"),
        4799);
}

static void any_number_of_rows_is_held_and_an_error_leaves_what_was(void **state)
{
    fixture *f = *state;
    rdl_held *h;
    bool new_shape;
    OK(rdl_held_stream(
        f->conn, "t",
        "SELECT range AS a, 'a text that lies apart ' || range AS b FROM range(300000)", &h,
        &new_shape, &err));
    assert_true(new_shape);
    assert_int_equal(rdl_held_rows(h), 300000);
    assert_int_equal(
        kept_number(f,
                    "SELECT count(*) FROM rdl_held('t') WHERE b = 'a text that lies apart ' || a"),
        300000);
    /* What is held may be made of what was held. */
    OK(rdl_held_stream(f->conn, "t", "SELECT a, b FROM rdl_held('t') WHERE a % 3 = 0", &h,
                       &new_shape, &err));
    assert_false(new_shape);
    assert_int_equal(rdl_held_rows(h), 100000);
    assert_int_not_equal(
        rdl_held_stream(f->conn, "t",
                        "SELECT a, CASE WHEN a > 299000 THEN error('no more') ELSE b END AS b "
                        "FROM rdl_held('t')",
                        &h, &new_shape, &err),
        RDL_OK);
    assert_non_null(strstr(err.msg, "no more"));
    memset(&err, 0, sizeof err);
    assert_int_equal(kept_number(f, "SELECT count(*) FROM rdl_held('t')"), 100000);
    assert_int_not_equal(
        rdl_held_stream(f->conn, "t", "SELECT nothing FROM nowhere", &h, &new_shape, &err), RDL_OK);
    assert_non_null(strstr(err.msg, "nowhere"));
    memset(&err, 0, sizeof err);
}

static void more_rows_than_asked_for_are_not_held(void **state)
{
    fixture *f = *state;
    rdl_held *h;
    bool new_shape;
    OK(rdl_held_query(f->conn, "t", "SELECT * FROM range(11)", false, 10, &h, &new_shape, &err));
    assert_null(h);
}

static const char every_type[] =
    "SELECT CASE WHEN i % 7 = 0 THEN NULL ELSE i % 2 = 0 END AS b, i::INTEGER AS n, "
    "CASE WHEN i % 5 = 0 THEN NULL ELSE i * 1000000007 END AS g, "
    "CASE i % 4 WHEN 0 THEN -0.0::DOUBLE WHEN 1 THEN 'nan'::DOUBLE ELSE i / 3 END AS d, "
    "(i / 100)::DECIMAL(4,2) AS d2, i::DECIMAL(9,2) AS d4, i::DECIMAL(18,3) AS d8, "
    "-i::DECIMAL(38,4) AS d16, CASE WHEN i % 3 = 0 THEN NULL ELSE repeat('text ', (i % 9)::INTEGER) "
    "END AS t, ('\\x00' || i)::BLOB AS bl, DATE '2026-01-01' + i::INTEGER AS dt, "
    "make_timestamp(i * 1000003)::TIMESTAMPTZ AS ts, json_object('a', i) AS j, "
    "CASE WHEN i % 6 = 0 THEN NULL ELSE list_transform(range(i % 5), lambda x: CASE WHEN x = 2 THEN "
    "NULL ELSE 'e' || x END) END AS l, MAP {'z': i, 'a': NULL} AS m, "
    "CASE WHEN i % 8 = 0 THEN NULL ELSE {'x': i, 'y': [i, NULL]} END AS s "
    "FROM (SELECT range AS i FROM range(5000))";

static rdl_schema schema_of(fixture *f, const char *select)
{
    rdl_schema s;
    OK(rdl_describe(f->conn, &f->arena, select, &s, &err));
    return s;
}

static const char *write_file(fixture *f, const rdl_buf *bytes)
{
    const char *path = rdl_path_join(&f->arena, f->dir, "rows");
    OK(rdl_fs_write_durable(path, bytes->p, bytes->n, &err));
    return path;
}

static void packed_rows_come_back_as_they_were(void **state)
{
    fixture *f = *state;
    bool new_shape;
    rdl_buf file = {0};
    rdl_schema all = schema_of(f, every_type);
    rdl_column some[] = {all.v[8], all.v[1]};
    const rdl_schema two = {some, 2};
    rdl_held *h = hold(f, "t", every_type, &new_shape);
    rdl_buf_puts(&file, RDL_PACKED_MAGIC);
    assert_true(rdl_held_pack(h, "part", &two, &file));
    assert_true(rdl_held_pack(h, "all", &all, &file));
    const char *path = write_file(f, &file);
    char sql[1000];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT * FROM rdl_packed('%s', 'all') EXCEPT ALL "
             "SELECT * EXCLUDE (rowid) FROM rdl_held('t'))",
             path);
    assert_int_equal(kept_number(f, sql), 0);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM rdl_packed('%s', 'all') WHERE s.y[1] = n",
             path);
    assert_int_equal(kept_number(f, sql), 4375);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT t, n FROM rdl_held('t') EXCEPT ALL SELECT * FROM "
             "rdl_packed('%s', 'part'))",
             path);
    assert_int_equal(kept_number(f, sql), 0);
    rdl_buf_fini(&file);
}

/* Every scalar type, texts that share much and little, NULLs, and more rows than a chunk holds. */
static const char every_scalar[] =
    "SELECT 4999 - i AS n, i % 3 = 0 AS b, DATE '2025-01-01' + (i % 9)::INTEGER AS d, "
    "make_timestamp(i * 1000000 // 999 * 999)::TIMESTAMPTZ AS ts, i / 7 AS f, "
    "CASE WHEN i % 5 = 0 THEN NULL ELSE (i / 100)::DECIMAL(12,2) END AS p, "
    "(i * 1000000007)::DECIMAL(38,0) AS w, 'same for all of the rows' AS kind, "
    "CASE WHEN i % 11 = 0 THEN NULL WHEN i % 13 = 0 THEN '' "
    "ELSE printf('00000000-0000-%05d', (i * 7919 % 5000)) || repeat('x', (i % 400)::INTEGER) END AS t "
    "FROM (SELECT range AS i FROM range(5000))";

static void sorted_rows_come_back_in_the_order_of_the_key(void **state)
{
    fixture *f = *state;
    bool new_shape;
    rdl_buf file = {0}, last = {0}, key = {0};
    rdl_schema all = schema_of(f, every_scalar);
    static const size_t by[] = {7, 8, 0}; /* kind, t, n */
    rdl_held *h = hold(f, "t", every_scalar, &new_shape);
    rdl_buf_puts(&file, RDL_PACKED_MAGIC);
    assert_true(rdl_held_pack(h, "as_they_lie", &all, &file));
    size_t plain = file.n;
    assert_true(rdl_held_pack_sorted(h, "sorted", &all, by, 3, &file));
    assert_true(file.n - plain < plain);
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT * FROM rdl_packed('%s', 'sorted') EXCEPT ALL "
             "SELECT * EXCLUDE (rowid) FROM rdl_held('t'))",
             write_file(f, &file));
    assert_int_equal(kept_number(f, sql), 0);
    rdl_packed *p = NULL;
    rdl_chunk *k = NULL;
    size_t rows = 0;
    OK(rdl_packed_open(write_file(f, &file), "sorted", &p, &err));
    OK(rdl_chunk_new(rdl_packed_schema(p), &k, &err));
    for (;; rdl_chunk_reset(k)) {
        OK(rdl_packed_next(p, NULL, k, &err));
        for (size_t i = 0; i < k->rows; i++, rows++) {
            rdl_buf_clear(&key);
            rdl_codec_put_row(k, by, 3, i, &key);
            assert_true(rows == 0 || rdl_str_cmp((rdl_str){last.p, last.n}, (rdl_str){key.p, key.n}) < 0);
            rdl_buf_clear(&last);
            rdl_buf_put(&last, key.p, key.n);
        }
        if (k->rows == 0)
            break;
    }
    assert_int_equal(rows, 5000);
    rdl_chunk_free(k);
    rdl_packed_close(p);
    rdl_buf_fini(&file);
    rdl_buf_fini(&last);
    rdl_buf_fini(&key);
}

static void nested_columns_are_not_sorted(void **state)
{
    fixture *f = *state;
    bool new_shape;
    rdl_buf file = {0};
    rdl_schema all = schema_of(f, every_type);
    static const size_t by[] = {0};
    assert_false(rdl_held_pack_sorted(hold(f, "t", every_type, &new_shape), "t", &all, by, 1, &file));
    assert_int_equal(file.n, 0);
    rdl_buf_fini(&file);
}

static void a_file_of_the_first_format_is_read(void **state)
{
    fixture *f = *state;
    bool new_shape;
    rdl_buf file = {0};
    rdl_schema all = schema_of(f, every_type);
    rdl_buf_puts(&file, RDL_PACKED_MAGIC_1);
    assert_true(rdl_held_pack(hold(f, "t", every_type, &new_shape), "t", &all, &file));
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT * FROM rdl_packed('%s', 't') EXCEPT ALL "
             "SELECT * EXCLUDE (rowid) FROM rdl_held('t'))",
             write_file(f, &file));
    assert_int_equal(kept_number(f, sql), 0);
    rdl_buf_fini(&file);
}

static void columns_that_would_change_their_type_are_not_packed(void **state)
{
    fixture *f = *state;
    bool new_shape;
    rdl_buf file = {0};
    rdl_column c[] = {{RDL_STR("a"), rdl_type_of(RDL_TYPE_BIGINT)}};
    rdl_schema s = {c, 1};
    assert_false(rdl_held_pack(hold(f, "t", "SELECT 1::HUGEINT AS a", &new_shape), "t", &s, &file));
    assert_false(rdl_held_pack(hold(f, "t", "SELECT 1::INTEGER AS a", &new_shape), "t", &s, &file));
    assert_false(rdl_held_pack(hold(f, "t", "SELECT 1::BIGINT AS b", &new_shape), "t", &s, &file));
    assert_int_equal(file.n, 0);
    rdl_buf_fini(&file);
}

static void every_flipped_byte_of_a_packed_file_is_damage(void **state)
{
    fixture *f = *state;
    static const char select[] =
        "SELECT range AS a, 'x' || range AS b, [range] AS c FROM range(20)";
    bool new_shape;
    rdl_buf file = {0};
    rdl_schema s = schema_of(f, select);
    rdl_buf_puts(&file, RDL_PACKED_MAGIC);
    assert_true(rdl_held_pack(hold(f, "t", select, &new_shape), "t", &s, &file));
    for (size_t i = 0; i < file.n; i++) {
        rdl_packed *p = NULL;
        file.p[i] = (char)(file.p[i] ^ 0x20);
        rdl_code rc = rdl_packed_open(write_file(f, &file), "t", &p, &err);
        file.p[i] = (char)(file.p[i] ^ 0x20);
        rdl_packed_close(p);
        assert_int_equal(rc, RDL_EDATA);
    }
    for (size_t n = 0; n < file.n; n++) {
        rdl_packed *p = NULL;
        const rdl_buf cut = {.p = file.p, .n = n};
        assert_int_not_equal(rdl_packed_open(write_file(f, &cut), "t", &p, &err), RDL_OK);
    }
    rdl_buf_fini(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kept_plans_read_the_rows_that_are_held_now, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_shape_forgets_the_plans_over_the_old_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(rows_are_numbered_and_rejected_ones_go, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_that_lose_no_row_stay_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(any_number_of_rows_is_held_and_an_error_leaves_what_was,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(more_rows_than_asked_for_are_not_held, setup, teardown),
        cmocka_unit_test_setup_teardown(packed_rows_come_back_as_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(sorted_rows_come_back_in_the_order_of_the_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nested_columns_are_not_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_of_the_first_format_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(columns_that_would_change_their_type_are_not_packed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_flipped_byte_of_a_packed_file_is_damage, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
