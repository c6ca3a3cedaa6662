/*
 * cql/request.c - requests: their slots, and messages written where they are sent from.
 *
 * A slot keeps its buffers when it is free, so that a request in the steady state allocates
 * nothing.  Message layouts are in message.h.
 */
#include "cql/internal.h"
#include "cql/value.h"
#include "cql/writer.h"

enum {
    FLAG_VALUES = 0x01,
    FLAG_PAGE_SIZE = 0x04,
    FLAG_PAGING_STATE = 0x08,
    FLAG_SERIAL = 0x10,
    FLAG_TIMESTAMP = 0x20,
    PAGE_ROWS = 5000,
    KEEP_BYTES = 1 << 16, /* a free slot does not hold on to more */
    BATCH_MAX = 65535,
};

rdl_cql_request *rdl_cql_request_take(rdl_cql *s, bool internal)
{
    rdl_cql_request **list = internal ? &s->free_internal : &s->free;
    rdl_cql_request *r = *list;
    if (r == NULL) {
        r = RDL_NEW(&s->arena, rdl_cql_request);
        r->s = s;
        r->internal = internal;
        r->all = s->all;
        s->all = r;
    } else {
        *list = r->next;
    }
    rdl_buf_clear(&r->message);
    r->next = NULL;
    r->state = RDL_CQL_BUILDING;
    r->is_batch = r->has_token = false;
    r->statement = NULL;
    r->batch_n = 0;
    r->parameters_at = r->values_at = 0;
    r->options = (rdl_cql_options){.idempotent = internal};
    r->done = NULL;
    r->arg = NULL;
    r->attempts = 0;
    r->not_before_us = 0;
    r->avoid = NULL;
    r->pinned = r->connection = NULL;
    r->waiters = NULL;
    r->preparing = NULL;
    r->owned_out = NULL;
    r->writer.failed = RDL_OK;
    if (!internal)
        s->taken++;
    return r;
}

void rdl_cql_request_release(rdl_cql_request *r)
{
    rdl_cql_request **list = r->internal ? &r->s->free_internal : &r->s->free;
    if (r->message.cap > KEEP_BYTES)
        rdl_buf_fini(&r->message);
    r->state = RDL_CQL_FREE;
    r->next = *list;
    *list = r;
    if (!r->internal)
        r->s->taken--;
}

/* ---- Messages ---- */

static void begin(rdl_cql_request *r, uint8_t opcode)
{
    rdl_cql_envelope_begin(&r->message, r->s->version,
                           r->options.tracing ? RDL_CQL_FLAG_TRACING : 0, opcode);
}

static void parameters(rdl_cql_request *r)
{
    r->parameters_at = r->message.n;
    (void)rdl_wire_room(&r->message, r->s->version >= 5 ? 2 + 4 : 2 + 1);
}

void rdl_cql_message_tail(rdl_cql_request *r, rdl_str paging)
{
    const rdl_cql_options *o = &r->options;
    const rdl_cql_config *f = &r->s->config;
    rdl_buf *m = &r->message;
    uint32_t flags = 0;
    bool v5 = r->s->version >= 5;
    rdl_cql_consistency level = o->consistency != 0 ? o->consistency : f->consistency;
    rdl_cql_consistency serial =
        o->serial_consistency != 0 ? o->serial_consistency : f->serial_consistency;
    m->n = r->tail_at;
    if (r->is_batch)
        parameters(r);
    else {
        flags |= FLAG_PAGE_SIZE | (r->statement != NULL ? FLAG_VALUES : 0u);
        rdl_wire_put_int(m, o->page_rows > 0 ? (int32_t)(o->page_rows & INT32_MAX) : PAGE_ROWS);
        if (paging.n > 0) {
            flags |= FLAG_PAGING_STATE;
            rdl_wire_put_bytes(m, paging);
        }
    }
    flags |= FLAG_SERIAL;
    rdl_wire_put_short(m, rdl_cql_consistency_wire(serial));
    if (o->timestamp_us != 0) {
        flags |= FLAG_TIMESTAMP;
        rdl_wire_put_long(m, o->timestamp_us);
    }
    uint8_t *p = (uint8_t *)m->p + r->parameters_at;
    rdl_set_be16(p, rdl_cql_consistency_wire(level));
    if (v5)
        rdl_set_be32(p + 2, flags);
    else
        p[2] = (uint8_t)flags;
}

void rdl_cql_message_query(rdl_cql_request *r, const char *text)
{
    begin(r, RDL_CQL_OP_QUERY);
    rdl_wire_put_bytes(&r->message, rdl_str_of(text));
    parameters(r);
    r->tail_at = r->message.n;
    if (r->internal)
        r->options.consistency = RDL_CQL_ONE;
    rdl_cql_message_tail(r, (rdl_str){NULL, 0});
}

void rdl_cql_message_prepare(rdl_cql_request *r, rdl_str text)
{
    begin(r, RDL_CQL_OP_PREPARE);
    rdl_wire_put_bytes(&r->message, text);
    if (r->s->version >= 5)
        rdl_wire_put_int(&r->message, 0);
}

void rdl_cql_message_register(rdl_cql_request *r)
{
    begin(r, RDL_CQL_OP_REGISTER);
    rdl_wire_put_short(&r->message, 3);
    rdl_wire_put_string(&r->message, RDL_STR("TOPOLOGY_CHANGE"));
    rdl_wire_put_string(&r->message, RDL_STR("STATUS_CHANGE"));
    rdl_wire_put_string(&r->message, RDL_STR("SCHEMA_CHANGE"));
}

/* ---- Begin, values ---- */

static rdl_code take(rdl_cql *s, const rdl_cql_options *options, rdl_cql_request **out,
                     rdl_err *err)
{
    *out = NULL;
    if (s->closing)
        return rdl_err_set(err, RDL_ESTOP, 0, "could not begin a request: the session ends");
    if (!rdl_cql_room(s)) {
        s->stats.waits++;
        RDL_TRY(rdl_cql_may_wait(s, err));
    }
    while (!rdl_cql_room(s))
        RDL_TRY(rdl_cql_poll(s, 1000, err));
    *out = rdl_cql_request_take(s, false);
    if (options != NULL)
        (*out)->options = *options;
    return RDL_OK;
}

static void values_begin(rdl_cql_request *r, const rdl_cql_statement *st)
{
    r->values_n_at = r->message.n;
    rdl_wire_put_short(&r->message, (uint16_t)st->binds.n);
    if (r->values_at == 0) {
        r->values_at = r->message.n;
        r->statement = st;
    }
    rdl_cql_writer_start(&r->writer, st->binds.columns, st->binds.n, &r->message, &r->err);
}

rdl_code rdl_cql_begin(rdl_cql *s, const rdl_cql_statement *st, const rdl_cql_options *options,
                       rdl_cql_request **out, rdl_err *err)
{
    RDL_TRY(take(s, options, out, err));
    rdl_cql_request *r = *out;
    begin(r, RDL_CQL_OP_EXECUTE);
    rdl_wire_put_string(&r->message, st->id);
    if (s->version >= 5)
        rdl_wire_put_string(&r->message, st->result_id);
    parameters(r);
    values_begin(r, st);
    return RDL_OK;
}

rdl_code rdl_cql_begin_batch(rdl_cql *s, rdl_cql_batch kind, const rdl_cql_options *options,
                             rdl_cql_request **out, rdl_err *err)
{
    RDL_TRY(take(s, options, out, err));
    rdl_cql_request *r = *out;
    r->is_batch = true;
    begin(r, RDL_CQL_OP_BATCH);
    rdl_wire_put_byte(&r->message, (uint8_t)kind);
    r->count_at = r->message.n;
    rdl_wire_put_short(&r->message, 0);
    return RDL_OK;
}

rdl_cql_writer *rdl_cql_values(rdl_cql_request *r)
{
    return &r->writer;
}

void rdl_cql_values_row(rdl_cql_request *r, rdl_str row)
{
    rdl_wire_put_raw(&r->message, row.p, row.n);
    r->writer.column = r->writer.column_count;
}

rdl_cql_writer *rdl_cql_batch_add(rdl_cql_request *r, const rdl_cql_statement *st)
{
    if (r->batch_n > 0 && rdl_cql_row_end(&r->writer) != RDL_OK)
        return &r->writer; /* keeps its failure */
    if (r->batch_n == BATCH_MAX) {
        r->writer.failed = rdl_err_set(&r->err, RDL_ELIMIT, 0,
                                       "could not add to a batch: it has %d statements", BATCH_MAX);
        return &r->writer;
    }
    r->batch_n++;
    rdl_wire_put_byte(&r->message, 1);
    rdl_wire_put_string(&r->message, st->id);
    values_begin(r, st);
    return &r->writer;
}

void rdl_cql_batch_add_row(rdl_cql_request *r, const rdl_cql_statement *st, rdl_str row)
{
    if (rdl_cql_batch_add(r, st)->failed == RDL_OK)
        rdl_cql_values_row(r, row);
}

uint32_t rdl_cql_batch_count(const rdl_cql_request *r)
{
    return r->batch_n;
}

size_t rdl_cql_request_bytes(const rdl_cql_request *r)
{
    return r->message.n;
}

void rdl_cql_row_begin(rdl_cql_writer *w, const rdl_cql_statement *st, rdl_buf *out, rdl_err *err)
{
    rdl_cql_writer_start(w, st->binds.columns, st->binds.n, out, err);
}

bool rdl_cql_row_key(const rdl_cql_statement *st, rdl_str row, rdl_buf *out_key)
{
    uint32_t n = st->binds.key_n;
    rdl_buf_clear(out_key);
    for (uint32_t k = 0; k < n; k++) {
        rdl_wire w = {(const uint8_t *)row.p, row.n, false};
        bool null = false;
        for (uint32_t i = 0; i < st->binds.key[k]; i++)
            (void)rdl_wire_bytes(&w, NULL);
        rdl_str part = rdl_wire_bytes(&w, &null);
        if (null || w.bad || (n > 1 && part.n > UINT16_MAX))
            return false;
        if (n > 1)
            rdl_wire_put_short(out_key, (uint16_t)part.n);
        rdl_wire_put_raw(out_key, part.p, part.n);
        if (n > 1)
            rdl_wire_put_byte(out_key, 0);
    }
    return n > 0;
}

/* ---- Send ---- */

static void route(rdl_cql_request *r)
{
    rdl_cql *s = r->s;
    const rdl_cql_statement *st = r->statement;
    if (s->local_n <= 1 || st == NULL || st->binds.key_n == 0)
        return;
    rdl_str row = {r->message.p + r->values_at, r->message.n - r->values_at};
    r->has_token = rdl_cql_row_key(st, row, &s->key);
    if (r->has_token) {
        r->token = rdl_cql_token((rdl_str){s->key.p, s->key.n});
        r->keyspace = st->binds.columns[0].keyspace;
    }
}

rdl_code rdl_cql_send(rdl_cql_request *r, rdl_cql_done *done, void *arg, rdl_err *err)
{
    rdl_cql *s = r->s;
    rdl_code rc = r->writer.failed;
    if (r->is_batch && r->batch_n == 0 && rc == RDL_OK)
        rc = rdl_err_set(&r->err, RDL_EUSAGE, 0, "could not send a batch: it is empty");
    if (rc == RDL_OK && r->values_at != 0)
        rc = rdl_cql_row_end(&r->writer);
    if (rc == RDL_OK && r->message.n > s->config.frame_bytes_max)
        rc = rdl_err_set(&r->err, RDL_ELIMIT, RDL_ERR_POISON,
                         "could not send a request: its %zu bytes are more than %u", r->message.n,
                         s->config.frame_bytes_max);
    if (rc != RDL_OK) {
        *err = r->err;
        rdl_cql_request_release(r);
        return rc;
    }
    r->done = done;
    r->arg = arg;
    if (r->parameters_at == 0 || r->values_at != 0) {
        r->tail_at = r->message.n;
        route(r);
        if (r->is_batch)
            rdl_set_be16((uint8_t *)r->message.p + r->count_at, (uint16_t)r->batch_n);
        rdl_cql_message_tail(r, (rdl_str){NULL, 0});
    }
    s->in_flight++;
    s->stats.requests++;
    rdl_cql_request_enqueue(r);
    return RDL_OK;
}

void rdl_cql_abandon(rdl_cql_request *r)
{
    rdl_cql_request_release(r);
}

rdl_code rdl_cql_query_send(rdl_cql *s, const char *text, const rdl_cql_options *options,
                            rdl_cql_done *done, void *arg, rdl_err *err)
{
    rdl_cql_request *r;
    RDL_TRY(take(s, options, &r, err));
    rdl_cql_message_query(r, text);
    return rdl_cql_send(r, done, arg, err);
}
