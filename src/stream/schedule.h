/*
 * stream/schedule.h - which scheduled views an epoch of the continuous loop may touch.
 *
 * SCHEDULE CRON '...' | EVERY INTERVAL ... of a materialized view counts in the continuous loop
 * alone: a run with --once evaluates every view whose inputs changed.
 *
 *   never evaluated, or its text is new    due at once
 *   evaluated in the epoch of time t        due at the first scheduled time after t
 *   due, but no input changed since         the run passes with nothing to do
 *
 * A view that is due and behind is evaluated in an epoch of its own, with everything else that is
 * due; between, it is held: epochs pass it by, and its readers see its last content.  The time
 * of its last evaluation is the plan's timestamp of the epoch that the journal names, so a
 * restart knows it; runs that were missed meanwhile are made up for once.
 *
 * Thread: epoch.
 */
#ifndef RDL_STREAM_SCHEDULE_H
#define RDL_STREAM_SCHEDULE_H

#include "stream/internal.h"

/* The cron lines of all views, read once. */
RDL_MUST rdl_code rdl_schedules_open(rdl_engine *e, rdl_err *err);
/* The first time after a time that the view's schedule names. */
int64_t rdl_schedule_next(const rdl_runtime *r, int64_t after_us);
/* Mark what is due in this epoch (w->due); true when there is any.  None in --once. */
bool rdl_schedules_mark(rdl_engine *e, rdl_work *w, int64_t now_us);
/* Does a schedule keep the view out of this epoch? */
bool rdl_schedule_holds(const rdl_engine *e, const rdl_work *w, const rdl_table *v);
/* When the next run is due; INT64_MAX when none is. */
int64_t rdl_schedules_next(rdl_engine *e);

#endif
