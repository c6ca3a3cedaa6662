/*
 * stream/seal.h - what a SEAL record says: one epoch, whole.
 *
 * The record is JSON so that people can read a journal; its fields are listed in
 * docs/format/journal.md.  Everything that an epoch publishes lies in files that are durable
 * before the record is written (stream/commit.c), so the record names no bytes but those.
 */
#ifndef RDL_STREAM_SEAL_H
#define RDL_STREAM_SEAL_H

#include "base/arena.h"
#include "base/hash.h"
#include "source/source.h"
#include "stream/engine.h"

/* A number for a file or a topic's partition; given once, kept for ever. */
typedef struct rdl_sealed_partition {
    int32_t number;
    rdl_str source, name;
} rdl_sealed_partition;

typedef enum rdl_clearing {
    RDL_NOT_CLEARED,
    RDL_CLEARING, /* the journal says that the file is going to be taken away */
    RDL_CLEARED,  /* it was: what comes under its path is another delivery */
} rdl_clearing;

typedef struct rdl_sealed_range {
    rdl_str source;
    rdl_range range;
    /* Known to the history alone: */
    uint64_t epoch;
    rdl_clearing cleared; /* stream/landing.c */
} rdl_sealed_range;

typedef struct rdl_sealed_snapshot {
    rdl_str source;
    rdl_hash128 hash; /* of the content that was read */
    uint64_t rows;
    rdl_hash128 file; /* of the landed file's bytes; 0: not said */
} rdl_sealed_snapshot;

/* One table's part.  Segment files exist where the count is not 0 (see stream/segment.h). */
typedef struct rdl_sealed_table {
    rdl_str table;
    rdl_hash128 fingerprint; /* of the text that made the rows */
    uint64_t rows_new, rows_old, rows_quarantined;
    rdl_hash128 keys;        /* streaming: of its deduplication columns (reindex.c) */
    rdl_str rejected;        /* the same of its quarantined rows, of any table */
    rdl_str content;         /* streaming: sum of its new rows' hashes (stream/content.h) */
    uint64_t rows_fresh;     /* marked: new rows whose key was not there before */
    rdl_hash128 sums[3];     /* of its segment files' bytes, by rdl_segment; 0: no file, or not said */
    rdl_str parts;           /* partitions whose rows lie in files of their own (stream/parts.h); n 0: none */
    uint64_t rows_apart;     /* of rows_new: in these files */
    bool packed;             /* new and old rows are blocks of the epoch's one file of rows */
    bool sorted;             /* packed, and the new rows lie in the order of the primary key */
    bool marked;             /* the new rows' segment has _was; old rows name removals alone */
    bool reset;              /* new rows are the whole content; what was before is gone */
    bool evaluated;          /* a view that is up to date with its inputs as of this epoch */
    int64_t took_us;         /* of the epoch's work, by the monotonic clock; 0: not said */
    rdl_ledger ledger;
} rdl_sealed_table;

typedef struct rdl_sealed_watermark {
    rdl_str table, partition; /* partition: the source's name, or topic partition */
    int64_t max_us;
} rdl_sealed_watermark;

/* A scheduled job (stream/schedule.h) whose run for that time is done. */
typedef struct rdl_sealed_job {
    rdl_str name;
    int64_t for_us, ran_us; /* scheduled time; by the clock */
    uint64_t cut;           /* epoch that it read; 0: not said */
    rdl_str detail;         /* what it made, or by what: the job's own; may be empty */
} rdl_sealed_job;

typedef struct rdl_seal rdl_seal;
struct rdl_seal {
    uint64_t epoch;
    int64_t ts_us;            /* the plan's timestamp, later than the last */
    int64_t took_us;          /* from the plan to before the seal; 0: not said */
    rdl_hash128 pipeline;     /* fingerprint of the text */
    bool has_delta;           /* state.delta exists */
    RDL_VEC(rdl_sealed_partition) partitions;
    RDL_VEC(rdl_sealed_range) ranges;
    RDL_VEC(rdl_sealed_snapshot) snapshots;
    RDL_VEC(rdl_sealed_table) tables;
    RDL_VEC(rdl_sealed_watermark) watermarks;
    RDL_VEC(rdl_sealed_job) jobs;
};

void rdl_seal_print(const rdl_seal *s, rdl_buf *out);
RDL_MUST rdl_code rdl_seal_parse(rdl_arena *a, rdl_str json, rdl_seal *out, rdl_err *err);

/* A JOB record: one job. */
void rdl_seal_print_job(const rdl_sealed_job *j, rdl_buf *out);
RDL_MUST rdl_code rdl_seal_parse_job(rdl_arena *a, rdl_str json, rdl_sealed_job *out, rdl_err *err);

/* A PRUNE record: {"epoch": n}. */
uint64_t rdl_seal_parse_prune(rdl_str json);

#endif
