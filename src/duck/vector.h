/*
 * duck/vector.h - columns of a chunk, read and written in place.
 *
 * The layouts are DuckDB's (see base/type.h for widths); duck/vector.c asserts them against
 * duckdb.h.  A chunk borrowed from a result is read-only.  Writers fill rows from 0 and set
 * chunk->rows; at most RDL_VECTOR_ROWS (2048) rows.
 *
 * Thread: whoever owns the chunk.
 */
#ifndef RDL_DUCK_VECTOR_H
#define RDL_DUCK_VECTOR_H

#include <string.h>

#include "base/type.h"

__extension__ /* DuckDB aligns its vectors to 8 bytes, whatever is in them. */
    __extension__ typedef __int128 rdl_i128 __attribute__((aligned(8)));
__extension__ typedef unsigned __int128 rdl_u128;

typedef struct rdl_vector rdl_vector;
struct rdl_vector {
    const rdl_type *type;
    void *data;           /* by type; NULL for STRUCT */
    uint64_t *validity;   /* bit per row; NULL: all valid (see rdl_vector_set_null) */
    void *handle;         /* duckdb_vector */
    rdl_vector *children; /* LIST: the element; MAP: key, value; STRUCT: the fields */
    size_t child_count;
};

typedef struct rdl_chunk {
    size_t rows, n; /* n columns */
    rdl_vector *v;
    void *handle; /* duckdb_data_chunk */
} rdl_chunk;

enum { RDL_VECTOR_ROWS = 2048 };

/* DuckDB's 16-byte string: up to 12 bytes inline, else a pointer. */
typedef union rdl_duck_string {
    struct {
        uint32_t n;
        char inlined[12];
    };
    struct {
        uint32_t n;
        char prefix[4];
        const char *p;
    } pointer;
} rdl_duck_string;

typedef struct rdl_duck_list {
    uint64_t offset, length; /* elements of children[0] (MAP: of both children) */
} rdl_duck_list;

static inline bool rdl_vector_valid(const rdl_vector *v, size_t row)
{
    return v->validity == NULL || (v->validity[row >> 6] >> (row & 63) & 1) != 0;
}
static inline rdl_str rdl_vector_str(const rdl_vector *v, size_t row)
{
    const rdl_duck_string *s = (const rdl_duck_string *)v->data + row;
    return (rdl_str){s->n <= 12 ? s->inlined : s->pointer.p, s->n};
}
#define RDL_VECTOR_AT(vec, ctype, row) (((ctype *)(vec)->data)[row])
/* Bytes of a value in a vector of the type; 0: it is not of fixed width. */
size_t rdl_vector_width(const rdl_type *t);

void rdl_vector_set_null(rdl_vector *v, size_t row); /* makes the validity mask if needed */
void rdl_vector_set_str(rdl_vector *v, size_t row, const char *p, size_t n); /* copies */
/* Room for n elements in all of a LIST's or MAP's children; their data pointers may move. */
bool rdl_vector_list_reserve(rdl_vector *v, size_t n);
void rdl_vector_list_set_size(rdl_vector *v, size_t n);
/* DECIMAL of any width as the unscaled 128-bit integer. */
rdl_i128 rdl_vector_decimal(const rdl_vector *v, size_t row);
void rdl_vector_set_decimal(rdl_vector *v, size_t row, rdl_i128 value);

/* A chunk of our own to fill (and free). */
RDL_MUST rdl_code rdl_chunk_new(const rdl_schema *schema, rdl_chunk **out, rdl_err *err);
void rdl_chunk_reset(rdl_chunk *c); /* rows = 0, all valid */
void rdl_chunk_free(rdl_chunk *c);

/* One value as text: DuckDB's CAST AS VARCHAR for scalars, JSON-like for nested ones. */
void rdl_vector_print(const rdl_vector *v, size_t row, rdl_buf *out);
/* One value as JSON: numbers, true, "text", null, [..], {..}; decimals as numbers, times ISO. */
void rdl_vector_print_json(const rdl_vector *v, size_t row, rdl_buf *out);

#endif
