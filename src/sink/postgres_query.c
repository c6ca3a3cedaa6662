/*
 * sink/postgres_query.c - a user's query on the store, with named parameters.
 *
 * $name, :name and @name outside of texts, quoted names and comments become $1, $2, ..; the server
 * finds their types from where they stand.  The query runs in a read-only transaction on a
 * session of its own, rows are taken one at a time.
 */
#include <math.h>
#include <stdlib.h>

#include "sink/postgres_internal.h"

typedef struct query {
    rdl_postgres *s;
    rdl_pg *pg;
    rdl_arena arena;
    const char *const *names, *const *values;
    size_t parameter_count;
    rdl_buf sql;
    RDL_VEC(size_t) bound; /* by $n: index of the parameter */
    bool *used;
} query;

static rdl_code refuse(rdl_err *err, const char *why)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot run the query: %s", why);
    return rdl_err_hint(err, "A query is one SELECT (or WITH ... SELECT).");
}

/* ---- parameters ---- */

static bool is_name(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* The end of what is not to be looked into: a text, a quoted name, a comment, $tag$ .. $tag$. */
static const char *skip(const char *p)
{
    const char *end;
    if (*p == '\'' || *p == '"') {
        for (end = p + 1; *end != '\0' && *end != *p; end++)
            ;
        return *end != '\0' ? end + 1 : end;
    }
    if (strncmp(p, "--", 2) == 0)
        return p + strcspn(p, "\n");
    if (strncmp(p, "/*", 2) == 0) {
        end = strstr(p + 2, "*/");
        return end != NULL ? end + 2 : p + strlen(p);
    }
    if (*p == '$') {
        size_t n = 1;
        while (is_name(p[n], n == 1))
            n++;
        if (p[n] != '$')
            return NULL;
        rdl_buf tag = {0};
        rdl_buf_put(&tag, p, n + 1);
        end = strstr(p + n + 1, rdl_buf_str(&tag));
        rdl_buf_fini(&tag);
        return end != NULL ? end + n + 1 : p + strlen(p);
    }
    return NULL;
}

static rdl_code bind(query *q, const char *name, size_t n, rdl_err *err)
{
    size_t i = 0, at = 0;
    while (i < q->parameter_count && !rdl_str_eq(rdl_str_of(q->names[i]), (rdl_str){name, n}))
        i++;
    if (i == q->parameter_count) {
        rdl_err_set(err, RDL_EUSAGE, 0, "the query needs a value for \"%.*s\"", (int)n, name);
        return rdl_err_hint(err, "Add %.*s=VALUE to the command; it got %zu value%s.", (int)n, name,
                            q->parameter_count, q->parameter_count == 1 ? "" : "s");
    }
    q->used[i] = true;
    while (at < q->bound.n && q->bound.v[at] != i)
        at++;
    if (at == q->bound.n)
        RDL_PUSH(&q->arena, &q->bound) = i;
    rdl_buf_printf(&q->sql, "$%zu", at + 1);
    return RDL_OK;
}

static rdl_code refuse_unused(const query *q, const char *name, rdl_err *err)
{
    rdl_buf known = {0};
    for (size_t i = 0; i < q->parameter_count; i++) {
        if (q->used[i])
            rdl_buf_printf(&known, "%s%s", known.n != 0 ? ", " : "", q->names[i]);
    }
    rdl_err_set(err, RDL_EUSAGE, 0, "the query has no parameter \"%s\"", name);
    if (known.n == 0)
        rdl_err_hint(err, "It has none at all.");
    else
        rdl_err_hint(err, "It has %s.", rdl_buf_str(&known));
    rdl_buf_fini(&known);
    return RDL_EUSAGE;
}

static rdl_code number_parameters(query *q, const char *text, rdl_err *err)
{
    q->used = RDL_NEWN(&q->arena, bool, q->parameter_count + 1);
    for (const char *p = text; *p != '\0';) {
        const char *end = skip(p);
        size_t n = 0;
        if (end != NULL) {
            rdl_buf_put(&q->sql, p, (size_t)(end - p));
            p = end;
            continue;
        }
        bool cast = p[0] == ':' && p[1] == ':';
        if (!cast && (*p == '$' || *p == ':' || *p == '@')) {
            while (is_name(p[1 + n], n == 0))
                n++;
        }
        if (n > 0) {
            RDL_TRY(bind(q, p + 1, n, err));
            p += 1 + n;
        } else {
            rdl_buf_put(&q->sql, p, cast ? 2 : 1);
            p += cast ? 2 : 1;
        }
    }
    for (size_t i = 0; i < q->parameter_count; i++) {
        if (!q->used[i] && q->values[i] != NULL)
            return refuse_unused(q, q->names[i], err);
    }
    return RDL_OK;
}

/* ---- results ---- */

typedef rdl_code (*columns_fn)(void *arg, size_t n, const char *const *names, rdl_err *err);
typedef rdl_code (*row_fn)(void *arg, size_t n, const rdl_str *values, const bool *numeric,
                           rdl_err *err);

typedef struct cells {
    size_t n;
    rdl_str *values;
    bool *numeric;
} cells;

static bool is_numeric(unsigned oid)
{
    static const unsigned numbers[] = {20, 21, 23, 26, 700, 701, 1700};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i] == oid)
            return true;
    }
    return false;
}

static bool is_finite(rdl_str s)
{
    return s.n > 0 && s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9';
}

static rdl_code begin_rows(query *q, const PGresult *r, cells *c, columns_fn columns, void *arg,
                           rdl_err *err)
{
    c->n = (size_t)PQnfields(r);
    if (c->n == 0)
        return refuse(err, "it is not one that only reads");
    const char **names = RDL_NEWN(&q->arena, const char *, c->n);
    c->values = RDL_NEWN(&q->arena, rdl_str, c->n);
    c->numeric = RDL_NEWN(&q->arena, bool, c->n);
    for (size_t i = 0; i < c->n; i++)
        names[i] = rdl_arena_strdup(&q->arena, PQfname(r, (int)i));
    return columns(arg, c->n, names, err);
}

static rdl_code give_row(const PGresult *r, int at, cells *c, row_fn row, void *arg, rdl_err *err)
{
    for (size_t i = 0; i < c->n; i++) {
        unsigned oid = PQftype(r, (int)i);
        c->values[i] = (rdl_str){PQgetvalue(r, at, (int)i), (size_t)PQgetlength(r, at, (int)i)};
        if (oid == 16) /* boolean */
            c->values[i] = c->values[i].p[0] == 't' ? RDL_STR("true") : RDL_STR("false");
        c->numeric[i] = is_numeric(oid) && is_finite(c->values[i]);
        if (PQgetisnull(r, at, (int)i))
            c->values[i] = (rdl_str){NULL, 0};
    }
    return row(arg, c->n, c->values, c->numeric, err);
}

/* What the text asks for and cannot have is the user's to mend; the rest is the server's. */
static rdl_code query_failed(query *q, PGresult *r, rdl_err *err)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *at = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
    char *end;
    bool text = state != NULL &&
                (strncmp(state, "42", 2) == 0 || strncmp(state, "22", 2) == 0 ||
                 strcmp(state, "25006") == 0) &&
                strcmp(state, "42501") != 0;
    if (!text)
        return rdl_pg_fail(q->pg, r, err, "run the query");
    rdl_err_set(err, RDL_EUSAGE, 0, "could not run the query: %s",
                PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    if (at != NULL)
        err->col = (uint32_t)strtoul(at, &end, 10);
    rdl_err_hint(err, "The tables are those of PostgreSQL %s.", q->pg->where);
    PQclear(r);
    return RDL_EUSAGE;
}

static rdl_code take_result(query *q, PGresult *r, cells *c, columns_fn columns, row_fn row,
                            void *arg, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    switch (PQresultStatus(r)) {
    case PGRES_EMPTY_QUERY:
        rc = refuse(err, "it is empty");
        break;
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
        if (c->values == NULL)
            rc = begin_rows(q, r, c, columns, arg, err);
        for (int i = 0; i < PQntuples(r) && rc == RDL_OK; i++)
            rc = give_row(r, i, c, row, arg, err);
        break;
    case PGRES_COMMAND_OK:
        rc = refuse(err, "it is not one that only reads");
        break;
    default:
        return query_failed(q, r, err);
    }
    PQclear(r);
    return rc;
}

static rdl_code query_run(query *q, columns_fn columns, row_fn row, void *arg, rdl_err *err)
{
    cells c = {0};
    rdl_code rc = RDL_OK;
    PGresult *r;
    const char **values = RDL_NEWN(&q->arena, const char *, q->bound.n + 1);
    for (size_t i = 0; i < q->bound.n; i++)
        values[i] = q->values[q->bound.v[i]];
    RDL_TRY(rdl_pg_run(q->pg, "BEGIN READ ONLY", "begin a transaction", err));
    if (PQsendQueryParams(q->pg->conn, rdl_buf_str(&q->sql), (int)q->bound.n, NULL, values, NULL,
                          NULL, 0) != 1)
        return rdl_pg_fail(q->pg, NULL, err, "run the query");
    (void)PQsetSingleRowMode(q->pg->conn);
    while ((r = PQgetResult(q->pg->conn)) != NULL) {
        if (rc == RDL_OK)
            rc = take_result(q, r, &c, columns, row, arg, err);
        else
            PQclear(r);
    }
    return rc;
}

rdl_code rdl_pg_query(rdl_sink *sink, const char *text, const char *const *names,
                      const char *const *values, size_t parameter_count, columns_fn columns,
                      row_fn row, void *arg, rdl_err *err)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    query q = {.s = s, .names = names, .values = values, .parameter_count = parameter_count};
    const rdl_pg_config config = {.url = s->url, .application = "raudal query", .read_only = true};
    rdl_arena_init(&q.arena, 0);
    rdl_code rc = number_parameters(&q, text, err);
    if (rc == RDL_OK)
        rc = rdl_err_area(rdl_pg_open(&config, &q.pg, err), err, RDL_AREA_SINK);
    if (rc == RDL_OK)
        rc = query_run(&q, columns, row, arg, err);
    rdl_pg_close(q.pg);
    rdl_buf_fini(&q.sql);
    rdl_arena_fini(&q.arena);
    return rdl_err_in(rc, err, "sink postgres");
}
