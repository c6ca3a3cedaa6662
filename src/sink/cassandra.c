/*
 * sink/cassandra.c - published tables in Cassandra, or what speaks its protocol.
 *
 * A batch of changes is no transaction here: rows of many partitions appear one by one.  What
 * holds instead:
 *
 *   claim   a lightweight transaction says in raudal_progress that we write (from, to], at which
 *           timestamp (cassandra_progress.c)
 *   rows    removals and upserts, each with that timestamp, until every one is acknowledged
 *           at the table's consistency (cassandra_write.c)
 *   finish  a second one moves epoch to `to`
 *
 * A process that dies in between leaves a claim that is not finished.  The next one claims
 * (from, to'], to' >= to, and writes the newest state of every key that those epochs touched, so
 * what the lost attempt wrote is written again, written over or removed (sink_unfinished: also a
 * key that came and went within those epochs): nothing of it stays that does not belong there.  A
 * zombie, whose claim was overtaken, writes no row once it could know (O1), who took its tables
 * removes old rows only after that (O4), and what it sent later it takes back itself (O5).  What
 * nothing can take back is a row that a node still holds for a replica, or that a zombie sent which
 * then died, under a key that a republication has found absent; verify finds it.
 *
 * A table under ownership of another root, ahead of the journal or behind its oldest segment is
 * treated as every store's (stream/apply.c).
 *
 * INVARIANTS  O1-O5 in cassandra_progress.c, W1-W8 in cassandra_write.c; tests:
 * tests/services/cassandra_*.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "sink/cassandra_internal.h"

enum {
    LIVE_LIST_GAP_US = 1000 * 1000, /* room for the attempts of W6 */
};

/* ---- failures ---- */

static const char *hint_for(const rdl_cql_error *e)
{
    switch (e->code) {
    case RDL_CQL_E_BAD_CREDENTIALS:
        return "Give user and password in the URL: cassandra://user:password@host/keyspace.";
    case RDL_CQL_E_UNAUTHORIZED:
        return "Grant this role SELECT and MODIFY on the keyspace (and CREATE if it should make "
               "tables), or let somebody who may run `raudal provision`.";
    case RDL_CQL_E_UNAVAILABLE:
        return "Too few replicas are up for this consistency; rows are sent again when they are.";
    case RDL_CQL_E_READ_FAILURE:
        return "A node gives up on a read that meets too many removed rows, its log says so: let it "
               "forget them sooner (WITH (gc_grace_seconds = 3600), ALTER TABLE), and compact.";
    case RDL_CQL_E_NO_HOST:
        return "Is the store up, and is the datacentre's name right (?datacentre=...)?";
    default:
        return NULL;
    }
}

bool rdl_cassandra_again(const rdl_cassandra *s, rdl_cassandra_wait *w, const rdl_err *err)
{
    enum { PAUSE_MS = 50, DOUBLED = 5 };
    int64_t now = rdl_monotonic_us();
    if (w->since_us == 0)
        w->since_us = now;
    if ((err->flags & RDL_ERR_RETRY) == 0 || now - w->since_us > s->patience_us)
        return false;
    rdl_sleep_ms((int64_t)PAUSE_MS << (w->turns < DOUBLED ? w->turns : DOUBLED));
    w->turns++;
    return true;
}

rdl_code rdl_cassandra_fail(const rdl_cassandra *s, rdl_code rc, rdl_err *err, const char *fmt, ...)
{
    char what[300];
    va_list ap;
    const rdl_err own = *err;
    const rdl_cql_error *e = s->session != NULL ? rdl_cql_last_error(s->session) : NULL;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    rdl_err_set(err, rc, own.flags, "could not %s in Cassandra %s: %s", what, s->where, own.msg);
    const char *hint = e != NULL ? hint_for(e) : NULL;
    if (own.hint[0] != '\0')
        rdl_err_hint(err, "%s", own.hint);
    else if (hint != NULL)
        rdl_err_hint(err, "%s", hint);
    return rdl_err_area(rc, err, RDL_AREA_SINK);
}

static rdl_code injected(const rdl_cassandra *s, int number, rdl_err *err)
{
    rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not write Cassandra %s: %s", s->where,
                strerror(number));
    return rdl_err_area(RDL_EIO, err, RDL_AREA_SINK);
}

/* ---- opening ---- */

static void sink_close(rdl_sink *sink);

static rdl_code sink_open(const rdl_sink_config *config, rdl_sink **out, rdl_err *err)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[16];
    rdl_cassandra *s = calloc(1, sizeof *s); /* allow: a connection, freed by sink_close */
    if (s == NULL)
        return rdl_err_nomem(err);
    s->sink.ops = &rdl_sink_cassandra;
    rdl_arena_init(&s->arena, 0);
    rdl_cql_config_init(&s->config);
    s->root_uuid = rdl_arena_strdup(&s->arena, config->root_uuid);
    s->adopt = config->adopt && !config->read_only;
    s->read_only = config->read_only;
    (void)rdl_random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        s->holder[2 * i] = digits[random[i] >> 4];
        s->holder[2 * i + 1] = digits[random[i] & 15];
    }
    rdl_code rc = rdl_cassandra_read_url(s, config->url, config->root_dir, err);
    if (rc == RDL_OK && (rc = rdl_cql_open(&s->config, &s->session, err)) != RDL_OK)
        rc = rdl_cassandra_fail(s, rc, err, "open a connection");
    if (rc != RDL_OK) {
        sink_close(&s->sink);
        return rdl_err_in(rc, err, "sink cassandra");
    }
    *out = &s->sink;
    return RDL_OK;
}

static void sink_abort(rdl_sink *sink)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    rdl_err ignored = {0};
    if (s->table == NULL)
        return;
    (void)!rdl_cql_drain(s->session, &ignored); /* answers know their slots */
    rdl_cassandra_withdraw(s, NULL);
    rdl_cassandra_slots_free(s);
    s->table = NULL;
}

static void sink_close(rdl_sink *sink)
{
    if (sink == NULL)
        return;
    rdl_cassandra *s = rdl_cassandra_of(sink);
    rdl_cql_close(s->session);
    rdl_cassandra_slots_free(s);
    rdl_buf_fini(&s->scratch);
    rdl_buf_fini(&s->failed_row);
    rdl_arena_fini(&s->arena);
    free(s); /* allow: see sink_open */
}

/* ---- begin, commit ---- */

/*
 * The timestamp of the batch.  That of its epoch's plan, so that a lost attempt and the next
 * write the same; later than every claim before (W4, O3).  A republication is later than now
 * too: what somebody else wrote since is replaced.
 */
static int64_t choose_time(const rdl_cassandra_table *t, const rdl_sink_batch *b)
{
    const rdl_cassandra_progress *p = &t->progress;
    int64_t us = b->write_us, least = p->write_us + 2;
    bool again = p->target == b->to_epoch && p->target != p->epoch;
    if (t->live_list)
        least = p->write_us + LIVE_LIST_GAP_US;
    else if (again && !b->whole)
        least = p->write_us;
    if (b->whole && us < rdl_now_us(&rdl_clock_system))
        us = rdl_now_us(&rdl_clock_system);
    if (b->whole && us < t->foreign_us + 2)
        us = t->foreign_us + 2;
    return us > least ? us : least;
}

static bool sink_unfinished(rdl_sink *sink, const rdl_sink_table *table)
{
    const rdl_cassandra_table *t = rdl_cassandra_table_named(rdl_cassandra_of(sink), table->name);
    return t != NULL && t->progress.target != t->progress.epoch;
}

static void begin_counting(rdl_cassandra *s)
{
    s->failed = RDL_OK;
    s->failure = (rdl_err){0};
    s->overtaken = false;
    s->rows = s->requests = s->attempts = 0;
    s->seeded = 0;
    s->round = s->trouble = 0;
    s->round_latency_us = 0;
    s->progress_us = rdl_monotonic_us();
    if (s->limit == 0)
        s->limit = 64;
    if (s->limit > s->table->in_flight)
        s->limit = s->table->in_flight;
    rdl_cql_in_flight_limit(s->session, s->limit);
}

static rdl_code refuse_moved(const rdl_cassandra *s, const rdl_cassandra_table *t,
                             const rdl_sink_batch *b, rdl_err *err)
{
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "could not write table \"%s\" of Cassandra %s: it is at epoch %" PRId64
                ", not at %" PRId64,
                t->name, s->where, t->progress.epoch, b->from_epoch);
    rdl_err_hint(err, "One root writes a table; see who else runs, or run with --adopt.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

static rdl_code claim(rdl_cassandra *s, const rdl_sink_batch *b, rdl_err *err)
{
    rdl_cassandra_table *t = s->table;
    bool rows = false;
    bool lost = t->progress.target != t->progress.epoch && t->progress.target != b->to_epoch;
    if (b->seed) {
        s->same_rows = false;
        s->write_us = b->write_us > 0 ? b->write_us : rdl_now_us(&rdl_clock_system);
        return RDL_OK;
    }
    if (t->progress.epoch != b->from_epoch)
        return refuse_moved(s, t, b, err);
    if (b->whole && t->quiet_us > 0)
        rows = true; /* those that another root may still write */
    else if (b->whole)
        RDL_TRY(rdl_cassandra_has_rows(s, t, &rows, err));
    s->whole = b->whole && rows;
    s->same_rows = b->whole ? !rows : !lost; /* W7 */
    s->write_us = choose_time(t, b);
    return rdl_cassandra_progress_claim(s, t, b->to_epoch, s->write_us, err);
}

static rdl_code sink_begin(rdl_sink *sink, const rdl_sink_table *table, const rdl_sink_batch *b,
                           rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    s->table = rdl_cassandra_table_named(s, table->name);
    if (s->table == NULL)
        return rdl_err_set(err, RDL_EBUG, 0, "table \"%s\" was not prepared", table->name);
    rdl_code rc = rdl_cassandra_look_again(s, table, err);
    if (rc != RDL_OK) {
        s->table = NULL;
        return rdl_err_in(rc, err, "sink cassandra");
    }
    s->whole = false;
    s->from = b->from_epoch;
    s->to = b->seed ? -1 : b->to_epoch;
    begin_counting(s);
    rc = claim(s, b, err);
    int fault = rc == RDL_OK ? RDL_FAULT_AT(SINK_BEFORE_ROWS) : 0;
    if (fault != 0)
        rc = injected(s, fault, err);
    if (rc != RDL_OK)
        sink_abort(sink);
    return rdl_err_in(rc, err, "sink cassandra");
}

/* O5 */
static rdl_code withdrawn(rdl_cassandra *s, rdl_code rc, rdl_err *err)
{
    if (rc != RDL_OK)
        rdl_cassandra_withdraw(s, err);
    return rdl_err_in(rc, err, "sink cassandra");
}

static rdl_code sink_remove(rdl_sink *sink, const rdl_chunk *keys, rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    return withdrawn(s, rdl_cassandra_send_rows(s, keys, RDL_CASSANDRA_REMOVE, err), err);
}

static rdl_code sink_insert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    return withdrawn(s, rdl_cassandra_send_rows(s, rows, RDL_CASSANDRA_INSERT, err), err);
}

static rdl_code sink_upsert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    return withdrawn(s, rdl_cassandra_send_rows(s, rows, RDL_CASSANDRA_UPSERT, err), err);
}

/* O4 */
static void await_quiet(rdl_cassandra_table *t)
{
    int64_t now = rdl_monotonic_us();
    if (t->quiet_us > now)
        rdl_sleep_ms((t->quiet_us - now) / 1000 + 1);
    t->quiet_us = 0;
}

static rdl_code commit(rdl_cassandra *s, rdl_err *err)
{
    RDL_TRY(rdl_cassandra_settle(s, err));
    if (s->whole) {
        int fault = RDL_FAULT_AT(CASSANDRA_OLD_ROWS);
        if (fault != 0)
            return injected(s, fault, err);
        await_quiet(s->table);
        RDL_TRY(rdl_cassandra_remove_old(s, err));
        RDL_TRY(rdl_cassandra_settle(s, err));
    }
    int fault = RDL_FAULT_AT(SINK_BEFORE_COMMIT);
    if (fault != 0)
        return injected(s, fault, err);
    if (s->to < 0)
        return RDL_OK;
    RDL_TRY(rdl_cassandra_look_again(
        s, NULL, err)); /* rows that went into a table that is gone are not there */
    s->write_us += s->table->live_list ? 2 * (int64_t)s->attempts : 0;
    RDL_TRY(rdl_cassandra_progress_finish(s, s->table, err));
    fault = RDL_FAULT_AT(SINK_AFTER_COMMIT); /* the answer is lost, the rows are not */
    return fault != 0 ? injected(s, fault, err) : RDL_OK;
}

static rdl_code sink_commit(rdl_sink *sink, rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    rdl_code rc = withdrawn(s, commit(s, err), err);
    sink_abort(sink);
    return rc;
}

const rdl_sink_ops rdl_sink_cassandra = {
    .kind = "cassandra",
    .open = sink_open,
    .prepare = rdl_cassandra_prepare,
    .unfinished = sink_unfinished,
    .begin = sink_begin,
    .remove = sink_remove,
    .insert = sink_insert,
    .upsert = sink_upsert,
    .commit = sink_commit,
    .abort = sink_abort,
    .provision = rdl_cassandra_provision,
    .scan = rdl_cassandra_scan,
    .served = rdl_cassandra_served,
    .query = rdl_cassandra_query,
    .close = sink_close,
};
