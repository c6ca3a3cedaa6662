-- What an account was invoiced in a month.
CREATE MATERIALIZED VIEW silver.invoices_by_month PRIMARY KEY (customer, account, month) AS
SELECT customer, account, CAST(date_trunc('month', month) AS DATE) AS month,
  sum(invoice) AS invoiced
FROM invoices
WHERE customer IS NOT NULL AND account IS NOT NULL AND month IS NOT NULL AND invoice IS NOT NULL
GROUP BY ALL;

-- Invoices that cannot be counted, and why: each of the file's rows is here or in the sums.
CREATE MATERIALIZED VIEW silver.invoices_left_out AS
SELECT customer, account, month, invoice,
  CASE WHEN customer IS NULL THEN 'no customer' WHEN account IS NULL THEN 'no account'
       WHEN month IS NULL THEN 'no month' ELSE 'no amount' END AS reason
FROM invoices
WHERE customer IS NULL OR account IS NULL OR month IS NULL OR invoice IS NULL;

-- The month that the windows end before.
CREATE FUNCTION reference_month() RETURNS DATE
RETURN CAST('${REFERENCE_MONTH:-2020-01}-01' AS DATE);

-- The average of the last three and six calendar months before the reference month, which is not
-- part of them; null unless every month of the window has an invoice.
CREATE MATERIALIZED VIEW gold.invoice_averages PRIMARY KEY (customer, account) AS
SELECT customer, account,
  CASE WHEN months_3 = 3 THEN CAST(sum_3 AS DOUBLE) / 3 END AS avg_invoices_last_3_months,
  CASE WHEN months_6 = 6 THEN CAST(sum_6 AS DOUBLE) / 6 END AS avg_invoices_last_6_months
FROM (
  SELECT customer, account,
    count(*) FILTER (last_3) AS months_3, count(*) FILTER (last_6) AS months_6,
    sum(invoiced) FILTER (last_3) AS sum_3, sum(invoiced) FILTER (last_6) AS sum_6
  FROM (
    SELECT customer, account, invoiced,
      month >= reference_month() - INTERVAL 3 MONTHS AND month < reference_month() AS last_3,
      month >= reference_month() - INTERVAL 6 MONTHS AND month < reference_month() AS last_6
    FROM silver.invoices_by_month)
  GROUP BY ALL);
