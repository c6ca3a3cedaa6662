/*
 * stream/applier.c - application beside the epochs: two threads take sealed epochs into the stores and
 * into the lake while the next ones are made.
 *
 *   epoch thread   seals epoch n, hands each a copy of what the history says of tables, goes on
 *   stores thread  takes its newest copy at once
 *   lake thread    takes its newest copy at every lake_interval, or sooner when half of
 *                  max_pending_epochs wait for it; then tends the lake (upkeep.c)
 *   epoch thread   prunes what both say is settled; waits while max_pending_epochs are sealed and
 *                  not everywhere (back-pressure)
 *
 * A commit to the lake may take seconds, and what is served does not wait for it: nor for a
 * processor, which the lake thread leaves to the others when they are short.  A budget that
 * does not hold both at the same time (ASIDE_BYTES) has them take turns.
 *
 * A destination that fails is closed and tried again after 100 ms, 200 ms, .. 30 s; the others go
 * on.  What no retry mends (somebody else moved the table, a lake table is damaged) ends the run.
 *
 * INVARIANTS
 *   P1  Each thread reads its own copy of the history, its own connection, files of sealed epochs,
 *       and what stands still while the engine runs; between start and finish stores are touched
 *       by the one alone, lake tables written by the other alone.  A store that is filled whole
 *       reads the lake as its own copy had it (rdl_cut.beside).
 *   P2  A segment that a copy names and that a destination still needs is on disk: the epoch thread
 *       removes epochs up to `settled` alone, the lesser of what the two worked out from what their
 *       destinations hold, and what those hold only grows.  A table that is filled whole needs what
 *       its copy's lake has not, however far the lake is by then: while a round may fill one, nothing
 *       is settled that was not pruned when the copy was made (hold).
 *   P3  After finish without an error, every store and the lake show the last sealed epoch.
 *
 * Thread: start, hand, progress, wait and finish are the epoch thread's.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "stream/internal.h"

enum {
    RETRY_MIN_US = 100 * 1000,
    RETRY_MAX_US = 30 * 1000 * 1000,
    IDLE_MS = 60 * 1000,
};

/* A copy of the history; it lives in its own arena. */
typedef struct handed {
    rdl_arena arena;
    rdl_history history;
} handed;

typedef struct worker worker;
struct worker {
    rdl_applier *a;
    rdl_conn *conn;
    rdl_thread *thread;
    handed *next;     /* under lock: the newest, not taken yet */
    uint64_t settled; /* under lock: nothing here needs segments up to this one */
    /* The thread's own: */
    handed *now;
    bool settled_old;
    int64_t (*due_us)(const worker *w); /* monotonic; INT64_MAX: not for what is at hand */
    void (*round)(worker *w, bool last);
    rdl_code (*settle)(const rdl_apply *p, uint64_t *out, rdl_err *err);
};

struct rdl_applier {
    rdl_engine *e;
    worker stores, lake;
    rdl_mutex lock;
    rdl_cond changed;
    rdl_mutex turn; /* held by a round where there is no room for two */
    bool takes_turns;
    bool closing;          /* under lock: one last round, then end */
    bool engine_waits;     /* under lock: to be woken when something was applied */
    rdl_applied applied;   /* under lock */
    rdl_code rc;           /* under lock: a failure that ends the run */
    rdl_err err;
    /* The lake thread's own, but applied: */
    rdl_store lake_state; /* applied (under lock), failures, retry_us */
    int64_t lake_last_us; /* monotonic */
};

static void handed_free(handed *h)
{
    if (h == NULL)
        return;
    rdl_arena a = h->arena;
    rdl_arena_fini(&a);
}

static handed *handed_new(const rdl_history *history)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    handed *h = RDL_NEW(&a, handed);
    h->arena = a;
    rdl_history_copy_tables(history, &h->arena, &h->history);
    return h;
}

/* ---- trying ---- */

/* Would the same call, later, fail in the same way? */
static bool is_final(rdl_code rc, bool lake)
{
    return rc == RDL_ECONFLICT || rc == RDL_EBUG ||
           (lake && (rc == RDL_EDATA || rc == RDL_ESCHEMA));
}

static void failed(rdl_applier *a, rdl_store *s, bool last, rdl_code rc, const rdl_err *err)
{
    bool lake = s == &a->lake_state;
    int64_t delay = RETRY_MIN_US;
    for (uint64_t i = 0; i < s->failures && delay < RETRY_MAX_US; i++)
        delay *= 2;
    s->failures++;
    s->retry_us = rdl_monotonic_us() + (delay < RETRY_MAX_US ? delay : RETRY_MAX_US);
    bool ends = last || is_final(rc, lake);
    if (!ends)
        rdl_log_err(RDL_LOG_WARN, lake ? "lake" : "sink", "apply_failed", err);
    rdl_mutex_lock(&a->lock);
    s->failing = true;
    snprintf(s->why, sizeof s->why, "%.290s", err->msg);
    if (ends && a->rc == RDL_OK) {
        a->rc = rc;
        a->err = *err;
        rdl_cond_broadcast(&a->changed);
    }
    rdl_mutex_unlock(&a->lock);
}

static void succeeded(worker *w, rdl_store *s)
{
    rdl_applier *a = w->a;
    bool lake = s == &a->lake_state;
    if (s->failures > 0)
        rdl_log(RDL_LOG_INFO, lake ? "lake" : "sink", "apply_recovered", "failures=%" PRIu64,
                s->failures);
    const char *misfit = lake ? NULL : rdl_store_misfit(a->e, s);
    rdl_mutex_lock(&a->lock);
    s->failing = misfit != NULL;
    if (misfit != NULL)
        snprintf(s->why, sizeof s->why, "%.290s", misfit);
    s->applied = w->now->history.epoch;
    rdl_mutex_unlock(&a->lock);
    s->failures = 0;
    w->settled_old = true;
}

/* ---- rounds ---- */

/* At the interval, or when it lags; never before its retry. */
static int64_t lake_due_us(const worker *w)
{
    const rdl_applier *a = w->a;
    uint64_t behind = w->now->history.epoch - a->lake_state.applied;
    int64_t at = behind * 2 >= a->e->pending_max ? 0 : a->lake_last_us + a->e->lake_interval_us;
    return behind == 0 ? INT64_MAX : at > a->lake_state.retry_us ? at : a->lake_state.retry_us;
}

static void lake_round(worker *w, bool last)
{
    rdl_applier *a = w->a;
    const rdl_apply p = {a->e, w->conn, &w->now->history};
    rdl_err err = {0};
    if (p.history->epoch == a->lake_state.applied || (!last && rdl_monotonic_us() < lake_due_us(w)))
        return;
    rdl_code rc = rdl_apply_to_lake(&p, &err);
    if (rc != RDL_OK) {
        failed(a, &a->lake_state, last, rc, &err);
        return;
    }
    a->lake_last_us = rdl_monotonic_us();
    succeeded(w, &a->lake_state);
}

static int64_t store_due_us(const worker *w, const rdl_store *s)
{
    return s->applied < w->now->history.epoch ? s->retry_us : rdl_store_look_us(w->a->e, s);
}

static int64_t stores_due_us(const worker *w)
{
    const rdl_engine *e = w->a->e;
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < e->store_count; i++) {
        int64_t due = store_due_us(w, &e->stores[i]);
        at = due < at ? due : at;
    }
    return at;
}

/* The epoch thread paces itself by them. */
static void round_begins(worker *w, int64_t now)
{
    rdl_mutex_lock(&w->a->lock);
    w->a->applied.round_us = now;
    w->a->applied.round = w->now->history.epoch;
    rdl_mutex_unlock(&w->a->lock);
}

static void round_ends(worker *w, bool any, bool ok)
{
    rdl_applied *at = &w->a->applied;
    rdl_mutex_lock(&w->a->lock);
    if (any)
        at->stores_us = ok ? (at->stores_us + rdl_monotonic_us() - at->round_us) / 2 : 0;
    at->round_us = 0;
    rdl_mutex_unlock(&w->a->lock);
}

static void stores_round(worker *w, bool last)
{
    rdl_applier *a = w->a;
    rdl_engine *e = a->e;
    const rdl_apply p = {e, w->conn, &w->now->history};
    int64_t began = rdl_monotonic_us();
    bool any = false, ok = true;
    round_begins(w, began);
    for (size_t i = 0; i < e->store_count; i++) {
        rdl_store *s = &e->stores[i];
        rdl_err err = {0};
        bool waits = s->applied < p.history->epoch && last;
        if (!waits && rdl_monotonic_us() < store_due_us(w, s))
            continue;
        any = true;
        rdl_code rc = rdl_apply_to_store(&p, s, &err);
        ok &= rc == RDL_OK;
        if (rc == RDL_OK)
            succeeded(w, s);
        else
            failed(a, s, last, rc, &err);
    }
    round_ends(w, any, ok);
    if (!any)
        return;
    rdl_engine_note_step(e, RDL_STEP_SINKS, began, 0, 0);
}

static void settle(worker *w, bool last)
{
    rdl_applier *a = w->a;
    const rdl_apply p = {a->e, w->conn, &w->now->history};
    uint64_t settled = 0;
    rdl_err err = {0};
    if (!w->settled_old)
        return;
    rdl_code rc = w->settle(&p, &settled, &err);
    if (rc != RDL_OK) {
        failed(a, &a->lake_state, last, rc, &err);
        return;
    }
    w->settled_old = false;
    rdl_mutex_lock(&a->lock);
    w->settled = settled;
    rdl_mutex_unlock(&a->lock);
}

/* ---- the threads ---- */

/* Under lock, with the newest copy: P2. */
static void hold(worker *w)
{
    rdl_applier *a = w->a;
    uint64_t pruned = w->now->history.pruned;
    bool fills = false;
    for (size_t i = 0; w == &a->stores && i < a->e->store_count; i++)
        fills |= rdl_store_may_fill(a->e, &w->now->history, &a->e->stores[i]);
    if (!fills)
        return;
    w->settled = pruned < w->settled ? pruned : w->settled;
    a->applied.settled = pruned < a->applied.settled ? pruned : a->applied.settled;
    w->settled_old = true;
}

/* Milliseconds until something of what is at hand is due. */
static int64_t wait_ms(const worker *w)
{
    int64_t now = rdl_monotonic_us(), at = w->due_us(w);
    if (at == INT64_MAX || at - now > (int64_t)IDLE_MS * 1000)
        return IDLE_MS;
    return at <= now ? 0 : (at - now) / 1000 + 1;
}

/* Under lock.  True when the epoch thread waits for this. */
static bool tell(rdl_applier *a)
{
    uint64_t least = a->lake_state.applied;
    uint64_t settled = a->stores.settled < a->lake.settled ? a->stores.settled : a->lake.settled;
    for (size_t i = 0; i < a->e->store_count; i++) {
        if (a->e->stores[i].applied < least)
            least = a->e->stores[i].applied;
    }
    bool wake = a->rc != RDL_OK || (a->engine_waits && least > a->applied.everywhere);
    a->applied.everywhere = least;
    a->applied.settled = settled;
    a->applied.lake = a->lake_state.applied;
    return wake;
}

/* One round without the lock; then what it reached is told. */
static void turn(worker *w, bool last)
{
    rdl_applier *a = w->a;
    int64_t lake_us = w == &a->lake ? a->lake_last_us : 0;
    if (a->takes_turns)
        rdl_mutex_lock(&a->turn);
    w->round(w, last);
    settle(w, last);
    rdl_mutex_lock(&a->lock);
    bool wake = tell(a);
    rdl_mutex_unlock(&a->lock);
    if (wake)
        rdl_watch_wake(a->e->watch);
    if (w == &a->lake && !last && a->lake_last_us != lake_us)
        rdl_upkeep_round(&(rdl_apply){a->e, w->conn, &w->now->history});
    if (a->takes_turns)
        rdl_mutex_unlock(&a->turn);
}

static void *run(void *arg)
{
    worker *w = arg;
    rdl_applier *a = w->a;
    bool last = false;
    if (w == &a->lake)
        rdl_thread_give_way();
    rdl_mutex_lock(&a->lock);
    while (!last && (a->rc == RDL_OK || a->closing)) {
        int64_t ms;
        while (!a->closing && a->rc == RDL_OK && w->next == NULL && (ms = wait_ms(w)) > 0)
            (void)rdl_cond_wait_ms(&a->changed, &a->lock, ms);
        if (a->rc != RDL_OK && !a->closing)
            break;
        if (w->next != NULL) {
            handed_free(w->now);
            w->now = w->next;
            w->next = NULL;
        }
        last = a->closing;
        hold(w);
        rdl_mutex_unlock(&a->lock);
        turn(w, last);
        rdl_mutex_lock(&a->lock);
    }
    rdl_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- the epoch thread's side ---- */

static void applier_free(rdl_applier *a)
{
    worker *const both[] = {&a->stores, &a->lake};
    for (size_t i = 0; i < 2; i++) {
        handed_free(both[i]->now);
        handed_free(both[i]->next);
        rdl_conn_close(both[i]->conn);
    }
    rdl_cond_fini(&a->changed);
    rdl_mutex_fini(&a->lock);
    rdl_mutex_fini(&a->turn);
    free(a); /* allow: as its calloc */
}

static rdl_code start(worker *w, const char *name, rdl_err *err)
{
    w->now = handed_new(&w->a->e->history);
    w->settled_old = true;
    RDL_TRY(rdl_conn_open(w->a->e->duck, &w->conn, err));
    return rdl_thread_start(name, run, w, &w->thread, err);
}

static void end(rdl_applier *a)
{
    rdl_mutex_lock(&a->lock);
    a->closing = true;
    rdl_cond_broadcast(&a->changed);
    rdl_mutex_unlock(&a->lock);
    (void)rdl_thread_join(a->stores.thread);
    (void)rdl_thread_join(a->lake.thread);
}

rdl_code rdl_applier_start(rdl_engine *e, rdl_applier **out, rdl_err *err)
{
    rdl_applier *a = calloc(1, sizeof *a); /* allow: lives as long as its threads */
    if (a == NULL)
        return rdl_err_nomem(err);
    a->e = e;
    a->stores = (worker){
        .a = a, .due_us = stores_due_us, .round = stores_round, .settle = rdl_apply_settled_stores};
    a->lake = (worker){
        .a = a, .due_us = lake_due_us, .round = lake_round, .settle = rdl_apply_settled_lake};
    a->takes_turns = e->memory_bytes < RDL_ASIDE_BYTES;
    rdl_mutex_init(&a->lock);
    rdl_mutex_init(&a->turn);
    rdl_cond_init(&a->changed);
    /* What was there at the start may be missing in the lake or a store: the first round sees. */
    for (size_t i = 0; i < e->store_count; i++)
        e->stores[i] = (rdl_store){.url = e->stores[i].url,
                                   .ops = e->stores[i].ops,
                                   .sink = e->stores[i].sink,
                                   .taken = e->stores[i].taken};
    a->lake_last_us = rdl_monotonic_us() - e->lake_interval_us;
    a->applied.everywhere = e->history.pruned;
    rdl_code rc = start(&a->stores, "raudal-stores", err);
    if (rc == RDL_OK)
        rc = start(&a->lake, "raudal-lake", err);
    if (rc != RDL_OK) {
        end(a);
        applier_free(a);
        return rc;
    }
    *out = a;
    return RDL_OK;
}

void rdl_applier_hand(rdl_applier *a)
{
    handed *stores = handed_new(&a->e->history), *lake = handed_new(&a->e->history);
    rdl_mutex_lock(&a->lock);
    handed *old[] = {a->stores.next, a->lake.next};
    a->stores.next = stores;
    a->lake.next = lake;
    rdl_cond_broadcast(&a->changed);
    rdl_mutex_unlock(&a->lock);
    handed_free(old[0]);
    handed_free(old[1]);
}

/* The list of runs hears of a store that fails, and of its recovery, from the epoch thread. */
static void tell_of_stores(rdl_applier *a)
{
    for (size_t i = 0; i < a->e->store_count; i++) {
        rdl_store *s = &a->e->stores[i];
        char why[sizeof s->why];
        rdl_mutex_lock(&a->lock);
        bool failing = s->failing, other = s->failing != s->told;
        s->told = s->failing;
        memcpy(why, s->why, sizeof why);
        rdl_mutex_unlock(&a->lock);
        if (other)
            rdl_store_tell(a->e, s, failing ? why : NULL);
    }
}

rdl_code rdl_applier_progress(rdl_applier *a, rdl_applied *out, rdl_err *err)
{
    rdl_mutex_lock(&a->lock);
    rdl_code rc = a->rc;
    *out = a->applied;
    if (rc != RDL_OK)
        *err = a->err;
    rdl_mutex_unlock(&a->lock);
    tell_of_stores(a);
    return rc;
}

rdl_code rdl_applier_wait(rdl_applier *a, rdl_applied *out, rdl_err *err)
{
    rdl_engine *e = a->e;
    rdl_code rc = rdl_applier_progress(a, out, err);
    while (rc == RDL_OK && !e->stop && !e->asked && e->history.epoch - out->everywhere >= e->pending_max) {
        rdl_mutex_lock(&a->lock);
        a->engine_waits = true;
        bool moved = a->applied.everywhere != out->everywhere || a->rc != RDL_OK;
        rdl_mutex_unlock(&a->lock);
        if (!moved)
            (void)rdl_watch_pause(e->watch, 1000);
        rc = rdl_applier_progress(a, out, err);
    }
    rdl_mutex_lock(&a->lock);
    a->engine_waits = false;
    rdl_mutex_unlock(&a->lock);
    return rc;
}

rdl_code rdl_applier_finish(rdl_applier *a, rdl_applied *out, rdl_err *err)
{
    if (a == NULL)
        return RDL_OK;
    end(a);
    rdl_code rc = a->rc;
    *out = a->applied;
    if (rc != RDL_OK)
        *err = a->err;
    applier_free(a);
    return rc;
}
