/*
 * base/compress.c - bytes in memory to one zstd frame and back.
 */
#include "base/compress.h"

#include <inttypes.h>
#include <zstd.h>

enum { LEVEL = 6 };

rdl_code rdl_compress(rdl_str in, rdl_buf *out, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    size_t room = ZSTD_compressBound(in.n);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (c == NULL)
        return rdl_err_nomem(err);
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    rdl_buf_reserve(out, room + 1);
    size_t n = ZSTD_compress2(c, out->p + out->n, room, in.p, in.n);
    if (ZSTD_isError(n))
        rc = rdl_err_set(err, RDL_ENOMEM, 0, "could not compress %zu bytes: %s", in.n,
                         ZSTD_getErrorName(n));
    else
        out->n += n;
    out->p[out->n] = '\0';
    ZSTD_freeCCtx(c);
    return rc;
}

rdl_code rdl_decompress(rdl_str in, uint64_t max, rdl_buf *out, rdl_err *err)
{
    unsigned long long whole = ZSTD_getFrameContentSize(in.p, in.n);
    if (whole == ZSTD_CONTENTSIZE_ERROR || whole == ZSTD_CONTENTSIZE_UNKNOWN)
        return rdl_err_set(err, RDL_EDATA, 0, "the compressed bytes have no readable head");
    if (whole > max)
        return rdl_err_set(err, RDL_ELIMIT, 0, "%llu bytes are more than %" PRIu64, whole, max);
    rdl_buf_reserve(out, (size_t)whole + 1);
    size_t n = ZSTD_decompress(out->p + out->n, (size_t)whole, in.p, in.n);
    if (ZSTD_isError(n))
        return rdl_err_set(err, RDL_EDATA, 0, "the compressed bytes are damaged: %s",
                           ZSTD_getErrorName(n));
    out->n += n;
    out->p[out->n] = '\0';
    return RDL_OK;
}
