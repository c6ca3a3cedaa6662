/*
 * cql/dispatch.c - where a request goes, and what happens after each attempt.
 *
 * A request with a token goes to the least busy connected replica, any other (and one whose
 * replicas are all away) to the nodes of the datacentre in turn.  Where none is connected
 * it waits until its time limit.
 *
 * Another attempt is made after: a lost connection, a time limit of the server's, a server
 * error, overload, unavailability, bootstrapping - if nothing was executed or the request
 * is idempotent (Q3), while attempts and time are left.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cql/internal.h"

enum { RETRY_PAUSE_US = 10000, RETRY_DOUBLINGS_MAX = 6 };

/* ---- Choosing ---- */

static rdl_cql_connection *replica(rdl_cql *s, const rdl_cql_request *r)
{
    const uint16_t *hosts = NULL;
    rdl_cql_connection *best = NULL;
    uint32_t n = rdl_cql_replicas(s, r->keyspace, r->token, &hosts);
    for (uint32_t i = 0; i < n; i++) {
        if (hosts[i] == UINT16_MAX || s->hosts[hosts[i]] == r->avoid)
            continue;
        rdl_cql_connection *c = rdl_cql_host_connection(s->hosts[hosts[i]]);
        if (c != NULL && (best == NULL || c->free_n > best->free_n))
            best = c;
    }
    return best;
}

static rdl_cql_connection *in_turn(rdl_cql *s, const rdl_cql_host *avoid)
{
    for (uint32_t i = 0; i < s->hosts_n; i++) {
        s->turn = s->turn + 1 < s->hosts_n ? s->turn + 1 : 0;
        rdl_cql_host *h = s->hosts[s->turn];
        if (!h->local || h == avoid)
            continue;
        rdl_cql_connection *c = rdl_cql_host_connection(h);
        if (c != NULL)
            return c;
    }
    return NULL;
}

static rdl_cql_connection *choose(rdl_cql *s, rdl_cql_request *r)
{
    rdl_cql_connection *c = r->pinned;
    if (c != NULL && c->state == RDL_CQL_READY && !c->broken)
        return c->free_n > 0 ? c : NULL;
    if (r->internal && c != NULL)
        return NULL;
    r->pinned = NULL;
    c = r->has_token ? replica(s, r) : NULL;
    if (c == NULL)
        c = in_turn(s, r->avoid);
    if (c == NULL && r->avoid != NULL)
        c = in_turn(s, NULL);
    return c;
}

static bool try_send(rdl_cql *s, rdl_cql_request *r)
{
    rdl_cql_connection *c = choose(s, r);
    if (c == NULL || !rdl_cql_connection_send(c, r))
        return false;
    r->attempts++;
    return true;
}

void rdl_cql_request_enqueue(rdl_cql_request *r)
{
    rdl_cql *s = r->s;
    uint32_t limit_ms =
        r->options.timeout_ms > 0 ? r->options.timeout_ms : s->config.request_timeout_ms;
    if (r->state == RDL_CQL_BUILDING) {
        r->sent_us = rdl_monotonic_us();
        r->deadline_us = r->sent_us + (int64_t)limit_ms * 1000;
    }
    r->state = RDL_CQL_WAITING;
    if (s->queue == NULL && r->not_before_us == 0 && try_send(s, r))
        return;
    r->next = NULL;
    *s->queue_end = r;
    s->queue_end = &r->next;
}

static void unlink_from_queue(rdl_cql *s, rdl_cql_request *r)
{
    for (rdl_cql_request **at = &s->queue; *at != NULL; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            if (*at == NULL)
                s->queue_end = at;
            return;
        }
    for (rdl_cql_request *p = s->all; p != NULL; p = p->all)
        for (rdl_cql_request **at = &p->waiters; *at != NULL; at = &(*at)->next)
            if (*at == r) {
                *at = r->next;
                return;
            }
}

void rdl_cql_dispatch(rdl_cql *s)
{
    int64_t now = s->queue != NULL ? rdl_monotonic_us() : 0;
    rdl_cql_request **at = &s->queue;
    while (*at != NULL) {
        rdl_cql_request *r = *at;
        rdl_cql_connection *pin = r->pinned;
        if (r->internal && pin != NULL && (pin->state != RDL_CQL_READY || pin->broken)) {
            rdl_cql_error e = {.code = RDL_CQL_E_LOST, .not_executed = true};
            unlink_from_queue(s, r);
            rdl_cql_request_failed(r, &e, NULL);
            at = &s->queue; /* done may have changed the queue */
            continue;
        }
        rdl_cql_request *next = r->next;
        if (r->not_before_us <= now && try_send(s, r)) {
            *at = next;
            if (next == NULL)
                s->queue_end = at;
        } else {
            at = &r->next;
        }
    }
}

/* ---- Ends ---- */

void rdl_cql_request_finish(rdl_cql_request *r, const rdl_cql_answer *answer)
{
    rdl_cql *s = r->s;
    rdl_cql_answer a = *answer;
    rdl_cql_done *done = r->done;
    void *arg = r->arg;
    a.latency_us = rdl_monotonic_us() - r->sent_us;
    if (!r->internal) {
        s->in_flight--;
        s->stats.answers++;
        s->stats.errors += a.code != RDL_OK;
    }
    s->completions++;
    /* First, so that done may begin another. */
    rdl_cql_request_release(r);
    if (done == NULL)
        return;
    s->in_done++;
    done(arg, &a);
    s->in_done--;
}

static bool may_retry(const rdl_cql_request *r, const rdl_cql_error *e, int64_t now)
{
    const rdl_cql *s = r->s;
    bool worth = e->transient && e->code != RDL_CQL_E_TIMEOUT && e->code != RDL_CQL_E_TRUNCATE &&
                 e->code != RDL_CQL_E_READ_FAILURE && e->code != RDL_CQL_E_WRITE_FAILURE;
    return worth && (e->not_executed || r->options.idempotent) && !s->closing &&
           r->attempts <= s->config.retries_max && now < r->deadline_us &&
           !(r->internal && r->pinned != NULL);
}

void rdl_cql_request_failed(rdl_cql_request *r, rdl_cql_error *e, const rdl_err *why)
{
    rdl_cql *s = r->s;
    rdl_err err;
    int64_t now = rdl_monotonic_us();
    bool surely = e->not_executed;
    char what[128] = "execute the request";
    rdl_cql_error_judge(e);
    e->not_executed |= surely;
    if (r->connection != NULL) {
        snprintf(e->host, sizeof e->host, "%s", r->connection->host->name);
        (void)rdl_cql_connection_what(r->connection, what);
        r->avoid = r->connection->host;
    }
    r->connection = NULL;
    if (may_retry(r, e, now)) {
        unsigned doublings = r->attempts < RETRY_DOUBLINGS_MAX ? r->attempts : RETRY_DOUBLINGS_MAX;
        int64_t pause = (int64_t)RETRY_PAUSE_US << doublings;
        if (e->code != RDL_CQL_E_LOST)
            r->not_before_us = now + pause / 2 + (int64_t)(rdl_rng_next(&s->rng) % (uint64_t)pause);
        s->stats.retries++;
        rdl_cql_request_enqueue(r);
        return;
    }
    if (why != NULL && e->message[0] == '\0')
        snprintf(e->message, sizeof e->message, "%.500s", why->msg);
    rdl_cql_error_tell(e, what, &err);
    rdl_cql_request_finish(r, &(rdl_cql_answer){.code = err.code, .error = e, .err = &err});
}

static void answer_is_bad(rdl_cql_request *r, const rdl_err *why)
{
    rdl_cql_error e = {.code = RDL_CQL_E_ANSWER};
    rdl_cql_connection_break(r->connection, why);
    rdl_cql_request_failed(r, &e, why);
}

/* ---- Prepared statements that a node does not know ---- */

static bool same_binds(const rdl_cql_metadata *a, const rdl_cql_metadata *b)
{
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (!rdl_cql_type_eq(a->columns[i].type, b->columns[i].type))
            return false;
    return true;
}

/* The same statement, for the same binds?  Then the requests that wait can go as they are.
 */
static bool still_fits(rdl_cql_statement *st, const rdl_cql_answer *a)
{
    rdl_arena arena;
    rdl_cql_prepared p;
    rdl_wire w = a->result->rest;
    bool fits = false;
    rdl_arena_init(&arena, 0);
    if (a->result->kind == RDL_CQL_PREPARED &&
        rdl_cql_prepared_read(&w, &arena, st->session->version, &p))
        fits = rdl_str_eq(p.id, st->id) && same_binds(&p.binds, &st->binds);
    if (fits && !rdl_str_eq(p.result_id, st->result_id))
        st->result_id = (rdl_str){
            rdl_arena_strndup(&st->session->arena, p.result_id.p, p.result_id.n), p.result_id.n};
    rdl_arena_fini(&arena);
    return fits;
}

typedef struct prepare_again {
    rdl_cql_statement *statement;
    rdl_cql_connection *connection;
    rdl_cql_request *waiters;
} prepare_again;

static void prepared_again(rdl_cql *s, prepare_again *p, const rdl_cql_answer *a)
{
    bool fits = a->code == RDL_OK && still_fits(p->statement, a);
    rdl_cql_request *next;
    s->stats.reprepared++;
    for (rdl_cql_request *r = p->waiters; r != NULL; r = next) {
        next = r->next;
        if (fits) {
            r->pinned = p->connection;
            rdl_cql_request_enqueue(r);
            continue;
        }
        rdl_cql_error e = {.code = RDL_CQL_E_INVALID, .not_executed = true};
        if (a->code != RDL_OK)
            e = *a->error;
        else
            snprintf(e.message, sizeof e.message,
                     "the table's columns changed since the statement was prepared");
        e.not_executed = true;
        p->statement->stale = true;
        r->connection = p->connection;
        rdl_cql_request_failed(r, &e, a->err);
    }
}

/* Set as the done of a PREPARE; arg is its own request, whose waiters are taken over here.
 */
static void prepare_done(void *arg, const rdl_cql_answer *a)
{
    rdl_cql_request *self = arg;
    prepare_again p = {self->preparing, self->prepared_on, self->waiters};
    self->waiters = NULL;
    self->preparing = NULL;
    prepared_again(self->s, &p, a);
}

static void prepare_and_wait(rdl_cql_request *r, rdl_cql_connection *c, rdl_cql_statement *st)
{
    rdl_cql *s = r->s;
    rdl_cql_request *p;
    for (p = s->all; p != NULL; p = p->all)
        if (p->preparing == st && p->pinned == c && p->state != RDL_CQL_FREE)
            break;
    r->state = RDL_CQL_WAITING;
    r->not_before_us = 0;
    r->connection = NULL;
    if (p == NULL) {
        p = rdl_cql_request_take(s, true);
        p->pinned = p->prepared_on = c;
        p->preparing = st;
        p->done = prepare_done;
        p->arg = p;
        rdl_cql_message_prepare(p, st->text);
        r->next = NULL;
        p->waiters = r;
        rdl_cql_request_enqueue(p);
        return;
    }
    r->next = p->waiters;
    p->waiters = r;
}

static rdl_cql_statement *by_id(rdl_cql *s, const rdl_cql_error *e)
{
    rdl_str id = {(const char *)e->statement_id, e->statement_id_bytes};
    for (rdl_cql_statement *st = s->statements; st != NULL; st = st->next)
        if (rdl_str_eq(st->id, id))
            return st;
    return NULL;
}

/* ---- Answers ---- */

static void error_in(rdl_cql_request *r, const rdl_cql_envelope *envelope)
{
    rdl_cql_error e;
    rdl_err why;
    if (!rdl_cql_error_read(envelope, r->s->version, &e)) {
        rdl_err_set(&why, RDL_ENET, 0, "could not understand an error: its %u bytes end early",
                    envelope->n);
        answer_is_bad(r, &why);
        return;
    }
    rdl_cql_statement *st = e.code == RDL_CQL_E_UNPREPARED ? by_id(r->s, &e) : NULL;
    if (st != NULL && r->attempts <= r->s->config.retries_max)
        prepare_and_wait(r, r->connection, st);
    else
        rdl_cql_request_failed(r, &e, NULL);
}

/* The caller keeps the result: a copy of the body, and what asks for the next page. */
static rdl_code own_result(rdl_cql_request *r, const rdl_cql_envelope *envelope, rdl_err *err)
{
    rdl_cql_result *own = calloc(1, sizeof *own); /* allow: freed by rdl_cql_result_free */
    rdl_cql_envelope copy = *envelope;
    if (own == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&own->arena, 0);
    own->session = r->s;
    rdl_buf_put(&own->body, envelope->body, envelope->n);
    copy.body = (const uint8_t *)own->body.p;
    rdl_code rc = rdl_cql_result_read(own, &copy, err);
    if (rc != RDL_OK) {
        rdl_cql_result_free(own);
        return rc;
    }
    if (own->metadata.more_pages) {
        rdl_buf_put(&own->request, r->message.p, r->tail_at);
        own->parameters_at = r->parameters_at;
        own->options = r->options;
        own->statement = r->statement;
    }
    *r->owned_out = own;
    return RDL_OK;
}

void rdl_cql_request_answered(rdl_cql_request *r, const rdl_cql_envelope *envelope)
{
    rdl_cql_result result = {.session = r->s};
    rdl_err err;
    if (envelope->opcode == RDL_CQL_OP_ERROR) {
        error_in(r, envelope);
        return;
    }
    bool plain = envelope->opcode == RDL_CQL_OP_READY; /* the answer to REGISTER */
    if (!plain && envelope->opcode != RDL_CQL_OP_RESULT) {
        rdl_err_set(&err, RDL_ENET, 0, "could not understand an answer: opcode 0x%02x is no result",
                    envelope->opcode);
        answer_is_bad(r, &err);
        return;
    }
    if (r->owned_out != NULL) {
        rdl_code rc = own_result(r, envelope, &err);
        if (rc == RDL_OK)
            rdl_cql_request_finish(r, &(rdl_cql_answer){.code = RDL_OK});
        else
            answer_is_bad(r, &err);
        return;
    }
    rdl_arena_init(&result.arena, 0);
    if (!plain && rdl_cql_result_read(&result, envelope, &err) != RDL_OK)
        answer_is_bad(r, &err);
    else
        rdl_cql_request_finish(r, &(rdl_cql_answer){.code = RDL_OK, .result = &result});
    rdl_arena_fini(&result.arena);
}

/* ---- Time ---- */

static void time_is_over(rdl_cql_request *r)
{
    rdl_cql *s = r->s;
    bool sent = r->state == RDL_CQL_SENT;
    rdl_cql_error e = {.code = sent || r->attempts > 0 ? RDL_CQL_E_TIMEOUT : RDL_CQL_E_NO_HOST};
    const rdl_err *why = NULL;
    for (uint32_t i = 0; i < s->hosts_n && !sent; i++)
        if (s->hosts[i]->local && s->hosts[i]->last.code != RDL_OK)
            why = &s->hosts[i]->last;
    s->stats.timeouts++;
    if (sent)
        rdl_cql_connection_orphan(r->connection, r);
    else
        unlink_from_queue(s, r);
    rdl_cql_request_failed(r, &e, why);
}

void rdl_cql_requests_tick(rdl_cql *s, int64_t now)
{
    for (rdl_cql_request *r = s->all; r != NULL; r = r->all)
        if ((r->state == RDL_CQL_SENT || r->state == RDL_CQL_WAITING) && now > r->deadline_us)
            time_is_over(r);
}
