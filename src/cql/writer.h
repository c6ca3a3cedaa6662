/*
 * cql/writer.h - a writer over binds, for requests and rows.
 *
 * Thread: the session's (cql.h).
 */
#ifndef RDL_CQL_WRITER_H
#define RDL_CQL_WRITER_H

#include "cql/cql.h"

void rdl_cql_writer_start(rdl_cql_writer *w, const rdl_cql_column *columns, uint32_t n,
                          rdl_buf *out, rdl_err *err);
/* The text cannot be a value of the next type. */
void rdl_cql_put_refuse(rdl_cql_writer *w, rdl_str text);

#endif
