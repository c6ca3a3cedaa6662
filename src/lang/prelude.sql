-- Functions that bodies may use besides DuckDB's own.  The Spark twin gives each the same meaning.
--
-- Windows are half open, aligned to 1970-01-01 00:00:00 UTC, as Spark's window() aligns them.
-- Widths are fixed lengths of time, up to weeks.

-- The start (inclusive) of the window of this width that ts lies in.
CREATE OR REPLACE MACRO tumble_start(ts, width) AS
  CAST(make_timestamp(epoch_us(CAST(ts AS TIMESTAMPTZ))
    - ((epoch_us(CAST(ts AS TIMESTAMPTZ)) % epoch_us(width)) + epoch_us(width)) % epoch_us(width))
    AS TIMESTAMPTZ);

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
