/*
 * source/files_internal.h - what is known of a source's files; files.c keeps it, files_plan.c
 * decides by it which bytes of a file come next.
 *
 * Thread: as files.h.
 */
#ifndef RDL_SOURCE_FILES_INTERNAL_H
#define RDL_SOURCE_FILES_INTERNAL_H

#include "base/fs.h"
#include "base/map.h"
#include "source/files.h"
#include "source/listing.h"

/* How far a file was read. */
typedef struct rdl_file_mark {
    uint64_t end;     /* bytes, from the file's beginning */
    uint64_t records; /* in them */
    rdl_hash128 hash; /* of them */
} rdl_file_mark;

typedef struct rdl_known_file {
    const char *path;
    rdl_file_mark sealed, given;
    bool is_sealed, is_given; /* given: not sealed yet */
    int32_t partition;        /* -1: none yet */
    bool whole, skipped;      /* as in rdl_file_range */
    bool moved_away;          /* goes on under another path */
    bool cleared;             /* taken away by us, rdl_files_forget: only its content is known */
    rdl_stat seen;            /* under which the content was found unchanged */
    bool seen_valid;
    int64_t hint_mtime_us; /* from the journal */
    rdl_stat waiting;      /* a file that must be quiet: as it stood at waiting_us */
    int64_t waiting_us;    /* 0: it does not wait */
    rdl_hash128 snapshot;  /* of the whole content, under `seen` */
    bool snapshot_valid;
} rdl_known_file;

/*
 * The hasher of a file that is given in parts: it stands at the end of the last one, so
 * that a large file is hashed once and not once for every part.
 */
typedef struct rdl_open_hash {
    const rdl_known_file *k;
    rdl_hasher *h; /* NULL: none */
    uint64_t at;
    rdl_stat stat;
} rdl_open_hash;

struct rdl_files {
    rdl_arena arena;
    rdl_files_config config;
    rdl_map by_path;    /* rdl_known_file */
    rdl_map by_content; /* rdl_known_file, by hash and length */
    rdl_open_hash open;
    rdl_map frozen; /* path -> size + 1 at the freeze */
    bool is_frozen;
    uint64_t sealed_bytes; /* of sealed_count files */
    size_t sealed_count;
    size_t told; /* paths of by_path that rdl_files_untold_path gave */
};

/* One call of rdl_files_next. */
typedef struct rdl_files_planner {
    rdl_files *f;
    rdl_arena *arena;
    const rdl_files_limits *limits;
    uint64_t bytes_left; /* UINT64_MAX: no bound */
    bool cut;            /* the last range ended at the bound */
    RDL_VEC(rdl_file_range) ranges;
    size_t listed;                  /* files that are there */
    RDL_VEC(rdl_known_file *) gone; /* read files that are not, by length; see find_gone */
    bool looked_for_gone;
} rdl_files_planner;

/* The next range of a file, if there is one, into p->ranges (files_plan.c). */
RDL_MUST rdl_code rdl_files_plan(rdl_files_planner *p, rdl_known_file *k, const rdl_listed *at,
                                 rdl_err *err);

/* What was given or, if nothing since, sealed; NULL: nothing was read of it. */
const rdl_file_mark *rdl_file_last_mark(const rdl_known_file *k);
bool rdl_file_same(const rdl_stat *a, const rdl_stat *b); /* size, mtime and inode */
/* Its content was found unchanged under this stat. */
void rdl_file_saw(rdl_known_file *k, const rdl_stat *st);
rdl_str rdl_file_content_key(const rdl_file_mark *m, char key[56]); /* of by_content; lies in key */
void rdl_files_remember(rdl_files *f, rdl_known_file *k, const rdl_file_mark *m); /* by content */
void rdl_files_close_hash(rdl_files *f); /* f->open is none */

#endif
