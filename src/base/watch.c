/*
 * base/watch.c - waiting for folders to change, by inotify.
 *
 * Where inotify cannot be had, or has no room for one more folder, waiting only times out:
 * callers look at their folders after each wait anyway.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/fs_error.h"

struct rdl_watch {
    int notify_fd; /* -1: none */
    int wake_fd;
};

rdl_code rdl_watch_new(rdl_watch **out, rdl_err *err)
{
    rdl_watch *w = malloc(sizeof *w);
    if (w == NULL)
        return rdl_err_nomem(err);
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0) {
        int e = errno;
        free(w);
        return rdl_err_set(err, RDL_EIO, 0, "could not create a wake-up event: %s", strerror(e));
    }
    w->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    *out = w;
    return RDL_OK;
}

rdl_code rdl_watch_add(rdl_watch *w, const char *dir, rdl_err *err)
{
    const uint32_t mask = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                          IN_DELETE | IN_ONLYDIR;
    if (w->notify_fd < 0 || inotify_add_watch(w->notify_fd, dir, mask) >= 0 || errno == ENOSPC)
        return RDL_OK;
    return rdl_fs_fail(err, 0, "watch", dir, errno);
}

static bool drain(int fd)
{
    char bytes[4096] __attribute__((aligned(8)));
    bool any = false;
    while (read(fd, bytes, sizeof bytes) > 0)
        any = true;
    return any;
}

bool rdl_watch_wait(rdl_watch *w, int timeout_ms)
{
    struct pollfd fds[] = {
        {.fd = w->wake_fd, .events = POLLIN},
        {.fd = w->notify_fd, .events = POLLIN}, /* -1 is passed over */
    };
    if (poll(fds, 2, timeout_ms) <= 0)
        return false;
    if ((fds[0].revents & POLLIN) != 0)
        (void)drain(w->wake_fd);
    return (fds[1].revents & POLLIN) != 0 && drain(w->notify_fd);
}

bool rdl_watch_pause(rdl_watch *w, int timeout_ms)
{
    struct pollfd woken = {.fd = w->wake_fd, .events = POLLIN};
    return poll(&woken, 1, timeout_ms) > 0 && drain(w->wake_fd);
}

void rdl_watch_wake(rdl_watch *w)
{
    uint64_t one = 1;
    int saved = errno; /* may run in a signal handler */
    (void)!write(w->wake_fd, &one, sizeof one);
    errno = saved;
}

void rdl_watch_free(rdl_watch *w)
{
    if (w == NULL)
        return;
    if (w->notify_fd >= 0)
        close(w->notify_fd);
    close(w->wake_fd);
    free(w);
}
