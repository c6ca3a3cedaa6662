/*
 * duck/functions.c - our functions inside DuckDB.
 *
 * Aggregates keep an rdl_exact_sum inline in DuckDB's state, which DuckDB may move by
 * memcpy and frees through our destructor.  rdl_var_* and rdl_square_state keep a second
 * sum, of the squares.  rdl_sum and rdl_sum_value (and their like) end in the same
 * value_of, so that the aggregate and the route through merged states give the same bits.
 */
#include "duck/functions.h"

#include <math.h>

#include "base/exact_sum.h"
#include "duck/codec.h"
#include "duck/handles.h"
#include "duck/local_day.h"
#include "duck/utc.h"

typedef enum kind {
    KIND_SUM,
    KIND_AVG,
    KIND_VAR_POP,
    KIND_VAR_SAMP,
    KIND_STDDEV_POP,
    KIND_STDDEV_SAMP,
    KIND_SUM_STATE,
    KIND_SQUARE_STATE,
} kind;

typedef struct aggregate {
    const char *name;
    kind kind;
    bool sum, squares; /* which sums it keeps */
} aggregate;

static const aggregate aggregates[] = {
    {"rdl_sum", KIND_SUM, true, false},
    {"rdl_avg", KIND_AVG, true, false},
    {"rdl_var_pop", KIND_VAR_POP, true, true},
    {"rdl_var_samp", KIND_VAR_SAMP, true, true},
    {"rdl_stddev_pop", KIND_STDDEV_POP, true, true},
    {"rdl_stddev_samp", KIND_STDDEV_SAMP, true, true},
    {"rdl_sum_state", KIND_SUM_STATE, true, false},
    {"rdl_square_state", KIND_SQUARE_STATE, false, true},
};

enum { AGGREGATES = sizeof aggregates / sizeof *aggregates };

/* Aggregates of one sum have no squares: their state ends before it. */
typedef struct state {
    int64_t count;
    rdl_exact_sum first;
    rdl_exact_sum squares;
} state;

/* The value, for aggregates and for merged states alike; false: NULL. */
static bool value_of(kind k, rdl_exact_sum *sum, rdl_exact_sum *squares, int64_t count, double *out)
{
    bool sample = k == KIND_VAR_SAMP || k == KIND_STDDEV_SAMP;
    if (count <= 0 || (sample && count < 2))
        return false;
    if (k == KIND_SUM)
        *out = rdl_exact_value(sum);
    else if (k == KIND_AVG)
        *out = rdl_exact_mean(sum, count);
    else
        *out = rdl_exact_variance(sum, squares, count, sample);
    if (k == KIND_STDDEV_POP || k == KIND_STDDEV_SAMP)
        *out = sqrt(*out);
    return true;
}

/* ---- aggregates ---- */

static const aggregate *aggregate_of(duckdb_function_info info)
{
    return duckdb_aggregate_function_get_extra_info(info);
}

static idx_t agg_size(duckdb_function_info info)
{
    const aggregate *a = aggregate_of(info);
    return a->sum && a->squares ? sizeof(state) : offsetof(state, squares);
}

static void agg_init(duckdb_function_info info, duckdb_aggregate_state p)
{
    memset((void *)p, 0, agg_size(info)); /* an empty rdl_exact_sum is all zero */
}

static void agg_destroy_one(duckdb_aggregate_state *states, idx_t n)
{
    for (idx_t i = 0; i < n; i++)
        rdl_exact_fini(&((state *)(void *)states[i])->first);
}

static void agg_destroy_two(duckdb_aggregate_state *states, idx_t n)
{
    for (idx_t i = 0; i < n; i++)
        rdl_exact_fini(&((state *)(void *)states[i])->squares);
    agg_destroy_one(states, n);
}

/* Rows of an ungrouped aggregate come with one state: it is worth a loop of its own. */
static size_t same_state_run(duckdb_aggregate_state *states, size_t from, size_t rows)
{
    size_t to = from + 1;
    while (to < rows && states[to] == states[from])
        to++;
    return to;
}

static void add_rows(const aggregate *a, state *s, const double *x, const uint64_t *validity,
                     size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (validity != NULL && (validity[i >> 6] >> (i & 63) & 1) == 0)
            continue;
        s->count++;
        if (a->sum)
            rdl_exact_add(&s->first, x[i]);
        if (a->squares)
            rdl_exact_add_square(a->sum ? &s->squares : &s->first, x[i]);
    }
}

static void agg_update(duckdb_function_info info, duckdb_data_chunk input,
                       duckdb_aggregate_state *states)
{
    const aggregate *a = aggregate_of(info);
    duckdb_vector v = duckdb_data_chunk_get_vector(input, 0);
    const double *x = duckdb_vector_get_data(v);
    const uint64_t *validity = duckdb_vector_get_validity(v);
    size_t rows = duckdb_data_chunk_get_size(input);
    for (size_t from = 0, to; from < rows; from = to) {
        to = same_state_run(states, from, rows);
        add_rows(a, (state *)(void *)states[from], x, validity, from, to);
    }
}

static void agg_combine(duckdb_function_info info, duckdb_aggregate_state *source,
                        duckdb_aggregate_state *target, idx_t n)
{
    const aggregate *a = aggregate_of(info);
    for (idx_t i = 0; i < n; i++) {
        const state *from = (const state *)(void *)source[i];
        state *to = (state *)(void *)target[i];
        to->count += from->count;
        rdl_exact_merge(&to->first, &from->first);
        if (a->sum && a->squares)
            rdl_exact_merge(&to->squares, &from->squares);
    }
}

static void set_invalid(duckdb_vector v, idx_t row)
{
    duckdb_vector_ensure_validity_writable(v);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(v), row);
}

static void finalize_bytes(state *s, duckdb_vector result, idx_t row)
{
    uint8_t bytes[RDL_EXACT_BYTES_MAX];
    if (s->count == 0) {
        set_invalid(result, row);
        return;
    }
    size_t n = rdl_exact_encode(&s->first, bytes);
    duckdb_vector_assign_string_element_len(result, row, (const char *)bytes, n);
}

static void agg_finalize(duckdb_function_info info, duckdb_aggregate_state *source,
                         duckdb_vector result, idx_t n, idx_t offset)
{
    const aggregate *a = aggregate_of(info);
    bool bytes = a->kind == KIND_SUM_STATE || a->kind == KIND_SQUARE_STATE;
    for (idx_t i = 0; i < n; i++) {
        state *s = (state *)(void *)source[i];
        double x;
        if (bytes)
            finalize_bytes(s, result, offset + i);
        else if (value_of(a->kind, &s->first, &s->squares, s->count, &x))
            ((double *)duckdb_vector_get_data(result))[offset + i] = x;
        else
            set_invalid(result, offset + i);
    }
}

static bool register_aggregate(duckdb_connection c, const aggregate *a)
{
    bool bytes = a->kind == KIND_SUM_STATE || a->kind == KIND_SQUARE_STATE;
    duckdb_aggregate_function f = duckdb_create_aggregate_function();
    duckdb_logical_type in = duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    duckdb_logical_type out =
        duckdb_create_logical_type(bytes ? DUCKDB_TYPE_BLOB : DUCKDB_TYPE_DOUBLE);
    duckdb_aggregate_function_set_name(f, a->name);
    duckdb_aggregate_function_add_parameter(f, in);
    duckdb_aggregate_function_set_return_type(f, out);
    duckdb_aggregate_function_set_functions(f, agg_size, agg_init, agg_update, agg_combine,
                                            agg_finalize);
    duckdb_aggregate_function_set_destructor(f, a->sum && a->squares ? agg_destroy_two
                                                                     : agg_destroy_one);
    duckdb_aggregate_function_set_extra_info(f, (void *)(uintptr_t)a, NULL);
    bool ok = duckdb_register_aggregate_function(c, f) == DuckDBSuccess;
    duckdb_destroy_logical_type(&in);
    duckdb_destroy_logical_type(&out);
    duckdb_destroy_aggregate_function(&f);
    return ok;
}

/* ---- values of merged states ---- */

/* A column of the input as DuckDB lays it out. */
typedef struct column {
    const void *data;
    const uint64_t *validity;
} column;

static column input_column(duckdb_data_chunk input, idx_t i)
{
    duckdb_vector v = duckdb_data_chunk_get_vector(input, i);
    return (column){duckdb_vector_get_data(v), duckdb_vector_get_validity(v)};
}

static bool is_valid(column c, size_t row)
{
    return c.validity == NULL || (c.validity[row >> 6] >> (row & 63) & 1) != 0;
}

static rdl_str text_at(column c, size_t row)
{
    rdl_vector v = {.data = (void *)(uintptr_t)c.data};
    return rdl_vector_str(&v, row);
}

static bool kind_named(rdl_str name, kind *out)
{
    for (size_t i = 0; i < AGGREGATES; i++) {
        /* "rdl_var_pop" without its prefix */
        if (aggregates[i].kind >= KIND_VAR_POP && aggregates[i].kind <= KIND_STDDEV_SAMP &&
            rdl_str_eq(name, rdl_str_of(aggregates[i].name + 4))) {
            *out = aggregates[i].kind;
            return true;
        }
    }
    return false;
}

/* One row of rdl_sum_value (1 column), rdl_avg_value (2), rdl_var_value (4). */
static const char *state_value(const column *in, size_t columns, size_t row, bool *out_null,
                               double *out)
{
    rdl_exact_sum sum, squares;
    kind k = columns == 1 ? KIND_SUM : KIND_AVG;
    int64_t count = 1;
    const char *why = NULL;

    *out_null = false;
    for (size_t i = 0; i < columns; i++)
        *out_null = *out_null || !is_valid(in[i], row);
    if (*out_null)
        return NULL;
    if (columns == 4 && !kind_named(text_at(in[3], row), &k))
        return "rdl_var_value takes 'var_pop', 'var_samp', 'stddev_pop' or 'stddev_samp'";
    if (columns == 2)
        count = ((const int64_t *)in[1].data)[row];
    else if (columns == 4)
        count = ((const int64_t *)in[2].data)[row];
    rdl_exact_init(&sum);
    rdl_exact_init(&squares);
    rdl_str bytes = text_at(in[0], row);
    bool ok = rdl_exact_decode(&sum, bytes.p, bytes.n);
    if (ok && columns == 4) {
        bytes = text_at(in[1], row);
        ok = rdl_exact_decode(&squares, bytes.p, bytes.n);
    }
    if (!ok)
        why = "the bytes are not the state of a sum";
    else
        *out_null = !value_of(k, &sum, &squares, count, out);
    rdl_exact_fini(&sum);
    rdl_exact_fini(&squares);
    return why;
}

static void value_fn(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    size_t columns = duckdb_data_chunk_get_column_count(input);
    size_t rows = duckdb_data_chunk_get_size(input);
    double *out = duckdb_vector_get_data(output);
    column in[4] = {{NULL, NULL}};
    for (size_t i = 0; i < columns && i < 4; i++)
        in[i] = input_column(input, i);
    for (size_t row = 0; row < rows; row++) {
        bool null;
        const char *why = state_value(in, columns, row, &null, &out[row]);
        if (why != NULL) {
            duckdb_scalar_function_set_error(info, why);
            return;
        }
        if (null)
            set_invalid(output, row);
    }
}

/* ---- keys ---- */

static const char *bind_key_columns(rdl_arena *a, duckdb_data_chunk input, rdl_vector *v,
                                    size_t columns)
{
    size_t rows = duckdb_data_chunk_get_size(input);
    for (size_t i = 0; i < columns; i++) {
        rdl_widen w;
        const rdl_type *type;
        const char *bad = "";
        duckdb_vector handle = duckdb_data_chunk_get_vector(input, i);
        duckdb_logical_type t = duckdb_vector_get_column_type(handle);
        bool ok = rdl_type_from_duck(a, t, &type, &w, &bad);
        duckdb_destroy_logical_type(&t);
        if (!ok)
            return rdl_arena_printf(a, "rdl_key cannot take a value of type %s", bad);
        rdl_vector_shape(a, type, &v[i]);
        if (!rdl_vector_bind_widened(a, &v[i], &w, handle, rows))
            return "rdl_key was given a value that does not fit into DECIMAL(38,0)";
    }
    return NULL;
}

static void key_fn(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    size_t columns = duckdb_data_chunk_get_column_count(input);
    size_t rows = duckdb_data_chunk_get_size(input);
    rdl_buf key = {0};
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_vector *v = RDL_NEWN(&a, rdl_vector, columns + 1);
    rdl_vector result = {.data = duckdb_vector_get_data(output), .handle = output};
    const char *why = bind_key_columns(&a, input, v, columns);
    if (why != NULL) {
        duckdb_scalar_function_set_error(info, why);
        rows = 0;
    }
    for (size_t row = 0; row < rows; row++) {
        rdl_buf_clear(&key);
        for (size_t i = 0; i < columns; i++)
            rdl_codec_put(&v[i], row, &key);
        rdl_vector_set_str(&result, row, rdl_buf_str(&key), key.n);
    }
    rdl_buf_fini(&key);
    rdl_arena_fini(&a);
}

typedef struct scalar {
    const char *name;
    duckdb_scalar_function_t fn;
    duckdb_type result;
    duckdb_type parameters[4];
    size_t n;
    bool any; /* any number of any type instead */
} scalar;

static const scalar scalars[] = {
    {"rdl_sum_value", value_fn, DUCKDB_TYPE_DOUBLE, {DUCKDB_TYPE_BLOB}, 1, false},
    {"rdl_avg_value",
     value_fn,
     DUCKDB_TYPE_DOUBLE,
     {DUCKDB_TYPE_BLOB, DUCKDB_TYPE_BIGINT},
     2,
     false},
    {"rdl_var_value",
     value_fn,
     DUCKDB_TYPE_DOUBLE,
     {DUCKDB_TYPE_BLOB, DUCKDB_TYPE_BLOB, DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_VARCHAR},
     4,
     false},
    {"rdl_local_day",
     rdl_local_day_fn,
     DUCKDB_TYPE_DATE,
     {DUCKDB_TYPE_TIMESTAMP_TZ, DUCKDB_TYPE_VARCHAR},
     2,
     false},
    {"rdl_utc_day", rdl_utc_day_fn, DUCKDB_TYPE_DATE, {DUCKDB_TYPE_TIMESTAMP_TZ}, 1, false},
    {"rdl_key", key_fn, DUCKDB_TYPE_BLOB, {DUCKDB_TYPE_INVALID}, 0, true},
};

static void add_parameter(duckdb_scalar_function f, duckdb_type type, bool any)
{
    duckdb_logical_type t = duckdb_create_logical_type(any ? DUCKDB_TYPE_ANY : type);
    if (any)
        duckdb_scalar_function_set_varargs(f, t);
    else
        duckdb_scalar_function_add_parameter(f, t);
    duckdb_destroy_logical_type(&t);
}

static bool register_scalar(rdl_conn *c, const scalar *s)
{
    duckdb_scalar_function f = duckdb_create_scalar_function();
    duckdb_logical_type out = duckdb_create_logical_type(s->result);
    duckdb_scalar_function_set_name(f, s->name);
    for (size_t i = 0; i < s->n; i++)
        add_parameter(f, s->parameters[i], false);
    if (s->any)
        add_parameter(f, DUCKDB_TYPE_ANY, true);
    duckdb_scalar_function_set_return_type(f, out);
    duckdb_scalar_function_set_special_handling(f); /* NULLs are looked at row by row */
    duckdb_scalar_function_set_function(f, s->fn);
    duckdb_scalar_function_set_extra_info(f, c->duck, NULL);
    bool ok = duckdb_register_scalar_function(c->handle, f) == DuckDBSuccess;
    duckdb_destroy_logical_type(&out);
    duckdb_destroy_scalar_function(&f);
    return ok;
}

rdl_code rdl_functions_register(rdl_conn *c, rdl_err *err)
{
    for (size_t i = 0; i < AGGREGATES; i++)
        if (!register_aggregate(c->handle, &aggregates[i]))
            return rdl_err_set(err, RDL_EBUG, 0, "could not register %s", aggregates[i].name);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (!register_scalar(c, &scalars[i]))
            return rdl_err_set(err, RDL_EBUG, 0, "could not register %s", scalars[i].name);
    return RDL_OK;
}
