/*
 * source/listing.h - the files that a url names.
 *
 * Thread: any.
 */
#ifndef RDL_SOURCE_LISTING_H
#define RDL_SOURCE_LISTING_H

#include "base/arena.h"
#include "base/fs.h"

typedef struct rdl_listed {
    const char *path;  /* absolute */
    const char *shown; /* below the url's folder */
    rdl_stat stat;
} rdl_listed;

typedef struct rdl_listing {
    rdl_listed *v; /* sorted by path */
    size_t n;
} rdl_listing;

/*
 * url is a file, a folder (all files below it) or a glob, relative to base_dir; "file:" and
 * "file://" in front are taken off.  Files that vanish meanwhile are left out.  RDL_EIO
 * when the folder is missing or cannot be read.
 */
RDL_MUST rdl_code rdl_listing_read(rdl_arena *a, const char *base_dir, const char *url,
                                   rdl_listing *out, rdl_err *err);
/* Is there a _SUCCESS beside the file? */
bool rdl_listing_success(rdl_arena *a, const char *path);

#endif
