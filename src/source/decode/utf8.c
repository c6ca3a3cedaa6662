/*
 * source/decode/utf8.c - is it UTF-8?
 *
 * Well-formed as RFC 3629 says: no overlong forms, no surrogates, nothing over U+10FFFF.
 */
#include "source/decode/internal.h"

static size_t sequence(const unsigned char *p, size_t n)
{
    unsigned char a = p[0];
    if (a < 0x80)
        return 1;
    if (a < 0xc2 || a > 0xf4 || n < 2)
        return 0;
    unsigned char b = p[1];
    if (a < 0xe0)
        return (b & 0xc0) == 0x80 ? 2 : 0;
    unsigned char low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
    unsigned char high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (b < low || b > high || n < 3 || (p[2] & 0xc0) != 0x80)
        return 0;
    if (a < 0xf0)
        return 3;
    return n >= 4 && (p[3] & 0xc0) == 0x80 ? 4 : 0;
}

size_t rdl_utf8_valid(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        while (n - i >= 8) {
            memcpy(&eight, s + i, 8);
            if ((eight & UINT64_C(0x8080808080808080)) != 0)
                break;
            i += 8;
        }
        if (i == n)
            break;
        size_t step = sequence(s + i, n - i);
        if (step == 0)
            return i;
        i += step;
    }
    return n;
}
