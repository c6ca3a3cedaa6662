-- The busiest antennas, users or apps of one window.
--   $type  antenna_bytes_total, id_bytes_total or app_bytes_total
--   $at    start of the window (default the newest)
--   $n     how many (default 5)
SELECT "timestamp", id, value
FROM bytes
WHERE type = $type
  AND "timestamp" = coalesce($at, (SELECT max("timestamp") FROM bytes))
ORDER BY value DESC, id
LIMIT $n;
