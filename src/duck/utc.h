/*
 * duck/utc.h - rdl_utc_day(TIMESTAMPTZ) -> DATE: as CAST(ts AS DATE), without a calendar of time zones.
 *
 * Connections run in UTC and cannot leave it (duck.c), where a day has 86,400 seconds.  DuckDB's ICU makes
 * its way through a calendar all the same, a third of a microsecond for each value: a twentieth of a run
 * that partitions its rows by date.  The planner writes the call where it may (lang/plan_stream.c).
 */
#ifndef RDL_DUCK_UTC_H
#define RDL_DUCK_UTC_H

#include "duck/handles.h"

void rdl_utc_day_fn(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output);

#endif
