/*
 * base/fs_error.h - how a failed call on a path is said; shared by the files of fs.h.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_FS_ERROR_H
#define RDL_BASE_FS_ERROR_H

#include <stdint.h>

#include "base/err.h"

/* could not <verb> "<path>": <errno's text>, with a hint where there is one to give. */
rdl_code rdl_fs_fail(rdl_err *err, uint32_t flags, const char *verb, const char *path, int errnum);

#endif
