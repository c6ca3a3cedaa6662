/*
 * lang/plan_spread.c - a fold over a list that is written out, as one fold for each element.
 *
 *   SELECT k(m), sum(x) FROM (SELECT x, unnest([A, B]) AS m FROM t) GROUP BY 1
 *
 * makes two rows of every row of t before it sums.  Its partial needs no more than
 *
 *   SELECT k(m), sum(x) FROM (SELECT x, A AS m FROM t) GROUP BY 1  UNION ALL  the same with B
 *
 * whose groups merge into the same states.  Asked for where elements are of the list's own type, so
 * that no cast is lost, and where the level that unnests unnests once.
 *
 * In a branch m.field is the element's part itself, so that no struct is made, and a key that is a
 * constant there is none to group by.
 *
 * A key that two branches give comes twice, unless a field (or the element itself) is a different
 * constant in each and stands in GROUP BY: the merge is told which it is.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

enum {
    ELEMENTS_MAX = 16,
};

typedef struct spread {
    json_t *level; /* the SELECT that unnests */
    size_t item;   /* of its list */
    json_t *elements;
    const char *name;  /* of the item */
    const char *outer; /* of the subquery, where the level above reads it; NULL: deeper */
} spread;

static json_t *written_list(json_t *item)
{
    json_t *args = json_object_get(item, "children"), *list = json_array_get(args, 0);
    if (!rdl_tree_calls(item, "unnest") || json_array_size(args) != 1 ||
        !rdl_tree_calls(list, "list_value"))
        return NULL;
    json_t *elements = json_object_get(list, "children");
    size_t n = json_array_size(elements);
    return n > 1 && n <= ELEMENTS_MAX ? elements : NULL;
}

/* The one list that a select unnests, and it is written out. */
static bool find_in(json_t *select, spread *out)
{
    json_t *items = json_object_get(select, "select_list");
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i), *elements = written_list(item);
        if (rdl_tree_find_call(item, "unnest") == NULL)
            continue;
        found++;
        if (elements == NULL || rdl_tree_find_call(elements, "unnest") != NULL)
            return false;
        out->level = select;
        out->item = i;
        out->elements = elements;
        out->name = rdl_tree_text(item, "alias");
    }
    return found == 1 && out->name[0] != '\0';
}

/* Below `select`, through FROM clauses that hold nothing but a subquery. */
static bool find_spread(json_t *select, spread *out)
{
    json_t *from = json_object_get(select, "from_table");
    for (size_t depth = 0; rdl_tree_is(from, "SUBQUERY"); depth++) {
        json_t *node = json_object_get(json_object_get(from, "subquery"), "node");
        if (!rdl_tree_is(node, "SELECT_NODE") || rdl_tree_has(from, "column_name_alias"))
            return false;
        out->outer = depth == 0 ? rdl_tree_text(from, "alias") : NULL;
        if (find_in(node, out))
            return true;
        from = json_object_get(node, "from_table");
    }
    return false;
}

/* Every element has the type that the list gives it. */
static rdl_code keeps_types(rdl_planner *pl, const spread *s, bool *out, rdl_err *err)
{
    json_t *item = json_array_get(json_object_get(s->level, "select_list"), s->item);
    json_t *exprs[ELEMENTS_MAX + 1];
    const char *types[ELEMENTS_MAX + 1];
    size_t n = json_array_size(s->elements);
    exprs[0] = json_array_get(json_object_get(item, "children"), 0);
    for (size_t i = 0; i < n; i++)
        exprs[i + 1] = json_array_get(s->elements, i);
    RDL_TRY(rdl_plan_types(pl, s->level, exprs, n + 1, types, err));
    *out = types[0][0] != '\0';
    for (size_t i = 1; i <= n; i++) {
        size_t length = strlen(types[i]);
        *out = *out && length > 0 && strlen(types[0]) == length + 2 &&
               strncmp(types[0], types[i], length) == 0 && strcmp(types[0] + length, "[]") == 0;
    }
    return RDL_OK;
}

/* The field's value in this element; the element itself for a NULL name. */
static json_t *part_of(json_t *element, const char *field)
{
    if (field == NULL)
        return element;
    json_t *parts = json_object_get(element, "children");
    for (size_t i = 0; rdl_tree_calls(element, "struct_pack") && i < json_array_size(parts); i++) {
        json_t *part = json_array_get(parts, i);
        if (strcasecmp(rdl_tree_text(part, "alias"), field) == 0)
            return part;
    }
    return NULL;
}

static bool is_plain_constant(const json_t *part)
{
    const char *type = rdl_tree_text(json_object_get(json_object_get(part, "value"), "type"), "id");
    return rdl_tree_class(part, "CONSTANT") &&
           (strcmp(type, "VARCHAR") == 0 || strcmp(type, "INTEGER") == 0);
}

static bool tells_apart(const spread *s, const char *field)
{
    size_t n = json_array_size(s->elements);
    for (size_t i = 0; i < n; i++) {
        json_t *part = part_of(json_array_get(s->elements, i), field);
        if (part == NULL || !is_plain_constant(part))
            return false;
        for (size_t j = 0; j < i; j++) {
            json_t *other = part_of(json_array_get(s->elements, j), field);
            if (json_equal(json_object_get(part, "value"), json_object_get(other, "value")))
                return false;
        }
    }
    return true;
}

/*
 * Is this m, or m.field (then *field)?  It means the column if the subquery is not called so.  A
 * field is an operator over the column (plan_fields.c), or its name's last part where the subquery
 * has none.
 */
static bool names_item(const spread *s, const json_t *node, const char **field)
{
    const json_t *parts = json_object_get(node, "children");
    bool extract = rdl_tree_is(node, "STRUCT_EXTRACT");
    const json_t *column = extract ? json_array_get(parts, 0) : node;
    const json_t *names = json_object_get(column, "column_names");
    size_t n = json_array_size(names), at = 0;
    *field = NULL;
    if (!rdl_tree_class(column, "COLUMN_REF") || s->outer == NULL ||
        strcasecmp(s->outer, s->name) == 0)
        return false;
    if (n > 1 && strcasecmp(json_string_value(json_array_get(names, 0)), s->outer) == 0)
        at = 1;
    if (n - at > (extract ? 1 : 2) ||
        strcasecmp(json_string_value(json_array_get(names, at)), s->name) != 0)
        return false;
    if (extract)
        *field = rdl_tree_text(json_object_get(json_array_get(parts, 1), "value"), "value");
    else if (n - at == 2)
        *field = json_string_value(json_array_get(names, at + 1));
    return true;
}

static bool groups_apart(const spread *s, json_t *select)
{
    json_t *groups = json_object_get(select, "group_expressions");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *field = NULL;
        if (names_item(s, json_array_get(groups, i), &field) && tells_apart(s, field))
            return true;
    }
    return false;
}

/* ---- one branch ---- */

typedef struct naming {
    rdl_planner *pl;
    const spread *s;
    json_t *element;
    json_t *fields; /* of the level's list: parts that the fold reads */
} naming;

/* m.field as the part itself where it is a constant, else as a column of its own. */
static json_t *swap_field(void *arg, json_t *node)
{
    naming *n = arg;
    const char *field = NULL;
    if (!names_item(n->s, node, &field) || field == NULL)
        return NULL;
    json_t *part = part_of(n->element, field);
    if (part == NULL)
        return NULL;
    const char *name = rdl_arena_printf(n->pl->arena, "__rdl_part_%zu", json_array_size(n->fields));
    json_t *with = is_plain_constant(part) ? rdl_tree_clone(&n->pl->tree, part)
                                           : rdl_tree_column(&n->pl->tree, n->s->outer, name);
    if (!is_plain_constant(part)) {
        json_t *item = rdl_tree_clone(&n->pl->tree, part);
        rdl_tree_alias(item, name);
        json_array_append(n->fields, item);
    }
    rdl_tree_alias(with, rdl_tree_text(node, "alias"));
    return with;
}

/* Keys that are constant in this branch need no grouping, as long as another one is left. */
static void drop_constant_keys(rdl_planner *pl, const spread *s, json_t *select, json_t *element,
                               json_t *partial)
{
    json_t *keys = json_object_get(select, "group_expressions");
    json_t *groups = rdl_tree_keep(&pl->tree, json_array());
    json_t *set = rdl_tree_keep(&pl->tree, json_array());
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *field = NULL;
        json_t *part = names_item(s, json_array_get(keys, i), &field) && field != NULL
                           ? part_of(element, field)
                           : NULL;
        if (part != NULL && is_plain_constant(part))
            continue;
        json_array_append_new(set, json_integer((json_int_t)json_array_size(groups)));
        json_array_append(groups, rdl_tree_position(&pl->tree, i + 1));
    }
    if (json_array_size(groups) == 0)
        return;
    json_object_set(partial, "group_expressions", groups);
    json_object_set_new(partial, "group_sets", json_pack("[O]", set));
}

static json_t *branch(rdl_planner *pl, json_t *select, json_t *partial, size_t element)
{
    json_t *copy = rdl_tree_clone(&pl->tree, partial);
    spread s = {0};
    if (!find_spread(copy, &s))
        return NULL;
    json_t *only = rdl_tree_clone(&pl->tree, json_array_get(s.elements, element));
    s.name = rdl_arena_strdup(pl->arena, s.name); /* its item goes */
    naming n = {
        .pl = pl, .s = &s, .element = only, .fields = rdl_tree_keep(&pl->tree, json_array())};
    drop_constant_keys(pl, &s, select, only, copy);
    rdl_tree_map(json_object_get(copy, "select_list"), swap_field, &n);
    json_t *where = json_object_get(copy, "where_clause");
    if (rdl_tree_has(copy, "where_clause"))
        json_object_set(copy, "where_clause", rdl_tree_map(where, swap_field, &n));
    json_t *list = json_object_get(s.level, "select_list");
    rdl_tree_alias(only, s.name);
    json_array_set(list, s.item, only);
    json_array_extend(list, n.fields);
    return copy;
}

rdl_code rdl_plan_spread(rdl_planner *pl, json_t *select, json_t *partial, rdl_str *text,
                         bool *repeats, rdl_err *err)
{
    spread s = {0};
    bool may = false;
    *repeats = false;
    if (find_spread(select, &s))
        RDL_TRY(keeps_types(pl, &s, &may, err));
    if (!may)
        return rdl_tree_print(&pl->tree, partial, text, err);
    rdl_buf all = {0};
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < json_array_size(s.elements) && rc == RDL_OK; i++) {
        json_t *one = branch(pl, select, partial, i);
        rdl_str sql = {0};
        rc = one == NULL ? rdl_err_set(err, RDL_EBUG, 0, "could not find the list again")
                         : rdl_tree_print(&pl->tree, one, &sql, err);
        rdl_buf_puts(&all, i > 0 ? " UNION ALL " : "");
        rdl_buf_put(&all, sql.p, sql.n);
    }
    *text = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&all)));
    *repeats = !groups_apart(&s, select);
    rdl_buf_fini(&all);
    return rc;
}
