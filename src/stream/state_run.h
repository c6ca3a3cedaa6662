/*
 * stream/state_run.h - immutable sorted runs: writing, looking up, reading in order.
 *
 * FILE  (docs/format/state.md; little-endian)
 *
 *   "raudal-run 1\n" · 3 zero bytes
 *   blocks    of about 16 KiB, one after the other
 *   index     per block: u64 offset · u32 bytes · u64 XXH3-64 of the block · u32 bytes of
 *             separator · separator (at most the block's first key, above the last key before)
 *   filter    state_filter.h, 32-bit words
 *   footer    136 bytes, see state_run_read.c
 *
 *   block     entries · u32 offset of every 16th entry ... · u32 how many of these
 *   entry     varint bytes shared with the key before (0 at every 16th) · varint bytes of its
 *             own · varint value bytes * 2 + tombstone · varint epoch - base · own key · value
 *
 * The key in a run is the space, 8 bytes, most significant first, and then the key.
 *
 * INVARIANTS
 *   R1  Keys ascend strictly; a key stands once.
 *   R2  Each byte is under a checksum: blocks under the index's, index and filter under the
 *       footer's, the footer under its own and that in the CHECKPOINT record.
 *   R3  Index, filter and footer are checked when a run is opened, a block when it is read.
 *
 * Thread: a run is read by many (the cache by one); a writer belongs to one.
 */
#ifndef RDL_STREAM_STATE_RUN_H
#define RDL_STREAM_STATE_RUN_H

#include "base/fs.h"
#include "base/str.h"
#include "stream/state_filter.h"

enum {
    RDL_RUN_HEAD = 16,
    RDL_RUN_FOOTER = 136,
    RDL_RUN_BLOCK = 16 << 10, /* bytes at which a block ends */
    RDL_RUN_RESTART = 16,     /* entries between full keys */
    RDL_RUN_SPACE = 8,        /* bytes of the space in a key */
};

typedef struct rdl_run_info {
    uint64_t id, bytes, entries, tombstones, epoch_min, epoch_max, checksum;
} rdl_run_info;

/* One entry as a reader sees it; the strings live until the reader moves. */
typedef struct rdl_run_entry {
    uint64_t space, epoch;
    rdl_str key, value;
    bool tombstone;
} rdl_run_entry;

rdl_code rdl_run_damaged(rdl_err *err, const char *path, uint64_t at, const char *reason);

/* ------------------------------------------------------------- writing */

typedef struct rdl_run_writer rdl_run_writer;
/* Writes path; hashes that do not fit into memory_bytes go to path with ".hashes" added. */
RDL_MUST rdl_code rdl_run_writer_new(const char *path,
                                     uint64_t id,
                                     uint64_t epoch_base,
                                     size_t memory_bytes,
                                     rdl_run_writer **out,
                                     rdl_err *err);
RDL_MUST rdl_code rdl_run_writer_add(rdl_run_writer *w,
                                     const rdl_run_entry *e,
                                     rdl_err *err);
/* Synced.  info->entries is 0 when nothing was added: the file is then of no use. */
RDL_MUST rdl_code rdl_run_writer_finish(rdl_run_writer *w,
                                        rdl_run_info *info,
                                        rdl_err *err);
void rdl_run_writer_free(rdl_run_writer *w); /* NULL is fine */

/* ------------------------------------------------------------- reading */

typedef struct rdl_run {
    char *path;
    rdl_file *file;
    rdl_run_info info;
    uint64_t epoch_base, index_offset, index_bytes, filter_offset, filter_bytes;
    uint64_t filter_checksum;
    uint32_t blocks;
    char *index;      /* as in the file */
    uint32_t *starts; /* of each block's record in index */
    uint32_t *filter; /* NULL: not loaded, and everything may be there */
} rdl_run;

/* expected: what the CHECKPOINT record says, or NULL.  The filter is not loaded yet. */
RDL_MUST rdl_code rdl_run_open(const char *path,
                               const rdl_run_info *expected,
                               rdl_run **out,
                               rdl_err *err);
RDL_MUST rdl_code rdl_run_load_filter(rdl_run *r, rdl_err *err);
void rdl_run_drop_filter(rdl_run *r);
void rdl_run_close(rdl_run *r);          /* NULL is fine */
size_t rdl_run_memory(const rdl_run *r); /* index and filter, loaded or not */

static inline void rdl_run_prefetch(const rdl_run *r, uint64_t hash)
{
    if (r->filter != NULL)
        __builtin_prefetch(
            &r->filter[rdl_filter_block_of(hash, r->filter_bytes / RDL_FILTER_BLOCK) * 8]);
}
bool rdl_run_may_hold(const rdl_run *r, uint64_t hash);

/* Blocks in memory, bounded; keyed by (run id, block number). */
typedef struct rdl_block_cache rdl_block_cache;
RDL_MUST rdl_code rdl_block_cache_new(size_t budget_bytes,
                                      rdl_block_cache **out,
                                      rdl_err *err);
void rdl_block_cache_free(rdl_block_cache *c); /* NULL is fine */
size_t rdl_block_cache_bytes(const rdl_block_cache *c);
/* A run's block, read and checked, valid until the next call on the cache. */
RDL_MUST rdl_code rdl_block_cache_get(
    rdl_block_cache *c, const rdl_run *r, uint32_t block, rdl_str *out, rdl_err *err);

/* out's strings: key is the caller's, value lies in the cache. */
RDL_MUST rdl_code rdl_run_get(const rdl_run *r,
                              rdl_block_cache *cache,
                              uint64_t space,
                              rdl_str key,
                              bool *found,
                              rdl_run_entry *out,
                              rdl_err *err);

/* Read and check one block into buf (replaced). */
RDL_MUST rdl_code rdl_run_read_block(const rdl_run *r,
                                     uint32_t block,
                                     rdl_buf *buf,
                                     rdl_err *err);
/* How many bytes a block has. */
uint32_t rdl_run_block_bytes(const rdl_run *r, uint32_t block);

/* Entries in order, with a buffer of its own. */
typedef struct rdl_run_cursor {
    const rdl_run *run;
    uint32_t block; /* the next one to read */
    rdl_buf data, key;
    size_t at, end; /* in data; entries only */
    bool done;
    rdl_run_entry entry; /* while not done */
} rdl_run_cursor;
void rdl_run_cursor_init(rdl_run_cursor *c, const rdl_run *r);
/* To the first entry at or after (space, key). */
RDL_MUST rdl_code rdl_run_cursor_seek(rdl_run_cursor *c,
                                      uint64_t space,
                                      rdl_str key,
                                      rdl_err *err);
RDL_MUST rdl_code rdl_run_cursor_first(rdl_run_cursor *c, rdl_err *err);
RDL_MUST rdl_code rdl_run_cursor_next(rdl_run_cursor *c, rdl_err *err);
void rdl_run_cursor_fini(rdl_run_cursor *c);

#endif
