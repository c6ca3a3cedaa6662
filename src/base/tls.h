/*
 * base/tls.h - TLS 1.2 and 1.3 over a non-blocking socket, by OpenSSL.
 *
 * A context holds who is trusted and who we are; it is made once and shared by the streams of
 * one thread.  A stream is one connection's half: handshake, then read and write until closed.
 * The host's name is checked against the certificate (subject alternative names; an address
 * against its own kind) unless verify_host is off; nothing is trusted without a CA: the given
 * one, else the system's.
 *
 * Thread: one at a time.
 */
#ifndef RDL_BASE_TLS_H
#define RDL_BASE_TLS_H

#include <stdbool.h>

#include "base/socket.h"
#include "base/str.h"

typedef struct rdl_tls_config {
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL: none */
    rdl_str ca_pem, cert_pem, key_pem;          /* the same in memory, before the files */
    const char *key_password;                   /* NULL: the key is not encrypted */
    bool no_verify_peer; /* take any certificate: for tests on one's own machine */
    bool no_verify_host; /* take any name in a trusted certificate */
} rdl_tls_config;

typedef struct rdl_tls_context rdl_tls_context;
RDL_MUST rdl_code rdl_tls_context_new(const rdl_tls_config *borrowed, rdl_tls_context **out,
                                      rdl_err *err);
void rdl_tls_context_free(rdl_tls_context *c); /* NULL is fine; after its streams */

typedef struct rdl_tls rdl_tls;
/* host is the name that the certificate must bear; sni is sent in the clear (NULL: host). */
RDL_MUST rdl_code rdl_tls_new(rdl_tls_context *c, int fd, const char *host, const char *sni,
                              rdl_tls **out, rdl_err *err);
void rdl_tls_free(rdl_tls *t); /* the socket stays open; NULL is fine */

/* DONE, or AGAIN with what to wait for; FAILED fills err. */
rdl_io rdl_tls_handshake(rdl_tls *t, bool *out_wants_write, rdl_err *err);
rdl_io rdl_tls_read(rdl_tls *t, void *p, size_t n, size_t *out_n, rdl_err *err);
rdl_io rdl_tls_write(rdl_tls *t, const void *p, size_t n, size_t *out_n, rdl_err *err);
const char *rdl_tls_version(const rdl_tls *t); /* "TLSv1.3" */

#endif
