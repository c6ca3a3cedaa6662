/*
 * tests/unit/cql_test.c - bytes of the CQL protocol: checksums, segments, every type,
 * tokens.
 *
 * The expected bytes were made by another implementation of the protocol (the Python
 * driver).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "cql/cql.h"
#include "cql/frame.h"
#include "cql/http.h"
#include "cql/message.h"
#include "cql/type.h"
#include "cql/value.h"
#include "cql/writer.h"
#include "cql/zip.h"

static rdl_err err;

static const char *hex_of(const void *bytes, size_t n)
{
    static char out[4096];
    const uint8_t *p = bytes;
    assert_true(n * 2 < sizeof out);
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", p[i]);
    out[2 * n] = '\0';
    return out;
}

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned v = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
    return n;
}

/* ---- Segments ---- */

static void checksums_are_those_of_other_clients(void **state)
{
    (void)state;
    assert_int_equal(rdl_crc24((const uint8_t *)"\1\2\3", 3), 0xe91acc);
    assert_int_equal(rdl_crc24((const uint8_t *)"\x0a\0\4", 3), 0x2454a0);
    assert_int_equal(rdl_crc24((const uint8_t *)"\x90\x78\x56\x34\x12", 5), 0x5649a6);
    assert_int_equal(rdl_cql_crc32((const uint8_t *)"hello", 5), 0xb60e8074);
    assert_int_equal(rdl_cql_crc32((const uint8_t *)"", 0), 0x44777ed3);
}

static void a_plain_segment_has_the_known_bytes(void **state)
{
    (void)state;
    rdl_buf out = {0};
    rdl_cql_segment_write(&out, (const uint8_t *)"hello", 5, true, false);
    assert_string_equal(hex_of(out.p, out.n), "05000219999a68656c6c6f74800eb6");
    rdl_buf_fini(&out);
}

/* Envelopes of these body sizes, through segments and back. */
static void there_and_back(const size_t *sizes, size_t n, bool lz4)
{
    rdl_buf in = {0}, wire = {0}, back = {0};
    for (size_t i = 0; i < n; i++) {
        size_t at = in.n;
        rdl_cql_envelope_begin(&in, 5, 0, RDL_CQL_OP_QUERY);
        for (size_t k = 0; k < sizes[i]; k++)
            rdl_wire_put_byte(&in, (uint8_t)(k * k >> 3));
        rdl_cql_envelope_end(&in, at, (int16_t)i);
    }
    rdl_cql_segments_write(&wire, (const uint8_t *)in.p, in.n, lz4);
    for (size_t at = 0; at < wire.n;) {
        rdl_cql_segment s;
        size_t used = 0;
        const uint8_t *p = (const uint8_t *)wire.p + at;
        /* One byte less than the segment is no segment yet. */
        assert_int_equal(rdl_cql_segment_read(p, wire.n - at, lz4, &s, &used, &err), RDL_OK);
        assert_true(used > 0);
        size_t whole = used;
        assert_int_equal(rdl_cql_segment_read(p, whole - 1, lz4, &s, &used, &err), RDL_OK);
        assert_int_equal(used, 0);
        assert_int_equal(rdl_cql_segment_read(p, whole, lz4, &s, &used, &err), RDL_OK);
        if (s.unpacked > 0)
            assert_int_equal(rdl_cql_segment_unpack(&s, &back, &err), RDL_OK);
        else
            rdl_wire_put_raw(&back, s.payload, s.n);
        at += whole;
    }
    assert_int_equal(back.n, in.n);
    assert_memory_equal(back.p, in.p, in.n);
    rdl_buf_fini(&in);
    rdl_buf_fini(&wire);
    rdl_buf_fini(&back);
}

static void envelopes_of_any_size_travel_in_segments(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 131062, 131063, 131071, 131072, 500000, 3, 0};
    for (int lz4 = 0; lz4 < 2; lz4++) {
        there_and_back(sizes, sizeof sizes / sizeof *sizes, lz4 != 0);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            there_and_back(&sizes[i], 1, lz4 != 0);
    }
}

static void a_changed_bit_of_a_segment_is_noticed(void **state)
{
    (void)state;
    for (int lz4 = 0; lz4 < 2; lz4++) {
        rdl_buf wire = {0};
        rdl_cql_segment s;
        size_t used = 0;
        rdl_cql_segment_write(&wire, (const uint8_t *)"aaaaaaaaaaaaaaaaaaaaaaaaa", 25, true, lz4);
        for (size_t bit = 0; bit < wire.n * 8; bit++) {
            wire.p[bit / 8] = (char)(wire.p[bit / 8] ^ 1 << (bit % 8));
            rdl_code rc =
                rdl_cql_segment_read((const uint8_t *)wire.p, wire.n, lz4 != 0, &s, &used, &err);
            assert_true(rc == RDL_ENET || used == 0);
            wire.p[bit / 8] = (char)(wire.p[bit / 8] ^ 1 << (bit % 8));
        }
        rdl_buf_fini(&wire);
    }
}

static void a_packed_body_comes_back(void **state)
{
    (void)state;
    rdl_buf in = {0}, packed = {0}, body = {0};
    rdl_cql_envelope_begin(&in, 4, 0, RDL_CQL_OP_QUERY);
    for (int i = 0; i < 1000; i++)
        rdl_wire_put_byte(&in, 'x');
    rdl_cql_envelope_end(&in, 0, 3);
    rdl_cql_envelope_pack(&packed, (const uint8_t *)in.p, in.n);
    assert_true(packed.n < 100);
    assert_int_equal(packed.p[1], RDL_CQL_FLAG_COMPRESSED);
    assert_int_equal(rdl_cql_body_unpack((const uint8_t *)packed.p + 9, (uint32_t)packed.n - 9,
                                         1 << 20, &body, &err),
                     RDL_OK);
    assert_int_equal(body.n, 1000);
    assert_memory_equal(body.p, in.p + 9, 1000);
    /* A length that no block of these bytes can have is refused before it is allocated. */
    rdl_set_be32((uint8_t *)packed.p + 9, 200u << 20);
    assert_int_equal(rdl_cql_body_unpack((const uint8_t *)packed.p + 9, (uint32_t)packed.n - 9,
                                         256u << 20, &body, &err),
                     RDL_ENET);
    rdl_buf_fini(&in);
    rdl_buf_fini(&packed);
    rdl_buf_fini(&body);
}

/* ---- Values ---- */

/* The bytes of a value of this type that is given as text; "!" when it is refused. */
static const char *encoded(const char *type, const char *text)
{
    rdl_arena a;
    rdl_cql_column column = {.name = RDL_STR("v")};
    rdl_buf out = {0};
    rdl_cql_writer w;
    rdl_arena_init(&a, 0);
    assert_int_equal(rdl_cql_type_parse(&a, rdl_str_of(type), NULL, NULL, &column.type, &err),
                     RDL_OK);
    rdl_cql_writer_start(&w, &column, 1, &out, &err);
    rdl_cql_put_parsed(&w, rdl_str_of(text));
    const char *hex = rdl_cql_row_end(&w) == RDL_OK ? hex_of(out.p + 4, out.n - 4) : "!";
    if (w.failed == RDL_OK)
        assert_int_equal(rdl_be32((const uint8_t *)out.p), out.n - 4);
    rdl_buf_fini(&out);
    rdl_arena_fini(&a);
    return hex;
}

/* The text of these bytes. */
static const char *printed(const char *type, const char *hex)
{
    static char text[1024];
    rdl_arena a;
    uint8_t bytes[512];
    rdl_cql_value v = {.p = bytes, .n = (int32_t)unhex(hex, bytes)};
    rdl_buf out = {0};
    rdl_arena_init(&a, 0);
    assert_int_equal(rdl_cql_type_parse(&a, rdl_str_of(type), NULL, NULL, &v.type, &err), RDL_OK);
    rdl_code rc = rdl_cql_print_literal(v, &out, &err);
    snprintf(text, sizeof text, "%s", rc == RDL_OK ? rdl_buf_str(&out) : "!");
    rdl_buf_fini(&out);
    rdl_arena_fini(&a);
    return text;
}

static void every_scalar_has_the_known_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *type, *text, *hex, *literal; /* NULL: the text */
    } all[] = {
        {"boolean", "true", "01", NULL},
        {"tinyint", "-128", "80", NULL},
        {"smallint", "-2", "fffe", NULL},
        {"int", "2147483647", "7fffffff", NULL},
        {"bigint", "-9223372036854775808", "8000000000000000", NULL},
        {"float", "1.5", "3fc00000", NULL},
        {"float", "0.1", "3dcccccd", NULL},
        {"double", "0.1", "3fb999999999999a", NULL},
        {"double", "-0", "8000000000000000", "-0.0"},
        {"double", "NaN", "7ff8000000000000", NULL},
        {"text", "it's \xc3\xb1", "6974277320c3b1", "'it''s \xc3\xb1'"},
        {"ascii", "", "", "''"},
        {"blob", "0xCAFE", "cafe", "0xcafe"},
        {"uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", NULL},
        {"timeuuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000",
         NULL},
        {"inet", "127.0.0.1", "7f000001", "'127.0.0.1'"},
        {"inet", "::1", "00000000000000000000000000000001", "'::1'"},
        {"date", "1970-01-01", "80000000", "'1970-01-01'"},
        {"date", "2025-08-15", "80004f5b", "'2025-08-15'"},
        {"date", "1969-12-31", "7fffffff", "'1969-12-31'"},
        {"time", "10:00:00.5", "000020be0503a500", "'10:00:00.500000000'"},
        {"timestamp", "1970-01-01T00:00:00.001Z", "0000000000000001", "'1970-01-01T00:00:00.001Z'"},
        {"timestamp", "1969-12-31 23:59:59.9999", "ffffffffffffffff", "'1969-12-31T23:59:59.999Z'"},
        {"varint", "0", "00", NULL},
        {"varint", "127", "7f", NULL},
        {"varint", "128", "0080", NULL},
        {"varint", "-128", "80", NULL},
        {"varint", "-129", "ff7f", NULL},
        {"varint", "32768", "008000", NULL},
        {"varint", "-18446744073709551616", "ff0000000000000000", NULL},
        {"varint", "170141183460469231731687303715884105727", "7fffffffffffffffffffffffffffffff",
         NULL},
        {"varint", "-170141183460469231731687303715884105728", "80000000000000000000000000000000",
         NULL},
        {"varint", "10000000000000000000000000000000000000000",
         "1d6329f1c35ca4bfabb9f5610000000000", NULL},
        {"decimal", "0", "0000000000", NULL},
        {"decimal", "1.5", "000000010f", NULL},
        {"decimal", "-1.5", "00000001f1", NULL},
        {"decimal", "123.45", "000000023039", NULL},
        {"decimal", "1E+3", "fffffffd01", NULL},
        {"decimal", "0.0001", "0000000401", NULL},
        {"decimal", "-0.00", "0000000200", "0.00"},
        {"decimal", "1e-9", "0000000901", "1E-9"},
        {"decimal", "99999999999999999999999999999999999999.99",
         "000000021d6329f1c35ca4bfabb9f560ffffffffff", NULL},
        {"duration", "0ns", "000000", NULL},
        {"duration", "1mo2d3ns", "020406", NULL},
        {"duration", "-1mo2d3ns", "010305", NULL},
        {"duration", "1y24h", "1800fc9d29229e0000", "12mo86400000000000ns"},
        {"duration", "2147483647mo2147483647d9223372036854775807ns",
         "f0fffffffef0fffffffefffffffffffffffffe", NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_string_equal(encoded(all[i].type, all[i].text), all[i].hex);
        assert_string_equal(printed(all[i].type, all[i].hex),
                            all[i].literal != NULL ? all[i].literal : all[i].text);
    }
}

static void a_timestamp_that_no_calendar_has_is_shown_as_its_number(void **state)
{
    (void)state;
    assert_string_equal(printed("timestamp", "8000000000000000"), "'-9223372036854775808'");
    assert_string_equal(printed("timestamp", "7fffffffffffffff"), "'9223372036854775807'");
}

static void texts_that_are_no_value_are_refused(void **state)
{
    (void)state;
    static const char *const all[][2] = {
        {"tinyint", "128"},
        {"smallint", "-32769"},
        {"int", "2147483648"},
        {"bigint", "9223372036854775808"},
        {"int", "1.0"},
        {"int", ""},
        {"int", "+"},
        {"boolean", "yes"},
        {"float", "1e39"},
        {"double", "1.5x"},
        {"double", " 1"},
        {"ascii", "\xc3\xb1"},
        {"text", "\xc3"},
        {"text", "\xed\xa0\x80"},
        {"blob", "cafe"},
        {"blob", "0xcaf"},
        {"blob", "0xzz"},
        {"uuid", "123e4567-e89b-12d3-a456-42661417400"},
        {"timeuuid", "123e4567-e89b-42d3-a456-426614174000"},
        {"inet", "127.0.0.256"},
        {"date", "2025-02-30"},
        {"time", "24:00:00"},
        {"time", "10:00:00."},
        {"timestamp", "today"},
        {"decimal", "1.2.3"},
        {"decimal", "1e"},
        {"decimal", "."},
        {"varint", "0x10"},
        {"duration", "1"},
        {"duration", "-"},
        {"duration", "3000000000d"},
        {"duration", "9223372036854775807h"},
        {"list<int>", "[1]"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_string_equal(encoded(all[i][0], all[i][1]), "!");
        assert_non_null(strstr(err.msg, "could not write column \"v\""));
    }
}

static void bytes_that_are_no_value_are_refused(void **state)
{
    (void)state;
    static const char *const all[][2] = {
        {"boolean", ""},
        {"int", "000000"},
        {"bigint", "00"},
        {"smallint", "010203"},
        {"float", "00"},
        {"double", "00000000"},
        {"text", "c3"},
        {"uuid", "00"},
        {"inet", "7f0000"},
        {"date", "000000"},
        {"time", "7fffffffffffffff"},
        {"time", "ffffffffffffffff"},
        {"timestamp", "00"},
        {"varint", ""},
        {"decimal", "00000000"},
        {"duration", "0204"},
        {"duration", "02040600"},
        {"duration", "fffffffffffffffffe0406"},
        {"list<int>", ""},
        {"list<int>", "ffffffff"},
        {"list<int>", "00000001"},
        {"list<int>", "000000010000000400000001ff"},
        {"list<int>", "7fffffff0000000400000001"},
        {"map<int, int>", "000000010000000400000001"},
        {"tuple<int, int>", "0000000500000001"},
        {"vector<float, 2>", "3f800000"},
        {"vector<text, 2>", "0161"},
        {"set<text>", "0000000100000001ff"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_string_equal(printed(all[i][0], all[i][1]), "!");
}

static void nested_values_print_as_literals(void **state)
{
    (void)state;
    assert_string_equal(printed("list<int>", "00000000"), "[]");
    assert_string_equal(printed("list<int>", "0000000200000004000000010000000400000002"), "[1, 2]");
    assert_string_equal(printed("map<text, int>", "0000000100000001610000000400000007"),
                        "{'a': 7}");
    assert_string_equal(printed("tuple<int, text>", "0000000400000001"), "(1, null)");
    assert_string_equal(printed("tuple<int, text>", "0000000400000001ffffffff"), "(1, null)");
    assert_string_equal(printed("vector<float, 2>", "3f80000040000000"), "[1.0, 2.0]");
    assert_string_equal(printed("vector<text, 2>", "01610162"), "['a', 'b']");
    assert_string_equal(printed("frozen<set<frozen<list<tinyint>>>>", "00000001"
                                                                      "0000000e"
                                                                      "00000002"
                                                                      "0000000101"
                                                                      "0000000102"),
                        "{[1, 2]}");
}

static void vints_of_every_length_come_back(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++)
        for (int off = -1; off <= 1; off++) {
            uint64_t v = (bits == 64 ? 0 : (uint64_t)1 << bits) + (uint64_t)(int64_t)off, back = 0;
            uint8_t bytes[RDL_CQL_VINT_MAX];
            size_t n = rdl_vint_write(v, bytes);
            assert_int_equal(rdl_vint_read(bytes, n, &back), n);
            assert_true(back == v);
            for (size_t less = 0; less < n; less++)
                assert_int_equal(rdl_vint_read(bytes, less, &back), 0);
        }
}

static void integers_of_128_bits_come_back(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 128; bit++)
        for (int sign = 0; sign < 2; sign++) {
            rdl_cql_int128 v = {bit < 64 ? 0 : (int64_t)((uint64_t)1 << (bit - 64)),
                                bit < 64 ? (uint64_t)1 << bit : 0},
                           back;
            uint8_t bytes[16];
            if (sign != 0)
                v = (rdl_cql_int128){~v.hi, ~v.lo};
            size_t n = rdl_varint_write(v, bytes);
            assert_true(rdl_varint_read(bytes, n, &back));
            assert_true(back.hi == v.hi && back.lo == v.lo);
        }
    rdl_cql_int128 wide;
    uint8_t big[18] = {0x01};
    assert_false(rdl_varint_read(big, 17, &wide));
    big[0] = 0;
    assert_true(rdl_varint_read(big, 17, &wide)); /* a needless zero in front */
}

/* ---- The writer ---- */

static void begin_row(rdl_cql_writer *w, rdl_arena *a, const char *type, rdl_buf *out)
{
    rdl_cql_column *column = RDL_NEW(a, rdl_cql_column);
    column->name = RDL_STR("v");
    assert_int_equal(rdl_cql_type_parse(a, rdl_str_of(type), NULL, NULL, &column->type, &err),
                     RDL_OK);
    rdl_cql_writer_start(w, column, 1, out, &err);
}

static void what_does_not_fit_a_container_is_refused(void **state)
{
    (void)state;
    rdl_arena a;
    rdl_buf out = {0};
    rdl_cql_writer w;
    rdl_arena_init(&a, 0);
    begin_row(&w, &a, "list<int>", &out);
    rdl_cql_put_begin(&w);
    rdl_cql_put_null(&w);
    assert_int_equal(rdl_cql_row_end(&w), RDL_EDATA);
    begin_row(&w, &a, "map<int, int>", &out);
    rdl_cql_put_begin(&w);
    rdl_cql_put_int(&w, 1);
    rdl_cql_put_end(&w);
    assert_int_equal(rdl_cql_row_end(&w), RDL_ESCHEMA);
    begin_row(&w, &a, "tuple<int>", &out);
    rdl_cql_put_begin(&w);
    rdl_cql_put_int(&w, 1);
    rdl_cql_put_int(&w, 2);
    assert_int_equal(rdl_cql_row_end(&w), RDL_ESCHEMA);
    begin_row(&w, &a, "list<int>", &out);
    rdl_cql_put_begin(&w);
    assert_int_equal(rdl_cql_row_end(&w), RDL_ESCHEMA); /* not ended */
    begin_row(&w, &a, "int", &out);
    assert_int_equal(rdl_cql_row_end(&w), RDL_ESCHEMA); /* no value */
    begin_row(&w, &a, "int", &out);
    rdl_cql_put_int(&w, 1);
    rdl_cql_put_int(&w, 2);
    assert_int_equal(rdl_cql_row_end(&w), RDL_ESCHEMA); /* one too many */
    begin_row(&w, &a, "int", &out);
    rdl_cql_put_text(&w, RDL_STR("1"));
    assert_int_equal(rdl_cql_row_end(&w), RDL_ESCHEMA);
    begin_row(&w, &a, "duration", &out);
    rdl_cql_put_duration(&w, (rdl_cql_duration){1, -1, 0});
    assert_int_equal(rdl_cql_row_end(&w), RDL_EDATA);
    begin_row(&w, &a, "vector<float, 2>", &out);
    rdl_cql_put_begin(&w);
    rdl_cql_put_double(&w, 1);
    rdl_cql_put_end(&w);
    assert_int_equal(rdl_cql_row_end(&w), RDL_ESCHEMA);
    rdl_buf_fini(&out);
    rdl_arena_fini(&a);
}

static void nests_are_written_with_their_lengths(void **state)
{
    (void)state;
    rdl_arena a;
    rdl_buf out = {0};
    rdl_cql_writer w;
    rdl_arena_init(&a, 0);
    begin_row(&w, &a, "map<text, frozen<tuple<int, frozen<list<double>>>>>", &out);
    rdl_cql_put_begin(&w);
    rdl_cql_put_text(&w, RDL_STR("k"));
    rdl_cql_put_begin(&w);
    rdl_cql_put_null(&w);
    rdl_cql_put_begin(&w);
    rdl_cql_put_double(&w, 1.0);
    rdl_cql_put_end(&w);
    rdl_cql_put_end(&w);
    rdl_cql_put_end(&w);
    assert_int_equal(rdl_cql_row_end(&w), RDL_OK);
    assert_string_equal(hex_of(out.p, out.n), "00000025"
                                              "00000001"
                                              "000000016b"
                                              "00000018"
                                              "ffffffff"
                                              "00000010"
                                              "00000001"
                                              "00000008"
                                              "3ff0000000000000");
    rdl_buf_clear(&out);
    begin_row(&w, &a, "vector<float, 2>", &out);
    rdl_cql_put_begin(&w);
    rdl_cql_put_double(&w, 1);
    rdl_cql_put_double(&w, 2);
    rdl_cql_put_end(&w);
    assert_int_equal(rdl_cql_row_end(&w), RDL_OK);
    assert_string_equal(hex_of(out.p, out.n), "000000083f80000040000000");
    rdl_buf_fini(&out);
    rdl_arena_fini(&a);
}

/* ---- Types, tokens, archives ---- */

static void types_print_as_they_were_read(void **state)
{
    (void)state;
    static const char *const all[] = {"int",
                                      "text",
                                      "frozen<list<int>>",
                                      "map<text, frozen<set<uuid>>>",
                                      "tuple<int, frozen<map<text, date>>, blob>",
                                      "vector<float, 1536>",
                                      "list<duration>"};
    rdl_arena a;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const rdl_cql_type *t;
        rdl_buf out = {0};
        assert_int_equal(rdl_cql_type_parse(&a, rdl_str_of(all[i]), NULL, NULL, &t, &err), RDL_OK);
        rdl_cql_type_print(t, &out);
        assert_string_equal(rdl_buf_str(&out), all[i]);
        rdl_buf_fini(&out);
    }
    static const char *const bad[] = {"",
                                      "list",
                                      "list<>",
                                      "list<int",
                                      "map<int>",
                                      "integer",
                                      "vector<float>",
                                      "vector<float, 0>",
                                      "int x",
                                      "\"A\"",
                                      "list<list<list<list<list<list<list<list<list<list<list<"
                                      "list<list<list<list<list<list<int>>>>>>>>>>>>>>>>>"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const rdl_cql_type *t;
        assert_int_equal(rdl_cql_type_parse(&a, rdl_str_of(bad[i]), NULL, NULL, &t, &err),
                         RDL_ESCHEMA);
    }
    rdl_arena_fini(&a);
}

static void java_names_of_types_are_understood(void **state)
{
    (void)state;
    rdl_arena a;
    rdl_buf out = {0};
    rdl_arena_init(&a, 0);
    const rdl_cql_type *t = rdl_cql_type_of_class(
        &a, RDL_STR("org.apache.cassandra.db.marshal.MapType(org.apache.cassandra.db.marshal."
                    "UTF8Type,"
                    "org.apache.cassandra.db.marshal.FrozenType(org.apache.cassandra.db.marshal."
                    "VectorType(org.apache.cassandra.db.marshal.FloatType , 3)))"));
    rdl_cql_type_print(t, &out);
    assert_string_equal(rdl_buf_str(&out), "map<text, frozen<vector<float, 3>>>");
    t = rdl_cql_type_of_class(&a, RDL_STR("UserType(ks,706f696e74,78:Int32Type,79:LongType)"));
    assert_int_equal(t->kind, RDL_CQL_UDT);
    assert_true(rdl_str_eq(t->name, RDL_STR("point")));
    assert_true(rdl_str_eq(t->names[1], RDL_STR("y")));
    t = rdl_cql_type_of_class(&a, RDL_STR("com.example.Thing(x"));
    assert_int_equal(t->kind, RDL_CQL_CUSTOM);
    rdl_buf_fini(&out);
    rdl_arena_fini(&a);
}

static void tokens_are_those_of_the_server(void **state)
{
    (void)state;
    const struct {
        rdl_str key;
        int64_t token;
    } all[] = {{RDL_STR(""), 0},
               {RDL_STR("a"), -8839064797231613815},
               {RDL_STR("hello"), -3758069500696749310},
               {RDL_STR("key 81"), -9158944745390103616},
               {RDL_STR("0123456789abcdef"), 5467490433528156583},
               {RDL_STR("0123456789abcdef\xff\x80\x7f"), -2167402656119602556},
               {RDL_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                -2195530867418009455},
               {RDL_STR("\xc3\xb1"
                        "and\xc3\xba"),
                5665201625323624893}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_true(rdl_cql_token(all[i].key) == all[i].token);
}

static void identifiers_are_quoted_where_they_must(void **state)
{
    (void)state;
    rdl_buf out = {0};
    rdl_cql_put_ident(&out, RDL_STR("org_id2"));
    rdl_cql_put_ident(&out, RDL_STR("Org"));
    rdl_cql_put_ident(&out, RDL_STR("a\"b"));
    rdl_cql_put_string(&out, RDL_STR("it's"));
    assert_string_equal(rdl_buf_str(&out), "org_id2\"Org\"\"a\"\"b\"'it''s'");
    rdl_buf_fini(&out);
}

static void answers_of_http_are_taken_apart_strictly(void **state)
{
    (void)state;
    rdl_buf out = {0};
    rdl_str ok = RDL_STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}rest");
    assert_int_equal(rdl_http_body(ok, &out, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&out), "{}");
    rdl_buf_clear(&out);
    rdl_str chunked = RDL_STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n");
    assert_int_equal(rdl_http_body(chunked, &out, &err), RDL_OK);
    assert_string_equal(rdl_buf_str(&out), "abcd");
    for (size_t n = 0; n < chunked.n - 4; n++)
        assert_int_not_equal(rdl_http_body((rdl_str){chunked.p, n}, &out, &err), RDL_OK);
    assert_int_equal(rdl_http_body(RDL_STR("HTTP/1.1 403 No\r\n\r\n"), &out, &err), RDL_EREMOTE);
    assert_int_equal(rdl_http_body(RDL_STR("hello\r\n\r\n"), &out, &err), RDL_ENET);
    rdl_buf_fini(&out);
}

static void an_archive_that_is_cut_or_changed_is_refused(void **state)
{
    (void)state;
    /* Two files, one stored and one deflated, by Python's zipfile. */
    static const char hex[] =
        "504b030414000000000000002100ce1d77740d0000000d0000000b000000636f6e6669672e6a"
        "736f6e7b22686f7374223a202268227d504b030414000000080000002100f42dba8207000000"
        "c80000000600000063612e6372744b4c4a1c161000504b0102140314000000000000002100ce"
        "1d77740d0000000d0000000b0000000000000000000000800100000000636f6e6669672e6a73"
        "6f6e504b0102140314000000080000002100f42dba8207000000c80000000600000000000000"
        "0000000080013600000063612e637274504b050600000000020002006d000000610000000000";
    uint8_t bytes[1024], copy[1024];
    rdl_arena a;
    rdl_str out;
    rdl_arena_init(&a, 0);
    size_t n = unhex(hex, bytes);
    rdl_str z = {(const char *)bytes, n};
    assert_int_equal(rdl_zip_get(z, "config.json", &a, &out, &err), RDL_OK);
    assert_true(rdl_str_eq(out, RDL_STR("{\"host\": \"h\"}")));
    assert_int_equal(rdl_zip_get(z, "ca.crt", &a, &out, &err), RDL_OK);
    assert_int_equal(out.n, 200);
    assert_int_equal(rdl_zip_get(z, "other", &a, &out, &err), RDL_EDATA);
    for (size_t less = 0; less < n; less++)
        assert_int_equal(rdl_zip_get((rdl_str){z.p, less}, "ca.crt", &a, &out, &err), RDL_EDATA);
    for (size_t bit = 0; bit < n * 8; bit++) { /* no crash; what is read is what was written */
        memcpy(copy, bytes, n);
        copy[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        if (rdl_zip_get((rdl_str){(char *)copy, n}, "config.json", &a, &out, &err) == RDL_OK)
            assert_true(rdl_str_eq(out, RDL_STR("{\"host\": \"h\"}")));
    }
    rdl_arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_those_of_other_clients),
        cmocka_unit_test(a_plain_segment_has_the_known_bytes),
        cmocka_unit_test(envelopes_of_any_size_travel_in_segments),
        cmocka_unit_test(a_changed_bit_of_a_segment_is_noticed),
        cmocka_unit_test(a_packed_body_comes_back),
        cmocka_unit_test(every_scalar_has_the_known_bytes),
        cmocka_unit_test(a_timestamp_that_no_calendar_has_is_shown_as_its_number),
        cmocka_unit_test(texts_that_are_no_value_are_refused),
        cmocka_unit_test(bytes_that_are_no_value_are_refused),
        cmocka_unit_test(nested_values_print_as_literals),
        cmocka_unit_test(vints_of_every_length_come_back),
        cmocka_unit_test(integers_of_128_bits_come_back),
        cmocka_unit_test(what_does_not_fit_a_container_is_refused),
        cmocka_unit_test(nests_are_written_with_their_lengths),
        cmocka_unit_test(types_print_as_they_were_read),
        cmocka_unit_test(java_names_of_types_are_understood),
        cmocka_unit_test(tokens_are_those_of_the_server),
        cmocka_unit_test(identifiers_are_quoted_where_they_must),
        cmocka_unit_test(answers_of_http_are_taken_apart_strictly),
        cmocka_unit_test(an_archive_that_is_cut_or_changed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
