-- 05_publish.sql - gold in the serving store, keyed as it is asked for.
--
-- One key per question (queries/): the partition key is what a query fixes, the clustering key
-- what it ranges over, newest first.  SQLite and PostgreSQL make a primary key of it, Cassandra
-- partitions: SERVING=cassandra://host/finops needs no other change.

-- daily_costs, top_services: one customer, a range of days.
PUBLISH gold.org_daily_usage_by_service TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), usage_date DESC, service);

-- monthly_revenue: one customer, all months.
PUBLISH gold.revenue_by_org_month TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), month DESC);

-- One customer's conspicuous days.
PUBLISH gold.cost_anomaly_mart TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), usage_date DESC, service);

-- critical_tickets: one severity, all customers, the last days.
PUBLISH gold.tickets_by_org_date TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((severity), ticket_date DESC, org_id);

-- genai_daily: one customer, a range of days.
PUBLISH gold.genai_tokens_by_org_date TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), usage_date DESC);
