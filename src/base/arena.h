/*
 * base/arena.h - memory with a lifetime instead of an owner.
 *
 *   engine    until exit          catalog, connectors, metrics
 *   pipeline  until it is closed  plan, schemas
 *   epoch     until the commit    decoded batches, sink requests
 *   call      until the return    text being built, error paths
 *
 * An arena has a byte budget (0: none).  Running over it returns NULL, an ordinary failure
 * (RDL_ELIMIT or RDL_ENOMEM for the caller).  Small text built while planning uses the
 * _x forms, which abort the process on exhaustion: a planner that cannot allocate a
 * kilobyte has nothing better to do, and nothing is unsealed by dying.
 *
 * Thread: one at a time.
 */
#ifndef RDL_BASE_ARENA_H
#define RDL_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct rdl_arena_block rdl_arena_block;
typedef struct rdl_arena_hook rdl_arena_hook;

typedef struct rdl_arena {
    rdl_arena_block *blocks; /* newest first */
    rdl_arena_hook *hooks;   /* newest first; run by reset and fini */
    size_t used, budget;     /* bytes */
} rdl_arena;

void rdl_arena_init(rdl_arena *a, size_t budget_bytes);
void rdl_arena_reset(rdl_arena *a); /* frees all; the arena can be used again */
void rdl_arena_fini(rdl_arena *a);
void *rdl_arena_alloc(rdl_arena *a, size_t n); /* zeroed, 16-aligned; NULL over budget */
/* Tie a foreign resource to the arena's lifetime; hooks run newest first. */
bool rdl_arena_defer(rdl_arena *a, void (*fn)(void *), void *arg);

void *rdl_arena_x(rdl_arena *a, size_t n);
char *rdl_arena_strndup(rdl_arena *a, const char *s, size_t n); /* adds a NUL; aborts */
char *rdl_arena_strdup(rdl_arena *a, const char *s);            /* NULL gives NULL */
char *rdl_arena_printf(rdl_arena *a, const char *fmt, ...) RDL_PRINTF(2, 3);

#define RDL_NEW(arena, type) ((type *)rdl_arena_x((arena), sizeof(type)))
#define RDL_NEWN(arena, type, n) ((type *)rdl_arena_array_x((arena), (n), sizeof(type)))
void *rdl_arena_array_x(rdl_arena *a, size_t n, size_t each); /* checks the product */

/*
 * A growing array in an arena: RDL_VEC(rdl_column) columns; RDL_PUSH(arena, &columns) = c.
 * Old copies stay in the arena until it is reset.
 */
#define RDL_VEC(type)                                                                              \
    struct {                                                                                       \
        type *v;                                                                                   \
        size_t n, cap;                                                                             \
    }
#define RDL_PUSH(arena, vec)                                                                       \
    (*(rdl_vec_grow((arena), (void **)&(vec)->v, &(vec)->n, &(vec)->cap, sizeof *(vec)->v),        \
       &(vec)->v[(vec)->n++]))
void rdl_vec_grow(rdl_arena *a, void **v, size_t *n, size_t *cap, size_t each);

#endif
