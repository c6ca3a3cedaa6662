/*
 * cli/cli.c - what all commands share: the way in and out, loading, and saying what is
 * wrong.
 */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/machine.h"
#include "cli/help.h"

enum { READER_TRIES = 3 };

/* ---- printing ---- */

rdl_code rdl_cli_print(const rdl_buf *b, rdl_err *err)
{
    if (b->n != 0 && (fwrite(b->p, 1, b->n, stdout) != b->n || fflush(stdout) != 0))
        return rdl_err_set(err, RDL_EIO, 0, "could not write the result: %s", strerror(errno));
    return RDL_OK;
}

/* To stderr.  Messages name files and columns of the input, which must not command a terminal. */
static void put_harmless(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
            fprintf(stderr, "\\x%02X", *p);
        else
            fputc(*p, stderr);
    }
}

void rdl_cli_note(const char *fmt, ...)
{
    rdl_buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    rdl_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    put_harmless(rdl_buf_str(&text));
    rdl_buf_fini(&text);
    fputc('\n', stderr);
}

void rdl_cli_print_error(const rdl_err *err)
{
    bool color = rdl_cli_color(STDERR_FILENO);
    const char *red = color ? "\033[1;31m" : "", *plain = color ? "\033[0m" : "";
    fflush(stdout);
    if (err->code == RDL_EBUG) {
        fprintf(stderr, "raudal: %sBUG:%s %s\n", red, plain, err->msg);
        fprintf(stderr, "hint: Please report this with `raudal doctor` and what you ran.\n");
    } else if (err->line != 0) {
        fprintf(stderr, "%s:%u:%u: %serror:%s ", err->file, err->line, err->col, red, plain);
        rdl_cli_note("%s", err->msg);
    } else {
        fprintf(stderr, "raudal: %serror:%s ", red, plain);
        rdl_cli_note("%s", err->msg);
    }
    if (err->hint[0] != '\0')
        rdl_cli_note("hint: %s", err->hint);
    if (err->path[0] != '\0')
        rdl_cli_note("in: %s", err->path);
}

void rdl_cli_print_diags(const rdl_diags *diags)
{
    rdl_buf text = {0};
    if (diags->list.n == 0)
        return;
    rdl_diags_print(diags, rdl_cli_color(STDERR_FILENO), &text);
    fputs(rdl_buf_str(&text), stderr);
    rdl_buf_fini(&text);
}

/* ---- loading ---- */

rdl_code rdl_cli_open_duck(rdl_duck **out_duck, rdl_conn **out_conn, rdl_err *err)
{
    const rdl_duck_config config = {.threads = 1};
    *out_duck = NULL;
    *out_conn = NULL;
    RDL_TRY(rdl_duck_open(&config, out_duck, err));
    return rdl_conn_open(*out_duck, out_conn, err);
}

rdl_code rdl_cli_load(rdl_cli *cli, rdl_cli_pipeline *out, rdl_err *err)
{
    rdl_diags diags;
    rdl_load_options options = rdl_cli_load_options(cli);
    *out = (rdl_cli_pipeline){0};
    rdl_diags_init(&diags, &cli->arena);
    rdl_code rc = rdl_cli_open_duck(&out->duck, &out->conn, err);
    if (rc == RDL_OK)
        rc = rdl_pipeline_load(&cli->arena, out->conn, cli->dir, &options, &diags, &out->pipeline,
                               err);
    rdl_cli_print_diags(&diags);
    if (rc != RDL_OK)
        rdl_cli_unload(out);
    return rc;
}

void rdl_cli_unload(rdl_cli_pipeline *p)
{
    rdl_conn_close(p->conn);
    rdl_duck_close(p->duck);
    *p = (rdl_cli_pipeline){0};
}

/* Shared by reader and engine; --memory and --threads. */
static rdl_code read_limits(rdl_cli *cli, uint64_t *memory, unsigned *threads, rdl_err *err)
{
    uint64_t n = 0;
    RDL_TRY(rdl_cli_bytes(cli, RDL_CLI_MEMORY, memory, err));
    RDL_TRY(rdl_cli_count(cli, RDL_CLI_THREADS, 1024, &n, err));
    if (n == 0 && cli->values[RDL_CLI_THREADS] != NULL)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "cannot run with --threads 0: it takes one at least");
    *threads = (unsigned)n;
    return RDL_OK;
}

static rdl_code open_reader(rdl_cli *cli, rdl_diags *diags, rdl_reader **out, rdl_err *err)
{
    rdl_reader_config config = {.dir = cli->dir, .load = rdl_cli_load_options(cli)};
    config.root = cli->values[RDL_CLI_ROOT] != NULL ? rdl_cli_root(cli) : NULL;
    /* Two DuckDBs must not share a folder, neither of two processes nor of one. */
    config.temp_dir = rdl_arena_printf(&cli->arena, "%s/state/tmp/reader-%ld-%" PRId64,
                                       rdl_cli_root(cli), rdl_process_id(), rdl_monotonic_us());
    RDL_TRY(read_limits(cli, &config.memory_bytes, &config.threads, err));
    rdl_diags_init(diags, &cli->arena);
    return rdl_reader_open(&config, diags, out, err);
}

rdl_code rdl_cli_open_reader(rdl_cli *cli, rdl_reader **out, rdl_err *err)
{
    rdl_diags diags = {0};
    rdl_code rc = open_reader(cli, &diags, out, err);
    if (rc != RDL_OK)
        rdl_cli_print_diags(&diags);
    return rc;
}

rdl_code rdl_cli_open_reader_quietly(rdl_cli *cli, rdl_reader **out, rdl_err *err)
{
    rdl_diags diags;
    return open_reader(cli, &diags, out, err);
}

rdl_code rdl_cli_with_reader(rdl_cli *cli, rdl_code (*work)(void *arg, rdl_reader *r, rdl_err *err),
                             void *arg, rdl_err *err)
{
    for (int tries = 1;; tries++) {
        rdl_reader *r = NULL;
        rdl_code rc = rdl_cli_open_reader_quietly(cli, &r, err);
        if (rc == RDL_OK)
            rc = work(arg, r, err);
        rdl_reader_close(r);
        if (rc == RDL_OK || (err->flags & RDL_ERR_RETRY) == 0 || tries == READER_TRIES)
            return rc;
    }
}

rdl_code rdl_cli_open_engine(rdl_cli *cli, rdl_engine_config *config, rdl_engine **out,
                             rdl_err *err)
{
    rdl_diags diags;
    config->dir = cli->dir;
    if (config->root == NULL && cli->values[RDL_CLI_ROOT] != NULL)
        config->root = rdl_cli_root(cli);
    config->load = rdl_cli_load_options(cli);
    config->adopt = rdl_cli_has(cli, RDL_CLI_ADOPT);
    config->rebuild_state = rdl_cli_has(cli, RDL_CLI_REBUILD_STATE);
    RDL_TRY(read_limits(cli, &config->memory_bytes, &config->threads, err));
    rdl_diags_init(&diags, &cli->arena);
    rdl_code rc = rdl_engine_open(config, &diags, out, err);
    rdl_cli_print_diags(&diags);
    return rc;
}

/* ---- tables by name ---- */

rdl_code rdl_cli_refuse_name(const rdl_pipeline *p, const char *kind, const char *name,
                             const char *const *names, size_t n, const char *list, rdl_err *err)
{
    const char *nearest = rdl_nearest(rdl_str_of(name), names, n);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized %s \"%s\" in pipeline \"%s\"", kind, name,
                p->name);
    return nearest != NULL ? rdl_err_hint(err, "Did you mean \"%s\"?", nearest)
                           : rdl_err_hint(err, "%s", list);
}

rdl_code rdl_cli_table(const rdl_pipeline *p, const char *name, rdl_table **out, rdl_err *err)
{
    rdl_arena a;
    *out = rdl_pipeline_find(p, rdl_str_of(name));
    if (*out != NULL)
        return RDL_OK;
    RDL_TRY(rdl_pipeline_refuse_plain(p, rdl_str_of(name), err));
    rdl_arena_init(&a, 0);
    const char **names = RDL_NEWN(&a, const char *, p->table_count + 1);
    for (size_t i = 0; i < p->table_count; i++)
        names[i] = rdl_arena_strndup(&a, p->tables[i]->full.p, p->tables[i]->full.n);
    rdl_code rc = rdl_cli_refuse_name(p, "table", name, names, p->table_count,
                                      "`raudal explain` lists the tables.", err);
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_cli_tables(rdl_cli *cli, const rdl_pipeline *p, size_t first, const rdl_table ***out,
                        size_t *out_n, rdl_err *err)
{
    RDL_VEC(const rdl_table *) found = {0};
    const char *only = cli->values[RDL_CLI_ONLY];
    for (size_t i = first; i < cli->arg_count; i++) {
        rdl_table *t;
        RDL_TRY(rdl_cli_table(p, cli->args[i], &t, err));
        RDL_PUSH(&cli->arena, &found) = t;
    }
    for (size_t i = 0; only != NULL && i < p->table_count; i++) {
        char *full = rdl_arena_strndup(&cli->arena, p->tables[i]->full.p, p->tables[i]->full.n);
        if (rdl_name_matches(only, full) && p->tables[i]->kind >= RDL_TABLE_STREAMING)
            RDL_PUSH(&cli->arena, &found) = p->tables[i];
    }
    if (only != NULL && found.n == 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "no table matches --only \"%s\"", only);
        return rdl_err_hint(err, "`raudal explain` lists the tables.");
    }
    *out = found.v;
    *out_n = found.n;
    return RDL_OK;
}

/* ---- the way in and out ---- */

static rdl_code run_command(rdl_cli *cli, int argc, char **argv, rdl_err *err)
{
    rdl_log_level level;
    RDL_TRY(rdl_cli_parse(cli, argc, argv, err));
    if (rdl_cli_has(cli, RDL_CLI_HELP))
        return rdl_help_command(cli->command, err);
    const char *wanted = cli->values[RDL_CLI_LOG_LEVEL];
    if (wanted != NULL) {
        if (!rdl_log_level_parse(wanted, &level)) {
            rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized log level \"%s\"", wanted);
            return rdl_err_hint(err, "Levels are error, warn, info and debug.");
        }
        rdl_log_set_level(level);
    }
    return cli->command->run(cli, err);
}

int rdl_cli_main(int argc, char **argv)
{
    static char *no_words[] = {(char *)"help"}, *version[] = {(char *)"version"};
    rdl_cli cli = {0};
    rdl_err err = {0};
    char msg[200];
    rdl_arena_init(&cli.arena, 0);
    if (!rdl_fault_arm_from_env(msg, sizeof msg)) {
        rdl_err_set(&err, RDL_EUSAGE, 0, "%s", msg);
        rdl_cli_print_error(&err);
        return rdl_err_exit_code(&err);
    }
    argc--;
    argv++;
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        argc = 1;
        argv = no_words;
    } else if (strcmp(argv[0], "--version") == 0) {
        argc = 1;
        argv = version;
    }
    rdl_code rc = run_command(&cli, argc, argv, &err);
    int exit_code = cli.exit_code;
    if (rc != RDL_OK) {
        rdl_cli_print_error(&err);
        exit_code = rdl_err_exit_code(&err);
    }
    rdl_arena_fini(&cli.arena);
    return exit_code;
}
