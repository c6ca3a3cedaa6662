/*
 * stream/view_rows.c - rows of a view on their way into its pairs: constraints, quarantine, keys.
 */
#include <inttypes.h>
#include <stdio.h>

#include "stream/internal.h"

rdl_code rdl_view_count(rdl_engine *e, const char *role, const rdl_table *v, const char *what,
                           int64_t *out, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT %s FROM ", what);
    rdl_put_relation(&sql, "e", role, v->full);
    rdl_code rc = rdl_relation_i64(e, rdl_buf_str(&sql), out, err);
    rdl_buf_fini(&sql);
    return rc;
}

/* ---- constraints of views ---- */

static bool rejects(const rdl_constraint *k)
{
    return k->action == RDL_VIOLATION_DROP_ROW || k->action == RDL_VIOLATION_QUARANTINE;
}

static void put_rejected(rdl_buf *sql, const rdl_table *v)
{
    rdl_buf_puts(sql, "(false");
    for (size_t i = 0; i < v->constraint_count; i++) {
        if (rejects(&v->constraints[i]) && v->constraints[i].unique_count == 0)
            rdl_buf_printf(sql, " OR _c%zu", i);
    }
    rdl_buf_puts(sql, ")");
}

static void put_quarantined(rdl_buf *sql, const rdl_table *v)
{
    rdl_buf_puts(sql, "(false");
    for (size_t i = 0; i < v->constraint_count; i++) {
        if (v->constraints[i].action == RDL_VIOLATION_QUARANTINE &&
            v->constraints[i].unique_count == 0)
            rdl_buf_printf(sql, " OR _c%zu", i);
    }
    rdl_buf_puts(sql, ")");
}

static rdl_code fail_view(const rdl_table *v, size_t i, int64_t n, rdl_err *err)
{
    const rdl_constraint *k = &v->constraints[i];
    rdl_err_set(err, RDL_EDATA, 0,
                "constraint \"%.*s\" of \"%.*s\" says FAIL UPDATE, and %" PRId64
                " rows violate it",
                (int)k->name.n, k->name.p, (int)v->full.n, v->full.p, n);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code count_constraints(rdl_engine *e, rdl_work *w, const rdl_table *v, rdl_err *err)
{
    rdl_table_report *report = &w->reports[v->index];
    for (size_t i = 0; i < v->constraint_count; i++) {
        int64_t n = 0;
        char what[48];
        if (v->constraints[i].unique_count > 0)
            continue;
        snprintf(what, sizeof what, "count(*) FILTER (_c%zu)", i);
        RDL_TRY(rdl_view_count(e, "checked:", v, what, &n, err));
        report->violations[i] += (uint64_t)n;
        if (v->constraints[i].action == RDL_VIOLATION_IMPUTE)
            report->ledger.imputed += (uint64_t)n;
        if (v->constraints[i].action == RDL_VIOLATION_KEEP)
            report->ledger.kept += (uint64_t)n;
        if (v->constraints[i].action == RDL_VIOLATION_FAIL && n > 0)
            return fail_view(v, i, n, err);
    }
    return RDL_OK;
}

/* Rows of a view have no source record: they are kept as they came out of the body. */
static rdl_code quarantine_view_rows(rdl_engine *e, rdl_work *w, const rdl_table *v,
                                     uint64_t *out_rows, rdl_err *err)
{
    rdl_buf sql = {0};
    char pipeline[33];
    rdl_hash128_hex(e->pipeline->fingerprint, pipeline);
    rdl_buf_printf(&sql, "SELECT %" PRIu64 "::BIGINT AS _epoch, -1::INTEGER AS _source_partition, "
                         "row_number() OVER (ORDER BY rdl_key(",
                   w->epoch);
    rdl_put_columns(&sql, "", &v->columns);
    rdl_buf_puts(&sql, ")) - 1 AS _source_offset, 0::BIGINT AS _ordinal, ");
    rdl_buf_put_sql_text(&sql, v->full);
    rdl_buf_puts(&sql, " AS source, ''::TEXT AS source_file, list_filter([");
    for (size_t i = 0; i < v->constraint_count; i++) {
        rdl_buf_printf(&sql, "%sCASE WHEN _c%zu THEN ", i == 0 ? "" : ", ", i);
        rdl_buf_put_sql_text(&sql, v->constraints[i].name);
        rdl_buf_puts(&sql, " END");
    }
    rdl_buf_puts(&sql, "], lambda x: x IS NOT NULL) AS reasons, 'row of a view'::TEXT AS detail, "
                       "NULL::BLOB AS raw, to_json(struct_pack(");
    for (size_t i = 0; i < v->columns.n; i++) {
        rdl_buf_puts(&sql, i == 0 ? "" : ", ");
        rdl_buf_put_sql_ident(&sql, v->columns.v[i].name);
        rdl_buf_puts(&sql, " := ");
        rdl_buf_put_sql_ident(&sql, v->columns.v[i].name);
    }
    rdl_buf_printf(&sql, ")) AS record, CAST(make_timestamp(%" PRId64
                         "::BIGINT) AS TIMESTAMPTZ) AS ingest_ts, '%s'::TEXT AS pipeline, "
                         "NULL::BIGINT AS replayed_epoch FROM ",
                   w->ts_us, pipeline);
    rdl_put_relation(&sql, "e", "checked:", v->full);
    rdl_buf_puts(&sql, " WHERE ");
    put_quarantined(&sql, v);
    rdl_code rc = rdl_view_create(e, w, "quarantine:", v, rdl_buf_str(&sql), out_rows, err);
    if (rc == RDL_OK && *out_rows > 0) {
        rdl_buf_clear(&sql);
        rdl_buf_puts(&sql, "COPY ");
        rdl_put_relation(&sql, "e", "quarantine:", v->full);
        rdl_buf_puts(&sql, " TO ");
        rdl_buf_put_sql_text(&sql, rdl_str_of(rdl_root_segment(&w->arena, &e->root, w->epoch,
                                                               v->full,
                                                               RDL_SEGMENT_QUARANTINE)));
        rdl_buf_puts(&sql, " (FORMAT parquet)");
        rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    }
    rdl_buf_fini(&sql);
    return rc;
}

/* Rows of `select` into e."<role><v>", constraints applied; counted when they are the new rows. */
rdl_code rdl_view_put_rows(rdl_engine *e, rdl_work *w, rdl_table *v, const char *role,
                         const char *select, bool counted, uint64_t *out_rows, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    if (v->constraint_count == 0 || p->checked_sql.n == 0)
        return rdl_view_create(e, w, role, v, select, out_rows, err);
    rdl_buf sql = {0};
    rdl_ledger *l = &w->reports[v->index].ledger;
    uint64_t in = 0, out = 0, quarantined = 0;
    rdl_code rc = rdl_view_create(e, w, "unchecked:", v, select, NULL, err);
    if (rc == RDL_OK)
        rc = rdl_view_create(e, w, "checked:", v, p->checked_sql.p, &in, err);
    if (rc == RDL_OK && counted)
        rc = count_constraints(e, w, v, err);
    rdl_buf_puts(&sql, "SELECT ");
    rdl_put_columns(&sql, "", &v->columns);
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, "e", "checked:", v->full);
    rdl_buf_puts(&sql, " WHERE NOT ");
    put_rejected(&sql, v);
    if (rc == RDL_OK)
        rc = rdl_view_create(e, w, role, v, rdl_buf_str(&sql), &out, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK && counted) {
        if (in > out)
            rc = quarantine_view_rows(e, w, v, &quarantined, err);
        l->read = in;
        l->written = out;
        l->quarantined = quarantined;
        l->dropped = in - out - quarantined;
    }
    if (out_rows != NULL)
        *out_rows = out;
    return rc;
}

/* ---- keys ---- */

static rdl_code duplicate_key(const rdl_table *v, const char *values, rdl_err *err)
{
    rdl_buf key = {0};
    rdl_put_key(&key, "", &v->columns, v->primary_key, v->primary_key_count);
    rdl_err_set(err, RDL_EDATA, 0, "the key (%s) of \"%.*s\" is not unique and not null: %.300s",
                rdl_buf_str(&key), (int)v->full.n, v->full.p, values != NULL ? values : "");
    rdl_err_hint(err, "Aggregate the rows, or name more columns in PRIMARY KEY.");
    rdl_buf_fini(&key);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* A key that the plan did not prove: twice among the new rows, or there already and not replaced. */
rdl_code rdl_view_check_key(rdl_engine *e, const rdl_table *v, bool against_content, rdl_err *err)
{
    rdl_arena a;
    rdl_buf sql = {0}, key = {0};
    char *found = NULL;
    rdl_arena_init(&a, 0);
    rdl_put_key(&key, "", &v->columns, v->primary_key, v->primary_key_count);
    rdl_buf_printf(&sql, "SELECT (%s)::VARCHAR FROM (SELECT %s FROM ", rdl_buf_str(&key),
                   rdl_buf_str(&key));
    rdl_put_relation(&sql, "e", "new:", v->full);
    if (against_content) {
        rdl_buf_printf(&sql, " UNION ALL SELECT %s FROM ", rdl_buf_str(&key));
        rdl_put_relation(&sql, "c", "", v->full);
        rdl_buf_printf(&sql, " WHERE rdl_key(%s) NOT IN (SELECT rdl_key(%s) FROM ",
                       rdl_buf_str(&key), rdl_buf_str(&key));
        rdl_put_relation(&sql, "e", "old:", v->full);
        rdl_buf_printf(&sql, ") AND rdl_key(%s) IN (SELECT rdl_key(%s) FROM ", rdl_buf_str(&key),
                       rdl_buf_str(&key));
        rdl_put_relation(&sql, "e", "new:", v->full);
        rdl_buf_puts(&sql, ")");
    }
    rdl_buf_printf(&sql, ") GROUP BY %s HAVING count(*) > 1 LIMIT 1", rdl_buf_str(&key));
    rdl_code rc = rdl_relation_text(e, &a, rdl_buf_str(&sql), &found, err);
    if (rc == RDL_OK && found != NULL)
        rc = duplicate_key(v, found, err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&key);
    rdl_arena_fini(&a);
    return rc;
}

/* EXPECT UNIQUE on a view is checked whole: rows that share a key are counted, or fail the epoch. */
rdl_code rdl_view_check_unique(rdl_engine *e, rdl_work *w, rdl_table *v, rdl_err *err)
{
    for (size_t i = 0; i < v->constraint_count; i++) {
        const rdl_constraint *k = &v->constraints[i];
        rdl_buf sql = {0}, key = {0};
        int64_t n = 0;
        if (k->unique_count == 0)
            continue;
        rdl_put_key(&key, "", &v->columns, k->unique, k->unique_count);
        rdl_buf_printf(&sql, "SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) AS n "
                             "FROM ");
        rdl_put_relation(&sql, "e", "all:", v->full);
        rdl_buf_printf(&sql, " GROUP BY %s)", rdl_buf_str(&key));
        rdl_code rc = rdl_relation_all(e, w, v, err);
        if (rc == RDL_OK)
            rc = rdl_query_i64(e->conn, rdl_buf_str(&sql), &n, err);
        rdl_buf_fini(&sql);
        rdl_buf_fini(&key);
        RDL_TRY(rc);
        w->reports[v->index].violations[i] += (uint64_t)n;
        if (n > 0 && k->action == RDL_VIOLATION_FAIL)
            return fail_view(v, i, n, err);
    }
    return RDL_OK;
}

