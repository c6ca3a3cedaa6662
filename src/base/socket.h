/*
 * base/socket.h - non-blocking TCP, and one wait for many sockets (epoll).
 *
 * No call here blocks except resolve (the system's resolver) and wait.  A read or write says
 * what it did by rdl_io; on FAILED err is filled and the socket is of no more use.
 *
 * Thread: one at a time for a socket and for a poller.
 */
#ifndef RDL_BASE_SOCKET_H
#define RDL_BASE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum rdl_io {
    RDL_IO_DONE,   /* some bytes went, or the step is made */
    RDL_IO_AGAIN,  /* not now; wait for the socket */
    RDL_IO_CLOSED, /* the peer ended the stream in order */
    RDL_IO_FAILED, /* err says why */
} rdl_io;

/* An address and port, IPv4 or IPv6, as bytes in network order. */
typedef struct rdl_address {
    uint8_t bytes[16];
    uint8_t n; /* 4 or 16 */
    uint16_t port;
} rdl_address;

enum { RDL_ADDRESS_TEXT_BYTES = 64 };
bool rdl_address_eq(const rdl_address *a, const rdl_address *b); /* the port too */
/* "127.0.0.1:9042", "[::1]:9042"; without the port where port is 0. */
void rdl_address_print(const rdl_address *a, char out[RDL_ADDRESS_TEXT_BYTES]);
bool rdl_address_parse(const char *text, uint16_t port, rdl_address *out); /* numbers only */
/* At most max addresses of a host name or number; blocks as the system's resolver does. */
RDL_MUST rdl_code rdl_address_resolve(const char *host, uint16_t port, rdl_address *out, size_t max,
                                      size_t *out_n, rdl_err *err);

/* Begins to connect; wait for the socket to be writable, then ask connected. */
RDL_MUST rdl_code rdl_socket_connect(const rdl_address *a, int *out_fd, rdl_err *err);
rdl_io rdl_socket_connected(int fd, rdl_err *err);
void rdl_socket_close(int fd); /* a negative one is fine */
rdl_io rdl_socket_read(int fd, void *p, size_t n, size_t *out_n, rdl_err *err);
rdl_io rdl_socket_write(int fd, const void *p, size_t n, size_t *out_n, rdl_err *err);

typedef struct rdl_poller rdl_poller;
typedef struct rdl_ready {
    void *tag;
    bool readable, writable; /* an error or hang-up makes both true */
} rdl_ready;
RDL_MUST rdl_code rdl_poller_new(rdl_poller **out, rdl_err *err);
void rdl_poller_free(rdl_poller *p); /* NULL is fine */
/* Watch a socket or change what is watched; both false keep it only for errors. */
RDL_MUST rdl_code rdl_poller_watch(rdl_poller *p, int fd, bool read, bool write, void *tag,
                                   rdl_err *err);
void rdl_poller_forget(rdl_poller *p, int fd); /* before it is closed */
/* At most max sockets that are ready, after at most timeout_ms (0: look, < 0: for ever). */
RDL_MUST rdl_code rdl_poller_wait(rdl_poller *p, int64_t timeout_ms, rdl_ready *out, size_t max,
                                  size_t *out_n, rdl_err *err);

#endif
