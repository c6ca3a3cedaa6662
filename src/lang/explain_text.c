/*
 * lang/explain_text.c - an explanation for people: what is known of each table, and the graph.
 *
 *   usage_events (source)
 *   └─ bronze.usage_events (streaming)
 *      └─ silver.usage_events (streaming)
 *         ├─ gold.org_daily (incremental)
 *         └─ gold.medians (groups)
 *
 * A table with several inputs hangs below each; its own branch is drawn at the first.
 */
#include "lang/explain_internal.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/url.h"

enum { LABEL = 15 };

static void put_str(rdl_buf *out, rdl_str s)
{
    rdl_buf_put(out, s.p, s.n);
}

static void put_columns(rdl_buf *out, const rdl_table *t, const size_t *columns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(out, i > 0 ? ", " : "");
        put_str(out, t->columns.v[columns[i]].name);
    }
}

static void put_label(rdl_buf *out, const char *label)
{
    rdl_buf_printf(out, "  %-*s", LABEL, label);
}

static void put_columns_line(rdl_buf *out, const char *label, const rdl_table *t,
                             const size_t *columns, size_t n)
{
    put_label(out, label);
    put_columns(out, t, columns, n);
    rdl_buf_putc(out, '\n');
}

static void put_place(rdl_buf *out, rdl_pos pos)
{
    uint32_t line = 0, col = 0;
    if (pos.file == NULL)
        return;
    rdl_pos_line(pos, &line, &col);
    rdl_buf_printf(out, " (%s:%" PRIu32 ":%" PRIu32 ")", pos.file->path, line, col);
}

static void put_inputs(rdl_buf *out, const rdl_table *t)
{
    if (t->input_count == 0)
        return;
    put_label(out, "reads");
    for (size_t i = 0; i < t->input_count; i++) {
        rdl_buf_puts(out, i > 0 ? ", " : "");
        rdl_buf_puts(out, t->inputs[i].stream ? "STREAM " : "");
        put_str(out, t->inputs[i].table->full);
    }
    rdl_buf_putc(out, '\n');
}

static void put_source(rdl_buf *out, const rdl_table *t)
{
    static const char *const formats[] = {"JSON", "CSV", "Parquet"};
    const rdl_source_def *s = t->source;
    put_label(out, "from");
    rdl_url_put_shown(out, s->url);
    rdl_buf_printf(out, " as %s%s\n", formats[s->format],
                   t->kind == RDL_TABLE_SNAPSHOT ? "; each version is the whole state" : "");
    if (s->watermark_column < 0)
        return;
    put_label(out, "watermark");
    put_str(out, s->columns[s->watermark_column].column.name);
    rdl_buf_puts(out, " less ");
    rdl_interval_print(s->watermark_delay_us, out);
    rdl_buf_putc(out, '\n');
}

static void put_stream(rdl_buf *out, const rdl_table *t)
{
    const rdl_stream_plan *p = t->stream_plan;
    put_label(out, "rows");
    rdl_buf_puts(out, p->declared_hop  ? "copied by declared window hops"
                      : p->may_fan_out ? t->allow_fanout
                                             ? "may be copied by a join or a list: allowed"
                                             : "a copy by a join or a list stops the epoch"
                                       : "one for one");
    rdl_buf_puts(out, p->may_filter ? "; some may be left out\n" : "\n");
    if (t->dedup_count > 0) {
        put_label(out, "deduplicate");
        put_columns(out, t, t->dedup, t->dedup_count);
        rdl_buf_puts(out, ", for ");
        if (t->dedup_within_us > 0)
            rdl_interval_print(t->dedup_within_us, out);
        else
            rdl_buf_puts(out, "ever; about 16 bytes a row");
        rdl_buf_putc(out, '\n');
    }
    put_label(out, "late rows");
    rdl_buf_printf(out, "%s\n", rdl_explain_late(t->on_late));
}

static void put_state(rdl_buf *out, const rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    if (p->mode != RDL_MAINTAIN_INCREMENTAL)
        return;
    put_label(out, "state");
    rdl_buf_printf(out, "about %zu bytes a group: row count", rdl_view_state_bytes(p));
    for (size_t i = 0; i < p->slot_count; i++) {
        rdl_buf_printf(out, ", %s ", rdl_explain_slot(p->slots[i].kind));
        if (p->slots[i].type->kind == RDL_TYPE_STRUCT)
            rdl_buf_puts(out, "by order and arrival");
        else
            rdl_type_print(p->slots[i].type, out);
    }
    rdl_buf_puts(out, p->may_subtract ? "\n" : "; rows cannot be taken back\n");
}

static void put_fans(rdl_buf *out, const rdl_view_plan *p)
{
    for (size_t i = 0; i < p->fan_count; i++) {
        const rdl_fan *f = &p->fans[i];
        put_label(out, i == 0 ? "joins" : "");
        rdl_buf_printf(out, "\"%s\"%s%s%s must match a row of \"%.*s\" once\n", f->dimension.p,
                       f->key.n > 0 ? " (" : "", f->key.n > 0 ? f->key.p : "",
                       f->key.n > 0 ? ")" : "", (int)f->stream->full.n, f->stream->full.p);
    }
}

typedef const rdl_table *(*table_of)(const rdl_view_plan *p, size_t i);

static void put_tables(rdl_buf *out, const rdl_view_plan *p, table_of which, const char *first,
                       const char *between)
{
    const rdl_table *t;
    for (size_t i = 0; (t = which(p, i)) != NULL; i++) {
        rdl_buf_puts(out, i == 0 ? first : between);
        put_str(out, t->full);
    }
}

static void put_rebuild_reason(rdl_buf *out, const rdl_view_plan *p)
{
    if (p->rebuild_why.n == 0 || rdl_view_rebuilt_by(p, 0) == NULL)
        return;
    put_label(out, "rebuilt since");
    put_str(out, p->rebuild_why);
    rdl_buf_putc(out, '\n');
}

static void put_view(rdl_buf *out, const rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    put_label(out, "maintenance");
    rdl_buf_printf(out, "%s: ", rdl_maintenance_name(p->mode));
    put_str(out, p->reason);
    put_place(out, p->reason_pos);
    rdl_buf_putc(out, '\n');
    if (p->driving != NULL) {
        put_label(out, "driven by");
        put_str(out, p->driving->full);
        put_tables(out, p, rdl_view_moved_by, ", and by changes of ", ", ");
        put_tables(out, p, rdl_view_rebuilt_by, "; rebuilt by changes of ", ", ");
        rdl_buf_putc(out, '\n');
        put_rebuild_reason(out, p);
    }
    if (p->mode == RDL_MAINTAIN_GROUPS)
        put_columns_line(out, "recomputed by", t, p->key_columns, p->key_count);
    put_state(out, t);
    put_fans(out, p);
    if (t->primary_key_count > 0)
        put_columns_line(out, "key", t, t->primary_key, t->primary_key_count);
}

static void put_constraints(rdl_buf *out, const rdl_table *t)
{
    for (size_t i = 0; i < t->constraint_count; i++) {
        const rdl_constraint *c = &t->constraints[i];
        put_label(out, i == 0 ? "constraints" : "");
        put_str(out, c->name);
        rdl_buf_printf(out, ": %s\n", rdl_explain_violation(c->action));
    }
}

static void put_publications(rdl_buf *out, const rdl_pipeline *p, const rdl_table *t)
{
    for (size_t i = 0; i < p->publication_count; i++) {
        const rdl_publication *pub = p->publications[i];
        if (pub->table != t)
            continue;
        put_label(out, "published");
        rdl_url_put_shown(out, pub->url);
        rdl_buf_puts(out, " as ");
        put_str(out, pub->name);
        rdl_buf_puts(out, ", key ((");
        const rdl_table served = {.columns = pub->columns};
        put_columns(out, &served, pub->key, pub->partition_key_count);
        rdl_buf_putc(out, ')');
        for (size_t k = pub->partition_key_count; k < pub->key_count; k++) {
            rdl_buf_puts(out, ", ");
            put_columns(out, &served, &pub->key[k], 1);
            rdl_buf_puts(out, pub->descending != NULL && pub->descending[k] ? " DESC" : "");
        }
        rdl_buf_puts(out, ")\n");
    }
}

/* Some inputs are seen whole: a change there is no change of a few rows. */
static void put_dear(rdl_buf *out, const rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    if (p == NULL || p->mode == RDL_MAINTAIN_FULL)
        return;
    put_tables(out, p, rdl_view_moved_by, "; the rows that a change meets when ", " or ");
    rdl_buf_puts(out, rdl_view_moved_by(p, 0) != NULL ? " changed" : "");
    put_tables(out, p, rdl_view_rebuilt_by, "; all rows when ", " or ");
    rdl_buf_puts(out, rdl_view_rebuilt_by(p, 0) != NULL ? " changed" : "");
}

static void put_table(rdl_buf *out, const rdl_pipeline *p, const rdl_table *t)
{
    put_str(out, t->full);
    rdl_buf_printf(out, "  %s", rdl_explain_kind(t));
    put_place(out, t->pos);
    rdl_buf_putc(out, '\n');
    put_inputs(out, t);
    if (t->source != NULL)
        put_source(out, t);
    if (t->stream_plan != NULL)
        put_stream(out, t);
    if (t->view_plan != NULL)
        put_view(out, t);
    put_constraints(out, t);
    if (t->partition_count > 0)
        put_columns_line(out, "partitions", t, t->partition_by, t->partition_count);
    if (rdl_explain_cost(t)[0] != '\0') {
        put_label(out, "epoch costs");
        rdl_buf_printf(out, "%s", rdl_explain_cost(t));
        put_dear(out, t);
        rdl_buf_putc(out, '\n');
    }
    put_publications(out, p, t);
}

/* ---- the graph ---- */

/* One word for the graph: how the table comes to be what it is. */
static const char *graph_word(const rdl_table *t)
{
    return t->view_plan != NULL ? rdl_maintenance_name(t->view_plan->mode) : rdl_explain_kind(t);
}

static bool reads(const rdl_table *t, const rdl_table *input)
{
    for (size_t i = 0; i < t->input_count; i++)
        if (t->inputs[i].table == input)
            return true;
    return false;
}

typedef struct drawing {
    const rdl_pipeline *p;
    rdl_buf *out;
    rdl_buf indent;
    bool *drawn; /* by table index */
} drawing;

static size_t last_reader(const drawing *d, const rdl_table *t)
{
    size_t last = d->p->table_count;
    for (size_t i = 0; i < d->p->table_count; i++)
        if (reads(d->p->tables[i], t))
            last = i;
    return last;
}

static void draw(drawing *d, const rdl_table *t)
{
    bool again = d->drawn[t->index];
    put_str(d->out, t->full);
    rdl_buf_printf(d->out, " (%s)", graph_word(t));
    size_t last = last_reader(d, t);
    if (again) {
        rdl_buf_puts(d->out, last < d->p->table_count ? " ... as above\n" : "\n");
        return;
    }
    d->drawn[t->index] = true;
    for (size_t i = 0; i < d->p->publication_count; i++)
        if (d->p->publications[i]->table == t) {
            rdl_buf_puts(d->out, " \xe2\x87\x92 ");
            rdl_url_put_shown(d->out, d->p->publications[i]->url);
        }
    rdl_buf_putc(d->out, '\n');
    for (size_t i = 0; i < d->p->table_count; i++) {
        if (!reads(d->p->tables[i], t))
            continue;
        size_t depth = d->indent.n;
        rdl_buf_puts(d->out, rdl_buf_str(&d->indent));
        rdl_buf_puts(d->out, i == last ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ");
        rdl_buf_puts(&d->indent, i == last ? "   " : "\xe2\x94\x82  ");
        draw(d, d->p->tables[i]);
        d->indent.n = depth;
        d->indent.p[depth] = '\0';
    }
}

static void put_graph(rdl_buf *out, const rdl_pipeline *p)
{
    rdl_arena scratch;
    rdl_arena_init(&scratch, 0);
    drawing d = {.p = p, .out = out, .drawn = RDL_NEWN(&scratch, bool, p->table_count + 1)};
    for (size_t i = 0; i < p->table_count; i++)
        if (p->tables[i]->input_count == 0)
            draw(&d, p->tables[i]);
    rdl_buf_fini(&d.indent);
    rdl_arena_fini(&scratch);
}

void rdl_explain_put_text(rdl_buf *out, const rdl_pipeline *p, const rdl_table *only)
{
    if (only != NULL) {
        rdl_named_text texts[RDL_EXPLAIN_TEXTS_MAX];
        size_t n = rdl_explain_texts(only, texts);
        put_table(out, p, only);
        for (size_t i = 0; i < n; i++)
            rdl_buf_printf(out, "\n-- %s\n%.*s\n", texts[i].name, (int)texts[i].sql.n,
                           texts[i].sql.p);
        return;
    }
    rdl_buf_printf(out, "pipeline %s\n\n", p->name);
    put_graph(out, p);
    for (size_t i = 0; i < p->table_count; i++) {
        if (p->tables[i]->internal)
            continue;
        rdl_buf_putc(out, '\n');
        put_table(out, p, p->tables[i]);
    }
}
