/*
 * cql/cql.h - a client of the CQL native protocol (Cassandra, Astra DB, and what speaks like them).
 *
 * A session knows the nodes of one datacentre, keeps connections to them and sends requests
 * to the replica that owns the row, many at a time.  Nothing here starts a thread: the session
 * is driven by whoever calls it, and completions run inside begin, send, poll, drain and the
 * calls that wait.
 *
 *     rdl_cql_config_init(&config); config.contact_points = "127.0.0.1"; ...
 *     rdl_cql_open(&config, &session, err)
 *     rdl_cql_prepare(session, "INSERT INTO ks.t (k, v) VALUES (?, ?)", &insert, err)
 *     for each row:
 *         rdl_cql_begin(session, insert, &options, &request, err)     waits for room
 *         w = rdl_cql_values(request);
 *         rdl_cql_put_text(w, key); rdl_cql_put_int(w, 42);
 *         rdl_cql_send(request, done, arg, err)                        does not wait
 *     rdl_cql_drain(session, err)                                      all are answered
 *     rdl_cql_close(session)
 *
 * The protocol itself is described where it is spoken: wire.h (primitives), frame.h (envelopes
 * and segments), message.h (requests and answers), type.h (values); docs/reference/cql.md is the
 * map, and says who owns what.  Versions 4 and 5.  Another program links -lraudal-cql
 * (examples/cql_client).
 *
 * PROMISES
 *
 *   Q1  done is called exactly once for each sent request, never before send returns, and at the
 *       latest when its time limit is over.
 *   Q2  At most in_flight_max requests are unanswered; begin waits for room.
 *   Q3  A request is sent a second time only if it is idempotent, or is known not to have been
 *       executed (its node never got it whole, or answered UNPREPARED, OVERLOADED or
 *       BOOTSTRAPPING).
 *   Q4  A stream id whose request timed out is not used again until its answer has come.
 *   Q5  Bytes from a server are never trusted: lengths are checked against what is there,
 *       nesting and counts are bounded, and what does not fit is an error that names it.
 *
 * Thread: one at a time for a session and everything got from it.
 */
#ifndef RDL_CQL_H
#define RDL_CQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/tls.h"

/* ---- Types ---------------------------------------------------------------------------- */

/* The numbers are those of the protocol's [option]; VECTOR is ours (the server sends a class). */
typedef enum rdl_cql_kind {
    RDL_CQL_CUSTOM = 0x00,
    RDL_CQL_ASCII = 0x01,
    RDL_CQL_BIGINT = 0x02,
    RDL_CQL_BLOB = 0x03,
    RDL_CQL_BOOLEAN = 0x04,
    RDL_CQL_COUNTER = 0x05,
    RDL_CQL_DECIMAL = 0x06,
    RDL_CQL_DOUBLE = 0x07,
    RDL_CQL_FLOAT = 0x08,
    RDL_CQL_INT = 0x09,
    RDL_CQL_TIMESTAMP = 0x0B,
    RDL_CQL_UUID = 0x0C,
    RDL_CQL_TEXT = 0x0D,
    RDL_CQL_VARINT = 0x0E,
    RDL_CQL_TIMEUUID = 0x0F,
    RDL_CQL_INET = 0x10,
    RDL_CQL_DATE = 0x11,
    RDL_CQL_TIME = 0x12,
    RDL_CQL_SMALLINT = 0x13,
    RDL_CQL_TINYINT = 0x14,
    RDL_CQL_DURATION = 0x15,
    RDL_CQL_LIST = 0x20,
    RDL_CQL_MAP = 0x21,
    RDL_CQL_SET = 0x22,
    RDL_CQL_UDT = 0x30,
    RDL_CQL_TUPLE = 0x31,
    RDL_CQL_VECTOR = 0x100,
} rdl_cql_kind;

typedef struct rdl_cql_type rdl_cql_type;
struct rdl_cql_type {
    rdl_cql_kind kind;
    bool frozen; /* said by the schema's text alone; results do not tell */
    uint32_t n;  /* of args: list, set, vector 1; map 2; tuple, UDT: the fields */
    const rdl_cql_type *const *args;
    const rdl_str *names;   /* UDT: of the fields */
    rdl_str keyspace, name; /* UDT; CUSTOM: name is the class */
    uint32_t dimension;     /* vector */
};

/* Parse a type as system_schema writes it, e.g. frozen<map<text, tuple<int, date>>>.  Names
 * that are no built-in type are looked up by udt (NULL: refused); the result is in the arena. */
typedef const rdl_cql_type *rdl_cql_find_udt(void *arg, rdl_str name);
RDL_MUST rdl_code rdl_cql_type_parse(rdl_arena *a, rdl_str text, rdl_cql_find_udt *udt, void *arg,
                                     const rdl_cql_type **out, rdl_err *err);
void rdl_cql_type_print(const rdl_cql_type *t, rdl_buf *out); /* as the schema writes it */
/* The same values on the wire; frozen is not compared, fields of a UDT are by name and order. */
bool rdl_cql_type_eq(const rdl_cql_type *a, const rdl_cql_type *b);

/* ---- Sessions ------------------------------------------------------------------------- */

/* The protocol's numbers, but for ANY (0 there): 0 here is "as the session's config says". */
typedef enum rdl_cql_consistency {
    RDL_CQL_AS_CONFIGURED = 0,
    RDL_CQL_ONE = 1,
    RDL_CQL_TWO = 2,
    RDL_CQL_THREE = 3,
    RDL_CQL_QUORUM = 4,
    RDL_CQL_ALL = 5,
    RDL_CQL_LOCAL_QUORUM = 6,
    RDL_CQL_EACH_QUORUM = 7,
    RDL_CQL_SERIAL = 8,
    RDL_CQL_LOCAL_SERIAL = 9,
    RDL_CQL_LOCAL_ONE = 10,
    RDL_CQL_ANY = 0x100,
} rdl_cql_consistency;
bool rdl_cql_consistency_parse(rdl_str text, rdl_cql_consistency *out); /* any case */
const char *rdl_cql_consistency_name(rdl_cql_consistency c);            /* "LOCAL_QUORUM" */

typedef enum rdl_cql_compression { RDL_CQL_PLAIN, RDL_CQL_LZ4 } rdl_cql_compression;

/* Texts are borrowed during open alone.  NULL and 0 are "none" or the default named. */
typedef struct rdl_cql_config {
    const char *contact_points;      /* "host[:port],…"; [v6]:port; any that answers will do */
    uint16_t port;                   /* 9042; of contact points without one and of the peers */
    const char *keyspace;            /* USE on each connection */
    const char *datacentre;          /* default: that of the first node that answers */
    rdl_cql_consistency consistency; /* LOCAL_QUORUM */
    rdl_cql_consistency serial_consistency; /* LOCAL_SERIAL */
    const char *user, *password;            /* Astra: "token" and the token */
    bool tls;
    rdl_tls_config tls_config;
    const char *tls_server_name; /* SNI and the name to verify; default: the node's host */
    const char *bundle;          /* Astra's secure-connect zip; replaces contact points and TLS */
    rdl_cql_compression compression; /* used where the server offers it */
    uint32_t protocol_version;       /* 4 or 5; 0: the highest that both sides know */
    uint32_t connections_per_host;   /* 1 */
    uint32_t in_flight_max;          /* 1024; unanswered requests of the session */
    uint32_t request_timeout_ms;     /* 12,000; longer than the server's own limits */
    uint32_t connect_timeout_ms;     /* 5,000; until a connection is ready for requests */
    uint32_t reconnect_min_ms, reconnect_max_ms; /* 100 and 30,000; doubling, with jitter */
    uint32_t retries_max;     /* 5; further attempts at one request, when allowed (Q3) */
    uint32_t frame_bytes_max; /* 256 MiB; of one answer */
} rdl_cql_config;
void rdl_cql_config_init(rdl_cql_config *c);

typedef struct rdl_cql rdl_cql;
/* Connects to a first node, reads the topology, and returns when one connection is ready. */
RDL_MUST rdl_code rdl_cql_open(const rdl_cql_config *borrowed, rdl_cql **out, rdl_err *err);
/* Unanswered requests end with RDL_ESTOP; their done is called.  NULL is fine. */
void rdl_cql_close(rdl_cql *s);

typedef struct rdl_cql_stats {
    uint64_t requests, answers, errors; /* of the caller; errors are answers too */
    uint64_t retries, reprepared, timeouts;
    uint64_t bytes_out, bytes_in, writes, reads; /* system calls */
    uint64_t waits;                              /* begin found no room */
    uint32_t hosts, hosts_up, connections;
    uint32_t in_flight, in_flight_max;
    uint32_t protocol_version;
    uint64_t schema_version; /* grows with each schema change that was heard of */
} rdl_cql_stats;
void rdl_cql_stats_get(const rdl_cql *s, rdl_cql_stats *out);
const char *rdl_cql_server_version(
    const rdl_cql *s); /* "5.0.9"; release_version of the first node */
const char *rdl_cql_cluster_name(const rdl_cql *s);
/* 1 .. the configured in_flight_max: a caller that slows down under overload lowers it. */
void rdl_cql_in_flight_limit(rdl_cql *s, uint32_t requests);

/* ---- Errors --------------------------------------------------------------------------- */

/* The protocol's codes; ours are above 0xFFFF. */
typedef enum rdl_cql_code {
    RDL_CQL_E_SERVER = 0x0000,
    RDL_CQL_E_PROTOCOL = 0x000A,
    RDL_CQL_E_BAD_CREDENTIALS = 0x0100,
    RDL_CQL_E_UNAVAILABLE = 0x1000,
    RDL_CQL_E_OVERLOADED = 0x1001,
    RDL_CQL_E_BOOTSTRAPPING = 0x1002,
    RDL_CQL_E_TRUNCATE = 0x1003,
    RDL_CQL_E_WRITE_TIMEOUT = 0x1100,
    RDL_CQL_E_READ_TIMEOUT = 0x1200,
    RDL_CQL_E_READ_FAILURE = 0x1300,
    RDL_CQL_E_FUNCTION_FAILURE = 0x1400,
    RDL_CQL_E_WRITE_FAILURE = 0x1500,
    RDL_CQL_E_CDC_WRITE_FAILURE = 0x1600,
    RDL_CQL_E_CAS_WRITE_UNKNOWN = 0x1700,
    RDL_CQL_E_SYNTAX = 0x2000,
    RDL_CQL_E_UNAUTHORIZED = 0x2100,
    RDL_CQL_E_INVALID = 0x2200,
    RDL_CQL_E_CONFIG = 0x2300,
    RDL_CQL_E_ALREADY_EXISTS = 0x2400,
    RDL_CQL_E_UNPREPARED = 0x2500,
    RDL_CQL_E_TIMEOUT = 0x10000, /* no answer within the time limit */
    RDL_CQL_E_LOST,              /* the connection ended before the answer came */
    RDL_CQL_E_NO_HOST,           /* no node of the datacentre is connected */
    RDL_CQL_E_ANSWER,            /* the answer cannot be understood */
    RDL_CQL_E_CLOSED,            /* the session was closed */
} rdl_cql_code;
const char *rdl_cql_code_name(rdl_cql_code c); /* "write timeout" */

typedef struct rdl_cql_error {
    rdl_cql_code code;
    bool not_executed; /* the request changed nothing, for sure */
    bool transient;    /* an idempotent request may be sent again; slow down for overload */
    char host[RDL_ADDRESS_TEXT_BYTES];
    char message[512];               /* the server's own words */
    rdl_cql_consistency consistency; /* unavailable, timeouts, failures */
    int32_t required, alive;         /* unavailable; required too for timeouts (block for) */
    int32_t received, failures;      /* timeouts, failures */
    bool data_present;               /* read timeout and failure */
    char write_type[16];             /* SIMPLE, BATCH, UNLOGGED_BATCH, CAS, … */
    char keyspace[64], table[64];    /* already exists; function failure: keyspace, name */
    uint8_t statement_id[32];        /* unprepared */
    uint8_t statement_id_bytes;
} rdl_cql_error;
/* Of the last call that waited and failed; valid until the next call.  code of rdl_err is
 * EREMOTE for what a server said, ENET for timeouts and connections, and RDL_ERR_RETRY is set
 * where transient is. */
const rdl_cql_error *rdl_cql_last_error(const rdl_cql *s);

/* ---- Results -------------------------------------------------------------------------- */

typedef struct rdl_cql_column {
    rdl_str keyspace, table, name;
    const rdl_cql_type *type;
} rdl_cql_column;

typedef enum rdl_cql_result_kind {
    RDL_CQL_VOID = 1,
    RDL_CQL_ROWS = 2,
    RDL_CQL_SET_KEYSPACE = 3,
    RDL_CQL_PREPARED = 4,
    RDL_CQL_SCHEMA_CHANGE = 5,
} rdl_cql_result_kind;

typedef struct rdl_cql_result rdl_cql_result;
void rdl_cql_result_free(rdl_cql_result *r); /* NULL is fine */
rdl_cql_result_kind rdl_cql_result_kind_of(const rdl_cql_result *r);
uint32_t rdl_cql_columns(const rdl_cql_result *r);
const rdl_cql_column *rdl_cql_column_at(const rdl_cql_result *r, uint32_t i);
bool rdl_cql_column_find(const rdl_cql_result *r, const char *name, uint32_t *out);
uint32_t rdl_cql_page_rows(const rdl_cql_result *r);
bool rdl_cql_more_pages(const rdl_cql_result *r);
uint32_t rdl_cql_warnings(const rdl_cql_result *r);
rdl_str rdl_cql_warning_at(const rdl_cql_result *r, uint32_t i);
bool rdl_cql_tracing_id(const rdl_cql_result *r, uint8_t out[16]);

/* One value: p has n bytes; n < 0 is null.  Valid as long as its result and page are. */
typedef struct rdl_cql_value {
    const rdl_cql_type *type;
    const uint8_t *p;
    int32_t n;
} rdl_cql_value;
static inline bool rdl_cql_is_null(rdl_cql_value v)
{
    return v.n < 0;
}
/* To the next row of this page; false after the last.  The first call goes to the first row. */
bool rdl_cql_next(rdl_cql_result *r);
rdl_cql_value rdl_cql_cell(const rdl_cql_result *r, uint32_t column);
/* To the next row, asking for the next page where this one ends.  Owned results only. */
RDL_MUST rdl_code rdl_cql_fetch(rdl_cql_result *r, bool *out_row, rdl_err *err);
/* Of a lightweight transaction's result: its [applied] column; true where there is none. */
bool rdl_cql_applied(const rdl_cql_result *r);

/* Getters: RDL_ESCHEMA for another type or null, RDL_EDATA for bytes that are none of it. */
RDL_MUST rdl_code rdl_cql_get_bool(rdl_cql_value v, bool *out, rdl_err *err);
/* tinyint, smallint, int, bigint, counter, and varint where it fits (else RDL_ELIMIT) */
RDL_MUST rdl_code rdl_cql_get_int(rdl_cql_value v, int64_t *out, rdl_err *err);
RDL_MUST rdl_code rdl_cql_get_double(rdl_cql_value v, double *out, rdl_err *err); /* float too */
RDL_MUST rdl_code rdl_cql_get_text(rdl_cql_value v, rdl_str *out,
                                   rdl_err *err); /* UTF-8, checked */
RDL_MUST rdl_code rdl_cql_get_blob(rdl_cql_value v, rdl_str *out,
                                   rdl_err *err); /* bytes of any type */
RDL_MUST rdl_code rdl_cql_get_date(rdl_cql_value v, int64_t *out_days,
                                   rdl_err *err);                                   /* since 1970 */
RDL_MUST rdl_code rdl_cql_get_time(rdl_cql_value v, int64_t *out_ns, rdl_err *err); /* of day */
RDL_MUST rdl_code rdl_cql_get_timestamp(rdl_cql_value v, int64_t *out_ms, rdl_err *err);
RDL_MUST rdl_code rdl_cql_get_uuid(rdl_cql_value v, uint8_t out[16],
                                   rdl_err *err); /* timeuuid too */
RDL_MUST rdl_code rdl_cql_get_inet(rdl_cql_value v, rdl_address *out, rdl_err *err); /* port 0 */
typedef struct rdl_cql_duration {
    int32_t months, days;
    int64_t nanoseconds; /* all three have one sign */
} rdl_cql_duration;
RDL_MUST rdl_code rdl_cql_get_duration(rdl_cql_value v, rdl_cql_duration *out, rdl_err *err);
/* Two's complement, 128 bits; RDL_ELIMIT where the value is wider. */
typedef struct rdl_cql_int128 {
    int64_t hi;
    uint64_t lo;
} rdl_cql_int128;
RDL_MUST rdl_code rdl_cql_get_varint(rdl_cql_value v, rdl_cql_int128 *out, rdl_err *err);
RDL_MUST rdl_code rdl_cql_get_decimal(rdl_cql_value v, rdl_cql_int128 *out_unscaled,
                                      int32_t *out_scale, rdl_err *err);
/* Elements of a list, set, map, tuple, UDT or vector; the whole is checked by items. */
typedef struct rdl_cql_items {
    rdl_cql_value of;
    uint32_t count, at; /* of a map: pairs */
    const uint8_t *p;
} rdl_cql_items;
RDL_MUST rdl_code rdl_cql_items_of(rdl_cql_value v, rdl_cql_items *out, rdl_err *err);
/* The next element; false after the last.  key is filled for maps alone and may be NULL. */
bool rdl_cql_items_next(rdl_cql_items *it, rdl_cql_value *out_key, rdl_cql_value *out);

/* As text: a bare value (text unquoted at the top), or a CQL literal that can be written back. */
RDL_MUST rdl_code rdl_cql_print(rdl_cql_value v, rdl_buf *out, rdl_err *err);
RDL_MUST rdl_code rdl_cql_print_literal(rdl_cql_value v, rdl_buf *out, rdl_err *err);
/* As JSON: numbers (decimal and varint exactly as written), text for dates, uuids and blobs. */
RDL_MUST rdl_code rdl_cql_print_json(rdl_cql_value v, rdl_buf *out, rdl_err *err);

/* ---- Prepared statements -------------------------------------------------------------- */

/* Lives until the session is closed; the same text gives the same statement.  Other nodes learn
 * it when they first say UNPREPARED. */
typedef struct rdl_cql_statement rdl_cql_statement;
RDL_MUST rdl_code rdl_cql_prepare(rdl_cql *s, const char *text, rdl_cql_statement **out,
                                  rdl_err *err);
rdl_str rdl_cql_statement_text(const rdl_cql_statement *st);
rdl_str rdl_cql_statement_id(const rdl_cql_statement *st);
uint32_t rdl_cql_binds(const rdl_cql_statement *st);
const rdl_cql_column *rdl_cql_bind_at(const rdl_cql_statement *st, uint32_t i);
bool rdl_cql_bind_find(const rdl_cql_statement *st, const char *name, uint32_t *out);
uint32_t rdl_cql_key_binds(
    const rdl_cql_statement *st); /* 0: the partition key is not bound whole */
uint32_t rdl_cql_key_bind_at(const rdl_cql_statement *st, uint32_t i); /* in the key's order */
uint32_t rdl_cql_statement_columns(const rdl_cql_statement *st);       /* of its result; 0: none */
const rdl_cql_column *rdl_cql_statement_column_at(const rdl_cql_statement *st, uint32_t i);

/* ---- Values --------------------------------------------------------------------------- */

/*
 * Writes the values of one row, in the order of the statement's binds, as the types ask.  A
 * value that does not fit its type is remembered and reported by send (or rdl_cql_row_end),
 * with its column; what is put after it is ignored.
 *
 * list, set, tuple, UDT, vector: begin, the elements, end.  map: key and value in turn.  Fields
 * that a tuple or UDT lacks at its end are null.  Values are encoded where they will be sent from.
 */
enum { RDL_CQL_DEPTH_MAX = 16 };
typedef struct rdl_cql_writer {
    rdl_buf *out;
    const rdl_cql_column *columns; /* the binds */
    uint32_t column_count, column; /* the next one */
    uint32_t depth;
    struct {
        const rdl_cql_type *type;
        size_t at;      /* of the length, patched by end */
        uint32_t count; /* elements so far; of a map: keys and values */
    } open[RDL_CQL_DEPTH_MAX];
    rdl_code failed; /* with err filled */
    rdl_err *err;
} rdl_cql_writer;
void rdl_cql_put_null(rdl_cql_writer *w);
void rdl_cql_put_unset(rdl_cql_writer *w); /* the cell stays as it is; top level only */
void rdl_cql_put_bool(rdl_cql_writer *w, bool v);
void rdl_cql_put_int(rdl_cql_writer *w, int64_t v);   /* any integer type; decimal with scale 0 */
void rdl_cql_put_double(rdl_cql_writer *w, double v); /* float: rounded to it */
void rdl_cql_put_text(rdl_cql_writer *w, rdl_str v);  /* ascii: checked; text: the caller's UTF-8 */
void rdl_cql_put_blob(rdl_cql_writer *w, rdl_str v);
void rdl_cql_put_date(rdl_cql_writer *w, int64_t days); /* since 1970-01-01 */
void rdl_cql_put_time(rdl_cql_writer *w, int64_t ns);
void rdl_cql_put_timestamp(rdl_cql_writer *w, int64_t ms);
void rdl_cql_put_uuid(rdl_cql_writer *w, const uint8_t v[16]); /* timeuuid: version 1 is checked */
void rdl_cql_put_inet(rdl_cql_writer *w, const rdl_address *v);
void rdl_cql_put_duration(rdl_cql_writer *w, rdl_cql_duration v);
void rdl_cql_put_varint(rdl_cql_writer *w, rdl_cql_int128 v);
void rdl_cql_put_decimal(rdl_cql_writer *w, rdl_cql_int128 unscaled, int32_t scale);
void rdl_cql_put_begin(rdl_cql_writer *w);
void rdl_cql_put_end(rdl_cql_writer *w);
/* A value that is encoded already: its bytes as the protocol has them, without the length. */
void rdl_cql_put_raw(rdl_cql_writer *w, rdl_str encoded);
/* A scalar from its text, for parameters of a command line: 42, 1e3, 12.50, true, 2025-08-15,
 * 2025-08-15T10:00:00Z, 10:00:00.5, 1mo2d3h, 0xcafe, uuids and addresses; numbers of any width. */
void rdl_cql_put_parsed(rdl_cql_writer *w, rdl_str text);
/* The type that the next value is written as; NULL when the row is full. */
const rdl_cql_type *rdl_cql_put_type(const rdl_cql_writer *w);

/* A row apart from a request, to know its partition before it is put into a batch. */
void rdl_cql_row_begin(rdl_cql_writer *w, const rdl_cql_statement *st, rdl_buf *out, rdl_err *err);
RDL_MUST rdl_code rdl_cql_row_end(rdl_cql_writer *w); /* all binds have a value, and each fits */
/* The partition key's bytes as the server hashes them; false: key not bound, null or unset. */
bool rdl_cql_row_key(const rdl_cql_statement *st, rdl_str row, rdl_buf *out_key);
int64_t rdl_cql_token(rdl_str key); /* Murmur3 of Cassandra */

/* ---- Requests ------------------------------------------------------------------------- */

typedef struct rdl_cql_options { /* all zero: the session's defaults */
    rdl_cql_consistency consistency, serial_consistency;
    int64_t timestamp_us; /* of the written cells; 0: the server's clock */
    bool idempotent;      /* may be executed twice: see Q3 */
    bool tracing;
    uint32_t page_rows;  /* 0: 5,000 for results; the server decides on fewer */
    uint32_t timeout_ms; /* 0: the session's; of all attempts together */
} rdl_cql_options;

typedef struct rdl_cql_request rdl_cql_request;
/* Waits until there is room (Q2), running completions.  options may be NULL. */
RDL_MUST rdl_code rdl_cql_begin(rdl_cql *s, const rdl_cql_statement *st,
                                const rdl_cql_options *options, rdl_cql_request **out,
                                rdl_err *err);
rdl_cql_writer *rdl_cql_values(rdl_cql_request *r);
/* A row written by rdl_cql_row_begin/end instead of single values. */
void rdl_cql_values_row(rdl_cql_request *r, rdl_str row);

/* A batch: begin, then each statement with its values.  Unlogged: rows of one partition. */
typedef enum rdl_cql_batch {
    RDL_CQL_LOGGED = 0,
    RDL_CQL_UNLOGGED = 1,
    RDL_CQL_COUNTER_BATCH = 2
} rdl_cql_batch;
RDL_MUST rdl_code rdl_cql_begin_batch(rdl_cql *s, rdl_cql_batch kind,
                                      const rdl_cql_options *options, rdl_cql_request **out,
                                      rdl_err *err);
/* The writer of the next statement's values; the values before are complete. */
rdl_cql_writer *rdl_cql_batch_add(rdl_cql_request *r, const rdl_cql_statement *st);
void rdl_cql_batch_add_row(rdl_cql_request *r, const rdl_cql_statement *st, rdl_str row);
uint32_t rdl_cql_batch_count(const rdl_cql_request *r);
size_t rdl_cql_request_bytes(const rdl_cql_request *r); /* so far; servers warn at 5 KiB a batch */

typedef struct rdl_cql_answer {
    rdl_code code;              /* RDL_OK: result is there */
    rdl_cql_result *result;     /* borrowed: valid inside done alone */
    const rdl_cql_error *error; /* where code is not RDL_OK; as err */
    const rdl_err *err;
    int64_t latency_us; /* from send */
} rdl_cql_answer;
typedef void rdl_cql_done(void *arg, const rdl_cql_answer *answer);

/* The request is taken, also on failure (a value that did not fit: done is not called).  done may
 * be NULL; it may begin and send further requests only where there is room (rdl_cql_room). */
RDL_MUST rdl_code rdl_cql_send(rdl_cql_request *taken, rdl_cql_done *done, void *arg, rdl_err *err);
void rdl_cql_abandon(rdl_cql_request *taken); /* begun, but not to be sent */
/* Send and wait; out may be NULL. */
RDL_MUST rdl_code rdl_cql_execute(rdl_cql_request *taken, rdl_cql_result **out, rdl_err *err);
/* A text without binds: send and wait; out may be NULL. */
RDL_MUST rdl_code rdl_cql_query(rdl_cql *s, const char *text, const rdl_cql_options *options,
                                rdl_cql_result **out, rdl_err *err);
/* The same without waiting. */
RDL_MUST rdl_code rdl_cql_query_send(rdl_cql *s, const char *text, const rdl_cql_options *options,
                                     rdl_cql_done *done, void *arg, rdl_err *err);

bool rdl_cql_room(const rdl_cql *s);          /* begin would not wait */
uint32_t rdl_cql_in_flight(const rdl_cql *s); /* sent and unanswered */
/* Send what is buffered, take in what has come, run completions; at most timeout_ms (0: look). */
RDL_MUST rdl_code rdl_cql_poll(rdl_cql *s, int64_t timeout_ms, rdl_err *err);
RDL_MUST rdl_code rdl_cql_drain(rdl_cql *s, rdl_err *err); /* until nothing is in flight */

/* ---- Schema --------------------------------------------------------------------------- */

typedef enum rdl_cql_role {
    RDL_CQL_PARTITION_KEY,
    RDL_CQL_CLUSTERING,
    RDL_CQL_STATIC,
    RDL_CQL_REGULAR,
} rdl_cql_role;

typedef struct rdl_cql_table_column {
    rdl_str name;
    const rdl_cql_type *type;
    rdl_cql_role role;
    uint32_t position; /* within the partition key or the clustering columns */
    bool descending;   /* clustering */
} rdl_cql_table_column;

typedef struct rdl_cql_option {
    rdl_str name, value; /* value as a CQL literal, e.g. {'class': 'SimpleStrategy'} */
} rdl_cql_option;

typedef struct rdl_cql_table {
    rdl_str keyspace, name;
    uint8_t id[16]; /* of this making of it: one that is dropped and made again has another */
    rdl_cql_table_column *columns; /* partition key, clustering, then static and regular by name */
    uint32_t n, partition_keys, clustering_keys;
    rdl_cql_option *options; /* of system_schema.tables: comment, compaction, gc_grace_seconds, … */
    uint32_t options_n;
} rdl_cql_table;

typedef struct rdl_cql_keyspace {
    rdl_str name;
    bool durable_writes;
    rdl_cql_option *replication; /* class, replication_factor or datacentres; values bare */
    uint32_t replication_n;
} rdl_cql_keyspace;

/* *out is NULL where there is none of that name; names are as stored (no quotes, case kept).
 * Results are in the arena. */
RDL_MUST rdl_code rdl_cql_keyspace_get(rdl_cql *s, rdl_arena *a, rdl_str name,
                                       rdl_cql_keyspace **out, rdl_err *err);
RDL_MUST rdl_code rdl_cql_table_get(rdl_cql *s, rdl_arena *a, rdl_str keyspace, rdl_str name,
                                    rdl_cql_table **out, rdl_err *err);
RDL_MUST rdl_code rdl_cql_tables_list(rdl_cql *s, rdl_arena *a, rdl_str keyspace,
                                      rdl_str **out_names, uint32_t *out_n, rdl_err *err);
RDL_MUST rdl_code rdl_cql_udt_get(rdl_cql *s, rdl_arena *a, rdl_str keyspace, rdl_str name,
                                  const rdl_cql_type **out, rdl_err *err);
const rdl_cql_table_column *rdl_cql_table_column_find(const rdl_cql_table *t, rdl_str name);
/* Wait until all nodes that are up have one schema; RDL_ENET after timeout_ms. */
RDL_MUST rdl_code rdl_cql_schema_agreement(rdl_cql *s, uint32_t timeout_ms, rdl_err *err);

/* Text for CQL: "a""b" where it needs quotes, else bare; 'it''s'. */
void rdl_cql_put_ident(rdl_buf *out, rdl_str name);
void rdl_cql_put_string(rdl_buf *out, rdl_str text);

#endif
