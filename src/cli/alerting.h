/*
 * cli/alerting.h - alerts looked at beside a run, at its end, and by hand.
 *
 * Thread: the alerter has one of its own, with a reader of its own for each look.
 */
#ifndef RDL_CLI_ALERTING_H
#define RDL_CLI_ALERTING_H

#include "cli/cli.h"
#include "ops/alert.h"

/* All alerts, now; then everything that waits is told, tries times each. */
RDL_MUST rdl_code rdl_alerting_now(rdl_cli *cli, unsigned tries, rdl_alerts_result *out,
                                   rdl_err *err);
/* The same at the end of a run, whatever became of it: what goes wrong is a warning. */
void rdl_alerting_after_run(rdl_cli *cli);

/* Beside a continuous run; NULL when the pipeline has no alert. */
typedef struct rdl_alerter rdl_alerter;
RDL_MUST rdl_code rdl_alerter_start(rdl_cli *cli, rdl_engine *e, rdl_alerter **out, rdl_err *err);
void rdl_alerter_stop(rdl_alerter *a); /* NULL is fine */

#endif
