/*
 * ops/catalog.h - catalog.db below the root: the runs there have been.
 *
 *   runs(id, kind, started, ended, epochs, last_epoch, rows_read, outcome, message)
 *   reports: ops/catalog_report.h; alerts, alert_notices: ops/catalog_alert.h
 *
 * Times are ISO texts in UTC; outcome is "running", "done", "stopped" or "failed".  A run
 * whose process died stays "running" until the next one marks it "lost".  The catalog is
 * for people: a run does not depend on it.
 *
 * Thread: one at a time.
 */
#ifndef RDL_OPS_CATALOG_H
#define RDL_OPS_CATALOG_H

#include "base/arena.h"

typedef struct rdl_catalog rdl_catalog;

typedef struct rdl_catalog_run {
    int64_t id, started_us, ended_us; /* ended: INT64_MIN while it runs */
    const char *kind;                 /* "once", "continuous", "refresh", ... */
    uint64_t epochs, last_epoch, rows_read;
    const char *outcome, *message; /* message may be NULL */
} rdl_catalog_run;

RDL_MUST rdl_code rdl_catalog_open(const char *root, bool read_only, rdl_catalog **out,
                                   rdl_err *err);
void rdl_catalog_close(rdl_catalog *c); /* NULL is fine */
/* Under the root's lock: whatever still says "running" was lost. */
RDL_MUST rdl_code rdl_catalog_begin_run(rdl_catalog *c, const char *kind, int64_t now_us,
                                        int64_t *out_id, rdl_err *err);
/* By id; kind and started_us are not changed. */
RDL_MUST rdl_code rdl_catalog_end_run(rdl_catalog *c, const rdl_catalog_run *run, rdl_err *err);
/* A run that is over, of something with a name of its own in this one ("model s.n"). */
RDL_MUST rdl_code rdl_catalog_add_run(rdl_catalog *c, const rdl_catalog_run *run, rdl_err *err);
/* Tables, sources and stores whose newest run failed before `since` are done as of now: a whole run
 * found nothing wrong with them. */
RDL_MUST rdl_code rdl_catalog_recovered(rdl_catalog *c, int64_t since_us, int64_t now_us,
                                        rdl_err *err);
/* The newest first; none when there is no catalog. */
RDL_MUST rdl_code rdl_catalog_runs(rdl_catalog *c, rdl_arena *a, size_t most, rdl_catalog_run **out,
                                   size_t *out_n, rdl_err *err);
const char *rdl_catalog_sqlite_version(void);

#endif
