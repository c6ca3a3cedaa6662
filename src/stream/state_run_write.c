/*
 * stream/state_run_write.c - writing a sorted run from entries in order.
 *
 * Blocks go out as they fill; the index stays in memory (about 40 bytes a block).  The filter's
 * size depends on how many keys there were, so their hashes are kept, in memory while they fit
 * and in a side file after that, and the filter is built section by section at the end: writing
 * a run of 10^9 keys takes the same memory as one of 10^6.
 */
#include <assert.h>
#include <stdlib.h>

#include "stream/state_format.h"
#include "stream/state_run.h"

enum {
    WRITE_BYTES = 1 << 18,
    SECTION_MIN = 64 << 10, /* bytes of filter built at once */
    SECTION_MAX = 4 << 20,
};

static const char head[RDL_RUN_HEAD] = "raudal-run 1\n";

struct rdl_run_writer {
    rdl_file *file, *hash_file;
    rdl_buf hash_path;
    rdl_buf out, block, index, key; /* key: the last one added */
    rdl_buf restarts, separator;    /* of the block being filled */
    size_t block_entries;
    uint64_t written; /* bytes given to the file or waiting in out */
    uint64_t epoch_base, blocks;
    uint64_t *hashes;
    size_t hash_count, hash_cap, section_bytes;
    uint64_t hashes_spilled;
    rdl_run_info info;
};

static rdl_code
open_writer(rdl_run_writer *w, const char *path, size_t memory_bytes, rdl_err *err)
{
    size_t section = memory_bytes / 2;
    section = section < SECTION_MIN ? SECTION_MIN : section;
    w->section_bytes = section > SECTION_MAX ? SECTION_MAX : section / 32 * 32;
    w->hash_cap = w->section_bytes / sizeof *w->hashes;
    w->hashes = malloc(w->hash_cap * sizeof *w->hashes); /* allow: large buffer */
    if (w->hashes == NULL)
        return rdl_err_nomem(err);
    rdl_buf_printf(&w->hash_path, "%s.hashes", path);
    RDL_TRY(rdl_file_create(path, &w->file, err));
    rdl_buf_put(&w->out, head, sizeof head);
    w->written = sizeof head;
    return RDL_OK;
}

rdl_code rdl_run_writer_new(const char *path,
                            uint64_t id,
                            uint64_t epoch_base,
                            size_t memory_bytes,
                            rdl_run_writer **out,
                            rdl_err *err)
{
    rdl_run_writer *w = calloc(1, sizeof *w); /* allow: lives while a run is written */
    if (w == NULL)
        return rdl_err_nomem(err);
    w->epoch_base = epoch_base;
    w->info = (rdl_run_info){.id = id, .epoch_min = UINT64_MAX};
    rdl_code rc = open_writer(w, path, memory_bytes, err);
    if (rc != RDL_OK) {
        rdl_run_writer_free(w);
        return rc;
    }
    *out = w;
    return RDL_OK;
}

void rdl_run_writer_free(rdl_run_writer *w)
{
    rdl_err ignored;
    if (w == NULL)
        return;
    if (w->hash_file != NULL) {
        rdl_file_close(w->hash_file);
        (void)!rdl_fs_unlink(rdl_buf_str(&w->hash_path), &ignored);
    }
    rdl_file_close(w->file);
    rdl_buf_fini(&w->hash_path);
    rdl_buf_fini(&w->out);
    rdl_buf_fini(&w->block);
    rdl_buf_fini(&w->index);
    rdl_buf_fini(&w->key);
    rdl_buf_fini(&w->restarts);
    rdl_buf_fini(&w->separator);
    free(w->hashes); /* allow: see new */
    free(w);         /* allow: see new */
}

static rdl_code flush(rdl_run_writer *w, rdl_err *err)
{
    RDL_TRY(rdl_file_write(w->file, w->out.p, w->out.n, err));
    rdl_buf_clear(&w->out);
    return RDL_OK;
}

static rdl_code emit(rdl_run_writer *w, const void *p, size_t n, rdl_err *err)
{
    rdl_buf_put(&w->out, p, n);
    w->written += n;
    return w->out.n >= WRITE_BYTES ? flush(w, err) : RDL_OK;
}

static void put_u32(rdl_buf *b, uint32_t v)
{
    char p[4];
    rdl_put32(p, v);
    rdl_buf_put(b, p, sizeof p);
}

static void put_u64(rdl_buf *b, uint64_t v)
{
    char p[8];
    rdl_put64(p, v);
    rdl_buf_put(b, p, sizeof p);
}

static rdl_code end_block(rdl_run_writer *w, rdl_err *err)
{
    uint64_t offset = w->written;
    if (w->block_entries == 0)
        return RDL_OK;
    uint32_t restarts = (uint32_t)(w->restarts.n / 4);
    rdl_buf_put(&w->block, w->restarts.p, w->restarts.n);
    put_u32(&w->block, restarts);
    put_u64(&w->index, offset);
    put_u32(&w->index, (uint32_t)w->block.n);
    put_u64(&w->index, rdl_hash64(w->block.p, w->block.n));
    put_u32(&w->index, (uint32_t)w->separator.n);
    rdl_buf_put(&w->index, w->separator.p, w->separator.n);
    RDL_TRY(emit(w, w->block.p, w->block.n, err));
    w->blocks++;
    w->block_entries = 0;
    rdl_buf_clear(&w->block);
    rdl_buf_clear(&w->restarts);
    return RDL_OK;
}

static rdl_code keep_hash(rdl_run_writer *w, uint64_t hash, rdl_err *err)
{
    if (w->hash_count == w->hash_cap) {
        if (w->hash_file == NULL)
            RDL_TRY(rdl_file_create(rdl_buf_str(&w->hash_path), &w->hash_file, err));
        /* In this machine's byte order: the side file does not outlive the writer. */
        RDL_TRY(rdl_file_write(w->hash_file, w->hashes, w->hash_count * sizeof *w->hashes,
                               err));
        w->hashes_spilled += w->hash_count;
        w->hash_count = 0;
    }
    w->hashes[w->hash_count++] = hash;
    return RDL_OK;
}

/* Bytes that the last key and this one (space, then key) share. */
static size_t
shared_bytes(const rdl_run_writer *w, const char space[RDL_RUN_SPACE], rdl_str key)
{
    size_t n = 0, last = w->key.n;
    while (n < RDL_RUN_SPACE && n < last && w->key.p[n] == space[n])
        n++;
    if (n < RDL_RUN_SPACE)
        return n;
    while (n < last && n - RDL_RUN_SPACE < key.n && w->key.p[n] == key.p[n - RDL_RUN_SPACE])
        n++;
    return n;
}

static void start_block(rdl_run_writer *w, size_t shared)
{
    /* One byte more than what is shared tells this key from the last: enough to find it. */
    rdl_buf_clear(&w->separator);
    if (w->blocks > 0)
        rdl_buf_put(&w->separator, w->key.p, shared + 1);
}

static void put_entry(rdl_run_writer *w, const rdl_run_entry *e, size_t shared)
{
    char fields[4 * RDL_VARINT_MAX], *p = fields;
    p = rdl_put_varint(p, shared);
    p = rdl_put_varint(p, w->key.n - shared);
    p = rdl_put_varint(p, (uint64_t)e->value.n << 1 | e->tombstone);
    p = rdl_put_varint(p, e->epoch - w->epoch_base);
    rdl_buf_put(&w->block, fields, (size_t)(p - fields));
    rdl_buf_put(&w->block, w->key.p + shared, w->key.n - shared);
    rdl_buf_put(&w->block, e->value.p, e->value.n);
}

static void count(rdl_run_writer *w, const rdl_run_entry *e)
{
    w->info.entries++;
    w->info.tombstones += e->tombstone;
    if (w->info.epoch_min > e->epoch)
        w->info.epoch_min = e->epoch;
    if (w->info.epoch_max < e->epoch)
        w->info.epoch_max = e->epoch;
}

rdl_code rdl_run_writer_add(rdl_run_writer *w, const rdl_run_entry *e, rdl_err *err)
{
    char space[RDL_RUN_SPACE];
    assert(e->epoch >= w->epoch_base);
    rdl_put64_be(space, e->space);
    if (w->block.n >= RDL_RUN_BLOCK)
        RDL_TRY(end_block(w, err));
    size_t shared = shared_bytes(w, space, e->key);
    rdl_buf_clear(&w->key);
    rdl_buf_put(&w->key, space, sizeof space);
    rdl_buf_put(&w->key, e->key.p, e->key.n);
    if (w->block_entries == 0)
        start_block(w, shared);
    if (w->block_entries % RDL_RUN_RESTART == 0) {
        put_u32(&w->restarts, (uint32_t)w->block.n);
        shared = 0;
    }
    put_entry(w, e, shared);
    w->block_entries++;
    count(w, e);
    return keep_hash(w, rdl_state_hash(e->space, e->key), err);
}

static void add_hashes(uint32_t *section,
                       uint64_t first,
                       uint64_t n,
                       uint64_t blocks,
                       const uint64_t *hashes,
                       size_t count_of)
{
    for (size_t i = 0; i < count_of; i++) {
        uint64_t block = rdl_filter_block_of(hashes[i], blocks) - first;
        if (block < n)
            rdl_filter_add(section + block * 8, hashes[i]);
    }
}

/* The filter's blocks [first, first + n): every kept hash is looked at. */
static rdl_code build_section(rdl_run_writer *w,
                              uint32_t *section,
                              uint64_t *chunk,
                              uint64_t first,
                              uint64_t n,
                              uint64_t blocks,
                              rdl_err *err)
{
    memset(section, 0, (size_t)n * RDL_FILTER_BLOCK);
    for (uint64_t at = 0; at < w->hashes_spilled; at += w->hash_cap) {
        size_t got = 0, bytes = w->hash_cap * sizeof *chunk;
        RDL_TRY(rdl_file_pread(w->hash_file, chunk, bytes, at * sizeof *chunk, &got, err));
        if (got != bytes)
            return rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY,
                               "could not read \"%s\": it is shorter than what was written",
                               rdl_buf_str(&w->hash_path));
        add_hashes(section, first, n, blocks, chunk, w->hash_cap);
    }
    add_hashes(section, first, n, blocks, w->hashes, w->hash_count);
    for (size_t i = 0; i < (size_t)n * 8; i++)
        rdl_put32(&section[i], section[i]);
    return RDL_OK;
}

static rdl_code write_filter(rdl_run_writer *w, uint64_t *out_checksum, rdl_err *err)
{
    uint64_t blocks = rdl_filter_blocks(w->info.entries);
    uint64_t each = w->section_bytes / RDL_FILTER_BLOCK;
    rdl_hasher *hasher = rdl_hasher_new();
    uint32_t *section = malloc(w->section_bytes);          /* allow: large buffer */
    uint64_t *chunk = malloc(w->hash_cap * sizeof *chunk); /* allow: large buffer */
    rdl_code rc = section == NULL || chunk == NULL ? rdl_err_nomem(err) : RDL_OK;
    for (uint64_t at = 0; rc == RDL_OK && at < blocks; at += each) {
        uint64_t n = blocks - at < each ? blocks - at : each;
        rc = build_section(w, section, chunk, at, n, blocks, err);
        if (rc != RDL_OK)
            break;
        rdl_hasher_put(hasher, section, (size_t)n * RDL_FILTER_BLOCK);
        rc = emit(w, section, (size_t)n * RDL_FILTER_BLOCK, err);
    }
    *out_checksum = rdl_hasher_done(hasher).lo;
    free(section); /* allow: above */
    free(chunk);   /* allow: above */
    return rc;
}

rdl_code rdl_run_writer_finish(rdl_run_writer *w, rdl_run_info *info, rdl_err *err)
{
    char footer[RDL_RUN_FOOTER];
    uint64_t filter_sum = 0;
    RDL_TRY(end_block(w, err));
    uint64_t index_offset = w->written, index_sum = rdl_hash64(w->index.p, w->index.n);
    RDL_TRY(emit(w, w->index.p, w->index.n, err));
    uint64_t filter_offset = w->written;
    RDL_TRY(write_filter(w, &filter_sum, err));
    w->info.bytes = w->written + RDL_RUN_FOOTER;
    const uint64_t fields[] = {w->info.id,
                               w->info.bytes,
                               w->info.entries,
                               w->info.tombstones,
                               w->info.epoch_min,
                               w->info.epoch_max,
                               w->epoch_base,
                               w->blocks,
                               index_offset,
                               w->index.n,
                               index_sum,
                               filter_offset,
                               w->written - filter_offset,
                               filter_sum};
    static_assert(8 + sizeof fields + 16 == RDL_RUN_FOOTER, "the footer's size is fixed");
    memcpy(footer, "rdlfoot1", 8);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        rdl_put64(footer + 8 + 8 * i, fields[i]);
    size_t summed = 8 + sizeof fields;
    memset(footer + summed, 0, 8);
    w->info.checksum = rdl_hash64(footer, summed + 8);
    rdl_put64(footer + summed + 8, w->info.checksum);
    RDL_TRY(emit(w, footer, sizeof footer, err));
    RDL_TRY(flush(w, err));
    RDL_TRY(rdl_file_sync(w->file, err));
    *info = w->info;
    return RDL_OK;
}
