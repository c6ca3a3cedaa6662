/*
 * stream/apply.c - sealed epochs into the stores, and what lake (apply_lake.c) and stores share.
 *
 * INVARIANTS
 *   A1  Each destination takes sealed epochs in order, from sealed bytes alone: nothing is recomputed.
 *   A2  Its progress moves in the same transaction as its rows (Delta: txn in the same commit;
 *       SQLite: the progress row), so that a crash between two leaves it at one or the other.
 *   A3  A segment is removed only when the lake and every publication of its table have its epoch; the
 *       PRUNE record comes first, so that nobody looks for what is being removed.
 *   A4  A destination ahead of the journal, or behind the oldest segment kept, is never guessed at:
 *       the first is refused, the second is filled whole.
 *   A5  A publication that its store's table does not fit stops no other: it is left out, holds no
 *       segment (its progress is asked again and decides), and is looked at again after a pause.
 */
#include <inttypes.h>

#include "base/log.h"
#include "base/machine.h"
#include "base/url.h"
#include "stream/damage.h"
#include "stream/internal.h"

enum {
    REFUSED_MIN_US = 100 * 1000,
    REFUSED_MAX_US = 30 * 1000 * 1000,
};

rdl_code rdl_apply_not_ahead(const rdl_apply *p, const rdl_table *t, int64_t shown, const char *what,
                             rdl_err *err)
{
    if (shown <= (int64_t)p->history->epoch)
        return RDL_OK;
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "%s of \"%.*s\" shows epoch %" PRId64 ", but the journal ends at epoch %" PRIu64,
                what, (int)t->full.n, t->full.p, shown, p->history->epoch);
    rdl_err_hint(err, "The journal lost its end or the root was restored from a backup: restore "
                      "state/ of the same time, or start a fresh root and raudal backfill.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_STORE);
}

/* ---- stores ---- */

/* It waits until somebody changed the table there, or the text. */
static void refuse(rdl_destination *d, const rdl_err *err)
{
    int64_t pause = REFUSED_MIN_US;
    for (uint64_t i = 0; i < d->refusals && pause < REFUSED_MAX_US; i++)
        pause *= 2;
    if (d->refusals++ == 0)
        rdl_log_err(RDL_LOG_WARN, "sink", "publication_left_out", err);
    d->left_out = true;
    d->look_us = rdl_monotonic_us() + (pause < REFUSED_MAX_US ? pause : REFUSED_MAX_US);
    d->refusal = *err;
    d->epoch = -1;
}

/* Where the table stands, as the store says; *err is of the destination. */
static rdl_code prepare(const rdl_apply *p, rdl_destination *d, rdl_err *err)
{
    rdl_store *s = d->store;
    rdl_code rc = s->ops->prepare(s->sink, &d->table, &d->epoch, err);
    if (rc == RDL_OK)
        rc = rdl_apply_not_ahead(p, d->publication->table, d->epoch, "the store", err);
    if (rc != RDL_OK)
        rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "publication of %s",
                   d->publication->table->full.p);
    if (rc == RDL_ESCHEMA) {
        refuse(d, err);
        *err = (rdl_err){0};
        return RDL_OK;
    }
    d->left_out = false;
    return rc;
}

int64_t rdl_store_look_us(const rdl_engine *e, const rdl_store *s)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < e->destination_count; i++) {
        const rdl_destination *d = &e->destinations[i];
        if (d->store == s && d->left_out && d->look_us < at)
            at = d->look_us;
    }
    return at;
}

/* A publication of the store, or of any (NULL), that is left out; NULL: none. */
static const rdl_destination *left_out(const rdl_engine *e, const rdl_store *s)
{
    for (size_t i = 0; i < e->destination_count; i++)
        if (e->destinations[i].left_out && (s == NULL || e->destinations[i].store == s))
            return &e->destinations[i];
    return NULL;
}

rdl_code rdl_apply_left_out(const rdl_engine *e, rdl_err *err)
{
    const rdl_destination *d = left_out(e, NULL);
    if (d == NULL)
        return RDL_OK;
    *err = d->refusal;
    return err->code;
}

const char *rdl_store_misfit(const rdl_engine *e, const rdl_store *s)
{
    const rdl_destination *d = left_out(e, s);
    return d != NULL ? d->refusal.msg : NULL;
}

/* The connection, and where each table published there stands: what the store itself says. */
rdl_code rdl_store_open(const rdl_apply *p, rdl_store *s, rdl_err *err)
{
    rdl_engine *e = p->e;
    const rdl_sink_config config = {
        .url = s->url,
        .root_dir = e->root.dir,
        .root_uuid = e->uuid,
        .adopt = e->config.adopt && !s->taken,
    };
    rdl_code rc = s->ops->open(&config, &s->sink, err);
    for (size_t i = 0; i < e->destination_count && rc == RDL_OK; i++) {
        if (e->destinations[i].store == s)
            rc = prepare(p, &e->destinations[i], err);
    }
    s->taken |= rc == RDL_OK;
    if (rc != RDL_OK)
        rdl_store_close(s);
    return rdl_err_area(rc, err, RDL_AREA_SINK);
}

void rdl_store_close(rdl_store *s)
{
    if (s->sink != NULL)
        s->ops->close(s->sink);
    s->sink = NULL;
}

static rdl_store *store_of(rdl_engine *e, rdl_str url)
{
    for (size_t i = 0; i < e->store_count; i++) {
        if (rdl_str_eq(rdl_str_of(e->stores[i].url), url))
            return &e->stores[i];
    }
    rdl_store *s = &e->stores[e->store_count++];
    s->url = rdl_arena_strndup(&e->arena, url.p, url.n);
    return s;
}

rdl_code rdl_destinations_open(rdl_engine *e, rdl_err *err)
{
    const rdl_apply p = {e, e->conn, &e->history};
    size_t n = e->pipeline->publication_count;
    e->destinations = RDL_NEWN(&e->arena, rdl_destination, n + 1);
    e->stores = RDL_NEWN(&e->arena, rdl_store, n + 1);
    for (size_t i = 0; i < n; i++) {
        const rdl_publication *from = e->pipeline->publications[i];
        rdl_destination *d = &e->destinations[i];
        *d = (rdl_destination){
            .publication = e->pipeline->publications[i],
            .store = store_of(e, from->url),
        };
        rdl_sink_table_of(&e->arena, from, &d->table);
        rdl_code rc = rdl_sink_find(from->url, &d->store->ops, err);
        if (rc != RDL_OK)
            return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "publication of %s",
                              from->table->full.p);
        e->destination_count = i + 1;
    }
    for (size_t i = 0; i < e->store_count; i++) {
        rdl_code rc = rdl_store_open(&p, &e->stores[i], err);
        if (rc == RDL_OK)
            continue;
        /* One that is down stops nobody: it is tried again when there is something for it.  */
        if ((err->flags & RDL_ERR_RETRY) == 0)
            return rc;
        rdl_log_err(RDL_LOG_WARN, "sink", "store_not_open", err);
        *err = (rdl_err){0};
    }
    return RDL_OK;
}

void rdl_destinations_close(rdl_engine *e)
{
    for (size_t i = 0; i < e->store_count; i++)
        rdl_store_close(&e->stores[i]);
    e->store_count = e->destination_count = 0;
}

static rdl_code send(const rdl_apply *p, rdl_sink *s, const char *select,
                     rdl_code (*take)(rdl_sink *s, const rdl_chunk *c, rdl_err *err), rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *k;
    rdl_code rc = rdl_query_stream(p->conn, select, &r, err);
    while (rc == RDL_OK && rdl_result_next(r, &k))
        rc = take(s, k, err);
    if (rc == RDL_OK)
        rc = rdl_result_end(r, err);
    rdl_result_free(r);
    return rc;
}

static rdl_code send_ordered(rdl_sink *s, rdl_ordered *rows, rdl_ordered_rows which,
                             rdl_code (*take)(rdl_sink *s, const rdl_chunk *c, rdl_err *err),
                             rdl_err *err)
{
    const rdl_chunk *k;
    RDL_TRY(rdl_ordered_begin(rows, which, err));
    RDL_TRY(rdl_ordered_next(rows, &k, err));
    while (k->rows > 0) {
        RDL_TRY(take(s, k, err));
        RDL_TRY(rdl_ordered_next(rows, &k, err));
    }
    return RDL_OK;
}

static rdl_code send_merged(rdl_sink *s, const rdl_changes *c, bool upsert, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    if (c->whole)
        return send_ordered(s, c->ordered, RDL_ORDERED_ALL,
                            upsert ? s->ops->upsert : s->ops->insert, err);
    if (c->any_fresh)
        rc = send_ordered(s, c->ordered, RDL_ORDERED_FRESH,
                          upsert ? s->ops->upsert : s->ops->insert, err);
    if (rc == RDL_OK && c->any_known)
        rc = send_ordered(s, c->ordered, RDL_ORDERED_KNOWN, s->ops->upsert, err);
    return rc;
}

static rdl_code send_all(const rdl_apply *p, rdl_destination *d, const rdl_changes *c, bool upsert,
                         rdl_err *err)
{
    rdl_sink *s = d->store->sink;
    const rdl_sink_batch batch = {.from_epoch = d->epoch,
                                  .to_epoch = (int64_t)p->history->epoch,
                                  .whole = c->whole,
                                  .write_us = p->history->ts_us};
    RDL_TRY(s->ops->begin(s, &d->table, &batch, err));
    rdl_code rc = RDL_OK;
    if (!c->whole && c->removals.n > 0)
        rc = send(p, s, c->removals.p, s->ops->remove, err);
    if (rc == RDL_OK && c->prepare.n > 0)
        rc = rdl_exec(p->conn, c->prepare.p, err);
    if (rc == RDL_OK && c->inserts.n > 0)
        rc = send(p, s, c->inserts.p, upsert ? s->ops->upsert : s->ops->insert, err);
    if (rc == RDL_OK && c->updates.n > 0)
        rc = send(p, s, c->updates.p, s->ops->upsert, err);
    if (rc == RDL_OK && c->ordered != NULL)
        rc = send_merged(s, c, upsert, err);
    if (rc == RDL_OK && c->finish.n > 0)
        rc = rdl_exec(p->conn, c->finish.p, err);
    if (rc == RDL_OK)
        rc = s->ops->commit(s, err);
    if (rc != RDL_OK) {
        s->ops->abort(s);
        return rc;
    }
    d->epoch = batch.to_epoch;
    return RDL_OK;
}

/* A key that the history says is new lies in the store: somebody else wrote it, and we own it. */
static rdl_code apply_changes(const rdl_apply *p, rdl_destination *d, const rdl_changes *c,
                              rdl_err *err)
{
    rdl_code rc = send_all(p, d, c, false, err);
    if (rc == RDL_OK || (err->flags & RDL_ERR_REPLAY) == 0)
        return rc;
    rdl_log_err(RDL_LOG_WARN, "sink", "rows_replaced", err);
    *err = (rdl_err){0};
    return send_all(p, d, c, true, err);
}

static rdl_code apply_whole(const rdl_apply *p, rdl_destination *d, rdl_err *err)
{
    rdl_arena a;
    rdl_cut cut;
    rdl_changes changes;
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &p->e->root, p->e->pipeline, p->history, p->e->uuid, p->history->epoch);
    cut.beside = true; /* P1 of applier.c */
    const rdl_table *t = d->publication->table;
    rdl_code rc = rdl_segments_check(&a, &p->e->root, rdl_history_table(p->history, t->full), 0,
                                     false, err);
    changes = (rdl_changes){0};
    if (rc == RDL_OK)
        rc = rdl_changes_whole(&cut, t, d->publication->key, d->publication->key_count, &changes,
                               err);
    if (rc == RDL_OK)
        rc = apply_changes(p, d, &changes, err);
    rdl_changes_fini(&changes);
    rdl_arena_fini(&a);
    return rc;
}

/* What the table needs is more than segments after its epoch. */
static bool needs_all(const rdl_destination *d, const rdl_table_history *h)
{
    return d->epoch < 0 || (uint64_t)d->epoch < h->pruned_changed ||
           (uint64_t)d->epoch < h->dropped_before;
}

bool rdl_store_may_fill(const rdl_engine *e, rdl_history *h, const rdl_store *s)
{
    for (size_t i = 0; i < e->destination_count; i++) {
        const rdl_destination *d = &e->destinations[i];
        if (d->store != s || (d->left_out && rdl_monotonic_us() < d->look_us))
            continue;
        if (s->sink == NULL || d->left_out ||
            needs_all(d, rdl_history_table(h, d->publication->table->full)))
            return true;
    }
    return false;
}

static rdl_code apply_destination(const rdl_apply *p, rdl_destination *d, rdl_err *err)
{
    const rdl_table *t = d->publication->table;
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    if (!h->exists || rdl_apply_is_stale(t, h))
        return RDL_OK;
    if (needs_all(d, h)) {
        RDL_TRY(apply_whole(p, d, err));
        d->filled = !p->e->ran;
        return RDL_OK;
    }
    rdl_arena a;
    rdl_cut cut;
    rdl_changes changes;
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &p->e->root, p->e->pipeline, p->history, p->e->uuid, p->history->epoch);
    cut.beside = true; /* P1 of applier.c */
    rdl_code rc = rdl_segments_check(&a, &p->e->root, h, (uint64_t)d->epoch, false, err);
    rdl_sink *s = d->store->sink;
    bool unfinished = s->ops->unfinished != NULL && s->ops->unfinished(s, &d->table);
    changes = (rdl_changes){0};
    if (rc == RDL_OK)
        rc = rdl_changes_between(&cut, t, d->publication->key, d->publication->key_count,
                                 (uint64_t)d->epoch, p->history->epoch, unfinished, &changes, err);
    if (rc == RDL_OK && changes.any)
        rc = apply_changes(p, d, &changes, err);
    rdl_changes_fini(&changes);
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code try_destination(const rdl_apply *p, rdl_destination *d, rdl_err *err)
{
    if (d->left_out && rdl_monotonic_us() >= d->look_us)
        RDL_TRY(prepare(p, d, err));
    if (d->left_out)
        return RDL_OK;
    rdl_code rc = apply_destination(p, d, err);
    if (rc == RDL_EDATA || rc == RDL_EIO)
        rc = rdl_engine_name_damage(p, err);
    if (rc != RDL_OK)
        rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "publication of %s",
                   d->publication->table->full.p);
    if (rc == RDL_ESCHEMA) {
        refuse(d, err);
        *err = (rdl_err){0};
        return RDL_OK;
    }
    if (rc == RDL_OK && d->refusals > 0)
        rdl_log(RDL_LOG_INFO, "sink", "publication_fits", "table=%s", d->publication->table->full.p);
    d->refusals = rc == RDL_OK ? 0 : d->refusals;
    return rc;
}

rdl_code rdl_apply_to_store(const rdl_apply *p, rdl_store *s, rdl_err *err)
{
    rdl_code rc = s->sink == NULL ? rdl_store_open(p, s, err) : RDL_OK;
    for (size_t i = 0; i < p->e->destination_count && rc == RDL_OK; i++) {
        if (p->e->destinations[i].store == s)
            rc = try_destination(p, &p->e->destinations[i], err);
    }
    if (rc != RDL_OK)
        rdl_store_close(s);
    return rc;
}

/* Every store, whichever fails; the first failure is given. */
static rdl_code apply_stores(rdl_engine *e, rdl_conn *conn, rdl_err *err)
{
    const rdl_apply p = {e, conn, &e->history};
    int64_t began = rdl_monotonic_us();
    rdl_code first = RDL_OK;
    for (size_t i = 0; i < e->store_count; i++) {
        rdl_err own = {0};
        rdl_code rc = rdl_apply_to_store(&p, &e->stores[i], &own);
        const char *misfit = rdl_store_misfit(e, &e->stores[i]);
        e->stores[i].failing = rc != RDL_OK || misfit != NULL;
        if (misfit != NULL)
            snprintf(e->stores[i].why, sizeof e->stores[i].why, "%.290s", misfit);
        if (rc == RDL_OK)
            continue;
        snprintf(e->stores[i].why, sizeof e->stores[i].why, "%.290s", own.msg);
        if (first == RDL_OK)
            *err = own;
        first = first == RDL_OK ? rc : first;
    }
    rdl_engine_note_step(e, RDL_STEP_SINKS, began, 0, 0);
    return first;
}

/* The list of runs is written by the epoch thread alone. */
static void tell_of_stores(rdl_engine *e)
{
    for (size_t i = 0; i < e->store_count; i++) {
        if (e->stores[i].failing)
            rdl_store_tell(e, &e->stores[i], e->stores[i].why);
    }
}

rdl_code rdl_apply_sinks(rdl_engine *e, rdl_err *err)
{
    rdl_engine_progress_at(e, NULL, "stores");
    rdl_code rc = apply_stores(e, e->conn, err);
    tell_of_stores(e);
    return rc == RDL_OK ? rdl_apply_left_out(e, err) : rc;
}

/* ---- both ---- */

typedef struct store_hand {
    rdl_engine *e;
    rdl_conn *conn;
    rdl_code rc;
    rdl_err err;
} store_hand;

static void *apply_stores_aside(void *arg)
{
    store_hand *h = arg;
    h->rc = apply_stores(h->e, h->conn, &h->err);
    return NULL;
}

rdl_code rdl_apply_all(rdl_engine *e, rdl_code *stores, rdl_err *stores_err, rdl_err *err)
{
    store_hand hand = {.e = e};
    rdl_thread *thread = NULL;
    rdl_err why = {0};
    for (size_t i = 0; i < e->pipeline->table_count; i++) /* a look-up may make it: not beside us */
        (void)rdl_history_table(&e->history, e->pipeline->tables[i]->full);
    bool aside = e->store_count > 0 && rdl_cpu_count() > 1 && e->memory_bytes >= RDL_ASIDE_BYTES &&
                 rdl_conn_open(e->duck, &hand.conn, &why) == RDL_OK;
    if (aside && rdl_thread_start("stores", apply_stores_aside, &hand, &thread, &why) != RDL_OK)
        aside = false;
    rdl_code rc = rdl_apply_lake(e, err);
    rdl_thread_join(thread);
    rdl_conn_close(hand.conn);
    *stores = RDL_OK;
    if (aside) {
        *stores = hand.rc;
        *stores_err = hand.err;
    } else if (rc == RDL_OK) {
        *stores = apply_stores(e, e->conn, stores_err);
    }
    if (aside || rc == RDL_OK)
        tell_of_stores(e);
    return rc;
}

void rdl_store_tell(rdl_engine *e, const rdl_store *s, const char *why)
{
    int64_t now = rdl_now_us(e->clock);
    rdl_buf name = {0};
    rdl_buf_puts(&name, "store ");
    rdl_url_put_shown(&name, rdl_str_of(s->url));
    const rdl_job_report report = {.name = rdl_buf_str(&name),
                                   .started_us = now,
                                   .ended_us = now,
                                   .ok = why == NULL,
                                   .message = why != NULL ? why : "",
                                   .epoch = e->history.epoch};
    if (e->config.job != NULL)
        e->config.job(e->config.job_arg, &report);
    rdl_buf_fini(&name);
}

rdl_code rdl_apply_whole(rdl_engine *e, rdl_destination *d, rdl_err *err)
{
    const rdl_apply p = {e, e->conn, &e->history};
    if (d->store->sink == NULL)
        RDL_TRY(rdl_store_open(&p, d->store, err));
    else if (d->left_out)
        RDL_TRY(prepare(&p, d, err));
    if (d->left_out) {
        *err = d->refusal;
        return err->code;
    }
    return apply_whole(&p, d, err);
}

/* The epoch before the first that the lake lacks of the table, if that is less than *epoch. */
static rdl_code hold_for_lake(const rdl_apply *p, rdl_arena *a, const rdl_table *t, uint64_t *epoch,
                              rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    const rdl_root *root = &p->e->root;
    bool kept = t->kind != RDL_TABLE_SNAPSHOT && t->kind != RDL_TABLE_SOURCE;
    int64_t version, here = -1, there = -1;
    if (h->segments.n == 0)
        return RDL_OK;
    if (kept)
        RDL_TRY(rdl_lake_shown(rdl_root_lake_table(a, root, t), p->e->uuid, &version, &here, err));
    RDL_TRY(rdl_lake_shown(rdl_root_quarantine(a, root, t), p->e->uuid, &version, &there, err));
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        bool rows = s->rows_new > 0 || s->rows_old > 0 || s->reset;
        bool lacks = (kept && rows && here < (int64_t)s->epoch) ||
                     (s->rows_quarantined > 0 && there < (int64_t)s->epoch);
        if (lacks && s->epoch - 1 < *epoch)
            *epoch = s->epoch - 1;
    }
    return RDL_OK;
}

rdl_code rdl_apply_settled_lake(const rdl_apply *p, uint64_t *out, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    *out = p->history->epoch;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < p->e->pipeline->table_count && rc == RDL_OK; i++)
        rc = hold_for_lake(p, &a, p->e->pipeline->tables[i], out, err);
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_apply_settled_stores(const rdl_apply *p, uint64_t *out, rdl_err *err)
{
    (void)err;
    *out = p->history->epoch;
    for (size_t i = 0; i < p->e->destination_count; i++) {
        const rdl_destination *d = &p->e->destinations[i];
        const rdl_table_history *h = rdl_history_table(p->history, d->publication->table->full);
        for (size_t j = 0; j < h->segments.n; j++) {
            if (d->epoch >= 0 && h->segments.v[j].epoch > (uint64_t)d->epoch &&
                h->segments.v[j].epoch - 1 < *out)
                *out = h->segments.v[j].epoch - 1;
        }
    }
    return RDL_OK;
}

rdl_code rdl_apply_settled(const rdl_apply *p, uint64_t *out, rdl_err *err)
{
    uint64_t stores = 0;
    RDL_TRY(rdl_apply_settled_lake(p, out, err));
    RDL_TRY(rdl_apply_settled_stores(p, &stores, err));
    *out = stores < *out ? stores : *out;
    return RDL_OK;
}
