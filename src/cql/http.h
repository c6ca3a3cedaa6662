/*
 * cql/http.h - one GET over TLS, for Astra's metadata service.
 *
 * Thread: any.
 */
#ifndef RDL_CQL_HTTP_H
#define RDL_CQL_HTTP_H

#include "base/str.h"
#include "base/tls.h"

/* The body of a 200 answer, into out; at most 1 MiB, within timeout_ms. */
RDL_MUST rdl_code rdl_https_get(rdl_tls_context *tls, const char *host, uint16_t port,
                                const char *path, int64_t timeout_ms, rdl_buf *out, rdl_err *err);
/* The body of a whole answer (status line, headers, body), as it is or in chunks. */
RDL_MUST rdl_code rdl_http_body(rdl_str answer, rdl_buf *out, rdl_err *err);

#endif
