/*
 * lang/plan_fanout.c - joins that may give a row of a stream more than once.
 *
 * A dimension that holds a key twice doubles every sum over what is joined to it, and nothing
 * in the result shows it.  Which side of a join is the stream's and which the dimension's:
 *
 *   the body says STREAM    the side that holds a STREAM input is the stream's
 *   it does not             the side that a stream feeds is, if none feeds the other
 *
 * A join of two fed sides without STREAM multiplies on purpose (orders and their lines), and
 * so do lists that are unnested: they are no dimensions.  What the text proves to match once
 * (a lateral SELECT without FROM, a view's whole key, SEMI, ANTI, ASOF) is left out too.
 *
 * The check of what happened numbers the rows of every table of the FROM and counts, for each
 * row of the stream's side, the different rows of the dimension that it meets behind WHERE: so
 * conditions beside the equalities (versions of a slowly changing dimension) count, and other
 * joins of the same FROM do not.
 */
#include "lang/plan_internal.h"

#include <string.h>
#include <strings.h>

enum {
    KEYS_MAX = 8,   /* places of rdl_tree_exprs, less one */
    LEAVES_MAX = 32 /* tables of one FROM */
};

typedef struct fanning {
    rdl_planner *pl;
    bool says_stream;
    RDL_VEC(rdl_fan) list;
} fanning;

/* One equality of a join: an expression over the dimension, and what it must equal. */
typedef struct key_pair {
    json_t *own, *other;
    bool nulls; /* IS NOT DISTINCT FROM */
} key_pair;

typedef struct equalities {
    key_pair pair[KEYS_MAX];
    size_t n;
} equalities;

/* ---- sides ---- */

static bool feeds(const fanning *f, const rdl_input *in)
{
    return f->says_stream ? in->stream
                          : in->table->kind == RDL_TABLE_SOURCE || in->table->stream_fed;
}

typedef struct inputs_seen {
    const fanning *f;
    const rdl_input *fed, *first;
    size_t n;
    rdl_buf names;
} inputs_seen;

static bool visit_inputs(void *arg, json_t *node)
{
    inputs_seen *seen = arg;
    const rdl_input *in = rdl_plan_input_of(seen->f->pl, node);
    if (in == NULL)
        return true;
    if (seen->fed == NULL && feeds(seen->f, in))
        seen->fed = in;
    if (seen->first == NULL)
        seen->first = in;
    if (seen->n == 0 || in != seen->first)
        rdl_buf_printf(&seen->names, "%s%.*s", seen->n > 0 ? ", " : "", (int)in->table->full.n,
                       in->table->full.p);
    seen->n++;
    return true;
}

static inputs_seen look_for_inputs(const fanning *f, json_t *ref)
{
    inputs_seen seen = {.f = f};
    rdl_tree_walk(ref, visit_inputs, &seen);
    return seen;
}

/* ---- equalities ---- */

/* Whether an expression binds over this table reference alone. */
static rdl_code binds(rdl_planner *pl, json_t *side, json_t *expr, bool *out, rdl_err *err)
{
    const char *type = "";
    json_t *probe = rdl_tree_select(&pl->tree, side);
    *out = false;
    if (rdl_tree_find_type(expr, "COLUMN_REF") == NULL)
        return RDL_OK;
    RDL_TRY(rdl_plan_types(pl, probe, &expr, 1, &type, err));
    *out = type[0] != '\0';
    return RDL_OK;
}

/* What it must equal is the stream side's: another table's value is none of the row that meets. */
static rdl_code take_equality(rdl_planner *pl, json_t *stream, json_t *side, json_t *cmp,
                              equalities *out, rdl_err *err)
{
    bool nulls = rdl_tree_is(cmp, "COMPARE_NOT_DISTINCT_FROM");
    bool left = false, right = false, of_stream = false;
    if ((!rdl_tree_is(cmp, "COMPARE_EQUAL") && !nulls) || out->n == KEYS_MAX)
        return RDL_OK;
    json_t *a = json_object_get(cmp, "left"), *b = json_object_get(cmp, "right");
    RDL_TRY(binds(pl, side, a, &left, err));
    RDL_TRY(binds(pl, side, b, &right, err));
    if (left == right)
        return RDL_OK;
    RDL_TRY(binds(pl, stream, left ? b : a, &of_stream, err));
    if (!of_stream)
        return RDL_OK;
    out->pair[out->n++] = (key_pair){.own = left ? a : b, .other = left ? b : a, .nulls = nulls};
    return RDL_OK;
}

/* The equalities of a condition's conjuncts; FROM a, b keeps them in WHERE. */
static rdl_code take_conjuncts(rdl_planner *pl, json_t *stream, json_t *side, json_t *condition,
                               equalities *out, rdl_err *err)
{
    const json_t *all = json_object_get(condition, "children");
    if (!rdl_tree_is(condition, "CONJUNCTION_AND"))
        return json_is_object(condition) ? take_equality(pl, stream, side, condition, out, err)
                                         : RDL_OK;
    for (size_t i = 0; i < json_array_size(all); i++)
        RDL_TRY(take_equality(pl, stream, side, json_array_get(all, i), out, err));
    return RDL_OK;
}

static rdl_code find_equalities(rdl_planner *pl, json_t *join, json_t *stream, json_t *side,
                                json_t *where, equalities *out, rdl_err *err)
{
    const json_t *use = json_object_get(join, "using_columns");
    for (size_t i = 0; i < json_array_size(use) && out->n < KEYS_MAX; i++) {
        json_t *column =
            rdl_tree_column(&pl->tree, NULL, json_string_value(json_array_get(use, i)));
        out->pair[out->n++] = (key_pair){.own = column, .other = column};
    }
    RDL_TRY(take_conjuncts(pl, stream, side, json_object_get(join, "condition"), out, err));
    return take_conjuncts(pl, stream, side, where, out, err);
}

/* ---- names for people ---- */

static void put_expr(rdl_planner *pl, json_t *expr, rdl_buf *out)
{
    static const char head[] = "SELECT ";
    const char *column = rdl_tree_column_name(expr);
    rdl_str text = RDL_STR("");
    rdl_err ignored = {0};
    if (column[0] != '\0') {
        rdl_buf_puts(out, column);
        return;
    }
    json_t *select = rdl_tree_select(&pl->tree, NULL);
    json_t *copy = rdl_tree_clone(&pl->tree, expr);
    rdl_tree_alias(copy, "");
    json_array_append(json_object_get(select, "select_list"), copy);
    if (rdl_tree_print(&pl->tree, select, &text, &ignored) == RDL_OK && rdl_str_starts(text, head))
        rdl_buf_put(out, text.p + strlen(head), text.n - strlen(head));
}

static rdl_str key_names(rdl_planner *pl, const equalities *eq, bool own)
{
    rdl_buf b = {0};
    for (size_t i = 0; i < eq->n; i++) {
        rdl_buf_puts(&b, i > 0 ? ", " : "");
        put_expr(pl, own ? eq->pair[i].own : eq->pair[i].other, &b);
    }
    rdl_str s = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&b)));
    rdl_buf_fini(&b);
    return s;
}

/* ---- texts ---- */

/* The text reads what an epoch holds; empty when DuckDB cannot bind it (a lateral side). */
static rdl_code finish_text(rdl_planner *pl, json_t *query, rdl_str *out, rdl_err *err)
{
    rdl_str text;
    rdl_schema schema = {0};
    rdl_err ignored = {0};
    *out = RDL_STR("");
    RDL_TRY(rdl_tree_print(&pl->tree, query, &text, err));
    if (rdl_describe(pl->conn, pl->arena, text.p, &schema, &ignored) != RDL_OK)
        return RDL_OK;
    rdl_plan_read_all(pl, query);
    return rdl_tree_print(&pl->tree, query, out, err);
}

/*
 * side SEMI JOIN (its new rows' keys) ON exprs = these keys; exprs are the pairs' own or other.  The
 * tables of `ref` may have their own names still.
 */
static rdl_code restrict_to_moved(rdl_planner *pl, json_t *ref, json_t *side, rdl_table *t,
                                  const equalities *eq, bool own, json_t **out, rdl_err *err)
{
    rdl_buf b = {0};
    json_t *keys = NULL, *query = NULL, *args[KEYS_MAX], *owns[KEYS_MAX];
    rdl_buf_puts(&b, "SELECT ");
    for (size_t i = 0; i < eq->n; i++) {
        owns[i] = eq->pair[i].own;
        args[i] = own ? eq->pair[i].own : eq->pair[i].other;
        rdl_buf_printf(&b, "%s\"$%zu\" AS __rdl_k%zu", i > 0 ? ", " : "", i + 1, i);
    }
    rdl_buf_puts(&b, " FROM x");
    rdl_code rc = rdl_tree_parse(&pl->tree, rdl_buf_str(&b), &keys, err);
    rdl_buf_clear(&b);
    rdl_buf_puts(&b, "SELECT 1 FROM x SEMI JOIN y AS __rdl_moved ON true");
    for (size_t i = 0; i < eq->n; i++)
        rdl_buf_printf(&b, " AND \"$%zu\" = __rdl_moved.__rdl_k%zu", i + 1, i);
    if (rc == RDL_OK)
        rc = rdl_tree_parse(&pl->tree, rdl_buf_str(&b), &query, err);
    rdl_buf_fini(&b);
    RDL_TRY(rc);
    keys = rdl_tree_bind(&pl->tree, keys, owns, eq->n);
    json_object_set(keys, "from_table", rdl_plan_relation(pl, side, t, "new:", NULL));
    *out = json_object_get(query, "from_table");
    json_object_set(*out, "condition",
                    rdl_tree_bind(&pl->tree, json_object_get(*out, "condition"), args, eq->n));
    json_object_set(*out, "left", rdl_tree_clone(&pl->tree, ref));
    json_object_set(*out, "right", rdl_tree_subquery(&pl->tree, keys, "__rdl_moved"));
    return RDL_OK;
}

/* The dimension that a change of rows can be asked of: one table, joined by keys that are not NULL. */
static rdl_table *moved_side(const rdl_planner *pl, json_t *side, const equalities *eq)
{
    const rdl_input *in = rdl_plan_input_of(pl, side);
    bool fits = in != NULL && eq->n > 0 &&
                (in->table->kind == RDL_TABLE_VIEW || in->table->kind == RDL_TABLE_SNAPSHOT);
    for (size_t i = 0; fits && i < eq->n; i++)
        fits = !eq->pair[i].nulls;
    return fits ? in->table : NULL;
}

/* SELECT 1 FROM side WHERE keys IS NOT NULL GROUP BY keys HAVING count(*) > 1 LIMIT 1 */
static rdl_code plan_repeats(rdl_planner *pl, json_t *side, const equalities *eq, rdl_str *out,
                             rdl_table *moved, rdl_str *out_moved, rdl_err *err)
{
    rdl_buf b = {0};
    json_t *query = NULL, *args[KEYS_MAX];
    *out = RDL_STR("");
    if (eq->n == 0)
        return RDL_OK;
    rdl_buf_puts(&b, "SELECT 1 FROM x WHERE true");
    for (size_t i = 0; i < eq->n; i++) {
        args[i] = eq->pair[i].own;
        if (!eq->pair[i].nulls)
            rdl_buf_printf(&b, " AND \"$%zu\" IS NOT NULL", i + 1);
    }
    for (size_t i = 0; i < eq->n; i++)
        rdl_buf_printf(&b, "%s\"$%zu\"", i > 0 ? ", " : " GROUP BY ", i + 1);
    rdl_buf_puts(&b, " HAVING count(*) > 1 LIMIT 1");
    rdl_code rc = rdl_tree_parse(&pl->tree, rdl_buf_str(&b), &query, err);
    rdl_buf_fini(&b);
    RDL_TRY(rc);
    query = rdl_tree_bind(&pl->tree, query, args, eq->n);
    json_object_set(query, "from_table", rdl_tree_clone(&pl->tree, side));
    json_t *again = rdl_tree_clone(&pl->tree, query), *from = NULL;
    RDL_TRY(finish_text(pl, query, out, err));
    if (moved == NULL || out->n == 0)
        return RDL_OK;
    RDL_TRY(restrict_to_moved(pl, side, side, moved, eq, true, &from, err));
    json_object_set(again, "from_table", from);
    rdl_plan_read_all(pl, again);
    return rdl_tree_print(&pl->tree, again, out_moved, err);
}

/* A copy of a FROM while its tables get numbers; leaves of `side` are the dimension's. */
typedef struct numbering {
    rdl_planner *pl;
    json_t *join, *side;  /* in the FROM as it was */
    json_t *number;       /* row_number() OVER () */
    json_t *stream, *met; /* met: what stands for `stream`; NULL: itself */
    bool in_join, in_side, full;
    size_t n;
    bool of_stream[LEAVES_MAX], of_side[LEAVES_MAX];
} numbering;

static json_t *number_leaf(numbering *nr, json_t *ref)
{
    rdl_tree *tr = &nr->pl->tree;
    if (nr->n == LEAVES_MAX) {
        nr->full = true;
        return ref;
    }
    json_t *inner = NULL;
    rdl_err ignored = {0};
    if (rdl_tree_parse(tr, "SELECT * FROM x", &inner, &ignored) != RDL_OK) {
        nr->full = true;
        return ref;
    }
    json_t *number = rdl_tree_clone(tr, nr->number);
    rdl_tree_alias(number, rdl_arena_printf(nr->pl->arena, "__rdl_n%zu", nr->n));
    json_array_append(json_object_get(inner, "select_list"), number);
    json_t *from = nr->met != NULL && ref == nr->stream ? nr->met : rdl_tree_clone(tr, ref);
    json_object_set(inner, "from_table", from);
    nr->of_side[nr->n] = nr->in_side;
    nr->of_stream[nr->n++] = nr->in_join && !nr->in_side;
    return rdl_tree_subquery(tr, inner, rdl_plan_ref_name(ref));
}

static json_t *number_from(numbering *nr, json_t *ref)
{
    bool was_join = nr->in_join, was_side = nr->in_side;
    nr->in_join = nr->in_join || ref == nr->join;
    nr->in_side = nr->in_side || ref == nr->side;
    json_t *out;
    if (rdl_tree_is(ref, "JOIN")) {
        out = rdl_tree_keep(&nr->pl->tree, json_copy(ref));
        json_object_set(out, "left", number_from(nr, json_object_get(ref, "left")));
        json_object_set(out, "right", number_from(nr, json_object_get(ref, "right")));
    } else {
        out = number_leaf(nr, ref);
    }
    nr->in_join = was_join;
    nr->in_side = was_side;
    return out;
}

/* n of the rows that are the dimension's (or the stream's), as a list for SQL. */
static void put_numbers(const numbering *nr, bool side, rdl_buf *out)
{
    bool any = false;
    for (size_t i = 0; i < nr->n; i++) {
        if (!(side ? nr->of_side[i] : nr->of_stream[i]))
            continue;
        rdl_buf_printf(out, "%s__rdl_n%zu", any ? ", " : "", i);
        any = true;
    }
}

static void put_key_text(rdl_planner *pl, const equalities *eq, rdl_buf *b)
{
    rdl_buf_puts(b, "min(concat_ws(', '");
    for (size_t i = 0; i < eq->n; i++) {
        rdl_buf name = {0};
        put_expr(pl, eq->pair[i].own, &name);
        rdl_buf_puts(&name, " = ");
        rdl_buf_puts(b, ", concat(");
        rdl_buf_put_sql_text(b, rdl_str_of(rdl_buf_str(&name)));
        rdl_buf_printf(b, ", CAST(\"$%zu\" AS VARCHAR))", i + 1);
        rdl_buf_fini(&name);
    }
    rdl_buf_puts(b, eq->n > 0 ? "))" : ", ''))");
}

/* The question of one FROM; nr says what is numbered. */
static rdl_code copies_query(rdl_planner *pl, json_t *select, json_t *where, numbering *nr,
                             const equalities *eq, json_t **out, rdl_err *err)
{
    const char *number = "row_number() OVER ()";
    json_t *query = NULL, *args[KEYS_MAX];
    rdl_buf b = {0};
    *out = NULL;
    RDL_TRY(rdl_tree_exprs(&pl->tree, &number, 1, &nr->number, err));
    json_t *from = number_from(nr, json_object_get(select, "from_table"));
    if (nr->full)
        return RDL_OK;
    for (size_t i = 0; i < eq->n; i++)
        args[i] = eq->pair[i].own;
    rdl_buf_puts(&b, "SELECT ");
    put_key_text(pl, eq, &b);
    rdl_buf_puts(&b, " AS k, count(DISTINCT row(");
    put_numbers(nr, true, &b);
    rdl_buf_puts(&b, ")) AS n FROM x GROUP BY ");
    put_numbers(nr, false, &b);
    rdl_buf_puts(&b, " HAVING count(*) > 1 AND count(DISTINCT row(");
    put_numbers(nr, true, &b);
    rdl_buf_puts(&b, ")) > 1 ORDER BY k LIMIT 1");
    rdl_code rc = rdl_tree_parse(&pl->tree, rdl_buf_str(&b), &query, err);
    rdl_buf_fini(&b);
    RDL_TRY(rc);
    query = rdl_tree_bind(&pl->tree, query, args, eq->n);
    json_object_set(query, "from_table", from);
    if (where != NULL)
        json_object_set(query, "where_clause", rdl_tree_clone(&pl->tree, where));
    *out = query;
    return RDL_OK;
}

static rdl_code plan_copies(rdl_planner *pl, json_t *select, json_t *where, json_t *join,
                            json_t *stream, json_t *side, const equalities *eq, rdl_fan *fan,
                            rdl_err *err)
{
    numbering nr = {.pl = pl, .join = join, .side = side};
    json_t *query = NULL;
    RDL_TRY(copies_query(pl, select, where, &nr, eq, &query, err));
    if (query == NULL)
        return RDL_OK;
    RDL_TRY(finish_text(pl, query, &fan->copies_all_sql, err));
    fan->copies_sql = rdl_plan_retarget(pl, fan->copies_all_sql, "all:", "new:", fan->stream);
    if (fan->side == NULL || fan->copies_all_sql.n == 0 || rdl_plan_input_of(pl, stream) == NULL)
        return RDL_OK; /* keys of several tables: their rows are counted whole */
    numbering met = {.pl = pl, .join = join, .side = side, .stream = stream};
    RDL_TRY(restrict_to_moved(pl, stream, side, fan->side, eq, false, &met.met, err));
    RDL_TRY(copies_query(pl, select, where, &met, eq, &query, err));
    rdl_plan_read_all(pl, query);
    return rdl_tree_print(&pl->tree, query, &fan->copies_moved_sql, err);
}

/* ---- joins ---- */

static rdl_code plan_join(fanning *f, json_t *select, json_t *join, bool stream_left, rdl_err *err)
{
    rdl_planner *pl = f->pl;
    json_t *stream = json_object_get(join, stream_left ? "left" : "right");
    json_t *side = json_object_get(join, stream_left ? "right" : "left");
    inputs_seen of_stream = look_for_inputs(f, stream), of_side = look_for_inputs(f, side);
    bool dimension = of_stream.fed != NULL && of_side.fed == NULL && of_side.n > 0 &&
                     !rdl_plan_joins_once(pl, join, side);
    rdl_fan fan = {0};
    equalities eq = {0};
    if (dimension) {
        fan.stream = of_stream.fed->table;
        fan.dimension = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&of_side.names)));
    }
    rdl_buf_fini(&of_stream.names);
    rdl_buf_fini(&of_side.names);
    if (!dimension)
        return RDL_OK;
    json_t *where = NULL;
    RDL_TRY(rdl_plan_plain_where(pl, select, &where, err));
    RDL_TRY(find_equalities(pl, join, stream, side, where, &eq, err));
    fan.stream_key = key_names(pl, &eq, false);
    fan.key = key_names(pl, &eq, true);
    fan.side = moved_side(pl, side, &eq);
    RDL_TRY(plan_repeats(pl, side, &eq, &fan.repeats_sql, fan.side, &fan.repeats_moved_sql, err));
    RDL_TRY(plan_copies(pl, select, where, join, stream, side, &eq, &fan, err));
    if (fan.repeats_moved_sql.n == 0)
        fan.side = NULL;
    if (fan.copies_all_sql.n > 0)
        RDL_PUSH(pl->arena, &f->list) = fan;
    return RDL_OK;
}

static rdl_code walk(fanning *f, json_t *select, json_t *node, rdl_err *err)
{
    if (rdl_tree_is(node, "JOIN")) {
        RDL_TRY(walk(f, select, json_object_get(node, "left"), err));
        RDL_TRY(walk(f, select, json_object_get(node, "right"), err));
        RDL_TRY(plan_join(f, select, node, true, err));
        return plan_join(f, select, node, false, err);
    }
    if (rdl_tree_is(node, "SET_OPERATION_NODE")) {
        RDL_TRY(walk(f, NULL, json_object_get(node, "left"), err));
        return walk(f, NULL, json_object_get(node, "right"), err);
    }
    if (rdl_tree_is(node, "SUBQUERY"))
        return walk(f, NULL, json_object_get(json_object_get(node, "subquery"), "node"), err);
    return rdl_tree_is(node, "SELECT_NODE")
               ? walk(f, node, json_object_get(node, "from_table"), err)
               : RDL_OK;
}

rdl_code rdl_plan_fans(rdl_planner *pl, rdl_fan **out, size_t *out_count, rdl_err *err)
{
    fanning f = {.pl = pl};
    for (size_t i = 0; i < pl->table->input_count; i++)
        f.says_stream = f.says_stream || pl->table->inputs[i].stream;
    RDL_TRY(walk(&f, NULL, pl->flat, err));
    *out = f.list.v;
    *out_count = f.list.n;
    return RDL_OK;
}
