/*
 * tests/unit/cql_cluster_test.c - a session and a cluster of four scripted nodes: three of its own
 * datacentre and one far away, on 127.0.0.1 to 127.0.0.4, each with a quarter of the ring.
 *
 * Each node counts the EXECUTEs whose key is its own by token, and the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cql/cql.h"
#include "cql/message.h"

enum {
    NODES = 4,
    FAR = 3, /* of datacentre "far"; its token lies in the middle of node 1's range */
    CONNECTIONS = 64,
    KEYS = 300,
};

typedef struct connection {
    pthread_t thread;
    int fd, node;
} connection;

typedef struct node {
    int fd;
    pthread_t thread;
    bool up;
    connection connections[CONNECTIONS];
    int connection_count;
    atomic_uint accepted, own, others;
    atomic_bool overloaded; /* each EXECUTE is refused with OVERLOADED */
} node;

static node nodes[NODES];
static const int64_t tokens[NODES] = {-3074457345618258603, 3074457345618258602, INT64_MAX, 0};
static atomic_int hidden;   /* a node that the others do not know, or -1 */
static atomic_int event_fd; /* who asked to be told */
static uint16_t port;
static rdl_err err;

/* ---- what a node says ---- */

static bool get_all(int fd, void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = recv(fd, (char *)p + at, n - at, 0);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static bool answer(int fd, int stream, uint8_t opcode, rdl_buf *body)
{
    rdl_buf out = {0};
    rdl_cql_envelope_begin(&out, 0x84, 0, opcode);
    rdl_wire_put_raw(&out, body->p, body->n);
    rdl_cql_envelope_end(&out, 0, (int16_t)stream);
    size_t at = 0;
    while (at < out.n) {
        ssize_t put = send(fd, out.p + at, out.n - at, MSG_NOSIGNAL);
        if (put <= 0)
            break;
        at += (size_t)put;
    }
    bool all = at == out.n;
    rdl_buf_fini(&out);
    rdl_buf_fini(body);
    return all;
}

static void put_s(rdl_buf *b, const char *s)
{
    rdl_wire_put_string(b, rdl_str_of(s));
}

static void put_cell(rdl_buf *b, const char *s)
{
    rdl_wire_put_bytes(b, rdl_str_of(s));
}

typedef struct column {
    const char *name;
    uint16_t type, inner[2]; /* of a set or map */
} column;

static void put_head(rdl_buf *b, const column *columns, int n, int rows)
{
    rdl_wire_put_int(b, RDL_CQL_ROWS);
    rdl_wire_put_int(b, 1);
    rdl_wire_put_int(b, n);
    put_s(b, "system");
    put_s(b, "t");
    for (int i = 0; i < n; i++) {
        put_s(b, columns[i].name);
        rdl_wire_put_short(b, columns[i].type);
        for (int k = 0; k < 2 && columns[i].inner[k] != 0; k++)
            rdl_wire_put_short(b, columns[i].inner[k]);
    }
    rdl_wire_put_int(b, rows);
}

/* datacentre, rack, one token. */
static void put_place(rdl_buf *b, int which)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)tokens[which]);
    put_cell(b, which == FAR ? "far" : "dc1");
    put_cell(b, "r1");
    rdl_wire_put_int(b, 8 + n);
    rdl_wire_put_int(b, 1);
    rdl_wire_put_bytes(b, (rdl_str){text, (size_t)n});
}

static void put_local(rdl_buf *b, int which)
{
    static const column columns[] = {{"data_center", RDL_CQL_TEXT, {0}},
                                     {"rack", RDL_CQL_TEXT, {0}},
                                     {"tokens", RDL_CQL_SET, {RDL_CQL_TEXT}},
                                     {"release_version", RDL_CQL_TEXT, {0}}};
    put_head(b, columns, 4, 1);
    put_place(b, which);
    put_cell(b, "9.9");
}

static void put_peers(rdl_buf *b, int which)
{
    static const column columns[] = {{"native_address", RDL_CQL_INET, {0}},
                                     {"native_port", RDL_CQL_INT, {0}},
                                     {"data_center", RDL_CQL_TEXT, {0}},
                                     {"rack", RDL_CQL_TEXT, {0}},
                                     {"tokens", RDL_CQL_SET, {RDL_CQL_TEXT}}};
    int absent = atomic_load(&hidden);
    put_head(b, columns, 5, absent < 0 || absent == which ? NODES - 1 : NODES - 2);
    for (int i = 0; i < NODES; i++) {
        if (i == which || i == absent)
            continue;
        const char address[4] = {127, 0, 0, (char)(i + 1)};
        rdl_wire_put_bytes(b, (rdl_str){address, 4});
        rdl_wire_put_int(b, 4);
        rdl_wire_put_int(b, port);
        put_place(b, i);
    }
}

static void put_keyspaces(rdl_buf *b)
{
    static const column columns[] = {{"keyspace_name", RDL_CQL_TEXT, {0}},
                                     {"replication", RDL_CQL_MAP, {RDL_CQL_TEXT, RDL_CQL_TEXT}}};
    static const char *const options[] = {"class", "NetworkTopologyStrategy", "dc1", "1"};
    rdl_buf map = {0};
    put_head(b, columns, 2, 1);
    put_cell(b, "ks");
    rdl_wire_put_int(&map, 2);
    for (size_t i = 0; i < 4; i++)
        put_cell(&map, options[i]);
    rdl_wire_put_bytes(b, (rdl_str){map.p, map.n});
    rdl_buf_fini(&map);
}

static void put_prepared(rdl_buf *b)
{
    rdl_wire_put_int(b, RDL_CQL_PREPARED);
    put_s(b, "id");
    rdl_wire_put_int(b, 1); /* binds: flags, columns, key columns, the first */
    rdl_wire_put_int(b, 1);
    rdl_wire_put_int(b, 1);
    rdl_wire_put_short(b, 0);
    put_s(b, "ks");
    put_s(b, "t");
    put_s(b, "k");
    rdl_wire_put_short(b, RDL_CQL_INT);
    rdl_wire_put_int(b, 4); /* result: no metadata */
    rdl_wire_put_int(b, 0);
}

/* Whose key is it?  The far node's part of the ring is, here, the next one's. */
static int owner_of(int64_t token)
{
    return token <= tokens[0] ? 0 : token <= tokens[1] ? 1 : 2;
}

static void executed(int which, rdl_buf *b, const char *body)
{
    node *n = &nodes[which];
    const rdl_str key = {body + 2 + 2 + 2 + 1 + 2 + 4, 4}; /* id, level, flags, count, length */
    if (atomic_load(&n->overloaded)) {
        rdl_wire_put_int(b, RDL_CQL_E_OVERLOADED);
        put_s(b, "too much");
        return;
    }
    atomic_fetch_add(owner_of(rdl_cql_token(key)) == which ? &n->own : &n->others, 1);
    rdl_wire_put_int(b, RDL_CQL_VOID);
}

static bool one_message(int which, int fd)
{
    uint8_t h[9];
    rdl_buf b = {0};
    uint8_t opcode = RDL_CQL_OP_RESULT;
    if (!get_all(fd, h, sizeof h))
        return false;
    uint32_t n = rdl_be32(h + 5);
    char body[4096];
    if (n >= sizeof body || !get_all(fd, body, n))
        return false;
    body[n] = '\0';
    if (h[4] == RDL_CQL_OP_OPTIONS) {
        opcode = RDL_CQL_OP_SUPPORTED;
        rdl_wire_put_short(&b, 1);
        put_s(&b, "PROTOCOL_VERSIONS");
        rdl_wire_put_short(&b, 1);
        put_s(&b, "4/v4");
    } else if (h[4] == RDL_CQL_OP_QUERY) {
        if (strstr(body + 4, "system.local") != NULL)
            put_local(&b, which);
        else if (strstr(body + 4, "peers_v2") != NULL)
            put_peers(&b, which);
        else
            put_keyspaces(&b);
    } else if (h[4] == RDL_CQL_OP_REGISTER) {
        opcode = RDL_CQL_OP_READY;
        atomic_store(&event_fd, fd);
    } else if (h[4] == RDL_CQL_OP_PREPARE) {
        put_prepared(&b);
    } else if (h[4] == RDL_CQL_OP_EXECUTE) {
        executed(which, &b, body);
        if (rdl_be32((const uint8_t *)b.p) == RDL_CQL_E_OVERLOADED)
            opcode = RDL_CQL_OP_ERROR;
    } else {
        opcode = RDL_CQL_OP_READY;
    }
    return answer(fd, (int16_t)rdl_be16(h + 2), opcode, &b);
}

static void *converse(void *arg)
{
    connection *c = arg;
    while (one_message(c->node, c->fd))
        ;
    return NULL;
}

static void *serve(void *arg)
{
    int which = (int)((node *)arg - nodes);
    node *n = &nodes[which];
    for (int fd; (fd = accept(n->fd, NULL, NULL)) >= 0 && n->connection_count < CONNECTIONS;) {
        connection *c = &n->connections[n->connection_count];
        *c = (connection){.fd = fd, .node = which};
        atomic_fetch_add(&n->accepted, 1);
        if (pthread_create(&c->thread, NULL, converse, c) != 0)
            break;
        n->connection_count++;
    }
    return NULL;
}

static void start_node(int i)
{
    node *n = &nodes[i];
    int yes = 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i)};
    socklen_t bytes = sizeof at;
    memset(n, 0, sizeof *n);
    n->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(n->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    assert_int_equal(bind(n->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(n->fd, 16), 0);
    assert_int_equal(getsockname(n->fd, (struct sockaddr *)&at, &bytes), 0);
    port = ntohs(at.sin_port);
    n->up = true;
    assert_int_equal(pthread_create(&n->thread, NULL, serve, n), 0);
}

static void stop_node(int i)
{
    node *n = &nodes[i];
    if (!n->up)
        return;
    shutdown(n->fd, SHUT_RDWR);
    pthread_join(n->thread, NULL);
    close(n->fd);
    for (int k = 0; k < n->connection_count; k++) {
        shutdown(n->connections[k].fd, SHUT_RDWR);
        pthread_join(n->connections[k].thread, NULL);
        close(n->connections[k].fd);
    }
    n->up = false;
}

static int start_all(void **state)
{
    (void)state;
    port = 0;
    atomic_store(&hidden, -1);
    atomic_store(&event_fd, -1);
    for (int i = 0; i < NODES; i++)
        start_node(i);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++)
        stop_node(i);
    return 0;
}

/* ---- the session ---- */

static uint32_t hosts_up(rdl_cql *s)
{
    rdl_cql_stats stats;
    rdl_cql_stats_get(s, &stats);
    return stats.hosts_up;
}

static void wait_for_hosts(rdl_cql *s, uint32_t n)
{
    int64_t until = rdl_monotonic_us() + 10000000;
    while (hosts_up(s) != n && rdl_monotonic_us() < until)
        (void)!rdl_cql_poll(s, 5, &err);
    assert_int_equal(hosts_up(s), n);
}

static rdl_cql *open_session(rdl_cql_statement **st, uint32_t expected)
{
    rdl_cql_config c;
    rdl_cql *s = NULL;
    rdl_cql_config_init(&c);
    c.contact_points = "127.0.0.1,127.0.0.2";
    c.port = port;
    c.connect_timeout_ms = 2000;
    c.request_timeout_ms = 5000;
    c.reconnect_min_ms = 5;
    c.reconnect_max_ms = 50;
    rdl_code rc = rdl_cql_open(&c, &s, &err);
    if (rc != RDL_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc, RDL_OK);
    wait_for_hosts(s, expected);
    assert_int_equal(rdl_cql_prepare(s, "INSERT", st, &err), RDL_OK);
    return s;
}

static unsigned failures;

static void done(void *arg, const rdl_cql_answer *a)
{
    (void)arg;
    failures += a->code != RDL_OK;
}

static void write_keys(rdl_cql *s, const rdl_cql_statement *st)
{
    static const rdl_cql_options options = {.idempotent = true};
    failures = 0;
    for (int i = 0; i < KEYS; i++) {
        rdl_cql_request *r = NULL;
        assert_int_equal(rdl_cql_begin(s, st, &options, &r, &err), RDL_OK);
        rdl_cql_put_int(rdl_cql_values(r), i);
        assert_int_equal(rdl_cql_send(r, done, NULL, &err), RDL_OK);
    }
    assert_int_equal(rdl_cql_drain(s, &err), RDL_OK);
}

static unsigned total(void)
{
    unsigned n = 0;
    for (int i = 0; i < NODES; i++)
        n += atomic_load(&nodes[i].own) + atomic_load(&nodes[i].others);
    return n;
}

/* ---- cases ---- */

static void each_row_goes_to_the_node_that_holds_it(void **state)
{
    (void)state;
    rdl_cql_statement *st = NULL;
    rdl_cql *s = open_session(&st, 3);
    write_keys(s, st);
    assert_int_equal(failures, 0);
    for (int i = 0; i < FAR; i++) {
        assert_int_equal(atomic_load(&nodes[i].others), 0);
        assert_true(atomic_load(&nodes[i].own) > KEYS / 6);
    }
    assert_int_equal(total(), KEYS);
    rdl_cql_close(s);
}

static void another_datacentre_is_not_even_connected_to(void **state)
{
    (void)state;
    rdl_cql_statement *st = NULL;
    rdl_cql *s = open_session(&st, 3);
    write_keys(s, st);
    assert_int_equal(atomic_load(&nodes[FAR].accepted), 0);
    rdl_cql_close(s);
}

static void the_rows_of_a_node_that_is_down_go_to_others_until_it_is_back(void **state)
{
    (void)state;
    rdl_cql_statement *st = NULL;
    rdl_cql *s = open_session(&st, 3);
    stop_node(1);
    wait_for_hosts(s, 2);
    write_keys(s, st);
    assert_int_equal(failures, 0);
    unsigned strange = atomic_load(&nodes[0].others) + atomic_load(&nodes[2].others);
    assert_true(strange > KEYS / 6);
    assert_true(atomic_load(&nodes[0].others) > 0); /* spread, not all to one */
    assert_true(atomic_load(&nodes[2].others) > 0);
    start_node(1);
    wait_for_hosts(s, 3);
    write_keys(s, st);
    assert_int_equal(failures, 0);
    assert_true(atomic_load(&nodes[1].own) > KEYS / 6);
    assert_int_equal(atomic_load(&nodes[0].others) + atomic_load(&nodes[2].others), strange);
    rdl_cql_close(s);
}

static void an_overloaded_node_is_passed_over_for_the_row_at_hand(void **state)
{
    (void)state;
    rdl_cql_statement *st = NULL;
    rdl_cql *s = open_session(&st, 3);
    atomic_store(&nodes[2].overloaded, true);
    write_keys(s, st);
    assert_int_equal(failures, 0);
    assert_int_equal(total(), KEYS);
    assert_true(atomic_load(&nodes[0].others) + atomic_load(&nodes[1].others) > KEYS / 6);
    rdl_cql_close(s);
}

static void all_nodes_down_is_an_error_in_time_and_the_session_recovers(void **state)
{
    (void)state;
    rdl_cql_statement *st = NULL;
    rdl_cql *s = open_session(&st, 3);
    for (int i = 0; i < FAR; i++)
        stop_node(i);
    wait_for_hosts(s, 0);
    for (int i = 0; i < FAR; i++)
        start_node(i);
    write_keys(s, st); /* waits for the first node that is back */
    assert_int_equal(failures, 0);
    assert_int_equal(total(), KEYS);
    rdl_cql_close(s);
}

static void tell(const char *change, int which)
{
    rdl_buf b = {0};
    put_s(&b, "TOPOLOGY_CHANGE");
    put_s(&b, change);
    const char address[5] = {4, 127, 0, 0, (char)(which + 1)};
    rdl_wire_put_raw(&b, address, 5);
    rdl_wire_put_int(&b, port);
    assert_true(answer(atomic_load(&event_fd), -1, RDL_CQL_OP_EVENT, &b));
}

static void a_node_that_joins_gets_its_rows_and_one_that_leaves_gets_none(void **state)
{
    (void)state;
    rdl_cql_statement *st = NULL;
    atomic_store(&hidden, 2);
    rdl_cql *s = open_session(&st, 2);
    write_keys(s, st);
    assert_int_equal(atomic_load(&nodes[2].accepted), 0);
    unsigned before = total();
    atomic_store(&hidden, -1);
    tell("NEW_NODE", 2);
    wait_for_hosts(s, 3);
    write_keys(s, st);
    assert_true(atomic_load(&nodes[2].own) > KEYS / 6);
    assert_int_equal(total() - before, KEYS);
    atomic_store(&hidden, 2);
    tell("REMOVED_NODE", 2);
    wait_for_hosts(s, 2);
    before = atomic_load(&nodes[2].own);
    write_keys(s, st);
    assert_int_equal(failures, 0);
    assert_int_equal(atomic_load(&nodes[2].own), before);
    rdl_cql_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_row_goes_to_the_node_that_holds_it, start_all,
                                        stop_all),
        cmocka_unit_test_setup_teardown(another_datacentre_is_not_even_connected_to, start_all,
                                        stop_all),
        cmocka_unit_test_setup_teardown(
            the_rows_of_a_node_that_is_down_go_to_others_until_it_is_back, start_all, stop_all),
        cmocka_unit_test_setup_teardown(an_overloaded_node_is_passed_over_for_the_row_at_hand,
                                        start_all, stop_all),
        cmocka_unit_test_setup_teardown(all_nodes_down_is_an_error_in_time_and_the_session_recovers,
                                        start_all, stop_all),
        cmocka_unit_test_setup_teardown(
            a_node_that_joins_gets_its_rows_and_one_that_leaves_gets_none, start_all, stop_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
