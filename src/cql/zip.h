/*
 * cql/zip.h - files out of a small zip archive in memory, strictly.
 *
 *   end of central directory  50 4B 05 06, at the very end (a comment may follow): where the
 *                             directory is, how many entries it has
 *   central directory entry   50 4B 01 02, method, CRC-32, sizes, name, where its data are
 *   local header              50 4B 03 04, the name again, then the data
 *
 * Only stored (0) and deflated (8) entries; no encryption, no ZIP64, no second disk.  Sizes
 * and CRC are those of the directory and are checked.
 *
 * Thread: any.  What is taken out lives in the caller's arena.
 */
#ifndef RDL_CQL_ZIP_H
#define RDL_CQL_ZIP_H

#include "base/arena.h"
#include "base/str.h"

enum { RDL_ZIP_FILE_MAX = 1 << 20 };

/* The file of this name, in the arena; RDL_EDATA where there is none or it is damaged. */
RDL_MUST rdl_code rdl_zip_get(rdl_str archive, const char *name, rdl_arena *a, rdl_str *out,
                              rdl_err *err);

#endif
