/*
 * ops/alert.h - alerts: looked at, and told.
 *
 * LOOKING  A condition is asked of a reader, at one sealed cut, with now() as the time of asking.
 *
 *   no rows (or one BOOLEAN column and none is true)   quiet
 *   rows                                               active: told once, when it becomes so, and again
 *                                                      each REPEAT EVERY while it stays
 *   rows no more                                       quiet: that is told too
 *   it cannot be asked                                 failing: told once; nothing is quiet by mistake
 *
 * TELLING  What is to be told stands in catalog.db (ops/catalog_alert.h) before anybody is told, so
 * that a crash loses nothing; a notice that fails is tried again after 1 s, 2 s, .. 10 minutes, for
 * a day.
 *
 * Thread: one at a time a catalog; several processes may look at one root.
 */
#ifndef RDL_OPS_ALERT_H
#define RDL_OPS_ALERT_H

#include "ops/catalog_alert.h"
#include "ops/notify.h"
#include "stream/reader.h"

/* Which of the pipeline's alerts are looked at; NULL in rdl_alerts_look: all. */
typedef bool (*rdl_alert_wanted)(void *arg, const rdl_alert *a, const rdl_catalog_alert *last);

typedef struct rdl_alerts_result {
    size_t looked, active, failing;
    size_t sent, failed; /* notices; failed ones are tried again later */
    char problem[400];   /* of the last one that failed */
} rdl_alerts_result;

RDL_MUST rdl_code rdl_alerts_look(rdl_reader *r, rdl_catalog *c, int64_t now_us,
                                  rdl_alert_wanted wanted, void *arg, rdl_alerts_result *out,
                                  rdl_err *err);
/* What waits to be told and is due.  tries: so often at once, for a run that ends. */
RDL_MUST rdl_code rdl_alerts_tell(rdl_catalog *c, const rdl_pipeline *p,
                                  const rdl_notify_config *config, const char *uuid, unsigned tries,
                                  rdl_alerts_result *out, rdl_err *err);
/* From the settings smtp_url, smtp_user, smtp_password, smtp_from. */
void rdl_alerts_config(rdl_arena *a, const rdl_pipeline *p, const char *root,
                       rdl_notify_config *out);
const char *rdl_alert_severity_name(rdl_alert_severity s);

#endif
