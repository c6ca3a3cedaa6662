/*
 * lang/bind_from.c - a FROM clause: its tables found, plain views put in, what may not be read that
 * way refused.
 */
#include "lang/bind.h"

#include <stdio.h>
#include <strings.h>

#include "lang/system_tables.h"

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
            rdl_body_error(body, node, "Read it once, or through two tables.",
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
            rdl_body_error(body, node, "Write its name alone.",
                           "an alert reads what is there, not a stream");
        else if (t->source != NULL)
            rdl_body_error(body, node, "Read a table that it feeds.",
                           "an alert cannot read source \"%.*s\": its rows are not kept",
                           (int)t->full.n, t->full.p);
        return;
    }
    bool appends = t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_STREAMING;
    if (stream && !appends)
        rdl_body_error(body, node, "Drop the word STREAM: its rows can change or go.",
                       "STREAM needs rows that are only added, and \"%.*s\" is %s", (int)t->full.n,
                       t->full.p, kind_words(t->kind));
    else if ((body->kind == RDL_BODY_VIEW || body->kind == RDL_BODY_DECISION) &&
             t->kind == RDL_TABLE_SOURCE)
        rdl_body_error(body, node,
                       "Land it in a streaming table first: CREATE STREAMING TABLE bronze.x AS "
                       "SELECT * FROM STREAM x.",
                       "a materialized view cannot read source \"%.*s\": its rows are not kept",
                       (int)t->full.n, t->full.p);
    else if (!stream && t->kind == RDL_TABLE_SOURCE)
        rdl_body_error(body, node, "Write STREAM before its name.",
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

static void inline_view(rdl_body *body, json_t *node, rdl_symbol *s, bool stream, const char *alias)
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
        rdl_body_error(body, node, "Write STREAM before the table inside the view.",
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
        rdl_body_error(body, node, "Read it with raudal sql, or in an alert.",
                       "a table cannot be made from raudal.%s: it changes by itself", name);
    else
        rdl_body_error(body, node,
                       best != NULL
                           ? rdl_arena_printf(body->b->arena, "Did you mean raudal.%s?", best)
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
            rdl_body_error(body, node, "Write STREAM before the table inside it.",
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
        rdl_body_error(body, node, NULL, "\"%s\" is a function, not a table", name);
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
        json_object_set_new(node, "alias", json_string(default_alias(body, scope, name, t)));
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
    static const char *const known[] = {"unnest",    "generate_series", "range",
                                        "json_each", "json_tree",       "generate_subscripts"};
    const json_t *call = json_object_get(node, "function");
    const char *name = rdl_tree_text(call, "function_name");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(name, known[i]) == 0)
            return;
    rdl_body_error(body, node, "Declare what comes from outside with CREATE SOURCE.",
                   "table function \"%s\" cannot be used in a pipeline", name);
}

void rdl_body_walk_from(rdl_body *body, rdl_scope *scope, json_t *ref)
{
    if (rdl_tree_is(ref, "BASE_TABLE")) {
        resolve_table(body, scope, ref);
    } else if (rdl_tree_is(ref, "JOIN")) {
        bool wrap = body->wrap;
        body->wrap = wrap || strcmp(rdl_tree_text(ref, "ref_type"), "NATURAL") == 0;
        rdl_body_walk_from(body, scope, json_object_get(ref, "left"));
        rdl_body_walk_from(body, scope, json_object_get(ref, "right"));
        body->wrap = wrap;
        rdl_body_walk(body, scope, json_object_get(ref, "condition"));
    } else if (rdl_tree_is(ref, "PIVOT")) {
        bool wrap = body->wrap;
        body->wrap = true;
        rdl_body_walk_from(body, scope, json_object_get(ref, "source"));
        body->wrap = wrap;
        rdl_body_walk(body, scope, json_object_get(ref, "aggregates"));
    } else if (rdl_tree_is(ref, "SHOW_REF")) {
        rdl_body_error(body, ref, NULL, "DESCRIBE and SHOW cannot be used in a pipeline");
    } else {
        if (rdl_tree_is(ref, "TABLE_FUNCTION"))
            check_table_function(body, ref);
        bool wrap = body->wrap;
        body->wrap = false;
        const char *key;
        json_t *value;
        json_object_foreach(ref, key, value) rdl_body_walk(body, scope, value);
        body->wrap = wrap;
    }
}
