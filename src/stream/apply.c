/*
 * stream/apply.c - sealed epochs into the lake and the stores.
 *
 * INVARIANTS
 *   A1  Each destination takes sealed epochs in order, from sealed bytes alone: nothing is recomputed.
 *   A2  Its progress moves in the same transaction as its rows (Delta: txn in the same commit;
 *       SQLite: the progress row), so that a crash between two leaves it at one or the other.
 *   A3  A segment is removed only when the lake and every publication of its table have its epoch; the
 *       PRUNE record comes first, so that nobody looks for what is being removed.
 *   A4  A destination ahead of the journal, or behind the oldest segment kept, is never guessed at:
 *       the first is refused, the second is filled whole.
 */
#include <inttypes.h>

#include "base/log.h"
#include "base/url.h"
#include "stream/internal.h"

enum {
    STAGE_ROW_MEMORY = 1024, /* of the budget for each changed row that one statement may bring in */
};

/* ---- lake ---- */

static rdl_code check_not_ahead(const rdl_apply *p, const rdl_table *t, int64_t shown,
                                const char *what, rdl_err *err)
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

static rdl_code check_not_behind(rdl_str table, uint64_t shown, uint64_t pruned, rdl_err *err)
{
    if (shown >= pruned)
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "the lake table \"%.*s\" is at epoch %" PRIu64 ", but segments up to epoch %" PRIu64
                " are gone: it was restored or deleted",
                (int)table.n, table.p, shown, pruned);
    rdl_err_hint(err, "Put back the table's folder of the same time as state/, or compute "
                      "everything again into a fresh root with raudal backfill.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
}

/* A root without a past finds tables here: its journal was lost, and it would write every row again. */
static rdl_code check_empty(const rdl_apply *p, rdl_arena *a, const char *dir, const char *name,
                            rdl_err *err)
{
    rdl_lake_snapshot now;
    if (!rdl_fs_exists(dir))
        return RDL_OK;
    RDL_TRY(rdl_lake_load(a, dir, p->e->uuid, -1, &now, err));
    if (now.version < 0 || now.txn_version >= 0)
        return RDL_OK;
    rdl_err_set(err, RDL_ECONFLICT, 0, "the lake table \"%s\" was written by another root", name);
    rdl_err_hint(err, "If state/ was lost, restore it; to read the sources again from the beginning, "
                      "run raudal backfill into a fresh root.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_STORE);
}

rdl_code rdl_apply_check_fresh(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    const rdl_apply p = {e, e->conn, &e->history};
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->pipeline->table_count && rc == RDL_OK; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (t->kind != RDL_TABLE_SOURCE && t->kind != RDL_TABLE_SNAPSHOT)
            rc = check_empty(&p, &a, rdl_root_lake_table(&a, &e->root, t), t->full.p, err);
        if (rc == RDL_OK)
            rc = check_empty(&p, &a, rdl_root_quarantine(&a, &e->root, t),
                             rdl_root_quarantine_name(&a, t), err);
    }
    rdl_arena_fini(&a);
    return rc;
}

static bool pending(const rdl_table_history *h, uint64_t after, bool quarantine)
{
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        bool any = quarantine ? s->rows_quarantined > 0
                              : s->rows_new > 0 || s->rows_old > 0 || s->reset;
        if (s->epoch > after && any)
            return true;
    }
    return false;
}

/* SELECT DISTINCT of the partition columns over every old and new row after an epoch. */
static void put_touched(rdl_buf *out, const rdl_apply *p, rdl_arena *a, const rdl_table *t,
                        const rdl_table_history *h, uint64_t after)
{
    bool any = false;
    rdl_buf_puts(out, "SELECT DISTINCT * FROM (");
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        for (rdl_segment kind = RDL_SEGMENT_NEW; kind <= RDL_SEGMENT_OLD; kind++) {
            if (s->epoch <= after || (kind == RDL_SEGMENT_NEW ? s->rows_new : s->rows_old) == 0)
                continue;
            rdl_buf_puts(out, any ? " UNION ALL SELECT " : "SELECT ");
            rdl_put_key(out, "", &t->columns, t->partition_by, t->partition_count);
            rdl_buf_puts(out, " FROM ");
            rdl_put_segment(out, a, &p->e->root, s, t->full, kind);
            any = true;
        }
    }
    rdl_buf_puts(out, ")");
}

static bool reset_after(const rdl_table_history *h, uint64_t after)
{
    for (size_t i = 0; i < h->segments.n; i++) {
        if (h->segments.v[i].epoch > after && h->segments.v[i].reset)
            return true;
    }
    return false;
}

static rdl_code replace_view(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                             const rdl_lake_table *lake, const rdl_lake_snapshot *now,
                             const rdl_lake_commit_info *info, rdl_lake_result *out, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    uint64_t after = now->txn_version > 0 ? (uint64_t)now->txn_version : 0;
    rdl_buf select = {0}, touched = {0}, order = {0};
    cut->stage = p->conn;
    cut->stage_rows = p->e->memory_bytes / STAGE_ROW_MEMORY;
    rdl_code rc = rdl_cut_select(cut, t, false, &select, err);
    bool whole = t->partition_count == 0 || now->version < 0 || reset_after(h, after);
    rdl_lake_table as = *lake;
    as.overwrite_schema = whole;
    if (rc == RDL_OK && !whole) {
        put_touched(&touched, p, cut->arena, t, h, after);
        rdl_buf part = {0};
        rdl_buf_puts(&part, "SELECT * FROM (");
        rdl_buf_put(&part, select.p, select.n);
        rdl_buf_puts(&part, ") WHERE rdl_key(");
        rdl_put_key(&part, "", &t->columns, t->partition_by, t->partition_count);
        rdl_buf_puts(&part, ") IN (SELECT rdl_key(");
        rdl_put_key(&part, "", &t->columns, t->partition_by, t->partition_count);
        rdl_buf_printf(&part, ") FROM (%s))", rdl_buf_str(&touched));
        rdl_buf_fini(&select);
        select = part;
    }
    rdl_put_key(&order, "", &t->columns, t->primary_key, t->primary_key_count);
    if (rc == RDL_OK)
        rc = rdl_lake_replace(p->conn, &as, rdl_buf_str(&select),
                              whole ? NULL : rdl_buf_str(&touched),
                              order.n > 0 ? rdl_buf_str(&order) : NULL, info, out, err);
    rdl_cut_unstage(cut);
    cut->stage = NULL;
    rdl_buf_fini(&select);
    rdl_buf_fini(&touched);
    rdl_buf_fini(&order);
    return rc;
}

static rdl_code append_stream(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                              const rdl_lake_table *lake, const rdl_lake_commit_info *info,
                              rdl_lake_result *out, bool quarantine, rdl_err *err)
{
    rdl_buf select = {0}, order = {0};
    rdl_code rc = quarantine ? rdl_cut_segments_quarantine(cut, t, &select, err)
                             : rdl_cut_segments(cut, t, &select, err);
    if (t->decision && !quarantine)
        rdl_put_key(&order, "", &t->columns, t->primary_key, t->primary_key_count);
    else
        rdl_buf_puts(&order, RDL_IDENTITY_COLUMNS);
    if (rc == RDL_OK)
        rc = rdl_lake_append(p->conn, lake, rdl_buf_str(&select), rdl_buf_str(&order), info, out,
                             err);
    rdl_buf_fini(&order);
    rdl_buf_fini(&select);
    return rc;
}

static void partition_names(rdl_arena *a, const rdl_table *t, rdl_lake_table *lake)
{
    rdl_str *names = RDL_NEWN(a, rdl_str, t->partition_count + 1);
    for (size_t i = 0; i < t->partition_count; i++)
        names[i] = t->columns.v[t->partition_by[i]].name;
    lake->partition_columns = names;
    lake->partition_count = t->partition_count;
}

static rdl_code finish_lake(const rdl_apply *p, const rdl_lake_table *lake, rdl_err *err)
{
    bool made = false;
    return rdl_lake_checkpoint(p->conn, lake, false, &made, err);
}

/* What was sealed under another text waits for the rebuild that replaces it. */
static bool is_stale(const rdl_table *t, const rdl_table_history *h)
{
    return t->kind == RDL_TABLE_VIEW && !t->decision &&
           !rdl_hash128_eq(h->fingerprint, t->fingerprint);
}

/* A streaming table keeps its rows when its text changes, so the new columns must fit them. */
rdl_code rdl_apply_check_schemas(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->pipeline->table_count && rc == RDL_OK; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        const rdl_table_history *h = rdl_history_table(&e->history, t->full);
        if ((t->kind != RDL_TABLE_STREAMING && !t->decision) || !h->exists ||
            rdl_hash128_eq(h->fingerprint, t->fingerprint))
            continue;
        rdl_lake_table lake = {.dir = rdl_root_lake_table(&a, &e->root, t),
                               .app_id = e->uuid,
                               .name = t->full.p};
        rdl_table_lake_schema(&a, t, &lake.schema);
        partition_names(&a, t, &lake);
        rc = rdl_err_area(rdl_lake_check(&lake, err), err, RDL_AREA_TEXT);
    }
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code apply_table(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                            const rdl_lake_commit_info *info, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    const char *dir = rdl_root_lake_table(cut->arena, &p->e->root, t);
    const rdl_lake_snapshot *now;
    rdl_lake_result result;
    int64_t version, shown;
    if (!h->exists || t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_SNAPSHOT)
        return RDL_OK;
    RDL_TRY(rdl_lake_shown(dir, p->e->uuid, &version, &shown, err));
    RDL_TRY(check_not_ahead(p, t, shown, "the lake table", err));
    uint64_t after = shown > 0 ? (uint64_t)shown : 0;
    RDL_TRY(check_not_behind(t->full, after, h->pruned_changed, err));
    if ((version >= 0 && !pending(h, after, false)) || is_stale(t, h))
        return RDL_OK;
    RDL_TRY(rdl_cut_lake(cut, t, &now, err));
    rdl_lake_table lake = {.dir = dir,
                           .app_id = p->e->uuid,
                           .name = t->full.p,
                           .description = t->comment.p};
    rdl_table_lake_schema(cut->arena, t, &lake.schema);
    partition_names(cut->arena, t, &lake);
    RDL_TRY(t->kind == RDL_TABLE_VIEW && !t->decision
                ? replace_view(p, cut, t, &lake, now, info, &result, err)
                : append_stream(p, cut, t, &lake, info, &result, false, err));
    return finish_lake(p, &lake, err);
}

static rdl_code apply_quarantine(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                                 const rdl_lake_commit_info *info, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    const char *dir = rdl_root_quarantine(cut->arena, &p->e->root, t);
    rdl_lake_result result;
    int64_t version, shown;
    if (h->last_quarantined == 0)
        return RDL_OK;
    RDL_TRY(rdl_lake_shown(dir, p->e->uuid, &version, &shown, err));
    uint64_t after = shown > 0 ? (uint64_t)shown : 0;
    rdl_str name = rdl_str_of(
        rdl_arena_printf(cut->arena, "quarantine.%s", rdl_root_quarantine_name(cut->arena, t)));
    RDL_TRY(check_not_ahead(p, t, shown, "the quarantine", err));
    RDL_TRY(check_not_behind(name, after, h->pruned_quarantined, err));
    if (!pending(h, after, true))
        return RDL_OK;
    rdl_lake_table lake = {
        .dir = dir,
        .app_id = p->e->uuid,
        .name = name.p,
        .description = "rows that were rejected, with their bytes and the reasons",
    };
    rdl_quarantine_schema(cut->arena, &lake.schema);
    RDL_TRY(append_stream(p, cut, t, &lake, info, &result, true, err));
    return finish_lake(p, &lake, err);
}

rdl_code rdl_apply_to_lake(const rdl_apply *p, rdl_err *err)
{
    rdl_arena a;
    rdl_cut cut;
    rdl_code rc = RDL_OK;
    const rdl_pipeline *pipeline = p->e->pipeline;
    int64_t began = rdl_monotonic_us();
    const rdl_lake_commit_info info = {
        .operation = "RAUDAL", .epoch = p->history->epoch, .timestamp_us = p->history->ts_us};
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &p->e->root, pipeline, p->history, p->e->uuid, p->history->epoch);
    for (size_t i = 0; i < pipeline->table_count && rc == RDL_OK; i++) {
        const rdl_table *t = pipeline->tables[i];
        rc = apply_table(p, &cut, t, &info, err);
        if (rc == RDL_OK)
            rc = apply_quarantine(p, &cut, t, &info, err);
        if (rc != RDL_OK)
            rdl_err_in(rc, err, "lake table %s", t->full.p);
    }
    rdl_arena_fini(&a);
    if (rc != RDL_OK)
        rc = rdl_engine_name_damage(p, err);
    rdl_engine_note_step(p->e, RDL_STEP_LAKE, began, 0, 0);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

rdl_code rdl_apply_lake(rdl_engine *e, rdl_err *err)
{
    const rdl_apply p = {e, e->conn, &e->history};
    rdl_engine_progress_at(e, NULL, "lake");
    e->last_lake_us = rdl_now_us(e->clock);
    return rdl_apply_to_lake(&p, err);
}

/* ---- stores ---- */

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
        rdl_destination *d = &e->destinations[i];
        if (d->store != s)
            continue;
        rc = s->ops->prepare(s->sink, &d->table, &d->epoch, err);
        if (rc == RDL_OK)
            rc = check_not_ahead(p, d->publication->table, d->epoch, "the store", err);
        if (rc != RDL_OK)
            rdl_err_in(rc, err, "publication of %s", d->publication->table->full.p);
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
    rdl_code rc = rdl_query(p->conn, select, &r, err);
    while (rc == RDL_OK && rdl_result_next(r, &k))
        rc = take(s, k, err);
    rdl_result_free(r);
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
    if (rc == RDL_OK && c->inserts.n > 0)
        rc = send(p, s, c->inserts.p, upsert ? s->ops->upsert : s->ops->insert, err);
    if (rc == RDL_OK && c->updates.n > 0)
        rc = send(p, s, c->updates.p, s->ops->upsert, err);
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
    rdl_code rc = rdl_changes_whole(&cut, d->publication->table, d->publication->key,
                                    d->publication->key_count, &changes, err);
    if (rc == RDL_OK)
        rc = apply_changes(p, d, &changes, err);
    rdl_changes_fini(&changes);
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code apply_destination(const rdl_apply *p, rdl_destination *d, rdl_err *err)
{
    const rdl_table *t = d->publication->table;
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    if (!h->exists || is_stale(t, h))
        return RDL_OK;
    if (d->epoch < 0 || (uint64_t)d->epoch < h->pruned_changed)
        return apply_whole(p, d, err);
    rdl_arena a;
    rdl_cut cut;
    rdl_changes changes;
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &p->e->root, p->e->pipeline, p->history, p->e->uuid, p->history->epoch);
    rdl_sink *s = d->store->sink;
    bool unfinished = s->ops->unfinished != NULL && s->ops->unfinished(s, &d->table);
    rdl_code rc = rdl_changes_between(&cut, t, d->publication->key, d->publication->key_count,
                                      (uint64_t)d->epoch, p->history->epoch, unfinished, &changes,
                                      err);
    if (rc == RDL_OK && changes.any)
        rc = apply_changes(p, d, &changes, err);
    rdl_changes_fini(&changes);
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_apply_to_store(const rdl_apply *p, rdl_store *s, rdl_err *err)
{
    rdl_code rc = s->sink == NULL ? rdl_store_open(p, s, err) : RDL_OK;
    for (size_t i = 0; i < p->e->destination_count && rc == RDL_OK; i++) {
        rdl_destination *d = &p->e->destinations[i];
        if (d->store != s)
            continue;
        rc = apply_destination(p, d, err);
        if (rc == RDL_EDATA || rc == RDL_EIO)
            rc = rdl_engine_name_damage(p, err);
        if (rc != RDL_OK)
            rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "publication of %s",
                       d->publication->table->full.p);
    }
    if (rc != RDL_OK)
        rdl_store_close(s);
    return rc;
}

rdl_code rdl_apply_sinks(rdl_engine *e, rdl_err *err)
{
    const rdl_apply p = {e, e->conn, &e->history};
    int64_t began = rdl_monotonic_us();
    rdl_engine_progress_at(e, NULL, "stores");
    rdl_code first = RDL_OK;
    for (size_t i = 0; i < e->store_count; i++) {
        rdl_err own = {0};
        rdl_code rc = rdl_apply_to_store(&p, &e->stores[i], &own);
        if (rc == RDL_OK)
            continue;
        rdl_store_tell(e, &e->stores[i], own.msg);
        if (first == RDL_OK)
            *err = own;
        first = first == RDL_OK ? rc : first;
    }
    rdl_engine_note_step(e, RDL_STEP_SINKS, began, 0, 0);
    return first;
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

/* The newest epoch that no destination still needs. */
rdl_code rdl_apply_settled(const rdl_apply *p, uint64_t *out, rdl_err *err)
{
    rdl_arena a;
    rdl_engine *e = p->e;
    uint64_t epoch = p->history->epoch;
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->pipeline->table_count && rc == RDL_OK; i++)
        rc = hold_for_lake(p, &a, e->pipeline->tables[i], &epoch, err);
    for (size_t i = 0; i < e->destination_count; i++) {
        const rdl_destination *d = &e->destinations[i];
        const rdl_table_history *h = rdl_history_table(p->history, d->publication->table->full);
        for (size_t j = 0; j < h->segments.n; j++) {
            if (d->epoch >= 0 && h->segments.v[j].epoch > (uint64_t)d->epoch &&
                h->segments.v[j].epoch - 1 < epoch)
                epoch = h->segments.v[j].epoch - 1;
        }
    }
    rdl_arena_fini(&a);
    *out = epoch;
    return rc;
}
