/*
 * source/decode/inflate.c - gzip and zstd content as it streams by.
 *
 * Several gzip members or zstd frames one after the other are one content, as gzip and zstd
 * themselves have it.  An end in the middle of a member is an error: the file is still
 * being copied, or was cut.
 */
#include "source/decode/internal.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { PACKED_BYTES = 128 * 1024 };

struct rdl_inflate {
    rdl_compression kind;
    rdl_file *file; /* borrowed; NULL: memory */
    rdl_str memory;
    const char *shown;
    uint64_t at; /* next packed byte to read */
    z_stream z;
    ZSTD_DStream *zstd;
    bool inside; /* a member or frame has begun and not ended */
    size_t have, pos;
    unsigned char packed[PACKED_BYTES];
};

rdl_compression rdl_inflate_detect(const char *p, size_t n)
{
    const unsigned char *b = (const unsigned char *)p;
    if (n >= 3 && b[0] == 0x1f && b[1] == 0x8b && b[2] == 8)
        return RDL_COMPRESSION_GZIP;
    if (n >= 4 && b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd)
        return RDL_COMPRESSION_ZSTD;
    return RDL_COMPRESSION_NONE;
}

rdl_code rdl_inflate_new(rdl_compression c, rdl_file *borrowed, rdl_str memory, const char *shown,
                         rdl_inflate **out, rdl_err *err)
{
    rdl_inflate *s = calloc(1, sizeof *s); /* allow: one per open stream */
    if (s == NULL)
        return rdl_err_nomem(err);
    *s = (rdl_inflate){.kind = c, .file = borrowed, .memory = memory, .shown = shown};
    if (c == RDL_COMPRESSION_GZIP && inflateInit2(&s->z, 15 + 16) == Z_OK) {
        *out = s;
        return RDL_OK;
    }
    if (c == RDL_COMPRESSION_ZSTD && (s->zstd = ZSTD_createDStream()) != NULL) {
        ZSTD_initDStream(s->zstd);
        *out = s;
        return RDL_OK;
    }
    free(s); /* allow: as above */
    return rdl_err_nomem(err);
}

void rdl_inflate_free(rdl_inflate *s)
{
    if (s == NULL)
        return;
    if (s->kind == RDL_COMPRESSION_GZIP)
        inflateEnd(&s->z);
    ZSTD_freeDStream(s->zstd);
    free(s); /* allow: one per open stream */
}

static rdl_code broken(rdl_inflate *s, const char *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0, "could not unpack file \"%s\": %s, near packed byte %llu",
                s->shown, why, (unsigned long long)(s->at - s->have + s->pos));
    rdl_err_hint(err, "Copy the file again; publish compressed files under another name and "
                      "rename them when they are complete.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code refill(rdl_inflate *s, rdl_err *err)
{
    s->pos = 0;
    s->have = 0;
    if (s->file != NULL) {
        RDL_TRY(
            rdl_err_area(rdl_file_pread(s->file, s->packed, sizeof s->packed, s->at, &s->have, err),
                         err, RDL_AREA_SOURCE));
    } else {
        size_t left = s->memory.n - (size_t)s->at;
        s->have = left < sizeof s->packed ? left : sizeof s->packed;
        if (s->have > 0)
            memcpy(s->packed, s->memory.p + s->at, s->have);
    }
    s->at += s->have;
    return RDL_OK;
}

static const char *step_gzip(rdl_inflate *s, char *to, size_t n, size_t *made)
{
    s->z.next_in = s->packed + s->pos;
    s->z.avail_in = (unsigned)(s->have - s->pos);
    s->z.next_out = (unsigned char *)to;
    s->z.avail_out = n > 1u << 30 ? 1u << 30 : (unsigned)n;
    unsigned room = s->z.avail_out;
    s->inside = true;
    int rc = inflate(&s->z, Z_NO_FLUSH);
    s->pos = s->have - s->z.avail_in;
    *made = room - s->z.avail_out;
    if (rc == Z_STREAM_END) {
        s->inside = false;
        return inflateReset(&s->z) == Z_OK ? NULL : "out of memory";
    }
    if (rc == Z_OK || rc == Z_BUF_ERROR)
        return NULL;
    return s->z.msg != NULL ? s->z.msg : "the bytes are not gzip";
}

static const char *step_zstd(rdl_inflate *s, char *to, size_t n, size_t *made)
{
    ZSTD_inBuffer in = {s->packed, s->have, s->pos};
    ZSTD_outBuffer out = {to, n, 0};
    size_t rc = ZSTD_decompressStream(s->zstd, &out, &in);
    s->pos = in.pos;
    *made = out.pos;
    if (ZSTD_isError(rc))
        return ZSTD_getErrorName(rc);
    s->inside = rc != 0;
    return NULL;
}

rdl_code rdl_inflate_read(rdl_inflate *s, char *to, size_t n, size_t *out_n, rdl_err *err)
{
    *out_n = 0;
    while (*out_n < n) {
        size_t made = 0;
        if (s->pos == s->have) {
            RDL_TRY(refill(s, err));
            if (s->have == 0 && !s->inside)
                return RDL_OK;
        }
        bool dry = s->have == 0;
        const char *why = s->kind == RDL_COMPRESSION_GZIP
                              ? step_gzip(s, to + *out_n, n - *out_n, &made)
                              : step_zstd(s, to + *out_n, n - *out_n, &made);
        if (why != NULL)
            return broken(s, why, err);
        *out_n += made;
        if (dry && made == 0 && s->inside)
            return broken(s, "it ends in the middle of its compressed content", err);
    }
    return RDL_OK;
}
