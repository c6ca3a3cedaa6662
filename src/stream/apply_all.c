/*
 * stream/apply_all.c - sealed epochs into the lake and the stores at the end of --once.
 *
 * A store takes many rows at the pace of its server, and the lake at ours: when there are many, the
 * stores are filled by a thread of their own, from a copy of the history and by a connection of
 * its own, as the apply thread of a continuous run does it (applier.c, P1).  Few rows are not worth a
 * thread, and a small budget has no room for both at once.
 *
 * INVARIANT  A5  The stores' thread touches stores and destinations alone, the caller the lake alone;
 *                nothing is pruned before both are done.
 */
#include "stream/internal.h"

enum {
    ROWS_MIN = 65536, /* of published tables, not in a store yet */
};

#define MEMORY_MIN (UINT64_C(512) << 20)

typedef struct beside {
    rdl_engine *e;
    rdl_conn *conn;
    rdl_arena arena;
    rdl_history history;
    rdl_thread *thread;
    rdl_err *failed; /* by store; code RDL_OK: it has all */
} beside;

static bool is_worth_it(const rdl_engine *e)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < e->destination_count; i++) {
        const rdl_destination *d = &e->destinations[i];
        const rdl_table_history *h =
            rdl_map_get(&e->history.tables, d->publication->table->full);
        for (size_t j = 0; h != NULL && j < h->segments.n; j++) {
            if (d->epoch < 0 || h->segments.v[j].epoch > (uint64_t)d->epoch)
                rows += h->segments.v[j].rows_new + h->segments.v[j].rows_old;
        }
    }
    return rows >= ROWS_MIN && e->memory_bytes >= MEMORY_MIN;
}

static void *fill(void *arg)
{
    beside *b = arg;
    const rdl_apply p = {b->e, b->conn, &b->history};
    int64_t began = rdl_monotonic_us();
    for (size_t i = 0; i < b->e->store_count; i++) {
        rdl_err *err = &b->failed[i];
        rdl_code rc = rdl_apply_to_store(&p, &b->e->stores[i], err);
        if (rc == RDL_OK)
            *err = (rdl_err){0};
        else
            err->code = rc;
    }
    rdl_engine_note_step(b->e, RDL_STEP_SINKS, began, 0, 0);
    return NULL;
}

static rdl_code start(beside *b, rdl_err *err)
{
    rdl_history_copy_tables(&b->e->history, &b->arena, &b->history);
    b->failed = RDL_NEWN(&b->arena, rdl_err, b->e->store_count + 1);
    RDL_TRY(rdl_conn_open(b->e->duck, &b->conn, err));
    return rdl_thread_start("raudal-stores", fill, b, &b->thread, err);
}

/* The first failure of a store is the stores'; each is told. */
static rdl_code join(beside *b, rdl_err *stores)
{
    rdl_code first = RDL_OK;
    (void)rdl_thread_join(b->thread);
    for (size_t i = 0; i < b->e->store_count; i++) {
        const rdl_err *err = &b->failed[i];
        if (err->code == RDL_OK)
            continue;
        rdl_store_tell(b->e, &b->e->stores[i], err->msg);
        if (first == RDL_OK) {
            *stores = *err;
            first = err->code;
        }
    }
    return first;
}

rdl_code rdl_apply_all(rdl_engine *e, rdl_code *out_stores, rdl_err *stores, rdl_err *err)
{
    beside b = {.e = e};
    *out_stores = RDL_OK;
    if (!is_worth_it(e)) {
        RDL_TRY(rdl_apply_lake(e, err));
        *out_stores = rdl_apply_sinks(e, stores);
        return RDL_OK;
    }
    rdl_arena_init(&b.arena, 0);
    rdl_code rc = start(&b, err);
    if (rc == RDL_OK) {
        rc = rdl_apply_lake(e, err);
        *out_stores = join(&b, stores);
    }
    rdl_conn_close(b.conn);
    rdl_arena_fini(&b.arena);
    return rc;
}
