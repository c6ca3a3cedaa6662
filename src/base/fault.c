/*
 * base/fault.c - arming, counting and firing of fault points.
 *
 * At most ARMS_MAX arms; each counts the passes through its point by itself, so that
 * "fs.write:1:EIO,fs.write:4:kill" means the first and the fourth.  An arm fires once.
 */
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ARMS_MAX = 16,
    ACTION_STALL = -3,
    STALL_MS_MAX = 600000,
};

typedef struct arm {
    rdl_fault point;
    unsigned nth;
    int action; /* RDL_FAULT_KILL, RDL_FAULT_TORN, ACTION_STALL or an errno */
    int stall_ms;
    atomic_uint passes;
} arm;

static const char *const names[] = {
#define FAULT_NAME(id, name) name,
    RDL_FAULT_LIST(FAULT_NAME)
#undef FAULT_NAME
};

static const struct {
    const char *name;
    int value;
} errnos[] = {
    {"EACCES", EACCES},
    {"EAGAIN", EAGAIN},
    {"EBADF", EBADF},
    {"EBUSY", EBUSY},
    {"ECONNREFUSED", ECONNREFUSED},
    {"ECONNRESET", ECONNRESET},
    {"EDQUOT", EDQUOT},
    {"EEXIST", EEXIST},
    {"EFBIG", EFBIG},
    {"EINTR", EINTR},
    {"EINVAL", EINVAL},
    {"EIO", EIO},
    {"EISDIR", EISDIR},
    {"EMFILE", EMFILE},
    {"ENFILE", ENFILE},
    {"ENOENT", ENOENT},
    {"ENOMEM", ENOMEM},
    {"ENOSPC", ENOSPC},
    {"ENOTDIR", ENOTDIR},
    {"EPERM", EPERM},
    {"EPIPE", EPIPE},
    {"EROFS", EROFS},
    {"ESTALE", ESTALE},
    {"ETIMEDOUT", ETIMEDOUT},
};

static arm arms[ARMS_MAX]; /* written before threads start, or by a test between runs */
static unsigned arm_count;
static atomic_bool fired;

bool rdl_fault_any;
void (*rdl_fault_kill_hook)(rdl_fault point);

/* There only in a coverage build; a killed process would write no counters otherwise. */
extern void __gcov_dump(void) __attribute__((weak));

int rdl_fault_kill(rdl_fault point)
{
    if (rdl_fault_kill_hook != NULL) {
        rdl_fault_kill_hook(point);
        return EINTR;
    }
    if (__gcov_dump != NULL)
        __gcov_dump();
    raise(SIGKILL);
    return EINTR;
}

static void stall(int ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

int rdl_fault_hit(rdl_fault point)
{
    int result = 0;
    for (unsigned i = 0; i < arm_count; i++) {
        arm *a = &arms[i];
        if (a->point != point || atomic_fetch_add(&a->passes, 1) + 1 != a->nth)
            continue;
        atomic_store(&fired, true);
        if (a->action == RDL_FAULT_KILL)
            return rdl_fault_kill(point);
        if (a->action == ACTION_STALL)
            stall(a->stall_ms);
        else
            result = a->action;
    }
    return result;
}

static bool add(rdl_fault point, unsigned nth, int action, int stall_ms)
{
    if (arm_count == ARMS_MAX)
        return false;
    arm *a = &arms[arm_count++];
    a->point = point;
    a->nth = nth;
    a->action = action;
    a->stall_ms = stall_ms;
    atomic_store(&a->passes, 0);
    rdl_fault_any = true;
    return true;
}

void rdl_fault_arm(rdl_fault point, unsigned nth, int action)
{
    atomic_store(&fired, false);
    (void)add(point, nth, action, 0);
}

void rdl_fault_disarm(void)
{
    arm_count = 0;
    rdl_fault_any = false;
    atomic_store(&fired, false);
}

bool rdl_fault_fired(void)
{
    return atomic_load(&fired);
}

const char *rdl_fault_name(rdl_fault point)
{
    return point < RDL_FAULT_COUNT ? names[point] : "unknown";
}

static bool number(const char *p, size_t n, unsigned max, unsigned *out)
{
    unsigned v = 0;
    if (n == 0 || n > 9)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    *out = v;
    return v <= max;
}

static bool is(const char *p, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(p, word, n) == 0;
}

static bool find_action(const char *p, size_t n, int *out, unsigned *stall_ms)
{
    if (is(p, n, "kill")) {
        *out = RDL_FAULT_KILL;
        return true;
    }
    if (is(p, n, "torn")) {
        *out = RDL_FAULT_TORN;
        return true;
    }
    if (n > 6 && memcmp(p, "stall:", 6) == 0) {
        *out = ACTION_STALL;
        return number(p + 6, n - 6, STALL_MS_MAX, stall_ms);
    }
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++) {
        if (is(p, n, errnos[i].name)) {
            *out = errnos[i].value;
            return true;
        }
    }
    return false;
}

/* One "<name>:<nth>:<action>"; NULL, or what is wrong with it. */
static const char *arm_one(const char *p, size_t n)
{
    const char *colon = memchr(p, ':', n);
    if (colon == NULL)
        return "expected name:nth:action";
    size_t name_n = (size_t)(colon - p);
    const char *nth_p = colon + 1;
    size_t left = n - name_n - 1;
    colon = memchr(nth_p, ':', left);
    if (colon == NULL)
        return "expected name:nth:action";
    size_t nth_n = (size_t)(colon - nth_p);
    unsigned nth = 0, stall_ms = 0;
    int action = 0, point = 0;
    while (point < RDL_FAULT_COUNT && !is(p, name_n, names[point]))
        point++;
    if (point == RDL_FAULT_COUNT)
        return "there is no such fault point";
    if (!number(nth_p, nth_n, 1000000000u, &nth) || nth == 0)
        return "the occurrence must be a number from 1";
    if (!find_action(colon + 1, left - nth_n - 1, &action, &stall_ms))
        return "the action must be kill, torn, stall:<ms> or an errno such as EIO";
    return add((rdl_fault)point, nth, action, (int)stall_ms) ? NULL : "too many faults";
}

bool rdl_fault_arm_from_env(char *msg, unsigned msg_bytes)
{
    const char *p = getenv("RDL_FAULT");
    if (p == NULL)
        return true;
    while (*p != '\0') {
        size_t n = strcspn(p, ",");
        const char *wrong = n > 0 ? arm_one(p, n) : NULL;
        if (wrong != NULL) {
            rdl_fault_disarm();
            snprintf(msg, msg_bytes, "could not understand RDL_FAULT \"%.*s\": %s",
                     n > 80 ? 80 : (int)n, p, wrong);
            return false;
        }
        p += n + (p[n] == ',');
    }
    return true;
}
