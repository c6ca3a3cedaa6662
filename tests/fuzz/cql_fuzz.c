/*
 * tests/fuzz/cql_fuzz.c - bytes that a CQL server might send.
 *
 * The first byte chooses what the rest is taken for: segments (plain or LZ4), an envelope
 * with its result or error, a compressed body, the text of a type with a value of it, an
 * archive, an answer of HTTP.  What is understood must print and be walked through without
 * a fault.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cql/cql.h"
#include "cql/frame.h"
#include "cql/http.h"
#include "cql/message.h"
#include "cql/type.h"
#include "cql/value.h"
#include "cql/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 1 << 20 };

static void print(rdl_cql_value v)
{
    rdl_buf out = {0};
    rdl_err err;
    (void)!rdl_cql_print(v, &out, &err);
    rdl_buf_clear(&out);
    (void)!rdl_cql_print_json(v, &out, &err);
    rdl_buf_fini(&out);
}

static void segments(const uint8_t *p, size_t n, bool lz4)
{
    rdl_buf out = {0};
    rdl_err err;
    for (size_t at = 0; at < n;) {
        rdl_cql_segment s;
        size_t used = 0;
        if (rdl_cql_segment_read(p + at, n - at, lz4, &s, &used, &err) != RDL_OK || used == 0)
            break;
        if (s.unpacked > 0 && rdl_cql_segment_unpack(&s, &out, &err) != RDL_OK)
            break;
        at += used;
    }
    rdl_buf_fini(&out);
}

static void result(const rdl_cql_envelope *e, uint32_t version)
{
    rdl_cql_result r = {0};
    rdl_cql_prepared prepared;
    rdl_err err;
    rdl_arena_init(&r.arena, 0);
    if (rdl_cql_result_read(&r, e, &err) == RDL_OK) {
        while (rdl_cql_next(&r))
            for (uint32_t i = 0; i < rdl_cql_columns(&r); i++)
                print(rdl_cql_cell(&r, i));
        (void)rdl_cql_applied(&r);
        rdl_wire rest = r.rest;
        if (r.kind == RDL_CQL_PREPARED)
            (void)rdl_cql_prepared_read(&rest, &r.arena, version, &prepared);
    }
    rdl_arena_fini(&r.arena);
}

static void envelope(const uint8_t *p, size_t n)
{
    rdl_cql_envelope e;
    rdl_cql_error told;
    size_t used = 0;
    rdl_err err;
    if (rdl_cql_envelope_read(p, n, 0, BODY_MAX, &e, &used, &err) != RDL_OK || used == 0)
        return;
    uint32_t version = e.version & 0x7Fu;
    if (e.opcode != RDL_CQL_OP_ERROR)
        result(&e, version);
    else if (rdl_cql_error_read(&e, version, &told))
        (void)!rdl_cql_error_tell(&told, "execute", &err);
}

/* A type's text up to a NUL, then a value. */
static void typed(const uint8_t *p, size_t n)
{
    rdl_arena a;
    rdl_err err;
    rdl_cql_value v = {0};
    const uint8_t *nul = n > 0 ? memchr(p, 0, n) : NULL;
    size_t text = nul != NULL ? (size_t)(nul - p) : n;
    rdl_arena_init(&a, 0);
    if (rdl_cql_type_parse(&a, (rdl_str){(const char *)p, text}, NULL, NULL, &v.type, &err) ==
        RDL_OK) {
        rdl_buf out = {0}; /* what prints is read back as the same type */
        const rdl_cql_type *again;
        rdl_cql_type_print(v.type, &out);
        if (rdl_cql_type_parse(&a, (rdl_str){out.p, out.n}, NULL, NULL, &again, &err) != RDL_OK ||
            !rdl_cql_type_eq(v.type, again))
            abort();
        rdl_buf_fini(&out);
        if (nul != NULL) {
            v.p = nul + 1;
            v.n = (int32_t)(n - text - 1);
            print(v);
        }
    }
    (void)rdl_cql_type_of_class(&a, (rdl_str){(const char *)p, text});
    rdl_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rdl_buf out = {0};
    rdl_arena a;
    rdl_err err;
    rdl_str file;
    if (size == 0)
        return 0;
    const uint8_t *p = data + 1;
    size_t n = size - 1;
    rdl_str s = {(const char *)p, n};
    rdl_arena_init(&a, 0);
    switch (data[0] % 7) {
    case 0:
    case 1:
        segments(p, n, data[0] % 7 == 1);
        break;
    case 2:
        envelope(p, n);
        break;
    case 3:
        (void)!rdl_cql_body_unpack(p, (uint32_t)n, BODY_MAX, &out, &err);
        break;
    case 4:
        typed(p, n);
        break;
    case 5:
        (void)!rdl_zip_get(s, "config.json", &a, &file, &err);
        break;
    default:
        (void)!rdl_http_body(s, &out, &err);
    }
    rdl_arena_fini(&a);
    rdl_buf_fini(&out);
    return 0;
}
