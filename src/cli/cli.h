/*
 * cli/cli.h - one call of the program: its arguments, and what all commands share.
 *
 * Results go to stdout, everything else to stderr.  A command returns RDL_OK, or fills err,
 * which rdl_cli_main prints once; a check that found differences sets exit_code 1.
 *
 * Thread: main; a copy for another thread has an arena of its own (alerting.c, reporting.c).
 */
#ifndef RDL_CLI_CLI_H
#define RDL_CLI_CLI_H

#include "base/arena.h"
#include "cli/command.h"
#include "stream/reader.h"

struct rdl_cli {
    const rdl_command *command;
    const char *dir;   /* the pipeline's folder; "." when it was left out */
    const char **args; /* beside DIR */
    size_t arg_count;
    const char *values[RDL_CLI_OPTION_COUNT]; /* NULL: not given; a flag: "" */
    const char **set;                         /* --set */
    size_t set_count;
    rdl_arena arena; /* until exit */
    int exit_code;   /* of a command that returns RDL_OK */
};

int rdl_cli_main(int argc, char **argv);

static inline bool rdl_cli_has(const rdl_cli *cli, rdl_cli_option_id id)
{
    return cli->values[id] != NULL;
}

/* Fill cli from the words after the program's name. */
RDL_MUST rdl_code rdl_cli_parse(rdl_cli *cli, int argc, char **argv, rdl_err *err);
/* RDL_EUSAGE: no command begins with these words; the nearest one is the hint. */
rdl_code rdl_cli_refuse_command(rdl_cli *cli, const char *words, rdl_err *err);

/* "512MB", "2GB", "1.5 GiB", "1000000": all in powers of 1024. */
bool rdl_cli_parse_bytes(const char *text, uint64_t *out);
RDL_MUST rdl_code rdl_cli_bytes(const rdl_cli *cli, rdl_cli_option_id id, uint64_t *out,
                                rdl_err *err); /* not given: out is left as it was */
RDL_MUST rdl_code rdl_cli_count(const rdl_cli *cli, rdl_cli_option_id id, uint64_t most,
                                uint64_t *out, rdl_err *err);
rdl_load_options rdl_cli_load_options(const rdl_cli *cli);
/* --root, else <dir>/.raudal. */
const char *rdl_cli_root(rdl_cli *cli);

/* A pipeline alone, without its root. */
typedef struct rdl_cli_pipeline {
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_pipeline *pipeline;
} rdl_cli_pipeline;
RDL_MUST rdl_code rdl_cli_load(rdl_cli *cli, rdl_cli_pipeline *out, rdl_err *err);
void rdl_cli_unload(rdl_cli_pipeline *p);
/* A DuckDB of one thread, in memory; the caller closes conn, then duck, after a failure too. */
RDL_MUST rdl_code rdl_cli_open_duck(rdl_duck **out_duck, rdl_conn **out_conn, rdl_err *err);
/* With its root; problems of the text are printed to stderr before these return.  A reader spills
 * into a folder of its own below state/tmp.  Its pipeline lives in cli->arena: close it before that
 * is reset. */
RDL_MUST rdl_code rdl_cli_open_reader(rdl_cli *cli, rdl_reader **out, rdl_err *err);
/* The same for work beside a run: prints nothing. */
RDL_MUST rdl_code rdl_cli_open_reader_quietly(rdl_cli *cli, rdl_reader **out, rdl_err *err);
/* Work with such a reader; with another one, a few times, when the writer took files away under it
 * (RDL_ERR_RETRY). */
RDL_MUST rdl_code rdl_cli_with_reader(rdl_cli *cli,
                                      rdl_code (*work)(void *arg, rdl_reader *r, rdl_err *err),
                                      void *arg, rdl_err *err);
RDL_MUST rdl_code rdl_cli_open_engine(rdl_cli *cli, rdl_engine_config *config, rdl_engine **out,
                                      rdl_err *err);
/* A table by its full name; RDL_EUSAGE with the nearest name as hint. */
RDL_MUST rdl_code rdl_cli_table(const rdl_pipeline *p, const char *name, rdl_table **out,
                                rdl_err *err);
/* RDL_EUSAGE: the pipeline has no `kind` of that name.  The nearest of names is the hint, else
 * `list`, which says what lists them. */
rdl_code rdl_cli_refuse_name(const rdl_pipeline *p, const char *kind, const char *name,
                             const char *const *names, size_t n, const char *list, rdl_err *err);
/* The tables that the arguments from `first` on name, or that match --only; none: all. */
RDL_MUST rdl_code rdl_cli_tables(rdl_cli *cli, const rdl_pipeline *p, size_t first,
                                 const rdl_table ***out, size_t *out_n, rdl_err *err);

/* Text for people and programs. */
bool rdl_cli_color(int fd);       /* a terminal, and NO_COLOR is not set */
unsigned rdl_cli_width(int fd);   /* columns of the terminal; 0: no terminal */
size_t rdl_text_width(rdl_str s); /* columns that UTF-8 text takes on a terminal */
void rdl_put_padded(rdl_buf *b, rdl_str s, size_t width, bool right);
void rdl_put_bytes(rdl_buf *b, uint64_t bytes);   /* "1.5 MB" */
void rdl_put_seconds(rdl_buf *b, double seconds); /* "1.25 s", "340 ms", "2 min 5 s" */
RDL_MUST rdl_code rdl_cli_print(const rdl_buf *b, rdl_err *err); /* to stdout */
void rdl_cli_note(const char *fmt, ...) RDL_PRINTF(1, 2);        /* a line to stderr */
void rdl_cli_print_error(const rdl_err *err);
void rdl_cli_print_diags(const rdl_diags *diags);

#endif
