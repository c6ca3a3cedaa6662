/*
 * cli/check.c - `raudal check`: is the pipeline's text right?
 */
#include <stdio.h>

#include "cli/output.h"

typedef struct counts {
    size_t sources, tables, views;
} counts;

static counts count(const rdl_pipeline *p)
{
    counts c = {0};
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        if (t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_SNAPSHOT)
            c.sources++;
        else if (t->kind == RDL_TABLE_STREAMING)
            c.tables += t->internal ? 0 : 1;
        else
            c.views += t->internal ? 0 : 1;
    }
    return c;
}

static void put_count(rdl_buf *b, size_t n, const char *what)
{
    rdl_buf_printf(b, "%s%zu %s%s", b->n != 0 ? ", " : "", n, what, n == 1 ? "" : "s");
}

static rdl_code print_variables(rdl_cli *cli, const rdl_pipeline *p, rdl_err *err)
{
    static const char *const names[] = {"variable", "value", "from"};
    rdl_output_format format;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    rdl_output *o = rdl_output_new(format, names, 3);
    for (size_t i = 0; i < p->variable_count; i++) {
        rdl_row row;
        rdl_row_begin(&row, &cli->arena);
        rdl_row_str(&row, p->variables[i].name);
        rdl_row_str(&row, rdl_name_is_secret(p->variables[i].name) ? RDL_STR("(hidden)")
                                                                   : p->variables[i].value);
        rdl_row_text(&row, p->variables[i].from);
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

static rdl_code print_summary(const rdl_pipeline *p, rdl_err *err)
{
    rdl_buf b = {0};
    counts c = count(p);
    put_count(&b, c.sources, "source");
    put_count(&b, c.tables, "streaming table");
    put_count(&b, c.views, "view");
    put_count(&b, p->publication_count, "publication");
    rdl_buf_printf(&b, ", %zu quer%s: the pipeline \"%s\" is right\n", p->query_count,
                   p->query_count == 1 ? "y" : "ies", p->name);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

/* {"ok": ..., "diagnostics": [...]}; the exit code is that of the plain form. */
static rdl_code check_json(rdl_cli *cli, rdl_conn *conn, rdl_err *err)
{
    rdl_diags diags;
    rdl_buf b = {0};
    rdl_pipeline *p;
    rdl_load_options options = rdl_cli_load_options(cli);
    rdl_diags_init(&diags, &cli->arena);
    rdl_code rc = rdl_pipeline_load(&cli->arena, conn, cli->dir, &options, &diags, &p, err);
    if (rc != RDL_OK && diags.errors == 0)
        return rc;
    rdl_buf_printf(&b, "{\"ok\": %s, \"diagnostics\": ", rc == RDL_OK ? "true" : "false");
    rdl_diags_print_json(&diags, &b);
    while (b.n != 0 && b.p[b.n - 1] == '\n')
        b.n--;
    rdl_buf_puts(&b, "}\n");
    rdl_code printed = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    if (rc != RDL_OK)
        cli->exit_code = rdl_err_exit_code(err);
    return printed;
}

rdl_code rdl_cmd_check(rdl_cli *cli, rdl_err *err)
{
    rdl_cli_pipeline p = {0};
    rdl_code rc;
    if (rdl_cli_has(cli, RDL_CLI_JSON) && !rdl_cli_has(cli, RDL_CLI_VARIABLES)) {
        RDL_TRY(rdl_duck_open(&(rdl_duck_config){.threads = 1}, &p.duck, err));
        rc = rdl_conn_open(p.duck, &p.conn, err);
        if (rc == RDL_OK)
            rc = check_json(cli, p.conn, err);
        rdl_cli_unload(&p);
        return rc;
    }
    RDL_TRY(rdl_cli_load(cli, &p, err));
    rc = rdl_cli_has(cli, RDL_CLI_VARIABLES) ? print_variables(cli, p.pipeline, err)
                                             : print_summary(p.pipeline, err);
    rdl_cli_unload(&p);
    return rc;
}
