/*
 * lang/plan_aggregate.c - the aggregates of a SELECT as slots that merge (plan_recipe.h).
 */
#include "lang/plan_recipe.h"

#include <string.h>

static size_t slot_index(rdl_planner *pl, rdl_decomposed *d, const rdl_slot *slot, json_t *expr)
{
    for (size_t i = 0; i < d->slot_exprs.n; i++)
        if (d->slots.v[i].kind == slot->kind && rdl_tree_equal(d->slot_exprs.v[i], expr))
            return i;
    RDL_PUSH(pl->arena, &d->slots) = *slot;
    RDL_PUSH(pl->arena, &d->slot_exprs) = expr;
    return d->slot_exprs.n - 1;
}

static void refuse_call(rdl_planner *pl, const rdl_recipe *r)
{
    const char *name = rdl_tree_text(r->call, "function_name");
    rdl_str text = RDL_STR("");
    rdl_err ignored = {0};
    json_t *copy = rdl_tree_keep(&pl->tree, json_copy(r->call));
    rdl_tree_alias(copy, "");
    json_t *query = NULL;
    if (rdl_tree_parse(&pl->tree, "SELECT 1", &query, &ignored) == RDL_OK) {
        json_array_set(json_object_get(query, "select_list"), 0, copy);
        if (rdl_tree_print(&pl->tree, query, &text, &ignored) == RDL_OK)
            text = (rdl_str){text.p + strlen("SELECT "), text.n - strlen("SELECT ")};
    }
    bool more = r->refusal[0] != '\0';
    rdl_plan_refuse(pl, name, NULL, "%s is not decomposable%s%s", text.n > 0 ? text.p : name,
                    more ? ": " : "", more ? r->refusal : "");
}

/* Parse all slot and final texts at once, then bind them per call. */
static rdl_code serve(rdl_planner *pl, rdl_recipes *g, rdl_decomposed *out, rdl_err *err)
{
    RDL_VEC(const char *) texts = {0};
    for (size_t i = 0; i < g->list.n; i++) {
        for (size_t s = 0; s < g->list.v[i].slot_count; s++)
            RDL_PUSH(pl->arena, &texts) = g->list.v[i].slots[s];
        RDL_PUSH(pl->arena, &texts) = g->list.v[i].final;
    }
    json_t **trees = RDL_NEWN(pl->arena, json_t *, texts.n + 1);
    RDL_TRY(rdl_tree_exprs(&pl->tree, texts.v, texts.n, trees, err));
    size_t at = 0;
    for (size_t i = 0; i < g->list.n; i++) {
        const rdl_recipe *r = &g->list.v[i];
        json_t *refs[RDL_RECIPE_SLOTS_MAX] = {0};
        for (size_t s = 0; s < r->slot_count; s++) {
            rdl_slot slot = {.kind = r->kinds[s], .type = r->slot_types[s]};
            size_t k = slot_index(pl, out, &slot, rdl_recipe_dress(pl, trees[at++], r));
            refs[s] = rdl_tree_column(&pl->tree, NULL, rdl_arena_printf(pl->arena, "s%zu", k));
        }
        RDL_PUSH(pl->arena, &out->calls) = r->call;
        RDL_PUSH(pl->arena, &out->finals) =
            rdl_tree_bind(&pl->tree, trees[at++], refs, r->slot_count);
    }
    return RDL_OK;
}

rdl_code rdl_plan_decompose(rdl_planner *pl, json_t *select, json_t *const *exprs, size_t n,
                            const char *const *identity, size_t identity_count, rdl_decomposed *out,
                            rdl_err *err)
{
    rdl_recipes g = {.arena = pl->arena};
    for (size_t i = 0; i < n; i++)
        rdl_recipes_gather(&g, exprs[i]);
    RDL_TRY(rdl_recipes_ask_types(pl, select, &g, err));
    for (size_t i = 0; i < g.list.n; i++) {
        rdl_recipe_cook(pl, &g.list.v[i], identity, identity_count);
        if (g.list.v[i].refusal != NULL)
            refuse_call(pl, &g.list.v[i]);
    }
    return pl->refusal.why != NULL ? RDL_OK : serve(pl, &g, out, err);
}
