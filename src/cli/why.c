/*
 * cli/why.c - `raudal why`: one row through every table.
 */
#include "batch/why.h"

#include <stdio.h>

#include "cli/output.h"

static rdl_code read_question(rdl_cli *cli, rdl_reader *r, rdl_why_question *q, rdl_err *err)
{
    rdl_table *table;
    uint64_t limit = 0;
    RDL_TRY(rdl_cli_table(rdl_reader_pipeline(r), cli->args[0], &table, err));
    RDL_TRY(rdl_cli_count(cli, RDL_CLI_LIMIT, 1000, &limit, err));
    const char **names = RDL_NEWN(&cli->arena, const char *, cli->arg_count);
    const char **values = RDL_NEWN(&cli->arena, const char *, cli->arg_count);
    *q = (rdl_why_question){table, names, values, cli->arg_count - 1, limit};
    for (size_t i = 1; i < cli->arg_count; i++) {
        const char *pair = cli->args[i], *eq = strchr(pair, '=');
        if (eq == NULL || eq == pair) {
            rdl_err_set(err, RDL_EUSAGE, 0, "cannot read \"%s\" as COLUMN=VALUE", pair);
            return rdl_err_hint(err, "Name the row by its columns, as in event_id=e17.");
        }
        names[i - 1] = rdl_arena_strndup(&cli->arena, pair, (size_t)(eq - pair));
        values[i - 1] = eq + 1;
    }
    return RDL_OK;
}

static void print_for_people(const rdl_why_step *steps, size_t n)
{
    size_t width = 0;
    rdl_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        size_t w = 2 * steps[i].depth + steps[i].table->full.n;
        width = w > width ? w : width;
    }
    for (size_t i = 0; i < n; i++) {
        const rdl_why_step *s = &steps[i];
        rdl_buf_printf(&b, " %*s%.*s%*s  %-11s  %s\n", (int)(2 * s->depth), "",
                       (int)s->table->full.n, s->table->full.p,
                       (int)(width - 2 * s->depth - s->table->full.n), "",
                       rdl_whereabouts_name(s->what), s->text);
        if (s->row != NULL)
            rdl_buf_printf(&b, " %*s  %s\n", (int)width, "", s->row);
    }
    fputs(rdl_buf_str(&b), stdout);
    rdl_buf_fini(&b);
}

static rdl_code print_for_programs(rdl_cli *cli, rdl_output_format format,
                                   const rdl_why_step *steps, size_t n, rdl_err *err)
{
    static const char *const names[] = {"step", "depth", "table", "what", "text", "row"};
    rdl_output *o = rdl_output_new(format, names, 6);
    for (size_t i = 0; i < n; i++) {
        rdl_row row;
        rdl_row_begin(&row, &cli->arena);
        rdl_row_u64(&row, i + 1);
        rdl_row_u64(&row, steps[i].depth);
        rdl_row_str(&row, steps[i].table->full);
        rdl_row_text(&row, rdl_whereabouts_name(steps[i].what));
        rdl_row_text(&row, steps[i].text);
        rdl_row_text(&row, steps[i].row);
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

rdl_code rdl_cmd_why(rdl_cli *cli, rdl_err *err)
{
    rdl_reader *r;
    rdl_why_question q;
    rdl_why_step *steps = NULL;
    size_t n = 0;
    rdl_output_format format;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    RDL_TRY(rdl_cli_open_reader(cli, &r, err));
    rdl_code rc = read_question(cli, r, &q, err);
    if (rc == RDL_OK)
        rc = rdl_why(r, &cli->arena, &q, &steps, &n, err);
    if (rc == RDL_OK && format == RDL_OUTPUT_TABLE)
        print_for_people(steps, n);
    else if (rc == RDL_OK)
        rc = print_for_programs(cli, format, steps, n, err);
    rdl_reader_close(r);
    return rc;
}
