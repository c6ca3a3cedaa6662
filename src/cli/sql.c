/*
 * cli/sql.c - `raudal sql`: any SQL over the lake, at once or interactively.
 *
 * A reader shows one sealed cut.  Each statement of a session is answered at the newest:
 * when the writer has moved on, or a file has gone, the reader is opened again.
 */
#include <editline/readline.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/output.h"
#include "cli/signal.h"
#include "ops/statement.h"
#include "ops/system.h"

enum {
    OPEN_AGAIN_MAX = 3,
    HISTORY_LINES = 1000,
    SCRIPT_BYTES_MAX = 64 << 20,
};

typedef struct session {
    rdl_cli *cli;
    rdl_reader *reader;
    rdl_output_format format;
    bool interactive;
} session;

static rdl_code reopen(session *s, rdl_err *err)
{
    rdl_reader_close(s->reader);
    s->reader = NULL;
    return rdl_cli_open_reader(s->cli, &s->reader, err);
}

/* A file that vanished because the writer moved on: look again. */
static rdl_code ask(session *s, const char *sql, rdl_result **out, rdl_err *err)
{
    for (int i = 0;; i++) {
        if (s->reader == NULL)
            RDL_TRY(reopen(s, err));
        rdl_signals_interrupt(rdl_reader_conn(s->reader));
        rdl_code rc = rdl_system_query(s->reader, sql, rdl_now_us(&rdl_clock_system), out, err);
        rdl_signals_restore();
        if (rc == RDL_OK || (err->flags & RDL_ERR_RETRY) == 0 || i == OPEN_AGAIN_MAX)
            return rc;
        RDL_TRY(reopen(s, err));
    }
}

static rdl_code answer(session *s, rdl_str text, rdl_err *err)
{
    rdl_result *r = NULL;
    rdl_buf took = {0};
    uint64_t rows = 0;
    int64_t started = rdl_monotonic_us();
    char *sql = rdl_arena_strndup(&s->cli->arena, text.p, text.n);
    RDL_TRY(ask(s, sql, &r, err));
    rdl_code rc = rdl_output_result(s->format, r, &rows, err);
    rdl_result_free(r);
    if (rc == RDL_OK && s->interactive) {
        rdl_put_seconds(&took, (double)(rdl_monotonic_us() - started) / 1e6);
        rdl_cli_note("(%llu row%s, %s)", (unsigned long long)rows, rows == 1 ? "" : "s",
                     rdl_buf_str(&took));
        rdl_buf_fini(&took);
    }
    return rc;
}

/* All statements of a text; the first failure ends it. */
static rdl_code answer_all(session *s, rdl_str text, rdl_err *err)
{
    while (!rdl_statement_blank(text)) {
        size_t n = rdl_statement_end(text);
        size_t end = n != 0 ? n - 1 : text.n;
        rdl_str one = {text.p, end};
        if (!rdl_statement_blank(one))
            RDL_TRY(answer(s, one, err));
        if (n == 0)
            break;
        text.p += n;
        text.n -= n;
    }
    return RDL_OK;
}

static rdl_code answer_stdin(session *s, rdl_err *err)
{
    rdl_buf text = {0};
    char piece[65536];
    size_t n;
    rdl_code rc = RDL_OK;
    while (rc == RDL_OK && (n = fread(piece, 1, sizeof piece, stdin)) != 0) {
        rdl_buf_put(&text, piece, n);
        if (text.n > SCRIPT_BYTES_MAX)
            rc = rdl_err_set(err, RDL_ELIMIT, 0,
                             "could not read the statements: they are more than 64 MB");
    }
    if (rc == RDL_OK)
        rc = answer_all(s, (rdl_str){rdl_buf_str(&text), text.n}, err);
    rdl_buf_fini(&text);
    return rc;
}

/* ---- words that begin with a dot ---- */

static const char dot_help[] = ".tables            the tables and views, with their kind\n"
                               ".schema [TABLE]    their columns and types\n"
                               ".queries           the queries of the pipeline\n"
                               ".format FORMAT     table, csv, json or jsonl\n"
                               ".reload            read the pipeline and its newest cut again\n"
                               ".help              this list\n"
                               ".quit              leave (or Control-D)\n"
                               "Anything else is SQL and ends in a semicolon.\n";

static void add_table(session *s, rdl_output *o, const rdl_table *t)
{
    rdl_row row;
    rdl_row_begin(&row, &s->cli->arena);
    rdl_row_str(&row, t->full);
    rdl_row_text(&row, rdl_table_kind_name(t));
    rdl_row_u64(&row, t->columns.n);
    rdl_output_row(o, row.cells);
}

static rdl_code show_tables(session *s, rdl_err *err)
{
    static const char *const names[] = {"table", "kind", "columns"};
    const rdl_pipeline *p = rdl_reader_pipeline(s->reader);
    rdl_output *o = rdl_output_new(s->format, names, 3);
    for (size_t i = 0; i < p->table_count; i++) {
        if (!p->tables[i]->internal && p->tables[i]->kind >= RDL_TABLE_STREAMING)
            add_table(s, o, p->tables[i]);
    }
    for (size_t i = 0; i < p->view_count; i++) {
        if (p->views[i]->body.n > 0)
            add_table(s, o, p->views[i]);
    }
    return rdl_output_finish(o, err);
}

static void add_columns(session *s, rdl_output *o, const rdl_table *t)
{
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_row row;
        rdl_buf type = {0};
        rdl_type_print(t->columns.v[i].type, &type);
        rdl_row_begin(&row, &s->cli->arena);
        rdl_row_str(&row, t->full);
        rdl_row_str(&row, t->columns.v[i].name);
        rdl_row_text(&row, rdl_buf_str(&type));
        rdl_buf_fini(&type);
        rdl_output_row(o, row.cells);
    }
}

static rdl_code show_schema(session *s, const char *name, rdl_err *err)
{
    static const char *const names[] = {"table", "column", "type"};
    const rdl_pipeline *p = rdl_reader_pipeline(s->reader);
    rdl_table *one = NULL;
    if (name[0] != '\0')
        RDL_TRY(rdl_cli_table(p, name, &one, err));
    rdl_output *o = rdl_output_new(s->format, names, 3);
    for (size_t i = 0; i < p->table_count; i++)
        if (one == NULL ? p->tables[i]->kind >= RDL_TABLE_STREAMING && !p->tables[i]->internal
                        : p->tables[i] == one)
            add_columns(s, o, p->tables[i]);
    return rdl_output_finish(o, err);
}

static rdl_code show_queries(session *s, rdl_err *err)
{
    const rdl_pipeline *p = rdl_reader_pipeline(s->reader);
    rdl_buf b = {0};
    for (size_t i = 0; i < p->query_count; i++)
        rdl_buf_printf(&b, "%.*s\n", (int)p->queries[i].name.n, p->queries[i].name.p);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code set_format(session *s, const char *name, rdl_err *err)
{
    rdl_cli again = *s->cli;
    again.values[RDL_CLI_FORMAT] = name;
    again.values[RDL_CLI_JSON] = NULL;
    return rdl_output_choose(&again, RDL_OUTPUT_TABLE, &s->format, err);
}

/* False to leave. */
static bool obey(session *s, const char *line, rdl_err *err, rdl_code *rc)
{
    const char *space = strchr(line, ' ');
    rdl_str word = {line, space != NULL ? (size_t)(space - line) : strlen(line)};
    const char *rest = space != NULL ? space + strspn(space, " ") : "";
    *rc = RDL_OK;
    if (rdl_str_eq(word, RDL_STR(".quit")) || rdl_str_eq(word, RDL_STR(".exit")))
        return false;
    if (rdl_str_eq(word, RDL_STR(".help")))
        fputs(dot_help, stdout);
    else if (rdl_str_eq(word, RDL_STR(".tables")))
        *rc = show_tables(s, err);
    else if (rdl_str_eq(word, RDL_STR(".schema")))
        *rc = show_schema(s, rest, err);
    else if (rdl_str_eq(word, RDL_STR(".queries")))
        *rc = show_queries(s, err);
    else if (rdl_str_eq(word, RDL_STR(".format")))
        *rc = set_format(s, rest, err);
    else if (rdl_str_eq(word, RDL_STR(".reload")))
        *rc = reopen(s, err);
    else {
        rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized word \"%s\"", line);
        *rc = rdl_err_hint(err, ".help lists them; SQL does not begin with a dot.");
    }
    return true;
}

/* ---- the session ---- */

static char *history_path(rdl_arena *a)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    rdl_err err;
    char *dir = NULL;
    if (state != NULL && state[0] == '/')
        dir = rdl_path_join(a, state, "raudal");
    else if (home != NULL && home[0] == '/')
        dir = rdl_path_join(a, home, ".local/state/raudal");
    if (dir == NULL || rdl_fs_mkdirs(dir, &err) != RDL_OK)
        return NULL; /* a session without a history is a session */
    return rdl_path_join(a, dir, "history");
}

static void remember(const char *text, const char *path)
{
    char *line = strdup(text); /* allow: add_history wants one line, freed below */
    for (char *p = line; p != NULL && *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    if (line != NULL)
        add_history(line);
    free(line); /* allow: see strdup above */
    if (path != NULL)
        write_history(path);
}

static void report(rdl_err *err)
{
    if (err->code == RDL_ESTOP)
        rdl_cli_note("interrupted");
    else
        rdl_cli_print_error(err);
}

static bool take_line(session *s, rdl_buf *text, const char *line, const char *history)
{
    rdl_err err = {0};
    rdl_code rc;
    size_t end;
    if (text->n == 0 && line[0] == '.') {
        remember(line, history);
        bool stay = obey(s, line, &err, &rc);
        if (rc != RDL_OK)
            report(&err);
        return stay;
    }
    rdl_buf_puts(text, line);
    rdl_buf_putc(text, '\n');
    if (rdl_statement_blank((rdl_str){text->p, text->n})) {
        rdl_buf_clear(text);
        return true;
    }
    while ((end = rdl_statement_end((rdl_str){rdl_buf_str(text), text->n})) != 0) {
        rdl_str one = {text->p, end};
        char *copy = rdl_arena_strndup(&s->cli->arena, one.p, one.n);
        remember(copy, history);
        if (answer_all(s, rdl_str_of(copy), &err) != RDL_OK)
            report(&err);
        memmove(text->p, text->p + end, text->n - end + 1);
        text->n -= end;
        if (rdl_statement_blank((rdl_str){text->p, text->n}))
            rdl_buf_clear(text);
    }
    return true;
}

static rdl_code converse(session *s)
{
    rdl_buf text = {0};
    char *line, *history = history_path(&s->cli->arena);
    setlocale(LC_CTYPE, "C.UTF-8"); /* libedit reads UTF-8; the user's locale decides nothing */
    using_history();
    stifle_history(HISTORY_LINES);
    if (history != NULL)
        read_history(history);
    rdl_cli_note("%s: SQL over the lake, read-only.  .help for help, .quit to leave.",
                 rdl_reader_pipeline(s->reader)->name);
    bool stay = true;
    while (stay && (line = readline(text.n == 0 ? "raudal> " : "   ...> ")) != NULL) {
        stay = take_line(s, &text, line, history);
        free(line); /* allow: readline's */
    }
    if (stay)
        fputc('\n', stdout);
    rdl_buf_fini(&text);
    return RDL_OK;
}

rdl_code rdl_cmd_sql(rdl_cli *cli, rdl_err *err)
{
    session s = {.cli = cli};
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &s.format, err));
    s.interactive = cli->arg_count == 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    RDL_TRY(rdl_cli_open_reader(cli, &s.reader, err));
    rdl_code rc;
    if (cli->arg_count != 0)
        rc = answer_all(&s, rdl_str_of(cli->args[0]), err);
    else
        rc = s.interactive ? converse(&s) : answer_stdin(&s, err);
    rdl_reader_close(s.reader);
    return rc;
}
