/*
 * stream/landing.h - emptying landing folders after the lake has their rows (see landing.c).
 *
 * Thread: epoch.
 */
#ifndef RDL_STREAM_LANDING_H
#define RDL_STREAM_LANDING_H

#include "stream/internal.h"

/* After the sources are open and restored. */
RDL_MUST rdl_code rdl_landing_recover(rdl_engine *e, rdl_err *err);
/* The lake has all epochs up to this one: files that were read up to there may go. */
RDL_MUST rdl_code rdl_landing_clear(rdl_engine *e, uint64_t lake_epoch, rdl_err *err);

#endif
