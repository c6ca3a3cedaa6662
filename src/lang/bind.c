/*
 * lang/bind.c - from statements to tables in graph order.
 */
#include "lang/bind.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lang/load.h"
#include "lang/plan.h"

void rdl_bind_error(rdl_binder *b, rdl_pos pos, const char *hint, const char *fmt, ...)
{
    char msg[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    rdl_diag_add(b->diags, RDL_DIAG_ERROR, pos, hint, "%s", msg);
}

static rdl_symbol *find_full(const rdl_binder *b, rdl_str schema, rdl_str name)
{
    for (size_t i = 0; i < b->symbols.n; i++) {
        rdl_symbol *s = b->symbols.v[i];
        bool bare = s->kind == RDL_SYMBOL_SOURCE && schema.n == 0; /* its schema is main */
        if ((bare || rdl_str_eq_nocase(s->schema, schema)) && rdl_str_eq_nocase(s->name, name))
            return s;
    }
    return NULL;
}

static const char *nearest_name(const rdl_binder *b, rdl_str schema, rdl_str name)
{
    RDL_VEC(const char *) names = {0};
    for (size_t i = 0; i < b->symbols.n; i++) {
        const rdl_symbol *s = b->symbols.v[i];
        if (s->kind == RDL_SYMBOL_FUNCTION)
            continue;
        RDL_PUSH(b->arena, &names) = rdl_arena_strndup(b->arena, s->full.p, s->full.n);
    }
    const char *full = rdl_arena_printf(b->arena, "%.*s%s%.*s", (int)schema.n, schema.p,
                                        schema.n > 0 ? "." : "", (int)name.n, name.p);
    const char *best = rdl_nearest(rdl_str_of(full), names.v, names.n);
    if (best != NULL)
        return best;
    /* The right name in another schema, or without one. */
    for (size_t i = 0; i < b->symbols.n; i++) {
        const rdl_symbol *s = b->symbols.v[i];
        if (s->kind != RDL_SYMBOL_FUNCTION && rdl_str_eq_nocase(s->name, name))
            return rdl_arena_strndup(b->arena, s->full.p, s->full.n);
    }
    for (size_t i = 0; i < b->symbols.n && schema.n == 0; i++) {
        const rdl_symbol *s = b->symbols.v[i];
        const char *own = rdl_arena_strndup(b->arena, s->name.p, s->name.n);
        if (s->kind != RDL_SYMBOL_FUNCTION && rdl_nearest(name, &own, 1) != NULL)
            return rdl_arena_strndup(b->arena, s->full.p, s->full.n);
    }
    return NULL;
}

rdl_symbol *rdl_bind_find(rdl_binder *b, rdl_str schema, rdl_str name, rdl_pos pos, bool report)
{
    rdl_symbol *found = find_full(b, schema, name);
    if (found != NULL)
        return found;
    if (schema.n == 0) {
        for (size_t i = 0; i < b->symbols.n; i++) {
            rdl_symbol *s = b->symbols.v[i];
            if (!rdl_str_eq_nocase(s->name, name))
                continue;
            if (found != NULL) {
                if (report)
                    rdl_bind_error(b, pos, "Write the schema before it.",
                                   "\"%.*s\" could be \"%.*s\" or \"%.*s\"", (int)name.n, name.p,
                                   (int)found->full.n, found->full.p, (int)s->full.n, s->full.p);
                return NULL;
            }
            found = s;
        }
    }
    if (found != NULL || !report)
        return found;
    const char *best = nearest_name(b, schema, name);
    rdl_bind_error(b, pos,
                   best != NULL ? rdl_arena_printf(b->arena, "Did you mean \"%s\"?", best) : NULL,
                   "unrecognized table \"%.*s%s%.*s\"", (int)schema.n, schema.p,
                   schema.n > 0 ? "." : "", (int)name.n, name.p);
    return NULL;
}

static bool bind_kind(rdl_binder *b, rdl_symbol *s)
{
    switch (s->kind) {
    case RDL_SYMBOL_SOURCE:
        return rdl_bind_source(b, s);
    case RDL_SYMBOL_TABLE:
        return s->stmt->kind == RDL_STMT_DECISION ? rdl_bind_decision(b, s) : rdl_bind_table(b, s);
    case RDL_SYMBOL_VIEW:
        return rdl_bind_view(b, s);
    case RDL_SYMBOL_FUNCTION:
        return rdl_bind_function(b, s);
    case RDL_SYMBOL_MODEL:
        return rdl_bind_model_table(b, s);
    case RDL_SYMBOL_CHANGES:
        return rdl_bind_changes(b, s);
    default:
        return rdl_bind_history(b, s);
    }
}

bool rdl_bind_symbol(rdl_binder *b, rdl_symbol *s, rdl_pos from)
{
    if (s->state == RDL_SYMBOL_BUSY) {
        rdl_bind_error(b, from, "Tables must not depend on themselves, directly or through others.",
                       "\"%.*s\" is part of a cycle", (int)s->full.n, s->full.p);
        return false;
    }
    if (s->state == RDL_SYMBOL_NEW) {
        s->state = RDL_SYMBOL_BUSY;
        bool ok = bind_kind(b, s);
        bool table = s->kind != RDL_SYMBOL_VIEW && s->kind != RDL_SYMBOL_FUNCTION;
        if (ok && table)
            s->table = b->tables.v[b->tables.n - 1];
        s->state = ok ? RDL_SYMBOL_DONE : RDL_SYMBOL_FAILED;
    }
    return s->state == RDL_SYMBOL_DONE;
}

static void put_hash(rdl_buf *out, rdl_str s)
{
    rdl_buf_printf(out, "%zu:", s.n);
    rdl_buf_put(out, s.p != NULL ? s.p : "", s.n);
}

static void put_indexes(rdl_buf *out, char tag, const size_t *v, size_t n)
{
    rdl_buf_putc(out, tag);
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(out, "%zu,", v[i]);
}

static void put_schema(rdl_buf *out, const rdl_schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        put_hash(out, s->v[i].name);
        rdl_type_print(s->v[i].type, out);
        rdl_buf_putc(out, ';');
    }
}

static void put_source(rdl_buf *out, const rdl_source_def *d)
{
    rdl_buf_printf(out, "source %d %d %d %" PRId64, (int)d->format, (int)d->on_malformed,
                   d->watermark_column, d->watermark_delay_us);
    if (d->unique_count > 0) {
        put_indexes(out, 'u', d->unique, d->unique_count);
        rdl_buf_printf(out, "%d", (int)d->on_duplicate);
    }
    for (size_t i = 0; i < d->option_count; i++) {
        put_hash(out, d->options[i].name);
        put_hash(out, d->options[i].value);
    }
    for (size_t i = 0; i < d->column_count; i++) {
        put_hash(out, d->columns[i].field);
        put_hash(out, d->columns[i].computed);
    }
}

/* Comments, places and the source's URL decide nothing. */
static void fingerprint(rdl_table *t)
{
    rdl_buf all = {0};
    rdl_buf_printf(&all, "raudal 1 %d ", (int)t->kind);
    put_hash(&all, t->full);
    put_schema(&all, &t->columns);
    if (t->source != NULL)
        put_source(&all, t->source);
    put_hash(&all, t->body);
    for (size_t i = 0; i < t->input_count; i++) {
        put_hash(&all, t->inputs[i].table->full);
        rdl_buf_printf(&all, "%d", t->inputs[i].stream);
        put_schema(&all, &t->inputs[i].table->columns);
    }
    for (size_t i = 0; i < t->constraint_count; i++) {
        const rdl_constraint *c = &t->constraints[i];
        put_hash(&all, c->name);
        rdl_buf_printf(&all, "%d", (int)c->action);
        put_hash(&all, c->expr);
        put_indexes(&all, 'u', c->unique, c->unique_count);
        for (size_t k = 0; k < c->impute_count; k++) {
            rdl_buf_printf(&all, "%zu", c->imputes[k].column);
            put_hash(&all, c->imputes[k].expr);
        }
    }
    put_indexes(&all, 'p', t->partition_by, t->partition_count);
    put_indexes(&all, 'd', t->dedup, t->dedup_count);
    put_indexes(&all, 'k', t->primary_key, t->primary_key_count);
    put_indexes(&all, 'c', t->cdc_keys, t->cdc_key_count);
    rdl_buf_printf(&all, "%" PRId64 " %d %d", t->dedup_within_us, (int)t->on_late, t->allow_fanout);
    t->fingerprint = rdl_hash128_of(all.p, all.n);
    rdl_buf_fini(&all);
}

bool rdl_bind_finish(rdl_binder *b, rdl_table *t)
{
    fingerprint(t);
    t->index = b->tables.n;
    size_t errors = b->diags->errors;
    if (t->source == NULL && t->cdc_snapshot == NULL && t->model == NULL) {
        rdl_err err = {0};
        rdl_code rc = rdl_plan_table(b->arena, b->conn, b->pipeline, t, b->diags, &err);
        if (rc != RDL_OK && b->diags->errors == errors)
            rdl_bind_error(b, t->pos, err.hint[0] != '\0' ? err.hint : NULL, "%s", err.msg);
        if (rc != RDL_OK || b->diags->errors > errors)
            return false;
    }
    RDL_PUSH(b->arena, &b->tables) = t;
    b->pipeline->tables = b->tables.v;
    b->pipeline->table_count = b->tables.n;
    return true;
}

static rdl_symbol *add_symbol(rdl_binder *b, rdl_symbol_kind kind, const rdl_stmt *stmt,
                              rdl_ref ref)
{
    bool bare = kind == RDL_SYMBOL_SOURCE || kind == RDL_SYMBOL_FUNCTION;
    if (bare && ref.schema.n > 0) {
        rdl_bind_error(b, ref.pos, "Write the name alone.", "the name of a %s has no schema",
                       kind == RDL_SYMBOL_SOURCE ? "source" : "function");
        return NULL;
    }
    if (!bare && kind != RDL_SYMBOL_VIEW && ref.schema.n == 0) {
        rdl_bind_error(b, ref.pos, "Write it as schema.name, for example gold.x.",
                       "table \"%.*s\" has no schema", (int)ref.name.n, ref.name.p);
        return NULL;
    }
    static const char *const ours[] = {"main", "e", "quarantine", "raudal"};
    for (size_t i = 0; i < 4 && !bare; i++) {
        if (!rdl_str_eq_nocase(ref.schema, rdl_str_of(ours[i])))
            continue;
        rdl_bind_error(b, ref.pos, "Choose another name.", "schema \"%s\" is Raudal's own",
                       ours[i]);
        return NULL;
    }
    const rdl_symbol *other = find_full(b, ref.schema, ref.name);
    if (other != NULL) {
        uint32_t line, col;
        rdl_pos_line(other->stmt->name.pos, &line, &col);
        rdl_bind_error(b, ref.pos, NULL, "\"%.*s\" is there already, at %s:%u", (int)other->full.n,
                       other->full.p, other->stmt->name.pos.file->path, line);
        return NULL;
    }
    rdl_symbol *s = RDL_NEW(b->arena, rdl_symbol);
    *s = (rdl_symbol){.kind = kind, .stmt = stmt, .schema = ref.schema, .name = ref.name};
    s->full = ref.schema.n == 0
                  ? ref.name
                  : rdl_str_of(rdl_arena_printf(b->arena, "%.*s.%.*s", (int)ref.schema.n,
                                                ref.schema.p, (int)ref.name.n, ref.name.p));
    if (kind == RDL_SYMBOL_SOURCE)
        s->schema = RDL_STR("main");
    RDL_PUSH(b->arena, &b->symbols) = s;
    return s;
}

static void declare(rdl_binder *b, const rdl_stmt *stmt)
{
    static const rdl_symbol_kind kinds[] = {
        [RDL_STMT_SOURCE] = RDL_SYMBOL_SOURCE,     [RDL_STMT_STREAMING] = RDL_SYMBOL_TABLE,
        [RDL_STMT_VIEW] = RDL_SYMBOL_TABLE,        [RDL_STMT_PLAIN_VIEW] = RDL_SYMBOL_VIEW,
        [RDL_STMT_FUNCTION] = RDL_SYMBOL_FUNCTION, [RDL_STMT_DECISION] = RDL_SYMBOL_TABLE,
        [RDL_STMT_MODEL_TABLE] = RDL_SYMBOL_MODEL,
    };
    if (stmt->kind == RDL_STMT_PUBLISH || stmt->kind == RDL_STMT_REPORT ||
        stmt->kind == RDL_STMT_MODEL || stmt->kind == RDL_STMT_SEED ||
        stmt->kind == RDL_STMT_ALERT || stmt->kind == RDL_STMT_GRANT)
        return;
    if (stmt->kind != RDL_STMT_FLOW) {
        add_symbol(b, kinds[stmt->kind], stmt, stmt->name);
        return;
    }
    rdl_ref target = stmt->u.flow.target, changes = target;
    changes.name =
        rdl_str_of(rdl_arena_printf(b->arena, "%.*s$changes", (int)target.name.n, target.name.p));
    rdl_symbol *h = add_symbol(b, RDL_SYMBOL_HISTORY, stmt, target);
    if (h != NULL)
        h->changes = add_symbol(b, RDL_SYMBOL_CHANGES, stmt, changes);
}

/* Asking the library takes longer than all else in a load; tests/unit/lang_test.c does ask it. */
bool rdl_function_is_unstable(const char *name)
{
    static const char *const names[] = {
        "current_connection_id",
        "current_database",
        "current_date",
        "current_query",
        "current_query_id",
        "current_schema",
        "current_schemas",
        "current_transaction_id",
        "currval",
        "gen_random_uuid",
        "get_current_time",
        "get_current_timestamp",
        "in_search_path",
        "nextval",
        "now",
        "random",
        "setseed",
        "sleep_ms",
        "stats",
        "today",
        "transaction_timestamp",
        "txid_current",
        "uuid",
        "uuidv4",
        "uuidv7",
        "write_log",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return false;
}

/*
 * The prelude lives in the connection's own database, where it may stay, and in the scratch
 * one, which is searched while it is in use.
 */
static rdl_code scratch_open(rdl_binder *b, const char **out_name, char **out_before, rdl_err *err)
{
    RDL_TRY(rdl_query_text(b->conn, b->arena, "SELECT current_catalog()", out_before, err));
    *out_name = rdl_arena_printf(b->arena, "rdl_bind_%zx", (size_t)(uintptr_t)b->pipeline);
    RDL_TRY(rdl_exec(b->conn, b->pipeline->prelude_sql.p, err));
    RDL_TRY(rdl_execf(b->conn, err, "ATTACH ':memory:' AS %s", *out_name));
    RDL_TRY(rdl_execf(b->conn, err, "USE %s", *out_name));
    return rdl_exec(b->conn, b->pipeline->prelude_sql.p, err);
}

static rdl_code scratch_close(rdl_binder *b, const char *name, const char *before, rdl_err *err)
{
    RDL_TRY(rdl_execf(b->conn, err, "USE \"%s\"", before));
    return rdl_execf(b->conn, err, "DETACH %s", name);
}

static void bind_all(rdl_binder *b, const rdl_script *script)
{
    rdl_pipeline *p = b->pipeline;
    for (size_t i = 0; i < script->list.n; i++)
        declare(b, script->list.v[i]);
    p->models = RDL_NEWN(b->arena, rdl_model *, script->list.n + 1);
    p->views = RDL_NEWN(b->arena, rdl_table *, script->list.n + 1);
    for (size_t i = 0; i < script->list.n; i++)
        if (script->list.v[i]->kind == RDL_STMT_MODEL)
            rdl_bind_training(b, script->list.v[i]);
    for (size_t i = 0; i < b->symbols.n; i++)
        if (b->symbols.v[i]->state == RDL_SYMBOL_NEW)
            (void)rdl_bind_symbol(b, b->symbols.v[i], b->symbols.v[i]->stmt->name.pos);
    p->publications = RDL_NEWN(b->arena, rdl_publication *, script->list.n + 1);
    for (size_t i = 0; i < script->list.n; i++)
        if (script->list.v[i]->kind == RDL_STMT_PUBLISH)
            rdl_bind_publish(b, script->list.v[i]);
    p->seeds = RDL_NEWN(b->arena, rdl_publication *, script->list.n + 1);
    for (size_t i = 0; i < script->list.n; i++)
        if (script->list.v[i]->kind == RDL_STMT_SEED)
            rdl_bind_seed(b, script->list.v[i]);
    p->reports = RDL_NEWN(b->arena, rdl_report *, script->list.n + 1);
    for (size_t i = 0; i < script->list.n; i++)
        if (script->list.v[i]->kind == RDL_STMT_REPORT)
            rdl_bind_report(b, script->list.v[i]);
    p->alerts = RDL_NEWN(b->arena, rdl_alert *, script->list.n + 1);
    for (size_t i = 0; i < script->list.n; i++) {
        if (script->list.v[i]->kind == RDL_STMT_ALERT)
            rdl_bind_alert(b, script->list.v[i]);
        else if (script->list.v[i]->kind == RDL_STMT_GRANT)
            rdl_bind_grant(b, script->list.v[i]);
    }
}

static void fingerprint_all(rdl_pipeline *p)
{
    rdl_buf all = {0};
    for (size_t i = 0; i < p->table_count; i++)
        rdl_buf_put(&all, &p->tables[i]->fingerprint, sizeof(rdl_hash128));
    for (size_t i = 0; i < p->publication_count; i++) {
        const rdl_publication *pub = p->publications[i];
        put_hash(&all, pub->table->full);
        put_hash(&all, pub->url);
        put_hash(&all, pub->name);
        put_indexes(&all, 'k', pub->key, pub->key_count);
        for (size_t k = 0; k < pub->key_count; k++)
            rdl_buf_putc(&all, pub->descending[k] ? '1' : '0');
        for (size_t k = 0; k < pub->columns.n; k++)
            put_hash(&all, pub->columns.v[k].name);
    }
    p->fingerprint = rdl_hash128_of(rdl_buf_str(&all), all.n);
    rdl_buf_fini(&all);
}

rdl_code rdl_bind(rdl_pipeline *p, rdl_conn *conn, const rdl_script *script, rdl_diags *diags,
                  rdl_err *err)
{
    rdl_binder b = {.arena = p->arena, .conn = conn, .pipeline = p, .diags = diags};
    const char *scratch = NULL;
    char *before = NULL;
    RDL_TRY(scratch_open(&b, &scratch, &before, err));
    rdl_tree_init(&b.tree, p->arena, conn);
    bind_all(&b, script);
    fingerprint_all(p);
    rdl_tree_fini(&b.tree);
    return scratch_close(&b, scratch, before, err);
}
