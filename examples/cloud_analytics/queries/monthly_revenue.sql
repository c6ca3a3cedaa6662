-- What a customer was billed per month, in USD: credits taken off, taxes added.
--   $org  organization
SELECT year, month, currency, fx_rate, revenue_usd, breakdown
FROM revenue_by_org_month
WHERE org_id = $org
ORDER BY year, month;
