-- 03_speed.sql - bytes by antenna, user and app, while they happen.
--
-- One row for each window, type and id.  Each message counts once for each type, so that in each
-- window the antennas' bytes, the users' and the apps' have one sum.  A window is known by its
-- start; it begins there and ends before the next.

-- Windows of ${WINDOW} (1 minute).
CREATE MATERIALIZED VIEW speed.bytes
  PRIMARY KEY ("timestamp", type, id)
AS SELECT
  tumble_start("timestamp", INTERVAL ${WINDOW:-1 MINUTE}) AS "timestamp",
  m.id AS id,
  CAST(sum(bytes) AS BIGINT) AS value,
  m.type AS type
FROM (SELECT "timestamp", bytes,
             unnest([{'type': 'antenna_bytes_total', 'id': antenna_id},
                     {'type': 'id_bytes_total',      'id': id},
                     {'type': 'app_bytes_total',     'id': app}]) AS m
      FROM STREAM raw.devices)
GROUP BY ALL;

-- Windows of 5 minutes, from the shorter ones, which must divide them.
CREATE MATERIALIZED VIEW speed.bytes_5_minutes
  PRIMARY KEY ("timestamp", type, id)
AS SELECT
  tumble_start("timestamp", INTERVAL 5 MINUTES) AS "timestamp",
  id,
  CAST(sum(value) AS BIGINT) AS value,
  type
FROM speed.bytes
GROUP BY ALL;
