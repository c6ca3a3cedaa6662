-- 06_seed.sql - the users' table, for a store that has none yet: `raudal provision` loads it by upsert.

SEED user_metadata (
  id    TEXT,
  name  TEXT,
  email TEXT,
  quota BIGINT
) FROM '${USERS_FILE:-landing/users.csv}' FORMAT CSV
  TO '${STORE:-sqlite:serving.db}'
  PRIMARY KEY (id);
