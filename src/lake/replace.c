/*
 * lake/replace.c - partitions given their whole new content in one commit.
 *
 * Removes and adds are one log entry, so a reader sees the old content or the new one.  The
 * files to remove are chosen at the version that was read; if another writer removed one of
 * them meanwhile the commit fails (L6).
 */
#include "base/fs.h"
#include "lake/delta.h"

typedef struct replacement {
    rdl_arena *arena;
    const rdl_lake_table *table;
    rdl_delta_state state;
    rdl_map touched; /* partition key -> anything */
    RDL_VEC(rdl_delta_file *) removes;
} replacement;

/* The touched partitions, spelled as the log spells them. */
static rdl_code
read_touched(replacement *r, rdl_conn *conn, const char *touched, rdl_err *err)
{
    const rdl_lake_table *t = r->table;
    rdl_buf sql = {0}, key = {0};
    rdl_result *result = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    rdl_buf_puts(&sql, "SELECT DISTINCT ");
    for (size_t i = 0; i < t->partition_count; i++) {
        rdl_buf_puts(&sql, i > 0 ? ", " : "");
        rdl_partition_sql(
            &t->schema.v[rdl_schema_find(&t->schema, t->partition_columns[i])], &sql);
    }
    rdl_buf_printf(&sql, " FROM (%s) AS rdl_touched", touched);
    RDL_TRY_OUT(rdl_query(conn, rdl_buf_str(&sql), &result, err));
    rdl_delta_file probe = {.partition_count = t->partition_count};
    probe.partition = RDL_NEWN(r->arena, rdl_delta_pair, t->partition_count + 1);
    while (rdl_result_next(result, &chunk)) {
        for (size_t i = 0; i < chunk->rows; i++) {
            for (size_t k = 0; k < t->partition_count; k++) {
                const rdl_str name = t->partition_columns[k];
                rdl_str value = {0};
                probe.partition[k].key = rdl_arena_strndup(r->arena, name.p, name.n);
                probe.partition[k].value = NULL;
                if (!rdl_vector_valid(&chunk->v[k], i))
                    continue;
                value = rdl_vector_str(&chunk->v[k], i);
                probe.partition[k].value = rdl_arena_strndup(r->arena, value.p, value.n);
            }
            rdl_buf_clear(&key);
            rdl_partition_key(&probe, &t->schema, t->partition_columns, t->partition_count,
                              &key);
            rdl_map_put(&r->touched, (rdl_str){rdl_buf_str(&key), key.n}, r);
        }
    }
out:
    rdl_result_free(result);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&key);
    return rc;
}

static void choose_removes(replacement *r, bool all)
{
    const rdl_lake_table *t = r->table;
    rdl_buf key = {0};
    for (size_t i = 0; i < r->state.files.n; i++) {
        rdl_delta_file *f = r->state.files.entries[i].value;
        if (f == NULL)
            continue;
        rdl_buf_clear(&key);
        if (!all)
            rdl_partition_key(f, &t->schema, t->partition_columns, t->partition_count,
                              &key);
        if (all || rdl_map_has(&r->touched, (rdl_str){rdl_buf_str(&key), key.n}))
            RDL_PUSH(r->arena, &r->removes) = f;
    }
    rdl_buf_fini(&key);
}

/* Rows for a partition that was not named would stand beside what is there already. */
static rdl_code
check_inside(const replacement *r, const rdl_data_files *files, rdl_err *err)
{
    const rdl_lake_table *t = r->table;
    rdl_buf key = {0};
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < files->n && rc == RDL_OK; i++) {
        rdl_buf_clear(&key);
        rdl_partition_key(&files->v[i], &t->schema, t->partition_columns,
                          t->partition_count, &key);
        if (!rdl_map_has(&r->touched, (rdl_str){rdl_buf_str(&key), key.n}))
            rc = rdl_err_set(
                err, RDL_EBUG, 0,
                "could not replace partitions of \"%s\": a new row lies in one that "
                "was not named (%s)",
                t->dir, files->v[i].path);
    }
    rdl_buf_fini(&key);
    return rc;
}

/* rows: instead of a select of the whole table. */
static rdl_code replace(rdl_arena *a,
                        rdl_conn *conn,
                        const rdl_lake_table *t,
                        const rdl_lake_rows *rows,
                        const char *select,
                        const char *touched,
                        const char *order_by,
                        const rdl_lake_commit_info *info,
                        rdl_lake_result *out,
                        rdl_err *err)
{
    replacement r = {.arena = a, .table = t};
    rdl_data_files files = {0};
    bool changed = false;
    const bool all = touched == NULL || t->partition_count == 0;
    *out = (rdl_lake_result){.version = -1};
    rdl_map_init(&r.touched, a);
    RDL_TRY(rdl_partition_check(&t->schema, t->partition_columns, t->partition_count, err));
    RDL_TRY(rdl_delta_load(a, t->dir, -1, &r.state, err));
    const rdl_delta_txn *txn = rdl_delta_txn_of(&r.state, t->app_id);
    out->version = r.state.version;
    out->already = txn != NULL && txn->version >= (int64_t)info->epoch;
    if (out->already)
        return RDL_OK;
    if (r.state.version >= 0)
        RDL_TRY(rdl_err_area(rdl_delta_schema_evolve(&r.state, t, &changed, err), err,
                             RDL_AREA_STORE));
    RDL_TRY(rdl_delta_check_removable(&r.state, t->dir, err));
    if (!all)
        RDL_TRY(read_touched(&r, conn, touched, err));
    choose_removes(&r, all);
    RDL_TRY(rows != NULL
                ? rdl_data_write_rows(a, t, rows, info, &files, err)
                : rdl_data_write(conn, a, t, select, order_by, info, false, &files, err));
    rdl_code rc = all ? RDL_OK : check_inside(&r, &files, err);
    const rdl_delta_change change = {.table = t,
                                     .info = info,
                                     .txn = true,
                                     .data_change = true,
                                     .adds = files.v,
                                     .add_count = files.n,
                                     .removes = r.removes.v,
                                     .remove_count = r.removes.n};
    if (rc == RDL_OK)
        rc = rdl_delta_commit(a, &change, &r.state, out, err);
    if (rdl_delta_is_void(a, &change, &r.state, rc, out))
        rdl_data_discard(a, t->dir, &files);
    if (rc != RDL_OK || out->already)
        return rc;
    out->files_added = files.n;
    out->files_removed = r.removes.n;
    out->rows_added = files.rows;
    out->bytes_added = files.bytes;
    return RDL_OK;
}

rdl_code rdl_lake_replace(rdl_conn *conn,
                          const rdl_lake_table *t,
                          const char *select,
                          const char *touched,
                          const char *order_by,
                          const rdl_lake_commit_info *info,
                          rdl_lake_result *out,
                          rdl_err *err)
{
    rdl_arena call;
    rdl_arena_init(&call, 0);
    const rdl_code rc = replace(&call, conn, t, NULL, select, touched, order_by, info, out, err);
    rdl_arena_fini(&call);
    return rdl_err_in(rc, err, "table %s", t->name != NULL ? t->name : t->dir);
}

bool rdl_lake_rows_fit(const rdl_lake_table *t)
{
    bool fit = t->partition_count == 0;
    for (size_t i = 0; i < t->schema.n; i++)
        fit = fit && rdl_type_is_scalar(t->schema.v[i].type) &&
              t->schema.v[i].type->kind != RDL_TYPE_JSON;
    return fit;
}

rdl_code rdl_lake_replace_all(const rdl_lake_table *t,
                              const rdl_lake_rows *rows,
                              const rdl_lake_commit_info *info,
                              rdl_lake_result *out,
                              rdl_err *err)
{
    rdl_arena call;
    rdl_arena_init(&call, 0);
    const rdl_code rc = replace(&call, NULL, t, rows, NULL, NULL, NULL, info, out, err);
    rdl_arena_fini(&call);
    return rdl_err_in(rc, err, "table %s", t->name != NULL ? t->name : t->dir);
}
