-- Messages of one day in tiers: each tier's price counts for the messages within it.  A channel's list of a
-- date replaces all of its tiers.
CREATE VIEW price_tiers AS
SELECT p.channel, p.valid_from, l.valid_to, p.tier_from, p.price,
  lead(p.tier_from) OVER (PARTITION BY p.channel, p.valid_from ORDER BY p.tier_from) AS tier_to
FROM prices p
JOIN (SELECT channel, valid_from, lead(valid_from) OVER (PARTITION BY channel ORDER BY valid_from) AS valid_to
      FROM (SELECT DISTINCT channel, valid_from FROM prices)) l
  ON l.channel = p.channel AND l.valid_from = p.valid_from;

-- Of a day's messages, those within one tier.
CREATE FUNCTION messages_within(n BIGINT, tier_from BIGINT, tier_to BIGINT) RETURNS DECIMAL(18, 0)
RETURN greatest(least(n, coalesce(tier_to, n)) - tier_from, 0);

-- What a customer's day costs as it is known now.  A day meets each tier of its price list: the fan-out is meant.
CREATE MATERIALIZED VIEW gold.costs_by_day PRIMARY KEY (customer_id, local_day, channel)
  ALLOW FANOUT
  SCHEDULE CRON '${BILLING_CRON:-15 * * * *}'
AS
SELECT d.customer_id, d.local_day, d.channel, max(d.zone) AS zone,
  max(d.customer_name) AS customer_name, max(d.notifications) AS notifications,
  CAST(round(sum(messages_within(d.notifications, p.tier_from, p.tier_to) * p.price), 2)
       AS DECIMAL(18, 2)) AS amount
FROM gold.notifications_by_day d
JOIN price_tiers p ON p.channel = d.channel AND p.valid_from <= d.local_day
  AND (p.valid_to IS NULL OR p.valid_to > d.local_day)
GROUP BY d.customer_id, d.local_day, d.channel;

-- Days that nobody can bill: no price of their channel holds on them.
CREATE MATERIALIZED VIEW gold.days_without_price PRIMARY KEY (customer_id, local_day, channel)
  SCHEDULE CRON '${BILLING_CRON:-15 * * * *}'
AS
SELECT d.customer_id, d.local_day, d.channel, d.notifications
FROM gold.notifications_by_day d
WHERE NOT EXISTS (SELECT 1 FROM prices p WHERE p.channel = d.channel AND p.valid_from <= d.local_day);

-- Bills are issued once, after the customer's day has closed where he lives, and never change.  What
-- comes after a day's bill, in whatever channel, is a line of its own on the next bill that the customer
-- gets.  It costs what it adds to its day by the list as it stands: a price that is changed afterwards
-- touches no message that was billed.
CREATE DECISION TABLE gold.bills (
  customer_id TEXT, bill_day DATE, message_day DATE, channel TEXT, line TEXT,
  customer_name TEXT, notifications BIGINT, amount DECIMAL(18, 2))
  PRIMARY KEY (customer_id, bill_day, message_day, channel)
  SCHEDULE CRON '${BILLING_CRON:-15 * * * *}'
AS
WITH bill_days AS (
  SELECT DISTINCT customer_id, bill_day FROM gold.bills),
billed AS (
  SELECT customer_id, message_day, channel, CAST(sum(notifications) AS BIGINT) AS notifications
  FROM gold.bills GROUP BY ALL),
-- What was billed, by the list as it stands.
billed_costs AS (
  SELECT b.customer_id, b.message_day, b.channel, max(b.notifications) AS notifications,
    CAST(round(sum(messages_within(b.notifications, p.tier_from, p.tier_to) * p.price), 2)
         AS DECIMAL(18, 2)) AS amount
  FROM billed b
  JOIN price_tiers p ON p.channel = b.channel AND p.valid_from <= b.message_day
    AND (p.valid_to IS NULL OR p.valid_to > b.message_day)
  GROUP BY b.customer_id, b.message_day, b.channel),
closed AS (
  SELECT c.customer_id, c.local_day, c.channel, c.customer_name, c.notifications, c.amount,
    coalesce(b.notifications, 0) AS billed_notifications, coalesce(b.amount, 0) AS billed_amount,
    d.bill_day IS NOT NULL AS late
  FROM gold.costs_by_day c
  LEFT JOIN bill_days d ON d.customer_id = c.customer_id AND d.bill_day = c.local_day
  LEFT JOIN billed_costs b ON b.customer_id = c.customer_id AND b.message_day = c.local_day
    AND b.channel = c.channel
  WHERE c.local_day < local_date(now(), c.zone)),
-- The bills that are issued now.
issued AS (
  SELECT customer_id, local_day FROM closed WHERE NOT late GROUP BY ALL)
SELECT customer_id, local_day AS bill_day, local_day AS message_day, channel,
  'messages' AS line, customer_name, notifications, amount
FROM closed WHERE NOT late
UNION ALL
SELECT c.customer_id, min(i.local_day) AS bill_day, c.local_day AS message_day, c.channel,
  'adjustment' AS line, max(c.customer_name) AS customer_name,
  max(c.notifications - c.billed_notifications) AS notifications,
  CAST(max(c.amount - c.billed_amount) AS DECIMAL(18, 2)) AS amount
FROM closed c JOIN issued i ON i.customer_id = c.customer_id AND i.local_day > c.local_day
WHERE c.late AND c.notifications > c.billed_notifications
GROUP BY c.customer_id, c.local_day, c.channel;
