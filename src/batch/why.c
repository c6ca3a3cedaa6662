/*
 * batch/why.c - following one row (see why.h).
 */
#include "batch/why.h"

#include <inttypes.h>

#include "batch/relations.h"
#include "lang/plan.h"
#include "stream/cut.h"
#include "stream/root.h"

enum { ROWS_DEFAULT = 5, DEPTH_MAX = 32 };

typedef struct identity {
    int64_t epoch, offset, ordinal;
    int32_t partition;
} identity;

typedef struct found {
    identity id;
    char *row; /* JSON */
} found;

typedef struct trace {
    rdl_reader *r;
    rdl_arena *a;
    rdl_conn *conn;
    rdl_cut cut;
    const rdl_why_question *q;
    size_t rows_max;
    RDL_VEC(rdl_why_step) steps;
} trace;

const char *rdl_whereabouts_name(rdl_whereabouts w)
{
    static const char *const names[] = {"read",        "held",      "counted", "published",
                                        "quarantined", "duplicate", "dropped", "filtered",
                                        "absent",      "unknown"};
    return names[w];
}

static void say(trace *t, unsigned depth, const rdl_table *table, rdl_whereabouts what,
                const char *text, const char *row)
{
    RDL_PUSH(t->a, &t->steps) = (rdl_why_step){depth, table, what, text, row};
}

/* ---- names and predicates ---- */

static void put_rows_of(rdl_buf *sql, const rdl_table *t)
{
    rdl_buf name = {0};
    rdl_buf_put(&name, t->name.p, t->name.n);
    rdl_buf_puts(&name, "$rows");
    rdl_buf_put_sql_ident(sql, t->schema);
    rdl_buf_putc(sql, '.');
    rdl_buf_put_sql_ident(sql, (rdl_str){name.p, name.n});
    rdl_buf_fini(&name);
}

static void put_content_of(rdl_buf *sql, const rdl_table *t)
{
    rdl_buf_put_sql_ident(sql, t->schema);
    rdl_buf_putc(sql, '.');
    rdl_buf_put_sql_ident(sql, t->name);
}

static void put_identity(rdl_buf *sql, const identity *id)
{
    rdl_buf_printf(sql,
                   "_epoch = %" PRId64 " AND _source_partition = %" PRId32
                   " AND _source_offset = %" PRId64,
                   id->epoch, id->partition, id->offset);
}

/* false: the table lacks a column that the question names. */
static bool put_question(rdl_buf *sql, const trace *t, const rdl_table *table)
{
    for (size_t i = 0; i < t->q->n; i++) {
        int at = rdl_schema_find(&table->columns, rdl_str_of(t->q->names[i]));
        if (at < 0)
            return false;
        rdl_buf_puts(sql, i == 0 ? "" : " AND ");
        rdl_buf_put_sql_ident(sql, table->columns.v[at].name);
        rdl_buf_puts(sql, " IS NOT DISTINCT FROM ");
        if (t->q->values[i] == NULL) {
            rdl_buf_puts(sql, "NULL");
            continue;
        }
        rdl_buf_puts(sql, "CAST(");
        rdl_buf_put_sql_text(sql, rdl_str_of(t->q->values[i]));
        rdl_buf_puts(sql, " AS ");
        rdl_type_print(table->columns.v[at].type, sql);
        rdl_buf_putc(sql, ')');
    }
    return true;
}

/* The same of a rejected row: its columns are in the JSON of record, or its bytes hold the text. */
static void put_rejected_question(rdl_buf *sql, const trace *t)
{
    rdl_buf_puts(sql, "(record IS NOT NULL");
    for (size_t i = 0; i < t->q->n; i++) {
        rdl_buf_puts(sql, " AND json_extract_string(record, ");
        rdl_buf path = {0};
        rdl_buf_puts(&path, "$.\"");
        rdl_buf_puts(&path, t->q->names[i]);
        rdl_buf_puts(&path, "\"");
        rdl_buf_put_sql_text(sql, (rdl_str){path.p, path.n});
        rdl_buf_fini(&path);
        rdl_buf_puts(sql, ") IS NOT DISTINCT FROM ");
        if (t->q->values[i] != NULL)
            rdl_buf_put_sql_text(sql, rdl_str_of(t->q->values[i]));
        else
            rdl_buf_puts(sql, "NULL");
    }
    rdl_buf_puts(sql, ") OR (record IS NULL");
    for (size_t i = 0; i < t->q->n; i++) {
        if (t->q->values[i] == NULL)
            continue;
        rdl_buf_puts(sql, " AND contains(coalesce(TRY(decode(raw)), raw::VARCHAR), ");
        rdl_buf_put_sql_text(sql, rdl_str_of(t->q->values[i]));
        rdl_buf_putc(sql, ')');
    }
    rdl_buf_putc(sql, ')');
}

/* ---- asking ---- */

static rdl_code find_rows(trace *t, const char *sql, found **out, size_t *out_n, rdl_err *err)
{
    RDL_VEC(found) rows = {0};
    rdl_result *result;
    const rdl_chunk *k;
    RDL_TRY(rdl_query(t->conn, sql, &result, err));
    while (rdl_result_next(result, &k)) {
        for (size_t i = 0; i < k->rows; i++) {
            rdl_str row = rdl_vector_str(&k->v[4], i);
            RDL_PUSH(t->a, &rows) = (found){.id = {.epoch = RDL_VECTOR_AT(&k->v[0], int64_t, i),
                                                   .partition = RDL_VECTOR_AT(&k->v[1], int32_t, i),
                                                   .offset = RDL_VECTOR_AT(&k->v[2], int64_t, i),
                                                   .ordinal = RDL_VECTOR_AT(&k->v[3], int64_t, i)},
                                            .row = rdl_arena_strndup(t->a, row.p, row.n)};
        }
    }
    rdl_result_free(result);
    *out = rows.v;
    *out_n = rows.n;
    return RDL_OK;
}

/* Rows of a streaming table that satisfy where, with their identity. */
static rdl_code find_in(trace *t, const rdl_table *table, const char *where, found **out,
                        size_t *out_n, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT " RDL_IDENTITY_COLUMNS ", to_json(struct_pack(");
    for (size_t i = 0; i < table->columns.n; i++) {
        rdl_buf_puts(&sql, i == 0 ? "" : ", ");
        rdl_buf_put_sql_ident(&sql, table->columns.v[i].name);
        rdl_buf_puts(&sql, " := ");
        rdl_buf_put_sql_ident(&sql, table->columns.v[i].name);
    }
    rdl_buf_puts(&sql, "))::VARCHAR FROM ");
    put_rows_of(&sql, table);
    rdl_buf_printf(&sql, " WHERE %s ORDER BY " RDL_IDENTITY_COLUMNS " LIMIT %zu", where,
                   t->rows_max);
    rdl_code rc = find_rows(t, rdl_buf_str(&sql), out, out_n, err);
    rdl_buf_fini(&sql);
    return rc;
}

static char *where_identity(trace *t, const identity *id)
{
    rdl_buf where = {0};
    put_identity(&where, id);
    char *text = rdl_arena_strndup(t->a, where.p, where.n);
    rdl_buf_fini(&where);
    return text;
}

/* "record 12 of events_0001.jsonl, in epoch 3" */
static const char *place(trace *t, const identity *id)
{
    const rdl_history *h = t->cut.history;
    for (size_t i = 0; i < h->partitions.n; i++) {
        const rdl_sealed_partition *p = &h->partitions.v[i];
        if (p->number == id->partition)
            return rdl_arena_printf(t->a, "record %" PRId64 " of %.*s, in epoch %" PRId64,
                                    id->offset, (int)p->name.n, p->name.p, id->epoch);
    }
    return rdl_arena_printf(t->a, "change %" PRId64 " of epoch %" PRId64, id->offset, id->epoch);
}

/* ---- quarantine ---- */

static rdl_code has_quarantine(trace *t, const rdl_table *table, bool *out, rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t n = 0;
    rdl_buf_puts(&sql, "SELECT count(*) FROM information_schema.tables WHERE table_schema = "
                       "'quarantine' AND table_name = ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(rdl_root_quarantine_name(t->a, table)));
    rdl_code rc = rdl_query_i64(t->conn, rdl_buf_str(&sql), &n, err);
    rdl_buf_fini(&sql);
    *out = n > 0;
    return rc;
}

/* Rejected rows of the table that satisfy where, each a step. */
static rdl_code say_rejected(trace *t, unsigned depth, const rdl_table *table, const char *where,
                             size_t *out_n, rdl_err *err)
{
    rdl_buf sql = {0};
    found *rows;
    bool there;
    *out_n = 0;
    RDL_TRY(has_quarantine(t, table, &there, err));
    if (!there)
        return RDL_OK;
    rdl_buf_puts(
        &sql, "SELECT " RDL_IDENTITY_COLUMNS ", list_aggregate(reasons, 'string_agg', "
              "', ') || coalesce(' (' || nullif(detail, '') || ')', '') || '; record ' || "
              "_source_offset || ' of ' || source_file || coalesce('; judged again in epoch ' || "
              "replayed_epoch, '') || chr(10) || "
              "coalesce(record::VARCHAR, TRY(decode(raw)), raw::VARCHAR, '') "
              "FROM quarantine.");
    rdl_buf_put_sql_ident(&sql, rdl_str_of(rdl_root_quarantine_name(t->a, table)));
    rdl_buf_printf(&sql, " WHERE %s ORDER BY " RDL_IDENTITY_COLUMNS " LIMIT %zu", where,
                   t->rows_max);
    rdl_code rc = find_rows(t, rdl_buf_str(&sql), &rows, out_n, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    for (size_t i = 0; i < *out_n; i++) {
        char *row = strchr(rows[i].row, '\n');
        *row++ = '\0';
        say(t, depth, table, RDL_WHY_QUARANTINED, rows[i].row, row);
    }
    return RDL_OK;
}

/* ---- one row through one body ---- */

/* e."new:<from>" is that row alone; the other streams that `table` reads give none. */
static rdl_code offer(trace *t, const rdl_table *table, const rdl_table *from, const char *where,
                      rdl_err *err)
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
            put_rows_of(&sql, in);
        else
            put_content_of(&sql, in);
        rdl_buf_printf(&sql, " WHERE %s", in == from ? where : "false");
        rdl_code rc = rdl_exec(t->conn, rdl_buf_str(&sql), err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
    }
    return RDL_OK;
}

/* Which constraint that drops rows did e."why:body" violate?  NULL: none. */
static rdl_code dropped_by(trace *t, const rdl_table *table, const rdl_constraint **out,
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
static rdl_code first_of_key(trace *t, const rdl_table *table, found **out, size_t *out_n,
                             rdl_err *err)
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
    rdl_code rc = find_in(t, table, rdl_buf_str(&where), out, out_n, err);
    rdl_buf_fini(&where);
    return rc;
}

static rdl_code judge_again(trace *t, unsigned depth, const rdl_table *table, rdl_err *err)
{
    const rdl_constraint *by;
    found *first;
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
        say(t, depth, table, RDL_WHY_FILTERED, "its WHERE or a join gives no row for it", NULL);
        return RDL_OK;
    }
    RDL_TRY(dropped_by(t, table, &by, err));
    if (by != NULL) {
        say(t, depth, table, RDL_WHY_DROPPED,
            rdl_arena_printf(t->a, "constraint %.*s: expected %.*s", (int)by->name.n, by->name.p,
                             (int)by->expr.n, by->expr.p),
            NULL);
        return RDL_OK;
    }
    RDL_TRY(first_of_key(t, table, &first, &n, err));
    if (n > 0) {
        say(t, depth, table, RDL_WHY_DUPLICATE,
            rdl_arena_printf(t->a, "the first of its key came as %s", place(t, &first[0].id)),
            first[0].row);
        return RDL_OK;
    }
    bool late = table->on_late == RDL_LATE_DROP;
    say(t, depth, table, late ? RDL_WHY_DROPPED : RDL_WHY_UNKNOWN,
        late ? "behind the watermark (ON LATE DROP)"
             : "no epoch has run this table over it yet, or its text was another then",
        NULL);
    return RDL_OK;
}

/* ---- downstream ---- */

static rdl_code forward(trace *t, unsigned depth, const rdl_table *from, const char *where,
                        const identity *id, rdl_err *err);

static rdl_code forward_to_stream(trace *t, unsigned depth, const rdl_table *to,
                                  const rdl_table *from, const char *where, const identity *id,
                                  rdl_err *err)
{
    found *rows;
    size_t n, rejected;
    const char *same = where_identity(t, id);
    RDL_TRY(find_in(t, to, same, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        say(t, depth, to, RDL_WHY_HELD,
            n > 1 ? rdl_arena_printf(t->a, "copy %zu of %zu", i + 1, n) : "one row", rows[i].row);
        const char *self =
            rdl_arena_printf(t->a, "%s AND _ordinal = %" PRId64, same, rows[i].id.ordinal);
        RDL_TRY(forward(t, depth + 1, to, self, &rows[i].id, err));
    }
    RDL_TRY(say_rejected(t, depth, to, same, &rejected, err));
    if (n + rejected > 0)
        return RDL_OK;
    if (to->stream_plan == NULL) {
        say(t, depth, to, RDL_WHY_UNKNOWN, "it holds differences of versions, not this row", NULL);
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
static rdl_code say_counted(trace *t, unsigned depth, const rdl_table *view, const char *sql,
                            size_t *out_n, rdl_err *err)
{
    rdl_result *result;
    const rdl_chunk *k;
    RDL_TRY(rdl_query(t->conn, sql, &result, err));
    *out_n = (size_t)rdl_result_rows(result);
    while (rdl_result_next(result, &k)) {
        for (size_t i = 0; i < k->rows; i++) {
            rdl_str row = rdl_vector_str(&k->v[0], i);
            say(t, depth, view, RDL_WHY_COUNTED,
                *out_n > 1 ? "in this row, among others" : "in this row",
                rdl_arena_strndup(t->a, row.p, row.n));
        }
    }
    rdl_result_free(result);
    return RDL_OK;
}

/* The rows of a view that count the row, by their keys, go on to what reads the view. */
static rdl_code forward_rows(trace *t, unsigned depth, const rdl_table *view, const char *keys_sql,
                             rdl_err *err)
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

static rdl_code forward_to_view(trace *t, unsigned depth, const rdl_table *to,
                                const rdl_table *from, const char *where, rdl_err *err)
{
    const rdl_view_plan *p = to->view_plan;
    rdl_buf sql = {0}, keys = {0};
    size_t n = 0;
    bool knows = p->driving == from && to->primary_key_count > 0 &&
                 (p->mode == RDL_MAINTAIN_INCREMENTAL || p->mode == RDL_MAINTAIN_APPEND);
    if (!knows) {
        say(t, depth, to, RDL_WHY_UNKNOWN,
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
    put_content_of(&sql, to);
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
        say(t, depth, to, RDL_WHY_FILTERED, "the view's WHERE, HAVING or a join leaves it out",
            NULL);
    return RDL_OK;
}

static rdl_code forward(trace *t, unsigned depth, const rdl_table *from, const char *where,
                        const identity *id, rdl_err *err)
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
            say(t, depth, to, RDL_WHY_UNKNOWN, "it joins the view as it stands", NULL);
        else if (to->kind == RDL_TABLE_STREAMING)
            RDL_TRY(forward_to_stream(t, depth, to, from, where, id, err));
        else if (to->kind == RDL_TABLE_VIEW)
            RDL_TRY(forward_to_view(t, depth, to, from, where, err));
    }
    return RDL_OK;
}

/* ---- upstream ---- */

/* The same row in the tables that this one was made from, the source's record first. */
static rdl_code backward(trace *t, const rdl_table *table, const identity *id, rdl_err *err)
{
    for (size_t i = 0; i < table->input_count; i++) {
        const rdl_table *in = table->inputs[i].table;
        found *rows;
        size_t n;
        if (!table->inputs[i].stream)
            continue;
        if (in->kind == RDL_TABLE_SOURCE) {
            if (id->partition >= 0)
                say(t, 0, in, RDL_WHY_SOURCE, place(t, id), NULL);
            continue;
        }
        if (in->kind != RDL_TABLE_STREAMING)
            continue;
        RDL_TRY(find_in(t, in, where_identity(t, id), &rows, &n, err));
        if (n == 0)
            continue;
        RDL_TRY(backward(t, in, id, err));
        say(t, 0, in, RDL_WHY_HELD, place(t, id), rows[0].row);
    }
    return RDL_OK;
}

/* No row here: does a table upstream hold one that the question fits, and what became of it? */
static rdl_code look_upstream(trace *t, const rdl_table *table, size_t *out_n, rdl_err *err)
{
    for (size_t i = 0; i < table->input_count; i++) {
        const rdl_table *in = table->inputs[i].table;
        rdl_buf where = {0};
        found *rows = NULL;
        size_t n = 0, rejected = 0;
        rdl_code rc = RDL_OK;
        bool fits = table->inputs[i].stream && in->kind == RDL_TABLE_STREAMING &&
                    put_question(&where, t, in);
        if (fits)
            rc = find_in(t, in, rdl_buf_str(&where), &rows, &n, err);
        rdl_buf_clear(&where);
        put_rejected_question(&where, t);
        if (rc == RDL_OK && in->kind == RDL_TABLE_STREAMING && n == 0)
            rc = say_rejected(t, 0, in, rdl_buf_str(&where), &rejected, err);
        rdl_buf_fini(&where);
        RDL_TRY(rc);
        for (size_t k = 0; k < n; k++) {
            RDL_TRY(backward(t, in, &rows[k].id, err));
            say(t, 0, in, RDL_WHY_HELD, place(t, &rows[k].id), rows[k].row);
            const char *self = rdl_arena_printf(t->a, "%s AND _ordinal = %" PRId64,
                                                where_identity(t, &rows[k].id), rows[k].id.ordinal);
            RDL_TRY(forward(t, 1, in, self, &rows[k].id, err));
        }
        *out_n += n + rejected;
        if (n + rejected == 0 && in->kind == RDL_TABLE_STREAMING)
            RDL_TRY(look_upstream(t, in, out_n, err));
    }
    return RDL_OK;
}

/* ---- the question ---- */

static rdl_code check_question(trace *t, rdl_err *err)
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
    put_content_of(&sql, table);
    rdl_buf_puts(&sql, " LIMIT 0) WHERE ");
    (void)put_question(&sql, t, table);
    rdl_code rc = rdl_query_i64(t->conn, rdl_buf_str(&sql), &ignored, err);
    rdl_buf_fini(&sql);
    return rc == RDL_EDATA ? rdl_err_area(err->code = RDL_EUSAGE, err, RDL_AREA_TEXT) : rc;
}

static rdl_code trace_streaming(trace *t, const char *where, rdl_err *err)
{
    const rdl_table *table = t->q->table;
    rdl_buf rejected_where = {0};
    found *rows;
    size_t n, rejected = 0;
    RDL_TRY(find_in(t, table, where, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        RDL_TRY(backward(t, table, &rows[i].id, err));
        say(t, 0, table, RDL_WHY_HELD, place(t, &rows[i].id), rows[i].row);
        const char *self = rdl_arena_printf(t->a, "%s AND _ordinal = %" PRId64,
                                            where_identity(t, &rows[i].id), rows[i].id.ordinal);
        RDL_TRY(forward(t, 1, table, self, &rows[i].id, err));
    }
    put_rejected_question(&rejected_where, t);
    rdl_code rc = say_rejected(t, 0, table, rdl_buf_str(&rejected_where), &rejected, err);
    rdl_buf_fini(&rejected_where);
    RDL_TRY(rc);
    if (n + rejected == 0)
        RDL_TRY(look_upstream(t, table, &n, err));
    if (n + rejected == 0)
        say(t, 0, table, RDL_WHY_ABSENT,
            "no table and no quarantine on the way here holds such a row; one that the first body "
            "filtered or dropped, or that no source gave, leaves none",
            NULL);
    return RDL_OK;
}

static rdl_code say_batch_answer(trace *t, const char *where, rdl_err *err)
{
    const rdl_table *table = t->q->table;
    rdl_buf sql = {0};
    char *row = NULL;
    rdl_buf_printf(&sql, "SELECT to_json(b)::VARCHAR FROM (%.*s) b WHERE %s LIMIT 1",
                   (int)table->view_plan->batch_sql.n, table->view_plan->batch_sql.p, where);
    rdl_code rc = rdl_query_text(t->conn, t->a, rdl_buf_str(&sql), &row, err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        say(t, 1, table, row != NULL ? RDL_WHY_COUNTED : RDL_WHY_ABSENT,
            row != NULL ? "the batch definition over its inputs gives now"
                        : "the batch definition over its inputs gives no such row now",
            row);
    return rc;
}

static rdl_code trace_view(trace *t, const char *where, rdl_err *err)
{
    const rdl_table *table = t->q->table;
    const rdl_table_history *h = rdl_history_table(t->cut.history, table->full);
    rdl_buf sql = {0};
    char *row = NULL;
    size_t upstream = 0;
    rdl_buf_puts(&sql, "SELECT to_json(v)::VARCHAR FROM ");
    put_content_of(&sql, table);
    rdl_buf_printf(&sql, " v WHERE %s LIMIT 1", where);
    rdl_code rc = rdl_query_text(t->conn, t->a, rdl_buf_str(&sql), &row, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    say(t, 0, table, row != NULL ? RDL_WHY_HELD : RDL_WHY_ABSENT,
        row != NULL ? rdl_arena_printf(t->a, "shown as of epoch %" PRIu64, h->last_evaluated)
                    : "the view has no such row",
        row);
    RDL_TRY(say_batch_answer(t, where, err));
    return row == NULL ? look_upstream(t, table, &upstream, err) : RDL_OK;
}

rdl_code rdl_why(rdl_reader *r, rdl_arena *a, const rdl_why_question *q, rdl_why_step **out,
                 size_t *out_n, rdl_err *err)
{
    const rdl_cut *cut = rdl_reader_cut(r);
    trace t = {.r = r,
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
    (void)put_question(&where, &t, q->table);
    rdl_code rc = q->table->kind == RDL_TABLE_STREAMING
                      ? trace_streaming(&t, rdl_buf_str(&where), err)
                      : trace_view(&t, rdl_buf_str(&where), err);
    rdl_buf_fini(&where);
    *out = t.steps.v;
    *out_n = t.steps.n;
    return rc;
}
