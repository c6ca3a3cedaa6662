/*
 * lang/explain_internal.h - what the two forms of an explanation share: its words.
 *
 * Thread: any, on a loaded pipeline.
 */
#ifndef RDL_LANG_EXPLAIN_INTERNAL_H
#define RDL_LANG_EXPLAIN_INTERNAL_H

#include "lang/explain.h"

const char *rdl_explain_kind(const rdl_table *t);
const char *rdl_explain_cost(
    const rdl_table *t); /* what an epoch costs; "" for what costs nothing */
const char *rdl_explain_slot(rdl_slot_kind kind);
const char *rdl_explain_violation(rdl_violation v);
const char *rdl_explain_late(rdl_on_late late);

enum { RDL_EXPLAIN_TEXTS_MAX = 48 };
typedef struct rdl_named_text {
    const char *name;
    rdl_str sql;
} rdl_named_text;
/* The SQL texts of a table's plan; returns how many. */
size_t rdl_explain_texts(const rdl_table *t, rdl_named_text out[RDL_EXPLAIN_TEXTS_MAX]);

/* only NULL: the whole pipeline. */
void rdl_explain_put_text(rdl_buf *out, const rdl_pipeline *p, const rdl_table *only);
RDL_MUST rdl_code rdl_explain_put_json(rdl_buf *out, const rdl_pipeline *p, const rdl_table *only,
                                       rdl_err *err);

#endif
