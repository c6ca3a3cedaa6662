-- Each message as it came, once per delivery: its bytes, its key, and where it stood (topic/partition and
-- offset; file and line).  Nothing is judged here.
CREATE STREAMING TABLE bronze.messages PARTITIONED BY (arrival_date)
AS SELECT key, message, _source_file AS source, _source_offset AS source_offset, _ingest_ts AS ingest_ts,
     CAST(_ingest_ts AS DATE) AS arrival_date
   FROM STREAM messages;

-- In which zone a customer's day ends.  Of a zone that does not exist nothing is made up.
CREATE MATERIALIZED VIEW silver.customers PRIMARY KEY (customer_id)
AS SELECT customer_id, CASE WHEN zone IS NULL THEN '${ZONE:-America/Sao_Paulo}' WHEN zone_known(zone) THEN zone END AS zone
   FROM customers WHERE customer_id IS NOT NULL;

-- Each message once, whatever is sent again, with its customer's local day.  What cannot be counted goes
-- to quarantine with the names of these rules as reasons.
CREATE STREAMING TABLE silver.messages (
  CONSTRAINT customer_present EXPECT (customer_id IS NOT NULL)    ON VIOLATION QUARANTINE,
  CONSTRAINT message_present  EXPECT (message_id IS NOT NULL)     ON VIOLATION QUARANTINE,
  CONSTRAINT channel_present  EXPECT (channel IS NOT NULL)        ON VIOLATION QUARANTINE,
  CONSTRAINT time_present     EXPECT (event_datetime IS NOT NULL) ON VIOLATION QUARANTINE,
  CONSTRAINT time_not_ahead   EXPECT (event_datetime <= ingest_ts + INTERVAL 1 DAY) ON VIOLATION QUARANTINE,
  CONSTRAINT zone_known       EXPECT (local_day IS NOT NULL)      ON VIOLATION QUARANTINE
) PARTITIONED BY (event_date, event_hour)
  DEDUPLICATE ON (message_id)
AS SELECT m.customer_id, m.message_id, m.customer_name, lower(m.channel) AS channel, m.payload,
     m.event_datetime, m._ingest_ts AS ingest_ts,
     CASE WHEN c.customer_id IS NULL THEN '${ZONE:-America/Sao_Paulo}' ELSE c.zone END AS zone,
     local_date(m.event_datetime, CASE WHEN c.customer_id IS NULL THEN '${ZONE:-America/Sao_Paulo}' ELSE c.zone END)
       AS local_day,
     CAST(m.event_datetime AS DATE) AS event_date, CAST(hour(m.event_datetime) AS INTEGER) AS event_hour
   FROM STREAM messages m LEFT JOIN silver.customers c ON c.customer_id = m.customer_id;

-- Notifications of a customer's day, so far; updated_at is when the last of them came in.
CREATE MATERIALIZED VIEW gold.notifications_by_day
  PRIMARY KEY (customer_id, local_day, channel)
AS SELECT customer_id, local_day, channel, max(zone) AS zone,
     arg_max(customer_name, event_datetime) AS customer_name, count(*) AS notifications,
     max(event_datetime) AS last_message_at, max(ingest_ts) AS updated_at,
     iso_timestamp(max(ingest_ts)) AS last_update
   FROM STREAM silver.messages GROUP BY ALL;

-- And of each minute.
CREATE MATERIALIZED VIEW gold.notifications_by_minute
  PRIMARY KEY (customer_id, minute, channel)
AS SELECT customer_id, tumble_start(event_datetime, INTERVAL 1 MINUTE) AS minute, channel,
     count(*) AS notifications
   FROM STREAM silver.messages GROUP BY ALL;
