-- The services that cost a customer most in the last days, dearest first.
--   $org    organization
--   $as_of  last day, inclusive (YYYY-MM-DD)
--   $days   number of days, $as_of being the last of them (default 14)
--   $n      how many services (default 5)
SELECT service, printf('%.6f', sum(daily_cost_usd)) AS cost, sum(event_count) AS events
FROM org_daily_usage_by_service
WHERE org_id = $org
  AND date > date($as_of, '-' || CAST(coalesce($days, 14) AS INTEGER) || ' days')
  AND date <= date($as_of)
GROUP BY service
ORDER BY sum(daily_cost_usd) DESC, service
LIMIT CAST(coalesce($n, 5) AS INTEGER);
