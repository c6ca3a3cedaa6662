/*
 * cql/message.h - the bodies of messages: what a client asks and a server answers.
 *
 * REQUESTS
 *
 *   OPTIONS        (empty)
 *   STARTUP        [string map]  CQL_VERSION 3.0.0, COMPRESSION lz4, DRIVER_NAME, DRIVER_VERSION
 *   AUTH_RESPONSE  [bytes]       SASL PLAIN: 0, user, 0, password
 *   REGISTER       [string list] TOPOLOGY_CHANGE, STATUS_CHANGE, SCHEMA_CHANGE
 *   QUERY          [long string] text, parameters
 *   PREPARE        [long string] text; version 5: [int] flags
 *   EXECUTE        [short bytes] id; version 5: [short bytes] id of its result; parameters
 *   BATCH          [byte] kind, [short] n, n times ([byte] 1, [short bytes] id, [short] n, n
 *                  [value]), [short] consistency, flags, serial consistency, timestamp
 *
 *   parameters: [short] consistency, flags ([byte]; version 5: [int]), then what they announce:
 *     0x01  [short] n, n [value]              0x04  [int] rows of a page
 *     0x08  [bytes] paging state              0x10  [short] serial consistency
 *     0x20  [long] timestamp, microseconds
 *
 * ANSWERS
 *
 *   READY, AUTH_SUCCESS [bytes], AUTHENTICATE [string] class, AUTH_CHALLENGE [bytes]
 *   SUPPORTED      [string multimap]
 *   EVENT          [string] kind, [string] change, then [inet], or the schema's names
 *   ERROR          [int] code, [string] message, more by code (error.c)
 *   RESULT         [int] kind: void; rows; [string] keyspace; prepared; schema change
 *     rows:      metadata, [int] n, n rows of one [bytes] a column
 *     metadata:  [int] flags, [int] columns; 0x02: [bytes] paging state; 0x08: [short bytes] new
 *                id; unless 0x04: (0x01: [string] keyspace, [string] table once), then for each
 *                column (keyspace and table without 0x01), [string] name, [option] type
 *     prepared:  [short bytes] id; version 5: [short bytes] id of its result; metadata of the
 *                binds ([int] flags, [int] columns, [int] n, n [short] binds of the partition
 *                key, columns as above); metadata of the result
 *
 * Thread: any, for what is not shared.
 */
#ifndef RDL_CQL_MESSAGE_H
#define RDL_CQL_MESSAGE_H

#include "cql/cql.h"
#include "cql/frame.h"
#include "cql/wire.h"

enum { RDL_CQL_COLUMNS_MAX = 1 << 14 };

typedef struct rdl_cql_metadata {
    rdl_cql_column *columns; /* NULL: not sent */
    uint32_t n;
    bool more_pages;
    rdl_str paging_state; /* in the body */
    uint16_t *key;        /* binds of the partition key */
    uint32_t key_n;
} rdl_cql_metadata;

typedef struct rdl_cql_prepared {
    rdl_str id, result_id; /* in the body */
    rdl_cql_metadata binds, result;
} rdl_cql_prepared;

/* Both leave the wire after what they read; names and types go to the arena. */
bool rdl_cql_metadata_read(rdl_wire *w, rdl_arena *a, bool binds, rdl_cql_metadata *out);
bool rdl_cql_prepared_read(rdl_wire *w, rdl_arena *a, uint32_t version, rdl_cql_prepared *out);

/* An ERROR; what it lacks stays zero.  False when it cannot be understood. */
bool rdl_cql_error_read(const rdl_cql_envelope *e, uint32_t version, rdl_cql_error *out);
/* err in words; returns its code.  what: "execute the statement on 127.0.0.1:9042". */
rdl_code rdl_cql_error_tell(const rdl_cql_error *e, const char *what, rdl_err *err);
/* Which answers mean that nothing was done, and which may pass: sets the two flags. */
void rdl_cql_error_judge(rdl_cql_error *e);

uint16_t rdl_cql_consistency_wire(rdl_cql_consistency c);

struct rdl_cql_result {
    rdl_cql *session;
    rdl_cql_result_kind kind;
    rdl_arena arena; /* metadata, cells, warnings */
    rdl_buf body;    /* owned results: what the rest points into */
    rdl_cql_metadata metadata;
    uint32_t rows, row; /* row: the next one */
    rdl_wire next;
    rdl_cql_value *cells;
    rdl_str *warnings;
    uint32_t warnings_n;
    bool traced;
    uint8_t tracing_id[16];
    rdl_wire rest;   /* of PREPARED, SET_KEYSPACE, SCHEMA_CHANGE */
    rdl_buf request; /* owned results with more pages: what to send again */
    size_t parameters_at;
    const rdl_cql_statement *statement;
    rdl_cql_options options;
};
/* Take a RESULT's body apart; all rows are checked here, so that going through them cannot fail.
 * The body is borrowed.  r is fresh (zeroed) or has been released. */
RDL_MUST rdl_code rdl_cql_result_read(rdl_cql_result *r, const rdl_cql_envelope *e, rdl_err *err);
void rdl_cql_result_release(rdl_cql_result *r); /* what it holds, not r */
/* What an answer's flags put in front of its body: a result keeps it, an error (NULL) does not. */
void rdl_cql_prefix_read(rdl_wire *w, uint8_t flags, rdl_cql_result *r);

#endif
