/*
 * cql/frame.h - envelopes (one message each) and, in version 5, the segments around them.
 *
 * ENVELOPE (versions 3 to 5; called frame before version 5)
 *
 *    0        8        16       24       32         40
 *   +--------+--------+--------+--------+----------+
 *   | version| flags  |      stream     |  opcode  |     version: 0x80 is set in answers
 *   +--------+--------+--------+--------+----------+     stream: -1 in events
 *   |              length               |               of the body that follows
 *   +--------+--------+--------+--------+
 *
 *   flags: 1 body compressed (version 4: [int] length before, then an LZ4 block) · 2 tracing ·
 *   4 custom payload · 8 warnings · 16 beta.  An answer's body begins with what its flags
 *   announce: tracing id [uuid], warnings [string list], custom payload [bytes map].
 *
 * SEGMENT (version 5, after STARTUP was answered; little-endian)
 *
 *   without compression                       with LZ4
 *   17 bits  payload bytes                    17 bits  payload bytes, as sent
 *    1 bit   self-contained                   17 bits  payload bytes before compression;
 *    6 bits  zero                                      0: the payload is not compressed
 *   24 bits  CRC24 of these 3 bytes            1 bit   self-contained
 *   payload, at most 131,071 bytes             5 bits  zero
 *   32 bits  CRC32 of the payload             24 bits  CRC24 of these 5 bytes; the rest is the same
 *
 *   A self-contained segment holds one or more whole envelopes.  One that is not holds a piece
 *   of a single envelope, and the segments after it hold the rest, in order.
 *
 *   CRC24: polynomial 0x1974F0B, begins with 0x875060.  CRC32: that of zlib, begun with the
 *   bytes FA 2D 55 CA.
 *
 * Thread: any, for what is not shared.
 */
#ifndef RDL_CQL_FRAME_H
#define RDL_CQL_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
    RDL_CQL_HEADER_BYTES = 9,
    RDL_CQL_SEGMENT_MAX = 0x1FFFF, /* of a payload */
    RDL_CQL_ANSWER_BIT = 0x80,
    RDL_CQL_EVENT_STREAM = -1,
    RDL_CQL_FLAG_COMPRESSED = 0x01,
    RDL_CQL_FLAG_TRACING = 0x02,
    RDL_CQL_FLAG_PAYLOAD = 0x04,
    RDL_CQL_FLAG_WARNING = 0x08,
};

typedef enum rdl_cql_opcode {
    RDL_CQL_OP_ERROR = 0x00,
    RDL_CQL_OP_STARTUP = 0x01,
    RDL_CQL_OP_READY = 0x02,
    RDL_CQL_OP_AUTHENTICATE = 0x03,
    RDL_CQL_OP_OPTIONS = 0x05,
    RDL_CQL_OP_SUPPORTED = 0x06,
    RDL_CQL_OP_QUERY = 0x07,
    RDL_CQL_OP_RESULT = 0x08,
    RDL_CQL_OP_PREPARE = 0x09,
    RDL_CQL_OP_EXECUTE = 0x0A,
    RDL_CQL_OP_REGISTER = 0x0B,
    RDL_CQL_OP_EVENT = 0x0C,
    RDL_CQL_OP_BATCH = 0x0D,
    RDL_CQL_OP_AUTH_CHALLENGE = 0x0E,
    RDL_CQL_OP_AUTH_RESPONSE = 0x0F,
    RDL_CQL_OP_AUTH_SUCCESS = 0x10,
} rdl_cql_opcode;

typedef struct rdl_cql_envelope {
    uint8_t version, flags, opcode; /* version with the answer's bit */
    int16_t stream;
    const uint8_t *body;
    uint32_t n;
} rdl_cql_envelope;

/* One envelope at p.  *out_used is its length, or 0 when there is less than one; a server's
 * envelope is checked: an answer of this version (0: any), at most body_max bytes. */
RDL_MUST rdl_code rdl_cql_envelope_read(const uint8_t *p, size_t n, uint32_t version,
                                        uint32_t body_max, rdl_cql_envelope *out, size_t *out_used,
                                        rdl_err *err);
/* A request's header; the length is set when the body is known. */
void rdl_cql_envelope_begin(rdl_buf *out, uint32_t version, uint8_t flags, uint8_t opcode);
void rdl_cql_envelope_end(rdl_buf *out, size_t at, int16_t stream);

/* The body of an envelope of version 4 with the compressed flag, into out (emptied first). */
RDL_MUST rdl_code rdl_cql_body_unpack(const uint8_t *p, uint32_t n, uint32_t body_max, rdl_buf *out,
                                      rdl_err *err);
/* Appends the envelope with its body compressed; as it is where that is no shorter. */
void rdl_cql_envelope_pack(rdl_buf *out, const uint8_t *envelope, size_t n);

typedef struct rdl_cql_segment {
    const uint8_t *payload; /* as sent */
    uint32_t n;
    uint32_t unpacked; /* bytes after decompression; 0: it is not compressed */
    bool self_contained;
} rdl_cql_segment;

/* One segment at p, its checksums checked.  *out_used as above. */
RDL_MUST rdl_code rdl_cql_segment_read(const uint8_t *p, size_t n, bool lz4, rdl_cql_segment *out,
                                       size_t *out_used, rdl_err *err);
/* Appends the payload of a compressed segment. */
RDL_MUST rdl_code rdl_cql_segment_unpack(const rdl_cql_segment *s, rdl_buf *out, rdl_err *err);
void rdl_cql_segment_write(rdl_buf *out, const uint8_t *payload, uint32_t n, bool self_contained,
                           bool lz4);
/* Appends segments of whole envelopes: as many in each as fit, a big one over several. */
void rdl_cql_segments_write(rdl_buf *out, const uint8_t *envelopes, size_t n, bool lz4);

uint32_t rdl_crc24(const uint8_t *p, size_t n);
uint32_t rdl_cql_crc32(const uint8_t *p, size_t n);

#endif
