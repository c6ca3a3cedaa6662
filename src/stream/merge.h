/*
 * stream/merge.h - what merge.c and merge_add.c share: states of groups as bytes (see merge.c).
 */
#ifndef RDL_STREAM_MERGE_H
#define RDL_STREAM_MERGE_H

#include "stream/internal.h"

enum {
    RDL_STATE_HEAD = 8,
    RDL_SLOTS_MAX = 64,
};

typedef struct rdl_touched_group {
    rdl_str key, before, after; /* n 0: no such group; in the arena of the touched set */
} rdl_touched_group;

struct rdl_touched {
    rdl_arena arena;
    const rdl_table *v;
    RDL_VEC(rdl_touched_group) groups; /* in_place: those that were there before */
    rdl_map index; /* key -> index + 1; only when a key may come twice */
    bool indexed;
    bool afresh;   /* states begin empty, whatever was there before */
    bool in_place; /* e."states:<v>" holds the merged states already */
    size_t count, gone, known;
};

typedef struct rdl_slot_bytes {
    rdl_str v[RDL_SLOTS_MAX]; /* payloads without lengths */
    int64_t n;
} rdl_slot_bytes;

/* false: these bytes are no state of the plan's. */
bool rdl_slots_split(const rdl_view_plan *p, rdl_str value, rdl_slot_bytes *out);
void rdl_slots_join(const rdl_view_plan *p, const rdl_slot_bytes *s, rdl_buf *out);
/* The row of partials (k.., n, s..) into s, sign times; s points into the touched set's arena. */
RDL_MUST rdl_code rdl_merge_slots(rdl_touched *t, rdl_slot_bytes *s, const rdl_chunk *k, size_t row,
                                  int sign, rdl_buf *scratch, rdl_err *err);
/* A slot's bytes as the value of a row. */
RDL_MUST rdl_code rdl_slot_set(const rdl_slot *slot, rdl_str bytes, rdl_vector *v, size_t row,
                               rdl_err *err);
rdl_code rdl_merge_overflow(const rdl_table *v, rdl_err *err);
/* merge_add.c: the partials that `sql` gives, merged where they lie, as e."states:<v>". */
RDL_MUST rdl_code rdl_merge_in_place(rdl_engine *e, rdl_touched *t, const char *sql, rdl_err *err);

static inline bool rdl_fits_38_digits(rdl_i128 x)
{
    const rdl_i128 limit = (rdl_i128)10000000000000000000u * (rdl_i128)10000000000000000000u;
    return x > -limit && x < limit;
}

/* Of an ADD_INT slot's column; NULL counts as 0. */
static inline rdl_i128 rdl_slot_int(const rdl_vector *v, size_t row)
{
    if (!rdl_vector_valid(v, row))
        return 0;
    switch (v->type->kind) {
    case RDL_TYPE_BIGINT:
        return RDL_VECTOR_AT(v, int64_t, row);
    case RDL_TYPE_INTEGER:
        return RDL_VECTOR_AT(v, int32_t, row);
    default:
        return rdl_vector_decimal(v, row);
    }
}

#endif
