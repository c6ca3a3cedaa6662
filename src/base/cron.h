/*
 * base/cron.h - five-field cron lines, in UTC.
 *
 *   minute 0-59 · hour 0-23 · day of month 1-31 · month 1-12 or JAN-DEC · weekday 0-7 or SUN-SAT
 *   (0 and 7 are Sunday)
 *
 * A field is a list of items separated by commas: *, a value, a range a-b, each with an optional
 * step /n (a/n means from a to the end).  When both day and weekday are given, a day that fits
 * either one counts, as in every cron.  @hourly, @daily, @weekly, @monthly and @yearly stand for
 * whole lines.  There is one time zone, UTC; a line that begins with TZ= is refused.
 */
#ifndef RDL_BASE_CRON_H
#define RDL_BASE_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef struct rdl_cron {
    uint64_t minutes;         /* bit n: minute n */
    uint32_t hours, days;     /* bit n: hour n, day n */
    uint32_t months, weekdays; /* bit n: month n; weekday n, 0 Sunday */
    bool any_day, any_weekday; /* written with a * */
} rdl_cron;

/* False, with the reason (lower case, no full stop) in why, when the line is none or when no date
 * ever fits it (31 February). */
bool rdl_cron_parse(rdl_str line, rdl_cron *out, char *why, size_t why_bytes);
/* The first fitting minute strictly after a time. */
int64_t rdl_cron_next(const rdl_cron *c, int64_t after_us);

#endif
