/*
 * stream/state.h - keyed state: an in-memory table over immutable sorted runs on disk.
 *
 * A key is (space, bytes); a space is one view's groups or one table's deduplication keys,
 * named by the fingerprint of the bound definition.  Changes are made in one open epoch; they
 * are seen by gets at once, written whole by rdl_state_write_delta, and become part of the table
 * at rdl_state_commit (after the seal) or vanish at rdl_state_abort.
 *
 * FILES (<root>/state)
 *   epochs/<n>/state.delta   the epoch's changes (written by the epoch; synced before its seal)
 *   runs/run-<id>            sorted entries (space, key, epoch, value or tombstone) in blocks of
 *                            about 16 KiB with prefix compression, block index, a filter (about
 *                            10 bits a key), footer with counts, epoch range, checksums of all parts
 *
 * INVARIANTS
 *   T1  runs listed in the newest CHECKPOINT record + deltas of sealed epochs after it = the state.
 *   T2  A run is complete, synced and its folder synced before a CHECKPOINT names it.
 *   T3  A delta is deleted only after a CHECKPOINT covers its epoch; an old run only after a
 *       CHECKPOINT without it.
 *   T4  A checksum that is wrong is RDL_EDATA (area STORE) naming file, place and remedy
 *       (raudal refresh --rebuild-state makes state again from the lake); it is never skipped.
 *
 * MEMORY  budget_bytes bounds table + filters + block cache; over its share the table is frozen
 * and written as a run by a background thread while a new table takes writes; runs are merged
 * in the background (tiered, fan-in 4..8, tombstones dropped at the bottom).  The open epoch's
 * own changes come on top of the budget; the epoch's bounds are theirs.  RDL_ELIMIT from open or
 * begin: filters and indexes alone leave no room.  A budget under 256 KiB is taken as 256 KiB.
 *
 * FAILURES  What went wrong in the background is given out once, by the next begin or checkpoint,
 * and then tried again; nothing is lost by it.  After a failed commit or replay only close is
 * left: open again and replay.
 *
 * Thread: epoch, but for the background writer, which is internal.
 */
#ifndef RDL_STREAM_STATE_H
#define RDL_STREAM_STATE_H

#include "base/hash.h"
#include "base/str.h"

typedef struct rdl_state rdl_state;

typedef struct rdl_state_config {
    const char *dir;       /* <root>/state */
    uint64_t budget_bytes;
} rdl_state_config;

/* checkpoint: payload of the newest CHECKPOINT record, or empty. */
RDL_MUST rdl_code rdl_state_open(const rdl_state_config *config, rdl_str checkpoint,
                                 rdl_state **out, rdl_err *err);
/* Replay a sealed epoch's delta; epochs ascending, those the checkpoint covers are skipped (their
 * files may be gone). */
RDL_MUST rdl_code rdl_state_replay(rdl_state *s, uint64_t epoch, const char *delta_path,
                                   rdl_err *err);
void rdl_state_close(rdl_state *s); /* NULL is fine; an open epoch is aborted */

/* 64-bit space of a fingerprint; stable for ever. */
uint64_t rdl_state_space(rdl_hash128 fingerprint);

RDL_MUST rdl_code rdl_state_begin(rdl_state *s, uint64_t epoch, rdl_err *err);
/* value is valid until the next call on s; *found false leaves it alone. */
RDL_MUST rdl_code rdl_state_get(rdl_state *s, uint64_t space, rdl_str key, bool *found,
                                rdl_str *value, rdl_err *err);
/* Keys that will be asked for or put next: what is far from the processor comes nearer. */
RDL_MUST rdl_code rdl_state_prefetch(rdl_state *s, uint64_t space, const rdl_str *keys, size_t n,
                                     rdl_err *err);
RDL_MUST rdl_code rdl_state_put(rdl_state *s, uint64_t space, rdl_str key, rdl_str value,
                                rdl_err *err);
RDL_MUST rdl_code rdl_state_delete(rdl_state *s, uint64_t space, rdl_str key, rdl_err *err);
/* All of a space is deleted (a view that is rebuilt); cheap. */
RDL_MUST rdl_code rdl_state_clear(rdl_state *s, uint64_t space, rdl_err *err);
/*
 * Deduplication: for i = 0..n-1 in order, claimed[i] = keys[i] was absent and is now present.
 * when_us (may be NULL) is kept with the key, for DEDUPLICATE WITHIN: a key whose kept time is more
 * than within_us before when_us[i] counts as absent (within_us <= 0: it never does).  A key that
 * is there keeps the time that it has.
 */
RDL_MUST rdl_code rdl_state_claim(rdl_state *s, uint64_t space, const rdl_hash128 *keys,
                                  const int64_t *when_us, int64_t within_us, size_t n,
                                  bool *claimed, rdl_err *err);

/* The open epoch's changes as one checksummed file (not synced: the epoch syncs all together). */
RDL_MUST rdl_code rdl_state_write_delta(rdl_state *s, const char *path, rdl_err *err);
RDL_MUST rdl_code rdl_state_commit(rdl_state *s, rdl_err *err); /* after the seal */
void rdl_state_abort(rdl_state *s);
uint64_t rdl_state_epoch(const rdl_state *s); /* last committed or replayed */

/*
 * When a run became durable: *wanted true and payload is what the CHECKPOINT record should say;
 * covered is the newest epoch whose delta is no longer needed.  After the record is durable
 * call rdl_state_checkpointed, which deletes what nothing names any more: runs that merges have
 * replaced, and the delta files given to write_delta or replay up to `covered`.  force writes the
 * table out first (at a stop), whatever its size.  No epoch may be open.
 */
RDL_MUST rdl_code rdl_state_checkpoint(rdl_state *s, bool force, bool *wanted, rdl_buf *payload,
                                       uint64_t *covered, rdl_err *err);
RDL_MUST rdl_code rdl_state_checkpointed(rdl_state *s, rdl_err *err);

/* All live entries of a space, keys ascending; for verify and tests.  visit must not call s. */
typedef rdl_code (*rdl_state_visitor)(void *arg, rdl_str key, rdl_str value, rdl_err *err);
RDL_MUST rdl_code rdl_state_scan(rdl_state *s, uint64_t space, rdl_state_visitor visit,
                                 void *arg, rdl_err *err);

typedef struct rdl_state_stats {
    uint64_t entries_in_memory, bytes_in_memory, runs, run_bytes, run_entries, filter_bytes;
    uint64_t gets, gets_from_runs, filter_passes, merges;
} rdl_state_stats;
void rdl_state_get_stats(const rdl_state *s, rdl_state_stats *out);

#endif
