PUBLISH gold.notifications_by_day TO '${STORE:-sqlite:serving.db}'
  PRIMARY KEY ((customer_id), local_day DESC, channel);
PUBLISH gold.notifications_by_minute TO '${STORE:-sqlite:serving.db}'
  PRIMARY KEY ((customer_id), minute DESC, channel);
PUBLISH gold.bills TO '${STORE:-sqlite:serving.db}'
  PRIMARY KEY ((customer_id), bill_day DESC, message_day, channel);
