/*
 * stream/state_run_read.c - opening a sorted run, looking a key up, reading it in order.
 *
 * FOOTER  (136 bytes at the end of the file)
 *
 *   0    "rdlfoot1"
 *   8    u64 run id · file bytes · entries · tombstones · epoch min · epoch max · epoch base
 *   64   u64 blocks · index offset · index bytes · index XXH3-64
 *   96   u64 filter offset · filter bytes · low half of the filter's XXH3-128
 *   120  u64 0 · u64 XXH3-64 of the 128 bytes before (the run's checksum)
 *
 * Whatever is read from the file is bounded before it is used, also under a right checksum:
 * tests/fuzz/run_fuzz.c gives runs whose checksums are right and whose content is not.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "stream/state_format.h"
#include "stream/state_run.h"

enum {
    INDEX_HEAD = 24, /* bytes of an index record before its separator */
};

rdl_code rdl_run_damaged(rdl_err *err, const char *path, uint64_t at, const char *reason)
{
    (void)rdl_err_set(err, RDL_EDATA, 0,
                      "could not read state run \"%s\": %s at byte %" PRIu64, path, reason,
                      at);
    err->area = RDL_AREA_STORE;
    return rdl_err_hint(err,
                        "\"raudal refresh --rebuild-state\" makes state and deduplication indexes from "
                        "the lake.");
}

/* Exactly n bytes, or the run is damaged. */
static rdl_code read_at(const rdl_run *r, void *p, size_t n, uint64_t at, rdl_err *err)
{
    size_t got = 0;
    RDL_TRY(
        rdl_err_area(rdl_file_pread(r->file, p, n, at, &got, err), err, RDL_AREA_STORE));
    return got == n ? RDL_OK : rdl_run_damaged(err, r->path, at + got, "the file ends");
}

static rdl_code
check_expected(const rdl_run *r, const rdl_run_info *want, uint64_t at, rdl_err *err)
{
    const rdl_run_info *is = &r->info;
    bool same = is->id == want->id && is->bytes == want->bytes &&
                is->entries == want->entries && is->tombstones == want->tombstones &&
                is->epoch_min == want->epoch_min && is->epoch_max == want->epoch_max &&
                is->checksum == want->checksum;
    return same ? RDL_OK
                : rdl_run_damaged(err, r->path, at, "the journal names another content");
}

static rdl_code read_footer(rdl_run *r, uint64_t *index_sum, rdl_err *err)
{
    char f[RDL_RUN_FOOTER], head[RDL_RUN_HEAD];
    uint64_t size = rdl_file_size(r->file), at = size - RDL_RUN_FOOTER;
    if (size < RDL_RUN_HEAD + RDL_RUN_FOOTER)
        return rdl_run_damaged(err, r->path, size, "the file ends");
    RDL_TRY(read_at(r, head, sizeof head, 0, err));
    if (memcmp(head, "raudal-run 1\n\0\0\0", sizeof head) != 0)
        return rdl_run_damaged(err, r->path, 0, "\"raudal-run 1\" is missing");
    RDL_TRY(read_at(r, f, sizeof f, at, err));
    if (memcmp(f, "rdlfoot1", 8) != 0)
        return rdl_run_damaged(err, r->path, at, "the footer is missing");
    if (rdl_get64(f + 128) != rdl_hash64(f, 128))
        return rdl_run_damaged(err, r->path, at, "the footer does not match its checksum");
    r->info = (rdl_run_info){.id = rdl_get64(f + 8),
                             .bytes = rdl_get64(f + 16),
                             .entries = rdl_get64(f + 24),
                             .tombstones = rdl_get64(f + 32),
                             .epoch_min = rdl_get64(f + 40),
                             .epoch_max = rdl_get64(f + 48),
                             .checksum = rdl_get64(f + 128)};
    r->epoch_base = rdl_get64(f + 56);
    uint64_t blocks = rdl_get64(f + 64);
    r->index_offset = rdl_get64(f + 72);
    r->index_bytes = rdl_get64(f + 80);
    *index_sum = rdl_get64(f + 88);
    r->filter_offset = rdl_get64(f + 96);
    r->filter_bytes = rdl_get64(f + 104);
    r->filter_checksum = rdl_get64(f + 112);
    bool fits = r->info.bytes == size && r->index_offset >= RDL_RUN_HEAD &&
                r->index_offset <= at && r->index_bytes <= at - r->index_offset &&
                r->filter_offset == r->index_offset + r->index_bytes &&
                r->filter_bytes == at - r->filter_offset &&
                r->filter_bytes % RDL_FILTER_BLOCK == 0 && r->index_bytes <= UINT32_MAX &&
                blocks <= r->index_bytes / INDEX_HEAD && rdl_get64(f + 120) == 0;
    if (!fits)
        return rdl_run_damaged(err, r->path, at, "the parts do not fill the file");
    r->blocks = (uint32_t)blocks;
    return RDL_OK;
}

/* Finds where each block's record begins and checks that the blocks fill the data part. */
static rdl_code walk_index(rdl_run *r, rdl_err *err)
{
    uint64_t at = 0, offset = RDL_RUN_HEAD;
    for (uint32_t i = 0; i < r->blocks; i++) {
        const char *p = r->index + at;
        if (r->index_bytes - at < INDEX_HEAD)
            return rdl_run_damaged(err, r->path, r->index_offset + at, "the index ends");
        uint32_t bytes = rdl_get32(p + 8), key_n = rdl_get32(p + 20);
        if (rdl_get64(p) != offset || bytes > r->index_offset - offset ||
            key_n > r->index_bytes - at - INDEX_HEAD)
            return rdl_run_damaged(err, r->path, r->index_offset + at,
                                   "a block lies outside the data");
        r->starts[i] = (uint32_t)at;
        offset += bytes;
        at += INDEX_HEAD + key_n;
    }
    if (at != r->index_bytes || offset != r->index_offset)
        return rdl_run_damaged(err, r->path, r->index_offset + at,
                               "the index does not cover the data");
    return RDL_OK;
}

static rdl_code read_index(rdl_run *r, uint64_t index_sum, rdl_err *err)
{
    r->index = malloc(r->index_bytes + 1); /* allow: lives as the run */
    r->starts = malloc(((size_t)r->blocks + 1) * sizeof *r->starts); /* allow: as above */
    if (r->index == NULL || r->starts == NULL)
        return rdl_err_nomem(err);
    RDL_TRY(read_at(r, r->index, r->index_bytes, r->index_offset, err));
    if (rdl_hash64(r->index, r->index_bytes) != index_sum)
        return rdl_run_damaged(err, r->path, r->index_offset,
                               "the index does not match its checksum");
    return walk_index(r, err);
}

static rdl_code
open_run(rdl_run *r, const char *path, const rdl_run_info *expected, rdl_err *err)
{
    size_t n = strlen(path) + 1;
    uint64_t index_sum = 0;
    r->path = malloc(n); /* allow: lives as the run */
    if (r->path == NULL)
        return rdl_err_nomem(err);
    memcpy(r->path, path, n);
    RDL_TRY(rdl_file_open_read(path, &r->file, err));
    RDL_TRY(read_footer(r, &index_sum, err));
    if (expected != NULL)
        RDL_TRY(check_expected(r, expected, rdl_file_size(r->file) - RDL_RUN_FOOTER, err));
    return read_index(r, index_sum, err);
}

rdl_code
rdl_run_open(const char *path, const rdl_run_info *expected, rdl_run **out, rdl_err *err)
{
    rdl_run *r = calloc(1, sizeof *r); /* allow: lives until a merge replaces it */
    if (r == NULL)
        return rdl_err_nomem(err);
    rdl_code rc = rdl_err_area(open_run(r, path, expected, err), err, RDL_AREA_STORE);
    if (rc != RDL_OK) {
        rdl_run_close(r);
        return rc;
    }
    *out = r;
    return RDL_OK;
}

rdl_code rdl_run_load_filter(rdl_run *r, rdl_err *err)
{
    if (r->filter != NULL || r->filter_bytes == 0)
        return RDL_OK;
    size_t room = (r->filter_bytes + 63) & ~(size_t)63;
    uint32_t *words = aligned_alloc(64, room); /* allow: filters are part of keyed state */
    if (words == NULL)
        return rdl_err_nomem(err);
    rdl_code rc = read_at(r, words, r->filter_bytes, r->filter_offset, err);
    if (rc == RDL_OK && rdl_hash128_of(words, r->filter_bytes).lo != r->filter_checksum)
        rc = rdl_run_damaged(err, r->path, r->filter_offset,
                             "the filter does not match its checksum");
    if (rc != RDL_OK) {
        free(words); /* allow: above */
        return rc;
    }
    for (size_t i = 0; i < r->filter_bytes / 4; i++)
        words[i] = rdl_get32(&words[i]);
    r->filter = words;
    return RDL_OK;
}

void rdl_run_drop_filter(rdl_run *r)
{
    free(r->filter); /* allow: see load_filter */
    r->filter = NULL;
}

void rdl_run_close(rdl_run *r)
{
    if (r == NULL)
        return;
    rdl_run_drop_filter(r);
    rdl_file_close(r->file);
    free(r->starts); /* allow: see read_index */
    free(r->index);  /* allow: see read_index */
    free(r->path);   /* allow: see open_run */
    free(r);         /* allow: see open */
}

size_t rdl_run_memory(const rdl_run *r)
{
    return sizeof *r + r->index_bytes + r->blocks * sizeof *r->starts + r->filter_bytes;
}

bool rdl_run_may_hold(const rdl_run *r, uint64_t hash)
{
    if (r->filter == NULL)
        return true;
    uint64_t block = rdl_filter_block_of(hash, r->filter_bytes / RDL_FILTER_BLOCK);
    return rdl_filter_test(r->filter + block * 8, hash);
}

/* ------------------------------------------------------------- blocks */

uint32_t rdl_run_block_bytes(const rdl_run *r, uint32_t block)
{
    return rdl_get32(r->index + r->starts[block] + 8);
}

static uint64_t block_offset(const rdl_run *r, uint32_t block)
{
    return rdl_get64(r->index + r->starts[block]);
}

rdl_code rdl_run_read_block(const rdl_run *r, uint32_t block, rdl_buf *buf, rdl_err *err)
{
    uint32_t n = rdl_run_block_bytes(r, block);
    rdl_buf_clear(buf);
    rdl_buf_reserve(buf, n);
    RDL_TRY(read_at(r, buf->p, n, block_offset(r, block), err));
    buf->n = n;
    if (rdl_hash64(buf->p, n) != rdl_get64(r->index + r->starts[block] + 12))
        return rdl_run_damaged(err, r->path, block_offset(r, block),
                               "a block does not match its checksum");
    return RDL_OK;
}

/* Where the entries of a block end, and its table of restarts; false: it is damaged. */
static bool block_parts(rdl_str block, size_t *out_end, size_t *out_restarts)
{
    if (block.n < 8)
        return false;
    size_t restarts = rdl_get32(block.p + block.n - 4);
    if (restarts == 0 || restarts > (block.n - 4) / 4)
        return false;
    *out_end = block.n - 4 - 4 * restarts;
    *out_restarts = restarts;
    return true;
}

/* One entry's fields; own points at the bytes of the key that it does not share. */
typedef struct fields {
    uint64_t shared, own_n, epoch;
    const char *own;
    rdl_str value;
    bool tombstone;
} fields;

static const char *read_fields(const rdl_run *r, const char *p, const char *end, fields *f)
{
    uint64_t value = 0;
    p = rdl_get_varint(p, end, &f->shared);
    if (p != NULL)
        p = rdl_get_varint(p, end, &f->own_n);
    if (p != NULL)
        p = rdl_get_varint(p, end, &value);
    if (p != NULL)
        p = rdl_get_varint(p, end, &f->epoch);
    uint64_t value_n = value >> 1;
    if (p == NULL || f->own_n > (uint64_t)(end - p) ||
        value_n > (uint64_t)(end - p) - f->own_n)
        return NULL;
    f->own = p;
    f->epoch += r->epoch_base;
    f->tombstone = (value & 1) != 0;
    f->value = (rdl_str){p + f->own_n, (size_t)value_n};
    return p + f->own_n + value_n;
}

/* (space, key) against the bytes of a key in a run. */
static int compare(const char space[RDL_RUN_SPACE], rdl_str key, const char *p, size_t n)
{
    size_t head = n < RDL_RUN_SPACE ? n : RDL_RUN_SPACE;
    int c = memcmp(space, p, head);
    if (c != 0)
        return c;
    if (n <= RDL_RUN_SPACE)
        return n == RDL_RUN_SPACE && key.n == 0 ? 0 : 1;
    return rdl_str_cmp(key, (rdl_str){p + RDL_RUN_SPACE, n - RDL_RUN_SPACE});
}

/* The only block that may hold the key. */
static uint32_t find_block(const rdl_run *r, const char space[RDL_RUN_SPACE], rdl_str key)
{
    uint32_t low = 0, high = r->blocks; /* the separator of low is at or below the key */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        const char *p = r->index + r->starts[middle];
        if (compare(space, key, p + INDEX_HEAD, rdl_get32(p + 20)) >= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The offset of the last full key at or below the key; 0 restarts there. */
static bool find_restart(const rdl_run *r,
                         rdl_str block,
                         size_t end,
                         size_t restarts,
                         const char space[RDL_RUN_SPACE],
                         rdl_str key,
                         size_t *out)
{
    size_t low = 0, high = restarts;
    fields f = {0};
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2, at = rdl_get32(block.p + end + 4 * middle);
        if (at >= end || read_fields(r, block.p + at, block.p + end, &f) == NULL ||
            f.shared != 0)
            return false;
        if (compare(space, key, f.own, (size_t)f.own_n) >= 0)
            low = middle;
        else
            high = middle;
    }
    *out = rdl_get32(block.p + end + 4 * low);
    return *out < end;
}

static rdl_code damaged_block(const rdl_run *r, uint32_t block, rdl_err *err)
{
    return rdl_run_damaged(err, r->path, block_offset(r, block), "a block is not readable");
}

/*
 * Looks for the key between two full keys without building any: `match` is how many bytes of
 * the target the entries so far agree with, and a key that shares fewer bytes than that with
 * the one before it lies behind the target (keys ascend).
 */
static rdl_code scan_block(const rdl_run *r,
                           uint32_t number,
                           rdl_str block,
                           size_t end,
                           size_t at,
                           rdl_str target,
                           fields *out,
                           bool *found,
                           rdl_err *err)
{
    size_t match = 0;
    *found = false;
    for (bool first = true; at < end; first = false) {
        const char *next = read_fields(r, block.p + at, block.p + end, out);
        if (next == NULL || (first && out->shared != 0))
            return damaged_block(r, number, err);
        at = (size_t)(next - block.p);
        if (!first && out->shared > match)
            continue; /* differs from the target where the one before did */
        if (!first && out->shared < match)
            return RDL_OK;
        size_t left = target.n - match, n = 0;
        while (n < left && n < out->own_n && out->own[n] == target.p[match + n])
            n++;
        if (n == left && n == out->own_n) {
            *found = true;
            return RDL_OK;
        }
        bool behind = n == left || (n < out->own_n &&
                                    (uint8_t)out->own[n] > (uint8_t)target.p[match + n]);
        if (behind)
            return RDL_OK;
        match += n;
    }
    return RDL_OK;
}

rdl_code rdl_run_get(const rdl_run *r,
                     rdl_block_cache *cache,
                     uint64_t space,
                     rdl_str key,
                     bool *found,
                     rdl_run_entry *out,
                     rdl_err *err)
{
    char head[RDL_RUN_SPACE], small[256];
    rdl_str block = {0};
    rdl_buf big = {0};
    size_t end = 0, restarts = 0, at = 0;
    fields f = {0};
    *found = false;
    if (r->blocks == 0)
        return RDL_OK;
    rdl_put64_be(head, space);
    uint32_t number = find_block(r, head, key);
    RDL_TRY(rdl_block_cache_get(cache, r, number, &block, err));
    if (!block_parts(block, &end, &restarts) ||
        !find_restart(r, block, end, restarts, head, key, &at))
        return damaged_block(r, number, err);
    rdl_str target = {small, RDL_RUN_SPACE + key.n};
    if (target.n > sizeof small) {
        rdl_buf_put(&big, head, sizeof head);
        rdl_buf_put(&big, key.p, key.n);
        target.p = big.p;
    } else {
        memcpy(small, head, sizeof head);
        if (key.n > 0)
            memcpy(small + sizeof head, key.p, key.n);
    }
    rdl_code rc = scan_block(r, number, block, end, at, target, &f, found, err);
    rdl_buf_fini(&big);
    if (rc == RDL_OK && *found)
        *out = (rdl_run_entry){.space = space,
                               .epoch = f.epoch,
                               .key = key,
                               .value = f.value,
                               .tombstone = f.tombstone};
    return rc;
}

/* ------------------------------------------------------------- cursors */

void rdl_run_cursor_init(rdl_run_cursor *c, const rdl_run *r)
{
    *c = (rdl_run_cursor){.run = r, .done = true};
}

void rdl_run_cursor_fini(rdl_run_cursor *c)
{
    rdl_buf_fini(&c->data);
    rdl_buf_fini(&c->key);
}

static rdl_code next_block(rdl_run_cursor *c, rdl_err *err)
{
    size_t restarts = 0;
    if (c->block >= c->run->blocks) {
        c->done = true;
        return RDL_OK;
    }
    RDL_TRY(rdl_run_read_block(c->run, c->block, &c->data, err));
    if (!block_parts((rdl_str){c->data.p, c->data.n}, &c->end, &restarts) || c->end == 0)
        return damaged_block(c->run, c->block, err);
    c->block++;
    c->at = 0;
    rdl_buf_clear(&c->key);
    return RDL_OK;
}

rdl_code rdl_run_cursor_next(rdl_run_cursor *c, rdl_err *err)
{
    fields f = {0};
    if (c->at == c->end)
        RDL_TRY(next_block(c, err));
    if (c->done)
        return RDL_OK;
    const char *next = read_fields(c->run, c->data.p + c->at, c->data.p + c->end, &f);
    if (next == NULL || f.shared > c->key.n ||
        f.shared + f.own_n > RDL_RUN_SPACE + RDL_STATE_KEY_MAX ||
        f.shared + f.own_n < RDL_RUN_SPACE)
        return damaged_block(c->run, c->block - 1, err);
    c->at = (size_t)(next - c->data.p);
    c->key.n = (size_t)f.shared;
    rdl_buf_put(&c->key, f.own, (size_t)f.own_n);
    c->entry = (rdl_run_entry){.space = rdl_get64_be(c->key.p),
                               .epoch = f.epoch,
                               .key = {c->key.p + RDL_RUN_SPACE, c->key.n - RDL_RUN_SPACE},
                               .value = f.value,
                               .tombstone = f.tombstone};
    return RDL_OK;
}

rdl_code rdl_run_cursor_first(rdl_run_cursor *c, rdl_err *err)
{
    c->block = 0;
    c->at = c->end = 0;
    c->done = false;
    return rdl_run_cursor_next(c, err);
}

rdl_code rdl_run_cursor_seek(rdl_run_cursor *c, uint64_t space, rdl_str key, rdl_err *err)
{
    char head[RDL_RUN_SPACE];
    rdl_put64_be(head, space);
    c->block = c->run->blocks == 0 ? 0 : find_block(c->run, head, key);
    c->at = c->end = 0;
    c->done = false;
    RDL_TRY(rdl_run_cursor_next(c, err));
    while (!c->done && compare(head, key, c->key.p, c->key.n) > 0)
        RDL_TRY(rdl_run_cursor_next(c, err));
    return RDL_OK;
}
