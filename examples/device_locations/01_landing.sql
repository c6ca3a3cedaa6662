-- Daily folders <arrival date>/*.csv.gz, as providers deliver them: everything is text until it is understood.
-- A file is taken out of the folder when its rows are in raw; one that comes again is a delivery like any other.
CREATE SOURCE deliveries (
  device_id            TEXT,  -- upper, lower or mixed case
  id_type              TEXT,  -- aaid or idfa, in any case
  latitude             TEXT,
  longitude            TEXT,
  utc                  TEXT,  -- seconds since 1970; from some providers milliseconds
  horizontal_precision TEXT,  -- metres
  country              TEXT
) FROM '${LANDING:-landing}/' FORMAT CSV
  ON REPEAT READ
  OPTIONS (after_commit = '${AFTER_COMMIT:-delete}');

-- Seconds, or milliseconds when it is too large to be seconds of this age.
CREATE FUNCTION instant_of(utc TEXT) RETURNS TIMESTAMPTZ RETURN
  to_timestamp(CASE WHEN TRY_CAST(utc AS BIGINT) >= 100000000000 THEN TRY_CAST(utc AS BIGINT) / 1000
                    ELSE TRY_CAST(utc AS BIGINT) END);

CREATE FUNCTION day_of(t TIMESTAMPTZ) RETURNS DATE RETURN CAST(t AS DATE);
