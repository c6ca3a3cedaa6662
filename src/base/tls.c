/*
 * base/tls.c - OpenSSL behind tls.h.
 *
 * OpenSSL keeps its failures in a queue of the thread; each call here starts with an empty
 * one and takes the first entry, which is the cause.  A stream end without TLS's
 * close_notify is taken as closed: CQL frames carry their own lengths, so nothing can be
 * cut off unseen.
 */
#include "base/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct rdl_tls_context {
    SSL_CTX *ssl;
    bool verify_peer, verify_host;
};

struct rdl_tls {
    SSL *ssl;
    char host[256];
};

/* The first failure in OpenSSL's queue, as text; empties the queue. */
static const char *cause(char *buf, size_t n)
{
    unsigned long e = ERR_get_error();
    const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;
    if (e == 0)
        snprintf(buf, n, "no reason given");
    else if (reason != NULL)
        snprintf(buf, n, "%s", reason);
    else
        ERR_error_string_n(e, buf, n);
    ERR_clear_error();
    return buf;
}

static rdl_code refuse(rdl_err *err, const char *verb, const char *what)
{
    char why[256];
    return rdl_err_set(err, RDL_ENET, 0, "could not %s \"%s\": %s", verb, what,
                       cause(why, sizeof why));
}

static BIO *memory(rdl_str pem)
{
    return BIO_new_mem_buf(pem.p, pem.n > INT_MAX ? INT_MAX : (int)pem.n);
}

/* All certificates of a PEM text into the store of trusted ones. */
static bool trust_pem(SSL_CTX *ssl, rdl_str pem)
{
    BIO *b = memory(pem);
    unsigned n = 0;
    X509 *x;
    while (b != NULL && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), x) == 1)
            n++;
        X509_free(x);
    }
    BIO_free(b);
    if (n > 0)
        ERR_clear_error(); /* the end of the text is told as a failure */
    return n > 0;
}

static bool use_cert_pem(SSL_CTX *ssl, rdl_str pem)
{
    BIO *b = memory(pem);
    X509 *x = b != NULL ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
    bool ok = x != NULL && SSL_CTX_use_certificate(ssl, x) == 1;
    X509_free(x);
    while (ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL)
        ok = SSL_CTX_add0_chain_cert(ssl, x) == 1;
    BIO_free(b);
    if (ok)
        ERR_clear_error();
    return ok;
}

/* Never asks the terminal: a key that is encrypted without a password is an error. */
static int password(char *buf, int size, int writing, void *arg)
{
    const char *text = arg;
    size_t n = text != NULL ? strlen(text) : 0;
    (void)writing;
    if (n == 0 || size < 0 || n > (size_t)size)
        return -1;
    memcpy(buf, text, n);
    return (int)n;
}

static bool use_key(SSL_CTX *ssl, const rdl_tls_config *c)
{
    BIO *b = c->key_pem.n > 0 ? memory(c->key_pem) : BIO_new_file(c->key_file, "r");
    EVP_PKEY *key =
        b != NULL ? PEM_read_bio_PrivateKey(b, NULL, password, (void *)(uintptr_t)c->key_password)
                  : NULL;
    bool ok = key != NULL && SSL_CTX_use_PrivateKey(ssl, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(b);
    return ok;
}

static rdl_code configure(SSL_CTX *ssl, const rdl_tls_config *c, rdl_err *err)
{
    bool have_cert = c->cert_pem.n > 0 || c->cert_file != NULL;
    bool have_key = c->key_pem.n > 0 || c->key_file != NULL;
    if (c->ca_pem.n > 0 && !trust_pem(ssl, c->ca_pem))
        return refuse(err, "read CA certificate", "of the bundle");
    if (c->ca_pem.n == 0 && c->ca_file != NULL &&
        SSL_CTX_load_verify_locations(ssl, c->ca_file, NULL) != 1)
        return refuse(err, "read CA certificate", c->ca_file);
    if (c->ca_pem.n == 0 && c->ca_file == NULL && SSL_CTX_set_default_verify_paths(ssl) != 1)
        return refuse(err, "read CA certificates", "of the system");
    if (have_cert != have_key)
        return rdl_err_set(err, RDL_EUSAGE, 0, "could not use client certificate: %s is missing",
                           have_cert ? "its key" : "the key's certificate");
    if (!have_cert)
        return RDL_OK;
    if (c->cert_pem.n > 0 ? !use_cert_pem(ssl, c->cert_pem)
                          : SSL_CTX_use_certificate_chain_file(ssl, c->cert_file) != 1)
        return refuse(err, "read client certificate",
                      c->cert_pem.n > 0 ? "of the bundle" : c->cert_file);
    if (!use_key(ssl, c))
        return refuse(err, "read client key", c->key_pem.n > 0 ? "of the bundle" : c->key_file);
    if (SSL_CTX_check_private_key(ssl) != 1)
        return refuse(err, "use client key", "it is not the certificate's");
    return RDL_OK;
}

rdl_code rdl_tls_context_new(const rdl_tls_config *config, rdl_tls_context **out, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    rdl_tls_context *c = calloc(1, sizeof *c);
    *out = NULL;
    ERR_clear_error();
    if (c == NULL)
        return rdl_err_nomem(err);
    c->verify_peer = !config->no_verify_peer;
    c->verify_host = c->verify_peer && !config->no_verify_host;
    c->ssl = SSL_CTX_new(TLS_client_method());
    if (c->ssl == NULL || SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1)
        rc = refuse(err, "set up", "TLS");
    else
        rc = configure(c->ssl, config, err);
    if (rc != RDL_OK) {
        rdl_tls_context_free(c);
        return rc;
    }
    /* The rest of a write is offered again from where it then lies. */
    SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(c->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_verify(c->ssl, c->verify_peer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    *out = c;
    return RDL_OK;
}

void rdl_tls_context_free(rdl_tls_context *c)
{
    if (c != NULL)
        SSL_CTX_free(c->ssl);
    free(c);
}

rdl_code rdl_tls_new(rdl_tls_context *c, int fd, const char *host, const char *sni, rdl_tls **out,
                     rdl_err *err)
{
    rdl_address number;
    bool is_number = rdl_address_parse(host, 0, &number);
    const char *name = sni != NULL ? sni : host;
    rdl_tls *t = calloc(1, sizeof *t);
    *out = NULL;
    ERR_clear_error();
    if (t == NULL)
        return rdl_err_nomem(err);
    snprintf(t->host, sizeof t->host, "%s", host);
    t->ssl = SSL_new(c->ssl);
    bool ok = t->ssl != NULL && SSL_set_fd(t->ssl, fd) == 1;
    /* An address is no server name (RFC 6066). */
    if (ok && (sni != NULL || !is_number))
        ok = SSL_set_tlsext_host_name(t->ssl, name) == 1;
    if (ok && c->verify_host)
        ok = is_number
                 ? X509_VERIFY_PARAM_set1_ip(SSL_get0_param(t->ssl), number.bytes, number.n) == 1
                 : SSL_set1_host(t->ssl, host) == 1;
    if (!ok) {
        rdl_tls_free(t);
        return refuse(err, "start TLS with", host);
    }
    SSL_set_connect_state(t->ssl);
    *out = t;
    return RDL_OK;
}

void rdl_tls_free(rdl_tls *t)
{
    if (t == NULL)
        return;
    if (t->ssl != NULL && SSL_is_init_finished(t->ssl))
        (void)SSL_shutdown(t->ssl); /* one try; the answer is not waited for */
    SSL_free(t->ssl);
    ERR_clear_error();
    free(t);
}

/* What a call that did not succeed means. */
static rdl_io outcome(rdl_tls *t, int rc, const char *verb, bool *wants_write, rdl_err *err)
{
    int e = errno, why = SSL_get_error(t->ssl, rc);
    long verify = SSL_get_verify_result(t->ssl);
    char text[256];
    *wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return RDL_IO_AGAIN;
    if (why == SSL_ERROR_ZERO_RETURN || (why == SSL_ERROR_SYSCALL && e == 0))
        return RDL_IO_CLOSED;
    if (!SSL_is_init_finished(t->ssl) && verify != X509_V_OK) {
        rdl_err_set(err, RDL_ENET, 0, "could not verify the certificate of \"%s\": %s", t->host,
                    X509_verify_cert_error_string(verify));
        rdl_err_hint(err, verify == X509_V_ERR_HOSTNAME_MISMATCH ||
                                  verify == X509_V_ERR_IP_ADDRESS_MISMATCH
                              ? "Connect by a name that the certificate bears, or set the name "
                                "to expect."
                              : "Name the CA that signed the server's certificate.");
        ERR_clear_error();
        return RDL_IO_FAILED;
    }
    if (why == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
        snprintf(text, sizeof text, "%s", strerror(e));
    else
        cause(text, sizeof text);
    rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not %s \"%s\": %s", verb, t->host, text);
    return RDL_IO_FAILED;
}

rdl_io rdl_tls_handshake(rdl_tls *t, bool *out_wants_write, rdl_err *err)
{
    *out_wants_write = false;
    ERR_clear_error();
    errno = 0;
    int rc = SSL_do_handshake(t->ssl);
    return rc == 1 ? RDL_IO_DONE : outcome(t, rc, "agree on TLS with", out_wants_write, err);
}

rdl_io rdl_tls_read(rdl_tls *t, void *p, size_t n, size_t *out_n, rdl_err *err)
{
    bool ignored;
    *out_n = 0;
    ERR_clear_error();
    errno = 0;
    int rc = SSL_read_ex(t->ssl, p, n, out_n);
    return rc == 1 ? RDL_IO_DONE : outcome(t, rc, "read by TLS from", &ignored, err);
}

rdl_io rdl_tls_write(rdl_tls *t, const void *p, size_t n, size_t *out_n, rdl_err *err)
{
    bool ignored;
    *out_n = 0;
    ERR_clear_error();
    errno = 0;
    int rc = SSL_write_ex(t->ssl, p, n, out_n);
    return rc == 1 ? RDL_IO_DONE : outcome(t, rc, "write by TLS to", &ignored, err);
}

const char *rdl_tls_version(const rdl_tls *t)
{
    return SSL_get_version(t->ssl);
}
