/*
 * stream/travel.h - `s.t VERSION AS OF n` and `s.t TIMESTAMP AS OF '...'` in user SQL.
 */
#ifndef RDL_STREAM_TRAVEL_H
#define RDL_STREAM_TRAVEL_H

#include "stream/cut.h"

/*
 * Append sql to out with each such phrase replaced by the name of a view that reads the lake as
 * of then (made on conn).  RDL_EUSAGE names a table or version that never was.
 */
RDL_MUST rdl_code rdl_travel_rewrite(rdl_cut *c, rdl_conn *conn, const char *sql, rdl_buf *out,
                                     rdl_err *err);

#endif
