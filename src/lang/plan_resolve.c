/*
 * lang/plan_resolve.c - a SELECT with aggregates or windows, its shorthands spelled out.
 *
 * DuckDB lets a text name its select items again by alias, group by position, and GROUP BY
 * ALL. Here aliases are replaced by what they stand for (a column of the FROM goes before
 * an alias, but in HAVING the alias goes first, as DuckDB binds them), and the group list
 * is written out.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

bool rdl_plan_is_grouped(json_t *select)
{
    return rdl_tree_has(select, "group_expressions") || rdl_tree_has(select, "having") ||
           strcmp(rdl_tree_text(select, "aggregate_handling"), "FORCE_AGGREGATES") == 0 ||
           rdl_plan_find_aggregate(json_object_get(select, "select_list")) != NULL;
}

bool rdl_plan_is_windowed(json_t *select)
{
    return rdl_tree_has(select, "qualify") ||
           rdl_plan_find_window(json_object_get(select, "select_list")) != NULL;
}

/* Aliases of the first `items` select items that may stand in an expression. */
typedef struct aliases {
    rdl_planner *pl;
    json_t *select;
    size_t items;
    bool alias_first;
} aliases;

static bool is_from_column(aliases *al, const char *name, rdl_code *rc, rdl_err *err)
{
    json_t *column = rdl_tree_column(&al->pl->tree, NULL, name);
    const char *type = "";
    if (*rc == RDL_OK)
        *rc = rdl_plan_types(al->pl, al->select, &column, 1, &type, err);
    return type[0] != '\0';
}

typedef struct unaliasing {
    aliases al;
    rdl_code rc;
    rdl_err *err;
} unaliasing;

static json_t *swap_alias(void *arg, json_t *node)
{
    unaliasing *u = arg;
    if (rdl_tree_class(node, "SUBQUERY"))
        return node;
    if (!rdl_tree_class(node, "COLUMN_REF") ||
        json_array_size(json_object_get(node, "column_names")) != 1)
        return NULL;
    const char *name = rdl_tree_column_name(node);
    json_t *list = json_object_get(u->al.select, "select_list");
    for (size_t i = 0; i < u->al.items; i++) {
        json_t *item = json_array_get(list, i);
        if (strcasecmp(rdl_tree_text(item, "alias"), name) != 0 ||
            rdl_tree_equal(item, node))
            continue;
        if (!u->al.alias_first && is_from_column(&u->al, name, &u->rc, u->err))
            return NULL;
        json_t *copy = rdl_tree_clone(&u->al.pl->tree, item);
        rdl_tree_alias(copy, rdl_tree_text(node, "alias"));
        return copy;
    }
    return NULL;
}

static rdl_code unalias(rdl_planner *pl, json_t *select, rdl_err *err)
{
    json_t *list = json_object_get(select, "select_list");
    unaliasing u = {.al = {.pl = pl, .select = select}, .err = err};
    for (size_t i = 0; i < json_array_size(list); i++) {
        u.al.items = i;
        json_t *item = json_array_get(list, i);
        json_t *now = rdl_tree_map(item, swap_alias, &u);
        if (now != item)
            json_array_set(list, i, now);
    }
    static const char *const clauses[] = {"where_clause", "group_expressions", "qualify",
                                          "having"};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
        json_t *clause = json_object_get(select, clauses[i]);
        u.al.alias_first = strcmp(clauses[i], "having") == 0;
        json_t *now = rdl_tree_map(clause, swap_alias, &u);
        if (now != clause)
            json_object_set(select, clauses[i], now);
    }
    return u.rc;
}

static json_t *group_item(rdl_planner *pl, json_t *select, json_t *group)
{
    json_t *list = json_object_get(select, "select_list");
    json_t *value = json_object_get(group, "value");
    if (rdl_tree_class(group, "CONSTANT") &&
        json_is_integer(json_object_get(value, "value"))) {
        json_int_t at = json_integer_value(json_object_get(value, "value"));
        if (at >= 1 && (size_t)at <= json_array_size(list))
            group = json_array_get(list, (size_t)at - 1);
    }
    json_t *copy = rdl_tree_clone(&pl->tree, group);
    rdl_tree_alias(copy, "");
    return copy;
}

static void spell_groups(rdl_planner *pl, json_t *select)
{
    json_t *list = json_object_get(select, "select_list");
    json_t *written = json_object_get(select, "group_expressions");
    json_t *groups = rdl_tree_keep(&pl->tree, json_array());
    bool all = strcmp(rdl_tree_text(select, "aggregate_handling"), "FORCE_AGGREGATES") == 0;
    for (size_t i = 0; all && i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        if (rdl_plan_find_aggregate(item) == NULL && rdl_plan_find_window(item) == NULL)
            json_array_append(groups, group_item(pl, select, item));
    }
    for (size_t i = 0; !all && i < json_array_size(written); i++)
        json_array_append(groups, group_item(pl, select, json_array_get(written, i)));
    json_t *set = json_array(), *sets = rdl_tree_keep(&pl->tree, json_array());
    for (size_t i = 0; i < json_array_size(groups); i++)
        json_array_append_new(set, json_integer((json_int_t)i));
    if (json_array_size(groups) > 0)
        json_array_append(sets, set);
    json_decref(set);
    json_object_set(select, "group_expressions", groups);
    json_object_set(select, "group_sets", sets);
    json_object_set_new(select, "aggregate_handling", json_string("STANDARD_HANDLING"));
}

/* SELECT DISTINCT a, b is GROUP BY a, b. */
static void group_distinct(json_t *select)
{
    json_t *modifiers = json_object_get(select, "modifiers");
    bool star = rdl_tree_find_type(json_object_get(select, "select_list"), "STAR") != NULL;
    json_t *only = json_array_get(modifiers, 0);
    if (json_array_size(modifiers) != 1 || !rdl_tree_is(only, "DISTINCT_MODIFIER") ||
        rdl_tree_has(only, "distinct_on_targets") || star || rdl_plan_is_grouped(select) ||
        rdl_plan_is_windowed(select))
        return;
    json_array_clear(modifiers);
    json_object_set_new(select, "aggregate_handling", json_string("FORCE_AGGREGATES"));
}

/* A view has no order: ORDER BY without LIMIT says nothing. */
static void drop_order(json_t *select)
{
    json_t *modifiers = json_object_get(select, "modifiers");
    if (json_array_size(modifiers) == 1 &&
        rdl_tree_is(json_array_get(modifiers, 0), "ORDER_MODIFIER"))
        json_array_clear(modifiers);
}

rdl_code rdl_plan_resolve(rdl_planner *pl, json_t *select, rdl_err *err)
{
    drop_order(select);
    group_distinct(select);
    bool grouped = rdl_plan_is_grouped(select);
    if (!grouped && !rdl_plan_is_windowed(select))
        return RDL_OK;
    if (json_array_size(json_object_get(select, "group_sets")) > 1) {
        rdl_plan_refuse(pl, "GROUP BY", NULL, "GROUPING SETS are recomputed whole");
        return RDL_OK;
    }
    RDL_TRY(unalias(pl, select, err));
    if (grouped)
        spell_groups(pl, select);
    return RDL_OK;
}
