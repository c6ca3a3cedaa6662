CREATE SOURCE usage_events (
  event_id   TEXT, "timestamp" TIMESTAMPTZ, org_id TEXT, resource_id TEXT, service TEXT, region TEXT,
  metric TEXT, value TEXT, unit TEXT, cost_usd_increment DOUBLE, schema_version INT,
  carbon_kg DOUBLE, genai_tokens BIGINT
) FROM '${EVENTS:-landing/usage_events_stream/}' FORMAT JSON
  WATERMARK "timestamp" DELAY OF INTERVAL 10 MINUTES
  ON MALFORMED QUARANTINE;

-- Append-only lake table, each input row exactly once.
CREATE STREAMING TABLE bronze.usage_events (
  CONSTRAINT event_id_present EXPECT (event_id IS NOT NULL)           ON VIOLATION QUARANTINE,
  CONSTRAINT cost_floor       EXPECT (cost_usd_increment >= -0.01)    ON VIOLATION QUARANTINE,
  CONSTRAINT unit_with_value  EXPECT (unit IS NOT NULL OR value IS NULL)   -- default: KEEP, counted
) PARTITIONED BY (event_date)
  DEDUPLICATE ON (event_id)
  ON LATE AMEND
AS SELECT *, CAST("timestamp" AS DATE) AS event_date, _ingest_ts AS ingest_ts, _source_file AS source_file
   FROM STREAM usage_events;

-- Kept up to date by each epoch.
CREATE MATERIALIZED VIEW gold.org_daily_usage_by_service
  PRIMARY KEY (org_id, usage_date, service)
AS SELECT org_id, event_date AS usage_date, service, sum(cost_usd_increment) AS daily_cost_usd, sum(genai_tokens) AS tokens
   FROM STREAM bronze.usage_events GROUP BY ALL;

PUBLISH gold.org_daily_usage_by_service TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), usage_date DESC, service);
