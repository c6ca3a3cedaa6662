/*
 * lake/data_copy.c - rows to data files by DuckDB's COPY, for what compaction merges.
 *
 * DuckDB writes into a folder of the table that no reader looks at, and the files are moved
 * from there to where Delta has them:
 *
 *   <table>/_raudal_stage-<root8>-<epoch>/rdl_k0=v2025-07-18/rdl_k1=n/<uuid>.parquet
 *   ->  <table>/event_date=2025-07-18/service=__HIVE_DEFAULT_PARTITION__/
 *           part-<root8>-<epoch>-c<n>-<random>.parquet
 *
 * DuckDB's own folder names do not do: NULL and the text '__HIVE_DEFAULT_PARTITION__'
 * become one folder there, whose second file replaces the first (1.5.6).  So the partition
 * columns are written as text behind a letter, v (value) or n (null), and the log's values
 * are read back from the folders.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/hash.h"
#include "lake/data.h"

typedef struct staged {
    rdl_delta_file file;
    const char *from; /* absolute */
    const char *key;
} staged;

typedef struct copier {
    rdl_data_writer *w;
    const char *stage;
    RDL_VEC(staged) files;
} copier;

static void put_copy(const copier *c, const char *select, const char *order_by, rdl_buf *sql)
{
    const rdl_data_writer *w = c->w;
    const size_t keys = w->table->partition_count;
    rdl_buf_puts(sql, "COPY (");
    rdl_data_put_select(w, select, order_by, sql);
    rdl_buf_puts(sql, ") TO ");
    rdl_buf_put_sql_text(sql, rdl_str_of(keys > 0 ? c->stage
                                                  : rdl_path_join(w->arena, c->stage,
                                                                  "0.parquet")));
    rdl_buf_puts(sql, " (FORMAT parquet, COMPRESSION zstd, RETURN_STATS");
    if (keys > 0)
        rdl_buf_puts(sql, ", OVERWRITE_OR_IGNORE, FILENAME_PATTERN '{uuid}', PARTITION_BY (");
    for (size_t i = 0; i < keys; i++)
        rdl_buf_printf(sql, "%srdl_k%zu", i > 0 ? ", " : "", i);
    rdl_buf_puts(sql, keys > 0 ? "))" : ")");
}

static rdl_code
read_values(const rdl_data_writer *w, const char *relative, rdl_delta_file *f, rdl_err *err)
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

static rdl_code take_row(copier *c, const rdl_chunk *k, size_t row, rdl_err *err)
{
    const rdl_data_writer *w = c->w;
    const rdl_str name = rdl_vector_str(&k->v[0], row);
    const uint64_t rows = count_at(&k->v[1], row);
    const size_t skip = strlen(c->stage) + 1;
    staged s = {.from = rdl_arena_strndup(w->arena, name.p, name.n)};
    if (rows == 0)
        return RDL_OK;
    if (name.n <= skip || strncmp(s.from, c->stage, skip - 1) != 0)
        return rdl_err_set(err, RDL_EBUG, 0, "could not find \"%s\" below \"%s\"", s.from,
                           c->stage);
    rdl_buf text = {0};
    s.file.size = count_at(&k->v[2], row);
    s.file.rows = rows;
    rdl_stats_put(&w->stored, &k->v[4], row, rows, &text);
    s.file.stats = rdl_arena_strndup(w->arena, rdl_buf_str(&text), text.n);
    rdl_buf_clear(&text);
    rdl_code rc = read_values(w, s.from + skip, &s.file, err);
    if (rc == RDL_OK) {
        rdl_partition_key(&s.file, &w->table->schema, w->table->partition_columns,
                          w->table->partition_count, &text);
        s.key = rdl_arena_strndup(w->arena, rdl_buf_str(&text), text.n);
        RDL_PUSH(w->arena, &c->files) = s;
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

static rdl_code
copy_rows(copier *c, rdl_conn *conn, const char *select, const char *order_by, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *result = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    put_copy(c, select, order_by, &sql);
    RDL_TRY_OUT(rdl_query(conn, rdl_buf_str(&sql), &result, err));
    while (rdl_result_next(result, &chunk))
        for (size_t i = 0; i < chunk->rows; i++)
            RDL_TRY_OUT(take_row(c, chunk, i, err));
    if (c->files.n > 1)
        qsort(c->files.v, c->files.n, sizeof *c->files.v, by_key);
out:
    rdl_result_free(result);
    rdl_buf_fini(&sql);
    return rc;
}

/* From the stage to the partition's folder. */
static rdl_code move_files(copier *c, rdl_err *err)
{
    for (size_t i = 0; i < c->files.n; i++) {
        const char *to;
        RDL_TRY(rdl_data_place(c->w, &c->files.v[i].file, &to, err));
        RDL_TRY(rdl_fs_rename(c->files.v[i].from, to, err));
    }
    return RDL_OK;
}

rdl_code rdl_data_copy(rdl_data_writer *w,
                       rdl_conn *conn,
                       const char *select,
                       const char *order_by,
                       rdl_err *err)
{
    copier c = {.w = w};
    rdl_buf name = {0};
    uint32_t salt = 0;
    rdl_code rc = RDL_OK;
    if (!rdl_random_bytes(&salt, sizeof salt))
        return rdl_err_set(err, RDL_EIO, 0, "could not read random bytes");
    rdl_data_prefix(w->table->app_id, &name);
    c.stage = rdl_arena_printf(w->arena, "%s/%s%s%" PRIu64 "-%08" PRIx32, w->table->dir,
                               RDL_DATA_STAGE, rdl_buf_str(&name) + 5, w->info->epoch, salt);
    rdl_buf_fini(&name);
    RDL_TRY_OUT(rdl_fs_mkdirs(c.stage, err));
    RDL_TRY_OUT(copy_rows(&c, conn, select, order_by, err));
    rc = move_files(&c, err);
out:;
    rdl_err later = {0};
    const rdl_code removed = rdl_fs_remove_tree(c.stage, &later);
    if (rc == RDL_OK && removed != RDL_OK) {
        *err = later;
        rc = removed;
    }
    return rc;
}
