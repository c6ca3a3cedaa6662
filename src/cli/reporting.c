/*
 * cli/reporting.c - which reports are due, and running them.
 *
 * WHEN  With --once: at its end, each report whose inputs or text moved.  In a continuous run:
 *
 *   SCHEDULE CRON, EVERY    at its times; a time that was missed is made up for once, at the start
 *   TRIGGER ON UPDATE       when an epoch came that moved an input, AT MOST EVERY so often
 *   neither                 the same, at most every lake_interval
 *
 * A report that needs values nobody gives (PARAMETERS without DEFAULT), or has no TO, is on demand
 * alone.  The last run is what the report's manifest says, so a restart knows it.
 *
 * Thread: the reporter has one of its own, with a reader of its own for each turn; it asks the
 * engine for its status alone.
 */
#include "cli/reporting.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/ticker.h"
#include "ops/catalog_report.h"
#include "stream/cut.h"
#include "stream/timetable.h"

enum {
    TURN_MS = 1000,
    RETRY_US = 60 * 1000 * 1000,
    PAUSE_US = 30 * 1000 * 1000, /* lake_interval's default */
};

/* ---- one run ---- */

static void record(rdl_cli *cli, const rdl_report *report, int64_t began, rdl_code rc,
                   const rdl_err *failure, const rdl_report_result *result)
{
    rdl_err err = {0};
    const rdl_catalog_report row = {
        .report = report->name.p,
        .started_us = began,
        .ended_us = rdl_now_us(&rdl_clock_system),
        .epoch = result->epoch,
        .rows = result->rows,
        .bytes = result->bytes,
        .files = result->files,
        .written = result->files_written,
        .removed = result->files_removed,
        .outcome = rc == RDL_OK ? "done" : "failed",
        .message = rc == RDL_OK ? NULL : failure->msg,
    };
    if (rdl_catalog_add_report(rdl_cli_root(cli), &row, &err) != RDL_OK)
        rdl_log(RDL_LOG_WARN, "report", "report_not_recorded", "message=\"%s\"", err.msg);
}

rdl_code rdl_reporting_run(rdl_cli *cli, rdl_reader *r, const rdl_report *report,
                           const rdl_report_request *request, rdl_report_result *out, rdl_err *err)
{
    int64_t began = rdl_now_us(&rdl_clock_system);
    rdl_code rc = rdl_report_run(r, report, request, out, err);
    if (request->sink == NULL)
        record(cli, report, began, rc, err, out);
    return rc;
}

/* ---- --once ---- */

static bool runs_by_itself(const rdl_pipeline *p)
{
    for (size_t i = 0; i < p->report_count; i++)
        if (!rdl_report_on_demand(p->reports[i]))
            return true;
    return false;
}

static rdl_code print_line(const rdl_report *report, const rdl_report_result *result, rdl_err *err)
{
    rdl_buf b = {0};
    rdl_buf_printf(&b, " report %s: %" PRIu64 " file%s", report->name.p, result->files,
                   result->files == 1 ? "" : "s");
    if (result->files_written > 0)
        rdl_buf_printf(&b, ", %" PRIu64 " written", result->files_written);
    if (result->files_removed > 0)
        rdl_buf_printf(&b, ", %" PRIu64 " removed", result->files_removed);
    if (result->files_written + result->files_removed == 0)
        rdl_buf_puts(&b, ", nothing new");
    rdl_buf_putc(&b, '\n');
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code run_behind(rdl_cli *cli, rdl_reader *r, const rdl_report *report, bool print,
                           rdl_err *err)
{
    rdl_report_state last;
    rdl_report_result result = {0};
    const rdl_report_request request = {.for_us = rdl_now_us(&rdl_clock_system)};
    if (rdl_report_on_demand(report))
        return RDL_OK;
    RDL_TRY(rdl_report_last(&cli->arena, rdl_cli_root(cli), report, &last, err));
    if (!rdl_report_is_behind(r, report, &last))
        return RDL_OK;
    RDL_TRY(rdl_reporting_run(cli, r, report, &request, &result, err));
    return print ? print_line(report, &result, err) : RDL_OK;
}

rdl_code rdl_reporting_once(rdl_cli *cli, bool print, rdl_err *err)
{
    rdl_reader *r = NULL;
    rdl_code first = RDL_OK;
    RDL_TRY(rdl_cli_open_reader_quietly(cli, &r, err));
    const rdl_pipeline *p = rdl_reader_pipeline(r);
    for (size_t i = 0; i < p->report_count; i++) {
        rdl_err own = {0};
        rdl_code rc = run_behind(cli, r, p->reports[i], print, &own);
        if (rc == RDL_OK)
            continue;
        if (first != RDL_OK) {
            rdl_cli_print_error(&own);
            continue;
        }
        *err = own;
        first = rc;
    }
    rdl_reader_close(r);
    return first;
}

/* ---- beside a continuous run ---- */

typedef struct timed {
    const rdl_report *report;
    rdl_timetable times;
    rdl_report_state last;
    rdl_hash128 text; /* of the report and its templates, as last seen */
    int64_t not_before_us;
} timed;

struct rdl_reporter {
    rdl_cli cli; /* a copy: its arena is the ticker's, for one report's run */
    rdl_engine *engine;
    rdl_ticker *ticker;
    rdl_arena arena; /* until stop */
    timed *reports;
    size_t n;
};

static bool is_timed(const timed *t)
{
    return t->times.kind == RDL_SCHEDULE_CRON || t->times.kind == RDL_SCHEDULE_EVERY;
}

/* Is it due, and for which time? */
static bool is_due(const timed *t, uint64_t epoch, int64_t now, int64_t *out_for)
{
    *out_for = now;
    if ((now < t->not_before_us && t->not_before_us <= now + RETRY_US) || epoch == 0)
        return false;
    if (t->last.epoch == 0 || !rdl_hash128_eq(t->last.fingerprint, t->text))
        return true;
    if (is_timed(t)) {
        if (rdl_timetable_next(&t->times, t->last.for_us) > now &&
            !rdl_time_is_ahead(t->last.for_us, now))
            return false;
        *out_for = rdl_timetable_newest(&t->times, t->last.for_us, now);
        return true;
    }
    bool on_update = t->times.kind == RDL_SCHEDULE_ON_UPDATE;
    int64_t pause = on_update ? t->times.every_us : PAUSE_US;
    return epoch > t->last.epoch &&
           (now - t->last.ran_us >= pause || rdl_time_is_ahead(t->last.ran_us, now));
}

typedef struct due {
    rdl_cli *cli;
    timed *t;
    int64_t for_us;
} due;

static rdl_code run_with(void *arg, rdl_reader *reader, rdl_err *err)
{
    const due *d = arg;
    timed *t = d->t;
    rdl_report_result result = {0};
    const rdl_report_request request = {.for_us = d->for_us};
    const rdl_report *report = rdl_pipeline_report(rdl_reader_pipeline(reader), t->report->name);
    /* Nothing that it reads moved: the epoch is noted, and no file is looked at. */
    if (report == NULL || (!is_timed(t) && !rdl_report_is_behind(reader, report, &t->last))) {
        t->last.epoch = rdl_reader_cut(reader)->epoch;
        return RDL_OK;
    }
    RDL_TRY(rdl_reporting_run(d->cli, reader, report, &request, &result, err));
    if (result.files > 0)
        rdl_log(RDL_LOG_INFO, "report", "report_written",
                "report=%s files=%" PRIu64 " written=%" PRIu64 " removed=%" PRIu64,
                t->report->name.p, result.files, result.files_written, result.files_removed);
    return RDL_OK;
}

static void run_due(rdl_reporter *r, timed *t, int64_t for_us, int64_t now)
{
    rdl_err err = {0};
    due d = {&r->cli, t, for_us};
    rdl_code rc = rdl_cli_with_reader(&r->cli, run_with, &d, &err);
    uint64_t seen = t->last.epoch;
    if (rc == RDL_OK)
        rc = rdl_report_last(&r->cli.arena, rdl_cli_root(&r->cli), t->report, &t->last, &err);
    t->last.epoch = seen > t->last.epoch ? seen : t->last.epoch;
    if (rc == RDL_OK)
        t->text = t->last.fingerprint;
    t->not_before_us = rc == RDL_OK ? INT64_MIN : now + RETRY_US;
    if (rc != RDL_OK)
        rdl_log(RDL_LOG_WARN, "report", "report_failed", "report=%s message=\"%s\"",
                t->report->name.p, err.msg);
}

static void turn(void *arg)
{
    rdl_reporter *r = arg;
    rdl_engine_status status = {0};
    int64_t for_us, now = rdl_now_us(&rdl_clock_system);
    rdl_engine_get_status(r->engine, &status);
    for (size_t i = 0; i < r->n; i++) {
        if (!is_due(&r->reports[i], status.epoch, now, &for_us))
            continue;
        run_due(r, &r->reports[i], for_us, now);
        rdl_arena_reset(&r->cli.arena); /* with the pipeline that its reader loaded */
    }
}

static rdl_code read_timetables(rdl_reporter *r, const rdl_pipeline *p, rdl_err *err)
{
    rdl_duck *duck;
    rdl_conn *conn;
    const char *root = rdl_cli_root(&r->cli);
    rdl_code rc = rdl_cli_open_duck(&duck, &conn, err);
    for (size_t i = 0; i < p->report_count && rc == RDL_OK; i++) {
        timed *t = &r->reports[r->n];
        if (rdl_report_on_demand(p->reports[i]))
            continue;
        *t = (timed){.report = p->reports[i],
                     .text = rdl_report_fingerprint(&r->arena, p, p->reports[i]),
                     .not_before_us = INT64_MIN};
        rc = rdl_timetable_read(&r->arena, conn, &t->report->schedule, t->report->name, &t->times,
                                err);
        if (rc == RDL_OK)
            rc = rdl_report_last(&r->arena, root, t->report, &t->last, err);
        r->n++;
    }
    rdl_conn_close(conn);
    rdl_duck_close(duck);
    return rc;
}

rdl_code rdl_reporter_start(rdl_cli *cli, rdl_engine *e, rdl_reporter **out, rdl_err *err)
{
    const rdl_pipeline *p = rdl_engine_pipeline(e);
    *out = NULL;
    if (!runs_by_itself(p))
        return RDL_OK;
    rdl_reporter *r = calloc(1, sizeof *r); /* allow: freed by rdl_reporter_stop */
    if (r == NULL)
        return rdl_err_nomem(err);
    r->cli = *cli;
    r->engine = e;
    rdl_arena_init(&r->cli.arena, 0);
    rdl_arena_init(&r->arena, 0);
    r->reports = RDL_NEWN(&r->arena, timed, p->report_count);
    rdl_code rc = read_timetables(r, p, err);
    if (rc == RDL_OK)
        rc = rdl_ticker_start("reports", TURN_MS, turn, r, &r->ticker, err);
    if (rc != RDL_OK) {
        rdl_reporter_stop(r);
        r = NULL;
    }
    *out = r;
    return rc;
}

void rdl_reporter_stop(rdl_reporter *r)
{
    if (r == NULL)
        return;
    rdl_ticker_stop(r->ticker);
    rdl_arena_fini(&r->cli.arena);
    rdl_arena_fini(&r->arena);
    free(r); /* allow: as its calloc */
}
