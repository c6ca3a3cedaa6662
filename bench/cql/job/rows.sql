-- The rows of bench/cql as a published table: ten rows a partition.
CREATE SOURCE rows (k TEXT, c INT, d DOUBLE, "at" TIMESTAMPTZ, v TEXT) FROM '${LANDING}/*.jsonl' FORMAT JSON;
CREATE STREAMING TABLE bronze.t AS SELECT * FROM STREAM rows;
CREATE MATERIALIZED VIEW gold.t PRIMARY KEY (k, c) AS
  SELECT k, c, max(d) AS d, max("at") AS "at", max(v) AS v FROM STREAM bronze.t GROUP BY k, c;
PUBLISH gold.t TO '${SERVING:-sqlite:serving.db}' PRIMARY KEY ((k), c);
