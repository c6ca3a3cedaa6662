"""spark_job.py - the cloud analytics pipeline as one tuned PySpark batch job.

    python spark_job.py LANDING OUT

Writes what duckdb_job.py writes: OUT/lake/<schema>/<table>/ as Parquet, partitioned alike, and the
five serving tables in OUT/serving.db.

What made it fast on two cores, each tried alone: everything in one pass over one cached table of
events; two shuffle partitions; adaptive execution off (its extra stages cost more than they save at
this size); the small tables in one file each; writes started from four threads, so that the driver's
planning of one overlaps the work of another; the user interface off.
"""
import os
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import SparkSession

LANDING, OUT = sys.argv[1].rstrip("/"), sys.argv[2].rstrip("/")

EVENTS = ("event_id STRING, timestamp TIMESTAMP, org_id STRING, resource_id STRING, service STRING, region STRING, "
          "metric STRING, value STRING, unit STRING, cost_usd_increment DECIMAL(18,6), schema_version INT, "
          "carbon_kg DOUBLE, genai_tokens BIGINT, _bad STRING")

MASTERS = {
    "customers_orgs": "org_id STRING, org_name STRING, industry STRING, hq_region STRING, plan_tier STRING, "
                      "is_enterprise BOOLEAN, signup_date DATE, sales_rep STRING, lifecycle_stage STRING, "
                      "marketing_source STRING, nps_score DOUBLE",
    "users": "user_id STRING, org_id STRING, email STRING, role STRING, active BOOLEAN, created_at DATE, "
             "last_login DATE",
    "resources": "resource_id STRING, org_id STRING, service STRING, region STRING, created_at DATE, state STRING, "
                 "tags_json STRING",
    "support_tickets": "ticket_id STRING, org_id STRING, category STRING, severity STRING, created_at DATE, "
                       "resolved_at DATE, csat DOUBLE, sla_breached BOOLEAN",
    "marketing_touches": "touch_id STRING, org_id STRING, campaign STRING, channel STRING, timestamp DATE, "
                         "clicked BOOLEAN, converted BOOLEAN",
    "nps_surveys": "org_id STRING, survey_date DATE, nps_score DOUBLE, comment STRING",
    "billing_monthly": "invoice_id STRING, org_id STRING, month DATE, subtotal DECIMAL(18,2), "
                       "credits DECIMAL(18,2), taxes DECIMAL(18,2), currency STRING, "
                       "exchange_rate_to_usd DECIMAL(12,6)",
}

# name -> (query, cached?).  In order: each may read those above it.
TABLES = {
    "judged": ("""
        SELECT *, array_compact(array(
            CASE WHEN _bad IS NOT NULL THEN 'malformed' END,
            CASE WHEN event_id IS NULL THEN 'event_id_present' END,
            CASE WHEN timestamp IS NULL THEN 'timestamp_present' END,
            CASE WHEN cost_usd_increment < -0.01 THEN 'cost_floor' END,
            CASE WHEN schema_version IS NULL OR schema_version NOT IN (1, 2) THEN 'known_schema' END)) AS reasons
        FROM landed""", True),
    "quarantine_usage_events": ("SELECT * FROM judged WHERE size(reasons) > 0", False),
    "bronze_usage_events": ("""
        SELECT event_id, timestamp, org_id, resource_id, service, region, metric, value AS value_raw,
            CASE WHEN abs(try_cast(value AS DOUBLE)) < double('Infinity') THEN try_cast(value AS DOUBLE) END AS value,
            CASE WHEN unit IS NULL AND value IS NOT NULL
                 THEN element_at(map('requests', 'count', 'cpu_hours', 'hours', 'storage_gb_hours', 'gb_hours'), metric)
                 ELSE unit END AS unit,
            cost_usd_increment, schema_version, carbon_kg, genai_tokens, to_date(timestamp) AS event_date,
            current_timestamp() AS ingest_ts, source_file
        FROM (SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY source_file, arrival) AS nth
              FROM judged WHERE size(reasons) = 0)
        WHERE nth = 1""", False),
    "silver_organizations": ("""
        SELECT org_id, trim(org_name) AS org_name, trim(industry) AS industry,
            replace(lower(trim(hq_region)), '_', '-') AS hq_region,
            replace(lower(trim(plan_tier)), '_', '-') AS plan_tier, is_enterprise, signup_date, sales_rep,
            lower(trim(lifecycle_stage)) AS lifecycle_stage, lower(trim(marketing_source)) AS marketing_source,
            CASE WHEN nps_score BETWEEN -100 AND 100 THEN nps_score END AS nps_score,
            current_timestamp() AS __start_at, CAST(NULL AS TIMESTAMP) AS __end_at
        FROM bronze_customers_orgs""", False),
    "silver_organizations_current": ("""
        SELECT org_id, org_name, industry, hq_region, plan_tier, is_enterprise, lifecycle_stage
        FROM silver_organizations WHERE __end_at IS NULL""", False),
    "silver_users": ("""
        SELECT user_id, org_id, lower(trim(email)) AS email, lower(trim(role)) AS role, active, created_at, last_login
        FROM bronze_users""", False),
    "silver_active_users_by_org": ("""
        SELECT org_id, count_if(active) AS active_users,
            count_if(active AND role = 'admin') AS active_admins,
            count_if(active AND role = 'analyst') AS active_analysts,
            count_if(active AND role = 'data_engineer') AS active_data_engineers,
            count_if(active AND role = 'developer') AS active_developers,
            count_if(active AND role = 'devops') AS active_devops,
            count_if(active AND role = 'ml_engineer') AS active_ml_engineers
        FROM silver_users GROUP BY org_id""", False),
    "silver_resources": ("""
        SELECT resource_id, org_id, replace(lower(trim(service)), '_', '-') AS service,
            replace(lower(trim(region)), '_', '-') AS region, created_at, lower(trim(state)) AS state,
            coalesce(from_json(tags_json, 'ARRAY<STRING>'), array()) AS tags
        FROM bronze_resources""", False),
    "silver_usage_events": ("""
        SELECT e.event_id, e.timestamp, e.event_date, e.org_id, e.resource_id,
            replace(lower(trim(e.service)), '_', '-') AS service, replace(lower(trim(e.region)), '_', '-') AS region,
            e.metric, e.value, e.value_raw, e.unit, e.cost_usd_increment, e.schema_version,
            if(e.schema_version = 1, NULL, e.carbon_kg) AS carbon_kg,
            if(e.schema_version = 1, NULL, e.genai_tokens) AS genai_tokens,
            o.plan_tier, o.industry, o.hq_region AS org_region, u.active_users, u.active_admins, u.active_analysts,
            u.active_data_engineers, u.active_developers, u.active_devops, u.active_ml_engineers,
            r.state AS resource_state, e.ingest_ts, e.source_file
        FROM bronze_usage_events e
        LEFT JOIN silver_organizations_current o ON o.org_id = e.org_id
        LEFT JOIN silver_active_users_by_org u ON u.org_id = e.org_id
        LEFT JOIN silver_resources r ON r.resource_id = e.resource_id""", True),
    "silver_support_tickets": ("""
        SELECT ticket_id, org_id, lower(trim(category)) AS category, lower(trim(severity)) AS severity, created_at,
            resolved_at, resolved_at IS NULL AS is_open, CASE WHEN csat BETWEEN 1 AND 5 THEN csat END AS csat,
            sla_breached
        FROM bronze_support_tickets""", False),
    "silver_marketing_touches": ("""
        SELECT touch_id, org_id, lower(trim(campaign)) AS campaign, replace(lower(trim(channel)), '_', '-') AS channel,
            timestamp AS touch_date, clicked, converted
        FROM bronze_marketing_touches""", False),
    "silver_nps_surveys": ("""
        SELECT org_id, survey_date, CASE WHEN nps_score BETWEEN -100 AND 100 THEN nps_score END AS nps_score,
            trim(comment) AS comment
        FROM bronze_nps_surveys""", False),
    "silver_invoices": ("""
        SELECT invoice_id, org_id, to_date(date_trunc('MONTH', month)) AS month, upper(trim(currency)) AS currency,
            exchange_rate_to_usd AS fx_rate, subtotal, coalesce(credits, CAST(0 AS DECIMAL(18,2))) AS credits, taxes,
            subtotal < 0 AS is_credit_note,
            CAST(subtotal * exchange_rate_to_usd AS DECIMAL(18,6)) AS subtotal_usd,
            CAST(coalesce(credits, 0) * exchange_rate_to_usd AS DECIMAL(18,6)) AS credits_usd,
            CAST(taxes * exchange_rate_to_usd AS DECIMAL(18,6)) AS taxes_usd,
            CAST((subtotal - coalesce(credits, 0) + taxes) * exchange_rate_to_usd AS DECIMAL(18,6)) AS revenue_usd
        FROM bronze_billing_monthly""", False),
    "daily": ("""
        SELECT org_id, event_date AS usage_date, service, coalesce(metric, '') AS metric, count(*) AS events,
            sum(cost_usd_increment) AS cost_usd,
            sum(cost_usd_increment) FILTER (WHERE priced) AS priced_cost_usd,
            sum(value) FILTER (WHERE priced) AS priced_use, sum(value * value) FILTER (WHERE priced) AS priced_use_squares,
            sum(value) AS use, sum(genai_tokens) AS tokens, sum(carbon_kg) AS carbon
        FROM (SELECT *, value > 0 AND cost_usd_increment > 0 AS priced FROM silver_usage_events)
        GROUP BY org_id, event_date, service, metric""", True),
    "silver_daily_cost_by_metric": ("""
        SELECT org_id, usage_date, service, metric, events, cost_usd, priced_cost_usd, priced_use, priced_use_squares
        FROM daily""", False),
    "gold_org_daily_usage_by_service": ("""
        SELECT org_id, usage_date, service, sum(events) AS event_count,
            CAST(sum(cost_usd) AS DECIMAL(15,6)) AS daily_cost_usd,
            coalesce(sum(use) FILTER (WHERE metric = 'requests'), 0) AS requests,
            coalesce(sum(use) FILTER (WHERE metric = 'cpu_hours'), 0) AS cpu_hours,
            coalesce(sum(use) FILTER (WHERE metric = 'storage_gb_hours'), 0) AS storage_gb_hours,
            sum(tokens) AS genai_tokens, sum(carbon) AS carbon_kg
        FROM daily GROUP BY org_id, usage_date, service""", True),
    "gold_usage_by_window": ("""
        SELECT org_id, service, w.start AS window_start, w.end AS window_end,
            CAST(sum(cost_usd_increment) AS DECIMAL(15,6)) AS cost,
            coalesce(sum(value) FILTER (WHERE metric = 'requests'), 0) AS requests, count(*) AS events
        FROM (SELECT *, window(timestamp, '1 hour', '30 minutes') AS w FROM silver_usage_events)
        GROUP BY org_id, service, w""", False),
    "gold_revenue_by_org_month": ("""
        SELECT org_id, month, CASE WHEN min(currency) = max(currency) THEN min(currency) END AS currency,
            CASE WHEN min(fx_rate) = max(fx_rate) THEN min(fx_rate) END AS fx_rate,
            CAST(sum(subtotal_usd) AS DECIMAL(15,6)) AS subtotal_usd,
            CAST(sum(credits_usd) AS DECIMAL(15,6)) AS credits_usd,
            CAST(sum(taxes_usd) AS DECIMAL(15,6)) AS taxes_usd,
            CAST(sum(revenue_usd) AS DECIMAL(15,6)) AS revenue_usd
        FROM silver_invoices GROUP BY org_id, month""", False),
    "priced": ("""
        SELECT *, CAST(cost_usd AS DOUBLE) / events AS event_cost,
            ln(CAST(priced_cost_usd AS DOUBLE) / priced_use) AS lp, priced_use * priced_use / priced_use_squares AS n
        FROM daily""", False),
    "silver_cost_baseline": ("""
        WITH centre AS (
            SELECT service, metric, count(*) AS cells, avg(lp) AS log_price_mean, percentile(lp, 0.5) AS log_price_median,
                percentile(event_cost, 0.99) AS event_cost_p99
            FROM priced GROUP BY service, metric)
        SELECT p.service, p.metric, first(cells) AS cells, first(log_price_mean) AS log_price_mean,
            sqrt(avg(n * (lp - log_price_mean) * (lp - log_price_mean))) AS log_price_sd,
            first(log_price_median) AS log_price_median,
            1.4826D * percentile(sqrt(n) * abs(lp - log_price_median), 0.5) AS log_price_mad,
            first(event_cost_p99) AS event_cost_p99
        FROM priced p JOIN centre c ON p.service = c.service AND p.metric = c.metric
        GROUP BY p.service, p.metric""", True),
    "gold_cost_anomaly_mart": ("""
        WITH scored AS (
            SELECT p.org_id, p.usage_date, p.service, p.cost_usd,
                (lp - log_price_mean) * sqrt(n) / log_price_sd AS z,
                (lp - log_price_median) * sqrt(n) / log_price_mad AS m,
                cume_dist() OVER (PARTITION BY p.service, p.metric ORDER BY event_cost) AS p,
                event_cost > event_cost_p99 * 1.5D AS beyond
            FROM priced p JOIN silver_cost_baseline b ON p.service = b.service AND p.metric = b.metric)
        SELECT org_id, usage_date, service, CAST(sum(cost_usd) AS DECIMAL(15,6)) AS daily_cost_usd,
            round(max(z), 4) AS z_score, round(max(m), 4) AS mad_score, round(max(p), 6) AS percentile,
            coalesce(max(z) > 3, false) AS is_z_anomaly, coalesce(max(m) > 3, false) AS is_mad_anomaly,
            bool_or(beyond) AS is_percentile_anomaly,
            coalesce(max(z) > 3, false) OR coalesce(max(m) > 3, false) OR bool_or(beyond) AS is_anomaly
        FROM scored GROUP BY org_id, usage_date, service""", True),
    "silver_usage_event_outliers": ("""
        WITH scored AS (
            SELECT event_id, org_id, event_date, e.service, e.metric, cost_usd_increment,
                CASE WHEN value > 0 AND cost_usd_increment > 0
                     THEN ln(CAST(cost_usd_increment AS DOUBLE) / value) END AS lp,
                log_price_mean, log_price_sd, log_price_median, log_price_mad,
                CAST(cost_usd_increment AS DOUBLE) > event_cost_p99 * 1.5D AS beyond
            FROM silver_usage_events e JOIN silver_cost_baseline b ON e.service = b.service AND e.metric = b.metric)
        SELECT event_id, org_id, event_date, service, metric, cost_usd_increment,
            round((lp - log_price_mean) / log_price_sd, 4) AS z_score,
            round((lp - log_price_median) / log_price_mad, 4) AS mad_score,
            coalesce((lp - log_price_mean) / log_price_sd > 3, false) AS is_z_outlier,
            coalesce((lp - log_price_median) / log_price_mad > 3, false) AS is_mad_outlier,
            coalesce(beyond, false) AS is_percentile_outlier,
            coalesce((lp - log_price_mean) / log_price_sd > 3, false)
                OR coalesce((lp - log_price_median) / log_price_mad > 3, false) OR coalesce(beyond, false) AS is_outlier
        FROM scored""", False),
    "gold_tickets_by_org_date": ("""
        SELECT org_id, created_at AS ticket_date, severity, count(*) AS tickets, count_if(is_open) AS open_tickets,
            count_if(sla_breached) AS sla_breaches, count_if(sla_breached) / count(*) AS sla_breach_rate,
            avg(csat) AS avg_csat
        FROM silver_support_tickets GROUP BY org_id, created_at, severity""", False),
    "gold_genai_tokens_by_org_date": ("""
        SELECT org_id, event_date AS usage_date, sum(genai_tokens) AS total_tokens,
            CAST(sum(cost_usd_increment) AS DECIMAL(15,6)) AS estimated_cost_usd
        FROM silver_usage_events WHERE genai_tokens IS NOT NULL GROUP BY org_id, event_date""", False),
}

SCRATCH = {"judged", "daily", "priced"}
PARTITIONS = {"bronze_usage_events": ["event_date"], "silver_usage_events": ["event_date", "service"]}

SERVED = {
    "org_daily_usage_by_service": "org_id, usage_date DESC, service",
    "revenue_by_org_month": "org_id, month DESC",
    "cost_anomaly_mart": "org_id, usage_date DESC, service",
    "tickets_by_org_date": "severity, ticket_date DESC, org_id",
    "genai_tokens_by_org_date": "org_id, usage_date DESC",
}


def session():
    return (SparkSession.builder.master("local[2]").appName("cloud_analytics")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.adaptive.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.ansi.enabled", "false")
            .config("spark.sql.files.openCostInBytes", "65536")
            .config("spark.sql.autoBroadcastJoinThreshold", "64m")
            .config("spark.sql.sources.parallelPartitionDiscovery.threshold", "100000")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.memory", "2g")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.extraJavaOptions", "-XX:+UseParallelGC")
            .getOrCreate())


def define(spark):
    spark.read.schema(EVENTS).option("columnNameOfCorruptRecord", "_bad").json(
        f"{LANDING}/usage_events_stream/*.jsonl").selectExpr(
        "*", "input_file_name() AS source_file", "monotonically_increasing_id() AS arrival"
    ).createOrReplaceTempView("landed")
    for name, schema in MASTERS.items():
        spark.read.schema(schema).option("header", "true").option("enforceSchema", "false").option(
            "escape", '"').csv(f"{LANDING}/{name}.csv").coalesce(1).createOrReplaceTempView(f"bronze_{name}")
    for name, (query, cached) in TABLES.items():
        frame = spark.sql(query)
        (frame.cache() if cached else frame).createOrReplaceTempView(name)


def write_table(spark, name):
    schema, table = name.split("_", 1)
    frame = spark.table(name)
    if name in PARTITIONS:
        # One task for each day, so that a partition is one file.
        writer = frame.repartition(2, "event_date").sortWithinPartitions(*PARTITIONS[name]).write.partitionBy(
            *PARTITIONS[name])
    else:
        writer = frame.coalesce(1).write
    writer.mode("overwrite").parquet(f"{OUT}/lake/{schema}/{table}")


def sqlite_type(spark_type):
    if spark_type.startswith("decimal"):
        return "NUMERIC"
    return {"bigint": "INTEGER", "double": "REAL", "boolean": "INTEGER"}.get(spark_type, "TEXT")


def write_serving(spark):
    path = f"{OUT}/serving.db"
    if os.path.exists(path):
        os.remove(path)
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode = OFF")
    store.execute("PRAGMA synchronous = OFF")
    store.execute("BEGIN")
    for table, key in SERVED.items():
        frame = spark.table(f"gold_{table}")
        columns = frame.dtypes
        store.execute(f"CREATE TABLE {table} ({', '.join(n + ' ' + sqlite_type(t) for n, t in columns)}, "
                      f"PRIMARY KEY ({key})) WITHOUT ROWID")
        texts = [f"CAST({n} AS DOUBLE)" if t.startswith("decimal") else f"CAST({n} AS STRING)" if t == "date" else n
                 for n, t in columns]
        rows = frame.coalesce(1).selectExpr(*texts).collect()
        store.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", [tuple(r) for r in rows])
    store.execute("COMMIT")
    store.close()


def main():
    os.makedirs(OUT, exist_ok=True)
    spark = session()
    spark.sparkContext.setLogLevel("ERROR")
    define(spark)
    # The events first: they fill the caches that the others read.
    for name in ("bronze_usage_events", "silver_usage_events"):
        write_table(spark, name)
    rest = [n for n in [f"bronze_{m}" for m in MASTERS] + list(TABLES) if n not in SCRATCH and n not in PARTITIONS]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write_table(spark, n), rest))
    write_serving(spark)
    spark.stop()


main()
