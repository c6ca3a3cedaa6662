/*
 * duck/local_day.h - rdl_local_day, for functions.c to register and duck.c to free what it keeps.
 *
 * Thread: DuckDB's own; the zones that it keeps are under a lock.
 */
#ifndef RDL_DUCK_LOCAL_DAY_H
#define RDL_DUCK_LOCAL_DAY_H

#include "duck/handles.h"

/* Its extra info is the rdl_duck. */
void rdl_local_day_fn(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output);
void rdl_local_zones_free(rdl_duck *d);

#endif
