/*
 * lang/bind_star.c - `*` over tables that have hidden columns, written out.
 *
 * DuckDB has no hidden columns, so a star is replaced by the columns it means: those of a table
 * by name, those of a subquery by "alias.*" (a subquery's columns are all visible).  EXCLUDE,
 * REPLACE and RENAME are done here too.  Stars over FROM clauses without any such table stay.
 * Columns that a join merges (USING) are written without a table, once, where DuckDB puts them.
 * COLUMNS(*) becomes COLUMNS(['a', 'b', ..]); COLUMNS with a pattern is refused.
 */
#include "lang/bind.h"

#include <stdio.h>
#include <strings.h>

typedef struct expansion {
    rdl_body *body;
    rdl_scope *scope;
    json_t *star;
    json_t *out;    /* array */
    json_t *merged; /* array of names: all USING columns */
    json_t *used;   /* array of names of the star's lists that met a column */
} expansion;

static bool has_name(const json_t *names, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(names, i, one)
    {
        const char *text =
            json_is_string(one) ? json_string_value(one) : rdl_tree_text(one, "column");
        if (strcasecmp(text, name) == 0)
            return true;
    }
    return false;
}

static const rdl_from_item *item_of(const rdl_scope *scope, const json_t *node)
{
    for (size_t i = 0; i < scope->items.n; i++)
        if (scope->items.v[i].node == node)
            return &scope->items.v[i];
    return NULL;
}

static json_t *replacement(const json_t *star, const char *name)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(star, "replace_list"), i, entry)
    {
        if (strcasecmp(rdl_tree_text(entry, "key"), name) == 0)
            return json_object_get(entry, "value");
    }
    return NULL;
}

static const char *renamed(const json_t *star, const char *name)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(star, "rename_list"), i, entry)
    {
        if (strcasecmp(rdl_tree_text(json_object_get(entry, "key"), "column"), name) == 0)
            return rdl_tree_text(entry, "value");
    }
    return NULL;
}

static void push_column(expansion *x, const char *alias, const char *name)
{
    rdl_tree *tr = &x->body->b->tree;
    if (has_name(json_object_get(x->star, "exclude_list"), name) ||
        has_name(json_object_get(x->star, "qualified_exclude_list"), name)) {
        json_array_append_new(x->used, json_string(name));
        return;
    }
    json_t *value = replacement(x->star, name);
    json_t *column;
    if (value != NULL) {
        json_array_append_new(x->used, json_string(name));
        column = rdl_tree_clone(tr, value);
        rdl_tree_alias(column, name);
    } else {
        bool merged = has_name(x->merged, name);
        column = rdl_tree_column(tr, merged ? NULL : alias, name);
        rdl_body_relocate(column, json_object_get(x->star, "query_location"));
    }
    const char *other = renamed(x->star, name);
    if (other != NULL) {
        json_array_append_new(x->used, json_string(name));
        rdl_tree_alias(column, other);
    }
    json_array_append(x->out, column);
}

static void expand_table(expansion *x, const json_t *node, const rdl_table *t, const json_t *skip)
{
    const json_t *names = json_object_get(node, "column_name_alias");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_str own = t->columns.v[i].name;
        const char *name = i < json_array_size(names)
                               ? json_string_value(json_array_get(names, i))
                               : rdl_arena_strndup(x->body->b->arena, own.p, own.n);
        if (!has_name(skip, name))
            push_column(x, rdl_tree_text(node, "alias"), name);
    }
}

static bool has_lists(const json_t *star)
{
    return rdl_tree_has(star, "exclude_list") || rdl_tree_has(star, "replace_list") ||
           rdl_tree_has(star, "rename_list") || rdl_tree_has(star, "qualified_exclude_list");
}

static bool expand_other(expansion *x, const json_t *node, const json_t *skip)
{
    const char *alias = rdl_tree_text(node, "alias");
    if (alias[0] == '\0')
        alias = rdl_tree_text(node, "table_name");
    if (alias[0] == '\0')
        alias = rdl_tree_text(json_object_get(node, "function"), "function_name");
    if (alias[0] == '\0' || has_lists(x->star)) {
        x->body->failed = true;
        rdl_bind_error(x->body->b, rdl_body_pos(x->body, x->star),
                       alias[0] == '\0' ? "Give each subquery a name."
                                        : "Write the columns, or t.* EXCLUDE (..) per table.",
                       "cannot tell which columns * stands for here");
        return false;
    }
    json_t *star = rdl_tree_clone(&x->body->b->tree, x->star);
    json_object_set_new(star, "relation_name", json_string(alias));
    size_t i;
    json_t *name;
    json_array_foreach(skip, i, name)
    {
        json_array_append(json_object_get(star, "exclude_list"), name);
    }
    json_array_append(x->out, star);
    return true;
}

static void collect_merged(const json_t *ref, json_t *out)
{
    if (!rdl_tree_is(ref, "JOIN"))
        return;
    json_array_extend(out, json_object_get(ref, "using_columns"));
    collect_merged(json_object_get(ref, "left"), out);
    collect_merged(json_object_get(ref, "right"), out);
}

static bool expand_ref(expansion *x, const json_t *ref, const json_t *skip)
{
    if (rdl_tree_is(ref, "EMPTY"))
        return true;
    if (!rdl_tree_is(ref, "JOIN")) {
        const rdl_from_item *item = item_of(x->scope, ref);
        if (item == NULL)
            return expand_other(x, ref, skip);
        expand_table(x, ref, item->table, skip);
        return true;
    }
    if (!expand_ref(x, json_object_get(ref, "left"), skip))
        return false;
    const char *type = rdl_tree_text(ref, "join_type");
    if (strcmp(type, "SEMI") == 0 || strcmp(type, "ANTI") == 0)
        return true;
    json_t *more = skip != NULL ? json_copy((json_t *)(uintptr_t)skip) : json_array();
    rdl_tree_keep(&x->body->b->tree, more);
    json_array_extend(more, json_object_get(ref, "using_columns"));
    return expand_ref(x, json_object_get(ref, "right"), more);
}

/* Names in the star's lists that are no column. */
static void check_lists(expansion *x)
{
    static const char *const lists[] = {"exclude_list", "replace_list", "rename_list"};
    for (size_t k = 0; k < 3; k++) {
        size_t i;
        json_t *entry;
        json_array_foreach(json_object_get(x->star, lists[k]), i, entry)
        {
            const char *name = json_is_string(entry) ? json_string_value(entry)
                               : k == 1              ? rdl_tree_text(entry, "key")
                                        : rdl_tree_text(json_object_get(entry, "key"), "column");
            if (has_name(x->used, name))
                continue;
            x->body->failed = true;
            rdl_bind_error(x->body->b, rdl_body_pos(x->body, x->star), NULL,
                           "* has no column \"%s\"", name);
        }
    }
}

static json_t *text_constant(const char *text)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:{s:{s:s, s:n}, s:b, s:s}}", "class", "CONSTANT",
                     "type", "VALUE_CONSTANT", "alias", "", "query_location", 0, "value", "type",
                     "id", "VARCHAR", "type_info", "is_null", 0, "value", text);
}

/* COLUMNS(*): the star stays, with its columns as a list. */
static void name_columns(expansion *x)
{
    json_t *names = json_array();
    size_t i;
    json_t *column;
    json_array_foreach(x->out, i, column)
    {
        json_array_append_new(names, text_constant(rdl_tree_column_name(column)));
    }
    const char *text = "list_value(1)";
    json_t *call = NULL;
    rdl_err err = {0};
    if (rdl_tree_exprs(&x->body->b->tree, &text, 1, &call, &err) == RDL_OK) {
        json_object_set(call, "children", names);
        json_object_set(x->star, "expr", call);
        json_array_clear(json_object_get(x->star, "exclude_list"));
    }
    json_decref(names);
}

static bool has_tables(const rdl_scope *scope, const char *relation)
{
    for (size_t i = 0; i < scope->items.n; i++)
        if (relation[0] == '\0' ||
            strcasecmp(rdl_tree_text(scope->items.v[i].node, "alias"), relation) == 0)
            return true;
    return false;
}

static bool expand_into(expansion *x, const char *relation)
{
    if (relation[0] == '\0')
        return expand_ref(x, x->scope->from, NULL);
    for (size_t i = 0; i < x->scope->items.n; i++) {
        const rdl_from_item *item = &x->scope->items.v[i];
        if (strcasecmp(rdl_tree_text(item->node, "alias"), relation) == 0)
            expand_table(x, item->node, item->table, NULL);
    }
    return true;
}

/* s.t.* names a table by its full name. */
static const char *relation_alias(const rdl_scope *scope, const char *relation)
{
    for (size_t i = 0; i < scope->items.n; i++) {
        const rdl_from_item *item = &scope->items.v[i];
        if (rdl_str_eq_nocase(item->table->full, rdl_str_of(relation)))
            return rdl_tree_text(item->node, "alias");
    }
    return relation;
}

bool rdl_body_expand_star(rdl_body *body, rdl_scope *scope, json_t *list, size_t i)
{
    json_t *star = json_array_get(list, i);
    const char *relation = relation_alias(scope, rdl_tree_text(star, "relation_name"));
    if (scope->from == NULL || !has_tables(scope, relation))
        return false;
    bool columns = json_is_true(json_object_get(star, "columns"));
    if (columns && !json_is_null(json_object_get(star, "expr"))) {
        if (rdl_tree_calls(json_object_get(star, "expr"), "list_value"))
            return false;
        body->failed = true;
        rdl_bind_error(body->b, rdl_body_pos(body, star),
                       "Write COLUMNS(* EXCLUDE (..)), or the columns.",
                       "COLUMNS with a pattern would match hidden columns");
        return false;
    }
    expansion x = {body, scope, star, json_array(), json_array(), json_array()};
    rdl_tree_keep(&body->b->tree, x.out);
    rdl_tree_keep(&body->b->tree, x.merged);
    rdl_tree_keep(&body->b->tree, x.used);
    collect_merged(scope->from, x.merged);
    if (!expand_into(&x, relation))
        return false;
    check_lists(&x);
    if (columns) {
        name_columns(&x);
        return false;
    }
    rdl_tree_keep(&body->b->tree, json_incref(star));
    json_array_remove(list, i);
    for (size_t k = 0; k < json_array_size(x.out); k++)
        json_array_insert(list, i + k, json_array_get(x.out, k));
    return true;
}

json_t *rdl_body_visible(rdl_body *body, json_t *base, const rdl_table *t)
{
    rdl_tree *tr = &body->b->tree;
    json_t *query = NULL;
    rdl_err err = {0};
    if (rdl_tree_parse(tr, "SELECT 1 FROM t", &query, &err) != RDL_OK) {
        body->failed = true;
        rdl_bind_error(body->b, body->pos, NULL, "%s", err.msg);
        return json_null();
    }
    json_t *star = json_pack("{s:i}", "query_location", 0);
    rdl_tree_keep(tr, star);
    json_object_set(star, "query_location", json_object_get(base, "query_location"));
    expansion x = {body, NULL, star, json_array(), NULL, NULL};
    rdl_tree_keep(tr, x.out);
    expand_table(&x, base, t, NULL);
    json_object_set(query, "select_list", x.out);
    json_object_set(query, "from_table", base);
    return query;
}
