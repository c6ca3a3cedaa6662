/*
 * source/decode/csv.c - CSV as RFC 4180 has it, into rows.
 *
 * A field that starts with the quote ends at the next quote that is not doubled (or
 * escaped), and may hold delimiters and line breaks; a quote inside a field that does not
 * start with one, and text after a closing quote, are malformed.  Lines end in LF or CRLF;
 * a CR elsewhere is text.  Columns are found by the header's names, exactly, else without
 * regard to case.
 *
 * A record whose quotes are out of order is malformed up to the end of its first line only,
 * so that one stray quote does not swallow the records after it.  A record with the wrong
 * number of fields is malformed as a whole.
 */
#include "source/decode/internal.h"

#include <stdio.h>

#include "source/decode/scan.h"

static rdl_put bad(rdl_worker *w, const char *at, const char *why)
{
    w->why = why;
    w->why_at = at;
    return RDL_PUT_BAD;
}

/* After a quoted field's opening quote: its closing one.  NULL: not in the window. */
static const char *closing_quote(const rdl_worker *w, const char *p, bool *escaped)
{
    const char quote = w->job->spec.quote, escape = w->job->spec.escape;
    for (;; p += 2) {
        const char *q = memchr(p, quote, (size_t)(w->stop - p));
        const char *e = NULL;
        if (escape != quote)
            e = memchr(p, escape, (size_t)((q != NULL ? q : w->stop) - p));
        if (e != NULL) {
            *escaped = true;
            p = e;
            if (p + 2 > w->stop)
                return NULL;
            continue;
        }
        if (q == NULL || escape != quote || q + 1 >= w->stop || q[1] != quote)
            return q;
        *escaped = true;
        p = q;
    }
}

/* The field at p; *next is its delimiter, line end or the window's end. */
static rdl_put quoted_field(rdl_worker *w, const char *p, rdl_csv_field *f, const char **next)
{
    *f = (rdl_csv_field){.p = p + 1, .quoted = true};
    const char *q = closing_quote(w, p + 1, &f->escaped);
    if (q == NULL)
        return w->eof ? bad(w, p, "a quoted field is not closed") : RDL_PUT_MORE;
    if (q + 1 >= w->stop && !w->eof)
        return RDL_PUT_MORE;
    f->n = (uint32_t)(q - f->p);
    *next = q + 1;
    return RDL_PUT_OK;
}

static rdl_put plain_field(rdl_worker *w, const char *p, rdl_csv_field *f, const char **next)
{
    const rdl_decode_spec *spec = &w->job->spec;
    bool high = false;
    *f = (rdl_csv_field){.p = p};
    for (;; p++) {
        p = rdl_scan_csv(p, spec->delimiter, spec->quote, &high);
        if (*p == spec->delimiter || *p == '\n')
            break;
        if (*p == '\r' && p[1] == '\n')
            break;
        if (p >= w->stop)
            break;
        if (*p == '\r' && p + 1 >= w->stop && !w->eof)
            return RDL_PUT_MORE;
        if (*p == spec->quote && spec->quote != '\0')
            return bad(w, p, "a quote stands inside a field that does not start with one");
    }
    if (p >= w->stop && !w->eof)
        return RDL_PUT_MORE;
    p = p > w->stop ? w->stop : p;
    f->n = (uint32_t)(p - f->p);
    *next = p;
    return RDL_PUT_OK;
}

/* A record into w->csv; *next is the start of the one after it. */
static rdl_put split_record(rdl_worker *w, const char *p, const char **next)
{
    const rdl_decode_spec *spec = &w->job->spec;
    w->csv.n = 0;
    for (;;) {
        rdl_csv_field *f = &RDL_PUSH(&w->csv_arena, &w->csv);
        bool quoted = p < w->stop && *p == spec->quote && spec->quote != '\0';
        const char *after = p;
        rdl_put did = quoted ? quoted_field(w, p, f, &after) : plain_field(w, p, f, &after);
        if (did != RDL_PUT_OK)
            return did;
        p = after;
        if (p >= w->stop) {
            *next = w->stop;
            return RDL_PUT_OK;
        }
        if (*p == spec->delimiter) {
            p++;
            continue;
        }
        if (*p == '\r' && p + 1 >= w->stop && !w->eof)
            return RDL_PUT_MORE;
        if (*p == '\n' || (*p == '\r' && (p[1] == '\n' || p + 1 >= w->stop))) {
            *next = *p == '\n' || p + 1 >= w->stop ? p + 1 : p + 2;
            return RDL_PUT_OK;
        }
        return bad(w, p, "text follows a closing quote");
    }
}

static rdl_str field_text(rdl_worker *w, const rdl_csv_field *f)
{
    if (!f->escaped)
        return (rdl_str){f->p, f->n};
    char *text = rdl_worker_take(w, f->n), *to = text;
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->p[i] == w->job->spec.escape && i + 1 < f->n)
            i++;
        *to++ = f->p[i];
    }
    return (rdl_str){text, (size_t)(to - text)};
}

static bool is_null(const rdl_worker *w, const rdl_csv_field *f)
{
    rdl_str null_text = w->job->spec.null_text;
    if (f->quoted)
        return false;
    return f->n == 0 || (f->n == null_text.n && memcmp(f->p, null_text.p, f->n) == 0);
}

/* ---- header ---- */

static int find_name(const rdl_str *names, size_t n, rdl_str want)
{
    for (size_t i = 0; i < n; i++) {
        if (rdl_str_eq(names[i], want))
            return (int)i;
    }
    for (size_t i = 0; i < n; i++) {
        if (rdl_str_eq_nocase(names[i], want))
            return (int)i;
    }
    return -1;
}

static rdl_code missing_column(rdl_worker *w, rdl_str name, rdl_err *err)
{
    rdl_buf have = {0};
    for (size_t i = 0; i < w->csv_names.n && have.n < 300; i++) {
        rdl_buf_puts(&have, i > 0 ? ", " : "");
        rdl_buf_put(&have, w->csv_names.v[i].p, w->csv_names.v[i].n);
    }
    rdl_err_set(err, RDL_ESCHEMA, 0,
                "could not read file \"%s\": its header has no column \"%.*s\"", w->in->in.shown,
                (int)name.n, name.p);
    rdl_err_hint(err, "The header has: %.400s.  Name the column as the file does, or with FIELD.",
                 rdl_buf_str(&have));
    rdl_buf_fini(&have);
    return rdl_err_area(RDL_ESCHEMA, err, RDL_AREA_SOURCE);
}

/* Map header positions to columns; w->csv_names holds the header. */
static rdl_code map_columns(rdl_worker *w, rdl_err *err)
{
    const rdl_decode *j = w->job;
    w->csv_columns.n = 0;
    for (size_t i = 0; i < w->csv_names.n; i++)
        RDL_PUSH(&w->csv_arena, &w->csv_columns) = -1;
    for (size_t c = 0; c < j->field_count; c++) {
        if (j->fields[c].from != RDL_FROM_FIELD)
            continue;
        int at = find_name(w->csv_names.v, w->csv_names.n, j->fields[c].name);
        if (at < 0)
            return missing_column(w, j->fields[c].name, err);
        w->csv_extra[c] = w->csv_columns.v[at];
        w->csv_columns.v[at] = (int32_t)c;
    }
    w->header_read = true;
    return RDL_OK;
}

static rdl_code by_position(rdl_worker *w, rdl_err *err)
{
    w->csv_names.n = 0;
    w->csv_columns.n = 0;
    for (size_t c = 0; c < w->job->field_count; c++) {
        if (w->job->fields[c].from != RDL_FROM_FIELD)
            continue;
        RDL_PUSH(&w->csv_arena, &w->csv_names) = w->job->fields[c].name;
        RDL_PUSH(&w->csv_arena, &w->csv_columns) = (int32_t)c;
        w->csv_extra[c] = -1;
    }
    w->header_read = true;
    (void)err;
    return RDL_OK;
}

/* The record that was split as names; false when it is not UTF-8. */
static bool keep_names(rdl_worker *w)
{
    w->csv_names.n = 0;
    for (size_t i = 0; i < w->csv.n; i++) {
        rdl_str s = field_text(w, &w->csv.v[i]);
        if (rdl_utf8_valid(s.p, s.n) < s.n) {
            bool wide = s.n >= 2 && (memcmp(s.p, "\xff\xfe", 2) == 0 || memcmp(s.p, "\xfe\xff", 2) == 0);
            w->why = i == 0 && wide ? "the file is UTF-16, by the mark that it begins with; convert it to "
                                      "UTF-8"
                                    : "a byte sequence is not UTF-8";
            return false;
        }
        char *copy = rdl_arena_strndup(&w->csv_arena, s.p, s.n);
        RDL_PUSH(&w->csv_arena, &w->csv_names) = (rdl_str){copy, s.n};
    }
    return true;
}

static rdl_code bad_header(const rdl_worker *w, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0, "could not read the header of file \"%s\": %s", w->in->in.shown,
                w->why);
    rdl_err_hint(err, "The first line must hold the columns' names, quoted as RFC 4180 says.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static const char *skip_blank(rdl_worker *w, const char *p)
{
    while (p < w->stop && (*p == '\n' || (*p == '\r' && p[1] == '\n'))) {
        p += *p == '\n' ? 1 : 2;
        w->line++;
    }
    return p;
}

/* The header in n bytes of the file's front, which lie in buf. */
static rdl_put split_front(rdl_worker *w, const char *buf, size_t n, bool all)
{
    const char *stop = w->stop, *next;
    bool eof = w->eof;
    w->stop = buf + n;
    w->eof = all;
    rdl_put did =
        split_record(w, n >= 3 && memcmp(buf, "\xef\xbb\xbf", 3) == 0 ? buf + 3 : buf, &next);
    if (did == RDL_PUT_OK && !keep_names(w))
        did = RDL_PUT_BAD;
    w->stop = stop;
    w->eof = eof;
    return did;
}

/* A range that starts inside the file: its header is read from the front. */
static rdl_code header_of_file(rdl_worker *w, rdl_err *err)
{
    rdl_arena a;
    rdl_put did = RDL_PUT_MORE;
    rdl_code rc = RDL_OK;
    rdl_dinput head = {.in = w->in->in, .file = w->in->file, .end = w->in->in.begin};
    rdl_arena_init(&a, 0);
    for (size_t n = 65536; did == RDL_PUT_MORE && rc == RDL_OK; n *= 4) {
        size_t got = 0;
        rdl_worker side = {.job = w->job, .in = &head};
        char *buf = rdl_arena_x(&a, n + RDL_DECODE_PAD);
        rc = rdl_window_read(&side, buf, n, &got, err);
        if (rc == RDL_OK)
            did = split_front(w, buf, got, got < n);
        w->why = did == RDL_PUT_MORE ? "it does not end" : w->why;
        if (rc == RDL_OK && (did == RDL_PUT_BAD || n > w->job->spec.record_bytes_max))
            rc = did == RDL_PUT_OK ? RDL_OK : bad_header(w, err);
    }
    rdl_arena_fini(&a);
    return rc != RDL_OK ? rc : map_columns(w, err);
}

/* The header at w->p; *out_more: it does not end in the window. */
static rdl_code read_header(rdl_worker *w, bool *out_more, rdl_err *err)
{
    const char *next;
    *out_more = false;
    if (!w->job->spec.header)
        return by_position(w, err);
    if (w->in->in.begin > 0)
        return header_of_file(w, err);
    w->p = skip_blank(w, w->p);
    if (w->p >= w->stop && w->eof)
        return RDL_OK; /* an empty file has no rows */
    switch (split_record(w, w->p, &next)) {
    case RDL_PUT_OK:
        break;
    case RDL_PUT_MORE:
        *out_more = true;
        return w->n > w->job->spec.record_bytes_max
                   ? (w->why = "it does not end", bad_header(w, err))
                   : RDL_OK;
    default:
        return bad_header(w, err);
    }
    if (!keep_names(w))
        return bad_header(w, err);
    for (const char *p = w->p; p < next; p++)
        w->line += *p == '\n';
    w->p = next;
    return map_columns(w, err);
}

/* ---- rows ---- */

static void put_rescue(rdl_worker *w, rdl_str name, rdl_str text)
{
    rdl_buf_putc(&w->rescue, w->rescue.n == 0 ? '{' : ',');
    rdl_buf_put_json_text(&w->rescue, name);
    rdl_buf_putc(&w->rescue, ':');
    rdl_buf_put_json_text(&w->rescue, text);
}

static void put_field(rdl_worker *w, size_t i)
{
    const rdl_csv_field *f = &w->csv.v[i];
    bool null = is_null(w, f);
    rdl_str text = null ? (rdl_str){"", 0} : field_text(w, f);
    if (w->csv_columns.v[i] < 0 && !null)
        put_rescue(w, w->csv_names.v[i], text);
    for (int32_t c = w->csv_columns.v[i]; c >= 0; c = w->csv_extra[c]) {
        rdl_node *node = &w->nodes[c];
        if (null) {
            rdl_put_null(node, w->row);
        } else if (rdl_put_text(w, node, w->row, text) != RDL_PUT_OK) {
            rdl_put_null(node, w->row);
            put_rescue(w, w->csv_names.v[i], text);
        }
    }
}

static rdl_put put_record(rdl_worker *w, const char *p, size_t bytes)
{
    if (bytes > w->job->spec.record_bytes_max) {
        snprintf(w->why_text, sizeof w->why_text,
                 "the record has %zu bytes, over the limit of %llu", bytes,
                 (unsigned long long)w->job->spec.record_bytes_max);
        return bad(w, p, w->why_text);
    }
    if (w->csv.n != w->csv_names.n) {
        snprintf(w->why_text, sizeof w->why_text, "%zu fields are expected, and there are %zu",
                 w->csv_names.n, w->csv.n);
        return bad(w, p, w->why_text);
    }
    size_t sound = rdl_utf8_valid(p, bytes);
    if (sound < bytes)
        return bad(w, p + sound, "a byte sequence is not UTF-8");
    for (size_t i = 0; i < w->csv.n; i++)
        put_field(w, i);
    return RDL_PUT_OK;
}

static size_t without_newline(const char *p, const char *end)
{
    if (end > p && end[-1] == '\n')
        end--;
    if (end > p && end[-1] == '\r')
        end--;
    return (size_t)(end - p);
}

static void refuse(rdl_worker *w, const char *p, const char *end)
{
    rdl_worker_refuse(w, p, without_newline(p, end), "line");
}

/* Past the line at p; NULL: it does not end in the window. */
static const char *first_line(const rdl_worker *w, const char *p)
{
    const char *nl = memchr(p, '\n', (size_t)(w->stop - p));
    if (nl == NULL)
        return w->eof ? w->stop : NULL;
    return nl + 1;
}

static void count_newlines(rdl_worker *w, const char *p, const char *end)
{
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        w->line++;
        p++;
    }
}

rdl_code rdl_csv_rows(rdl_worker *w, rdl_err *err)
{
    if (!w->header_read) {
        RDL_TRY(read_header(w, &w->hungry, err));
        if (w->hungry)
            return RDL_OK;
    }
    for (;;) {
        const char *next, *p = w->p = skip_blank(w, w->p);
        if (p >= w->stop || w->row == RDL_VECTOR_ROWS)
            return RDL_OK;
        rdl_worker_mark(w);
        rdl_put did = split_record(w, p, &next);
        if (did == RDL_PUT_BAD && (next = first_line(w, p)) == NULL)
            did = RDL_PUT_MORE;
        if (did == RDL_PUT_MORE) {
            w->hungry = true;
            return RDL_OK;
        }
        if (did == RDL_PUT_BAD) {
            refuse(w, p, next);
        } else {
            size_t bytes = without_newline(p, next);
            if (put_record(w, p, bytes) == RDL_PUT_OK)
                rdl_worker_accept(w, p, bytes);
            else
                refuse(w, p, next);
        }
        count_newlines(w, p, next);
        w->p = next;
    }
}

rdl_put rdl_csv_message(rdl_worker *w, const char *p, size_t bytes)
{
    rdl_err ignored;
    const char *next;
    if (!w->header_read)
        (void)!by_position(w, &ignored);
    w->eof = true;
    w->stop = p + bytes;
    rdl_put did = split_record(w, p, &next);
    if (did == RDL_PUT_OK && next < w->stop)
        did = bad(w, next, "more follows the record's line");
    size_t line = without_newline(p, w->stop);
    w->stop = NULL;
    return did == RDL_PUT_OK ? put_record(w, p, line) : RDL_PUT_BAD;
}
