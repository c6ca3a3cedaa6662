-- 05_publish.sql - what is asked for, where it is asked: SQLite, or PostgreSQL.
--
-- The keys begin with the time, newest first: a panel asks for the last windows of one type.

PUBLISH speed.bytes TO '${STORE:-sqlite:serving.db}'
  AS bytes
  PRIMARY KEY ("timestamp" DESC, type, id);

PUBLISH speed.bytes_5_minutes TO '${STORE:-sqlite:serving.db}'
  AS bytes_5_minutes
  PRIMARY KEY ("timestamp" DESC, type, id);

PUBLISH batch.bytes_hourly TO '${STORE:-sqlite:serving.db}'
  AS bytes_hourly
  PRIMARY KEY ("timestamp" DESC, type, id);

PUBLISH batch.user_quota_limit TO '${STORE:-sqlite:serving.db}'
  AS user_quota_limit
  PRIMARY KEY (email, "timestamp" DESC);
