/*
 * source/files.c - which ranges of which files come next.
 *
 * A file that has been given is known by its path, and its content by the hash of what was
 * given.  For each one we remember
 *
 *      sealed (from restore)     given (by next, until rewind or restore)
 *      end, hash, records        end, hash, records
 *
 * and the (size, mtime, inode) under which the content was last found unchanged: while
 * these stand still, the file is not read again.
 *
 * The invariants F1 to F3 are files_plan.c's.
 */
#include "source/files_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "source/content.h"

/* Read ahead where a call has no bound of its own. */
#define AHEAD_FILES 1000
#define AHEAD_BYTES (UINT64_C(64) << 20)

/* ---- life ---- */

rdl_code rdl_files_new(const rdl_files_config *config, rdl_files **out, rdl_err *err)
{
    rdl_files *f = calloc(1, sizeof *f); /* allow: lives as long as its source */
    if (f == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&f->arena, 0);
    f->config = *config;
    f->config.base_dir = rdl_arena_strdup(&f->arena, config->base_dir);
    f->config.url = rdl_arena_strdup(&f->arena, config->url);
    rdl_map_init(&f->by_path, &f->arena);
    rdl_map_init(&f->by_content, &f->arena);
    *out = f;
    return RDL_OK;
}

void rdl_files_close_hash(rdl_files *f)
{
    if (f->open.h != NULL)
        (void)rdl_hasher_done(f->open.h);
    f->open = (rdl_open_hash){0};
}

void rdl_files_free(rdl_files *f)
{
    if (f == NULL)
        return;
    rdl_files_close_hash(f);
    rdl_arena_fini(&f->arena);
    free(f); /* allow: lives as long as its source */
}

static rdl_known_file *know(rdl_files *f, const char *path)
{
    rdl_known_file *k = rdl_map_get(&f->by_path, rdl_str_of(path));
    if (k == NULL) {
        k = RDL_NEW(&f->arena, rdl_known_file);
        k->path = rdl_arena_strdup(&f->arena, path);
        k->partition = -1;
        rdl_map_put(&f->by_path, rdl_str_of(k->path), k);
    }
    return k;
}

rdl_str rdl_file_content_key(const rdl_file_mark *m, char key[56])
{
    char hex[33];
    rdl_hash128_hex(m->hash, hex);
    int n = snprintf(key, 56, "%s-%llu", hex, (unsigned long long)m->end);
    return (rdl_str){key, (size_t)n};
}

void rdl_files_remember(rdl_files *f, rdl_known_file *k, const rdl_file_mark *m)
{
    char key[56];
    rdl_str s = rdl_file_content_key(m, key);
    rdl_known_file *other = rdl_map_get(&f->by_content, s);
    if (other == NULL || other->moved_away)
        rdl_map_put(&f->by_content, s, k);
}

void rdl_files_restore(rdl_files *f, const rdl_file_range *sealed)
{
    rdl_known_file *k = know(f, sealed->path);
    const rdl_file_mark m = {.end = sealed->end,
                             .records = sealed->first_record + sealed->records,
                             .hash = sealed->prefix_hash};
    if (!k->is_sealed) {
        f->sealed_count++;
        f->sealed_bytes += m.end;
    } else {
        f->sealed_bytes += m.end - k->sealed.end;
    }
    k->sealed = m;
    k->is_sealed = true;
    k->is_given &= k->given.end > m.end;
    k->partition = sealed->partition;
    k->whole = sealed->whole;
    k->skipped = sealed->skipped;
    k->hint_mtime_us = sealed->mtime_us;
    rdl_files_remember(f, k, &m);
}

/* The old entry lives on behind its content. */
void rdl_files_forget(rdl_files *f, const char *path)
{
    rdl_known_file *k = rdl_map_get(&f->by_path, rdl_str_of(path));
    if (k == NULL || !k->is_sealed)
        return;
    rdl_known_file *fresh = RDL_NEW(&f->arena, rdl_known_file);
    fresh->path = k->path;
    fresh->partition = -1;
    k->cleared = true;
    rdl_map_put(&f->by_path, rdl_str_of(fresh->path), fresh);
}

void rdl_files_rewind(rdl_files *f)
{
    rdl_files_close_hash(f);
    for (size_t i = 0; i < f->by_path.n; i++) {
        rdl_known_file *k = f->by_path.entries[i].value;
        k->is_given = false;
        k->seen_valid &= k->is_sealed;
    }
}

size_t rdl_files_known(const rdl_files *f)
{
    return f->sealed_count;
}

const char *rdl_files_untold_path(rdl_files *f)
{
    return f->told < f->by_path.n ? f->by_path.entries[f->told++].key.p : NULL;
}

const rdl_file_mark *rdl_file_last_mark(const rdl_known_file *k)
{
    return k->is_given ? &k->given : k->is_sealed ? &k->sealed : NULL;
}

bool rdl_file_same(const rdl_stat *a, const rdl_stat *b)
{
    return a->size == b->size && a->mtime_us == b->mtime_us && a->inode == b->inode;
}

void rdl_file_saw(rdl_known_file *k, const rdl_stat *st)
{
    k->seen = *st;
    k->seen_valid = true;
}

/* ---- the next ranges ---- */

rdl_code rdl_files_freeze(rdl_files *f, rdl_err *err)
{
    rdl_arena call;
    rdl_listing list;
    rdl_arena_init(&call, 0);
    rdl_map_init(&f->frozen, &f->arena);
    f->is_frozen = true;
    rdl_code rc = rdl_listing_read(&call, f->config.base_dir, f->config.url, &list, err);
    for (size_t i = 0; rc == RDL_OK && i < list.n; i++)
        rdl_map_put(&f->frozen, rdl_str_of(list.v[i].path),
                    (void *)(uintptr_t)(list.v[i].stat.size + 1));
    rdl_arena_fini(&call);
    return rc;
}

/* Is the file part of what was frozen?  Its size is then no larger than it was. */
static bool within_freeze(const rdl_files *f, rdl_listed *at)
{
    if (!f->is_frozen)
        return true;
    uint64_t size = (uint64_t)(uintptr_t)rdl_map_get(&f->frozen, rdl_str_of(at->path));
    if (size > 0 && at->stat.size > size - 1)
        at->stat.size = size - 1;
    return size > 0;
}

/* Bytes of a file that were given or sealed. */
static uint64_t taken_of(const rdl_files *f, const char *path)
{
    const rdl_known_file *k = rdl_map_get(&f->by_path, rdl_str_of(path));
    const rdl_file_mark *m = k != NULL ? rdl_file_last_mark(k) : NULL;
    return m != NULL ? m->end : 0;
}

/*
 * What the next call will give is fetched while the epoch of this one runs: as many files and bytes
 * as one call gives, from list[i] on.
 */
static void read_ahead(const rdl_files_planner *p, const rdl_listing *list, size_t i)
{
    uint64_t files = p->limits->files_max > 0 ? p->limits->files_max : AHEAD_FILES;
    uint64_t bytes = p->limits->bytes_max > 0 ? p->limits->bytes_max : AHEAD_BYTES;
    for (; i < list->n && files > 0 && bytes > 0; i++) {
        const rdl_listed *at = &list->v[i];
        uint64_t from = taken_of(p->f, at->path);
        if (from >= at->stat.size)
            continue;
        uint64_t n = at->stat.size - from < bytes ? at->stat.size - from : bytes;
        rdl_fs_read_ahead(at->path, from, n);
        bytes -= n;
        files--;
    }
}

/* Bytes of so many rows, as the lines at the file's next byte tell; UINT64_MAX: they do not. */
static uint64_t sample(const char *path, uint64_t at, uint64_t rows)
{
    enum { SAMPLE_BYTES = 64 * 1024 };
    static const uint8_t packed[][2] = {{0x1f, 0x8b}, {0x28, 0xb5}};
    rdl_arena a;
    rdl_err ignored;
    rdl_file *file = NULL;
    size_t n = 0, lines = 0;
    rdl_arena_init(&a, 0);
    char *p = rdl_arena_alloc(&a, SAMPLE_BYTES);
    if (p != NULL && rdl_file_open_read(path, &file, &ignored) == RDL_OK &&
        rdl_file_pread(file, p, SAMPLE_BYTES, at, &n, &ignored) != RDL_OK)
        n = 0;
    for (size_t i = 0; i < n; i++)
        lines += p[i] == '\n';
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        lines = n >= 2 && memcmp(p, packed[i], 2) == 0 ? 0 : lines;
    rdl_file_close(file);
    rdl_arena_fini(&a);
    return lines > 0 ? (uint64_t)((double)n / (double)lines * (double)rows) + 1 : UINT64_MAX;
}

/* Of a folder of which no row was read yet. */
static uint64_t sampled_bytes(const rdl_files *f, const rdl_listing *list, uint64_t rows)
{
    enum { WORTH_BYTES = 1 << 20 };
    for (size_t i = 0; rows > 0 && i < list->n; i++) {
        uint64_t done = taken_of(f, list->v[i].path), size = list->v[i].stat.size;
        if (size > done)
            return size - done > WORTH_BYTES ? sample(list->v[i].path, done, rows) : UINT64_MAX;
    }
    return UINT64_MAX;
}

rdl_code rdl_files_next(rdl_files *f, rdl_arena *a, const rdl_files_limits *limits,
                        rdl_file_range **out, size_t *out_n, rdl_err *err)
{
    rdl_arena call;
    rdl_listing list;
    rdl_files_planner p = {.f = f, .arena = a, .limits = limits};
    p.bytes_left = limits->bytes_max > 0 ? limits->bytes_max : UINT64_MAX;
    rdl_arena_init(&call, 0);
    rdl_code rc = rdl_listing_read(&call, f->config.base_dir, f->config.url, &list, err);
    p.listed = rc == RDL_OK ? list.n : 0;
    uint64_t by_rows = rc == RDL_OK ? sampled_bytes(f, &list, limits->rows_sampled) : UINT64_MAX;
    p.bytes_left = by_rows < p.bytes_left ? by_rows : p.bytes_left;
    for (size_t i = 0; rc == RDL_OK && i < list.n; i++) {
        rdl_listed *at = &list.v[i];
        if (!within_freeze(f, at))
            continue;
        bool full = (limits->files_max > 0 && p.ranges.n >= limits->files_max) ||
                    (p.ranges.n > 0 && p.bytes_left == 0);
        if (full) {
            read_ahead(&p, &list, i > 0 ? i - 1 : 0); /* list[i - 1] may have been cut */
            break;
        }
        rc = rdl_files_plan(&p, know(f, at->path), at, err);
    }
    rdl_arena_fini(&call);
    *out = p.ranges.v;
    *out_n = p.ranges.n;
    return rc;
}

rdl_code rdl_files_lag(rdl_files *f, uint64_t *out_files, uint64_t *out_bytes, rdl_err *err)
{
    rdl_arena call;
    rdl_listing list;
    *out_files = *out_bytes = 0;
    rdl_arena_init(&call, 0);
    rdl_code rc = rdl_listing_read(&call, f->config.base_dir, f->config.url, &list, err);
    for (size_t i = 0; rc == RDL_OK && i < list.n; i++) {
        uint64_t done = taken_of(f, list.v[i].path), size = list.v[i].stat.size;
        *out_files += size > done;
        *out_bytes += size > done ? size - done : 0;
    }
    rdl_arena_fini(&call);
    return rc;
}

/* ---- snapshots ---- */

static rdl_code hash_prefix(const char *path, uint64_t end, rdl_hash128 *out, rdl_err *err)
{
    rdl_hasher *h = rdl_hasher_new();
    rdl_code rc = rdl_content_hash(path, 0, end, h, NULL, err);
    *out = rdl_hasher_done(h);
    return rc;
}

static rdl_code content_of(rdl_files *f, const rdl_listed *at, rdl_hash128 *out, rdl_err *err)
{
    rdl_known_file *k = know(f, at->path);
    if (!k->snapshot_valid || !rdl_file_same(&k->seen, &at->stat)) {
        RDL_TRY(hash_prefix(at->path, at->stat.size, &k->snapshot, err));
        k->snapshot_valid = true;
        rdl_file_saw(k, &at->stat);
    }
    *out = k->snapshot;
    return RDL_OK;
}

rdl_code rdl_files_snapshot(rdl_files *f, rdl_arena *a, rdl_snapshot_version *out, rdl_err *err)
{
    rdl_listing list;
    RDL_TRY(rdl_listing_read(a, f->config.base_dir, f->config.url, &list, err));
    *out = (rdl_snapshot_version){.paths = RDL_NEWN(a, char *, list.n + 1),
                                  .shown = RDL_NEWN(a, char *, list.n + 1)};
    rdl_hasher *h = rdl_hasher_new();
    rdl_code rc = RDL_OK;
    if (f->config.newest && list.n > 1) {
        list.v += list.n - 1;
        list.n = 1;
    }
    for (size_t i = 0; i < list.n && rc == RDL_OK; i++) {
        const rdl_listed *at = &list.v[i];
        rdl_hash128 content = {0};
        rc = content_of(f, at, &content, err);
        out->paths[i] = rdl_arena_strdup(a, at->path);
        out->shown[i] = rdl_arena_strdup(a, at->shown);
        out->bytes += at->stat.size;
        rdl_hasher_put(h, at->shown, strlen(at->shown) + 1);
        rdl_hasher_put(h, &content, sizeof content);
    }
    out->n = list.n;
    out->hash = rdl_hasher_done(h);
    return rc;
}
