/*
 * stream/run.c - one epoch, and all there is once; what a run reports.  loop.c goes on for ever.
 *
 * --once takes what is there when it starts planning, epoch by epoch, then recomputes views that
 * wait, then brings lake and stores up and stops.  A stop is honoured between epochs.
 */
#include <inttypes.h>
#include <signal.h>

#include "base/log.h"
#include "base/machine.h"
#include "base/url.h"
#include "stream/damage.h"
#include "stream/landing.h"
#include "stream/model.h"
#include "stream/parking.h"

/* A budget under this lets go of kept tables before a long job that is no epoch. */
#define CACHES_STAY_BYTES (UINT64_C(1) << 30)

/* ---- reporting ---- */

static const char *const step_names[RDL_STEP_COUNT] = {
    "plan", "decode", "judge, deduplicate", "views", "segments", "seal", "lake", "stores",
};

void rdl_engine_note_step(rdl_engine *e, rdl_step step, int64_t began_us, uint64_t rows,
                          uint64_t bytes)
{
    rdl_step_time *t = &e->report.steps[step];
    rdl_mutex_lock(&e->status_lock); /* the apply thread notes its own */
    t->name = step_names[step];
    t->count++;
    t->rows += rows;
    t->bytes += bytes;
    t->seconds += (double)(rdl_monotonic_us() - began_us) / 1e6;
    e->report.step_count = RDL_STEP_COUNT;
    rdl_mutex_unlock(&e->status_lock);
}

void rdl_engine_progress_at(rdl_engine *e, const rdl_work *w, const char *step)
{
    if (e->config.progress == NULL)
        return;
    const rdl_engine_progress p = {
        .epoch = w != NULL ? w->epoch : e->history.epoch,
        .step = step,
        .rows_read = e->rows_read + (w != NULL ? w->rows : 0),
        .seconds = (double)(rdl_monotonic_us() - e->began_us) / 1e6,
    };
    e->config.progress(e->config.progress_arg, &p);
}

void rdl_engine_tell_job(rdl_engine *e, const rdl_job_report *job)
{
    rdl_mutex_lock(&e->status_lock);
    e->status.jobs++;
    rdl_mutex_unlock(&e->status_lock);
    if (e->config.job != NULL)
        e->config.job(e->config.job_arg, job);
}

void rdl_engine_warn(rdl_engine *e, const char *fmt, ...)
{
    char text[500];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char **more = RDL_NEWN(&e->arena, char *, e->report.warning_count + 1);
    if (e->report.warning_count > 0)
        memcpy(more, e->report.warnings, e->report.warning_count * sizeof *more);
    more[e->report.warning_count++] = rdl_arena_strdup(&e->arena, text);
    e->report.warnings = more;
}

/* A share of late rows that DIVERT or DROP would have taken is worth a word. */
static void warn_late(rdl_engine *e)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        double share = e->late_seen[i] > 0 ? e->late_behind[i] / e->late_seen[i] : 0;
        if (share < 0.05 || !e->tables[i].reads_source)
            continue;
        const char *what = t->on_late == RDL_LATE_AMEND
                               ? "AMEND keeps them, DIVERT or DROP would not"
                           : t->on_late == RDL_LATE_DIVERT ? "they lie in quarantine"
                                                           : "they were dropped";
        rdl_engine_warn(e, "%s: %.0f %% of the rows are behind the watermark; %s", t->full.p,
                        share * 100, what);
    }
}

/* The rule that most rows broke; NULL: none, they could not be read. */
static const char *worst_rule(rdl_engine *e, const rdl_table_report *r)
{
    uint64_t most = r->ledger.malformed;
    const char *name = NULL;
    for (size_t k = 0; k < r->table->constraint_count; k++) {
        const rdl_constraint *c = &r->table->constraints[k];
        if (c->action != RDL_VIOLATION_QUARANTINE || r->violations[k] <= most)
            continue;
        most = r->violations[k];
        name = rdl_arena_strndup(&e->arena, c->name.p, c->name.n);
    }
    return name;
}

/* One row in ten that is set aside: the input or a rule is not what it was. */
static bool put_rejected(rdl_engine *e, const rdl_table_report *r, rdl_buf *out)
{
    const rdl_ledger *l = &r->ledger;
    if (r->table->kind != RDL_TABLE_STREAMING || l->quarantined == 0 || l->quarantined * 10 < l->read)
        return false;
    const char *rule = worst_rule(e, r);
    rdl_buf_printf(out, "%s: %.0f %% of the rows were quarantined, most of them ", r->table->full.p,
                   100.0 * (double)l->quarantined / (double)l->read);
    if (rule != NULL)
        rdl_buf_printf(out, "by %s", rule);
    else
        rdl_buf_puts(out, "as malformed");
    rdl_buf_printf(out, "; `raudal quarantine show DIR %s` has them", r->table->full.p);
    return true;
}

static void warn_rejected(rdl_engine *e)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        rdl_buf b = {0};
        if (put_rejected(e, &e->report.tables[i], &b))
            rdl_engine_warn(e, "%s", b.p);
        rdl_buf_fini(&b);
    }
}

/* A run that goes on says so when it begins, not when somebody ends it. */
static void tell_rejected(rdl_engine *e, const rdl_work *w)
{
    enum { WORTH_A_WORD = 10 };
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table_report *r = &w->reports[i];
        rdl_buf b = {0};
        bool many = r->ledger.quarantined >= WORTH_A_WORD && put_rejected(e, r, &b);
        if (many && !e->rejected_told[i])
            rdl_log(RDL_LOG_WARN, "epoch", "rows_quarantined", "epoch=%" PRIu64 " message=\"%s\"",
                    w->epoch, b.p);
        if (r->ledger.read > 0)
            e->rejected_told[i] = many;
        rdl_buf_fini(&b);
    }
}

static void add_reports(rdl_engine *e, const rdl_work *w)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        rdl_table_report *to = &e->report.tables[i];
        const rdl_table_report *from = &w->reports[i];
        rdl_ledger_add(&to->ledger, &from->ledger);
        to->rows_new += from->rows_new;
        to->rows_old += from->rows_old;
        for (size_t k = 0; k < e->pipeline->tables[i]->constraint_count; k++)
            to->violations[k] += from->violations[k];
        if (e->tables[i].reads_source)
            rdl_ledger_add(&e->report.total, &from->ledger);
    }
    e->report.epochs++;
    e->report.last_epoch = w->epoch;
    e->report.bytes_read += w->bytes;
    e->rows_read += w->rows;
    if (w->rows > 0 && w->bytes > 0)
        e->row_bytes = (double)w->bytes / (double)w->rows;
}

void rdl_note_sealed(rdl_engine *e, const rdl_work *w, int64_t began_us)
{
    rdl_state_stats stats;
    rdl_state_get_stats(e->state, &stats);
    rdl_fit_epoch(e);
    rdl_mutex_lock(&e->status_lock);
    e->status.epoch = w->epoch;
    e->status.epochs_sealed++;
    e->status.last_seal_us = w->ts_us;
    e->status.last_epoch_seconds = (double)(rdl_monotonic_us() - began_us) / 1e6;
    e->status.state_bytes = stats.bytes_in_memory + stats.run_bytes;
    e->status.memory_bytes = rdl_memory_resident();
    e->status.total = e->report.total;
    rdl_mutex_unlock(&e->status_lock);
}

void rdl_engine_get_status(rdl_engine *e, rdl_engine_status *out)
{
    rdl_mutex_lock(&e->status_lock);
    *out = e->status;
    rdl_mutex_unlock(&e->status_lock);
}

/* A message of DuckDB's alone tells neither which file is damaged nor what to do. */
rdl_code rdl_engine_name_damage(const rdl_apply *p, rdl_err *err)
{
    rdl_arena a;
    rdl_cut cut;
    rdl_err ignored = {0};
    const rdl_engine *e = p->e;
    if (err->hint[0] != '\0' || err->code == RDL_EBUG || err->code == RDL_ECONFLICT)
        return err->code;
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &e->root, e->pipeline, p->history, e->uuid, p->history->epoch);
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_lake_snapshot *lake;
        if (e->pipeline->tables[i]->source == NULL)
            (void)!rdl_cut_lake(&cut, e->pipeline->tables[i], &lake, &ignored);
        (void)!rdl_cut_quarantine_lake(&cut, e->pipeline->tables[i], &lake, &ignored);
    }
    rdl_code rc = rdl_damage_name(&cut, p->conn, err);
    rdl_arena_fini(&a);
    return rc;
}

/* ---- one epoch ---- */

rdl_code rdl_run_epoch(rdl_engine *e, bool last, bool *did, rdl_err *err)
{
    rdl_work w;
    int64_t began = rdl_monotonic_us();
    if (!last)
        rdl_parking_turn(e);
    e->blame = NULL;
    rdl_work_init(e, &w);
    w.continuous = !last;
    rdl_engine_progress_at(e, &w, "plan");
    rdl_code rc = rdl_plan_next(e, &w, last, did, err);
    if (rc == RDL_OK && *did) {
        rc = rdl_epoch_run(e, &w, err);
        if (rc != RDL_OK)
            rc = rdl_engine_name_damage(&(rdl_apply){e, e->conn, &e->history}, err);
    }
    if (rc == RDL_OK && *did) {
        add_reports(e, &w);
        if (w.continuous)
            tell_rejected(e, &w);
        rdl_note_sealed(e, &w, began);
        rdl_parking_sealed(e, &w);
        rdl_log(RDL_LOG_INFO, "epoch", "epoch_sealed", "epoch=%" PRIu64 " rows=%" PRIu64,
                w.epoch, w.rows);
    }
    rdl_work_fini(e, &w);
    if (rc != RDL_OK && rdl_parking_take(e, rc, err)) {
        *err = (rdl_err){0};
        *did = true; /* what is left is planned anew */
        rc = RDL_OK;
    }
    return rc;
}

rdl_code rdl_engine_step(rdl_engine *e, bool *out_did, rdl_err *err)
{
    e->run_us = rdl_now_us(e->clock);
    e->stepping = true;
    rdl_code rc = rdl_run_epoch(e, true, out_did, err);
    e->stepping = false;
    return rc;
}

rdl_code rdl_engine_flush(rdl_engine *e, rdl_err *err)
{
    RDL_TRY(rdl_apply_lake(e, err));
    RDL_TRY(rdl_landing_clear(e, e->history.epoch, err));
    RDL_TRY(rdl_apply_sinks(e, err));
    return rdl_prune(e, false, err);
}

void rdl_run_begin(rdl_engine *e)
{
    rdl_table_report *tables = e->report.tables;
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        memset(&tables[i].ledger, 0, sizeof tables[i].ledger);
        tables[i].rows_new = tables[i].rows_old = 0;
        memset(tables[i].violations, 0,
               sizeof *tables[i].violations * e->pipeline->tables[i]->constraint_count);
        e->late_behind[i] = e->late_seen[i] = 0;
    }
    e->report = (rdl_run_report){.tables = tables, .last_epoch = e->history.epoch};
    e->rows_read = 0;
    e->run_us = rdl_now_us(e->clock);
    e->began_us = rdl_monotonic_us();
    e->ran = true;
    rdl_warn_of_unread(e);
}

/* A state that never came is an empty one to its readers: joins find nothing. */
static void warn_absent(rdl_engine *e)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        const rdl_table *t = e->feeds[i].table;
        if (t->kind != RDL_TABLE_SNAPSHOT || !e->feeds[i].wanted ||
            rdl_history_snapshot(&e->history, t->full) != NULL)
            continue;
        rdl_str place = rdl_url_shown(&e->arena, t->source->url);
        rdl_engine_warn(e, "%s is empty: nothing was found at its place yet (%.*s)", t->full.p,
                        (int)place.n, place.p);
    }
}

void rdl_run_end(rdl_engine *e, rdl_run_report *out)
{
    warn_late(e);
    warn_absent(e);
    warn_rejected(e);
    e->report.stopped = e->stop != 0;
    e->report.seconds = (double)(rdl_monotonic_us() - e->began_us) / 1e6;
    *out = e->report;
}

/* What is sealed and not removed stays on disk, so that it is bounded; the lake is not asked again
 * before as many epochs are new to it. */
static rdl_code flush_when_many(rdl_engine *e, uint64_t *flushed, rdl_err *err)
{
    if (rdl_history_pending(&e->history, e->needless) < e->pending_max ||
        e->history.epoch - *flushed < e->pending_max)
        return RDL_OK;
    *flushed = e->history.epoch;
    rdl_code stores;
    rdl_err why = {0};
    RDL_TRY(rdl_apply_all(e, &stores, &why, err));
    RDL_TRY(rdl_landing_clear(e, e->history.epoch, err));
    if (stores != RDL_OK)
        *err = why;
    return stores != RDL_OK ? stores : rdl_prune(e, true, err);
}

/* What there is now is what this run takes. */
static rdl_code freeze(rdl_engine *e, rdl_err *err)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        rdl_feed *f = &e->feeds[i];
        if (!f->wanted || f->table->kind != RDL_TABLE_SOURCE)
            continue;
        e->blame = f->table;
        rdl_code rc = rdl_err_area(f->source->ops->freeze(f->source, err), err, RDL_AREA_SOURCE);
        if (rc != RDL_OK && !rdl_parking_take(e, rc, err))
            return rc;
        if (rc != RDL_OK)
            *err = (rdl_err){0};
    }
    e->blame = NULL;
    return RDL_OK;
}

/* Lake and stores are brought up whatever was put aside; the first failure is the run's. */
static rdl_code finish(rdl_engine *e, rdl_run_report *out, rdl_err *err)
{
    rdl_err stores = {0};
    rdl_code rc;
    RDL_TRY(rdl_apply_all(e, &rc, &stores, err));
    RDL_TRY(rdl_landing_clear(e, e->history.epoch, err));
    /* What a killed run left unpruned is tidied up by the next one, though it has nothing to read. */
    bool any = e->report.epochs > 0 || rdl_history_pending(&e->history, e->needless) > 0;
    RDL_TRY(rdl_prune(e, any, err));
    if (e->report.epochs > 0)
        rdl_upkeep_round(&(rdl_apply){e, e->conn, &e->history});
    rdl_run_end(e, out);
    RDL_TRY(rdl_parking_end(e, err));
    if (rc != RDL_OK)
        *err = stores;
    else
        rc = rdl_apply_left_out(e, err);
    return rc != RDL_OK ? rc : rdl_models_failed(e, err);
}

rdl_code rdl_engine_run_once(rdl_engine *e, rdl_run_report *out, rdl_err *err)
{
    bool did = true;
    uint64_t flushed = e->history.pruned;
    rdl_run_begin(e);
    rdl_parking_begin(e);
    RDL_TRY(freeze(e, err));
    while (did && !e->stop) {
        RDL_TRY(rdl_run_epoch(e, true, &did, err));
        if (did)
            RDL_TRY(rdl_prune_state(e, false, err));
        if (did)
            RDL_TRY(flush_when_many(e, &flushed, err));
        else
            RDL_TRY(rdl_models_once(e, &did, err));
    }
    if (e->memory_bytes < CACHES_STAY_BYTES)
        RDL_TRY(rdl_caches_drop(e, err)); /* no epoch follows, and the lake needs room */
    return finish(e, out, err);
}

const rdl_pipeline *rdl_engine_pipeline(const rdl_engine *e)
{
    return e->pipeline;
}

void rdl_engine_get_lake(rdl_engine *e, rdl_engine_lake *out)
{
    *out = (rdl_engine_lake){e->root.dir, e->uuid, e->conn};
}
