/*
 * stream/state_table.c - the part of keyed state that is in memory: one hash table.
 */
#include "stream/state_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_BYTES = 1 << 16,
    UNIT = 8,              /* bytes; references count in these */
    CHUNK_UNITS_BITS = 13, /* CHUNK_BYTES / UNIT */
    BITS_MIN = 8,
    BITS_MAX = 31,
};

static const uint32_t gap_mark = 0xffffffffu;

static_assert(sizeof(rdl_entry) == 16, "an entry's head is paid for each key");

void rdl_memtable_init(rdl_memtable *t)
{
    *t = (rdl_memtable){.epoch_min = UINT64_MAX};
}

void rdl_memtable_fini(rdl_memtable *t)
{
    for (size_t i = 0; i < t->chunk_count; i++)
        free(t->chunks[i].p); /* allow: keyed state has its own allocator */
    free(t->chunks);          /* allow: as above */
    free(t->slots);           /* allow: as above */
    rdl_memtable_init(t);
}

static size_t slot_bytes(const rdl_memtable *t)
{
    return t->slots == NULL ? 0 : sizeof *t->slots << t->bits;
}

void rdl_memtable_reset(rdl_memtable *t, size_t keep_bytes)
{
    size_t kept = 0, bytes = 0;
    if (t->slots != NULL && (slot_bytes(t) > keep_bytes / 2 || t->slots_used == 0 ||
                             slot_bytes(t) / sizeof *t->slots > 16 * t->slots_used)) {
        free(t->slots); /* allow: see fini */
        t->slots = NULL;
    }
    if (t->slots != NULL)
        memset(t->slots, 0, slot_bytes(t));
    for (size_t i = 0; i < t->chunk_count; i++) {
        rdl_chunk c = t->chunks[i];
        if (c.size == CHUNK_BYTES && bytes + c.size <= keep_bytes / 2) {
            c.used = 0;
            bytes += c.size;
            t->chunks[kept++] = c;
        } else {
            free(c.p); /* allow: see fini */
        }
    }
    t->chunk_count = kept;
    t->chunk_at = 0;
    t->slots_used = 0;
    t->entries = 0;
    t->bytes = bytes + slot_bytes(t);
    t->epoch_base = 0;
    t->epoch_min = UINT64_MAX;
    t->epoch_max = 0;
}

static rdl_code grow(rdl_memtable *t, unsigned bits, rdl_err *err)
{
    uint64_t *slots = NULL;
    if (bits <= BITS_MAX)
        slots = calloc((size_t)1 << bits, sizeof *slots); /* allow: keyed state */
    if (slots == NULL)
        return rdl_err_nomem(err);
    size_t mask = ((size_t)1 << bits) - 1;
    size_t old = t->slots == NULL ? 0 : (size_t)1 << t->bits;
    for (size_t i = 0; i < old; i++) {
        uint64_t slot = t->slots[i];
        if (slot == 0)
            continue;
        size_t at = (size_t)(slot >> (64 - bits));
        while (slots[at] != 0)
            at = (at + 1) & mask;
        slots[at] = slot;
    }
    t->bytes -= slot_bytes(t);
    free(t->slots); /* allow: see fini */
    t->slots = slots;
    t->bits = bits;
    t->bytes += slot_bytes(t);
    return RDL_OK;
}

rdl_code rdl_memtable_reserve(rdl_memtable *t, size_t n, rdl_err *err)
{
    unsigned bits = t->slots == NULL ? BITS_MIN : t->bits;
    /* At most three of four slots are taken. */
    while ((t->slots_used + n) * 4 > ((size_t)3 << bits))
        bits++;
    return t->slots != NULL && bits == t->bits ? RDL_OK : grow(t, bits, err);
}

static rdl_entry *entry_at(const rdl_memtable *t, uint64_t slot)
{
    uint32_t ref = (uint32_t)slot - 1;
    const rdl_chunk *c = &t->chunks[ref >> CHUNK_UNITS_BITS];
    return (rdl_entry *)(void *)(c->p +
                                 (size_t)(ref & ((1u << CHUNK_UNITS_BITS) - 1)) * UNIT);
}

/* The slot that holds the key, or the free one where it would go. */
static inline __attribute__((always_inline)) uint64_t *
probe(const rdl_memtable *t, uint64_t hash, uint32_t space, const char *key, size_t n)
{
    size_t mask = ((size_t)1 << t->bits) - 1, at = (size_t)(hash >> (64 - t->bits));
    uint32_t tag = (uint32_t)(hash >> 32);
    for (;; at = (at + 1) & mask) {
        uint64_t slot = t->slots[at];
        if (slot == 0)
            return &t->slots[at];
        if ((uint32_t)(slot >> 32) != tag)
            continue;
        const rdl_entry *e = entry_at(t, slot);
        if ((e->key & RDL_ENTRY_KEY_MASK) == n && e->space == space &&
            memcmp(e + 1, key, n) == 0)
            return &t->slots[at];
    }
}

static inline rdl_entry *found(const rdl_memtable *t, const uint64_t *slot)
{
    if (*slot == 0)
        return NULL;
    rdl_entry *e = entry_at(t, *slot);
    return (e->key & RDL_ENTRY_DEAD) != 0 ? NULL : e;
}

rdl_entry *
rdl_memtable_find(const rdl_memtable *t, uint64_t hash, uint32_t space, rdl_str key)
{
    return t->entries == 0 ? NULL : found(t, probe(t, hash, space, key.p, key.n));
}

rdl_entry *rdl_memtable_find16(const rdl_memtable *t,
                               uint64_t hash,
                               uint32_t space,
                               const char key[16])
{
    return t->entries == 0 ? NULL : found(t, probe(t, hash, space, key, 16));
}

void rdl_memtable_prefetch_entry(const rdl_memtable *t, uint64_t hash)
{
    if (t->slots == NULL)
        return;
    uint64_t slot = t->slots[hash >> (64 - t->bits)];
    if (slot != 0 && (uint32_t)(slot >> 32) == (uint32_t)(hash >> 32))
        __builtin_prefetch(entry_at(t, slot));
}

static rdl_code add_chunk(rdl_memtable *t, size_t size, rdl_err *err)
{
    if (t->chunk_count == t->chunk_cap) {
        size_t cap = t->chunk_cap == 0 ? 16 : t->chunk_cap * 2;
        rdl_chunk *chunks =
            realloc(t->chunks, cap * sizeof *chunks); /* allow: keyed state */
        if (chunks == NULL)
            return rdl_err_nomem(err);
        t->chunks = chunks;
        t->chunk_cap = cap;
    }
    if (t->chunk_count >> (32 - CHUNK_UNITS_BITS) != 0)
        return rdl_err_nomem(err);
    char *p = malloc(size); /* allow: keyed state has its own allocator */
    if (p == NULL)
        return rdl_err_nomem(err);
    t->chunks[t->chunk_count++] = (rdl_chunk){.p = p, .size = size};
    t->bytes += size;
    return RDL_OK;
}

static rdl_code alloc_entry(rdl_memtable *t, size_t n, uint32_t *out_ref, rdl_err *err)
{
    size_t at;
    if (n > CHUNK_BYTES / 2) {
        /* One chunk for itself; the one being filled stays so. */
        RDL_TRY(add_chunk(t, n, err));
        at = t->chunk_count - 1;
    } else {
        while (t->chunk_at < t->chunk_count &&
               t->chunks[t->chunk_at].size - t->chunks[t->chunk_at].used < n)
            t->chunk_at++;
        if (t->chunk_at == t->chunk_count)
            RDL_TRY(add_chunk(t, CHUNK_BYTES, err));
        at = t->chunk_at;
    }
    rdl_chunk *c = &t->chunks[at];
    *out_ref = (uint32_t)(at << CHUNK_UNITS_BITS) + (uint32_t)(c->used / UNIT);
    c->used += n;
    return RDL_OK;
}

static size_t entry_bytes(size_t key_n, size_t value_n)
{
    return (sizeof(rdl_entry) + key_n + value_n + UNIT - 1) & ~(size_t)(UNIT - 1);
}

/* Replace in place where it fits, leaving a gap that a walk can step over. */
static bool replace(rdl_entry *e, uint32_t epoch, rdl_str value, uint32_t flags)
{
    size_t key_n = e->key & RDL_ENTRY_KEY_MASK;
    size_t have = entry_bytes(key_n, e->value_bytes), want = entry_bytes(key_n, value.n);
    if (want > have)
        return false;
    e->epoch = epoch;
    e->key = (uint32_t)key_n | flags;
    e->value_bytes = (uint32_t)value.n;
    if (value.n > 0)
        memmove((char *)(e + 1) + key_n, value.p, value.n);
    if (want < have) {
        uint32_t gap[2] = {gap_mark, (uint32_t)(have - want)};
        memcpy((char *)e + want, gap, sizeof gap);
    }
    return true;
}

static void note_epoch(rdl_memtable *t, uint64_t epoch)
{
    if (t->epoch_min > epoch)
        t->epoch_min = epoch;
    if (t->epoch_max < epoch)
        t->epoch_max = epoch;
}

rdl_code rdl_memtable_put(rdl_memtable *t,
                          uint64_t hash,
                          uint32_t space,
                          uint64_t epoch,
                          rdl_str key,
                          rdl_str value,
                          uint32_t flags,
                          rdl_err *err)
{
    uint32_t ref = 0;
    RDL_TRY(rdl_memtable_reserve(t, 1, err));
    if (t->slots_used == 0)
        t->epoch_base = epoch;
    assert(epoch >= t->epoch_base && epoch - t->epoch_base < gap_mark);
    uint32_t offset = (uint32_t)(epoch - t->epoch_base);
    uint64_t *slot = probe(t, hash, space, key.p, key.n);
    rdl_entry *old = *slot == 0 ? NULL : entry_at(t, *slot);
    bool was_dead = old != NULL && (old->key & RDL_ENTRY_DEAD) != 0;

    if (old == NULL || !replace(old, offset, value, flags)) {
        RDL_TRY(alloc_entry(t, entry_bytes(key.n, value.n), &ref, err));
        if (old != NULL)
            old->key |= RDL_ENTRY_DEAD;
        else
            t->slots_used++;
        *slot = (hash >> 32) << 32 | (ref + 1);
        rdl_entry *e = entry_at(t, *slot);
        *e = (rdl_entry){offset, space, (uint32_t)key.n | flags, (uint32_t)value.n};
        if (key.n > 0)
            memcpy(e + 1, key.p, key.n);
        if (value.n > 0)
            memcpy((char *)(e + 1) + key.n, value.p, value.n);
    }
    t->entries += old == NULL || was_dead;
    note_epoch(t, epoch);
    return RDL_OK;
}

rdl_entry *rdl_memtable_next(rdl_memtable_walk *w)
{
    const rdl_memtable *t = w->table;
    for (; w->chunk < t->chunk_count; w->chunk++, w->at = 0) {
        const rdl_chunk *c = &t->chunks[w->chunk];
        while (w->at < c->used) {
            rdl_entry *e = (rdl_entry *)(void *)(c->p + w->at);
            if (e->epoch == gap_mark) {
                w->at += e->space;
                continue;
            }
            w->at += entry_bytes(e->key & RDL_ENTRY_KEY_MASK, e->value_bytes);
            if ((e->key & RDL_ENTRY_DEAD) == 0)
                return e;
        }
    }
    return NULL;
}

void rdl_memtable_kill_space(rdl_memtable *t, uint32_t space)
{
    rdl_memtable_walk w = {.table = t};
    for (rdl_entry *e = rdl_memtable_next(&w); e != NULL; e = rdl_memtable_next(&w)) {
        if (e->space == space) {
            e->key |= RDL_ENTRY_DEAD;
            t->entries--;
        }
    }
}
