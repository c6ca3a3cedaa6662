"""spark_job.py - the antennas job in tuned Spark Structured Streaming.

    python spark_job.py BROKERS TOPIC OUT POSTGRES_URL JARS [one|two]

Reads the topic to its end (trigger availableNow), keeps raw rows as Parquet by year, month, day, hour, sums
windows of a minute by antenna, user and app, and upserts the sums into PostgreSQL table bytes.

    two   two queries: rows appended by the file sink; windowed state in update mode, upserted by foreachBatch
    one   one query without state: foreachBatch keeps the rows, writes Parquet, adds the batch's sums to those in
          PostgreSQL in the transaction that notes the batch id.  The faster of the two, and the default.

What makes it fast on two cores: one micro-batch as large as memory allows; one exploded aggregation instead of
three; two shuffle partitions; G1; no adaptive execution, no user interface; rows to an unlogged stage
by JDBC's rewritten batches (COPY from Python workers was slower), then one INSERT … ON CONFLICT.
"""
import os
import sys

import psycopg
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

BROKERS, TOPIC, OUT, URL, JARS = sys.argv[1:6]
DESIGN = sys.argv[6] if len(sys.argv) > 6 else "one"

os.environ["PYSPARK_PYTHON"] = sys.executable  # executors see the same packages

spark = (SparkSession.builder.master("local[2]").appName("antennas")
         .config("spark.jars", JARS)
         .config("spark.driver.memory", "4g")
         .config("spark.driver.extraJavaOptions", "-XX:+UseG1GC")
         .config("spark.sql.session.timeZone", "UTC")
         .config("spark.sql.shuffle.partitions", "2")
         .config("spark.sql.adaptive.enabled", "false")
         .config("spark.sql.streaming.metricsEnabled", "false")
         .config("spark.sql.parquet.compression.codec", "snappy")
         .config("spark.ui.enabled", "false")
         .getOrCreate())
spark.sparkContext.setLogLevel("ERROR")

HOST = URL.split("@")[1]
JDBC = f"jdbc:postgresql://{HOST}?user={URL.split('//')[1].split('@')[0]}&reWriteBatchedInserts=true"
SCHEMA = "bytes BIGINT, timestamp BIGINT, timestmap BIGINT, app STRING, id STRING, antenna_id STRING"
CREATE = """CREATE TABLE IF NOT EXISTS bytes ("timestamp" timestamptz, id text, value bigint, type text,
            PRIMARY KEY ("timestamp", type, id))"""


def devices():
    topic = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", BROKERS).option("subscribe", TOPIC)
             .option("startingOffsets", "earliest").option("kafka.max.partition.fetch.bytes", str(8 << 20))
             .option("kafka.check.crcs", "false").load())
    row = topic.select(F.from_json(F.col("value").cast("string"), SCHEMA).alias("r")).select("r.*")
    at = F.timestamp_seconds(F.coalesce("timestamp", "timestmap"))
    good = row.where("bytes >= 0 AND coalesce(timestamp, timestmap) IS NOT NULL AND id IS NOT NULL "
                     "AND antenna_id IS NOT NULL AND app IS NOT NULL")
    return good.select(at.alias("ts"), "id", "antenna_id", "app", "bytes")


def by_hour(rows):
    return (rows.withColumn("year", F.year("ts")).withColumn("month", F.month("ts"))
            .withColumn("day", F.dayofmonth("ts")).withColumn("hour", F.hour("ts")))


def sums(rows):
    three = F.explode(F.array(
        F.struct(F.lit("antenna_bytes_total").alias("type"), F.col("antenna_id").alias("id")),
        F.struct(F.lit("id_bytes_total").alias("type"), F.col("id").alias("id")),
        F.struct(F.lit("app_bytes_total").alias("type"), F.col("app").alias("id"))))
    return (rows.select("ts", "bytes", three.alias("k"))
            .groupBy(F.window("ts", "1 minute").start.alias("timestamp") if not rows.isStreaming
                     else F.window("ts", "1 minute").alias("w"), "k.id", "k.type")
            .agg(F.sum("bytes").alias("value")))


def upsert(frame, batch, value):
    with psycopg.connect(URL, autocommit=True) as pg:
        pg.execute("DROP TABLE IF EXISTS stage")
        pg.execute("CREATE UNLOGGED TABLE stage (LIKE bytes)")
    (frame.select("timestamp", "id", "value", "type").write.mode("append").format("jdbc").option("url", JDBC)
     .option("dbtable", "stage").option("driver", "org.postgresql.Driver").option("batchsize", "10000").save())
    with psycopg.connect(URL) as pg:
        done = pg.execute("INSERT INTO batches VALUES (%s) ON CONFLICT DO NOTHING RETURNING id", [batch]).fetchone()
        if done is not None:
            pg.execute(f"""INSERT INTO bytes SELECT * FROM stage
                           ON CONFLICT ("timestamp", type, id) DO UPDATE SET value = {value}""")
        pg.execute("DROP TABLE stage")


def one_batch(rows, batch):
    rows.persist()
    by_hour(rows).write.mode("append").partitionBy("year", "month", "day", "hour").parquet(f"{OUT}/lake")
    upsert(sums(rows), batch, "bytes.value + excluded.value")
    rows.unpersist()


def start(frame, name, mode):
    return (frame.writeStream.outputMode(mode).option("checkpointLocation", f"{OUT}/checkpoint-{name}")
            .trigger(availableNow=True))


with psycopg.connect(URL) as connection:
    connection.execute(CREATE)
    connection.execute("CREATE TABLE IF NOT EXISTS batches (id bigint PRIMARY KEY)")
if DESIGN == "one":
    start(devices(), "one", "append").foreachBatch(one_batch).start().awaitTermination()
else:
    lake = (start(by_hour(devices()), "lake", "append").format("parquet").option("path", f"{OUT}/lake")
            .partitionBy("year", "month", "day", "hour").start())
    state = (sums(devices().withWatermark("ts", "15 seconds")).select(F.col("w.start").alias("timestamp"), "id", "value",
                                                                      "type"))
    speed = start(state, "speed", "update").foreachBatch(
        lambda frame, batch: upsert(frame, batch, "excluded.value")).start()
    lake.awaitTermination()
    speed.awaitTermination()
