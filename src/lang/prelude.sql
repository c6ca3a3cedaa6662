-- Functions that bodies may use besides DuckDB's own.  The Spark twin gives each the same meaning.
--
-- Windows are half open, aligned to 1970-01-01 00:00:00 UTC, as Spark's window() aligns them.
-- Widths are fixed lengths of time, up to weeks.

-- The start (inclusive) of the window of this width that ts lies in.
CREATE OR REPLACE MACRO tumble_start(ts, width) AS
  make_timestamptz(epoch_us(CAST(ts AS TIMESTAMPTZ))
    - ((epoch_us(CAST(ts AS TIMESTAMPTZ)) % epoch_us(width)) + epoch_us(width)) % epoch_us(width));

-- The end (exclusive) of that window.
CREATE OR REPLACE MACRO tumble_end(ts, width) AS tumble_start(ts, width) + width;

-- All windows of this size, one every slide, that ts lies in, oldest first: UNNEST gives a row
-- per window.  ts NULL gives no window.
CREATE OR REPLACE MACRO hop_windows(ts, size, slide) AS
  list_filter(
    list_transform(
      range(((epoch_us(size) + epoch_us(slide) - 1) // epoch_us(slide)) - 1, -1, -1),
      lambda hop: {
        'window_start': tumble_start(ts, slide) - to_microseconds(hop * epoch_us(slide)),
        'window_end': tumble_start(ts, slide) - to_microseconds(hop * epoch_us(slide)) + size}),
    lambda w: w.window_end > ts);

-- Parts of an instant.  Sessions run in UTC, where an instant's year is that of its microseconds; DuckDB's own
-- way by a calendar with time zones takes twenty times as long.  Other types go to DuckDB's functions.
CREATE OR REPLACE MACRO year
  (ts TIMESTAMPTZ) AS system.main.year(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.year(ts), (ts TIMESTAMP) AS system.main.year(ts), (ts INTERVAL) AS system.main.year(ts);
CREATE OR REPLACE MACRO quarter
  (ts TIMESTAMPTZ) AS system.main.quarter(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.quarter(ts), (ts TIMESTAMP) AS system.main.quarter(ts), (ts INTERVAL) AS system.main.quarter(ts);
CREATE OR REPLACE MACRO month
  (ts TIMESTAMPTZ) AS system.main.month(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.month(ts), (ts TIMESTAMP) AS system.main.month(ts), (ts INTERVAL) AS system.main.month(ts);
CREATE OR REPLACE MACRO day
  (ts TIMESTAMPTZ) AS system.main.day(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.day(ts), (ts TIMESTAMP) AS system.main.day(ts), (ts INTERVAL) AS system.main.day(ts);
CREATE OR REPLACE MACRO dayofweek
  (ts TIMESTAMPTZ) AS system.main.dayofweek(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.dayofweek(ts), (ts TIMESTAMP) AS system.main.dayofweek(ts), (ts INTERVAL) AS system.main.dayofweek(ts);
CREATE OR REPLACE MACRO isodow
  (ts TIMESTAMPTZ) AS system.main.isodow(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.isodow(ts), (ts TIMESTAMP) AS system.main.isodow(ts), (ts INTERVAL) AS system.main.isodow(ts);
CREATE OR REPLACE MACRO dayofyear
  (ts TIMESTAMPTZ) AS system.main.dayofyear(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.dayofyear(ts), (ts TIMESTAMP) AS system.main.dayofyear(ts), (ts INTERVAL) AS system.main.dayofyear(ts);
CREATE OR REPLACE MACRO hour
  (ts TIMESTAMPTZ) AS system.main.hour(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.hour(ts), (ts TIMESTAMP) AS system.main.hour(ts), (ts INTERVAL) AS system.main.hour(ts);
CREATE OR REPLACE MACRO minute
  (ts TIMESTAMPTZ) AS system.main.minute(make_timestamp(epoch_us(ts))),
  (ts DATE) AS system.main.minute(ts), (ts TIMESTAMP) AS system.main.minute(ts), (ts INTERVAL) AS system.main.minute(ts);

-- CAST(ts AS DATE) of a column that a source says to be an instant; the planner writes it so.
CREATE OR REPLACE MACRO rdl_to_date
  (ts TIMESTAMPTZ) AS rdl_utc_day(ts), (ts DATE) AS ts, (ts TIMESTAMP) AS CAST(ts AS DATE), (ts VARCHAR) AS CAST(ts AS DATE);

-- A number as Brazil writes it: 56.333,33.  Digits behind the comma are cut off, not rounded; up to
-- 18 digits before it.  dots of '' leaves them out.
CREATE OR REPLACE MACRO rdl_br_parts(text, minus, digits, dots) AS
  CASE WHEN minus AND regexp_matches(split_part(text, '.', 1)
                                     || left(split_part(text, '.', 2), digits), '[1-9]')
       THEN '-' ELSE '' END
  || replace(format('{:,}', CAST(split_part(text, '.', 1) AS BIGINT)), ',', dots)
  || CASE WHEN digits > 0 THEN ',' || left(split_part(text, '.', 2), digits) ELSE '' END;
CREATE OR REPLACE MACRO br_number(v, digits := 2, dots := '.') AS
  rdl_br_parts(CAST(CAST(abs(v) AS DECIMAL(38, 10)) AS TEXT), v < 0, digits, dots);

-- An amount of money: R$ 1000,00.
CREATE OR REPLACE MACRO brl(v) AS 'R$ ' || br_number(v, 2, '');

-- An instant with its offset in a named zone: 2020-02-03T15:00:00+00:00; digits of a second: 0 to 6.
CREATE OR REPLACE MACRO iso_timestamp(ts, zone := 'UTC', digits := 0) AS
  left(strftime(timezone(zone, CAST(ts AS TIMESTAMPTZ)), '%Y-%m-%dT%H:%M:%S.%f'),
       CASE WHEN digits > 0 THEN 20 + digits ELSE 19 END)
  || format('{}{:02d}:{:02d}',
       CASE WHEN timezone(zone, CAST(ts AS TIMESTAMPTZ)) < timezone('UTC', CAST(ts AS TIMESTAMPTZ))
            THEN '-' ELSE '+' END,
       abs(date_diff('minute', timezone('UTC', CAST(ts AS TIMESTAMPTZ)),
                     timezone(zone, CAST(ts AS TIMESTAMPTZ)))) // 60,
       abs(date_diff('minute', timezone('UTC', CAST(ts AS TIMESTAMPTZ)),
                     timezone(zone, CAST(ts AS TIMESTAMPTZ)))) % 60);

-- Is there a time zone of this name, whatever its case?
CREATE OR REPLACE MACRO zone_known(zone) AS
  lower(zone) IN (SELECT lower(z.name) FROM pg_timezone_names() AS z);

-- The calendar day of an instant in a named zone.
CREATE OR REPLACE MACRO local_date(ts, zone) AS
  CASE WHEN CAST(ts AS TIMESTAMPTZ) >= TIMESTAMPTZ '2016-01-01 00:00:00+00'
         AND CAST(ts AS TIMESTAMPTZ) < TIMESTAMPTZ '2069-01-01 00:00:00+00'
       THEN rdl_local_day(CAST(ts AS TIMESTAMPTZ), zone)
       ELSE CAST(timezone(zone, CAST(ts AS TIMESTAMPTZ)) AS DATE) END;
