/*
 * base/cron.h - five-field cron lines, in UTC or in the civil time of a zone.
 *
 *   minute 0-59 · hour 0-23 · day of month 1-31 · month 1-12 or JAN-DEC · weekday 0-7 or SUN-SAT
 *   (0 and 7 are Sunday)
 *
 * A field is a list of items separated by commas: *, a value, a range a-b, each with an optional
 * step /n (a/n means from a to the end).  When both day and weekday are given, a day that fits
 * either one counts, as in every cron.  @hourly, @daily, @weekly, @monthly and @yearly stand for
 * whole lines.  A line that begins with TZ= is refused: the zone is said apart.
 *
 * WHEN THE CLOCKS CHANGE.  A line whose hours are all (*) follows elapsed time: it fits every
 * minute that shows on the clock, twice in an hour that is repeated, never in one that is left out.
 * A line that names hours runs once for each time that it names: at the first of two equal clock
 * times, and, when that time is left out, at the instant at which the clocks are put forward.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_CRON_H
#define RDL_BASE_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef struct rdl_cron {
    uint64_t minutes;          /* bit n: minute n */
    uint32_t hours, days;      /* bit n: hour n, day n */
    uint32_t months, weekdays; /* bit n: month n; weekday n, 0 Sunday */
    bool any_day, any_weekday; /* written with a * */
} rdl_cron;

/* When a zone's distance from UTC changes: offsets_s[i] counts from from_us[i] (the first one from
 * the beginning of time) until the next.  n 0: UTC.  duck/zone.h reads it. */
typedef struct rdl_zone {
    const int64_t *from_us;
    const int32_t *offsets_s;
    size_t n;
} rdl_zone;

/* The stretch that an instant lies in: i of from_us and offsets_s; 0 when n is 0. */
size_t rdl_zone_at(const rdl_zone *z, int64_t us);

/* False, with the reason (lower case, no full stop) in why, when the line is none or when no date
 * ever fits it (31 February). */
bool rdl_cron_parse(rdl_str line, rdl_cron *out, char *why, size_t why_bytes);
/* The first fitting minute strictly after a time. */
int64_t rdl_cron_next(const rdl_cron *c, int64_t after_us);
/* The same by the clocks of a zone; NULL: UTC. */
int64_t rdl_cron_next_in(const rdl_cron *c, const rdl_zone *zone, int64_t after_us);

#endif
