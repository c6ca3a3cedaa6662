/*
 * cql/http.c - a GET of HTTP/1.1 over TLS that reads to the end of the connection.
 */
#include "cql/http.h"

#include <stdio.h>

#include "base/clock.h"

enum { ANSWER_MAX = 1 << 20, READ_BYTES = 16384, ADDRESSES_MAX = 8 };

typedef struct exchange {
    rdl_poller *poller;
    rdl_tls *tls;
    int fd;
    int64_t end_us;
    const char *host;
} exchange;

/* Until the socket is ready, or the time is over. */
static rdl_code await(exchange *x, bool write, rdl_err *err)
{
    rdl_ready ready;
    size_t n = 0;
    RDL_TRY(rdl_poller_watch(x->poller, x->fd, !write, write, x, err));
    while (n == 0) {
        int64_t left = (x->end_us - rdl_monotonic_us()) / 1000;
        if (left <= 0)
            return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY,
                               "could not get an answer from %s in time", x->host);
        RDL_TRY(rdl_poller_wait(x->poller, left, &ready, 1, &n, err));
    }
    return RDL_OK;
}

static rdl_code shake_hands(exchange *x, rdl_err *err)
{
    rdl_io io;
    bool write = false;
    do {
        RDL_TRY(await(x, true, err));
        io = rdl_socket_connected(x->fd, err);
    } while (io == RDL_IO_AGAIN);
    if (io != RDL_IO_DONE)
        return err->code;
    while ((io = rdl_tls_handshake(x->tls, &write, err)) == RDL_IO_AGAIN)
        RDL_TRY(await(x, write, err));
    if (io == RDL_IO_CLOSED)
        return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY,
                           "could not agree on TLS with %s: it hung up", x->host);
    return io == RDL_IO_DONE ? RDL_OK : err->code;
}

static rdl_code put_all(exchange *x, const rdl_buf *request, rdl_err *err)
{
    for (size_t at = 0; at < request->n;) {
        size_t put = 0;
        rdl_io io = rdl_tls_write(x->tls, request->p + at, request->n - at, &put, err);
        at += put;
        if (io == RDL_IO_AGAIN)
            RDL_TRY(await(x, true, err));
        else if (io == RDL_IO_CLOSED)
            return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not ask %s: it hung up",
                               x->host);
        else if (io != RDL_IO_DONE)
            return err->code;
    }
    return RDL_OK;
}

static rdl_code get_all(exchange *x, rdl_buf *answer, rdl_err *err)
{
    for (;;) {
        char bytes[READ_BYTES];
        size_t got = 0;
        rdl_io io = rdl_tls_read(x->tls, bytes, sizeof bytes, &got, err);
        if (io == RDL_IO_CLOSED)
            return RDL_OK;
        if (io == RDL_IO_FAILED)
            return err->code;
        if (io == RDL_IO_AGAIN)
            RDL_TRY(await(x, false, err));
        if (answer->n + got > ANSWER_MAX)
            return rdl_err_set(err, RDL_ELIMIT, 0,
                               "could not read the answer of %s: it is too long", x->host);
        rdl_buf_put(answer, bytes, got);
    }
}

static rdl_code talk(exchange *x, rdl_tls_context *tls, const rdl_buf *request, rdl_buf *answer,
                     rdl_err *err)
{
    RDL_TRY(rdl_tls_new(tls, x->fd, x->host, NULL, &x->tls, err));
    RDL_TRY(shake_hands(x, err));
    RDL_TRY(put_all(x, request, err));
    return get_all(x, answer, err);
}

rdl_code rdl_https_get(rdl_tls_context *tls, const char *host, uint16_t port, const char *path,
                       int64_t timeout_ms, rdl_buf *out, rdl_err *err)
{
    exchange x = {.fd = -1, .host = host, .end_us = rdl_monotonic_us() + timeout_ms * 1000};
    rdl_address at[ADDRESSES_MAX];
    size_t n = 0;
    rdl_buf request = {0}, answer = {0};
    rdl_code rc;
    RDL_TRY(rdl_address_resolve(host, port, at, ADDRESSES_MAX, &n, err));
    rdl_buf_printf(&request,
                   "GET %s HTTP/1.1\r\nHost: %s:%u\r\nAccept: application/json\r\n"
                   "Connection: close\r\n\r\n",
                   path, host, port);
    RDL_TRY_OUT(rdl_poller_new(&x.poller, err));
    for (size_t i = 0; i < n; i++) {
        rc = rdl_socket_connect(&at[i], &x.fd, err);
        if (rc == RDL_OK)
            rc = talk(&x, tls, &request, &answer, err);
        rdl_tls_free(x.tls);
        x.tls = NULL;
        if (x.fd >= 0)
            rdl_poller_forget(x.poller, x.fd);
        rdl_socket_close(x.fd);
        x.fd = -1;
        if (rc == RDL_OK)
            break;
        rdl_buf_clear(&answer);
    }
    if (rc == RDL_OK)
        rc = rdl_http_body((rdl_str){answer.p, answer.n}, out, err);
out:
    rdl_poller_free(x.poller);
    rdl_buf_fini(&request);
    rdl_buf_fini(&answer);
    return rc;
}

/* The line at the front of s without its end; s moves past it. */
static bool line(rdl_str *s, rdl_str *out)
{
    const char *end = s->n > 0 ? memmem(s->p, s->n, "\r\n", 2) : NULL;
    if (end == NULL)
        return false;
    *out = (rdl_str){s->p, (size_t)(end - s->p)};
    *s = (rdl_str){end + 2, s->n - out->n - 2};
    return true;
}

static rdl_code broken(rdl_err *err)
{
    return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY,
                       "could not understand the answer: it is no whole answer of HTTP");
}

static rdl_code chunks(rdl_str s, rdl_buf *out, rdl_err *err)
{
    rdl_str l;
    while (line(&s, &l)) {
        unsigned size = 0;
        char digits[9] = "";
        memcpy(digits, l.p, l.n < 8 ? l.n : 8);
        if (sscanf(digits, "%x", &size) != 1 || (size > 0 && (uint64_t)size + 2 > s.n))
            return broken(err);
        if (size == 0)
            return RDL_OK;
        rdl_buf_put(out, s.p, size);
        s = (rdl_str){s.p + size + 2, s.n - size - 2};
    }
    return broken(err);
}

rdl_code rdl_http_body(rdl_str s, rdl_buf *out, rdl_err *err)
{
    rdl_str l;
    unsigned status = 0;
    char first[32] = "";
    bool chunked = false;
    unsigned long length = 0;
    bool has_length = false;
    if (!line(&s, &l))
        return broken(err);
    memcpy(first, l.p, l.n < sizeof first - 1 ? l.n : sizeof first - 1);
    if (sscanf(first, "HTTP/1.%*u %u", &status) != 1)
        return broken(err);
    while (line(&s, &l) && l.n > 0) {
        char header[64] = "";
        memcpy(header, l.p, l.n < sizeof header - 1 ? l.n : sizeof header - 1);
        for (char *p = header; *p != '\0'; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p + 'a' - 'A');
        chunked |= strncmp(header, "transfer-encoding:", 18) == 0 && strstr(header, "chunked");
        has_length |= sscanf(header, "content-length: %lu", &length) == 1;
    }
    if (l.n > 0)
        return broken(err);
    if (status != 200)
        return rdl_err_set(err, RDL_EREMOTE, status >= 500 || status == 429 ? RDL_ERR_RETRY : 0,
                           "could not get an answer: the status of HTTP is %u", status);
    if (chunked)
        return chunks(s, out, err);
    if (has_length && s.n < length)
        return broken(err);
    rdl_buf_put(out, s.p, has_length ? length : s.n);
    return RDL_OK;
}
