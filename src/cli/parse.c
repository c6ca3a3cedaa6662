/*
 * cli/parse.c - the words of the command line against the tables of command.h.
 *
 * Options may stand anywhere, as --name=value or --name value; -- ends them.  A word that
 * no table knows is named together with the nearest one that it knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/cli.h"
#include "lang/diag.h"
#include "lang/variables.h"

const rdl_cli_option rdl_cli_options[RDL_CLI_OPTION_COUNT] = {
#define RDL_CLI_OPTION_ROW(id, name, value, help) [RDL_CLI_##id] = {name, value, help},
    RDL_CLI_OPTIONS(RDL_CLI_OPTION_ROW)
#undef RDL_CLI_OPTION_ROW
};

/* ---- which command ---- */

/* "lake history" takes two words; the longest name that fits wins. */
static const rdl_command *find_command(int argc, char **argv, int *out_words)
{
    const rdl_command *best = NULL;
    *out_words = 0;
    for (size_t i = 0; i < rdl_command_count; i++) {
        const char *name = rdl_commands[i].name, *space = strchr(name, ' ');
        size_t first = space != NULL ? (size_t)(space - name) : strlen(name);
        bool fits = strlen(argv[0]) == first && memcmp(argv[0], name, first) == 0;
        if (fits && space != NULL)
            fits = argc > 1 && strcmp(argv[1], space + 1) == 0;
        if (fits && (space != NULL ? 2 : 1) > *out_words) {
            best = &rdl_commands[i];
            *out_words = space != NULL ? 2 : 1;
        }
    }
    return best;
}

rdl_code rdl_cli_refuse_command(rdl_cli *cli, const char *word, rdl_err *err)
{
    RDL_VEC(const char *) names = {0};
    rdl_buf group = {0};
    size_t n = strlen(word);
    for (size_t i = 0; i < rdl_command_count; i++) {
        const char *name = rdl_commands[i].name;
        if (strncmp(name, word, n) == 0 && name[n] == ' ')
            rdl_buf_printf(&group, "%s%s", group.n != 0 ? ", " : "", name + n + 1);
        RDL_PUSH(&cli->arena, &names) = name;
    }
    if (group.n != 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "\"raudal %s\" needs one more word", word);
        rdl_err_hint(err, "It is one of: %s.", rdl_buf_str(&group));
        rdl_buf_fini(&group);
        return RDL_EUSAGE;
    }
    const char *nearest = rdl_nearest(rdl_str_of(word), names.v, names.n);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized command \"%s\"", word);
    if (nearest != NULL)
        return rdl_err_hint(err, "Did you mean \"raudal %s\"?  `raudal help` lists them.", nearest);
    return rdl_err_hint(err, "`raudal help` lists the commands.");
}

/* ---- options ---- */

static rdl_code refuse_option(rdl_cli *cli, const char *word, size_t n, rdl_err *err)
{
    RDL_VEC(const char *) names = {0};
    for (size_t i = 0; i < RDL_CLI_OPTION_COUNT; i++)
        if (rdl_command_takes(cli->command, i))
            RDL_PUSH(&cli->arena, &names) = rdl_cli_options[i].name;
    const char *nearest = rdl_nearest((rdl_str){word + 2, n - 2}, names.v, names.n);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized option \"%.*s\" of \"raudal %s\"", (int)n, word,
                cli->command->name);
    if (nearest != NULL)
        return rdl_err_hint(err, "Did you mean --%s?", nearest);
    return rdl_err_hint(err, "`raudal help %s` lists its options.", cli->command->name);
}

/* argv[*at] is an option; moves *at to its last word. */
static rdl_code take_option(rdl_cli *cli, int argc, char **argv, int *at, rdl_err *err)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    size_t n = equals != NULL ? (size_t)(equals - word) : strlen(word), i = 0;
    while (i < RDL_CLI_OPTION_COUNT &&
           (!rdl_command_takes(cli->command, i) || strlen(rdl_cli_options[i].name) != n - 2 ||
            memcmp(rdl_cli_options[i].name, word + 2, n - 2) != 0))
        i++;
    if (i == RDL_CLI_OPTION_COUNT)
        return refuse_option(cli, word, n, err);
    const rdl_cli_option *o = &rdl_cli_options[i];
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (o->value == NULL && value != NULL)
        return rdl_err_set(err, RDL_EUSAGE, 0, "option --%s takes no value", o->name);
    if (o->value != NULL && value == NULL) {
        if (*at + 1 >= argc) {
            rdl_err_set(err, RDL_EUSAGE, 0, "option --%s needs a value", o->name);
            return rdl_err_hint(err, "Write --%s %s.", o->name, o->value);
        }
        value = argv[++*at];
    }
    if (i == RDL_CLI_SET) {
        if (strchr(value, '=') == NULL || value[0] == '=') {
            rdl_err_set(err, RDL_EUSAGE, 0, "could not read --set \"%s\"", value);
            return rdl_err_hint(err, "Write --set NAME=VALUE.");
        }
        cli->set[cli->set_count++] = value;
    } else if (cli->values[i] != NULL && o->value != NULL && strcmp(cli->values[i], value) != 0) {
        return rdl_err_set(err, RDL_EUSAGE, 0, "option --%s is given twice", o->name);
    }
    cli->values[i] = value != NULL ? value : "";
    return RDL_OK;
}

/* ---- all words ---- */

static rdl_code check_count(const rdl_cli *cli, rdl_err *err)
{
    const rdl_command *c = cli->command;
    if (rdl_cli_has(cli, RDL_CLI_HELP))
        return RDL_OK;
    if (cli->arg_count >= c->args_min && (c->args_max == 255 || cli->arg_count <= c->args_max))
        return RDL_OK;
    if (cli->arg_count < c->args_min)
        rdl_err_set(err, RDL_EUSAGE, 0, "\"raudal %s\" needs more arguments", c->name);
    else
        rdl_err_set(err, RDL_EUSAGE, 0, "\"raudal %s\" does not take \"%s\"", c->name,
                    cli->args[c->args_max]);
    return rdl_err_hint(err, "Usage: raudal %s %s", c->name, c->synopsis);
}

static bool is_environment_name(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", s[i]) ==
            NULL)
            return false;
    return n > 0;
}

/* The line root=.. of the environment's file; NULL: it has none, or cannot be read (loading says
 * so). */
static const char *root_line(rdl_cli *cli, const char *env)
{
    const char *name = rdl_arena_printf(&cli->arena, "raudal.%s.env", env);
    rdl_text_file file = {.path = name};
    rdl_diags diags;
    rdl_variables v;
    rdl_buf text = {0};
    rdl_err ignored;
    const char *out = NULL;
    rdl_diags_init(&diags, &cli->arena);
    if (rdl_fs_read(rdl_path_join(&cli->arena, cli->dir, name), 0, &text, &ignored) == RDL_OK) {
        file.text = rdl_str_of(rdl_arena_strdup(&cli->arena, rdl_buf_str(&text)));
        rdl_variables_init(&v, &cli->arena, &file, NULL, &diags);
        for (size_t i = 0; i < v.file.n; i++)
            if (rdl_str_eq(v.file.v[i].name, RDL_STR("root")))
                out = rdl_arena_strndup(&cli->arena, v.file.v[i].value.p, v.file.v[i].value.n);
    }
    rdl_buf_fini(&text);
    return out != NULL ? rdl_path_join(&cli->arena, cli->dir, out) : NULL;
}

/* --env, else RAUDAL_ENV, for commands that have the option; a root of its own unless one is
 * given. */
static rdl_code choose_environment(rdl_cli *cli, rdl_err *err)
{
    const char *env = cli->values[RDL_CLI_ENV];
    if ((cli->command->options & RDL_CLI_BIT(ENV)) == 0)
        return RDL_OK;
    if (env == NULL && getenv("RAUDAL_ENV") != NULL && getenv("RAUDAL_ENV")[0] != '\0')
        env = getenv("RAUDAL_ENV");
    cli->values[RDL_CLI_ENV] = env;
    if (env == NULL)
        return RDL_OK;
    if (!is_environment_name(env))
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "\"%s\" cannot name an environment: letters, digits, - and _ do", env);
    if (cli->values[RDL_CLI_ROOT] != NULL)
        return RDL_OK;
    const char *root = root_line(cli, env);
    cli->values[RDL_CLI_ROOT] =
        root != NULL ? root
                     : rdl_path_join(&cli->arena, cli->dir,
                                     rdl_arena_printf(&cli->arena, ".raudal-%s", env));
    return RDL_OK;
}

rdl_code rdl_cli_parse(rdl_cli *cli, int argc, char **argv, rdl_err *err)
{
    int words;
    bool only_words = false;
    cli->dir = ".";
    cli->args = RDL_NEWN(&cli->arena, const char *, (size_t)argc + 1);
    cli->set = RDL_NEWN(&cli->arena, const char *, (size_t)argc + 1);
    cli->command = find_command(argc, argv, &words);
    if (cli->command == NULL)
        return rdl_cli_refuse_command(cli, argv[0], err);
    for (int i = words; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && strcmp(argv[i], "-h") == 0)
            cli->values[RDL_CLI_HELP] = "";
        else if (!only_words && argv[i][0] == '-' && argv[i][1] == '-')
            RDL_TRY(take_option(cli, argc, argv, &i, err));
        else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0')
            return rdl_err_set(err, RDL_EUSAGE, 0,
                               "unrecognized option \"%s\"; options are long, as in --help",
                               argv[i]);
        else
            cli->args[cli->arg_count++] = argv[i];
    }
    if (cli->command->has_dir && cli->arg_count != 0) {
        cli->dir = cli->args[0];
        cli->args++;
        cli->arg_count--;
    }
    RDL_TRY(check_count(cli, err));
    return choose_environment(cli, err);
}

/* ---- values of options ---- */

bool rdl_cli_parse_bytes(const char *text, uint64_t *out)
{
    static const char *const units[] = {"", "k", "m", "g", "t"};
    char *end;
    double x = strtod(text, &end);
    if (end == text || !(x >= 0))
        return false;
    while (*end == ' ')
        end++;
    char unit[8] = {0};
    size_t n = strlen(end);
    if (n >= sizeof unit)
        return false;
    for (size_t i = 0; i < n; i++)
        unit[i] = (char)(end[i] >= 'A' && end[i] <= 'Z' ? end[i] + ('a' - 'A') : end[i]);
    if (n != 0 && unit[n - 1] == 'b')
        unit[--n] = '\0';
    if (n != 0 && unit[n - 1] == 'i')
        unit[--n] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++, x *= 1024) {
        if (strcmp(unit, units[i]) == 0) {
            if (x >= 9e18)
                return false;
            *out = (uint64_t)x;
            return true;
        }
    }
    return false;
}

rdl_code rdl_cli_bytes(const rdl_cli *cli, rdl_cli_option_id id, uint64_t *out, rdl_err *err)
{
    const char *text = cli->values[id];
    if (text == NULL || (rdl_cli_parse_bytes(text, out) && *out > 0))
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "could not read --%s \"%s\": it is no size",
                rdl_cli_options[id].name, text);
    return rdl_err_hint(err, "Write a number and a unit: 512MB, 2GB.");
}

rdl_code rdl_cli_count(const rdl_cli *cli, rdl_cli_option_id id, uint64_t most, uint64_t *out,
                       rdl_err *err)
{
    const char *text = cli->values[id];
    char *end;
    if (text == NULL)
        return RDL_OK;
    unsigned long long x = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && x <= most) {
        *out = x;
        return RDL_OK;
    }
    return rdl_err_set(err, RDL_EUSAGE, 0,
                       "could not read --%s \"%s\": it is no number from 0 to %llu",
                       rdl_cli_options[id].name, text, (unsigned long long)most);
}

rdl_load_options rdl_cli_load_options(const rdl_cli *cli)
{
    return (rdl_load_options){
        .set = cli->set, .set_count = cli->set_count, .env = cli->values[RDL_CLI_ENV]};
}

const char *rdl_cli_root(rdl_cli *cli)
{
    if (cli->values[RDL_CLI_ROOT] != NULL)
        return rdl_path_absolute(&cli->arena, cli->values[RDL_CLI_ROOT]);
    return rdl_path_absolute(&cli->arena, rdl_path_join(&cli->arena, cli->dir, ".raudal"));
}
