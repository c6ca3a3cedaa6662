/*
 * ops/catalog_alert.h - where alerts stand, and what is still to be told to whom.
 *
 *   alerts(name, state, since, checked, times, message, told)
 *   alert_notices(id, alert, event, target, shown, subject, text, json, created, attempts, next_us,
 *                 claimed_us, sent, problem)
 *
 *        quiet ──▶ active ──▶ quiet        a step and its notices are one transaction, synced
 *          └──▶ failing ◀──┘               (its condition cannot be evaluated)
 *
 * INVARIANTS
 *   N1  A step is made by whoever still finds the state that it read: of two processes that look at
 *       the same time one makes it, and its notices are written once.
 *   N2  A notice is delivered at least once: it is marked after the other side took it, so that a
 *       kill in between delivers it again, under the same identity (Message-ID, Idempotency-Key).
 *   N3  Who delivers a notice claims it for CLAIM seconds: nobody else sends it meanwhile, and one
 *       who died does not hold it for ever.
 *   N4  No address is written here but a shown one, without secrets: a notice names its target's
 *       number.
 *
 * Thread: one at a time a catalog.
 */
#ifndef RDL_OPS_CATALOG_ALERT_H
#define RDL_OPS_CATALOG_ALERT_H

#include "ops/catalog.h"

typedef enum rdl_alert_state {
    RDL_ALERT_QUIET,
    RDL_ALERT_ACTIVE,
    RDL_ALERT_FAILING,
} rdl_alert_state;
const char *rdl_alert_state_name(rdl_alert_state s);

typedef struct rdl_catalog_alert {
    const char *name;
    rdl_alert_state state;
    int64_t since_us, checked_us, told_us; /* INT64_MIN: never */
    uint64_t times;                        /* that it became active */
    const char *message;                   /* may be NULL */
    uint64_t waiting;                      /* notices not delivered */
    const char *problem;                   /* of the newest that was tried in vain; NULL: none */
} rdl_catalog_alert;

/* What is told to one target. */
typedef struct rdl_catalog_notice {
    int64_t id;
    const char *alert, *event; /* "active", "still", "cleared", "failing" */
    size_t target;             /* number in the alert's NOTIFY */
    const char *shown, *subject, *text, *json;
    int64_t created_us;
    uint64_t attempts;
} rdl_catalog_notice;

/* From the state that was read to the next. */
typedef struct rdl_alert_step {
    rdl_catalog_alert from; /* name; state, told_us, since_us and times as they were read */
    rdl_alert_state to;
    int64_t now_us;
    const char *message;               /* what was found; may be NULL */
    const rdl_catalog_notice *notices; /* id, created_us and attempts are not read */
    size_t notice_count;
} rdl_alert_step;

/* Those known, by name; none when there is no catalog. */
RDL_MUST rdl_code rdl_catalog_alerts(rdl_catalog *c, rdl_arena *a, rdl_catalog_alert **out,
                                     size_t *out_n, rdl_err *err);
/* *out_done false: another process made a step meanwhile, and nothing was written. */
RDL_MUST rdl_code rdl_catalog_alert_step(rdl_catalog *c, const rdl_alert_step *step, bool *out_done,
                                         rdl_err *err);
/* Notices that are to be delivered now; they are claimed. */
RDL_MUST rdl_code rdl_catalog_notices_claim(rdl_catalog *c, rdl_arena *a, int64_t now_us,
                                            size_t most, rdl_catalog_notice **out, size_t *out_n,
                                            rdl_err *err);
RDL_MUST rdl_code rdl_catalog_notice_sent(rdl_catalog *c, int64_t id, int64_t now_us, rdl_err *err);
/* Not before next_us; INT64_MAX: never again. */
RDL_MUST rdl_code rdl_catalog_notice_failed(rdl_catalog *c, int64_t id, const char *problem,
                                            int64_t next_us, rdl_err *err);

#endif
