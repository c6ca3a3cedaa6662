/*
 * lake/snapshot.c - a version of a table, and the SELECT that reads it.
 *
 * Partition values come from the log.  Where every folder says just what the log says (the
 * usual case) DuckDB's hive_partitioning reads them with the types of the schema, so that
 * it passes over folders that a WHERE excludes.  Where one does not (a null beside its own
 * spelling, an empty text, a value that was written elsewhere) the files are joined by name
 * with a list of values: always right, without that pruning.
 *
 * Columns that older files lack come out NULL through union_by_name, which opens every file
 * before the first row is read.  Our files carry a hash of the columns that they were
 * written with (a tag of the add action); where all have the table's, that is left out, and
 * pruned files are never opened.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fs.h"
#include "lake/delta.h"

static int by_path(const void *a, const void *b)
{
    return strcmp(((const rdl_lake_file *)a)->path, ((const rdl_lake_file *)b)->path);
}

rdl_code rdl_lake_snapshot_of(rdl_arena *a,
                              const rdl_delta_state *s,
                              const char *app_id,
                              rdl_lake_snapshot *out,
                              rdl_err *err)
{
    (void)err;
    *out = (rdl_lake_snapshot){.version = s->version,
                               .timestamp_us = s->timestamp_ms * 1000,
                               .schema = s->schema,
                               .partition_columns = s->partition_columns,
                               .partition_count = s->partition_count,
                               .txn_version = -1,
                               .txn_app_id = s->txn_newest,
                               .table_id = s->id};
    const rdl_delta_txn *txn = rdl_delta_txn_of(s, app_id);
    if (txn != NULL)
        out->txn_version = txn->version;
    out->files = RDL_NEWN(a, rdl_lake_file, s->files.n + 1);
    for (size_t i = 0; i < s->files.n; i++) {
        const rdl_delta_file *f = s->files.entries[i].value;
        if (f == NULL)
            continue;
        rdl_lake_file *to = &out->files[out->file_count++];
        *to = (rdl_lake_file){.path = f->path,
                              .bytes = f->size,
                              .rows = f->rows,
                              .mtime_ms = f->time_ms,
                              .stats = f->stats,
                              .columns = f->columns,
                              .data_change = f->data_change};
        to->partition = RDL_NEWN(a, const char *, s->partition_count + 1);
        for (size_t k = 0; k < s->partition_count; k++)
            to->partition[k] = rdl_partition_value(f, s->partition_columns[k]);
        out->bytes += f->size;
        out->rows += f->rows == UINT64_MAX ? 0 : f->rows;
    }
    qsort(out->files, out->file_count, sizeof *out->files, by_path);
    return RDL_OK;
}

rdl_code rdl_lake_load(rdl_arena *a,
                       const char *dir,
                       const char *app_id,
                       int64_t version,
                       rdl_lake_snapshot *out,
                       rdl_err *err)
{
    rdl_delta_state s;
    *out = (rdl_lake_snapshot){.version = -1, .txn_version = -1};
    RDL_TRY(rdl_err_in(rdl_delta_load(a, dir, version, &s, err), err, "table %s", dir));
    if (s.version < 0)
        return RDL_OK;
    return rdl_lake_snapshot_of(a, &s, app_id, out, err);
}

rdl_code
rdl_lake_version_at(const char *dir, int64_t at_us, int64_t *out_version, rdl_err *err)
{
    rdl_arena call;
    rdl_arena_init(&call, 0);
    rdl_lake_version *v = NULL;
    size_t n = 0, i = 0;
    rdl_code rc = rdl_lake_history(&call, dir, &v, &n, err);
    while (rc == RDL_OK && i < n && v[i].timestamp_us > at_us)
        i++;
    if (rc == RDL_OK && i < n) {
        *out_version = v[i].version;
    } else if (rc == RDL_OK) {
        rdl_buf at = {0};
        rdl_timestamp_print(at_us, &at);
        rc =
            rdl_err_set(err, RDL_EUSAGE, 0,
                        "could not read table \"%s\" as of %s: its oldest version is later",
                        dir, rdl_buf_str(&at));
        rdl_buf_clear(&at);
        if (n > 0) {
            rdl_timestamp_print(v[n - 1].timestamp_us, &at);
            rdl_err_hint(err, "The oldest version is of %s.", rdl_buf_str(&at));
        }
        rdl_buf_fini(&at);
    }
    rdl_arena_fini(&call);
    return rc;
}

/* The SELECT. */

static bool is_partition(const rdl_lake_snapshot *s, rdl_str name, size_t *out)
{
    for (size_t i = 0; i < s->partition_count; i++) {
        if (!rdl_str_eq_nocase(s->partition_columns[i], name))
            continue;
        *out = i;
        return true;
    }
    return false;
}

static bool plain_name(rdl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
                   s.p[i]) == NULL)
            return false;
    return s.n > 0;
}

static bool
folder_says(const char *path, const rdl_lake_snapshot *s, const rdl_lake_file *f)
{
    rdl_buf want = {0};
    for (size_t i = 0; i < s->partition_count; i++) {
        const char *value = f->partition[i];
        const bool odd =
            value != NULL &&
            (value[0] == '\0' || strcmp(value, "__HIVE_DEFAULT_PARTITION__") == 0 ||
             strcmp(value, "NULL") == 0 || strcmp(value, "null") == 0);
        if (odd) {
            rdl_buf_fini(&want);
            return false;
        }
        rdl_hive_escape(s->partition_columns[i], &want);
        rdl_buf_putc(&want, '=');
        if (value == NULL)
            rdl_buf_puts(&want, "__HIVE_DEFAULT_PARTITION__");
        else
            rdl_hive_escape(rdl_str_of(value), &want);
        rdl_buf_putc(&want, '/');
    }
    const bool same = strncmp(path, rdl_buf_str(&want), want.n) == 0 &&
                      strchr(path + want.n, '=') == NULL &&
                      strchr(path + want.n, '/') == NULL;
    rdl_buf_fini(&want);
    return same;
}

static bool hive_is_right(const char *dir, const rdl_lake_snapshot *s)
{
    if (strchr(dir, '=') != NULL)
        return false;
    for (size_t i = 0; i < s->partition_count; i++) {
        const int at = rdl_schema_find(&s->schema, s->partition_columns[i]);
        const rdl_type_kind kind = s->schema.v[at].type->kind;
        if (kind != RDL_TYPE_TEXT && kind != RDL_TYPE_DATE && kind != RDL_TYPE_INTEGER &&
            kind != RDL_TYPE_BIGINT && kind != RDL_TYPE_BOOLEAN)
            return false;
        if (!plain_name(s->partition_columns[i]))
            return false;
    }
    for (size_t i = 0; i < s->file_count; i++)
        if (!folder_says(s->files[i].path, s, &s->files[i]))
            return false;
    return true;
}

static bool all_have_all_columns(const rdl_lake_snapshot *s)
{
    char tag[17];
    rdl_delta_columns_tag(&s->schema, tag);
    for (size_t i = 0; i < s->file_count; i++)
        if (s->files[i].columns == NULL || strcmp(s->files[i].columns, tag) != 0)
            return false;
    return true;
}

/* DuckDB takes a file name for a pattern. */
static void put_file(rdl_buf *sql, const char *path, bool pattern)
{
    rdl_buf plain = {0};
    for (const char *p = path; *p != '\0'; p++) {
        if (pattern && strchr("[*?", *p) != NULL)
            rdl_buf_printf(&plain, "[%c]", *p);
        else
            rdl_buf_putc(&plain, *p);
    }
    rdl_buf_put_sql_text(sql, (rdl_str){rdl_buf_str(&plain), plain.n});
    rdl_buf_fini(&plain);
}

static void put_columns(const rdl_lake_snapshot *s, bool hive, bool empty, rdl_buf *sql)
{
    for (size_t i = 0; i < s->schema.n; i++) {
        const rdl_column *c = &s->schema.v[i];
        size_t key = 0;
        rdl_buf_puts(sql, i > 0 ? ", " : "");
        if (empty) {
            rdl_buf_puts(sql, "CAST(NULL AS ");
            rdl_type_print(c->type, sql);
            rdl_buf_putc(sql, ')');
        } else if (is_partition(s, c->name, &key)) {
            if (hive)
                rdl_buf_puts(sql, "d.");
            if (hive)
                rdl_buf_put_sql_ident(sql, c->name);
            else
                rdl_buf_printf(sql, "k.k%zu", key);
        } else {
            rdl_buf_puts(sql, "CAST(d.");
            rdl_buf_put_sql_ident(sql, c->name);
            rdl_buf_puts(sql, " AS ");
            rdl_type_print(c->type, sql);
            rdl_buf_putc(sql, ')');
        }
        rdl_buf_puts(sql, " AS ");
        rdl_buf_put_sql_ident(sql, c->name);
    }
}

/* No row, but every column with the type that it has in a file. */
static void put_shape(const rdl_lake_snapshot *s, bool hive, rdl_buf *sql)
{
    bool first = true;
    rdl_buf_puts(sql, "SELECT ");
    for (size_t i = 0; i < s->schema.n; i++) {
        const rdl_column *c = &s->schema.v[i];
        size_t key = 0;
        if (!hive && is_partition(s, c->name, &key))
            continue;
        rdl_buf_puts(sql, first ? "CAST(NULL AS " : ", CAST(NULL AS ");
        first = false;
        rdl_delta_physical_type(c->type, sql);
        rdl_buf_puts(sql, ") AS ");
        rdl_buf_put_sql_ident(sql, c->name);
    }
    rdl_buf_puts(sql, " WHERE false");
}

static void put_read(const char *dir,
                     const rdl_lake_snapshot *s,
                     bool hive,
                     bool uniform,
                     rdl_arena *a,
                     rdl_buf *sql)
{
    rdl_buf_puts(sql, "read_parquet([");
    for (size_t i = 0; i < s->file_count; i++) {
        rdl_buf_puts(sql, i > 0 ? ", " : "");
        put_file(sql, rdl_path_join(a, dir, s->files[i].path), true);
    }
    rdl_buf_printf(sql,
                   "], union_by_name=%s, hive_partitioning=", uniform ? "false" : "true");
    if (!hive || s->partition_count == 0) {
        rdl_buf_printf(sql, "false%s",
                       s->partition_count == 0 ? "" : ", filename='rdl_file'");
    } else {
        rdl_buf_puts(sql, "true, hive_types={");
        for (size_t i = 0; i < s->partition_count; i++) {
            const rdl_str name = s->partition_columns[i];
            rdl_buf_puts(sql, i > 0 ? ", " : "");
            rdl_buf_put_sql_text(sql, name);
            rdl_buf_puts(sql, ": ");
            rdl_type_print(s->schema.v[rdl_schema_find(&s->schema, name)].type, sql);
        }
        rdl_buf_putc(sql, '}');
    }
    rdl_buf_puts(sql, ")");
}

static void
put_values(const char *dir, const rdl_lake_snapshot *s, rdl_arena *a, rdl_buf *sql)
{
    rdl_buf_puts(sql, " JOIN (VALUES ");
    for (size_t i = 0; i < s->file_count; i++) {
        rdl_buf_puts(sql, i > 0 ? ", (" : "(");
        put_file(sql, rdl_path_join(a, dir, s->files[i].path), false);
        for (size_t k = 0; k < s->partition_count; k++) {
            const rdl_str name = s->partition_columns[k];
            rdl_buf_puts(sql, ", ");
            rdl_partition_literal(s->schema.v[rdl_schema_find(&s->schema, name)].type,
                                  s->files[i].partition[k], sql);
        }
        rdl_buf_putc(sql, ')');
    }
    rdl_buf_puts(sql, ") AS k(rdl_file");
    for (size_t k = 0; k < s->partition_count; k++)
        rdl_buf_printf(sql, ", k%zu", k);
    rdl_buf_puts(sql, ") ON d.rdl_file = k.rdl_file");
}

/* L5: a file that is named and absent, or is not the one that was written. */
static rdl_code
check_files(rdl_arena *a, const char *dir, const rdl_lake_snapshot *s, rdl_err *err)
{
    for (size_t i = 0; i < s->file_count; i++) {
        rdl_stat stat;
        const char *path = rdl_path_join(a, dir, s->files[i].path);
        RDL_TRY(rdl_err_area(rdl_fs_stat(path, &stat, err), err, RDL_AREA_STORE));
        if (stat.exists && (stat.size == s->files[i].bytes || s->files[i].bytes == 0))
            continue;
        if (!stat.exists)
            rdl_err_set(err, RDL_EDATA, 0,
                        "could not read data file \"%s\": version %" PRId64
                        " names it, and it is absent",
                        path, s->version);
        else
            rdl_err_set(err, RDL_EDATA, 0,
                        "could not read data file \"%s\": it has %" PRIu64
                        " bytes, and version %" PRId64 " says %" PRIu64,
                        path, stat.size, s->version, s->files[i].bytes);
        err->area = RDL_AREA_STORE;
        return rdl_err_hint(
            err, "Restore the file from a backup; a view can be made again with raudal "
                 "refresh DIR TABLE.");
    }
    return RDL_OK;
}

rdl_code rdl_lake_select(rdl_arena *a,
                         const char *dir,
                         const rdl_lake_snapshot *s,
                         rdl_buf *out_sql,
                         rdl_err *err)
{
    if (s->version < 0)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "could not read table \"%s\": there is no table", dir);
    if (s->file_count == 0) {
        rdl_buf_puts(out_sql, "SELECT ");
        put_columns(s, false, true, out_sql);
        rdl_buf_puts(out_sql, " WHERE false");
        return RDL_OK;
    }
    RDL_TRY(check_files(a, dir, s, err));
    const bool hive = hive_is_right(dir, s);
    rdl_buf_puts(out_sql, "SELECT ");
    put_columns(s, hive, false, out_sql);
    /* The shape adds, by name, the columns that none of the files has yet. */
    const bool uniform = all_have_all_columns(s);
    rdl_buf_puts(out_sql, " FROM (SELECT * FROM ");
    put_read(dir, s, hive, uniform, a, out_sql);
    if (!uniform) {
        rdl_buf_puts(out_sql, " UNION ALL BY NAME ");
        put_shape(s, hive, out_sql);
    }
    rdl_buf_puts(out_sql, ") AS d");
    if (!hive && s->partition_count > 0)
        put_values(dir, s, a, out_sql);
    return RDL_OK;
}

/* Pruning. */

static bool same_partition(const rdl_lake_snapshot *s, size_t i, size_t k)
{
    for (size_t c = 0; c < s->partition_count; c++) {
        const char *x = s->files[i].partition[c], *y = s->files[k].partition[c];
        if ((x == NULL) != (y == NULL) || (x != NULL && strcmp(x, y) != 0))
            return false;
    }
    return true;
}

static void put_prune(const rdl_lake_snapshot *s, const char *where, rdl_buf *sql)
{
    rdl_buf_puts(sql, "SELECT CAST(rdl_i AS BIGINT) FROM (VALUES ");
    for (size_t i = 0; i < s->file_count; i++) {
        if (i > 0 && same_partition(s, i - 1, i))
            continue;
        rdl_buf_printf(sql, "%s(%zu", i > 0 ? ", " : "", i);
        for (size_t k = 0; k < s->partition_count; k++) {
            const rdl_str name = s->partition_columns[k];
            rdl_buf_puts(sql, ", ");
            rdl_partition_literal(s->schema.v[rdl_schema_find(&s->schema, name)].type,
                                  s->files[i].partition[k], sql);
        }
        rdl_buf_putc(sql, ')');
    }
    rdl_buf_puts(sql, ") AS rdl_p(rdl_i");
    for (size_t k = 0; k < s->partition_count; k++) {
        rdl_buf_puts(sql, ", ");
        rdl_buf_put_sql_ident(sql, s->partition_columns[k]);
    }
    rdl_buf_printf(sql, ") WHERE (%s)", where);
}

rdl_code rdl_lake_prune(
    rdl_arena *a, rdl_conn *conn, rdl_lake_snapshot *s, const char *where, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *result = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    if (s->file_count == 0 || s->partition_count == 0)
        return RDL_OK;
    bool *keep = RDL_NEWN(a, bool, s->file_count);
    put_prune(s, where, &sql);
    RDL_TRY_OUT(rdl_query(conn, rdl_buf_str(&sql), &result, err));
    while (rdl_result_next(result, &chunk))
        for (size_t i = 0; i < chunk->rows; i++)
            keep[RDL_VECTOR_AT(&chunk->v[0], int64_t, i)] = true;
    rdl_lake_file *kept = RDL_NEWN(a, rdl_lake_file, s->file_count);
    size_t n = 0;
    s->rows = s->bytes = 0;
    for (size_t i = 0; i < s->file_count; i++) {
        if (i > 0 && same_partition(s, i - 1, i))
            keep[i] = keep[i - 1];
        if (!keep[i])
            continue;
        kept[n++] = s->files[i];
        s->bytes += s->files[i].bytes;
        s->rows += s->files[i].rows == UINT64_MAX ? 0 : s->files[i].rows;
    }
    s->files = kept;
    s->file_count = n;
out:
    rdl_result_free(result);
    rdl_buf_fini(&sql);
    return rc;
}
