/*
 * cql/frame.c - envelopes and segments; the layouts are drawn in frame.h.
 */
#include "cql/frame.h"

#include <lz4.h>
#include <zlib.h>

#include "cql/wire.h"

enum {
    PLAIN_HEADER = 6,
    LZ4_HEADER = 8,
    CRC_BYTES = 4,
    LENGTH_AT = 5,
    /* LZ4 can make a block of n bytes out of no fewer than n / 255; less is a lie. */
    LZ4_RATIO_MAX = 255,
};

uint32_t rdl_crc24(const uint8_t *p, size_t n)
{
    uint32_t crc = 0x875060;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint32_t)p[i] << 16;
        for (int bit = 0; bit < 8; bit++) {
            crc <<= 1;
            if ((crc & 0x1000000) != 0)
                crc ^= 0x1974F0B;
        }
    }
    return crc;
}

uint32_t rdl_cql_crc32(const uint8_t *p, size_t n)
{
    static const uint8_t salt[4] = {0xFA, 0x2D, 0x55, 0xCA};
    return (uint32_t)crc32_z(crc32_z(0, salt, sizeof salt), p, n);
}

rdl_code rdl_cql_envelope_read(const uint8_t *p, size_t n, uint32_t version, uint32_t body_max,
                               rdl_cql_envelope *out, size_t *out_used, rdl_err *err)
{
    *out_used = 0;
    if (n > 0 && (p[0] & RDL_CQL_ANSWER_BIT) == 0)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not read an answer: it begins with byte 0x%02x, which is no "
                           "version of the CQL protocol",
                           p[0]);
    if (n > 0 && version != 0 && (p[0] & 0x7Fu) != version)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not read an answer: it is of protocol version %u, not %u",
                           p[0] & 0x7Fu, version);
    if (n < RDL_CQL_HEADER_BYTES)
        return RDL_OK;
    *out = (rdl_cql_envelope){.version = p[0],
                              .flags = p[1],
                              .stream = (int16_t)rdl_be16(p + 2),
                              .opcode = p[4],
                              .body = p + RDL_CQL_HEADER_BYTES,
                              .n = rdl_be32(p + LENGTH_AT)};
    if (out->n > body_max)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not read an answer: its length is %u bytes, more than %u", out->n,
                           body_max);
    if (n - RDL_CQL_HEADER_BYTES >= out->n)
        *out_used = RDL_CQL_HEADER_BYTES + (size_t)out->n;
    return RDL_OK;
}

void rdl_cql_envelope_begin(rdl_buf *out, uint32_t version, uint8_t flags, uint8_t opcode)
{
    uint8_t *h = rdl_wire_room(out, RDL_CQL_HEADER_BYTES);
    memset(h, 0, RDL_CQL_HEADER_BYTES);
    h[0] = (uint8_t)version;
    h[1] = flags;
    h[4] = opcode;
}

void rdl_cql_envelope_end(rdl_buf *out, size_t at, int16_t stream)
{
    uint8_t *h = (uint8_t *)out->p + at;
    rdl_set_be16(h + 2, (uint16_t)stream);
    rdl_set_be32(h + LENGTH_AT, (uint32_t)(out->n - at - RDL_CQL_HEADER_BYTES));
}

rdl_code rdl_cql_body_unpack(const uint8_t *p, uint32_t n, uint32_t body_max, rdl_buf *out,
                             rdl_err *err)
{
    uint32_t size = n >= 4 ? rdl_be32(p) : 0;
    rdl_buf_clear(out);
    if (n < 4 || size > body_max || size / LZ4_RATIO_MAX > n)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not decompress an answer: %u bytes claim to hold %u", n, size);
    if (size == 0)
        return RDL_OK;
    int got = LZ4_decompress_safe((const char *)p + 4, (char *)rdl_wire_room(out, size),
                                  (int)(n - 4), (int)size);
    if (got != (int)size)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not decompress an answer: it is no LZ4 block of %u bytes", size);
    return RDL_OK;
}

void rdl_cql_envelope_pack(rdl_buf *out, const uint8_t *envelope, size_t n)
{
    size_t at = out->n, body = n - RDL_CQL_HEADER_BYTES;
    int packed = 0;
    rdl_wire_put_raw(out, envelope, RDL_CQL_HEADER_BYTES);
    if (body > 0 && body <= LZ4_MAX_INPUT_SIZE) {
        int bound = LZ4_compressBound((int)body);
        uint8_t *to = rdl_wire_room(out, 4 + (size_t)bound);
        rdl_set_be32(to, (uint32_t)body);
        packed = LZ4_compress_default((const char *)envelope + RDL_CQL_HEADER_BYTES, (char *)to + 4,
                                      (int)body, bound);
        out->n = at + RDL_CQL_HEADER_BYTES;
    }
    if (packed <= 0 || (size_t)packed + 4 >= body) {
        rdl_wire_put_raw(out, envelope + RDL_CQL_HEADER_BYTES, body);
        return;
    }
    out->n += 4 + (size_t)packed;
    out->p[at + 1] = (char)(out->p[at + 1] | RDL_CQL_FLAG_COMPRESSED);
    rdl_set_be32((uint8_t *)out->p + at + LENGTH_AT, 4 + (uint32_t)packed);
}

static uint64_t little(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void put_little(uint8_t *p, size_t n, uint64_t v)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

rdl_code rdl_cql_segment_read(const uint8_t *p, size_t n, bool lz4, rdl_cql_segment *out,
                              size_t *out_used, rdl_err *err)
{
    size_t header = lz4 ? LZ4_HEADER : PLAIN_HEADER, fields = header - 3;
    *out_used = 0;
    if (n < header)
        return RDL_OK;
    uint64_t h = little(p, fields);
    if (rdl_crc24(p, fields) != little(p + fields, 3))
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not read a segment: the checksum of its header is wrong");
    *out = (rdl_cql_segment){.payload = p + header,
                             .n = (uint32_t)(h & RDL_CQL_SEGMENT_MAX),
                             .unpacked = lz4 ? (uint32_t)(h >> 17 & RDL_CQL_SEGMENT_MAX) : 0,
                             .self_contained = (h >> (lz4 ? 34 : 17) & 1) != 0};
    size_t whole = header + out->n + CRC_BYTES;
    if (n < whole)
        return RDL_OK;
    if (rdl_cql_crc32(out->payload, out->n) != little(out->payload + out->n, CRC_BYTES))
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not read a segment: the checksum of its payload is wrong");
    *out_used = whole;
    return RDL_OK;
}

rdl_code rdl_cql_segment_unpack(const rdl_cql_segment *s, rdl_buf *out, rdl_err *err)
{
    uint8_t *to = rdl_wire_room(out, s->unpacked);
    if (LZ4_decompress_safe((const char *)s->payload, (char *)to, (int)s->n, (int)s->unpacked) ==
        (int)s->unpacked)
        return RDL_OK;
    out->n -= s->unpacked;
    return rdl_err_set(err, RDL_ENET, 0,
                       "could not decompress a segment: it is no LZ4 block of %u bytes",
                       s->unpacked);
}

void rdl_cql_segment_write(rdl_buf *out, const uint8_t *payload, uint32_t n, bool self_contained,
                           bool lz4)
{
    size_t header = lz4 ? LZ4_HEADER : PLAIN_HEADER, fields = header - 3, at = out->n;
    uint32_t sent = n, unpacked = 0;
    int bound = lz4 ? LZ4_compressBound((int)n) : 0, packed = 0;
    (void)rdl_wire_room(out, header);
    if (lz4) {
        packed = LZ4_compress_default((const char *)payload,
                                      (char *)rdl_wire_room(out, (size_t)bound), (int)n, bound);
        out->n = at + header;
    }
    if (packed > 0 && (uint32_t)packed < n) {
        sent = (uint32_t)packed;
        unpacked = n;
        out->n += sent;
    } else {
        rdl_wire_put_raw(out, payload, n);
    }
    uint64_t h = lz4 ? sent | (uint64_t)unpacked << 17 | (uint64_t)self_contained << 34
                     : sent | (uint64_t)self_contained << 17;
    (void)rdl_wire_room(out, CRC_BYTES);
    uint8_t *p = (uint8_t *)out->p + at;
    put_little(p, fields, h);
    put_little(p + fields, 3, rdl_crc24(p, fields));
    put_little(p + header + sent, CRC_BYTES, rdl_cql_crc32(p + header, sent));
}

void rdl_cql_segments_write(rdl_buf *out, const uint8_t *envelopes, size_t n, bool lz4)
{
    size_t at = 0;
    while (at < n) {
        size_t end = at; /* of the whole envelopes that fit */
        size_t next = 0;
        while (end < n) {
            next = RDL_CQL_HEADER_BYTES + (size_t)rdl_be32(envelopes + end + LENGTH_AT);
            if (end + next - at > RDL_CQL_SEGMENT_MAX)
                break;
            end += next;
        }
        if (end > at) {
            rdl_cql_segment_write(out, envelopes + at, (uint32_t)(end - at), true, lz4);
            at = end;
            continue;
        }
        for (size_t left = next; left > 0;) {
            uint32_t piece = left < RDL_CQL_SEGMENT_MAX ? (uint32_t)left : RDL_CQL_SEGMENT_MAX;
            rdl_cql_segment_write(out, envelopes + at, piece, false, lz4);
            at += piece;
            left -= piece;
        }
    }
}
