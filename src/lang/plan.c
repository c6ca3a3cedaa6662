/*
 * lang/plan.c - plan one bound table: read its body's tree, hand it to the stream or view
 * planner; and the pieces of text that both are made of.
 */
#include "lang/plan_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const source_system[] = {
    "_source_file", "_source_partition", "_source_offset", "_ordinal", "_ingest_ts",
    "_epoch",       "_rescued",          "_event_ts",
};
static const char *const stream_system[] = {
    "_epoch", "_source_partition", "_source_offset", "_ordinal", "_event_ts",
};

void rdl_plan_refuse(rdl_planner *pl, const char *word, const char *hint, const char *fmt, ...)
{
    if (pl->refusal.why != NULL)
        return; /* the first reason is the one to tell */
    char why[500];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    pl->refusal = (rdl_plan_refusal){
        .why = rdl_arena_strdup(pl->arena, why),
        .hint = hint,
        .word = rdl_arena_strdup(pl->arena, word),
    };
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Past a comment or a quoted text that starts at p, else p. */
static size_t skip_quiet(rdl_str s, size_t p)
{
    if (s.p[p] == '\'') {
        for (p++; p < s.n && s.p[p] != '\''; p++)
            ;
        return p + 1 < s.n ? p + 1 : s.n;
    }
    if (s.p[p] == '-' && p + 1 < s.n && s.p[p + 1] == '-') {
        while (p < s.n && s.p[p] != '\n')
            p++;
    }
    return p;
}

rdl_pos rdl_plan_locate(const rdl_table *t, const char *word)
{
    rdl_str s = t->body_text;
    size_t n = word != NULL ? strlen(word) : 0;
    for (size_t p = 0; n > 0 && p + n <= s.n; p++) {
        size_t next = skip_quiet(s, p);
        if (next != p) {
            p = next - 1;
            continue;
        }
        bool fits = strncasecmp(s.p + p, word, n) == 0 && (p == 0 || !word_char(s.p[p - 1])) &&
                    (p + n == s.n || !word_char(s.p[p + n]) || !word_char(word[n - 1]));
        /* A flow's body is made by us: its words stand nowhere in the user's text. */
        if (fits && t->body_pos.len < p + n)
            break;
        if (fits)
            return (rdl_pos){t->body_pos.file, t->body_pos.at + (uint32_t)p, (uint32_t)n};
    }
    return t->body_pos;
}

const rdl_input *rdl_plan_input_of(const rdl_planner *pl, const json_t *base)
{
    if (!rdl_tree_is(base, "BASE_TABLE"))
        return NULL;
    rdl_str schema = rdl_str_of(rdl_tree_text(base, "schema_name"));
    rdl_str name = rdl_str_of(rdl_tree_text(base, "table_name"));
    const rdl_table *t = pl->table;
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (rdl_str_eq_nocase(in->schema, schema) && rdl_str_eq_nocase(in->name, name))
            return &t->inputs[i];
    }
    return NULL;
}

bool rdl_plan_is_stream_input(const rdl_planner *pl, const rdl_table *in)
{
    for (size_t i = 0; i < pl->table->input_count; i++)
        if (pl->table->inputs[i].table == in && pl->table->inputs[i].stream)
            return true;
    return false;
}

const char *rdl_plan_ref_name(const json_t *ref)
{
    const char *alias = rdl_tree_text(ref, "alias");
    return alias[0] != '\0' ? alias : rdl_tree_text(ref, "table_name");
}

/* Names the user wrote in the body of this system column. */
typedef struct mention {
    const char *name;
    bool found;
} mention;

static bool visit_mention(void *arg, json_t *node)
{
    mention *m = arg;
    if (strcasecmp(rdl_tree_column_name(node), m->name) == 0)
        m->found = true;
    return !m->found;
}

static void add_column(rdl_planner *pl, json_t *list, const char *name, const char *alias)
{
    json_t *column = rdl_tree_column(&pl->tree, NULL, name);
    rdl_tree_alias(column, alias);
    json_array_append(list, column);
}

/* System columns of t that the body mentions: they are read beside the visible ones. */
static void add_mentioned(rdl_planner *pl, const rdl_table *t, json_t *list)
{
    bool source = t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_SNAPSHOT;
    const char *const *names = source ? source_system : stream_system;
    size_t n = source ? sizeof source_system / sizeof *source_system
                      : sizeof stream_system / sizeof *stream_system;
    for (size_t i = 0; t->kind != RDL_TABLE_VIEW && i < n; i++) {
        mention m = {.name = names[i]};
        rdl_tree_walk(pl->flat, visit_mention, &m);
        if (m.found && rdl_schema_find(&t->columns, rdl_str_of(names[i])) < 0)
            add_column(pl, list, names[i], "");
    }
}

json_t *rdl_plan_relation(rdl_planner *pl, const json_t *base, const rdl_table *t,
                          const char *prefix, json_t *more)
{
    rdl_tree *tr = &pl->tree;
    const char *name = rdl_arena_printf(pl->arena, "%s%.*s", prefix, (int)t->full.n, t->full.p);
    json_t *select = rdl_tree_select(tr, rdl_tree_table(tr, "e", name));
    json_t *list = json_object_get(select, "select_list");
    for (size_t i = 0; i < t->columns.n; i++)
        add_column(pl, list,
                   rdl_arena_strndup(pl->arena, t->columns.v[i].name.p, t->columns.v[i].name.n),
                   "");
    add_mentioned(pl, t, list);
    if (more != NULL)
        json_array_extend(list, more);
    json_t *relation = rdl_tree_subquery(tr, select, rdl_plan_ref_name(base));
    json_object_set(relation, "column_name_alias", json_object_get(base, "column_name_alias"));
    json_object_set(relation, "sample", json_object_get(base, "sample"));
    return relation;
}

static json_t *swap_all(void *arg, json_t *node)
{
    rdl_planner *pl = arg;
    const rdl_input *in = rdl_plan_input_of(pl, node);
    if (in == NULL)
        return NULL;
    const rdl_table *t = in->table;
    if (t->kind == RDL_TABLE_STREAMING || t->kind == RDL_TABLE_SOURCE)
        return rdl_plan_relation(pl, node, t, "all:", NULL);
    json_t *copy = rdl_tree_clone(&pl->tree, node);
    rdl_tree_alias(copy, rdl_plan_ref_name(node));
    json_object_set_new(copy, "schema_name", json_string("e"));
    json_object_set_new(
        copy, "table_name",
        json_string(rdl_arena_printf(pl->arena, "all:%.*s", (int)t->full.n, t->full.p)));
    return copy;
}

void rdl_plan_read_all(rdl_planner *pl, json_t *node)
{
    rdl_tree_map(node, swap_all, pl);
}

rdl_str rdl_plan_retarget(rdl_planner *pl, rdl_str sql, const char *from, const char *to,
                          const rdl_table *t)
{
    rdl_buf out = {0}, old = {0}, now = {0};
    int n = (int)t->full.n;
    rdl_buf_put_sql_ident(&old,
                          rdl_str_of(rdl_arena_printf(pl->arena, "%s%.*s", from, n, t->full.p)));
    rdl_buf_put_sql_ident(&now,
                          rdl_str_of(rdl_arena_printf(pl->arena, "%s%.*s", to, n, t->full.p)));
    rdl_buf_put_replaced(&out, sql.p, rdl_buf_str(&old), rdl_buf_str(&now));
    rdl_str done = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&out)));
    rdl_buf_fini(&out);
    rdl_buf_fini(&old);
    rdl_buf_fini(&now);
    return done;
}

rdl_str rdl_plan_cast_columns(rdl_planner *pl, rdl_str sql)
{
    return rdl_plan_cast_columns_and(pl, sql, NULL);
}

rdl_str rdl_plan_cast_columns_and(rdl_planner *pl, rdl_str sql, const char *column)
{
    rdl_buf out = {0};
    rdl_buf_puts(&out, "SELECT ");
    for (size_t i = 0; i < pl->table->columns.n; i++) {
        const rdl_column *c = &pl->table->columns.v[i];
        rdl_buf_puts(&out, i > 0 ? ", CAST(r." : "CAST(r.");
        rdl_buf_put_sql_ident(&out, c->name);
        rdl_buf_puts(&out, " AS ");
        rdl_type_print(c->type, &out);
        rdl_buf_puts(&out, ") AS ");
        rdl_buf_put_sql_ident(&out, c->name);
    }
    if (column != NULL)
        rdl_buf_printf(&out, ", r.%s", column);
    rdl_buf_puts(&out, " FROM (");
    rdl_buf_put(&out, sql.p, sql.n);
    /* By place: DuckDB names a column without an alias by its text, which the rewriting changes. */
    rdl_buf_puts(&out, ") AS r(");
    for (size_t i = 0; i < pl->table->columns.n; i++) {
        rdl_buf_puts(&out, i > 0 ? ", " : "");
        rdl_buf_put_sql_ident(&out, pl->table->columns.v[i].name);
    }
    rdl_buf_puts(&out, ")");
    rdl_str done = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&out)));
    rdl_buf_fini(&out);
    return done;
}

void rdl_plan_need(rdl_planner *pl, rdl_table ***list, size_t *n, rdl_table *t)
{
    for (size_t i = 0; i < *n; i++)
        if ((*list)[i] == t)
            return;
    if (*list == NULL)
        *list = RDL_NEWN(pl->arena, rdl_table *, pl->table->input_count);
    (*list)[(*n)++] = t;
}

/* select's FROM with these expressions as its list, as text. */
static rdl_code probe_text(rdl_planner *pl, json_t *select, json_t *const *exprs, size_t n,
                           rdl_str *out, rdl_err *err)
{
    rdl_tree *tr = &pl->tree;
    json_t *probe = rdl_tree_keep(tr, json_copy(select));
    json_t *list = rdl_tree_keep(tr, json_array());
    for (size_t i = 0; i < n; i++) {
        json_t *e = rdl_tree_keep(tr, json_copy(exprs[i]));
        rdl_tree_alias(e, rdl_arena_printf(pl->arena, "t%zu", i));
        json_array_append(list, e);
    }
    json_object_set(probe, "select_list", list);
    json_object_set_new(probe, "modifiers", json_array());
    json_object_set_new(probe, "group_expressions", json_array());
    json_object_set_new(probe, "group_sets", json_array());
    json_object_set_new(probe, "aggregate_handling", json_string("STANDARD_HANDLING"));
    json_object_set_new(probe, "where_clause", json_null());
    json_object_set_new(probe, "having", json_null());
    json_object_set_new(probe, "qualify", json_null());
    return rdl_tree_print(tr, probe, out, err);
}

static const char *type_name(rdl_planner *pl, const rdl_type *t)
{
    rdl_buf b = {0};
    rdl_type_print(t, &b);
    const char *s = rdl_arena_strdup(pl->arena, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return s;
}

/* Ask for the types of all exprs at once; *ok false: DuckDB could not bind them together.
 */
static rdl_code ask_types(rdl_planner *pl, json_t *select, json_t *const *exprs, size_t n,
                          const char **out, bool *ok, rdl_err *err)
{
    rdl_str text;
    rdl_schema schema = {0};
    rdl_err why = {0};
    RDL_TRY(probe_text(pl, select, exprs, n, &text, err));
    rdl_code rc = rdl_describe(pl->conn, pl->arena, text.p, &schema, &why);
    *ok = rc == RDL_OK && schema.n == n;
    for (size_t i = 0; *ok && i < n; i++)
        out[i] = type_name(pl, schema.v[i].type);
    if (rc != RDL_ESCHEMA || n > 1)
        return RDL_OK;
    /* It binds, to a type that no column may have: DuckDB's own word for it. */
    char *type = NULL;
    const char *sql = rdl_arena_printf(pl->arena, "SELECT column_type FROM (DESCRIBE %s)", text.p);
    *ok = rdl_query_text(pl->conn, pl->arena, sql, &type, &why) == RDL_OK && type != NULL;
    out[0] = *ok ? type : "";
    return RDL_OK;
}

/* Types are asked for again and again over the same FROM: by partial, batch and group
 * texts. */
static const char *known_type(const rdl_planner *pl, json_t *from, json_t *expr)
{
    for (size_t i = 0; i < pl->types.n; i++)
        if (rdl_tree_equal(pl->types.v[i].expr, expr) && rdl_tree_equal(pl->types.v[i].from, from))
            return pl->types.v[i].type;
    return NULL;
}

rdl_code rdl_plan_types(rdl_planner *pl, json_t *select, json_t *const *exprs, size_t n,
                        const char **out, rdl_err *err)
{
    json_t *from = json_object_get(select, "from_table");
    json_t **asked = RDL_NEWN(pl->arena, json_t *, n + 1);
    const char **answers = RDL_NEWN(pl->arena, const char *, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (known_type(pl, from, exprs[i]) == NULL)
            asked[k++] = exprs[i];
    bool ok = k == 0;
    if (k > 0)
        RDL_TRY(ask_types(pl, select, asked, k, answers, &ok, err));
    json_t *from_copy = k > 0 ? rdl_tree_clone(&pl->tree, from) : NULL;
    for (size_t i = 0; i < k; i++) {
        bool one = ok;
        if (!ok && k > 1)
            RDL_TRY(ask_types(pl, select, &asked[i], 1, &answers[i], &one, err));
        RDL_PUSH(pl->arena, &pl->types) =
            (rdl_known_type){from_copy, rdl_tree_clone(&pl->tree, asked[i]),
                             one && answers[i] != NULL ? answers[i] : ""};
    }
    for (size_t i = 0; i < n; i++)
        out[i] = known_type(pl, from, exprs[i]);
    return RDL_OK;
}

/* CTEs by name, while they are put in place of their references. */
typedef struct inlining {
    rdl_planner *pl;
    json_t *entries; /* of one cte_map */
} inlining;

static json_t *swap_cte(void *arg, json_t *node)
{
    inlining *in = arg;
    if (!rdl_tree_is(node, "BASE_TABLE") || rdl_tree_has(node, "schema_name"))
        return NULL;
    rdl_tree *tr = &in->pl->tree;
    for (size_t i = json_array_size(in->entries); i-- > 0;) {
        json_t *entry = json_array_get(in->entries, i);
        if (strcasecmp(rdl_tree_text(entry, "key"), rdl_tree_text(node, "table_name")) != 0)
            continue;
        json_t *cte = json_object_get(entry, "value");
        json_t *query = rdl_tree_clone(tr, json_object_get(cte, "query"));
        json_t *names = rdl_tree_has(node, "column_name_alias")
                            ? json_object_get(node, "column_name_alias")
                            : json_object_get(cte, "aliases");
        return rdl_tree_keep(tr,
                             json_pack("{s:s, s:s, s:n, s:i, s:O, s:O}", "type", "SUBQUERY",
                                       "alias", rdl_plan_ref_name(node), "sample", "query_location",
                                       0, "subquery", query, "column_name_alias", names));
    }
    return NULL;
}

static bool inline_ctes(void *arg, json_t *node)
{
    rdl_planner *pl = arg;
    json_t *map = json_object_get(node, "cte_map");
    json_t *entries = json_object_get(map, "map");
    size_t n = json_array_size(entries);
    if (n == 0)
        return true;
    /* A later CTE may name an earlier one: put each into those after it, then into the
     * body. */
    for (size_t i = 0; i < n; i++) {
        json_t *value = json_object_get(json_array_get(entries, i), "value");
        if (rdl_tree_find_type(value, "RECURSIVE_CTE_NODE") != NULL)
            return true;
        json_t *before = rdl_tree_keep(&pl->tree, json_array());
        for (size_t j = 0; j < i; j++)
            json_array_append(before, json_array_get(entries, j));
        inlining in = {.pl = pl, .entries = before};
        rdl_tree_map(value, swap_cte, &in);
    }
    json_t *keep = rdl_tree_keep(&pl->tree, json_copy(entries));
    json_array_clear(entries);
    inlining in = {.pl = pl, .entries = keep};
    rdl_tree_map(node, swap_cte, &in);
    return true;
}

/* schema.table.column as table.column: the relations that texts read have no such schema.
 */
static bool shorten_column(void *arg, json_t *node)
{
    const rdl_planner *pl = arg;
    json_t *names = json_object_get(node, "column_names");
    if (!rdl_tree_class(node, "COLUMN_REF") || json_array_size(names) < 3)
        return true;
    rdl_str schema = rdl_str_of(json_string_value(json_array_get(names, 0)));
    rdl_str name = rdl_str_of(json_string_value(json_array_get(names, 1)));
    for (size_t i = 0; i < pl->table->input_count; i++) {
        const rdl_table *in = pl->table->inputs[i].table;
        if (rdl_str_eq_nocase(in->schema, schema) && rdl_str_eq_nocase(in->name, name)) {
            json_array_remove(names, 0);
            break;
        }
    }
    return true;
}

static rdl_code plan_body(rdl_planner *pl, rdl_err *err)
{
    rdl_table *t = pl->table;
    const char *text = rdl_arena_strndup(pl->arena, t->body.p, t->body.n);
    RDL_TRY(rdl_tree_parse(&pl->tree, text, &pl->body, err));
    rdl_tree_walk(pl->body, shorten_column, pl);
    pl->flat = rdl_tree_clone(&pl->tree, pl->body);
    rdl_tree_walk(pl->flat, inline_ctes, pl);
    rdl_plan_tell_fields(pl, pl->flat);
    RDL_TRY(rdl_plan_spell_having(pl, pl->flat, err));
    return t->kind == RDL_TABLE_STREAMING ? rdl_plan_stream(pl, err) : rdl_plan_view(pl, err);
}

rdl_code rdl_plan_table(rdl_arena *a, rdl_conn *conn, const rdl_pipeline *p, rdl_table *t,
                        rdl_diags *diags, rdl_err *err)
{
    if (t->kind != RDL_TABLE_STREAMING && t->kind != RDL_TABLE_VIEW)
        return RDL_OK;
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        t->stream_fed = t->stream_fed || in->kind == RDL_TABLE_SOURCE || in->stream_fed;
    }
    rdl_planner pl = {.arena = a, .conn = conn, .pipeline = p, .table = t, .diags = diags};
    rdl_tree_init(&pl.tree, a, conn);
    rdl_code rc = plan_body(&pl, err);
    rdl_tree_fini(&pl.tree);
    return rdl_err_in(rc, err, "planning %.*s", (int)t->full.n, t->full.p);
}

static rdl_code plan_report(rdl_planner *pl, rdl_report *r, rdl_err *err)
{
    const char *text = rdl_arena_strndup(pl->arena, pl->table->body.p, pl->table->body.n);
    rdl_str sql;
    RDL_TRY(rdl_tree_parse(&pl->tree, text, &pl->body, err));
    rdl_tree_walk(pl->body, shorten_column, pl);
    pl->flat = rdl_tree_clone(&pl->tree, pl->body);
    rdl_tree_walk(pl->flat, inline_ctes, pl);
    rdl_plan_tell_fields(pl, pl->flat);
    RDL_TRY(rdl_plan_spell_having(pl, pl->flat, err));
    json_t *query = rdl_tree_clone(&pl->tree, pl->flat);
    rdl_plan_bounds(pl, r);
    RDL_TRY(rdl_plan_exact(pl, query, NULL, NULL, 0, err));
    rdl_plan_read_all(pl, query);
    RDL_TRY(rdl_tree_print(&pl->tree, query, &sql, err));
    r->sql = rdl_plan_cast_columns(pl, sql);
    return RDL_OK;
}

rdl_code rdl_plan_report(rdl_arena *a, rdl_conn *conn, const rdl_pipeline *p, rdl_report *r,
                         rdl_str body, rdl_diags *diags, rdl_err *err)
{
    rdl_table as_view = {.kind = RDL_TABLE_VIEW,
                         .full = r->name,
                         .body = body,
                         .body_text = r->body_text,
                         .body_pos = r->body_pos,
                         .pos = r->pos,
                         .columns = r->columns,
                         .inputs = r->inputs,
                         .input_count = r->input_count};
    rdl_planner pl = {.arena = a, .conn = conn, .pipeline = p, .table = &as_view, .diags = diags};
    rdl_tree_init(&pl.tree, a, conn);
    rdl_code rc = plan_report(&pl, r, err);
    rdl_tree_fini(&pl.tree);
    return rdl_err_in(rc, err, "planning report %.*s", (int)r->name.n, r->name.p);
}
