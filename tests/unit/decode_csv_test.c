/*
 * tests/unit/decode_csv_test.c - CSV.
 */
#include "decode_helper.h"

#include "base/hash.h"

static void csv_open(decode_run *r, const char *columns)
{
    run_open(r);
    r->spec.format = RDL_DECODE_CSV;
    run_columns(r, columns);
}

static void columns_are_found_by_the_header(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r, "b INTEGER; a TEXT");
    expect_rows(&r, "a,b,_rescued,_source_offset,_record_at,_record_bytes",
                "\xef\xbb\xbf"
                "A,extra,\"b\"\r\nx,y,3.0\r\n\r\n,,\nz,\"q\"\"r\",4",
                "x|3|{\"extra\":\"y\"}|0|16|7\n"
                "NULL|NULL|NULL|1|27|2\n"
                "z|4|{\"extra\":\"q\\\"r\"}|2|30|10\n");
    expect_malformed(&r, "");
    run_close(&r);
}

static void quotes_hold_delimiters_and_line_breaks(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r, "a TEXT; b TEXT");
    const char *text = "a,b\n\"x,1\",\"line\nbreak\r\n\"\n\"\",\"he said \"\"no\"\"\"\n,\"\"\n";
    for (uint64_t window = 1; window < 70; window++) {
        r.window = r.piece = window;
        expect_rows(&r, "a,b,a is null,_source_offset", text,
                    "x,1|line\nbreak\r\n|false|0\n|he said \"no\"|false|1\nNULL||true|2\n");
    }
    run_close(&r);
}

static void values_are_cast_or_rescued(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r,
             "b BOOLEAN; i BIGINT; d DOUBLE; m DECIMAL(8,2); dt DATE; ts TIMESTAMPTZ; l TEXT[]; "
             "j JSON");
    expect_rows(&r, "b,i,d,m,dt,ts,l,j,_rescued",
                "b,i,d,m,dt,ts,l,j\n"
                "True,-3.0,1e2,12.345,2025-08-26,2025-08-26,\"[\"\"env:prod\"\"]\",7\n"
                "f,12,nan,-0.5,2025-08-26 "
                "00:00:00,2025-08-26T01:02:03.5+02:00,[],\"{\"\"a\"\":[]}\"\n"
                "yes,1.5,x,1234567,2025-13-01,noon,\"[1,{x\",}\n"
                "0,99999999999999999999,,,,,,\n",
                "true|-3|100.0|12.35|2025-08-26|2025-08-26 00:00:00+00|[\"env:prod\"]|7|NULL\n"
                "false|12|nan|-0.50|2025-08-26|2025-08-25 23:02:03.5+00|[]|{\"a\":[]}|NULL\n"
                "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|{\"b\":\"yes\",\"i\":\"1.5\","
                "\"d\":\"x\",\"m\":\"1234567\",\"dt\":\"2025-13-01\",\"ts\":\"noon\","
                "\"l\":\"[1,{x\",\"j\":\"}\"}\n"
                "false|NULL|NULL|NULL|NULL|NULL|NULL|NULL|"
                "{\"i\":\"99999999999999999999\"}\n");
    expect_malformed(&r, "");
    run_close(&r);
}

static void what_is_out_of_order_is_malformed(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r, "a TEXT; b TEXT");
    const char *text = "a,b\n1,2,3\n5\" disk,x\n\"open,1\n2,ok\n\"x\"y,3\n4,\xff\n6,7\n\"never\n";
    for (uint64_t window = 1; window < 80; window++) {
        r.window = r.piece = window;
        expect_rows(&r, "a,b,_source_offset", text, "2|ok|3\n6|7|6\n");
        expect_malformed(&r,
                         "0 @ 4+5: line 2, byte 1: 2 fields are expected, and there are 3 [1,2,3]\n"
                         "1 @ 10+9: line 3, byte 2: a quote stands inside a field that does not "
                         "start with one [5\" disk,x]\n"
                         "2 @ 20+7: line 4, byte 1: text follows a closing quote [\"open,1]\n"
                         "4 @ 33+6: line 6, byte 4: text follows a closing quote [\"x\"y,3]\n"
                         "5 @ 40+3: line 7, byte 3: a byte sequence is not UTF-8 [4,\xff]\n"
                         "7 @ 48+6: line 9, byte 1: a quoted field is not closed [\"never]\n");
    }
    run_close(&r);
}

static void delimiter_null_text_and_position_can_be_chosen(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r, "a TEXT; b INTEGER");
    r.spec.delimiter = ';';
    r.spec.quote = '\'';
    r.spec.escape = '\\';
    r.spec.header = false;
    r.spec.null_text = RDL_STR("NA");
    expect_rows(&r, "a,b,_source_offset", "'x;\\'y';1\nNA;NA\n'NA';\n",
                "x;'y|1|0\nNULL|NULL|1\nNA|NULL|2\n");
    run_close(&r);
}

static void formats_of_times_can_be_chosen(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r, "d DATE; t TIMESTAMPTZ");
    r.spec.date_format = RDL_STR("%d/%m/%Y");
    r.spec.timestamp_format = RDL_STR("%d %b %Y %I:%M:%S.%f %p %z");
    expect_rows(&r, "d,t,_rescued",
                "d,t\n31/01/2025,3 Feb 2025 12:30:05.25 am +0130\n2025-01-31,x\n30/02/2025,\n",
                "2025-01-31|2025-02-02 23:00:05.25+00|NULL\n"
                "NULL|NULL|{\"d\":\"2025-01-31\",\"t\":\"x\"}\n"
                "NULL|NULL|{\"d\":\"30/02/2025\"}\n");
    run_close(&r);
}

static void a_missing_column_names_both_sides(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r, "a TEXT; zz TEXT");
    assert_int_equal(run_text(&r, "a", "a,b\n1,2\n", 8), RDL_ESCHEMA);
    assert_int_equal(r.err.area, RDL_AREA_SOURCE);
    assert_non_null(strstr(r.err.msg, "\"zz\""));
    assert_non_null(strstr(r.err.hint, "a, b"));
    expect_rows(&r, "a", "", "");
    expect_rows(&r, "a", "a,zz", "");
    run_close(&r);
}

static void a_range_inside_the_file_knows_the_header(void **state)
{
    (void)state;
    decode_run r;
    csv_open(&r, "b TEXT; a TEXT");
    rdl_str text = RDL_STR("a,b\n1,2\n3,4\n5,6\n");
    rdl_decode_input in = {.bytes = text, .shown = "m", .begin = 8, .end = 12, .first_record = 1};
    assert_int_equal(run_inputs(&r, "a,b,_source_offset,_record_at", &in, 1), RDL_OK);
    assert_string_equal(rdl_buf_str(&r.rows), "3|4|1|8\n");
    assert_int_equal(rdl_decode_input_records(r.job, 0), 1);
    run_close(&r);
}

static void rows_equal_those_of_read_csv(void **state)
{
    (void)state;
    decode_run r;
    rdl_buf text = {0};
    uint64_t seed = 11;
    int64_t differ = -1;
    csv_open(&r, "i BIGINT; t TEXT; d DOUBLE");
    char *dir = rdl_fs_temp_dir(&r.arena, "decode", &r.err);
    char *path = rdl_path_join(&r.arena, dir, "a.csv");
    rdl_buf_puts(&text, "t,i,d\n");
    for (int i = 0; i < 20000; i++) {
        static const char *const shapes[] = {"plain %u", "\"quoted, %u\"", "\"two\nlines %u\"",
                                             "\"a \"\"word\"\" %u\"", "caf\xc3\xa9 %u"};
        unsigned v = (unsigned)(rdl_rng_next(&seed) % 100000);
        rdl_buf_printf(&text, shapes[rdl_rng_next(&seed) % 5], v);
        rdl_buf_printf(&text, ",%s%u,", v % 2 ? "-" : "", v);
        if (v % 7 != 0)
            rdl_buf_printf(&text, "%u.%u", v, v % 1000);
        rdl_buf_putc(&text, '\n');
    }
    assert_int_equal(rdl_fs_write_durable(path, text.p, text.n, &r.err), RDL_OK);
    rdl_decode_input in = {.path = path, .shown = "a.csv"};
    assert_int_equal(rdl_decode_register(r.duck, "t", &r.spec, &in, 1, &r.job, &r.err), RDL_OK);
    assert_int_equal(rdl_exec(r.conn, "CREATE TABLE o AS SELECT * FROM rdl_scan('t')", &r.err),
                     RDL_OK);
    if (rdl_execf(r.conn, &r.err,
                  "CREATE TABLE d AS SELECT * FROM read_csv('%s', header=true, quote='\"', "
                  "escape='\"', delim=',', columns={t: 'VARCHAR', i: 'BIGINT', d: 'DOUBLE'})",
                  path) != RDL_OK)
        fail_msg("%s", r.err.msg);
    assert_int_equal(rdl_query_i64(r.conn,
                                   "SELECT count(*) FROM ((SELECT i,t,d FROM o EXCEPT ALL SELECT "
                                   "i,t,d FROM d) UNION ALL (SELECT i,t,d FROM d EXCEPT ALL SELECT "
                                   "i,t,d FROM o))",
                                   &differ, &r.err),
                     RDL_OK);
    assert_int_equal(differ, 0);
    assert_int_equal(rdl_decode_input_records(r.job, 0), 20000);
    assert_int_equal(rdl_fs_remove_tree(dir, &r.err), RDL_OK);
    rdl_buf_fini(&text);
    run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_the_header),
        cmocka_unit_test(quotes_hold_delimiters_and_line_breaks),
        cmocka_unit_test(values_are_cast_or_rescued),
        cmocka_unit_test(what_is_out_of_order_is_malformed),
        cmocka_unit_test(delimiter_null_text_and_position_can_be_chosen),
        cmocka_unit_test(formats_of_times_can_be_chosen),
        cmocka_unit_test(a_missing_column_names_both_sides),
        cmocka_unit_test(a_range_inside_the_file_knows_the_header),
        cmocka_unit_test(rows_equal_those_of_read_csv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
