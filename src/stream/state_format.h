/*
 * stream/state_format.h - integers and checksums as runs and deltas hold them.
 *
 * Fixed integers are little-endian.  A varint holds 7 bits a byte, least first; readers take
 * an end pointer and give NULL when the bytes run out or say more than 64 bits.
 */
#ifndef RDL_STREAM_STATE_FORMAT_H
#define RDL_STREAM_STATE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"

enum {
    RDL_VARINT_MAX = 10,           /* bytes */
    RDL_STATE_KEY_MAX = 1 << 20,   /* bytes of a key */
    RDL_STATE_VALUE_MAX = 1 << 28, /* bytes of a value */
};

static inline void rdl_put32(void *at, uint32_t v)
{
    uint8_t *p = at;
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void rdl_put64(void *at, uint64_t v)
{
    uint8_t *p = at;
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t rdl_get32(const void *at)
{
    const uint8_t *p = at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static inline uint64_t rdl_get64(const void *at)
{
    const uint8_t *p = at;
    return (uint64_t)rdl_get32(p) | (uint64_t)rdl_get32(p + 4) << 32;
}

/* Most significant first, so that memcmp orders as the number does. */
static inline void rdl_put64_be(void *at, uint64_t v)
{
    uint8_t *p = at;
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline uint64_t rdl_get64_be(const void *at)
{
    const uint8_t *p = at;
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static inline char *rdl_put_varint(char *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (char)(v | 0x80);
        v >>= 7;
    }
    *p++ = (char)v;
    return p;
}

static inline const char *rdl_get_varint(const char *p, const char *end, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        uint8_t b = (uint8_t)*p++;
        if (shift == 63 && b > 1)
            return NULL;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = v;
            return p;
        }
    }
    return NULL;
}

/* The upper half of a product and its lower half, folded: one multiplication mixes 128 bits. */
static inline uint64_t rdl_state_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/*
 * The hash of (space, key).  Filters on disk hold it, so it is part of the run format.
 * Keys of 16 bytes, which deduplication uses, are hashes already and take one multiplication.
 */
static inline uint64_t rdl_state_hash16(uint64_t space, uint64_t first, uint64_t second)
{
    return rdl_state_fold(first ^ space ^ UINT64_C(0x9e3779b97f4a7c15),
                          second ^ UINT64_C(0xe7037ed1a0b428db));
}

static inline uint64_t rdl_state_hash(uint64_t space, rdl_str key)
{
    if (key.n == 16)
        return rdl_state_hash16(space, rdl_get64(key.p), rdl_get64(key.p + 8));
    return rdl_state_fold(rdl_hash64(key.p, key.n) ^ space ^ UINT64_C(0x9e3779b97f4a7c15),
                          (uint64_t)key.n ^ UINT64_C(0xe7037ed1a0b428db));
}

#endif
