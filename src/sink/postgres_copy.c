/*
 * sink/postgres_copy.c - rows into PostgreSQL by binary COPY.
 *
 * A COPY is a header, tuples, and a trailer:
 *
 *   "PGCOPY\n\377\r\n\0"  int32 flags 0  int32 extension length 0
 *   int16 columns  (int32 length or -1, bytes)*        for each row
 *   int16 -1
 *
 * Rows are encoded from the chunk's vectors into one buffer that is handed to libpq when it is
 * full; nothing is called per row or per value.  What is new goes straight into the table; what
 * changed goes through a temporary table, which is not logged, and one INSERT ... ON CONFLICT DO
 * UPDATE.
 */
#include "sink/postgres_internal.h"

enum { BUFFER_BYTES = 256 * 1024 };

static const char header[19] = "PGCOPY\n\377\r\n\0";
static const char trailer[2] = "\377\377";

static rdl_code in_sink(rdl_code rc, rdl_err *err)
{
    return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "sink postgres");
}

/* ---- temporary tables ---- */

static rdl_code make_temporary(rdl_postgres *s, const char *name, bool keys, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "CREATE TEMPORARY TABLE %s ON COMMIT DELETE ROWS AS SELECT ", name);
    if (keys)
        rdl_pg_put_key(s->table, s->at, "", &sql);
    else
        rdl_pg_put_columns(s->table, s->at, "", &sql);
    rdl_buf_printf(&sql, " FROM %s WITH NO DATA", s->at->quoted);
    rdl_code rc = rdl_pg_run(s->pg, rdl_buf_str(&sql), "create a temporary table", err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code need_stage(rdl_postgres *s, rdl_err *err)
{
    rdl_buf sql = {0};
    if (s->stage_used) { /* in this transaction; what it held is merged */
        rdl_buf_printf(&sql, "TRUNCATE %s", s->at->stage);
        rdl_code rc = rdl_pg_run(s->pg, rdl_buf_str(&sql), "empty a temporary table", err);
        rdl_buf_fini(&sql);
        return rc;
    }
    s->stage_used = true;
    if (s->at->stage_made)
        return RDL_OK;
    RDL_TRY(make_temporary(s, s->at->stage, false, err));
    s->stage_new = true;
    return RDL_OK;
}

static rdl_code need_gone(rdl_postgres *s, rdl_err *err)
{
    if (s->at->gone_made || s->gone_new)
        return RDL_OK;
    RDL_TRY(make_temporary(s, s->at->gone, true, err));
    s->gone_new = true;
    return RDL_OK;
}

/* ---- one COPY ---- */

static rdl_code settle(rdl_postgres *s, rdl_err *err);

static rdl_code open_copy(rdl_postgres *s, rdl_pg_flow flow, rdl_err *err)
{
    rdl_buf sql = {0};
    if (s->flow == flow)
        return RDL_OK;
    RDL_TRY(settle(s, err));
    if (flow == RDL_PG_COPY_STAGE)
        RDL_TRY(need_stage(s, err));
    if (flow == RDL_PG_COPY_GONE)
        RDL_TRY(need_gone(s, err));
    rdl_buf_printf(&sql, "COPY %s (",
                   flow == RDL_PG_COPY_GONE    ? s->at->gone
                   : flow == RDL_PG_COPY_STAGE ? s->at->stage
                                               : s->at->quoted);
    if (flow == RDL_PG_COPY_GONE)
        rdl_pg_put_key(s->table, s->at, "", &sql);
    else
        rdl_pg_put_columns(s->table, s->at, "", &sql);
    rdl_buf_puts(&sql, ") FROM STDIN (FORMAT binary)");
    PGresult *r = PQexec(s->pg->conn, rdl_buf_str(&sql));
    rdl_buf_fini(&sql);
    if (PQresultStatus(r) != PGRES_COPY_IN)
        return rdl_pg_fail(s->pg, r, err, "write table \"%s\"", s->at->full);
    PQclear(r);
    s->flow = flow;
    rdl_buf_clear(&s->out);
    rdl_buf_put(&s->out, header, sizeof header);
    return RDL_OK;
}

static rdl_code flush(rdl_postgres *s, rdl_err *err)
{
    if (s->out.n > 0 && PQputCopyData(s->pg->conn, s->out.p, (int)s->out.n) != 1)
        return rdl_pg_fail(s->pg, NULL, err, "write table \"%s\"", s->at->full);
    rdl_buf_clear(&s->out);
    return RDL_OK;
}

static rdl_code close_copy(rdl_postgres *s, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    rdl_pg_flow flow = s->flow;
    PGresult *r;
    rdl_buf_put(&s->out, trailer, sizeof trailer);
    RDL_TRY(flush(s, err));
    if (PQputCopyEnd(s->pg->conn, NULL) != 1)
        return rdl_pg_fail(s->pg, NULL, err, "write table \"%s\"", s->at->full);
    s->flow = RDL_PG_IDLE;
    while ((r = PQgetResult(s->pg->conn)) != NULL) {
        if (PQresultStatus(r) != PGRES_COMMAND_OK && rc == RDL_OK)
            rc = rdl_pg_fail(s->pg, r, err, "write table \"%s\"", s->at->full);
        else
            PQclear(r);
    }
    /* Somebody wrote a key that we believed new: see OWNERSHIP in sink.h. */
    if (rc != RDL_OK && flow == RDL_PG_COPY_INSERT && strcmp(err->sqlstate, "23505") == 0)
        err->flags |= RDL_ERR_REPLAY;
    return rc;
}

/* ---- what the rows ask for ---- */

static rdl_code delete_gone(rdl_postgres *s, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "DELETE FROM %s t USING %s g WHERE ", s->at->quoted, s->at->gone);
    for (size_t i = 0; i < s->table->key_count; i++) {
        const char *name = s->at->columns[s->table->key[i]].quoted;
        rdl_buf_printf(&sql, "%st.%s = g.%s", i != 0 ? " AND " : "", name, name);
    }
    rdl_code rc = rdl_pg_run(s->pg, rdl_buf_str(&sql), "remove rows", err);
    rdl_buf_fini(&sql);
    return rc;
}

/* A key twice in one batch cannot be upserted at once: then the last of each is taken. */
static void put_merge(rdl_postgres *s, bool last_of_each, rdl_buf *sql)
{
    const rdl_sink_table *t = s->table;
    const char *sep = "UPDATE SET ";
    rdl_buf_printf(sql, "INSERT INTO %s (", s->at->quoted);
    rdl_pg_put_columns(t, s->at, "", sql);
    rdl_buf_puts(sql, ") SELECT ");
    if (last_of_each) {
        rdl_buf_puts(sql, "DISTINCT ON (");
        rdl_pg_put_key(t, s->at, "", sql);
        rdl_buf_puts(sql, ") ");
    }
    rdl_pg_put_columns(t, s->at, "", sql);
    rdl_buf_printf(sql, " FROM %s", s->at->stage);
    if (last_of_each) {
        rdl_buf_puts(sql, " ORDER BY ");
        rdl_pg_put_key(t, s->at, "", sql);
        rdl_buf_puts(sql, ", ctid DESC");
    }
    rdl_buf_puts(sql, " ON CONFLICT (");
    rdl_pg_put_key(t, s->at, "", sql);
    rdl_buf_puts(sql, ") DO ");
    for (size_t i = 0; i < t->columns.n; i++) {
        if (rdl_sink_is_key(t, i))
            continue;
        rdl_buf_printf(sql, "%s%s = excluded.%s", sep, s->at->columns[i].quoted,
                       s->at->columns[i].quoted);
        sep = ", ";
    }
    if (sep[0] == 'U')
        rdl_buf_puts(sql, "NOTHING");
}

/* last: and COMMIT in the same round trip, which is not reached when the rows do not go in. */
static rdl_code merge_stage(rdl_postgres *s, bool last, rdl_err *err)
{
    rdl_buf sql = {0};
    const char *then = last ? "; COMMIT" : "";
    rdl_buf_puts(&sql, "SAVEPOINT staged; ");
    put_merge(s, false, &sql);
    rdl_buf_puts(&sql, then);
    rdl_code rc = rdl_pg_run(s->pg, rdl_buf_str(&sql), "update rows", err);
    if (rc != RDL_OK && strcmp(err->sqlstate, "21000") == 0) {
        rdl_buf_clear(&sql);
        rdl_buf_puts(&sql, "ROLLBACK TO staged; ");
        put_merge(s, true, &sql);
        rdl_buf_puts(&sql, then);
        rc = rdl_pg_run(s->pg, rdl_buf_str(&sql), "update rows", err);
    }
    rdl_buf_fini(&sql);
    s->unmerged = false;
    return rc;
}

rdl_code rdl_pg_end_copy(rdl_postgres *s, rdl_err *err)
{
    rdl_pg_flow flow = s->flow;
    if (flow == RDL_PG_IDLE)
        return RDL_OK;
    RDL_TRY(close_copy(s, err));
    s->unmerged = flow == RDL_PG_COPY_STAGE;
    return flow == RDL_PG_COPY_GONE ? delete_gone(s, err) : RDL_OK;
}

/* What the rows of the last COPY ask for, before another. */
static rdl_code settle(rdl_postgres *s, rdl_err *err)
{
    RDL_TRY(rdl_pg_end_copy(s, err));
    return s->unmerged ? merge_stage(s, false, err) : RDL_OK;
}

rdl_code rdl_pg_commit(rdl_postgres *s, rdl_err *err)
{
    if (s->unmerged)
        return merge_stage(s, true, err);
    PGresult *r = PQexec(s->pg->conn, "COMMIT");
    if (PQresultStatus(r) != PGRES_COMMAND_OK || strcmp(PQcmdStatus(r), "COMMIT") != 0)
        return rdl_pg_fail(s->pg, r, err, "commit");
    PQclear(r);
    return RDL_OK;
}

/* ---- rows to bytes ---- */

static rdl_code refuse_null_key(rdl_postgres *s, size_t column, rdl_err *err)
{
    rdl_str name = s->table->columns.v[column].name;
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot write table \"%s\" of %s: column \"%.*s\" of its key is NULL in a row",
                s->at->full, s->pg->where, (int)name.n, name.p);
    return rdl_err_hint(err, "Keep such rows out of the view (WHERE ... IS NOT NULL), or choose "
                             "another key.");
}

static rdl_code refuse_value(rdl_postgres *s, const rdl_vector *v, size_t row, size_t column,
                             rdl_pg_bad bad, rdl_err *err)
{
    rdl_str name = s->table->columns.v[column].name;
    rdl_buf text = {0};
    rdl_vector_print(v, row, &text);
    if (bad == RDL_PG_BAD_NUL) {
        rdl_err_set(err, RDL_EDATA, 0,
                    "cannot write table \"%s\" of %s: a text of column \"%.*s\" has a zero byte, "
                    "which PostgreSQL does not take",
                    s->at->full, s->pg->where, (int)name.n, name.p);
        rdl_err_hint(err, "Take it out in the view: replace(%.*s, chr(0), '').", (int)name.n,
                     name.p);
    } else {
        rdl_err_set(err, RDL_EDATA, 0,
                    "cannot write table \"%s\" of %s: the column \"%.*s\" there cannot hold %.60s",
                    s->at->full, s->pg->where, (int)name.n, name.p, rdl_buf_str(&text));
        rdl_err_hint(err, "Give the column a wider type there, or cast in the view.");
    }
    rdl_buf_fini(&text);
    return RDL_EDATA;
}

static rdl_code put_row(rdl_postgres *s, const rdl_chunk *rows, const size_t *column, size_t row,
                        rdl_err *err)
{
    const uint16_t n = __builtin_bswap16((uint16_t)rows->n);
    rdl_buf_put(&s->out, &n, 2);
    for (size_t i = 0; i < rows->n; i++) {
        size_t at = column != NULL ? column[i] : i;
        rdl_pg_bad bad = rdl_pg_put_value(&rows->v[i], row, &s->at->columns[at].type, &s->out);
        if (bad != RDL_PG_FINE)
            return refuse_value(s, &rows->v[i], row, at, bad, err);
    }
    return RDL_OK;
}

/* column: which of the table's each of the chunk's is; NULL: the same ones. */
static rdl_code put_rows(rdl_postgres *s, rdl_pg_flow flow, const rdl_chunk *rows,
                         const size_t *column, rdl_err *err)
{
    const rdl_sink_table *t = s->table;
    if (rows->rows == 0)
        return RDL_OK;
    RDL_TRY(open_copy(s, flow, err));
    for (size_t i = 0; i < t->key_count; i++) {
        const rdl_vector *key = &rows->v[column != NULL ? i : t->key[i]];
        for (size_t row = 0; key->validity != NULL && row < rows->rows; row++) {
            if (!rdl_vector_valid(key, row))
                return refuse_null_key(s, t->key[i], err);
        }
    }
    for (size_t row = 0; row < rows->rows; row++) {
        RDL_TRY(put_row(s, rows, column, row, err));
        if (s->out.n >= BUFFER_BYTES)
            RDL_TRY(flush(s, err));
    }
    return RDL_OK;
}

rdl_code rdl_pg_remove(rdl_sink *sink, const rdl_chunk *keys, rdl_err *err)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    return in_sink(put_rows(s, RDL_PG_COPY_GONE, keys, s->table->key, err), err);
}

rdl_code rdl_pg_insert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err)
{
    return in_sink(put_rows(rdl_postgres_of(sink), RDL_PG_COPY_INSERT, rows, NULL, err), err);
}

rdl_code rdl_pg_upsert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err)
{
    return in_sink(put_rows(rdl_postgres_of(sink), RDL_PG_COPY_STAGE, rows, NULL, err), err);
}
