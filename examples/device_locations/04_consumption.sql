-- How many devices were seen in a month, each once.
-- owner: mobility@example.org
CREATE MATERIALIZED VIEW consumption.devices_by_month
PRIMARY KEY (month, device_type)
PARTITIONED BY (month)
PROMISE INTERVAL 2 HOURS               -- after a delivery; `raudal status` holds it against what was
AS SELECT strftime(data_date, '%Y%m') AS month,  -- yyyyMM
          device_type,
          count(DISTINCT device_id) AS devices,
          count(*) AS positions
   FROM staging.positions
   GROUP BY ALL;

-- The same by day: what the model learns from.
-- owner: mobility@example.org
CREATE MATERIALIZED VIEW consumption.devices_by_day
PRIMARY KEY (day, device_type)
AS SELECT data_date AS day, device_type, count(DISTINCT device_id) AS devices, count(*) AS positions
   FROM staging.positions
   GROUP BY ALL;
