/*
 * pg/connection.h - a session with a PostgreSQL server, as the sink and the source open it.
 *
 * URLs are libpq's: postgres://user@host:port/database?sslmode=require, several hosts too;
 * postgres:service=analytics and postgres:host=... dbname=... are its other form.  Passwords come
 * from the URL, PGPASSWORD, the password file or the service file; no message repeats one.
 *
 * Every session speaks UTF-8 and UTC, whatever the server, the role or the database are set to.
 *
 * Thread: one at a time.
 */
#ifndef RDL_PG_CONNECTION_H
#define RDL_PG_CONNECTION_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/str.h"

typedef struct rdl_pg {
    PGconn *conn;
    char where[160]; /* database "d" at host:port, for messages */
    bool broken;     /* the connection is gone */
} rdl_pg;

typedef struct rdl_pg_config {
    const char *url;
    const char *application; /* what pg_stat_activity shows */
    bool read_only;
} rdl_pg_config;

bool rdl_pg_is_url(rdl_str url);
/* RDL_ENET with RETRY when nobody answers; RDL_EREMOTE when the server says no. */
RDL_MUST rdl_code rdl_pg_open(const rdl_pg_config *config, rdl_pg **out, rdl_err *err);
void rdl_pg_close(rdl_pg *pg); /* NULL is fine */

/* could not <what> in PostgreSQL <where>: <reason>; code, flags and hint by SQLSTATE.  r is
 * freed. */
rdl_code rdl_pg_fail(rdl_pg *pg, PGresult *r, rdl_err *err, const char *fmt, ...) RDL_PRINTF(4, 5);
/* One or more statements whose rows are nobody's. */
RDL_MUST rdl_code rdl_pg_run(rdl_pg *pg, const char *sql, const char *what, rdl_err *err);
/* One statement with $1.. as texts (NULL is null); *out is the caller's to PQclear. */
RDL_MUST rdl_code rdl_pg_ask(rdl_pg *pg, const char *sql, const char *const *values, size_t n,
                             PGresult **out, const char *what, rdl_err *err);
/* COPY ... TO STDOUT (FORMAT binary) of one call: each piece as it comes, until the end. */
RDL_MUST rdl_code rdl_pg_copy_out(rdl_pg *pg, const char *sql,
                                  rdl_code (*take)(void *arg, const char *p, size_t n,
                                                   rdl_err *err),
                                  void *arg, const char *what, rdl_err *err);

#endif
