/*
 * base/thread.h - threads, locks, and the bounded queue that everything shared goes through.
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

/* Pointers, first in first out, at most `bound` of them. */
typedef struct rdl_queue rdl_queue;
RDL_MUST rdl_code rdl_queue_new(size_t bound, rdl_queue **out, rdl_err *err);
void rdl_queue_free(rdl_queue *q); /* items left are the caller's */
bool rdl_queue_put(rdl_queue *q, void *item); /* waits for room; false when closed */
bool rdl_queue_get(rdl_queue *q, void **out); /* waits; false when closed and empty */
bool rdl_queue_try_get(rdl_queue *q, void **out);
void rdl_queue_close(rdl_queue *q);
size_t rdl_queue_len(rdl_queue *q);

unsigned rdl_cpu_count(void);
uint64_t rdl_memory_total(void);    /* bytes of this machine, or of its control group */
uint64_t rdl_memory_resident(void); /* bytes of this process now */
uint64_t rdl_memory_peak(void);
long rdl_process_id(void);
double rdl_cpu_seconds(void); /* user + system of this process */

#endif
