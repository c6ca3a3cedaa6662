/*
 * base/process.h - a child process that serves requests, and may be killed at any instant.
 *
 * For tests of crashes: the child is a fork of this process, so that SIGKILL takes its memory
 * away and leaves the files, as a real crash does.  Start it only while this process has no
 * other thread (no DuckDB open): a fork takes only the calling thread along.
 *
 * Thread: one at a time.
 */
#ifndef RDL_BASE_PROCESS_H
#define RDL_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Two pipes to the other side; what was sent whole is received whole. */
typedef struct rdl_pipe {
    int in, out;
} rdl_pipe;
/* False when the other side is gone. */
bool rdl_pipe_send(const rdl_pipe *p, const void *bytes, size_t n);
bool rdl_pipe_receive(const rdl_pipe *p, void *bytes, size_t n);

typedef struct rdl_child rdl_child;
/* The child runs serve and exits with its result; it inherits memory and open files. */
RDL_MUST rdl_code rdl_child_start(int (*serve)(void *arg, const rdl_pipe *pipe), void *arg,
                                  rdl_child **out, rdl_err *err);
const rdl_pipe *rdl_child_pipe(const rdl_child *c);
void rdl_child_kill(rdl_child *c); /* SIGKILL; stop still has to be called */
/* Close the pipes and wait for its end; frees it.  The signal that ended it, or 0. */
int rdl_child_stop(rdl_child *c); /* NULL gives 0 */

#endif
