-- A customer's panel: his latest day so far.
--   $customer   the customer's id
SELECT customer_name, channel, notifications, updated_at AS last_update
FROM notifications_by_day
WHERE customer_id = $customer
  AND local_day = (SELECT max(local_day) FROM notifications_by_day WHERE customer_id = $customer)
ORDER BY channel
