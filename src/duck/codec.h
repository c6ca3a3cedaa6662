/*
 * duck/codec.h - a row as bytes: keys whose memcmp order is SQL's, and back into vectors.
 *
 * Per value: one tag byte 0x01 (value) or 0x02 (NULL: nulls last), then by type
 *   BOOLEAN 1 byte · INTEGER, DATE 4, BIGINT, TIMESTAMPTZ 8 bytes big-endian, sign bit flipped
 *   DOUBLE 8 bytes, IEEE bits flipped to total order, -0 as 0, every NaN as one, greatest
 *   DECIMAL 16 bytes big-endian, sign flipped · TEXT, JSON, BLOB bytes with 0x00 as 0x00 0xFF,
 *   ended by 0x00 0x01 · LIST elements each after 0x03, ended by 0x00 · STRUCT its fields ·
 *   MAP as a list of key, value sorted by key.
 * A row is its values one after the other.  Two rows of one schema are equal (NULLs equal)
 * exactly when their bytes are.
 *
 * Thread: any, for what is not shared.
 */
#ifndef RDL_DUCK_CODEC_H
#define RDL_DUCK_CODEC_H

#include "duck/vector.h"

void rdl_codec_put(const rdl_vector *v, size_t row, rdl_buf *out);
void rdl_codec_put_row(const rdl_chunk *c, const size_t *columns, size_t n, size_t row,
                       rdl_buf *out);
/* Read one value at *at into out[row]; moves *at.  RDL_EDATA when the bytes are not one. */
RDL_MUST rdl_code rdl_codec_get(rdl_str bytes, size_t *at, rdl_vector *out, size_t row,
                                rdl_err *err);

#endif
