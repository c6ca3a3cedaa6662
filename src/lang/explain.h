/*
 * lang/explain.h - how a pipeline is kept up to date, told to people and to programs.
 *
 * For each table: what it reads, how it is maintained and what in the text forced that
 * (with file and line), its keys, what is kept per group and about how many bytes, what an
 * epoch costs, judgement, partitions, publications.  For one table the SQL texts too.
 *
 * Thread: any, on a loaded pipeline.
 */
#ifndef RDL_LANG_EXPLAIN_H
#define RDL_LANG_EXPLAIN_H

#include "lang/plan.h"

typedef enum rdl_explain_format {
    RDL_EXPLAIN_TEXT,
    RDL_EXPLAIN_JSON,
} rdl_explain_format;

/*
 * table empty: the whole pipeline.  A table that is not there is RDL_EUSAGE with the
 * nearest name as hint.  The text ends in a newline.
 */
RDL_MUST rdl_code rdl_explain(const rdl_pipeline *p, rdl_str table, rdl_explain_format format,
                              rdl_buf *out, rdl_err *err);

/* Inputs whose changes rebuild the view (of a full one, none is told apart): the i-th, or NULL. */
const rdl_table *rdl_view_rebuilt_by(const rdl_view_plan *plan, size_t i);
/* Inputs beside the driving one whose changes do not: the i-th, or NULL. */
const rdl_table *rdl_view_moved_by(const rdl_view_plan *plan, size_t i);
const char *rdl_maintenance_name(rdl_maintenance mode); /* "incremental", ... */
/* Bytes that the state of one group takes, about: texts are counted as 16 bytes. */
size_t rdl_view_state_bytes(const rdl_view_plan *plan);

#endif
