/*
 * stream/state_merge.h - layers read together in key order, newest first where they agree.
 *
 * Thread: one at a time; the layers must not change meanwhile.
 */
#ifndef RDL_STREAM_STATE_MERGE_H
#define RDL_STREAM_STATE_MERGE_H

#include <stdatomic.h>

#include "base/key_sort.h"
#include "stream/state_run.h"
#include "stream/state_table.h"

/* A space as a background job sees it: a copy, since the table of spaces goes on changing. */
typedef struct rdl_space_view {
    uint64_t id, cleared_at;
} rdl_space_view;

/* Entries of one space within a sorted layer. */
typedef struct rdl_layer_part {
    uint64_t space;
    size_t end; /* exclusive */
} rdl_layer_part;

/* One layer: a run's cursor, or a table's entries sorted. */
typedef struct rdl_source_layer {
    bool is_run;
    rdl_run_cursor cursor;
    rdl_sort_key *sorted; /* keys of entries: each lies behind its own */
    size_t n, at;
    rdl_layer_part *parts; /* in the order of their spaces; `part` is that of `at` */
    size_t part_count, part;
    uint64_t epoch_base;
    bool done;
    rdl_run_entry entry; /* while not done */
} rdl_source_layer;

typedef struct rdl_merge {
    rdl_source_layer *layers; /* newest first */
    size_t n, cap;
    size_t given; /* the layer that gave the last entry; n: none did */
} rdl_merge;

void rdl_merge_fini(rdl_merge *m);
/* Layers are added newest first.  only: a space index, or UINT32_MAX for all. */
RDL_MUST rdl_code rdl_merge_add_table(rdl_merge *m,
                                      const rdl_memtable *t,
                                      const rdl_space_view *spaces,
                                      uint32_t only,
                                      rdl_err *err);
RDL_MUST rdl_code rdl_merge_add_run(rdl_merge *m, const rdl_run *r, rdl_err *err);
/* From the start, or from a space's first key. */
RDL_MUST rdl_code rdl_merge_start(rdl_merge *m, const uint64_t *space, rdl_err *err);
/* *out is the next key's newest entry, valid until the next call; *end at the end. */
RDL_MUST rdl_code rdl_merge_next(rdl_merge *m, rdl_run_entry *out, bool *end, rdl_err *err);

/* What becomes of a merge that is written. */
typedef struct rdl_merge_output {
    const char *path; /* where the run goes: written under another name, then renamed */
    uint64_t id, epoch_base;
    bool bottom; /* no older layer: tombstones are of no more use */
    size_t memory_bytes;
    const rdl_space_view *spaces; /* entries older than a space's clear are dropped */
    size_t space_count;
    const atomic_bool *stop;
} rdl_merge_output;

/* info->entries == 0: nothing was left and there is no file.  RDL_ESTOP when told to stop. */
RDL_MUST rdl_code rdl_merge_write(rdl_merge *m,
                                  const rdl_merge_output *o,
                                  rdl_run_info *info,
                                  rdl_err *err);

#endif
