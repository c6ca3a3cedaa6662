/*
 * cli/help.c - `raudal help`: the tables of command.h, for people, as a manual page and as
 * Markdown.
 */
#include "cli/help.h"

#include "lang/options_reference.h"
#include "lang/system_tables.h"
#include "ops/metrics.h"

static const char intro[] =
    "Raudal keeps a lake and serving stores up to date from a folder of SQL: the stream's\n"
    "answer is the batch's answer, and every row is accounted for.\n";

static const struct {
    const char *code, *meaning;
} exit_codes[] = {
    {"0", "done"},
    {"1", "a check found differences"},
    {"2", "usage, or the pipeline's text"},
    {"3", "configuration"},
    {"4", "a source"},
    {"5", "a sink"},
    {"6", "lake or state"},
    {"70", "our bug"},
};

static const struct {
    const char *name, *meaning;
} environment[] = {
    {"NO_COLOR", "When set, nothing is coloured."},
    {"RAUDAL_<SETTING>", "A setting such as RAUDAL_MAX_FILES_PER_EPOCH; --set wins over it."},
    {"<VARIABLE>", "A variable of the pipeline's text, ${VARIABLE}; --set wins over it."},
    {"RDL_FAULT", "Arms fault points, for tests: see raudal doctor --faults."},
    {"XDG_STATE_HOME", "Where the history of raudal sql is kept, in raudal/history."},
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* "--set NAME=VALUE" */
static void put_option(rdl_buf *b, const rdl_cli_option *o)
{
    rdl_buf_printf(b, "--%s%s%s", o->name, o->value != NULL ? " " : "",
                   o->value != NULL ? o->value : "");
}

/* Each line of a text after a prefix. */
static void put_lines(rdl_buf *b, const char *text, const char *prefix)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        rdl_buf_printf(b, "%s%.*s\n", prefix, (int)n, text);
        text += n + (text[n] != '\0' ? 1 : 0);
    }
}

/* ---- for people ---- */

enum {
    WIDTH = 80,        /* of a line, in columns */
    OPTION_WIDTH = 26, /* of "  --set NAME=VALUE" and the space after it */
};

/* Words in lines of WIDTH; the first line begins where the buffer's last one is, at `at` columns,
 * the others after as many spaces.  A blank line parts paragraphs; other line ends are spaces. */
static void put_wrapped(rdl_buf *b, const char *text, size_t at)
{
    size_t column = at;
    for (const char *p = text; *p != '\0';) {
        size_t gap = strspn(p, " \n"), n = strcspn(p + gap, " \n");
        bool paragraph = strncmp(p, "\n\n", 2) == 0;
        if (n == 0)
            break;
        if (paragraph || (column > at && column + gap + n > WIDTH)) {
            rdl_buf_printf(b, "%s%*s", paragraph ? "\n\n" : "\n", (int)at, "");
            column = at;
        } else if (column > at) {
            rdl_buf_printf(b, "%*s", (int)gap, "");
            column += gap;
        }
        rdl_buf_put(b, p + gap, n);
        column += n;
        p += gap + n;
    }
    rdl_buf_putc(b, '\n');
}

static void put_overview(rdl_buf *b)
{
    rdl_buf_printf(b, "%s\nusage: raudal COMMAND [DIR] [OPTIONS]\n\n", intro);
    for (size_t i = 0; i < rdl_command_count; i++)
        rdl_buf_printf(b, "  %-16s %s\n", rdl_commands[i].name, rdl_commands[i].line);
    rdl_buf_puts(b,
                 "\nDIR is the pipeline's folder; left out, it is the current one.\n"
                 "`raudal help COMMAND` explains a command; so do settings, metrics and tables.\n"
                 "To start: raudal init shop\n");
}

static void put_command(rdl_buf *b, const rdl_command *c)
{
    rdl_buf_printf(b, "usage: raudal %s%s%s [OPTIONS]\n\n%s.\n", c->name,
                   c->synopsis[0] != '\0' ? " " : "", c->synopsis, c->line);
    if (c->about[0] != '\0') {
        rdl_buf_putc(b, '\n');
        put_wrapped(b, c->about, 0);
    }
    rdl_buf_puts(b, "\noptions:\n");
    for (size_t i = 0; i < RDL_CLI_OPTION_COUNT; i++) {
        rdl_buf option = {0};
        if (!rdl_command_takes(c, i))
            continue;
        put_option(&option, &rdl_cli_options[i]);
        rdl_buf_printf(b, "  %-*s ", OPTION_WIDTH - 3, rdl_buf_str(&option));
        put_wrapped(b, rdl_cli_options[i].help, OPTION_WIDTH);
        rdl_buf_fini(&option);
    }
    rdl_buf_puts(b, "\nexamples:\n");
    put_lines(b, c->examples, "  ");
}

rdl_code rdl_help_command(const rdl_command *c, rdl_err *err)
{
    rdl_buf b = {0};
    put_command(&b, c);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}

/* ---- the manual page ---- */

/* roff takes a leading dot or quote as its own, and - as a hyphen. */
static void put_roff(rdl_buf *b, const char *text)
{
    bool start = true;
    for (const char *p = text; *p != '\0'; p++) {
        if (start && (*p == '.' || *p == '\''))
            rdl_buf_puts(b, "\\&");
        if (*p == '\\')
            rdl_buf_puts(b, "\\e");
        else if (*p == '-')
            rdl_buf_puts(b, "\\-");
        else
            rdl_buf_putc(b, *p);
        start = *p == '\n';
    }
}

static void put_roff_command(rdl_buf *b, const rdl_command *c)
{
    rdl_buf_printf(b, ".SS \"raudal %s", c->name);
    if (c->synopsis[0] != '\0') {
        rdl_buf_putc(b, ' ');
        for (const char *p = c->synopsis; *p != '\0'; p++)
            rdl_buf_puts(b, *p == '"' ? "\\(dq" : (char[]){*p, '\0'});
    }
    rdl_buf_puts(b, "\"\n");
    put_roff(b, c->line);
    rdl_buf_puts(b, ".\n");
    if (c->about[0] != '\0') {
        rdl_buf_puts(b, ".PP\n");
        put_roff(b, c->about);
        rdl_buf_putc(b, '\n');
    }
    for (size_t i = 0; i < RDL_CLI_OPTION_COUNT; i++) {
        const rdl_cli_option *o = &rdl_cli_options[i];
        if (!rdl_command_takes(c, i))
            continue;
        rdl_buf_puts(b, ".TP\n\\fB\\-\\-");
        put_roff(b, o->name);
        rdl_buf_puts(b, "\\fR");
        if (o->value != NULL) {
            rdl_buf_puts(b, " \\fI");
            put_roff(b, o->value);
            rdl_buf_puts(b, "\\fR");
        }
        rdl_buf_putc(b, '\n');
        put_roff(b, o->help);
        rdl_buf_putc(b, '\n');
    }
    rdl_buf_puts(b, ".PP\n.nf\n");
    put_roff(b, c->examples);
    rdl_buf_puts(b, "\n.fi\n");
}

static void put_man(rdl_buf *b)
{
    rdl_buf_printf(b, ".TH RAUDAL 1 \"\" \"raudal %s\" \"User Commands\"\n", RAUDAL_VERSION);
    rdl_buf_puts(b, ".SH NAME\nraudal \\- stream and batch in one, from a folder of SQL\n"
                    ".SH SYNOPSIS\n.B raudal\n.I COMMAND\n[\\fIDIR\\fR] [\\fIOPTIONS\\fR]\n"
                    ".SH DESCRIPTION\n");
    put_roff(b, intro);
    rdl_buf_puts(b, ".PP\nDIR is the pipeline's folder; left out, it is the current one.\n"
                    "Results go to standard output, everything else to standard error.\n"
                    ".SH COMMANDS\n");
    for (size_t i = 0; i < rdl_command_count; i++)
        put_roff_command(b, &rdl_commands[i]);
    rdl_buf_puts(b, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < COUNT(exit_codes); i++)
        rdl_buf_printf(b, ".TP\n.B %s\n%s\n", exit_codes[i].code, exit_codes[i].meaning);
    rdl_buf_puts(b, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < COUNT(environment); i++) {
        rdl_buf_printf(b, ".TP\n.B %s\n", environment[i].name);
        put_roff(b, environment[i].meaning);
        rdl_buf_putc(b, '\n');
    }
}

/* ---- Markdown ---- */

static void put_markdown(rdl_buf *b)
{
    rdl_buf_puts(b, "# Commands\n\nThis page is made by `raudal help --markdown`.\n\n");
    for (size_t i = 0; i < rdl_command_count; i++) {
        const rdl_command *c = &rdl_commands[i];
        rdl_buf_printf(b, "## raudal %s\n\n    raudal %s%s%s [OPTIONS]\n\n%s.\n\n", c->name,
                       c->name, c->synopsis[0] != '\0' ? " " : "", c->synopsis, c->line);
        if (c->about[0] != '\0')
            rdl_buf_printf(b, "%s\n\n", c->about);
        rdl_buf_puts(b, "| option | meaning |\n| --- | --- |\n");
        for (size_t k = 0; k < RDL_CLI_OPTION_COUNT; k++) {
            if (!rdl_command_takes(c, k))
                continue;
            rdl_buf_puts(b, "| `");
            put_option(b, &rdl_cli_options[k]);
            rdl_buf_printf(b, "` | %s |\n", rdl_cli_options[k].help);
        }
        rdl_buf_puts(b, "\n```sh\n");
        put_lines(b, c->examples, "");
        rdl_buf_puts(b, "```\n\n");
    }
    rdl_buf_puts(b, "## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
    for (size_t i = 0; i < COUNT(exit_codes); i++)
        rdl_buf_printf(b, "| %s | %s |\n", exit_codes[i].code, exit_codes[i].meaning);
    rdl_buf_puts(b, "\n## Environment\n\n| variable | meaning |\n| --- | --- |\n");
    for (size_t i = 0; i < COUNT(environment); i++)
        rdl_buf_printf(b, "| `%s` | %s |\n", environment[i].name, environment[i].meaning);
}

/* ---- the command ---- */

static rdl_code put_named(rdl_cli *cli, rdl_buf *b, rdl_err *err)
{
    const char *name = cli->args[0];
    bool any = false;
    if (cli->arg_count > 1)
        name = rdl_arena_printf(&cli->arena, "%s %s", cli->args[0], cli->args[1]);
    size_t n = strlen(name);
    for (size_t i = 0; i < rdl_command_count; i++) {
        const char *is = rdl_commands[i].name;
        if (strncmp(is, name, n) != 0 || (is[n] != '\0' && is[n] != ' '))
            continue;
        if (any)
            rdl_buf_putc(b, '\n');
        put_command(b, &rdl_commands[i]);
        any = true;
    }
    return any ? RDL_OK : rdl_cli_refuse_command(cli, name, err);
}

/* Pages of docs/reference that are no command (tools/docs). */
static const struct subject {
    const char *name;
    void (*print)(rdl_buf *out);
} subjects[] = {
    {"metrics", rdl_metrics_print_reference},
    {"settings", rdl_options_print_reference},
    {"tables", rdl_system_tables_print_reference},
};

static const struct subject *find_subject(const rdl_cli *cli)
{
    for (size_t i = 0; i < COUNT(subjects); i++)
        if (cli->arg_count == 1 && strcmp(cli->args[0], subjects[i].name) == 0)
            return &subjects[i];
    return NULL;
}

rdl_code rdl_cmd_help(rdl_cli *cli, rdl_err *err)
{
    const struct subject *subject;
    rdl_buf b = {0};
    rdl_code rc = RDL_OK;
    if (rdl_cli_has(cli, RDL_CLI_MAN))
        put_man(&b);
    else if (rdl_cli_has(cli, RDL_CLI_MARKDOWN))
        put_markdown(&b);
    else if (rdl_cli_has(cli, RDL_CLI_COMPLETION))
        rc = rdl_help_put_completion(&b, cli->values[RDL_CLI_COMPLETION], err);
    else if (cli->arg_count != 0 && (subject = find_subject(cli)) != NULL)
        subject->print(&b);
    else if (cli->arg_count != 0)
        rc = put_named(cli, &b, err);
    else
        put_overview(&b);
    if (rc == RDL_OK)
        rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}
