/*
 * base/ticker.h - something done again and again, on a thread of its own, until it is stopped.
 *
 * Thread: start and stop are its owner's; turn runs on the ticker's thread, one at a time.
 */
#ifndef RDL_BASE_TICKER_H
#define RDL_BASE_TICKER_H

#include <stdint.h>

#include "base/err.h"

typedef struct rdl_ticker rdl_ticker;
/* name as rdl_thread_start's.  The first turn comes at once, each other one pause_ms after the
 * one before has ended. */
RDL_MUST rdl_code rdl_ticker_start(const char *name, int64_t pause_ms, void (*turn)(void *arg),
                                   void *arg, rdl_ticker **out, rdl_err *err);
/* Cuts the pause short, waits for a turn that goes on, and frees it.  NULL is fine. */
void rdl_ticker_stop(rdl_ticker *t);

#endif
