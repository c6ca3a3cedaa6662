/*
 * stream/summary.c - a history to JSON records and back.
 *
 * The first record holds everything but what was read of sources and the numbers of partitions; these
 * follow, PART_ITEMS to a record.  docs/format/journal.md lists the fields.  summary_test shows that
 * a history and what is read back print the same.
 */
#include "stream/summary.h"

#include <inttypes.h>

#include "stream/seal_json.h"

enum { PART_ITEMS = 2048 };

/* Whoever adds a field to a history writes it here and reads it back; then the size is this. */
_Static_assert(sizeof(rdl_table_history) == 400, "a table's history changed: so must its summary");
_Static_assert(sizeof(rdl_history) == 472, "the history changed: so must its summary");
_Static_assert(sizeof(rdl_segment_ref) == 120, "segments changed: so must their summary");

/* ---- printing ---- */

static json_t *segment_json(const rdl_segment_ref *s)
{
    json_t *o = json_object();
    rdl_json_put_int(o, "epoch", s->epoch);
    rdl_json_put_int(o, "new", s->rows_new);
    rdl_json_put_int(o, "old", s->rows_old);
    rdl_json_put_int(o, "quarantined", s->rows_quarantined);
    if (s->marked)
        rdl_json_put_int(o, "fresh", s->rows_fresh);
    if (s->reset)
        json_object_set_new(o, "reset", json_true());
    if (s->packed)
        json_object_set_new(o, "packed", json_true());
    if (s->sorted)
        json_object_set_new(o, "sorted", json_true());
    rdl_parts_to_json(s->parts, s->rows_apart, o);
    rdl_sums_to_json(s->sums, o);
    return o;
}

static json_t *content_json(const rdl_content *c)
{
    char sum[33];
    json_t *o = json_object();
    snprintf(sum, sizeof sum, "%016" PRIx64 "%016" PRIx64, (uint64_t)(c->sum >> 64),
             (uint64_t)c->sum);
    json_object_set_new(o, "form", rdl_json_text(c->form));
    json_object_set_new(o, "sum", json_string(sum));
    if (c->mixed)
        json_object_set_new(o, "mixed", json_true());
    return o;
}

static json_t *table_json(const rdl_table_history *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "table", rdl_json_text(t->table));
    if (t->dropped_before > 0)
        rdl_json_put_int(o, "dropped_before", t->dropped_before);
    if (!t->exists) {
        json_object_set_new(o, "gone", json_true());
        return o;
    }
    json_object_set_new(o, "fingerprint", rdl_json_hex(t->fingerprint));
    json_object_set_new(o, "keys", rdl_json_hex(t->keys));
    json_object_set_new(o, "content", content_json(&t->content));
    json_object_set_new(o, "rejected", content_json(&t->rejected));
    rdl_json_put_int(o, "last_changed", t->last_changed);
    rdl_json_put_int(o, "last_evaluated", t->last_evaluated);
    rdl_json_put_int(o, "last_evaluated_us", (uint64_t)t->last_evaluated_us);
    rdl_json_put_int(o, "last_changed_us", (uint64_t)t->last_changed_us);
    rdl_json_put_int(o, "took_us", (uint64_t)t->took_us);
    rdl_json_put_int(o, "last_quarantined", t->last_quarantined);
    rdl_json_put_int(o, "pruned_changed", t->pruned_changed);
    rdl_json_put_int(o, "pruned_quarantined", t->pruned_quarantined);
    rdl_json_put_int(o, "rows_total", t->rows_total);
    rdl_json_put_int(o, "quarantined_total", t->quarantined_total);
    rdl_json_put_int(o, "replayed_total", t->replayed_total);
    json_object_set_new(o, "ledger", rdl_ledger_json(&t->ledger));
    json_t *list = rdl_json_array_in(o, "segments");
    for (size_t i = 0; i < t->segments.n; i++)
        json_array_append_new(list, segment_json(&t->segments.v[i]));
    return o;
}

static void put_tables(const rdl_history *h, json_t *o)
{
    json_t *list = rdl_json_array_in(o, "tables");
    for (size_t i = 0; i < h->tables.n; i++) {
        const rdl_table_history *t = h->tables.entries[i].value;
        if (t->exists || t->dropped_before > 0)
            json_array_append_new(list, table_json(t));
    }
}

static void put_watermarks(const rdl_history *h, json_t *o)
{
    json_t *list = rdl_json_array_in(o, "watermarks");
    for (size_t i = 0; i < h->watermarks.n; i++) {
        const rdl_watermark *w = h->watermarks.entries[i].value;
        if (w->max_us == INT64_MIN) /* of a table that was dropped */
            continue;
        json_t *e = json_object();
        json_object_set_new(e, "table", rdl_json_text(w->table));
        json_object_set_new(e, "partition", rdl_json_text(w->partition));
        rdl_json_put_int(e, "max_us", (uint64_t)w->max_us);
        json_array_append_new(list, e);
    }
}

static void put_snapshots(const rdl_history *h, json_t *o)
{
    json_t *list = rdl_json_array_in(o, "snapshots");
    for (size_t i = 0; i < h->snapshots.n; i++) {
        const rdl_snapshot_history *s = h->snapshots.entries[i].value;
        json_t *e = json_object();
        json_object_set_new(e, "source", rdl_json_text(s->source));
        json_object_set_new(e, "hash", rdl_json_hex(s->hash));
        rdl_json_put_int(e, "rows", s->rows);
        json_object_set_new(e, "file", rdl_json_hex(s->file));
        rdl_json_put_int(e, "epoch", s->epoch);
        json_array_append_new(list, e);
    }
}

static void add_record(rdl_arena *a, json_t *taken, rdl_summary *out)
{
    rdl_buf text = {0};
    rdl_json_dump(taken, &text);
    RDL_PUSH(a, out) = (rdl_str){rdl_arena_strndup(a, text.p, text.n), text.n};
    rdl_buf_fini(&text);
}

static void print_head(const rdl_history *h, rdl_arena *a, rdl_summary *out)
{
    json_t *o = json_object();
    rdl_json_put_int(o, "epoch", h->epoch);
    rdl_json_put_int(o, "ts_us", (uint64_t)h->ts_us);
    rdl_json_put_int(o, "pruned", h->pruned);
    json_object_set_new(o, "pipeline", rdl_json_hex(h->pipeline));
    rdl_json_put_int(o, "pipeline_since", h->pipeline_since);
    put_tables(h, o);
    put_watermarks(h, o);
    put_snapshots(h, o);
    json_t *list = rdl_json_array_in(o, "jobs");
    for (size_t i = 0; i < h->jobs.n; i++)
        json_array_append_new(list, rdl_job_json(h->jobs.entries[i].value));
    list = rdl_json_array_in(o, "deltas");
    for (size_t i = 0; i < h->deltas.n; i++)
        json_array_append_new(list, json_integer((json_int_t)h->deltas.v[i]));
    add_record(a, o, out);
}

static json_t *range_json(const rdl_sealed_range *r)
{
    json_t *o = rdl_range_json(r);
    rdl_json_put_int(o, "epoch", r->epoch);
    if (r->cleared != RDL_NOT_CLEARED)
        json_object_set_new(o, "cleared",
                            json_string(r->cleared == RDL_CLEARED ? "done" : "intended"));
    return o;
}

void rdl_summary_print(const rdl_history *h, rdl_arena *a, rdl_summary *out)
{
    print_head(h, a, out);
    for (size_t i = 0; i < h->partitions.n;) {
        json_t *o = json_object(), *list = rdl_json_array_in(o, "partitions");
        for (size_t n = 0; n < PART_ITEMS && i < h->partitions.n; n++)
            json_array_append_new(list, rdl_partition_json(&h->partitions.v[i++]));
        add_record(a, o, out);
    }
    for (size_t i = 0; i < h->ranges.n;) {
        json_t *o = json_object(), *list = rdl_json_array_in(o, "ranges");
        for (size_t n = 0; n < PART_ITEMS && i < h->ranges.n; n++)
            json_array_append_new(list, range_json(&h->ranges.v[i++]));
        add_record(a, o, out);
    }
}

/* ---- reading ---- */

static void read_content(rdl_arena *a, const json_t *o, rdl_content *out)
{
    rdl_hash128 sum = rdl_json_get_hex(o, "sum");
    out->form = rdl_json_get_text(a, o, "form");
    out->sum = (rdl_u128)sum.hi << 64 | sum.lo;
    out->mixed = json_is_true(json_object_get(o, "mixed"));
}

static void read_table(rdl_history *h, rdl_arena *a, const json_t *o)
{
    json_t *e;
    size_t i;
    const char *name = json_string_value(json_object_get(o, "table"));
    rdl_table_history *t = rdl_history_table(h, rdl_str_of(name != NULL ? name : ""));
    t->dropped_before = rdl_json_get_int(o, "dropped_before");
    t->exists = !json_is_true(json_object_get(o, "gone"));
    if (!t->exists)
        return;
    t->fingerprint = rdl_json_get_hex(o, "fingerprint");
    t->keys = rdl_json_get_hex(o, "keys");
    read_content(h->arena, json_object_get(o, "content"), &t->content);
    const json_t *rejected = json_object_get(o, "rejected");
    read_content(h->arena, rejected, &t->rejected);
    /* An older summary says nothing of them. */
    t->rejected.mixed = t->rejected.mixed ||
                        (rejected == NULL && rdl_json_get_int(o, "quarantined_total") > 0);
    t->last_changed = rdl_json_get_int(o, "last_changed");
    t->last_evaluated = rdl_json_get_int(o, "last_evaluated");
    t->last_evaluated_us = (int64_t)rdl_json_get_int(o, "last_evaluated_us");
    t->last_changed_us = (int64_t)rdl_json_get_int(o, "last_changed_us");
    t->took_us = (int64_t)rdl_json_get_int(o, "took_us");
    t->last_quarantined = rdl_json_get_int(o, "last_quarantined");
    t->pruned_changed = rdl_json_get_int(o, "pruned_changed");
    t->pruned_quarantined = rdl_json_get_int(o, "pruned_quarantined");
    t->rows_total = rdl_json_get_int(o, "rows_total");
    t->quarantined_total = rdl_json_get_int(o, "quarantined_total");
    t->replayed_total = rdl_json_get_int(o, "replayed_total");
    rdl_ledger_of_json(json_object_get(o, "ledger"), &t->ledger);
    json_array_foreach(json_object_get(o, "segments"), i, e)
    {
        rdl_segment_ref s = {
            .epoch = rdl_json_get_int(e, "epoch"),
            .rows_new = rdl_json_get_int(e, "new"),
            .rows_old = rdl_json_get_int(e, "old"),
            .rows_quarantined = rdl_json_get_int(e, "quarantined"),
            .rows_fresh = rdl_json_get_int(e, "fresh"),
            .marked = json_object_get(e, "fresh") != NULL,
            .parts = rdl_history_keep_parts(h, rdl_parts_of_json(a, e)),
            .rows_apart = rdl_json_get_int(e, "apart"),
            .reset = json_is_true(json_object_get(e, "reset")),
            .packed = json_is_true(json_object_get(e, "packed")),
            .sorted = json_is_true(json_object_get(e, "sorted")),
        };
        rdl_sums_of_json(e, s.sums);
        RDL_PUSH(h->arena, &t->segments) = s;
    }
}

static void read_watermarks_and_snapshots(rdl_history *h, rdl_arena *a, const json_t *o)
{
    json_t *e;
    size_t i;
    json_array_foreach(json_object_get(o, "watermarks"), i, e)
    {
        const rdl_sealed_watermark w = {rdl_json_get_text(a, e, "table"),
                                        rdl_json_get_text(a, e, "partition"),
                                        (int64_t)rdl_json_get_int(e, "max_us")};
        rdl_history_add_watermark(h, &w);
    }
    json_array_foreach(json_object_get(o, "snapshots"), i, e)
    {
        const rdl_sealed_snapshot s = {rdl_json_get_text(a, e, "source"),
                                       rdl_json_get_hex(e, "hash"),
                                       rdl_json_get_int(e, "rows"),
                                       rdl_json_get_hex(e, "file")};
        rdl_history_add_snapshot(h, rdl_json_get_int(e, "epoch"), &s);
    }
}

static void read_head(rdl_history *h, rdl_arena *a, const json_t *o)
{
    json_t *e;
    size_t i;
    h->epoch = rdl_json_get_int(o, "epoch");
    h->ts_us = (int64_t)rdl_json_get_int(o, "ts_us");
    h->pruned = rdl_json_get_int(o, "pruned");
    h->pipeline = rdl_json_get_hex(o, "pipeline"); /* a summary of before it was noted has none */
    h->pipeline_since = rdl_json_get_int(o, "pipeline_since");
    json_array_foreach(json_object_get(o, "tables"), i, e)
        read_table(h, a, e);
    read_watermarks_and_snapshots(h, a, o);
    json_array_foreach(json_object_get(o, "jobs"), i, e)
    {
        rdl_sealed_job j;
        rdl_job_of_json(a, e, &j);
        rdl_history_add_job(h, &j);
    }
    json_array_foreach(json_object_get(o, "deltas"), i, e)
        RDL_PUSH(h->arena, &h->deltas) = (uint64_t)json_integer_value(e);
}

static void read_parts(rdl_history *h, rdl_arena *a, const json_t *o)
{
    json_t *e;
    size_t i;
    json_array_foreach(json_object_get(o, "partitions"), i, e)
    {
        rdl_sealed_partition p;
        rdl_partition_of_json(a, e, &p);
        rdl_history_add_partition(h, &p);
    }
    json_array_foreach(json_object_get(o, "ranges"), i, e)
    {
        rdl_sealed_range r;
        const char *cleared = json_string_value(json_object_get(e, "cleared"));
        rdl_range_of_json(a, e, &r);
        r.epoch = rdl_json_get_int(e, "epoch");
        if (cleared != NULL)
            r.cleared = strcmp(cleared, "done") == 0 ? RDL_CLEARED : RDL_CLEARING;
        rdl_history_add_range(h, &r);
    }
}

rdl_code rdl_summary_add(rdl_history *h, rdl_str payload, rdl_err *err)
{
    rdl_arena a;
    json_t *o = NULL;
    RDL_TRY(rdl_json_record(payload, "summary", &o, err));
    rdl_arena_init(&a, 0);
    if (json_object_get(o, "epoch") != NULL)
        read_head(h, &a, o);
    read_parts(h, &a, o);
    json_decref(o);
    rdl_arena_fini(&a);
    return RDL_OK;
}
