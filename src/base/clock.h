/*
 * base/clock.h - time comes in through a parameter, so that a stream can be replayed.
 *
 * All times are microseconds since 1970-01-01 UTC, signed.  Calendar arithmetic is
 * proleptic Gregorian, as DuckDB's.
 *
 * Thread: any; a stepped clock is moved by its owner.
 */
#ifndef RDL_BASE_CLOCK_H
#define RDL_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef struct rdl_clock rdl_clock;
struct rdl_clock {
    int64_t (*now_us)(rdl_clock *c);
    int64_t value_us; /* of a stepped clock */
};
extern rdl_clock rdl_clock_system;                   /* wall time */
void rdl_clock_stepped(rdl_clock *c, int64_t at_us); /* moves by assignment to value_us */
static inline int64_t rdl_now_us(rdl_clock *c)
{
    return c->now_us(c);
}
int64_t rdl_monotonic_us(void); /* for durations only */
void rdl_sleep_ms(int64_t ms);
void rdl_sleep_us(int64_t us);

typedef struct rdl_civil {
    int32_t year; /* may be negative or beyond 9999 */
    uint8_t month, day, hour, minute, second;
    uint32_t micros;
} rdl_civil;
int32_t rdl_days_from_civil(int32_t year, unsigned month, unsigned day);
void rdl_civil_from_us(int64_t us, rdl_civil *out);
void rdl_civil_from_days(int32_t days, rdl_civil *out);

/*
 * Strict parses; false when the text is not all of one.  Date: YYYY-MM-DD.  Timestamp: a date,
 * then optionally [T or space]HH:MM[:SS[.f{1,9}]] and Z, +HH, +HHMM, +HH:MM or nothing (UTC).
 * Digits past the microsecond are cut.  Impossible dates (2025-02-30) and hours are refused.
 */
bool rdl_date_parse(const char *p, size_t n, int32_t *out_days);
bool rdl_timestamp_parse(const char *p, size_t n, int64_t *out_us);
void rdl_date_print(int32_t days, rdl_buf *out);    /* 2025-07-18 */
void rdl_timestamp_print(int64_t us, rdl_buf *out); /* 2025-07-18 01:02:03[.456]+00, as DuckDB */
void rdl_timestamp_print_iso(int64_t us, rdl_buf *out); /* 2025-07-18T01:02:03.456789Z, 6 digits */
/* "30 seconds", "10 MINUTES", "1 hour 30 min", "PT5S", "250 ms", "7 days"; fixed units up to
 * weeks. */
bool rdl_interval_parse(rdl_str s, int64_t *out_us);
void rdl_interval_print(int64_t us, rdl_buf *out); /* "1h 30m", "250 ms"; for people */

#endif
