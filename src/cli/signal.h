/*
 * cli/signal.h - SIGINT and SIGTERM: the first asks to stop, the second ends the process.
 *
 * Thread: main; one thing at a time is told to stop.
 */
#ifndef RDL_CLI_SIGNAL_H
#define RDL_CLI_SIGNAL_H

#include "stream/engine.h"

void rdl_signals_stop_engine(rdl_engine *e);
void rdl_signals_interrupt(rdl_conn *c); /* SIGINT alone: the query fails with RDL_ESTOP */
void rdl_signals_note(void);             /* only remember that one came */
bool rdl_signals_came(void);
void rdl_signals_restore(void); /* the default actions again */

#endif
