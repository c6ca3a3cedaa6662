/*
 * duck/codec.c - a row as bytes that sort as SQL sorts, and back.
 *
 *   K1  Two values of one type are equal exactly when their bytes are.
 *   K2  memcmp of two rows' bytes is the order of ORDER BY ... ASC NULLS LAST, column by
 *       column (a map's order is that of its entries sorted by key).
 *   K3  No value's bytes are a beginning of another's of the same type, so that values may
 *       follow one another and are found again without lengths.
 *
 * Checked on random rows of every type against DuckDB by tests/unit/codec_test.c.
 */
#include "duck/codec.h"

#include <math.h>
#include <stdlib.h>

#include "duck/handles.h"

enum {
    TAG_VALUE = 0x01,
    TAG_NULL = 0x02,
    TAG_ELEMENT = 0x03, /* before each element of a list or entry of a map */
    TAG_END = 0x00,     /* after the last, and inside text: see put_text */
    ESCAPE_ZERO = 0xff,
    ESCAPE_END = 0x01,
};

#define SIGN64 ((uint64_t)1 << 63)
#define NAN_BITS 0x7ff8000000000000u

/* ---- writing ---- */

static uint8_t *room(rdl_buf *out, size_t n)
{
    rdl_buf_reserve(out, n);
    uint8_t *p = (uint8_t *)out->p + out->n;
    out->n += n;
    out->p[out->n] = '\0';
    return p;
}

static void put_u32(rdl_buf *out, uint32_t x)
{
    uint32_t be = __builtin_bswap32(x);
    memcpy(room(out, sizeof be), &be, sizeof be);
}

static void put_u64(rdl_buf *out, uint64_t x)
{
    uint64_t be = __builtin_bswap64(x);
    memcpy(room(out, sizeof be), &be, sizeof be);
}

/* IEEE bits in total order: negative ones reversed, below the others. */
static uint64_t double_bits(double x)
{
    uint64_t bits;
    if (isnan(x))
        return NAN_BITS | SIGN64;
    x = x == 0 ? 0 : x;
    memcpy(&bits, &x, sizeof bits);
    return (bits & SIGN64) != 0 ? ~bits : bits | SIGN64;
}

static void put_text(rdl_buf *out, rdl_str s)
{
    const char *zero;
    while (s.n != 0 && (zero = memchr(s.p, 0, s.n)) != NULL) {
        size_t n = (size_t)(zero - s.p);
        uint8_t *p = room(out, n + 2);
        memcpy(p, s.p, n);
        p[n] = TAG_END;
        p[n + 1] = ESCAPE_ZERO;
        s = (rdl_str){zero + 1, s.n - n - 1};
    }
    uint8_t *p = room(out, s.n + 2);
    if (s.n != 0)
        memcpy(p, s.p, s.n);
    p[s.n] = TAG_END;
    p[s.n + 1] = ESCAPE_END;
}

static void put_list(const rdl_vector *v, size_t row, rdl_buf *out)
{
    rdl_duck_list l = RDL_VECTOR_AT(v, rdl_duck_list, row);
    for (uint64_t i = 0; i < l.length; i++) {
        *room(out, 1) = TAG_ELEMENT;
        rdl_codec_put(&v->children[0], l.offset + i, out);
    }
    *room(out, 1) = TAG_END;
}

/* An entry's bytes inside a buffer; keys never begin one another (K3). */
typedef struct map_entry {
    rdl_str key;
    rdl_str whole;
} map_entry;

static int entry_cmp(const void *a, const void *b)
{
    return rdl_str_cmp(((const map_entry *)a)->key, ((const map_entry *)b)->key);
}

static void put_map(const rdl_vector *v, size_t row, rdl_buf *out)
{
    rdl_duck_list l = RDL_VECTOR_AT(v, rdl_duck_list, row);
    rdl_buf bytes = {0};
    rdl_arena a;
    rdl_arena_init(&a, 0);
    map_entry *entries = RDL_NEWN(&a, map_entry, l.length + 1);
    size_t(*at)[3] = rdl_arena_array_x(&a, l.length + 1, sizeof *at); /* key, value, end */
    for (uint64_t i = 0; i < l.length; i++) {
        at[i][0] = bytes.n;
        rdl_codec_put(&v->children[0], l.offset + i, &bytes);
        at[i][1] = bytes.n;
        rdl_codec_put(&v->children[1], l.offset + i, &bytes);
        at[i][2] = bytes.n;
    }
    for (uint64_t i = 0; i < l.length; i++)
        entries[i] = (map_entry){{bytes.p + at[i][0], at[i][1] - at[i][0]},
                                 {bytes.p + at[i][0], at[i][2] - at[i][0]}};
    qsort(entries, l.length, sizeof *entries, entry_cmp);
    for (uint64_t i = 0; i < l.length; i++) {
        *room(out, 1) = TAG_ELEMENT;
        rdl_buf_put(out, entries[i].whole.p, entries[i].whole.n);
    }
    *room(out, 1) = TAG_END;
    rdl_buf_fini(&bytes);
    rdl_arena_fini(&a);
}

static void put_decimal(rdl_i128 x, rdl_buf *out)
{
    rdl_u128 bits = (rdl_u128)x;
    put_u64(out, (uint64_t)(bits >> 64) ^ SIGN64);
    put_u64(out, (uint64_t)bits);
}

void rdl_codec_put(const rdl_vector *v, size_t row, rdl_buf *out)
{
    if (!rdl_vector_valid(v, row)) {
        *room(out, 1) = TAG_NULL;
        return;
    }
    *room(out, 1) = TAG_VALUE;
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        *room(out, 1) = RDL_VECTOR_AT(v, int8_t, row) != 0;
        break;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_DATE:
        put_u32(out, (uint32_t)RDL_VECTOR_AT(v, int32_t, row) ^ 0x80000000u);
        break;
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_TIMESTAMPTZ:
        put_u64(out, (uint64_t)RDL_VECTOR_AT(v, int64_t, row) ^ SIGN64);
        break;
    case RDL_TYPE_DOUBLE:
        put_u64(out, double_bits(RDL_VECTOR_AT(v, double, row)));
        break;
    case RDL_TYPE_DECIMAL:
        put_decimal(rdl_vector_decimal(v, row), out);
        break;
    case RDL_TYPE_TEXT:
    case RDL_TYPE_JSON:
    case RDL_TYPE_BLOB:
        put_text(out, rdl_vector_str(v, row));
        break;
    case RDL_TYPE_LIST:
        put_list(v, row, out);
        break;
    case RDL_TYPE_MAP:
        put_map(v, row, out);
        break;
    case RDL_TYPE_STRUCT:
        for (size_t i = 0; i < v->child_count; i++)
            rdl_codec_put(&v->children[i], row, out);
        break;
    }
}

void rdl_codec_put_row(const rdl_chunk *c, const size_t *columns, size_t n, size_t row,
                       rdl_buf *out)
{
    for (size_t i = 0; i < n; i++)
        rdl_codec_put(&c->v[columns[i]], row, out);
}

/* ---- reading ---- */

static rdl_code bad_bytes(rdl_err *err, size_t at, const char *why)
{
    (void)rdl_err_set(err, RDL_EDATA, 0, "could not decode a value at byte %zu: %s", at, why);
    return RDL_EDATA;
}

static rdl_code take(rdl_str bytes, size_t *at, size_t n, const uint8_t **out, rdl_err *err)
{
    if (bytes.n - *at < n)
        return bad_bytes(err, *at, "the bytes end early");
    *out = (const uint8_t *)bytes.p + *at;
    *at += n;
    return RDL_OK;
}

static rdl_code get_u64(rdl_str bytes, size_t *at, uint64_t *out, rdl_err *err)
{
    const uint8_t *p;
    uint64_t be;
    RDL_TRY(take(bytes, at, sizeof be, &p, err));
    memcpy(&be, p, sizeof be);
    *out = __builtin_bswap64(be);
    return RDL_OK;
}

static rdl_code get_bool(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    const uint8_t *p;
    RDL_TRY(take(bytes, at, 1, &p, err));
    if (*p > 1)
        return bad_bytes(err, *at - 1, "a boolean is 0 or 1");
    RDL_VECTOR_AT(out, int8_t, row) = (int8_t)*p;
    return RDL_OK;
}

static rdl_code get_i32(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    const uint8_t *p;
    uint32_t be;
    RDL_TRY(take(bytes, at, sizeof be, &p, err));
    memcpy(&be, p, sizeof be);
    RDL_VECTOR_AT(out, int32_t, row) = (int32_t)(__builtin_bswap32(be) ^ 0x80000000u);
    return RDL_OK;
}

static rdl_code get_double(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    uint64_t bits;
    double x;
    RDL_TRY(get_u64(bytes, at, &bits, err));
    uint64_t ieee = (bits & SIGN64) != 0 ? bits ^ SIGN64 : ~bits;
    memcpy(&x, &ieee, sizeof x);
    if (double_bits(x) != bits)
        return bad_bytes(err, *at - 8, "not the one form of a double");
    RDL_VECTOR_AT(out, double, row) = x;
    return RDL_OK;
}

static rdl_code get_decimal(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    uint64_t hi, lo;
    RDL_TRY(get_u64(bytes, at, &hi, err));
    RDL_TRY(get_u64(bytes, at, &lo, err));
    rdl_i128 x = (rdl_i128)((rdl_u128)(hi ^ SIGN64) << 64 | lo), bound = 1;
    for (unsigned i = 0; i < out->type->precision; i++)
        bound *= 10;
    if (x >= bound || x <= -bound)
        return bad_bytes(err, *at - 16, "a decimal has too many digits");
    rdl_vector_set_decimal(out, row, x);
    return RDL_OK;
}

/* Find the end of a text; *escaped tells whether it holds 0x00 0xFF. */
static rdl_code text_end(rdl_str bytes, size_t at, size_t *end, bool *escaped, rdl_err *err)
{
    *escaped = false;
    for (size_t from = at;;) {
        const char *zero = memchr(bytes.p + from, 0, bytes.n - from);
        size_t i = zero != NULL ? (size_t)(zero - bytes.p) : bytes.n;
        if (i + 1 >= bytes.n)
            return bad_bytes(err, at, "a text has no end");
        uint8_t next = (uint8_t)bytes.p[i + 1];
        if (next == ESCAPE_END) {
            *end = i;
            return RDL_OK;
        }
        if (next != ESCAPE_ZERO)
            return bad_bytes(err, i, "a zero byte in a text is not escaped");
        *escaped = true;
        from = i + 2;
    }
}

static bool is_utf8(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t more = p[i] >= 0xf0 ? 3 : p[i] >= 0xe0 ? 2 : 1;
        if (p[i] < 0xc2 || p[i] > 0xf4 || n - i <= more)
            return false;
        uint8_t next = p[i + 1];
        if ((p[i] == 0xe0 && next < 0xa0) || (p[i] == 0xed && next > 0x9f) ||
            (p[i] == 0xf0 && next < 0x90) || (p[i] == 0xf4 && next > 0x8f))
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
        i += more + 1;
    }
    return true;
}

static rdl_code set_text(rdl_vector *out, size_t row, const char *p, size_t n, size_t at,
                         rdl_err *err)
{
    if (out->type->kind != RDL_TYPE_BLOB && !is_utf8((const uint8_t *)p, n))
        return bad_bytes(err, at, "a text is not UTF-8");
    rdl_vector_set_str(out, row, p, n);
    return RDL_OK;
}

static rdl_code get_text(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    size_t from = *at, end = 0;
    bool escaped;
    RDL_TRY(text_end(bytes, from, &end, &escaped, err));
    *at = end + 2;
    if (!escaped)
        return set_text(out, row, bytes.p + from, end - from, from, err);
    rdl_buf plain = {0};
    for (size_t i = from; i < end; i++) {
        rdl_buf_putc(&plain, bytes.p[i]);
        if (bytes.p[i] == 0)
            i++; /* over ESCAPE_ZERO */
    }
    rdl_code rc = set_text(out, row, plain.p, plain.n, from, err);
    rdl_buf_fini(&plain);
    return rc;
}

/* Elements are put behind those that the child has; a map's keys must be in strict order.
 */
static rdl_code get_list(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    const size_t start = duckdb_list_vector_get_size(out->handle);
    size_t n = 0, room_for = 0;
    const uint8_t *tag;
    rdl_str last = {NULL, 0};
    for (;; n++) {
        RDL_TRY(take(bytes, at, 1, &tag, err));
        if (*tag == TAG_END)
            break;
        if (*tag != TAG_ELEMENT)
            return bad_bytes(err, *at - 1, "neither an element nor the end of a list");
        if (n == room_for) {
            room_for = room_for == 0 ? 4 : 2 * room_for;
            if (!rdl_vector_list_reserve(out, start + room_for))
                return rdl_err_nomem(err);
        }
        size_t key_at = *at;
        RDL_TRY(rdl_codec_get(bytes, at, &out->children[0], start + n, err));
        if (out->type->kind != RDL_TYPE_MAP)
            continue;
        rdl_str key = {bytes.p + key_at, *at - key_at};
        if (key.p[0] != TAG_VALUE || (last.p != NULL && rdl_str_cmp(last, key) >= 0))
            return bad_bytes(err, key_at, "keys of a map are not in order");
        last = key;
        RDL_TRY(rdl_codec_get(bytes, at, &out->children[1], start + n, err));
    }
    rdl_vector_list_set_size(out, start + n);
    RDL_VECTOR_AT(out, rdl_duck_list, row) = (rdl_duck_list){start, n};
    return RDL_OK;
}

static rdl_code get_value(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    uint64_t bits;
    switch (out->type->kind) {
    case RDL_TYPE_BOOLEAN:
        return get_bool(bytes, at, out, row, err);
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_DATE:
        return get_i32(bytes, at, out, row, err);
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_TIMESTAMPTZ:
        RDL_TRY(get_u64(bytes, at, &bits, err));
        RDL_VECTOR_AT(out, int64_t, row) = (int64_t)(bits ^ SIGN64);
        return RDL_OK;
    case RDL_TYPE_DOUBLE:
        return get_double(bytes, at, out, row, err);
    case RDL_TYPE_DECIMAL:
        return get_decimal(bytes, at, out, row, err);
    case RDL_TYPE_TEXT:
    case RDL_TYPE_JSON:
    case RDL_TYPE_BLOB:
        return get_text(bytes, at, out, row, err);
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
        return get_list(bytes, at, out, row, err);
    case RDL_TYPE_STRUCT:
        for (size_t i = 0; i < out->child_count; i++)
            RDL_TRY(rdl_codec_get(bytes, at, &out->children[i], row, err));
        return RDL_OK;
    }
    return rdl_err_set(err, RDL_EBUG, 0, "type %d has no codec", (int)out->type->kind);
}

rdl_code rdl_codec_get(rdl_str bytes, size_t *at, rdl_vector *out, size_t row, rdl_err *err)
{
    const uint8_t *tag;
    RDL_TRY(take(bytes, at, 1, &tag, err));
    if (*tag == TAG_NULL) {
        rdl_vector_set_null(out, row);
        return RDL_OK;
    }
    if (*tag != TAG_VALUE)
        return bad_bytes(err, *at - 1, "neither a value nor NULL");
    return get_value(bytes, at, out, row, err);
}
