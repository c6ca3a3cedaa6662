/*
 * cli/refresh.c - `raudal refresh` and `raudal publish`: what the lake says, again.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/url.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/signal.h"
#include "ops/catalog.h"

typedef struct job {
    rdl_cli *cli;
    rdl_engine *engine;
    rdl_progress progress;
    const rdl_table **tables;
    size_t n;
} job;

static rdl_code open_job(job *j, rdl_cli *cli, rdl_err *err)
{
    *j = (job){.cli = cli};
    rdl_progress_init(&j->progress);
    rdl_engine_config config = {.progress = rdl_progress_show,
                                .progress_arg = &j->progress};
    RDL_TRY(rdl_cli_open_engine(cli, &config, &j->engine, err));
    return rdl_cli_tables(cli, rdl_engine_pipeline(j->engine), 0, &j->tables, &j->n, err);
}

static void close_job(job *j)
{
    rdl_progress_clear(&j->progress);
    rdl_engine_close(j->engine);
}

/* The list of runs is for people: a job does not depend on it. */
static void
record(job *j, const char *kind, int64_t started, rdl_code rc, const rdl_err *failure)
{
    rdl_err err = {0};
    rdl_catalog *c = NULL;
    rdl_engine_status status = {0};
    rdl_catalog_run run = {.outcome = rc == RDL_OK ? "done" : "failed",
                           .message = rc == RDL_OK ? NULL : failure->msg};
    if (j->engine == NULL)
        return;
    rdl_engine_get_status(j->engine, &status);
    run.epochs = status.epochs_sealed;
    run.last_epoch = status.epoch;
    run.ended_us = rdl_now_us(&rdl_clock_system);
    if (rdl_catalog_open(rdl_cli_root(j->cli), false, &c, &err) == RDL_OK &&
        rdl_catalog_begin_run(c, kind, started, &run.id, &err) == RDL_OK)
        (void)!rdl_catalog_end_run(c, &run, &err);
    rdl_catalog_close(c);
}

static rdl_code say_refreshed(const job *j, uint64_t changed, int64_t started, rdl_err *err)
{
    rdl_buf b = {0}, took = {0};
    rdl_put_seconds(&took, (double)(rdl_now_us(&rdl_clock_system) - started) / 1e6);
    if (j->n == 0)
        rdl_buf_puts(&b, "all views computed again");
    else
        rdl_buf_printf(&b, "%zu table%s computed again", j->n, j->n == 1 ? "" : "s");
    rdl_buf_printf(&b, " with the snapshots as they are now, in %s: %" PRIu64 " row%s changed\n", rdl_buf_str(&took), changed,
                   changed == 1 ? "" : "s");
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    rdl_buf_fini(&took);
    return rc;
}

static rdl_code check_views(const job *j, rdl_err *err)
{
    for (size_t i = 0; i < j->n; i++) {
        if (j->tables[i]->kind == RDL_TABLE_VIEW)
            continue;
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot refresh \"%.*s\": it is no view",
                    (int)j->tables[i]->full.n, j->tables[i]->full.p);
        return rdl_err_hint(
            err, "Only views are computed from the lake; `raudal backfill` reads "
                 "sources again.");
    }
    return RDL_OK;
}

/* --only names more than views: the others are left out. */
static void keep_views(job *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n; i++)
        if (j->tables[i]->kind == RDL_TABLE_VIEW)
            j->tables[n++] = j->tables[i];
    j->n = n;
}

/* Each named view's rows of the range. */
static rdl_code refresh_range(job *j, int64_t started, rdl_err *err)
{
    const char *from = j->cli->values[RDL_CLI_FROM], *to = j->cli->values[RDL_CLI_TO];
    if (j->n == 0 || j->cli->arg_count == 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "a range needs a table");
        return rdl_err_hint(err, "Name it: raudal refresh DIR TABLE --from ... --to ...");
    }
    for (size_t i = 0; i < j->n; i++) {
        rdl_buf b = {0};
        const char *column = NULL;
        uint64_t changed = 0;
        RDL_TRY(rdl_engine_refresh_range(j->engine, j->tables[i], from, to, &column, &changed, err));
        rdl_progress_clear(&j->progress);
        rdl_buf_printf(&b, "%.*s, %s", (int)j->tables[i]->full.n, j->tables[i]->full.p, column);
        rdl_buf_printf(&b, from != NULL ? " from %s" : "%s", from != NULL ? from : "");
        rdl_buf_printf(&b, to != NULL ? " to before %s" : "%s", to != NULL ? to : "");
        rdl_buf_puts(&b, ": computed again with the snapshots as they are now, in ");
        rdl_put_seconds(&b, (double)(rdl_now_us(&rdl_clock_system) - started) / 1e6);
        rdl_buf_printf(&b, ", %" PRIu64 " row%s changed\n", changed, changed == 1 ? "" : "s");
        rdl_code rc = rdl_cli_print(&b, err);
        rdl_buf_fini(&b);
        RDL_TRY(rc);
    }
    return RDL_OK;
}

rdl_code rdl_cmd_refresh(rdl_cli *cli, rdl_err *err)
{
    bool range = rdl_cli_has(cli, RDL_CLI_FROM) || rdl_cli_has(cli, RDL_CLI_TO);
    job j;
    uint64_t changed = 0;
    int64_t started = rdl_now_us(&rdl_clock_system);
    rdl_code rc = open_job(&j, cli, err);
    if (rc == RDL_OK && cli->arg_count != 0)
        rc = check_views(&j, err);
    if (rc == RDL_OK) {
        keep_views(&j);
        rdl_signals_stop_engine(j.engine);
        rc = range ? refresh_range(&j, started, err)
                   : rdl_engine_refresh(j.engine, j.tables, j.n, &changed, err);
        rdl_signals_restore();
        rdl_progress_clear(&j.progress);
        record(&j, "refresh", started, rc, err);
        if (rc == RDL_OK && !range)
            rc = say_refreshed(&j, changed, started, err);
    }
    close_job(&j);
    return rc;
}

static bool chosen(const job *j, const rdl_table *t)
{
    for (size_t i = 0; i < j->n; i++)
        if (j->tables[i] == t)
            return true;
    return j->n == 0;
}

static rdl_code say_published(const job *j, int64_t started, rdl_err *err)
{
    const rdl_pipeline *p = rdl_engine_pipeline(j->engine);
    rdl_buf b = {0}, took = {0};
    size_t n = 0;
    rdl_put_seconds(&took, (double)(rdl_now_us(&rdl_clock_system) - started) / 1e6);
    for (size_t i = 0; i < p->publication_count; i++) {
        const rdl_publication *pub = p->publications[i];
        if (!chosen(j, pub->table))
            continue;
        rdl_buf_printf(&b, "%.*s filled in ", (int)pub->name.n, pub->name.p);
        rdl_url_put_shown(&b, pub->url);
        rdl_buf_putc(&b, '\n');
        n++;
    }
    rdl_buf_printf(&b, "%zu table%s published from the lake in %s\n", n, n == 1 ? "" : "s",
                   rdl_buf_str(&took));
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    rdl_buf_fini(&took);
    return rc;
}

static rdl_code check_published(const job *j, rdl_err *err)
{
    const rdl_pipeline *p = rdl_engine_pipeline(j->engine);
    for (size_t i = 0; i < j->n; i++) {
        size_t k = 0;
        while (k < p->publication_count && p->publications[k]->table != j->tables[i])
            k++;
        if (k < p->publication_count)
            continue;
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "cannot publish \"%.*s\": no PUBLISH statement names it",
                    (int)j->tables[i]->full.n, j->tables[i]->full.p);
        return rdl_err_hint(err,
                            "Write PUBLISH %.*s TO 'sqlite:serving.db' PRIMARY KEY (...).",
                            (int)j->tables[i]->full.n, j->tables[i]->full.p);
    }
    return RDL_OK;
}

rdl_code rdl_cmd_publish(rdl_cli *cli, rdl_err *err)
{
    job j;
    int64_t started = rdl_now_us(&rdl_clock_system);
    rdl_code rc = open_job(&j, cli, err);
    if (rc == RDL_OK && cli->arg_count != 0)
        rc = check_published(&j, err);
    if (rc == RDL_OK) {
        rdl_signals_stop_engine(j.engine);
        rc = rdl_engine_republish(j.engine, j.tables, j.n, err);
        rdl_signals_restore();
        rdl_progress_clear(&j.progress);
        record(&j, "publish", started, rc, err);
        if (rc == RDL_OK)
            rc = say_published(&j, started, err);
    }
    close_job(&j);
    return rc;
}
