/*
 * lang/plan_calls.c - which function calls fold rows, and where they stand.
 */
#include "lang/plan_internal.h"

#include <stdlib.h>
#include <strings.h>

/* Sorted, for bsearch.  All aggregates of DuckDB 1.5 and ours. */
/* clang-format off */
static const char *const aggregate_names[] = {
    "any_value", "approx_count_distinct", "approx_quantile", "approx_top_k", "arbitrary", "arg_max",
    "arg_max_null", "arg_max_nulls_last", "arg_min", "arg_min_null", "arg_min_nulls_last", "argmax",
    "argmin", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bitstring_agg", "bool_and",
    "bool_or", "corr", "count", "count_if", "count_star", "countif", "covar_pop", "covar_samp",
    "entropy", "favg", "first", "fsum", "geomean", "geometric_mean", "group_concat", "histogram",
    "histogram_exact", "json_group_array", "json_group_object", "json_group_structure", "kahan_sum",
    "kurtosis", "kurtosis_pop", "last", "list", "listagg", "mad", "max", "max_by", "mean", "median",
    "min", "min_by", "mode", "product", "quantile", "quantile_cont", "quantile_disc", "rdl_avg",
    "rdl_square_state", "rdl_stddev_pop", "rdl_stddev_samp", "rdl_sum", "rdl_sum_state",
    "rdl_var_pop", "rdl_var_samp", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept",
    "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "reservoir_quantile", "sem",
    "skewness", "stddev", "stddev_pop", "stddev_samp", "string_agg", "sum", "sum_no_overflow",
    "sumkahan", "var_pop", "var_samp", "variance", "wavg", "weighted_avg"};
/* clang-format on */

static int compare_names(const void *a, const void *b)
{
    return strcasecmp(a, *(const char *const *)b);
}

bool rdl_plan_is_aggregate(const char *function)
{
    return bsearch(function, aggregate_names, sizeof aggregate_names / sizeof *aggregate_names,
                   sizeof *aggregate_names, compare_names) != NULL;
}

typedef struct search {
    bool window;
    json_t *found;
} search;

static bool visit_search(void *arg, json_t *node)
{
    search *s = arg;
    if (s->found != NULL || rdl_tree_class(node, "SUBQUERY"))
        return false;
    if (rdl_tree_class(node, "WINDOW")) {
        if (s->window)
            s->found = node;
        return !s->window; /* sum(sum(x)) OVER (): the inner one is an aggregate */
    }
    if (!s->window && rdl_tree_class(node, "FUNCTION") &&
        rdl_plan_is_aggregate(rdl_tree_text(node, "function_name")))
        s->found = node;
    return s->found == NULL;
}

json_t *rdl_plan_find_aggregate(json_t *expr)
{
    search s = {0};
    rdl_tree_walk(expr, visit_search, &s);
    return s.found;
}

json_t *rdl_plan_find_window(json_t *expr)
{
    search s = {.window = true};
    rdl_tree_walk(expr, visit_search, &s);
    return s.found;
}
