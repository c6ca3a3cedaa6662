/*
 * base/hash.c - XXH3, whose output is the same on every machine and in every version from
 * 0.8.0 on; what is written to disk depends on that.
 *
 * The keyed secret is made here (the library's own generator has changed between versions):
 * block i of 16 bytes is XXH3-128 of the seed under the number i + 1, least byte first.
 */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

struct rdl_hasher {
    XXH3_state_t *state;
};

static rdl_hash128 of_xxh(XXH128_hash_t h)
{
    return (rdl_hash128){.hi = h.high64, .lo = h.low64};
}

uint64_t rdl_hash64(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

rdl_hash128 rdl_hash128_of(const void *p, size_t n)
{
    return of_xxh(XXH3_128bits(p, n));
}

static void put_u64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

void rdl_hash_key_init(rdl_hash_key *k, const uint8_t seed[16])
{
    for (size_t i = 0; i < sizeof k->secret / 16; i++) {
        XXH128_hash_t h = XXH3_128bits_withSeed(seed, 16, i + 1);
        put_u64(k->secret + i * 16, h.low64);
        put_u64(k->secret + i * 16 + 8, h.high64);
    }
}

rdl_hash128 rdl_hash128_keyed(const rdl_hash_key *k, const void *p, size_t n)
{
    return of_xxh(XXH3_128bits_withSecret(p, n, k->secret, sizeof k->secret));
}

void rdl_hash128_hex(rdl_hash128 h, char out[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        out[i] = digits[(h.hi >> (60 - 4 * i)) & 15];
        out[16 + i] = digits[(h.lo >> (60 - 4 * i)) & 15];
    }
    out[32] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool rdl_hash128_unhex(const char *hex, size_t n, rdl_hash128 *out)
{
    rdl_hash128 h = {0};
    if (n != 32)
        return false;
    for (size_t i = 0; i < 32; i++) {
        int v = nibble(hex[i]);
        if (v < 0)
            return false;
        uint64_t *half = i < 16 ? &h.hi : &h.lo;
        *half = *half << 4 | (uint64_t)v;
    }
    *out = h;
    return true;
}

rdl_hasher *rdl_hasher_new(void)
{
    rdl_hasher *h = malloc(sizeof *h);
    XXH3_state_t *state = XXH3_createState();
    if (h == NULL || state == NULL || XXH3_128bits_reset(state) != XXH_OK)
        abort();
    h->state = state;
    return h;
}

void rdl_hasher_put(rdl_hasher *h, const void *p, size_t n)
{
    if (n > 0)
        (void)XXH3_128bits_update(h->state, p, n);
}

rdl_hash128 rdl_hasher_peek(const rdl_hasher *h)
{
    return of_xxh(XXH3_128bits_digest(h->state));
}

rdl_hash128 rdl_hasher_done(rdl_hasher *h)
{
    rdl_hash128 result = rdl_hasher_peek(h);
    (void)XXH3_freeState(h->state);
    free(h);
    return result;
}

bool rdl_random_bytes(void *p, size_t n)
{
    uint8_t *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

uint64_t rdl_rng_next(uint64_t *state)
{
    uint64_t x = *state != 0 ? *state : UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}
