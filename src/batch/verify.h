/*
 * batch/verify.h - does the speed layer hold what the batch layer answers?
 *
 * At a sealed cut (beside a run a later one, where the first is gone when it is read): every view
 * against its batch definition, every streaming table against its ledger (row count, identities
 * unique) and every publication against the table it serves.
 *
 * Thread: the reader's.
 */
#ifndef RDL_BATCH_VERIFY_H
#define RDL_BATCH_VERIFY_H

#include "stream/reader.h"

typedef enum rdl_difference_kind {
    RDL_DIFF_MISSING, /* the batch answer has the key, what is checked does not */
    RDL_DIFF_EXTRA,
    RDL_DIFF_VALUE,
} rdl_difference_kind;

typedef struct rdl_difference {
    rdl_difference_kind kind;
    char *key;            /* "org_id=org_1, usage_date=2025-08-01" */
    char *expected, *got; /* the row as text; NULL where there is none */
} rdl_difference;

typedef struct rdl_verify_item {
    const rdl_table *table;
    const rdl_publication *publication; /* NULL: the lake table itself */
    const char *against;                /* "batch definition", "ledger", "lake" */
    const char *not_compared; /* why nobody looked at the rows; NULL: they were compared */
    uint64_t rows, differences;
    rdl_difference *samples; /* at most samples_max */
    size_t sample_count;
    char hash[33]; /* order-free, of the content checked */
    double seconds;
    char problem[300]; /* why it could not be checked; counts as a difference */
} rdl_verify_item;

typedef struct rdl_verify_options {
    const char *only;   /* glob over table names; NULL: all */
    size_t samples_max; /* default 10 */
    bool stores;        /* publications too; default true */
    /* Another reader of the same root, as it is now; its pipeline must live as long as a.  NULL:
     * nobody else writes to the root. */
    rdl_code (*reopen)(void *arg, rdl_reader **out, rdl_err *err);
    void *reopen_arg;
} rdl_verify_options;

RDL_MUST rdl_code rdl_verify(rdl_reader *r, rdl_arena *a, const rdl_verify_options *options,
                             rdl_verify_item **out, size_t *out_n, rdl_err *err);

#endif
