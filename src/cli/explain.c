/*
 * cli/explain.c - `raudal explain`: how the tables are kept up to date.
 */
#include "lang/explain.h"

#include "cli/cli.h"

rdl_code rdl_cmd_explain(rdl_cli *cli, rdl_err *err)
{
    rdl_cli_pipeline p;
    rdl_buf text = {0};
    RDL_TRY(rdl_cli_load(cli, &p, err));
    rdl_code rc = rdl_explain(
        p.pipeline, cli->arg_count != 0 ? rdl_str_of(cli->args[0]) : RDL_STR(""),
        rdl_cli_has(cli, RDL_CLI_JSON) ? RDL_EXPLAIN_JSON : RDL_EXPLAIN_TEXT, &text, err);
    if (rc == RDL_OK && text.n != 0 && text.p[text.n - 1] != '\n')
        rdl_buf_putc(&text, '\n');
    if (rc == RDL_OK)
        rc = rdl_cli_print(&text, err);
    rdl_buf_fini(&text);
    rdl_cli_unload(&p);
    return rc;
}
