/*
 * sink/sqlite_query.c - a user's query on the store, with named parameters.
 *
 * Runs on a read-only connection of its own (K4): one statement that writes nothing.  A
 * value that is written as SQLite writes a number is bound as that number, any other as
 * text; a comparison with a TEXT column turns it back into the same text.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "sink/sqlite_internal.h"

typedef struct query {
    rdl_sqlite *sink;
    sqlite3 *db;
    sqlite3_stmt *st;
    rdl_arena arena;
    const char *const *names, *const *values;
    size_t parameter_count;
} query;

static rdl_code query_open(query *q, rdl_err *err)
{
    rdl_sqlite *s = q->sink;
    if (s->db == NULL) {
        rdl_err_set(err, RDL_EIO, 0, "could not open SQLite database \"%s\": it is not there",
                    s->path);
        rdl_err_hint(err, "`raudal run --once` makes and fills it; `raudal publish` fills it "
                          "from the lake.");
        return rdl_err_area(RDL_EIO, err, RDL_AREA_SINK);
    }
    if (sqlite3_open_v2(s->path, &q->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        if (q->db == NULL)
            return rdl_err_nomem(err);
        return rdl_sqlite_fail(s, q->db, err, "open a connection");
    }
    sqlite3_extended_result_codes(q->db, 1);
    sqlite3_busy_timeout(q->db, s->busy_timeout_ms);
    sqlite3_limit(q->db, SQLITE_LIMIT_ATTACHED, 0);
    return RDL_OK;
}

static rdl_code refuse(rdl_err *err, const char *why)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot run the query: %s", why);
    return rdl_err_hint(err, "A query is one SELECT (or WITH ... SELECT).");
}

static bool only_blank(const char *p)
{
    while (*p != '\0') {
        if (strncmp(p, "--", 2) == 0) {
            p += strcspn(p, "\n");
        } else if (strncmp(p, "/*", 2) == 0) {
            const char *end = strstr(p + 2, "*/");
            if (end == NULL)
                return true;
            p = end + 2;
        } else if (strchr(" \t\r\n;", *p) != NULL) {
            p++;
        } else {
            return false;
        }
    }
    return true;
}

static rdl_code query_prepare(query *q, const char *text, rdl_err *err)
{
    const char *tail = "";
    if (sqlite3_prepare_v2(q->db, text, -1, &q->st, &tail) != SQLITE_OK) {
        int at = sqlite3_error_offset(q->db);
        rdl_err_set(err, RDL_EUSAGE, 0, "could not run the query: %s", sqlite3_errmsg(q->db));
        rdl_err_hint(err, "The tables are those of SQLite database \"%s\".", q->sink->path);
        if (at >= 0)
            err->col = (uint32_t)at + 1;
        return RDL_EUSAGE;
    }
    if (q->st == NULL)
        return refuse(err, "it is empty");
    if (!only_blank(tail))
        return refuse(err, "it is more than one statement");
    if (!sqlite3_stmt_readonly(q->st) || sqlite3_column_count(q->st) == 0)
        return refuse(err, "it is not one that only reads");
    return RDL_OK;
}

/* ---- parameters ---- */

/* True when the text is what SQLite would print for the number. */
static bool bind_as_number(sqlite3_stmt *st, int at, const char *text)
{
    char again[40], *end;
    size_t n = strlen(text);
    if (n == 0 || n > 18 || strspn(text, "-0123456789.") != n)
        return false;
    if (strchr(text, '.') == NULL) {
        long long x = strtoll(text, &end, 10);
        snprintf(again, sizeof again, "%lld", x);
        return *end == '\0' && strcmp(again, text) == 0 &&
               sqlite3_bind_int64(st, at, x) == SQLITE_OK;
    }
    double d = strtod(text, &end);
    snprintf(again, sizeof again, "%.15g", d);
    return *end == '\0' && strcmp(again, text) == 0 && sqlite3_bind_double(st, at, d) == SQLITE_OK;
}

static rdl_code refuse_missing(const query *q, const char *name, rdl_err *err)
{
    rdl_err_set(err, RDL_EUSAGE, 0, "the query needs a value for \"%s\"", name + 1);
    return rdl_err_hint(err, "Add %s=VALUE to the command; it got %zu value%s.", name + 1,
                        q->parameter_count, q->parameter_count == 1 ? "" : "s");
}

static rdl_code bind_all(query *q, bool *used, rdl_err *err)
{
    int n = sqlite3_bind_parameter_count(q->st);
    for (int at = 1; at <= n; at++) {
        const char *name = sqlite3_bind_parameter_name(q->st, at);
        size_t i = 0;
        if (name == NULL || name[0] == '?')
            return refuse(err, "a parameter has no name; write $name");
        while (i < q->parameter_count && strcmp(q->names[i], name + 1) != 0)
            i++;
        if (i == q->parameter_count)
            return refuse_missing(q, name, err);
        used[i] = true;
        if (q->values[i] == NULL)
            sqlite3_bind_null(q->st, at);
        else if (!bind_as_number(q->st, at, q->values[i]) &&
                 sqlite3_bind_text(q->st, at, q->values[i], -1, SQLITE_TRANSIENT) != SQLITE_OK)
            return rdl_sqlite_fail(q->sink, q->db, err, "bind parameter \"%s\"", name + 1);
    }
    return RDL_OK;
}

static rdl_code refuse_unused(const query *q, const char *name, rdl_err *err)
{
    rdl_buf known = {0};
    int n = sqlite3_bind_parameter_count(q->st);
    for (int at = 1; at <= n; at++)
        rdl_buf_printf(&known, "%s%s", at != 1 ? ", " : "",
                       sqlite3_bind_parameter_name(q->st, at) + 1);
    rdl_err_set(err, RDL_EUSAGE, 0, "the query has no parameter \"%s\"", name);
    if (n == 0)
        rdl_err_hint(err, "It has none at all.");
    else
        rdl_err_hint(err, "It has %s.", rdl_buf_str(&known));
    rdl_buf_fini(&known);
    return RDL_EUSAGE;
}

static rdl_code query_bind(query *q, rdl_err *err)
{
    bool *used = RDL_NEWN(&q->arena, bool, q->parameter_count + 1);
    RDL_TRY(bind_all(q, used, err));
    for (size_t i = 0; i < q->parameter_count; i++)
        if (!used[i] && q->values[i] != NULL)
            return refuse_unused(q, q->names[i], err);
    return RDL_OK;
}

/* ---- results ---- */

/* "DECIMAL(10,2)" of a column that is a table's: its scale; -1 when it is none. */
static int scale_of(const char *declared)
{
    unsigned precision, scale;
    if (declared == NULL || sscanf(declared, "DECIMAL(%u,%u)", &precision, &scale) != 2)
        return -1;
    return scale <= precision ? (int)scale : -1;
}

static void print_scalar(rdl_type_kind kind, void *data, rdl_buf *out)
{
    rdl_vector v = {.type = rdl_type_of(kind), .data = data};
    rdl_vector_print(&v, 0, out);
}

static void print_blob(sqlite3_stmt *st, int at, rdl_buf *out)
{
    const char *p = sqlite3_column_blob(st, at);
    size_t n = (size_t)sqlite3_column_bytes(st, at);
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(out, "\\x%02X", (unsigned char)p[i]);
}

/* Appends the cell's text; false when it is NULL. */
static bool print_cell(sqlite3_stmt *st, int at, int scale, bool *numeric, rdl_buf *out)
{
    int64_t whole;
    double x;
    *numeric = false;
    switch (sqlite3_column_type(st, at)) {
    case SQLITE_NULL:
        return false;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        *numeric = true;
        x = sqlite3_column_double(st, at);
        whole = sqlite3_column_int64(st, at);
        if (scale > 0 || (scale == 0 && sqlite3_column_type(st, at) == SQLITE_FLOAT))
            rdl_buf_printf(out, "%.*f", scale, x);
        else if (sqlite3_column_type(st, at) == SQLITE_INTEGER)
            print_scalar(RDL_TYPE_BIGINT, &whole, out);
        else
            print_scalar(RDL_TYPE_DOUBLE, &x, out);
        *numeric = isfinite(x);
        return true;
    case SQLITE_BLOB:
        if (scale >= 0) { /* more digits than a double has */
            rdl_str digits = rdl_sqlite_decimal_digits(st, at);
            rdl_buf_put(out, digits.p, digits.n);
            *numeric = true;
            return true;
        }
        print_blob(st, at, out);
        return true;
    default:
        rdl_buf_put(out, (const char *)sqlite3_column_text(st, at),
                    (size_t)sqlite3_column_bytes(st, at));
        return true;
    }
}

typedef rdl_code (*columns_fn)(void *arg, size_t n, const char *const *names, rdl_err *err);
typedef rdl_code (*row_fn)(void *arg, size_t n, const rdl_str *values, const bool *numeric,
                           rdl_err *err);

typedef struct cells {
    size_t n;
    int *scales;
    rdl_buf text; /* of all cells */
    size_t *ends; /* of each in it */
    bool *numeric, *null;
    rdl_str *values;
} cells;

static rdl_code give_row(query *q, cells *c, row_fn row, void *arg, rdl_err *err)
{
    rdl_buf_clear(&c->text);
    for (size_t i = 0; i < c->n; i++) {
        c->null[i] = !print_cell(q->st, (int)i, c->scales[i], &c->numeric[i], &c->text);
        c->ends[i] = c->text.n;
    }
    for (size_t i = 0; i < c->n; i++) {
        size_t from = i != 0 ? c->ends[i - 1] : 0;
        const char *p = c->null[i] ? NULL : rdl_buf_str(&c->text) + from;
        c->values[i] = (rdl_str){p, c->ends[i] - from};
    }
    return row(arg, c->n, c->values, c->numeric, err);
}

static rdl_code query_run(query *q, columns_fn columns, row_fn row, void *arg, rdl_err *err)
{
    size_t n = (size_t)sqlite3_column_count(q->st);
    cells c = {.n = n,
               .scales = RDL_NEWN(&q->arena, int, n),
               .ends = RDL_NEWN(&q->arena, size_t, n),
               .numeric = RDL_NEWN(&q->arena, bool, n),
               .null = RDL_NEWN(&q->arena, bool, n),
               .values = RDL_NEWN(&q->arena, rdl_str, n)};
    const char **names = RDL_NEWN(&q->arena, const char *, n);
    rdl_code rc = RDL_OK;
    int step = SQLITE_DONE;
    for (size_t i = 0; i < n; i++) {
        names[i] = rdl_arena_strdup(&q->arena, sqlite3_column_name(q->st, (int)i));
        c.scales[i] = scale_of(sqlite3_column_decltype(q->st, (int)i));
    }
    rc = columns(arg, n, names, err);
    while (rc == RDL_OK && (step = sqlite3_step(q->st)) == SQLITE_ROW)
        rc = give_row(q, &c, row, arg, err);
    if (rc == RDL_OK && step != SQLITE_DONE)
        rc = rdl_sqlite_fail(q->sink, q->db, err, "run the query");
    rdl_buf_fini(&c.text);
    return rc;
}

rdl_code rdl_sqlite_query(rdl_sink *sink, const char *text, const char *const *names,
                          const char *const *values, size_t parameter_count, columns_fn columns,
                          row_fn row, void *arg, rdl_err *err)
{
    query q = {.sink = rdl_sqlite_of(sink),
               .names = names,
               .values = values,
               .parameter_count = parameter_count};
    rdl_arena_init(&q.arena, 0);
    rdl_code rc = query_open(&q, err);
    if (rc == RDL_OK)
        rc = query_prepare(&q, text, err);
    if (rc == RDL_OK)
        rc = query_bind(&q, err);
    if (rc == RDL_OK)
        rc = query_run(&q, columns, row, arg, err);
    sqlite3_finalize(q.st);
    sqlite3_close(q.db);
    rdl_arena_fini(&q.arena);
    return rdl_err_in(rc, err, "sink sqlite");
}
