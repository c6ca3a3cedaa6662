/*
 * duck/packed.h - rows in a file, for what lives shortly: the segments of small epochs.
 *
 * A Parquet file costs a statement, an encoder and a file of its own; that is much for a hundred
 * rows that go into the lake within seconds.  A packed file holds many blocks of rows, written by
 * one write and synced once.  Little-endian, unaligned:
 *
 *   file    "RDLROWS1", then blocks
 *   block   u32 bytes of head, head, body, u64 XXH64 of head and body
 *   head    text name, u16 columns, for each: text name, text type; u64 rows, u64 bytes of body
 *   text    u16 bytes, then they
 *   body    for each chunk of rows: u32 rows, for each column: u32 bytes, vector
 *   vector  u8 1 if there are NULLs, then a bit per row (1: valid); then by type
 *             fixed width   the values as DuckDB lays them out, also those of NULLs
 *             TEXT JSON BLOB  u32 length per row, then the bytes one after the other
 *             LIST MAP      u32 length per row, then the vectors of all elements
 *             STRUCT        the vectors of its fields
 *
 * INVARIANT  D1  A block whose checksum does not fit gives no row: RDL_EDATA names file and block.
 *
 * In SQL a block is rdl_packed('path', 'name').
 *
 * Thread: any, for what is not shared; rdl_packed reads on DuckDB's threads.
 */
#ifndef RDL_DUCK_PACKED_H
#define RDL_DUCK_PACKED_H

#include "duck/held.h"

#define RDL_PACKED_MAGIC "RDLROWS1"

/* Append the block to the file's bytes.  False: a column is missing or of another type, nothing
 * was appended. */
bool rdl_held_pack(const rdl_held *h, const char *name, const rdl_schema *columns, rdl_buf *out);

/* The parts of a block, for who has chunks of his own: head, chunks. */
void rdl_packed_put_chunk(const rdl_chunk *c, rdl_buf *out);
void rdl_packed_put_head(const char *name, const rdl_schema *schema, uint64_t rows, size_t body,
                         rdl_buf *out);

typedef struct rdl_packed rdl_packed;
RDL_MUST rdl_code rdl_packed_open(const char *path, const char *name, rdl_packed **out,
                                  rdl_err *err);
const rdl_schema *rdl_packed_schema(const rdl_packed *p);
uint64_t rdl_packed_rows(const rdl_packed *p);
/* Fills a chunk of the block's columns; those not wanted (NULL: all are) are left alone.  rows 0
 * at the end. */
RDL_MUST rdl_code rdl_packed_next(rdl_packed *p, const bool *wanted, rdl_chunk *out, rdl_err *err);
void rdl_packed_rewind(rdl_packed *p);
void rdl_packed_close(rdl_packed *p); /* NULL is fine */

#endif
