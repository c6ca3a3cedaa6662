-- 05_serving.sql - gold, turned to the way it is asked for: one row for each answer's line.
--
-- A store of partitions joins nothing and adds nothing up, so what a question needs is computed
-- here, once, and kept up to date like everything else.  Marts that are asked for as they are
-- (06_publish.sql) need no view of their own.  Maps have their keys in order: a store that sorts
-- them and one that keeps them as text then hold the same.

-- A customer's days, with its costs and requests by service in the row itself: one read for a
-- chart of a month.  Brought up once a minute, not by every epoch: each time writes whole maps.
CREATE MATERIALIZED VIEW serving.org_daily_usage
  PRIMARY KEY (org_id, usage_date)
  SCHEDULE EVERY INTERVAL ${SERVING_REFRESH:-1 MINUTE}
AS SELECT
  org_id,
  usage_date,
  CAST(sum(daily_cost_usd) AS DECIMAL(15, 6)) AS daily_cost_usd,
  CAST(sum(event_count) AS BIGINT) AS event_count,
  sum(requests) AS requests,
  CAST(sum(genai_tokens) AS BIGINT) AS genai_tokens,  -- null where no event carries them
  sum(carbon_kg) AS carbon_kg,                        -- likewise
  map_from_entries(list_sort(list({'k': service, 'v': daily_cost_usd}))) AS cost_by_service,
  map_from_entries(list_sort(list({'k': service, 'v': requests}))) AS requests_by_service
FROM gold.org_daily_usage_by_service
GROUP BY org_id, usage_date;

-- What each service cost in the 14 days that end with as_of, for every as_of that has one: the
-- order by cost is the store's clustering order, so the top N are the first N rows.
CREATE MATERIALIZED VIEW serving.org_top_services_14d
  PRIMARY KEY (org_id, as_of, service)
  SCHEDULE EVERY INTERVAL ${SERVING_REFRESH:-1 MINUTE}
AS SELECT
  org_id,
  as_of,                                              -- last day, inclusive
  service,
  CAST(sum(daily_cost_usd) AS DECIMAL(15, 6)) AS cost,
  CAST(sum(event_count) AS BIGINT) AS events
FROM (
  SELECT org_id, service, daily_cost_usd, event_count,
         CAST(UNNEST(range(CAST(usage_date AS TIMESTAMP), usage_date + INTERVAL 14 DAYS, INTERVAL 1 DAY)) AS DATE) AS as_of
  FROM gold.org_daily_usage_by_service
)
GROUP BY org_id, as_of, service;

-- Tickets of all customers by severity and day of opening, with their categories.
CREATE MATERIALIZED VIEW serving.tickets_by_date
  PRIMARY KEY (severity, ticket_date)
AS SELECT
  severity,
  CAST(date_trunc('month', ticket_date) AS DATE) AS month,  -- first day of it
  ticket_date,
  CAST(sum(n) AS BIGINT) AS tickets,
  CAST(sum(open_n) AS BIGINT) AS open_tickets,
  CAST(sum(breached) AS BIGINT) AS sla_breaches,
  round(CAST(sum(breached) AS DOUBLE) / sum(n), 4) AS sla_breach_rate,
  map_from_entries(list_sort(list({'k': category, 'v': n}))) AS tickets_by_category
FROM (
  SELECT severity, created_at AS ticket_date, coalesce(category, '') AS category,
         count(*) AS n,
         count(*) FILTER (WHERE is_open) AS open_n,
         count(*) FILTER (WHERE sla_breached) AS breached
  FROM silver.support_tickets
  GROUP BY severity, created_at, coalesce(category, '')
)
GROUP BY severity, ticket_date;

-- Bills by calendar year and month as people name them; breakdown sums up to revenue_usd.
CREATE MATERIALIZED VIEW serving.revenue_by_org_month
  PRIMARY KEY (org_id, year, month)
AS SELECT
  org_id,
  CAST(year(month) AS INTEGER) AS year,
  CAST(month(month) AS INTEGER) AS month,
  currency,
  fx_rate,
  revenue_usd,
  map(['credits', 'subtotal', 'taxes'],
      [CAST(-credits_usd AS DECIMAL(15, 6)), subtotal_usd, taxes_usd]) AS breakdown
FROM gold.revenue_by_org_month;

-- A customer on one page: who it is, which plans it had, who works there, what its resources
-- are tagged with.  User ids, no addresses: those stop in silver.
CREATE MATERIALIZED VIEW serving.org_profile
  PRIMARY KEY (org_id)
AS WITH plans AS (
  SELECT org_id, plan_tier, __start_at,
         lag(plan_tier) OVER (PARTITION BY org_id ORDER BY __start_at) AS plan_before
  FROM silver.organizations
), plan_changes AS (
  SELECT org_id, list({'plan_tier': plan_tier, 'since': __start_at} ORDER BY __start_at) AS plan_history
  FROM plans
  WHERE plan_tier IS DISTINCT FROM plan_before
  GROUP BY org_id
), people AS (
  SELECT org_id, list(user_id ORDER BY user_id) AS users
  FROM silver.users
  WHERE active
  GROUP BY org_id
), things AS (
  SELECT org_id, count(*) AS resources, list_sort(list_distinct(flatten(list(tags)))) AS tags
  FROM silver.resources
  GROUP BY org_id
)
SELECT
  o.org_id,
  o.org_name,
  o.industry,
  o.hq_region,
  o.plan_tier,
  o.is_enterprise,
  o.lifecycle_stage,
  p.plan_history,                                     -- oldest first
  u.users,                                            -- active ones
  t.tags,
  coalesce(t.resources, 0) AS resources
FROM silver.organizations_current o
LEFT JOIN plan_changes p ON p.org_id = o.org_id
LEFT JOIN people u ON u.org_id = o.org_id
LEFT JOIN things t ON t.org_id = o.org_id;
