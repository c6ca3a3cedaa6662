/*
 * cli/status.c - `raudal status`: where the root stands, read beside its writer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/url.h"
#include "cli/output.h"
#include "cli/run_report.h"
#include "cli/signal.h"
#include "ops/alert.h"
#include "ops/system.h"

enum {
    WATCH_MS = 2000,
    WAIT_STEP_MS = 50,
    RUNS_SHOWN = 5,
    RUNS_READ = 1000, /* to know how schedules stand */
};

typedef struct picture {
    rdl_cli *cli;
    rdl_arena arena;
    const rdl_pipeline *pipeline;
    rdl_root_status status;
    rdl_catalog_run *runs;
    size_t run_count;
    rdl_schedule_line *schedules;
    size_t schedule_count;
    rdl_catalog_alert *alerts;
    size_t alert_count;
    int64_t now_us;
} picture;

static bool shown(const picture *p, const rdl_table *t)
{
    return t->kind >= RDL_TABLE_STREAMING &&
           (!t->internal || rdl_cli_has(p->cli, RDL_CLI_INTERNAL));
}

/* ---- tables for people ---- */

static void put_ago(rdl_buf *b, int64_t us)
{
    rdl_buf text = {0};
    if (us < 0)
        us = 0;
    rdl_interval_print(us < 1000000 ? us : us - us % 1000000, &text);
    rdl_buf_printf(b, "%s ago",
                   us < 1000000 ? "just now, less than a second" : rdl_buf_str(&text));
    rdl_buf_fini(&text);
}

static rdl_code print_head(picture *p, rdl_err *err)
{
    const rdl_root_status *s = &p->status;
    rdl_buf b = {0};
    rdl_buf_printf(&b, " root        %s\n", rdl_cli_root(p->cli));
    rdl_buf_printf(&b, " writer      %s\n", s->writer_alive ? s->writer : "none: nothing runs");
    rdl_buf_printf(&b, " epoch       %" PRIu64, s->epoch);
    if (s->epoch != 0) {
        rdl_buf_puts(&b, ", sealed ");
        put_ago(&b, p->now_us - s->last_seal_us);
    }
    rdl_buf_puts(&b, "\n size        lake ");
    rdl_put_bytes(&b, s->lake_bytes);
    rdl_buf_puts(&b, ", state ");
    rdl_put_bytes(&b, s->state_bytes);
    rdl_buf_puts(&b, "\n\n");
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_output *table_new(const char *const *names, size_t n)
{
    rdl_output *o = rdl_output_new(RDL_OUTPUT_TABLE, names, n);
    rdl_output_null(o, "-");
    return o;
}

/* The graph: tables are in its order, each with what it reads. */
static const char *reads_of(picture *p, const rdl_table *t)
{
    rdl_buf b = {0};
    for (size_t i = 0; i < t->input_count; i++)
        rdl_buf_printf(&b, "%s%.*s", i > 0 ? ", " : "", (int)t->inputs[i].table->full.n,
                       t->inputs[i].table->full.p);
    const char *out = rdl_arena_strdup(&p->arena, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return out;
}

static void put_length(rdl_row *row, picture *p, int64_t us)
{
    rdl_buf b = {0};
    if (us <= 0) {
        rdl_row_null(row);
        return;
    }
    rdl_put_seconds(&b, (double)us / 1e6);
    rdl_row_text(row, rdl_arena_strdup(&p->arena, rdl_buf_str(&b)));
    rdl_buf_fini(&b);
}

static void put_promise(rdl_row *row, picture *p, int64_t us)
{
    rdl_buf b = {0};
    if (us > 0)
        rdl_interval_print(us, &b);
    rdl_row_text(row, us > 0 ? rdl_arena_strdup(&p->arena, rdl_buf_str(&b)) : NULL);
    rdl_buf_fini(&b);
}

static rdl_code print_tables(picture *p, rdl_err *err)
{
    static const char *const names[] = {
        "table", "reads", "kind", "rows", "quarantined", "last epoch", "in lake to", "took",
        "watermark"};
    rdl_output *o = table_new(names, 9);
    for (size_t i = 0; i < p->status.table_count; i++) {
        const rdl_table_status *t = &p->status.tables[i];
        rdl_row row;
        if (!shown(p, t->table))
            continue;
        rdl_row_begin(&row, &p->arena);
        rdl_row_str(&row, t->table->full);
        rdl_row_text(&row, reads_of(p, t->table));
        rdl_row_text(&row, rdl_table_kind_short(t->table));
        rdl_row_u64(&row, t->rows);
        rdl_row_u64(&row, t->quarantined);
        rdl_row_u64(&row, t->last_epoch);
        rdl_row_u64(&row, t->lake_epoch);
        put_length(&row, p, t->took_us);
        rdl_row_time(&row, t->watermark_us);
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

static rdl_code print_balances(picture *p, rdl_err *err)
{
    rdl_buf b = {0};
    rdl_buf_puts(&b, "\n");
    for (size_t i = 0; i < p->status.table_count; i++) {
        const rdl_table_status *t = &p->status.tables[i];
        if (!shown(p, t->table) || t->table->kind != RDL_TABLE_STREAMING)
            continue;
        rdl_buf_printf(&b, " %.*s: ", (int)t->table->full.n, t->table->full.p);
        rdl_put_balance(&b, &t->ledger);
        rdl_buf_putc(&b, '\n');
    }
    for (size_t i = 0; i < p->status.left_count; i++)
        rdl_buf_printf(&b, " %s left the text: `raudal lake drop` removes its rows\n",
                       p->status.left[i]);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code print_stores(picture *p, rdl_err *err)
{
    static const char *const names[] = {"published table", "store", "shows epoch", "behind",
                                        "problem"};
    if (p->status.publication_count == 0)
        return RDL_OK;
    fputc('\n', stdout);
    rdl_output *o = table_new(names, 5);
    for (size_t i = 0; i < p->status.publication_count; i++) {
        const rdl_publication_status *s = &p->status.publications[i];
        rdl_row row;
        rdl_row_begin(&row, &p->arena);
        rdl_row_str(&row, s->publication->name);
        rdl_row_str(&row, rdl_url_shown(&p->arena, s->publication->url));
        if (s->epoch >= 0) {
            rdl_row_i64(&row, s->epoch);
            rdl_row_u64(&row, s->behind);
        } else {
            rdl_row_null(&row);
            rdl_row_null(&row);
        }
        rdl_row_text(&row, s->problem[0] != '\0' ? s->problem : NULL);
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

static void put_next(rdl_row *row, const rdl_schedule_line *l, int64_t now_us)
{
    const rdl_schedule_status *s = &l->status;
    if (strcmp(l->view.state, "failed") == 0)
        rdl_row_text(row, "again: it failed");
    else if (s->next_us == INT64_MAX)
        rdl_row_null(row);
    else if (s->next_us <= now_us)
        rdl_row_text(row, "when there is something new");
    else
        rdl_row_time(row, s->next_us);
}

static rdl_code print_schedules(picture *p, rdl_err *err)
{
    static const char *const names[] = {"runs by itself", "schedule", "last run", "next run",
                                        "took",           "promised", "state"};
    if (p->schedule_count == 0)
        return RDL_OK;
    fputc('\n', stdout);
    rdl_output *o = table_new(names, 7);
    for (size_t i = 0; i < p->schedule_count; i++) {
        const rdl_schedule_line *l = &p->schedules[i];
        rdl_row row;
        rdl_row_begin(&row, &p->arena);
        rdl_row_str(&row, l->status.name);
        rdl_row_text(&row, l->status.text[0] != '\0' ? l->status.text : "ON UPDATE");
        rdl_row_time(&row, l->status.last_us);
        put_next(&row, l, p->now_us);
        put_length(&row, p, l->view.took_us);
        put_promise(&row, p, l->status.promise_us);
        rdl_row_text(&row, l->view.state);
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

static const char *severity_of(const rdl_pipeline *p, const char *name)
{
    for (size_t i = 0; i < p->alert_count; i++)
        if (rdl_str_eq(p->alerts[i]->name, rdl_str_of(name)))
            return rdl_alert_severity_name(p->alerts[i]->severity);
    return NULL; /* the text has it no more */
}

/* What is not quiet. */
static rdl_code print_alerts(picture *p, rdl_err *err)
{
    static const char *const names[] = {"alert", "severity", "state", "since", "message"};
    rdl_output *o = NULL;
    for (size_t i = 0; i < p->alert_count; i++) {
        const rdl_catalog_alert *a = &p->alerts[i];
        const char *severity = severity_of(p->pipeline, a->name);
        rdl_row row;
        if (a->state == RDL_ALERT_QUIET || severity == NULL)
            continue;
        if (o == NULL) {
            fputc('\n', stdout);
            o = table_new(names, 5);
        }
        rdl_row_begin(&row, &p->arena);
        rdl_row_text(&row, a->name);
        rdl_row_text(&row, severity);
        rdl_row_text(&row, rdl_alert_state_name(a->state));
        rdl_row_time(&row, a->since_us);
        rdl_row_text(&row, a->message != NULL ? a->message : "");
        rdl_output_row(o, row.cells);
    }
    return o != NULL ? rdl_output_finish(o, err) : RDL_OK;
}

static rdl_code print_runs(picture *p, rdl_err *err)
{
    static const char *const names[] = {"started", "kind",    "epochs", "rows",
                                        "seconds", "outcome", "message"};
    if (p->run_count == 0)
        return RDL_OK;
    fputc('\n', stdout);
    rdl_output *o = table_new(names, 7);
    for (size_t i = 0; i < p->run_count && i < RUNS_SHOWN; i++) {
        const rdl_catalog_run *r = &p->runs[i];
        rdl_row row;
        rdl_row_begin(&row, &p->arena);
        rdl_row_time(&row, r->started_us);
        rdl_row_text(&row, r->kind);
        rdl_row_u64(&row, r->epochs);
        rdl_row_u64(&row, r->rows_read);
        if (r->ended_us == INT64_MIN)
            rdl_row_null(&row);
        else
            rdl_row_seconds(&row, (double)(r->ended_us - r->started_us) / 1e6);
        rdl_row_text(&row, r->outcome);
        rdl_row_text(&row, r->message != NULL ? r->message : "");
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

static rdl_code print_people(picture *p, rdl_err *err)
{
    RDL_TRY(print_head(p, err));
    RDL_TRY(print_tables(p, err));
    RDL_TRY(print_balances(p, err));
    RDL_TRY(print_stores(p, err));
    RDL_TRY(print_schedules(p, err));
    RDL_TRY(print_alerts(p, err));
    return print_runs(p, err);
}

/* ---- JSON ---- */

static void put_time(rdl_buf *b, int64_t us)
{
    if (us == INT64_MIN || us == 0) {
        rdl_buf_puts(b, "null");
        return;
    }
    rdl_buf_putc(b, '"');
    rdl_timestamp_print_iso(us, b);
    rdl_buf_putc(b, '"');
}

static void put_text(rdl_buf *b, const char *text)
{
    if (text != NULL)
        rdl_buf_put_json_text(b, rdl_str_of(text));
    else
        rdl_buf_puts(b, "null");
}

static void put_table(rdl_buf *b, const rdl_table_status *t)
{
    rdl_buf_puts(b, "{\"table\": ");
    rdl_buf_put_json_text(b, t->table->full);
    rdl_buf_printf(b,
                   ", \"kind\": \"%s\", \"rows\": %" PRIu64 ", \"quarantined\": %" PRIu64
                   ", \"last_epoch\": %" PRIu64 ", \"lake_version\": %" PRId64
                   ", \"lake_epoch\": %" PRIu64 ", \"watermark\": ",
                   rdl_table_kind_short(t->table), t->rows, t->quarantined, t->last_epoch,
                   t->lake_version, t->lake_epoch);
    put_time(b, t->watermark_us);
    rdl_buf_puts(b, ", \"changed\": ");
    put_time(b, t->changed_us);
    rdl_buf_printf(b, ", \"seconds\": %.6f, \"reads\": [", (double)t->took_us / 1e6);
    for (size_t i = 0; i < t->table->input_count; i++) {
        rdl_buf_puts(b, i > 0 ? ", " : "");
        rdl_buf_put_json_text(b, t->table->inputs[i].table->full);
    }
    rdl_buf_putc(b, ']');
    if (t->table->kind == RDL_TABLE_STREAMING) {
        rdl_buf_puts(b, ", \"ledger\": ");
        rdl_put_ledger_json(b, &t->ledger);
    }
    rdl_buf_putc(b, '}');
}

static void put_left(rdl_buf *b, const rdl_root_status *s)
{
    rdl_buf_puts(b, "],\n \"left_the_text\": [");
    for (size_t i = 0; i < s->left_count; i++) {
        rdl_buf_puts(b, i != 0 ? ", " : "");
        rdl_buf_put_json_text(b, rdl_str_of(s->left[i]));
    }
}

static void put_stores(rdl_buf *b, const rdl_root_status *s)
{
    rdl_buf_puts(b, "],\n \"publications\": [");
    for (size_t i = 0; i < s->publication_count; i++) {
        const rdl_publication_status *p = &s->publications[i];
        rdl_buf_puts(b, i != 0 ? ",\n  {\"name\": " : "\n  {\"name\": ");
        rdl_buf_put_json_text(b, p->publication->name);
        rdl_buf_puts(b, ", \"table\": ");
        rdl_buf_put_json_text(b, p->publication->table->full);
        rdl_buf_puts(b, ", \"store\": ");
        rdl_url_put_json(b, p->publication->url);
        if (p->epoch >= 0)
            rdl_buf_printf(b, ", \"epoch\": %" PRId64, p->epoch);
        else
            rdl_buf_puts(b, ", \"epoch\": null");
        rdl_buf_puts(b, ", \"problem\": ");
        put_text(b, p->problem[0] != '\0' ? p->problem : NULL);
        rdl_buf_putc(b, '}');
    }
}

static void put_schedules(rdl_buf *b, const picture *p)
{
    rdl_buf_puts(b, "],\n \"schedules\": [");
    for (size_t i = 0; i < p->schedule_count; i++) {
        const rdl_schedule_status *one = &p->schedules[i].status;
        const rdl_schedule_view *v = &p->schedules[i].view;
        rdl_buf_puts(b, i != 0 ? ",\n  {\"name\": " : "\n  {\"name\": ");
        rdl_buf_put_json_text(b, one->name);
        rdl_buf_puts(b, ", \"schedule\": ");
        put_text(b, one->text);
        rdl_buf_puts(b, ", \"last_run\": ");
        put_time(b, one->last_us);
        rdl_buf_puts(b, ", \"next_run\": ");
        put_time(b, one->next_us == INT64_MAX ? INT64_MIN : one->next_us);
        rdl_buf_printf(b, ", \"seconds\": %.6f, \"promised_seconds\": %.6f, \"state\": \"%s\"}",
                       (double)v->took_us / 1e6, (double)one->promise_us / 1e6, v->state);
    }
}

static void put_alerts(rdl_buf *b, const picture *p)
{
    bool first = true;
    rdl_buf_puts(b, "],\n \"alerts\": [");
    for (size_t i = 0; i < p->alert_count; i++) {
        const rdl_catalog_alert *a = &p->alerts[i];
        const char *severity = severity_of(p->pipeline, a->name);
        if (severity == NULL)
            continue;
        rdl_buf_puts(b, first ? "\n  {\"alert\": " : ",\n  {\"alert\": ");
        first = false;
        put_text(b, a->name);
        rdl_buf_printf(b, ", \"severity\": \"%s\", \"state\": \"%s\", \"since\": ", severity,
                       rdl_alert_state_name(a->state));
        put_time(b, a->since_us);
        rdl_buf_puts(b, ", \"message\": ");
        put_text(b, a->message);
        rdl_buf_putc(b, '}');
    }
}

static void put_runs(rdl_buf *b, const picture *p)
{
    rdl_buf_puts(b, "],\n \"runs\": [");
    for (size_t i = 0; i < p->run_count && i < RUNS_SHOWN; i++) {
        const rdl_catalog_run *r = &p->runs[i];
        rdl_buf_printf(b, "%s{\"kind\": \"%s\", \"started\": ", i != 0 ? ",\n  " : "\n  ",
                       r->kind);
        put_time(b, r->started_us);
        rdl_buf_puts(b, ", \"ended\": ");
        put_time(b, r->ended_us);
        rdl_buf_printf(b,
                       ", \"epochs\": %" PRIu64 ", \"last_epoch\": %" PRIu64
                       ", \"rows_read\": %" PRIu64 ", \"outcome\": \"%s\", \"message\": ",
                       r->epochs, r->last_epoch, r->rows_read, r->outcome);
        put_text(b, r->message);
        rdl_buf_putc(b, '}');
    }
    rdl_buf_puts(b, "]}\n");
}

static rdl_code print_json(picture *p, rdl_err *err)
{
    const rdl_root_status *s = &p->status;
    rdl_buf b = {0};
    bool first = true;
    rdl_buf_puts(&b, "{\"root\": ");
    put_text(&b, rdl_cli_root(p->cli));
    rdl_buf_printf(&b, ", \"epoch\": %" PRIu64 ", \"last_seal\": ", s->epoch);
    put_time(&b, s->last_seal_us);
    rdl_buf_puts(&b, ", \"writer\": ");
    put_text(&b, s->writer_alive ? s->writer : NULL);
    rdl_buf_printf(
        &b, ", \"lake_bytes\": %" PRIu64 ", \"state_bytes\": %" PRIu64 ",\n \"tables\": [",
        s->lake_bytes, s->state_bytes);
    for (size_t i = 0; i < s->table_count; i++) {
        if (!shown(p, s->tables[i].table))
            continue;
        rdl_buf_puts(&b, first ? "\n  " : ",\n  ");
        put_table(&b, &s->tables[i]);
        first = false;
    }
    put_left(&b, s);
    put_stores(&b, s);
    put_schedules(&b, p);
    put_alerts(&b, p);
    put_runs(&b, p);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

/* ---- looking ---- */

/* No catalog, or one that cannot be read, is no reason to show nothing. */
static void read_runs(picture *p)
{
    rdl_err err = {0};
    rdl_catalog *c = NULL;
    rdl_code rc = rdl_catalog_open(rdl_cli_root(p->cli), true, &c, &err);
    if (rc == RDL_OK)
        rc = rdl_catalog_runs(c, &p->arena, RUNS_READ, &p->runs, &p->run_count, &err);
    if (rc == RDL_OK)
        rc = rdl_catalog_alerts(c, &p->arena, &p->alerts, &p->alert_count, &err);
    if (rc != RDL_OK)
        rdl_cli_note("raudal: warning: the runs are not shown: %s", err.msg);
    rdl_catalog_close(c);
}

static rdl_code look_once(rdl_cli *cli, rdl_output_format format, rdl_err *err)
{
    picture p = {.cli = cli, .now_us = rdl_now_us(&rdl_clock_system)};
    rdl_reader *r;
    RDL_TRY(rdl_cli_open_reader(cli, &r, err));
    rdl_arena_init(&p.arena, 0);
    p.pipeline = rdl_reader_pipeline(r);
    rdl_code rc = rdl_reader_status_of(r, &p.arena, RDL_STATUS_TABLES | RDL_STATUS_STORES | RDL_STATUS_BYTES,
                                       &p.status, err);
    if (rc == RDL_OK) {
        read_runs(&p);
        rc = rdl_schedules_read(r, &p.arena, p.runs, p.run_count, p.now_us, &p.schedules,
                                &p.schedule_count, err);
    }
    if (rc == RDL_OK)
        rc = format == RDL_OUTPUT_TABLE ? print_people(&p, err) : print_json(&p, err);
    rdl_arena_fini(&p.arena);
    rdl_reader_close(r);
    return rc;
}

rdl_code rdl_cmd_status(rdl_cli *cli, rdl_err *err)
{
    rdl_output_format format;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    if (!rdl_cli_has(cli, RDL_CLI_WATCH))
        return look_once(cli, format, err);
    rdl_signals_note();
    while (!rdl_signals_came()) {
        if (format == RDL_OUTPUT_TABLE && isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout);
        rdl_code rc = look_once(cli, format, err);
        if (rc != RDL_OK && (err->flags & RDL_ERR_RETRY) == 0)
            return rc;
        for (int ms = 0; ms < WATCH_MS && !rdl_signals_came(); ms += WAIT_STEP_MS)
            rdl_sleep_ms(WAIT_STEP_MS);
    }
    rdl_signals_restore();
    return RDL_OK;
}
