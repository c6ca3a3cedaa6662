/*
 * base/err.h - the one error type.
 *
 * A function that can fail returns rdl_code and takes `rdl_err *err` last.  err is never
 * NULL.  On RDL_OK err is untouched; on failure it is filled before the return, once, by
 * whoever saw the failure first.  Callers above add where they were (rdl_err_in), never
 * what they think went wrong.  Nothing is logged on the way up: the layer that decides
 * what happens next (the epoch loop, the CLI, an HTTP handler) logs it, once.
 *
 * Thread: any; an rdl_err belongs to one call chain.
 */
#ifndef RDL_BASE_ERR_H
#define RDL_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RDL_MUST __attribute__((warn_unused_result))
#define RDL_PRINTF(f, a) __attribute__((format(printf, f, a)))

typedef enum rdl_code {
    RDL_OK = 0,
    RDL_EUSAGE = 1,    /* the command line or the pipeline text */
    RDL_ESCHEMA = 2,   /* types or columns do not fit */
    RDL_EDATA = 3,     /* one record is bad, or bytes on disk are not what was written */
    RDL_EIO = 4,       /* a file */
    RDL_ENET = 5,      /* a peer */
    RDL_EREMOTE = 6,   /* a peer said no; sqlstate is set if it sent one */
    RDL_ECONFLICT = 7, /* somebody else committed first, or holds the lock */
    RDL_ELIMIT = 8,    /* a configured bound was reached */
    RDL_ENOMEM = 9,
    RDL_ESTOP = 10, /* asked to stop */
    RDL_EDIFF = 11, /* a check found differences */
    RDL_EBUG = 12,  /* our own mistake; exit 70 */
} rdl_code;

/* What the epoch loop may do about it.  Set where the failure is understood. */
enum {
    RDL_ERR_RETRY = 1u << 0,  /* same call, later, may succeed */
    RDL_ERR_REPLAY = 1u << 1, /* throw the unsealed epoch away, run it again */
    RDL_ERR_POISON = 1u << 2, /* quarantine the record, go on */
};

/* Where the failure lies; it chooses the exit code.  The first to say it wins. */
typedef enum rdl_area {
    RDL_AREA_NONE = 0, /* exit code by rdl_code: EUSAGE, ESCHEMA 2; EDIFF 1; EBUG 70; else 6 */
    RDL_AREA_TEXT = 2,
    RDL_AREA_CONFIG = 3,
    RDL_AREA_SOURCE = 4,
    RDL_AREA_SINK = 5,
    RDL_AREA_STORE = 6, /* lake or state */
} rdl_area;

typedef struct rdl_err {
    rdl_code code;
    uint32_t flags;
    rdl_area area;
    uint32_t line, col; /* 1-based, in the user's text; 0 if there is none */
    char file[256];     /* the user's text file, if line is set */
    char sqlstate[6];
    char msg[1200]; /* could not ...: reason.  Lower case, no full stop. */
    char hint[500]; /* One sentence on what to do.  May be empty. */
    char path[300]; /* "pipeline orders > sink pg > epoch 41" */
} rdl_err;

/* Fill err and return code: return rdl_err_set(err, RDL_EIO, 0, "could not ...", ...). */
rdl_code rdl_err_set(rdl_err *err, rdl_code code, uint32_t flags, const char *fmt, ...)
    RDL_PRINTF(4, 5);
/* Add or replace the hint of a failure; returns err->code. */
rdl_code rdl_err_hint(rdl_err *err, const char *fmt, ...) RDL_PRINTF(2, 3);
/* Say where the failure lies unless somebody has; passes rc through. */
rdl_code rdl_err_area(rdl_code rc, rdl_err *err, rdl_area area);
/* Add where we were to a failing return: return rdl_err_in(rc, err, "sink %s", name). */
rdl_code rdl_err_in(rdl_code rc, rdl_err *err, const char *fmt, ...) RDL_PRINTF(3, 4);
/* "ENOMEM" and the like, for logs and metrics. */
const char *rdl_code_name(rdl_code code);
/* The process's exit code for this failure; DESIGN: 0 1 2 3 4 5 6 70. */
int rdl_err_exit_code(const rdl_err *err);
/* Out of memory, in one line: return rdl_err_nomem(err). */
rdl_code rdl_err_nomem(rdl_err *err);

/* Return early when there is nothing to clean up; `goto out` when there is. */
#define RDL_TRY(expr)                                                                              \
    do {                                                                                           \
        rdl_code rdl_try_rc = (expr);                                                              \
        if (rdl_try_rc != RDL_OK)                                                                  \
            return rdl_try_rc;                                                                     \
    } while (0)
#define RDL_TRY_OUT(expr)                                                                          \
    do {                                                                                           \
        rc = (expr);                                                                               \
        if (rc != RDL_OK)                                                                          \
            goto out;                                                                              \
    } while (0)

#endif
