/*
 * lang/explain_json.c - an explanation for programs.
 */
#include "lang/explain_internal.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/url.h"

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
                              json_pack("{s:s, s:o}", "kind", rdl_explain_slot(p->slots[i].kind),
                                        "type", type_text(p->slots[i].type)));
    json_object_set_new(o, "mode", json_string(rdl_maintenance_name(p->mode)));
    json_object_set_new(o, "reason", json_str(p->reason));
    json_object_set_new(o, "reason_at", json_place(p->reason_pos));
    json_object_set_new(o, "driven_by",
                        p->driving != NULL ? json_str(p->driving->full) : json_null());
    json_t *moved = json_array(), *rebuilt = json_array();
    const rdl_table *in;
    for (size_t i = 0; (in = rdl_view_moved_by(p, i)) != NULL; i++)
        json_array_append_new(moved, json_str(in->full));
    for (size_t i = 0; (in = rdl_view_rebuilt_by(p, i)) != NULL; i++)
        json_array_append_new(rebuilt, json_str(in->full));
    if (json_array_size(rebuilt) > 0)
        json_object_set_new(o, "rebuilt_since", json_str(p->rebuild_why));
    json_object_set_new(o, "moved_by", moved);
    json_object_set_new(o, "rebuilt_by", rebuilt);
    json_object_set_new(o, "primary_key", json_columns(t, t->primary_key, t->primary_key_count));
    if (p->mode == RDL_MAINTAIN_GROUPS)
        json_object_set_new(o, "recomputed_by", json_columns(t, p->key_columns, p->key_count));
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
    json_object_set_new(o, "on_late", json_string(rdl_explain_late(t->on_late)));
}

static json_t *json_publications(const rdl_pipeline *p, const rdl_table *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->publication_count; i++) {
        const rdl_publication *pub = p->publications[i];
        const rdl_table served = {.columns = pub->columns};
        if (pub->table == t)
            json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:I}", "url", json_url(pub->url),
                                                  "name", json_str(pub->name), "key",
                                                  json_columns(&served, pub->key, pub->key_count),
                                                  "partition_key_columns",
                                                  (json_int_t)pub->partition_key_count));
    }
    return list;
}

static json_t *json_table(const rdl_pipeline *p, const rdl_table *t, bool texts)
{
    json_t *inputs = json_array(), *constraints = json_array();
    for (size_t i = 0; i < t->input_count; i++)
        json_array_append_new(inputs,
                              json_pack("{s:o, s:b}", "table", json_str(t->inputs[i].table->full),
                                        "stream", (int)t->inputs[i].stream));
    for (size_t i = 0; i < t->constraint_count; i++)
        json_array_append_new(constraints,
                              json_pack("{s:o, s:s}", "name", json_str(t->constraints[i].name),
                                        "on_violation",
                                        rdl_explain_violation(t->constraints[i].action)));
    json_t *o =
        json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name", json_str(t->full), "kind",
                  rdl_explain_kind(t), "at", json_place(t->pos), "inputs", inputs, "constraints",
                  constraints, "partition_by", json_columns(t, t->partition_by, t->partition_count),
                  "publications", json_publications(p, t));
    if (t->source != NULL)
        json_object_set_new(o, "url", json_url(t->source->url));
    if (t->stream_plan != NULL)
        json_stream(o, t);
    if (t->view_plan != NULL)
        json_view(o, t);
    if (rdl_explain_cost(t)[0] != '\0')
        json_object_set_new(o, "epoch_costs", json_string(rdl_explain_cost(t)));
    if (!texts)
        return o;
    rdl_named_text list[RDL_EXPLAIN_TEXTS_MAX];
    size_t n = rdl_explain_texts(t, list);
    json_t *sql = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(sql, list[i].name, json_str(list[i].sql));
    json_object_set_new(o, "sql", sql);
    return o;
}

rdl_code rdl_explain_put_json(rdl_buf *out, const rdl_pipeline *p, const rdl_table *only,
                              rdl_err *err)
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
