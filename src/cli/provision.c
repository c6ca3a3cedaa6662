/*
 * cli/provision.c - `raudal provision`: what the stores need, made.
 */
#include <inttypes.h>

#include "base/url.h"
#include "cli/cli.h"
#include "stream/provision.h"

typedef struct telling {
    rdl_cli *cli;
    rdl_str store; /* of the last statement */
} telling;

/* Statements are for people and for psql: each ends in a semicolon, stores are comments. */
static rdl_code tell_statement(void *arg, rdl_str store, const char *sql, rdl_err *err)
{
    telling *t = arg;
    rdl_buf b = {0};
    if (t->store.p == NULL || !rdl_str_eq(t->store, store)) {
        t->store.p = rdl_arena_strndup(&t->cli->arena, store.p, store.n);
        t->store.n = store.n;
        rdl_buf_printf(&b, "-- %.*s\n", (int)store.n, store.p);
    }
    rdl_buf_printf(&b, "%s;\n", sql);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code tell_seed(void *arg, const rdl_publication *seed, uint64_t rows, rdl_err *err)
{
    telling *t = arg;
    rdl_buf b = {0};
    rdl_buf_printf(&b, "-- %" PRIu64 " row%s of %.*s %s %.*s of ", rows, rows == 1 ? "" : "s",
                   (int)seed->table->source->url.n, seed->table->source->url.p,
                   rdl_cli_has(t->cli, RDL_CLI_DRY_RUN) ? "would be upserted into"
                                                        : "upserted into",
                   (int)seed->name.n, seed->name.p);
    rdl_url_put_shown(&b, seed->url);
    rdl_buf_putc(&b, '\n');
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static void tell_refusal(void *arg, const rdl_err *why)
{
    (void)arg;
    rdl_cli_print_error(why);
}

static void tell_end(const rdl_cli *cli, const rdl_provision_report *r)
{
    const char *plural = r->tables == 1 ? "" : "s";
    if (r->statements == 0)
        rdl_cli_note("%zu table%s: all there, nothing to make", r->tables, plural);
    else
        rdl_cli_note("%zu table%s: %zu statement%s %s", r->tables, plural, r->statements,
                     r->statements == 1 ? "" : "s",
                     rdl_cli_has(cli, RDL_CLI_DRY_RUN) ? "would run" : "done");
}

rdl_code rdl_cmd_provision(rdl_cli *cli, rdl_err *err)
{
    rdl_cli_pipeline p;
    const rdl_table **tables = NULL;
    size_t n = 0;
    telling t = {.cli = cli};
    rdl_provision_report report = {0};
    RDL_TRY(rdl_cli_load(cli, &p, err));
    rdl_code rc = rdl_cli_tables(cli, p.pipeline, 0, &tables, &n, err);
    if (rc == RDL_OK) {
        const rdl_provision_config config = {
            .pipeline = p.pipeline,
            .duck = p.duck,
            .conn = p.conn,
            .root_dir = rdl_cli_root(cli),
            .tables = tables,
            .table_count = n,
            .dry_run = rdl_cli_has(cli, RDL_CLI_DRY_RUN),
            .statement = tell_statement,
            .seeded = tell_seed,
            .refused = tell_refusal,
            .arg = &t,
        };
        rc = rdl_provision(&config, &report, err);
    }
    if (rc == RDL_OK)
        tell_end(cli, &report);
    rdl_cli_unload(&p);
    return rc;
}
