/*
 * stream/state_delta.c - one epoch's changes of keyed state as a file.
 *
 * FILE  (docs/format/state.md)
 *
 *   "raudal-delta 1\n" · u8 0 · u64 epoch · records · u8 0 · u64 count of records · checksum
 *
 *   record    u8 1  put     varint key bytes · varint value bytes · key · value
 *             u8 2  delete  varint key bytes · key
 *             u8 3  clear   u64 space
 *             u8 4  space   u64 space: what follows is of it (not counted)
 *   checksum  XXH3-128 of all before it, high half first, each half little-endian
 *
 * INVARIANTS
 *   D1  Clears come first; a key stands at most once.  So applying the records in order to the
 *       state before the epoch gives the state after it.
 *   D2  Nothing is applied before the checksum of the whole file has been compared.
 *
 * The file is not synced here: the epoch syncs all of its files together.
 * Tests: tests/unit/state_test.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "stream/state_internal.h"

enum {
    TITLE_BYTES = 16,
    HEAD_BYTES = TITLE_BYTES + 8,
    TAIL_BYTES = 1 + 8 + 16,
    WRITE_BYTES = 1 << 18,
    OP_END = 0,
    OP_PUT = 1,
    OP_DELETE = 2,
    OP_CLEAR = 3,
    OP_SPACE = 4,
};

static const char title[TITLE_BYTES] = "raudal-delta 1\n";

typedef struct delta_out {
    rdl_file *file;
    rdl_hasher *hasher;
    rdl_buf buf;
    uint64_t count;
} delta_out;

static rdl_code flush(delta_out *o, rdl_err *err)
{
    rdl_hasher_put(o->hasher, o->buf.p, o->buf.n);
    RDL_TRY(rdl_file_write(o->file, o->buf.p, o->buf.n, err));
    rdl_buf_clear(&o->buf);
    return RDL_OK;
}

static void put_u64(rdl_buf *b, uint64_t v)
{
    char p[8];
    rdl_put64(p, v);
    rdl_buf_put(b, p, sizeof p);
}

static void put_entry(rdl_buf *b, const rdl_entry *e)
{
    char head[1 + 2 * RDL_VARINT_MAX], *p = head;
    rdl_str key = rdl_entry_key(e), value = rdl_entry_value(e);
    bool tombstone = rdl_entry_is_tombstone(e);
    *p++ = tombstone ? OP_DELETE : OP_PUT;
    p = rdl_put_varint(p, key.n);
    if (!tombstone)
        p = rdl_put_varint(p, value.n);
    rdl_buf_put(b, head, (size_t)(p - head));
    rdl_buf_put(b, key.p, key.n);
    if (!tombstone)
        rdl_buf_put(b, value.p, value.n);
}

static rdl_code write_records(rdl_state *s, delta_out *o, rdl_err *err)
{
    rdl_buf_put(&o->buf, title, TITLE_BYTES);
    put_u64(&o->buf, s->open_epoch);
    for (size_t i = 0; i < s->space_count; i++) {
        if (!s->spaces[i].clear_open)
            continue;
        rdl_buf_putc(&o->buf, OP_CLEAR);
        put_u64(&o->buf, s->spaces[i].id);
        o->count++;
    }
    uint32_t space = UINT32_MAX;
    rdl_memtable_walk w = {.table = &s->open};
    for (const rdl_entry *e = rdl_memtable_next(&w); e != NULL; e = rdl_memtable_next(&w)) {
        if (e->space != space) {
            space = e->space;
            rdl_buf_putc(&o->buf, OP_SPACE);
            put_u64(&o->buf, s->spaces[space].id);
        }
        put_entry(&o->buf, e);
        o->count++;
        if (o->buf.n >= WRITE_BYTES)
            RDL_TRY(flush(o, err));
    }
    rdl_buf_putc(&o->buf, OP_END);
    put_u64(&o->buf, o->count);
    return flush(o, err);
}

rdl_code rdl_state_delta_write(rdl_state *s, const char *path, rdl_err *err)
{
    delta_out o = {0};
    char sum[16];
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_file_create(path, &o.file, err));
    o.hasher = rdl_hasher_new();
    RDL_TRY_OUT(write_records(s, &o, err));
    rdl_hash128 h = rdl_hasher_peek(o.hasher);
    rdl_put64(sum, h.hi);
    rdl_put64(sum + 8, h.lo);
    RDL_TRY_OUT(rdl_file_write(o.file, sum, sizeof sum, err));
out:
    (void)rdl_hasher_done(o.hasher);
    rdl_buf_fini(&o.buf);
    rdl_file_close(o.file);
    return rc;
}

static rdl_code damaged(rdl_err *err, const char *path, size_t at, const char *reason)
{
    (void)rdl_err_set(err, RDL_EDATA, 0,
                      "could not read state delta \"%s\": %s at byte %zu", path, reason,
                      at);
    err->area = RDL_AREA_STORE;
    return rdl_err_hint(err,
                        "\"raudal refresh --rebuild-state\" makes state and deduplication indexes from "
                        "the lake.");
}

/* Reads one key or key and value; NULL when they do not lie within the file. */
static const char *
read_entry(const char *p, const char *end, bool has_value, rdl_str *key, rdl_str *value)
{
    uint64_t key_n = 0, value_n = 0;
    p = rdl_get_varint(p, end, &key_n);
    if (p != NULL && has_value)
        p = rdl_get_varint(p, end, &value_n);
    if (p == NULL || key_n > RDL_STATE_KEY_MAX || value_n > RDL_STATE_VALUE_MAX ||
        key_n + value_n > (uint64_t)(end - p))
        return NULL;
    *key = (rdl_str){p, (size_t)key_n};
    *value = (rdl_str){p + key_n, (size_t)value_n};
    return p + key_n + value_n;
}

typedef struct delta_in {
    const char *path, *start, *p, *end;
    uint64_t epoch, space, count;
} delta_in;

static rdl_code apply_one(rdl_state *s, delta_in *d, uint8_t op, rdl_err *err)
{
    rdl_str key = {0}, value = {0};
    if (op == OP_CLEAR || op == OP_SPACE) {
        if (d->end - d->p < 8)
            return damaged(err, d->path, (size_t)(d->p - d->start), "a record ends");
        d->space = rdl_get64(d->p);
        d->p += 8;
        if (op == OP_SPACE)
            return RDL_OK;
        d->count++;
        return rdl_state_apply_clear(s, d->epoch, d->space, err);
    }
    const char *next = op == OP_PUT || op == OP_DELETE
                           ? read_entry(d->p, d->end, op == OP_PUT, &key, &value)
                           : NULL;
    if (next == NULL)
        return damaged(err, d->path, (size_t)(d->p - d->start), "no record is readable");
    d->p = next;
    d->count++;
    return rdl_state_apply(s, d->epoch, d->space, key, value,
                           op == OP_DELETE ? RDL_ENTRY_TOMBSTONE : 0, err);
}

static rdl_code check_whole(const char *path, rdl_str file, uint64_t epoch, rdl_err *err)
{
    if (file.n < HEAD_BYTES + TAIL_BYTES)
        return damaged(err, path, file.n, "the file ends");
    if (memcmp(file.p, title, TITLE_BYTES) != 0)
        return damaged(err, path, 0, "\"raudal-delta 1\" is missing");
    const char *sum = file.p + file.n - 16;
    rdl_hash128 h = rdl_hash128_of(file.p, file.n - 16);
    if (rdl_get64(sum) != h.hi || rdl_get64(sum + 8) != h.lo)
        return damaged(err, path, file.n - 16, "the content does not match the checksum");
    if (rdl_get64(file.p + TITLE_BYTES) != epoch)
        return damaged(err, path, TITLE_BYTES, "another epoch is named");
    return RDL_OK;
}

static rdl_code
apply_all(rdl_state *s, const char *path, rdl_str file, uint64_t epoch, rdl_err *err)
{
    RDL_TRY(check_whole(path, file, epoch, err)); /* D2 */
    delta_in d = {.path = path,
                  .start = file.p,
                  .p = file.p + HEAD_BYTES,
                  .end = file.p + file.n - (TAIL_BYTES - 1),
                  .epoch = epoch};
    for (;;) {
        if (d.p == d.end)
            return damaged(err, path, (size_t)(d.p - d.start), "the end record is missing");
        uint8_t op = (uint8_t)*d.p++;
        if (op == OP_END)
            break;
        RDL_TRY(apply_one(s, &d, op, err));
    }
    if (d.p != d.end || rdl_get64(d.end) != d.count)
        return damaged(err, path, (size_t)(d.p - d.start), "the count of records differs");
    return RDL_OK;
}

rdl_code rdl_state_delta_apply(rdl_state *s, uint64_t epoch, const char *path, rdl_err *err)
{
    rdl_map_file map = {0};
    RDL_TRY(rdl_fs_map(path, &map, err));
    rdl_code rc = apply_all(s, path, (rdl_str){map.p, map.n}, epoch, err);
    rdl_fs_unmap(&map);
    return rc;
}
