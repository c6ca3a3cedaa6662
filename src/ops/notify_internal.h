/*
 * ops/notify_internal.h - what the files of notify share.
 *
 * Thread: as in notify.h.
 */
#ifndef RDL_OPS_NOTIFY_INTERNAL_H
#define RDL_OPS_NOTIFY_INTERNAL_H

#include <curl/curl.h>

#include "ops/notify.h"

enum {
    RDL_NOTIFY_CONNECT_MS = 5000,
    RDL_NOTIFY_MS = 20000,
};

/* A handle with our limits, which ends early at a stop; NULL: no memory. */
CURL *rdl_notify_handle(const rdl_notify_config *c);
/* RDL_ESTOP, or RDL_ENET, worth another try; what is "mail to smtp.example.org". */
rdl_code rdl_notify_failed(CURLcode why, const char *what, const char *more, rdl_err *err);
RDL_MUST rdl_code rdl_notify_mail(const rdl_notify_config *c, rdl_str to, const rdl_message *m,
                                  rdl_err *err);

#endif
