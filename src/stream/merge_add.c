/*
 * stream/merge_add.c - partials that only add, merged where they lie.
 *
 * Most groups of an epoch are new, or only grow: the partial's own chunks become e."states:<v>", with
 * sums added in place for the groups that were there.  Nothing is written as bytes but what keyed
 * state takes, and nothing is read back.
 *
 *   chunk   k0.. n s0.. _was       held rows, filled by one query
 *   batch   BATCH rows' keys as bytes, looked for ahead: the table of states is larger than a cache
 *
 * INVARIANT  G4  The same states and the same relation as merge.c makes row by row
 *                (tests/slt/views, `raudal verify`).
 */
#include <inttypes.h>

#include "duck/held.h"
#include "stream/merge.h"

enum {
    BATCH = 64,
    FLAT_BYTES = 16, /* of an ADD_INT slot */
};

typedef struct adding {
    rdl_engine *e;
    rdl_touched *t;
    const rdl_view_plan *p;
    uint64_t space;
    bool flat;           /* every slot is ADD_INT: states have one length */
    rdl_buf keys, after; /* after: of one group */
    size_t ends[BATCH];  /* of keys */
} adding;

static void set_valid(rdl_vector *v, size_t row)
{
    if (v->validity != NULL)
        v->validity[row >> 6] |= (uint64_t)1 << (row & 63);
}

static rdl_code damaged(const adding *a, rdl_err *err)
{
    return rdl_err_set(err, RDL_EDATA, 0, "the state of a group of \"%.*s\" is damaged",
                       (int)a->t->v->full.n, a->t->v->full.p);
}

/* ---- states of whole numbers alone ---- */

static rdl_code add_flat(adding *a, rdl_chunk *k, size_t row, rdl_str before, rdl_err *err)
{
    const rdl_view_plan *p = a->p;
    char *to = a->after.p;
    int64_t n = RDL_VECTOR_AT(&k->v[p->key_count], int64_t, row), was = 0;
    if (before.n > 0 && before.n != a->after.n)
        return damaged(a, err);
    if (before.n > 0) {
        memcpy(&was, before.p, sizeof was);
        n += was;
        RDL_VECTOR_AT(&k->v[p->key_count], int64_t, row) = n;
    }
    memcpy(to, &n, sizeof n);
    for (size_t i = 0; i < p->slot_count; i++) {
        rdl_vector *x = &k->v[p->key_count + 1 + i];
        rdl_i128 sum = rdl_slot_int(x, row), old = 0;
        size_t at = RDL_STATE_HEAD + i * FLAT_BYTES;
        if (before.n > 0) {
            memcpy(&old, before.p + at, sizeof old);
            if (__builtin_add_overflow(sum, old, &sum))
                return rdl_merge_overflow(a->t->v, err);
        }
        if (!rdl_fits_38_digits(sum))
            return rdl_merge_overflow(a->t->v, err);
        memcpy(to + at, &sum, sizeof sum);
        if (before.n == 0 && rdl_vector_valid(x, row))
            continue;
        set_valid(x, row);
        RDL_TRY(rdl_slot_set(&p->slots[i], (rdl_str){to + at, FLAT_BYTES}, x, row, err));
    }
    return RDL_OK;
}

/* ---- states with exact sums ---- */

static rdl_code add_exact(adding *a, rdl_chunk *k, size_t row, rdl_str before, rdl_err *err)
{
    const rdl_view_plan *p = a->p;
    rdl_i128 zero = 0;
    rdl_slot_bytes s = {0};
    rdl_buf scratch = {0};
    if (before.n > 0 && !rdl_slots_split(p, before, &s))
        return damaged(a, err);
    for (size_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].kind == RDL_SLOT_ADD_INT && s.v[i].n == 0)
            s.v[i] = (rdl_str){(const char *)&zero, sizeof zero};
    }
    rdl_code rc = rdl_merge_slots(a->t, &s, k, row, 1, &scratch, err);
    rdl_buf_fini(&scratch);
    RDL_TRY(rc);
    rdl_slots_join(p, &s, &a->after);
    RDL_VECTOR_AT(&k->v[p->key_count], int64_t, row) = s.n;
    for (size_t i = 0; i < p->slot_count; i++) {
        rdl_vector *x = &k->v[p->key_count + 1 + i];
        if (before.n == 0 && s.v[i].n > 0 && rdl_vector_valid(x, row))
            continue;
        set_valid(x, row);
        RDL_TRY(rdl_slot_set(&p->slots[i], s.v[i], x, row, err));
    }
    return RDL_OK;
}

/* ---- rows ---- */

static rdl_str keep(adding *a, rdl_str s)
{
    return (rdl_str){rdl_arena_strndup(&a->t->arena, s.p, s.n), s.n};
}

static rdl_code add_row(adding *a, rdl_chunk *k, size_t row, rdl_str key, rdl_err *err)
{
    rdl_str before = {0};
    bool found = false;
    RDL_TRY(rdl_state_get(a->e->state, a->space, key, &found, &before, err));
    if (!found)
        before = (rdl_str){0};
    if (found) {
        before = keep(a, before);
        RDL_VECTOR_AT(&k->v[k->n - 1], int8_t, row) = 1;
    }
    RDL_TRY(a->flat ? add_flat(a, k, row, before, err) : add_exact(a, k, row, before, err));
    rdl_str after = {rdl_buf_str(&a->after), a->after.n};
    if (found) {
        a->t->known++;
        RDL_PUSH(&a->t->arena, &a->t->groups) =
            (rdl_touched_group){.key = keep(a, key), .before = before, .after = keep(a, after)};
    }
    return rdl_state_put(a->e->state, a->space, key, after, err);
}

static rdl_code add_chunk(adding *a, rdl_chunk *k, rdl_err *err)
{
    rdl_str keys[BATCH];
    for (size_t from = 0; from < k->rows; from += BATCH) {
        size_t n = k->rows - from < BATCH ? k->rows - from : BATCH;
        rdl_buf_clear(&a->keys);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < a->p->key_count; j++)
                rdl_codec_put(&k->v[j], from + i, &a->keys);
            a->ends[i] = a->keys.n;
        }
        for (size_t i = 0; i < n; i++) {
            size_t at = i == 0 ? 0 : a->ends[i - 1];
            keys[i] = (rdl_str){rdl_buf_str(&a->keys) + at, a->ends[i] - at};
        }
        RDL_TRY(rdl_state_prefetch(a->e->state, a->space, keys, n, err));
        for (size_t i = 0; i < n; i++)
            RDL_TRY(add_row(a, k, from + i, keys[i], err));
    }
    return RDL_OK;
}

static rdl_code add_all(adding *a, const rdl_held *h, rdl_err *err)
{
    rdl_chunk k;
    RDL_TRY(rdl_held_view(h, &a->t->arena, &k, err));
    for (size_t i = 0; i < rdl_held_chunks(h); i++) {
        rdl_held_show(h, i, &k);
        RDL_TRY(add_chunk(a, &k, err));
        a->t->count += k.rows;
    }
    return RDL_OK;
}

rdl_code rdl_merge_in_place(rdl_engine *e, rdl_touched *t, const char *sql, rdl_err *err)
{
    const rdl_view_plan *p = t->v->view_plan;
    adding a = {.e = e, .t = t, .p = p, .space = e->tables[t->v->index].space, .flat = true};
    rdl_buf select = {0};
    rdl_held *h = NULL;
    for (size_t i = 0; i < p->slot_count; i++)
        a.flat = a.flat && p->slots[i].kind == RDL_SLOT_ADD_INT;
    rdl_buf_reserve(&a.after, RDL_STATE_HEAD + p->slot_count * FLAT_BYTES);
    a.after.n = a.flat ? RDL_STATE_HEAD + p->slot_count * FLAT_BYTES : 0;
    rdl_buf_printf(&select, "SELECT *, false AS _was FROM (%s)", sql);
    rdl_code rc = rdl_relation_hold_rows(e, "states:", t->v->full, rdl_buf_str(&select), &h, err);
    if (rc == RDL_OK)
        rc = add_all(&a, h, err);
    t->in_place = true;
    rdl_buf_fini(&select);
    rdl_buf_fini(&a.keys);
    rdl_buf_fini(&a.after);
    return rc;
}
