-- What a customer was billed per month, in USD: credits taken off, taxes added.
--   $org  organization
SELECT month, currency, fx_rate, subtotal_usd, credits_usd, taxes_usd, revenue_usd
FROM revenue_by_org_month
WHERE org_id = $org
ORDER BY month;
