/*
 * tests/fuzz/run_fuzz.c - a sorted run of any bytes is read or refused, also under right
 * checksums.
 *
 * Bit 0 of the first byte: make the checksums right, so that what lies behind them is
 * reached.  The rest is the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "stream/state_format.h"
#include "stream/state_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair_index(char *p, size_t size, uint64_t at, uint64_t bytes)
{
    for (uint64_t i = at; at + bytes - i >= 24;) {
        uint64_t offset = rdl_get64(p + i);
        uint32_t n = rdl_get32(p + i + 8), key_n = rdl_get32(p + i + 20);
        if (offset <= size && n <= size - offset)
            rdl_put64(p + i + 12, rdl_hash64(p + offset, n));
        if (key_n > at + bytes - i - 24)
            return;
        i += 24 + (uint64_t)key_n;
    }
}

static void repair(char *p, size_t size)
{
    if (size < RDL_RUN_HEAD + RDL_RUN_FOOTER)
        return;
    char *f = p + size - RDL_RUN_FOOTER;
    memcpy(p, "raudal-run 1\n\0\0\0", RDL_RUN_HEAD);
    memcpy(f, "rdlfoot1", 8);
    rdl_put64(f + 16, size);
    uint64_t index = rdl_get64(f + 72), index_n = rdl_get64(f + 80);
    uint64_t filter = rdl_get64(f + 96), filter_n = rdl_get64(f + 104);
    if (index <= size && index_n <= size - index) {
        repair_index(p, size, index, index_n);
        rdl_put64(f + 88, rdl_hash64(p + index, index_n));
    }
    if (filter <= size && filter_n <= size - filter)
        rdl_put64(f + 112, rdl_hash128_of(p + filter, filter_n).lo);
    rdl_put64(f + 128, rdl_hash64(f, 128));
}

static void read_all(const rdl_run *r, rdl_block_cache *cache)
{
    rdl_err err = {0};
    rdl_run_cursor c;
    rdl_run_entry e = {0};
    bool found = false;
    rdl_run_cursor_init(&c, r);
    rdl_code rc = rdl_run_cursor_first(&c, &err);
    while (rc == RDL_OK && !c.done) {
        (void)!rdl_run_get(r, cache, c.entry.space, c.entry.key, &found, &e, &err);
        (void)rdl_run_may_hold(r, rdl_state_hash(c.entry.space, c.entry.key));
        rc = rdl_run_cursor_next(&c, &err);
    }
    (void)!rdl_run_get(r, cache, 7, RDL_STR("key-1"), &found, &e, &err);
    (void)!rdl_run_cursor_seek(&c, 7, RDL_STR("key-2"), &err);
    rdl_run_cursor_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rdl_arena a;
    rdl_err err = {0};
    rdl_file *f = NULL;
    rdl_run *r = NULL;
    rdl_block_cache *cache = NULL;
    if (size == 0)
        return 0;
    rdl_arena_init(&a, 0);
    char *dir = rdl_fs_temp_dir(&a, "run-fuzz", &err), *bytes = rdl_arena_x(&a, size);
    if (dir == NULL || rdl_block_cache_new(1 << 17, &cache, &err) != RDL_OK)
        abort();
    memcpy(bytes, data + 1, size - 1);
    if ((data[0] & 1) != 0)
        repair(bytes, size - 1);
    char *path = rdl_path_join(&a, dir, "run-1");
    if (rdl_file_create(path, &f, &err) != RDL_OK ||
        rdl_file_write(f, bytes, size - 1, &err) != RDL_OK)
        abort();
    rdl_file_close(f);
    if (rdl_run_open(path, NULL, &r, &err) == RDL_OK) {
        (void)!rdl_run_load_filter(r, &err);
        read_all(r, cache);
        rdl_run_close(r);
    }
    rdl_block_cache_free(cache);
    (void)!rdl_fs_remove_tree(dir, &err);
    rdl_arena_fini(&a);
    return 0;
}
