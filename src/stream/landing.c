/*
 * stream/landing.c - when a read file of a landing folder goes: after its rows are sealed and in the
 * lake, never before.
 *
 * ORDER, for a batch of files
 *   1  every table that reads the source has their epochs in the lake (the caller says up to which)
 *   2  a file that is no longer what was read (it grew, it was replaced) stays
 *   3  CLEAR {done: false, files} in the journal, synced: this is going to happen
 *   4  each file is removed or moved, folders are synced
 *   5  CLEAR {done: true}: it happened; a file that comes under the same path is another delivery
 *
 * INVARIANTS
 *   D1  A file that was not read to its end, or whose rows are not in the lake, is never touched.
 *   D2  Between 3 and 5 a file under such a path, with the content and time that were read, is the
 *       old one: a start after a crash there takes it and writes 5.
 *   D3  After 5 the path is forgotten and the content remembered: the same content again, under any path, is a
 *       re-delivery, and ON REPEAT decides.
 *
 * A failure to remove is logged and tried again with the next batch; it stops nothing.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/log.h"
#include "stream/landing.h"

static void put_record(const rdl_sealed_range *const *files, size_t n, bool done, rdl_buf *out)
{
    json_t *o = json_object(), *list = json_array();
    json_object_set_new(o, "done", json_boolean(done));
    json_object_set_new(o, "files", list);
    for (size_t i = 0; i < n; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "source", json_stringn(files[i]->source.p, files[i]->source.n));
        json_object_set_new(one, "path", json_string(files[i]->range.u.file.path));
        json_array_append_new(list, one);
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (text != NULL)
        rdl_buf_puts(out, text);
    free(text); /* allow: jansson's */
}

static rdl_code append(rdl_engine *e, const rdl_sealed_range *const *files, size_t n, bool done,
                       rdl_err *err)
{
    rdl_buf record = {0};
    put_record(files, n, done, &record);
    rdl_code rc = rdl_journal_append(e->journal, RDL_RECORD_CLEAR, (rdl_str){record.p, record.n}, err);
    rdl_buf_fini(&record);
    return rc;
}

/* Gone for good: the source takes what comes under that path as new. */
static void forget(rdl_engine *e, const rdl_sealed_range *r)
{
    rdl_table *t = rdl_pipeline_find(e->pipeline, r->source);
    rdl_feed *f = t != NULL ? rdl_feed_of(e, t) : NULL;
    rdl_history_clear(&e->history, r->source, r->range.u.file.path, RDL_CLEARED);
    if (f != NULL && f->source->ops->forget != NULL)
        f->source->ops->forget(f->source, &r->range);
}

/* Steps 4 and 5. */
static rdl_code take(rdl_engine *e, rdl_sealed_range **files, size_t n, rdl_err *err)
{
    size_t kept = 0;
    rdl_arena a;
    rdl_map dirs;
    rdl_arena_init(&a, 0);
    rdl_map_init(&dirs, &a);
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < n; i++) {
        rdl_err why = {0};
        rdl_table *t = rdl_pipeline_find(e->pipeline, files[i]->source);
        const rdl_feed *f = t != NULL ? rdl_feed_of(e, t) : NULL;
        const rdl_file_range *r = &files[i]->range.u.file;
        if (f == NULL || rdl_landing_take(&f->landing, r, files[i]->epoch, &why) != RDL_OK) {
            if (f != NULL)
                rdl_log_err(RDL_LOG_WARN, "landing", "not_cleared", &why);
            continue;
        }
        (void)RDL_FAULT_AT(LANDING_TAKEN);
        char *dir = rdl_path_dir(&a, r->path);
        rdl_map_put(&dirs, rdl_str_of(dir), dir);
        files[kept++] = files[i];
    }
    for (size_t i = 0; i < dirs.n && rc == RDL_OK; i++) {
        if (rdl_fs_exists(dirs.entries[i].value))
            rc = rdl_fs_sync_dir(dirs.entries[i].value, err);
    }
    rdl_arena_fini(&a);
    (void)RDL_FAULT_AT(LANDING_SYNCED);
    if (rc == RDL_OK)
        rc = append(e, (const rdl_sealed_range *const *)files, kept, true, err);
    for (size_t i = 0; i < kept && rc == RDL_OK; i++)
        forget(e, files[i]);
    if (rc == RDL_OK && kept > 0)
        rdl_log(RDL_LOG_INFO, "landing", "cleared", "files=%zu", kept);
    return rc;
}

typedef struct batch {
    RDL_VEC(rdl_sealed_range *) files;
} batch;

/* The newest range of each file that lies in the lake and still is what was read. */
static rdl_code choose(rdl_engine *e, rdl_arena *a, rdl_feed *f, uint64_t lake_epoch, batch *out,
                       rdl_err *err)
{
    for (size_t i = f->landing_from; i < e->history.ranges.n; i++) {
        rdl_sealed_range *r = &e->history.ranges.v[i];
        bool there = false, same = false;
        if (!rdl_str_eq(r->source, f->table->full) || r->range.kind != RDL_RANGE_FILE ||
            r->cleared == RDL_CLEARED) {
            f->landing_from += i == f->landing_from;
            continue;
        }
        if (r->epoch > lake_epoch)
            continue;
        RDL_TRY(rdl_landing_unchanged(&r->range.u.file, &there, &same, err));
        if (!there || same)
            RDL_PUSH(a, &out->files) = r;
    }
    return RDL_OK;
}

rdl_code rdl_landing_clear(rdl_engine *e, uint64_t lake_epoch, rdl_err *err)
{
    rdl_arena a;
    batch found = {0};
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->feed_count && rc == RDL_OK; i++) {
        if (e->feeds[i].landing.takes && e->feeds[i].wanted)
            rc = choose(e, &a, &e->feeds[i], lake_epoch, &found, err);
    }
    if (rc == RDL_OK && found.files.n > 0) {
        rc = append(e, (const rdl_sealed_range *const *)found.files.v, found.files.n, false, err);
        (void)RDL_FAULT_AT(LANDING_INTENDED);
        if (rc == RDL_OK)
            rc = take(e, found.files.v, found.files.n, err);
    }
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "landing");
}

/* D2: what the last process was about to take. */
rdl_code rdl_landing_recover(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    batch found = {0};
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->history.ranges.n && rc == RDL_OK; i++) {
        rdl_sealed_range *r = &e->history.ranges.v[i];
        bool there = false, same = false;
        if (r->cleared != RDL_CLEARING)
            continue;
        rc = rdl_landing_unchanged(&r->range.u.file, &there, &same, err);
        if (rc == RDL_OK && (!there || same))
            RDL_PUSH(&a, &found.files) = r;
        else
            r->cleared = RDL_NOT_CLEARED;
    }
    if (rc == RDL_OK && found.files.n > 0)
        rc = take(e, found.files.v, found.files.n, err);
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "landing");
}
