/*
 * base/socket.c - non-blocking TCP sockets and epoll; the contract is socket.h.
 *
 * A socket is watched level-triggered: what was not read at once is told of again.
 */
#include "base/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct rdl_poller {
    int fd;
};

enum { EVENTS_MAX = 64 };

bool rdl_address_eq(const rdl_address *a, const rdl_address *b)
{
    return a->n == b->n && a->port == b->port && memcmp(a->bytes, b->bytes, a->n) == 0;
}

void rdl_address_print(const rdl_address *a, char out[RDL_ADDRESS_TEXT_BYTES])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    (void)inet_ntop(a->n == 16 ? AF_INET6 : AF_INET, a->bytes, ip, sizeof ip);
    if (a->port == 0)
        snprintf(out, RDL_ADDRESS_TEXT_BYTES, "%s", ip);
    else
        snprintf(out, RDL_ADDRESS_TEXT_BYTES, a->n == 16 ? "[%s]:%u" : "%s:%u", ip, a->port);
}

bool rdl_address_parse(const char *text, uint16_t port, rdl_address *out)
{
    *out = (rdl_address){.port = port};
    if (inet_pton(AF_INET, text, out->bytes) == 1)
        out->n = 4;
    else if (inet_pton(AF_INET6, text, out->bytes) == 1)
        out->n = 16;
    return out->n != 0;
}

rdl_code rdl_address_resolve(const char *host, uint16_t port, rdl_address *out, size_t max,
                             size_t *out_n, rdl_err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    *out_n = 0;
    if (max > 0 && rdl_address_parse(host, port, out)) {
        *out_n = 1;
        return RDL_OK;
    }
    int rc = getaddrinfo(host, NULL, &hints, &list);
    if (rc != 0)
        return rdl_err_set(err, RDL_ENET, rc == EAI_AGAIN ? RDL_ERR_RETRY : 0,
                           "could not resolve host \"%s\": %s", host,
                           rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
    for (struct addrinfo *a = list; a != NULL && *out_n < max; a = a->ai_next) {
        rdl_address *to = &out[*out_n];
        *to = (rdl_address){.port = port};
        if (a->ai_family == AF_INET) {
            to->n = 4;
            memcpy(to->bytes, &((struct sockaddr_in *)(void *)a->ai_addr)->sin_addr, 4);
        } else if (a->ai_family == AF_INET6) {
            to->n = 16;
            memcpy(to->bytes, &((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr, 16);
        } else {
            continue;
        }
        (*out_n)++;
    }
    freeaddrinfo(list);
    if (*out_n == 0)
        return rdl_err_set(err, RDL_ENET, 0, "could not resolve host \"%s\": no address", host);
    return RDL_OK;
}

static rdl_io io_failed(rdl_err *err, const char *verb, int errnum)
{
    rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not %s: %s", verb, strerror(errnum));
    return RDL_IO_FAILED;
}

rdl_code rdl_socket_connect(const rdl_address *a, int *out_fd, rdl_err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    bool six = a->n == 16;
    const void *address = six ? (const void *)&v6 : (const void *)&v4;
    int on = 1, errnum = 0;
    char text[RDL_ADDRESS_TEXT_BYTES];
    memcpy(six ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr, a->bytes, six ? 16 : 4);
    *out_fd = -1;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        /* Requests are gathered before they are written; Nagle would only add a wait. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        if (connect(fd, address, six ? sizeof v6 : sizeof v4) == 0 || errno == EINPROGRESS) {
            *out_fd = fd;
            return RDL_OK;
        }
    }
    errnum = errno;
    if (fd >= 0)
        close(fd);
    rdl_address_print(a, text);
    return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not connect to %s: %s", text,
                       strerror(errnum));
}

rdl_io rdl_socket_connected(int fd, rdl_err *err)
{
    int errnum = 0;
    socklen_t n = sizeof errnum;
    struct sockaddr_storage peer;
    socklen_t peer_n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &n) != 0)
        errnum = errno;
    if (errnum != 0)
        return io_failed(err, "connect", errnum);
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_n) != 0)
        return errno == ENOTCONN ? RDL_IO_AGAIN : io_failed(err, "connect", errno);
    return RDL_IO_DONE;
}

void rdl_socket_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

rdl_io rdl_socket_read(int fd, void *p, size_t n, size_t *out_n, rdl_err *err)
{
    ssize_t got;
    do
        got = recv(fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    *out_n = got > 0 ? (size_t)got : 0;
    if (got > 0)
        return RDL_IO_DONE;
    if (got == 0)
        return RDL_IO_CLOSED;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return RDL_IO_AGAIN;
    return io_failed(err, "read from the connection", errno);
}

rdl_io rdl_socket_write(int fd, const void *p, size_t n, size_t *out_n, rdl_err *err)
{
    ssize_t put;
    do
        put = send(fd, p, n, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    *out_n = put > 0 ? (size_t)put : 0;
    if (put >= 0)
        return RDL_IO_DONE;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return RDL_IO_AGAIN;
    return io_failed(err, "write to the connection", errno);
}

rdl_code rdl_poller_new(rdl_poller **out, rdl_err *err)
{
    rdl_poller *p = calloc(1, sizeof *p);
    *out = NULL;
    if (p == NULL)
        return rdl_err_nomem(err);
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) {
        free(p);
        return rdl_err_set(err, RDL_EIO, 0, "could not create a poller: %s", strerror(errno));
    }
    *out = p;
    return RDL_OK;
}

void rdl_poller_free(rdl_poller *p)
{
    if (p != NULL)
        close(p->fd);
    free(p);
}

rdl_code rdl_poller_watch(rdl_poller *p, int fd, bool read, bool write, void *tag, rdl_err *err)
{
    struct epoll_event e = {.events = (read ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u),
                            .data.ptr = tag};
    if (epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &e) == 0 ||
        (errno == ENOENT && epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &e) == 0))
        return RDL_OK;
    return rdl_err_set(err, RDL_EIO, 0, "could not watch a socket: %s", strerror(errno));
}

void rdl_poller_forget(rdl_poller *p, int fd)
{
    (void)epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

rdl_code rdl_poller_wait(rdl_poller *p, int64_t timeout_ms, rdl_ready *out, size_t max,
                         size_t *out_n, rdl_err *err)
{
    struct epoll_event events[EVENTS_MAX];
    int limit = max < EVENTS_MAX ? (int)max : EVENTS_MAX, n;
    int wait = timeout_ms < 0 ? -1 : timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
    *out_n = 0;
    n = epoll_wait(p->fd, events, limit, wait);
    if (n < 0) {
        if (errno == EINTR)
            return RDL_OK;
        return rdl_err_set(err, RDL_EIO, 0, "could not wait for sockets: %s", strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        bool broken = (events[i].events & (EPOLLERR | EPOLLHUP)) != 0;
        out[i] = (rdl_ready){.tag = events[i].data.ptr,
                             .readable = broken || (events[i].events & EPOLLIN) != 0,
                             .writable = broken || (events[i].events & EPOLLOUT) != 0};
    }
    *out_n = (size_t)n;
    return RDL_OK;
}
