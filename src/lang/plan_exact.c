/*
 * lang/plan_exact.c - batch texts whose answers depend on no order: aggregates that add doubles or
 * choose among ties become ours (plan_recipe.h), what is left folds its values in an order of their
 * own.
 */
#include "lang/plan_recipe.h"

#include <string.h>

/* ---- calls ---- */

static void put_order(json_t *orders, json_t *expr)
{
    json_array_append_new(orders, json_pack("{s:s, s:s, s:O}", "type", "ORDER_DEFAULT",
                                            "null_order", "ORDER_DEFAULT", "expression", expr));
}

static void put_identity(rdl_planner *pl, json_t *orders, const char *const *identity, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_order(orders, rdl_tree_column(&pl->tree, NULL, identity[i]));
}

/* What call folds comes by row identity, then by the values of its own arguments. */
static void fold_in_order(rdl_planner *pl, json_t *call, json_t *orders,
                          const char *const *identity, size_t n)
{
    json_t *args = json_object_get(call, "children");
    if (!rdl_tree_has(call, "distinct"))
        put_identity(pl, orders, identity, n);
    for (size_t i = 0; i < json_array_size(args); i++)
        if (!rdl_tree_class(json_array_get(args, i), "CONSTANT"))
            put_order(orders, rdl_tree_clone(&pl->tree, json_array_get(args, i)));
}

typedef struct replacing {
    const rdl_recipes *g;
    json_t **batch; /* by recipe; NULL: leave it */
    rdl_planner *pl;
    const char *const *identity;
    size_t identity_count;
} replacing;

static json_t *swap_exact(void *arg, json_t *node)
{
    const replacing *re = arg;
    if (rdl_tree_class(node, "SUBQUERY"))
        return node;
    if (!rdl_tree_class(node, "FUNCTION"))
        return NULL;
    for (size_t i = 0; i < re->g->list.n; i++) {
        const rdl_recipe *r = &re->g->list.v[i];
        if (!rdl_tree_equal(r->call, node))
            continue;
        if (re->batch[i] == NULL) {
            json_t *orders = json_object_get(json_object_get(node, "order_bys"), "orders");
            if (r->order_args && orders != NULL && r->arg_count > 0)
                fold_in_order(re->pl, node, orders, re->identity, re->identity_count);
            return node;
        }
        json_t *copy = rdl_tree_clone(&re->pl->tree, re->batch[i]);
        rdl_tree_alias(copy, rdl_tree_text(node, "alias"));
        return copy;
    }
    return NULL;
}

/* The clauses of a SELECT in which its own aggregates stand. */
static const char *const clauses[] = {"select_list", "having", "qualify", "modifiers"};

static rdl_code exact_calls(rdl_planner *pl, json_t *select, const char *const *identity, size_t n,
                            rdl_err *err)
{
    rdl_recipes g = {.arena = pl->arena};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        rdl_recipes_gather(&g, json_object_get(select, clauses[i]));
    if (g.list.n == 0)
        return RDL_OK;
    RDL_TRY(rdl_recipes_ask_types(pl, select, &g, err));
    const char **texts = RDL_NEWN(pl->arena, const char *, g.list.n);
    json_t **trees = RDL_NEWN(pl->arena, json_t *, g.list.n);
    json_t **batch = RDL_NEWN(pl->arena, json_t *, g.list.n);
    size_t count = 0;
    for (size_t i = 0; i < g.list.n; i++) {
        rdl_recipe *r = &g.list.v[i];
        /* The call's text is matched after it is planned: args are copies from here on. */
        r->call = rdl_tree_clone(&pl->tree, r->call);
        rdl_recipe_cook(pl, r, identity, n);
        if (r->batch != NULL)
            texts[count++] = r->batch;
    }
    RDL_TRY(rdl_tree_exprs(&pl->tree, texts, count, trees, err));
    count = 0;
    for (size_t i = 0; i < g.list.n; i++)
        if (g.list.v[i].batch != NULL)
            batch[i] = rdl_recipe_dress(pl, trees[count++], &g.list.v[i]);
    replacing re = {&g, batch, pl, identity, n};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        rdl_tree_map(json_object_get(select, clauses[i]), swap_exact, &re);
    return RDL_OK;
}

/* ---- windows ---- */

typedef struct node_list {
    rdl_arena *arena;
    RDL_VEC(json_t *) list;
} node_list;

static bool visit_windows(void *arg, json_t *node)
{
    node_list *found = arg;
    if (rdl_tree_class(node, "SUBQUERY"))
        return false;
    if (rdl_tree_class(node, "WINDOW"))
        RDL_PUSH(found->arena, &found->list) = node;
    return true;
}

/* Ties in a window's ORDER BY are broken by row identity where the answer depends on them.
 */
static void break_window_ties(rdl_planner *pl, json_t *window, const char *const *identity,
                              size_t n)
{
    static const char *const by_row[] = {"row_number", "ntile", "lag", "lead", "first_value", NULL};
    const char *start = rdl_tree_text(window, "start"), *end = rdl_tree_text(window, "end");
    bool rows = strstr(start, "ROWS") != NULL || strstr(end, "ROWS") != NULL;
    if (!rows && !rdl_plan_one_of(rdl_tree_text(window, "function_name"), by_row))
        return;
    put_identity(pl, json_object_get(window, "orders"), identity, n);
}

static bool keeps_order(const char *name)
{
    static const char *const names[] = {"list",      "array_agg", "string_agg", "group_concat",
                                        "listagg",   "first",     "last",       "any_value",
                                        "arbitrary", "arg_min",   "arg_max",    "argmin",
                                        "argmax",    "min_by",    "max_by",     NULL};
    return rdl_plan_one_of(name, names);
}

/*
 * Our aggregates cannot stand in windows (DuckDB hands C aggregates one state for many rows
 * there), so a fold over a whole partition is made reproducible by the order of its own
 * values.
 */
static rdl_code exact_windows(rdl_planner *pl, json_t *select, const char *const *identity,
                              size_t n, rdl_err *err)
{
    node_list found = {.arena = pl->arena};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        rdl_tree_walk(json_object_get(select, clauses[i]), visit_windows, &found);
    for (size_t i = 0; i < found.list.n; i++) {
        json_t *window = found.list.v[i];
        json_t *children = json_object_get(window, "children");
        const char *name = rdl_tree_text(window, "function_name");
        break_window_ties(pl, window, identity, n);
        if (!rdl_tree_is(window, "WINDOW_AGGREGATE") || rdl_tree_has(window, "orders") ||
            rdl_tree_has(window, "arg_orders") || rdl_aggregate_is_order_free(name) ||
            json_array_size(children) == 0)
            continue;
        json_t *arg = json_array_get(children, 0);
        const char *type = "";
        if (rdl_aggregate_adds(name))
            RDL_TRY(rdl_plan_types(pl, select, &arg, 1, &type, err));
        if (!rdl_type_adds_exactly(type))
            fold_in_order(pl, window, json_object_get(window, "arg_orders"), identity,
                          keeps_order(name) ? n : 0);
    }
    return RDL_OK;
}

/* ---- all over a query ---- */

static bool visit_selects(void *arg, json_t *node)
{
    node_list *found = arg;
    if (rdl_tree_is(node, "SELECT_NODE"))
        RDL_PUSH(found->arena, &found->list) = node;
    return true;
}

rdl_code rdl_plan_exact(rdl_planner *pl, json_t *query, json_t *bottom, const char *const *identity,
                        size_t identity_count, rdl_err *err)
{
    node_list selects = {.arena = pl->arena};
    rdl_tree_walk(query, visit_selects, &selects);
    for (size_t i = 0; i < selects.list.n; i++) {
        json_t *select = selects.list.v[i];
        size_t n = select == bottom ? identity_count : 0;
        bool grouped = rdl_tree_has(select, "group_expressions") ||
                       strcmp(rdl_tree_text(select, "aggregate_handling"), "FORCE_AGGREGATES") == 0;
        RDL_TRY(exact_windows(pl, select, identity, grouped ? 0 : n, err));
        RDL_TRY(exact_calls(pl, select, identity, n, err));
    }
    return RDL_OK;
}
