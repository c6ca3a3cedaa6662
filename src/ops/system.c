/*
 * ops/system.c - raudal.* filled; see the header.
 */
#include "ops/system.h"

#include <stdio.h>

#include "base/url.h"
#include "ops/alert.h"
#include "ops/catalog_report.h"
#include "ops/sheet.h"
#include "stream/root.h"
#include "stream/seal.h"

enum { RUNS_MOST = 100000 };

typedef struct filling {
    rdl_reader *reader;
    const rdl_pipeline *pipeline;
    rdl_arena arena;
    int64_t now_us;
    rdl_sheet sheet;
} filling;

typedef rdl_code (*fill_fn)(filling *f, rdl_err *err);

/* ---- the journal ---- */

static bool reads_source(const rdl_table *t)
{
    for (size_t i = 0; i < t->input_count; i++)
        if (t->kind == RDL_TABLE_STREAMING && t->inputs[i].table->kind == RDL_TABLE_SOURCE)
            return true;
    return false;
}

static rdl_code epoch_row(void *arg, const rdl_seal *seal, rdl_err *err)
{
    filling *f = arg;
    uint64_t read = 0, written = 0, rejected = 0, changed = 0;
    (void)err;
    for (size_t i = 0; i < seal->tables.n; i++) {
        const rdl_sealed_table *s = &seal->tables.v[i];
        const rdl_table *t = rdl_pipeline_find(f->pipeline, s->table);
        const rdl_ledger *l = &s->ledger;
        changed += s->rows_new + s->rows_old > 0 && (t == NULL || t->kind >= RDL_TABLE_STREAMING);
        if (t == NULL || !reads_source(t))
            continue;
        read += l->read + l->replayed;
        written += l->written;
        rejected += l->quarantined + l->late_diverted + l->late_dropped + l->dropped;
    }
    rdl_sheet_u64(&f->sheet, seal->epoch);
    rdl_sheet_time(&f->sheet, seal->ts_us);
    rdl_sheet_seconds(&f->sheet, seal->took_us > 0 ? seal->took_us : INT64_MIN);
    rdl_sheet_u64(&f->sheet, read);
    rdl_sheet_u64(&f->sheet, written);
    rdl_sheet_u64(&f->sheet, rejected);
    rdl_sheet_u64(&f->sheet, changed);
    return RDL_OK;
}

static rdl_code fill_epochs(filling *f, rdl_err *err)
{
    return rdl_reader_seals(f->reader, epoch_row, f, err);
}

static rdl_code ledger_rows(void *arg, const rdl_seal *seal, rdl_err *err)
{
    filling *f = arg;
    (void)err;
    for (size_t i = 0; i < seal->tables.n; i++) {
        const rdl_sealed_table *s = &seal->tables.v[i];
        const rdl_ledger *l = &s->ledger;
        const uint64_t counts[] = {l->read,      l->replayed,      l->fanout,       l->written,
                                   l->duplicate, l->late_diverted, l->late_dropped, l->quarantined,
                                   l->dropped,   l->filtered,      l->amended,      l->imputed,
                                   l->kept,      l->rescued,       l->malformed,    s->rows_new,
                                   s->rows_old};
        rdl_sheet_u64(&f->sheet, seal->epoch);
        rdl_sheet_time(&f->sheet, seal->ts_us);
        rdl_sheet_str(&f->sheet, s->table);
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
            rdl_sheet_u64(&f->sheet, counts[k]);
        rdl_sheet_seconds(&f->sheet, s->took_us > 0 ? s->took_us : INT64_MIN);
        rdl_sheet_bool(&f->sheet, rdl_ledger_balances(l));
    }
    return RDL_OK;
}

static rdl_code fill_ledger(filling *f, rdl_err *err)
{
    return rdl_reader_seals(f->reader, ledger_rows, f, err);
}

/* ---- tables ---- */

static rdl_code fill_tables(filling *f, rdl_err *err)
{
    rdl_root_status status;
    RDL_TRY(rdl_reader_status_of(f->reader, &f->arena, RDL_STATUS_TABLES, &status, err));
    for (size_t i = 0; i < status.table_count; i++) {
        const rdl_table_status *t = &status.tables[i];
        bool never = t->changed_us == INT64_MIN;
        if (t->table->internal)
            continue;
        rdl_sheet_str(&f->sheet, t->table->full);
        rdl_sheet_text(&f->sheet, rdl_table_kind_short(t->table));
        rdl_sheet_u64(&f->sheet, t->rows);
        rdl_sheet_u64(&f->sheet, t->quarantined);
        rdl_sheet_u64(&f->sheet, t->files);
        rdl_sheet_u64(&f->sheet, t->bytes);
        rdl_sheet_u64(&f->sheet, t->last_epoch);
        rdl_sheet_time(&f->sheet, t->changed_us);
        rdl_sheet_seconds(&f->sheet, never ? INT64_MIN : f->now_us - t->changed_us);
        rdl_sheet_time(&f->sheet, t->watermark_us);
        rdl_sheet_seconds(&f->sheet, t->took_us > 0 ? t->took_us : INT64_MIN);
        rdl_sheet_i64(&f->sheet, t->lake_version);
        rdl_sheet_u64(&f->sheet, t->lake_epoch);
        rdl_sheet_str(&f->sheet, t->table->comment.n > 0 ? t->table->comment : (rdl_str){NULL, 0});
    }
    return RDL_OK;
}

static rdl_code fill_columns(filling *f, rdl_err *err)
{
    (void)err;
    for (size_t i = 0; i < f->pipeline->table_count; i++) {
        const rdl_table *t = f->pipeline->tables[i];
        for (size_t c = 0; c < t->columns.n && !t->internal; c++) {
            rdl_buf type = {0};
            bool said = t->column_comments != NULL && t->column_comments[c].n > 0;
            rdl_type_show(t->columns.v[c].type, &type);
            rdl_sheet_str(&f->sheet, t->full);
            rdl_sheet_u64(&f->sheet, c + 1);
            rdl_sheet_str(&f->sheet, t->columns.v[c].name);
            rdl_sheet_text(&f->sheet, rdl_buf_str(&type));
            rdl_sheet_str(&f->sheet, said ? t->column_comments[c] : (rdl_str){NULL, 0});
            rdl_buf_fini(&type);
        }
    }
    return RDL_OK;
}

static void lineage_rows(filling *f, rdl_str of, const rdl_input *inputs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rdl_sheet_str(&f->sheet, of);
        rdl_sheet_str(&f->sheet, inputs[i].table->full);
        rdl_sheet_bool(&f->sheet, inputs[i].stream);
    }
}

static rdl_code fill_lineage(filling *f, rdl_err *err)
{
    const rdl_pipeline *p = f->pipeline;
    (void)err;
    for (size_t i = 0; i < p->table_count; i++)
        lineage_rows(f, p->tables[i]->full, p->tables[i]->inputs, p->tables[i]->input_count);
    for (size_t i = 0; i < p->model_count; i++)
        if (p->models[i]->table == NULL)
            lineage_rows(f, p->models[i]->name, p->models[i]->inputs, p->models[i]->input_count);
    for (size_t i = 0; i < p->report_count; i++)
        lineage_rows(f, p->reports[i]->name, p->reports[i]->inputs, p->reports[i]->input_count);
    return RDL_OK;
}

static rdl_code fill_publications(filling *f, rdl_err *err)
{
    rdl_root_status status;
    RDL_TRY(rdl_reader_status_of(f->reader, &f->arena, RDL_STATUS_STORES, &status, err));
    for (size_t i = 0; i < status.publication_count; i++) {
        const rdl_publication_status *p = &status.publications[i];
        rdl_buf url = {0};
        rdl_url_put_shown(&url, p->publication->url);
        rdl_sheet_str(&f->sheet, p->publication->name);
        rdl_sheet_str(&f->sheet, p->publication->table->full);
        rdl_sheet_text(&f->sheet, rdl_buf_str(&url));
        rdl_buf_fini(&url);
        if (p->epoch >= 0) {
            rdl_sheet_i64(&f->sheet, p->epoch);
            rdl_sheet_i64(&f->sheet, (int64_t)p->behind);
        } else {
            rdl_sheet_null(&f->sheet);
            rdl_sheet_null(&f->sheet);
        }
        rdl_sheet_text(&f->sheet, p->problem[0] != '\0' ? p->problem : NULL);
    }
    return RDL_OK;
}

/* ---- quarantine ---- */

static rdl_code is_there(filling *f, const char *name, bool *out, rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t n = 0;
    rdl_buf_puts(&sql, "SELECT count(*) FROM duckdb_views() WHERE schema_name = 'quarantine' AND "
                       "view_name = ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(name));
    rdl_code rc = rdl_query_i64(rdl_reader_conn(f->reader), rdl_buf_str(&sql), &n, err);
    rdl_buf_fini(&sql);
    *out = n > 0;
    return rc;
}

/* Straight from the views, which hold the rows; the sheet gets none. */
static rdl_code fill_quarantine(filling *f, rdl_err *err)
{
    rdl_conn *conn = rdl_reader_conn(f->reader);
    for (size_t i = 0; i < f->pipeline->table_count; i++) {
        const rdl_table *t = f->pipeline->tables[i];
        const char *name = rdl_root_quarantine_name(&f->arena, t);
        rdl_buf sql = {0};
        bool there = false;
        RDL_TRY(is_there(f, name, &there, err));
        if (!there)
            continue;
        rdl_buf_puts(&sql, "INSERT INTO raudal.quarantine SELECT ");
        rdl_buf_put_sql_text(&sql, t->full);
        rdl_buf_puts(&sql, ", reason, count(*), count(replayed_epoch), min(ingest_ts), "
                           "max(ingest_ts) FROM (SELECT unnest(reasons) AS reason, ingest_ts, "
                           "replayed_epoch FROM quarantine.");
        rdl_buf_put_sql_ident(&sql, rdl_str_of(name));
        rdl_buf_puts(&sql, ") GROUP BY ALL");
        rdl_code rc = rdl_exec(conn, rdl_buf_str(&sql), err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
    }
    return RDL_OK;
}

/* ---- runs ---- */

static rdl_code read_runs(filling *f, rdl_catalog_run **out, size_t *out_n, rdl_err *err)
{
    rdl_catalog *c = NULL;
    rdl_code rc = rdl_catalog_open(rdl_reader_root(f->reader), true, &c, err);
    if (rc == RDL_OK)
        rc = rdl_catalog_runs(c, &f->arena, RUNS_MOST, out, out_n, err);
    rdl_catalog_close(c);
    return rc;
}

static int64_t took(int64_t started_us, int64_t ended_us, int64_t now_us)
{
    return (ended_us != INT64_MIN ? ended_us : now_us) - started_us;
}

static rdl_code fill_runs(filling *f, rdl_err *err)
{
    rdl_catalog_run *runs;
    size_t n;
    RDL_TRY(read_runs(f, &runs, &n, err));
    for (size_t i = 0; i < n; i++) {
        const rdl_catalog_run *r = &runs[i];
        rdl_sheet_i64(&f->sheet, r->id);
        rdl_sheet_text(&f->sheet, r->kind);
        rdl_sheet_time(&f->sheet, r->started_us);
        rdl_sheet_time(&f->sheet, r->ended_us);
        rdl_sheet_seconds(&f->sheet, took(r->started_us, r->ended_us, f->now_us));
        rdl_sheet_u64(&f->sheet, r->epochs);
        rdl_sheet_u64(&f->sheet, r->last_epoch);
        rdl_sheet_u64(&f->sheet, r->rows_read);
        rdl_sheet_text(&f->sheet, r->outcome);
        rdl_sheet_text(&f->sheet, r->message);
    }
    return RDL_OK;
}

static rdl_code fill_reports(filling *f, rdl_err *err)
{
    rdl_catalog_report *runs;
    size_t n;
    RDL_TRY(rdl_catalog_reports(rdl_reader_root(f->reader), &f->arena, RUNS_MOST, &runs, &n, err));
    for (size_t i = 0; i < n; i++) {
        const rdl_catalog_report *r = &runs[i];
        rdl_sheet_text(&f->sheet, r->report);
        rdl_sheet_time(&f->sheet, r->started_us);
        rdl_sheet_time(&f->sheet, r->ended_us);
        rdl_sheet_seconds(&f->sheet, r->ended_us - r->started_us);
        rdl_sheet_u64(&f->sheet, r->epoch);
        rdl_sheet_u64(&f->sheet, r->rows);
        rdl_sheet_u64(&f->sheet, r->bytes);
        rdl_sheet_u64(&f->sheet, r->files);
        rdl_sheet_text(&f->sheet, r->outcome);
        rdl_sheet_text(&f->sheet, r->message);
    }
    return RDL_OK;
}

static const rdl_catalog_run *last_of(const rdl_catalog_run *runs, size_t n, rdl_str kind)
{
    for (size_t i = 0; i < n; i++)
        if (rdl_str_eq(rdl_str_of(runs[i].kind), kind))
            return &runs[i];
    return NULL;
}

static const char *state_of(const rdl_schedule_status *s, const rdl_catalog_run *last,
                            const rdl_schedule_view *v)
{
    bool waits = v->waiting_us != INT64_MIN;
    if (last != NULL && strcmp(last->outcome, "failed") == 0 && last->ended_us >= s->last_us)
        return "failed";
    if (waits && s->promise_us > 0 && v->waiting_us > s->promise_us)
        return "overdue";
    if (s->last_us == INT64_MIN)
        return "never ran";
    if (s->promise_us > 0 && v->took_us > s->promise_us)
        return "slow";
    return waits ? "waits" : "done";
}

rdl_schedule_view rdl_schedule_judge(const rdl_schedule_status *s, const rdl_catalog_run *runs,
                                     size_t n, int64_t now_us)
{
    const rdl_catalog_run *last = last_of(runs, n, s->name);
    rdl_schedule_view v = {.took_us = s->took_us, .waiting_us = INT64_MIN};
    if (last != NULL)
        v.took_us = took(last->started_us, last->ended_us, now_us);
    if (s->waiting_us != INT64_MIN && s->waiting_us <= now_us)
        v.waiting_us = now_us - s->waiting_us;
    v.state = state_of(s, last, &v);
    v.message = strcmp(v.state, "failed") == 0 ? last->message : NULL;
    return v;
}

/* The newest run of a report with this outcome; NULL: any outcome. */
static const rdl_catalog_report *report_of(const rdl_catalog_report *runs, size_t n, rdl_str name,
                                           const char *outcome)
{
    for (size_t i = 0; i < n; i++)
        if (rdl_str_eq(rdl_str_of(runs[i].report), name) &&
            (outcome == NULL || strcmp(runs[i].outcome, outcome) == 0))
            return &runs[i];
    return NULL;
}

static rdl_code report_line(rdl_reader *r, rdl_arena *a, const rdl_report *report,
                            const rdl_catalog_report *runs, size_t n, int64_t now_us,
                            rdl_schedule_line *out, rdl_err *err)
{
    const rdl_catalog_report *done = report_of(runs, n, report->name, "done");
    const rdl_catalog_report *last = report_of(runs, n, report->name, NULL);
    rdl_report_past past = {.started_us = INT64_MIN, .ended_us = INT64_MIN};
    if (done != NULL)
        past = (rdl_report_past){done->started_us, done->ended_us, done->epoch};
    RDL_TRY(rdl_reader_report_schedule(r, a, report, &past, &out->status, err));
    rdl_catalog_run run = {.kind = out->status.name.p};
    if (last != NULL) {
        run.started_us = last->started_us;
        run.ended_us = last->ended_us;
        run.outcome = last->outcome;
        run.message = last->message;
    }
    out->view = rdl_schedule_judge(&out->status, &run, last != NULL, now_us);
    return RDL_OK;
}

rdl_code rdl_schedules_read(rdl_reader *r, rdl_arena *a, const rdl_catalog_run *runs, size_t n,
                            int64_t now_us, rdl_schedule_line **out, size_t *out_n, rdl_err *err)
{
    const rdl_pipeline *p = rdl_reader_pipeline(r);
    rdl_root_status status;
    rdl_catalog_report *reports;
    size_t report_n;
    RDL_TRY(rdl_reader_status_of(r, a, RDL_STATUS_SCHEDULES, &status, err));
    RDL_TRY(rdl_catalog_reports_last(rdl_reader_root(r), a, &reports, &report_n, err));
    *out = RDL_NEWN(a, rdl_schedule_line, status.schedule_count + p->report_count + 1);
    *out_n = status.schedule_count;
    for (size_t i = 0; i < status.schedule_count; i++)
        (*out)[i] = (rdl_schedule_line){status.schedules[i],
                                        rdl_schedule_judge(&status.schedules[i], runs, n, now_us)};
    for (size_t i = 0; i < p->report_count; i++)
        if (!rdl_report_on_demand(p->reports[i]))
            RDL_TRY(report_line(r, a, p->reports[i], reports, report_n, now_us, &(*out)[(*out_n)++],
                                err));
    return RDL_OK;
}

static rdl_code fill_schedules(filling *f, rdl_err *err)
{
    rdl_schedule_line *lines;
    rdl_catalog_run *runs;
    size_t n, line_n;
    RDL_TRY(read_runs(f, &runs, &n, err));
    RDL_TRY(rdl_schedules_read(f->reader, &f->arena, runs, n, f->now_us, &lines, &line_n, err));
    for (size_t i = 0; i < line_n; i++) {
        const rdl_schedule_status *s = &lines[i].status;
        const rdl_schedule_view *v = &lines[i].view;
        rdl_sheet_str(&f->sheet, s->name);
        rdl_sheet_text(&f->sheet, s->text[0] != '\0' ? s->text : NULL);
        rdl_sheet_time(&f->sheet, s->last_us);
        rdl_sheet_time(&f->sheet, s->next_us);
        rdl_sheet_seconds(&f->sheet, v->took_us > 0 ? v->took_us : INT64_MIN);
        rdl_sheet_seconds(&f->sheet, s->promise_us > 0 ? s->promise_us : INT64_MIN);
        rdl_sheet_seconds(&f->sheet, v->waiting_us);
        rdl_sheet_text(&f->sheet, v->state);
        rdl_sheet_text(&f->sheet, v->message);
    }
    return RDL_OK;
}

/* ---- alerts, grants ---- */

static const rdl_catalog_alert *alert_of(const rdl_catalog_alert *known, size_t n, rdl_str name)
{
    for (size_t i = 0; i < n; i++)
        if (rdl_str_eq(rdl_str_of(known[i].name), name))
            return &known[i];
    return NULL;
}

static rdl_code fill_alerts(filling *f, rdl_err *err)
{
    rdl_catalog *c = NULL;
    rdl_catalog_alert *known = NULL;
    size_t n = 0;
    rdl_code rc = rdl_catalog_open(rdl_reader_root(f->reader), true, &c, err);
    if (rc == RDL_OK)
        rc = rdl_catalog_alerts(c, &f->arena, &known, &n, err);
    rdl_catalog_close(c);
    for (size_t i = 0; i < f->pipeline->alert_count && rc == RDL_OK; i++) {
        const rdl_alert *a = f->pipeline->alerts[i];
        const rdl_catalog_alert *k = alert_of(known, n, a->name);
        rdl_sheet_str(&f->sheet, a->name);
        rdl_sheet_text(&f->sheet, rdl_alert_severity_name(a->severity));
        rdl_sheet_text(&f->sheet, rdl_alert_state_name(k != NULL ? k->state : RDL_ALERT_QUIET));
        rdl_sheet_time(&f->sheet, k != NULL ? k->since_us : INT64_MIN);
        rdl_sheet_time(&f->sheet, k != NULL ? k->checked_us : INT64_MIN);
        rdl_sheet_u64(&f->sheet, k != NULL ? k->times : 0);
        rdl_sheet_text(&f->sheet, k != NULL ? k->message : NULL);
        rdl_sheet_u64(&f->sheet, k != NULL ? k->waiting : 0);
        rdl_sheet_text(&f->sheet, k != NULL ? k->problem : NULL);
    }
    return rc;
}

static rdl_code fill_grants(filling *f, rdl_err *err)
{
    (void)err;
    for (size_t i = 0; i < f->pipeline->grant_count; i++) {
        const rdl_grant *g = &f->pipeline->grants[i];
        rdl_str written = {g->pos.file->text.p + g->pos.at, g->pos.len};
        for (size_t k = 0; k < f->pipeline->table_count; k++) {
            const rdl_table *t = f->pipeline->tables[k];
            if (t->internal || !rdl_grant_covers(g, t))
                continue;
            rdl_sheet_text(&f->sheet, "SELECT");
            rdl_sheet_str(&f->sheet, written);
            rdl_sheet_str(&f->sheet, t->full);
            rdl_sheet_str(&f->sheet, g->role);
        }
    }
    return RDL_OK;
}

/* ---- all ---- */

static const fill_fn fills[RDL_SYSTEM_TABLE_COUNT] = {
    [RDL_SYSTEM_EPOCHS] = fill_epochs,
    [RDL_SYSTEM_LEDGER] = fill_ledger,
    [RDL_SYSTEM_TABLES] = fill_tables,
    [RDL_SYSTEM_COLUMNS] = fill_columns,
    [RDL_SYSTEM_LINEAGE] = fill_lineage,
    [RDL_SYSTEM_SCHEDULES] = fill_schedules,
    [RDL_SYSTEM_PUBLICATIONS] = fill_publications,
    [RDL_SYSTEM_QUARANTINE] = fill_quarantine,
    [RDL_SYSTEM_RUNS] = fill_runs,
    [RDL_SYSTEM_REPORTS] = fill_reports,
    [RDL_SYSTEM_ALERTS] = fill_alerts,
    [RDL_SYSTEM_GRANTS] = fill_grants,
};

static rdl_code fill(filling *f, rdl_system_table_id id, rdl_err *err)
{
    RDL_TRY(rdl_sheet_open(rdl_reader_conn(f->reader), id, &f->sheet, err));
    rdl_code rc = fills[id](f, err);
    rdl_err own = {0};
    f->sheet.err = rc == RDL_OK ? err : &own;
    rdl_code closed = rdl_sheet_close(&f->sheet);
    return rdl_err_in(rc != RDL_OK ? rc : closed, err, "raudal.%s", rdl_system_tables[id].name);
}

rdl_code rdl_system_define(rdl_reader *r, rdl_str sql, int64_t now_us, rdl_err *err)
{
    filling f = {.reader = r, .pipeline = rdl_reader_pipeline(r), .now_us = now_us};
    rdl_code rc = RDL_OK;
    rdl_arena_init(&f.arena, 0);
    for (size_t i = 0; i < RDL_SYSTEM_TABLE_COUNT && rc == RDL_OK; i++)
        if (rdl_system_table_named(sql, (rdl_system_table_id)i))
            rc = fill(&f, (rdl_system_table_id)i, err);
    rdl_arena_fini(&f.arena);
    return rc;
}

rdl_code rdl_system_query(rdl_reader *r, const char *sql, int64_t now_us, rdl_result **out,
                          rdl_err *err)
{
    RDL_TRY(rdl_system_define(r, rdl_str_of(sql), now_us, err));
    return rdl_reader_query(r, sql, out, err);
}
