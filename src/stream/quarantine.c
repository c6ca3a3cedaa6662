/*
 * stream/quarantine.c - rejected rows, with their bytes, their place and the reasons.
 *
 * Two kinds of row come here: rows of a body that a constraint or the watermark took (raw bytes are
 * read again from the source record, where there is one), and malformed records of the
 * table's own sources.  Both go to the table's quarantine segment, one row each.
 */
#include <inttypes.h>

#include "stream/judge.h"

enum {
    COLUMN_EPOCH,
    COLUMN_PARTITION,
    COLUMN_OFFSET,
    COLUMN_ORDINAL,
    COLUMN_SOURCE,
    COLUMN_FILE,
    COLUMN_REASONS,
    COLUMN_DETAIL,
    COLUMN_RAW,
    COLUMN_RECORD,
    COLUMN_INGEST_TS,
    COLUMN_PIPELINE,
    COLUMN_REPLAYED,
};

typedef struct writer {
    rdl_engine *e;
    rdl_work *w;
    rdl_table *t;
    rdl_schema schema;
    rdl_held *to;
    rdl_appender *table;    /* where they are too many to be held; or NULL */
    rdl_chunk *chunk;       /* being filled; NULL: none.  Of a table the appender's */
    char pipeline[33];
    rdl_buf raw, detail;
    uint64_t rows;
} writer;

static const rdl_sealed_partition *partition_of(const writer *q, int32_t number)
{
    for (size_t i = 0; i < q->w->seal.partitions.n; i++) {
        if (q->w->seal.partitions.v[i].number == number)
            return &q->w->seal.partitions.v[i];
    }
    for (size_t i = 0; i < q->e->history.partitions.n; i++) {
        if (q->e->history.partitions.v[i].number == number)
            return &q->e->history.partitions.v[i];
    }
    return NULL;
}

static void set_text(rdl_chunk *c, size_t column, size_t row, const char *p, size_t n)
{
    rdl_vector_set_str(&c->v[column], row, p, n);
}

static void set_reasons(rdl_chunk *c, size_t row, const rdl_str *reasons, size_t n)
{
    rdl_vector *list = &c->v[COLUMN_REASONS];
    rdl_duck_list *entries = list->data;
    size_t at = 0;
    for (size_t i = 0; i < row; i++)
        at += entries[i].length;
    if (!rdl_vector_list_reserve(list, at + n))
        return;
    for (size_t i = 0; i < n; i++)
        rdl_vector_set_str(&list->children[0], at + i, reasons[i].p, reasons[i].n);
    entries[row] = (rdl_duck_list){at, n};
    rdl_vector_list_set_size(list, at + n);
}

typedef struct rejected {
    int64_t epoch, offset, ordinal;
    int32_t partition;
    rdl_str reasons[64];
    size_t reason_count;
    const char *shown; /* NULL: by partition */
    bool has_raw, has_record;
    rdl_str record;
} rejected;

static rdl_code push(writer *q, rdl_err *err)
{
    rdl_chunk *full = q->chunk;
    q->chunk = NULL;
    if (q->table != NULL)
        return rdl_appender_flush(q->table, err);
    if (full != NULL)
        RDL_TRY(rdl_held_push(q->to, full, err));
    return rdl_held_rows(q->to) > rdl_held_rows_max(q->e)
               ? rdl_relation_spill(q->e, "quarantine:", q->t->full, &q->table, err)
               : RDL_OK;
}

static rdl_code finish(writer *q, rdl_err *err)
{
    RDL_TRY(push(q, err));
    rdl_appender *table = q->table;
    q->table = NULL;
    return table != NULL ? rdl_appender_close(table, err) : RDL_OK;
}

static rdl_code put(writer *q, const rejected *r, rdl_err *err)
{
    if (q->table != NULL)
        q->chunk = rdl_appender_chunk(q->table);
    else if (q->chunk == NULL)
        RDL_TRY(rdl_chunk_new(&q->schema, &q->chunk, err));
    rdl_chunk *c = q->chunk;
    size_t row = c->rows;
    const rdl_sealed_partition *p = partition_of(q, r->partition);
    RDL_VECTOR_AT(&c->v[COLUMN_EPOCH], int64_t, row) = r->epoch;
    RDL_VECTOR_AT(&c->v[COLUMN_PARTITION], int32_t, row) = r->partition;
    RDL_VECTOR_AT(&c->v[COLUMN_OFFSET], int64_t, row) = r->offset;
    RDL_VECTOR_AT(&c->v[COLUMN_ORDINAL], int64_t, row) = r->ordinal;
    const char *file = r->shown != NULL ? r->shown : p != NULL ? p->name.p : "";
    set_text(c, COLUMN_SOURCE, row, p != NULL ? p->source.p : "", p != NULL ? p->source.n : 0);
    set_text(c, COLUMN_FILE, row, file, strlen(file));
    set_reasons(c, row, r->reasons, r->reason_count);
    set_text(c, COLUMN_DETAIL, row, rdl_buf_str(&q->detail), q->detail.n);
    if (r->has_raw)
        set_text(c, COLUMN_RAW, row, rdl_buf_str(&q->raw), q->raw.n);
    else
        rdl_vector_set_null(&c->v[COLUMN_RAW], row);
    if (r->has_record)
        set_text(c, COLUMN_RECORD, row, r->record.p, r->record.n);
    else
        rdl_vector_set_null(&c->v[COLUMN_RECORD], row);
    RDL_VECTOR_AT(&c->v[COLUMN_INGEST_TS], int64_t, row) = q->w->ts_us;
    set_text(c, COLUMN_PIPELINE, row, q->pipeline, 32);
    rdl_vector_set_null(&c->v[COLUMN_REPLAYED], row);
    c->rows = row + 1;
    q->rows++;
    return c->rows == RDL_VECTOR_ROWS ? push(q, err) : RDL_OK;
}

/* ---- rows of the body ---- */

static void put_places(rdl_buf *sql, rdl_engine *e, rdl_work *w, const rdl_table *t)
{
    rdl_buf_puts(sql, "(SELECT NULL::INTEGER AS p, NULL::BIGINT AS o, NULL::BIGINT AS at, "
                      "NULL::INTEGER AS n WHERE false");
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (in->kind != RDL_TABLE_SOURCE || !w->changed[in->index])
            continue;
        rdl_buf_puts(sql, " UNION ALL SELECT _source_partition, _source_offset, _record_at, "
                          "_record_bytes FROM ");
        rdl_put_relation(sql, "e", "decoded:", in->full);
    }
    rdl_buf_puts(sql, ")");
    (void)e;
}

static rdl_decode *decode_of(writer *q, int32_t partition)
{
    const rdl_sealed_partition *p = partition_of(q, partition);
    rdl_table *s = p != NULL ? rdl_pipeline_find(q->e->pipeline, p->source) : NULL;
    rdl_feed *f = s != NULL ? rdl_feed_of(q->e, s) : NULL;
    return f != NULL ? q->w->decodes[f - q->e->feeds] : NULL;
}

static void put_reasons(writer *q, rejected *r, uint64_t violated, bool late)
{
    rdl_buf_clear(&q->detail);
    for (size_t i = 0; i < q->t->constraint_count; i++) {
        const rdl_constraint *k = &q->t->constraints[i];
        if ((violated >> i & 1) == 0 || k->action != RDL_VIOLATION_QUARANTINE)
            continue;
        r->reasons[r->reason_count++] = k->name;
        rdl_buf_puts(&q->detail, q->detail.n > 0 ? "; expected " : "expected ");
        if (k->unique_count > 0)
            rdl_buf_puts(&q->detail, "unique");
        rdl_buf_put(&q->detail, k->expr.p, k->expr.n);
    }
    if (late) {
        r->reasons[r->reason_count++] = RDL_STR("late");
        rdl_buf_puts(&q->detail, q->detail.n > 0 ? "; behind the watermark"
                                                 : "behind the watermark");
    }
}

static rdl_code put_judged(writer *q, const rdl_chunk *k, size_t i, rdl_err *err)
{
    rejected r = {
        .epoch = RDL_VECTOR_AT(&k->v[0], int64_t, i),
        .partition = RDL_VECTOR_AT(&k->v[1], int32_t, i),
        .offset = RDL_VECTOR_AT(&k->v[2], int64_t, i),
        .ordinal = RDL_VECTOR_AT(&k->v[3], int64_t, i),
        .has_record = true,
        .record = rdl_vector_str(&k->v[6], i),
    };
    put_reasons(q, &r, (uint64_t)RDL_VECTOR_AT(&k->v[5], int64_t, i),
                RDL_VECTOR_AT(&k->v[4], int32_t, i) == RDL_FATE_LATE_DIVERTED);
    rdl_buf_clear(&q->raw);
    rdl_decode *d = rdl_vector_valid(&k->v[7], i) ? decode_of(q, r.partition) : NULL;
    if (d != NULL) {
        RDL_TRY(rdl_decode_raw(d, r.partition, (uint64_t)RDL_VECTOR_AT(&k->v[7], int64_t, i),
                               (uint64_t)RDL_VECTOR_AT(&k->v[8], int32_t, i), &q->raw, err));
        r.has_raw = true;
    }
    return put(q, &r, err);
}

static rdl_code put_all_judged(writer *q, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *result = NULL;
    const rdl_chunk *k;
    rdl_buf_puts(&sql, "SELECT j._epoch, j._source_partition, j._source_offset, j._ordinal, "
                       "f.fate, f.violated, to_json(struct_pack(");
    for (size_t i = 0; i < q->t->columns.n; i++) {
        rdl_buf_puts(&sql, i == 0 ? "" : ", ");
        rdl_buf_put_sql_ident(&sql, q->t->columns.v[i].name);
        rdl_buf_puts(&sql, " := j.");
        rdl_buf_put_sql_ident(&sql, q->t->columns.v[i].name);
    }
    rdl_buf_puts(&sql, "))::VARCHAR, d.at, d.n FROM ");
    rdl_put_relation(&sql, "e", "judge:", q->t->full);
    rdl_buf_puts(&sql, " j JOIN ");
    rdl_put_relation(&sql, "e", "fates:", q->t->full);
    rdl_buf_puts(&sql, " f ON j.rowid = f.rid LEFT JOIN ");
    put_places(&sql, q->e, q->w, q->t);
    rdl_buf_puts(&sql, " d ON d.p = j._source_partition AND d.o = j._source_offset "
                       "WHERE f.fate IN (2, 3)");
    rdl_code rc = rdl_relation_query(q->e, rdl_buf_str(&sql), &result, err);
    while (rc == RDL_OK && rdl_result_next(result, &k)) {
        for (size_t i = 0; rc == RDL_OK && i < k->rows; i++)
            rc = put_judged(q, k, i, err);
    }
    rdl_result_free(result);
    rdl_buf_fini(&sql);
    return rc;
}

/* ---- malformed records ---- */

static rdl_code put_malformed(writer *q, rdl_decode *d, rdl_err *err)
{
    size_t n;
    const rdl_malformed *m = rdl_decode_malformed(d, &n);
    for (size_t i = 0; i < n; i++) {
        const rejected r = {
            .epoch = (int64_t)q->w->epoch,
            .partition = m[i].partition,
            .offset = (int64_t)m[i].offset,
            .reasons = {RDL_STR("malformed")},
            .reason_count = 1,
            .shown = m[i].shown,
            .has_raw = true,
        };
        rdl_buf_clear(&q->raw);
        rdl_buf_put(&q->raw, m[i].bytes.p, m[i].bytes.n);
        rdl_buf_clear(&q->detail);
        rdl_buf_puts(&q->detail, m[i].reason);
        if (m[i].bytes_total > m[i].bytes.n)
            rdl_buf_printf(&q->detail, " (first %zu of %" PRIu64 " bytes kept)", m[i].bytes.n,
                           m[i].bytes_total);
        RDL_TRY(put(q, &r, err));
    }
    return RDL_OK;
}

static rdl_code put_malformed_of(writer *q, const rdl_table *source, rdl_err *err)
{
    const rdl_feed *f = rdl_feed_of(q->e, source);
    rdl_decode *d = f != NULL ? q->w->decodes[f - q->e->feeds] : NULL;
    return d != NULL && source->source->on_malformed != RDL_MALFORMED_SKIP
               ? put_malformed(q, d, err)
               : RDL_OK;
}

rdl_code rdl_quarantine_write(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "COPY (SELECT * FROM ");
    rdl_put_relation(&sql, "e", "quarantine:", t->full);
    rdl_buf_puts(&sql, " ORDER BY " RDL_IDENTITY_COLUMNS ") TO ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(rdl_root_segment(&w->arena, &e->root,
                                                           w->epoch, t->full,
                                                           RDL_SEGMENT_QUARANTINE)));
    rdl_buf_puts(&sql, " (FORMAT parquet)");
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_quarantine_rows(rdl_engine *e, rdl_work *w, rdl_table *t, bool judged,
                             uint64_t *out_rows, rdl_err *err)
{
    writer q = {.e = e, .w = w, .t = t};
    rdl_code rc = RDL_OK;
    rdl_hash128_hex(e->pipeline->fingerprint, q.pipeline);
    rdl_quarantine_schema(&w->arena, &q.schema);
    RDL_TRY_OUT(rdl_relation_hold(e, "quarantine:", t->full, &q.schema, &q.to, err));
    if (judged)
        RDL_TRY_OUT(put_all_judged(&q, err));
    if (t->kind == RDL_TABLE_SNAPSHOT)
        RDL_TRY_OUT(put_malformed_of(&q, t, err));
    for (size_t i = 0; i < t->input_count; i++) {
        if (t->inputs[i].table->kind == RDL_TABLE_SOURCE)
            RDL_TRY_OUT(put_malformed_of(&q, t->inputs[i].table, err));
    }
    RDL_TRY_OUT(finish(&q, err));
    if (q.rows > 0)
        rc = rdl_quarantine_write(e, w, t, err);
out:
    *out_rows = q.rows;
    if (q.table == NULL)
        rdl_chunk_free(q.chunk);
    else
        (void)!rdl_appender_close(q.table, &(rdl_err){0});
    rdl_buf_fini(&q.raw);
    rdl_buf_fini(&q.detail);
    return rdl_err_in(rc, err, "quarantine");
}
