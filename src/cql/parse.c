/*
 * cql/parse.c - a scalar from its text, written as the next bind's type asks.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cql/value.h"
#include "cql/wire.h"
#include "cql/writer.h"

/* A text that is short enough to be a number, an address or a time, with a NUL. */
enum { SHORT_BYTES = 128 };
typedef struct short_text {
    char p[SHORT_BYTES];
    bool ok;
} short_text;

static short_text shortened(rdl_str s)
{
    short_text t = {.ok = s.n > 0 && s.n < SHORT_BYTES && memchr(s.p, 0, s.n) == NULL};
    if (t.ok)
        memcpy(t.p, s.p, s.n);
    return t;
}

static bool put_integer(rdl_cql_writer *w, const rdl_cql_type *t, rdl_str s)
{
    rdl_buf bytes = {0};
    rdl_cql_int128 v;
    bool ok = rdl_varint_parse(s, &bytes);
    if (ok && t->kind == RDL_CQL_VARINT) {
        rdl_cql_put_raw(w, (rdl_str){bytes.p, bytes.n});
    } else if (ok) {
        ok = rdl_varint_read((const uint8_t *)bytes.p, bytes.n, &v);
        if (ok)
            rdl_cql_put_varint(w, v);
    }
    rdl_buf_fini(&bytes);
    return ok;
}

static bool put_decimal(rdl_cql_writer *w, rdl_str s)
{
    rdl_buf digits = {0}, bytes = {0};
    int32_t scale = 0;
    bool ok = rdl_decimal_split(s, &digits, &scale);
    if (ok) {
        rdl_wire_put_int(&bytes, scale);
        ok = rdl_varint_parse((rdl_str){digits.p, digits.n}, &bytes);
    }
    if (ok)
        rdl_cql_put_raw(w, (rdl_str){bytes.p, bytes.n});
    rdl_buf_fini(&digits);
    rdl_buf_fini(&bytes);
    return ok;
}

static bool put_double(rdl_cql_writer *w, rdl_str s)
{
    short_text t = shortened(s);
    char *end = t.p;
    double v = t.ok && !isspace((unsigned char)t.p[0]) ? strtod(t.p, &end) : 0;
    if (!t.ok || end == t.p || *end != '\0')
        return false;
    rdl_cql_put_double(w, v);
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool put_hex(rdl_cql_writer *w, rdl_str s)
{
    rdl_buf bytes = {0};
    bool ok = s.n >= 2 && s.p[0] == '0' && s.p[1] == 'x' && s.n % 2 == 0;
    for (size_t i = 2; ok && i < s.n; i += 2) {
        int hi = hex_digit(s.p[i]), lo = hex_digit(s.p[i + 1]);
        ok = hi >= 0 && lo >= 0;
        if (ok)
            rdl_wire_put_byte(&bytes, (uint8_t)(hi * 16 + lo));
    }
    if (ok)
        rdl_cql_put_blob(w, (rdl_str){bytes.p, bytes.n});
    rdl_buf_fini(&bytes);
    return ok;
}

static bool put_uuid(rdl_cql_writer *w, rdl_str s)
{
    uint8_t id[16];
    size_t at = 0;
    if (s.n != 36)
        return false;
    for (size_t i = 0; i < 36;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (s.p[i++] != '-')
                return false;
            continue;
        }
        int hi = hex_digit(s.p[i]), lo = hex_digit(s.p[i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        id[at++] = (uint8_t)(hi * 16 + lo);
        i += 2;
    }
    rdl_cql_put_uuid(w, id);
    return true;
}

/* Digits of a fraction, as nanoseconds. */
static bool fraction(const char *p, size_t n, int64_t *out)
{
    int64_t v = 0;
    if (n == 0 || n > 9)
        return false;
    for (size_t i = 0; i < 9; i++) {
        if (i < n && (p[i] < '0' || p[i] > '9'))
            return false;
        v = v * 10 + (i < n ? p[i] - '0' : 0);
    }
    *out = v;
    return true;
}

static bool put_time(rdl_cql_writer *w, rdl_str s)
{
    int part[3];
    int64_t ns = 0;
    if (s.n < 8 || s.p[2] != ':' || s.p[5] != ':')
        return false;
    for (int i = 0; i < 3; i++) {
        const char *p = s.p + 3 * i;
        if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
            return false;
        part[i] = (p[0] - '0') * 10 + (p[1] - '0');
    }
    if (part[0] > 23 || part[1] > 59 || part[2] > 59)
        return false;
    if (s.n > 8 && (s.p[8] != '.' || !fraction(s.p + 9, s.n - 9, &ns)))
        return false;
    rdl_cql_put_time(w, (int64_t)(part[0] * 3600 + part[1] * 60 + part[2]) * 1000000000 + ns);
    return true;
}

static bool put_when(rdl_cql_writer *w, const rdl_cql_type *t, rdl_str s)
{
    int32_t days = 0;
    int64_t us = 0;
    if (t->kind == RDL_CQL_TIME)
        return put_time(w, s);
    if (t->kind == RDL_CQL_DATE) {
        if (!rdl_date_parse(s.p, s.n, &days))
            return false;
        rdl_cql_put_date(w, days);
        return true;
    }
    if (!rdl_timestamp_parse(s.p, s.n, &us))
        return false;
    rdl_cql_put_timestamp(w, us / 1000 - (us % 1000 < 0));
    return true;
}

typedef struct duration_unit {
    const char *name;
    int32_t months, days;
    int64_t nanoseconds;
} duration_unit;

static const duration_unit units[] = {
    {"mo", 1, 0, 0},          {"ms", 0, 0, 1000000},
    {"us", 0, 0, 1000},       {"ns", 0, 0, 1},
    {"y", 12, 0, 0},          {"w", 0, 7, 0},
    {"d", 0, 1, 0},           {"h", 0, 0, 3600000000000},
    {"m", 0, 0, 60000000000}, {"s", 0, 0, 1000000000},
};

static const duration_unit *unit_at(const char *p)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strncmp(p, units[i].name, strlen(units[i].name)) == 0)
            return &units[i];
    return NULL;
}

/* 1y2mo3w4d5h6m7s8ms9us10ns, any of them, a minus in front for all. */
static bool put_duration(rdl_cql_writer *w, rdl_str s)
{
    short_text t = shortened(s);
    const char *p = t.p;
    int64_t months = 0, days = 0, ns = 0;
    bool minus = *p == '-';
    p += minus;
    if (!t.ok || *p == '\0')
        return false;
    while (*p != '\0') {
        int64_t n = 0, part;
        const char *from = p;
        for (; *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
                return false;
        const duration_unit *u = unit_at(p);
        if (p == from || u == NULL)
            return false;
        p += strlen(u->name);
        if (n > INT32_MAX && u->nanoseconds == 0)
            return false;
        months += n * u->months;
        days += n * u->days;
        if (__builtin_mul_overflow(n, u->nanoseconds, &part) ||
            __builtin_add_overflow(ns, part, &ns))
            return false;
    }
    if (months > INT32_MAX || days > INT32_MAX)
        return false;
    int sign = minus ? -1 : 1;
    rdl_cql_put_duration(
        w, (rdl_cql_duration){(int32_t)months * sign, (int32_t)days * sign, ns * sign});
    return true;
}

static bool put_scalar(rdl_cql_writer *w, const rdl_cql_type *t, rdl_str s)
{
    rdl_address address;
    short_text small;
    switch (t->kind) {
    case RDL_CQL_ASCII:
    case RDL_CQL_TEXT:
        if (t->kind == RDL_CQL_TEXT && !rdl_cql_utf8_valid(s))
            return false;
        rdl_cql_put_text(w, s);
        return true;
    case RDL_CQL_BOOLEAN:
        if (!rdl_str_eq_nocase(s, RDL_STR("true")) && !rdl_str_eq_nocase(s, RDL_STR("false")))
            return false;
        rdl_cql_put_bool(w, s.n == 4);
        return true;
    case RDL_CQL_DECIMAL:
        return put_decimal(w, s);
    case RDL_CQL_FLOAT:
    case RDL_CQL_DOUBLE:
        return put_double(w, s);
    case RDL_CQL_DATE:
    case RDL_CQL_TIME:
    case RDL_CQL_TIMESTAMP:
        return put_when(w, t, s);
    case RDL_CQL_DURATION:
        return put_duration(w, s);
    case RDL_CQL_UUID:
    case RDL_CQL_TIMEUUID:
        return put_uuid(w, s);
    case RDL_CQL_INET:
        small = shortened(s);
        if (!small.ok || !rdl_address_parse(small.p, 0, &address))
            return false;
        rdl_cql_put_inet(w, &address);
        return true;
    case RDL_CQL_BLOB:
    case RDL_CQL_CUSTOM:
        return put_hex(w, s);
    default:
        return t->n == 0 && put_integer(w, t, s);
    }
}

void rdl_cql_put_parsed(rdl_cql_writer *w, rdl_str s)
{
    const rdl_cql_type *t = rdl_cql_put_type(w);
    if (w->failed != RDL_OK || t == NULL) {
        rdl_cql_put_null(w); /* says that there is no place */
        return;
    }
    if (!put_scalar(w, t, s))
        rdl_cql_put_refuse(w, s);
}
