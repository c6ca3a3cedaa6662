/*
 * sink/postgres.c - published tables in PostgreSQL.
 *
 *   _raudal_progress(table_name, root, epoch)
 *
 * in current_schema() names for each table (schema.table) the root that owns it and the epoch it
 * shows; -1: not filled yet.
 *
 * ONE BATCH
 *
 *   BEGIN; UPDATE _raudal_progress ... WHERE root = ours AND epoch = from     the fence
 *   COPY keys into a temporary table; DELETE ... USING it                     removals
 *   SAVEPOINT; COPY rows straight into the table                              inserts
 *   COPY rows into a temporary table; INSERT ... ON CONFLICT DO UPDATE        updates
 *   COMMIT                                                                    in one message with it
 *
 * INVARIANTS (tests/services/sink_postgres.c, tests/services/postgres_*.sh)
 *
 *   Q1  Rows and progress move in one transaction: whole or not.
 *   Q2  Progress moves by UPDATE ... WHERE root = ours AND epoch = from; where no row changes it
 *       is RDL_ECONFLICT and nothing happens.
 *   Q3  Whoever writes rows holds the lock of the progress row from before the first until the
 *       transaction ends, and COMMIT is sent only then.  prepare takes the same lock before
 *       it reads the progress.  So after prepare no transaction of an earlier process can still
 *       commit: it ended before, or it will find the epoch moved (Q2).  A session of our root that
 *       keeps the lock for longer than PATIENCE is ended.
 *   Q4  Every table that prepare let pass has a row in _raudal_progress, so that a table's rows
 *       never lie there without an owner.
 *   Q5  No statement depends on a setting of the server, the role or the database (pg/connection.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "sink/postgres_internal.h"

static const char progress_ddl[] =
    "CREATE TABLE _raudal_progress (table_name text PRIMARY KEY, root text NOT NULL, "
    "epoch bigint NOT NULL) WITH (fillfactor = 50)";

/* One at a time creates: a key of our own in pg_advisory_lock's space. */
static const char ddl_lock[] = "SELECT pg_advisory_xact_lock(7236825464561132908)";

static rdl_code injected(const rdl_postgres *s, int number, rdl_err *err)
{
    rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not write PostgreSQL %s: %s", s->pg->where,
                strerror(number));
    return rdl_err_area(RDL_EIO, err, RDL_AREA_SINK);
}

static rdl_code in_sink(rdl_code rc, rdl_err *err)
{
    return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "sink postgres");
}

/* ---- opening ---- */

static void sink_close(rdl_sink *sink);

static rdl_code find_schema(rdl_postgres *s, rdl_err *err)
{
    PGresult *r = NULL;
    RDL_TRY(rdl_pg_ask(s->pg, "SELECT current_schema()", NULL, 0, &r, "read the catalog", err));
    bool none = PQgetisnull(r, 0, 0);
    s->schema = rdl_arena_strdup(&s->arena, none ? "public" : PQgetvalue(r, 0, 0));
    PQclear(r);
    if (!none)
        return RDL_OK;
    rdl_err_set(err, RDL_EREMOTE, 0, "cannot publish to PostgreSQL %s: no schema of the search "
                                     "path is there",
                s->pg->where);
    return rdl_err_hint(err, "CREATE SCHEMA first, or ALTER ROLE ... SET search_path = public.");
}

static rdl_code sink_open(const rdl_sink_config *config, rdl_sink **out, rdl_err *err)
{
    rdl_postgres *s = calloc(1, sizeof *s); /* allow: a connection, freed by sink_close */
    if (s == NULL)
        return rdl_err_nomem(err);
    s->sink.ops = &rdl_sink_postgres;
    rdl_arena_init(&s->arena, 0);
    s->root_uuid = rdl_arena_strdup(&s->arena, config->root_uuid);
    s->url = rdl_arena_strdup(&s->arena, config->url);
    s->adopt = config->adopt && !config->read_only;
    s->read_only = config->read_only;
    const rdl_pg_config pg = {
        .url = s->url,
        .application = rdl_arena_printf(&s->arena, "raudal %s", s->root_uuid),
        .read_only = s->read_only,
    };
    rdl_code rc = rdl_pg_open(&pg, &s->pg, err);
    if (rc == RDL_OK)
        rc = find_schema(s, err);
    if (rc != RDL_OK) {
        sink_close(&s->sink);
        return in_sink(rc, err);
    }
    *out = &s->sink;
    return RDL_OK;
}

/* ---- whose is it ---- */

typedef struct found {
    bool progress; /* there is the table _raudal_progress */
    bool owner;    /* a row of it */
    char root[64];
    int64_t epoch;
} found;

static rdl_code find_progress(rdl_postgres *s, bool *out, rdl_err *err)
{
    PGresult *r = NULL;
    RDL_TRY(rdl_pg_ask(s->pg, "SELECT to_regclass('_raudal_progress') IS NOT NULL", NULL, 0, &r,
                       "read the catalog", err));
    *out = PQgetvalue(r, 0, 0)[0] == 't';
    PQclear(r);
    return RDL_OK;
}

static rdl_code look(rdl_postgres *s, const rdl_pg_table *at, bool lock, found *out, rdl_err *err)
{
    PGresult *r = NULL;
    const char *values[] = {at->full};
    char *end;
    *out = (found){.epoch = -1};
    RDL_TRY(find_progress(s, &out->progress, err));
    if (!out->progress)
        return RDL_OK;
    RDL_TRY(rdl_pg_ask(s->pg,
                       lock ? "SELECT root, epoch FROM _raudal_progress WHERE table_name = $1 "
                              "FOR UPDATE"
                            : "SELECT root, epoch FROM _raudal_progress WHERE table_name = $1",
                       values, 1, &r, "read the progress", err));
    if (PQntuples(r) == 1) {
        out->owner = true;
        snprintf(out->root, sizeof out->root, "%s", PQgetvalue(r, 0, 0));
        out->epoch = strtoll(PQgetvalue(r, 0, 1), &end, 10);
    }
    PQclear(r);
    return RDL_OK;
}

static rdl_code has_rows(rdl_postgres *s, const rdl_pg_table *at, bool *out, rdl_err *err)
{
    PGresult *r = NULL;
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT 1 FROM %s LIMIT 1", at->quoted);
    rdl_code rc = rdl_pg_ask(s->pg, rdl_buf_str(&sql), NULL, 0, &r, "read the table", err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK)
        return rc;
    *out = PQntuples(r) > 0;
    PQclear(r);
    return RDL_OK;
}

/* A table with rows that nobody owns was filled by somebody else. */
static rdl_code check_owner(rdl_postgres *s, const rdl_pg_table *at, const found *f, rdl_err *err)
{
    bool rows = false;
    if (f->owner && strcmp(f->root, s->root_uuid) != 0) {
        rdl_err_set(err, RDL_ECONFLICT, 0,
                    "cannot publish to table \"%s\" of %s: it belongs to another root (%s, ours is "
                    "%s)",
                    at->full, s->pg->where, f->root, s->root_uuid);
        rdl_err_hint(err, "To replace what it holds by this pipeline's rows, run with --adopt.");
        return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
    }
    if (f->owner || !at->exists)
        return RDL_OK;
    RDL_TRY(has_rows(s, at, &rows, err));
    if (!rows)
        return RDL_OK;
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "cannot publish to table \"%s\" of %s: it holds rows that no pipeline wrote",
                at->full, s->pg->where);
    rdl_err_hint(err, "To replace them, run with --adopt; or publish under another name.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

static rdl_code own(rdl_postgres *s, const rdl_pg_table *at, rdl_err *err)
{
    PGresult *r = NULL;
    const char *values[] = {at->full, s->root_uuid};
    RDL_TRY(rdl_pg_ask(s->pg,
                       "INSERT INTO _raudal_progress VALUES ($1, $2, -1) ON CONFLICT (table_name) "
                       "DO UPDATE SET root = excluded.root, epoch = -1",
                       values, 2, &r, "write the progress", err));
    PQclear(r);
    return RDL_OK;
}

/* ---- prepare ---- */

static rdl_code run_buf(rdl_postgres *s, rdl_buf *sql, const char *what, rdl_err *err)
{
    rdl_code rc = rdl_pg_run(s->pg, rdl_buf_str(sql), what, err);
    rdl_buf_fini(sql);
    return rc;
}

static rdl_code create(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table *at, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_pg_put_create(s, t, at, &sql);
    RDL_TRY(run_buf(s, &sql, "create a table", err));
    RDL_TRY(rdl_pg_indexes(s, t, at, NULL, NULL, err));
    at->exists = true;
    return rdl_pg_table_fit(s, t, at, NULL, err);
}

/* An empty table without a key gets it; one with rows is `raudal provision`'s to judge. */
static rdl_code add_key(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table *at, rdl_err *err)
{
    bool rows = false;
    rdl_pg_fit fit;
    rdl_buf sql = {0};
    RDL_TRY(rdl_pg_table_fit(s, t, at, &fit, err));
    if (!fit.key_missing)
        return RDL_OK;
    RDL_TRY(has_rows(s, at, &rows, err));
    if (rows)
        return rdl_pg_table_fit(s, t, at, NULL, err);
    rdl_pg_put_unique(t, at, &sql);
    return run_buf(s, &sql, "add the key", err);
}

static rdl_code prepare_locked(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table **out,
                               int64_t *out_epoch, rdl_err *err)
{
    found f;
    rdl_pg_table *at;
    RDL_TRY(rdl_pg_run(s->pg, ddl_lock, "take the lock of those who create", err));
    RDL_TRY(rdl_pg_table_find(s, t, &at, err));
    RDL_TRY(look(s, at, true, &f, err)); /* Q3 */
    if (!s->adopt)
        RDL_TRY(check_owner(s, at, &f, err));
    if (!f.progress)
        RDL_TRY(rdl_pg_run(s->pg, progress_ddl, "create table \"_raudal_progress\"", err));
    bool ours = f.owner && strcmp(f.root, s->root_uuid) == 0, was = at->exists;
    RDL_TRY(was ? add_key(s, t, at, err) : create(s, t, at, err));
    if (!was || !ours) { /* Q4; progress without a table is progress of nothing */
        RDL_TRY(own(s, at, err));
        f.epoch = -1;
    }
    *out = at;
    *out_epoch = f.epoch;
    return RDL_OK;
}

static void remember(rdl_postgres *s, rdl_pg_table *at)
{
    for (size_t i = 0; i < s->tables.n; i++) {
        if (strcmp(s->tables.v[i]->name, at->name) != 0)
            continue;
        at->stage = s->tables.v[i]->stage;
        at->gone = s->tables.v[i]->gone;
        at->stage_made = s->tables.v[i]->stage_made;
        at->gone_made = s->tables.v[i]->gone_made;
        s->tables.v[i] = at;
        return;
    }
    at->stage = rdl_arena_printf(&s->arena, "pg_temp._raudal_stage_%zu", s->tables.n);
    at->gone = rdl_arena_printf(&s->arena, "pg_temp._raudal_gone_%zu", s->tables.n);
    RDL_PUSH(&s->arena, &s->tables) = at;
}

/* Sessions of our own root that hold a lock we waited for: their process is gone, or no longer ours. */
static rdl_code end_zombies(rdl_postgres *s, rdl_err *err)
{
    PGresult *r = NULL;
    const char *name = rdl_arena_printf(&s->arena, "raudal %s", s->root_uuid);
    const char *values[] = {name};
    RDL_TRY(rdl_pg_ask(s->pg,
                       "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE "
                       "application_name = $1 AND pid <> pg_backend_pid() AND xact_start < now() "
                       "- interval '4 seconds'",
                       values, 1, &r, "end a session of an earlier process", err));
    PQclear(r);
    return RDL_OK;
}

static rdl_code try_prepare(rdl_postgres *s, const rdl_sink_table *t, int64_t *out_epoch,
                            rdl_err *err)
{
    rdl_pg_table *at = NULL;
    RDL_TRY(rdl_pg_run(s->pg, "BEGIN", "begin a transaction", err));
    rdl_code rc = prepare_locked(s, t, &at, out_epoch, err);
    if (rc == RDL_OK)
        rc = rdl_pg_run(s->pg, "COMMIT", "commit", err);
    if (rc == RDL_OK)
        remember(s, at);
    else
        PQclear(PQexec(s->pg->conn, "ROLLBACK"));
    return rc;
}

static rdl_code prepare_read_only(rdl_postgres *s, const rdl_sink_table *t, int64_t *out_epoch,
                                  rdl_err *err)
{
    found f;
    rdl_pg_table *at;
    *out_epoch = -1;
    /* One snapshot until the next call: the progress and the rows that are scanned belong together. */
    if (PQtransactionStatus(s->pg->conn) != PQTRANS_IDLE)
        RDL_TRY(rdl_pg_run(s->pg, "ROLLBACK", "end reading", err));
    RDL_TRY(rdl_pg_run(s->pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "begin to read", err));
    RDL_TRY(rdl_pg_table_find(s, t, &at, err));
    RDL_TRY(look(s, at, false, &f, err));
    if (!at->exists)
        return RDL_OK;
    RDL_TRY(check_owner(s, at, &f, err));
    RDL_TRY(rdl_pg_table_fit(s, t, at, NULL, err));
    *out_epoch = f.epoch;
    return RDL_OK;
}

static rdl_code sink_prepare(rdl_sink *sink, const rdl_sink_table *t, int64_t *out_epoch,
                             rdl_err *err)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    if (s->read_only)
        return in_sink(prepare_read_only(s, t, out_epoch, err), err);
    rdl_code rc = try_prepare(s, t, out_epoch, err);
    if (rc != RDL_OK && strcmp(err->sqlstate, "55P03") == 0) {
        rdl_err first = *err;
        rc = end_zombies(s, err);
        if (rc == RDL_OK) {
            *err = first;
            rc = try_prepare(s, t, out_epoch, err);
        }
    }
    return in_sink(rc, err);
}

/* ---- provision ---- */

static rdl_code say_and_run(rdl_postgres *s, const char *sql, rdl_sink_say say, void *arg,
                            rdl_err *err)
{
    if (say != NULL)
        RDL_TRY(say(arg, sql, err));
    return s->read_only ? RDL_OK : rdl_pg_run(s->pg, sql, "provision the store", err);
}

/* Rows that share the key, one of them named; the statement shows them all. */
static rdl_code refuse_duplicates(rdl_postgres *s, const rdl_sink_table *t, const rdl_pg_table *at,
                                  rdl_err *err)
{
    rdl_buf key = {0}, sql = {0};
    PGresult *r = NULL;
    rdl_pg_put_key(t, at, "", &key);
    rdl_buf_printf(&sql, "SELECT %s, count(*) FROM %s GROUP BY %s HAVING count(*) > 1",
                   rdl_buf_str(&key), at->quoted, rdl_buf_str(&key));
    rdl_buf first = {0};
    rdl_buf_printf(&first, "SELECT count(*) OVER (), row(%s)::text FROM (%s) d LIMIT 1",
                   rdl_buf_str(&key), rdl_buf_str(&sql));
    rdl_code rc = rdl_pg_ask(s->pg, rdl_buf_str(&first), NULL, 0, &r, "look for duplicates", err);
    if (rc == RDL_OK && PQntuples(r) == 1) {
        bool one = strcmp(PQgetvalue(r, 0, 0), "1") == 0;
        char keys[40];
        snprintf(keys, sizeof keys, one ? "%s key is" : "%s keys are", PQgetvalue(r, 0, 0));
        rdl_err_set(err, RDL_ECONFLICT, 0,
                    "cannot add a unique key over (%s) to table \"%s\" of %s: %s there more than "
                    "once, among them %s",
                    rdl_buf_str(&key), at->full, s->pg->where, keys, PQgetvalue(r, 0, 1));
        rdl_err_hint(err, "Show them by: %s", rdl_buf_str(&sql));
        rc = rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
    }
    PQclear(r);
    rdl_buf_fini(&first);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&key);
    return rc;
}

static rdl_code refuse_null_keys(rdl_postgres *s, const rdl_sink_table *t, const rdl_pg_table *at,
                                 rdl_err *err)
{
    rdl_buf sql = {0};
    PGresult *r = NULL;
    rdl_buf_printf(&sql, "SELECT * FROM %s WHERE num_nulls(", at->quoted);
    rdl_pg_put_key(t, at, "", &sql);
    rdl_buf_puts(&sql, ") > 0");
    rdl_buf first = {0};
    rdl_buf_printf(&first, "%s LIMIT 1", rdl_buf_str(&sql));
    rdl_code rc = rdl_pg_ask(s->pg, rdl_buf_str(&first), NULL, 0, &r, "look for null keys", err);
    if (rc == RDL_OK && PQntuples(r) == 1) {
        rdl_err_set(err, RDL_ECONFLICT, 0,
                    "cannot add a unique key to table \"%s\" of %s: there are rows whose key is "
                    "null",
                    at->full, s->pg->where);
        rdl_err_hint(err, "Show them by: %s", rdl_buf_str(&sql));
        rc = rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
    }
    PQclear(r);
    rdl_buf_fini(&first);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code provision_there(rdl_postgres *s, const rdl_sink_table *t, rdl_pg_table *at,
                                rdl_sink_say say, void *arg, rdl_err *err)
{
    rdl_pg_fit fit;
    rdl_buf sql = {0};
    RDL_TRY(rdl_pg_table_fit(s, t, at, &fit, err));
    if (!fit.key_missing)
        return RDL_OK;
    RDL_TRY(refuse_null_keys(s, t, at, err));
    RDL_TRY(refuse_duplicates(s, t, at, err));
    rdl_pg_put_unique(t, at, &sql);
    rdl_code rc = say_and_run(s, rdl_buf_str(&sql), say, arg, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code provision_new(rdl_postgres *s, const rdl_sink_table *t, const rdl_pg_table *at,
                              rdl_sink_say say, void *arg, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_pg_put_create(s, t, at, &sql);
    rdl_code rc = say_and_run(s, rdl_buf_str(&sql), say, arg, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code provision(rdl_postgres *s, const rdl_sink_table *t, rdl_sink_say say, void *arg,
                          rdl_err *err)
{
    rdl_pg_table *at;
    bool progress = false;
    if (!s->read_only)
        RDL_TRY(rdl_pg_run(s->pg, ddl_lock, "take the lock of those who create", err));
    RDL_TRY(find_progress(s, &progress, err));
    if (!progress)
        RDL_TRY(say_and_run(s, progress_ddl, say, arg, err));
    RDL_TRY(rdl_pg_table_find(s, t, &at, err));
    RDL_TRY(at->exists ? provision_there(s, t, at, say, arg, err)
                       : provision_new(s, t, at, say, arg, err));
    return rdl_pg_indexes(s, t, at, say, arg, err);
}

static rdl_code sink_provision(rdl_sink *sink, const rdl_sink_table *t, rdl_sink_say say, void *arg,
                               rdl_err *err)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    rdl_code rc = rdl_pg_run(s->pg, "BEGIN", "begin a transaction", err);
    if (rc == RDL_OK)
        rc = provision(s, t, say, arg, err);
    if (rc == RDL_OK)
        rc = rdl_pg_run(s->pg, "COMMIT", "commit", err);
    if (rc != RDL_OK)
        PQclear(PQexec(s->pg->conn, "ROLLBACK"));
    return in_sink(rc, err);
}

/* ---- begin, commit, abort ---- */

static void sink_abort(rdl_sink *sink)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    if (s->in_transaction) {
        if (s->flow != RDL_PG_IDLE) { /* in the middle of a COPY */
            PGresult *r;
            (void)PQputCopyEnd(s->pg->conn, "given up");
            while ((r = PQgetResult(s->pg->conn)) != NULL)
                PQclear(r);
        }
        PQclear(PQexec(s->pg->conn, "ROLLBACK")); /* Q1 */
    }
    rdl_buf_clear(&s->out);
    s->in_transaction = s->stage_new = s->gone_new = s->stage_used = s->unmerged = false;
    s->flow = RDL_PG_IDLE;
    s->table = NULL;
    s->at = NULL;
}

static rdl_code refuse_moved(rdl_postgres *s, int64_t from, rdl_err *err)
{
    found f;
    PQclear(PQexec(s->pg->conn, "ROLLBACK"));
    s->in_transaction = false;
    RDL_TRY(look(s, s->at, false, &f, err));
    if (!f.owner)
        snprintf(f.root, sizeof f.root, "nobody");
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "could not write table \"%s\" of %s: somebody else moved it (it is at epoch %" PRId64
                " of root %s, not at %" PRId64 " of %s)",
                s->at->full, s->pg->where, f.epoch, f.root, from, s->root_uuid);
    rdl_err_hint(err, "One root writes a table; see who else runs, or run with --adopt.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

/* Q2, in one round trip. */
static rdl_code begin_and_move(rdl_postgres *s, const rdl_sink_batch *b, rdl_err *err)
{
    rdl_buf sql = {0};
    if (b->seed)
        return rdl_pg_run(s->pg, "BEGIN", "begin a transaction", err);
    rdl_buf_printf(&sql, "BEGIN; UPDATE _raudal_progress SET epoch = %" PRId64
                         " WHERE table_name = ", b->to_epoch);
    rdl_buf_put_sql_text(&sql, rdl_str_of(s->at->full));
    rdl_buf_puts(&sql, " AND root = ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(s->root_uuid));
    rdl_buf_printf(&sql, " AND epoch = %" PRId64, b->from_epoch);
    PGresult *r = PQexec(s->pg->conn, rdl_buf_str(&sql));
    rdl_buf_fini(&sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        return rdl_pg_fail(s->pg, r, err, "move the progress of table \"%s\"", s->at->full);
    bool moved = strcmp(PQcmdTuples(r), "1") == 0;
    PQclear(r);
    return moved ? RDL_OK : refuse_moved(s, b->from_epoch, err);
}

static rdl_code remove_all(rdl_postgres *s, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "DELETE FROM %s", s->at->quoted);
    return run_buf(s, &sql, "empty the table", err);
}

static rdl_code find_prepared(rdl_postgres *s, const rdl_sink_table *t, bool seed,
                              rdl_pg_table **out, rdl_err *err)
{
    rdl_pg_table *at = NULL;
    for (size_t i = 0; i < s->tables.n; i++) {
        if (strcmp(s->tables.v[i]->name, t->name) == 0)
            at = s->tables.v[i];
    }
    if (at == NULL && !seed)
        return rdl_err_set(err, RDL_EBUG, 0, "table \"%s\" was not prepared", t->name);
    if (at == NULL) { /* a seed's table is nobody's */
        RDL_TRY(rdl_pg_table_find(s, t, &at, err));
        RDL_TRY(rdl_pg_table_fit(s, t, at, NULL, err));
        remember(s, at);
    }
    *out = at;
    return RDL_OK;
}

static rdl_code sink_begin(rdl_sink *sink, const rdl_sink_table *t, const rdl_sink_batch *b,
                           rdl_err *err)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    rdl_code rc = find_prepared(s, t, b->seed, &s->at, err);
    if (rc != RDL_OK)
        return in_sink(rc, err);
    s->table = t;
    s->in_transaction = true;
    RDL_TRY_OUT(begin_and_move(s, b, err));
    int fault = RDL_FAULT_AT(SINK_BEFORE_ROWS);
    if (fault != 0)
        RDL_TRY_OUT(injected(s, fault, err));
    if (b->whole)
        RDL_TRY_OUT(remove_all(s, err));
    return RDL_OK;
out:
    sink_abort(sink);
    return in_sink(rc, err);
}

static rdl_code sink_commit(rdl_sink *sink, rdl_err *err)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    rdl_code rc = RDL_OK;
    RDL_TRY_OUT(rdl_pg_end_copy(s, err));
    int fault = RDL_FAULT_AT(SINK_BEFORE_COMMIT);
    if (fault != 0)
        RDL_TRY_OUT(injected(s, fault, err));
    RDL_TRY_OUT(rdl_pg_commit(s, err));
    s->in_transaction = false;
    s->at->stage_made |= s->stage_new;
    s->at->gone_made |= s->gone_new;
    fault = RDL_FAULT_AT(SINK_AFTER_COMMIT); /* the answer is lost, the rows are not */
    if (fault != 0)
        rc = injected(s, fault, err);
out:
    sink_abort(sink);
    return in_sink(rc, err);
}

static void sink_close(rdl_sink *sink)
{
    if (sink == NULL)
        return;
    rdl_postgres *s = rdl_postgres_of(sink);
    if (s->pg != NULL)
        sink_abort(sink);
    rdl_pg_close(s->pg);
    rdl_buf_fini(&s->out);
    rdl_arena_fini(&s->arena);
    free(s); /* allow: see sink_open */
}

const rdl_sink_ops rdl_sink_postgres = {
    .kind = "postgres",
    .open = sink_open,
    .prepare = sink_prepare,
    .begin = sink_begin,
    .remove = rdl_pg_remove,
    .insert = rdl_pg_insert,
    .upsert = rdl_pg_upsert,
    .commit = sink_commit,
    .abort = sink_abort,
    .provision = sink_provision,
    .scan = rdl_pg_scan,
    .query = rdl_pg_query,
    .close = sink_close,
};
