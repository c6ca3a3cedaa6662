/*
 * lang/plan_resolve.c - a SELECT with aggregates or windows, its shorthands spelled out.
 *
 * DuckDB lets a text name its select items again by alias, group by position, and GROUP BY
 * ALL. Here aliases are replaced by what they stand for, as DuckDB binds them: a column of
 * the FROM goes before an alias, but in HAVING the alias goes first; inside an aggregate
 * (its arguments, FILTER, ORDER BY) there are columns alone everywhere, so that
 * sum(n) AS n ... HAVING sum(n) > 0 means the column twice. The group list is written out.
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

/* Marks a SELECT of a tree; DuckDB passes it over when it prints. */
static const char spelled[] = "__rdl_spelled";

/* Which goes first where a name is both a column of the FROM and an alias. */
typedef enum preference {
    COLUMN_FIRST, /* SELECT, WHERE, GROUP BY, QUALIFY */
    ALIAS_FIRST,  /* DISTINCT ON; HAVING of GROUP BY ALL */
    GROUP_FIRST,  /* HAVING: a column that is grouped by, then an alias */
} preference;

typedef struct unaliasing {
    rdl_planner *pl;
    json_t *select;
    size_t items; /* aliases of so many select items may stand in an expression */
    preference first;
    rdl_code rc;
    rdl_err *err;
} unaliasing;

static bool is_from_column(unaliasing *u, const char *name)
{
    json_t *column = rdl_tree_column(&u->pl->tree, NULL, name);
    const char *type = "";
    if (u->rc == RDL_OK)
        u->rc = rdl_plan_types(u->pl, u->select, &column, 1, &type, u->err);
    return type[0] != '\0';
}

static bool is_group(json_t *select, json_t *expr)
{
    json_t *groups = json_object_get(select, "group_expressions");
    for (size_t i = 0; i < json_array_size(groups); i++)
        if (rdl_tree_equal(json_array_get(groups, i), expr))
            return true;
    return false;
}

static bool is_aggregate_call(json_t *node)
{
    return rdl_tree_class(node, "FUNCTION") &&
           rdl_plan_is_aggregate(rdl_tree_text(node, "function_name"));
}

static json_t *swap_alias(void *arg, json_t *node)
{
    unaliasing *u = arg;
    if (rdl_tree_class(node, "SUBQUERY") || is_aggregate_call(node))
        return node;
    if (!rdl_tree_class(node, "COLUMN_REF") ||
        json_array_size(json_object_get(node, "column_names")) != 1)
        return NULL;
    const char *name = rdl_tree_column_name(node);
    json_t *list = json_object_get(u->select, "select_list");
    for (size_t i = 0; i < u->items; i++) {
        json_t *item = json_array_get(list, i);
        if (strcasecmp(rdl_tree_text(item, "alias"), name) != 0 || rdl_tree_equal(item, node))
            continue;
        if ((u->first == COLUMN_FIRST && is_from_column(u, name)) ||
            (u->first == GROUP_FIRST && is_group(u->select, node)))
            return NULL;
        json_t *copy = rdl_tree_clone(&u->pl->tree, item);
        rdl_tree_alias(copy, rdl_tree_text(node, "alias"));
        return copy;
    }
    return NULL;
}

static void unalias_in(unaliasing *u, json_t *holder, const char *clause, preference first)
{
    json_t *was = json_object_get(holder, clause);
    u->first = first;
    json_t *now = rdl_tree_map(was, swap_alias, u);
    if (now != was)
        json_object_set(holder, clause, now);
}

static void unalias_items(unaliasing *u)
{
    json_t *list = json_object_get(u->select, "select_list");
    u->first = COLUMN_FIRST;
    for (size_t i = 0; i < json_array_size(list); i++) {
        u->items = i;
        json_t *item = json_array_get(list, i);
        json_t *now = rdl_tree_map(item, swap_alias, u);
        if (now != item)
            json_array_set(list, i, now);
    }
    u->items = json_array_size(list);
}

/* A group of its own text: no alias, and no constant, which GROUP BY reads as a position. */
static json_t *group_item(rdl_planner *pl, json_t *item, json_t *wrapped)
{
    json_t *copy = rdl_tree_clone(&pl->tree, item);
    rdl_tree_alias(copy, "");
    if (!rdl_tree_class(copy, "CONSTANT"))
        return copy;
    return rdl_tree_bind(&pl->tree, rdl_tree_clone(&pl->tree, wrapped), &copy, 1);
}

/* The select item that GROUP BY 2 means, or the group itself. */
static json_t *group_at(json_t *select, json_t *group)
{
    json_t *list = json_object_get(select, "select_list");
    json_t *value = json_object_get(group, "value");
    if (!rdl_tree_class(group, "CONSTANT") || !json_is_integer(json_object_get(value, "value")))
        return group;
    json_int_t at = json_integer_value(json_object_get(value, "value"));
    return at >= 1 && (size_t)at <= json_array_size(list) ? json_array_get(list, (size_t)at - 1)
                                                          : group;
}

static rdl_code spell_groups(rdl_planner *pl, json_t *select, bool all, rdl_err *err)
{
    const char *constant = "coalesce(\"$1\")";
    json_t *list = json_object_get(select, "select_list");
    json_t *written = json_object_get(select, "group_expressions");
    json_t *groups = rdl_tree_keep(&pl->tree, json_array()), *wrapped = NULL;
    RDL_TRY(rdl_tree_exprs(&pl->tree, &constant, 1, &wrapped, err));
    for (size_t i = 0; all && i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        if (rdl_plan_find_aggregate(item) == NULL && rdl_plan_find_window(item) == NULL &&
            rdl_tree_find_type(item, "COLUMN_REF") != NULL) /* as DuckDB: 'x' AS a is none */
            json_array_append(groups, group_item(pl, item, wrapped));
    }
    for (size_t i = 0; !all && i < json_array_size(written); i++)
        json_array_append(groups,
                          group_item(pl, group_at(select, json_array_get(written, i)), wrapped));
    json_t *set = json_array(), *sets = rdl_tree_keep(&pl->tree, json_array());
    for (size_t i = 0; i < json_array_size(groups); i++)
        json_array_append_new(set, json_integer((json_int_t)i));
    if (json_array_size(groups) > 0)
        json_array_append(sets, set);
    json_decref(set);
    json_object_set(select, "group_expressions", groups);
    json_object_set(select, "group_sets", sets);
    json_object_set_new(select, "aggregate_handling", json_string("STANDARD_HANDLING"));
    return RDL_OK;
}

static bool groups_by_all(const json_t *select)
{
    return strcmp(rdl_tree_text(select, "aggregate_handling"), "FORCE_AGGREGATES") == 0;
}

typedef struct stray {
    json_t *select, *found;
} stray;

static bool visit_stray(void *arg, json_t *node)
{
    stray *s = arg;
    if (s->found != NULL || rdl_tree_class(node, "SUBQUERY") || is_aggregate_call(node) ||
        (rdl_tree_has(node, "class") && is_group(s->select, node)))
        return false;
    if (rdl_tree_class(node, "COLUMN_REF"))
        s->found = node;
    return s->found == NULL;
}

/* DuckDB would group by this column too, and show groups of the SELECT twice. */
static void refuse_stray(rdl_planner *pl, json_t *select)
{
    stray s = {.select = select};
    rdl_tree_walk(json_object_get(select, "having"), visit_stray, &s);
    const char *name = s.found != NULL ? rdl_tree_column_name(s.found) : "";
    if (s.found != NULL)
        rdl_diag_add(pl->diags, RDL_DIAG_ERROR, rdl_plan_locate(pl->table, name),
                     "GROUP BY ALL groups by what SELECT shows: name the column there, or "
                     "aggregate it in HAVING.",
                     "column \"%s\" of HAVING is neither grouped nor aggregated", name);
}

/* The rules of DuckDB 1.5; tests/slt/text/names_that_are_both.slt holds us to its answers. */
static rdl_code spell(rdl_planner *pl, json_t *select, bool grouped, rdl_err *err)
{
    if (rdl_tree_has(select, spelled)) /* its names are columns by now, and no aliases */
        return RDL_OK;
    bool all = groups_by_all(select);
    json_object_set_new(select, spelled, json_true());
    unaliasing u = {.pl = pl, .select = select, .err = err};
    unalias_items(&u);
    unalias_in(&u, select, "where_clause", COLUMN_FIRST);
    unalias_in(&u, select, "group_expressions", COLUMN_FIRST);
    if (grouped)
        RDL_TRY(spell_groups(pl, select, all, err));
    unalias_in(&u, select, "having", all ? ALIAS_FIRST : GROUP_FIRST);
    if (all && grouped)
        refuse_stray(pl, select);
    unalias_in(&u, select, "qualify", COLUMN_FIRST);
    json_t *modifiers = json_object_get(select, "modifiers");
    for (size_t i = 0; i < json_array_size(modifiers); i++)
        unalias_in(&u, json_array_get(modifiers, i), "distinct_on_targets", ALIAS_FIRST);
    return u.rc;
}

/* SELECT DISTINCT a, b is GROUP BY 1, 2. */
static void group_distinct(rdl_planner *pl, json_t *select)
{
    json_t *modifiers = json_object_get(select, "modifiers");
    json_t *list = json_object_get(select, "select_list");
    bool star = rdl_tree_find_type(list, "STAR") != NULL;
    json_t *only = json_array_get(modifiers, 0);
    if (json_array_size(modifiers) != 1 || !rdl_tree_is(only, "DISTINCT_MODIFIER") ||
        rdl_tree_has(only, "distinct_on_targets") || star || rdl_plan_is_grouped(select) ||
        rdl_plan_is_windowed(select))
        return;
    json_array_clear(modifiers);
    json_t *groups = json_object_get(select, "group_expressions");
    for (size_t i = 0; i < json_array_size(list); i++)
        json_array_append(groups, rdl_tree_position(&pl->tree, i + 1));
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
    group_distinct(pl, select);
    bool grouped = rdl_plan_is_grouped(select);
    if (!grouped && !rdl_plan_is_windowed(select) && !rdl_tree_has(select, "modifiers"))
        return RDL_OK;
    if (json_array_size(json_object_get(select, "group_sets")) > 1) {
        rdl_plan_refuse(pl, "GROUP BY", NULL, "GROUPING SETS are recomputed whole");
        return RDL_OK;
    }
    return spell(pl, select, grouped, err);
}

rdl_code rdl_plan_plain_where(rdl_planner *pl, json_t *select, json_t **out, rdl_err *err)
{
    json_t *copy = rdl_tree_clone(&pl->tree, select);
    unaliasing u = {.pl = pl, .select = copy, .err = err};
    *out = NULL;
    if (!rdl_tree_has(select, "where_clause"))
        return RDL_OK;
    unalias_items(&u);
    unalias_in(&u, copy, "where_clause", COLUMN_FIRST);
    *out = json_object_get(copy, "where_clause");
    return u.rc;
}

static rdl_code spell_below(rdl_planner *pl, json_t *node, rdl_err *err)
{
    if (rdl_tree_is(node, "SET_OPERATION_NODE")) {
        RDL_TRY(spell_below(pl, json_object_get(node, "left"), err));
        return spell_below(pl, json_object_get(node, "right"), err);
    }
    if (rdl_tree_is(node, "JOIN")) {
        RDL_TRY(spell_below(pl, json_object_get(node, "left"), err));
        return spell_below(pl, json_object_get(node, "right"), err);
    }
    if (rdl_tree_is(node, "SUBQUERY"))
        return spell_below(pl, json_object_get(json_object_get(node, "subquery"), "node"), err);
    if (!rdl_tree_is(node, "SELECT_NODE"))
        return RDL_OK;
    RDL_TRY(spell_below(pl, json_object_get(node, "from_table"), err));
    return groups_by_all(node) && rdl_tree_has(node, "having") ? spell(pl, node, true, err)
                                                               : RDL_OK;
}

rdl_code rdl_plan_spell_having(rdl_planner *pl, json_t *query, rdl_err *err)
{
    return spell_below(pl, query, err);
}
