/*
 * lang/bind_flow.c - AUTO CDC flows as two tables.
 *
 *   s."t$changes"  STREAMING, internal: every change as a row: the input's columns, then
 *                  _cdc_delete BOOLEAN and _cdc_sequence (the type of SEQUENCE BY; else
 *                  TIMESTAMPTZ).  From a stream each row is a change.  From a whole state (a
 *                  snapshot, a view) the epoch compares two versions and feeds the table itself
 *                  (rdl_table.cdc_snapshot); without SEQUENCE BY its sequence is the time at
 *                  which the version came in.
 *   s.t            VIEW over it by window functions partitioned by exactly the keys, so that the
 *                  planner recomputes the keys that were touched and nothing else.  A change
 *                  that arrives out of order therefore lands where it belongs.
 *
 * Equal sequences of one key are settled by row identity: the later arrival wins.  A change
 * without a sequence goes to quarantine.
 *
 * TYPE 1 keeps the last change of each key, unless it is a deletion.
 * TYPE 2 keeps runs of changes with equal tracked columns: from __start_at (inclusive) to
 * __end_at (exclusive; NULL: still so), with the untracked columns as the run's last change has
 * them.  A run of deletions leaves a gap.
 */
#include "lang/bind.h"

#include <strings.h>

static void put_list(rdl_buf *sql, const rdl_table *t, const size_t *columns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(sql, i > 0 ? ", " : "");
        rdl_buf_put_sql_ident(sql, t->columns.v[columns[i]].name);
    }
}

static bool contains(const size_t *list, size_t n, size_t x)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == x)
            return true;
    return false;
}

/* Of a whole state STREAM means its changes, so the word is free there. */
static bool appends_only(const rdl_table *t)
{
    return t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_STREAMING;
}

/* What the flow reads. */
static rdl_table *flow_input(rdl_binder *b, const rdl_symbol *s)
{
    const rdl_ast_flow *f = &s->stmt->u.flow;
    rdl_symbol *in = rdl_bind_find(b, f->input.schema, f->input.name, f->input.pos, true);
    if (in == NULL || !rdl_bind_symbol(b, in, f->input.pos))
        return NULL;
    if (in->table == NULL) {
        rdl_bind_error(b, f->input.pos, "Make it a materialized view or a streaming table.",
                       "a flow reads a source or table, and \"%.*s\" is neither", (int)in->full.n,
                       in->full.p);
        return NULL;
    }
    bool appends = appends_only(in->table);
    if (appends && !f->stream) {
        rdl_bind_error(b, f->input.pos, "Write STREAM before its name.",
                       "\"%.*s\" is append-only and can only be read as a stream", (int)in->full.n,
                       in->full.p);
        return NULL;
    }
    if (!appends && f->delete_when.text.n > 0) {
        rdl_bind_error(b, f->delete_when.pos, NULL,
                       "a key is deleted when it is gone from \"%.*s\"; APPLY AS DELETE WHEN "
                       "needs a stream",
                       (int)in->full.n, in->full.p);
        return NULL;
    }
    if (appends && f->sequence.text.n == 0) {
        rdl_bind_error(b, s->stmt->name.pos,
                       "Add SEQUENCE BY with the column of the change's time.",
                       "a flow from a stream needs SEQUENCE BY");
        return NULL;
    }
    return in->table;
}

/* SEQUENCE BY may name a visible or a system column. */
static bool check_sequence(rdl_binder *b, const rdl_table *in, const rdl_ident *name)
{
    static const char *const system[] = {"_ingest_ts", "_source_offset"};
    if (name->text.n == 0 || rdl_schema_find(&in->columns, name->text) >= 0)
        return true;
    for (size_t i = 0; i < 2; i++)
        if (in->source != NULL && rdl_str_eq_nocase(name->text, rdl_str_of(system[i])))
            return true;
    rdl_bind_unknown_column(b, name->pos, name->text, in);
    return false;
}

static bool changes_body(rdl_binder *b, rdl_symbol *s, rdl_table *in, rdl_buf *sql)
{
    const rdl_ast_flow *f = &s->stmt->u.flow;
    rdl_str delete_when = RDL_STR("FALSE");
    if (f->delete_when.text.n > 0) {
        if (!rdl_bind_expr(b, in, &f->delete_when, "BOOLEAN", &delete_when))
            return false;
    }
    rdl_buf_puts(sql, "SELECT *, coalesce(");
    rdl_buf_put(sql, delete_when.p, delete_when.n);
    rdl_buf_puts(sql, ", FALSE) AS _cdc_delete, ");
    if (f->sequence.text.n > 0)
        rdl_buf_put_sql_ident(sql, f->sequence.text);
    else
        rdl_buf_puts(sql, in->source != NULL ? "_ingest_ts" : "CAST(NULL AS TIMESTAMPTZ)");
    rdl_buf_puts(sql, " AS _cdc_sequence FROM ");
    return true;
}

static void add_constraint(rdl_binder *b, rdl_table *t)
{
    t->constraints = RDL_NEWN(b->arena, rdl_constraint, 1);
    t->constraint_count = 1;
    t->constraints[0] = (rdl_constraint){
        .name = RDL_STR("sequence_present"),
        .pos = t->pos,
        .action = RDL_VIOLATION_QUARANTINE,
        .expr = RDL_STR("(_cdc_sequence IS NOT NULL)"),
    };
}

bool rdl_bind_changes(rdl_binder *b, rdl_symbol *s)
{
    const rdl_ast_flow *f = &s->stmt->u.flow;
    rdl_table *in = flow_input(b, s);
    if (in == NULL || !check_sequence(b, in, &f->sequence))
        return false;
    rdl_table *t = rdl_bind_new_table(b, s, RDL_TABLE_STREAMING);
    t->internal = true;
    t->pos = f->target.pos;
    t->body_pos = f->input.pos;
    if (!rdl_bind_columns(b, in, &f->keys, "KEYS", &t->cdc_keys, &t->cdc_key_count))
        return false;
    rdl_buf sql = {0};
    if (!changes_body(b, s, in, &sql)) {
        rdl_buf_fini(&sql);
        return false;
    }
    uint32_t at = (uint32_t)sql.n;
    rdl_buf_put_sql_ident(&sql, in->schema);
    rdl_buf_putc(&sql, '.');
    rdl_buf_put_sql_ident(&sql, in->name);
    t->body_text = (rdl_str){rdl_arena_strndup(b->arena, sql.p, sql.n), sql.n};
    rdl_buf_fini(&sql);
    rdl_body body = {.b = b,
                     .kind = RDL_BODY_STREAMING,
                     .owner = s,
                     .pos = f->input.pos,
                     .synthetic = true,
                     .streams = &at,
                     .stream_count = appends_only(in) ? 1 : 0};
    json_t *query = NULL;
    if (!rdl_body_parse(&body, t->body_text.p, &query) || !rdl_body_resolve(&body, query) ||
        !rdl_body_describe(&body, &query, &t->columns))
        return false;
    t->body = body.text;
    t->inputs = body.inputs.list.v;
    t->input_count = body.inputs.list.n;
    t->column_comments = RDL_NEWN(b->arena, rdl_str, t->columns.n);
    for (size_t i = 0; i < in->columns.n; i++)
        t->column_comments[i] = in->column_comments[i];
    if (!appends_only(in)) {
        t->cdc_snapshot = in;
        t->cdc_sequence = f->sequence.text;
    } else {
        t->cdc_keys = NULL;
        t->cdc_key_count = 0;
        add_constraint(b, t);
    }
    return rdl_bind_scratch(b, t) && rdl_bind_finish(b, t);
}

/* Columns of the input that a selection names; all when it is not given. */
static bool select_columns(rdl_binder *b, const rdl_table *t, size_t visible,
                           const rdl_ast_selection *sel, const char *clause, size_t **out,
                           size_t *out_n)
{
    size_t *named = NULL, n = 0;
    *out = RDL_NEWN(b->arena, size_t, visible + 1);
    *out_n = 0;
    for (size_t i = 0; i < sel->columns.n; i++) {
        int at = rdl_schema_find(&t->columns, sel->columns.v[i].text);
        if (at < 0 || (size_t)at >= visible) {
            rdl_bind_unknown_column(b, sel->columns.v[i].pos, sel->columns.v[i].text, t);
            return false;
        }
        named = named != NULL ? named : RDL_NEWN(b->arena, size_t, sel->columns.n);
        if (contains(named, n, (size_t)at)) {
            rdl_bind_error(b, sel->columns.v[i].pos, NULL, "column \"%.*s\" is named twice in %s",
                           (int)sel->columns.v[i].text.n, sel->columns.v[i].text.p, clause);
            return false;
        }
        named[n++] = (size_t)at;
    }
    if (sel->given && !sel->except) {
        *out = named;
        *out_n = n;
        return true;
    }
    for (size_t i = 0; i < visible; i++)
        if (!sel->given || !contains(named, n, i))
            (*out)[(*out_n)++] = i;
    return true;
}

typedef struct history {
    const rdl_table *changes;
    size_t *columns, column_count; /* of the result */
    size_t *keys, key_count;
    size_t *tracked, tracked_count;
} history;

static void put_window(rdl_buf *sql, const history *h, const char *order)
{
    rdl_buf_puts(sql, "(PARTITION BY ");
    put_list(sql, h->changes, h->keys, h->key_count);
    rdl_buf_printf(sql, " ORDER BY %s)", order);
}

static void type_1(rdl_buf *sql, const history *h, size_t *out_at)
{
    rdl_buf_puts(sql, "SELECT ");
    put_list(sql, h->changes, h->columns, h->column_count);
    rdl_buf_puts(sql, " FROM ");
    *out_at = sql->n;
    rdl_buf_put_sql_ident(sql, h->changes->schema);
    rdl_buf_putc(sql, '.');
    rdl_buf_put_sql_ident(sql, h->changes->name);
    rdl_buf_puts(sql, " QUALIFY NOT _cdc_delete AND row_number() OVER ");
    put_window(sql, h,
               "_cdc_sequence DESC, _epoch DESC, _source_partition DESC, "
               "_source_offset DESC, _ordinal DESC");
    rdl_buf_puts(sql, " = 1");
}

/*
 * Three steps, inside out.  _q0: the last change of each (key, sequence).  _q1: _cdc_first where
 * a run begins.  _q2: the run's start, the next change's sequence, and whether the run goes on;
 * the last change of each run stands for it.
 */
static void type_2(rdl_buf *sql, const history *h, size_t *out_at)
{
    const rdl_table *t = h->changes;
    rdl_buf_puts(sql, "SELECT ");
    put_list(sql, t, h->columns, h->column_count);
    rdl_buf_puts(sql, ", _cdc_start AS __start_at, _cdc_next AS __end_at FROM (SELECT *, "
                      "max(CASE WHEN _cdc_first THEN _cdc_sequence END) OVER ");
    put_window(sql, h, "_cdc_sequence ROWS UNBOUNDED PRECEDING");
    rdl_buf_puts(sql, " AS _cdc_start, lead(_cdc_sequence) OVER ");
    put_window(sql, h, "_cdc_sequence");
    rdl_buf_puts(sql, " AS _cdc_next, coalesce(lead(_cdc_first) OVER ");
    put_window(sql, h, "_cdc_sequence");
    rdl_buf_puts(sql, ", TRUE) AS _cdc_last FROM (SELECT *, NOT (lag(_cdc_delete) OVER ");
    put_window(sql, h, "_cdc_sequence");
    rdl_buf_puts(sql, " IS NOT DISTINCT FROM _cdc_delete AND (_cdc_delete OR (TRUE");
    for (size_t i = 0; i < h->tracked_count; i++) {
        rdl_str name = t->columns.v[h->tracked[i]].name;
        rdl_buf_puts(sql, " AND lag(");
        rdl_buf_put_sql_ident(sql, name);
        rdl_buf_puts(sql, ") OVER ");
        put_window(sql, h, "_cdc_sequence");
        rdl_buf_puts(sql, " IS NOT DISTINCT FROM ");
        rdl_buf_put_sql_ident(sql, name);
    }
    rdl_buf_puts(sql, "))) AS _cdc_first FROM (SELECT * FROM ");
    *out_at = sql->n;
    rdl_buf_put_sql_ident(sql, t->schema);
    rdl_buf_putc(sql, '.');
    rdl_buf_put_sql_ident(sql, t->name);
    rdl_buf_puts(sql, " QUALIFY lead(_cdc_sequence) OVER ");
    put_window(sql, h, "_cdc_sequence, _epoch, _source_partition, _source_offset, _ordinal");
    rdl_buf_puts(sql, " IS DISTINCT FROM _cdc_sequence) AS _q0) AS _q1) AS _q2 "
                      "WHERE _cdc_last AND NOT _cdc_delete");
}

static bool plan_history(rdl_binder *b, const rdl_symbol *s, history *h)
{
    const rdl_ast_flow *f = &s->stmt->u.flow;
    size_t visible = h->changes->columns.n - 2; /* without _cdc_delete, _cdc_sequence */
    if (!rdl_bind_columns(b, h->changes, &f->keys, "KEYS", &h->keys, &h->key_count) ||
        !select_columns(b, h->changes, visible, &f->columns, "COLUMNS", &h->columns,
                        &h->column_count))
        return false;
    for (size_t i = 0; i < h->key_count; i++) {
        if (contains(h->columns, h->column_count, h->keys[i]))
            continue;
        rdl_bind_error(b, f->keys.v[i].pos, NULL, "COLUMNS must keep the key \"%.*s\"",
                       (int)f->keys.v[i].text.n, f->keys.v[i].text.p);
        return false;
    }
    size_t *wanted = NULL, n = 0;
    if (!f->track.given)
        wanted = h->columns, n = h->column_count;
    else if (!select_columns(b, h->changes, visible, &f->track, "TRACK HISTORY ON", &wanted, &n))
        return false;
    int sequence = f->track.given ? -1 : rdl_schema_find(&h->changes->columns, f->sequence.text);
    h->tracked = RDL_NEWN(b->arena, size_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        bool key = contains(h->keys, h->key_count, wanted[i]);
        if (!key && (int)wanted[i] != sequence && contains(h->columns, h->column_count, wanted[i]))
            h->tracked[h->tracked_count++] = wanted[i];
    }
    return true;
}

static bool history_key(rdl_binder *b, rdl_table *t, const history *h, bool type2)
{
    t->primary_key = RDL_NEWN(b->arena, size_t, h->key_count + 1);
    for (size_t i = 0; i < h->key_count; i++) {
        int at = rdl_schema_find(&t->columns, h->changes->columns.v[h->keys[i]].name);
        if (at < 0)
            return false;
        t->primary_key[t->primary_key_count++] = (size_t)at;
    }
    if (type2)
        t->primary_key[t->primary_key_count++] = t->columns.n - 2; /* __start_at */
    return true;
}

bool rdl_bind_history(rdl_binder *b, rdl_symbol *s)
{
    const rdl_ast_flow *f = &s->stmt->u.flow;
    if (!rdl_bind_symbol(b, s->changes, f->target.pos))
        return false;
    history h = {.changes = s->changes->table};
    if (!plan_history(b, s, &h))
        return false;
    rdl_table *t = rdl_bind_new_table(b, s, RDL_TABLE_VIEW);
    t->pos = f->target.pos;
    t->body_pos = f->target.pos;
    rdl_buf sql = {0};
    size_t place = 0;
    if (f->scd == 1)
        type_1(&sql, &h, &place);
    else
        type_2(&sql, &h, &place);
    t->body_text = (rdl_str){rdl_arena_strndup(b->arena, sql.p, sql.n), sql.n};
    rdl_buf_fini(&sql);
    uint32_t at = (uint32_t)place;
    rdl_body body = {.b = b,
                     .kind = RDL_BODY_VIEW,
                     .owner = s,
                     .pos = f->target.pos,
                     .synthetic = true,
                     .streams = &at,
                     .stream_count = 1};
    json_t *query = NULL;
    if (!rdl_body_parse(&body, t->body_text.p, &query))
        return false;
    if (!rdl_body_resolve(&body, query) || !rdl_body_describe(&body, &query, &t->columns))
        return false;
    t->body = body.text;
    t->inputs = body.inputs.list.v;
    t->input_count = body.inputs.list.n;
    t->column_comments = RDL_NEWN(b->arena, rdl_str, t->columns.n);
    for (size_t i = 0; i < h.column_count; i++)
        t->column_comments[i] = h.changes->column_comments[h.columns[i]];
    return history_key(b, t, &h, f->scd == 2) && rdl_bind_scratch(b, t) && rdl_bind_finish(b, t);
}
