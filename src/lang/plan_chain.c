/*
 * lang/plan_chain.c - the way from a view's outermost SELECT down to its driving table.
 *
 * Level 0 is the outermost SELECT; level i + 1 is the subquery in the FROM of level i that
 * holds the driving table.  The lowest level that folds rows (groups, windows, DISTINCT) is
 * the one whose FROM is read by row; everything above it works on whole groups.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

static bool folds(json_t *select)
{
    return rdl_plan_is_grouped(select) || rdl_plan_is_windowed(select) ||
           rdl_tree_has(select, "modifiers");
}

/* The table reference that holds the driving table below a FROM, joins walked through. */
static json_t *holder(const rdl_thread *th, json_t *ref)
{
    while (rdl_tree_is(ref, "JOIN")) {
        json_t *left = json_object_get(ref, "left");
        ref = rdl_thread_holds(th, left) ? left : json_object_get(ref, "right");
    }
    return ref;
}

bool rdl_plan_chain(const rdl_thread *th, json_t *query, rdl_chain *out)
{
    *out = (rdl_chain){.bottom = -1};
    for (json_t *node = query;;) {
        if (!rdl_tree_is(node, "SELECT_NODE") || out->n == RDL_CHAIN_MAX)
            return false;
        json_t *from = json_object_get(node, "from_table");
        if (!rdl_thread_holds(th, from))
            return false;
        json_t *ref = holder(th, from);
        out->level[out->n] = node;
        out->ref[out->n] = ref;
        if (folds(node))
            out->bottom = (int)out->n;
        out->n++;
        if (!rdl_tree_is(ref, "SUBQUERY"))
            return rdl_tree_is(ref, "BASE_TABLE");
        node = json_object_get(json_object_get(ref, "subquery"), "node");
    }
}

static size_t count_driving(const rdl_thread *th, json_t *node)
{
    rdl_thread one = *th;
    size_t n = 0;
    if (json_is_object(node)) {
        if (rdl_tree_is(node, "BASE_TABLE"))
            return rdl_thread_holds(&one, node) ? 1 : 0;
        const char *key;
        json_t *value;
        json_object_foreach(node, key, value) n += count_driving(th, value);
    } else if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++)
            n += count_driving(th, json_array_get(node, i));
    }
    return n;
}

size_t rdl_plan_count_driving(const rdl_thread *th, json_t *query)
{
    return count_driving(th, query);
}

rdl_code rdl_plan_thread_bottom(rdl_thread *th, json_t *query, int bottom, rdl_err *err)
{
    rdl_chain chain;
    if (!rdl_plan_chain(th, query, &chain))
        return rdl_err_set(err, RDL_EBUG, 0, "could not find the driving input again");
    json_t *select = chain.level[bottom];
    json_t *from = json_object_get(select, "from_table");
    json_t *exclude = rdl_tree_keep(&th->pl->tree, json_array());
    const char *name = rdl_arena_strdup(th->pl->arena, rdl_plan_ref_name(chain.ref[bottom]));
    RDL_TRY(rdl_thread_from(th, &from, exclude, err));
    json_object_set(select, "from_table", from);
    rdl_thread_hide(select, exclude, name);
    return RDL_OK;
}
