/*
 * stream/content.h - a fingerprint of rows that does not depend on their order or their files.
 *
 * The sum of DuckDB's hash over every row's visible and identity columns.  Each epoch seals the
 * sum of the rows it added, so the sum over a streaming table's content must equal the sum over
 * its seals: a cell that anybody changed since shows.  Text form: "<library>/<columns>:<sum>",
 * where <columns> is a hash of names and types; sums of different forms cannot be added, and a
 * table that has both is not checked this way.
 */
#ifndef RDL_STREAM_CONTENT_H
#define RDL_STREAM_CONTENT_H

#include "duck/duck.h"
#include "lang/catalog.h"

typedef struct rdl_content {
    rdl_str form; /* "<library>/<columns>"; empty: nothing added yet */
    rdl_u128 sum;
    bool mixed;   /* rows without a sum, or of another form: nothing can be said */
} rdl_content;

/* The same of rows of any columns, in their types: what is sealed of quarantined rows. */
RDL_MUST rdl_code rdl_content_sum_of(rdl_conn *conn, rdl_arena *a, const rdl_schema *columns,
                                     const char *from, rdl_str *out, rdl_err *err);
/* SELECT of the sum over the relation that the caller adds, and its result as the text form. */
void rdl_content_put_sum(rdl_buf *sql, rdl_arena *a, const rdl_table *t);
rdl_str rdl_content_text(rdl_arena *a, const rdl_table *t, const char *sum);
/* The text form over relation `from`, which has the table's lake columns. */
RDL_MUST rdl_code rdl_content_sum(rdl_conn *conn, rdl_arena *a, const rdl_table *t,
                                  const char *from, rdl_str *out, rdl_err *err);
void rdl_content_add(rdl_arena *a, rdl_content *to, rdl_str sealed, uint64_t rows);
/* True when the content is what was added, and when it cannot be told. */
bool rdl_content_matches(const rdl_content *sealed, rdl_str now, uint64_t rows);

#endif
