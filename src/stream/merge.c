/*
 * stream/merge.c - partial aggregates into keyed state; merge_add.c where they only add.
 *
 * STATE VALUE of a group:  n int64 (rows), then each slot in order
 *   ADD_INT    16 bytes, little-endian two's complement
 *   ADD_EXACT  u16 length, canonical exact sum (base/exact_sum.h); length 0 is the sum of no values
 *   MIN, MAX   u32 length, the value in the row codec; length 0 is none
 * STATE KEY of a group: its key values in the row codec (duck/codec.h).
 *
 * INVARIANTS
 *   G1  A group whose n is 0 has no entry, but for the one group of a global aggregate.
 *   G2  Addition is exact and order-free for every slot, so state depends on the set of rows alone.
 *   G3  A 128-bit sum that leaves DECIMAL(38) fails the epoch by the view's name.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/exact_sum.h"
#include "stream/merge.h"

/* ---- one slot's bytes ---- */

static size_t length_bytes(rdl_slot_kind kind)
{
    return kind == RDL_SLOT_ADD_INT ? 0 : kind == RDL_SLOT_ADD_EXACT ? 2 : 4;
}

bool rdl_slots_split(const rdl_view_plan *p, rdl_str value, rdl_slot_bytes *out)
{
    memset(out, 0, sizeof *out);
    if (value.n < RDL_STATE_HEAD)
        return false;
    memcpy(&out->n, value.p, 8);
    size_t at = RDL_STATE_HEAD;
    for (size_t i = 0; i < p->slot_count; i++) {
        size_t width = length_bytes(p->slots[i].kind), n = 16;
        if (width > 0) {
            uint32_t length = 0;
            if (value.n - at < width)
                return false;
            memcpy(&length, value.p + at, width);
            at += width;
            n = length;
        }
        if (value.n - at < n)
            return false;
        out->v[i] = (rdl_str){value.p + at, n};
        at += n;
    }
    return at == value.n;
}

void rdl_slots_join(const rdl_view_plan *p, const rdl_slot_bytes *s, rdl_buf *out)
{
    rdl_buf_clear(out);
    rdl_buf_put(out, &s->n, 8);
    for (size_t i = 0; i < p->slot_count; i++) {
        uint32_t length = (uint32_t)s->v[i].n;
        rdl_buf_put(out, &length, length_bytes(p->slots[i].kind));
        rdl_buf_put(out, s->v[i].p, s->v[i].n);
    }
}

rdl_code rdl_merge_overflow(const rdl_table *v, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "a sum in \"%.*s\" does not fit in 38 decimal digits", (int)v->full.n,
                v->full.p);
    rdl_err_hint(err, "Cast the summed column to DOUBLE, or to a DECIMAL of smaller scale.");
    return RDL_EDATA;
}

static rdl_code add_int(rdl_arena *a, const rdl_table *v, rdl_str *into, rdl_i128 x, rdl_err *err)
{
    rdl_i128 sum = 0;
    if (into->n == 16)
        memcpy(&sum, into->p, 16);
    if (__builtin_add_overflow(sum, x, &sum) || !rdl_fits_38_digits(sum))
        return rdl_merge_overflow(v, err);
    *into = (rdl_str){rdl_arena_strndup(a, (const char *)&sum, 16), 16};
    return RDL_OK;
}

static rdl_code add_exact(rdl_arena *a, const rdl_table *t, rdl_str *into, rdl_str x, int sign,
                          rdl_err *err)
{
    rdl_buf sum = {0};
    if (x.n == 0)
        return RDL_OK;
    uint8_t zero[RDL_EXACT_BYTES_MAX];
    if (into->n == 0) {
        rdl_exact_sum none;
        rdl_exact_init(&none);
        *into = (rdl_str){(const char *)zero, rdl_exact_encode(&none, zero)};
        rdl_exact_fini(&none);
    }
    if (!rdl_exact_merge_bytes(*into, x, sign, &sum))
        return rdl_err_set(err, RDL_EDATA, 0, "an exact sum in the state of \"%.*s\" is damaged",
                           (int)t->full.n, t->full.p);
    *into = (rdl_str){rdl_arena_strndup(a, sum.p, sum.n), sum.n};
    rdl_buf_fini(&sum);
    return RDL_OK;
}

static void keep_extreme(rdl_arena *a, rdl_str *into, const rdl_vector *v, size_t row, bool max,
                         rdl_buf *scratch)
{
    if (!rdl_vector_valid(v, row))
        return;
    rdl_buf_clear(scratch);
    rdl_codec_put(v, row, scratch);
    rdl_str x = {scratch->p, scratch->n};
    int c = into->n == 0 ? 0 : rdl_str_cmp(x, *into);
    if (into->n == 0 || (max ? c > 0 : c < 0))
        *into = (rdl_str){rdl_arena_strndup(a, x.p, x.n), x.n};
}

/* ---- one row of partials into one group ---- */

rdl_code rdl_merge_slots(rdl_touched *t, rdl_slot_bytes *s, const rdl_chunk *k, size_t row, int sign,
                            rdl_buf *scratch, rdl_err *err)
{
    const rdl_view_plan *p = t->v->view_plan;
    s->n += sign * RDL_VECTOR_AT(&k->v[p->key_count], int64_t, row);
    for (size_t i = 0; i < p->slot_count; i++) {
        const rdl_vector *x = &k->v[p->key_count + 1 + i];
        switch (p->slots[i].kind) {
        case RDL_SLOT_ADD_INT:
            RDL_TRY(add_int(&t->arena, t->v, &s->v[i], sign * rdl_slot_int(x, row), err));
            break;
        case RDL_SLOT_ADD_EXACT:
            if (rdl_vector_valid(x, row))
                RDL_TRY(add_exact(&t->arena, t->v, &s->v[i], rdl_vector_str(x, row), sign, err));
            break;
        case RDL_SLOT_MIN:
        case RDL_SLOT_MAX:
            keep_extreme(&t->arena, &s->v[i], x, row, p->slots[i].kind == RDL_SLOT_MAX, scratch);
            break;
        }
    }
    return RDL_OK;
}

static rdl_touched_group *group_of(rdl_engine *e, rdl_touched *t, rdl_str key, rdl_err *err)
{
    if (t->indexed) {
        size_t at = (size_t)(uintptr_t)rdl_map_get(&t->index, key);
        if (at != 0)
            return &t->groups.v[at - 1];
    }
    bool found = false;
    rdl_str value = {0};
    uint64_t space = e->tables[t->v->index].space;
    if (rdl_state_get(e->state, space, key, &found, &value, err) != RDL_OK)
        return NULL;
    rdl_touched_group g = {.key = {rdl_arena_strndup(&t->arena, key.p, key.n), key.n}};
    t->known += found;
    if (found)
        g.before = (rdl_str){rdl_arena_strndup(&t->arena, value.p, value.n), value.n};
    if (!t->afresh)
        g.after = g.before;
    RDL_PUSH(&t->arena, &t->groups) = g;
    if (t->indexed)
        rdl_map_put(&t->index, g.key, (void *)(uintptr_t)t->groups.n);
    return &t->groups.v[t->groups.n - 1];
}

static rdl_code merge_row(rdl_engine *e, rdl_touched *t, const rdl_chunk *k, size_t row, int sign,
                          rdl_buf *key, rdl_buf *scratch, rdl_err *err)
{
    const rdl_view_plan *p = t->v->view_plan;
    rdl_slot_bytes s;
    rdl_buf_clear(key);
    for (size_t i = 0; i < p->key_count; i++)
        rdl_codec_put(&k->v[i], row, key);
    rdl_touched_group *g = group_of(e, t, (rdl_str){rdl_buf_str(key), key->n}, err);
    if (g == NULL)
        return err->code;
    if (g->after.n == 0)
        memset(&s, 0, sizeof s);
    else if (!rdl_slots_split(p, g->after, &s))
        return rdl_err_set(err, RDL_EDATA, 0, "the state of a group of \"%.*s\" is damaged",
                           (int)t->v->full.n, t->v->full.p);
    for (size_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].kind == RDL_SLOT_ADD_INT && s.v[i].n == 0)
            RDL_TRY(add_int(&t->arena, t->v, &s.v[i], 0, err));
    }
    RDL_TRY(rdl_merge_slots(t, &s, k, row, sign, scratch, err));
    rdl_slots_join(p, &s, scratch);
    g->after = (rdl_str){rdl_arena_strndup(&t->arena, scratch->p, scratch->n), scratch->n};
    return RDL_OK;
}

static rdl_code merge_query(rdl_engine *e, rdl_touched *t, const char *sql, int sign, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *k;
    rdl_buf key = {0}, scratch = {0};
    rdl_code rc = rdl_relation_query(e, sql, &r, err);
    while (rc == RDL_OK && rdl_result_next(r, &k)) {
        for (size_t i = 0; rc == RDL_OK && i < k->rows; i++)
            rc = merge_row(e, t, k, i, sign, &key, &scratch, err);
    }
    rdl_result_free(r);
    rdl_buf_fini(&key);
    rdl_buf_fini(&scratch);
    return rc;
}

static rdl_code store(rdl_engine *e, rdl_touched *t, rdl_err *err)
{
    uint64_t space = e->tables[t->v->index].space;
    bool global = t->v->view_plan->key_count == 0;
    for (size_t i = 0; i < t->groups.n; i++) {
        rdl_touched_group *g = &t->groups.v[i];
        int64_t n = 0;
        if (g->after.n >= RDL_STATE_HEAD)
            memcpy(&n, g->after.p, 8);
        if (n < 0)
            return rdl_err_set(err, RDL_EBUG, 0, "a group of \"%.*s\" lost more rows than it had",
                               (int)t->v->full.n, t->v->full.p);
        if (n == 0 && !global) {
            g->after = (rdl_str){0};
            t->gone += g->before.n > 0;
            if (g->before.n > 0)
                RDL_TRY(rdl_state_delete(e->state, space, g->key, err));
        } else {
            RDL_TRY(rdl_state_put(e->state, space, g->key, g->after, err));
        }
    }
    return RDL_OK;
}

/* Rows are only added, no key comes twice, and no slot holds a choice. */
static bool only_adds(const rdl_view_plan *p, const rdl_partials *from)
{
    bool adds = from->new_sql != NULL && from->old_sql == NULL && !p->partial_repeats &&
                !from->repeat && !from->afresh;
    for (size_t i = 0; i < p->slot_count; i++)
        adds = adds && (p->slots[i].kind == RDL_SLOT_ADD_INT ||
                        p->slots[i].kind == RDL_SLOT_ADD_EXACT);
    return adds;
}

rdl_code rdl_merge_partials(rdl_engine *e, const rdl_table *v, const rdl_partials *from,
                            rdl_touched **out, rdl_err *err)
{
    rdl_touched *t = calloc(1, sizeof *t); /* allow: lives as long as the view's step */
    if (t == NULL)
        return rdl_err_nomem(err);
    t->v = v;
    rdl_arena_init(&t->arena, 0);
    rdl_map_init(&t->index, &t->arena);
    t->indexed = from->old_sql != NULL || from->repeat || v->view_plan->partial_repeats;
    t->afresh = from->afresh;
    *out = t;
    if (v->view_plan->slot_count > 64)
        return rdl_err_set(err, RDL_ELIMIT, 0, "\"%.*s\" has more than 64 aggregates",
                           (int)v->full.n, v->full.p);
    if (only_adds(v->view_plan, from))
        return rdl_merge_in_place(e, t, from->new_sql, err);
    if (from->new_sql != NULL)
        RDL_TRY(merge_query(e, t, from->new_sql, 1, err));
    if (from->old_sql != NULL)
        RDL_TRY(merge_query(e, t, from->old_sql, -1, err));
    t->count = t->groups.n;
    return store(e, t, err);
}

size_t rdl_touched_count(const rdl_touched *t)
{
    return t->count;
}

size_t rdl_touched_gone(const rdl_touched *t)
{
    return t->gone;
}

size_t rdl_touched_known(const rdl_touched *t)
{
    return t->known;
}

void rdl_touched_free(rdl_touched *t)
{
    if (t == NULL)
        return;
    rdl_arena_fini(&t->arena);
    free(t); /* allow: as its calloc */
}

/* ---- states as a relation ---- */

rdl_code rdl_slot_set(const rdl_slot *slot, rdl_str bytes, rdl_vector *v, size_t row,
                         rdl_err *err)
{
    if (slot->kind == RDL_SLOT_ADD_INT) {
        rdl_i128 x = 0;
        memcpy(&x, bytes.p, bytes.n == 16 ? 16 : 0);
        if (slot->type->kind == RDL_TYPE_BIGINT)
            RDL_VECTOR_AT(v, int64_t, row) = (int64_t)x;
        else
            rdl_vector_set_decimal(v, row, x);
        return RDL_OK;
    }
    if (bytes.n == 0) {
        rdl_vector_set_null(v, row);
        return RDL_OK;
    }
    if (slot->kind == RDL_SLOT_ADD_EXACT) {
        rdl_vector_set_str(v, row, bytes.p, bytes.n);
        return RDL_OK;
    }
    size_t at = 0;
    return rdl_codec_get(bytes, &at, v, row, err);
}

static rdl_code expose_row(const rdl_touched *t, const rdl_touched_group *g, rdl_str state,
                           rdl_chunk *out, size_t row, rdl_err *err)
{
    const rdl_view_plan *p = t->v->view_plan;
    rdl_slot_bytes s;
    size_t at = 0;
    if (!rdl_slots_split(p, state, &s))
        return rdl_err_set(err, RDL_EDATA, 0, "the state of a group of \"%.*s\" is damaged",
                           (int)t->v->full.n, t->v->full.p);
    for (size_t i = 0; i < p->key_count; i++)
        RDL_TRY(rdl_codec_get(g->key, &at, &out->v[i], row, err));
    RDL_VECTOR_AT(&out->v[p->key_count], int64_t, row) = s.n;
    for (size_t i = 0; i < p->slot_count; i++)
        RDL_TRY(rdl_slot_set(&p->slots[i], s.v[i], &out->v[p->key_count + 1 + i], row, err));
    RDL_VECTOR_AT(&out->v[p->key_count + 1 + p->slot_count], int8_t, row) = g->before.n > 0;
    return RDL_OK;
}

/* Merged in place, "states:" has DuckDB's own types: another shape under its name would end all plans. */
const char *rdl_touched_role(const rdl_touched *t, bool before)
{
    return t->in_place && before ? "before:" : "states:";
}

rdl_code rdl_touched_expose(rdl_engine *e, rdl_touched *t, bool before, bool only_gone, rdl_err *err)
{
    const rdl_view_plan *p = t->v->view_plan;
    size_t was = p->key_count + 1 + p->slot_count;
    if (t->in_place && !before)
        return RDL_OK; /* they lie there already */
    rdl_schema schema = {.n = was + 1};
    schema.v = RDL_NEWN(&t->arena, rdl_column, schema.n);
    schema.v[was] = (rdl_column){RDL_STR("_was"), rdl_type_of(RDL_TYPE_BOOLEAN)};
    for (size_t i = 0; i < was; i++) {
        bool is_key = i < p->key_count, is_n = i == p->key_count;
        size_t slot = i - p->key_count - 1;
        const char *name = is_key ? rdl_arena_printf(&t->arena, "k%zu", i)
                           : is_n ? "n"
                                  : rdl_arena_printf(&t->arena, "s%zu", slot);
        schema.v[i] = (rdl_column){rdl_str_of(name),
                                   is_key ? p->key_types[i]
                                   : is_n ? rdl_type_of(RDL_TYPE_BIGINT)
                                          : p->slots[slot].type};
    }
    rdl_held *h = NULL;
    rdl_chunk *k = NULL;
    RDL_TRY(rdl_relation_hold(e, rdl_touched_role(t, before), t->v->full, &schema, &h, err));
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < t->groups.n && rc == RDL_OK; i++) {
        const rdl_touched_group *g = &t->groups.v[i];
        rdl_str state = before ? g->before : g->after;
        if (state.n == 0 || (before && only_gone && g->after.n > 0))
            continue;
        if (k == NULL)
            rc = rdl_chunk_new(&schema, &k, err);
        if (rc == RDL_OK)
            rc = expose_row(t, g, state, k, k->rows, err);
        if (rc == RDL_OK && ++k->rows == RDL_VECTOR_ROWS) {
            rc = rdl_held_push(h, k, err);
            k = NULL;
        }
    }
    if (rc == RDL_OK && k != NULL)
        return rdl_held_push(h, k, err);
    rdl_chunk_free(k);
    return rc;
}
