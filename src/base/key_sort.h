/*
 * base/key_sort.h - byte strings in the order of memcmp, a shorter one before what it begins.
 *
 * For keys that begin alike (the time of a window, the type of a thing) and are too many for a
 * processor's cache: they are compared as numbers that lie side by side, not where they lie.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_KEY_SORT_H
#define RDL_BASE_KEY_SORT_H

#include <stddef.h>
#include <stdint.h>

typedef struct rdl_sort_key {
    uint64_t high, low; /* the sort's own */
    const char *p;
    uint32_t n;
    uint32_t tag; /* the caller's: whose key this is */
} rdl_sort_key;

/* In place; keys that are equal lie in any order. */
void rdl_key_sort(rdl_sort_key *v, size_t n);

#endif
