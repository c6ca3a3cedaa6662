/*
 * cli/discover.h - what lies in a folder, as CREATE SOURCE statements.
 *
 * Thread: one.
 */
#ifndef RDL_CLI_DISCOVER_H
#define RDL_CLI_DISCOVER_H

#include "cli/cli.h"

typedef RDL_VEC(rdl_str) rdl_found_header;

/* Files of one format in one folder; of CSV, those of one header. */
typedef struct rdl_found_group {
    const char *dir; /* absolute, without a slash at the end */
    rdl_format format;
    RDL_VEC(const char *) paths; /* by name */
    uint64_t bytes;
    bool several;            /* other formats lie in the folder too: FROM needs a pattern */
    rdl_found_header header; /* CSV: of its first file */
    bool mixed;              /* files of its kind with other columns lie in the folder too */
    const char *suffix;      /* ".csv", of compressed files too */
    const char *name;        /* of the source, as an identifier without quotes */
} rdl_found_group;

size_t rdl_found_prefix(const rdl_found_group *g); /* of all paths, without digits at its end */
/* Print the statement of one group (discover_columns.c). */
RDL_MUST rdl_code rdl_discover_print(rdl_conn *conn, rdl_arena *a, const rdl_found_group *g,
                                     rdl_buf *out, rdl_err *err);

#endif
