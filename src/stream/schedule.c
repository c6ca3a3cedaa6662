/*
 * stream/schedule.c - which scheduled views an epoch may touch.
 */
#include "stream/schedule.h"

bool rdl_is_scheduled(const rdl_table *t)
{
    return t->kind == RDL_TABLE_VIEW &&
           (t->schedule.kind == RDL_SCHEDULE_CRON || t->schedule.kind == RDL_SCHEDULE_EVERY ||
            (t->schedule.kind == RDL_SCHEDULE_ON_UPDATE && t->schedule.every_us > 0));
}

rdl_code rdl_schedules_open(rdl_engine *e, rdl_err *err)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        e->tables[i].passed_us = INT64_MIN;
        if (!rdl_is_scheduled(t))
            continue;
        e->tables[i].times = RDL_NEW(&e->arena, rdl_timetable);
        RDL_TRY(rdl_timetable_read(&e->arena, e->conn, &t->schedule, t->full, e->tables[i].times,
                                   err));
    }
    return RDL_OK;
}

int64_t rdl_schedule_next(const rdl_runtime *r, int64_t after_us)
{
    return r->times != NULL ? rdl_timetable_next(r->times, after_us) : INT64_MAX;
}

static bool text_is_new(const rdl_table_history *h, const rdl_table *t)
{
    return !h->exists || h->last_evaluated == 0 || !rdl_hash128_eq(h->fingerprint, t->fingerprint);
}

/* When the view is due next; INT64_MIN: at once. */
static int64_t due_at(rdl_engine *e, const rdl_table *t)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    rdl_runtime *r = &e->tables[t->index];
    if (rdl_time_is_ahead(r->passed_us, rdl_now_us(e->clock)))
        r->passed_us = INT64_MIN;
    if (text_is_new(h, t))
        return INT64_MIN;
    /* Times of epochs never go back, so that a clock that was ahead is left behind by passed_us alone. */
    if (rdl_time_is_ahead(h->last_evaluated_us, rdl_now_us(e->clock)))
        return r->passed_us == INT64_MIN ? INT64_MIN : rdl_schedule_next(r, r->passed_us);
    return rdl_schedule_next(r, r->passed_us > h->last_evaluated_us ? r->passed_us
                                                                    : h->last_evaluated_us);
}

/* Did an input move since the view was evaluated, or will it in this epoch? */
static bool has_work(rdl_engine *e, const rdl_table *t, const bool *moves)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    if ((h->exists && text_is_new(h, t)) || t->reads_clock)
        return true;
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (moves[in->index] ||
            rdl_history_table(&e->history, in->full)->last_changed > h->last_evaluated)
            return true;
    }
    return false;
}

bool rdl_schedules_mark(rdl_engine *e, rdl_work *w, int64_t now_us)
{
    bool any = false;
    if (!w->continuous)
        return false;
    bool *moves = RDL_NEWN(&w->arena, bool, e->pipeline->table_count + 1);
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        for (size_t j = 0; j < t->input_count; j++)
            moves[i] |= moves[t->inputs[j].table->index];
        if (!rdl_is_scheduled(t) || !e->tables[i].selected)
            continue;
        moves[i] = false;
        if (due_at(e, t) > now_us)
            continue;
        w->due[i] = moves[i] = has_work(e, t, moves);
        any |= w->due[i];
        bool passes = t->schedule.kind != RDL_SCHEDULE_ON_UPDATE;
        if (rdl_time_is_ahead(rdl_history_table(&e->history, t->full)->last_evaluated_us, now_us))
            e->tables[i].passed_us = now_us;
        if (!w->due[i] && passes && rdl_history_table(&e->history, t->full)->last_evaluated > 0)
            e->tables[i].passed_us = now_us;
    }
    for (size_t i = e->pipeline->table_count; any && i-- > 0;) {
        const rdl_table *t = e->pipeline->tables[i];
        for (size_t j = 0; w->due[i] && (t->decision || w->decides[i]) && j < t->input_count; j++)
            w->due[t->inputs[j].table->index] = w->decides[t->inputs[j].table->index] = true;
    }
    return any;
}

bool rdl_schedule_holds(const rdl_engine *e, const rdl_work *w, const rdl_table *v)
{
    if (!rdl_is_scheduled(v))
        return false;
    if (w->continuous)
        return !w->due[v->index];
    return !e->stepping && !w->refresh_deferred && !e->tables[v->index].feeds_stream;
}

int64_t rdl_schedules_next(rdl_engine *e)
{
    int64_t next = INT64_MAX, now = rdl_now_us(e->clock);
    for (size_t i = 0; i < e->jobs.n; i++) {
        int64_t at = rdl_job_next(e, e->jobs.v[i]);
        next = at < next ? at : next;
    }
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (!rdl_is_scheduled(t) || !e->tables[i].selected)
            continue;
        int64_t at = due_at(e, t);
        /* Due at once means that its inputs are awaited; so does an update that may come now. */
        bool awaited = t->schedule.kind == RDL_SCHEDULE_ON_UPDATE && at <= now;
        if (at != INT64_MIN && !awaited && at < next)
            next = at;
    }
    return next;
}
