/*
 * stream/engine.c - opening a root, running epochs on it, closing it.
 *
 * OPENING  lock → journal (a torn tail is cut) → history and state → sources → stores → what a crash
 * left is removed → sealed epochs are rolled forward into every store.  Only then new work.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/machine.h"
#include "stream/landing.h"
#include "stream/model.h"
#include "stream/schedule.h"

enum {
    PENDING_MAX = 512,
};

/* ---- settings ---- */

static rdl_code number_setting(rdl_engine *e, const char *name, const char *fallback,
                               uint64_t *out, rdl_err *err)
{
    rdl_str s = rdl_pipeline_setting(e->pipeline, name, fallback);
    bool good = s.n > 0 && s.n <= 18;
    *out = 0;
    for (size_t i = 0; i < s.n && good; i++) {
        good = s.p[i] >= '0' && s.p[i] <= '9';
        *out = *out * 10 + (uint64_t)(s.p[i] - '0');
    }
    if (good)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "setting %s is \"%.*s\", which is not a whole number", name,
                (int)s.n, s.p);
    rdl_err_hint(err, "Write digits alone; 0 means no bound.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

static rdl_code interval_setting(rdl_engine *e, const char *name, const char *fallback,
                                 int64_t *out, rdl_err *err)
{
    rdl_str s = rdl_pipeline_setting(e->pipeline, name, fallback);
    if (rdl_interval_parse(s, out) && *out > 0)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "setting %s is \"%.*s\", which is not an interval", name,
                (int)s.n, s.p);
    rdl_err_hint(err, "Write it as '30 seconds' or '500 ms'.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

enum { RETENTION_MIN_S = 3600 };

/* 0: for ever.  Less than an hour would take files from under those who read. */
static rdl_code retention_setting(rdl_engine *e, const char *name, const char *usual, int64_t *out,
                                  rdl_err *err)
{
    rdl_str text = rdl_pipeline_setting(e->pipeline, name, usual);
    *out = 0;
    if (rdl_str_eq(text, RDL_STR("0")))
        return RDL_OK;
    RDL_TRY(interval_setting(e, name, usual, out, err));
    if (*out >= (int64_t)RETENTION_MIN_S * 1000000)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "setting %s is \"%.*s\", which is less than an hour", name,
                (int)text.n, text.p);
    rdl_err_hint(err, "Those who read the past need its files; 0 keeps all of them.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

static rdl_code read_upkeep(rdl_engine *e, rdl_err *err)
{
    uint64_t files = 0;
    int64_t retention = 0;
    RDL_TRY(number_setting(e, "lake_compact_files", "8", &files, err));
    RDL_TRY(retention_setting(e, "lake_retention", "30 days", &retention, err));
    RDL_TRY(retention_setting(e, "journal_retention", "0", &e->journal_retention_us, err));
    rdl_upkeep_open(e, files, retention);
    return RDL_OK;
}

static bool is_set(const rdl_engine *e, const char *name)
{
    return rdl_pipeline_setting(e->pipeline, name, "").n > 0;
}

/* Where nobody said how many: what comes in two lake intervals, so that a short trigger does not make
 * the lake commit more often than it is asked to. */
static void fit_pending(rdl_engine *e)
{
    int64_t two = 2 * e->lake_interval_us / (e->trigger_us > 0 ? e->trigger_us : 1);
    uint64_t n = two < PENDING_MAX ? (uint64_t)two : PENDING_MAX;
    if (!is_set(e, "max_pending_epochs") && n > e->pending_max)
        e->pending_max = n;
}

static rdl_code read_settings(rdl_engine *e, rdl_err *err)
{
    RDL_TRY(number_setting(e, "max_files_per_epoch", "0", &e->files_max, err));
    RDL_TRY(number_setting(e, "max_rows_per_epoch", "2000000", &e->rows_max, err));
    RDL_TRY(number_setting(e, "max_bytes_per_epoch", "536870912", &e->bytes_max, err));
    RDL_TRY(number_setting(e, "max_pending_epochs", "64", &e->pending_max, err));
    if (e->pending_max == 0)
        e->pending_max = UINT64_MAX;
    RDL_TRY(number_setting(e, "journal_max_bytes", "1048576", &e->journal_max, err));
    e->row_bytes = 160;
    RDL_TRY(interval_setting(e, "trigger_interval", "1 second", &e->trigger_us, err));
    RDL_TRY(interval_setting(e, "lake_interval", "30 seconds", &e->lake_interval_us, err));
    RDL_TRY(interval_setting(e, "retry_interval", "1 minute", &e->retry_us, err));
    RDL_TRY(number_setting(e, "lake_adopt_rows", "200000", &e->adopt_rows, err));
    rdl_fit_begin(e, is_set(e, "max_bytes_per_epoch"));
    fit_pending(e);
    return read_upkeep(e, err);
}

/* ---- what each table needs ---- */

static void mark_old_needed(rdl_engine *e, const rdl_table *t)
{
    for (size_t i = 0; i < t->input_count; i++)
        e->tables[t->inputs[i].table->index].old_needed = true;
}

/* A key that is not the table's own tells what is gone by old rows alone. */
static void mark_published(rdl_engine *e, const rdl_publication *p)
{
    const rdl_table *t = p->table;
    size_t shared = 0;
    for (size_t i = 0; i < p->key_count; i++) {
        for (size_t j = 0; j < t->primary_key_count; j++)
            shared += p->key[i] == t->primary_key[j];
    }
    e->tables[t->index].published = true;
    if (shared != p->key_count || shared != t->primary_key_count)
        e->tables[t->index].old_needed = true;
}

static void mark_caches(rdl_engine *e, const rdl_table *t)
{
    rdl_table **needs = t->kind == RDL_TABLE_STREAMING && t->stream_plan != NULL
                            ? t->stream_plan->needs_all
                            : NULL;
    size_t n = needs != NULL ? t->stream_plan->needs_all_count : 0;
    if (t->kind == RDL_TABLE_VIEW) {
        needs = t->view_plan->needs_all;
        n = t->view_plan->needs_all_count;
        if (t->view_plan->mode != RDL_MAINTAIN_INCREMENTAL)
            e->tables[t->index].cache_needed = true;
    }
    for (size_t i = 0; i < n; i++)
        e->tables[needs[i]->index].cache_needed |= needs[i]->kind != RDL_TABLE_STREAMING;
    if (t->cdc_snapshot != NULL)
        e->tables[t->cdc_snapshot->index].cache_needed = true;
}

/* From the last table to the first: readers stand after what they read. */
static void mark_feeding(rdl_engine *e, const rdl_table *t)
{
    if (t->kind != RDL_TABLE_STREAMING && !e->tables[t->index].feeds_stream)
        return;
    for (size_t i = 0; i < t->input_count; i++)
        e->tables[t->inputs[i].table->index].feeds_stream = true;
    if (t->cdc_snapshot != NULL)
        e->tables[t->cdc_snapshot->index].feeds_stream = true;
}

/* An append-only view keeps nothing unless its key must be checked against what is there. */
static bool append_without_need(const rdl_table *t)
{
    return t->kind == RDL_TABLE_VIEW && t->view_plan->mode == RDL_MAINTAIN_APPEND &&
           t->primary_key_count == 0;
}

static rdl_code check_only(rdl_engine *e, rdl_err *err)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        const rdl_table *s = e->feeds[i].table, *in = NULL, *out = NULL;
        for (size_t j = 0; j < e->pipeline->table_count; j++) {
            const rdl_table *t = e->pipeline->tables[j];
            bool reads = t->cdc_snapshot == s;
            for (size_t k = 0; k < t->input_count; k++)
                reads |= t->inputs[k].table == s;
            if (reads && e->tables[j].selected)
                in = t;
            else if (reads)
                out = t;
        }
        e->feeds[i].wanted = in != NULL;
        if (in == NULL || out == NULL || s->kind == RDL_TABLE_SNAPSHOT)
            continue;
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "--only or --from selects \"%s\" but not \"%s\", which reads the same source "
                    "\"%s\": its rows would be missed",
                    in->full.p, out->full.p, s->full.p);
        return rdl_err_hint(err, "Select both.");
    }
    return RDL_OK;
}

static const rdl_model *training_of(const rdl_pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->model_count; i++)
        if (p->models[i]->table == NULL && rdl_str_eq_nocase(p->models[i]->name, rdl_str_of(name)))
            return p->models[i];
    return NULL;
}

/* --from, a table or a training step: what does not depend on it is left out. */
static rdl_code select_from(rdl_engine *e, rdl_err *err)
{
    const rdl_pipeline *p = e->pipeline;
    bool *reached = RDL_NEWN(&e->arena, bool, p->table_count + 1);
    if (e->config.from == NULL)
        return RDL_OK;
    const rdl_table *from = rdl_pipeline_find(p, rdl_str_of(e->config.from));
    const rdl_model *training = training_of(p, e->config.from);
    if (training == NULL && (from == NULL || from->source != NULL)) {
        const char **names = RDL_NEWN(&e->arena, const char *, p->table_count + 1);
        for (size_t i = 0; i < p->table_count; i++)
            names[i] = p->tables[i]->full.p;
        const char *nearest = rdl_nearest(rdl_str_of(e->config.from), names, p->table_count);
        rdl_err_set(err, RDL_EUSAGE, 0, "there is no table \"%s\" to run from", e->config.from);
        return nearest != NULL ? rdl_err_hint(err, "Did you mean %s?", nearest) : RDL_EUSAGE;
    }
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        reached[i] = training != NULL ? t->model != NULL && t->model->artifact == training : t == from;
        reached[i] |= (t->cdc_snapshot != NULL && reached[t->cdc_snapshot->index]);
        for (size_t j = 0; j < t->input_count; j++)
            reached[i] |= reached[t->inputs[j].table->index];
    }
    for (size_t i = 0; i < p->table_count; i++)
        e->tables[i].selected &= reached[i] || p->tables[i]->source != NULL;
    return RDL_OK;
}

static rdl_code prepare_tables(rdl_engine *e, rdl_err *err)
{
    size_t n = e->pipeline->table_count;
    e->tables = RDL_NEWN(&e->arena, rdl_runtime, n + 1);
    e->late_behind = RDL_NEWN(&e->arena, double, n + 1);
    e->late_seen = RDL_NEWN(&e->arena, double, n + 1);
    e->rejected_told = RDL_NEWN(&e->arena, bool, n + 1);
    for (size_t i = 0; i < n; i++) {
        rdl_table *t = e->pipeline->tables[i];
        rdl_runtime *r = &e->tables[i];
        r->table = t;
        r->space = rdl_state_space(t->kind == RDL_TABLE_STREAMING
                                       ? rdl_key_identity("dedup", t, t->dedup, t->dedup_count)
                                       : t->fingerprint);
        r->selected = e->config.only == NULL || rdl_name_matches(e->config.only, t->full.p) ||
                      t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_SNAPSHOT;
        for (size_t j = 0; j < t->input_count; j++)
            r->reads_source |= t->kind == RDL_TABLE_STREAMING &&
                               t->inputs[j].table->kind == RDL_TABLE_SOURCE;
        r->cache_needed |= t->kind == RDL_TABLE_SNAPSHOT;
    }
    for (size_t i = 0; i < n; i++) {
        rdl_table *t = e->pipeline->tables[i];
        mark_caches(e, t);
        if (t->kind == RDL_TABLE_VIEW && t->model == NULL)
            mark_old_needed(e, t);
    }
    for (size_t i = 0; i < e->pipeline->publication_count; i++)
        mark_published(e, e->pipeline->publications[i]);
    for (size_t i = 0; i < n; i++) {
        if (append_without_need(e->pipeline->tables[i]))
            e->tables[i].cache_needed = e->tables[i].old_needed;
    }
    for (size_t i = n; i-- > 0;)
        mark_feeding(e, e->pipeline->tables[i]);
    RDL_TRY(select_from(e, err));
    return check_only(e, err);
}

/* ---- opening ---- */

static rdl_code visit_record(void *arg, uint32_t type, uint64_t sequence, rdl_str payload,
                             rdl_err *err)
{
    rdl_engine *e = arg;
    (void)sequence;
    return rdl_history_visit(&e->history, &e->checkpoint, type, payload, err);
}

static rdl_code open_state(rdl_engine *e, uint64_t budget, rdl_err *err)
{
    const rdl_state_config config = {.dir = e->root.state, .budget_bytes = budget};
    if (e->config.rebuild_state) {
        e->history.deltas.n = 0;
        return rdl_state_open(&config, (rdl_str){0}, &e->state, err);
    }
    RDL_TRY(rdl_state_open(&config, (rdl_str){e->checkpoint.p, e->checkpoint.n}, &e->state, err));
    e->covered = rdl_state_epoch(e->state);
    for (size_t i = 0; i < e->history.deltas.n; i++) {
        uint64_t epoch = e->history.deltas.v[i];
        if (epoch <= e->covered)
            continue;
        RDL_TRY(rdl_state_replay(e->state, epoch,
                                 rdl_root_delta(&e->history_arena, &e->root, epoch), err));
    }
    return RDL_OK;
}

static void name_root(rdl_engine *e)
{
    const char *dir = e->config.root != NULL
                          ? e->config.root
                          : rdl_path_join(&e->arena, e->config.dir, ".raudal");
    rdl_root_paths(&e->arena, dir, &e->root);
}

static rdl_code open_root(rdl_engine *e, rdl_err *err)
{
    const char *lock = rdl_path_join(&e->arena, e->root.state, "LOCK");
    rdl_stat was = {0};
    rdl_code rc = rdl_root_make(&e->root, err);
    if (rc == RDL_OK)
        rc = rdl_fs_stat(lock, &was, err);
    /* A clean close empties the lock's text. */
    e->unclean = was.exists && was.size > 0;
    if (rc == RDL_OK)
        rc = rdl_lock_take(lock, "raudal", &e->lock, err);
    if (rc == RDL_OK)
        rc = rdl_journal_open(rdl_path_join(&e->arena, e->root.state, "journal"), &e->identity,
                              visit_record, e, &e->journal, err);
    if (rc != RDL_OK)
        return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_STORE), err, "root %s", e->root.dir);
    rdl_uuid_print(e->identity.uuid, e->uuid);
    rdl_hash_key_init(&e->hash_key, e->identity.seed);
    e->status.epoch = e->history.epoch;
    e->status.last_seal_us = e->history.ts_us;
    if (rdl_journal_was_torn(e->journal))
        rdl_log(RDL_LOG_WARN, "journal", "torn_tail_cut", "epoch=%" PRIu64, e->history.epoch);
    return RDL_OK;
}

static rdl_code open_database(rdl_engine *e, rdl_err *err)
{
    uint64_t memory = e->config.memory_bytes > 0 ? e->config.memory_bytes : rdl_memory_total() / 2;
    const rdl_duck_config config = {
        .memory_bytes = memory / 2,
        .threads = e->config.threads,
        .temp_dir = e->root.tmp,
    };
    e->memory_bytes = memory;
    RDL_TRY(rdl_duck_open(&config, &e->duck, err));
    return rdl_conn_open(e->duck, &e->conn, err);
}

static rdl_code load_pipeline(rdl_engine *e, rdl_diags *diags, rdl_err *err)
{
    rdl_load_options options = e->config.load;
    options.plan_cache = e->root.plan_cache;
    if (e->config.text != NULL)
        RDL_TRY(rdl_pipeline_load_text(diags->arena, e->conn, e->config.dir,
                                       rdl_str_of(e->config.text), &options, diags,
                                       &e->pipeline, err));
    else
        RDL_TRY(rdl_pipeline_load(diags->arena, e->conn, e->config.dir, &options, diags,
                                  &e->pipeline, err));
    return rdl_exec(e->conn, rdl_arena_strndup(&e->arena, e->pipeline->prelude_sql.p,
                                              e->pipeline->prelude_sql.n), err);
}

/* A plan that cannot be kept is made again the next time. */
static void keep_plan(rdl_engine *e)
{
    rdl_err why = {0};
    if (rdl_pipeline_keep(e->pipeline, e->root.plan_cache, &why) != RDL_OK)
        rdl_log_err(RDL_LOG_WARN, "plan", "not_kept", &why);
}

/* Files that a crash left in lake tables: data that no version names, temporaries. */
static rdl_code sweep_lake(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    size_t removed = 0;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->pipeline->table_count && rc == RDL_OK; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        const char *dirs[] = {rdl_root_lake_table(&a, &e->root, t),
                              rdl_root_quarantine(&a, &e->root, t)};
        for (size_t j = 0; j < 2 && rc == RDL_OK; j++) {
            if (rdl_fs_exists(dirs[j]))
                rc = rdl_lake_sweep(dirs[j], e->uuid, &removed, err);
        }
    }
    rdl_arena_fini(&a);
    return rc;
}

/* A store that goes down meanwhile stops nobody: the run brings it up, or ends with its error. */
static rdl_code roll_stores(rdl_engine *e, rdl_err *err)
{
    const rdl_apply p = {e, e->conn, &e->history};
    for (size_t i = 0; i < e->store_count; i++) {
        rdl_code rc = rdl_apply_to_store(&p, &e->stores[i], err);
        if (rc == RDL_OK)
            continue;
        if ((err->flags & RDL_ERR_RETRY) == 0)
            return rc;
        rdl_log_err(RDL_LOG_WARN, "sink", "apply_failed", err);
        *err = (rdl_err){0};
    }
    return RDL_OK;
}

/* What a kill left of a durable write into state/ itself (base/fs.c names it so). */
static rdl_code remove_temporaries(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_names names;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_fs_list(&a, e->root.state, &names, err);
    for (size_t i = 0; rc == RDL_OK && i < names.n; i++)
        if (names.v[i][0] == '.' && rdl_str_ends(rdl_str_of(names.v[i]), ".tmp"))
            rc = rdl_fs_unlink(rdl_path_join(&a, e->root.state, names.v[i]), err);
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code roll_forward(rdl_engine *e, rdl_err *err)
{
    RDL_TRY(remove_temporaries(e, err));
    RDL_TRY(rdl_fs_remove_tree(e->root.tmp, err));
    RDL_TRY(rdl_fs_mkdirs(e->root.tmp, err));
    if (e->unclean)
        RDL_TRY(sweep_lake(e, err));
    if (e->history.epoch == 0)
        RDL_TRY(rdl_apply_check_fresh(e, err));
    if (e->history.epoch > 0) {
        RDL_TRY(rdl_apply_lake(e, err));
        RDL_TRY(roll_stores(e, err));
    }
    return rdl_prune(e, false, err);
}

rdl_code rdl_engine_open(const rdl_engine_config *config, rdl_diags *diags, rdl_engine **out,
                         rdl_err *err)
{
    rdl_engine *e = calloc(1, sizeof *e); /* allow: the engine itself */
    if (e == NULL)
        return rdl_err_nomem(err);
    rdl_code rc;
    e->config = *config;
    e->began_us = rdl_monotonic_us();
    e->clock = config->clock != NULL ? config->clock : &rdl_clock_system;
    rdl_arena_init(&e->arena, 0);
    rdl_arena_init(&e->history_arena, 0);
    rdl_mutex_init(&e->status_lock);
    rdl_history_init(&e->history, &e->history_arena);
    rdl_map_init(&e->relations, &e->arena);
    RDL_TRY_OUT(rdl_watch_new(&e->watch, err));
    name_root(e);
    RDL_TRY_OUT(open_database(e, err));
    RDL_TRY_OUT(load_pipeline(e, diags, err));
    RDL_TRY_OUT(read_settings(e, err));
    RDL_TRY_OUT(open_root(e, err));
    keep_plan(e);
    RDL_TRY_OUT(rdl_drop_finish(e, err));
    RDL_TRY_OUT(open_state(e, e->memory_bytes / 4, err));
    RDL_TRY_OUT(rdl_feeds_open(e, err));
    RDL_TRY_OUT(prepare_tables(e, err));
    RDL_TRY_OUT(rdl_schedules_open(e, err));
    RDL_TRY_OUT(rdl_models_open(e, err));
    RDL_TRY_OUT(rdl_apply_check_schemas(e, err));
    RDL_TRY_OUT(rdl_destinations_open(e, err));
    RDL_TRY_OUT(roll_forward(e, err));
    RDL_TRY_OUT(rdl_landing_recover(e, err));
    e->report.tables = RDL_NEWN(&e->arena, rdl_table_report, e->pipeline->table_count + 1);
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        e->report.tables[i].table = e->pipeline->tables[i];
        e->report.tables[i].violations =
            RDL_NEWN(&e->arena, uint64_t, e->pipeline->tables[i]->constraint_count + 1);
    }
    memset(e->report.steps, 0, sizeof e->report.steps);
out:
    if (rc != RDL_OK) {
        rdl_engine_close(e);
        e = NULL;
    }
    *out = e;
    return rc;
}

void rdl_engine_close(rdl_engine *e)
{
    if (e == NULL)
        return;
    rdl_models_close(e);
    rdl_destinations_close(e);
    rdl_feeds_close(e);
    rdl_state_close(e->state);
    rdl_journal_close(e->journal);
    rdl_conn_close(e->conn);
    rdl_duck_close(e->duck);
    if (e->watch != NULL)
        rdl_watch_free(e->watch);
    rdl_lock_release(e->lock);
    rdl_buf_fini(&e->checkpoint);
    rdl_mutex_fini(&e->status_lock);
    rdl_arena_fini(&e->history_arena);
    rdl_arena_fini(&e->arena);
    free(e); /* allow: as its calloc */
}
