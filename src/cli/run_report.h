/*
 * cli/run_report.h - what a run did: where the time went, and the balance.
 *
 * Thread: any.
 */
#ifndef RDL_CLI_RUN_REPORT_H
#define RDL_CLI_RUN_REPORT_H

#include "stream/engine.h"

/* "43200 read = 42011 written + 150 duplicate + 39 quarantined": one line without its end.
 */
void rdl_put_balance(rdl_buf *b, const rdl_ledger *l);
void rdl_put_ledger_json(rdl_buf *b, const rdl_ledger *l);
void rdl_put_run_report(rdl_buf *b, const rdl_pipeline *p, const rdl_run_report *r,
                        uint64_t files_behind);
void rdl_put_run_report_json(rdl_buf *b, const rdl_pipeline *p, const rdl_run_report *r,
                             uint64_t files_behind);

#endif
