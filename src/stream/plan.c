/*
 * stream/plan.c - what the next epoch takes.
 *
 * In this order, the first that has something wins an epoch of its own:
 *   0  streaming tables that were left out of epochs (--only) read what they missed
 *   1  the rows that a program gave; views whose text is new, and scheduled ones that are due: built from what is there before rows
 *      move on
 *   2  new versions of snapshots: a barrier, before any stream row planned after them
 *   3  new ranges of files and topics, within the limits
 *   4  at the end of --once, and when lake_interval passed without: whole-table views that wait; at the
 *      end of --once, those with a schedule, too
 *
 * An unsealed plan may be thrown away: nothing of it was visible.
 */
#include <inttypes.h>

#include "stream/model.h"
#include "stream/timetable.h"

/* Until a source's first rows are seen: low, so that its first epoch is rather too small. */
#define ROW_BYTES_UNKNOWN 32.0
/* A snapshot's peer that did not answer is asked again after so long. */
#define RETRY_US (INT64_C(10) * 1000000)

static bool text_changed(rdl_engine *e, const rdl_table *t)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    return h->exists && (h->fingerprint.hi != t->fingerprint.hi ||
                         h->fingerprint.lo != t->fingerprint.lo);
}

bool rdl_view_is_behind(rdl_engine *e, const rdl_table *v)
{
    const rdl_table_history *h = rdl_history_table(&e->history, v->full);
    for (size_t i = 0; i < v->input_count; i++) {
        if (rdl_history_table(&e->history, v->inputs[i].table->full)->last_changed >
            h->last_evaluated)
            return true;
    }
    return false;
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
        if (t->kind != RDL_TABLE_VIEW || t->model != NULL || !e->tables[i].selected || t->waits ||
            rdl_schedule_holds(e, w, t))
            continue;
        if (text_changed(e, t) || (e->history.epoch > 0 && rdl_view_is_behind(e, t)))
            return true;
    }
    return false;
}

static bool plan_deferred(rdl_engine *e, const rdl_work *w)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        bool later = t->waits || (rdl_is_scheduled(t) && !w->continuous);
        if (t->kind != RDL_TABLE_VIEW || t->model != NULL || !e->tables[i].selected || !later ||
            (w->continuous && rdl_schedule_holds(e, w, t)))
            continue;
        bool other_text = text_changed(e, t) && !t->decision;
        if (other_text || (e->history.epoch > 0 && rdl_view_is_behind(e, t)) || rdl_decision_is_due(e, t))
            return true;
    }
    return false;
}

/* Which rows of a version stay is part of what it is: another UNIQUE KEY makes another version. */
static rdl_hash128 version_hash(const rdl_source_def *s, rdl_hash128 content)
{
    rdl_hash128 h = content;
    rdl_buf all = {0};
    if (s->unique_count == 0)
        return h;
    rdl_buf_put(&all, &content, sizeof content);
    rdl_buf_printf(&all, "%d", (int)s->on_duplicate);
    for (size_t i = 0; i < s->unique_count; i++)
        rdl_buf_printf(&all, " %zu", s->unique[i]);
    h = rdl_hash128_of(all.p, all.n);
    rdl_buf_fini(&all);
    return h;
}

/* A peer that does not answer: what was read of it last stays, and it is asked again soon. */
static bool may_wait(rdl_engine *e, const rdl_work *w, rdl_feed *f, bool known, rdl_code rc,
                     rdl_err *err)
{
    int64_t again = f->table->source->refresh_us < RETRY_US ? f->table->source->refresh_us : RETRY_US;
    if (rc != RDL_ENET || (err->flags & RDL_ERR_RETRY) == 0 || !known || w->last)
        return false;
    f->look_us = rdl_now_us(e->clock) + again;
    rdl_engine_warn(e, "source %s: %s; what was read last stays", f->table->full.p, err->msg);
    *err = (rdl_err){0};
    return true;
}

static rdl_code plan_snapshot(rdl_engine *e, rdl_work *w, size_t i, bool *any, rdl_err *err)
{
    rdl_feed *f = &e->feeds[i];
    const rdl_source_def *s = f->table->source;
    const rdl_snapshot_history *h = rdl_history_snapshot(&e->history, f->table->full);
    rdl_version v = {0};
    int64_t now = rdl_now_us(e->clock);
    if (s->refresh_us > 0 && now < f->look_us && f->look_us <= now + s->refresh_us)
        return RDL_OK;
    rdl_code rc = f->source->ops->version(f->source, &w->arena, &v, err);
    if (rc != RDL_OK && may_wait(e, w, f, h != NULL, rc, err))
        return RDL_OK;
    if (rc != RDL_OK)
        return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SOURCE), err, "source %s",
                          f->table->full.p);
    f->look_us = now + s->refresh_us;
    v.hash = version_hash(s, v.hash);
    if (v.n != 0 && (h == NULL || !rdl_hash128_eq(h->hash, v.hash))) {
        w->snapshots[i] = v;
        *any = true;
    } else if (f->source->ops->settle != NULL) {
        f->source->ops->settle(f->source);
    }
    return RDL_OK;
}

static rdl_code plan_snapshots(rdl_engine *e, rdl_work *w, bool *any, rdl_err *err)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        if (e->feeds[i].table->kind != RDL_TABLE_SNAPSHOT || !e->feeds[i].wanted)
            continue;
        e->blame = e->feeds[i].table;
        RDL_TRY(plan_snapshot(e, w, i, any, err));
        e->blame = NULL;
    }
    w->barrier = *any;
    return RDL_OK;
}

/*
 * Rows that a table missed are planned by the epoch that catches up, so what they join is what
 * lies there now.  A table that reads a flow's changes takes those it missed before new ones.
 */
static bool snapshots_first(rdl_engine *e)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (!e->tables[i].selected || !rdl_lags(e, t))
            continue;
        for (size_t j = 0; j < t->input_count; j++) {
            if (t->inputs[j].stream && t->inputs[j].table->cdc_snapshot != NULL)
                return false;
        }
    }
    return true;
}

static rdl_code number_ranges(rdl_engine *e, rdl_work *w, const rdl_feed *f, rdl_range *r, size_t n,
                              rdl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (r[i].number >= 0)
            continue;
        RDL_TRY(rdl_feed_check_elsewhere(f, &r[i], err));
        r[i].number = e->history.partition_next + (int32_t)w->seal.partitions.n;
        RDL_PUSH(&w->arena, &w->seal.partitions) =
            (rdl_sealed_partition){r[i].number, f->table->full, rdl_str_of(r[i].name)};
    }
    return RDL_OK;
}

/* What an epoch may still take; UINT64_MAX: no bound. */
typedef struct allowance {
    uint64_t files, bytes;
    double rows;
} allowance;

static allowance whole_allowance(const rdl_engine *e)
{
    return (allowance){
        .files = e->files_max > 0 ? e->files_max : UINT64_MAX,
        .bytes = e->bytes_max > 0 ? e->bytes_max : UINT64_MAX,
        .rows = e->rows_max > 0 ? (double)e->rows_max : (double)UINT64_MAX,
    };
}

/* A small rest is not worth a range, which may be larger than it. */
static bool is_used_up(const allowance *a, const allowance *whole)
{
    return a->files == 0 || a->bytes <= whole->bytes / 16 || a->rows <= whole->rows / 16;
}

static double row_bytes(const rdl_feed *f)
{
    return f->row_bytes > 0 ? f->row_bytes : ROW_BYTES_UNKNOWN;
}

static rdl_source_limits limits_of(const rdl_feed *f, const allowance *a, bool last)
{
    return (rdl_source_limits){
        .files_max = a->files == UINT64_MAX ? 0 : a->files,
        .bytes_max = a->bytes == UINT64_MAX ? 0 : a->bytes,
        .rows_max = a->rows >= (double)UINT64_MAX ? 0 : (uint64_t)a->rows + 1,
        .row_bytes = row_bytes(f),
        .row_bytes_guessed = f->row_bytes <= 0,
        .final = last,
    };
}

rdl_source_limits rdl_plan_limits(const rdl_engine *e, const rdl_feed *f)
{
    const allowance whole = whole_allowance(e);
    return limits_of(f, &whole, false);
}

static void take(allowance *a, const rdl_feed *f, const rdl_range *r, size_t n)
{
    uint64_t bytes = 0, rows = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += r[i].bytes;
        rows += r[i].records; /* of files not known yet */
    }
    if (a->files != UINT64_MAX)
        a->files -= n < a->files ? n : a->files;
    if (a->bytes != UINT64_MAX)
        a->bytes -= bytes < a->bytes ? bytes : a->bytes;
    a->rows -= rows > 0 ? (double)rows : (double)bytes / row_bytes(f);
}

/* The sources share the epoch's limits and take turns in being first. */
static rdl_code plan_ranges(rdl_engine *e, rdl_work *w, bool last, bool *any, rdl_err *err)
{
    const allowance whole = whole_allowance(e);
    allowance left = whole;
    for (size_t k = 0; k < e->feed_count; k++) {
        size_t i = (k + (size_t)w->epoch) % e->feed_count;
        rdl_feed *f = &e->feeds[i];
        if (f->table->kind != RDL_TABLE_SOURCE || !f->wanted)
            continue;
        if (*any && is_used_up(&left, &whole))
            break;
        const rdl_source_limits limits = limits_of(f, &left, last);
        e->blame = f->table;
        rdl_code rc = f->source->ops->next(f->source, &w->arena, &limits, &w->ranges[i],
                                           &w->range_count[i], err);
        if (rc != RDL_OK)
            return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SOURCE), err, "source %s",
                              f->table->full.p);
        e->blame = NULL;
        RDL_TRY(number_ranges(e, w, f, w->ranges[i], w->range_count[i], err));
        take(&left, f, w->ranges[i], w->range_count[i]);
        *any |= w->range_count[i] > 0;
    }
    return RDL_OK;
}

/* What the sources gave to a plan that came to nothing is given back. */
static rdl_code give_back(rdl_engine *e, rdl_code rc)
{
    if (rc != RDL_OK)
        rdl_feeds_rewind(e);
    return rc;
}

static bool mark_deferred(rdl_engine *e, rdl_work *w, int64_t now)
{
    if (!plan_deferred(e, w))
        return false;
    e->last_deferred_us = now;
    w->refresh_deferred = true;
    return true;
}

rdl_code rdl_plan_next(rdl_engine *e, rdl_work *w, bool last, bool *out_any, rdl_err *err)
{
    int64_t began = rdl_monotonic_us(), now = rdl_now_us(e->clock);
    bool any = false;
    w->ts_us = now > e->history.ts_us ? now : e->history.ts_us + 1;
    w->last = last;
    any = rdl_schedules_mark(e, w, now);
    any |= rdl_models_plan(e, w);
    for (size_t i = 0; any && i < e->pipeline->table_count; i++)
        w->refresh_deferred |= w->due[i] && e->pipeline->tables[i]->waits;
    if (e->history.epoch > 0 && plan_catch_up(e)) {
        if (snapshots_first(e))
            RDL_TRY(plan_snapshots(e, w, &w->barrier, err));
        w->catch_up = !w->barrier;
        any = true;
    }
    bool builds = e->history.epoch > 0 && plan_builds(e, w);
    bool deferred_due = !last && (now - e->last_deferred_us >= e->lake_interval_us ||
                                  rdl_time_is_ahead(e->last_deferred_us, now));
    /* With a build, since a new version may be what it needs. */
    if (!any)
        RDL_TRY(plan_snapshots(e, w, &any, err));
    any |= builds;
    /* A source that never pauses must not starve what waits. */
    if (!any && deferred_due)
        any = mark_deferred(e, w, now);
    if (!any)
        RDL_TRY(give_back(e, plan_ranges(e, w, last, &any, err)));
    if (!any && last)
        any = mark_deferred(e, w, now);
    *out_any = any;
    rdl_engine_note_step(e, RDL_STEP_PLAN, began, 0, 0);
    return RDL_OK;
}
