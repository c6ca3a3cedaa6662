/*
 * generate_kit.h - what a generator of test data needs: random numbers, ids, text, files.
 *
 * Numbers come from splitmix64, one stream for each (seed, purpose, number), so that the
 * n-th thing does not depend on how many came before it; permutations and ids need no
 * table.  Text is built from integers: no locale, no rounding by printf.  Included once, by
 * generate.c.
 */
#ifndef GENERATE_KIT_H
#define GENERATE_KIT_H

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    EVENT_ID_CHARS = 12,
    MASTER_ID_CHARS = 8,
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef struct rng {
    uint64_t state;
} rng;

/* An open-addressed set of 64-bit keys, never 0; at most half full. */
typedef struct key_set {
    uint64_t *keys;
    size_t mask, count;
} key_set;

static _Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void die(const char *fmt, ...)
{
    va_list ap;
    fputs("generate: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static void *need(size_t n, size_t size)
{
    void *p = calloc(n == 0 ? 1 : n, size); /* allow: stand-alone program */
    if (p == NULL)
        die("could not allocate %zu bytes", n * size);
    return p;
}

/* ---- random numbers: splitmix64, a stream for each (purpose, number) --------------------
 */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static rng rng_of(uint64_t seed, int purpose, uint64_t number)
{
    return (rng){mix(seed * 1000003u + (uint64_t)purpose * UINT64_C(0x9e3779b97f4a7c15)) ^
                 mix(number + UINT64_C(0x632be59bd9b4e019))};
}

static uint64_t rng_next(rng *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(r->state);
}

static double rng_unit(rng *r) /* [0, 1) */
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

static int64_t rng_below(rng *r, int64_t n)
{
    return (int64_t)(rng_unit(r) * (double)n);
}

static bool rng_chance(rng *r, double p)
{
    return rng_unit(r) < p;
}

static double rng_normal(rng *r, double mean, double sd)
{
    double u = 1.0 - rng_unit(r), v = rng_unit(r);
    return mean + sd * sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static int rng_pick(rng *r, const double *share, int n)
{
    double u = rng_unit(r);
    for (int i = 0; i < n - 1; i++) {
        if (u < share[i])
            return i;
        u -= share[i];
    }
    return n - 1;
}

/* A permutation of 0 .. n-1 without a table: a Feistel network over the next even power of
 * two, walked until it lands inside. */
static uint64_t permute(uint64_t key, uint64_t n, uint64_t i)
{
    unsigned half = 1;
    while ((UINT64_C(1) << (2 * half)) < n)
        half++;
    const uint64_t low = (UINT64_C(1) << half) - 1;
    do {
        uint64_t left = i >> half, right = i & low;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (mix(key + round * UINT64_C(0xd1342543de82ef95) + right) & low);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* A prefix and `chars` characters; different numbers give different ids: a permutation of a
 * power of two below 36^chars. */
static void make_id(char out[20], const char *prefix, int chars, uint64_t seed, int purpose,
                    uint64_t number)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint64_t key = mix(seed + (uint64_t)purpose * 7919u);
    uint64_t x = permute(key, UINT64_C(1) << (chars == EVENT_ID_CHARS ? 62 : 40), number);
    size_t n = strlen(prefix);
    memcpy(out, prefix, n);
    for (int i = 0; i < chars; i++) {
        out[n++] = digits[x % 36];
        x /= 36;
    }
    out[n] = '\0';
}

/* ---- sets ---------------------------------------------------------------------------- */

static void set_init(key_set *s, int64_t expected)
{
    size_t n = 16;
    while (n < (size_t)expected * 2 + 2)
        n *= 2;
    *s = (key_set){need(n, sizeof(uint64_t)), n - 1, 0};
}

static uint64_t *set_slot(const key_set *s, uint64_t key)
{
    size_t i = (size_t)mix(key) & s->mask;
    while (s->keys[i] != 0 && s->keys[i] != key)
        i = (i + 1) & s->mask;
    return &s->keys[i];
}

static bool set_has(const key_set *s, uint64_t key)
{
    return s->count > 0 && *set_slot(s, key) == key;
}

static bool set_add(key_set *s, uint64_t key)
{
    uint64_t *slot = set_slot(s, key);
    if (*slot == key)
        return false;
    *slot = key;
    s->count++;
    return true;
}

/* ---- text ---------------------------------------------------------------------------- */

static char *put(char *p, const char *text)
{
    size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

static char *put_digits(char *p, int64_t v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        p[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return p + width;
}

static char *put_int(char *p, int64_t v)
{
    char digits[24];
    int n = 0;
    if (v < 0) {
        *p++ = '-';
        v = -v;
    }
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (n > 0)
        *p++ = digits[--n];
    return p;
}

/* v / 10^places, without trailing zeros but with one place at least: 2.0, 0.0248. */
static char *put_fixed(char *p, int64_t v, int places)
{
    int64_t one = 1;
    for (int i = 0; i < places; i++)
        one *= 10;
    if (v < 0) {
        *p++ = '-';
        v = -v;
    }
    p = put_int(p, v / one);
    *p++ = '.';
    p = put_digits(p, v % one, places);
    while (p[-1] == '0' && p[-2] != '.')
        p--;
    return p;
}

/* Micro-units as the producers print them: 0, 8.9e-05, 0.000103, 0.0248. */
static char *put_micro(char *p, int64_t v)
{
    if (v == 0)
        return put(p, "0");
    if (v >= 100)
        return put_fixed(p, v, 6);
    if (v < 10) {
        p = put_int(p, v);
        return put(p, "e-06");
    }
    p = put_int(p, v / 10);
    if (v % 10 != 0) {
        *p++ = '.';
        p = put_int(p, v % 10);
    }
    return put(p, "e-05");
}

/* Days since 1970 to YYYY-MM-DD (proleptic Gregorian; Howard Hinnant's civil_from_days). */
static char *put_date(char *p, int64_t days)
{
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);
    p = put_digits(p, year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    return put_digits(p, day, 2);
}

static const char *date_text(char out[16], int64_t days)
{
    *put_date(out, days) = '\0';
    return out;
}

static const char *fixed_text(char out[32], int64_t v, int places)
{
    *put_fixed(out, v, places) = '\0';
    return out;
}

/* ---- files --------------------------------------------------------------------------- */

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        die("could not create folder \"%s\": %s", path, strerror(errno));
}

static FILE *create_in(const char *folder, const char *name)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        die("path \"%s/%s\" is too long", folder, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        die("could not create \"%s\": %s", path, strerror(errno));
    setvbuf(f, NULL, _IOFBF, 1 << 18);
    return f;
}

static void finish(FILE *f, const char *what)
{
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad)
        die("could not write %s: %s", what, strerror(errno));
}

#endif
