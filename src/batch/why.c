/*
 * batch/why.c - following one row (see why.h).
 */
#include "batch/why_internal.h"

#include <inttypes.h>

#include "batch/relations.h"
#include "lang/plan.h"
#include "stream/cut.h"
#include "stream/root.h"

enum { ROWS_DEFAULT = 5, DEPTH_MAX = 32, KEY_MAX = 16 };

const char *rdl_whereabouts_name(rdl_whereabouts w)
{
    static const char *const names[] = {"read",        "held",      "counted", "published",
                                        "quarantined", "duplicate", "dropped", "filtered",
                                        "absent",      "unknown"};
    return names[w];
}

/* ---- one row through one body ---- */

/* e."new:<from>" is that row alone; the other streams that `table` reads give none. */
static rdl_code offer(rdl_why_trace *t, const rdl_table *table, const rdl_table *from,
                      const char *where, rdl_err *err)
{
    for (size_t i = 0; i < table->input_count; i++) {
        const rdl_table *in = table->inputs[i].table;
        rdl_buf sql = {0};
        if (!table->inputs[i].stream &&
            (table->view_plan == NULL || table->view_plan->driving != in))
            continue;
        rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
        rdl_put_relation(&sql, "e", "new:", in->full);
        rdl_buf_puts(&sql, " AS SELECT * , NULL::TIMESTAMPTZ AS _event_ts FROM ");
        if (in->kind == RDL_TABLE_STREAMING)
            rdl_why_put_rows_of(&sql, in);
        else
            rdl_why_put_content_of(&sql, in);
        rdl_buf_printf(&sql, " WHERE %s", in == from ? where : "false");
        rdl_code rc = rdl_exec(t->conn, rdl_buf_str(&sql), err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
    }
    return RDL_OK;
}

/* Which constraint that drops rows did e."why:body" violate?  NULL: none. */
static rdl_code dropped_by(rdl_why_trace *t, const rdl_table *table, const rdl_constraint **out,
                           rdl_err *err)
{
    *out = NULL;
    for (size_t i = 0; i < table->constraint_count && *out == NULL; i++) {
        int64_t n = 0;
        if (table->constraints[i].action != RDL_VIOLATION_DROP_ROW ||
            table->constraints[i].unique_count > 0)
            continue;
        rdl_buf sql = {0};
        rdl_buf_printf(&sql, "SELECT count(*) FROM e.\"why:body\" WHERE _c%zu", i);
        rdl_code rc = rdl_query_i64(t->conn, rdl_buf_str(&sql), &n, err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
        *out = n > 0 ? &table->constraints[i] : NULL;
    }
    return RDL_OK;
}

/* The row that has the deduplication key of e."why:body" already. */
static rdl_code first_of_key(rdl_why_trace *t, const rdl_table *table, rdl_why_found **out,
                             size_t *out_n, rdl_err *err)
{
    rdl_buf where = {0};
    *out_n = 0;
    if (table->dedup_count == 0)
        return RDL_OK;
    rdl_buf_puts(&where, "rdl_key(");
    rdl_put_key(&where, "", &table->columns, table->dedup, table->dedup_count);
    rdl_buf_puts(&where, ") IN (SELECT rdl_key(");
    rdl_put_key(&where, "", &table->columns, table->dedup, table->dedup_count);
    rdl_buf_puts(&where, ") FROM e.\"why:body\")");
    rdl_code rc = rdl_why_find_in(t, table, rdl_buf_str(&where), out, out_n, err);
    rdl_buf_fini(&where);
    return rc;
}

static rdl_code judge_again(rdl_why_trace *t, unsigned depth, const rdl_table *table, rdl_err *err)
{
    const rdl_constraint *by;
    rdl_why_found *first;
    size_t n;
    int64_t rows = 0;
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "CREATE OR REPLACE TABLE e.\"why:body\" AS %.*s",
                   (int)table->stream_plan->body_sql.n, table->stream_plan->body_sql.p);
    rdl_code rc = rdl_exec(t->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    RDL_TRY(rdl_query_i64(t->conn, "SELECT count(*) FROM e.\"why:body\"", &rows, err));
    if (rows == 0) {
        rdl_why_say(t, depth, table, RDL_WHY_FILTERED, "its WHERE or a join gives no row for it",
                    NULL);
        return RDL_OK;
    }
    RDL_TRY(dropped_by(t, table, &by, err));
    if (by != NULL) {
        rdl_why_say(t, depth, table, RDL_WHY_DROPPED,
                    rdl_arena_printf(t->a, "constraint %.*s: expected %.*s", (int)by->name.n,
                                     by->name.p, (int)by->expr.n, by->expr.p),
                    NULL);
        return RDL_OK;
    }
    RDL_TRY(first_of_key(t, table, &first, &n, err));
    if (n > 0) {
        rdl_why_say(t, depth, table, RDL_WHY_DUPLICATE,
                    rdl_arena_printf(t->a, "the first of its key came as %s",
                                     rdl_why_place(t, &first[0].id)),
                    first[0].row);
        return RDL_OK;
    }
    bool late = table->on_late == RDL_LATE_DROP;
    rdl_why_say(t, depth, table, late ? RDL_WHY_DROPPED : RDL_WHY_UNKNOWN,
                late ? "behind the watermark (ON LATE DROP)"
                     : "no epoch has run this table over it yet, or its text was another then",
                NULL);
    return RDL_OK;
}

/* ---- downstream ---- */

static rdl_code forward(rdl_why_trace *t, unsigned depth, const rdl_table *from, const char *where,
                        const rdl_why_identity *id, rdl_err *err);

static rdl_code forward_to_stream(rdl_why_trace *t, unsigned depth, const rdl_table *to,
                                  const rdl_table *from, const char *where,
                                  const rdl_why_identity *id, rdl_err *err)
{
    rdl_why_found *rows;
    size_t n, rejected;
    const char *same = rdl_why_where_identity(t, id);
    RDL_TRY(rdl_why_find_in(t, to, same, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        rdl_why_say(t, depth, to, RDL_WHY_HELD,
                    n > 1 ? rdl_arena_printf(t->a, "copy %zu of %zu", i + 1, n) : "one row",
                    rows[i].row);
        const char *self =
            rdl_arena_printf(t->a, "%s AND _ordinal = %" PRId64, same, rows[i].id.ordinal);
        RDL_TRY(forward(t, depth + 1, to, self, &rows[i].id, err));
    }
    RDL_TRY(rdl_why_say_rejected(t, depth, to, same, &rejected, err));
    if (n + rejected > 0)
        return RDL_OK;
    if (to->stream_plan == NULL) {
        rdl_why_say(t, depth, to, RDL_WHY_UNKNOWN, "it holds differences of versions, not this row",
                    NULL);
        return RDL_OK;
    }
    RDL_TRY(offer(t, to, from, where, err));
    return judge_again(t, depth, to, err);
}

static rdl_str plan_of_row(const rdl_view_plan *p)
{
    return p->mode == RDL_MAINTAIN_APPEND ? p->row_new_sql : p->final_sql;
}

/* Each row that the query gives, a row of the view. */
static rdl_code say_counted(rdl_why_trace *t, unsigned depth, const rdl_table *view,
                            const char *sql, size_t *out_n, rdl_err *err)
{
    rdl_result *result;
    const rdl_chunk *k;
    RDL_TRY(rdl_query(t->conn, sql, &result, err));
    *out_n = (size_t)rdl_result_rows(result);
    while (rdl_result_next(result, &k)) {
        for (size_t i = 0; i < k->rows; i++) {
            rdl_str row = rdl_vector_str(&k->v[0], i);
            rdl_why_say(t, depth, view, RDL_WHY_COUNTED,
                        *out_n > 1 ? "in this row, among others" : "in this row",
                        rdl_arena_strndup(t->a, row.p, row.n));
        }
    }
    rdl_result_free(result);
    return RDL_OK;
}

/* The rows of a view that count the row, by their keys, go on to what reads the view. */
static rdl_code forward_rows(rdl_why_trace *t, unsigned depth, const rdl_table *view,
                             const char *keys_sql, rdl_err *err)
{
    rdl_buf sql = {0}, where = {0};
    rdl_buf_printf(&sql, "CREATE OR REPLACE TABLE e.\"why:%u\" AS %s", depth, keys_sql);
    rdl_code rc = rdl_exec(t->conn, rdl_buf_str(&sql), err);
    rdl_buf_puts(&where, "rdl_key(");
    rdl_put_key(&where, "", &view->columns, view->primary_key, view->primary_key_count);
    rdl_buf_printf(&where, ") IN (SELECT k FROM e.\"why:%u\")", depth);
    if (rc == RDL_OK)
        rc = forward(t, depth + 1, view, rdl_buf_str(&where), NULL, err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&where);
    return rc;
}

static rdl_code forward_to_view(rdl_why_trace *t, unsigned depth, const rdl_table *to,
                                const rdl_table *from, const char *where, rdl_err *err)
{
    const rdl_view_plan *p = to->view_plan;
    rdl_buf sql = {0}, keys = {0};
    size_t n = 0;
    bool knows = p->driving == from && to->primary_key_count > 0 &&
                 (p->mode == RDL_MAINTAIN_INCREMENTAL || p->mode == RDL_MAINTAIN_APPEND);
    if (!knows) {
        rdl_why_say(t, depth, to, RDL_WHY_UNKNOWN,
                    p->driving == from
                        ? "it reads the row; which of its rows counts it is not told by its plan"
                        : "it is computed from the whole table",
                    NULL);
        return RDL_OK;
    }
    RDL_TRY(offer(t, to, from, where, err));
    rdl_code rc = RDL_OK;
    if (p->mode == RDL_MAINTAIN_INCREMENTAL) {
        rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
        rdl_put_relation(&sql, "e", "states:", to->full);
        rdl_buf_printf(&sql, " AS %.*s", (int)p->partial_new_sql.n, p->partial_new_sql.p);
        rc = rdl_exec(t->conn, rdl_buf_str(&sql), err);
    }
    rdl_buf_puts(&keys, "SELECT rdl_key(");
    rdl_put_key(&keys, "", &to->columns, to->primary_key, to->primary_key_count);
    rdl_buf_printf(&keys, ") AS k FROM (%.*s)", (int)plan_of_row(p).n, plan_of_row(p).p);
    rdl_buf_clear(&sql);
    rdl_buf_puts(&sql, "SELECT to_json(v)::VARCHAR FROM ");
    rdl_why_put_content_of(&sql, to);
    rdl_buf_puts(&sql, " v WHERE rdl_key(");
    rdl_put_key(&sql, "v.", &to->columns, to->primary_key, to->primary_key_count);
    rdl_buf_printf(&sql, ") IN (%s) ORDER BY ALL", rdl_buf_str(&keys));
    if (rc == RDL_OK)
        rc = say_counted(t, depth, to, rdl_buf_str(&sql), &n, err);
    if (rc == RDL_OK && n > 0)
        rc = forward_rows(t, depth, to, rdl_buf_str(&keys), err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&keys);
    RDL_TRY(rc);
    if (n == 0)
        rdl_why_say(t, depth, to, RDL_WHY_FILTERED,
                    "the view's WHERE, HAVING or a join leaves it out", NULL);
    return RDL_OK;
}

static rdl_code forward(rdl_why_trace *t, unsigned depth, const rdl_table *from, const char *where,
                        const rdl_why_identity *id, rdl_err *err)
{
    const rdl_pipeline *p = t->cut.pipeline;
    for (size_t i = 0; i < p->table_count && depth < DEPTH_MAX; i++) {
        const rdl_table *to = p->tables[i];
        bool reads = false;
        for (size_t k = 0; k < to->input_count; k++)
            reads |= to->inputs[k].table == from;
        if (!reads)
            continue;
        if (to->kind == RDL_TABLE_STREAMING && id == NULL)
            rdl_why_say(t, depth, to, RDL_WHY_UNKNOWN, "it joins the view as it stands", NULL);
        else if (to->kind == RDL_TABLE_STREAMING)
            RDL_TRY(forward_to_stream(t, depth, to, from, where, id, err));
        else if (to->kind == RDL_TABLE_VIEW)
            RDL_TRY(forward_to_view(t, depth, to, from, where, err));
    }
    return RDL_OK;
}

/* ---- upstream ---- */

/* The same row in the tables that this one was made from, the source's record first. */
static rdl_code backward(rdl_why_trace *t, const rdl_table *table, const rdl_why_identity *id,
                         rdl_err *err)
{
    for (size_t i = 0; i < table->input_count; i++) {
        const rdl_table *in = table->inputs[i].table;
        rdl_why_found *rows;
        size_t n;
        if (!table->inputs[i].stream)
            continue;
        if (in->kind == RDL_TABLE_SOURCE) {
            if (id->partition >= 0)
                rdl_why_say(t, 0, in, RDL_WHY_SOURCE, rdl_why_place(t, id), NULL);
            continue;
        }
        if (in->kind != RDL_TABLE_STREAMING)
            continue;
        RDL_TRY(rdl_why_find_in(t, in, rdl_why_where_identity(t, id), &rows, &n, err));
        if (n == 0)
            continue;
        RDL_TRY(backward(t, in, id, err));
        rdl_why_say(t, 0, in, RDL_WHY_HELD, rdl_why_place(t, id), rows[0].row);
    }
    return RDL_OK;
}

/* Is the column one of the question's, and is what is asked for no NULL? */
static const char *asked_value(const rdl_why_question *q, rdl_str column)
{
    for (size_t i = 0; i < q->n; i++)
        if (rdl_str_eq_nocase(rdl_str_of(q->names[i]), column))
            return q->values[i];
    return NULL;
}

/* The question's condition on the deduplication key alone; false: it does not name all of it. */
static bool put_key_question(rdl_buf *where, rdl_why_trace *t, const rdl_table *table)
{
    const char *names[KEY_MAX], *values[KEY_MAX];
    if (table->dedup_count == 0 || table->dedup_count > KEY_MAX)
        return false;
    for (size_t i = 0; i < table->dedup_count; i++) {
        rdl_str column = table->columns.v[table->dedup[i]].name;
        names[i] = rdl_arena_strndup(t->a, column.p, column.n);
        values[i] = asked_value(t->q, column);
        if (values[i] == NULL)
            return false;
    }
    rdl_why_question key = {table, names, values, table->dedup_count, t->q->rows_max};
    rdl_why_trace of_key = *t;
    of_key.q = &key;
    return rdl_why_put_question(where, &of_key, table);
}

/* A duplicate is counted and kept nowhere, but the first row of its key is here. */
static rdl_code look_for_key(rdl_why_trace *t, const rdl_table *table, size_t *out_n, rdl_err *err)
{
    rdl_why_found *rows = NULL;
    rdl_buf where = {0};
    rdl_code rc = RDL_OK;
    *out_n = 0;
    if (put_key_question(&where, t, table))
        rc = rdl_why_find_in(t, table, rdl_buf_str(&where), &rows, out_n, err);
    rdl_buf_fini(&where);
    if (rc == RDL_OK && *out_n > 0)
        rdl_why_say(t, 0, table, RDL_WHY_DUPLICATE,
                    rdl_arena_printf(t->a,
                                     "no such row is held; the first of its key came as %s, and later "
                                     "ones are duplicates: counted, not kept",
                                     rdl_why_place(t, &rows[0].id)),
                    rows[0].row);
    return rc;
}

/* No row here: does a table upstream hold one that the question fits, and what became of it? */
static rdl_code look_upstream(rdl_why_trace *t, const rdl_table *table, size_t *out_n, rdl_err *err)
{
    for (size_t i = 0; i < table->input_count; i++) {
        const rdl_table *in = table->inputs[i].table;
        rdl_buf where = {0};
        rdl_why_found *rows = NULL;
        size_t n = 0, rejected = 0;
        rdl_code rc = RDL_OK;
        bool fits = table->inputs[i].stream && in->kind == RDL_TABLE_STREAMING &&
                    rdl_why_put_question(&where, t, in);
        if (fits)
            rc = rdl_why_find_in(t, in, rdl_buf_str(&where), &rows, &n, err);
        rdl_buf_clear(&where);
        rdl_why_put_rejected_question(&where, t);
        if (rc == RDL_OK && in->kind == RDL_TABLE_STREAMING && n == 0)
            rc = rdl_why_say_rejected(t, 0, in, rdl_buf_str(&where), &rejected, err);
        rdl_buf_fini(&where);
        RDL_TRY(rc);
        for (size_t k = 0; k < n; k++) {
            RDL_TRY(backward(t, in, &rows[k].id, err));
            rdl_why_say(t, 0, in, RDL_WHY_HELD, rdl_why_place(t, &rows[k].id), rows[k].row);
            const char *self =
                rdl_arena_printf(t->a, "%s AND _ordinal = %" PRId64,
                                 rdl_why_where_identity(t, &rows[k].id), rows[k].id.ordinal);
            RDL_TRY(forward(t, 1, in, self, &rows[k].id, err));
        }
        if (n + rejected == 0 && in->kind == RDL_TABLE_STREAMING)
            RDL_TRY(look_for_key(t, in, &n, err));
        *out_n += n + rejected;
        if (n + rejected == 0 && in->kind == RDL_TABLE_STREAMING)
            RDL_TRY(look_upstream(t, in, out_n, err));
    }
    return RDL_OK;
}

/* ---- the question ---- */

static rdl_code check_question(rdl_why_trace *t, rdl_err *err)
{
    const rdl_table *table = t->q->table;
    rdl_buf sql = {0};
    int64_t ignored;
    const char **names = RDL_NEWN(t->a, const char *, table->columns.n);
    for (size_t i = 0; i < table->columns.n; i++)
        names[i] = rdl_arena_strndup(t->a, table->columns.v[i].name.p, table->columns.v[i].name.n);
    for (size_t i = 0; i < t->q->n; i++) {
        if (rdl_schema_find(&table->columns, rdl_str_of(t->q->names[i])) >= 0)
            continue;
        const char *nearest = rdl_nearest(rdl_str_of(t->q->names[i]), names, table->columns.n);
        rdl_err_set(err, RDL_EUSAGE, 0, "\"%.*s\" has no column \"%s\"", (int)table->full.n,
                    table->full.p, t->q->names[i]);
        return nearest != NULL ? rdl_err_hint(err, "Did you mean %s?", nearest) : RDL_EUSAGE;
    }
    rdl_buf_puts(&sql, "SELECT count(*) FROM (SELECT * FROM ");
    rdl_why_put_content_of(&sql, table);
    rdl_buf_puts(&sql, " LIMIT 0) WHERE ");
    (void)rdl_why_put_question(&sql, t, table);
    rdl_code rc = rdl_query_i64(t->conn, rdl_buf_str(&sql), &ignored, err);
    rdl_buf_fini(&sql);
    return rc == RDL_EDATA ? rdl_err_area(err->code = RDL_EUSAGE, err, RDL_AREA_TEXT) : rc;
}

static rdl_code trace_streaming(rdl_why_trace *t, const char *where, rdl_err *err)
{
    const rdl_table *table = t->q->table;
    rdl_buf rejected_where = {0};
    rdl_why_found *rows;
    size_t n, rejected = 0;
    RDL_TRY(rdl_why_find_in(t, table, where, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        RDL_TRY(backward(t, table, &rows[i].id, err));
        rdl_why_say(t, 0, table, RDL_WHY_HELD, rdl_why_place(t, &rows[i].id), rows[i].row);
        const char *self =
            rdl_arena_printf(t->a, "%s AND _ordinal = %" PRId64,
                             rdl_why_where_identity(t, &rows[i].id), rows[i].id.ordinal);
        RDL_TRY(forward(t, 1, table, self, &rows[i].id, err));
    }
    rdl_why_put_rejected_question(&rejected_where, t);
    rdl_code rc = rdl_why_say_rejected(t, 0, table, rdl_buf_str(&rejected_where), &rejected, err);
    rdl_buf_fini(&rejected_where);
    RDL_TRY(rc);
    if (n + rejected == 0)
        RDL_TRY(look_upstream(t, table, &n, err));
    if (n + rejected == 0)
        RDL_TRY(look_for_key(t, table, &n, err));
    if (n + rejected == 0)
        rdl_why_say(
            t, 0, table, RDL_WHY_ABSENT,
            table->dedup_count > 0
                ? "no table and no quarantine on the way here holds such a row; one that the first "
                  "body filtered or dropped, or that no source gave, leaves none (of a duplicate "
                  "ask by its whole key)"
                : "no table and no quarantine on the way here holds such a row; one that the first "
                  "body filtered or dropped, or that no source gave, leaves none",
            NULL);
    return RDL_OK;
}

static rdl_code say_batch_answer(rdl_why_trace *t, const char *where, rdl_err *err)
{
    const rdl_table *table = t->q->table;
    rdl_buf sql = {0};
    char *row = NULL;
    rdl_buf_printf(&sql, "SELECT to_json(b)::VARCHAR FROM (%.*s) b WHERE %s LIMIT 1",
                   (int)table->view_plan->batch_sql.n, table->view_plan->batch_sql.p, where);
    rdl_code rc = rdl_query_text(t->conn, t->a, rdl_buf_str(&sql), &row, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        rdl_why_say(t, 1, table, row != NULL ? RDL_WHY_COUNTED : RDL_WHY_ABSENT,
                    row != NULL ? "the batch definition over its inputs gives now"
                                : "the batch definition over its inputs gives no such row now",
                    row);
    return rc;
}

static rdl_code trace_view(rdl_why_trace *t, const char *where, rdl_err *err)
{
    const rdl_table *table = t->q->table;
    const rdl_table_history *h = rdl_history_table(t->cut.history, table->full);
    rdl_buf sql = {0};
    char *row = NULL;
    size_t upstream = 0;
    rdl_buf_puts(&sql, "SELECT to_json(v)::VARCHAR FROM ");
    rdl_why_put_content_of(&sql, table);
    rdl_buf_printf(&sql, " v WHERE %s LIMIT 1", where);
    rdl_code rc = rdl_query_text(t->conn, t->a, rdl_buf_str(&sql), &row, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    rdl_why_say(t, 0, table, row != NULL ? RDL_WHY_HELD : RDL_WHY_ABSENT,
                row != NULL
                    ? rdl_arena_printf(t->a, "shown as of epoch %" PRIu64, h->last_evaluated)
                    : "the view has no such row",
                row);
    RDL_TRY(say_batch_answer(t, where, err));
    return row == NULL ? look_upstream(t, table, &upstream, err) : RDL_OK;
}

rdl_code rdl_why(rdl_reader *r, rdl_arena *a, const rdl_why_question *q, rdl_why_step **out,
                 size_t *out_n, rdl_err *err)
{
    const rdl_cut *cut = rdl_reader_cut(r);
    rdl_why_trace t = {.r = r,
                       .a = a,
                       .conn = rdl_reader_conn(r),
                       .q = q,
                       .rows_max = q->rows_max > 0 ? q->rows_max : ROWS_DEFAULT};
    rdl_buf where = {0};
    rdl_cut_init(&t.cut, a, cut->root, cut->pipeline, cut->history, cut->app_id, cut->epoch);
    t.cut.beside = cut->beside;
    if (q->table->source != NULL) {
        rdl_err_set(err, RDL_EUSAGE, 0, "\"%.*s\" is a source: it keeps no rows",
                    (int)q->table->full.n, q->table->full.p);
        return rdl_err_hint(err, "Ask a table that reads it.");
    }
    RDL_TRY(check_question(&t, err));
    RDL_TRY(rdl_batch_relations(t.conn, &t.cut, err));
    (void)rdl_why_put_question(&where, &t, q->table);
    rdl_code rc = q->table->kind == RDL_TABLE_STREAMING
                      ? trace_streaming(&t, rdl_buf_str(&where), err)
                      : trace_view(&t, rdl_buf_str(&where), err);
    rdl_buf_fini(&where);
    *out = t.steps.v;
    *out_n = t.steps.n;
    return rc;
}
