/*
 * base/snappy.h - bytes to a block of the Snappy format, for pages of small Parquet files.
 *
 * Fast rather than small: setting up zstd for a page of a kilobyte costs more than this takes
 * for all of it.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_SNAPPY_H
#define RDL_BASE_SNAPPY_H

#include "base/str.h"

/* Appends the block.  At most 2^32 - 1 bytes go in. */
void rdl_snappy_put(rdl_str in, rdl_buf *out);

#endif
