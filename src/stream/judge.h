/*
 * stream/judge.h - what the files of the judgement share.  For them alone.
 *
 *   judge.c       the fates and their order; rows one by one, with their keys
 *   judge_runs.c  the same where no key decides: rows by runs, as they lie
 *   lanes.c       running maxima of event time
 */
#ifndef RDL_STREAM_JUDGE_H
#define RDL_STREAM_JUDGE_H

#include "stream/internal.h"

typedef enum rdl_fate {
    RDL_FATE_WRITTEN,
    RDL_FATE_DROPPED,
    RDL_FATE_QUARANTINED,
    RDL_FATE_LATE_DIVERTED,
    RDL_FATE_LATE_DROPPED,
    RDL_FATE_DUPLICATE,
} rdl_fate;

/* A row that is not written. */
typedef struct rdl_verdict {
    int64_t rowid;
    int32_t fate;
    int64_t violated; /* bit per constraint */
} rdl_verdict;

typedef RDL_VEC(rdl_verdict) rdl_verdicts; /* in the epoch's arena */

/* Which running maximum a row moves: its source's (a folder of files is one partition of it), or its
 * topic's partition's. */
typedef struct rdl_lane {
    rdl_str name;
    int64_t max_us, delay_us; /* max_us INT64_MIN: no row yet */
    bool moved; /* by this epoch: what did not is sealed already */
} rdl_lane;

typedef struct rdl_lanes {
    const rdl_table *t;
    rdl_lane *v;
    size_t n;
    int32_t *of; /* by partition number; -1: no watermark */
    int32_t of_count;
    uint64_t behind, seen;
} rdl_lanes;

void rdl_lanes_open(rdl_lanes *l, rdl_engine *e, rdl_work *w, const rdl_table *t);
/* Into the seal and the run's report. */
void rdl_lanes_close(rdl_lanes *l, rdl_engine *e, rdl_work *w);

static inline rdl_lane *rdl_lane_of(const rdl_lanes *l, int32_t partition)
{
    return partition >= l->of_count || l->of[partition] < 0 ? NULL : &l->v[l->of[partition]];
}

/* The next row in arrival order: is it late?  One that is not moves the maximum. */
static inline bool rdl_lane_is_late(rdl_lane *own, int64_t event_us)
{
    if (own->max_us != INT64_MIN && event_us < own->max_us - own->delay_us)
        return true;
    own->moved |= event_us > own->max_us;
    own->max_us = event_us > own->max_us ? event_us : own->max_us;
    return false;
}

/* What the first violated constraint that takes rows makes of one; *fails: FAIL UPDATE is it. */
rdl_fate rdl_judge_violated(const rdl_table *t, uint64_t violated, bool *fails);
/* A violated row in the report; and in the ledger, if it is written. */
void rdl_judge_count_tags(const rdl_table *t, uint64_t violated, bool written, rdl_ledger *l,
                          rdl_table_report *report);
/* SELECT of what judges a row: rowid, identity, _event_ts, violated constraints as bits. */
void rdl_judge_put_query(rdl_buf *sql, const rdl_table *t);

/*
 * Judges all rows of e."judge:<t>".  *done false: not in this way; nothing is changed but the room
 * that *out took, and judge.c does it.
 */
RDL_MUST rdl_code rdl_judge_runs(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_ledger *l,
                                 rdl_table_report *report, rdl_verdicts *out, bool *done,
                                 rdl_err *err);

#endif
