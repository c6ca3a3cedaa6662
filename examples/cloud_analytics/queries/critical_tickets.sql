-- Critical tickets per day over all customers, and how many broke their SLA.
--   $as_of  last day, inclusive (YYYY-MM-DD)
--   $days   number of days, $as_of being the last of them (default 30)
SELECT ticket_date,
       sum(tickets) AS tickets,
       sum(open_tickets) AS open_tickets,
       sum(sla_breaches) AS sla_breaches,
       round(1.0 * sum(sla_breaches) / sum(tickets), 4) AS sla_breach_rate
FROM tickets_by_org_date
WHERE severity = 'critical'
  AND ticket_date > date($as_of, '-' || CAST(coalesce($days, 30) AS INTEGER) || ' days')
  AND ticket_date <= date($as_of)
GROUP BY ticket_date
ORDER BY ticket_date;
