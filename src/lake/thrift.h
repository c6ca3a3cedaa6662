/*
 * lake/thrift.h - Thrift's compact protocol, written: what Parquet's headers are made of.
 *
 *   struct   fields, then a zero byte
 *   field    a byte with the distance to the field before and the type (or, beyond 15, the
 *            type alone and the zigzag number), then the value; a bool is its type
 *   integer  zigzag, then base 128, low digits first
 *   text     length in base 128, bytes
 *   list     a byte with size and type (or, from 15 on, 15 and the size in base 128), elements
 *
 * A struct inside of another begins with rdl_thrift_begin and ends with rdl_thrift_end.
 */
#ifndef RDL_LAKE_THRIFT_H
#define RDL_LAKE_THRIFT_H

#include <assert.h>

#include "base/str.h"

typedef enum rdl_thrift_type {
    RDL_THRIFT_TRUE = 1,
    RDL_THRIFT_FALSE = 2,
    RDL_THRIFT_BYTE = 3,
    RDL_THRIFT_I32 = 5,
    RDL_THRIFT_I64 = 6,
    RDL_THRIFT_TEXT = 8,
    RDL_THRIFT_LIST = 9,
    RDL_THRIFT_STRUCT = 12,
} rdl_thrift_type;

enum { RDL_THRIFT_DEPTH = 12 };

typedef struct rdl_thrift {
    rdl_buf *out;
    int last[RDL_THRIFT_DEPTH]; /* number of the newest field, by depth */
    int depth;
} rdl_thrift;

static inline void rdl_thrift_varint(rdl_thrift *t, uint64_t x)
{
    char bytes[10];
    size_t n = 0;
    for (; x >= 128; x >>= 7)
        bytes[n++] = (char)(x | 128);
    bytes[n++] = (char)x;
    rdl_buf_put(t->out, bytes, n);
}

static inline void rdl_thrift_zigzag(rdl_thrift *t, int64_t x)
{
    rdl_thrift_varint(t, (uint64_t)x << 1 ^ (uint64_t)(x >> 63));
}

static inline void rdl_thrift_field(rdl_thrift *t, int number, rdl_thrift_type type)
{
    int step = number - t->last[t->depth];
    assert(step > 0 && step < 16);
    rdl_buf_putc(t->out, (char)(step << 4 | (int)type));
    t->last[t->depth] = number;
}

static inline void rdl_thrift_i32(rdl_thrift *t, int number, int32_t x)
{
    rdl_thrift_field(t, number, RDL_THRIFT_I32);
    rdl_thrift_zigzag(t, x);
}

static inline void rdl_thrift_i64(rdl_thrift *t, int number, int64_t x)
{
    rdl_thrift_field(t, number, RDL_THRIFT_I64);
    rdl_thrift_zigzag(t, x);
}

static inline void rdl_thrift_bool(rdl_thrift *t, int number, bool x)
{
    rdl_thrift_field(t, number, x ? RDL_THRIFT_TRUE : RDL_THRIFT_FALSE);
}

static inline void rdl_thrift_byte(rdl_thrift *t, int number, char x)
{
    rdl_thrift_field(t, number, RDL_THRIFT_BYTE);
    rdl_buf_putc(t->out, x);
}

/* A text as a list's element; rdl_thrift_text is one as a field. */
static inline void rdl_thrift_bytes(rdl_thrift *t, rdl_str s)
{
    rdl_thrift_varint(t, s.n);
    rdl_buf_put(t->out, s.p, s.n);
}

static inline void rdl_thrift_text(rdl_thrift *t, int number, rdl_str s)
{
    rdl_thrift_field(t, number, RDL_THRIFT_TEXT);
    rdl_thrift_bytes(t, s);
}

static inline void rdl_thrift_list(rdl_thrift *t, int number, rdl_thrift_type type, size_t n)
{
    rdl_thrift_field(t, number, RDL_THRIFT_LIST);
    rdl_buf_putc(t->out, (char)((n < 15 ? (int)n : 15) << 4 | (int)type));
    if (n >= 15)
        rdl_thrift_varint(t, n);
}

/* A struct that is a list's element: its fields are numbered anew. */
static inline void rdl_thrift_open(rdl_thrift *t)
{
    assert(t->depth + 1 < RDL_THRIFT_DEPTH);
    t->last[++t->depth] = 0;
}

static inline void rdl_thrift_begin(rdl_thrift *t, int number)
{
    rdl_thrift_field(t, number, RDL_THRIFT_STRUCT);
    rdl_thrift_open(t);
}

static inline void rdl_thrift_end(rdl_thrift *t)
{
    rdl_buf_putc(t->out, 0);
    if (t->depth > 0)
        t->depth--;
}

/* A struct without a field: which member of a union it is says all. */
static inline void rdl_thrift_empty(rdl_thrift *t, int number)
{
    rdl_thrift_begin(t, number);
    rdl_thrift_end(t);
}

#endif
