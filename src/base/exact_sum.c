/*
 * base/exact_sum.c - exact sums: windows of limbs, canonical bytes, one rounding at the
 * end.
 *
 * ENCODING
 *
 *   byte 0        flags: 1 the sum is negative, 2 values that are not finite follow
 *   24 bytes      with flag 2: how many NaN, +inf, -inf, int64 little-endian each
 *   1 byte        index of the lowest limb (unit 2^(32 * index - 1088))
 *   4 bytes each  limbs of the magnitude, little-endian, lowest first; the first and the
 *                 last are not zero.  A zero sum ends before the index.
 *
 * INVARIANTS
 *
 *   E1  No slot exceeds adds * 2^32 in magnitude and adds stays below 2^31, so that slots
 *       do not overflow; a carry pass brings every slot but the highest into 0 .. 2^32 - 1.
 *   E2  Equal values have equal encodings: the magnitude's limbs are unique and trimmed.
 *   E3  Rounding happens once, in round_big, from all bits.
 *
 * E1 to E3 are checked by tests/unit/exact_sum_test.c against exact rational arithmetic.
 */
#include "base/exact_sum.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

enum {
    UNIT_BITS = 1088, /* limb 0 counts 2^-1088 */
    BIG_LIMBS = 148,  /* n * squares * 2^1088 - sum^2, and room to divide */
    DIVIDE_LIMBS = 4, /* limbs added below before dividing by a 63-bit number, twice */
    FLAG_NEGATIVE = 1,
    FLAG_SPECIAL = 2,
    SPECIAL_BYTES = 24,
};

/* A magnitude: limbs below 2^32, lowest first; used counts without leading zeros. */
typedef struct big {
    uint32_t v[BIG_LIMBS];
    int n;
} big;

static int64_t *slots(rdl_exact_sum *s)
{
    return s->limbs != NULL ? s->limbs : s->inline_limbs;
}

void rdl_exact_init(rdl_exact_sum *s)
{
    *s = (rdl_exact_sum){0};
}

void rdl_exact_fini(rdl_exact_sum *s)
{
    free(s->limbs);
    *s = (rdl_exact_sum){0};
}

/* ---- windows and carries ---- */

/* The slots that are not zero, as limb indexes [*lo, *hi); false when there are none. */
static bool used_range(const rdl_exact_sum *s, int *lo, int *hi)
{
    const int64_t *v = s->limbs != NULL ? s->limbs : s->inline_limbs;
    int from = 0, to = s->n;
    while (from < to && v[from] == 0)
        from++;
    while (to > from && v[to - 1] == 0)
        to--;
    *lo = s->base + from;
    *hi = s->base + to;
    return from < to;
}

static void move_to_heap(rdl_exact_sum *s)
{
    int64_t *v = calloc(RDL_EXACT_LIMBS, sizeof *v);
    if (v == NULL)
        abort();
    memcpy(v + s->base, s->inline_limbs, (size_t)s->n * sizeof *v);
    s->limbs = v;
    s->base = 0;
    s->n = RDL_EXACT_LIMBS;
}

/* Make limbs [lo, hi) addressable, keeping what is there. */
static void ensure_window(rdl_exact_sum *s, int lo, int hi)
{
    int from, to;
    if (s->n != 0 && lo >= s->base && hi <= s->base + s->n)
        return;
    if (used_range(s, &from, &to)) {
        lo = from < lo ? from : lo;
        hi = to > hi ? to : hi;
    }
    if (hi - lo > RDL_EXACT_INLINE) {
        move_to_heap(s);
        return;
    }
    /* Room below first: small values follow large ones more often than the reverse. */
    int spare = RDL_EXACT_INLINE - (hi - lo), base = lo - (spare + 1) / 2;
    if (base < 0)
        base = 0;
    if (base > RDL_EXACT_LIMBS - RDL_EXACT_INLINE)
        base = RDL_EXACT_LIMBS - RDL_EXACT_INLINE;
    int64_t moved[RDL_EXACT_INLINE] = {0};
    for (int i = 0; i < s->n; i++)
        if (s->inline_limbs[i] != 0)
            moved[s->base + i - base] = s->inline_limbs[i];
    memcpy(s->inline_limbs, moved, sizeof moved);
    s->base = (int16_t)base;
    s->n = RDL_EXACT_INLINE;
}

/* Carry upwards, so that adds may start again (E1). */
static void carry(rdl_exact_sum *s)
{
    int64_t *v = slots(s);
    for (int i = 0; i + 1 < s->n; i++) {
        v[i + 1] += v[i] >> 32;
        v[i] &= 0xffffffff;
    }
    int top = s->base + s->n - 1;
    if (s->n != 0 && top + 1 < RDL_EXACT_LIMBS) {
        int64_t high = v[s->n - 1] >> 32;
        if (high != 0 && high != -1) {
            v[s->n - 1] &= 0xffffffff;
            ensure_window(s, top + 1, top + 2);
            slots(s)[top + 1 - s->base] += high;
        }
    }
    s->adds = 1;
}

static void count_special(rdl_exact_sum *s, double x, int64_t by)
{
    if (isnan(x))
        s->nan += by;
    else if (x > 0)
        s->plus_inf += by;
    else
        s->minus_inf += by;
}

void rdl_exact_add_slow(rdl_exact_sum *s, double x)
{
    if (x == 0)
        return;
    if (!isfinite(x)) {
        count_special(s, x, 1);
        return;
    }
    if (s->adds >= RDL_EXACT_ADDS_MAX)
        carry(s);
    int exponent;
    double fraction = frexp(fabs(x), &exponent); /* also of subnormals */
    uint64_t m = (uint64_t)ldexp(fraction, 53);
    int at = exponent - 53 + UNIT_BITS;
    if (at < 14) { /* subnormal: its lowest bits are zero */
        m >>= 14 - at;
        at = 14;
    }
    ensure_window(s, at >> 5, (at >> 5) + 3);
    u128 wide = (u128)m << (at & 31);
    int64_t *v = slots(s) + ((at >> 5) - s->base), sign = x < 0 ? -1 : 1;
    v[0] += sign * (int64_t)(uint32_t)wide;
    v[1] += sign * (int64_t)(uint32_t)(wide >> 32);
    v[2] += sign * (int64_t)(uint32_t)(wide >> 64);
    s->adds++;
}

void rdl_exact_sub(rdl_exact_sum *s, double x)
{
    if (isfinite(x))
        rdl_exact_add(s, -x);
    else
        count_special(s, x, -1);
}

void rdl_exact_add_square(rdl_exact_sum *s, double x)
{
    double high = x * x;
    rdl_exact_add(s, high);
    if (isfinite(high))
        rdl_exact_add(s, fma(x, x, -high));
}

static void merge_signed(rdl_exact_sum *s, const rdl_exact_sum *other, int64_t sign)
{
    int lo, hi;
    s->nan += sign * other->nan;
    s->plus_inf += sign * other->plus_inf;
    s->minus_inf += sign * other->minus_inf;
    if (!used_range(other, &lo, &hi))
        return;
    if (s->adds + other->adds > RDL_EXACT_ADDS_MAX)
        carry(s);
    ensure_window(s, lo, hi);
    const int64_t *from = other->limbs != NULL ? other->limbs : other->inline_limbs;
    int64_t *to = slots(s);
    for (int i = lo; i < hi; i++)
        to[i - s->base] += sign * from[i - other->base];
    s->adds += other->adds;
}

void rdl_exact_merge(rdl_exact_sum *s, const rdl_exact_sum *other)
{
    merge_signed(s, other, 1);
}

void rdl_exact_unmerge(rdl_exact_sum *s, const rdl_exact_sum *other)
{
    merge_signed(s, other, -1);
}

/* ---- magnitudes ---- */

static void big_trim(big *b)
{
    while (b->n > 0 && b->v[b->n - 1] == 0)
        b->n--;
}

/* The sum as sign and magnitude; *unit is the limb index of out->v[0].  True: negative. */
static bool to_big(const rdl_exact_sum *s, big *out, int *unit)
{
    int lo, hi;
    out->n = 0;
    *unit = 0;
    if (!used_range(s, &lo, &hi))
        return false;
    const int64_t *v = s->limbs != NULL ? s->limbs : s->inline_limbs;
    int64_t sign = 1;
    for (int pass = 0; pass < 2; pass++) {
        int64_t rest = 0;
        out->n = 0;
        for (int i = lo; i < hi; i++) {
            rest += sign * v[i - s->base];
            out->v[out->n++] = (uint32_t)rest;
            rest >>= 32;
        }
        for (int i = 0; i < 2 && rest >= 0; i++, rest >>= 32)
            out->v[out->n++] = (uint32_t)rest;
        if (rest >= 0)
            break;
        sign = -1; /* the sum is negative: once more with all slots negated */
    }
    *unit = lo;
    big_trim(out);
    int zeros = 0;
    while (zeros < out->n && out->v[zeros] == 0)
        zeros++;
    memmove(out->v, out->v + zeros, (size_t)(out->n - zeros) * sizeof *out->v);
    out->n -= zeros;
    *unit += zeros;
    return sign < 0;
}

/* The 64 bits from bit `at` upwards; bits outside b are zero. */
static uint64_t big_bits(const big *b, int64_t at)
{
    u128 wide = 0;
    int64_t limb = at >> 5;
    for (int64_t i = 0; i < 3; i++)
        if (limb + i >= 0 && limb + i < b->n)
            wide |= (u128)b->v[limb + i] << (32 * i);
    return (uint64_t)(wide >> (at & 31));
}

static bool big_any_below(const big *b, int64_t at)
{
    for (int64_t i = 0; i < b->n && 32 * i < at; i++) {
        uint32_t mask = at - 32 * i >= 32 ? UINT32_MAX : ((uint32_t)1 << (at - 32 * i)) - 1;
        if ((b->v[i] & mask) != 0)
            return true;
    }
    return false;
}

/*
 * The double nearest to b * 2^exponent, half to even; sticky: something below b is not
 * zero. b has at least 55 bits, or sticky is false.
 */
static double round_big(const big *b, int64_t exponent, bool sticky)
{
    if (b->n == 0)
        return 0;
    int64_t top = 32 * (int64_t)b->n - 1 - __builtin_clz(b->v[b->n - 1]);
    int64_t low = top - 52; /* lowest bit kept; not below 2^-1074 */
    if (low + exponent < -1074)
        low = -1074 - exponent;
    if (top + exponent > 1023)
        return HUGE_VAL;
    uint64_t m = big_bits(b, low);
    bool half = (big_bits(b, low - 1) & 1) != 0;
    bool rest = sticky || big_any_below(b, low - 1);
    if (half && (rest || (m & 1) != 0))
        m++;
    return ldexp((double)m, (int)(low + exponent));
}

/* b / d for d < 2^63; true when there is a remainder. */
static bool big_divide(big *b, uint64_t d)
{
    u128 rest = 0;
    for (int i = b->n - 1; i >= 0; i--) {
        rest = rest << 32 | b->v[i];
        b->v[i] = (uint32_t)(rest / d);
        rest %= d;
    }
    big_trim(b);
    return rest != 0;
}

static void big_shift_limbs(big *b, int limbs)
{
    if (b->n == 0)
        return;
    memmove(b->v + limbs, b->v, (size_t)b->n * sizeof *b->v);
    memset(b->v, 0, (size_t)limbs * sizeof *b->v);
    b->n += limbs;
    assert(b->n <= BIG_LIMBS);
}

static void big_multiply_small(big *b, uint64_t by)
{
    u128 rest = 0;
    for (int i = 0; i < b->n; i++) {
        rest += (u128)b->v[i] * by;
        b->v[i] = (uint32_t)rest;
        rest >>= 32;
    }
    for (; rest != 0; rest >>= 32)
        b->v[b->n++] = (uint32_t)rest;
}

static void big_square(const big *a, big *out)
{
    memset(out->v, 0, 2 * (size_t)a->n * sizeof *out->v);
    out->n = 2 * a->n;
    for (int i = 0; i < a->n; i++) {
        uint64_t rest = 0;
        for (int j = 0; j < a->n; j++) {
            rest += out->v[i + j] + (uint64_t)a->v[i] * a->v[j];
            out->v[i + j] = (uint32_t)rest;
            rest >>= 32;
        }
        out->v[i + a->n] = (uint32_t)rest;
    }
    big_trim(out);
}

/* a -= b; false when b is greater (a is of no use then). */
static bool big_subtract(big *a, const big *b)
{
    int64_t rest = 0;
    int n = a->n > b->n ? a->n : b->n;
    for (int i = 0; i < n; i++) {
        rest += (int64_t)(i < a->n ? a->v[i] : 0) - (int64_t)(i < b->n ? b->v[i] : 0);
        a->v[i] = (uint32_t)rest;
        rest >>= 32;
    }
    a->n = n;
    big_trim(a);
    return rest == 0;
}

/* ---- values ---- */

static bool special_value(const rdl_exact_sum *s, double *out)
{
    if (s->nan == 0 && s->plus_inf == 0 && s->minus_inf == 0)
        return false;
    if (s->nan != 0 || (s->plus_inf != 0 && s->minus_inf != 0))
        *out = NAN;
    else
        *out = s->plus_inf != 0 ? HUGE_VAL : -HUGE_VAL;
    return true;
}

double rdl_exact_value(rdl_exact_sum *s)
{
    double special;
    big b;
    int unit;
    if (special_value(s, &special))
        return special;
    bool negative = to_big(s, &b, &unit);
    double x = round_big(&b, 32 * (int64_t)unit - UNIT_BITS, false);
    return negative ? -x : x;
}

double rdl_exact_mean(rdl_exact_sum *s, int64_t n)
{
    double special;
    big b;
    int unit;
    assert(n > 0);
    if (special_value(s, &special))
        return special;
    bool negative = to_big(s, &b, &unit);
    big_shift_limbs(&b, DIVIDE_LIMBS);
    bool sticky = big_divide(&b, (uint64_t)n);
    double x = round_big(&b, 32 * (int64_t)(unit - DIVIDE_LIMBS) - UNIT_BITS, sticky);
    return negative ? -x : x;
}

/*
 * (n * squares - sum^2) / (n * n), or / (n * (n - 1)), in integers.  In limbs of the unit
 * 2^-2176 the square of the sum stands at twice its index, and squares at index + 34.
 */
double rdl_exact_variance(rdl_exact_sum *sum, rdl_exact_sum *squares, int64_t n, bool sample)
{
    double special;
    big s, q, s2;
    int s_unit, q_unit;
    if (n <= 0 || (sample && n == 1) || special_value(sum, &special))
        return NAN;
    if (special_value(squares, &special))
        return special;
    (void)to_big(sum, &s, &s_unit);
    (void)to_big(squares, &q, &q_unit);
    big_square(&s, &s2);
    s_unit *= 2;
    q_unit += UNIT_BITS / 32;
    big_multiply_small(&q, (uint64_t)n);
    int unit = s2.n == 0 || q_unit < s_unit ? q_unit : s_unit;
    big_shift_limbs(&q, q_unit - unit + 2 * DIVIDE_LIMBS);
    if (s2.n != 0)
        big_shift_limbs(&s2, s_unit - unit + 2 * DIVIDE_LIMBS);
    if (!big_subtract(&q, &s2))
        return 0; /* squares too small to be exact: all values are nearly the same */
    bool sticky = big_divide(&q, (uint64_t)n);
    sticky |= big_divide(&q, (uint64_t)(sample ? n - 1 : n));
    return round_big(&q, 32 * (int64_t)(unit - 2 * DIVIDE_LIMBS) - 2 * UNIT_BITS, sticky);
}

/* ---- bytes ---- */

static void put_le(uint8_t *p, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(x >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, int bytes)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

size_t rdl_exact_encode(rdl_exact_sum *s, uint8_t out[RDL_EXACT_BYTES_MAX])
{
    big b;
    int unit;
    size_t at = 1;
    bool negative = to_big(s, &b, &unit);
    bool special = s->nan != 0 || s->plus_inf != 0 || s->minus_inf != 0;
    out[0] = (uint8_t)((negative ? FLAG_NEGATIVE : 0) | (special ? FLAG_SPECIAL : 0));
    if (special) {
        put_le(out + 1, (uint64_t)s->nan, 8);
        put_le(out + 9, (uint64_t)s->plus_inf, 8);
        put_le(out + 17, (uint64_t)s->minus_inf, 8);
        at += SPECIAL_BYTES;
    }
    if (b.n == 0)
        return at;
    out[at++] = (uint8_t)unit;
    for (int i = 0; i < b.n; i++, at += 4)
        put_le(out + at, b.v[i], 4);
    return at;
}

static bool decode_limbs(rdl_exact_sum *s, const uint8_t *p, size_t n, bool negative)
{
    if (n == 0)
        return !negative;
    int lo = p[0], count = (int)((n - 1) / 4);
    if ((n - 1) % 4 != 0 || count == 0 || lo + count > RDL_EXACT_LIMBS)
        return false;
    if (get_le(p + 1, 4) == 0 || get_le(p + n - 4, 4) == 0)
        return false;
    ensure_window(s, lo, lo + count);
    int64_t *v = slots(s);
    for (int i = 0; i < count; i++) {
        int64_t limb = (int64_t)get_le(p + 1 + 4 * i, 4);
        v[lo + i - s->base] = negative ? -limb : limb;
    }
    s->adds = 1;
    return true;
}

bool rdl_exact_decode(rdl_exact_sum *s, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t at = 1;
    rdl_exact_fini(s);
    if (n == 0 || n > RDL_EXACT_BYTES_MAX || (p[0] & ~(FLAG_NEGATIVE | FLAG_SPECIAL)) != 0)
        return false;
    if ((p[0] & FLAG_SPECIAL) != 0) {
        if (n < 1 + SPECIAL_BYTES)
            return false;
        s->nan = (int64_t)get_le(p + 1, 8);
        s->plus_inf = (int64_t)get_le(p + 9, 8);
        s->minus_inf = (int64_t)get_le(p + 17, 8);
        at += SPECIAL_BYTES;
    }
    bool special = s->nan != 0 || s->plus_inf != 0 || s->minus_inf != 0;
    if (special == ((p[0] & FLAG_SPECIAL) != 0) &&
        decode_limbs(s, p + at, n - at, (p[0] & FLAG_NEGATIVE) != 0))
        return true;
    rdl_exact_fini(s);
    return false;
}

bool rdl_exact_merge_bytes(rdl_str dst, rdl_str src, int sign, rdl_buf *out)
{
    rdl_exact_sum a, b;
    uint8_t bytes[RDL_EXACT_BYTES_MAX];
    rdl_exact_init(&a);
    rdl_exact_init(&b);
    bool ok = rdl_exact_decode(&a, dst.p, dst.n) && rdl_exact_decode(&b, src.p, src.n);
    if (ok) {
        merge_signed(&a, &b, sign < 0 ? -1 : 1);
        rdl_buf_put(out, bytes, rdl_exact_encode(&a, bytes));
    }
    rdl_exact_fini(&a);
    rdl_exact_fini(&b);
    return ok;
}
