/*
 * stream/relation.c - the relations that plans read, and tables kept in memory.
 *
 * Names: schema e holds one epoch's relations and is dropped with it; schema c holds whole
 * contents of views and snapshots that plans read, kept from epoch to epoch (C1: c."<t>" equals
 * the content of t at the last sealed epoch, or is being brought to the open one; an aborted epoch
 * forgets what it touched, and it is loaded again from what is sealed).
 */
#include <inttypes.h>

#include "stream/internal.h"

static rdl_code snapshot_select(rdl_engine *e, rdl_arena *a, const rdl_table *t, rdl_buf *out)
{
    const rdl_snapshot_history *h = rdl_history_snapshot(&e->history, t->full);
    if (h == NULL) {
        rdl_buf_puts(out, "SELECT * FROM ");
        rdl_put_relation(out, "c", "empty:", t->full);
        return RDL_OK;
    }
    rdl_buf_puts(out, "SELECT * FROM read_parquet(");
    rdl_buf_put_sql_text(
        out, rdl_str_of(rdl_root_snapshot(a, &e->root, t->full, h->epoch)));
    rdl_buf_puts(out, ")");
    return RDL_OK;
}

rdl_code rdl_cache_load(rdl_engine *e, rdl_table *t, rdl_err *err)
{
    rdl_runtime *r = &e->tables[t->index];
    if (r->cached)
        return RDL_OK;
    rdl_arena a;
    rdl_buf sql = {0};
    rdl_cut cut;
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
    rdl_put_relation(&sql, "c", "", t->full);
    rdl_buf_puts(&sql, " AS ");
    rdl_code rc = t->kind == RDL_TABLE_SNAPSHOT ? snapshot_select(e, &a, t, &sql)
                                                : rdl_cut_select(&cut, t, false, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    if (rc == RDL_OK)
        r->cached = true;
    rdl_buf_fini(&sql);
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "content of %.*s", (int)t->full.n, t->full.p);
}

/* Delete from c."<t>" the rows that e."old:<t>" and e."new:<t>" replace. */
static void put_delete(rdl_buf *sql, const rdl_table *t)
{
    bool keyed = t->kind == RDL_TABLE_VIEW && t->primary_key_count > 0;
    rdl_buf_puts(sql, "DELETE FROM ");
    rdl_put_relation(sql, "c", "", t->full);
    if (keyed) {
        rdl_buf_puts(sql, " WHERE rdl_key(");
        rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
        rdl_buf_puts(sql, ") IN (SELECT rdl_key(");
        rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
        rdl_buf_puts(sql, ") FROM ");
        rdl_put_relation(sql, "e", "old:", t->full);
        rdl_buf_puts(sql, " UNION ALL SELECT rdl_key(");
        rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
        rdl_buf_puts(sql, ") FROM ");
        rdl_put_relation(sql, "e", "new:", t->full);
        rdl_buf_puts(sql, ")");
        return;
    }
    /* Without a key, one copy goes for each old row: copies of equal rows are numbered. */
    rdl_buf numbered = {0};
    rdl_buf_puts(&numbered, "rdl_key(");
    rdl_put_columns(&numbered, "", &t->columns);
    rdl_buf_puts(&numbered, ") AS _k, row_number() OVER (PARTITION BY rdl_key(");
    rdl_put_columns(&numbered, "", &t->columns);
    rdl_buf_puts(&numbered, ")) AS _n");
    rdl_buf_printf(sql, " WHERE rowid IN (SELECT h._r FROM (SELECT rowid AS _r, %s FROM ",
                   rdl_buf_str(&numbered));
    rdl_put_relation(sql, "c", "", t->full);
    rdl_buf_printf(sql, ") h JOIN (SELECT %s FROM ", rdl_buf_str(&numbered));
    rdl_put_relation(sql, "e", "old:", t->full);
    rdl_buf_puts(sql, ") o ON h._k = o._k AND h._n = o._n)");
    rdl_buf_fini(&numbered);
}

rdl_code rdl_cache_update(rdl_engine *e, rdl_work *w, rdl_table *t, bool reset, rdl_err *err)
{
    rdl_runtime *r = &e->tables[t->index];
    if (!r->cached)
        return RDL_OK;
    rdl_buf sql = {0};
    w->cache_touched[t->index] = true;
    if (reset) {
        rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
        rdl_put_relation(&sql, "c", "", t->full);
        rdl_buf_puts(&sql, " AS SELECT ");
    } else {
        put_delete(&sql, t);
        rdl_buf_puts(&sql, "; INSERT INTO ");
        rdl_put_relation(&sql, "c", "", t->full);
        rdl_buf_puts(&sql, " BY NAME SELECT ");
    }
    if (t->kind == RDL_TABLE_VIEW) /* others have columns beside */
        rdl_put_columns(&sql, "", &t->columns);
    else
        rdl_buf_putc(&sql, '*');
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, "e", "new:", t->full);
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rdl_err_in(rc, err, "content of %.*s", (int)t->full.n, t->full.p);
}

void rdl_caches_forget(rdl_engine *e, const rdl_work *w)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        if (w->cache_touched[i])
            e->tables[i].cached = false;
    }
}

/* Streaming tables are never kept: what is sealed, and this epoch's new rows. */
static rdl_code put_stream_all(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_buf *sql, rdl_err *err)
{
    rdl_cut cut;
    rdl_schema schema;
    rdl_cut_init(&cut, &w->arena, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    RDL_TRY(rdl_cut_select(&cut, t, true, sql, err));
    if (!w->changed[t->index])
        return RDL_OK;
    rdl_table_lake_schema(&w->arena, t, &schema);
    rdl_buf_puts(sql, " UNION ALL SELECT ");
    rdl_put_columns(sql, "", &schema);
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "e", "new:", t->full);
    return RDL_OK;
}

/* The content at the end of this epoch, also when nobody kept it before the epoch changed it. */
static rdl_code load_now(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    bool behind = !e->tables[t->index].cached && w->changed[t->index];
    RDL_TRY(rdl_cache_load(e, t, err));
    return behind ? rdl_cache_update(e, w, t, rdl_work_seal_table(e, w, t)->reset, err) : RDL_OK;
}

rdl_code rdl_relation_all(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    if (w->all_made[t->index])
        return RDL_OK;
    rdl_buf sql = {0};
    rdl_code rc = RDL_OK;
    rdl_buf_puts(&sql, "CREATE VIEW ");
    rdl_put_relation(&sql, "e", "all:", t->full);
    rdl_buf_puts(&sql, " AS ");
    if (t->kind == RDL_TABLE_STREAMING) {
        rc = put_stream_all(e, w, t, &sql, err);
    } else {
        rc = load_now(e, w, t, err);
        rdl_buf_puts(&sql, "SELECT * FROM ");
        rdl_put_relation(&sql, "c", "", t->full);
    }
    if (rc == RDL_OK)
        rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    w->all_made[t->index] = rc == RDL_OK;
    rdl_buf_fini(&sql);
    return rdl_err_in(rc, err, "content of %.*s", (int)t->full.n, t->full.p);
}
