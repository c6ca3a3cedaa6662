-- antennas.sql - the benchmark's job: what the peers do, and no more: rows kept by hour, three sums of a minute.
-- The text is that of examples/antennas without five minutes, hours and quotas.

CREATE SOURCE devices (
  bytes BIGINT, epoch BIGINT FIELD 'timestamp', epoch_misspelt BIGINT FIELD 'timestmap', app TEXT, id TEXT, antenna_id TEXT,
  "timestamp" TIMESTAMPTZ AS (to_timestamp(coalesce(epoch, epoch_misspelt)))
) FROM '${DEVICES}' FORMAT JSON
  WATERMARK "timestamp" DELAY OF INTERVAL 15 SECONDS;

CREATE STREAMING TABLE raw.devices (
  CONSTRAINT time_present    EXPECT ("timestamp" IS NOT NULL) ON VIOLATION QUARANTINE,
  CONSTRAINT device_present  EXPECT (id IS NOT NULL)          ON VIOLATION QUARANTINE,
  CONSTRAINT antenna_present EXPECT (antenna_id IS NOT NULL)  ON VIOLATION QUARANTINE,
  CONSTRAINT app_present     EXPECT (app IS NOT NULL)         ON VIOLATION QUARANTINE,
  CONSTRAINT bytes_counted   EXPECT (coalesce(bytes >= 0, false)) ON VIOLATION QUARANTINE
) PARTITIONED BY (year, month, day, hour)
AS SELECT "timestamp", id, antenna_id, app, bytes,
  CAST(year("timestamp") AS INTEGER) AS year, CAST(month("timestamp") AS INTEGER) AS month,
  CAST(day("timestamp") AS INTEGER) AS day, CAST(hour("timestamp") AS INTEGER) AS hour
FROM STREAM devices;

CREATE MATERIALIZED VIEW speed.bytes
  PRIMARY KEY ("timestamp", type, id)
AS SELECT
  tumble_start("timestamp", INTERVAL 1 MINUTE) AS "timestamp",
  m.id AS id,
  CAST(sum(bytes) AS BIGINT) AS value,
  m.type AS type
FROM (SELECT "timestamp", bytes,
             unnest([{'type': 'antenna_bytes_total', 'id': antenna_id},
                     {'type': 'id_bytes_total',      'id': id},
                     {'type': 'app_bytes_total',     'id': app}]) AS m
      FROM STREAM raw.devices)
GROUP BY ALL;

PUBLISH speed.bytes TO '${STORE}' AS bytes PRIMARY KEY ("timestamp", type, id);
