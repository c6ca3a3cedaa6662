/*
 * batch/report_internal.h - what the files of reports share.  Not for other folders.
 *
 *   report.c         the order of a run
 *   report_inputs.c  parameters, pruned inputs
 *   report_rows.c    the rows, the groups
 *   report_render.c  CSV, JSON, HTML, templates
 *   report_files.c   paths, files, the manifest
 *
 * Thread: the caller's; a report and what it reads belong to one thread at a time.
 */
#ifndef RDL_BATCH_REPORT_INTERNAL_H
#define RDL_BATCH_REPORT_INTERNAL_H

#include "base/map.h"
#include "batch/report.h"
#include "stream/cut.h"

typedef struct rdl_reporting {
    rdl_arena *a;
    rdl_reader *r;
    rdl_conn *conn;
    const rdl_report *report;
    const rdl_report_request *request;
    rdl_report_format format;
    rdl_report_result *result;
    const char **parameters; /* text by parameter, for places; NULL: null */
    rdl_hash128 fingerprint; /* of the text and of the template files */
} rdl_reporting;

/* ---- report_inputs.c ---- */

/* Parameters as variables, and e."all:<input>" of each input. */
RDL_MUST rdl_code rdl_report_bind(rdl_reporting *x, rdl_err *err);

/* ---- report_rows.c ---- */

/* Table report_rows; and report_groups(g, n, digest, <each>). */
RDL_MUST rdl_code rdl_report_compute(rdl_reporting *x, rdl_err *err);

typedef struct rdl_report_group {
    const char **each; /* text by FOR EACH column; NULL: null */
    const char *path;  /* absolute; NULL: a sink takes it */
    const char *digest;
    uint64_t rows;
    bool skip; /* its file is as it would be */
} rdl_report_group;
RDL_MUST rdl_code rdl_report_groups(rdl_reporting *x, rdl_report_group **out, size_t *out_n,
                                    rdl_err *err);
/* The groups that are not to be skipped, each column list and rows given to the visitor. */
typedef struct rdl_report_visit {
    rdl_code (*begin)(void *arg, size_t group, const rdl_str *names, size_t n, rdl_err *err);
    /* cells: text by column, p NULL for null. */
    rdl_code (*row)(void *arg, const rdl_str *cells, rdl_err *err);
    rdl_code (*end)(void *arg, rdl_err *err);
    void *arg;
} rdl_report_visit;
RDL_MUST rdl_code rdl_report_walk(rdl_reporting *x, const rdl_report_group *groups, size_t n,
                                  const rdl_report_visit *v, rdl_err *err);

/* ---- report_render.c ---- */

typedef struct rdl_rendering rdl_rendering;
RDL_MUST rdl_code rdl_rendering_new(const rdl_reporting *x, rdl_rendering **out, rdl_err *err);
void rdl_rendering_free(rdl_rendering *d);
void rdl_render_begin(rdl_rendering *d, const rdl_str *names, size_t n, rdl_buf *out);
void rdl_render_row(rdl_rendering *d, const rdl_str *cells, rdl_buf *out);
void rdl_render_end(rdl_rendering *d, rdl_buf *out);

/* ---- report_files.c ---- */

const char *rdl_report_path(rdl_reporting *x, const char *const *each);
typedef struct rdl_report_files rdl_report_files;
/* Reads the manifest; temporaries of a run that died are removed. */
RDL_MUST rdl_code rdl_report_files_open(rdl_reporting *x, rdl_report_files **out, rdl_err *err);
/* Which groups have their bytes already; then the manifest names all that will be there. */
RDL_MUST rdl_code rdl_report_files_plan(rdl_report_files *f, rdl_report_group *groups, size_t n,
                                        rdl_err *err);
RDL_MUST rdl_code rdl_report_files_begin(rdl_report_files *f, const rdl_report_group *g,
                                         rdl_err *err);
RDL_MUST rdl_code rdl_report_files_put(rdl_report_files *f, const char *p, size_t n, rdl_err *err);
RDL_MUST rdl_code rdl_report_files_end(rdl_report_files *f, rdl_err *err);
/* Publishes what waits, removes what vanished, writes the manifest. */
RDL_MUST rdl_code rdl_report_files_finish(rdl_report_files *f, rdl_err *err);
void rdl_report_files_close(rdl_report_files *f);

#endif
