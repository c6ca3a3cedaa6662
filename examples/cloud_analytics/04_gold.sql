-- 04_gold.sql - what people ask for.
--
-- No personal data: nothing here reads silver.users.  Money is DECIMAL with six places and added
-- exactly; 15 digits, so that every store keeps it as a number (up to 999,999,999.999999 USD in
-- one cell).  Amounts of use are DOUBLE and added exactly too, rounded once at the end.
--
-- Gold is not partitioned: the largest table, usage_by_window, is 85,000 rows and about 1 MB for
-- two months of the real landing; by day that would be 60 files of 20 kB, all of them rewritten
-- by every epoch, since files are shuffles of the whole time.  From about 100 times this size,
-- with events that come in order, PARTITIONED BY (usage_date) pays on org_daily_usage_by_service
-- and cost_anomaly_mart.  Bronze and silver are partitioned, where the rows are.

-- FinOps ----------------------------------------------------------------------------------

-- What each customer used and paid per day and service.  Kept up to date by every epoch: sums and
-- counts merge.  Carbon and tokens are null where no event of the cell carries them (schema 1;
-- tokens: any service but genai), since "unknown" is not 0.
CREATE MATERIALIZED VIEW gold.org_daily_usage_by_service
  PRIMARY KEY (org_id, usage_date, service)
AS SELECT
  org_id,
  event_date AS usage_date,
  service,
  count(*) AS event_count,
  CAST(coalesce(sum(cost_usd_increment), 0) AS DECIMAL(15, 6)) AS daily_cost_usd,
  coalesce(sum(value) FILTER (WHERE metric = 'requests'), 0) AS requests,
  coalesce(sum(value) FILTER (WHERE metric = 'cpu_hours'), 0) AS cpu_hours,
  coalesce(sum(value) FILTER (WHERE metric = 'storage_gb_hours'), 0) AS storage_gb_hours,
  CAST(sum(genai_tokens) AS BIGINT) AS genai_tokens,
  sum(carbon_kg) AS carbon_kg
FROM STREAM silver.usage_events
GROUP BY org_id, event_date, service;

-- The same in windows of an hour that start every half hour: each event counts in two of them.
CREATE MATERIALIZED VIEW gold.usage_by_window
  PRIMARY KEY (org_id, service, window_start)
AS SELECT
  org_id,
  service,
  w.window_start AS window_start,     -- inclusive
  w.window_end AS window_end,         -- exclusive
  CAST(coalesce(sum(cost_usd_increment), 0) AS DECIMAL(15, 6)) AS cost,
  coalesce(sum(value) FILTER (WHERE metric = 'requests'), 0) AS requests,
  count(*) AS events
FROM (
  SELECT org_id, service, metric, value, cost_usd_increment,
         UNNEST(hop_windows("timestamp", INTERVAL ${WINDOW_SIZE:-1 HOUR}, INTERVAL ${WINDOW_SLIDE:-30 MINUTES})) AS w
  FROM STREAM silver.usage_events
)
GROUP BY org_id, service, w.window_start, w.window_end;

-- What each customer was billed per month, in USD:
-- revenue_usd = (subtotal - credits + taxes) x rate.  Credit notes (negative subtotals) are part of
-- it.  Currency and rate are those of the month's invoices, null if these differ.
CREATE MATERIALIZED VIEW gold.revenue_by_org_month
  PRIMARY KEY (org_id, month)
AS SELECT
  org_id,
  month,
  CASE WHEN min(currency) = max(currency) THEN min(currency) END AS currency,
  CASE WHEN min(fx_rate) = max(fx_rate) THEN min(fx_rate) END AS fx_rate,
  CAST(sum(subtotal_usd) AS DECIMAL(15, 6)) AS subtotal_usd,
  CAST(sum(credits_usd) AS DECIMAL(15, 6)) AS credits_usd,
  CAST(sum(taxes_usd) AS DECIMAL(15, 6)) AS taxes_usd,
  CAST(sum(revenue_usd) AS DECIMAL(15, 6)) AS revenue_usd
FROM silver.invoices
GROUP BY org_id, month;

-- Anomalies -------------------------------------------------------------------------------
--
-- Raw daily costs are not comparable: a request costs sixty times an hour of CPU, genai twelve
-- times networking, and a day holds 3 or 15 events.  On such a mixture MAD flags a quarter of all
-- days and a tenfold spike of a cheap metric looks like a normal day of a dear one.  What is
-- comparable is the price: cost per unit of use, of one metric of one service, on a log scale.
-- There the real landing is one narrow bell (a deviation of 15 %), so that a tenfold price stands
-- 15 deviations out.  z-score and MAD judge the log price; the percentile judges the cost itself,
-- per event, and so finds a tenfold use at the usual price.  docs/anomalies.md has the figures.

-- Cost and use per customer, day, service and metric: the cells whose prices are compared.
-- A price needs both a cost and an amount; events without one count in cost_usd alone.
CREATE MATERIALIZED VIEW silver.daily_cost_by_metric
  PRIMARY KEY (org_id, usage_date, service, metric)
AS SELECT
  org_id,
  event_date AS usage_date,
  service,
  coalesce(metric, '') AS metric,
  count(*) AS events,
  coalesce(sum(cost_usd_increment), 0) AS cost_usd,
  sum(cost_usd_increment) FILTER (WHERE value > 0 AND cost_usd_increment > 0) AS priced_cost_usd,
  sum(value) FILTER (WHERE value > 0 AND cost_usd_increment > 0) AS priced_use,
  sum(value * value) FILTER (WHERE value > 0 AND cost_usd_increment > 0) AS priced_use_squares
FROM STREAM silver.usage_events
GROUP BY org_id, event_date, service, coalesce(metric, '');

-- What is usual: statistics over all cells of a metric of a service.  They change with every
-- event a little, so they are refreshed on a schedule, not by every epoch.  A cell's price is an
-- average over its events, and the more events, the nearer it lies to the usual: deviations count
-- times the root of the number of events (the effective one, (sum u)^2 / sum u^2, since uses
-- differ in size), which puts days of one event and of fifteen on one scale.
CREATE MATERIALIZED VIEW silver.cost_baseline
  PRIMARY KEY (service, metric)
  SCHEDULE EVERY INTERVAL ${ANOMALY_REFRESH:-15 MINUTES}
AS WITH cells AS (
  SELECT service, metric,
         CAST(cost_usd AS DOUBLE) / events AS event_cost,
         ln(CAST(priced_cost_usd AS DOUBLE) / priced_use) AS log_price,
         priced_use * priced_use / priced_use_squares AS priced_events
  FROM silver.daily_cost_by_metric
), centre AS (
  SELECT service, metric,
         count(*) AS cells,
         avg(log_price) AS log_price_mean,
         median(log_price) AS log_price_median,
         quantile_cont(event_cost, 0.99) AS event_cost_p99
  FROM cells
  GROUP BY service, metric
), spread AS (
  SELECT c.service, c.metric,
         sqrt(avg(c.priced_events * (c.log_price - m.log_price_mean) * (c.log_price - m.log_price_mean))) AS log_price_sd,
         1.4826 * median(sqrt(c.priced_events) * abs(c.log_price - m.log_price_median)) AS log_price_mad
  FROM cells c JOIN centre m ON m.service = c.service AND m.metric = c.metric
  GROUP BY c.service, c.metric
)
SELECT m.service, m.metric, m.cells,
       m.log_price_mean,
       s.log_price_sd,            -- of one event
       m.log_price_median,
       s.log_price_mad,           -- of one event; scaled so that it estimates a standard deviation
       m.event_cost_p99
FROM centre m JOIN spread s ON s.service = m.service AND s.metric = m.metric;

-- Each customer's day and service, judged by three methods.  The day's score is that of its most
-- conspicuous metric, since a dear metric would hide a cheap one's spike in the sum.  Only
-- costs above the usual are anomalies here.  Flagged, never capped: daily_cost_usd is what was paid.
CREATE MATERIALIZED VIEW gold.cost_anomaly_mart
  PRIMARY KEY (org_id, usage_date, service)
  SCHEDULE EVERY INTERVAL ${ANOMALY_REFRESH:-15 MINUTES}
AS WITH scored AS (
  SELECT
    d.org_id, d.usage_date, d.service, d.cost_usd,
    (ln(CAST(d.priced_cost_usd AS DOUBLE) / d.priced_use) - b.log_price_mean)
      * sqrt(d.priced_use * d.priced_use / d.priced_use_squares) / nullif(b.log_price_sd, 0) AS z,
    (ln(CAST(d.priced_cost_usd AS DOUBLE) / d.priced_use) - b.log_price_median)
      * sqrt(d.priced_use * d.priced_use / d.priced_use_squares) / nullif(b.log_price_mad, 0) AS mad,
    cume_dist() OVER (PARTITION BY d.service, d.metric ORDER BY CAST(d.cost_usd AS DOUBLE) / d.events) AS percentile,
    CAST(d.cost_usd AS DOUBLE) / d.events > b.event_cost_p99 * ${ANOMALY_FACTOR:-1.5} AS beyond_p99
  FROM silver.daily_cost_by_metric d
  LEFT JOIN silver.cost_baseline b ON b.service = d.service AND b.metric = d.metric
)
SELECT
  org_id,
  usage_date,
  service,
  CAST(sum(cost_usd) AS DECIMAL(15, 6)) AS daily_cost_usd,
  round(max(z), 4) AS z_score,               -- standard deviations above the mean log price
  round(max(mad), 4) AS mad_score,           -- the same from median and MAD, which spikes do not move
  round(max(percentile), 6) AS percentile,   -- share of comparable days that cost no more per event
  coalesce(max(z) > ${Z_SCORE:-3.0}, false) AS is_z_anomaly,
  coalesce(max(mad) > ${MAD_SCORE:-3.0}, false) AS is_mad_anomaly,
  coalesce(bool_or(beyond_p99), false) AS is_percentile_anomaly,
  coalesce(max(z) > ${Z_SCORE:-3.0}, false) OR coalesce(max(mad) > ${MAD_SCORE:-3.0}, false)
    OR coalesce(bool_or(beyond_p99), false) AS is_anomaly   -- any of the three
FROM scored
GROUP BY org_id, usage_date, service;

-- The same judgement of single events, one row for each event of silver.usage_events.  It is not kept: what is
-- usual moves with every refresh of the baseline, and with it the score of every event there ever was, so that
-- keeping them up to date would cost the whole history each time.  A question computes what it asks for.
CREATE VIEW silver.usage_event_outliers
AS WITH scored AS (
  SELECT
    e.event_id, e.org_id, e.event_date, e.service, e.metric, e.cost_usd_increment,
    CASE WHEN e.value > 0 AND e.cost_usd_increment > 0 THEN
      (ln(CAST(e.cost_usd_increment AS DOUBLE) / e.value) - b.log_price_mean) / nullif(b.log_price_sd, 0) END AS z,
    CASE WHEN e.value > 0 AND e.cost_usd_increment > 0 THEN
      (ln(CAST(e.cost_usd_increment AS DOUBLE) / e.value) - b.log_price_median) / nullif(b.log_price_mad, 0) END AS mad,
    CAST(e.cost_usd_increment AS DOUBLE) > b.event_cost_p99 * ${ANOMALY_FACTOR:-1.5} AS beyond_p99
  FROM silver.usage_events e
  LEFT JOIN silver.cost_baseline b ON b.service = e.service AND b.metric = coalesce(e.metric, '')
)
SELECT
  event_id, org_id, event_date, service, metric, cost_usd_increment,
  round(z, 4) AS z_score,
  round(mad, 4) AS mad_score,
  coalesce(z > ${Z_SCORE:-3.0}, false) AS is_z_outlier,
  coalesce(mad > ${MAD_SCORE:-3.0}, false) AS is_mad_outlier,
  coalesce(beyond_p99, false) AS is_percentile_outlier,
  coalesce(z > ${Z_SCORE:-3.0}, false) OR coalesce(mad > ${MAD_SCORE:-3.0}, false)
    OR coalesce(beyond_p99, false) AS is_outlier
FROM scored;

-- Support ---------------------------------------------------------------------------------

-- Tickets by customer, day of opening and severity.  The breach rate is over the tickets of the
-- cell, open ones included; the average satisfaction is over those that carry a valid score.
CREATE MATERIALIZED VIEW gold.tickets_by_org_date
  PRIMARY KEY (org_id, ticket_date, severity)
AS SELECT
  org_id,
  created_at AS ticket_date,
  severity,
  count(*) AS tickets,
  count(*) FILTER (WHERE is_open) AS open_tickets,
  count(*) FILTER (WHERE sla_breached) AS sla_breaches,
  CAST(count(*) FILTER (WHERE sla_breached) AS DOUBLE) / count(*) AS sla_breach_rate,
  avg(csat) AS avg_csat
FROM silver.support_tickets
GROUP BY org_id, created_at, severity;

-- Product ---------------------------------------------------------------------------------

-- Tokens per customer and day, and what the events that carry tokens cost.  A count of 0 is
-- carried; no count (schema 1, other services) is not.
CREATE MATERIALIZED VIEW gold.genai_tokens_by_org_date
  PRIMARY KEY (org_id, usage_date)
AS SELECT
  org_id,
  event_date AS usage_date,
  CAST(sum(genai_tokens) AS BIGINT) AS total_tokens,
  CAST(coalesce(sum(cost_usd_increment), 0) AS DECIMAL(15, 6)) AS estimated_cost_usd
FROM STREAM silver.usage_events
WHERE genai_tokens IS NOT NULL
GROUP BY org_id, event_date;
