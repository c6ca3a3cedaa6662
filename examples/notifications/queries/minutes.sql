-- Notifications per minute, the newest first.
--   $customer   the customer's id
--   $n          how many minutes (default 10)
SELECT minute, channel, notifications FROM notifications_by_minute
WHERE customer_id = $customer ORDER BY minute DESC LIMIT $n
