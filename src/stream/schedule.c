/*
 * stream/schedule.c - which scheduled views an epoch of the continuous loop may touch.
 */
#include "stream/schedule.h"

static bool scheduled(const rdl_table *t)
{
    return t->kind == RDL_TABLE_VIEW &&
           (t->schedule.kind == RDL_SCHEDULE_CRON || t->schedule.kind == RDL_SCHEDULE_EVERY);
}

rdl_code rdl_schedules_open(rdl_engine *e, rdl_err *err)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        char why[200];
        e->tables[i].passed_us = INT64_MIN;
        if (!scheduled(t) || t->schedule.kind != RDL_SCHEDULE_CRON ||
            rdl_cron_parse(t->schedule.cron, &e->tables[i].cron, why, sizeof why))
            continue;
        return rdl_err_set(err, RDL_EUSAGE, 0, "the schedule '%.*s' of \"%s\" is no cron line: %s",
                           (int)t->schedule.cron.n, t->schedule.cron.p, t->full.p, why);
    }
    return RDL_OK;
}

int64_t rdl_schedule_next(const rdl_runtime *r, int64_t after_us)
{
    if (r->table->schedule.kind == RDL_SCHEDULE_CRON)
        return rdl_cron_next(&r->cron, after_us);
    return after_us > INT64_MAX - r->table->schedule.every_us
               ? INT64_MAX
               : after_us + r->table->schedule.every_us;
}

static bool text_is_new(const rdl_table_history *h, const rdl_table *t)
{
    return !h->exists || h->last_evaluated == 0 || !rdl_hash128_eq(h->fingerprint, t->fingerprint);
}

/* When the view is due next; INT64_MIN: at once. */
static int64_t due_at(rdl_engine *e, const rdl_table *t)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    const rdl_runtime *r = &e->tables[t->index];
    if (text_is_new(h, t))
        return INT64_MIN;
    return rdl_schedule_next(r, r->passed_us > h->last_evaluated_us ? r->passed_us
                                                                    : h->last_evaluated_us);
}

/* Did an input move since the view was evaluated, or will it in this epoch? */
static bool has_work(rdl_engine *e, const rdl_table *t, const bool *moves)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    if (h->exists && text_is_new(h, t))
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
        if (!scheduled(t) || !e->tables[i].selected)
            continue;
        moves[i] = false;
        if (due_at(e, t) > now_us)
            continue;
        w->due[i] = moves[i] = has_work(e, t, moves);
        any |= w->due[i];
        if (!w->due[i] && rdl_history_table(&e->history, t->full)->last_evaluated > 0)
            e->tables[i].passed_us = now_us;
    }
    return any;
}

bool rdl_schedule_holds(const rdl_engine *e, const rdl_work *w, const rdl_table *v)
{
    (void)e;
    return w->continuous && scheduled(v) && !w->due[v->index];
}

int64_t rdl_schedules_next(rdl_engine *e)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (!scheduled(t) || !e->tables[i].selected)
            continue;
        int64_t at = due_at(e, t);
        /* Due at once means that its inputs are awaited. */
        if (at != INT64_MIN && at < next)
            next = at;
    }
    return next;
}
