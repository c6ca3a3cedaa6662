/*
 * stream/changes.h - what a store has to do to follow a table from one sealed epoch to another.
 *
 *   removals   keys that were there and are not any more
 *   inserts    rows whose key was not there
 *   updates    rows whose key was there; all columns
 *
 * as SQL over sealed segments.  Over several epochs the net is taken: the row of the newest epoch
 * that names a key, and what was there before the oldest one that does.  Rows come in the order of
 * the key: a store's index takes them three to four times cheaper than in no order.
 *
 * INVARIANT  N1  Of one batch, no key is in two of the three; applied to the content of `from` they
 *                give the content of `to` (tests/slt/publish/net_changes.slt).
 *
 * Thread: the cut's.
 */
#ifndef RDL_STREAM_CHANGES_H
#define RDL_STREAM_CHANGES_H

#include "stream/cut.h"
#include "stream/ordered.h"

typedef struct rdl_changes {
    bool any;   /* something happened */
    bool whole; /* a reset lies between: what is there goes, inserts are all rows */
    /* n 0: none.  prepare is run before inserts and updates, finish after them, on one connection. */
    rdl_buf prepare, removals, inserts, updates, finish;
    /* Where the segments are sorted, inserts and updates come from here instead, as the counts say. */
    rdl_ordered *ordered;
    bool any_fresh, any_known;
} rdl_changes;

void rdl_changes_fini(rdl_changes *c);
/*
 * RDL_ELIMIT when segments of (from, to] are gone: publish whole instead.  unfinished: rows of epochs
 * after `from` may lie there already (rdl_sink_ops.unfinished), so removals are of every key that the
 * epochs name and that is absent at `to`.
 */
RDL_MUST rdl_code rdl_changes_between(rdl_cut *c, const rdl_table *t, const size_t *key,
                                      size_t key_count, uint64_t from, uint64_t to,
                                      bool unfinished, rdl_changes *out, rdl_err *err);
/* SELECT of each key that segments of (from, to] name; *out_known false: some are gone, or replace all. */
void rdl_changes_named(rdl_cut *c, const rdl_table *t, const size_t *key, size_t key_count,
                       uint64_t from, uint64_t to, rdl_buf *out, bool *out_known);
/* Everything anew: what is there goes, inserts are all rows at the cut. */
RDL_MUST rdl_code rdl_changes_whole(rdl_cut *c, const rdl_table *t, const size_t *key,
                                    size_t key_count, rdl_changes *out, rdl_err *err);

#endif
