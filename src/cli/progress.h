/*
 * cli/progress.h - how far a run is: a bar on a terminal, plain lines elsewhere.
 *
 * Thread: the engine's, between whose steps it is shown.
 */
#ifndef RDL_CLI_PROGRESS_H
#define RDL_CLI_PROGRESS_H

#include "stream/engine.h"

typedef struct rdl_progress {
    bool terminal, color, shown;
    unsigned width;
    uint64_t bytes_total;           /* the most that was ever left: what the bar is measured by */
    int64_t began_us;               /* on the monotonic clock */
    double last_shown;              /* seconds since then */
    uint64_t last_epoch, last_rows; /* what the last plain line said */
} rdl_progress;

void rdl_progress_init(rdl_progress *p);
void rdl_progress_show(void *progress, const rdl_engine_progress *at); /* the engine's callback */
void rdl_progress_clear(rdl_progress *p);                              /* takes the bar away */

#endif
