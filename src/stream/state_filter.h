/*
 * stream/state_filter.h - a set that may say yes wrongly (about 1 in 100) and never no wrongly.
 *
 * A split-block Bloom filter: blocks of 32 bytes, eight words of 32 bits; a key sets one bit in
 * each word of one block, so a question costs one cache line.  About 10 bits a key.  A section
 * of it can be built alone, since the upper half of the hash chooses the block: a big filter
 * is written without ever being whole in memory.
 *
 * The words and their salts are part of the run format (docs/format/state.md).
 */
#ifndef RDL_STREAM_STATE_FILTER_H
#define RDL_STREAM_STATE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RDL_FILTER_BLOCK = 32, /* bytes */
    RDL_FILTER_BITS_PER_KEY = 10,
};

static inline uint64_t rdl_filter_blocks(uint64_t keys)
{
    return keys / 256 * RDL_FILTER_BITS_PER_KEY +
           (keys % 256 * RDL_FILTER_BITS_PER_KEY + 255) / 256;
}

static inline uint64_t rdl_filter_block_of(uint64_t hash, uint64_t blocks)
{
    return ((hash >> 32) * blocks) >> 32;
}

/* words: the key's block. */
void rdl_filter_add(uint32_t words[8], uint64_t hash);
bool rdl_filter_test(const uint32_t words[8], uint64_t hash);

#endif
