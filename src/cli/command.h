/*
 * cli/command.h - the table of commands: everything that is said about a command, once.
 *
 * The parser, `raudal help`, the manual page, the Markdown reference and the shell completions
 * all read two tables, the options below and the commands of command.c; none has a list of its
 * own.
 *
 * Thread: any; both tables are constants.
 */
#ifndef RDL_CLI_COMMAND_H
#define RDL_CLI_COMMAND_H

#include "base/str.h"

/* X(id, "name", "VALUE" or NULL for a flag, "help") */
#define RDL_CLI_OPTIONS(X)                                                                 \
    X(ROOT, "root", "DIR", "Where a run keeps its state and lake (default DIR/.raudal).")  \
    X(ENV, "env", "NAME",                                                                  \
      "Read raudal.NAME.env too, and keep the root apart (RAUDAL_ENV).")                   \
    X(SET, "set", "NAME=VALUE",                                                            \
      "Give a variable or a setting a value; may be repeated.")                            \
    X(FORMAT, "format", "FORMAT", "How results are printed: table, csv, json or jsonl.")   \
    X(JSON, "json", NULL, "The same as --format json.")                                    \
    X(ONCE, "once", NULL, "Process all there is now, then stop.")                          \
    X(ONLY, "only", "GLOB", "Only tables whose names match, as in 'gold.*'.")              \
    X(FROM, "from", "VALUE", "Where a range begins (refresh), or the first table of a run.")  \
    X(TO, "to", "VALUE", "Where a range ends; the value itself is not in it.")             \
    X(REBUILD_STATE, "rebuild-state", NULL,                                                \
      "Forget keyed state that is damaged; make it again from the lake.")                  \
    X(ADOPT, "adopt", NULL,                                                                \
      "Take over published tables that belong to another root: they are filled again.")    \
    X(MEMORY, "memory", "SIZE", "Memory to use, as in 512MB (default: half the machine).") \
    X(THREADS, "threads", "N", "Threads to compute with (default: one per processor).")    \
    X(METRICS, "metrics", "ADDRESS",                                                       \
      "Serve Prometheus metrics on this address, as in 127.0.0.1:9464.")                   \
    X(LOG_LEVEL, "log-level", "LEVEL", "What is logged: error, warn, info or debug.")      \
    X(WATCH, "watch", NULL, "Print again every two seconds until interrupted.")            \
    X(STORE, "store", "URL", "The store to ask, when tables are published to several.")    \
    X(SAMPLES, "samples", "N", "How many differing keys to print per table (default 10).") \
    X(NO_STORES, "no-stores", NULL, "Check the lake alone, not the published tables.")     \
    X(REPAIR, "repair", NULL, "Compute again the views that differ, fill again the stores.") \
    X(WHERE, "where", "CONDITION",                                                         \
      "Only rows of the quarantine that this SQL holds of.")                               \
    X(RETENTION, "retention", "INTERVAL",                                                  \
      "Keep files that the last versions used, as in '7 days' (the default).")             \
    X(DRY_RUN, "dry-run", NULL, "Say what would be done, and do nothing.")                 \
    X(WRITE, "write", NULL, "Write the report's files instead of printing it.")            \
    X(OUT, "out", "PATH", "Write the report to this path.")                                \
    X(CHECK, "check", NULL, "Look at every alert now, and tell what there is to tell.")    \
    X(TEST, "test", "NAME", "Send a test notice to everybody whom this alert tells.")      \
    X(LIMIT, "limit", "N", "Print at most so many rows (default 100).")                    \
    X(ACCEPT, "accept", NULL, "Write what came out into the scripts as what is expected.") \
    X(FAULTS, "faults", NULL, "List the fault points that tests can arm with RDL_FAULT.")  \
    X(INTERNAL, "internal", NULL, "Show the tables that Raudal makes for itself too.")     \
    X(VARIABLES, "variables", NULL, "Show each variable, its value and where it is from.") \
    X(MAN, "man", NULL, "Print the manual page.")                                          \
    X(MARKDOWN, "markdown", NULL, "Print the reference of all commands as Markdown.")      \
    X(COMPLETION, "completion", "SHELL", "Print a completion script: bash, zsh or fish.")  \
    X(HELP, "help", NULL, "Print what the command does and how to call it.")

typedef enum rdl_cli_option_id {
#define RDL_CLI_OPTION_ENUM(id, name, value, help) RDL_CLI_##id,
    RDL_CLI_OPTIONS(RDL_CLI_OPTION_ENUM)
#undef RDL_CLI_OPTION_ENUM
        RDL_CLI_OPTION_COUNT
} rdl_cli_option_id;

#define RDL_CLI_BIT(id) (UINT64_C(1) << RDL_CLI_##id)

typedef struct rdl_cli_option {
    const char *name, *value, *help;
} rdl_cli_option;
extern const rdl_cli_option rdl_cli_options[RDL_CLI_OPTION_COUNT];

typedef struct rdl_cli rdl_cli;
struct rdl_engine;

typedef struct rdl_command {
    const char *name;     /* "run", "lake history" */
    const char *synopsis; /* its arguments: "DIR [TABLE]"; DIR may be left out: "." */
    const char *line;     /* one line, without a full stop */
    const char *about;    /* what it does, for one who has not used it; paragraphs */
    const char *examples; /* one a line */
    uint64_t options;     /* RDL_CLI_BIT of each; --help is always there */
    uint8_t args_min, args_max; /* beside DIR; 255: any number */
    bool has_dir;
    rdl_code (*run)(rdl_cli *cli, rdl_err *err);
    /* Of a command that changes a root (errand.h), whose run is rdl_cmd_errand: the work itself;
     * what it says goes to out.  NULL: another kind. */
    rdl_code (*on_engine)(rdl_cli *cli, struct rdl_engine *e, rdl_buf *out, rdl_err *err);
} rdl_command;

extern const rdl_command rdl_commands[];
extern const size_t rdl_command_count;

static inline bool rdl_command_takes(const rdl_command *c, size_t option)
{
    return option == RDL_CLI_HELP || (c->options >> option & 1) != 0;
}

/* One function per row of the table, each in its own file. */
#define RDL_CLI_COMMAND(name) rdl_code rdl_cmd_##name(rdl_cli *cli, rdl_err *err)
RDL_CLI_COMMAND(init);
RDL_CLI_COMMAND(check);
RDL_CLI_COMMAND(explain);
RDL_CLI_COMMAND(run);
RDL_CLI_COMMAND(alerts);
RDL_CLI_COMMAND(status);
RDL_CLI_COMMAND(query);
RDL_CLI_COMMAND(report);
RDL_CLI_COMMAND(sql);
RDL_CLI_COMMAND(why);
RDL_CLI_COMMAND(verify);
RDL_CLI_COMMAND(provision);
RDL_CLI_COMMAND(backfill);
RDL_CLI_COMMAND(lake_tables);
RDL_CLI_COMMAND(lake_history);
RDL_CLI_COMMAND(lake_files);
RDL_CLI_COMMAND(lake_compact);
RDL_CLI_COMMAND(lake_vacuum);
RDL_CLI_COMMAND(quarantine_list);
RDL_CLI_COMMAND(quarantine_show);
RDL_CLI_COMMAND(docs);
RDL_CLI_COMMAND(discover);
RDL_CLI_COMMAND(test);
RDL_CLI_COMMAND(doctor);
RDL_CLI_COMMAND(version);
RDL_CLI_COMMAND(help);
RDL_CLI_COMMAND(errand); /* refresh, publish, quarantine replay */

#define RDL_CLI_ERRAND(name)                                                               \
    rdl_code rdl_errand_##name(rdl_cli *cli, struct rdl_engine *e, rdl_buf *out, rdl_err *err)
RDL_CLI_ERRAND(refresh);
RDL_CLI_ERRAND(publish);
RDL_CLI_ERRAND(replay);
RDL_CLI_ERRAND(dismiss);
RDL_CLI_ERRAND(lake_compact);
RDL_CLI_ERRAND(lake_vacuum);
RDL_CLI_ERRAND(lake_drop);

#endif
