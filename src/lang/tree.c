/*
 * lang/tree.c - small helpers over DuckDB's JSON tree of a SELECT (see tree.h).
 */
#include "lang/tree.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void rdl_tree_init(rdl_tree *tr, rdl_arena *a, rdl_conn *conn)
{
    *tr = (rdl_tree){.arena = a, .conn = conn, .pool = json_array()};
}

void rdl_tree_fini(rdl_tree *tr)
{
    json_decref(tr->pool);
    tr->pool = NULL;
}

json_t *rdl_tree_keep(rdl_tree *tr, json_t *taken)
{
    json_array_append_new(tr->pool, taken);
    return taken;
}

/* Whether the number text is an integer that int64 surely holds. */
static bool plain_integer(const char *p, size_t n)
{
    size_t digits = n - (n > 0 && p[0] == '-');
    return digits <= 18 && strspn(p + (n - digits), "0123456789") >= digits;
}

/* JSON with every other number as "\u0001<text>". */
static void guard_numbers(const char *p, rdl_buf *out)
{
    while (*p != '\0') {
        if (*p == '"') {
            const char *start = p++;
            while (*p != '\0' && *p != '"')
                p += p[0] == '\\' && p[1] != '\0' ? 2 : 1;
            p += *p == '"';
            rdl_buf_put(out, start, (size_t)(p - start));
        } else if (*p == '-' || isdigit((unsigned char)*p)) {
            size_t n = strspn(p, "+-.0123456789eE");
            bool plain = plain_integer(p, n);
            rdl_buf_puts(out, plain ? "" : "\"\\u0001");
            rdl_buf_put(out, p, n);
            rdl_buf_puts(out, plain ? "" : "\"");
            p += n;
        } else {
            rdl_buf_putc(out, *p++);
        }
    }
}

static void unguard_numbers(const char *p, rdl_buf *out)
{
    static const char mark[] = "\"\\u0001";
    const char *at;
    while ((at = strstr(p, mark)) != NULL) {
        const char *number = at + sizeof mark - 1;
        const char *end = strchr(number, '"');
        rdl_buf_put(out, p, (size_t)(at - p));
        rdl_buf_put(out, number, (size_t)(end - number));
        p = end + 1;
    }
    rdl_buf_puts(out, p);
}

rdl_code rdl_tree_parse(rdl_tree *tr, const char *select, json_t **out, rdl_err *err)
{
    char *text = NULL;
    RDL_TRY(rdl_sql_to_tree(tr->conn, tr->arena, select, &text, err));
    rdl_buf guarded = {0};
    guard_numbers(text, &guarded);
    json_error_t problem;
    json_t *root = json_loadb(guarded.p, guarded.n, 0, &problem);
    rdl_buf_fini(&guarded);
    if (root == NULL)
        return rdl_err_set(err, RDL_EBUG, 0, "could not read the tree of a query: %s",
                           problem.text);
    rdl_tree_keep(tr, root);
    json_t *node = json_object_get(json_array_get(json_object_get(root, "statements"), 0), "node");
    if (node == NULL)
        return rdl_err_set(err, RDL_EUSAGE, 0, "could not plan a text that is not one SELECT");
    *out = node;
    return RDL_OK;
}

rdl_code rdl_tree_print(rdl_tree *tr, json_t *query, rdl_str *out, rdl_err *err)
{
    json_t *root = json_pack("{s:b, s:[{s:O, s:[]}]}", "error", 0, "statements", "node", query,
                             "named_param_map");
    char *dump = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (dump == NULL)
        return rdl_err_set(err, RDL_EBUG, 0, "could not write the tree of a query");
    rdl_buf text = {0};
    unguard_numbers(dump, &text);
    free(dump); /* allow: jansson's own text */
    char *sql = NULL;
    rdl_code rc = rdl_tree_to_sql(tr->conn, tr->arena, rdl_buf_str(&text), &sql, err);
    rdl_buf_fini(&text);
    if (rc == RDL_OK)
        *out = rdl_str_of(sql);
    return rc;
}

rdl_code rdl_tree_exprs(rdl_tree *tr, const char *const *texts, size_t n, json_t **out,
                        rdl_err *err)
{
    if (n == 0)
        return RDL_OK;
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT ");
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(&sql, "%s%s", i > 0 ? ", " : "", texts[i]);
    json_t *query = NULL;
    rdl_code rc = rdl_tree_parse(tr, rdl_buf_str(&sql), &query, err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK)
        return rc;
    json_t *list = json_object_get(query, "select_list");
    if (json_array_size(list) != n)
        return rdl_err_set(err, RDL_EBUG, 0, "could not split a list of %zu expressions", n);
    for (size_t i = 0; i < n; i++)
        out[i] = json_array_get(list, i);
    return RDL_OK;
}

json_t *rdl_tree_clone(rdl_tree *tr, json_t *node)
{
    return rdl_tree_keep(tr, json_deep_copy(node));
}

json_t *rdl_tree_column(rdl_tree *tr, const char *qualifier, const char *name)
{
    json_t *names = qualifier != NULL && qualifier[0] != '\0' ? json_pack("[s, s]", qualifier, name)
                                                              : json_pack("[s]", name);
    return rdl_tree_keep(tr, json_pack("{s:s, s:s, s:s, s:i, s:o}", "class", "COLUMN_REF", "type",
                                       "COLUMN_REF", "alias", "", "query_location", 0,
                                       "column_names", names));
}

json_t *rdl_tree_position(rdl_tree *tr, size_t i)
{
    return rdl_tree_keep(tr, json_pack("{s:s, s:s, s:s, s:i, s:{s:{s:s, s:n}, s:b, s:I}}", "class",
                                       "CONSTANT", "type", "VALUE_CONSTANT", "alias", "",
                                       "query_location", 0, "value", "type", "id", "INTEGER",
                                       "type_info", "is_null", 0, "value", (json_int_t)i));
}

json_t *rdl_tree_and(rdl_tree *tr, json_t *a, json_t *b)
{
    if (a == NULL || json_is_null(a))
        return b;
    if (b == NULL || json_is_null(b))
        return a;
    return rdl_tree_keep(tr, json_pack("{s:s, s:s, s:s, s:i, s:[O, O]}", "class", "CONJUNCTION",
                                       "type", "CONJUNCTION_AND", "alias", "", "query_location", 0,
                                       "children", a, b));
}

typedef struct binding {
    rdl_tree *tr;
    json_t *const *args;
    size_t n;
} binding;

static json_t *bind_place(void *arg, json_t *node)
{
    const binding *b = arg;
    const char *name = rdl_tree_column_name(node);
    if (name[0] != '$')
        return NULL;
    size_t i = (size_t)(name[1] - '1');
    if (i >= b->n)
        return NULL;
    json_t *copy = rdl_tree_clone(b->tr, b->args[i]);
    rdl_tree_alias(copy, rdl_tree_text(node, "alias")); /* a field's name in struct_pack */
    return copy;
}

json_t *rdl_tree_bind(rdl_tree *tr, json_t *expr, json_t *const *args, size_t n)
{
    binding b = {.tr = tr, .args = args, .n = n};
    return rdl_tree_map(expr, bind_place, &b);
}

void rdl_tree_alias(json_t *expr, const char *alias)
{
    json_object_set_new(expr, "alias", json_string(alias));
}

json_t *rdl_tree_select(rdl_tree *tr, json_t *from)
{
    json_t *none = json_pack("{s:s, s:s, s:n, s:i}", "type", "EMPTY", "alias", "", "sample",
                             "query_location", 0);
    json_t *select =
        json_pack("{s:s, s:[], s:{s:[]}, s:[], s:O, s:n, s:[], s:[], s:s, s:n, s:n, s:n}", "type",
                  "SELECT_NODE", "modifiers", "cte_map", "map", "select_list", "from_table",
                  from != NULL ? from : none, "where_clause", "group_expressions", "group_sets",
                  "aggregate_handling", "STANDARD_HANDLING", "having", "sample", "qualify");
    json_decref(none);
    return rdl_tree_keep(tr, select);
}

json_t *rdl_tree_table(rdl_tree *tr, const char *schema, const char *table)
{
    return rdl_tree_keep(tr, json_pack("{s:s, s:s, s:n, s:i, s:s, s:s, s:[], s:s, s:n}", "type",
                                       "BASE_TABLE", "alias", "", "sample", "query_location", 0,
                                       "schema_name", schema, "table_name", table,
                                       "column_name_alias", "catalog_name", "", "at_clause"));
}

json_t *rdl_tree_subquery(rdl_tree *tr, json_t *query, const char *alias)
{
    return rdl_tree_keep(tr,
                         json_pack("{s:s, s:s, s:n, s:i, s:{s:O, s:[]}, s:[]}", "type", "SUBQUERY",
                                   "alias", alias, "sample", "query_location", 0, "subquery",
                                   "node", query, "named_param_map", "column_name_alias"));
}

json_t *rdl_tree_call(rdl_tree *tr, const char *function, json_t *args)
{
    return rdl_tree_keep(
        tr, json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:O, s:n, s:{s:s, s:[]}, s:b, s:b, s:b, "
                      "s:s}",
                      "class", "FUNCTION", "type", "FUNCTION", "alias", "", "query_location", 0,
                      "function_name", function, "schema", "", "children", args, "filter",
                      "order_bys", "type", "ORDER_MODIFIER", "orders", "distinct", 0, "is_operator",
                      0, "export_state", 0, "catalog", ""));
}

const char *rdl_tree_text(const json_t *node, const char *key)
{
    const char *s = json_string_value(json_object_get(node, key));
    return s != NULL ? s : "";
}

bool rdl_tree_is(const json_t *node, const char *type)
{
    return strcmp(rdl_tree_text(node, "type"), type) == 0;
}

bool rdl_tree_class(const json_t *node, const char *cls)
{
    return strcmp(rdl_tree_text(node, "class"), cls) == 0;
}

bool rdl_tree_has(const json_t *node, const char *key)
{
    const json_t *v = json_object_get(node, key);
    if (v == NULL || json_is_null(v))
        return false;
    if (json_is_array(v))
        return json_array_size(v) > 0;
    if (json_is_string(v))
        return json_string_length(v) > 0;
    return !json_is_false(v);
}

const char *rdl_tree_column_name(const json_t *node)
{
    if (!rdl_tree_class(node, "COLUMN_REF"))
        return "";
    const json_t *names = json_object_get(node, "column_names");
    size_t n = json_array_size(names);
    const char *s = n > 0 ? json_string_value(json_array_get(names, n - 1)) : NULL;
    return s != NULL ? s : "";
}

const char *rdl_tree_item_name(const json_t *item)
{
    const char *alias = rdl_tree_text(item, "alias");
    return alias[0] != '\0' ? alias : rdl_tree_column_name(item);
}

bool rdl_tree_calls(const json_t *node, const char *function)
{
    return rdl_tree_class(node, "FUNCTION") &&
           strcasecmp(rdl_tree_text(node, "function_name"), function) == 0;
}

/* x against t.x, t.x against T.X; s.t.x against t.x. */
static bool columns_equal(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "column_names"), *y = json_object_get(b, "column_names");
    size_t n = json_array_size(x), m = json_array_size(y), k = n < m ? n : m;
    for (size_t i = 1; i <= k; i++)
        if (strcasecmp(json_string_value(json_array_get(x, n - i)),
                       json_string_value(json_array_get(y, m - i))) != 0)
            return false;
    return k > 0;
}

static bool nodes_equal(const json_t *a, const json_t *b, bool outermost);

static bool objects_equal(const json_t *a, const json_t *b, bool outermost)
{
    if (rdl_tree_class(a, "COLUMN_REF") && rdl_tree_class(b, "COLUMN_REF"))
        return columns_equal(a, b);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)a, key, value)
    {
        if (strcmp(key, "query_location") == 0 || (outermost && strcmp(key, "alias") == 0))
            continue;
        const json_t *other = json_object_get(b, key);
        if (strcmp(key, "function_name") == 0
                ? strcasecmp(rdl_tree_text(a, key), rdl_tree_text(b, key)) != 0
                : !nodes_equal(value, other, false))
            return false;
    }
    return json_object_size(a) == json_object_size(b);
}

static bool nodes_equal(const json_t *a, const json_t *b, bool outermost)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (json_is_object(a) && json_is_object(b))
        return objects_equal(a, b, outermost);
    if (json_is_array(a) && json_is_array(b)) {
        size_t n = json_array_size(a);
        if (n != json_array_size(b))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!nodes_equal(json_array_get(a, i), json_array_get(b, i), false))
                return false;
        return true;
    }
    return json_equal(a, b) != 0;
}

bool rdl_tree_equal(const json_t *a, const json_t *b)
{
    return nodes_equal(a, b, true);
}

void rdl_tree_walk(json_t *node, rdl_tree_visitor visit, void *arg)
{
    if (json_is_object(node)) {
        if (!visit(arg, node))
            return;
        const char *key;
        json_t *value;
        json_object_foreach(node, key, value) rdl_tree_walk(value, visit, arg);
    } else if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++)
            rdl_tree_walk(json_array_get(node, i), visit, arg);
    }
}

json_t *rdl_tree_map(json_t *node, rdl_tree_swapper swap, void *arg)
{
    if (json_is_object(node)) {
        json_t *swapped = swap(arg, node);
        if (swapped != NULL)
            return swapped;
        for (void *it = json_object_iter(node); it != NULL; it = json_object_iter_next(node, it)) {
            json_t *value = json_object_iter_value(it);
            json_t *now = rdl_tree_map(value, swap, arg);
            if (now != value)
                json_object_iter_set(node, it, now);
        }
    } else if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++) {
            json_t *value = json_array_get(node, i);
            json_t *now = rdl_tree_map(value, swap, arg);
            if (now != value)
                json_array_set(node, i, now);
        }
    }
    return node;
}

typedef struct finding {
    const char *type, *function;
    json_t *found;
} finding;

static bool find_visit(void *arg, json_t *node)
{
    finding *f = arg;
    if (f->found != NULL)
        return false;
    if (f->type != NULL ? rdl_tree_is(node, f->type) : rdl_tree_calls(node, f->function))
        f->found = node;
    return f->found == NULL;
}

json_t *rdl_tree_find_type(json_t *node, const char *type)
{
    finding f = {.type = type};
    rdl_tree_walk(node, find_visit, &f);
    return f.found;
}

json_t *rdl_tree_find_call(json_t *node, const char *function)
{
    finding f = {.function = function};
    rdl_tree_walk(node, find_visit, &f);
    return f.found;
}
