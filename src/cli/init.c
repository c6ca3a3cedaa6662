/*
 * cli/init.c - `raudal init`: a small pipeline that runs, to start from.
 *
 * The files are below; each explains itself.  A folder that holds anything is left alone.
 */
#include <stdio.h>

#include "base/fs.h"
#include "cli/cli.h"

typedef struct starter_file {
    const char *path, *text;
} starter_file;

/* The texts stay as they will stand. */
/* clang-format off */
static const starter_file files[] = {
    {"01_sources.sql",
     "-- 01_sources.sql - where rows come from.\n"
     "--\n"
     "-- Columns are declared and typed.  A field that is not declared goes to _rescued, a "
     "line\n"
     "-- that cannot be read to quarantine: nothing is lost without a count.\n"
     "CREATE SOURCE sales (\n"
     "  sale_id  TEXT,\n"
     "  sold_at  TIMESTAMPTZ,\n"
     "  product  TEXT,\n"
     "  quantity INTEGER,\n"
     "  price    DECIMAL(10,2)\n"
     ") FROM '${LANDING:-landing}/sales/' FORMAT JSON\n"
     "  WATERMARK sold_at DELAY OF INTERVAL 10 MINUTES\n"
     "  ON MALFORMED QUARANTINE;\n"
     "\n"
     "-- The whole state of the thing: when the file is replaced, its new content is the "
     "next\n"
     "-- version, and rows that are gone are deleted.\n"
     "CREATE SOURCE products (\n"
     "  product  TEXT,\n"
     "  category TEXT\n"
     ") FROM '${LANDING:-landing}/products.csv' FORMAT CSV SNAPSHOT;\n"},
    {"02_bronze.sql",
     "-- 02_bronze.sql - each sale exactly once, as it came, checked.\n"
     "CREATE STREAMING TABLE bronze.sales (\n"
     "  CONSTRAINT has_id    EXPECT (sale_id IS NOT NULL) ON VIOLATION QUARANTINE,\n"
     "  CONSTRAINT sold_some EXPECT (quantity > 0)        ON VIOLATION QUARANTINE\n"
     ") PARTITIONED BY (sale_date)\n"
     "  DEDUPLICATE ON (sale_id)\n"
     "  ON LATE AMEND\n"
     "AS SELECT *, CAST(sold_at AS DATE) AS sale_date, _source_file AS source_file\n"
     "   FROM STREAM sales;\n"},
    {"03_gold.sql",
     "-- 03_gold.sql - what people ask for, kept up to date by every epoch.\n"
     "--\n"
     "-- `raudal explain` says how each view is maintained, and why.\n"
     "CREATE MATERIALIZED VIEW gold.sales_by_day\n"
     "  PRIMARY KEY (product, sale_date)\n"
     "AS SELECT product, sale_date,\n"
     "          count(*) AS sales,\n"
     "          CAST(sum(quantity) AS BIGINT) AS pieces,\n"
     "          CAST(sum(quantity * price) AS DECIMAL(15,2)) AS revenue\n"
     "   FROM STREAM bronze.sales\n"
     "   GROUP BY product, sale_date;\n"
     "\n"
     "-- The same money by category; a new version of products.csv counts it anew.\n"
     "CREATE MATERIALIZED VIEW gold.revenue_by_category\n"
     "AS SELECT coalesce(p.category, 'other') AS category,\n"
     "          CAST(sum(s.quantity * s.price) AS DECIMAL(15,2)) AS revenue\n"
     "   FROM STREAM bronze.sales s LEFT JOIN products p ON p.product = s.product\n"
     "   GROUP BY ALL;\n"
     "\n"
     "-- Served by SQLite in .raudal/serving.db; the key is how it is asked.\n"
     "PUBLISH gold.sales_by_day TO '${SERVING:-sqlite:serving.db}'\n"
     "  PRIMARY KEY ((product), sale_date DESC);\n"},
    {"queries/sales_of.sql",
     "-- What a product sold, day by day.\n"
     "--   $product  the product\n"
     "--   $n        how many days at most, the newest first (default 7)\n"
     "SELECT sale_date, sales, pieces, revenue\n"
     "FROM sales_by_day\n"
     "WHERE product = $product\n"
     "ORDER BY sale_date DESC\n"
     "LIMIT coalesce($n, 7);\n"},
    {"raudal.env",
     "# Settings of the engine (lower case) and values of ${VARIABLES} in the SQL.\n"
     "# The environment overrides a line here, and --set NAME=value overrides both.\n"
     "trigger_interval=5s\n"
     "max_files_per_epoch=100\n"
     "LANDING=landing\n"},
    {"landing/sales/2025-08-01.jsonl",
     "{\"sale_id\":\"s1\",\"sold_at\":\"2025-08-01T09:00:00Z\",\"product\":\"tea\","
     "\"quantity\":2,"
     "\"price\":3.50}\n"
     "{\"sale_id\":\"s2\",\"sold_at\":\"2025-08-01T09:05:00Z\",\"product\":\"coffee\","
     "\"quantity\":1,\"price\":4.20}\n"
     "{\"sale_id\":\"s2\",\"sold_at\":\"2025-08-01T09:05:00Z\",\"product\":\"coffee\","
     "\"quantity\":1,\"price\":4.20}\n"
     "{\"sale_id\":\"s3\",\"sold_at\":\"2025-08-01T10:30:00Z\",\"product\":\"tea\","
     "\"quantity\":-1,"
     "\"price\":3.50}\n"
     "this line is not JSON\n"},
    {"landing/sales/2025-08-02.jsonl", "{\"sale_id\":\"s4\",\"sold_at\":\"2025-08-02T08:10:"
                                       "00Z\",\"product\":\"tea\",\"quantity\":3,"
                                       "\"price\":3.50}\n"
                                       "{\"sale_id\":\"s5\",\"sold_at\":\"2025-08-01T23:59:"
                                       "00Z\",\"product\":\"cake\",\"quantity\":1,"
                                       "\"price\":5.00}\n"},
    {"landing/products.csv", "product,category\ntea,drinks\ncoffee,drinks\ncake,food\n"},
    {"tests/sales.slt",
     "# A sale counts once, and what cannot count is kept aside.\n"
     "\n"
     "feed sales\n"
     "{\"sale_id\":\"a\",\"sold_at\":\"2025-01-01T10:00:00Z\",\"product\":\"tea\","
     "\"quantity\":2,"
     "\"price\":1.50}\n"
     "{\"sale_id\":\"a\",\"sold_at\":\"2025-01-01T10:00:00Z\",\"product\":\"tea\","
     "\"quantity\":2,"
     "\"price\":1.50}\n"
     "{\"sale_id\":\"b\",\"sold_at\":\"2025-01-01T11:00:00Z\",\"product\":\"tea\","
     "\"quantity\":0,"
     "\"price\":1.50}\n"
     "----\n"
     "\n"
     "epoch\n"
     "\n"
     "query TTIIT\n"
     "SELECT product, sale_date, sales, pieces, revenue FROM gold.sales_by_day\n"
     "----\n"
     "tea  2025-01-01  1  2  3.00\n"
     "\n"
     "query T\n"
     "SELECT reasons FROM quarantine.bronze_sales\n"
     "----\n"
     "[\"sold_some\"]\n"},
    {".gitignore", "/.raudal/\n"},
    {"README.md",
     "# A Raudal pipeline\n"
     "\n"
     "    raudal check .                          # is the text right?\n"
     "    raudal run . --once                     # read what is in landing/\n"
     "    raudal query . sales_of product=tea     # ask the store\n"
     "    raudal sql . \"FROM bronze.sales\"        # ask the lake\n"
     "    raudal quarantine list .                # what was rejected, and why\n"
     "    raudal verify .                         # do stream and batch agree?\n"
     "    raudal test .                           # the pipeline's own tests\n"
     "\n"
     "Add a file to `landing/sales/` and run again: only what is new is read.\n"},
};
/* clang-format on */

static rdl_code check_empty(rdl_cli *cli, rdl_err *err)
{
    rdl_names names = {0};
    rdl_stat st;
    RDL_TRY(rdl_fs_stat(cli->dir, &st, err));
    if (!st.exists)
        return RDL_OK;
    if (!st.is_dir)
        return rdl_err_set(err, RDL_EUSAGE, 0, "cannot begin a pipeline in \"%s\": it is a file",
                           cli->dir);
    RDL_TRY(rdl_fs_list(&cli->arena, cli->dir, &names, err));
    if (names.n == 0)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot begin a pipeline in \"%s\": it is not empty", cli->dir);
    return rdl_err_hint(err, "Name a folder that is not there yet: raudal init shop");
}

rdl_code rdl_cmd_init(rdl_cli *cli, rdl_err *err)
{
    rdl_buf b = {0};
    RDL_TRY(check_empty(cli, err));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = rdl_path_join(&cli->arena, cli->dir, files[i].path);
        RDL_TRY(rdl_fs_mkdirs(rdl_path_dir(&cli->arena, path), err));
        RDL_TRY(rdl_fs_write_durable(path, files[i].text, strlen(files[i].text), err));
        rdl_buf_printf(&b, "%s\n", path);
    }
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    if (rc == RDL_OK)
        rdl_cli_note("\nnext: raudal run %s --once", cli->dir);
    return rc;
}
