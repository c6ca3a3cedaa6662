/*
 * stream/parts.h - a segment's new rows that lie as the lake wants them: one file for each large
 * partition, which the lake takes by a second name (lake/part.c) instead of writing its rows again.
 *
 * Of a table's new rows in an epoch,
 *
 *   <table>.new.<k>.parquet     those of one partition, from lake_adopt_rows rows on: the columns of the
 *                               lake without the partition's
 *   <table>.new.parquet         the rest, if any, as in every segment
 *   <table>.new.parts.json      {"rest": xxh128, "parts": [{"rows", "bytes", "xxh", "columns", "stats"}]}
 *
 * The SEAL says how many rows are apart, each part's partition (the list below), and the XXH128 of the
 * JSON file, which says those of the others.
 *
 *   [[["event_date", "DATE", "2020-02-03"], ["event_hour", "INTEGER", "7"]], ...]     null: NULL
 *
 * Made for append-only tables without JSON columns that no streaming table reads as a STREAM: such a
 * reader may want _event_ts of rows that it missed, which the lake does not have.
 *
 * INVARIANTS
 *   R2  The rows of parts and rest together are the segment's rows, each once: parts are chosen by
 *       values of the partition columns, the rest is what none of them took, and the counts are compared.
 *   R3  A part's bytes are written once and never changed, under whatever name.
 */
#ifndef RDL_STREAM_PARTS_H
#define RDL_STREAM_PARTS_H

#include "stream/internal.h"

typedef struct rdl_parts {
    rdl_lake_part *v;
    rdl_hash128 *sums; /* of the parts' files */
    size_t n;
    rdl_hash128 rest;  /* of the file of the rest; 0: there is none */
} rdl_parts;

/*
 * Parts for the new rows of t, if its large partitions are worth it: s->parts and s->rows_apart say
 * so, and where becomes the predicate of the rest (empty: all rows).  Files are not synced.
 */
RDL_MUST rdl_code rdl_parts_write(rdl_engine *e, rdl_conn *conn, rdl_work *w, const rdl_table *t,
                                  rdl_sealed_table *s, rdl_parts *out, rdl_buf *where, rdl_err *err);
/* Whether it may give any: the table is of the kind that has parts, and there are rows enough. */
bool rdl_parts_may_have(const rdl_engine *e, rdl_work *w, const rdl_table *t,
                        const rdl_sealed_table *s);
/* After the rest was written: the JSON file, and its hash in s->sums. */
RDL_MUST rdl_code rdl_parts_close(rdl_engine *e, rdl_work *w, const rdl_table *t,
                                  rdl_sealed_table *s, rdl_parts *parts, rdl_err *err);

/* What the JSON file says, whose bytes must be those that were sealed. */
RDL_MUST rdl_code rdl_parts_read(rdl_arena *a, const rdl_root *root, const rdl_segment_ref *s,
                                 rdl_str table, rdl_parts *out, rdl_err *err);
/* All new rows of the segment as a FROM item. */
void rdl_parts_put(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_segment_ref *s,
                   rdl_str table);

#endif
