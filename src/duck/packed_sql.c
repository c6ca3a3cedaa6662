/*
 * duck/packed_sql.c - held rows into a packed file, and rdl_packed('path', 'block') out of it.
 */
#include <stdlib.h>

#include "duck/handles.h"
#include "duck/held.h"
#include "duck/packed.h"

/* ---- writing ---- */

bool rdl_held_match(rdl_arena *a, const rdl_held *h, const rdl_schema *columns, size_t *from)
{
    for (size_t i = 0; i < columns->n; i++) {
        duckdb_logical_type t;
        const rdl_type *type;
        const char *bad = NULL;
        rdl_widen widen = {0};
        int at = rdl_held_column(h, columns->v[i].name, &t);
        if (at < 0 || !rdl_type_from_duck(a, t, &type, &widen, &bad) || !widen.exact ||
            !rdl_type_eq(type, columns->v[i].type))
            return false;
        from[i] = (size_t)at;
    }
    return true;
}

bool rdl_held_pack(const rdl_held *h, const char *name, const rdl_schema *columns, rdl_buf *out)
{
    rdl_arena a;
    rdl_buf body = {0};
    rdl_arena_init(&a, 0);
    size_t *from = RDL_NEWN(&a, size_t, columns->n + 1);
    rdl_chunk c = {.n = columns->n, .v = RDL_NEWN(&a, rdl_vector, columns->n + 1)};
    bool fits = rdl_held_match(&a, h, columns, from);
    for (size_t i = 0; i < columns->n && fits; i++)
        rdl_vector_shape(&a, columns->v[i].type, &c.v[i]);
    for (size_t i = 0; i < rdl_held_chunks(h) && fits; i++) {
        duckdb_data_chunk k = rdl_held_chunk(h, i);
        for (size_t j = 0; j < columns->n; j++)
            rdl_vector_bind(&c.v[j], duckdb_data_chunk_get_vector(k, from[j]));
        c.rows = duckdb_data_chunk_get_size(k);
        rdl_packed_put_chunk(&c, &body);
    }
    if (fits)
        rdl_packed_put_block(name, columns, rdl_held_rows(h), &body, out);
    rdl_buf_fini(&body);
    rdl_arena_fini(&a);
    return fits;
}

/* ---- the table function ---- */

typedef struct bind_data {
    rdl_duck *duck;
    char *path, *name;
    size_t columns;
    uint64_t conn_id;
} bind_data;

typedef struct scan {
    rdl_packed *file;
    rdl_arena arena;
    rdl_chunk chunk;
    bool *wanted;
    size_t n, *from;
} scan;

static void bind_free(void *p)
{
    bind_data *b = p;
    free(b->path); /* allow: as its strdup */
    free(b->name); /* allow: as its strdup */
    free(b);       /* allow: as its calloc */
}

static char *text_parameter(duckdb_bind_info info, idx_t i)
{
    duckdb_value v = duckdb_bind_get_parameter(info, i);
    char *text = duckdb_get_varchar(v);
    char *copy = text != NULL ? strdup(text) : NULL; /* allow: freed by bind_free */
    duckdb_free(text);
    duckdb_destroy_value(&v);
    return copy;
}

/* The reader's own error goes to whose statement it is; DuckDB gets the text. */
static void note(const bind_data *b, const rdl_err *err)
{
    rdl_conn_scan_failed(b->duck, b->conn_id, err);
}

static void bind_fn(duckdb_bind_info info)
{
    duckdb_client_context context = NULL;
    rdl_packed *file = NULL;
    rdl_err err = {0};
    bind_data *b = calloc(1, sizeof *b); /* allow: DuckDB frees it by bind_free */
    if (b == NULL) {
        duckdb_bind_set_error(info, "out of memory");
        return;
    }
    b->duck = duckdb_bind_get_extra_info(info);
    b->path = text_parameter(info, 0);
    b->name = text_parameter(info, 1);
    duckdb_table_function_get_client_context(info, &context);
    b->conn_id = duckdb_client_context_get_connection_id(context);
    duckdb_destroy_client_context(&context);
    if (b->path == NULL || b->name == NULL ||
        rdl_packed_open(b->path, b->name, &file, &err) != RDL_OK) {
        note(b, &err);
        duckdb_bind_set_error(info, err.msg);
        bind_free(b);
        return;
    }
    const rdl_schema *s = rdl_packed_schema(file);
    rdl_buf name = {0};
    for (size_t i = 0; i < s->n; i++) {
        duckdb_logical_type t = rdl_type_to_duck(s->v[i].type);
        rdl_buf_clear(&name);
        rdl_buf_put(&name, s->v[i].name.p, s->v[i].name.n);
        duckdb_bind_add_result_column(info, rdl_buf_str(&name), t);
        duckdb_destroy_logical_type(&t);
    }
    rdl_buf_fini(&name);
    b->columns = s->n;
    duckdb_bind_set_cardinality(info, rdl_packed_rows(file), true);
    rdl_packed_close(file);
    duckdb_bind_set_bind_data(info, b, bind_free);
}

static void scan_free(void *p)
{
    scan *s = p;
    rdl_packed_close(s->file);
    rdl_arena_fini(&s->arena);
    free(s); /* allow: as its calloc */
}

static void init_fn(duckdb_init_info info)
{
    const bind_data *b = duckdb_init_get_bind_data(info);
    rdl_err err = {0};
    scan *s = calloc(1, sizeof *s); /* allow: DuckDB frees it by scan_free */
    if (s == NULL) {
        duckdb_init_set_error(info, "out of memory");
        return;
    }
    rdl_arena_init(&s->arena, 0);
    duckdb_init_set_max_threads(info, 1);
    duckdb_init_set_init_data(info, s, scan_free);
    if (rdl_packed_open(b->path, b->name, &s->file, &err) != RDL_OK) {
        note(b, &err);
        duckdb_init_set_error(info, err.msg);
        return;
    }
    const rdl_schema *schema = rdl_packed_schema(s->file);
    s->n = duckdb_init_get_column_count(info);
    s->from = RDL_NEWN(&s->arena, size_t, s->n + 1);
    s->wanted = RDL_NEWN(&s->arena, bool, schema->n + 1);
    s->chunk = (rdl_chunk){.n = schema->n, .v = RDL_NEWN(&s->arena, rdl_vector, schema->n + 1)};
    for (size_t i = 0; i < schema->n; i++)
        rdl_vector_shape(&s->arena, schema->v[i].type, &s->chunk.v[i]);
    for (size_t i = 0; i < s->n; i++) {
        size_t at = duckdb_init_get_column_index(info, i);
        s->from[i] = at < schema->n ? at : SIZE_MAX; /* a virtual column */
        if (at < schema->n)
            s->wanted[at] = true;
    }
}

static void read_fn(duckdb_function_info info, duckdb_data_chunk output)
{
    const bind_data *b = duckdb_function_get_bind_data(info);
    scan *s = duckdb_function_get_init_data(info);
    rdl_err err = {0};
    s->chunk.handle = output;
    for (size_t i = 0; i < s->n; i++)
        if (s->from[i] != SIZE_MAX)
            rdl_vector_bind(&s->chunk.v[s->from[i]], duckdb_data_chunk_get_vector(output, i));
    if (rdl_packed_next(s->file, s->wanted, &s->chunk, &err) != RDL_OK) {
        note(b, &err);
        duckdb_function_set_error(info, err.msg);
        s->chunk.rows = 0;
    }
    duckdb_data_chunk_set_size(output, s->chunk.rows);
}

rdl_code rdl_packed_function_register(rdl_duck *d, duckdb_connection c, rdl_err *err)
{
    const rdl_table_function f = {
        .name = "rdl_packed", .parameters = 2, .bind = bind_fn, .init = init_fn, .read = read_fn};
    return rdl_table_function_register(d, c, &f, err);
}
