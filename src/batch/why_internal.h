/*
 * batch/why_internal.h - what the files of why share.  Not for other folders.
 *
 *   why_find.c   rows that a question means, in tables and in the quarantine
 *   why.c        what became of them: back to their records, forward to whoever reads them
 *
 * Thread: the reader's.  What is found lives in the trace's arena.
 */
#ifndef RDL_BATCH_WHY_INTERNAL_H
#define RDL_BATCH_WHY_INTERNAL_H

#include "batch/why.h"
#include "stream/cut.h"

typedef struct rdl_why_identity {
    int64_t epoch, offset, ordinal;
    int32_t partition;
} rdl_why_identity;

typedef struct rdl_why_found {
    rdl_why_identity id;
    char *row; /* JSON */
} rdl_why_found;

typedef struct rdl_why_trace {
    rdl_reader *r;
    rdl_arena *a;
    rdl_conn *conn;
    rdl_cut cut;
    const rdl_why_question *q;
    size_t rows_max;
    RDL_VEC(rdl_why_step) steps;
} rdl_why_trace;

/* One more step of the answer. */
void rdl_why_say(rdl_why_trace *t, unsigned depth, const rdl_table *table, rdl_whereabouts what,
                 const char *text, const char *row);

/* s."t$rows", s.t */
void rdl_why_put_rows_of(rdl_buf *sql, const rdl_table *t);
void rdl_why_put_content_of(rdl_buf *sql, const rdl_table *t);
/* The question as a condition; false: the table lacks a column that it names. */
bool rdl_why_put_question(rdl_buf *sql, const rdl_why_trace *t, const rdl_table *table);
/* The same of a rejected row: its columns are in the JSON of record, or its bytes hold the text. */
void rdl_why_put_rejected_question(rdl_buf *sql, const rdl_why_trace *t);
char *rdl_why_where_identity(rdl_why_trace *t, const rdl_why_identity *id);
/* "record 12 of events_0001.jsonl, in epoch 3" */
const char *rdl_why_place(rdl_why_trace *t, const rdl_why_identity *id);

/* Rows of a streaming table that satisfy where, with their identity. */
RDL_MUST rdl_code rdl_why_find_in(rdl_why_trace *t, const rdl_table *table, const char *where,
                                  rdl_why_found **out, size_t *out_n, rdl_err *err);
/* Rejected rows of the table that satisfy where, each a step. */
RDL_MUST rdl_code rdl_why_say_rejected(rdl_why_trace *t, unsigned depth, const rdl_table *table,
                                       const char *where, size_t *out_n, rdl_err *err);

#endif
