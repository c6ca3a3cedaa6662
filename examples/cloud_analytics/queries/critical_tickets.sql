-- Critical tickets per day over all customers, and how many broke their SLA.
--   $as_of  last day, inclusive (YYYY-MM-DD)
--   $days   number of days, $as_of being the last of them (default 30)
SELECT ticket_date, tickets, open_tickets, sla_breaches, sla_breach_rate, tickets_by_category
FROM tickets_by_date
WHERE severity = 'critical'
  AND ticket_date > date($as_of, '-' || CAST(coalesce($days, 30) AS INTEGER) || ' days')
  AND ticket_date <= date($as_of)
ORDER BY ticket_date;
