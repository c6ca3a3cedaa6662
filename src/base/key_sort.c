/*
 * base/key_sort.c - see key_sort.h.
 *
 * What all keys of a stretch share is passed over; the 16 bytes after it, as two numbers, sort the
 * stretch; keys that are equal in these are a stretch of their own, from there on.
 *
 *   KS1  At (v, n, at) all keys agree in their first `at` bytes, and none is shorter.
 *   KS2  Bytes past a key's end count as zeros, and its length decides where that leaves a tie.
 */
#include "base/key_sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum {
    SHORT = 24,       /* so few are sorted by insertion */
    WINDOW = 16,      /* bytes that are numbers at a time */
    SHARED_MAX = 256, /* bytes that are passed over at a time: what is looked at in vain is bounded */
    DEPTH_MAX = 256,  /* windows of one key; what is longer is compared where it lies */
};

static uint64_t eight_bytes(const rdl_sort_key *k, size_t at)
{
    uint64_t x = 0;
    if (k->n >= at + sizeof x)
        memcpy(&x, k->p + at, sizeof x);
    else if (k->n > at)
        memcpy(&x, k->p + at, k->n - at);
    return __builtin_bswap64(x);
}

/* Bytes that every key begins with, as far as that is looked at; `at` of them are known. */
static size_t shared_bytes(const rdl_sort_key *v, size_t n, size_t at)
{
    size_t shared = v[0].n < at + SHARED_MAX ? v[0].n : at + SHARED_MAX;
    for (size_t i = 1; i < n && shared > at; i++) {
        size_t k = at, most = v[i].n < shared ? v[i].n : shared;
        while (k < most && v[i].p[k] == v[0].p[k])
            k++;
        shared = k;
    }
    return shared;
}

static inline bool is_before(const rdl_sort_key *a, const rdl_sort_key *b)
{
    return a->high != b->high ? a->high < b->high : a->low < b->low;
}

static void sort_short(rdl_sort_key *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        rdl_sort_key x = v[i];
        size_t at = i;
        for (; at > 0 && is_before(&x, &v[at - 1]); at--)
            v[at] = v[at - 1];
        v[at] = x;
    }
}

static int by_numbers(const void *x, const void *y)
{
    return is_before(x, y) ? -1 : is_before(y, x);
}

static rdl_sort_key middle_of(const rdl_sort_key *a, const rdl_sort_key *b, const rdl_sort_key *c)
{
    if (is_before(b, a)) {
        const rdl_sort_key *swap = a;
        a = b;
        b = swap;
    }
    return is_before(c, a) ? *a : is_before(c, b) ? *c : *b;
}

/* Quicksort; the shorter side first, so that it nests log2(n) deep at most.  Splits that do not
 * halve are counted, and qsort takes over from a run of bad ones. */
static void sort_numbers(rdl_sort_key *v, size_t n, unsigned patience)
{
    while (n > SHORT) {
        if (patience-- == 0) {
            qsort(v, n, sizeof *v, by_numbers);
            return;
        }
        rdl_sort_key pivot = middle_of(&v[0], &v[n / 2], &v[n - 1]);
        size_t i = 0, j = n - 1;
        for (;; i++, j--) {
            while (is_before(&v[i], &pivot))
                i++;
            while (is_before(&pivot, &v[j]))
                j--;
            if (i >= j)
                break;
            rdl_sort_key swap = v[i];
            v[i] = v[j];
            v[j] = swap;
        }
        size_t left = j + 1, right = n - left; /* v[0..j] are not after v[j+1..] */
        if (left < right) {
            sort_numbers(v, left, patience);
            v += left;
            n = right;
        } else {
            sort_numbers(v + left, right, patience);
            n = left;
        }
    }
    sort_short(v, n);
}

static void sort_by_numbers(rdl_sort_key *v, size_t n)
{
    unsigned patience = 0;
    for (size_t k = n; k > 0; k /= 2)
        patience += 2;
    sort_numbers(v, n, patience);
}

static int by_bytes(const void *x, const void *y)
{
    const rdl_sort_key *a = x, *b = y;
    return rdl_str_cmp((rdl_str){a->p, a->n}, (rdl_str){b->p, b->n});
}

static void sort_from(rdl_sort_key *v, size_t n, size_t at, unsigned depth);

/* Keys that agree in the window: those that end in it, by their length (KS2), then the others. */
static void sort_alike(rdl_sort_key *v, size_t n, size_t end, unsigned depth)
{
    size_t ended = 0;
    for (size_t i = 0; i < n; i++)
        ended += v[i].n <= end;
    if (ended > 0) {
        for (size_t i = 0; i < n; i++) {
            v[i].high = v[i].n < end + 1 ? v[i].n : end + 1;
            v[i].low = 0;
        }
        sort_by_numbers(v, n);
    }
    if (n - ended > 1)
        sort_from(v + ended, n - ended, end, depth + 1);
}

static void sort_from(rdl_sort_key *v, size_t n, size_t at, unsigned depth)
{
    if (depth > DEPTH_MAX) {
        qsort(v, n, sizeof *v, by_bytes);
        return;
    }
    at = shared_bytes(v, n, at);
    for (size_t i = 0; i < n; i++) {
        v[i].high = eight_bytes(&v[i], at);
        v[i].low = eight_bytes(&v[i], at + sizeof(uint64_t));
    }
    sort_by_numbers(v, n);
    for (size_t from = 0, to; from < n; from = to) {
        uint64_t high = v[from].high, low = v[from].low;
        for (to = from + 1; to < n && v[to].high == high && v[to].low == low; to++)
            ;
        if (to - from > 1)
            sort_alike(v + from, to - from, at + WINDOW, depth);
    }
}

void rdl_key_sort(rdl_sort_key *v, size_t n)
{
    if (n > 1)
        sort_from(v, n, 0, 0);
}
