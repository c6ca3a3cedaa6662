/*
 * batch/why.h - where a row came from, where it went, and why it is not where it was looked for.
 *
 * A question names a table and values of its columns.  The answer is a list of steps, each about
 * one table, found at one sealed cut:
 *
 *   upstream     the tables that hold the same row (the same identity), and its source record
 *   the table    the rows that match; or what quarantine says of a row that would have matched;
 *                or, when an upstream table has a row that matches, what became of it here: the
 *                body is run again over that row alone
 *   downstream   of each row found, in every table that reads it: written, rejected, filtered,
 *                duplicate; and the row of each view that it counts in (the view's own plan is run
 *                over the row alone, which gives its key)
 *
 * Rows that a WHERE, a join or DROP left out are kept nowhere: they are found again by the same
 * way, as long as some table upstream holds them.
 *
 * Thread: the reader's.
 */
#ifndef RDL_BATCH_WHY_H
#define RDL_BATCH_WHY_H

#include "stream/reader.h"

typedef enum rdl_whereabouts {
    RDL_WHY_SOURCE,  /* the record that it was read from */
    RDL_WHY_HELD,    /* the table holds it */
    RDL_WHY_COUNTED, /* the view's row counts it */
    RDL_WHY_PUBLISHED,
    RDL_WHY_QUARANTINED,
    RDL_WHY_DUPLICATE,
    RDL_WHY_DROPPED, /* by a constraint or as late */
    RDL_WHY_FILTERED,
    RDL_WHY_ABSENT,  /* no trace */
    RDL_WHY_UNKNOWN, /* could not be told; the text says why */
} rdl_whereabouts;
const char *rdl_whereabouts_name(rdl_whereabouts w);

typedef struct rdl_why_step {
    unsigned depth; /* of the indentation */
    const rdl_table *table;
    rdl_whereabouts what;
    const char *text; /* one sentence */
    const char *row;  /* as JSON, or NULL */
} rdl_why_step;

typedef struct rdl_why_question {
    const rdl_table *table;
    const char *const *names;  /* columns */
    const char *const *values; /* as text; NULL asks for null */
    size_t n;
    size_t rows_max; /* follow at most so many rows; default 5 */
} rdl_why_question;

/* A name that is no column, or a value that does not cast: RDL_EUSAGE. */
RDL_MUST rdl_code rdl_why(rdl_reader *r, rdl_arena *a, const rdl_why_question *q,
                          rdl_why_step **out, size_t *out_n, rdl_err *err);

#endif
