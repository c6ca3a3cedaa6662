"""duckdb_job.py - the antennas job from files as one hand-written DuckDB script: the peer to beat.

    python duckdb_job.py DEVICES_FOLDER OUT POSTGRES_URL

Everything at once, no epochs, no exactly-once: run again, it would write the lake twice.  Reads the
JSON lines with declared columns, writes Parquet by year, month, day, hour, sums windows of a minute by
antenna, user and app, and upserts them into PostgreSQL table bytes through a staging table by COPY.

What makes it fast, measured: two threads; one grouping-sets pass instead of three group-bys; sums to PostgreSQL
as CSV text in big blocks; an unlogged temporary stage.
"""
import os
import sys

import duckdb
import psycopg

DEVICES, OUT, URL = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3]

db = duckdb.connect(config={"threads": 2, "preserve_insertion_order": False})
db.execute("SET TimeZone = 'UTC'")
db.execute(f"""
CREATE TABLE devices AS
SELECT to_timestamp(coalesce("timestamp", timestmap)) AS ts, id, antenna_id, app, bytes
FROM read_json('{DEVICES}/*.jsonl', format = 'newline_delimited', ignore_errors = true,
     columns = {{bytes: 'BIGINT', "timestamp": 'BIGINT', timestmap: 'BIGINT', app: 'VARCHAR', id: 'VARCHAR',
                antenna_id: 'VARCHAR'}})
WHERE bytes >= 0 AND coalesce("timestamp", timestmap) IS NOT NULL AND id IS NOT NULL AND antenna_id IS NOT NULL
  AND app IS NOT NULL""")
os.makedirs(OUT, exist_ok=True)
db.execute(f"""
COPY (SELECT *, year(ts) AS year, month(ts) AS month, day(ts) AS day, hour(ts) AS hour FROM devices)
TO '{OUT}/lake' (FORMAT parquet, PARTITION_BY (year, month, day, hour), OVERWRITE_OR_IGNORE)""")
db.execute(f"""
COPY (SELECT time_bucket(INTERVAL 1 MINUTE, ts) AS ts, coalesce(antenna_id, id, app) AS id, sum(bytes)::BIGINT AS value,
        CASE WHEN grouping(antenna_id) = 0 THEN 'antenna_bytes_total' WHEN grouping(id) = 0 THEN 'id_bytes_total'
             ELSE 'app_bytes_total' END AS type
      FROM devices
      GROUP BY GROUPING SETS ((time_bucket(INTERVAL 1 MINUTE, ts), antenna_id), (time_bucket(INTERVAL 1 MINUTE, ts), id),
                              (time_bucket(INTERVAL 1 MINUTE, ts), app)))
TO '{OUT}/sums.csv' (FORMAT csv, HEADER false)""")
with psycopg.connect(URL) as pg, open(f"{OUT}/sums.csv", "rb") as sums:
    pg.execute("SET TimeZone = 'UTC'")
    pg.execute("""CREATE TABLE IF NOT EXISTS bytes ("timestamp" timestamptz, id text, value bigint, type text,
                  PRIMARY KEY ("timestamp", type, id))""")
    pg.execute("CREATE TEMP TABLE stage (LIKE bytes) ON COMMIT DROP")
    with pg.cursor().copy("COPY stage FROM STDIN (FORMAT csv)") as copy:
        while block := sums.read(1 << 20):
            copy.write(block)
    pg.execute("""INSERT INTO bytes SELECT * FROM stage
                  ON CONFLICT ("timestamp", type, id) DO UPDATE SET value = excluded.value""")
