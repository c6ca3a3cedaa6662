/*
 * base/thread.h - threads, locks, and waiting for what another thread does.
 *
 * Calls on a lock or condition that the system refuses end the process: they are our mistake.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_THREAD_H
#define RDL_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct rdl_thread rdl_thread;
/* name shows in ps and gdb (15 bytes).  fn's return value is given by join. */
RDL_MUST rdl_code rdl_thread_start(const char *name, void *(*fn)(void *), void *arg,
                                   rdl_thread **out, rdl_err *err);
void *rdl_thread_join(rdl_thread *t); /* frees it; NULL gives NULL */
/* The calling thread has time: where processors are short it gets a third of another thread's share. */
void rdl_thread_give_way(void);

typedef pthread_mutex_t rdl_mutex;
typedef pthread_cond_t rdl_cond; /* on the monotonic clock */
void rdl_mutex_init(rdl_mutex *m);
void rdl_mutex_fini(rdl_mutex *m);
void rdl_mutex_lock(rdl_mutex *m);
void rdl_mutex_unlock(rdl_mutex *m);
void rdl_cond_init(rdl_cond *c);
void rdl_cond_fini(rdl_cond *c);
void rdl_cond_wait(rdl_cond *c, rdl_mutex *m);
bool rdl_cond_wait_ms(rdl_cond *c, rdl_mutex *m, int64_t ms); /* false at the timeout */
void rdl_cond_signal(rdl_cond *c);
void rdl_cond_broadcast(rdl_cond *c);

#endif
