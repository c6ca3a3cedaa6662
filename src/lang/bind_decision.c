/*
 * lang/bind_decision.c - decision tables: a view's body whose rows are decided once.
 *
 * The body is planned over its own columns; then the three that say when and from what a row was
 * decided are put behind them (catalog.h).  A body that reads its own past is planned with the
 * table among its inputs, which it is not for anybody else: it would be a cycle.
 */
#include "lang/bind.h"
#include "lang/plan.h"

static void put_system(rdl_binder *b, const rdl_schema *body, rdl_schema *out)
{
    const rdl_column more[] = {
        {RDL_STR("_decided_at"), rdl_type_of(RDL_TYPE_TIMESTAMPTZ)},
        {RDL_STR("_decided_epoch"), rdl_type_of(RDL_TYPE_BIGINT)},
        {RDL_STR("_decided_by"), rdl_type_of(RDL_TYPE_TEXT)},
    };
    *out = (rdl_schema){RDL_NEWN(b->arena, rdl_column, body->n + 3), body->n + 3};
    memcpy(out->v, body->v, body->n * sizeof *out->v);
    memcpy(out->v + body->n, more, sizeof more);
}

static bool is_system(rdl_str name)
{
    return rdl_str_eq_nocase(name, RDL_STR("_decided_at")) ||
           rdl_str_eq_nocase(name, RDL_STR("_decided_epoch")) ||
           rdl_str_eq_nocase(name, RDL_STR("_decided_by"));
}

/* The table as its own body sees it. */
static bool bind_past(rdl_binder *b, rdl_symbol *s)
{
    const rdl_ast_table *ast = &s->stmt->u.table;
    rdl_schema declared = {RDL_NEWN(b->arena, rdl_column, ast->declared_count + 1),
                           ast->declared_count};
    if (ast->declared_count == 0)
        return true;
    for (size_t i = 0; i < ast->declared_count; i++) {
        declared.v[i].name = ast->declared[i].name.text;
        if (!rdl_bind_type(b, &ast->declared[i].type, &declared.v[i].type))
            return false;
    }
    s->past = rdl_bind_new_table(b, s, RDL_TABLE_VIEW);
    put_system(b, &declared, &s->past->columns);
    return rdl_bind_scratch(b, s->past);
}

/* What was declared decides the types; the names must be the body's. */
static bool take_declared(rdl_binder *b, const rdl_symbol *s, rdl_table *t)
{
    size_t n = s->stmt->u.table.declared_count;
    if (s->past == NULL)
        return true;
    for (size_t i = 0; i < n || i < t->columns.n; i++) {
        bool both = i < n && i < t->columns.n;
        if (both && rdl_str_eq_nocase(s->past->columns.v[i].name, t->columns.v[i].name))
            continue;
        rdl_str name = i < n ? s->past->columns.v[i].name : t->columns.v[i].name;
        rdl_bind_error(b, t->body_pos, "Both have the same columns in the same order.",
                       i >= n ? "the body gives \"%.*s\", which is not declared"
                              : "\"%.*s\" is declared, and the body gives another column there",
                       (int)name.n, name.p);
        return false;
    }
    t->columns.n = n;
    for (size_t i = 0; i < n; i++)
        t->columns.v[i].type = s->past->columns.v[i].type;
    return true;
}

static bool bind_body(rdl_binder *b, rdl_symbol *s, rdl_table *t)
{
    const rdl_ast_body *ast = &s->stmt->u.table.body;
    rdl_body body = {
        .b = b,
        .kind = RDL_BODY_DECISION,
        .owner = s,
        .pos = ast->sql.pos,
        .streams = ast->streams,
        .stream_count = ast->stream_count,
    };
    json_t *query = NULL;
    t->body_text = ast->sql.text;
    t->body_pos = ast->sql.pos;
    const char *text = rdl_arena_strndup(b->arena, ast->blanked.p, ast->blanked.n);
    if (!rdl_body_parse(&body, text, &query) || !rdl_body_resolve(&body, query) ||
        !rdl_body_describe(&body, &query, &t->columns))
        return false;
    t->inputs = body.inputs.list.v;
    t->input_count = body.inputs.list.n;
    t->body = body.text;
    t->reads_clock = body.reads_clock;
    t->reads_itself = body.reads_itself;
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_str name = t->columns.v[i].name;
        if (!is_system(name))
            continue;
        rdl_bind_error(b, t->body_pos, "Give it another name with AS.",
                       "\"%.*s\" is added to every decision and cannot be a column's name",
                       (int)name.n, name.p);
        return false;
    }
    return take_declared(b, s, t);
}

static bool bind_clauses(rdl_binder *b, const rdl_symbol *s, rdl_table *t)
{
    const rdl_ast_table *ast = &s->stmt->u.table;
    if (ast->comment.n > 0)
        t->comment = ast->comment;
    t->schedule = ast->schedule;
    if (!rdl_bind_columns(b, t, &ast->primary_key, "PRIMARY KEY", &t->primary_key,
                          &t->primary_key_count) ||
        !rdl_bind_columns(b, t, &ast->partition_by, "PARTITIONED BY", &t->partition_by,
                          &t->partition_count) ||
        !rdl_bind_schedule(b, &t->schedule, t->full))
        return false;
    bool timed = t->schedule.kind == RDL_SCHEDULE_CRON || t->schedule.kind == RDL_SCHEDULE_EVERY;
    if (!t->reads_clock || timed)
        return true;
    rdl_bind_error(b, t->pos, "Add SCHEDULE CRON '..' or SCHEDULE EVERY INTERVAL ..",
                   "\"%.*s\" reads the clock, so it must say when it is decided", (int)t->full.n,
                   t->full.p);
    return false;
}

/* Planned with itself among the inputs, which are given back without it. */
static bool plan(rdl_binder *b, const rdl_symbol *s, rdl_table *t)
{
    size_t n = t->input_count;
    if (t->reads_itself) {
        rdl_input *with = RDL_NEWN(b->arena, rdl_input, n + 1);
        memcpy(with, t->inputs, n * sizeof *with);
        with[n] = (rdl_input){s->past, false, t->body_pos};
        t->inputs = with;
        t->input_count = n + 1;
    }
    bool ok = rdl_bind_finish(b, t);
    t->input_count = n;
    rdl_view_plan *v = t->view_plan;
    for (size_t i = 0; ok && i < v->needs_all_count; i++) {
        if (v->needs_all[i] != s->past)
            continue;
        memmove(&v->needs_all[i], &v->needs_all[i + 1],
                (v->needs_all_count - i - 1) * sizeof *v->needs_all);
        v->needs_all_count--;
    }
    return ok;
}

bool rdl_bind_decision(rdl_binder *b, rdl_symbol *s)
{
    rdl_table *t = rdl_bind_new_table(b, s, RDL_TABLE_VIEW);
    rdl_schema all;
    t->decision = true;
    if (!bind_past(b, s) || !bind_body(b, s, t) || !bind_clauses(b, s, t))
        return false;
    if (s->past == NULL && !rdl_bind_scratch(b, t))
        return false;
    if (!plan(b, s, t))
        return false;
    put_system(b, &t->columns, &all);
    t->columns = all;
    rdl_bind_comments(b, t);
    return rdl_bind_scratch(b, t);
}
