/*
 * stream/seal.c - SEAL records to JSON and back.
 *
 * Numbers that may pass 2^53 (hashes) are hexadecimal text; times and byte counts fit.  Zero
 * ledger fields are left out.
 */
#include "stream/seal.h"

#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>

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

static json_t *text(rdl_str s)
{
    return json_stringn(s.p != NULL ? s.p : "", s.n);
}

static json_t *hex(rdl_hash128 h)
{
    char out[33];
    rdl_hash128_hex(h, out);
    return json_string(out);
}

static void put_int(json_t *o, const char *name, uint64_t value)
{
    json_object_set_new(o, name, json_integer((json_int_t)value));
}

static json_t *ledger_to_json(const rdl_ledger *l)
{
    json_t *o = json_object();
    for (size_t i = 0; i < LEDGER_FIELDS; i++) {
        uint64_t value = *field_of((rdl_ledger *)(uintptr_t)l, i);
        if (value != 0)
            put_int(o, ledger_fields[i].name, value);
    }
    return o;
}

static void file_to_json(const rdl_range *range, json_t *o)
{
    const rdl_file_range *r = &range->u.file;
    json_object_set_new(o, "path", json_string(r->path));
    json_object_set_new(o, "shown", json_string(r->shown));
    put_int(o, "partition", (uint64_t)range->number);
    put_int(o, "begin", r->begin);
    put_int(o, "end", r->end);
    put_int(o, "first_record", r->first_record);
    put_int(o, "records", range->records);
    put_int(o, "prefix_bytes", r->prefix_bytes);
    put_int(o, "mtime_us", (uint64_t)r->mtime_us);
    json_object_set_new(o, "hash", hex(r->prefix_hash));
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
    put_int(o, "topic_partition", (uint64_t)r->partition);
    put_int(o, "partition", (uint64_t)range->number);
    put_int(o, "begin", r->begin);
    put_int(o, "end", r->end);
    put_int(o, "records", range->records);
    put_int(o, "absent", r->absent);
    if (r->lost != 0)
        put_int(o, "lost", r->lost);
}

static json_t *range_to_json(const rdl_sealed_range *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "source", text(r->source));
    if (r->range.kind == RDL_RANGE_KAFKA)
        kafka_to_json(&r->range, o);
    else
        file_to_json(&r->range, o);
    return o;
}

static json_t *table_to_json(const rdl_sealed_table *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "table", text(t->table));
    json_object_set_new(o, "fingerprint", hex(t->fingerprint));
    if (t->keys.hi != 0 || t->keys.lo != 0)
        json_object_set_new(o, "keys", hex(t->keys));
    if (t->content.n > 0)
        json_object_set_new(o, "content", text(t->content));
    put_int(o, "new", t->rows_new);
    put_int(o, "old", t->rows_old);
    put_int(o, "quarantined", t->rows_quarantined);
    if (t->marked)
        put_int(o, "fresh", t->rows_fresh);
    if (t->reset)
        json_object_set_new(o, "reset", json_true());
    if (t->evaluated)
        json_object_set_new(o, "evaluated", json_true());
    if (t->took_us > 0)
        put_int(o, "took_us", (uint64_t)t->took_us);
    json_object_set_new(o, "ledger", ledger_to_json(&t->ledger));
    return o;
}

static json_t *array_in(json_t *o, const char *name)
{
    json_t *a = json_array();
    json_object_set_new(o, name, a);
    return a;
}

static json_t *job_to_json(const rdl_sealed_job *j)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", text(j->name));
    json_object_set_new(o, "for_us", json_integer(j->for_us));
    json_object_set_new(o, "ran_us", json_integer(j->ran_us));
    if (j->cut > 0)
        put_int(o, "cut", j->cut);
    if (j->detail.n > 0)
        json_object_set_new(o, "detail", text(j->detail));
    return o;
}

static void dump(json_t *o, rdl_buf *out)
{
    char *dumped = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (dumped != NULL)
        rdl_buf_puts(out, dumped);
    free(dumped); /* allow: jansson's */
}

void rdl_seal_print(const rdl_seal *s, rdl_buf *out)
{
    json_t *o = json_object();
    put_int(o, "epoch", s->epoch);
    put_int(o, "ts_us", (uint64_t)s->ts_us);
    if (s->took_us > 0)
        put_int(o, "took_us", (uint64_t)s->took_us);
    json_object_set_new(o, "pipeline", hex(s->pipeline));
    json_object_set_new(o, "delta", json_boolean(s->has_delta));

    json_t *list = array_in(o, "partitions");
    for (size_t i = 0; i < s->partitions.n; i++) {
        const rdl_sealed_partition *p = &s->partitions.v[i];
        json_t *e = json_object();
        put_int(e, "number", (uint64_t)p->number);
        json_object_set_new(e, "source", text(p->source));
        json_object_set_new(e, "name", text(p->name));
        json_array_append_new(list, e);
    }
    list = array_in(o, "ranges");
    for (size_t i = 0; i < s->ranges.n; i++)
        json_array_append_new(list, range_to_json(&s->ranges.v[i]));
    list = array_in(o, "snapshots");
    for (size_t i = 0; i < s->snapshots.n; i++) {
        json_t *e = json_object();
        json_object_set_new(e, "source", text(s->snapshots.v[i].source));
        json_object_set_new(e, "hash", hex(s->snapshots.v[i].hash));
        put_int(e, "rows", s->snapshots.v[i].rows);
        json_array_append_new(list, e);
    }
    list = array_in(o, "tables");
    for (size_t i = 0; i < s->tables.n; i++)
        json_array_append_new(list, table_to_json(&s->tables.v[i]));
    list = array_in(o, "watermarks");
    for (size_t i = 0; i < s->watermarks.n; i++) {
        json_t *e = json_object();
        json_object_set_new(e, "table", text(s->watermarks.v[i].table));
        json_object_set_new(e, "partition", text(s->watermarks.v[i].partition));
        put_int(e, "max_us", (uint64_t)s->watermarks.v[i].max_us);
        json_array_append_new(list, e);
    }
    list = s->jobs.n > 0 ? array_in(o, "jobs") : NULL;
    for (size_t i = 0; i < s->jobs.n; i++)
        json_array_append_new(list, job_to_json(&s->jobs.v[i]));
    dump(o, out);
}

void rdl_seal_print_job(const rdl_sealed_job *j, rdl_buf *out)
{
    dump(job_to_json(j), out);
}

/* ---- parsing ---- */

static rdl_str get_text(rdl_arena *a, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_string(v))
        return (rdl_str){"", 0};
    size_t n = json_string_length(v);
    return (rdl_str){rdl_arena_strndup(a, json_string_value(v), n), n};
}

static uint64_t get_int(const json_t *o, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(o, name));
}

static rdl_hash128 get_hex(const json_t *o, const char *name)
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
        .path = get_text(a, e, "path").p,
        .shown = get_text(a, e, "shown").p,
        .partition = (int32_t)get_int(e, "partition"),
        .begin = get_int(e, "begin"),
        .end = get_int(e, "end"),
        .first_record = get_int(e, "first_record"),
        .records = get_int(e, "records"),
        .prefix_bytes = get_int(e, "prefix_bytes"),
        .mtime_us = (int64_t)get_int(e, "mtime_us"),
        .prefix_hash = get_hex(e, "hash"),
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
        .cluster = get_text(a, e, "cluster").p,
        .topic = get_text(a, e, "topic").p,
        .partition = (int32_t)get_int(e, "topic_partition"),
        .begin = get_int(e, "begin"),
        .end = get_int(e, "end"),
        .absent = get_int(e, "absent"),
        .lost = get_int(e, "lost"),
    }};
    r.number = (int32_t)get_int(e, "partition");
    r.name = rdl_arena_printf(a, "%s/%" PRId32, r.u.kafka.topic, r.u.kafka.partition);
    r.records = get_int(e, "records");
    return r;
}

static void get_range(rdl_arena *a, const json_t *e, rdl_sealed_range *out)
{
    out->source = get_text(a, e, "source");
    out->range = json_object_get(e, "topic") != NULL ? get_kafka(a, e) : get_file(a, e);
}

static void get_table(rdl_arena *a, const json_t *e, rdl_sealed_table *out)
{
    *out = (rdl_sealed_table){
        .table = get_text(a, e, "table"),
        .fingerprint = get_hex(e, "fingerprint"),
        .keys = get_hex(e, "keys"),
        .content = get_text(a, e, "content"),
        .rows_new = get_int(e, "new"),
        .rows_old = get_int(e, "old"),
        .rows_quarantined = get_int(e, "quarantined"),
        .rows_fresh = get_int(e, "fresh"),
        .marked = json_object_get(e, "fresh") != NULL,
        .reset = json_is_true(json_object_get(e, "reset")),
        .evaluated = json_is_true(json_object_get(e, "evaluated")),
        .took_us = (int64_t)get_int(e, "took_us"),
    };
    const json_t *l = json_object_get(e, "ledger");
    for (size_t i = 0; i < LEDGER_FIELDS; i++)
        *field_of(&out->ledger, i) = get_int(l, ledger_fields[i].name);
}

static rdl_sealed_job get_job(rdl_arena *a, const json_t *o)
{
    return (rdl_sealed_job){.name = get_text(a, o, "name"),
                            .for_us = (int64_t)get_int(o, "for_us"),
                            .ran_us = (int64_t)get_int(o, "ran_us"),
                            .cut = get_int(o, "cut"),
                            .detail = get_text(a, o, "detail")};
}

rdl_code rdl_seal_parse(rdl_arena *a, rdl_str json, rdl_seal *out, rdl_err *err)
{
    json_error_t why;
    json_t *o = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(o)) {
        json_decref(o);
        rdl_err_set(err, RDL_EDATA, 0, "cannot read a seal record: %s at byte %d", why.text,
                    why.position);
        return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
    }
    *out = (rdl_seal){
        .epoch = get_int(o, "epoch"),
        .ts_us = (int64_t)get_int(o, "ts_us"),
        .took_us = (int64_t)get_int(o, "took_us"),
        .pipeline = get_hex(o, "pipeline"),
        .has_delta = json_is_true(json_object_get(o, "delta")),
    };
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(o, "partitions"), i, e)
        RDL_PUSH(a, &out->partitions) = (rdl_sealed_partition){
            (int32_t)get_int(e, "number"), get_text(a, e, "source"), get_text(a, e, "name")};
    json_array_foreach(json_object_get(o, "ranges"), i, e) {
        rdl_sealed_range r = {0};
        get_range(a, e, &r);
        RDL_PUSH(a, &out->ranges) = r;
    }
    json_array_foreach(json_object_get(o, "snapshots"), i, e)
        RDL_PUSH(a, &out->snapshots) = (rdl_sealed_snapshot){
            get_text(a, e, "source"), get_hex(e, "hash"), get_int(e, "rows")};
    json_array_foreach(json_object_get(o, "tables"), i, e) {
        rdl_sealed_table t;
        get_table(a, e, &t);
        RDL_PUSH(a, &out->tables) = t;
    }
    json_array_foreach(json_object_get(o, "watermarks"), i, e)
        RDL_PUSH(a, &out->watermarks) = (rdl_sealed_watermark){
            get_text(a, e, "table"), get_text(a, e, "partition"), (int64_t)get_int(e, "max_us")};
    json_array_foreach(json_object_get(o, "jobs"), i, e)
        RDL_PUSH(a, &out->jobs) = get_job(a, e);
    json_decref(o);
    return RDL_OK;
}

rdl_code rdl_seal_parse_job(rdl_arena *a, rdl_str json, rdl_sealed_job *out, rdl_err *err)
{
    json_error_t why;
    json_t *o = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(o)) {
        json_decref(o);
        rdl_err_set(err, RDL_EDATA, 0, "cannot read a job record: %s at byte %d", why.text,
                    why.position);
        return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
    }
    *out = get_job(a, o);
    json_decref(o);
    return RDL_OK;
}

uint64_t rdl_seal_parse_prune(rdl_str json)
{
    json_error_t why;
    json_t *o = json_loadb(json.p, json.n, 0, &why);
    uint64_t epoch = get_int(o, "epoch");
    json_decref(o);
    return epoch;
}
