/*
 * duck/functions.h - our functions inside DuckDB, registered at open.
 *
 * Aggregates over DOUBLE whose result depends on the set of values alone (base/exact_sum.h):
 *   rdl_sum(DOUBLE) -> DOUBLE                the correctly rounded sum; NULL of no rows
 *   rdl_avg(DOUBLE) -> DOUBLE
 *   rdl_var_pop, rdl_var_samp, rdl_stddev_pop, rdl_stddev_samp (DOUBLE) -> DOUBLE
 *   rdl_sum_state(DOUBLE) -> BLOB            canonical bytes of the exact sum; NULL of no rows
 *   rdl_square_state(DOUBLE) -> BLOB         the same of the squares
 * Scalars over those states (how a merged state becomes a value):
 *   rdl_sum_value(BLOB) -> DOUBLE            NULL gives NULL
 *   rdl_avg_value(BLOB, BIGINT) -> DOUBLE
 *   rdl_var_value(sum BLOB, squares BLOB, count BIGINT, kind VARCHAR) -> DOUBLE
 *        kind: 'var_pop', 'var_samp', 'stddev_pop', 'stddev_samp'
 *   The aggregate and the state route give the same bits: they share one function.
 * Scalars for keys:
 *   rdl_key(any...) -> BLOB                  the row codec's order-preserving bytes (base/codec)
 *   rdl_utc_day(TIMESTAMPTZ) -> DATE         CAST(ts AS DATE) in UTC (utc.h)
 *   rdl_local_day(TIMESTAMPTZ, TEXT) -> DATE  by that zone's clock (local_day.c)
 * Infinities and NaN follow IEEE: inf + -inf is NaN; NaN wins; these are counted in the state.
 *
 * Thread: DuckDB calls the functions on its own threads; their state is per call and group.
 */
#ifndef RDL_DUCK_FUNCTIONS_H
#define RDL_DUCK_FUNCTIONS_H

#include "duck/duck.h"

RDL_MUST rdl_code rdl_functions_register(rdl_conn *c, rdl_err *err);

#endif
