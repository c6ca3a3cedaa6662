/*
 * cli/docs_root.h - what the root adds to the data dictionary: sizes, partitions, quality by day.
 *
 * Thread: main.
 */
#ifndef RDL_CLI_DOCS_ROOT_H
#define RDL_CLI_DOCS_ROOT_H

#include "cli/cli.h"

/* What became of a table's rows on a day (UTC, by the time of sealing). */
typedef struct rdl_docs_day {
    int32_t day; /* since 1970 */
    uint64_t written, rejected;
} rdl_docs_day;

typedef struct rdl_docs_table {
    rdl_table_status status;
    size_t partitions;          /* distinct values of the partition columns */
    const char *first, *last;   /* of them, as "day=2025-08-01"; NULL: none */
    RDL_VEC(rdl_docs_day) days; /* ascending, the newest DAYS_MAX */
} rdl_docs_table;

typedef struct rdl_docs_root {
    bool there; /* a root was read */
    uint64_t epoch;
    int64_t now_us;
    rdl_docs_table *tables; /* by table->index */
} rdl_docs_root;

/* Of the reader's root, into the arena. */
RDL_MUST rdl_code rdl_docs_root_read(rdl_reader *r, rdl_arena *a, rdl_docs_root *out, rdl_err *err);
/* The "owner: .." line of a comment, else the setting owner; empty: nobody said. */
rdl_str rdl_docs_owner(const rdl_pipeline *p, rdl_str comment);
/* The comment without its "owner: .." line. */
rdl_str rdl_docs_comment(rdl_arena *a, rdl_str comment);

/* docs_html.c: one page, nothing outside of it is needed. */
void rdl_docs_put_html(rdl_buf *b, const rdl_pipeline *p, const rdl_docs_root *root, bool internal);

#endif
