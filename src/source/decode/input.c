/*
 * source/decode/input.c - handing out streams and pieces to workers.
 *
 * Inputs are opened in order, each by the worker whose turn it is.  A large uncompressed
 * JSON-lines file becomes a split: its pieces are handed out in order to all workers. Since
 * a piece is counted by the worker that took it before that worker does anything else,
 * waiting for the pieces before one's own always ends (D4).
 */
#include "source/decode/internal.h"

#include <stdlib.h>

void rdl_job_fail(rdl_decode *j)
{
    rdl_mutex_lock(&j->lock);
    j->failed = true;
    rdl_cond_broadcast(&j->changed);
    rdl_mutex_unlock(&j->lock);
}

void rdl_input_close(rdl_dinput *in)
{
    rdl_file_close(in->file);
    in->file = NULL;
}

static rdl_code peek(rdl_dinput *in, char *to, size_t n, size_t *out_n, rdl_err *err)
{
    if (in->in.path == NULL) {
        *out_n = in->in.bytes.n < n ? in->in.bytes.n : n;
        if (*out_n > 0)
            memcpy(to, in->in.bytes.p, *out_n);
        in->packed = in->in.bytes.n;
        return RDL_OK;
    }
    rdl_code rc = rdl_file_open_read(in->in.path, &in->file, err);
    if (rc == RDL_OK) {
        in->packed = rdl_file_size(in->file);
        rc = rdl_file_pread(in->file, to, n, 0, out_n, err);
    }
    return rdl_err_area(rc, err, RDL_AREA_SOURCE);
}

/* A JSON file is one array when its first byte that is no white space is '['. */
static rdl_code starts_as_array(rdl_decode *j, rdl_dinput *in, bool *out, rdl_err *err)
{
    char head[4096];
    size_t n = 0;
    rdl_inflate *s = NULL;
    *out = false;
    for (uint64_t at = 0;; at += n) {
        if (s != NULL || in->compression != RDL_COMPRESSION_NONE) {
            if (s == NULL)
                RDL_TRY(rdl_inflate_new(in->compression, in->file, in->in.bytes, in->in.shown, &s,
                                        err));
            rdl_code rc = rdl_inflate_read(s, head, sizeof head, &n, err);
            if (rc != RDL_OK) {
                rdl_inflate_free(s);
                return rc;
            }
        } else if (in->file != NULL) {
            RDL_TRY(rdl_err_area(rdl_file_pread(in->file, head, sizeof head, at, &n, err), err,
                                 RDL_AREA_SOURCE));
        } else {
            size_t left = in->in.bytes.n > at ? in->in.bytes.n - (size_t)at : 0;
            n = left < sizeof head ? left : sizeof head;
            if (n > 0)
                memcpy(head, in->in.bytes.p + at, n);
        }
        size_t i = at == 0 && n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        while (i < n && (head[i] == ' ' || head[i] == '\t' || head[i] == '\r' || head[i] == '\n'))
            i++;
        *out = i < n && head[i] == '[';
        if (i < n || n == 0)
            break;
    }
    (void)j;
    rdl_inflate_free(s);
    return RDL_OK;
}

static rdl_code truncated(const rdl_dinput *in, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, RDL_ERR_REPLAY,
                "could not read file \"%s\": it has %llu bytes, and %llu were planned",
                in->in.shown, (unsigned long long)in->packed, (unsigned long long)in->in.end);
    rdl_err_hint(err, "Restore the file; a source's files may grow but never shrink.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code open_input(rdl_decode *j, rdl_dinput *in, rdl_err *err)
{
    char head[8];
    size_t n = 0;
    if (in->in.records != NULL)
        return RDL_OK;
    RDL_TRY(peek(in, head, sizeof head, &n, err));
    in->compression = in->in.compression;
    if (in->compression == RDL_COMPRESSION_AUTO)
        in->compression = rdl_inflate_detect(head, n);
    if (in->compression != RDL_COMPRESSION_NONE) {
        if (in->in.begin != 0)
            in->in.begin = 0; /* compressed content is always read whole */
        in->end = UINT64_MAX;
    } else {
        in->end = in->in.end != 0 ? in->in.end : in->packed;
        if (in->end > in->packed)
            return truncated(in, err);
    }
    if (j->spec.format == RDL_DECODE_JSON && in->in.begin == 0)
        RDL_TRY(starts_as_array(j, in, &in->array, err));
    return RDL_OK;
}

/* Pieces for an open input; none when it is small or must be read from the front. */
static rdl_code make_split(rdl_decode *j, rdl_dinput *in, rdl_err *err)
{
    if (j->spec.format != RDL_DECODE_JSON || in->array || in->in.records != NULL ||
        in->compression != RDL_COMPRESSION_NONE ||
        in->end - in->in.begin <= j->piece_bytes + j->piece_bytes / 2)
        return RDL_OK;
    rdl_split *s = calloc(1, sizeof *s); /* allow: lives with the job */
    if (s == NULL)
        return rdl_err_nomem(err);
    in->split = s;
    s->piece_bytes = j->piece_bytes;
    s->pieces = (size_t)((in->end - in->in.begin + s->piece_bytes - 1) / s->piece_bytes);
    s->records = calloc(s->pieces + 1, sizeof *s->records);     /* allow: lives with the job */
    s->lines = calloc(s->pieces + 1, sizeof *s->lines);         /* allow: lives with the job */
    s->published = calloc(s->pieces + 1, sizeof *s->published); /* allow: lives with the job */
    if (s->records == NULL || s->lines == NULL || s->published == NULL)
        return rdl_err_nomem(err);
    s->records[0] = in->in.first_record;
    return RDL_OK;
}

static void give_piece(rdl_worker *w, rdl_dinput *in)
{
    w->in = in;
    w->piece = true;
    w->piece_no = in->split->taken++;
    if (in->split->taken == in->split->pieces)
        w->job->splits = in->next_split;
}

static void add_split(rdl_decode *j, rdl_dinput *in)
{
    rdl_dinput **at = &j->splits;
    while (*at != NULL)
        at = &(*at)->next_split;
    *at = in;
}

/* Under the lock, which is let go while the input is opened. */
static rdl_code open_next(rdl_decode *j, rdl_dinput **out, rdl_err *err)
{
    rdl_dinput *in = &j->inputs[j->next_input++];
    j->opening++;
    rdl_mutex_unlock(&j->lock);
    rdl_code rc = open_input(j, in, err);
    if (rc == RDL_OK)
        rc = make_split(j, in, err);
    rdl_mutex_lock(&j->lock);
    j->opening--;
    j->failed |= rc != RDL_OK;
    rdl_cond_broadcast(&j->changed);
    *out = in;
    return rc;
}

rdl_code rdl_input_take(rdl_worker *w, bool *out, rdl_err *err)
{
    rdl_decode *j = w->job;
    rdl_code rc = RDL_OK;
    *out = false;
    rdl_mutex_lock(&j->lock);
    while (rc == RDL_OK && !j->failed && !*out) {
        rdl_dinput *in;
        if (j->splits != NULL) {
            give_piece(w, j->splits);
            *out = true;
        } else if (j->next_input < j->input_count) {
            rc = open_next(j, &in, err);
            if (rc == RDL_OK && in->split != NULL) {
                add_split(j, in);
            } else if (rc == RDL_OK) {
                w->in = in;
                w->piece = false;
                *out = true;
            }
        } else if (j->opening > 0) {
            rdl_cond_wait(&j->changed, &j->lock); /* it may become pieces */
        } else {
            break;
        }
    }
    rdl_mutex_unlock(&j->lock);
    return rc;
}

void rdl_split_read(rdl_worker *w)
{
    rdl_decode *j = w->job;
    rdl_mutex_lock(&j->lock);
    bool last = ++w->in->split->read == w->in->split->pieces;
    rdl_mutex_unlock(&j->lock);
    if (last)
        rdl_input_close(w->in);
}

rdl_code rdl_split_publish(rdl_worker *w, uint64_t lines, uint64_t records, rdl_err *err)
{
    rdl_decode *j = w->job;
    rdl_split *s = w->in->split;
    size_t k = w->piece_no;
    rdl_code rc = RDL_OK;
    rdl_mutex_lock(&j->lock);
    s->records[k + 1] = records;
    s->lines[k + 1] = lines;
    s->published[k] = true;
    bool moved = false;
    while (s->known < s->pieces && s->published[s->known]) {
        s->records[s->known + 1] += s->records[s->known];
        s->lines[s->known + 1] += s->lines[s->known];
        s->known++;
        moved = true;
    }
    if (moved)
        rdl_cond_broadcast(&j->changed);
    while (s->known < k && !j->failed)
        rdl_cond_wait(&j->changed, &j->lock);
    if (s->known < k)
        rc = rdl_err_set(err, RDL_ESTOP, 0, "could not go on reading: another part failed");
    w->record = s->records[k];
    w->line = s->lines[k];
    rdl_mutex_unlock(&j->lock);
    return rc;
}
