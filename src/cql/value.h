/*
 * cql/value.h - how each type's bytes look; shared by writer, getters and printer.
 *
 * A [value] is [int] n and n bytes; n = -1 is null, n = -2 unset (bound values alone).
 *
 *   ascii text blob custom   the bytes           boolean        1 byte, 0 or 1
 *   tinyint smallint int bigint counter          1, 2, 4, 8, 8 bytes, two's complement
 *   float double             IEEE 754            uuid timeuuid  16 bytes
 *   varint    two's complement, the fewest bytes; zero is one byte
 *   decimal   [int] scale, then the unscaled varint: unscaled * 10^-scale
 *   timestamp [long] milliseconds since 1970     time           [long] nanoseconds of the day
 *   date      [int] days, unsigned; 2^31 is 1970-01-01
 *   duration  three vints: months, days, nanoseconds; each (v << 1) ^ (v >> 63)
 *   inet      4 or 16 bytes
 *   list set  [int] n, n [value]                 map            [int] n, n pairs of [value]
 *   tuple UDT a [value] for each field; fields that are missing at the end are null
 *   vector    the elements without lengths where their type has a fixed size, else each with
 *             its length as an unsigned vint
 *
 * An unsigned vint: as many one-bits lead the first byte as bytes follow it; the other bits
 * and those bytes are the number.
 *
 * Thread: any, for what is not shared.
 */
#ifndef RDL_CQL_VALUE_H
#define RDL_CQL_VALUE_H

#include "cql/cql.h"

enum {
    RDL_CQL_UNSET = -2,
    RDL_CQL_VINT_MAX = 9,       /* bytes */
    RDL_CQL_DIGITS_MAX = 10000, /* of a number that is printed or parsed */
};
static const int64_t RDL_CQL_DAY_NS = 86400000000000;

/* Bytes used, 0 when there are too few. */
size_t rdl_vint_read(const uint8_t *p, size_t n, uint64_t *out);
size_t rdl_vint_write(uint64_t v, uint8_t out[RDL_CQL_VINT_MAX]);

/* The fewest bytes of v, big-endian; returns their number, 1 to 16. */
size_t rdl_varint_write(rdl_cql_int128 v, uint8_t out[16]);
bool rdl_varint_read(const uint8_t *p, size_t n, rdl_cql_int128 *out); /* false: too wide */
/* Any width up to DIGITS_MAX digits; print gives false beyond it. */
bool rdl_varint_print(const uint8_t *p, size_t n, rdl_buf *out);
/* digits: [+-]?[0-9]+; appends the fewest bytes. */
bool rdl_varint_parse(rdl_str digits, rdl_buf *out);
/* [+-]?digits[.digits][e[+-]digits], into digits without the point and the scale. */
bool rdl_decimal_split(rdl_str text, rdl_buf *out_digits, int32_t *out_scale);

bool rdl_cql_utf8_valid(rdl_str s);

#endif
