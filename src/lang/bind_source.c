/*
 * lang/bind_source.c - sources: column types, computed columns, the watermark.
 */
#include "lang/bind.h"
#include "lang/source_options.h"

static const char *const reserved[] = {
    "_source_file", "_source_partition", "_source_offset", "_ingest_ts",
    "_epoch",       "_rescued",          "_ordinal",       "_event_ts"};

static bool check_name(rdl_binder *b, const rdl_ast_source *ast, size_t i)
{
    const rdl_ident *name = &ast->columns[i].name;
    for (size_t k = 0; k < sizeof reserved / sizeof reserved[0]; k++) {
        if (!rdl_str_eq_nocase(name->text, rdl_str_of(reserved[k])))
            continue;
        rdl_bind_error(b, name->pos, "Give it another name, with FIELD for the name in the data.",
                       "\"%s\" is a system column", reserved[k]);
        return false;
    }
    for (size_t k = 0; k < i; k++) {
        if (!rdl_str_eq_nocase(name->text, ast->columns[k].name.text))
            continue;
        rdl_bind_error(b, name->pos, NULL, "column \"%.*s\" is declared twice", (int)name->text.n,
                       name->text.p);
        return false;
    }
    return true;
}

/* postgres://, postgresql://, postgres:service=.. */
static bool is_postgres(const rdl_ast_source *ast)
{
    return rdl_str_starts(ast->url, "postgres:") || rdl_str_starts(ast->url, "postgresql:");
}

static bool check_url(rdl_binder *b, const rdl_ast_source *ast)
{
    static const char *const later[] = {"s3", "gs"};
    const char *scheme = NULL;
    for (size_t i = 0; i + 2 < ast->url.n && scheme == NULL; i++)
        if (memcmp(ast->url.p + i, "://", 3) == 0)
            scheme = rdl_arena_strndup(b->arena, ast->url.p, i);
    for (size_t i = 0; i < sizeof later / sizeof later[0] && scheme == NULL; i++) {
        size_t n = strlen(later[i]);
        if (ast->url.n > n && memcmp(ast->url.p, later[i], n) == 0 && ast->url.p[n] == ':')
            scheme = later[i];
    }
    if (ast->url.n == 0) {
        rdl_bind_error(b, ast->url_pos, NULL, "the path is empty");
        return false;
    }
    if (is_postgres(ast) && !ast->snapshot) {
        rdl_bind_error(b, ast->url_pos,
                       "Add the word SNAPSHOT: each look is a version of the whole.",
                       "a table of PostgreSQL is no stream");
        return false;
    }
    if (scheme == NULL || strcmp(scheme, "file") == 0 || strcmp(scheme, "kafka") == 0 ||
        is_postgres(ast))
        return true;
    rdl_bind_error(b, ast->url_pos, "Use a path, or kafka:// or postgres://.",
                   "sources of the kind \"%s:\" are not supported in this version", scheme);
    return false;
}

/* What only a snapshot can promise or be asked for. */
static bool bind_snapshot(rdl_binder *b, const rdl_ast_source *ast, rdl_table *t)
{
    rdl_source_def *def = t->source;
    if (!ast->snapshot && (ast->unique.n > 0 || ast->refresh_us > 0)) {
        rdl_bind_error(
            b, ast->snapshot_pos,
            "Add the word SNAPSHOT; rows of a stream are told apart by DEDUPLICATE ON (..) "
            "of a streaming table.",
            "UNIQUE KEY and REFRESH EVERY are for snapshots");
        return false;
    }
    def->on_duplicate = ast->on_duplicate;
    def->refresh_us =
        ast->refresh_us > 0 || !is_postgres(ast) ? ast->refresh_us : INT64_C(60) * 1000000;
    return rdl_bind_columns(b, t, &ast->unique, "UNIQUE KEY", &def->unique, &def->unique_count);
}

static bool is_kafka(const rdl_ast_source *ast)
{
    return rdl_str_starts(ast->url, "kafka:");
}

/* What each part of a message may be declared as. */
static bool check_from(rdl_binder *b, const rdl_ast_source *ast, const rdl_ast_column *c,
                       const rdl_type *type)
{
    static const struct {
        const char *name, *types;
        uint32_t kinds;
    } parts[RDL_COLUMN_FROM_COUNT] = {
        [RDL_COLUMN_TIMESTAMP] = {"TIMESTAMP", "TIMESTAMPTZ", 1u << RDL_TYPE_TIMESTAMPTZ},
        [RDL_COLUMN_HEADERS] = {"HEADERS",
                                "JSON, MAP(TEXT, TEXT) or STRUCT(key TEXT, value TEXT)[]",
                                1u << RDL_TYPE_JSON | 1u << RDL_TYPE_MAP | 1u << RDL_TYPE_LIST},
        [RDL_COLUMN_TOPIC] = {"TOPIC", "TEXT", 1u << RDL_TYPE_TEXT},
        [RDL_COLUMN_PARTITION] = {"PARTITION", "INTEGER",
                                  1u << RDL_TYPE_INTEGER | 1u << RDL_TYPE_BIGINT},
        [RDL_COLUMN_OFFSET] = {"OFFSET", "BIGINT", 1u << RDL_TYPE_BIGINT},
        [RDL_COLUMN_TOMBSTONE] = {"TOMBSTONE", "BOOLEAN", 1u << RDL_TYPE_BOOLEAN},
        [RDL_COLUMN_VALUE] = {"VALUE", "TEXT or BLOB", 1u << RDL_TYPE_TEXT | 1u << RDL_TYPE_BLOB},
    };
    if (c->from == RDL_COLUMN_FIELD || type == NULL)
        return true;
    if (ast->format == RDL_FORMAT_PARQUET) {
        rdl_bind_error(b, c->from_pos, "Messages, lines and elements of an array have such parts.",
                       "a row of a Parquet file has no bytes, key or headers of its own");
        return false;
    }
    if (parts[c->from].kinds == 0 || (parts[c->from].kinds >> type->kind & 1) != 0)
        return true;
    rdl_bind_error(b, c->from_pos, NULL, "a column FROM %s is declared as %s", parts[c->from].name,
                   parts[c->from].types);
    return false;
}

/* TEXT (or RAW) has one column for the payload, whatever its type. */
static bool check_format(rdl_binder *b, const rdl_ast_source *ast, const rdl_table *t)
{
    size_t fields = 0;
    if (is_kafka(ast) && ast->format == RDL_FORMAT_PARQUET) {
        rdl_bind_error(b, ast->url_pos, "Messages are JSON, CSV, TEXT or RAW.",
                       "a topic has no Parquet files");
        return false;
    }
    for (size_t i = 0; i < ast->column_count; i++)
        fields += ast->columns[i].from == RDL_COLUMN_FIELD && ast->columns[i].computed.text.n == 0;
    if (ast->format != RDL_FORMAT_TEXT)
        return true;
    if (!is_kafka(ast)) {
        rdl_bind_error(b, ast->url_pos, "Files are JSON, CSV or PARQUET.",
                       "FORMAT TEXT and RAW are for messages of a kafka: source");
        return false;
    }
    if (fields == 1)
        return true;
    rdl_bind_error(b, t->pos, "Declare one column without FROM, as in: value TEXT.",
                   "FORMAT TEXT puts the payload into one column, and there are %zu", fields);
    return false;
}

static bool bind_columns(rdl_binder *b, const rdl_ast_source *ast, rdl_table *t)
{
    bool ok = true;
    size_t n = ast->column_count;
    rdl_source_def *def = t->source;
    def->columns = RDL_NEWN(b->arena, rdl_source_column, n);
    def->column_count = n;
    t->columns = (rdl_schema){RDL_NEWN(b->arena, rdl_column, n), n};
    t->column_comments = RDL_NEWN(b->arena, rdl_str, n);
    for (size_t i = 0; i < n; i++) {
        const rdl_ast_column *c = &ast->columns[i];
        rdl_source_column *out = &def->columns[i];
        ok = check_name(b, ast, i) && ok;
        ok = rdl_bind_type(b, &c->type, &out->column.type) && ok;
        out->column.name = c->name.text;
        out->field = c->field.n > 0 ? c->field : c->name.text;
        out->from = c->from;
        ok = check_from(b, ast, c, out->column.type) && ok;
        t->columns.v[i] = out->column;
        t->column_comments[i] = c->comment;
    }
    return ok;
}

/* Computed columns see the decoded ones, not each other. */
static bool bind_computed(rdl_binder *b, const rdl_ast_source *ast, rdl_table *t)
{
    rdl_table decoded = *t;
    size_t n = 0;
    bool ok = true;
    decoded.columns.v = RDL_NEWN(b->arena, rdl_column, t->columns.n + 1);
    for (size_t i = 0; i < ast->column_count; i++)
        if (ast->columns[i].computed.text.n == 0)
            decoded.columns.v[n++] = t->columns.v[i];
    if (n == t->columns.n)
        return true;
    decoded.columns.n = n;
    if (n == 0) {
        rdl_bind_error(b, t->pos, NULL, "source \"%.*s\" has only computed columns", (int)t->name.n,
                       t->name.p);
        return false;
    }
    if (!rdl_bind_scratch(b, &decoded))
        return false;
    for (size_t i = 0; i < ast->column_count; i++) {
        const rdl_sql *sql = &ast->columns[i].computed;
        rdl_str text;
        if (sql->text.n == 0)
            continue;
        if (!rdl_bind_expr(b, &decoded, sql, NULL, &text)) {
            ok = false;
            continue;
        }
        rdl_buf cast = {0};
        rdl_buf_printf(&cast, "CAST(%.*s AS ", (int)text.n, text.p);
        rdl_type_print(t->columns.v[i].type, &cast);
        rdl_buf_putc(&cast, ')');
        t->source->columns[i].computed =
            (rdl_str){rdl_arena_strndup(b->arena, cast.p, cast.n), cast.n};
        rdl_buf_fini(&cast);
    }
    return ok;
}

static bool bind_watermark(rdl_binder *b, const rdl_ast_source *ast, rdl_table *t)
{
    rdl_source_def *def = t->source;
    def->watermark_column = -1;
    if (ast->watermark.text.n == 0)
        return true;
    def->watermark_delay_us = ast->watermark_delay_us;
    def->watermark_column = rdl_schema_find(&t->columns, ast->watermark.text);
    if (def->watermark_column < 0) {
        rdl_bind_unknown_column(b, ast->watermark.pos, ast->watermark.text, t);
        return false;
    }
    rdl_type_kind kind = t->columns.v[def->watermark_column].type->kind;
    if (kind == RDL_TYPE_TIMESTAMPTZ || kind == RDL_TYPE_DATE)
        return true;
    rdl_bind_error(b, ast->watermark.pos,
                   "Declare it TIMESTAMPTZ, or compute one: ts TIMESTAMPTZ AS (..).",
                   "a watermark needs a time, and \"%.*s\" is not one", (int)ast->watermark.text.n,
                   ast->watermark.text.p);
    return false;
}

static void refuse_option(rdl_binder *b, const rdl_option *o)
{
    const char **names = RDL_NEWN(b->arena, const char *, rdl_source_option_count);
    rdl_buf all = {0};
    for (size_t i = 0; i < rdl_source_option_count; i++) {
        names[i] = rdl_source_options[i].name;
        rdl_buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *nearest = rdl_nearest(o->name, names, rdl_source_option_count);
    rdl_bind_error(b, o->pos,
                   nearest != NULL
                       ? rdl_arena_printf(b->arena, "Did you mean \"%s\"?", nearest)
                       : rdl_arena_printf(b->arena, "Options of a source: %s.", rdl_buf_str(&all)),
                   "unrecognized option \"%.*s\"", (int)o->name.n, o->name.p);
    rdl_buf_fini(&all);
}

/* A misspelt option would be read as its default, in silence. */
static bool check_options(rdl_binder *b, const rdl_ast_source *ast)
{
    bool ok = true;
    for (size_t i = 0; i < ast->option_count; i++) {
        const rdl_option *o = &ast->options[i];
        /* librdkafka's own properties are judged by librdkafka. */
        bool found = is_kafka(ast) && memchr(o->name.p, '.', o->name.n) != NULL;
        for (size_t j = 0; j < rdl_source_option_count; j++)
            found |= rdl_str_eq_nocase(o->name, rdl_str_of(rdl_source_options[j].name));
        if (!found)
            refuse_option(b, o);
        ok &= found;
    }
    return ok;
}

/* Files are taken away when their rows are safe: a snapshot's file is its state. */
static bool check_after_commit(rdl_binder *b, const rdl_ast_source *ast)
{
    for (size_t i = 0; i < ast->option_count; i++) {
        const rdl_option *o = &ast->options[i];
        if (!rdl_str_eq_nocase(o->name, RDL_STR("after_commit")))
            continue;
        bool moves = rdl_str_starts(o->value, "move:") && o->value.n > 5;
        if (!moves && !rdl_str_eq_nocase(o->value, RDL_STR("delete"))) {
            rdl_bind_error(b, o->pos, "Write 'delete', or 'move:' and a folder.",
                           "after_commit is '%.*s'", (int)o->value.n, o->value.p);
            return false;
        }
        if (ast->snapshot) {
            rdl_bind_error(b, o->pos, NULL, "the files of a snapshot are its content and stay");
            return false;
        }
    }
    return true;
}

/* One file is the whole state: of rows that are only added, each file holds some. */
static bool check_newest(rdl_binder *b, const rdl_ast_source *ast)
{
    for (size_t i = 0; i < ast->option_count; i++) {
        const rdl_option *o = &ast->options[i];
        if (!rdl_str_eq_nocase(o->name, RDL_STR("newest")))
            continue;
        if (!rdl_str_eq_nocase(o->value, RDL_STR("true")) &&
            !rdl_str_eq_nocase(o->value, RDL_STR("false"))) {
            rdl_bind_error(b, o->pos, "Write 'true' or 'false'.", "newest is '%.*s'",
                           (int)o->value.n, o->value.p);
            return false;
        }
        if (!ast->snapshot) {
            rdl_bind_error(b, o->pos, "Say SNAPSHOT, if each file is the whole state.",
                           "newest is for snapshots");
            return false;
        }
    }
    return true;
}

bool rdl_bind_source_def(rdl_binder *b, const rdl_ast_source *ast, rdl_table *t)
{
    t->source = RDL_NEW(b->arena, rdl_source_def);
    *t->source = (rdl_source_def){
        .url = ast->url,
        /* One text serves files and databases; a database's rows come as JSON. */
        .format = is_postgres(ast) ? RDL_FORMAT_JSON : ast->format,
        .options = ast->options,
        .option_count = ast->option_count,
        .on_malformed = ast->on_malformed,
        .on_repeat = ast->on_repeat,
        .loss_continues = ast->loss_continues,
    };
    bool ok = check_url(b, ast);
    ok = check_options(b, ast) && check_after_commit(b, ast) && check_newest(b, ast) && ok;
    ok = (is_postgres(ast) || check_format(b, ast, t)) && ok;
    ok = bind_columns(b, ast, t) && ok;
    ok = ok && bind_snapshot(b, ast, t) && bind_computed(b, ast, t);
    return bind_watermark(b, ast, t) && ok;
}

bool rdl_bind_source(rdl_binder *b, rdl_symbol *s)
{
    const rdl_ast_source *ast = &s->stmt->u.source;
    rdl_table *t = rdl_bind_new_table(b, s, ast->snapshot ? RDL_TABLE_SNAPSHOT : RDL_TABLE_SOURCE);
    return rdl_bind_source_def(b, ast, t) && rdl_bind_scratch(b, t) && rdl_bind_finish(b, t);
}
