/*
 * stream/state_table.h - the part of keyed state that is in memory: one hash table.
 *
 * Entries lie in chunks of 64 KiB, never move once written, and are found through
 * open-addressed slots of 8 bytes: 32 bits of hash and a reference.  The leading bits of the
 * hash choose the slot, so that growing reads no entry.  An entry takes 16 bytes and its key
 * and value; with its slot a deduplication key costs about 45 bytes.
 *
 *   entry   u32 epoch - table's base · u32 space index · u32 key bytes and flags
 *           u32 value bytes · key · value · up to 7 bytes to the next multiple of 8
 *   gap     u32 0xffffffff · u32 bytes (left where a value was replaced by a shorter one)
 *
 * A value is replaced in place where it fits; where not, the old entry is marked dead and a new
 * one written.  A table is freed whole.
 *
 * Thread: one at a time; a frozen table is read by many.
 */
#ifndef RDL_STREAM_STATE_TABLE_H
#define RDL_STREAM_STATE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define RDL_ENTRY_TOMBSTONE (UINT32_C(1) << 31)
#define RDL_ENTRY_DEAD (UINT32_C(1) << 30)
#define RDL_ENTRY_KEY_MASK (RDL_ENTRY_DEAD - 1)

typedef struct rdl_entry {
    uint32_t epoch; /* plus the table's epoch_base */
    uint32_t space; /* index of rdl_state's spaces */
    uint32_t key;   /* bytes, and flags */
    uint32_t value_bytes;
} rdl_entry;

typedef struct rdl_chunk {
    char *p;
    size_t size, used;
} rdl_chunk;

typedef struct rdl_memtable {
    uint64_t *slots; /* hash << 32 | reference + 1; 0 is free */
    unsigned bits;   /* there are 1 << bits of them */
    size_t slots_used;
    rdl_chunk *chunks;
    size_t chunk_count, chunk_cap, chunk_at; /* at: the one being filled */
    size_t entries;                          /* not dead */
    size_t bytes;                            /* of memory */
    uint64_t epoch_base, epoch_min, epoch_max;
} rdl_memtable;

void rdl_memtable_init(rdl_memtable *t);
void rdl_memtable_fini(rdl_memtable *t);
/* Empty again; keeps at most keep_bytes of its storage for the next epoch. */
void rdl_memtable_reset(rdl_memtable *t, size_t keep_bytes);
/* Room for n more entries without growing the slots. */
RDL_MUST rdl_code rdl_memtable_reserve(rdl_memtable *t, size_t n, rdl_err *err);

/* NULL when there is none; a dead entry counts as none. */
rdl_entry *
rdl_memtable_find(const rdl_memtable *t, uint64_t hash, uint32_t space, rdl_str key);
rdl_entry *rdl_memtable_find16(const rdl_memtable *t,
                               uint64_t hash,
                               uint32_t space,
                               const char key[16]);
/* Insert or replace.  flags: 0 or RDL_ENTRY_TOMBSTONE. */
RDL_MUST rdl_code rdl_memtable_put(rdl_memtable *t,
                                   uint64_t hash,
                                   uint32_t space,
                                   uint64_t epoch,
                                   rdl_str key,
                                   rdl_str value,
                                   uint32_t flags,
                                   rdl_err *err);
void rdl_memtable_kill_space(rdl_memtable *t, uint32_t space);

static inline void rdl_memtable_prefetch_slot(const rdl_memtable *t, uint64_t hash)
{
    if (t->slots != NULL)
        __builtin_prefetch(&t->slots[hash >> (64 - t->bits)]);
}
void rdl_memtable_prefetch_entry(const rdl_memtable *t, uint64_t hash);

/* All that are not dead, in the order of their writing. */
typedef struct rdl_memtable_walk {
    const rdl_memtable *table;
    size_t chunk, at;
} rdl_memtable_walk;
rdl_entry *rdl_memtable_next(rdl_memtable_walk *w); /* NULL at the end */

static inline rdl_str rdl_entry_key(const rdl_entry *e)
{
    return (rdl_str){(const char *)(e + 1), e->key & RDL_ENTRY_KEY_MASK};
}

/* The entry whose key this is: it lies before its key. */
static inline const rdl_entry *rdl_entry_of_key(const char *key)
{
    return (const rdl_entry *)(const void *)key - 1;
}

static inline rdl_str rdl_entry_value(const rdl_entry *e)
{
    return (rdl_str){(const char *)(e + 1) + (e->key & RDL_ENTRY_KEY_MASK), e->value_bytes};
}

static inline bool rdl_entry_is_tombstone(const rdl_entry *e)
{
    return (e->key & RDL_ENTRY_TOMBSTONE) != 0;
}

#endif
