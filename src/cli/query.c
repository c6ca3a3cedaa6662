/*
 * cli/query.c - `raudal query`: a query of queries/, answered by the serving store.
 */
#include <stdio.h>

#include "base/fs.h"
#include "cli/output.h"
#include "cli/statement.h"
#include "sink/sink.h"

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

static void put_usage(rdl_buf *b, const rdl_parameter *parameters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(b, "%s%s%s=...%s", i != 0 ? " " : "",
                       parameters[i].optional ? "[" : "", parameters[i].name,
                       parameters[i].optional ? "]" : "");
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
        put_usage(&usage, parameters, n);
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

/* ---- which query, which values ---- */

static rdl_code find_query(const rdl_pipeline *p,
                           const char *name,
                           const rdl_query_file **out,
                           rdl_err *err)
{
    rdl_arena a;
    RDL_VEC(const char *) names = {0};
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < p->query_count; i++) {
        if (rdl_str_eq(p->queries[i].name, rdl_str_of(name))) {
            *out = &p->queries[i];
            rdl_arena_fini(&a);
            return RDL_OK;
        }
        RDL_PUSH(&a, &names) =
            rdl_arena_strndup(&a, p->queries[i].name.p, p->queries[i].name.n);
    }
    const char *nearest = rdl_nearest(rdl_str_of(name), names.v, names.n);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized query \"%s\" in pipeline \"%s\"", name,
                p->name);
    if (nearest != NULL)
        rdl_err_hint(err, "Did you mean \"%s\"?", nearest);
    else if (p->query_count == 0)
        rdl_err_hint(err, "Write its SELECT into queries/%s.sql.", name);
    else
        rdl_err_hint(err, "`raudal query DIR` lists the queries.");
    rdl_arena_fini(&a);
    return RDL_EUSAGE;
}

typedef struct bindings {
    const char **names, **values;
    size_t n;
} bindings;

static rdl_code read_pair(rdl_cli *cli, const char *pair, bindings *b, rdl_err *err)
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

/* Optional ones that were left out are NULL; a required one is asked for by name. */
static rdl_code
read_values(rdl_cli *cli, const rdl_query_file *q, bindings *b, rdl_err *err)
{
    rdl_parameter *parameters;
    size_t n, given;
    rdl_buf usage = {0};
    rdl_statement_parameters(&cli->arena, q->text, &parameters, &n);
    b->names = RDL_NEWN(&cli->arena, const char *, cli->arg_count + n);
    b->values = RDL_NEWN(&cli->arena, const char *, cli->arg_count + n);
    for (size_t i = 1; i < cli->arg_count; i++)
        RDL_TRY(read_pair(cli, cli->args[i], b, err));
    given = b->n;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < given && strcmp(b->names[k], parameters[i].name) != 0)
            k++;
        if (k < given)
            continue;
        if (!parameters[i].optional) {
            put_usage(&usage, parameters, n);
            rdl_err_set(err, RDL_EUSAGE, 0, "query \"%.*s\" needs a value for \"%s\"%s%s",
                        (int)q->name.n, q->name.p, parameters[i].name,
                        parameters[i].description[0] != '\0' ? ": " : "",
                        parameters[i].description);
            rdl_err_hint(err, "Usage: raudal query %s %.*s %s", cli->dir, (int)q->name.n,
                         q->name.p, rdl_buf_str(&usage));
            rdl_buf_fini(&usage);
            return RDL_EUSAGE;
        }
        b->names[b->n] = parameters[i].name;
        b->values[b->n++] = NULL;
    }
    return RDL_OK;
}

/* ---- which store ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

static bool mentions(rdl_str text, rdl_str name)
{
    for (size_t at = 0; at + name.n <= text.n; at++)
        if (rdl_str_eq_nocase((rdl_str){text.p + at, name.n}, name) &&
            (at == 0 || !is_word(text.p[at - 1])) &&
            (at + name.n == text.n || !is_word(text.p[at + name.n])))
            return true;
    return false;
}

/* --store, else the one store that holds the tables which the text mentions. */
static rdl_code choose_store(rdl_cli *cli,
                             const rdl_pipeline *p,
                             const rdl_query_file *q,
                             rdl_str *out,
                             rdl_err *err)
{
    const char *wanted = cli->values[RDL_CLI_STORE];
    *out = wanted != NULL ? rdl_str_of(wanted) : (rdl_str){0};
    if (wanted != NULL)
        return RDL_OK;
    for (size_t pass = 0; pass < 2 && out->n == 0; pass++) {
        for (size_t i = 0; i < p->publication_count; i++) {
            const rdl_publication *pub = p->publications[i];
            if ((pass == 0 && !mentions(q->text, pub->name)) ||
                (out->n != 0 && rdl_str_eq(*out, pub->url)))
                continue;
            if (out->n != 0) {
                rdl_err_set(err, RDL_EUSAGE, 0,
                            "query \"%.*s\" could be answered by several stores: \"%.*s\", "
                            "\"%.*s\"",
                            (int)q->name.n, q->name.p, (int)out->n, out->p, (int)pub->url.n,
                            pub->url.p);
                return rdl_err_hint(err, "Choose one with --store URL.");
            }
            *out = pub->url;
        }
    }
    if (out->n != 0)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "pipeline \"%s\" publishes no table that could answer",
                p->name);
    return rdl_err_hint(err,
                        "Write PUBLISH s.t TO 'sqlite:serving.db' PRIMARY KEY (...), or "
                        "ask the lake with raudal sql.");
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

static rdl_code
give_row(void *arg, size_t n, const rdl_str *values, const bool *numeric, rdl_err *err)
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

static rdl_code
ask(rdl_cli *cli, const rdl_query_file *q, rdl_str url, const bindings *b, rdl_err *err)
{
    const rdl_sink_ops *ops;
    rdl_sink *sink = NULL;
    asking a = {.cli = cli};
    rdl_sink_config config = {.url = rdl_arena_strndup(&cli->arena, url.p, url.n),
                              .root_dir = rdl_cli_root(cli),
                              .root_uuid = "",
                              .read_only = true};
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &a.format, err));
    RDL_TRY(rdl_sink_find(url, &ops, err));
    RDL_TRY(ops->open(&config, &sink, err));
    rdl_code rc = ops->query(sink, rdl_arena_strndup(&cli->arena, q->text.p, q->text.n),
                             b->names, b->values, b->n, begin_rows, give_row, &a, err);
    ops->close(sink);
    if (rc == RDL_OK)
        return rdl_output_finish(a.output, err);
    rdl_output_drop(a.output);
    return rdl_err_in(rc, err, "query %.*s", (int)q->name.n, q->name.p);
}

static rdl_code query(rdl_cli *cli, const rdl_pipeline *p, rdl_err *err)
{
    const rdl_query_file *q = NULL;
    bindings b = {0};
    rdl_str url;
    if (cli->arg_count == 0)
        return list_queries(cli, p, err);
    RDL_TRY(find_query(p, cli->args[0], &q, err));
    RDL_TRY(read_values(cli, q, &b, err));
    RDL_TRY(choose_store(cli, p, q, &url, err));
    return ask(cli, q, url, &b, err);
}

rdl_code rdl_cmd_query(rdl_cli *cli, rdl_err *err)
{
    rdl_cli_pipeline p;
    RDL_TRY(rdl_cli_load(cli, &p, err));
    rdl_code rc = query(cli, p.pipeline, err);
    rdl_cli_unload(&p);
    return rc;
}
