-- 01_sources.sql - what comes in: the devices' messages, and whose the devices are.

-- One message of a device: so many bytes went through an antenna for an app.  A file, a folder of
-- JSON lines, or a Kafka topic: kafka://broker:9092/devices.  Some producers spell the time's field
-- "timestmap"; both are read.
CREATE SOURCE devices (
  bytes          BIGINT,                    -- traffic since the last message
  epoch          BIGINT FIELD 'timestamp',  -- seconds since 1970
  epoch_misspelt BIGINT FIELD 'timestmap',
  app            TEXT,                      -- SKYPE, TELEGRAM, ...
  id             TEXT,                      -- the user's device
  antenna_id     TEXT,
  "timestamp"    TIMESTAMPTZ AS (to_timestamp(coalesce(epoch, epoch_misspelt)))
) FROM '${DEVICES:-landing/devices/}' FORMAT JSON
  WATERMARK "timestamp" DELAY OF INTERVAL ${WATERMARK_DELAY:-15 SECONDS}
  ON MALFORMED QUARANTINE;

-- The users, as a whole: a CSV file, or a table in PostgreSQL.  A device that is there twice (a table
-- that was provisioned twice, say) would count each of its bytes twice: the first is kept, and said.
CREATE SOURCE users (
  id    TEXT,    -- the device; users.id = devices.id
  name  TEXT,
  email TEXT,    -- several devices may share one: they are one account
  quota BIGINT   -- bytes an hour that this device brings to its account
) FROM '${USERS:-landing/users.csv}' FORMAT CSV SNAPSHOT
  UNIQUE KEY (id) ON DUPLICATE FIRST;
