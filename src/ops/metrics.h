/*
 * ops/metrics.h - Prometheus text over HTTP, for `raudal run --metrics`.
 *
 * GET /metrics answers with the exposition format; every name begins with raudal_.  The
 * list of metrics is a table in metrics.c, from which help, type and reference are made.
 *
 * Thread: start and stop on one thread; requests are answered on a thread of its own, which
 * calls the source.
 */
#ifndef RDL_OPS_METRICS_H
#define RDL_OPS_METRICS_H

#include "stream/engine.h"

typedef struct rdl_metrics rdl_metrics;

/* address: "127.0.0.1:9464", "[::1]:9464", ":9464" (loopback). */
RDL_MUST rdl_code rdl_metrics_start(const char *address, rdl_engine *e, rdl_metrics **out,
                                    rdl_err *err);
void rdl_metrics_stop(rdl_metrics *m);           /* NULL is fine; before the engine is closed */
unsigned rdl_metrics_port(const rdl_metrics *m); /* that it listens on; for port 0 */

/* The body that is served. */
void rdl_metrics_print(const rdl_engine_status *s, int64_t now_us, rdl_buf *out);
/* The list of metrics as a Markdown table. */
void rdl_metrics_print_reference(rdl_buf *out);
const char *rdl_metrics_library_version(void);

#endif
