/*
 * base/process.c - forking, talking to and ending a child process.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct rdl_child {
    pid_t pid;
    rdl_pipe pipe;
};

bool rdl_pipe_send(const rdl_pipe *p, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t k = write(p->out, at, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

bool rdl_pipe_receive(const rdl_pipe *p, void *bytes, size_t n)
{
    char *at = bytes;
    while (n > 0) {
        ssize_t k = read(p->in, at, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

rdl_code rdl_child_start(int (*serve)(void *arg, const rdl_pipe *pipe), void *arg, rdl_child **out,
                         rdl_err *err)
{
    int down[2], up[2]; /* to the child, from it */
    rdl_child *c = calloc(1, sizeof *c);
    *out = NULL;
    if (c == NULL)
        return rdl_err_nomem(err);
    if (pipe2(down, O_CLOEXEC) != 0) {
        free(c);
        return rdl_err_set(err, RDL_EIO, 0, "could not make a pipe: %s", strerror(errno));
    }
    if (pipe2(up, O_CLOEXEC) != 0) {
        close_both(down);
        free(c);
        return rdl_err_set(err, RDL_EIO, 0, "could not make a pipe: %s", strerror(errno));
    }
    fflush(NULL);
    c->pid = fork();
    if (c->pid == 0) {
        const rdl_pipe mine = {.in = down[0], .out = up[1]};
        close(down[1]);
        close(up[0]);
        _exit(serve(arg, &mine));
    }
    close(down[0]);
    close(up[1]);
    c->pipe = (rdl_pipe){.in = up[0], .out = down[1]};
    if (c->pid < 0) {
        close(up[0]);
        close(down[1]);
        free(c);
        return rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not start a process: %s",
                           strerror(errno));
    }
    signal(SIGPIPE, SIG_IGN); /* a child that died is told by send */
    *out = c;
    return RDL_OK;
}

const rdl_pipe *rdl_child_pipe(const rdl_child *c)
{
    return &c->pipe;
}

void rdl_child_kill(rdl_child *c)
{
    kill(c->pid, SIGKILL);
}

int rdl_child_stop(rdl_child *c)
{
    int status = 0;
    if (c == NULL)
        return 0;
    close(c->pipe.out);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(c->pipe.in);
    free(c);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}
