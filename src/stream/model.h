/*
 * stream/model.h - programs over rows: when they run, and how their rows come in.
 *
 * A run goes: due (model.c) → its input written, the program run, its output checked and laid down as one
 * Parquet file (model_run.c; on a thread of its own in the continuous loop) → an epoch that takes that file
 * as the table's content, compared with what was there (view.c), and says in its seal that the run is
 * done.  A training step's artifact is renamed into place, synced, and then a JOB record says so.
 *
 *   due        SCHEDULE CRON, EVERY   when a time has come and something that it reads changed since
 *              ON UPDATE [AT MOST ..]  when something it reads changed; at most every lake_interval
 *                                      when nothing is said
 *              --once                  when something it reads, its program or its artifact changed
 *   a failure  leaves the table as it is; tried again after 1 minute, 2, 4, .. 1 hour (--once: the run
 *              goes on with everything else, and ends with the failure)
 *
 * INVARIANTS
 *   M1  Rows of a run come in by one sealed epoch or not at all; a crash before the seal runs it again.
 *   M2  No row that does not fit the declared columns or the key comes in: the run fails instead.
 *   M3  An artifact's name is in the journal only after its bytes are durable; the names are never
 *       used again with other bytes.
 *
 * Thread: epoch, but for rdl_model_work.
 */
#ifndef RDL_STREAM_MODEL_H
#define RDL_STREAM_MODEL_H

#include "stream/schedule.h"

/* One run of a program. */
typedef struct rdl_model_run {
    const rdl_engine *e;       /* its configuration and root alone */
    const rdl_model *model;
    rdl_arena arena;
    const char *dir;           /* state/models/<name>: of this run alone */
    const char *artifact;      /* TRANSFORM: what it is given; NULL: none */
    const char *version;       /* what is recorded with the rows */
    int64_t for_us, began_us;
    /* What it came to: */
    rdl_code rc;
    rdl_err err;
    char said[300];            /* the end of its standard error */
    uint64_t cut;              /* the epoch that it read */
    uint64_t rows;
    const char *result;        /* Parquet (TRANSFORM), or the artifact's name (TRAIN) */
    double seconds;
    atomic_bool done;
} rdl_model_run;

/* Input, program, output: everything but the epoch.  Thread: any. */
void rdl_model_work(rdl_model_run *r);
/* "1.2+3f2a9c01d44e": the declared version, the hash of command, parameters and the files that
 * the command names; "/<artifact>" behind it. */
char *rdl_model_version(rdl_arena *a, const rdl_pipeline *p, const rdl_model *m, rdl_str artifact);

RDL_MUST rdl_code rdl_models_open(rdl_engine *e, rdl_err *err);
void rdl_models_close(rdl_engine *e); /* waits for a run; a stop ends its program */
/* The continuous loop, between epochs: takes what ended, starts what is due. */
RDL_MUST rdl_code rdl_models_turn(rdl_engine *e, rdl_err *err);
/* --once: runs what is behind, one after the other; *did: something came of it. */
RDL_MUST rdl_code rdl_models_once(rdl_engine *e, bool *did, rdl_err *err);
/* The failure of a model in this --once; RDL_OK: none. */
RDL_MUST rdl_code rdl_models_failed(rdl_engine *e, rdl_err *err);
/* plan.c: does a run's result wait for an epoch?  It is this one's then. */
bool rdl_models_plan(rdl_engine *e, rdl_work *w);
/* After the seal: the run is done. */
void rdl_models_sealed(rdl_engine *e, rdl_work *w);
/* view.c: the file that holds the table's new content; NULL: not in this epoch. */
const char *rdl_models_result(const rdl_work *w, const rdl_table *t);

#endif
