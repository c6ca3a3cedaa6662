/*
 * base/snappy.c - the Snappy block format, written.
 *
 *   block     varint length of the plain bytes, then elements
 *   literal   tag (n-1)<<2 for n <= 60; for more 60<<2 or 61<<2 and n-1 in 1 or 2 bytes; bytes
 *   copy      of 4..11 bytes from less than 2 KiB back: tag 1 | (n-4)<<2 | high bits of the
 *             distance <<5, then its low 8 bits
 *             of 1..64 bytes from less than 64 KiB back: tag 2 | (n-1)<<2, distance in 2 bytes
 *
 * The input is cut into pieces of 64 KiB, and each looks for four equal bytes by a table of
 * where their hash was seen last.  Where nothing repeats the steps become longer.
 */
#include "base/snappy.h"

enum {
    PIECE = 1 << 16,
    TABLE_BITS_MIN = 8,
    TABLE_BITS_MAX = 13,
    MATCH_MIN = 4,
    COPY_MAX = 64,
};

static uint32_t load32(const unsigned char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static unsigned char *put_literal(unsigned char *to, const unsigned char *p, size_t n)
{
    if (n == 0)
        return to;
    size_t less = n - 1;
    if (less < 60) {
        *to++ = (unsigned char)(less << 2);
    } else if (less < 256) {
        *to++ = 60 << 2;
        *to++ = (unsigned char)less;
    } else {
        *to++ = 61 << 2;
        *to++ = (unsigned char)less;
        *to++ = (unsigned char)(less >> 8);
    }
    memcpy(to, p, n);
    return to + n;
}

static unsigned char *put_one_copy(unsigned char *to, size_t back, size_t n)
{
    if (n >= MATCH_MIN && n < 12 && back < 2048) {
        *to++ = (unsigned char)(1 | (n - 4) << 2 | back >> 8 << 5);
        *to++ = (unsigned char)back;
        return to;
    }
    *to++ = (unsigned char)(2 | (n - 1) << 2);
    *to++ = (unsigned char)back;
    *to++ = (unsigned char)(back >> 8);
    return to;
}

static unsigned char *put_copy(unsigned char *to, size_t back, size_t n)
{
    for (; n > COPY_MAX; n -= COPY_MAX)
        to = put_one_copy(to, back, COPY_MAX);
    return put_one_copy(to, back, n);
}

static size_t match_length(const unsigned char *p, size_t a, size_t b, size_t n)
{
    size_t start = b;
    while (b < n && p[a] == p[b]) {
        a++;
        b++;
    }
    return b - start;
}

static unsigned char *put_piece(const unsigned char *p, size_t n, unsigned char *to)
{
    uint16_t seen[1 << TABLE_BITS_MAX];
    unsigned bits = TABLE_BITS_MIN;
    size_t from = 0, at = 1, misses = 32;
    while (bits < TABLE_BITS_MAX && (size_t)1 << bits < n)
        bits++;
    memset(seen, 0, sizeof *seen << bits);
    while (at + MATCH_MIN <= n) {
        uint32_t four = load32(p + at);
        uint16_t *slot = &seen[four * UINT32_C(0x9E3779B1) >> (32 - bits)];
        size_t before = *slot;
        *slot = (uint16_t)at;
        if (before >= at || load32(p + before) != four) {
            at += misses++ >> 5;
            continue;
        }
        size_t length =
            MATCH_MIN + match_length(p, before + MATCH_MIN, at + MATCH_MIN, n);
        to = put_literal(to, p + from, at - from);
        to = put_copy(to, at - before, length);
        at += length;
        from = at;
        misses = 32;
    }
    return put_literal(to, p + from, n - from);
}

void rdl_snappy_put(rdl_str in, rdl_buf *out)
{
    /* A literal adds 3 bytes at most, and it follows a copy that took more away. */
    rdl_buf_reserve(out, in.n + in.n / 6 + 64);
    size_t left = in.n;
    while (left >= 128) {
        rdl_buf_putc(out, (char)(left | 128));
        left >>= 7;
    }
    rdl_buf_putc(out, (char)left);
    unsigned char *to = (unsigned char *)out->p + out->n;
    for (size_t at = 0; at < in.n; at += PIECE) {
        size_t n = in.n - at < PIECE ? in.n - at : PIECE;
        to = put_piece((const unsigned char *)in.p + at, n, to);
    }
    out->n = (size_t)((char *)to - out->p);
    out->p[out->n] = '\0';
}
