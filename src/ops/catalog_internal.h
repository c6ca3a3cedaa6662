/*
 * ops/catalog_internal.h - the open catalog.db, for the files of the catalog alone.
 *
 * Thread: as catalog.h.
 */
#ifndef RDL_OPS_CATALOG_INTERNAL_H
#define RDL_OPS_CATALOG_INTERNAL_H

#include <sqlite3.h>

#include "ops/catalog.h"

struct rdl_catalog {
    sqlite3 *db; /* NULL: read-only and there is none */
    char path[4096];
};

/* "could not <what> catalog ..", from the database's last error. */
rdl_code rdl_catalog_fail(const rdl_catalog *c, const char *what, rdl_err *err);
void rdl_catalog_bind_time(sqlite3_stmt *st, int at, int64_t us);      /* INT64_MIN: null */
int64_t rdl_catalog_column_time(sqlite3_stmt *st, int at);             /* null: INT64_MIN */
char *rdl_catalog_column_text(rdl_arena *a, sqlite3_stmt *st, int at); /* null: NULL */

#endif
