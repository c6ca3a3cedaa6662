/*
 * ops/catalog_report.c - one row for each run of a report; see the header.
 */
#include "ops/catalog_report.h"

#include "ops/catalog_internal.h"

static const char ddl[] =
    "CREATE TABLE IF NOT EXISTS reports (id INTEGER PRIMARY KEY, report TEXT NOT NULL, "
    "started TEXT NOT NULL, ended TEXT NOT NULL, epoch INTEGER NOT NULL, rows INTEGER NOT NULL, "
    "bytes INTEGER NOT NULL, files INTEGER NOT NULL, written INTEGER NOT NULL, removed INTEGER "
    "NOT NULL, outcome TEXT NOT NULL, message TEXT)";

static rdl_code insert(rdl_catalog *c, const rdl_catalog_report *r, rdl_err *err)
{
    static const char sql[] =
        "INSERT INTO reports (report, started, ended, epoch, rows, bytes, files, written, "
        "removed, outcome, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const uint64_t counts[] = {r->epoch, r->rows, r->bytes, r->files, r->written, r->removed};
    sqlite3_stmt *st = NULL;
    if (sqlite3_exec(c->db, ddl, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    sqlite3_bind_text(st, 1, r->report, -1, SQLITE_TRANSIENT);
    rdl_catalog_bind_time(st, 2, r->started_us);
    rdl_catalog_bind_time(st, 3, r->ended_us);
    for (int i = 0; i < 6; i++)
        sqlite3_bind_int64(st, 4 + i, (int64_t)counts[i]);
    sqlite3_bind_text(st, 10, r->outcome, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 11, r->message, -1, SQLITE_TRANSIENT); /* NULL binds null */
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "write", err);
}

rdl_code rdl_catalog_add_report(const char *root, const rdl_catalog_report *r, rdl_err *err)
{
    rdl_catalog *c = NULL;
    RDL_TRY(rdl_catalog_open(root, false, &c, err));
    rdl_code rc = insert(c, r, err);
    rdl_catalog_close(c);
    return rc;
}

#define COLUMNS                                                                                    \
    "SELECT report, started, ended, epoch, rows, bytes, files, outcome, message FROM reports "

static rdl_code select_some(rdl_catalog *c, rdl_arena *a, const char *sql, size_t most,
                            rdl_catalog_report **out, size_t *out_n, rdl_err *err)
{
    RDL_VEC(rdl_catalog_report) list = {0};
    sqlite3_stmt *st = NULL;
    int step;
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "read", err);
    sqlite3_bind_int64(st, 1, (int64_t)most);
    while ((step = sqlite3_step(st)) == SQLITE_ROW)
        RDL_PUSH(a, &list) = (rdl_catalog_report){
            .report = rdl_catalog_column_text(a, st, 0),
            .started_us = rdl_catalog_column_time(st, 1),
            .ended_us = rdl_catalog_column_time(st, 2),
            .epoch = (uint64_t)sqlite3_column_int64(st, 3),
            .rows = (uint64_t)sqlite3_column_int64(st, 4),
            .bytes = (uint64_t)sqlite3_column_int64(st, 5),
            .files = (uint64_t)sqlite3_column_int64(st, 6),
            .outcome = rdl_catalog_column_text(a, st, 7),
            .message = rdl_catalog_column_text(a, st, 8),
        };
    sqlite3_finalize(st);
    *out = list.v;
    *out_n = list.n;
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "read", err);
}

static rdl_code read_some(const char *root, rdl_arena *a, const char *sql, size_t most,
                          rdl_catalog_report **out, size_t *out_n, rdl_err *err)
{
    rdl_catalog *c = NULL;
    rdl_code rc = RDL_OK;
    *out = NULL;
    *out_n = 0;
    RDL_TRY(rdl_catalog_open(root, true, &c, err));
    /* No file, or no table in it yet: no report ever ran. */
    bool any = c->db != NULL && sqlite3_table_column_metadata(c->db, NULL, "reports", NULL, NULL,
                                                              NULL, NULL, NULL, NULL) == SQLITE_OK;
    if (any)
        rc = select_some(c, a, sql, most, out, out_n, err);
    rdl_catalog_close(c);
    return rc;
}

rdl_code rdl_catalog_reports(const char *root, rdl_arena *a, size_t most, rdl_catalog_report **out,
                             size_t *out_n, rdl_err *err)
{
    return read_some(root, a, COLUMNS "ORDER BY id DESC LIMIT ?", most, out, out_n, err);
}

rdl_code rdl_catalog_reports_last(const char *root, rdl_arena *a, rdl_catalog_report **out,
                                  size_t *out_n, rdl_err *err)
{
    static const char sql[] =
        COLUMNS "WHERE id IN (SELECT max(id) FROM reports GROUP BY report, outcome) "
                "ORDER BY id DESC LIMIT ?";
    return read_some(root, a, sql, INT32_MAX, out, out_n, err);
}
