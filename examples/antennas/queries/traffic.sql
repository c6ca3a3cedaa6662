-- Bytes of one antenna, user or app in its last windows, the newest first.
--   $type  antenna_bytes_total, id_bytes_total or app_bytes_total
--   $id    its name, as in SKYPE
--   $n     how many windows (default 10)
SELECT "timestamp", value
FROM bytes
WHERE type = $type AND id = $id
ORDER BY "timestamp" DESC
LIMIT $n;
