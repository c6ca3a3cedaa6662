/*
 * batch/report.h - reports: the rows of a body as files for people.
 *
 * A run reads one sealed cut.  What it writes below TO is replaced file by file, each whole
 * (report_files.c), and only where the bytes are others; a file whose group is gone is removed.
 * What was written is in <root>/state/reports/<name>.json, so that a later run knows.
 *
 * Thread: the caller's, with a reader of its own.
 */
#ifndef RDL_BATCH_REPORT_H
#define RDL_BATCH_REPORT_H

#include "stream/reader.h"

/* Bytes of a file, in order; path is the file that they are for.  begin comes before them. */
typedef struct rdl_report_sink {
    rdl_code (*begin)(void *arg, const char *path, rdl_err *err); /* may be NULL */
    rdl_code (*put)(void *arg, const char *p, size_t n, rdl_err *err);
    void *arg;
} rdl_report_sink;

typedef struct rdl_report_request {
    const char *const *names, *const *values; /* of parameters, as text */
    size_t value_count;
    bool has_format; /* format instead of the report's own */
    rdl_report_format format;
    const rdl_report_sink *sink; /* NULL: files */
    const char *to;              /* a path instead of TO; NULL: TO */
    int64_t for_us;              /* the scheduled time that it is for; kept for the next run */
} rdl_report_request;

typedef struct rdl_report_result {
    uint64_t epoch;
    uint64_t rows, bytes;
    uint64_t files, files_written, files_removed; /* files: that are there now */
    uint64_t read_files, read_bytes;              /* of the lake, after pruning */
    uint64_t lake_files, lake_bytes;              /* before */
} rdl_report_result;

RDL_MUST rdl_code rdl_report_run(rdl_reader *r, const rdl_report *report,
                                 const rdl_report_request *request, rdl_report_result *out,
                                 rdl_err *err);

/* What the last run of a report left behind; epoch 0: it never ran (or wrote nothing down). */
typedef struct rdl_report_state {
    uint64_t epoch;
    int64_t ran_us, for_us;
    rdl_hash128 fingerprint;
} rdl_report_state;
RDL_MUST rdl_code rdl_report_last(rdl_arena *a, const char *root, const rdl_report *report,
                                  rdl_report_state *out, rdl_err *err);
/* Of the report's text and of what its template files hold now. */
rdl_hash128 rdl_report_fingerprint(rdl_arena *a, const rdl_pipeline *p, const rdl_report *report);
/* An input moved, or the text, since the last run. */
bool rdl_report_is_behind(rdl_reader *r, const rdl_report *report, const rdl_report_state *last);

#endif
