/*
 * lang/bind_body.c - a body's tree: its tables found, views and functions put in, what depends
 * on the clock or on chance refused.
 *
 * Inlining is done in the tree and not by DuckDB macros, so that the planner sees all of it (an
 * aggregate in a function, a table in a view) and a fingerprint covers it.  A function's
 * arguments are cast to their declared types and its result likewise; names inside a lambda are
 * made its own, so nothing is captured.
 */
#include "lang/bind.h"

#include <stdio.h>
#include <stdlib.h>
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

static void body_error(rdl_body *body, const json_t *node, const char *hint, const char *fmt, ...)
    RDL_PRINTF(4, 5);
static void body_error(rdl_body *body, const json_t *node, const char *hint, const char *fmt, ...)
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

static bool is_cte(const rdl_scope *scope, const char *name)
{
    for (; scope != NULL; scope = scope->parent)
        for (size_t i = 0; i < scope->ctes.n; i++)
            if (strcasecmp(scope->ctes.v[i], name) == 0)
                return true;
    return false;
}

static void add_input(rdl_body *body, const json_t *node, rdl_table *t, bool stream, rdl_pos pos)
{
    for (size_t i = 0; i < body->inputs.list.n; i++) {
        rdl_input *in = &body->inputs.list.v[i];
        if (in->table != t)
            continue;
        if (in->stream != stream)
            body_error(body, node, "Read it once, or through two tables.",
                       "\"%.*s\" is read as a stream and as a table by one body",
                       (int)t->full.n, t->full.p);
        return;
    }
    RDL_PUSH(body->b->arena, &body->inputs.list) = (rdl_input){t, stream, pos};
}

static bool written_stream(const rdl_body *body, const json_t *node)
{
    const json_t *place = json_object_get(node, "query_location");
    for (size_t i = 0; json_is_integer(place) && i < body->stream_count; i++)
        if (body->streams[i] == (size_t)json_integer_value(place))
            return true;
    return false;
}

static const char *kind_words(rdl_table_kind kind)
{
    switch (kind) {
    case RDL_TABLE_SNAPSHOT:
        return "a snapshot source";
    case RDL_TABLE_VIEW:
        return "a materialized view";
    case RDL_TABLE_SOURCE:
        return "a source";
    default:
        return "a streaming table";
    }
}

/* What may be read how: DESIGN section 2. */
static void check_reading(rdl_body *body, const json_t *node, const rdl_table *t, bool stream)
{
    if (body->kind == RDL_BODY_ALERT) {
        if (stream)
            body_error(body, node, "Write its name alone.",
                       "an alert reads what is there, not a stream");
        else if (t->source != NULL)
            body_error(body, node, "Read a table that it feeds.",
                       "an alert cannot read source \"%.*s\": its rows are not kept",
                       (int)t->full.n, t->full.p);
        return;
    }
    bool appends = t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_STREAMING;
    if (stream && !appends)
        body_error(body, node, "Drop the word STREAM: its rows can change or go.",
                   "STREAM needs rows that are only added, and \"%.*s\" is %s", (int)t->full.n,
                   t->full.p, kind_words(t->kind));
    else if ((body->kind == RDL_BODY_VIEW || body->kind == RDL_BODY_DECISION) &&
             t->kind == RDL_TABLE_SOURCE)
        body_error(body, node,
                   "Land it in a streaming table first: CREATE STREAMING TABLE bronze.x AS "
                   "SELECT * FROM STREAM x.",
                   "a materialized view cannot read source \"%.*s\": its rows are not kept",
                   (int)t->full.n, t->full.p);
    else if (!stream && t->kind == RDL_TABLE_SOURCE)
        body_error(body, node, "Write STREAM before its name.",
                   "source \"%.*s\" is append-only and can only be read as a stream",
                   (int)t->full.n, t->full.p);
}

static void put_subquery(json_t *node, json_t *query, const char *alias)
{
    json_t *place = json_incref(json_object_get(node, "query_location"));
    json_t *names = json_incref(json_object_get(node, "column_name_alias"));
    json_t *sample = json_incref(json_object_get(node, "sample"));
    json_object_clear(node);
    json_object_set_new(node, "type", json_string("SUBQUERY"));
    json_object_set_new(node, "alias", json_string(alias));
    json_object_set_new(node, "sample", sample != NULL ? sample : json_null());
    json_object_set_new(node, "query_location", place);
    json_object_set_new(node, "subquery",
                        json_pack("{s:O, s:[]}", "node", query, "named_param_map"));
    json_object_set_new(node, "column_name_alias", names != NULL ? names : json_array());
}

static void inline_view(rdl_body *body, json_t *node, rdl_symbol *s, bool stream,
                        const char *alias)
{
    rdl_binder *b = body->b;
    rdl_pos pos = rdl_body_pos(body, node);
    bool streams = false;
    for (size_t i = 0; i < s->inputs.list.n; i++) {
        const rdl_input *in = &s->inputs.list.v[i];
        streams = streams || in->stream;
        add_input(body, node, in->table, in->stream, pos);
        if (body->kind != RDL_BODY_PLAIN_VIEW)
            check_reading(body, node, in->table, in->stream);
    }
    if (stream && !streams)
        body_error(body, node, "Write STREAM before the table inside the view.",
                   "view \"%.*s\" does not read a stream", (int)s->full.n, s->full.p);
    json_t *query = rdl_tree_clone(&b->tree, s->query);
    rdl_body_relocate(query, json_object_get(node, "query_location"));
    put_subquery(node, query, alias);
}

/* An alias for a table that was given none: its name, or its full name when that is taken. */
static const char *default_alias(rdl_body *body, rdl_scope *scope, const char *written,
                                 const rdl_table *t)
{
    for (size_t i = 0; i < scope->items.n; i++)
        if (strcasecmp(rdl_tree_text(scope->items.v[i].node, "alias"), written) == 0)
            return rdl_arena_strndup(body->b->arena, t->full.p, t->full.n);
    return written;
}

/* raudal.x: a table of ours that alerts may read; DuckDB knows its columns. */
static void resolve_system(rdl_body *body, const json_t *node, const char *name)
{
    const char *names[RDL_SYSTEM_TABLE_COUNT];
    for (size_t i = 0; i < RDL_SYSTEM_TABLE_COUNT; i++) {
        names[i] = rdl_system_tables[i].name;
        if (strcasecmp(names[i], name) == 0 && body->kind == RDL_BODY_ALERT)
            return;
    }
    const char *best = rdl_nearest(rdl_str_of(name), names, RDL_SYSTEM_TABLE_COUNT);
    if (body->kind != RDL_BODY_ALERT)
        body_error(body, node, "Read it with raudal sql, or in an alert.",
                   "a table cannot be made from raudal.%s: it changes by itself", name);
    else
        body_error(body, node,
                   best != NULL ? rdl_arena_printf(body->b->arena, "Did you mean raudal.%s?", best)
                                : "raudal help tables lists them.",
                   "unrecognized table \"raudal.%s\"", name);
}

static void resolve_table(rdl_body *body, rdl_scope *scope, json_t *node)
{
    rdl_binder *b = body->b;
    const char *schema = rdl_tree_text(node, "schema_name");
    const char *name = rdl_arena_strdup(b->arena, rdl_tree_text(node, "table_name"));
    const char *alias = rdl_arena_strdup(b->arena, rdl_tree_text(node, "alias"));
    bool stream = written_stream(body, node);
    if (schema[0] == '\0' && is_cte(scope, name)) {
        if (stream)
            body_error(body, node, "Write STREAM before the table inside it.",
                       "\"%s\" is not a table of the pipeline", name);
        return;
    }
    if (strcasecmp(schema, "raudal") == 0) {
        resolve_system(body, node, name);
        return;
    }
    rdl_pos pos = rdl_body_pos(body, node);
    rdl_symbol *s = rdl_bind_find(b, rdl_str_of(schema), rdl_str_of(name), pos, true);
    bool itself = s != NULL && s == body->owner && s->past != NULL;
    if (s == NULL || (!itself && !rdl_bind_symbol(b, s, pos))) {
        body->failed = true;
        return;
    }
    if (s->kind == RDL_SYMBOL_FUNCTION) {
        body_error(body, node, NULL, "\"%s\" is a function, not a table", name);
        return;
    }
    if (s->kind == RDL_SYMBOL_VIEW) {
        inline_view(body, node, s, stream, alias[0] != '\0' ? alias : name);
        return;
    }
    rdl_table *t = itself ? s->past : s->table;
    if (body->kind != RDL_BODY_PLAIN_VIEW && !(body->synthetic && !stream && t->source == NULL))
        check_reading(body, node, t, stream);
    body->reads_itself |= itself;
    if (!itself)
        add_input(body, node, t, stream, pos);
    if (alias[0] == '\0')
        json_object_set_new(node, "alias",
                            json_string(default_alias(body, scope, name, t)));
    json_object_set_new(node, "catalog_name", json_string(""));
    json_object_set_new(node, "schema_name", json_stringn(t->schema.p, t->schema.n));
    json_object_set_new(node, "table_name", json_stringn(t->name.p, t->name.n));
    if (body->wrap) {
        const char *own = rdl_arena_strdup(b->arena, rdl_tree_text(node, "alias"));
        json_t *query = rdl_body_visible(body, rdl_tree_clone(&b->tree, node), t);
        put_subquery(node, query, own);
        json_object_set_new(node, "column_name_alias", json_array());
        return;
    }
    RDL_PUSH(b->arena, &scope->items) = (rdl_from_item){node, t};
}

static void check_table_function(rdl_body *body, const json_t *node)
{
    static const char *const known[] = {"unnest", "generate_series", "range", "json_each",
                                        "json_tree", "generate_subscripts"};
    const json_t *call = json_object_get(node, "function");
    const char *name = rdl_tree_text(call, "function_name");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(name, known[i]) == 0)
            return;
    body_error(body, node, "Declare what comes from outside with CREATE SOURCE.",
               "table function \"%s\" cannot be used in a pipeline", name);
}

static void walk_from(rdl_body *body, rdl_scope *scope, json_t *ref)
{
    if (rdl_tree_is(ref, "BASE_TABLE")) {
        resolve_table(body, scope, ref);
    } else if (rdl_tree_is(ref, "JOIN")) {
        bool wrap = body->wrap;
        body->wrap = wrap || strcmp(rdl_tree_text(ref, "ref_type"), "NATURAL") == 0;
        walk_from(body, scope, json_object_get(ref, "left"));
        walk_from(body, scope, json_object_get(ref, "right"));
        body->wrap = wrap;
        rdl_body_walk(body, scope, json_object_get(ref, "condition"));
    } else if (rdl_tree_is(ref, "PIVOT")) {
        bool wrap = body->wrap;
        body->wrap = true;
        walk_from(body, scope, json_object_get(ref, "source"));
        body->wrap = wrap;
        rdl_body_walk(body, scope, json_object_get(ref, "aggregates"));
    } else if (rdl_tree_is(ref, "SHOW_REF")) {
        body_error(body, ref, NULL, "DESCRIBE and SHOW cannot be used in a pipeline");
    } else {
        if (rdl_tree_is(ref, "TABLE_FUNCTION"))
            check_table_function(body, ref);
        bool wrap = body->wrap;
        body->wrap = false;
        const char *key;
        json_t *value;
        json_object_foreach(ref, key, value)
            rdl_body_walk(body, scope, value);
        body->wrap = wrap;
    }
}

static void walk_ctes(rdl_body *body, rdl_scope *scope, json_t *query)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(json_object_get(query, "cte_map"), "map"), i, entry)
    {
        const char *name = rdl_tree_text(entry, "key");
        json_t *inner = json_object_get(
            json_object_get(json_object_get(entry, "value"), "query"), "node");
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
        walk_from(body, &scope, from);
    }
    const char *key;
    json_t *value;
    json_object_foreach(query, key, value)
    {
        if (strcmp(key, "from_table") != 0 && strcmp(key, "cte_map") != 0)
            rdl_body_walk(body, &scope, value);
    }
}

static bool clock_name(const char *name, bool *out_date)
{
    static const char *const times[] = {"now", "current_timestamp", "get_current_timestamp",
                                        "transaction_timestamp"};
    *out_date = strcasecmp(name, "current_date") == 0 || strcasecmp(name, "today") == 0;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (strcasecmp(name, times[i]) == 0)
            return true;
    return *out_date;
}

/* now() of a decision: the time at which it is made; of an alert: at which it is asked. */
static void decision_clock(rdl_body *body, json_t *node, bool date)
{
    const char *variable = body->kind == RDL_BODY_ALERT ? "alert_at" : "decided_at";
    const char *text = rdl_arena_printf(body->b->arena,
                                        date ? "CAST(CAST(getvariable('%s') AS TIMESTAMPTZ) AS DATE)"
                                             : "CAST(getvariable('%s') AS TIMESTAMPTZ)",
                                        variable);
    json_t *expr = NULL;
    rdl_err err = {0};
    if (rdl_tree_exprs(&body->b->tree, &text, 1, &expr, &err) != RDL_OK) {
        body_error(body, node, err.hint, "%s", err.msg);
        return;
    }
    const char *alias = rdl_arena_strdup(body->b->arena, rdl_tree_text(node, "alias"));
    json_t *place = json_incref(json_object_get(node, "query_location"));
    body->reads_clock = true;
    json_object_clear(node);
    json_object_update(node, expr);
    rdl_body_relocate(node, place);
    json_decref(place);
    rdl_tree_alias(node, alias);
}

/* now() of a streaming table: the time at which the driving source's row came in. */
static void replace_clock(rdl_body *body, rdl_scope *scope, json_t *node, const char *name,
                          bool date)
{
    rdl_binder *b = body->b;
    if (body->kind == RDL_BODY_DECISION || body->kind == RDL_BODY_ALERT) {
        decision_clock(body, node, date);
        return;
    }
    if (body->kind != RDL_BODY_STREAMING && body->kind != RDL_BODY_PLAIN_VIEW) {
        body_error(body, node, "Use a time that the rows carry, such as an ingest_ts column.",
                   "%s would give another answer at each refresh", name);
        return;
    }
    const rdl_from_item *source = NULL;
    for (size_t i = 0; i < scope->items.n && source == NULL; i++)
        if (scope->items.v[i].table->kind == RDL_TABLE_SOURCE)
            source = &scope->items.v[i];
    if (source == NULL && body->failed)
        return; /* perhaps because of that */
    if (source == NULL) {
        body_error(body, node,
                   "Keep the source's _ingest_ts as a column of the first table and use that.",
                   "%s can only be used where the body reads the source itself", name);
        return;
    }
    json_t *column = rdl_tree_column(&b->tree, rdl_tree_text(source->node, "alias"),
                                     "_ingest_ts");
    if (date) {
        const char *text = "CAST(\"$1\" AS DATE)";
        json_t *cast = NULL;
        rdl_err err = {0};
        if (rdl_tree_exprs(&b->tree, &text, 1, &cast, &err) != RDL_OK) {
            body_error(body, node, err.hint, "%s", err.msg);
            return;
        }
        column = rdl_tree_bind(&b->tree, cast, &column, 1);
    }
    json_t *alias = json_incref(json_object_get(node, "alias"));
    json_t *place = json_incref(json_object_get(node, "query_location"));
    json_object_clear(node);
    json_object_update(node, column);
    rdl_body_relocate(node, place);
    json_decref(place);
    const char *kept = json_string_value(alias);
    json_object_set_new(node, "alias",
                        json_string(kept != NULL && kept[0] != '\0' ? kept : name));
    json_decref(alias);
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
        body_error(body, node, NULL, "function \"%.*s\" takes %zu argument%s, not %zu",
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
    rdl_symbol *s = rdl_bind_find(b, rdl_str_of(rdl_tree_text(node, "schema")),
                                  rdl_str_of(name), rdl_body_pos(body, node), false);
    if (s != NULL && s->kind == RDL_SYMBOL_FUNCTION) {
        call_function(body, node, s);
        return;
    }
    if (n == 0 && clock_name(name, &date)) {
        replace_clock(body, scope, node, rdl_arena_printf(b->arena, "%s()", name), date);
        return;
    }
    if (rdl_function_is_unstable(name) || (n == 1 && strcasecmp(name, "age") == 0))
        body_error(body, node, "The same rows must always give the same answer.",
                   "%s() depends on more than its arguments", name);
    /* DuckDB hands an aggregate of the C API one state for many rows there, and crashes. */
    if (rdl_tree_class(node, "WINDOW") && strncasecmp(name, "rdl_", 4) == 0)
        body_error(body, node, "Write sum, avg, var_pop, ...: they are made exact where they can be.",
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
            body_error(body, node, "Name the columns, for example with struct_pack.",
                       "\"%s\" is a table here, not a column", name);
}

/* schema.table.column of a table that has an alias now. */
static void shorten_column(rdl_body *body, rdl_scope *scope, json_t *node)
{
    json_t *names = json_object_get(node, "column_names");
    const char *first = json_string_value(json_array_get(names, 0));
    bool date;
    first = rdl_arena_strdup(body->b->arena, first != NULL ? first : "");
    if (json_array_size(names) == 1 && clock_name(first, &date) &&
        strncasecmp(first, "current_", 8) == 0) {
        replace_clock(body, scope, node, first, date);
        return;
    }
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
                json_array_set_new(names, 0,
                                   json_string(rdl_tree_text(item->node, "alias")));
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
            if (rdl_tree_class(child, "STAR") &&
                rdl_body_expand_star(body, scope, node, i))
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
