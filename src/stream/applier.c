/*
 * stream/applier.c - application beside the epochs: one thread takes sealed epochs into the stores
 * and the lake while the next ones are made.
 *
 *   epoch thread   seals epoch n, hands over a copy of what the history says of tables, goes on
 *   apply thread   takes the newest copy: stores at once, the lake at every lake_interval, or
 *                  sooner when half of max_pending_epochs wait for it
 *   epoch thread   prunes what the apply thread says is settled; waits while max_pending_epochs
 *                  are sealed and not everywhere (back-pressure)
 *
 * A destination that fails is closed and tried again after 100 ms, 200 ms, .. 30 s; the others go
 * on.  A publication that does not fit its table is left out and looked at again likewise (A5).
 * What no retry mends (somebody else moved the table, a lake table is damaged) ends the run.
 *
 * INVARIANTS
 *   P1  The apply thread reads its own copy of the history, its own connection, files of sealed
 *       epochs, and what stands still while the engine runs; it alone touches stores and lake
 *       tables between start and finish.
 *   P2  A segment that the copy names and that a destination still needs is on disk: the epoch
 *       thread removes epochs up to `settled` alone, which this thread worked out from what the
 *       destinations hold, and what they hold only grows.
 *   P3  After finish without an error, the lake and every publication that fits its store show the
 *       last sealed epoch.
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

struct rdl_applier {
    rdl_engine *e;
    rdl_conn *conn;
    rdl_thread *thread;
    rdl_mutex lock;
    rdl_cond changed;
    handed *next;          /* under lock: the newest, not taken yet */
    bool closing;          /* under lock: one last round, then end */
    bool engine_waits;     /* under lock: to be woken when something was applied */
    rdl_applied applied;   /* under lock */
    rdl_code rc;           /* under lock: a failure that ends the run */
    rdl_err err;
    /* The thread's own: */
    handed *now;
    rdl_store lake;        /* applied, failures, retry_us */
    int64_t lake_last_us;  /* monotonic */
    uint64_t settled;
    bool settled_old;
    bool tend;             /* the lake took something */
    int64_t stores_us;     /* the last round of stores */
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
    bool lake = s == &a->lake;
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
    }
    rdl_mutex_unlock(&a->lock);
}

static void succeeded(rdl_applier *a, rdl_store *s)
{
    if (s->failures > 0)
        rdl_log(RDL_LOG_INFO, s == &a->lake ? "lake" : "sink", "apply_recovered",
                "failures=%" PRIu64, s->failures);
    a->settled_old |= s->failures > 0 || s == &a->lake;
    const char *misfit = rdl_store_misfit(a->e, s);
    rdl_mutex_lock(&a->lock);
    s->failing = misfit != NULL;
    if (misfit != NULL)
        snprintf(s->why, sizeof s->why, "%.290s", misfit);
    rdl_mutex_unlock(&a->lock);
    s->failures = 0;
    s->applied = a->now->history.epoch;
}

static bool store_due(const rdl_applier *a, const rdl_store *s, int64_t now_us)
{
    if (s->applied < a->now->history.epoch)
        return now_us >= s->retry_us;
    return rdl_monotonic_us() >= rdl_store_look_us(a->e, s);
}

/* When the lake is due: at the interval, or when it lags; never before its retry. */
static int64_t lake_due_us(const rdl_applier *a)
{
    uint64_t behind = a->now->history.epoch - a->lake.applied;
    int64_t at = behind * 2 >= a->e->pending_max ? 0 : a->lake_last_us + a->e->lake_interval_us;
    return behind == 0 ? INT64_MAX : at > a->lake.retry_us ? at : a->lake.retry_us;
}

static void apply_lake(rdl_applier *a, const rdl_apply *p, bool last)
{
    rdl_err err = {0};
    if (p->history->epoch == a->lake.applied || (!last && rdl_monotonic_us() < lake_due_us(a)))
        return;
    rdl_code rc = rdl_apply_to_lake(p, &err);
    if (rc != RDL_OK) {
        failed(a, &a->lake, last, rc, &err);
        return;
    }
    a->lake_last_us = rdl_monotonic_us();
    succeeded(a, &a->lake);
    a->tend = !last;
}

static void apply_stores(rdl_applier *a, const rdl_apply *p, bool last)
{
    rdl_engine *e = a->e;
    int64_t began = rdl_monotonic_us();
    bool any = false;
    for (size_t i = 0; i < e->store_count; i++) {
        rdl_store *s = &e->stores[i];
        rdl_err err = {0};
        if (!store_due(a, s, last ? INT64_MAX : rdl_monotonic_us()))
            continue;
        any = true;
        rdl_code rc = rdl_apply_to_store(p, s, &err);
        if (rc == RDL_OK)
            succeeded(a, s);
        else
            failed(a, s, last, rc, &err);
    }
    if (any) {
        a->stores_us = rdl_monotonic_us() - began;
        rdl_engine_note_step(e, RDL_STEP_SINKS, began, 0, 0);
    }
}

static void round_of(rdl_applier *a, bool last)
{
    const rdl_apply p = {a->e, a->conn, &a->now->history};
    rdl_err err = {0};
    apply_stores(a, &p, last);
    apply_lake(a, &p, last);
    if (a->settled_old) {
        rdl_code rc = rdl_apply_settled(&p, &a->settled, &err);
        if (rc != RDL_OK)
            failed(a, &a->lake, last, rc, &err);
        a->settled_old = rc != RDL_OK;
    }
}

/* ---- the thread ---- */

/* Milliseconds until something of what is at hand is due. */
static int64_t wait_ms(const rdl_applier *a)
{
    int64_t now = rdl_monotonic_us(), at = lake_due_us(a);
    for (size_t i = 0; i < a->e->store_count; i++) {
        const rdl_store *s = &a->e->stores[i];
        int64_t due = s->applied < a->now->history.epoch ? s->retry_us
                                                         : rdl_store_look_us(a->e, s);
        at = due < at ? due : at;
    }
    if (at == INT64_MAX || at - now > (int64_t)IDLE_MS * 1000)
        return IDLE_MS;
    return at <= now ? 0 : (at - now) / 1000 + 1;
}

/* True when the epoch thread waits for this. */
static bool tell(rdl_applier *a)
{
    uint64_t least = a->lake.applied;
    for (size_t i = 0; i < a->e->store_count; i++) {
        if (a->e->stores[i].applied < least)
            least = a->e->stores[i].applied;
    }
    bool wake = a->rc != RDL_OK || (a->engine_waits && least > a->applied.everywhere);
    a->applied = (rdl_applied){.everywhere = least, .settled = a->settled,
                               .lake = a->lake.applied,
                               .stores_us = a->stores_us};
    return wake;
}

static void *run(void *arg)
{
    rdl_applier *a = arg;
    bool last = false;
    rdl_mutex_lock(&a->lock);
    while (!last && a->rc == RDL_OK) {
        int64_t ms;
        while (!a->closing && a->next == NULL && (ms = wait_ms(a)) > 0)
            (void)rdl_cond_wait_ms(&a->changed, &a->lock, ms);
        if (a->next != NULL) {
            handed_free(a->now);
            a->now = a->next;
            a->next = NULL;
        }
        last = a->closing;
        rdl_mutex_unlock(&a->lock);
        round_of(a, last);
        rdl_mutex_lock(&a->lock);
        bool wake = tell(a);
        rdl_mutex_unlock(&a->lock);
        if (wake)
            rdl_watch_wake(a->e->watch);
        if (a->tend)
            rdl_upkeep_round(&(rdl_apply){a->e, a->conn, &a->now->history});
        a->tend = false;
        rdl_mutex_lock(&a->lock);
    }
    rdl_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- the epoch thread's side ---- */

static void applier_free(rdl_applier *a)
{
    handed_free(a->now);
    handed_free(a->next);
    rdl_conn_close(a->conn);
    rdl_cond_fini(&a->changed);
    rdl_mutex_fini(&a->lock);
    free(a); /* allow: as its calloc */
}

rdl_code rdl_applier_start(rdl_engine *e, rdl_applier **out, rdl_err *err)
{
    rdl_applier *a = calloc(1, sizeof *a); /* allow: lives as long as its thread */
    if (a == NULL)
        return rdl_err_nomem(err);
    a->e = e;
    rdl_mutex_init(&a->lock);
    rdl_cond_init(&a->changed);
    a->now = handed_new(&e->history);
    /* What was there at the start may be missing in the lake or a store: the first round sees. */
    for (size_t i = 0; i < e->store_count; i++)
        e->stores[i] = (rdl_store){.url = e->stores[i].url,
                                   .ops = e->stores[i].ops,
                                   .sink = e->stores[i].sink,
                                   .taken = e->stores[i].taken};
    a->lake_last_us = rdl_monotonic_us() - e->lake_interval_us;
    a->applied.everywhere = e->history.pruned;
    rdl_code rc = rdl_conn_open(e->duck, &a->conn, err);
    if (rc == RDL_OK)
        rc = rdl_thread_start("raudal-apply", run, a, &a->thread, err);
    if (rc != RDL_OK) {
        applier_free(a);
        return rc;
    }
    *out = a;
    return RDL_OK;
}

void rdl_applier_hand(rdl_applier *a)
{
    handed *h = handed_new(&a->e->history);
    rdl_mutex_lock(&a->lock);
    handed *old = a->next;
    a->next = h;
    rdl_cond_signal(&a->changed);
    rdl_mutex_unlock(&a->lock);
    handed_free(old);
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
    rdl_mutex_lock(&a->lock);
    a->closing = true;
    rdl_cond_signal(&a->changed);
    rdl_mutex_unlock(&a->lock);
    (void)rdl_thread_join(a->thread);
    rdl_code rc = a->rc;
    *out = a->applied;
    if (rc != RDL_OK)
        *err = a->err;
    applier_free(a);
    return rc;
}
