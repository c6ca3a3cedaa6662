/*
 * stream/ingest.c - sources into relations.
 *
 * For an append-only source with ranges in the plan:
 *   e."decoded:<s>"  declared columns, system columns, _event_ts, and where each record lies: rows
 *                    held, a table, or (one reader, many rows) a view over the decoder itself
 *   e."new:<s>"      view of it without the places
 * Snapshots are snapshot.c's.
 */
#include <inttypes.h>

#include "base/machine.h"
#include "source/files.h"
#include "stream/internal.h"
#include "stream/source_spec.h"

enum {
    RECORD_BYTES = 150, /* of a usual record, when nothing is known of the source */
    PACKED_MAX = 4,     /* a whole file may be compressed */
};

rdl_feed *rdl_feed_of(rdl_engine *e, const rdl_table *source)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        if (e->feeds[i].table == source)
            return &e->feeds[i];
    }
    return NULL;
}

static bool readers_deduplicate(rdl_engine *e, const rdl_table *source)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        for (size_t j = 0; j < t->input_count; j++) {
            if (t->inputs[j].table == source && t->dedup_count == 0)
                return false;
        }
    }
    return true;
}

/* What the language says is what a source is told. */
_Static_assert((int)RDL_REPEAT_DEFAULT == RDL_FILES_REPEAT_DEFAULT &&
                   (int)RDL_REPEAT_SKIP == RDL_FILES_REPEAT_SKIP &&
                   (int)RDL_REPEAT_READ == RDL_FILES_REPEAT_READ,
               "rdl_on_repeat and RDL_FILES_REPEAT_ have the same numbers");

static rdl_code open_feed(rdl_engine *e, rdl_feed *f, rdl_err *err)
{
    const rdl_source_def *s = f->table->source;
    rdl_source_spec(&e->arena, s, &f->spec);
    f->format = s->format;
    rdl_source_option *options = RDL_NEWN(&e->arena, rdl_source_option, s->option_count + 1);
    for (size_t i = 0; i < s->option_count; i++)
        options[i] = (rdl_source_option){s->options[i].name, s->options[i].value};
    const rdl_source_config config = {
        .pipeline = e->pipeline->name,
        .name = f->table->full.p,
        .base_dir = e->pipeline->dir,
        .url = rdl_arena_strndup(&e->arena, s->url.p, s->url.n),
        .options = options,
        .option_count = s->option_count,
        .parquet = s->format == RDL_FORMAT_PARQUET,
        .snapshot = f->table->kind == RDL_TABLE_SNAPSHOT,
        .spec = &f->spec,
        .repeat = (int)s->on_repeat,
        .may_repeat = f->every_reader_deduplicates,
        .loss_continues = s->loss_continues,
        .clock = e->clock,
        .stop = &e->stop,
        .watch = e->watch,
    };
    rdl_code rc = rdl_landing_read(&e->arena, rdl_source_text(s, "after_commit", ""), config.base_dir,
                                   config.url, &f->landing, err);
    if (rc == RDL_OK)
        rc = rdl_source_open(&config, &f->source, err);
    return rdl_err_in(rc, err, "source %s", f->table->full.p);
}

rdl_code rdl_feeds_open(rdl_engine *e, rdl_err *err)
{
    e->feeds = RDL_NEWN(&e->arena, rdl_feed, e->pipeline->table_count);
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        rdl_table *t = e->pipeline->tables[i];
        if (t->kind != RDL_TABLE_SOURCE && t->kind != RDL_TABLE_SNAPSHOT)
            continue;
        rdl_feed *f = &e->feeds[e->feed_count++];
        *f = (rdl_feed){.table = t, .look_us = INT64_MIN, .every_reader_deduplicates = readers_deduplicate(e, t)};
        RDL_TRY(open_feed(e, f, err));
    }
    rdl_feeds_restore(e, e->history.ranges.v, e->history.ranges.n, false);
    for (size_t i = 0; i < e->feed_count; i++)
        rdl_feed_find_elsewhere(e, &e->feeds[i]);
    return RDL_OK;
}

void rdl_feeds_close(rdl_engine *e)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        if (e->feeds[i].source != NULL)
            e->feeds[i].source->ops->close(e->feeds[i].source);
    }
    e->feed_count = 0;
}

void rdl_feeds_restore(rdl_engine *e, const rdl_sealed_range *ranges, size_t n, bool settle)
{
    for (size_t i = 0; i < n; i++) {
        rdl_table *t = rdl_pipeline_find(e->pipeline, ranges[i].source);
        rdl_feed *f = t != NULL ? rdl_feed_of(e, t) : NULL;
        if (f != NULL && f->source->ops->restore != NULL)
            f->source->ops->restore(f->source, &ranges[i].range);
        if (f != NULL && ranges[i].cleared == RDL_CLEARED && f->source->ops->forget != NULL)
            f->source->ops->forget(f->source, &ranges[i].range);
    }
    for (size_t i = 0; settle && i < e->feed_count; i++) {
        rdl_source *s = e->feeds[i].source;
        if (s->ops->settle != NULL)
            s->ops->settle(s);
    }
}

void rdl_feeds_rewind(rdl_engine *e)
{
    for (size_t i = 0; i < e->feed_count; i++) {
        rdl_source *s = e->feeds[i].source;
        e->feeds[i].look_us = INT64_MIN; /* a version that was not sealed */
        if (s->ops->rewind != NULL)
            s->ops->rewind(s);
    }
}

/* ---- decoding ---- */

/* The declared columns in order; computed ones as their expression. */
static void put_declared(rdl_buf *sql, const rdl_source_def *s)
{
    for (size_t i = 0; i < s->column_count; i++) {
        const rdl_source_column *c = &s->columns[i];
        rdl_buf_puts(sql, i == 0 ? "" : ", ");
        if (c->computed.n > 0) {
            rdl_buf_puts(sql, "CAST((");
            rdl_buf_put(sql, c->computed.p, c->computed.n);
            rdl_buf_puts(sql, ") AS ");
            rdl_type_print(c->column.type, sql);
            rdl_buf_puts(sql, ") AS ");
        }
        rdl_buf_put_sql_ident(sql, c->column.name);
    }
}

static void put_system(rdl_buf *sql, const rdl_work *w, const rdl_source_def *s)
{
    rdl_buf_printf(sql,
                   ", _source_file, _source_partition, _source_offset, 0::BIGINT AS _ordinal, "
                   "CAST(make_timestamp(%" PRId64 "::BIGINT) AS TIMESTAMPTZ) AS _ingest_ts, "
                   "%" PRIu64 "::BIGINT AS _epoch, _rescued, ",
                   w->ts_us, w->epoch);
    if (s->watermark_column < 0) {
        rdl_buf_puts(sql, "NULL");
    } else {
        rdl_buf_putc(sql, '(');
        const rdl_source_column *c = &s->columns[s->watermark_column];
        if (c->computed.n > 0)
            rdl_buf_put(sql, c->computed.p, c->computed.n);
        else
            rdl_buf_put_sql_ident(sql, c->column.name);
        rdl_buf_putc(sql, ')');
    }
    rdl_buf_puts(sql, "::TIMESTAMPTZ AS _event_ts, _record_at, _record_bytes FROM ");
}

/* Is what these inputs hold worth a table?  A record is rarely shorter than RECORD_BYTES. */
static uint64_t expected_rows(const rdl_decode_input *inputs, size_t n)
{
    uint64_t bytes = 0, messages = 0;
    for (size_t i = 0; i < n; i++) {
        rdl_stat st = {0};
        rdl_err ignored;
        if (inputs[i].records != NULL)
            messages += inputs[i].count;
        else if (inputs[i].end > 0)
            bytes += inputs[i].end - inputs[i].begin;
        else if (inputs[i].path == NULL)
            bytes += inputs[i].bytes.n;
        else if (rdl_fs_stat(inputs[i].path, &st, &ignored) == RDL_OK)
            bytes += st.size * PACKED_MAX;
    }
    return messages + bytes / RECORD_BYTES;
}

/* The inputs as a scan, and the select that reads it. */
static rdl_code open_scan(rdl_engine *e, rdl_work *w, rdl_feed *f, const rdl_decode_input *inputs,
                          size_t n, rdl_buf *sql, rdl_err *err)
{
    size_t at = (size_t)(f - e->feeds);
    char *name = rdl_arena_printf(&w->arena, "decode:%s", f->table->full.p);
    rdl_decode_free(w->decodes[at]);
    w->decodes[at] = NULL;
    RDL_TRY(rdl_decode_register(e->duck, name, &f->spec, inputs, n, &w->decodes[at], err));
    rdl_buf_puts(sql, "SELECT ");
    put_declared(sql, f->table->source);
    put_system(sql, w, f->table->source);
    rdl_buf_puts(sql, "rdl_scan(");
    rdl_buf_put_sql_text(sql, rdl_str_of(name));
    rdl_buf_puts(sql, ")");
    return RDL_OK;
}

static rdl_code decode_lines(rdl_engine *e, rdl_work *w, rdl_feed *f,
                             const rdl_decode_input *inputs, size_t n, rdl_err *err)
{
    rdl_decode_counts counts;
    rdl_buf sql = {0};
    uint64_t rows = 0;
    rdl_code rc = open_scan(e, w, f, inputs, n, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_relation_make(e, w, "decoded:", f->table->full, rdl_buf_str(&sql),
                               expected_rows(inputs, n), &rows, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    rdl_decode_result(w->decodes[f - e->feeds], &counts);
    if (rows == counts.rows)
        return RDL_OK;
    return rdl_err_set(err, RDL_EBUG, 0,
                       "%" PRIu64 " records of \"%s\" were decoded and %" PRIu64 " kept",
                       counts.rows, f->table->full.p, rows);
}

static rdl_code decode_parquet(rdl_engine *e, rdl_work *w, rdl_feed *f,
                               const rdl_decode_input *inputs, size_t n, uint64_t *out_rows,
                               rdl_err *err)
{
    const rdl_source_def *s = f->table->source;
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT ");
    put_declared(&sql, s);
    put_system(&sql, w, s);
    rdl_buf_puts(&sql, "(");
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(&sql, i == 0 ? "SELECT " : " UNION ALL SELECT ");
        for (size_t j = 0; j < f->spec.column_count; j++) {
            const rdl_decode_column *c = &f->spec.columns[j];
            rdl_buf_puts(&sql, j == 0 ? "CAST(" : ", CAST(");
            rdl_buf_put_sql_ident(&sql, c->field);
            rdl_buf_puts(&sql, " AS ");
            rdl_type_print(c->type, &sql);
            rdl_buf_puts(&sql, ") AS ");
            rdl_buf_put_sql_ident(&sql, c->name);
        }
        rdl_buf_puts(&sql, ", NULL::JSON AS _rescued, ");
        rdl_buf_put_sql_text(&sql, rdl_str_of(inputs[i].shown));
        rdl_buf_printf(&sql,
                       " AS _source_file, %" PRId32 "::INTEGER AS _source_partition, "
                       "file_row_number AS _source_offset, NULL::BIGINT AS _record_at, "
                       "NULL::INTEGER AS _record_bytes FROM read_parquet(",
                       inputs[i].partition);
        rdl_buf_put_sql_text(&sql, rdl_str_of(inputs[i].path));
        rdl_buf_puts(&sql, ", file_row_number = true)");
    }
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_relation_make(e, w, "decoded:", f->table->full, rdl_buf_str(&sql),
                                    UINT64_MAX, out_rows, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code malformed_fails(const rdl_feed *f, rdl_decode *d, rdl_err *err)
{
    size_t n;
    const rdl_malformed *m = rdl_decode_malformed(d, &n);
    rdl_err_set(err, RDL_EDATA, 0, "malformed record %" PRIu64 " in \"%s\": %s", m[0].offset,
                m[0].shown, m[0].reason);
    rdl_err_hint(err, "Mend the record, or declare the source ON MALFORMED QUARANTINE.");
    return rdl_err_in(RDL_EDATA, err, "source %s", f->table->full.p);
}

/* What the decoder saw becomes the source's row of the ledger. */
static rdl_code count_lines(rdl_engine *e, rdl_work *w, rdl_feed *f, rdl_err *err)
{
    rdl_decode *d = w->decodes[f - e->feeds];
    rdl_ledger *l = &w->reports[f->table->index].ledger;
    rdl_decode_counts counts;
    rdl_decode_result(d, &counts);
    l->read = counts.rows + counts.malformed;
    w->rows_new[f->table->index] = counts.rows;
    l->malformed = counts.malformed;
    l->rescued = counts.rescued;
    w->bytes += counts.bytes;
    return counts.malformed > 0 && f->table->source->on_malformed == RDL_MALFORMED_FAIL
               ? malformed_fails(f, d, err)
               : RDL_OK;
}

static rdl_code decode(rdl_engine *e, rdl_work *w, rdl_feed *f, const rdl_decode_input *inputs,
                       size_t n, rdl_err *err)
{
    rdl_ledger *l = &w->reports[f->table->index].ledger;
    rdl_code rc;
    if (f->format == RDL_FORMAT_PARQUET) {
        rc = decode_parquet(e, w, f, inputs, n, &l->read, err);
        w->rows_new[f->table->index] = l->read;
    } else {
        RDL_TRY(decode_lines(e, w, f, inputs, n, err));
        rc = count_lines(e, w, f, err);
    }
    w->rows += l->read;
    return rc;
}

rdl_code rdl_ingest_records(rdl_engine *e, rdl_work *w, rdl_feed *f,
                            const rdl_decode_input *inputs, size_t n, rdl_err *err)
{
    return decode(e, w, f, inputs, n, err);
}

/* ---- append-only sources ---- */

/* How much a row takes where it lies: plan.c cuts epochs by it. */
static void note_row_bytes(const rdl_work *w, rdl_feed *f, const rdl_range *ranges,
                           const rdl_source_inputs *taken)
{
    uint64_t bytes = 0, rows = w->reports[f->table->index].ledger.read;
    for (size_t i = 0; i < taken->range.n; i++) {
        if (i == 0 || taken->range.v[i] != taken->range.v[i - 1])
            bytes += ranges[taken->range.v[i]].bytes;
    }
    if (rows > 0)
        f->row_bytes = (double)bytes / (double)rows;
}

static rdl_code new_view(rdl_engine *e, const rdl_feed *f, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT * EXCLUDE (_record_at, _record_bytes) FROM ");
    rdl_put_relation(&sql, "e", "decoded:", f->table->full);
    rdl_code rc = rdl_relation_view(e, "new:", f->table->full, rdl_buf_str(&sql), false, err);
    rdl_buf_fini(&sql);
    return rc;
}

/* What was decoded of each range.  A source that counted its records before must have given them. */
static rdl_code count_records(const rdl_work *w, size_t at, const rdl_source_inputs *inputs,
                              rdl_err *err)
{
    rdl_range *ranges = w->ranges[at];
    uint64_t *records = RDL_NEWN((rdl_arena *)(uintptr_t)&w->arena, uint64_t, w->range_count[at]);
    for (size_t i = 0; i < inputs->list.n && w->decodes[at] != NULL; i++)
        records[inputs->range.v[i]] += rdl_decode_input_records(w->decodes[at], i);
    for (size_t i = 0; i < w->range_count[at]; i++) {
        if (ranges[i].kind == RDL_RANGE_FILE) {
            ranges[i].records = ranges[i].u.file.records = records[i];
            ranges[i].u.file.partition = ranges[i].number;
        } else if (ranges[i].records != records[i]) {
            return rdl_err_set(err, RDL_EBUG, 0,
                               "%" PRIu64 " records of \"%s\" were planned and %" PRIu64 " decoded",
                               ranges[i].records, ranges[i].name, records[i]);
        }
    }
    return RDL_OK;
}

static void seal_ranges(rdl_engine *e, rdl_work *w, const rdl_feed *f)
{
    size_t at = (size_t)(f - e->feeds);
    for (size_t i = 0; i < w->range_count[at]; i++)
        RDL_PUSH(&w->arena, &w->seal.ranges) =
            (rdl_sealed_range){.source = f->table->full, .range = w->ranges[at][i]};
}

/* ---- rows that no table holds ---- */

/*
 * Writing decoded rows into a table costs more than decoding them.  So when a single body reads the
 * source, and reads it once, e."decoded:<s>" is a view over the decoder: its rows are made where the
 * body's query wants them, and again for whoever asks again (the places of rejected rows).  What
 * was read is known after that query, by rdl_ingest_settle.
 */
static bool may_pass(const rdl_engine *e, const rdl_feed *f, uint64_t expected)
{
    size_t readers = 0;
    if (f->format == RDL_FORMAT_PARQUET || expected <= rdl_held_rows_max(e))
        return false;
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        for (size_t j = 0; j < t->input_count; j++) {
            if (t->inputs[j].table != f->table || !e->tables[t->index].selected)
                continue;
            if (t->kind != RDL_TABLE_STREAMING || t->cdc_snapshot != NULL || !t->inputs[j].stream)
                return false;
            readers++;
        }
    }
    return readers == 1;
}

static rdl_code pass(rdl_engine *e, rdl_work *w, rdl_feed *f, rdl_passing *p, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_code rc = open_scan(e, w, f, p->inputs.list.v, p->inputs.list.n, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_relation_view(e, "decoded:", f->table->full, rdl_buf_str(&sql), true, err);
    rdl_buf_fini(&sql);
    w->passing[f - e->feeds] = p;
    w->rows_new[f->table->index] = UINT64_MAX;
    w->rows += p->expected; /* until it is settled */
    return rc;
}

/* A query may leave rows unread (a join with an empty table): they are records all the same. */
static rdl_code read_rest(rdl_engine *e, rdl_work *w, rdl_feed *f, rdl_err *err)
{
    const rdl_source_inputs *inputs = &w->passing[f - e->feeds]->inputs;
    rdl_buf sql = {0}, count = {0};
    int64_t n = 0;
    rdl_code rc = open_scan(e, w, f, inputs->list.v, inputs->list.n, &sql, err);
    rdl_buf_printf(&count, "SELECT count(*) FROM (%s)", rdl_buf_str(&sql));
    if (rc == RDL_OK)
        rc = rdl_query_i64(e->conn, rdl_buf_str(&count), &n, err);
    if (rc == RDL_OK && !rdl_decode_is_read(w->decodes[f - e->feeds]))
        rc = rdl_err_set(err, RDL_EBUG, 0, "\"%s\" was not decoded to its end",
                         f->table->full.p);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&count);
    return rc;
}

static rdl_code settle(rdl_engine *e, rdl_work *w, rdl_feed *f, rdl_err *err)
{
    size_t at = (size_t)(f - e->feeds);
    const rdl_passing *p = w->passing[at];
    const rdl_ledger *l = &w->reports[f->table->index].ledger;
    uint64_t bytes = w->bytes;
    if (!rdl_decode_is_read(w->decodes[at]))
        RDL_TRY(read_rest(e, w, f, err));
    RDL_TRY(count_lines(e, w, f, err));
    w->rows += l->read - p->expected;
    w->passing[at] = NULL;
    note_row_bytes(w, f, w->ranges[at], &p->inputs);
    RDL_TRY(count_records(w, at, &p->inputs, err));
    seal_ranges(e, w, f);
    int64_t us = (int64_t)(rdl_decode_busy_us(w->decodes[at]) / rdl_cpu_count());
    rdl_engine_note_step(e, RDL_STEP_DECODE, rdl_monotonic_us() - us, l->read, w->bytes - bytes);
    w->decode_us += us;
    return RDL_OK;
}

rdl_code rdl_ingest_settle(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    for (size_t i = 0; i < t->input_count; i++) {
        rdl_feed *f = rdl_feed_of(e, t->inputs[i].table);
        if (f != NULL && w->passing[f - e->feeds] != NULL)
            RDL_TRY(rdl_err_in(rdl_err_area(settle(e, w, f, err), err, RDL_AREA_SOURCE), err,
                               "source %s", f->table->full.p));
    }
    return RDL_OK;
}

static rdl_code ingest_ranges(rdl_engine *e, rdl_work *w, rdl_feed *f, rdl_err *err)
{
    size_t at = (size_t)(f - e->feeds);
    rdl_passing *p = RDL_NEW(&w->arena, rdl_passing);
    rdl_source_inputs *inputs = &p->inputs;
    RDL_TRY(f->source->ops->inputs(f->source, &w->arena, w->ranges[at], w->range_count[at], inputs,
                                   err));
    p->expected = expected_rows(inputs->list.v, inputs->list.n);
    if (inputs->list.n > 0 && may_pass(e, f, p->expected)) {
        RDL_TRY(pass(e, w, f, p, err));
        w->changed[f->table->index] = true;
        return new_view(e, f, err);
    }
    if (inputs->list.n > 0) {
        RDL_TRY(decode(e, w, f, inputs->list.v, inputs->list.n, err));
        RDL_TRY(new_view(e, f, err));
        note_row_bytes(w, f, w->ranges[at], inputs);
        w->changed[f->table->index] = true;
    }
    RDL_TRY(count_records(w, at, inputs, err));
    seal_ranges(e, w, f);
    return RDL_OK;
}

rdl_code rdl_ingest(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    int64_t began = rdl_monotonic_us();
    for (size_t i = 0; i < e->feed_count; i++) {
        rdl_feed *f = &e->feeds[i];
        rdl_code rc = RDL_OK;
        e->blame = f->table;
        if (f->table->kind == RDL_TABLE_SNAPSHOT && w->snapshots[i].n > 0)
            rc = rdl_ingest_snapshot(e, w, f, err);
        else if (f->table->kind == RDL_TABLE_SOURCE && w->range_count[i] > 0)
            rc = ingest_ranges(e, w, f, err);
        if (rc != RDL_OK)
            return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SOURCE), err, "source %s",
                              f->table->full.p);
        e->blame = NULL;
    }
    uint64_t passing = 0;
    for (size_t i = 0; i < e->feed_count; i++)
        passing += w->passing[i] != NULL ? w->passing[i]->expected : 0;
    if (w->rows > passing || passing == 0)
        rdl_engine_note_step(e, RDL_STEP_DECODE, began, w->rows - passing, w->bytes);
    (void)RDL_FAULT_AT(DECODE_DONE);
    return RDL_OK;
}
