/*
 * stream/view_missed.c - a view that sat out some epochs is brought up by what they changed.
 *
 * A scheduled view is evaluated once for many epochs.  While the segments of its driving input are
 * there (prune.c holds them for it), the net of their changes is one change to it, as an epoch's
 * own is: its cost is that of what moved, not of what is there.
 *
 * INVARIANT  M1  e."missed-new:<d>" - e."missed-old:<d>" = content(d) now - content(d) at the view's
 *                last evaluation, as multisets; rows that came and went again are in neither.
 *
 * A pipeline's text that changed meanwhile may have left out old rows (nobody read them): the view
 * is built whole then, as it is where another input moved, or where a segment is gone; so is one that
 * joins its driving input with itself, whose own change is not told by the input's alone.
 */
#include <inttypes.h>

#include "base/log.h"
#include "stream/internal.h"

/* Epochs that are held back for views: a minute's schedule over a trigger of a second, and some. */
enum { HELD_EPOCHS_MAX = 256 };

/* In sealed epochs: of the driving input alone, all of it on disk, each old row named. */
static bool at_hand(rdl_engine *e, const rdl_table *v)
{
    const rdl_view_plan *p = v->view_plan;
    const rdl_table_history *h = rdl_history_table(&e->history, v->full);
    if (v->model != NULL || v->decision || p->mode == RDL_MAINTAIN_FULL || p->driving == NULL ||
        (p->driving->kind != RDL_TABLE_STREAMING && p->driving->kind != RDL_TABLE_VIEW) ||
        rdl_view_joins_itself(v))
        return false;
    if (!h->exists || !rdl_hash128_eq(h->fingerprint, v->fingerprint) ||
        h->last_evaluated < e->history.pipeline_since || h->last_evaluated == 0 ||
        !rdl_hash128_eq(e->history.pipeline, e->pipeline->fingerprint))
        return false;
    for (size_t i = 0; i < v->input_count; i++) {
        const rdl_table *in = v->inputs[i].table;
        const rdl_table_history *ih = rdl_history_table(&e->history, in->full);
        if (in != p->driving ? ih->last_changed > h->last_evaluated
                             : ih->pruned_changed > h->last_evaluated ||
                                   rdl_history_last_reset(ih, h->last_evaluated, UINT64_MAX) > 0)
            return false;
    }
    return true;
}

bool rdl_view_missed_at_hand(rdl_engine *e, const rdl_work *w, const rdl_table *v)
{
    return rdl_view_is_still(w, v) && at_hand(e, v);
}

void rdl_view_missed_hold(rdl_engine *e, uint64_t *epoch)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *v = e->pipeline->tables[i];
        if (v->kind != RDL_TABLE_VIEW || !rdl_is_scheduled(v) || !at_hand(e, v))
            continue;
        const rdl_table_history *h = rdl_history_table(&e->history, v->full);
        bool behind = rdl_history_table(&e->history, v->view_plan->driving->full)->last_changed >
                      h->last_evaluated;
        if (behind && h->last_evaluated < *epoch &&
            e->history.epoch - h->last_evaluated <= HELD_EPOCHS_MAX)
            *epoch = h->last_evaluated;
    }
}

/* Every row of one kind that was sealed after `epoch`, and this epoch's. */
static void put_rows(rdl_engine *e, rdl_work *w, const rdl_table *d, uint64_t epoch,
                     rdl_segment kind, rdl_buf *sql)
{
    rdl_cut cut;
    const char *role = kind == RDL_SEGMENT_NEW ? "new:" : "old:";
    rdl_cut_init(&cut, &w->arena, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    rdl_cut_changes_after(&cut, d, epoch, kind, sql);
    if (!w->changed[d->index] || !rdl_relation_exists(e, role, d->full))
        return;
    rdl_buf_puts(sql, " UNION ALL BY NAME SELECT ");
    if (d->kind == RDL_TABLE_VIEW)
        rdl_put_columns(sql, "", &d->columns);
    else
        rdl_buf_putc(sql, '*');
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "e", role, d->full);
}

/* M1, one side.  A streaming table's rows never go: its new rows are the net as they stand. */
static rdl_code expose(rdl_engine *e, rdl_work *w, const rdl_table *d, uint64_t epoch,
                       rdl_segment kind, rdl_err *err)
{
    rdl_buf sql = {0};
    uint64_t rows = 0;
    const char *role = kind == RDL_SEGMENT_NEW ? "missed-new:" : "missed-old:";
    put_rows(e, w, d, epoch, kind, &sql);
    if (d->kind == RDL_TABLE_VIEW) {
        rdl_buf_puts(&sql, " EXCEPT ALL (");
        put_rows(e, w, d, epoch, kind == RDL_SEGMENT_NEW ? RDL_SEGMENT_OLD : RDL_SEGMENT_NEW,
                 &sql);
        rdl_buf_putc(&sql, ')');
    }
    rdl_code rc = rdl_relation_make(e, w, role, d->full, rdl_buf_str(&sql), UINT64_MAX, &rows, err);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_view_missed_expose(rdl_engine *e, rdl_work *w, const rdl_table *v, rdl_err *err)
{
    const rdl_table *d = v->view_plan->driving;
    uint64_t epoch = rdl_history_table(&e->history, v->full)->last_evaluated;
    e->relations_big++; /* plans over it are of this one time */
    RDL_TRY(expose(e, w, d, epoch, RDL_SEGMENT_NEW, err));
    if (d->kind == RDL_TABLE_VIEW)
        RDL_TRY(expose(e, w, d, epoch, RDL_SEGMENT_OLD, err));
    w->missed = v;
    rdl_log(RDL_LOG_DEBUG, "view", "caught_up", "view=%s after_epoch=%" PRIu64, v->full.p, epoch);
    return RDL_OK;
}

const char *rdl_view_missed_text(rdl_work *w, const rdl_table *v, const char *sql)
{
    static const char *const roles[][2] = {{"new:", "missed-new:"}, {"old:", "missed-old:"}};
    if (w->missed != v || sql == NULL)
        return sql;
    for (size_t i = 0; i < 2; i++) {
        rdl_buf from = {0}, to = {0}, out = {0};
        rdl_put_relation(&from, "e", roles[i][0], v->view_plan->driving->full);
        rdl_put_relation(&to, "e", roles[i][1], v->view_plan->driving->full);
        rdl_buf_put_replaced(&out, sql, rdl_buf_str(&from), rdl_buf_str(&to));
        sql = rdl_arena_strndup(&w->arena, rdl_buf_str(&out), out.n);
        rdl_buf_fini(&from);
        rdl_buf_fini(&to);
        rdl_buf_fini(&out);
    }
    return sql;
}
