/*
 * stream/history.c - adding seals up.
 */
#include "stream/history.h"

#include <stdlib.h>
#include <string.h>

#include "lang/catalog.h"

void rdl_history_init(rdl_history *h, rdl_arena *a)
{
    *h = (rdl_history){.arena = a};
    rdl_map_init(&h->partition_of, a);
    rdl_map_init(&h->tables, a);
    rdl_map_init(&h->watermarks, a);
    rdl_map_init(&h->snapshots, a);
    rdl_map_init(&h->part_lists, a);
    rdl_map_init(&h->jobs, a);
    rdl_map_init(&h->range_of, a);
}

static rdl_str keep(rdl_arena *a, rdl_str s)
{
    return (rdl_str){rdl_arena_strndup(a, s.p, s.n), s.n};
}

static rdl_str pair(rdl_buf *b, rdl_str first, rdl_str second)
{
    rdl_buf_clear(b);
    rdl_buf_put(b, first.p, first.n);
    rdl_buf_putc(b, '\n');
    rdl_buf_put(b, second.p, second.n);
    return (rdl_str){b->p, b->n};
}

rdl_table_history *rdl_history_table(rdl_history *h, rdl_str table)
{
    rdl_table_history *t = rdl_map_get(&h->tables, table);
    if (t != NULL)
        return t;
    t = RDL_NEW(h->arena, rdl_table_history);
    t->table = keep(h->arena, table);
    rdl_map_put(&h->tables, t->table, t);
    return t;
}

/* Epoch after epoch brings rows of the same few partitions. */
rdl_str rdl_history_keep_parts(rdl_history *h, rdl_str parts)
{
    if (parts.n == 0)
        return (rdl_str){"", 0};
    const char *kept = rdl_map_get(&h->part_lists, parts);
    if (kept == NULL) {
        kept = keep(h->arena, parts).p;
        rdl_map_put(&h->part_lists, parts, (void *)(uintptr_t)kept);
    }
    return (rdl_str){kept, parts.n};
}

static void add_table(rdl_history *h, uint64_t epoch, int64_t ts_us, const rdl_sealed_table *s)
{
    rdl_table_history *t = rdl_history_table(h, s->table);
    t->exists = true;
    t->fingerprint = s->fingerprint;
    t->keys = s->keys;
    rdl_content_add(h->arena, &t->content, s->content, s->rows_new);
    rdl_content_add(h->arena, &t->rejected, s->rejected, s->rows_quarantined);
    if (s->rows_new != 0 || s->rows_old != 0 || s->reset) {
        t->last_changed = epoch;
        t->last_changed_us = ts_us;
    }
    if (s->took_us > 0)
        t->took_us = s->took_us;
    if (s->evaluated) {
        t->last_evaluated = epoch;
        t->last_evaluated_us = ts_us;
    }
    if (s->rows_quarantined != 0)
        t->last_quarantined = epoch;
    t->rows_total += s->rows_new;
    t->quarantined_total += s->rows_quarantined;
    if (s->ledger.replayed > 0)
        t->replayed_total += s->rows_quarantined;
    rdl_ledger_add(&t->ledger, &s->ledger);
    if (s->rows_new != 0 || s->rows_old != 0 || s->rows_quarantined != 0 || s->reset)
        RDL_PUSH(h->arena, &t->segments) = (rdl_segment_ref){
            .epoch = epoch,
            .rows_new = s->rows_new,
            .rows_old = s->rows_old,
            .rows_quarantined = s->rows_quarantined,
            .rows_fresh = s->rows_fresh,
            .sums = {s->sums[0], s->sums[1], s->sums[2]},
            .parts = rdl_history_keep_parts(h, s->parts),
            .rows_apart = s->rows_apart,
            .reset = s->reset,
            .packed = s->packed,
            .sorted = s->sorted,
            .marked = s->marked};
}

void rdl_history_drop(rdl_history *h, rdl_str table)
{
    rdl_table_history *t = rdl_history_table(h, table);
    *t = (rdl_table_history){.table = t->table, .dropped_before = h->epoch + 1};
    for (size_t i = 0; i < h->watermarks.n; i++) {
        rdl_watermark *w = h->watermarks.entries[i].value;
        if (rdl_str_eq(w->table, table))
            w->max_us = INT64_MIN;
    }
}

static int by_name(const void *a, const void *b)
{
    const rdl_table_history *const *x = a, *const *y = b;
    return strcmp((*x)->table.p, (*y)->table.p);
}

void rdl_history_left(const rdl_history *h, const rdl_pipeline *p, rdl_arena *a,
                      const rdl_table_history ***out, size_t *out_n)
{
    *out = RDL_NEWN(a, const rdl_table_history *, h->tables.n + 1);
    *out_n = 0;
    for (size_t i = 0; i < h->tables.n; i++) {
        const rdl_table_history *t = h->tables.entries[i].value;
        bool schema = memchr(t->table.p, '.', t->table.n) != NULL; /* sources have none */
        if (t->exists && schema && rdl_pipeline_find(p, t->table) == NULL)
            (*out)[(*out_n)++] = t;
    }
    qsort(*out, *out_n, sizeof **out, by_name);
}

void rdl_history_add_watermark(rdl_history *h, const rdl_sealed_watermark *s)
{
    rdl_buf b = {0};
    rdl_str key = pair(&b, s->table, s->partition);
    rdl_watermark *w = rdl_map_get(&h->watermarks, key);
    if (w == NULL) {
        w = RDL_NEW(h->arena, rdl_watermark);
        *w = (rdl_watermark){keep(h->arena, s->table), keep(h->arena, s->partition), INT64_MIN};
        rdl_map_put(&h->watermarks, key, w);
    }
    if (s->max_us > w->max_us)
        w->max_us = s->max_us;
    rdl_buf_fini(&b);
}

void rdl_history_add_snapshot(rdl_history *h, uint64_t epoch, const rdl_sealed_snapshot *s)
{
    rdl_snapshot_history *v = rdl_map_get(&h->snapshots, s->source);
    if (v == NULL) {
        v = RDL_NEW(h->arena, rdl_snapshot_history);
        v->source = keep(h->arena, s->source);
        rdl_map_put(&h->snapshots, v->source, v);
    }
    v->hash = s->hash;
    v->file = s->file;
    v->rows = s->rows;
    v->epoch = epoch;
}

void rdl_history_add_partition(rdl_history *h, const rdl_sealed_partition *s)
{
    rdl_buf b = {0};
    rdl_sealed_partition *p = RDL_NEW(h->arena, rdl_sealed_partition);
    *p = (rdl_sealed_partition){s->number, keep(h->arena, s->source), keep(h->arena, s->name)};
    RDL_PUSH(h->arena, &h->partitions) = *p;
    rdl_map_put(&h->partition_of, pair(&b, s->source, s->name), p);
    if (p->number >= h->partition_next)
        h->partition_next = p->number + 1;
    rdl_buf_fini(&b);
}

/* ---- what was read ---- */

static rdl_str place_of(const rdl_sealed_range *r)
{
    return rdl_str_of(r->range.kind == RDL_RANGE_FILE ? r->range.u.file.path : r->range.name);
}

static size_t newest_range(const rdl_history *h, rdl_str source, rdl_str place)
{
    rdl_buf b = {0};
    size_t at = (size_t)(uintptr_t)rdl_map_get(&h->range_of, pair(&b, source, place));
    rdl_buf_fini(&b);
    return at;
}

/* A loop that runs for years repeats the same few texts: the arena holds each once. */
static const char *keep_text(rdl_arena *a, const char *before, const char *now)
{
    return before != NULL && strcmp(before, now) == 0 ? before : rdl_arena_strdup(a, now);
}

static void keep_range(rdl_arena *a, const rdl_sealed_range *before, rdl_sealed_range *r)
{
    const rdl_range none = {.kind = r->range.kind};
    const rdl_range *was = before != NULL ? &before->range : &none;
    r->source = before != NULL ? before->source : keep(a, r->source);
    r->range.name = keep_text(a, was->name, r->range.name);
    if (r->range.kind == RDL_RANGE_KAFKA) {
        rdl_kafka_range *k = &r->range.u.kafka;
        k->cluster = keep_text(a, was->u.kafka.cluster, k->cluster);
        k->topic = keep_text(a, was->u.kafka.topic, k->topic);
    } else {
        rdl_file_range *f = &r->range.u.file;
        f->path = keep_text(a, was->u.file.path, f->path);
        f->shown = keep_text(a, was->u.file.shown, f->shown);
    }
}

/* A file that was cleared and came again begins anew; its old content is remembered. */
void rdl_history_add_range(rdl_history *h, const rdl_sealed_range *s)
{
    rdl_buf b = {0};
    rdl_sealed_range r = *s;
    size_t at = newest_range(h, s->source, place_of(s));
    rdl_sealed_range *before = at > 0 ? &h->ranges.v[at - 1] : NULL;
    if (before != NULL && (before->cleared == RDL_CLEARED || before->range.kind != r.range.kind))
        before = NULL;
    keep_range(h->arena, before, &r);
    if (before != NULL) {
        *before = r;
        return;
    }
    RDL_PUSH(h->arena, &h->ranges) = r;
    rdl_map_put(&h->range_of, pair(&b, r.source, place_of(&r)), (void *)(uintptr_t)h->ranges.n);
    rdl_buf_fini(&b);
}

void rdl_history_clear(rdl_history *h, rdl_str source, const char *path, rdl_clearing how)
{
    size_t at = newest_range(h, source, rdl_str_of(path));
    if (at > 0)
        h->ranges.v[at - 1].cleared = how;
}

void rdl_history_add_job(rdl_history *h, const rdl_sealed_job *job)
{
    rdl_sealed_job *j = rdl_map_get(&h->jobs, job->name);
    if (j == NULL) {
        j = RDL_NEW(h->arena, rdl_sealed_job);
        j->name = keep(h->arena, job->name);
        j->for_us = INT64_MIN;
        rdl_map_put(&h->jobs, j->name, j);
    }
    j->for_us = job->for_us; /* an earlier one, when the clock was ahead */
    j->ran_us = job->ran_us;
    j->cut = job->cut;
    if (!rdl_str_eq(j->detail, job->detail))
        j->detail = keep(h->arena, job->detail);
}

const rdl_sealed_job *rdl_history_job(const rdl_history *h, rdl_str name)
{
    return rdl_map_get(&h->jobs, name);
}

void rdl_history_add(rdl_history *h, const rdl_seal *seal)
{
    if (!rdl_hash128_eq(h->pipeline, seal->pipeline)) {
        h->pipeline = seal->pipeline;
        h->pipeline_since = seal->epoch;
    }
    for (size_t i = 0; i < seal->partitions.n; i++)
        rdl_history_add_partition(h, &seal->partitions.v[i]);
    for (size_t i = 0; i < seal->ranges.n; i++) {
        rdl_sealed_range r = seal->ranges.v[i];
        r.epoch = seal->epoch;
        r.cleared = RDL_NOT_CLEARED;
        rdl_history_add_range(h, &r);
    }
    for (size_t i = 0; i < seal->snapshots.n; i++)
        rdl_history_add_snapshot(h, seal->epoch, &seal->snapshots.v[i]);
    for (size_t i = 0; i < seal->tables.n; i++)
        add_table(h, seal->epoch, seal->ts_us, &seal->tables.v[i]);
    for (size_t i = 0; i < seal->watermarks.n; i++)
        rdl_history_add_watermark(h, &seal->watermarks.v[i]);
    for (size_t i = 0; i < seal->jobs.n; i++)
        rdl_history_add_job(h, &seal->jobs.v[i]);
    if (seal->has_delta)
        RDL_PUSH(h->arena, &h->deltas) = seal->epoch;
    h->epoch = seal->epoch;
    h->ts_us = seal->ts_us;
}

/* Each lake table is behind only what it would have taken from the segment. */
static void note_pruned(rdl_table_history *t, const rdl_segment_ref *s)
{
    if (s->rows_new > 0 || s->rows_old > 0 || s->reset)
        t->pruned_changed = s->epoch;
    if (s->rows_quarantined > 0)
        t->pruned_quarantined = s->epoch;
}

void rdl_history_prune(rdl_history *h, uint64_t epoch)
{
    h->pruned = epoch > h->pruned ? epoch : h->pruned;
    for (size_t i = 0; i < h->tables.n; i++) {
        rdl_table_history *t = h->tables.entries[i].value;
        size_t kept = 0;
        for (size_t j = 0; j < t->segments.n; j++) {
            if (t->segments.v[j].epoch > epoch)
                t->segments.v[kept++] = t->segments.v[j];
            else
                note_pruned(t, &t->segments.v[j]);
        }
        t->segments.n = kept;
    }
    size_t kept = 0;
    for (size_t j = 0; j < h->deltas.n; j++) {
        if (h->deltas.v[j] > epoch)
            h->deltas.v[kept++] = h->deltas.v[j];
    }
    h->deltas.n = kept;
}

void rdl_history_copy_tables(const rdl_history *from, rdl_arena *a, rdl_history *out)
{
    rdl_history_init(out, a);
    out->epoch = from->epoch;
    out->ts_us = from->ts_us;
    out->pruned = from->pruned;
    for (size_t i = 0; i < from->tables.n; i++) {
        const rdl_table_history *t = from->tables.entries[i].value;
        rdl_table_history *copy = RDL_NEW(a, rdl_table_history);
        *copy = *t;
        copy->segments.v = RDL_NEWN(a, rdl_segment_ref, t->segments.n + 1);
        copy->segments.cap = t->segments.n + 1;
        for (size_t j = 0; j < t->segments.n; j++)
            copy->segments.v[j] = t->segments.v[j];
        rdl_map_put(&out->tables, copy->table, copy);
    }
}

const rdl_snapshot_history *rdl_history_snapshot(const rdl_history *h, rdl_str source)
{
    return rdl_map_get(&h->snapshots, source);
}

int64_t rdl_history_watermark(const rdl_history *h, rdl_str table, rdl_str partition)
{
    rdl_buf b = {0};
    const rdl_watermark *w = rdl_map_get(&h->watermarks, pair(&b, table, partition));
    rdl_buf_fini(&b);
    return w != NULL ? w->max_us : INT64_MIN;
}

int32_t rdl_history_partition(const rdl_history *h, rdl_str source, rdl_str name)
{
    rdl_buf b = {0};
    const rdl_sealed_partition *p = rdl_map_get(&h->partition_of, pair(&b, source, name));
    rdl_buf_fini(&b);
    return p != NULL ? p->number : -1;
}

uint64_t rdl_history_last_reset(const rdl_table_history *h, uint64_t from, uint64_t to)
{
    uint64_t reset = 0;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->reset && s->epoch > from && s->epoch <= to)
            reset = s->epoch;
    }
    return reset;
}

uint64_t rdl_history_pending(const rdl_history *h, uint64_t needless)
{
    return h->epoch - (needless > h->pruned ? needless : h->pruned);
}
