/*
 * sink/cassandra_query.c - a user's CQL with named parameters.
 *
 * One SELECT, prepared on a session of its own that uses the store's keyspace.  A parameter is
 * written :name, or $name, which may be any word ($from); its text becomes a value of the type
 * that the server says it has: 'a,b,c' the list that IN takes, a bare number of a duration days.
 * Results are printed as SQLite's are: times as 2025-08-15 10:00:00+00:00, collections as JSON.
 */
#include "sink/cassandra_internal.h"

#include <math.h>
#include <stdio.h>

typedef rdl_code (*columns_fn)(void *arg, size_t n, const char *const *names, rdl_err *err);
typedef rdl_code (*row_fn)(void *arg, size_t n, const rdl_str *values, const bool *numeric,
                           rdl_err *err);

typedef struct query {
    rdl_cassandra *s;
    rdl_cql *session;
    rdl_cql_statement *st;
    rdl_arena arena;
    const char *const *names, *const *values;
    size_t parameter_count;
} query;

static rdl_code refuse(rdl_err *err, const char *why)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot run the query: %s", why);
    return rdl_err_hint(err, "A query is one SELECT.");
}

/* ---- the text ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Past a quoted text or a comment; 0: there is none here. */
static size_t skip(const char *p)
{
    if (*p == '\'' || *p == '"') {
        const char *end = strchr(p + 1, *p);
        return end != NULL ? (size_t)(end - p) + 1 : strlen(p);
    }
    if (strncmp(p, "--", 2) == 0 || strncmp(p, "//", 2) == 0)
        return strcspn(p, "\n");
    if (strncmp(p, "/*", 2) == 0) {
        const char *end = strstr(p + 2, "*/");
        return end != NULL ? (size_t)(end - p) + 2 : strlen(p);
    }
    return 0;
}

/* :"name", since a bare one may be a word of CQL. */
static size_t put_parameter_name(const char *p, rdl_buf *out)
{
    size_t n = 0;
    while (is_word(p[n]))
        n++;
    rdl_buf_printf(out, ":\"%.*s\"", (int)n, p);
    return n;
}

/* The statement as the server takes it, without comments and a last ;. */
static rdl_code rewrite(const char *text, rdl_buf *out, rdl_err *err)
{
    bool ended = false;
    for (const char *p = text; *p != '\0';) {
        size_t n = skip(p);
        bool quoted = *p == '\'' || *p == '"';
        bool blank = *p == ' ' || *p == '\t' || *p == '\r' || *p == '\n';
        if (n > 0 && !quoted) {
            p += n;
            continue;
        }
        if (ended && !blank && *p != ';')
            return refuse(err, "it is more than one statement");
        ended |= *p == ';';
        if (n > 0) {
            rdl_buf_put(out, p, n);
            p += n;
        } else {
            if (!ended && *p == '$' && is_word(p[1])) {
                p += put_parameter_name(p + 1, out) + 1;
                continue;
            }
            if (!ended && (out->n > 0 || !blank))
                rdl_buf_putc(out, *p);
            p++;
        }
    }
    if (out->n == 0)
        return refuse(err, "it is empty");
    if (out->n < 7 || !rdl_str_eq_nocase((rdl_str){out->p, 6}, RDL_STR("select")) ||
        is_word(out->p[6]))
        return refuse(err, "it is not one that only reads");
    return RDL_OK;
}

static rdl_code failed(const query *q, rdl_code rc, rdl_err *err)
{
    const rdl_cql_error *e = q->session != NULL ? rdl_cql_last_error(q->session) : NULL;
    if (e != NULL && (e->code == RDL_CQL_E_SYNTAX || e->code == RDL_CQL_E_INVALID)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "could not run the query: %s", e->message);
        return rdl_err_hint(err, "The tables are those of Cassandra %s.", q->s->where);
    }
    return rdl_cassandra_fail(q->s, rc, err, "run the query");
}

static rdl_code query_open(query *q, const char *text, rdl_err *err)
{
    rdl_buf cql = {0};
    rdl_cql_config config = q->s->config;
    config.keyspace = q->s->keyspace;
    rdl_code rc = rewrite(text, &cql, err);
    if (rc == RDL_OK && (rc = rdl_cql_open(&config, &q->session, err)) != RDL_OK)
        rc = rdl_cassandra_fail(q->s, rc, err, "open a connection");
    if (rc == RDL_OK &&
        (rc = rdl_cql_prepare(q->session, rdl_buf_str(&cql), &q->st, err)) != RDL_OK)
        rc = failed(q, rc, err);
    rdl_buf_fini(&cql);
    return rc;
}

/* ---- parameters ---- */

static bool is_digits(rdl_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static void put_scalar(rdl_cql_writer *w, const rdl_cql_type *t, rdl_str text)
{
    if (t->kind == RDL_CQL_TEXT || t->kind == RDL_CQL_ASCII) {
        rdl_cql_put_text(w, text);
    } else if (t->kind == RDL_CQL_DURATION && is_digits(text)) {
        rdl_buf days = {0};
        rdl_buf_printf(&days, "%.*sd", (int)text.n, text.p);
        rdl_cql_put_parsed(w, (rdl_str){rdl_buf_str(&days), days.n});
        rdl_buf_fini(&days);
    } else {
        rdl_cql_put_parsed(w, text);
    }
}

static rdl_str trimmed(const char *p, size_t n)
{
    while (n > 0 && *p == ' ')
        p++, n--;
    while (n > 0 && p[n - 1] == ' ')
        n--;
    return (rdl_str){p, n};
}

static void put_parameter(rdl_cql_writer *w, const rdl_cql_type *t, const char *text)
{
    if (text == NULL) {
        rdl_cql_put_null(w);
        return;
    }
    if (t->kind != RDL_CQL_LIST && t->kind != RDL_CQL_SET) {
        put_scalar(w, t, rdl_str_of(text));
        return;
    }
    rdl_cql_put_begin(w);
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        put_scalar(w, t->args[0], trimmed(text, n));
        text += n + (text[n] == ',' ? 1 : 0);
    }
    rdl_cql_put_end(w);
}

static rdl_code refuse_unused(const query *q, const char *name, rdl_err *err)
{
    rdl_buf known = {0};
    for (uint32_t i = 0; i < rdl_cql_binds(q->st); i++) {
        rdl_str bind = rdl_cql_bind_at(q->st, i)->name;
        rdl_buf_printf(&known, "%s%.*s", i > 0 ? ", " : "", (int)bind.n, bind.p);
    }
    rdl_err_set(err, RDL_EUSAGE, 0, "the query has no parameter \"%s\"", name);
    if (known.n == 0)
        rdl_err_hint(err, "It has none at all.");
    else
        rdl_err_hint(err, "It has %s.", rdl_buf_str(&known));
    rdl_buf_fini(&known);
    return RDL_EUSAGE;
}

static rdl_code bind_all(const query *q, rdl_cql_writer *w, bool *used, rdl_err *err)
{
    for (uint32_t i = 0; i < rdl_cql_binds(q->st); i++) {
        const rdl_cql_column *bind = rdl_cql_bind_at(q->st, i);
        size_t k = 0;
        while (k < q->parameter_count && !rdl_str_eq_nocase(rdl_str_of(q->names[k]), bind->name))
            k++;
        if (k == q->parameter_count) {
            rdl_err_set(err, RDL_EUSAGE, 0, "the query needs a value for \"%.*s\"",
                        (int)bind->name.n, bind->name.p);
            return rdl_err_hint(err, "Add %.*s=VALUE to the command.", (int)bind->name.n,
                                bind->name.p);
        }
        used[k] = true;
        put_parameter(w, bind->type, q->values[k]);
    }
    return RDL_OK;
}

static rdl_code bind(query *q, rdl_cql_request *r, rdl_err *err)
{
    bool *used = RDL_NEWN(&q->arena, bool, q->parameter_count + 1);
    RDL_TRY(bind_all(q, rdl_cql_values(r), used, err));
    for (size_t i = 0; i < q->parameter_count; i++)
        if (!used[i] && q->values[i] != NULL)
            return refuse_unused(q, q->names[i], err);
    return RDL_OK;
}

/* ---- results ---- */

static bool print_time(rdl_cql_value v, rdl_buf *out)
{
    int64_t ms = 0;
    rdl_err ignored;
    if (v.type->kind != RDL_CQL_TIMESTAMP || rdl_cql_get_timestamp(v, &ms, &ignored) != RDL_OK ||
        ms > INT64_MAX / 1000 || ms < INT64_MIN / 1000)
        return false;
    int64_t us = ms * 1000;
    rdl_vector printed = {.type = rdl_type_of(RDL_TYPE_TIMESTAMPTZ), .data = &us};
    rdl_vector_print(&printed, 0, out);
    rdl_buf_puts(out, ":00");
    return true;
}

static bool print_double(rdl_cql_value v, rdl_buf *out, bool *numeric)
{
    double x = 0;
    rdl_err ignored;
    if (v.type->kind != RDL_CQL_DOUBLE || rdl_cql_get_double(v, &x, &ignored) != RDL_OK)
        return false;
    rdl_vector printed = {.type = rdl_type_of(RDL_TYPE_DOUBLE), .data = &x};
    rdl_vector_print(&printed, 0, out);
    *numeric = isfinite(x);
    return true;
}

static bool is_number(rdl_cql_kind kind)
{
    switch (kind) {
    case RDL_CQL_BIGINT:
    case RDL_CQL_COUNTER:
    case RDL_CQL_DECIMAL:
    case RDL_CQL_FLOAT:
    case RDL_CQL_INT:
    case RDL_CQL_SMALLINT:
    case RDL_CQL_TINYINT:
    case RDL_CQL_VARINT:
        return true;
    default:
        return false;
    }
}

/* JSON without blanks between its parts, as the other stores' queries print it. */
static rdl_code print_json(rdl_cql_value v, rdl_buf *out, rdl_err *err)
{
    rdl_buf json = {0};
    bool quoted = false;
    rdl_code rc = rdl_cql_print_json(v, &json, err);
    for (size_t i = 0; rc == RDL_OK && i < json.n; i++) {
        char c = json.p[i];
        if (c == '"')
            quoted = !quoted;
        if (quoted || c != ' ')
            rdl_buf_putc(out, c);
        if (quoted && c == '\\' && i + 1 < json.n)
            rdl_buf_putc(out, json.p[++i]);
    }
    rdl_buf_fini(&json);
    return rc;
}

static rdl_code print_cell(rdl_cql_value v, rdl_buf *out, bool *numeric, rdl_err *err)
{
    *numeric = false;
    if (print_time(v, out) || print_double(v, out, numeric))
        return RDL_OK;
    *numeric = is_number(v.type->kind);
    switch (v.type->kind) {
    case RDL_CQL_LIST:
    case RDL_CQL_SET:
    case RDL_CQL_MAP:
    case RDL_CQL_TUPLE:
    case RDL_CQL_UDT:
    case RDL_CQL_VECTOR:
        return print_json(v, out, err);
    default:
        return rdl_cql_print(v, out, err);
    }
}

typedef struct cells {
    uint32_t n;
    rdl_buf text; /* of all cells */
    size_t *ends;
    bool *numeric, *null;
    rdl_str *values;
} cells;

static rdl_code give_row(const rdl_cql_result *r, cells *c, row_fn row, void *arg, rdl_err *err)
{
    rdl_buf_clear(&c->text);
    for (uint32_t i = 0; i < c->n; i++) {
        rdl_cql_value v = rdl_cql_cell(r, i);
        c->null[i] = rdl_cql_is_null(v);
        c->numeric[i] = false;
        if (!c->null[i])
            RDL_TRY(print_cell(v, &c->text, &c->numeric[i], err));
        c->ends[i] = c->text.n;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        size_t from = i > 0 ? c->ends[i - 1] : 0;
        c->values[i] =
            (rdl_str){c->null[i] ? NULL : rdl_buf_str(&c->text) + from, c->ends[i] - from};
    }
    return row(arg, c->n, c->values, c->numeric, err);
}

static rdl_code give_rows(query *q, rdl_cql_result *r, columns_fn columns, row_fn row, void *arg,
                          rdl_err *err)
{
    uint32_t n = rdl_cql_columns(r);
    cells c = {.n = n,
               .ends = RDL_NEWN(&q->arena, size_t, n + 1),
               .numeric = RDL_NEWN(&q->arena, bool, n + 1),
               .null = RDL_NEWN(&q->arena, bool, n + 1),
               .values = RDL_NEWN(&q->arena, rdl_str, n + 1)};
    const char **names = RDL_NEWN(&q->arena, const char *, n + 1);
    bool more = true;
    for (uint32_t i = 0; i < n; i++) {
        rdl_str name = rdl_cql_column_at(r, i)->name;
        names[i] = rdl_arena_strndup(&q->arena, name.p, name.n);
    }
    rdl_code rc = columns(arg, n, names, err);
    while (rc == RDL_OK) {
        rc = rdl_cql_fetch(r, &more, err);
        if (rc != RDL_OK)
            rc = failed(q, rc, err);
        if (rc != RDL_OK || !more)
            break;
        rc = give_row(r, &c, row, arg, err);
    }
    rdl_buf_fini(&c.text);
    return rc;
}

static rdl_code run(query *q, columns_fn columns, row_fn row, void *arg, rdl_err *err)
{
    rdl_cql_request *request = NULL;
    rdl_cql_result *r = NULL;
    const rdl_cql_options options = {.idempotent = true};
    rdl_code rc = rdl_cql_begin(q->session, q->st, &options, &request, err);
    if (rc != RDL_OK)
        return failed(q, rc, err);
    rc = bind(q, request, err);
    if (rc != RDL_OK) {
        rdl_cql_abandon(request);
        return rc;
    }
    rc = rdl_cql_execute(request, &r, err);
    if (rc == RDL_ESCHEMA || rc == RDL_EDATA || rc == RDL_ELIMIT)
        return rdl_err_area(rc, err, RDL_AREA_TEXT); /* a parameter that is no value of its type */
    rc = rc != RDL_OK ? failed(q, rc, err) : give_rows(q, r, columns, row, arg, err);
    rdl_cql_result_free(r);
    return rc;
}

rdl_code rdl_cassandra_query(rdl_sink *sink, const char *text, const char *const *names,
                             const char *const *values, size_t parameter_count, columns_fn columns,
                             row_fn row, void *arg, rdl_err *err)
{
    query q = {.s = rdl_cassandra_of(sink),
               .names = names,
               .values = values,
               .parameter_count = parameter_count};
    rdl_arena_init(&q.arena, 0);
    rdl_code rc = query_open(&q, text, err);
    if (rc == RDL_OK)
        rc = run(&q, columns, row, arg, err);
    rdl_cql_close(q.session);
    rdl_arena_fini(&q.arena);
    return rdl_err_in(rc, err, "sink cassandra");
}
