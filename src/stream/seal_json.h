/*
 * stream/seal_json.h - parts of a seal as JSON, which a summary has too.
 *
 * The _json functions give a new reference; the _of_json functions put what they keep into the
 * arena.  A field that is missing is zero or empty.
 *
 * Thread: any.
 */
#ifndef RDL_STREAM_SEAL_JSON_H
#define RDL_STREAM_SEAL_JSON_H

#include <jansson.h>

#include "stream/seal.h"

json_t *rdl_json_text(rdl_str s);
json_t *rdl_json_hex(rdl_hash128 h);
void rdl_json_put_int(json_t *o, const char *name, uint64_t value); /* as signed: both ways */
json_t *rdl_json_array_in(json_t *o, const char *name);
rdl_str rdl_json_get_text(rdl_arena *a, const json_t *o, const char *name);
uint64_t rdl_json_get_int(const json_t *o, const char *name);
rdl_hash128 rdl_json_get_hex(const json_t *o, const char *name);
void rdl_json_dump(json_t *taken, rdl_buf *out); /* compact */
/* An object, or RDL_EDATA naming the kind of record. */
RDL_MUST rdl_code rdl_json_record(rdl_str json, const char *kind, json_t **out, rdl_err *err);

json_t *rdl_ledger_json(const rdl_ledger *l);
void rdl_ledger_of_json(const json_t *o, rdl_ledger *out);
json_t *rdl_partition_json(const rdl_sealed_partition *p);
void rdl_partition_of_json(rdl_arena *a, const json_t *o, rdl_sealed_partition *out);
json_t *rdl_range_json(const rdl_sealed_range *r);
void rdl_range_of_json(rdl_arena *a, const json_t *o, rdl_sealed_range *out);
json_t *rdl_job_json(const rdl_sealed_job *j);
void rdl_job_of_json(rdl_arena *a, const json_t *o, rdl_sealed_job *out);

/* Partitions in files of their own: fields parts, apart; none: neither. */
void rdl_parts_to_json(rdl_str parts, uint64_t rows, json_t *o);
rdl_str rdl_parts_of_json(rdl_arena *a, const json_t *o);

/* Checksums of a table's segments: fields new_xxh, old_xxh, quarantined_xxh. */
void rdl_sums_to_json(const rdl_hash128 *sums, json_t *o);
void rdl_sums_of_json(const json_t *o, rdl_hash128 *sums);

#endif
