/*
 * base/log.c - lines on stderr, each written by one call so that threads do not mix.
 *
 * Events at warn and error are counted by (module, event); the table holds EVENTS_MAX of
 * them and passes over more.  Repeated failures are known by their module, event and text
 * in a table of REPEATS_MAX places where a new one takes the place of the old.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/thread.h"

enum {
    EVENTS_MAX = 256,
    REPEATS_MAX = 64,
    NAME_BYTES = 48,
};

static rdl_log_level level_max = RDL_LOG_WARN; /* set before threads */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char module[NAME_BYTES], event[NAME_BYTES];
    uint64_t n;
} events[EVENTS_MAX]; /* under lock */
static size_t event_count;
static struct {
    uint64_t hash, n;
} repeats[REPEATS_MAX]; /* under lock */

static const char *const levels[] = {"error", "warn", "info", "debug"};

void rdl_log_set_level(rdl_log_level level)
{
    level_max = level;
}

bool rdl_log_level_parse(const char *name, rdl_log_level *out)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (rdl_str_eq_nocase(rdl_str_of(name), rdl_str_of(levels[i]))) {
            *out = (rdl_log_level)i;
            return true;
        }
    }
    return false;
}

static void copy_name(char to[NAME_BYTES], const char *from)
{
    size_t n = strnlen(from, NAME_BYTES - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

static void count(rdl_log_level level, const char *module, const char *event)
{
    size_t i = 0;
    if (level > RDL_LOG_WARN)
        return;
    rdl_mutex_lock(&lock);
    while (i < event_count && (strncmp(events[i].module, module, NAME_BYTES - 1) != 0 ||
                               strncmp(events[i].event, event, NAME_BYTES - 1) != 0))
        i++;
    if (i == event_count && event_count < EVENTS_MAX) {
        copy_name(events[i].module, module);
        copy_name(events[i].event, event);
        event_count++;
    }
    if (i < event_count)
        events[i].n++;
    rdl_mutex_unlock(&lock);
}

static void begin(rdl_buf *line, rdl_log_level level, const char *module, const char *event)
{
    rdl_timestamp_print_iso(rdl_now_us(&rdl_clock_system), line);
    rdl_buf_printf(line, " %s %s %s", levels[level], module, event);
}

/* A line break inside would look like another event. */
static void finish(rdl_buf *line)
{
    for (size_t i = 0; i < line->n; i++) {
        if (line->p[i] == '\n' || line->p[i] == '\r')
            line->p[i] = ' ';
    }
    rdl_buf_putc(line, '\n');
    size_t done = 0;
    while (done < line->n) {
        ssize_t n = write(STDERR_FILENO, line->p + done, line->n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* nobody reads: there is nowhere to say so */
        done += (size_t)n;
    }
    rdl_buf_fini(line);
}

void rdl_log(rdl_log_level level, const char *module, const char *event, const char *fmt, ...)
{
    char small[512];
    rdl_buf line = {0};
    va_list ap, again;
    count(level, module, event);
    if (level > level_max)
        return;
    begin(&line, level, module, event);
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n > 0) {
        rdl_buf_putc(&line, ' ');
        rdl_buf_reserve(&line, (size_t)n);
        vsnprintf(line.p + line.n, (size_t)n + 1, fmt, again);
        line.n += (size_t)n;
    }
    va_end(again);
    finish(&line);
}

/* How often this failure has been seen, with this time. */
static uint64_t seen(const char *module, const char *event, const char *msg)
{
    rdl_buf key = {0};
    rdl_buf_printf(&key, "%s %s %s", module, event, msg);
    uint64_t hash = rdl_hash64(key.p, key.n), n;
    rdl_buf_fini(&key);
    rdl_mutex_lock(&lock);
    size_t i = hash % REPEATS_MAX;
    if (repeats[i].hash != hash) {
        repeats[i].hash = hash;
        repeats[i].n = 0;
    }
    n = ++repeats[i].n;
    rdl_mutex_unlock(&lock);
    return n;
}

void rdl_log_err(rdl_log_level level, const char *module, const char *event, const rdl_err *err)
{
    rdl_buf line = {0};
    count(level, module, event);
    uint64_t n = seen(module, event, err->msg);
    if (level > level_max || (n & (n - 1)) != 0)
        return;
    begin(&line, level, module, event);
    rdl_buf_printf(&line, " code=%s", rdl_code_name(err->code));
    if (err->sqlstate[0] != '\0')
        rdl_buf_printf(&line, " sqlstate=%s", err->sqlstate);
    if (n > 1)
        rdl_buf_printf(&line, " times=%" PRIu64, n);
    if (err->path[0] != '\0') {
        rdl_buf_puts(&line, " in=");
        rdl_buf_put_json_text(&line, rdl_str_of(err->path));
    }
    rdl_buf_puts(&line, " message=");
    rdl_buf_put_json_text(&line, rdl_str_of(err->msg));
    if (err->hint[0] != '\0') {
        rdl_buf_puts(&line, " hint=");
        rdl_buf_put_json_text(&line, rdl_str_of(err->hint));
    }
    finish(&line);
}

/* The names outlive the call: entries are never removed. */
void rdl_log_counts(rdl_log_count_visitor visit, void *arg)
{
    for (size_t i = 0;; i++) {
        rdl_mutex_lock(&lock);
        bool there = i < event_count;
        uint64_t n = there ? events[i].n : 0;
        rdl_mutex_unlock(&lock);
        if (!there)
            return;
        visit(arg, events[i].module, events[i].event, n);
    }
}
