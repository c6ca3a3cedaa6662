/*
 * ops/catalog_alert.c - alerts and their notices in catalog.db; see the header.
 */
#include "ops/catalog_alert.h"

#include "ops/catalog_internal.h"

#define CLAIM_US (INT64_C(200) * 1000000) /* longer than three tries of a command */

static const char ddl[] =
    "PRAGMA synchronous=FULL; "
    "CREATE TABLE IF NOT EXISTS alerts (name TEXT PRIMARY KEY, state INTEGER NOT NULL, since TEXT, "
    "checked TEXT, times INTEGER NOT NULL, message TEXT, told TEXT); "
    "CREATE TABLE IF NOT EXISTS alert_notices (id INTEGER PRIMARY KEY AUTOINCREMENT, alert TEXT NOT NULL, "
    "event TEXT NOT NULL, target INTEGER NOT NULL, shown TEXT NOT NULL, subject TEXT NOT NULL, "
    "text TEXT NOT NULL, json TEXT NOT NULL, created TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, "
    "next_us INTEGER NOT NULL, claimed_us INTEGER NOT NULL DEFAULT 0, sent TEXT, problem TEXT); "
    "CREATE INDEX IF NOT EXISTS alert_notices_due ON alert_notices (next_us) WHERE sent IS NULL";

const char *rdl_alert_state_name(rdl_alert_state s)
{
    static const char *const names[] = {"quiet", "active", "failing"};
    return names[s];
}

static bool has_tables(rdl_catalog *c)
{
    return c->db != NULL && sqlite3_table_column_metadata(c->db, NULL, "alert_notices", NULL, NULL,
                                                          NULL, NULL, NULL, NULL) == SQLITE_OK;
}

static rdl_code make_tables(rdl_catalog *c, rdl_err *err)
{
    if (sqlite3_exec(c->db, ddl, NULL, NULL, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    return RDL_OK;
}

static rdl_code prepare(rdl_catalog *c, const char *sql, sqlite3_stmt **out, rdl_err *err)
{
    if (sqlite3_prepare_v2(c->db, sql, -1, out, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "use", err);
    return RDL_OK;
}

/* A statement that gives no rows. */
static rdl_code finish(rdl_catalog *c, sqlite3_stmt *st, rdl_err *err)
{
    int step = sqlite3_step(st);
    sqlite3_finalize(st);
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "write", err);
}

rdl_code rdl_catalog_alerts(rdl_catalog *c, rdl_arena *a, rdl_catalog_alert **out, size_t *out_n,
                            rdl_err *err)
{
    static const char sql[] =
        "SELECT name, state, since, checked, told, times, message, "
        "(SELECT count(*) FROM alert_notices n WHERE n.alert = name AND sent IS NULL AND "
        "next_us < 9223372036854775807), "
        "(SELECT problem FROM alert_notices n WHERE n.alert = name AND problem IS NOT NULL "
        "ORDER BY id DESC LIMIT 1) FROM alerts ORDER BY name";
    RDL_VEC(rdl_catalog_alert) list = {0};
    sqlite3_stmt *st;
    int step;
    *out = NULL;
    *out_n = 0;
    if (!has_tables(c))
        return RDL_OK;
    RDL_TRY(prepare(c, sql, &st, err));
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        int state = sqlite3_column_int(st, 1);
        RDL_PUSH(a, &list) = (rdl_catalog_alert){
            .name = rdl_catalog_column_text(a, st, 0),
            .state =
                state >= 0 && state <= RDL_ALERT_FAILING ? (rdl_alert_state)state : RDL_ALERT_QUIET,
            .since_us = rdl_catalog_column_time(st, 2),
            .checked_us = rdl_catalog_column_time(st, 3),
            .told_us = rdl_catalog_column_time(st, 4),
            .times = (uint64_t)sqlite3_column_int64(st, 5),
            .message = rdl_catalog_column_text(a, st, 6),
            .waiting = (uint64_t)sqlite3_column_int64(st, 7),
            .problem = rdl_catalog_column_text(a, st, 8),
        };
    }
    sqlite3_finalize(st);
    *out = list.v;
    *out_n = list.n;
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "read", err);
}

/* ---- a step ---- */

static rdl_code move(rdl_catalog *c, const rdl_alert_step *s, bool *out_done, rdl_err *err)
{
    static const char first[] =
        "INSERT INTO alerts (name, state, since, times) VALUES (?, 0, ?, 0) "
        "ON CONFLICT (name) DO NOTHING";
    static const char sql[] =
        "UPDATE alerts SET state = ?1, since = ?2, checked = ?3, times = ?4, message = ?5, told = ?6 "
        "WHERE name = ?7 AND state = ?8 AND told IS ?9";
    bool same = s->to == s->from.state;
    bool activated = !same && s->to == RDL_ALERT_ACTIVE;
    sqlite3_stmt *st;
    RDL_TRY(prepare(c, first, &st, err));
    sqlite3_bind_text(st, 1, s->from.name, -1, SQLITE_TRANSIENT);
    rdl_catalog_bind_time(st, 2, s->now_us);
    RDL_TRY(finish(c, st, err));
    RDL_TRY(prepare(c, sql, &st, err));
    sqlite3_bind_int(st, 1, (int)s->to);
    rdl_catalog_bind_time(st, 2,
                          same && s->from.since_us != INT64_MIN ? s->from.since_us : s->now_us);
    rdl_catalog_bind_time(st, 3, s->now_us);
    sqlite3_bind_int64(st, 4, (int64_t)(s->from.times + activated));
    sqlite3_bind_text(st, 5, s->message, -1, SQLITE_TRANSIENT); /* NULL binds null */
    rdl_catalog_bind_time(st, 6, s->notice_count > 0 ? s->now_us : s->from.told_us);
    sqlite3_bind_text(st, 7, s->from.name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(st, 8, (int)s->from.state);
    rdl_catalog_bind_time(st, 9, s->from.told_us);
    RDL_TRY(finish(c, st, err));
    *out_done = sqlite3_changes(c->db) > 0;
    return RDL_OK;
}

static rdl_code put_notice(rdl_catalog *c, const rdl_alert_step *s, const rdl_catalog_notice *n,
                           rdl_err *err)
{
    static const char sql[] =
        "INSERT INTO alert_notices (alert, event, target, shown, subject, text, "
        "json, created, next_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const char *const texts[] = {n->shown, n->subject, n->text, n->json};
    sqlite3_stmt *st;
    RDL_TRY(prepare(c, sql, &st, err));
    sqlite3_bind_text(st, 1, n->alert, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 2, n->event, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 3, (int64_t)n->target);
    for (int i = 0; i < 4; i++)
        sqlite3_bind_text(st, 4 + i, texts[i], -1, SQLITE_TRANSIENT);
    rdl_catalog_bind_time(st, 8, s->now_us);
    sqlite3_bind_int64(st, 9, s->now_us);
    return finish(c, st, err);
}

static rdl_code step_inside(rdl_catalog *c, const rdl_alert_step *s, bool *out_done, rdl_err *err)
{
    RDL_TRY(move(c, s, out_done, err));
    for (size_t i = 0; i < s->notice_count && *out_done; i++)
        RDL_TRY(put_notice(c, s, &s->notices[i], err));
    if (sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    return RDL_OK;
}

rdl_code rdl_catalog_alert_step(rdl_catalog *c, const rdl_alert_step *step, bool *out_done,
                                rdl_err *err)
{
    *out_done = false;
    RDL_TRY(make_tables(c, err));
    if (sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return rdl_catalog_fail(c, "write", err);
    rdl_code rc = step_inside(c, step, out_done, err);
    if (rc != RDL_OK)
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* ---- delivery ---- */

rdl_code rdl_catalog_notices_claim(rdl_catalog *c, rdl_arena *a, int64_t now_us, size_t most,
                                   rdl_catalog_notice **out, size_t *out_n, rdl_err *err)
{
    static const char sql[] =
        "UPDATE alert_notices SET claimed_us = ?1 + ?2, attempts = attempts + 1 WHERE id IN (SELECT id FROM "
        "alert_notices WHERE sent IS NULL AND next_us < 9223372036854775807 AND "
        "(next_us <= ?1 OR next_us > ?1 + 86400000000) AND (claimed_us <= ?1 OR claimed_us > ?1 + ?2) "
        "ORDER BY attempts, id LIMIT ?3) "
        "RETURNING id, alert, event, target, shown, subject, text, json, created, attempts";
    RDL_VEC(rdl_catalog_notice) list = {0};
    sqlite3_stmt *st;
    int step;
    *out = NULL;
    *out_n = 0;
    if (!has_tables(c))
        return RDL_OK;
    /* Times further ahead than we ever set were set by a clock that was ahead. */
    RDL_TRY(prepare(c, sql, &st, err));
    sqlite3_bind_int64(st, 1, now_us);
    sqlite3_bind_int64(st, 2, CLAIM_US);
    sqlite3_bind_int64(st, 3, (int64_t)most);
    while ((step = sqlite3_step(st)) == SQLITE_ROW)
        RDL_PUSH(a, &list) = (rdl_catalog_notice){
            .id = sqlite3_column_int64(st, 0),
            .alert = rdl_catalog_column_text(a, st, 1),
            .event = rdl_catalog_column_text(a, st, 2),
            .target = (size_t)sqlite3_column_int64(st, 3),
            .shown = rdl_catalog_column_text(a, st, 4),
            .subject = rdl_catalog_column_text(a, st, 5),
            .text = rdl_catalog_column_text(a, st, 6),
            .json = rdl_catalog_column_text(a, st, 7),
            .created_us = rdl_catalog_column_time(st, 8),
            .attempts = (uint64_t)sqlite3_column_int64(st, 9),
        };
    sqlite3_finalize(st);
    *out = list.v;
    *out_n = list.n;
    return step == SQLITE_DONE ? RDL_OK : rdl_catalog_fail(c, "write", err);
}

rdl_code rdl_catalog_notice_sent(rdl_catalog *c, int64_t id, int64_t now_us, rdl_err *err)
{
    sqlite3_stmt *st;
    RDL_TRY(prepare(c, "UPDATE alert_notices SET sent = ?, problem = NULL WHERE id = ?", &st, err));
    rdl_catalog_bind_time(st, 1, now_us);
    sqlite3_bind_int64(st, 2, id);
    return finish(c, st, err);
}

rdl_code rdl_catalog_notice_failed(rdl_catalog *c, int64_t id, const char *problem, int64_t next_us,
                                   rdl_err *err)
{
    sqlite3_stmt *st;
    RDL_TRY(
        prepare(c, "UPDATE alert_notices SET problem = ?, next_us = ?, claimed_us = 0 WHERE id = ?",
                &st, err));
    sqlite3_bind_text(st, 1, problem, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 2, next_us);
    sqlite3_bind_int64(st, 3, id);
    return finish(c, st, err);
}
