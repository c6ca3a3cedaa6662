/*
 * stream/internal.h - what the files of the engine share.  Not for other folders.
 *
 *   engine.c     open, restore, close; run.c one epoch, and once
 *   renamed.c    what a changed text would read twice, or leaves unread
 *   plan.c       what the next epoch takes: snapshots, ranges of files, jobs
 *   schedule.c   which scheduled views it may touch; job.c other things that run by themselves
 *   epoch.c      the work of one epoch in graph order, and its seal
 *   ingest.c     sources into e."new:.."; snapshot.c: their versions into e."new:..", e."old:.."
 *   judge.c      each row's one fate; reindex.c when its keys are new
 *   quarantine.c rejected rows with their bytes and reasons
 *   view.c       pairs of old and new rows of a view; merge.c, merge_add.c merge keyed state
 *   view_rows.c  constraints and keys of its rows
 *   moving.c     which texts give a view's changes when several of its inputs changed
 *   parking.c    a table or source that fails is put aside
 *   replay.c     rows of a quarantine judged again
 *   decide.c     decision tables: rows that are added once
 *   model.c      programs over rows: when; model_run.c one run
 *   relation.c   e."all:.." and what is kept of tables in memory between epochs
 *   apply.c      sealed epochs into the stores; apply_lake.c into the lake
 *   prune.c      what all have is removed; the journal begins anew with a summary
 *   upkeep.c     small files of the lake merged, old versions removed
 *   applier.c    that, beside the epochs; loop.c for ever
 */
#ifndef RDL_STREAM_INTERNAL_H
#define RDL_STREAM_INTERNAL_H

#include <stdatomic.h>
#include <stdio.h>

#include "base/cron.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/thread.h"
#include "duck/codec.h"
#include "duck/held.h"
#include "lang/plan.h"
#include "sink/sink.h"
#include "source/decode/decode.h"
#include "source/landing.h"
#include "source/source.h"
#include "stream/changes.h"
#include "stream/cut.h"
#include "stream/destination.h"
#include "stream/engine.h"
#include "stream/journal.h"
#include "stream/state.h"

typedef enum rdl_step {
    RDL_STEP_PLAN,
    RDL_STEP_DECODE,
    RDL_STEP_JUDGE,
    RDL_STEP_VIEWS,
    RDL_STEP_SEGMENTS,
    RDL_STEP_SEAL,
    RDL_STEP_LAKE,
    RDL_STEP_SINKS,
    RDL_STEP_COUNT,
} rdl_step;

typedef struct rdl_models rdl_models;       /* stream/model.c */
typedef struct rdl_parking rdl_parking;     /* stream/parking.c */
typedef struct rdl_model_run rdl_model_run; /* stream/model.h */
typedef struct rdl_upkeep rdl_upkeep;       /* stream/upkeep.c */
typedef struct rdl_job rdl_job;             /* stream/schedule.h */

/* A source of the pipeline and where it stands. */
typedef struct rdl_feed {
    rdl_table *table;
    rdl_source *source;
    rdl_decode_spec spec;
    rdl_format format;
    bool wanted; /* a selected table reads it */
    bool every_reader_deduplicates;
    int64_t look_us;     /* SNAPSHOT with REFRESH EVERY: when to look again */
    double row_bytes;    /* of the url's bytes per record, lately; 0: not known */
    rdl_landing landing; /* what happens to read files */
    rdl_map *elsewhere;  /* path -> rdl_sealed_range * of a source that is gone; NULL: renamed.c */
    size_t landing_from; /* sealed ranges before this index need no look */
} rdl_feed;

/* What is known of the key of a join's dimension, as it is now (fanout.c). */
typedef enum rdl_fan_known {
    RDL_FAN_UNKNOWN,
    RDL_FAN_UNIQUE,
    RDL_FAN_REPEATS,
} rdl_fan_known;

/* What one table needs between epochs. */
typedef struct rdl_runtime {
    rdl_table *table;
    bool selected;     /* by --only */
    bool cached;       /* c."<t>" holds the whole content */
    bool cache_empty;  /* and it is known to have no rows */
    bool cache_needed; /* some plan reads e."all:<t>", or old rows are looked up */
    bool reads_source; /* streaming, straight from an append-only source */
    bool old_needed;   /* readers of changes need old rows, not deletions alone */
    bool feeds_stream; /* a view: rows of a streaming table are judged by it, maybe through others */
    bool published;
    uint64_t space;              /* of keyed state */
    rdl_fan_known *fans;         /* by fan of the view's plan; NULL: nothing is known */
    struct rdl_timetable *times; /* of a scheduled view; NULL: none */
    int64_t passed_us;           /* a scheduled run that found nothing to do; INT64_MIN: none */
} rdl_runtime;

/* A store: publications of one URL share a connection. */
typedef struct rdl_store {
    const char *url;
    const rdl_sink_ops *ops;
    rdl_sink *sink;     /* NULL: closed after a failure, opened again by the next try */
    bool taken;         /* it is ours: --adopt counts at the first opening alone */
    uint64_t applied;   /* everything up to this epoch is there (applier.c) */
    uint64_t failures;  /* in a row */
    int64_t retry_us;   /* monotonic: not before */
    bool failing, told; /* under the applier's lock: as it is, and as the run was told */
    char why[300];      /* the same */
} rdl_store;

typedef struct rdl_destination {
    rdl_publication *publication;
    rdl_store *store;
    rdl_sink_table table;
    int64_t epoch;     /* shown by the store; -1: fill whole */
    bool filled;       /* whole, by this opening, before any run began */
    bool left_out;     /* its table there does not fit what is published */
    uint64_t refusals; /* in a row */
    int64_t look_us;   /* monotonic: not looked at again before */
    rdl_err refusal;   /* the last */
} rdl_destination;

/* Of one column, half open; SQL texts of its type.  NULL: no bound. */
typedef struct rdl_refresh_range {
    const char *from, *to;
} rdl_refresh_range;

/* Rows of a quarantine that an epoch judges again (replay.c). */
typedef struct rdl_replay_request {
    rdl_table *table;
    const char *where; /* SQL over the quarantine's columns; NULL: all */
    bool dismiss;      /* they wait no longer, and nothing is judged */
} rdl_replay_request;

/* Inputs that are decoded by whoever reads their rows (ingest.c). */
typedef struct rdl_passing {
    rdl_source_inputs inputs;
    uint64_t expected; /* rows, by the bytes */
} rdl_passing;

/* One epoch while it is made. */
typedef struct rdl_parts_aside rdl_parts_aside;

typedef struct rdl_work {
    uint64_t epoch;
    int64_t ts_us;
    rdl_arena arena;
    rdl_seal seal;
    rdl_range **ranges; /* by feed */
    size_t *range_count;
    rdl_version *snapshots;           /* by feed; n 0: no new version */
    rdl_decode **decodes;             /* by feed */
    rdl_passing **passing;            /* by feed: not settled yet; or NULL */
    int64_t decode_us;                /* spent so inside of other steps */
    bool barrier;                     /* snapshots, no stream rows */
    bool caught_up;                   /* one of them did */
    bool catch_up;                    /* streaming tables that missed sealed rows read them now */
    const rdl_model_run *model;       /* whose result comes in with this epoch; NULL: none */
    bool refresh_deferred;            /* recompute dirty whole-table views */
    bool continuous;                  /* schedules count */
    bool *refresh;                    /* by table: recompute whatever its inputs did; NULL: none */
    const rdl_refresh_range *range;   /* of the refreshed tables' rows; NULL: all */
    const rdl_replay_request *replay; /* NULL: none; else nothing else is read */
    /* By table: */
    bool *due;           /* scheduled views that this epoch may touch */
    bool *decides;       /* a decision that is due reads them: they are brought up first */
    bool *changed;       /* e."new:" or e."old:" has rows */
    bool *all_made;      /* e."all:" exists */
    bool *cache_touched; /* an abort must forget the cache */
    uint64_t *rows_new;  /* in e."new:"; UINT64_MAX: not counted */
    bool *replaces;      /* its new rows may have keys that were there before */
    bool building;       /* a view whole */
    const rdl_table *missed; /* the view that is brought up by what it missed (view_missed.c) */
    rdl_table_report *reports;
    uint64_t rows, bytes;
    bool last; /* of a --once run: unfinished lines are read */
    rdl_parts_aside *aside; /* parts_aside.h; NULL: none */
} rdl_work;

struct rdl_engine {
    rdl_engine_config config;
    rdl_arena arena; /* pipeline */
    rdl_arena history_arena;
    rdl_pipeline *pipeline;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_root root;
    rdl_lock *lock;
    rdl_journal *journal;
    rdl_root_identity identity;
    char uuid[37];
    rdl_hash_key hash_key;
    rdl_state *state;
    rdl_history history;
    rdl_buf checkpoint; /* newest CHECKPOINT payload */
    uint64_t covered;   /* epochs whose delta state no longer needs */
    uint64_t needless;  /* epochs that lake, stores and state have; readers may hold them still */
    rdl_feed *feeds;
    size_t feed_count;
    rdl_runtime *tables;    /* by table->index */
    rdl_map relations;      /* of schema e (relation.c) */
    size_t relation_tables; /* of them, tables of DuckDB's */
    size_t relations_big;   /* and of them, many rows held, in this epoch */
    rdl_destination *destinations;
    size_t destination_count;
    rdl_store *stores;
    size_t store_count;
    rdl_clock *clock;
    uint64_t files_max, rows_max, bytes_max;
    uint64_t bytes_fit;    /* the share of memory that bytes_max began with (fit.c); 0: it stays */
    uint64_t epoch_memory; /* the most that was looked at in this epoch */
    int64_t trigger_us, lake_interval_us, retry_us;
    int64_t last_lake_us, last_deferred_us;
    double row_bytes;             /* of a source record, lately; turns max_rows into bytes */
    int64_t journal_retention_us; /* of records that a rotation set aside; 0: for ever */
    uint64_t journal_max; /* bytes of records after which the journal begins with a summary */
    uint64_t pending_max; /* sealed epochs that a store may lack before we wait for it */
    bool unclean;         /* the last holder did not close */
    bool templates_made;  /* c."empty:.." (epoch.c) */
    uint64_t memory_bytes;
    uint64_t adopt_rows; /* of a partition in an epoch, so that the lake takes its file; 0: never */
    rdl_upkeep *upkeep;
    rdl_models *models;      /* NULL: the pipeline has none */
    rdl_parking *parking;    /* NULL: a failure ends the run */
    const rdl_table *blame;  /* whose part of the epoch failed; NULL: nobody's */
    RDL_VEC(rdl_job *) jobs; /* with schedules */
    atomic_int stop;         /* set by rdl_engine_stop, also from a signal handler */
    atomic_int asked;        /* an errand waits */
    bool unsure;             /* a seal failed half-way: only a restart knows what it left */
    rdl_watch *watch;
    rdl_run_report report;
    uint64_t rows_read; /* in this run */
    int64_t run_us;     /* when this run (or step) began, by the clock */
    int64_t began_us;   /* monotonic */
    bool stepping;      /* one epoch is asked for, with all that it changes */
    bool ran;           /* a run began: stores may have changed since they were opened */
    rdl_mutex status_lock;
    rdl_engine_status status;        /* under status_lock */
    double *late_behind, *late_seen; /* by table: rows behind the watermark, rows judged */
    bool *rejected_told;             /* by table: did its last epoch reject many? */
};

/* fit.c: bytes_max from memory; looked at within an epoch, set anew after it. */
void rdl_fit_begin(rdl_engine *e, bool is_set);
void rdl_fit_look(rdl_engine *e);
void rdl_fit_epoch(rdl_engine *e);
void rdl_fit_failed(rdl_engine *e, rdl_code rc);
/* plan.c: what one epoch may take at most of a source. */
rdl_source_limits rdl_plan_limits(const rdl_engine *e, const rdl_feed *f);
/* False in *out_any when there is nothing to do. */
RDL_MUST rdl_code rdl_plan_next(rdl_engine *e, rdl_work *w, bool last, bool *out_any, rdl_err *err);
/* Did an input change in a sealed epoch that the view did not see? */
bool rdl_view_is_behind(rdl_engine *e, const rdl_table *v);
bool rdl_lags(rdl_engine *e, const rdl_table *t);
bool rdl_is_scheduled(const rdl_table *t); /* a view (schedule.h) */
/* epoch.c */
void rdl_work_init(rdl_engine *e, rdl_work *w);
void rdl_work_fini(rdl_engine *e, rdl_work *w);
RDL_MUST rdl_code rdl_epoch_run(rdl_engine *e, rdl_work *w, rdl_err *err);
/* segment.c: what the epoch changed, into its folder; nothing is synced. */
RDL_MUST rdl_code rdl_segments_write(rdl_engine *e, rdl_work *w, rdl_err *err);
/* An empty e."new:.." for each stream that t reads and that brought nothing. */
RDL_MUST rdl_code rdl_missing_inputs(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err);
rdl_sealed_table *rdl_work_seal_table(rdl_engine *e, rdl_work *w, const rdl_table *t);
/* view_missed.c: can the view be brought up by the net of what its driving input changed since it was
 * evaluated?  If so: makes that net; the plan's texts are then read through _text. */
bool rdl_view_missed_at_hand(rdl_engine *e, const rdl_work *w, const rdl_table *v);
RDL_MUST rdl_code rdl_view_missed_expose(rdl_engine *e, rdl_work *w, const rdl_table *v, rdl_err *err);
const char *rdl_view_missed_text(rdl_work *w, const rdl_table *v, const char *sql);
/* Lowers *epoch to what scheduled views will read. */
void rdl_view_missed_hold(rdl_engine *e, uint64_t *epoch);
/* ingest.c */
RDL_MUST rdl_code rdl_feeds_open(rdl_engine *e, rdl_err *err);
void rdl_feeds_close(rdl_engine *e);
void rdl_feeds_rewind(rdl_engine *e); /* what was given and not sealed */
/* Tell the sources what is sealed; settle: by a seal that was made just now. */
void rdl_feeds_restore(rdl_engine *e, const rdl_sealed_range *ranges, size_t n, bool settle);
RDL_MUST rdl_code rdl_ingest(rdl_engine *e, rdl_work *w, rdl_err *err);
/* After t's body ran: what was decoded while it ran is counted.  Before any count of its rows. */
RDL_MUST rdl_code rdl_ingest_settle(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err);
/* e."decoded:<s>" from these records, which no range names. */
/* snapshot.c: the version that the plan took. */
RDL_MUST rdl_code rdl_ingest_snapshot(rdl_engine *e, rdl_work *w, rdl_feed *f, rdl_err *err);
RDL_MUST rdl_code rdl_ingest_records(rdl_engine *e, rdl_work *w, rdl_feed *f,
                                     const rdl_decode_input *inputs, size_t n, rdl_err *err);
rdl_feed *rdl_feed_of(rdl_engine *e, const rdl_table *source);
/* judge.c: runs the body of a streaming table and leaves e."new:<t>". */
RDL_MUST rdl_code rdl_judge(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err);
/* keys.c: published keys of what t brings are unique and not null. */
RDL_MUST rdl_code rdl_keys_check(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err);
/* reindex.c: deduplication survives a new text of the body; other keys are another index. */
rdl_hash128 rdl_key_identity(const char *what, const rdl_table *t, const size_t *columns, size_t n);
/* Claims the keys of rows that were written before this index existed; mostly does nothing. */
RDL_MUST rdl_code rdl_reindex(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err);
/* Every index anew: keyed state was forgotten. */
RDL_MUST rdl_code rdl_reindex_all(rdl_engine *e, rdl_work *w, rdl_err *err);
/* quarantine.c: from e."judge:<t>" and e."fates:<t>"; and malformed records of its sources. */
RDL_MUST rdl_code rdl_quarantine_rows(rdl_engine *e, rdl_work *w, rdl_table *t, bool judged,
                                      uint64_t *out_rows, rdl_err *err);
/* refresh.c: the column that a range is taken of; -1: the view has none. */
int rdl_refresh_column(const rdl_table *v);
/* The segment, from e."quarantine:<t>". */
RDL_MUST rdl_code rdl_quarantine_write(rdl_engine *e, rdl_work *w, const rdl_table *t,
                                       rdl_err *err);
/* replay.c: the rows asked for, as e."replay:<t>"; then the table over them, by itself. */
RDL_MUST rdl_code rdl_replay_select(rdl_engine *e, rdl_work *w, rdl_err *err);
RDL_MUST rdl_code rdl_replay_table(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err);
/* For judge.c: leave in e."judge:<t>" what lay in quarantine; mark what left it. */
RDL_MUST rdl_code rdl_replay_narrow(rdl_engine *e, rdl_work *w, const rdl_table *t,
                                    uint64_t *out_rows, rdl_err *err);
RDL_MUST rdl_code rdl_replay_mark(rdl_engine *e, rdl_work *w, const rdl_table *t,
                                  bool some_rejected, uint64_t *out_rows, rdl_err *err);
/* view.c: leaves e."new:<v>" and e."old:<v>". */
RDL_MUST rdl_code rdl_view_maintain(rdl_engine *e, rdl_work *w, rdl_table *v, rdl_err *err);
/* e."<role><v>" as the rows of select; and without rows. */
RDL_MUST rdl_code rdl_view_create(rdl_engine *e, const rdl_work *w, const char *role,
                                  const rdl_table *v, const char *select, uint64_t *out_rows,
                                  rdl_err *err);
RDL_MUST rdl_code rdl_view_create_empty(rdl_engine *e, const char *role, const rdl_table *v,
                                        rdl_err *err);
/* view_rows.c: `what` over e."<role><v>". */
RDL_MUST rdl_code rdl_view_count(rdl_engine *e, const char *role, const rdl_table *v,
                                 const char *what, int64_t *out, rdl_err *err);
/* Rows of `select` into e."<role><v>", constraints applied; counted when they are the new rows. */
RDL_MUST rdl_code rdl_view_put_rows(rdl_engine *e, rdl_work *w, rdl_table *v, const char *role,
                                    const char *select, bool counted, uint64_t *out_rows,
                                    rdl_err *err);
RDL_MUST rdl_code rdl_view_check_key(rdl_engine *e, const rdl_table *v, bool against_content,
                                     rdl_err *err);
RDL_MUST rdl_code rdl_view_check_unique(rdl_engine *e, rdl_work *w, rdl_table *v, rdl_err *err);
/*
 * moving.c: what the epoch's changes of a view's inputs do to it (lang/plan_moving.c).
 * A view moves in an epoch when an input changed that is not the driving one, and all that changed
 * have steps.  texts makes the relations that the chosen steps read, and gives each kind's texts as
 * one (UNION ALL), NULL: none.
 */
bool rdl_view_joins_itself(const rdl_table *v); /* the driving input, with itself */
bool rdl_view_is_still(const rdl_work *w, const rdl_table *v); /* nothing but the driving input moved */
bool rdl_view_moves(const rdl_work *w, const rdl_table *v);
RDL_MUST rdl_code rdl_view_moving_texts(rdl_engine *e, rdl_work *w, rdl_table *v, const char **new_sql,
                                        const char **old_sql, rdl_err *err);
/* decide.c: leaves e."new:<t>" and an empty e."old:<t>". */
enum { RDL_DECISION_COLUMNS = 3 }; /* _decided_at, _decided_epoch, _decided_by */
RDL_MUST rdl_code rdl_decide(rdl_engine *e, rdl_work *w, rdl_table *t, uint64_t *out_rows,
                             rdl_err *err);
/* In --once: does the clock ask for another look, though no input moved? */
bool rdl_decision_is_due(rdl_engine *e, const rdl_table *t);
/* merge.c: see there. */
typedef struct rdl_touched rdl_touched;
typedef struct rdl_partials {
    const char *new_sql, *old_sql; /* NULL: none */
    bool repeat;                   /* a key may come more than once */
    bool afresh;                   /* the groups that come are computed anew, not added to */
} rdl_partials;
RDL_MUST rdl_code rdl_merge_partials(rdl_engine *e, const rdl_table *v, const rdl_partials *from,
                                     rdl_touched **out, rdl_err *err);
/* Fills e."states:<v>", or another role's, with the groups' state before (or after) the merge. */
const char *rdl_touched_role(const rdl_touched *t, bool before);
RDL_MUST rdl_code rdl_touched_expose(rdl_engine *e, rdl_touched *t, bool before, bool only_gone,
                                     rdl_err *err);
size_t rdl_touched_count(const rdl_touched *t);
size_t rdl_touched_gone(const rdl_touched *t);
size_t rdl_touched_known(const rdl_touched *t); /* that were there before */
void rdl_touched_free(rdl_touched *t);
/*
 * relation.c: the relations of schema e.  make runs the select and holds its rows, or makes a table
 * when more rows are expected (or come) than may be held; UINT64_MAX asks for a table.
 */
RDL_MUST rdl_code rdl_relation_make(rdl_engine *e, const rdl_work *w, const char *role,
                                    rdl_str table, const char *select, uint64_t expected,
                                    uint64_t *out_rows, rdl_err *err);
/* Empty, to be filled by rdl_held_push. */
RDL_MUST rdl_code rdl_relation_hold(rdl_engine *e, const char *role, rdl_str table,
                                    const rdl_schema *schema, rdl_held **out, rdl_err *err);
/* What is held becomes a table, which goes on being filled by the appender; the caller closes it. */
RDL_MUST rdl_code rdl_relation_spill(rdl_engine *e, const char *role, rdl_str table,
                                     rdl_appender **out, rdl_err *err);
/* All rows of the select, held however many; to be changed in place. */
RDL_MUST rdl_code rdl_relation_hold_rows(rdl_engine *e, const char *role, rdl_str table,
                                         const char *select, rdl_held **out, rdl_err *err);
rdl_held *rdl_relation_held(rdl_engine *e, const char *role, rdl_str table); /* NULL: a table */
/* passing: it reads what goes with the epoch, so it goes too. */
RDL_MUST rdl_code rdl_relation_view(rdl_engine *e, const char *role, rdl_str table,
                                    const char *select, bool passing, rdl_err *err);
RDL_MUST rdl_code rdl_relation_drop(rdl_engine *e, const char *role, rdl_str table, rdl_err *err);
bool rdl_relation_exists(rdl_engine *e, const char *role, rdl_str table);
uint64_t rdl_held_rows_max(const rdl_engine *e);
/* As rdl_query and its like; the plan is kept where that is safe. */
RDL_MUST rdl_code rdl_relation_query(rdl_engine *e, const char *sql, rdl_result **out,
                                     rdl_err *err);
RDL_MUST rdl_code rdl_relation_i64(rdl_engine *e, const char *sql, int64_t *out, rdl_err *err);
RDL_MUST rdl_code rdl_relation_text(rdl_engine *e, rdl_arena *a, const char *sql, char **out,
                                    rdl_err *err);
RDL_MUST rdl_code rdl_relations_end(rdl_engine *e, rdl_err *err);   /* of an epoch: C2 */
RDL_MUST rdl_code rdl_relations_reset(rdl_engine *e, rdl_err *err); /* of one that failed */
RDL_MUST rdl_code rdl_relation_all(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err);
/* e."before:<t>", the content before this epoch, and e."moved:<t>", its new and old rows. */
RDL_MUST rdl_code rdl_relation_before(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err);
RDL_MUST rdl_code rdl_relation_moved(rdl_engine *e, const rdl_table *t, rdl_err *err);
/* The content before this epoch as c."<t>"; loads it from the lake and segments when needed. */
bool rdl_cache_is_empty(const rdl_engine *e, const rdl_table *t); /* loaded, and without rows */
RDL_MUST rdl_code rdl_cache_load(rdl_engine *e, rdl_table *t, rdl_err *err);
/* Bring c."<t>" to the end of this epoch from e."new:<t>", e."old:<t>". */
RDL_MUST rdl_code rdl_cache_update(rdl_engine *e, rdl_work *w, rdl_table *t, bool reset,
                                   rdl_err *err);
/* folders.c: the values of PARTITIONED BY in e."new:<t>" fit into names of folders. */
RDL_MUST rdl_code rdl_folders_check(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err);
/* fanout.c: the view's joins multiply no row; whole: it is computed from everything. */
RDL_MUST rdl_code rdl_view_check_fans(rdl_engine *e, rdl_work *w, rdl_table *v, bool whole,
                                      rdl_err *err);
/* A row met twice is the error; otherwise nothing. */
RDL_MUST rdl_code rdl_fan_look(rdl_engine *e, const char *copies_sql, const rdl_fan *f,
                               rdl_err *err);
void rdl_fans_forget(rdl_engine *e);
void rdl_caches_forget(rdl_engine *e, const rdl_work *w); /* those that an aborted epoch touched */
RDL_MUST rdl_code rdl_caches_drop(rdl_engine *e, rdl_err *err); /* all of them, for their memory */
/* renamed.c: a source or a table under another name. */
void rdl_feed_find_elsewhere(rdl_engine *e, rdl_feed *f);
RDL_MUST rdl_code rdl_feed_check_elsewhere(const rdl_feed *f, const rdl_range *r, rdl_err *err);
void rdl_warn_of_unread(rdl_engine *e);
/* apply.c */
/* Sealed epochs on their way into lake and stores, on any one thread at a time. */
typedef struct rdl_apply {
    rdl_engine *e; /* what stands still while it runs, and the stores */
    rdl_conn *conn;
    rdl_history *history; /* the thread's own */
} rdl_apply;
RDL_MUST rdl_code rdl_destinations_open(rdl_engine *e, rdl_err *err);
void rdl_destinations_close(rdl_engine *e);
RDL_MUST rdl_code rdl_apply_check_schemas(rdl_engine *e, rdl_err *err);
RDL_MUST rdl_code rdl_apply_check_fresh(rdl_engine *e, rdl_err *err);
/* Shared by apply.c and apply_lake.c: a destination that shows more than was sealed is refused; what was sealed
 * under another text waits for the rebuild that replaces it. */
RDL_MUST rdl_code rdl_apply_not_ahead(const rdl_apply *p, const rdl_table *t, int64_t shown,
                                      const char *what, rdl_err *err);
bool rdl_apply_is_stale(const rdl_table *t, const rdl_table_history *h);
enum { RDL_ASIDE_BYTES = 1 << 30 }; /* of the budget: lake and stores at the same time */
RDL_MUST rdl_code rdl_apply_lake(rdl_engine *e, rdl_err *err);
/* Both, side by side where there is room; the lake's result, and the stores'. */
RDL_MUST rdl_code rdl_apply_all(rdl_engine *e, rdl_code *stores, rdl_err *stores_err, rdl_err *err);
/* Every store, whichever fails; the first failure is given. */
RDL_MUST rdl_code rdl_apply_sinks(rdl_engine *e, rdl_err *err);
/* The list of runs hears of it; why NULL: it works again. */
void rdl_store_tell(rdl_engine *e, const rdl_store *s, const char *why);
RDL_MUST rdl_code rdl_apply_whole(rdl_engine *e, rdl_destination *d, rdl_err *err);
RDL_MUST rdl_code rdl_apply_to_lake(const rdl_apply *p, rdl_err *err);
/* Opens the store if it is closed; a failure leaves it closed. */
RDL_MUST rdl_code rdl_apply_to_store(const rdl_apply *p, rdl_store *s, rdl_err *err);
RDL_MUST rdl_code rdl_store_open(const rdl_apply *p, rdl_store *s, rdl_err *err);
/* When a publication that was left out is looked at again; INT64_MAX: there is none. */
int64_t rdl_store_look_us(const rdl_engine *e, const rdl_store *s);
/* Under way with this copy of the history, may a table be filled from more than the newest segments? */
bool rdl_store_may_fill(const rdl_engine *e, rdl_history *h, const rdl_store *s);
/* Why a publication of the store is left out; NULL: none is. */
const char *rdl_store_misfit(const rdl_engine *e, const rdl_store *s);
/* The failure of a publication that is left out, of whatever store; RDL_OK when none is. */
RDL_MUST rdl_code rdl_apply_left_out(const rdl_engine *e, rdl_err *err);
void rdl_store_close(rdl_store *s);
/* The newest epoch that no destination still needs; of the lake, of the stores, of both. */
RDL_MUST rdl_code rdl_apply_settled_lake(const rdl_apply *p, uint64_t *out, rdl_err *err);
RDL_MUST rdl_code rdl_apply_settled_stores(const rdl_apply *p, uint64_t *out, rdl_err *err);
RDL_MUST rdl_code rdl_apply_settled(const rdl_apply *p, uint64_t *out, rdl_err *err);
/* drop.c: what a crash left of tables that were dropped. */
RDL_MUST rdl_code rdl_drop_finish(rdl_engine *e, rdl_err *err);
/*
 * prune.c: the CHECKPOINT alone, if a run was written (force: of all that is sealed); merged runs and
 * covered deltas go at once, though lake and stores lag.
 */
RDL_MUST rdl_code rdl_prune_state(rdl_engine *e, bool force, rdl_err *err);
/* Removes what lies before it, as far as state and readers allow. */
RDL_MUST rdl_code rdl_prune_to(rdl_engine *e, uint64_t settled, bool force, rdl_err *err);
RDL_MUST rdl_code rdl_prune(rdl_engine *e, bool force, rdl_err *err);
/* apply_lake.c: the Delta table that holds t. */
void rdl_table_in_lake(rdl_arena *a, const rdl_root *root, const char *app_id, const rdl_table *t,
                       rdl_lake_table *out);
/* upkeep.c: after the lake took epochs, by who applies.  retention_us 0: old versions stay. */
void rdl_upkeep_open(rdl_engine *e, uint64_t files_min, int64_t retention_us);
void rdl_upkeep_round(const rdl_apply *p);
/* applier.c: applies beside the epochs, between start and finish. */
typedef struct rdl_applier rdl_applier;
typedef struct rdl_applied {
    uint64_t everywhere; /* the lake and every store have all up to this epoch */
    uint64_t settled;    /* no destination needs segments up to this one */
    uint64_t lake;       /* the lake has all up to this one */
    int64_t stores_us;   /* what a round of the stores takes, lately; 0: one failed */
    int64_t round_us;    /* when the one at work began; 0: none */
    uint64_t round;      /* the epoch that it brings them to */
} rdl_applied;
RDL_MUST rdl_code rdl_applier_start(rdl_engine *e, rdl_applier **out, rdl_err *err);
void rdl_applier_hand(rdl_applier *a); /* after a seal */
/* An error is a failure that no retry mends. */
RDL_MUST rdl_code rdl_applier_progress(rdl_applier *a, rdl_applied *out, rdl_err *err);
/* Until fewer than max_pending_epochs wait, or stop. */
RDL_MUST rdl_code rdl_applier_wait(rdl_applier *a, rdl_applied *out, rdl_err *err);
/* Applies what is left, each destination tried once more, and ends.  NULL is fine. */
RDL_MUST rdl_code rdl_applier_finish(rdl_applier *a, rdl_applied *out, rdl_err *err);
/* run.c */
RDL_MUST rdl_code rdl_run_epoch(rdl_engine *e, bool last, bool *did, rdl_err *err);
void rdl_note_sealed(rdl_engine *e, const rdl_work *w, int64_t began_us); /* for the status */
/* err is a failure over this history's files: names the one that is damaged, with the remedy. */
RDL_MUST rdl_code rdl_engine_name_damage(const rdl_apply *p, rdl_err *err);
void rdl_run_begin(rdl_engine *e);
void rdl_run_end(rdl_engine *e, rdl_run_report *out);
/* loop.c: what is there and not read; also for status. */
RDL_MUST rdl_code rdl_engine_measure_lag(rdl_engine *e, rdl_source_lag *out, rdl_err *err);
/* engine.c */
void rdl_engine_note_step(rdl_engine *e, rdl_step step, int64_t began_us, uint64_t rows,
                          uint64_t bytes);
void rdl_engine_progress_at(rdl_engine *e, const rdl_work *w, const char *step);
/* The end of a program's run, a failure, a recovery: for the list of runs and for who waits for one. */
void rdl_engine_tell_job(rdl_engine *e, const rdl_job_report *job);
void rdl_engine_warn(rdl_engine *e, const char *fmt, ...) RDL_PRINTF(2, 3);

#endif
