/*
 * cql/zip.c - the few records of a zip archive that zip.h names; little-endian.
 */
#include "cql/zip.h"

#include <zlib.h>

enum {
    END_BYTES = 22,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    COMMENT_MAX = 65535,
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED_FLAG = 1,
};

typedef struct entry {
    unsigned flags, method;
    uint32_t crc, packed, size, at;
    rdl_str name;
} entry;

static uint32_t u16(const char *p)
{
    return (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[1] << 8;
}

static uint32_t u32(const char *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static rdl_code damaged(const char *what, rdl_err *err)
{
    return rdl_err_set(err, RDL_EDATA, 0, "could not read a zip archive: %s", what);
}

/* The directory's bytes and the number of its entries. */
static rdl_code directory(rdl_str z, rdl_str *out, uint32_t *out_n, rdl_err *err)
{
    for (size_t back = END_BYTES; back <= z.n && back <= END_BYTES + COMMENT_MAX; back++) {
        const char *p = z.p + z.n - back;
        if (memcmp(p, "PK\5\6", 4) != 0 || u16(p + 20) != back - END_BYTES)
            continue;
        uint64_t size = u32(p + 12), at = u32(p + 16);
        if (u16(p + 4) != 0 || u16(p + 8) != u16(p + 10) || at + size > z.n - back)
            return damaged("its directory is not where it should be", err);
        *out = (rdl_str){z.p + at, (size_t)size};
        *out_n = u16(p + 10);
        return RDL_OK;
    }
    return damaged("it has no end record", err);
}

/* The entry at the front of d, which moves past it. */
static bool next_entry(rdl_str *d, entry *e)
{
    if (d->n < ENTRY_BYTES || memcmp(d->p, "PK\1\2", 4) != 0)
        return false;
    const char *p = d->p;
    size_t n = u16(p + 28), whole = ENTRY_BYTES + n + u16(p + 30) + u16(p + 32);
    if (whole > d->n)
        return false;
    *e = (entry){.flags = u16(p + 8),
                 .method = u16(p + 10),
                 .crc = u32(p + 16),
                 .packed = u32(p + 20),
                 .size = u32(p + 24),
                 .at = u32(p + 42),
                 .name = {p + ENTRY_BYTES, n}};
    *d = (rdl_str){p + whole, d->n - whole};
    return true;
}

static bool inflate_all(rdl_str packed, char *out, uint32_t size)
{
    z_stream s = {.next_in = (Bytef *)(uintptr_t)packed.p,
                  .avail_in = (uInt)packed.n,
                  .next_out = (Bytef *)out,
                  .avail_out = size};
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        return false;
    int rc = inflate(&s, Z_FINISH);
    bool whole = rc == Z_STREAM_END && s.total_out == size && s.avail_in == 0;
    inflateEnd(&s);
    return whole;
}

static rdl_code extract(rdl_str z, const entry *e, rdl_arena *a, rdl_str *out, rdl_err *err)
{
    if ((e->flags & ENCRYPTED_FLAG) != 0 || (e->method != STORED && e->method != DEFLATED))
        return damaged("a file is encrypted, or compressed by another method than deflate", err);
    if (e->size > RDL_ZIP_FILE_MAX || e->packed > RDL_ZIP_FILE_MAX)
        return damaged("a file has more than 1 MiB", err);
    if ((uint64_t)e->at + LOCAL_BYTES > z.n || memcmp(z.p + e->at, "PK\3\4", 4) != 0)
        return damaged("a file is not where the directory says", err);
    const char *local = z.p + e->at;
    uint64_t name_n = u16(local + 26), data = e->at + LOCAL_BYTES + name_n + u16(local + 28);
    if (data + e->packed > z.n || name_n != e->name.n ||
        memcmp(local + LOCAL_BYTES, e->name.p, e->name.n) != 0)
        return damaged("a file is not where the directory says", err);
    rdl_str packed = {z.p + data, e->packed};
    char *to = NULL;
    if (e->method == STORED && e->packed == e->size) {
        to = rdl_arena_strndup(a, packed.p, packed.n);
    } else if (e->method == DEFLATED) {
        to = rdl_arena_x(a, (size_t)e->size + 1);
        if (!inflate_all(packed, to, e->size))
            return damaged("a file does not decompress to the size that is said", err);
    } else {
        return damaged("a stored file has two sizes", err);
    }
    if (crc32_z(0, (const Bytef *)to, e->size) != e->crc)
        return damaged("the checksum of a file is wrong", err);
    *out = (rdl_str){to, e->size};
    return RDL_OK;
}

rdl_code rdl_zip_get(rdl_str z, const char *name, rdl_arena *a, rdl_str *out, rdl_err *err)
{
    rdl_str d;
    uint32_t n = 0;
    entry e;
    RDL_TRY(directory(z, &d, &n, err));
    for (uint32_t i = 0; i < n; i++) {
        if (!next_entry(&d, &e))
            return damaged("its directory ends early", err);
        if (rdl_str_eq(e.name, rdl_str_of(name)))
            return extract(z, &e, a, out, err);
    }
    return rdl_err_set(err, RDL_EDATA, 0,
                       "could not read a zip archive: there is no file \"%s\" in it", name);
}
