/*
 * base/clock.c - the calendar by arithmetic; no locale, no time zone data, no libc
 * calendar.
 *
 * Days are counted in eras of 400 years (146097 days) that begin on 1 March, so that the
 * leap day is the last of its year.  INT64_MAX and -INT64_MAX microseconds (INT32_MAX and
 * -INT32_MAX days) are DuckDB's infinities and print as it prints them.
 */
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR (60 * US_PER_MINUTE)
#define US_PER_DAY (24 * US_PER_HOUR)

enum {
    DAYS_PER_ERA = 146097,
    DAYS_TO_1970 = 719468, /* from 0000-03-01 */
    ZONE_HOURS_MAX = 15,
};

static int64_t system_now(rdl_clock *c)
{
    struct timespec t;
    (void)c;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000;
}

static int64_t stepped_now(rdl_clock *c)
{
    return c->value_us;
}

rdl_clock rdl_clock_system = {.now_us = system_now};

void rdl_clock_stepped(rdl_clock *c, int64_t at_us)
{
    *c = (rdl_clock){.now_us = stepped_now, .value_us = at_us};
}

int64_t rdl_monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000;
}

void rdl_sleep_us(int64_t us)
{
    if (us <= 0)
        return;
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

void rdl_sleep_ms(int64_t ms)
{
    rdl_sleep_us(ms * 1000);
}

/* Calendar. */

int32_t rdl_days_from_civil(int32_t year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t from_march = month > 2 ? (int64_t)month - 3 : (int64_t)month + 9;
    int64_t day_of_year = (153 * from_march + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int32_t)(era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970);
}

static void civil_from_days(int64_t days, rdl_civil *out)
{
    int64_t z = days + DAYS_TO_1970;
    int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = z - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    *out = (rdl_civil){
        .year = (int32_t)(year_of_era + era * 400 + (month <= 2)),
        .month = (uint8_t)month,
        .day = (uint8_t)(day_of_year - (153 * from_march + 2) / 5 + 1),
    };
}

void rdl_civil_from_days(int32_t days, rdl_civil *out)
{
    civil_from_days(days, out);
}

void rdl_civil_from_us(int64_t us, rdl_civil *out)
{
    int64_t days = us / US_PER_DAY, rest = us % US_PER_DAY;
    if (rest < 0) {
        rest += US_PER_DAY;
        days--;
    }
    civil_from_days(days, out);
    uint32_t seconds = (uint32_t)(rest / US_PER_SECOND);
    out->micros = (uint32_t)(rest % US_PER_SECOND);
    out->hour = (uint8_t)(seconds / 3600);
    out->minute = (uint8_t)(seconds / 60 % 60);
    out->second = (uint8_t)(seconds % 60);
}

/* Parsing. */

static inline unsigned digit(char c)
{
    return (unsigned)(unsigned char)c - '0'; /* above 9: not a digit */
}

/* Two digits; 100 or more when they are not. */
static inline unsigned two(const char *p)
{
    unsigned a = digit(p[0]), b = digit(p[1]);
    return a > 9 || b > 9 ? 100 : a * 10 + b;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* The 10 bytes YYYY-MM-DD. */
static bool parse_ten(const char *p, int32_t *out_days)
{
    unsigned century = two(p), rest = two(p + 2), month = two(p + 5), day = two(p + 8);
    if (century > 99 || rest > 99 || p[4] != '-' || p[7] != '-' || month - 1 > 11 || day == 0)
        return false;
    unsigned year = century * 100 + rest;
    if (day > 28 && day > days_in_month(year, month))
        return false;
    *out_days = rdl_days_from_civil((int32_t)year, month, day);
    return true;
}

bool rdl_date_parse(const char *p, size_t n, int32_t *out_days)
{
    return n == 10 && parse_ten(p, out_days);
}

/* Z, +HH, +HHMM or +HH:MM filling p..end; the offset is taken off. */
static bool parse_zone(const char *p, const char *end, int64_t *us)
{
    size_t n = (size_t)(end - p);
    if (n == 1)
        return *p == 'Z';
    if ((n != 3 && n != 5 && n != 6) || (*p != '+' && *p != '-') || (n == 6 && p[3] != ':'))
        return false;
    unsigned hours = two(p + 1), minutes = n == 3 ? 0 : two(end - 2);
    if (hours > ZONE_HOURS_MAX || minutes > 59)
        return false;
    int64_t offset = (int64_t)(hours * 60 + minutes) * US_PER_MINUTE;
    *us -= *p == '+' ? offset : -offset;
    return true;
}

static const char *parse_fraction(const char *p, const char *end, uint32_t *micros)
{
    static const uint32_t scale[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    unsigned n = 0, kept = 0;
    uint32_t v = 0;
    for (; p < end && digit(*p) <= 9; p++, n++) {
        if (kept < 6) {
            v = v * 10 + digit(*p);
            kept++;
        }
    }
    if (n < 1 || n > 9)
        return NULL;
    *micros = v * scale[kept];
    return p;
}

bool rdl_timestamp_parse(const char *p, size_t n, int64_t *out_us)
{
    int32_t days;
    if (n < 10 || !parse_ten(p, &days))
        return false;
    int64_t us = days * US_PER_DAY;
    if (n == 10) {
        *out_us = us;
        return true;
    }
    const char *end = p + n;
    if (n < 16 || (p[10] != 'T' && p[10] != ' ') || p[13] != ':')
        return false;
    unsigned hour = two(p + 11), minute = two(p + 14), second = 0;
    uint32_t micros = 0;
    p += 16;
    if (p < end && *p == ':') {
        if (end - p < 3)
            return false;
        second = two(p + 1);
        p += 3;
        if (p < end && *p == '.' && (p = parse_fraction(p + 1, end, &micros)) == NULL)
            return false;
    }
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    us += (int64_t)(hour * 3600 + minute * 60 + second) * US_PER_SECOND + micros;
    if (p < end && !parse_zone(p, end, &us))
        return false;
    *out_us = us;
    return true;
}

/* Printing. */

static void put_two(char *p, unsigned v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
}

static void put_date(const rdl_civil *c, rdl_buf *out)
{
    char text[10] = "0000-00-00";
    if (c->year < 1 || c->year > 9999) {
        /* DuckDB counts no year 0: 0 is 1 BC. */
        rdl_buf_printf(out, "%04" PRId32 "-%02u-%02u%s", c->year < 1 ? 1 - c->year : c->year,
                       c->month, c->day, c->year < 1 ? " (BC)" : "");
        return;
    }
    put_two(text, (unsigned)c->year / 100);
    put_two(text + 2, (unsigned)c->year % 100);
    put_two(text + 5, c->month);
    put_two(text + 8, c->day);
    rdl_buf_put(out, text, sizeof text);
}

static void put_time(const rdl_civil *c, rdl_buf *out)
{
    char text[8] = "00:00:00";
    put_two(text, c->hour);
    put_two(text + 3, c->minute);
    put_two(text + 6, c->second);
    rdl_buf_put(out, text, sizeof text);
}

static void put_fraction(uint32_t micros, bool trim, rdl_buf *out)
{
    char text[7] = ".000000";
    size_t n = sizeof text;
    for (size_t i = 6; i >= 1; i--, micros /= 10)
        text[i] = (char)('0' + micros % 10);
    while (trim && text[n - 1] == '0')
        n--;
    rdl_buf_put(out, text, n);
}

void rdl_date_print(int32_t days, rdl_buf *out)
{
    rdl_civil c;
    if (days == INT32_MAX || days == -INT32_MAX) {
        rdl_buf_puts(out, days > 0 ? "infinity" : "-infinity");
        return;
    }
    rdl_civil_from_days(days, &c);
    put_date(&c, out);
}

static bool print_infinity(int64_t us, rdl_buf *out)
{
    if (us != INT64_MAX && us != -INT64_MAX)
        return false;
    rdl_buf_puts(out, us > 0 ? "infinity" : "-infinity");
    return true;
}

void rdl_timestamp_print(int64_t us, rdl_buf *out)
{
    rdl_civil c;
    if (print_infinity(us, out))
        return;
    rdl_civil_from_us(us, &c);
    put_date(&c, out);
    rdl_buf_putc(out, ' ');
    put_time(&c, out);
    if (c.micros != 0)
        put_fraction(c.micros, true, out);
    rdl_buf_put(out, "+00", 3);
}

void rdl_timestamp_print_iso(int64_t us, rdl_buf *out)
{
    rdl_civil c;
    if (print_infinity(us, out))
        return;
    rdl_civil_from_us(us, &c);
    if (c.year < 0 || c.year > 9999)
        rdl_buf_printf(out, "%+05" PRId32 "-%02u-%02u", c.year, c.month, c.day);
    else if (c.year == 0)
        rdl_buf_printf(out, "0000-%02u-%02u", c.month, c.day);
    else
        put_date(&c, out);
    rdl_buf_putc(out, 'T');
    put_time(&c, out);
    put_fraction(c.micros, false, out);
    rdl_buf_putc(out, 'Z');
}

/* Intervals. */

static const struct {
    const char *word;
    int64_t us;
} units[] = {
    {"us", 1},
    {"usec", 1},
    {"microsecond", 1},
    {"ms", 1000},
    {"msec", 1000},
    {"millisecond", 1000},
    {"s", US_PER_SECOND},
    {"sec", US_PER_SECOND},
    {"second", US_PER_SECOND},
    {"m", US_PER_MINUTE},
    {"min", US_PER_MINUTE},
    {"minute", US_PER_MINUTE},
    {"h", US_PER_HOUR},
    {"hr", US_PER_HOUR},
    {"hour", US_PER_HOUR},
    {"d", US_PER_DAY},
    {"day", US_PER_DAY},
    {"w", 7 * US_PER_DAY},
    {"week", 7 * US_PER_DAY},
};

/* 0 when there is no such unit; words of three letters and more, and hr, have a plural. */
static int64_t unit_us(rdl_str w)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        rdl_str unit = rdl_str_of(units[i].word);
        if (rdl_str_eq_nocase(w, unit))
            return units[i].us;
        bool plural = w.n == unit.n + 1 && (w.p[w.n - 1] == 's' || w.p[w.n - 1] == 'S');
        if (plural && (unit.n > 2 || unit.p[0] == 'h') && unit.n > 1 &&
            rdl_str_eq_nocase((rdl_str){w.p, w.n - 1}, unit))
            return units[i].us;
    }
    return 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Digits with an optional fraction, times the unit that follows.  Each fraction digit is
 * worth a tenth of the one before; what does not divide is cut below a microsecond.
 */
static bool add_part(rdl_str number, rdl_str word, int64_t *total)
{
    int64_t unit = unit_us(word), value = 0, add;
    size_t i = 0;
    if (unit == 0)
        return false;
    for (; i < number.n && number.p[i] != '.'; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (int64_t)digit(number.p[i]), &value))
            return false;
    }
    if (i == 0 || i + 1 == number.n || __builtin_mul_overflow(value, unit, &add))
        return false;
    int64_t fraction = 0;
    int64_t denominator = 1;
    for (i++; i < number.n && denominator < INT64_C(1000000); i++) {
        fraction = fraction * 10 + digit(number.p[i]);
        denominator *= 10;
    }
    add += unit / denominator * fraction + unit % denominator * fraction / denominator;
    return !__builtin_add_overflow(*total, add, total);
}

typedef struct interval_reader {
    rdl_str s;
    size_t at;
} interval_reader;

static rdl_str take_number(interval_reader *r)
{
    size_t from = r->at, points = 0;
    for (; r->at < r->s.n; r->at++) {
        char c = r->s.p[r->at];
        if (c == '.' && points++ == 0)
            continue;
        if (digit(c) > 9)
            break;
    }
    return (rdl_str){r->s.p + from, r->at - from};
}

static void skip_spaces(interval_reader *r)
{
    while (r->at < r->s.n && (r->s.p[r->at] == ' ' || r->s.p[r->at] == '\t' ||
                              r->s.p[r->at] == '\n' || r->s.p[r->at] == '\r'))
        r->at++;
}

/* P1W, P1DT2H3M4.5S; a month or a year has no fixed length and is refused. */
static bool parse_iso_interval(interval_reader *r, int64_t *total)
{
    bool time = false, any = false;
    for (r->at = 1; r->at < r->s.n; r->at++) {
        if (!time && (r->s.p[r->at] == 'T' || r->s.p[r->at] == 't')) {
            time = true;
            any = false;
            continue;
        }
        rdl_str number = take_number(r);
        if (number.n == 0 || r->at >= r->s.n)
            return false;
        rdl_str word = {r->s.p + r->at, 1};
        if (strchr(time ? "HhMmSs" : "WwDd", *word.p) == NULL || *word.p == '\0' ||
            !add_part(number, word, total))
            return false;
        any = true;
    }
    return any;
}

bool rdl_interval_parse(rdl_str s, int64_t *out_us)
{
    interval_reader r = {.s = s};
    int64_t total = 0;
    if (s.n > 1 && (s.p[0] == 'P' || s.p[0] == 'p')) {
        if (!parse_iso_interval(&r, &total))
            return false;
        *out_us = total;
        return true;
    }
    skip_spaces(&r);
    if (r.at == s.n)
        return false;
    while (r.at < s.n) {
        rdl_str number = take_number(&r);
        skip_spaces(&r);
        size_t from = r.at;
        while (r.at < s.n && is_letter(s.p[r.at]))
            r.at++;
        if (number.n == 0 || !add_part(number, (rdl_str){s.p + from, r.at - from}, &total))
            return false;
        skip_spaces(&r);
    }
    *out_us = total;
    return true;
}

/* Below a second in one unit; above, each unit that is not zero. */
void rdl_interval_print(int64_t us, rdl_buf *out)
{
    uint64_t left = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    if (us < 0)
        rdl_buf_putc(out, '-');
    if (left < (uint64_t)US_PER_SECOND && left > 0) {
        if (left < 1000) {
            rdl_buf_printf(out, "%" PRIu64 " us", left);
            return;
        }
        rdl_buf_printf(out, "%" PRIu64, left / 1000);
        if (left % 1000 != 0)
            put_fraction((uint32_t)(left % 1000) * 1000, true, out);
        rdl_buf_puts(out, " ms");
        return;
    }
    const char *sep = "";
    static const struct {
        int64_t us;
        char letter;
    } parts[] = {{US_PER_DAY, 'd'}, {US_PER_HOUR, 'h'}, {US_PER_MINUTE, 'm'}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint64_t each = (uint64_t)parts[i].us;
        if (left >= each) {
            rdl_buf_printf(out, "%s%" PRIu64 "%c", sep, left / each, parts[i].letter);
            left %= each;
            sep = " ";
        }
    }
    if (left > 0 || *sep == '\0') {
        rdl_buf_printf(out, "%s%" PRIu64, sep, left / (uint64_t)US_PER_SECOND);
        if (left % (uint64_t)US_PER_SECOND != 0)
            put_fraction((uint32_t)(left % (uint64_t)US_PER_SECOND), true, out);
        rdl_buf_putc(out, 's');
    }
}
