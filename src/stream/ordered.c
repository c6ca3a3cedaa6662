/*
 * stream/ordered.c - a merge of sorted segments.
 *
 *   input   a segment, or what was there before all of them: its chunk at hand, and the keys of that chunk
 *           as bytes (duck/codec.h)
 *   heap    of the inputs that have rows, by key, the older epoch first where keys are equal
 *
 * Rows of one key leave the heap one after the other, the newest last: each replaces the one before it
 * in the chunk that is given out.  The oldest says whether the key was there.
 */
#include "stream/ordered.h"

#include <inttypes.h>
#include <stdlib.h>

#include "duck/codec.h"
#include "duck/packed.h"

typedef struct input {
    rdl_packed *file;     /* NULL: the base */
    rdl_result *base;
    uint64_t epoch;       /* 0: the base, older than all */
    rdl_chunk *own;       /* filled from the file */
    const rdl_chunk *chunk; /* the one at hand */
    size_t *column; /* of each of the table's, in the chunk */
    size_t was;     /* the column; SIZE_MAX: no key was there */
    size_t row;     /* the next of the chunk */
    rdl_buf keys, last; /* last: the key before */
    size_t ends[RDL_VECTOR_ROWS];
} input;

struct rdl_ordered {
    rdl_arena arena;
    const rdl_table *table;
    rdl_ordered_rows which;
    input **inputs;
    size_t n;
    input **heap;
    size_t heap_n;
    rdl_chunk *out;
    rdl_buf key;  /* of the newest row that was taken */
    bool wanted;  /* that row is in the chunk, as its last */
    bool base_unfit;
};

bool rdl_ordered_fits(const rdl_table *t, const rdl_table_history *h, uint64_t from, uint64_t to)
{
    bool any = false;
    if (t->kind != RDL_TABLE_VIEW || t->primary_key_count == 0)
        return false;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch <= from || s->epoch > to || s->rows_new + s->rows_old + s->reset == 0)
            continue;
        any = true;
        if (!s->sorted || s->rows_old > 0 || s->reset)
            return false;
    }
    return any;
}

/* ---- inputs ---- */

static rdl_str key_at(const input *in, size_t row)
{
    size_t at = row == 0 ? 0 : in->ends[row - 1];
    return (rdl_str){rdl_buf_str(&in->keys) + at, in->ends[row] - at};
}

static rdl_code not_sorted(rdl_ordered *o, const input *in, rdl_err *err)
{
    o->base_unfit |= in->file == NULL;
    if (in->file == NULL)
        return rdl_err_set(err, RDL_EDATA, 0, "the rows of \"%.*s\" do not lie in the order of its key",
                           (int)o->table->full.n, o->table->full.p);
    return rdl_err_set(err, RDL_EDATA, 0,
                       "could not read the segment of \"%.*s\" of epoch %" PRIu64
                       ": its keys do not ascend",
                       (int)o->table->full.n, o->table->full.p, in->epoch);
}

static void note_last(input *in)
{
    if (in->chunk == NULL || in->chunk->rows == 0)
        return;
    rdl_str last = key_at(in, in->chunk->rows - 1);
    rdl_buf_clear(&in->last);
    rdl_buf_put(&in->last, last.p, last.n);
}

static rdl_code next_of_base(rdl_ordered *o, input *in, rdl_err *err)
{
    const rdl_schema *want = &o->table->columns;
    if (!rdl_result_next(in->base, &in->chunk)) {
        rdl_chunk_reset(in->own);
        in->chunk = in->own;
        return rdl_result_end(in->base, err);
    }
    for (size_t i = 0; i < want->n; i++) {
        o->base_unfit |= !rdl_type_eq(in->chunk->v[i].type, want->v[i].type);
        if (o->base_unfit)
            return rdl_err_set(err, RDL_EDATA, 0, "column \"%.*s\" of \"%.*s\" has another type",
                               (int)want->v[i].name.n, want->v[i].name.p, (int)o->table->full.n,
                               o->table->full.p);
    }
    return RDL_OK;
}

bool rdl_ordered_base_unfit(const rdl_ordered *o)
{
    return o->base_unfit;
}

static rdl_code next_chunk(rdl_ordered *o, input *in, rdl_err *err)
{
    if (in->file == NULL)
        return next_of_base(o, in, err);
    rdl_chunk_reset(in->own);
    in->chunk = in->own;
    return rdl_packed_next(in->file, NULL, in->own, err);
}

/* The next chunk with its keys; rows 0 at the end. */
static rdl_code fill(rdl_ordered *o, input *in, rdl_err *err)
{
    const rdl_table *t = o->table;
    note_last(in);
    RDL_TRY(next_chunk(o, in, err));
    in->row = 0;
    rdl_buf_clear(&in->keys);
    rdl_str before = {rdl_buf_str(&in->last), in->last.n};
    for (size_t i = 0; i < in->chunk->rows; i++) {
        for (size_t k = 0; k < t->primary_key_count; k++)
            rdl_codec_put(&in->chunk->v[in->column[t->primary_key[k]]], i, &in->keys);
        in->ends[i] = in->keys.n;
    }
    for (size_t i = 0; i < in->chunk->rows; i++) {
        rdl_str key = key_at(in, i);
        if (before.n > 0 && rdl_str_cmp(before, key) >= 0)
            return not_sorted(o, in, err);
        before = key;
    }
    return RDL_OK;
}

static rdl_code match(const rdl_ordered *o, input *in, rdl_err *err)
{
    const rdl_schema *have = rdl_packed_schema(in->file), *want = &o->table->columns;
    for (size_t i = 0; i < want->n; i++) {
        int at = rdl_schema_find(have, want->v[i].name);
        if (at < 0 || !rdl_type_eq(have->v[at].type, want->v[i].type))
            return rdl_err_set(err, RDL_EDATA, 0,
                               "the segment of \"%.*s\" of epoch %" PRIu64 " has no column \"%.*s\" "
                               "of its type",
                               (int)o->table->full.n, o->table->full.p, in->epoch,
                               (int)want->v[i].name.n, want->v[i].name.p);
        in->column[i] = (size_t)at;
    }
    int was = rdl_schema_find(have, RDL_STR("_was"));
    in->was = was < 0 ? SIZE_MAX : (size_t)was;
    return RDL_OK;
}

static rdl_code open_input(rdl_ordered *o, const rdl_root *root, const rdl_segment_ref *s,
                           rdl_err *err)
{
    input *in = RDL_NEW(&o->arena, input);
    o->inputs[o->n++] = in;
    in->epoch = s->epoch;
    in->column = RDL_NEWN(&o->arena, size_t, o->table->columns.n + 1);
    RDL_TRY(rdl_packed_open(rdl_root_packed(&o->arena, root, s->epoch),
                            rdl_root_packed_name(&o->arena, o->table->full, RDL_SEGMENT_NEW),
                            &in->file, err));
    RDL_TRY(match(o, in, err));
    return rdl_chunk_new(rdl_packed_schema(in->file), &in->own, err);
}

rdl_code rdl_ordered_base(rdl_ordered *o, rdl_conn *conn, const char *sql, rdl_err *err)
{
    input *in = RDL_NEW(&o->arena, input);
    o->inputs[o->n++] = in;
    in->was = SIZE_MAX;
    in->column = RDL_NEWN(&o->arena, size_t, o->table->columns.n + 1);
    for (size_t i = 0; i < o->table->columns.n; i++)
        in->column[i] = i;
    RDL_TRY(rdl_chunk_new(&o->table->columns, &in->own, err));
    return rdl_query_stream(conn, sql, &in->base, err);
}

rdl_code rdl_ordered_open(const rdl_root *root, const rdl_table *t, const rdl_table_history *h,
                          uint64_t from, uint64_t to, rdl_ordered **out, rdl_err *err)
{
    rdl_ordered *o = calloc(1, sizeof *o); /* allow: freed by rdl_ordered_free */
    if (o == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&o->arena, 0);
    o->table = t;
    o->inputs = RDL_NEWN(&o->arena, input *, h->segments.n + 2); /* and the base */
    o->heap = RDL_NEWN(&o->arena, input *, h->segments.n + 2);
    rdl_code rc = rdl_chunk_new(&t->columns, &o->out, err);
    for (size_t i = 0; i < h->segments.n && rc == RDL_OK; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch > from && s->epoch <= to && s->rows_new > 0)
            rc = open_input(o, root, s, err);
    }
    if (rc != RDL_OK) {
        rdl_ordered_free(o);
        return rc;
    }
    *out = o;
    return RDL_OK;
}

void rdl_ordered_free(rdl_ordered *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->n; i++) {
        rdl_packed_close(o->inputs[i]->file);
        rdl_result_free(o->inputs[i]->base);
        rdl_chunk_free(o->inputs[i]->own);
        rdl_buf_fini(&o->inputs[i]->keys);
        rdl_buf_fini(&o->inputs[i]->last);
    }
    rdl_chunk_free(o->out);
    rdl_buf_fini(&o->key);
    rdl_arena_fini(&o->arena);
    free(o); /* allow: as its calloc */
}

/* ---- the heap ---- */

static bool is_before(const input *a, const input *b)
{
    int c = rdl_str_cmp(key_at(a, a->row), key_at(b, b->row));
    return c != 0 ? c < 0 : a->epoch < b->epoch;
}

static void sink(rdl_ordered *o, size_t at)
{
    input *in = o->heap[at];
    for (size_t child; (child = 2 * at + 1) < o->heap_n; at = child) {
        if (child + 1 < o->heap_n && is_before(o->heap[child + 1], o->heap[child]))
            child++;
        if (!is_before(o->heap[child], in))
            break;
        o->heap[at] = o->heap[child];
    }
    o->heap[at] = in;
}

static rdl_code advance(rdl_ordered *o, rdl_err *err)
{
    input *in = o->heap[0];
    if (++in->row == in->chunk->rows)
        RDL_TRY(fill(o, in, err));
    if (in->chunk->rows == 0)
        o->heap[0] = o->heap[--o->heap_n];
    if (o->heap_n > 0)
        sink(o, 0);
    return RDL_OK;
}

rdl_code rdl_ordered_begin(rdl_ordered *o, rdl_ordered_rows which, rdl_err *err)
{
    o->which = which;
    o->heap_n = 0;
    o->wanted = false;
    rdl_buf_clear(&o->key);
    for (size_t i = 0; i < o->n; i++) {
        input *in = o->inputs[i];
        if (in->file != NULL)
            rdl_packed_rewind(in->file);
        in->chunk = NULL;
        rdl_buf_clear(&in->last);
        RDL_TRY(fill(o, in, err));
        if (in->chunk->rows > 0)
            o->heap[o->heap_n++] = in;
    }
    for (size_t i = o->heap_n; i > 0; i--)
        sink(o, i - 1);
    return RDL_OK;
}

/* ---- rows ---- */

static void copy_value(const rdl_vector *from, size_t row, rdl_vector *to, size_t at)
{
    size_t width = rdl_vector_width(from->type);
    if (!rdl_vector_valid(from, row)) {
        rdl_vector_set_null(to, at);
        return;
    }
    if (to->validity != NULL)
        to->validity[at >> 6] |= (uint64_t)1 << (at & 63);
    if (width == 8) {
        RDL_VECTOR_AT(to, int64_t, at) = RDL_VECTOR_AT(from, int64_t, row);
    } else if (width > 0) {
        memcpy((char *)to->data + at * width, (const char *)from->data + row * width, width);
    } else {
        rdl_str text = rdl_vector_str(from, row);
        rdl_vector_set_str(to, at, text.p, text.n);
    }
}

static bool wants(const rdl_ordered *o, const input *in)
{
    if (o->which == RDL_ORDERED_ALL)
        return true;
    bool was = in->was != SIZE_MAX && RDL_VECTOR_AT(&in->chunk->v[in->was], int8_t, in->row) != 0;
    return was == (o->which == RDL_ORDERED_KNOWN);
}

/* The heap's first row, or false: the chunk is full, and this row is of another key. */
static bool take(rdl_ordered *o)
{
    const input *in = o->heap[0];
    rdl_str key = key_at(in, in->row);
    bool again = rdl_str_eq(key, (rdl_str){rdl_buf_str(&o->key), o->key.n}) && o->key.n > 0;
    if (!again) {
        if (o->out->rows == RDL_VECTOR_ROWS)
            return false;
        o->wanted = wants(o, in);
        o->out->rows += o->wanted;
        rdl_buf_clear(&o->key);
        rdl_buf_put(&o->key, key.p, key.n);
    }
    for (size_t i = 0; o->wanted && i < o->out->n; i++)
        copy_value(&in->chunk->v[in->column[i]], in->row, &o->out->v[i], o->out->rows - 1);
    return true;
}

rdl_code rdl_ordered_next(rdl_ordered *o, const rdl_chunk **out, rdl_err *err)
{
    rdl_chunk_reset(o->out);
    while (o->heap_n > 0 && take(o))
        RDL_TRY(advance(o, err));
    *out = o->out;
    return RDL_OK;
}
