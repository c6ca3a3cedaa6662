/*
 * cql/connection.c - one connection: bytes in and out, stream ids, envelopes and segments.
 *
 * Requests are copied into `out` as they are sent and go to the socket when enough of them
 * have gathered or the session is polled; version 5 puts them into segments on the way,
 * version 4 compresses each body.  What came is taken apart in place; only an envelope over
 * several segments and what was compressed is copied.
 *
 * INVARIANTS
 *
 *   X1  A stream id is in free_streams, or by_stream has its request, or by_stream has the
 *       orphan's mark (its answer has not come): never two of these.
 *   X2  wire holds whole segments or envelopes from wire_at on; out holds whole envelopes.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cql/internal.h"

enum { READS_MAX = 16 }; /* of one event, so that one node cannot hold up the others */

const rdl_cql_request rdl_cql_orphan;

/* The caller has seen that one is closed. */
static rdl_cql_connection *slot(const rdl_cql_host *h)
{
    for (uint32_t i = 0; i < h->connections_n; i++)
        if (h->connections[i]->state == RDL_CQL_CLOSED)
            return h->connections[i];
    return NULL;
}

rdl_code rdl_cql_connection_open(rdl_cql_host *h, rdl_err *err)
{
    rdl_cql_connection *c = slot(h);
    rdl_cql *s = c->s;
    c->broken = c->framed = c->lz4 = c->offers_lz4 = c->wants_write = false;
    c->version = 4; /* OPTIONS; what the node offers decides on the rest */
    c->queued = c->wrapped = 0;
    c->in_at = c->wire_at = 0;
    c->deadline_us = rdl_monotonic_us() + (int64_t)s->config.connect_timeout_ms * 1000;
    RDL_TRY(rdl_socket_connect(&h->address, &c->fd, err));
    c->state = RDL_CQL_CONNECTING;
    rdl_code rc = rdl_poller_watch(s->poller, c->fd, false, true, c, err);
    if (rc != RDL_OK) {
        rdl_socket_close(c->fd);
        c->fd = -1;
        c->state = RDL_CQL_CLOSED;
    }
    return rc;
}

const char *rdl_cql_connection_what(const rdl_cql_connection *c, char buf[128])
{
    snprintf(buf, 128, "execute the request on %s", c->host->name);
    return buf;
}

void rdl_cql_connection_break(rdl_cql_connection *c, const rdl_err *why)
{
    if (c->broken || c->state == RDL_CQL_CLOSED)
        return;
    c->broken = true;
    c->why = *why;
}

static void streams_reset(rdl_cql_connection *c)
{
    memset(c->by_stream, 0, c->streams * sizeof *c->by_stream);
    for (uint32_t i = 0; i < c->streams; i++)
        c->free_streams[i] = (uint16_t)(c->streams - 1 - i);
    c->free_n = c->streams;
    c->orphans = 0;
}

void rdl_cql_connection_close(rdl_cql_connection *c)
{
    rdl_cql *s = c->s;
    rdl_cql_request **lost = c->by_stream;
    if (c->state == RDL_CQL_CLOSED)
        return;
    rdl_poller_forget(s->poller, c->fd);
    rdl_tls_free(c->tls);
    rdl_socket_close(c->fd);
    c->tls = NULL;
    c->fd = -1;
    c->state = RDL_CQL_CLOSED;
    if (s->control == c)
        s->control = NULL;
    for (uint32_t i = 0; i < c->streams; i++) {
        rdl_cql_request *r = lost[i];
        lost[i] = NULL;
        if (r == NULL || r == &rdl_cql_orphan)
            continue;
        rdl_cql_error e = {.code = RDL_CQL_E_LOST, .not_executed = r->queued_at > c->wrapped};
        rdl_cql_request_failed(r, &e, &c->why);
    }
    streams_reset(c);
    c->broken = false;
    rdl_buf_clear(&c->out);
    rdl_buf_clear(&c->wire);
    rdl_buf_clear(&c->in);
    rdl_buf_clear(&c->gathered);
}

void rdl_cql_connection_free(rdl_cql_connection *c)
{
    rdl_buf_fini(&c->out);
    rdl_buf_fini(&c->wire);
    rdl_buf_fini(&c->in);
    rdl_buf_fini(&c->gathered);
    rdl_buf_fini(&c->unpacked);
}

/* ---- Out ---- */

static void watch(rdl_cql_connection *c)
{
    rdl_err err;
    bool write = c->wire_at < c->wire.n;
    if (write == c->wants_write)
        return;
    c->wants_write = write;
    if (rdl_poller_watch(c->s->poller, c->fd, true, write, c, &err) != RDL_OK)
        rdl_cql_connection_break(c, &err);
}

/* out into wire, as the version sends it. */
static void wrap(rdl_cql_connection *c)
{
    if (c->wire_at == c->wire.n) {
        rdl_buf_clear(&c->wire);
        c->wire_at = 0;
    }
    if (c->framed) {
        rdl_cql_segments_write(&c->wire, (const uint8_t *)c->out.p, c->out.n, c->lz4);
    } else if (c->lz4) {
        for (size_t at = 0; at < c->out.n;) {
            const uint8_t *p = (const uint8_t *)c->out.p + at;
            size_t n = RDL_CQL_HEADER_BYTES + (size_t)rdl_be32(p + 5);
            rdl_cql_envelope_pack(&c->wire, p, n);
            at += n;
        }
    } else if (c->wire.n == 0) { /* as it is: the buffers change places */
        rdl_buf swap = c->wire;
        c->wire = c->out;
        c->out = swap;
    } else {
        rdl_wire_put_raw(&c->wire, c->out.p, c->out.n);
    }
    rdl_buf_clear(&c->out);
    c->wrapped = c->queued;
}

void rdl_cql_connection_flush(rdl_cql_connection *c)
{
    rdl_err err;
    if (c->broken || c->state < RDL_CQL_IN_OPTIONS)
        return;
    if (c->out.n > 0)
        wrap(c);
    while (c->wire_at < c->wire.n) {
        size_t put = 0, left = c->wire.n - c->wire_at;
        const char *p = c->wire.p + c->wire_at;
        rdl_io io = c->tls != NULL ? rdl_tls_write(c->tls, p, left, &put, &err)
                                   : rdl_socket_write(c->fd, p, left, &put, &err);
        c->s->stats.writes++;
        c->s->stats.bytes_out += put;
        c->wire_at += put;
        if (io == RDL_IO_AGAIN)
            break;
        if (io == RDL_IO_DONE)
            continue;
        if (io == RDL_IO_CLOSED)
            rdl_err_set(&err, RDL_ENET, RDL_ERR_RETRY,
                        "could not write to %s: it closed "
                        "the connection",
                        c->host->name);
        rdl_cql_connection_break(c, &err);
        return;
    }
    watch(c);
}

bool rdl_cql_connection_send(rdl_cql_connection *c, rdl_cql_request *r)
{
    if (c->free_n == 0)
        return false;
    r->stream = c->free_streams[--c->free_n];
    r->connection = c;
    r->state = RDL_CQL_SENT;
    c->by_stream[r->stream] = r;
    rdl_cql_envelope_end(&r->message, 0, (int16_t)r->stream);
    rdl_wire_put_raw(&c->out, r->message.p, r->message.n);
    r->queued_at = c->queued += r->message.n;
    if (c->out.n >= RDL_CQL_FLUSH_BYTES)
        rdl_cql_connection_flush(c);
    return true;
}

void rdl_cql_connection_orphan(rdl_cql_connection *c, rdl_cql_request *r)
{
    rdl_err err;
    c->by_stream[r->stream] = (rdl_cql_request *)(uintptr_t)&rdl_cql_orphan;
    c->orphans++;
    /* A node that said nothing since the request left, or owes half of all, is taken as
     * gone. */
    if (c->last_read_us < r->sent_us || c->orphans > c->streams / 2) {
        rdl_err_set(&err, RDL_ENET, RDL_ERR_RETRY,
                    "could not get answers from %s: none came within the time limit",
                    c->host->name);
        rdl_cql_connection_break(c, &err);
    }
}

/* ---- In ---- */

static rdl_code stream_answer(rdl_cql_connection *c, const rdl_cql_envelope *e, rdl_err *err)
{
    rdl_cql_request *r = NULL;
    if (e->stream < 0 || (uint32_t)e->stream >= c->streams)
        return rdl_err_set(err, RDL_ENET, 0, "could not match an answer: its stream id is %d",
                           e->stream);
    r = c->by_stream[e->stream];
    if (r == NULL)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not match an answer: nothing was asked on stream %d", e->stream);
    c->by_stream[e->stream] = NULL;
    c->free_streams[c->free_n++] = (uint16_t)e->stream;
    if (r == &rdl_cql_orphan)
        c->orphans--;
    else
        rdl_cql_request_answered(r, e);
    return RDL_OK;
}

static rdl_code envelope_in(rdl_cql_connection *c, rdl_cql_envelope *e, rdl_err *err)
{
    if ((e->flags & RDL_CQL_FLAG_COMPRESSED) != 0) {
        /* Version 4 may compress the answer to STARTUP already. */
        if (c->framed || !c->offers_lz4)
            return rdl_err_set(err, RDL_ENET, 0,
                               "could not read an answer: it is compressed unasked");
        RDL_TRY(
            rdl_cql_body_unpack(e->body, e->n, c->s->config.frame_bytes_max, &c->unpacked, err));
        e->body = (const uint8_t *)c->unpacked.p;
        e->n = (uint32_t)c->unpacked.n;
    }
    if (e->stream == RDL_CQL_EVENT_STREAM && e->opcode == RDL_CQL_OP_EVENT)
        return rdl_cql_event(c->s, e, err);
    if (c->state != RDL_CQL_READY)
        return rdl_cql_handshake_answer(c, e, err);
    return stream_answer(c, e, err);
}

/* Envelopes at p; *out_used: the bytes of those that are whole.  Ends early when the
 * connection begins to use segments: what follows is one. */
static rdl_code envelopes_in(rdl_cql_connection *c, const uint8_t *p, size_t n, size_t *out_used,
                             rdl_err *err)
{
    bool framed = c->framed;
    *out_used = 0;
    while (*out_used < n && framed == c->framed) {
        rdl_cql_envelope e;
        size_t used = 0;
        /* Before the version is agreed on, a node may answer in its own. */
        RDL_TRY(rdl_cql_envelope_read(p + *out_used, n - *out_used,
                                      c->state <= RDL_CQL_IN_STARTUP ? 0 : c->version,
                                      c->s->config.frame_bytes_max, &e, &used, err));
        if (used == 0)
            return RDL_OK;
        *out_used += used;
        RDL_TRY(envelope_in(c, &e, err));
    }
    return RDL_OK;
}

static rdl_code segment_in(rdl_cql_connection *c, const rdl_cql_segment *g, rdl_err *err)
{
    const uint8_t *p = g->payload;
    size_t n = g->n, used = 0;
    rdl_buf *to = g->self_contained ? &c->unpacked : &c->gathered;
    if (g->self_contained && c->gathered.n > 0)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not read a segment: the envelope before it is not whole");
    if (g->self_contained)
        rdl_buf_clear(&c->unpacked);
    if (g->unpacked > 0)
        RDL_TRY(rdl_cql_segment_unpack(g, to, err));
    else if (!g->self_contained)
        rdl_wire_put_raw(to, p, n);
    if (g->unpacked > 0 || !g->self_contained) {
        p = (const uint8_t *)to->p;
        n = to->n;
    }
    RDL_TRY(envelopes_in(c, p, n, &used, err));
    if (g->self_contained && used != n)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not read a segment: its last envelope is not whole");
    if (!g->self_contained && used > 0) {
        if (used != n)
            return rdl_err_set(err, RDL_ENET, 0,
                               "could not read a segment: an envelope ends inside of it");
        rdl_buf_clear(&c->gathered);
    }
    return RDL_OK;
}

static rdl_code take_apart(rdl_cql_connection *c, rdl_err *err)
{
    while (c->in_at < c->in.n && !c->broken) {
        const uint8_t *p = (const uint8_t *)c->in.p + c->in_at;
        size_t n = c->in.n - c->in_at, used = 0;
        if (!c->framed) {
            RDL_TRY(envelopes_in(c, p, n, &used, err));
        } else {
            rdl_cql_segment g;
            RDL_TRY(rdl_cql_segment_read(p, n, c->lz4, &g, &used, err));
            if (used > 0)
                RDL_TRY(segment_in(c, &g, err));
        }
        if (used == 0)
            break;
        c->in_at += used;
    }
    return RDL_OK;
}

/* Room for what comes: the rest of the last message moves to the front. */
static void make_room(rdl_cql_connection *c)
{
    if (c->in_at > 0) {
        memmove(c->in.p, c->in.p + c->in_at, c->in.n - c->in_at);
        c->in.n -= c->in_at;
        c->in_at = 0;
    }
    rdl_buf_reserve(&c->in, RDL_CQL_IN_BYTES);
}

static void read_in(rdl_cql_connection *c)
{
    rdl_err err;
    /* TLS keeps bytes that the socket no longer shows: it is read until it has none. */
    for (int i = 0; (i < READS_MAX || c->tls != NULL) && !c->broken; i++) {
        size_t got = 0;
        make_room(c);
        size_t room = c->in.cap - c->in.n - 1;
        char *to = c->in.p + c->in.n;
        rdl_io io = c->tls != NULL ? rdl_tls_read(c->tls, to, room, &got, &err)
                                   : rdl_socket_read(c->fd, to, room, &got, &err);
        c->s->stats.reads++;
        c->s->stats.bytes_in += got;
        if (io == RDL_IO_AGAIN)
            return;
        if (io == RDL_IO_CLOSED)
            rdl_err_set(&err, RDL_ENET, RDL_ERR_RETRY,
                        "could not read from %s: it closed the connection%s", c->host->name,
                        c->in.n + c->gathered.n > 0 ? " in the middle of a message" : "");
        if (io != RDL_IO_DONE) {
            rdl_cql_connection_break(c, &err);
            return;
        }
        c->in.n += got;
        c->last_read_us = rdl_monotonic_us();
        if (take_apart(c, &err) != RDL_OK) {
            rdl_err_in(err.code, &err, "node %s", c->host->name);
            rdl_cql_connection_break(c, &err);
            return;
        }
        if (got < room && c->tls == NULL)
            return; /* the socket is empty */
    }
}

void rdl_cql_connection_ready(rdl_cql_connection *c, bool readable, bool writable)
{
    if (c->broken || c->state == RDL_CQL_CLOSED)
        return;
    if (c->state == RDL_CQL_CONNECTING) {
        if (writable)
            rdl_cql_handshake_connected(c);
        return;
    }
    if (c->state == RDL_CQL_IN_TLS) {
        rdl_cql_handshake_tls(c);
        return;
    }
    if (writable)
        rdl_cql_connection_flush(c);
    if (readable && !c->broken)
        read_in(c);
}
