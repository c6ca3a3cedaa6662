/*
 * duck/held.c - rdl_held('name'): chunks under a name that stays.
 *
 *   bind   finds the name, gives its columns (and rowid, the row's number) and their count
 *   init   which columns are read; the next chunk to give
 *   read   a chunk: its vectors are referenced, not copied
 *
 * A held thing is counted: a plan that was bound to it keeps it when its name gets another shape.
 * The duck's generation moves then, so that no kept plan reads the rows of a name's past.
 */
#include "duck/held.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "duck/kept.h"

enum { CHUNKS_PER_THREAD = 8 };

struct rdl_held {
    rdl_held *next; /* under duck->lock */
    rdl_duck *duck;
    atomic_uint refs;
    char *name;
    size_t columns;
    char **names;
    duckdb_logical_type *types;
    duckdb_data_chunk *chunks;
    uint64_t *first; /* row number of each chunk's first row */
    size_t n, cap;
    uint64_t rows;
};

typedef struct held_scan {
    atomic_size_t next;
    size_t n;
    size_t from[]; /* column read; `columns`: rowid; SIZE_MAX: nothing of ours */
} held_scan;

/* ---- the registry ---- */

void rdl_held_clear(rdl_held *h)
{
    for (size_t i = 0; i < h->n; i++)
        duckdb_destroy_data_chunk(&h->chunks[i]);
    h->n = 0;
    h->rows = 0;
}

static void release(rdl_held *h)
{
    if (atomic_fetch_sub(&h->refs, 1) != 1)
        return;
    rdl_held_clear(h);
    for (size_t i = 0; i < h->columns; i++) {
        duckdb_destroy_logical_type(&h->types[i]);
        free(h->names[i]); /* allow: see new_held */
    }
    free(h->names);  /* allow: see new_held */
    free(h->types);  /* allow: see new_held */
    free(h->chunks); /* allow: see add_chunk */
    free(h->first);  /* allow: see add_chunk */
    free(h->name);   /* allow: see new_held */
    free(h);         /* allow: see new_held */
}

void rdl_helds_free(rdl_duck *d)
{
    while (d->helds != NULL) {
        rdl_held *h = d->helds;
        d->helds = h->next;
        release(h);
    }
}

rdl_held *rdl_held_find(rdl_duck *d, const char *name)
{
    rdl_mutex_lock(&d->lock);
    rdl_held *h = d->helds;
    while (h != NULL && strcmp(h->name, name) != 0)
        h = h->next;
    rdl_mutex_unlock(&d->lock);
    return h;
}

uint64_t rdl_held_rows(const rdl_held *h)
{
    return h->rows;
}

static rdl_held *new_held(rdl_duck *d, const char *name, size_t columns)
{
    rdl_held *h = calloc(1, sizeof *h); /* allow: freed by release */
    if (h == NULL)
        return NULL;
    atomic_init(&h->refs, 1);
    h->duck = d;
    h->name = strdup(name);                           /* allow: as above */
    h->names = calloc(columns + 1, sizeof *h->names); /* allow: as above */
    h->types = calloc(columns + 1, sizeof *h->types); /* allow: as above */
    if (h->name == NULL || h->names == NULL || h->types == NULL) {
        release(h);
        return NULL;
    }
    return h;
}

static bool add_column(rdl_held *h, const char *name, duckdb_logical_type taken)
{
    h->types[h->columns] = taken;
    h->names[h->columns] = strdup(name); /* allow: freed by release */
    return h->names[h->columns++] != NULL;
}

static bool same_type(duckdb_logical_type a, duckdb_logical_type b);

static bool same_child(duckdb_logical_type (*child)(duckdb_logical_type), duckdb_logical_type a,
                       duckdb_logical_type b)
{
    duckdb_logical_type x = child(a), y = child(b);
    bool same = same_type(x, y);
    duckdb_destroy_logical_type(&x);
    duckdb_destroy_logical_type(&y);
    return same;
}

static bool same_fields(duckdb_logical_type a, duckdb_logical_type b)
{
    idx_t n = duckdb_struct_type_child_count(a);
    bool same = n == duckdb_struct_type_child_count(b);
    for (idx_t i = 0; i < n && same; i++) {
        char *p = duckdb_struct_type_child_name(a, i), *q = duckdb_struct_type_child_name(b, i);
        duckdb_logical_type x = duckdb_struct_type_child_type(a, i);
        duckdb_logical_type y = duckdb_struct_type_child_type(b, i);
        same = strcmp(p, q) == 0 && same_type(x, y);
        duckdb_destroy_logical_type(&x);
        duckdb_destroy_logical_type(&y);
        duckdb_free(p);
        duckdb_free(q);
    }
    return same;
}

static bool same_alias(duckdb_logical_type a, duckdb_logical_type b)
{
    char *x = duckdb_logical_type_get_alias(a), *y = duckdb_logical_type_get_alias(b);
    bool same = (x == NULL) == (y == NULL) && (x == NULL || strcmp(x, y) == 0);
    duckdb_free(x);
    duckdb_free(y);
    return same;
}

static bool same_type(duckdb_logical_type a, duckdb_logical_type b)
{
    duckdb_type id = duckdb_get_type_id(a);
    if (id != duckdb_get_type_id(b) || !same_alias(a, b))
        return false;
    switch (id) {
    case DUCKDB_TYPE_DECIMAL:
        return duckdb_decimal_width(a) == duckdb_decimal_width(b) &&
               duckdb_decimal_scale(a) == duckdb_decimal_scale(b);
    case DUCKDB_TYPE_LIST:
        return same_child(duckdb_list_type_child_type, a, b);
    case DUCKDB_TYPE_MAP:
        return same_child(duckdb_map_type_key_type, a, b) &&
               same_child(duckdb_map_type_value_type, a, b);
    case DUCKDB_TYPE_STRUCT:
        return same_fields(a, b);
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_UNION:
        return false; /* another shape each time: right, and no table holds them */
    default:
        return true;
    }
}

static bool same_shape(const rdl_held *a, const rdl_held *b)
{
    if (a->columns != b->columns)
        return false;
    for (size_t i = 0; i < a->columns; i++) {
        if (strcmp(a->names[i], b->names[i]) != 0 || !same_type(a->types[i], b->types[i]))
            return false;
    }
    return true;
}

/* Takes h and its rows; gives what the name stands for from now on: what was there if the shape is the
 * same, with h's rows instead of its own. */
static rdl_held *settle(rdl_duck *d, rdl_held *h, bool *new_shape)
{
    rdl_held *was = rdl_held_find(d, h->name);
    *new_shape = was == NULL || !same_shape(was, h);
    if (!*new_shape) {
        const rdl_held rows = *was;
        was->chunks = h->chunks;
        was->first = h->first;
        was->n = h->n;
        was->cap = h->cap;
        was->rows = h->rows;
        h->chunks = rows.chunks;
        h->first = rows.first;
        h->n = rows.n;
        h->cap = rows.cap;
        release(h);
        return was;
    }
    rdl_mutex_lock(&d->lock);
    for (rdl_held **at = &d->helds; *at != NULL; at = &(*at)->next) {
        if (*at == was) {
            *at = was->next;
            break;
        }
    }
    h->next = d->helds;
    d->helds = h;
    d->generation++;
    rdl_mutex_unlock(&d->lock);
    if (was != NULL) {
        rdl_held_clear(was);
        release(was);
    }
    return h;
}

size_t rdl_held_chunks(const rdl_held *h)
{
    return h->n;
}

duckdb_data_chunk rdl_held_chunk(const rdl_held *h, size_t i)
{
    return h->chunks[i];
}

rdl_code rdl_held_view(const rdl_held *h, rdl_arena *a, rdl_chunk *out, rdl_err *err)
{
    *out = (rdl_chunk){.n = h->columns, .v = RDL_NEWN(a, rdl_vector, h->columns + 1)};
    for (size_t i = 0; i < h->columns; i++) {
        const rdl_type *type = NULL;
        const char *bad = "of another kind";
        rdl_widen w;
        if (!rdl_type_from_duck(a, h->types[i], &type, &w, &bad))
            return rdl_type_refuse(rdl_str_of(h->names[i]), bad, err);
        if (!w.exact && w.from != DUCKDB_TYPE_HUGEINT) /* which lies as a DECIMAL(38,0) does */
            return rdl_err_set(err, RDL_EBUG, 0, "column \"%s\" of held rows is of no closed type",
                               h->names[i]);
        rdl_vector_shape(a, type, &out->v[i]);
    }
    return RDL_OK;
}

void rdl_held_show(const rdl_held *h, size_t i, rdl_chunk *view)
{
    view->handle = h->chunks[i];
    view->rows = duckdb_data_chunk_get_size(h->chunks[i]);
    for (size_t c = 0; c < view->n; c++)
        rdl_vector_bind(&view->v[c], duckdb_data_chunk_get_vector(h->chunks[i], c));
}

int rdl_held_column(const rdl_held *h, rdl_str name, duckdb_logical_type *out_borrowed)
{
    for (size_t i = 0; i < h->columns; i++) {
        if (rdl_str_eq(rdl_str_of(h->names[i]), name)) {
            *out_borrowed = h->types[i];
            return (int)i;
        }
    }
    return -1;
}

/* ---- filling ---- */

static rdl_code add_chunk(rdl_held *h, duckdb_data_chunk taken, rdl_err *err)
{
    size_t rows = duckdb_data_chunk_get_size(taken);
    if (h->n == h->cap) {
        size_t cap = h->cap == 0 ? 4 : 2 * h->cap;
        void *chunks = realloc(h->chunks, cap * sizeof *h->chunks); /* allow: freed by release */
        if (chunks != NULL)
            h->chunks = chunks;
        void *first = realloc(h->first, cap * sizeof *h->first); /* allow: freed by release */
        if (first != NULL)
            h->first = first;
        if (chunks == NULL || first == NULL) {
            duckdb_destroy_data_chunk(&taken);
            return rdl_err_nomem(err);
        }
        h->cap = cap;
    }
    if (rows == 0) {
        duckdb_destroy_data_chunk(&taken);
        return RDL_OK;
    }
    h->first[h->n] = h->rows;
    h->chunks[h->n++] = taken;
    h->rows += rows;
    return RDL_OK;
}

static rdl_code shape_of_result(rdl_conn *c, const char *name, duckdb_result *r, rdl_held **out,
                                rdl_err *err)
{
    size_t columns = duckdb_column_count(r);
    rdl_held *h = new_held(c->duck, name, columns);
    bool ok = h != NULL;
    for (size_t i = 0; ok && i < columns; i++)
        ok = add_column(h, duckdb_column_name(r, i), duckdb_column_logical_type(r, i));
    if (!ok) {
        if (h != NULL)
            release(h);
        return rdl_err_nomem(err);
    }
    *out = h;
    return RDL_OK;
}

rdl_code rdl_held_query(rdl_conn *c, const char *name, const char *select, bool kept,
                        uint64_t rows_max, rdl_held **out, bool *new_shape, rdl_err *err)
{
    duckdb_result r;
    rdl_held *h = NULL;
    rdl_code rc;
    *out = NULL;
    rdl_conn_begin_statement(c);
    c->changed = 0;
    duckdb_state state =
        kept ? rdl_duck_run_kept(c, select, &r) : rdl_duck_run(c->handle, select, &r);
    if (state != DuckDBSuccess) {
        rc = rdl_conn_error(c, err, duckdb_result_error(&r), duckdb_result_error_type(&r));
        duckdb_destroy_result(&r);
        return rc;
    }
    if (duckdb_row_count(&r) > rows_max) {
        duckdb_destroy_result(&r);
        return RDL_OK;
    }
    rc = shape_of_result(c, name, &r, &h, err);
    if (rc == RDL_OK)
        h = settle(c->duck, h, new_shape);
    for (duckdb_data_chunk k; rc == RDL_OK && (k = duckdb_fetch_chunk(r)) != NULL;)
        rc = add_chunk(h, k, err);
    duckdb_destroy_result(&r);
    *out = rc == RDL_OK ? h : NULL;
    return rc;
}

rdl_code rdl_held_stream(rdl_conn *c, const char *name, const char *select, rdl_held **out,
                         bool *new_shape, rdl_err *err)
{
    duckdb_result r;
    rdl_held *h = NULL;
    *out = NULL;
    rdl_conn_begin_statement(c);
    c->changed = 0;
    duckdb_state state = rdl_duck_stream(c->handle, select, &r);
    rdl_code rc = state == DuckDBSuccess ? shape_of_result(c, name, &r, &h, err) : RDL_OK;
    for (duckdb_data_chunk k; h != NULL && rc == RDL_OK && (k = duckdb_fetch_chunk(r)) != NULL;)
        rc = add_chunk(h, k, err);
    const char *failed = duckdb_result_error(&r);
    if (rc == RDL_OK && (state != DuckDBSuccess || (failed != NULL && failed[0] != '\0')))
        rc = rdl_conn_error(c, err, failed, duckdb_result_error_type(&r));
    if (rc != RDL_OK && h != NULL)
        release(h);
    duckdb_destroy_result(&r);
    *out = rc == RDL_OK ? settle(c->duck, h, new_shape) : NULL;
    return rc;
}

rdl_code rdl_held_open(rdl_duck *d, const char *name, const rdl_schema *schema, rdl_held **out,
                       bool *new_shape, rdl_err *err)
{
    rdl_held *h = new_held(d, name, schema->n);
    rdl_buf column = {0};
    bool ok = h != NULL;
    for (size_t i = 0; ok && i < schema->n; i++) {
        rdl_buf_clear(&column);
        rdl_buf_put(&column, schema->v[i].name.p, schema->v[i].name.n);
        ok = add_column(h, rdl_buf_str(&column), rdl_type_to_duck(schema->v[i].type));
    }
    rdl_buf_fini(&column);
    if (!ok) {
        if (h != NULL)
            release(h);
        return rdl_err_nomem(err);
    }
    *out = settle(d, h, new_shape);
    return RDL_OK;
}

rdl_code rdl_held_push(rdl_held *h, rdl_chunk *taken, rdl_err *err)
{
    size_t rows = taken->rows;
    duckdb_data_chunk k = rdl_chunk_take(taken);
    duckdb_data_chunk_set_size(k, rows);
    return add_chunk(h, k, err);
}

static duckdb_data_chunk without(const rdl_held *h, size_t at, const bool *gone)
{
    duckdb_data_chunk from = h->chunks[at];
    size_t rows = duckdb_data_chunk_get_size(from), n = 0;
    duckdb_selection_vector stay = duckdb_create_selection_vector(rows);
    sel_t *list = duckdb_selection_vector_get_data_ptr(stay);
    for (size_t i = 0; i < rows; i++) {
        if (!gone[h->first[at] + i])
            list[n++] = (sel_t)i;
    }
    duckdb_data_chunk to = duckdb_create_data_chunk(h->types, h->columns);
    for (size_t i = 0; n > 0 && i < h->columns; i++)
        duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(from, i),
                               duckdb_data_chunk_get_vector(to, i), stay, n, 0, 0);
    duckdb_data_chunk_set_size(to, n);
    duckdb_destroy_selection_vector(stay);
    return to;
}

static bool loses(const rdl_held *h, size_t at, const bool *gone)
{
    return memchr(gone + h->first[at], true, duckdb_data_chunk_get_size(h->chunks[at])) != NULL;
}

rdl_code rdl_held_filter(rdl_held *h, const bool *gone, rdl_err *err)
{
    size_t n = 0;
    uint64_t rows = 0;
    for (size_t i = 0; i < h->n; i++) {
        duckdb_data_chunk k = h->chunks[i];
        if (loses(h, i, gone)) {
            k = without(h, i, gone);
            if (k == NULL)
                return rdl_err_nomem(err);
            duckdb_destroy_data_chunk(&h->chunks[i]);
            h->chunks[i] = k;
        }
    }
    for (size_t i = 0; i < h->n; i++) {
        size_t left = duckdb_data_chunk_get_size(h->chunks[i]);
        if (left == 0) {
            duckdb_destroy_data_chunk(&h->chunks[i]);
            continue;
        }
        h->first[n] = rows;
        h->chunks[n++] = h->chunks[i];
        rows += left;
    }
    h->n = n;
    h->rows = rows;
    return RDL_OK;
}

/* ---- the table function ---- */

static void bind_free(void *p)
{
    release(p);
}

static void bind_fn(duckdb_bind_info info)
{
    rdl_duck *d = duckdb_bind_get_extra_info(info);
    duckdb_value value = duckdb_bind_get_parameter(info, 0);
    char *name = duckdb_get_varchar(value);
    rdl_held *h = name != NULL ? rdl_held_find(d, name) : NULL;
    duckdb_destroy_value(&value);
    duckdb_free(name);
    if (h == NULL) {
        duckdb_bind_set_error(info, "no rows are held under this name");
        return;
    }
    atomic_fetch_add(&h->refs, 1);
    for (size_t i = 0; i < h->columns; i++)
        duckdb_bind_add_result_column(info, h->names[i], h->types[i]);
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_bind_add_result_column(info, "rowid", number);
    duckdb_destroy_logical_type(&number);
    duckdb_bind_set_cardinality(info, h->rows > 0 ? h->rows : 1, false);
    duckdb_bind_set_bind_data(info, h, bind_free);
}

static void init_fn(duckdb_init_info info)
{
    const rdl_held *h = duckdb_init_get_bind_data(info);
    size_t n = duckdb_init_get_column_count(info);
    held_scan *s = calloc(1, sizeof *s + n * sizeof *s->from); /* allow: DuckDB frees it */
    if (s == NULL) {
        duckdb_init_set_error(info, "out of memory");
        return;
    }
    atomic_init(&s->next, 0);
    s->n = n;
    for (size_t i = 0; i < n; i++) {
        size_t at = duckdb_init_get_column_index(info, i);
        s->from[i] = at <= h->columns ? at : SIZE_MAX; /* a virtual column */
    }
    duckdb_init_set_max_threads(info, h->n / CHUNKS_PER_THREAD + 1);
    duckdb_init_set_init_data(info, s, free);
}

static void read_fn(duckdb_function_info info, duckdb_data_chunk output)
{
    const rdl_held *h = duckdb_function_get_bind_data(info);
    held_scan *s = duckdb_function_get_init_data(info);
    size_t at = atomic_fetch_add(&s->next, 1);
    if (at >= h->n) {
        duckdb_data_chunk_set_size(output, 0);
        return;
    }
    size_t rows = duckdb_data_chunk_get_size(h->chunks[at]);
    for (size_t i = 0; i < s->n; i++) {
        duckdb_vector to = duckdb_data_chunk_get_vector(output, i);
        if (s->from[i] < h->columns) {
            duckdb_vector_reference_vector(to,
                                           duckdb_data_chunk_get_vector(h->chunks[at], s->from[i]));
        } else if (s->from[i] == h->columns) {
            int64_t *number = duckdb_vector_get_data(to);
            for (size_t j = 0; j < rows; j++)
                number[j] = (int64_t)(h->first[at] + j);
        }
    }
    duckdb_data_chunk_set_size(output, rows);
}

rdl_code rdl_held_function_register(rdl_duck *d, duckdb_connection c, rdl_err *err)
{
    const rdl_table_function f = {
        .name = "rdl_held", .parameters = 1, .bind = bind_fn, .init = init_fn, .read = read_fn};
    return rdl_table_function_register(d, c, &f, err);
}
