/*
 * lake/parquet.h - rows to a Parquet file, by ourselves.
 *
 * DuckDB writes Parquet well when there is much of it.  An epoch brings a hundred rows for
 * each of hundreds of partitions, and then its price is per file and column: a writer, its
 * buffers and a statistics pass for each, about 4 ms of processor time for a file that holds
 * 20 KB, and memory for every file that is open.  This writer keeps its buffers from file to
 * file, has one file open at a time, and writes a small one in a single write.
 *
 * What it writes is plain Parquet 1: optional columns, data pages of version 1 with checksums,
 * dictionaries where values repeat, Snappy for small pages and zstd for others, minimum,
 * maximum and nulls of each column.  All types of base/type.h, nested ones too.
 *
 * Thread: one at a time.
 */
#ifndef RDL_LAKE_PARQUET_H
#define RDL_LAKE_PARQUET_H

#include "duck/duck.h"

typedef struct rdl_parquet rdl_parquet;

/* The bounds of a column as texts that a CAST of its type reads; p NULL: not told. */
typedef struct rdl_parquet_bounds {
    rdl_str min, max;
    uint64_t nulls;
    bool any; /* scalar, so that nulls are counted */
} rdl_parquet_bounds;

typedef struct rdl_parquet_written {
    uint64_t rows, bytes;
    const rdl_parquet_bounds *bounds; /* by column of the schema; until the next open */
} rdl_parquet_written;

/* The schema is borrowed and outlives the writer.  json: JSON columns say so; else they are text,
 * as Delta has them. */
RDL_MUST rdl_code
rdl_parquet_new(const rdl_schema *schema, bool json, rdl_parquet **out, rdl_err *err);
void rdl_parquet_free(rdl_parquet *p); /* NULL is fine; a file that is open stays as it is */

/* A new file at the path (one that is there is overwritten).  Not synced. */
RDL_MUST rdl_code rdl_parquet_open(rdl_parquet *p, const char *path, rdl_err *err);
/* Rows [from, from + n) of the chunk, whose first columns are the schema's. */
RDL_MUST rdl_code
rdl_parquet_put(rdl_parquet *p, const rdl_chunk *c, size_t from, size_t n, rdl_err *err);
/* Ends the file; after a failure its bytes are worth nothing. */
RDL_MUST rdl_code rdl_parquet_close(rdl_parquet *p, rdl_parquet_written *out, rdl_err *err);

/* The rows of a SELECT of the schema's columns, in whatever order they come, as one file. */
RDL_MUST rdl_code rdl_parquet_write(
    rdl_conn *conn, const char *select, const rdl_schema *schema, const char *path, rdl_err *err);

#endif
