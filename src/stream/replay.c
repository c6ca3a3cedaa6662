/*
 * stream/replay.c - rejected rows are judged again.
 *
 * A replay is an epoch of its own.  It takes rows from the table's quarantine that were not
 * replayed yet, and offers the table the records that they came from: decoded again from their
 * bytes where a source gave them, read again by identity where another streaming table did.
 *
 *   e."replay:<t>"   the rows of the quarantine that were asked for
 *   e."new:<input>"  their records, seen by this table alone
 *
 * The rows keep their identity (_epoch is the epoch that first read them), are judged by today's text,
 * are never late and move no watermark.  A row that still is rejected stays as it lies; for each other
 * the quarantine gets one more row with the same identity and replayed_epoch, in the same seal as the
 * rows written: readers of ours then show that one in the place of the first.
 *
 * A dismissal marks the rows in the same way, with "dismissed" among their reasons, and offers nothing:
 * its ledger says replayed = dropped.
 */
#include <inttypes.h>

#include "stream/internal.h"

#define IDENTITY_OF_RECORD "_epoch, _source_partition, _source_offset"
enum {
    RAW_BYTES_KEPT = 64 << 10 /* of a malformed record: one of that size may have been cut */
};

/* ---- what is asked for ---- */

static rdl_code refuse(const rdl_table *t, const char *why, const char *hint, rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot replay the quarantine of \"%s\": %s", t->full.p, why);
    (void)rdl_err_hint(err, "%s", hint);
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
}

static rdl_code check_table(rdl_engine *e, const rdl_table *t, rdl_err *err)
{
    if (t->kind == RDL_TABLE_SNAPSHOT)
        return refuse(t, "its versions are whole", "Mend the file; its next version brings the rows.",
                      err);
    if (t->kind != RDL_TABLE_STREAMING || t->stream_plan == NULL)
        return refuse(t, "it is no streaming table",
                      "A view takes the rows up again when its text or its inputs change.", err);
    if (rdl_lags(e, t))
        return refuse(t, "it has not read all of its inputs", "Run the pipeline first.", err);
    return RDL_OK;
}

/* The user's condition is SQL over the quarantine's columns. */
static rdl_code put_waiting(rdl_engine *e, rdl_arena *a, const rdl_replay_request *r, rdl_buf *sql,
                            rdl_err *err)
{
    rdl_cut cut;
    rdl_cut_init(&cut, a, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    rdl_buf_puts(sql, "SELECT * FROM (");
    RDL_TRY(rdl_cut_select_quarantine(&cut, r->table, sql, err));
    rdl_buf_printf(sql, ") WHERE replayed_epoch IS NULL AND (%s\n)",
                   r->where != NULL ? r->where : "true");
    return RDL_OK;
}

/* The condition is the user's text: what DuckDB says of it is told as any other error in text. */
static rdl_code condition_error(const rdl_replay_request *r, const rdl_err *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "could not read the condition \"%.200s\" of \"%s\"'s quarantine: %.600s",
                r->where, r->table->full.p, why->msg);
    (void)rdl_err_hint(err, "It is SQL over the columns of the quarantine: _source_offset = 4, or "
                            "list_contains(reasons, 'late'); see raudal quarantine show.");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
}

static rdl_code count_waiting(rdl_engine *e, const rdl_replay_request *r, int64_t *out, rdl_err *err)
{
    rdl_arena a;
    rdl_buf sql = {0};
    rdl_arena_init(&a, 0);
    rdl_buf_puts(&sql, "SELECT count(*) FROM (");
    rdl_code rc = put_waiting(e, &a, r, &sql, err);
    rdl_buf_putc(&sql, ')');
    if (rc == RDL_OK)
        rc = rdl_query_i64(e->conn, rdl_buf_str(&sql), out, err);
    rdl_buf_fini(&sql);
    rdl_arena_fini(&a);
    if (r->where != NULL && (rc == RDL_EUSAGE || rc == RDL_ESCHEMA)) {
        rdl_err why = *err;
        rc = condition_error(r, &why, err);
    }
    return rdl_err_in(rc, err, "rows to replay");
}

rdl_code rdl_replay_select(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    rdl_buf sql = {0};
    uint64_t rows = 0;
    rdl_code rc = put_waiting(e, &w->arena, w->replay, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_relation_make(e, w, "replay:", w->replay->table->full, rdl_buf_str(&sql), 0, &rows,
                               err);
    rdl_buf_fini(&sql);
    return rc;
}

/* ---- records of sources, from their bytes ---- */

/* Between the values of JSON a newline is a space; the decoder takes it for the record's end. */
static rdl_str one_line(rdl_arena *a, rdl_str raw)
{
    char *p = rdl_arena_strndup(a, raw.p, raw.n);
    for (size_t i = 0; i < raw.n; i++)
        p[i] = p[i] == '\n' || p[i] == '\r' ? ' ' : p[i];
    return (rdl_str){p, raw.n};
}

static rdl_code read_records(rdl_engine *e, rdl_work *w, const rdl_feed *f,
                             rdl_decode_input **out, size_t *out_n, rdl_err *err)
{
    RDL_VEC(rdl_decode_input) inputs = {0};
    rdl_buf sql = {0};
    rdl_result *result = NULL;
    const rdl_chunk *k;
    rdl_buf_puts(&sql, "SELECT _source_partition, _source_offset, source_file, raw FROM ");
    rdl_put_relation(&sql, "e", "replay:", w->replay->table->full);
    rdl_buf_puts(&sql, " WHERE raw IS NOT NULL AND source = ");
    rdl_buf_put_sql_text(&sql, f->table->full);
    rdl_buf_printf(&sql, " AND NOT (list_contains(reasons, 'malformed') AND octet_length(raw) >= %d)"
                         " ORDER BY _source_partition, _source_offset", RAW_BYTES_KEPT);
    rdl_code rc = rdl_query(e->conn, rdl_buf_str(&sql), &result, err);
    rdl_buf_fini(&sql);
    while (rc == RDL_OK && rdl_result_next(result, &k)) {
        for (size_t i = 0; i < k->rows; i++) {
            rdl_str shown = rdl_vector_str(&k->v[2], i), raw = rdl_vector_str(&k->v[3], i);
            RDL_PUSH(&w->arena, &inputs) = (rdl_decode_input){
                .bytes = f->spec.format == RDL_DECODE_JSON
                             ? one_line(&w->arena, raw)
                             : (rdl_str){rdl_arena_strndup(&w->arena, raw.p, raw.n), raw.n},
                .shown = rdl_arena_strndup(&w->arena, shown.p, shown.n),
                .compression = RDL_COMPRESSION_NONE,
                .partition = RDL_VECTOR_AT(&k->v[0], int32_t, i),
                .first_record = (uint64_t)RDL_VECTOR_AT(&k->v[1], int64_t, i),
            };
        }
    }
    rdl_result_free(result);
    *out = inputs.v;
    *out_n = inputs.n;
    return rc;
}

/* e."new:<source>" as it was when the record first came: its epoch, its time of arrival. */
static rdl_code restore_identity(rdl_engine *e, rdl_work *w, const rdl_table *source, rdl_err *err)
{
    rdl_buf sql = {0};
    uint64_t rows = 0;
    rdl_buf_puts(&sql, "SELECT d.* EXCLUDE (_record_at, _record_bytes) REPLACE (q._epoch AS "
                       "_epoch, q.ingest_ts AS _ingest_ts) FROM ");
    rdl_put_relation(&sql, "e", "decoded:", source->full);
    rdl_buf_puts(&sql, " d JOIN (SELECT DISTINCT ON (_source_partition, _source_offset) * FROM ");
    rdl_put_relation(&sql, "e", "replay:", w->replay->table->full);
    rdl_buf_puts(&sql, ") q ON d._source_partition = q._source_partition AND d._source_offset = "
                       "q._source_offset");
    rdl_code rc = rdl_relation_make(e, w, "new:", source->full, rdl_buf_str(&sql), 0, &rows, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code offer_records(rdl_engine *e, rdl_work *w, const rdl_table *source, rdl_err *err)
{
    rdl_feed *f = rdl_feed_of(e, source);
    rdl_decode_input *inputs;
    size_t n;
    if (f == NULL || f->format == RDL_FORMAT_PARQUET)
        return RDL_OK; /* no bytes were kept */
    if (f->spec.format == RDL_DECODE_CSV && f->spec.header)
        return refuse(w->replay->table, "its records are lines of CSV, whose header was not kept",
                      "Deliver the mended rows in a new file; a rejected row claims no key.", err);
    RDL_TRY(read_records(e, w, f, &inputs, &n, err));
    if (n == 0)
        return RDL_OK;
    rdl_code rc = rdl_ingest_records(e, w, f, inputs, n, err);
    if (rc == RDL_OK)
        rc = restore_identity(e, w, source, err);
    memset(&w->reports[source->index].ledger, 0, sizeof w->reports[source->index].ledger);
    w->changed[source->index] = rc == RDL_OK;
    return rc;
}

/* ---- rows of a streaming table above, by identity ---- */

static rdl_code offer_rows(rdl_engine *e, rdl_work *w, rdl_table *in, rdl_err *err)
{
    rdl_buf sql = {0};
    uint64_t rows = 0;
    RDL_TRY(rdl_relation_all(e, w, in, err));
    rdl_buf_puts(&sql, "SELECT *, NULL::TIMESTAMPTZ AS _event_ts FROM ");
    rdl_put_relation(&sql, "e", "all:", in->full);
    rdl_buf_puts(&sql, " WHERE (" IDENTITY_OF_RECORD ") IN (SELECT (" IDENTITY_OF_RECORD ") FROM ");
    rdl_put_relation(&sql, "e", "replay:", w->replay->table->full);
    rdl_buf_puts(&sql, " WHERE raw IS NULL)");
    rdl_code rc = rdl_relation_make(e, w, "new:", in->full, rdl_buf_str(&sql), 0, &rows, err);
    rdl_buf_fini(&sql);
    w->changed[in->index] = rc == RDL_OK;
    return rc;
}

/* ---- the epoch ---- */

/* What was offered is new to nobody else. */
static rdl_code withdraw(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (!t->inputs[i].stream || !w->changed[in->index])
            continue;
        w->changed[in->index] = false;
        RDL_TRY(rdl_relation_drop(e, "new:", in->full, err));
    }
    return RDL_OK;
}

static rdl_code dismiss(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    rdl_ledger *l = &w->reports[t->index].ledger;
    rdl_buf sql = {0};
    uint64_t rows = 0;
    RDL_TRY(rdl_reindex(e, w, t, err));
    rdl_buf_printf(&sql, "SELECT * REPLACE (list_append(reasons, 'dismissed') AS reasons, %" PRIu64
                         "::BIGINT AS replayed_epoch) FROM ",
                   w->epoch);
    rdl_put_relation(&sql, "e", "replay:", t->full);
    rdl_code rc = rdl_relation_make(e, w, "quarantine:", t->full, rdl_buf_str(&sql), 0, &rows, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK && rows > 0)
        rc = rdl_quarantine_write(e, w, t, err);
    RDL_TRY(rc);
    l->replayed = l->dropped = rows;
    rdl_sealed_table *s = rdl_work_seal_table(e, w, t);
    s->ledger = *l;
    s->rows_quarantined = rows;
    s->evaluated = true;
    s->keys = t->dedup_count > 0 ? rdl_key_identity("dedup", t, t->dedup, t->dedup_count)
                                 : (rdl_hash128){0, 0};
    return RDL_OK;
}

rdl_code rdl_replay_table(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    if (w->replay->dismiss)
        return dismiss(e, w, t, err);
    for (size_t i = 0; i < t->input_count; i++) {
        rdl_table *in = t->inputs[i].table;
        if (!t->inputs[i].stream)
            continue;
        if (in->kind == RDL_TABLE_SOURCE)
            RDL_TRY(offer_records(e, w, in, err));
        else if (in->kind == RDL_TABLE_STREAMING)
            RDL_TRY(offer_rows(e, w, in, err));
    }
    RDL_TRY(rdl_missing_inputs(e, w, t, err));
    RDL_TRY(rdl_judge(e, w, t, err));
    return withdraw(e, w, t, err);
}

/*
 * A record of which some copies were written and others rejected gives all of them again: only
 * those that lie in the quarantine are judged.  A malformed record gave none before.
 */
rdl_code rdl_replay_narrow(rdl_engine *e, rdl_work *w, const rdl_table *t, uint64_t *out_rows,
                           rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t left = 0;
    (void)w;
    rdl_buf_puts(&sql, "DELETE FROM ");
    rdl_put_relation(&sql, "e", "judge:", t->full);
    rdl_buf_puts(&sql, " WHERE (" RDL_IDENTITY_COLUMNS ") NOT IN (SELECT (" RDL_IDENTITY_COLUMNS
                       ") FROM ");
    rdl_put_relation(&sql, "e", "replay:", t->full);
    rdl_buf_puts(&sql, ") AND (" IDENTITY_OF_RECORD ") NOT IN (SELECT (" IDENTITY_OF_RECORD ") FROM ");
    rdl_put_relation(&sql, "e", "replay:", t->full);
    rdl_buf_puts(&sql, " WHERE list_contains(reasons, 'malformed'))");
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_clear(&sql);
    rdl_buf_puts(&sql, "SELECT count(*) FROM ");
    rdl_put_relation(&sql, "e", "judge:", t->full);
    if (rc == RDL_OK)
        rc = rdl_query_i64(e->conn, rdl_buf_str(&sql), &left, err);
    rdl_buf_fini(&sql);
    *out_rows = (uint64_t)left;
    return rc;
}

static void put_offered(rdl_buf *sql, const rdl_work *w, const rdl_table *t)
{
    rdl_buf_puts(sql, "(SELECT NULL::BIGINT AS _epoch, NULL::INTEGER AS _source_partition, "
                      "NULL::BIGINT AS _source_offset WHERE false");
    for (size_t i = 0; i < t->input_count; i++) {
        if (!t->inputs[i].stream || !w->changed[t->inputs[i].table->index])
            continue;
        rdl_buf_puts(sql, " UNION ALL SELECT " IDENTITY_OF_RECORD " FROM ");
        rdl_put_relation(sql, "e", "new:", t->inputs[i].table->full);
    }
    rdl_buf_putc(sql, ')');
}

rdl_code rdl_replay_mark(rdl_engine *e, rdl_work *w, const rdl_table *t, bool some_rejected,
                         uint64_t *out_rows, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT * REPLACE (%" PRIu64 "::BIGINT AS replayed_epoch) FROM ",
                   w->epoch);
    rdl_put_relation(&sql, "e", "replay:", t->full);
    rdl_buf_puts(&sql, " WHERE (" IDENTITY_OF_RECORD ") IN (SELECT (" IDENTITY_OF_RECORD ") FROM ");
    put_offered(&sql, w, t);
    rdl_buf_putc(&sql, ')');
    if (some_rejected) {
        rdl_buf_puts(&sql, " AND (" RDL_IDENTITY_COLUMNS ") NOT IN (SELECT (j._epoch, "
                           "j._source_partition, j._source_offset, j._ordinal) FROM ");
        rdl_put_relation(&sql, "e", "judge:", t->full);
        rdl_buf_puts(&sql, " j JOIN ");
        rdl_put_relation(&sql, "e", "fates:", t->full);
        rdl_buf_puts(&sql, " f ON j.rowid = f.rid WHERE f.fate IN (2, 3))");
    }
    rdl_code rc = rdl_relation_make(e, w, "quarantine:", t->full, rdl_buf_str(&sql), 0, out_rows, err);
    rdl_buf_fini(&sql);
    return rc == RDL_OK && *out_rows > 0 ? rdl_quarantine_write(e, w, t, err) : rc;
}

static rdl_code take_up(rdl_engine *e, const rdl_table *table, const char *where, bool dismissed,
                        rdl_ledger *out, rdl_err *err)
{
    rdl_work w;
    int64_t now = rdl_now_us(e->clock), began = rdl_monotonic_us(), waiting = 0;
    const rdl_replay_request request = {rdl_pipeline_find(e->pipeline, table->full), where,
                                        dismissed};
    memset(out, 0, sizeof *out);
    RDL_TRY(check_table(e, table, err));
    if (rdl_history_table(&e->history, table->full)->last_quarantined == 0)
        return RDL_OK;
    RDL_TRY(count_waiting(e, &request, &waiting, err));
    if (waiting == 0)
        return RDL_OK;
    rdl_work_init(e, &w);
    w.ts_us = now > e->history.ts_us ? now : e->history.ts_us + 1;
    w.replay = &request;
    rdl_code rc = rdl_epoch_run(e, &w, err);
    *out = w.reports[table->index].ledger;
    if (rc == RDL_OK)
        rdl_note_sealed(e, &w, began);
    rdl_work_fini(e, &w);
    return rc == RDL_OK ? rdl_engine_flush(e, err) : rc;
}

rdl_code rdl_engine_replay(rdl_engine *e, const rdl_table *table, const char *where,
                           rdl_ledger *out, rdl_err *err)
{
    return take_up(e, table, where, false, out, err);
}

rdl_code rdl_engine_dismiss(rdl_engine *e, const rdl_table *table, const char *where,
                            rdl_ledger *out, rdl_err *err)
{
    return take_up(e, table, where, true, out, err);
}
