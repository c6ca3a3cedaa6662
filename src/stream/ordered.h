/*
 * stream/ordered.h - the newest row of each key over sorted segments, in the order of the key.
 *
 * A view's new rows are sealed in the order of its primary key where they can be (segment.c).  A lake
 * table that is written whole and a store's batch are then merges of a few files: nothing is grouped,
 * nothing is sorted again, and what is in memory is a chunk of each segment.
 *
 * INVARIANT  O1  The rows are those of newest.c's statements (tests/slt/publish/net_changes.slt);
 *                a segment whose keys do not ascend gives RDL_EDATA.
 *
 * Thread: one at a time.
 */
#ifndef RDL_STREAM_ORDERED_H
#define RDL_STREAM_ORDERED_H

#include "stream/cut.h"

typedef enum rdl_ordered_rows {
    RDL_ORDERED_ALL,
    RDL_ORDERED_FRESH, /* of keys that were not there before the first of the segments */
    RDL_ORDERED_KNOWN, /* of the others */
} rdl_ordered_rows;

typedef struct rdl_ordered rdl_ordered;

/* Whether every segment of (from, to] is sorted and says nothing but new rows. */
bool rdl_ordered_fits(const rdl_table *t, const rdl_table_history *h, uint64_t from, uint64_t to);
/* Its rows have the table's columns. */
RDL_MUST rdl_code rdl_ordered_open(const rdl_root *root, const rdl_table *t,
                                   const rdl_table_history *h, uint64_t from, uint64_t to,
                                   rdl_ordered **out, rdl_err *err);
/* Rows in that order that were there before the segments: of the table's columns, as a query gives them.
 * The connection runs nothing else until rdl_ordered_free; RDL_EDATA later, if they do not ascend or are
 * of other types: base_unfit says that it was for them. */
RDL_MUST rdl_code rdl_ordered_base(rdl_ordered *o, rdl_conn *conn, const char *sql, rdl_err *err);
bool rdl_ordered_base_unfit(const rdl_ordered *o);
/* From the first row on; may be called again for others where there is no base. */
RDL_MUST rdl_code rdl_ordered_begin(rdl_ordered *o, rdl_ordered_rows which, rdl_err *err);
/* A chunk that is valid until the next call; rows 0 at the end. */
RDL_MUST rdl_code rdl_ordered_next(rdl_ordered *o, const rdl_chunk **out, rdl_err *err);
void rdl_ordered_free(rdl_ordered *o); /* NULL is fine */

#endif
