/*
 * ops/notify.h - one message to one place: a mail, a web hook, a program.
 *
 *   mailto:a@x,b@y        a mail through the server of the setting smtp_url (smtp://localhost), as
 *                         smtp_user with smtp_password, from smtp_from; smtps:// or STARTTLS when
 *                         the server offers it
 *   http://  https://     POST of the JSON; any 2xx is taken; redirects are not followed.  The header
 *                         Idempotency-Key holds the message's identity
 *   anything else         a command for sh, in the pipeline's folder, with the JSON as standard input and
 *                         RAUDAL_ALERT, RAUDAL_EVENT, RAUDAL_SEVERITY, RAUDAL_SUBJECT,
 *                         RAUDAL_NOTICE in its environment; exit status 0 is taken
 *
 * A server that does not answer is given up after 20 seconds (5 for the connection), a command
 * after 60; a stop ends either within a second or so (RDL_ESTOP).
 *
 * No failure repeats a password or what a web hook's address holds behind its host.
 *
 * Thread: any, after rdl_notify_begin on the main one.
 */
#ifndef RDL_OPS_NOTIFY_H
#define RDL_OPS_NOTIFY_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/str.h"

typedef struct rdl_notify_config {
    const char *dir;  /* the pipeline's folder */
    const char *temp; /* where a command's input and output are kept meanwhile */
    rdl_str smtp_url, smtp_user, smtp_password, smtp_from;
    const atomic_int *stop; /* give up what is under way when this is set; may be NULL */
} rdl_notify_config;

typedef struct rdl_message {
    const char *identity; /* the same when it is sent again */
    const char *alert, *event, *severity;
    const char *subject, *text, *json;
    int64_t at_us;
} rdl_message;

RDL_MUST rdl_code rdl_notify_begin(rdl_err *err);
RDL_MUST rdl_code rdl_notify(const rdl_notify_config *c, rdl_str to, const rdl_message *m,
                             rdl_err *err);
/* For people: an address without what may be secret in it. */
char *rdl_notify_shown(rdl_arena *a, rdl_str to);

#endif
