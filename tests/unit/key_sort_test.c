/*
 * tests/unit/key_sort_test.c - keys in order, against qsort with memcmp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/key_sort.h"
#include "base/str.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int by_bytes(const void *x, const void *y)
{
    const rdl_sort_key *a = x, *b = y;
    return rdl_str_cmp((rdl_str){a->p, a->n}, (rdl_str){b->p, b->n});
}

/* Sorted as qsort sorts, and each key still has the tag that it came with. */
static void check(const rdl_sort_key *from, size_t n)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_sort_key *got = RDL_NEWN(&a, rdl_sort_key, n + 1), *want = RDL_NEWN(&a, rdl_sort_key, n + 1);
    bool *seen = RDL_NEWN(&a, bool, n + 1);
    for (size_t i = 0; i < n; i++) {
        got[i] = want[i] = from[i];
        got[i].tag = (uint32_t)i;
    }
    rdl_key_sort(got, n);
    qsort(want, n, sizeof *want, by_bytes);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got[i].n, want[i].n);
        assert_int_equal(memcmp(got[i].p, want[i].p, want[i].n), 0);
        assert_ptr_equal(got[i].p, from[got[i].tag].p);
        assert_false(seen[got[i].tag]);
        seen[got[i].tag] = true;
    }
    rdl_arena_fini(&a);
}

/* Random keys of up to `longest` bytes of few letters, zero among them, after `head` shared ones. */
static void random_keys(uint64_t seed, size_t n, size_t head, size_t longest, unsigned letters)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_sort_key *v = RDL_NEWN(&a, rdl_sort_key, n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = head + splitmix(&seed) % (longest + 1);
        char *p = rdl_arena_x(&a, bytes + 1);
        memset(p, 'h', head);
        for (size_t k = head; k < bytes; k++)
            p[k] = (char)(splitmix(&seed) % letters * 255 / letters);
        v[i] = (rdl_sort_key){.p = p, .n = (uint32_t)bytes};
    }
    check(v, n);
    rdl_arena_fini(&a);
}

static void keys_of_any_length_come_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        random_keys(seed, seed % 7, 0, 20, 256);
        random_keys(seed, 300, 0, 3, 2);
        random_keys(seed, 300, 5, 40, 2);
        random_keys(seed, 300, 33, 17, 3);
    }
    random_keys(99, 20000, 9, 60, 256);
    random_keys(98, 20000, 9, 60, 1);
}

static void a_key_comes_before_those_that_it_begins(void **state)
{
    (void)state;
    static const char zeros[64];
    rdl_sort_key v[64];
    for (size_t i = 0; i < 64; i++)
        v[i] = (rdl_sort_key){.p = zeros, .n = (uint32_t)(63 - i)};
    rdl_key_sort(v, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(v[i].n, i);
}

static void keys_that_are_all_equal_or_in_order_already_take_no_longer(void **state)
{
    (void)state;
    enum { N = 200000 };
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_sort_key *v = RDL_NEWN(&a, rdl_sort_key, N);
    for (size_t i = 0; i < N; i++)
        v[i] = (rdl_sort_key){.p = "the same key for everybody", .n = 26};
    check(v, N);
    for (size_t i = 0; i < N; i++) {
        const char *p = rdl_arena_printf(&a, "user-%08zu-and-more-of-it", i);
        v[i] = (rdl_sort_key){.p = p, .n = (uint32_t)strlen(p)};
    }
    check(v, N);
    rdl_arena_fini(&a);
}

/* Each two differ in their last byte alone, far beyond what is compared as numbers. */
static void very_long_keys_are_sorted(void **state)
{
    (void)state;
    enum { N = 40, LONG = 100000 };
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_sort_key v[N];
    for (size_t i = 0; i < N; i++) {
        char *p = rdl_arena_x(&a, LONG);
        memset(p, 'x', LONG);
        /* A key for each window in which it is the first to differ. */
        p[(i * 16 * 61 + 7) % (LONG - 1)] = 'y';
        p[LONG - 1] = (char)(N - i);
        v[i] = (rdl_sort_key){.p = p, .n = LONG};
    }
    check(v, N);
    rdl_arena_fini(&a);
}

/* Every key is the one before it and 16 bytes more: as many windows deep as there are keys. */
static void keys_that_begin_one_another_for_long_are_sorted(void **state)
{
    (void)state;
    enum { N = 3000 };
    rdl_arena a;
    rdl_arena_init(&a, 0);
    char *all = rdl_arena_x(&a, N * 16);
    rdl_sort_key *v = RDL_NEWN(&a, rdl_sort_key, N);
    memset(all, 'x', N * 16);
    for (size_t i = 0; i < N; i++)
        v[i] = (rdl_sort_key){.p = all, .n = (uint32_t)((N - i) * 16)};
    check(v, N);
    rdl_arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_any_length_come_in_the_order_of_their_bytes),
        cmocka_unit_test(a_key_comes_before_those_that_it_begins),
        cmocka_unit_test(keys_that_are_all_equal_or_in_order_already_take_no_longer),
        cmocka_unit_test(very_long_keys_are_sorted),
        cmocka_unit_test(keys_that_begin_one_another_for_long_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
