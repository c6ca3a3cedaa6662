/*
 * lang/plan_bounds.c - what a report's WHERE says of its tables' columns, for leaving out files.
 *
 * Taken are conjuncts `column op value` of a SELECT that reads the table itself, where the value
 * needs no row: a constant, a parameter, a function of these.  A table that the body reads more
 * than once gets none: the readings need different rows.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

typedef struct bounding {
    rdl_planner *pl;
    RDL_VEC(rdl_report_bound) list;
    size_t *reads; /* by input */
} bounding;

static bool count_reads(void *arg, json_t *node)
{
    bounding *b = arg;
    const rdl_input *in = rdl_plan_input_of(b->pl, node);
    if (in != NULL)
        b->reads[in - b->pl->table->inputs]++;
    return true;
}

static bool is_constant(json_t *expr)
{
    return rdl_tree_find_type(expr, "COLUMN_REF") == NULL &&
           rdl_tree_find_type(expr, "SUBQUERY") == NULL &&
           rdl_tree_find_type(expr, "STAR") == NULL && rdl_plan_find_aggregate(expr) == NULL;
}

/* The base table that a column belongs to, and its index there; NULL when it is not plain. */
static const rdl_input *column_of(bounding *b, json_t *from, const json_t *expr, size_t *out)
{
    const json_t *names = json_object_get(expr, "column_names");
    size_t n = json_array_size(names);
    if (!rdl_tree_class(expr, "COLUMN_REF") || n == 0 || n > 2)
        return NULL;
    if (rdl_tree_is(from, "JOIN")) {
        const rdl_input *in = column_of(b, json_object_get(from, "left"), expr, out);
        return n < 2        ? NULL
               : in != NULL ? in
                            : column_of(b, json_object_get(from, "right"), expr, out);
    }
    const rdl_input *in = rdl_plan_input_of(b->pl, from);
    if (in == NULL || rdl_tree_has(from, "column_name_alias"))
        return NULL;
    if (n == 2 &&
        strcasecmp(json_string_value(json_array_get(names, 0)), rdl_plan_ref_name(from)) != 0)
        return NULL;
    int at = rdl_schema_find(&in->table->columns, rdl_str_of(rdl_tree_column_name(expr)));
    *out = (size_t)at;
    return at < 0 ? NULL : in;
}

static void add(bounding *b, json_t *from, json_t *column, json_t *value, rdl_bound_op op)
{
    static const char head[] = "SELECT ";
    size_t at = 0;
    rdl_str text;
    rdl_err ignored = {0};
    const rdl_input *in = column_of(b, from, column, &at);
    if (in == NULL || !is_constant(value) || b->reads[in - b->pl->table->inputs] != 1)
        return;
    json_t *select = rdl_tree_select(&b->pl->tree, NULL);
    json_t *copy = rdl_tree_clone(&b->pl->tree, value);
    rdl_tree_alias(copy, "");
    json_array_append(json_object_get(select, "select_list"), copy);
    if (rdl_tree_print(&b->pl->tree, select, &text, &ignored) != RDL_OK ||
        !rdl_str_starts(text, head))
        return;
    RDL_PUSH(b->pl->arena, &b->list) =
        (rdl_report_bound){(size_t)(in - b->pl->table->inputs),
                           at,
                           op,
                           {text.p + sizeof head - 1, text.n - (sizeof head - 1)}};
}

static void take(bounding *b, json_t *from, json_t *where)
{
    static const struct {
        const char *type;
        rdl_bound_op op, mirrored;
    } ops[] = {
        {"COMPARE_EQUAL", RDL_BOUND_EQUAL, RDL_BOUND_EQUAL},
        {"COMPARE_LESSTHAN", RDL_BOUND_MOST, RDL_BOUND_LEAST},
        {"COMPARE_LESSTHANOREQUALTO", RDL_BOUND_MOST, RDL_BOUND_LEAST},
        {"COMPARE_GREATERTHAN", RDL_BOUND_LEAST, RDL_BOUND_MOST},
        {"COMPARE_GREATERTHANOREQUALTO", RDL_BOUND_LEAST, RDL_BOUND_MOST},
    };
    if (rdl_tree_is(where, "CONJUNCTION_AND")) {
        size_t i;
        json_t *child;
        json_array_foreach(json_object_get(where, "children"), i, child) take(b, from, child);
        return;
    }
    if (rdl_tree_class(where, "BETWEEN")) {
        json_t *input = json_object_get(where, "input");
        add(b, from, input, json_object_get(where, "lower"), RDL_BOUND_LEAST);
        add(b, from, input, json_object_get(where, "upper"), RDL_BOUND_MOST);
        return;
    }
    json_t *left = json_object_get(where, "left"), *right = json_object_get(where, "right");
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (!rdl_tree_is(where, ops[i].type))
            continue;
        add(b, from, left, right, ops[i].op);
        add(b, from, right, left, ops[i].mirrored);
    }
}

static bool visit(void *arg, json_t *node)
{
    if (rdl_tree_is(node, "SELECT_NODE") && rdl_tree_has(node, "where_clause"))
        take(arg, json_object_get(node, "from_table"), json_object_get(node, "where_clause"));
    return true;
}

void rdl_plan_bounds(rdl_planner *pl, rdl_report *r)
{
    bounding b = {.pl = pl, .reads = RDL_NEWN(pl->arena, size_t, pl->table->input_count + 1)};
    rdl_tree_walk(pl->flat, count_reads, &b);
    rdl_tree_walk(pl->flat, visit, &b);
    r->bounds = b.list.v;
    r->bound_count = b.list.n;
}
