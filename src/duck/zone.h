/*
 * duck/zone.h - a time zone by its name, as DuckDB's ICU knows it.
 *
 * Nothing is asked of the operating system, so that a schedule means the same on every machine.
 *
 * Thread: the connection's.
 */
#ifndef RDL_DUCK_ZONE_H
#define RDL_DUCK_ZONE_H

#include "base/arena.h"
#include "base/cron.h"
#include "duck/duck.h"

/* False in *known when there is no such zone; names as "America/Bogota", whatever their case. */
RDL_MUST rdl_code rdl_zone_known(rdl_conn *conn, rdl_str name, bool *known, rdl_err *err);
/* Its changes from 2015 to 2070, in the arena.  "UTC" and an empty name give n 0. */
RDL_MUST rdl_code rdl_zone_read(rdl_conn *conn, rdl_arena *a, rdl_str name, rdl_zone *out,
                                rdl_err *err);

#endif
