/*
 * ops/named_query.h - the queries of a pipeline's queries/ folder, answered by its stores.
 *
 * A parameter is written $name in the text and described in a leading comment; one whose
 * description says (default ...) is optional and is NULL when it is left out.
 *
 * Thread: any, on a loaded pipeline.
 */
#ifndef RDL_OPS_NAMED_QUERY_H
#define RDL_OPS_NAMED_QUERY_H

#include "lang/catalog.h"
#include "ops/statement.h"
#include "sink/sink.h"

/* RDL_EUSAGE with the nearest name as hint. */
RDL_MUST rdl_code rdl_named_query_find(const rdl_pipeline *p, const char *name,
                                       const rdl_query_file **out, rdl_err *err);
/* "product=... [n=...]" */
void rdl_named_query_usage(rdl_buf *b, const rdl_parameter *parameters, size_t n);

typedef struct rdl_named_values {
    const char **names, **values;
    size_t n;
} rdl_named_values;

typedef struct rdl_named_query {
    const rdl_pipeline *pipeline;
    const rdl_query_file *file;
    const char *store;    /* a URL; NULL: the one that holds the tables which the text names */
    const char *root_dir; /* stores with a relative path lie below it */
    rdl_named_values values;
} rdl_named_query;

/* columns once, then row for each row, as rdl_sink_ops.query.  arena: until the return. */
RDL_MUST rdl_code rdl_named_query_run(rdl_arena *a, const rdl_named_query *q,
                                      rdl_code (*columns)(void *arg, size_t n,
                                                          const char *const *names, rdl_err *err),
                                      rdl_code (*row)(void *arg, size_t n, const rdl_str *values,
                                                      const bool *numeric, rdl_err *err),
                                      void *arg, rdl_err *err);

#endif
