/*
 * lang/plan.h - how each table is kept up to date: SQL texts that the epoch runs, and what
 * native code does between them.
 *
 * NAMES IN THE TEXTS.  While an epoch runs, DuckDB holds (schema "e" is in memory):
 *
 *   e."new:<t>"   rows that the epoch adds to t: the visible columns, then the identity
 *                 columns _epoch, _source_partition, _source_offset, _ordinal and _event_ts.
 *                 For a view (its identity columns do not exist) new rows of changed pairs.
 *   e."old:<t>"   rows that the epoch takes away from t (views and snapshots only).
 *   e."all:<t>"   the whole content of t at the end of this epoch (visible columns; for
 *                 streaming tables the identity columns too).
 *   e."before:<t>"  the same before this epoch, e."moved:<t>" its new and old rows together: of
 *                 inputs that move (below), for the texts that name them.
 *   e."touched:<v>"  columns k0, k1, ...: keys of view v that this epoch touches.
 *   e."states:<v>"   columns k0.., a0..: merged aggregate values of the touched groups.
 *
 * <t> is rdl_table.full.  All are views or tables that the epoch makes before a text runs;
 * `needs_all` says which e."all:" relations a plan reads.
 *
 * IDENTITY.  A streaming table's rows carry (_epoch BIGINT, _source_partition INTEGER,
 * _source_offset BIGINT, _ordinal BIGINT).  Sources give _ordinal 0.
 */
#ifndef RDL_LANG_PLAN_H
#define RDL_LANG_PLAN_H

#include "lang/catalog.h"

#define RDL_IDENTITY_COLUMNS "_epoch, _source_partition, _source_offset, _ordinal"

/*
 * A join in which a row that a stream feeds may meet several rows of the other side, the
 * dimension.  Views look at these before they are computed (stream/fanout.c); of a streaming
 * table, whose copies are counted, they say what made them.
 */
typedef struct rdl_fan {
    rdl_table *stream;      /* whose rows are multiplied */
    rdl_str stream_key;     /* columns, for people; empty: the join compares no columns */
    rdl_str dimension, key; /* the other side's table (or tables) and columns, for people */
    /*
     * repeats_sql gives one row if some key stands for several rows of the dimension; empty: it
     * cannot be asked, and copies_sql alone decides.  copies_sql gives "key = value" TEXT and a
     * BIGINT, the rows that one row of the stream meets, for the least such key; no row: none does.
     * It reads e."new:<stream>", copies_all_sql the same over e."all:<stream>".
     */
    rdl_str repeats_sql, copies_sql, copies_all_sql;
    /*
     * When the dimension alone changed: the same, of keys in e."new:<side>".  What was sealed holds
     * the law, so a row that meets two now meets a new one.  side NULL: there are no such texts;
     * copies_moved_sql empty: copies_all_sql must be asked.
     */
    rdl_table *side;
    rdl_str repeats_moved_sql, copies_moved_sql;
} rdl_fan;

/* A streaming table. */
struct rdl_stream_plan {
    /*
     * SELECT <visible columns>, _epoch, _source_partition, _source_offset, _ordinal, _event_ts,
     * _c0 .. _cN-1 FROM <body with identity threaded>: one row per row that the body gives.
     * IMPUTE constraints are applied (in order) before the others are evaluated; _ci is TRUE when
     * constraint i was violated (for IMPUTE: was applied), never NULL.  STREAM inputs read
     * e."new:<input>", other inputs e."all:<input>".
     * _event_ts TIMESTAMPTZ is the upstream _event_ts (sources: the watermark column, else NULL).
     * _ordinal numbers the copies of one upstream row from 0; deterministic.  It is the upstream
     * row's own where there are no copies, or `once`.
     */
    rdl_str body_sql;
    /* True when the body can give more than one row per input row (join, unnest, hop). */
    bool may_fan_out;
    bool declared_hop; /* the copies come from hop_windows alone: counted, not an error */
    bool once;         /* a copy is an error, and shows as two rows of one identity */
    bool may_filter;   /* WHERE, inner join: rows may be missing */
    rdl_fan *fans;
    size_t fan_count;
    rdl_table **needs_all;
    size_t needs_all_count;
};

typedef enum rdl_maintenance {
    RDL_MAINTAIN_INCREMENTAL, /* partial, merge into keyed state, final */
    RDL_MAINTAIN_APPEND, /* no aggregation over the driving input: rows map to rows, kept by EXCEPT-free pairs */
    RDL_MAINTAIN_GROUPS, /* recompute the touched groups or window partitions */
    RDL_MAINTAIN_FULL,   /* recompute whole, compare with what is stored */
} rdl_maintenance;

typedef enum rdl_slot_kind {
    RDL_SLOT_ADD_INT,   /* BIGINT or DECIMAL(38,s): added as 128-bit; overflow fails the epoch */
    RDL_SLOT_ADD_EXACT, /* BLOB of rdl_sum_state / rdl_square_state: merged as exact sums */
    RDL_SLOT_MIN,       /* any type, NULL: none: the smaller in codec order is kept */
    RDL_SLOT_MAX,
} rdl_slot_kind;

typedef struct rdl_slot {
    rdl_slot_kind kind;
    const rdl_type *type; /* of the partial's column and of the states relation's column */
} rdl_slot;

/*
 * A place where the body reads a table that moves: its changes, like the driving input's, give
 * the view's by these texts (lang/plan_moving.c).  They are of the mode's kind: rows (APPEND),
 * partials (INCREMENTAL, where a key may come from several texts), or keys of touched groups.
 */
typedef struct rdl_view_step {
    rdl_table *input;
    rdl_str new_sql, old_sql; /* old_sql empty: nothing goes away */
} rdl_view_step;

struct rdl_view_plan {
    rdl_maintenance mode;
    rdl_str reason; /* one sentence for explain: what in the text forced the mode */
    rdl_pos reason_pos;
    /*
     * Changes of this input drive the view.  When another one changed, the steps whose inputs changed
     * are added up, in this order, the driving input's among them; a change of an input without a
     * step forces a rebuild.  No steps: the driving input alone.
     */
    rdl_table *driving;   /* NULL for FULL without one */
    rdl_view_step *steps;
    size_t step_count;
    rdl_str rebuild_why; /* one sentence for explain: why inputs without a step have none */
    bool may_subtract;    /* INCREMENTAL: old rows can be taken back (no MIN, MAX slot) */
    bool partial_repeats; /* INCREMENTAL: a partial may give a key more than once */

    /* The batch answer: the body with our own aggregates in place, over e."all:<input>",
     * constraints applied (IMPUTE, DROP ROW; QUARANTINE as DROP ROW).  Visible columns only. */
    rdl_str batch_sql;

    rdl_str unchecked_sql; /* the same before constraints, for a build */

    /*
     * INCREMENTAL.  partial_new_sql and partial_old_sql give k0.., n BIGINT (rows), s0.. over
     * e."new:<driving>" and e."old:<driving>".  Merge: state[k] += new - old; n = 0 deletes the
     * group (unless key_count is 0: one group that always exists).  final_sql gives the visible
     * columns from e."states:<v>" (k0.., n BIGINT, s0.., _was BOOLEAN: the group had a state
     * before); rows that HAVING rejects are absent.  marked_sql gives _was too.  partial_all_sql is
     * partial_new_sql over e."all:<driving>", for a build.
     */
    rdl_str partial_new_sql, partial_old_sql, partial_all_sql, final_sql, marked_sql;
    /*
     * INCREMENTAL, when a step takes rows away and a slot cannot: the steps give keys as in GROUPS,
     * and this is partial_all_sql over the rows of e."touched:<v>" alone, whose states it replaces.
     */
    rdl_str partial_touched_sql;
    const rdl_type **key_types;
    size_t key_count;
    rdl_slot *slots;
    size_t slot_count;

    /*
     * GROUPS.  touched_sql gives k0.. (distinct) from e."new:<driving>" union e."old:<driving>";
     * groups_sql is the batch text with the driving input restricted to rows whose keys are in
     * e."touched:<v>" (NULLs equal): the new rows of the touched groups.  key_columns are the
     * view's own columns that carry the keys, so that the old rows are found in e."all:<v>".
     */
    rdl_str touched_sql, groups_sql;
    size_t *key_columns; /* k_i is visible column key_columns[i] */

    /* APPEND: pairs are row_new_sql over e."new:<driving>" and row_old_sql over e."old:". */
    rdl_str row_new_sql, row_old_sql;

    /*
     * The texts above (final, groups, row_*) give rows before constraints; batch_sql alone has
     * them applied.  Where the view has constraints the epoch puts those rows into
     * e."unchecked:<v>" and checked_sql reads it: the visible columns with IMPUTEs applied in
     * order, then _c0.. as in a stream plan.  Empty when there are no constraints.
     */
    rdl_str checked_sql;

    rdl_fan *fans; /* none where the view says ALLOW FANOUT */
    size_t fan_count;

    rdl_table **needs_all;
    size_t needs_all_count;
};

/* Plan one bound table; called by rdl_pipeline_load in graph order. */
RDL_MUST rdl_code rdl_plan_table(rdl_arena *a, rdl_conn *conn, const rdl_pipeline *p, rdl_table *t,
                                 rdl_diags *diags, rdl_err *err);

/* The text of a bound report's body over e."all:..", into r->sql. */
RDL_MUST rdl_code rdl_plan_report(rdl_arena *a, rdl_conn *conn, const rdl_pipeline *p,
                                  rdl_report *r, rdl_str body, rdl_diags *diags, rdl_err *err);

#endif
