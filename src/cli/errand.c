/*
 * cli/errand.c - the caller's side: here when nobody holds the root, else by the run that does.
 */
#include "cli/errand.h"

#include "base/channel.h"
#include "base/clock.h"
#include "base/fs.h"
#include "cli/errand_wire.h"
#include "cli/progress.h"
#include "cli/signal.h"
#include "ops/catalog.h"

void rdl_errand_record(rdl_cli *cli, rdl_engine *e, uint64_t epochs_before, int64_t started_us,
                       rdl_code rc, const rdl_err *failure)
{
    rdl_err err = {0};
    rdl_catalog *c = NULL;
    rdl_engine_status status = {0};
    const char *name = strrchr(cli->command->name, ' ');
    rdl_catalog_run run = {.outcome = rc == RDL_OK ? "done" : "failed",
                           .message = rc == RDL_OK ? NULL : failure->msg};
    rdl_engine_get_status(e, &status);
    run.epochs = status.epochs_sealed - epochs_before;
    run.last_epoch = status.epoch;
    run.ended_us = rdl_now_us(&rdl_clock_system);
    if (rdl_catalog_open(rdl_cli_root(cli), false, &c, &err) == RDL_OK &&
        rdl_catalog_begin_run(c, name != NULL ? name + 1 : cli->command->name, started_us, &run.id,
                              &err) == RDL_OK)
        (void)!rdl_catalog_end_run(c, &run, &err);
    rdl_catalog_close(c);
}

/* ---- here ---- */

static rdl_code run_command(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    rdl_engine_status before = {0};
    int64_t started = rdl_now_us(&rdl_clock_system);
    rdl_engine_get_status(e, &before);
    rdl_code rc = cli->command->on_engine(cli, e, out, err);
    rdl_errand_record(cli, e, before.epochs_sealed, started, rc, err);
    return rc;
}

typedef rdl_code (*engine_work)(rdl_cli *cli, rdl_engine *e, void *arg, rdl_err *err);

static rdl_code with_engine(rdl_cli *cli, engine_work work, void *arg, rdl_err *err)
{
    rdl_engine *e = NULL;
    rdl_progress progress;
    rdl_progress_init(&progress);
    rdl_engine_config config = {.progress = rdl_progress_show, .progress_arg = &progress};
    rdl_code rc = rdl_cli_open_engine(cli, &config, &e, err);
    if (rc == RDL_OK) {
        rdl_signals_stop_engine(e);
        rc = work(cli, e, arg, err);
        rdl_signals_restore();
    }
    rdl_progress_clear(&progress);
    rdl_engine_close(e);
    return rc;
}

static rdl_code one_command(rdl_cli *cli, rdl_engine *e, void *out, rdl_err *err)
{
    return run_command(cli, e, out, err);
}

/* ---- there ---- */

/* What only an engine's opening can do, or what the run has chosen already. */
static rdl_code check_options(const rdl_cli *cli, rdl_err *err)
{
    static const rdl_cli_option_id own[] = {RDL_CLI_SET, RDL_CLI_MEMORY, RDL_CLI_THREADS,
                                            RDL_CLI_ADOPT, RDL_CLI_REBUILD_STATE};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (!rdl_cli_has(cli, own[i]))
            continue;
        rdl_err_set(err, RDL_ECONFLICT, 0, "cannot use --%s while a run holds the root",
                    rdl_cli_options[own[i]].name);
        (void)rdl_err_hint(err, "That run does the work, with what it was started with; leave the "
                                "option out, or stop the run first.");
        return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_STORE);
    }
    return RDL_OK;
}

static void put_request(rdl_cli *cli, rdl_buf *out)
{
    rdl_wire_put(out, cli->command->name);
    rdl_wire_put(out, rdl_path_absolute(&cli->arena, cli->dir));
    for (size_t i = 0; i < RDL_CLI_OPTION_COUNT; i++) {
        if (cli->values[i] == NULL || i == RDL_CLI_ROOT || i == RDL_CLI_LOG_LEVEL)
            continue;
        rdl_buf_printf(out, "--%s", rdl_cli_options[i].name);
        if (rdl_cli_options[i].value != NULL)
            rdl_buf_printf(out, "=%s", cli->values[i]);
        rdl_buf_putc(out, '\0');
    }
    rdl_wire_put(out, "--");
    for (size_t i = 0; i < cli->arg_count; i++)
        rdl_wire_put(out, cli->args[i]);
}

static rdl_code lost(rdl_err *err)
{
    rdl_err_set(err, RDL_EIO, 0, "the run that holds the root ended before it answered");
    (void)rdl_err_hint(err, "`raudal status` says whether its work was sealed; a command that was "
                            "not can be given again.");
    return rdl_err_area(RDL_EIO, err, RDL_AREA_STORE);
}

static rdl_code run_there(rdl_cli *cli, int fd, rdl_buf *out, rdl_err *err)
{
    rdl_buf message = {0};
    RDL_TRY(check_options(cli, err));
    put_request(cli, &message);
    bool answered =
        rdl_channel_send(fd, (rdl_str){message.p, message.n}) && rdl_channel_await(fd, &message);
    rdl_code rc =
        answered ? rdl_wire_take_answer((rdl_str){message.p, message.n}, out, err) : lost(err);
    rdl_buf_fini(&message);
    return rc;
}

rdl_code rdl_errand_try(rdl_cli *cli, bool *taken, rdl_buf *out, rdl_err *err)
{
    int fd = rdl_channel_connect(rdl_wire_path(&cli->arena, rdl_cli_root(cli)));
    *taken = fd >= 0;
    if (fd < 0)
        return RDL_OK;
    rdl_code rc = run_there(cli, fd, out, err);
    rdl_channel_close(fd);
    return rc;
}

rdl_code rdl_errand_run(rdl_cli *cli, rdl_buf *out, rdl_err *err)
{
    bool taken;
    RDL_TRY(rdl_errand_try(cli, &taken, out, err));
    return taken ? RDL_OK : with_engine(cli, one_command, out, err);
}

/* ---- several ---- */

typedef struct steps {
    const rdl_errand_step *at, *end;
} steps;

/* cli's words become the step's. */
static void set_words(rdl_cli *cli, const rdl_errand_step *step)
{
    cli->command = rdl_wire_command(step->command);
    cli->args = RDL_NEWN(&cli->arena, const char *, step->n + 1);
    cli->arg_count = step->n;
    for (size_t i = 0; i < step->n; i++)
        cli->args[i] = rdl_arena_strndup(&cli->arena, step->tables[i].p, step->tables[i].n);
}

static rdl_code steps_here(rdl_cli *cli, rdl_engine *e, void *arg, rdl_err *err)
{
    steps *s = arg;
    rdl_buf said = {0};
    rdl_code rc = RDL_OK;
    for (; s->at < s->end && rc == RDL_OK; s->at++) {
        set_words(cli, s->at);
        rc = run_command(cli, e, &said, err);
    }
    rdl_buf_fini(&said);
    return rc;
}

/* By the run that holds the root, as far as there is one; s->at is the first that nobody took. */
static rdl_code steps_there(rdl_cli *cli, steps *s, rdl_err *err)
{
    rdl_buf said = {0};
    rdl_code rc = RDL_OK;
    for (bool taken = true; s->at < s->end && rc == RDL_OK; s->at++) {
        set_words(cli, s->at);
        rc = rdl_errand_try(cli, &taken, &said, err);
        if (!taken)
            break;
    }
    rdl_buf_fini(&said);
    return rc;
}

rdl_code rdl_errand_over(rdl_cli *cli, const rdl_errand_step *list, size_t n, rdl_err *err)
{
    static const rdl_cli_option_id kept[] = {RDL_CLI_ROOT,    RDL_CLI_SET,   RDL_CLI_MEMORY,
                                             RDL_CLI_THREADS, RDL_CLI_ADOPT, RDL_CLI_LOG_LEVEL};
    const rdl_command *command = cli->command;
    const char **args = cli->args;
    size_t arg_count = cli->arg_count;
    const char *values[RDL_CLI_OPTION_COUNT];
    memcpy(values, cli->values, sizeof values);
    memset(cli->values, 0, sizeof cli->values);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        cli->values[kept[i]] = values[kept[i]];
    steps s = {list, list + n};
    rdl_code rc = steps_there(cli, &s, err);
    if (rc == RDL_OK && s.at < s.end)
        rc = with_engine(cli, steps_here, &s, err);
    memcpy(cli->values, values, sizeof values);
    cli->command = command;
    cli->args = args;
    cli->arg_count = arg_count;
    return rc;
}

rdl_code rdl_cmd_errand(rdl_cli *cli, rdl_err *err)
{
    rdl_buf out = {0};
    rdl_code rc = rdl_errand_run(cli, &out, err);
    rdl_err failed = {0};
    rdl_code printed = rdl_cli_print(&out, &failed);
    rdl_buf_fini(&out);
    if (rc == RDL_OK && printed != RDL_OK)
        *err = failed;
    return rc != RDL_OK ? rc : printed;
}
