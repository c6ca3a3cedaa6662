/*
 * lake/parquet_rle.c - levels and dictionary indexes in Parquet's mixture of runs and bits.
 *
 *   run     varint of count << 1, the value in as many bytes as its width needs
 *   packed  varint of groups << 1 | 1, then 8 values of `width` bits a group, low bits first;
 *           what is missing in the last group is zero
 *
 * Values that do not repeat are packed in whole groups, so a run begins at a multiple of eight
 * behind the last one and is worth it from eight values on.
 */
#include "lake/parquet_column.h"

enum { GROUP = 8 };

static void put_varint(rdl_buf *out, uint64_t x)
{
    for (; x >= 128; x >>= 7)
        rdl_buf_putc(out, (char)(x | 128));
    rdl_buf_putc(out, (char)x);
}

static void put_run(rdl_buf *out, uint32_t value, size_t n, unsigned width)
{
    put_varint(out, (uint64_t)n << 1);
    for (unsigned bits = 0; bits < width; bits += 8)
        rdl_buf_putc(out, (char)(value >> bits));
}

static void put_packed(rdl_buf *out, const uint32_t *v, size_t n, unsigned width)
{
    size_t groups = (n + GROUP - 1) / GROUP;
    if (n == 0)
        return;
    put_varint(out, (uint64_t)groups << 1 | 1);
    rdl_buf_reserve(out, groups * width + sizeof(uint64_t));
    char *to = out->p + out->n;
    uint64_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < groups * GROUP; i++) {
        bits |= (uint64_t)(i < n ? v[i] : 0) << have;
        for (have += width; have >= 8; have -= 8, bits >>= 8)
            *to++ = (char)bits;
    }
    out->n = (size_t)(to - out->p);
    out->p[out->n] = '\0';
}

unsigned rdl_parquet_bits(uint32_t most)
{
    return most < 2 ? 1 : 32 - (unsigned)__builtin_clz(most);
}

void rdl_parquet_put_hybrid(rdl_buf *out, const uint32_t *v, size_t n, unsigned width)
{
    size_t start = 0;
    for (size_t i = 0; i < n;) {
        size_t run = 1;
        while (i + run < n && v[i + run] == v[i])
            run++;
        size_t fill = (GROUP - (i - start) % GROUP) % GROUP;
        if (run < fill + GROUP) {
            i += run;
            continue;
        }
        put_packed(out, v + start, i + fill - start, width);
        put_run(out, v[i], run - fill, width);
        i += run;
        start = i;
    }
    put_packed(out, v + start, n - start, width);
}
