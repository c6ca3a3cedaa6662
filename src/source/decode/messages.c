/*
 * source/decode/messages.c - records that came one by one: a topic's messages.
 *
 * They are parsed where they lie in their block, which lives until the epoch is sealed; each
 * payload ends in a NUL, which no token accepts (D2), so that scanning needs no bounds here either.
 * What is wrong with one message makes that one malformed.
 */
#include "source/decode/internal.h"

#include <stdio.h>

static rdl_put bad(rdl_worker *w, const char *at, const char *why)
{
    w->why = why;
    w->why_at = at;
    return RDL_PUT_BAD;
}

static rdl_put put_json(rdl_worker *w, const char *p, const char *end)
{
    const char *from = rdl_json_space(w, p);
    if (from == end)
        return bad(w, p, "the message is empty");
    const char *after = rdl_json_object(w, from);
    if (after == NULL)
        return RDL_PUT_BAD;
    after = rdl_json_space(w, after);
    return after == end ? RDL_PUT_OK : bad(w, after, "more follows the record in its message");
}

static void rescue_text(rdl_worker *w, rdl_str name, rdl_str text)
{
    rdl_buf_putc(&w->rescue, w->rescue.n == 0 ? '{' : ',');
    rdl_buf_put_json_text(&w->rescue, name);
    rdl_buf_putc(&w->rescue, ':');
    rdl_buf_put_json_text(&w->rescue, text);
}

/* Bytes into a column whole: a BLOB takes any, other types text that casts. */
static rdl_put put_bytes(rdl_worker *w, size_t c, rdl_str bytes, const char *not_text)
{
    rdl_node *node = &w->nodes[c];
    rdl_put_valid(node->v, w->row);
    if (node->type->kind == RDL_TYPE_BLOB) {
        rdl_put_string(node->v, w->row, bytes);
        return RDL_PUT_OK;
    }
    size_t sound = rdl_utf8_valid(bytes.p, bytes.n);
    if (sound < bytes.n)
        return bad(w, bytes.p + sound, not_text);
    if (rdl_put_text(w, node, w->row, bytes) != RDL_PUT_OK) {
        rdl_put_null(node, w->row);
        rescue_text(w, w->job->fields[c].name, bytes);
    }
    return RDL_PUT_OK;
}

static rdl_put put_whole(rdl_worker *w, const char *p, size_t n)
{
    for (size_t c = 0; c < w->job->field_count; c++) {
        if (w->job->fields[c].from == RDL_FROM_FIELD &&
            put_bytes(w, c, (rdl_str){p, n}, "a byte sequence is not UTF-8") != RDL_PUT_OK)
            return RDL_PUT_BAD;
    }
    return RDL_PUT_OK;
}

static rdl_put put_payload(rdl_worker *w, const rdl_record *r, const char *p)
{
    size_t n = (size_t)r->bytes;
    if (n > w->job->spec.record_bytes_max) {
        snprintf(w->why_text, sizeof w->why_text,
                 "the message has %zu bytes, over the limit of %llu", n,
                 (unsigned long long)w->job->spec.record_bytes_max);
        return bad(w, p, w->why_text);
    }
    switch (w->job->spec.format) {
    case RDL_DECODE_CSV:
        return rdl_csv_message(w, p, n);
    case RDL_DECODE_TEXT:
        return put_whole(w, p, n);
    default:
        return put_json(w, p, p + n);
    }
}

static rdl_put put_tombstone(rdl_worker *w, const char *p)
{
    if (!w->job->tombstones)
        return bad(w, p, "the message has no payload, and no column is FROM KEY or FROM TOMBSTONE");
    for (size_t c = 0; c < w->job->field_count; c++) {
        if (w->job->fields[c].from == RDL_FROM_FIELD)
            rdl_put_null(&w->nodes[c], w->row);
    }
    return RDL_PUT_OK;
}

static void put_number(const rdl_node *node, size_t row, int64_t value)
{
    if (node->type->kind == RDL_TYPE_INTEGER)
        RDL_VECTOR_AT(node->v, int32_t, row) = (int32_t)value;
    else
        RDL_VECTOR_AT(node->v, int64_t, row) = value;
}

static rdl_put put_headers(rdl_worker *w, size_t c, const rdl_record *r, const char *p)
{
    if (r->header_bytes == 0) {
        rdl_put_null(&w->nodes[c], w->row);
        return RDL_PUT_OK;
    }
    const char *from = p + (r->bytes > 0 ? r->bytes : 0) + 1;
    return put_bytes(w, c, (rdl_str){from, r->header_bytes}, "a header is not UTF-8");
}

/* What columns hold of the message beside its payload. */
static rdl_put put_around(rdl_worker *w, size_t c, const rdl_record *r, const char *p)
{
    const rdl_records *block = w->in->in.records;
    rdl_node *node = &w->nodes[c];
    rdl_put_valid(node->v, w->row);
    switch (w->job->fields[c].from) {
    case RDL_FROM_KEY:
        if (r->key_bytes >= 0)
            return put_bytes(w, c, (rdl_str){p - r->key_bytes, (size_t)r->key_bytes},
                             "the key is not UTF-8");
        rdl_put_null(node, w->row);
        break;
    case RDL_FROM_TIMESTAMP:
        RDL_VECTOR_AT(node->v, int64_t, w->row) = r->timestamp_us;
        if (r->timestamp_us == INT64_MIN)
            rdl_put_null(node, w->row);
        break;
    case RDL_FROM_HEADERS:
        return put_headers(w, c, r, p);
    case RDL_FROM_TOPIC:
        rdl_put_string(node->v, w->row, rdl_str_of(block->topic));
        break;
    case RDL_FROM_PARTITION:
        put_number(node, w->row, block->partition);
        break;
    case RDL_FROM_OFFSET:
        put_number(node, w->row, r->offset);
        break;
    case RDL_FROM_TOMBSTONE:
        RDL_VECTOR_AT(node->v, int8_t, w->row) = r->bytes < 0;
        break;
    case RDL_FROM_VALUE:
        if (r->bytes >= 0)
            return put_bytes(w, c, (rdl_str){p, (size_t)r->bytes}, "the message is not UTF-8");
        rdl_put_null(node, w->row);
        break;
    default:
        break;
    }
    return RDL_PUT_OK;
}

static rdl_put put_message(rdl_worker *w, const rdl_record *r, const char *p)
{
    const rdl_decode *j = w->job;
    rdl_put did = r->bytes < 0 ? put_tombstone(w, p) : put_payload(w, r, p);
    for (size_t c = 0; did == RDL_PUT_OK && j->value_count < j->field_count && c < j->field_count;
         c++) {
        if (j->fields[c].from != RDL_FROM_FIELD)
            did = put_around(w, c, r, p);
    }
    return did;
}

void rdl_message_rows(rdl_worker *w)
{
    const rdl_decode_input *in = &w->in->in;
    const rdl_record *v = in->records->v + in->first;
    while (w->message < in->count && w->row < RDL_VECTOR_ROWS) {
        const rdl_record *r = &v[w->message++];
        const char *p = in->records->bytes + r->at;
        size_t bytes = r->bytes > 0 ? (size_t)r->bytes : 0;
        w->record = (uint64_t)r->offset;
        w->base = (char *)(uintptr_t)p; /* so that a record lies "at" its offset */
        w->base_at = (uint64_t)r->offset;
        rdl_worker_mark(w);
        if (put_message(w, r, p) == RDL_PUT_OK)
            rdl_worker_accept(w, p, bytes);
        else
            rdl_worker_refuse(w, p, bytes, "offset");
        w->bytes_done += bytes;
    }
}
