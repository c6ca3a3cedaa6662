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
 * Thread: one at a time.
 */
#ifndef RDL_BASE_EXACT_SUM_H
#define RDL_BASE_EXACT_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    RDL_EXACT_LIMBS = 68,       /* 68 * 32 = 2176 bits: 2^-1088 .. 2^1088 */
    RDL_EXACT_INLINE = 6,       /* limbs kept without heap memory */
    RDL_EXACT_BYTES_MAX = 320,  /* of a canonical encoding */
};

typedef struct rdl_exact_sum {
    int64_t *limbs;           /* inline_limbs, or RDL_EXACT_LIMBS on the heap */
    int64_t inline_limbs[RDL_EXACT_INLINE];
    int16_t base;             /* limb index of limbs[0] */
    int16_t n;                /* limbs in use; 0: the sum is zero */
    uint32_t adds;            /* since the last carry pass; < 2^30 */
    int64_t nan, plus_inf, minus_inf; /* may go down to zero again by subtraction */
} rdl_exact_sum;

void rdl_exact_init(rdl_exact_sum *s);
void rdl_exact_fini(rdl_exact_sum *s);
void rdl_exact_add(rdl_exact_sum *s, double x);
void rdl_exact_sub(rdl_exact_sum *s, double x);
void rdl_exact_add_square(rdl_exact_sum *s, double x); /* x*x exactly: fma gives both halves */
void rdl_exact_merge(rdl_exact_sum *s, const rdl_exact_sum *other);
double rdl_exact_value(rdl_exact_sum *s); /* correctly rounded, half to even */
double rdl_exact_mean(rdl_exact_sum *s, int64_t n);
/* kind: variance of population (n) or sample (n - 1); the caller takes the root. */
double rdl_exact_variance(rdl_exact_sum *sum, rdl_exact_sum *squares, int64_t n, bool sample);
size_t rdl_exact_encode(rdl_exact_sum *s, uint8_t out[RDL_EXACT_BYTES_MAX]);
bool rdl_exact_decode(rdl_exact_sum *s, const void *p, size_t n); /* false: not canonical */
/* dst += sign * src, on encodings (sign +1 or -1); out is canonical; false: not canonical. */
bool rdl_exact_merge_bytes(rdl_str dst, rdl_str src, int sign, rdl_buf *out);

#endif
