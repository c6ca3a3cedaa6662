/*
 * base/machine.c - how much of the machine is ours, and how much of it we use.
 *
 * A container sees the whole machine in /proc; its share is in the control group's files:
 * version 2 has <group>/memory.max and cpu.max in a single tree, version 1 has
 * memory/<group>/memory.limit_in_bytes and cpu/<group>/cpu.cfs_quota_us.  The limits of the
 * groups above hold too, so each one up to the root is read.
 */
#include "base/machine.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fs.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* A number of a small file of the kernel; false for "max", for none, and for no such file.
 */
static bool read_number(const char *path, uint64_t *out)
{
    rdl_buf text = {0};
    rdl_err ignored;
    bool ok = rdl_fs_read(path, 1 << 16, &text, &ignored) == RDL_OK && text.n > 0 &&
              sscanf(text.p, "%" SCNu64, out) == 1;
    rdl_buf_fini(&text);
    return ok;
}

/* The value of "<key>   <n> kB" in a file of /proc, in bytes; 0 if it is not there. */
static uint64_t proc_kilobytes(const char *path, const char *key)
{
    rdl_buf text = {0};
    rdl_err ignored;
    uint64_t kb = 0;
    const char *at = NULL;
    if (rdl_fs_read(path, 1 << 16, &text, &ignored) == RDL_OK)
        at = strstr(rdl_buf_str(&text), key);
    if (at != NULL && sscanf(at + strlen(key), "%" SCNu64, &kb) != 1)
        kb = 0;
    rdl_buf_fini(&text);
    return kb * 1024;
}

/*
 * The process's group from /proc/self/cgroup: lines of id:controllers:path, where version 2
 * has no controllers.  "" when it is not there.
 */
static void find_group(const char *controller, char out[PATH_MAX])
{
    rdl_buf text = {0};
    rdl_err ignored;
    out[0] = '\0';
    if (rdl_fs_read("/proc/self/cgroup", 1 << 16, &text, &ignored) != RDL_OK)
        goto out;
    for (char *line = text.p; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n'), *names = strchr(line, ':');
        if (end != NULL)
            *end++ = '\0';
        char *path = names != NULL ? strchr(names + 1, ':') : NULL;
        if (path != NULL) {
            *path++ = '\0';
            bool wanted =
                *controller == '\0' ? names[1] == '\0' : strstr(names + 1, controller) != NULL;
            if (wanted && strlen(path) < PATH_MAX) {
                memcpy(out, path, strlen(path) + 1);
                goto out;
            }
        }
        line = end;
    }
out:
    rdl_buf_fini(&text);
}

/* Call visit for <root>/<group>/ and each folder above it, down to <root>/. */
static void each_group(const char *root, const char *controller,
                       void (*visit)(const char *dir, uint64_t *least), uint64_t *least)
{
    char group[PATH_MAX], dir[PATH_MAX + 64];
    find_group(controller, group);
    for (;;) {
        snprintf(dir, sizeof dir, "%s%s", root, strcmp(group, "/") == 0 ? "" : group);
        visit(dir, least);
        char *slash = strrchr(group, '/');
        if (slash == NULL || group[0] == '\0')
            return;
        *slash = '\0';
    }
}

static void least_of(const char *dir, const char *file, uint64_t *least)
{
    char path[PATH_MAX + 128];
    uint64_t v;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (read_number(path, &v) && v > 0 && v < *least)
        *least = v;
}

static void visit_memory(const char *dir, uint64_t *least)
{
    least_of(dir, "memory.max", least);
    least_of(dir, "memory.limit_in_bytes", least);
}

uint64_t rdl_memory_total(void)
{
    uint64_t least = proc_kilobytes("/proc/meminfo", "MemTotal:");
    if (least == 0)
        least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    each_group(CGROUP_ROOT, "", visit_memory, &least);
    each_group(CGROUP_ROOT "/memory", "memory", visit_memory, &least);
    return least;
}

uint64_t rdl_memory_resident(void)
{
    return proc_kilobytes("/proc/self/status", "VmRSS:");
}

uint64_t rdl_memory_anonymous(void)
{
    return proc_kilobytes("/proc/self/status", "RssAnon:");
}

uint64_t rdl_memory_peak(void)
{
    struct rusage use;
    uint64_t peak = proc_kilobytes("/proc/self/status", "VmHWM:");
    if (peak == 0 && getrusage(RUSAGE_SELF, &use) == 0)
        peak = (uint64_t)use.ru_maxrss * 1024;
    return peak;
}

/* Whole processors that the quota of a group gives, rounded up. */
static void visit_cpu(const char *dir, uint64_t *least)
{
    char path[PATH_MAX + 128];
    rdl_buf text = {0};
    rdl_err ignored;
    uint64_t quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (rdl_fs_read(path, 1 << 12, &text, &ignored) == RDL_OK) {
        if (sscanf(rdl_buf_str(&text), "%" SCNu64 " %" SCNu64, &quota, &period) != 2)
            quota = 0;
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
        if (!read_number(path, &quota) || quota > INT64_MAX)
            quota = 0; /* -1: no bound */
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
        if (!read_number(path, &period))
            period = 0;
    }
    rdl_buf_fini(&text);
    if (quota > 0 && period > 0 && (quota + period - 1) / period < *least)
        *least = (quota + period - 1) / period;
}

unsigned rdl_cpu_count(void)
{
    cpu_set_t set;
    uint64_t n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = (uint64_t)CPU_COUNT(&set);
    else if (sysconf(_SC_NPROCESSORS_ONLN) > 0)
        n = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    each_group(CGROUP_ROOT, "", visit_cpu, &n);
    each_group(CGROUP_ROOT "/cpu", "cpu", visit_cpu, &n);
    return n > 0 ? (unsigned)n : 1;
}

long rdl_process_id(void)
{
    return (long)getpid();
}

double rdl_cpu_seconds(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0)
        return 0;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}
