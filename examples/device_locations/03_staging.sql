-- Rows that may be used.  What may not goes to quarantine with the names of these rules as reasons.
CREATE STREAMING TABLE staging.accepted (
  CONSTRAINT device_known       EXPECT (device_id IS NOT NULL)                                     ON VIOLATION QUARANTINE,
  CONSTRAINT device_type_known  EXPECT (device_type IN ('aaid', 'idfa'))                           ON VIOLATION QUARANTINE,
  CONSTRAINT time_known         EXPECT (seen_at IS NOT NULL)                                       ON VIOLATION QUARANTINE,
  CONSTRAINT position_possible  EXPECT (latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180
                                        AND latitude IS NOT NULL AND longitude IS NOT NULL)        ON VIOLATION QUARANTINE,
  CONSTRAINT position_real      EXPECT (latitude <> longitude)                                     ON VIOLATION QUARANTINE,
  CONSTRAINT not_in_the_future  EXPECT (data_date <= arrival_date)                                 ON VIOLATION QUARANTINE,
  CONSTRAINT correction_too_old EXPECT (data_date >= arrival_date - ${LOOKBACK_DAYS:-3})           ON VIOLATION QUARANTINE
) PARTITIONED BY (arrival_date)
AS SELECT lower(nullif(trim(device_id), ''))   AS device_id,
          lower(trim(id_type))                 AS device_type,
          instant_of(utc)                      AS seen_at,
          data_date,
          TRY_CAST(latitude AS DOUBLE)         AS latitude,
          TRY_CAST(longitude AS DOUBLE)        AS longitude,
          TRY_CAST(horizontal_precision AS DOUBLE) AS horizontal_precision,
          upper(country)                       AS country,
          arrival_date, file, line
   FROM STREAM raw.positions;

-- One row for a device at an instant: the last delivery wins.  A delivery touches the keys that it names, in the days that
-- it may; nothing else is rewritten.
-- owner: mobility@example.org
CREATE MATERIALIZED VIEW staging.positions
PRIMARY KEY (device_type, device_id, seen_at)
PARTITIONED BY (data_date, device_type)
AS SELECT device_id, device_type, seen_at, data_date, latitude, longitude, horizontal_precision, country,
          arrival_date  -- of the delivery that it is from
   FROM STREAM staging.accepted
   QUALIFY row_number() OVER (PARTITION BY device_type, device_id, seen_at
                              ORDER BY arrival_date DESC, file DESC, line DESC) = 1;
