/*
 * base/map.h - text to pointer, in an arena; iterates in the order of insertion.
 *
 * Thread: one at a time, as its arena.
 */
#ifndef RDL_BASE_MAP_H
#define RDL_BASE_MAP_H

#include "base/arena.h"
#include "base/str.h"

typedef struct rdl_map_entry {
    rdl_str key; /* copied into the arena */
    void *value;
} rdl_map_entry;

typedef struct rdl_map {
    rdl_arena *arena;
    rdl_map_entry *entries; /* n of them, in order of insertion */
    size_t n, cap;
    uint32_t *slots; /* index + 1; 0 is free */
    size_t slot_count;
} rdl_map;

void rdl_map_init(rdl_map *m, rdl_arena *a);
void *rdl_map_get(const rdl_map *m, rdl_str key); /* NULL when it is not there */
bool rdl_map_has(const rdl_map *m, rdl_str key);
void rdl_map_put(rdl_map *m, rdl_str key, void *value); /* replaces */

#endif
