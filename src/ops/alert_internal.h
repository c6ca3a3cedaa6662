/*
 * ops/alert_internal.h - what looking finds, and how it is worded.
 *
 * Thread: as in alert.h: one at a time for a catalog.
 */
#ifndef RDL_OPS_ALERT_INTERNAL_H
#define RDL_OPS_ALERT_INTERNAL_H

#include "ops/alert.h"

enum { RDL_ALERT_ROWS_TOLD = 10 };

typedef struct rdl_found {
    uint64_t rows;
    rdl_buf message;    /* one line */
    rdl_buf text, json; /* the first rows: a line each; {..}, {..} */
} rdl_found;

/* The message of an alert that has none of its own. */
void rdl_alert_message(rdl_found *f, const rdl_alert *alert);
/* One notice for each target, into out. */
void rdl_alert_tellings(rdl_arena *a, rdl_reader *r, const rdl_alert *alert,
                        const rdl_catalog_alert *last, const char *event, const rdl_found *found,
                        int64_t now_us, rdl_catalog_notice *out);

#endif
