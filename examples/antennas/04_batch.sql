-- 04_batch.sql - once an hour, from the lake: bytes by the users' e-mails, and who used too much.

-- The account of a device is its user's e-mail.  A device that nobody knows is an account of
-- its own, under its own name, so that no byte is lost: per hour Σ antennas = Σ accounts = Σ apps.
CREATE FUNCTION account(email TEXT, id TEXT) RETURNS TEXT
  RETURN coalesce(nullif(trim(email), ''), id);

-- Bytes of each hour by antenna, account and app.
CREATE MATERIALIZED VIEW batch.bytes_hourly
  PRIMARY KEY ("timestamp", type, id)
  SCHEDULE CRON '${HOURLY_CRON:-5 * * * *}'
AS SELECT
  tumble_start("timestamp", INTERVAL 1 HOUR) AS "timestamp",
  m.id AS id,
  CAST(sum(bytes) AS BIGINT) AS value,
  m.type AS type
FROM (SELECT d."timestamp", d.bytes,
             unnest([{'type': 'antenna_bytes_total', 'id': d.antenna_id},
                     {'type': 'mail_bytes_total',    'id': account(u.email, d.id)},
                     {'type': 'app_bytes_total',     'id': d.app}]) AS m
      FROM raw.devices d LEFT JOIN users u ON u.id = d.id)
GROUP BY ALL;

-- Accounts that used strictly more in an hour than their quota.  An account's quota is the sum
-- of its devices' quotas, of those that were silent too (README.md says why).
CREATE MATERIALIZED VIEW batch.user_quota_limit
  PRIMARY KEY (email, "timestamp")
  SCHEDULE CRON '${HOURLY_CRON:-5 * * * *}'
AS SELECT
  b.id AS email,
  b.value AS usage,
  a.quota,
  b."timestamp"
FROM batch.bytes_hourly b
JOIN (SELECT account(email, id) AS email, CAST(sum(quota) AS BIGINT) AS quota
      FROM users GROUP BY ALL) a ON a.email = b.id
WHERE b.type = 'mail_bytes_total' AND b.value > a.quota;
