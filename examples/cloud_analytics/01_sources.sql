-- 01_sources.sql - what lies in the landing zone.
--
-- Landing is read, never written.  One stream (usage events, JSON lines, files that are only
-- added) and seven masters (CSV files that are replaced as a whole: SNAPSHOT).  A master's
-- columns are found by header name, so a delivery with its columns in another order, or with
-- one more, is read correctly; what is not declared here goes to _rescued.

-- One metered use of a resource.  From files, or a topic (EVENTS=kafka://broker:9092/usage).  Files arrive in any order and are shuffles of two months, so
-- that most rows lie behind any watermark: late rows count (ON LATE AMEND, 02_bronze.sql).
-- Schema 2 (from 2025-07-18) adds carbon_kg and, for the service genai, genai_tokens; rows of
-- schema 1 leave both null.
CREATE SOURCE usage_events (
  event_id           TEXT,            -- unique; a repeat is a duplicate delivery
  "timestamp"        TIMESTAMPTZ,     -- when the use happened, UTC
  org_id             TEXT,            -- who pays: customers_orgs.org_id
  resource_id        TEXT,            -- what was used: resources.resource_id
  service            TEXT,            -- compute, storage, database, networking, analytics, genai
  region             TEXT,            -- where it ran
  metric             TEXT,            -- requests, cpu_hours, storage_gb_hours
  value              TEXT,            -- a number, a number in quotes, or null: kept as it came
  unit               TEXT,            -- count, hours, gb_hours: one per metric; null in 5 %
  cost_usd_increment DECIMAL(18, 6),  -- what this event adds to the bill, USD; exact
  schema_version     INTEGER,         -- 1 or 2
  carbon_kg          DOUBLE,          -- schema 2
  genai_tokens       BIGINT           -- schema 2, service genai
) FROM '${EVENTS:-${LANDING:-landing}/usage_events_stream/*.jsonl}' FORMAT JSON
  WATERMARK "timestamp" DELAY OF INTERVAL ${WATERMARK_DELAY:-10 MINUTES}
  ON MALFORMED QUARANTINE;

-- The customers.  Each delivery is the whole list; successive deliveries become the SCD 2
-- history in 03_silver.sql.
CREATE SOURCE customers_orgs (
  org_id           TEXT,     -- key
  org_name         TEXT,
  industry         TEXT,
  hq_region        TEXT,
  plan_tier        TEXT,     -- free, standard, pro, enterprise
  is_enterprise    BOOLEAN,
  signup_date      DATE,
  sales_rep        TEXT,
  lifecycle_stage  TEXT,     -- prospect, lead, active, at_risk, churned
  marketing_source TEXT,
  nps_score        DOUBLE    -- last known; out of range in some rows
) FROM '${LANDING:-landing}/customers_orgs.csv' FORMAT CSV SNAPSHOT;

-- The customers' users: several per organization, so never join them to events directly.
CREATE SOURCE users (
  user_id    TEXT,     -- key
  org_id     TEXT,
  email      TEXT,     -- personal data: stops in silver
  role       TEXT,     -- admin, analyst, data_engineer, developer, devops, ml_engineer
  active     BOOLEAN,
  created_at DATE,
  last_login DATE
) FROM '${LANDING:-landing}/users.csv' FORMAT CSV SNAPSHOT;

-- What the customers run.
CREATE SOURCE resources (
  resource_id TEXT,    -- key
  org_id      TEXT,
  service     TEXT,
  region      TEXT,
  created_at  DATE,
  state       TEXT,    -- running, stopped, terminated
  tags_json   TEXT     -- a JSON array of "key:value" in one CSV field, or nothing
) FROM '${LANDING:-landing}/resources.csv' FORMAT CSV SNAPSHOT;

-- Support.  resolved_at is empty while a ticket is open.
CREATE SOURCE support_tickets (
  ticket_id    TEXT,    -- key
  org_id       TEXT,
  category     TEXT,
  severity     TEXT,    -- low, medium, high, critical
  created_at   DATE,
  resolved_at  DATE,
  csat         DOUBLE,  -- 1..5; others are typing errors
  sla_breached BOOLEAN
) FROM '${LANDING:-landing}/support_tickets.csv' FORMAT CSV SNAPSHOT;

-- Contacts of marketing with a customer.
CREATE SOURCE marketing_touches (
  touch_id    TEXT,     -- key
  org_id      TEXT,
  campaign    TEXT,
  channel     TEXT,
  "timestamp" DATE,
  clicked     BOOLEAN,
  converted   BOOLEAN
) FROM '${LANDING:-landing}/marketing_touches.csv' FORMAT CSV SNAPSHOT;

-- Answers to the satisfaction survey; at most one per organization and day.
CREATE SOURCE nps_surveys (
  org_id      TEXT,     -- key with survey_date
  survey_date DATE,
  nps_score   DOUBLE,   -- -100..100
  comment     TEXT
) FROM '${LANDING:-landing}/nps_surveys.csv' FORMAT CSV SNAPSHOT;

-- Invoices in the currency that the customer pays in.
CREATE SOURCE billing_monthly (
  invoice_id           TEXT,            -- key
  org_id               TEXT,
  month                DATE,            -- first day of the month
  subtotal             DECIMAL(18, 2),  -- negative: a credit note
  credits              DECIMAL(18, 2),  -- empty: none
  taxes                DECIMAL(18, 2),
  currency             TEXT,            -- USD, EUR, ARS
  exchange_rate_to_usd DECIMAL(12, 6)   -- applied as delivered, to USD invoices too
) FROM '${LANDING:-landing}/billing_monthly.csv' FORMAT CSV SNAPSHOT;
