-- 06_publish.sql - the serving store, keyed as it is asked.
--
-- One table per question (queries/): the partition key is what a query fixes, the clustering key
-- what it ranges over, newest first.  SQLite and PostgreSQL make a primary key of it, Cassandra
-- partitions: SERVING=cassandra://host/cloud_analytics needs no other change.  README.md says why
-- each key is as it is.  `types` and the like are for Cassandra; other stores pass them over.

-- FinOps ----------------------------------------------------------------------------------

-- One customer, a range of days, services in the row.  The maps are live (not frozen), so that
-- other programs may set single entries.
PUBLISH serving.org_daily_usage TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), usage_date DESC)
  WITH (types = 'cost_by_service map<text, decimal>, requests_by_service map<text, double>');

-- daily_costs: one customer, a day or a range of days, a row per service.
PUBLISH gold.org_daily_usage_by_service TO '${SERVING:-sqlite:serving.db}'
  RENAME (usage_date AS date)
  PRIMARY KEY ((org_id), date DESC, service);

-- top_services: one customer as of one day, dearest first.
PUBLISH serving.org_top_services_14d TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id, as_of), cost DESC, service);

-- monthly_revenue: one customer, all months or one of them.
PUBLISH serving.revenue_by_org_month TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), year DESC, month DESC);

-- One customer's conspicuous days.
PUBLISH gold.cost_anomaly_mart TO '${SERVING:-sqlite:serving.db}'
  RENAME (usage_date AS date)
  PRIMARY KEY ((org_id), date DESC, service);

-- Support ---------------------------------------------------------------------------------

-- critical_tickets: one severity, all customers, the last days.
PUBLISH serving.tickets_by_date TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((severity, month), ticket_date DESC);

-- One customer's tickets.
PUBLISH gold.tickets_by_org_date TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id), ticket_date DESC, severity);

-- Product ---------------------------------------------------------------------------------

-- genai_daily: one customer, a range of days.
PUBLISH gold.genai_tokens_by_org_date TO '${SERVING:-sqlite:serving.db}'
  RENAME (usage_date AS date)
  PRIMARY KEY ((org_id), date DESC);

-- Customers -------------------------------------------------------------------------------

-- One customer's page.
PUBLISH serving.org_profile TO '${SERVING:-sqlite:serving.db}'
  PRIMARY KEY ((org_id))
  WITH (types = 'users set<text>, tags set<text>');
