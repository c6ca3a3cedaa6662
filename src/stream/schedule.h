/*
 * stream/schedule.h - what runs when: scheduled views, and jobs (reports, models, decisions).
 *
 * VIEWS.  SCHEDULE CRON '...' [TIME ZONE '..'] | EVERY INTERVAL ... and TRIGGER ON UPDATE AT MOST EVERY
 * INTERVAL .. of a materialized view count in the continuous loop alone: a run with --once evaluates
 * every such view whose inputs changed once, in its last epoch; but at once where rows of a streaming table
 * are judged by it.
 *
 *   never evaluated, or its text is new    due at once
 *   evaluated in the epoch of time t        due at the first scheduled time after t
 *   due, but no input changed since         the run passes with nothing to do (AT MOST EVERY: the
 *                                           next change is taken at once)
 *
 * A view that is due and behind is evaluated in an epoch of its own, with everything else that is
 * due; between, it is held: epochs pass it by, and its readers see its last content.  The time
 * of its last evaluation is the plan's timestamp of the epoch that the journal names, so a
 * restart knows it; runs that were missed meanwhile are made up for once.
 *
 * JOBS.  Anything else with a schedule has a name of its own ("report invoices", "model s.n").  A run
 * is *for* a scheduled time; the journal keeps the last one:
 *
 *   never ran        due at once, for the newest scheduled time that has passed
 *   ran for time t   due at the first scheduled time after t; times that were missed meanwhile are made
 *                    up for once, by a run for the newest of them
 *
 * A job whose result is part of an epoch says so in that epoch's seal (rdl_job_ran_with), so that a
 * crash neither skips nor repeats it; one that writes elsewhere appends a record after its result is
 * durable (rdl_job_ran): a crash between repeats it, so its result must be replaced, not added to.
 *
 * Thread: epoch.
 */
#ifndef RDL_STREAM_SCHEDULE_H
#define RDL_STREAM_SCHEDULE_H

#include "stream/internal.h"
#include "stream/timetable.h"

/* The cron lines of all views, read once. */
RDL_MUST rdl_code rdl_schedules_open(rdl_engine *e, rdl_err *err);
/* The first time after a time that the view's schedule names. */
int64_t rdl_schedule_next(const rdl_runtime *r, int64_t after_us);
/* Mark what is due in this epoch (w->due); true when there is any.  None in --once. */
bool rdl_schedules_mark(rdl_engine *e, rdl_work *w, int64_t now_us);
/* Does a schedule keep the view out of this epoch? */
bool rdl_schedule_holds(const rdl_engine *e, const rdl_work *w, const rdl_table *v);
/* When the next run of a view or job is due; INT64_MAX when none is. */
int64_t rdl_schedules_next(rdl_engine *e);

/* As it is written: "EVERY 10m". */
void rdl_schedule_print(const rdl_schedule *s, rdl_buf *out);
/* Everything that has a schedule, with its last and next run; for readers too. */
struct rdl_schedule_status;
RDL_MUST rdl_code rdl_schedules_status(const rdl_pipeline *p, rdl_history *h, rdl_conn *conn,
                                       rdl_arena *a, struct rdl_schedule_status **out,
                                       size_t *out_n, rdl_err *err);

struct rdl_report_past;
/* How a report stands whose last good run this was. */
RDL_MUST rdl_code rdl_schedule_of_report(const rdl_report *rep, rdl_history *h, rdl_conn *conn,
                                         rdl_arena *a, const struct rdl_report_past *past,
                                         struct rdl_schedule_status *out, rdl_err *err);

struct rdl_job {
    rdl_str name; /* "report invoices" */
    rdl_timetable times;
    int64_t not_before_us; /* a failed run waits for its retry; INT64_MIN: nothing */
};
/* Registers it with the engine; name must live as long.  A schedule of kind NONE is never due here. */
RDL_MUST rdl_code rdl_job_open(rdl_engine *e, rdl_str name, const rdl_schedule *s, rdl_job **out,
                               rdl_err *err);
/* Is a run due by the clock?  *out_for_us is the scheduled time that it is for. */
bool rdl_job_due(rdl_engine *e, const rdl_job *j, int64_t now_us, int64_t *out_for_us);
/* When it is due next; INT64_MIN: it is due now or was never run; INT64_MAX: no time. */
int64_t rdl_job_next(rdl_engine *e, const rdl_job *j);
/* The run for that time is part of this epoch. */
void rdl_job_ran_with(rdl_work *w, const rdl_job *j, int64_t for_us);
/* The run for that time is done, outside of any epoch: one journal record, synced. */
RDL_MUST rdl_code rdl_job_ran(rdl_engine *e, const rdl_job *j, int64_t for_us, rdl_err *err);

/* The same with all that is to be remembered of it. */
RDL_MUST rdl_code rdl_job_note(rdl_engine *e, const rdl_sealed_job *job, rdl_err *err);

#endif
