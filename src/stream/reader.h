/*
 * stream/reader.h - one sealed cut of a root, read beside its writer.
 *
 * Opening loads the pipeline, reads the journal up to its last good record and defines, in an
 * in-memory DuckDB, for every table s.t: view s.t (visible columns), view s."t$rows" (streaming
 * tables: identity columns too), quarantine.<schema>_<table>; sources have none.  They read lake
 * files and the sealed segments that the lake has not taken yet.  Nobody is waited for; a lease
 * (lease.h) keeps what is read for a minute.  A file that vanished because the writer moved on makes a query fail with RDL_ERR_RETRY: open again.
 *
 * Thread: one at a time.
 */
#ifndef RDL_STREAM_READER_H
#define RDL_STREAM_READER_H

#include "lang/catalog.h"
#include "stream/engine.h"

typedef struct rdl_reader rdl_reader;

typedef struct rdl_reader_config {
    const char *dir, *root;    /* as in rdl_engine_config */
    rdl_load_options load;
    const char *text;
    uint64_t memory_bytes;
    unsigned threads;
    const char *temp_dir;      /* where DuckDB spills; NULL: nowhere */
} rdl_reader_config;

RDL_MUST rdl_code rdl_reader_open(const rdl_reader_config *config, rdl_diags *diags,
                                  rdl_reader **out, rdl_err *err);
void rdl_reader_close(rdl_reader *r);
const rdl_pipeline *rdl_reader_pipeline(const rdl_reader *r);
rdl_conn *rdl_reader_conn(rdl_reader *r); /* for any SQL over the views */
rdl_duck *rdl_reader_duck(rdl_reader *r);
const char *rdl_reader_root(const rdl_reader *r);
const char *rdl_reader_root_uuid(const rdl_reader *r);

/*
 * Run user SQL read-only: one statement that is a SELECT, WITH, VALUES, FROM, DESCRIBE, SUMMARIZE, EXPLAIN,
 * SHOW; anything else is RDL_EUSAGE.  `s.t VERSION AS OF n` and `s.t TIMESTAMP AS OF '...'`
 * after a table name read the lake as of then.
 */
RDL_MUST rdl_code rdl_reader_query(rdl_reader *r, const char *sql, rdl_result **out, rdl_err *err);

/* What the journal says, for status. */
typedef struct rdl_table_status {
    const rdl_table *table;
    uint64_t rows;             /* now, lake and segments */
    uint64_t quarantined;      /* waiting there */
    uint64_t last_epoch;       /* that changed it; 0: none */
    int64_t lake_version;      /* -1: none */
    uint64_t lake_epoch;       /* shown by the lake */
    int64_t watermark_us;      /* INT64_MIN: none */
    rdl_ledger ledger;         /* since the root began */
    uint64_t files, bytes;     /* of the newest lake version */
    int64_t changed_us;        /* the time of last_epoch; INT64_MIN: never */
    int64_t took_us;           /* its work in its newest epoch; 0: not known */
} rdl_table_status;
typedef struct rdl_publication_status {
    const rdl_publication *publication;
    int64_t epoch;             /* shown by the store; -1: none or not reachable */
    uint64_t behind;           /* epochs since then, if the table changed in one of them */
    char problem[200];         /* why it is not reachable */
} rdl_publication_status;
typedef struct rdl_schedule_status {
    rdl_str name;              /* of the table, or of the job: "report x" */
    const char *text;          /* "CRON '0 3 * * *' TIME ZONE 'America/Bogota'" */
    int64_t last_us;           /* when it last ran; INT64_MIN: never */
    int64_t next_us;           /* INT64_MIN: as soon as there is something; INT64_MAX: no time */
    int64_t took_us;           /* its last run; 0: not known */
    int64_t promise_us;        /* PROMISE; 0: none */
    int64_t waiting_us;        /* since when something waits for it; INT64_MIN: nothing does */
    bool times;                /* it has times of its own: CRON, EVERY */
} rdl_schedule_status;
typedef struct rdl_root_status {
    uint64_t epoch;            /* last sealed */
    int64_t last_seal_us;
    bool writer_alive;
    char writer[200];          /* who holds the lock */
    rdl_table_status *tables;
    size_t table_count;
    const char **left;         /* tables with data in the root that are no longer in the text */
    size_t left_count;
    rdl_publication_status *publications;
    size_t publication_count;
    rdl_schedule_status *schedules;
    size_t schedule_count;
    uint64_t state_bytes, lake_bytes;
} rdl_root_status;
struct rdl_cut;
const struct rdl_cut *rdl_reader_cut(const rdl_reader *r); /* stream/cut.h */
RDL_MUST rdl_code rdl_reader_status(rdl_reader *r, rdl_arena *a, rdl_root_status *out, rdl_err *err);
/* Parts of it alone, since counting rows and asking stores takes time. */
enum {
    RDL_STATUS_TABLES = 1u << 0,
    RDL_STATUS_STORES = 1u << 1,
    RDL_STATUS_SCHEDULES = 1u << 2,
    RDL_STATUS_BYTES = 1u << 3,
};
RDL_MUST rdl_code rdl_reader_status_of(rdl_reader *r, rdl_arena *a, unsigned parts,
                                       rdl_root_status *out, rdl_err *err);
/* A report's schedule: its runs are not in the journal, so the caller says what is known. */
typedef struct rdl_report_past {
    int64_t started_us, ended_us; /* of its last good run; INT64_MIN: none */
    uint64_t epoch;               /* that it showed */
} rdl_report_past;
RDL_MUST rdl_code rdl_reader_report_schedule(rdl_reader *r, rdl_arena *a, const rdl_report *report,
                                             const rdl_report_past *past,
                                             rdl_schedule_status *out, rdl_err *err);
struct rdl_seal; /* stream/seal.h */
/* Every seal that the journal tells of, in order, up to the reader's cut. */
typedef rdl_code (*rdl_seal_visitor)(void *arg, const struct rdl_seal *seal, rdl_err *err);
RDL_MUST rdl_code rdl_reader_seals(rdl_reader *r, rdl_seal_visitor seen, void *arg, rdl_err *err);

#endif
