/*
 * duck/vector.c - views on DuckDB's vectors, and chunks of our own.
 *
 * A view is shaped once per type (its tree of children) and bound to a DuckDB vector as
 * often as there is a new one; binding costs a few calls per column, nothing per row.
 *
 *   V1  A NULL struct has NULL fields: DuckDB's struct_extract looks at the field alone.
 *   V2  Bytes past the end of an inlined string are zero: DuckDB compares whole words.
 */
#include "duck/handles.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(rdl_duck_string) == sizeof(duckdb_string_t), "string layout");
static_assert(offsetof(rdl_duck_string, inlined) == 4, "string layout");
static_assert(offsetof(duckdb_string_t, value.pointer.ptr) == offsetof(rdl_duck_string, pointer.p),
              "string layout");
static_assert(sizeof(rdl_duck_list) == sizeof(duckdb_list_entry), "list layout");
static_assert(sizeof(rdl_i128) == sizeof(duckdb_hugeint), "decimal layout");
static_assert(sizeof(duckdb_date) == 4 && sizeof(duckdb_timestamp) == 8, "time layout");

/* ---- views ---- */

void rdl_vector_shape(rdl_arena *a, const rdl_type *t, rdl_vector *out)
{
    *out = (rdl_vector){.type = t, .child_count = rdl_type_child_count(t)};
    if (out->child_count == 0)
        return;
    out->children = RDL_NEWN(a, rdl_vector, out->child_count);
    for (size_t i = 0; i < out->child_count; i++)
        rdl_vector_shape(a, rdl_type_child(t, i), &out->children[i]);
}

/* DuckDB's vector of child i: a map is a list of struct(key, value). */
static duckdb_vector child_handle(const rdl_vector *v, size_t i)
{
    if (v->type->kind == RDL_TYPE_STRUCT)
        return duckdb_struct_vector_get_child(v->handle, i);
    duckdb_vector list = duckdb_list_vector_get_child(v->handle);
    return v->type->kind == RDL_TYPE_LIST ? list : duckdb_struct_vector_get_child(list, i);
}

static void bind_children(rdl_vector *v)
{
    for (size_t i = 0; i < v->child_count; i++)
        rdl_vector_bind(&v->children[i], child_handle(v, i));
}

void rdl_vector_bind(rdl_vector *v, duckdb_vector handle)
{
    v->handle = handle;
    v->data = v->type->kind == RDL_TYPE_STRUCT ? NULL : duckdb_vector_get_data(handle);
    v->validity = duckdb_vector_get_validity(handle);
    bind_children(v);
}

/* ---- widening ---- */

/* Infinite times are the ends of the range in every unit. */
static bool scale_time(int64_t in, int64_t factor, int64_t *out)
{
    if (in == INT64_MAX || in == -INT64_MAX) {
        *out = in;
        return true;
    }
    return !__builtin_mul_overflow(in, factor, out);
}

static int64_t micros_of_nanos(int64_t ns)
{
    if (ns == INT64_MAX || ns == -INT64_MAX)
        return ns;
    return ns / 1000 - (ns % 1000 < 0 ? 1 : 0);
}

static rdl_i128 ten_to(unsigned n)
{
    rdl_i128 p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

/* Copy rows of one C type into another; rows that are NULL are copied too, harmlessly. */
#define WIDEN_LOOP(to, from_type)                                                                  \
    for (size_t i = 0; i < rows; i++)                                                              \
    ((to *)out)[i] = (to)((const from_type *)in)[i]

static bool widen_hugeints(const rdl_vector *v, const void *in, rdl_i128 *out, size_t rows,
                           bool is_unsigned)
{
    rdl_i128 bound = ten_to(38);
    for (size_t i = 0; i < rows; i++) {
        rdl_i128 x = ((const rdl_i128 *)in)[i];
        bool fits = x < bound && (is_unsigned ? x >= 0 : x > -bound);
        if (!fits && rdl_vector_valid(v, i))
            return false;
        out[i] = x;
    }
    return true;
}

static bool widen_times(const rdl_vector *v, const int64_t *in, int64_t *out, size_t rows,
                        int64_t factor)
{
    for (size_t i = 0; i < rows; i++)
        if (rdl_vector_valid(v, i) && !scale_time(in[i], factor, &out[i]))
            return false;
    return true;
}

static bool widen_scalars(const rdl_vector *v, duckdb_type from, const void *in, void *out,
                          size_t rows)
{
    switch (from) {
    case DUCKDB_TYPE_TINYINT:
        WIDEN_LOOP(int32_t, int8_t);
        return true;
    case DUCKDB_TYPE_SMALLINT:
        WIDEN_LOOP(int32_t, int16_t);
        return true;
    case DUCKDB_TYPE_UTINYINT:
        WIDEN_LOOP(int32_t, uint8_t);
        return true;
    case DUCKDB_TYPE_USMALLINT:
        WIDEN_LOOP(int32_t, uint16_t);
        return true;
    case DUCKDB_TYPE_UINTEGER:
        WIDEN_LOOP(int64_t, uint32_t);
        return true;
    case DUCKDB_TYPE_UBIGINT:
        WIDEN_LOOP(rdl_i128, uint64_t);
        return true;
    case DUCKDB_TYPE_FLOAT:
        WIDEN_LOOP(double, float);
        return true;
    case DUCKDB_TYPE_TIMESTAMP_S:
        return widen_times(v, in, out, rows, 1000000);
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return widen_times(v, in, out, rows, 1000);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        for (size_t i = 0; i < rows; i++)
            ((int64_t *)out)[i] = micros_of_nanos(((const int64_t *)in)[i]);
        return true;
    default: /* HUGEINT, UHUGEINT */
        return widen_hugeints(v, in, out, rows, from == DUCKDB_TYPE_UHUGEINT);
    }
}

bool rdl_vector_bind_widened(rdl_arena *a, rdl_vector *v, const rdl_widen *w, duckdb_vector handle,
                             size_t rows)
{
    if (w->exact) {
        rdl_vector_bind(v, handle);
        return true;
    }
    v->handle = handle;
    v->validity = duckdb_vector_get_validity(handle);
    v->data = v->type->kind == RDL_TYPE_STRUCT ? NULL : duckdb_vector_get_data(handle);
    if (v->child_count == 0) {
        const void *in = v->data;
        v->data = RDL_NEWN(a, rdl_i128, rows); /* the widest of all */
        return widen_scalars(v, w->from, in, v->data, rows);
    }
    if (v->type->kind != RDL_TYPE_STRUCT)
        rows = duckdb_list_vector_get_size(handle);
    for (size_t i = 0; i < v->child_count; i++)
        if (!rdl_vector_bind_widened(a, &v->children[i], &w->children[i], child_handle(v, i), rows))
            return false;
    return true;
}

/* ---- writing ---- */

void rdl_vector_set_null(rdl_vector *v, size_t row)
{
    if (v->validity == NULL) {
        duckdb_vector_ensure_validity_writable(v->handle);
        v->validity = duckdb_vector_get_validity(v->handle);
    }
    v->validity[row >> 6] &= ~((uint64_t)1 << (row & 63));
    if (v->type->kind == RDL_TYPE_STRUCT) { /* V1 */
        for (size_t i = 0; i < v->child_count; i++)
            rdl_vector_set_null(&v->children[i], row);
    } else if (v->child_count != 0) {
        RDL_VECTOR_AT(v, rdl_duck_list, row) = (rdl_duck_list){0, 0};
    }
}

void rdl_vector_set_str(rdl_vector *v, size_t row, const char *p, size_t n)
{
    if (n > sizeof((rdl_duck_string *)0)->inlined) {
        duckdb_vector_assign_string_element_len(v->handle, row, p, n);
        return;
    }
    rdl_duck_string s = {.n = (uint32_t)n}; /* V2 */
    memset(s.inlined, 0, sizeof s.inlined);
    if (n != 0)
        memcpy(s.inlined, p, n);
    RDL_VECTOR_AT(v, rdl_duck_string, row) = s;
}

bool rdl_vector_list_reserve(rdl_vector *v, size_t n)
{
    if (duckdb_list_vector_reserve(v->handle, n) != DuckDBSuccess)
        return false;
    bind_children(v);
    return true;
}

void rdl_vector_list_set_size(rdl_vector *v, size_t n)
{
    (void)duckdb_list_vector_set_size(v->handle, n); /* fails on NULL alone */
}

rdl_i128 rdl_vector_decimal(const rdl_vector *v, size_t row)
{
    unsigned p = v->type->precision;
    if (p <= 4)
        return RDL_VECTOR_AT(v, int16_t, row);
    if (p <= 9)
        return RDL_VECTOR_AT(v, int32_t, row);
    if (p <= 18)
        return RDL_VECTOR_AT(v, int64_t, row);
    return RDL_VECTOR_AT(v, rdl_i128, row);
}

void rdl_vector_set_decimal(rdl_vector *v, size_t row, rdl_i128 value)
{
    unsigned p = v->type->precision;
    if (p <= 4)
        RDL_VECTOR_AT(v, int16_t, row) = (int16_t)value;
    else if (p <= 9)
        RDL_VECTOR_AT(v, int32_t, row) = (int32_t)value;
    else if (p <= 18)
        RDL_VECTOR_AT(v, int64_t, row) = (int64_t)value;
    else
        RDL_VECTOR_AT(v, rdl_i128, row) = value;
}

/* ---- chunks of our own ---- */

typedef struct owned_chunk {
    rdl_chunk chunk; /* first: the pointer given out */
    rdl_arena arena;
    duckdb_data_chunk handle;
} owned_chunk;

static void bind_chunk(rdl_chunk *c)
{
    for (size_t i = 0; i < c->n; i++)
        rdl_vector_bind(&c->v[i], duckdb_data_chunk_get_vector(c->handle, i));
}

rdl_code rdl_chunk_new(const rdl_schema *schema, rdl_chunk **out, rdl_err *err)
{
    owned_chunk *o = calloc(1, sizeof *o); /* allow: long-lived, freed by rdl_chunk_free */
    if (o == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&o->arena, 0);
    duckdb_logical_type *types = RDL_NEWN(&o->arena, duckdb_logical_type, schema->n);
    o->chunk.n = schema->n;
    o->chunk.v = RDL_NEWN(&o->arena, rdl_vector, schema->n);
    for (size_t i = 0; i < schema->n; i++) {
        types[i] = rdl_type_to_duck(schema->v[i].type);
        rdl_vector_shape(&o->arena, schema->v[i].type, &o->chunk.v[i]);
    }
    o->handle = duckdb_create_data_chunk(types, schema->n);
    for (size_t i = 0; i < schema->n; i++)
        duckdb_destroy_logical_type(&types[i]);
    if (o->handle == NULL) {
        rdl_arena_fini(&o->arena);
        free(o); /* allow: see calloc above */
        return rdl_err_set(err, RDL_ENOMEM, 0, "could not allocate a chunk of %zu columns",
                           schema->n);
    }
    o->chunk.handle = o->handle;
    bind_chunk(&o->chunk);
    *out = &o->chunk;
    return RDL_OK;
}

void rdl_chunk_reset(rdl_chunk *c)
{
    duckdb_data_chunk_reset(c->handle);
    c->rows = 0;
    bind_chunk(c);
}

duckdb_data_chunk rdl_chunk_take(rdl_chunk *taken)
{
    owned_chunk *o = (owned_chunk *)(void *)taken;
    duckdb_data_chunk handle = o->handle;
    rdl_arena_fini(&o->arena);
    free(o); /* allow: heap chunk of rdl_chunk_new */
    return handle;
}

void rdl_chunk_free(rdl_chunk *c)
{
    if (c == NULL)
        return;
    owned_chunk *o = (owned_chunk *)(void *)c;
    duckdb_destroy_data_chunk(&o->handle);
    rdl_arena_fini(&o->arena);
    free(o); /* allow: heap chunk of rdl_chunk_new */
}

size_t rdl_vector_width(const rdl_type *t)
{
    switch (t->kind) {
    case RDL_TYPE_BOOLEAN:
        return 1;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_DATE:
        return 4;
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DOUBLE:
    case RDL_TYPE_TIMESTAMPTZ:
        return 8;
    case RDL_TYPE_DECIMAL:
        return t->precision <= 4 ? 2 : t->precision <= 9 ? 4 : t->precision <= 18 ? 8 : 16;
    default:
        return 0;
    }
}
