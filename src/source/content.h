/*
 * source/content.h - what a file holds, as far as planning needs to know: its hash, where
 * its last complete record ends, how many records there are.
 *
 * Thread: any.
 */
#ifndef RDL_SOURCE_CONTENT_H
#define RDL_SOURCE_CONTENT_H

#include "base/fs.h"
#include "base/hash.h"

/* Compressed, or (json) one JSON array: such a file is read whole or not at all. */
RDL_MUST rdl_code rdl_content_whole(const char *path, bool json, bool *out, rdl_err *err);
/*
 * The end of the last line that ends in [begin, limit), or begin when there is none.  With
 * a quote, lines end only outside of quotes, and begin must be a record's start.
 */
RDL_MUST rdl_code rdl_content_last_line(const char *path, uint64_t begin, uint64_t limit,
                                        char quote, uint64_t *out_end, rdl_err *err);
/* The byte at `at`; 0 bytes read is an error. */
RDL_MUST rdl_code rdl_content_byte(const char *path, uint64_t at, char *out, rdl_err *err);

/*
 * Hash bytes from..to of the file into h.  records, if not NULL, is increased by the lines
 * that are not blank (from is a line's start; an unfinished last line counts).  RDL_EDATA
 * when the file is shorter.
 */
RDL_MUST rdl_code rdl_content_hash(const char *path, uint64_t from, uint64_t to, rdl_hasher *h,
                                   uint64_t *records, rdl_err *err);

#endif
