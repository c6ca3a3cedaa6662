-- What a customer paid per day and service.
--   $org   organization
--   $from  first day, inclusive (YYYY-MM-DD)
--   $to    last day, inclusive
SELECT usage_date, service, daily_cost_usd, event_count
FROM org_daily_usage_by_service
WHERE org_id = $org
  AND usage_date BETWEEN date($from) AND date($to)
ORDER BY usage_date, service;
