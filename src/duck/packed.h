/*
 * duck/packed.h - rows in a file, for what lives shortly: the segments of small epochs.
 *
 * A Parquet file costs a statement, an encoder and a file of its own; that is much for a hundred
 * rows that go into the lake within seconds.  A packed file holds many blocks of rows, written by
 * one write and synced once.  Little-endian, unaligned:
 *
 *   file    "RDLROWS2", then blocks
 *   block   u32 bytes of head, head, body, u64 XXH64 of head and body
 *   head    text name, u16 columns, for each: text name, text type; u64 rows, u64 bytes of body
 *   text    u16 bytes, then they
 *   body    for each chunk of rows: u32 rows, for each column: u32 bytes, vector
 *   vector  u8 of flags; with RDL_PACKED_NULLS a bit per row (1: valid); then by type
 *             fixed width   the values as DuckDB lays them out, also those of NULLs
 *               RDL_PACKED_SAME    one value, which all rows have
 *             TEXT JSON BLOB  u32 length per row, then the bytes one after the other
 *               RDL_PACKED_SHARED  u8 per row: bytes that it shares with the text before it; u8 per
 *                                  row: bytes that follow, then these (255: a u32 before them says
 *                                  how many).  A NULL has none, and is passed over.
 *             LIST MAP      u32 length per row, then the vectors of all elements
 *             STRUCT        the vectors of its fields
 *
 * INVARIANT  D1  A block whose checksum does not fit gives no row: RDL_EDATA names file and block.
 *
 * A file that begins with "RDLROWS1" is the same without the last two flags.  In SQL a block is
 * rdl_packed('path', 'name').
 *
 * Thread: any, for what is not shared; rdl_packed reads on DuckDB's threads.
 */
#ifndef RDL_DUCK_PACKED_H
#define RDL_DUCK_PACKED_H

#include "duck/held.h"

#define RDL_PACKED_MAGIC "RDLROWS2"
#define RDL_PACKED_MAGIC_1 "RDLROWS1"

enum {
    RDL_PACKED_NULLS = 1,
    RDL_PACKED_SHARED = 2,
    RDL_PACKED_SAME = 4,
};

/* Append the block to the file's bytes.  False: a column is missing or of another type, nothing
 * was appended. */
bool rdl_held_pack(const rdl_held *h, const char *name, const rdl_schema *columns, rdl_buf *out);
/* The same in the order of the key (duck/codec.h), which no two rows share: some of the columns.  False
 * too: a column is nested. */
bool rdl_held_pack_sorted(const rdl_held *h, const char *name, const rdl_schema *columns,
                          const size_t *key, size_t key_count, rdl_buf *out);

/* The parts of a block, for who has chunks of his own: a chunk of its body, and head, body, checksum. */
void rdl_packed_put_chunk(const rdl_chunk *c, rdl_buf *out);
void rdl_packed_put_block(const char *name, const rdl_schema *schema, uint64_t rows,
                          const rdl_buf *body, rdl_buf *out);

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
