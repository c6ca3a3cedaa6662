/*
 * source/decode/timefmt.c - times written as the user's format says.
 *
 * Directives, as strptime has them: %Y %m %d %H %M %S %f (1 to 9 digits of a second) %y (69
 * and above: 19xx) %b %B %a %A (English, any case; a weekday is read and not checked) %j %p
 * %I %z (Z, +HH, +HHMM, +HH:MM) %F %T %D %s (seconds since 1970) %%.  White space in the
 * format matches any white space.  The process's locale has no say.
 */
#include "source/decode/internal.h"

#include "base/clock.h"

typedef struct scan {
    const char *p, *end;
    int32_t year, month, day, hour, minute, second, micros, yday;
    int64_t offset_s, epoch_s;
    bool pm, half, has_epoch;
} scan;

static bool digits(scan *s, unsigned max, int32_t low, int32_t high, int32_t *out)
{
    int32_t v = 0;
    unsigned n = 0;
    while (n < max && s->p < s->end && (unsigned char)(*s->p - '0') < 10) {
        v = v * 10 + (*s->p++ - '0');
        n++;
    }
    *out = v;
    return n > 0 && v >= low && v <= high;
}

static bool fraction(scan *s)
{
    int32_t v = 0;
    unsigned n = 0;
    for (; n < 9 && s->p < s->end && (unsigned char)(*s->p - '0') < 10; n++, s->p++) {
        if (n < 6)
            v = v * 10 + (*s->p - '0');
    }
    for (unsigned k = n; k < 6; k++)
        v *= 10;
    s->micros = v;
    return n > 0;
}

/* The index of the name that comes next, by its first three letters or in full; -1. */
static int name_of(scan *s, const char *const *names, int n)
{
    size_t left = (size_t)(s->end - s->p);
    for (int i = 0; i < n; i++) {
        rdl_str full = rdl_str_of(names[i]);
        if (left >= full.n && rdl_str_eq_nocase((rdl_str){s->p, full.n}, full)) {
            s->p += full.n;
            return i;
        }
    }
    for (int i = 0; i < n; i++) {
        if (left >= 3 && rdl_str_eq_nocase((rdl_str){s->p, 3}, (rdl_str){names[i], 3})) {
            s->p += 3;
            return i;
        }
    }
    return -1;
}

static bool zone(scan *s)
{
    int32_t hours = 0, minutes = 0;
    if (s->p < s->end && (*s->p == 'Z' || *s->p == 'z')) {
        s->p++;
        return true;
    }
    if (s->p >= s->end || (*s->p != '+' && *s->p != '-'))
        return false;
    bool minus = *s->p++ == '-';
    if (s->end - s->p < 2 || !digits(s, 2, 0, 23, &hours))
        return false;
    if (s->p < s->end && *s->p == ':')
        s->p++;
    if (s->p < s->end && (unsigned char)(*s->p - '0') < 10 && !digits(s, 2, 0, 59, &minutes))
        return false;
    s->offset_s = (minus ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static bool epoch(scan *s)
{
    bool minus = s->p < s->end && *s->p == '-';
    unsigned n = 0;
    s->p += minus;
    for (; n < 13 && s->p < s->end && (unsigned char)(*s->p - '0') < 10; n++)
        s->epoch_s = s->epoch_s * 10 + (*s->p++ - '0');
    s->epoch_s = minus ? -s->epoch_s : s->epoch_s;
    s->has_epoch = true;
    return n > 0;
}

static bool literal(scan *s, char c)
{
    if (c == ' ' || c == '\t') {
        while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
            s->p++;
        return true;
    }
    return s->p < s->end && *s->p++ == c;
}

static bool directive(scan *s, char d)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    switch (d) {
    case 'Y':
        return digits(s, 4, 0, 9999, &s->year);
    case 'y':
        if (!digits(s, 2, 0, 99, &s->year))
            return false;
        s->year += s->year < 69 ? 2000 : 1900;
        return true;
    case 'm':
        return digits(s, 2, 1, 12, &s->month);
    case 'd':
        return digits(s, 2, 1, 31, &s->day);
    case 'j':
        return digits(s, 3, 1, 366, &s->yday);
    case 'H':
        return digits(s, 2, 0, 23, &s->hour);
    case 'I':
        s->half = true;
        return digits(s, 2, 1, 12, &s->hour);
    case 'M':
        return digits(s, 2, 0, 59, &s->minute);
    case 'S':
        return digits(s, 2, 0, 59, &s->second);
    case 'f':
        return fraction(s);
    case 'b':
    case 'B':
        s->month = name_of(s, months, 12) + 1;
        return s->month > 0;
    case 'a':
    case 'A':
        return name_of(s, days, 7) >= 0;
    case 'p':
        if (s->end - s->p < 2 || (s->p[1] | 32) != 'm' ||
            ((s->p[0] | 32) != 'a' && (s->p[0] | 32) != 'p'))
            return false;
        s->pm = (s->p[0] | 32) == 'p';
        s->p += 2;
        return true;
    case 'z':
        return zone(s);
    case 's':
        return epoch(s);
    case 'F':
        return directive(s, 'Y') && literal(s, '-') && directive(s, 'm') && literal(s, '-') &&
               directive(s, 'd');
    case 'D':
        return directive(s, 'm') && literal(s, '/') && directive(s, 'd') && literal(s, '/') &&
               directive(s, 'y');
    case 'T':
        return directive(s, 'H') && literal(s, ':') && directive(s, 'M') && literal(s, ':') &&
               directive(s, 'S');
    case '%':
        return literal(s, '%');
    default:
        return false;
    }
}

static bool calendar(const scan *s, int64_t *out_us)
{
    int32_t day = rdl_days_from_civil(s->year, (unsigned)s->month, (unsigned)s->day);
    rdl_civil back;
    if (s->yday > 0)
        day = rdl_days_from_civil(s->year, 1, 1) + s->yday - 1;
    rdl_civil_from_days(day, &back);
    if (back.year != s->year || (s->yday == 0 && back.day != s->day))
        return false;
    int32_t hour = s->half ? s->hour % 12 + (s->pm ? 12 : 0) : s->hour;
    int64_t seconds = (int64_t)day * 86400 + hour * 3600 + s->minute * 60 + s->second;
    *out_us = (seconds - s->offset_s) * 1000000 + s->micros;
    return true;
}

bool rdl_time_scan(rdl_str format, rdl_str text, int64_t *out_us)
{
    scan s = {.p = text.p, .end = text.p + text.n, .year = 1970, .month = 1, .day = 1};
    for (size_t i = 0; i < format.n; i++) {
        bool fits = format.p[i] == '%' && i + 1 < format.n ? directive(&s, format.p[++i])
                                                           : literal(&s, format.p[i]);
        if (!fits)
            return false;
    }
    if (s.p != s.end)
        return false;
    if (s.has_epoch) {
        *out_us = s.epoch_s * 1000000 + s.micros;
        return true;
    }
    return calendar(&s, out_us);
}
