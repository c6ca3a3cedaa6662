/*
 * ops/catalog_report.c - one row for each run of a report; see the header.
 */
#include "ops/catalog_report.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"

enum { BUSY_TIMEOUT_MS = 2000 };

static const char ddl[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE IF NOT EXISTS reports "
    "(id INTEGER PRIMARY KEY, report TEXT NOT NULL, started TEXT NOT NULL, ended TEXT NOT NULL, "
    "epoch INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, files INTEGER NOT "
    "NULL, written INTEGER NOT NULL, removed INTEGER NOT NULL, outcome TEXT NOT NULL, message "
    "TEXT)";

static void bind_time(sqlite3_stmt *st, int at, int64_t us)
{
    rdl_buf b = {0};
    rdl_timestamp_print_iso(us, &b);
    sqlite3_bind_text(st, at, rdl_buf_str(&b), -1, SQLITE_TRANSIENT);
    rdl_buf_fini(&b);
}

static bool insert(sqlite3 *db, const rdl_catalog_report *r)
{
    static const char sql[] =
        "INSERT INTO reports (report, started, ended, epoch, rows, bytes, files, written, "
        "removed, outcome, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const uint64_t counts[] = {r->epoch, r->rows, r->bytes, r->files, r->written, r->removed};
    sqlite3_stmt *st = NULL;
    if (sqlite3_exec(db, ddl, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_text(st, 1, r->report, -1, SQLITE_TRANSIENT);
    bind_time(st, 2, r->started_us);
    bind_time(st, 3, r->ended_us);
    for (int i = 0; i < 6; i++)
        sqlite3_bind_int64(st, 4 + i, (int64_t)counts[i]);
    sqlite3_bind_text(st, 10, r->outcome, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 11, r->message, -1, SQLITE_TRANSIENT); /* NULL binds null */
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    return step == SQLITE_DONE;
}

rdl_code rdl_catalog_add_report(const char *root, const rdl_catalog_report *r, rdl_err *err)
{
    sqlite3 *db = NULL;
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/catalog.db", root) >= sizeof path)
        return rdl_err_set(err, RDL_EUSAGE, 0, "cannot open the catalog: its path is too long");
    bool ok = sqlite3_open_v2(path, &db,
                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                              NULL) == SQLITE_OK;
    if (ok) {
        sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
        ok = insert(db, r);
    }
    if (!ok)
        rdl_err_set(err, RDL_EIO, 0, "could not write catalog \"%s\": %s", path,
                    db != NULL ? sqlite3_errmsg(db) : "no memory");
    sqlite3_close(db);
    return ok ? RDL_OK : rdl_err_area(RDL_EIO, err, RDL_AREA_STORE);
}

static int64_t column_time(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    int64_t us;
    return text != NULL && rdl_timestamp_parse(text, strlen(text), &us) ? us : INT64_MIN;
}

static char *column_text(rdl_arena *a, sqlite3_stmt *st, int at)
{
    return rdl_arena_strdup(a, (const char *)sqlite3_column_text(st, at));
}

/* No table yet: no report ever ran. */
static int select_all(sqlite3 *db, rdl_arena *a, size_t most, rdl_catalog_report **out, size_t *out_n)
{
    static const char sql[] = "SELECT report, started, ended, epoch, rows, bytes, files, outcome, "
                              "message FROM reports ORDER BY id DESC LIMIT ?";
    RDL_VEC(rdl_catalog_report) list = {0};
    sqlite3_stmt *st = NULL;
    int step;
    if (sqlite3_table_column_metadata(db, NULL, "reports", NULL, NULL, NULL, NULL, NULL, NULL) !=
        SQLITE_OK)
        return SQLITE_DONE;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return SQLITE_ERROR;
    sqlite3_bind_int64(st, 1, (int64_t)most);
    while ((step = sqlite3_step(st)) == SQLITE_ROW)
        RDL_PUSH(a, &list) = (rdl_catalog_report){
            .report = column_text(a, st, 0),
            .started_us = column_time(st, 1),
            .ended_us = column_time(st, 2),
            .epoch = (uint64_t)sqlite3_column_int64(st, 3),
            .rows = (uint64_t)sqlite3_column_int64(st, 4),
            .bytes = (uint64_t)sqlite3_column_int64(st, 5),
            .files = (uint64_t)sqlite3_column_int64(st, 6),
            .outcome = column_text(a, st, 7),
            .message = column_text(a, st, 8),
        };
    sqlite3_finalize(st);
    *out = list.v;
    *out_n = list.n;
    return step;
}

rdl_code rdl_catalog_reports(const char *root, rdl_arena *a, size_t most, rdl_catalog_report **out,
                             size_t *out_n, rdl_err *err)
{
    sqlite3 *db = NULL;
    const char *path = rdl_path_join(a, root, "catalog.db");
    *out = NULL;
    *out_n = 0;
    if (!rdl_fs_exists(path))
        return RDL_OK;
    bool ok = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
              SQLITE_OK;
    if (ok) {
        sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
        ok = select_all(db, a, most, out, out_n) == SQLITE_DONE;
    }
    if (!ok)
        rdl_err_set(err, RDL_EIO, 0, "could not read catalog \"%s\": %s", path,
                    db != NULL ? sqlite3_errmsg(db) : "no memory");
    sqlite3_close(db);
    return ok ? RDL_OK : rdl_err_area(RDL_EIO, err, RDL_AREA_STORE);
}
