/*
 * lake/parquet_column.h - the values of one leaf column of a row group, and its pages.
 *
 * Only parquet.c includes this.
 */
#ifndef RDL_LAKE_PARQUET_COLUMN_H
#define RDL_LAKE_PARQUET_COLUMN_H

#include "duck/vector.h"
#include "lake/thrift.h"

typedef enum rdl_parquet_physical {
    RDL_PARQUET_BOOLEAN = 0,
    RDL_PARQUET_INT32 = 1,
    RDL_PARQUET_INT64 = 2,
    RDL_PARQUET_DOUBLE = 5,
    RDL_PARQUET_BYTES = 6,
    RDL_PARQUET_FIXED = 7, /* 16 bytes, big-endian: a wide decimal */
} rdl_parquet_physical;

/* Smallest and greatest of some values; a slot holds one as a vector of its type does. */
typedef struct rdl_parquet_range {
    bool any, nan;
    rdl_i128 slot[2]; /* scalars */
    rdl_buf text[2];  /* RDL_PARQUET_BYTES */
    uint64_t nulls;
} rdl_parquet_range;

typedef struct rdl_parquet_leaf {
    const rdl_type *type;
    rdl_parquet_physical physical;
    size_t width;          /* of a value in `values`; RDL_PARQUET_BYTES: 0 */
    unsigned def, rep;     /* greatest levels; def 0: required */
    const rdl_str *path;
    size_t path_count;
    /* Of the row group: */
    size_t entries;        /* values, nulls and empty lists */
    rdl_buf defs;          /* a byte per entry; empty while all are `def` */
    rdl_buf reps;          /* a byte per entry; empty when rep is 0 */
    size_t count;          /* values */
    rdl_buf values;        /* side by side; of RDL_PARQUET_BYTES their bytes */
    rdl_buf lengths;       /* u32 for each, of RDL_PARQUET_BYTES */
    rdl_parquet_range group, file;
} rdl_parquet_leaf;

/* What the leaves of a writer share while pages are made. */
typedef struct rdl_parquet_scratch {
    rdl_buf table, indexes, dictionary, page, packed;
    void *zstd; /* made when first wanted */
} rdl_parquet_scratch;

void rdl_parquet_leaf_fini(rdl_parquet_leaf *leaf);
void rdl_parquet_scratch_fini(rdl_parquet_scratch *s);
void rdl_parquet_leaf_new_file(rdl_parquet_leaf *leaf);

/* A top-level scalar column's rows, nulls and all. */
void rdl_parquet_leaf_rows(rdl_parquet_leaf *leaf, const rdl_vector *v, size_t from, size_t n);
/* One entry of a nested column. */
void rdl_parquet_leaf_entry(rdl_parquet_leaf *leaf, unsigned rep, unsigned def);
void rdl_parquet_leaf_value(rdl_parquet_leaf *leaf, const rdl_vector *v, size_t row, unsigned rep);

/*
 * The leaf's pages behind what `out` holds, its ColumnChunk as an element of meta, and the leaf
 * ready for the next row group.  base: where the file is at out's first byte.
 */
RDL_MUST rdl_code rdl_parquet_leaf_flush(rdl_parquet_leaf *leaf,
                                         rdl_parquet_scratch *s,
                                         uint64_t base,
                                         rdl_buf *out,
                                         rdl_thrift *meta,
                                         uint64_t *plain_bytes,
                                         rdl_err *err);

/* parquet_range.c */
void rdl_parquet_range_fini(rdl_parquet_range *r);
void rdl_parquet_range_clear(rdl_parquet_range *r);
/* The leaf's values into leaf->group, and that into leaf->file.  dictionary: the distinct ones as
 * they lie in its page; NULL: there is none. */
void rdl_parquet_range_of(rdl_parquet_leaf *leaf, const rdl_buf *dictionary);
/* Statistics as field `number`. */
void rdl_parquet_range_put(const rdl_parquet_leaf *leaf, rdl_thrift *meta, int number);
/* A bound of the file as text; false: it is not told. */
bool rdl_parquet_range_text(const rdl_parquet_leaf *leaf, bool max, rdl_buf *out);

/* parquet_rle.c: numbers below 2^width in Parquet's mixture of runs and packed bits. */
void rdl_parquet_put_hybrid(rdl_buf *out, const uint32_t *v, size_t n, unsigned width);
unsigned rdl_parquet_bits(uint32_t most); /* that a number up to most takes; at least 1 */

#endif
