/*
 * stream/model.c - when programs run, and what becomes of their runs (see model.h).
 */
#include "stream/model.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "duck/zone.h"

#define RETRY_MAX_US (INT64_C(3600) * 1000000)
#define NOTHING_NEW_US (INT64_C(30) * 1000000)

/* A model between runs. */
typedef struct model_state {
    const rdl_model *model;
    rdl_job *job;
    unsigned failures; /* in a row */
    int64_t retry_us;  /* by the clock: not before */
    bool gave_up;      /* failed in this --once */
} model_state;

struct rdl_models {
    rdl_engine *e;
    model_state *v;
    size_t n;
    rdl_model_run *run;   /* at work, or waiting for its epoch; NULL: none */
    rdl_thread *thread;   /* of it; NULL: it works on this one, or has ended */
    rdl_err failure;      /* the first of this --once */
};

rdl_code rdl_models_open(rdl_engine *e, rdl_err *err)
{
    const rdl_pipeline *p = e->pipeline;
    if (p->model_count == 0)
        return RDL_OK;
    e->models = RDL_NEW(&e->arena, rdl_models);
    *e->models = (rdl_models){.e = e, .v = RDL_NEWN(&e->arena, model_state, p->model_count)};
    for (size_t i = 0; i < p->model_count; i++) {
        model_state *s = &e->models->v[e->models->n++];
        const rdl_model *m = p->models[i];
        char *name = rdl_arena_printf(&e->arena, "%s %.*s", m->table != NULL ? "model" : "train",
                                      (int)m->name.n, m->name.p);
        s->model = m;
        s->retry_us = INT64_MIN;
        RDL_TRY(rdl_job_open(e, rdl_str_of(name), &m->schedule, &s->job, err));
    }
    return RDL_OK;
}

/* ---- is it behind? ---- */

static rdl_str newest_artifact(rdl_engine *e, const rdl_model *m)
{
    if (m->artifact == NULL)
        return (rdl_str){"", 0};
    for (size_t i = 0; i < e->models->n; i++) {
        if (e->models->v[i].model != m->artifact)
            continue;
        const rdl_sealed_job *last = rdl_history_job(&e->history, e->models->v[i].job->name);
        if (last != NULL)
            return last->detail;
    }
    return (rdl_str){"", 0};
}

static bool is_selected(rdl_engine *e, const rdl_model *m)
{
    bool reads = false;
    if (m->table != NULL)
        return e->tables[m->table->index].selected;
    if (e->config.only != NULL && !rdl_name_matches(e->config.only, m->name.p))
        return false;
    if (e->config.from == NULL || rdl_str_eq_nocase(m->name, rdl_str_of(e->config.from)))
        return true;
    for (size_t i = 0; i < m->input_count; i++)
        reads |= m->inputs[i].table->source == NULL && e->tables[m->inputs[i].table->index].selected;
    return reads;
}

/* Something it reads changed since its last run, or it is another program now. */
static bool is_behind(rdl_engine *e, const model_state *s)
{
    const rdl_sealed_job *last = rdl_history_job(&e->history, s->job->name);
    const rdl_model *m = s->model;
    bool any = false;
    if (!is_selected(e, m) || (m->artifact != NULL && newest_artifact(e, m).n == 0))
        return false;
    for (size_t i = 0; i < m->input_count; i++) {
        uint64_t changed = rdl_history_table(&e->history, m->inputs[i].table->full)->last_changed;
        any |= changed > (last != NULL ? last->cut : 0);
    }
    if (any || last == NULL || m->table == NULL)
        return any;
    rdl_arena a;
    rdl_arena_init(&a, 0);
    char *version = rdl_model_version(&a, e->pipeline, m, newest_artifact(e, m));
    any = !rdl_str_eq(rdl_str_of(version), last->detail);
    rdl_arena_fini(&a);
    return any;
}

/* By its schedule, at this time; *for_us is the time that the run is for. */
static bool is_due(rdl_engine *e, model_state *s, int64_t now, int64_t *for_us)
{
    const rdl_sealed_job *last = rdl_history_job(&e->history, s->job->name);
    const rdl_timetable *t = &s->job->times;
    *for_us = now;
    if (now < s->retry_us && s->retry_us <= now + RETRY_MAX_US)
        return false;
    if (t->kind == RDL_SCHEDULE_CRON || t->kind == RDL_SCHEDULE_EVERY) {
        if (!rdl_job_due(e, s->job, now, for_us))
            return false;
        if (is_behind(e, s))
            return true;
        s->job->not_before_us = last != NULL ? rdl_timetable_next(t, now) : now + NOTHING_NEW_US;
        return false;
    }
    int64_t pause = t->kind == RDL_SCHEDULE_NONE ? e->lake_interval_us : t->every_us;
    bool rests = last != NULL && now < last->ran_us + pause && !rdl_time_is_ahead(last->ran_us, now);
    return !rests && is_behind(e, s);
}

/* ---- a run ---- */

static rdl_model_run *new_run(rdl_engine *e, model_state *s, int64_t for_us)
{
    rdl_model_run *r = calloc(1, sizeof *r); /* allow: handed to a thread */
    if (r == NULL)
        return NULL;
    rdl_str artifact = newest_artifact(e, s->model);
    rdl_arena_init(&r->arena, 0);
    r->e = e;
    r->model = s->model;
    r->for_us = for_us;
    r->began_us = rdl_now_us(e->clock);
    r->dir = rdl_root_model(&r->arena, &e->root, s->model->name);
    r->version = rdl_model_version(&r->arena, e->pipeline, s->model, artifact);
    if (artifact.n > 0)
        r->artifact = rdl_root_artifact(&r->arena, &e->root, s->model->artifact->name, artifact);
    return r;
}

static void free_run(rdl_model_run *r)
{
    if (r == NULL)
        return;
    rdl_arena_fini(&r->arena);
    free(r); /* allow: as its calloc */
}

static model_state *state_of(rdl_models *ms, const rdl_model_run *r)
{
    return &ms->v[r->model->index];
}

static void tell(rdl_engine *e, const rdl_model_run *r, const model_state *s)
{
    const rdl_job_report report = {
        .name = s->job->name.p,
        .started_us = r->began_us,
        .ended_us = rdl_now_us(e->clock),
        .ok = r->rc == RDL_OK,
        .message = r->rc != RDL_OK ? r->err.msg : r->said,
        .rows = r->rows,
        .epoch = r->cut,
    };
    rdl_engine_tell_job(e, &report);
}

/* Yesterday's table stays; the next try is later and later. */
static void run_failed(rdl_engine *e, rdl_model_run *r)
{
    model_state *s = state_of(e->models, r);
    int64_t pause = e->retry_us;
    for (unsigned i = 0; i < s->failures && pause < RETRY_MAX_US; i++)
        pause *= 2;
    s->failures++;
    s->gave_up = true;
    s->retry_us = rdl_now_us(e->clock) + (pause < RETRY_MAX_US ? pause : RETRY_MAX_US);
    s->job->not_before_us = s->retry_us;
    if (r->rc == RDL_ESTOP)
        return;
    rdl_log_err(RDL_LOG_WARN, "model", "run_failed", &r->err);
    tell(e, r, s);
    if (e->models->failure.code == RDL_OK)
        e->models->failure = r->err;
}

static void run_done(rdl_engine *e, rdl_model_run *r)
{
    model_state *s = state_of(e->models, r);
    s->failures = 0;
    s->retry_us = s->job->not_before_us = INT64_MIN;
    rdl_log(RDL_LOG_INFO, "model", "run_done", "name=%s rows=%" PRIu64 " seconds=%.3f",
            r->model->name.p, r->rows, r->seconds);
    tell(e, r, s);
}

/* A training step's end: its artifact is named in the journal. */
static rdl_code trained(rdl_engine *e, rdl_model_run *r, rdl_err *err)
{
    model_state *s = state_of(e->models, r);
    const rdl_sealed_job job = {.name = s->job->name,
                                .for_us = r->for_us,
                                .ran_us = rdl_now_us(e->clock),
                                .cut = r->cut,
                                .detail = rdl_str_of(r->result)};
    RDL_TRY(rdl_job_note(e, &job, err));
    run_done(e, r);
    return RDL_OK;
}

/* What ended is told; a table's result waits for its epoch in ms->run. */
static rdl_code settle(rdl_engine *e, rdl_err *err)
{
    rdl_models *ms = e->models;
    rdl_model_run *r = ms->run;
    if (r->rc == RDL_OK && r->model->table != NULL)
        return RDL_OK;
    rdl_code rc = RDL_OK;
    if (r->rc != RDL_OK)
        run_failed(e, r);
    else
        rc = trained(e, r, err);
    ms->run = NULL;
    free_run(r);
    return rc;
}

/* ---- the continuous loop ---- */

static void *thread_main(void *arg)
{
    rdl_model_work(arg);
    return NULL;
}

static rdl_code start_due(rdl_engine *e, rdl_err *err)
{
    rdl_models *ms = e->models;
    int64_t now = rdl_now_us(e->clock), for_us;
    for (size_t i = 0; i < ms->n && ms->run == NULL; i++) {
        if (!is_due(e, &ms->v[i], now, &for_us))
            continue;
        ms->run = new_run(e, &ms->v[i], for_us);
        if (ms->run == NULL)
            return rdl_err_nomem(err);
        ms->v[i].job->not_before_us = INT64_MAX; /* until it ended */
        RDL_TRY(rdl_thread_start("raudal-model", thread_main, ms->run, &ms->thread, err));
    }
    return RDL_OK;
}

rdl_code rdl_models_turn(rdl_engine *e, rdl_err *err)
{
    rdl_models *ms = e->models;
    if (ms == NULL || e->history.epoch == 0)
        return RDL_OK;
    if (ms->thread != NULL && atomic_load(&ms->run->done)) {
        (void)rdl_thread_join(ms->thread);
        ms->thread = NULL;
        ms->v[ms->run->model->index].job->not_before_us = INT64_MIN;
        RDL_TRY(settle(e, err));
    }
    return ms->run == NULL ? start_due(e, err) : RDL_OK;
}

void rdl_models_close(rdl_engine *e)
{
    rdl_models *ms = e->models;
    if (ms == NULL)
        return;
    if (ms->thread != NULL) {
        e->stop = 1;
        (void)rdl_thread_join(ms->thread);
    }
    free_run(ms->run);
    ms->run = NULL;
    ms->thread = NULL;
}

/* ---- --once ---- */

rdl_code rdl_models_once(rdl_engine *e, bool *did, rdl_err *err)
{
    rdl_models *ms = e->models;
    *did = false;
    for (size_t i = 0; ms != NULL && i < ms->n && !*did && !e->stop; i++) {
        if (ms->v[i].gave_up || !is_behind(e, &ms->v[i]))
            continue;
        rdl_engine_progress_at(e, NULL, ms->v[i].job->name.p);
        ms->run = new_run(e, &ms->v[i], rdl_now_us(e->clock));
        if (ms->run == NULL)
            return rdl_err_nomem(err);
        rdl_model_work(ms->run);
        *did = ms->run->rc == RDL_OK;
        RDL_TRY(settle(e, err));
    }
    return RDL_OK;
}

rdl_code rdl_models_failed(rdl_engine *e, rdl_err *err)
{
    rdl_models *ms = e->models;
    if (ms == NULL || ms->failure.code == RDL_OK)
        return RDL_OK;
    *err = ms->failure;
    ms->failure = (rdl_err){0};
    for (size_t i = 0; i < ms->n; i++)
        ms->v[i].gave_up = false;
    return rdl_err_area(err->code, err, RDL_AREA_SOURCE);
}

/* ---- the epoch of a result ---- */

bool rdl_models_plan(rdl_engine *e, rdl_work *w)
{
    rdl_models *ms = e->models;
    if (ms == NULL || ms->run == NULL || ms->thread != NULL || ms->run->rc != RDL_OK)
        return false;
    w->model = ms->run;
    RDL_PUSH(&w->arena, &w->seal.jobs) =
        (rdl_sealed_job){.name = state_of(ms, ms->run)->job->name,
                         .for_us = ms->run->for_us,
                         .ran_us = w->ts_us,
                         .cut = ms->run->cut,
                         .detail = rdl_str_of(ms->run->version)};
    return true;
}

const char *rdl_models_result(const rdl_work *w, const rdl_table *t)
{
    return w->model != NULL && w->model->model->table == t ? w->model->result : NULL;
}

void rdl_models_sealed(rdl_engine *e, rdl_work *w)
{
    if (w->model == NULL)
        return;
    run_done(e, e->models->run);
    free_run(e->models->run);
    e->models->run = NULL;
}
