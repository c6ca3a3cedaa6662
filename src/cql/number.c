/*
 * cql/number.c - vints, varints and decimals of any width: bytes to digits and back.
 *
 * Wide numbers are taken in limbs of 10^9 or 2^32; the width is bounded, so the quadratic
 * conversion is fast enough.
 */
#include "cql/value.h"

#include "cql/wire.h"

enum {
    LIMB_DIGITS = 9,
    LIMB = 1000000000,
    LIMBS_MAX = RDL_CQL_DIGITS_MAX / LIMB_DIGITS + 2,
    BYTES_MAX = 4160, /* more than 10,000 digits need */
    EXPONENT_MAX = 1000000,
};

size_t rdl_vint_read(const uint8_t *p, size_t n, uint64_t *out)
{
    if (n == 0)
        return 0;
    unsigned extra = 0;
    while (extra < 8 && (p[0] & 0x80u >> extra) != 0)
        extra++;
    if (n < 1 + (size_t)extra)
        return 0;
    uint64_t v = extra < 8 ? p[0] & (0xFFu >> extra) : 0;
    for (unsigned i = 1; i <= extra; i++)
        v = v << 8 | p[i];
    *out = v;
    return 1 + (size_t)extra;
}

size_t rdl_vint_write(uint64_t v, uint8_t out[RDL_CQL_VINT_MAX])
{
    unsigned extra = 0;
    while (extra < 8 && v >> (7 * (extra + 1)) != 0)
        extra++;
    if (extra == 8 || v >> (7 * (extra + 1)) != 0)
        extra = 8;
    for (unsigned i = extra; i > 0; i--) {
        out[i] = (uint8_t)v;
        v >>= 8;
    }
    out[0] = (uint8_t)(v | (0xFFu << (8 - extra) & 0xFFu));
    return 1 + (size_t)extra;
}

size_t rdl_varint_write(rdl_cql_int128 v, uint8_t out[16])
{
    uint8_t all[16];
    size_t from = 0;
    rdl_set_be64(all, (uint64_t)v.hi);
    rdl_set_be64(all + 8, v.lo);
    /* A leading byte goes when the next one still shows the sign. */
    while (from < 15 && ((all[from] == 0x00 && (all[from + 1] & 0x80) == 0) ||
                         (all[from] == 0xFF && (all[from + 1] & 0x80) != 0)))
        from++;
    memcpy(out, all + from, 16 - from);
    return 16 - from;
}

bool rdl_varint_read(const uint8_t *p, size_t n, rdl_cql_int128 *out)
{
    uint8_t fill = n > 0 && (p[0] & 0x80) != 0 ? 0xFF : 0x00;
    while (n > 16 && p[0] == fill) {
        p++;
        n--;
    }
    if (n > 16 || (n > 0 && ((p[0] ^ fill) & 0x80) != 0))
        return false;
    uint8_t all[16];
    memset(all, fill, sizeof all);
    memcpy(all + 16 - n, p, n);
    *out = (rdl_cql_int128){(int64_t)rdl_be64(all), rdl_be64(all + 8)};
    return true;
}

/* The magnitude as limbs of 10^9, lowest first. */
static size_t limbs_of(const uint8_t *p, size_t n, bool negative, uint32_t limbs[LIMBS_MAX])
{
    size_t count = 0;
    uint8_t magnitude[BYTES_MAX];
    unsigned carry = negative ? 1 : 0;
    for (size_t i = n; i-- > 0;) {
        unsigned b = (negative ? (uint8_t)~p[i] : p[i]) + carry;
        magnitude[i] = (uint8_t)b;
        carry = b >> 8;
    }
    if (carry != 0) /* -256^n */
        limbs[count++] = 1;
    for (size_t i = 0; i < n; i++) {
        uint64_t add = magnitude[i];
        for (size_t k = 0; k < count; k++) {
            uint64_t v = (uint64_t)limbs[k] * 256 + add;
            limbs[k] = (uint32_t)(v % LIMB);
            add = v / LIMB;
        }
        if (add == 0)
            continue;
        if (count == LIMBS_MAX)
            return SIZE_MAX;
        limbs[count++] = (uint32_t)add;
    }
    return count;
}

bool rdl_varint_print(const uint8_t *p, size_t n, rdl_buf *out)
{
    uint32_t limbs[LIMBS_MAX];
    bool negative = n > 0 && (p[0] & 0x80) != 0;
    if (n > BYTES_MAX)
        return false;
    size_t count = limbs_of(p, n, negative, limbs);
    if (count == SIZE_MAX)
        return false;
    if (count == 0) {
        rdl_buf_putc(out, '0');
        return true;
    }
    rdl_buf_printf(out, "%s%u", negative ? "-" : "", limbs[count - 1]);
    for (size_t k = count - 1; k-- > 0;)
        rdl_buf_printf(out, "%09u", limbs[k]);
    return true;
}

bool rdl_varint_parse(rdl_str s, rdl_buf *out)
{
    uint8_t bytes[BYTES_MAX + 1] = {0}; /* lowest first */
    size_t used = 0, at = 0;
    bool negative = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        at = 1;
    if (at == s.n || s.n - at > RDL_CQL_DIGITS_MAX)
        return false;
    for (; at < s.n; at++) {
        if (s.p[at] < '0' || s.p[at] > '9')
            return false;
        unsigned add = (unsigned)(s.p[at] - '0');
        for (size_t k = 0; k < used; k++) {
            unsigned v = bytes[k] * 10u + add;
            bytes[k] = (uint8_t)v;
            add = v >> 8;
        }
        if (add != 0)
            bytes[used++] = (uint8_t)add;
    }
    if (negative) {
        unsigned carry = 1;
        for (size_t k = 0; k < sizeof bytes; k++) {
            unsigned v = (uint8_t)~bytes[k] + carry;
            bytes[k] = (uint8_t)v;
            carry = v >> 8;
        }
    }
    size_t n = used + 1; /* room for the sign; dropped where it says nothing */
    while (n > 1 && ((bytes[n - 1] == 0x00 && (bytes[n - 2] & 0x80) == 0) ||
                     (bytes[n - 1] == 0xFF && (bytes[n - 2] & 0x80) != 0)))
        n--;
    for (size_t k = n; k-- > 0;)
        rdl_wire_put_byte(out, bytes[k]);
    return true;
}

bool rdl_decimal_split(rdl_str s, rdl_buf *out, int32_t *out_scale)
{
    size_t at = 0, digits = 0;
    int64_t scale = 0, exponent = 0;
    bool point = false;
    if (at < s.n && (s.p[at] == '-' || s.p[at] == '+'))
        rdl_buf_putc(out, s.p[at++]);
    for (; at < s.n && s.p[at] != 'e' && s.p[at] != 'E'; at++) {
        if (s.p[at] == '.' && !point) {
            point = true;
        } else if (s.p[at] >= '0' && s.p[at] <= '9') {
            rdl_buf_putc(out, s.p[at]);
            digits++;
            scale += point;
        } else {
            return false;
        }
    }
    if (at < s.n) {
        bool minus = false;
        size_t first = ++at;
        if (at < s.n && (s.p[at] == '-' || s.p[at] == '+')) {
            minus = s.p[at] == '-';
            first = ++at;
        }
        for (; at < s.n; at++) {
            if (s.p[at] < '0' || s.p[at] > '9' || exponent > EXPONENT_MAX)
                return false;
            exponent = exponent * 10 + (s.p[at] - '0');
        }
        if (first == at)
            return false;
        scale -= minus ? -exponent : exponent;
    }
    *out_scale = (int32_t)scale;
    return digits > 0;
}

bool rdl_cql_utf8_valid(rdl_str s)
{
    const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;
    while (p < end) {
        uint8_t c = *p;
        if (c < 0x80) {
            p++;
            continue;
        }
        unsigned n = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
        if (c < 0xC2 || c > 0xF4 || (size_t)(end - p) <= n)
            return false;
        if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) ||
            (c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F))
            return false;
        for (unsigned i = 1; i <= n; i++)
            if ((p[i] & 0xC0) != 0x80)
                return false;
        p += n + 1;
    }
    return true;
}
