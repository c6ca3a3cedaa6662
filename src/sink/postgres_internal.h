/*
 * sink/postgres_internal.h - what the files of the PostgreSQL sink share: postgres.c (opening,
 * progress, transactions), postgres_table.c (names, columns, keys, DDL), postgres_copy.c (rows in),
 * postgres_value.c (values to bytes and back), postgres_read.c (scan), postgres_query.c (users'
 * queries).
 *
 * Thread: one at a time for a sink (sink.h).
 */
#ifndef RDL_SINK_POSTGRES_INTERNAL_H
#define RDL_SINK_POSTGRES_INTERNAL_H

#include "pg/connection.h"
#include "sink/sink.h"
#include "sink/text_value.h"

/* The types of a store's columns that we write and read. */
typedef enum rdl_pg_kind {
    RDL_PG_OTHER,
    RDL_PG_BOOL,
    RDL_PG_INT4,
    RDL_PG_INT8,
    RDL_PG_FLOAT8,
    RDL_PG_NUMERIC,
    RDL_PG_TEXT, /* varchar too */
    RDL_PG_JSON,
    RDL_PG_JSONB,
    RDL_PG_BYTEA,
    RDL_PG_DATE,
    RDL_PG_TIMESTAMP, /* without zone: UTC */
    RDL_PG_TIMESTAMPTZ,
    RDL_PG_UUID,
} rdl_pg_kind;

typedef struct rdl_pg_type {
    rdl_pg_kind kind;
    bool array;           /* one-dimensional, of kind */
    uint32_t element;     /* the element's OID */
    int precision, scale; /* of numeric; -1: any */
} rdl_pg_type;

typedef struct rdl_pg_column {
    const char *quoted; /* "name" as the store has it */
    rdl_pg_type type;
} rdl_pg_column;

/* A table as the store has it, found by prepare. */
typedef struct rdl_pg_table {
    const char *name;   /* of rdl_sink_table */
    const char *full;   /* schema.table, the key of its progress */
    const char *quoted; /* "schema"."table" */
    bool exists;
    rdl_pg_column *columns;     /* by our column */
    const char *stage, *gone;   /* temporary tables of this session, when made */
    bool stage_made, gone_made; /* for good: their transaction was committed */
} rdl_pg_table;

typedef enum rdl_pg_flow {
    RDL_PG_IDLE,
    RDL_PG_COPY_GONE,   /* keys into the temporary table of removals */
    RDL_PG_COPY_INSERT, /* rows straight into the table */
    RDL_PG_COPY_STAGE,  /* rows into the stage */
} rdl_pg_flow;

typedef struct rdl_postgres {
    rdl_sink sink; /* first */
    rdl_arena arena;
    rdl_pg *pg;
    const char *url, *root_uuid;
    bool adopt, read_only;
    const char *schema; /* current_schema() */
    RDL_VEC(rdl_pg_table *) tables;

    /* of the open begin */
    bool in_transaction;
    const rdl_sink_table *table;
    rdl_pg_table *at;
    rdl_pg_flow flow;
    bool stage_new, gone_new; /* made in this transaction */
    bool stage_used;
    bool unmerged; /* the stage holds rows that the table does not have yet */
    rdl_buf out; /* COPY data not sent yet */
} rdl_postgres;

static inline rdl_postgres *rdl_postgres_of(rdl_sink *s)
{
    return (rdl_postgres *)(void *)s;
}

/* ---- postgres_table.c ---- */
/* The table as it is there, under its exact or folded name; exists false when it is not. */
RDL_MUST rdl_code rdl_pg_table_find(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table **out,
                                    rdl_err *err);
typedef struct rdl_pg_fit {
    bool key_missing; /* no unique key of ours; nothing else is wrong */
} rdl_pg_fit;
/* Fills at->columns; RDL_ESCHEMA says everything that does not fit, a missing key unless `out`. */
RDL_MUST rdl_code rdl_pg_table_fit(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table *at,
                                   rdl_pg_fit *out, rdl_err *err);
void rdl_pg_put_create(rdl_postgres *s, const rdl_sink_table *t, const rdl_pg_table *at,
                       rdl_buf *out);
/* Each index that WITH (indexes = '..') asks for and is not there. */
RDL_MUST rdl_code rdl_pg_indexes(rdl_postgres *s, const rdl_sink_table *t, const rdl_pg_table *at,
                                 rdl_sink_say say, void *arg, rdl_err *err);
void rdl_pg_put_unique(const rdl_sink_table *t, const rdl_pg_table *at, rdl_buf *out);
void rdl_pg_put_key(const rdl_sink_table *t, const rdl_pg_table *at, const char *prefix,
                    rdl_buf *out);
void rdl_pg_put_columns(const rdl_sink_table *t, const rdl_pg_table *at, const char *prefix,
                        rdl_buf *out);
rdl_str rdl_pg_option(const rdl_sink_table *t, const char *name); /* n 0: not given */

/* ---- postgres_value.c ---- */
rdl_pg_type rdl_pg_type_of(uint32_t oid, uint32_t element, int32_t typmod);
/* What we create for a type. */
void rdl_pg_put_type(const rdl_type *t, rdl_buf *out);
bool rdl_pg_type_fits(const rdl_type *t, const rdl_pg_type *there);
typedef enum rdl_pg_bad {
    RDL_PG_FINE,
    RDL_PG_BAD_NUL,   /* text with a zero byte */
    RDL_PG_BAD_RANGE, /* a number or time that the column cannot hold */
} rdl_pg_bad;
/* Appends length and bytes, as COPY binary has them. */
rdl_pg_bad rdl_pg_put_value(const rdl_vector *v, size_t row, const rdl_pg_type *t, rdl_buf *out);
/* bytes of a value that is not null; false when it is not one that we would write. */
bool rdl_pg_read_value(rdl_str bytes, const rdl_pg_type *t, rdl_vector *v, size_t row,
                       rdl_text_slot *slot);

/* ---- postgres_copy.c ---- */
RDL_MUST rdl_code rdl_pg_remove(rdl_sink *sink, const rdl_chunk *keys, rdl_err *err);
RDL_MUST rdl_code rdl_pg_insert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err);
RDL_MUST rdl_code rdl_pg_upsert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err);
/* Ends the COPY that is open; then what is left is to merge the stage, in the COMMIT's round trip. */
RDL_MUST rdl_code rdl_pg_end_copy(rdl_postgres *s, rdl_err *err);
RDL_MUST rdl_code rdl_pg_commit(rdl_postgres *s, rdl_err *err);

/* ---- postgres_read.c, postgres_query.c ---- */
RDL_MUST rdl_code rdl_pg_scan(rdl_sink *sink, const rdl_sink_table *t,
                              rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err),
                              void *arg, rdl_err *err);
RDL_MUST rdl_code rdl_pg_query(rdl_sink *sink, const char *text, const char *const *names,
                               const char *const *values, size_t parameter_count,
                               rdl_code (*columns)(void *arg, size_t n, const char *const *names,
                                                   rdl_err *err),
                               rdl_code (*row)(void *arg, size_t n, const rdl_str *values,
                                               const bool *numeric, rdl_err *err),
                               void *arg, rdl_err *err);

#endif
