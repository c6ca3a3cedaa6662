/*
 * lang/plan_thread.c - carries the identity of each input row through a body whose rows
 * each come from exactly one row of the driving input.
 *
 * SELECT .. FROM .. JOIN .. WHERE .. UNNEST .. UNION ALL keep that promise; everything else
 * is refused.  The driving table becomes (SELECT its columns, identity AS __rdl_* FROM
 * e."new:t"), and every SELECT on the way up passes the __rdl_* columns on; stars do not
 * show them.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

static const char *const event_names[] = {"__rdl_epoch", "__rdl_partition", "__rdl_offset",
                                          "__rdl_ordinal", "__rdl_event"};
static const char *const row_names[] = {"__rdl_row"};

size_t rdl_thread_columns(rdl_thread_identity identity, const char *const **out_names)
{
    *out_names = identity == RDL_THREAD_ROW ? row_names : event_names;
    switch (identity) {
    case RDL_THREAD_NONE:
        return 0;
    case RDL_THREAD_IDENTITY:
        return 4;
    case RDL_THREAD_EVENT:
        return 5;
    case RDL_THREAD_ROW:
        return 1;
    }
    return 0;
}

static bool drives(const rdl_thread *th, const json_t *base)
{
    const rdl_input *in = rdl_plan_input_of(th->pl, base);
    if (in == NULL)
        return false;
    if (th->driving == NULL)
        return rdl_plan_is_stream_input(th->pl, in->table);
    return in->table == th->driving && (!th->pl->marked || rdl_plan_drives(base));
}

typedef struct holding {
    const rdl_thread *th;
    bool held;
} holding;

static bool visit_holds(void *arg, json_t *node)
{
    holding *h = arg;
    if (rdl_tree_is(node, "BASE_TABLE") && drives(h->th, node))
        h->held = true;
    return !h->held;
}

bool rdl_thread_holds(const rdl_thread *th, json_t *node)
{
    holding h = {.th = th};
    rdl_tree_walk(node, visit_holds, &h);
    return h.held;
}

/* The identity columns of a leaf, under the names by which they travel. */
static json_t *leaf_columns(rdl_thread *th, const rdl_table *t)
{
    static const char *const taken_from[] = {"_epoch", "_source_partition", "_source_offset",
                                             "_ordinal", "_event_ts"};
    rdl_tree *tr = &th->pl->tree;
    json_t *list = rdl_tree_keep(tr, json_array());
    const char *const *names;
    size_t n = rdl_thread_columns(th->identity, &names);
    for (size_t i = 0; th->identity != RDL_THREAD_ROW && i < n; i++) {
        json_t *column = rdl_tree_column(tr, NULL, taken_from[i]);
        rdl_tree_alias(column, names[i]);
        json_array_append(list, column);
    }
    if (th->identity != RDL_THREAD_ROW)
        return list;
    json_t *args = rdl_tree_keep(tr, json_array());
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_str name = t->columns.v[i].name;
        json_array_append(
            args, rdl_tree_column(tr, NULL, rdl_arena_strndup(th->pl->arena, name.p, name.n)));
    }
    json_t *key = rdl_tree_call(tr, "rdl_key", args);
    rdl_tree_alias(key, names[0]);
    json_array_append(list, key);
    return list;
}

static void exclude_name(json_t *exclude, const char *name)
{
    for (size_t i = 0; i < json_array_size(exclude); i++)
        if (strcmp(json_string_value(json_array_get(exclude, i)), name) == 0)
            return;
    json_array_append_new(exclude, json_string(name));
}

/* Columns of the relation that a star in the user's text must not show. */
static void exclude_extra(json_t *exclude, const rdl_table *t, json_t *relation)
{
    json_t *inner = json_object_get(json_object_get(relation, "subquery"), "node");
    json_t *list = json_object_get(inner, "select_list");
    for (size_t i = t->columns.n; i < json_array_size(list); i++)
        exclude_name(exclude, rdl_tree_item_name(json_array_get(list, i)));
}

static void thread_leaf(rdl_thread *th, json_t **ref, json_t *exclude)
{
    const rdl_table *t = rdl_plan_input_of(th->pl, *ref)->table;
    *ref = rdl_plan_relation(th->pl, *ref, t, th->prefix, leaf_columns(th, t));
    exclude_extra(exclude, t, *ref);
    th->leaves++;
}

/* Whether this comparison fixes a key column of `side` by something from elsewhere. */
static bool fixes_column(const json_t *cmp, const char *side, rdl_str column)
{
    if (!rdl_tree_is(cmp, "COMPARE_EQUAL") && !rdl_tree_is(cmp, "COMPARE_NOT_DISTINCT_FROM"))
        return false;
    const json_t *sides[2] = {json_object_get(cmp, "left"), json_object_get(cmp, "right")};
    for (size_t i = 0; i < 2; i++) {
        const json_t *names = json_object_get(sides[i], "column_names");
        const json_t *others = json_object_get(sides[1 - i], "column_names");
        if (json_array_size(names) != 2 ||
            strcasecmp(json_string_value(json_array_get(names, 0)), side) != 0 ||
            !rdl_str_eq_nocase(rdl_str_of(rdl_tree_column_name(sides[i])), column))
            continue;
        bool own = others == NULL || json_array_size(others) < 2 ||
                   strcasecmp(json_string_value(json_array_get(others, 0)), side) == 0;
        bool constant = rdl_tree_class(sides[1 - i], "CONSTANT");
        if (!own || constant)
            return true;
    }
    return false;
}

static bool condition_fixes(const json_t *condition, const char *side, rdl_str column)
{
    if (rdl_tree_is(condition, "CONJUNCTION_AND")) {
        const json_t *children = json_object_get(condition, "children");
        for (size_t i = 0; i < json_array_size(children); i++)
            if (condition_fixes(json_array_get(children, i), side, column))
                return true;
        return false;
    }
    return fixes_column(condition, side, column);
}

/* The joined side is a view and the join fixes every column of its primary key. */
static bool one_match_proved(const rdl_planner *pl, const json_t *join, const json_t *side)
{
    const rdl_input *in = rdl_plan_input_of(pl, side);
    if (in == NULL || in->table->primary_key_count == 0 || rdl_tree_has(side, "column_name_alias"))
        return false;
    const json_t *use = json_object_get(join, "using_columns");
    for (size_t i = 0; i < in->table->primary_key_count; i++) {
        rdl_str column = in->table->columns.v[in->table->primary_key[i]].name;
        bool fixed =
            condition_fixes(json_object_get(join, "condition"), rdl_plan_ref_name(side), column);
        for (size_t u = 0; !fixed && u < json_array_size(use); u++)
            fixed =
                rdl_str_eq_nocase(rdl_str_of(json_string_value(json_array_get(use, u))), column);
        if (!fixed)
            return false;
    }
    return true;
}

/* A lateral SELECT of expressions without FROM gives one row, unless it unnests. */
static bool gives_one_row(json_t *side)
{
    json_t *node = json_object_get(json_object_get(side, "subquery"), "node");
    return node != NULL && rdl_tree_is(node, "SELECT_NODE") &&
           rdl_tree_is(json_object_get(node, "from_table"), "EMPTY") &&
           !rdl_tree_has(node, "where_clause") && rdl_tree_find_call(node, "unnest") == NULL;
}

bool rdl_plan_joins_once(const rdl_planner *pl, json_t *join, json_t *side)
{
    static const char *const kinds[] = {"SEMI", "ANTI", "MARK", "SINGLE"};
    const char *kind = rdl_tree_text(join, "join_type");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return strcmp(rdl_tree_text(join, "ref_type"), "ASOF") == 0 ||
           strcmp(rdl_tree_text(join, "ref_type"), "POSITIONAL") == 0 || gives_one_row(side) ||
           one_match_proved(pl, join, side);
}

static void note_join(rdl_thread *th, json_t *join, json_t *other)
{
    const char *kind = rdl_tree_text(join, "join_type");
    bool semi = strcmp(kind, "SEMI") == 0 || strcmp(kind, "ANTI") == 0;
    bool asof = strcmp(rdl_tree_text(join, "ref_type"), "ASOF") == 0;
    if (strcmp(kind, "INNER") == 0 || semi)
        th->filters = th->filters || !gives_one_row(other);
    if (semi || asof || gives_one_row(other) || one_match_proved(th->pl, join, other))
        return;
    if (rdl_tree_find_call(other, "hop_windows") != NULL)
        th->fans_hop = true;
    else
        th->fans = true;
}

static rdl_code thread_join(rdl_thread *th, json_t **ref, json_t *exclude, rdl_err *err)
{
    json_t *join = *ref, *left = json_object_get(join, "left");
    json_t *right = json_object_get(join, "right");
    bool in_left = rdl_thread_holds(th, left), in_right = rdl_thread_holds(th, right);
    const char *kind = rdl_tree_text(join, "join_type");
    if (in_left && in_right) {
        rdl_plan_refuse(th->pl, "JOIN",
                        "Join the stream to a table fed by a snapshot, or to a view.",
                        "a join of two streams needs AS OF event time or PROCESSING TIME, "
                        "which this version does not support");
        return RDL_OK;
    }
    bool keeps = strcmp(kind, "INNER") == 0 || strcmp(kind, in_left ? "LEFT" : "RIGHT") == 0 ||
                 (in_left && (strcmp(kind, "SEMI") == 0 || strcmp(kind, "ANTI") == 0));
    if (!keeps || strcmp(rdl_tree_text(join, "ref_type"), "POSITIONAL") == 0) {
        rdl_plan_refuse(th->pl, "JOIN", "Use INNER JOIN, or LEFT JOIN with the stream on the left.",
                        "a %s join makes rows that no input row stands for", kind);
        return RDL_OK;
    }
    note_join(th, join, in_left ? right : left);
    json_t *side = in_left ? left : right;
    RDL_TRY(rdl_thread_from(th, &side, exclude, err));
    json_object_set(join, in_left ? "left" : "right", side);
    return RDL_OK;
}

static rdl_code thread_subquery(rdl_thread *th, json_t **ref, json_t *exclude, rdl_err *err)
{
    json_t *query = json_object_get(json_object_get(*ref, "subquery"), "node");
    RDL_TRY(rdl_thread_query(th, query, err));
    const char *const *names;
    size_t n = rdl_thread_columns(th->identity, &names);
    for (size_t i = 0; i < n; i++)
        exclude_name(exclude, names[i]);
    return RDL_OK;
}

rdl_code rdl_thread_from(rdl_thread *th, json_t **ref, json_t *exclude, rdl_err *err)
{
    if (th->pl->refusal.why != NULL)
        return RDL_OK;
    if (rdl_tree_is(*ref, "BASE_TABLE") && drives(th, *ref)) {
        thread_leaf(th, ref, exclude);
        return RDL_OK;
    }
    if (rdl_tree_is(*ref, "JOIN") && rdl_thread_holds(th, *ref))
        return thread_join(th, ref, exclude, err);
    if (rdl_tree_is(*ref, "SUBQUERY") && rdl_thread_holds(th, *ref))
        return thread_subquery(th, ref, exclude, err);
    rdl_plan_refuse(th->pl, "FROM", NULL, "the FROM clause does not read the driving input");
    return RDL_OK;
}

/* What a SELECT may not have if its rows are to stand for input rows. */
static void refuse_folding(rdl_planner *pl, json_t *select)
{
    static const struct {
        const char *type, *word;
    } modifiers[] = {{"DISTINCT_MODIFIER", "DISTINCT"},
                     {"ORDER_MODIFIER", "ORDER BY"},
                     {"LIMIT_MODIFIER", "LIMIT"},
                     {"LIMIT_PERCENT_MODIFIER", "LIMIT"}};
    const char *hint = "Keep the rows here, and put this into a materialized view over the table.";
    json_t *list = json_object_get(select, "modifiers");
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t m = 0; m < sizeof modifiers / sizeof *modifiers; m++)
            if (rdl_tree_is(json_array_get(list, i), modifiers[m].type))
                rdl_plan_refuse(pl, modifiers[m].word, hint, "%s cannot be answered row by row",
                                modifiers[m].word);
    bool grouped = rdl_tree_has(select, "group_expressions") ||
                   strcmp(rdl_tree_text(select, "aggregate_handling"), "FORCE_AGGREGATES") == 0;
    if (grouped)
        rdl_plan_refuse(pl, "GROUP BY", hint, "GROUP BY cannot be answered row by row");
    json_t *items = json_object_get(select, "select_list");
    json_t *aggregate = rdl_plan_find_aggregate(items), *window = rdl_plan_find_window(items);
    if (aggregate != NULL || rdl_tree_has(select, "having")) {
        const char *name = aggregate != NULL ? rdl_tree_text(aggregate, "function_name") : "HAVING";
        rdl_plan_refuse(pl, strcmp(name, "count_star") == 0 ? "count" : name, hint,
                        "the aggregate %s cannot be answered row by row", name);
    }
    if (window != NULL || rdl_tree_has(select, "qualify"))
        rdl_plan_refuse(pl, window != NULL ? "OVER" : "QUALIFY", hint,
                        "a window function cannot be answered row by row");
    if (rdl_tree_has(select, "sample"))
        rdl_plan_refuse(pl, "SAMPLE", NULL, "a sample is not the same twice");
}

/* x.* and * of this SELECT do not show the columns of exclude. */
typedef struct star_hiding {
    json_t *exclude;
    const char *holder; /* the name of the table reference that has them; NULL: in a join */
} star_hiding;

static bool hide_in_star(void *arg, json_t *node)
{
    const star_hiding *h = arg;
    if (rdl_tree_class(node, "SUBQUERY"))
        return false;
    if (!rdl_tree_class(node, "STAR") || json_is_object(json_object_get(node, "expr")))
        return true;
    const char *relation = rdl_tree_text(node, "relation_name");
    if (relation[0] != '\0' && strcasecmp(relation, h->holder) != 0)
        return true;
    json_array_extend(json_object_get(node, "exclude_list"), h->exclude);
    return true;
}

void rdl_thread_hide(json_t *select, json_t *exclude, const char *holder)
{
    star_hiding hiding = {.exclude = exclude, .holder = holder};
    rdl_tree_walk(json_object_get(select, "select_list"), hide_in_star, &hiding);
}

/* The name of the FROM item that holds the driving table. */
static const char *holder_name(const rdl_thread *th, json_t *ref)
{
    while (rdl_tree_is(ref, "JOIN")) {
        json_t *left = json_object_get(ref, "left");
        ref = rdl_thread_holds(th, left) ? left : json_object_get(ref, "right");
    }
    return rdl_plan_ref_name(ref);
}

static rdl_code thread_select(rdl_thread *th, json_t *select, rdl_err *err)
{
    rdl_planner *pl = th->pl;
    refuse_folding(pl, select);
    if (pl->refusal.why != NULL)
        return RDL_OK;
    json_t *from = json_object_get(select, "from_table");
    json_t *exclude = rdl_tree_keep(&pl->tree, json_array());
    const char *holder = rdl_arena_strdup(pl->arena, holder_name(th, from));
    json_t *items = json_object_get(select, "select_list");
    RDL_TRY(rdl_thread_from(th, &from, exclude, err));
    json_object_set(select, "from_table", from);
    rdl_thread_hide(select, exclude, holder);
    th->filters = th->filters || rdl_tree_has(select, "where_clause");
    json_t *unnest = rdl_tree_find_call(items, "unnest");
    if (unnest != NULL) {
        bool hop = rdl_tree_find_call(unnest, "hop_windows") != NULL;
        *(hop ? &th->fans_hop : &th->fans) = true;
        th->filters = true; /* an empty list gives no row */
    }
    const char *const *names;
    size_t n = rdl_thread_columns(th->identity, &names);
    for (size_t i = 0; i < n; i++)
        json_array_append(items, rdl_tree_column(&pl->tree, holder, names[i]));
    return RDL_OK;
}

typedef struct counting {
    const rdl_thread *th;
    const rdl_table *seen[64];
    size_t n;
    bool repeated;
} counting;

static bool visit_count(void *arg, json_t *node)
{
    counting *c = arg;
    const rdl_input *in = rdl_plan_input_of(c->th->pl, node);
    if (in == NULL || !drives(c->th, node))
        return true;
    for (size_t i = 0; i < c->n; i++)
        c->repeated = c->repeated || c->seen[i] == in->table;
    if (c->n < sizeof c->seen / sizeof *c->seen)
        c->seen[c->n++] = in->table;
    else
        c->repeated = true;
    return true;
}

static rdl_code thread_union(rdl_thread *th, json_t *query, rdl_err *err)
{
    if (strcmp(rdl_tree_text(query, "setop_type"), "UNION") != 0 ||
        !json_is_true(json_object_get(query, "setop_all"))) {
        const char *word = rdl_tree_text(query, "setop_type");
        rdl_plan_refuse(th->pl, word, "Of the set operations only UNION ALL keeps every row.",
                        "%s cannot be answered row by row", word);
        return RDL_OK;
    }
    json_t *modifiers = json_object_get(query, "modifiers");
    if (json_array_size(modifiers) > 0) {
        bool order = rdl_tree_is(json_array_get(modifiers, 0), "ORDER_MODIFIER");
        rdl_plan_refuse(th->pl, order ? "ORDER BY" : "LIMIT", NULL,
                        "%s cannot be answered row by row", order ? "ORDER BY" : "LIMIT");
        return RDL_OK;
    }
    counting c = {.th = th};
    rdl_tree_walk(query, visit_count, &c);
    th->fans = th->fans || c.repeated;
    th->unions = true;
    json_t *left = json_object_get(query, "left"), *right = json_object_get(query, "right");
    if (!rdl_thread_holds(th, left) || !rdl_thread_holds(th, right)) {
        rdl_plan_refuse(th->pl, "UNION", "Write STREAM before the table of each branch.",
                        "a branch of UNION ALL reads no stream");
        return RDL_OK;
    }
    RDL_TRY(rdl_thread_query(th, left, err));
    return rdl_thread_query(th, right, err);
}

rdl_code rdl_thread_query(rdl_thread *th, json_t *query, rdl_err *err)
{
    if (th->pl->refusal.why != NULL)
        return RDL_OK;
    if (rdl_tree_is(query, "SELECT_NODE"))
        return thread_select(th, query, err);
    if (rdl_tree_is(query, "SET_OPERATION_NODE"))
        return thread_union(th, query, err);
    rdl_plan_refuse(th->pl, "WITH", NULL, "a recursive query cannot be answered row by row");
    return RDL_OK;
}
