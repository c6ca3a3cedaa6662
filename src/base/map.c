/*
 * base/map.c - open addressing over an array of entries; slots at most half full.
 */
#include "base/map.h"

#include "base/hash.h"

enum {
    SLOTS_MIN = 16,
};

void rdl_map_init(rdl_map *m, rdl_arena *a)
{
    *m = (rdl_map){.arena = a};
}

/* The slot that holds key, or the free one where it belongs. */
static size_t find_slot(const rdl_map *m, rdl_str key)
{
    size_t mask = m->slot_count - 1, i = (size_t)rdl_hash64(key.p, key.n) & mask;
    while (m->slots[i] != 0 && !rdl_str_eq(m->entries[m->slots[i] - 1].key, key))
        i = (i + 1) & mask;
    return i;
}

static const rdl_map_entry *find(const rdl_map *m, rdl_str key)
{
    if (m->n == 0)
        return NULL;
    size_t slot = find_slot(m, key);
    return m->slots[slot] != 0 ? &m->entries[m->slots[slot] - 1] : NULL;
}

void *rdl_map_get(const rdl_map *m, rdl_str key)
{
    const rdl_map_entry *e = find(m, key);
    return e != NULL ? e->value : NULL;
}

bool rdl_map_has(const rdl_map *m, rdl_str key)
{
    return find(m, key) != NULL;
}

static void grow_slots(rdl_map *m)
{
    m->slot_count = m->slot_count == 0 ? SLOTS_MIN : m->slot_count * 2;
    m->slots = RDL_NEWN(m->arena, uint32_t, m->slot_count);
    for (size_t i = 0; i < m->n; i++)
        m->slots[find_slot(m, m->entries[i].key)] = (uint32_t)(i + 1);
}

void rdl_map_put(rdl_map *m, rdl_str key, void *value)
{
    if ((m->n + 1) * 2 > m->slot_count)
        grow_slots(m);
    size_t slot = find_slot(m, key);
    if (m->slots[slot] != 0) {
        m->entries[m->slots[slot] - 1].value = value;
        return;
    }
    rdl_vec_grow(m->arena, (void **)&m->entries, &m->n, &m->cap, sizeof *m->entries);
    m->entries[m->n++] = (rdl_map_entry){
        .key = {rdl_arena_strndup(m->arena, key.p, key.n), key.n},
        .value = value,
    };
    m->slots[slot] = (uint32_t)m->n;
}
