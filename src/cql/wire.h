/*
 * cql/wire.h - the protocol's primitives, read with bounds and written at the end of a buffer.
 *
 *   [byte] [short] [int] [long]   unsigned 8, 16; signed 32, 64 bits; big-endian
 *   [string]        [short] n, n bytes of UTF-8      [long string]  the same with [int]
 *   [bytes]         [int] n, n bytes; n < 0: null    [short bytes]  [short] n, n bytes
 *   [string list]   [short] n, n [string]
 *   [string map]    [short] n, n times [string] [string]
 *   [bytes map]     [short] n, n times [string] [bytes]
 *   [inet]          [byte] 4 or 16, the address, [int] port
 *
 * A reader that runs past its end becomes bad and gives zeros from then on, so that a decoder
 * reads on and asks once.  Buffers written here do not keep rdl_buf's final NUL.
 *
 * Thread: any, for what is not shared.
 */
#ifndef RDL_CQL_WIRE_H
#define RDL_CQL_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/socket.h"
#include "base/str.h"

typedef struct rdl_wire {
    const uint8_t *p;
    size_t n; /* left */
    bool bad;
} rdl_wire;

static inline const uint8_t *rdl_wire_take(rdl_wire *w, size_t n)
{
    if (n > w->n || w->bad) {
        w->bad = true;
        w->n = 0;
        return NULL;
    }
    const uint8_t *p = w->p;
    w->p += n;
    w->n -= n;
    return p;
}

static inline uint16_t rdl_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t rdl_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t rdl_be64(const uint8_t *p)
{
    return (uint64_t)rdl_be32(p) << 32 | rdl_be32(p + 4);
}

static inline uint8_t rdl_wire_byte(rdl_wire *w)
{
    const uint8_t *p = rdl_wire_take(w, 1);
    return p != NULL ? *p : 0;
}
static inline uint16_t rdl_wire_short(rdl_wire *w)
{
    const uint8_t *p = rdl_wire_take(w, 2);
    return p != NULL ? rdl_be16(p) : 0;
}
static inline int32_t rdl_wire_int(rdl_wire *w)
{
    const uint8_t *p = rdl_wire_take(w, 4);
    return p != NULL ? (int32_t)rdl_be32(p) : 0;
}
static inline rdl_str rdl_wire_span(rdl_wire *w, size_t n)
{
    const uint8_t *p = rdl_wire_take(w, n);
    return p != NULL ? (rdl_str){(const char *)p, n} : (rdl_str){NULL, 0};
}
static inline rdl_str rdl_wire_string(rdl_wire *w)
{
    return rdl_wire_span(w, rdl_wire_short(w));
}
/* *out_null is told for n < 0; may be NULL where a null is the same as nothing. */
static inline rdl_str rdl_wire_bytes(rdl_wire *w, bool *out_null)
{
    int32_t n = rdl_wire_int(w);
    if (out_null != NULL)
        *out_null = n < 0;
    return n < 0 ? (rdl_str){NULL, 0} : rdl_wire_span(w, (size_t)n);
}
static inline void rdl_wire_inet(rdl_wire *w, rdl_address *out)
{
    uint8_t n = rdl_wire_byte(w);
    *out = (rdl_address){0};
    if (n != 4 && n != 16)
        w->bad = true;
    const uint8_t *p = rdl_wire_take(w, n);
    if (p != NULL) {
        memcpy(out->bytes, p, n);
        out->n = n;
    }
    out->port = (uint16_t)rdl_wire_int(w);
}

/* n bytes at the buffer's end, to be filled. */
static inline uint8_t *rdl_wire_room(rdl_buf *b, size_t n)
{
    if (b->cap - b->n <= n)
        rdl_buf_reserve(b, n);
    uint8_t *p = (uint8_t *)b->p + b->n;
    b->n += n;
    return p;
}
static inline void rdl_set_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void rdl_set_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
static inline void rdl_set_be64(uint8_t *p, uint64_t v)
{
    rdl_set_be32(p, (uint32_t)(v >> 32));
    rdl_set_be32(p + 4, (uint32_t)v);
}
static inline void rdl_wire_put_byte(rdl_buf *b, uint8_t v)
{
    *rdl_wire_room(b, 1) = v;
}
static inline void rdl_wire_put_short(rdl_buf *b, uint16_t v)
{
    rdl_set_be16(rdl_wire_room(b, 2), v);
}
static inline void rdl_wire_put_int(rdl_buf *b, int32_t v)
{
    rdl_set_be32(rdl_wire_room(b, 4), (uint32_t)v);
}
static inline void rdl_wire_put_long(rdl_buf *b, int64_t v)
{
    rdl_set_be64(rdl_wire_room(b, 8), (uint64_t)v);
}
static inline void rdl_wire_put_raw(rdl_buf *b, const void *p, size_t n)
{
    if (n > 0)
        memcpy(rdl_wire_room(b, n), p, n);
}
static inline void rdl_wire_put_string(rdl_buf *b, rdl_str s) /* at most 65,535 bytes */
{
    rdl_wire_put_short(b, (uint16_t)s.n);
    rdl_wire_put_raw(b, s.p, s.n);
}
static inline void rdl_wire_put_bytes(rdl_buf *b, rdl_str s)
{
    rdl_wire_put_int(b, (int32_t)s.n);
    rdl_wire_put_raw(b, s.p, s.n);
}

#endif
