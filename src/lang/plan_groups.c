/*
 * lang/plan_groups.c - views that are recomputed piece by piece: the keys by which rows
 * fold.
 *
 * The lowest level that folds gives candidates: its GROUP BY expressions, or what all its
 * windows share in PARTITION BY.  A candidate stays if every level above passes it on and,
 * where that level folds too, has it among its own keys; at the top it must be a visible
 * column.  Rows of one key then never meet rows of another, so the rows of the touched keys
 * can be replaced.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

typedef struct key_list {
    RDL_VEC(json_t *) v;
} key_list;

typedef struct key_search {
    rdl_planner *pl;
    key_list keys;
    bool first;
} key_search;

static bool contains(json_t *list, json_t *expr)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (rdl_tree_equal(json_array_get(list, i), expr))
            return true;
    return false;
}

static void keep_shared(key_search *s, json_t *list)
{
    if (s->first) {
        for (size_t i = 0; i < json_array_size(list); i++)
            RDL_PUSH(s->pl->arena, &s->keys.v) = json_array_get(list, i);
        s->first = false;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < s->keys.v.n; i++)
        if (contains(list, s->keys.v.v[i]))
            s->keys.v.v[n++] = s->keys.v.v[i];
    s->keys.v.n = n;
}

static bool visit_partitions(void *arg, json_t *node)
{
    key_search *s = arg;
    if (rdl_tree_class(node, "SUBQUERY"))
        return false;
    if (rdl_tree_class(node, "WINDOW"))
        keep_shared(s, json_object_get(node, "partitions"));
    return true;
}

/* What all folding of this level has among its keys. */
static key_list level_keys(rdl_planner *pl, json_t *select)
{
    key_search s = {.pl = pl, .first = true};
    if (rdl_plan_is_grouped(select))
        keep_shared(&s, json_object_get(select, "group_expressions"));
    rdl_tree_walk(json_object_get(select, "select_list"), visit_partitions, &s);
    rdl_tree_walk(json_object_get(select, "qualify"), visit_partitions, &s);
    json_t *modifiers = json_object_get(select, "modifiers");
    for (size_t i = 0; i < json_array_size(modifiers); i++) {
        json_t *m = json_array_get(modifiers, i);
        json_t *on = json_object_get(m, "distinct_on_targets");
        if (rdl_tree_is(m, "DISTINCT_MODIFIER"))
            keep_shared(&s, json_array_size(on) > 0 ? on : json_object_get(select, "select_list"));
        else
            s.keys.v.n = 0;
    }
    return s.keys;
}

static bool names_hold(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);
        const char *s = json_is_string(e) ? json_string_value(e) : rdl_tree_text(e, "key");
        if (strcasecmp(s, name) == 0)
            return true;
    }
    return false;
}

/* The name under which a level's list shows this expression, or NULL. */
static const char *shown_as(json_t *select, json_t *expr, const char *holder)
{
    json_t *items = json_object_get(select, "select_list");
    const char *column = rdl_tree_column_name(expr);
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        if (rdl_tree_equal(item, expr) && rdl_tree_item_name(item)[0] != '\0')
            return rdl_tree_item_name(item);
        if (!rdl_tree_class(item, "STAR") || json_is_object(json_object_get(item, "expr")) ||
            column[0] == '\0')
            continue;
        const char *relation = rdl_tree_text(item, "relation_name");
        if ((relation[0] == '\0' || strcasecmp(relation, holder) == 0) &&
            !rdl_tree_has(item, "rename_list") &&
            !names_hold(json_object_get(item, "exclude_list"), column) &&
            !names_hold(json_object_get(item, "replace_list"), column))
            return column;
    }
    return NULL;
}

/* Follow one candidate from the bottom level up; -1, or the visible column it becomes. */
static int trace_up(rdl_planner *pl, const rdl_chain *chain, json_t *key)
{
    json_t *expr = key;
    for (int level = chain->bottom;; level--) {
        json_t *select = chain->level[level];
        if (level < chain->bottom) {
            key_list keys = level_keys(pl, select);
            bool folding = rdl_plan_is_grouped(select) || rdl_plan_is_windowed(select) ||
                           rdl_tree_has(select, "modifiers");
            bool found = !folding;
            for (size_t i = 0; !found && i < keys.v.n; i++)
                found = rdl_tree_equal(keys.v.v[i], expr);
            if (!found || rdl_tree_has(chain->ref[level], "column_name_alias"))
                return -1;
        }
        const char *name = shown_as(select, expr, rdl_plan_ref_name(chain->ref[level]));
        if (name == NULL)
            return -1;
        if (level == 0)
            return rdl_schema_find(&pl->table->columns, rdl_str_of(name));
        expr = rdl_tree_column(&pl->tree, rdl_plan_ref_name(chain->ref[level - 1]), name);
    }
}

static bool joins_keep_keys(const rdl_thread *th, const rdl_chain *chain)
{
    for (int level = 0; level < chain->bottom; level++) {
        json_t *ref = json_object_get(chain->level[level], "from_table");
        while (rdl_tree_is(ref, "JOIN")) {
            const char *kind = rdl_tree_text(ref, "join_type");
            json_t *left = json_object_get(ref, "left");
            bool in_left = rdl_thread_holds(th, left);
            if (strcmp(kind, "INNER") != 0 && strcmp(kind, in_left ? "LEFT" : "RIGHT") != 0 &&
                !(in_left && (strcmp(kind, "SEMI") == 0 || strcmp(kind, "ANTI") == 0)))
                return false;
            ref = in_left ? left : json_object_get(ref, "right");
        }
    }
    return true;
}

/* CAST(key AS closed type) AS k<i>, for the touched text and the semi-join. */
static rdl_code cast_keys(rdl_planner *pl, rdl_view_plan *plan, json_t *select, json_t *const *keys,
                          size_t n, json_t **out, rdl_err *err)
{
    const char **types = RDL_NEWN(pl->arena, const char *, n);
    const char **texts = RDL_NEWN(pl->arena, const char *, n);
    plan->key_types = RDL_NEWN(pl->arena, const rdl_type *, n);
    RDL_TRY(rdl_plan_types(pl, select, keys, n, types, err));
    for (size_t i = 0; i < n; i++) {
        const rdl_type *t = rdl_plan_closed_type(pl, types[i]);
        if (t == NULL) {
            rdl_plan_refuse(pl, "BY", NULL, "a key is of the type %s",
                            types[i][0] != '\0' ? types[i] : "unknown");
            return RDL_OK;
        }
        rdl_buf b = {0};
        rdl_type_print(t, &b);
        texts[i] = rdl_arena_printf(pl->arena, "CAST(\"$1\" AS %s) AS k%zu", rdl_buf_str(&b), i);
        plan->key_types[i] = t;
        rdl_buf_fini(&b);
    }
    RDL_TRY(rdl_tree_exprs(&pl->tree, texts, n, out, err));
    for (size_t i = 0; i < n; i++)
        out[i] = rdl_tree_bind(&pl->tree, out[i], &keys[i], 1);
    return RDL_OK;
}

/* The keys of the touched groups; select's FROM is not threaded yet. */
typedef struct touching {
    rdl_planner *pl;
    const rdl_view_plan *plan;
    json_t *select, *list;
    size_t n;
} touching;

static rdl_code keys_text(const touching *t, json_t *query, const char *prefix, rdl_str *out,
                          rdl_err *err)
{
    rdl_thread th = {.pl = t->pl, .driving = t->plan->driving, .prefix = prefix};
    RDL_TRY(rdl_plan_thread_bottom(&th, query, 0, err));
    if (t->pl->refusal.why != NULL)
        return RDL_OK;
    rdl_plan_read_all(t->pl, query);
    return rdl_tree_print(&t->pl->tree, query, out, err);
}

static rdl_code keys_at(void *arg, size_t step, bool after, rdl_str *out, rdl_err *err)
{
    const touching *t = arg;
    json_t *query = rdl_plan_select_keys(t->pl, t->select, t->list, t->n);
    const char *prefix = rdl_moving_stand(t->pl, query, step, after);
    return keys_text(t, query, prefix, out, err);
}

static rdl_code touched_text(rdl_planner *pl, rdl_view_plan *plan, json_t *select,
                             json_t *const *keys, size_t n, rdl_err *err)
{
    touching t = {.pl = pl,
                  .plan = plan,
                  .select = select,
                  .list = rdl_tree_keep(&pl->tree, json_array()),
                  .n = n};
    for (size_t i = 0; i < n; i++)
        json_array_append(t.list, keys[i]);
    rdl_str text = {0};
    RDL_TRY(keys_text(&t, rdl_plan_select_keys(pl, select, t.list, n), "new:", &text, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    plan->touched_sql = text;
    if (plan->driving->kind == RDL_TABLE_VIEW || plan->driving->kind == RDL_TABLE_SNAPSHOT) {
        rdl_str old = rdl_plan_retarget(pl, text, "new:", "old:", plan->driving);
        plan->touched_sql = rdl_str_of(rdl_arena_printf(pl->arena, "%s UNION %s", text.p, old.p));
    }
    return rdl_plan_steps(pl, plan, keys_at, &t, err);
}

/* FROM (what it was) SEMI JOIN touched ON keys are equal, NULLs too. */
rdl_code rdl_plan_restrict_from(rdl_planner *pl, json_t *select, json_t *const *keys, size_t n,
                                rdl_err *err)
{
    rdl_buf b = {0};
    rdl_buf_puts(&b, "SELECT 1 FROM x SEMI JOIN (SELECT ");
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(&b, "%sk%zu AS __rdl_k%zu", i > 0 ? ", " : "", i, i);
    rdl_buf_puts(&b, " FROM e.");
    rdl_buf_put_sql_ident(&b,
                          rdl_str_of(rdl_arena_printf(pl->arena, "touched:%.*s",
                                                      (int)pl->table->full.n, pl->table->full.p)));
    rdl_buf_puts(&b, ") AS __rdl_touched ON ");
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(&b, "%s\"$%c\" IS NOT DISTINCT FROM __rdl_touched.__rdl_k%zu",
                       i > 0 ? " AND " : "", (char)('1' + i), i);
    json_t *query = NULL;
    rdl_code rc = rdl_tree_parse(&pl->tree, rdl_buf_str(&b), &query, err);
    rdl_buf_fini(&b);
    RDL_TRY(rc);
    json_t *join = json_object_get(query, "from_table");
    json_t *condition = json_object_get(join, "condition");
    json_object_set(join, "condition", rdl_tree_bind(&pl->tree, condition, keys, n));
    json_object_set(join, "left", json_object_get(select, "from_table"));
    json_object_set(select, "from_table", join);
    return RDL_OK;
}

static rdl_code groups_text(rdl_planner *pl, rdl_view_plan *plan, json_t *query, int bottom,
                            json_t *const *keys, size_t n, rdl_thread_identity identity,
                            rdl_err *err)
{
    json_t *copy = rdl_tree_clone(&pl->tree, query);
    rdl_thread th = {.pl = pl, .driving = plan->driving, .prefix = "all:", .identity = identity};
    rdl_chain chain;
    if (!rdl_plan_chain(&th, copy, &chain))
        return rdl_err_set(err, RDL_EBUG, 0, "could not find the driving input again");
    json_t *select = chain.level[bottom];
    const char *const *names;
    size_t name_count = rdl_thread_columns(identity, &names);
    RDL_TRY(rdl_plan_exact(pl, copy, select, names, name_count, err));
    RDL_TRY(rdl_plan_thread_bottom(&th, copy, bottom, err));
    if (pl->refusal.why != NULL)
        return RDL_OK;
    rdl_plan_read_all(pl, copy);
    RDL_TRY(rdl_plan_restrict_from(pl, select, keys, n, err));
    rdl_str text;
    RDL_TRY(rdl_tree_print(&pl->tree, copy, &text, err));
    plan->groups_sql = rdl_plan_cast_columns(pl, text);
    return RDL_OK;
}

rdl_code rdl_plan_groups(rdl_planner *pl, rdl_view_plan *plan, json_t *query,
                         rdl_thread_identity identity, bool *done, rdl_err *err)
{
    enum { KEYS_MAX = 40 };
    rdl_thread th = {.pl = pl, .driving = plan->driving, .prefix = "new:"};
    rdl_chain chain;
    *done = false;
    if (!rdl_plan_chain(&th, query, &chain) || chain.bottom < 0 || !joins_keep_keys(&th, &chain))
        return RDL_OK;
    json_t *bottom = chain.level[chain.bottom];
    key_list found = level_keys(pl, bottom);
    json_t *keys[KEYS_MAX], *casts[KEYS_MAX];
    plan->key_columns = RDL_NEWN(pl->arena, size_t, KEYS_MAX);
    size_t n = 0;
    for (size_t i = 0; i < found.v.n && n < KEYS_MAX; i++) {
        int column = trace_up(pl, &chain, found.v.v[i]);
        if (column < 0)
            continue;
        plan->key_columns[n] = (size_t)column;
        keys[n] = rdl_tree_clone(&pl->tree, found.v.v[i]);
        rdl_tree_alias(keys[n++], "");
    }
    if (n == 0)
        return RDL_OK;
    plan->key_count = n;
    RDL_TRY(cast_keys(pl, plan, bottom, keys, n, casts, err));
    if (pl->refusal.why == NULL)
        RDL_TRY(touched_text(pl, plan, bottom, casts, n, err));
    if (pl->refusal.why == NULL)
        RDL_TRY(groups_text(pl, plan, query, chain.bottom, casts, n, identity, err));
    *done = pl->refusal.why == NULL;
    return RDL_OK;
}
