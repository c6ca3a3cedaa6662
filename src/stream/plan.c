/*
 * stream/plan.c - what the next epoch takes.
 *
 * In this order, the first that has something wins an epoch of its own:
 *   0  streaming tables that were left out of epochs (--only) read what they missed
 *   1  views whose text is new, and scheduled ones that are due: built from what is there before rows
 *      move on
 *   2  new versions of snapshots: a barrier, before any stream row planned after them
 *   3  new ranges of files, within the limits
 *   4  at the end of --once, and when lake_interval passed without: whole-table views that wait
 *
 * An unsealed plan may be thrown away: nothing of it was visible.
 */
#include <inttypes.h>

#include "stream/schedule.h"

static bool text_changed(rdl_engine *e, const rdl_table *t)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    return h->exists && (h->fingerprint.hi != t->fingerprint.hi ||
                         h->fingerprint.lo != t->fingerprint.lo);
}

/* Something to read was sealed before the view was, or an input moved without it. */
static bool behind(rdl_engine *e, const rdl_table *v)
{
    const rdl_table_history *h = rdl_history_table(&e->history, v->full);
    for (size_t i = 0; i < v->input_count; i++) {
        if (rdl_history_table(&e->history, v->inputs[i].table->full)->last_changed >
            h->last_evaluated)
            return true;
    }
    return false;
}

static bool waits(rdl_engine *e, const rdl_table *v)
{
    return e->tables[v->index].waits;
}

/* Does a streaming table lack rows that were sealed without it (--only, or it is new)? */
bool rdl_lags(rdl_engine *e, const rdl_table *t)
{
    if (t->kind != RDL_TABLE_STREAMING || t->cdc_snapshot != NULL)
        return false;
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (t->inputs[i].stream && in->kind == RDL_TABLE_STREAMING &&
            rdl_history_table(&e->history, in->full)->last_changed > h->last_evaluated)
            return true;
    }
    return false;
}

static bool plan_catch_up(rdl_engine *e)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        if (e->tables[i].selected && rdl_lags(e, e->pipeline->tables[i]))
            return true;
    }
    return false;
}

static bool plan_builds(rdl_engine *e, const rdl_work *w)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (t->kind != RDL_TABLE_VIEW || !e->tables[i].selected || waits(e, t) ||
            rdl_schedule_holds(e, w, t))
            continue;
        if (text_changed(e, t) || (e->history.epoch > 0 && behind(e, t)))
            return true;
    }
    return false;
}

static bool plan_deferred(rdl_engine *e, const rdl_work *w)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (t->kind != RDL_TABLE_VIEW || !e->tables[i].selected || !waits(e, t) ||
            rdl_schedule_holds(e, w, t))
            continue;
        if (text_changed(e, t) || (e->history.epoch > 0 && behind(e, t)))
            return true;
    }
    return false;
}

static rdl_code plan_snapshots(rdl_engine *e, rdl_work *w, bool *any, rdl_err *err)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        rdl_feed *f = &e->feeds[i];
        if (f->table->kind != RDL_TABLE_SNAPSHOT || !f->wanted)
            continue;
        rdl_snapshot_version v;
        rdl_code rc = rdl_files_snapshot(f->files, &w->arena, &v, err);
        if (rc != RDL_OK)
            return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SOURCE), err, "source %s",
                              f->table->full.p);
        const rdl_snapshot_history *h = rdl_history_snapshot(&e->history, f->table->full);
        if (v.n == 0 || (h != NULL && rdl_hash128_eq(h->hash, v.hash)))
            continue;
        w->snapshots[i] = v;
        *any = true;
    }
    w->barrier = *any;
    return RDL_OK;
}

static void number_ranges(rdl_engine *e, rdl_work *w, const rdl_feed *f, rdl_file_range *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r[i].partition >= 0)
            continue;
        r[i].partition = e->history.partition_next + (int32_t)w->seal.partitions.n;
        RDL_PUSH(&w->arena, &w->seal.partitions) =
            (rdl_sealed_partition){r[i].partition, f->table->full, rdl_str_of(r[i].shown)};
    }
}

static rdl_code plan_ranges(rdl_engine *e, rdl_work *w, bool last, bool *any, rdl_err *err)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        rdl_feed *f = &e->feeds[i];
        if (f->table->kind != RDL_TABLE_SOURCE || !f->wanted)
            continue;
        uint64_t by_rows = e->rows_max > 0 ? (uint64_t)((double)e->rows_max * e->row_bytes) : 0;
        uint64_t bytes = e->bytes_max;
        if (by_rows > 0 && (bytes == 0 || by_rows < bytes))
            bytes = by_rows;
        const rdl_files_limits limits = {
            .files_max = e->files_max, .bytes_max = bytes, .final = last};
        rdl_code rc = rdl_files_next(f->files, &w->arena, &limits, &w->ranges[i],
                                     &w->range_count[i], err);
        if (rc != RDL_OK)
            return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SOURCE), err, "source %s",
                              f->table->full.p);
        number_ranges(e, w, f, w->ranges[i], w->range_count[i]);
        *any |= w->range_count[i] > 0;
    }
    return RDL_OK;
}

rdl_code rdl_plan_next(rdl_engine *e, rdl_work *w, bool last, bool *out_any, rdl_err *err)
{
    int64_t began = rdl_monotonic_us(), now = rdl_now_us(e->clock);
    bool any = false;
    w->ts_us = now > e->history.ts_us ? now : e->history.ts_us + 1;
    w->last = last;
    any = rdl_schedules_mark(e, w, now);
    for (size_t i = 0; any && i < e->pipeline->table_count; i++)
        w->refresh_deferred |= w->due[i] && waits(e, e->pipeline->tables[i]);
    if (e->history.epoch > 0 && plan_catch_up(e))
        any = w->catch_up = true;
    if (e->history.epoch > 0 && plan_builds(e, w))
        any = true;
    if (!any)
        RDL_TRY(plan_snapshots(e, w, &any, err));
    if (!any)
        RDL_TRY(plan_ranges(e, w, last, &any, err));
    if (!any && (last || now - e->last_deferred_us >= e->lake_interval_us) && plan_deferred(e, w)) {
        any = w->refresh_deferred = true;
        e->last_deferred_us = now;
    }
    *out_any = any;
    rdl_engine_note_step(e, RDL_STEP_PLAN, began, 0, 0);
    return RDL_OK;
}
