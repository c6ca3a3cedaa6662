-- For people, as Brazil writes numbers; cents are cut off.
CREATE REPORT invoices FORMAT TEXT TO 'reports/invoices.txt'
  OPTIONS (null = 'null')
  TEMPLATE FILE 'templates/invoices.txt'
AS SELECT customer, account, br_number(avg_invoices_last_3_months) AS last_3,
     br_number(avg_invoices_last_6_months) AS last_6
   FROM gold.invoice_averages ORDER BY customer, account;

-- For machines: full numbers.
CREATE REPORT invoices_csv FORMAT CSV TO 'reports/invoices.csv'
AS SELECT * FROM gold.invoice_averages ORDER BY customer, account;

-- One file per flow, one column per question of the flow, in order of first appearance.
CREATE REPORT conversations FORMAT CSV TO 'reports/conversations/{flow}.csv' FOR EACH (flow)
AS PIVOT (
     SELECT customer, flow, session,
       strftime(first_answer_ts, '%Y-%m-%dT%H:%M:%S') AS first_answer_dt,
       strftime(last_answer_ts, '%Y-%m-%dT%H:%M:%S') AS last_answer_dt,
       question, answer, asked
     FROM gold.conversation_answers JOIN gold.conversation_sessions USING (customer, flow, session))
   ON question ORDER BY asked
   USING max(answer)
   GROUP BY customer, flow, session, first_answer_dt, last_answer_dt
   ORDER BY customer, session;
