/*
 * lang/plan_incremental.c - a GROUP BY whose aggregates all merge: partial over the epoch's
 * changes, a native merge into keyed state, final over the touched groups.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

json_t *rdl_plan_select_keys(rdl_planner *pl, json_t *select, json_t *list, size_t keys)
{
    rdl_tree *tr = &pl->tree;
    json_t *copy = rdl_tree_clone(tr, select);
    json_t *groups = json_array(), *set = json_array(), *sets = json_array();
    for (size_t i = 0; i < keys; i++) {
        json_array_append(groups, rdl_tree_position(tr, i + 1));
        json_array_append_new(set, json_integer((json_int_t)i));
    }
    if (keys > 0)
        json_array_append(sets, set);
    json_decref(set);
    json_object_set(copy, "select_list", list);
    json_object_set_new(copy, "group_expressions", groups);
    json_object_set_new(copy, "group_sets", sets);
    json_object_set_new(copy, "modifiers", json_array());
    json_object_set_new(copy, "having", json_null());
    json_object_set_new(copy, "qualify", json_null());
    json_object_set_new(copy, "aggregate_handling", json_string("STANDARD_HANDLING"));
    return copy;
}

static bool visit_order(void *arg, json_t *node)
{
    static const char *const names[] = {
        "first",      "last",      "any_value",  "arbitrary",    "arg_min",      "arg_max",
        "argmin",     "argmax",    "min_by",     "max_by",       "arg_min_null", "arg_max_null",
        "list",       "array_agg", "string_agg", "group_concat", "listagg",      "json_group_array",
        "row_number", "ntile",     "lag",        "lead",         "first_value",  "last_value",
        "nth_value"};
    bool *found = arg;
    const char *name = rdl_tree_text(node, "function_name");
    for (size_t i = 0; !*found && name[0] != '\0' && i < sizeof names / sizeof *names; i++)
        *found = strcasecmp(name, names[i]) == 0;
    if (rdl_tree_class(node, "WINDOW") && (strstr(rdl_tree_text(node, "start"), "ROWS") != NULL ||
                                           strstr(rdl_tree_text(node, "end"), "ROWS") != NULL))
        *found = true;
    return !*found;
}

bool rdl_plan_needs_order(json_t *select)
{
    bool found = false;
    rdl_tree_walk(json_object_get(select, "select_list"), visit_order, &found);
    rdl_tree_walk(json_object_get(select, "having"), visit_order, &found);
    rdl_tree_walk(json_object_get(select, "qualify"), visit_order, &found);
    return found;
}

void rdl_plan_prove_key(rdl_planner *pl, json_t *select)
{
    rdl_table *t = pl->table;
    json_t *groups = json_object_get(select, "group_expressions");
    json_t *items = json_object_get(select, "select_list");
    size_t n = json_array_size(groups);
    if (t->primary_key_count > 0 || n == 0 || json_array_size(items) != t->columns.n)
        return;
    size_t *key = RDL_NEWN(pl->arena, size_t, n);
    for (size_t g = 0; g < n; g++) {
        size_t i = 0;
        while (i < json_array_size(items) &&
               !rdl_tree_equal(json_array_get(items, i), json_array_get(groups, g)))
            i++;
        if (i == json_array_size(items))
            return;
        key[g] = i;
    }
    t->primary_key = key;
    t->primary_key_count = n;
}

/* Group expressions and aggregate calls, replaced by what the states relation has. */
typedef struct finishing {
    rdl_planner *pl;
    json_t *groups;
    json_t **keys; /* by group */
    const rdl_decomposed *parts;
} finishing;

static json_t *swap_final(void *arg, json_t *node)
{
    const finishing *f = arg;
    json_t *with = NULL;
    if (!rdl_tree_has(node, "class"))
        return NULL;
    for (size_t i = 0; with == NULL && i < json_array_size(f->groups); i++)
        if (rdl_tree_equal(json_array_get(f->groups, i), node))
            with = f->keys[i];
    for (size_t i = 0; with == NULL && i < f->parts->calls.n; i++)
        if (rdl_tree_equal(f->parts->calls.v[i], node))
            with = f->parts->finals.v[i];
    if (with == NULL && rdl_tree_class(node, "COLUMN_REF"))
        rdl_plan_refuse(f->pl, rdl_tree_column_name(node), NULL,
                        "column %s is neither grouped nor aggregated as written",
                        rdl_tree_column_name(node));
    if (with == NULL)
        return NULL;
    json_t *copy = rdl_tree_clone(&f->pl->tree, with);
    rdl_tree_alias(copy, rdl_tree_text(node, "alias"));
    return copy;
}

/* k0.. in their closed types: casts for the partial, and back for the final. */
typedef struct key_texts {
    json_t **in, **out; /* by group */
} key_texts;

static rdl_code plan_keys(rdl_planner *pl, rdl_view_plan *plan, json_t *select, key_texts *keys,
                          rdl_err *err)
{
    json_t *groups = json_object_get(select, "group_expressions");
    size_t n = json_array_size(groups);
    json_t **exprs = RDL_NEWN(pl->arena, json_t *, n + 1);
    const char **types = RDL_NEWN(pl->arena, const char *, n + 1);
    const char **texts = RDL_NEWN(pl->arena, const char *, 2 * n + 1);
    json_t **trees = RDL_NEWN(pl->arena, json_t *, 2 * n + 1);
    plan->key_types = RDL_NEWN(pl->arena, const rdl_type *, n + 1);
    plan->key_count = n;
    for (size_t i = 0; i < n; i++)
        exprs[i] = json_array_get(groups, i);
    RDL_TRY(rdl_plan_types(pl, select, exprs, n, types, err));
    for (size_t i = 0; i < n; i++) {
        const rdl_type *t = rdl_plan_closed_type(pl, types[i]);
        if (t == NULL) {
            rdl_plan_refuse(pl, "GROUP BY", NULL, "a group key is of the type %s",
                            types[i][0] != '\0' ? types[i] : "unknown");
            return RDL_OK;
        }
        rdl_buf b = {0};
        rdl_type_print(t, &b);
        plan->key_types[i] = t;
        texts[2 * i] =
            rdl_arena_printf(pl->arena, "CAST(\"$1\" AS %s) AS k%zu", rdl_buf_str(&b), i);
        texts[2 * i + 1] = rdl_arena_printf(pl->arena, "CAST(k%zu AS %s)", i, types[i]);
        rdl_buf_fini(&b);
    }
    RDL_TRY(rdl_tree_exprs(&pl->tree, texts, 2 * n, trees, err));
    keys->in = RDL_NEWN(pl->arena, json_t *, n + 1);
    keys->out = RDL_NEWN(pl->arena, json_t *, n + 1);
    for (size_t i = 0; i < n; i++) {
        keys->in[i] = rdl_tree_bind(&pl->tree, trees[2 * i], &exprs[i], 1);
        keys->out[i] = trees[2 * i + 1];
    }
    return RDL_OK;
}

/* The partial query of one view; select's FROM is not threaded yet. */
typedef struct partial {
    rdl_planner *pl;
    rdl_view_plan *plan;
    json_t *select, *list; /* k0.., n, s0.. */
    rdl_thread_identity identity;
    bool keys_alone;
} partial;

static rdl_code partial_at(void *arg, size_t step, bool after, rdl_str *out, rdl_err *err)
{
    const partial *p = arg;
    rdl_planner *pl = p->pl;
    bool repeats;
    json_t *list = p->list;
    if (p->keys_alone) {
        list = rdl_tree_keep(&pl->tree, json_array());
        for (size_t i = 0; i < p->plan->key_count; i++)
            json_array_append(list, json_array_get(p->list, i));
    }
    json_t *query = rdl_plan_select_keys(pl, p->select, list, p->plan->key_count);
    rdl_thread th = {.pl = pl,
                     .driving = p->plan->driving,
                     .prefix = rdl_moving_stand(pl, query, step, after),
                     .identity = p->identity};
    RDL_TRY(rdl_plan_thread_bottom(&th, query, 0, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    rdl_plan_read_all(pl, query);
    return p->keys_alone ? rdl_tree_print(&pl->tree, query, out, err)
                         : rdl_plan_spread(pl, p->select, query, out, &repeats, err);
}

/* partial_all_sql over the rows of touched groups alone. */
static rdl_code plan_touched_partial(const partial *p, rdl_err *err)
{
    rdl_planner *pl = p->pl;
    bool repeats;
    json_t *query = rdl_plan_select_keys(pl, p->select, p->list, p->plan->key_count);
    json_t **keys = RDL_NEWN(pl->arena, json_t *, p->plan->key_count + 1);
    for (size_t i = 0; i < p->plan->key_count; i++) {
        keys[i] = rdl_tree_clone(&pl->tree, json_array_get(p->list, i));
        rdl_tree_alias(keys[i], "");
    }
    rdl_thread th = {
        .pl = pl, .driving = p->plan->driving, .prefix = "all:", .identity = p->identity};
    RDL_TRY(rdl_plan_thread_bottom(&th, query, 0, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    rdl_plan_read_all(pl, query);
    RDL_TRY(rdl_plan_restrict_from(pl, query, keys, p->plan->key_count, err));
    return rdl_plan_spread(pl, p->select, query, &p->plan->partial_touched_sql, &repeats, err);
}

/* What a moving input changes; where slots cannot take rows back, which groups it touches. */
static rdl_code plan_partial_steps(partial *p, rdl_err *err)
{
    RDL_TRY(rdl_plan_steps(p->pl, p->plan, partial_at, p, err));
    if (p->plan->may_subtract || !rdl_plan_steps_lose(p->plan))
        return RDL_OK;
    if (p->plan->key_count == 0 || rdl_tree_find_call(p->select, "unnest") != NULL) {
        p->plan->step_count = 0; /* one group, or lists: computed again whole */
        p->plan->rebuild_why =
            RDL_STR("min, max, first and the like cannot take back the rows that "
                    "such a change takes away");
        if (rdl_plan_stream_count(p->pl) > 1)
            rdl_plan_refuse(p->pl, "STREAM", NULL,
                            "two streams drive it, and an aggregate cannot take back the rows "
                            "that their join takes away");
        return RDL_OK;
    }
    p->keys_alone = true;
    RDL_TRY(rdl_plan_steps(p->pl, p->plan, partial_at, p, err));
    return p->pl->refusal.why == NULL ? plan_touched_partial(p, err) : RDL_OK;
}

static rdl_code plan_partial(rdl_planner *pl, rdl_view_plan *plan, json_t *select,
                             const key_texts *keys, const rdl_decomposed *parts,
                             rdl_thread_identity identity, rdl_err *err)
{
    json_t *list = rdl_tree_keep(&pl->tree, json_array());
    json_t *count = rdl_tree_call(&pl->tree, "count_star", rdl_tree_keep(&pl->tree, json_array()));
    rdl_tree_alias(count, "n");
    for (size_t i = 0; i < plan->key_count; i++)
        json_array_append(list, keys->in[i]);
    json_array_append(list, count);
    for (size_t i = 0; i < parts->slot_exprs.n; i++) {
        rdl_tree_alias(parts->slot_exprs.v[i], rdl_arena_printf(pl->arena, "s%zu", i));
        json_array_append(list, parts->slot_exprs.v[i]);
    }
    json_t *query = rdl_plan_select_keys(pl, select, list, plan->key_count);
    rdl_thread th = {.pl = pl, .driving = plan->driving, .prefix = "new:", .identity = identity};
    RDL_TRY(rdl_plan_thread_bottom(&th, query, 0, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    rdl_plan_read_all(pl, query);
    RDL_TRY(
        rdl_plan_spread(pl, select, query, &plan->partial_new_sql, &plan->partial_repeats, err));
    plan->partial_old_sql =
        rdl_plan_retarget(pl, plan->partial_new_sql, "new:", "old:", plan->driving);
    plan->partial_all_sql =
        rdl_plan_retarget(pl, plan->partial_new_sql, "new:", "all:", plan->driving);
    partial p = {.pl = pl, .plan = plan, .select = select, .list = list, .identity = identity};
    return plan_partial_steps(&p, err);
}

static rdl_code plan_final(rdl_planner *pl, rdl_view_plan *plan, json_t *select,
                           const key_texts *keys, const rdl_decomposed *parts, rdl_err *err)
{
    const rdl_table *t = pl->table;
    finishing f = {.pl = pl,
                   .groups = json_object_get(select, "group_expressions"),
                   .keys = keys->out,
                   .parts = parts};
    json_t *list = rdl_tree_clone(&pl->tree, json_object_get(select, "select_list"));
    json_t *having = rdl_tree_clone(&pl->tree, json_object_get(select, "having"));
    rdl_tree_map(list, swap_final, &f);
    having = rdl_tree_map(having, swap_final, &f);
    if (pl->refusal.why != NULL)
        return RDL_OK;
    const char *states = rdl_arena_printf(pl->arena, "states:%.*s", (int)t->full.n, t->full.p);
    json_t *query = rdl_tree_select(&pl->tree, rdl_tree_table(&pl->tree, "e", states));
    for (size_t i = 0; i < json_array_size(list); i++)
        rdl_tree_alias(json_array_get(list, i), rdl_arena_strndup(pl->arena, t->columns.v[i].name.p,
                                                                  t->columns.v[i].name.n));
    json_object_set(query, "select_list", list);
    json_object_set(query, "where_clause", having);
    rdl_str text;
    RDL_TRY(rdl_tree_print(&pl->tree, query, &text, err));
    plan->final_sql = rdl_plan_cast_columns(pl, text);
    json_t *was = rdl_tree_column(&pl->tree, NULL, "_was");
    rdl_tree_alias(was, "_was");
    json_array_append(list, was);
    RDL_TRY(rdl_tree_print(&pl->tree, query, &text, err));
    plan->marked_sql = rdl_plan_cast_columns_and(pl, text, "_was");
    return RDL_OK;
}

static void take_slots(rdl_view_plan *plan, const rdl_decomposed *parts)
{
    plan->slots = parts->slots.v;
    plan->slot_count = parts->slots.n;
    plan->may_subtract = true;
    for (size_t i = 0; i < plan->slot_count; i++)
        if (plan->slots[i].kind == RDL_SLOT_MIN || plan->slots[i].kind == RDL_SLOT_MAX)
            plan->may_subtract = false;
}

rdl_code rdl_plan_incremental(rdl_planner *pl, rdl_view_plan *plan, json_t *select,
                              rdl_thread_identity identity, rdl_err *err)
{
    json_t *items = json_object_get(select, "select_list");
    json_t *having = json_object_get(select, "having");
    if (json_array_size(items) != pl->table->columns.n)
        rdl_plan_refuse(pl, "*", NULL, "a star stands beside aggregates");
    if (rdl_tree_find_type(items, "SUBQUERY") != NULL ||
        rdl_tree_find_type(having, "SUBQUERY") != NULL)
        rdl_plan_refuse(pl, "SELECT", NULL, "a subquery stands beside aggregates");
    if (pl->refusal.why != NULL)
        return RDL_OK;
    size_t n = json_array_size(items);
    json_t **exprs = RDL_NEWN(pl->arena, json_t *, n + 1);
    for (size_t i = 0; i < n; i++)
        exprs[i] = json_array_get(items, i);
    exprs[n] = having;
    const char *const *names;
    size_t name_count = rdl_thread_columns(identity, &names);
    rdl_decomposed parts = {0};
    key_texts keys = {0};
    RDL_TRY(rdl_plan_decompose(pl, select, exprs, n + 1, names, name_count, &parts, err));
    if (pl->refusal.why == NULL)
        RDL_TRY(plan_keys(pl, plan, select, &keys, err));
    if (pl->refusal.why == NULL)
        RDL_TRY(plan_final(pl, plan, select, &keys, &parts, err));
    take_slots(plan, &parts);
    return pl->refusal.why == NULL ? plan_partial(pl, plan, select, &keys, &parts, identity, err)
                                   : RDL_OK;
}
