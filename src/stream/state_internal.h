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

#include "stream/state.h"
#include "stream/state_format.h"
#include "stream/state_table.h"

typedef struct rdl_space {
    uint64_t id;
    uint64_t cleared_at; /* committed epoch; 0: never */
    bool clear_open;     /* cleared in the open epoch */
} rdl_space;

typedef struct rdl_delta_file {
    uint64_t epoch;
    char *path;
} rdl_delta_file;

struct rdl_state {
    char *dir;
    uint64_t budget;
    rdl_space *spaces;
    size_t space_count, space_cap, space_last; /* last: where the last lookup found one */
    rdl_memtable open, live;
    uint64_t epoch;      /* last committed */
    uint64_t open_epoch; /* 0: none is open */
    bool broken;         /* a commit or replay stopped halfway; only close is left */
    rdl_delta_file *deltas; /* committed and not yet covered by a checkpoint, ascending */
    size_t delta_count, delta_cap;
    rdl_delta_file open_delta; /* of the open epoch, if written */
    rdl_buf scratch;
    uint64_t gets, gets_from_runs, filter_passes, merges;
};

/* What a layer says of a key. */
typedef struct rdl_state_hit {
    bool found, tombstone;
    uint64_t epoch;
    rdl_str value; /* valid until the next call on the state */
} rdl_state_hit;

/* state.c */
RDL_MUST rdl_code rdl_state_space_index(rdl_state *s, uint64_t space, uint32_t *out,
                                        rdl_err *err);
RDL_MUST rdl_code rdl_state_note_delta(rdl_state *s, rdl_delta_file *taken, rdl_err *err);
char *rdl_state_copy_path(const char *path); /* NULL: out of memory */
/* After a change of live outside an epoch's commit (replay). */
RDL_MUST rdl_code rdl_state_apply(rdl_state *s, uint64_t epoch, uint64_t space, rdl_str key,
                                  rdl_str value, uint32_t flags, rdl_err *err);
RDL_MUST rdl_code rdl_state_apply_clear(rdl_state *s, uint64_t epoch, uint64_t space,
                                        rdl_err *err);

/* state_delta.c */
RDL_MUST rdl_code rdl_delta_write(rdl_state *s, const char *path, rdl_err *err);
RDL_MUST rdl_code rdl_delta_apply(rdl_state *s, uint64_t epoch, const char *path, rdl_err *err);

#endif
