/*
 * tests/unit/decode_json_test.c - JSON lines and arrays.
 */
#include "decode_helper.h"

#include "base/hash.h"

#include <zlib.h>
#include <zstd.h>

static void declared_fields_become_typed_columns(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "b BOOLEAN; i INTEGER; l BIGINT; d DOUBLE; m DECIMAL(10,3); t TEXT; dt DATE; "
                    "ts TIMESTAMPTZ; j JSON");
    expect_rows(&r, "b,i,l,d,m,t,dt,ts,j,_rescued",
                "{\"b\":true,\"i\":-7,\"l\":9223372036854775807,\"d\":1.5e3,\"m\":-12.345,"
                "\"t\":\"a longer text than twelve\",\"dt\":\"2025-02-28\","
                "\"ts\":\"2025-07-18T01:02:03Z\",\"j\":{\"x\":[1, 2]}}\n"
                "{\"j\":null,\"t\":\"\",\"i\":0}\r\n\n   \n"
                "{}",
                "true|-7|9223372036854775807|1500.0|-12.345|a longer text than twelve|2025-02-28|"
                "2025-07-18 01:02:03+00|{\"x\":[1, 2]}|NULL\n"
                "NULL|0|NULL|NULL|NULL||NULL|NULL|NULL|NULL\n"
                "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL\n");
    expect_malformed(&r, "");
    assert_int_equal(rdl_decode_input_records(r.job, 0), 3);
    run_close(&r);
}

static void records_know_their_place(void **state)
{
    (void)state;
    decode_run r;
    rdl_buf raw = {0};
    run_open(&r);
    run_columns(&r, "a INTEGER");
    const char *text = "\xef\xbb\xbf\n{\"a\":1}\n\r\n  {\"a\":2}  \nbad\n{\"a\":3}";
    expect_rows(&r, "a,_source_partition,_source_offset,_source_file,_record_at,_record_bytes",
                text, "1|0|0|mem|4|7\n2|0|1|mem|16|7\n3|0|3|mem|30|7\n");
    expect_malformed(&r, "2 @ 26+3: line 5, byte 1: an object is expected [bad]\n");
    assert_int_equal(rdl_decode_raw(r.job, 0, 16, 7, &raw, &r.err), RDL_OK);
    assert_string_equal(rdl_buf_str(&raw), "{\"a\":2}");
    rdl_buf_fini(&raw);
    run_close(&r);
}

static void values_of_another_type_are_cast_or_rescued(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "i INTEGER; d DOUBLE; t TEXT; b BOOLEAN; m DECIMAL(5,2); dt DATE");
    expect_rows(&r, "i,d,t,b,m,dt,_rescued",
                "{\"i\":\"12\",\"d\":\" 1.25 \",\"t\":124.0,\"b\":\"true\",\"m\":\"1.005\",\"dt\":"
                "\"2025-01-01T00:00:00Z\"}\n"
                "{\"i\":3.0,\"d\":7,\"t\":true,\"b\":0,\"m\":2}\n"
                "{\"i\":1.5,\"d\":\"x\",\"t\":{\"a\": 1},\"b\":2,\"m\":[],\"dt\":\"2025-02-30\"}\n"
                "{\"i\":\"99999999999\", \"new\" : [1,{\"k\":null}], \"d\":1}\n",
                "12|1.25|124.0|true|1.01|2025-01-01|NULL\n"
                "3|7.0|true|false|2.00|NULL|NULL\n"
                "NULL|NULL|{\"a\": 1}|NULL|NULL|NULL|{\"i\":1.5,\"d\":\"x\",\"b\":2,\"m\":[],"
                "\"dt\":\"2025-02-30\"}\n"
                "NULL|1.0|NULL|NULL|NULL|NULL|{\"i\":\"99999999999\",\"new\":[1,{\"k\":null}]}\n");
    rdl_decode_counts n;
    rdl_decode_result(r.job, &n);
    assert_int_equal(n.rows, 4);
    assert_int_equal(n.rescued, 2);
    run_close(&r);
}

static void malformed_records_name_the_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\"a\" 1}", "line 1, byte 6: ':' is expected after the field name"},
        {"{\"a\":1,}", "line 1, byte 8: a field name in quotes is expected"},
        {"{\"a\":1", "line 1, byte 7: ',' or '}' is expected"},
        {"{\"a\":01}", "line 1, byte 6: a number must not start with 0"},
        {"{\"a\":1.}", "line 1, byte 8: a digit must follow the decimal point"},
        {"{\"a\":-}", "line 1, byte 6: a digit must follow '-'"},
        {"{\"a\":1e}", "line 1, byte 8: a digit must follow the exponent's mark"},
        {"{\"a\":nul}", "line 1, byte 6: a value is expected"},
        {"{\"a\":tru}", "line 1, byte 6: a value is expected"},
        {"{\"a\":1} x", "line 1, byte 9: more follows the record on its line"},
        {"{\"a\":1}{\"a\":2}", "line 1, byte 8: more follows the record on its line"},
        {"{\"a\":1,\"a\":2}", "line 1, byte 8: the field \"a\" is given twice"},
        {"{\"t\":\"x}", "line 1, byte 9: the text is not closed by a quote"},
        {"{\"t\":\"\\q\"}",
         "line 1, byte 7: an escape must be one of \\\" \\\\ \\/ \\b \\f \\n \\r "
         "\\t \\u"},
        {"{\"t\":\"\\u12g4\"}", "line 1, byte 7: \\u needs four hexadecimal digits"},
        {"{\"t\":\"\\ud800x\"}", "line 1, byte 7: half of a surrogate pair stands alone"},
        {"{\"t\":\"a\xff\"}", "line 1, byte 8: a byte sequence is not UTF-8"},
        {"{\"z\":\"a\xc0\x80\"}", "line 1, byte 8: a byte sequence is not UTF-8"},
        {"{\"t\":\"a\tb\"}", "line 1, byte 8: a control byte must be escaped inside text"},
        {"{\"a\":99999999999}", "line 1, byte 6: the number 99999999999 does not fit INTEGER"},
        {"{\"d\":1e400}", "line 1, byte 6: the number 1e400 does not fit DOUBLE"},
        {"12", "line 1, byte 1: an object is expected"},
        {"\xff\xfe{", "line 1, byte 1: an object is expected, and this is the mark of UTF-16; convert "
                      "the file to UTF-8"},
    };
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER; t TEXT; d DOUBLE");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char text[128];
        snprintf(text, sizeof text, "%s\n{\"a\":5}\n", cases[i].text);
        expect_rows(&r, "a,t,d,_source_offset", text, "5|NULL|NULL|1\n");
        const rdl_malformed *m = rdl_decode_malformed(r.job, &n);
        assert_int_equal(n, 1);
        assert_string_equal(m->reason, cases[i].why);
        assert_int_equal(m->bytes.n, strlen(cases[i].text));
        assert_memory_equal(m->bytes.p, cases[i].text, m->bytes.n);
    }
    run_close(&r);
}

static void a_malformed_record_leaves_no_trace_in_the_next(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER; l INTEGER[]; s STRUCT(x INTEGER)");
    expect_rows(&r, "a,l,s,_rescued",
                "{\"a\":null,\"l\":null,\"s\":null,\"u\":1 \"}\n"
                "{\"a\":1,\"l\":[1,null,3],\"s\":{\"x\":4}}\n"
                "{\"l\":[7,8],\"s\":{\"x\":1},\"u\":2\n"
                "{\"a\":2,\"l\":[],\"s\":{}}\n",
                "1|[1,null,3]|{\"x\":4}|NULL\n2|[]|{\"x\":null}|NULL\n");
    run_close(&r);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    decode_run r;
    char text[400], *p = text;
    run_open(&r);
    run_columns(&r, "a JSON");
    p += snprintf(p, 8, "{\"a\":");
    for (int i = 0; i < 100; i++)
        *p++ = '[';
    for (int i = 0; i < 100; i++)
        *p++ = ']';
    snprintf(p, 8, "}\n");
    expect_rows(&r, "a", text, "");
    size_t n;
    const rdl_malformed *m = rdl_decode_malformed(r.job, &n);
    assert_int_equal(n, 1);
    assert_string_equal(m->reason, "line 1, byte 69: values are nested over 64 deep");
    run_close(&r);
}

static void lists_maps_and_structs_follow_their_types(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r,
                "tags TEXT[]; m MAP(TEXT, DOUBLE); s STRUCT(a INTEGER, b TEXT[]); ll BIGINT[][]");
    expect_rows(&r, "tags,m,s,ll,_rescued",
                "{\"tags\":[\"env:prod\",\"\\u00e9\"],\"m\":{\"a\":1,\"b\":2.5},"
                "\"s\":{\"b\":[\"q\"],\"a\":3},\"ll\":[[1],[],[2,3]]}\n"
                "{\"tags\":[1,true],\"m\":{},\"s\":{\"a\":1,\"c\":9},\"ll\":[null]}\n"
                "{\"tags\":\"x\",\"m\":{\"a\":1,\"a\":2},\"s\":7,\"ll\":[[\"x\"]]}\n",
                "[\"env:prod\",\"\xc3\xa9\"]|{\"a\":1.0,\"b\":2.5}|{\"a\":3,\"b\":[\"q\"]}|[[1],[],"
                "[2,3]]|"
                "NULL\n"
                "[\"1\",\"true\"]|{}|{\"a\":1,\"b\":null}|[null]|{\"s\":{\"a\":1,\"c\":9}}\n"
                "NULL|NULL|NULL|NULL|{\"tags\":\"x\",\"m\":{\"a\":1,\"a\":2},\"s\":7,"
                "\"ll\":[[\"x\"]]}\n");
    run_close(&r);
}

static void escapes_and_keys_with_escapes_are_read(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "ab TEXT");
    expect_rows(&r, "ab,length(ab)",
                "{\"\\u0061b\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\ud83d\\ude00.\"}\n",
                "\"\\/\b\f\n\r\t\xf0\x9f\x98\x80.|10\n");
    run_close(&r);
}

static void an_array_gives_its_elements(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER; t TEXT");
    const char *text =
        " [ {\"a\":1,\n \"t\":\"x,]\"} ,\n{\"a\":2}, 5, {\"a\" 3}, {\"a\":4} {\"a\":5},"
        "{\"a\":6}]\n";
    for (uint64_t window = 1; window < 140; window += 3) {
        r.window = r.piece = window;
        expect_rows(&r, "a,t,_source_offset,_record_bytes", text,
                    "1|x,]|0|19\n2|NULL|1|7\n4|NULL|4|7\n6|NULL|6|7\n");
        expect_malformed(&r, "2 @ 34+1: element 3, byte 1: an object is expected [5]\n"
                             "3 @ 37+7: element 4, byte 6: ':' is expected after the field name "
                             "[{\"a\" 3}]\n"
                             "5 @ 54+7: element 6, byte 1: ',' or ']' is expected after an element "
                             "[{\"a\":5}]\n");
    }
    expect_rows(&r, "a", "[]", "");
    expect_malformed(&r, "");
    expect_rows(&r, "a", "[{\"a\":1},{\"a\":2", "1\n");
    expect_malformed(&r, "1 @ 9+6: element 2, byte 7: ',' or '}' is expected [{\"a\":2]\n");
    expect_rows(&r, "a", "[{\"a\":1}", "1\n");
    expect_malformed(&r, "1 @ 8+0: element 2, byte 1: the array is not closed by ']' []\n");
    expect_rows(&r, "a", "[{\"a\":1}] {\"a\":2}", "1\n");
    expect_malformed(&r, "1 @ 10+7: element 2, byte 1: more follows the array [{\"a\":2}]\n");
    run_close(&r);
}

/* A generated file: blank lines, bad lines, long lines, every shape of value. */
static char *generate(rdl_buf *out, unsigned lines, uint64_t seed)
{
    static const char *const shapes[] = {
        "{\"i\":%u,\"t\":\"short\",\"d\":0.%u}",
        "{\"d\":-%u.5e-3,\"t\":\"a text that is longer than twelve bytes %u\"}",
        "{\"t\":null,\"i\":\"%u\",\"x\":%u}",
        "{\"i\" : %u , \"t\" : \"caf\xc3\xa9 %u\"}",
        "{\"t\":%u.0,\"d\":123456789.123456789%u}",
        "{\"t\":\"line\\nbreak %u\",\"i\":-%u}",
    };
    for (unsigned i = 0; i < lines; i++) {
        unsigned a = (unsigned)(rdl_rng_next(&seed) % 100000),
                 b = (unsigned)(rdl_rng_next(&seed) % 1000);
        rdl_buf_printf(out, shapes[rdl_rng_next(&seed) % 6], a, b);
        rdl_buf_puts(out, rdl_rng_next(&seed) % 9 == 0 ? "\r\n" : "\n");
    }
    return out->p;
}

static void rows_equal_those_of_read_json(void **state)
{
    (void)state;
    decode_run r;
    rdl_buf text = {0};
    int64_t differ = -1;
    run_open(&r);
    char *dir = rdl_fs_temp_dir(&r.arena, "decode", &r.err);
    char *path = rdl_path_join(&r.arena, dir, "a.jsonl");
    generate(&text, 20000, 7);
    assert_int_equal(rdl_fs_write_durable(path, text.p, text.n, &r.err), RDL_OK);
    run_columns(&r, "i BIGINT; t TEXT; d DOUBLE");
    rdl_decode_input in = {.path = path, .shown = "a.jsonl"};
    static const uint64_t sizes[][2] = {{0, 0}, {4096, 4096}, {300, 64}, {100, 1000}};
    for (size_t k = 0; k < 4; k++) {
        rdl_decode_free(r.job);
        assert_int_equal(rdl_decode_register(r.duck, "t", &r.spec, &in, 1, &r.job, &r.err), RDL_OK);
        if (sizes[k][0] != 0)
            rdl_decode_set_sizes(r.job, sizes[k][0], sizes[k][1]);
        assert_int_equal(
            rdl_exec(r.conn, "CREATE OR REPLACE TABLE o AS SELECT * FROM rdl_scan('t')", &r.err),
            RDL_OK);
        assert_int_equal(
            rdl_execf(r.conn, &r.err,
                      "CREATE OR REPLACE TABLE d AS SELECT * FROM read_json('%s', columns={i: "
                      "'BIGINT', t: 'VARCHAR', d: 'DOUBLE'}, format='newline_delimited')",
                      path),
            RDL_OK);
        assert_int_equal(rdl_query_i64(r.conn,
                                       "SELECT count(*) FROM ((SELECT i,t,d FROM o EXCEPT ALL "
                                       "SELECT i,t,d FROM d) UNION ALL (SELECT i,t,d FROM d EXCEPT "
                                       "ALL SELECT i,t,d FROM o))",
                                       &differ, &r.err),
                         RDL_OK);
        assert_int_equal(differ, 0);
        /* Every record number once, and in the order of places. */
        assert_int_equal(
            rdl_query_i64(r.conn,
                          "SELECT count(*) FROM (SELECT _source_offset o, "
                          "row_number() OVER (ORDER BY _record_at) - 1 n FROM o) WHERE "
                          "o <> n",
                          &differ, &r.err),
            RDL_OK);
        assert_int_equal(differ, 0);
        assert_int_equal(rdl_decode_input_records(r.job, 0), 20000);
    }
    assert_int_equal(rdl_fs_remove_tree(dir, &r.err), RDL_OK);
    rdl_buf_fini(&text);
    run_close(&r);
}

static void pieces_and_windows_of_any_size_give_the_same(void **state)
{
    (void)state;
    decode_run r;
    rdl_buf text = {0}, want = {0}, bad = {0};
    run_open(&r);
    run_columns(&r, "i INTEGER; t TEXT");
    uint64_t seed = 3;
    for (int i = 0; i < 120; i++) {
        switch (rdl_rng_next(&seed) % 6) {
        case 0:
            rdl_buf_puts(&text, i % 2 == 0 ? "\n" : " \t\r\n");
            break;
        case 1:
            rdl_buf_puts(&text, "not json at all \"\n");
            break;
        case 2:
            rdl_buf_printf(&text, "{\"t\":\"%0*d\"}\n", (int)(rdl_rng_next(&seed) % 300), 5);
            break;
        default:
            rdl_buf_printf(&text, "{\"i\":%d}\n", i);
        }
    }
    rdl_buf_puts(&text, "{\"i\":1000}");
    r.spec.record_bytes_max = 200;
    const char *select = "i,t,_source_offset,_record_at,_record_bytes";
    for (uint64_t size = 1 << 20; size > 0; size = size > 4096       ? 600
                                                   : size - 13 > 600 ? 0
                                                                     : size - 13) {
        r.window = r.piece = size;
        assert_int_equal(run_text(&r, select, text.p, text.n), RDL_OK);
        size_t n;
        const rdl_malformed *m = rdl_decode_malformed(r.job, &n);
        rdl_buf_clear(&bad);
        for (size_t i = 0; i < n; i++)
            rdl_buf_printf(&bad, "%llu %llu %llu %s\n", (unsigned long long)m[i].offset,
                           (unsigned long long)m[i].record_at, (unsigned long long)m[i].bytes_total,
                           m[i].bytes_total > 200 ? "long" : m[i].reason);
        rdl_buf_puts(&r.rows, rdl_buf_str(&bad));
        if (want.n == 0)
            rdl_buf_puts(&want, rdl_buf_str(&r.rows));
        assert_string_equal(rdl_buf_str(&r.rows), rdl_buf_str(&want));
    }
    rdl_buf_fini(&text);
    rdl_buf_fini(&want);
    rdl_buf_fini(&bad);
    run_close(&r);
}

static void a_very_long_record_is_passed_over_in_bounded_memory(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER");
    size_t n = 40u << 20;
    char *text = malloc(n + 64); /* allow: a test's input */
    char *p = text + snprintf(text, 64, "{\"a\":1}\n{\"a\":\"");
    memset(p, 'x', n);
    memcpy(p + n, "\"}\n{\"a\":2}\n", 12);
    assert_int_equal(run_text(&r, "a,_source_offset", text, (size_t)(p - text) + n + 11), RDL_OK);
    assert_string_equal(rdl_buf_str(&r.rows), "1|0\n2|2\n");
    size_t bad;
    const rdl_malformed *m = rdl_decode_malformed(r.job, &bad);
    assert_int_equal(bad, 1);
    assert_int_equal(m->bytes.n, 65536);
    assert_int_equal(m->bytes_total, n + 8);
    assert_string_equal(m->reason,
                        "line 2: the record has 41943048 bytes, over the limit of 16777216");
    free(text); /* allow: as above */
    run_close(&r);
}

static void doubles_are_correctly_rounded(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.1",
                                        "9007199254740993",
                                        "1.7976931348623157e308",
                                        "5e-324",
                                        "2.2250738585072011e-308",
                                        "123456789012345678901234567890",
                                        "0.3000000000000000444089209850062616169452667236328125",
                                        "1e22",
                                        "1e23",
                                        "8.5e-23",
                                        "-0.0",
                                        "3.14159265358979323846264338327950288"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        double have = -1, want = strtod(texts[i], NULL);
        assert_int_equal(rdl_number_double(texts[i], strlen(texts[i]), c, &have), RDL_PUT_OK);
        assert_memory_equal(&have, &want, sizeof have);
        freelocale(c);
    }
}

static size_t gzip_of(const char *text, size_t n, unsigned char *to, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)n;
    z.next_out = to;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void gzip_and_zstd_are_unpacked_and_read_again(void **state)
{
    (void)state;
    decode_run r;
    unsigned char packed[4096];
    rdl_buf raw = {0};
    run_open(&r);
    run_columns(&r, "a INTEGER");
    size_t n = gzip_of("{\"a\":1}\n{\"a\"", 12, packed, sizeof packed);
    n += gzip_of(":2}\n{\"a\":3}\n", 12, packed + n, sizeof packed - n);
    assert_int_equal(run_text(&r, "a,_record_at", (char *)packed, n), RDL_OK);
    assert_string_equal(rdl_buf_str(&r.rows), "1|0\n2|8\n3|16\n");
    assert_int_equal(rdl_decode_raw(r.job, 0, 8, 7, &raw, &r.err), RDL_OK);
    assert_int_equal(rdl_decode_raw(r.job, 0, 0, 7, &raw, &r.err), RDL_OK);
    assert_string_equal(rdl_buf_str(&raw), "{\"a\":2}{\"a\":1}");
    assert_int_equal(run_text(&r, "a", (char *)packed, n - 9), RDL_EDATA);
    assert_int_equal(r.err.area, RDL_AREA_SOURCE);
    assert_non_null(strstr(r.err.msg, "ends in the middle"));
    packed[14] ^= 0x55;
    assert_int_equal(run_text(&r, "a", (char *)packed, n), RDL_EDATA);
    n = ZSTD_compress(packed, sizeof packed, "[{\"a\":1},{\"a\":2}]", 17, 3);
    assert_int_equal(run_text(&r, "a,_record_at", (char *)packed, n), RDL_OK);
    assert_string_equal(rdl_buf_str(&r.rows), "1|1\n2|9\n");
    rdl_buf_fini(&raw);
    run_close(&r);
}

static void a_missing_file_fails_the_query_by_name(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER");
    rdl_decode_input in = {.path = "/nowhere/x.jsonl", .shown = "x.jsonl"};
    assert_int_equal(run_inputs(&r, "a", &in, 1), RDL_EIO);
    assert_int_equal(r.err.area, RDL_AREA_SOURCE);
    assert_non_null(strstr(r.err.msg, "/nowhere/x.jsonl"));
    run_close(&r);
}

static void a_projection_changes_no_fate(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER; b INTEGER; l TEXT[]");
    const char *text =
        "{\"a\":1,\"b\":\"x\",\"l\":[\"q\"]}\n{\"a\":2,\"b\":99999999999}\n{\"a\":3}\n";
    expect_rows(&r, "a", text, "1\n3\n");
    rdl_decode_counts n;
    rdl_decode_result(r.job, &n);
    assert_int_equal(n.rescued, 1);
    assert_int_equal(n.malformed, 1);
    run_close(&r);
}

static void two_columns_may_read_one_field(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER; b TEXT");
    ((rdl_decode_column *)(uintptr_t)r.spec.columns)[1].field = RDL_STR("a");
    expect_rows(&r, "a,b,_rescued", "{\"a\":1}\n{\"a\":\"x\"}\n{}\n",
                "1|1|NULL\nNULL|x|{\"a\":\"x\"}\nNULL|NULL|NULL\n");
    run_close(&r);
}

static void many_small_files_share_chunks(void **state)
{
    (void)state;
    decode_run r;
    rdl_decode_input in[500];
    int64_t n = 0;
    run_open(&r);
    run_columns(&r, "a INTEGER");
    for (int i = 0; i < 500; i++) {
        rdl_str s = i % 3 == 2 ? RDL_STR("")
                               : RDL_STR("{\"a\":1,\"long\":\"aaaaaaaaaaaaaaaaaaaa\"}\n{\"a\":2}");
        in[i] = (rdl_decode_input){.bytes = s, .partition = i, .shown = "some longer name.jsonl"};
    }
    assert_int_equal(run_inputs(&r, "*", in, 500), RDL_OK);
    assert_int_equal(rdl_query_i64(r.conn, "SELECT 1", &n, &r.err), RDL_OK);
    rdl_decode_counts c;
    rdl_decode_result(r.job, &c);
    assert_int_equal(c.rows, 668);
    assert_non_null(strstr(rdl_buf_str(&r.rows), "2|NULL|499|1|some longer name.jsonl|38|7\n"));
    run_close(&r);
}

static int64_t number_of(decode_run *r, const char *sql)
{
    int64_t n = 0;
    assert_int_equal(rdl_query_i64(r->conn, sql, &n, &r->err), RDL_OK);
    return n;
}

/* The first reading tells what was there; the others give the same rows and change nothing. */
static void a_scan_is_read_any_number_of_times(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER; b TEXT");
    r.window = 64;
    r.piece = 64;
    rdl_buf text = {0};
    for (int i = 0; i < 500; i++)
        rdl_buf_printf(&text, i % 50 == 49 ? "{\"a\": %d,}\n" : "{\"a\": %d, \"b\": \"row\"}\n", i);
    rdl_decode_input in = {.bytes = {text.p, text.n}, .shown = "memory"};
    assert_int_equal(rdl_decode_register(r.duck, "t", &r.spec, &in, 1, &r.job, &r.err), RDL_OK);
    rdl_decode_set_sizes(r.job, r.window, r.piece);
    assert_false(rdl_decode_is_read(r.job));
    assert_int_equal(
        number_of(&r, "SELECT count(*) FROM rdl_scan('t') x JOIN rdl_scan('t') y USING (a)"), 490);
    assert_true(rdl_decode_is_read(r.job));
    assert_int_equal(number_of(&r, "SELECT sum(_source_offset)::BIGINT FROM rdl_scan('t')"),
                     499 * 250 - (49 + 499) * 5);
    rdl_decode_counts counts;
    size_t malformed;
    rdl_decode_result(r.job, &counts);
    (void)rdl_decode_malformed(r.job, &malformed);
    assert_int_equal(counts.rows, 490);
    assert_int_equal(counts.malformed, 10);
    assert_int_equal(malformed, 10);
    assert_int_equal(rdl_decode_input_records(r.job, 0), 500);
    rdl_buf_fini(&text);
    run_close(&r);
}

static void wide_lines_of_every_size_are_read_by_one_thread(void **state)
{
    (void)state;
    static const int sizes[] = {10, 3000, 60000, 4090, 1, 30000, 700000};
    decode_run r;
    int64_t bytes = 0;
    run_open_threads(&r, 1);
    run_columns(&r, "c INTEGER; note TEXT");
    rdl_buf text = {0};
    for (int i = 0; i < 200; i++) {
        rdl_buf_printf(&text, "{\"c\": %d, \"note\": \"%0*d\"}\n", i, sizes[i % 7], i);
        bytes += i < 10 || sizes[i % 7] > 2 ? sizes[i % 7] : i < 100 ? 2 : 3;
    }
    rdl_decode_input in = {.bytes = {text.p, text.n}, .shown = "memory"};
    assert_int_equal(rdl_decode_register(r.duck, "t", &r.spec, &in, 1, &r.job, &r.err), RDL_OK);
    assert_int_equal(rdl_exec(r.conn, "CREATE TABLE o AS SELECT * FROM rdl_scan('t')", &r.err),
                     RDL_OK);
    assert_int_equal(number_of(&r, "SELECT count(*) FROM o WHERE right(note, 3)::INTEGER = c"), 200);
    assert_int_equal(number_of(&r, "SELECT sum(length(note))::BIGINT FROM o"), bytes);
    rdl_buf_fini(&text);
    run_close(&r);
}

static void a_reading_that_stops_early_is_no_whole_one(void **state)
{
    (void)state;
    decode_run r;
    run_open(&r);
    run_columns(&r, "a INTEGER");
    rdl_buf text = {0};
    for (int i = 0; i < 50000; i++)
        rdl_buf_printf(&text, "{\"a\": %d}\n", i);
    rdl_decode_input in = {.bytes = {text.p, text.n}, .shown = "memory"};
    assert_int_equal(rdl_decode_register(r.duck, "t", &r.spec, &in, 1, &r.job, &r.err), RDL_OK);
    assert_int_equal(number_of(&r, "SELECT count(*) FROM (SELECT * FROM rdl_scan('t') LIMIT 10)"),
                     10);
    assert_false(rdl_decode_is_read(r.job));
    assert_int_equal(number_of(&r, "SELECT count(*) FROM rdl_scan('t')"), 50000);
    assert_false(rdl_decode_is_read(r.job));
    rdl_buf_fini(&text);
    run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_fields_become_typed_columns),
        cmocka_unit_test(records_know_their_place),
        cmocka_unit_test(values_of_another_type_are_cast_or_rescued),
        cmocka_unit_test(malformed_records_name_the_byte),
        cmocka_unit_test(a_malformed_record_leaves_no_trace_in_the_next),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(lists_maps_and_structs_follow_their_types),
        cmocka_unit_test(escapes_and_keys_with_escapes_are_read),
        cmocka_unit_test(an_array_gives_its_elements),
        cmocka_unit_test(rows_equal_those_of_read_json),
        cmocka_unit_test(pieces_and_windows_of_any_size_give_the_same),
        cmocka_unit_test(a_very_long_record_is_passed_over_in_bounded_memory),
        cmocka_unit_test(doubles_are_correctly_rounded),
        cmocka_unit_test(gzip_and_zstd_are_unpacked_and_read_again),
        cmocka_unit_test(a_missing_file_fails_the_query_by_name),
        cmocka_unit_test(a_projection_changes_no_fate),
        cmocka_unit_test(two_columns_may_read_one_field),
        cmocka_unit_test(many_small_files_share_chunks),
        cmocka_unit_test(a_scan_is_read_any_number_of_times),
        cmocka_unit_test(wide_lines_of_every_size_are_read_by_one_thread),
        cmocka_unit_test(a_reading_that_stops_early_is_no_whole_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
