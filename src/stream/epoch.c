/*
 * stream/epoch.c - the work of one epoch, and its seal.
 *
 *   1  ingest      ranges and snapshot versions become e."new:..", e."old:.."
 *   2  tables      in graph order: streaming tables are judged, views maintained
 *   3  segments    every change as a file in state/epochs/<n>/, keyed state as state.delta
 *   4  sync        all of these and their folders
 *   5  seal        one journal record, synced: this is the commit
 *   6  afterwards  history, state and sources move on in memory
 *
 * INVARIANTS
 *   E1  Nothing that another process can see changes before 5; a crash before it leaves files that no
 *       record names, and they are removed at the next start.
 *   E2  What 5 names was synced by 4.
 *   E3  A failure in 1..4 leaves memory as it was before the epoch (state aborted, caches forgotten,
 *       ranges given back), so that the epoch can run again.
 *   E4  A failure of 5 itself leaves the outcome unknown to this process: it stops, and the next start reads
 *       from the journal which it was.
 */
#include <inttypes.h>

#include "stream/damage.h"
#include "stream/model.h"
#include "stream/parts_aside.h"

void rdl_work_init(rdl_engine *e, rdl_work *w)
{
    size_t n = e->pipeline->table_count;
    *w = (rdl_work){.epoch = e->history.epoch + 1};
    rdl_arena_init(&w->arena, 0);
    w->ranges = RDL_NEWN(&w->arena, rdl_range *, e->feed_count + 1);
    w->range_count = RDL_NEWN(&w->arena, size_t, e->feed_count + 1);
    w->snapshots = RDL_NEWN(&w->arena, rdl_version, e->feed_count + 1);
    w->decodes = RDL_NEWN(&w->arena, rdl_decode *, e->feed_count + 1);
    w->passing = RDL_NEWN(&w->arena, rdl_passing *, e->feed_count + 1);
    w->due = RDL_NEWN(&w->arena, bool, n + 1);
    w->decides = RDL_NEWN(&w->arena, bool, n + 1);
    w->changed = RDL_NEWN(&w->arena, bool, n + 1);
    w->all_made = RDL_NEWN(&w->arena, bool, n + 1);
    w->cache_touched = RDL_NEWN(&w->arena, bool, n + 1);
    w->rows_new = RDL_NEWN(&w->arena, uint64_t, n + 1);
    w->replaces = RDL_NEWN(&w->arena, bool, n + 1);
    w->reports = RDL_NEWN(&w->arena, rdl_table_report, n + 1);
    for (size_t i = 0; i < n; i++) {
        w->reports[i].table = e->pipeline->tables[i];
        w->reports[i].violations =
            RDL_NEWN(&w->arena, uint64_t, e->pipeline->tables[i]->constraint_count + 1);
    }
}

void rdl_work_fini(rdl_engine *e, rdl_work *w)
{
    rdl_parts_abandon(w);
    for (size_t i = 0; i < e->feed_count; i++)
        rdl_decode_free(w->decodes[i]);
    rdl_arena_fini(&w->arena);
}

rdl_sealed_table *rdl_work_seal_table(rdl_engine *e, rdl_work *w, const rdl_table *t)
{
    (void)e;
    for (size_t i = 0; i < w->seal.tables.n; i++) {
        if (rdl_str_eq(w->seal.tables.v[i].table, t->full))
            return &w->seal.tables.v[i];
    }
    RDL_PUSH(&w->arena, &w->seal.tables) =
        (rdl_sealed_table){.table = t->full, .fingerprint = t->fingerprint};
    return &w->seal.tables.v[w->seal.tables.n - 1];
}

/* ---- tables ---- */

static bool stream_input_changed(const rdl_work *w, const rdl_table *t)
{
    for (size_t i = 0; i < t->input_count; i++) {
        if (t->inputs[i].stream && w->changed[t->inputs[i].table->index])
            return true;
        /* Malformed records alone are rows too: each must be accounted for. */
        if (t->inputs[i].stream &&
            w->reports[t->inputs[i].table->index].ledger.malformed > 0)
            return true;
    }
    return false;
}

/* A source without a good row this epoch still gives its readers an empty relation. */
rdl_code rdl_missing_inputs(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (!t->inputs[i].stream || w->changed[in->index])
            continue;
        if (rdl_relation_exists(e, "new:", in->full))
            continue;
        rdl_buf sql = {0};
        uint64_t none = 0;
        rdl_buf_puts(&sql, "SELECT * FROM ");
        rdl_put_relation(&sql, "c", "empty:", in->full);
        rdl_code rc = rdl_relation_make(e, w, "new:", in->full, rdl_buf_str(&sql), 0, &none, err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
    }
    return RDL_OK;
}

/* The sequence of a change: the column that was named, or the version's time, in milliseconds, so
 * that __start_at may be a key in every store. */
static void put_sequence(rdl_buf *sql, const rdl_work *w, const rdl_table *t, bool gone)
{
    int at = rdl_schema_find(&t->columns, RDL_STR("_cdc_sequence"));
    const rdl_type *type = t->columns.v[at].type;
    bool time = type->kind == RDL_TYPE_TIMESTAMPTZ || type->kind == RDL_TYPE_DATE;
    bool own = t->cdc_sequence.n > 0 && !(gone && time);
    if (own) {
        rdl_buf_put_sql_ident(sql, t->cdc_sequence);
        return;
    }
    /* A key that is gone has no row to say when: it went with this version. */
    rdl_buf_printf(sql, "CAST(CAST(make_timestamp(%" PRId64 "::BIGINT) AS TIMESTAMPTZ) AS ",
                   w->ts_us / 1000 * 1000);
    rdl_type_print(type, sql);
    rdl_buf_putc(sql, ')');
}

/* Rows of a snapshot have a place; rows of a view are numbered by their content. */
static void put_place(rdl_buf *sql, const rdl_table *s)
{
    if (s->kind == RDL_TABLE_SNAPSHOT) {
        rdl_buf_puts(sql, "_source_partition, _source_offset");
        return;
    }
    rdl_buf_puts(sql, "-1::INTEGER AS _source_partition, row_number() OVER (ORDER BY rdl_key(");
    rdl_put_columns(sql, "", &s->columns);
    rdl_buf_puts(sql, ")) - 1 AS _source_offset");
}

static void put_changes(rdl_buf *sql, const rdl_work *w, const rdl_table *t, bool gone)
{
    const rdl_table *s = t->cdc_snapshot;
    rdl_buf_puts(sql, "SELECT ");
    rdl_put_columns(sql, "", &s->columns);
    rdl_buf_printf(sql, ", %s AS _cdc_delete, ", gone ? "true" : "false");
    put_sequence(sql, w, t, gone);
    rdl_buf_printf(sql, " AS _cdc_sequence, %" PRIu64 "::BIGINT AS _epoch, ", w->epoch);
    put_place(sql, s);
    rdl_buf_printf(sql, ", %d::BIGINT AS _ordinal, NULL::TIMESTAMPTZ AS _event_ts FROM ", gone);
    rdl_put_relation(sql, "e", gone ? "old:" : "new:", s->full);
}

/*
 * The change history of a flow over a whole state: a row for each new or changed row of this
 * version, and one with _cdc_delete for each key that is gone.
 */
static rdl_code feed_cdc(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    rdl_table *s = t->cdc_snapshot;
    rdl_buf sql = {0}, keys = {0};
    uint64_t n = 0;
    if (!w->changed[s->index])
        return RDL_OK;
    rdl_put_key(&keys, "", &s->columns, t->cdc_keys, t->cdc_key_count);
    put_changes(&sql, w, t, false);
    rdl_buf_puts(&sql, " UNION ALL BY NAME ");
    put_changes(&sql, w, t, true);
    rdl_buf_printf(&sql, " WHERE rdl_key(%s) NOT IN (SELECT rdl_key(%s) FROM ",
                   rdl_buf_str(&keys), rdl_buf_str(&keys));
    rdl_put_relation(&sql, "c", "", s->full);
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_cache_load(e, s, err);
    if (rc == RDL_OK)
        rc = rdl_relation_make(e, w, "new:", t->full, rdl_buf_str(&sql), w->rows, &n, err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&keys);
    RDL_TRY(rc);
    rdl_sealed_table *sealed = rdl_work_seal_table(e, w, t);
    sealed->rows_new = n;
    sealed->ledger.read = sealed->ledger.written = n;
    w->rows_new[t->index] = n;
    sealed->evaluated = true;
    w->changed[t->index] = n > 0;
    return RDL_OK;
}

/* e."new:<input>" as what was written since the table last ran; for this table alone. */
static rdl_code expose_missed(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    rdl_cut cut;
    rdl_cut_init(&cut, &w->arena, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        rdl_buf sql = {0};
        if (!t->inputs[i].stream || in->kind != RDL_TABLE_STREAMING)
            continue;
        rdl_code rc = rdl_cut_written_after(&cut, in, h->last_evaluated, &sql, err);
        if (rc == RDL_OK)
            rc = rdl_relation_view(e, "new:", in->full, rdl_buf_str(&sql), true, err);
        w->rows_new[in->index] = UINT64_MAX;
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
        w->changed[in->index] = true;
    }
    return RDL_OK;
}

/*
 * One table at a time: its own readers see its rows as this epoch's, but what it read is not new to
 * anybody else.
 */
static rdl_code catch_up(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    if (w->caught_up || !rdl_lags(e, t))
        return RDL_OK;
    RDL_TRY(expose_missed(e, w, t, err));
    RDL_TRY(rdl_missing_inputs(e, w, t, err));
    rdl_code rc = rdl_judge(e, w, t, err);
    for (size_t i = 0; i < t->input_count && rc == RDL_OK; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (!t->inputs[i].stream || in->kind != RDL_TABLE_STREAMING)
            continue;
        w->changed[in->index] = false;
        rc = rdl_relation_drop(e, "new:", in->full, err);
    }
    w->caught_up = true;
    return rc;
}

static rdl_code run_table(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    if (!e->tables[t->index].selected)
        return RDL_OK;
    if (t->kind == RDL_TABLE_VIEW)
        return rdl_view_maintain(e, w, t, err);
    if (t->kind != RDL_TABLE_STREAMING)
        return RDL_OK;
    if (w->replay != NULL && w->replay->table == t)
        return rdl_replay_table(e, w, t, err);
    if (t->cdc_snapshot != NULL)
        return feed_cdc(e, w, t, err);
    if (w->catch_up && !stream_input_changed(w, t))
        return catch_up(e, w, t, err);
    if (!stream_input_changed(w, t))
        return RDL_OK;
    RDL_TRY(rdl_missing_inputs(e, w, t, err));
    RDL_TRY(rdl_judge(e, w, t, err));
    rdl_parts_begin_aside(e, w, t);
    return RDL_OK;
}

/* Only of tables that the seal names. */
static void note_time(rdl_work *w, const rdl_table *t, int64_t began_us)
{
    for (size_t i = w->seal.tables.n; i > 0; i--) {
        rdl_sealed_table *s = &w->seal.tables.v[i - 1];
        if (!rdl_str_eq(s->table, t->full))
            continue;
        s->took_us = rdl_monotonic_us() - began_us;
        return;
    }
}

static rdl_code run_tables(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        rdl_table *t = e->pipeline->tables[i];
        int64_t began = rdl_monotonic_us() - w->decode_us;
        e->blame = t;
        RDL_TRY(run_table(e, w, t, err));
        rdl_fit_look(e);
        RDL_TRY(rdl_keys_check(e, w, t, err));
        RDL_TRY(rdl_folders_check(e, w, t, err));
        e->blame = NULL;
        began += w->decode_us; /* what was decoded meanwhile is a step of its own */
        note_time(w, t, began);
        if (t->kind == RDL_TABLE_STREAMING)
            rdl_engine_note_step(e, RDL_STEP_JUDGE, began, w->reports[i].ledger.read, 0);
        else if (t->kind == RDL_TABLE_VIEW)
            rdl_engine_note_step(e, RDL_STEP_VIEWS, began,
                                 w->reports[i].rows_new + w->reports[i].rows_old, 0);
    }
    (void)RDL_FAULT_AT(JUDGE_DONE);
    return RDL_OK;
}

/* ---- durable ---- */

static rdl_code sync_all(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    const char *dir = rdl_root_epoch_dir(&w->arena, &e->root, w->epoch);
    rdl_names names;
    RDL_TRY(rdl_fs_walk(&w->arena, dir, &names, err));
    size_t n = 0;
    const char **paths = RDL_NEWN(&w->arena, const char *, names.n + 2 * w->seal.snapshots.n + 2);
    for (size_t i = 0; i < names.n; i++)
        paths[n++] = rdl_path_join(&w->arena, dir, names.v[i]);
    for (size_t i = 0; i < w->seal.snapshots.n; i++) {
        const char *path = rdl_root_snapshot(&w->arena, &e->root, w->seal.snapshots.v[i].source,
                                             w->epoch);
        paths[n++] = path;
        paths[n++] = rdl_path_dir(&w->arena, path);
    }
    (void)RDL_FAULT_AT(BEFORE_SYNC);
    RDL_TRY(rdl_fs_sync_many(paths, n, err)); /* folders too; dir itself holds state.delta */
    if (w->seal.snapshots.n > 0)
        RDL_TRY(rdl_fs_sync_dir(e->root.snapshots, err));
    return rdl_fs_sync_dir(e->root.epochs, err);
}

/* ---- the whole ---- */

/* c."empty:<s>" for sources: what a version before the first, or an epoch without rows, looks like.
 * Made by the first epoch, so that a run with nothing to do does not pay for it. */
static rdl_code make_templates(rdl_engine *e, rdl_err *err)
{
    rdl_buf sql = {0};
    if (e->templates_made)
        return RDL_OK;
    rdl_buf_puts(&sql, "CREATE SCHEMA IF NOT EXISTS c; CREATE SCHEMA IF NOT EXISTS e; ");
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        bool source = t->source != NULL;
        if (!source && t->kind != RDL_TABLE_STREAMING)
            continue;
        rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
        rdl_put_relation(&sql, "c", "empty:", t->full);
        rdl_buf_putc(&sql, '(');
        for (size_t j = 0; j < t->columns.n; j++) {
            rdl_buf_put_sql_ident(&sql, t->columns.v[j].name);
            rdl_buf_putc(&sql, ' ');
            rdl_type_print(t->columns.v[j].type, &sql);
            rdl_buf_puts(&sql, ", ");
        }
        rdl_buf_puts(&sql, source ? "_source_file TEXT, _ingest_ts TIMESTAMPTZ, _rescued JSON, "
                                  : "");
        rdl_buf_puts(&sql, "_epoch BIGINT, _source_partition INTEGER, _source_offset BIGINT, "
                           "_ordinal BIGINT, _event_ts TIMESTAMPTZ); ");
    }
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    e->templates_made = rc == RDL_OK;
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code work(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    const char *dir = rdl_root_epoch_dir(&w->arena, &e->root, w->epoch);
    RDL_TRY(rdl_fs_remove_tree(dir, err));
    RDL_TRY(rdl_fs_mkdirs(dir, err));
    rdl_engine_progress_at(e, w, "decode");
    RDL_TRY(w->replay != NULL ? rdl_replay_select(e, w, err) : rdl_ingest(e, w, err));
    if (e->config.rebuild_state)
        RDL_TRY(rdl_reindex_all(e, w, err));
    rdl_engine_progress_at(e, w, "work");
    RDL_TRY(run_tables(e, w, err));
    int64_t began = rdl_monotonic_us();
    RDL_TRY(rdl_segments_write(e, w, err));
    rdl_fit_look(e);
    RDL_TRY(sync_all(e, w, err));
    rdl_engine_note_step(e, RDL_STEP_SEGMENTS, began, 0, 0);
    return RDL_OK;
}

static rdl_code seal(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    rdl_buf record = {0};
    int64_t began = rdl_monotonic_us();
    w->seal.epoch = w->epoch;
    w->seal.ts_us = w->ts_us;
    w->seal.pipeline = e->pipeline->fingerprint;
    (void)RDL_FAULT_AT(BEFORE_SEAL);
    rdl_seal_print(&w->seal, &record);
    rdl_code rc = rdl_journal_append(e->journal, RDL_RECORD_SEAL,
                                     (rdl_str){record.p, record.n}, err);
    rdl_buf_fini(&record);
    (void)RDL_FAULT_AT(AFTER_SEAL);
    rdl_engine_note_step(e, RDL_STEP_SEAL, began, 0, 0);
    return rc;
}

static rdl_code move_on(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    rdl_history_add(&e->history, &w->seal);
    rdl_feeds_restore(e, w->seal.ranges.v, w->seal.ranges.n, true);
    rdl_models_sealed(e, w);
    return rdl_state_commit(e->state, err);
}

static void undo(rdl_engine *e, rdl_work *w)
{
    rdl_err ignored;
    rdl_parts_abandon(w);
    rdl_state_abort(e->state);
    rdl_caches_forget(e, w);
    rdl_fans_forget(e);
    rdl_feeds_rewind(e);
    (void)!rdl_relations_reset(e, &ignored);
}

rdl_code rdl_epoch_run(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    (void)RDL_FAULT_AT(PLAN_DONE);
    int64_t began = rdl_monotonic_us();
    RDL_TRY(make_templates(e, err));
    rdl_code rc = rdl_state_begin(e->state, w->epoch, err);
    if (rc == RDL_OK)
        rc = work(e, w, err);
    w->seal.took_us = rdl_monotonic_us() - began;
    if (rc != RDL_OK) {
        undo(e, w);
        rdl_fit_failed(e, rc);
        return rdl_err_in(rc, err, "epoch %" PRIu64, w->epoch);
    }
    e->unsure = true;
    rc = seal(e, w, err);
    if (rc == RDL_OK)
        rc = move_on(e, w, err);
    if (rc == RDL_OK)
        rc = rdl_relations_end(e, err);
    e->unsure = rc != RDL_OK;
    return rdl_err_in(rc, err, "epoch %" PRIu64, w->epoch);
}
