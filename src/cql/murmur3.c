/*
 * cql/murmur3.c - the token of a partition key, as Cassandra's Murmur3Partitioner has it.
 *
 * It is the first half of MurmurHash3 x64 128 with seed 0, but for one habit of Java that
 * Cassandra cannot change any more: the bytes of the tail are signed.  The smallest long is
 * no token; the largest stands for it.
 */
#include "cql/cql.h"

static const uint64_t C1 = 0x87c37b91114253d5u, C2 = 0x4cf5ad432745937fu;

static uint64_t rotl(uint64_t v, unsigned n)
{
    return v << n | v >> (64 - n);
}

static uint64_t mix(uint64_t v)
{
    v ^= v >> 33;
    v *= 0xff51afd7ed558ccdu;
    v ^= v >> 33;
    v *= 0xc4ceb9fe1a85ec53u;
    return v ^ v >> 33;
}

static uint64_t word(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

int64_t rdl_cql_token(rdl_str key)
{
    const uint8_t *p = (const uint8_t *)key.p;
    uint64_t h1 = 0, h2 = 0, k1 = 0, k2 = 0;
    size_t n = key.n;
    for (; n >= 16; n -= 16, p += 16) {
        h1 ^= rotl(word(p) * C1, 31) * C2;
        h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= rotl(word(p + 8) * C2, 33) * C1;
        h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    for (size_t i = n; i-- > 0;) {
        uint64_t byte = (uint64_t)(int64_t)(int8_t)p[i];
        if (i >= 8)
            k2 ^= byte << (8 * (i - 8));
        else
            k1 ^= byte << (8 * i);
    }
    if (n > 8)
        h2 ^= rotl(k2 * C2, 33) * C1;
    if (n > 0)
        h1 ^= rotl(k1 * C1, 31) * C2;
    h1 ^= key.n;
    h2 ^= key.n;
    h1 += h2;
    h2 += h1;
    h1 = mix(h1);
    h2 = mix(h2);
    h1 += h2;
    return h1 == (uint64_t)INT64_MIN ? INT64_MAX : (int64_t)h1;
}
