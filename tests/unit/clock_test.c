/*
 * clock_test.c - the calendar against a day-by-day count, and the strictness of the
 * parsers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

static bool is_leap(int64_t y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* The next day, the way a child counts it. */
static void step(int32_t *y, unsigned *m, unsigned *d)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (++*d <= days[*m - 1] + (*m == 2 && is_leap(*y) ? 1u : 0u))
        return;
    *d = 1;
    if (++*m > 12) {
        *m = 1;
        ++*y;
    }
}

static void every_day_from_year_minus_401_to_2500_is_its_number(void **state)
{
    (void)state;
    int32_t year = -401, days = rdl_days_from_civil(-401, 1, 1);
    unsigned month = 1, day = 1;
    assert_int_equal(rdl_days_from_civil(1970, 1, 1), 0);
    for (; year < 2500; days++, step(&year, &month, &day)) {
        rdl_civil c;
        rdl_civil_from_days(days, &c);
        if (c.year != year || c.month != month || c.day != day ||
            rdl_days_from_civil(year, month, day) != days)
            fail_msg("day %d is %d-%u-%u, not %d-%u-%u", days, year, month, day, c.year, c.month,
                     c.day);
    }
    assert_int_equal(days, rdl_days_from_civil(2500, 1, 1));
}

/* Days by summing whole years: slow, and nothing in common with the eras. */
static int64_t slow_days(int32_t y, unsigned m, unsigned d)
{
    int64_t n = 0;
    for (int32_t i = 1970; i < y; i++)
        n += is_leap(i) ? 366 : 365;
    for (int32_t i = y; i < 1970; i++)
        n -= is_leap(i) ? 366 : 365;
    int32_t at_y = y;
    for (unsigned at_m = 1, at_d = 1; at_m != m || at_d != d; step(&at_y, &at_m, &at_d))
        n++;
    return n;
}

static void random_instants_are_printed_and_read_back(void **state)
{
    (void)state;
    uint64_t seed = 20250718;
    rdl_buf text = {0};
    for (int i = 0; i < 5000; i++) {
        int32_t y = (int32_t)(1 + rdl_rng_next(&seed) % 9999);
        unsigned m = (unsigned)(1 + rdl_rng_next(&seed) % 12);
        unsigned d = (unsigned)(1 + rdl_rng_next(&seed) % 28);
        int64_t rest = (int64_t)(rdl_rng_next(&seed) % 86400000000u), us;
        int64_t want = slow_days(y, m, d) * INT64_C(86400000000) + rest, got;
        char iso[64];
        snprintf(iso, sizeof iso, "%04d-%02u-%02uT%02u:%02u:%02u.%06uZ", y, m, d,
                 (unsigned)(rest / 3600000000), (unsigned)(rest / 60000000 % 60),
                 (unsigned)(rest / 1000000 % 60), (unsigned)(rest % 1000000));
        if (!rdl_timestamp_parse(iso, strlen(iso), &got) || got != want)
            fail_msg("seed 20250718, case %d: %s", i, iso);
        rdl_buf_clear(&text);
        rdl_timestamp_print_iso(want, &text);
        assert_string_equal(text.p, iso);
        rdl_buf_clear(&text);
        rdl_timestamp_print(want, &text);
        assert_true(rdl_timestamp_parse(text.p, text.n, &us));
        assert_true(us == want);
    }
    rdl_buf_fini(&text);
}

static int64_t stamp(const char *s)
{
    int64_t us = INT64_MIN;
    return rdl_timestamp_parse(s, strlen(s), &us) ? us : INT64_MIN;
}

static void all_spellings_of_an_instant_are_one_number(void **state)
{
    (void)state;
    const int64_t want = INT64_C(1752800523456000);
    assert_true(stamp("2025-07-18T01:02:03.456Z") == want);
    assert_true(stamp("2025-07-18 01:02:03.456") == want);
    assert_true(stamp("2025-07-18 01:02:03.456+00") == want);
    assert_true(stamp("2025-07-18T03:32:03.456000999+0230") == want);
    assert_true(stamp("2025-07-17T22:02:03.456-03:00") == want);
    assert_true(stamp("2025-07-18T01:02Z") == stamp("2025-07-18 01:02:00"));
    assert_true(stamp("2025-07-18") == stamp("2025-07-18T00:00:00Z"));
    assert_true(stamp("1969-12-31 23:59:59.999999") == -1);
    assert_true(stamp("2024-02-29") == stamp("2024-03-01") - INT64_C(86400000000));
}

static void what_is_not_a_timestamp_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2025",
        "2025-7-18",
        "2025-02-30",
        "2023-02-29",
        "1900-02-29",
        "2025-00-10",
        "2025-13-10",
        "2025-04-31",
        "2025-01-00",
        "2025/01/01",
        "x025-01-01",
        "2025-01-01 ",
        " 2025-01-01",
        "2025-01-01T",
        "2025-01-01T1",
        "2025-01-01T01",
        "2025-01-01T24:00:00",
        "2025-01-01T01:60",
        "2025-01-01T01:02:60",
        "2025-01-01T01:02:",
        "2025-01-01T01:02:3",
        "2025-01-01T01:02:03.",
        "2025-01-01T01:02:03.1234567890",
        "2025-01-01T01:02:03z",
        "2025-01-01T01:02:03ZZ",
        "2025-01-01T01:02:03+1",
        "2025-01-01T01:02:03+16:00",
        "2025-01-01T01:02:03+01:60",
        "2025-01-01T01:02:03+01-30",
        "2025-01-01Z",
        "2025-01-01_01:02:03",
        "2025-01-01T01:02:03 +00",
        "2025-01-01T01.02",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (stamp(bad[i]) != INT64_MIN)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    int32_t days;
    assert_false(rdl_date_parse("2025-01-01T", 11, &days));
    assert_false(rdl_date_parse("2025-02-29", 10, &days));
    assert_true(rdl_date_parse("2000-02-29", 10, &days));
}

static void assert_printed(int64_t us, const char *want)
{
    rdl_buf b = {0};
    rdl_timestamp_print(us, &b);
    assert_string_equal(b.p, want);
    rdl_buf_fini(&b);
}

static void timestamps_print_as_the_database_prints_them(void **state)
{
    (void)state;
    assert_printed(INT64_C(1752800523456000), "2025-07-18 01:02:03.456+00");
    assert_printed(INT64_C(1752800523000000), "2025-07-18 01:02:03+00");
    assert_printed(INT64_C(1752800523000001), "2025-07-18 01:02:03.000001+00");
    assert_printed(-1, "1969-12-31 23:59:59.999999+00");
    assert_printed(INT64_MAX, "infinity");
    assert_printed(-INT64_MAX, "-infinity");
    assert_printed(rdl_days_from_civil(-43, 3, 15) * INT64_C(86400000000),
                   "0044-03-15 (BC) 00:00:00+00");
    assert_printed(rdl_days_from_civil(12345, 1, 2) * INT64_C(86400000000),
                   "12345-01-02 00:00:00+00");
}

static void assert_interval(const char *text, int64_t want, const char *shown)
{
    int64_t us = -1;
    rdl_buf b = {0};
    if (!rdl_interval_parse(rdl_str_of(text), &us) || us != want)
        fail_msg("\"%s\" gives %lld", text, (long long)us);
    rdl_interval_print(us, &b);
    assert_string_equal(b.p, shown);
    assert_true(rdl_interval_parse((rdl_str){b.p, b.n}, &us));
    assert_true(us == want);
    rdl_buf_fini(&b);
}

static void intervals_are_read_in_words_and_in_iso(void **state)
{
    (void)state;
    assert_interval("30 seconds", 30000000, "30s");
    assert_interval("10 MINUTES", 600000000, "10m");
    assert_interval("1 hour 30 min", INT64_C(5400000000), "1h 30m");
    assert_interval("PT5S", 5000000, "5s");
    assert_interval("P1DT2H0.5S", INT64_C(93600500000), "1d 2h 0.5s");
    assert_interval("250 ms", 250000, "250 ms");
    assert_interval("1.5ms", 1500, "1.5 ms");
    assert_interval("7 days", INT64_C(604800000000), "7d");
    assert_interval("1 week", INT64_C(604800000000), "7d");
    assert_interval("0 seconds", 0, "0s");
    assert_interval("2hrs", INT64_C(7200000000), "2h");
    assert_interval("0.1 hour", 360000000, "6m");
    static const char *const bad[] = {"",
                                      " ",
                                      "5",
                                      "seconds",
                                      "5 months",
                                      "1 year",
                                      "-1 s",
                                      "P",
                                      "PT",
                                      "P1M",
                                      "P1Y",
                                      "5 s x",
                                      "1. s",
                                      "1.2.3 s",
                                      "99999999999999999999 s",
                                      "999999999999 weeks",
                                      "PT5",
                                      "P1H"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t us;
        if (rdl_interval_parse(rdl_str_of(bad[i]), &us))
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

static void a_stepped_clock_moves_only_by_hand(void **state)
{
    (void)state;
    rdl_clock c;
    rdl_clock_stepped(&c, 5);
    assert_true(rdl_now_us(&c) == 5 && rdl_now_us(&c) == 5);
    c.value_us = 9;
    assert_true(rdl_now_us(&c) == 9);
    int64_t before = rdl_monotonic_us();
    assert_true(rdl_monotonic_us() >= before);
    assert_true(rdl_now_us(&rdl_clock_system) > INT64_C(1700000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_from_year_minus_401_to_2500_is_its_number),
        cmocka_unit_test(random_instants_are_printed_and_read_back),
        cmocka_unit_test(all_spellings_of_an_instant_are_one_number),
        cmocka_unit_test(what_is_not_a_timestamp_is_refused),
        cmocka_unit_test(timestamps_print_as_the_database_prints_them),
        cmocka_unit_test(intervals_are_read_in_words_and_in_iso),
        cmocka_unit_test(a_stepped_clock_moves_only_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
