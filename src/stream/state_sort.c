/*
 * stream/state_sort.c - entries of one space in the order of their keys.
 *
 * Keys of a view begin alike: a tag, the year of a time.  What all keys of the space share is left
 * out, and the 16 bytes after it decide nearly every comparison without a look at the entry, which
 * lies somewhere in tens of megabytes.  In place: the array is all the memory that it takes.
 */
#include <stdlib.h>
#include <string.h>

#include "stream/state_format.h"
#include "stream/state_merge.h"

enum {
    SHORT = 24, /* so few are sorted by insertion */
};

static uint64_t eight_bytes(rdl_str key, size_t at)
{
    char p[8] = {0};
    if (key.n >= at + 8)
        return rdl_get64_be(key.p + at);
    if (key.n > at)
        memcpy(p, key.p + at, key.n - at);
    return rdl_get64_be(p);
}

/* Bytes that every key begins with. */
static size_t shared_bytes(const rdl_sorted_entry *v, size_t n)
{
    rdl_str first = rdl_entry_key(v[0].entry);
    size_t shared = first.n;
    for (size_t i = 1; i < n && shared > 0; i++) {
        rdl_str key = rdl_entry_key(v[i].entry);
        size_t k = 0, most = key.n < shared ? key.n : shared;
        while (k < most && key.p[k] == first.p[k])
            k++;
        shared = k;
    }
    return shared;
}

static inline bool is_before(const rdl_sorted_entry *a, const rdl_sorted_entry *b)
{
    if (a->high != b->high)
        return a->high < b->high;
    if (a->low != b->low)
        return a->low < b->low;
    return rdl_str_cmp(rdl_entry_key(a->entry), rdl_entry_key(b->entry)) < 0;
}

static int by_key(const void *x, const void *y)
{
    return is_before(x, y) ? -1 : is_before(y, x);
}

static void sort_short(rdl_sorted_entry *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        rdl_sorted_entry x = v[i];
        size_t at = i;
        for (; at > 0 && is_before(&x, &v[at - 1]); at--)
            v[at] = v[at - 1];
        v[at] = x;
    }
}

static rdl_sorted_entry middle_of(const rdl_sorted_entry *a, const rdl_sorted_entry *b,
                                  const rdl_sorted_entry *c)
{
    if (is_before(b, a)) {
        const rdl_sorted_entry *swap = a;
        a = b;
        b = swap;
    }
    return is_before(c, a) ? *a : is_before(c, b) ? *c : *b;
}

/* Quicksort; the shorter side first, so that it nests log2(n) deep at most.  Splits that do not halve
 * are counted, and qsort takes over from a run of bad ones. */
static void sort_long(rdl_sorted_entry *v, size_t n, unsigned patience)
{
    while (n > SHORT) {
        if (patience-- == 0) {
            qsort(v, n, sizeof *v, by_key);
            return;
        }
        rdl_sorted_entry pivot = middle_of(&v[0], &v[n / 2], &v[n - 1]);
        size_t i = 0, j = n - 1;
        for (;; i++, j--) {
            while (is_before(&v[i], &pivot))
                i++;
            while (is_before(&pivot, &v[j]))
                j--;
            if (i >= j)
                break;
            rdl_sorted_entry swap = v[i];
            v[i] = v[j];
            v[j] = swap;
        }
        size_t left = j + 1, right = n - left; /* v[0..j] are not after v[j+1..] */
        if (left < right) {
            sort_long(v, left, patience);
            v += left;
            n = right;
        } else {
            sort_long(v + left, right, patience);
            n = left;
        }
    }
    sort_short(v, n);
}

void rdl_state_sort(rdl_sorted_entry *v, size_t n)
{
    unsigned patience = 0;
    if (n < 2)
        return;
    size_t at = shared_bytes(v, n);
    for (size_t i = 0; i < n; i++) {
        rdl_str key = rdl_entry_key(v[i].entry);
        v[i].high = eight_bytes(key, at);
        v[i].low = eight_bytes(key, at + 8);
    }
    for (size_t k = n; k > 0; k /= 2)
        patience += 2;
    sort_long(v, n, patience);
}
