/*
 * cql/handshake.c - from a connected socket to a connection that takes requests.
 *
 *   OPTIONS (as version 4, which every node since 2.2 reads)
 *                                       -> SUPPORTED: versions, compression
 *   STARTUP (in the version agreed on)  -> READY, or AUTHENTICATE
 *   AUTH_RESPONSE                       -> AUTH_SUCCESS
 *   QUERY "USE keyspace"                -> RESULT
 *
 * The answer to STARTUP is the last message without segments in version 5.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cql/internal.h"

static void begin(rdl_cql_connection *c, uint8_t opcode)
{
    rdl_cql_envelope_begin(&c->out, c->version, 0, opcode);
}

static void go(rdl_cql_connection *c, rdl_cql_state state)
{
    rdl_cql_envelope_end(&c->out, 0, 0);
    c->queued += c->out.n;
    c->state = state;
    rdl_cql_connection_flush(c);
}

static void ask_options(rdl_cql_connection *c)
{
    rdl_err err;
    if (rdl_poller_watch(c->s->poller, c->fd, true, false, c, &err) != RDL_OK) {
        rdl_cql_connection_break(c, &err);
        return;
    }
    c->state = RDL_CQL_IN_OPTIONS;
    begin(c, RDL_CQL_OP_OPTIONS);
    go(c, RDL_CQL_IN_OPTIONS);
}

void rdl_cql_handshake_connected(rdl_cql_connection *c)
{
    rdl_err err;
    rdl_cql *s = c->s;
    rdl_io io = rdl_socket_connected(c->fd, &err);
    if (io == RDL_IO_AGAIN)
        return;
    if (io != RDL_IO_DONE) {
        rdl_err_in(err.code, &err, "node %s", c->host->name);
        rdl_cql_connection_break(c, &err);
        return;
    }
    if (s->tls == NULL) {
        ask_options(c);
        return;
    }
    char host[RDL_ADDRESS_TEXT_BYTES];
    rdl_address bare = c->host->address;
    bare.port = 0;
    rdl_address_print(&bare, host);
    const char *sni =
        c->host->server_name[0] != '\0' ? c->host->server_name : s->config.tls_server_name;
    const char *name = s->verify_name != NULL              ? s->verify_name
                       : s->config.tls_server_name != NULL ? s->config.tls_server_name
                       : c->host->host_name[0] != '\0'     ? c->host->host_name
                                                           : host;
    if (rdl_tls_new(s->tls, c->fd, name, sni, &c->tls, &err) != RDL_OK) {
        rdl_cql_connection_break(c, &err);
        return;
    }
    c->state = RDL_CQL_IN_TLS;
    rdl_cql_handshake_tls(c);
}

void rdl_cql_handshake_tls(rdl_cql_connection *c)
{
    rdl_err err;
    bool write = false;
    rdl_io io = rdl_tls_handshake(c->tls, &write, &err);
    if (io == RDL_IO_DONE) {
        ask_options(c);
        return;
    }
    if (io == RDL_IO_AGAIN) {
        if (rdl_poller_watch(c->s->poller, c->fd, !write, write, c, &err) == RDL_OK)
            return;
    } else if (io == RDL_IO_CLOSED) {
        rdl_err_set(&err, RDL_ENET, RDL_ERR_RETRY,
                    "could not agree on TLS with %s: it closed the connection", c->host->name);
        rdl_err_hint(&err, "The server may ask for a client certificate, or speak no TLS.");
    }
    rdl_cql_connection_break(c, &err);
}

/* Is `wanted` in the list under this key of a [string multimap]? */
static bool offers(rdl_wire w, const char *key, const char *wanted)
{
    uint16_t n = rdl_wire_short(&w);
    bool found = false;
    for (uint16_t i = 0; i < n && !w.bad; i++) {
        bool here = rdl_str_eq(rdl_wire_string(&w), rdl_str_of(key));
        uint16_t values = rdl_wire_short(&w);
        for (uint16_t k = 0; k < values && !w.bad; k++)
            found |= rdl_str_eq(rdl_wire_string(&w), rdl_str_of(wanted)) && here;
    }
    return found && !w.bad;
}

static rdl_code startup(rdl_cql_connection *c, rdl_wire w, rdl_err *err)
{
    rdl_cql *s = c->s;
    bool four = offers(w, "PROTOCOL_VERSIONS", "4/v4");
    bool five = offers(w, "PROTOCOL_VERSIONS", "5/v5");
    uint32_t asked = s->version != 0 ? s->version : s->config.protocol_version;
    uint32_t version = asked != 0 ? asked : five ? 5 : 4;
    if (version == 5 ? !five : !four && offers(w, "PROTOCOL_VERSIONS", "3/v3"))
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not agree with %s on a version of the CQL protocol: it does "
                           "not offer %u",
                           c->host->name, version);
    c->version = version;
    c->offers_lz4 = s->config.compression == RDL_CQL_LZ4 && offers(w, "COMPRESSION", "lz4");
    begin(c, RDL_CQL_OP_STARTUP);
    rdl_wire_put_short(&c->out, c->offers_lz4 ? 4 : 3);
    rdl_wire_put_string(&c->out, RDL_STR("CQL_VERSION"));
    rdl_wire_put_string(&c->out, RDL_STR("3.0.0"));
    rdl_wire_put_string(&c->out, RDL_STR("DRIVER_NAME"));
    rdl_wire_put_string(&c->out, RDL_STR("raudal"));
    rdl_wire_put_string(&c->out, RDL_STR("DRIVER_VERSION"));
    rdl_wire_put_string(&c->out, RDL_STR(RAUDAL_VERSION));
    if (c->offers_lz4) {
        rdl_wire_put_string(&c->out, RDL_STR("COMPRESSION"));
        rdl_wire_put_string(&c->out, RDL_STR("lz4"));
    }
    go(c, RDL_CQL_IN_STARTUP);
    return RDL_OK;
}

static void ready(rdl_cql_connection *c)
{
    rdl_cql *s = c->s;
    c->state = RDL_CQL_READY;
    s->version = c->version;
    c->host->pause_ms = 0;
    if (s->control == NULL) {
        s->control = c;
        rdl_cql_topology_refresh(s);
    }
}

static void use_keyspace(rdl_cql_connection *c)
{
    rdl_buf text = {0};
    if (c->s->config.keyspace == NULL) {
        ready(c);
        return;
    }
    rdl_buf_puts(&text, "USE ");
    rdl_cql_put_ident(&text, rdl_str_of(c->s->config.keyspace));
    begin(c, RDL_CQL_OP_QUERY);
    rdl_wire_put_bytes(&c->out, (rdl_str){text.p, text.n});
    rdl_wire_put_short(&c->out, RDL_CQL_ONE);
    if (c->version >= 5)
        rdl_wire_put_int(&c->out, 0);
    else
        rdl_wire_put_byte(&c->out, 0);
    rdl_buf_fini(&text);
    go(c, RDL_CQL_IN_KEYSPACE);
}

static rdl_code authenticate(rdl_cql_connection *c, rdl_str class, rdl_err *err)
{
    const rdl_cql_config *f = &c->s->config;
    if (f->user == NULL || f->password == NULL) {
        rdl_err_set(err, RDL_EREMOTE, 0,
                    "could not log in to %s: it asks for a user and a password (%.*s)",
                    c->host->name, class.n > 200 ? 200 : (int)class.n, class.n > 0 ? class.p : "");
        return rdl_err_hint(err, "Set the user and the password of the connection.");
    }
    size_t user = strlen(f->user), password = strlen(f->password);
    begin(c, RDL_CQL_OP_AUTH_RESPONSE);
    rdl_wire_put_int(&c->out, (int32_t)(user + password + 2));
    rdl_wire_put_byte(&c->out, 0);
    rdl_wire_put_raw(&c->out, f->user, user);
    rdl_wire_put_byte(&c->out, 0);
    rdl_wire_put_raw(&c->out, f->password, password);
    go(c, RDL_CQL_IN_AUTH);
    return RDL_OK;
}

/* From the answer to STARTUP on, version 5 has segments. */
static void agreed(rdl_cql_connection *c)
{
    c->framed = c->version >= 5;
    c->lz4 = c->offers_lz4;
}

static rdl_code refused(rdl_cql_connection *c, const rdl_cql_envelope *answer, rdl_err *err)
{
    rdl_cql_error e;
    char what[128];
    if (!rdl_cql_error_read(answer, c->version, &e))
        return rdl_err_set(err, RDL_ENET, 0, "could not understand the refusal of %s",
                           c->host->name);
    snprintf(what, sizeof what, "%s %s",
             c->state == RDL_CQL_IN_KEYSPACE       ? "use the keyspace on"
             : e.code == RDL_CQL_E_BAD_CREDENTIALS ? "log in to"
                                                   : "connect to",
             c->host->name);
    return rdl_cql_error_tell(&e, what, err);
}

rdl_code rdl_cql_handshake_answer(rdl_cql_connection *c, const rdl_cql_envelope *e, rdl_err *err)
{
    rdl_wire w = {e->body, e->n, false};
    if (e->opcode == RDL_CQL_OP_ERROR)
        return refused(c, e, err);
    if (e->stream != 0)
        return rdl_err_set(err, RDL_ENET, 0, "could not connect: an answer came on stream %d",
                           e->stream);
    if (c->state == RDL_CQL_IN_OPTIONS && e->opcode == RDL_CQL_OP_SUPPORTED)
        return startup(c, w, err);
    if (c->state == RDL_CQL_IN_STARTUP && e->opcode == RDL_CQL_OP_READY) {
        agreed(c);
        use_keyspace(c);
        return RDL_OK;
    }
    if (c->state == RDL_CQL_IN_STARTUP && e->opcode == RDL_CQL_OP_AUTHENTICATE) {
        agreed(c);
        return authenticate(c, rdl_wire_string(&w), err);
    }
    if (c->state == RDL_CQL_IN_AUTH && e->opcode == RDL_CQL_OP_AUTH_SUCCESS) {
        use_keyspace(c);
        return RDL_OK;
    }
    if (c->state == RDL_CQL_IN_KEYSPACE && e->opcode == RDL_CQL_OP_RESULT) {
        ready(c);
        return RDL_OK;
    }
    return rdl_err_set(err, RDL_ENET, 0,
                       "could not connect: opcode 0x%02x is no answer to what was asked",
                       e->opcode);
}
