/*
 * stream/history.h - what the journal has told so far, in the shape that the engine asks.
 *
 * Fed with seals in order (at open from the journal, then by each commit).  Names are matched
 * by text, so that a table that left the pipeline keeps its past.
 *
 * Thread: guarded by the engine's lock when the apply threads run; else epoch.
 */
#ifndef RDL_STREAM_HISTORY_H
#define RDL_STREAM_HISTORY_H

#include "base/map.h"
#include "stream/content.h"
#include "stream/seal.h"

typedef struct rdl_segment_ref {
    uint64_t epoch, rows_new, rows_old, rows_quarantined;
    uint64_t rows_fresh; /* marked: new rows whose key was not there */
    rdl_hash128 sums[3]; /* see rdl_sealed_table */
    rdl_str parts;       /* the same; the history holds each list once */
    uint64_t rows_apart;
    bool reset, marked, packed, sorted;
} rdl_segment_ref;

typedef struct rdl_table_history {
    rdl_str table;
    rdl_hash128 fingerprint;   /* of the newest seal that names the table */
    rdl_hash128 keys;          /* of the newest seal: see rdl_sealed_table */
    rdl_content content;       /* sum over every epoch's new rows */
    rdl_content rejected;      /* sum over every epoch's quarantined rows */
    bool exists;               /* some seal names it */
    uint64_t last_changed;     /* epoch whose rows_new or rows_old are not 0 */
    uint64_t last_evaluated;   /* views */
    int64_t last_evaluated_us; /* the plan's timestamp of that epoch */
    int64_t last_changed_us;   /* the same of last_changed */
    int64_t took_us;           /* the work of its newest epoch; 0: not known */
    uint64_t last_quarantined;
    uint64_t pruned_changed;   /* newest epoch with new or old rows whose segment is gone */
    uint64_t pruned_quarantined; /* the same, of rejected rows */
    uint64_t dropped_before;   /* all that was under this name before this epoch is gone; 0: never */
    uint64_t rows_total, quarantined_total; /* streaming: written so far */
    uint64_t replayed_total;   /* part of quarantined_total: rows that say so of an earlier one */
    rdl_ledger ledger;
    RDL_VEC(rdl_segment_ref) segments; /* ascending epochs; those with any rows; pruned ones go */
} rdl_table_history;

typedef struct rdl_watermark {
    rdl_str table, partition;
    int64_t max_us;
} rdl_watermark;

typedef struct rdl_snapshot_history {
    rdl_str source;
    rdl_hash128 hash, file;
    uint64_t epoch, rows;
} rdl_snapshot_history;

typedef struct rdl_history {
    rdl_arena *arena;
    uint64_t epoch;            /* last sealed; 0: none */
    int64_t ts_us;             /* of it */
    uint64_t pruned;           /* segments of epochs up to here may be gone */
    rdl_hash128 pipeline;      /* text of the last sealed epoch's */
    uint64_t pipeline_since;   /* the first epoch that is known to be of that text */
    int32_t partition_next;
    RDL_VEC(rdl_sealed_partition) partitions; /* by number */
    rdl_map partition_of;      /* "source\n name" -> rdl_sealed_partition * */
    /* The newest of each file and topic partition; a file that was cleared and came again has one
     * for each time. */
    RDL_VEC(rdl_sealed_range) ranges;
    rdl_map range_of;          /* "source\n path or name" -> index + 1 of its newest range */
    rdl_map tables;            /* name -> rdl_table_history * */
    rdl_map watermarks;        /* "table\n partition" -> rdl_watermark * */
    rdl_map snapshots;         /* source -> rdl_snapshot_history * */
    rdl_map part_lists;        /* text of a segment's parts -> itself */
    rdl_map jobs;              /* name -> rdl_sealed_job *: its last run */
    RDL_VEC(uint64_t) deltas;  /* epochs with a state.delta, not pruned */
} rdl_history;

void rdl_history_init(rdl_history *h, rdl_arena *a);
/*
 * One record of the journal, whatever its type (history_read.c).  checkpoint receives the payload of
 * a CHECKPOINT; NULL: who reads does not keep state.
 */
RDL_MUST rdl_code rdl_history_visit(rdl_history *h, rdl_buf *checkpoint, uint32_t type,
                                    rdl_str payload, rdl_err *err);
void rdl_history_add(rdl_history *h, const rdl_seal *seal); /* copies what it keeps */
rdl_str rdl_history_keep_parts(rdl_history *h, rdl_str parts);
void rdl_history_prune(rdl_history *h, uint64_t epoch);     /* a PRUNE record */
/*
 * What application needs of a history (epoch, time, tables and their segments), for another
 * thread: later changes of `from` are not seen.  Names are shared; from's arena must live on.
 */
void rdl_history_copy_tables(const rdl_history *from, rdl_arena *a, rdl_history *out);
void rdl_history_drop(rdl_history *h, rdl_str table); /* a DROP record: exists is false again */
/* Tables that have data here and are not in the pipeline, by name. */
void rdl_history_left(const rdl_history *h, const struct rdl_pipeline *p, rdl_arena *a,
                      const rdl_table_history ***out, size_t *out_n);
/* What became of a file that was read. */
void rdl_history_clear(rdl_history *h, rdl_str source, const char *path, rdl_clearing how);
void rdl_history_add_job(rdl_history *h, const rdl_sealed_job *job);
const rdl_sealed_job *rdl_history_job(const rdl_history *h, rdl_str name); /* NULL: never ran */
/* Pieces of a summary (summary.c). */
void rdl_history_add_partition(rdl_history *h, const rdl_sealed_partition *p);
void rdl_history_add_range(rdl_history *h, const rdl_sealed_range *r); /* epoch and cleared too */
void rdl_history_add_watermark(rdl_history *h, const rdl_sealed_watermark *w);
void rdl_history_add_snapshot(rdl_history *h, uint64_t epoch, const rdl_sealed_snapshot *s);
/* Never NULL: a table that no seal names has exists false. */
rdl_table_history *rdl_history_table(rdl_history *h, rdl_str table);
/* The newest epoch in (from, to] that replaced the table's whole content; 0: none whose segment is there. */
uint64_t rdl_history_last_reset(const rdl_table_history *h, uint64_t from, uint64_t to);
/* Epochs whose segments may still lie on disk; `needless`: nobody reads those up to it any more. */
uint64_t rdl_history_pending(const rdl_history *h, uint64_t needless);
const rdl_snapshot_history *rdl_history_snapshot(const rdl_history *h, rdl_str source);
/* INT64_MIN when there is none. */
int64_t rdl_history_watermark(const rdl_history *h, rdl_str table, rdl_str partition);
/* The number of a partition; -1 when it has none yet. */
int32_t rdl_history_partition(const rdl_history *h, rdl_str source, rdl_str name);

#endif
