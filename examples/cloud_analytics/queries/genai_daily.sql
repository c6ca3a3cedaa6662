-- A customer's generative AI: tokens and their cost per day.
--   $org   organization
--   $from  first day, inclusive (YYYY-MM-DD)
--   $to    last day, inclusive
SELECT date, total_tokens, estimated_cost_usd
FROM genai_tokens_by_org_date
WHERE org_id = $org
  AND date BETWEEN date($from) AND date($to)
ORDER BY date;
