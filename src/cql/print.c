/*
 * cql/print.c - values as text, as CQL literals, as JSON.
 *
 * Numbers are exact: floats by the fewest digits that read back as the same float, decimals
 * with the digits and scale that they have.  Times are UTC with milliseconds.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cql/type.h"
#include "cql/value.h"

typedef enum style { BARE, LITERAL, JSON } style;

static rdl_code print_value(rdl_cql_value v, style s, unsigned depth, rdl_buf *out, rdl_err *err);

void rdl_cql_put_string(rdl_buf *out, rdl_str s)
{
    rdl_buf_put_sql_text(out, s);
}

/* The words that CQL takes for itself (Cassandra 5.0, doc/cql3: reserved ones). */
static bool is_reserved(rdl_str name)
{
    static const char *const words[] = {
        "add",    "allow",       "alter",  "and",          "apply",    "asc",      "authorize",
        "batch",  "begin",       "by",     "columnfamily", "create",   "default",  "delete",
        "desc",   "describe",    "drop",   "entries",      "execute",  "from",     "full",
        "grant",  "if",          "in",     "index",        "infinity", "insert",   "into",
        "is",     "keyspace",    "limit",  "materialized", "mbean",    "mbeans",   "modify",
        "nan",    "norecursive", "not",    "null",         "of",       "on",       "or",
        "order",  "primary",     "rename", "replace",      "revoke",   "schema",   "select",
        "set",    "table",       "to",     "token",        "truncate", "unlogged", "unset",
        "update", "use",         "using",  "view",         "where",    "with",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (rdl_str_eq(name, rdl_str_of(words[i])))
            return true;
    return false;
}

void rdl_cql_put_ident(rdl_buf *out, rdl_str name)
{
    bool plain = name.n > 0 && name.p[0] >= 'a' && name.p[0] <= 'z' && !is_reserved(name);
    for (size_t i = 0; i < name.n && plain; i++)
        plain = (name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_' ||
                (name.p[i] >= '0' && name.p[i] <= '9');
    if (!plain) {
        rdl_buf_putc(out, '"');
        for (size_t i = 0; i < name.n; i++) {
            if (name.p[i] == '"')
                rdl_buf_putc(out, '"');
            rdl_buf_putc(out, name.p[i]);
        }
        rdl_buf_putc(out, '"');
        return;
    }
    rdl_buf_put(out, name.p, name.n);
}

static void print_double(double v, bool narrow, style s, rdl_buf *out)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        const char *name = isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity";
        rdl_buf_printf(out, s == JSON ? "\"%s\"" : "%s", name);
        return;
    }
    for (int digits = narrow ? 6 : 15; digits <= (narrow ? 9 : 17); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        double back = strtod(text, NULL);
        if (narrow ? (float)back == (float)v : back == v)
            break;
    }
    rdl_buf_puts(out, text);
    if (strpbrk(text, ".e") == NULL)
        rdl_buf_puts(out, ".0");
}

/* digits with a point, as BigDecimal.toString does: 12.50, 1.5E+3, 1E-7. */
static rdl_code print_decimal(rdl_cql_value v, rdl_buf *out, rdl_err *err)
{
    rdl_buf digits = {0};
    if (v.n < 5)
        return rdl_err_set(err, RDL_EDATA, 0, "could not read a decimal: %d bytes", v.n);
    int64_t scale = (int32_t)rdl_be32(v.p);
    if (!rdl_varint_print(v.p + 4, (size_t)v.n - 4, &digits)) {
        rdl_buf_fini(&digits);
        return rdl_err_set(err, RDL_ELIMIT, 0,
                           "could not print a decimal: it has more than %d digits",
                           RDL_CQL_DIGITS_MAX);
    }
    const char *d = digits.p;
    if (*d == '-')
        rdl_buf_putc(out, *d++);
    int64_t n = (int64_t)strlen(d), point = n - scale; /* digits before the point */
    int64_t exponent = point - 1;
    if (scale == 0) {
        rdl_buf_puts(out, d);
    } else if (scale > 0 && exponent >= -6) {
        if (point > 0) {
            rdl_buf_put(out, d, (size_t)point);
            rdl_buf_printf(out, ".%s", d + point);
        } else {
            rdl_buf_puts(out, "0.");
            for (int64_t i = point; i < 0; i++)
                rdl_buf_putc(out, '0');
            rdl_buf_puts(out, d);
        }
    } else {
        rdl_buf_putc(out, *d);
        if (n > 1)
            rdl_buf_printf(out, ".%s", d + 1);
        rdl_buf_printf(out, "E%+" PRId64, exponent);
    }
    rdl_buf_fini(&digits);
    return RDL_OK;
}

static rdl_code print_number(rdl_cql_value v, style s, rdl_buf *out, rdl_err *err)
{
    int64_t i = 0;
    double d = 0;
    switch (v.type->kind) {
    case RDL_CQL_DECIMAL:
        return print_decimal(v, out, err);
    case RDL_CQL_VARINT:
        if (v.n == 0 || !rdl_varint_print(v.p, (size_t)v.n, out))
            return rdl_err_set(err, RDL_EDATA, 0, "could not print a varint of %d bytes", v.n);
        return RDL_OK;
    case RDL_CQL_FLOAT:
    case RDL_CQL_DOUBLE:
        RDL_TRY(rdl_cql_get_double(v, &d, err));
        print_double(d, v.type->kind == RDL_CQL_FLOAT, s, out);
        return RDL_OK;
    default:
        RDL_TRY(rdl_cql_get_int(v, &i, err));
        rdl_buf_printf(out, "%" PRId64, i);
        return RDL_OK;
    }
}

static void print_time(int64_t ns, rdl_buf *out)
{
    int64_t s = ns / 1000000000;
    rdl_buf_printf(out, "%02d:%02d:%02d.%09d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60),
                   (int)(ns % 1000000000));
}

/* YYYY-MM-DD with as many digits of the year as it needs. */
static void print_days(int64_t days, rdl_buf *out)
{
    rdl_civil c;
    rdl_civil_from_days((int32_t)days, &c);
    rdl_buf_printf(out, "%04d-%02u-%02u", c.year, c.month, c.day);
}

static void print_timestamp(int64_t ms, rdl_buf *out)
{
    const int64_t day = 86400000;
    int64_t days = ms / day - (ms % day < 0), in_day = ms % day + (ms % day < 0 ? day : 0);
    /* Java's years end at 292 million; a calendar's at what 32 bits of days hold. */
    if (days < INT32_MIN || days > INT32_MAX) {
        rdl_buf_printf(out, "%" PRId64, ms);
        return;
    }
    print_days(days, out);
    rdl_buf_printf(out, "T%02d:%02d:%02d.%03dZ", (int)(in_day / 3600000),
                   (int)(in_day / 60000 % 60), (int)(in_day / 1000 % 60), (int)(in_day % 1000));
}

static void print_duration(rdl_cql_duration d, rdl_buf *out)
{
    uint64_t ns = d.nanoseconds < 0 ? 0 - (uint64_t)d.nanoseconds : (uint64_t)d.nanoseconds;
    int64_t months = d.months < 0 ? -(int64_t)d.months : d.months;
    int64_t days = d.days < 0 ? -(int64_t)d.days : d.days;
    if (d.months < 0 || d.days < 0 || d.nanoseconds < 0)
        rdl_buf_putc(out, '-');
    if (months != 0)
        rdl_buf_printf(out, "%" PRId64 "mo", months);
    if (days != 0)
        rdl_buf_printf(out, "%" PRId64 "d", days);
    if (ns != 0 || (months == 0 && days == 0))
        rdl_buf_printf(out, "%" PRIu64 "ns", ns);
}

static rdl_code print_when(rdl_cql_value v, rdl_buf *out, rdl_err *err)
{
    rdl_cql_duration d;
    int64_t n = 0;
    switch (v.type->kind) {
    case RDL_CQL_DATE:
        RDL_TRY(rdl_cql_get_date(v, &n, err));
        print_days(n, out);
        return RDL_OK;
    case RDL_CQL_TIME:
        RDL_TRY(rdl_cql_get_time(v, &n, err));
        print_time(n, out);
        return RDL_OK;
    case RDL_CQL_TIMESTAMP:
        RDL_TRY(rdl_cql_get_timestamp(v, &n, err));
        print_timestamp(n, out);
        return RDL_OK;
    default:
        RDL_TRY(rdl_cql_get_duration(v, &d, err));
        print_duration(d, out);
        return RDL_OK;
    }
}

static void print_hex(const uint8_t *p, int32_t n, rdl_buf *out)
{
    static const char digits[] = "0123456789abcdef";
    for (int32_t i = 0; i < n; i++) {
        rdl_buf_putc(out, digits[p[i] >> 4]);
        rdl_buf_putc(out, digits[p[i] & 15]);
    }
}

static rdl_code print_plain(rdl_cql_value v, rdl_buf *out, rdl_err *err)
{
    char text[RDL_ADDRESS_TEXT_BYTES];
    rdl_address address;
    uint8_t id[16];
    switch (v.type->kind) {
    case RDL_CQL_UUID:
    case RDL_CQL_TIMEUUID:
        RDL_TRY(rdl_cql_get_uuid(v, id, err));
        for (int i = 0; i < 16; i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10)
                rdl_buf_putc(out, '-');
            print_hex(id + i, 1, out);
        }
        return RDL_OK;
    case RDL_CQL_INET:
        RDL_TRY(rdl_cql_get_inet(v, &address, err));
        rdl_address_print(&address, text);
        rdl_buf_puts(out, text);
        return RDL_OK;
    default:
        rdl_buf_puts(out, "0x");
        print_hex(v.p, v.n, out);
        return RDL_OK;
    }
}

static void print_name(rdl_str name, style s, rdl_buf *out)
{
    if (s == JSON)
        rdl_buf_put_json_text(out, name);
    else
        rdl_cql_put_ident(out, name);
    rdl_buf_puts(out, ": ");
}

/* A key of a JSON object: what is no text is printed and quoted. */
static rdl_code print_json_key(rdl_cql_value key, unsigned depth, rdl_buf *out, rdl_err *err)
{
    rdl_buf text = {0};
    rdl_code rc = print_value(key, BARE, depth, &text, err);
    if (rc == RDL_OK)
        rdl_buf_put_json_text(out, (rdl_str){rdl_buf_str(&text), text.n});
    rdl_buf_fini(&text);
    return rc;
}

static rdl_code print_items(rdl_cql_value v, style s, unsigned depth, rdl_buf *out, rdl_err *err)
{
    rdl_cql_kind k = v.type->kind;
    style inner = s == BARE ? LITERAL : s;
    rdl_cql_items it;
    rdl_cql_value key = {0}, item = {0};
    bool object = k == RDL_CQL_MAP || k == RDL_CQL_UDT;
    char open = object || (k == RDL_CQL_SET && s != JSON) ? '{'
                : k == RDL_CQL_TUPLE && s != JSON         ? '('
                                                          : '[';
    RDL_TRY(rdl_cql_items_of(v, &it, err));
    rdl_buf_putc(out, open);
    for (uint32_t i = 0; rdl_cql_items_next(&it, &key, &item); i++) {
        if (i > 0)
            rdl_buf_puts(out, ", ");
        if (k == RDL_CQL_UDT) {
            print_name(v.type->names[i], s, out);
        } else if (k == RDL_CQL_MAP) {
            RDL_TRY(s == JSON ? print_json_key(key, depth + 1, out, err)
                              : print_value(key, inner, depth + 1, out, err));
            rdl_buf_puts(out, ": ");
        }
        RDL_TRY(print_value(item, inner, depth + 1, out, err));
    }
    rdl_buf_putc(out, open == '{' ? '}' : open == '(' ? ')' : ']');
    return RDL_OK;
}

static rdl_code print_text(rdl_cql_value v, style s, rdl_buf *out, rdl_err *err)
{
    rdl_str text;
    RDL_TRY(rdl_cql_get_text(v, &text, err));
    if (s == JSON)
        rdl_buf_put_json_text(out, text);
    else if (s == LITERAL)
        rdl_cql_put_string(out, text);
    else
        rdl_buf_put(out, text.p, text.n);
    return RDL_OK;
}

static rdl_code print_value(rdl_cql_value v, style s, unsigned depth, rdl_buf *out, rdl_err *err)
{
    bool flag = false;
    if (v.n < 0) {
        rdl_buf_puts(out, "null");
        return RDL_OK;
    }
    if (depth >= RDL_CQL_DEPTH_MAX)
        return rdl_err_set(err, RDL_ELIMIT, 0, "could not print a value: it is nested too deeply");
    switch (v.type->kind) {
    case RDL_CQL_ASCII:
    case RDL_CQL_TEXT:
        return print_text(v, s, out, err);
    case RDL_CQL_BOOLEAN:
        RDL_TRY(rdl_cql_get_bool(v, &flag, err));
        rdl_buf_puts(out, flag ? "true" : "false");
        return RDL_OK;
    case RDL_CQL_TINYINT:
    case RDL_CQL_SMALLINT:
    case RDL_CQL_INT:
    case RDL_CQL_BIGINT:
    case RDL_CQL_COUNTER:
    case RDL_CQL_VARINT:
    case RDL_CQL_DECIMAL:
    case RDL_CQL_FLOAT:
    case RDL_CQL_DOUBLE:
        return print_number(v, s, out, err);
    case RDL_CQL_LIST:
    case RDL_CQL_SET:
    case RDL_CQL_MAP:
    case RDL_CQL_TUPLE:
    case RDL_CQL_UDT:
    case RDL_CQL_VECTOR:
        return print_items(v, s, depth, out, err);
    default:
        break;
    }
    bool when = v.type->kind == RDL_CQL_DATE || v.type->kind == RDL_CQL_TIME ||
                v.type->kind == RDL_CQL_TIMESTAMP;
    const char *quote = s == JSON                                                ? "\""
                        : s == LITERAL && (when || v.type->kind == RDL_CQL_INET) ? "'"
                                                                                 : "";
    rdl_buf_puts(out, quote);
    RDL_TRY(when || v.type->kind == RDL_CQL_DURATION ? print_when(v, out, err)
                                                     : print_plain(v, out, err));
    rdl_buf_puts(out, quote);
    return RDL_OK;
}

rdl_code rdl_cql_print(rdl_cql_value v, rdl_buf *out, rdl_err *err)
{
    return print_value(v, BARE, 0, out, err);
}

rdl_code rdl_cql_print_literal(rdl_cql_value v, rdl_buf *out, rdl_err *err)
{
    return print_value(v, LITERAL, 0, out, err);
}

rdl_code rdl_cql_print_json(rdl_cql_value v, rdl_buf *out, rdl_err *err)
{
    return print_value(v, JSON, 0, out, err);
}
