/*
 * ops/statement.h - SQL text cut into statements, and its $parameters.
 *
 * Thread: any.
 */
#ifndef RDL_OPS_STATEMENT_H
#define RDL_OPS_STATEMENT_H

#include "base/arena.h"
#include "base/str.h"

/*
 * Bytes up to and including the semicolon that ends the first statement, strings, quoted
 * names and comments respected; 0 when there is none yet.
 */
size_t rdl_statement_end(rdl_str text);
bool rdl_statement_blank(rdl_str text); /* nothing but space, comments and semicolons */

typedef struct rdl_parameter {
    const char *name;        /* without the $ */
    const char *description; /* from the comment "--   $name  description"; "" when there is none */
    bool optional;           /* the description says (default ...) */
} rdl_parameter;
/* In the order of their first appearance. */
void rdl_statement_parameters(rdl_arena *a, rdl_str text, rdl_parameter **out, size_t *out_n);

#endif
