-- What a customer paid per day and service, and how many requests it made.
--   $org   organization
--   $from  first day, inclusive (YYYY-MM-DD)
--   $to    last day, inclusive
SELECT date, service, daily_cost_usd, requests, event_count
FROM org_daily_usage_by_service
WHERE org_id = $org
  AND date BETWEEN date($from) AND date($to)
ORDER BY date, service;
