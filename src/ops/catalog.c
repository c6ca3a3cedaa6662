/*
 * ops/catalog.c - catalog.db; see the header.
 */
#include "ops/catalog_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fs.h"

enum { BUSY_TIMEOUT_MS = 2000 };

static const char ddl[] =
    "CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, "
    "started TEXT NOT NULL, ended TEXT, epochs INTEGER NOT NULL DEFAULT 0, "
    "last_epoch INTEGER NOT NULL DEFAULT 0, rows_read INTEGER NOT NULL DEFAULT 0, "
    "outcome TEXT NOT NULL, message TEXT)";

const char *rdl_catalog_sqlite_version(void)
{
    return sqlite3_libversion();
}

rdl_code rdl_catalog_fail(const rdl_catalog *c, const char *what, rdl_err *err)
{
    rdl_err_set(err, RDL_EIO, 0, "could not %s catalog \"%s\": %s", what, c->path,
                sqlite3_errmsg(c->db));
    rdl_err_hint(err, "It holds the list of runs and the state of alerts, and may be removed.");
    return rdl_err_area(RDL_EIO, err, RDL_AREA_STORE);
}

static rdl_code open_database(rdl_catalog *c, bool read_only, rdl_err *err)
{
    if (read_only && !rdl_fs_exists(c->path))
        return RDL_OK;
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(c->path, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return c->db == NULL ? rdl_err_nomem(err) : rdl_catalog_fail(c, "open", err);
    sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    if (read_only)
        return RDL_OK;
    if (sqlite3_exec(c->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(c->db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(c->db, ddl, NULL, NULL, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "open", err);
    return RDL_OK;
}

rdl_code rdl_catalog_open(const char *root, bool read_only, rdl_catalog **out, rdl_err *err)
{
    rdl_catalog *c = calloc(1, sizeof *c); /* allow: a connection, freed by close */
    if (c == NULL)
        return rdl_err_nomem(err);
    if ((size_t)snprintf(c->path, sizeof c->path, "%s/catalog.db", root) >= sizeof c->path) {
        free(c); /* allow: see calloc above */
        return rdl_err_set(err, RDL_EUSAGE, 0, "cannot open the catalog: its path is too long");
    }
    rdl_code rc = read_only ? RDL_OK : rdl_fs_mkdirs(root, err);
    if (rc == RDL_OK)
        rc = open_database(c, read_only, err);
    if (rc != RDL_OK) {
        rdl_catalog_close(c);
        return rc;
    }
    *out = c;
    return RDL_OK;
}

void rdl_catalog_close(rdl_catalog *c)
{
    if (c == NULL)
        return;
    sqlite3_close(c->db);
    free(c); /* allow: see rdl_catalog_open */
}

void rdl_catalog_bind_time(sqlite3_stmt *st, int at, int64_t us)
{
    rdl_buf b = {0};
    if (us == INT64_MIN) {
        sqlite3_bind_null(st, at);
        return;
    }
    rdl_timestamp_print_iso(us, &b);
    sqlite3_bind_text(st, at, rdl_buf_str(&b), -1, SQLITE_TRANSIENT);
    rdl_buf_fini(&b);
}

rdl_code rdl_catalog_begin_run(rdl_catalog *c, const char *kind, int64_t now_us, int64_t *out_id,
                               rdl_err *err)
{
    static const char sql[] = "INSERT INTO runs (kind, started, outcome) VALUES (?, ?, "
                              "'running')";
    sqlite3_stmt *st;
    if (sqlite3_exec(c->db, "UPDATE runs SET outcome = 'lost' WHERE outcome = 'running'", NULL,
                     NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    sqlite3_bind_text(st, 1, kind, -1, SQLITE_TRANSIENT);
    rdl_catalog_bind_time(st, 2, now_us);
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    if (step != SQLITE_DONE)
        return rdl_catalog_fail(c, "write", err);
    *out_id = sqlite3_last_insert_rowid(c->db);
    return RDL_OK;
}

rdl_code rdl_catalog_end_run(rdl_catalog *c, const rdl_catalog_run *run, rdl_err *err)
{
    static const char sql[] = "UPDATE runs SET ended = ?, epochs = ?, last_epoch = ?, "
                              "rows_read = ?, outcome = ?, message = ? WHERE id = ?";
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    rdl_catalog_bind_time(st, 1, run->ended_us);
    sqlite3_bind_int64(st, 2, (int64_t)run->epochs);
    sqlite3_bind_int64(st, 3, (int64_t)run->last_epoch);
    sqlite3_bind_int64(st, 4, (int64_t)run->rows_read);
    sqlite3_bind_text(st, 5, run->outcome, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 6, run->message, -1, SQLITE_TRANSIENT); /* NULL binds null */
    sqlite3_bind_int64(st, 7, run->id);
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "write", err);
}

int64_t rdl_catalog_column_time(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    int64_t us;
    if (text == NULL || !rdl_timestamp_parse(text, strlen(text), &us))
        return INT64_MIN;
    return us;
}

char *rdl_catalog_column_text(rdl_arena *a, sqlite3_stmt *st, int at)
{
    return rdl_arena_strdup(a, (const char *)sqlite3_column_text(st, at));
}

rdl_code rdl_catalog_add_run(rdl_catalog *c, const rdl_catalog_run *run, rdl_err *err)
{
    static const char sql[] =
        "INSERT INTO runs (kind, started, ended, epochs, last_epoch, rows_read, outcome, message) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    sqlite3_bind_text(st, 1, run->kind, -1, SQLITE_TRANSIENT);
    rdl_catalog_bind_time(st, 2, run->started_us);
    rdl_catalog_bind_time(st, 3, run->ended_us);
    sqlite3_bind_int64(st, 4, (int64_t)run->epochs);
    sqlite3_bind_int64(st, 5, (int64_t)run->last_epoch);
    sqlite3_bind_int64(st, 6, (int64_t)run->rows_read);
    sqlite3_bind_text(st, 7, run->outcome, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 8, run->message, -1, SQLITE_TRANSIENT); /* NULL binds null */
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "write", err);
}

rdl_code rdl_catalog_recovered(rdl_catalog *c, int64_t since_us, int64_t now_us, rdl_err *err)
{
    static const char sql[] =
        "INSERT INTO runs (kind, started, ended, outcome) SELECT kind, ?1, ?1, 'done' FROM runs r WHERE "
        "id = (SELECT max(id) FROM runs x WHERE x.kind = r.kind) AND outcome = 'failed' AND started < ?2 "
        "AND (kind LIKE 'store %' OR kind LIKE 'table %' OR kind LIKE 'source %')";
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    rdl_catalog_bind_time(st, 1, now_us);
    rdl_catalog_bind_time(st, 2, since_us);
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "write", err);
}

rdl_code rdl_catalog_runs(rdl_catalog *c, rdl_arena *a, size_t most, rdl_catalog_run **out,
                          size_t *out_n, rdl_err *err)
{
    static const char sql[] = "SELECT id, kind, started, ended, epochs, last_epoch, rows_read, "
                              "outcome, message FROM runs ORDER BY id DESC LIMIT ?";
    RDL_VEC(rdl_catalog_run) runs = {0};
    sqlite3_stmt *st;
    int step;
    *out = NULL;
    *out_n = 0;
    if (c->db == NULL)
        return RDL_OK;
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "read", err);
    sqlite3_bind_int64(st, 1, (int64_t)most);
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        RDL_PUSH(a, &runs) = (rdl_catalog_run){
            .id = sqlite3_column_int64(st, 0),
            .kind = rdl_catalog_column_text(a, st, 1),
            .started_us = rdl_catalog_column_time(st, 2),
            .ended_us = rdl_catalog_column_time(st, 3),
            .epochs = (uint64_t)sqlite3_column_int64(st, 4),
            .last_epoch = (uint64_t)sqlite3_column_int64(st, 5),
            .rows_read = (uint64_t)sqlite3_column_int64(st, 6),
            .outcome = rdl_catalog_column_text(a, st, 7),
            .message = rdl_catalog_column_text(a, st, 8),
        };
    }
    sqlite3_finalize(st);
    if (step != SQLITE_DONE)
        return rdl_catalog_fail(c, "read", err);
    *out = runs.v;
    *out_n = runs.n;
    return RDL_OK;
}
