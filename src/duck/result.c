/*
 * duck/result.c - materialised results as chunks, and what a SELECT would give.
 *
 * Chunks are fetched one at a time and viewed in place.  Columns outside the closed list of
 * types are widened as they are fetched (duck_type.c says to what); where a value may not
 * fit (HUGEINT beyond 38 digits) all chunks are checked before rdl_query returns, since
 * rdl_result_next has no way to fail.
 */
#include "duck/kept.h"

#include <stdio.h>
#include <stdlib.h>

struct rdl_result {
    duckdb_result handle;
    rdl_conn *conn;
    rdl_arena arena;  /* schema and views */
    rdl_arena values; /* widened values of the current chunk */
    rdl_schema schema;
    rdl_widen *widen;
    rdl_chunk chunk;
    duckdb_data_chunk current;
    duckdb_data_chunk *kept; /* chunks fetched ahead because they were checked; else NULL */
    size_t kept_n, kept_at;
    bool checked;
};

static rdl_code add_column(rdl_arena *a, rdl_column *column, const char *name,
                           duckdb_logical_type t, rdl_widen *w, rdl_err *err)
{
    const char *bad = "of another kind";
    column->name.n = strlen(name);
    column->name.p = rdl_arena_strndup(a, name, column->name.n);
    return rdl_type_from_duck(a, t, &column->type, w, &bad)
               ? RDL_OK
               : rdl_type_refuse(column->name, bad, err);
}

static rdl_code read_schema(rdl_result *r, rdl_err *err)
{
    size_t n = duckdb_column_count(&r->handle);
    r->schema = (rdl_schema){RDL_NEWN(&r->arena, rdl_column, n), n};
    r->widen = RDL_NEWN(&r->arena, rdl_widen, n);
    r->chunk = (rdl_chunk){.n = n, .v = RDL_NEWN(&r->arena, rdl_vector, n)};
    for (size_t i = 0; i < n; i++) {
        duckdb_logical_type t = duckdb_column_logical_type(&r->handle, i);
        rdl_code rc = add_column(&r->arena, &r->schema.v[i], duckdb_column_name(&r->handle, i), t,
                                 &r->widen[i], err);
        duckdb_destroy_logical_type(&t);
        RDL_TRY(rc);
        r->checked = r->checked || r->widen[i].checked;
        rdl_vector_shape(&r->arena, r->schema.v[i].type, &r->chunk.v[i]);
    }
    return RDL_OK;
}

/* COPY ... RETURN_STATS and its like count in UBIGINT, and no count reaches 2^63. */
static void counts_are_bigint(rdl_result *r)
{
    if (duckdb_result_statement_type(r->handle) == DUCKDB_STATEMENT_TYPE_SELECT)
        return;
    for (size_t i = 0; i < r->schema.n; i++) {
        if (r->widen[i].from == DUCKDB_TYPE_UBIGINT) {
            r->widen[i].exact = true;
            r->schema.v[i].type = rdl_type_of(RDL_TYPE_BIGINT);
            r->chunk.v[i].type = r->schema.v[i].type;
        }
    }
}

/* View a chunk; false and *bad_column when a value does not fit its widened type. */
static bool view_chunk(rdl_result *r, duckdb_data_chunk chunk, size_t *bad_column)
{
    size_t rows = duckdb_data_chunk_get_size(chunk);
    rdl_arena_reset(&r->values);
    r->chunk.rows = rows;
    r->chunk.handle = chunk;
    for (size_t i = 0; i < r->chunk.n; i++) {
        duckdb_vector v = duckdb_data_chunk_get_vector(chunk, i);
        if (!rdl_vector_bind_widened(&r->values, &r->chunk.v[i], &r->widen[i], v, rows)) {
            *bad_column = i;
            return false;
        }
    }
    return true;
}

static rdl_code keep_chunk(rdl_result *r, duckdb_data_chunk chunk, rdl_err *err)
{
    if ((r->kept_n & (r->kept_n - 1)) == 0) { /* full at powers of two */
        size_t cap = r->kept_n == 0 ? 1 : 2 * r->kept_n;
        duckdb_data_chunk *v = realloc(r->kept, cap * sizeof *v); /* allow: grows with the result */
        if (v == NULL) {
            duckdb_destroy_data_chunk(&chunk);
            return rdl_err_nomem(err);
        }
        r->kept = v;
    }
    r->kept[r->kept_n++] = chunk;
    return RDL_OK;
}

static rdl_code check_values(rdl_result *r, rdl_err *err)
{
    size_t bad = 0;
    for (;;) {
        duckdb_data_chunk chunk = duckdb_fetch_chunk(r->handle);
        if (chunk == NULL)
            return RDL_OK;
        RDL_TRY(keep_chunk(r, chunk, err));
        if (!view_chunk(r, chunk, &bad))
            break;
    }
    rdl_buf type = {0};
    rdl_str name = r->schema.v[bad].name;
    rdl_type_print(r->schema.v[bad].type, &type);
    rdl_err_set(err, RDL_EDATA, 0, "a value of column \"%.*s\" does not fit into %s", (int)name.n,
                name.p, rdl_buf_str(&type));
    rdl_buf_fini(&type);
    return err->code;
}

rdl_code rdl_result_take(rdl_conn *c, duckdb_state state, duckdb_result *handle, rdl_result **out,
                         rdl_err *err)
{
    rdl_code rc = RDL_OK;
    rdl_result *r = calloc(1, sizeof *r); /* allow: freed by rdl_result_free */
    if (r == NULL) {
        duckdb_destroy_result(handle);
        return rdl_err_nomem(err);
    }
    r->handle = *handle;
    rdl_arena_init(&r->arena, 0);
    rdl_arena_init(&r->values, 0);
    r->conn = c;
    if (state != DuckDBSuccess) {
        rc = rdl_conn_error(c, err, duckdb_result_error(&r->handle),
                            duckdb_result_error_type(&r->handle));
        goto fail;
    }
    RDL_TRY_OUT(read_schema(r, err));
    counts_are_bigint(r);
    if (r->checked)
        RDL_TRY_OUT(check_values(r, err));
out:
    if (rc == RDL_OK) {
        *out = r;
        return RDL_OK;
    }
fail:
    rdl_result_free(r);
    return rc;
}

rdl_code rdl_query(rdl_conn *c, const char *sql, rdl_result **out, rdl_err *err)
{
    duckdb_result handle;
    rdl_conn_begin_statement(c);
    c->changed = 0;
    duckdb_state state = rdl_duck_run(c->handle, sql, &handle);
    return rdl_result_take(c, state, &handle, out, err);
}

rdl_code rdl_query_stream(rdl_conn *c, const char *sql, rdl_result **out, rdl_err *err)
{
    duckdb_result handle;
    rdl_conn_begin_statement(c);
    c->changed = 0;
    duckdb_state state = rdl_duck_stream(c->handle, sql, &handle);
    return rdl_result_take(c, state, &handle, out, err);
}

rdl_code rdl_result_end(const rdl_result *r, rdl_err *err)
{
    duckdb_result copy = r->handle;
    const char *failed = duckdb_result_error(&copy);
    return failed == NULL || failed[0] == '\0'
               ? RDL_OK
               : rdl_conn_error(r->conn, err, failed, duckdb_result_error_type(&copy));
}

const rdl_schema *rdl_result_schema(const rdl_result *r)
{
    return &r->schema;
}

static duckdb_data_chunk take_next(rdl_result *r)
{
    if (!r->checked)
        return duckdb_fetch_chunk(r->handle);
    if (r->kept_at == r->kept_n)
        return NULL;
    duckdb_data_chunk chunk = r->kept[r->kept_at];
    r->kept[r->kept_at++] = NULL;
    return chunk;
}

bool rdl_result_next(rdl_result *r, const rdl_chunk **out)
{
    size_t bad = 0;
    for (;;) {
        duckdb_destroy_data_chunk(&r->current);
        r->current = take_next(r);
        if (r->current == NULL)
            return false;
        if (duckdb_data_chunk_get_size(r->current) != 0)
            break;
    }
    (void)view_chunk(r, r->current, &bad); /* checked by rdl_query where it may fail */
    *out = &r->chunk;
    return true;
}

uint64_t rdl_result_rows(const rdl_result *r)
{
    duckdb_result copy = r->handle; /* the call wants a non-const pointer and changes nothing */
    return duckdb_row_count(&copy);
}

void rdl_result_free(rdl_result *r)
{
    if (r == NULL)
        return;
    duckdb_destroy_data_chunk(&r->current);
    for (size_t i = r->kept_at; i < r->kept_n; i++)
        duckdb_destroy_data_chunk(&r->kept[i]);
    free(r->kept); /* allow: see keep_chunk */
    duckdb_destroy_result(&r->handle);
    rdl_arena_fini(&r->values);
    rdl_arena_fini(&r->arena);
    free(r); /* allow: freed by its owner */
}

/* ---- one value ---- */

static bool first_i64(const rdl_vector *v, int64_t *out)
{
    if (!rdl_vector_valid(v, 0))
        return true;
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        *out = RDL_VECTOR_AT(v, int8_t, 0);
        return true;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_DATE:
        *out = RDL_VECTOR_AT(v, int32_t, 0);
        return true;
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_TIMESTAMPTZ:
        *out = RDL_VECTOR_AT(v, int64_t, 0);
        return true;
    case RDL_TYPE_DECIMAL: {
        rdl_i128 x = rdl_vector_decimal(v, 0);
        if (v->type->scale != 0 || x < INT64_MIN || x > INT64_MAX)
            return false;
        *out = (int64_t)x;
        return true;
    }
    default:
        return false;
    }
}

rdl_code rdl_query_i64(rdl_conn *c, const char *sql, int64_t *out, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_query(c, sql, &r, err));
    if (rdl_result_next(r, &chunk) && chunk->n != 0 && !first_i64(&chunk->v[0], out))
        rc = rdl_err_set(err, RDL_ESCHEMA, 0, "column \"%.*s\" is not a 64-bit integer",
                         (int)r->schema.v[0].name.n, r->schema.v[0].name.p);
    rdl_result_free(r);
    return rc;
}

rdl_code rdl_query_text(rdl_conn *c, rdl_arena *a, const char *sql, char **out, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *chunk;
    RDL_TRY(rdl_query(c, sql, &r, err));
    if (rdl_result_next(r, &chunk) && chunk->n != 0 && rdl_vector_valid(&chunk->v[0], 0)) {
        rdl_buf text = {0};
        rdl_vector_print(&chunk->v[0], 0, &text);
        *out = rdl_arena_strndup(a, rdl_buf_str(&text), text.n);
        rdl_buf_fini(&text);
    }
    rdl_result_free(r);
    return RDL_OK;
}

/* ---- describing ---- */

/* Whether DuckDB calls the type what we call it, below too. */
static bool is_same(const rdl_type *t, const rdl_widen *w)
{
    static const duckdb_type of[] = {
        [RDL_TYPE_BOOLEAN] = DUCKDB_TYPE_BOOLEAN, [RDL_TYPE_INTEGER] = DUCKDB_TYPE_INTEGER,
        [RDL_TYPE_BIGINT] = DUCKDB_TYPE_BIGINT,   [RDL_TYPE_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [RDL_TYPE_DECIMAL] = DUCKDB_TYPE_DECIMAL, [RDL_TYPE_TEXT] = DUCKDB_TYPE_VARCHAR,
        [RDL_TYPE_BLOB] = DUCKDB_TYPE_BLOB,       [RDL_TYPE_DATE] = DUCKDB_TYPE_DATE,
        [RDL_TYPE_JSON] = DUCKDB_TYPE_VARCHAR,    [RDL_TYPE_TIMESTAMPTZ] = DUCKDB_TYPE_TIMESTAMP_TZ,
        [RDL_TYPE_LIST] = DUCKDB_TYPE_LIST,       [RDL_TYPE_MAP] = DUCKDB_TYPE_MAP,
        [RDL_TYPE_STRUCT] = DUCKDB_TYPE_STRUCT,
    };
    if (w->from != of[t->kind])
        return false;
    if (t->kind == RDL_TYPE_LIST || t->kind == RDL_TYPE_MAP)
        return is_same(t->child, &w->children[0]) &&
               (t->kind == RDL_TYPE_LIST || is_same(t->value, &w->children[1]));
    for (size_t i = 0; i < t->field_count; i++)
        if (!is_same(t->field_types[i], &w->children[i]))
            return false;
    return true;
}

static rdl_code describe_columns(duckdb_prepared_statement p, rdl_arena *a, rdl_schema *out,
                                 bool *same, rdl_err *err)
{
    size_t n = duckdb_prepared_statement_column_count(p);
    rdl_schema schema = {RDL_NEWN(a, rdl_column, n), n};
    *same = true;
    for (size_t i = 0; i < n; i++) {
        rdl_widen w;
        const char *name = duckdb_prepared_statement_column_name(p, i);
        duckdb_logical_type t = duckdb_prepared_statement_column_logical_type(p, i);
        rdl_code rc = add_column(a, &schema.v[i], name, t, &w, err);
        duckdb_free((void *)(uintptr_t)name);
        duckdb_destroy_logical_type(&t);
        RDL_TRY(rc);
        *same = *same && is_same(schema.v[i].type, &w);
    }
    *out = schema;
    return RDL_OK;
}

rdl_code rdl_describe_same(rdl_conn *c, rdl_arena *a, const char *sql, rdl_schema *out, bool *same,
                           rdl_err *err)
{
    duckdb_prepared_statement p = NULL;
    rdl_code rc = RDL_OK;
    rdl_conn_begin_statement(c);
    if (duckdb_prepare(c->handle, sql, &p) != DuckDBSuccess)
        rc = rdl_conn_error(c, err, duckdb_prepare_error(p), DUCKDB_ERROR_BINDER);
    else if (duckdb_prepared_statement_type(p) != DUCKDB_STATEMENT_TYPE_SELECT)
        rc = rdl_err_set(err, RDL_EUSAGE, 0, "only a SELECT has columns to describe");
    else
        rc = describe_columns(p, a, out, same, err);
    duckdb_destroy_prepare(&p);
    return rc;
}

rdl_code rdl_describe(rdl_conn *c, rdl_arena *a, const char *sql, rdl_schema *out, rdl_err *err)
{
    bool same;
    return rdl_describe_same(c, a, sql, out, &same, err);
}
