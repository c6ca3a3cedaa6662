/*
 * stream/provision.h - what a pipeline needs in its stores, made: `raudal provision`.
 *
 * For each store of the PUBLISH and SEED statements: what its tables need and it lacks, by the
 * store's own provision (sink/sink.h), then the rows of the seeds by upsert, a seed in one batch.
 * Done twice it changes nothing.  No root is opened and no progress is moved.
 */
#ifndef RDL_STREAM_PROVISION_H
#define RDL_STREAM_PROVISION_H

#include "lang/catalog.h"

typedef struct rdl_provision_config {
    const rdl_pipeline *pipeline;
    rdl_duck *duck;
    rdl_conn *conn;          /* of duck */
    const char *root_dir;    /* of stores that are files */
    const rdl_table *const *tables; /* only what publishes these; none: everything, seeds too */
    size_t table_count;
    bool dry_run;            /* tell the statements, change nothing */
    /* A statement that runs (or would), without its semicolon; store: as people may see it. */
    rdl_code (*statement)(void *arg, rdl_str store, const char *sql, rdl_err *err);
    rdl_code (*seeded)(void *arg, const rdl_publication *seed, uint64_t rows, rdl_err *err);
    /* A table that does not fit: the others are looked at too. */
    void (*refused)(void *arg, const rdl_err *why);
    void *arg;
} rdl_provision_config;

typedef struct rdl_provision_report {
    size_t stores, tables, statements, seeds, refused;
} rdl_provision_report;

/* The last refusal is the failure, told by the return alone. */
RDL_MUST rdl_code rdl_provision(const rdl_provision_config *config, rdl_provision_report *out,
                                rdl_err *err);

#endif
