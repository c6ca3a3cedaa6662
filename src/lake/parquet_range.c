/*
 * lake/parquet_range.c - the smallest and the greatest value of a column.
 *
 * A NaN anywhere leaves a column of doubles without bounds.  Zero is told as -0 below and +0
 * above, as Parquet asks.  A long text is cut for the lower bound, and is no upper bound.
 */
#include <math.h>

#include "lake/parquet_column.h"

enum { TEXT_MAX = 64 };

void rdl_parquet_range_fini(rdl_parquet_range *r)
{
    rdl_buf_fini(&r->text[0]);
    rdl_buf_fini(&r->text[1]);
}

void rdl_parquet_range_clear(rdl_parquet_range *r)
{
    r->any = r->nan = false;
    r->nulls = 0;
    rdl_buf_clear(&r->text[0]);
    rdl_buf_clear(&r->text[1]);
}

/* ---- of values ---- */

static void range_int32(rdl_parquet_leaf *leaf)
{
    const int32_t *v = (const int32_t *)(const void *)leaf->values.p;
    int32_t low = v[0], high = v[0];
    for (size_t i = 1; i < leaf->count; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
    }
    leaf->group.slot[0] = low;
    leaf->group.slot[1] = high;
}

static void range_int64(rdl_parquet_leaf *leaf)
{
    const int64_t *v = (const int64_t *)(const void *)leaf->values.p;
    int64_t low = v[0], high = v[0];
    for (size_t i = 1; i < leaf->count; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
    }
    leaf->group.slot[0] = low;
    leaf->group.slot[1] = high;
}

static void range_double(rdl_parquet_leaf *leaf)
{
    const double *v = (const double *)(const void *)leaf->values.p;
    double low = v[0], high = v[0];
    bool nan = isnan(v[0]);
    for (size_t i = 1; i < leaf->count; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
        nan |= isnan(v[i]);
    }
    leaf->group.nan = nan;
    low = low == 0 ? -0.0 : low;
    high = high == 0 ? 0.0 : high;
    memcpy(&leaf->group.slot[0], &low, sizeof low);
    memcpy(&leaf->group.slot[1], &high, sizeof high);
}

static void range_boolean(rdl_parquet_leaf *leaf)
{
    leaf->group.slot[0] = memchr(leaf->values.p, 0, leaf->count) == NULL;
    leaf->group.slot[1] = memchr(leaf->values.p, 1, leaf->count) != NULL;
}

static rdl_i128 wide_at(const char *p)
{
    rdl_u128 x = 0;
    for (size_t i = 0; i < sizeof x; i++)
        x = x << 8 | (unsigned char)p[i];
    return (rdl_i128)x;
}

static void range_fixed(rdl_parquet_leaf *leaf)
{
    leaf->group.slot[0] = leaf->group.slot[1] = wide_at(leaf->values.p);
    for (size_t i = 1; i < leaf->count; i++) {
        rdl_i128 x = wide_at(leaf->values.p + i * leaf->width);
        if (x < leaf->group.slot[0])
            leaf->group.slot[0] = x;
        if (x > leaf->group.slot[1])
            leaf->group.slot[1] = x;
    }
}

/* The first 8 bytes as a number that orders as they do; what is missing is zero. */
static uint64_t head_of(rdl_str s)
{
    uint64_t x = 0;
    if (s.n >= sizeof x) {
        memcpy(&x, s.p, sizeof x);
        return __builtin_bswap64(x);
    }
    for (size_t i = 0; i < s.n; i++)
        x |= (uint64_t)(unsigned char)s.p[i] << (56 - 8 * i);
    return x;
}

typedef struct bytes_range {
    rdl_str low, high;
    uint64_t low_head, high_head;
} bytes_range;

static void widen_bytes(bytes_range *r, rdl_str s)
{
    uint64_t head = head_of(s);
    if (head < r->low_head || (head == r->low_head && rdl_str_cmp(s, r->low) < 0)) {
        r->low = s;
        r->low_head = head;
    }
    if (head > r->high_head || (head == r->high_head && rdl_str_cmp(s, r->high) > 0)) {
        r->high = s;
        r->high_head = head;
    }
}

static bytes_range range_from(rdl_str s)
{
    return (bytes_range){s, s, head_of(s), head_of(s)};
}

/* Of the distinct values alone, where there is a dictionary: u32 length, bytes. */
static bytes_range range_dictionary(const rdl_buf *dictionary)
{
    bytes_range r = {0};
    for (size_t at = 0; at < dictionary->n;) {
        uint32_t n;
        memcpy(&n, dictionary->p + at, sizeof n);
        rdl_str s = {dictionary->p + at + sizeof n, n};
        if (at == 0)
            r = range_from(s);
        widen_bytes(&r, s);
        at += sizeof n + n;
    }
    return r;
}

static bytes_range range_plain(const rdl_parquet_leaf *leaf)
{
    const uint32_t *lengths = (const uint32_t *)(const void *)leaf->lengths.p;
    const char *p = leaf->values.p;
    bytes_range r = range_from((rdl_str){p, lengths[0]});
    for (size_t i = 0; i < leaf->count; p += lengths[i++])
        widen_bytes(&r, (rdl_str){p, lengths[i]});
    return r;
}

static void range_bytes(rdl_parquet_leaf *leaf, const rdl_buf *dictionary)
{
    bytes_range r = dictionary != NULL ? range_dictionary(dictionary) : range_plain(leaf);
    rdl_str low = r.low, high = r.high;
    rdl_buf_put(&leaf->group.text[0], low.p, low.n);
    rdl_buf_put(&leaf->group.text[1], high.p, high.n);
}

static void take_slots(const rdl_parquet_leaf *leaf, rdl_parquet_range *to)
{
    const rdl_parquet_range *from = &leaf->group;
    double now[2], next[2];
    if (leaf->physical != RDL_PARQUET_DOUBLE) {
        if (!to->any || from->slot[0] < to->slot[0])
            to->slot[0] = from->slot[0];
        if (!to->any || from->slot[1] > to->slot[1])
            to->slot[1] = from->slot[1];
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        memcpy(&now[i], &to->slot[i], sizeof now[i]);
        memcpy(&next[i], &from->slot[i], sizeof next[i]);
        if (!to->any || (i == 0 ? next[i] < now[i] : next[i] > now[i]))
            to->slot[i] = from->slot[i];
    }
}

static void take_texts(const rdl_parquet_range *from, rdl_parquet_range *to)
{
    for (size_t i = 0; i < 2; i++) {
        rdl_str now = {to->text[i].p, to->text[i].n}, next = {from->text[i].p, from->text[i].n};
        int order = to->any ? rdl_str_cmp(next, now) : 0;
        if (to->any && (i == 0 ? order >= 0 : order <= 0))
            continue;
        rdl_buf_clear(&to->text[i]);
        rdl_buf_put(&to->text[i], next.p, next.n);
    }
}

void rdl_parquet_range_of(rdl_parquet_leaf *leaf, const rdl_buf *dictionary)
{
    rdl_parquet_range *group = &leaf->group;
    leaf->file.nulls += group->nulls;
    if (leaf->count == 0)
        return;
    switch (leaf->physical) {
    case RDL_PARQUET_BOOLEAN:
        range_boolean(leaf);
        break;
    case RDL_PARQUET_INT32:
        range_int32(leaf);
        break;
    case RDL_PARQUET_INT64:
        range_int64(leaf);
        break;
    case RDL_PARQUET_DOUBLE:
        range_double(leaf);
        break;
    case RDL_PARQUET_FIXED:
        range_fixed(leaf);
        break;
    case RDL_PARQUET_BYTES:
        range_bytes(leaf, dictionary);
        take_texts(group, &leaf->file);
        break;
    }
    if (leaf->physical != RDL_PARQUET_BYTES)
        take_slots(leaf, &leaf->file);
    group->any = leaf->file.any = true;
    leaf->file.nan |= group->nan;
}

/* ---- told ---- */

/* Where a character begins, at or before `most`. */
static size_t cut(rdl_str s, size_t most)
{
    size_t n = most;
    while (n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    return n;
}

static void put_bytes_bound(const rdl_parquet_range *r, rdl_thrift *meta, bool max)
{
    rdl_str s = {r->text[max].p, r->text[max].n};
    bool whole = s.n <= TEXT_MAX;
    if (whole)
        rdl_thrift_text(meta, max ? 5 : 6, s);
    else if (!max)
        rdl_thrift_text(meta, 6, (rdl_str){s.p, cut(s, TEXT_MAX)});
}

static void put_slot_bound(const rdl_parquet_leaf *leaf, rdl_thrift *meta, bool max)
{
    char bytes[16];
    const rdl_i128 x = leaf->group.slot[max];
    size_t n = leaf->width;
    memcpy(bytes, &x, sizeof bytes);
    if (leaf->physical == RDL_PARQUET_FIXED) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)((rdl_u128)x >> (8 * (sizeof bytes - 1 - i)));
    }
    rdl_thrift_text(meta, max ? 5 : 6, (rdl_str){bytes, n});
}

void rdl_parquet_range_put(const rdl_parquet_leaf *leaf, rdl_thrift *meta, int number)
{
    const rdl_parquet_range *r = &leaf->group;
    bool told = r->any && !r->nan && leaf->path_count == 1;
    rdl_thrift_begin(meta, number);
    rdl_thrift_i64(meta, 3, (int64_t)r->nulls);
    for (int max = 1; told && max >= 0; max--) {
        if (leaf->physical == RDL_PARQUET_BYTES)
            put_bytes_bound(r, meta, max == 1);
        else
            put_slot_bound(leaf, meta, max == 1);
    }
    rdl_thrift_end(meta);
}

bool rdl_parquet_range_text(const rdl_parquet_leaf *leaf, bool max, rdl_buf *out)
{
    const rdl_parquet_range *r = &leaf->file;
    if (!r->any || r->nan)
        return false;
    if (leaf->physical == RDL_PARQUET_BYTES) {
        rdl_buf_put(out, r->text[max].p, r->text[max].n);
        return true;
    }
    /* Little-endian and two's complement: the low bytes are the value in any narrower type. */
    rdl_i128 slot = r->slot[max];
    const rdl_vector v = {.type = leaf->type, .data = &slot};
    rdl_vector_print(&v, 0, out);
    return true;
}
