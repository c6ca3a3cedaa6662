/*
 * base/hash.h - xxHash for keys and content, and the checksum of everything we write.
 *
 * Thread: any; a hasher is one thread's at a time.
 */
#ifndef RDL_BASE_HASH_H
#define RDL_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rdl_hash128 {
    uint64_t hi, lo;
} rdl_hash128;

uint64_t rdl_hash64(const void *p, size_t n);
rdl_hash128 rdl_hash128_of(const void *p, size_t n);
/* Keyed, so that nobody can choose keys that collide: the key is the root's secret. */
typedef struct rdl_hash_key {
    uint8_t secret[192];
} rdl_hash_key;
void rdl_hash_key_init(rdl_hash_key *k, const uint8_t seed[16]);
rdl_hash128 rdl_hash128_keyed(const rdl_hash_key *k, const void *p, size_t n);
static inline bool rdl_hash128_eq(rdl_hash128 a, rdl_hash128 b)
{
    return a.hi == b.hi && a.lo == b.lo;
}
void rdl_hash128_hex(rdl_hash128 h, char out[33]);
bool rdl_hash128_unhex(const char *hex, size_t n, rdl_hash128 *out);

typedef struct rdl_hasher rdl_hasher; /* content in pieces */
rdl_hasher *rdl_hasher_new(void);
void rdl_hasher_put(rdl_hasher *h, const void *p, size_t n);
rdl_hash128 rdl_hasher_done(rdl_hasher *h);       /* frees it */
rdl_hash128 rdl_hasher_peek(const rdl_hasher *h); /* so far */

bool rdl_random_bytes(void *p, size_t n); /* from the operating system */
/* xorshift for tests and jitter; the seed is the caller's to print. */
uint64_t rdl_rng_next(uint64_t *state);

#endif
