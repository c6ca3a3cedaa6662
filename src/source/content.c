/*
 * source/content.c - reading a file to plan it.
 */
#include "source/content.h"

#include <stdlib.h>
#include <string.h>

#include "source/decode/lines.h"

enum { BLOCK = 1 << 18 };

static rdl_code open_source(const char *path, rdl_file **out, rdl_err *err)
{
    return rdl_err_area(rdl_file_open_read(path, out, err), err, RDL_AREA_SOURCE);
}

static rdl_code read_at(rdl_file *f, void *to, size_t n, uint64_t at, size_t *got, rdl_err *err)
{
    return rdl_err_area(rdl_file_pread(f, to, n, at, got, err), err, RDL_AREA_SOURCE);
}

static rdl_code shorter(const char *path, uint64_t at, uint64_t to, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, RDL_ERR_REPLAY,
                "could not read file \"%s\": it ends at byte %llu, and %llu were planned", path,
                (unsigned long long)at, (unsigned long long)to);
    rdl_err_hint(err, "Restore the file; a source's files may grow but never shrink.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

rdl_code rdl_content_whole(const char *path, bool json, bool *out, rdl_err *err)
{
    rdl_file *f;
    unsigned char head[4096];
    size_t n = 0, i = 0;
    *out = false;
    RDL_TRY(open_source(path, &f, err));
    rdl_code rc = read_at(f, head, sizeof head, 0, &n, err);
    if (rc == RDL_OK && n >= 4) {
        const unsigned char zstd[4] = {0x28, 0xb5, 0x2f, 0xfd};
        *out = (head[0] == 0x1f && head[1] == 0x8b) || memcmp(head, zstd, 4) == 0;
        i = memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    }
    for (uint64_t at = n; rc == RDL_OK && json && !*out && n > 0; at += n, i = 0) {
        while (i < n && (head[i] == ' ' || head[i] == '\t' || head[i] == '\r' || head[i] == '\n'))
            i++;
        *out = i < n && head[i] == '[';
        if (i < n)
            break;
        rc = read_at(f, head, sizeof head, at, &n, err);
    }
    rdl_file_close(f);
    return rc;
}

rdl_code rdl_content_byte(const char *path, uint64_t at, char *out, rdl_err *err)
{
    rdl_file *f;
    size_t n = 0;
    RDL_TRY(open_source(path, &f, err));
    rdl_code rc = read_at(f, out, 1, at, &n, err);
    rdl_file_close(f);
    return rc == RDL_OK && n == 0 ? shorter(path, at, at + 1, err) : rc;
}

/* From the front, counting quotes: a newline counts when their number so far is even. */
static rdl_code last_line_quoted(rdl_file *f, char *block, uint64_t begin, uint64_t limit,
                                 char quote, uint64_t *out_end, rdl_err *err)
{
    bool inside = false;
    for (uint64_t at = begin; at < limit;) {
        size_t n = limit - at < BLOCK ? (size_t)(limit - at) : BLOCK;
        RDL_TRY(read_at(f, block, n, at, &n, err));
        if (n == 0)
            break;
        for (size_t i = 0; i < n; i++) {
            inside ^= block[i] == quote;
            if (block[i] == '\n' && !inside)
                *out_end = at + i + 1;
        }
        at += n;
    }
    return RDL_OK;
}

static rdl_code last_line_plain(rdl_file *f, char *block, uint64_t begin, uint64_t limit,
                                uint64_t *out_end, rdl_err *err)
{
    for (uint64_t end = limit; end > begin;) {
        uint64_t from = end - begin < BLOCK ? begin : end - BLOCK;
        size_t n = 0;
        RDL_TRY(read_at(f, block, (size_t)(end - from), from, &n, err));
        char *nl = n > 0 ? memrchr(block, '\n', n) : NULL;
        if (nl != NULL) {
            *out_end = from + (uint64_t)(nl - block) + 1;
            break;
        }
        end = from;
    }
    return RDL_OK;
}

rdl_code rdl_content_last_line(const char *path, uint64_t begin, uint64_t limit, char quote,
                               uint64_t *out_end, rdl_err *err)
{
    rdl_file *f;
    rdl_arena a;
    *out_end = begin;
    RDL_TRY(open_source(path, &f, err));
    rdl_arena_init(&a, 0);
    char *block = rdl_arena_x(&a, BLOCK);
    rdl_code rc = quote != '\0' ? last_line_quoted(f, block, begin, limit, quote, out_end, err)
                                : last_line_plain(f, block, begin, limit, out_end, err);
    rdl_arena_fini(&a);
    rdl_file_close(f);
    return rc;
}

/* Count the lines of a block whose first line may have begun in the one before. */
static void count_block(const char *p, size_t n, bool *open, bool *blank, uint64_t *records)
{
    const char *end = p + n, *nl;
    if (*open) { /* the rest of a line */
        nl = memchr(p, '\n', n);
        const char *stop = nl != NULL ? nl : end;
        for (; *blank && p < stop; p++)
            *blank = *p == ' ' || *p == '\t' || *p == '\r';
        if (nl == NULL)
            return;
        *records += !*blank;
        *open = false;
        p = nl + 1;
    }
    const char *last = p < end ? memrchr(p, '\n', (size_t)(end - p)) : NULL;
    if (last != NULL) {
        uint64_t lines, full;
        rdl_count_lines(p, last + 1, &lines, &full);
        *records += full;
        p = last + 1;
    }
    if (p < end) {
        *open = *blank = true;
        for (; *blank && p < end; p++)
            *blank = *p == ' ' || *p == '\t' || *p == '\r';
    }
}

rdl_code rdl_content_hash(const char *path, uint64_t from, uint64_t to, rdl_hasher *h,
                          uint64_t *records, rdl_err *err)
{
    rdl_file *f;
    rdl_arena a;
    rdl_code rc = RDL_OK;
    bool open = false, blank = true;
    RDL_TRY(open_source(path, &f, err));
    rdl_arena_init(&a, 0);
    char *block = rdl_arena_x(&a, BLOCK);
    for (uint64_t at = from; at < to && rc == RDL_OK;) {
        size_t n = to - at < BLOCK ? (size_t)(to - at) : BLOCK;
        rc = read_at(f, block, n, at, &n, err);
        if (rc == RDL_OK && n == 0)
            rc = shorter(path, at, to, err);
        if (rc == RDL_OK) {
            rdl_hasher_put(h, block, n);
            if (records != NULL)
                count_block(block, n, &open, &blank, records);
            at += n;
        }
    }
    if (rc == RDL_OK && records != NULL)
        *records += open && !blank;
    rdl_arena_fini(&a);
    rdl_file_close(f);
    return rc;
}
