-- Every message as it came; the same message delivered again is none.
CREATE STREAMING TABLE bronze.conversations (
  CONSTRAINT customer_present EXPECT (customer IS NOT NULL) ON VIOLATION QUARANTINE,
  CONSTRAINT flow_present     EXPECT (flow IS NOT NULL)     ON VIOLATION QUARANTINE,
  CONSTRAINT session_present  EXPECT (session IS NOT NULL)  ON VIOLATION QUARANTINE,
  CONSTRAINT time_present     EXPECT (ts IS NOT NULL)       ON VIOLATION QUARANTINE,
  CONSTRAINT content_present  EXPECT (content IS NOT NULL)  ON VIOLATION QUARANTINE
) PARTITIONED BY (day)
  DEDUPLICATE ON (customer, flow, session, ts, content_text)
AS SELECT customer, flow, session, ts, content, CAST(to_json(content) AS TEXT) AS content_text,
     CAST(ts AS DATE) AS day, _source_file AS source_file
   FROM STREAM conversations;

-- One row per answered question; an empty answer is none.
CREATE STREAMING TABLE silver.answers PARTITIONED BY (day) ALLOW FANOUT AS
SELECT customer, flow, session, ts, entry.question AS question, entry.answer AS answer,
  entry.place AS place, day
FROM (
  SELECT customer, flow, session, ts, day,
    unnest(list_transform(range(1, CAST(cardinality(content) AS BIGINT) + 1), lambda i:
      {'question': map_keys(content)[i], 'answer': map_values(content)[i], 'place': i})) AS entry
  FROM STREAM bronze.conversations)
WHERE entry.answer IS NOT NULL AND trim(entry.answer) <> '';

-- First and last valid interaction of a session, whatever files it spans.
CREATE MATERIALIZED VIEW gold.conversation_sessions PRIMARY KEY (customer, flow, session) AS
SELECT customer, flow, session, min(ts) AS first_answer_ts, max(ts) AS last_answer_ts,
  count(*) AS answers
FROM STREAM silver.answers GROUP BY ALL;

-- The last valid answer of each question.  asked orders a flow's questions by their first answer.
CREATE MATERIALIZED VIEW gold.conversation_answers PRIMARY KEY (customer, flow, session, question) AS
SELECT customer, flow, session, question, arg_max(answer, ts) AS answer, max(ts) AS answered_ts,
  min(epoch_us(ts) * 1000 + place) AS asked
FROM STREAM silver.answers GROUP BY ALL;
