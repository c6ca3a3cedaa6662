/*
 * source/decode/value.c - text into a vector by the column's type, as CAST would read it.
 *
 * Stricter than DuckDB where it would lose something: "1.5" is no INTEGER, and a timestamp
 * is a DATE only at midnight.  White space around numbers, booleans and times does not
 * matter. Text that stays text is not copied: it must live as long as the chunk (D1).
 */
#include "source/decode/internal.h"

#include "base/clock.h"

void rdl_put_valid(rdl_vector *v, size_t row)
{
    if (v->validity != NULL)
        v->validity[row >> 6] |= UINT64_C(1) << (row & 63);
}

void rdl_put_null(rdl_node *node, size_t row)
{
    rdl_vector *v = node->v;
    if (v->validity != NULL)
        v->validity[row >> 6] &= ~(UINT64_C(1) << (row & 63));
    else
        rdl_vector_set_null(v, row);
    if (node->type->kind == RDL_TYPE_STRUCT) {
        for (size_t i = 0; i < node->child_count; i++)
            rdl_put_null(&node->children[i], row);
    } else if (node->type->kind == RDL_TYPE_LIST || node->type->kind == RDL_TYPE_MAP) {
        RDL_VECTOR_AT(v, rdl_duck_list, row) = (rdl_duck_list){node->used, 0};
    }
}

char *rdl_worker_take(rdl_worker *w, size_t n)
{
    if ((size_t)(w->heap_end - w->heap_at) < n) {
        size_t block = n > 65536 ? n : 65536;
        char *p = rdl_arena_x(&w->heap, block);
        if (w->heap_block == NULL)
            w->heap_block = p;
        w->heap_at = p;
        w->heap_end = p + block;
    }
    char *p = w->heap_at;
    w->heap_at += n;
    return p;
}

bool rdl_node_grow(rdl_node *node, uint64_t need)
{
    if (need <= node->cap)
        return true;
    uint64_t cap = node->cap < RDL_VECTOR_ROWS ? RDL_VECTOR_ROWS : node->cap;
    while (cap < need)
        cap *= 2;
    if (!rdl_vector_list_reserve(node->v, cap))
        return false;
    node->cap = cap;
    return true;
}

static rdl_str trimmed(rdl_str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static rdl_put put_boolean(rdl_vector *v, size_t row, rdl_str s)
{
    static const char *const yes[] = {"true", "t", "1"}, *const no[] = {"false", "f", "0"};
    for (size_t i = 0; i < 3; i++) {
        if (rdl_str_eq_nocase(s, rdl_str_of(yes[i]))) {
            RDL_VECTOR_AT(v, int8_t, row) = 1;
            return RDL_PUT_OK;
        }
        if (rdl_str_eq_nocase(s, rdl_str_of(no[i]))) {
            RDL_VECTOR_AT(v, int8_t, row) = 0;
            return RDL_PUT_OK;
        }
    }
    return RDL_PUT_NOCAST;
}

static bool two(const char *p, unsigned *out)
{
    unsigned a = (unsigned char)(p[0] - '0'), b = (unsigned char)(p[1] - '0');
    *out = a * 10 + b;
    return a < 10 && b < 10;
}

/* YYYY-MM-DDTHH:MM:SSZ, by far the most common; anything else takes the general way. */
static bool quick_timestamp(rdl_str s, int64_t *out)
{
    static const uint8_t month_days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned century, year, month, day, hour, minute, second;
    const char *p = s.p;
    if (s.n != 20 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' ') || p[13] != ':' ||
        p[16] != ':' || p[19] != 'Z')
        return false;
    bool digits = two(p, &century) & two(p + 2, &year) & two(p + 5, &month) & two(p + 8, &day) &
                  two(p + 11, &hour) & two(p + 14, &minute) & two(p + 17, &second);
    if (!digits || month - 1 > 11 || day < 1 || day > month_days[month] || hour > 23 ||
        minute > 59 || second > 59)
        return false; /* the 29th of February also goes there */
    int64_t days = rdl_days_from_civil((int32_t)(century * 100 + year), month, day);
    *out = (days * 86400 + hour * 3600 + minute * 60 + second) * 1000000;
    return true;
}

static rdl_put put_timestamp(const rdl_worker *w, rdl_vector *v, size_t row, rdl_str s)
{
    rdl_str format = w->job->spec.timestamp_format;
    int64_t *to = &RDL_VECTOR_AT(v, int64_t, row);
    if (format.n > 0)
        return rdl_time_scan(format, s, to) ? RDL_PUT_OK : RDL_PUT_NOCAST;
    return quick_timestamp(s, to) || rdl_timestamp_parse(s.p, s.n, to) ? RDL_PUT_OK
                                                                       : RDL_PUT_NOCAST;
}

static rdl_put put_date(const rdl_worker *w, rdl_vector *v, size_t row, rdl_str s)
{
    const int64_t day_us = INT64_C(86400000000);
    rdl_str format = w->job->spec.date_format;
    int32_t *to = &RDL_VECTOR_AT(v, int32_t, row);
    int64_t us;
    if (format.n == 0 && rdl_date_parse(s.p, s.n, to))
        return RDL_PUT_OK;
    if (format.n > 0 ? !rdl_time_scan(format, s, &us) : !rdl_timestamp_parse(s.p, s.n, &us))
        return RDL_PUT_NOCAST;
    if (us % day_us != 0)
        return RDL_PUT_NOCAST;
    *to = (int32_t)(us / day_us);
    return RDL_PUT_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char l = (char)(c | 32);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

void rdl_put_string(rdl_vector *v, size_t row, rdl_str s)
{
    rdl_duck_string *to = &RDL_VECTOR_AT(v, rdl_duck_string, row);
    *to = (rdl_duck_string){{.n = (uint32_t)s.n}};
    if (s.n <= 12) {
        if (s.n > 0)
            memcpy(to->inlined, s.p, s.n);
        return;
    }
    memcpy(to->pointer.prefix, s.p, 4);
    to->pointer.p = s.p;
}

/* Bytes as DuckDB writes a BLOB in text: ASCII, and \xHH for the rest. */
static rdl_put put_blob(rdl_worker *w, rdl_vector *v, size_t row, rdl_str s)
{
    char *to = rdl_worker_take(w, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] & 0x80) != 0)
            return RDL_PUT_NOCAST;
        if (s.p[i] != '\\') {
            to[n++] = s.p[i];
            continue;
        }
        int high = i + 3 < s.n && s.p[i + 1] == 'x' ? hex_digit(s.p[i + 2]) : -1;
        int low = high >= 0 ? hex_digit(s.p[i + 3]) : -1;
        if (low < 0)
            return RDL_PUT_NOCAST;
        to[n++] = (char)(high * 16 + low);
        i += 3;
    }
    rdl_put_string(v, row, (rdl_str){to, n});
    return RDL_PUT_OK;
}

/* JSON, lists, maps and structs inside text: parsed from a copy that ends as D2 wants. */
static rdl_put put_inner_json(rdl_worker *w, rdl_node *node, size_t row, rdl_str s)
{
    bool before = w->multiline;
    unsigned depth = w->depth;
    char *text = rdl_worker_take(w, s.n + RDL_DECODE_PAD);
    if (s.n > 0)
        memcpy(text, s.p, s.n);
    memset(text + s.n, 0, RDL_DECODE_PAD);
    w->multiline = true;
    const char *from = rdl_json_space(w, text);
    const char *p = rdl_json_skip(w, from);
    bool sound = p != NULL && rdl_json_space(w, p) == text + s.n;
    if (sound && node->type->kind == RDL_TYPE_JSON)
        rdl_put_string(node->v, row, (rdl_str){from, (size_t)(p - from)});
    else if (sound)
        sound = rdl_json_put(w, node, row, from) != NULL;
    w->multiline = before;
    w->depth = depth;
    return sound ? RDL_PUT_OK : RDL_PUT_NOCAST;
}

rdl_put rdl_put_text(rdl_worker *w, rdl_node *node, size_t row, rdl_str text)
{
    rdl_vector *v = node->v;
    const rdl_type *type = node->type;
    int64_t i64 = 0;
    rdl_i128 wide;
    rdl_put did;
    if (type->kind == RDL_TYPE_TEXT) {
        rdl_put_string(v, row, text);
        return RDL_PUT_OK;
    }
    if (type->kind == RDL_TYPE_BLOB)
        return put_blob(w, v, row, text);
    rdl_str s = trimmed(text);
    switch (type->kind) {
    case RDL_TYPE_BOOLEAN:
        return put_boolean(v, row, s);
    case RDL_TYPE_INTEGER:
        did = rdl_number_integer(s.p, s.n, INT32_MIN, INT32_MAX, &i64);
        RDL_VECTOR_AT(v, int32_t, row) = (int32_t)i64;
        return did;
    case RDL_TYPE_BIGINT:
        did = rdl_number_integer(s.p, s.n, INT64_MIN, INT64_MAX, &i64);
        RDL_VECTOR_AT(v, int64_t, row) = i64;
        return did;
    case RDL_TYPE_DOUBLE:
        return rdl_number_double(s.p, s.n, w->job->c_locale, &RDL_VECTOR_AT(v, double, row));
    case RDL_TYPE_DECIMAL:
        did = rdl_number_decimal(s.p, s.n, type->precision, type->scale, &wide);
        if (did == RDL_PUT_OK)
            rdl_vector_set_decimal(v, row, wide);
        return did;
    case RDL_TYPE_DATE:
        return put_date(w, v, row, s);
    case RDL_TYPE_TIMESTAMPTZ:
        return put_timestamp(w, v, row, s);
    default:
        return put_inner_json(w, node, row, text);
    }
}
