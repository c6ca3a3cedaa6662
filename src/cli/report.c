/*
 * cli/report.c - `raudal report`: a report on demand, to stdout or to its files; or the list.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/output.h"
#include "cli/reporting.h"

typedef struct printing {
    bool many; /* files, each under its name */
    uint64_t files;
} printing;

/* ---- the list ---- */

static void put_parameters(rdl_buf *b, const rdl_report *r)
{
    for (size_t i = 0; i < r->parameter_count; i++) {
        const rdl_parameter_def *p = &r->parameters[i];
        rdl_buf_printf(b, "%s%s%.*s=", i > 0 ? " " : "", p->fallback.p != NULL ? "[" : "",
                       (int)p->name.n, p->name.p);
        rdl_type_show(p->type, b);
        rdl_buf_puts(b, p->fallback.p != NULL ? "]" : "");
    }
}

static void put_schedule(rdl_buf *b, const rdl_report *r)
{
    const rdl_schedule *s = &r->schedule;
    if (rdl_report_on_demand(r)) {
        rdl_buf_puts(b, "on demand");
    } else if (s->kind == RDL_SCHEDULE_CRON) {
        rdl_buf_printf(b, "cron %.*s%s%.*s", (int)s->cron.n, s->cron.p, s->zone.n > 0 ? " " : "",
                       (int)s->zone.n, s->zone.p != NULL ? s->zone.p : "");
    } else if (s->kind == RDL_SCHEDULE_EVERY) {
        rdl_buf_puts(b, "every ");
        rdl_interval_print(s->every_us, b);
    } else {
        rdl_buf_puts(b, "on update");
    }
}

static rdl_code list(rdl_cli *cli, const rdl_pipeline *p, rdl_err *err)
{
    static const char *const names[] = {"report",     "format",   "to",   "runs",
                                        "parameters", "last run", "epoch"};
    rdl_output_format format;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    rdl_output *o = rdl_output_new(format, names, 7);
    for (size_t i = 0; i < p->report_count; i++) {
        const rdl_report *r = p->reports[i];
        rdl_buf parameters = {0}, schedule = {0}, ran = {0};
        rdl_report_state last = {0};
        rdl_row row;
        rdl_code rc = rdl_report_last(&cli->arena, rdl_cli_root(cli), r, &last, err);
        put_parameters(&parameters, r);
        put_schedule(&schedule, r);
        if (rc == RDL_OK && last.epoch > 0)
            rdl_timestamp_print_iso(last.ran_us, &ran);
        rdl_row_begin(&row, &cli->arena);
        rdl_row_str(&row, r->name);
        rdl_row_text(&row, rdl_report_format_name(r->format));
        rdl_row_str(&row, r->path.p != NULL ? r->path : RDL_STR(""));
        rdl_row_text(&row, rdl_buf_str(&schedule));
        rdl_row_text(&row, rdl_buf_str(&parameters));
        rdl_row_text(&row, rdl_buf_str(&ran));
        rdl_row_text(&row,
                     last.epoch > 0 ? rdl_arena_printf(&cli->arena, "%" PRIu64, last.epoch) : "");
        rdl_output_row(o, row.cells);
        rdl_buf_fini(&parameters);
        rdl_buf_fini(&schedule);
        rdl_buf_fini(&ran);
        if (rc != RDL_OK) {
            rdl_output_drop(o);
            return rc;
        }
    }
    return rdl_output_finish(o, err);
}

/* ---- on demand ---- */

static rdl_code begin_print(void *arg, const char *path, rdl_err *err)
{
    printing *p = arg;
    (void)err;
    if (p->many)
        printf("%s==> %s <==\n", p->files > 0 ? "\n" : "", path != NULL ? path : "");
    p->files++;
    return RDL_OK;
}

static rdl_code print_bytes(void *arg, const char *bytes, size_t n, rdl_err *err)
{
    (void)arg;
    if (fwrite(bytes, 1, n, stdout) == n)
        return RDL_OK;
    return rdl_err_set(err, RDL_EIO, 0, "could not write the report to stdout");
}

static rdl_code find(const rdl_pipeline *p, rdl_arena *a, const char *name, const rdl_report **out,
                     rdl_err *err)
{
    *out = rdl_pipeline_report(p, rdl_str_of(name));
    if (*out != NULL)
        return RDL_OK;
    const char **names = RDL_NEWN(a, const char *, p->report_count + 1);
    for (size_t i = 0; i < p->report_count; i++)
        names[i] = p->reports[i]->name.p;
    return rdl_cli_refuse_name(p, "report", name, names, p->report_count,
                               "`raudal report` lists the reports.", err);
}

static rdl_code read_values(rdl_cli *cli, rdl_report_request *q, rdl_err *err)
{
    const char **names = RDL_NEWN(&cli->arena, const char *, cli->arg_count + 1);
    const char **values = RDL_NEWN(&cli->arena, const char *, cli->arg_count + 1);
    for (size_t i = 1; i < cli->arg_count; i++) {
        const char *equals = strchr(cli->args[i], '=');
        if (equals == NULL || equals == cli->args[i]) {
            rdl_err_set(err, RDL_EUSAGE, 0, "could not read \"%s\"", cli->args[i]);
            return rdl_err_hint(err, "Values are given as PARAMETER=VALUE.");
        }
        names[q->value_count] =
            rdl_arena_strndup(&cli->arena, cli->args[i], (size_t)(equals - cli->args[i]));
        for (size_t k = 0; k < q->value_count; k++)
            if (strcmp(names[k], names[q->value_count]) == 0)
                return rdl_err_set(err, RDL_EUSAGE, 0, "parameter \"%s\" is given twice", names[k]);
        values[q->value_count++] = equals + 1;
    }
    q->names = names;
    q->values = values;
    return RDL_OK;
}

static rdl_code choose_format(const rdl_cli *cli, rdl_report_request *q, rdl_err *err)
{
    const char *wanted = rdl_cli_has(cli, RDL_CLI_JSON) ? "json" : cli->values[RDL_CLI_FORMAT];
    for (int i = 0; wanted != NULL && i < RDL_REPORT_FORMAT_COUNT; i++) {
        if (strcmp(wanted, rdl_report_format_name((rdl_report_format)i)) != 0)
            continue;
        q->has_format = true;
        q->format = (rdl_report_format)i;
    }
    if (wanted == NULL || q->has_format)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized format \"%s\"", wanted);
    return rdl_err_hint(err, "A report is csv, json, text or html.");
}

static void note(const rdl_report *r, const rdl_report_result *n, bool files)
{
    rdl_buf b = {0};
    rdl_buf_printf(&b, "report %s: %" PRIu64 " rows", r->name.p, n->rows);
    if (files)
        rdl_buf_printf(&b, ", %" PRIu64 " files, %" PRIu64 " written", n->files, n->files_written);
    rdl_buf_printf(&b, " at epoch %" PRIu64 "; read %" PRIu64 " of %" PRIu64 " lake files, ",
                   n->epoch, n->read_files, n->lake_files);
    rdl_put_bytes(&b, n->read_bytes);
    rdl_buf_puts(&b, " of ");
    rdl_put_bytes(&b, n->lake_bytes);
    rdl_cli_note("%s", rdl_buf_str(&b));
    rdl_buf_fini(&b);
}

static rdl_code ask(rdl_cli *cli, rdl_reader *r, rdl_err *err)
{
    const rdl_report *report;
    rdl_report_result result = {0};
    rdl_report_request q = {.for_us = rdl_now_us(&rdl_clock_system),
                            .to = cli->values[RDL_CLI_OUT]};
    RDL_TRY(find(rdl_reader_pipeline(r), &cli->arena, cli->args[0], &report, err));
    RDL_TRY(read_values(cli, &q, err));
    RDL_TRY(choose_format(cli, &q, err));
    printing p = {.many = report->each_count > 0};
    const rdl_report_sink out = {begin_print, print_bytes, &p};
    bool files = rdl_cli_has(cli, RDL_CLI_WRITE) || q.to != NULL;
    if (files && q.to == NULL && report->path.n == 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "report \"%s\" has no TO", report->name.p);
        return rdl_err_hint(err, "Name a file with --out PATH.");
    }
    if (!files)
        q.sink = &out;
    RDL_TRY(rdl_reporting_run(cli, r, report, &q, &result, err));
    note(report, &result, files);
    return fflush(stdout) == 0 ? RDL_OK : rdl_err_set(err, RDL_EIO, 0, "could not write to stdout");
}

static rdl_code list_all(rdl_cli *cli, rdl_err *err)
{
    rdl_cli_pipeline p;
    RDL_TRY(rdl_cli_load(cli, &p, err));
    rdl_code rc = list(cli, p.pipeline, err);
    rdl_cli_unload(&p);
    return rc;
}

rdl_code rdl_cmd_report(rdl_cli *cli, rdl_err *err)
{
    rdl_reader *r = NULL;
    if (cli->arg_count == 0)
        return list_all(cli, err);
    RDL_TRY(rdl_cli_open_reader(cli, &r, err));
    rdl_code rc = ask(cli, r, err);
    rdl_reader_close(r);
    return rc;
}
