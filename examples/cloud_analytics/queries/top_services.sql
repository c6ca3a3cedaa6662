-- The services that cost a customer most in the last 14 days.
--   $org    organization
--   $as_of  last day, inclusive (YYYY-MM-DD)
--   $n      how many services (default 5)
SELECT service, cost, events
FROM org_top_services_14d
WHERE org_id = $org
  AND as_of = date($as_of)
ORDER BY cost DESC, service
LIMIT CAST(coalesce($n, 5) AS INTEGER);
