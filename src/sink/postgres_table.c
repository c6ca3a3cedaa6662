/*
 * sink/postgres_table.c - a table of the store: its name, whether it fits, and how it is made.
 *
 * NAMES  "t" is looked for in current_schema(), "s.t" in s: as it is written, then folded to lower
 * case, as PostgreSQL folds what is not quoted.  What we create is folded unless it needs quotes
 * anyway.  Columns are matched likewise.
 *
 * FITS  Every column of ours is there with a type that takes all its values and reads them back
 * (postgres_value.c).  A further column must fill itself (DEFAULT, identity, generated).  The key
 * is any unique index over exactly our key columns: valid, not partial, not deferrable, in any
 * order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sink/postgres_internal.h"

rdl_str rdl_pg_option(const rdl_sink_table *t, const char *name)
{
    for (size_t i = 0; i < t->option_count; i++) {
        if (rdl_str_eq_nocase(t->options[i].name, rdl_str_of(name)))
            return t->options[i].value;
    }
    return (rdl_str){"", 0};
}

/* ---- names ---- */

static bool is_plain(const char *name)
{
    if (!((name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z') ||
          name[0] == '_'))
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              *p == '_'))
            return false;
    }
    return true;
}

static char *folded(rdl_arena *a, const char *name)
{
    char *out = rdl_arena_strdup(a, name);
    if (!is_plain(name))
        return out;
    for (char *p = out; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    }
    return out;
}

static const char *quoted(rdl_arena *a, const char *name)
{
    rdl_buf b = {0};
    rdl_buf_put_sql_ident(&b, rdl_str_of(name));
    const char *out = rdl_arena_strdup(a, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return out;
}

static void set_name(rdl_postgres *s, rdl_pg_table *at, const char *schema, const char *name)
{
    at->full = rdl_arena_printf(&s->arena, "%s.%s", schema, name);
    at->quoted =
        rdl_arena_printf(&s->arena, "%s.%s", quoted(&s->arena, schema), quoted(&s->arena, name));
}

static rdl_code refuse_kind(rdl_postgres *s, const rdl_sink_table *t, const char *why, rdl_err *err)
{
    rdl_err_set(err, RDL_ESCHEMA, 0, "cannot publish to table \"%s\" of %s: %s", t->name,
                s->pg->where, why);
    rdl_err_hint(err, "Publish under another name: PUBLISH ... TO '...' AS name.");
    return rdl_err_area(RDL_ESCHEMA, err, RDL_AREA_SINK);
}

static rdl_code check_kind(rdl_postgres *s, const rdl_sink_table *t, const PGresult *r,
                           rdl_err *err)
{
    char kind = PQgetvalue(r, 0, 2)[0];
    if (kind == 'r' || kind == 'p')
        return RDL_OK;
    return refuse_kind(s, t,
                       kind == 'v'   ? "there is a view of that name"
                       : kind == 'm' ? "there is a materialized view of that name"
                       : kind == 'f' ? "there is a foreign table of that name"
                                     : "there is something else of that name",
                       err);
}

rdl_code rdl_pg_table_find(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table **out,
                           rdl_err *err)
{
    const char *dot = strchr(t->name, '.');
    const char *schema =
        dot != NULL ? rdl_arena_strndup(&s->arena, t->name, (size_t)(dot - t->name)) : s->schema;
    const char *name = dot != NULL ? dot + 1 : t->name;
    const char *values[] = {schema, folded(&s->arena, schema), name, folded(&s->arena, name)};
    PGresult *r = NULL;
    rdl_pg_table *at = RDL_NEW(&s->arena, rdl_pg_table);
    at->name = t->name;
    if (strncmp(values[3], "_raudal_", 8) == 0)
        return refuse_kind(s, t, "names that begin with _raudal_ are ours", err);
    RDL_TRY(rdl_pg_ask(s->pg,
                       "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n "
                       "ON n.oid = c.relnamespace WHERE n.nspname IN ($1, $2) AND c.relname IN "
                       "($3, $4) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c') "
                       "ORDER BY n.nspname <> $1, c.relname <> $3 LIMIT 1",
                       values, 4, &r, "read the catalog", err));
    rdl_code rc = RDL_OK;
    at->exists = PQntuples(r) == 1;
    if (at->exists) {
        rc = check_kind(s, t, r, err);
        set_name(s, at, PQgetvalue(r, 0, 0), PQgetvalue(r, 0, 1));
    } else {
        set_name(s, at, values[1], values[3]);
    }
    PQclear(r);
    *out = at;
    return rc;
}

/* ---- does what is there fit ---- */

typedef struct fit {
    rdl_postgres *s;
    const rdl_sink_table *table;
    rdl_pg_table *at;
    rdl_buf wrong; /* what does not fit, separated by "; " */
    int *number;   /* attnum by our column; 0: missing */
} fit;

static int number_of(const char *text)
{
    char *end;
    return (int)strtol(text, &end, 10); /* allow: the catalog's own numbers */
}

enum {
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_ELEMENT,
    COLUMN_MOD,
    COLUMN_PRINTED,
    COLUMN_NOT_NULL,
    COLUMN_FILLS, /* has a default, is an identity or generated always */
    COLUMN_GENERATED,
    COLUMN_NUMBER,
};

static const char columns_sql[] =
    "SELECT a.attname, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END, "
    "CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, "
    "CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, "
    "format_type(a.atttypid, a.atttypmod), a.attnotnull, "
    "a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a', a.attnum "
    "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
    "WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/* Our column of that name: exactly, or by folding. */
static int find_column(const fit *f, const char *name)
{
    const rdl_schema *c = &f->table->columns;
    int found = -1;
    for (size_t i = 0; i < c->n; i++) {
        if (rdl_str_eq(c->v[i].name, rdl_str_of(name)))
            return (int)i;
        if (rdl_str_eq_nocase(c->v[i].name, rdl_str_of(name)))
            found = (int)i;
    }
    return found;
}

static void fit_column(fit *f, const PGresult *r, int row)
{
    const char *name = PQgetvalue(r, row, COLUMN_NAME);
    bool fills = PQgetvalue(r, row, COLUMN_FILLS)[0] == 't';
    int at = find_column(f, name);
    if (at < 0) {
        if (!fills)
            rdl_sink_misfit(&f->wrong,
                            "column \"%s\" is there but not in the pipeline, and has no default",
                            name);
        return;
    }
    rdl_pg_column *c = &f->at->columns[at];
    const rdl_type *type = f->table->columns.v[at].type;
    c->quoted = quoted(&f->s->arena, name);
    c->type = rdl_pg_type_of((uint32_t)number_of(PQgetvalue(r, row, COLUMN_TYPE)),
                             (uint32_t)number_of(PQgetvalue(r, row, COLUMN_ELEMENT)),
                             number_of(PQgetvalue(r, row, COLUMN_MOD)));
    f->number[at] = number_of(PQgetvalue(r, row, COLUMN_NUMBER));
    if (!rdl_pg_type_fits(type, &c->type)) {
        rdl_buf wanted = {0};
        rdl_pg_put_type(type, &wanted);
        rdl_sink_misfit(&f->wrong, "column \"%s\" is of type %s, not %s", name,
                        PQgetvalue(r, row, COLUMN_PRINTED), rdl_buf_str(&wanted));
        rdl_buf_fini(&wanted);
    }
    if (PQgetvalue(r, row, COLUMN_GENERATED)[0] == 't')
        rdl_sink_misfit(&f->wrong, "column \"%s\" is generated there", name);
    if (PQgetvalue(r, row, COLUMN_NOT_NULL)[0] == 't' && !rdl_sink_is_key(f->table, (size_t)at))
        rdl_sink_misfit(&f->wrong, "column \"%s\" is NOT NULL there", name);
}

/* Is there a unique index over exactly our columns? */
static rdl_code find_key(const fit *f, bool *out, rdl_err *err)
{
    rdl_buf numbers = {0};
    PGresult *r = NULL;
    for (size_t i = 0; i < f->table->key_count; i++)
        rdl_buf_printf(&numbers, "%s%d", i != 0 ? "," : "{", f->number[f->table->key[i]]);
    rdl_buf_puts(&numbers, "}");
    const char *values[] = {f->at->quoted, rdl_buf_str(&numbers)};
    rdl_code rc = rdl_pg_ask(
        f->s->pg,
        "SELECT 1 FROM pg_index i WHERE i.indrelid = $1::regclass AND i.indisunique AND "
        "i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND "
        "(SELECT array_agg(k ORDER BY k) FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) k) = "
        "(SELECT array_agg(k ORDER BY k) FROM unnest($2::int2[]) k) LIMIT 1",
        values, 2, &r, "read the keys", err);
    rdl_buf_fini(&numbers);
    if (rc != RDL_OK)
        return rc;
    *out = PQntuples(r) == 1;
    PQclear(r);
    return RDL_OK;
}

static rdl_code refuse_fit(const fit *f, bool no_key, rdl_err *err)
{
    const rdl_sink_table *t = f->table;
    rdl_err_set(err, RDL_ESCHEMA, 0, "cannot publish to table \"%s\" of %s: %s", t->name,
                f->s->pg->where, rdl_buf_str(&f->wrong));
    if (no_key)
        rdl_err_hint(err, "`raudal provision` shows rows that share the key, and adds it.");
    else
        rdl_err_hint(err, "Publish under another name (PUBLISH ... AS name), alter the table, or "
                          "drop it: it is made again and filled from the lake.");
    return rdl_err_area(RDL_ESCHEMA, err, RDL_AREA_SINK);
}

static rdl_code fit_key(fit *f, rdl_pg_fit *out, rdl_err *err)
{
    rdl_buf key = {0};
    bool found = false;
    RDL_TRY(find_key(f, &found, err));
    out->key_missing = !found;
    if (found)
        return RDL_OK;
    for (size_t i = 0; i < f->table->key_count; i++) {
        rdl_str name = f->table->columns.v[f->table->key[i]].name;
        rdl_buf_printf(&key, "%s%.*s", i != 0 ? ", " : "", (int)name.n, name.p);
    }
    rdl_sink_misfit(&f->wrong, "it has no primary key or unique index over (%s)",
                    rdl_buf_str(&key));
    rdl_buf_fini(&key);
    return RDL_OK;
}

rdl_code rdl_pg_table_fit(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table *at,
                          rdl_pg_fit *out, rdl_err *err)
{
    PGresult *r = NULL;
    rdl_pg_fit found = {0};
    const char *values[] = {at->quoted};
    fit f = {.s = s, .table = t, .at = at, .number = RDL_NEWN(&s->arena, int, t->columns.n + 1)};
    at->columns = RDL_NEWN(&s->arena, rdl_pg_column, t->columns.n + 1);
    RDL_TRY(rdl_pg_ask(s->pg, columns_sql, values, 1, &r, "read the columns", err));
    for (int row = 0; row < PQntuples(r); row++)
        fit_column(&f, r, row);
    PQclear(r);
    for (size_t i = 0; i < t->columns.n; i++) {
        if (f.number[i] == 0)
            rdl_sink_misfit(&f.wrong, "column \"%.*s\" is missing", (int)t->columns.v[i].name.n,
                            t->columns.v[i].name.p);
    }
    rdl_code rc = RDL_OK;
    bool columns_fit = f.wrong.n == 0;
    if (columns_fit)
        rc = fit_key(&f, &found, err);
    if (rc == RDL_OK && f.wrong.n != 0 && (!columns_fit || out == NULL))
        rc = refuse_fit(&f, found.key_missing, err);
    rdl_buf_fini(&f.wrong);
    if (out != NULL)
        *out = found;
    return rc;
}

/* ---- making ---- */

static void put_name(const rdl_sink_table *t, const rdl_pg_table *at, size_t column, rdl_buf *out)
{
    if (at != NULL && at->columns != NULL) {
        rdl_buf_puts(out, at->columns[column].quoted);
        return;
    }
    rdl_str name = t->columns.v[column].name;
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_buf_puts(out, quoted(&a, folded(&a, rdl_arena_strndup(&a, name.p, name.n))));
    rdl_arena_fini(&a);
}

void rdl_pg_put_key(const rdl_sink_table *t, const rdl_pg_table *at, const char *prefix,
                    rdl_buf *out)
{
    for (size_t i = 0; i < t->key_count; i++) {
        rdl_buf_printf(out, "%s%s", i != 0 ? ", " : "", prefix);
        put_name(t, at, t->key[i], out);
    }
}

void rdl_pg_put_columns(const rdl_sink_table *t, const rdl_pg_table *at, const char *prefix,
                        rdl_buf *out)
{
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_printf(out, "%s%s", i != 0 ? ", " : "", prefix);
        put_name(t, at, i, out);
    }
}

/* Rows that are written again need room on their page: then no index is touched (HOT). */
static const char *fill_factor(const rdl_sink_table *t, char out[16])
{
    rdl_str given = rdl_pg_option(t, "fillfactor");
    if (given.n == 0)
        snprintf(out, 16, "%d", t->append_only ? 100 : 75);
    else
        snprintf(out, 16, "%.*s", (int)given.n, given.p);
    return out;
}

void rdl_pg_put_create(rdl_postgres *s, const rdl_sink_table *t, const rdl_pg_table *at,
                       rdl_buf *out)
{
    char fill[16];
    (void)s;
    rdl_buf_printf(out, "CREATE TABLE %s (", at->quoted);
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_puts(out, i != 0 ? ", " : "");
        put_name(t, NULL, i, out);
        rdl_buf_putc(out, ' ');
        rdl_pg_put_type(t->columns.v[i].type, out);
        rdl_buf_puts(out, rdl_sink_is_key(t, i) ? " NOT NULL" : "");
    }
    rdl_buf_puts(out, ", PRIMARY KEY (");
    rdl_pg_put_key(t, NULL, "", out);
    rdl_buf_printf(out, ")) WITH (fillfactor = %s)", fill_factor(t, fill));
}

void rdl_pg_put_unique(const rdl_sink_table *t, const rdl_pg_table *at, rdl_buf *out)
{
    rdl_buf_printf(out, "CREATE UNIQUE INDEX ON %s (", at->quoted);
    rdl_pg_put_key(t, at, "", out);
    rdl_buf_puts(out, ")");
}

/* ---- indexes: WITH (indexes = 'id; type, "timestamp"') ---- */

/* The columns of one, as SQL; false when one is not the table's. */
static bool index_columns(const rdl_sink_table *t, const rdl_pg_table *at, rdl_str text,
                          rdl_buf *out, rdl_str *bad)
{
    const char *p = text.p, *end = text.p + text.n;
    while (p <= end) {
        const char *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
        const char *to = comma != NULL ? comma : end;
        while (p < to && (*p == ' ' || *p == '"'))
            p++;
        const char *last = to;
        while (last > p && (last[-1] == ' ' || last[-1] == '"'))
            last--;
        *bad = (rdl_str){p, (size_t)(last - p)};
        int column = rdl_schema_find(&t->columns, *bad);
        if (column < 0)
            return false;
        rdl_buf_puts(out, out->n > 0 ? ", " : "");
        put_name(t, at, (size_t)column, out);
        p = to + 1;
    }
    return true;
}

static rdl_code make_index(rdl_postgres *s, const rdl_pg_table *at, const char *columns,
                           rdl_sink_say say, void *arg, rdl_err *err)
{
    PGresult *r = NULL;
    rdl_buf like = {0}, sql = {0};
    rdl_buf_printf(&like, " (%s)", columns);
    const char *values[] = {at->quoted, rdl_buf_str(&like)};
    bool there = false;
    rdl_code rc = RDL_OK;
    if (at->exists) {
        rc = rdl_pg_ask(s->pg,
                        "SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1) AND "
                        "right(replace(pg_get_indexdef(indexrelid), '\"', ''), "
                        "length(replace($2, '\"', ''))) = replace($2, '\"', '')",
                        values, 2, &r, "read the indexes", err);
        there = rc == RDL_OK && PQntuples(r) > 0;
        PQclear(r);
    }
    if (rc == RDL_OK && !there) {
        rdl_buf_printf(&sql, "CREATE INDEX ON %s (%s)", at->quoted, columns);
        if (say != NULL)
            rc = say(arg, rdl_buf_str(&sql), err);
        if (rc == RDL_OK && !s->read_only)
            rc = rdl_pg_run(s->pg, rdl_buf_str(&sql), "create an index", err);
    }
    rdl_buf_fini(&like);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_pg_indexes(rdl_postgres *s, const rdl_sink_table *t, const rdl_pg_table *at,
                        rdl_sink_say say, void *arg, rdl_err *err)
{
    rdl_str list = rdl_pg_option(t, "indexes");
    const char *p = list.p, *end = list.p + list.n;
    rdl_code rc = RDL_OK;
    while (p < end && rc == RDL_OK) {
        const char *semicolon = memchr(p, ';', (size_t)(end - p));
        const char *to = semicolon != NULL ? semicolon : end;
        rdl_buf columns = {0};
        rdl_str bad;
        if (!index_columns(t, at, (rdl_str){p, (size_t)(to - p)}, &columns, &bad)) {
            rdl_err_set(err, RDL_EUSAGE, 0,
                        "option \"indexes\" of table \"%s\" names \"%.*s\", which is not a column",
                        t->name, (int)bad.n, bad.p);
            rdl_err_hint(err, "Write indexes = 'a; b, c': one index over a, one over b and c.");
            rc = rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
        } else {
            rc = make_index(s, at, rdl_buf_str(&columns), say, arg, err);
        }
        rdl_buf_fini(&columns);
        p = to + 1;
    }
    return rc;
}
