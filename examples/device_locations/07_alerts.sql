-- What somebody should be told of.  NOTIFY is mailto:ops@example.org, https://hooks.example.org/.., or a command that
-- gets the alert as JSON; `true` tells nobody: `raudal status` and `raudal alerts` show it all the same.
CREATE ALERT nothing_came SEVERITY CRITICAL
  COMMENT 'Ask the provider whether he delivered; the folder is LANDING.'
  WHEN FRESHNESS OF raw.positions > INTERVAL 36 HOURS NOTIFY '${NOTIFY:-true}';

CREATE ALERT unusual_volume SEVERITY WARNING
  COMMENT 'A provider delivers twice, or in part: count raw.positions by arrival_date.'
  WHEN VOLUME OF raw.positions OUTSIDE 4 DEVIATIONS OF LAST 14 NOTIFY '${NOTIFY:-true}';

CREATE ALERT many_refused SEVERITY WARNING
  COMMENT 'raudal quarantine list says which rules they break.'
  WHEN QUALITY OF staging.accepted < 0.9 MESSAGE 'only {quality} of the lines were good' NOTIFY '${NOTIFY:-true}';

CREATE ALERT slow SEVERITY INFO
  WHEN DURATION OF RUN > INTERVAL 1 HOUR NOTIFY '${NOTIFY:-true}';

CREATE ALERT late SEVERITY CRITICAL
  COMMENT 'The tables that readers were promised by the morning are not there.'
  WHEN OVERDUE NOTIFY '${NOTIFY:-true}';

-- Yesterday's table stays until its program works again.
CREATE ALERT model_failed SEVERITY WARNING REPEAT EVERY INTERVAL 1 DAY
  WHEN FAILURE OF consumption.next_day NOTIFY '${NOTIFY:-true}';

-- Positions of single devices are for few; counts are for all analysts.
GRANT SELECT ON consumption.* TO ROLE analyst;
GRANT SELECT ON staging.positions TO ROLE privacy_officer;
