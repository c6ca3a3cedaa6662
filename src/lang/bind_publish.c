/*
 * lang/bind_publish.c - PUBLISH: which table, where to, under which names and key.
 *
 * The key is written in the names that the store has.  Values of WITH are checked here, so
 * that `raudal check` finds them and a store never has to.
 */
#include "lang/bind.h"
#include "lang/publish_options.h"

static rdl_str scheme_of(rdl_str url)
{
    const char *colon = url.n > 0 ? memchr(url.p, ':', url.n) : NULL;
    return (rdl_str){url.p, colon != NULL ? (size_t)(colon - url.p) : 0};
}

static bool check_store(rdl_binder *b, const rdl_ast_publish *ast)
{
    rdl_str scheme = scheme_of(ast->url);
    for (size_t i = 0; i < rdl_publish_store_count; i++)
        if (rdl_str_eq_nocase(scheme, rdl_str_of(rdl_publish_stores[i])))
            return true;
    const char *nearest = rdl_nearest(scheme, rdl_publish_stores, rdl_publish_store_count);
    rdl_bind_error(b, ast->url_pos,
                   nearest != NULL ? rdl_arena_printf(b->arena, "Did you mean \"%s:\"?", nearest)
                                   : "Use 'sqlite:serving.db', 'postgres://host/database' or "
                                     "'cassandra://host/keyspace'.",
                   "destinations of the kind \"%.*s\" are not supported in this version",
                   (int)(scheme.n > 0 ? scheme.n + 1 : ast->url.n), ast->url.p);
    return false;
}

static const char *known_options(rdl_binder *b, rdl_str store)
{
    rdl_buf list = {0};
    for (size_t i = 0; i < rdl_publish_option_count; i++)
        if (rdl_str_eq_nocase(store, rdl_str_of(rdl_publish_options[i].store)))
            rdl_buf_printf(&list, "%s%s", list.n > 0 ? ", " : "", rdl_publish_options[i].name);
    const char *text = list.n > 0
                           ? rdl_arena_printf(b->arena, "Options of %.*s: %s.", (int)store.n,
                                              store.p, rdl_buf_str(&list))
                           : rdl_arena_printf(b->arena, "%.*s takes none.", (int)store.n, store.p);
    rdl_buf_fini(&list);
    return text;
}

/* The store that the text could have meant: an option of another store is passed over, so
 * that one text serves several by ${SERVING}. */
static bool is_of_another(rdl_str name)
{
    for (size_t i = 0; i < rdl_publish_option_count; i++)
        if (rdl_str_eq_nocase(name, rdl_str_of(rdl_publish_options[i].name)))
            return true;
    return false;
}

static bool check_option(rdl_binder *b, rdl_str store, const rdl_option *o)
{
    const char *names[64];
    size_t n = 0;
    const rdl_publish_option *known = rdl_publish_option_find(store, o->name);
    if (known == NULL && is_of_another(o->name))
        return true;
    if (known == NULL) {
        for (size_t i = 0; i < rdl_publish_option_count && n < 64; i++)
            names[n++] = rdl_publish_options[i].name;
        const char *nearest = rdl_nearest(o->name, names, n);
        rdl_bind_error(b, o->pos,
                       nearest != NULL ? rdl_arena_printf(b->arena, "Did you mean \"%s\"?", nearest)
                                       : known_options(b, store),
                       "unrecognized option \"%.*s\" of a publication", (int)o->name.n, o->name.p);
        return false;
    }
    const char *wants = rdl_publish_option_wants(b->arena, known, o->value);
    if (wants == NULL)
        return true;
    rdl_bind_error(b, o->pos, known->help, "option \"%s\" is \"%.*s\", not %s", known->name,
                   (int)o->value.n, o->value.p, wants);
    return false;
}

static bool check_options(rdl_binder *b, const rdl_ast_publish *ast)
{
    bool ok = true;
    for (size_t i = 0; i < ast->option_count; i++)
        ok = check_option(b, scheme_of(ast->url), &ast->options[i]) && ok;
    return ok;
}

static bool rename_columns(rdl_binder *b, const rdl_ast_publish *ast, const rdl_table *t,
                           rdl_schema *out)
{
    bool ok = true;
    *out = (rdl_schema){RDL_NEWN(b->arena, rdl_column, t->columns.n + 1), t->columns.n};
    memcpy(out->v, t->columns.v, t->columns.n * sizeof *out->v);
    for (size_t i = 0; i < ast->renamed.n; i++) {
        const rdl_ident *from = &ast->renamed.v[i];
        int at = rdl_schema_find(&t->columns, from->text);
        if (at < 0) {
            rdl_bind_unknown_column(b, from->pos, from->text, t);
            ok = false;
        } else {
            out->v[at].name = ast->as.v[i].text;
        }
    }
    for (size_t i = 0; ok && i < ast->renamed.n; i++) {
        size_t same = 0;
        for (size_t k = 0; k < out->n; k++)
            same += rdl_str_eq_nocase(out->v[k].name, ast->as.v[i].text);
        if (same < 2)
            continue;
        rdl_bind_error(b, ast->as.v[i].pos, NULL, "two columns would be called \"%.*s\"",
                       (int)ast->as.v[i].text.n, ast->as.v[i].text.p);
        ok = false;
    }
    return ok;
}

static bool bind_key(rdl_binder *b, const rdl_stmt *stmt, const rdl_ast_publish *ast,
                     rdl_publication *pub)
{
    const rdl_table *t = pub->table;
    rdl_table served = *t;
    served.columns = pub->columns;
    if (!rdl_bind_columns(b, &served, &ast->key, "PRIMARY KEY", &pub->key, &pub->key_count))
        return false;
    if (ast->key.n == 0) {
        pub->key = t->primary_key;
        pub->key_count = t->primary_key_count;
        pub->partition_key_count = t->primary_key_count > 0;
        pub->descending = RDL_NEWN(b->arena, bool, t->primary_key_count + 1);
    }
    if (pub->key_count > 0)
        return true;
    rdl_bind_error(b, stmt->name.pos, "Add PRIMARY KEY ((..), ..).",
                   "a published table needs a key");
    return false;
}

static bool is_there(rdl_binder *b, const rdl_publication *pub, rdl_publication *const *list,
                     size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const rdl_publication *o = list[i];
        if (!rdl_str_eq_nocase(o->name, pub->name) || !rdl_str_eq(o->url, pub->url))
            continue;
        rdl_bind_error(b, pub->pos, "Name one of them with AS.",
                       "\"%.*s\" is published twice to the same place", (int)pub->name.n,
                       pub->name.p);
        return true;
    }
    return false;
}

/* NULL: reported. */
static rdl_publication *destination(rdl_binder *b, const rdl_stmt *stmt, const rdl_ast_publish *ast,
                                    rdl_table *t)
{
    const rdl_pipeline *p = b->pipeline;
    if (!check_store(b, ast) || !check_options(b, ast))
        return NULL;
    rdl_publication *pub = RDL_NEW(b->arena, rdl_publication);
    *pub = (rdl_publication){
        .table = t,
        .url = ast->url,
        .name = ast->name.n > 0 ? ast->name : t->name,
        .pos = stmt->name.pos,
        .descending = ast->descending,
        .partition_key_count = ast->partition_key_count,
        .options = ast->options,
        .option_count = ast->option_count,
    };
    if (!rename_columns(b, ast, t, &pub->columns) || !bind_key(b, stmt, ast, pub) ||
        is_there(b, pub, p->publications, p->publication_count) ||
        is_there(b, pub, p->seeds, p->seed_count))
        return NULL;
    return pub;
}

void rdl_bind_publish(rdl_binder *b, const rdl_stmt *stmt)
{
    rdl_pipeline *p = b->pipeline;
    rdl_symbol *s = rdl_bind_find(b, stmt->name.schema, stmt->name.name, stmt->name.pos, true);
    if (s == NULL || !rdl_bind_symbol(b, s, stmt->name.pos))
        return;
    if (s->table == NULL || s->table->source != NULL) {
        rdl_bind_error(b, stmt->name.pos, "Publish a streaming table or a materialized view.",
                       "\"%.*s\" is not a table", (int)s->full.n, s->full.p);
        return;
    }
    rdl_publication *pub = destination(b, stmt, &stmt->u.publish, s->table);
    if (pub == NULL)
        return;
    pub->index = p->publication_count;
    p->publications[p->publication_count++] = pub;
}

static bool check_seed(rdl_binder *b, const rdl_stmt *stmt)
{
    const rdl_ast_source *ast = &stmt->u.seed.source;
    if (ast->format != RDL_FORMAT_CSV && ast->format != RDL_FORMAT_JSON) {
        rdl_bind_error(b, ast->url_pos, NULL, "a seed is a file of CSV or JSON");
        return false;
    }
    for (size_t i = 0; i < ast->url.n; i++) {
        if (i + 2 < ast->url.n && memcmp(ast->url.p + i, "://", 3) == 0) {
            rdl_bind_error(b, ast->url_pos, "Write a path relative to the pipeline's folder.",
                           "a seed is read from a file");
            return false;
        }
    }
    for (size_t i = 0; i < ast->column_count; i++) {
        if (ast->columns[i].computed.text.n == 0)
            continue;
        rdl_bind_error(b, ast->columns[i].name.pos, NULL, "a seed has no computed columns");
        return false;
    }
    return true;
}

void rdl_bind_seed(rdl_binder *b, const rdl_stmt *stmt)
{
    rdl_pipeline *p = b->pipeline;
    const rdl_symbol as = {.kind = RDL_SYMBOL_SOURCE,
                           .stmt = stmt,
                           .schema = stmt->name.schema,
                           .name = stmt->name.name,
                           .full = stmt->name.name};
    rdl_table *t = rdl_bind_new_table(b, &as, RDL_TABLE_SNAPSHOT);
    if (!check_seed(b, stmt) || !rdl_bind_source_def(b, &stmt->u.seed.source, t))
        return;
    rdl_publication *pub = destination(b, stmt, &stmt->u.seed.publish, t);
    if (pub == NULL)
        return;
    pub->index = p->seed_count;
    p->seeds[p->seed_count++] = pub;
}
