/*
 * duck/packed_sorted.c - held rows into a packed block in the order of a key.
 *
 * Who reads such blocks merges them, and needs neither to group nor to sort.  Sorted rows resemble
 * their neighbours: a text is written as what it shares with the one before and the rest, and a
 * column of one value as that value.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/key_sort.h"
#include "duck/codec.h"
#include "duck/handles.h"
#include "duck/held.h"
#include "duck/packed.h"

enum { PLACE_BITS = 11 }; /* of a row in its chunk */
_Static_assert(RDL_VECTOR_ROWS == 1 << PLACE_BITS, "a row's place in its chunk");

typedef struct sorting {
    rdl_arena arena;
    const rdl_held *held;
    rdl_chunk *chunks; /* views of the held ones */
    rdl_sort_key *keys;
    size_t n;
    rdl_buf bytes; /* of the keys */
    const rdl_vector *from[RDL_VECTOR_ROWS]; /* one column of the rows that are written now */
    uint16_t row[RDL_VECTOR_ROWS];
} sorting;

/* ---- reading ---- */

static bool show_chunks(sorting *s, const rdl_schema *columns, const size_t *from)
{
    size_t n = rdl_held_chunks(s->held);
    s->chunks = RDL_NEWN(&s->arena, rdl_chunk, n + 1);
    for (size_t i = 0; i < n; i++) {
        duckdb_data_chunk k = rdl_held_chunk(s->held, i);
        rdl_chunk *c = &s->chunks[i];
        *c = (rdl_chunk){.n = columns->n, .rows = duckdb_data_chunk_get_size(k)};
        c->v = RDL_NEWN(&s->arena, rdl_vector, columns->n + 1);
        for (size_t j = 0; j < columns->n; j++) {
            rdl_vector_shape(&s->arena, columns->v[j].type, &c->v[j]);
            rdl_vector_bind(&c->v[j], duckdb_data_chunk_get_vector(k, from[j]));
        }
        if (c->rows > RDL_VECTOR_ROWS)
            return false;
    }
    return n <= (size_t)UINT32_MAX >> PLACE_BITS;
}

static void sort_rows(sorting *s, const size_t *key, size_t key_count)
{
    size_t at = 0, n = 0;
    s->n = rdl_held_rows(s->held);
    s->keys = RDL_NEWN(&s->arena, rdl_sort_key, s->n + 1);
    for (size_t i = 0; i < rdl_held_chunks(s->held); i++) {
        for (size_t row = 0; row < s->chunks[i].rows; row++) {
            rdl_codec_put_row(&s->chunks[i], key, key_count, row, &s->bytes);
            s->keys[n++] = (rdl_sort_key){.n = (uint32_t)(s->bytes.n - at),
                                          .tag = (uint32_t)(i << PLACE_BITS | row)};
            at = s->bytes.n;
        }
        if (i == 0 && n > 0) /* the others' keys are about as long */
            rdl_buf_reserve(&s->bytes, s->bytes.n / n * (s->n - n) + s->bytes.n);
    }
    at = 0;
    for (size_t i = 0; i < s->n; i++) { /* the buffer has moved while it grew */
        s->keys[i].p = rdl_buf_str(&s->bytes) + at;
        at += s->keys[i].n;
    }
    rdl_key_sort(s->keys, s->n);
}

/* ---- writing ---- */

static void put_validity(const sorting *s, size_t n, rdl_buf *out)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned bits = 0;
        for (size_t j = i; j < n && j < i + 8; j++)
            bits |= (unsigned)rdl_vector_valid(s->from[j], s->row[j]) << (j - i);
        rdl_buf_putc(out, (char)bits);
    }
}

static bool any_null(const sorting *s, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n && !any; i++)
        any = !rdl_vector_valid(s->from[i], s->row[i]);
    return any;
}

static void put_values(const sorting *s, size_t n, size_t width, bool nulls, rdl_buf *out)
{
    size_t head = out->n;
    bool same = true;
    rdl_buf_putc(out, nulls ? RDL_PACKED_NULLS : 0);
    if (nulls)
        put_validity(s, n, out);
    size_t first = out->n;
    rdl_buf_reserve(out, n * width + 1);
    for (size_t i = 0; i < n; i++) {
        char *to = out->p + first + i * width;
        memcpy(to, (const char *)s->from[i]->data + s->row[i] * width, width);
        same = same && memcmp(to, out->p + first, width) == 0;
    }
    out->n = first + (same ? width : n * width);
    out->p[head] = (char)(out->p[head] | (same ? RDL_PACKED_SAME : 0));
}

/* What both begin with, at most what a byte counts. */
static size_t shared(rdl_str a, rdl_str b)
{
    size_t n = a.n < b.n ? a.n : b.n, i = 0;
    n = n < UINT8_MAX ? n : UINT8_MAX;
    for (uint64_t x, y; i + sizeof x <= n; i += sizeof x) {
        memcpy(&x, a.p + i, sizeof x);
        memcpy(&y, b.p + i, sizeof y);
        if (x != y)
            return i + (size_t)__builtin_ctzll(x ^ y) / 8;
    }
    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

static void put_texts(const sorting *s, size_t n, bool nulls, rdl_buf *out)
{
    rdl_str before = {"", 0};
    rdl_buf_putc(out, (char)(RDL_PACKED_SHARED | (nulls ? RDL_PACKED_NULLS : 0)));
    if (nulls)
        put_validity(s, n, out);
    size_t head = out->n;
    rdl_buf_reserve(out, 2 * n + 1);
    out->n += 2 * n;
    for (size_t i = 0; i < n; i++) {
        uint8_t *lengths = (uint8_t *)out->p + head;
        lengths[i] = lengths[n + i] = 0;
        if (!rdl_vector_valid(s->from[i], s->row[i]))
            continue;
        rdl_str text = rdl_vector_str(s->from[i], s->row[i]);
        size_t same = shared(before, text), rest = text.n - same;
        lengths[i] = (uint8_t)same;
        lengths[n + i] = rest < UINT8_MAX ? (uint8_t)rest : UINT8_MAX;
        if (rest >= UINT8_MAX)
            rdl_buf_put(out, &(uint32_t){(uint32_t)rest}, 4);
        rdl_buf_put(out, text.p + same, rest);
        before = text;
    }
}

/*
 * Where the rows' values lie in a column.  They lie anywhere: what is asked for ahead comes while the
 * others are found.
 */
static void find_values(sorting *s, size_t first, size_t n, size_t column, size_t width)
{
    size_t bytes = width > 0 ? width : sizeof(rdl_duck_string);
    for (size_t i = 0; i < n; i++) {
        uint32_t place = s->keys[first + i].tag;
        s->from[i] = &s->chunks[place >> PLACE_BITS].v[column];
        s->row[i] = place & (RDL_VECTOR_ROWS - 1);
        __builtin_prefetch((const char *)s->from[i]->data + s->row[i] * bytes);
    }
    for (size_t i = 0; width == 0 && i < n; i++) {
        if (rdl_vector_valid(s->from[i], s->row[i]))
            __builtin_prefetch(rdl_vector_str(s->from[i], s->row[i]).p);
    }
}

static void put_chunk(sorting *s, size_t first, size_t n, const rdl_schema *columns, rdl_buf *out)
{
    rdl_buf_put(out, &(uint32_t){(uint32_t)n}, 4);
    for (size_t c = 0; c < columns->n; c++) {
        size_t at = out->n, width = rdl_vector_width(columns->v[c].type);
        find_values(s, first, n, c, width);
        bool nulls = any_null(s, n);
        rdl_buf_put(out, &(uint32_t){0}, 4);
        if (width > 0)
            put_values(s, n, width, nulls, out);
        else
            put_texts(s, n, nulls, out);
        uint32_t bytes = (uint32_t)(out->n - at - 4);
        memcpy(out->p + at, &bytes, 4);
    }
}

static bool all_scalar(const rdl_schema *columns)
{
    bool all = true;
    for (size_t i = 0; i < columns->n; i++)
        all = all && rdl_type_is_scalar(columns->v[i].type);
    return all;
}

bool rdl_held_pack_sorted(const rdl_held *h, const char *name, const rdl_schema *columns,
                          const size_t *key, size_t key_count, rdl_buf *out)
{
    sorting s = {.held = h};
    rdl_buf body = {0};
    rdl_arena_init(&s.arena, 0);
    size_t *from = RDL_NEWN(&s.arena, size_t, columns->n + 1);
    bool fits = all_scalar(columns) && rdl_held_match(&s.arena, h, columns, from) &&
                show_chunks(&s, columns, from);
    if (fits)
        sort_rows(&s, key, key_count);
    for (size_t i = 0; fits && i < s.n; i += RDL_VECTOR_ROWS)
        put_chunk(&s, i, s.n - i < RDL_VECTOR_ROWS ? s.n - i : RDL_VECTOR_ROWS, columns, &body);
    if (fits)
        rdl_packed_put_block(name, columns, rdl_held_rows(h), &body, out);
    rdl_buf_fini(&body);
    rdl_buf_fini(&s.bytes);
    rdl_arena_fini(&s.arena);
    return fits;
}
