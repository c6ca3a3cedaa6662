/*
 * stream/seal.c - SEAL records to JSON and back.
 *
 * Numbers that may pass 2^53 (hashes) are hexadecimal text; times and byte counts fit.  Zero
 * ledger fields are left out.
 */
#include "stream/seal.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "stream/seal_json.h"

typedef struct ledger_field {
    const char *name;
    size_t offset;
} ledger_field;

#define FIELD(name) {#name, offsetof(rdl_ledger, name)}
static const ledger_field ledger_fields[] = {
    FIELD(read),        FIELD(replayed),     FIELD(fanout),      FIELD(written),
    FIELD(duplicate),   FIELD(late_diverted), FIELD(late_dropped), FIELD(quarantined),
    FIELD(dropped),     FIELD(filtered),     FIELD(amended),     FIELD(imputed),
    FIELD(kept),        FIELD(rescued),      FIELD(malformed),   FIELD(hop_copies),
};
#undef FIELD
enum { LEDGER_FIELDS = sizeof ledger_fields / sizeof ledger_fields[0] };

static uint64_t *field_of(rdl_ledger *l, size_t i)
{
    return (uint64_t *)(void *)((char *)l + ledger_fields[i].offset);
}

bool rdl_ledger_balances(const rdl_ledger *l)
{
    return l->read + l->replayed + l->fanout == l->written + l->duplicate + l->late_diverted +
                                                    l->late_dropped + l->quarantined +
                                                    l->dropped + l->filtered;
}

void rdl_ledger_add(rdl_ledger *to, const rdl_ledger *from)
{
    for (size_t i = 0; i < LEDGER_FIELDS; i++)
        *field_of(to, i) += *field_of((rdl_ledger *)(uintptr_t)from, i);
}

/* ---- printing ---- */

json_t *rdl_json_text(rdl_str s)
{
    return json_stringn(s.p != NULL ? s.p : "", s.n);
}

json_t *rdl_json_hex(rdl_hash128 h)
{
    char out[33];
    rdl_hash128_hex(h, out);
    return json_string(out);
}

void rdl_json_put_int(json_t *o, const char *name, uint64_t value)
{
    json_object_set_new(o, name, json_integer((json_int_t)value));
}

json_t *rdl_ledger_json(const rdl_ledger *l)
{
    json_t *o = json_object();
    for (size_t i = 0; i < LEDGER_FIELDS; i++) {
        uint64_t value = *field_of((rdl_ledger *)(uintptr_t)l, i);
        if (value != 0)
            rdl_json_put_int(o, ledger_fields[i].name, value);
    }
    return o;
}

static void file_to_json(const rdl_range *range, json_t *o)
{
    const rdl_file_range *r = &range->u.file;
    json_object_set_new(o, "path", json_string(r->path));
    json_object_set_new(o, "shown", json_string(r->shown));
    rdl_json_put_int(o, "partition", (uint64_t)range->number);
    rdl_json_put_int(o, "begin", r->begin);
    rdl_json_put_int(o, "end", r->end);
    rdl_json_put_int(o, "first_record", r->first_record);
    rdl_json_put_int(o, "records", range->records);
    rdl_json_put_int(o, "prefix_bytes", r->prefix_bytes);
    rdl_json_put_int(o, "mtime_us", (uint64_t)r->mtime_us);
    json_object_set_new(o, "hash", rdl_json_hex(r->prefix_hash));
    if (r->whole)
        json_object_set_new(o, "whole", json_true());
    if (r->skipped)
        json_object_set_new(o, "skipped", json_true());
}

static void kafka_to_json(const rdl_range *range, json_t *o)
{
    const rdl_kafka_range *r = &range->u.kafka;
    json_object_set_new(o, "cluster", json_string(r->cluster));
    json_object_set_new(o, "topic", json_string(r->topic));
    rdl_json_put_int(o, "topic_partition", (uint64_t)r->partition);
    rdl_json_put_int(o, "partition", (uint64_t)range->number);
    rdl_json_put_int(o, "begin", r->begin);
    rdl_json_put_int(o, "end", r->end);
    rdl_json_put_int(o, "records", range->records);
    rdl_json_put_int(o, "absent", r->absent);
    if (r->lost != 0)
        rdl_json_put_int(o, "lost", r->lost);
}

json_t *rdl_partition_json(const rdl_sealed_partition *p)
{
    json_t *o = json_object();
    rdl_json_put_int(o, "number", (uint64_t)p->number);
    json_object_set_new(o, "source", rdl_json_text(p->source));
    json_object_set_new(o, "name", rdl_json_text(p->name));
    return o;
}

json_t *rdl_range_json(const rdl_sealed_range *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "source", rdl_json_text(r->source));
    if (r->range.kind == RDL_RANGE_KAFKA)
        kafka_to_json(&r->range, o);
    else
        file_to_json(&r->range, o);
    return o;
}

static const char *const sum_names[] = {"new_xxh", "old_xxh", "quarantined_xxh"};

void rdl_sums_to_json(const rdl_hash128 *sums, json_t *o)
{
    for (size_t i = 0; i < 3; i++) {
        if (sums[i].hi != 0 || sums[i].lo != 0)
            json_object_set_new(o, sum_names[i], rdl_json_hex(sums[i]));
    }
}

void rdl_sums_of_json(const json_t *o, rdl_hash128 *sums)
{
    for (size_t i = 0; i < 3; i++)
        sums[i] = rdl_json_get_hex(o, sum_names[i]);
}

void rdl_parts_to_json(rdl_str parts, uint64_t rows, json_t *o)
{
    if (parts.n == 0)
        return;
    json_object_set_new(o, "parts", json_loadb(parts.p, parts.n, 0, NULL));
    rdl_json_put_int(o, "apart", rows);
}

rdl_str rdl_parts_of_json(rdl_arena *a, const json_t *o)
{
    rdl_buf text = {0};
    json_t *parts = json_object_get(o, "parts");
    if (!json_is_array(parts))
        return (rdl_str){"", 0};
    rdl_json_dump(json_incref(parts), &text);
    rdl_str out = {rdl_arena_strndup(a, text.p, text.n), text.n};
    rdl_buf_fini(&text);
    return out;
}

static json_t *table_to_json(const rdl_sealed_table *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "table", rdl_json_text(t->table));
    json_object_set_new(o, "fingerprint", rdl_json_hex(t->fingerprint));
    if (t->keys.hi != 0 || t->keys.lo != 0)
        json_object_set_new(o, "keys", rdl_json_hex(t->keys));
    if (t->content.n > 0)
        json_object_set_new(o, "content", rdl_json_text(t->content));
    if (t->rejected.n > 0)
        json_object_set_new(o, "rejected", rdl_json_text(t->rejected));
    rdl_json_put_int(o, "new", t->rows_new);
    rdl_json_put_int(o, "old", t->rows_old);
    rdl_json_put_int(o, "quarantined", t->rows_quarantined);
    if (t->packed)
        json_object_set_new(o, "packed", json_true());
    if (t->sorted)
        json_object_set_new(o, "sorted", json_true());
    rdl_parts_to_json(t->parts, t->rows_apart, o);
    if (t->marked)
        rdl_json_put_int(o, "fresh", t->rows_fresh);
    rdl_sums_to_json(t->sums, o);
    if (t->reset)
        json_object_set_new(o, "reset", json_true());
    if (t->evaluated)
        json_object_set_new(o, "evaluated", json_true());
    if (t->took_us > 0)
        rdl_json_put_int(o, "took_us", (uint64_t)t->took_us);
    json_object_set_new(o, "ledger", rdl_ledger_json(&t->ledger));
    return o;
}

json_t *rdl_json_array_in(json_t *o, const char *name)
{
    json_t *a = json_array();
    json_object_set_new(o, name, a);
    return a;
}

json_t *rdl_job_json(const rdl_sealed_job *j)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", rdl_json_text(j->name));
    json_object_set_new(o, "for_us", json_integer(j->for_us));
    json_object_set_new(o, "ran_us", json_integer(j->ran_us));
    if (j->cut > 0)
        rdl_json_put_int(o, "cut", j->cut);
    if (j->detail.n > 0)
        json_object_set_new(o, "detail", rdl_json_text(j->detail));
    return o;
}

void rdl_json_dump(json_t *taken, rdl_buf *out)
{
    char *dumped = json_dumps(taken, JSON_COMPACT);
    json_decref(taken);
    if (dumped != NULL)
        rdl_buf_puts(out, dumped);
    free(dumped); /* allow: jansson's */
}

void rdl_seal_print(const rdl_seal *s, rdl_buf *out)
{
    json_t *o = json_object();
    rdl_json_put_int(o, "epoch", s->epoch);
    rdl_json_put_int(o, "ts_us", (uint64_t)s->ts_us);
    if (s->took_us > 0)
        rdl_json_put_int(o, "took_us", (uint64_t)s->took_us);
    json_object_set_new(o, "pipeline", rdl_json_hex(s->pipeline));
    json_object_set_new(o, "delta", json_boolean(s->has_delta));

    json_t *list = rdl_json_array_in(o, "partitions");
    for (size_t i = 0; i < s->partitions.n; i++)
        json_array_append_new(list, rdl_partition_json(&s->partitions.v[i]));
    list = rdl_json_array_in(o, "ranges");
    for (size_t i = 0; i < s->ranges.n; i++)
        json_array_append_new(list, rdl_range_json(&s->ranges.v[i]));
    list = rdl_json_array_in(o, "snapshots");
    for (size_t i = 0; i < s->snapshots.n; i++) {
        json_t *e = json_object();
        json_object_set_new(e, "source", rdl_json_text(s->snapshots.v[i].source));
        json_object_set_new(e, "hash", rdl_json_hex(s->snapshots.v[i].hash));
        rdl_json_put_int(e, "rows", s->snapshots.v[i].rows);
        json_object_set_new(e, "file", rdl_json_hex(s->snapshots.v[i].file));
        json_array_append_new(list, e);
    }
    list = rdl_json_array_in(o, "tables");
    for (size_t i = 0; i < s->tables.n; i++)
        json_array_append_new(list, table_to_json(&s->tables.v[i]));
    list = rdl_json_array_in(o, "watermarks");
    for (size_t i = 0; i < s->watermarks.n; i++) {
        json_t *e = json_object();
        json_object_set_new(e, "table", rdl_json_text(s->watermarks.v[i].table));
        json_object_set_new(e, "partition", rdl_json_text(s->watermarks.v[i].partition));
        rdl_json_put_int(e, "max_us", (uint64_t)s->watermarks.v[i].max_us);
        json_array_append_new(list, e);
    }
    list = s->jobs.n > 0 ? rdl_json_array_in(o, "jobs") : NULL;
    for (size_t i = 0; i < s->jobs.n; i++)
        json_array_append_new(list, rdl_job_json(&s->jobs.v[i]));
    rdl_json_dump(o, out);
}

void rdl_seal_print_job(const rdl_sealed_job *j, rdl_buf *out)
{
    rdl_json_dump(rdl_job_json(j), out);
}

/* ---- parsing ---- */

rdl_str rdl_json_get_text(rdl_arena *a, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_string(v))
        return (rdl_str){"", 0};
    size_t n = json_string_length(v);
    return (rdl_str){rdl_arena_strndup(a, json_string_value(v), n), n};
}

uint64_t rdl_json_get_int(const json_t *o, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(o, name));
}

rdl_hash128 rdl_json_get_hex(const json_t *o, const char *name)
{
    rdl_hash128 h = {0, 0};
    const json_t *v = json_object_get(o, name);
    if (json_is_string(v))
        (void)rdl_hash128_unhex(json_string_value(v), json_string_length(v), &h);
    return h;
}

static rdl_range get_file(rdl_arena *a, const json_t *e)
{
    rdl_range r = {.kind = RDL_RANGE_FILE, .u.file = {
        .path = rdl_json_get_text(a, e, "path").p,
        .shown = rdl_json_get_text(a, e, "shown").p,
        .partition = (int32_t)rdl_json_get_int(e, "partition"),
        .begin = rdl_json_get_int(e, "begin"),
        .end = rdl_json_get_int(e, "end"),
        .first_record = rdl_json_get_int(e, "first_record"),
        .records = rdl_json_get_int(e, "records"),
        .prefix_bytes = rdl_json_get_int(e, "prefix_bytes"),
        .mtime_us = (int64_t)rdl_json_get_int(e, "mtime_us"),
        .prefix_hash = rdl_json_get_hex(e, "hash"),
        .whole = json_is_true(json_object_get(e, "whole")),
        .skipped = json_is_true(json_object_get(e, "skipped")),
    }};
    r.number = r.u.file.partition;
    r.name = r.u.file.shown;
    r.bytes = r.u.file.end - r.u.file.begin;
    r.records = r.u.file.records;
    return r;
}

static rdl_range get_kafka(rdl_arena *a, const json_t *e)
{
    rdl_range r = {.kind = RDL_RANGE_KAFKA, .u.kafka = {
        .cluster = rdl_json_get_text(a, e, "cluster").p,
        .topic = rdl_json_get_text(a, e, "topic").p,
        .partition = (int32_t)rdl_json_get_int(e, "topic_partition"),
        .begin = rdl_json_get_int(e, "begin"),
        .end = rdl_json_get_int(e, "end"),
        .absent = rdl_json_get_int(e, "absent"),
        .lost = rdl_json_get_int(e, "lost"),
    }};
    r.number = (int32_t)rdl_json_get_int(e, "partition");
    r.name = rdl_arena_printf(a, "%s/%" PRId32, r.u.kafka.topic, r.u.kafka.partition);
    r.records = rdl_json_get_int(e, "records");
    return r;
}

void rdl_range_of_json(rdl_arena *a, const json_t *o, rdl_sealed_range *out)
{
    *out = (rdl_sealed_range){.source = rdl_json_get_text(a, o, "source")};
    out->range = json_object_get(o, "topic") != NULL ? get_kafka(a, o) : get_file(a, o);
}

void rdl_partition_of_json(rdl_arena *a, const json_t *o, rdl_sealed_partition *out)
{
    *out = (rdl_sealed_partition){(int32_t)rdl_json_get_int(o, "number"),
                                  rdl_json_get_text(a, o, "source"),
                                  rdl_json_get_text(a, o, "name")};
}

void rdl_ledger_of_json(const json_t *o, rdl_ledger *out)
{
    for (size_t i = 0; i < LEDGER_FIELDS; i++)
        *field_of(out, i) = rdl_json_get_int(o, ledger_fields[i].name);
}

static void get_table(rdl_arena *a, const json_t *e, rdl_sealed_table *out)
{
    *out = (rdl_sealed_table){
        .table = rdl_json_get_text(a, e, "table"),
        .fingerprint = rdl_json_get_hex(e, "fingerprint"),
        .keys = rdl_json_get_hex(e, "keys"),
        .content = rdl_json_get_text(a, e, "content"),
        .rejected = rdl_json_get_text(a, e, "rejected"),
        .rows_new = rdl_json_get_int(e, "new"),
        .rows_old = rdl_json_get_int(e, "old"),
        .rows_quarantined = rdl_json_get_int(e, "quarantined"),
        .rows_fresh = rdl_json_get_int(e, "fresh"),
        .parts = rdl_parts_of_json(a, e),
        .rows_apart = rdl_json_get_int(e, "apart"),
        .packed = json_is_true(json_object_get(e, "packed")),
        .sorted = json_is_true(json_object_get(e, "sorted")),
        .marked = json_object_get(e, "fresh") != NULL,
        .reset = json_is_true(json_object_get(e, "reset")),
        .evaluated = json_is_true(json_object_get(e, "evaluated")),
        .took_us = (int64_t)rdl_json_get_int(e, "took_us"),
    };
    rdl_sums_of_json(e, out->sums);
    rdl_ledger_of_json(json_object_get(e, "ledger"), &out->ledger);
}

void rdl_job_of_json(rdl_arena *a, const json_t *o, rdl_sealed_job *out)
{
    *out = (rdl_sealed_job){.name = rdl_json_get_text(a, o, "name"),
                            .for_us = (int64_t)rdl_json_get_int(o, "for_us"),
                            .ran_us = (int64_t)rdl_json_get_int(o, "ran_us"),
                            .cut = rdl_json_get_int(o, "cut"),
                            .detail = rdl_json_get_text(a, o, "detail")};
}

rdl_code rdl_json_record(rdl_str json, const char *kind, json_t **out, rdl_err *err)
{
    json_error_t why;
    *out = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(*out))
        return RDL_OK;
    json_decref(*out);
    *out = NULL;
    rdl_err_set(err, RDL_EDATA, 0, "cannot read a %s record: %s at byte %d", kind, why.text,
                why.position);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
}

rdl_code rdl_seal_parse(rdl_arena *a, rdl_str json, rdl_seal *out, rdl_err *err)
{
    json_t *o = NULL;
    RDL_TRY(rdl_json_record(json, "seal", &o, err));
    *out = (rdl_seal){
        .epoch = rdl_json_get_int(o, "epoch"),
        .ts_us = (int64_t)rdl_json_get_int(o, "ts_us"),
        .took_us = (int64_t)rdl_json_get_int(o, "took_us"),
        .pipeline = rdl_json_get_hex(o, "pipeline"),
        .has_delta = json_is_true(json_object_get(o, "delta")),
    };
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(o, "partitions"), i, e)
    {
        rdl_sealed_partition p;
        rdl_partition_of_json(a, e, &p);
        RDL_PUSH(a, &out->partitions) = p;
    }
    json_array_foreach(json_object_get(o, "ranges"), i, e) {
        rdl_sealed_range r;
        rdl_range_of_json(a, e, &r);
        RDL_PUSH(a, &out->ranges) = r;
    }
    json_array_foreach(json_object_get(o, "snapshots"), i, e)
        RDL_PUSH(a, &out->snapshots) = (rdl_sealed_snapshot){
            rdl_json_get_text(a, e, "source"), rdl_json_get_hex(e, "hash"), rdl_json_get_int(e, "rows"),
            rdl_json_get_hex(e, "file")};
    json_array_foreach(json_object_get(o, "tables"), i, e) {
        rdl_sealed_table t;
        get_table(a, e, &t);
        RDL_PUSH(a, &out->tables) = t;
    }
    json_array_foreach(json_object_get(o, "watermarks"), i, e)
        RDL_PUSH(a, &out->watermarks) = (rdl_sealed_watermark){
            rdl_json_get_text(a, e, "table"), rdl_json_get_text(a, e, "partition"), (int64_t)rdl_json_get_int(e, "max_us")};
    json_array_foreach(json_object_get(o, "jobs"), i, e)
    {
        rdl_sealed_job j;
        rdl_job_of_json(a, e, &j);
        RDL_PUSH(a, &out->jobs) = j;
    }
    json_decref(o);
    return RDL_OK;
}

rdl_code rdl_seal_parse_job(rdl_arena *a, rdl_str json, rdl_sealed_job *out, rdl_err *err)
{
    json_t *o = NULL;
    RDL_TRY(rdl_json_record(json, "job", &o, err));
    rdl_job_of_json(a, o, out);
    json_decref(o);
    return RDL_OK;
}

uint64_t rdl_seal_parse_prune(rdl_str json)
{
    json_error_t why;
    json_t *o = json_loadb(json.p, json.n, 0, &why);
    uint64_t epoch = rdl_json_get_int(o, "epoch");
    json_decref(o);
    return epoch;
}
