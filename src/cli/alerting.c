/*
 * cli/alerting.c - when alerts are looked at.
 *
 *   SCHEDULE CRON, EVERY   at their times
 *   TRIGGER ON UPDATE      when an epoch was sealed, AT MOST EVERY so often
 *   neither                10 seconds after an epoch was sealed at the latest, and every minute
 *   --once, at its end     all of them, whatever became of the run
 *
 * Notices that failed are tried again every second that one is due.  Nothing is looked at while no run
 * goes on: `raudal alerts DIR --check` does that, from a timer (deploy/systemd).
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
    unsigned tries; /* of telling */
    rdl_alerts_result *out;
} looking;

static rdl_code look_and_tell(const looking *l, rdl_reader *r, rdl_catalog *c, rdl_err *err)
{
    rdl_notify_config config;
    const rdl_pipeline *p = rdl_reader_pipeline(r);
    RDL_TRY(rdl_alerts_look(r, c, rdl_now_us(&rdl_clock_system), l->wanted, l->arg, l->out, err));
    rdl_alerts_config(&l->cli->arena, p, rdl_reader_root(r), &config);
    return rdl_alerts_tell(c, p, &config, rdl_reader_root_uuid(r), l->tries, l->out, err);
}

static rdl_code look_with(void *arg, rdl_reader *r, rdl_err *err)
{
    const looking *l = arg;
    rdl_catalog *c = NULL;
    *l->out = (rdl_alerts_result){0};
    RDL_TRY(rdl_catalog_open(rdl_cli_root(l->cli), false, &c, err));
    rdl_code rc = look_and_tell(l, r, c, err);
    rdl_catalog_close(c);
    return rc;
}

static rdl_code look(rdl_cli *cli, rdl_alert_wanted wanted, void *arg, unsigned tries,
                     rdl_alerts_result *out, rdl_err *err)
{
    looking l = {cli, wanted, arg, tries, out};
    *out = (rdl_alerts_result){0};
    return rdl_cli_with_reader(cli, look_with, &l, err);
}

rdl_code rdl_alerting_now(rdl_cli *cli, unsigned tries, rdl_alerts_result *out, rdl_err *err)
{
    RDL_TRY(rdl_notify_begin(err));
    return look(cli, NULL, NULL, tries, out, err);
}

void rdl_alerting_after_run(rdl_cli *cli)
{
    rdl_err err = {0};
    rdl_alerts_result result = {0};
    if (rdl_alerting_now(cli, END_TRIES, &result, &err) != RDL_OK)
        rdl_cli_note("raudal: warning: the alerts could not be looked at: %s", err.msg);
    if (result.failed > 0)
        rdl_cli_note("raudal: warning: %zu alert notice%s could not be delivered and will be tried again: %s",
                     result.failed, result.failed == 1 ? "" : "s", result.problem);
    if (result.active + result.failing > 0)
        rdl_cli_note("raudal: warning: %zu alert%s active; raudal alerts %s shows %s",
                     result.active + result.failing, result.active + result.failing == 1 ? " is" : "s are",
                     cli->dir, result.active + result.failing == 1 ? "it" : "them");
}

/* ---- beside a continuous run ---- */

typedef struct timed {
    rdl_timetable times;
    bool has_times;
    int64_t next_us;  /* by the clock; with times */
    int64_t looked_us; /* INT64_MIN: never */
    uint64_t epoch;   /* that it was looked at */
    bool due;         /* in this turn */
} timed;

struct rdl_alerter {
    rdl_cli cli; /* a copy: its arena is the ticker's, for one turn */
    rdl_engine *engine;
    rdl_ticker *ticker;
    rdl_arena arena; /* until stop */
    timed *v;        /* by the pipeline's alerts */
    size_t n;
    const rdl_pipeline *pipeline;
    bool waiting; /* notices that failed */
};

static bool is_due(const timed *t, uint64_t epoch, int64_t now)
{
    if (t->has_times)
        return now >= t->next_us;
    if (t->looked_us == INT64_MIN)
        return true;
    int64_t pause = t->times.kind == RDL_SCHEDULE_ON_UPDATE ? t->times.every_us : AFTER_EPOCH_US;
    if (epoch > t->epoch && now - t->looked_us >= pause)
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

static void note_looked(rdl_alerter *a, uint64_t epoch, int64_t now)
{
    for (size_t i = 0; i < a->n; i++) {
        timed *t = &a->v[i];
        if (!t->due)
            continue;
        t->looked_us = now;
        t->epoch = epoch;
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
    for (size_t i = 0; i < a->n; i++) {
        a->v[i].due = status.epoch > 0 && is_due(&a->v[i], status.epoch, now);
        any |= a->v[i].due;
    }
    if (!any || status.epoch == 0)
        return;
    if (look(&a->cli, wanted, a, 1, &result, &err) != RDL_OK)
        rdl_log_err(RDL_LOG_WARN, "alert", "look_failed", &err);
    a->waiting = result.failed > 0;
    note_looked(a, status.epoch, now);
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
        t->has_times = alert->schedule.kind == RDL_SCHEDULE_CRON ||
                       alert->schedule.kind == RDL_SCHEDULE_EVERY;
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
    rdl_ticker_stop(a->ticker);
    rdl_arena_fini(&a->cli.arena);
    rdl_arena_fini(&a->arena);
    free(a); /* allow: as its calloc */
}
