/*
 * cli/reporting.h - reports beside a run: at the end of --once, and by their schedules.
 *
 * Thread: the reporter has one of its own, with a reader of its own for each report.
 */
#ifndef RDL_CLI_REPORTING_H
#define RDL_CLI_REPORTING_H

#include "batch/report.h"
#include "cli/cli.h"

/* Every report whose inputs or text moved since its last run, those on demand left out.  One that
 * fails does not hold up the others; the first failure is given. */
RDL_MUST rdl_code rdl_reporting_once(rdl_cli *cli, bool print, rdl_err *err);

/* Runs one report, and records it in the catalog unless it went to request->sink. */
RDL_MUST rdl_code rdl_reporting_run(rdl_cli *cli, rdl_reader *r, const rdl_report *report,
                                    const rdl_report_request *request, rdl_report_result *out,
                                    rdl_err *err);

/* Runs what is due beside the epochs of a continuous run; NULL when no report runs by itself. */
typedef struct rdl_reporter rdl_reporter;
RDL_MUST rdl_code rdl_reporter_start(rdl_cli *cli, rdl_engine *e, rdl_reporter **out, rdl_err *err);
void rdl_reporter_stop(rdl_reporter *r); /* NULL is fine */

#endif
