-- Upserts and deletions follow the tables, key by key.
PUBLISH staging.positions TO '${STORE:-sqlite:serving.db}' AS positions
  PRIMARY KEY ((device_type, device_id), seen_at);
PUBLISH consumption.devices_by_month TO '${STORE:-sqlite:serving.db}' AS devices_by_month
  PRIMARY KEY ((month), device_type);
PUBLISH consumption.next_day TO '${STORE:-sqlite:serving.db}' AS next_day
  PRIMARY KEY ((day), device_type);
