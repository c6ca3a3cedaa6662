/*
 * lang/plan_recipe.c - recipes of aggregate calls (plan_recipe.h).
 */
#include "lang/plan_recipe.h"

#include <string.h>
#include <strings.h>

typedef enum number_kind {
    NOT_A_NUMBER,
    WHOLE,   /* an integer or BOOLEAN */
    DECIMAL, /* exact, with a scale */
    FLOATING,
} number_kind;

const rdl_type *rdl_plan_closed_type(rdl_planner *pl, const char *duck_type)
{
    const rdl_type *t = NULL;
    rdl_err ignored = {0};
    if (duck_type[0] == '\0' ||
        rdl_type_parse(pl->arena, rdl_str_of(duck_type), &t, &ignored) != RDL_OK)
        return NULL;
    return t;
}

static const char *type_text(rdl_planner *pl, const rdl_type *t)
{
    rdl_buf b = {0};
    rdl_type_print(t, &b);
    const char *s = rdl_arena_strdup(pl->arena, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return s;
}

bool rdl_plan_one_of(const char *name, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcasecmp(name, *list) == 0)
            return true;
    return false;
}

static number_kind number_of(const char *type)
{
    static const char *const whole[] = {"TINYINT", "SMALLINT", "INTEGER",   "BIGINT",
                                        "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                                        "UBIGINT", "BOOLEAN",  NULL};
    if (rdl_plan_one_of(type, whole))
        return WHOLE;
    if (strncasecmp(type, "DECIMAL", 7) == 0)
        return DECIMAL;
    return strcasecmp(type, "DOUBLE") == 0 || strcasecmp(type, "FLOAT") == 0 ? FLOATING
                                                                             : NOT_A_NUMBER;
}

static void add_slot(rdl_recipe *r, rdl_slot_kind kind, const rdl_type *type, const char *text)
{
    r->slots[r->slot_count] = text;
    r->kinds[r->slot_count] = kind;
    r->slot_types[r->slot_count++] = type;
}

static const rdl_type *bigint(void)
{
    return rdl_type_of(RDL_TYPE_BIGINT);
}

static void cook_count(rdl_planner *pl, rdl_recipe *r, const char *name)
{
    if (strcasecmp(name, "count_star") == 0 || r->arg_count == 0) {
        if (rdl_tree_has(r->call, "filter"))
            add_slot(r, RDL_SLOT_ADD_INT, bigint(), "count(*)");
        r->final = r->slot_count > 0 ? "\"$1\"" : "n";
        return;
    }
    bool plain = strcasecmp(name, "count") == 0;
    add_slot(r, RDL_SLOT_ADD_INT, bigint(),
             plain ? "count(\"$1\")" : "CAST(count_if(\"$1\") AS BIGINT)");
    r->final = plain ? "\"$1\"" : rdl_arena_printf(pl->arena, "CAST(\"$1\" AS %s)", r->result_type);
    if (!plain) /* DuckDB gives NULL where every value is: a count of nothing is 0 */
        r->batch = "coalesce(count_if(\"$1\"), 0)";
}

/* Of these DuckDB's sum is a HUGEINT. */
static const char *const hugeint_sums[] = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", NULL};

/* Slots 1 and 2 for sum and avg: the exact sum and the number of values. */
static const rdl_type *add_sum_slots(rdl_planner *pl, rdl_recipe *r, number_kind kind)
{
    if (kind == FLOATING) {
        add_slot(r, RDL_SLOT_ADD_EXACT, rdl_type_of(RDL_TYPE_BLOB),
                 "rdl_sum_state(CAST(\"$1\" AS DOUBLE))");
        add_slot(r, RDL_SLOT_ADD_INT, bigint(), "count(\"$1\")");
        return NULL;
    }
    const rdl_type *arg = kind == DECIMAL ? rdl_plan_closed_type(pl, r->types[0]) : NULL;
    const rdl_type *sum = rdl_type_decimal(pl->arena, 38, arg != NULL ? arg->scale : 0);
    /* A HUGEINT lies as a DECIMAL(38,0) does, and DuckDB's cast divides. */
    bool is_hugeint = rdl_plan_one_of(r->types[0], hugeint_sums);
    add_slot(r, RDL_SLOT_ADD_INT, sum,
             is_hugeint ? "coalesce(sum(\"$1\"), 0)"
                        : rdl_arena_printf(pl->arena, "CAST(coalesce(sum(\"$1\"), 0) AS %s)",
                                           type_text(pl, sum)));
    add_slot(r, RDL_SLOT_ADD_INT, bigint(), "count(\"$1\")");
    return sum;
}

static void cook_sum(rdl_planner *pl, rdl_recipe *r, number_kind kind)
{
    add_sum_slots(pl, r, kind);
    if (kind == FLOATING) {
        r->final = "CASE WHEN \"$2\" > 0 THEN rdl_sum_value(\"$1\") END";
        r->batch = "rdl_sum(CAST(\"$1\" AS DOUBLE))";
        return;
    }
    r->final = rdl_arena_printf(pl->arena, "CASE WHEN \"$2\" > 0 THEN CAST(\"$1\" AS %s) END",
                                r->result_type);
}

static void cook_avg(rdl_planner *pl, rdl_recipe *r, number_kind kind)
{
    const rdl_type *sum = add_sum_slots(pl, r, kind);
    if (kind == FLOATING) {
        r->final = "CASE WHEN \"$2\" > 0 THEN rdl_avg_value(\"$1\", \"$2\") END";
        r->batch = "rdl_avg(CAST(\"$1\" AS DOUBLE))";
        return;
    }
    /* By way of the DECIMAL, as the batch text goes: a HUGEINT may round another way. */
    r->final = rdl_arena_printf(
        pl->arena, "CASE WHEN \"$2\" > 0 THEN CAST(CAST(\"$1\" AS %s) AS DOUBLE) / \"$2\" END",
        type_text(pl, sum));
    r->batch = rdl_arena_printf(
        pl->arena, "CAST(CAST(sum(\"$1\") AS %s) AS DOUBLE) / nullif(count(\"$1\"), 0)",
        type_text(pl, sum));
}

static void cook_spread(rdl_planner *pl, rdl_recipe *r, const char *name)
{
    const char *kind = strcasecmp(name, "var_pop") == 0      ? "var_pop"
                       : strcasecmp(name, "stddev_pop") == 0 ? "stddev_pop"
                       : strncasecmp(name, "var", 3) == 0    ? "var_samp"
                                                             : "stddev_samp";
    add_slot(r, RDL_SLOT_ADD_EXACT, rdl_type_of(RDL_TYPE_BLOB),
             "rdl_sum_state(CAST(\"$1\" AS DOUBLE))");
    add_slot(r, RDL_SLOT_ADD_EXACT, rdl_type_of(RDL_TYPE_BLOB),
             "rdl_square_state(CAST(\"$1\" AS DOUBLE))");
    add_slot(r, RDL_SLOT_ADD_INT, bigint(), "count(\"$1\")");
    r->final = rdl_arena_printf(
        pl->arena, "CASE WHEN \"$3\" > 0 THEN rdl_var_value(\"$1\", \"$2\", \"$3\", '%s') END",
        kind);
    r->batch = rdl_arena_printf(pl->arena, "rdl_%s(CAST(\"$1\" AS DOUBLE))", kind);
}

static void cook_extreme(rdl_planner *pl, rdl_recipe *r, const char *name)
{
    bool least = strcasecmp(name, "min") == 0 || strcasecmp(name, "bool_and") == 0;
    const rdl_type *t = rdl_plan_closed_type(pl, r->types[0]);
    if (t == NULL || !rdl_type_is_scalar(t)) {
        r->refusal = "its type cannot be kept in order";
        return;
    }
    const char *fn = least ? "min" : "max", *type = type_text(pl, t);
    bool floating = number_of(r->types[0]) == FLOATING;
    /* -0 and 0 are equal, and either could be met first. */
    const char *arg = floating ? "CASE WHEN \"$1\" = 0 THEN CAST(0 AS DOUBLE) "
                                 "ELSE CAST(\"$1\" AS DOUBLE) END"
                               : "\"$1\"";
    add_slot(r, least ? RDL_SLOT_MIN : RDL_SLOT_MAX, t,
             rdl_arena_printf(pl->arena, "CAST(%s(%s) AS %s)", fn, arg, type));
    r->final = rdl_arena_printf(pl->arena, "CAST(\"$1\" AS %s)", r->result_type);
    if (floating)
        r->batch = rdl_arena_printf(pl->arena, "CAST(%s(%s) AS %s)", fn, arg, r->result_type);
}

/* Fields of the choosing struct, and the same as a type. */
typedef struct choice {
    rdl_planner *pl;
    rdl_buf fields, type;
    bool closed;
} choice;

static void choice_put(choice *c, const char *name, const char *expr, const char *duck_type)
{
    const rdl_type *t = rdl_plan_closed_type(c->pl, duck_type);
    if (t == NULL || (strcmp(name, "v") != 0 && !rdl_type_is_scalar(t))) {
        c->closed = false;
        return;
    }
    const char *sep = c->fields.n > 0 ? ", " : "", *type = type_text(c->pl, t);
    rdl_buf_printf(&c->fields, "%s%s := CAST(%s AS %s)", sep, name, expr, type);
    rdl_buf_printf(&c->type, "%s%s %s", sep, name, type);
}

static void choice_put_identity(choice *c, const char *const *identity, size_t n, bool reverse)
{
    for (size_t i = 0; i < n; i++) {
        bool row = strcmp(identity[i], "__rdl_row") == 0;
        const char *expr =
            reverse && !row ? rdl_arena_printf(c->pl->arena, "-%s", identity[i]) : identity[i];
        choice_put(c, rdl_arena_printf(c->pl->arena, "i%zu", i), expr, row ? "BLOB" : "BIGINT");
    }
}

static void choice_done(choice *c, rdl_recipe *r, bool least, const char *filter)
{
    rdl_planner *pl = c->pl;
    const char *pick = rdl_arena_printf(pl->arena, "%s(struct_pack(%s))%s", least ? "min" : "max",
                                        rdl_buf_str(&c->fields), filter);
    const char *type = rdl_arena_printf(pl->arena, "STRUCT(%s)", rdl_buf_str(&c->type));
    const rdl_type *t = c->closed ? rdl_plan_closed_type(pl, type) : NULL;
    rdl_buf_fini(&c->fields);
    rdl_buf_fini(&c->type);
    if (t == NULL) {
        r->refusal = "its type cannot be kept in order";
        return;
    }
    add_slot(r, least ? RDL_SLOT_MIN : RDL_SLOT_MAX, t, pick);
    r->final =
        rdl_arena_printf(pl->arena, "CAST(struct_extract(\"$1\", 'v') AS %s)", r->result_type);
    r->batch =
        rdl_arena_printf(pl->arena, "CAST(struct_extract(%s, 'v') AS %s)", pick, r->result_type);
}

static const char *place(rdl_planner *pl, size_t i)
{
    return rdl_arena_printf(pl->arena, "\"$%c\"", (char)('1' + i));
}

/* first, last, any_value [ORDER BY keys of one direction]. */
static void cook_first(rdl_planner *pl, rdl_recipe *r, const char *name,
                       const char *const *identity, size_t identity_count)
{
    json_t *orders = json_object_get(json_object_get(r->call, "order_bys"), "orders");
    bool last = strcasecmp(name, "last") == 0;
    bool down = false;
    choice c = {.pl = pl, .closed = true};
    for (size_t i = 0; i < r->order_count; i++) {
        json_t *o = json_array_get(orders, i);
        bool desc = rdl_tree_is(o, "DESCENDING");
        if (i > 0 && desc != down)
            r->refusal = "its ORDER BY mixes directions";
        down = desc;
        bool nulls_last = strcmp(rdl_tree_text(o, "null_order"), "NULLS FIRST") != 0 &&
                          strcmp(rdl_tree_text(o, "null_order"), "ORDER_NULLS_FIRST") != 0;
        const char *at = place(pl, r->arg_count + i);
        choice_put(
            &c, rdl_arena_printf(pl->arena, "a%zu", i),
            rdl_arena_printf(pl->arena, "%s IS %s NULL", at, nulls_last != desc ? "" : "NOT"),
            "BOOLEAN");
        choice_put(&c, rdl_arena_printf(pl->arena, "b%zu", i), at, r->types[r->arg_count + i]);
    }
    bool least = last == down;
    choice_put_identity(&c, identity, identity_count, last == least);
    choice_put(&c, "v", "\"$1\"", r->types[0]);
    choice_done(&c, r, least,
                strcasecmp(name, "any_value") == 0 ? " FILTER (WHERE \"$1\" IS NOT NULL)" : "");
}

static void cook_arg(rdl_planner *pl, rdl_recipe *r, const char *name, const char *const *identity,
                     size_t identity_count)
{
    bool least = strstr(name, "min") != NULL || strstr(name, "MIN") != NULL;
    bool null_args = strstr(name, "null") != NULL;
    choice c = {.pl = pl, .closed = true};
    choice_put(&c, "b0", "\"$2\"", r->types[1]);
    choice_put_identity(&c, identity, identity_count, !least);
    choice_put(&c, "v", "\"$1\"", r->types[0]);
    choice_done(&c, r, least,
                null_args ? " FILTER (WHERE \"$2\" IS NOT NULL)"
                          : " FILTER (WHERE \"$1\" IS NOT NULL AND \"$2\" IS NOT NULL)");
}

static const char *const count_names[] = {"count", "count_star", "count_if", "countif", NULL};
static const char *const sum_names[] = {"sum", "fsum", "kahan_sum", "sumkahan", NULL};
static const char *const avg_names[] = {"avg", "mean", "favg", NULL};
static const char *const spread_names[] = {"var_pop",     "var_samp", "variance", "stddev_pop",
                                           "stddev_samp", "stddev",   NULL};
static const char *const extreme_names[] = {"min", "max", "bool_and", "bool_or", NULL};
static const char *const first_names[] = {"first", "last", "any_value", "arbitrary", NULL};
static const char *const arg_names[] = {"arg_min",      "arg_max",      "argmin",
                                        "argmax",       "min_by",       "max_by",
                                        "arg_min_null", "arg_max_null", NULL};
/* The same whatever the order of rows, as DuckDB has them. */
/* clang-format off */
static const char *const order_free_names[] = {
    "count", "count_star", "count_if", "countif", "min", "max", "bool_and", "bool_or", "bit_and",
    "bit_or", "bit_xor", "median", "quantile", "quantile_cont", "quantile_disc", "mad",
    "approx_count_distinct", "histogram", "histogram_exact", "bitstring_agg", "regr_count", NULL};
/* clang-format on */

void rdl_recipe_cook(rdl_planner *pl, rdl_recipe *r, const char *const *identity, size_t n)
{
    const char *name = rdl_tree_text(r->call, "function_name");
    bool distinct = rdl_tree_has(r->call, "distinct");
    number_kind kind = r->arg_count > 0 ? number_of(r->types[0]) : NOT_A_NUMBER;
    bool extreme = rdl_plan_one_of(name, extreme_names) && r->arg_count == 1;
    if (rdl_plan_one_of(name, count_names))
        cook_count(pl, r, name);
    else if (rdl_plan_one_of(name, sum_names) && kind != NOT_A_NUMBER)
        cook_sum(pl, r, strcasecmp(name, "sum") == 0 ? kind : FLOATING);
    else if (rdl_plan_one_of(name, avg_names) && kind != NOT_A_NUMBER)
        cook_avg(pl, r, strcasecmp(name, "favg") == 0 ? FLOATING : kind);
    else if (rdl_plan_one_of(name, spread_names) && kind != NOT_A_NUMBER)
        cook_spread(pl, r, name);
    else if (extreme)
        cook_extreme(pl, r, name);
    else if (rdl_plan_one_of(name, first_names) && r->arg_count == 1)
        cook_first(pl, r, name, identity, n);
    else if (rdl_plan_one_of(name, arg_names) && r->arg_count == 2 && r->order_count == 0)
        cook_arg(pl, r, name, identity, n);
    else
        r->refusal = "";
    if (distinct && !extreme)
        r->refusal = "";
    if (r->refusal != NULL) {
        r->order_args = r->batch == NULL && !rdl_plan_one_of(name, order_free_names);
        r->slot_count = 0;
    }
}

/* ---- calls, their types, their trees ---- */

static void gather_call(rdl_recipes *g, json_t *node)
{
    for (size_t i = 0; i < g->list.n; i++)
        if (rdl_tree_equal(g->list.v[i].call, node))
            return;
    rdl_recipe r = {.call = node};
    json_t *children = json_object_get(node, "children");
    json_t *orders = json_object_get(json_object_get(node, "order_bys"), "orders");
    r.arg_count = json_array_size(children);
    r.order_count = json_array_size(orders);
    if (r.arg_count + r.order_count > RDL_RECIPE_ARGS_MAX)
        return;
    for (size_t i = 0; i < r.arg_count; i++)
        r.args[i] = json_array_get(children, i);
    for (size_t i = 0; i < r.order_count; i++)
        r.args[r.arg_count + i] = json_object_get(json_array_get(orders, i), "expression");
    RDL_PUSH(g->arena, &g->list) = r;
}

static bool visit_gather(void *arg, json_t *node)
{
    if (rdl_tree_class(node, "SUBQUERY"))
        return false;
    if (!rdl_tree_class(node, "FUNCTION") ||
        !rdl_plan_is_aggregate(rdl_tree_text(node, "function_name")))
        return true;
    gather_call(arg, node);
    return false;
}

void rdl_recipes_gather(rdl_recipes *g, json_t *node)
{
    rdl_tree_walk(node, visit_gather, g);
}

/* What DuckDB gives for those calls that a recipe casts back. */
static const char *result_type(rdl_planner *pl, const rdl_recipe *r)
{
    const char *name = rdl_tree_text(r->call, "function_name");
    if (rdl_plan_one_of(name, count_names))
        return strncasecmp(name, "count_", 6) == 0 && strcasecmp(name, "count_star") != 0
                   ? "HUGEINT"
               : strcasecmp(name, "countif") == 0 ? "HUGEINT"
                                                  : "BIGINT";
    if (r->arg_count == 0)
        return "";
    if (!rdl_plan_one_of(name, sum_names))
        return r->types[0];
    switch (number_of(r->types[0])) {
    case WHOLE:
        return "HUGEINT";
    case DECIMAL: {
        const rdl_type *t = rdl_plan_closed_type(pl, r->types[0]);
        return rdl_arena_printf(pl->arena, "DECIMAL(38,%u)", t != NULL ? t->scale : 0u);
    }
    case FLOATING:
    case NOT_A_NUMBER:
        break;
    }
    return "DOUBLE";
}

rdl_code rdl_recipes_ask_types(rdl_planner *pl, json_t *select, rdl_recipes *g, rdl_err *err)
{
    RDL_VEC(json_t *) args = {0};
    for (size_t i = 0; i < g->list.n; i++) {
        rdl_recipe *r = &g->list.v[i];
        for (size_t k = 0; k < r->arg_count + r->order_count; k++)
            RDL_PUSH(pl->arena, &args) = r->args[k];
    }
    const char **types = RDL_NEWN(pl->arena, const char *, args.n + 1);
    RDL_TRY(rdl_plan_types(pl, select, args.v, args.n, types, err));
    size_t at = 0;
    for (size_t i = 0; i < g->list.n; i++) {
        rdl_recipe *r = &g->list.v[i];
        for (size_t k = 0; k < r->arg_count + r->order_count; k++)
            r->types[k] = types[at++];
        r->result_type = result_type(pl, r);
    }
    return RDL_OK;
}

/* Put the call's FILTER and DISTINCT on the aggregates of a template. */
typedef struct passing_on {
    rdl_tree *tr;
    json_t *call;
} passing_on;

static bool visit_pass_on(void *arg, json_t *node)
{
    const passing_on *p = arg;
    if (!rdl_tree_class(node, "FUNCTION") ||
        !rdl_plan_is_aggregate(rdl_tree_text(node, "function_name")))
        return true;
    json_t *filter = json_object_get(p->call, "filter");
    if (rdl_tree_has(p->call, "filter"))
        json_object_set(node, "filter",
                        rdl_tree_and(p->tr, json_object_get(node, "filter"), filter));
    if (rdl_tree_has(p->call, "distinct") && json_array_size(json_object_get(node, "children")) > 0)
        json_object_set_new(node, "distinct", json_true());
    return false;
}

json_t *rdl_recipe_dress(rdl_planner *pl, json_t *expr, const rdl_recipe *r)
{
    passing_on p = {.tr = &pl->tree, .call = r->call};
    expr = rdl_tree_bind(&pl->tree, expr, r->args, r->arg_count + r->order_count);
    rdl_tree_walk(expr, visit_pass_on, &p);
    return expr;
}

bool rdl_aggregate_adds(const char *function)
{
    return rdl_plan_one_of(function, sum_names) || rdl_plan_one_of(function, avg_names);
}

bool rdl_aggregate_is_order_free(const char *function)
{
    return rdl_plan_one_of(function, order_free_names);
}

bool rdl_type_adds_exactly(const char *duck_type)
{
    number_kind kind = number_of(duck_type);
    return kind == WHOLE || kind == DECIMAL;
}
