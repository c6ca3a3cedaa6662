/*
 * lake/data.c - rows to Parquet files, one pass for any number of partitions.
 *
 * DuckDB writes into a folder of the table that no reader looks at, and the files are moved
 * from there to where Delta has them:
 *
 *   <table>/_raudal_stage-<root8>-<epoch>/rdl_k0=v2025-07-18/rdl_k1=n/<uuid>.parquet
 *   ->  <table>/event_date=2025-07-18/service=__HIVE_DEFAULT_PARTITION__/
 *           part-<root8>-<epoch>-<n>-<random>.parquet
 *
 * DuckDB's own folder names do not do: NULL and the text '__HIVE_DEFAULT_PARTITION__'
 * become one folder there, whose second file replaces the first (1.5.6).  So the partition
 * columns are written as text behind a letter, v (value) or n (null), and the log's values
 * are read back from the folders.  The random part keeps an aborted attempt of an epoch
 * from being taken for, or written over, a committed one.
 *
 * INVARIANTS
 *   L1  Files, their folders and the folders above are synced when rdl_data_write returns.
 *   L3  Names are known: part-<root8>-<epoch>-..., with a c before the number for
 *       compaction.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"
#include "lake/delta.h"

typedef struct staged {
    rdl_delta_file file;
    const char *from; /* absolute */
    const char *key;
} staged;

typedef struct writer {
    rdl_arena *arena;
    const rdl_lake_table *table;
    bool compaction;
    rdl_schema stored; /* columns that lie in the file */
    rdl_column *keys;  /* partition columns with their types */
    const char *stage;
    const char *columns; /* tag of every file */
    staged *v;
    size_t n, cap;
} writer;

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

static void split_columns(writer *w)
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

/*
 * zstd for what stays.  Rows that arrive for many partitions at once make small files,
 * where setting zstd up costs more than compressing (360 files: a third of the time), and a
 * filter for each column an eighth; compaction writes them again.
 */
static void
put_copy(const writer *w, const char *select, const char *order_by, rdl_buf *sql)
{
    const size_t keys = w->table->partition_count;
    const char *codec = keys > 0 && !w->compaction ? "snappy" : "zstd";
    rdl_buf_puts(sql, "COPY (SELECT ");
    for (size_t i = 0; i < w->stored.n; i++) {
        rdl_buf_puts(sql, i > 0 ? ", CAST(" : "CAST(");
        rdl_buf_put_sql_ident(sql, w->stored.v[i].name);
        rdl_buf_puts(sql, " AS ");
        rdl_delta_physical_type(w->stored.v[i].type, sql);
        rdl_buf_puts(sql, ") AS ");
        rdl_buf_put_sql_ident(sql, w->stored.v[i].name);
    }
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
    rdl_buf_puts(sql, ") TO ");
    if (keys == 0) {
        rdl_buf_put_sql_text(sql,
                             rdl_str_of(rdl_path_join(w->arena, w->stage, "0.parquet")));
        rdl_buf_printf(sql, " (FORMAT parquet, COMPRESSION %s, RETURN_STATS)", codec);
        return;
    }
    rdl_buf_put_sql_text(sql, rdl_str_of(w->stage));
    rdl_buf_printf(sql,
                   " (FORMAT parquet, COMPRESSION %s, WRITE_BLOOM_FILTER %s, RETURN_STATS, "
                   "OVERWRITE_OR_IGNORE, FILENAME_PATTERN '{uuid}', PARTITION_BY (",
                   codec, w->compaction ? "true" : "false");
    for (size_t i = 0; i < keys; i++)
        rdl_buf_printf(sql, "%srdl_k%zu", i > 0 ? ", " : "", i);
    rdl_buf_puts(sql, "))");
}

static rdl_code
read_values(const writer *w, const char *relative, rdl_delta_file *f, rdl_err *err)
{
    const size_t keys = w->table->partition_count;
    const char *p = relative;
    f->partition = RDL_NEWN(w->arena, rdl_delta_pair, keys + 1);
    f->partition_count = keys;
    for (size_t i = 0; i < keys; i++) {
        const char *eq = strchr(p, '='), *slash = strchr(p, '/');
        rdl_buf value = {0};
        if (eq == NULL || slash == NULL || eq > slash ||
            !rdl_uri_unescape((rdl_str){eq + 1, (size_t)(slash - eq - 1)}, &value) ||
            value.n == 0) {
            rdl_buf_fini(&value);
            return rdl_err_set(
                err, RDL_EBUG, 0,
                "could not read the partition of \"%s\": not a folder of ours", relative);
        }
        f->partition[i].key =
            rdl_arena_strndup(w->arena, w->keys[i].name.p, w->keys[i].name.n);
        f->partition[i].value = value.p[0] == 'n'
                                    ? NULL
                                    : rdl_arena_strndup(w->arena, value.p + 1, value.n - 1);
        rdl_buf_fini(&value);
        p = slash + 1;
    }
    return RDL_OK;
}

/* COPY's counts, BIGINT or wider. */
static uint64_t count_at(const rdl_vector *v, size_t row)
{
    return v->type->kind == RDL_TYPE_DECIMAL ? (uint64_t)rdl_vector_decimal(v, row)
                                             : (uint64_t)RDL_VECTOR_AT(v, int64_t, row);
}

static rdl_code take_row(writer *w, const rdl_chunk *c, size_t row, rdl_err *err)
{
    const rdl_str name = rdl_vector_str(&c->v[0], row);
    const uint64_t rows = count_at(&c->v[1], row);
    const size_t skip = strlen(w->stage) + 1;
    if (w->n == w->cap) {
        staged *more = RDL_NEWN(w->arena, staged, w->cap == 0 ? 64 : w->cap * 2);
        if (w->n > 0)
            memcpy(more, w->v, w->n * sizeof *more);
        w->v = more;
        w->cap = w->cap == 0 ? 64 : w->cap * 2;
    }
    staged *s = &w->v[w->n];
    *s = (staged){0};
    s->from = rdl_arena_strndup(w->arena, name.p, name.n);
    if (rows == 0)
        return RDL_OK;
    if (name.n <= skip || strncmp(s->from, w->stage, skip - 1) != 0)
        return rdl_err_set(err, RDL_EBUG, 0, "could not find \"%s\" below \"%s\"", s->from,
                           w->stage);
    rdl_buf text = {0};
    s->file.columns = w->columns;
    s->file.size = count_at(&c->v[2], row);
    s->file.rows = rows;
    rdl_stats_put(&w->stored, &c->v[4], row, rows, &text);
    s->file.stats = rdl_arena_strndup(w->arena, rdl_buf_str(&text), text.n);
    rdl_buf_clear(&text);
    rdl_code rc = read_values(w, s->from + skip, &s->file, err);
    if (rc == RDL_OK) {
        rdl_partition_key(&s->file, &w->table->schema, w->table->partition_columns,
                          w->table->partition_count, &text);
        s->key = rdl_arena_strndup(w->arena, rdl_buf_str(&text), text.n);
        w->n++;
    }
    rdl_buf_fini(&text);
    return rc;
}

static int by_key(const void *a, const void *b)
{
    const staged *x = a, *y = b;
    const int keys = strcmp(x->key, y->key);
    if (keys != 0)
        return keys;
    return x->file.rows < y->file.rows ? 1 : x->file.rows > y->file.rows ? -1 : 0;
}

static const char *folder_of(const writer *w, const rdl_delta_file *f)
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

/* From the stage to the partition's folder, then everything to disk (L1, L3). */
static rdl_code move_files(writer *w, const rdl_lake_commit_info *info, rdl_err *err)
{
    rdl_buf prefix = {0};
    RDL_VEC(const char *) sync = {0};
    const char *last = NULL;
    const char *dir = w->table->dir;
    rdl_code rc = RDL_OK;
    rdl_data_prefix(w->table->app_id, &prefix);
    for (size_t i = 0; i < w->n; i++) {
        rdl_delta_file *f = &w->v[i].file;
        const char *folder = folder_of(w, f);
        const char *absolute = rdl_path_join(w->arena, dir, folder);
        if (folder[0] == '\0')
            absolute = dir;
        else if (last == NULL || strcmp(folder, last) != 0) {
            RDL_TRY_OUT(rdl_fs_mkdirs(absolute, err));
            /* Every folder on the way may be new. */
            for (const char *up = absolute; strlen(up) > strlen(dir);
                 up = rdl_path_dir(w->arena, up))
                RDL_PUSH(w->arena, &sync) = up;
        }
        last = folder;
        uint32_t salt = 0;
        if (!rdl_random_bytes(&salt, sizeof salt)) {
            rc = rdl_err_set(err, RDL_EIO, 0, "could not read random bytes");
            goto out;
        }
        f->path =
            rdl_arena_printf(w->arena, "%s%s%s%" PRIu64 "-%s%zu-%08" PRIx32 ".parquet",
                             folder, folder[0] != '\0' ? "/" : "", rdl_buf_str(&prefix),
                             info->epoch, w->compaction ? "c" : "", i, salt);
        f->time_ms = info->timestamp_us / 1000;
        const char *to = rdl_path_join(w->arena, dir, f->path);
        RDL_TRY_OUT(rdl_fs_rename(w->v[i].from, to, err));
        RDL_PUSH(w->arena, &sync) = to;
    }
    if (sync.n > 0)
        RDL_TRY_OUT(rdl_fs_sync_many(sync.v, sync.n, err));
out:
    rdl_buf_fini(&prefix);
    return rc;
}

static rdl_code
copy_rows(writer *w, rdl_conn *conn, const char *select, const char *order_by, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *result = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    put_copy(w, select, order_by, &sql);
    RDL_TRY_OUT(rdl_query(conn, rdl_buf_str(&sql), &result, err));
    while (rdl_result_next(result, &chunk))
        for (size_t i = 0; i < chunk->rows; i++)
            RDL_TRY_OUT(take_row(w, chunk, i, err));
    if (w->n > 1)
        qsort(w->v, w->n, sizeof *w->v, by_key);
out:
    rdl_result_free(result);
    rdl_buf_fini(&sql);
    return rc;
}

void rdl_data_discard(rdl_arena *a, const char *dir, const rdl_data_files *files)
{
    /* A file that stays behind is an orphan with a known name; sweep takes it. */
    rdl_err ignored = {0};
    for (size_t i = 0; i < files->n; i++)
        if (files->v[i].path != NULL &&
            rdl_fs_unlink(rdl_path_join(a, dir, files->v[i].path), &ignored) != RDL_OK)
            continue;
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
    writer w = {.arena = a, .table = t, .compaction = compaction};
    rdl_buf name = {0};
    uint32_t salt = 0;
    rdl_code rc = RDL_OK;
    *out = (rdl_data_files){0};
    split_columns(&w);
    if (!rdl_random_bytes(&salt, sizeof salt))
        return rdl_err_set(err, RDL_EIO, 0, "could not read random bytes");
    rdl_data_prefix(t->app_id, &name);
    w.stage = rdl_arena_printf(a, "%s/%s%s%" PRIu64 "-%08" PRIx32, t->dir, RDL_DATA_STAGE,
                               rdl_buf_str(&name) + 5, info->epoch, salt);
    rdl_buf_fini(&name);
    RDL_TRY_OUT(rdl_fs_mkdirs(w.stage, err));
    RDL_TRY_OUT(copy_rows(&w, conn, select, order_by, err));
    out->v = RDL_NEWN(a, rdl_delta_file, w.n + 1);
    rc = move_files(&w, info, err);
    for (size_t i = 0; i < w.n; i++) {
        out->v[out->n++] = w.v[i].file;
        out->rows += w.v[i].file.rows;
        out->bytes += w.v[i].file.size;
    }
    if (rc == RDL_OK) {
        const int fault =
            compaction ? RDL_FAULT_AT(LAKE_COMPACT_DATA) : RDL_FAULT_AT(LAKE_AFTER_DATA);
        if (fault != 0)
            rc = rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY,
                             "could not write data files of \"%s\": fault", t->dir);
    }
    if (rc != RDL_OK)
        rdl_data_discard(a, t->dir, out);
out:;
    rdl_err later = {0};
    const rdl_code removed = rdl_fs_remove_tree(w.stage, &later);
    if (rc == RDL_OK && removed != RDL_OK) {
        *err = later;
        rc = removed;
    }
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}
