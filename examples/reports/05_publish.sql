PUBLISH gold.invoice_averages TO '${STORE:-sqlite:serving.db}' PRIMARY KEY ((customer), account);
PUBLISH gold.conversation_sessions TO '${STORE:-sqlite:serving.db}'
  PRIMARY KEY ((customer, flow), session);
PUBLISH gold.conversation_answers TO '${STORE:-sqlite:serving.db}'
  PRIMARY KEY ((customer, flow), session, question);
