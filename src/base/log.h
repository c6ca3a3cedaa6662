/*
 * base/log.h - one line per event: `ts level module event key=value ...` on stderr.
 *
 * Nothing below the epoch loop logs: it returns an error.  Events are names, greppable and
 * counted as metrics.  Values with spaces or quotes are JSON-quoted by the macro's caller
 * through rdl_log's key/value form.
 *
 *   rdl_log(RDL_LOG_INFO, "epoch", "epoch_sealed", "epoch=%" PRIu64 " rows=%" PRIu64, e, n);
 *
 * Thread: any, once the level is set.
 */
#ifndef RDL_BASE_LOG_H
#define RDL_BASE_LOG_H

#include "base/err.h"
#include <stdint.h>

typedef enum rdl_log_level {
    RDL_LOG_ERROR,
    RDL_LOG_WARN,
    RDL_LOG_INFO,
    RDL_LOG_DEBUG,
} rdl_log_level;

void rdl_log_set_level(rdl_log_level level); /* default WARN; before threads */
bool rdl_log_level_parse(const char *name, rdl_log_level *out);
void rdl_log(rdl_log_level level, const char *module, const char *event, const char *fmt, ...)
    RDL_PRINTF(4, 5);
/* A repeated failure is reported at its first, second, fourth ... occurrence with its count. */
void rdl_log_err(rdl_log_level level, const char *module, const char *event, const rdl_err *err);
/* How often each (module, event) was logged at warn or error; for metrics. */
typedef void (*rdl_log_count_visitor)(void *arg, const char *module, const char *event, uint64_t n);
void rdl_log_counts(rdl_log_count_visitor visit, void *arg);

#endif
