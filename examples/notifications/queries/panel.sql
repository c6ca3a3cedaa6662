-- A customer's panel: his latest day so far, and the latest minute of each channel.
--   $customer   the customer's id
SELECT customer_name, channel, notifications,
  (SELECT m.notifications FROM notifications_by_minute m
   WHERE m.customer_id = d.customer_id AND m.channel = d.channel ORDER BY m.minute DESC LIMIT 1) AS last_minute,
  last_update
FROM notifications_by_day d
WHERE customer_id = $customer
  AND local_day = (SELECT max(local_day) FROM notifications_by_day WHERE customer_id = $customer)
ORDER BY channel
