/*
 * cli/errand.h - commands that change a root: refresh, publish, quarantine replay, lake compact,
 * lake vacuum, lake drop.
 *
 * One process writes to a root.  While none does, such a command opens an engine of its own; while
 * a continuous run holds the root, the command's words are sent to it, it runs them between two
 * epochs, and its answer is printed here as if it had been run here.
 *
 *   the caller           the run's listener thread        the run's engine thread
 *   words  ------------> keeps them, rdl_engine_ask -----> finishes its epoch and what is being
 *                        waits                             applied, runs the command
 *   prints <------------ sends the answer <--------------- answer; goes on
 *
 * The socket is ROOT/state/control, for the owner alone.  A request is the command's name, the
 * pipeline's folder and the other words; an answer is a code, where it went wrong, and the text;
 * each field ends in NUL.  Whoever stops waiting does not stop the command.
 */
#ifndef RDL_CLI_ERRAND_H
#define RDL_CLI_ERRAND_H

#include "cli/cli.h"

/* The command of cli, by either way; what it says is put to out. */
RDL_MUST rdl_code rdl_errand_run(rdl_cli *cli, rdl_buf *out, rdl_err *err);
/* The command of cli by the run that holds the root; *taken false when none does. */
RDL_MUST rdl_code rdl_errand_try(rdl_cli *cli, bool *taken, rdl_buf *out, rdl_err *err);
typedef struct rdl_errand_step {
    const char *command;
    const rdl_str *tables;
    size_t n;
} rdl_errand_step;
/* Other commands, in turn, with cli's folder, root and settings; those that run here share an
 * engine. */
RDL_MUST rdl_code rdl_errand_over(rdl_cli *cli, const rdl_errand_step *list, size_t n,
                                  rdl_err *err);
/* A command's run of the past, for the list of runs; the list is for people, so nothing fails. */
void rdl_errand_record(rdl_cli *cli, rdl_engine *e, uint64_t epochs_before, int64_t started_us,
                       rdl_code rc, const rdl_err *failure);

/* ---- the run's side ---- */

typedef struct rdl_errands rdl_errands;
/* Listens from now on; cli is the run's own.  Start it once the root's lock is held. */
RDL_MUST rdl_code rdl_errands_start(rdl_cli *cli, rdl_engine *e, rdl_errands **out, rdl_err *err);
/* On the engine's thread, as rdl_engine_config's errand: runs what waits. */
void rdl_errands_serve(rdl_errands *s, rdl_engine *e, const rdl_err *why);
void rdl_errands_stop(rdl_errands *s); /* who waits is told so; NULL is fine */

#endif
