/*
 * lang/explain.c - how a pipeline is kept up to date (see explain.h).
 *
 *   usage_events (source)
 *   └─ bronze.usage_events (streaming)
 *      └─ silver.usage_events (streaming)
 *         ├─ gold.org_daily (incremental)
 *         └─ gold.medians (groups)
 *
 * A table with several inputs hangs below each; its own branch is drawn at the first.
 */
#include "lang/explain.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/url.h"

enum {
    LABEL = 15,
    ENTRY_BYTES = 48,
    TEXT_BYTES = 16,
    EXACT_BYTES = 40
};

const char *rdl_maintenance_name(rdl_maintenance mode)
{
    switch (mode) {
    case RDL_MAINTAIN_INCREMENTAL:
        return "incremental";
    case RDL_MAINTAIN_APPEND:
        return "append";
    case RDL_MAINTAIN_GROUPS:
        return "groups";
    case RDL_MAINTAIN_FULL:
        return "full";
    }
    return "";
}

static size_t type_bytes(const rdl_type *t)
{
    size_t n = 1;
    switch (t->kind) {
    case RDL_TYPE_BOOLEAN:
        return n + 1;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_DATE:
        return n + 4;
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DOUBLE:
    case RDL_TYPE_TIMESTAMPTZ:
        return n + 8;
    case RDL_TYPE_DECIMAL:
        return n + 16;
    case RDL_TYPE_STRUCT:
        for (size_t i = 0; i < t->field_count; i++)
            n += type_bytes(t->field_types[i]);
        return n;
    case RDL_TYPE_TEXT:
    case RDL_TYPE_BLOB:
    case RDL_TYPE_JSON:
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
        break;
    }
    return n + TEXT_BYTES;
}

size_t rdl_view_state_bytes(const rdl_view_plan *plan)
{
    if (plan->mode != RDL_MAINTAIN_INCREMENTAL)
        return 0;
    size_t n = ENTRY_BYTES + 8;
    for (size_t i = 0; i < plan->key_count; i++)
        n += type_bytes(plan->key_types[i]);
    for (size_t i = 0; i < plan->slot_count; i++) {
        const rdl_slot *s = &plan->slots[i];
        n += s->kind == RDL_SLOT_ADD_INT     ? 16
             : s->kind == RDL_SLOT_ADD_EXACT ? EXACT_BYTES
                                             : type_bytes(s->type);
    }
    return n;
}

static const char *kind_name(const rdl_table *t)
{
    switch (t->kind) {
    case RDL_TABLE_SOURCE:
        return "source";
    case RDL_TABLE_SNAPSHOT:
        return "snapshot";
    case RDL_TABLE_STREAMING:
        return "streaming";
    case RDL_TABLE_VIEW:
        return "view";
    }
    return "";
}

/* One word for the graph: how the table comes to be what it is. */
static const char *graph_word(const rdl_table *t)
{
    return t->view_plan != NULL ? rdl_maintenance_name(t->view_plan->mode) : kind_name(t);
}

static const char *cost_text(const rdl_table *t)
{
    if (t->view_plan == NULL)
        return t->stream_plan != NULL ? "the epoch's rows" : "";
    switch (t->view_plan->mode) {
    case RDL_MAINTAIN_INCREMENTAL:
        return "the epoch's rows, and one state entry per group that they touch";
    case RDL_MAINTAIN_APPEND:
        return "the epoch's rows";
    case RDL_MAINTAIN_GROUPS:
        return "a scan of the input, and all rows of the groups that the epoch touches";
    case RDL_MAINTAIN_FULL:
        return "all rows of every input";
    }
    return "";
}

static const char *slot_name(rdl_slot_kind kind)
{
    switch (kind) {
    case RDL_SLOT_ADD_INT:
        return "sum";
    case RDL_SLOT_ADD_EXACT:
        return "exact sum";
    case RDL_SLOT_MIN:
        return "least";
    case RDL_SLOT_MAX:
        return "greatest";
    }
    return "";
}

static const char *violation_name(rdl_violation v)
{
    switch (v) {
    case RDL_VIOLATION_KEEP:
        return "keep";
    case RDL_VIOLATION_DROP_ROW:
        return "drop row";
    case RDL_VIOLATION_QUARANTINE:
        return "quarantine";
    case RDL_VIOLATION_FAIL:
        return "fail update";
    case RDL_VIOLATION_IMPUTE:
        return "impute";
    }
    return "";
}

static const char *late_name(rdl_on_late late)
{
    return late == RDL_LATE_AMEND ? "amend" : late == RDL_LATE_DIVERT ? "divert" : "drop";
}

static bool reads(const rdl_table *t, const rdl_table *input)
{
    for (size_t i = 0; i < t->input_count; i++)
        if (t->inputs[i].table == input)
            return true;
    return false;
}

/* -- text
 * -------------------------------------------------------------------------------------- */

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
                   t->kind == RDL_TABLE_SNAPSHOT ? "; each version is the whole state"
                                                 : "");
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
    rdl_buf_printf(out, "%s\n", late_name(t->on_late));
}

static void put_state(rdl_buf *out, const rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    if (p->mode != RDL_MAINTAIN_INCREMENTAL)
        return;
    put_label(out, "state");
    rdl_buf_printf(out, "about %zu bytes a group: row count", rdl_view_state_bytes(p));
    for (size_t i = 0; i < p->slot_count; i++) {
        rdl_buf_printf(out, ", %s ", slot_name(p->slots[i].kind));
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
        if (p->needs_all_count > (p->mode == RDL_MAINTAIN_GROUPS ? 1u : 0u))
            rdl_buf_puts(out, "; a change of another input rebuilds it");
        rdl_buf_putc(out, '\n');
    }
    if (p->mode == RDL_MAINTAIN_GROUPS) {
        put_label(out, "recomputed by");
        put_columns(out, t, p->key_columns, p->key_count);
        rdl_buf_putc(out, '\n');
    }
    put_state(out, t);
    put_fans(out, p);
    if (t->primary_key_count > 0) {
        put_label(out, "key");
        put_columns(out, t, t->primary_key, t->primary_key_count);
        rdl_buf_putc(out, '\n');
    }
}

static void put_constraints(rdl_buf *out, const rdl_table *t)
{
    for (size_t i = 0; i < t->constraint_count; i++) {
        const rdl_constraint *c = &t->constraints[i];
        put_label(out, i == 0 ? "constraints" : "");
        put_str(out, c->name);
        rdl_buf_printf(out, ": %s\n", violation_name(c->action));
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

/* What the driving input joins is seen whole: a change there is no change of a few rows. */
static void put_dear(rdl_buf *out, const rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    const char *between = "; all rows when ";
    if (p == NULL || p->driving == NULL || p->mode == RDL_MAINTAIN_FULL)
        return;
    for (size_t i = 0; i < p->needs_all_count; i++) {
        if (p->needs_all[i] == p->driving)
            continue;
        rdl_buf_puts(out, between);
        put_str(out, p->needs_all[i]->full);
        between = " or ";
    }
    if (between[0] == ' ')
        rdl_buf_puts(out, " changed");
}

static void put_table(rdl_buf *out, const rdl_pipeline *p, const rdl_table *t)
{
    put_str(out, t->full);
    rdl_buf_printf(out, "  %s", kind_name(t));
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
    if (t->partition_count > 0) {
        put_label(out, "partitions");
        put_columns(out, t, t->partition_by, t->partition_count);
        rdl_buf_putc(out, '\n');
    }
    if (cost_text(t)[0] != '\0') {
        put_label(out, "epoch costs");
        rdl_buf_printf(out, "%s", cost_text(t));
        put_dear(out, t);
        rdl_buf_putc(out, '\n');
    }
    put_publications(out, p, t);
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
        rdl_buf_puts(d->out,
                     i == last ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ");
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

typedef struct named_text {
    const char *name;
    rdl_str sql;
} named_text;

/* The SQL texts of a table's plan; returns how many. */
static size_t plan_texts(const rdl_table *t, named_text out[12])
{
    size_t n = 0;
    if (t->stream_plan != NULL)
        out[n++] = (named_text){"body", t->stream_plan->body_sql};
    if (t->view_plan != NULL) {
        const rdl_view_plan *p = t->view_plan;
        const named_text all[] = {
            {"partial", p->partial_new_sql}, {"final", p->final_sql},
            {"touched", p->touched_sql},     {"groups", p->groups_sql},
            {"rows", p->row_new_sql},        {"checked", p->checked_sql},
            {"batch", p->batch_sql},
        };
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (all[i].sql.n > 0)
                out[n++] = all[i];
    }
    return n;
}

static void put_text(rdl_buf *out, const rdl_pipeline *p, const rdl_table *only)
{
    if (only != NULL) {
        named_text texts[12];
        size_t n = plan_texts(only, texts);
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

/* -- JSON
 * ----------------------------------------------------------------------------------------
 */

static json_t *json_str(rdl_str s)
{
    return json_stringn(s.p != NULL ? s.p : "", s.n);
}

static json_t *json_url(rdl_str url)
{
    rdl_buf shown = {0};
    rdl_url_put_shown(&shown, url);
    json_t *o = json_stringn(rdl_buf_str(&shown), shown.n);
    rdl_buf_fini(&shown);
    return o;
}

static json_t *json_columns(const rdl_table *t, const size_t *columns, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_str(t->columns.v[columns[i]].name));
    return list;
}

static json_t *json_place(rdl_pos pos)
{
    uint32_t line = 0, col = 0;
    if (pos.file == NULL)
        return json_null();
    rdl_pos_line(pos, &line, &col);
    return json_pack("{s:s, s:i, s:i}", "file", pos.file->path, "line", (int)line, "column",
                     (int)col);
}

static json_t *type_text(const rdl_type *type)
{
    rdl_buf b = {0};
    rdl_type_print(type, &b);
    json_t *s = json_string(rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return s;
}

static void json_view(json_t *o, const rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    json_t *slots = json_array();
    for (size_t i = 0; i < p->slot_count; i++)
        json_array_append_new(slots,
                              json_pack("{s:s, s:o}", "kind", slot_name(p->slots[i].kind),
                                        "type", type_text(p->slots[i].type)));
    json_object_set_new(o, "mode", json_string(rdl_maintenance_name(p->mode)));
    json_object_set_new(o, "reason", json_str(p->reason));
    json_object_set_new(o, "reason_at", json_place(p->reason_pos));
    json_object_set_new(o, "driven_by",
                        p->driving != NULL ? json_str(p->driving->full) : json_null());
    json_object_set_new(o, "primary_key",
                        json_columns(t, t->primary_key, t->primary_key_count));
    if (p->mode == RDL_MAINTAIN_GROUPS)
        json_object_set_new(o, "recomputed_by",
                            json_columns(t, p->key_columns, p->key_count));
    if (p->mode != RDL_MAINTAIN_INCREMENTAL) {
        json_decref(slots);
        return;
    }
    json_object_set_new(o, "state", slots);
    json_object_set_new(o, "state_bytes_per_group",
                        json_integer((json_int_t)rdl_view_state_bytes(p)));
    json_object_set_new(o, "may_subtract", json_boolean(p->may_subtract));
}

static void json_stream(json_t *o, const rdl_table *t)
{
    const rdl_stream_plan *p = t->stream_plan;
    json_object_set_new(o, "may_fan_out", json_boolean(p->may_fan_out));
    json_object_set_new(o, "declared_hop", json_boolean(p->declared_hop));
    json_object_set_new(o, "may_filter", json_boolean(p->may_filter));
    json_object_set_new(o, "deduplicate", json_columns(t, t->dedup, t->dedup_count));
    json_object_set_new(o, "on_late", json_string(late_name(t->on_late)));
}

static json_t *json_publications(const rdl_pipeline *p, const rdl_table *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->publication_count; i++) {
        const rdl_publication *pub = p->publications[i];
        const rdl_table served = {.columns = pub->columns};
        if (pub->table == t)
            json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:I}", "url",
                                                  json_url(pub->url), "name",
                                                  json_str(pub->name), "key",
                                                  json_columns(&served, pub->key,
                                                               pub->key_count),
                                                  "partition_key_columns",
                                                  (json_int_t)pub->partition_key_count));
    }
    return list;
}

static json_t *json_table(const rdl_pipeline *p, const rdl_table *t, bool texts)
{
    json_t *inputs = json_array(), *constraints = json_array();
    for (size_t i = 0; i < t->input_count; i++)
        json_array_append_new(inputs, json_pack("{s:o, s:b}", "table",
                                                json_str(t->inputs[i].table->full),
                                                "stream", (int)t->inputs[i].stream));
    for (size_t i = 0; i < t->constraint_count; i++)
        json_array_append_new(constraints,
                              json_pack("{s:o, s:s}", "name",
                                        json_str(t->constraints[i].name), "on_violation",
                                        violation_name(t->constraints[i].action)));
    json_t *o = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name", json_str(t->full),
                          "kind", kind_name(t), "at", json_place(t->pos), "inputs", inputs,
                          "constraints", constraints, "partition_by",
                          json_columns(t, t->partition_by, t->partition_count),
                          "publications", json_publications(p, t));
    if (t->source != NULL)
        json_object_set_new(o, "url", json_url(t->source->url));
    if (t->stream_plan != NULL)
        json_stream(o, t);
    if (t->view_plan != NULL)
        json_view(o, t);
    if (cost_text(t)[0] != '\0')
        json_object_set_new(o, "epoch_costs", json_string(cost_text(t)));
    if (!texts)
        return o;
    named_text list[12];
    size_t n = plan_texts(t, list);
    json_t *sql = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(sql, list[i].name, json_str(list[i].sql));
    json_object_set_new(o, "sql", sql);
    return o;
}

static rdl_code
put_json(rdl_buf *out, const rdl_pipeline *p, const rdl_table *only, rdl_err *err)
{
    json_t *root = NULL;
    if (only != NULL) {
        root = json_table(p, only, true);
    } else {
        json_t *tables = json_array();
        for (size_t i = 0; i < p->table_count; i++)
            if (!p->tables[i]->internal)
                json_array_append_new(tables, json_table(p, p->tables[i], false));
        root = json_pack("{s:s, s:o}", "pipeline", p->name, "tables", tables);
    }
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (text == NULL)
        return rdl_err_set(err, RDL_EBUG, 0, "could not write the explanation as JSON");
    rdl_buf_printf(out, "%s\n", text);
    free(text); /* allow: jansson's own text */
    return RDL_OK;
}

static rdl_code not_there(const rdl_pipeline *p, rdl_str table, rdl_err *err)
{
    rdl_arena scratch;
    rdl_arena_init(&scratch, 0);
    const char **names = RDL_NEWN(&scratch, const char *, p->table_count + 1);
    for (size_t i = 0; i < p->table_count; i++)
        names[i] = rdl_arena_strndup(&scratch, p->tables[i]->full.p, p->tables[i]->full.n);
    const char *near = rdl_nearest(table, names, p->table_count);
    rdl_code rc =
        rdl_err_set(err, RDL_EUSAGE, 0, "could not explain \"%.*s\": no such table",
                    (int)table.n, table.p);
    if (near != NULL)
        rdl_err_hint(err, "Did you mean \"%s\"?", near);
    rdl_arena_fini(&scratch);
    return rc;
}

rdl_code rdl_explain(const rdl_pipeline *p,
                     rdl_str table,
                     rdl_explain_format format,
                     rdl_buf *out,
                     rdl_err *err)
{
    const rdl_table *only = NULL;
    if (table.n > 0) {
        only = rdl_pipeline_find(p, table);
        if (only == NULL)
            return not_there(p, table, err);
    }
    if (format == RDL_EXPLAIN_JSON)
        return put_json(out, p, only, err);
    put_text(out, p, only);
    return RDL_OK;
}
