/*
 * lang/bind_table.c - streaming tables, materialized views, views, functions.
 */
#include "lang/bind.h"

#include <strings.h>

enum { CONSTRAINTS_MAX = 62 }; /* one bit each in what judging notes of a row */

rdl_table *rdl_bind_new_table(rdl_binder *b, const rdl_symbol *s, rdl_table_kind kind)
{
    rdl_table *t = RDL_NEW(b->arena, rdl_table);
    t->kind = kind;
    t->schema = s->schema;
    t->name = s->name;
    /* A source's name points into the text; messages print it with %s. */
    t->full = (rdl_str){rdl_arena_strndup(b->arena, s->full.p, s->full.n), s->full.n};
    t->comment = s->stmt->comment;
    t->pos = s->stmt->name.pos;
    return t;
}

void rdl_bind_unknown_column(rdl_binder *b, rdl_pos pos, rdl_str name, const rdl_table *t)
{
    const char **names = RDL_NEWN(b->arena, const char *, t->columns.n + 1);
    for (size_t i = 0; i < t->columns.n; i++)
        names[i] = rdl_arena_strndup(b->arena, t->columns.v[i].name.p, t->columns.v[i].name.n);
    const char *best = rdl_nearest(name, names, t->columns.n);
    rdl_bind_error(
        b, pos, best != NULL ? rdl_arena_printf(b->arena, "Did you mean \"%s\"?", best) : NULL,
        "unrecognized column \"%.*s\" in \"%.*s\"", (int)name.n, name.p, (int)t->full.n, t->full.p);
}

bool rdl_bind_columns(rdl_binder *b, const rdl_table *t, const rdl_idents *names,
                      const char *clause, size_t **out, size_t *out_n)
{
    bool ok = true;
    *out = RDL_NEWN(b->arena, size_t, names->n + 1);
    *out_n = 0;
    for (size_t i = 0; i < names->n; i++) {
        const rdl_ident *name = &names->v[i];
        int at = rdl_schema_find(&t->columns, name->text);
        if (at < 0) {
            rdl_bind_unknown_column(b, name->pos, name->text, t);
            ok = false;
            continue;
        }
        for (size_t k = 0; k < *out_n; k++) {
            if ((*out)[k] != (size_t)at)
                continue;
            rdl_bind_error(b, name->pos, NULL, "column \"%.*s\" is named twice in %s",
                           (int)name->text.n, name->text.p, clause);
            ok = false;
        }
        if (!rdl_type_is_scalar(t->columns.v[at].type)) {
            rdl_bind_error(b, name->pos, NULL,
                           "column \"%.*s\" cannot be in %s: it is a list, "
                           "map or struct",
                           (int)name->text.n, name->text.p, clause);
            ok = false;
        }
        (*out)[(*out_n)++] = (size_t)at;
    }
    return ok;
}

static bool bind_imputes(rdl_binder *b, const rdl_table *t, const rdl_ast_constraint *ast,
                         rdl_constraint *out)
{
    bool ok = true;
    out->imputes = RDL_NEWN(b->arena, rdl_impute, ast->impute_count + 1);
    for (size_t i = 0; i < ast->impute_count; i++) {
        const rdl_ast_impute *a = &ast->imputes[i];
        int at = rdl_schema_find(&t->columns, a->column.text);
        rdl_str text;
        if (at < 0) {
            rdl_bind_unknown_column(b, a->column.pos, a->column.text, t);
            ok = false;
        } else if (!rdl_bind_expr(b, t, &a->expr, NULL, &text)) {
            ok = false;
        } else {
            out->imputes[out->impute_count++] = (rdl_impute){(size_t)at, text};
        }
    }
    return ok;
}

static bool bind_unique(rdl_binder *b, const rdl_table *t, const rdl_ast_constraint *ast,
                        rdl_constraint *out)
{
    if (t->kind == RDL_TABLE_VIEW && ast->action != RDL_VIOLATION_KEEP &&
        ast->action != RDL_VIOLATION_FAIL) {
        rdl_bind_error(b, ast->name.pos, "Write ON VIOLATION KEEP or FAIL UPDATE.",
                       "EXPECT UNIQUE on a view is checked on the whole of it and cannot take "
                       "single rows out");
        return false;
    }
    if (ast->action == RDL_VIOLATION_IMPUTE) {
        rdl_bind_error(b, ast->name.pos, NULL, "EXPECT UNIQUE cannot impute");
        return false;
    }
    return rdl_bind_columns(b, t, &ast->unique, "EXPECT UNIQUE", &out->unique, &out->unique_count);
}

static bool bind_constraints(rdl_binder *b, rdl_table *t, const rdl_ast_table *ast)
{
    bool ok = true;
    if (ast->constraint_count > CONSTRAINTS_MAX) {
        rdl_bind_error(b, ast->constraints[CONSTRAINTS_MAX].name.pos, "Join some of them with AND.",
                       "a table has at most %d constraints", CONSTRAINTS_MAX);
        return false;
    }
    t->constraints = RDL_NEWN(b->arena, rdl_constraint, ast->constraint_count + 1);
    t->constraint_count = ast->constraint_count;
    for (size_t i = 0; i < ast->constraint_count; i++) {
        const rdl_ast_constraint *a = &ast->constraints[i];
        rdl_constraint *c = &t->constraints[i];
        *c = (rdl_constraint){.name = a->name.text, .pos = a->name.pos, .action = a->action};
        if (a->unique.n > 0)
            ok = bind_unique(b, t, a, c) && ok;
        else
            ok = rdl_bind_expr(b, t, &a->expr, "BOOLEAN", &c->expr) && ok;
        ok = bind_imputes(b, t, a, c) && ok;
    }
    return ok;
}

/* Whether all of its rows come from snapshots, so that it stands still between their versions. */
static bool snapshot_fed(const rdl_table *t)
{
    if (t->source != NULL)
        return t->kind == RDL_TABLE_SNAPSHOT;
    for (size_t i = 0; i < t->input_count; i++)
        if (!snapshot_fed(t->inputs[i].table))
            return false;
    return true;
}

static bool check_streams(rdl_binder *b, const rdl_table *t, const rdl_ast_table *ast)
{
    size_t streams = 0;
    bool ok = true;
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_input *in = &t->inputs[i];
        streams += in->stream;
        if (in->stream || snapshot_fed(in->table) || ast->processing_time)
            continue;
        rdl_bind_error(b, in->pos,
                       "Join a snapshot, or say PROCESSING TIME to take the table as it stands.",
                       "\"%.*s\" is fed by a stream: the result would depend on when it is read",
                       (int)in->table->full.n, in->table->full.p);
        ok = false;
    }
    if (streams == 0) {
        rdl_bind_error(b, t->body_pos,
                       "Write FROM STREAM x, or create a MATERIALIZED VIEW instead.",
                       "a streaming table must read a stream");
        ok = false;
    }
    return ok;
}

/* Names that the relation of a streaming table needs for itself. */
static bool check_reserved(rdl_binder *b, const rdl_table *t)
{
    static const char *const names[] = {"_epoch", "_source_partition", "_source_offset", "_ordinal",
                                        "_event_ts"};
    for (size_t i = 0; i < t->columns.n; i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            if (!rdl_str_eq_nocase(t->columns.v[i].name, rdl_str_of(names[k])))
                continue;
            rdl_bind_error(b, t->body_pos, "Give it another name with AS.",
                           "\"%s\" is part of a row's identity and cannot be a column's name",
                           names[k]);
            return false;
        }
    }
    return true;
}

/* The comment behind an item of the select list, on the line where its name ends. */
static rdl_str item_comment(rdl_str body, rdl_str column)
{
    for (size_t start = 0; start < body.n;) {
        const char *nl = memchr(body.p + start, '\n', body.n - start);
        size_t end = nl != NULL ? (size_t)(nl - body.p) : body.n;
        for (size_t i = start; i + 1 < end; i++) {
            if (body.p[i] != '-' || body.p[i + 1] != '-')
                continue;
            size_t stop = i;
            while (stop > start && strchr(" \t,\"", body.p[stop - 1]) != NULL)
                stop--;
            bool ours = stop - start >= column.n &&
                        strncasecmp(body.p + stop - column.n, column.p, column.n) == 0;
            if (ours && stop - column.n > start)
                ours = strchr(" \t,\".(", body.p[stop - column.n - 1]) != NULL;
            size_t skip = i + 2 < end && body.p[i + 2] == ' ' ? 3 : 2;
            if (ours)
                return (rdl_str){body.p + i + skip, end - i - skip};
            break;
        }
        start = end + 1;
    }
    return (rdl_str){"", 0};
}

/* Said here, or where a column of the same name comes from. */
void rdl_bind_comments(rdl_binder *b, rdl_table *t)
{
    t->column_comments = RDL_NEWN(b->arena, rdl_str, t->columns.n + 1);
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_str found = item_comment(t->body_text, t->columns.v[i].name);
        for (size_t k = 0; k < t->input_count && found.n == 0; k++) {
            const rdl_table *in = t->inputs[k].table;
            int at = rdl_schema_find(&in->columns, t->columns.v[i].name);
            if (at >= 0 && in->column_comments != NULL)
                found = in->column_comments[at];
        }
        t->column_comments[i] = found;
    }
}

static bool bind_clauses(rdl_binder *b, rdl_table *t, const rdl_ast_table *ast)
{
    bool ok = rdl_bind_columns(b, t, &ast->partition_by, "PARTITIONED BY", &t->partition_by,
                               &t->partition_count);
    ok = rdl_bind_columns(b, t, &ast->dedup, "DEDUPLICATE ON", &t->dedup, &t->dedup_count) && ok;
    ok = rdl_bind_columns(b, t, &ast->primary_key, "PRIMARY KEY", &t->primary_key,
                          &t->primary_key_count) &&
         ok;
    t->dedup_within_us = ast->dedup_within_us;
    t->on_late = ast->on_late;
    t->allow_fanout = ast->allow_fanout;
    t->schedule = ast->schedule;
    ok = rdl_bind_schedule(b, &t->schedule, t->full) && ok;
    if (t->partition_count > 0 && t->partition_count == t->columns.n) {
        rdl_bind_error(b, t->pos, NULL, "a table needs a column that is not in PARTITIONED BY");
        ok = false;
    }
    return ok;
}

bool rdl_bind_table(rdl_binder *b, rdl_symbol *s)
{
    const rdl_ast_table *ast = &s->stmt->u.table;
    bool streaming = s->stmt->kind == RDL_STMT_STREAMING;
    rdl_table *t = rdl_bind_new_table(b, s, streaming ? RDL_TABLE_STREAMING : RDL_TABLE_VIEW);
    rdl_body body = {
        .b = b,
        .kind = streaming ? RDL_BODY_STREAMING : RDL_BODY_VIEW,
        .owner = s,
        .pos = ast->body.sql.pos,
        .streams = ast->body.streams,
        .stream_count = ast->body.stream_count,
    };
    json_t *query = NULL;
    if (ast->comment.n > 0)
        t->comment = ast->comment;
    t->body_text = ast->body.sql.text;
    t->body_pos = ast->body.sql.pos;
    const char *text = rdl_arena_strndup(b->arena, ast->body.blanked.p, ast->body.blanked.n);
    if (!rdl_body_parse(&body, text, &query) || !rdl_body_resolve(&body, query))
        return false;
    t->inputs = body.inputs.list.v;
    t->input_count = body.inputs.list.n;
    if (streaming && !check_streams(b, t, ast))
        return false;
    if (!rdl_body_describe(&body, &query, &t->columns))
        return false;
    t->body = body.text;
    if ((streaming && !check_reserved(b, t)) || !rdl_bind_scratch(b, t))
        return false;
    rdl_bind_comments(b, t);
    bool ok = bind_clauses(b, t, ast);
    return bind_constraints(b, t, ast) && ok && rdl_bind_finish(b, t);
}

/* For questions by its name. */
static void add_plain(rdl_binder *b, const rdl_symbol *s, const rdl_body *body, rdl_schema columns)
{
    rdl_table *t = rdl_bind_new_table(b, s, RDL_TABLE_PLAIN);
    bool kept = true;
    t->columns = columns;
    t->inputs = body->inputs.list.v;
    t->input_count = body->inputs.list.n;
    t->body_text = s->stmt->u.body.sql.text;
    t->body_pos = s->stmt->u.body.sql.pos;
    for (size_t i = 0; i < t->input_count; i++)
        kept = kept && t->inputs[i].table->source == NULL;
    t->body = kept ? body->text : (rdl_str){"", 0};
    rdl_bind_comments(b, t);
    b->pipeline->views[b->pipeline->view_count++] = t;
}

bool rdl_bind_view(rdl_binder *b, rdl_symbol *s)
{
    const rdl_ast_body *ast = &s->stmt->u.body;
    rdl_body body = {
        .b = b,
        .kind = RDL_BODY_PLAIN_VIEW,
        .owner = s,
        .pos = ast->sql.pos,
        .streams = ast->streams,
        .stream_count = ast->stream_count,
    };
    json_t *query = NULL;
    rdl_schema columns;
    const char *text = rdl_arena_strndup(b->arena, ast->blanked.p, ast->blanked.n);
    if (!rdl_body_parse(&body, text, &query) || !rdl_body_resolve(&body, query))
        return false;
    s->inputs = body.inputs;
    s->query = query;
    json_t *check = rdl_tree_clone(&b->tree, query);
    if (!rdl_body_describe(&body, &check, &columns))
        return false;
    add_plain(b, s, &body, columns);
    return true;
}

typedef struct function_names {
    rdl_binder *b;
    const rdl_symbol *function;
    json_t *lambda; /* array of names that lambdas in it bind */
    json_t **arguments;
    rdl_body *body;
} function_names;

static bool collect_lambda(void *arg, json_t *node)
{
    function_names *names = arg;
    if (!rdl_tree_class(node, "LAMBDA"))
        return true;
    json_t *lhs = json_object_get(node, "lhs");
    if (rdl_tree_class(lhs, "COLUMN_REF"))
        json_array_append_new(names->lambda, json_string(rdl_tree_column_name(lhs)));
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(lhs, "children"), i, one)
    {
        json_array_append_new(names->lambda, json_string(rdl_tree_column_name(one)));
    }
    return true;
}

/* An argument becomes its cast place; a lambda's own name one that no argument can hold. */
static json_t *swap_name(void *arg, json_t *node)
{
    function_names *names = arg;
    const rdl_ast_function *f = &names->function->stmt->u.function;
    if (!rdl_tree_class(node, "COLUMN_REF"))
        return NULL;
    json_t *parts = json_object_get(node, "column_names");
    const char *name = rdl_tree_column_name(node);
    const char *first = json_string_value(json_array_get(parts, 0));
    size_t i;
    json_t *lambda;
    json_array_foreach(names->lambda, i, lambda)
    {
        if (first == NULL || strcasecmp(json_string_value(lambda), first) != 0)
            continue;
        const char *own = rdl_arena_printf(names->b->arena, "%.*s$%s", (int)names->function->name.n,
                                           names->function->name.p, first);
        json_array_set_new(parts, 0, json_string(own));
        return node;
    }
    for (i = 0; i < f->argument_count && json_array_size(parts) == 1; i++)
        if (rdl_str_eq_nocase(f->arguments[i].name.text, rdl_str_of(name)))
            return rdl_tree_clone(&names->b->tree, names->arguments[i]);
    rdl_bind_error(names->b, rdl_body_pos(names->body, node), "A function sees its arguments only.",
                   "unrecognized argument \"%s\"", name);
    names->body->failed = true;
    return node;
}

static json_t *cast_place(rdl_binder *b, const char *inner, const rdl_type *type, rdl_pos pos)
{
    rdl_buf text = {0};
    rdl_err err = {0};
    json_t *out = NULL;
    rdl_buf_printf(&text, "CAST(%s AS ", inner);
    rdl_type_print(type, &text);
    rdl_buf_putc(&text, ')');
    const char *sql = rdl_buf_str(&text);
    if (rdl_tree_exprs(&b->tree, &sql, 1, &out, &err) != RDL_OK)
        rdl_bind_error(b, pos, NULL, "%s", err.msg);
    rdl_buf_fini(&text);
    return out;
}

static bool function_arguments(rdl_binder *b, const rdl_ast_function *f, json_t **out)
{
    for (size_t i = 0; i < f->argument_count; i++) {
        const rdl_type *type;
        if (!rdl_bind_type(b, &f->arguments[i].type, &type))
            return false;
        const char *place = rdl_arena_printf(b->arena, "\"$%zu\"", i + 1);
        out[i] = cast_place(b, place, type, f->arguments[i].name.pos);
        if (out[i] == NULL)
            return false;
    }
    return true;
}

/* Bind it once over NULLs of its arguments' types, so that mistakes are found where they are. */
static bool check_function(rdl_body *body, const rdl_symbol *s)
{
    static const char text[] = "SELECT 1";
    const rdl_ast_function *f = &s->stmt->u.function;
    rdl_tree *tr = &body->b->tree;
    json_t **nulls = RDL_NEWN(body->b->arena, json_t *, f->argument_count + 1);
    const char *null = "NULL";
    json_t *query = NULL;
    rdl_err err = {0};
    rdl_schema columns;
    for (size_t i = 0; i < f->argument_count; i++)
        if (rdl_tree_exprs(tr, &null, 1, &nulls[i], &err) != RDL_OK)
            return false;
    if (rdl_tree_parse(tr, text, &query, &err) != RDL_OK)
        return false;
    json_t *expr = rdl_tree_bind(tr, rdl_tree_clone(tr, s->expr), nulls, f->argument_count);
    json_array_set(json_object_get(query, "select_list"), 0, expr);
    return rdl_body_describe(body, &query, &columns);
}

bool rdl_bind_function(rdl_binder *b, rdl_symbol *s)
{
    static const char head[] = "SELECT ";
    const rdl_ast_function *f = &s->stmt->u.function;
    rdl_body body = {
        .b = b, .kind = RDL_BODY_EXPR, .owner = s, .pos = f->expr.pos, .skip = sizeof head - 1};
    const rdl_type *returns;
    json_t *query = NULL;
    json_t **arguments = RDL_NEWN(b->arena, json_t *, f->argument_count + 1);
    const char *text =
        rdl_arena_printf(b->arena, "%s%.*s", head, (int)f->expr.text.n, f->expr.text.p);
    if (!rdl_bind_type(b, &f->returns, &returns) || !function_arguments(b, f, arguments) ||
        !rdl_body_parse(&body, text, &query))
        return false;
    json_t *list = json_object_get(query, "select_list");
    if (!rdl_tree_is(query, "SELECT_NODE") || json_array_size(list) != 1 ||
        !rdl_tree_is(json_object_get(query, "from_table"), "EMPTY") ||
        rdl_tree_find_type(query, "SUBQUERY") != NULL ||
        rdl_tree_find_type(query, "STAR") != NULL) {
        rdl_bind_error(b, f->expr.pos, NULL, "a function returns one expression, without SELECT");
        return false;
    }
    function_names names = {b, s, json_array(), arguments, &body};
    rdl_tree_keep(&b->tree, names.lambda);
    if (!rdl_body_resolve(&body, query))
        return false;
    rdl_tree_walk(query, collect_lambda, &names);
    json_t *expr = rdl_tree_map(json_array_get(list, 0), swap_name, &names);
    json_t *cast = cast_place(b, "\"$1\"", returns, f->returns.pos);
    if (body.failed || cast == NULL)
        return false;
    rdl_tree_alias(expr, "");
    s->expr = rdl_tree_bind(&b->tree, cast, &expr, 1);
    return check_function(&body, s);
}
