/*
 * lang/bind_describe.c - what DuckDB says about a body: its columns, or what is wrong with it.
 *
 * DuckDB sees the rewritten text, so its places mean nothing to the user.  When it objects, the
 * rewritten text is parsed once more: that tree has the same shape as ours, whose nodes know
 * the user's places, and the two are walked side by side until the place is met.
 *
 * TYPES.  Columns of a type outside the closed list get a cast where that is exact (TIMESTAMP,
 * HUGEINT, small integers, FLOAT).  The cast goes into the select item, so that the planner
 * still sees the query's own shape; where the item cannot be told, around the whole query.
 */
#include "lang/bind.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char describe_head[] = "SELECT column_name, column_type FROM (DESCRIBE ";

/* Our node at the place `at` of the other, equal-shaped tree; deepest first wins. */
static const json_t *match(const json_t *ours, const json_t *theirs, json_int_t at)
{
    if (json_is_array(ours) && json_is_array(theirs)) {
        for (size_t i = 0; i < json_array_size(ours) && i < json_array_size(theirs); i++) {
            const json_t *found = match(json_array_get(ours, i), json_array_get(theirs, i), at);
            if (found != NULL)
                return found;
        }
        return NULL;
    }
    if (!json_is_object(ours) || !json_is_object(theirs))
        return NULL;
    const json_t *place = json_object_get(theirs, "query_location");
    const json_t *own = json_object_get(ours, "query_location");
    if (json_is_integer(place) && json_integer_value(place) == at && json_is_integer(own))
        return ours;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)ours, key, value)
    {
        const json_t *found = match(value, json_object_get(theirs, key), at);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static rdl_pos find_place(rdl_body *body, const json_t *query, rdl_str text, const rdl_err *why)
{
    json_t *again = NULL;
    rdl_err err = {0};
    if (why->col < sizeof describe_head ||
        rdl_tree_parse(&body->b->tree, text.p, &again, &err) != RDL_OK)
        return body->pos;
    const json_t *node =
        match(query, again, (json_int_t)(why->col - 1 - (sizeof describe_head - 1)));
    return node != NULL ? rdl_body_pos(body, node) : body->pos;
}

static const char *nearest_column(rdl_body *body, rdl_str name)
{
    RDL_VEC(const char *) names = {0};
    for (size_t i = 0; i < body->inputs.list.n; i++) {
        const rdl_schema *columns = &body->inputs.list.v[i].table->columns;
        for (size_t k = 0; k < columns->n; k++)
            RDL_PUSH(body->b->arena, &names) =
                rdl_arena_strndup(body->b->arena, columns->v[k].name.p, columns->v[k].name.n);
    }
    return rdl_nearest(name, names.v, names.n);
}

/* DuckDB's words in ours; the column that it did not find, or "". */
static void say(rdl_body *body, rdl_pos pos, const rdl_err *why)
{
    static const char *const lost[] = {"referenced column \"", "does not have a column named \""};
    rdl_binder *b = body->b;
    const char *hint = why->hint[0] != '\0' ? why->hint : NULL;
    for (size_t i = 0; i < 2; i++) {
        const char *at = strcasestr(why->msg, lost[i]);
        const char *end = at != NULL ? strchr(at + strlen(lost[i]), '"') : NULL;
        if (end == NULL)
            continue;
        at += strlen(lost[i]);
        rdl_str name = {at, (size_t)(end - at)};
        const char *best = nearest_column(body, name);
        if (best != NULL)
            hint = rdl_arena_printf(b->arena, "Did you mean \"%s\"?", best);
        if (body->inputs.list.n == 1)
            rdl_bind_error(
                b, pos, hint, "unrecognized column \"%.*s\" in %s \"%.*s\"", (int)name.n, name.p,
                body->inputs.list.v[0].table->source != NULL ? "source" : "table",
                (int)body->inputs.list.v[0].table->full.n, body->inputs.list.v[0].table->full.p);
        else
            rdl_bind_error(b, pos, hint, "unrecognized column \"%.*s\"", (int)name.n, name.p);
        return;
    }
    rdl_str msg = rdl_str_of(why->msg);
    const char *nl = memchr(msg.p, '\n', msg.n);
    if (nl != NULL && nl != msg.p)
        msg.n = (size_t)(nl - msg.p);
    while (msg.n > 0 && (msg.p[msg.n - 1] == '.' || msg.p[msg.n - 1] == '!'))
        msg.n--;
    rdl_bind_error(b, pos, hint, "%.*s", (int)msg.n, msg.p);
}

typedef struct described {
    rdl_str name, type; /* type as DuckDB spells it */
} described;

typedef struct described_list {
    RDL_VEC(described) list;
} described_list;

/* Most bodies bind, to types that a table can hold: a prepared statement says so in a fifth of
 * the time that DESCRIBE takes. */
static bool describe_quickly(rdl_binder *b, rdl_str text, described_list *out)
{
    rdl_err err = {0};
    rdl_schema columns;
    bool same = false;
    if (rdl_describe_same(b->conn, b->arena, text.p, &columns, &same, &err) != RDL_OK || !same)
        return false;
    for (size_t i = 0; i < columns.n; i++) {
        rdl_buf type = {0};
        rdl_type_print(columns.v[i].type, &type);
        RDL_PUSH(b->arena, &out->list) = (described){
            columns.v[i].name,
            {rdl_arena_strndup(b->arena, type.p, type.n), type.n},
        };
        rdl_buf_fini(&type);
    }
    return true;
}

static bool describe(rdl_body *body, const json_t *query, rdl_str text, described_list *out)
{
    rdl_binder *b = body->b;
    if (describe_quickly(b, text, out))
        return true;
    rdl_err err = {0};
    rdl_result *r = NULL;
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, describe_head);
    rdl_buf_put(&sql, text.p, text.n);
    rdl_buf_putc(&sql, ')');
    rdl_code rc = rdl_query(b->conn, rdl_buf_str(&sql), &r, &err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK) {
        body->failed = true;
        say(body, find_place(body, query, text, &err), &err);
        return false;
    }
    const rdl_chunk *c;
    while (rdl_result_next(r, &c)) {
        for (size_t i = 0; i < c->rows; i++) {
            rdl_str name = rdl_vector_str(&c->v[0], i), type = rdl_vector_str(&c->v[1], i);
            RDL_PUSH(b->arena, &out->list) = (described){
                {rdl_arena_strndup(b->arena, name.p, name.n), name.n},
                {rdl_arena_strndup(b->arena, type.p, type.n), type.n},
            };
        }
    }
    rdl_result_free(r);
    return true;
}

static bool plain_items(const json_t *query, size_t n)
{
    json_t *list = json_object_get(query, "select_list");
    if (!rdl_tree_is(query, "SELECT_NODE") || json_array_size(list) != n)
        return false;
    return rdl_tree_find_type(list, "STAR") == NULL;
}

/* Where column i of n is written, if that can be told. */
static rdl_pos item_pos(const rdl_body *body, const json_t *query, size_t i, size_t n)
{
    if (!plain_items(query, n))
        return body->pos;
    return rdl_body_pos(body, json_array_get(json_object_get(query, "select_list"), i));
}

/* The type that the column is stored as; needs_cast when DuckDB's own is another. */
static bool column_type(rdl_body *body, rdl_pos pos, const described *d, const rdl_type **out,
                        bool *needs_cast)
{
    rdl_binder *b = body->b;
    rdl_err err = {0};
    rdl_str type = d->type;
    if (rdl_str_eq(type, RDL_STR("UINTEGER")))
        type = RDL_STR("BIGINT");
    else if (rdl_str_eq(type, RDL_STR("UBIGINT")))
        type = RDL_STR("HUGEINT");
    else if (rdl_str_eq(type, RDL_STR("UTINYINT")) || rdl_str_eq(type, RDL_STR("USMALLINT")))
        type = RDL_STR("INTEGER");
    if (rdl_type_parse(b->arena, type, out, &err) != RDL_OK) {
        body->failed = true;
        bool null = rdl_str_eq(type, RDL_STR("\"NULL\""));
        rdl_bind_error(b, pos, null ? "Write CAST(NULL AS TEXT), or another type." : "Cast it.",
                       "column \"%.*s\" has type %.*s, which a table cannot hold", (int)d->name.n,
                       d->name.p, (int)d->type.n, d->type.p);
        return false;
    }
    rdl_buf print = {0};
    rdl_type_print(*out, &print);
    *needs_cast = !rdl_str_eq((rdl_str){rdl_buf_str(&print), print.n}, d->type);
    rdl_buf_fini(&print);
    return true;
}

static json_t *cast_node(rdl_body *body, json_t *expr, const rdl_type *type, rdl_str name)
{
    rdl_binder *b = body->b;
    rdl_buf text = {0};
    rdl_buf_puts(&text, "CAST(\"$1\" AS ");
    rdl_type_print(type, &text);
    rdl_buf_putc(&text, ')');
    const char *sql = rdl_buf_str(&text);
    json_t *cast = NULL;
    rdl_err err = {0};
    rdl_code rc = rdl_tree_exprs(&b->tree, &sql, 1, &cast, &err);
    rdl_buf_fini(&text);
    if (rc != RDL_OK) {
        rdl_bind_error(b, body->pos, NULL, "%s", err.msg);
        body->failed = true;
        return expr;
    }
    rdl_body_relocate(cast, json_object_get(expr, "query_location"));
    json_t *inner = rdl_tree_clone(&b->tree, expr);
    rdl_tree_alias(inner, "");
    cast = rdl_tree_bind(&b->tree, cast, &inner, 1);
    rdl_tree_alias(cast, rdl_arena_strndup(b->arena, name.p, name.n));
    return cast;
}

/* Casts at the select items of a SELECT, or of both sides of a set operation. */
static bool cast_items(rdl_body *body, json_t *query, const described_list *columns,
                       const rdl_type *const *types, const bool *needs)
{
    if (rdl_tree_is(query, "SET_OPERATION_NODE") &&
        strcmp(rdl_tree_text(query, "setop_type"), "UNION") == 0)
        return cast_items(body, json_object_get(query, "left"), columns, types, needs) &&
               cast_items(body, json_object_get(query, "right"), columns, types, needs);
    if (!plain_items(query, columns->list.n))
        return false;
    json_t *list = json_object_get(query, "select_list");
    for (size_t i = 0; i < columns->list.n; i++)
        if (needs[i])
            json_array_set(
                list, i,
                cast_node(body, json_array_get(list, i), types[i], columns->list.v[i].name));
    return true;
}

/* SELECT a, CAST(b AS ..) AS b FROM (query) AS _q */
static bool cast_around(rdl_body *body, json_t **query, const described_list *columns,
                        const rdl_type *const *types, const bool *needs)
{
    rdl_binder *b = body->b;
    rdl_buf sql = {0};
    for (size_t i = 0; i < columns->list.n; i++) {
        rdl_buf_puts(&sql, i == 0 ? "SELECT " : ", ");
        rdl_buf_puts(&sql, needs[i] ? "CAST(" : "");
        rdl_buf_put_sql_ident(&sql, columns->list.v[i].name);
        if (needs[i]) {
            rdl_buf_puts(&sql, " AS ");
            rdl_type_print(types[i], &sql);
            rdl_buf_puts(&sql, ") AS ");
            rdl_buf_put_sql_ident(&sql, columns->list.v[i].name);
        }
    }
    rdl_buf_puts(&sql, " FROM (SELECT 1) AS _q");
    json_t *outer = NULL;
    rdl_err err = {0};
    rdl_code rc = rdl_tree_parse(&b->tree, rdl_buf_str(&sql), &outer, &err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK) {
        body->failed = true;
        rdl_bind_error(b, body->pos, NULL, "%s", err.msg);
        return false;
    }
    rdl_body_relocate(outer, json_object_get(*query, "query_location"));
    json_object_set(json_object_get(json_object_get(outer, "from_table"), "subquery"), "node",
                    *query);
    *query = outer;
    return true;
}

static bool unique_names(rdl_body *body, const json_t *query, const described_list *columns)
{
    for (size_t i = 0; i < columns->list.n; i++) {
        for (size_t k = 0; k < i; k++) {
            rdl_str name = columns->list.v[i].name;
            if (!rdl_str_eq_nocase(name, columns->list.v[k].name))
                continue;
            body->failed = true;
            rdl_bind_error(body->b, item_pos(body, query, i, columns->list.n),
                           "Give one of them another name with AS.",
                           "two columns are called \"%.*s\"", (int)name.n, name.p);
            return false;
        }
    }
    return true;
}

bool rdl_body_describe(rdl_body *body, json_t **query, rdl_schema *out)
{
    rdl_binder *b = body->b;
    rdl_str text;
    rdl_err err = {0};
    described_list columns = {0};
    if (rdl_tree_print(&b->tree, *query, &text, &err) != RDL_OK) {
        rdl_bind_error(b, body->pos, NULL, "%s", err.msg);
        body->failed = true;
        return false;
    }
    if (!describe(body, *query, text, &columns) || !unique_names(body, *query, &columns))
        return false;
    size_t n = columns.list.n;
    const rdl_type **types = RDL_NEWN(b->arena, const rdl_type *, n + 1);
    bool *needs = RDL_NEWN(b->arena, bool, n + 1), any = false;
    for (size_t i = 0; i < n; i++) {
        rdl_pos pos = item_pos(body, *query, i, n);
        if (column_type(body, pos, &columns.list.v[i], &types[i], &needs[i]))
            any = any || needs[i];
    }
    if (body->failed)
        return false;
    if (any && !cast_items(body, *query, &columns, types, needs) &&
        !cast_around(body, query, &columns, types, needs))
        return false;
    if (any && rdl_tree_print(&b->tree, *query, &text, &err) != RDL_OK) {
        rdl_bind_error(b, body->pos, NULL, "%s", err.msg);
        return false;
    }
    body->text = text;
    *out = (rdl_schema){RDL_NEWN(b->arena, rdl_column, n + 1), n};
    for (size_t i = 0; i < n; i++)
        out->v[i] = (rdl_column){columns.list.v[i].name, types[i]};
    return !body->failed;
}

bool rdl_bind_type(rdl_binder *b, const rdl_sql *sql, const rdl_type **out)
{
    rdl_err err = {0};
    if (rdl_type_parse(b->arena, sql->text, out, &err) == RDL_OK)
        return true;
    rdl_bind_error(b, sql->pos, err.hint[0] != '\0' ? err.hint : NULL, "%s", err.msg);
    return false;
}

/* SELECT <expr> FROM <the table's scratch relation> */
static rdl_str expr_query(rdl_binder *b, rdl_str select, const rdl_table *t)
{
    rdl_buf sql = {0};
    rdl_buf_put(&sql, select.p, select.n);
    rdl_buf_puts(&sql, " FROM ");
    rdl_buf_put_sql_ident(&sql, t->schema);
    rdl_buf_putc(&sql, '.');
    rdl_buf_put_sql_ident(&sql, t->name);
    rdl_str s = {rdl_arena_strndup(b->arena, sql.p, sql.n), sql.n};
    rdl_buf_fini(&sql);
    return s;
}

bool rdl_bind_expr(rdl_binder *b, const rdl_table *t, const rdl_sql *sql, const char *wanted,
                   rdl_str *out_text)
{
    static const char head[] = "SELECT ";
    rdl_body body = {.b = b, .kind = RDL_BODY_EXPR, .pos = sql->pos, .skip = sizeof head - 1};
    RDL_PUSH(b->arena, &body.inputs.list) = (rdl_input){(rdl_table *)(uintptr_t)t, false, sql->pos};
    rdl_str text;
    rdl_err err = {0};
    json_t *query = NULL;
    char *select = rdl_arena_printf(b->arena, "%s%.*s", head, (int)sql->text.n, sql->text.p);
    if (!rdl_body_parse(&body, select, &query))
        return false;
    json_t *list = json_object_get(query, "select_list");
    if (!rdl_tree_is(query, "SELECT_NODE") || json_array_size(list) != 1 ||
        !rdl_tree_is(json_object_get(query, "from_table"), "EMPTY") ||
        rdl_tree_find_type(query, "SUBQUERY") != NULL ||
        rdl_tree_find_type(query, "STAR") != NULL) {
        rdl_bind_error(b, sql->pos, "Write one expression over the table's own columns.",
                       "this is not an expression");
        return false;
    }
    if (!rdl_body_resolve(&body, query) || rdl_tree_print(&b->tree, query, &text, &err) != RDL_OK)
        return false;
    *out_text = (rdl_str){text.p + sizeof head - 1, text.n - (sizeof head - 1)};
    described_list columns = {0};
    if (!describe(&body, query, expr_query(b, text, t), &columns))
        return false;
    if (wanted == NULL || rdl_str_eq(columns.list.v[0].type, rdl_str_of(wanted)))
        return true;
    rdl_bind_error(b, sql->pos, NULL, "this must be %s, but is %.*s", wanted,
                   (int)columns.list.v[0].type.n, columns.list.v[0].type.p);
    return false;
}

static void put_hidden(const rdl_table *t, rdl_buf *sql)
{
    if (t->source != NULL)
        rdl_buf_puts(sql, ", _source_file TEXT, _source_partition INTEGER, _source_offset BIGINT,"
                          " _ingest_ts TIMESTAMPTZ, _epoch BIGINT, _rescued JSON,"
                          " _event_ts TIMESTAMPTZ");
    else if (t->kind == RDL_TABLE_STREAMING)
        rdl_buf_puts(sql, ", _epoch BIGINT, _source_partition INTEGER, _source_offset BIGINT,"
                          " _ordinal BIGINT, _event_ts TIMESTAMPTZ");
}

bool rdl_bind_scratch(rdl_binder *b, const rdl_table *t)
{
    rdl_err err = {0};
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    rdl_buf_put_sql_ident(&sql, t->schema);
    rdl_buf_puts(&sql, "; CREATE OR REPLACE TABLE ");
    rdl_buf_put_sql_ident(&sql, t->schema);
    rdl_buf_putc(&sql, '.');
    rdl_buf_put_sql_ident(&sql, t->name);
    rdl_buf_puts(&sql, " (");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_puts(&sql, i > 0 ? ", " : "");
        rdl_buf_put_sql_ident(&sql, t->columns.v[i].name);
        rdl_buf_putc(&sql, ' ');
        rdl_type_print(t->columns.v[i].type, &sql);
    }
    put_hidden(t, &sql);
    rdl_buf_putc(&sql, ')');
    rdl_code rc = rdl_exec(b->conn, rdl_buf_str(&sql), &err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        return true;
    rdl_bind_error(b, t->pos, NULL, "%s", err.msg);
    return false;
}
