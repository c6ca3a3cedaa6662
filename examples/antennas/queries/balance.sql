-- Bytes by window and type: the three columns of a window are equal, or something is wrong.
--   $n     how many windows (default 10)
SELECT "timestamp",
       sum(CASE WHEN type = 'antenna_bytes_total' THEN value END) AS antennas,
       sum(CASE WHEN type = 'id_bytes_total' THEN value END) AS users,
       sum(CASE WHEN type = 'app_bytes_total' THEN value END) AS apps
FROM bytes
GROUP BY "timestamp"
ORDER BY "timestamp" DESC
LIMIT $n;
