-- 03_silver.sql - what it means: one spelling, one schema, one currency, with its context.

-- One spelling for codes that people and programs type: 'Compute ', 'EU_West' and 'eu-west'.
CREATE FUNCTION code(t TEXT) RETURNS TEXT RETURN replace(lower(trim(t)), '_', '-');

-- Customers -------------------------------------------------------------------------------

-- Every version of every customer: a delivery that changes a customer closes the version before
-- it, one that no longer names a customer ends it.  __start_at and __end_at are the times of the
-- deliveries; __end_at is null for the version in force.
CREATE FLOW organizations_scd2 AS AUTO CDC INTO bronze.organizations_history
  FROM STREAM customers_orgs
  KEYS (org_id)
  SEQUENCE BY _ingest_ts
  STORED AS SCD TYPE 2;

-- Customers with their history (SCD type 2), cleaned.  The score as delivered stays in
-- bronze.organizations_history.
CREATE MATERIALIZED VIEW silver.organizations (
  CONSTRAINT nps_in_range EXPECT (nps_score BETWEEN -100 AND 100) ON VIOLATION IMPUTE (nps_score = NULL)
)
  PRIMARY KEY (org_id, __start_at)
AS SELECT
  org_id,
  trim(org_name) AS org_name,
  trim(industry) AS industry,
  code(hq_region) AS hq_region,
  code(plan_tier) AS plan_tier,
  is_enterprise,
  signup_date,
  sales_rep,
  lower(trim(lifecycle_stage)) AS lifecycle_stage,
  lower(trim(marketing_source)) AS marketing_source,
  nps_score,
  __start_at,
  __end_at
FROM bronze.organizations_history;

-- Customers as they are now, one row each: the dimension that events join.
CREATE MATERIALIZED VIEW silver.organizations_current
  PRIMARY KEY (org_id)
AS SELECT org_id, org_name, industry, hq_region, plan_tier, is_enterprise, lifecycle_stage
FROM silver.organizations
WHERE __end_at IS NULL;

-- Users.  The last table that holds an e-mail address; nothing in gold reads this column.
CREATE MATERIALIZED VIEW silver.users
  PRIMARY KEY (user_id)
AS SELECT user_id, org_id, lower(trim(email)) AS email, lower(trim(role)) AS role, active, created_at, last_login
FROM bronze.users;

-- Active users per customer, by role.  Events know no user, only an organization with about ten
-- of them: joining users themselves would multiply every cost by ten.
CREATE MATERIALIZED VIEW silver.active_users_by_org
  PRIMARY KEY (org_id)
AS SELECT
  org_id,
  count(*) FILTER (WHERE active) AS active_users,   -- all roles, unlisted ones too
  count(*) FILTER (WHERE active AND role = 'admin') AS active_admins,
  count(*) FILTER (WHERE active AND role = 'analyst') AS active_analysts,
  count(*) FILTER (WHERE active AND role = 'data_engineer') AS active_data_engineers,
  count(*) FILTER (WHERE active AND role = 'developer') AS active_developers,
  count(*) FILTER (WHERE active AND role = 'devops') AS active_devops,
  count(*) FILTER (WHERE active AND role = 'ml_engineer') AS active_ml_engineers
FROM silver.users
GROUP BY org_id;

-- Resources, their tags as a list.  A resource without tags, or with text that is no JSON, has
-- an empty list.
CREATE MATERIALIZED VIEW silver.resources
  PRIMARY KEY (resource_id)
AS SELECT
  resource_id,
  org_id,
  code(service) AS service,
  code(region) AS region,
  created_at,
  lower(trim(state)) AS state,
  CASE WHEN json_valid(tags_json) THEN json_extract_string(tags_json, '$[*]') ELSE [] END AS tags
FROM bronze.resources;

-- Usage -----------------------------------------------------------------------------------

-- Events in one schema with their context.  A row of schema 1 knows neither carbon nor tokens:
-- they are null there, never 0, so that an average over both schemas is not drawn down.  The
-- context is that of the delivery in force when the event was read.  An event of an
-- organization or a resource that no master names stays, its context null.
-- Partitioned by day and service, as FinOps readers ask.
CREATE STREAMING TABLE silver.usage_events
  PARTITIONED BY (event_date, service)
AS SELECT
  e.event_id,
  e."timestamp",
  e.event_date,
  e.org_id,
  e.resource_id,
  code(e.service) AS service,
  code(e.region) AS region,
  e.metric,
  e.value,
  e.value_raw,
  e.unit,
  e.cost_usd_increment,
  e.schema_version,
  CASE WHEN e.schema_version >= 2 THEN e.carbon_kg END AS carbon_kg,
  CASE WHEN e.schema_version >= 2 THEN e.genai_tokens END AS genai_tokens,
  o.plan_tier,
  o.industry,
  o.hq_region AS org_region,
  u.active_users,
  u.active_admins,
  u.active_analysts,
  u.active_data_engineers,
  u.active_developers,
  u.active_devops,
  u.active_ml_engineers,
  r.state AS resource_state,
  e.ingest_ts,
  e.source_file
FROM STREAM bronze.usage_events e
LEFT JOIN silver.organizations_current o ON o.org_id = e.org_id
LEFT JOIN silver.active_users_by_org u ON u.org_id = e.org_id
LEFT JOIN silver.resources r ON r.resource_id = e.resource_id;

-- Support, marketing, billing -------------------------------------------------------------

-- Tickets.  A CSAT outside 1..5 becomes null and is counted; bronze keeps what was typed.
CREATE MATERIALIZED VIEW silver.support_tickets (
  CONSTRAINT key_present       EXPECT (org_id IS NOT NULL AND severity IS NOT NULL AND created_at IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT csat_in_range     EXPECT (csat BETWEEN 1 AND 5) ON VIOLATION IMPUTE (csat = NULL),
  CONSTRAINT resolved_in_order EXPECT (resolved_at >= created_at)
)
  PRIMARY KEY (ticket_id)
AS SELECT
  ticket_id,
  org_id,
  lower(trim(category)) AS category,
  lower(trim(severity)) AS severity,
  created_at,
  resolved_at,
  resolved_at IS NULL AS is_open,
  csat,
  sla_breached
FROM bronze.support_tickets;

-- Marketing touches.
CREATE MATERIALIZED VIEW silver.marketing_touches
  PRIMARY KEY (touch_id)
AS SELECT touch_id, org_id, lower(trim(campaign)) AS campaign, code(channel) AS channel,
          "timestamp" AS touch_date, clicked, converted
FROM bronze.marketing_touches;

-- Survey answers.  A score outside -100..100 becomes null and is counted.
CREATE MATERIALIZED VIEW silver.nps_surveys (
  CONSTRAINT nps_in_range EXPECT (nps_score BETWEEN -100 AND 100) ON VIOLATION IMPUTE (nps_score = NULL)
)
  PRIMARY KEY (org_id, survey_date)
AS SELECT org_id, survey_date, nps_score, trim(comment) AS comment
FROM bronze.nps_surveys;

-- Invoices in USD.  The delivered rate applies to every currency, to USD as well (its invoices
-- carry rates from 0.85 to 1.12: a settlement rate, not a mistake of ours to mend).  Missing
-- credits are no credits.  A negative subtotal is a credit note and stays.
CREATE MATERIALIZED VIEW silver.invoices (
  CONSTRAINT key_present     EXPECT (org_id IS NOT NULL AND month IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT amounts_present EXPECT (subtotal IS NOT NULL AND taxes IS NOT NULL AND fx_rate IS NOT NULL)
)
  PRIMARY KEY (invoice_id)
AS SELECT
  invoice_id,
  org_id,
  CAST(date_trunc('month', month) AS DATE) AS month,
  upper(trim(currency)) AS currency,
  exchange_rate_to_usd AS fx_rate,
  subtotal,
  coalesce(credits, 0) AS credits,
  taxes,
  subtotal < 0 AS is_credit_note,
  CAST(subtotal * exchange_rate_to_usd AS DECIMAL(18, 6)) AS subtotal_usd,
  CAST(coalesce(credits, 0) * exchange_rate_to_usd AS DECIMAL(18, 6)) AS credits_usd,
  CAST(taxes * exchange_rate_to_usd AS DECIMAL(18, 6)) AS taxes_usd,
  CAST((subtotal - coalesce(credits, 0) + taxes) * exchange_rate_to_usd AS DECIMAL(18, 6)) AS revenue_usd
FROM bronze.billing_monthly;
