/*
 * stream/state_internal.h - the parts of rdl_state, for the state_*.c files alone.
 *
 * LAYERS, newest first; the first that has a key answers for it:
 *
 *   open     changes of the open epoch             thrown away by abort
 *   live     committed, takes the next commits     lost in a crash, rebuilt from deltas
 *   frozen   committed, being written as a run     as live, until its run is named
 *   runs     immutable files, newest first         named by a CHECKPOINT record
 *
 * A space that was cleared at epoch e hides what older epochs say of it, in every layer.
 */
#ifndef RDL_STREAM_STATE_INTERNAL_H
#define RDL_STREAM_STATE_INTERNAL_H

#include "base/thread.h"
#include "stream/state.h"
#include "stream/state_format.h"
#include "stream/state_merge.h"
#include "stream/state_run.h"
#include "stream/state_table.h"

typedef struct rdl_space {
    uint64_t id;
    uint64_t cleared_at; /* committed epoch; 0: never */
    bool clear_open;     /* cleared in the open epoch */
} rdl_space;

typedef struct rdl_state_delta_file {
    uint64_t epoch;
    char *path;
} rdl_state_delta_file;

typedef struct rdl_state_job rdl_state_job; /* state_background.c */

/* A run that a merge replaced: its file goes when a CHECKPOINT without it is durable (T3). */
typedef struct rdl_obsolete_run {
    char *path;
    bool named; /* the CHECKPOINT being written is without it */
} rdl_obsolete_run;

struct rdl_state {
    char *dir;
    uint64_t budget;
    rdl_space *spaces;
    size_t space_count, space_cap, space_last; /* last: where the last lookup found one */
    rdl_memtable open, live;
    uint64_t epoch;      /* last committed */
    uint64_t open_epoch; /* 0: none is open */
    bool broken;         /* a commit or replay stopped halfway; only close is left */
    rdl_state_delta_file
        *deltas; /* committed and not yet covered by a checkpoint, ascending */
    size_t delta_count, delta_cap;
    rdl_state_delta_file open_delta; /* of the open epoch, if written */

    rdl_memtable *frozen;   /* NULL: none */
    uint64_t frozen_covers; /* newest epoch in it */
    bool committed;         /* an epoch, by this process */
    uint64_t live_epochs;   /* commits and replays since the last freeze */
    rdl_run **runs;         /* newest first */
    size_t run_count, run_cap;
    rdl_obsolete_run *obsolete;
    size_t obsolete_count, obsolete_cap;
    rdl_block_cache *cache;
    size_t cache_budget;
    uint64_t next_run, covered; /* covered: up to it all is in runs */
    bool runs_changed;          /* since the last checkpoint was asked for */
    uint64_t pending_covered, recorded_covered;

    rdl_state_job *flush, *merge; /* at work in the background; NULL: none */
    rdl_err background_err;       /* code is not RDL_OK: begin gives it out */

    uint64_t gets, gets_from_runs, filter_passes, merges;
};

/* What a layer says of a key. */
typedef struct rdl_state_hit {
    bool found, tombstone;
    uint64_t epoch;
    rdl_str value; /* valid until the next call on the state */
} rdl_state_hit;

/* state.c */
RDL_MUST rdl_code rdl_state_space_index(rdl_state *s,
                                        uint64_t space,
                                        uint32_t *out,
                                        rdl_err *err);
RDL_MUST rdl_code rdl_state_note_delta(rdl_state *s,
                                       rdl_state_delta_file *taken,
                                       rdl_err *err);
char *rdl_state_copy_path(const char *path); /* NULL: out of memory */
/* After a change of live outside an epoch's commit (replay). */
RDL_MUST rdl_code rdl_state_apply(rdl_state *s,
                                  uint64_t epoch,
                                  uint64_t space,
                                  rdl_str key,
                                  rdl_str value,
                                  uint32_t flags,
                                  rdl_err *err);
RDL_MUST rdl_code rdl_state_apply_clear(rdl_state *s,
                                        uint64_t epoch,
                                        uint64_t space,
                                        rdl_err *err);

/* Whether an answer stands: there, not a tombstone, not cleared since (T5). */
static inline bool
rdl_state_visible(const rdl_state *s, uint32_t space, const rdl_state_hit *hit)
{
    return hit->found && !hit->tombstone && hit->epoch >= s->spaces[space].cleared_at;
}

/* state_background.c */
/* Takes in what background jobs have done and starts those that are due; failures wait in
 * background_err. */
void rdl_state_poll(rdl_state *s);
/* Freezes the live table when it has outgrown its share, or when forced. */
void rdl_state_settle(rdl_state *s, bool force);
void rdl_state_wait_flush(rdl_state *s);
void rdl_state_wait_merge(rdl_state *s);
void rdl_state_stop_jobs(rdl_state *s);
RDL_MUST rdl_code rdl_state_take_background_err(rdl_state *s, rdl_err *err);
uint64_t rdl_state_filter_bytes(const rdl_state *s);
/* RDL_ELIMIT when filters and indexes leave no room for a table. */
RDL_MUST rdl_code rdl_state_check_budget(const rdl_state *s, rdl_err *err);
RDL_MUST rdl_code rdl_state_add_run(rdl_state *s, rdl_run *taken, size_t at, rdl_err *err);
RDL_MUST rdl_code rdl_state_copy_spaces(const rdl_state *s,
                                        rdl_space_view **out,
                                        rdl_err *err);

/* state_checkpoint.c */
RDL_MUST rdl_code rdl_state_load(rdl_state *s, rdl_str checkpoint, rdl_err *err);
void rdl_state_run_path(const rdl_state *s, uint64_t id, rdl_buf *out);

/* state_delta.c */
RDL_MUST rdl_code rdl_state_delta_write(rdl_state *s, const char *path, rdl_err *err);
RDL_MUST rdl_code rdl_state_delta_apply(rdl_state *s,
                                        uint64_t epoch,
                                        const char *path,
                                        rdl_err *err);

#endif
