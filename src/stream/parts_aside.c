/*
 * stream/parts_aside.c - see parts_aside.h.
 */
#include "stream/parts_aside.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/machine.h"

enum { ASIDE_MEMORY = 512 << 20 }; /* of the budget: a writer's buffers beside a view's step */

struct rdl_parts_aside {
    rdl_engine *e;
    rdl_conn *conn;
    rdl_thread *thread;
    const rdl_table *table;
    rdl_work work; /* the epoch's, as far as parts look at it, with an arena of its own */
    rdl_sealed_table sealed;
    rdl_parts parts;
    rdl_buf where;
    rdl_code rc;
    rdl_err err;
};

static void *write_aside(void *arg)
{
    rdl_parts_aside *a = arg;
    a->rc = rdl_parts_write(a->e, a->conn, &a->work, a->table, &a->sealed, &a->parts, &a->where,
                            &a->err);
    return NULL;
}

static void aside_free(rdl_parts_aside *a)
{
    rdl_thread_join(a->thread);
    rdl_conn_close(a->conn);
    rdl_buf_fini(&a->where);
    rdl_arena_fini(&a->work.arena);
    free(a); /* allow: as its calloc */
}

static unsigned threads_of(const rdl_engine *e)
{
    unsigned all = (unsigned)rdl_cpu_count(), asked = e->config.threads;
    return asked > 0 && asked < all ? asked : all;
}

void rdl_parts_begin_aside(rdl_engine *e, rdl_work *w, const rdl_table *t)
{
    const rdl_sealed_table *s = rdl_work_seal_table(e, w, t);
    rdl_err why = {0};
    if (w->aside != NULL || threads_of(e) < 2 || e->memory_bytes < ASIDE_MEMORY ||
        !rdl_parts_may_have(e, w, t, s))
        return;
    rdl_parts_aside *a = calloc(1, sizeof *a); /* allow: until the epoch ends */
    if (a == NULL)
        return;
    *a = (rdl_parts_aside){.e = e, .table = t, .work = *w, .sealed = *s};
    rdl_arena_init(&a->work.arena, 0);
    if (rdl_conn_open(e->duck, &a->conn, &why) == RDL_OK &&
        rdl_thread_start("parts", write_aside, a, &a->thread, &why) == RDL_OK) {
        w->aside = a;
        return;
    }
    rdl_log_err(RDL_LOG_WARN, "epoch", "no_thread_for_parts", &why);
    aside_free(a);
}

bool rdl_parts_await(rdl_work *w, const rdl_table *t, rdl_sealed_table *s, rdl_parts *out,
                     rdl_buf *where, rdl_code *rc, rdl_err *err)
{
    rdl_parts_aside *a = w->aside;
    if (a == NULL || a->table != t || a->thread == NULL)
        return false;
    rdl_thread_join(a->thread);
    a->thread = NULL;
    *rc = a->rc;
    if (a->rc != RDL_OK)
        *err = a->err;
    *out = a->parts;
    rdl_buf_put(where, rdl_buf_str(&a->where), a->where.n);
    s->parts = a->sealed.parts;
    s->rows_apart = a->sealed.rows_apart;
    return true;
}

void rdl_parts_abandon(rdl_work *w)
{
    if (w->aside != NULL)
        aside_free(w->aside);
    w->aside = NULL;
}
