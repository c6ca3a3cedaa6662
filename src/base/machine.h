/*
 * base/machine.h - how much of the machine is ours, and how much of it we use.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_MACHINE_H
#define RDL_BASE_MACHINE_H

#include <stdint.h>

unsigned rdl_cpu_count(void);       /* processors that this process may use; at least 1 */
uint64_t rdl_memory_total(void);    /* bytes of this machine, or of its control group */
uint64_t rdl_memory_resident(void); /* bytes of this process now */
uint64_t rdl_memory_anonymous(void); /* of them those that are no file's pages */
uint64_t rdl_memory_peak(void);     /* bytes of this process at the most so far */
double rdl_cpu_seconds(void);       /* user and system time of this process so far */
long rdl_process_id(void);

#endif
