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
 * INVARIANTS
 *   F1  Bytes before `end` of a known file hash to `hash`, or next fails: a source's files
 *       are append-only.
 *   F2  A range begins where the last one ended, at a record's start, and ends after a
 *       complete record (or at the file's end, when final).
 *   F3  A path that is new but whose content is known is never read in silence: it is a
 *       rename (the old path is gone), or ON REPEAT decides.
 *
 * After a restart, files are hashed once again as they come by, unless more than
 * TRUST_OVER_BYTES are sealed: then an unchanged size and mtime (which is in the journal)
 * is taken for unchanged content.
 */
#include "source/files.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "source/content.h"
#include "source/listing.h"

#define TRUST_OVER_BYTES (UINT64_C(256) << 20)

typedef struct mark {
    uint64_t end, records;
    rdl_hash128 hash;
} mark;

typedef struct known {
    const char *path;
    mark sealed, given;
    bool is_sealed, is_given; /* given: not sealed yet */
    int32_t partition;
    bool whole, skipped, moved_away, cleared;
    rdl_stat seen; /* under which the content was found unchanged */
    bool seen_valid;
    int64_t hint_mtime; /* from the journal */
    rdl_stat waiting;   /* a file that must be quiet: as it stood at waiting_us */
    int64_t waiting_us;
    rdl_hash128 snapshot; /* of the whole content, under `seen` */
    bool snapshot_valid;
} known;

/*
 * The hasher of a file that is given in parts: it stands at the end of the last one, so
 * that a large file is hashed once and not once for every part.
 */
typedef struct open_hash {
    const known *k;
    rdl_hasher *h; /* NULL: none */
    uint64_t at;
    rdl_stat stat;
} open_hash;

struct rdl_files {
    open_hash open;
    rdl_arena arena;
    rdl_files_config config;
    rdl_map by_path;    /* known */
    rdl_map by_content; /* known, by hash and length */
    rdl_map frozen;     /* path -> size + 1 at the freeze */
    bool is_frozen;
    uint64_t sealed_bytes;
    size_t sealed_count;
    size_t told; /* paths of by_path that rdl_files_untold_path gave */
};

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

static void close_hash(rdl_files *f)
{
    if (f->open.h != NULL)
        (void)rdl_hasher_done(f->open.h);
    f->open = (open_hash){0};
}

void rdl_files_free(rdl_files *f)
{
    if (f == NULL)
        return;
    close_hash(f);
    rdl_arena_fini(&f->arena);
    free(f); /* allow: lives as long as its source */
}

static known *know(rdl_files *f, const char *path)
{
    known *k = rdl_map_get(&f->by_path, rdl_str_of(path));
    if (k == NULL) {
        k = RDL_NEW(&f->arena, known);
        k->path = rdl_arena_strdup(&f->arena, path);
        k->partition = -1;
        rdl_map_put(&f->by_path, rdl_str_of(k->path), k);
    }
    return k;
}

static rdl_str content_key(const mark *m, char key[56])
{
    char hex[33];
    rdl_hash128_hex(m->hash, hex);
    int n = snprintf(key, 56, "%s-%llu", hex, (unsigned long long)m->end);
    return (rdl_str){key, (size_t)n};
}

static void remember_content(rdl_files *f, known *k, const mark *m)
{
    char key[56];
    rdl_str s = content_key(m, key);
    known *other = rdl_map_get(&f->by_content, s);
    if (other == NULL || other->moved_away)
        rdl_map_put(&f->by_content, s, k);
}

void rdl_files_restore(rdl_files *f, const rdl_file_range *sealed)
{
    known *k = know(f, sealed->path);
    mark m = {.end = sealed->end,
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
    k->hint_mtime = sealed->mtime_us;
    remember_content(f, k, &m);
}

/* The old entry lives on behind its content. */
void rdl_files_forget(rdl_files *f, const char *path)
{
    known *k = rdl_map_get(&f->by_path, rdl_str_of(path));
    if (k == NULL || !k->is_sealed)
        return;
    known *fresh = RDL_NEW(&f->arena, known);
    fresh->path = k->path;
    fresh->partition = -1;
    k->cleared = true;
    rdl_map_put(&f->by_path, rdl_str_of(fresh->path), fresh);
}

void rdl_files_rewind(rdl_files *f)
{
    close_hash(f);
    for (size_t i = 0; i < f->by_path.n; i++) {
        known *k = f->by_path.entries[i].value;
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

static const mark *last_mark(const known *k)
{
    return k->is_given ? &k->given : k->is_sealed ? &k->sealed : NULL;
}

static bool same_stat(const rdl_stat *a, const rdl_stat *b)
{
    return a->size == b->size && a->mtime_us == b->mtime_us && a->inode == b->inode;
}

static void saw(known *k, const rdl_stat *st)
{
    k->seen = *st;
    k->seen_valid = true;
}

/* ---- errors ---- */

static rdl_code changed(const rdl_listed *at, const mark *m, rdl_err *err)
{
    if (at->stat.size < m->end)
        rdl_err_set(
            err, RDL_EDATA, 0,
            "cannot go on with file \"%s\": it shrank to %llu bytes after %llu were read",
            at->shown, (unsigned long long)at->stat.size, (unsigned long long)m->end);
    else
        rdl_err_set(
            err, RDL_EDATA, 0,
            "cannot go on with file \"%s\": its first %llu bytes are not those that were "
            "read",
            at->shown, (unsigned long long)m->end);
    rdl_err_hint(
        err, "An append-only source's files may only grow.  Put the old content back and "
             "bring the new rows in a new file, or declare the source SNAPSHOT.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code grew_but_whole(const rdl_listed *at, const mark *m, rdl_err *err)
{
    rdl_err_set(
        err, RDL_EDATA, 0,
        "cannot go on with file \"%s\": it grew from %llu to %llu bytes, and its format "
        "is read as a whole",
        at->shown, (unsigned long long)m->end, (unsigned long long)at->stat.size);
    rdl_err_hint(
        err, "Put the old content back and bring the new rows in a new file; publish such "
             "files by renaming them when they are complete.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code line_went_on(const rdl_listed *at, const mark *m, rdl_err *err)
{
    rdl_err_set(
        err, RDL_EDATA, 0,
        "cannot go on with file \"%s\": its last line was read up to byte %llu before it "
        "was complete",
        at->shown, (unsigned long long)m->end);
    rdl_err_hint(
        err, "End every record with a newline before running with --once; bring the rest "
             "of that record in a new file.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code repeated(const rdl_listed *at, const known *other, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot read file \"%s\": its content was read already as \"%s\"",
                at->shown, other->path);
    rdl_err_hint(err,
                 "Remove the copy, say ON REPEAT SKIP or READ at the source, or let every "
                 "table on it DEDUPLICATE.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* ---- planning one file ---- */

typedef struct planner {
    rdl_files *f;
    rdl_arena *arena;
    const rdl_files_limits *limits;
    uint64_t bytes_left; /* UINT64_MAX: no bound */
    bool cut;            /* the last range ended at the bound */
    RDL_VEC(rdl_file_range) ranges;
    size_t listed;       /* files that are there */
    RDL_VEC(known *) gone; /* read files that are not, by length; see find_gone */
    bool looked_for_gone;
} planner;

static rdl_code hash_prefix(const char *path, uint64_t end, rdl_hash128 *out, rdl_err *err)
{
    rdl_hasher *h = rdl_hasher_new();
    rdl_code rc = rdl_content_hash(path, 0, end, h, NULL, err);
    *out = rdl_hasher_done(h);
    return rc;
}

/* F1: is what was read of the file still there, unchanged? */
static rdl_code verify(rdl_files *f,
                       known *k,
                       const rdl_listed *at,
                       const mark *m,
                       rdl_hasher *h,
                       rdl_err *err)
{
    bool trusted = !k->seen_valid && k->is_sealed && !k->is_given &&
                   f->sealed_bytes > TRUST_OVER_BYTES && at->stat.size == m->end &&
                   k->hint_mtime != 0 && k->hint_mtime == at->stat.mtime_us;
    if (trusted)
        return RDL_OK;
    if (at->stat.size < m->end)
        return changed(at, m, err);
    RDL_TRY(rdl_content_hash(at->path, 0, m->end, h, NULL, err));
    return rdl_hash128_eq(rdl_hasher_peek(h), m->hash) ? RDL_OK : changed(at, m, err);
}

/* Has a file that is read whole come to rest? */
static bool is_quiet(planner *p, known *k, const rdl_listed *at)
{
    rdl_clock *clock = p->f->config.clock != NULL ? p->f->config.clock : &rdl_clock_system;
    int64_t now = rdl_now_us(clock), quiet_us = p->f->config.quiet_ms * 1000;
    if (p->limits->final || at->stat.mtime_us <= now - quiet_us ||
        rdl_listing_success(p->arena, at->path))
        return true;
    if (k->waiting_us == 0 || !same_stat(&k->waiting, &at->stat)) {
        k->waiting = at->stat;
        k->waiting_us = now;
    }
    return now - k->waiting_us >= quiet_us;
}

/*
 * A last line without a newline is read by --once, unless somebody is writing it: the file is given
 * quiet_ms to come to rest, and one that grew meanwhile is read to its last newline.
 */
static rdl_code
final_end(planner *p, const rdl_listed *at, uint64_t begin, uint64_t *out, rdl_err *err)
{
    char last = '\n';
    rdl_stat now;
    *out = at->stat.size;
    if (at->stat.size > begin)
        RDL_TRY(rdl_content_byte(at->path, at->stat.size - 1, &last, err));
    int64_t rest_ms = p->f->config.quiet_ms -
                      (rdl_now_us(&rdl_clock_system) - at->stat.mtime_us) / 1000;
    if (last == '\n' || rest_ms <= 0 || at->stat.mtime_us > rdl_now_us(&rdl_clock_system))
        return RDL_OK;
    rdl_sleep_ms(rest_ms);
    RDL_TRY(rdl_fs_stat(at->path, &now, err));
    if (now.exists && now.size == at->stat.size && now.mtime_us == at->stat.mtime_us)
        return RDL_OK;
    return rdl_content_last_line(at->path, begin, at->stat.size, p->f->config.quote, out, err);
}

/* Where the next range of a line format ends; begin when there is nothing complete. */
static rdl_code
range_end(planner *p, const rdl_listed *at, uint64_t begin, uint64_t *out, rdl_err *err)
{
    const char quote = p->f->config.quote;
    uint64_t size = at->stat.size, limit = size;
    if (quote == '\0' && p->bytes_left < size - begin) {
        /* Cut a large file; a record longer than the bound is taken whole. */
        uint64_t step = p->bytes_left > 0 ? p->bytes_left : 1;
        do {
            limit = size - begin < step ? size : begin + step;
            RDL_TRY(rdl_content_last_line(at->path, begin, limit, quote, out, err));
            step *= 2;
        } while (*out == begin && limit < size);
        p->cut = limit < size;
        if (limit < size || *out == size)
            return RDL_OK;
    } else if (!p->limits->final) {
        RDL_TRY(rdl_content_last_line(at->path, begin, size, quote, out, err));
    }
    if (p->limits->final)
        return final_end(p, at, begin, out, err);
    return RDL_OK;
}

static void
give(planner *p, known *k, const rdl_listed *at, rdl_file_range r, uint64_t records)
{
    r.path = rdl_arena_strdup(p->arena, at->path);
    r.shown = rdl_arena_strdup(p->arena, at->shown);
    r.partition = k->partition;
    r.prefix_bytes = r.end;
    r.mtime_us = at->stat.mtime_us;
    RDL_PUSH(p->arena, &p->ranges) = r;
    k->given =
        (mark){.end = r.end, .records = r.first_record + records, .hash = r.prefix_hash};
    k->is_given = true;
    k->whole = r.whole;
    k->skipped = r.skipped;
    remember_content(p->f, k, &k->given);
    if (p->bytes_left != UINT64_MAX) {
        uint64_t bytes = r.end - r.begin;
        p->bytes_left = bytes < p->bytes_left && !p->cut ? p->bytes_left - bytes : 0;
    }
}

/* A file whose beginning is known and unchanged, and that is longer now: h covers m->end.
 */
static rdl_code plan_growth(
    planner *p, known *k, const rdl_listed *at, const mark *m, rdl_hasher *h, rdl_err *err)
{
    uint64_t end, records = 0;
    char last = '\n', next = '\n';
    if (k->whole || k->skipped)
        return grew_but_whole(at, m, err);
    if (k->is_given && p->f->config.quote != '\0')
        return RDL_OK; /* its records are counted when it is sealed */
    if (m->end > 0) {
        RDL_TRY(rdl_content_byte(at->path, m->end - 1, &last, err));
        RDL_TRY(rdl_content_byte(at->path, m->end, &next, err));
    }
    if (last != '\n' && next != '\n' && next != '\r')
        return line_went_on(at, m, err);
    RDL_TRY(range_end(p, at, m->end, &end, err));
    if (end == m->end) {
        saw(k, &at->stat);
        return RDL_OK;
    }
    RDL_TRY(rdl_content_hash(at->path, m->end, end, h, &records, err));
    if (end == at->stat.size)
        saw(k, &at->stat);
    else
        k->seen_valid = false;
    give(p, k, at,
         (rdl_file_range){.begin = m->end,
                          .end = end,
                          .first_record = m->records,
                          .prefix_hash = rdl_hasher_peek(h)},
         records);
    return RDL_OK;
}

/* h stands at the end of what was given of the file: keep it if more is to come. */
static void keep_hash(planner *p, const known *k, const rdl_listed *at, rdl_hasher *h)
{
    const mark *m = last_mark(k);
    if (!p->cut || m == NULL || m->end >= at->stat.size) {
        (void)rdl_hasher_done(h);
        return;
    }
    close_hash(p->f);
    p->f->open = (open_hash){.k = k, .h = h, .at = m->end, .stat = at->stat};
}

static rdl_code plan_known(planner *p, known *k, const rdl_listed *at, rdl_err *err)
{
    const mark m = *last_mark(k);
    if (k->seen_valid && same_stat(&k->seen, &at->stat) &&
        (at->stat.size == m.end || !p->limits->final))
        return RDL_OK;
    open_hash *open = &p->f->open;
    rdl_hasher *h = NULL;
    rdl_code rc = RDL_OK;
    if (open->k == k && open->at == m.end && same_stat(&open->stat, &at->stat)) {
        h = open->h;
        *open = (open_hash){0};
    } else {
        h = rdl_hasher_new();
        rc = verify(p->f, k, at, &m, h, err);
    }
    if (rc == RDL_OK && at->stat.size == m.end)
        saw(k, &at->stat);
    else if (rc == RDL_OK)
        rc = plan_growth(p, k, at, &m, h, err);
    if (rc == RDL_OK)
        keep_hash(p, k, at, h);
    else
        (void)rdl_hasher_done(h);
    return rc;
}

/* Renamed: the same file goes on under its new name. */
static void go_on_as(planner *p, known *k, known *other, const mark *m)
{
    k->sealed = other->sealed;
    k->given = other->given;
    k->is_sealed = other->is_sealed;
    k->is_given = other->is_given;
    k->partition = other->partition;
    k->whole = other->whole;
    k->skipped = other->skipped;
    other->moved_away = true;
    remember_content(p->f, k, m);
}

static int by_end(const void *pa, const void *pb)
{
    const known *const *a = pa, *const *b = pb;
    uint64_t x = (*a)->sealed.end, y = (*b)->sealed.end;
    return (x > y) - (x < y);
}

/* Once a call, and only when fewer files are there than were read. */
static void find_gone(planner *p)
{
    p->looked_for_gone = true;
    if (p->f->by_path.n <= p->listed)
        return;
    for (size_t i = 0; i < p->f->by_path.n; i++) {
        known *k = p->f->by_path.entries[i].value;
        if (k->is_sealed && !k->is_given && !k->moved_away && !k->whole && !k->skipped &&
            k->sealed.end > 0 && !rdl_fs_exists(k->path))
            RDL_PUSH(p->arena, &p->gone) = k;
    }
    if (p->gone.n > 0)
        qsort(p->gone.v, p->gone.n, sizeof *p->gone.v, by_end);
}

/*
 * A new path whose beginning is all that was read of a file that is no longer there: renamed, and
 * grown since.  One pass over the file asks at the length of each such file.
 */
static rdl_code find_moved(planner *p, const rdl_listed *at, known **out, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    uint64_t hashed = 0;
    *out = NULL;
    if (!p->looked_for_gone)
        find_gone(p);
    rdl_hasher *h = rdl_hasher_new();
    for (size_t i = 0; i < p->gone.n && rc == RDL_OK && *out == NULL; i++) {
        known *k = p->gone.v[i];
        if (k->moved_away)
            continue;
        if (k->sealed.end >= at->stat.size)
            break;
        rc = rdl_content_hash(at->path, hashed, k->sealed.end, h, NULL, err);
        hashed = k->sealed.end;
        if (rc == RDL_OK && rdl_hash128_eq(rdl_hasher_peek(h), k->sealed.hash))
            *out = k;
    }
    (void)rdl_hasher_done(h);
    return rc;
}

/* Content that was read under another path: F3. */
static rdl_code plan_repeat(planner *p,
                            known *k,
                            known *other,
                            const rdl_listed *at,
                            rdl_file_range r,
                            uint64_t records,
                            rdl_err *err)
{
    const mark *m = last_mark(other);
    bool gone = !other->cleared && !rdl_fs_exists(other->path);
    if (gone && m != NULL && m->end == r.end && at->stat.size == r.end) {
        go_on_as(p, k, other, m);
        saw(k, &at->stat);
        return RDL_OK;
    }
    if (p->f->config.repeat == 1) {
        r.skipped = true;
        give(p, k, at, r, 0);
        saw(k, &at->stat);
        return RDL_OK;
    }
    if (p->f->config.repeat != 2 && !p->f->config.may_repeat)
        return repeated(at, other, err);
    give(p, k, at, r, records);
    if (r.end == at->stat.size)
        saw(k, &at->stat);
    return RDL_OK;
}

static rdl_code plan_new(planner *p, known *k, const rdl_listed *at, rdl_err *err)
{
    rdl_file_range r = {.whole = !p->f->config.line_format, .end = at->stat.size};
    uint64_t records = 0;
    if (at->stat.size == 0)
        return RDL_OK;
    if (!r.whole)
        RDL_TRY(rdl_content_whole(at->path, p->f->config.quote == '\0', &r.whole, err));
    if (r.whole && !is_quiet(p, k, at))
        return RDL_OK;
    if (!r.whole)
        RDL_TRY(range_end(p, at, 0, &r.end, err));
    if (r.end == 0)
        return RDL_OK;
    known *moved = NULL;
    if (!r.whole)
        RDL_TRY(find_moved(p, at, &moved, err));
    if (moved != NULL) {
        go_on_as(p, k, moved, &moved->sealed);
        return plan_known(p, k, at, err);
    }
    rdl_hasher *h = rdl_hasher_new();
    rdl_code rc = rdl_content_hash(at->path, 0, r.end, h, r.whole ? NULL : &records, err);
    r.prefix_hash = rdl_hasher_peek(h);
    if (rc != RDL_OK) {
        (void)rdl_hasher_done(h);
        return rc;
    }
    char key[56];
    mark m = {.end = r.end, .hash = r.prefix_hash};
    known *other = rdl_map_get(&p->f->by_content, content_key(&m, key));
    if (other != NULL && other != k && last_mark(other) != NULL) {
        (void)rdl_hasher_done(h);
        return plan_repeat(p, k, other, at, r, records, err);
    }
    give(p, k, at, r, records);
    keep_hash(p, k, at, h);
    if (r.end == at->stat.size)
        saw(k, &at->stat);
    return RDL_OK;
}

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

rdl_code rdl_files_next(rdl_files *f,
                        rdl_arena *a,
                        const rdl_files_limits *limits,
                        rdl_file_range **out,
                        size_t *out_n,
                        rdl_err *err)
{
    rdl_arena call;
    rdl_listing list;
    planner p = {.f = f, .arena = a, .limits = limits};
    p.bytes_left = limits->bytes_max > 0 ? limits->bytes_max : UINT64_MAX;
    rdl_arena_init(&call, 0);
    rdl_code rc = rdl_listing_read(&call, f->config.base_dir, f->config.url, &list, err);
    p.listed = rc == RDL_OK ? list.n : 0;
    for (size_t i = 0; rc == RDL_OK && i < list.n; i++) {
        rdl_listed *at = &list.v[i];
        if (!within_freeze(f, at))
            continue;
        bool full = (limits->files_max > 0 && p.ranges.n >= limits->files_max) ||
                    (p.ranges.n > 0 && p.bytes_left == 0);
        if (full)
            break;
        known *k = know(f, at->path);
        p.cut = false;
        rc = last_mark(k) != NULL ? plan_known(&p, k, at, err) : plan_new(&p, k, at, err);
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
        const known *k = rdl_map_get(&f->by_path, rdl_str_of(list.v[i].path));
        const mark *m = k != NULL ? last_mark(k) : NULL;
        uint64_t done = m != NULL ? m->end : 0, size = list.v[i].stat.size;
        *out_files += size > done;
        *out_bytes += size > done ? size - done : 0;
    }
    rdl_arena_fini(&call);
    return rc;
}

/* ---- snapshots ---- */

static rdl_code
content_of(rdl_files *f, const rdl_listed *at, rdl_hash128 *out, rdl_err *err)
{
    known *k = know(f, at->path);
    if (!k->snapshot_valid || !same_stat(&k->seen, &at->stat)) {
        RDL_TRY(hash_prefix(at->path, at->stat.size, &k->snapshot, err));
        k->snapshot_valid = true;
        saw(k, &at->stat);
    }
    *out = k->snapshot;
    return RDL_OK;
}

rdl_code
rdl_files_snapshot(rdl_files *f, rdl_arena *a, rdl_snapshot_version *out, rdl_err *err)
{
    rdl_listing list;
    RDL_TRY(rdl_listing_read(a, f->config.base_dir, f->config.url, &list, err));
    *out = (rdl_snapshot_version){.paths = RDL_NEWN(a, char *, list.n + 1),
                                  .shown = RDL_NEWN(a, char *, list.n + 1)};
    rdl_hasher *h = rdl_hasher_new();
    rdl_code rc = RDL_OK;
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
