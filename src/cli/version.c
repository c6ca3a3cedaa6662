/*
 * cli/version.c - `raudal version`.
 */
#include "cli/cli.h"

#include "ops/catalog.h"
#include "ops/metrics.h"

#include <stdio.h>

#ifdef __clang__
#define COMPILER __VERSION__ /* begins with its name */
#else
#define COMPILER "gcc " __VERSION__
#endif

rdl_code rdl_cmd_version(rdl_cli *cli, rdl_err *err)
{
    rdl_buf b = {0};
    const char *fmt = rdl_cli_has(cli, RDL_CLI_JSON)
                          ? "{\"raudal\": \"%s\", \"duckdb\": \"%s\", \"sqlite\": \"%s\", "
                            "\"microhttpd\": \"%s\", \"compiler\": \"%s\"}\n"
                          : "raudal %s\nDuckDB %s, SQLite %s, libmicrohttpd %s\nbuilt with %s\n";
    rdl_buf_printf(&b, fmt, RAUDAL_VERSION, rdl_duck_version(), rdl_catalog_sqlite_version(),
                   rdl_metrics_library_version(), COMPILER);
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    return rc;
}
