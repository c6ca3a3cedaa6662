-- Devices seen in a month, by type.
-- month: as 201901
SELECT month, device_type, devices, positions FROM devices_by_month WHERE month = $month ORDER BY device_type;
