/*
 * base/thread.c - POSIX threads, locks and conditions.
 */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { WAY_NICE = 5 }; /* each step is a tenth less; what is lower already stays */

struct rdl_thread {
    pthread_t id;
    char name[16];
    void *(*fn)(void *);
    void *arg;
};

/* A lock that cannot be used is a mistake of ours; to go on would race. */
static void must(int e)
{
    if (e != 0)
        abort();
}

static void *run(void *arg)
{
    rdl_thread *t = arg;
    (void)pthread_setname_np(pthread_self(), t->name);
    return t->fn(t->arg);
}

/* Signals meant for the process are the main thread's; those of a fault stay. */
static void block_signals(sigset_t *before)
{
    static const int keep[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof keep / sizeof keep[0]; i++)
        sigdelset(&set, keep[i]);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

rdl_code rdl_thread_start(const char *name, void *(*fn)(void *), void *arg, rdl_thread **out,
                          rdl_err *err)
{
    sigset_t before;
    rdl_thread *t = malloc(sizeof *t);
    if (t == NULL)
        return rdl_err_nomem(err);
    *t = (rdl_thread){.fn = fn, .arg = arg};
    memcpy(t->name, name, strnlen(name, sizeof t->name - 1));
    block_signals(&before);
    int e = pthread_create(&t->id, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e != 0) {
        free(t);
        (void)rdl_err_set(err, RDL_ELIMIT, 0, "could not start thread \"%s\": %s", name,
                          strerror(e));
        return rdl_err_hint(err, "Raise the limit of processes (ulimit -u).");
    }
    *out = t;
    return RDL_OK;
}

void *rdl_thread_join(rdl_thread *t)
{
    void *result = NULL;
    if (t == NULL)
        return NULL;
    must(pthread_join(t->id, &result));
    free(t);
    return result;
}

/* On Linux a priority is a thread's, and 0 is the calling one. */
void rdl_thread_give_way(void)
{
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0);
    if (errno == 0 && now < WAY_NICE)
        (void)setpriority(PRIO_PROCESS, 0, WAY_NICE);
}

void rdl_mutex_init(rdl_mutex *m)
{
    must(pthread_mutex_init(m, NULL));
}

void rdl_mutex_fini(rdl_mutex *m)
{
    must(pthread_mutex_destroy(m));
}

void rdl_mutex_lock(rdl_mutex *m)
{
    must(pthread_mutex_lock(m));
}

void rdl_mutex_unlock(rdl_mutex *m)
{
    must(pthread_mutex_unlock(m));
}

void rdl_cond_init(rdl_cond *c)
{
    pthread_condattr_t attr;
    must(pthread_condattr_init(&attr));
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    must(pthread_cond_init(c, &attr));
    must(pthread_condattr_destroy(&attr));
}

void rdl_cond_fini(rdl_cond *c)
{
    must(pthread_cond_destroy(c));
}

void rdl_cond_wait(rdl_cond *c, rdl_mutex *m)
{
    must(pthread_cond_wait(c, m));
}

bool rdl_cond_wait_ms(rdl_cond *c, rdl_mutex *m, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ms = ms > 0 ? ms : 0;
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int e = pthread_cond_timedwait(c, m, &until);
    must(e == ETIMEDOUT ? 0 : e);
    return e == 0;
}

void rdl_cond_signal(rdl_cond *c)
{
    must(pthread_cond_signal(c));
}

void rdl_cond_broadcast(rdl_cond *c)
{
    must(pthread_cond_broadcast(c));
}
