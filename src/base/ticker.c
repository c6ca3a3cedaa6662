/*
 * base/ticker.c - something done again and again; see the header.
 */
#include "base/ticker.h"

#include <stdlib.h>

#include "base/thread.h"

struct rdl_ticker {
    void (*turn)(void *arg);
    void *arg;
    int64_t pause_ms;
    rdl_thread *thread;
    rdl_mutex lock;
    rdl_cond wake;
    bool stop; /* under lock */
};

static void *tick(void *arg)
{
    rdl_ticker *t = arg;
    rdl_mutex_lock(&t->lock);
    while (!t->stop) {
        rdl_mutex_unlock(&t->lock);
        t->turn(t->arg);
        rdl_mutex_lock(&t->lock);
        if (!t->stop)
            (void)rdl_cond_wait_ms(&t->wake, &t->lock, t->pause_ms);
    }
    rdl_mutex_unlock(&t->lock);
    return NULL;
}

rdl_code rdl_ticker_start(const char *name, int64_t pause_ms, void (*turn)(void *arg), void *arg,
                          rdl_ticker **out, rdl_err *err)
{
    rdl_ticker *t = malloc(sizeof *t);
    if (t == NULL)
        return rdl_err_nomem(err);
    *t = (rdl_ticker){.turn = turn, .arg = arg, .pause_ms = pause_ms};
    rdl_mutex_init(&t->lock);
    rdl_cond_init(&t->wake);
    rdl_code rc = rdl_thread_start(name, tick, t, &t->thread, err);
    if (rc == RDL_OK)
        *out = t;
    else
        rdl_ticker_stop(t);
    return rc;
}

void rdl_ticker_stop(rdl_ticker *t)
{
    if (t == NULL)
        return;
    rdl_mutex_lock(&t->lock);
    t->stop = true;
    rdl_cond_signal(&t->wake);
    rdl_mutex_unlock(&t->lock);
    (void)rdl_thread_join(t->thread);
    rdl_cond_fini(&t->wake);
    rdl_mutex_fini(&t->lock);
    free(t);
}
