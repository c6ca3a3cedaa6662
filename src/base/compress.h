/*
 * base/compress.h - bytes in memory to one zstd frame and back.
 *
 * The frame carries its length and a checksum, so a damaged one is refused whole.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_COMPRESS_H
#define RDL_BASE_COMPRESS_H

#include "base/err.h"
#include "base/str.h"

/* Both append to out.  RDL_EDATA: not a frame of ours, or damaged; RDL_ELIMIT: more than max. */
RDL_MUST rdl_code rdl_compress(rdl_str in, rdl_buf *out, rdl_err *err);
RDL_MUST rdl_code rdl_decompress(rdl_str in, uint64_t max, rdl_buf *out, rdl_err *err);

#endif
