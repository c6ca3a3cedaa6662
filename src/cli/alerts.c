/*
 * cli/alerts.c - `raudal alerts`: where alerts stand; a look and a test by hand.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/alerting.h"
#include "cli/output.h"
#include "ops/system.h"

enum { TRIES = 3 };

static rdl_code list(rdl_cli *cli, rdl_output_format format, rdl_err *err)
{
    static const char all[] = "SELECT * FROM raudal.alerts ORDER BY state = 'quiet', name";
    static const char people[] =
        "SELECT * REPLACE (coalesce(message, '') AS message, coalesce(problem, '') AS problem) "
        "FROM raudal.alerts ORDER BY state = 'quiet', name";
    const char *sql = format == RDL_OUTPUT_TABLE ? people : all;
    rdl_reader *r;
    rdl_result *result = NULL;
    uint64_t rows = 0;
    RDL_TRY(rdl_cli_open_reader(cli, &r, err));
    rdl_code rc = rdl_system_query(r, sql, rdl_now_us(&rdl_clock_system), &result, err);
    if (rc == RDL_OK)
        rc = rdl_output_result(format, result, &rows, err);
    rdl_result_free(result);
    rdl_reader_close(r);
    if (rc == RDL_OK && rows == 0 && format == RDL_OUTPUT_TABLE)
        rdl_cli_note("the pipeline has no alert");
    return rc;
}

static rdl_code check(rdl_cli *cli, rdl_err *err)
{
    rdl_alerts_result result;
    RDL_TRY(rdl_alerting_now(cli, TRIES, &result, err));
    rdl_cli_note(
        "%zu looked at, %zu active, %zu that cannot be evaluated; %zu notice%s delivered, %zu failed",
        result.looked, result.active, result.failing, result.sent, result.sent == 1 ? "" : "s",
        result.failed);
    if (result.failed > 0) {
        rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "%s", result.problem);
        rdl_err_hint(err, "It is kept, and tried again by the next look.");
        return rdl_err_area(RDL_ENET, err, RDL_AREA_SINK);
    }
    cli->exit_code = result.active + result.failing > 0 ? 1 : 0;
    return RDL_OK;
}

static rdl_code find(const rdl_pipeline *p, const char *name, const rdl_alert **out, rdl_err *err)
{
    const char **names = RDL_NEWN(p->arena, const char *, p->alert_count + 1);
    for (size_t i = 0; i < p->alert_count; i++) {
        names[i] = p->alerts[i]->name.p;
        if (!rdl_str_eq_nocase(p->alerts[i]->name, rdl_str_of(name)))
            continue;
        *out = p->alerts[i];
        return RDL_OK;
    }
    return rdl_cli_refuse_name(p, "alert", name, names, p->alert_count,
                               "`raudal alerts` lists them.", err);
}

static const char *test_json(rdl_arena *a, const rdl_alert *alert, const char *severity)
{
    rdl_buf b = {0};
    rdl_buf_puts(&b, "{\"alert\": ");
    rdl_buf_put_json_text(&b, alert->name);
    rdl_buf_printf(&b,
                   ", \"event\": \"test\", \"severity\": \"%s\", \"text\": \"This is a test of an "
                   "alert.\"}",
                   severity);
    const char *out = rdl_arena_strdup(a, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return out;
}

/* To everybody, whatever fails; the first failure is given. */
static rdl_code test(rdl_cli *cli, const char *name, rdl_err *err)
{
    rdl_cli_pipeline p;
    const rdl_alert *alert = NULL;
    rdl_notify_config config;
    rdl_code first = RDL_OK;
    RDL_TRY(rdl_notify_begin(err));
    RDL_TRY(rdl_cli_load(cli, &p, err));
    first = find(p.pipeline, name, &alert, err);
    rdl_alerts_config(&cli->arena, p.pipeline, rdl_cli_root(cli), &config);
    for (size_t i = 0; alert != NULL && i < alert->target_count; i++) {
        rdl_err why = {0};
        int64_t now = rdl_now_us(&rdl_clock_system);
        const char *severity = rdl_alert_severity_name(alert->severity);
        const rdl_message m = {
            .identity = rdl_arena_printf(&cli->arena, "test-%lld-%zu", (long long)now, i),
            .alert = alert->name.p,
            .event = "test",
            .severity = severity,
            .subject =
                rdl_arena_printf(&cli->arena, "[test] %s: %s", p.pipeline->name, alert->name.p),
            .text = "This is a test: the alert's condition was not looked at.\n",
            .json = test_json(&cli->arena, alert, severity),
            .at_us = now};
        const char *shown = rdl_notify_shown(&cli->arena, alert->targets[i].to);
        rdl_code rc = rdl_notify(&config, alert->targets[i].to, &m, &why);
        rdl_cli_note("%s: %s", shown, rc == RDL_OK ? "delivered" : why.msg);
        if (rc != RDL_OK && first == RDL_OK) {
            *err = why;
            first = rdl_err_area(rc, err, RDL_AREA_SINK);
        }
    }
    rdl_cli_unload(&p);
    return first;
}

rdl_code rdl_cmd_alerts(rdl_cli *cli, rdl_err *err)
{
    rdl_output_format format;
    const char *name = cli->values[RDL_CLI_TEST];
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    if (name != NULL)
        return test(cli, name, err);
    if (rdl_cli_has(cli, RDL_CLI_CHECK))
        RDL_TRY(check(cli, err));
    return list(cli, format, err);
}
