/*
 * cli/run.c - `raudal run` and `raudal backfill`: the engine at work, watched.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/alerting.h"
#include "cli/errand.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/reporting.h"
#include "cli/run_report.h"
#include "cli/signal.h"
#include "ops/catalog.h"
#include "ops/metrics.h"

typedef struct running {
    rdl_cli *cli;
    rdl_engine *engine;
    rdl_metrics *metrics;
    rdl_errands *errands; /* NULL: none may be asked of this run */
    rdl_catalog *catalog; /* NULL: it could not be written; the run goes on */
    rdl_catalog_run record;
    rdl_progress progress;
    bool stopped;     /* by a signal */
    bool once, whole; /* neither --only nor --from */
} running;

/* The catalog is for people; a run does not stop for it. */
static void begin_record(running *r, const char *kind)
{
    rdl_err err = {0};
    int64_t now = rdl_now_us(&rdl_clock_system);
    rdl_code rc = rdl_catalog_open(rdl_cli_root(r->cli), false, &r->catalog, &err);
    r->record.started_us = now;
    if (rc == RDL_OK)
        rc = rdl_catalog_begin_run(r->catalog, kind, now, &r->record.id, &err);
    if (rc != RDL_OK) {
        rdl_cli_note("raudal: warning: this run is not recorded: %s", err.msg);
        rdl_catalog_close(r->catalog);
        r->catalog = NULL;
    }
}

static void end_record(running *r, rdl_code rc, const rdl_err *failure,
                       const rdl_run_report *report)
{
    rdl_err err = {0};
    rdl_engine_status status = {0};
    if (r->catalog == NULL)
        return;
    rdl_engine_get_status(r->engine, &status);
    r->record.ended_us = rdl_now_us(&rdl_clock_system);
    r->record.epochs = status.epochs_sealed;
    r->record.last_epoch = rc == RDL_OK ? report->last_epoch : status.epoch;
    r->record.rows_read = rc == RDL_OK ? report->total.read : status.total.read;
    r->record.outcome = rc != RDL_OK ? "failed" : report->stopped ? "stopped" : "done";
    r->record.message = rc != RDL_OK ? failure->msg : NULL;
    /* A --once that came to its end did everything there was to do. */
    if (r->once && r->whole && report->tables != NULL && !report->stopped)
        (void)!rdl_catalog_recovered(r->catalog, r->record.started_us, r->record.ended_us, &err);
    if (rdl_catalog_end_run(r->catalog, &r->record, &err) != RDL_OK)
        rdl_cli_note("raudal: warning: the end of this run is not recorded: %s", err.msg);
    rdl_catalog_close(r->catalog);
    r->catalog = NULL;
}

/* A model's run, in the list of runs. */
static void note_job(void *arg, const rdl_job_report *job)
{
    running *r = arg;
    rdl_err err = {0};
    rdl_catalog_run run = {.kind = job->name,
                           .started_us = job->started_us,
                           .ended_us = job->ended_us,
                           .outcome = job->ok ? "done" : "failed",
                           .message = job->message[0] != '\0' ? job->message : NULL,
                           .rows_read = job->rows,
                           .last_epoch = job->epoch};
    if (!job->ok) {
        rdl_progress_clear(&r->progress);
        rdl_cli_note("raudal: warning: %s: %s", job->name, job->message);
    }
    if (r->catalog != NULL && rdl_catalog_add_run(r->catalog, &run, &err) != RDL_OK)
        rdl_cli_note("raudal: warning: a run of %s is not recorded: %s", job->name, err.msg);
}

static void serve_errand(void *arg, rdl_engine *e, const rdl_err *why)
{
    running *r = arg;
    if (r->errands != NULL)
        rdl_errands_serve(r->errands, e, why);
}

static rdl_code print_report(running *r, const rdl_run_report *report, rdl_err *err)
{
    rdl_buf b = {0};
    rdl_engine_status status = {0};
    rdl_output_format format;
    RDL_TRY(rdl_output_choose(r->cli, RDL_OUTPUT_TABLE, &format, err));
    rdl_engine_get_status(r->engine, &status);
    for (size_t i = 0; i < report->warning_count; i++)
        rdl_cli_note("raudal: warning: %s", report->warnings[i]);
    if (format == RDL_OUTPUT_TABLE)
        rdl_put_run_report(&b, rdl_engine_pipeline(r->engine), report, status.files_behind);
    else
        rdl_put_run_report_json(&b, rdl_engine_pipeline(r->engine), report, status.files_behind);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code work(running *r, bool once, const char *kind, rdl_err *err)
{
    rdl_run_report report = {0};
    const char *address = r->cli->values[RDL_CLI_METRICS];
    begin_record(r, kind);
    rdl_signals_stop_engine(r->engine);
    rdl_code rc =
        address != NULL ? rdl_metrics_start(address, r->engine, &r->metrics, err) : RDL_OK;
    rdl_reporter *reporter = NULL;
    rdl_alerter *alerter = NULL;
    if (rc == RDL_OK && !once)
        rc = rdl_reporter_start(r->cli, r->engine, &reporter, err);
    if (rc == RDL_OK && !once)
        rc = rdl_errands_start(r->cli, r->engine, &r->errands, err);
    if (rc == RDL_OK && !once)
        rc = rdl_alerter_start(r->cli, r->engine, &alerter, err);
    if (rc == RDL_OK)
        rc = once ? rdl_engine_run_once(r->engine, &report, err)
                  : rdl_engine_run(r->engine, &report, err);
    rdl_alerter_stop(alerter);
    rdl_errands_stop(r->errands);
    rdl_reporter_stop(reporter);
    r->stopped = report.stopped;
    rdl_signals_restore();
    rdl_metrics_stop(r->metrics);
    rdl_progress_clear(&r->progress);
    end_record(r, rc, err, &report);
    /* What went on beside a failure is shown too. */
    rdl_err own = {0};
    rdl_code printed =
        report.tables != NULL ? print_report(r, &report, rc == RDL_OK ? err : &own) : rc;
    return rc != RDL_OK ? rc : printed;
}

/* A root or store that refuses the run before it begins is a failed run too; a root that another
 * run holds is none of ours, and text that is wrong was never run. */
static void record_refusal(rdl_cli *cli, const char *kind, int64_t started_us, const rdl_err *why)
{
    rdl_err err = {0};
    rdl_catalog *c = NULL;
    const rdl_catalog_run run = {.kind = kind,
                                 .started_us = started_us,
                                 .ended_us = rdl_now_us(&rdl_clock_system),
                                 .outcome = "failed",
                                 .message = why->msg};
    if (why->code == RDL_EUSAGE || why->code == RDL_ECONFLICT || !rdl_fs_exists(rdl_cli_root(cli)))
        return;
    if (rdl_catalog_open(rdl_cli_root(cli), false, &c, &err) == RDL_OK)
        (void)!rdl_catalog_add_run(c, &run, &err);
    rdl_catalog_close(c);
}

static bool names_training(const rdl_pipeline *p, const char *only)
{
    for (size_t i = 0; i < p->model_count; i++)
        if (p->models[i]->table == NULL && rdl_name_matches(only, p->models[i]->name.p))
            return true;
    return false;
}

static rdl_code open_and_work(rdl_cli *cli, bool once, const char *kind, rdl_err *err)
{
    running r = {.cli = cli};
    const rdl_table **tables;
    size_t n;
    rdl_output_format format;
    rdl_engine_config config = {.progress = rdl_progress_show,
                                .progress_arg = &r.progress,
                                .job = note_job,
                                .job_arg = &r,
                                .errand = serve_errand,
                                .errand_arg = &r,
                                .only = cli->values[RDL_CLI_ONLY],
                                .from = cli->values[RDL_CLI_FROM]};
    r.once = once;
    r.whole = config.only == NULL && config.from == NULL;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    rdl_progress_init(&r.progress);
    int64_t started_us = rdl_now_us(&rdl_clock_system);
    rdl_code rc = rdl_cli_open_engine(cli, &config, &r.engine, err);
    if (rc != RDL_OK)
        record_refusal(cli, kind, started_us, err);
    /* A pattern that nothing matches is refused. */
    if (rc == RDL_OK && config.only != NULL &&
        !names_training(rdl_engine_pipeline(r.engine), config.only))
        rc = rdl_cli_tables(cli, rdl_engine_pipeline(r.engine), 0, &tables, &n, err);
    if (rc == RDL_OK)
        rc = work(&r, once, kind, err);
    rdl_progress_clear(&r.progress);
    bool reports = rc == RDL_OK && once && r.whole && !r.stopped &&
                   rdl_engine_pipeline(r.engine)->report_count > 0;
    bool alerts = r.engine != NULL && rdl_engine_pipeline(r.engine)->alert_count > 0;
    rdl_engine_close(r.engine);
    if (reports)
        rc = rdl_reporting_once(cli, format == RDL_OUTPUT_TABLE, err);
    /* Beside a continuous run they were looked at all the while; its failure is news. */
    if (alerts && (once || rc != RDL_OK))
        rdl_alerting_after_run(cli);
    return rc;
}

rdl_code rdl_cmd_run(rdl_cli *cli, rdl_err *err)
{
    bool once = rdl_cli_has(cli, RDL_CLI_ONCE);
    return open_and_work(cli, once, once ? "once" : "continuous", err);
}

/* The fresh root must not hold anything: what it would hold is what this makes. */
rdl_code rdl_cmd_backfill(rdl_cli *cli, rdl_err *err)
{
    rdl_names names = {0};
    rdl_stat st;
    if (!rdl_cli_has(cli, RDL_CLI_ROOT)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "\"raudal backfill\" needs a fresh root");
        return rdl_err_hint(err, "Name a folder that is empty or not there: --root DIR.");
    }
    const char *root = rdl_cli_root(cli);
    RDL_TRY(rdl_fs_stat(root, &st, err));
    if (st.exists)
        RDL_TRY(rdl_fs_list(&cli->arena, root, &names, err));
    if (names.n != 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot backfill into \"%s\": it is not empty", root);
        return rdl_err_hint(err, "Name a folder that is empty or not there: --root DIR.");
    }
    return open_and_work(cli, true, "backfill", err);
}
