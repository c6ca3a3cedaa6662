/*
 * cli/query.c - `raudal query`: a query of queries/, answered by the serving store.
 */
#include <stdio.h>

#include "cli/output.h"
#include "ops/named_query.h"

typedef struct asking {
    rdl_cli *cli;
    rdl_output_format format;
    rdl_output *output;
    rdl_cell *cells;
} asking;

/* ---- listing ---- */

/* The comment's lines before its first parameter, as one line. */
static void put_about(rdl_buf *b, rdl_str comment)
{
    for (size_t at = 0; at < comment.n;) {
        size_t end = at;
        while (end < comment.n && comment.p[end] != '\n')
            end++;
        while (at < end && (comment.p[at] == '-' || comment.p[at] == ' '))
            at++;
        if (at < end && comment.p[at] == '$')
            return;
        if (b->n != 0 && at < end)
            rdl_buf_putc(b, ' ');
        rdl_buf_put(b, comment.p + at, end - at);
        at = end + 1;
    }
}

static rdl_code list_queries(rdl_cli *cli, const rdl_pipeline *p, rdl_err *err)
{
    static const char *const names[] = {"query", "parameters", "what it answers"};
    rdl_output_format format;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    rdl_output *o = rdl_output_new(format, names, 3);
    for (size_t i = 0; i < p->query_count; i++) {
        rdl_row row;
        rdl_buf usage = {0}, about = {0};
        rdl_parameter *parameters;
        size_t n;
        rdl_statement_parameters(&cli->arena, p->queries[i].text, &parameters, &n);
        rdl_named_query_usage(&usage, parameters, n);
        put_about(&about, p->queries[i].comment);
        rdl_row_begin(&row, &cli->arena);
        rdl_row_str(&row, p->queries[i].name);
        rdl_row_text(&row, rdl_buf_str(&usage));
        rdl_row_text(&row, rdl_buf_str(&about));
        rdl_output_row(o, row.cells);
        rdl_buf_fini(&usage);
        rdl_buf_fini(&about);
    }
    return rdl_output_finish(o, err);
}

/* ---- which values ---- */

static rdl_code read_pair(rdl_cli *cli, const char *pair, rdl_named_values *b, rdl_err *err)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair) {
        rdl_err_set(err, RDL_EUSAGE, 0, "could not read \"%s\"", pair);
        return rdl_err_hint(err, "Values are given as PARAMETER=VALUE.");
    }
    char *name = rdl_arena_strndup(&cli->arena, pair, (size_t)(equals - pair));
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->names[i], name) == 0)
            return rdl_err_set(err, RDL_EUSAGE, 0, "parameter \"%s\" is given twice", name);
    b->names[b->n] = name;
    b->values[b->n++] = equals + 1;
    return RDL_OK;
}

/* ---- asking ---- */

static rdl_code begin_rows(void *arg, size_t n, const char *const *names, rdl_err *err)
{
    asking *a = arg;
    (void)err;
    a->output = rdl_output_new(a->format, names, n);
    a->cells = RDL_NEWN(&a->cli->arena, rdl_cell, n);
    return RDL_OK;
}

static rdl_code give_row(void *arg, size_t n, const rdl_str *values, const bool *numeric,
                         rdl_err *err)
{
    asking *a = arg;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        rdl_cell_kind kind = values[i].p == NULL ? RDL_CELL_NULL
                             : numeric[i]        ? RDL_CELL_NUMBER
                                                 : RDL_CELL_TEXT;
        a->cells[i] = (rdl_cell){kind, values[i].p != NULL ? values[i] : RDL_STR("")};
    }
    rdl_output_row(a->output, a->cells);
    return RDL_OK;
}

static rdl_code ask(rdl_cli *cli, const rdl_pipeline *p, rdl_err *err)
{
    asking a = {.cli = cli};
    rdl_named_query q = {
        .pipeline = p, .store = cli->values[RDL_CLI_STORE], .root_dir = rdl_cli_root(cli)};
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &a.format, err));
    RDL_TRY(rdl_named_query_find(p, cli->args[0], &q.file, err));
    q.values.names = RDL_NEWN(&cli->arena, const char *, cli->arg_count);
    q.values.values = RDL_NEWN(&cli->arena, const char *, cli->arg_count);
    for (size_t i = 1; i < cli->arg_count; i++)
        RDL_TRY(read_pair(cli, cli->args[i], &q.values, err));
    rdl_code rc = rdl_named_query_run(&cli->arena, &q, begin_rows, give_row, &a, err);
    if (rc == RDL_OK)
        return rdl_output_finish(a.output, err);
    rdl_output_drop(a.output);
    return rc;
}

rdl_code rdl_cmd_query(rdl_cli *cli, rdl_err *err)
{
    rdl_cli_pipeline p;
    RDL_TRY(rdl_cli_load(cli, &p, err));
    rdl_code rc =
        cli->arg_count == 0 ? list_queries(cli, p.pipeline, err) : ask(cli, p.pipeline, err);
    rdl_cli_unload(&p);
    return rc;
}
