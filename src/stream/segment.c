/*
 * stream/segment.c - what an epoch changed, as files in state/epochs/<n>/ (docs/format/segments.md).
 *
 * A table's rows lie in one of three ways, which its entry in the seal says:
 *
 *   packed   a block of the epoch's one file of rows: few rows, held beside DuckDB; or a view's new rows in
 *            the order of its key (sorted), which ordered.h merges
 *   parts    a file for each large partition, as the lake wants it (parts.c), and the rest as below
 *   plain    a Parquet file of all rows
 */
#include "duck/packed.h"
#include "lake/parquet.h"
#include "stream/damage.h"
#include "stream/parts_aside.h"

enum {
    PACKED_BYTES_MAX = 32 << 20,
    SORTED_ROW_MEMORY = 1024, /* of the budget, for each row that is sorted */
};

static rdl_code note_content(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_sealed_table *s,
                             rdl_err *err)
{
    rdl_buf sql = {0};
    char *sum = NULL;
    if (t->kind != RDL_TABLE_STREAMING && !t->decision)
        return RDL_OK;
    rdl_content_put_sum(&sql, &w->arena, t);
    rdl_put_relation(&sql, "e", "new:", t->full);
    rdl_code rc = rdl_relation_text(e, &w->arena, rdl_buf_str(&sql), &sum, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        s->content = rdl_content_text(&w->arena, t, sum);
    return rc;
}

static rdl_code note_rejected(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_sealed_table *s,
                              rdl_err *err)
{
    rdl_buf from = {0};
    rdl_schema columns;
    rdl_quarantine_schema(&w->arena, &columns);
    rdl_put_relation(&from, "e", "quarantine:", t->full);
    rdl_code rc =
        rdl_content_sum_of(e->conn, &w->arena, &columns, rdl_buf_str(&from), &s->rejected, err);
    rdl_buf_fini(&from);
    return rc;
}

/* The held rows behind e."new:<t>" or e."old:<t>"; a streaming table's are those that were judged. */
static const rdl_held *held_rows(rdl_engine *e, const rdl_table *t, rdl_segment kind)
{
    const char *role = kind == RDL_SEGMENT_OLD ? "old:" : "new:";
    rdl_held *h = rdl_relation_held(e, role, t->full);
    bool judged = h == NULL && kind == RDL_SEGMENT_NEW && t->kind == RDL_TABLE_STREAMING;
    return judged ? rdl_relation_held(e, "judge:", t->full) : h;
}

static void segment_schema(rdl_arena *a, const rdl_table *t, const rdl_sealed_table *s,
                           rdl_segment kind, rdl_schema *out)
{
    rdl_schema lake;
    rdl_table_lake_schema(a, t, &lake);
    *out = (rdl_schema){RDL_NEWN(a, rdl_column, lake.n + 1), lake.n};
    memcpy(out->v, lake.v, lake.n * sizeof *lake.v);
    if (t->kind == RDL_TABLE_STREAMING)
        out->v[out->n++] = (rdl_column){RDL_STR("_event_ts"), rdl_type_of(RDL_TYPE_TIMESTAMPTZ)};
    else if (kind == RDL_SEGMENT_NEW && s->marked)
        out->v[out->n++] = (rdl_column){RDL_STR("_was"), rdl_type_of(RDL_TYPE_BOOLEAN)};
}

/* where: of which rows; empty: of all. */
static rdl_code write_segment(rdl_engine *e, rdl_work *w, const rdl_table *t,
                              const rdl_sealed_table *s, rdl_segment kind, const rdl_buf *where,
                              rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_schema schema;
    segment_schema(&w->arena, t, s, kind, &schema);
    rdl_buf_puts(&sql, "SELECT ");
    for (size_t i = 0; i < schema.n; i++) {
        rdl_buf_puts(&sql, i == 0 ? "CAST(" : ", CAST(");
        rdl_buf_put_sql_ident(&sql, schema.v[i].name);
        rdl_buf_puts(&sql, " AS ");
        rdl_type_print(schema.v[i].type, &sql);
        rdl_buf_puts(&sql, ")");
    }
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, "e", kind == RDL_SEGMENT_NEW ? "new:" : "old:", t->full);
    if (where->n > 0)
        rdl_buf_printf(&sql, " WHERE %s", rdl_buf_str(where));
    rdl_code rc =
        rdl_parquet_write(e->conn, rdl_buf_str(&sql), &schema,
                          rdl_root_segment(&w->arena, &e->root, w->epoch, t->full, kind), err);
    rdl_buf_fini(&sql);
    (void)RDL_FAULT_AT(SEGMENT_WRITTEN);
    return rdl_err_in(rc, err, "segment of %s", t->full.p);
}

/* A view's new rows in the order of its key. */
static bool pack_sorted(rdl_engine *e, const rdl_table *t, const rdl_held *h, const char *name,
                        const rdl_schema *schema, rdl_buf *file)
{
    return t->kind == RDL_TABLE_VIEW && t->primary_key_count > 0 &&
           rdl_held_rows(h) <= e->memory_bytes / SORTED_ROW_MEMORY &&
           rdl_held_pack_sorted(h, name, schema, t->primary_key, t->primary_key_count, file);
}

/* Both kinds of a table's rows into the epoch's one file; false: they go into files of their own. */
static bool pack(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_sealed_table *s, rdl_buf *file)
{
    const uint64_t rows[] = {s->rows_new, s->rows_old};
    size_t before = file->n;
    for (rdl_segment kind = RDL_SEGMENT_NEW; kind <= RDL_SEGMENT_OLD; kind++) {
        const rdl_held *h = held_rows(e, t, kind);
        rdl_schema schema;
        if (rows[kind] == 0)
            continue;
        segment_schema(&w->arena, t, s, kind, &schema);
        const char *name = rdl_root_packed_name(&w->arena, t->full, kind);
        bool fits = h != NULL && rdl_held_rows(h) == rows[kind] && file->n <= PACKED_BYTES_MAX;
        s->sorted |= fits && kind == RDL_SEGMENT_NEW && pack_sorted(e, t, h, name, &schema, file);
        if (s->sorted && kind == RDL_SEGMENT_NEW)
            continue;
        if (!fits || rdl_held_rows(h) > rdl_held_rows_max(e) ||
            !rdl_held_pack(h, name, &schema, file)) {
            s->sorted = false;
            file->n = before;
            return false;
        }
    }
    return true;
}

static rdl_code write_packed(rdl_engine *e, rdl_work *w, const rdl_buf *file, rdl_err *err)
{
    rdl_file *f = NULL;
    if (file->n == strlen(RDL_PACKED_MAGIC))
        return RDL_OK;
    rdl_code rc = rdl_file_create(rdl_root_packed(&w->arena, &e->root, w->epoch), &f, err);
    if (rc == RDL_OK)
        rc = rdl_file_write(f, file->p, file->n, err);
    rdl_file_close(f);
    (void)RDL_FAULT_AT(SEGMENT_WRITTEN);
    return rdl_err_in(rc, err, "rows of the epoch");
}

/* New rows into parts and the rest, or into one file. */
static rdl_code write_new(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_sealed_table *s,
                          rdl_parts *parts, rdl_buf *where, rdl_err *err)
{
    if (s->rows_new > s->rows_apart)
        RDL_TRY(write_segment(e, w, t, s, RDL_SEGMENT_NEW, where, err));
    return parts->n > 0 ? rdl_parts_close(e, w, t, s, parts, err) : RDL_OK;
}

static rdl_code write_table(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_sealed_table *s,
                            rdl_buf *file, rdl_err *err)
{
    if (s->rows_new > 0)
        RDL_TRY(note_content(e, w, t, s, err));
    if (s->rows_quarantined > 0)
        RDL_TRY(note_rejected(e, w, t, s, err));
    rdl_parts parts;
    rdl_buf where = {0};
    rdl_code rc = RDL_OK;
    if (!rdl_parts_await(w, t, s, &parts, &where, &rc, err))
        rc = rdl_parts_write(e, e->conn, w, t, s, &parts, &where, err);
    s->packed = s->rows_new + s->rows_old > 0 && parts.n == 0 && pack(e, w, t, s, file);
    if (rc == RDL_OK && !s->packed)
        rc = write_new(e, w, t, s, &parts, &where, err);
    rdl_buf_clear(&where);
    if (rc == RDL_OK && !s->packed && s->rows_old > 0)
        rc = write_segment(e, w, t, s, RDL_SEGMENT_OLD, &where, err);
    rdl_buf_fini(&where);
    return rc;
}

/* What lies in files of its own is known by its bytes: a bit that flips later goes nowhere. */
static rdl_code sum_segments(rdl_engine *e, rdl_work *w, rdl_sealed_table *s, rdl_err *err)
{
    const uint64_t rows[] = {
        [RDL_SEGMENT_NEW] = s->packed || s->parts.n > 0 ? 0 : s->rows_new, /* parts.c has done it */
        [RDL_SEGMENT_OLD] = s->packed ? 0 : s->rows_old,
        [RDL_SEGMENT_QUARANTINE] = s->rows_quarantined,
    };
    const rdl_table *t = rdl_pipeline_find(e->pipeline, s->table);
    bool source = t == NULL || t->kind == RDL_TABLE_SNAPSHOT || t->kind == RDL_TABLE_SOURCE;
    rdl_segment kind = source ? RDL_SEGMENT_QUARANTINE : RDL_SEGMENT_NEW;
    for (; kind <= RDL_SEGMENT_QUARANTINE; kind++) {
        const char *path = rdl_root_segment(&w->arena, &e->root, w->epoch, s->table, kind);
        if (rows[kind] > 0)
            RDL_TRY(rdl_sealed_hash(path, &s->sums[kind], err));
    }
    return RDL_OK;
}

rdl_code rdl_segments_write(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    rdl_buf file = {0};
    rdl_code rc = RDL_OK;
    rdl_buf_puts(&file, RDL_PACKED_MAGIC);
    for (size_t i = 0; i < w->seal.tables.n && rc == RDL_OK; i++) {
        rdl_sealed_table *s = &w->seal.tables.v[i];
        const rdl_table *t = rdl_pipeline_find(e->pipeline, s->table);
        if (t != NULL && t->kind != RDL_TABLE_SNAPSHOT && t->kind != RDL_TABLE_SOURCE)
            rc = write_table(e, w, t, s, &file, err);
        if (rc == RDL_OK)
            rc = sum_segments(e, w, s, err);
    }
    if (rc == RDL_OK)
        rc = write_packed(e, w, &file, err);
    rdl_buf_fini(&file);
    RDL_TRY(rc);
    RDL_TRY(rdl_state_write_delta(e->state, rdl_root_delta(&w->arena, &e->root, w->epoch), err));
    w->seal.has_delta = true;
    (void)RDL_FAULT_AT(STATE_MERGED);
    return RDL_OK;
}
