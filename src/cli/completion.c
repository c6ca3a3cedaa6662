/*
 * cli/completion.c - the tables of command.h as completion scripts of bash, zsh and fish.
 */
#include "cli/help.h"

#include <stdio.h>

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

static void put_options(rdl_buf *b, const rdl_command *c)
{
    for (size_t i = 0; i < RDL_CLI_OPTION_COUNT; i++)
        if (rdl_command_takes(c, i))
            rdl_buf_printf(b, " --%s", rdl_cli_options[i].name);
}

static void put_second_words(rdl_buf *b, const char *first)
{
    size_t n = strlen(first);
    for (size_t i = 0; i < rdl_command_count; i++)
        if (strncmp(rdl_commands[i].name, first, n) == 0 && rdl_commands[i].name[n] == ' ')
            rdl_buf_printf(b, " %s", rdl_commands[i].name + n + 1);
}

/* The next group of commands of two words, as "lake", from command *at on; false: no more. */
static bool next_group(size_t *at, char out[32])
{
    for (; *at < rdl_command_count; ++*at) {
        const char *name = rdl_commands[*at].name, *space = strchr(name, ' ');
        size_t n = space != NULL ? (size_t)(space - name) : 0;
        bool again = *at > 0 && strncmp(rdl_commands[*at - 1].name, name, n + 1) == 0;
        if (space == NULL || again)
            continue;
        snprintf(out, 32, "%.*s", (int)n, name);
        ++*at;
        return true;
    }
    return false;
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
            put_options(b, c);
            rdl_buf_puts(b, "\" ;;\n");
        }
    }
    char group[32];
    for (size_t at = 0; next_group(&at, group);) {
        rdl_buf_printf(b, "        \"%s \"*) words=\"", group);
        put_second_words(b, group);
        rdl_buf_puts(b, "\" ;;\n");
    }
    rdl_buf_puts(b, "        esac\n    fi\n"
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

static void put_zsh_options(rdl_buf *b, const rdl_command *c)
{
    rdl_buf_printf(b, "    %s) _arguments", c->name);
    for (size_t k = 0; k < RDL_CLI_OPTION_COUNT; k++) {
        const rdl_cli_option *o = &rdl_cli_options[k];
        if (!rdl_command_takes(c, k))
            continue;
        rdl_buf_printf(b, " \\\n        '%s--%s[", k == RDL_CLI_SET ? "*" : "", o->name);
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

static void put_zsh(rdl_buf *b)
{
    char group[32];
    rdl_buf_puts(b, "#compdef raudal\n_raudal() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < rdl_command_count; i++) {
        if (strchr(rdl_commands[i].name, ' ') != NULL)
            continue;
        rdl_buf_printf(b, "        '%s:", rdl_commands[i].name);
        put_zsh_text(b, rdl_commands[i].line);
        rdl_buf_puts(b, "'\n");
    }
    for (size_t at = 0; next_group(&at, group);) {
        rdl_buf_printf(b, "        '%s:One of", group);
        put_second_words(b, group);
        rdl_buf_puts(b, "'\n");
    }
    rdl_buf_puts(b, "    )\n"
                    "    if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                    "    case \"$words[2]\" in\n");
    for (size_t i = 0; i < rdl_command_count; i++)
        if (strchr(rdl_commands[i].name, ' ') == NULL)
            put_zsh_options(b, &rdl_commands[i]);
    for (size_t at = 0; next_group(&at, group);) {
        rdl_buf_printf(b, "    %s) (( CURRENT == 3 )) && compadd --", group);
        put_second_words(b, group);
        rdl_buf_puts(b, " || _files -/ ;;\n");
    }
    rdl_buf_puts(b, "    esac\n}\n_raudal \"$@\"\n");
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
            rdl_buf_printf(b, "complete -c raudal -n __fish_use_subcommand -a %s -d ", c->name);
        else
            rdl_buf_printf(b,
                           "complete -c raudal -n __fish_use_subcommand -a %.*s\n"
                           "complete -c raudal -n '__fish_seen_subcommand_from %.*s' -a %s -d ",
                           (int)n, c->name, (int)n, c->name, space + 1);
        put_fish_text(b, c->line);
        rdl_buf_putc(b, '\n');
        for (size_t k = 0; k < RDL_CLI_OPTION_COUNT; k++) {
            const rdl_cli_option *o = &rdl_cli_options[k];
            if (!rdl_command_takes(c, k))
                continue;
            rdl_buf_printf(b, "complete -c raudal -n '__fish_seen_subcommand_from %s' -l %s%s -d ",
                           space != NULL ? space + 1 : c->name, o->name,
                           o->value != NULL ? " -r" : "");
            put_fish_text(b, o->help);
            rdl_buf_putc(b, '\n');
        }
    }
    rdl_buf_puts(b, "complete -c raudal -n 'not __fish_use_subcommand' "
                    "-a '(__fish_complete_directories)'\n");
}

rdl_code rdl_help_put_completion(rdl_buf *b, const char *shell, rdl_err *err)
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
