/*
 * lang/load.h - the steps of rdl_pipeline_load, for its own files.
 *
 * Thread: one at a time.
 */
#ifndef RDL_LANG_LOAD_H
#define RDL_LANG_LOAD_H

#include "lang/ast.h"

/* Bind and plan all statements into p; problems of the text go to diags, p then is partial. */
RDL_MUST rdl_code rdl_bind(rdl_pipeline *p, rdl_conn *conn, const rdl_script *script,
                           rdl_diags *diags, rdl_err *err);
/* Whether DuckDB says of a function of this name that its result depends on more than its
 * arguments. */
bool rdl_function_is_unstable(const char *name);
rdl_str rdl_prelude_sql(void); /* ends in a NUL that is not counted */

#endif
