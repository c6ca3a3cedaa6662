/*
 * sink/cassandra_progress.c - who owns a table and how far it is.
 *
 *   raudal_progress(table_name PRIMARY KEY, root, epoch, target, write_us, holder, table_id)
 *
 * in each keyspace has a row for every table that prepare let pass:
 *
 *   root       the root that owns the table
 *   epoch      shown whole; -1: not filled yet
 *   target     what is being written; equal to epoch when nothing is
 *   write_us   the timestamp of the newest claim: each later one is later
 *   holder     of which opening of which process the claim is
 *   table_id   Cassandra's own id of the table that epoch speaks of: one that was dropped and made
 *              again under its name has another, and its progress is progress of nothing
 *
 *     idle (target = epoch) --claim to--> writing (target = to) --finish--> idle (epoch = to)
 *                                            |
 *                                            +--claim to' >= to, after a crash--> writing
 *
 * Every move is a lightweight transaction on everything that was read before.  Its answer may
 * be lost (a timeout says nothing): then the row is read again, serially, and tells by
 * (holder, target, write_us), which nobody else writes, whether the move happened.
 *
 * INVARIANTS
 *
 *   O1  Rows are written under a claim alone.  A process whose claim was overtaken cannot finish,
 *       and all it still writes is older than what the newer claim writes to the same keys.  It
 *       looks whether the claim still stands before rows once it looked HOLD_MS ago (hold), so
 *       one that was thought dead and wakes sends none.
 *   O2  epoch moves to target only after each row up to it was acknowledged.
 *   O3  write_us never goes back, also when a table changes its owner.
 *   O4  Who takes a table from under an unfinished claim removes old rows only when the other has
 *       had HOLD_MS, and the time of a request, to find out: its last rows are there by then.
 *   O5  Rows that were answered more than HOLD_MS after the claim was known to stand, or not at all,
 *       may have gone out after O4's removal: a process that is stopped has requests in its hands.
 *       When it finds its claim overtaken it removes them, each at its own timestamp
 *       (cassandra_late.c).  One that wakes, sends, and dies before it looks leaves them to verify.
 *
 * Two datacentres: transactions are decided among the replicas of our own (LOCAL_SERIAL), which is
 * enough while all that publish to a table run in one.  ?serial=serial lets a quorum of all
 * datacentres decide.
 */
#include "sink/cassandra_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

static const char name[] = "raudal_progress";

static rdl_code make_table(rdl_cassandra *s, rdl_sink_say say, void *arg, bool apply,
                           const char *how, const char *columns, rdl_err *err)
{
    rdl_buf cql = {0};
    rdl_buf_puts(&cql, how);
    rdl_cassandra_put_table(s, &cql, name);
    rdl_buf_puts(&cql, columns);
    rdl_code rc = say != NULL ? say(arg, rdl_buf_str(&cql), err) : RDL_OK;
    if (rc == RDL_OK && apply)
        rc = rdl_cassandra_run(s, "make table \"raudal_progress\"", rdl_buf_str(&cql), err);
    rdl_buf_fini(&cql);
    return rc;
}

rdl_code rdl_cassandra_progress_create(rdl_cassandra *s, rdl_sink_say say, void *arg, bool apply,
                                       rdl_err *err)
{
    rdl_arena a;
    rdl_cql_table *there = NULL;
    if (s->has_progress_table)
        return RDL_OK;
    rdl_arena_init(&a, 0);
    rdl_code rc =
        rdl_cql_table_get(s->session, &a, rdl_str_of(s->keyspace), RDL_STR(name), &there, err);
    if (rc != RDL_OK)
        rc = rdl_cassandra_fail(s, rc, err, "read the schema");
    if (rc == RDL_OK && there == NULL)
        rc = make_table(s, say, arg, apply, "CREATE TABLE IF NOT EXISTS ",
                        " (table_name text PRIMARY KEY, root text, epoch bigint, "
                        "target bigint, write_us bigint, holder text, table_id uuid)",
                        err);
    else if (rc == RDL_OK && !rdl_cql_table_column_find(there, RDL_STR("table_id")))
        rc = make_table(s, say, arg, apply, "ALTER TABLE ", " ADD table_id uuid", err);
    s->has_progress_table = rc == RDL_OK && (there != NULL || apply);
    rdl_arena_fini(&a);
    return rc;
}

/* ---- reading ---- */

static rdl_code prepare(rdl_cassandra *s, const char *before, const char *after,
                        rdl_cql_statement **out, rdl_err *err)
{
    rdl_buf cql = {0};
    if (*out != NULL)
        return RDL_OK;
    rdl_buf_puts(&cql, before);
    rdl_cassandra_put_table(s, &cql, name);
    rdl_buf_puts(&cql, after);
    rdl_code rc = rdl_cql_prepare(s->session, rdl_buf_str(&cql), out, err);
    rdl_buf_fini(&cql);
    return rc == RDL_OK ? RDL_OK : rdl_cassandra_fail(s, rc, err, "prepare the progress");
}

static void copy_text(rdl_cql_value v, char *out, size_t room)
{
    rdl_err ignored;
    rdl_str text = {"", 0};
    if (!rdl_cql_is_null(v) && rdl_cql_get_text(v, &text, &ignored) != RDL_OK)
        text.n = 0;
    snprintf(out, room, "%.*s", (int)text.n, text.p);
}

static rdl_code read_row(rdl_cql_result *r, rdl_cassandra_progress *out, rdl_err *err)
{
    *out = (rdl_cassandra_progress){.epoch = -1, .target = -1};
    if (!rdl_cql_next(r))
        return RDL_OK;
    out->exists = true;
    copy_text(rdl_cql_cell(r, 0), out->root, sizeof out->root);
    copy_text(rdl_cql_cell(r, 4), out->holder, sizeof out->holder);
    if (!rdl_cql_is_null(rdl_cql_cell(r, 5)))
        RDL_TRY(rdl_cql_get_uuid(rdl_cql_cell(r, 5), out->table_id, err));
    RDL_TRY(rdl_cql_get_int(rdl_cql_cell(r, 1), &out->epoch, err));
    RDL_TRY(rdl_cql_get_int(rdl_cql_cell(r, 2), &out->target, err));
    return rdl_cql_get_int(rdl_cql_cell(r, 3), &out->write_us, err);
}

/* Serially: what a transaction under way decides is decided first. */
rdl_code rdl_cassandra_progress_read(rdl_cassandra *s, const char *table,
                                     rdl_cassandra_progress *out, rdl_err *err)
{
    rdl_cql_request *q = NULL;
    rdl_cql_result *r = NULL;
    const rdl_cql_options options = {.consistency =
                                         s->config.serial_consistency != RDL_CQL_AS_CONFIGURED
                                             ? s->config.serial_consistency
                                             : RDL_CQL_LOCAL_SERIAL,
                                     .idempotent = true};
    RDL_TRY(prepare(s, "SELECT root, epoch, target, write_us, holder, table_id FROM ",
                    " WHERE table_name = ?", &s->read_progress, err));
    rdl_code rc = rdl_cql_begin(s->session, s->read_progress, &options, &q, err);
    if (rc == RDL_OK) {
        rdl_cql_put_text(rdl_cql_values(q), rdl_str_of(table));
        rc = rdl_cql_execute(q, &r, err);
    }
    if (rc == RDL_OK)
        rc = read_row(r, out, err);
    rdl_cql_result_free(r);
    return rc == RDL_OK
               ? RDL_OK
               : rdl_cassandra_fail(s, rc, err, "read the progress of table \"%s\"", table);
}

/* ---- moving ---- */

/* One lightweight transaction: its values are put by put. */
typedef struct move {
    rdl_cql_statement *st;
    const char *table;
    rdl_cassandra_progress before, after;
    void (*put)(rdl_cql_writer *w, const struct move *m);
} move;

static void put_text(rdl_cql_writer *w, const char *text)
{
    rdl_cql_put_text(w, rdl_str_of(text));
}

static bool same(const rdl_cassandra_progress *a, const rdl_cassandra_progress *b)
{
    return a->exists == b->exists && strcmp(a->root, b->root) == 0 &&
           strcmp(a->holder, b->holder) == 0 && a->epoch == b->epoch && a->target == b->target &&
           a->write_us == b->write_us;
}

static rdl_code refuse(rdl_cassandra *s, const move *m, const rdl_cassandra_progress *now,
                       rdl_err *err)
{
    s->overtaken = true;
    s->overtaker = *now;
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "could not write table \"%s\" of Cassandra %s: somebody else moved it (it is at "
                "epoch %" PRId64 " of root %s, not at %" PRId64 " of %s)",
                m->table, s->where, now->epoch, now->exists ? now->root : "nobody", m->before.epoch,
                m->before.exists ? m->before.root : "nobody");
    rdl_err_hint(err, "One root writes a table; see who else runs, or run with --adopt.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

static rdl_code try_move(rdl_cassandra *s, const move *m, bool *applied, rdl_err *err)
{
    rdl_cql_request *q = NULL;
    rdl_cql_result *r = NULL;
    RDL_TRY(rdl_cql_begin(s->session, m->st, NULL, &q, err));
    m->put(rdl_cql_values(q), m);
    rdl_code rc = rdl_cql_execute(q, &r, err);
    *applied = rc == RDL_OK && rdl_cql_applied(r);
    rdl_cql_result_free(r);
    return rc;
}

/* Until it is known to have happened, or somebody else's did. */
static rdl_code carry_out(rdl_cassandra *s, const move *m, rdl_err *err)
{
    for (rdl_cassandra_wait w = {0};;) {
        rdl_cassandra_progress now;
        bool applied = false;
        rdl_code rc = try_move(s, m, &applied, err);
        if (rc == RDL_OK && applied)
            return RDL_OK;
        if (rc != RDL_OK && !rdl_cassandra_again(s, &w, err))
            return rdl_cassandra_fail(s, rc, err, "move the progress of table \"%s\"", m->table);
        *err = (rdl_err){0};
        rc = rdl_cassandra_progress_read(s, m->table, &now, err);
        if (rc != RDL_OK && !rdl_cassandra_again(s, &w, err))
            return rc;
        if (rc != RDL_OK)
            continue; /* a move that happened meanwhile is found so by the next turn */
        if (same(&now, &m->after))
            return RDL_OK;
        if (!same(&now, &m->before))
            return refuse(s, m, &now, err);
    }
}

static void put_own(rdl_cql_writer *w, const move *m)
{
    if (!m->before.exists)
        put_text(w, m->table);
    put_text(w, m->after.root);
    rdl_cql_put_int(w, m->after.epoch);
    rdl_cql_put_int(w, m->after.target);
    rdl_cql_put_int(w, m->after.write_us);
    put_text(w, m->after.holder);
    rdl_cql_put_uuid(w, m->after.table_id);
    if (!m->before.exists)
        return;
    put_text(w, m->table);
    put_text(w, m->before.root);
    rdl_cql_put_int(w, m->before.epoch);
    rdl_cql_put_int(w, m->before.target);
    rdl_cql_put_int(w, m->before.write_us);
    put_text(w, m->before.holder);
}

rdl_code rdl_cassandra_progress_own(rdl_cassandra *s, rdl_cassandra_table *t, rdl_err *err)
{
    rdl_cassandra_progress *p = &t->progress;
    move m = {.table = t->name, .before = *p, .after = *p, .put = put_own};
    bool overtakes = p->exists && p->target != p->epoch && strcmp(p->root, s->root_uuid) != 0;
    m.after.exists = true;
    memcpy(m.after.table_id, t->there->id, sizeof m.after.table_id);
    m.after.epoch = m.after.target = -1;
    snprintf(m.after.root, sizeof m.after.root, "%s", s->root_uuid);
    snprintf(m.after.holder, sizeof m.after.holder, "%s", s->holder);
    if (p->exists)
        RDL_TRY(prepare(s, "UPDATE ",
                        " SET root = ?, epoch = ?, target = ?, write_us = ?, holder = ?, "
                        "table_id = ? WHERE table_name = ? IF root = ? AND epoch = ? AND "
                        "target = ? AND write_us = ? AND holder = ?",
                        &m.st, err));
    else
        RDL_TRY(prepare(s, "INSERT INTO ",
                        " (table_name, root, epoch, target, write_us, holder, table_id) VALUES "
                        "(?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
                        &m.st, err));
    RDL_TRY(carry_out(s, &m, err));
    *p = m.after;
    if (overtakes) /* O4 */
        t->quiet_us = rdl_monotonic_us() +
                      (int64_t)(RDL_CASSANDRA_HOLD_MS + s->config.request_timeout_ms) * 1000;
    return RDL_OK;
}

static void put_claim(rdl_cql_writer *w, const move *m)
{
    rdl_cql_put_int(w, m->after.target);
    rdl_cql_put_int(w, m->after.write_us);
    put_text(w, m->after.holder);
    put_text(w, m->table);
    put_text(w, m->before.root);
    rdl_cql_put_int(w, m->before.epoch);
    rdl_cql_put_int(w, m->before.target);
    rdl_cql_put_int(w, m->before.write_us);
    put_text(w, m->before.holder);
}

rdl_code rdl_cassandra_progress_claim(rdl_cassandra *s, rdl_cassandra_table *t, int64_t to,
                                      int64_t write_us, rdl_err *err)
{
    move m = {.table = t->name, .before = t->progress, .after = t->progress, .put = put_claim};
    m.after.target = to;
    m.after.write_us = write_us;
    snprintf(m.after.holder, sizeof m.after.holder, "%s", s->holder);
    RDL_TRY(prepare(s, "UPDATE ",
                    " SET target = ?, write_us = ?, holder = ? WHERE table_name = ? IF "
                    "root = ? AND epoch = ? AND target = ? AND write_us = ? AND holder = ?",
                    &s->claim, err));
    m.st = s->claim;
    s->held_us = rdl_monotonic_us();
    RDL_TRY(carry_out(s, &m, err));
    t->progress = m.after;
    return RDL_OK;
}

/* A store that does not answer is waited for: without it no row goes anyway. */
rdl_code rdl_cassandra_progress_hold(rdl_cassandra *s, rdl_err *err)
{
    rdl_cassandra_progress now;
    int64_t at = rdl_monotonic_us();
    const move m = {.table = s->table->name, .before = s->table->progress};
    if (s->to < 0 ||
        at - s->held_us < (int64_t)RDL_CASSANDRA_HOLD_MS * 1000) /* a seed claims nothing */
        return RDL_OK;
    for (rdl_cassandra_wait w = {0};; at = rdl_monotonic_us()) {
        rdl_code rc = rdl_cassandra_progress_read(s, s->table->name, &now, err);
        if (rc == RDL_OK)
            break;
        if (!rdl_cassandra_again(s, &w, err))
            return rc;
        *err = (rdl_err){0};
    }
    if (!same(&now, &s->table->progress))
        return refuse(s, &m, &now, err);
    s->held_us = at;
    rdl_cassandra_late_forget(s);
    return RDL_OK;
}

static void put_finish(rdl_cql_writer *w, const move *m)
{
    rdl_cql_put_int(w, m->after.epoch);
    rdl_cql_put_int(w, m->after.write_us);
    put_text(w, m->table);
    put_text(w, m->before.root);
    rdl_cql_put_int(w, m->before.epoch);
    rdl_cql_put_int(w, m->before.target);
    rdl_cql_put_int(w, m->before.write_us);
    put_text(w, m->before.holder);
}

rdl_code rdl_cassandra_progress_finish(rdl_cassandra *s, rdl_cassandra_table *t, rdl_err *err)
{
    move m = {.table = t->name, .before = t->progress, .after = t->progress, .put = put_finish};
    m.after.epoch = m.after.target;
    if (s->write_us > m.after.write_us)
        m.after.write_us = s->write_us;
    RDL_TRY(prepare(s, "UPDATE ",
                    " SET epoch = ?, write_us = ? WHERE table_name = ? IF root = ? AND "
                    "epoch = ? AND target = ? AND write_us = ? AND holder = ?",
                    &s->finish, err));
    m.st = s->finish;
    RDL_TRY(carry_out(s, &m, err));
    t->progress = m.after;
    return RDL_OK;
}
