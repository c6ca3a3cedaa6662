/*
 * cli/test.c - `raudal test`: the pipeline's own tests.
 */
#include "cli/cli.h"
#include "cli/script.h"

rdl_code rdl_cmd_test(rdl_cli *cli, rdl_err *err)
{
    rdl_buf report = {0};
    unsigned passed = 0, failed = 0;
    rdl_code rc =
        rdl_script_run_dir(cli->dir, cli->values[RDL_CLI_ONLY], rdl_cli_has(cli, RDL_CLI_ACCEPT),
                           &report, &passed, &failed, err);
    if (rc == RDL_OK) {
        rdl_buf_printf(&report, "%u passed, %u failed\n", passed, failed);
        rc = rdl_cli_print(&report, err);
        cli->exit_code = failed != 0 ? 1 : 0;
        if (passed + failed == 0)
            rdl_cli_note("there are no scripts: write tests/NAME.slt");
    }
    rdl_buf_fini(&report);
    return rc;
}
