/*
 * base/cron.c - reading cron lines, and the next time that fits.
 */
#include "base/cron.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"

#define MINUTE_US INT64_C(60000000)

enum {
    FIELDS = 5,
    DAY_MINUTES = 24 * 60,
    /* 29 February on one weekday comes again after 40 years at most (across 2100). */
    HORIZON_DAYS = 366 * 41,
};

typedef struct field {
    const char *name;
    unsigned min, max;        /* inclusive */
    const char *const *words; /* of values from min; NULL: none */
    unsigned word_count;
} field;

static const char *const months[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                     "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

static const field fields[FIELDS] = {
    {"minute", 0, 59, NULL, 0},           {"hour", 0, 23, NULL, 0},
    {"day of the month", 1, 31, NULL, 0}, {"month", 1, 12, months, 12},
    {"weekday", 0, 7, weekdays, 7},
};

static const struct {
    const char *word, *line;
} macros[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
};

/* ---- reading ---- */

typedef struct reader {
    rdl_str left; /* of the field */
    const field *f;
    char *why;
    size_t why_bytes;
} reader;

static bool wrong(reader *r, rdl_str text)
{
    snprintf(r->why, r->why_bytes, "\"%.*s\" is no %s (%u to %u)", (int)(text.n < 40 ? text.n : 40),
             text.p, r->f->name, r->f->min, r->f->max);
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool accept(reader *r, char c)
{
    if (r->left.n == 0 || r->left.p[0] != c)
        return false;
    r->left.p++;
    r->left.n--;
    return true;
}

static bool number(reader *r, unsigned *out)
{
    size_t n = 0;
    *out = 0;
    while (n < r->left.n && n < 4 && is_digit(r->left.p[n]))
        *out = *out * 10 + (unsigned)(r->left.p[n++] - '0');
    r->left.p += n;
    r->left.n -= n;
    return n > 0 && n < 4;
}

static bool value(reader *r, unsigned *out)
{
    for (unsigned i = 0; i < r->f->word_count && r->left.n >= 3; i++) {
        if (rdl_str_eq_nocase((rdl_str){r->left.p, 3}, rdl_str_of(r->f->words[i]))) {
            *out = r->f->min + i;
            r->left.p += 3;
            r->left.n -= 3;
            return true;
        }
    }
    return number(r, out) && *out >= r->f->min && *out <= r->f->max;
}

/* One item of a list: its values as bits. */
static bool item(reader *r, rdl_str whole, uint64_t *bits)
{
    unsigned from = r->f->min, to = r->f->max, step = 1;
    bool open = accept(r, '*');
    if (!open) {
        if (!value(r, &from))
            return wrong(r, whole);
        to = from;
        if (accept(r, '-')) {
            if (!value(r, &to) || to < from)
                return wrong(r, whole);
            open = true;
        }
    }
    if (accept(r, '/')) {
        if (!number(r, &step) || step == 0)
            return wrong(r, whole);
        if (!open)
            to = r->f->max;
    }
    for (unsigned v = from; v <= to; v += step)
        *bits |= UINT64_C(1) << v;
    return true;
}

static bool read_field(reader *r, rdl_str text, uint64_t *bits, bool *any)
{
    r->left = text;
    *bits = 0;
    *any = text.p[0] == '*';
    do {
        if (!item(r, text, bits))
            return false;
    } while (accept(r, ','));
    return r->left.n == 0 || wrong(r, text);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static size_t split(rdl_str line, rdl_str out[FIELDS + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < line.n && n <= FIELDS;) {
        size_t begin = i;
        while (i < line.n && !is_space(line.p[i]))
            i++;
        if (i > begin)
            out[n++] = (rdl_str){line.p + begin, i - begin};
        while (i < line.n && is_space(line.p[i]))
            i++;
    }
    return n;
}

static bool ever_fits(const rdl_cron *c)
{
    static const uint8_t days_in[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!c->any_weekday)
        return true; /* some Monday lies in every month */
    for (unsigned m = 1; m <= 12; m++) {
        for (unsigned d = 1; d <= days_in[m - 1] && (c->months >> m & 1) != 0; d++) {
            if ((c->days >> d & 1) != 0)
                return true;
        }
    }
    return false;
}

bool rdl_cron_parse(rdl_str line, rdl_cron *out, char *why, size_t why_bytes)
{
    rdl_str texts[FIELDS + 1] = {{0}};
    uint64_t bits[FIELDS];
    bool any[FIELDS];
    for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++) {
        if (rdl_str_eq_nocase(line, rdl_str_of(macros[i].word)))
            line = rdl_str_of(macros[i].line);
    }
    if (rdl_str_starts(line, "TZ=") || rdl_str_starts(line, "CRON_TZ=")) {
        snprintf(why, why_bytes, "it names a time zone: write TIME ZONE '..' behind the line");
        return false;
    }
    size_t n = split(line, texts);
    if (n != FIELDS) {
        snprintf(why, why_bytes, "it has %s than five fields (minute hour day month weekday)",
                 n < FIELDS ? "fewer" : "more");
        return false;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        reader r = {.f = &fields[i], .why = why, .why_bytes = why_bytes};
        if (!read_field(&r, texts[i], &bits[i], &any[i]))
            return false;
    }
    *out = (rdl_cron){
        .minutes = bits[0],
        .hours = (uint32_t)bits[1],
        .days = (uint32_t)bits[2],
        .months = (uint32_t)bits[3],
        .weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f),
        .any_day = any[2],
        .any_weekday = any[4],
    };
    if (ever_fits(out))
        return true;
    snprintf(why, why_bytes, "no month that it names has such a day");
    return false;
}

/* ---- the next time ---- */

static bool day_fits(const rdl_cron *c, int32_t day)
{
    rdl_civil date;
    rdl_civil_from_days(day, &date);
    /* 1970-01-01 was a Thursday. */
    unsigned weekday = (unsigned)((((int64_t)day + 4) % 7 + 7) % 7);
    bool by_day = (c->days >> date.day & 1) != 0;
    bool by_weekday = (c->weekdays >> weekday & 1) != 0;
    if ((c->months >> date.month & 1) == 0)
        return false;
    return !c->any_day && !c->any_weekday ? by_day || by_weekday : by_day && by_weekday;
}

/* The first fitting minute of the day from one on; -1 when there is none. */
static int minute_from(const rdl_cron *c, int from)
{
    for (int at = from; at < DAY_MINUTES; at++) {
        if ((c->hours >> (at / 60) & 1) == 0)
            at += 59 - at % 60; /* to the end of the hour */
        else if ((c->minutes >> (at % 60) & 1) != 0)
            return at;
    }
    return -1;
}

int64_t rdl_cron_next(const rdl_cron *c, int64_t after_us)
{
    int64_t minute = after_us / MINUTE_US - (after_us % MINUTE_US < 0) + 1;
    int64_t first = minute / DAY_MINUTES - (minute % DAY_MINUTES < 0);
    for (int64_t day = first; day < first + HORIZON_DAYS; day++) {
        if (!day_fits(c, (int32_t)day))
            continue;
        int at = minute_from(c, day == first ? (int)(minute - first * DAY_MINUTES) : 0);
        if (at >= 0)
            return (day * DAY_MINUTES + at) * MINUTE_US;
    }
    assert(!"a cron line that was parsed fits some date");
    return INT64_MAX;
}

/* ---- zones ---- */

enum { HOURS_ALL = 0xffffff };

size_t rdl_zone_at(const rdl_zone *z, int64_t us)
{
    size_t low = 0, high = z->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (z->from_us[middle] <= us)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int64_t offset_us(const rdl_zone *z, size_t i)
{
    return (int64_t)z->offsets_s[i] * 1000000;
}

/*
 * The first fitting instant after a time within one stretch of equal distance from UTC; INT64_MAX
 * when there is none before `end_us`.
 */
static int64_t next_within(const rdl_cron *c, const rdl_zone *z, size_t i, int64_t after_us,
                           int64_t end_us)
{
    bool by_elapsed = c->hours == HOURS_ALL;
    int64_t offset = offset_us(z, i), begin = i > 0 ? z->from_us[i] : INT64_MIN;
    int64_t change = i > 0 ? offset - offset_us(z, i - 1) : 0;
    if (change > 0 && !by_elapsed && after_us < begin) {
        /* Clock times from begin + old offset to begin + offset do not exist. */
        int64_t skipped = rdl_cron_next(c, begin + offset - change - 1);
        if (skipped < begin + offset)
            return begin;
    }
    int64_t from = after_us > begin ? after_us : begin - 1;
    if (change < 0 && !by_elapsed && from < begin - change - 1)
        from = begin - change - 1; /* those clock times were there before the change */
    int64_t next = rdl_cron_next(c, from + offset) - offset;
    return next < end_us ? next : INT64_MAX;
}

int64_t rdl_cron_next_in(const rdl_cron *c, const rdl_zone *zone, int64_t after_us)
{
    if (zone == NULL || zone->n == 0)
        return rdl_cron_next(c, after_us);
    for (size_t i = rdl_zone_at(zone, after_us);; i++) {
        int64_t end = i + 1 < zone->n ? zone->from_us[i + 1] : INT64_MAX;
        int64_t next = next_within(c, zone, i, after_us, end);
        if (next != INT64_MAX || i + 1 >= zone->n)
            return next;
    }
}
