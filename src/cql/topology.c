/*
 * cql/topology.c - which nodes there are, which of them are ours, and connections to them.
 *
 * One connection (control) is told of changes and asks system.local, system.peers_v2
 * (before Cassandra 4: system.peers) and system_schema.keyspaces; the three answers
 * together are a generation.  A node of our datacentre is connected to at once and again
 * after a growing, jittered pause; a node that left is let go.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cql/internal.h"

enum {
    REFRESH_PAUSE_US = 200000, /* events come in bunches */
    REFRESH_RETRY_US = 1000000,
    WAITED_FOR_MS = 1000,
};

rdl_cql_host *rdl_cql_host_add(rdl_cql *s, const rdl_address *a, const char *server_name,
                               rdl_err *err)
{
    if (s->hosts_n == RDL_CQL_HOSTS_MAX) {
        rdl_err_set(err, RDL_ELIMIT, 0, "could not add a node: %d are known", RDL_CQL_HOSTS_MAX);
        return NULL;
    }
    rdl_cql_host *h = RDL_NEW(&s->arena, rdl_cql_host);
    uint32_t streams = s->config.in_flight_max * 2;
    streams = streams < 256 ? 256 : streams > RDL_CQL_STREAMS_MAX ? RDL_CQL_STREAMS_MAX : streams;
    h->address = *a;
    rdl_address_print(a, h->name);
    snprintf(h->server_name, sizeof h->server_name, "%s", server_name != NULL ? server_name : "");
    h->connections_n = s->config.connections_per_host;
    for (uint32_t i = 0; i < h->connections_n; i++) {
        rdl_cql_connection *c = RDL_NEW(&s->arena, rdl_cql_connection);
        c->s = s;
        c->host = h;
        c->fd = -1;
        c->streams = streams;
        c->by_stream = RDL_NEWN(&s->arena, rdl_cql_request *, streams);
        c->free_streams = RDL_NEWN(&s->arena, uint16_t, streams);
        for (uint32_t k = 0; k < streams; k++)
            c->free_streams[k] = (uint16_t)(streams - 1 - k);
        c->free_n = streams;
        h->connections[i] = c;
    }
    s->hosts[s->hosts_n++] = h;
    return h;
}

rdl_cql_connection *rdl_cql_host_connection(const rdl_cql_host *h)
{
    rdl_cql_connection *best = NULL;
    for (uint32_t i = 0; i < h->connections_n; i++) {
        rdl_cql_connection *c = h->connections[i];
        if (c->state == RDL_CQL_READY && !c->broken && c->free_n > 0 &&
            (best == NULL || c->free_n > best->free_n))
            best = c;
    }
    return best;
}

/* ---- Reading it ---- */

static rdl_cql_value cell(const rdl_cql_result *r, const char *name)
{
    uint32_t i;
    return rdl_cql_column_find(r, name, &i) ? rdl_cql_cell(r, i)
                                            : (rdl_cql_value){.type = NULL, .p = NULL, .n = -1};
}

static void text_cell(const rdl_cql_result *r, const char *name, char *out, size_t bytes)
{
    rdl_cql_value v = cell(r, name);
    rdl_str s;
    rdl_err ignored;
    if (v.n >= 0 && rdl_cql_get_text(v, &s, &ignored) == RDL_OK)
        snprintf(out, bytes, "%.*s", s.n > 1024 ? 1024 : (int)s.n, s.p);
}

static void tokens_cell(rdl_cql *s, const rdl_cql_result *r, rdl_cql_host *h)
{
    rdl_cql_value v = cell(r, "tokens"), item;
    rdl_cql_items it;
    rdl_err ignored;
    h->tokens_n = 0;
    if (v.n < 0 || rdl_cql_items_of(v, &it, &ignored) != RDL_OK)
        return;
    h->tokens = RDL_NEWN(&s->arena, int64_t, it.count + 1u);
    while (rdl_cql_items_next(&it, NULL, &item)) {
        rdl_str text;
        int64_t token = 0;
        char digits[24];
        if (rdl_cql_get_text(item, &text, &ignored) != RDL_OK || text.n >= sizeof digits)
            continue;
        memcpy(digits, text.p, text.n);
        digits[text.n] = '\0';
        if (sscanf(digits, "%ld", &token) == 1)
            h->tokens[h->tokens_n++] = token;
    }
}

static void describe(rdl_cql *s, const rdl_cql_result *r, rdl_cql_host *h)
{
    rdl_cql_value id = cell(r, "host_id");
    text_cell(r, "data_center", h->datacentre, sizeof h->datacentre);
    text_cell(r, "rack", h->rack, sizeof h->rack);
    if (id.n == 16)
        memcpy(h->id, id.p, 16);
    tokens_cell(s, r, h);
    h->generation = s->generation;
}

static rdl_cql_host *find(rdl_cql *s, const rdl_address *a, const char *server_name)
{
    for (uint32_t i = 0; i < s->hosts_n; i++) {
        rdl_cql_host *h = s->hosts[i];
        if (server_name[0] != '\0' ? strcmp(h->server_name, server_name) == 0
                                   : rdl_address_eq(&h->address, a))
            return h;
    }
    return NULL;
}

/* A peer's row; one that does not say where it listens is no use yet. */
static void peer_row(rdl_cql *s, const rdl_cql_result *r)
{
    rdl_cql_value at = cell(r, "native_address"), port = cell(r, "native_port");
    rdl_address a = {0};
    rdl_err ignored;
    int64_t number = s->config.port;
    char server_name[64] = "";
    if (at.n < 0)
        at = cell(r, "rpc_address");
    if (s->config.bundle != NULL) { /* all nodes are behind the proxy, told apart by id */
        rdl_buf id = {0};
        a = s->control->host->address;
        if (cell(r, "host_id").n < 0 || rdl_cql_print(cell(r, "host_id"), &id, &ignored) != RDL_OK)
            return;
        snprintf(server_name, sizeof server_name, "%s", rdl_buf_str(&id));
        rdl_buf_fini(&id);
    } else {
        if (at.n < 0 || rdl_cql_get_inet(at, &a, &ignored) != RDL_OK)
            return;
        if (port.n >= 0 && rdl_cql_get_int(port, &number, &ignored) != RDL_OK)
            return;
        a.port = (uint16_t)number;
    }
    rdl_cql_host *h = find(s, &a, server_name);
    if (h == NULL)
        h = rdl_cql_host_add(s, &a, server_name, &ignored);
    if (h != NULL)
        describe(s, r, h);
}

static void apply_generation(rdl_cql *s)
{
    rdl_err left;
    s->local_n = 0;
    for (uint32_t i = 0; i < s->hosts_n; i++) {
        rdl_cql_host *h = s->hosts[i];
        h->known = h->generation == s->generation;
        h->local = h->known && strcmp(h->datacentre, s->datacentre) == 0;
        s->local_n += h->local;
        for (uint32_t k = 0; k < h->connections_n && !h->known; k++) {
            rdl_err_set(&left, RDL_ENET, RDL_ERR_RETRY, "node %s left the cluster", h->name);
            rdl_cql_connection_break(h->connections[k], &left);
        }
    }
    rdl_cql_ring_build(s);
    s->topology_read = true;
}

static void part_is_in(rdl_cql *s, bool ok)
{
    s->topology_failed |= !ok;
    if (--s->refresh_left > 0)
        return;
    s->topology_reading = false;
    if (s->topology_failed)
        s->refresh_us = rdl_monotonic_us() + REFRESH_RETRY_US;
    else
        apply_generation(s);
}

static bool ask(rdl_cql *s, const char *text, rdl_cql_done *done);

static void old_peers_are_in(void *arg, const rdl_cql_answer *a)
{
    rdl_cql *s = arg;
    while (a->code == RDL_OK && s->control != NULL && rdl_cql_next(a->result))
        peer_row(s, a->result);
    part_is_in(s, a->code == RDL_OK);
}

static void peers_are_in(void *arg, const rdl_cql_answer *a)
{
    rdl_cql *s = arg;
    if (a->code != RDL_OK && a->error->code == RDL_CQL_E_INVALID && s->control != NULL &&
        ask(s, "SELECT * FROM system.peers", old_peers_are_in))
        return;
    old_peers_are_in(arg, a);
}

static void keyspaces_are_in(void *arg, const rdl_cql_answer *a)
{
    rdl_cql *s = arg;
    rdl_arena_reset(&s->ring_arena);
    s->replications = NULL;
    s->ring = NULL;
    s->replications_n = s->ring_n = 0;
    while (a->code == RDL_OK && rdl_cql_next(a->result)) {
        rdl_cql_value name = cell(a->result, "keyspace_name");
        rdl_cql_replication_add(s,
                                (rdl_str){(const char *)name.p, (size_t)(name.n > 0 ? name.n : 0)},
                                cell(a->result, "replication"));
    }
    part_is_in(s, a->code == RDL_OK);
}

/* The datacentre's name is needed to read how a keyspace is replicated there: its turn is after. */
static void local_is_in(void *arg, const rdl_cql_answer *a)
{
    rdl_cql *s = arg;
    bool ok = a->code == RDL_OK && s->control != NULL && rdl_cql_next(a->result);
    if (ok) {
        rdl_cql_host *h = s->control->host;
        describe(s, a->result, h);
        text_cell(a->result, "cluster_name", s->cluster, sizeof s->cluster);
        text_cell(a->result, "release_version", s->release, sizeof s->release);
        if (s->datacentre[0] == '\0')
            snprintf(s->datacentre, sizeof s->datacentre, "%s", h->datacentre);
        ask(s, "SELECT keyspace_name, replication FROM system_schema.keyspaces", keyspaces_are_in);
    } else {
        part_is_in(s, false); /* nor will the keyspaces */
    }
    part_is_in(s, ok);
}

static bool ask(rdl_cql *s, const char *text, rdl_cql_done *done)
{
    rdl_cql_request *r = rdl_cql_request_take(s, true);
    r->pinned = s->control;
    r->done = done;
    r->arg = s;
    rdl_cql_message_query(r, text);
    rdl_cql_request_enqueue(r);
    return true;
}

void rdl_cql_topology_refresh(rdl_cql *s)
{
    if (s->control == NULL)
        return;
    if (s->topology_reading) {
        s->refresh_us = rdl_monotonic_us() + REFRESH_PAUSE_US;
        return;
    }
    rdl_cql_request *watch = rdl_cql_request_take(s, true);
    watch->pinned = s->control;
    rdl_cql_message_register(watch);
    rdl_cql_request_enqueue(watch);
    s->topology_reading = true;
    s->topology_failed = false;
    s->refresh_us = 0;
    s->refresh_left = 3;
    s->generation++;
    ask(s, "SELECT * FROM system.local WHERE key = 'local'", local_is_in);
    ask(s, "SELECT * FROM system.peers_v2", peers_are_in);
}

/* ---- Events ---- */

rdl_code rdl_cql_event(rdl_cql *s, const rdl_cql_envelope *e, rdl_err *err)
{
    rdl_wire w = {e->body, e->n, false};
    rdl_str kind = rdl_wire_string(&w), change = rdl_wire_string(&w);
    bool keyspace = false;
    if (rdl_str_eq(kind, RDL_STR("SCHEMA_CHANGE"))) {
        keyspace = rdl_str_eq(rdl_wire_string(&w), RDL_STR("KEYSPACE"));
        s->stats.schema_version++;
    } else {
        rdl_address a;
        rdl_wire_inet(&w, &a);
        rdl_cql_host *h = w.bad ? NULL : find(s, &a, "");
        if (h != NULL && rdl_str_eq(change, RDL_STR("UP")))
            h->next_attempt_us = 0;
    }
    if (w.bad)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not understand an event: its %u bytes end early", e->n);
    if (keyspace || !rdl_str_eq(kind, RDL_STR("SCHEMA_CHANGE")))
        s->refresh_us = rdl_monotonic_us() + REFRESH_PAUSE_US;
    return RDL_OK;
}

/* ---- Connections ---- */

static void pause_after(rdl_cql *s, rdl_cql_host *h, int64_t now)
{
    const rdl_cql_config *f = &s->config;
    h->pause_ms = h->pause_ms == 0 ? f->reconnect_min_ms : h->pause_ms * 2;
    uint32_t most = f->reconnect_max_ms;
    if (s->queue != NULL && most > WAITED_FOR_MS) /* somebody waits for a node, maybe this one */
        most = WAITED_FOR_MS > f->reconnect_min_ms ? WAITED_FOR_MS : f->reconnect_min_ms;
    if (h->pause_ms > most)
        h->pause_ms = most;
    /* Between three quarters and five quarters of it, so that clients do not come in step.
     */
    int64_t pause = (int64_t)h->pause_ms * 1000;
    h->next_attempt_us =
        now + pause * 3 / 4 + (int64_t)(rdl_rng_next(&s->rng) % (uint64_t)(pause / 2 + 1));
}

static void keep_connected(rdl_cql *s, rdl_cql_host *h, int64_t now)
{
    rdl_err err;
    for (uint32_t i = 0; i < h->connections_n && now >= h->next_attempt_us; i++) {
        if (h->connections[i]->state != RDL_CQL_CLOSED)
            continue;
        if (rdl_cql_connection_open(h, &err) != RDL_OK) {
            h->last = err;
            pause_after(s, h, now);
        }
    }
}

void rdl_cql_hosts_tick(rdl_cql *s, int64_t now)
{
    rdl_err late;
    for (uint32_t i = 0; i < s->hosts_n; i++) {
        rdl_cql_host *h = s->hosts[i];
        for (uint32_t k = 0; k < h->connections_n; k++) {
            rdl_cql_connection *c = h->connections[k];
            if (c->state != RDL_CQL_CLOSED && c->state != RDL_CQL_READY && now > c->deadline_us) {
                rdl_err_set(&late, RDL_ENET, RDL_ERR_RETRY, "could not connect to %s within %u ms",
                            h->name, s->config.connect_timeout_ms);
                rdl_cql_connection_break(c, &late);
            }
            if (c->broken) {
                h->last = c->why;
                rdl_cql_connection_close(c);
                pause_after(s, h, now);
            }
            if (s->control == NULL && c->state == RDL_CQL_READY && !s->closing) {
                s->control = c;
                rdl_cql_topology_refresh(s);
            }
        }
        if (!s->closing && (s->topology_read ? h->local : h == s->trying))
            keep_connected(s, h, now);
    }
    if (s->refresh_us != 0 && now >= s->refresh_us)
        rdl_cql_topology_refresh(s);
}
