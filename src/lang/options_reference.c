/*
 * lang/options_reference.c - the three lists of options as one page; see the header.
 */
#include "lang/options_reference.h"

#include "lang/publish_options.h"
#include "lang/settings.h"
#include "lang/source_options.h"

static void put_settings(rdl_buf *out)
{
    rdl_buf_puts(
        out,
        "# Settings\n\n"
        "A setting is a line `name=value` in the pipeline's `raudal.env`, the environment variable "
        "`RAUDAL_NAME`, or `--set name=value`; the last of these wins. Variables of the text "
        "(`${NAME}`) come from the same\nplaces, without the prefix. `--env NAME` (or `RAUDAL_ENV`) "
        "reads `raudal.NAME.env` after `raudal.env`, and keeps the root apart: its line `root=…`, "
        "else `.raudal-NAME`.\n`raudal check DIR --variables` shows each variable, its value and "
        "where it is from. This page is what `raudal help settings` prints.\n\n"
        "| setting | default | meaning |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < rdl_setting_count; i++) {
        const rdl_setting *s = &rdl_settings[i];
        const char *tick = s->initial[0] != '\0' ? "`" : "";
        rdl_buf_printf(out, "| `%s` | %s%s%s | %s |\n", s->name, tick, s->initial, tick, s->help);
    }
    rdl_buf_puts(out, "\nIntervals are written `30s`, `500 ms`, `2 minutes`, `PT30S`. Numbers are "
                      "digits.\n\nAn epoch takes at least one range of a file, however large; "
                      "ranges of line formats are cut at lines.\n");
}

static void put_source_options(rdl_buf *out)
{
    rdl_buf_puts(out, "\n## Options of a source\n\n`CREATE SOURCE … OPTIONS (name = 'value', …)`; "
                      "names with a dot are librdkafka's:\n\n"
                      "| option | for | default | meaning |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < rdl_source_option_count; i++) {
        const rdl_source_option_help *o = &rdl_source_options[i];
        rdl_buf_printf(out, "| `%s` | %s | %s | %s |\n", o->name, o->of, o->initial, o->help);
    }
}

static void put_publish_options(rdl_buf *out)
{
    rdl_buf_puts(out, "\n## Options of a publication\n\n`PUBLISH … TO 'cassandra://…' WITH (name = "
                      "value, …)`; a map is written as in CQL, `{'class': "
                      "'LeveledCompactionStrategy'}`. Options of another store are passed over.\n\n"
                      "| store | option | default | meaning |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < rdl_publish_option_count; i++) {
        const rdl_publish_option *o = &rdl_publish_options[i];
        rdl_buf_printf(out, "| `%s:` | `%s` | %s | %s |\n", o->store, o->name, o->initial, o->help);
    }
    rdl_buf_puts(out, "\nSQLite takes none.\n");
}

void rdl_options_print_reference(rdl_buf *out)
{
    put_settings(out);
    put_source_options(out);
    put_publish_options(out);
    rdl_buf_puts(out, "\n## Options of the command line\n\n`raudal help COMMAND` lists them; "
                      "[commands](commands.md) has all. `--memory` and `--threads` bound a run, "
                      "`--root` says where it keeps what it makes.\n\n`NO_COLOR` is honoured. "
                      "`RDL_FAULT` arms fault points, for tests.\n");
}
