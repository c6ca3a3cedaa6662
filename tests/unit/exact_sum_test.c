/*
 * tests/unit/exact_sum_test.c - sums that do not depend on order, against exact rationals.
 *
 * The expected bits of the table were computed with Python's fractions from the same
 * generator (splitmix64): exact sums, rounded once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/exact_sum.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Random signs and mantissas, IEEE exponents lo .. hi. */
static void random_doubles(uint64_t seed, unsigned lo, unsigned hi, double *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = splitmix(&seed) & 0x800fffffffffffffu;
        out[i] = double_of(bits | (lo + splitmix(&seed) % (hi - lo + 1)) << 52);
    }
}

static void shuffle(uint64_t *seed, double *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = splitmix(seed) % i;
        double x = v[i - 1];
        v[i - 1] = v[k];
        v[k] = x;
    }
}

enum { VALUES_MAX = 2000 };

static const struct reference {
    uint64_t seed;
    unsigned lo, hi, n;
    uint64_t sum, mean, var_pop, var_samp; /* variances only where squares are exact */
} references[] = {
    {1, 0, 2046, 1000, 0x7fe7e347388f1365, 0x7f48760b7d8013dc, 0, 0},
    {2, 0, 60, 500, 0x03f004b2332c3793, 0x0360671ce06ed076, 0, 0},
    {3, 1000, 1050, 2000, 0x41db1c751e2eae1e, 0x412bc30749ea2b20, 0x43100493c32bba4a,
     0x431006a0e61a13a5},
    {4, 1023, 1023, 777, 0xc0506c2d3a2838aa, 0xbfb5a4a3b7b9202d, 0x4002b8e9d2168544,
     0x4002bf16fcea57e9},
    {5, 700, 1400, 300, 0xd75d6e9b40639e19, 0xd6d91d87e5068015, 0x6ea061c2ff3a2c5f,
     0x6ea06fc9a478036c},
    {6, 1990, 2046, 100, 0xfff0000000000000, 0xffa60682fbe6bdb5, 0, 0},
    {7, 1020, 1030, 2, 0x3f9d0b1cf4071ea8, 0x3f8d0b1cf4071ea8, 0x3fa53bfb5e2aff7c,
     0x3fb53bfb5e2aff7c},
    {8, 0, 0, 50, 0x0007991a569c9460, 0x000026e6ed409254, 0, 0},
};

enum { REFERENCES = sizeof references / sizeof *references };

static void sums_means_and_variances_round_once(void **state)
{
    (void)state;
    double v[VALUES_MAX];
    for (size_t r = 0; r < REFERENCES; r++) {
        const struct reference *ref = &references[r];
        rdl_exact_sum sum, squares;
        rdl_exact_init(&sum);
        rdl_exact_init(&squares);
        random_doubles(ref->seed, ref->lo, ref->hi, v, ref->n);
        for (size_t i = 0; i < ref->n; i++) {
            rdl_exact_add(&sum, v[i]);
            rdl_exact_add_square(&squares, v[i]);
        }
        assert_int_equal(bits_of(rdl_exact_value(&sum)), ref->sum);
        assert_int_equal(bits_of(rdl_exact_mean(&sum, ref->n)), ref->mean);
        if (ref->var_pop != 0) {
            assert_int_equal(bits_of(rdl_exact_variance(&sum, &squares, ref->n, false)),
                             ref->var_pop);
            assert_int_equal(bits_of(rdl_exact_variance(&sum, &squares, ref->n, true)),
                             ref->var_samp);
        }
        rdl_exact_fini(&sum);
        rdl_exact_fini(&squares);
    }
}

static size_t encoded(const double *v, size_t n, uint8_t out[RDL_EXACT_BYTES_MAX])
{
    rdl_exact_sum s;
    rdl_exact_init(&s);
    for (size_t i = 0; i < n; i++)
        rdl_exact_add(&s, v[i]);
    size_t bytes = rdl_exact_encode(&s, out);
    rdl_exact_fini(&s);
    return bytes;
}

static void every_order_and_grouping_gives_the_same_bytes(void **state)
{
    (void)state;
    double v[VALUES_MAX];
    uint64_t seed = 42;
    for (size_t r = 0; r < REFERENCES; r++) {
        const struct reference *ref = &references[r];
        uint8_t first[RDL_EXACT_BYTES_MAX], other[RDL_EXACT_BYTES_MAX];
        random_doubles(ref->seed, ref->lo, ref->hi, v, ref->n);
        size_t n = encoded(v, ref->n, first);
        for (int round = 0; round < 20; round++) {
            rdl_exact_sum total, part;
            shuffle(&seed, v, ref->n);
            assert_int_equal(encoded(v, ref->n, other), n);
            assert_memory_equal(first, other, n);
            rdl_exact_init(&total);
            rdl_exact_init(&part);
            for (size_t i = 0; i < ref->n; i++) {
                rdl_exact_add(&part, v[i]);
                if (splitmix(&seed) % 7 == 0) { /* a group ends here */
                    rdl_exact_merge(&total, &part);
                    rdl_exact_fini(&part);
                }
            }
            rdl_exact_merge(&part, &total); /* the other way round for once */
            assert_int_equal(rdl_exact_encode(&part, other), n);
            assert_memory_equal(first, other, n);
            rdl_exact_fini(&part);
            rdl_exact_fini(&total);
        }
    }
}

static void taking_back_leaves_no_trace(void **state)
{
    (void)state;
    double v[VALUES_MAX];
    uint8_t before[RDL_EXACT_BYTES_MAX], after[RDL_EXACT_BYTES_MAX];
    for (size_t r = 0; r < REFERENCES; r++) {
        const struct reference *ref = &references[r];
        rdl_exact_sum s, part;
        rdl_exact_init(&s);
        rdl_exact_init(&part);
        random_doubles(ref->seed, ref->lo, ref->hi, v, ref->n);
        size_t half = ref->n / 2;
        for (size_t i = 0; i < half; i++)
            rdl_exact_add(&s, v[i]);
        size_t n = rdl_exact_encode(&s, before);
        for (size_t i = half; i < ref->n; i++) {
            rdl_exact_add(&s, v[i]);
            rdl_exact_add(&part, v[i]);
        }
        rdl_exact_add(&s, INFINITY);
        rdl_exact_add(&s, NAN);
        rdl_exact_sub(&s, NAN);
        rdl_exact_sub(&s, INFINITY);
        rdl_exact_unmerge(&s, &part);
        assert_int_equal(rdl_exact_encode(&s, after), n);
        assert_memory_equal(before, after, n);
        for (size_t i = 0; i < half; i++)
            rdl_exact_sub(&s, v[i]);
        assert_int_equal(rdl_exact_encode(&s, after), 1);
        assert_int_equal(bits_of(rdl_exact_value(&s)), 0);
        rdl_exact_fini(&s);
        rdl_exact_fini(&part);
    }
}

static double sum_of(const double *v, size_t n)
{
    rdl_exact_sum s;
    rdl_exact_init(&s);
    for (size_t i = 0; i < n; i++)
        rdl_exact_add(&s, v[i]);
    double x = rdl_exact_value(&s);
    rdl_exact_fini(&s);
    return x;
}

#define SUM(...)                                                                                   \
    sum_of((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void ties_go_to_even_and_any_rest_breaks_them(void **state)
{
    (void)state;
    const double tiny = 0x1p-1074, most = 0x1.fffffffffffffp1023;
    assert_true(SUM(1, 0x1p-53) == 1);
    assert_true(SUM(1, 0x1p-53, tiny) == 0x1.0000000000001p0);
    assert_true(SUM(1, 0x1p-53, -tiny) == 1);
    assert_true(SUM(0x1.0000000000001p0, 0x1p-53) == 0x1.0000000000002p0);
    assert_true(SUM(-1, -0x1p-53, -tiny) == -0x1.0000000000001p0);
    assert_true(SUM(1e300, 1, -1e300) == 1);
    assert_true(SUM(most, tiny) == most);
    assert_true(SUM(most, 0x1p969) == most);
    assert_true(isinf(SUM(most, 0x1p970)));
    assert_true(SUM(most, most, -most) == most);
    assert_true(SUM(most, 0x1p970, -tiny) == most);
    assert_true(isinf(SUM(-most, -most)) && SUM(-most, -most) < 0);
    assert_true(SUM(tiny, tiny, tiny) == 3 * tiny);
    assert_true(SUM(0x1p-1022, -tiny) == 0x0.fffffffffffffp-1022);
    assert_true(SUM(0.1, 0.2, -0.3) == 0x1p-55);
    assert_int_equal(bits_of(SUM(-0.0, -0.0)), 0);
    assert_int_equal(bits_of(SUM(1, -1)), 0);
}

static void special_values_follow_ieee(void **state)
{
    (void)state;
    assert_true(SUM(1, INFINITY) == INFINITY);
    assert_true(SUM(1, -INFINITY) == -INFINITY);
    assert_true(isnan(SUM(INFINITY, -INFINITY)));
    assert_true(isnan(SUM(INFINITY, NAN)));
    assert_true(isnan(SUM(-NAN, 1)));
    rdl_exact_sum s, q;
    rdl_exact_init(&s);
    rdl_exact_init(&q);
    rdl_exact_add(&s, 1e200);
    rdl_exact_add_square(&q, 1e200);
    assert_true(rdl_exact_variance(&s, &q, 1, true) != rdl_exact_variance(&s, &q, 1, true));
    assert_true(isinf(rdl_exact_variance(&s, &q, 1, false)));
    rdl_exact_add(&s, NAN);
    assert_true(isnan(rdl_exact_variance(&s, &q, 2, false)));
    rdl_exact_fini(&s);
    rdl_exact_fini(&q);
}

static void equal_values_have_no_variance(void **state)
{
    (void)state;
    const double values[] = {0.1, 1e-160, 1e-300, 123456789.123, 5e-324, 0};
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        rdl_exact_sum s, q;
        rdl_exact_init(&s);
        rdl_exact_init(&q);
        for (int i = 0; i < 1000; i++) {
            rdl_exact_add(&s, values[v]);
            rdl_exact_add_square(&q, values[v]);
        }
        assert_true(rdl_exact_variance(&s, &q, 1000, false) == 0);
        assert_true(rdl_exact_variance(&s, &q, 1000, true) == 0);
        rdl_exact_fini(&s);
        rdl_exact_fini(&q);
    }
}

/* Doubling by merging: 2^k values after k steps, through many carry passes. */
static void carries_pass_whatever_the_number_of_values(void **state)
{
    (void)state;
    const double starts[] = {1.7976931348623157e308, -1.7976931348623157e308, 3.7, -3.7, 5e-324,
                             0x1.fffffffffffffp31};
    for (size_t v = 0; v < sizeof starts / sizeof *starts; v++) {
        rdl_exact_sum s, copy;
        uint8_t bytes[RDL_EXACT_BYTES_MAX];
        rdl_exact_init(&s);
        rdl_exact_add(&s, starts[v]);
        for (int k = 0; k < 60; k++) {
            rdl_exact_init(&copy);
            rdl_exact_merge(&copy, &s);
            rdl_exact_merge(&s, &copy);
            rdl_exact_fini(&copy);
        }
        assert_true(rdl_exact_mean(&s, (int64_t)1 << 60) == starts[v]);
        double expected = ldexp(starts[v], 60);
        assert_true(rdl_exact_value(&s) == expected);
        size_t n = rdl_exact_encode(&s, bytes);
        rdl_exact_init(&copy);
        assert_true(rdl_exact_decode(&copy, bytes, n));
        rdl_exact_unmerge(&s, &copy);
        assert_int_equal(rdl_exact_encode(&s, bytes), 1);
        rdl_exact_fini(&copy);
        rdl_exact_fini(&s);
    }
}

static void a_carry_pass_in_the_middle_changes_nothing(void **state)
{
    (void)state;
    double v[VALUES_MAX];
    uint8_t a[RDL_EXACT_BYTES_MAX], b[RDL_EXACT_BYTES_MAX];
    for (size_t r = 0; r < REFERENCES; r++) {
        const struct reference *ref = &references[r];
        rdl_exact_sum s;
        rdl_exact_init(&s);
        random_doubles(ref->seed, ref->lo, ref->hi, v, ref->n);
        size_t n = encoded(v, ref->n, a);
        for (size_t i = 0; i < ref->n; i++) {
            if (i % 3 == 0)
                s.adds = RDL_EXACT_ADDS_MAX; /* as if so many had been added */
            rdl_exact_add(&s, v[i]);
        }
        assert_int_equal(rdl_exact_encode(&s, b), n);
        assert_memory_equal(a, b, n);
        rdl_exact_fini(&s);
    }
}

static void encodings_are_read_back_and_merged(void **state)
{
    (void)state;
    double v[VALUES_MAX];
    uint8_t whole[RDL_EXACT_BYTES_MAX], a[RDL_EXACT_BYTES_MAX], b[RDL_EXACT_BYTES_MAX];
    for (size_t r = 0; r < REFERENCES; r++) {
        const struct reference *ref = &references[r];
        random_doubles(ref->seed, ref->lo, ref->hi, v, ref->n);
        v[0] = r % 2 == 0 ? INFINITY : NAN;
        size_t n = encoded(v, ref->n, whole), half = ref->n / 2;
        size_t na = encoded(v, half, a), nb = encoded(v + half, ref->n - half, b);
        rdl_str sa = {(char *)a, na}, sb = {(char *)b, nb};
        rdl_buf out = {0}, back = {0};
        assert_true(rdl_exact_merge_bytes(sa, sb, 1, &out));
        assert_int_equal(out.n, n);
        assert_memory_equal(out.p, whole, n);
        assert_true(rdl_exact_merge_bytes((rdl_str){out.p, out.n}, sb, -1, &back));
        assert_int_equal(back.n, na);
        assert_memory_equal(back.p, a, na);
        rdl_buf_fini(&out);
        rdl_buf_fini(&back);
    }
}

static void bytes_that_are_not_canonical_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t p[40];
        size_t n;
    } bad[] = {
        {{0}, 0},                              /* nothing */
        {{4}, 1},                              /* a flag that is none */
        {{1}, 1},                              /* minus zero */
        {{0, 34}, 2},                          /* an index without limbs */
        {{0, 34, 1, 0, 0}, 5},                 /* part of a limb */
        {{0, 34, 0, 0, 0, 0}, 6},              /* a zero limb */
        {{0, 34, 1, 0, 0, 0, 0, 0, 0, 0}, 10}, /* a zero limb on top */
        {{0, 34, 0, 0, 0, 0, 1, 0, 0, 0}, 10}, /* a zero limb below */
        {{0, 68, 1, 0, 0, 0}, 6},              /* beyond the highest */
        {{0, 67, 1, 0, 0, 0, 1, 0, 0, 0}, 10}, /* likewise */
        {{2, 0, 0, 0}, 4},                     /* counts cut short */
        {{2}, 25},                             /* counts that are all zero */
    };
    rdl_exact_sum s;
    rdl_exact_init(&s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(rdl_exact_decode(&s, bad[i].p, bad[i].n));
    const uint8_t one[] = {0, 34, 1, 0, 0, 0};
    assert_true(rdl_exact_decode(&s, one, sizeof one));
    assert_true(rdl_exact_value(&s) == 1);
    rdl_exact_fini(&s);
}

static void a_sum_may_be_moved_by_memcpy(void **state)
{
    (void)state;
    rdl_exact_sum s, moved;
    rdl_exact_init(&s);
    for (int i = 0; i < 100; i++)
        rdl_exact_add(&s, 0.1);
    memcpy(&moved, &s, sizeof s);
    memset(&s, 0xff, sizeof s);
    rdl_exact_sub(&moved, 0.1);
    assert_true(rdl_exact_mean(&moved, 99) == 0.1);
    rdl_exact_fini(&moved);
    assert_true(sizeof(rdl_exact_sum) <= 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_means_and_variances_round_once),
        cmocka_unit_test(every_order_and_grouping_gives_the_same_bytes),
        cmocka_unit_test(taking_back_leaves_no_trace),
        cmocka_unit_test(ties_go_to_even_and_any_rest_breaks_them),
        cmocka_unit_test(special_values_follow_ieee),
        cmocka_unit_test(equal_values_have_no_variance),
        cmocka_unit_test(carries_pass_whatever_the_number_of_values),
        cmocka_unit_test(a_carry_pass_in_the_middle_changes_nothing),
        cmocka_unit_test(encodings_are_read_back_and_merged),
        cmocka_unit_test(bytes_that_are_not_canonical_are_refused),
        cmocka_unit_test(a_sum_may_be_moved_by_memcpy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
