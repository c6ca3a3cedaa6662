/*
 * base/arena.c - blocks of at least 8 KiB in a list; everything freed together.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

enum {
    BLOCK_BYTES_MIN = 8192,
    ALIGN = 16,
};

struct rdl_arena_block {
    rdl_arena_block *next;
    size_t size, used; /* of the bytes that follow */
    size_t pad;        /* keeps the bytes 16-aligned */
};

struct rdl_arena_hook {
    rdl_arena_hook *next;
    void (*fn)(void *);
    void *arg;
};

void rdl_arena_init(rdl_arena *a, size_t budget_bytes)
{
    *a = (rdl_arena){.budget = budget_bytes};
}

void rdl_arena_reset(rdl_arena *a)
{
    for (rdl_arena_hook *h = a->hooks; h != NULL; h = h->next)
        h->fn(h->arg);
    for (rdl_arena_block *b = a->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    a->blocks = NULL;
    a->hooks = NULL;
    a->used = 0;
}

void rdl_arena_fini(rdl_arena *a)
{
    rdl_arena_reset(a);
}

static rdl_arena_block *block_new(rdl_arena *a, size_t n)
{
    size_t grown = a->blocks != NULL ? a->blocks->size * 2 : BLOCK_BYTES_MIN;
    size_t size = n > grown ? n : grown;
    if (size > ((size_t)1 << 20) && n <= ((size_t)1 << 20))
        size = (size_t)1 << 20;
    rdl_arena_block *b = malloc(sizeof *b + size);
    if (b == NULL)
        return NULL;
    *b = (rdl_arena_block){.next = a->blocks, .size = size};
    a->blocks = b;
    return b;
}

void *rdl_arena_alloc(rdl_arena *a, size_t n)
{
    if (n > SIZE_MAX - ALIGN)
        return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->budget != 0 && (n > a->budget || a->used > a->budget - n))
        return NULL;
    if (RDL_FAULT_AT(ALLOC) != 0)
        return NULL;
    rdl_arena_block *b = a->blocks;
    if (b == NULL || b->size - b->used < n) {
        b = block_new(a, n);
        if (b == NULL)
            return NULL;
    }
    void *p = (char *)(b + 1) + b->used;
    b->used += n;
    a->used += n;
    return memset(p, 0, n);
}

bool rdl_arena_defer(rdl_arena *a, void (*fn)(void *), void *arg)
{
    rdl_arena_hook *h = rdl_arena_alloc(a, sizeof *h);
    if (h == NULL)
        return false;
    *h = (rdl_arena_hook){.next = a->hooks, .fn = fn, .arg = arg};
    a->hooks = h;
    return true;
}

void *rdl_arena_x(rdl_arena *a, size_t n)
{
    void *p = rdl_arena_alloc(a, n);
    if (p == NULL) {
        fputs("raudal: out of memory while planning\n", stderr);
        abort();
    }
    return p;
}

void *rdl_arena_array_x(rdl_arena *a, size_t n, size_t each)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, each, &bytes))
        bytes = SIZE_MAX;
    return rdl_arena_x(a, bytes);
}

char *rdl_arena_strndup(rdl_arena *a, const char *s, size_t n)
{
    char *p = rdl_arena_x(a, n + 1);
    if (n > 0)
        memcpy(p, s, n);
    return p;
}

char *rdl_arena_strdup(rdl_arena *a, const char *s)
{
    return s != NULL ? rdl_arena_strndup(a, s, strlen(s)) : NULL;
}

char *rdl_arena_printf(rdl_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = rdl_arena_x(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

void rdl_vec_grow(rdl_arena *a, void **v, size_t *n, size_t *cap, size_t each)
{
    if (*n < *cap)
        return;
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *p = rdl_arena_array_x(a, more, each);
    if (*n > 0)
        memcpy(p, *v, *n * each);
    *v = p;
    *cap = more;
}
