/*
 * cli/lake.c - `raudal lake ...`: look at and look after the Delta tables.
 *
 * Reading takes no lock.  compact and vacuum take the root's, or are done by the continuous run that
 * holds it (cli/errand.h): two of them, or one beside a run, would each think that a file of the
 * other is left over.
 */
#include "lake/lake.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/errand.h"
#include "cli/output.h"
#include "stream/engine.h"
#include "stream/history.h"
#include "stream/journal.h"
#include "stream/root.h"

static const int64_t retention_default_us = INT64_C(7) * 86400 * 1000000;
static const int64_t log_retention_us = INT64_C(30) * 86400 * 1000000;
enum {
    LIMIT_DEFAULT = 100
};

typedef struct lake {
    rdl_cli *cli;
    rdl_cli_pipeline loaded;
    rdl_root root;
    /* Of compact and vacuum: */
    const rdl_pipeline *pipeline;
    rdl_conn *conn;
    char uuid[37]; /* the root's */
    rdl_buf *out;
    rdl_output_format format;
} lake;

static rdl_code open_lake(lake *l, rdl_cli *cli, rdl_err *err)
{
    *l = (lake){.cli = cli};
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &l->format, err));
    RDL_TRY(rdl_cli_load(cli, &l->loaded, err));
    rdl_root_paths(&cli->arena, rdl_cli_root(cli), &l->root);
    if (rdl_fs_exists(l->root.state))
        return RDL_OK;
    rdl_cli_unload(&l->loaded);
    rdl_err_set(err, RDL_EIO, 0, "there is no root at \"%s\"", l->root.dir);
    rdl_err_hint(err, "Make it with raudal run --once, or name another with --root.");
    return rdl_err_area(RDL_EIO, err, RDL_AREA_CONFIG);
}

static bool in_lake(const rdl_table *t)
{
    return t->kind == RDL_TABLE_STREAMING || t->kind == RDL_TABLE_VIEW;
}

/* A table of the lake and where it lies. */
static rdl_code
find(lake *l, const char *name, rdl_table **out, char **out_dir, rdl_err *err)
{
    RDL_TRY(rdl_cli_table(l->loaded.pipeline, name, out, err));
    if (!in_lake(*out)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "\"%s\" is a source: it is not in the lake", name);
        return rdl_err_hint(err, "`raudal lake tables` lists the lake's tables.");
    }
    *out_dir = rdl_root_lake_table(&l->cli->arena, &l->root, *out);
    return RDL_OK;
}

/* ---- tables ---- */

static rdl_code add_table(lake *l, rdl_output *o, const rdl_table *t, bool in_text, rdl_err *err)
{
    rdl_lake_snapshot s;
    rdl_row row;
    char *dir = rdl_root_lake_table(&l->cli->arena, &l->root, t);
    RDL_TRY(rdl_lake_load(&l->cli->arena, dir, "", -1, &s, err));
    if (s.version < 0 && in_text)
        return RDL_OK;
    rdl_row_begin(&row, &l->cli->arena);
    rdl_row_str(&row, t->full);
    rdl_row_i64(&row, s.version);
    rdl_row_u64(&row, s.rows);
    rdl_row_u64(&row, s.file_count);
    rdl_row_u64(&row, s.bytes);
    rdl_row_time(&row, s.timestamp_us);
    rdl_row_text(&row, in_text ? "yes" : "no");
    rdl_row_text(&row, dir);
    rdl_output_row(o, row.cells);
    return RDL_OK;
}

static rdl_code visit_record(void *history, uint32_t type, uint64_t sequence, rdl_str payload,
                             rdl_err *err)
{
    (void)sequence;
    return rdl_history_visit(history, NULL, type, payload, err);
}

/* Those that have data in the root and are no longer in the text. */
static rdl_code add_left(lake *l, rdl_output *o, rdl_err *err)
{
    rdl_arena *a = &l->cli->arena;
    rdl_root_identity identity;
    rdl_history history;
    const rdl_table_history **left;
    size_t n;
    rdl_code rc = RDL_OK;
    rdl_history_init(&history, a);
    RDL_TRY(rdl_journal_read(rdl_path_join(a, l->root.state, "journal"), &identity, visit_record,
                             &history, err));
    rdl_history_left(&history, l->loaded.pipeline, a, &left, &n);
    for (size_t i = 0; i < n && rc == RDL_OK; i++) {
        rdl_table t;
        rdl_root_table_named(a, &l->root, left[i]->table, &t);
        rc = add_table(l, o, &t, false, err);
    }
    return rc;
}

rdl_code rdl_cmd_lake_tables(rdl_cli *cli, rdl_err *err)
{
    static const char *const names[] = {"table", "version", "rows",  "files",
                                        "bytes", "changed", "in text", "folder"};
    lake l;
    RDL_TRY(open_lake(&l, cli, err));
    const rdl_pipeline *p = l.loaded.pipeline;
    rdl_output *o = rdl_output_new(l.format, names, 8);
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < p->table_count && rc == RDL_OK; i++)
        if (in_lake(p->tables[i]))
            rc = add_table(&l, o, p->tables[i], true, err);
    if (rc == RDL_OK)
        rc = rdl_err_area(add_left(&l, o, err), err, RDL_AREA_STORE);
    if (rc == RDL_OK)
        rc = rdl_output_finish(o, err);
    else
        rdl_output_drop(o);
    rdl_cli_unload(&l.loaded);
    return rc;
}

/* ---- history ---- */

static rdl_code history(lake *l, rdl_err *err)
{
    static const char *const names[] = {"version",   "committed",   "operation",
                                        "epoch",     "files added", "files removed",
                                        "rows added"};
    rdl_lake_version *v;
    rdl_table *t;
    char *dir;
    size_t n;
    uint64_t limit = LIMIT_DEFAULT;
    RDL_TRY(rdl_cli_count(l->cli, RDL_CLI_LIMIT, INT64_MAX, &limit, err));
    RDL_TRY(find(l, l->cli->args[0], &t, &dir, err));
    RDL_TRY(rdl_lake_history(&l->cli->arena, dir, &v, &n, err));
    rdl_output *o = rdl_output_new(l->format, names, 7);
    for (size_t i = 0; i < n && i < limit; i++) {
        rdl_row row;
        rdl_row_begin(&row, &l->cli->arena);
        rdl_row_i64(&row, v[i].version);
        rdl_row_time(&row, v[i].timestamp_us);
        rdl_row_text(&row, v[i].operation);
        if (v[i].txn_version >= 0)
            rdl_row_i64(&row, v[i].txn_version);
        else
            rdl_row_null(&row);
        rdl_row_u64(&row, v[i].files_added);
        rdl_row_u64(&row, v[i].files_removed);
        rdl_row_u64(&row, v[i].rows_added);
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

rdl_code rdl_cmd_lake_history(rdl_cli *cli, rdl_err *err)
{
    lake l;
    RDL_TRY(open_lake(&l, cli, err));
    rdl_code rc = history(&l, err);
    rdl_cli_unload(&l.loaded);
    return rc;
}

/* ---- files ---- */

/* "event_date=2025-08-01, service=NULL" */
static void put_partition(rdl_buf *b, const rdl_lake_snapshot *s, const rdl_lake_file *f)
{
    for (size_t i = 0; i < s->partition_count; i++)
        rdl_buf_printf(b, "%s%.*s=%s", i != 0 ? ", " : "", (int)s->partition_columns[i].n,
                       s->partition_columns[i].p,
                       f->partition[i] != NULL ? f->partition[i] : "NULL");
}

static rdl_code files(lake *l, rdl_err *err)
{
    static const char *const names[] = {"path", "rows", "bytes", "written", "partition"};
    rdl_lake_snapshot s;
    rdl_table *t;
    char *dir;
    RDL_TRY(find(l, l->cli->args[0], &t, &dir, err));
    RDL_TRY(rdl_lake_load(&l->cli->arena, dir, "", -1, &s, err));
    rdl_output *o = rdl_output_new(l->format, names, 5);
    for (size_t i = 0; i < s.file_count; i++) {
        const rdl_lake_file *f = &s.files[i];
        rdl_row row;
        rdl_buf partition = {0};
        put_partition(&partition, &s, f);
        rdl_row_begin(&row, &l->cli->arena);
        rdl_row_text(&row, f->path);
        if (f->rows != UINT64_MAX)
            rdl_row_u64(&row, f->rows);
        else
            rdl_row_null(&row);
        rdl_row_u64(&row, f->bytes);
        rdl_row_time(&row, f->mtime_ms * 1000);
        rdl_row_text(&row, rdl_buf_str(&partition));
        rdl_buf_fini(&partition);
        rdl_output_row(o, row.cells);
    }
    return rdl_output_finish(o, err);
}

rdl_code rdl_cmd_lake_files(rdl_cli *cli, rdl_err *err)
{
    lake l;
    RDL_TRY(open_lake(&l, cli, err));
    rdl_code rc = files(&l, err);
    rdl_cli_unload(&l.loaded);
    return rc;
}

/* ---- compact and vacuum ---- */

/* label: "s.t", or "quarantine.s_t". */
typedef rdl_code (*table_fn)(lake *l, const char *label, const char *dir, rdl_err *err);

/*
 * The lock's text tells the next engine whether the last writer ended cleanly, and so
 * whether to look for what a crash left.  We would wipe that out: so we only work after a
 * clean end.
 */
static rdl_code take_lock(lake *l, const char *who, rdl_lock **out, rdl_err *err)
{
    rdl_root_identity identity;
    rdl_stat was;
    const char *path = rdl_path_join(&l->cli->arena, l->root.state, "LOCK");
    RDL_TRY(rdl_fs_stat(path, &was, err));
    if (was.exists && was.size != 0 && !rdl_lock_held(path)) {
        rdl_err_set(err, RDL_ECONFLICT, 0,
                    "cannot change the lake of \"%s\": its last run did not end cleanly",
                    l->root.dir);
        return rdl_err_hint(err, "Run raudal run --once first: it puts things in order.");
    }
    RDL_TRY(rdl_lock_take(path, who, out, err));
    RDL_TRY(rdl_journal_read(rdl_path_join(&l->cli->arena, l->root.state, "journal"),
                             &identity, NULL, NULL, err));
    rdl_uuid_print(identity.uuid, l->uuid);
    return RDL_OK;
}

/* Tables named on the command line or by --only, else all of the lake. */
static rdl_code each_table(lake *l, table_fn fn, rdl_err *err)
{
    rdl_cli *cli = l->cli;
    const rdl_pipeline *p = l->pipeline;
    const rdl_table **tables;
    size_t n;
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_cli_tables(cli, p, 0, &tables, &n, err));
    for (size_t i = 0; rc == RDL_OK && i < (n != 0 ? n : p->table_count); i++) {
        const rdl_table *t = n != 0 ? tables[i] : p->tables[i];
        if (!in_lake(t))
            continue;
        rc = fn(l, rdl_arena_strndup(&cli->arena, t->full.p, t->full.n),
                rdl_root_lake_table(&cli->arena, &l->root, t), err);
        if (rc == RDL_OK)
            rc = fn(l,
                    rdl_arena_printf(&cli->arena, "quarantine.%s",
                                     rdl_root_quarantine_name(&cli->arena, t)),
                    rdl_root_quarantine(&cli->arena, &l->root, t), err);
    }
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

/* Nobody holds the root: under its lock. */
static rdl_code under_lock(rdl_cli *cli, const char *who, table_fn fn, rdl_buf *out, rdl_err *err)
{
    lake l;
    rdl_lock *lock = NULL;
    RDL_TRY(open_lake(&l, cli, err));
    l.pipeline = l.loaded.pipeline;
    l.conn = l.loaded.conn;
    l.out = out;
    rdl_code rc = rdl_err_area(take_lock(&l, who, &lock, err), err, RDL_AREA_STORE);
    if (rc == RDL_OK)
        rc = each_table(&l, fn, err);
    rdl_lock_release(lock);
    rdl_cli_unload(&l.loaded);
    return rc;
}

/* By the run that holds the root, between two epochs. */
static rdl_code on_engine(rdl_cli *cli, rdl_engine *e, table_fn fn, rdl_buf *out, rdl_err *err)
{
    rdl_engine_lake of;
    lake l = {.cli = cli, .pipeline = rdl_engine_pipeline(e), .out = out};
    rdl_engine_get_lake(e, &of);
    l.conn = of.conn;
    snprintf(l.uuid, sizeof l.uuid, "%s", of.uuid);
    rdl_root_paths(&cli->arena, of.root, &l.root);
    return each_table(&l, fn, err);
}

static rdl_code by_either(rdl_cli *cli, const char *who, table_fn fn, rdl_err *err)
{
    rdl_buf out = {0};
    rdl_err failed = {0};
    bool taken = false;
    rdl_code rc = rdl_errand_try(cli, &taken, &out, err);
    if (rc == RDL_OK && !taken)
        rc = under_lock(cli, who, fn, &out, err);
    rdl_code printed = rdl_cli_print(&out, &failed);
    rdl_buf_fini(&out);
    if (rc == RDL_OK && printed != RDL_OK)
        *err = failed;
    return rc != RDL_OK ? rc : printed;
}

static rdl_code vacuum_table(lake *l, const char *label, const char *dir, rdl_err *err)
{
    int64_t retention = retention_default_us;
    const char *text = l->cli->values[RDL_CLI_RETENTION];
    bool dry = rdl_cli_has(l->cli, RDL_CLI_DRY_RUN);
    char **paths;
    size_t n;
    if (text != NULL && !rdl_interval_parse(rdl_str_of(text), &retention)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "could not read --retention \"%s\"", text);
        rdl_err_hint(err, "Write an interval: '7 days', '12 hours'.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
    }
    if (!rdl_fs_exists(dir))
        return RDL_OK;
    RDL_TRY(rdl_lake_vacuum(&l->cli->arena, dir, rdl_now_us(&rdl_clock_system), retention,
                            log_retention_us, dry, &paths, &n, err));
    for (size_t i = 0; dry && i < n; i++)
        rdl_buf_printf(l->out, "%s\n", paths[i]);
    rdl_buf_printf(l->out, "%s: %zu file%s %s\n", label, n, n == 1 ? "" : "s",
                   dry ? "would be removed" : "removed");
    return RDL_OK;
}

rdl_code rdl_cmd_lake_vacuum(rdl_cli *cli, rdl_err *err)
{
    return by_either(cli, "raudal lake vacuum", vacuum_table, err);
}

rdl_code rdl_errand_lake_vacuum(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    return on_engine(cli, e, vacuum_table, out, err);
}

/* What compaction may not change, and what it would do, come from the table itself. */
static rdl_code compact_table(lake *l, const char *label, const char *dir, rdl_err *err)
{
    rdl_lake_snapshot s;
    rdl_lake_result result;
    RDL_TRY(rdl_lake_load(&l->cli->arena, dir, l->uuid, -1, &s, err));
    if (s.version < 0)
        return RDL_OK;
    if (rdl_cli_has(l->cli, RDL_CLI_DRY_RUN)) {
        rdl_buf_printf(l->out, "%s: %zu files, ", label, s.file_count);
        rdl_put_bytes(l->out, s.bytes);
        rdl_buf_puts(l->out, "; files below 32 MB would be merged, from 4 in a partition\n");
        return RDL_OK;
    }
    rdl_lake_table table = {.dir = dir,
                            .app_id = l->uuid,
                            .name = label,
                            .schema = s.schema,
                            .partition_columns = s.partition_columns,
                            .partition_count = s.partition_count};
    rdl_lake_commit_info info = {.operation = "OPTIMIZE",
                                 .epoch = s.txn_version > 0 ? (uint64_t)s.txn_version : 0,
                                 .timestamp_us = rdl_now_us(&rdl_clock_system)};
    RDL_TRY(rdl_lake_compact(l->conn, &table, NULL, &info, &result, err));
    rdl_buf_printf(l->out, "%s: %" PRIu64 " files merged into %" PRIu64 "\n", label,
                   result.files_removed, result.files_added);
    return RDL_OK;
}

rdl_code rdl_cmd_lake_compact(rdl_cli *cli, rdl_err *err)
{
    return by_either(cli, "raudal lake compact", compact_table, err);
}

rdl_code rdl_errand_lake_compact(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    return on_engine(cli, e, compact_table, out, err);
}

/* ---- drop ---- */

rdl_code rdl_errand_lake_drop(rdl_cli *cli, rdl_engine *e, rdl_buf *out, rdl_err *err)
{
    bool dry = rdl_cli_has(cli, RDL_CLI_DRY_RUN);
    for (size_t i = 0; i < cli->arg_count; i++) {
        rdl_dropped d;
        rdl_code rc = rdl_engine_drop(e, cli->args[i], dry, &cli->arena, &d, err);
        RDL_TRY(rdl_err_area(rc, err, rc == RDL_EUSAGE ? RDL_AREA_TEXT : RDL_AREA_STORE));
        rdl_buf_printf(out, "%s: %s\n", cli->args[i], dry ? "would be dropped" : "dropped");
        const char *const folders[] = {d.lake, d.quarantine};
        for (size_t k = 0; k < 2; k++)
            if (folders[k] != NULL)
                rdl_buf_printf(out, "  %s\n", folders[k]);
    }
    return RDL_OK;
}
