/*
 * stream/loop.c - for ever: an epoch when there is input, application beside it, rest between.
 *
 * PACE
 *   input       an epoch begins when the last one began trigger_interval ago, less what an epoch and
 *               its way into the stores take, but not so that epochs are made more than half of the time: a row that just missed one is
 *               visible within trigger_interval; at once when that is past already, and
 *               also when an epoch's worth (by rows or bytes) is waiting; else at the next trigger.
 *               While the stores have a long round before them, an epoch that they could not take yet would
 *               only cost: the next begins when AHEAD of them can be sealed before the stores are free
 *               (PATIENCE at most), so that these never wait for rows
 *   no input    looked for when a watched folder changes or a topic's reader calls, and every
 *               trigger_interval for what cannot be watched; never more often than costs IDLE_SHARE of one processor, and after a
 *               change not more often than BUSY_SHARE
 *   errand      another process's refresh, replay or publish (cli/errand.h): between two epochs,
 *               with everything sealed applied and nothing being applied
 *   stop        the epoch at work is finished, what is sealed is applied, then the loop ends
 */
#include <inttypes.h>

#include "base/log.h"
#include "stream/landing.h"
#include "stream/model.h"
#include "stream/parking.h"

enum {
    IDLE_SHARE = 100, /* looking may cost 1 / IDLE_SHARE of the time */
    BUSY_SHARE = 10,
    AHEAD = 4,
    LEAD_FADES = 32, /* a slow epoch is remembered for about so many */
    IDLE_MAX_US = 30 * 1000 * 1000,
    PATIENCE_US = 1000 * 1000, /* the longest that stores hold back an epoch */
};

typedef struct loop {
    rdl_engine *e;
    rdl_applier *applier;
    rdl_applied applied;
    uint64_t pruned_for;     /* settled epoch of the last pruning */
    uint64_t cleared_for;    /* lake's epoch when landing folders were last emptied */
    rdl_source_lag lag;      /* what is there and not read */
    int64_t epoch_us;        /* what an epoch takes, lately */
    int64_t lead_us;         /* what an epoch and its way into the stores take, when it takes long */
} loop;

static void watch_sources(rdl_engine *e)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        rdl_source *s = e->feeds[i].source;
        if (e->feeds[i].wanted && s->ops->watch != NULL)
            s->ops->watch(s);
    }
}

/* ---- lag ---- */

rdl_code rdl_engine_measure_lag(rdl_engine *e, rdl_source_lag *out, rdl_err *err)
{
    *out = (rdl_source_lag){0};
    for (size_t i = 0; i < e->feed_count; i++) {
        rdl_feed *f = &e->feeds[i];
        rdl_source_lag one = {0};
        if (f->table->kind != RDL_TABLE_SOURCE || !f->wanted)
            continue;
        const rdl_source_limits limits = rdl_plan_limits(e, f);
        rdl_code rc = f->source->ops->lag(f->source, &limits, &one, err);
        if (rc != RDL_OK) {
            e->blame = f->table;
            rc = rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SOURCE), err, "source %s", f->table->full.p);
            if (!rdl_parking_take(e, rc, err))
                return rc;
            *err = (rdl_err){0};
            continue;
        }
        out->files += one.files;
        out->bytes += one.bytes;
        out->rows += one.rows;
        out->ready |= one.ready;
    }
    rdl_mutex_lock(&e->status_lock);
    e->status.files_behind = out->files;
    e->status.bytes_behind = out->bytes;
    e->status.rows_behind = out->rows;
    rdl_mutex_unlock(&e->status_lock);
    return RDL_OK;
}

/* Has a source that tells at once (a topic) an epoch's worth? */
static bool source_is_ready(const rdl_engine *e)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        const rdl_feed *f = &e->feeds[i];
        if (f->table->kind != RDL_TABLE_SOURCE || !f->wanted || f->source->ops->ready == NULL)
            continue;
        const rdl_source_limits limits = rdl_plan_limits(e, f);
        if (f->source->ops->ready(f->source, &limits))
            return true;
    }
    return false;
}

/* ---- turns ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What the apply threads reached: removed where settled, waited for where too far behind. */
static rdl_code keep_up(loop *l, rdl_err *err)
{
    rdl_engine *e = l->e;
    RDL_TRY(rdl_applier_progress(l->applier, &l->applied, err));
    bool full = rdl_history_pending(&e->history, e->needless) >= e->pending_max;
    if (l->applied.lake > l->cleared_for) {
        l->cleared_for = l->applied.lake;
        RDL_TRY(rdl_landing_clear(e, l->applied.lake, err));
    }
    if (l->applied.settled > l->pruned_for) {
        l->pruned_for = l->applied.settled;
        RDL_TRY(rdl_prune_to(e, l->applied.settled, full, err));
        rdl_applier_hand(l->applier);
    }
    if (e->history.epoch - l->applied.everywhere >= e->pending_max) {
        rdl_engine_progress_at(e, NULL, "waiting for stores");
        RDL_TRY(rdl_applier_wait(l->applier, &l->applied, err));
    }
    rdl_mutex_lock(&e->status_lock);
    e->status.applied = l->applied.everywhere;
    rdl_mutex_unlock(&e->status_lock);
    return RDL_OK;
}

static rdl_code turn(loop *l, bool *did, rdl_err *err)
{
    rdl_engine *e = l->e;
    RDL_TRY(rdl_models_turn(e, err));
    int64_t began = rdl_monotonic_us();
    RDL_TRY(rdl_run_epoch(e, false, did, err));
    if (*did) {
        int64_t took = rdl_monotonic_us() - began;
        l->epoch_us = (3 * l->epoch_us + took) / 4;
        l->lead_us = most(took + l->applied.stores_us, l->lead_us - l->lead_us / LEAD_FADES);
        rdl_applier_hand(l->applier);
        RDL_TRY(rdl_prune_state(e, false, err));
        watch_sources(e);
        RDL_TRY(rdl_engine_measure_lag(e, &l->lag, err));
    }
    return keep_up(l, err);
}

/*
 * What another process asked for, as if this run were stopped for it and started again: stores and
 * lake stand still, at the last seal.
 */
static rdl_code run_errand(loop *l, rdl_err *err)
{
    rdl_engine *e = l->e;
    rdl_err why = {0};
    rdl_code rc = rdl_applier_finish(l->applier, &l->applied, &why);
    l->applier = NULL;
    e->asked = 0;
    e->config.errand(e->config.errand_arg, e, rc == RDL_OK ? NULL : &why);
    if (e->unsure) {
        rdl_err_set(err, RDL_EIO, 0, "a command that was asked of this run failed while it was sealed");
        (void)rdl_err_hint(err, "Start the run again: it finds out whether the seal is there.");
        return rdl_err_area(RDL_EIO, err, RDL_AREA_STORE);
    }
    return rdl_applier_start(e, &l->applier, err);
}

/* Until then, or stop, or an epoch's worth is there.  True: a source has something. */
static bool pause_until(rdl_engine *e, int64_t until_us)
{
    bool woken = false;
    for (;;) {
        int64_t left = until_us - rdl_monotonic_us();
        if (e->stop || e->asked || left <= 0)
            return woken;
        if (!rdl_watch_pause(e->watch, (int)(left / 1000) + 1))
            continue;
        woken = true;
        if (source_is_ready(e))
            return true;
    }
}

/* When a snapshot is to be looked at again. */
static int64_t next_look(const rdl_engine *e)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < e->feed_count; i++) {
        const rdl_feed *f = &e->feeds[i];
        if (f->table->kind == RDL_TABLE_SNAPSHOT && f->wanted && f->table->source->refresh_us > 0)
            due = least(due, f->look_us);
    }
    return due;
}

/* Rest after looking in vain: until a change, the next trigger, or the next scheduled run. */
static void rest(rdl_engine *e, int64_t began_us, int64_t cost_us)
{
    int64_t idle = cost_us * IDLE_SHARE;
    idle = idle > e->trigger_us ? least(idle, IDLE_MAX_US) : e->trigger_us;
    int64_t due = least(least(rdl_schedules_next(e), next_look(e)), rdl_parking_next(e));
    if (due != INT64_MAX) {
        int64_t now = rdl_now_us(e->clock);
        idle = least(idle, due > now ? due - now : 0);
    }
    bool woken = pause_until(e, began_us + least(cost_us * BUSY_SHARE, e->trigger_us));
    int64_t left = began_us + idle - rdl_monotonic_us();
    if (!e->stop && !e->asked && !woken && left > 0)
        (void)rdl_watch_wait(e->watch, (int)(least(left, IDLE_MAX_US) / 1000) + 1);
}

/* From one epoch's beginning to the next one's: a quarter more than it took is kept in hand, and epochs
 * are made half of the time at most. */
static int64_t pace_us(const loop *l)
{
    int64_t trigger = l->e->trigger_us;
    int64_t least_us = most(trigger / 3, least(2 * l->epoch_us, trigger / 2));
    return most(trigger - l->lead_us * 5 / 4, least_us);
}

/* When the next epoch begins that follows one begun then. */
static int64_t next_begin(const loop *l, int64_t began_us)
{
    int64_t now = rdl_monotonic_us(), at = began_us + pace_us(l);
    const rdl_applied *a = &l->applied;
    int64_t round_began = a->round_us > 0 ? a->round_us : now;
    if (a->round_us > 0 && a->round < l->e->history.epoch) /* another follows this one */
        round_began = most(now, a->round_us + a->stores_us);
    return most(at, least(round_began + a->stores_us - AHEAD * l->epoch_us, now + PATIENCE_US));
}

static rdl_code run_for_ever(loop *l, rdl_err *err)
{
    rdl_engine *e = l->e;
    while (!e->stop) {
        bool did = false;
        if (e->asked && e->config.errand != NULL)
            RDL_TRY(run_errand(l, err));
        int64_t began = rdl_monotonic_us();
        RDL_TRY(turn(l, &did, err));
        if (!did)
            rest(e, began, rdl_monotonic_us() - began);
        else if (!l->lag.ready && !source_is_ready(e))
            (void)pause_until(e, next_begin(l, began));
    }
    return RDL_OK;
}

/* What could not be applied at the end lies sealed, and the next start applies it. */
static rdl_code unapplied(rdl_engine *e, const rdl_applied *applied, rdl_code rc, rdl_err *err)
{
    if (err->hint[0] == '\0')
        rdl_err_hint(err, "Epochs %" PRIu64 " to %" PRIu64 " are sealed; the next start applies them.",
                     applied->everywhere + 1, e->history.epoch);
    return rc;
}

rdl_code rdl_engine_run(rdl_engine *e, rdl_run_report *out, rdl_err *err)
{
    loop l = {.e = e};
    rdl_err at_end = {0};
    rdl_run_begin(e);
    rdl_parking_begin(e);
    watch_sources(e);
    RDL_TRY(rdl_engine_measure_lag(e, &l.lag, err));
    RDL_TRY(rdl_applier_start(e, &l.applier, err));
    rdl_code rc = run_for_ever(&l, err);
    rdl_engine_progress_at(e, NULL, "stores");
    rdl_code end = rdl_applier_finish(l.applier, &l.applied, &at_end);
    RDL_TRY(rc);
    if (end != RDL_OK) {
        *err = at_end;
        return unapplied(e, &l.applied, end, err);
    }
    RDL_TRY(rdl_landing_clear(e, l.applied.lake, err));
    RDL_TRY(rdl_prune_to(e, l.applied.settled, false, err));
    rdl_mutex_lock(&e->status_lock);
    e->status.applied = l.applied.everywhere;
    rdl_mutex_unlock(&e->status_lock);
    rdl_run_end(e, out);
    rdl_err told; /* while it ran; what is aside is tried by the next run */
    (void)!rdl_parking_end(e, &told);
    return RDL_OK;
}

void rdl_engine_ask(rdl_engine *e)
{
    e->asked = 1;
    rdl_watch_wake(e->watch);
}

void rdl_engine_stop(rdl_engine *e)
{
    e->stop = 1;
    rdl_watch_wake(e->watch);
}
