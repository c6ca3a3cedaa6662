/*
 * stream/decide.c - decision tables: what is decided once, with when and from what.
 *
 * A decision is made in an epoch, as a view is built: the body runs over its inputs at the end of
 * that epoch, and over the table itself as it was before.  Of what comes out, the rows whose key
 * was never decided are added, with the epoch (which names the versions of all inputs), its
 * time, and the lineage of the text.  The others are left alone, whatever they say now.
 *
 * INVARIANTS
 *   D1  A row that a seal added is in every later content, cell by cell: nothing takes it away or
 *       replaces it, neither a refresh nor a new text of the body.  The sum of row hashes in the seals
 *       proves it (stream/content.h).
 *   D2  A key is decided once.
 *   D3  The body over the inputs at the end of _decided_epoch, with now() = _decided_at and the
 *       table's rows of earlier epochs, gives the row again; batch/verify_decision.c does that.
 *
 * tests/slt/decisions checks all three.
 */
#include <inttypes.h>

#include "stream/internal.h"

/* The table itself, as its body may read it. */
static rdl_code expose_past(rdl_engine *e, const rdl_table *t, bool there, rdl_err *err)
{
    rdl_buf sql = {0};
    if (!t->reads_itself)
        return RDL_OK;
    if (!there)
        return rdl_relation_drop(e, "all:", t->full, err);
    rdl_buf_puts(&sql, "SELECT * FROM ");
    rdl_put_relation(&sql, "c", "", t->full);
    rdl_code rc = rdl_relation_view(e, "all:", t->full, rdl_buf_str(&sql), true, err);
    rdl_buf_fini(&sql);
    return rc;
}

static void put_key(rdl_buf *sql, const rdl_table *t)
{
    rdl_buf_puts(sql, "rdl_key(");
    rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
    rdl_buf_putc(sql, ')');
}

static void put_undecided(rdl_buf *sql, const rdl_work *w, const rdl_table *t)
{
    char lineage[33];
    rdl_schema body = {t->columns.v, t->columns.n - RDL_DECISION_COLUMNS};
    rdl_hash128_hex(rdl_table_lineage(t), lineage);
    rdl_buf_puts(sql, "SELECT ");
    rdl_put_columns(sql, "", &body);
    rdl_buf_printf(sql,
                   ", CAST(make_timestamp(%" PRId64 "::BIGINT) AS TIMESTAMPTZ) AS _decided_at, "
                   "%" PRIu64 "::BIGINT AS _decided_epoch, '%s'::TEXT AS _decided_by FROM ",
                   w->ts_us, w->epoch, lineage);
    rdl_put_relation(sql, "e", "now:", t->full);
    rdl_buf_puts(sql, " WHERE ");
    put_key(sql, t);
    rdl_buf_puts(sql, " NOT IN (SELECT ");
    put_key(sql, t);
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "c", "", t->full);
    rdl_buf_putc(sql, ')');
}

rdl_code rdl_decide(rdl_engine *e, rdl_work *w, rdl_table *t, uint64_t *out_rows, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_code rc;
    for (size_t i = 0; i < t->input_count; i++)
        RDL_TRY(rdl_relation_all(e, w, t->inputs[i].table, err));
    RDL_TRY(rdl_cache_load(e, t, err));
    RDL_TRY(expose_past(e, t, true, err));
    RDL_TRY_OUT(rdl_execf(e->conn, err,
                          "SET VARIABLE decided_at = CAST(make_timestamp(%" PRId64
                          "::BIGINT) AS TIMESTAMPTZ)",
                          w->ts_us));
    RDL_TRY_OUT(rdl_view_create(e, w, "now:", t, t->view_plan->unchecked_sql.p, NULL, err));
    put_undecided(&sql, w, t);
    RDL_TRY_OUT(rdl_view_create(e, w, "new:", t, rdl_buf_str(&sql), out_rows, err));
    RDL_TRY_OUT(rdl_view_create_empty(e, "old:", t, err));
    RDL_TRY_OUT(expose_past(e, t, false, err));
out:
    rdl_buf_fini(&sql);
    return rdl_err_in(rc, err, "decision %s", t->full.p);
}

bool rdl_decision_is_due(rdl_engine *e, const rdl_table *t)
{
    return t->reads_clock &&
           rdl_history_table(&e->history, t->full)->last_evaluated_us < e->run_us;
}
