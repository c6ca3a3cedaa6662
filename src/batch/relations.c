/*
 * batch/relations.c - e."all:.." over a cut.
 */
#include "batch/relations.h"

#include "lang/plan.h"
#include "stream/damage.h"

static rdl_code put_content(rdl_cut *c, const rdl_table *t, rdl_buf *sql, rdl_err *err)
{
    if (t->kind != RDL_TABLE_SNAPSHOT)
        return rdl_cut_select(c, t, t->kind == RDL_TABLE_STREAMING, sql, err);
    const rdl_snapshot_history *h = rdl_history_snapshot(c->history, t->full);
    if (h == NULL) {
        rdl_buf_puts(sql, "SELECT ");
        for (size_t i = 0; i < t->columns.n; i++) {
            rdl_buf_puts(sql, i == 0 ? "NULL::" : ", NULL::");
            rdl_type_print(t->columns.v[i].type, sql);
            rdl_buf_puts(sql, " AS ");
            rdl_buf_put_sql_ident(sql, t->columns.v[i].name);
        }
        rdl_buf_puts(sql, " WHERE false");
        return RDL_OK;
    }
    const char *path;
    RDL_TRY(rdl_snapshot_path(c->arena, c->root, h, &path, err));
    rdl_buf_puts(sql, "SELECT * FROM read_parquet(");
    rdl_buf_put_sql_text(sql, rdl_str_of(path));
    rdl_buf_puts(sql, ")");
    return RDL_OK;
}

rdl_code rdl_batch_relations(rdl_conn *conn, rdl_cut *c, rdl_err *err)
{
    const rdl_pipeline *p = c->pipeline;
    RDL_TRY(rdl_exec(conn, "CREATE SCHEMA IF NOT EXISTS e", err));
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        rdl_buf sql = {0};
        if (t->kind == RDL_TABLE_SOURCE)
            continue;
        rdl_buf_puts(&sql, "CREATE OR REPLACE VIEW ");
        rdl_put_relation(&sql, "e", "all:", t->full);
        rdl_buf_puts(&sql, " AS ");
        rdl_code rc = put_content(c, t, &sql, err);
        if (rc == RDL_OK)
            rc = rdl_exec(conn, rdl_buf_str(&sql), err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
    }
    return RDL_OK;
}
