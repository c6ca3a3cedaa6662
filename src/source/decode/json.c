/*
 * source/decode/json.c - a JSON object into a row.
 *
 * One pass, no tree: the parser knows which field it expects (the one that followed last
 * time), compares its quoted name in one or two vector loads, and the column's type says
 * how the value is read.  RFC 8259, strictly: no trailing commas, no leading zeros, no bare
 * control bytes, no lone surrogates, UTF-8 checked in every string.  A field given twice
 * makes the record malformed, as it does for read_json: which of the two was meant nobody
 * can tell.
 *
 * Casts: a number, true or false into TEXT keeps its spelling; so does an object or list
 * (its JSON text).  Text into another scalar is read by value.c.  0 and 1 are booleans.  A
 * number literal that is sound but too large for its column is malformed; text that is too
 * large is not cast. A list, map or struct is null as a whole when an element does not
 * cast, and lies in _rescued; a struct with undeclared fields is kept and also lies in
 * _rescued whole.
 */
#include "source/decode/json.h"

#include <stdio.h>

#include "source/decode/scan.h"

static inline void put_string(rdl_vector *v, size_t row, const char *p, size_t n)
{
    rdl_duck_string *to = &RDL_VECTOR_AT(v, rdl_duck_string, row);
    to->n = (uint32_t)n;
    if (n > 12) {
        memcpy(to->pointer.prefix, p, 4);
        to->pointer.p = p;
        return;
    }
    /* Twelve bytes are always readable (D2); those after the text are cleared. */
    uint64_t low;
    uint32_t high;
    memcpy(&low, p, 8);
    memcpy(&high, p + 8, 4);
    if (n <= 8) {
        high = 0;
        low = n == 8 ? low : low & ((UINT64_C(1) << (8 * n)) - 1);
    } else {
        high = n == 12 ? high : high & ((UINT32_C(1) << (8 * (n - 8))) - 1);
    }
    memcpy(to->inlined, &low, 8);
    memcpy(to->inlined + 8, &high, 4);
}

/* ---- numbers ---- */

/* A sound number that its column cannot hold. */
static const char *overflow(rdl_worker *w, const rdl_node *node, const char *p, const char *end)
{
    rdl_buf type = {0};
    rdl_type_print(node->type, &type);
    int n = (int)(end - p > 40 ? 40 : end - p);
    snprintf(w->why_text, sizeof w->why_text, "the number %.*s does not fit %.30s", n, p,
             rdl_buf_str(&type));
    rdl_buf_fini(&type);
    return rdl_json_bad(w, p, w->why_text);
}

static const char *slow_number(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    const char *end = rdl_json_skip_number(w, p);
    if (end == NULL)
        return NULL;
    switch (rdl_put_text(w, node, row, (rdl_str){p, (size_t)(end - p)})) {
    case RDL_PUT_OK:
        return end;
    case RDL_PUT_NOCAST:
        return rdl_json_nocast(w);
    default:
        return overflow(w, node, p, end);
    }
}

/*
 * Up to 18 digits with a decimal point among them, *mantissa without the point, and the
 * number of digits after it.  NULL when the number is longer, has an exponent, or is not
 * one.
 */
static inline const char *quick_number(const char *p, bool *negative, uint64_t *mantissa,
                                       unsigned *fraction)
{
    *negative = *p == '-';
    p += *negative;
    const char *from = p;
    uint64_t v = 0;
    unsigned d;
    while ((d = (unsigned char)(*p - '0')) < 10) {
        v = v * 10 + d;
        p++;
    }
    size_t whole = (size_t)(p - from);
    *fraction = 0;
    if (whole == 0 || (*from == '0' && whole > 1))
        return NULL;
    if (*p == '.') {
        const char *point = ++p;
        while ((d = (unsigned char)(*p - '0')) < 10) {
            v = v * 10 + d;
            p++;
        }
        if (p == point)
            return NULL;
        *fraction = (unsigned)(p - point);
    }
    if (p - from > 19 || whole + *fraction > 18 || *p == 'e' || *p == 'E')
        return NULL;
    *mantissa = v;
    return p;
}

static inline const char *put_integer(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    bool negative;
    uint64_t m;
    unsigned fraction;
    const char *end = quick_number(p, &negative, &m, &fraction);
    if (end == NULL || fraction != 0)
        return slow_number(w, node, row, p);
    int64_t v = negative ? -(int64_t)m : (int64_t)m;
    if (node->type->kind == RDL_TYPE_BIGINT) {
        RDL_VECTOR_AT(node->v, int64_t, row) = v;
        return end;
    }
    if (v > INT32_MAX || v < INT32_MIN)
        return slow_number(w, node, row, p);
    RDL_VECTOR_AT(node->v, int32_t, row) = (int32_t)v;
    return end;
}

static inline const char *put_double(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    static const double power[19] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                     1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    bool negative;
    uint64_t m;
    unsigned fraction;
    const char *end = quick_number(p, &negative, &m, &fraction);
    if (end == NULL || m > UINT64_C(1) << 53)
        return slow_number(w, node, row, p);
    double v = (double)m / power[fraction];
    RDL_VECTOR_AT(node->v, double, row) = negative ? -v : v;
    return end;
}

static const char *put_decimal(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    static const uint64_t power[19] = {1,
                                       10,
                                       100,
                                       1000,
                                       10000,
                                       100000,
                                       1000000,
                                       10000000,
                                       100000000,
                                       1000000000,
                                       10000000000,
                                       100000000000,
                                       1000000000000,
                                       10000000000000,
                                       100000000000000,
                                       1000000000000000,
                                       10000000000000000,
                                       100000000000000000,
                                       1000000000000000000};
    const rdl_type *type = node->type;
    bool negative;
    uint64_t m;
    unsigned fraction;
    const char *end = quick_number(p, &negative, &m, &fraction);
    if (end == NULL || fraction > type->scale || type->precision > 18)
        return slow_number(w, node, row, p);
    uint64_t by = power[type->scale - fraction], limit = power[type->precision];
    if (m >= limit || (m != 0 && by > limit / m) || m * by >= limit)
        return slow_number(w, node, row, p);
    int64_t v = negative ? -(int64_t)(m * by) : (int64_t)(m * by);
    if (type->precision <= 4)
        RDL_VECTOR_AT(node->v, int16_t, row) = (int16_t)v;
    else if (type->precision <= 9)
        RDL_VECTOR_AT(node->v, int32_t, row) = (int32_t)v;
    else
        RDL_VECTOR_AT(node->v, int64_t, row) = v;
    return end;
}

/* ---- values into vectors ---- */

static const char *put_raw(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    const char *end = rdl_json_skip(w, p);
    if (end != NULL)
        put_string(node->v, row, p, (size_t)(end - p));
    return end;
}

static const char *put_text(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    if (*p != '"')
        return put_raw(w, node, row, p);
    bool high;
    const char *end = rdl_scan_string(p + 1, &high);
    if (__builtin_expect(*end == '"' && !high, 1)) {
        put_string(node->v, row, p + 1, (size_t)(end - p) - 1);
        return end + 1;
    }
    rdl_str s;
    end = rdl_json_unescape(w, p, &s);
    if (end != NULL)
        (void)rdl_put_text(w, node, row, s);
    return end;
}

/* A JSON string into a scalar that is not TEXT. */
static const char *put_cast(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    rdl_str s;
    const char *end = rdl_json_unescape(w, p, &s);
    if (end == NULL)
        return NULL;
    return rdl_put_text(w, node, row, s) == RDL_PUT_OK ? end : rdl_json_nocast(w);
}

static const char *put_boolean(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    if (*p == 't' || *p == 'f') {
        const char *end =
            *p == 't' ? rdl_json_word(w, p, "true", 4) : rdl_json_word(w, p, "false", 5);
        RDL_VECTOR_AT(node->v, int8_t, row) = *p == 't';
        return end;
    }
    const char *end = rdl_json_skip(w, p);
    if (end == NULL)
        return NULL;
    if (end - p == 1 && (*p == '0' || *p == '1')) {
        RDL_VECTOR_AT(node->v, int8_t, row) = *p == '1';
        return end;
    }
    return rdl_json_nocast(w);
}

static inline const char *put_value(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    if (*p == 'n') {
        p = rdl_json_word(w, p, "null", 4);
        if (p != NULL)
            rdl_put_null(node, row);
        return p;
    }
    rdl_type_kind kind = node->type->kind;
    if (kind == RDL_TYPE_TEXT)
        return put_text(w, node, row, p);
    if (kind == RDL_TYPE_JSON)
        return put_raw(w, node, row, p);
    if (kind >= RDL_TYPE_LIST)
        return rdl_json_put_nested(w, node, row, p);
    if (*p == '"')
        return put_cast(w, node, row, p);
    if (kind == RDL_TYPE_BOOLEAN)
        return put_boolean(w, node, row, p);
    if (rdl_json_digit(*p) || *p == '-') {
        if (kind == RDL_TYPE_DOUBLE)
            return put_double(w, node, row, p);
        if (kind == RDL_TYPE_BIGINT || kind == RDL_TYPE_INTEGER)
            return put_integer(w, node, row, p);
        if (kind == RDL_TYPE_DECIMAL)
            return put_decimal(w, node, row, p);
    }
    return rdl_json_skip(w, p) != NULL ? rdl_json_nocast(w) : NULL;
}

const char *rdl_json_put(rdl_worker *w, rdl_node *node, size_t row, const char *p)
{
    return put_value(w, node, row, p);
}

/* ---- the record ---- */

void rdl_worker_rescue_key(rdl_worker *w, const char *key, size_t n)
{
    rdl_buf_putc(&w->rescue, w->rescue.n == 0 ? '{' : ',');
    rdl_buf_put(&w->rescue, key, n);
    rdl_buf_putc(&w->rescue, ':');
}

static uint32_t key_hash(const char *p, size_t n)
{
    uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15);
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t part;
        memcpy(&part, p, 8);
        h = (h ^ part) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    for (; n > 0; n--, p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return (uint32_t)(h ^ h >> 29);
}

void rdl_fields_index(rdl_decode *j)
{
    uint32_t size = 16;
    while (size < j->field_count * 4)
        size *= 2;
    j->slots = RDL_NEWN(&j->arena, uint32_t, size);
    j->slot_mask = size - 1;
    for (size_t i = 0; i < j->field_count; i++) {
        rdl_field *f = &j->fields[i];
        if (f->from != RDL_FROM_FIELD)
            continue;
        uint32_t at = key_hash(f->name.p, f->name.n) & j->slot_mask;
        while (j->slots[at] != 0 && !rdl_str_eq(j->fields[j->slots[at] - 1].name, f->name))
            at = (at + 1) & j->slot_mask;
        if (j->slots[at] == 0) {
            j->slots[at] = (uint32_t)i + 1;
            continue;
        }
        rdl_field *first = &j->fields[j->slots[at] - 1];
        f->same = first->same;
        first->same = (int32_t)i;
    }
}

static int32_t find_field(const rdl_decode *j, rdl_str name)
{
    uint32_t at = key_hash(name.p, name.n) & j->slot_mask;
    for (; j->slots[at] != 0; at = (at + 1) & j->slot_mask) {
        if (rdl_str_eq(j->fields[j->slots[at] - 1].name, name))
            return (int32_t)j->slots[at] - 1;
    }
    return -1;
}

/* The value at p into column c; what does not cast is rescued under its raw key. */
static inline const char *put_column(rdl_worker *w, size_t c, const char *p, const char *key,
                                     size_t key_n)
{
    rdl_node *node = &w->nodes[c];
    unsigned depth = w->depth;
    w->struct_extra = false;
    const char *end = put_value(w, node, w->row, p);
    if (__builtin_expect(end != NULL && !w->struct_extra, 1))
        return end;
    if (end == NULL) {
        if (w->status == RDL_PUT_BAD)
            return NULL;
        rdl_put_null(node, w->row);
    }
    w->depth = depth;
    end = rdl_json_skip(w, p);
    if (end != NULL) {
        rdl_worker_rescue_key(w, key, key_n);
        rdl_buf_put(&w->rescue, p, (size_t)(end - p));
    }
    return end;
}

static const char *put_same(rdl_worker *w, size_t c, const char *p, const char *key, size_t key_n)
{
    const char *end = NULL;
    for (int32_t i = (int32_t)c; i >= 0; i = w->job->fields[i].same) {
        w->seen[i] = w->serial;
        if ((end = put_column(w, (size_t)i, p, key, key_n)) == NULL)
            return NULL;
    }
    return end;
}

static const char *twice(rdl_worker *w, const char *at, rdl_str name)
{
    snprintf(w->why_text, sizeof w->why_text, "the field \"%.*s\" is given twice",
             (int)(name.n > 60 ? 60 : name.n), name.p);
    return rdl_json_bad(w, at, w->why_text);
}

/* The key at p, which is not the expected one; *column -1 when it is not declared. */
static const char *other_key(rdl_worker *w, const char *p, int32_t *column)
{
    rdl_str name;
    const char *end = rdl_json_name(w, p, &name);
    if (end == NULL)
        return NULL;
    *column = find_field(w->job, name);
    return end;
}

static const char *put_undeclared(rdl_worker *w, const char *key, size_t key_n, const char *p)
{
    const char *end = rdl_json_skip(w, p);
    if (end != NULL) {
        rdl_worker_rescue_key(w, key, key_n);
        rdl_buf_put(&w->rescue, p, (size_t)(end - p));
    }
    return end;
}

static void missing_to_null(rdl_worker *w)
{
    const rdl_decode *j = w->job;
    for (size_t i = 0; i < j->field_count; i++) {
        if (w->seen[i] != w->serial)
            rdl_put_null(&w->nodes[i], w->row);
    }
}

const char *rdl_json_object(rdl_worker *w, const char *p)
{
    const rdl_field *fields = w->job->fields;
    size_t got = 0, before = 0; /* before: column + 1 of the last key */
    if (*p != '{' && (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0))
        return rdl_json_bad(w, p, "an object is expected, and this is the mark of UTF-16; convert the "
                                  "file to UTF-8");
    if (*p != '{')
        return rdl_json_bad(w, p, "an object is expected");
    w->serial++;
    w->depth = 1;
    p = rdl_json_blank(w, p + 1);
    for (bool more = *p != '}'; more;) {
        const char *key = p;
        int32_t c = (int32_t)w->after[before];
        const rdl_field *f = &fields[c];
        if (__builtin_expect(f->key_bytes != 0 && rdl_scan_key(p, f->key, f->key_bytes), 1)) {
            p += f->key_bytes;
        } else {
            p = other_key(w, p, &c);
            if (p == NULL)
                return NULL;
            if (c >= 0)
                w->after[before] = (uint32_t)c;
        }
        size_t key_n = (size_t)(p - key);
        p = rdl_json_colon(w, p);
        if (p == NULL)
            return NULL;
        if (c < 0) {
            p = put_undeclared(w, key, key_n, p);
        } else {
            if (w->seen[c] == w->serial)
                return twice(w, key, fields[c].name);
            w->seen[c] = w->serial;
            got++;
            before = (size_t)c + 1;
            p = fields[c].same < 0 ? put_column(w, (size_t)c, p, key, key_n)
                                   : put_same(w, (size_t)c, p, key, key_n);
        }
        if (p == NULL || (p = rdl_json_next(w, p, '}', &more)) == NULL)
            return NULL;
    }
    if (got < w->job->value_count)
        missing_to_null(w);
    return p + 1;
}
