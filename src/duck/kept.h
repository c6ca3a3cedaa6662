/*
 * duck/kept.h - plans of statements that come again, by their text.  Included by src/duck/ alone.
 *
 * A connection's table has a fixed number of places; a text that finds its places taken by others
 * takes the first.  A plan that failed is forgotten, and all are when held rows change their shape.
 *
 * Thread: the connection's.
 */
#ifndef RDL_DUCK_KEPT_H
#define RDL_DUCK_KEPT_H

#include "duck/handles.h"

/* Runs the statement with its kept plan, or makes the plan and keeps it. */
duckdb_state rdl_duck_run_kept(rdl_conn *c, const char *sql, duckdb_result *out);
/* Bind one statement without running it; NULL when it is not one statement or does not bind. */
duckdb_prepared_statement rdl_duck_prepare_one(duckdb_connection c, const char *sql);
duckdb_state rdl_duck_run_prepared(duckdb_prepared_statement s, duckdb_result *out);
void rdl_kept_free(rdl_conn *c);
/* A result that has run, as rdl_query gives it; takes the handle. */
RDL_MUST rdl_code rdl_result_take(rdl_conn *c, duckdb_state state, duckdb_result *handle,
                                  rdl_result **out, rdl_err *err);

#endif
