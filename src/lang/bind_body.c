/*
 * lang/bind_body.c - a body's tree: functions put in, what depends on chance refused.  Its tables
 * are bind_from.c's, the clock bind_clock.c's.
 *
 * Inlining is done in the tree and not by DuckDB macros, so that the planner sees all of it (an
 * aggregate in a function, a table in a view) and a fingerprint covers it.  A function's
 * arguments are cast to their declared types and its result likewise; names inside a lambda are
 * made its own, so nothing is captured.
 */
#include "lang/bind.h"

#include <stdio.h>
#include <strings.h>

#include "lang/load.h"
#include "lang/system_tables.h"

static void walk_query(rdl_body *body, rdl_scope *outer, json_t *query);

rdl_pos rdl_body_offset(const rdl_body *body, size_t at)
{
    if (body->synthetic || body->pos.file == NULL)
        return body->pos;
    at = at > body->skip ? at - body->skip : 0;
    if (at > body->pos.len)
        at = body->pos.len;
    rdl_pos pos = {body->pos.file, body->pos.at + (uint32_t)at, 0};
    /* The word there: a name with its dots and quotes, or one character. */
    rdl_str text = pos.file->text;
    size_t i = pos.at, end = body->pos.at + body->pos.len;
    while (i < end) {
        char c = text.p[i];
        if (c == '"') {
            for (i++; i < end && text.p[i] != '"'; i++)
                ;
            i += i < end;
        } else if (c == '.' || c == '_' || c == '$' || (c >= '0' && c <= '9') ||
                   (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c > 0x7f) {
            i++;
        } else {
            break;
        }
    }
    pos.len = (uint32_t)(i > pos.at ? i - pos.at : 1);
    return pos;
}

rdl_pos rdl_body_pos(const rdl_body *body, const json_t *node)
{
    const json_t *place = json_object_get(node, "query_location");
    if (!json_is_integer(place))
        return body->pos;
    return rdl_body_offset(body, (size_t)json_integer_value(place));
}

static bool relocate(void *arg, json_t *node)
{
    if (json_object_get(node, "query_location") != NULL)
        json_object_set(node, "query_location", arg);
    return true;
}

void rdl_body_relocate(json_t *node, json_t *place)
{
    if (place != NULL)
        rdl_tree_walk(node, relocate, place);
}

void rdl_body_error(rdl_body *body, const json_t *node, const char *hint, const char *fmt, ...)
{
    char msg[500];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    body->failed = true;
    rdl_bind_error(body->b, rdl_body_pos(body, node), hint, "%s", msg);
}

static bool is_query(const json_t *node)
{
    const char *type = rdl_tree_text(node, "type");
    size_t n = strlen(type);
    return n > 5 && strcmp(type + n - 5, "_NODE") == 0;
}

static void walk_ctes(rdl_body *body, rdl_scope *scope, json_t *query)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(json_object_get(query, "cte_map"), "map"), i, entry)
    {
        const char *name = rdl_tree_text(entry, "key");
        json_t *inner =
            json_object_get(json_object_get(json_object_get(entry, "value"), "query"), "node");
        bool recursive = rdl_tree_is(inner, "RECURSIVE_CTE_NODE");
        if (recursive)
            RDL_PUSH(body->b->arena, &scope->ctes) = name;
        walk_query(body, scope, inner);
        if (!recursive)
            RDL_PUSH(body->b->arena, &scope->ctes) = name;
    }
}

static void walk_query(rdl_body *body, rdl_scope *outer, json_t *query)
{
    rdl_scope scope = {.parent = outer};
    walk_ctes(body, &scope, query);
    json_t *from = json_object_get(query, "from_table");
    if (from != NULL) {
        scope.from = from;
        rdl_body_walk_from(body, &scope, from);
    }
    const char *key;
    json_t *value;
    json_object_foreach(query, key, value)
    {
        if (strcmp(key, "from_table") != 0 && strcmp(key, "cte_map") != 0)
            rdl_body_walk(body, &scope, value);
    }
}

static void call_function(rdl_body *body, json_t *node, rdl_symbol *s)
{
    rdl_binder *b = body->b;
    json_t *children = json_object_get(node, "children");
    size_t n = json_array_size(children);
    if (!rdl_bind_symbol(b, s, rdl_body_pos(body, node))) {
        body->failed = true;
        return;
    }
    if (n != s->stmt->u.function.argument_count) {
        rdl_body_error(body, node, NULL, "function \"%.*s\" takes %zu argument%s, not %zu",
                       (int)s->name.n, s->name.p, s->stmt->u.function.argument_count,
                       s->stmt->u.function.argument_count == 1 ? "" : "s", n);
        return;
    }
    json_t **arguments = RDL_NEWN(b->arena, json_t *, n + 1);
    for (size_t i = 0; i < n; i++)
        arguments[i] = rdl_tree_clone(&b->tree, json_array_get(children, i));
    json_t *expr = rdl_tree_clone(&b->tree, s->expr);
    rdl_body_relocate(expr, json_object_get(node, "query_location"));
    expr = rdl_tree_bind(&b->tree, expr, arguments, n);
    json_t *alias = json_incref(json_object_get(node, "alias"));
    json_object_clear(node);
    json_object_update(node, expr);
    json_object_set_new(node, "alias", alias);
}

static void walk_call(rdl_body *body, rdl_scope *scope, json_t *node)
{
    rdl_binder *b = body->b;
    const char *name = rdl_arena_strdup(b->arena, rdl_tree_text(node, "function_name"));
    size_t n = json_array_size(json_object_get(node, "children"));
    bool date;
    rdl_symbol *s = rdl_bind_find(b, rdl_str_of(rdl_tree_text(node, "schema")), rdl_str_of(name),
                                  rdl_body_pos(body, node), false);
    if (s != NULL && s->kind == RDL_SYMBOL_FUNCTION) {
        call_function(body, node, s);
        return;
    }
    if (n == 0 && rdl_body_is_clock(name, &date)) {
        rdl_body_replace_clock(body, scope, node, rdl_arena_printf(b->arena, "%s()", name), date);
        return;
    }
    if (rdl_function_is_unstable(name) || (n == 1 && strcasecmp(name, "age") == 0))
        rdl_body_error(body, node, "The same rows must always give the same answer.",
                       "%s() depends on more than its arguments", name);
    /* DuckDB hands an aggregate of the C API one state for many rows there, and crashes. */
    if (rdl_tree_class(node, "WINDOW") && strncasecmp(name, "rdl_", 4) == 0)
        rdl_body_error(body, node,
                       "Write sum, avg, var_pop, ...: they are made exact where they can be.",
                       "%s() cannot stand in a window", name);
}

/* A table's name alone is a struct of all its columns, hidden ones too. */
static void check_whole_row(rdl_body *body, const rdl_scope *scope, const json_t *node,
                            const char *name)
{
    for (size_t i = 0; i < scope->items.n; i++)
        if (rdl_schema_find(&scope->items.v[i].table->columns, rdl_str_of(name)) >= 0)
            return;
    for (size_t i = 0; i < scope->items.n && body->lambdas == 0; i++)
        if (strcasecmp(rdl_tree_text(scope->items.v[i].node, "alias"), name) == 0)
            rdl_body_error(body, node, "Name the columns, for example with struct_pack.",
                           "\"%s\" is a table here, not a column", name);
}

/* _event_ts is how rows keep their time between tables; what is stored does not have it. */
static void check_internal(rdl_body *body, const rdl_scope *scope, const json_t *node,
                           const char *name)
{
    if (body->synthetic || strcasecmp(name, "_event_ts") != 0)
        return;
    for (const rdl_scope *s = scope; s != NULL; s = s->parent)
        for (size_t i = 0; i < s->items.n; i++)
            if (rdl_schema_find(&s->items.v[i].table->columns, rdl_str_of(name)) >= 0)
                return;
    rdl_body_error(body, node,
                   "Name the column that the source's WATERMARK names, and bring it along.",
                   "\"_event_ts\" is kept for rows on their way only and cannot be read");
}

/* schema.table.column of a table that has an alias now. */
static void shorten_column(rdl_body *body, rdl_scope *scope, json_t *node)
{
    json_t *names = json_object_get(node, "column_names");
    const char *first = json_string_value(json_array_get(names, 0));
    bool date;
    first = rdl_arena_strdup(body->b->arena, first != NULL ? first : "");
    if (json_array_size(names) == 1 && rdl_body_is_clock(first, &date) &&
        strncasecmp(first, "current_", 8) == 0) {
        rdl_body_replace_clock(body, scope, node, first, date);
        return;
    }
    const char *last = json_string_value(json_array_get(names, json_array_size(names) - 1));
    check_internal(body, scope, node, last != NULL ? last : "");
    if (json_array_size(names) == 1)
        check_whole_row(body, scope, node, first);
    if (json_array_size(names) < 3)
        return;
    const char *second = json_string_value(json_array_get(names, 1));
    for (rdl_scope *s = scope; s != NULL; s = s->parent) {
        for (size_t i = 0; i < s->items.n; i++) {
            const rdl_from_item *item = &s->items.v[i];
            if (rdl_str_eq_nocase(item->table->schema, rdl_str_of(first)) &&
                rdl_str_eq_nocase(item->table->name, rdl_str_of(second))) {
                json_array_remove(names, 0);
                json_array_set_new(names, 0, json_string(rdl_tree_text(item->node, "alias")));
                return;
            }
        }
    }
}

void rdl_body_walk(rdl_body *body, rdl_scope *scope, json_t *node)
{
    if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node);) {
            json_t *child = json_array_get(node, i);
            if (rdl_tree_class(child, "STAR") && rdl_body_expand_star(body, scope, node, i))
                continue; /* its columns are in its place; look at them */
            rdl_body_walk(body, scope, child);
            i++;
        }
        return;
    }
    if (!json_is_object(node))
        return;
    if (is_query(node)) {
        walk_query(body, scope, node);
        return;
    }
    const char *key;
    json_t *value;
    bool lambda = rdl_tree_class(node, "LAMBDA");
    body->lambdas += lambda;
    json_object_foreach(node, key, value)
    {
        rdl_body_walk(body, scope, value);
    }
    body->lambdas -= lambda;
    if (rdl_tree_class(node, "FUNCTION") || rdl_tree_class(node, "WINDOW"))
        walk_call(body, scope, node);
    else if (rdl_tree_class(node, "COLUMN_REF"))
        shorten_column(body, scope, node);
}

/* DuckDB 1.5's parser counts characters where its binder counts bytes. */
static size_t byte_of_character(const char *text, size_t characters)
{
    size_t i = 0;
    for (size_t n = 0; text[i] != '\0'; i++) {
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (n > characters)
            break;
    }
    return i;
}

bool rdl_body_parse(rdl_body *body, const char *text, json_t **out_query)
{
    rdl_err err = {0};
    if (rdl_tree_parse(&body->b->tree, text, out_query, &err) == RDL_OK)
        return true;
    const char *msg = err.msg, *colon = strstr(msg, "syntax error");
    rdl_pos pos = body->pos;
    if (err.col > 0)
        pos = rdl_body_offset(body, byte_of_character(text, err.col - 1));
    rdl_bind_error(body->b, pos, err.hint[0] != '\0' ? err.hint : NULL, "%s",
                   colon != NULL ? colon : msg);
    body->failed = true;
    return false;
}

bool rdl_body_resolve(rdl_body *body, json_t *query)
{
    walk_query(body, NULL, query);
    return !body->failed;
}
