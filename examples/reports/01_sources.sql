-- Invoices of customers' accounts, one file that is replaced whole when it changes.
CREATE SOURCE invoices (
  customer TEXT,
  account  TEXT,
  month    DATE,             -- any day of the month
  invoice  DECIMAL(18, 2)
) FROM '${INVOICES:-landing/invoices.csv}' FORMAT CSV SNAPSHOT
  ON MALFORMED QUARANTINE;

-- Messages of chat flows, files by hour, each one JSON array.  content maps questions to answers:
-- which questions there are is the flow's business.
CREATE SOURCE conversations (
  customer  TEXT,
  flow      TEXT,
  session   TEXT,
  ts        TIMESTAMPTZ FIELD 'timestamp',
  content   MAP(TEXT, TEXT)
) FROM '${CONVERSATIONS:-landing/conversations/}' FORMAT JSON
  ON MALFORMED QUARANTINE;
