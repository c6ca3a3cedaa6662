/*
 * source/decode/number.c - numbers from text, exactly.
 *
 * Accepted: [+-] digits [. digits] [e [+-] digits], with a digit on one side of the point.
 * Integers must be integral ("3.0" and "1e3" are, "1.5" is not cast).  Decimals come from
 * the digits, never through a double, and are rounded half away from zero to their scale,
 * as DuckDB's CAST.  Doubles are correctly rounded: with at most 2^53 in the mantissa and
 * 10^22 in the power both are exact and one operation rounds once (Clinger); everything
 * else goes to strtod in the C locale.
 */
#include "source/decode/internal.h"

#include <math.h>
#include <stdlib.h>

typedef struct parts {
    bool negative;
    const char *whole, *fraction;
    size_t whole_n, fraction_n;
    int64_t exponent; /* clamped to +-1000000 */
} parts;

static bool split_number(const char *p, size_t n, parts *out)
{
    const char *end = p + n;
    *out = (parts){0};
    if (p < end && (*p == '-' || *p == '+'))
        out->negative = *p++ == '-';
    out->whole = p;
    while (p < end && (unsigned char)(*p - '0') < 10)
        p++;
    out->whole_n = (size_t)(p - out->whole);
    out->fraction = p;
    if (p < end && *p == '.') {
        out->fraction = ++p;
        while (p < end && (unsigned char)(*p - '0') < 10)
            p++;
        out->fraction_n = (size_t)(p - out->fraction);
    }
    if (out->whole_n + out->fraction_n == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        bool minus = false;
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            minus = *p++ == '-';
        if (p == end)
            return false;
        for (; p < end && (unsigned char)(*p - '0') < 10; p++) {
            if (out->exponent < 100000)
                out->exponent = out->exponent * 10 + (*p - '0');
        }
        if (minus)
            out->exponent = -out->exponent;
    }
    return p == end;
}

static int digit_at(const parts *q, size_t i)
{
    return (i < q->whole_n ? q->whole[i] : q->fraction[i - q->whole_n]) - '0';
}

/* The number times 10^scale as an integer of at most 38 digits; *cut: digits were lost. */
static rdl_put scaled(const parts *q, int64_t scale, rdl_i128 *out, bool *cut)
{
    size_t digits = q->whole_n + q->fraction_n;
    int64_t keep = (int64_t)q->whole_n + q->exponent + scale;
    rdl_i128 v = 0;
    int used = 0;
    size_t i = 0;
    *cut = false;
    for (; i < digits && (int64_t)i < keep; i++) {
        int d = digit_at(q, i);
        if (used == 0 && d == 0)
            continue;
        if (++used > 38)
            return RDL_PUT_BAD;
        v = v * 10 + d;
    }
    for (int64_t at = (int64_t)i; v != 0 && at < keep; at++) {
        if (++used > 38)
            return RDL_PUT_BAD;
        v *= 10;
    }
    for (size_t k = i; k < digits && !*cut; k++)
        *cut = digit_at(q, k) != 0;
    if (i < digits && keep >= 0 && (int64_t)i == keep && digit_at(q, i) >= 5)
        v += 1;
    *out = q->negative ? -v : v;
    return RDL_PUT_OK;
}

rdl_put rdl_number_integer(const char *p, size_t n, int64_t min, int64_t max, int64_t *out)
{
    parts q;
    rdl_i128 v;
    bool cut;
    if (!split_number(p, n, &q))
        return RDL_PUT_NOCAST;
    if (scaled(&q, 0, &v, &cut) != RDL_PUT_OK)
        return RDL_PUT_BAD;
    if (cut)
        return RDL_PUT_NOCAST;
    if (v < min || v > max)
        return RDL_PUT_BAD;
    *out = (int64_t)v;
    return RDL_PUT_OK;
}

static rdl_i128 power_of_ten(unsigned n)
{
    rdl_i128 v = 1;
    while (n-- > 0)
        v *= 10;
    return v;
}

rdl_put rdl_number_decimal(const char *p, size_t n, unsigned precision, unsigned scale,
                           rdl_i128 *out)
{
    parts q;
    rdl_i128 v;
    bool cut;
    if (!split_number(p, n, &q))
        return RDL_PUT_NOCAST;
    if (scaled(&q, scale, &v, &cut) != RDL_PUT_OK)
        return RDL_PUT_BAD;
    rdl_i128 limit = power_of_ten(precision);
    if (v >= limit || v <= -limit)
        return RDL_PUT_BAD;
    *out = v;
    return RDL_PUT_OK;
}

static bool special_double(const char *p, size_t n, double *out)
{
    double sign = 1;
    if (n > 0 && (*p == '-' || *p == '+')) {
        sign = *p == '-' ? -1 : 1;
        p++;
        n--;
    }
    rdl_str s = {p, n};
    if (rdl_str_eq_nocase(s, RDL_STR("nan")))
        *out = (double)NAN;
    else if (rdl_str_eq_nocase(s, RDL_STR("inf")) || rdl_str_eq_nocase(s, RDL_STR("infinity")))
        *out = sign * (double)INFINITY;
    else
        return false;
    return true;
}

static rdl_put slow_double(const char *p, size_t n, locale_t c_locale, double *out)
{
    char small[128], *text = small;
    if (n >= sizeof small) {
        text = malloc(n + 1); /* allow: a number of any length, released below */
        if (text == NULL)
            return RDL_PUT_BAD;
    }
    memcpy(text, p, n);
    text[n] = '\0';
    double v = strtod_l(text, NULL, c_locale);
    if (text != small)
        free(text); /* allow: as above */
    if (!isfinite(v))
        return RDL_PUT_BAD;
    *out = v;
    return RDL_PUT_OK;
}

rdl_put rdl_number_double(const char *p, size_t n, locale_t c_locale, double *out)
{
    static const double power[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    parts q;
    if (!split_number(p, n, &q))
        return special_double(p, n, out) ? RDL_PUT_OK : RDL_PUT_NOCAST;
    int64_t ten = q.exponent - (int64_t)q.fraction_n;
    if (q.whole_n + q.fraction_n > 19 || ten < -22 || ten > 22)
        return slow_double(p, n, c_locale, out);
    uint64_t m = 0;
    for (size_t i = 0; i < q.whole_n + q.fraction_n; i++)
        m = m * 10 + (uint64_t)digit_at(&q, i);
    if (m > UINT64_C(1) << 53)
        return slow_double(p, n, c_locale, out);
    double v = ten < 0 ? (double)m / power[-ten] : (double)m * power[ten];
    *out = q.negative ? -v : v;
    return RDL_PUT_OK;
}
