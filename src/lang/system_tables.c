/*
 * lang/system_tables.c - the columns of raudal.*; see the header.
 */
#include "lang/system_tables.h"

static const rdl_system_column epochs[] = {
    {"epoch", "BIGINT", "its number"},
    {"sealed_at", "TIMESTAMPTZ", "the plan's time"},
    {"seconds", "DOUBLE", "its work until the seal"},
    {"rows_read", "BIGINT", "by tables that read sources"},
    {"rows_written", "BIGINT", "by the same"},
    {"rows_rejected", "BIGINT", "quarantined, diverted and dropped, by the same"},
    {"tables", "BIGINT", "tables and views that it changed"},
};

static const rdl_system_column ledger[] = {
    {"epoch", "BIGINT", "its number"},
    {"sealed_at", "TIMESTAMPTZ", "the plan's time"},
    {"table_name", "TEXT", "as in the pipeline"},
    {"read", "BIGINT", "rows that came in"},
    {"replayed", "BIGINT", "rows of the quarantine judged again"},
    {"fanout", "BIGINT", "copies made by joins, unnesting and windows"},
    {"written", "BIGINT", "rows that were kept"},
    {"duplicate", "BIGINT", "rows whose key was there"},
    {"late_diverted", "BIGINT", "late, to quarantine"},
    {"late_dropped", "BIGINT", "late, counted"},
    {"quarantined", "BIGINT", "rejected, kept in quarantine"},
    {"dropped", "BIGINT", "rejected, counted"},
    {"filtered", "BIGINT", "taken out by the body"},
    {"amended", "BIGINT", "part of written: late"},
    {"imputed", "BIGINT", "part of written: a value was put in"},
    {"kept", "BIGINT", "part of written: a constraint was violated and says KEEP"},
    {"rescued", "BIGINT", "part of written: fields that nobody declared"},
    {"malformed", "BIGINT", "part of quarantined or dropped: no record at all"},
    {"rows_new", "BIGINT", "new rows (views: the new side of changes)"},
    {"rows_old", "BIGINT", "old rows (views: the old side of changes)"},
    {"seconds", "DOUBLE", "work of this table in this epoch"},
    {"balances", "BOOLEAN", "what came in is what became of it"},
};

static const rdl_system_column tables[] = {
    {"table_name", "TEXT", "as in the pipeline"},
    {"kind", "TEXT", "source, snapshot, streaming table, view, model table or decision table"},
    {"rows", "BIGINT", "now"},
    {"quarantined", "BIGINT", "rows that wait in its quarantine"},
    {"files", "BIGINT", "of its newest lake version"},
    {"bytes", "BIGINT", "of them"},
    {"last_epoch", "BIGINT", "that changed it; 0: none"},
    {"changed_at", "TIMESTAMPTZ", "when that was; null: never"},
    {"age_seconds", "DOUBLE", "since then"},
    {"watermark", "TIMESTAMPTZ", "the newest event time that was seen"},
    {"seconds", "DOUBLE", "its work in its newest epoch"},
    {"lake_version", "BIGINT", "-1: none yet"},
    {"lake_epoch", "BIGINT", "that the lake shows"},
    {"comment", "TEXT", "of its statement"},
};

static const rdl_system_column columns[] = {
    {"table_name", "TEXT", "as in the pipeline"},
    {"position", "BIGINT", "1 is the first"},
    {"column_name", "TEXT", ""},
    {"type", "TEXT", ""},
    {"comment", "TEXT", "here or where it comes from"},
};

static const rdl_system_column lineage[] = {
    {"table_name", "TEXT", "table, report or model"},
    {"reads", "TEXT", "a table or source that it reads directly"},
    {"stream", "BOOLEAN", "read as STREAM"},
};

static const rdl_system_column schedules[] = {
    {"name", "TEXT",
     "of the table; of a model \"model s.n\", of a training step \"train n\", of a report \"report n\""},
    {"schedule", "TEXT", "null: none, but a promise"},
    {"last_run", "TIMESTAMPTZ", ""},
    {"next_run", "TIMESTAMPTZ", "null: when there is something new"},
    {"seconds", "DOUBLE", "of its last run"},
    {"promised_seconds", "DOUBLE", "PROMISE; null: none"},
    {"waiting_seconds", "DOUBLE",
     "since what it reads changed, or it was due; null: nothing waits"},
    {"state", "TEXT", "never ran, done, waits, overdue (longer than promised), slow, failed"},
    {"message", "TEXT", "why it failed"},
};

static const rdl_system_column publications[] = {
    {"name", "TEXT", "in the store"},
    {"table_name", "TEXT", "that is published"},
    {"store", "TEXT", "its URL without a password"},
    {"epoch", "BIGINT", "that the store shows; null: not known"},
    {"behind", "BIGINT", "epochs since then; 0 when none of them changed the table"},
    {"problem", "TEXT", "why the store cannot be asked; null: none"},
};

static const rdl_system_column quarantine[] = {
    {"table_name", "TEXT", "whose rows they would have been"},
    {"reason", "TEXT", "a constraint's name, late, malformed, ..."},
    {"rows", "BIGINT", ""},
    {"replayed", "BIGINT", "of them"},
    {"first_at", "TIMESTAMPTZ", "ingest time"},
    {"last_at", "TIMESTAMPTZ", ""},
};

static const rdl_system_column runs[] = {
    {"id", "BIGINT", ""},
    {"kind", "TEXT", "once, continuous, refresh, ...; \"model s.n\", \"table s.n\", \"store url\""},
    {"started", "TIMESTAMPTZ", ""},
    {"ended", "TIMESTAMPTZ", "null: it runs"},
    {"seconds", "DOUBLE", "until now when it runs"},
    {"epochs", "BIGINT", "sealed"},
    {"last_epoch", "BIGINT", ""},
    {"rows_read", "BIGINT", ""},
    {"outcome", "TEXT", "running, done, stopped, failed, lost (its process died)"},
    {"message", "TEXT", ""},
};

static const rdl_system_column reports[] = {
    {"report", "TEXT", ""},
    {"started", "TIMESTAMPTZ", ""},
    {"ended", "TIMESTAMPTZ", ""},
    {"seconds", "DOUBLE", ""},
    {"epoch", "BIGINT", "that it read"},
    {"rows", "BIGINT", ""},
    {"bytes", "BIGINT", ""},
    {"files", "BIGINT", ""},
    {"outcome", "TEXT", "done or failed"},
    {"message", "TEXT", ""},
};

static const rdl_system_column alerts[] = {
    {"name", "TEXT", ""},
    {"severity", "TEXT", "info, warning, critical"},
    {"state", "TEXT", "quiet, active, failing (its condition cannot be evaluated)"},
    {"since", "TIMESTAMPTZ", "of that state"},
    {"checked_at", "TIMESTAMPTZ", "null: never"},
    {"times", "BIGINT", "how often it became active"},
    {"message", "TEXT", "what was found"},
    {"waiting", "BIGINT", "notices that are not delivered yet"},
    {"problem", "TEXT", "why the last delivery failed"},
};

static const rdl_system_column grants[] = {
    {"privilege", "TEXT", "SELECT"},
    {"object", "TEXT", "as written"},
    {"table_name", "TEXT", "that it covers"},
    {"role", "TEXT", ""},
};

#define TABLE(name, meaning)                                                                       \
    {                                                                                              \
#name, meaning, name, sizeof name / sizeof name[0]                                         \
    }

const rdl_system_table rdl_system_tables[RDL_SYSTEM_TABLE_COUNT] = {
    [RDL_SYSTEM_EPOCHS] = TABLE(epochs, "every sealed epoch that the journal tells of"),
    [RDL_SYSTEM_LEDGER] = TABLE(ledger, "what became of every row, by epoch and table"),
    [RDL_SYSTEM_TABLES] = TABLE(tables, "sizes and freshness of tables and sources"),
    [RDL_SYSTEM_COLUMNS] = TABLE(columns, "columns of tables and sources"),
    [RDL_SYSTEM_LINEAGE] = TABLE(lineage, "what reads what"),
    [RDL_SYSTEM_SCHEDULES] =
        TABLE(schedules, "what runs by itself, or promised to be done in time"),
    [RDL_SYSTEM_PUBLICATIONS] = TABLE(publications, "published tables; asks their stores"),
    [RDL_SYSTEM_QUARANTINE] = TABLE(quarantine, "rejected rows by reason"),
    [RDL_SYSTEM_RUNS] = TABLE(runs, "runs of the program, and of models, tables and stores in it"),
    [RDL_SYSTEM_REPORTS] = TABLE(reports, "runs of reports"),
    [RDL_SYSTEM_ALERTS] = TABLE(alerts, "alerts and where they stand"),
    [RDL_SYSTEM_GRANTS] = TABLE(grants, "who may read what, as the pipeline says"),
};

rdl_code rdl_system_table_create(rdl_conn *conn, rdl_system_table_id id, rdl_err *err)
{
    const rdl_system_table *t = &rdl_system_tables[id];
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "CREATE SCHEMA IF NOT EXISTS raudal; CREATE OR REPLACE TABLE raudal.%s (",
                   t->name);
    for (size_t i = 0; i < t->column_count; i++)
        rdl_buf_printf(&sql, "%s\"%s\" %s", i > 0 ? ", " : "", t->columns[i].name,
                       t->columns[i].type);
    rdl_buf_putc(&sql, ')');
    rdl_code rc = rdl_exec(conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

static size_t skip(rdl_str sql, size_t at, const char *chars)
{
    while (at < sql.n && strchr(chars, sql.p[at]) != NULL && sql.p[at] != '\0')
        at++;
    return at;
}

bool rdl_system_table_named(rdl_str sql, rdl_system_table_id id)
{
    const rdl_str schema = RDL_STR("raudal"), name = rdl_str_of(rdl_system_tables[id].name);
    for (size_t i = 0; i + schema.n + name.n < sql.n; i++) {
        if (!rdl_str_eq_nocase((rdl_str){sql.p + i, schema.n}, schema))
            continue;
        size_t at = skip(sql, i + schema.n, "\" \t\r\n");
        if (at >= sql.n || sql.p[at] != '.')
            continue;
        at = skip(sql, at + 1, "\" \t\r\n");
        if (sql.n - at >= name.n && rdl_str_eq_nocase((rdl_str){sql.p + at, name.n}, name))
            return true;
    }
    return false;
}

void rdl_system_tables_print_reference(rdl_buf *out)
{
    rdl_buf_puts(
        out,
        "# System tables: raudal.*\n\nWhat the platform says of itself, as tables for `raudal "
        "sql` and for the conditions of [alerts](alerts.md). They are made when a\ntext names them, "
        "as of the cut that is read. Views and tables of a pipeline cannot read them. This page is "
        "what\n`raudal help tables` prints.\n\n");
    for (size_t i = 0; i < RDL_SYSTEM_TABLE_COUNT; i++) {
        const rdl_system_table *t = &rdl_system_tables[i];
        rdl_buf_printf(out,
                       "## raudal.%s\n\n%s.\n\n| column | type | meaning |\n| --- | --- | --- |\n",
                       t->name, t->meaning);
        for (size_t k = 0; k < t->column_count; k++)
            rdl_buf_printf(out, "| %s | %s | %s |\n", t->columns[k].name, t->columns[k].type,
                           t->columns[k].meaning);
        rdl_buf_putc(out, '\n');
    }
}
