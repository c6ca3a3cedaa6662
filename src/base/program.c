/*
 * base/program.c - starting a program, waiting for it, ending it with all that it started.
 */
#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

extern char **environ;

enum {
    WAIT_MIN_US = 500,
    WAIT_MAX_US = 20 * 1000,
};

/* Ours, then the program's own: the later of two wins in sh. */
static char **environment(const char *const *own)
{
    size_t n = 0, m = 0;
    while (environ[n] != NULL)
        n++;
    while (own != NULL && own[m] != NULL)
        m++;
    char **all = calloc(n + m + 1, sizeof *all);
    size_t k = 0;
    for (size_t i = 0; all != NULL && i < n; i++) {
        bool hidden = false;
        const char *eq = strchr(environ[i], '=');
        for (size_t j = 0; eq != NULL && j < m; j++)
            hidden |= strncmp(environ[i], own[j], (size_t)(eq - environ[i]) + 1) == 0;
        if (!hidden)
            all[k++] = environ[i];
    }
    for (size_t j = 0; all != NULL && j < m; j++)
        all[k++] = (char *)(uintptr_t)own[j];
    return all;
}

static int add_files(const rdl_program *p, posix_spawn_file_actions_t *a)
{
    const char *null = "/dev/null";
    int rc = posix_spawn_file_actions_addchdir_np(a, p->dir);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(a, 0, p->in != NULL ? p->in : null, O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(a, 1, p->out != NULL ? p->out : null,
                                              O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(a, 2, p->errs != NULL ? p->errs : null,
                                              O_WRONLY | O_CREAT | O_TRUNC, 0644);
    return rc == 0 ? posix_spawn_file_actions_addclosefrom_np(a, 3) : rc;
}

static int add_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                POSIX_SPAWN_SETSIGDEF);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attr, 0);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(attr, &none);
    return rc == 0 ? posix_spawnattr_setsigdefault(attr, &all) : rc;
}

static int start(const rdl_program *p, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                          (char *)(uintptr_t)p->command, NULL};
    char **env = environment(p->env);
    if (env == NULL)
        return ENOMEM;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int rc = add_files(p, &files);
    if (rc == 0)
        rc = add_attributes(&attr);
    if (rc == 0)
        rc = posix_spawn(pid, "/bin/sh", &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    free(env);
    return rc;
}

rdl_code rdl_program_run(const rdl_program *p, rdl_program_end *out, rdl_err *err)
{
    pid_t pid = 0;
    int status = 0, pause_us = WAIT_MIN_US;
    int64_t began = rdl_monotonic_us();
    *out = (rdl_program_end){0};
    int rc = start(p, &pid);
    if (rc != 0)
        return rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not start \"%s\" in \"%s\": %s",
                           p->command, p->dir, strerror(rc));
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            break;
        bool late = p->timeout_us > 0 && rdl_monotonic_us() - began >= p->timeout_us;
        bool told = p->stop != NULL && *p->stop != 0;
        if ((late || told) && !out->timed_out && !out->stopped) {
            out->timed_out = late;
            out->stopped = !late;
            kill(-pid, SIGKILL);
        }
        rdl_sleep_us(pause_us);
        pause_us = pause_us * 2 < WAIT_MAX_US ? pause_us * 2 : WAIT_MAX_US;
    }
    /* What it started and left behind goes too. */
    kill(-pid, SIGKILL);
    out->seconds = (double)(rdl_monotonic_us() - began) / 1e6;
    out->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    out->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return RDL_OK;
}

void rdl_program_print_end(const rdl_program *p, const rdl_program_end *e, char *out, size_t n)
{
    rdl_buf limit = {0};
    if (e->timed_out) {
        rdl_interval_print(p->timeout_us, &limit);
        snprintf(out, n, "it ran longer than its limit of %s", rdl_buf_str(&limit));
    } else if (e->stopped) {
        snprintf(out, n, "it was stopped");
    } else if (e->signal != 0) {
        snprintf(out, n, "signal %d ended it", e->signal);
    } else {
        snprintf(out, n, "exit status %d", e->status);
    }
    rdl_buf_fini(&limit);
}
