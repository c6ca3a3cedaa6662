/*
 * source/files.h - which ranges of which files come next.
 *
 * A file's identity is the hash of its content; path and mtime are hints.  What has been
 * planned and sealed is told by rdl_files_restore (from the journal at start, then from each
 * seal), so that this module keeps no file of its own.
 *
 *   line formats (JSON lines, CSV; not compressed)  read to the last newline, at the end of
 *       `--once` (final) to the end; continue where they grew if the prefix is unchanged
 *   other formats       wait until size and mtime are quiet for quiet_ms, or `_SUCCESS` is there
 *   a prefix that changed, a sealed file that shrank  an error (RDL_EDATA, area SOURCE)
 *   known content under a new path  by ON REPEAT; the default reads it if may_repeat, else an error
 *   names that begin with . or _ and names that end in .tmp, .crc, ._COPYING_ are not input
 *
 * What the next call will give is read ahead by the operating system while this epoch runs.
 *
 * Thread: the epoch thread.
 */
#ifndef RDL_SOURCE_FILES_H
#define RDL_SOURCE_FILES_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"

typedef struct rdl_file_range {
    const char *path;        /* absolute */
    const char *shown;       /* as users know it: relative to the url's folder when below it */
    int32_t partition;       /* given by the caller through the `number` callback */
    uint64_t begin, end;     /* bytes, half open */
    uint64_t first_record;   /* record number at begin */
    uint64_t records;        /* in the range; known after decoding, 0 before */
    int64_t mtime_us;        /* when it was planned: a hint */
    uint64_t prefix_bytes;   /* bytes covered by prefix_hash: equals end */
    rdl_hash128 prefix_hash; /* of the file's bytes 0..end */
    bool whole;              /* the file is not expected to grow (array, parquet, compressed) */
    bool skipped;            /* ON REPEAT SKIP: known content; takes no rows */
} rdl_file_range;

/* ON REPEAT; the numbers are those of the language's rdl_on_repeat, which this layer cannot see. */
enum {
    RDL_FILES_REPEAT_DEFAULT = 0, /* read if may_repeat, else an error */
    RDL_FILES_REPEAT_SKIP = 1,
    RDL_FILES_REPEAT_READ = 2,
};

typedef struct rdl_files_config {
    const char *base_dir; /* relative urls start here */
    const char *url;      /* file, folder (recursive) or glob; "file:" prefix allowed */
    bool line_format;     /* JSON or CSV */
    char quote;           /* CSV: a newline between two of these ends no record; 0: JSON */
    int repeat;           /* RDL_FILES_REPEAT_... */
    bool may_repeat;      /* every table on the source deduplicates */
    int64_t quiet_ms;
    bool newest; /* a snapshot is its last file by path, not all of them */
    rdl_clock *clock;
} rdl_files_config;

typedef struct rdl_files_limits {
    uint64_t files_max, bytes_max; /* per call; 0: no bound; at least one range is given */
    uint64_t rows_sampled; /* 0, or: at most as many rows as the first file's first lines tell */
    bool final;            /* read unfinished last lines and unquiet files too */
} rdl_files_limits;

typedef struct rdl_files rdl_files;
RDL_MUST rdl_code rdl_files_new(const rdl_files_config *config, rdl_files **out, rdl_err *err);
void rdl_files_free(rdl_files *f);
/* A sealed range: what is read already. */
void rdl_files_restore(rdl_files *f, const rdl_file_range *sealed);
/* The file was taken away after its rows were safe: its path is new again, its content known. */
void rdl_files_forget(rdl_files *f, const char *path);
/*
 * The next ranges, files sorted by path, after everything restored or given before.  A given
 * range counts as taken until rdl_files_rewind.  None when there is nothing new.  A url without
 * any file is an error only when its folder is missing.  partition is taken from restore for a
 * known file and is -1 for a new one.
 */
RDL_MUST rdl_code rdl_files_next(rdl_files *f, rdl_arena *a, const rdl_files_limits *limits,
                                 rdl_file_range **out, size_t *out_n, rdl_err *err);
/*
 * From now on next gives only what is there at this moment (files, and their bytes): --once ends
 * although a producer goes on.
 */
RDL_MUST rdl_code rdl_files_freeze(rdl_files *f, rdl_err *err);
void rdl_files_rewind(rdl_files *f);        /* forget what was given and not restored */
size_t rdl_files_known(const rdl_files *f); /* files seen and sealed */
/* Each path that was given or restored, once; NULL: no more for now. */
const char *rdl_files_untold_path(rdl_files *f);
/* Bytes and files that are there and not yet given, for lag; a cheap estimate. */
RDL_MUST rdl_code rdl_files_lag(rdl_files *f, uint64_t *out_files, uint64_t *out_bytes,
                                rdl_err *err);

/* SNAPSHOT sources: the current content of the url as one version. */
typedef struct rdl_snapshot_version {
    rdl_hash128 hash; /* of all files' paths below the url and contents */
    char **paths;     /* absolute, sorted; the shown names beside them */
    char **shown;
    size_t n;
    uint64_t bytes;
} rdl_snapshot_version;
RDL_MUST rdl_code rdl_files_snapshot(rdl_files *f, rdl_arena *a, rdl_snapshot_version *out,
                                     rdl_err *err);

#endif
