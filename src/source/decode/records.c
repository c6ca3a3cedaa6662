/*
 * source/decode/records.c - the records of a window of JSON: lines, or elements of an
 * array.
 *
 * LINES   A record is a line that is not blank.  What cannot be parsed is malformed up to
 * the end of its line, so that one bad line never takes the next one with it. ARRAY   A
 * record is an element.  What cannot be parsed is malformed up to the next ',' or ']' that
 * is outside of its brackets and quotes; when there is none, up to the end.
 */
#include "source/decode/internal.h"

#include <stdio.h>

/* Columns of a file's record that are no fields: its bytes; a file has no keys, headers or
 * times. */
static void put_around_record(rdl_worker *w, const char *p, size_t bytes)
{
    for (size_t c = 0; c < w->job->field_count; c++) {
        rdl_node *node = &w->nodes[c];
        if (w->job->fields[c].from == RDL_FROM_FIELD)
            continue;
        rdl_put_valid(node->v, w->row);
        if (w->job->fields[c].from == RDL_FROM_VALUE)
            rdl_put_string(node->v, w->row, (rdl_str){p, bytes});
        else if (w->job->fields[c].from == RDL_FROM_TOMBSTONE)
            RDL_VECTOR_AT(node->v, int8_t, w->row) = false;
        else
            rdl_put_null(node, w->row);
    }
}

void rdl_worker_accept(rdl_worker *w, const char *p, size_t bytes)
{
    size_t row = w->row;
    if (w->job->value_count < w->job->field_count && !w->job->of_messages)
        put_around_record(w, p, bytes);
    if (w->offset != NULL)
        RDL_VECTOR_AT(w->offset, int64_t, row) = (int64_t)w->record;
    if (w->record_at != NULL)
        RDL_VECTOR_AT(w->record_at, int64_t, row) = (int64_t)(w->base_at + (uint64_t)(p - w->base));
    if (w->record_bytes != NULL)
        RDL_VECTOR_AT(w->record_bytes, int32_t, row) = (int32_t)bytes;
    if (w->rescue.n > 0) {
        rdl_buf_putc(&w->rescue, '}');
        if (w->rescued != NULL)
            rdl_vector_set_str(w->rescued, row, w->rescue.p, w->rescue.n);
        rdl_buf_clear(&w->rescue);
        w->rescued_done++;
    } else if (w->rescued != NULL) {
        if (w->rescued->validity != NULL)
            w->rescued->validity[row >> 6] &= ~(UINT64_C(1) << (row & 63));
        else
            rdl_vector_set_null(w->rescued, row);
    }
    w->rows_done++;
    w->row++;
    w->record++;
}

static void undo_row(rdl_worker *w)
{
    for (size_t i = 0; i < w->job->field_count; i++) {
        rdl_put_valid(w->nodes[i].v, w->row);
        if (w->job->nested)
            w->nodes[i].used = w->marks[i];
    }
    rdl_buf_clear(&w->rescue);
}

void rdl_worker_refuse(rdl_worker *w, const char *p, size_t bytes, const char *unit)
{
    char reason[160], place[40];
    uint64_t number = unit[0] == 'l' ? w->line + 1 : w->record + (unit[0] == 'e');
    int64_t byte = w->why_at - p;
    undo_row(w);
    if (byte < 0 || (uint64_t)byte > bytes)
        byte = 0;
    snprintf(place, sizeof place, "%s %llu, ", unit, (unsigned long long)number);
    /* A range that starts inside the file does not know the file's lines. */
    bool counted = unit[0] != 'l' || w->in->in.begin == 0;
    snprintf(reason, sizeof reason, "%.40sbyte %lld: %.90s", counted ? place : "",
             (long long)byte + 1, w->why);
    rdl_worker_malformed(w, w->base_at + (uint64_t)(p - w->base), p,
                         bytes < RDL_DECODE_KEPT_MAX ? bytes : RDL_DECODE_KEPT_MAX, bytes, reason);
    w->record++;
}

static bool too_large(rdl_worker *w, const char *p, size_t bytes)
{
    if (bytes <= w->job->spec.record_bytes_max)
        return false;
    snprintf(w->why_text, sizeof w->why_text, "the record has %zu bytes, over the limit of %llu",
             bytes, (unsigned long long)w->job->spec.record_bytes_max);
    w->why = w->why_text;
    w->why_at = p;
    return true;
}

void rdl_worker_mark(rdl_worker *w)
{
    for (size_t i = 0; w->job->nested && i < w->job->field_count; i++)
        w->marks[i] = w->nodes[i].used;
}

/* The line's end after a record that ends at p: its newline, or NULL and why. */
static const char *line_end(rdl_worker *w, const char *from, const char *end)
{
    if (end == NULL)
        return NULL;
    const char *p = rdl_json_space(w, end);
    if (*p != '\n') {
        w->why = "more follows the record on its line";
        w->why_at = p;
        return NULL;
    }
    return too_large(w, from, (size_t)(end - from)) ? NULL : p;
}

rdl_code rdl_json_lines(rdl_worker *w, rdl_err *err)
{
    (void)err;
    const char *line = w->p;
    while (line < w->stop && w->row < RDL_VECTOR_ROWS) {
        const char *p = *line > ' ' ? line : rdl_json_space(w, line);
        if (*p == '\n') {
            w->line++;
            line = p + 1;
            continue;
        }
        rdl_worker_mark(w);
        const char *end = rdl_json_object(w, p);
        const char *nl = line_end(w, p, end);
        if (nl != NULL) {
            rdl_worker_accept(w, p, (size_t)(end - p));
        } else {
            nl = memchr(line, '\n', (size_t)(w->stop - line));
            const char *last = nl > line && nl[-1] == '\r' ? nl - 1 : nl;
            rdl_worker_refuse(w, line, (size_t)(last - line), "line");
        }
        w->line++;
        line = nl + 1;
    }
    w->p = line;
    return RDL_OK;
}

/* ---- array ---- */

/* The ',' or ']' outside of brackets and quotes from p on; NULL when there is none. */
static const char *separator(const char *p, const char *stop)
{
    uint64_t depth = 0;
    for (bool quoted = false; p < stop; p++) {
        if (quoted) {
            if (*p == '\\' && p + 1 < stop)
                p++;
            else if (*p == '"')
                quoted = false;
            continue;
        }
        if (depth == 0 && (*p == ',' || *p == ']'))
            return p;
        if (*p == '"')
            quoted = true;
        else if (*p == '{' || *p == '[')
            depth++;
        else if ((*p == '}' || *p == ']') && depth > 0)
            depth--;
    }
    return NULL;
}

static size_t without_space(const char *p, const char *end)
{
    while (end > p && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t'))
        end--;
    return (size_t)(end - p);
}

/* What lies at p is no element.  Gives the byte after it, or NULL: read on. */
static const char *refuse_element(rdl_worker *w, const char *p)
{
    const char *end = separator(p, w->stop);
    if (end == NULL && !w->eof) {
        undo_row(w);
        return NULL;
    }
    if (end == NULL) {
        end = w->stop;
        w->array_state = RDL_ARRAY_CLOSED;
    } else {
        w->array_state = RDL_ARRAY_AFTER;
    }
    rdl_worker_refuse(w, p, without_space(p, end), "element");
    return end;
}

static const char *take_element(rdl_worker *w, const char *p)
{
    rdl_worker_mark(w);
    const char *end = rdl_json_object(w, p);
    if (end == NULL || too_large(w, p, (size_t)(end - p)))
        return refuse_element(w, p);
    w->array_state = RDL_ARRAY_AFTER;
    rdl_worker_accept(w, p, (size_t)(end - p));
    return end;
}

static const char *complain(rdl_worker *w, const char *p, const char *why)
{
    w->why = why;
    w->why_at = p;
    return refuse_element(w, p);
}

/* The window is parsed: an array that ends without its bracket has lost something. */
static void end_of_array(rdl_worker *w)
{
    if (!w->eof || w->array_state == RDL_ARRAY_CLOSED)
        return;
    w->array_state = RDL_ARRAY_CLOSED;
    w->why = "the array is not closed by ']'";
    w->why_at = w->stop;
    rdl_worker_refuse(w, w->stop, 0, "element");
}

static const char *step_array(rdl_worker *w, const char *p)
{
    switch (w->array_state) {
    case RDL_ARRAY_BEFORE: /* told by this byte that it is an array */
        w->array_state = RDL_ARRAY_OPEN;
        return p + 1;
    case RDL_ARRAY_OPEN:
    case RDL_ARRAY_ELEMENT:
        if (*p == ']' && w->array_state == RDL_ARRAY_OPEN) {
            w->array_state = RDL_ARRAY_CLOSED;
            return p + 1;
        }
        return take_element(w, p);
    case RDL_ARRAY_AFTER:
        if (*p == ',' || *p == ']') {
            w->array_state = *p == ',' ? RDL_ARRAY_ELEMENT : RDL_ARRAY_CLOSED;
            return p + 1;
        }
        return complain(w, p, "',' or ']' is expected after an element");
    default:
        if (!w->eof)
            return NULL;
        w->why = "more follows the array";
        w->why_at = p;
        rdl_worker_refuse(w, p, without_space(p, w->stop), "element");
        return w->stop;
    }
}

rdl_code rdl_json_array(rdl_worker *w, rdl_err *err)
{
    (void)err;
    for (;;) {
        w->p = rdl_json_space(w, w->p);
        if (w->p >= w->stop) {
            w->p = w->stop;
            end_of_array(w);
            return RDL_OK;
        }
        if (w->row == RDL_VECTOR_ROWS)
            return RDL_OK;
        const char *next = step_array(w, w->p);
        if (next == NULL) {
            w->hungry = true;
            return RDL_OK;
        }
        w->p = next;
    }
}
