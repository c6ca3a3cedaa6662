/*
 * duck/print.c - one value of a vector as text or as JSON.
 *
 * Text is DuckDB's CAST AS VARCHAR for scalars.  Doubles are printed with the fewest digits
 * that read back the same, in DuckDB's layout: 0.1, 1.0, 1e+20, 1.5e-07, inf, nan.
 */
#include "duck/vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

/* ---- numbers ---- */

/* Fewest significant digits (at most 17) that read back as x; the decimal exponent. */
static int shortest_digits(double x, char digits[20], int *exponent)
{
    char text[40];
    int precision = x < 0x1p-1022 ? 0 : 14; /* any 15 digits come back, but of a subnormal */
    do {
        snprintf(text, sizeof text, "%.*e", precision, x);
    } while (strtod(text, NULL) != x && ++precision <= 16);
    int n = 0;
    const char *p = text;
    for (; *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    bool negative = p[1] == '-';
    *exponent = 0;
    for (p += 2; *p != '\0'; p++)
        *exponent = *exponent * 10 + (*p - '0');
    if (negative)
        *exponent = -*exponent;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

static void put_zeros(rdl_buf *out, int n)
{
    while (n-- > 0)
        rdl_buf_putc(out, '0');
}

/* As fmt's "{}" does it: fixed for exponents -4 .. 15, else scientific. */
static void put_double(double x, rdl_buf *out)
{
    char digits[20];
    int e;
    if (isnan(x) || isinf(x)) {
        rdl_buf_puts(out, isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    if (signbit(x))
        rdl_buf_putc(out, '-');
    int n = shortest_digits(fabs(x), digits, &e);
    if (e < -4 || e > 15) {
        rdl_buf_putc(out, digits[0]);
        if (n > 1) {
            rdl_buf_putc(out, '.');
            rdl_buf_put(out, digits + 1, (size_t)(n - 1));
        }
        rdl_buf_printf(out, "e%c%02d", e < 0 ? '-' : '+', abs(e));
    } else if (e < 0) {
        rdl_buf_puts(out, "0.");
        put_zeros(out, -e - 1);
        rdl_buf_put(out, digits, (size_t)n);
    } else {
        int whole = n < e + 1 ? n : e + 1;
        rdl_buf_put(out, digits, (size_t)whole);
        put_zeros(out, e + 1 - whole);
        rdl_buf_putc(out, '.');
        if (n > whole)
            rdl_buf_put(out, digits + whole, (size_t)(n - whole));
        else
            rdl_buf_putc(out, '0');
    }
}

static void put_int64(int64_t x, rdl_buf *out)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)x);
    rdl_buf_put(out, text, (size_t)n);
}

static void put_decimal(rdl_i128 value, unsigned scale, rdl_buf *out)
{
    char digits[48];
    size_t at = sizeof digits;
    rdl_u128 x = value < 0 ? -(rdl_u128)value : (rdl_u128)value;
    if (value < 0)
        rdl_buf_putc(out, '-');
    for (unsigned i = 0; x != 0 || i <= scale; i++) {
        digits[--at] = (char)('0' + (int)(x % 10));
        x /= 10;
        if (i + 1 == scale)
            digits[--at] = '.';
    }
    rdl_buf_put(out, digits + at, sizeof digits - at);
}

/* ---- times and bytes ---- */

static bool put_infinite(int64_t x, int64_t most, rdl_buf *out)
{
    if (x != most && x != -most)
        return false;
    rdl_buf_puts(out, x > 0 ? "infinity" : "-infinity");
    return true;
}

static void put_blob(rdl_str s, rdl_buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 32 || c > 126 || c == '\\' || c == '\'' || c == '"')
            rdl_buf_printf(out, "\\x%02X", c);
        else
            rdl_buf_putc(out, (char)c);
    }
}

/* Scalars other than text; iso: times as in JSON. */
static void put_scalar(const rdl_vector *v, size_t row, bool iso, rdl_buf *out)
{
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        rdl_buf_puts(out, RDL_VECTOR_AT(v, int8_t, row) ? "true" : "false");
        break;
    case RDL_TYPE_INTEGER:
        put_int64(RDL_VECTOR_AT(v, int32_t, row), out);
        break;
    case RDL_TYPE_BIGINT:
        put_int64(RDL_VECTOR_AT(v, int64_t, row), out);
        break;
    case RDL_TYPE_DOUBLE:
        put_double(RDL_VECTOR_AT(v, double, row), out);
        break;
    case RDL_TYPE_DECIMAL:
        put_decimal(rdl_vector_decimal(v, row), v->type->scale, out);
        break;
    case RDL_TYPE_DATE:
        if (!put_infinite(RDL_VECTOR_AT(v, int32_t, row), INT32_MAX, out))
            rdl_date_print(RDL_VECTOR_AT(v, int32_t, row), out);
        break;
    case RDL_TYPE_TIMESTAMPTZ: {
        int64_t us = RDL_VECTOR_AT(v, int64_t, row);
        if (put_infinite(us, INT64_MAX, out))
            break;
        if (iso)
            rdl_timestamp_print_iso(us, out);
        else
            rdl_timestamp_print(us, out);
        break;
    }
    case RDL_TYPE_BLOB:
        put_blob(rdl_vector_str(v, row), out);
        break;
    default: {
        rdl_str s = rdl_vector_str(v, row);
        rdl_buf_put(out, s.p, s.n);
        break;
    }
    }
}

/* ---- JSON ---- */

static void json_list(const rdl_vector *v, size_t row, rdl_buf *out)
{
    rdl_duck_list l = RDL_VECTOR_AT(v, rdl_duck_list, row);
    rdl_buf_putc(out, '[');
    for (uint64_t i = 0; i < l.length; i++) {
        if (i != 0)
            rdl_buf_putc(out, ',');
        rdl_vector_print_json(&v->children[0], l.offset + i, out);
    }
    rdl_buf_putc(out, ']');
}

/* Keys of a map are names in JSON, so that a number becomes text. */
static void json_map(const rdl_vector *v, size_t row, rdl_buf *out)
{
    rdl_duck_list l = RDL_VECTOR_AT(v, rdl_duck_list, row);
    rdl_buf key = {0};
    rdl_buf_putc(out, '{');
    for (uint64_t i = 0; i < l.length; i++) {
        if (i != 0)
            rdl_buf_putc(out, ',');
        rdl_buf_clear(&key);
        rdl_vector_print(&v->children[0], l.offset + i, &key);
        rdl_buf_put_json_text(out, (rdl_str){rdl_buf_str(&key), key.n});
        rdl_buf_putc(out, ':');
        rdl_vector_print_json(&v->children[1], l.offset + i, out);
    }
    rdl_buf_putc(out, '}');
    rdl_buf_fini(&key);
}

static void json_struct(const rdl_vector *v, size_t row, rdl_buf *out)
{
    rdl_buf_putc(out, '{');
    for (size_t i = 0; i < v->child_count; i++) {
        if (i != 0)
            rdl_buf_putc(out, ',');
        rdl_buf_put_json_text(out, v->type->field_names[i]);
        rdl_buf_putc(out, ':');
        rdl_vector_print_json(&v->children[i], row, out);
    }
    rdl_buf_putc(out, '}');
}

/* Types whose JSON is text in quotes; doubles when JSON has no number for them. */
static bool json_quoted(const rdl_vector *v, size_t row)
{
    switch (v->type->kind) {
    case RDL_TYPE_DOUBLE:
        return !isfinite(RDL_VECTOR_AT(v, double, row));
    case RDL_TYPE_TEXT:
    case RDL_TYPE_BLOB:
    case RDL_TYPE_DATE:
    case RDL_TYPE_TIMESTAMPTZ:
        return true;
    default:
        return false;
    }
}

void rdl_vector_print_json(const rdl_vector *v, size_t row, rdl_buf *out)
{
    rdl_buf text = {0};
    if (!rdl_vector_valid(v, row)) {
        rdl_buf_puts(out, "null");
    } else if (v->type->kind == RDL_TYPE_LIST) {
        json_list(v, row, out);
    } else if (v->type->kind == RDL_TYPE_MAP) {
        json_map(v, row, out);
    } else if (v->type->kind == RDL_TYPE_STRUCT) {
        json_struct(v, row, out);
    } else if (v->type->kind == RDL_TYPE_TEXT) {
        rdl_buf_put_json_text(out, rdl_vector_str(v, row));
    } else if (json_quoted(v, row)) {
        put_scalar(v, row, true, &text);
        rdl_buf_put_json_text(out, (rdl_str){rdl_buf_str(&text), text.n});
        rdl_buf_fini(&text);
    } else {
        put_scalar(v, row, true, out);
    }
}

void rdl_vector_print(const rdl_vector *v, size_t row, rdl_buf *out)
{
    if (!rdl_vector_valid(v, row))
        rdl_buf_puts(out, "NULL");
    else if (v->child_count != 0)
        rdl_vector_print_json(v, row, out);
    else
        put_scalar(v, row, false, out);
}
