/*
 * base/program.h - another program, run to its end or to its time limit.
 *
 * It is started by /bin/sh in a process group of its own, with files as standard input, output and
 * error and nothing else of ours open, so that whatever it starts ends with it.
 *
 * Thread: any; a call waits on its own thread.
 */
#ifndef RDL_BASE_PROGRAM_H
#define RDL_BASE_PROGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct rdl_program {
    const char *command;         /* for sh -c */
    const char *dir;             /* where it runs */
    const char *const *env;      /* "NAME=value", NULL at the end: beside our own */
    const char *in, *out, *errs; /* files; in must be there; NULL: /dev/null */
    int64_t timeout_us;          /* 0: no limit */
    const atomic_int *stop;      /* end it when this is set; may be NULL */
} rdl_program;

typedef struct rdl_program_end {
    int status; /* exit status, when no signal ended it */
    int signal; /* 0: it ended by itself */
    bool timed_out, stopped;
    double seconds;
} rdl_program_end;

/* An error is a program that could not be started; how it ended is in out. */
RDL_MUST rdl_code rdl_program_run(const rdl_program *p, rdl_program_end *out, rdl_err *err);
/* "exit status 3", "signal 9", "longer than its limit of 5m"; for messages. */
void rdl_program_print_end(const rdl_program *p, const rdl_program_end *e, char *out, size_t n);

#endif
