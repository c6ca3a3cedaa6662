/*
 * cli/docs.c - `raudal docs`: the data dictionary, from the SQL and its comments; Markdown and JSON
 * (the page is docs_html.c's).  Markdown is of the text alone, so that it can be kept beside it;
 * HTML and JSON tell of the root as well, where there is one.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/url.h"
#include "cli/docs_root.h"
#include "cli/output.h"
#include "lang/explain.h"

typedef struct writer {
    rdl_cli *cli;
    const rdl_pipeline *p;
    rdl_docs_root root;
    rdl_buf b;
} writer;

static bool shown(const writer *w, const rdl_table *t)
{
    return !t->internal || rdl_cli_has(w->cli, RDL_CLI_INTERNAL);
}

/* Tables, then plain views. */
static const rdl_table *table_at(const rdl_pipeline *p, size_t i)
{
    return i < p->table_count ? p->tables[i] : p->views[i - p->table_count];
}

static rdl_str column_comment(const rdl_table *t, size_t i)
{
    return t->column_comments != NULL ? t->column_comments[i] : (rdl_str){"", 0};
}

static void put_columns(rdl_buf *b, const rdl_table *t, const size_t *columns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(b, "%s%.*s", i != 0 ? ", " : "", (int)t->columns.v[columns[i]].name.n,
                       t->columns.v[columns[i]].name.p);
}

static bool in_list(const size_t *list, size_t n, size_t x)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == x)
            return true;
    return false;
}

/* "key", "partition": what the column is for. */
static void put_role(rdl_buf *b, const rdl_table *t, size_t column)
{
    if (in_list(t->primary_key, t->primary_key_count, column))
        rdl_buf_puts(b, "key");
    if (in_list(t->dedup, t->dedup_count, column))
        rdl_buf_printf(b, "%sonce", b->n != 0 ? ", " : "");
    if (in_list(t->partition_by, t->partition_count, column))
        rdl_buf_printf(b, "%spartition", b->n != 0 ? ", " : "");
    if (t->source != NULL && t->source->watermark_column == (int)column)
        rdl_buf_puts(b, "event time");
}

static const char *action_name(rdl_violation v)
{
    static const char *const names[] = {"kept, counted", "row dropped", "row quarantined",
                                        "update fails", "imputed"};
    return names[v];
}

/* Facts about a table, one "name: value" a call. */
typedef void (*fact_fn)(writer *w, const char *name, const char *value);

static void give_fact(writer *w, fact_fn fn, const char *name, rdl_buf *value)
{
    if (value->n != 0)
        fn(w, name, rdl_buf_str(value));
    rdl_buf_clear(value);
}

static void give_facts(writer *w, const rdl_table *t, fact_fn fn)
{
    rdl_buf v = {0};
    if (t->source != NULL)
        rdl_url_put_shown(&v, t->source->url);
    give_fact(w, fn, "from", &v);
    for (size_t i = 0; i < t->input_count; i++)
        rdl_buf_printf(&v, "%s%.*s", i != 0 ? ", " : "", (int)t->inputs[i].table->full.n,
                       t->inputs[i].table->full.p);
    give_fact(w, fn, "reads", &v);
    put_columns(&v, t, t->primary_key, t->primary_key_count);
    give_fact(w, fn, "key", &v);
    put_columns(&v, t, t->dedup, t->dedup_count);
    give_fact(w, fn, "each once by", &v);
    put_columns(&v, t, t->partition_by, t->partition_count);
    give_fact(w, fn, "partitioned by", &v);
    if (t->kind == RDL_TABLE_VIEW && t->view_plan != NULL)
        rdl_buf_puts(&v, rdl_maintenance_name(t->view_plan->mode));
    give_fact(w, fn, "kept up to date", &v);
    for (size_t i = 0; i < w->p->publication_count; i++) {
        const rdl_publication *p = w->p->publications[i];
        if (p->table != t)
            continue;
        rdl_buf_printf(&v, "%s%.*s in ", v.n != 0 ? "; " : "", (int)p->name.n, p->name.p);
        rdl_url_put_shown(&v, p->url);
        rdl_buf_puts(&v, " by (");
        const rdl_table served = {.columns = p->columns};
        put_columns(&v, &served, p->key, p->key_count);
        rdl_buf_putc(&v, ')');
    }
    give_fact(w, fn, "published as", &v);
    rdl_buf_fini(&v);
}

/* ---- Markdown ---- */

static void put_markdown_cell(rdl_buf *b, rdl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '|')
            rdl_buf_putc(b, '\\');
        rdl_buf_putc(b, s.p[i] == '\n' ? ' ' : s.p[i]);
    }
}

static void markdown_fact(writer *w, const char *name, const char *value)
{
    rdl_buf_printf(&w->b, "- %s: %s\n", name, value);
}

static void markdown_columns(writer *w, const rdl_table *t)
{
    rdl_buf_puts(&w->b, "\n| column | type | role | meaning |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf type = {0}, role = {0};
        rdl_type_show(t->columns.v[i].type, &type);
        put_role(&role, t, i);
        rdl_buf_printf(&w->b, "| %.*s | %s | %s | ", (int)t->columns.v[i].name.n,
                       t->columns.v[i].name.p, rdl_buf_str(&type), rdl_buf_str(&role));
        put_markdown_cell(&w->b, column_comment(t, i));
        rdl_buf_puts(&w->b, " |\n");
        rdl_buf_fini(&type);
        rdl_buf_fini(&role);
    }
    rdl_buf_putc(&w->b, '\n');
}

static void markdown_constraints(writer *w, const rdl_table *t)
{
    if (t->constraint_count == 0)
        return;
    rdl_buf_puts(&w->b, "| rule | expects | otherwise |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < t->constraint_count; i++) {
        const rdl_constraint *c = &t->constraints[i];
        rdl_buf_printf(&w->b, "| %.*s | ", (int)c->name.n, c->name.p);
        if (c->unique_count != 0) {
            rdl_buf_puts(&w->b, "unique: ");
            put_columns(&w->b, t, c->unique, c->unique_count);
        } else {
            rdl_buf_putc(&w->b, '`');
            put_markdown_cell(&w->b, c->expr);
            rdl_buf_putc(&w->b, '`');
        }
        rdl_buf_printf(&w->b, " | %s |\n", action_name(c->action));
    }
    rdl_buf_putc(&w->b, '\n');
}

static void put_markdown(writer *w)
{
    rdl_buf_printf(&w->b, "# Data dictionary of %s\n\n", w->p->name);
    for (size_t i = 0; i < w->p->table_count + w->p->view_count; i++) {
        const rdl_table *t = table_at(w->p, i);
        if (!shown(w, t))
            continue;
        rdl_buf_printf(&w->b, "## %.*s\n\n*%s*\n\n", (int)t->full.n, t->full.p,
                       rdl_table_kind_name(t));
        if (t->comment.n != 0)
            rdl_buf_printf(&w->b, "%.*s\n\n", (int)t->comment.n, t->comment.p);
        give_facts(w, t, markdown_fact);
        markdown_columns(w, t);
        markdown_constraints(w, t);
    }
}

/* ---- JSON ---- */

static void json_fact(writer *w, const char *name, const char *value)
{
    rdl_buf_puts(&w->b, ", ");
    rdl_buf_put_json_text(&w->b, rdl_str_of(name));
    rdl_buf_puts(&w->b, ": ");
    rdl_buf_put_json_text(&w->b, rdl_str_of(value));
}

static void json_columns(writer *w, const rdl_table *t)
{
    rdl_buf_puts(&w->b, ", \"columns\": [");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf type = {0};
        rdl_type_show(t->columns.v[i].type, &type);
        rdl_buf_puts(&w->b, i != 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
        rdl_buf_put_json_text(&w->b, t->columns.v[i].name);
        rdl_buf_puts(&w->b, ", \"type\": ");
        rdl_buf_put_json_text(&w->b, (rdl_str){rdl_buf_str(&type), type.n});
        rdl_buf_puts(&w->b, ", \"meaning\": ");
        rdl_buf_put_json_text(&w->b, column_comment(t, i));
        rdl_buf_putc(&w->b, '}');
        rdl_buf_fini(&type);
    }
    rdl_buf_puts(&w->b, "], \"rules\": [");
    for (size_t i = 0; i < t->constraint_count; i++) {
        const rdl_constraint *c = &t->constraints[i];
        rdl_buf_puts(&w->b, i != 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
        rdl_buf_put_json_text(&w->b, c->name);
        rdl_buf_puts(&w->b, ", \"expects\": ");
        rdl_buf_put_json_text(&w->b, c->expr.p != NULL ? c->expr : RDL_STR(""));
        rdl_buf_printf(&w->b, ", \"otherwise\": \"%s\"}", action_name(c->action));
    }
    rdl_buf_puts(&w->b, "]}");
}

static void json_root(writer *w, const rdl_table *t)
{
    const rdl_docs_table *d = &w->root.tables[t->index];
    const rdl_table_status *s = &d->status;
    if (!w->root.there || t->kind < RDL_TABLE_STREAMING || t->kind == RDL_TABLE_PLAIN)
        return;
    rdl_buf_printf(&w->b,
                   ", \"rows\": %" PRIu64 ", \"files\": %" PRIu64 ", \"bytes\": %" PRIu64
                   ", \"quarantined\": %" PRIu64 ", \"partitions\": %zu, \"changed\": ",
                   s->rows, s->files, s->bytes, s->quarantined, d->partitions);
    if (s->changed_us == INT64_MIN) {
        rdl_buf_puts(&w->b, "null");
    } else {
        rdl_buf_putc(&w->b, '"');
        rdl_timestamp_print_iso(s->changed_us, &w->b);
        rdl_buf_putc(&w->b, '"');
    }
    rdl_buf_puts(&w->b, ", \"quality\": [");
    for (size_t i = 0; i < d->days.n; i++) {
        rdl_buf_puts(&w->b, i > 0 ? ", {\"day\": \"" : "{\"day\": \"");
        rdl_date_print(d->days.v[i].day, &w->b);
        rdl_buf_printf(&w->b, "\", \"written\": %" PRIu64 ", \"rejected\": %" PRIu64 "}",
                       d->days.v[i].written, d->days.v[i].rejected);
    }
    rdl_buf_putc(&w->b, ']');
}

static void json_governance(writer *w, const rdl_table *t)
{
    bool first = true;
    rdl_buf_puts(&w->b, ", \"owner\": ");
    rdl_buf_put_json_text(&w->b, rdl_docs_owner(w->p, t->comment));
    rdl_buf_puts(&w->b, ", \"inputs\": [");
    for (size_t i = 0; i < t->input_count; i++) {
        rdl_buf_puts(&w->b, i > 0 ? ", " : "");
        rdl_buf_put_json_text(&w->b, t->inputs[i].table->full);
    }
    rdl_buf_puts(&w->b, "], \"granted_to\": [");
    for (size_t i = 0; i < w->p->grant_count; i++) {
        if (!rdl_grant_covers(&w->p->grants[i], t))
            continue;
        rdl_buf_puts(&w->b, first ? "" : ", ");
        rdl_buf_put_json_text(&w->b, w->p->grants[i].role);
        first = false;
    }
    rdl_buf_putc(&w->b, ']');
}

static void put_json(writer *w)
{
    bool first = true;
    rdl_buf_puts(&w->b, "{\"pipeline\": ");
    rdl_buf_put_json_text(&w->b, rdl_str_of(w->p->name));
    if (w->root.there)
        rdl_buf_printf(&w->b, ", \"epoch\": %" PRIu64, w->root.epoch);
    rdl_buf_puts(&w->b, ", \"tables\": [");
    for (size_t i = 0; i < w->p->table_count + w->p->view_count; i++) {
        const rdl_table *t = table_at(w->p, i);
        if (!shown(w, t))
            continue;
        rdl_str comment = rdl_docs_comment(&w->cli->arena, t->comment);
        rdl_buf_puts(&w->b, first ? "\n  {\"table\": " : ",\n  {\"table\": ");
        first = false;
        rdl_buf_put_json_text(&w->b, t->full);
        rdl_buf_printf(&w->b, ", \"kind\": \"%s\", \"comment\": ", rdl_table_kind_name(t));
        rdl_buf_put_json_text(&w->b, comment.p != NULL ? comment : RDL_STR(""));
        give_facts(w, t, json_fact);
        json_governance(w, t);
        json_root(w, t);
        json_columns(w, t);
    }
    rdl_buf_puts(&w->b, "]}\n");
}

static void put_html(writer *w)
{
    rdl_docs_put_html(&w->b, w->p, &w->root, rdl_cli_has(w->cli, RDL_CLI_INTERNAL));
}

static rdl_code choose(rdl_cli *cli, void (**out)(writer *), rdl_err *err)
{
    const char *format = cli->values[RDL_CLI_FORMAT];
    *out = rdl_cli_has(cli, RDL_CLI_JSON) ? put_json : put_markdown;
    if (format == NULL || strcmp(format, "markdown") == 0)
        return RDL_OK;
    *out = strcmp(format, "html") == 0 ? put_html : put_json;
    if (*out == put_html || strcmp(format, "json") == 0)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized format \"%s\"", format);
    return rdl_err_hint(err, "Formats are markdown, html and json.");
}

static rdl_code put_and_print(writer *w, void (*put)(writer *), rdl_err *err)
{
    put(w);
    rdl_code rc = rdl_cli_print(&w->b, err);
    rdl_buf_fini(&w->b);
    return rc;
}

static rdl_code with_root(writer *w, void (*put)(writer *), rdl_err *err)
{
    rdl_reader *r;
    RDL_TRY(rdl_cli_open_reader(w->cli, &r, err));
    w->p = rdl_reader_pipeline(r);
    rdl_code rc = rdl_docs_root_read(r, &w->cli->arena, &w->root, err);
    if (rc == RDL_OK)
        rc = put_and_print(w, put, err);
    rdl_reader_close(r);
    return rc;
}

rdl_code rdl_cmd_docs(rdl_cli *cli, rdl_err *err)
{
    rdl_cli_pipeline p;
    writer w = {.cli = cli};
    void (*put)(writer *);
    RDL_TRY(choose(cli, &put, err));
    const char *journal = rdl_path_join(&cli->arena, rdl_cli_root(cli), "state/journal");
    if (put != put_markdown && rdl_fs_exists(journal))
        return with_root(&w, put, err);
    RDL_TRY(rdl_cli_load(cli, &p, err));
    w.p = p.pipeline;
    rdl_code rc = put_and_print(&w, put, err);
    rdl_cli_unload(&p);
    return rc;
}
