/*
 * lang/bind_report.c - reports: a body's rows, the order they stand in, and where they go.
 *
 * THE ORDER is taken out of the body and made total, so that two runs give the same bytes: FOR
 * EACH columns, what ORDER BY says, then every visible column.  Terms that are no visible
 * column become hidden ones behind them.  With LIMIT the order stays in the body too, since it
 * decides which rows there are.
 *
 * PARAMETERS are written $name and become getvariable('report_<name>'), which DuckDB folds
 * into a constant when the body is run.
 *
 * A PIVOT is bound in its long form (catalog.h); which columns come out is data.
 */
#include "lang/bind.h"

#include <stdio.h>
#include <strings.h>

#include "base/fs.h"
#include "lang/plan_internal.h"

enum {
    TEMPLATE_BYTES_MAX = 1 << 20,
    PIVOT_HIDDEN = 3, /* __on, __value, __first */
};

typedef struct binding {
    rdl_binder *b;
    const rdl_ast_report *ast;
    rdl_report *r;
    rdl_body body;
    json_t *query;
    rdl_buf terms;   /* of the user's ORDER BY, over columns */
    unsigned hidden; /* columns behind the visible ones */
} binding;

/* ---- parameters ---- */

static bool bind_fallback(rdl_binder *b, const rdl_ast_parameter *ast, rdl_parameter_def *out)
{
    rdl_buf sql = {0}, type = {0};
    rdl_schema columns;
    rdl_err err = {0};
    rdl_type_print(out->type, &type);
    rdl_buf_printf(&sql, "SELECT CAST((%.*s) AS %s) AS v", (int)ast->fallback.text.n,
                   ast->fallback.text.p, rdl_buf_str(&type));
    rdl_code rc = rdl_describe(b->conn, b->arena, rdl_buf_str(&sql), &columns, &err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&type);
    out->fallback = ast->fallback.text;
    if (rc != RDL_OK)
        rdl_bind_error(b, ast->fallback.pos, err.hint[0] != '\0' ? err.hint : NULL, "%s", err.msg);
    return rc == RDL_OK;
}

static bool bind_parameters(binding *x)
{
    rdl_report *r = x->r;
    bool ok = true;
    r->parameters = RDL_NEWN(x->b->arena, rdl_parameter_def, x->ast->parameter_count + 1);
    r->parameter_count = x->ast->parameter_count;
    for (size_t i = 0; i < r->parameter_count; i++) {
        const rdl_ast_parameter *a = &x->ast->parameters[i];
        r->parameters[i].name = a->name.text;
        if (!rdl_bind_type(x->b, &a->type, &r->parameters[i].type))
            return false;
        if (a->fallback.text.n > 0)
            ok = bind_fallback(x->b, a, &r->parameters[i]) && ok;
    }
    return ok;
}

static json_t *swap_parameter(void *arg, json_t *node)
{
    binding *x = arg;
    rdl_buf text = {0};
    rdl_err err = {0};
    json_t *expr = NULL;
    if (!rdl_tree_class(node, "PARAMETER"))
        return NULL;
    rdl_str name = rdl_str_of(rdl_tree_text(node, "identifier"));
    const rdl_parameter_def *found = NULL;
    for (size_t i = 0; i < x->r->parameter_count && found == NULL; i++)
        if (rdl_str_eq_nocase(x->r->parameters[i].name, name))
            found = &x->r->parameters[i];
    if (found == NULL) {
        x->body.failed = true;
        rdl_bind_error(x->b, x->body.pos, "Declare it: PARAMETERS (name TYPE).",
                       "unrecognized parameter \"$%.*s\"", (int)name.n, name.p);
        return node;
    }
    rdl_buf_printf(&text, "CAST(getvariable('report_%.*s') AS ", (int)found->name.n, found->name.p);
    rdl_type_print(found->type, &text);
    rdl_buf_putc(&text, ')');
    const char *sql = rdl_buf_str(&text);
    if (rdl_tree_exprs(&x->b->tree, &sql, 1, &expr, &err) != RDL_OK) {
        x->body.failed = true;
        rdl_bind_error(x->b, x->body.pos, NULL, "%s", err.msg);
        expr = node;
    }
    rdl_buf_fini(&text);
    if (expr != node)
        rdl_tree_alias(expr, rdl_tree_text(node, "alias"));
    return expr;
}

/* ---- the body's text ---- */

static void put_group(rdl_buf *sql, const rdl_idents *group)
{
    for (size_t i = 0; i < group->n; i++) {
        rdl_buf_put_sql_ident(sql, group->v[i].text);
        rdl_buf_puts(sql, ", ");
    }
}

static const char *pivot_text(binding *x)
{
    const rdl_ast_pivot *v = &x->ast->pivot;
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT ");
    put_group(&sql, &v->group);
    rdl_buf_puts(&sql, "CAST(");
    rdl_buf_put_sql_ident(&sql, v->on.text);
    rdl_buf_printf(&sql, " AS TEXT) AS \"__on\", (%.*s) AS \"__value\", ", (int)v->value.text.n,
                   v->value.text.p);
    if (v->on_order.text.n > 0)
        rdl_buf_printf(&sql, "min(%.*s)", (int)v->on_order.text.n, v->on_order.text.p);
    else
        rdl_buf_puts(&sql, "CAST(NULL AS BIGINT)");
    rdl_buf_printf(&sql, " AS \"__first\" FROM %.*s AS _pivoted GROUP BY ", (int)v->from.text.n,
                   v->from.text.p);
    put_group(&sql, &v->group);
    rdl_buf_puts(&sql, "CAST(");
    rdl_buf_put_sql_ident(&sql, v->on.text);
    rdl_buf_puts(&sql, " AS TEXT)");
    if (v->order.text.n > 0)
        rdl_buf_printf(&sql, " ORDER BY %.*s", (int)v->order.text.n, v->order.text.p);
    const char *text = rdl_arena_strdup(x->b->arena, rdl_buf_str(&sql));
    rdl_buf_fini(&sql);
    return text;
}

/* ---- order ---- */

static json_t *find_modifier(json_t *query, const char *type)
{
    json_t *list = json_object_get(query, "modifiers");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (rdl_tree_is(json_array_get(list, i), type))
            return json_array_get(list, i);
    return NULL;
}

static bool is_limited(json_t *query)
{
    return find_modifier(query, "LIMIT_MODIFIER") != NULL ||
           find_modifier(query, "LIMIT_PERCENT_MODIFIER") != NULL;
}

/* The select list that names the columns. */
static json_t *naming_list(json_t *query)
{
    while (rdl_tree_is(query, "SET_OPERATION_NODE"))
        query = json_object_get(query, "left");
    return json_object_get(query, "select_list");
}

static const char *named_column(json_t *list, const json_t *expr)
{
    const json_t *value = json_object_get(json_object_get(expr, "value"), "value");
    if (rdl_tree_class(expr, "CONSTANT") && json_is_integer(value)) {
        json_int_t at = json_integer_value(value);
        return at >= 1 && (size_t)at <= json_array_size(list)
                   ? rdl_tree_item_name(json_array_get(list, (size_t)at - 1))
                   : "";
    }
    if (!rdl_tree_class(expr, "COLUMN_REF") ||
        json_array_size(json_object_get(expr, "column_names")) != 1)
        return "";
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcasecmp(rdl_tree_item_name(json_array_get(list, i)), rdl_tree_column_name(expr)) ==
            0)
            return rdl_tree_column_name(expr);
    return "";
}

static bool lift_term(binding *x, json_t *order, bool may_hide)
{
    json_t *expr = json_object_get(order, "expression");
    json_t *list = naming_list(x->query);
    const char *name = named_column(list, expr);
    if (rdl_tree_class(expr, "STAR"))
        return true; /* ORDER BY ALL: every column stands behind anyway */
    if (name[0] == '\0') {
        if (!may_hide) {
            rdl_bind_error(x->b, x->body.pos,
                           x->r->pivots ? "Order a pivot by its GROUP BY columns."
                                        : "Order by columns of the select list.",
                           "this report cannot be ordered by an expression");
            return false;
        }
        name = rdl_arena_printf(x->b->arena, "__order_%u", x->hidden++);
        json_t *copy = rdl_tree_clone(&x->b->tree, expr);
        rdl_tree_alias(copy, name);
        json_array_append(list, copy);
    }
    const char *nulls = rdl_tree_text(order, "null_order");
    rdl_buf_puts(&x->terms, x->terms.n > 0 ? ", " : "");
    rdl_buf_put_sql_ident(&x->terms, rdl_str_of(name));
    rdl_buf_puts(&x->terms, rdl_tree_is(order, "DESCENDING") ? " DESC" : "");
    if (strcmp(nulls, "ORDER_DEFAULT") != 0 && nulls[0] != '\0')
        rdl_buf_printf(&x->terms, " %s", nulls);
    return true;
}

/* LIMIT takes the first rows of a total order. */
static void complete_order(binding *x, json_t *modifier, size_t columns)
{
    json_t *list = json_object_get(x->query, "modifiers");
    if (modifier == NULL) {
        modifier = json_pack("{s:s, s:[]}", "type", "ORDER_MODIFIER", "orders");
        json_array_insert_new(list, 0, modifier);
    }
    json_t *orders = json_object_get(modifier, "orders");
    for (size_t i = 0; i < columns; i++)
        json_array_append_new(orders, json_pack("{s:s, s:s, s:O}", "type", "ORDER_DEFAULT",
                                                "null_order", "ORDER_DEFAULT", "expression",
                                                rdl_tree_position(&x->b->tree, i + 1)));
}

static bool lift_order(binding *x)
{
    json_t *modifier = find_modifier(x->query, "ORDER_MODIFIER");
    json_t *orders = json_object_get(modifier, "orders");
    bool limited = is_limited(x->query);
    bool may_hide = rdl_tree_is(x->query, "SELECT_NODE") &&
                    find_modifier(x->query, "DISTINCT_MODIFIER") == NULL && !x->r->pivots;
    size_t columns = json_array_size(naming_list(x->query));
    for (size_t i = 0; i < json_array_size(orders); i++)
        if (!lift_term(x, json_array_get(orders, i), may_hide))
            return false;
    if (limited) {
        complete_order(x, modifier, columns);
        return true;
    }
    json_t *list = json_object_get(x->query, "modifiers");
    for (size_t i = json_array_size(list); i-- > 0;)
        if (rdl_tree_is(json_array_get(list, i), "ORDER_MODIFIER"))
            json_array_remove(list, i);
    return true;
}

static void put_term(rdl_buf *out, rdl_str name)
{
    rdl_buf_puts(out, out->n > 0 ? ", " : "");
    rdl_buf_put_sql_ident(out, name);
}

static void make_order(binding *x)
{
    rdl_report *r = x->r;
    rdl_buf out = {0};
    for (size_t i = 0; i < r->each_count; i++)
        put_term(&out, r->columns.v[r->each[i]].name);
    if (x->terms.n > 0)
        rdl_buf_printf(&out, "%s%s", out.n > 0 ? ", " : "", rdl_buf_str(&x->terms));
    for (size_t i = 0; i < r->visible; i++)
        put_term(&out, r->columns.v[i].name);
    if (r->pivots)
        rdl_buf_puts(&out, ", \"__first\", \"__on\"");
    r->order = (rdl_str){rdl_arena_strndup(x->b->arena, rdl_buf_str(&out), out.n), out.n};
    rdl_buf_fini(&out);
}

/* ---- places in paths and templates ---- */

static bool known_place(const rdl_report *r, rdl_str name, bool path, bool *each_seen)
{
    for (size_t i = 0; i < r->parameter_count; i++)
        if (rdl_str_eq_nocase(r->parameters[i].name, name))
            return true;
    for (size_t i = 0; path && i < r->each_count; i++) {
        if (!rdl_str_eq_nocase(r->columns.v[r->each[i]].name, name))
            continue;
        each_seen[i] = true;
        return true;
    }
    for (size_t i = 0; !path && i < r->visible; i++)
        if (rdl_str_eq_nocase(r->columns.v[i].name, name))
            return true;
    return false;
}

static bool check_places(rdl_binder *b, const rdl_report *r, rdl_str text, rdl_pos pos,
                         bool *each_seen)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '{' && i + 1 < text.n && text.p[i + 1] == '{') {
            i++;
            continue;
        }
        if (text.p[i] != '{')
            continue;
        const char *close = memchr(text.p + i, '}', text.n - i);
        if (close == NULL) {
            rdl_bind_error(b, pos, "Write {{ for a brace itself.", "a place {.. is not closed");
            return false;
        }
        rdl_str name = {text.p + i + 1, (size_t)(close - text.p) - i - 1};
        if (!known_place(r, name, each_seen != NULL, each_seen)) {
            rdl_bind_error(b, pos,
                           each_seen != NULL
                               ? "A path may name FOR EACH columns and parameters."
                               : "A template may name the body's columns and parameters; {{ is a "
                                 "brace itself.",
                           "\"{%.*s}\" names no column of report \"%.*s\"", (int)name.n, name.p,
                           (int)r->name.n, r->name.p);
            return false;
        }
        i += name.n + 1;
    }
    return true;
}

static bool bind_path(binding *x)
{
    rdl_report *r = x->r;
    bool *seen = RDL_NEWN(x->b->arena, bool, r->each_count + 1);
    r->path = x->ast->path;
    r->path_pos = x->ast->path_pos;
    if (r->path.n == 0) {
        if (r->each_count == 0)
            return true;
        rdl_bind_error(x->b, r->pos, "Add TO 'reports/{..}.csv'.",
                       "FOR EACH makes a file per group, and report \"%.*s\" has no path",
                       (int)r->name.n, r->name.p);
        return false;
    }
    if (!check_places(x->b, r, r->path, r->path_pos, seen))
        return false;
    for (size_t i = 0; i < r->each_count; i++) {
        rdl_str name = r->columns.v[r->each[i]].name;
        if (seen[i])
            continue;
        rdl_bind_error(x->b, r->path_pos, "Every FOR EACH column must be in the path.",
                       "two groups would share a file: \"{%.*s}\" is missing", (int)name.n, name.p);
        return false;
    }
    rdl_str p = r->path;
    for (size_t i = 0; i + 1 < p.n; i++) {
        bool starts = i == 0 || p.p[i - 1] == '/';
        bool ends = i + 2 == p.n || p.p[i + 2] == '/';
        if (p.p[i] != '.' || p.p[i + 1] != '.' || !starts || !ends)
            continue;
        rdl_bind_error(x->b, r->path_pos, "Write a path below the root, or an absolute one.",
                       "a report's path must not climb with ..");
        return false;
    }
    return true;
}

static bool bind_template(binding *x, const rdl_ast_template *ast, rdl_template *out)
{
    rdl_binder *b = x->b;
    rdl_report *r = x->r;
    *out = (rdl_template){ast->given, ast->file, ast->text, ast->pos};
    if (!ast->given)
        return true;
    if (r->format != RDL_REPORT_TEXT && r->format != RDL_REPORT_HTML) {
        rdl_bind_error(b, ast->pos, "Write FORMAT TEXT or HTML.",
                       "CSV and JSON have their own shape and take no template");
        return false;
    }
    if (r->pivots) {
        rdl_bind_error(b, ast->pos, "Write FORMAT CSV, JSON or HTML without a template.",
                       "a template cannot name the columns of a PIVOT: they are data");
        return false;
    }
    if (!ast->file)
        return check_places(b, r, ast->text, ast->pos, NULL);
    rdl_buf text = {0};
    rdl_err err = {0};
    const char *name = rdl_arena_strndup(b->arena, ast->text.p, ast->text.n);
    bool ok = rdl_fs_read(rdl_path_join(b->arena, b->pipeline->dir, name), TEMPLATE_BYTES_MAX,
                          &text, &err) == RDL_OK;
    if (!ok)
        rdl_bind_error(b, ast->pos, "The path is relative to the pipeline's folder.", "%s",
                       err.msg);
    ok = ok && check_places(b, r, (rdl_str){text.p, text.n}, ast->pos, NULL);
    rdl_buf_fini(&text);
    return ok;
}

static bool bind_options(binding *x)
{
    static const char *const known[] = {"delimiter", "header", "null", "title", "language"};
    rdl_report *r = x->r;
    r->options = x->ast->options;
    r->option_count = x->ast->option_count;
    for (size_t i = 0; i < r->option_count; i++) {
        const rdl_option *o = &r->options[i];
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            found |= rdl_str_eq(o->name, rdl_str_of(known[k]));
        const char *why = !found ? "reports take delimiter, header, null, title and language"
                          : rdl_str_eq(o->name, RDL_STR("delimiter")) && o->value.n != 1
                              ? "a delimiter is one byte"
                          : rdl_str_eq(o->name, RDL_STR("header")) &&
                                  !rdl_str_eq_nocase(o->value, RDL_STR("true")) &&
                                  !rdl_str_eq_nocase(o->value, RDL_STR("false"))
                              ? "header is true or false"
                              : NULL;
        if (why == NULL)
            continue;
        rdl_bind_error(x->b, o->pos, NULL, "option \"%.*s\" cannot be used so: %s", (int)o->name.n,
                       o->name.p, why);
        return false;
    }
    return true;
}

/* ---- all ---- */

static bool bind_each(binding *x)
{
    rdl_report *r = x->r;
    r->each = RDL_NEWN(x->b->arena, size_t, x->ast->each.n + 1);
    for (size_t i = 0; i < x->ast->each.n; i++) {
        const rdl_ident *name = &x->ast->each.v[i];
        int at = rdl_schema_find(&r->columns, name->text);
        if (at < 0 || (size_t)at >= r->visible) {
            rdl_bind_error(x->b, name->pos,
                           r->pivots ? "FOR EACH columns must be in GROUP BY." : NULL,
                           "unrecognized column \"%.*s\" in the body of report \"%.*s\"",
                           (int)name->text.n, name->text.p, (int)r->name.n, r->name.p);
            return false;
        }
        if (!rdl_type_is_scalar(r->columns.v[at].type)) {
            rdl_bind_error(x->b, name->pos, NULL,
                           "column \"%.*s\" is a list, map or struct and cannot name a file",
                           (int)name->text.n, name->text.p);
            return false;
        }
        r->each[r->each_count++] = (size_t)at;
    }
    return true;
}

static bool bind_body(binding *x)
{
    rdl_binder *b = x->b;
    rdl_report *r = x->r;
    const rdl_ast_body *ast = &x->ast->body;
    const char *text =
        r->pivots ? pivot_text(x) : rdl_arena_strndup(b->arena, ast->blanked.p, ast->blanked.n);
    x->body = (rdl_body){.b = b,
                         .kind = RDL_BODY_VIEW,
                         .pos = ast->sql.pos,
                         .synthetic = r->pivots,
                         .streams = ast->streams,
                         .stream_count = ast->stream_count};
    if (!rdl_body_parse(&x->body, text, &x->query))
        return false;
    rdl_tree_map(x->query, swap_parameter, x);
    if (x->body.failed || !rdl_body_resolve(&x->body, x->query) || !lift_order(x) ||
        !rdl_body_describe(&x->body, &x->query, &r->columns))
        return false;
    r->visible = r->columns.n - x->hidden - (r->pivots ? PIVOT_HIDDEN : 0);
    r->inputs = x->body.inputs.list.v;
    r->input_count = x->body.inputs.list.n;
    return true;
}

static void put(rdl_buf *out, rdl_str s)
{
    rdl_buf_printf(out, "%zu:", s.n);
    rdl_buf_put(out, s.p != NULL ? s.p : "", s.n);
}

static void fingerprint(rdl_report *r)
{
    rdl_buf all = {0};
    rdl_buf_printf(&all, "report 1 %d %d ", (int)r->format, r->pivots);
    put(&all, r->path);
    put(&all, r->sql);
    put(&all, r->order);
    for (size_t i = 0; i < r->each_count; i++)
        rdl_buf_printf(&all, "e%zu", r->each[i]);
    for (size_t i = 0; i < r->option_count; i++) {
        put(&all, r->options[i].name);
        put(&all, r->options[i].value);
    }
    const rdl_template *const texts[] = {&r->header, &r->row, &r->footer};
    for (size_t i = 0; i < 3; i++)
        put(&all, texts[i]->text);
    r->fingerprint = rdl_hash128_of(all.p, all.n);
    rdl_buf_fini(&all);
}

static bool bind_all(binding *x)
{
    rdl_report *r = x->r;
    rdl_err err = {0};
    if (!bind_parameters(x) || !bind_body(x) || !bind_each(x) || !bind_path(x) ||
        !bind_template(x, &x->ast->header, &r->header) ||
        !bind_template(x, &x->ast->row, &r->row) ||
        !bind_template(x, &x->ast->footer, &r->footer) || !bind_options(x) ||
        !rdl_bind_schedule(x->b, &r->schedule, r->name))
        return false;
    if (r->format == RDL_REPORT_TEXT && !r->row.given) {
        rdl_bind_error(x->b, r->pos, "Add TEMPLATE 'Customer: {customer}\n'.",
                       "a report FORMAT TEXT needs a template");
        return false;
    }
    make_order(x);
    rdl_code rc = rdl_plan_report(x->b->arena, x->b->conn, x->b->pipeline, r, x->body.text,
                                  x->b->diags, &err);
    if (rc != RDL_OK)
        rdl_bind_error(x->b, r->pos, err.hint[0] != '\0' ? err.hint : NULL, "%s", err.msg);
    fingerprint(r);
    return rc == RDL_OK;
}

void rdl_bind_report(rdl_binder *b, const rdl_stmt *stmt)
{
    rdl_pipeline *p = b->pipeline;
    const rdl_ast_report *ast = &stmt->u.report;
    const rdl_report *other = rdl_pipeline_report(p, stmt->name.name);
    if (stmt->name.schema.n > 0) {
        rdl_bind_error(b, stmt->name.pos, "Write the name alone.",
                       "the name of a report has no schema");
        return;
    }
    if (other != NULL) {
        rdl_bind_error(b, stmt->name.pos, NULL, "report \"%.*s\" is there already",
                       (int)other->name.n, other->name.p);
        return;
    }
    rdl_report *r = RDL_NEW(b->arena, rdl_report);
    *r = (rdl_report){
        .name = {rdl_arena_strndup(b->arena, stmt->name.name.p, stmt->name.name.n),
                 stmt->name.name.n},
        .comment = ast->comment.n > 0 ? ast->comment : stmt->comment,
        .pos = stmt->name.pos,
        .format = ast->format,
        .schedule = ast->schedule,
        .pivots = ast->pivots,
        .body_text = ast->body.sql.text,
        .body_pos = ast->body.sql.pos,
    };
    binding x = {.b = b, .ast = ast, .r = r};
    if (bind_all(&x))
        p->reports[p->report_count++] = r;
    rdl_buf_fini(&x.terms);
}
