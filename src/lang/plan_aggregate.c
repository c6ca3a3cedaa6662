/*
 * lang/plan_aggregate.c - aggregates as slots that merge, and aggregates whose result
 * depends on the order or grouping of additions replaced by ones whose result does not.
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
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

enum {
    ARGS_MAX = 16,
    SLOTS_MAX = 3
};

typedef enum number_kind {
    NOT_A_NUMBER,
    WHOLE,   /* an integer or BOOLEAN */
    DECIMAL, /* exact, with a scale */
    FLOATING,
} number_kind;

typedef struct recipe {
    json_t *call;
    json_t *args[ARGS_MAX]; /* arguments, then ORDER BY expressions */
    const char *types[ARGS_MAX];
    size_t arg_count, order_count;
    const char *result_type; /* DuckDB's, of the call as written */
    const char *slots[SLOTS_MAX];
    rdl_slot_kind kinds[SLOTS_MAX];
    const rdl_type *slot_types[SLOTS_MAX];
    size_t slot_count;
    const char *final; /* over "$1".. = the slots; a bare n is the group's row count */
    const char *batch; /* NULL: the call as it is */
    bool order_args;   /* batch: ORDER BY its own arguments makes it reproducible */
    const char *refusal;
} recipe;

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

static bool one_of(const char *name, const char *const *list)
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
    if (one_of(type, whole))
        return WHOLE;
    if (strncasecmp(type, "DECIMAL", 7) == 0)
        return DECIMAL;
    return strcasecmp(type, "DOUBLE") == 0 || strcasecmp(type, "FLOAT") == 0 ? FLOATING
                                                                             : NOT_A_NUMBER;
}

static void add_slot(recipe *r, rdl_slot_kind kind, const rdl_type *type, const char *text)
{
    r->slots[r->slot_count] = text;
    r->kinds[r->slot_count] = kind;
    r->slot_types[r->slot_count++] = type;
}

static const rdl_type *bigint(void)
{
    return rdl_type_of(RDL_TYPE_BIGINT);
}

static void cook_count(rdl_planner *pl, recipe *r, const char *name)
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
    r->final = plain ? "\"$1\""
                     : rdl_arena_printf(pl->arena, "CAST(\"$1\" AS %s)", r->result_type);
    if (!plain) /* DuckDB gives NULL where every value is: a count of nothing is 0 */
        r->batch = "coalesce(count_if(\"$1\"), 0)";
}

/* Of these DuckDB's sum is a HUGEINT. */
static const char *const hugeint_sums[] = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", NULL};

/* Slots 1 and 2 for sum and avg: the exact sum and the number of values. */
static const rdl_type *add_sum_slots(rdl_planner *pl, recipe *r, number_kind kind)
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
    bool is_hugeint = one_of(r->types[0], hugeint_sums);
    add_slot(r, RDL_SLOT_ADD_INT, sum,
             is_hugeint ? "coalesce(sum(\"$1\"), 0)"
                        : rdl_arena_printf(pl->arena, "CAST(coalesce(sum(\"$1\"), 0) AS %s)",
                                           type_text(pl, sum)));
    add_slot(r, RDL_SLOT_ADD_INT, bigint(), "count(\"$1\")");
    return sum;
}

static void cook_sum(rdl_planner *pl, recipe *r, number_kind kind)
{
    add_sum_slots(pl, r, kind);
    if (kind == FLOATING) {
        r->final = "CASE WHEN \"$2\" > 0 THEN rdl_sum_value(\"$1\") END";
        r->batch = "rdl_sum(CAST(\"$1\" AS DOUBLE))";
        return;
    }
    r->final = rdl_arena_printf(
        pl->arena, "CASE WHEN \"$2\" > 0 THEN CAST(\"$1\" AS %s) END", r->result_type);
}

static void cook_avg(rdl_planner *pl, recipe *r, number_kind kind)
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

static void cook_spread(rdl_planner *pl, recipe *r, const char *name)
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
        pl->arena,
        "CASE WHEN \"$3\" > 0 THEN rdl_var_value(\"$1\", \"$2\", \"$3\", '%s') END", kind);
    r->batch = rdl_arena_printf(pl->arena, "rdl_%s(CAST(\"$1\" AS DOUBLE))", kind);
}

static void cook_extreme(rdl_planner *pl, recipe *r, const char *name)
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
        r->batch =
            rdl_arena_printf(pl->arena, "CAST(%s(%s) AS %s)", fn, arg, r->result_type);
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

static void
choice_put_identity(choice *c, const char *const *identity, size_t n, bool reverse)
{
    for (size_t i = 0; i < n; i++) {
        bool row = strcmp(identity[i], "__rdl_row") == 0;
        const char *expr = reverse && !row
                               ? rdl_arena_printf(c->pl->arena, "-%s", identity[i])
                               : identity[i];
        choice_put(c, rdl_arena_printf(c->pl->arena, "i%zu", i), expr,
                   row ? "BLOB" : "BIGINT");
    }
}

static void choice_done(choice *c, recipe *r, bool least, const char *filter)
{
    rdl_planner *pl = c->pl;
    const char *pick =
        rdl_arena_printf(pl->arena, "%s(struct_pack(%s))%s", least ? "min" : "max",
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
    r->final = rdl_arena_printf(pl->arena, "CAST(struct_extract(\"$1\", 'v') AS %s)",
                                r->result_type);
    r->batch = rdl_arena_printf(pl->arena, "CAST(struct_extract(%s, 'v') AS %s)", pick,
                                r->result_type);
}

static const char *place(rdl_planner *pl, size_t i)
{
    return rdl_arena_printf(pl->arena, "\"$%c\"", (char)('1' + i));
}

/* first, last, any_value [ORDER BY keys of one direction]. */
static void cook_first(rdl_planner *pl,
                       recipe *r,
                       const char *name,
                       const char *const *identity,
                       size_t identity_count)
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
        choice_put(&c, rdl_arena_printf(pl->arena, "a%zu", i),
                   rdl_arena_printf(pl->arena, "%s IS %s NULL", at,
                                    nulls_last != desc ? "" : "NOT"),
                   "BOOLEAN");
        choice_put(&c, rdl_arena_printf(pl->arena, "b%zu", i), at,
                   r->types[r->arg_count + i]);
    }
    bool least = last == down;
    choice_put_identity(&c, identity, identity_count, last == least);
    choice_put(&c, "v", "\"$1\"", r->types[0]);
    choice_done(&c, r, least,
                strcasecmp(name, "any_value") == 0 ? " FILTER (WHERE \"$1\" IS NOT NULL)"
                                                   : "");
}

static void cook_arg(rdl_planner *pl,
                     recipe *r,
                     const char *name,
                     const char *const *identity,
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

static const char *const count_names[] = {"count", "count_star", "count_if", "countif",
                                          NULL};
static const char *const sum_names[] = {"sum", "fsum", "kahan_sum", "sumkahan", NULL};
static const char *const avg_names[] = {"avg", "mean", "favg", NULL};
static const char *const spread_names[] = {
    "var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp", "stddev", NULL};
static const char *const extreme_names[] = {"min", "max", "bool_and", "bool_or", NULL};
static const char *const first_names[] = {"first", "last", "any_value", "arbitrary", NULL};
static const char *const arg_names[] = {"arg_min",      "arg_max",      "argmin",
                                        "argmax",       "min_by",       "max_by",
                                        "arg_min_null", "arg_max_null", NULL};
/* The same whatever the order of rows, as DuckDB has them. */
static const char *const order_free_names[] = {"count",
                                               "count_star",
                                               "count_if",
                                               "countif",
                                               "min",
                                               "max",
                                               "bool_and",
                                               "bool_or",
                                               "bit_and",
                                               "bit_or",
                                               "bit_xor",
                                               "median",
                                               "quantile",
                                               "quantile_cont",
                                               "quantile_disc",
                                               "mad",
                                               "approx_count_distinct",
                                               "histogram",
                                               "histogram_exact",
                                               "bitstring_agg",
                                               "regr_count",
                                               NULL};

static void cook(rdl_planner *pl, recipe *r, const char *const *identity, size_t n)
{
    const char *name = rdl_tree_text(r->call, "function_name");
    bool distinct = rdl_tree_has(r->call, "distinct");
    number_kind kind = r->arg_count > 0 ? number_of(r->types[0]) : NOT_A_NUMBER;
    bool extreme = one_of(name, extreme_names) && r->arg_count == 1;
    if (one_of(name, count_names))
        cook_count(pl, r, name);
    else if (one_of(name, sum_names) && kind != NOT_A_NUMBER)
        cook_sum(pl, r, strcasecmp(name, "sum") == 0 ? kind : FLOATING);
    else if (one_of(name, avg_names) && kind != NOT_A_NUMBER)
        cook_avg(pl, r, strcasecmp(name, "favg") == 0 ? FLOATING : kind);
    else if (one_of(name, spread_names) && kind != NOT_A_NUMBER)
        cook_spread(pl, r, name);
    else if (extreme)
        cook_extreme(pl, r, name);
    else if (one_of(name, first_names) && r->arg_count == 1)
        cook_first(pl, r, name, identity, n);
    else if (one_of(name, arg_names) && r->arg_count == 2 && r->order_count == 0)
        cook_arg(pl, r, name, identity, n);
    else
        r->refusal = "";
    if (distinct && !extreme)
        r->refusal = "";
    if (r->refusal != NULL) {
        r->order_args = r->batch == NULL && !one_of(name, order_free_names);
        r->slot_count = 0;
    }
}

/* The calls of a list, distinct ones once. */
typedef struct gathering {
    rdl_arena *arena;
    RDL_VEC(recipe) recipes;
} gathering;

static void gather_call(gathering *g, json_t *node)
{
    for (size_t i = 0; i < g->recipes.n; i++)
        if (rdl_tree_equal(g->recipes.v[i].call, node))
            return;
    recipe r = {.call = node};
    json_t *children = json_object_get(node, "children");
    json_t *orders = json_object_get(json_object_get(node, "order_bys"), "orders");
    r.arg_count = json_array_size(children);
    r.order_count = json_array_size(orders);
    if (r.arg_count + r.order_count > ARGS_MAX)
        return;
    for (size_t i = 0; i < r.arg_count; i++)
        r.args[i] = json_array_get(children, i);
    for (size_t i = 0; i < r.order_count; i++)
        r.args[r.arg_count + i] = json_object_get(json_array_get(orders, i), "expression");
    RDL_PUSH(g->arena, &g->recipes) = r;
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

/* What DuckDB gives for those calls that a recipe casts back. */
static const char *result_type(rdl_planner *pl, const recipe *r)
{
    const char *name = rdl_tree_text(r->call, "function_name");
    if (one_of(name, count_names))
        return strncasecmp(name, "count_", 6) == 0 && strcasecmp(name, "count_star") != 0
                   ? "HUGEINT"
               : strcasecmp(name, "countif") == 0 ? "HUGEINT"
                                                  : "BIGINT";
    if (r->arg_count == 0)
        return "";
    if (!one_of(name, sum_names))
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

static rdl_code
ask_recipe_types(rdl_planner *pl, json_t *select, gathering *g, rdl_err *err)
{
    RDL_VEC(json_t *) args = {0};
    for (size_t i = 0; i < g->recipes.n; i++) {
        recipe *r = &g->recipes.v[i];
        for (size_t k = 0; k < r->arg_count + r->order_count; k++)
            RDL_PUSH(pl->arena, &args) = r->args[k];
    }
    const char **types = RDL_NEWN(pl->arena, const char *, args.n + 1);
    RDL_TRY(rdl_plan_types(pl, select, args.v, args.n, types, err));
    size_t at = 0;
    for (size_t i = 0; i < g->recipes.n; i++) {
        recipe *r = &g->recipes.v[i];
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
    if (rdl_tree_has(p->call, "distinct") &&
        json_array_size(json_object_get(node, "children")) > 0)
        json_object_set_new(node, "distinct", json_true());
    return false;
}

static json_t *dress(rdl_planner *pl, json_t *expr, const recipe *r)
{
    passing_on p = {.tr = &pl->tree, .call = r->call};
    expr = rdl_tree_bind(&pl->tree, expr, r->args, r->arg_count + r->order_count);
    rdl_tree_walk(expr, visit_pass_on, &p);
    return expr;
}

static size_t
slot_index(rdl_planner *pl, rdl_decomposed *d, const rdl_slot *slot, json_t *expr)
{
    for (size_t i = 0; i < d->slot_exprs.n; i++)
        if (d->slots.v[i].kind == slot->kind && rdl_tree_equal(d->slot_exprs.v[i], expr))
            return i;
    RDL_PUSH(pl->arena, &d->slots) = *slot;
    RDL_PUSH(pl->arena, &d->slot_exprs) = expr;
    return d->slot_exprs.n - 1;
}

static void refuse_call(rdl_planner *pl, const recipe *r)
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
    rdl_plan_refuse(pl, name, NULL, "%s is not decomposable%s%s",
                    text.n > 0 ? text.p : name, more ? ": " : "", more ? r->refusal : "");
}

/* Parse all slot and final texts at once, then bind them per call. */
static rdl_code serve(rdl_planner *pl, gathering *g, rdl_decomposed *out, rdl_err *err)
{
    RDL_VEC(const char *) texts = {0};
    for (size_t i = 0; i < g->recipes.n; i++) {
        for (size_t s = 0; s < g->recipes.v[i].slot_count; s++)
            RDL_PUSH(pl->arena, &texts) = g->recipes.v[i].slots[s];
        RDL_PUSH(pl->arena, &texts) = g->recipes.v[i].final;
    }
    json_t **trees = RDL_NEWN(pl->arena, json_t *, texts.n + 1);
    RDL_TRY(rdl_tree_exprs(&pl->tree, texts.v, texts.n, trees, err));
    size_t at = 0;
    for (size_t i = 0; i < g->recipes.n; i++) {
        const recipe *r = &g->recipes.v[i];
        json_t *refs[SLOTS_MAX] = {0};
        for (size_t s = 0; s < r->slot_count; s++) {
            rdl_slot slot = {.kind = r->kinds[s], .type = r->slot_types[s]};
            size_t k = slot_index(pl, out, &slot, dress(pl, trees[at++], r));
            refs[s] =
                rdl_tree_column(&pl->tree, NULL, rdl_arena_printf(pl->arena, "s%zu", k));
        }
        RDL_PUSH(pl->arena, &out->calls) = r->call;
        RDL_PUSH(pl->arena, &out->finals) =
            rdl_tree_bind(&pl->tree, trees[at++], refs, r->slot_count);
    }
    return RDL_OK;
}

rdl_code rdl_plan_decompose(rdl_planner *pl,
                            json_t *select,
                            json_t *const *exprs,
                            size_t n,
                            const char *const *identity,
                            size_t identity_count,
                            rdl_decomposed *out,
                            rdl_err *err)
{
    gathering g = {.arena = pl->arena};
    for (size_t i = 0; i < n; i++)
        rdl_tree_walk(exprs[i], visit_gather, &g);
    RDL_TRY(ask_recipe_types(pl, select, &g, err));
    for (size_t i = 0; i < g.recipes.n; i++) {
        cook(pl, &g.recipes.v[i], identity, identity_count);
        if (g.recipes.v[i].refusal != NULL)
            refuse_call(pl, &g.recipes.v[i]);
    }
    return pl->refusal.why != NULL ? RDL_OK : serve(pl, &g, out, err);
}

/* -- reproducible aggregates in batch texts
 * ------------------------------------------------ */

static void
order_by_args(rdl_planner *pl, const recipe *r, const char *const *identity, size_t n)
{
    json_t *orders = json_object_get(json_object_get(r->call, "order_bys"), "orders");
    bool distinct = rdl_tree_has(r->call, "distinct");
    if (orders == NULL || r->arg_count == 0)
        return;
    for (size_t i = 0; !distinct && i < n; i++)
        json_array_append_new(orders,
                              json_pack("{s:s, s:s, s:O}", "type", "ORDER_DEFAULT",
                                        "null_order", "ORDER_DEFAULT", "expression",
                                        rdl_tree_column(&pl->tree, NULL, identity[i])));
    for (size_t i = 0; i < r->arg_count; i++)
        if (!rdl_tree_class(r->args[i], "CONSTANT"))
            json_array_append_new(orders,
                                  json_pack("{s:s, s:s, s:o}", "type", "ORDER_DEFAULT",
                                            "null_order", "ORDER_DEFAULT", "expression",
                                            json_deep_copy(r->args[i])));
}

typedef struct replacing {
    const gathering *g;
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
    for (size_t i = 0; i < re->g->recipes.n; i++) {
        const recipe *r = &re->g->recipes.v[i];
        if (!rdl_tree_equal(r->call, node))
            continue;
        if (re->batch[i] == NULL) {
            recipe here = *r;
            here.call = node;
            if (r->order_args)
                order_by_args(re->pl, &here, re->identity, re->identity_count);
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

static rdl_code exact_calls(
    rdl_planner *pl, json_t *select, const char *const *identity, size_t n, rdl_err *err)
{
    gathering g = {.arena = pl->arena};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        rdl_tree_walk(json_object_get(select, clauses[i]), visit_gather, &g);
    if (g.recipes.n == 0)
        return RDL_OK;
    RDL_TRY(ask_recipe_types(pl, select, &g, err));
    const char **texts = RDL_NEWN(pl->arena, const char *, g.recipes.n);
    json_t **trees = RDL_NEWN(pl->arena, json_t *, g.recipes.n);
    json_t **batch = RDL_NEWN(pl->arena, json_t *, g.recipes.n);
    size_t count = 0;
    for (size_t i = 0; i < g.recipes.n; i++) {
        recipe *r = &g.recipes.v[i];
        /* The call's text is matched after it is planned: args are copies from here on. */
        r->call = rdl_tree_clone(&pl->tree, r->call);
        cook(pl, r, identity, n);
        if (r->batch != NULL)
            texts[count++] = r->batch;
    }
    RDL_TRY(rdl_tree_exprs(&pl->tree, texts, count, trees, err));
    count = 0;
    for (size_t i = 0; i < g.recipes.n; i++)
        if (g.recipes.v[i].batch != NULL)
            batch[i] = dress(pl, trees[count++], &g.recipes.v[i]);
    replacing re = {&g, batch, pl, identity, n};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        rdl_tree_map(json_object_get(select, clauses[i]), swap_exact, &re);
    return RDL_OK;
}

/* -- windows
 * --------------------------------------------------------------------------------- */

typedef struct windows {
    rdl_arena *arena;
    RDL_VEC(json_t *) list;
} windows;

static bool visit_windows(void *arg, json_t *node)
{
    windows *w = arg;
    if (rdl_tree_class(node, "SUBQUERY"))
        return false;
    if (rdl_tree_class(node, "WINDOW"))
        RDL_PUSH(w->arena, &w->list) = node;
    return true;
}

/* Ties in a window's ORDER BY are broken by row identity where the answer depends on them.
 */
static void
break_window_ties(rdl_planner *pl, json_t *window, const char *const *identity, size_t n)
{
    static const char *const by_row[] = {"row_number", "ntile",       "lag",
                                         "lead",       "first_value", NULL};
    const char *start = rdl_tree_text(window, "start"), *end = rdl_tree_text(window, "end");
    bool rows = strstr(start, "ROWS") != NULL || strstr(end, "ROWS") != NULL;
    if (!rows && !one_of(rdl_tree_text(window, "function_name"), by_row))
        return;
    json_t *orders = json_object_get(window, "orders");
    for (size_t i = 0; i < n; i++)
        json_array_append_new(orders,
                              json_pack("{s:s, s:s, s:O}", "type", "ORDER_DEFAULT",
                                        "null_order", "ORDER_DEFAULT", "expression",
                                        rdl_tree_column(&pl->tree, NULL, identity[i])));
}

/*
 * Our aggregates cannot stand in windows (DuckDB hands C aggregates one state for many rows
 * there), so a fold over a whole partition is made reproducible by the order of its own
 * values.
 */
static void
fold_in_order(rdl_planner *pl, json_t *window, const char *const *identity, size_t n)
{
    json_t *orders = json_object_get(window, "arg_orders");
    json_t *children = json_object_get(window, "children");
    bool distinct = rdl_tree_has(window, "distinct");
    for (size_t i = 0; !distinct && i < n; i++)
        json_array_append_new(orders,
                              json_pack("{s:s, s:s, s:O}", "type", "ORDER_DEFAULT",
                                        "null_order", "ORDER_DEFAULT", "expression",
                                        rdl_tree_column(&pl->tree, NULL, identity[i])));
    for (size_t i = 0; i < json_array_size(children); i++)
        if (!rdl_tree_class(json_array_get(children, i), "CONSTANT"))
            json_array_append_new(orders,
                                  json_pack("{s:s, s:s, s:o}", "type", "ORDER_DEFAULT",
                                            "null_order", "ORDER_DEFAULT", "expression",
                                            json_deep_copy(json_array_get(children, i))));
}

static bool keeps_order(const char *name)
{
    static const char *const names[] = {
        "list",      "array_agg", "string_agg", "group_concat",
        "listagg",   "first",     "last",       "any_value",
        "arbitrary", "arg_min",   "arg_max",    "argmin",
        "argmax",    "min_by",    "max_by",     NULL};
    return one_of(name, names);
}

static rdl_code exact_windows(
    rdl_planner *pl, json_t *select, const char *const *identity, size_t n, rdl_err *err)
{
    windows w = {.arena = pl->arena};
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++)
        rdl_tree_walk(json_object_get(select, clauses[i]), visit_windows, &w);
    for (size_t i = 0; i < w.list.n; i++) {
        json_t *window = w.list.v[i];
        json_t *children = json_object_get(window, "children");
        const char *name = rdl_tree_text(window, "function_name");
        break_window_ties(pl, window, identity, n);
        if (!rdl_tree_is(window, "WINDOW_AGGREGATE") || rdl_tree_has(window, "orders") ||
            rdl_tree_has(window, "arg_orders") || one_of(name, order_free_names) ||
            json_array_size(children) == 0)
            continue;
        json_t *arg = json_array_get(children, 0);
        const char *type = "";
        if (one_of(name, sum_names) || one_of(name, avg_names))
            RDL_TRY(rdl_plan_types(pl, select, &arg, 1, &type, err));
        if (number_of(type) == NOT_A_NUMBER || number_of(type) == FLOATING)
            fold_in_order(pl, window, identity, keeps_order(name) ? n : 0);
    }
    return RDL_OK;
}

/* -- all over a query
 * -------------------------------------------------------------------------- */

static bool visit_selects(void *arg, json_t *node)
{
    windows *w = arg;
    if (rdl_tree_is(node, "SELECT_NODE"))
        RDL_PUSH(w->arena, &w->list) = node;
    return true;
}

rdl_code rdl_plan_exact(rdl_planner *pl,
                        json_t *query,
                        json_t *bottom,
                        const char *const *identity,
                        size_t identity_count,
                        rdl_err *err)
{
    windows selects = {.arena = pl->arena};
    rdl_tree_walk(query, visit_selects, &selects);
    for (size_t i = 0; i < selects.list.n; i++) {
        json_t *select = selects.list.v[i];
        size_t n = select == bottom ? identity_count : 0;
        bool grouped =
            rdl_tree_has(select, "group_expressions") ||
            strcmp(rdl_tree_text(select, "aggregate_handling"), "FORCE_AGGREGATES") == 0;
        RDL_TRY(exact_windows(pl, select, identity, grouped ? 0 : n, err));
        RDL_TRY(exact_calls(pl, select, identity, n, err));
    }
    return RDL_OK;
}
