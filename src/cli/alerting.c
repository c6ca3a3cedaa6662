/*
 * cli/alerting.c - when alerts are looked at.
 *
 *   SCHEDULE CRON, EVERY   at their times
 *   TRIGGER ON UPDATE      when an epoch was sealed or something failed, AT MOST EVERY so often
 *   neither                10 seconds after either at the latest, and every minute
 *   --once, at its end     all of them, whatever became of the run
 *
 * Notices that failed are tried again every second that one is due.  Nothing is looked at while no
 * run goes on: `raudal alerts DIR --check` does that, from a timer (deploy/systemd).
 */
#include "cli/alerting.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/ticker.h"
#include "stream/timetable.h"

#define AFTER_EPOCH_US (INT64_C(10) * 1000000)
#define AT_LEAST_US (INT64_C(60) * 1000000)

enum {
    TURN_MS = 1000,
    END_TRIES = 3,
};

/* ---- one look ---- */

typedef struct looking {
    rdl_cli *cli;
    rdl_alert_wanted wanted; /* NULL: all */
    void *arg;
    unsigned tries;               /* of telling */
    const rdl_pipeline *pipeline; /* NULL: the reader's, which is then kept while telling */
    const atomic_int *stop;       /* may be NULL */
    rdl_alerts_result *out;
    const char *uuid; /* of the root, found by looking */
} looking;

static rdl_code tell(const looking *l, const rdl_pipeline *p, rdl_catalog *c, rdl_err *err)
{
    rdl_notify_config config;
    rdl_alerts_config(&l->cli->arena, p, rdl_cli_root(l->cli), &config);
    config.stop = l->stop;
    return rdl_alerts_tell(c, p, &config, l->uuid, l->tries, l->out, err);
}

static rdl_code look_with(void *arg, rdl_reader *r, rdl_err *err)
{
    looking *l = arg;
    rdl_catalog *c = NULL;
    *l->out = (rdl_alerts_result){0};
    l->uuid = rdl_arena_strdup(&l->cli->arena, rdl_reader_root_uuid(r));
    RDL_TRY(rdl_catalog_open(rdl_cli_root(l->cli), false, &c, err));
    rdl_code rc =
        rdl_alerts_look(r, c, rdl_now_us(&rdl_clock_system), l->wanted, l->arg, l->out, err);
    if (rc == RDL_OK && l->pipeline == NULL)
        rc = tell(l, rdl_reader_pipeline(r), c, err);
    rdl_catalog_close(c);
    return rc;
}

/* A reader keeps segments: where the pipeline is there without it, it is let go of before a server
 * is waited for. */
static rdl_code look(looking *l, rdl_err *err)
{
    rdl_catalog *c = NULL;
    *l->out = (rdl_alerts_result){0};
    RDL_TRY(rdl_cli_with_reader(l->cli, look_with, l, err));
    if (l->pipeline == NULL)
        return RDL_OK;
    RDL_TRY(rdl_catalog_open(rdl_cli_root(l->cli), false, &c, err));
    rdl_code rc = tell(l, l->pipeline, c, err);
    rdl_catalog_close(c);
    return rc;
}

rdl_code rdl_alerting_now(rdl_cli *cli, unsigned tries, rdl_alerts_result *out, rdl_err *err)
{
    looking l = {.cli = cli, .tries = tries, .out = out};
    RDL_TRY(rdl_notify_begin(err));
    return look(&l, err);
}

void rdl_alerting_after_run(rdl_cli *cli)
{
    rdl_err err = {0};
    rdl_alerts_result result = {0};
    if (rdl_alerting_now(cli, END_TRIES, &result, &err) != RDL_OK)
        rdl_cli_note("raudal: warning: the alerts could not be looked at: %s", err.msg);
    if (result.failed > 0)
        rdl_cli_note(
            "raudal: warning: %zu alert notice%s could not be delivered and will be tried again: %s",
            result.failed, result.failed == 1 ? "" : "s", result.problem);
    if (result.active + result.failing > 0)
        rdl_cli_note("raudal: warning: %zu alert%s active; raudal alerts %s shows %s",
                     result.active + result.failing,
                     result.active + result.failing == 1 ? " is" : "s are", cli->dir,
                     result.active + result.failing == 1 ? "it" : "them");
}

/* ---- beside a continuous run ---- */

typedef struct timed {
    rdl_timetable times;
    bool has_times;
    int64_t next_us;   /* by the clock; with times */
    int64_t looked_us; /* INT64_MIN: never */
    uint64_t moves;    /* epochs and ends of jobs that it was looked at after */
    bool due;          /* in this turn */
} timed;

struct rdl_alerter {
    rdl_cli cli; /* a copy: its arena is the ticker's, for one turn */
    rdl_engine *engine;
    rdl_ticker *ticker;
    rdl_arena arena;   /* until stop */
    timed *v;          /* by the pipeline's alerts */
    atomic_int ending; /* for who waits for a server */
    size_t n;
    const rdl_pipeline *pipeline;
    bool waiting; /* notices that failed */
};

static bool is_due(const timed *t, uint64_t moves, int64_t now)
{
    if (rdl_time_is_ahead(t->looked_us, now))
        return true;
    if (t->has_times)
        return now >= t->next_us;
    if (t->looked_us == INT64_MIN)
        return true;
    int64_t pause = t->times.kind == RDL_SCHEDULE_ON_UPDATE ? t->times.every_us : AFTER_EPOCH_US;
    if (moves > t->moves && now - t->looked_us >= pause)
        return true;
    return t->times.kind == RDL_SCHEDULE_NONE && now - t->looked_us >= AT_LEAST_US;
}

static bool wanted(void *arg, const rdl_alert *alert, const rdl_catalog_alert *last)
{
    const rdl_alerter *a = arg;
    (void)last;
    for (size_t i = 0; i < a->n; i++)
        if (rdl_str_eq(a->pipeline->alerts[i]->name, alert->name))
            return a->v[i].due;
    return false;
}

static void note_looked(rdl_alerter *a, uint64_t moves, int64_t now)
{
    for (size_t i = 0; i < a->n; i++) {
        timed *t = &a->v[i];
        if (!t->due)
            continue;
        t->looked_us = now;
        t->moves = moves;
        if (t->has_times)
            t->next_us = rdl_timetable_next(&t->times, now);
    }
}

static void turn(void *arg)
{
    rdl_alerter *a = arg;
    rdl_engine_status status = {0};
    rdl_alerts_result result = {0};
    rdl_err err = {0};
    int64_t now = rdl_now_us(&rdl_clock_system);
    bool any = a->waiting;
    rdl_engine_get_status(a->engine, &status);
    uint64_t moves = status.epoch + status.jobs;
    for (size_t i = 0; i < a->n; i++) {
        a->v[i].due = moves > 0 && is_due(&a->v[i], moves, now);
        any |= a->v[i].due;
    }
    if (!any || moves == 0)
        return;
    looking l = {.cli = &a->cli,
                 .wanted = wanted,
                 .arg = a,
                 .tries = 1,
                 .pipeline = a->pipeline,
                 .stop = &a->ending,
                 .out = &result};
    if (look(&l, &err) != RDL_OK)
        rdl_log_err(RDL_LOG_WARN, "alert", "look_failed", &err);
    a->waiting = result.failed > 0;
    note_looked(a, moves, now);
    rdl_arena_reset(&a->cli.arena);
}

static rdl_code read_timetables(rdl_alerter *a, rdl_err *err)
{
    rdl_duck *duck;
    rdl_conn *conn;
    int64_t now = rdl_now_us(&rdl_clock_system);
    rdl_code rc = rdl_cli_open_duck(&duck, &conn, err);
    for (; a->n < a->pipeline->alert_count && rc == RDL_OK; a->n++) {
        timed *t = &a->v[a->n];
        const rdl_alert *alert = a->pipeline->alerts[a->n];
        *t = (timed){.looked_us = INT64_MIN, .next_us = now};
        t->has_times =
            alert->schedule.kind == RDL_SCHEDULE_CRON || alert->schedule.kind == RDL_SCHEDULE_EVERY;
        rc = rdl_timetable_read(&a->arena, conn, &alert->schedule, alert->name, &t->times, err);
        if (rc == RDL_OK && alert->schedule.kind == RDL_SCHEDULE_CRON)
            t->next_us = rdl_timetable_next(&t->times, now);
    }
    rdl_conn_close(conn);
    rdl_duck_close(duck);
    return rc;
}

rdl_code rdl_alerter_start(rdl_cli *cli, rdl_engine *e, rdl_alerter **out, rdl_err *err)
{
    const rdl_pipeline *p = rdl_engine_pipeline(e);
    *out = NULL;
    if (p->alert_count == 0)
        return RDL_OK;
    RDL_TRY(rdl_notify_begin(err));
    rdl_alerter *a = calloc(1, sizeof *a); /* allow: freed by rdl_alerter_stop */
    if (a == NULL)
        return rdl_err_nomem(err);
    a->cli = *cli;
    a->engine = e;
    a->pipeline = p;
    a->waiting = true; /* what an earlier run left */
    rdl_arena_init(&a->cli.arena, 0);
    rdl_arena_init(&a->arena, 0);
    a->v = RDL_NEWN(&a->arena, timed, p->alert_count);
    rdl_code rc = read_timetables(a, err);
    if (rc == RDL_OK)
        rc = rdl_ticker_start("alerts", TURN_MS, turn, a, &a->ticker, err);
    if (rc != RDL_OK) {
        rdl_alerter_stop(a);
        a = NULL;
    }
    *out = a;
    return rc;
}

void rdl_alerter_stop(rdl_alerter *a)
{
    if (a == NULL)
        return;
    atomic_store(&a->ending, 1);
    rdl_ticker_stop(a->ticker);
    rdl_arena_fini(&a->cli.arena);
    rdl_arena_fini(&a->arena);
    free(a); /* allow: as its calloc */
}
