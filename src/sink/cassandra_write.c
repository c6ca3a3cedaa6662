/*
 * sink/cassandra_write.c - rows on their way: requests, answers, further attempts.
 *
 *   chunk --encode--> slot (rows of one partition) --send--> in flight --acknowledged--> free
 *                       ^                                        |
 *                       +------------ retry <---- overload, timeout, lost connection
 *
 * A slot keeps its rows encoded until they are acknowledged at the table's consistency, so a
 * store that is slow or away for a while slows us down and loses nothing.  How many slots are
 * in flight follows the answers: a quarter more after a round of good ones, half after trouble.
 * After `patience` without one acknowledgement the batch is given up as a whole, to be sent
 * again by a later begin.
 *
 * INVARIANTS
 *
 *   W1  settle returns RDL_OK only when every row given since begin was acknowledged.
 *   W2  Every cell of a batch carries the batch's write_us, fixed by the claim: sent twice, or in
 *       another order, the store ends up the same.
 *   W3  Removals carry write_us - 1: at equal times Cassandra lets the removal win, so a key that
 *       one batch removes and writes would be gone.
 *   W4  A batch's write_us is at least 2 more than that of the batch before: a removal, and the
 *       tombstone that a rewritten live collection leaves, both at write_us - 1, cannot touch
 *       what is written now, and cover all of what was written before.
 *   W5  The old rows of a republication are removed at write_us - 1, after the new ones are
 *       there: readers see old or new rows, never a gap (cassandra_old.c).
 *   W6  The elements of a live list have names that the server invents, so the same write twice
 *       would double them: each attempt of such a table has a later time of its own.
 *   W7  A null is left unset only in a row whose key the store has not: of a key that an
 *       unfinished attempt may have written, nulls are written.
 *   W8  Of a seed's rows each has a later time than the one before: a key that it names twice ends
 *       as the last says.  (In a batch of changes a key comes once.)
 */
#include "sink/cassandra_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"

enum {
    LIMIT_FIRST = 64,
    LIMIT_LEAST = 2,
    SLOW_US = 250 * 1000, /* a mean answer time that more requests in flight cannot better */
    PAUSE_MIN_MS = 20,
    PAUSE_MAX_MS = 5000,
    BATCH_ROWS = 100,
    SEED_STEP_US = 2, /* less than a row takes, so that the next loading is later still */
};

/* ---- slots ---- */

rdl_cassandra_slot *rdl_cassandra_slot_take(rdl_cassandra *s, rdl_cassandra_kind kind)
{
    rdl_cassandra_slot *slot = s->free;
    if (slot != NULL)
        s->free = slot->next;
    else
        slot = calloc(1, sizeof *slot); /* allow: kept with the sink, see slots_free */
    if (slot == NULL)
        return NULL;
    rdl_buf rows = slot->rows, ends = slot->ends;
    *slot = (rdl_cassandra_slot){.s = s, .kind = kind, .rows = rows, .ends = ends};
    rdl_buf_clear(&slot->rows);
    rdl_buf_clear(&slot->ends);
    return slot;
}

void rdl_cassandra_slot_give_back(rdl_cassandra *s, rdl_cassandra_slot *slot)
{
    slot->next = s->free;
    s->free = slot;
}

static void free_list(rdl_cassandra_slot *slot)
{
    while (slot != NULL) {
        rdl_cassandra_slot *next = slot->next;
        rdl_buf_fini(&slot->rows);
        rdl_buf_fini(&slot->ends);
        free(slot); /* allow: see take_slot */
        slot = next;
    }
}

void rdl_cassandra_slots_free(rdl_cassandra *s)
{
    free_list(s->free);
    free_list(s->retry);
    free_list(s->late);
    s->free = s->retry = s->late = NULL;
    s->retry_count = 0;
}

static void put_back(rdl_cassandra *s, rdl_cassandra_slot *slot)
{
    slot->attempts++;
    slot->next = s->retry;
    s->retry = slot;
    s->retry_count++;
    s->trouble++;
}

/* ---- answers ---- */

rdl_cql_statement *rdl_cassandra_statement(const rdl_cassandra *s, rdl_cassandra_kind kind)
{
    return kind == RDL_CASSANDRA_REMOVE ? s->table->remove : s->table->insert;
}

rdl_str rdl_cassandra_slot_row(const rdl_cassandra_slot *slot, size_t i)
{
    const uint32_t *ends = (const uint32_t *)(const void *)slot->ends.p;
    uint32_t from = i > 0 ? ends[i - 1] : 0;
    return (rdl_str){slot->rows.p + from, ends[i] - from};
}

/* The bind's value in an encoded row. */
rdl_cql_value rdl_cassandra_row_value(rdl_str row, const rdl_cql_statement *st, uint32_t bind)
{
    rdl_cql_value v = {.type = rdl_cql_bind_at(st, bind)->type, .n = -1};
    const uint8_t *p = (const uint8_t *)row.p;
    for (uint32_t i = 0; i <= bind; i++) {
        v.n = (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
        v.p = p + 4;
        p = v.p + (v.n > 0 ? v.n : 0);
    }
    return v;
}

/* At most n bytes of a text, and no half letter. */
static size_t cut_at(const rdl_buf *b, size_t n)
{
    if (b->n <= n)
        return b->n;
    while (n > 0 && ((unsigned char)b->p[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* Which row it was, for people: its key, or where a batch of rows begins. */
static void say_row(rdl_cassandra *s, const rdl_cassandra_slot *slot)
{
    enum { SHOWN = 40 };
    const rdl_cql_statement *st = rdl_cassandra_statement(s, slot->kind);
    rdl_buf *out = &s->failed_row, value = {0};
    rdl_err ignored;
    rdl_buf_clear(out);
    if (slot->count > 1)
        rdl_buf_printf(out, "%zu rows from ", slot->count);
    for (size_t i = 0; i < s->table->key_count; i++) {
        uint32_t bind = (uint32_t)(slot->kind == RDL_CASSANDRA_REMOVE ? i : s->table->key[i]);
        rdl_buf_clear(&value);
        if (rdl_cql_print(rdl_cassandra_row_value(rdl_cassandra_slot_row(slot, 0), st, bind),
                          &value, &ignored) != RDL_OK)
            rdl_buf_puts(&value, "?");
        size_t n = cut_at(&value, SHOWN);
        rdl_buf_printf(out, "%s%s = %.*s%s", i > 0 ? ", " : "", s->table->columns[s->table->key[i]],
                       (int)n, rdl_buf_str(&value), n < value.n ? "…" : "");
    }
    rdl_buf_fini(&value);
}

static void failed_for_good(rdl_cassandra *s, const rdl_cassandra_slot *slot, rdl_code rc,
                            const rdl_err *err)
{
    if (s->failed != RDL_OK)
        return;
    s->failed = rc;
    s->failure = *err;
    say_row(s, slot);
}

static void answered(void *arg, const rdl_cql_answer *answer)
{
    rdl_cassandra_slot *slot = arg;
    rdl_cassandra *s = slot->s;
    s->round++;
    s->round_latency_us += answer->latency_us;
    if (answer->code == RDL_OK) {
        s->rows += slot->count;
        s->progress_us = rdl_monotonic_us();
        rdl_cassandra_late_answer(s, slot);
    } else if (answer->error != NULL ? answer->error->transient
                                     : (answer->err->flags & RDL_ERR_RETRY) != 0) {
        s->failure = *answer->err; /* what to say when patience ends */
        put_back(s, slot);
    } else {
        failed_for_good(s, slot, answer->code, answer->err);
        rdl_cassandra_late_answer(s, slot);
    }
}

/* Additive upwards, by half downwards, once a round. */
static void adapt(rdl_cassandra *s)
{
    uint32_t most = s->table->in_flight, now = s->limit;
    if (s->trouble > 0)
        now = now / 2 > LIMIT_LEAST ? now / 2 : LIMIT_LEAST;
    else if (s->round < s->limit)
        return;
    else if (s->round_latency_us / s->round > SLOW_US)
        now = now * 7 / 8 > LIMIT_LEAST ? now * 7 / 8 : LIMIT_LEAST;
    else
        now = now + now / 4 + 1;
    s->round = s->trouble = 0;
    s->round_latency_us = 0;
    now = now < most ? now : most;
    if (now == s->limit)
        return;
    s->limit = now;
    rdl_cql_in_flight_limit(s->session, now);
}

/* ---- requests ---- */

int64_t rdl_cassandra_slot_time(const rdl_cassandra_slot *slot)
{
    int64_t at = slot->s->write_us;
    if (slot->kind == RDL_CASSANDRA_REMOVE) /* W3 */
        at -= 1;
    else if (slot->s->table->live_list) /* W6 */
        at += 2 * (int64_t)slot->attempts;
    return at + slot->later_us;
}

static rdl_cql_options options_of(const rdl_cassandra *s, const rdl_cassandra_slot *slot)
{
    return (rdl_cql_options){
        .consistency = s->table->consistency,
        .timestamp_us = rdl_cassandra_slot_time(slot),
        .idempotent = !s->table->live_list || slot->kind == RDL_CASSANDRA_REMOVE,
    };
}

static rdl_code begin_request(rdl_cassandra *s, const rdl_cassandra_slot *slot,
                              rdl_cql_request **out, rdl_err *err)
{
    const rdl_cql_options options = options_of(s, slot);
    rdl_cql_statement *st = rdl_cassandra_statement(s, slot->kind);
    if (slot->count == 1) {
        RDL_TRY(rdl_cql_begin(s->session, st, &options, out, err));
        rdl_cql_values_row(*out, rdl_cassandra_slot_row(slot, 0));
        return RDL_OK;
    }
    RDL_TRY(rdl_cql_begin_batch(s->session, RDL_CQL_UNLOGGED, &options, out, err));
    for (size_t i = 0; i < slot->count; i++)
        rdl_cql_batch_add_row(*out, st, rdl_cassandra_slot_row(slot, i));
    return RDL_OK;
}

rdl_code rdl_cassandra_slot_send(rdl_cassandra *s, rdl_cassandra_slot *slot, rdl_err *err)
{
    rdl_cql_request *q = NULL;
    rdl_err own = {0};
    if (s->table->live_list && slot->attempts > 0)
        s->attempts = slot->attempts > s->attempts ? slot->attempts : s->attempts;
    rdl_code rc = begin_request(s, slot, &q, &own);
    if (rc == RDL_OK) {
        s->requests++;
        rc = rdl_cql_send(q, answered, slot, &own);
    }
    if (rc == RDL_OK)
        return RDL_OK;
    s->failure = own;
    if ((own.flags & RDL_ERR_RETRY) != 0) {
        put_back(s, slot);
        return RDL_OK;
    }
    rdl_cassandra_slot_give_back(s, slot);
    *err = own;
    return rc;
}

static rdl_code given_up(rdl_cassandra *s, rdl_err *err)
{
    *err = s->failure;
    err->flags |= RDL_ERR_RETRY;
    rdl_code rc = err->code != RDL_OK ? err->code : RDL_ENET;
    rdl_cassandra_fail(s, rc, err, "write table \"%s\"", s->table->name);
    if (err->hint[0] == '\0')
        rdl_err_hint(err, "Nothing is lost: the rows are sealed and are sent again by the next "
                          "run.  Is the store up, with enough replicas?");
    return rc;
}

static rdl_code check_failed(rdl_cassandra *s, rdl_err *err)
{
    if (s->failed == RDL_OK)
        return RDL_OK;
    *err = s->failure;
    return rdl_cassandra_fail(s, s->failed, err, "write table \"%s\" (%s)", s->table->name,
                              rdl_buf_str(&s->failed_row));
}

rdl_code rdl_cassandra_pause(rdl_cassandra *s, unsigned attempts, rdl_err *err)
{
    int64_t ms = attempts < 8 ? (int64_t)PAUSE_MIN_MS << attempts : PAUSE_MAX_MS;
    int64_t until = rdl_monotonic_us() + ms * 1000, now;
    while ((now = rdl_monotonic_us()) < until) {
        rdl_err own = {0};
        rdl_code rc = rdl_cql_poll(s->session, (until - now) / 1000 + 1, &own);
        if (rc != RDL_OK && (own.flags & RDL_ERR_RETRY) == 0) {
            *err = own;
            return rdl_cassandra_fail(s, rc, err, "write table \"%s\"", s->table->name);
        }
        if (rc != RDL_OK)
            rdl_sleep_ms(PAUSE_MIN_MS);
    }
    return RDL_OK;
}

/* What has to be sent again goes before anything new. */
static rdl_code send_again(rdl_cassandra *s, rdl_err *err)
{
    while (s->retry != NULL) {
        RDL_TRY(check_failed(s, err));
        if (rdl_monotonic_us() - s->progress_us > s->patience_us)
            return given_up(s, err);
        adapt(s);
        RDL_TRY(rdl_cassandra_pause(s, s->retry->attempts, err));
        RDL_TRY(rdl_cassandra_progress_hold(s, err));
        for (size_t n = s->retry_count < s->limit ? s->retry_count : s->limit; n > 0; n--) {
            rdl_cassandra_slot *slot = s->retry;
            s->retry = slot->next;
            s->retry_count--;
            RDL_TRY(rdl_cassandra_slot_send(s, slot, err));
        }
        rdl_err own = {0};
        rdl_code rc = rdl_cql_drain(s->session, &own);
        if (rc != RDL_OK && (own.flags & RDL_ERR_RETRY) == 0) {
            *err = own;
            return rdl_cassandra_fail(s, rc, err, "write table \"%s\"", s->table->name);
        }
    }
    return RDL_OK;
}

/* The slot is taken, also on failure. */
static rdl_code send(rdl_cassandra *s, rdl_cassandra_slot *slot, rdl_err *err)
{
    rdl_code rc = s->retry != NULL ? send_again(s, err) : RDL_OK;
    if (rc == RDL_OK)
        rc = rdl_cassandra_progress_hold(s, err);
    if (rc != RDL_OK) {
        rdl_cassandra_slot_give_back(s, slot);
        return rc;
    }
    adapt(s);
    RDL_TRY(rdl_cassandra_slot_send(s, slot, err));
    return check_failed(s, err);
}

rdl_code rdl_cassandra_settle(rdl_cassandra *s, rdl_err *err)
{
    do {
        rdl_err own = {0};
        rdl_code rc = rdl_cql_drain(s->session, &own);
        if (rc != RDL_OK && (own.flags & RDL_ERR_RETRY) == 0) {
            *err = own;
            return rdl_cassandra_fail(s, rc, err, "write table \"%s\"", s->table->name);
        }
        RDL_TRY(send_again(s, err));
    } while (rdl_cql_in_flight(s->session) > 0 || s->retry != NULL);
    return check_failed(s, err);
}

/* ---- statements ---- */

static void put_where(rdl_buf *b, const rdl_cassandra_table *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(b, i > 0 ? " AND " : " WHERE ");
        rdl_cql_put_ident(b, rdl_str_of(t->columns[t->key[i]]));
        rdl_buf_puts(b, " = ?");
    }
}

/* As long as the rows would, a node that is away is waited for. */
static rdl_code prepare(rdl_cassandra *s, const rdl_buf *cql, rdl_cql_statement **out, rdl_err *err)
{
    for (rdl_cassandra_wait w = {0}; *out == NULL;) {
        rdl_code rc = rdl_cql_prepare(s->session, rdl_buf_str(cql), out, err);
        if (rc == RDL_OK || !rdl_cassandra_again(s, &w, err))
            return rc;
        *err = (rdl_err){0};
    }
    return RDL_OK;
}

rdl_code rdl_cassandra_make_statements(rdl_cassandra *s, rdl_err *err)
{
    rdl_cassandra_table *t = s->table;
    rdl_buf cql = {0};
    if (t->insert != NULL && t->remove != NULL)
        return RDL_OK;
    rdl_buf_puts(&cql, "INSERT INTO ");
    rdl_cassandra_put_table(s, &cql, t->name);
    for (size_t i = 0; i < t->column_count; i++) {
        rdl_buf_puts(&cql, i > 0 ? ", " : " (");
        rdl_cql_put_ident(&cql, rdl_str_of(t->columns[i]));
    }
    for (size_t i = 0; i < t->column_count; i++)
        rdl_buf_puts(&cql, i > 0 ? ", ?" : ") VALUES (?");
    rdl_buf_putc(&cql, ')');
    rdl_code rc = prepare(s, &cql, &t->insert, err);
    rdl_buf_clear(&cql);
    rdl_buf_puts(&cql, "DELETE FROM ");
    rdl_cassandra_put_table(s, &cql, t->name);
    put_where(&cql, t, t->key_count);
    if (rc == RDL_OK)
        rc = prepare(s, &cql, &t->remove, err);
    rdl_buf_fini(&cql);
    return rc == RDL_OK
               ? RDL_OK
               : rdl_cassandra_fail(s, rc, err, "prepare the statements of table \"%s\"", t->name);
}

/* ---- rows of a chunk, partition by partition ---- */

typedef struct place {
    uint64_t partition; /* a hash: two that share one may share a batch, which is no harm */
    uint32_t row;
} place;

static int by_partition(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static uint64_t partition_of(rdl_cassandra *s, const rdl_chunk *rows, rdl_cassandra_kind kind,
                             size_t row)
{
    rdl_buf *b = &s->scratch;
    rdl_buf_clear(b);
    for (size_t i = 0; i < s->table->partition_key_count; i++) {
        const rdl_vector *v = &rows->v[rdl_cassandra_column(s, kind, i)];
        if (v->type->kind == RDL_TYPE_TEXT || v->type->kind == RDL_TYPE_BLOB) {
            rdl_str text = rdl_vector_str(v, row);
            rdl_buf_put(b, &text.n, sizeof text.n);
            rdl_buf_put(b, text.p, text.n);
        } else {
            rdl_vector_print(v, row, b);
            rdl_buf_putc(b, '\n');
        }
    }
    return rdl_hash64(b->p, b->n);
}

static bool batches(const rdl_cassandra *s)
{
    return s->to >= 0 && s->table->batch_bytes > 0 &&
           s->table->partition_key_count < s->table->key_count;
}

static rdl_code encode(rdl_cassandra *s, rdl_cassandra_slot *slot, const rdl_chunk *rows,
                       size_t row, rdl_err *err)
{
    RDL_TRY(rdl_cassandra_encode(s, slot->kind, rows, row, &slot->rows, err));
    uint32_t end = (uint32_t)slot->rows.n;
    rdl_buf_put(&slot->ends, &end, sizeof end);
    slot->count++;
    return RDL_OK;
}

/* Servers refuse batches of more than some size: the row that makes it one begins the next. */
static rdl_code split(rdl_cassandra *s, rdl_cassandra_slot **slot, rdl_err *err)
{
    rdl_cassandra_slot *full = *slot, *next = rdl_cassandra_slot_take(s, full->kind);
    if (next == NULL)
        return rdl_err_nomem(err);
    rdl_str last = rdl_cassandra_slot_row(full, full->count - 1);
    uint32_t end = (uint32_t)last.n;
    rdl_buf_put(&next->rows, last.p, last.n);
    rdl_buf_put(&next->ends, &end, sizeof end);
    next->count = 1;
    full->rows.n -= last.n;
    full->ends.n -= sizeof end;
    full->count--;
    *slot = next;
    return send(s, full, err);
}

static rdl_code send_places(rdl_cassandra *s, const rdl_chunk *rows, rdl_cassandra_kind kind,
                            const place *places, rdl_err *err)
{
    rdl_cassandra_slot *slot = NULL;
    rdl_code rc = RDL_OK;
    bool together = batches(s);
    for (size_t i = 0; i < rows->rows && rc == RDL_OK; i++) {
        bool joins = slot != NULL && together && slot->count < BATCH_ROWS &&
                     slot->rows.n < s->table->batch_bytes &&
                     places[i].partition == places[i - 1].partition;
        if (!joins && slot != NULL) {
            rc = send(s, slot, err);
            slot = NULL;
        }
        if (rc == RDL_OK && slot == NULL && (slot = rdl_cassandra_slot_take(s, kind)) == NULL)
            rc = rdl_err_nomem(err);
        if (rc == RDL_OK && s->to < 0)
            slot->later_us = ++s->seeded * SEED_STEP_US;
        if (rc == RDL_OK)
            rc = encode(s, slot, rows, places[i].row, err);
        if (rc == RDL_OK && slot->count > 1 && slot->rows.n > s->table->batch_bytes)
            rc = split(s, &slot, err);
    }
    if (slot != NULL && rc == RDL_OK)
        return send(s, slot, err);
    if (slot != NULL)
        rdl_cassandra_slot_give_back(s, slot);
    return rc;
}

rdl_code rdl_cassandra_send_rows(rdl_cassandra *s, const rdl_chunk *rows, rdl_cassandra_kind kind,
                                 rdl_err *err)
{
    place places[RDL_VECTOR_ROWS];
    RDL_TRY(rdl_cassandra_make_statements(s, err));
    int fault = RDL_FAULT_AT(CASSANDRA_ROWS);
    if (fault != 0)
        return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY, "could not write table \"%s\": %s",
                           s->table->name, strerror(fault));
    bool together = batches(s);
    for (size_t i = 0; i < rows->rows; i++)
        places[i] = (place){together ? partition_of(s, rows, kind, i) : i, (uint32_t)i};
    if (together)
        qsort(places, rows->rows, sizeof *places, by_partition);
    return send_places(s, rows, kind, places, err);
}

rdl_code rdl_cassandra_remove_key(rdl_cassandra *s, const rdl_str *key, rdl_err *err)
{
    rdl_cql_writer w;
    rdl_cassandra_slot *slot = rdl_cassandra_slot_take(s, RDL_CASSANDRA_REMOVE);
    if (slot == NULL)
        return rdl_err_nomem(err);
    rdl_cql_row_begin(&w, s->table->remove, &slot->rows, err);
    for (size_t i = 0; i < s->table->key_count; i++)
        rdl_cql_put_raw(&w, key[i]);
    rdl_code rc = rdl_cql_row_end(&w);
    if (rc != RDL_OK) {
        rdl_cassandra_slot_give_back(s, slot);
        return rdl_cassandra_fail(s, rc, err, "remove old rows of table \"%s\"", s->table->name);
    }
    uint32_t end = (uint32_t)slot->rows.n;
    rdl_buf_put(&slot->ends, &end, sizeof end);
    slot->count = 1;
    return send(s, slot, err);
}
