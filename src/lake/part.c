/*
 * lake/part.c - data files that are made before their commit, and how a commit adopts them.
 *
 * A large epoch's rows of one partition are written once, as the table wants them: the stored columns
 * under their physical types, without the partition's.  They are a part of the epoch's sealed segment
 * (stream/parts.c) until a commit gives the same bytes a second name, in the table:
 *
 *   state/epochs/000000000041/silver.messages.new.0.parquet
 *   lake/silver/messages/event_date=2020-02-03/event_hour=7/part-0123abcd-41-0-b752ccf4.parquet
 *
 * WHAT IS TRUE   of a part, while a commit adopts it:
 *
 *   before         the segment's name alone; the log does not name it
 *   linked         both names, perhaps not for all parts; folders not synced.  A crash leaves names of
 *                  an epoch above the table's txn, which the sweep takes (L3); the segment's name and
 *                  bytes are untouched, and the parts are linked again under other random names.
 *   synced         the same, and durable: L1 holds
 *   committed      the log names the lake's name.  The segment's name goes at the next prune, the
 *                  lake's with compaction and vacuum: each removes its own name, and the bytes go with
 *                  the last one.
 *
 * Where links cannot be (another file system; an object store one day) the bytes are copied, which is
 * the same but for the space: nothing ever changes them under either name.
 *
 * Tests: lake_test (parts), tests/slt/lake/adopted.slt, tests/crash (lake.adopted).
 */
#include <inttypes.h>

#include "base/fault.h"
#include "base/fs.h"
#include "duck/vector.h"
#include "lake/data.h"

static bool has_json(const rdl_type *t)
{
    if (t->kind == RDL_TYPE_JSON)
        return true;
    if (t->kind == RDL_TYPE_LIST || t->kind == RDL_TYPE_MAP)
        return has_json(t->child) || (t->kind == RDL_TYPE_MAP && has_json(t->value));
    for (size_t i = 0; t->kind == RDL_TYPE_STRUCT && i < t->field_count; i++) {
        if (has_json(t->field_types[i]))
            return true;
    }
    return false;
}

static const rdl_type *key_type(const rdl_lake_table *t, size_t key)
{
    return t->schema.v[rdl_schema_find(&t->schema, t->partition_columns[key])].type;
}

bool rdl_lake_parts_fit(const rdl_lake_table *t)
{
    for (size_t i = 0; i < t->schema.n; i++) {
        if (has_json(t->schema.v[i].type)) /* which a file of the lake holds as text */
            return false;
    }
    for (size_t i = 0; i < t->partition_count; i++) {
        rdl_type_kind kind = key_type(t, i)->kind;
        if (kind != RDL_TYPE_DATE && kind != RDL_TYPE_INTEGER && kind != RDL_TYPE_BIGINT &&
            kind != RDL_TYPE_TEXT && kind != RDL_TYPE_BOOLEAN)
            return false;
    }
    return true;
}

bool rdl_lake_part_is_current(const rdl_lake_table *t, const rdl_lake_part *p)
{
    char tag[17];
    rdl_delta_columns_tag(&t->schema, tag);
    return strcmp(tag, p->columns) == 0;
}

/* ---- which partitions ---- */

static void put_choice(const rdl_lake_table *t, const char *from, uint64_t rows_min,
                       size_t parts_max, rdl_buf *sql)
{
    rdl_buf_puts(sql, "SELECT rdl_n::BIGINT");
    for (size_t i = 0; i < t->partition_count; i++) {
        const rdl_column c = {t->partition_columns[i], key_type(t, i)};
        rdl_buf_puts(sql, ", ");
        rdl_partition_sql(&c, sql);
    }
    rdl_buf_puts(sql, " FROM (SELECT count(*) AS rdl_n");
    for (size_t i = 0; i < t->partition_count; i++) {
        rdl_buf_puts(sql, ", ");
        rdl_buf_put_sql_ident(sql, t->partition_columns[i]);
    }
    rdl_buf_printf(sql, " FROM %s", from);
    for (size_t i = 0; i < t->partition_count; i++) {
        rdl_buf_puts(sql, i == 0 ? " GROUP BY " : ", ");
        rdl_buf_put_sql_ident(sql, t->partition_columns[i]);
    }
    rdl_buf_printf(sql, " HAVING count(*) >= %" PRIu64 ") ORDER BY ALL DESC LIMIT %zu", rows_min,
                   parts_max);
}

/* false: a value that no text of SQL can hold. */
static bool take_values(rdl_arena *a, const rdl_chunk *k, size_t row, rdl_lake_part *out)
{
    *out = (rdl_lake_part){.rows = (uint64_t)RDL_VECTOR_AT(&k->v[0], int64_t, row),
                           .values = RDL_NEWN(a, const char *, k->n)};
    for (size_t i = 1; i < k->n; i++) {
        if (!rdl_vector_valid(&k->v[i], row))
            continue;
        const rdl_str value = rdl_vector_str(&k->v[i], row);
        if (memchr(value.p, 0, value.n) != NULL)
            return false;
        out->values[i - 1] = rdl_arena_strndup(a, value.p, value.n);
    }
    return true;
}

rdl_code rdl_lake_parts_choose(rdl_conn *conn, rdl_arena *a, const rdl_lake_table *t,
                               const char *from, uint64_t rows_min, size_t parts_max,
                               rdl_lake_part **out, size_t *out_n, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *result = NULL;
    const rdl_chunk *chunk;
    *out = RDL_NEWN(a, rdl_lake_part, parts_max + 1);
    *out_n = 0;
    put_choice(t, from, rows_min, parts_max, &sql);
    const rdl_code rc = rdl_query(conn, rdl_buf_str(&sql), &result, err);
    while (rc == RDL_OK && rdl_result_next(result, &chunk)) {
        for (size_t i = 0; i < chunk->rows; i++)
            *out_n += take_values(a, chunk, i, &(*out)[*out_n]);
    }
    rdl_result_free(result);
    rdl_buf_fini(&sql);
    return rc;
}

void rdl_lake_part_put_where(const rdl_lake_table *t, const rdl_lake_part *p, rdl_buf *out)
{
    rdl_buf_puts(out, t->partition_count == 0 ? "true" : "(");
    for (size_t i = 0; i < t->partition_count; i++) {
        rdl_buf_puts(out, i > 0 ? " AND " : "");
        rdl_buf_put_sql_ident(out, t->partition_columns[i]);
        if (p->values[i] == NULL) {
            rdl_buf_puts(out, " IS NULL");
        } else {
            rdl_buf_puts(out, " = ");
            rdl_partition_literal(key_type(t, i), p->values[i], out);
        }
    }
    rdl_buf_puts(out, t->partition_count == 0 ? "" : ")");
}

/* ---- making one ---- */

static void put_rows(const rdl_data_writer *w, const char *from, const rdl_lake_part *p, rdl_buf *sql)
{
    rdl_data_put_stored(w, sql);
    rdl_buf_printf(sql, " FROM %s WHERE ", from);
    rdl_lake_part_put_where(w->table, p, sql);
}

static rdl_code write_file(rdl_conn *conn, const char *sql, rdl_parquet *p, const char *path,
                           rdl_parquet_written *out, rdl_err *err)
{
    rdl_result *result = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    RDL_TRY_OUT(rdl_parquet_open(p, path, err));
    RDL_TRY_OUT(rdl_query_stream(conn, sql, &result, err));
    while (rdl_result_next(result, &chunk))
        RDL_TRY_OUT(rdl_parquet_put(p, chunk, 0, chunk->rows, err));
    RDL_TRY_OUT(rdl_result_end(result, err));
    rc = rdl_parquet_close(p, out, err);
out:
    rdl_result_free(result);
    return rc;
}

rdl_code rdl_lake_part_write(rdl_conn *conn, rdl_arena *a, const rdl_lake_table *t,
                             const char *from, rdl_lake_part *p, rdl_err *err)
{
    rdl_data_writer w = {.arena = a, .table = t};
    rdl_parquet_written written;
    rdl_parquet *file = NULL;
    rdl_buf sql = {0}, text = {0};
    rdl_data_split(&w);
    put_rows(&w, from, p, &sql);
    rdl_code rc = rdl_parquet_new(&w.stored, false, &file, err);
    if (rc == RDL_OK)
        rc = write_file(conn, rdl_buf_str(&sql), file, p->path, &written, err);
    if (rc == RDL_OK && written.rows != p->rows)
        rc = rdl_err_set(err, RDL_EBUG, 0,
                         "a partition of \"%s\" has %" PRIu64 " rows, and %" PRIu64 " were written",
                         t->name, p->rows, written.rows);
    if (rc == RDL_OK) {
        rdl_stats_put_bounds(&w.stored, written.bounds, written.rows, &text);
        p->bytes = written.bytes;
        p->stats = rdl_arena_strndup(a, rdl_buf_str(&text), text.n);
        p->columns = w.columns;
    }
    rdl_parquet_free(file);
    rdl_buf_fini(&text);
    rdl_buf_fini(&sql);
    return rc;
}

/* ---- adopting ---- */

static rdl_code adopt(rdl_data_writer *w, const rdl_lake_part *p, rdl_err *err)
{
    const size_t keys = w->table->partition_count;
    const char *path;
    rdl_delta_file f = {.size = p->bytes,
                        .rows = p->rows,
                        .stats = p->stats,
                        .partition = RDL_NEWN(w->arena, rdl_delta_pair, keys + 1),
                        .partition_count = keys};
    for (size_t i = 0; i < keys; i++) {
        f.partition[i].key = rdl_arena_strndup(w->arena, w->keys[i].name.p, w->keys[i].name.n);
        f.partition[i].value = p->values[i];
    }
    RDL_TRY(rdl_data_place(w, &f, &path, err));
    return rdl_fs_link(p->path, path, err);
}

rdl_code rdl_data_adopt(rdl_arena *a,
                        const rdl_lake_table *t,
                        const rdl_lake_part *parts,
                        size_t part_count,
                        const rdl_lake_commit_info *info,
                        rdl_data_files *files,
                        rdl_err *err)
{
    rdl_data_writer w = {.arena = a, .table = t, .info = info};
    rdl_code rc = rdl_fs_mkdirs(t->dir, err);
    rdl_data_split(&w);
    for (size_t i = 0; i < files->n; i++) /* names go on counting behind them */
        RDL_PUSH(a, &w.files) = files->v[i];
    for (size_t i = 0; i < part_count && rc == RDL_OK; i++)
        rc = adopt(&w, &parts[i], err);
    if (rc == RDL_OK && RDL_FAULT_AT(LAKE_ADOPTED) != 0)
        rc = rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY, "could not adopt files of \"%s\": fault",
                         t->dir);
    if (rc == RDL_OK)
        rc = rdl_fs_sync_many(w.sync.v, w.sync.n, err);
    *files = rdl_data_made(&w);
    if (rc != RDL_OK)
        rdl_data_discard(a, t->dir, files);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}
