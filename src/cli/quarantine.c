/*
 * cli/quarantine.c - `raudal quarantine list`, `show`, `replay` and `dismiss`: what was rejected and
 * why; judging it again, and laying it aside.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/output.h"
#include "lang/plan.h"
#include "stream/root.h"

enum { LIMIT_DEFAULT = 100 };

/* Tables that can reject rows: streaming tables, and sources through them. */
static bool has_quarantine(const rdl_table *t)
{
    return t->kind == RDL_TABLE_STREAMING || t->kind == RDL_TABLE_VIEW;
}

static rdl_code exists(rdl_reader *r, const char *name, bool *out, rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t n = 0;
    rdl_buf_puts(&sql, "SELECT count(*) FROM information_schema.tables WHERE table_schema = "
                       "'quarantine' AND table_name = ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(name));
    rdl_code rc = rdl_query_i64(rdl_reader_conn(r), rdl_buf_str(&sql), &n, err);
    rdl_buf_fini(&sql);
    *out = n != 0;
    return rc;
}

static rdl_code put_counts(rdl_cli *cli, rdl_reader *r, rdl_buf *sql, rdl_err *err)
{
    const rdl_pipeline *p = rdl_reader_pipeline(r);
    for (size_t i = 0; i < p->table_count; i++) {
        bool there = false;
        char *name = rdl_root_quarantine_name(&cli->arena, p->tables[i]);
        if (!has_quarantine(p->tables[i]) && p->tables[i]->kind != RDL_TABLE_SNAPSHOT)
            continue;
        RDL_TRY(exists(r, name, &there, err));
        if (!there)
            continue;
        rdl_buf_puts(sql, sql->n != 0 ? " UNION ALL SELECT " : "SELECT ");
        rdl_buf_put_sql_text(sql, p->tables[i]->full);
        rdl_buf_puts(sql, " AS \"table\", unnest(list_filter(reasons, x -> x <> 'dismissed')) AS "
                          "reason, list_contains(reasons, 'dismissed') AS dismissed, source, "
                          "ingest_ts, replayed_epoch FROM quarantine.");
        rdl_buf_put_sql_ident(sql, rdl_str_of(name));
    }
    return RDL_OK;
}

static rdl_code list(rdl_cli *cli, rdl_reader *r, rdl_err *err)
{
    rdl_output_format format;
    rdl_buf parts = {0};
    rdl_result *result;
    uint64_t rows;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    rdl_code rc = put_counts(cli, r, &parts, err);
    if (rc == RDL_OK && parts.n == 0)
        rdl_buf_puts(&parts, "SELECT '' AS \"table\", '' AS reason, false AS dismissed, '' AS source, "
                             "TIMESTAMPTZ '1970-01-01' AS ingest_ts, 0 AS replayed_epoch "
                             "WHERE false");
    if (rc == RDL_OK)
        rc = rdl_queryf(
            rdl_reader_conn(r), &result, err,
            "SELECT \"table\", reason, source, count(*) AS rows, "
            "count(replayed_epoch) FILTER (NOT dismissed) AS replayed, "
            "count(*) - count(replayed_epoch) AS waiting, count(*) FILTER (dismissed) AS dismissed, "
            "min(ingest_ts) AS first, "
            "max(ingest_ts) AS last FROM (%s) GROUP BY ALL ORDER BY ALL",
            rdl_buf_str(&parts));
    rdl_buf_fini(&parts);
    if (rc != RDL_OK)
        return rc;
    rc = rdl_output_result(format, result, &rows, err);
    rdl_result_free(result);
    if (rc == RDL_OK && rows == 0 && format == RDL_OUTPUT_TABLE)
        rdl_cli_note("nothing was rejected");
    return rc;
}

rdl_code rdl_cmd_quarantine_list(rdl_cli *cli, rdl_err *err)
{
    rdl_reader *r;
    RDL_TRY(rdl_cli_open_reader(cli, &r, err));
    rdl_code rc = list(cli, r, err);
    rdl_reader_close(r);
    return rc;
}

static rdl_code show(rdl_cli *cli, rdl_reader *r, rdl_err *err)
{
    rdl_output_format format;
    rdl_table *t;
    rdl_buf name = {0};
    rdl_result *result;
    uint64_t rows, limit = LIMIT_DEFAULT;
    bool there = false;
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    RDL_TRY(rdl_cli_count(cli, RDL_CLI_LIMIT, INT64_MAX, &limit, err));
    RDL_TRY(rdl_cli_table(rdl_reader_pipeline(r), cli->args[0], &t, err));
    char *quarantine = rdl_root_quarantine_name(&cli->arena, t);
    RDL_TRY(exists(r, quarantine, &there, err));
    if (!there) {
        rdl_cli_note("nothing of \"%s\" was rejected", cli->args[0]);
        return RDL_OK;
    }
    rdl_buf_put_sql_ident(&name, rdl_str_of(quarantine));
    rdl_code rc =
        rdl_queryf(rdl_reader_conn(r), &result, err,
                   "SELECT _epoch AS epoch, source_file AS file, _source_offset "
                   "AS place, reasons, detail, "
                   "coalesce(CAST(record AS VARCHAR), TRY(decode(raw)), CAST(raw AS VARCHAR)) AS "
                   "record FROM quarantine.%s "
                   "ORDER BY " RDL_IDENTITY_COLUMNS " LIMIT %" PRIu64,
                   rdl_buf_str(&name), limit);
    rdl_buf_fini(&name);
    if (rc != RDL_OK)
        return rc;
    rc = rdl_output_result(format, result, &rows, err);
    rdl_result_free(result);
    return rc;
}

rdl_code rdl_cmd_quarantine_show(rdl_cli *cli, rdl_err *err)
{
    rdl_reader *r;
    RDL_TRY(rdl_cli_open_reader(cli, &r, err));
    rdl_code rc = show(cli, r, err);
    rdl_reader_close(r);
    return rc;
}

/* ---- replay ---- */

static void say_replayed(const char *table, const rdl_ledger *l, rdl_buf *b)
{
    static const char *const names[] = {"written", "duplicate", "still quarantined", "dropped",
                                        "filtered"};
    const uint64_t counts[] = {l->written, l->duplicate, l->quarantined, l->dropped, l->filtered};
    rdl_buf_printf(b, "%s: %" PRIu64 " replayed", table, l->replayed);
    if (l->fanout > 0)
        rdl_buf_printf(b, " + %" PRIu64 " copies", l->fanout);
    for (size_t i = 0, n = 0; i < 5; i++) {
        if (counts[i] > 0)
            rdl_buf_printf(b, "%s%" PRIu64 " %s", n++ == 0 ? " = " : " + ", counts[i], names[i]);
    }
    if (l->replayed == 0)
        rdl_buf_puts(b, "; nothing that was asked for waits there with its record");
    rdl_buf_putc(b, '\n');
}

rdl_code rdl_errand_replay(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    rdl_table *t;
    rdl_ledger l;
    RDL_TRY(rdl_cli_table(rdl_engine_pipeline(e), cli->args[0], &t, err));
    RDL_TRY(rdl_engine_replay(e, t, cli->values[RDL_CLI_WHERE], &l, err));
    say_replayed(cli->args[0], &l, out);
    return RDL_OK;
}

rdl_code rdl_errand_dismiss(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    rdl_table *t;
    rdl_ledger l;
    RDL_TRY(rdl_cli_table(rdl_engine_pipeline(e), cli->args[0], &t, err));
    if (!rdl_cli_has(cli, RDL_CLI_WHERE)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot dismiss rows of \"%s\": which ones is not said",
                    cli->args[0]);
        return rdl_err_hint(err, "Add --where with a condition on the quarantine's columns, as in "
                                 "--where \"record->>'order_id' = 'o17'\"; --where true takes all.");
    }
    RDL_TRY(rdl_engine_dismiss(e, t, cli->values[RDL_CLI_WHERE], &l, err));
    rdl_buf_printf(out, "%s: %" PRIu64 " row%s dismissed%s\n", cli->args[0], l.replayed,
                   l.replayed == 1 ? "" : "s",
                   l.replayed == 0 ? "; nothing that was asked for waits there" : "");
    return RDL_OK;
}
