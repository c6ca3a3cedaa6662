-- anomaly_eval.sql - recall and precision of each method against what the generator injected.
-- @TRUTH@ is the generator's truth/truth_spikes.csv.  A day counts as injected if any of its events
-- is; recall is given for each kind of spike, precision over both.
WITH truth AS (
  SELECT * FROM read_csv('@TRUTH@', header = true)
), days AS (
  SELECT org_id, usage_date, service, bool_or(kind = 'day') AS spike_day, bool_or(kind = 'event') AS spike_event
  FROM truth GROUP BY ALL
), day_scores AS (
  SELECT coalesce(d.spike_day, false) AS spike_day, coalesce(d.spike_event, false) AS spike_event,
         UNNEST([{'method': 'z-score',    'flag': is_z_anomaly},
                 {'method': 'MAD',        'flag': is_mad_anomaly},
                 {'method': 'percentile', 'flag': is_percentile_anomaly},
                 {'method': 'any',        'flag': is_anomaly}]) AS m
  FROM gold.cost_anomaly_mart LEFT JOIN days d USING (org_id, usage_date, service)
), event_scores AS (
  SELECT coalesce(t.kind = 'day', false) AS spike_day, coalesce(t.kind = 'event', false) AS spike_event,
         UNNEST([{'method': 'z-score',    'flag': is_z_outlier},
                 {'method': 'MAD',        'flag': is_mad_outlier},
                 {'method': 'percentile', 'flag': is_percentile_outlier},
                 {'method': 'any',        'flag': is_outlier}]) AS m
  FROM silver.usage_event_outliers LEFT JOIN truth t USING (event_id)
), both_scores AS (
  SELECT 'day' AS grain, m.method AS method, m.flag AS flag, spike_day, spike_event FROM day_scores
  UNION ALL
  SELECT 'event', m.method, m.flag, spike_day, spike_event FROM event_scores
)
SELECT grain, method,
       count(*) AS judged,
       count(*) FILTER (WHERE flag) AS flagged,
       round(count(*) FILTER (WHERE flag AND spike_day) / nullif(count(*) FILTER (WHERE spike_day), 0), 3) AS recall_of_days,
       round(count(*) FILTER (WHERE flag AND spike_event) / nullif(count(*) FILTER (WHERE spike_event), 0), 3) AS recall_of_events,
       round(count(*) FILTER (WHERE flag AND (spike_day OR spike_event)) / nullif(count(*) FILTER (WHERE flag), 0), 3) AS "precision"
FROM both_scores
GROUP BY grain, method
ORDER BY grain, CASE method WHEN 'z-score' THEN 1 WHEN 'MAD' THEN 2 WHEN 'percentile' THEN 3 ELSE 4 END
