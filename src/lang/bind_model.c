/*
 * lang/bind_model.c - model tables and training steps.
 *
 * A model table is a materialized view whose rows a program gives (rdl_table.model): it is stored,
 * read and published like any view, and nothing but its runs (stream/model.c) changes it.  Behind
 * the declared columns stand model_version and model_parameters: which program, with what, made a
 * row.
 */
#include "lang/bind.h"

#include "lang/plan.h"

enum { TIMEOUT_DEFAULT_S = 600 };

/* {"k": v, ..}: numbers and true, false stay what they are. */
static rdl_str parameters_json(rdl_arena *a, const rdl_ast_model *ast)
{
    rdl_buf b = {0};
    rdl_buf_putc(&b, '{');
    for (size_t i = 0; i < ast->parameter_count; i++) {
        const rdl_option *o = &ast->parameters[i];
        bool quoted = o->pos.file->text.p[o->pos.at] == '\'';
        rdl_buf_puts(&b, i > 0 ? ", " : "");
        rdl_buf_put_json_text(&b, o->name);
        rdl_buf_puts(&b, ": ");
        bool plain = !quoted && (rdl_str_eq_nocase(o->value, RDL_STR("true")) ||
                                 rdl_str_eq_nocase(o->value, RDL_STR("false")) ||
                                 strchr("-0123456789", o->value.p[0]) != NULL);
        if (plain)
            rdl_buf_put(&b, o->value.p, o->value.n);
        else
            rdl_buf_put_json_text(&b, o->value);
    }
    rdl_buf_putc(&b, '}');
    rdl_str out = {rdl_arena_strndup(a, rdl_buf_str(&b), b.n), b.n};
    rdl_buf_fini(&b);
    return out;
}

static bool bind_input(rdl_binder *b, const rdl_symbol *owner, const rdl_ast_model *ast,
                       rdl_model *m)
{
    rdl_body body = {.b = b, .kind = RDL_BODY_VIEW, .owner = owner, .pos = ast->select.pos};
    json_t *query = NULL;
    rdl_schema columns;
    const char *text = rdl_arena_strndup(b->arena, ast->select.text.p, ast->select.text.n);
    if (!rdl_body_parse(&body, text, &query) || !rdl_body_resolve(&body, query) ||
        !rdl_body_describe(&body, &query, &columns))
        return false;
    m->inputs = body.inputs.list.v;
    m->input_count = body.inputs.list.n;
    m->select = body.text;
    for (size_t i = 0; i < m->input_count; i++) {
        if (m->inputs[i].table->source == NULL)
            continue;
        rdl_bind_error(b, m->inputs[i].pos, "Make it a table or a materialized view first.",
                       "a program reads tables, and \"%.*s\" is a source",
                       (int)m->inputs[i].table->full.n, m->inputs[i].table->full.p);
        return false;
    }
    if (m->input_count > 0)
        return true;
    rdl_bind_error(b, ast->select.pos, NULL, "a program must read some table");
    return false;
}

static rdl_model *find_training(const rdl_binder *b, const rdl_ref *ref)
{
    for (size_t i = 0; i < b->pipeline->model_count; i++) {
        rdl_model *m = b->pipeline->models[i];
        const char *full = ref->schema.n > 0
                               ? rdl_arena_printf(b->arena, "%.*s.%.*s", (int)ref->schema.n,
                                                  ref->schema.p, (int)ref->name.n, ref->name.p)
                               : rdl_arena_strndup(b->arena, ref->name.p, ref->name.n);
        if (m->table == NULL && rdl_str_eq_nocase(m->name, rdl_str_of(full)))
            return m;
    }
    return NULL;
}

static rdl_model *new_model(rdl_binder *b, const rdl_stmt *stmt, rdl_str name)
{
    const rdl_ast_model *ast = &stmt->u.model;
    rdl_model *m = RDL_NEW(b->arena, rdl_model);
    *m = (rdl_model){
        .name = name,
        .comment = ast->comment.n > 0 ? ast->comment : stmt->comment,
        .pos = stmt->name.pos,
        .command = ast->command,
        .version = ast->version,
        .parameters = parameters_json(b->arena, ast),
        .timeout_us =
            ast->timeout_us > 0 ? ast->timeout_us : (int64_t)TIMEOUT_DEFAULT_S * 1000 * 1000,
        .parquet = ast->parquet,
        .schedule = ast->schedule,
    };
    return m;
}

static bool check_command(rdl_binder *b, const rdl_ast_model *ast)
{
    for (size_t i = 0; i < ast->command.n; i++)
        if ((unsigned char)ast->command.p[i] > ' ')
            return true;
    rdl_bind_error(b, ast->command_pos, "Write the program and its arguments.",
                   "the command is empty");
    return false;
}

static void keep_model(rdl_binder *b, rdl_model *m)
{
    rdl_pipeline *p = b->pipeline;
    m->index = p->model_count;
    p->models[p->model_count++] = m;
}

void rdl_bind_training(rdl_binder *b, const rdl_stmt *stmt)
{
    const rdl_ast_model *ast = &stmt->u.model;
    const rdl_str own = stmt->name.name, schema = stmt->name.schema;
    const rdl_str name = rdl_str_of(
        rdl_arena_printf(b->arena, "%.*s%s%.*s", (int)schema.n, schema.n > 0 ? schema.p : "",
                         schema.n > 0 ? "." : "", (int)own.n, own.p));
    rdl_symbol owner = {.kind = RDL_SYMBOL_MODEL, .stmt = stmt, .full = name, .name = name};
    if (find_training(b, &stmt->name) != NULL) {
        rdl_bind_error(b, stmt->name.pos, NULL, "model \"%.*s\" is there already", (int)name.n,
                       name.p);
        return;
    }
    rdl_model *m = new_model(b, stmt, name);
    if (!check_command(b, ast) || !bind_input(b, &owner, ast, m) ||
        !rdl_bind_schedule(b, &m->schedule, name))
        return;
    keep_model(b, m);
}

/* The declared columns, then what made the row. */
static bool bind_columns(rdl_binder *b, const rdl_ast_model *ast, rdl_table *t)
{
    static const char *const own[] = {"model_version", "model_parameters"};
    size_t n = ast->column_count;
    bool ok = true;
    t->columns = (rdl_schema){RDL_NEWN(b->arena, rdl_column, n + 2), n + 2};
    t->column_comments = RDL_NEWN(b->arena, rdl_str, n + 2);
    for (size_t i = 0; i < n; i++) {
        const rdl_ast_column *c = &ast->columns[i];
        t->columns.v[i].name = c->name.text;
        t->column_comments[i] = c->comment;
        ok = rdl_bind_type(b, &c->type, &t->columns.v[i].type) && ok;
        for (size_t k = 0; k < i + 2; k++) {
            rdl_str other = k < i ? ast->columns[k].name.text : rdl_str_of(own[k - i]);
            if (!rdl_str_eq_nocase(other, c->name.text))
                continue;
            rdl_bind_error(b, c->name.pos, NULL, "column \"%.*s\" is there already", (int)other.n,
                           other.p);
            ok = false;
        }
    }
    t->columns.v[n] = (rdl_column){RDL_STR("model_version"), rdl_type_of(RDL_TYPE_TEXT)};
    t->columns.v[n + 1] = (rdl_column){RDL_STR("model_parameters"), rdl_type_of(RDL_TYPE_JSON)};
    t->column_comments[n] =
        RDL_STR("which program made the row: its version, the hash of its files, its artifact");
    t->column_comments[n + 1] = RDL_STR("the parameters that it was given");
    return ok;
}

bool rdl_bind_model_table(rdl_binder *b, rdl_symbol *s)
{
    const rdl_ast_model *ast = &s->stmt->u.model;
    rdl_table *t = rdl_bind_new_table(b, s, RDL_TABLE_VIEW);
    rdl_model *m = new_model(b, s->stmt, t->full);
    t->comment = m->comment;
    t->model = m;
    m->table = t;
    if (!check_command(b, ast) || !bind_columns(b, ast, t) || !bind_input(b, s, ast, m) ||
        !rdl_bind_schedule(b, &m->schedule, t->full))
        return false;
    if (ast->artifact.name.n > 0) {
        m->artifact = find_training(b, &ast->artifact);
        if (m->artifact == NULL) {
            rdl_bind_error(b, ast->artifact.pos, "Write CREATE MODEL .. AS TRAIN (..) USING '..'.",
                           "there is no model \"%.*s\"", (int)ast->artifact.name.n,
                           ast->artifact.name.p);
            return false;
        }
    }
    t->body = m->select;
    t->body_text = ast->select.text;
    t->body_pos = ast->select.pos;
    t->inputs = m->inputs;
    t->input_count = m->input_count;
    t->view_plan = RDL_NEW(b->arena, rdl_view_plan);
    *t->view_plan = (rdl_view_plan){.mode = RDL_MAINTAIN_FULL,
                                    .reason = RDL_STR("a program gives the rows"),
                                    .reason_pos = ast->command_pos};
    bool ok = rdl_bind_columns(b, t, &ast->primary_key, "PRIMARY KEY", &t->primary_key,
                               &t->primary_key_count);
    ok = rdl_bind_columns(b, t, &ast->partition_by, "PARTITIONED BY", &t->partition_by,
                          &t->partition_count) &&
         ok;
    if (!ok || !rdl_bind_scratch(b, t) || !rdl_bind_finish(b, t))
        return false;
    keep_model(b, m);
    return true;
}
