/*
 * duck/duck.h - DuckDB as we use it: an in-memory database that computes, and nothing else.
 *
 * No other folder sees duckdb.h.  We rely on results as sets: not on row order, clock, float
 * summation, choice among ties or memory accounting.  Every connection runs with TimeZone
 * 'UTC', errors as JSON (turned into rdl_err by this folder), no network and no extension
 * download.  Configuration is locked except where rdl_duck_config says.
 *
 * Thread: an rdl_duck is shared; an rdl_conn and its results belong to one thread at a time.
 */
#ifndef RDL_DUCK_DUCK_H
#define RDL_DUCK_DUCK_H

#include "base/type.h"
#include "duck/vector.h"

typedef struct rdl_duck rdl_duck;
typedef struct rdl_conn rdl_conn;
typedef struct rdl_result rdl_result;

typedef struct rdl_duck_config {
    uint64_t memory_bytes; /* 0: DuckDB's default */
    unsigned threads;      /* 0: one per processor */
    const char *temp_dir;  /* where DuckDB spills; NULL: nowhere */
} rdl_duck_config;

/* Opens, registers our functions (see functions.h) and the rdl_scan table function. */
RDL_MUST rdl_code rdl_duck_open(const rdl_duck_config *config, rdl_duck **out, rdl_err *err);
void rdl_duck_close(rdl_duck *d);   /* NULL is fine; connections must be closed */
const char *rdl_duck_version(void); /* "v1.5.6" */
RDL_MUST rdl_code rdl_conn_open(rdl_duck *d, rdl_conn **out, rdl_err *err);
void rdl_conn_close(rdl_conn *c);
void rdl_conn_interrupt(rdl_conn *c); /* from any thread: the running query fails with ESTOP */

/*
 * Run statements, dropping their results.  A DuckDB error becomes: Parser, Binder, Catalog
 * errors RDL_EUSAGE with err->col = byte position + 1 in the SQL text (line 0: the caller maps
 * it) and the nearest candidate as hint; Conversion, OutOfRange, InvalidInput RDL_EDATA;
 * OutOfMemory RDL_ELIMIT; IO RDL_EIO; Interrupt RDL_ESTOP; Internal RDL_EBUG.  If a scan
 * (below) failed while the query ran, that scan's own rdl_err is returned instead.
 */
RDL_MUST rdl_code rdl_exec(rdl_conn *c, const char *sql, rdl_err *err);
RDL_MUST rdl_code rdl_execf(rdl_conn *c, rdl_err *err, const char *fmt, ...) RDL_PRINTF(3, 4);
/* Rows changed by the last rdl_exec of an INSERT, UPDATE, DELETE, COPY or CTAS. */
uint64_t rdl_conn_changed(const rdl_conn *c);

/*
 * A materialised result; chunks are given once, in order.  Types outside the closed list are
 * widened into it: small integers to INTEGER or BIGINT, UBIGINT to DECIMAL(20,0) (to BIGINT in
 * the result of a COPY or its like), HUGEINT to DECIMAL(38,0) or RDL_EDATA if a value is too
 * large, FLOAT to DOUBLE, any TIMESTAMP to TIMESTAMPTZ; the others are RDL_ESCHEMA.
 */
RDL_MUST rdl_code rdl_query(rdl_conn *c, const char *sql, rdl_result **out, rdl_err *err);
RDL_MUST rdl_code rdl_queryf(rdl_conn *c, rdl_result **out, rdl_err *err, const char *fmt, ...)
    RDL_PRINTF(4, 5);
/*
 * The same, computed while it is read, so that a result may be larger than memory.  Until it is
 * freed the connection runs nothing else.  A failure on the way ends the chunks: ask
 * rdl_result_end.
 */
RDL_MUST rdl_code rdl_query_stream(rdl_conn *c, const char *sql, rdl_result **out, rdl_err *err);
RDL_MUST rdl_code rdl_result_end(const rdl_result *r, rdl_err *err);
const rdl_schema *rdl_result_schema(const rdl_result *r); /* lives as long as the result */
/* The next chunk, valid until the next call; false at the end. */
bool rdl_result_next(rdl_result *r, const rdl_chunk **out);
uint64_t rdl_result_rows(const rdl_result *r);
void rdl_result_free(rdl_result *r);

/* The first column of the only row.  No row or NULL: out is left as it was. */
RDL_MUST rdl_code rdl_query_i64(rdl_conn *c, const char *sql, int64_t *out, rdl_err *err);
RDL_MUST rdl_code rdl_query_text(rdl_conn *c, rdl_arena *a, const char *sql, char **out,
                                 rdl_err *err);

/* Column names and types of a SELECT without running it; types outside the closed list are
 * RDL_ESCHEMA naming the column (HUGEINT is DECIMAL(38,0); INTERVAL, TIME, ENUM are not). */
RDL_MUST rdl_code rdl_describe(rdl_conn *c, rdl_arena *a, const char *sql, rdl_schema *out,
                               rdl_err *err);
/* The same; *same is false when a column's own type is widened into the one that is shown. */
RDL_MUST rdl_code rdl_describe_same(rdl_conn *c, rdl_arena *a, const char *sql, rdl_schema *out,
                                    bool *same, rdl_err *err);

/*
 * Our rows into DuckDB: a scan is registered under a name and read as
 * rdl_scan('name'); several threads call next at once, each with its own local.  A scan ends for a
 * thread when next leaves out->rows 0.  Order is not promised.
 */
typedef struct rdl_scan_ops {
    /* A query may read a scan more than once, at the same time too: each reading is a pass, and is
     * what open_local and next get for `scan`.  NULL: the scan itself, for whoever reads it. */
    rdl_code (*open_pass)(void *scan, void **out_pass, rdl_err *err);
    void (*close_pass)(void *scan, void *pass); /* after the last local; may be NULL */
    rdl_code (*open_local)(void *scan, void **out_local, rdl_err *err); /* may be NULL */
    /* out has the registered columns; rows_max is RDL_VECTOR_ROWS.  wanted[i] tells whether
     * column i is read at all; the others may be left alone.  count(*) reads the first. */
    rdl_code (*next)(void *scan, void *local, const bool *wanted, rdl_chunk *out, rdl_err *err);
    void (*close_local)(void *local); /* may be NULL */
    unsigned threads_max;
    uint64_t rows_estimate; /* 0: not known */
} rdl_scan_ops;
RDL_MUST rdl_code rdl_scan_register(rdl_duck *d, const char *name, const rdl_schema *schema,
                                    const rdl_scan_ops *ops, void *scan, rdl_err *err);
void rdl_scan_drop(rdl_duck *d, const char *name);

/* An appender on a table: chunks are built by the caller with rdl_chunk_new. */
typedef struct rdl_appender rdl_appender;
RDL_MUST rdl_code rdl_appender_open(rdl_conn *c, const char *schema, const char *table,
                                    rdl_appender **out, rdl_err *err);
rdl_chunk *rdl_appender_chunk(rdl_appender *ap); /* to fill: rows starts at 0 */
RDL_MUST rdl_code rdl_appender_flush(rdl_appender *ap,
                                     rdl_err *err); /* sends the chunk, empties it */
RDL_MUST rdl_code rdl_appender_close(rdl_appender *ap,
                                     rdl_err *err); /* flushes, frees; NULL is fine */

/* SELECT text to DuckDB's JSON tree and back, on any connection. */
RDL_MUST rdl_code rdl_sql_to_tree(rdl_conn *c, rdl_arena *a, const char *select, char **out_json,
                                  rdl_err *err); /* syntax errors: err->col as for rdl_exec */
RDL_MUST rdl_code rdl_tree_to_sql(rdl_conn *c, rdl_arena *a, const char *json, char **out_select,
                                  rdl_err *err);

#endif
