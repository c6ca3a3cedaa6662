/*
 * ops/catalog_report.h - in catalog.db: each time that a report wrote files.
 *
 *   reports(id, report, started, ended, epoch, rows, bytes, files, written, removed, outcome,
 *   message)
 *
 * Thread: any; each call has a connection of its own.
 */
#ifndef RDL_OPS_CATALOG_REPORT_H
#define RDL_OPS_CATALOG_REPORT_H

#include "base/arena.h"

typedef struct rdl_catalog_report {
    const char *report;
    int64_t started_us, ended_us;
    uint64_t epoch, rows, bytes, files, written, removed;
    const char *outcome, *message; /* "done" or "failed"; message may be NULL */
} rdl_catalog_report;

RDL_MUST rdl_code rdl_catalog_add_report(const char *root, const rdl_catalog_report *r,
                                         rdl_err *err);

/* The newest first; none when there is no catalog.  written and removed are not read. */
RDL_MUST rdl_code rdl_catalog_reports(const char *root, rdl_arena *a, size_t most,
                                      rdl_catalog_report **out, size_t *out_n, rdl_err *err);

/* Of each report the newest run that was done and the newest that failed; the newest first. */
RDL_MUST rdl_code rdl_catalog_reports_last(const char *root, rdl_arena *a, rdl_catalog_report **out,
                                           size_t *out_n, rdl_err *err);

#endif
