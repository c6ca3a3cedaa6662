/*
 * source/decode/lines.c - counting lines sixteen bytes at a time, and telling the blank
 * ones.
 */
#include "source/decode/lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

static bool blank_line(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p == end;
}

static uint64_t blank_at(const char *line, const char *end)
{
    if ((unsigned char)*line > ' ')
        return 0;
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    return stop != NULL && blank_line(line, stop);
}

#if defined(__SSE2__)
/* Newlines of **p + 1 .. as far as whole vectors go; *p is left at the last byte looked at.
 */
static uint64_t count_inner(const char **p, const char *end, uint64_t *blank)
{
    const __m128i lf = _mm_set1_epi8('\n'), low = _mm_set1_epi8(' '), zero = _mm_setzero_si128();
    const char *at = *p;
    uint64_t lines = 0;
    while (end - at > 16) {
        __m128i found = zero;
        for (unsigned k = 0; k < 255 && end - at > 16; k++, at += 16) {
            __m128i before = _mm_loadu_si128((const __m128i *)(const void *)at);
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(at + 1));
            __m128i white = _mm_cmpeq_epi8(_mm_min_epu8(v, low), v);
            unsigned look =
                (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(before, lf), white));
            found = _mm_sub_epi8(found, _mm_cmpeq_epi8(v, lf));
            for (; look != 0; look &= look - 1)
                *blank += blank_at(at + 1 + __builtin_ctz(look), end);
        }
        __m128i sum = _mm_sad_epu8(found, zero);
        lines += (uint64_t)_mm_cvtsi128_si64(sum) +
                 (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum));
    }
    *p = at;
    return lines;
}
#endif

#if defined(__x86_64__) && defined(__SSE2__)
/* The same thirty-two bytes at a time, one load each, where the processor can. */
__attribute__((target("avx2,popcnt"))) static uint64_t count_wide(const char **p, const char *end,
                                                                  uint64_t *blank)
{
    const __m256i lf = _mm256_set1_epi8('\n'), low = _mm256_set1_epi8(' ');
    const char *at = *p + 1;
    uint64_t lines = 0;
    uint32_t after = **p == '\n'; /* the byte before `at` ends a line */
    for (; end - at >= 32; at += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)at);
        uint32_t nl = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, lf));
        uint32_t white =
            (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(v, low), v));
        uint32_t look = (nl << 1 | after) & white;
        lines += (uint32_t)__builtin_popcount(nl);
        for (; look != 0; look &= look - 1)
            *blank += blank_at(at + __builtin_ctz(look), end);
        after = nl >> 31;
    }
    *p = at - 1;
    return lines;
}
#endif

void rdl_count_lines(const char *p, const char *end, uint64_t *out_lines, uint64_t *out_records)
{
    uint64_t lines = 0, blank = 0;
    const char *from = p;
#if defined(__SSE2__)
    /* A line that starts with a byte over ' ' is no blank one: only the others are looked
     * at. */
    if (end - p > 32) {
        lines += *p == '\n';
        blank += blank_at(p, end);
#if defined(__x86_64__) && defined(__SSE2__)
        if (__builtin_cpu_supports("avx2"))
            lines += count_wide(&p, end, &blank);
#endif
        lines += count_inner(&p, end, &blank);
        p++;
        from = NULL;
    }
#endif
    for (; p < end; p++) {
        if (from == NULL && p[-1] == '\n')
            from = p;
        if (from == p) {
            blank += blank_at(p, end);
            from = NULL;
        }
        lines += *p == '\n';
    }
    *out_lines = lines;
    *out_records = lines - blank;
}
