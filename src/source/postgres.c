/*
 * source/postgres.c - a table or query of PostgreSQL as a SNAPSHOT source.
 *
 *   postgres://user@host/database?table=schema.name
 *   postgres://user@host/database/schema.name
 *   postgres://user@host/database  OPTIONS (table = '…') or OPTIONS (query = 'SELECT …')
 *   postgres:service=name          with OPTIONS
 *
 * Each look reads the declared columns of all rows by one statement, so that they are of one
 * moment, on a session that may only read and that ends with the look.  Rows come as JSON, one a
 * line, which the decoder reads as it reads a file's: the server prints times in UTC, numbers with
 * all their digits, arrays and json as they are.
 *
 * A version is known by the sum of its rows' hashes and their number: the server promises no
 * order.  Its rows stay in memory from version to settle.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "pg/connection.h"
#include "source/source.h"

typedef struct wanted {
    const char *name, *field;
    rdl_type_kind kind;
    const rdl_type *type;
} wanted;

typedef struct postgres_source {
    rdl_source head; /* first */
    rdl_arena arena;
    const char *name;
    const char *url;           /* of the database */
    const char *table, *query; /* one of them */
    const char *shown;         /* _source_file */
    wanted *columns;
    size_t column_count;
    rdl_buf rows; /* of the version at hand; a newline behind each */
    uint64_t row_count;
    uint64_t sum[2]; /* of their hashes */
} postgres_source;

static postgres_source *self(rdl_source *s)
{
    return (postgres_source *)(void *)s;
}

/* ---- the URL ---- */

static rdl_code refuse(const rdl_source_config *c, const char *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot read source \"%s\": %s", c->name, why);
    rdl_err_hint(err, "Write FROM 'postgres://host/database' and OPTIONS (table = 'name') or "
                      "OPTIONS (query = 'SELECT ..').");
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

/* Takes name=value out of the parameters; NULL when it is not there. */
static const char *take_parameter(rdl_arena *a, char *url, const char *name)
{
    size_t n = strlen(name);
    char *at = strchr(url, '?');
    while (at != NULL) {
        if (strncmp(at + 1, name, n) == 0 && at[1 + n] == '=') {
            char *end = strchr(at + 1, '&');
            size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
            const char *value = rdl_arena_strndup(a, at + n + 2, length - n - 2);
            if (end != NULL) /* the next one takes its place, behind the same ? or & */
                memmove(at + 1, end + 1, strlen(end));
            else
                *at = '\0';
            return value;
        }
        at = strchr(at + 1, '&');
    }
    return NULL;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static const char *percent_decoded(rdl_arena *a, const char *text)
{
    char *out = rdl_arena_strdup(a, text), *to = out;
    for (const char *p = out; *p != '\0'; p++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;
        *to++ = (char)(low >= 0 ? high * 16 + low : *p);
        p += low >= 0 ? 2 : 0;
    }
    *to = '\0';
    return out;
}

/* host/database/table: the table, taken out. */
static const char *take_path(rdl_arena *a, char *url)
{
    char *slashes = strstr(url, "://");
    char *database = slashes != NULL ? strchr(slashes + 3, '/') : NULL;
    if (database == NULL)
        return NULL;
    char *end = database + strcspn(database, "?");
    char *second = memchr(database + 1, '/', (size_t)(end - database) - (end > database ? 1 : 0));
    if (second == NULL)
        return NULL;
    const char *table = rdl_arena_strndup(a, second + 1, (size_t)(end - second) - 1);
    memmove(second, end, strlen(end) + 1);
    return table[0] != '\0' ? table : NULL;
}

static const char *option(rdl_arena *a, const rdl_source_config *c, const char *name)
{
    rdl_str s = rdl_source_option_text(c, name, "");
    while (s.n > 0 && (s.p[s.n - 1] == ';' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\n'))
        s.n--;
    return s.n > 0 ? rdl_arena_strndup(a, s.p, s.n) : NULL;
}

static rdl_code read_where(postgres_source *p, const rdl_source_config *c, rdl_err *err)
{
    rdl_arena *a = &p->arena;
    char *url = rdl_arena_strdup(a, c->url);
    const char *given = take_parameter(a, url, "table"), *path = take_path(a, url);
    const char *option_table = option(a, c, "table");
    p->query = option(a, c, "query");
    p->table = option_table != NULL ? option_table
               : given != NULL      ? percent_decoded(a, given)
                                    : percent_decoded(a, path != NULL ? path : "");
    p->url = url;
    if ((option_table != NULL) + (given != NULL) + (path != NULL) + (p->query != NULL) > 1)
        return refuse(c, "its table or query is given more than once", err);
    if (p->query == NULL && p->table[0] == '\0')
        return refuse(c, "its URL names a database, and no table or query of it", err);
    p->shown = p->query != NULL ? rdl_arena_printf(a, "query of %s", c->name) : p->table;
    return RDL_OK;
}

/* ---- open ---- */

static void postgres_close(rdl_source *s)
{
    if (s == NULL)
        return;
    postgres_source *p = self(s);
    rdl_buf_fini(&p->rows);
    rdl_arena_fini(&p->arena);
    free(p); /* allow: see postgres_open */
}

static rdl_code postgres_open(const rdl_source_config *config, rdl_source **out, rdl_err *err)
{
    postgres_source *p = calloc(1, sizeof *p); /* allow: until close */
    if (p == NULL)
        return rdl_err_nomem(err);
    p->head.ops = &rdl_source_postgres;
    rdl_arena_init(&p->arena, 0);
    p->name = rdl_arena_strdup(&p->arena, config->name);
    p->column_count = config->spec->column_count;
    p->columns = RDL_NEWN(&p->arena, wanted, p->column_count + 1);
    for (size_t i = 0; i < p->column_count; i++) {
        const rdl_decode_column *c = &config->spec->columns[i];
        p->columns[i] =
            (wanted){rdl_arena_strndup(&p->arena, c->name.p, c->name.n),
                     rdl_arena_strndup(&p->arena, c->field.p, c->field.n), c->type->kind, c->type};
    }
    rdl_code rc = read_where(p, config, err);
    if (rc != RDL_OK) {
        postgres_close(&p->head);
        return rc;
    }
    *out = &p->head;
    return RDL_OK;
}

/* ---- what is there ---- */

/* The table's own spelling, by a query that gives one of its names; not there: nothing is put. */
static rdl_code ask_name(const postgres_source *p, rdl_pg *pg, const char *sql, rdl_buf *out,
                         rdl_err *err)
{
    PGresult *r = NULL;
    const char *values[] = {p->table};
    rdl_code rc = rdl_pg_ask(pg, sql, values, 1, &r, "find a table", err);
    if (rc == RDL_EREMOTE && strcmp(err->sqlstate, "42602") == 0) { /* no name as it stands */
        *err = (rdl_err){0};
        return RDL_OK;
    }
    RDL_TRY(rc);
    if (!PQgetisnull(r, 0, 0))
        rdl_buf_puts(out, PQgetvalue(r, 0, 0));
    PQclear(r);
    return RDL_OK;
}

/* FROM what: the table as written, else with its parts quoted; or the query. */
static rdl_code find_relation(const postgres_source *p, rdl_pg *pg, rdl_buf *out, rdl_err *err)
{
    if (p->query != NULL) {
        rdl_buf_printf(out, "(%s)", p->query);
        return RDL_OK;
    }
    RDL_TRY(ask_name(p, pg, "SELECT to_regclass($1)::text", out, err));
    if (out->n == 0)
        RDL_TRY(
            ask_name(p, pg,
                     "SELECT to_regclass(string_agg(quote_ident(x), '.' ORDER BY n))::text FROM "
                     "regexp_split_to_table($1, '\\.') WITH ORDINALITY t (x, n)",
                     out, err));
    if (out->n > 0)
        return RDL_OK;
    rdl_err_set(err, RDL_ESCHEMA, 0, "could not find table \"%s\" in PostgreSQL %s", p->table,
                pg->where);
    return rdl_err_hint(err, "Names may be schema.table; the role needs USAGE of the schema.");
}

typedef struct found {
    unsigned oid;
    char category;    /* pg_type.typcategory */
    const char *type; /* as people write it */
    const char *name;
} found;

static rdl_code describe_types(rdl_arena *a, rdl_pg *pg, found *columns, int n, rdl_err *err)
{
    PGresult *r = NULL;
    rdl_buf oids = {0};
    for (int i = 0; i < n; i++)
        rdl_buf_printf(&oids, "%s%u", i != 0 ? "," : "{", columns[i].oid);
    rdl_buf_puts(&oids, n != 0 ? "}" : "{}");
    const char *values[] = {rdl_buf_str(&oids)};
    rdl_code rc = rdl_pg_ask(pg,
                             "SELECT coalesce(t.typcategory, 'X'), format_type(o.x, NULL) FROM "
                             "unnest($1::oid[]) WITH ORDINALITY o (x, n) LEFT JOIN pg_type t ON "
                             "t.oid = o.x ORDER BY o.n",
                             values, 1, &r, "read the types", err);
    rdl_buf_fini(&oids);
    RDL_TRY(rc);
    for (int i = 0; i < n && i < PQntuples(r); i++) {
        columns[i].category = PQgetvalue(r, i, 0)[0];
        columns[i].type = rdl_arena_strdup(a, PQgetvalue(r, i, 1));
    }
    PQclear(r);
    return RDL_OK;
}

/* The columns of the relation, without running it. */
static rdl_code describe(const postgres_source *p, rdl_arena *a, rdl_pg *pg, const char *from,
                         found **out, int *out_n, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT * FROM %s r", from);
    PGresult *r = PQprepare(pg->conn, "look", rdl_buf_str(&sql), 0, NULL);
    rdl_buf_fini(&sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        return rdl_pg_fail(pg, r, err, "read source \"%s\"", p->name);
    PQclear(r);
    r = PQdescribePrepared(pg->conn, "look");
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        return rdl_pg_fail(pg, r, err, "read source \"%s\"", p->name);
    *out_n = PQnfields(r);
    *out = RDL_NEWN(a, found, (size_t)*out_n + 1);
    for (int i = 0; i < *out_n; i++)
        (*out)[i] = (found){.oid = PQftype(r, i), .name = rdl_arena_strdup(a, PQfname(r, i))};
    PQclear(r);
    return describe_types(a, pg, *out, *out_n, err);
}

/* Does a type of the server's give values of ours?  By category, as pg_type has them: Boolean,
 * Numeric, Date/time, String, Array, User-defined (json, uuid, bytea), Composite, Enum. */
static bool type_fits(rdl_type_kind kind, const found *f)
{
    bool json = f->oid == 114 || f->oid == 3802;
    switch (kind) {
    case RDL_TYPE_BOOLEAN:
        return strchr("BS", f->category) != NULL;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DOUBLE:
    case RDL_TYPE_DECIMAL:
        return strchr("NS", f->category) != NULL;
    case RDL_TYPE_DATE:
    case RDL_TYPE_TIMESTAMPTZ:
        return strchr("DS", f->category) != NULL;
    case RDL_TYPE_BLOB:
        return f->oid == 17;
    case RDL_TYPE_LIST:
        return f->category == 'A' || json;
    case RDL_TYPE_MAP:
    case RDL_TYPE_STRUCT:
        return f->category == 'C' || json || strcmp(f->type, "hstore") == 0;
    default:
        return true;
    }
}

static const found *find_column(const found *columns, int n, const char *field)
{
    const found *folded = NULL;
    for (int i = 0; i < n; i++) {
        if (strcmp(columns[i].name, field) == 0)
            return &columns[i];
        if (rdl_str_eq_nocase(rdl_str_of(columns[i].name), rdl_str_of(field)))
            folded = &columns[i];
    }
    return folded;
}

static rdl_code refuse_columns(const postgres_source *p, const rdl_pg *pg, const rdl_buf *wrong,
                               const found *columns, int n, rdl_err *err)
{
    rdl_buf there = {0};
    for (int i = 0; i < n; i++)
        rdl_buf_printf(&there, "%s%s %s", i != 0 ? ", " : "", columns[i].name, columns[i].type);
    rdl_err_set(err, RDL_ESCHEMA, 0, "cannot read \"%s\" of PostgreSQL %s: %s", p->shown, pg->where,
                rdl_buf_str(wrong));
    rdl_err_hint(err, "It has %s.", rdl_buf_str(&there));
    rdl_buf_fini(&there);
    return RDL_ESCHEMA;
}

/* A column of the row that the decoder gets. */
static void put_column(const wanted *w, const found *f, rdl_buf *out)
{
    rdl_buf name = {0};
    rdl_buf_put_sql_ident(&name, rdl_str_of(f->name));
    if (w->kind == RDL_TYPE_BLOB) /* the decoder takes \xHH for a byte */
        rdl_buf_printf(out, "regexp_replace(encode(%s, 'hex'), '(..)', '\\x\\1', 'g')",
                       rdl_buf_str(&name));
    else if (w->kind == RDL_TYPE_TEXT)
        rdl_buf_printf(out, "%s::text", rdl_buf_str(&name));
    else
        rdl_buf_puts(out, rdl_buf_str(&name));
    rdl_buf_fini(&name);
    rdl_buf_puts(out, " AS ");
    rdl_buf_put_sql_ident(out, rdl_str_of(w->field));
}

static rdl_code put_select(const postgres_source *p, rdl_arena *a, rdl_pg *pg, const char *from,
                           rdl_buf *out, rdl_err *err)
{
    found *columns = NULL;
    int n = 0;
    rdl_buf wrong = {0};
    RDL_TRY(describe(p, a, pg, from, &columns, &n, err));
    rdl_buf_puts(out, "COPY (SELECT row_to_json(r)::text FROM (SELECT ");
    for (size_t i = 0; i < p->column_count; i++) {
        const wanted *w = &p->columns[i];
        const found *f = find_column(columns, n, w->field);
        const char *sep = wrong.n != 0 ? "; " : "";
        if (f == NULL) {
            rdl_buf_printf(&wrong, "%scolumn \"%s\" is missing", sep, w->field);
        } else if (!type_fits(w->kind, f)) {
            rdl_buf_printf(&wrong, "%scolumn \"%s\" is of type %s, and declared as ", sep, f->name,
                           f->type);
            rdl_type_print(w->type, &wrong);
        } else {
            rdl_buf_puts(out, i != 0 ? ", " : "");
            put_column(w, f, out);
        }
    }
    rdl_buf_printf(out, " FROM %s s) r) TO STDOUT (FORMAT binary)", from);
    rdl_code rc = wrong.n > 0 ? refuse_columns(p, pg, &wrong, columns, n, err) : RDL_OK;
    rdl_buf_fini(&wrong);
    return rc;
}

/* ---- rows ---- */

typedef struct reading {
    postgres_source *p;
    bool begun; /* the header was read */
} reading;

/* One tuple: int16 1, int32 length, the JSON.  The first has the header of 19 bytes before it. */
static rdl_code take(void *arg, const char *piece, size_t n, rdl_err *err)
{
    reading *r = arg;
    postgres_source *p = r->p;
    const unsigned char *at = (const unsigned char *)piece, *end = at + n;
    if (!r->begun) {
        at += n < 19 ? n : 19;
        r->begun = true;
    }
    if (end - at < 2 || (at[0] == 0xff && at[1] == 0xff))
        return RDL_OK;
    if (end - at < 6)
        return rdl_err_set(err, RDL_EDATA, 0, "could not read source \"%s\": a row is cut off",
                           p->name);
    size_t length = (size_t)(end - at) - 6, from = p->rows.n;
    rdl_buf_put(&p->rows, at + 6, length);
    for (char *c = p->rows.p + from; c < p->rows.p + p->rows.n; c++)
        *c = *c == '\n' || *c == '\r' ? ' '
                                      : *c; /* between values: a column of json keeps its own */
    rdl_hash128 hash = rdl_hash128_of(p->rows.p + from, length);
    uint64_t half[2];
    memcpy(half, &hash, sizeof half);
    p->sum[0] += half[0];
    p->sum[1] += half[1];
    p->row_count++;
    rdl_buf_putc(&p->rows, '\n');
    return RDL_OK;
}

static void forget_rows(postgres_source *p)
{
    rdl_buf_fini(&p->rows);
    p->rows = (rdl_buf){0};
    p->row_count = p->sum[0] = p->sum[1] = 0;
}

static rdl_code read_all(postgres_source *p, rdl_arena *a, rdl_pg *pg, rdl_err *err)
{
    rdl_buf from = {0}, sql = {0};
    reading r = {.p = p};
    forget_rows(p);
    rdl_code rc = find_relation(p, pg, &from, err);
    if (rc == RDL_OK)
        rc = put_select(p, a, pg, rdl_buf_str(&from), &sql, err);
    if (rc == RDL_OK)
        rc = rdl_pg_copy_out(pg, rdl_buf_str(&sql), take, &r,
                             rdl_arena_printf(a, "read source \"%s\"", p->name), err);
    rdl_buf_fini(&from);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code postgres_version(rdl_source *s, rdl_arena *a, rdl_version *out, rdl_err *err)
{
    postgres_source *p = self(s);
    const rdl_pg_config config = {
        .url = p->url,
        .application = rdl_arena_printf(a, "raudal source %s", p->name),
        .read_only = true,
    };
    rdl_pg *pg = NULL;
    RDL_TRY(rdl_pg_open(&config, &pg, err));
    rdl_code rc = read_all(p, a, pg, err);
    rdl_pg_close(pg);
    if (rc != RDL_OK) {
        forget_rows(p);
        return rc;
    }
    const uint64_t content[] = {p->row_count, p->sum[0], p->sum[1]};
    const char **names = RDL_NEWN(a, const char *, 1);
    names[0] = p->shown;
    *out = (rdl_version){.hash = rdl_hash128_of((const char *)content, sizeof content),
                         .n = 1,
                         .names = names,
                         .bytes = p->rows.n};
    return RDL_OK;
}

static rdl_code postgres_inputs(rdl_source *s, rdl_arena *a, const rdl_version *v,
                                rdl_source_inputs *out, rdl_err *err)
{
    postgres_source *p = self(s);
    (void)v;
    (void)err;
    RDL_PUSH(a, &out->range) = 0;
    RDL_PUSH(a, &out->list) = (rdl_decode_input){
        .bytes = {rdl_buf_str(&p->rows), p->rows.n}, .shown = p->shown, .end = p->rows.n};
    return RDL_OK;
}

static void postgres_settle(rdl_source *s)
{
    forget_rows(self(s));
}

const rdl_source_ops rdl_source_postgres = {
    .kind = "postgres",
    .open = postgres_open,
    .version = postgres_version,
    .version_inputs = postgres_inputs,
    .settle = postgres_settle,
    .close = postgres_close,
};
