/*
 * stream/parts.c - large partitions of an epoch in files that the lake can take.
 */
#include "stream/parts.h"

#include <inttypes.h>
#include <jansson.h>

#include "stream/damage.h"
#include "stream/seal_json.h"

enum { PARTS_MAX = 8 }; /* of a table in an epoch: more partitions are small ones */

/* ---- choosing ---- */

static bool is_read_as_stream(const rdl_pipeline *p, const rdl_table *t)
{
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *reader = p->tables[i];
        for (size_t j = 0; reader->kind == RDL_TABLE_STREAMING && j < reader->input_count; j++) {
            if (reader->inputs[j].table == t && reader->inputs[j].stream)
                return true;
        }
    }
    return false;
}

static bool may_have_parts(const rdl_engine *e, const rdl_work *w, const rdl_table *t,
                           const rdl_sealed_table *s, const rdl_lake_table *lake)
{
    return e->adopt_rows > 0 && s->rows_new >= e->adopt_rows && w->replay == NULL &&
           t->kind == RDL_TABLE_STREAMING && !t->decision && !s->reset && s->rows_old == 0 &&
           !is_read_as_stream(e->pipeline, t) && rdl_lake_parts_fit(lake);
}

static json_t *values_json(const rdl_lake_table *lake, const rdl_lake_part *p)
{
    json_t *values = json_array();
    for (size_t i = 0; i < lake->partition_count; i++) {
        const rdl_column *c =
            &lake->schema.v[rdl_schema_find(&lake->schema, lake->partition_columns[i])];
        rdl_buf type = {0};
        json_t *one = json_array();
        rdl_type_print(c->type, &type);
        json_array_append_new(one, rdl_json_text(c->name));
        json_array_append_new(one, json_string(rdl_buf_str(&type)));
        json_array_append_new(one, p->values[i] != NULL ? json_string(p->values[i]) : json_null());
        json_array_append_new(values, one);
        rdl_buf_fini(&type);
    }
    return values;
}

static rdl_str list_of(rdl_arena *a, const rdl_lake_table *lake, const rdl_parts *parts)
{
    json_t *list = json_array();
    rdl_buf text = {0};
    for (size_t i = 0; i < parts->n; i++)
        json_array_append_new(list, values_json(lake, &parts->v[i]));
    rdl_json_dump(list, &text);
    rdl_str out = {rdl_arena_strndup(a, text.p, text.n), text.n};
    rdl_buf_fini(&text);
    return out;
}

/* ---- writing ---- */

static rdl_code write_parts(rdl_engine *e, rdl_conn *conn, rdl_work *w, const rdl_table *t, rdl_sealed_table *s,
                            const rdl_lake_table *lake, const char *from, rdl_parts *out,
                            rdl_buf *where, rdl_err *err)
{
    out->sums = RDL_NEWN(&w->arena, rdl_hash128, out->n + 1);
    for (size_t i = 0; i < out->n; i++) {
        rdl_lake_part *p = &out->v[i];
        p->path = rdl_root_part(&w->arena, &e->root, w->epoch, t->full, i);
        RDL_TRY(rdl_lake_part_write(conn, &w->arena, lake, from, p, err));
        (void)RDL_FAULT_AT(SEGMENT_WRITTEN);
        RDL_TRY(rdl_sealed_hash(p->path, &out->sums[i], err));
        s->rows_apart += p->rows;
        rdl_buf_puts(where, i == 0 ? "(" : " OR ");
        rdl_lake_part_put_where(lake, p, where);
    }
    rdl_buf_puts(where, ") IS NOT TRUE");
    s->parts = list_of(&w->arena, lake, out);
    if (s->rows_apart <= s->rows_new)
        return RDL_OK;
    return rdl_err_set(err, RDL_EBUG, 0, "partitions of \"%.*s\" have %" PRIu64 " rows of %" PRIu64,
                       (int)t->full.n, t->full.p, s->rows_apart, s->rows_new);
}

bool rdl_parts_may_have(const rdl_engine *e, rdl_work *w, const rdl_table *t,
                        const rdl_sealed_table *s)
{
    rdl_lake_table lake;
    rdl_table_in_lake(&w->arena, &e->root, e->uuid, t, &lake);
    return may_have_parts(e, w, t, s, &lake);
}

rdl_code rdl_parts_write(rdl_engine *e, rdl_conn *conn, rdl_work *w, const rdl_table *t,
                         rdl_sealed_table *s, rdl_parts *out, rdl_buf *where, rdl_err *err)
{
    rdl_lake_table lake;
    rdl_buf from = {0};
    *out = (rdl_parts){0};
    rdl_table_in_lake(&w->arena, &e->root, e->uuid, t, &lake);
    if (!may_have_parts(e, w, t, s, &lake))
        return RDL_OK;
    rdl_put_relation(&from, "e", "new:", t->full);
    rdl_code rc = rdl_lake_parts_choose(conn, &w->arena, &lake, rdl_buf_str(&from),
                                        e->adopt_rows, PARTS_MAX, &out->v, &out->n, err);
    if (rc == RDL_OK && out->n > 0)
        rc = write_parts(e, conn, w, t, s, &lake, rdl_buf_str(&from), out, where, err);
    rdl_buf_fini(&from);
    return rdl_err_in(rc, err, "segment of %s", t->full.p);
}

rdl_code rdl_parts_close(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_sealed_table *s,
                         rdl_parts *parts, rdl_err *err)
{
    const char *rest = rdl_root_segment(&w->arena, &e->root, w->epoch, t->full, RDL_SEGMENT_NEW);
    const char *path = rdl_root_parts(&w->arena, &e->root, w->epoch, t->full);
    rdl_file *file = NULL;
    rdl_buf text = {0};
    if (s->rows_new > s->rows_apart)
        RDL_TRY(rdl_sealed_hash(rest, &parts->rest, err));
    json_t *o = json_object(), *list = rdl_json_array_in(o, "parts");
    json_object_set_new(o, "rest", rdl_json_hex(parts->rest));
    for (size_t i = 0; i < parts->n; i++) {
        const rdl_lake_part *p = &parts->v[i];
        json_t *one = json_object();
        rdl_json_put_int(one, "rows", p->rows);
        rdl_json_put_int(one, "bytes", p->bytes);
        json_object_set_new(one, "xxh", rdl_json_hex(parts->sums[i]));
        json_object_set_new(one, "columns", json_string(p->columns));
        json_object_set_new(one, "stats", json_string(p->stats));
        json_array_append_new(list, one);
    }
    rdl_json_dump(o, &text);
    rdl_code rc = rdl_file_create(path, &file, err);
    if (rc == RDL_OK)
        rc = rdl_file_write(file, text.p, text.n, err);
    rdl_file_close(file);
    (void)RDL_FAULT_AT(SEGMENT_WRITTEN);
    s->sums[RDL_SEGMENT_NEW] = rdl_hash128_of(text.p, text.n);
    rdl_buf_fini(&text);
    return rdl_err_in(rc, err, "segment of %s", t->full.p);
}

/* ---- reading ---- */

static void read_values(rdl_arena *a, const json_t *values, rdl_lake_part *p)
{
    size_t n = json_array_size(values);
    p->values = RDL_NEWN(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(json_array_get(values, i), 2);
        p->values[i] = json_is_string(v) ? rdl_arena_strdup(a, json_string_value(v)) : NULL;
    }
}

static rdl_code read_list(const char *path, rdl_buf *text, rdl_hash128 sealed, json_t **out,
                          rdl_err *err)
{
    RDL_TRY(rdl_sealed_check(path, sealed, err));
    RDL_TRY(rdl_fs_read(path, UINT32_MAX, text, err));
    return rdl_json_record((rdl_str){text->p, text->n}, "parts", out, err);
}

rdl_code rdl_parts_read(rdl_arena *a, const rdl_root *root, const rdl_segment_ref *s,
                        rdl_str table, rdl_parts *out, rdl_err *err)
{
    rdl_buf text = {0};
    json_t *o = NULL, *lists = json_loadb(s->parts.p, s->parts.n, 0, NULL);
    const char *path = rdl_root_parts(a, root, s->epoch, table);
    rdl_code rc = read_list(path, &text, s->sums[RDL_SEGMENT_NEW], &o, err);
    const json_t *list = json_object_get(o, "parts");
    size_t n = rc == RDL_OK ? json_array_size(list) : 0;
    *out = (rdl_parts){RDL_NEWN(a, rdl_lake_part, n + 1), RDL_NEWN(a, rdl_hash128, n + 1), n,
                       rdl_json_get_hex(o, "rest")};
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        out->v[i] = (rdl_lake_part){.path = rdl_root_part(a, root, s->epoch, table, i),
                                    .rows = rdl_json_get_int(one, "rows"),
                                    .bytes = rdl_json_get_int(one, "bytes"),
                                    .stats = rdl_json_get_text(a, one, "stats").p,
                                    .columns = rdl_json_get_text(a, one, "columns").p};
        out->sums[i] = rdl_json_get_hex(one, "xxh");
        read_values(a, json_array_get(lists, i), &out->v[i]);
    }
    json_decref(lists);
    json_decref(o);
    rdl_buf_fini(&text);
    return rc;
}

static void put_value(rdl_buf *out, const json_t *value)
{
    const json_t *v = json_array_get(value, 2);
    rdl_buf_puts(out, ", CAST(");
    if (json_is_string(v))
        rdl_buf_put_sql_text(out, rdl_str_of(json_string_value(v)));
    else
        rdl_buf_puts(out, "NULL");
    rdl_buf_printf(out, " AS %s) AS ", json_string_value(json_array_get(value, 1)));
    rdl_buf_put_sql_ident(out, rdl_str_of(json_string_value(json_array_get(value, 0))));
}

void rdl_parts_put(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_segment_ref *s,
                   rdl_str table)
{
    json_t *lists = json_loadb(s->parts.p, s->parts.n, 0, NULL), *values, *value;
    size_t i, k;
    rdl_buf_putc(out, '(');
    if (s->rows_new > s->rows_apart) {
        rdl_buf_puts(out, "SELECT * FROM read_parquet(");
        rdl_buf_put_sql_text(out, rdl_str_of(rdl_root_segment(a, root, s->epoch, table,
                                                              RDL_SEGMENT_NEW)));
        rdl_buf_puts(out, ") UNION ALL BY NAME ");
    }
    json_array_foreach(lists, i, values)
    {
        rdl_buf_puts(out, i > 0 ? " UNION ALL BY NAME SELECT *" : "SELECT *");
        json_array_foreach(values, k, value) put_value(out, value);
        rdl_buf_puts(out, " FROM read_parquet(");
        rdl_buf_put_sql_text(out, rdl_str_of(rdl_root_part(a, root, s->epoch, table, i)));
        rdl_buf_putc(out, ')');
    }
    rdl_buf_putc(out, ')');
    json_decref(lists);
}
