/*
 * source/files_plan.c - which bytes of one file come next, or why it cannot go on.
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
#include "source/files_internal.h"

#include <stdlib.h>

#include "source/content.h"

#define TRUST_OVER_BYTES (UINT64_C(256) << 20)

/* ---- errors ---- */

static rdl_code changed(const rdl_listed *at, const rdl_file_mark *m, rdl_err *err)
{
    if (at->stat.size < m->end)
        rdl_err_set(err, RDL_EDATA, 0,
                    "cannot go on with file \"%s\": it shrank to %llu bytes after %llu were read",
                    at->shown, (unsigned long long)at->stat.size, (unsigned long long)m->end);
    else
        rdl_err_set(err, RDL_EDATA, 0,
                    "cannot go on with file \"%s\": its first %llu bytes are not those that were "
                    "read",
                    at->shown, (unsigned long long)m->end);
    rdl_err_hint(err, "An append-only source's files may only grow.  Put the old content back and "
                      "bring the new rows in a new file, or declare the source SNAPSHOT.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code grew_but_whole(const rdl_listed *at, const rdl_file_mark *m, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot go on with file \"%s\": it grew from %llu to %llu bytes, and its format "
                "is read as a whole",
                at->shown, (unsigned long long)m->end, (unsigned long long)at->stat.size);
    rdl_err_hint(err, "Put the old content back and bring the new rows in a new file; publish such "
                      "files by renaming them when they are complete.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code line_went_on(const rdl_listed *at, const rdl_file_mark *m, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot go on with file \"%s\": its last line was read up to byte %llu before it "
                "was complete",
                at->shown, (unsigned long long)m->end);
    rdl_err_hint(err, "End every record with a newline before running with --once; bring the rest "
                      "of that record in a new file.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code repeated(const rdl_listed *at, const rdl_known_file *other, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot read file \"%s\": its content was read already as \"%s\"", at->shown,
                other->path);
    rdl_err_hint(err, "Remove the copy, say ON REPEAT SKIP or READ at the source, or let every "
                      "table on it DEDUPLICATE.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* ---- a file whose beginning was read ---- */

/* F1: is what was read of the file still there, unchanged? */
static rdl_code verify(rdl_files *f, rdl_known_file *k, const rdl_listed *at,
                       const rdl_file_mark *m, rdl_hasher *h, rdl_err *err)
{
    bool trusted = !k->seen_valid && k->is_sealed && !k->is_given &&
                   f->sealed_bytes > TRUST_OVER_BYTES && at->stat.size == m->end &&
                   k->hint_mtime_us != 0 && k->hint_mtime_us == at->stat.mtime_us;
    if (trusted)
        return RDL_OK;
    if (at->stat.size < m->end)
        return changed(at, m, err);
    RDL_TRY(rdl_content_hash(at->path, 0, m->end, h, NULL, err));
    return rdl_hash128_eq(rdl_hasher_peek(h), m->hash) ? RDL_OK : changed(at, m, err);
}

/* Has a file that is read whole come to rest? */
static bool is_quiet(rdl_files_planner *p, rdl_known_file *k, const rdl_listed *at)
{
    rdl_clock *clock = p->f->config.clock != NULL ? p->f->config.clock : &rdl_clock_system;
    int64_t now = rdl_now_us(clock), quiet_us = p->f->config.quiet_ms * 1000;
    if (p->limits->final || at->stat.mtime_us <= now - quiet_us ||
        rdl_listing_success(p->arena, at->path))
        return true;
    if (k->waiting_us == 0 || !rdl_file_same(&k->waiting, &at->stat)) {
        k->waiting = at->stat;
        k->waiting_us = now;
    }
    return now - k->waiting_us >= quiet_us;
}

/*
 * A last line without a newline is read by --once, unless somebody is writing it: the file is given
 * quiet_ms to come to rest, and one that grew meanwhile is read to its last newline.
 */
static rdl_code final_end(rdl_files_planner *p, const rdl_listed *at, uint64_t begin, uint64_t *out,
                          rdl_err *err)
{
    char last = '\n';
    rdl_stat now;
    *out = at->stat.size;
    if (at->stat.size > begin)
        RDL_TRY(rdl_content_byte(at->path, at->stat.size - 1, &last, err));
    int64_t rest_ms =
        p->f->config.quiet_ms - (rdl_now_us(&rdl_clock_system) - at->stat.mtime_us) / 1000;
    if (last == '\n' || rest_ms <= 0 || at->stat.mtime_us > rdl_now_us(&rdl_clock_system))
        return RDL_OK;
    rdl_sleep_ms(rest_ms);
    RDL_TRY(rdl_fs_stat(at->path, &now, err));
    if (now.exists && now.size == at->stat.size && now.mtime_us == at->stat.mtime_us)
        return RDL_OK;
    return rdl_content_last_line(at->path, begin, at->stat.size, p->f->config.quote, out, err);
}

/* Where the next range of a line format ends; begin when there is nothing complete. */
static rdl_code range_end(rdl_files_planner *p, const rdl_listed *at, uint64_t begin, uint64_t *out,
                          rdl_err *err)
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

static void give(rdl_files_planner *p, rdl_known_file *k, const rdl_listed *at, rdl_file_range r,
                 uint64_t records)
{
    r.path = rdl_arena_strdup(p->arena, at->path);
    r.shown = rdl_arena_strdup(p->arena, at->shown);
    r.partition = k->partition;
    r.prefix_bytes = r.end;
    r.mtime_us = at->stat.mtime_us;
    RDL_PUSH(p->arena, &p->ranges) = r;
    k->given =
        (rdl_file_mark){.end = r.end, .records = r.first_record + records, .hash = r.prefix_hash};
    k->is_given = true;
    k->whole = r.whole;
    k->skipped = r.skipped;
    rdl_files_remember(p->f, k, &k->given);
    if (p->bytes_left != UINT64_MAX) {
        uint64_t bytes = r.end - r.begin;
        p->bytes_left = bytes < p->bytes_left && !p->cut ? p->bytes_left - bytes : 0;
    }
}

/* A file whose beginning is known and unchanged, and that is longer now: h covers m->end.
 */
static rdl_code plan_growth(rdl_files_planner *p, rdl_known_file *k, const rdl_listed *at,
                            const rdl_file_mark *m, rdl_hasher *h, rdl_err *err)
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
        rdl_file_saw(k, &at->stat);
        return RDL_OK;
    }
    RDL_TRY(rdl_content_hash(at->path, m->end, end, h, &records, err));
    if (end == at->stat.size)
        rdl_file_saw(k, &at->stat);
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
static void keep_hash(rdl_files_planner *p, const rdl_known_file *k, const rdl_listed *at,
                      rdl_hasher *h)
{
    const rdl_file_mark *m = rdl_file_last_mark(k);
    if (!p->cut || m == NULL || m->end >= at->stat.size) {
        (void)rdl_hasher_done(h);
        return;
    }
    rdl_files_close_hash(p->f);
    p->f->open = (rdl_open_hash){.k = k, .h = h, .at = m->end, .stat = at->stat};
}

static rdl_code plan_known(rdl_files_planner *p, rdl_known_file *k, const rdl_listed *at,
                           rdl_err *err)
{
    const rdl_file_mark m = *rdl_file_last_mark(k);
    if (k->seen_valid && rdl_file_same(&k->seen, &at->stat) &&
        (at->stat.size == m.end || !p->limits->final))
        return RDL_OK;
    rdl_open_hash *open = &p->f->open;
    rdl_hasher *h = NULL;
    rdl_code rc = RDL_OK;
    if (open->k == k && open->at == m.end && rdl_file_same(&open->stat, &at->stat)) {
        h = open->h;
        *open = (rdl_open_hash){0};
    } else {
        h = rdl_hasher_new();
        rc = verify(p->f, k, at, &m, h, err);
    }
    if (rc == RDL_OK && at->stat.size == m.end)
        rdl_file_saw(k, &at->stat);
    else if (rc == RDL_OK)
        rc = plan_growth(p, k, at, &m, h, err);
    if (rc == RDL_OK)
        keep_hash(p, k, at, h);
    else
        (void)rdl_hasher_done(h);
    return rc;
}

/* Renamed: the same file goes on under its new name. */
static void go_on_as(rdl_files_planner *p, rdl_known_file *k, rdl_known_file *other,
                     const rdl_file_mark *m)
{
    k->sealed = other->sealed;
    k->given = other->given;
    k->is_sealed = other->is_sealed;
    k->is_given = other->is_given;
    k->partition = other->partition;
    k->whole = other->whole;
    k->skipped = other->skipped;
    other->moved_away = true;
    rdl_files_remember(p->f, k, m);
}

static int by_end(const void *pa, const void *pb)
{
    const rdl_known_file *const *a = pa, *const *b = pb;
    uint64_t x = (*a)->sealed.end, y = (*b)->sealed.end;
    return (x > y) - (x < y);
}

/* Once a call, and only when fewer files are there than were read. */
static void find_gone(rdl_files_planner *p)
{
    p->looked_for_gone = true;
    if (p->f->by_path.n <= p->listed)
        return;
    for (size_t i = 0; i < p->f->by_path.n; i++) {
        rdl_known_file *k = p->f->by_path.entries[i].value;
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
static rdl_code find_moved(rdl_files_planner *p, const rdl_listed *at, rdl_known_file **out,
                           rdl_err *err)
{
    rdl_code rc = RDL_OK;
    uint64_t hashed = 0;
    *out = NULL;
    if (!p->looked_for_gone)
        find_gone(p);
    rdl_hasher *h = rdl_hasher_new();
    for (size_t i = 0; i < p->gone.n && rc == RDL_OK && *out == NULL; i++) {
        rdl_known_file *k = p->gone.v[i];
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
static rdl_code plan_repeat(rdl_files_planner *p, rdl_known_file *k, rdl_known_file *other,
                            const rdl_listed *at, rdl_file_range r, uint64_t records, rdl_err *err)
{
    const rdl_file_mark *m = rdl_file_last_mark(other);
    bool gone = !other->cleared && !rdl_fs_exists(other->path);
    if (gone && m != NULL && m->end == r.end && at->stat.size == r.end) {
        go_on_as(p, k, other, m);
        rdl_file_saw(k, &at->stat);
        return RDL_OK;
    }
    if (p->f->config.repeat == RDL_FILES_REPEAT_SKIP) {
        r.skipped = true;
        give(p, k, at, r, 0);
        rdl_file_saw(k, &at->stat);
        return RDL_OK;
    }
    if (p->f->config.repeat != RDL_FILES_REPEAT_READ && !p->f->config.may_repeat)
        return repeated(at, other, err);
    give(p, k, at, r, records);
    if (r.end == at->stat.size)
        rdl_file_saw(k, &at->stat);
    return RDL_OK;
}

static rdl_code plan_new(rdl_files_planner *p, rdl_known_file *k, const rdl_listed *at,
                         rdl_err *err)
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
    rdl_known_file *moved = NULL;
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
    rdl_file_mark m = {.end = r.end, .hash = r.prefix_hash};
    rdl_known_file *other = rdl_map_get(&p->f->by_content, rdl_file_content_key(&m, key));
    if (other != NULL && other != k && rdl_file_last_mark(other) != NULL) {
        (void)rdl_hasher_done(h);
        return plan_repeat(p, k, other, at, r, records, err);
    }
    give(p, k, at, r, records);
    keep_hash(p, k, at, h);
    if (r.end == at->stat.size)
        rdl_file_saw(k, &at->stat);
    return RDL_OK;
}

rdl_code rdl_files_plan(rdl_files_planner *p, rdl_known_file *k, const rdl_listed *at, rdl_err *err)
{
    p->cut = false;
    return rdl_file_last_mark(k) != NULL ? plan_known(p, k, at, err) : plan_new(p, k, at, err);
}
