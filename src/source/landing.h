/*
 * source/landing.h - a landing folder that is emptied: what happens to a file whose rows are safe.
 *
 *   OPTIONS (after_commit = 'delete')              the file is removed
 *   OPTIONS (after_commit = 'move:<folder>')       it goes there, under the name that it had below the
 *                                                  source's folder; a name that is taken by other
 *                                                  content gets ".<epoch>" behind it
 *
 * The rules of when are stream/landing.c's.
 *
 * Thread: any.
 */
#ifndef RDL_SOURCE_LANDING_H
#define RDL_SOURCE_LANDING_H

#include "base/arena.h"
#include "source/files.h"

typedef struct rdl_landing {
    bool takes;         /* false: files stay */
    const char *folder; /* absolute; NULL: delete */
} rdl_landing;

/* The option's value; empty: files stay.  RDL_EUSAGE when it is none, or when the folder lies where
 * the source would read it again. */
RDL_MUST rdl_code rdl_landing_read(rdl_arena *a, rdl_str option, const char *base_dir,
                                   const char *url, rdl_landing *out, rdl_err *err);
/* Is the file there, and all of it what was read up to this range's end? */
RDL_MUST rdl_code rdl_landing_unchanged(const rdl_file_range *r, bool *there, bool *same,
                                        rdl_err *err);
/* Remove or move it.  A file that is gone is fine. */
RDL_MUST rdl_code rdl_landing_take(const rdl_landing *l, const rdl_file_range *r, uint64_t epoch,
                                   rdl_err *err);

#endif
