/*
 * lang/plan_recipe.h - what one aggregate call is made of.
 *
 * A recipe says, for one call, which slots the keyed state keeps (computed by the partial
 * text), how the value comes from the merged slots, and what the batch text computes
 * instead of the call; both routes give the same bits.  Choices among ties (first, last,
 * any_value, arg_min, arg_max) are the least or greatest of a struct
 *
 *     {a0 BOOLEAN, b0, ..., i0.., v}
 *
 * of order keys with their null flags (a, b), row identity (i) and value (v),
 * so that the earliest row (last: the latest) in arrival order wins, in any order of
 * reading.
 *
 * In recipe texts "$1", "$2", ... are the call's arguments, then its ORDER BY expressions.
 *
 * Thread: the planner's.  What is made lives in the planner's arena and trees.
 */
#ifndef RDL_LANG_PLAN_RECIPE_H
#define RDL_LANG_PLAN_RECIPE_H

#include "lang/plan_internal.h"

enum { RDL_RECIPE_ARGS_MAX = 16, RDL_RECIPE_SLOTS_MAX = 3 };

typedef struct rdl_recipe {
    json_t *call;
    json_t *args[RDL_RECIPE_ARGS_MAX]; /* arguments, then ORDER BY expressions */
    const char *types[RDL_RECIPE_ARGS_MAX];
    size_t arg_count, order_count;
    const char *result_type; /* DuckDB's, of the call as written */
    const char *slots[RDL_RECIPE_SLOTS_MAX];
    rdl_slot_kind kinds[RDL_RECIPE_SLOTS_MAX];
    const rdl_type *slot_types[RDL_RECIPE_SLOTS_MAX];
    size_t slot_count;
    const char *final;   /* over "$1".. = the slots; a bare n is the group's row count */
    const char *batch;   /* NULL: the call as it is */
    bool order_args;     /* batch: ORDER BY its own arguments makes it reproducible */
    const char *refusal; /* why no slots merge into it; "": nothing to add; NULL: they do */
} rdl_recipe;

/* The aggregate calls of some expressions, equal ones once. */
typedef struct rdl_recipes {
    rdl_arena *arena;
    RDL_VEC(rdl_recipe) list;
} rdl_recipes;

/* The calls below node, subqueries left out. */
void rdl_recipes_gather(rdl_recipes *g, json_t *node);
/* The types of their arguments in the scope of select's FROM, and of their results. */
RDL_MUST rdl_code rdl_recipes_ask_types(rdl_planner *pl, json_t *select, rdl_recipes *g,
                                        rdl_err *err);
/* Slots, final and batch of a call whose types are known; the identity columns break ties. */
void rdl_recipe_cook(rdl_planner *pl, rdl_recipe *r, const char *const *identity, size_t n);
/* A parsed slot or batch text with the call's arguments in their places, its FILTER and DISTINCT
 * passed on. */
json_t *rdl_recipe_dress(rdl_planner *pl, json_t *expr, const rdl_recipe *r);

bool rdl_plan_one_of(const char *name,
                     const char *const *list); /* NULL ends the list; in any case */
bool rdl_aggregate_adds(const char *function); /* a sum or a mean */
/* The same whatever the order of rows, as DuckDB has it. */
bool rdl_aggregate_is_order_free(const char *function);
/* Whether values of this DuckDB type add up to the same in any order. */
bool rdl_type_adds_exactly(const char *duck_type);

#endif
