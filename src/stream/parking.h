/*
 * stream/parking.h - a table or source that fails is put aside, with what depends on it, and the others
 * go on.
 *
 *        works ──(its part of an epoch fails)──▶ aside ──(pause is over)──▶ tried
 *          ▲                                       ▲                         │
 *          └───────────(an epoch with it is sealed)┼─────────────────────────┘
 *                                                  └──(it fails again: a longer pause)
 *
 * The epoch that failed was undone whole; the next one is planned without what is aside: the table, what
 * reads it, and the sources whose rows it would miss (other readers of these rest meanwhile).  What it missed
 * it catches up with as after --only.  With --once nothing is tried again, and the run ends with the first
 * failure.  Only failures that lie in the data or the text of one table, or in one source, are treated so:
 * a full disk, a lost lock or our own mistake still ends the run.
 *
 * INVARIANT  Q1  No sealed epoch holds rows of a source that a reader of it, which is aside, will not see.
 *                tests/cli/apart_test.sh
 *
 * Thread: epoch.
 */
#ifndef RDL_STREAM_PARKING_H
#define RDL_STREAM_PARKING_H

#include "stream/internal.h"

/* From here on failures are put aside; they are not in single steps. */
void rdl_parking_begin(rdl_engine *e);
/* Called with the failure of an epoch; true: it was put aside, and the run goes on. */
bool rdl_parking_take(rdl_engine *e, rdl_code rc, const rdl_err *err);
/* Before a plan of the continuous loop: what is due is tried again. */
void rdl_parking_turn(rdl_engine *e);
int64_t rdl_parking_next(const rdl_engine *e); /* when; INT64_MAX: nothing is aside */
void rdl_parking_sealed(rdl_engine *e, const rdl_work *w);
/* The first failure since begin; RDL_OK: none. */
RDL_MUST rdl_code rdl_parking_end(rdl_engine *e, rdl_err *err);

#endif
