/*
 * duck/held.h - rows kept outside DuckDB's tables, read as rdl_held('name').
 *
 * What a small epoch computes lives for milliseconds.  A table of DuckDB's costs a statement to
 * make, one to drop, statistics nobody asks for, and every plan that was made before it: the
 * catalog changed.  Held rows are the result's own chunks under a name that stays.  They are
 * replaced without a statement and scanned without a copy, so that plans which read held rows
 * alone can be kept (rdl_exec_kept, rdl_query_kept).
 *
 * Held rows are in memory, outside DuckDB's budget, and do not spill: callers bound them.
 *
 * Thread: one thread fills; DuckDB's threads read while that thread's query runs.
 */
#ifndef RDL_DUCK_HELD_H
#define RDL_DUCK_HELD_H

#include "duck/duck.h"

typedef struct rdl_held rdl_held;

/*
 * The rows of `select` under the name, instead of what was there.  *new_shape: the name is new, or
 * its columns are not those of before; whatever was defined over it must be defined again.  When
 * there are more than rows_max rows nothing is kept, *out is NULL and the caller makes a table.
 * kept: the select reads no table of DuckDB's, so that its plan may be kept.
 */
RDL_MUST rdl_code rdl_held_query(rdl_conn *c, const char *name, const char *select, bool kept,
                                 uint64_t rows_max, rdl_held **out, bool *new_shape, rdl_err *err);

/* Any number of rows, each chunk as the query makes it: there is no whole result in between. */
RDL_MUST rdl_code rdl_held_stream(rdl_conn *c, const char *name, const char *select, rdl_held **out,
                                  bool *new_shape, rdl_err *err);

/* Rows of our own: open empties what is there; push takes a full chunk; rows counts from 0. */
RDL_MUST rdl_code rdl_held_open(rdl_duck *d, const char *name, const rdl_schema *schema,
                                rdl_held **out, bool *new_shape, rdl_err *err);
RDL_MUST rdl_code rdl_held_push(rdl_held *h, rdl_chunk *taken, rdl_err *err);

rdl_held *rdl_held_find(rdl_duck *d, const char *name); /* NULL: no such name */
uint64_t rdl_held_rows(const rdl_held *h);
void rdl_held_clear(rdl_held *h);
/* Its chunks, to be read and changed in place: a view that lives in the arena, shown one after the other. */
size_t rdl_held_chunks(const rdl_held *h);
RDL_MUST rdl_code rdl_held_view(const rdl_held *h, rdl_arena *a, rdl_chunk *out, rdl_err *err);
void rdl_held_show(const rdl_held *h, size_t i, rdl_chunk *view);
/* Drops the rows whose number is set in `gone` (a byte per row). */
RDL_MUST rdl_code rdl_held_filter(rdl_held *h, const bool *gone, rdl_err *err);

/*
 * As rdl_exec and rdl_query, and the plan is kept for the next time that the same text comes.
 * Only for texts that read no table of DuckDB's: its plans use the tables' statistics of the time
 * when they were made, and give wrong results when rows came since (as of 1.5.6).
 */
RDL_MUST rdl_code rdl_exec_kept(rdl_conn *c, const char *sql, rdl_err *err);
RDL_MUST rdl_code rdl_query_kept(rdl_conn *c, const char *sql, rdl_result **out, rdl_err *err);

#endif
