/*
 * cql/session.c - open, drive and close a session.
 *
 * poll is the only place where time passes: it writes what has gathered, waits for sockets,
 * takes answers in, closes what broke, and every 20 ms looks at time limits, pauses and
 * nodes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cql/internal.h"

enum {
    POINTS_MAX = 64,
    ADDRESSES_MAX = 8, /* of one name */
    READY_MAX = 64,
    IDLE_MS = 500,
};

void rdl_cql_config_init(rdl_cql_config *c)
{
    *c = (rdl_cql_config){.port = 9042,
                          .consistency = RDL_CQL_LOCAL_QUORUM,
                          .serial_consistency = RDL_CQL_LOCAL_SERIAL,
                          .connections_per_host = 1,
                          .in_flight_max = 1024,
                          .request_timeout_ms = 12000,
                          .connect_timeout_ms = 5000,
                          .reconnect_min_ms = 100,
                          .reconnect_max_ms = 30000,
                          .retries_max = 5,
                          .frame_bytes_max = 256u << 20};
}

/* ---- Driving ---- */

rdl_code rdl_cql_may_wait(const rdl_cql *s, rdl_err *err)
{
    if (s->in_done > 0)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "could not wait for answers: a completion is running (send from it "
                           "only where there is room)");
    return RDL_OK;
}

static void flush_all(rdl_cql *s)
{
    for (uint32_t i = 0; i < s->hosts_n; i++)
        for (uint32_t k = 0; k < s->hosts[i]->connections_n; k++)
            if (s->hosts[i]->connections[k]->out.n > 0)
                rdl_cql_connection_flush(s->hosts[i]->connections[k]);
}

static bool any_broken(const rdl_cql *s)
{
    for (uint32_t i = 0; i < s->hosts_n; i++)
        for (uint32_t k = 0; k < s->hosts[i]->connections_n; k++)
            if (s->hosts[i]->connections[k]->broken)
                return true;
    return false;
}

static void tick(rdl_cql *s)
{
    int64_t now = rdl_monotonic_us();
    if (now < s->tick_us && !any_broken(s))
        return;
    s->tick_us = now + RDL_CQL_TICK_US;
    rdl_cql_requests_tick(s, now);
    rdl_cql_hosts_tick(s, now);
}

static rdl_code turn(rdl_cql *s, int64_t wait_ms, rdl_err *err)
{
    rdl_ready ready[READY_MAX];
    size_t n = 0;
    flush_all(s);
    RDL_TRY(rdl_poller_wait(s->poller, wait_ms, ready, READY_MAX, &n, err));
    for (size_t i = 0; i < n; i++)
        rdl_cql_connection_ready(ready[i].tag, ready[i].readable, ready[i].writable);
    tick(s);
    rdl_cql_dispatch(s);
    return RDL_OK;
}

rdl_code rdl_cql_poll(rdl_cql *s, int64_t timeout_ms, rdl_err *err)
{
    uint64_t before = s->completions;
    int64_t begin = rdl_monotonic_us();
    RDL_TRY(rdl_cql_may_wait(s, err));
    for (bool first = true;; first = false) {
        int64_t gone = (rdl_monotonic_us() - begin) / 1000;
        int64_t left = timeout_ms < 0 ? IDLE_MS : timeout_ms - gone;
        int64_t most = s->in_flight > 0 || !s->topology_read || s->control == NULL
                           ? RDL_CQL_TICK_US / 1000
                           : IDLE_MS;
        if (!first && left <= 0)
            break;
        RDL_TRY(turn(s, left <= 0 ? 0 : left < most ? left : most, err));
        if (s->completions != before)
            break;
    }
    flush_all(s);
    return RDL_OK;
}

rdl_code rdl_cql_drain(rdl_cql *s, rdl_err *err)
{
    while (s->in_flight > 0)
        RDL_TRY(rdl_cql_poll(s, IDLE_MS, err));
    return RDL_OK;
}

bool rdl_cql_room(const rdl_cql *s)
{
    return s->taken < s->limit;
}

uint32_t rdl_cql_in_flight(const rdl_cql *s)
{
    return s->in_flight;
}

void rdl_cql_in_flight_limit(rdl_cql *s, uint32_t requests)
{
    uint32_t most = s->config.in_flight_max;
    s->limit = requests < 1 ? 1 : requests > most ? most : requests;
}

/* ---- Open ---- */

typedef struct point {
    char host[256];
    uint16_t port;
} point;

static rdl_str trimmed(rdl_str s)
{
    while (s.n > 0 && *s.p == ' ')
        s = (rdl_str){s.p + 1, s.n - 1};
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* Where host ends and ":port" begins, if it does: an address of IPv6 without brackets has many. */
static rdl_str host_of(rdl_str p, rdl_str *out_port)
{
    const char *close = *p.p == '[' ? memchr(p.p, ']', p.n) : NULL, *end = p.p + p.n;
    const char *colon = close != NULL ? close + 1 : memchr(p.p, ':', p.n);
    bool bare =
        close == NULL && colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) != NULL;
    if (colon == NULL || colon == end || bare)
        colon = end;
    *out_port = (rdl_str){colon, (size_t)(end - colon)};
    if (close != NULL)
        return (rdl_str){p.p + 1, (size_t)(close - p.p - 1)};
    return (rdl_str){p.p, (size_t)(colon - p.p)};
}

/* b:9043, [::1]:9042, ::1 */
static rdl_code point_parse(rdl_str p, uint16_t port, point *out, rdl_err *err)
{
    rdl_str after;
    rdl_str host = host_of(p, &after);
    unsigned number = port;
    char text[16], extra = 0;
    if (p.n >= sizeof out->host)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "could not use contact point \"%.60s…\": its name is too long", p.p);
    snprintf(text, sizeof text, "%.*s", (int)after.n, after.p);
    if (after.n > 0 &&
        (sscanf(text, ":%5u%c", &number, &extra) != 1 || number == 0 || number > UINT16_MAX))
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "could not use contact point \"%.*s\": \"%s\" is no port", (int)p.n, p.p,
                           text);
    snprintf(out->host, sizeof out->host, "%.*s", (int)host.n, host.p);
    out->port = (uint16_t)number;
    return RDL_OK;
}

static rdl_code points_parse(const char *text, uint16_t port, point *out, size_t *out_n,
                             rdl_err *err)
{
    *out_n = 0;
    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, ",");
        rdl_str p = trimmed((rdl_str){text, n});
        text += n + (text[n] == ',');
        if (p.n == 0)
            continue;
        if (*out_n == POINTS_MAX)
            return rdl_err_set(err, RDL_EUSAGE, 0,
                               "could not use contact points: more than %d are given", POINTS_MAX);
        RDL_TRY(point_parse(p, port, &out[(*out_n)++], err));
    }
    if (*out_n == 0)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "could not open a session: no contact point is given");
    return RDL_OK;
}

/* One address: until it is ready and has told us the topology, or has failed. */
static rdl_code try_host(rdl_cql *s, rdl_cql_host *h, rdl_err *err)
{
    int64_t end = rdl_monotonic_us() + (int64_t)s->config.connect_timeout_ms * 1000;
    s->trying = h;
    h->last.code = RDL_OK;
    while (!s->topology_read && h->last.code == RDL_OK) {
        RDL_TRY(turn(s, 5, err));
        if (rdl_monotonic_us() > end + (int64_t)s->config.connect_timeout_ms * 1000 &&
            h->last.code == RDL_OK)
            rdl_err_set(&h->last, RDL_ENET, RDL_ERR_RETRY,
                        "could not read the topology from %s within %u ms", h->name,
                        s->config.connect_timeout_ms);
    }
    s->trying = NULL;
    if (s->topology_read)
        return RDL_OK;
    for (uint32_t i = 0; i < h->connections_n; i++)
        rdl_cql_connection_close(h->connections[i]);
    *err = h->last;
    return err->code;
}

static rdl_code try_points(rdl_cql *s, const point *points, size_t n, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < n; i++) {
        rdl_address found[ADDRESSES_MAX];
        size_t found_n = 0;
        rc = rdl_address_resolve(points[i].host, points[i].port, found, ADDRESSES_MAX, &found_n,
                                 err);
        for (size_t k = 0; rc == RDL_OK && k < found_n; k++) {
            rdl_cql_host *h = rdl_cql_host_add(s, &found[k], NULL, err);
            if (h == NULL)
                return err->code;
            memcpy(h->host_name, points[i].host, sizeof h->host_name);
            /* Another node would refuse the same user in the same way. */
            if (try_host(s, h, err) == RDL_OK || err->code == RDL_EREMOTE)
                return s->topology_read ? RDL_OK : err->code;
        }
    }
    return err->code;
}

/* The first of several connections is enough; the others follow while requests go out. */
static rdl_code await_local(rdl_cql *s, rdl_err *err)
{
    int64_t end = rdl_monotonic_us() + (int64_t)s->config.connect_timeout_ms * 1000;
    rdl_buf centres = {0};
    while (s->local_n > 0 && rdl_monotonic_us() < end) {
        for (uint32_t i = 0; i < s->hosts_n; i++)
            if (s->hosts[i]->local && rdl_cql_host_connection(s->hosts[i]) != NULL)
                return RDL_OK;
        RDL_TRY(turn(s, 5, err));
    }
    for (uint32_t i = 0; i < s->hosts_n; i++)
        if (s->hosts[i]->known && strstr(rdl_buf_str(&centres), s->hosts[i]->datacentre) == NULL)
            rdl_buf_printf(&centres, "%s%s", centres.n > 0 ? ", " : "", s->hosts[i]->datacentre);
    if (s->local_n > 0)
        rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY,
                    "could not connect to a node of datacentre \"%s\" within %u ms", s->datacentre,
                    s->config.connect_timeout_ms);
    else
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "could not find a node of datacentre \"%s\": the cluster has %s", s->datacentre,
                    rdl_buf_str(&centres));
    rdl_buf_fini(&centres);
    return err->code;
}

static rdl_code check(const rdl_cql_config *c, rdl_err *err)
{
    const char *bad = NULL;
    if (c->protocol_version != 0 && c->protocol_version != 4 && c->protocol_version != 5)
        bad = "the protocol's version is 4 or 5";
    else if (c->connections_per_host < 1 || c->connections_per_host > RDL_CQL_CONNECTIONS_MAX)
        bad = "connections per host are 1 to 16";
    else if (c->in_flight_max < 1 || c->in_flight_max > RDL_CQL_STREAMS_MAX)
        bad = "requests in flight are 1 to 32768";
    else if (c->frame_bytes_max < 1024 || c->frame_bytes_max > 1u << 30)
        bad = "an answer may have 1 KiB to 1 GiB";
    else if (c->reconnect_min_ms < 1 || c->reconnect_max_ms < c->reconnect_min_ms)
        bad = "the pauses between connections are 1 ms or more, and the longest no shorter";
    else if (c->request_timeout_ms < 1 || c->connect_timeout_ms < 1)
        bad = "time limits are 1 ms or more";
    if (bad != NULL)
        return rdl_err_set(err, RDL_EUSAGE, 0, "could not open a session: %s", bad);
    return RDL_OK;
}

static rdl_code start(rdl_cql *s, rdl_err *err)
{
    rdl_cql_config *c = &s->config;
    rdl_tls_config tls = c->tls_config;
    point points[POINTS_MAX];
    size_t n = 0;
    RDL_TRY(check(c, err));
    RDL_TRY(rdl_poller_new(&s->poller, err));
    if (c->bundle != NULL)
        return rdl_cql_bundle_open(s, err);
    RDL_TRY(points_parse(c->contact_points, c->port, points, &n, err));
    if (c->tls)
        RDL_TRY(rdl_tls_context_new(&tls, &s->tls, err));
    RDL_TRY(try_points(s, points, n, err));
    return await_local(s, err);
}

rdl_code rdl_cql_try_host(rdl_cql *s, rdl_cql_host *h, rdl_err *err)
{
    RDL_TRY(try_host(s, h, err));
    return await_local(s, err);
}

rdl_code rdl_cql_open(const rdl_cql_config *config, rdl_cql **out, rdl_err *err)
{
    rdl_cql *s = calloc(1, sizeof *s); /* allow: a session, freed by close */
    *out = NULL;
    if (s == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&s->arena, 0);
    rdl_arena_init(&s->ring_arena, 0);
    s->config = *config;
    s->config.keyspace = rdl_arena_strdup(&s->arena, config->keyspace);
    s->config.user = rdl_arena_strdup(&s->arena, config->user);
    s->config.password = rdl_arena_strdup(&s->arena, config->password);
    s->config.tls_server_name = rdl_arena_strdup(&s->arena, config->tls_server_name);
    s->config.bundle = rdl_arena_strdup(&s->arena, config->bundle);
    s->limit = config->in_flight_max;
    s->queue_end = &s->queue;
    snprintf(s->datacentre, sizeof s->datacentre, "%s",
             config->datacentre != NULL ? config->datacentre : "");
    if (!rdl_random_bytes(&s->rng, sizeof s->rng))
        s->rng = (uint64_t)rdl_monotonic_us();
    rdl_code rc = start(s, err);
    if (rc != RDL_OK) {
        rdl_err kept = *err; /* close ends what is open and would overwrite it */
        rdl_cql_close(s);
        *err = kept;
        return rc;
    }
    *out = s;
    return RDL_OK;
}

/* ---- Close ---- */

static void end_requests(rdl_cql *s)
{
    for (rdl_cql_request *r = s->all; r != NULL; r = r->all) {
        if (r->state != RDL_CQL_WAITING && r->state != RDL_CQL_SENT)
            continue;
        rdl_cql_error e = {.code = RDL_CQL_E_CLOSED};
        if (r->connection != NULL && r->state == RDL_CQL_SENT)
            r->connection->by_stream[r->stream] = NULL;
        rdl_cql_request_failed(r, &e, NULL);
    }
}

void rdl_cql_close(rdl_cql *s)
{
    if (s == NULL)
        return;
    s->closing = true;
    s->queue = NULL;
    s->queue_end = &s->queue;
    end_requests(s);
    for (uint32_t i = 0; i < s->hosts_n; i++)
        for (uint32_t k = 0; k < s->hosts[i]->connections_n; k++) {
            rdl_cql_connection_close(s->hosts[i]->connections[k]);
            rdl_cql_connection_free(s->hosts[i]->connections[k]);
        }
    for (rdl_cql_request *r = s->all; r != NULL; r = r->all)
        rdl_buf_fini(&r->message);
    rdl_tls_context_free(s->tls);
    rdl_poller_free(s->poller);
    rdl_buf_fini(&s->key);
    rdl_arena_fini(&s->ring_arena);
    rdl_arena_fini(&s->arena);
    free(s); /* allow: see rdl_cql_open */
}

/* ---- What it is doing ---- */

void rdl_cql_stats_get(const rdl_cql *s, rdl_cql_stats *out)
{
    *out = s->stats;
    out->in_flight = s->in_flight;
    out->in_flight_max = s->limit;
    out->protocol_version = s->version;
    for (uint32_t i = 0; i < s->hosts_n; i++) {
        uint32_t ready = 0;
        for (uint32_t k = 0; k < s->hosts[i]->connections_n; k++)
            ready += s->hosts[i]->connections[k]->state == RDL_CQL_READY;
        out->hosts += s->hosts[i]->known;
        out->hosts_up += ready > 0;
        out->connections += ready;
    }
}

const char *rdl_cql_server_version(const rdl_cql *s)
{
    return s->release;
}

const char *rdl_cql_cluster_name(const rdl_cql *s)
{
    return s->cluster;
}

const rdl_cql_error *rdl_cql_last_error(const rdl_cql *s)
{
    return &s->last_error;
}
