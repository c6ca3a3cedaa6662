-- Accounts over their quota, the newest hours and the worst first.
--   $n     how many (default 10)
SELECT "timestamp", email, usage, quota, round(100.0 * usage / quota) AS percent
FROM user_quota_limit
ORDER BY "timestamp" DESC, usage - quota DESC, email
LIMIT $n;
