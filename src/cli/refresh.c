/*
 * cli/refresh.c - `raudal refresh` and `raudal publish`: what the lake says, again.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/url.h"
#include "cli/cli.h"

typedef struct job {
    rdl_cli *cli;
    rdl_engine *engine;
    rdl_buf *out;
    int64_t started_us;
    const rdl_table **tables; /* named, or matching --only; none: all */
    size_t n;
} job;

static rdl_code begin(job *j, rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    *j = (job){.cli = cli, .engine = e, .out = out, .started_us = rdl_now_us(&rdl_clock_system)};
    return rdl_cli_tables(cli, rdl_engine_pipeline(e), 0, &j->tables, &j->n, err);
}

static void put_took(const job *j)
{
    rdl_put_seconds(j->out, (double)(rdl_now_us(&rdl_clock_system) - j->started_us) / 1e6);
}

/* ---- refresh ---- */

static rdl_code check_views(const job *j, rdl_err *err)
{
    for (size_t i = 0; i < j->n; i++) {
        if (j->tables[i]->kind == RDL_TABLE_VIEW)
            continue;
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot refresh \"%.*s\": it is no view",
                    (int)j->tables[i]->full.n, j->tables[i]->full.p);
        return rdl_err_hint(err, "Only views are computed from the lake; `raudal backfill` reads "
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

static void say_changed(const job *j, uint64_t rows)
{
    put_took(j);
    rdl_buf_printf(j->out, ": %" PRIu64 " row%s changed\n", rows, rows == 1 ? "" : "s");
}

static rdl_code refresh_whole(const job *j, rdl_err *err)
{
    uint64_t changed = 0;
    RDL_TRY(rdl_engine_refresh(j->engine, j->tables, j->n, &changed, err));
    if (j->n == 0)
        rdl_buf_puts(j->out, "all views computed again");
    else
        rdl_buf_printf(j->out, "%zu table%s computed again", j->n, j->n == 1 ? "" : "s");
    rdl_buf_puts(j->out, " with the snapshots as they are now, in ");
    say_changed(j, changed);
    return RDL_OK;
}

static rdl_code refresh_one_range(const job *j, const rdl_table *t, rdl_err *err)
{
    const char *from = j->cli->values[RDL_CLI_FROM], *to = j->cli->values[RDL_CLI_TO];
    const char *column = NULL;
    uint64_t changed = 0;
    RDL_TRY(rdl_engine_refresh_range(j->engine, t, from, to, &column, &changed, err));
    rdl_buf_printf(j->out, "%.*s, %s", (int)t->full.n, t->full.p, column);
    rdl_buf_printf(j->out, from != NULL ? " from %s" : "%s", from != NULL ? from : "");
    rdl_buf_printf(j->out, to != NULL ? " to before %s" : "%s", to != NULL ? to : "");
    rdl_buf_puts(j->out, ": computed again with the snapshots as they are now, in ");
    say_changed(j, changed);
    return RDL_OK;
}

/* Each named view's rows of the range. */
static rdl_code refresh_range(const job *j, rdl_err *err)
{
    if (j->n == 0 || j->cli->arg_count == 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "a range needs a table");
        return rdl_err_hint(err, "Name it: raudal refresh DIR TABLE --from ... --to ...");
    }
    for (size_t i = 0; i < j->n; i++)
        RDL_TRY(refresh_one_range(j, j->tables[i], err));
    return RDL_OK;
}

rdl_code rdl_errand_refresh(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    bool range = rdl_cli_has(cli, RDL_CLI_FROM) || rdl_cli_has(cli, RDL_CLI_TO);
    job j;
    RDL_TRY(begin(&j, cli, e, out, err));
    if (cli->arg_count != 0)
        RDL_TRY(check_views(&j, err));
    keep_views(&j);
    return range ? refresh_range(&j, err) : refresh_whole(&j, err);
}

/* ---- publish ---- */

static bool chosen(const job *j, const rdl_table *t)
{
    for (size_t i = 0; i < j->n; i++)
        if (j->tables[i] == t)
            return true;
    return j->n == 0;
}

static void say_published(const job *j)
{
    const rdl_pipeline *p = rdl_engine_pipeline(j->engine);
    size_t n = 0;
    for (size_t i = 0; i < p->publication_count; i++) {
        const rdl_publication *pub = p->publications[i];
        if (!chosen(j, pub->table))
            continue;
        rdl_buf_printf(j->out, "%.*s filled in ", (int)pub->name.n, pub->name.p);
        rdl_url_put_shown(j->out, pub->url);
        rdl_buf_putc(j->out, '\n');
        n++;
    }
    rdl_buf_printf(j->out, "%zu table%s published from the lake in ", n, n == 1 ? "" : "s");
    put_took(j);
    rdl_buf_putc(j->out, '\n');
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
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot publish \"%.*s\": no PUBLISH statement names it",
                    (int)j->tables[i]->full.n, j->tables[i]->full.p);
        return rdl_err_hint(err, "Write PUBLISH %.*s TO 'sqlite:serving.db' PRIMARY KEY (...).",
                            (int)j->tables[i]->full.n, j->tables[i]->full.p);
    }
    return RDL_OK;
}

rdl_code rdl_errand_publish(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    job j;
    RDL_TRY(begin(&j, cli, e, out, err));
    if (cli->arg_count != 0)
        RDL_TRY(check_published(&j, err));
    RDL_TRY(rdl_engine_republish(e, j.tables, j.n, err));
    say_published(&j);
    return RDL_OK;
}
