/*
 * stream/state_filter.c - split-block Bloom filters.
 *
 * The salts are the odd constants of Parquet's split-block filter, a published choice; any
 * eight odd numbers with mixed bits would do.
 */
#include "stream/state_filter.h"

static const uint32_t salts[8] = {0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du,
                                  0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u};

static inline uint32_t bit(uint64_t hash, int i)
{
    return UINT32_C(1) << (((uint32_t)hash * salts[i]) >> 27);
}

void rdl_filter_add(uint32_t words[8], uint64_t hash)
{
    for (int i = 0; i < 8; i++)
        words[i] |= bit(hash, i);
}

bool rdl_filter_test(const uint32_t words[8], uint64_t hash)
{
    uint32_t missing = 0;
    for (int i = 0; i < 8; i++)
        missing |= ~words[i] & bit(hash, i);
    return missing == 0;
}
