/*
 * source/decode/window.c - the next bytes to parse.
 *
 * A stream is read in windows of about a mebibyte; what is left of an incomplete record is
 * moved to the front and read on.  A piece is read at once: from the byte before it (is
 * that a newline?) to the newline behind its end.  A record longer than record_bytes_max is
 * passed over without being held.
 */
#include "source/decode/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLACK = 4096 };

void rdl_window_chunk(rdl_worker *w)
{
    free(w->retired); /* allow: the worker's own buffer */
    w->retired = NULL;
    w->tail = w->in != NULL && !w->first ? (size_t)(w->base + w->n - w->buf) + RDL_DECODE_PAD : 0;
}

void rdl_window_finish(rdl_worker *w)
{
    if (!w->piece && w->in != NULL) {
        bool messages = w->in->in.records != NULL;
        atomic_store(&w->in->records, messages ? w->message : w->record - w->in->in.first_record);
        rdl_input_close(w->in);
    }
    rdl_inflate_free(w->inflate);
    w->inflate = NULL;
    w->in = NULL;
}

/*
 * Room for n bytes (and the padding) from w->base on; the base may move.  Rows of this
 * chunk lie before the base, and never in a buffer whose front it is: at most one buffer
 * is kept for them, because no other input is begun while one is.
 */
static rdl_code room(rdl_worker *w, size_t n, rdl_err *err)
{
    size_t at = w->buf != NULL ? (size_t)(w->base - w->buf) : 0;
    size_t need = at + n + RDL_DECODE_PAD + 1;
    if (need <= w->cap)
        return RDL_OK;
    need = n + RDL_DECODE_PAD + 1;
    size_t cap = w->cap == 0 ? 2 * w->job->window_bytes + 4 * SLACK : w->cap;
    while (cap < need)
        cap *= 2;
    char *buf = malloc(cap); /* allow: the worker's own buffer */
    if (buf == NULL)
        return rdl_err_nomem(err);
    if (w->n > 0)
        memcpy(buf, w->base, w->n);
    if (w->row > 0 && w->base > w->buf) {
        assert(w->retired == NULL);
        w->retired = w->buf;
    } else {
        free(w->buf); /* allow: as above */
    }
    w->buf = w->base = buf;
    w->cap = cap;
    return RDL_OK;
}

static rdl_code short_file(const rdl_worker *w, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, RDL_ERR_REPLAY,
                "could not read file \"%s\": it ends at byte %llu, and %llu were planned",
                w->in->in.shown, (unsigned long long)w->read_at, (unsigned long long)w->in->end);
    rdl_err_hint(err, "Restore the file; a source's files may grow but never shrink.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

rdl_code rdl_window_read(rdl_worker *w, char *to, size_t n, size_t *out_n, rdl_err *err)
{
    rdl_dinput *in = w->in;
    *out_n = 0;
    if (w->inflate != NULL) {
        RDL_TRY(rdl_inflate_read(w->inflate, to, n, out_n, err));
        w->read_at += *out_n;
        return RDL_OK;
    }
    while (*out_n < n && w->read_at < in->end) {
        size_t left = n - *out_n, got = 0;
        if (left > in->end - w->read_at)
            left = (size_t)(in->end - w->read_at);
        if (in->file != NULL) {
            RDL_TRY(rdl_err_area(rdl_file_pread(in->file, to + *out_n, left, w->read_at, &got, err),
                                 err, RDL_AREA_SOURCE));
            if (got == 0)
                return short_file(w, err);
        } else {
            memcpy(to + *out_n, in->in.bytes.p + w->read_at, left);
            got = left;
        }
        w->read_at += got;
        *out_n += got;
    }
    return RDL_OK;
}

/* Read n more bytes behind the window; fewer at the end of the input, which sets eof. */
static rdl_code append(rdl_worker *w, size_t n, rdl_err *err)
{
    size_t got;
    RDL_TRY(room(w, w->n + n, err));
    RDL_TRY(rdl_window_read(w, w->base + w->n, n, &got, err));
    w->n += got;
    w->bytes_done += got;
    w->eof = got < n || (w->inflate == NULL && w->read_at >= w->in->end);
    return RDL_OK;
}

/*
 * The window holds the start of a record over the limit, from its first byte on.  Reads
 * past its end (a newline, or with `all` the end of the input) and reports it as record
 * number w->record; the window is left with what follows.
 */
static rdl_code pass_over(rdl_worker *w, bool all, const char *unit, rdl_err *err)
{
    uint64_t total = w->n, at = w->base_at;
    size_t kept = w->n < RDL_DECODE_KEPT_MAX ? w->n : RDL_DECODE_KEPT_MAX, got = 1, rest = 0;
    size_t step = w->job->window_bytes;
    char reason[160], *nl = NULL;
    w->n = kept;
    RDL_TRY(room(w, kept + step, err));
    while (got > 0 && nl == NULL) {
        RDL_TRY(rdl_window_read(w, w->base + kept, step, &got, err));
        nl = got > 0 && !all ? memchr(w->base + kept, '\n', got) : NULL;
        w->bytes_done += got;
        size_t used = nl != NULL ? (size_t)(nl - w->base) - kept : got;
        total += used;
        rest = nl != NULL ? got - used - 1 : 0;
    }
    snprintf(reason, sizeof reason, "%s %llu: the record has %llu bytes, over the limit of %llu",
             unit, (unsigned long long)w->line + 1, (unsigned long long)total,
             (unsigned long long)w->job->spec.record_bytes_max);
    rdl_worker_malformed(w, at, w->base, kept, total, reason);
    if (rest > 0)
        memmove(w->base, nl + 1, rest);
    w->n = rest;
    w->base_at = w->read_at - rest;
    w->eof = got < step;
    w->record++;
    w->line++;
    return RDL_OK;
}

static char *last_newline(const char *p, size_t n)
{
    return n == 0 ? NULL : memrchr(p, '\n', n);
}

/* The lines of the window that are complete; none when the only one is not. */
static void bound_lines(rdl_worker *w)
{
    if (w->eof) {
        if (w->n > 0 && w->base[w->n - 1] != '\n')
            w->base[w->n++] = '\n';
        w->stop = w->base + w->n;
        return;
    }
    char *nl = last_newline(w->base, w->n);
    w->stop = nl != NULL ? nl + 1 : w->base;
}

static void skip_bom(rdl_worker *w)
{
    if (w->base_at == 0 && w->n >= 3 && memcmp(w->base, "\xef\xbb\xbf", 3) == 0)
        w->p += 3;
}

/* Messages are parsed where they lie: no window, and the chunk may point to them. */
static void start_messages(rdl_worker *w)
{
    w->message = 0;
    w->eof = true;
    w->hungry = false;
    w->multiline = true;
    w->p = w->stop = NULL;
    w->n = 0;
}

static rdl_code start_stream(rdl_worker *w, rdl_err *err)
{
    rdl_dinput *in = w->in;
    if (in->compression != RDL_COMPRESSION_NONE)
        RDL_TRY(rdl_inflate_new(in->compression, in->file, in->in.bytes, in->in.shown, &w->inflate,
                                err));
    w->base = w->buf != NULL ? w->buf + w->tail : NULL;
    w->n = 0;
    w->base_at = w->read_at = in->in.begin;
    w->record = in->in.first_record;
    w->line = 0;
    w->eof = w->hungry = w->header_read = false;
    w->array_state = RDL_ARRAY_BEFORE;
    w->multiline = in->array;
    return RDL_OK;
}

/* Move what is left to the front; the chunk must be empty. */
static void carry(rdl_worker *w)
{
    size_t left = (size_t)(w->base + w->n - w->p);
    w->base_at += (uint64_t)(w->p - w->base);
    memmove(w->buf, w->p, left);
    w->base = w->buf;
    w->n = left;
}

/* A record that does not end within the limit. */
static rdl_code too_long(rdl_worker *w, rdl_err *err)
{
    if (w->in->array) {
        w->line = w->record; /* elements are counted, not lines */
        w->array_state = RDL_ARRAY_CLOSED;
        return pass_over(w, true, "element", err);
    }
    char *nl = memchr(w->base, '\n', w->n);
    if (nl == NULL)
        return pass_over(w, false, "line", err);
    /* CSV: quotes that never close; the record is given up to the end of its first line. */
    char reason[160];
    size_t bytes = (size_t)(nl - w->base);
    snprintf(reason, sizeof reason, "line %llu: a quoted field is not closed within %llu bytes",
             (unsigned long long)w->line + 1, (unsigned long long)w->job->spec.record_bytes_max);
    rdl_worker_malformed(w, w->base_at, w->base,
                         bytes < RDL_DECODE_KEPT_MAX ? bytes : RDL_DECODE_KEPT_MAX, bytes, reason);
    w->base_at += bytes + 1;
    w->n -= bytes + 1;
    memmove(w->base, nl + 1, w->n);
    w->record++;
    w->line++;
    return RDL_OK;
}

static rdl_code fill_stream(rdl_worker *w, rdl_err *err)
{
    bool lines = w->job->spec.format == RDL_DECODE_JSON && !w->in->array;
    for (;;) {
        if (w->n > w->job->spec.record_bytes_max)
            RDL_TRY(too_long(w, err));
        size_t step = w->job->window_bytes;
        if (w->n >= step)
            step = w->n; /* a long record: doubling keeps the work linear */
        if (w->inflate == NULL && step > w->in->end - w->read_at)
            step = (size_t)(w->in->end - w->read_at);
        if (!w->eof)
            RDL_TRY(append(w, step, err));
        w->p = w->base;
        if (w->first || w->base_at == 0)
            skip_bom(w);
        w->first = false;
        if (lines) {
            RDL_TRY(room(w, w->n + 1, err));
            w->p = w->base + (w->p - w->base);
            bound_lines(w);
            if (w->stop == w->base && !w->eof)
                continue;
        } else {
            w->stop = w->base + w->n;
        }
        memset(w->base + w->n, 0, RDL_DECODE_PAD);
        w->hungry = false;
        w->tail = (size_t)(w->base + w->n - w->buf) + RDL_DECODE_PAD;
        return RDL_OK;
    }
}

/* Where the piece's first line starts and its last one ends, in the window; false: no line.
 */
static rdl_code bound_piece(rdl_worker *w, uint64_t begin, uint64_t end, bool *out_long,
                            rdl_err *err)
{
    rdl_dinput *in = w->in;
    char *first = w->base;
    *out_long = false;
    if (begin > in->in.begin) {
        char *nl = memchr(w->base, '\n', (size_t)(end - w->base_at));
        first = nl != NULL ? nl + 1 : NULL;
    }
    if (first == NULL || (uint64_t)(first - w->base) + w->base_at >= end) {
        w->p = w->stop = w->base;
        return RDL_OK;
    }
    w->p = first;
    size_t from = (size_t)(end - 1 - w->base_at);
    for (;;) {
        char *nl = memchr(w->base + from, '\n', w->n - from);
        if (nl != NULL) {
            w->stop = nl + 1;
            return RDL_OK;
        }
        size_t p = (size_t)(w->p - w->base);
        if (w->eof) {
            RDL_TRY(room(w, w->n + 1, err));
            w->base[w->n++] = '\n';
            w->p = w->base + p;
            w->stop = w->base + w->n;
            return RDL_OK;
        }
        char *start = last_newline(w->p, w->n - p);
        if (w->n - (start != NULL ? (size_t)(start + 1 - w->base) : p) >
            w->job->spec.record_bytes_max) {
            w->stop = start != NULL ? start + 1 : w->p;
            *out_long = true;
            return RDL_OK;
        }
        from = w->n;
        RDL_TRY(append(w, w->n > SLACK * 16 ? w->n : SLACK * 16, err));
        w->p = w->base + p;
    }
}

/* The piece's last record is over the limit: it lies from w->stop on. */
static rdl_code pass_long_line(rdl_worker *w, uint64_t lines, uint64_t records, rdl_err *err)
{
    rdl_worker side = {.job = w->job,
                       .in = w->in,
                       .read_at = w->read_at,
                       .record = w->record + records,
                       .line = w->line + lines};
    size_t have = (size_t)(w->base + w->n - w->stop);
    side.n = have;
    side.base_at = w->base_at + (uint64_t)(w->stop - w->base);
    side.base = side.buf =
        malloc(have + w->job->window_bytes + RDL_DECODE_PAD + 1); /* allow: below */
    if (side.buf == NULL)
        return rdl_err_nomem(err);
    side.cap = have + w->job->window_bytes + RDL_DECODE_PAD + 1;
    memcpy(side.buf, w->stop, have);
    rdl_code rc = pass_over(&side, false, "line", err);
    rdl_window_chunk(&side);
    free(side.buf); /* allow: as above */
    w->bad_done += side.bad_done;
    w->bytes_done += side.bytes_done;
    return rc;
}

static rdl_code fill_piece(rdl_worker *w, rdl_err *err)
{
    rdl_dinput *in = w->in;
    const rdl_split *s = in->split;
    uint64_t begin = in->in.begin + w->piece_no * s->piece_bytes, lines, records;
    uint64_t end = in->end - begin > s->piece_bytes ? begin + s->piece_bytes : in->end;
    bool too_far;
    w->base = w->buf != NULL ? w->buf + w->tail : NULL;
    w->n = 0;
    w->base_at = w->read_at = begin > in->in.begin ? begin - 1 : begin;
    w->eof = w->hungry = w->multiline = false;
    w->first = false;
    size_t want = (size_t)(end - w->base_at) + SLACK;
    if (want > in->end - w->base_at)
        want = (size_t)(in->end - w->base_at);
    RDL_TRY(append(w, want, err));
    RDL_TRY(bound_piece(w, begin, end, &too_far, err));
    if (w->p == w->base && w->p < w->stop)
        skip_bom(w);
    rdl_count_lines(w->p, w->stop, &lines, &records);
    RDL_TRY(rdl_split_publish(w, lines + too_far, records + too_far, err));
    if (too_far)
        RDL_TRY(pass_long_line(w, lines, records, err));
    rdl_split_read(w);
    w->eof = true; /* nothing of this piece is left to read */
    w->n = (size_t)(w->stop - w->base);
    w->tail = w->n + (size_t)(w->base - w->buf) + RDL_DECODE_PAD;
    return RDL_OK;
}

rdl_code rdl_window_next(rdl_worker *w, rdl_fill *out, rdl_err *err)
{
    *out = RDL_FILL_READY;
    if (w->in != NULL && w->eof && !w->hungry)
        rdl_window_finish(w);
    if (w->in != NULL) {
        *out = RDL_FILL_FLUSH;
        if (w->row > 0)
            return RDL_OK;
        *out = RDL_FILL_READY;
        carry(w);
        return fill_stream(w, err);
    }
    bool room_left = w->cap >= w->tail + w->job->piece_bytes + 2 * SLACK;
    if (w->row > 0 && !w->job->of_messages && (w->retired != NULL || !room_left)) {
        *out = RDL_FILL_FLUSH;
        return RDL_OK;
    }
    bool any;
    RDL_TRY(rdl_input_take(w, &any, err));
    if (!any) {
        *out = RDL_FILL_DONE;
        return RDL_OK;
    }
    w->first = true;
    if (w->in->in.records != NULL) {
        start_messages(w);
        return RDL_OK;
    }
    if (w->piece)
        return fill_piece(w, err);
    RDL_TRY(start_stream(w, err));
    return fill_stream(w, err);
}
