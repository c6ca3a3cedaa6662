/*
 * cli/doctor.c - `raudal doctor`: what could be wrong with this machine and this root.
 *
 * Changes nothing.  Each check is a row: what was looked at, "ok", "warning" or "wrong",
 * and what was found.  Exits 1 when a row is wrong.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h> /* allow: it shows the process's limits */

#include "base/fault.h"
#include "base/fs.h"
#include "base/machine.h"
#include "cli/output.h"
#include "lake/lake.h"
#include "ops/catalog.h"
#include "ops/metrics.h"
#include "stream/journal.h"
#include "stream/root.h"

static const uint64_t disk_low_bytes = UINT64_C(1) << 30;
enum { FILES_LOW = 1024 };

typedef struct doctor {
    rdl_cli *cli;
    rdl_output *output;
    rdl_root root;
    rdl_pipeline *pipeline;
    char uuid[37];
    size_t wrong;
} doctor;

typedef enum verdict {
    FINE,
    WARNING,
    WRONG,
} verdict;

RDL_PRINTF(4, 5)
static void say(doctor *d, const char *what, verdict v, const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warning", "wrong"};
    char text[1500];
    rdl_row row;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rdl_row_begin(&row, &d->cli->arena);
    rdl_row_text(&row, what);
    rdl_row_text(&row, words[v]);
    rdl_row_text(&row, text);
    rdl_output_row(d->output, row.cells);
    d->wrong += v == WRONG ? 1 : 0;
}

static void say_err(doctor *d, const char *what, const rdl_err *err)
{
    say(d, what, WRONG, "%s%s%s", err->msg, err->hint[0] != '\0' ? "  hint: " : "", err->hint);
}

/* ---- the machine ---- */

static void check_machine(doctor *d)
{
    rdl_buf b = {0};
    struct rlimit files = {0};
    say(d, "raudal", FINE, "%s, built with %s", RAUDAL_VERSION, __VERSION__);
    say(d, "DuckDB", FINE, "%s", rdl_duck_version());
    say(d, "SQLite", FINE, "%s", rdl_catalog_sqlite_version());
    say(d, "libmicrohttpd", FINE, "%s", rdl_metrics_library_version());
    say(d, "processors", FINE, "%u", rdl_cpu_count());
    rdl_put_bytes(&b, rdl_memory_total());
    say(d, "memory", FINE, "%s; a run uses half of it unless --memory says otherwise",
        rdl_buf_str(&b));
    rdl_buf_fini(&b);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        say(d, "open files", files.rlim_cur < FILES_LOW ? WARNING : FINE, "%llu%s",
            (unsigned long long)files.rlim_cur,
            files.rlim_cur < FILES_LOW ? ": raise it with ulimit -n 4096" : "");
}

static void check_duck(doctor *d)
{
    rdl_err err = {0};
    rdl_duck *duck = NULL;
    rdl_conn *conn = NULL;
    int64_t n = 0;
    rdl_code rc = rdl_duck_open(&(rdl_duck_config){.threads = 1}, &duck, &err);
    if (rc == RDL_OK)
        rc = rdl_conn_open(duck, &conn, &err);
    if (rc == RDL_OK)
        rc = rdl_query_i64(conn,
                           "SELECT count(*) FROM duckdb_extensions() WHERE loaded AND "
                           "extension_name IN ('json', 'parquet', 'icu', 'core_functions')",
                           &n, &err);
    if (rc != RDL_OK)
        say_err(d, "DuckDB extensions", &err);
    else
        say(d, "DuckDB extensions", n == 4 ? FINE : WRONG,
            "%" PRId64 " of json, parquet, icu, core_functions are in the library", n);
    if (conn != NULL)
        rdl_conn_close(conn);
    rdl_duck_close(duck);
}

/* ---- the root ---- */

static void check_disk(doctor *d, const char *dir)
{
    rdl_buf b = {0};
    uint64_t bytes = rdl_fs_free_bytes(dir);
    rdl_put_bytes(&b, bytes);
    say(d, "disk space", bytes < disk_low_bytes ? WARNING : FINE, "%s free for \"%s\"",
        rdl_buf_str(&b), dir);
    rdl_buf_fini(&b);
}

static void check_lock(doctor *d)
{
    rdl_err err = {0};
    rdl_buf who = {0};
    const char *path = rdl_path_join(&d->cli->arena, d->root.state, "LOCK");
    bool held = rdl_lock_held(path);
    if (rdl_fs_exists(path) && rdl_fs_read(path, 4096, &who, &err) != RDL_OK)
        say_err(d, "lock", &err);
    else if (held)
        say(d, "lock", FINE, "held by %.*s", (int)strcspn(rdl_buf_str(&who), "\n"),
            rdl_buf_str(&who));
    else if (who.n != 0)
        say(d, "lock", WARNING,
            "free, but the last run did not end cleanly (%.*s); the next one puts things "
            "in "
            "order",
            (int)strcspn(rdl_buf_str(&who), "\n"), rdl_buf_str(&who));
    else
        say(d, "lock", FINE, "free; the last run ended cleanly");
    rdl_buf_fini(&who);
}

typedef struct tally {
    uint64_t seals, checkpoints, prunes;
} tally;

static rdl_code count_record(void *arg, uint32_t type, uint64_t sequence, rdl_str payload,
                             rdl_err *err)
{
    tally *t = arg;
    (void)sequence;
    (void)payload;
    (void)err;
    t->seals += type == RDL_RECORD_SEAL ? 1 : 0;
    t->checkpoints += type == RDL_RECORD_CHECKPOINT ? 1 : 0;
    t->prunes += type == RDL_RECORD_PRUNE ? 1 : 0;
    return RDL_OK;
}

static bool check_journal(doctor *d)
{
    rdl_err err = {0};
    rdl_root_identity identity;
    tally t = {0};
    uint64_t first = 1;
    const char *path = rdl_path_join(&d->cli->arena, d->root.state, "journal");
    if (!rdl_fs_exists(path)) {
        say(d, "journal", WARNING, "there is none at \"%s\": nothing has been run", path);
        return false;
    }
    if (rdl_journal_read(path, &identity, NULL, NULL, &err) != RDL_OK ||
        rdl_journal_read_all(path, count_record, &t, &first, &err) != RDL_OK) {
        say_err(d, "journal", &err);
        return false;
    }
    rdl_uuid_print(identity.uuid, d->uuid);
    say(d, "journal", FINE,
        "root %s: %" PRIu64 " epochs sealed, %" PRIu64 " checkpoints, all checksums agree%s",
        d->uuid, t.seals, t.checkpoints, first > 1 ? "; older records were deleted" : "");
    return true;
}

/* Files that no version of the table names and our root wrote. */
static rdl_code count_orphans(doctor *d, const char *dir, const rdl_lake_snapshot *s, size_t *out,
                              rdl_err *err)
{
    rdl_names names;
    rdl_map named;
    char prefix[32];
    *out = 0;
    snprintf(prefix, sizeof prefix, "part-%.8s-", d->uuid);
    rdl_map_init(&named, &d->cli->arena);
    for (size_t i = 0; i < s->file_count; i++)
        rdl_map_put(&named, rdl_str_of(s->files[i].path), (void *)dir);
    RDL_TRY(rdl_fs_walk(&d->cli->arena, dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        const char *base = rdl_path_base(names.v[i]);
        if (strncmp(base, prefix, strlen(prefix)) == 0 &&
            !rdl_map_has(&named, rdl_str_of(names.v[i])))
            (*out)++;
    }
    return RDL_OK;
}

static rdl_code check_files(const char *dir, const rdl_lake_snapshot *s, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < s->file_count && rc == RDL_OK; i++) {
        rdl_stat st;
        rc = rdl_fs_stat(rdl_path_join(&a, dir, s->files[i].path), &st, err);
        if (rc == RDL_OK && (!st.exists || st.size != s->files[i].bytes)) {
            rdl_err_set(err, RDL_EDATA, 0, "data file \"%s/%s\" is %s", dir, s->files[i].path,
                        st.exists ? "of another size than its log says" : "missing");
            rc = rdl_err_hint(err, "Restore it from a backup, or `raudal backfill` into a fresh "
                                   "root.");
        }
    }
    rdl_arena_fini(&a);
    return rc;
}

static void check_table(doctor *d, const char *name, const char *dir, size_t *orphans)
{
    rdl_err err = {0};
    rdl_lake_snapshot s;
    size_t unnamed = 0;
    if (!rdl_fs_exists(dir))
        return;
    rdl_code rc = rdl_lake_load(&d->cli->arena, dir, d->uuid, -1, &s, &err);
    if (rc == RDL_OK && s.version >= 0)
        rc = check_files(dir, &s, &err);
    if (rc == RDL_OK)
        rc = count_orphans(d, dir, &s, &unnamed, &err);
    *orphans += unnamed;
    if (rc != RDL_OK)
        say_err(d, name, &err);
}

static void check_lake(doctor *d)
{
    size_t n = 0, orphans = 0, before = d->wrong;
    for (size_t i = 0; i < d->pipeline->table_count; i++) {
        const rdl_table *t = d->pipeline->tables[i];
        char *name = rdl_arena_printf(&d->cli->arena, "lake %.*s", (int)t->full.n, t->full.p);
        char *dir = rdl_root_lake_table(&d->cli->arena, &d->root, t);
        if (t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_SNAPSHOT)
            continue;
        n += rdl_fs_exists(dir) ? 1 : 0;
        check_table(d, name, dir, &orphans);
        check_table(d, name, rdl_root_quarantine(&d->cli->arena, &d->root, t), &orphans);
    }
    if (d->wrong == before)
        say(d, "lake", FINE, "%zu tables; every file that a log names is there", n);
    say(d, "unnamed files", FINE,
        "%zu data files belong to no newest version (old versions, or what a crash left); "
        "raudal lake vacuum removes them in time",
        orphans);
}

static void check_stores(doctor *d)
{
    rdl_err err = {0};
    rdl_reader *r = NULL;
    rdl_root_status s;
    rdl_code rc = rdl_cli_open_reader(d->cli, &r, &err);
    if (rc == RDL_OK)
        rc = rdl_reader_status(r, &d->cli->arena, &s, &err);
    if (rc != RDL_OK) {
        say_err(d, "reader", &err);
        rdl_reader_close(r);
        return;
    }
    for (size_t i = 0; i < s.publication_count; i++) {
        const rdl_publication_status *p = &s.publications[i];
        char *name = rdl_arena_printf(&d->cli->arena, "published %.*s", (int)p->publication->name.n,
                                      p->publication->name.p);
        if (p->problem[0] != '\0')
            say(d, name, WRONG, "%s", p->problem);
        else if (p->epoch < 0)
            say(d, name, WARNING, "the store has not been filled");
        else
            say(d, name, p->behind > 0 ? WARNING : FINE, "shows epoch %" PRId64 " of %" PRIu64,
                p->epoch, s.epoch);
    }
    rdl_reader_close(r);
}

/* ---- the command ---- */

static rdl_code list_faults(rdl_err *err)
{
    rdl_buf b = {0};
    for (int i = 0; i < RDL_FAULT_COUNT; i++)
        rdl_buf_printf(&b, "%s\n", rdl_fault_name((rdl_fault)i));
    rdl_code rc = rdl_cli_print(&b, err);
    rdl_buf_fini(&b);
    if (rc == RDL_OK)
        rdl_cli_note("armed by RDL_FAULT=<name>:<nth>:<action>; actions are kill, torn, "
                     "stall:<ms> and errno names such as EIO");
    return rc;
}

static bool has_pipeline(const char *dir)
{
    rdl_arena a;
    rdl_names names;
    rdl_err err;
    rdl_arena_init(&a, 0);
    bool any =
        rdl_fs_glob(&a, rdl_path_join(&a, dir, "*.sql"), &names, &err) == RDL_OK && names.n != 0;
    rdl_arena_fini(&a);
    return any;
}

rdl_code rdl_cmd_doctor(rdl_cli *cli, rdl_err *err)
{
    static const char *const names[] = {"check", "verdict", "found"};
    doctor d = {.cli = cli};
    rdl_cli_pipeline loaded = {0};
    rdl_output_format format;
    if (rdl_cli_has(cli, RDL_CLI_FAULTS))
        return list_faults(err);
    RDL_TRY(rdl_output_choose(cli, RDL_OUTPUT_TABLE, &format, err));
    if (has_pipeline(cli->dir))
        RDL_TRY(rdl_cli_load(cli, &loaded, err));
    d.output = rdl_output_new(format, names, 3);
    check_machine(&d);
    check_duck(&d);
    check_disk(&d, cli->dir);
    if (loaded.pipeline != NULL) {
        d.pipeline = loaded.pipeline;
        rdl_root_paths(&cli->arena, rdl_cli_root(cli), &d.root);
        say(&d, "pipeline", FINE, "\"%s\": %zu tables", d.pipeline->name, d.pipeline->table_count);
        check_lock(&d);
        if (check_journal(&d)) {
            check_lake(&d);
            check_stores(&d);
        }
    }
    rdl_cli_unload(&loaded);
    cli->exit_code = d.wrong != 0 ? 1 : 0;
    return rdl_output_finish(d.output, err);
}
