-- 02_bronze.sql - what came in, typed, each thing once, nothing interpreted.

-- The number that a text holds; null for anything else, and for 'nan' and 'inf', which no meter
-- means and which would spoil every sum they enter.
CREATE FUNCTION number_or_null(t TEXT) RETURNS DOUBLE
  RETURN CASE WHEN isfinite(TRY_CAST(t AS DOUBLE)) THEN TRY_CAST(t AS DOUBLE) END;

-- Every accepted event, at the grain of landing.  A row that breaks a QUARANTINE rule lies in
-- quarantine.bronze_usage_events with its reasons and can be replayed; it claims no key, so the
-- corrected event is not a duplicate.  Repeats of an event_id are counted; the first to arrive
-- (files by path, lines in order) stays.  Partitioned by the day of the event, the column that
-- every reader filters on: about 720 events a day here, 720,000 at a thousand times the size.
CREATE STREAMING TABLE bronze.usage_events (
  -- An event without identity or time can be neither deduplicated nor placed.
  CONSTRAINT event_id_present   EXPECT (event_id IS NOT NULL)                   ON VIOLATION QUARANTINE,
  CONSTRAINT timestamp_present  EXPECT ("timestamp" IS NOT NULL)                ON VIOLATION QUARANTINE,
  -- Nobody could be billed for it: gold is keyed by customer and service.
  CONSTRAINT org_present        EXPECT (org_id IS NOT NULL)                     ON VIOLATION QUARANTINE,
  CONSTRAINT service_present    EXPECT (service IS NOT NULL)                    ON VIOLATION QUARANTINE,
  -- Tiny negative costs are rounding corrections of the meter; larger ones are errors.
  CONSTRAINT cost_floor         EXPECT (cost_usd_increment >= ${MIN_COST:--0.01}) ON VIOLATION QUARANTINE,
  -- A version that nobody described may mean anything.  A null is no version either.
  CONSTRAINT known_schema       EXPECT (coalesce(schema_version IN (1, 2), false)) ON VIOLATION QUARANTINE,
  -- One unit per metric, so a missing unit beside a value is known.
  CONSTRAINT unit_with_value    EXPECT (unit IS NOT NULL OR value_raw IS NULL)
    ON VIOLATION IMPUTE (unit = CASE metric WHEN 'requests'         THEN 'count'
                                            WHEN 'cpu_hours'        THEN 'hours'
                                            WHEN 'storage_gb_hours' THEN 'gb_hours' END),
  -- Counted, kept: the row costs money even if its amount of use is unreadable.
  CONSTRAINT value_is_a_number  EXPECT (value IS NOT NULL OR value_raw IS NULL),
  CONSTRAINT value_present      EXPECT (value_raw IS NOT NULL),
  CONSTRAINT cost_present       EXPECT (cost_usd_increment IS NOT NULL),
  CONSTRAINT known_metric       EXPECT (coalesce(metric IN ('requests', 'cpu_hours', 'storage_gb_hours'), false))
) PARTITIONED BY (event_date)
  DEDUPLICATE ON (event_id)
  ON LATE AMEND
AS SELECT
  event_id,
  "timestamp",
  org_id,
  resource_id,
  service,
  region,
  metric,
  value AS value_raw,                                -- as it came
  number_or_null(value) AS value,                    -- null if it is no number
  unit,
  cost_usd_increment,
  schema_version,
  carbon_kg,
  genai_tokens,
  CAST("timestamp" AS DATE) AS event_date,           -- UTC
  _ingest_ts AS ingest_ts,
  _source_file AS source_file
FROM STREAM usage_events;

-- The seven masters, as delivered.  They carry no ingest time: a delivery that repeats the same
-- content then changes nothing downstream.  Taken over on a schedule beside the stream, daily
-- and for the bills monthly; the first delivery at once.

-- Customers, newest delivery.
CREATE MATERIALIZED VIEW bronze.customers_orgs
  PRIMARY KEY (org_id)
  SCHEDULE CRON '${MASTERS_CRON:-0 2 * * *}'
AS SELECT * FROM customers_orgs;

-- Users, newest delivery.
CREATE MATERIALIZED VIEW bronze.users
  PRIMARY KEY (user_id)
  SCHEDULE CRON '${MASTERS_CRON:-0 2 * * *}'
AS SELECT * FROM users;

-- Resources, newest delivery.
CREATE MATERIALIZED VIEW bronze.resources
  PRIMARY KEY (resource_id)
  SCHEDULE CRON '${MASTERS_CRON:-0 2 * * *}'
AS SELECT * FROM resources;

-- Support tickets, newest delivery.
CREATE MATERIALIZED VIEW bronze.support_tickets
  PRIMARY KEY (ticket_id)
  SCHEDULE CRON '${MASTERS_CRON:-0 2 * * *}'
AS SELECT * FROM support_tickets;

-- Marketing touches, newest delivery.
CREATE MATERIALIZED VIEW bronze.marketing_touches
  PRIMARY KEY (touch_id)
  SCHEDULE CRON '${MASTERS_CRON:-0 2 * * *}'
AS SELECT * FROM marketing_touches;

-- Survey answers, newest delivery.
CREATE MATERIALIZED VIEW bronze.nps_surveys
  PRIMARY KEY (org_id, survey_date)
  SCHEDULE CRON '${MASTERS_CRON:-0 2 * * *}'
AS SELECT * FROM nps_surveys;

-- Invoices, newest delivery.
CREATE MATERIALIZED VIEW bronze.billing_monthly
  PRIMARY KEY (invoice_id)
  SCHEDULE CRON '${BILLING_CRON:-0 3 1 * *}'
AS SELECT * FROM billing_monthly;
