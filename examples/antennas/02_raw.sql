-- 02_raw.sql - every accepted message once, as it came, by the hour in which it happened.

-- A message has no identity of its own beside its place in the source (two equal messages are
-- two uses), so nothing is deduplicated: the source's offsets see to it that each is read once.
-- What cannot be counted lies in quarantine.raw_devices with its bytes and its reasons, and can be
-- replayed.  Late messages are kept (ON LATE AMEND): their sums are corrected.
CREATE STREAMING TABLE raw.devices (
  CONSTRAINT time_present    EXPECT ("timestamp" IS NOT NULL) ON VIOLATION QUARANTINE,
  CONSTRAINT device_present  EXPECT (id IS NOT NULL)          ON VIOLATION QUARANTINE,
  CONSTRAINT antenna_present EXPECT (antenna_id IS NOT NULL)  ON VIOLATION QUARANTINE,
  CONSTRAINT app_present     EXPECT (app IS NOT NULL)         ON VIOLATION QUARANTINE,
  -- A counter does not run backwards; 0 bytes are a sign of life.
  CONSTRAINT bytes_counted   EXPECT (coalesce(bytes >= 0, false)) ON VIOLATION QUARANTINE
) PARTITIONED BY (year, month, day, hour)
  ON LATE AMEND
AS SELECT
  "timestamp",
  id,
  antenna_id,
  app,
  bytes,
  CAST(year("timestamp")  AS INTEGER) AS year,   -- UTC, as all times here
  CAST(month("timestamp") AS INTEGER) AS month,
  CAST(day("timestamp")   AS INTEGER) AS day,
  CAST(hour("timestamp")  AS INTEGER) AS hour
FROM STREAM devices;
