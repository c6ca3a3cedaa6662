-- The customer's panel: his day so far.
CREATE REPORT panel FORMAT TEXT TO 'reports/panel/{customer_id}.txt' FOR EACH (customer_id)
  TRIGGER ON UPDATE AT MOST EVERY INTERVAL 1 MINUTE
  HEADER FILE 'templates/panel_header.txt' TEMPLATE FILE 'templates/panel.txt'
  FOOTER FILE 'templates/panel_footer.txt'
AS SELECT customer_id, customer_name, upper(left(channel, 1)) || substr(channel, 2) AS channel,
     notifications, last_update
   FROM gold.notifications_by_day
   QUALIFY local_day = max(local_day) OVER (PARTITION BY customer_id)
   ORDER BY channel;

-- A customer's messages of an hour, a day or any span, in time order.
CREATE REPORT detail FORMAT TEXT TO 'reports/detail/{customer}.txt'
  PARAMETERS (customer TEXT, "from" TIMESTAMPTZ, "to" TIMESTAMPTZ)
  OPTIONS (title = 'Relatório Detalhado de Notificações', language = 'pt-BR')
  HEADER FILE 'templates/detail_header.txt' TEMPLATE FILE 'templates/detail.txt'
AS SELECT customer_name, message_id, payload, iso_timestamp(event_datetime, 'UTC', 3) AS sent
   FROM silver.messages
   WHERE customer_id = $customer AND event_datetime >= $from AND event_datetime < $to
     AND event_date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
     AND event_hour >= CASE WHEN CAST($from AS DATE) = CAST($to AS DATE) THEN hour($from) ELSE 0 END
     AND event_hour <= CASE WHEN CAST($from AS DATE) = CAST($to AS DATE) THEN hour($to) ELSE 23 END
   ORDER BY event_datetime, message_id;

-- A bill, one file each: it is written once, as it is decided once.
CREATE REPORT bill FORMAT TEXT TO 'reports/bills/{customer_id}/{bill_day}.txt'
  FOR EACH (customer_id, bill_day)
  TRIGGER ON UPDATE
  HEADER FILE 'templates/bill_header.txt' TEMPLATE FILE 'templates/bill.txt'
  FOOTER FILE 'templates/bill_footer.txt'
AS SELECT customer_id, bill_day, customer_name,
     CASE line WHEN 'messages' THEN '' ELSE 'Ajuste de ' || CAST(message_day AS TEXT) || ' - ' END
     || 'Notificações ' || upper(left(channel, 1)) || substr(channel, 2) AS what,
     notifications,
     brl(sum(amount) OVER (PARTITION BY customer_id, bill_day)) AS total
   FROM gold.bills ORDER BY message_day DESC, channel;

CREATE REPORT bills_csv FORMAT CSV TO 'reports/bills.csv' TRIGGER ON UPDATE
AS SELECT * FROM gold.bills ORDER BY bill_day, customer_id, message_day, channel;
