/*
 * lang/plan_view.c - how a materialized view is kept equal to its body, and why that way.
 *
 * Tried in this order, from cheap to dear; each refusal is kept as the reason of the next:
 *
 *   APPEND        every row comes from one row of the driving input
 *   INCREMENTAL   one GROUP BY, all aggregates merge
 *   GROUPS        the touched groups or window partitions are computed again
 *   FULL          everything is computed again
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

typedef struct viewing {
    rdl_planner *pl;
    rdl_view_plan *plan;
    json_t *query; /* flat, its folding levels resolved */
    rdl_chain chain;
    rdl_thread_identity identity;
} viewing;

static bool keeps_rows(const rdl_table *t)
{
    return t->kind == RDL_TABLE_STREAMING || t->kind == RDL_TABLE_SOURCE;
}

/* The first STREAM input; without STREAM the first table that the FROM reads. */
static rdl_table *choose_driving(rdl_planner *pl)
{
    for (size_t i = 0; i < pl->table->input_count; i++)
        if (pl->table->inputs[i].stream)
            return pl->table->inputs[i].table;
    json_t *node = pl->flat;
    while (node != NULL && !rdl_tree_is(node, "BASE_TABLE")) {
        if (rdl_tree_is(node, "SELECT_NODE"))
            node = json_object_get(node, "from_table");
        else if (rdl_tree_is(node, "JOIN"))
            node = json_object_get(
                node, strcmp(rdl_tree_text(node, "join_type"), "RIGHT") == 0 ? "right" : "left");
        else
            node = json_object_get(json_object_get(node, "subquery"), "node");
    }
    const rdl_input *in = node != NULL ? rdl_plan_input_of(pl, node) : NULL;
    if (in == NULL) {
        bool set = rdl_tree_is(pl->flat, "SET_OPERATION_NODE");
        rdl_plan_refuse(pl, set ? rdl_tree_text(pl->flat, "setop_type") : "FROM", NULL, "%s",
                        set ? "a set operation folds several queries into one"
                            : "no single table drives it");
    }
    return in != NULL ? in->table : NULL;
}

static void refuse_repeated(rdl_planner *pl, const rdl_table *d)
{
    const char *name = rdl_arena_strndup(pl->arena, d->name.p, d->name.n);
    rdl_plan_refuse(pl, name, NULL,
                    "%.*s is read more than once, and not in joins of one FROM alone",
                    (int)d->full.n, d->full.p);
}

/* Which inputs move; every STREAM must, and each place where the driving table is read. */
static rdl_code look_for_moving(viewing *v, bool repeated, rdl_err *err)
{
    rdl_planner *pl = v->pl;
    const rdl_table *d = v->plan->driving;
    json_t *bottom = v->chain.level[v->chain.bottom >= 0 ? v->chain.bottom : 0];
    RDL_TRY(rdl_plan_find_moving(pl, v->query, bottom, err));
    if (repeated && !rdl_plan_moves(pl, d))
        refuse_repeated(pl, d);
    for (size_t i = 0; i < pl->table->input_count; i++) {
        const rdl_input *in = &pl->table->inputs[i];
        if (!in->stream || in->table == d)
            continue;
        if (!rdl_plan_moves(pl, in->table))
            rdl_plan_refuse(
                pl, "STREAM", NULL,
                "two streams drive it, and %.*s is not in a join with %.*s whose changes "
                "can be added up",
                (int)in->table->full.n, in->table->full.p, (int)d->full.n, d->full.p);
        if (v->identity != RDL_THREAD_NONE)
            rdl_plan_refuse(pl, "STREAM", NULL,
                            "two streams drive it, and an aggregate chooses among rows by their "
                            "arrival, which a joined row has two of");
    }
    return RDL_OK;
}

/* Resolve the levels, see that the driving table is reached through FROM alone. */
static rdl_code look_at_chain(viewing *v, rdl_err *err)
{
    rdl_planner *pl = v->pl;
    rdl_thread th = {.pl = pl, .driving = v->plan->driving, .prefix = "new:"};
    const rdl_table *d = v->plan->driving;
    bool repeated = rdl_plan_count_driving(&th, v->query) != 1;
    bool placed = rdl_plan_mark_driving(pl, v->query, d);
    if (repeated && (!placed || !rdl_plan_chain(&th, v->query, &v->chain))) {
        refuse_repeated(pl, d);
        return RDL_OK;
    }
    if (!rdl_plan_chain(&th, v->query, &v->chain)) {
        bool set = rdl_tree_find_type(v->query, "SET_OPERATION_NODE") != NULL;
        rdl_plan_refuse(pl, set ? "UNION" : "SELECT", NULL,
                        set ? "a set operation stands between the view and %.*s"
                            : "%.*s is read outside the FROM clause",
                        (int)d->full.n, d->full.p);
        return RDL_OK;
    }
    for (size_t i = 0; i < v->chain.n && pl->refusal.why == NULL; i++)
        RDL_TRY(rdl_plan_resolve(pl, v->chain.level[i], err));
    if (!rdl_plan_chain(&th, v->query, &v->chain))
        return rdl_err_set(err, RDL_EBUG, 0, "could not find the driving input again");
    json_t *bottom = v->chain.bottom >= 0 ? v->chain.level[v->chain.bottom] : NULL;
    v->identity = bottom == NULL || !rdl_plan_needs_order(bottom) ? RDL_THREAD_NONE
                  : keeps_rows(d)                                 ? RDL_THREAD_IDENTITY
                                                                  : RDL_THREAD_ROW;
    return pl->refusal.why == NULL ? look_for_moving(v, repeated, err) : RDL_OK;
}

static const char *put_names(rdl_planner *pl, const size_t *columns, size_t n)
{
    rdl_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        rdl_str name = pl->table->columns.v[columns[i]].name;
        rdl_buf_printf(&b, "%s%.*s", i > 0 ? ", " : "", (int)name.n, name.p);
    }
    const char *s = rdl_arena_strdup(pl->arena, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return s;
}

static void give_reason(viewing *v, const char *word, const char *text)
{
    v->plan->reason = rdl_str_of(rdl_arena_strdup(v->pl->arena, text));
    v->plan->reason_pos = rdl_plan_locate(v->pl->table, word);
}

static void need_others(viewing *v, bool driving_too)
{
    for (size_t i = 0; i < v->pl->table->input_count; i++) {
        rdl_table *in = v->pl->table->inputs[i].table;
        if (driving_too || in != v->plan->driving)
            rdl_plan_need(v->pl, &v->plan->needs_all, &v->plan->needs_all_count, in);
    }
}

/* A row keeps the driving view's key if no join multiplies it and the key stays visible. */
static void pass_key_on(viewing *v, const rdl_thread *th)
{
    rdl_table *t = v->pl->table;
    const rdl_table *d = v->plan->driving;
    if (t->primary_key_count > 0 || d->primary_key_count == 0 || th->fans || th->fans_hop ||
        v->chain.n != 1)
        return;
    json_t *items = json_object_get(v->chain.level[0], "select_list");
    size_t *key = RDL_NEWN(v->pl->arena, size_t, d->primary_key_count);
    for (size_t k = 0; k < d->primary_key_count; k++) {
        rdl_str name = d->columns.v[d->primary_key[k]].name;
        const char *text = rdl_arena_strndup(v->pl->arena, name.p, name.n);
        json_t *column = rdl_tree_column(&v->pl->tree, rdl_plan_ref_name(v->chain.ref[0]), text);
        size_t i = 0;
        while (i < json_array_size(items) && !rdl_tree_equal(json_array_get(items, i), column))
            i++;
        if (i == json_array_size(items) || i >= t->columns.n ||
            rdl_tree_find_type(items, "STAR") != NULL)
            return;
        key[k] = i;
    }
    t->primary_key = key;
    t->primary_key_count = d->primary_key_count;
}

static rdl_code rows_at(void *arg, size_t step, bool after, rdl_str *out, rdl_err *err)
{
    viewing *v = arg;
    rdl_planner *pl = v->pl;
    json_t *query = rdl_tree_clone(&pl->tree, v->query);
    rdl_thread th = {
        .pl = pl, .driving = v->plan->driving, .prefix = rdl_moving_stand(pl, query, step, after)};
    RDL_TRY(rdl_thread_query(&th, query, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    rdl_plan_read_all(pl, query);
    rdl_str text;
    RDL_TRY(rdl_tree_print(&pl->tree, query, &text, err));
    *out = rdl_plan_cast_columns(pl, text);
    return RDL_OK;
}

static rdl_code plan_append(viewing *v, rdl_err *err)
{
    rdl_planner *pl = v->pl;
    json_t *query = rdl_tree_clone(&pl->tree, v->query);
    rdl_thread th = {.pl = pl, .driving = v->plan->driving, .prefix = "new:"};
    RDL_TRY(rdl_thread_query(&th, query, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    pass_key_on(v, &th);
    rdl_plan_read_all(pl, query);
    rdl_str text;
    RDL_TRY(rdl_tree_print(&pl->tree, query, &text, err));
    v->plan->row_new_sql = rdl_plan_cast_columns(pl, text);
    v->plan->row_old_sql =
        rdl_plan_retarget(pl, v->plan->row_new_sql, "new:", "old:", v->plan->driving);
    v->plan->batch_sql = rdl_plan_keep_sql(
        pl, rdl_plan_retarget(pl, v->plan->row_new_sql, "new:", "all:", v->plan->driving));
    v->plan->unchecked_sql = v->plan->batch_sql;
    v->plan->mode = RDL_MAINTAIN_APPEND;
    RDL_TRY(rdl_plan_steps(pl, v->plan, rows_at, v, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    give_reason(v, "FROM",
                rdl_arena_printf(pl->arena, "each row comes from one row of %.*s",
                                 (int)v->plan->driving->full.n, v->plan->driving->full.p));
    need_others(v, false);
    return RDL_OK;
}

/* The name of the first slot's call that cannot take rows back. */
static const char *holding_call(const rdl_view_plan *plan)
{
    for (size_t i = 0; i < plan->slot_count; i++) {
        if (plan->slots[i].kind == RDL_SLOT_MIN)
            return "min, first or any_value";
        if (plan->slots[i].kind == RDL_SLOT_MAX)
            return "max or last";
    }
    return "";
}

static rdl_code plan_merge(viewing *v, rdl_err *err)
{
    rdl_planner *pl = v->pl;
    rdl_view_plan *plan = v->plan;
    json_t *select = v->chain.level[0];
    bool simple = v->chain.bottom == 0 && rdl_plan_is_grouped(select) &&
                  !rdl_plan_is_windowed(select) && !rdl_tree_has(select, "modifiers") &&
                  !rdl_tree_has(select, "sample");
    if (!simple) {
        json_t *deep = v->chain.level[v->chain.bottom];
        if (rdl_plan_is_windowed(deep))
            rdl_plan_refuse(pl, "OVER", NULL, "window functions are not decomposable");
        else
            rdl_plan_refuse(pl, "SELECT", NULL, "the aggregation stands in a subquery");
        return RDL_OK;
    }
    rdl_moving moving = pl->moving;
    if (v->identity != RDL_THREAD_NONE)
        pl->moving.n = 0;
    if (v->identity != RDL_THREAD_NONE)
        plan->rebuild_why =
            RDL_STR("first, last, arg_min and the like choose by the arrival of rows "
                    "of the driving input");
    RDL_TRY(rdl_plan_incremental(pl, plan, select, v->identity, err));
    pl->moving = moving;
    if (pl->refusal.why != NULL)
        return RDL_OK;
    if (!plan->may_subtract && !keeps_rows(plan->driving)) {
        rdl_plan_refuse(pl, "GROUP BY", NULL,
                        "%s cannot take back a row, and rows of %.*s can go away",
                        holding_call(plan), (int)plan->driving->full.n, plan->driving->full.p);
        return RDL_OK;
    }
    plan->mode = RDL_MAINTAIN_INCREMENTAL;
    give_reason(v, plan->key_count > 0 ? "GROUP BY" : "SELECT",
                plan->slot_count > 0 ? "every aggregate merges exactly"
                                     : "groups are kept with their row counts");
    need_others(v, false);
    return RDL_OK;
}

static void clear_texts(rdl_view_plan *plan)
{
    rdl_table *driving = plan->driving;
    *plan = (rdl_view_plan){.driving = driving};
}

static rdl_code plan_pieces(viewing *v, rdl_err *err)
{
    rdl_planner *pl = v->pl;
    rdl_plan_refusal why = pl->refusal;
    bool done = false;
    pl->refusal = (rdl_plan_refusal){0};
    clear_texts(v->plan);
    RDL_TRY(rdl_plan_groups(pl, v->plan, v->query, v->identity, &done, err));
    if (!done) {
        clear_texts(v->plan);
        pl->refusal = why;
        return RDL_OK;
    }
    v->plan->mode = RDL_MAINTAIN_GROUPS;
    const char *keys = put_names(pl, v->plan->key_columns, v->plan->key_count);
    bool window = rdl_plan_is_windowed(v->chain.level[v->chain.bottom]);
    give_reason(v, why.word,
                window ? rdl_arena_printf(pl->arena, "window over PARTITION BY %s", keys)
                       : rdl_arena_printf(pl->arena, "%s; touched groups (%s) are recomputed",
                                          why.why, keys));
    need_others(v, true);
    pl->refusal = (rdl_plan_refusal){0};
    return RDL_OK;
}

/* The batch answer before constraints. */
static rdl_code plan_batch(viewing *v, rdl_err *err)
{
    rdl_planner *pl = v->pl;
    if (v->plan->mode == RDL_MAINTAIN_APPEND)
        return RDL_OK; /* the rows text over all rows; plan_append has made it */
    bool whole = v->plan->mode == RDL_MAINTAIN_FULL;
    json_t *query = rdl_tree_clone(&pl->tree, whole ? pl->flat : v->query);
    int bottom = whole ? -1 : v->chain.bottom;
    rdl_thread th = {.pl = pl,
                     .driving = v->plan->driving,
                     .prefix = "all:",
                     .identity = whole ? RDL_THREAD_NONE : v->identity};
    rdl_chain chain = {0};
    if (bottom >= 0 && !rdl_plan_chain(&th, query, &chain))
        return rdl_err_set(err, RDL_EBUG, 0, "could not find the driving input again");
    const char *const *names;
    size_t n = rdl_thread_columns(th.identity, &names);
    RDL_TRY(rdl_plan_exact(pl, query, bottom >= 0 ? chain.level[bottom] : NULL, names, n, err));
    if (bottom >= 0)
        RDL_TRY(rdl_plan_thread_bottom(&th, query, bottom, err));
    rdl_plan_read_all(pl, query);
    rdl_str text;
    RDL_TRY(rdl_tree_print(&pl->tree, query, &text, err));
    v->plan->batch_sql = rdl_plan_keep_sql(pl, rdl_plan_cast_columns(pl, text));
    v->plan->unchecked_sql = v->plan->batch_sql;
    return RDL_OK;
}

static void plan_checks(viewing *v)
{
    const rdl_table *t = v->pl->table;
    if (t->constraint_count == 0)
        return;
    rdl_buf b = {0};
    rdl_buf_puts(&b, "SELECT ");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_puts(&b, i > 0 ? ", " : "");
        rdl_buf_put_sql_ident(&b, t->columns.v[i].name);
    }
    rdl_buf list = {0};
    rdl_buf_puts(&list, rdl_buf_str(&b));
    for (size_t i = 0; i < t->constraint_count; i++)
        rdl_buf_printf(&list, ", _c%zu", i);
    rdl_buf_puts(&b, " FROM e.");
    rdl_buf_put_sql_ident(&b, rdl_str_of(rdl_arena_printf(v->pl->arena, "unchecked:%.*s",
                                                          (int)t->full.n, t->full.p)));
    rdl_str checked = rdl_plan_check_sql(v->pl, rdl_buf_str(&b));
    v->plan->checked_sql = rdl_str_of(
        rdl_arena_printf(v->pl->arena, "%s FROM (%s) AS r", rdl_buf_str(&list), checked.p));
    rdl_buf_fini(&b);
    rdl_buf_fini(&list);
}

static void plan_whole(viewing *v)
{
    rdl_planner *pl = v->pl;
    v->plan->mode = RDL_MAINTAIN_FULL;
    v->plan->driving = NULL;
    give_reason(v, pl->refusal.word,
                pl->refusal.why != NULL ? pl->refusal.why : "nothing splits it into groups");
    need_others(v, true);
    pl->refusal = (rdl_plan_refusal){0};
}

static rdl_code choose_mode(viewing *v, rdl_err *err)
{
    rdl_planner *pl = v->pl;
    if (pl->table->decision) {
        rdl_plan_refuse(pl, "SELECT", NULL, "a decision looks at the whole of its inputs");
        plan_whole(v);
        return RDL_OK;
    }
    v->plan->driving = choose_driving(pl);
    if (v->plan->driving != NULL && pl->refusal.why == NULL)
        RDL_TRY(look_at_chain(v, err));
    if (v->plan->driving == NULL || pl->refusal.why != NULL) {
        plan_whole(v);
        return RDL_OK;
    }
    if (v->chain.bottom < 0)
        RDL_TRY(plan_append(v, err));
    else
        RDL_TRY(plan_merge(v, err));
    if (pl->refusal.why != NULL && v->chain.bottom >= 0)
        RDL_TRY(plan_pieces(v, err));
    if (pl->refusal.why != NULL)
        plan_whole(v);
    else if (v->plan->rebuild_why.n == 0)
        v->plan->rebuild_why = RDL_STR(
            "they are read beside the joins that a row comes from: in a subquery that folds or that an "
            "expression holds, above a fold, or in a RIGHT, FULL, NATURAL or POSITIONAL join");
    return RDL_OK;
}

rdl_code rdl_plan_view(rdl_planner *pl, rdl_err *err)
{
    viewing v = {.pl = pl,
                 .plan = RDL_NEW(pl->arena, rdl_view_plan),
                 .query = rdl_tree_clone(&pl->tree, pl->flat)};
    RDL_TRY(choose_mode(&v, err));
    RDL_TRY(plan_batch(&v, err));
    plan_checks(&v);
    if (!pl->table->allow_fanout && !pl->table->decision)
        RDL_TRY(rdl_plan_fans(pl, &v.plan->fans, &v.plan->fan_count, err));
    if (rdl_tree_is(v.query, "SELECT_NODE") && !rdl_tree_has(v.query, "modifiers") &&
        v.plan->driving != NULL)
        rdl_plan_prove_key(pl, v.query);
    pl->table->view_plan = v.plan;
    return RDL_OK;
}
