-- How much each weekday differs from the average day; trained weekly, kept with its version.
CREATE MODEL weekday_factors
  SCHEDULE CRON '${TRAIN_CRON:-0 4 * * 1}' TIME ZONE '${ZONE:-America/Bogota}'
  AS TRAIN (SELECT day, device_type, devices FROM consumption.devices_by_day ORDER BY ALL)
  USING '${TRAIN:-python3 model/train.py}' TIMEOUT INTERVAL 5 MINUTES VERSION '1';

-- How many devices to expect on the day after the last.
-- owner: forecasts@example.org
CREATE MODEL TABLE consumption.next_day (
  day         DATE   COMMENT 'the day that is forecast',
  device_type TEXT,
  devices     DOUBLE COMMENT 'expected',
  low         DOUBLE COMMENT 'lower end of the usual range',
  high        DOUBLE COMMENT 'upper end of the usual range'
) PRIMARY KEY (day, device_type)
  SCHEDULE CRON '${DAILY_CRON:-30 4 * * *}' TIME ZONE '${ZONE:-America/Bogota}' PROMISE INTERVAL 2 HOURS
  AS TRANSFORM (SELECT day, device_type, devices FROM consumption.devices_by_day ORDER BY ALL)
  USING '${FORECAST:-python3 model/next_day.py}' PARAMETERS (days = 7, width = 2.0)
  TIMEOUT INTERVAL 5 MINUTES VERSION '1' ARTIFACT weekday_factors;
