/*
 * base/channel.h - messages between two processes of one machine, over a socket with a file name.
 *
 * A message is a u32 length (this machine's byte order) and so many bytes; an answer follows a
 * request.  Who may write the socket's file may ask: it is made for its owner alone (0600).
 *
 * Calls block; what a peer sends or takes too slowly (RDL_CHANNEL_SLOW_S) is given up, the answer
 * itself may take as long as it does.  Thread: one at a time for a connection; accept is ended by
 * rdl_channel_shut from any other thread.
 */
#ifndef RDL_BASE_CHANNEL_H
#define RDL_BASE_CHANNEL_H

#include "base/str.h"

enum {
    RDL_CHANNEL_SLOW_S = 10,
    RDL_CHANNEL_MESSAGE_MAX = 16 << 20,
};

/* A file that is there is replaced: the caller knows that nobody listens on it any more. */
RDL_MUST rdl_code rdl_channel_listen(const char *path, int *out_fd, rdl_err *err);
bool rdl_channel_accept(int fd, int *out_fd); /* waits; false after shut */
void rdl_channel_shut(int fd);
/* -1: nobody listens there. */
int rdl_channel_connect(const char *path);
bool rdl_channel_send(int fd, rdl_str message);     /* false: the other side is gone */
bool rdl_channel_receive(int fd, rdl_buf *message); /* likewise, or it is too long */
/* The answer, however long it takes to come. */
bool rdl_channel_await(int fd, rdl_buf *message);
void rdl_channel_close(int fd); /* a negative one is fine */

#endif
