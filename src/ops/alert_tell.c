/*
 * ops/alert_tell.c - alerts in words, and their delivery; see alert.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "ops/alert_internal.h"
#include "stream/cut.h"

#define RETRY_MIN_US INT64_C(1000000)
#define RETRY_MAX_US (INT64_C(600) * 1000000)
#define GIVE_UP_US (INT64_C(86400) * 1000000)

#define SLOW_US (INT64_C(3) * 1000000)

/* ---- words ---- */

void rdl_alert_message(rdl_found *f, const rdl_alert *alert)
{
    if (alert->truth)
        rdl_buf_puts(&f->message, "its condition is true");
    else if (f->rows == 1)
        rdl_buf_put(&f->message, f->text.p + 2, f->text.n - 3); /* without indent and line end */
    else
        rdl_buf_printf(&f->message, "%" PRIu64 " rows fit its condition", f->rows);
}

static const char *event_words(const char *event)
{
    if (strcmp(event, "still") == 0)
        return "is still active";
    if (strcmp(event, "cleared") == 0)
        return "is over";
    return strcmp(event, "failing") == 0 ? "cannot be evaluated" : "is active";
}

static const char *subject_of(rdl_arena *a, const rdl_pipeline *p, const rdl_alert *alert,
                              const char *event)
{
    static const char *const marks[] = {"info", "WARNING", "CRITICAL"};
    return rdl_arena_printf(a, "[%s] %s: %s %s", marks[alert->severity], p->name, alert->name.p,
                            event_words(event));
}

static void put_text(rdl_buf *b, rdl_reader *r, const rdl_alert *alert,
                     const rdl_catalog_alert *last, const char *event, const rdl_found *f,
                     int64_t now_us)
{
    bool cleared = strcmp(event, "cleared") == 0;
    if (!cleared)
        rdl_buf_printf(b, "%s\n\n", rdl_buf_str(&f->message));
    if (alert->comment.n > 0)
        rdl_buf_printf(b, "%.*s\n\n", (int)alert->comment.n, alert->comment.p);
    if (f->text.n > 0)
        rdl_buf_printf(b, "%s", rdl_buf_str(&f->text));
    if (f->rows > RDL_ALERT_ROWS_TOLD)
        rdl_buf_printf(b, "  and %" PRIu64 " more rows\n", f->rows - RDL_ALERT_ROWS_TOLD);
    rdl_buf_puts(b, f->text.n > 0 ? "\n" : "");
    rdl_buf_puts(b, "time      ");
    rdl_timestamp_print_iso(now_us, b);
    if (last->since_us != INT64_MIN && (cleared || strcmp(event, "still") == 0)) {
        rdl_buf_puts(b, cleared ? "\nwas since " : "\nsince     ");
        rdl_timestamp_print_iso(last->since_us, b);
    }
    rdl_buf_printf(b, "\nepoch     %" PRIu64 "\npipeline  %s\nroot      %s\n",
                   rdl_reader_cut(r)->epoch, rdl_reader_pipeline(r)->dir, rdl_reader_root(r));
}

static void put_field(rdl_buf *b, const char *name, rdl_str value)
{
    rdl_buf_printf(b, ", \"%s\": ", name);
    rdl_buf_put_json_text(b, value.p != NULL ? value : (rdl_str){"", 0});
}

static void put_json(rdl_buf *b, rdl_reader *r, const rdl_alert *alert, const char *event,
                     const char *subject, const rdl_found *f, int64_t now_us)
{
    rdl_buf text = {0};
    rdl_buf_puts(b, "{\"alert\": ");
    rdl_buf_put_json_text(b, alert->name);
    put_field(b, "event", rdl_str_of(event));
    put_field(b, "severity", rdl_str_of(rdl_alert_severity_name(alert->severity)));
    put_field(b, "pipeline", rdl_str_of(rdl_reader_pipeline(r)->name));
    put_field(b, "message", (rdl_str){rdl_buf_str(&f->message), f->message.n});
    put_field(b, "comment", alert->comment);
    rdl_timestamp_print_iso(now_us, &text);
    put_field(b, "at", (rdl_str){rdl_buf_str(&text), text.n});
    rdl_buf_printf(b, ", \"epoch\": %" PRIu64 ", \"row_count\": %" PRIu64 ", \"rows\": [%s]",
                   rdl_reader_cut(r)->epoch, f->rows, rdl_buf_str(&f->json));
    /* What chat systems show of a hook's body. */
    rdl_buf_clear(&text);
    rdl_buf_printf(&text, "%s%s%s", subject, f->message.n > 0 ? "\n" : "",
                   rdl_buf_str(&f->message));
    put_field(b, "text", (rdl_str){rdl_buf_str(&text), text.n});
    rdl_buf_putc(b, '}');
    rdl_buf_fini(&text);
}

void rdl_alert_tellings(rdl_arena *a, rdl_reader *r, const rdl_alert *alert,
                        const rdl_catalog_alert *last, const char *event, const rdl_found *found,
                        int64_t now_us, rdl_catalog_notice *out)
{
    rdl_buf text = {0}, json = {0};
    const char *subject = subject_of(a, rdl_reader_pipeline(r), alert, event);
    put_text(&text, r, alert, last, event, found, now_us);
    put_json(&json, r, alert, event, subject, found, now_us);
    for (size_t i = 0; i < alert->target_count; i++)
        out[i] = (rdl_catalog_notice){.alert = alert->name.p,
                                      .event = event,
                                      .target = i,
                                      .shown = rdl_notify_shown(a, alert->targets[i].to),
                                      .subject = subject,
                                      .text = rdl_arena_strdup(a, rdl_buf_str(&text)),
                                      .json = rdl_arena_strdup(a, rdl_buf_str(&json))};
    rdl_buf_fini(&text);
    rdl_buf_fini(&json);
}

/* ---- delivery ---- */

static const rdl_alert *find_alert(const rdl_pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->alert_count; i++)
        if (rdl_str_eq(p->alerts[i]->name, rdl_str_of(name)))
            return p->alerts[i];
    return NULL;
}

static int64_t next_try(const rdl_catalog_notice *n, int64_t now_us)
{
    int64_t pause = RETRY_MIN_US;
    for (uint64_t i = 1; i < n->attempts && pause < RETRY_MAX_US; i++)
        pause *= 2;
    pause = pause < RETRY_MAX_US ? pause : RETRY_MAX_US;
    return now_us + pause - n->created_us > GIVE_UP_US ? INT64_MAX : now_us + pause;
}

static rdl_code send_one(rdl_arena *a, const rdl_pipeline *p, const rdl_notify_config *config,
                         const char *uuid, const rdl_catalog_notice *n, rdl_err *err)
{
    const rdl_alert *alert = find_alert(p, n->alert);
    if (alert == NULL || n->target >= alert->target_count)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "could not tell %s: the pipeline's text does not name it any more",
                           n->shown);
    const rdl_message m = {.identity = rdl_arena_printf(a, "%s-%" PRId64, uuid, n->id),
                           .alert = n->alert,
                           .event = n->event,
                           .severity = rdl_alert_severity_name(alert->severity),
                           .subject = n->subject,
                           .text = n->text,
                           .json = n->json,
                           .at_us = n->created_us};
    return rdl_notify(config, alert->targets[n->target].to, &m, err);
}

static rdl_code tell_one(rdl_catalog *c, rdl_arena *a, const rdl_pipeline *p,
                         const rdl_notify_config *config, const char *uuid, unsigned tries,
                         const rdl_catalog_notice *n, bool *failed, rdl_alerts_result *out,
                         rdl_err *err)
{
    rdl_err why = {0};
    rdl_code rc = RDL_ENET;
    int64_t began = rdl_monotonic_us();
    for (unsigned i = 0; i < tries && rc != RDL_OK; i++) {
        if (i > 0)
            rdl_sleep_ms(100 << i);
        rc = send_one(a, p, config, uuid, n, &why);
        /* Who does not answer is not waited for again at once. */
        if (rc == RDL_EUSAGE || rc == RDL_ESTOP || rdl_monotonic_us() - began > SLOW_US)
            break;
    }
    int64_t now = rdl_now_us(&rdl_clock_system);
    (void)RDL_FAULT_AT(ALERT_TOLD);
    if (rc == RDL_OK) {
        out->sent++;
        return rdl_catalog_notice_sent(c, n->id, now, err);
    }
    if (rc == RDL_ESTOP) /* the next run tells, at once */
        return rdl_catalog_notice_failed(c, n->id, why.msg, now, err);
    out->failed++;
    snprintf(out->problem, sizeof out->problem, "%.390s", why.msg);
    rdl_log_err(RDL_LOG_WARN, "alert", "notice_failed", &why);
    *failed = rc != RDL_EUSAGE;
    return rdl_catalog_notice_failed(c, n->id, why.msg,
                                     rc == RDL_EUSAGE ? INT64_MAX : next_try(n, now), err);
}

static bool is_stopped(const rdl_notify_config *config)
{
    return config->stop != NULL && atomic_load(config->stop) != 0;
}

/* A target that failed in this round: what else waits for it is put off, so that it holds up
 * nobody. */
static bool has_failed(const rdl_str *failed, size_t n, const char *shown)
{
    for (size_t i = 0; i < n; i++)
        if (rdl_str_eq(failed[i], rdl_str_of(shown)))
            return true;
    return false;
}

static rdl_code put_off(rdl_catalog *c, const rdl_catalog_notice *n, rdl_alerts_result *out,
                        rdl_err *err)
{
    char why[200];
    snprintf(why, sizeof why, "%.120s failed just now: not tried", n->shown);
    out->failed++;
    return rdl_catalog_notice_failed(c, n->id, why, next_try(n, rdl_now_us(&rdl_clock_system)),
                                     err);
}

rdl_code rdl_alerts_tell(rdl_catalog *c, const rdl_pipeline *p, const rdl_notify_config *config,
                         const char *uuid, unsigned tries, rdl_alerts_result *out, rdl_err *err)
{
    RDL_VEC(rdl_str) failed = {0};
    rdl_code rc = RDL_OK;
    rdl_arena a;
    rdl_arena_init(&a, 0);
    while (rc == RDL_OK && !is_stopped(config)) {
        rdl_catalog_notice *one;
        size_t n;
        bool fails = false;
        /* One at a time: a claim is shorter than a row of servers that do not answer. */
        rc = rdl_catalog_notices_claim(c, &a, rdl_now_us(&rdl_clock_system), 1, &one, &n, err);
        if (rc != RDL_OK || n == 0)
            break;
        if (has_failed(failed.v, failed.n, one->shown))
            rc = put_off(c, one, out, err);
        else
            rc = tell_one(c, &a, p, config, uuid, tries, one, &fails, out, err);
        if (fails)
            RDL_PUSH(&a, &failed) = rdl_str_of(one->shown);
    }
    rdl_arena_fini(&a);
    return rc;
}

void rdl_alerts_config(rdl_arena *a, const rdl_pipeline *p, const char *root,
                       rdl_notify_config *out)
{
    *out = (rdl_notify_config){
        .dir = p->dir,
        .temp = rdl_path_join(a, root, "state/tmp-alerts"),
        .smtp_url = rdl_pipeline_setting(p, "smtp_url", "smtp://localhost"),
        .smtp_user = rdl_pipeline_setting(p, "smtp_user", ""),
        .smtp_password = rdl_pipeline_setting(p, "smtp_password", ""),
        .smtp_from = rdl_pipeline_setting(p, "smtp_from", "raudal@localhost"),
    };
}
