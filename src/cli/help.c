/*
 * cli/help.c - the tables of command.h, printed: for people, as a manual page, as Markdown
 * and for the completion of bash, zsh and fish.
 */
#include "cli/help.h"

#include <stdio.h>
#include <unistd.h>

#include "lang/system_tables.h"

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
    {"RAUDAL_<SETTING>",
     "A setting such as RAUDAL_MAX_FILES_PER_EPOCH; --set wins over it."},
    {"<VARIABLE>", "A variable of the pipeline's text, ${VARIABLE}; --set wins over it."},
    {"RDL_FAULT", "Arms fault points, for tests: see raudal doctor --faults."},
    {"XDG_STATE_HOME", "Where the history of raudal sql is kept, in raudal/history."},
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool takes(const rdl_command *c, size_t option)
{
    return option == RDL_CLI_HELP || (c->options >> option & 1) != 0;
}

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

static void put_overview(rdl_buf *b)
{
    rdl_buf_printf(b, "%s\nusage: raudal COMMAND [DIR] [OPTIONS]\n\n", intro);
    for (size_t i = 0; i < rdl_command_count; i++)
        rdl_buf_printf(b, "  %-16s %s\n", rdl_commands[i].name, rdl_commands[i].line);
    rdl_buf_puts(b,
                 "\nDIR is the pipeline's folder; left out, it is the current one.\n"
                 "`raudal help COMMAND` explains a command.  To start: raudal init shop\n");
}

static void put_command(rdl_buf *b, const rdl_command *c)
{
    rdl_buf_printf(b, "usage: raudal %s%s%s [OPTIONS]\n\n%s.\n", c->name,
                   c->synopsis[0] != '\0' ? " " : "", c->synopsis, c->line);
    if (c->about[0] != '\0') {
        rdl_buf_putc(b, '\n');
        put_lines(b, c->about, "");
    }
    rdl_buf_puts(b, "\noptions:\n");
    for (size_t i = 0; i < RDL_CLI_OPTION_COUNT; i++) {
        rdl_buf option = {0};
        if (!takes(c, i))
            continue;
        put_option(&option, &rdl_cli_options[i]);
        rdl_buf_printf(b, "  %-24s %s\n", rdl_buf_str(&option), rdl_cli_options[i].help);
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
        if (!takes(c, i))
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
    rdl_buf_printf(b, ".TH RAUDAL 1 \"\" \"raudal %s\" \"User Commands\"\n",
                   RAUDAL_VERSION);
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
            if (!takes(c, k))
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

/* ---- completion ---- */

/* The first words of all commands, each once. */
static void put_first_words(rdl_buf *b, const char *separator)
{
    const char *last = "";
    size_t last_n = 0;
    for (size_t i = 0; i < rdl_command_count; i++) {
        const char *name = rdl_commands[i].name;
        size_t n = strcspn(name, " ");
        if (n != last_n || memcmp(name, last, n) != 0)
            rdl_buf_printf(b, "%s%.*s", last_n != 0 ? separator : "", (int)n, name);
        last = name;
        last_n = n;
    }
}

static void put_options_of(rdl_buf *b, const rdl_command *c)
{
    for (size_t i = 0; i < RDL_CLI_OPTION_COUNT; i++)
        if (takes(c, i))
            rdl_buf_printf(b, " --%s", rdl_cli_options[i].name);
}

static void put_second_words(rdl_buf *b, const char *first)
{
    size_t n = strlen(first);
    for (size_t i = 0; i < rdl_command_count; i++)
        if (strncmp(rdl_commands[i].name, first, n) == 0 && rdl_commands[i].name[n] == ' ')
            rdl_buf_printf(b, " %s", rdl_commands[i].name + n + 1);
}

static void put_bash(rdl_buf *b)
{
    rdl_buf_puts(b, "_raudal() {\n"
                    "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                    "    local before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    put_first_words(b, " ");
    rdl_buf_puts(b, "\"\n    elif [ \"$before\" = --format ]; then\n"
                    "        words=\"table csv json jsonl\"\n"
                    "    else\n        case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < rdl_command_count; i++) {
            const rdl_command *c = &rdl_commands[i];
            bool two = strchr(c->name, ' ') != NULL;
            if (two != (pass == 0))
                continue;
            rdl_buf_printf(b, "        \"%s%s", c->name, two ? "\")" : " \"*)");
            rdl_buf_puts(b, " words=\"");
            put_options_of(b, c);
            rdl_buf_puts(b, "\" ;;\n");
        }
    }
    rdl_buf_puts(b, "        \"lake \"*) words=\"");
    put_second_words(b, "lake");
    rdl_buf_puts(b, "\" ;;\n        \"quarantine \"*) words=\"");
    put_second_words(b, "quarantine");
    rdl_buf_puts(b, "\" ;;\n        esac\n    fi\n"
                    "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                    "    [ \"$COMP_CWORD\" -gt 1 ] && case \"$word\" in -*) ;; *)\n"
                    "        COMPREPLY+=($(compgen -d -- \"$word\")) ;; esac\n"
                    "}\ncomplete -o filenames -F _raudal raudal\n");
}

/* zsh's _arguments wants brackets and colons escaped. */
static void put_zsh_text(rdl_buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            rdl_buf_puts(b, "'\\''");
        else if (strchr("[]:\\", *text) != NULL)
            rdl_buf_printf(b, "\\%c", *text);
        else
            rdl_buf_putc(b, *text);
    }
}

static void put_zsh(rdl_buf *b)
{
    rdl_buf_puts(b,
                 "#compdef raudal\n_raudal() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < rdl_command_count; i++) {
        const char *name = rdl_commands[i].name;
        if (strchr(name, ' ') != NULL)
            continue;
        rdl_buf_printf(b, "        '%s:", name);
        put_zsh_text(b, rdl_commands[i].line);
        rdl_buf_puts(b, "'\n");
    }
    rdl_buf_puts(b,
                 "        'lake:Look at and look after the lake'\n"
                 "        'quarantine:Look at what was rejected'\n    )\n"
                 "    if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                 "    case \"$words[2]\" in\n");
    for (size_t i = 0; i < rdl_command_count; i++) {
        const rdl_command *c = &rdl_commands[i];
        if (strchr(c->name, ' ') != NULL)
            continue;
        rdl_buf_printf(b, "    %s) _arguments", c->name);
        for (size_t k = 0; k < RDL_CLI_OPTION_COUNT; k++) {
            const rdl_cli_option *o = &rdl_cli_options[k];
            if (!takes(c, k))
                continue;
            rdl_buf_printf(b, " \\\n        '%s--%s[", k == RDL_CLI_SET ? "*" : "",
                           o->name);
            put_zsh_text(b, o->help);
            rdl_buf_putc(b, ']');
            if (o->value != NULL) {
                rdl_buf_putc(b, ':');
                put_zsh_text(b, o->value);
                rdl_buf_puts(b, k == RDL_CLI_ROOT     ? ":_files -/"
                                : k == RDL_CLI_FORMAT ? ":(table csv json jsonl)"
                                                      : ": ");
            }
            rdl_buf_putc(b, '\'');
        }
        rdl_buf_puts(b, " \\\n        '*:folder:_files -/' ;;\n");
    }
    rdl_buf_puts(b, "    lake) (( CURRENT == 3 )) && compadd --");
    put_second_words(b, "lake");
    rdl_buf_puts(b, " || _files -/ ;;\n    quarantine) (( CURRENT == 3 )) && compadd --");
    put_second_words(b, "quarantine");
    rdl_buf_puts(b, " || _files -/ ;;\n    esac\n}\n_raudal \"$@\"\n");
}

static void put_fish_text(rdl_buf *b, const char *text)
{
    rdl_buf_putc(b, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            rdl_buf_putc(b, '\\');
        rdl_buf_putc(b, *text);
    }
    rdl_buf_putc(b, '\'');
}

static void put_fish(rdl_buf *b)
{
    rdl_buf_puts(b, "complete -c raudal -f\n");
    for (size_t i = 0; i < rdl_command_count; i++) {
        const rdl_command *c = &rdl_commands[i];
        const char *space = strchr(c->name, ' ');
        size_t n = strcspn(c->name, " ");
        if (space == NULL)
            rdl_buf_printf(b, "complete -c raudal -n __fish_use_subcommand -a %s -d ",
                           c->name);
        else
            rdl_buf_printf(
                b,
                "complete -c raudal -n __fish_use_subcommand -a %.*s\n"
                "complete -c raudal -n '__fish_seen_subcommand_from %.*s' -a %s -d ",
                (int)n, c->name, (int)n, c->name, space + 1);
        put_fish_text(b, c->line);
        rdl_buf_putc(b, '\n');
        for (size_t k = 0; k < RDL_CLI_OPTION_COUNT; k++) {
            const rdl_cli_option *o = &rdl_cli_options[k];
            if (!takes(c, k))
                continue;
            rdl_buf_printf(
                b, "complete -c raudal -n '__fish_seen_subcommand_from %s' -l %s%s -d ",
                space != NULL ? space + 1 : c->name, o->name,
                o->value != NULL ? " -r" : "");
            put_fish_text(b, o->help);
            rdl_buf_putc(b, '\n');
        }
    }
    rdl_buf_puts(b, "complete -c raudal -n 'not __fish_use_subcommand' "
                    "-a '(__fish_complete_directories)'\n");
}

static rdl_code put_completion(rdl_buf *b, const char *shell, rdl_err *err)
{
    if (strcmp(shell, "bash") == 0)
        put_bash(b);
    else if (strcmp(shell, "zsh") == 0)
        put_zsh(b);
    else if (strcmp(shell, "fish") == 0)
        put_fish(b);
    else {
        rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized shell \"%s\"", shell);
        return rdl_err_hint(err, "Shells are bash, zsh and fish.");
    }
    return RDL_OK;
}

/* ---- the command ---- */

static rdl_code put_named(rdl_cli *cli, rdl_buf *b, rdl_err *err)
{
    char *words[2] = {(char *)cli->args[0],
                      cli->arg_count > 1 ? (char *)cli->args[1] : (char *)""};
    char name[64];
    bool any = false;
    snprintf(name, sizeof name, "%s%s%s", words[0], cli->arg_count > 1 ? " " : "",
             words[1]);
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
    if (any)
        return RDL_OK;
    rdl_cli other = {.arena = cli->arena};
    rdl_code rc = rdl_cli_parse(&other, 1, words, err); /* says which is nearest */
    cli->arena = other.arena;
    return rc;
}

rdl_code rdl_cmd_help(rdl_cli *cli, rdl_err *err)
{
    rdl_buf b = {0};
    rdl_code rc = RDL_OK;
    if (rdl_cli_has(cli, RDL_CLI_MAN))
        put_man(&b);
    else if (rdl_cli_has(cli, RDL_CLI_MARKDOWN))
        put_markdown(&b);
    else if (rdl_cli_has(cli, RDL_CLI_COMPLETION))
        rc = put_completion(&b, cli->values[RDL_CLI_COMPLETION], err);
    else if (cli->arg_count == 1 && strcmp(cli->args[0], "tables") == 0)
        rdl_system_tables_print_reference(&b);
    else if (cli->arg_count != 0)
        rc = put_named(cli, &b, err);
    else
        put_overview(&b);
    if (rc == RDL_OK)
        rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}
