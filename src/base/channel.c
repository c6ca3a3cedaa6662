/*
 * base/channel.c - see the header.
 *
 * A socket's name holds 107 bytes, a path may be longer: the folder is opened, and the name given
 * as /proc/self/fd/N/name.
 */
#include "base/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/fs_error.h"

enum { BACKLOG = 8 };

/* The folder's descriptor, which must stay open while the address is used; -1: not there. */
static int name_socket(const char *path, struct sockaddr_un *out)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    int dir = open(rdl_path_dir(&a, path), O_PATH | O_DIRECTORY | O_CLOEXEC);
    rdl_arena_fini(&a);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/%s", dir,
                     rdl_path_base(path));
    if (dir >= 0 && (n < 0 || (size_t)n >= sizeof out->sun_path)) {
        close(dir);
        errno = ENAMETOOLONG;
        return -1;
    }
    return dir;
}

static rdl_code listen_on(int fd, const char *path, rdl_err *err)
{
    struct sockaddr_un name;
    int dir = name_socket(path, &name);
    if (dir < 0)
        return rdl_fs_fail(err, 0, "listen on", path, errno);
    if (unlink(path) != 0 && errno != ENOENT) {
        int e = errno;
        close(dir);
        return rdl_fs_fail(err, 0, "replace", path, e);
    }
    /* Before it is bound: the file is never there for others. */
    bool done = fchmod(fd, S_IRUSR | S_IWUSR) == 0 &&
                bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, BACKLOG) == 0;
    int e = errno;
    close(dir);
    return done ? RDL_OK : rdl_fs_fail(err, 0, "listen on", path, e);
}

rdl_code rdl_channel_listen(const char *path, int *out_fd, rdl_err *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rdl_fs_fail(err, 0, "listen on", path, errno);
    rdl_code rc = listen_on(fd, path, err);
    if (rc != RDL_OK)
        close(fd);
    else
        *out_fd = fd;
    return rc;
}

/* Neither side waits for ever for the other's bytes. */
static void set_patience(int fd, int seconds)
{
    const struct timeval t = {.tv_sec = seconds};
    (void)!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    (void)!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

bool rdl_channel_accept(int fd, int *out_fd)
{
    for (;;) {
        int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (got >= 0) {
            set_patience(got, RDL_CHANNEL_SLOW_S);
            *out_fd = got;
            return true;
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return false;
    }
}

void rdl_channel_shut(int fd)
{
    (void)!shutdown(fd, SHUT_RDWR);
}

int rdl_channel_connect(const char *path)
{
    struct sockaddr_un name;
    int dir = name_socket(path, &name);
    if (dir < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) != 0) {
        close(fd);
        fd = -1;
    }
    close(dir);
    if (fd >= 0)
        set_patience(fd, RDL_CHANNEL_SLOW_S);
    return fd;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t did = send(fd, p, n, MSG_NOSIGNAL);
        if (did < 0 && errno == EINTR)
            continue;
        if (did <= 0)
            return false;
        p += did;
        n -= (size_t)did;
    }
    return true;
}

static bool receive_all(int fd, char *p, size_t n)
{
    while (n > 0) {
        ssize_t did = recv(fd, p, n, 0);
        if (did < 0 && errno == EINTR)
            continue;
        if (did <= 0)
            return false;
        p += did;
        n -= (size_t)did;
    }
    return true;
}

bool rdl_channel_send(int fd, rdl_str message)
{
    uint32_t n = (uint32_t)message.n;
    return message.n <= RDL_CHANNEL_MESSAGE_MAX && send_all(fd, (const char *)&n, sizeof n) &&
           send_all(fd, message.p, message.n);
}

bool rdl_channel_receive(int fd, rdl_buf *message)
{
    uint32_t n;
    rdl_buf_clear(message);
    if (!receive_all(fd, (char *)&n, sizeof n) || n > RDL_CHANNEL_MESSAGE_MAX)
        return false;
    rdl_buf_reserve(message, n + 1);
    if (!receive_all(fd, message->p, n))
        return false;
    message->n = n;
    message->p[n] = '\0';
    return true;
}

bool rdl_channel_await(int fd, rdl_buf *message)
{
    set_patience(fd, 0); /* for ever: the end of the other process ends it */
    return rdl_channel_receive(fd, message);
}

void rdl_channel_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
