/*
 * cli/errand_wire.h - the fields of a request and of an answer (errand.h).
 *
 * Thread: any.
 */
#ifndef RDL_CLI_ERRAND_WIRE_H
#define RDL_CLI_ERRAND_WIRE_H

#include "cli/cli.h"

/* ROOT/state/control */
const char *rdl_wire_path(rdl_arena *a, const char *root);
/* A command that runs on an engine, by its whole name; NULL: there is none. */
const rdl_command *rdl_wire_command(const char *name);
void rdl_wire_put(rdl_buf *b, const char *field);
/* The next field; NULL at the end, and where the last one is not ended. */
const char *rdl_wire_take(rdl_str *rest);

/* code, area, exit code of a BUG and the like come from code and area; then where and what. */
void rdl_wire_put_answer(rdl_buf *b, rdl_code rc, const rdl_err *err, const rdl_buf *said);
RDL_MUST rdl_code rdl_wire_take_answer(rdl_str answer, rdl_buf *said, rdl_err *err);

#endif
