/*
 * source/decode/raw.c - the bytes of a record again, for quarantine.
 *
 * Plain files are read at the place.  Compressed ones are unpacked up to it; the stream
 * stays open, so that records asked for in order cost one pass.
 */
#include "source/decode/internal.h"

void rdl_raw_close(rdl_decode *j)
{
    if (j->raw == NULL)
        return;
    rdl_inflate_free(j->raw);
    rdl_file_close(j->raw_file);
    j->raw = NULL;
    j->raw_file = NULL;
}

static size_t input_of(const rdl_decode *j, int32_t partition, uint64_t at)
{
    size_t found = j->input_count;
    for (size_t i = 0; i < j->input_count; i++) {
        const rdl_decode_input *in = &j->inputs[i].in;
        if (in->partition != partition)
            continue;
        found = i;
        if (at >= in->begin && (in->end == 0 || at < in->end))
            break;
    }
    return found;
}

static rdl_code cut(const rdl_dinput *in, uint64_t at, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "could not read a record of file \"%s\" again: the file ends before byte %llu",
                in->in.shown, (unsigned long long)at);
    rdl_err_hint(err, "Do not change a source's files while they are read.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code open_packed(rdl_decode *j, size_t i, rdl_err *err)
{
    const rdl_dinput *in = &j->inputs[i];
    rdl_raw_close(j);
    if (in->in.path != NULL)
        RDL_TRY(
            rdl_err_area(rdl_file_open_read(in->in.path, &j->raw_file, err), err, RDL_AREA_SOURCE));
    rdl_code rc =
        rdl_inflate_new(in->compression, j->raw_file, in->in.bytes, in->in.shown, &j->raw, err);
    if (rc != RDL_OK) {
        rdl_file_close(j->raw_file);
        j->raw_file = NULL;
    }
    j->raw_input = i;
    j->raw_at = 0;
    return rc;
}

static rdl_code raw_packed(rdl_decode *j, size_t i, uint64_t at, uint64_t bytes, rdl_buf *out,
                           rdl_err *err)
{
    char skip[16384];
    if (j->raw == NULL || j->raw_input != i || j->raw_at > at)
        RDL_TRY(open_packed(j, i, err));
    while (j->raw_at < at + bytes) {
        bool inside = j->raw_at >= at;
        uint64_t left = (inside ? at + bytes : at) - j->raw_at;
        size_t got, n = left < sizeof skip ? (size_t)left : sizeof skip;
        RDL_TRY(rdl_inflate_read(j->raw, skip, n, &got, err));
        if (got == 0)
            return cut(&j->inputs[i], at + bytes, err);
        if (inside)
            rdl_buf_put(out, skip, got);
        j->raw_at += got;
    }
    return RDL_OK;
}

static rdl_code raw_plain(const rdl_dinput *in, uint64_t at, uint64_t bytes, rdl_buf *out,
                          rdl_err *err)
{
    if (in->in.path == NULL) {
        if (at + bytes > in->in.bytes.n)
            return cut(in, at + bytes, err);
        rdl_buf_put(out, in->in.bytes.p + at, (size_t)bytes);
        return RDL_OK;
    }
    rdl_file *file;
    size_t got = 0;
    RDL_TRY(rdl_err_area(rdl_file_open_read(in->in.path, &file, err), err, RDL_AREA_SOURCE));
    rdl_buf_reserve(out, (size_t)bytes);
    rdl_code rc = rdl_file_pread(file, out->p + out->n, (size_t)bytes, at, &got, err);
    rdl_file_close(file);
    RDL_TRY(rdl_err_area(rc, err, RDL_AREA_SOURCE));
    if (got < bytes)
        return cut(in, at + bytes, err);
    out->n += (size_t)bytes;
    out->p[out->n] = '\0';
    return RDL_OK;
}

/* The payload of a message, by its offset. */
static bool raw_message(const rdl_decode *j, int32_t partition, int64_t offset, rdl_buf *out)
{
    for (size_t i = 0; i < j->input_count; i++) {
        const rdl_decode_input *in = &j->inputs[i].in;
        if (in->partition != partition || in->records == NULL || in->count == 0)
            continue;
        const rdl_record *v = in->records->v + in->first;
        if (offset < v[0].offset || offset > v[in->count - 1].offset)
            continue;
        size_t low = 0, high = in->count;
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            *(v[middle].offset <= offset ? &low : &high) = middle;
        }
        if (v[low].offset != offset)
            return false;
        if (v[low].bytes > 0)
            rdl_buf_put(out, in->records->bytes + v[low].at, (size_t)v[low].bytes);
        return true;
    }
    return false;
}

rdl_code rdl_decode_raw(rdl_decode *j, int32_t partition, uint64_t record_at, uint64_t record_bytes,
                        rdl_buf *out, rdl_err *err)
{
    if (j->of_messages && raw_message(j, partition, (int64_t)record_at, out))
        return RDL_OK;
    size_t i = j->of_messages ? j->input_count : input_of(j, partition, record_at);
    if (i == j->input_count)
        return rdl_err_set(err, RDL_EBUG, 0,
                           "could not find a record's input: partition %d was not read",
                           (int)partition);
    const rdl_dinput *in = &j->inputs[i];
    if (in->compression == RDL_COMPRESSION_GZIP || in->compression == RDL_COMPRESSION_ZSTD)
        return raw_packed(j, i, record_at, record_bytes, out, err);
    return raw_plain(in, record_at, record_bytes, out, err);
}
