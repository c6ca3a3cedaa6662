/*
 * cli/docs_html.c - the data dictionary as one HTML page: how tables hang together, then each of
 * them.
 *
 * Nothing outside of the page is needed; the one script filters the list.  The graph is drawn in
 * columns: a table stands one to the right of the rightmost one that it reads.  A column is as wide
 * as its longest name.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/url.h"
#include "cli/docs_root.h"
#include "lang/explain.h"
#include "stream/schedule.h"

enum {
    BOX_HEIGHT = 26,
    BOX_PADDING = 8,
    LETTER_WIDTH = 7, /* of 12 pixels */
    COLUMN_GAP = 44,
    ROW_HEIGHT = 38,
    CHART_HEIGHT = 36,
    BAR_WIDTH = 6,
};

typedef struct page {
    rdl_buf *b;
    const rdl_pipeline *p;
    const rdl_docs_root *root;
    rdl_arena arena;
    bool internal;
    size_t *column, *row; /* by table: place in the graph */
    size_t *left, *width; /* by column: pixels */
    bool owners;          /* some table has one */
} page;

static const char head[] =
    "<style>\n"
    ":root{color-scheme:light dark;--line:#8884;--soft:color-mix(in srgb,CanvasText 62%,Canvas);--back:#8881;--good:#2a9d6f;--bad:#d1495b}\n"
    "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1.5rem 1rem 4rem}\n"
    "h1{margin:.2rem 0}h2{margin:0 0 .5rem;font-size:1.15rem}a{color:inherit}\n"
    "section{border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.2rem;margin:1rem 0}\n"
    "p{white-space:pre-line;margin:.5rem 0}.soft{color:var(--soft)}.kind{float:right;color:var(--soft)}\n"
    "table{border-collapse:collapse;width:100%;margin:.6rem 0}th{font-weight:600;color:var(--soft)}\n"
    "th,td{border-bottom:1px solid var(--line);padding:.25rem .6rem .25rem 0;text-align:left;vertical-align:top}\n"
    "td.n,th.n{text-align:right}code{font-size:.9em;background:var(--back);padding:0 .25rem;border-radius:.25rem}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.6rem 0}dt{color:var(--soft)}dd{margin:0}\n"
    ".scroll{overflow-x:auto}input{font:inherit;padding:.35rem .6rem;width:16rem;max-width:100%}\n"
    "svg text{font:12px system-ui,sans-serif;fill:currentColor}svg rect.box{fill:color-mix(in srgb,CanvasText 4%,Canvas);stroke:var(--line)}\n"
    "svg path{fill:none;stroke:color-mix(in srgb,CanvasText 32%,Canvas)}rect.good{fill:var(--good)}rect.bad{fill:var(--bad)}\n"
    "@media(max-width:40rem){.kind{float:none;display:block}}\n"
    "</style></head><body>\n";

static const char tail[] =
    "<script>\n"
    "const find=document.getElementById('find');\n"
    "find.addEventListener('input',()=>{const w=find.value.toLowerCase();\n"
    "for(const e of document.querySelectorAll('[data-find]'))e.hidden=!e.dataset.find.toLowerCase().includes(w)});\n"
    "</script></body></html>\n";

static void put_text(rdl_buf *b, rdl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '<')
            rdl_buf_puts(b, "&lt;");
        else if (s.p[i] == '&')
            rdl_buf_puts(b, "&amp;");
        else if (s.p[i] == '"')
            rdl_buf_puts(b, "&quot;");
        else
            rdl_buf_putc(b, s.p[i]);
    }
}

static bool shown(const page *x, const rdl_table *t)
{
    return !t->internal || x->internal;
}

static void put_count(rdl_buf *b, uint64_t n)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            rdl_buf_puts(b, "\xe2\x80\xaf"); /* narrow space */
        rdl_buf_putc(b, digits[i]);
    }
}

static void put_link(page *x, const rdl_table *t)
{
    if (!shown(x, t)) {
        put_text(x->b, t->full);
        return;
    }
    rdl_buf_puts(x->b, "<a href=\"#");
    put_text(x->b, t->full);
    rdl_buf_puts(x->b, "\">");
    put_text(x->b, t->full);
    rdl_buf_puts(x->b, "</a>");
}

/* ---- the graph ---- */

static size_t letters(rdl_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void place_tables(page *x, size_t *columns, size_t *rows)
{
    const rdl_pipeline *p = x->p;
    size_t *used = RDL_NEWN(&x->arena, size_t, p->table_count + 2);
    x->column = RDL_NEWN(&x->arena, size_t, p->table_count + 1);
    x->row = RDL_NEWN(&x->arena, size_t, p->table_count + 1);
    x->left = RDL_NEWN(&x->arena, size_t, p->table_count + 2);
    x->width = RDL_NEWN(&x->arena, size_t, p->table_count + 2);
    *columns = *rows = 0;
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        for (size_t k = 0; k < t->input_count; k++) {
            size_t in = x->column[t->inputs[k].table->index];
            if (in + 1 > x->column[i])
                x->column[i] = in + 1;
        }
        if (!shown(x, t))
            continue;
        x->row[i] = used[x->column[i]]++;
        size_t width = letters(t->full) * LETTER_WIDTH + 2 * BOX_PADDING;
        if (width > x->width[x->column[i]])
            x->width[x->column[i]] = width;
        *rows = x->row[i] + 1 > *rows ? x->row[i] + 1 : *rows;
        *columns = x->column[i] + 1 > *columns ? x->column[i] + 1 : *columns;
    }
    for (size_t i = 1; i <= *columns; i++)
        x->left[i] = x->left[i - 1] + x->width[i - 1] + COLUMN_GAP;
}

static void put_edge(page *x, const rdl_table *from, const rdl_table *to)
{
    size_t x1 = x->left[x->column[from->index]] + x->width[x->column[from->index]],
           y1 = x->row[from->index] * ROW_HEIGHT + BOX_HEIGHT / 2,
           x2 = x->left[x->column[to->index]], y2 = x->row[to->index] * ROW_HEIGHT + BOX_HEIGHT / 2;
    rdl_buf_printf(x->b, "<path d=\"M%zu %zuC%zu %zu %zu %zu %zu %zu\"/>\n", x1, y1, x1 + 30, y1,
                   x2 - 30, y2, x2, y2);
}

/* From what it reads; what is not shown is passed through. */
static void put_edges(page *x, const rdl_table *reader, const rdl_table *to)
{
    for (size_t k = 0; k < reader->input_count; k++) {
        const rdl_table *in = reader->inputs[k].table;
        if (shown(x, in))
            put_edge(x, in, to);
        else
            put_edges(x, in, to);
    }
    if (reader->cdc_snapshot != NULL)
        put_edge(x, reader->cdc_snapshot, to);
}

static void put_graph(page *x)
{
    size_t columns, rows;
    place_tables(x, &columns, &rows);
    rdl_buf_printf(
        x->b,
        "<section class=\"scroll\"><h2>Lineage</h2>\n<svg width=\"%zu\" height=\"%zu\" role=\"img\" "
        "aria-label=\"lineage\">\n",
        columns > 0 ? x->left[columns - 1] + x->width[columns - 1] + 1 : 0, rows * ROW_HEIGHT - 6);
    for (size_t i = 0; i < x->p->table_count; i++) {
        const rdl_table *t = x->p->tables[i];
        if (shown(x, t))
            put_edges(x, t, t);
    }
    for (size_t i = 0; i < x->p->table_count; i++) {
        const rdl_table *t = x->p->tables[i];
        size_t left = x->left[x->column[i]], top = x->row[i] * ROW_HEIGHT;
        if (!shown(x, t))
            continue;
        rdl_buf_puts(x->b, "<a href=\"#");
        put_text(x->b, t->full);
        rdl_buf_printf(
            x->b,
            "\"><rect class=\"box\" x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%d\" rx=\"5\"/>"
            "<text x=\"%zu\" y=\"%zu\">",
            left, top + 1, x->width[x->column[i]], BOX_HEIGHT, left + BOX_PADDING, top + 18);
        put_text(x->b, t->full);
        rdl_buf_puts(x->b, "</text></a>\n");
    }
    rdl_buf_puts(x->b, "</svg></section>\n");
}

/* ---- the list ---- */

static void put_list(page *x)
{
    rdl_buf_puts(
        x->b,
        "<section><h2>Tables</h2>\n<p><input id=\"find\" type=\"search\" placeholder=\"Find a "
        "table or column\" aria-label=\"find\"></p>\n<div class=\"scroll\"><table><tr><th>table</th>"
        "<th>kind</th>");
    for (size_t i = 0; i < x->p->table_count; i++)
        x->owners |=
            shown(x, x->p->tables[i]) && rdl_docs_owner(x->p, x->p->tables[i]->comment).n > 0;
    rdl_buf_puts(x->b, x->owners ? "<th>owner</th>" : "");
    if (x->root->there)
        rdl_buf_puts(x->b, "<th class=\"n\">rows</th><th class=\"n\">size</th><th>changed</th>");
    rdl_buf_puts(x->b, "</tr>\n");
    for (size_t i = 0; i < x->p->table_count; i++) {
        const rdl_table *t = x->p->tables[i];
        if (!shown(x, t))
            continue;
        rdl_buf_puts(x->b, "<tr data-find=\"");
        put_text(x->b, t->full);
        for (size_t k = 0; k < t->columns.n; k++) {
            rdl_buf_putc(x->b, ' ');
            put_text(x->b, t->columns.v[k].name);
        }
        rdl_buf_puts(x->b, "\"><td>");
        put_link(x, t);
        rdl_buf_printf(x->b, "</td><td>%s</td>", rdl_table_kind_name(t));
        rdl_buf_puts(x->b, x->owners ? "<td>" : "");
        put_text(x->b, x->owners ? rdl_docs_owner(x->p, t->comment) : (rdl_str){"", 0});
        rdl_buf_puts(x->b, x->owners ? "</td>" : "");
        if (x->root->there) {
            const rdl_table_status *s = &x->root->tables[i].status;
            rdl_buf_puts(x->b, "<td class=\"n\">");
            put_count(x->b, s->rows);
            rdl_buf_puts(x->b, "</td><td class=\"n\">");
            if (s->bytes > 0)
                rdl_put_bytes(x->b, s->bytes);
            rdl_buf_puts(x->b, "</td><td>");
            if (s->changed_us != INT64_MIN)
                rdl_timestamp_print(s->changed_us - s->changed_us % 1000000, x->b);
            rdl_buf_puts(x->b, "</td>");
        }
        rdl_buf_puts(x->b, "</tr>\n");
    }
    rdl_buf_puts(x->b, "</table></div></section>\n");
}

/* ---- one table ---- */

static void fact_begin(page *x, const char *name)
{
    rdl_buf_printf(x->b, "<dt>%s</dt><dd>", name);
}

static void put_names(page *x, const rdl_schema *s, const size_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(x->b, i > 0 ? ", " : "");
        put_text(x->b, s->v[list[i]].name);
    }
}

static void put_reads(page *x, const rdl_table *t)
{
    bool any = false;
    if (t->input_count > 0) {
        fact_begin(x, "reads");
        for (size_t i = 0; i < t->input_count; i++) {
            rdl_buf_puts(x->b, i > 0 ? ", " : "");
            put_link(x, t->inputs[i].table);
        }
        rdl_buf_puts(x->b, "</dd>\n");
    }
    for (size_t i = 0; i < x->p->table_count; i++) {
        const rdl_table *r = x->p->tables[i];
        bool reads = false;
        for (size_t k = 0; k < r->input_count && shown(x, r); k++)
            reads |= r->inputs[k].table == t;
        if (!reads)
            continue;
        if (!any)
            fact_begin(x, "read by");
        rdl_buf_puts(x->b, any ? ", " : "");
        put_link(x, r);
        any = true;
    }
    rdl_buf_puts(x->b, any ? "</dd>\n" : "");
}

static void put_published(page *x, const rdl_table *t)
{
    for (size_t i = 0; i < x->p->publication_count; i++) {
        const rdl_publication *p = x->p->publications[i];
        if (p->table != t)
            continue;
        fact_begin(x, "published as");
        put_text(x->b, p->name);
        rdl_buf_puts(x->b, " in ");
        put_text(x->b, rdl_url_shown(&x->arena, p->url));
        rdl_buf_puts(x->b, " by (");
        put_names(x, &p->columns, p->key, p->key_count);
        rdl_buf_puts(x->b, ")</dd>\n");
    }
}

static void put_granted(page *x, const rdl_table *t)
{
    bool any = false;
    for (size_t i = 0; i < x->p->grant_count; i++) {
        if (!rdl_grant_covers(&x->p->grants[i], t))
            continue;
        if (!any)
            fact_begin(x, "may be read by");
        rdl_buf_puts(x->b, any ? ", " : "");
        put_text(x->b, x->p->grants[i].role);
        any = true;
    }
    rdl_buf_puts(x->b, any ? "</dd>\n" : "");
}

static void put_size(page *x, const rdl_docs_table *d)
{
    const rdl_table_status *s = &d->status;
    fact_begin(x, "size");
    put_count(x->b, s->rows);
    rdl_buf_puts(x->b, " rows");
    if (s->files > 0) {
        rdl_buf_printf(x->b, ", %" PRIu64 " file%s, ", s->files, s->files == 1 ? "" : "s");
        rdl_put_bytes(x->b, s->bytes);
    }
    if (s->quarantined > 0)
        rdl_buf_printf(x->b, "; %" PRIu64 " rows wait in quarantine", s->quarantined);
    rdl_buf_puts(x->b, "</dd>\n");
    if (d->partitions > 0) {
        fact_begin(x, "partitions");
        rdl_buf_printf(x->b, "%zu, from ", d->partitions);
        put_text(x->b, rdl_str_of(d->first));
        rdl_buf_puts(x->b, " to ");
        put_text(x->b, rdl_str_of(d->last));
        rdl_buf_puts(x->b, "</dd>\n");
    }
}

/* How and when it is kept up to date, and what its readers were promised. */
static void put_timely(page *x, const rdl_table *t)
{
    const rdl_schedule *s = t->model != NULL ? &t->model->schedule : &t->schedule;
    rdl_buf when = {0};
    if (t->model != NULL || (t->kind == RDL_TABLE_VIEW && t->view_plan != NULL)) {
        fact_begin(x, "kept up to date");
        put_text(x->b, t->model != NULL ? RDL_STR("by its program")
                                        : rdl_str_of(rdl_maintenance_name(t->view_plan->mode)));
        rdl_schedule_print(s, &when);
        if (when.n > 0)
            rdl_buf_puts(x->b, ", ");
        put_text(x->b, (rdl_str){rdl_buf_str(&when), when.n});
        rdl_buf_puts(x->b, "</dd>\n");
        rdl_buf_fini(&when);
    }
    if (s->promise_us > 0) {
        fact_begin(x, "promised within");
        rdl_interval_print(s->promise_us, x->b);
        rdl_buf_puts(x->b, "</dd>\n");
    }
}

static void put_facts(page *x, const rdl_table *t)
{
    rdl_str owner = rdl_docs_owner(x->p, t->comment);
    rdl_buf_puts(x->b, "<dl>\n");
    if (owner.n > 0) {
        fact_begin(x, "owner");
        put_text(x->b, owner);
        rdl_buf_puts(x->b, "</dd>\n");
    }
    if (t->source != NULL) {
        fact_begin(x, "from");
        put_text(x->b, rdl_url_shown(&x->arena, t->source->url));
        rdl_buf_puts(x->b, "</dd>\n");
    }
    put_reads(x, t);
    put_timely(x, t);
    put_published(x, t);
    put_granted(x, t);
    if (x->root->there && t->kind >= RDL_TABLE_STREAMING)
        put_size(x, &x->root->tables[t->index]);
    rdl_buf_puts(x->b, "</dl>\n");
}

static bool in_list(const size_t *list, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++)
        if (list[k] == i)
            return true;
    return false;
}

static void put_columns(page *x, const rdl_table *t)
{
    rdl_buf_puts(
        x->b,
        "<div class=\"scroll\"><table><tr><th>column</th><th>type</th><th>role</th><th>meaning"
        "</th></tr>\n");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf type = {0};
        const char *comma = "";
        rdl_type_show(t->columns.v[i].type, &type);
        rdl_buf_puts(x->b, "<tr><td><code>");
        put_text(x->b, t->columns.v[i].name);
        rdl_buf_printf(x->b, "</code></td><td class=\"soft\">%s</td><td class=\"soft\">",
                       rdl_buf_str(&type));
        rdl_buf_fini(&type);
        if (in_list(t->primary_key, t->primary_key_count, i)) {
            rdl_buf_puts(x->b, "key");
            comma = ", ";
        }
        if (in_list(t->dedup, t->dedup_count, i)) {
            rdl_buf_printf(x->b, "%sonce", comma);
            comma = ", ";
        }
        if (in_list(t->partition_by, t->partition_count, i))
            rdl_buf_printf(x->b, "%spartition", comma);
        if (t->source != NULL && t->source->watermark_column == (int)i)
            rdl_buf_puts(x->b, "event time");
        rdl_buf_puts(x->b, "</td><td>");
        if (t->column_comments != NULL)
            put_text(x->b, t->column_comments[i]);
        rdl_buf_puts(x->b, "</td></tr>\n");
    }
    rdl_buf_puts(x->b, "</table></div>\n");
}

static void put_rules(page *x, const rdl_table *t)
{
    static const char *const actions[] = {"kept, counted", "row dropped", "row quarantined",
                                          "update fails", "imputed"};
    if (t->constraint_count == 0)
        return;
    rdl_buf_puts(
        x->b,
        "<div class=\"scroll\"><table><tr><th>rule</th><th>expects</th><th>otherwise</th></tr>\n");
    for (size_t i = 0; i < t->constraint_count; i++) {
        const rdl_constraint *c = &t->constraints[i];
        rdl_buf_puts(x->b, "<tr><td>");
        put_text(x->b, c->name);
        rdl_buf_puts(x->b, "</td><td><code>");
        if (c->unique_count > 0) {
            rdl_buf_puts(x->b, "unique: ");
            put_names(x, &t->columns, c->unique, c->unique_count);
        } else {
            put_text(x->b, c->expr);
        }
        rdl_buf_printf(x->b, "</code></td><td>%s</td></tr>\n", actions[c->action]);
    }
    rdl_buf_puts(x->b, "</table></div>\n");
}

/* A bar a day: written, and on top what was rejected. */
static void put_quality(page *x, const rdl_docs_table *d)
{
    uint64_t most = 1, written = 0, rejected = 0;
    for (size_t i = 0; i < d->days.n; i++) {
        uint64_t all = d->days.v[i].written + d->days.v[i].rejected;
        most = all > most ? all : most;
        written += d->days.v[i].written;
        rejected += d->days.v[i].rejected;
    }
    if (d->days.n == 0)
        return;
    rdl_buf_printf(x->b, "<p><span class=\"soft\">quality, %zu day%s:</span> %.4g %% good, ",
                   d->days.n, d->days.n == 1 ? "" : "s",
                   100.0 * (double)written / (double)(written + rejected));
    put_count(x->b, rejected);
    rdl_buf_printf(
        x->b,
        " rejected<br><svg width=\"%zu\" height=\"%d\" role=\"img\" aria-label=\"rows by day\">",
        d->days.n * (BAR_WIDTH + 2), CHART_HEIGHT);
    for (size_t i = 0; i < d->days.n; i++) {
        const rdl_docs_day *day = &d->days.v[i];
        double good = (double)day->written / (double)most * CHART_HEIGHT,
               bad = (double)day->rejected / (double)most * CHART_HEIGHT;
        if (day->rejected > 0 && bad < 1)
            bad = 1;
        rdl_buf_puts(x->b, "<g><title>");
        rdl_date_print(day->day, x->b);
        rdl_buf_printf(x->b, ": %" PRIu64 " written, %" PRIu64 " rejected</title>", day->written,
                       day->rejected);
        rdl_buf_printf(
            x->b,
            "<rect class=\"good\" x=\"%zu\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>"
            "<rect class=\"bad\" x=\"%zu\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/></g>",
            i * (BAR_WIDTH + 2), CHART_HEIGHT - good, BAR_WIDTH, good, i * (BAR_WIDTH + 2),
            CHART_HEIGHT - good - bad, BAR_WIDTH, bad);
    }
    rdl_buf_puts(x->b, "</svg></p>\n");
}

static void put_table(page *x, const rdl_table *t)
{
    rdl_str comment = rdl_docs_comment(&x->arena, t->comment);
    rdl_buf_puts(x->b, "<section id=\"");
    put_text(x->b, t->full);
    rdl_buf_puts(x->b, "\" data-find=\"");
    put_text(x->b, t->full);
    for (size_t k = 0; k < t->columns.n; k++) {
        rdl_buf_putc(x->b, ' ');
        put_text(x->b, t->columns.v[k].name);
    }
    rdl_buf_printf(x->b, "\"><span class=\"kind\">%s</span><h2>", rdl_table_kind_name(t));
    put_text(x->b, t->full);
    rdl_buf_puts(x->b, "</h2>\n");
    if (comment.n > 0) {
        rdl_buf_puts(x->b, "<p>");
        put_text(x->b, comment);
        rdl_buf_puts(x->b, "</p>\n");
    }
    put_facts(x, t);
    if (x->root->there && t->kind == RDL_TABLE_STREAMING)
        put_quality(x, &x->root->tables[t->index]);
    put_columns(x, t);
    put_rules(x, t);
    rdl_buf_puts(x->b, "</section>\n");
}

/* ---- the rest ---- */

static void named_row(page *x, rdl_str name, rdl_str comment, const char *more)
{
    rdl_buf_puts(x->b, "<tr><td>");
    put_text(x->b, name);
    rdl_buf_puts(x->b, "</td><td>");
    put_text(x->b, rdl_docs_comment(&x->arena, comment));
    rdl_buf_printf(x->b, "</td><td class=\"soft\">%s</td></tr>\n", more);
}

static void named_begin(page *x, const char *title)
{
    rdl_buf_printf(x->b, "<section><h2>%s</h2>\n<table>\n", title);
}

static void put_rest(page *x)
{
    static const char *const severities[] = {"info", "warning", "critical"};
    const rdl_pipeline *p = x->p;
    if (p->report_count > 0)
        named_begin(x, "Reports");
    for (size_t i = 0; i < p->report_count; i++)
        named_row(x, p->reports[i]->name, p->reports[i]->comment,
                  p->reports[i]->path.n > 0 ? "files" : "on demand");
    rdl_buf_puts(x->b, p->report_count > 0 ? "</table></section>\n" : "");
    if (p->alert_count > 0)
        named_begin(x, "Alerts");
    for (size_t i = 0; i < p->alert_count; i++)
        named_row(x, p->alerts[i]->name, p->alerts[i]->comment, severities[p->alerts[i]->severity]);
    rdl_buf_puts(x->b, p->alert_count > 0 ? "</table></section>\n" : "");
    if (p->query_count > 0)
        named_begin(x, "Queries");
    for (size_t i = 0; i < p->query_count; i++)
        named_row(x, p->queries[i].name, p->queries[i].comment, "raudal query");
    rdl_buf_puts(x->b, p->query_count > 0 ? "</table></section>\n" : "");
}

void rdl_docs_put_html(rdl_buf *b, const rdl_pipeline *p, const rdl_docs_root *root, bool internal)
{
    page x = {.b = b, .p = p, .root = root, .internal = internal};
    rdl_arena_init(&x.arena, 0);
    rdl_buf_puts(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    put_text(b, rdl_str_of(p->name));
    rdl_buf_printf(b, "</title>\n%s<h1>", head);
    put_text(b, rdl_str_of(p->name));
    rdl_buf_puts(b, "</h1>\n<p class=\"soft\">");
    rdl_buf_printf(b, "%zu tables and sources", p->table_count);
    if (root->there) {
        rdl_buf_printf(b, ", as of epoch %" PRIu64 ", ", root->epoch);
        rdl_timestamp_print(root->now_us - root->now_us % 1000000, b);
    }
    rdl_buf_puts(b, "</p>\n");
    put_graph(&x);
    put_list(&x);
    for (size_t i = 0; i < p->table_count; i++)
        if (shown(&x, p->tables[i]))
            put_table(&x, p->tables[i]);
    put_rest(&x);
    rdl_buf_puts(b, tail);
    rdl_arena_fini(&x.arena);
}
