-- A customer's generative AI: tokens and their cost per day.
--   $org   organization
--   $from  first day, inclusive (YYYY-MM-DD)
--   $to    last day, inclusive
SELECT usage_date, total_tokens, estimated_cost_usd,
       round(1000.0 * estimated_cost_usd / nullif(total_tokens, 0), 4) AS usd_per_1000_tokens
FROM genai_tokens_by_org_date
WHERE org_id = $org
  AND usage_date BETWEEN date($from) AND date($to)
ORDER BY usage_date;
