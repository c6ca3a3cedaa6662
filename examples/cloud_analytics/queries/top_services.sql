-- The services that cost a customer most in the last days, with their share of the total.
--   $org    organization
--   $as_of  last day, inclusive (YYYY-MM-DD)
--   $days   number of days, $as_of being the last of them (default 14)
--   $n      how many services (default 5)
SELECT service,
       round(sum(daily_cost_usd), 6) AS cost_usd,
       round(100.0 * sum(daily_cost_usd) / sum(sum(daily_cost_usd)) OVER (), 2) AS percent,
       sum(event_count) AS events
FROM org_daily_usage_by_service
WHERE org_id = $org
  AND usage_date > date($as_of, '-' || CAST(coalesce($days, 14) AS INTEGER) || ' days')
  AND usage_date <= date($as_of)
GROUP BY service
ORDER BY cost_usd DESC, service
LIMIT CAST(coalesce($n, 5) AS INTEGER);
