/*
 * raudal.h - Raudal inside another program: open a pipeline, run it, ask it, stop it.
 *
 *     raudal *r;
 *     if (raudal_open("shop", NULL, &r) != RAUDAL_OK ||
 *         raudal_run_once(r, NULL) != RAUDAL_OK)
 *         fprintf(stderr, "%s\n%s\n", raudal_error(r), raudal_hint(r));
 *     raudal_close(r);
 *
 * Handles are opaque.  A call that fails says why through raudal_error; raudal_open gives a
 * handle even then (NULL only without memory), and raudal_close takes any of them.  Texts that a
 * handle gives out live until the next call on it.  Everything is UTF-8, times are microseconds
 * since 1970-01-01 UTC.  Structs given by the caller begin with their size, so that they may
 * grow: set `size` to sizeof of the struct, the rest to 0.
 *
 * Thread: a handle belongs to one thread at a time, but raudal_stop may be called from any
 * thread and from a signal handler until raudal_close.  Handles are independent of each other.
 */
#ifndef RAUDAL_H
#define RAUDAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RAUDAL_API __attribute__((visibility("default")))

/* What went wrong; numbers never change. */
typedef enum raudal_code {
    RAUDAL_OK = 0,
    RAUDAL_EUSAGE = 1,    /* an argument, or the pipeline's text: see raudal_diagnostics */
    RAUDAL_ESCHEMA = 2,   /* types or columns do not fit */
    RAUDAL_EDATA = 3,     /* a record is bad, or bytes on disk are not what was written */
    RAUDAL_EIO = 4,       /* a file */
    RAUDAL_ENET = 5,      /* a peer */
    RAUDAL_EREMOTE = 6,   /* a peer said no */
    RAUDAL_ECONFLICT = 7, /* somebody else holds the root, or committed first */
    RAUDAL_ELIMIT = 8,    /* a configured bound was reached */
    RAUDAL_ENOMEM = 9,
    RAUDAL_ESTOP = 10, /* asked to stop */
    RAUDAL_EDIFF = 11, /* a check found differences */
    RAUDAL_EBUG = 12,  /* a mistake of Raudal's own: please report it */
} raudal_code;

typedef struct raudal raudal;

typedef struct raudal_options {
    size_t size;
    const char *root;       /* NULL: <dir>/.raudal */
    const char *const *set; /* "NAME=value", as the command line's --set */
    size_t set_count;
    const char *only;      /* glob over table names; NULL: all */
    uint64_t memory_bytes; /* 0: half of the machine */
    unsigned threads;      /* 0: one per processor */
    int adopt;             /* not 0: take over stores that belong to another root */
} raudal_options;

/* Reads and binds the pipeline's folder; takes no lock, makes no file.  options may be NULL. */
RAUDAL_API raudal_code raudal_open(const char *dir, const raudal_options *options, raudal **out);
/* Ends everything, releases the root.  NULL is fine. */
RAUDAL_API void raudal_close(raudal *r);

/* What became of the rows; what came in equals the sum of what became of them. */
typedef struct raudal_report {
    size_t size;
    uint64_t epochs; /* sealed by this call */
    uint64_t last_epoch;
    int stopped; /* by raudal_stop */
    double seconds;
    uint64_t bytes_read;
    uint64_t read, replayed, fanout; /* came in */
    uint64_t written, duplicate, late_diverted, late_dropped, quarantined, dropped, filtered;
} raudal_report;

/*
 * All there is now, then return; out may be NULL.  The first run takes the root's lock
 * (RAUDAL_ECONFLICT names who has it), which is held until raudal_close.
 */
RAUDAL_API raudal_code raudal_run_once(raudal *r, raudal_report *out);
/* Until raudal_stop: an epoch per trigger_interval while there is input. */
RAUDAL_API raudal_code raudal_run(raudal *r, raudal_report *out);
/*
 * Let the run that goes on finish its epoch and return.  A handle that was stopped stays so: its
 * next runs return at once; open another to go on.
 */
RAUDAL_API void raudal_stop(raudal *r);

typedef struct raudal_status {
    size_t size;
    uint64_t epoch;       /* last sealed; 0: none */
    int64_t last_seal_us; /* 0: none */
    int writer_alive;     /* some process, this one included, holds the root */
    uint64_t tables;
    uint64_t rows, quarantined; /* of all tables */
    uint64_t lake_bytes, state_bytes;
} raudal_status;

/* Of the root as it is on disk, beside any writer. */
RAUDAL_API raudal_code raudal_get_status(raudal *r, raudal_status *out);

/* One row of an answer.  Texts end in a NUL that lengths do not count. */
typedef struct raudal_row {
    size_t n;
    const char *const *names;
    const char *const *types;  /* "BIGINT", "DECIMAL(18,2)"; of stores: "" */
    const char *const *values; /* NULL is null */
    const size_t *lengths;
} raudal_row;
/* Not 0 to end the query, which then gives RAUDAL_ESTOP. */
typedef int (*raudal_row_fn)(void *arg, const raudal_row *row);

/* Any SELECT over the lake at its newest sealed cut; tables are named as in the pipeline. */
RAUDAL_API raudal_code raudal_query(raudal *r, const char *sql, raudal_row_fn row, void *arg);

typedef struct raudal_parameter {
    const char *name, *value; /* a value NULL is null */
} raudal_parameter;
/* queries/<name>.sql of the pipeline, answered by the store that serves its tables. */
RAUDAL_API raudal_code raudal_query_store(raudal *r, const char *name,
                                          const raudal_parameter *parameters, size_t count,
                                          raudal_row_fn row, void *arg);

/* Of the last call that failed; "" when none did. */
RAUDAL_API const char *raudal_error(const raudal *r);
RAUDAL_API const char *raudal_hint(const raudal *r);
/* Problems of the pipeline's text, with file, line and caret; "" when there are none. */
RAUDAL_API const char *raudal_diagnostics(const raudal *r);
RAUDAL_API const char *raudal_version(void);

#ifdef __cplusplus
}
#endif

#endif
