/*
 * tests/unit/cql_server_test.c - a session against a server that does what no real one
 * would.
 *
 * The server is a thread on loopback.  It shakes hands and describes itself as a cluster of
 * one; what it does with a QUERY is written in the query's text, and how it shakes hands in
 * the enum.  Each case ends with a clear error or an answer, in bounded time, and leaves
 * nothing behind (run it under AddressSanitizer).
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

typedef enum manner {
    POLITE,
    HANGS,         /* accepts, says nothing */
    HANGS_UP,      /* closes after accepting */
    BABBLES,       /* answers with bytes that are no protocol */
    CUT_SUPPORTED, /* half of SUPPORTED, then the end */
    WRONG_PASSWORD,
    WANTS_PASSWORD,
    ODD_STREAM,   /* SUPPORTED on stream 5 */
    CUT_TOPOLOGY, /* rows of system.local that end early */
    OLD,          /* offers version 3 alone */
} manner;

typedef struct server {
    int fd;
    uint16_t port;
    manner manner;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint connections, queries, prepares, executes;
    int held;        /* stream whose answer is held back, or -1 */
    bool unprepared; /* the next EXECUTE is refused */
    atomic_bool once; /* "... once" has happened */
} server;

static server srv;
static rdl_err err;

/* ---- The server's side ---- */

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

static void put_all(int fd, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t put = send(fd, (const char *)p + at, n - at, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        at += (size_t)put;
    }
}

static void answer_with(int fd, int stream, uint8_t flags, uint8_t opcode, const rdl_buf *body,
                        size_t less)
{
    rdl_buf out = {0};
    rdl_cql_envelope_begin(&out, 0x84, flags, opcode);
    rdl_wire_put_raw(&out, body->p, body->n);
    rdl_cql_envelope_end(&out, 0, (int16_t)stream);
    put_all(fd, out.p, out.n - less);
    rdl_buf_fini(&out);
}

static void answer_part(int fd, int stream, uint8_t opcode, const rdl_buf *body, size_t less)
{
    answer_with(fd, stream, 0, opcode, body, less);
}

static void answer(int fd, int stream, uint8_t opcode, rdl_buf *body)
{
    answer_part(fd, stream, opcode, body, 0);
    rdl_buf_clear(body);
}

static void put_s(rdl_buf *b, const char *s)
{
    rdl_wire_put_string(b, rdl_str_of(s));
}

static void put_cell(rdl_buf *b, const char *s)
{
    rdl_wire_put_bytes(b, rdl_str_of(s));
}

static void put_error(rdl_buf *b, int32_t code, const char *text)
{
    rdl_wire_put_int(b, code);
    put_s(b, text);
}

static void put_void(rdl_buf *b)
{
    rdl_wire_put_int(b, RDL_CQL_VOID);
}

static void put_rows_head(rdl_buf *b, const char *const *names, int32_t n)
{
    rdl_wire_put_int(b, RDL_CQL_ROWS);
    rdl_wire_put_int(b, 1);
    rdl_wire_put_int(b, n);
    put_s(b, "ks");
    put_s(b, "t");
    for (int32_t i = 0; i < n; i++) {
        put_s(b, names[i]);
        rdl_wire_put_short(b, RDL_CQL_TEXT);
    }
}

static void put_local(rdl_buf *b)
{
    static const char *const names[] = {"data_center", "rack", "release_version", "cluster_name"};
    put_rows_head(b, names, 4);
    rdl_wire_put_int(b, 1);
    put_cell(b, "dc1");
    put_cell(b, "r1");
    put_cell(b, "9.9");
    put_cell(b, "scripted");
}

static void put_no_rows(rdl_buf *b)
{
    static const char *const names[] = {"keyspace_name"};
    put_rows_head(b, names, 1);
    rdl_wire_put_int(b, 0);
}

static void put_page(rdl_buf *b, bool more)
{
    static const char *const names[] = {"v"};
    rdl_buf head = {0};
    put_rows_head(&head, names, 1);
    rdl_wire_put_raw(b, head.p, 8);
    if (more) { /* flags get has_more_pages, the state follows the count */
        b->p[7] = 3;
        rdl_wire_put_raw(b, head.p + 8, 4);
        put_cell(b, "state");
        rdl_wire_put_raw(b, head.p + 12, head.n - 12);
    } else {
        rdl_wire_put_raw(b, head.p + 8, head.n - 8);
    }
    rdl_buf_fini(&head);
    rdl_wire_put_int(b, 2);
    put_cell(b, more ? "1" : "3");
    put_cell(b, more ? "2" : "4");
}

/* What the text says; false: hang up. */
static bool obey(server *s, int fd, int stream, rdl_str text, bool paged)
{
    rdl_buf b = {0};
    bool go_on = true, once = s->once;
    char t[128];
    snprintf(t, sizeof t, "%.*s", (int)text.n, text.p);
    if (strstr(t, "once") != NULL)
        s->once = true;
    if (strstr(t, "system.local") != NULL) {
        put_local(&b);
        if (s->manner == CUT_TOPOLOGY)
            b.n -= 3;
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strstr(t, "system") != NULL) {
        put_no_rows(&b);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "truncated") == 0) {
        put_local(&b);
        answer_part(fd, stream, RDL_CQL_OP_RESULT, &b, 10);
        go_on = false;
    } else if (strcmp(t, "oversized") == 0) {
        static const uint8_t header[9] = {0x84, 0, 0, 0, RDL_CQL_OP_RESULT, 0x7f, 0xff, 0xff, 0xff};
        put_all(fd, header, sizeof header);
    } else if (strcmp(t, "nonsense") == 0) {
        put_all(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    } else if (strcmp(t, "version") == 0) {
        static const uint8_t header[9] = {0x83, 0, 0, 0, RDL_CQL_OP_RESULT, 0, 0, 0, 0};
        put_all(fd, header, sizeof header);
    } else if (strcmp(t, "stranger") == 0) {
        put_void(&b);
        answer(fd, 77, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "far stream") == 0) {
        put_void(&b);
        answer(fd, 32000, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "never") == 0) {
        s->held = stream;
    } else if (strcmp(t, "now the held one") == 0) {
        put_void(&b);
        answer(fd, s->held, RDL_CQL_OP_RESULT, &b);
        put_void(&b);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "bad rows") == 0) {
        put_local(&b);
        b.p[b.n - 32] = 0x7f; /* the length of the first cell */
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "many rows") == 0) {
        static const char *const names[] = {"v"};
        put_rows_head(&b, names, 1);
        rdl_wire_put_int(&b, 0x7fffffff);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "many columns") == 0) {
        rdl_wire_put_int(&b, RDL_CQL_ROWS);
        rdl_wire_put_int(&b, 1);
        rdl_wire_put_int(&b, 0x7fffffff);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "warned") == 0) { /* as a read that met too many tombstones */
        static const char *const warnings[] = {"Read 1 live rows", "and 100001 tombstone cells"};
        uint8_t trace[16] = {0};
        rdl_wire_put_raw(&b, trace, sizeof trace);
        rdl_wire_put_short(&b, 2);
        for (size_t i = 0; i < 2; i++)
            rdl_wire_put_string(&b, rdl_str_of(warnings[i]));
        put_error(&b, RDL_CQL_E_READ_FAILURE, "Operation failed");
        rdl_wire_put_short(&b, RDL_CQL_LOCAL_QUORUM);
        rdl_wire_put_int(&b, 0);
        rdl_wire_put_int(&b, 1);
        rdl_wire_put_int(&b, 1);
        rdl_wire_put_byte(&b, 0);
        answer_with(fd, stream, RDL_CQL_FLAG_TRACING | RDL_CQL_FLAG_WARNING, RDL_CQL_OP_ERROR, &b,
                    0);
    } else if (strcmp(t, "cut error") == 0) {
        put_error(&b, RDL_CQL_E_UNAVAILABLE, "no");
        rdl_wire_put_short(&b, 6);
        answer(fd, stream, RDL_CQL_OP_ERROR, &b);
    } else if (strcmp(t, "odd opcode") == 0) {
        answer(fd, stream, RDL_CQL_OP_SUPPORTED, &b);
    } else if (strstr(t, "unavailable") != NULL && !(once && strstr(t, "once"))) {
        put_error(&b, RDL_CQL_E_UNAVAILABLE, "Cannot achieve consistency level");
        rdl_wire_put_short(&b, 6);
        rdl_wire_put_int(&b, 2);
        rdl_wire_put_int(&b, 1);
        answer(fd, stream, RDL_CQL_OP_ERROR, &b);
    } else if (strstr(t, "write timeout") != NULL && !(once && strstr(t, "once"))) {
        put_error(&b, RDL_CQL_E_WRITE_TIMEOUT, "timed out");
        rdl_wire_put_short(&b, 4);
        rdl_wire_put_int(&b, 1);
        rdl_wire_put_int(&b, 2);
        put_s(&b, "SIMPLE");
        answer(fd, stream, RDL_CQL_OP_ERROR, &b);
    } else if (strcmp(t, "exists") == 0) {
        put_error(&b, RDL_CQL_E_ALREADY_EXISTS, "no");
        put_s(&b, "ks");
        put_s(&b, "t");
        answer(fd, stream, RDL_CQL_OP_ERROR, &b);
    } else if (strstr(t, "hang up") != NULL && !(once && strstr(t, "once"))) {
        go_on = false;
    } else if (strcmp(t, "pages") == 0) {
        put_page(&b, !paged);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "event") == 0) {
        put_s(&b, "SCHEMA_CHANGE");
        put_s(&b, "CREATED");
        put_s(&b, "TABLE");
        answer(fd, -1, RDL_CQL_OP_EVENT, &b);
        put_void(&b);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    } else if (strcmp(t, "cut event") == 0) {
        put_s(&b, "STATUS_CHANGE");
        answer(fd, -1, RDL_CQL_OP_EVENT, &b);
    } else {
        put_void(&b);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    }
    rdl_buf_fini(&b);
    return go_on;
}

static void put_prepared(rdl_buf *b)
{
    rdl_wire_put_int(b, RDL_CQL_PREPARED);
    put_s(b, "the id");
    rdl_wire_put_int(b, 1); /* binds: flags, columns, key */
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

static void execute(server *s, int fd, int stream)
{
    rdl_buf b = {0};
    atomic_fetch_add(&s->executes, 1);
    if (s->unprepared) {
        s->unprepared = false;
        put_error(&b, RDL_CQL_E_UNPREPARED, "who?");
        put_s(&b, "the id");
        answer(fd, stream, RDL_CQL_OP_ERROR, &b);
    } else {
        put_void(&b);
        answer(fd, stream, RDL_CQL_OP_RESULT, &b);
    }
    rdl_buf_fini(&b);
}

static bool greet(server *s, int fd, int stream, uint8_t opcode)
{
    rdl_buf b = {0};
    bool go_on = true;
    if (opcode == RDL_CQL_OP_OPTIONS) {
        rdl_wire_put_short(&b, 1);
        put_s(&b, "PROTOCOL_VERSIONS");
        rdl_wire_put_short(&b, 1);
        put_s(&b, s->manner == OLD ? "3/v3" : "4/v4");
        answer_part(fd, s->manner == ODD_STREAM ? 5 : stream, RDL_CQL_OP_SUPPORTED, &b,
                    s->manner == CUT_SUPPORTED ? 4 : 0);
        go_on = s->manner != CUT_SUPPORTED;
    } else if (opcode == RDL_CQL_OP_STARTUP && s->manner >= WRONG_PASSWORD &&
               s->manner <= WANTS_PASSWORD) {
        put_s(&b, "org.apache.cassandra.auth.PasswordAuthenticator");
        answer(fd, stream, RDL_CQL_OP_AUTHENTICATE, &b);
    } else if (opcode == RDL_CQL_OP_AUTH_RESPONSE) {
        put_error(&b, RDL_CQL_E_BAD_CREDENTIALS,
                  "Provided username u and/or password are incorrect");
        answer(fd, stream, RDL_CQL_OP_ERROR, &b);
    } else {
        answer(fd, stream, RDL_CQL_OP_READY, &b);
    }
    rdl_buf_fini(&b);
    return go_on;
}

static bool one_message(server *s, int fd)
{
    uint8_t h[9];
    bool go_on = false;
    if (!get_all(fd, h, sizeof h))
        return false;
    int stream = (int16_t)rdl_be16(h + 2);
    uint32_t n = rdl_be32(h + 5);
    char *body = malloc(n + 1);
    assert_non_null(body);
    if (get_all(fd, body, n)) {
        rdl_wire w = {(uint8_t *)body, n, false};
        if (h[4] == RDL_CQL_OP_QUERY) {
            rdl_str text = rdl_wire_bytes(&w, NULL);
            (void)rdl_wire_short(&w);
            atomic_fetch_add(&s->queries, 1);
            go_on = obey(s, fd, stream, text, (rdl_wire_byte(&w) & 0x08) != 0);
        } else if (h[4] == RDL_CQL_OP_PREPARE) {
            rdl_buf b = {0};
            atomic_fetch_add(&s->prepares, 1);
            put_prepared(&b);
            answer(fd, stream, RDL_CQL_OP_RESULT, &b);
            rdl_buf_fini(&b);
            go_on = true;
        } else if (h[4] == RDL_CQL_OP_EXECUTE) {
            execute(s, fd, stream);
            go_on = true;
        } else {
            go_on = greet(s, fd, stream, h[4]);
        }
    }
    free(body);
    return go_on;
}

static void *serve(void *arg)
{
    server *s = arg;
    while (!atomic_load(&s->stop)) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            break;
        atomic_fetch_add(&s->connections, 1);
        struct timeval limit = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (s->manner == BABBLES)
            put_all(fd, "220 mail.example.com ESMTP\r\n", 28);
        if (s->manner == HANGS || s->manner == BABBLES) {
            char ignored[64];
            while (recv(fd, ignored, sizeof ignored, 0) > 0)
                ;
        } else if (s->manner != HANGS_UP) {
            char rest[256];
            while (one_message(s, fd))
                ;
            /* What is unread when a socket is closed becomes a reset: the end is said first. */
            shutdown(fd, SHUT_WR);
            while (recv(fd, rest, sizeof rest, 0) > 0)
                ;
        }
        close(fd);
    }
    return NULL;
}

static void start(manner m)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    memset(&srv, 0, sizeof srv);
    srv.manner = m;
    srv.held = -1;
    srv.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(srv.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(srv.fd, 8), 0);
    assert_int_equal(getsockname(srv.fd, (struct sockaddr *)&at, &n), 0);
    srv.port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&srv.thread, NULL, serve, &srv), 0);
}

static void stop(void)
{
    atomic_store(&srv.stop, true);
    shutdown(srv.fd, SHUT_RDWR);
    close(srv.fd);
    pthread_join(srv.thread, NULL);
}

/* ---- The client's side ---- */

static rdl_code connect_as(const char *user, rdl_cql **out)
{
    rdl_cql_config c;
    rdl_cql_config_init(&c);
    c.contact_points = "127.0.0.1";
    c.port = srv.port;
    c.user = user;
    c.password = user;
    c.connect_timeout_ms = 400;
    c.request_timeout_ms = 600;
    c.reconnect_min_ms = 5;
    c.retries_max = 3;
    return rdl_cql_open(&c, out, &err);
}

static rdl_cql *open_polite(void)
{
    rdl_cql *s = NULL;
    start(POLITE);
    rdl_code rc = connect_as(NULL, &s);
    if (rc != RDL_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc, RDL_OK);
    return s;
}

/* The session's answer to a query, and its server's, are as expected. */
static void fails(rdl_cql *s, const char *text, rdl_cql_code code, const char *said)
{
    assert_int_not_equal(rdl_cql_query(s, text, NULL, NULL, &err), RDL_OK);
    if (strstr(err.msg, said) == NULL)
        print_error("\"%s\" does not say \"%s\"\n", err.msg, said);
    assert_non_null(strstr(err.msg, said));
    assert_int_equal(rdl_cql_last_error(s)->code, code);
}

static void still_works(rdl_cql *s)
{
    rdl_code rc = rdl_cql_query(s, "ok", NULL, NULL, &err);
    if (rc != RDL_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc, RDL_OK);
}

static void a_bad_handshake_is_a_clear_error(void **state)
{
    (void)state;
    static const struct {
        manner manner;
        const char *user, *said;
    } all[] = {
        {HANGS, NULL, "could not connect to 127.0.0.1"},
        {HANGS_UP, NULL, "could not read"},
        {BABBLES, NULL, "no version of the CQL protocol"},
        {CUT_SUPPORTED, NULL, "in the middle of a message"},
        {WRONG_PASSWORD, "u", "could not log in to 127.0.0.1"},
        {WANTS_PASSWORD, NULL, "it asks for a user and a password"},
        {ODD_STREAM, NULL, "an answer came on stream 5"},
        {OLD, NULL, "does not offer 4"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rdl_cql *s = NULL;
        int64_t from = rdl_monotonic_us();
        start(all[i].manner);
        assert_int_not_equal(connect_as(all[i].user, &s), RDL_OK);
        if (strstr(err.msg, all[i].said) == NULL)
            print_error("%zu: \"%s\" does not say \"%s\"\n", i, err.msg, all[i].said);
        assert_non_null(strstr(err.msg, all[i].said));
        assert_null(s);
        assert_true(rdl_monotonic_us() - from < 10000000);
        stop();
    }
}

static void a_topology_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    rdl_cql *s = NULL;
    start(CUT_TOPOLOGY);
    assert_int_not_equal(connect_as(NULL, &s), RDL_OK);
    assert_null(s);
    stop();
}

static void frames_that_cannot_be_end_the_connection_and_not_the_session(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        rdl_cql_code code;
        const char *said;
    } all[] = {
        {"truncated", RDL_CQL_E_LOST, "in the middle of a message"},
        {"oversized", RDL_CQL_E_LOST, "its length is 2147483647 bytes"},
        {"nonsense", RDL_CQL_E_LOST, "no version of the CQL protocol"},
        {"version", RDL_CQL_E_LOST, "protocol version 3, not 4"},
        {"stranger", RDL_CQL_E_LOST, "nothing was asked on stream 77"},
        {"far stream", RDL_CQL_E_LOST, "its stream id is 32000"},
        {"bad rows", RDL_CQL_E_ANSWER, "could not understand a result"},
        {"many rows", RDL_CQL_E_ANSWER, "could not understand a result"},
        {"many columns", RDL_CQL_E_ANSWER, "could not understand a result"},
        {"cut error", RDL_CQL_E_ANSWER, "could not understand an error"},
        {"odd opcode", RDL_CQL_E_ANSWER, "opcode 0x06 is no result"},
        {"cut event", RDL_CQL_E_LOST, "could not understand an event"},
        {"hang up", RDL_CQL_E_LOST, "closed the connection"},
    };
    rdl_cql *s = open_polite();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fails(s, all[i].text, all[i].code, all[i].said);
        still_works(s);
    }
    rdl_cql_close(s);
    stop();
}

static void a_late_answer_keeps_its_stream(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    rdl_cql_stats stats;
    const rdl_cql_options quick = {.timeout_ms = 60};
    unsigned connections = atomic_load(&srv.connections);
    /* Something is said while it waits, so the node is not taken as gone. */
    assert_int_equal(rdl_cql_query_send(s, "never", &quick, NULL, NULL, &err), RDL_OK);
    for (int64_t end = rdl_monotonic_us() + 150000; rdl_monotonic_us() < end;)
        still_works(s);
    assert_int_equal(rdl_cql_in_flight(s), 0);
    rdl_cql_stats_get(s, &stats);
    assert_int_equal(stats.timeouts, 1);
    for (int i = 0; i < 2000; i++) /* more than there are stream ids */
        still_works(s);
    assert_int_equal(rdl_cql_query(s, "now the held one", NULL, NULL, &err), RDL_OK);
    still_works(s);
    assert_int_equal(atomic_load(&srv.connections), connections);
    rdl_cql_close(s);
    stop();
}

static void a_silent_node_costs_its_time_limit(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    int64_t from = rdl_monotonic_us();
    fails(s, "never", RDL_CQL_E_TIMEOUT, "no answer in time");
    assert_int_equal(err.code, RDL_ENET);
    assert_true((err.flags & RDL_ERR_RETRY) != 0);
    assert_true(rdl_monotonic_us() - from < 8000000);
    still_works(s); /* on a new connection */
    rdl_cql_close(s);
    stop();
}

static void only_what_is_idempotent_or_untouched_is_sent_again(void **state)
{
    (void)state;
    const rdl_cql_options twice = {.idempotent = true};
    static const char *const texts[] = {"write timeout once", "hang up once"};
    for (size_t i = 0; i < 2; i++) {
        rdl_cql *s = open_polite();
        unsigned before = atomic_load(&srv.queries);
        assert_int_not_equal(rdl_cql_query(s, texts[i], NULL, NULL, &err), RDL_OK);
        assert_false(rdl_cql_last_error(s)->not_executed);
        assert_true(rdl_cql_last_error(s)->transient);
        assert_true(atomic_load(&srv.queries) >= before + 1);
        srv.once = false;
        assert_int_equal(rdl_cql_query(s, texts[i], &twice, NULL, &err), RDL_OK);
        rdl_cql_close(s);
        stop();
    }
    rdl_cql *s = open_polite();
    assert_int_equal(rdl_cql_query(s, "unavailable once", NULL, NULL, &err), RDL_OK);
    unsigned before = atomic_load(&srv.queries);
    fails(s, "unavailable", RDL_CQL_E_UNAVAILABLE, "LOCAL_QUORUM needs 2 replicas, 1 are alive");
    assert_int_equal(atomic_load(&srv.queries), before + 4); /* 1 + retries_max */
    const rdl_cql_error *e = rdl_cql_last_error(s);
    assert_int_equal(e->required, 2);
    assert_int_equal(e->alive, 1);
    assert_true(e->not_executed);
    fails(s, "write timeout", RDL_CQL_E_WRITE_TIMEOUT, "QUORUM, SIMPLE: 1 of 2 answered");
    fails(s, "exists", RDL_CQL_E_ALREADY_EXISTS, "already exists");
    assert_string_equal(rdl_cql_last_error(s)->table, "t");
    rdl_cql_close(s);
    stop();
}

static void count_done(void *arg, const rdl_cql_answer *a)
{
    unsigned *counts = arg;
    counts[a->code == RDL_OK ? 0 : 1]++;
}

static void an_unprepared_statement_is_prepared_again_once_for_all(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    rdl_cql_statement *st = NULL, *same = NULL;
    unsigned counts[2] = {0};
    assert_int_equal(rdl_cql_prepare(s, "INSERT", &st, &err), RDL_OK);
    assert_int_equal(rdl_cql_prepare(s, "INSERT", &same, &err), RDL_OK);
    assert_ptr_equal(st, same);
    srv.unprepared = true;
    for (int i = 0; i < 100; i++) {
        rdl_cql_request *r;
        assert_int_equal(rdl_cql_begin(s, st, NULL, &r, &err), RDL_OK);
        rdl_cql_put_int(rdl_cql_values(r), i);
        assert_int_equal(rdl_cql_send(r, count_done, counts, &err), RDL_OK);
    }
    assert_int_equal(rdl_cql_drain(s, &err), RDL_OK);
    assert_int_equal(counts[0], 100);
    assert_int_equal(atomic_load(&srv.prepares), 2);
    assert_int_equal(atomic_load(&srv.executes), 101);
    rdl_cql_close(s);
    stop();
}

static void a_value_that_does_not_fit_is_told_by_send(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    rdl_cql_statement *st = NULL;
    rdl_cql_request *r;
    assert_int_equal(rdl_cql_prepare(s, "INSERT", &st, &err), RDL_OK);
    assert_int_equal(rdl_cql_begin(s, st, NULL, &r, &err), RDL_OK);
    rdl_cql_put_int(rdl_cql_values(r), 5000000000);
    assert_int_equal(rdl_cql_send(r, NULL, NULL, &err), RDL_EDATA);
    assert_non_null(strstr(err.msg, "column \"k\" of type int: 5000000000 does not fit"));
    assert_int_equal(rdl_cql_in_flight(s), 0);
    assert_true(rdl_cql_room(s));
    rdl_cql_close(s);
    stop();
}

static void an_error_with_warnings_is_understood(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    fails(s, "warned", RDL_CQL_E_READ_FAILURE, "Operation failed");
    assert_int_equal(rdl_cql_last_error(s)->failures, 1);
    assert_int_equal(rdl_cql_last_error(s)->required, 1);
    still_works(s);
    rdl_cql_close(s);
    stop();
}

static void pages_follow_each_other(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    rdl_cql_result *r = NULL;
    rdl_str v;
    bool row = true;
    assert_int_equal(rdl_cql_query(s, "pages", NULL, &r, &err), RDL_OK);
    assert_true(rdl_cql_more_pages(r));
    for (char c = '1'; c <= '4'; c++) {
        assert_int_equal(rdl_cql_fetch(r, &row, &err), RDL_OK);
        assert_true(row);
        assert_int_equal(rdl_cql_get_text(rdl_cql_cell(r, 0), &v, &err), RDL_OK);
        assert_int_equal(v.n, 1);
        assert_int_equal(v.p[0], c);
    }
    assert_int_equal(rdl_cql_fetch(r, &row, &err), RDL_OK);
    assert_false(row);
    rdl_cql_result_free(r);
    rdl_cql_close(s);
    stop();
}

static void a_schema_event_is_heard(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    rdl_cql_stats stats;
    assert_int_equal(rdl_cql_query(s, "event", NULL, NULL, &err), RDL_OK);
    rdl_cql_stats_get(s, &stats);
    assert_int_equal(stats.schema_version, 1);
    rdl_cql_close(s);
    stop();
}

static void requests_are_bounded_and_all_end_when_the_session_does(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    unsigned counts[2] = {0};
    rdl_cql_in_flight_limit(s, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rdl_cql_query_send(s, "never", NULL, count_done, counts, &err), RDL_OK);
    assert_false(rdl_cql_room(s));
    assert_int_equal(counts[0] + counts[1], 0);
    rdl_cql_close(s);
    assert_int_equal(counts[1], 10);
    stop();
}

static void nobody_there_is_said_at_once(void **state)
{
    (void)state;
    rdl_cql *s = NULL;
    start(POLITE);
    stop();
    assert_int_equal(connect_as(NULL, &s), RDL_ENET);
    assert_non_null(strstr(err.msg, "could not connect: Connection refused"));
}

static void a_node_that_went_away_is_waited_for_until_the_time_limit(void **state)
{
    (void)state;
    rdl_cql *s = open_polite();
    stop(); /* the thread ends with the connection */
    int64_t from = rdl_monotonic_us();
    rdl_code rc = rdl_cql_query(s, "ok", &(rdl_cql_options){.idempotent = true}, NULL, &err);
    assert_int_equal(rc, RDL_ENET);
    assert_true(rdl_monotonic_us() - from < 8000000);
    rdl_cql_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_handshake_is_a_clear_error),
        cmocka_unit_test(a_topology_that_cannot_be_read_is_an_error),
        cmocka_unit_test(frames_that_cannot_be_end_the_connection_and_not_the_session),
        cmocka_unit_test(a_late_answer_keeps_its_stream),
        cmocka_unit_test(a_silent_node_costs_its_time_limit),
        cmocka_unit_test(only_what_is_idempotent_or_untouched_is_sent_again),
        cmocka_unit_test(an_unprepared_statement_is_prepared_again_once_for_all),
        cmocka_unit_test(a_value_that_does_not_fit_is_told_by_send),
        cmocka_unit_test(an_error_with_warnings_is_understood),
        cmocka_unit_test(pages_follow_each_other),
        cmocka_unit_test(a_schema_event_is_heard),
        cmocka_unit_test(requests_are_bounded_and_all_end_when_the_session_does),
        cmocka_unit_test(nobody_there_is_said_at_once),
        cmocka_unit_test(a_node_that_went_away_is_waited_for_until_the_time_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
