/*
 * cql/internal.h - a session from inside: nodes, connections, requests.
 *
 * LIFE OF A REQUEST
 *
 *      begin           send          a stream id          answer, loss, time limit
 *   FREE ---> BUILDING ---> WAITING ---------------> SENT -----------------------> FREE
 *               |  abandon    ^                       |                 done
 *               v             +-----------------------+
 *             FREE              another attempt (Q3), or its statement is prepared again
 *
 * LIFE OF A CONNECTION
 *
 *   CLOSED -> CONNECTING [-> TLS] -> OPTIONS -> STARTUP [-> AUTH] [-> KEYSPACE] -> READY
 *      ^___________________________________________________________________________|
 *                          any failure; again after a growing pause
 *
 *   A failure inside a callback or a decoder only marks the connection (broken); it is closed
 *   between events, where nobody holds its buffers.
 *
 * Messages of the handshake travel on stream 0; requests use the ids from 0 up once READY.
 *
 * Thread: the session's (cql.h).
 */
#ifndef RDL_CQL_INTERNAL_H
#define RDL_CQL_INTERNAL_H

#include "base/socket.h"
#include "base/tls.h"
#include "cql/cql.h"
#include "cql/message.h"

/* Stands in by_stream for a request whose time was over; its answer frees the id. */
extern const rdl_cql_request rdl_cql_orphan;

enum {
    RDL_CQL_HOSTS_MAX = 1024,
    RDL_CQL_CONNECTIONS_MAX = 16, /* of one host */
    RDL_CQL_REPLICAS_MAX = 8,
    RDL_CQL_STREAMS_MAX = 32768,
    RDL_CQL_FLUSH_BYTES = 32768, /* buffered requests are written at this size, or by poll */
    RDL_CQL_IN_BYTES = 65536,    /* asked of the socket at once */
    RDL_CQL_TICK_US = 20000,     /* between looks at time limits */
};

typedef struct rdl_cql_host rdl_cql_host;
typedef struct rdl_cql_connection rdl_cql_connection;

typedef enum rdl_cql_state {
    RDL_CQL_CLOSED,
    RDL_CQL_CONNECTING,
    RDL_CQL_IN_TLS,
    RDL_CQL_IN_OPTIONS,
    RDL_CQL_IN_STARTUP,
    RDL_CQL_IN_AUTH,
    RDL_CQL_IN_KEYSPACE,
    RDL_CQL_READY,
} rdl_cql_state;

typedef enum rdl_cql_request_state {
    RDL_CQL_FREE,
    RDL_CQL_BUILDING,
    RDL_CQL_WAITING, /* for a connection, a pause, or its statement */
    RDL_CQL_SENT,
} rdl_cql_request_state;

struct rdl_cql_statement {
    rdl_cql *session;
    rdl_cql_statement *next; /* of the session */
    rdl_str text, id, result_id;
    rdl_cql_metadata binds, result;
    bool stale; /* its table changed under it: prepare gives a new one */
};

struct rdl_cql_request {
    rdl_cql *s;
    rdl_cql_request *next; /* of the free list, the queue, or the waiters of a PREPARE */
    rdl_cql_request *all;  /* every request of the session, for time limits */
    rdl_cql_request_state state;
    bool internal; /* the session's own: not counted, not limited */
    bool is_batch;
    rdl_buf message; /* the envelope as it is sent, without its stream id */
    rdl_cql_writer writer;
    rdl_err err; /* the writer's */
    const rdl_cql_statement *statement;
    size_t values_at;     /* of the first statement's first value */
    size_t values_n_at;   /* of the number of values */
    size_t count_at;      /* batch: of the number of statements */
    size_t tail_at;       /* of what follows the values */
    size_t parameters_at; /* of consistency and flags */
    uint32_t batch_n;
    rdl_cql_options options;
    bool has_token;
    int64_t token;
    rdl_str keyspace; /* whose replicas */
    rdl_cql_done *done;
    void *arg;
    int64_t sent_us, deadline_us, not_before_us;
    uint32_t attempts;
    rdl_cql_host *avoid;        /* where the last attempt failed */
    rdl_cql_connection *pinned; /* only there: the session's own, and after a re-prepare */
    rdl_cql_connection *connection;
    uint16_t stream;
    uint64_t queued_at;       /* its end among the connection's queued bytes */
    rdl_cql_request *waiters; /* a PREPARE's: requests that go again when it is answered */
    rdl_cql_statement *preparing;
    rdl_cql_connection *prepared_on;
    rdl_cql_result **owned_out; /* a caller that waits wants the result for itself */
};

struct rdl_cql_connection {
    rdl_cql *s;
    rdl_cql_host *host;
    rdl_cql_state state;
    int fd;
    rdl_tls *tls;
    bool framed; /* version 5's segments are in use */
    bool lz4, offers_lz4;
    bool broken; /* to be closed between events, for the reason in why */
    bool wants_write;
    uint32_t version;
    int64_t deadline_us; /* of the handshake */
    int64_t last_read_us;
    rdl_err why;
    rdl_buf out;  /* envelopes, not yet in segments or compressed */
    rdl_buf wire; /* bytes as they go out, from wire_at on */
    size_t wire_at;
    uint64_t queued, wrapped; /* bytes ever put into out, and those that have left it */
    rdl_buf in;
    size_t in_at;
    rdl_buf gathered; /* an envelope that comes in several segments */
    rdl_buf unpacked; /* a segment or body after decompression */
    rdl_cql_request **by_stream;
    uint16_t *free_streams;
    uint32_t streams, free_n, orphans;
};

struct rdl_cql_host {
    rdl_address address;
    char name[RDL_ADDRESS_TEXT_BYTES];
    char host_name[256];  /* of the contact point, as it was written; a peer has none */
    char server_name[64]; /* SNI: the host id, behind Astra's proxy */
    uint8_t id[16];
    char datacentre[64], rack[64];
    uint32_t generation; /* of the topology that named it last */
    bool known;          /* in the topology that was last read */
    bool local;          /* in our datacentre, and known */
    int64_t *tokens;
    uint32_t tokens_n;
    rdl_cql_connection *connections[RDL_CQL_CONNECTIONS_MAX];
    uint32_t connections_n;
    int64_t next_attempt_us;
    uint32_t pause_ms;
    rdl_err last; /* why it was last lost; code OK before that */
};

typedef struct rdl_cql_token_range {
    int64_t token; /* the last of the range */
    uint32_t host;
} rdl_cql_token_range;

typedef struct rdl_cql_replication {
    rdl_str keyspace;
    uint32_t factor;    /* replicas in our datacentre; 0: not known, any node will do */
    bool by_rack;       /* NetworkTopologyStrategy */
    bool all_centres;   /* SimpleStrategy: walks the ring of all datacentres */
    uint16_t *replicas; /* factor for each range of the ring; made when first asked */
} rdl_cql_replication;

struct rdl_cql {
    rdl_arena arena;       /* what lives as long as the session */
    rdl_cql_config config; /* texts in the arena */
    rdl_tls_context *tls;
    const char *verify_name; /* Astra: of the proxy */
    rdl_poller *poller;
    rdl_cql_host *hosts[RDL_CQL_HOSTS_MAX];
    uint32_t hosts_n;
    uint32_t version; /* of the protocol, agreed with the first node */
    char datacentre[64], cluster[128], release[64];
    rdl_cql_connection *control;
    bool topology_read;    /* once, at least */
    bool topology_reading; /* a refresh is under way */
    int64_t refresh_us;    /* when to read it again; 0: not now */
    uint32_t refresh_left; /* answers that are still to come */
    rdl_arena ring_arena;  /* ring and replications: made anew together */
    rdl_cql_token_range *ring;
    uint32_t ring_n;
    rdl_cql_replication *replications;
    uint32_t replications_n;
    rdl_cql_request *all, *free, *free_internal;
    rdl_cql_request *queue, **queue_end; /* WAITING, in order */
    uint32_t taken;                      /* begun, sent or not */
    uint32_t in_flight;                  /* sent */
    uint32_t limit;
    rdl_buf key; /* scratch of routing */
    uint32_t local_n;
    uint32_t generation; /* of the topology */
    bool topology_failed;
    rdl_cql_host *trying; /* open: the contact point's turn */
    uint32_t turn;        /* of round robin */
    unsigned in_done;
    int64_t tick_us;
    uint64_t completions; /* grows with each done; poll returns when it has */
    rdl_cql_statement *statements;
    rdl_cql_stats stats;
    rdl_cql_error last_error;
    rdl_err fatal; /* a refusal that no further attempt will change: credentials, TLS */
    uint64_t rng;
    bool closing;
};

/* connection.c */
RDL_MUST rdl_code rdl_cql_connection_open(rdl_cql_host *h, rdl_err *err);
void rdl_cql_connection_break(rdl_cql_connection *c, const rdl_err *why);
void rdl_cql_connection_close(rdl_cql_connection *c); /* its requests are lost or sent again */
void rdl_cql_connection_free(rdl_cql_connection *c);
void rdl_cql_connection_ready(rdl_cql_connection *c, bool readable, bool writable);
void rdl_cql_connection_flush(rdl_cql_connection *c);
/* Takes a stream id and puts the request's envelope into the buffer; false: no id is free. */
bool rdl_cql_connection_send(rdl_cql_connection *c, rdl_cql_request *r);
/* The time limit is over: the stream id stays taken until its answer comes (Q4). */
void rdl_cql_connection_orphan(rdl_cql_connection *c, rdl_cql_request *r);
const char *rdl_cql_connection_what(const rdl_cql_connection *c, char buf[128]);

/* handshake.c */
void rdl_cql_handshake_connected(rdl_cql_connection *c);
void rdl_cql_handshake_tls(rdl_cql_connection *c);
RDL_MUST rdl_code rdl_cql_handshake_answer(rdl_cql_connection *c, const rdl_cql_envelope *e,
                                           rdl_err *err);

/* topology.c */
rdl_cql_host *rdl_cql_host_add(rdl_cql *s, const rdl_address *a, const char *server_name,
                               rdl_err *err);
void rdl_cql_topology_refresh(rdl_cql *s);
RDL_MUST rdl_code rdl_cql_event(rdl_cql *s, const rdl_cql_envelope *e, rdl_err *err);
void rdl_cql_hosts_tick(rdl_cql *s, int64_t now);
rdl_cql_connection *rdl_cql_host_connection(const rdl_cql_host *h); /* the least busy; NULL */

/* ring.c */
void rdl_cql_ring_build(rdl_cql *s);
/* Indexes into hosts; 0 where the keyspace or the ring is not known. */
uint32_t rdl_cql_replicas(rdl_cql *s, rdl_str keyspace, int64_t token, const uint16_t **out);
void rdl_cql_replication_add(rdl_cql *s, rdl_str keyspace, rdl_cql_value options);

/* dispatch.c */
void rdl_cql_dispatch(rdl_cql *s);
void rdl_cql_requests_tick(rdl_cql *s, int64_t now);
void rdl_cql_request_enqueue(rdl_cql_request *r);
/* An answer came, or will not come: another attempt, or done. */
void rdl_cql_request_answered(rdl_cql_request *r, const rdl_cql_envelope *e);
void rdl_cql_request_failed(rdl_cql_request *r, rdl_cql_error *e, const rdl_err *why);
void rdl_cql_request_finish(rdl_cql_request *r, const rdl_cql_answer *a);

/* request.c */
rdl_cql_request *rdl_cql_request_take(rdl_cql *s, bool internal);
void rdl_cql_request_release(rdl_cql_request *r);
void rdl_cql_message_query(rdl_cql_request *r, const char *text);
void rdl_cql_message_prepare(rdl_cql_request *r, rdl_str text);
void rdl_cql_message_register(rdl_cql_request *r);
/* Everything behind the values; paging: of the page that follows. */
void rdl_cql_message_tail(rdl_cql_request *r, rdl_str paging);
/* Refuses where a wait would begin inside done. */
RDL_MUST rdl_code rdl_cql_may_wait(const rdl_cql *s, rdl_err *err);

/* session.c: connect to a first node, and wait for one of our datacentre */
RDL_MUST rdl_code rdl_cql_try_host(rdl_cql *s, rdl_cql_host *h, rdl_err *err);

/* astra.c: read the bundle, ask the metadata service, and connect through the proxy */
RDL_MUST rdl_code rdl_cql_bundle_open(rdl_cql *s, rdl_err *err);

#endif
