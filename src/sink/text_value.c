/*
 * sink/text_value.c - text back into vectors; see the header.
 *
 *   scalar  as rdl_vector_print writes it
 *   LIST    [v, ...]   MAP {"key": v, ...}   STRUCT {"field": v, ...}, fields in order
 *   BLOB    \xHH for bytes that are not plain, as DuckDB prints it
 */
#include "sink/text_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

typedef struct reader {
    const char *p, *end;
} reader;

static bool read_value(reader *r, rdl_vector *v, size_t row, rdl_text_slot *s);

/* ---- slots ---- */

void rdl_text_slot_init(rdl_arena *a, const rdl_type *t, rdl_text_slot *out)
{
    size_t n = rdl_type_child_count(t);
    *out = (rdl_text_slot){0};
    if (n == 0)
        return;
    out->children = RDL_NEWN(a, rdl_text_slot, n);
    for (size_t i = 0; i < n; i++)
        rdl_text_slot_init(a, rdl_type_child(t, i), &out->children[i]);
}

void rdl_text_slot_reset(const rdl_type *t, rdl_text_slot *s)
{
    s->used = s->room = 0;
    for (size_t i = 0; i < rdl_type_child_count(t); i++)
        rdl_text_slot_reset(rdl_type_child(t, i), &s->children[i]);
}

void rdl_text_slot_finish(rdl_vector *v, const rdl_text_slot *s)
{
    if (v->type->kind == RDL_TYPE_LIST || v->type->kind == RDL_TYPE_MAP)
        rdl_vector_list_set_size(v, s->used);
    for (size_t i = 0; i < v->child_count; i++)
        rdl_text_slot_finish(&v->children[i], &s->children[i]);
}

bool rdl_text_slot_reserve(rdl_vector *v, rdl_text_slot *s, size_t n)
{
    if (s->used + n <= s->room)
        return true;
    size_t room = s->room != 0 ? 2 * s->room : RDL_VECTOR_ROWS;
    if (room < s->used + n)
        room = s->used + n;
    if (!rdl_vector_list_reserve(v, room))
        return false;
    s->room = room;
    return true;
}

/* ---- scalars ---- */

static bool read_int(rdl_str s, int64_t least, int64_t most, int64_t *out)
{
    rdl_i128 x = 0;
    size_t at = s.n != 0 && s.p[0] == '-' ? 1 : 0;
    if (at == s.n || s.n - at > 19)
        return false;
    for (size_t i = at; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        x = 10 * x + (s.p[i] - '0');
    }
    if (at == 1)
        x = -x;
    if (x < least || x > most)
        return false;
    *out = (int64_t)x;
    return true;
}

static bool read_double(rdl_str s, double *out)
{
    char text[64], *end;
    if (rdl_str_eq(s, RDL_STR("nan"))) {
        *out = NAN;
        return true;
    }
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *out = strtod(text, &end);
    return end == text + s.n;
}

/* Digits and one point; as many decimals as the scale or fewer. */
static bool read_decimal(rdl_str s, const rdl_type *t, rdl_i128 *out)
{
    rdl_i128 x = 0;
    size_t at = s.n != 0 && s.p[0] == '-' ? 1 : 0, digits = 0;
    unsigned after = 0;
    bool point = false;
    for (size_t i = at; i < s.n; i++) {
        if (s.p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (s.p[i] < '0' || s.p[i] > '9' || (point && after == t->scale))
            return false;
        after += point ? 1 : 0;
        x = 10 * x + (s.p[i] - '0');
        if (x != 0 && ++digits > t->precision)
            return false;
    }
    if (s.n == at)
        return false;
    for (; after < t->scale; after++) {
        x *= 10;
        if (x != 0 && ++digits > t->precision)
            return false;
    }
    *out = at == 1 ? -x : x;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_blob(rdl_str s, rdl_vector *v, size_t row)
{
    rdl_buf bytes = {0};
    bool ok = true;
    for (size_t i = 0; i < s.n && ok; i++) {
        if (s.p[i] != '\\') {
            rdl_buf_putc(&bytes, s.p[i]);
            continue;
        }
        ok = i + 3 < s.n && s.p[i + 1] == 'x' && hex(s.p[i + 2]) >= 0 && hex(s.p[i + 3]) >= 0;
        if (ok)
            rdl_buf_putc(&bytes, (char)(hex(s.p[i + 2]) * 16 + hex(s.p[i + 3])));
        i += 3;
    }
    if (ok)
        rdl_vector_set_str(v, row, rdl_buf_str(&bytes), bytes.n);
    rdl_buf_fini(&bytes);
    return ok;
}

/* The two ends of a DATE or TIMESTAMPTZ. */
static int infinite(rdl_str s)
{
    if (rdl_str_eq(s, RDL_STR("infinity")))
        return 1;
    return rdl_str_eq(s, RDL_STR("-infinity")) ? -1 : 0;
}

static bool read_date(rdl_str s, rdl_vector *v, size_t row)
{
    int sign = infinite(s);
    int32_t days = sign * INT32_MAX;
    if (sign == 0 && !rdl_date_parse(s.p, s.n, &days))
        return false;
    RDL_VECTOR_AT(v, int32_t, row) = days;
    return true;
}

static bool read_timestamp(rdl_str s, rdl_vector *v, size_t row)
{
    int sign = infinite(s);
    int64_t us = sign * INT64_MAX;
    if (sign == 0 && !rdl_timestamp_parse(s.p, s.n, &us))
        return false;
    RDL_VECTOR_AT(v, int64_t, row) = us;
    return true;
}

static bool read_scalar(rdl_str s, rdl_vector *v, size_t row)
{
    int64_t x = 0;
    rdl_i128 d = 0;
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        if (!rdl_str_eq(s, RDL_STR("true")) && !rdl_str_eq(s, RDL_STR("false")))
            return false;
        RDL_VECTOR_AT(v, int8_t, row) = s.n == 4;
        return true;
    case RDL_TYPE_INTEGER:
        if (!read_int(s, INT32_MIN, INT32_MAX, &x))
            return false;
        RDL_VECTOR_AT(v, int32_t, row) = (int32_t)x;
        return true;
    case RDL_TYPE_BIGINT:
        return read_int(s, INT64_MIN, INT64_MAX, &RDL_VECTOR_AT(v, int64_t, row));
    case RDL_TYPE_DOUBLE:
        return read_double(s, &RDL_VECTOR_AT(v, double, row));
    case RDL_TYPE_DECIMAL:
        if (!read_decimal(s, v->type, &d))
            return false;
        rdl_vector_set_decimal(v, row, d);
        return true;
    case RDL_TYPE_DATE:
        return read_date(s, v, row);
    case RDL_TYPE_TIMESTAMPTZ:
        return read_timestamp(s, v, row);
    case RDL_TYPE_BLOB:
        return read_blob(s, v, row);
    default: /* TEXT, JSON */
        rdl_vector_set_str(v, row, s.p, s.n);
        return true;
    }
}

/* ---- JSON ---- */

static void skip_space(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool take(reader *r, char c)
{
    skip_space(r);
    if (r->p >= r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static void put_utf8(rdl_buf *out, uint32_t c)
{
    if (c < 0x80) {
        rdl_buf_putc(out, (char)c);
    } else if (c < 0x800) {
        rdl_buf_putc(out, (char)(0xC0 | c >> 6));
        rdl_buf_putc(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        rdl_buf_putc(out, (char)(0xE0 | c >> 12));
        rdl_buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
        rdl_buf_putc(out, (char)(0x80 | (c & 63)));
    } else {
        rdl_buf_putc(out, (char)(0xF0 | c >> 18));
        rdl_buf_putc(out, (char)(0x80 | (c >> 12 & 63)));
        rdl_buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
        rdl_buf_putc(out, (char)(0x80 | (c & 63)));
    }
}

static bool read_hex4(reader *r, uint32_t *out)
{
    uint32_t c = 0;
    if (r->end - r->p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex(*r->p++);
        if (digit < 0)
            return false;
        c = c << 4 | (uint32_t)digit;
    }
    *out = c;
    return true;
}

static bool read_escape(reader *r, rdl_buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c = 0, low = 0;
    if (r->p >= r->end)
        return false;
    char e = *r->p++;
    const char *known = e != '\0' ? strchr(from, e) : NULL;
    if (known != NULL) {
        rdl_buf_putc(out, to[known - from]);
        return true;
    }
    if (e != 'u' || !read_hex4(r, &c))
        return false;
    if (c >= 0xD800 && c < 0xDC00) {
        if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
            return false;
        r->p += 2;
        if (!read_hex4(r, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    put_utf8(out, c);
    return true;
}

static bool read_string(reader *r, rdl_buf *out)
{
    if (!take(r, '"'))
        return false;
    while (r->p < r->end && *r->p != '"') {
        if (*r->p != '\\')
            rdl_buf_putc(out, *r->p++);
        else if (r->p++, !read_escape(r, out))
            return false;
    }
    return take(r, '"');
}

/* The bytes of one value, whatever it is: brackets balance outside strings. */
static bool read_span(reader *r, rdl_str *out)
{
    int depth = 0;
    bool text = false;
    skip_space(r);
    const char *from = r->p;
    for (; r->p < r->end; r->p++) {
        char c = *r->p;
        if (text) {
            if (c == '\\' && r->p + 1 < r->end)
                r->p++;
            else if (c == '"')
                text = false;
        } else if (c == '"') {
            text = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ',' || c == ']' || c == '}') {
            if (depth == 0)
                break;
            depth -= c != ',' ? 1 : 0;
        }
    }
    *out = (rdl_str){from, (size_t)(r->p - from)};
    return out->n != 0 && depth == 0 && !text;
}

static bool read_list(reader *r, rdl_vector *v, size_t row, rdl_text_slot *s)
{
    size_t from = s->used;
    if (!take(r, '['))
        return false;
    bool more = !take(r, ']');
    while (more) {
        if (!rdl_text_slot_reserve(v, s, 1) ||
            !read_value(r, &v->children[0], s->used++, &s->children[0]))
            return false;
        more = take(r, ',');
        if (!more && !take(r, ']'))
            return false;
    }
    RDL_VECTOR_AT(v, rdl_duck_list, row) = (rdl_duck_list){from, s->used - from};
    return true;
}

static bool read_entry(reader *r, rdl_vector *v, size_t at, rdl_text_slot *s)
{
    rdl_buf key = {0};
    bool ok =
        read_string(r, &key) && take(r, ':') &&
        rdl_text_read((rdl_str){rdl_buf_str(&key), key.n}, &v->children[0], at, &s->children[0]) &&
        read_value(r, &v->children[1], at, &s->children[1]);
    rdl_buf_fini(&key);
    return ok;
}

static bool read_map(reader *r, rdl_vector *v, size_t row, rdl_text_slot *s)
{
    size_t from = s->used;
    if (!take(r, '{'))
        return false;
    bool more = !take(r, '}');
    while (more) {
        if (!rdl_text_slot_reserve(v, s, 1) || !read_entry(r, v, s->used++, s))
            return false;
        more = take(r, ',');
        if (!more && !take(r, '}'))
            return false;
    }
    RDL_VECTOR_AT(v, rdl_duck_list, row) = (rdl_duck_list){from, s->used - from};
    return true;
}

static bool read_struct(reader *r, rdl_vector *v, size_t row, rdl_text_slot *s)
{
    rdl_buf name = {0};
    bool ok = take(r, '{');
    for (size_t i = 0; i < v->child_count && ok; i++) {
        rdl_buf_clear(&name);
        ok = (i == 0 || take(r, ',')) && read_string(r, &name) && take(r, ':') &&
             rdl_str_eq_nocase((rdl_str){rdl_buf_str(&name), name.n}, v->type->field_names[i]) &&
             read_value(r, &v->children[i], row, &s->children[i]);
    }
    rdl_buf_fini(&name);
    return ok && take(r, '}');
}

static bool read_quoted(reader *r, rdl_vector *v, size_t row)
{
    rdl_buf text = {0};
    bool ok = read_string(r, &text) && read_scalar((rdl_str){rdl_buf_str(&text), text.n}, v, row);
    rdl_buf_fini(&text);
    return ok;
}

static bool read_value(reader *r, rdl_vector *v, size_t row, rdl_text_slot *s)
{
    rdl_str span;
    skip_space(r);
    if (v->type->kind != RDL_TYPE_JSON && r->p < r->end && *r->p == '"')
        return read_quoted(r, v, row);
    if (r->end - r->p >= 4 && memcmp(r->p, "null", 4) == 0) {
        r->p += 4;
        rdl_vector_set_null(v, row);
        return true;
    }
    switch (v->type->kind) {
    case RDL_TYPE_LIST:
        return read_list(r, v, row, s);
    case RDL_TYPE_MAP:
        return read_map(r, v, row, s);
    case RDL_TYPE_STRUCT:
        return read_struct(r, v, row, s);
    default:
        if (!read_span(r, &span))
            return false;
        while (span.n != 0 && v->type->kind != RDL_TYPE_JSON && span.p[span.n - 1] == ' ')
            span.n--;
        return read_scalar(span, v, row);
    }
}

bool rdl_text_read(rdl_str text, rdl_vector *v, size_t row, rdl_text_slot *s)
{
    if (v->child_count == 0)
        return read_scalar(text, v, row);
    reader r = {text.p, text.p + text.n};
    if (!read_value(&r, v, row, s))
        return false;
    skip_space(&r);
    return r.p == r.end;
}

rdl_code rdl_text_slots_flush(rdl_chunk *chunk, rdl_text_slot *slots,
                              rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err),
                              void *arg, rdl_err *err)
{
    if (chunk->rows == 0)
        return RDL_OK;
    for (size_t i = 0; i < chunk->n; i++)
        rdl_text_slot_finish(&chunk->v[i], &slots[i]);
    RDL_TRY(visit(arg, chunk, err));
    rdl_chunk_reset(chunk);
    for (size_t i = 0; i < chunk->n; i++)
        rdl_text_slot_reset(chunk->v[i].type, &slots[i]);
    return RDL_OK;
}
