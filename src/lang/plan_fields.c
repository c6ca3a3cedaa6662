/*
 * lang/plan_fields.c - fields of structs told from columns of tables.
 *
 * "m.id" in a text is column id of table m, or field id of the struct m.  DuckDB decides when
 * it binds; the planner compares trees, where t.x and x are one column (rdl_tree_equal) and a
 * field named x must be another thing.  So fields are written as DuckDB writes (m).id: an
 * operator over the column.
 *
 * A first name that a FROM around it has is a table's; what follows table and column is fields.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

typedef struct scope {
    const struct scope *outer;
    json_t *from;
} scope;

static bool from_names(json_t *ref, const char *name)
{
    if (rdl_tree_is(ref, "JOIN"))
        return from_names(json_object_get(ref, "left"), name) ||
               from_names(json_object_get(ref, "right"), name);
    if (rdl_plan_ref_name(ref)[0] == '\0' && !rdl_tree_is(ref, "EMPTY"))
        return true; /* unnest(..) and its like: DuckDB names them */
    return strcasecmp(rdl_plan_ref_name(ref), name) == 0 ||
           (rdl_tree_has(ref, "schema_name") &&
            strcasecmp(rdl_tree_text(ref, "schema_name"), name) == 0);
}

static bool names_table(const scope *s, const char *name)
{
    for (; s != NULL; s = s->outer)
        if (from_names(s->from, name))
            return true;
    return false;
}

static json_t *field_of(rdl_tree *tr, json_t *base, const char *field)
{
    json_t *name =
        json_pack("{s:s, s:s, s:s, s:i, s:{s:{s:s, s:n}, s:b, s:s}}", "class", "CONSTANT", "type",
                  "VALUE_CONSTANT", "alias", "", "query_location", 0, "value", "type", "id",
                  "VARCHAR", "type_info", "is_null", 0, "value", field);
    return rdl_tree_keep(tr, json_pack("{s:s, s:s, s:s, s:i, s:[O, o]}", "class", "OPERATOR",
                                       "type", "STRUCT_EXTRACT", "alias", "", "query_location", 0,
                                       "children", base, name));
}

/* The column reference as fields of a column, or itself. */
static json_t *split(rdl_planner *pl, const scope *s, json_t *ref)
{
    json_t *names = json_object_get(ref, "column_names");
    size_t n = json_array_size(names), columns = 1;
    while (columns < n && columns < 3 &&
           names_table(s, json_string_value(json_array_get(names, columns - 1))))
        columns++;
    if (n < 2 || columns >= n)
        return ref;
    json_t *base = rdl_tree_clone(&pl->tree, ref), *kept = json_object_get(base, "column_names");
    while (json_array_size(kept) > columns)
        json_array_remove(kept, json_array_size(kept) - 1);
    rdl_tree_alias(base, "");
    for (size_t i = columns; i < n; i++)
        base = field_of(&pl->tree, base, json_string_value(json_array_get(names, i)));
    rdl_tree_alias(base, rdl_tree_text(ref, "alias"));
    return base;
}

static json_t *tell(rdl_planner *pl, const scope *outer, json_t *node);

static void tell_list(rdl_planner *pl, const scope *s, json_t *list, bool items)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *was = json_array_get(list, i), *now = tell(pl, s, was);
        if (now == was)
            continue;
        if (items && !rdl_tree_has(now, "alias"))
            rdl_tree_alias(now, rdl_tree_column_name(was));
        json_array_set(list, i, now);
    }
}

static json_t *tell(rdl_planner *pl, const scope *outer, json_t *node)
{
    if (json_is_array(node))
        tell_list(pl, outer, node, false);
    if (!json_is_object(node))
        return node;
    if (rdl_tree_class(node, "COLUMN_REF"))
        return split(pl, outer, node);
    scope own = {.outer = outer, .from = json_object_get(node, "from_table")};
    const scope *s = rdl_tree_is(node, "SELECT_NODE") ? &own : outer;
    for (void *it = json_object_iter(node); it != NULL; it = json_object_iter_next(node, it)) {
        json_t *was = json_object_iter_value(it);
        if (strcmp(json_object_iter_key(it), "select_list") == 0) {
            tell_list(pl, s, was, true);
            continue;
        }
        json_t *now = tell(pl, s, was);
        if (now != was)
            json_object_iter_set(node, it, now);
    }
    return node;
}

void rdl_plan_tell_fields(rdl_planner *pl, json_t *query)
{
    tell(pl, NULL, query);
}
