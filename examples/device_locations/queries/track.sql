-- Where a device was, in time order.
-- device: its id, in lower case
-- type: aaid or idfa (default aaid)
SELECT seen_at, latitude, longitude, horizontal_precision, country FROM positions
WHERE device_type = $type AND device_id = $device ORDER BY seen_at;
