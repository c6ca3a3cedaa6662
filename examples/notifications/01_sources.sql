-- Each message that was sent for a customer, as the topic carries it.
CREATE SOURCE messages (
  key            TEXT FROM KEY,    -- null when MESSAGES is a folder
  message        TEXT FROM VALUE,  -- byte by byte
  customer_id    TEXT,
  message_id     TEXT,
  customer_name  TEXT,
  channel        TEXT,
  payload        TEXT,
  event_datetime TIMESTAMPTZ
) FROM '${MESSAGES:-landing/messages/}' FORMAT JSON
  WATERMARK event_datetime DELAY OF INTERVAL 10 MINUTES
  ON MALFORMED QUARANTINE;

-- In which zone a customer's day ends.
CREATE SOURCE customers (
  customer_id TEXT,
  zone        TEXT
) FROM '${CUSTOMERS:-landing/customers.csv}' FORMAT CSV SNAPSHOT
  UNIQUE KEY (customer_id) ON DUPLICATE LAST;

-- What a message costs: of a channel, from a date on, for the messages of a day beyond tier_from.
CREATE SOURCE prices (
  channel    TEXT,
  valid_from DATE,
  tier_from  BIGINT,           -- 0, 100000, ..: messages of the day before this tier
  price      DECIMAL(18, 6)    -- R$ each
) FROM '${PRICES:-prices.csv}' FORMAT CSV SNAPSHOT;
