/*
 * sink/postgres_value.c - values as PostgreSQL's binary COPY has them, and back.
 *
 *   ours          created as         also taken as it is there
 *   BOOLEAN       boolean
 *   INTEGER       integer            bigint, numeric
 *   BIGINT        bigint             numeric
 *   DOUBLE        double precision
 *   DECIMAL(p,s)  numeric(p,s)       wider numeric; s = 0: bigint, integer (what does not fit is an error)
 *   TEXT          text               varchar, uuid
 *   BLOB          bytea
 *   DATE          date
 *   TIMESTAMPTZ   timestamptz        timestamp, which then holds UTC
 *   JSON          json               jsonb, text
 *   LIST of scalars
 *                 array              json, jsonb, text
 *   MAP, STRUCT, other lists
 *                 json               jsonb, text
 *
 * json keeps a text as it came; jsonb orders keys and drops spaces, which verify sees.
 *
 * Numbers are big-endian.  Times count from 2000-01-01, ours from 1970-01-01; both have an
 * infinity, spelled otherwise.  numeric: int16 digits, weight, sign, scale; then digits in base
 * 10000, the first with the weight 10000^weight.
 */
#include <math.h>
#include <stdlib.h>

#include "sink/postgres_internal.h"

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_JSON = 114,
    OID_FLOAT8 = 701,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC = 1700,
    OID_UUID = 2950,
    OID_JSONB = 3802,

    DAYS_1970_TO_2000 = 10957,
    NUMERIC_NAN = 0xC000,
    NUMERIC_NEGATIVE = 0x4000,
    NUMERIC_BASE = 10000,
};

#define US_1970_TO_2000 (INT64_C(86400) * 1000000 * DAYS_1970_TO_2000)

typedef struct known_type {
    uint32_t oid;
    rdl_pg_kind kind;
    const char *name;
} known_type;

static const known_type known[] = {
    {OID_BOOL, RDL_PG_BOOL, "boolean"},
    {OID_INT4, RDL_PG_INT4, "integer"},
    {OID_INT8, RDL_PG_INT8, "bigint"},
    {OID_FLOAT8, RDL_PG_FLOAT8, "double precision"},
    {OID_NUMERIC, RDL_PG_NUMERIC, "numeric"},
    {OID_TEXT, RDL_PG_TEXT, "text"},
    {OID_VARCHAR, RDL_PG_TEXT, "varchar"},
    {OID_JSON, RDL_PG_JSON, "json"},
    {OID_JSONB, RDL_PG_JSONB, "jsonb"},
    {OID_BYTEA, RDL_PG_BYTEA, "bytea"},
    {OID_DATE, RDL_PG_DATE, "date"},
    {OID_TIMESTAMP, RDL_PG_TIMESTAMP, "timestamp"},
    {OID_TIMESTAMPTZ, RDL_PG_TIMESTAMPTZ, "timestamptz"},
    {OID_UUID, RDL_PG_UUID, "uuid"},
};

/* ---- types ---- */

rdl_pg_type rdl_pg_type_of(uint32_t oid, uint32_t element, int32_t typmod)
{
    rdl_pg_type t = {.array = element != 0, .element = element, .precision = -1, .scale = -1};
    uint32_t scalar = element != 0 ? element : oid;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].oid == scalar)
            t.kind = known[i].kind;
    }
    if (t.kind == RDL_PG_NUMERIC && typmod >= 4) {
        t.precision = (typmod - 4) >> 16 & 0xffff;
        t.scale = (typmod - 4) & 0x7ff;
    }
    return t;
}

/* The kind that a scalar is created as; RDL_PG_OTHER for what becomes json. */
static rdl_pg_kind kind_of(const rdl_type *t)
{
    switch (t->kind) {
    case RDL_TYPE_BOOLEAN:
        return RDL_PG_BOOL;
    case RDL_TYPE_INTEGER:
        return RDL_PG_INT4;
    case RDL_TYPE_BIGINT:
        return RDL_PG_INT8;
    case RDL_TYPE_DOUBLE:
        return RDL_PG_FLOAT8;
    case RDL_TYPE_DECIMAL:
        return RDL_PG_NUMERIC;
    case RDL_TYPE_TEXT:
        return RDL_PG_TEXT;
    case RDL_TYPE_BLOB:
        return RDL_PG_BYTEA;
    case RDL_TYPE_DATE:
        return RDL_PG_DATE;
    case RDL_TYPE_TIMESTAMPTZ:
        return RDL_PG_TIMESTAMPTZ;
    case RDL_TYPE_JSON:
        return RDL_PG_JSON;
    default:
        return RDL_PG_OTHER;
    }
}

static bool is_array(const rdl_type *t)
{
    return t->kind == RDL_TYPE_LIST && kind_of(t->child) != RDL_PG_OTHER;
}

void rdl_pg_put_type(const rdl_type *t, rdl_buf *out)
{
    rdl_pg_kind kind = is_array(t) ? kind_of(t->child) : kind_of(t);
    const rdl_type *scalar = is_array(t) ? t->child : t;
    const char *name = "json";
    for (size_t i = sizeof known / sizeof known[0]; i-- > 0;) {
        if (known[i].kind == kind)
            name = known[i].name;
    }
    rdl_buf_puts(out, name);
    if (kind == RDL_PG_NUMERIC)
        rdl_buf_printf(out, "(%u,%u)", scalar->precision, scalar->scale);
    if (is_array(t))
        rdl_buf_puts(out, "[]");
}

static bool numeric_holds(const rdl_pg_type *there, int precision, int scale)
{
    return there->precision < 0 ||
           (there->scale >= scale && there->precision - there->scale >= precision - scale);
}

static bool scalar_fits(const rdl_type *t, const rdl_pg_type *there)
{
    rdl_pg_kind k = there->kind;
    switch (t->kind) {
    case RDL_TYPE_INTEGER:
        return k == RDL_PG_INT4 || k == RDL_PG_INT8 ||
               (k == RDL_PG_NUMERIC && numeric_holds(there, 10, 0));
    case RDL_TYPE_BIGINT:
        return k == RDL_PG_INT8 || (k == RDL_PG_NUMERIC && numeric_holds(there, 19, 0));
    case RDL_TYPE_DECIMAL:
        return (k == RDL_PG_NUMERIC && numeric_holds(there, t->precision, t->scale)) ||
               (t->scale == 0 && (k == RDL_PG_INT8 || k == RDL_PG_INT4));
    case RDL_TYPE_TEXT:
        return k == RDL_PG_TEXT || k == RDL_PG_UUID;
    case RDL_TYPE_TIMESTAMPTZ:
        return k == RDL_PG_TIMESTAMPTZ || k == RDL_PG_TIMESTAMP;
    case RDL_TYPE_JSON:
        return k == RDL_PG_JSON || k == RDL_PG_JSONB || k == RDL_PG_TEXT;
    default:
        return k == kind_of(t);
    }
}

bool rdl_pg_type_fits(const rdl_type *t, const rdl_pg_type *there)
{
    if (t->kind == RDL_TYPE_LIST && there->array)
        return is_array(t) && scalar_fits(t->child, there);
    if (there->array)
        return false;
    if (t->kind >= RDL_TYPE_LIST)
        return there->kind == RDL_PG_JSON || there->kind == RDL_PG_JSONB ||
               there->kind == RDL_PG_TEXT;
    return scalar_fits(t, there);
}

/* ---- writing ---- */

static void put_u16(rdl_buf *out, uint32_t x)
{
    const uint16_t b = __builtin_bswap16((uint16_t)x);
    rdl_buf_put(out, &b, 2);
}

static void put_u32(rdl_buf *out, uint32_t x)
{
    const uint32_t b = __builtin_bswap32(x);
    rdl_buf_put(out, &b, 4);
}

/* A length of 4 and a value, in one put. */
static void put_sized32(rdl_buf *out, uint32_t x)
{
    const uint32_t b[2] = {__builtin_bswap32(4), __builtin_bswap32(x)};
    rdl_buf_put(out, b, 8);
}

static void put_sized64(rdl_buf *out, uint64_t x)
{
    struct {
        uint32_t n;
        char value[8];
    } b = {.n = __builtin_bswap32(8)};
    x = __builtin_bswap64(x);
    memcpy(b.value, &x, 8);
    rdl_buf_put(out, &b, 12);
}

static rdl_pg_bad put_text(rdl_buf *out, rdl_str s)
{
    if (s.n > 0 && memchr(s.p, 0, s.n) != NULL)
        return RDL_PG_BAD_NUL;
    put_u32(out, (uint32_t)s.n);
    rdl_buf_put(out, s.p, s.n);
    return RDL_PG_FINE;
}

/* unscaled * 10^-scale.  Digits are taken from the right, in groups that meet the point. */
static void put_numeric(rdl_buf *out, rdl_i128 unscaled, unsigned scale)
{
    rdl_u128 x = unscaled < 0 ? -(rdl_u128)unscaled : (rdl_u128)unscaled;
    uint16_t digits[16];
    int n = 0, last = -(int)((scale + 3) / 4); /* weight of the digit that comes next */
    unsigned pad = (4 - scale % 4) % 4, one = 1;
    for (unsigned i = 0; i < pad; i++)
        one *= 10;
    /* The rightmost group is short of `pad` places. */
    if (x != 0 && pad != 0) {
        unsigned least = NUMERIC_BASE / one;
        digits[n++] = (uint16_t)((unsigned)(x % least) * one);
        x /= least;
    }
    for (; x != 0; x /= NUMERIC_BASE)
        digits[n++] = (uint16_t)(x % NUMERIC_BASE);
    int weight = n > 0 ? last + n - 1 : 0, from = 0;
    while (from < n && digits[from] == 0) /* zeros at the right are not stored */
        from++;
    put_u32(out, (uint32_t)(8 + 2 * (n - from)));
    put_u16(out, (uint32_t)(n - from));
    put_u16(out, (uint32_t)weight & 0xffff);
    put_u16(out, unscaled < 0 ? NUMERIC_NEGATIVE : 0);
    put_u16(out, scale);
    for (int i = n; i-- > from;)
        put_u16(out, digits[i]);
}

static rdl_i128 whole_number(const rdl_vector *v, size_t row)
{
    switch (v->type->kind) {
    case RDL_TYPE_INTEGER:
        return RDL_VECTOR_AT(v, int32_t, row);
    case RDL_TYPE_BIGINT:
        return RDL_VECTOR_AT(v, int64_t, row);
    default:
        return rdl_vector_decimal(v, row);
    }
}

static rdl_pg_bad put_number(const rdl_vector *v, size_t row, const rdl_pg_type *t, rdl_buf *out)
{
    rdl_i128 x = whole_number(v, row);
    if (t->kind == RDL_PG_NUMERIC) {
        put_numeric(out, x, v->type->kind == RDL_TYPE_DECIMAL ? v->type->scale : 0);
        return RDL_PG_FINE;
    }
    if (t->kind == RDL_PG_INT8) {
        if (x < INT64_MIN || x > INT64_MAX)
            return RDL_PG_BAD_RANGE;
        put_sized64(out, (uint64_t)(int64_t)x);
        return RDL_PG_FINE;
    }
    if (x < INT32_MIN || x > INT32_MAX)
        return RDL_PG_BAD_RANGE;
    put_sized32(out, (uint32_t)(int32_t)x);
    return RDL_PG_FINE;
}

static rdl_pg_bad put_date(int32_t days, rdl_buf *out)
{
    int32_t there = 0;
    if (days == INT32_MAX)
        there = INT32_MAX;
    else if (days == -INT32_MAX)
        there = INT32_MIN;
    else if (__builtin_sub_overflow(days, DAYS_1970_TO_2000, &there) || there < -2451545)
        return RDL_PG_BAD_RANGE; /* before 4714 BC */
    put_sized32(out, (uint32_t)there);
    return RDL_PG_FINE;
}

static rdl_pg_bad put_time(int64_t us, rdl_buf *out)
{
    int64_t there = 0;
    if (us == INT64_MAX)
        there = INT64_MAX;
    else if (us == -INT64_MAX)
        there = INT64_MIN;
    else if (__builtin_sub_overflow(us, US_1970_TO_2000, &there) ||
             there < INT64_C(-211813488000000000))
        return RDL_PG_BAD_RANGE;
    put_sized64(out, (uint64_t)there);
    return RDL_PG_FINE;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static rdl_pg_bad put_uuid(rdl_str s, rdl_buf *out)
{
    uint8_t b[16] = {0};
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int x = hex_of(s.p[i]);
        if (s.p[i] == '-')
            continue;
        if (x < 0 || n == 32)
            return RDL_PG_BAD_RANGE;
        b[n / 2] = (uint8_t)(b[n / 2] << 4 | x);
        n++;
    }
    if (n != 32)
        return RDL_PG_BAD_RANGE;
    put_u32(out, 16);
    rdl_buf_put(out, b, 16);
    return RDL_PG_FINE;
}

static rdl_pg_bad put_json(const rdl_vector *v, size_t row, const rdl_pg_type *t, rdl_buf *out)
{
    size_t at = out->n;
    put_u32(out, 0);
    if (t->kind == RDL_PG_JSONB)
        rdl_buf_putc(out, 1); /* its version */
    if (v->type->kind == RDL_TYPE_JSON) {
        rdl_str s = rdl_vector_str(v, row);
        rdl_buf_put(out, s.p, s.n);
    } else {
        rdl_vector_print_json(v, row, out);
    }
    const uint32_t n = __builtin_bswap32((uint32_t)(out->n - at - 4));
    memcpy(out->p + at, &n, 4);
    return RDL_PG_FINE;
}

static rdl_pg_bad put_array(const rdl_vector *v, size_t row, const rdl_pg_type *t, rdl_buf *out)
{
    rdl_duck_list l = RDL_VECTOR_AT(v, rdl_duck_list, row);
    rdl_pg_type element = *t;
    size_t at = out->n;
    uint32_t nulls = 0;
    element.array = false;
    put_u32(out, 0);
    put_u32(out, l.length > 0); /* dimensions */
    put_u32(out, 0);            /* has nulls */
    put_u32(out, t->element);
    if (l.length > 0) {
        put_u32(out, (uint32_t)l.length);
        put_u32(out, 1); /* lower bound */
    }
    for (uint64_t i = 0; i < l.length; i++) {
        nulls |= !rdl_vector_valid(&v->children[0], l.offset + i);
        rdl_pg_bad bad = rdl_pg_put_value(&v->children[0], l.offset + i, &element, out);
        if (bad != RDL_PG_FINE)
            return bad;
    }
    const uint32_t n = __builtin_bswap32((uint32_t)(out->n - at - 4));
    nulls = __builtin_bswap32(nulls);
    memcpy(out->p + at, &n, 4);
    memcpy(out->p + at + 8, &nulls, 4);
    return RDL_PG_FINE;
}

rdl_pg_bad rdl_pg_put_value(const rdl_vector *v, size_t row, const rdl_pg_type *t, rdl_buf *out)
{
    uint64_t bits;
    if (!rdl_vector_valid(v, row)) {
        put_u32(out, UINT32_MAX);
        return RDL_PG_FINE;
    }
    if (t->array)
        return put_array(v, row, t, out);
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        put_u32(out, 1);
        rdl_buf_putc(out, RDL_VECTOR_AT(v, int8_t, row) != 0);
        return RDL_PG_FINE;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DECIMAL:
        return put_number(v, row, t, out);
    case RDL_TYPE_DOUBLE:
        memcpy(&bits, &RDL_VECTOR_AT(v, double, row), 8);
        put_sized64(out, bits);
        return RDL_PG_FINE;
    case RDL_TYPE_DATE:
        return put_date(RDL_VECTOR_AT(v, int32_t, row), out);
    case RDL_TYPE_TIMESTAMPTZ:
        return put_time(RDL_VECTOR_AT(v, int64_t, row), out);
    case RDL_TYPE_TEXT:
        return t->kind == RDL_PG_UUID ? put_uuid(rdl_vector_str(v, row), out)
                                      : put_text(out, rdl_vector_str(v, row));
    case RDL_TYPE_BLOB: {
        rdl_str s = rdl_vector_str(v, row);
        put_u32(out, (uint32_t)s.n);
        rdl_buf_put(out, s.p, s.n);
        return RDL_PG_FINE;
    }
    default:
        return put_json(v, row, t, out);
    }
}

/* ---- reading ---- */

static uint32_t get_u16(const char *p)
{
    uint16_t x;
    memcpy(&x, p, 2);
    return __builtin_bswap16(x);
}

static uint32_t get_u32(const char *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return __builtin_bswap32(x);
}

static uint64_t get_u64(const char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return __builtin_bswap64(x);
}

/* False for NaN, infinity and what has more digits than 10^38, or decimals than scale. */
static bool read_numeric(rdl_str s, unsigned scale, rdl_i128 *out)
{
    const rdl_u128 limit = (rdl_u128)10000000000000000000u * 10000000000000000000u;
    if (s.n < 8)
        return false;
    int n = (int)get_u16(s.p), weight = (int16_t)get_u16(s.p + 2);
    uint32_t sign = get_u16(s.p + 4);
    if (s.n != 8 + 2 * (size_t)n || (sign & NUMERIC_NAN) == NUMERIC_NAN)
        return false;
    rdl_u128 x = 0;
    int power = 4 * (weight - n + 1) + (int)scale; /* x stands for x * 10^power */
    for (int i = 0; i < n; i++) {
        unsigned digit = get_u16(s.p + 8 + 2 * i), base = NUMERIC_BASE;
        /* Zeros that fill the last group are no digits of the value. */
        for (; i == n - 1 && power < 0 && base > 1 && digit % 10 == 0; power++) {
            digit /= 10;
            base /= 10;
        }
        if (x > (limit - digit) / base)
            return false;
        x = x * base + digit;
    }
    for (; n > 0 && x != 0 && power > 0; power--) {
        if (x >= limit / 10)
            return false;
        x *= 10;
    }
    for (; x != 0 && power < 0; power++) {
        if (x % 10 != 0)
            return false;
        x /= 10;
    }
    *out = sign == NUMERIC_NEGATIVE ? -(rdl_i128)x : (rdl_i128)x;
    return true;
}

static bool read_number(rdl_str s, const rdl_pg_type *t, rdl_vector *v, size_t row)
{
    rdl_i128 x = 0, most = 1;
    if (t->kind == RDL_PG_INT4 && s.n == 4)
        x = (int32_t)get_u32(s.p);
    else if (t->kind == RDL_PG_INT8 && s.n == 8)
        x = (int64_t)get_u64(s.p);
    else if (t->kind != RDL_PG_NUMERIC ||
             !read_numeric(s, v->type->kind == RDL_TYPE_DECIMAL ? v->type->scale : 0, &x))
        return false;
    if (v->type->kind == RDL_TYPE_INTEGER) {
        RDL_VECTOR_AT(v, int32_t, row) = (int32_t)x;
        return x >= INT32_MIN && x <= INT32_MAX;
    }
    if (v->type->kind == RDL_TYPE_BIGINT) {
        RDL_VECTOR_AT(v, int64_t, row) = (int64_t)x;
        return x >= INT64_MIN && x <= INT64_MAX;
    }
    for (unsigned i = 0; i < v->type->precision; i++)
        most *= 10;
    if (x >= most || x <= -most)
        return false;
    rdl_vector_set_decimal(v, row, x);
    return true;
}

static bool read_date(rdl_str s, rdl_vector *v, size_t row)
{
    if (s.n != 4)
        return false;
    int32_t there = (int32_t)get_u32(s.p);
    RDL_VECTOR_AT(v, int32_t, row) = there == INT32_MAX   ? INT32_MAX
                                     : there == INT32_MIN ? -INT32_MAX
                                                          : there + DAYS_1970_TO_2000;
    return true;
}

static bool read_time(rdl_str s, rdl_vector *v, size_t row)
{
    if (s.n != 8)
        return false;
    int64_t there = (int64_t)get_u64(s.p), us = 0;
    if (there == INT64_MAX)
        us = INT64_MAX;
    else if (there == INT64_MIN)
        us = -INT64_MAX;
    else if (__builtin_add_overflow(there, US_1970_TO_2000, &us))
        return false;
    RDL_VECTOR_AT(v, int64_t, row) = us;
    return true;
}

static bool read_uuid(rdl_str s, rdl_vector *v, size_t row)
{
    static const char digits[] = "0123456789abcdef";
    char text[36];
    size_t n = 0;
    if (s.n != 16)
        return false;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[n++] = '-';
        text[n++] = digits[(uint8_t)s.p[i] >> 4];
        text[n++] = digits[s.p[i] & 15];
    }
    rdl_vector_set_str(v, row, text, 36);
    return true;
}

static bool read_array(rdl_str s, const rdl_pg_type *t, rdl_vector *v, size_t row,
                       rdl_text_slot *slot)
{
    rdl_pg_type element = *t;
    size_t from = slot->used, n = 0, at = 12;
    element.array = false;
    if (s.n < 12 || get_u32(s.p) > 1)
        return false;
    if (get_u32(s.p) == 1) {
        if (s.n < 20)
            return false;
        n = get_u32(s.p + 12);
        at = 20;
    }
    if (!rdl_text_slot_reserve(v, slot, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s.n - at < 4)
            return false;
        uint32_t size = get_u32(s.p + at);
        at += 4;
        if (size == UINT32_MAX) {
            rdl_vector_set_null(&v->children[0], slot->used++);
            continue;
        }
        if (s.n - at < size ||
            !rdl_pg_read_value((rdl_str){s.p + at, size}, &element, &v->children[0], slot->used++,
                               &slot->children[0]))
            return false;
        at += size;
    }
    RDL_VECTOR_AT(v, rdl_duck_list, row) = (rdl_duck_list){from, n};
    return at == s.n;
}

static bool read_json(rdl_str s, const rdl_pg_type *t, rdl_vector *v, size_t row,
                      rdl_text_slot *slot)
{
    if (t->kind == RDL_PG_JSONB) {
        if (s.n == 0 || s.p[0] != 1)
            return false;
        s = (rdl_str){s.p + 1, s.n - 1};
    }
    return rdl_text_read(s, v, row, slot);
}

bool rdl_pg_read_value(rdl_str s, const rdl_pg_type *t, rdl_vector *v, size_t row,
                       rdl_text_slot *slot)
{
    uint64_t bits;
    if (t->array)
        return v->type->kind == RDL_TYPE_LIST && read_array(s, t, v, row, slot);
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        if (s.n == 1)
            RDL_VECTOR_AT(v, int8_t, row) = s.p[0] != 0;
        return s.n == 1;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DECIMAL:
        return read_number(s, t, v, row);
    case RDL_TYPE_DOUBLE:
        if (s.n != 8)
            return false;
        bits = get_u64(s.p);
        memcpy(&RDL_VECTOR_AT(v, double, row), &bits, 8);
        return true;
    case RDL_TYPE_DATE:
        return read_date(s, v, row);
    case RDL_TYPE_TIMESTAMPTZ:
        return read_time(s, v, row);
    case RDL_TYPE_TEXT:
        if (t->kind == RDL_PG_UUID)
            return read_uuid(s, v, row);
        rdl_vector_set_str(v, row, s.p, s.n);
        return true;
    case RDL_TYPE_BLOB:
        rdl_vector_set_str(v, row, s.p, s.n);
        return true;
    default:
        return read_json(s, t, v, row, slot);
    }
}
