/*
 * stream/engine.h - a pipeline at work on its root: the epoch loop and what it reports.
 *
 * An engine owns the root's lock, journal, state and an in-memory DuckDB.  Opening loads the
 * pipeline, takes the lock, restores from the journal, rolls sealed epochs forward into every
 * store, and removes what a crash left.
 *
 * Thread: one thread calls open, run, step and close; rdl_engine_stop, _ask and _get_status may
 * be called from any thread (stop also from a signal handler).
 */
#ifndef RDL_STREAM_ENGINE_H
#define RDL_STREAM_ENGINE_H

#include "base/clock.h"
#include "lang/catalog.h"

typedef struct rdl_engine rdl_engine;

typedef struct rdl_engine_progress {
    uint64_t epoch;
    const char *step;         /* "plan", "decode", "judge", "views", "seal", "lake", "sqlite" */
    uint64_t rows_read;       /* so far in this run */
    uint64_t files_left, bytes_left;
    double seconds;
} rdl_engine_progress;

/* A model's or another job's run, for the list of runs. */
typedef struct rdl_job_report {
    const char *name; /* "model gold.next_day" */
    int64_t started_us, ended_us;
    bool ok;
    const char *message; /* why not; or the last line that it said */
    uint64_t rows, epoch; /* rows it gave; epoch that it read */
} rdl_job_report;

typedef struct rdl_engine_config {
    const char *dir;          /* the pipeline's folder */
    const char *root;         /* NULL: <dir>/.raudal */
    rdl_load_options load;    /* --set */
    const char *text;         /* pipeline text instead of the folder's (test scripts); or NULL */
    bool rebuild_state;       /* forget keyed state; the next refresh makes it from the lake */
    bool adopt;               /* take stores that belong to another root */
    uint64_t memory_bytes;    /* 0: half of the machine */
    unsigned threads;         /* 0: one per processor */
    rdl_clock *clock;         /* NULL: wall clock */
    const char *only;         /* glob over table names: run these and what feeds nothing else; NULL: all */
    const char *from;         /* a table: it and all that reads it, of those; NULL: all */
    /* Called on the engine's thread when something with a name of its own ended; may be NULL. */
    void (*job)(void *arg, const rdl_job_report *r);
    void *job_arg;
    /* Called on the engine's thread between two epochs of a continuous run after rdl_engine_ask:
     * the engine may be told to refresh, replay or republish there.  why is NULL when every store
     * and the lake show the last seal; else it says which could not be brought up to it, and
     * nothing should be done.  May be NULL. */
    void (*errand)(void *arg, rdl_engine *e, const rdl_err *why);
    void *errand_arg;
    /* Called between steps on the engine's thread; may be NULL. */
    void (*progress)(void *arg, const rdl_engine_progress *p);
    void *progress_arg;
} rdl_engine_config;

/* Fates of rows; per table and epoch, and summed. */
typedef struct rdl_ledger {
    uint64_t read, replayed, fanout;                      /* what came in */
    uint64_t written, duplicate, late_diverted, late_dropped, quarantined, dropped, filtered;
    uint64_t amended, imputed, kept, rescued;             /* tags of written rows */
    uint64_t malformed;                                   /* part of quarantined (or dropped: SKIP) */
    uint64_t hop_copies;                                  /* part of fanout */
} rdl_ledger;
bool rdl_ledger_balances(const rdl_ledger *l);
void rdl_ledger_add(rdl_ledger *to, const rdl_ledger *from);

typedef struct rdl_table_report {
    const rdl_table *table;
    rdl_ledger ledger;        /* streaming tables */
    uint64_t rows_new, rows_old; /* views: changed pairs */
    uint64_t *violations;     /* by constraint */
} rdl_table_report;

typedef struct rdl_step_time {
    const char *name;
    uint64_t count, rows, bytes;
    double seconds;
} rdl_step_time;

enum { RDL_STEPS_MAX = 16 };

typedef struct rdl_run_report {
    uint64_t epochs;          /* sealed in this run */
    uint64_t last_epoch;
    bool stopped;             /* by rdl_engine_stop */
    rdl_table_report *tables; /* by table->index; pipeline arena */
    rdl_ledger total;         /* source records: what the pipeline read and where each went,
                                 summed over streaming tables that read sources */
    rdl_step_time steps[RDL_STEPS_MAX];
    size_t step_count;
    double seconds;
    uint64_t bytes_read;
    char **warnings;          /* late shares and the like */
    size_t warning_count;
} rdl_run_report;

/* diags receives problems of the text (then RDL_EUSAGE).  The pipeline is made in the arena of
 * diags, which must outlive the engine. */
RDL_MUST rdl_code rdl_engine_open(const rdl_engine_config *config, rdl_diags *diags,
                                  rdl_engine **out, rdl_err *err);
void rdl_engine_close(rdl_engine *e); /* NULL is fine */
const rdl_pipeline *rdl_engine_pipeline(const rdl_engine *e);
/* For a command that works on the lake between two epochs (cli/errand.h). */
typedef struct rdl_engine_lake {
    const char *root, *uuid;
    rdl_conn *conn;
} rdl_engine_lake;
void rdl_engine_get_lake(rdl_engine *e, rdl_engine_lake *out);

/* All there is now, then stop; every store is brought up to the last epoch. */
RDL_MUST rdl_code rdl_engine_run_once(rdl_engine *e, rdl_run_report *out, rdl_err *err);
/* Until rdl_engine_stop: an epoch per trigger_interval while there is input. */
RDL_MUST rdl_code rdl_engine_run(rdl_engine *e, rdl_run_report *out, rdl_err *err);
/* Test scripts: at most one epoch of what is there; *out_did false when there was nothing. */
RDL_MUST rdl_code rdl_engine_step(rdl_engine *e, bool *out_did, rdl_err *err);
/* Bring lake and stores up to the last seal now. */
RDL_MUST rdl_code rdl_engine_flush(rdl_engine *e, rdl_err *err);
void rdl_engine_stop(rdl_engine *e); /* finishes the epoch; async-signal-safe */
void rdl_engine_ask(rdl_engine *e);  /* an errand waits; any thread */

/* Recompute views from the lake (all when n is 0), and what lies downstream, as an epoch. */
RDL_MUST rdl_code rdl_engine_refresh(rdl_engine *e, const rdl_table *const *tables, size_t n,
                                     uint64_t *out_changed_rows, rdl_err *err);
/*
 * The same for the rows of a range alone, half open: of the first DATE or TIMESTAMPTZ column among
 * its partition columns, its key, its columns, in this order; else of its first partition column.  What
 * lies downstream follows as it does after any change.  *out_column is what the range was taken of.
 */
RDL_MUST rdl_code rdl_engine_refresh_range(rdl_engine *e, const rdl_table *t, const char *from,
                                           const char *to, const char **out_column,
                                           uint64_t *out_changed_rows, rdl_err *err);
/*
 * Judge rejected rows of a streaming table again, as an epoch: where is SQL over the quarantine's
 * columns, NULL: all.  out says what became of them: replayed = written + duplicate + quarantined
 * (again) + ...; rows whose records were not kept are not among them.
 */
RDL_MUST rdl_code rdl_engine_replay(rdl_engine *e, const rdl_table *table, const char *where,
                                    rdl_ledger *out, rdl_err *err);
/*
 * They stay where they lie and wait no longer, as an epoch: replayed = dropped in its ledger, and the
 * quarantine says "dismissed" among their reasons.
 */
RDL_MUST rdl_code rdl_engine_dismiss(rdl_engine *e, const rdl_table *table, const char *where,
                                     rdl_ledger *out, rdl_err *err);
/*
 * A table that left the text: its folders of the lake are removed and its past is forgotten (drop.c).
 * What was published of it stays in its store.  Texts in a.
 */
typedef struct rdl_dropped {
    char *lake, *quarantine; /* folders; NULL: there was none */
} rdl_dropped;
RDL_MUST rdl_code rdl_engine_drop(rdl_engine *e, const char *table, bool dry_run, rdl_arena *a,
                                  rdl_dropped *out, rdl_err *err);
/* Fill stores whole from the lake (publications of these tables; all when n is 0). */
RDL_MUST rdl_code rdl_engine_republish(rdl_engine *e, const rdl_table *const *tables, size_t n,
                                       rdl_err *err);

/* A picture for status and metrics, copied out. */
typedef struct rdl_engine_status {
    uint64_t epoch, epochs_sealed; /* last sealed; in this process */
    uint64_t applied;              /* shown by the lake and every store */
    uint64_t jobs;                 /* ends of programs, failures, recoveries that were told */
    int64_t last_seal_us;
    double last_epoch_seconds;
    uint64_t files_behind, bytes_behind, rows_behind;
    uint64_t state_bytes, memory_bytes;
    rdl_ledger total; /* since the process began */
} rdl_engine_status;
void rdl_engine_get_status(rdl_engine *e, rdl_engine_status *out);

#endif
