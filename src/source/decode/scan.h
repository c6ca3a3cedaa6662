/*
 * source/decode/scan.h - sixteen bytes at a time.
 *
 * Both loops run until they meet what they look for; the window's last byte (D2) is always
 * one of those, and up to 15 bytes behind it may be read.
 *
 * Thread: any.
 */
#ifndef RDL_SOURCE_DECODE_SCAN_H
#define RDL_SOURCE_DECODE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The first quote, backslash or control byte from p on; *high: bytes over 0x7f lie before
 * it. */
static inline const char *rdl_scan_string(const char *p, bool *high)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    unsigned seen = 0;
    for (;; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned at = (unsigned)_mm_movemask_epi8(stop);
        unsigned top = (unsigned)_mm_movemask_epi8(v);
        if (at != 0) {
            unsigned k = (unsigned)__builtin_ctz(at);
            *high = ((seen | (top & ((1u << k) - 1))) != 0);
            return p + k;
        }
        seen |= top;
    }
#else
    unsigned char seen = 0;
    for (;; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c < 0x20) {
            *high = seen >= 0x80;
            return p;
        }
        seen |= c;
    }
#endif
}

/* The first delimiter, quote, CR, LF or NUL from p on. */
static inline const char *rdl_scan_csv(const char *p, char delimiter, char quote, bool *high)
{
#if defined(__SSE2__)
    const __m128i d = _mm_set1_epi8(delimiter), q = _mm_set1_epi8(quote);
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'), z = _mm_setzero_si128();
    for (;; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, d), _mm_cmpeq_epi8(v, q));
        stop = _mm_or_si128(stop, _mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(v, z));
        unsigned at = (unsigned)_mm_movemask_epi8(stop);
        unsigned top = (unsigned)_mm_movemask_epi8(v);
        if (at != 0) {
            unsigned k = (unsigned)__builtin_ctz(at);
            *high |= (top & ((1u << k) - 1)) != 0;
            return p + k;
        }
        *high |= top != 0;
    }
#else
    for (;; p++) {
        unsigned char c = (unsigned char)*p;
        if (*p == delimiter || *p == quote || c == '\r' || c == '\n' || c == 0)
            return p;
        *high |= c >= 0x80;
    }
#endif
}

/* The 16 or 32 bytes at p start with the n (1..32) bytes of key, which has zeros behind. */
static inline bool rdl_scan_key(const char *p, const char *key, uint32_t n)
{
#if defined(__SSE2__)
    __m128i a = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p),
                               _mm_loadu_si128((const __m128i *)(const void *)key));
    uint32_t same = (uint32_t)_mm_movemask_epi8(a);
    if (n > 16) {
        __m128i b = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16)),
                                   _mm_loadu_si128((const __m128i *)(const void *)(key + 16)));
        same |= (uint32_t)_mm_movemask_epi8(b) << 16;
    }
    uint32_t want = n == 32 ? UINT32_MAX : (UINT32_C(1) << n) - 1;
    return (same & want) == want;
#else
    return memcmp(p, key, n) == 0;
#endif
}

#endif
