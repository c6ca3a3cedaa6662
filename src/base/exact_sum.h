/*
 * base/exact_sum.h - the exact sum of doubles, whatever their order.
 *
 * A sum is a signed fixed-point number wide enough for every double (2^-1074 .. 2^1024 and
 * carry room), kept as 32-bit limbs in int64 slots over the window that the values touch.
 * Adding, merging and subtracting are exact, so that stream and batch, any grouping of rows,
 * and a row that is taken back all give the same bits.  NaN, +inf and -inf are counted apart.
 *
 * The canonical encoding is a function of the value alone (carries propagated, leading and
 * trailing zero limbs cut): equal sums have equal bytes.
 *
 * A sum holds no pointer into itself: it may be moved by memcpy (DuckDB does that with the
 * states of aggregates).  Needing memory and getting none aborts the process, as in str.h.
 *
 * Thread: one at a time.
 */
#ifndef RDL_BASE_EXACT_SUM_H
#define RDL_BASE_EXACT_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

enum {
    RDL_EXACT_LIMBS = 68,         /* 68 * 32 = 2176 bits: 2^-1088 .. 2^1088 */
    RDL_EXACT_INLINE = 6,         /* limbs kept without heap memory */
    RDL_EXACT_BYTES_MAX = 320,    /* of a canonical encoding */
    RDL_EXACT_ADDS_MAX = 1 << 30, /* between carry passes: slots stay below 2^63 */
};

typedef struct rdl_exact_sum {
    int64_t *limbs; /* NULL: inline_limbs; else RDL_EXACT_LIMBS on the heap */
    int64_t inline_limbs[RDL_EXACT_INLINE];
    int16_t base;  /* limb index of the first slot: its unit is 2^(32 * base - 1088) */
    int16_t n;     /* slots; 0: nothing but zeros was added, no window yet */
    uint32_t adds; /* no slot exceeds adds * 2^32 */
    int64_t nan, plus_inf, minus_inf; /* may go down to zero again by subtraction */
} rdl_exact_sum;

void rdl_exact_init(rdl_exact_sum *s);
void rdl_exact_fini(rdl_exact_sum *s);
void rdl_exact_sub(rdl_exact_sum *s, double x);
/*
 * x*x, exactly while both halves of the product are doubles (1e-146 < |x| < 1e154; fma gives
 * the low half); below, the low half is rounded, above, the square counts as infinite: both
 * depend on x alone.
 */
void rdl_exact_add_square(rdl_exact_sum *s, double x);
void rdl_exact_merge(rdl_exact_sum *s, const rdl_exact_sum *other);
void rdl_exact_unmerge(rdl_exact_sum *s, const rdl_exact_sum *other); /* takes it back */
double rdl_exact_value(rdl_exact_sum *s);           /* correctly rounded, half to even */
double rdl_exact_mean(rdl_exact_sum *s, int64_t n); /* correctly rounded too; n > 0 */
/* kind: variance of population (n) or sample (n - 1), correctly rounded; the caller takes the
 * root.  NaN when n is too small or a value was not finite. */
double rdl_exact_variance(rdl_exact_sum *sum, rdl_exact_sum *squares, int64_t n, bool sample);
size_t rdl_exact_encode(rdl_exact_sum *s, uint8_t out[RDL_EXACT_BYTES_MAX]);
/* Into an initialised sum, replacing it; false: not canonical, the sum is zero then. */
bool rdl_exact_decode(rdl_exact_sum *s, const void *p, size_t n);
/* dst += sign * src, on encodings (sign +1 or -1); out is canonical; false: not canonical. */
bool rdl_exact_merge_bytes(rdl_str dst, rdl_str src, int sign, rdl_buf *out);

/* Whatever the fast path below does not take: zero, not finite, outside the window, carry. */
void rdl_exact_add_slow(rdl_exact_sum *s, double x);

/* Inline because it runs once per row of every aggregate. */
static inline void rdl_exact_add(rdl_exact_sum *s, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 52 & 0x7ff);
    const int at = exponent + 13; /* of the lowest bit: x = m * 2^(exponent - 1075) */
    const int slot = (at >> 5) - s->base;
    if (exponent == 0 || exponent == 0x7ff || slot < 0 || slot > s->n - 3 ||
        s->adds >= RDL_EXACT_ADDS_MAX) {
        rdl_exact_add_slow(s, x);
        return;
    }
    const uint64_t m = (bits & 0xfffffffffffff) | (uint64_t)1 << 52;
    const uint64_t low = m << (at & 31), high = m >> 1 >> (63 - (at & 31));
    const int64_t sign = -(int64_t)(bits >> 63); /* 0 or -1: (v ^ sign) - sign negates */
    int64_t *limb = (s->limbs != NULL ? s->limbs : s->inline_limbs) + slot;
    limb[0] += ((int64_t)(low & 0xffffffff) ^ sign) - sign;
    limb[1] += ((int64_t)(low >> 32) ^ sign) - sign;
    limb[2] += ((int64_t)high ^ sign) - sign;
    s->adds++;
}

#endif
