/*
 * duck/handles.h - what the files of this folder share: DuckDB's handles and type mapping.
 *
 * Included by src/duck/ alone; it is where duckdb.h comes in.
 */
#ifndef RDL_DUCK_HANDLES_H
#define RDL_DUCK_HANDLES_H

/* The header declares functions without parameters as f(). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <duckdb.h>
#pragma GCC diagnostic pop

#include "base/thread.h"
#include "duck/duck.h"

/*
 * How a column as DuckDB made it becomes one of the closed list: `from` is DuckDB's type.
 * Most are the same bytes (exact); the others are widened chunk by chunk into an arena.
 */
typedef struct rdl_widen rdl_widen;
struct rdl_widen {
    duckdb_type from;
    bool exact;   /* this value and all below it have the very layout */
    bool checked; /* a value may not fit, here or below */
    rdl_widen *children;
};

typedef struct rdl_scan_entry rdl_scan_entry;
typedef struct rdl_held rdl_held;
typedef struct rdl_local_zone rdl_local_zone;
typedef struct rdl_kept rdl_kept;

struct rdl_duck {
    duckdb_database db;
    rdl_mutex lock;
    rdl_scan_entry *scans; /* under lock */
    rdl_conn *conns;       /* under lock: to find who runs a failing scan */
    rdl_held *helds;       /* under lock */
    rdl_local_zone *zones; /* under lock; none goes before the database */
    uint64_t generation;   /* of the shapes of held rows: kept plans of another are stale */
};

struct rdl_conn {
    rdl_duck *duck;
    duckdb_connection handle;
    uint64_t id; /* DuckDB's number of the connection */
    uint64_t changed;
    rdl_conn *next;
    rdl_kept *kept;                               /* NULL: none yet */
    duckdb_prepared_statement to_tree, from_tree; /* of tree.c; NULL: not made yet */
    bool scan_failed;                             /* under duck->lock */
    rdl_err scan_err;                             /* under duck->lock */
};

/* A DuckDB type as ours; false when it is outside the closed list, then *bad names it. */
bool rdl_type_from_duck(rdl_arena *a, duckdb_logical_type t, const rdl_type **out, rdl_widen *w,
                        const char **bad);
/* Ours as DuckDB's; the caller destroys it. */
duckdb_logical_type rdl_type_to_duck(const rdl_type *t);
/* RDL_ESCHEMA: this column has a type that tables cannot hold. */
rdl_code rdl_type_refuse(rdl_str column, const char *bad, rdl_err *err);

/* Allocate the children of a view on vectors of this type; handles come with bind. */
void rdl_vector_shape(rdl_arena *a, const rdl_type *t, rdl_vector *out);
/* Point a shaped view at a DuckDB vector; rows may be read or written through it. */
void rdl_vector_bind(rdl_vector *v, duckdb_vector handle);
/* As bind, converting where w is not exact; false when a value does not fit. */
bool rdl_vector_bind_widened(rdl_arena *a, rdl_vector *v, const rdl_widen *w, duckdb_vector handle,
                             size_t rows);

/* DuckDB's error text (JSON or plain) as rdl_err. */
rdl_code rdl_duck_error(rdl_err *err, const char *text, duckdb_error_type fallback);
/* The same for a connection's statement: a failed scan's own error comes first. */
rdl_code rdl_conn_error(rdl_conn *c, rdl_err *err, const char *text, duckdb_error_type fallback);
void rdl_conn_begin_statement(rdl_conn *c); /* forgets an earlier scan's failure */
/* Called from a scan on any of DuckDB's threads: the connection's statement will fail. */
void rdl_conn_scan_failed(rdl_duck *d, uint64_t conn_id, const rdl_err *err);

/* duckdb_query, without spinning while other threads work (run.c). */
duckdb_state rdl_duck_run(duckdb_connection c, const char *sql, duckdb_result *out);
/* The same; the result is computed while its chunks are fetched. */
duckdb_state rdl_duck_stream(duckdb_connection c, const char *sql, duckdb_result *out);

/* A table function that takes texts and reads only the columns that are wanted
 * (table_function.c). */
typedef struct rdl_table_function {
    const char *name;
    unsigned parameters; /* all VARCHAR */
    duckdb_table_function_bind_t bind;
    duckdb_table_function_init_t init;
    duckdb_table_function_init_t init_local; /* NULL: read by one thread at a time */
    duckdb_table_function_t read;
} rdl_table_function;
/* d is each call's extra info. */
RDL_MUST rdl_code rdl_table_function_register(rdl_duck *d, duckdb_connection c,
                                              const rdl_table_function *f, rdl_err *err);

RDL_MUST rdl_code rdl_scan_function_register(rdl_duck *d, duckdb_connection c, rdl_err *err);
void rdl_scans_free(rdl_duck *d);
RDL_MUST rdl_code rdl_held_function_register(rdl_duck *d, duckdb_connection c, rdl_err *err);
void rdl_helds_free(rdl_duck *d);
RDL_MUST rdl_code rdl_packed_function_register(rdl_duck *d, duckdb_connection c, rdl_err *err);
duckdb_data_chunk rdl_held_chunk(const rdl_held *h, size_t i); /* borrowed */
int rdl_held_column(const rdl_held *h, rdl_str name, duckdb_logical_type *out_borrowed);
/* Which held column each wanted one is; false: one is missing or would change its type. */
bool rdl_held_match(rdl_arena *a, const rdl_held *h, const rdl_schema *columns, size_t *from);
/* The chunk's own handle; the rest of it is freed. */
duckdb_data_chunk rdl_chunk_take(rdl_chunk *taken);

#endif
