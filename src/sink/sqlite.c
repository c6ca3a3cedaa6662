/*
 * sink/sqlite.c - published tables in a SQLite file: opening it, who owns a table, progress,
 * transactions.  What a table looks like there is sqlite_table.c's, its rows sqlite_rows.c's.
 *
 *   _raudal_progress(table_name, root, epoch)
 *
 * names for each table the root that owns it and the epoch it shows; -1: not filled yet.
 *
 * INVARIANTS (tests/unit/sink_sqlite_test.c)
 *
 *   K1  Rows and progress move in one transaction (WAL, synchronous=FULL): whole or not.
 *   K2  Progress moves by UPDATE ... WHERE root = ours AND epoch = from; where no row
 *       changes it is RDL_ECONFLICT and nothing happens.
 *   K3  _raudal_progress has a row for every table that prepare let pass, so that a
 *       table's rows never lie there without an owner.
 *   K4  Readers are never blocked and never block: WAL, and users' queries have a
 *       read-only connection of their own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/fs.h"
#include "sink/sqlite_internal.h"

enum { BUSY_TIMEOUT_MS = 5000 };

static const char progress_ddl[] =
    "CREATE TABLE IF NOT EXISTS _raudal_progress (table_name TEXT PRIMARY KEY, "
    "root TEXT NOT NULL, epoch INTEGER NOT NULL) WITHOUT ROWID";

/* ---- failures ---- */

static rdl_code code_of(int extended, uint32_t *out_flags, const char **out_hint)
{
    *out_flags = 0;
    *out_hint = NULL;
    switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        *out_flags = RDL_ERR_RETRY;
        *out_hint = "Another program holds the database: close it there, or wait.";
        return RDL_EIO;
    case SQLITE_FULL:
        *out_flags = RDL_ERR_RETRY;
        *out_hint = "Free some disk space; nothing of this epoch was written.";
        return RDL_EIO;
    case SQLITE_IOERR: /* also a -wal or -shm file that finds no room */
        *out_flags = RDL_ERR_RETRY;
        *out_hint = "Check the disk that holds it: its space, and whether it can be written.";
        return RDL_EIO;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        *out_hint = "Move the file away and run `raudal publish`: it is filled again from the "
                    "lake.";
        return RDL_EDATA;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        *out_hint = "Check that the file and its folder can be written by this user.";
        return RDL_EIO;
    case SQLITE_NOMEM:
        return RDL_ENOMEM;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return RDL_ESCHEMA;
    default:
        return RDL_EIO;
    }
}

rdl_code rdl_sqlite_fail(const rdl_sqlite *s, sqlite3 *db, rdl_err *err, const char *fmt, ...)
{
    char what[300];
    uint32_t flags;
    const char *hint;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    rdl_code code = code_of(sqlite3_extended_errcode(db), &flags, &hint);
    rdl_err_set(err, code, flags, "could not %s in SQLite database \"%s\": %s", what, s->path,
                sqlite3_errmsg(db));
    if (hint != NULL)
        rdl_err_hint(err, "%s", hint);
    return rdl_err_area(code, err, RDL_AREA_SINK);
}

static rdl_code injected(const rdl_sqlite *s, int number, rdl_err *err)
{
    rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not write SQLite database \"%s\": %s", s->path,
                strerror(number));
    return rdl_err_area(RDL_EIO, err, RDL_AREA_SINK);
}

/* ---- small statements ---- */

static rdl_code exec(rdl_sqlite *s, const char *sql, const char *what, rdl_err *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? RDL_OK
               : rdl_sqlite_fail(s, s->db, err, "%s", what);
}

rdl_code rdl_sqlite_prepare(rdl_sqlite *s, const char *sql, sqlite3_stmt **out, const char *what,
                            rdl_err *err)
{
    return sqlite3_prepare_v2(s->db, sql, -1, out, NULL) == SQLITE_OK
               ? RDL_OK
               : rdl_sqlite_fail(s, s->db, err, "%s", what);
}

/* ---- opening ---- */

/* "sqlite:a.db?busy_timeout_ms=100": the path, and the option if it is there. */
static rdl_code read_url(rdl_sqlite *s, const rdl_sink_config *config, rdl_err *err)
{
    const char *rest = strchr(config->url, ':');
    rest = rest != NULL ? rest + 1 : config->url;
    if (strncmp(rest, "//", 2) == 0)
        rest += 2;
    const char *options = strchr(rest, '?');
    size_t n = options != NULL ? (size_t)(options - rest) : strlen(rest);
    s->busy_timeout_ms = BUSY_TIMEOUT_MS;
    if (n == 0 || (n == 8 && memcmp(rest, ":memory:", 8) == 0)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot publish to \"%s\": it names no file", config->url);
        rdl_err_hint(err, "Write 'sqlite:serving.db', a file below the root.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
    }
    static const char option[] = "?busy_timeout_ms=";
    if (options != NULL) {
        char *end = NULL;
        long ms = strncmp(options, option, sizeof option - 1) == 0
                      ? strtol(options + sizeof option - 1, &end, 10) /* allow: end is checked */
                      : -1;
        if (end == NULL || *end != '\0' || ms < 0 || ms > 3600000) {
            rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized option \"%s\" of store \"%s\"",
                        options + 1, config->url);
            rdl_err_hint(err, "The option is busy_timeout_ms, from 0 to 3600000.");
            return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
        }
        s->busy_timeout_ms = (int)ms;
    }
    char *path = rdl_arena_strndup(&s->arena, rest, n);
    s->path = rdl_path_join(&s->arena, config->root_dir, path);
    return RDL_OK;
}

static rdl_code open_database(rdl_sqlite *s, rdl_err *err)
{
    rdl_stat st;
    RDL_TRY(rdl_err_area(rdl_fs_stat(s->path, &st, err), err, RDL_AREA_SINK));
    if (st.is_dir) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot open SQLite database \"%s\": it is a folder",
                    s->path);
        rdl_err_hint(err, "Name a file: PUBLISH ... TO 'sqlite:serving.db'.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_SINK);
    }
    if (!st.exists && s->read_only)
        return RDL_OK;
    if (!st.exists)
        RDL_TRY(
            rdl_err_area(rdl_fs_mkdirs(rdl_path_dir(&s->arena, s->path), err), err, RDL_AREA_SINK));
    int flags = s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        if (s->db == NULL)
            return rdl_err_nomem(err);
        return rdl_sqlite_fail(s, s->db, err, "open the file");
    }
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, s->busy_timeout_ms);
    /* The first statement reads the file: what is no database is found here. */
    RDL_TRY(exec(s, "SELECT count(*) FROM sqlite_master", "read the catalog", err));
    if (s->read_only)
        return RDL_OK;
    RDL_TRY(exec(s, "PRAGMA journal_mode=WAL", "switch to write-ahead logging", err));
    RDL_TRY(exec(s, "PRAGMA synchronous=FULL", "switch to full synchronisation", err));
    return exec(s, progress_ddl, "create table \"_raudal_progress\"", err);
}

static void sink_close(rdl_sink *sink);

static rdl_code sink_open(const rdl_sink_config *config, rdl_sink **out, rdl_err *err)
{
    rdl_sqlite *s = calloc(1, sizeof *s); /* allow: a connection, freed by sink_close */
    if (s == NULL)
        return rdl_err_nomem(err);
    s->sink.ops = &rdl_sink_sqlite;
    rdl_arena_init(&s->arena, 0);
    s->root_uuid = rdl_arena_strdup(&s->arena, config->root_uuid);
    s->adopt = config->adopt && !config->read_only;
    s->read_only = config->read_only;
    rdl_code rc = read_url(s, config, err);
    if (rc == RDL_OK)
        rc = open_database(s, err);
    if (rc != RDL_OK) {
        sink_close(&s->sink);
        return rdl_err_in(rc, err, "sink sqlite");
    }
    *out = &s->sink;
    return RDL_OK;
}

/* ---- prepare ---- */

typedef struct found {
    bool table, view, owner; /* there is a table, a view; a row of _raudal_progress */
    bool progress;           /* there is the table _raudal_progress */
    char root[64];
    int64_t epoch;
} found;

static rdl_code look_for_table(rdl_sqlite *s, const char *name, found *out, rdl_err *err)
{
    sqlite3_stmt *st = NULL;
    int step;
    RDL_TRY(rdl_sqlite_prepare(s,
                               "SELECT type, lower(name) FROM sqlite_master WHERE type IN "
                               "('table', 'view') AND lower(name) IN (lower(?1), "
                               "'_raudal_progress')",
                               &st, "read the catalog", err));
    rdl_sqlite_bind_text(st, 1, name);
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        bool view = strcmp((const char *)sqlite3_column_text(st, 0), "view") == 0;
        if (strcmp((const char *)sqlite3_column_text(st, 1), "_raudal_progress") == 0)
            out->progress = !view;
        else if (view)
            out->view = true;
        else
            out->table = true;
    }
    sqlite3_finalize(st);
    return step == SQLITE_DONE ? RDL_OK : rdl_sqlite_fail(s, s->db, err, "read the catalog");
}

static rdl_code look(rdl_sqlite *s, const char *name, found *out, rdl_err *err)
{
    sqlite3_stmt *st = NULL;
    *out = (found){.epoch = -1};
    RDL_TRY(look_for_table(s, name, out, err));
    if (!out->progress)
        return RDL_OK;
    RDL_TRY(rdl_sqlite_prepare(
        s, "SELECT root, epoch FROM _raudal_progress WHERE table_name = lower(?1)", &st,
        "read the progress", err));
    rdl_sqlite_bind_text(st, 1, name);
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW) {
        const char *root = (const char *)sqlite3_column_text(st, 0);
        out->owner = true;
        snprintf(out->root, sizeof out->root, "%s", root != NULL ? root : "");
        out->epoch = sqlite3_column_int64(st, 1);
    }
    sqlite3_finalize(st);
    return step == SQLITE_ROW || step == SQLITE_DONE
               ? RDL_OK
               : rdl_sqlite_fail(s, s->db, err, "read the progress of table \"%s\"", name);
}

static rdl_code has_rows(rdl_sqlite *s, const char *name, bool *out, rdl_err *err)
{
    rdl_buf sql = {0};
    sqlite3_stmt *st = NULL;
    rdl_buf_puts(&sql, "SELECT 1 FROM ");
    rdl_buf_put_sql_ident(&sql, rdl_str_of(name));
    rdl_buf_puts(&sql, " LIMIT 1");
    rdl_code rc = rdl_sqlite_prepare(s, rdl_buf_str(&sql), &st, "read the table", err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK)
        return rc;
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    *out = step == SQLITE_ROW;
    return step == SQLITE_ROW || step == SQLITE_DONE
               ? RDL_OK
               : rdl_sqlite_fail(s, s->db, err, "read table \"%s\"", name);
}

/* Whose is it?  A table with rows that nobody owns was filled by somebody else. */
static rdl_code check_owner(rdl_sqlite *s, const char *name, const found *f, rdl_err *err)
{
    bool rows = false;
    if (f->owner && strcmp(f->root, s->root_uuid) != 0) {
        rdl_err_set(err, RDL_ECONFLICT, 0,
                    "cannot publish to table \"%s\" of \"%s\": it belongs to another root (%s, "
                    "ours is %s)",
                    name, s->path, f->root, s->root_uuid);
        rdl_err_hint(err, "To replace what it holds by this pipeline's rows, run with --adopt.");
        return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
    }
    if (f->owner || !f->table)
        return RDL_OK;
    RDL_TRY(has_rows(s, name, &rows, err));
    if (!rows)
        return RDL_OK;
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "cannot publish to table \"%s\" of \"%s\": it holds rows that no pipeline wrote",
                name, s->path);
    rdl_err_hint(err, "To replace them, run with --adopt; or publish under another name.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

static rdl_code check_name(rdl_sqlite *s, const char *name, const found *f, rdl_err *err)
{
    const char *why = NULL;
    if (f->view)
        why = "there is a view of that name";
    else if (sqlite3_strnicmp(name, "sqlite_", 7) == 0)
        why = "names that begin with sqlite_ are SQLite's own";
    else if (sqlite3_strnicmp(name, "_raudal_", 8) == 0)
        why = "names that begin with _raudal_ are ours";
    if (why == NULL)
        return RDL_OK;
    rdl_err_set(err, RDL_ESCHEMA, 0, "cannot publish to table \"%s\" of \"%s\": %s", name, s->path,
                why);
    rdl_err_hint(err, "Publish under another name: PUBLISH ... TO '...' AS name.");
    return rdl_err_area(RDL_ESCHEMA, err, RDL_AREA_SINK);
}

static rdl_code own(rdl_sqlite *s, const char *name, rdl_err *err)
{
    sqlite3_stmt *st = NULL;
    RDL_TRY(rdl_sqlite_prepare(s,
                               "INSERT OR REPLACE INTO _raudal_progress VALUES (lower(?1), ?2, -1)",
                               &st, "write the progress", err));
    rdl_sqlite_bind_text(st, 1, name);
    rdl_sqlite_bind_text(st, 2, s->root_uuid);
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    return step == SQLITE_DONE
               ? RDL_OK
               : rdl_sqlite_fail(s, s->db, err, "write the progress of table \"%s\"", name);
}

static rdl_code create(rdl_sqlite *s, const rdl_sink_table *t, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_code rc = RDL_OK;
    rdl_sqlite_put_create(&sql, t);
    if (sqlite3_exec(s->db, rdl_buf_str(&sql), NULL, NULL, NULL) != SQLITE_OK)
        rc = rdl_sqlite_fail(s, s->db, err, "create table \"%s\"", t->name);
    rdl_buf_fini(&sql);
    return rc;
}

/* The statements that made the table's indexes and triggers, each ended by ";". */
static rdl_code read_extras(rdl_sqlite *s, const char *name, rdl_buf *out, rdl_err *err)
{
    sqlite3_stmt *st = NULL;
    int step;
    RDL_TRY(rdl_sqlite_prepare(s,
                               "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') "
                               "AND lower(tbl_name) = lower(?1) AND sql IS NOT NULL",
                               &st, "read the catalog", err));
    rdl_sqlite_bind_text(st, 1, name);
    while ((step = sqlite3_step(st)) == SQLITE_ROW)
        rdl_buf_printf(out, "%s;", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return step == SQLITE_DONE ? RDL_OK : rdl_sqlite_fail(s, s->db, err, "read the catalog");
}

/* The table of an earlier version is made anew, empty, with the indexes that it had. */
static rdl_code remake(rdl_sqlite *s, const rdl_sink_table *t, rdl_err *err)
{
    rdl_buf sql = {0}, extras = {0};
    rdl_code rc = read_extras(s, t->name, &extras, err);
    rdl_buf_puts(&sql, "DROP TABLE ");
    rdl_buf_put_sql_ident(&sql, rdl_str_of(t->name));
    if (rc == RDL_OK)
        rc = exec(s, rdl_buf_str(&sql), "drop a table of an earlier version", err);
    if (rc == RDL_OK)
        rc = create(s, t, err);
    if (rc == RDL_OK && extras.n > 0)
        rc = exec(s, rdl_buf_str(&extras), "make the table's indexes again", err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&extras);
    return rc;
}

/* Under BEGIN IMMEDIATE, so that what was looked up still holds when it is acted on. */
static rdl_code prepare_locked(rdl_sqlite *s, const rdl_sink_table *t, int64_t *out_epoch,
                               rdl_err *err)
{
    found f;
    RDL_TRY(look(s, t->name, &f, err));
    RDL_TRY(check_name(s, t->name, &f, err));
    if (!s->adopt)
        RDL_TRY(check_owner(s, t->name, &f, err));
    bool ours = f.owner && strcmp(f.root, s->root_uuid) == 0;
    bool remade = false;
    if (f.table)
        RDL_TRY(rdl_sqlite_check_fit(s, t, ours ? &remade : NULL, err)); /* nobody else's is dropped */
    if (remade)
        RDL_TRY(remake(s, t, err));
    else if (!f.table)
        RDL_TRY(create(s, t, err));
    if (!f.table || !ours || remade) { /* K3; progress without a table is progress of nothing */
        RDL_TRY(own(s, t->name, err));
        f.epoch = -1;
    }
    *out_epoch = f.epoch;
    return RDL_OK;
}

static rdl_code prepare_read_only(rdl_sqlite *s, const rdl_sink_table *t, int64_t *out_epoch,
                                  rdl_err *err)
{
    found f;
    *out_epoch = -1;
    if (s->db == NULL)
        return RDL_OK;
    /* One snapshot until the next call: the progress and the rows that are scanned belong
     * together. */
    if (!sqlite3_get_autocommit(s->db))
        RDL_TRY(exec(s, "COMMIT", "end reading", err));
    RDL_TRY(exec(s, "BEGIN", "begin to read", err));
    RDL_TRY(look(s, t->name, &f, err));
    if (!f.table)
        return RDL_OK;
    RDL_TRY(check_owner(s, t->name, &f, err));
    bool text_decimals; /* can be read */
    RDL_TRY(rdl_sqlite_check_fit(s, t, &text_decimals, err));
    *out_epoch = f.epoch;
    return RDL_OK;
}

static rdl_code sink_prepare(rdl_sink *sink, const rdl_sink_table *t, int64_t *out_epoch,
                             rdl_err *err)
{
    rdl_sqlite *s = rdl_sqlite_of(sink);
    rdl_code rc;
    if (s->read_only)
        return rdl_err_in(prepare_read_only(s, t, out_epoch, err), err, "sink sqlite");
    rc = exec(s, "BEGIN IMMEDIATE", "begin a transaction", err);
    if (rc == RDL_OK) {
        rc = prepare_locked(s, t, out_epoch, err);
        if (rc == RDL_OK)
            rc = exec(s, "COMMIT", "commit", err);
        if (rc != RDL_OK)
            (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rdl_err_in(rc, err, "sink sqlite");
}

/* ---- provision ---- */

static rdl_code say_and_run(rdl_sqlite *s, const char *sql, rdl_sink_say say, void *arg,
                            rdl_err *err)
{
    if (say != NULL)
        RDL_TRY(say(arg, sql, err));
    return s->read_only ? RDL_OK : exec(s, sql, "provision the store", err);
}

static rdl_code provision(rdl_sqlite *s, const rdl_sink_table *t, rdl_sink_say say, void *arg,
                          rdl_err *err)
{
    found f = {.epoch = -1};
    rdl_buf sql = {0};
    if (s->db != NULL)
        RDL_TRY(look(s, t->name, &f, err));
    RDL_TRY(check_name(s, t->name, &f, err));
    if (!f.progress)
        RDL_TRY(say_and_run(s, progress_ddl, say, arg, err));
    if (f.table)
        return rdl_sqlite_check_fit(s, t, NULL, err);
    rdl_sqlite_put_create(&sql, t);
    rdl_code rc = say_and_run(s, rdl_buf_str(&sql), say, arg, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code sink_provision(rdl_sink *sink, const rdl_sink_table *t, rdl_sink_say say, void *arg,
                               rdl_err *err)
{
    return rdl_err_in(provision(rdl_sqlite_of(sink), t, say, arg, err), err, "sink sqlite");
}

/* ---- begin, commit, abort ---- */

static void sink_abort(rdl_sink *sink)
{
    rdl_sqlite *s = rdl_sqlite_of(sink);
    sqlite3_finalize(s->upsert);
    sqlite3_finalize(s->remove);
    s->upsert = s->remove = NULL;
    if (s->in_transaction)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* K1 */
    s->in_transaction = false;
    s->table = NULL;
}

/* K2 */
static rdl_code move_progress(rdl_sqlite *s, int64_t from, int64_t to, rdl_err *err)
{
    sqlite3_stmt *st = NULL;
    found f;
    RDL_TRY(rdl_sqlite_prepare(s,
                               "UPDATE _raudal_progress SET epoch = ?3 WHERE table_name = "
                               "lower(?1) AND root = ?2 AND epoch = ?4",
                               &st, "move the progress", err));
    rdl_sqlite_bind_text(st, 1, s->table->name);
    rdl_sqlite_bind_text(st, 2, s->root_uuid);
    sqlite3_bind_int64(st, 3, to);
    sqlite3_bind_int64(st, 4, from);
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    if (step != SQLITE_DONE)
        return rdl_sqlite_fail(s, s->db, err, "move the progress of table \"%s\"", s->table->name);
    if (sqlite3_changes(s->db) == 1)
        return RDL_OK;
    RDL_TRY(look(s, s->table->name, &f, err));
    if (!f.owner)
        snprintf(f.root, sizeof f.root, "nobody");
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "could not write table \"%s\" of \"%s\": somebody else moved it (it is at epoch "
                "%" PRId64 " of root %s, not at %" PRId64 " of %s)",
                s->table->name, s->path, f.epoch, f.root, from, s->root_uuid);
    rdl_err_hint(err, "One root writes a table; see who else runs, or run with --adopt.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

static rdl_code remove_all(rdl_sqlite *s, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "DELETE FROM ");
    rdl_buf_put_sql_ident(&sql, rdl_str_of(s->table->name));
    rdl_code rc = exec(s, rdl_buf_str(&sql), "empty the table", err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code sink_begin(rdl_sink *sink, const rdl_sink_table *t, const rdl_sink_batch *b,
                           rdl_err *err)
{
    rdl_sqlite *s = rdl_sqlite_of(sink);
    rdl_code rc = exec(s, "BEGIN IMMEDIATE", "begin a transaction", err);
    if (rc != RDL_OK)
        return rdl_err_in(rc, err, "sink sqlite");
    s->in_transaction = true;
    s->table = t;
    if (!b->seed)
        RDL_TRY_OUT(move_progress(s, b->from_epoch, b->to_epoch, err));
    int fault = RDL_FAULT_AT(SINK_BEFORE_ROWS);
    if (fault != 0)
        RDL_TRY_OUT(injected(s, fault, err));
    if (b->whole)
        RDL_TRY_OUT(remove_all(s, err));
    return RDL_OK;
out:
    sink_abort(sink);
    return rdl_err_in(rc, err, "sink sqlite");
}

static rdl_code sink_commit(rdl_sink *sink, rdl_err *err)
{
    rdl_sqlite *s = rdl_sqlite_of(sink);
    rdl_code rc = RDL_OK;
    int fault = RDL_FAULT_AT(SINK_BEFORE_COMMIT);
    if (fault != 0)
        RDL_TRY_OUT(injected(s, fault, err));
    RDL_TRY_OUT(exec(s, "COMMIT", "commit", err));
    s->in_transaction = false;
    fault = RDL_FAULT_AT(SINK_AFTER_COMMIT); /* the answer is lost, the rows are not */
    if (fault != 0)
        rc = injected(s, fault, err);
out:
    sink_abort(sink);
    return rdl_err_in(rc, err, "sink sqlite");
}

/* ---- the rest ---- */

rdl_code rdl_sqlite_has_table(rdl_sqlite *s, const char *name, bool *out, rdl_err *err)
{
    found f = {0};
    *out = false;
    if (s->db == NULL)
        return RDL_OK;
    RDL_TRY(look_for_table(s, name, &f, err));
    *out = f.table;
    return RDL_OK;
}

static void sink_close(rdl_sink *sink)
{
    if (sink == NULL)
        return;
    rdl_sqlite *s = rdl_sqlite_of(sink);
    sink_abort(sink);
    sqlite3_close(s->db);
    rdl_buf_fini(&s->text);
    rdl_arena_fini(&s->arena);
    free(s); /* allow: see sink_open */
}

const rdl_sink_ops rdl_sink_sqlite = {
    .kind = "sqlite",
    .open = sink_open,
    .prepare = sink_prepare,
    .begin = sink_begin,
    .remove = rdl_sqlite_remove,
    .insert = rdl_sqlite_upsert,
    .upsert = rdl_sqlite_upsert,
    .commit = sink_commit,
    .abort = sink_abort,
    .provision = sink_provision,
    .scan = rdl_sqlite_scan,
    .query = rdl_sqlite_query,
    .close = sink_close,
};
