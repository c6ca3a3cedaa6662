/*
 * stream/timetable.h - the times that a schedule names.
 *
 * Thread: any.
 */
#ifndef RDL_STREAM_TIMETABLE_H
#define RDL_STREAM_TIMETABLE_H

#include "base/cron.h"
#include "duck/zone.h"
#include "lang/catalog.h"

/* A schedule with its cron line and zone read. */
typedef struct rdl_timetable {
    rdl_schedule_kind kind;
    int64_t every_us;
    rdl_cron cron;
    rdl_zone zone;
} rdl_timetable;
/* Memory is the arena's.  conn is asked for the zone. */
RDL_MUST rdl_code rdl_timetable_read(rdl_arena *a, rdl_conn *conn, const rdl_schedule *s, rdl_str of,
                                     rdl_timetable *out, rdl_err *err);
/* Was a time noted under a clock that was ahead?  Nothing waits until the clock comes there again. */
bool rdl_time_is_ahead(int64_t noted_us, int64_t now_us);
/* The first time after a time; INT64_MAX for a schedule without times. */
int64_t rdl_timetable_next(const rdl_timetable *t, int64_t after_us);
/* The newest scheduled time in (after, now]; now itself when after is INT64_MIN and none is near. */
int64_t rdl_timetable_newest(const rdl_timetable *t, int64_t after_us, int64_t now_us);

#endif
