/*
 * sink/sqlite_decimal.c - decimals in SQLite: what its readers compare as numbers, and we read
 * back digit by digit.
 *
 * A column is DECIMAL(p,s), which has NUMERIC affinity.  By the number of a value's digits:
 *
 *   whole (s = 0), in 64 bits   INTEGER
 *   up to 15                    the nearest double: SQLite compares, orders and adds it as the
 *                               number it is, and 15 digits are read back from it exactly
 *   more, which p > 15 allows   BLOB, the digits as ASCII, filled up with blanks on the left to
 *                               p + 3 bytes
 *
 * INVARIANTS (tests/unit/sink_sqlite_test.c)
 *
 *   D1  A value that is written is read back as it was, digit by digit.
 *   D2  Values of up to 15 digits, and whole ones of 64 bits, order and compare as numbers.
 *   D3  So do longer ones that are not negative, with one another too: SQLite puts a BLOB
 *       after every number, and blobs of one length go by their bytes.  A longer negative
 *       one stands behind all numbers; arithmetic (`x + 0`) takes each as a number.
 *
 * TEXT would hold every digit, but '9.00' is then more than '10.00'; NUMERIC affinity would make
 * a double of longer text.  A collation would order text, but outside readers have none.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sink/sqlite_internal.h"

static const rdl_i128 short_max = 1000000000000000; /* exclusive: 15 digits */

static bool is_short(rdl_i128 d)
{
    return d < short_max && d > -short_max;
}

static bool is_64_bits(rdl_i128 d)
{
    return d >= INT64_MIN && d <= INT64_MAX;
}

int rdl_sqlite_bind_decimal(rdl_sqlite *s, sqlite3_stmt *st, int at, const rdl_vector *v, size_t row)
{
    char filled[48];
    rdl_i128 d = rdl_vector_decimal(v, row);
    if (v->type->scale == 0 && is_64_bits(d))
        return sqlite3_bind_int64(st, at, (int64_t)d);
    rdl_buf_clear(&s->text);
    rdl_vector_print(v, row, &s->text);
    if (is_short(d))
        return sqlite3_bind_double(st, at, strtod(rdl_buf_str(&s->text), NULL));
    int n = snprintf(filled, sizeof filled, "%*s", (int)v->type->precision + 3,
                     rdl_buf_str(&s->text));
    return sqlite3_bind_blob(st, at, filled, n, SQLITE_TRANSIENT);
}

static bool read_double(double x, rdl_vector *v, size_t row, rdl_text_slot *slot)
{
    char text[400];
    int n = snprintf(text, sizeof text, "%.*f", (int)v->type->scale, x);
    return isfinite(x) && n > 0 && (size_t)n < sizeof text &&
           rdl_text_read((rdl_str){text, (size_t)n}, v, row, slot) &&
           is_short(rdl_vector_decimal(v, row)) && strtod(text, NULL) == x;
}

rdl_str rdl_sqlite_decimal_digits(sqlite3_stmt *st, int at)
{
    const char *p = sqlite3_column_blob(st, at);
    rdl_str digits = {p, (size_t)sqlite3_column_bytes(st, at)};
    while (digits.n > 0 && digits.p[0] == ' ')
        digits = (rdl_str){digits.p + 1, digits.n - 1};
    return digits;
}

bool rdl_sqlite_read_decimal(sqlite3_stmt *st, int at, rdl_vector *v, size_t row,
                             rdl_text_slot *slot)
{
    switch (sqlite3_column_type(st, at)) {
    case SQLITE_INTEGER:
        if (v->type->scale != 0)
            return read_double(sqlite3_column_double(st, at), v, row, slot);
        return rdl_text_read(rdl_str_of((const char *)sqlite3_column_text(st, at)), v, row, slot);
    case SQLITE_FLOAT:
        return read_double(sqlite3_column_double(st, at), v, row, slot);
    default: /* BLOB; TEXT in a table that an earlier version made */
        return v->type->precision > RDL_SQLITE_DOUBLE_DIGITS &&
               rdl_text_read(rdl_sqlite_decimal_digits(st, at), v, row, slot);
    }
}
