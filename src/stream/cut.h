/*
 * stream/cut.h - the content of a table at one sealed epoch, as SQL.
 *
 * Content = what the lake shows (its txn epoch) and, after that, the sealed segments.
 *
 *   streaming table   lake rows and the new rows of every later segment
 *   view with a key   lake rows whose key no later segment names, and for each key the new row of
 *                     the newest segment that names it (a key named by an old row alone is gone)
 *   view without key  for each later segment in turn: minus its old rows, plus its new rows,
 *                     as multisets
 *   a reset segment   forgets everything before itself
 *
 * INVARIANT  R1  For every sealed epoch n and table t, the rows given at n do not depend on how
 *                far the lake is; tests/slt/lake_interval.slt checks it.
 *
 * Thread: the caller's; a cut keeps what it loaded from the lake until it is made anew.
 */
#ifndef RDL_STREAM_CUT_H
#define RDL_STREAM_CUT_H

#include "lake/lake.h"
#include "stream/history.h"
#include "stream/root.h"

typedef struct rdl_cut rdl_cut;
struct rdl_cut {
    rdl_arena *arena;
    const rdl_root *root;
    const rdl_pipeline *pipeline;
    rdl_history *history;
    const char *app_id;
    uint64_t epoch;              /* the cut; normally history->epoch */
    bool beside;                 /* a run may commit meanwhile: of a lake table that went on, the
                                  * version that the cut had is taken */
    rdl_lake_snapshot **lakes;   /* by table->index; loaded when asked */
    rdl_lake_snapshot **quarantines;
    /*
     * A view with many changed keys joins, groups and sorts them in one statement, and what these
     * need at the same time does not spill.  With a connection here, keys and new rows are
     * computed into temporary tables first when more rows than this are named; the select reads
     * them, and rdl_cut_unstage drops them after it ran.
     */
    rdl_conn *stage;             /* NULL: one statement whatever its size */
    uint64_t stage_rows;
};

void rdl_cut_init(rdl_cut *c, rdl_arena *a, const rdl_root *root, const rdl_pipeline *p,
                  rdl_history *h, const char *app_id, uint64_t epoch);
/* The table's lake snapshot, or its quarantine's; version -1 when there is none yet. */
RDL_MUST rdl_code rdl_cut_lake(rdl_cut *c, const rdl_table *t, const rdl_lake_snapshot **out,
                               rdl_err *err);
RDL_MUST rdl_code rdl_cut_quarantine_lake(rdl_cut *c, const rdl_table *t,
                                          const rdl_lake_snapshot **out, rdl_err *err);
/* Append SELECT of the visible columns (identity: and the identity columns of a streaming table). */
RDL_MUST rdl_code rdl_cut_select(rdl_cut *c, const rdl_table *t, bool identity, rdl_buf *out,
                                 rdl_err *err);
void rdl_cut_unstage(rdl_cut *c);
/* The rows of a quarantine as they lie; and one row for each that was rejected: of one that was
 * replayed, the row that says so. */
RDL_MUST rdl_code rdl_cut_select_rejected(rdl_cut *c, const rdl_table *t, rdl_buf *out,
                                          rdl_err *err);
RDL_MUST rdl_code rdl_cut_select_quarantine(rdl_cut *c, const rdl_table *t, rdl_buf *out,
                                            rdl_err *err);
/*
 * Rows of a streaming table that were written after an epoch, with identity and _event_ts: for a
 * reader that was left out of epochs.  Epoch 0: all there ever were (_event_ts is null then).
 */
RDL_MUST rdl_code rdl_cut_written_after(rdl_cut *c, const rdl_table *t, uint64_t epoch,
                                        rdl_buf *out, rdl_err *err);
/* Rows of one kind of a table's or a view's segments after an epoch; none of them may be gone. */
void rdl_cut_changes_after(rdl_cut *c, const rdl_table *t, uint64_t epoch, rdl_segment kind,
                           rdl_buf *out);
/* The rows that the lake of an append-only table, or its quarantine, has not taken yet; without those
 * that lie in parts (stream/parts.h), which it takes otherwise. */
RDL_MUST rdl_code rdl_cut_segments(rdl_cut *c, const rdl_table *t, bool without_parts,
                                   rdl_buf *out, rdl_err *err);
RDL_MUST rdl_code rdl_cut_segments_quarantine(rdl_cut *c, const rdl_table *t, rdl_buf *out,
                                              rdl_err *err);
/* A segment's rows as a table function of SQL. */
void rdl_put_segment(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_segment_ref *s,
                     rdl_str table, rdl_segment kind);

/* The columns that a table has in the lake: visible, then identity for streaming tables. */
void rdl_table_lake_schema(rdl_arena *a, const rdl_table *t, rdl_schema *out);
/* "a", "b", "c": the names of columns quoted, each with a prefix such as l. */
void rdl_put_columns(rdl_buf *out, const char *prefix, const rdl_schema *s);
void rdl_put_key(rdl_buf *out, const char *prefix, const rdl_schema *s, const size_t *key,
                 size_t n);
/* a."k" IS NOT DISTINCT FROM b."k" AND .., of every part of a key; key NULL: of the first n columns. */
void rdl_put_same_key(rdl_buf *out, const char *a, const char *b, const rdl_schema *s,
                      const size_t *key, size_t n);

/* A relation of an epoch, as e."new:bronze.events" (lang/plan.h); role may be empty. */
void rdl_put_relation(rdl_buf *out, const char *schema, const char *role, rdl_str table);

/*
 * newest.c: new rows of (from, to].  all_fresh: none of them replaces another.  is_one_pass: put works
 * (no old rows, values of scalar types).  was: _was too, as the oldest of the segments has it.
 */
bool rdl_newest_all_fresh(const rdl_table_history *h, uint64_t from, uint64_t to);
bool rdl_newest_is_one_pass(const rdl_table *t, const rdl_table_history *h, const size_t *key,
                            size_t key_count, uint64_t from, uint64_t to);
void rdl_newest_put_all(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_table *t,
                        const rdl_table_history *h, uint64_t from, uint64_t to);
void rdl_newest_put(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_table *t,
                    const rdl_table_history *h, const size_t *key, size_t key_count, uint64_t from,
                    uint64_t to, bool was);

#endif
