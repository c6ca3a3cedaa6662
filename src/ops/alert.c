/*
 * ops/alert.c - looking at alerts; see the header.
 */
#include "ops/alert.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/log.h"
#include "ops/alert_internal.h"
#include "ops/system.h"

const char *rdl_alert_severity_name(rdl_alert_severity s)
{
    static const char *const names[] = {"info", "warning", "critical"};
    return names[s];
}

/* ---- asking ---- */

static bool counts(const rdl_alert *alert, const rdl_chunk *c, size_t row)
{
    return !alert->truth || (rdl_vector_valid(&c->v[0], row) && RDL_VECTOR_AT(&c->v[0], bool, row));
}

static void put_cell(rdl_buf *b, const rdl_chunk *c, size_t column, size_t row, bool json)
{
    if (!rdl_vector_valid(&c->v[column], row))
        rdl_buf_puts(b, "null");
    else if (json)
        rdl_vector_print_json(&c->v[column], row, b);
    else
        rdl_vector_print(&c->v[column], row, b);
}

/* The first row fills the message's places. */
static void put_message(rdl_found *f, const rdl_alert *alert, const rdl_chunk *c, size_t row)
{
    rdl_str m = alert->message;
    for (size_t i = 0; i < m.n; i++) {
        const char *close = m.p[i] == '{' ? memchr(m.p + i, '}', m.n - i) : NULL;
        rdl_str name = {m.p + i + 1, close != NULL ? (size_t)(close - m.p) - i - 1 : 0};
        int at = close != NULL ? rdl_schema_find(&alert->columns, name) : -1;
        if (at < 0) {
            rdl_buf_putc(&f->message, m.p[i]);
            continue;
        }
        put_cell(&f->message, c, (size_t)at, row, false);
        i += name.n + 1;
    }
}

static void take_row(rdl_found *f, const rdl_alert *alert, const rdl_chunk *c, size_t row)
{
    if (f->rows == 0 && alert->message.n > 0)
        put_message(f, alert, c, row);
    if (f->rows++ >= RDL_ALERT_ROWS_TOLD)
        return;
    rdl_buf_puts(&f->json, f->rows > 1 ? ", {" : "{");
    for (size_t i = 0; i < alert->columns.n; i++) {
        rdl_str name = alert->columns.v[i].name;
        rdl_buf_puts(&f->json, i > 0 ? ", " : "");
        rdl_buf_put_json_text(&f->json, name);
        rdl_buf_puts(&f->json, ": ");
        put_cell(&f->json, c, i, row, true);
        rdl_buf_printf(&f->text, "%s%.*s = ", i > 0 ? ", " : "  ", (int)name.n, name.p);
        put_cell(&f->text, c, i, row, false);
    }
    rdl_buf_putc(&f->json, '}');
    rdl_buf_putc(&f->text, '\n');
}

static rdl_code ask(rdl_reader *r, const rdl_alert *alert, int64_t now_us, rdl_found *out,
                    rdl_err *err)
{
    rdl_result *result = NULL;
    const rdl_chunk *c;
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_execf(
        rdl_reader_conn(r), err,
        "SET VARIABLE alert_at = CAST(make_timestamp(%" PRId64 "::BIGINT) AS TIMESTAMPTZ)", now_us);
    if (rc == RDL_OK)
        rc = rdl_system_query(r, rdl_arena_strndup(&a, alert->sql.p, alert->sql.n), now_us, &result,
                              err);
    while (rc == RDL_OK && rdl_result_next(result, &c))
        for (size_t i = 0; i < c->rows; i++)
            if (counts(alert, c, i))
                take_row(out, alert, c, i);
    rdl_result_free(result);
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "alert %s", alert->name.p);
}

/* ---- stepping ---- */

static const char *event_of(const rdl_alert *alert, const rdl_catalog_alert *last,
                            rdl_alert_state to, int64_t now_us)
{
    if (to != last->state)
        return to == RDL_ALERT_QUIET ? "cleared" : rdl_alert_state_name(to);
    if (to == RDL_ALERT_ACTIVE && alert->repeat_us > 0 &&
        now_us - last->told_us >= alert->repeat_us)
        return "still";
    return NULL;
}

typedef struct looking {
    rdl_reader *reader;
    rdl_catalog *catalog;
    rdl_arena arena; /* of one alert */
    int64_t now_us;
} looking;

static rdl_code step(looking *l, const rdl_alert *alert, const rdl_catalog_alert *last,
                     rdl_alert_state to, const rdl_found *found, rdl_err *err)
{
    const char *event = event_of(alert, last, to, l->now_us);
    bool done = false;
    rdl_alert_step s = {.from = *last,
                        .to = to,
                        .now_us = l->now_us,
                        .message = to == RDL_ALERT_QUIET ? NULL : rdl_buf_str(&found->message)};
    rdl_catalog_notice *notices = RDL_NEWN(&l->arena, rdl_catalog_notice, alert->target_count + 1);
    if (event != NULL) {
        rdl_alert_tellings(&l->arena, l->reader, alert, last, event, found, l->now_us, notices);
        s.notices = notices;
        s.notice_count = alert->target_count;
    }
    RDL_TRY(rdl_catalog_alert_step(l->catalog, &s, &done, err));
    (void)RDL_FAULT_AT(ALERT_NOTED);
    if (event != NULL && done)
        rdl_log(to == RDL_ALERT_QUIET ? RDL_LOG_INFO : RDL_LOG_WARN, "alert", event,
                "alert=%s rows=%" PRIu64, alert->name.p, found->rows);
    return RDL_OK;
}

static rdl_code look_at(looking *l, const rdl_alert *alert, const rdl_catalog_alert *last,
                        rdl_alerts_result *out, rdl_err *err)
{
    rdl_found found = {0};
    rdl_err why = {0};
    rdl_alert_state to = RDL_ALERT_FAILING;
    rdl_code rc = ask(l->reader, alert, l->now_us, &found, &why);
    bool again = rc != RDL_OK && (why.flags & RDL_ERR_RETRY) != 0;
    if (rc == RDL_OK)
        to = found.rows > 0 ? RDL_ALERT_ACTIVE : RDL_ALERT_QUIET;
    if (rc == RDL_OK && found.message.n == 0)
        rdl_alert_message(&found, alert);
    if (rc != RDL_OK && !again)
        rdl_buf_printf(&found.message, "its condition cannot be evaluated: %s", why.msg);
    out->looked++;
    out->active += to == RDL_ALERT_ACTIVE;
    out->failing += to == RDL_ALERT_FAILING;
    if (again)
        *err = why; /* a file moved: another reader is needed */
    else
        rc = step(l, alert, last, to, &found, err);
    rdl_buf_fini(&found.message);
    rdl_buf_fini(&found.text);
    rdl_buf_fini(&found.json);
    return rc;
}

static rdl_catalog_alert last_of(const rdl_catalog_alert *known, size_t n, const rdl_alert *alert)
{
    for (size_t i = 0; i < n; i++)
        if (rdl_str_eq(rdl_str_of(known[i].name), alert->name))
            return known[i];
    return (rdl_catalog_alert){.name = alert->name.p,
                               .since_us = INT64_MIN,
                               .checked_us = INT64_MIN,
                               .told_us = INT64_MIN};
}

rdl_code rdl_alerts_look(rdl_reader *r, rdl_catalog *c, int64_t now_us, rdl_alert_wanted wanted,
                         void *arg, rdl_alerts_result *out, rdl_err *err)
{
    const rdl_pipeline *p = rdl_reader_pipeline(r);
    rdl_arena names;
    rdl_catalog_alert *known;
    size_t n;
    rdl_arena_init(&names, 0);
    rdl_code rc = rdl_catalog_alerts(c, &names, &known, &n, err);
    for (size_t i = 0; i < p->alert_count && rc == RDL_OK; i++) {
        const rdl_catalog_alert last = last_of(known, n, p->alerts[i]);
        looking l = {.reader = r, .catalog = c, .now_us = now_us};
        if (wanted != NULL && !wanted(arg, p->alerts[i], &last))
            continue;
        rdl_arena_init(&l.arena, 0);
        rc = look_at(&l, p->alerts[i], &last, out, err);
        rdl_arena_fini(&l.arena);
    }
    rdl_arena_fini(&names);
    return rc;
}
