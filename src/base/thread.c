/*
 * base/thread.c - POSIX threads, and the bounded queue.
 *
 * A queue is a ring under one lock.  After close, put is refused at once and get gives what
 * is left, then says that it is over.
 */
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct rdl_thread {
    pthread_t id;
    char name[16];
    void *(*fn)(void *);
    void *arg;
};

struct rdl_queue {
    rdl_mutex lock;
    rdl_cond not_empty, not_full;
    size_t bound;
    size_t head, n; /* under lock */
    bool closed;    /* under lock */
    void *items[];  /* under lock; a ring */
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

rdl_code rdl_thread_start(
    const char *name, void *(*fn)(void *), void *arg, rdl_thread **out, rdl_err *err)
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

rdl_code rdl_queue_new(size_t bound, rdl_queue **out, rdl_err *err)
{
    assert(bound > 0 && bound < SIZE_MAX / sizeof(void *) / 2);
    rdl_queue *q = malloc(sizeof *q + bound * sizeof(void *));
    if (q == NULL)
        return rdl_err_nomem(err);
    *q = (rdl_queue){.bound = bound};
    rdl_mutex_init(&q->lock);
    rdl_cond_init(&q->not_empty);
    rdl_cond_init(&q->not_full);
    *out = q;
    return RDL_OK;
}

void rdl_queue_free(rdl_queue *q)
{
    if (q == NULL)
        return;
    rdl_cond_fini(&q->not_empty);
    rdl_cond_fini(&q->not_full);
    rdl_mutex_fini(&q->lock);
    free(q);
}

bool rdl_queue_put(rdl_queue *q, void *item)
{
    rdl_mutex_lock(&q->lock);
    while (q->n == q->bound && !q->closed)
        rdl_cond_wait(&q->not_full, &q->lock);
    bool ok = !q->closed;
    if (ok) {
        q->items[(q->head + q->n++) % q->bound] = item;
        rdl_cond_signal(&q->not_empty);
    }
    rdl_mutex_unlock(&q->lock);
    return ok;
}

/* Under the lock; false when it is empty. */
static bool take(rdl_queue *q, void **out)
{
    if (q->n == 0)
        return false;
    *out = q->items[q->head];
    q->head = (q->head + 1) % q->bound;
    q->n--;
    rdl_cond_signal(&q->not_full);
    return true;
}

bool rdl_queue_get(rdl_queue *q, void **out)
{
    rdl_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed)
        rdl_cond_wait(&q->not_empty, &q->lock);
    bool ok = take(q, out);
    rdl_mutex_unlock(&q->lock);
    return ok;
}

bool rdl_queue_try_get(rdl_queue *q, void **out)
{
    rdl_mutex_lock(&q->lock);
    bool ok = take(q, out);
    rdl_mutex_unlock(&q->lock);
    return ok;
}

void rdl_queue_close(rdl_queue *q)
{
    rdl_mutex_lock(&q->lock);
    q->closed = true;
    rdl_cond_broadcast(&q->not_empty);
    rdl_cond_broadcast(&q->not_full);
    rdl_mutex_unlock(&q->lock);
}

size_t rdl_queue_len(rdl_queue *q)
{
    rdl_mutex_lock(&q->lock);
    size_t n = q->n;
    rdl_mutex_unlock(&q->lock);
    return n;
}
