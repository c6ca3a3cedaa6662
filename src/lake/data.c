/*
 * lake/data.c - rows to data files: one pass over sorted rows for any number of partitions.
 *
 *   <table>/event_date=2025-07-18/service=__HIVE_DEFAULT_PARTITION__/
 *       part-<root8>-<epoch>-<n>-<random>.parquet
 *
 * Rows come sorted by partition, so that one file is open at a time and nothing of the others
 * is in memory.  It is written where it stays: no reader looks at a file that the log does
 * not name.  The random part keeps an aborted attempt of an epoch from being taken for, or
 * written over, a committed one.
 *
 * What compaction merges is written by DuckDB's COPY (data_copy.c): few large files, which want
 * its threads, and filters.
 *
 * INVARIANTS
 *   L1  Files, their folders and the folders above are synced when rdl_data_write returns.
 *   L3  Names are known: part-<root8>-<epoch>-..., with a c before the number for
 *       compaction.
 */
#include "lake/data.h"

#include <inttypes.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"

void rdl_data_prefix(const char *app_id, rdl_buf *out)
{
    rdl_buf_puts(out, "part-");
    size_t n = 0;
    for (const char *p = app_id; *p != '\0' && n < 8; p++)
        if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
            (*p >= 'A' && *p <= 'Z')) {
            rdl_buf_putc(out, *p);
            n++;
        }
    rdl_buf_putc(out, '-');
}

static bool is_key(const rdl_lake_table *t, rdl_str name)
{
    for (size_t i = 0; i < t->partition_count; i++)
        if (rdl_str_eq_nocase(t->partition_columns[i], name))
            return true;
    return false;
}

void rdl_data_split(rdl_data_writer *w)
{
    const rdl_lake_table *t = w->table;
    char tag[17];
    rdl_delta_columns_tag(&t->schema, tag);
    w->columns = rdl_arena_strdup(w->arena, tag);
    w->stored.v = RDL_NEWN(w->arena, rdl_column, t->schema.n + 1);
    for (size_t i = 0; i < t->schema.n; i++)
        if (!is_key(t, t->schema.v[i].name))
            w->stored.v[w->stored.n++] = t->schema.v[i];
    w->keys = RDL_NEWN(w->arena, rdl_column, t->partition_count + 1);
    for (size_t i = 0; i < t->partition_count; i++)
        w->keys[i] = t->schema.v[rdl_schema_find(&t->schema, t->partition_columns[i])];
}

void rdl_data_put_stored(const rdl_data_writer *w, rdl_buf *sql)
{
    rdl_buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < w->stored.n; i++) {
        rdl_buf_puts(sql, i > 0 ? ", CAST(" : "CAST(");
        rdl_buf_put_sql_ident(sql, w->stored.v[i].name);
        rdl_buf_puts(sql, " AS ");
        rdl_delta_physical_type(w->stored.v[i].type, sql);
        rdl_buf_puts(sql, ") AS ");
        rdl_buf_put_sql_ident(sql, w->stored.v[i].name);
    }
}

void rdl_data_put_select(const rdl_data_writer *w,
                         const char *select,
                         const char *order_by,
                         rdl_buf *sql)
{
    const size_t keys = w->table->partition_count;
    rdl_data_put_stored(w, sql);
    for (size_t i = 0; i < keys; i++) {
        rdl_buf_puts(sql, ", coalesce('v' || ");
        rdl_partition_sql(&w->keys[i], sql);
        rdl_buf_printf(sql, ", 'n') AS rdl_k%zu", i);
    }
    rdl_buf_printf(sql, " FROM (%s) AS rdl_rows", select);
    if (keys > 0 || order_by != NULL)
        rdl_buf_puts(sql, " ORDER BY ");
    for (size_t i = 0; i < keys; i++)
        rdl_buf_printf(sql, "%srdl_k%zu", i > 0 ? ", " : "", i);
    if (order_by != NULL)
        rdl_buf_printf(sql, "%s%s", keys > 0 ? ", " : "", order_by);
}

static const char *folder_of(const rdl_data_writer *w, const rdl_delta_file *f)
{
    rdl_buf dir = {0};
    for (size_t i = 0; i < f->partition_count; i++) {
        rdl_buf_puts(&dir, i > 0 ? "/" : "");
        rdl_hive_escape(w->keys[i].name, &dir);
        rdl_buf_putc(&dir, '=');
        if (f->partition[i].value == NULL)
            rdl_buf_puts(&dir, "__HIVE_DEFAULT_PARTITION__");
        else
            rdl_hive_escape(rdl_str_of(f->partition[i].value), &dir);
    }
    const char *out = rdl_arena_strndup(w->arena, rdl_buf_str(&dir), dir.n);
    rdl_buf_fini(&dir);
    return out;
}

static rdl_code make_folder(rdl_data_writer *w, const char *folder, rdl_err *err)
{
    const char *dir = w->table->dir, *absolute = rdl_path_join(w->arena, dir, folder);
    if (folder[0] == '\0' || (w->folder != NULL && strcmp(folder, w->folder) == 0))
        return RDL_OK;
    RDL_TRY(rdl_fs_mkdirs(absolute, err));
    /* Every folder on the way may be new. */
    for (const char *up = absolute; strlen(up) > strlen(dir); up = rdl_path_dir(w->arena, up))
        RDL_PUSH(w->arena, &w->sync) = up;
    w->folder = folder;
    return RDL_OK;
}

rdl_code rdl_data_place(rdl_data_writer *w,
                        rdl_delta_file *f,
                        const char **absolute,
                        rdl_err *err)
{
    rdl_buf prefix = {0};
    uint32_t salt = 0;
    const char *folder = folder_of(w, f);
    if (!rdl_random_bytes(&salt, sizeof salt))
        return rdl_err_set(err, RDL_EIO, 0, "could not read random bytes");
    RDL_TRY(make_folder(w, folder, err));
    rdl_data_prefix(w->table->app_id, &prefix);
    f->columns = w->columns;
    f->time_ms = w->info->timestamp_us / 1000;
    f->path = rdl_arena_printf(w->arena, "%s%s%s%" PRIu64 "-%s%zu-%08" PRIx32 ".parquet",
                               folder, folder[0] != '\0' ? "/" : "", rdl_buf_str(&prefix),
                               w->info->epoch, w->compaction ? "c" : "", w->files.n, salt);
    rdl_buf_fini(&prefix);
    *absolute = rdl_path_join(w->arena, w->table->dir, f->path);
    RDL_PUSH(w->arena, &w->sync) = *absolute;
    RDL_PUSH(w->arena, &w->files) = *f;
    return RDL_OK;
}

/* ---- by our own writer ---- */

static rdl_str key_at(const rdl_data_writer *w, const rdl_chunk *c, size_t key, size_t row)
{
    return rdl_vector_str(&c->v[w->stored.n + key], row);
}

/* Does the row lie in the newest file's partition? */
static bool same_partition(const rdl_data_writer *w, const rdl_chunk *c, size_t row)
{
    const rdl_delta_file *f = &w->files.v[w->files.n - 1];
    for (size_t i = 0; i < f->partition_count; i++) {
        rdl_str k = key_at(w, c, i, row);
        const char *value = f->partition[i].value;
        if (value == NULL ? k.p[0] != 'n'
                          : k.p[0] != 'v' ||
                                !rdl_str_eq((rdl_str){k.p + 1, k.n - 1}, rdl_str_of(value)))
            return false;
    }
    return true;
}

/* How many rows from here on lie in one partition. */
static size_t run_of(const rdl_data_writer *w, const rdl_chunk *c, size_t from)
{
    size_t row = from + 1;
    for (; row < c->rows; row++) {
        for (size_t i = 0; i < w->table->partition_count; i++) {
            if (!rdl_str_eq(key_at(w, c, i, row), key_at(w, c, i, from)))
                return row - from;
        }
    }
    return row - from;
}

static rdl_code begin_file(rdl_data_writer *w, rdl_parquet *p, const rdl_chunk *c, size_t row,
                           rdl_err *err)
{
    const size_t keys = w->table->partition_count;
    const char *path;
    rdl_delta_file f = {.partition = RDL_NEWN(w->arena, rdl_delta_pair, keys + 1),
                        .partition_count = keys};
    for (size_t i = 0; i < keys; i++) {
        rdl_str k = key_at(w, c, i, row);
        f.partition[i].key = rdl_arena_strndup(w->arena, w->keys[i].name.p, w->keys[i].name.n);
        f.partition[i].value =
            k.p[0] == 'n' ? NULL : rdl_arena_strndup(w->arena, k.p + 1, k.n - 1);
    }
    RDL_TRY(rdl_data_place(w, &f, &path, err));
    return rdl_parquet_open(p, path, err);
}

static rdl_code end_file(rdl_data_writer *w, rdl_parquet *p, rdl_err *err)
{
    rdl_parquet_written written;
    rdl_buf text = {0};
    if (w->files.n == 0)
        return RDL_OK;
    RDL_TRY(rdl_parquet_close(p, &written, err));
    rdl_delta_file *f = &w->files.v[w->files.n - 1];
    f->size = written.bytes;
    f->rows = written.rows;
    rdl_stats_put_bounds(&w->stored, written.bounds, written.rows, &text);
    f->stats = rdl_arena_strndup(w->arena, rdl_buf_str(&text), text.n);
    rdl_buf_fini(&text);
    return RDL_OK;
}

static rdl_code put_chunk(rdl_data_writer *w, rdl_parquet *p, const rdl_chunk *c, rdl_err *err)
{
    for (size_t at = 0; at < c->rows;) {
        size_t n = run_of(w, c, at);
        if (w->files.n == 0 || !same_partition(w, c, at)) {
            RDL_TRY(end_file(w, p, err));
            RDL_TRY(begin_file(w, p, c, at, err));
        }
        RDL_TRY(rdl_parquet_put(p, c, at, n, err));
        at += n;
    }
    return RDL_OK;
}

static rdl_code write_rows(rdl_data_writer *w,
                           rdl_conn *conn,
                           const char *select,
                           const char *order_by,
                           rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *result = NULL;
    rdl_parquet *p = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    rdl_data_put_select(w, select, order_by, &sql);
    RDL_TRY_OUT(rdl_parquet_new(&w->stored, false, &p, err));
    RDL_TRY_OUT(rdl_query_stream(conn, rdl_buf_str(&sql), &result, err));
    while (rdl_result_next(result, &chunk))
        RDL_TRY_OUT(put_chunk(w, p, chunk, err));
    RDL_TRY_OUT(rdl_result_end(result, err));
    rc = end_file(w, p, err);
out:
    rdl_result_free(result);
    rdl_parquet_free(p);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code write_given(rdl_data_writer *w, const rdl_lake_rows *rows, rdl_err *err)
{
    rdl_parquet *p = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    RDL_TRY_OUT(rdl_parquet_new(&w->stored, false, &p, err));
    RDL_TRY_OUT(rows->next(rows->arg, &chunk, err));
    while (chunk->rows > 0) {
        RDL_TRY_OUT(put_chunk(w, p, chunk, err));
        RDL_TRY_OUT(rows->next(rows->arg, &chunk, err));
    }
    rc = end_file(w, p, err);
out:
    rdl_parquet_free(p);
    return rc;
}

/* ---- the whole ---- */

void rdl_data_discard(rdl_arena *a, const char *dir, const rdl_data_files *files)
{
    /* A file that stays behind is an orphan with a known name; sweep takes it. */
    rdl_err ignored = {0};
    for (size_t i = 0; i < files->n; i++)
        if (files->v[i].path != NULL &&
            rdl_fs_unlink(rdl_path_join(a, dir, files->v[i].path), &ignored) != RDL_OK)
            continue;
}

rdl_data_files rdl_data_made(const rdl_data_writer *w)
{
    rdl_data_files made = {.v = w->files.v, .n = w->files.n};
    for (size_t i = 0; i < made.n; i++) {
        made.rows += made.v[i].rows;
        made.bytes += made.v[i].size;
    }
    return made;
}

/* What is written becomes durable, or goes. */
static rdl_code finish(rdl_data_writer *w, rdl_code rc, rdl_data_files *out, rdl_err *err)
{
    if (rc == RDL_OK && w->sync.n > 0)
        rc = rdl_fs_sync_many(w->sync.v, w->sync.n, err);
    *out = rdl_data_made(w);
    if (rc == RDL_OK) {
        const int fault =
            w->compaction ? RDL_FAULT_AT(LAKE_COMPACT_DATA) : RDL_FAULT_AT(LAKE_AFTER_DATA);
        if (fault != 0)
            rc = rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY,
                             "could not write data files of \"%s\": fault", w->table->dir);
    }
    if (rc != RDL_OK)
        rdl_data_discard(w->arena, w->table->dir, out);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

rdl_code rdl_data_write_rows(rdl_arena *a,
                             const rdl_lake_table *t,
                             const rdl_lake_rows *rows,
                             const rdl_lake_commit_info *info,
                             rdl_data_files *out,
                             rdl_err *err)
{
    rdl_data_writer w = {.arena = a, .table = t, .info = info};
    *out = (rdl_data_files){0};
    rdl_data_split(&w);
    RDL_TRY(rdl_err_area(rdl_fs_mkdirs(t->dir, err), err, RDL_AREA_STORE));
    return finish(&w, write_given(&w, rows, err), out, err);
}

rdl_code rdl_data_write(rdl_conn *conn,
                        rdl_arena *a,
                        const rdl_lake_table *t,
                        const char *select,
                        const char *order_by,
                        const rdl_lake_commit_info *info,
                        bool compaction,
                        rdl_data_files *out,
                        rdl_err *err)
{
    rdl_data_writer w = {.arena = a, .table = t, .info = info, .compaction = compaction};
    *out = (rdl_data_files){0};
    rdl_data_split(&w);
    RDL_TRY(rdl_err_area(rdl_fs_mkdirs(t->dir, err), err, RDL_AREA_STORE));
    rdl_code rc = compaction ? rdl_data_copy(&w, conn, select, order_by, err)
                             : write_rows(&w, conn, select, order_by, err);
    return finish(&w, rc, out, err);
}
