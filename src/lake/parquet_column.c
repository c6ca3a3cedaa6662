/*
 * lake/parquet_column.c - a leaf column's values, and its pages when a row group ends.
 *
 *   column chunk   [dictionary page] data page
 *   page           PageHeader in Thrift, body, compressed
 *   data body      repetition levels, definition levels (each u32 bytes, hybrid; only where
 *                  there are such levels), values
 *   values         plain, or a byte with the width of indexes and these, hybrid
 *   plain          numbers little-endian · booleans a bit each · BYTES u32 length, bytes ·
 *                  FIXED 16 bytes big-endian
 *
 * One page holds the whole chunk: parquet.c ends a row group before that becomes large.
 */
#include "lake/parquet_column.h"

#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "base/hash.h"

enum {
    CODEC_SNAPPY = 1,
    CODEC_ZSTD = 6,
    ZSTD_FROM = 16 << 10, /* bytes: below, setting zstd up costs more than it saves */
    ZSTD_LEVEL = 1,
    ENCODING_PLAIN = 0,
    ENCODING_RLE = 3,
    ENCODING_DICTIONARY = 8,
    PAGE_DATA = 0,
    PAGE_DICTIONARY = 2,
    DISTINCT_MAX = 1 << 15,
    DISTINCT_LOOK = 1024, /* values after which a dictionary has to be worth it */
};

void rdl_parquet_leaf_fini(rdl_parquet_leaf *leaf)
{
    rdl_buf_fini(&leaf->defs);
    rdl_buf_fini(&leaf->reps);
    rdl_buf_fini(&leaf->values);
    rdl_buf_fini(&leaf->lengths);
    rdl_parquet_range_fini(&leaf->group);
    rdl_parquet_range_fini(&leaf->file);
}

void rdl_parquet_scratch_fini(rdl_parquet_scratch *s)
{
    rdl_buf_fini(&s->table);
    rdl_buf_fini(&s->indexes);
    rdl_buf_fini(&s->dictionary);
    rdl_buf_fini(&s->page);
    rdl_buf_fini(&s->packed);
    ZSTD_freeCCtx(s->zstd);
}

static void new_group(rdl_parquet_leaf *leaf)
{
    leaf->entries = leaf->count = 0;
    rdl_buf_clear(&leaf->defs);
    rdl_buf_clear(&leaf->reps);
    rdl_buf_clear(&leaf->values);
    rdl_buf_clear(&leaf->lengths);
    rdl_parquet_range_clear(&leaf->group);
}

void rdl_parquet_leaf_new_file(rdl_parquet_leaf *leaf)
{
    new_group(leaf);
    rdl_parquet_range_clear(&leaf->file);
}

/* ---- values ---- */

static void put_wide(rdl_buf *out, rdl_i128 x)
{
    char bytes[16];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)((rdl_u128)x >> (8 * (sizeof bytes - 1 - i)));
    rdl_buf_put(out, bytes, sizeof bytes);
}

static void put_value(rdl_parquet_leaf *leaf, const rdl_vector *v, size_t row)
{
    size_t width = rdl_vector_width(leaf->type);
    leaf->count++;
    if (leaf->physical == RDL_PARQUET_BYTES) {
        rdl_str s = rdl_vector_str(v, row);
        uint32_t n = (uint32_t)s.n;
        rdl_buf_put(&leaf->lengths, &n, sizeof n);
        rdl_buf_put(&leaf->values, s.p, s.n);
    } else if (leaf->physical == RDL_PARQUET_FIXED) {
        put_wide(&leaf->values, RDL_VECTOR_AT(v, rdl_i128, row));
    } else if (width < leaf->width) { /* DECIMAL up to 4 digits */
        int32_t x = RDL_VECTOR_AT(v, int16_t, row);
        rdl_buf_put(&leaf->values, &x, sizeof x);
    } else {
        rdl_buf_put(&leaf->values, (const char *)v->data + row * width, width);
    }
}

/* From here on each entry's level is written down. */
static void tell_defs(rdl_parquet_leaf *leaf)
{
    if (leaf->defs.n > 0 || leaf->entries == 0)
        return;
    rdl_buf_reserve(&leaf->defs, leaf->entries);
    memset(leaf->defs.p, (int)leaf->def, leaf->entries);
    leaf->defs.n = leaf->entries;
}

void rdl_parquet_leaf_entry(rdl_parquet_leaf *leaf, unsigned rep, unsigned def)
{
    if (leaf->rep > 0)
        rdl_buf_putc(&leaf->reps, (char)rep);
    if (def != leaf->def)
        tell_defs(leaf);
    if (def != leaf->def || leaf->defs.n > 0)
        rdl_buf_putc(&leaf->defs, (char)def);
    leaf->entries++;
    leaf->group.nulls += def != leaf->def;
}

void rdl_parquet_leaf_value(rdl_parquet_leaf *leaf, const rdl_vector *v, size_t row, unsigned rep)
{
    rdl_parquet_leaf_entry(leaf, rep, leaf->def);
    put_value(leaf, v, row);
}

static bool all_valid(const rdl_vector *v, size_t from, size_t n)
{
    for (size_t i = from; v->validity != NULL && i < from + n; i++) {
        if (i % 64 == 0 && i + 64 <= from + n && v->validity[i / 64] == UINT64_MAX)
            i += 63;
        else if (!rdl_vector_valid(v, i))
            return false;
    }
    return true;
}

static void put_texts(rdl_parquet_leaf *leaf, const rdl_vector *v, size_t from, size_t n)
{
    rdl_buf_reserve(&leaf->lengths, n * sizeof(uint32_t));
    for (size_t i = from; i < from + n; i++) {
        rdl_str s = rdl_vector_str(v, i);
        uint32_t length = (uint32_t)s.n;
        memcpy(leaf->lengths.p + leaf->lengths.n, &length, sizeof length);
        leaf->lengths.n += sizeof length;
        if (leaf->values.cap - leaf->values.n <= s.n)
            rdl_buf_reserve(&leaf->values, s.n);
        memcpy(leaf->values.p + leaf->values.n, s.p, s.n);
        leaf->values.n += s.n;
    }
}

void rdl_parquet_leaf_rows(rdl_parquet_leaf *leaf, const rdl_vector *v, size_t from, size_t n)
{
    size_t width = rdl_vector_width(leaf->type);
    bool alike = leaf->physical != RDL_PARQUET_FIXED && width == leaf->width;
    if (!alike || !all_valid(v, from, n)) {
        for (size_t i = from; i < from + n; i++) {
            if (rdl_vector_valid(v, i))
                rdl_parquet_leaf_value(leaf, v, i, 0);
            else
                rdl_parquet_leaf_entry(leaf, 0, 0);
        }
        return;
    }
    if (leaf->physical == RDL_PARQUET_BYTES)
        put_texts(leaf, v, from, n);
    else
        rdl_buf_put(&leaf->values, (const char *)v->data + from * width, n * width);
    if (leaf->defs.n > 0) {
        rdl_buf_reserve(&leaf->defs, n);
        memset(leaf->defs.p + leaf->defs.n, (int)leaf->def, n);
        leaf->defs.n += n;
    }
    leaf->entries += n;
    leaf->count += n;
}

/* ---- a dictionary ---- */

typedef struct known {
    const char *p;
    uint32_t n, index;
} known;

static uint32_t hash_of(const char *p, size_t n)
{
    if (n == 8 || n == 4) {
        uint64_t x = 0;
        memcpy(&x, p, n);
        x *= UINT64_C(0x9E3779B97F4A7C15);
        return (uint32_t)(x >> 32);
    }
    return (uint32_t)rdl_hash64(p, n);
}

static void put_entry(const rdl_parquet_leaf *leaf, rdl_buf *out, const char *p, uint32_t n)
{
    if (leaf->physical == RDL_PARQUET_BYTES)
        rdl_buf_put(out, &n, sizeof n);
    rdl_buf_put(out, p, n);
}

/* Most values are short: no call for them. */
static bool same_bytes(const char *a, const char *b, uint32_t n)
{
    uint64_t x, y;
    for (; n >= 8; n -= 8, a += 8, b += 8) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if (x != y)
            return false;
    }
    for (; n > 0; n--) {
        if (*a++ != *b++)
            return false;
    }
    return true;
}

static uint32_t index_of(const rdl_parquet_leaf *leaf,
                         rdl_parquet_scratch *s,
                         size_t mask,
                         const char *p,
                         uint32_t n,
                         uint32_t *distinct)
{
    known *slots = (known *)(void *)s->table.p;
    for (size_t at = hash_of(p, n) & mask;; at = (at + 1) & mask) {
        known *k = &slots[at];
        if (k->p == NULL) {
            *k = (known){p, n, (*distinct)++};
            put_entry(leaf, &s->dictionary, p, n);
            return k->index;
        }
        if (k->n == n && same_bytes(k->p, p, n))
            return k->index;
    }
}

static size_t plain_bytes(const rdl_parquet_leaf *leaf)
{
    return leaf->physical == RDL_PARQUET_BOOLEAN ? (leaf->count + 7) / 8
                                                 : leaf->values.n + leaf->lengths.n;
}

/* Indexes of all values into s->indexes and the values into s->dictionary; false: not worth it. */
static bool make_dictionary(const rdl_parquet_leaf *leaf,
                            rdl_parquet_scratch *s,
                            uint32_t *distinct)
{
    const uint32_t *lengths = (const uint32_t *)(const void *)leaf->lengths.p;
    size_t places = 16, most = leaf->count / 2 < DISTINCT_MAX ? leaf->count / 2 : DISTINCT_MAX;
    if (leaf->count < 4 || leaf->physical == RDL_PARQUET_BOOLEAN)
        return false;
    while (places < 2 * (most + 1))
        places *= 2;
    rdl_buf_clear(&s->table);
    rdl_buf_reserve(&s->table, places * sizeof(known));
    memset(s->table.p, 0, places * sizeof(known));
    rdl_buf_clear(&s->dictionary);
    rdl_buf_clear(&s->indexes);
    rdl_buf_reserve(&s->indexes, leaf->count * sizeof(uint32_t));
    uint32_t *indexes = (uint32_t *)(void *)s->indexes.p;
    const char *p = leaf->values.p;
    *distinct = 0;
    for (size_t i = 0; i < leaf->count; i++) {
        uint32_t n = leaf->width > 0 ? (uint32_t)leaf->width : lengths[i];
        indexes[i] = index_of(leaf, s, places - 1, p, n, distinct);
        if (*distinct > most || (i == DISTINCT_LOOK && *distinct > DISTINCT_LOOK / 2))
            return false;
        p += n;
    }
    size_t packed = leaf->count * rdl_parquet_bits(*distinct - 1) / 8;
    return s->dictionary.n + packed < plain_bytes(leaf);
}

/* ---- pages ---- */

static void put_levels(const rdl_buf *bytes, size_t entries, unsigned most, rdl_buf *page)
{
    uint32_t n = 0;
    size_t at = page->n;
    unsigned width = rdl_parquet_bits(most);
    rdl_buf_put(page, &n, sizeof n);
    if (bytes->n == 0) { /* all are the greatest: one run */
        for (uint64_t x = (uint64_t)entries << 1;; x >>= 7) {
            rdl_buf_putc(page, (char)(x < 128 ? x : x | 128));
            if (x < 128)
                break;
        }
        rdl_buf_putc(page, (char)most);
    } else {
        rdl_buf wide = {0};
        rdl_buf_reserve(&wide, entries * sizeof(uint32_t));
        uint32_t *v = (uint32_t *)(void *)wide.p;
        for (size_t i = 0; i < entries; i++)
            v[i] = (unsigned char)bytes->p[i];
        rdl_parquet_put_hybrid(page, v, entries, width);
        rdl_buf_fini(&wide);
    }
    n = (uint32_t)(page->n - at - sizeof n);
    memcpy(page->p + at, &n, sizeof n);
}

static void put_plain(const rdl_parquet_leaf *leaf, rdl_buf *page)
{
    if (leaf->physical == RDL_PARQUET_BOOLEAN) {
        for (size_t i = 0; i < leaf->count; i += 8) {
            unsigned bits = 0;
            for (size_t j = i; j < leaf->count && j < i + 8; j++)
                bits |= (unsigned)(leaf->values.p[j] != 0) << (j - i);
            rdl_buf_putc(page, (char)bits);
        }
        return;
    }
    if (leaf->physical != RDL_PARQUET_BYTES) {
        rdl_buf_put(page, leaf->values.p, leaf->values.n);
        return;
    }
    const uint32_t *lengths = (const uint32_t *)(const void *)leaf->lengths.p;
    const char *p = leaf->values.p;
    rdl_buf_reserve(page, leaf->values.n + leaf->lengths.n);
    char *to = page->p + page->n;
    for (size_t i = 0; i < leaf->count; p += lengths[i++]) {
        memcpy(to, &lengths[i], sizeof *lengths);
        memcpy(to + sizeof *lengths, p, lengths[i]);
        to += sizeof *lengths + lengths[i];
    }
    page->n = (size_t)(to - page->p);
    page->p[page->n] = '\0';
}

static rdl_code pack_snappy(const rdl_buf *page, rdl_buf *out, rdl_err *err)
{
    size_t n = snappy_max_compressed_length(page->n);
    rdl_buf_reserve(out, n);
    if (snappy_compress(rdl_buf_str(page), page->n, out->p, &n) != SNAPPY_OK)
        return rdl_err_set(err, RDL_EBUG, 0, "could not compress a page of %zu bytes", page->n);
    out->n = n;
    return RDL_OK;
}

static rdl_code
pack_page(rdl_parquet_scratch *s, int codec, const rdl_buf *page, rdl_err *err)
{
    rdl_buf_clear(&s->packed);
    if (codec == CODEC_SNAPPY)
        return pack_snappy(page, &s->packed, err);
    if (s->zstd == NULL && (s->zstd = ZSTD_createCCtx()) == NULL)
        return rdl_err_nomem(err);
    size_t room = ZSTD_compressBound(page->n);
    rdl_buf_reserve(&s->packed, room);
    size_t n = ZSTD_compressCCtx(s->zstd, s->packed.p, room, page->p, page->n, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        return rdl_err_set(err, RDL_ENOMEM, 0, "could not compress a page of %zu bytes: %s",
                           page->n, ZSTD_getErrorName(n));
    s->packed.n = n;
    return RDL_OK;
}

/* A page of `values` values with its header; *plain grows by its bytes before compression. */
static rdl_code put_page(rdl_parquet_scratch *s,
                         int codec,
                         int kind,
                         int encoding,
                         size_t values,
                         const rdl_buf *page,
                         rdl_buf *out,
                         uint64_t *plain,
                         rdl_err *err)
{
    if (page->n > INT32_MAX)
        return rdl_err_set(err, RDL_ELIMIT, 0, "a column of a row group has %zu bytes, more than %d",
                           page->n, INT32_MAX);
    RDL_TRY(pack_page(s, codec, page, err));
    rdl_thrift t = {.out = out};
    size_t at = out->n;
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)s->packed.p, (uInt)s->packed.n);
    rdl_thrift_i32(&t, 1, kind);
    rdl_thrift_i32(&t, 2, (int32_t)page->n);
    rdl_thrift_i32(&t, 3, (int32_t)s->packed.n);
    rdl_thrift_i32(&t, 4, (int32_t)crc);
    rdl_thrift_begin(&t, kind == PAGE_DATA ? 5 : 7);
    rdl_thrift_i32(&t, 1, (int32_t)values);
    rdl_thrift_i32(&t, 2, encoding);
    if (kind == PAGE_DATA) {
        rdl_thrift_i32(&t, 3, ENCODING_RLE);
        rdl_thrift_i32(&t, 4, ENCODING_RLE);
    }
    rdl_thrift_end(&t);
    rdl_thrift_end(&t);
    *plain += page->n + (out->n - at);
    rdl_buf_put(out, s->packed.p, s->packed.n);
    return RDL_OK;
}

typedef struct chunk_place {
    uint64_t dictionary, data, end; /* in the file; dictionary 0: none */
    uint64_t plain;
    int codec;
    bool by_index;
} chunk_place;

static void put_meta(const rdl_parquet_leaf *leaf, const chunk_place *at, rdl_thrift *meta)
{
    uint64_t start = at->by_index ? at->dictionary : at->data;
    rdl_thrift_open(meta);
    rdl_thrift_i64(meta, 2, (int64_t)start);
    rdl_thrift_begin(meta, 3);
    rdl_thrift_i32(meta, 1, leaf->physical);
    rdl_thrift_list(meta, 2, RDL_THRIFT_I32, at->by_index ? 3 : 2);
    rdl_thrift_zigzag(meta, ENCODING_PLAIN);
    rdl_thrift_zigzag(meta, ENCODING_RLE);
    if (at->by_index)
        rdl_thrift_zigzag(meta, ENCODING_DICTIONARY);
    rdl_thrift_list(meta, 3, RDL_THRIFT_TEXT, leaf->path_count);
    for (size_t i = 0; i < leaf->path_count; i++)
        rdl_thrift_bytes(meta, leaf->path[i]);
    rdl_thrift_i32(meta, 4, at->codec);
    rdl_thrift_i64(meta, 5, (int64_t)leaf->entries);
    rdl_thrift_i64(meta, 6, (int64_t)at->plain);
    rdl_thrift_i64(meta, 7, (int64_t)(at->end - start));
    rdl_thrift_i64(meta, 9, (int64_t)at->data);
    if (at->by_index)
        rdl_thrift_i64(meta, 11, (int64_t)at->dictionary);
    rdl_parquet_range_put(leaf, meta, 12);
    rdl_thrift_end(meta);
    rdl_thrift_end(meta);
}

rdl_code rdl_parquet_leaf_flush(rdl_parquet_leaf *leaf,
                                rdl_parquet_scratch *s,
                                uint64_t base,
                                rdl_buf *out,
                                rdl_thrift *meta,
                                uint64_t *plain,
                                rdl_err *err)
{
    uint32_t distinct = 0;
    chunk_place at = {.codec = plain_bytes(leaf) < ZSTD_FROM ? CODEC_SNAPPY : CODEC_ZSTD};
    at.by_index = make_dictionary(leaf, s, &distinct);
    rdl_parquet_range_of(leaf, at.by_index ? &s->dictionary : NULL);
    if (at.by_index) {
        at.dictionary = base + out->n;
        RDL_TRY(put_page(s, at.codec, PAGE_DICTIONARY, ENCODING_PLAIN, distinct,
                         &s->dictionary, out, &at.plain, err));
    }
    rdl_buf_clear(&s->page);
    if (leaf->rep > 0)
        put_levels(&leaf->reps, leaf->entries, leaf->rep, &s->page);
    if (leaf->def > 0)
        put_levels(&leaf->defs, leaf->entries, leaf->def, &s->page);
    if (at.by_index) {
        unsigned width = rdl_parquet_bits(distinct - 1);
        rdl_buf_putc(&s->page, (char)width);
        rdl_parquet_put_hybrid(&s->page, (const uint32_t *)(const void *)s->indexes.p,
                               leaf->count, width);
    } else {
        put_plain(leaf, &s->page);
    }
    at.data = base + out->n;
    RDL_TRY(put_page(s, at.codec, PAGE_DATA, at.by_index ? ENCODING_DICTIONARY : ENCODING_PLAIN,
                     leaf->entries, &s->page, out, &at.plain, err));
    at.end = base + out->n;
    put_meta(leaf, &at, meta);
    *plain += at.plain;
    new_group(leaf);
    return RDL_OK;
}
