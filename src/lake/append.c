/*
 * lake/append.c - rows added to a table in one commit, or the table made.
 *
 * INVARIANTS
 *   L7  An epoch that the table's txn has already changes nothing: no file stays, no
 *       version.
 *   L8  A part is adopted by a second name for its bytes.  Its maker's name stays until the maker
 *       takes it away, so that whoever reads it there does not notice (part.c).
 */
#include "base/fs.h"
#include "lake/delta.h"

static rdl_code begin(rdl_arena *a,
                      const rdl_lake_table *t,
                      const rdl_lake_commit_info *info,
                      rdl_delta_state *s,
                      rdl_lake_result *out,
                      rdl_err *err)
{
    bool changed = false;
    *out = (rdl_lake_result){.version = -1};
    RDL_TRY(rdl_partition_check(&t->schema, t->partition_columns, t->partition_count, err));
    RDL_TRY(rdl_delta_load(a, t->dir, -1, s, err));
    const rdl_delta_txn *txn = rdl_delta_txn_of(s, t->app_id);
    out->version = s->version;
    out->already = txn != NULL && txn->version >= (int64_t)info->epoch;
    if (out->already || s->version < 0)
        return RDL_OK;
    return rdl_err_area(rdl_delta_schema_evolve(s, t, &changed, err), err, RDL_AREA_STORE);
}

rdl_code rdl_lake_check(const rdl_lake_table *t, rdl_err *err)
{
    rdl_arena call;
    rdl_delta_state s;
    bool changed = false;
    rdl_arena_init(&call, 0);
    rdl_code rc = rdl_delta_load(&call, t->dir, -1, &s, err);
    if (rc == RDL_OK && s.version >= 0)
        rc = rdl_delta_schema_evolve(&s, t, &changed, err);
    rdl_arena_fini(&call);
    return rc;
}

static rdl_code append(rdl_arena *a,
                       rdl_conn *conn,
                       const rdl_lake_table *t,
                       const char *select,
                       const char *order_by,
                       const rdl_lake_part *parts,
                       size_t part_count,
                       const rdl_lake_commit_info *info,
                       rdl_lake_result *out,
                       rdl_err *err)
{
    rdl_delta_state s;
    rdl_data_files files = {0};
    bool rows = select != NULL || part_count > 0;
    RDL_TRY(begin(a, t, info, &s, out, err));
    if (!rows && s.version >= 0) {
        bool evolved = false;
        RDL_TRY(rdl_delta_schema_evolve(&s, t, &evolved, err));
        out->already = !evolved;
    }
    if (out->already)
        return RDL_OK;
    if (select != NULL)
        RDL_TRY(rdl_data_write(conn, a, t, select, order_by, info, false, &files, err));
    if (part_count > 0)
        RDL_TRY(rdl_data_adopt(a, t, parts, part_count, info, &files, err));
    const rdl_delta_change change = {.table = t,
                                     .info = info,
                                     .txn = rows,
                                     .blind = true,
                                     .data_change = true,
                                     .adds = files.v,
                                     .add_count = files.n};
    const rdl_code rc = rdl_delta_commit(a, &change, &s, out, err);
    if (rdl_delta_is_void(a, &change, &s, rc, out))
        rdl_data_discard(a, t->dir, &files);
    if (rc != RDL_OK || out->already)
        return rc;
    out->files_added = files.n;
    out->rows_added = files.rows;
    out->bytes_added = files.bytes;
    return RDL_OK;
}

rdl_code rdl_lake_append_parts(rdl_conn *conn,
                               const rdl_lake_table *t,
                               const char *select,
                               const char *order_by,
                               const rdl_lake_part *parts,
                               size_t part_count,
                               const rdl_lake_commit_info *info,
                               rdl_lake_result *out,
                               rdl_err *err)
{
    rdl_arena call;
    rdl_arena_init(&call, 0);
    const rdl_code rc =
        append(&call, conn, t, select, order_by, parts, part_count, info, out, err);
    rdl_arena_fini(&call);
    return rdl_err_in(rc, err, "table %s", t->name != NULL ? t->name : t->dir);
}

rdl_code rdl_lake_append(rdl_conn *conn,
                         const rdl_lake_table *t,
                         const char *select,
                         const char *order_by,
                         const rdl_lake_commit_info *info,
                         rdl_lake_result *out,
                         rdl_err *err)
{
    return rdl_lake_append_parts(conn, t, select, order_by, NULL, 0, info, out, err);
}
