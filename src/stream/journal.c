/*
 * stream/journal.c - the one file whose last good record says what is committed.
 *
 * FILE  (little-endian; docs/format/journal.md)
 *
 *   0    17  "raudal-journal 1\n"
 *   17   16  UUID of the root
 *   33   16  seed of keyed hashes
 *   49    8  XXH3-64 of the 49 bytes before
 *   57       records
 * or, in a file that goes on from an earlier one,
 *   0    17  "raudal-journal 2\n"
 *   49    8  sequence of the last record before the file
 *   57    8  its checksum
 *   65    8  bytes of the records that the file was made with: a summary
 *   73    8  XXH3-64 of the 73 bytes before
 *   81       records:
 *              u32 magic "RDLJ" · u32 type · u64 sequence · u32 payload bytes
 *              u32 low half of XXH3-64 of these 20 bytes
 *              payload
 *              u64 XXH3-64 of (previous record's checksum, or the header's) · the 24 bytes · payload
 *
 * INVARIANTS (J1..J3 in journal.h)
 *   J4  The header, and the records that a file is made with, are written with the file's name (tmp,
 *       sync, rename): they are never torn, so that any damage there is damage.
 *   J5  The length of a record is checked by itself before it is believed.  Without that, one
 *       flipped bit in the length of an old record would look like a torn append and cut off
 *       every record behind it.
 *   J8  An append that finds the file other than it was left (another writer, a file put in its place)
 *       writes nothing, and the journal takes no more.
 *   J6  At most one append is ever in flight, so whatever is torn is the last record.
 *
 * Tests: tests/unit/journal_test.c.
 */
#include "stream/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compress.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"

enum {
    TITLE_BYTES = 17,
    IDENTITY_BYTES = TITLE_BYTES + 16 + 16,
    HEADER_BYTES = IDENTITY_BYTES + 8,
    HEADER_BYTES_MAX = HEADER_BYTES + 24,
    RECORD_HEAD = 24,
    RECORD_TAIL = 8,
    PAYLOAD_MAX = 1 << 30, /* bytes; a seal of a million files is a tenth of it */
};

static const char title[TITLE_BYTES + 1] = "raudal-journal 1\n";
static const char title_later[TITLE_BYTES + 1] = "raudal-journal 2\n";
static const uint64_t past_bytes_max = 1ull << 36;
static const uint32_t record_magic = 0x4a4c4452; /* "RDLJ" */

struct rdl_journal {
    char *path;
    rdl_file *file;
    rdl_root_identity identity;
    uint64_t base;     /* sequence of the last record before the file */
    uint64_t inode;
    uint64_t bytes;    /* durable */
    uint64_t bytes_first;
    uint64_t sequence; /* of the last record */
    uint64_t chain;    /* its checksum */
    bool torn, broken;
};

/* What one reading of the file found. */
typedef struct contents {
    rdl_root_identity identity;
    uint64_t base, bytes_first, good_bytes, sequence, chain;
    bool torn;
} contents;

static void put32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (8 * i));
}

static void put64(char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (char)(v >> (8 * i));
}

static uint32_t get32(const char *p)
{
    uint32_t v = 0;
    for (int i = 3; i >= 0; i--)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

static uint64_t get64(const char *p)
{
    return (uint64_t)get32(p + 4) << 32 | get32(p);
}

static rdl_code damaged(rdl_err *err, const char *path, uint64_t at, const char *reason)
{
    (void)rdl_err_set(err, RDL_EDATA, 0,
                      "could not read journal \"%s\": %s at byte %" PRIu64, path, reason,
                      at);
    err->area = RDL_AREA_STORE;
    return rdl_err_hint(err,
                        "Nothing was changed.  Restore the file from a copy, or start a "
                        "new root with \"raudal backfill\".");
}

static uint64_t
record_checksum(uint64_t previous, const char *record, size_t n, rdl_buf *scratch)
{
    char chain[8];
    put64(chain, previous);
    rdl_buf_clear(scratch);
    rdl_buf_reserve(scratch, n + sizeof chain);
    rdl_buf_put(scratch, chain, sizeof chain);
    rdl_buf_put(scratch, record, n);
    return rdl_hash64(scratch->p, scratch->n);
}

static bool head_is_good(const char *p)
{
    return get32(p) == record_magic && get32(p + 20) == (uint32_t)rdl_hash64(p, 20);
}

static bool all_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* Whether a later record stands behind a place that cannot be read (then it is no torn tail). */
static bool record_follows(const char *p, size_t n)
{
    for (size_t i = 0; i + RECORD_HEAD <= n; i++)
        if (head_is_good(p + i))
            return true;
    return false;
}

/*
 * An append that a crash cut short is a prefix of a record, or (where the file system had
 * grown the file before the data arrived) begins with zeros.
 */
static bool is_torn_head(const char *p, size_t n)
{
    return n < RECORD_HEAD || (all_zero(p, RECORD_HEAD) && !record_follows(p, n));
}

static rdl_code read_header(const char *path, rdl_str file, contents *c, rdl_err *err)
{
    if (file.n < HEADER_BYTES)
        return damaged(err, path, file.n, "the header ends");
    if (memcmp(file.p, title, 15) == 0 && file.p[15] >= '3' && file.p[15] <= '9' &&
        file.p[16] == '\n') {
        (void)rdl_err_set(
            err, RDL_EDATA, 0,
            "cannot read journal \"%s\": its format is %c, this program reads 1 and 2", path,
            file.p[15]);
        err->area = RDL_AREA_STORE;
        return rdl_err_hint(err, "Use the version of raudal that wrote it.");
    }
    bool later = memcmp(file.p, title_later, TITLE_BYTES) == 0;
    size_t n = later ? HEADER_BYTES_MAX : HEADER_BYTES;
    if (!later && memcmp(file.p, title, TITLE_BYTES) != 0)
        return damaged(err, path, 0, "\"raudal-journal 1\" is missing");
    if (file.n < n)
        return damaged(err, path, file.n, "the header ends");
    if (get64(file.p + n - 8) != rdl_hash64(file.p, n - 8))
        return damaged(err, path, TITLE_BYTES, "the header does not match its checksum");
    memcpy(c->identity.uuid, file.p + TITLE_BYTES, 16);
    memcpy(c->identity.seed, file.p + TITLE_BYTES + 16, 16);
    c->base = c->sequence = later ? get64(file.p + IDENTITY_BYTES) : 0;
    c->chain = get64(file.p + n - 8);
    c->good_bytes = n;
    c->bytes_first = n + (later ? get64(file.p + IDENTITY_BYTES + 16) : 0);
    if (file.n < c->bytes_first)
        return damaged(err, path, file.n, "the summary that it begins with ends");
    return RDL_OK;
}

/* One record at c->good_bytes; *end when there is none. */
static rdl_code read_record(const char *path,
                            rdl_str file,
                            contents *c,
                            rdl_buf *scratch,
                            rdl_str *payload,
                            uint32_t *type,
                            bool *end,
                            rdl_err *err)
{
    const char *p = file.p + c->good_bytes;
    size_t left = file.n - c->good_bytes;

    *end = true;
    if (left == 0)
        return RDL_OK;
    if (left < RECORD_HEAD || !head_is_good(p)) {
        c->torn = is_torn_head(p, left);
        return c->torn
                   ? RDL_OK
                   : damaged(err, path, c->good_bytes, "the head of a record is damaged");
    }
    size_t n = get32(p + 16), whole = RECORD_HEAD + n + RECORD_TAIL;
    if (get64(p + 8) != c->sequence + 1)
        return damaged(err, path, c->good_bytes + 8, "a record is out of sequence");
    if (whole > left) {
        c->torn = true;
        return RDL_OK;
    }
    uint64_t sum = record_checksum(c->chain, p, RECORD_HEAD + n, scratch);
    if (sum != get64(p + RECORD_HEAD + n)) {
        c->torn = whole == left;
        return c->torn ? RDL_OK
                       : damaged(err, path, c->good_bytes,
                                 "a record does not match its checksum");
    }
    *type = get32(p + 4);
    *payload = (rdl_str){p + RECORD_HEAD, n};
    c->chain = sum;
    c->sequence++;
    c->good_bytes += whole;
    *end = false;
    return RDL_OK;
}

static rdl_code read_all(const char *path,
                         rdl_str file,
                         contents *c,
                         rdl_journal_visitor visit,
                         void *arg,
                         rdl_err *err)
{
    rdl_buf scratch = {0};
    rdl_code rc = RDL_OK;
    *c = (contents){0};
    RDL_TRY_OUT(read_header(path, file, c, err));
    for (;;) {
        rdl_str payload = {0};
        uint32_t type = 0;
        bool end;
        RDL_TRY_OUT(read_record(path, file, c, &scratch, &payload, &type, &end, err));
        if (end && c->good_bytes < c->bytes_first)
            RDL_TRY_OUT(damaged(err, path, c->good_bytes, "a record of its summary is damaged"));
        if (end)
            break;
        if (visit != NULL)
            RDL_TRY_OUT(visit(arg, type, c->sequence, payload, err));
    }
out:
    rdl_buf_fini(&scratch);
    return rc;
}

rdl_code rdl_journal_read(const char *path,
                          rdl_root_identity *out_identity,
                          rdl_journal_visitor visit,
                          void *arg,
                          rdl_err *err)
{
    rdl_map_file map = {0};
    contents c = {0};
    RDL_TRY(rdl_err_area(rdl_fs_map(path, &map, err), err, RDL_AREA_STORE));
    rdl_code rc = read_all(path, (rdl_str){map.p, map.n}, &c, visit, arg, err);
    rdl_fs_unmap(&map);
    if (rc == RDL_OK && out_identity != NULL)
        *out_identity = c.identity;
    return rc;
}

/* The header of a file whose first record follows this one; returns its length. */
static size_t build_header(const rdl_root_identity *identity, uint64_t base, uint64_t chain,
                           uint64_t bytes_first, char out[HEADER_BYTES_MAX])
{
    size_t n = IDENTITY_BYTES;
    memcpy(out, base > 0 ? title_later : title, TITLE_BYTES);
    memcpy(out + TITLE_BYTES, identity->uuid, 16);
    memcpy(out + TITLE_BYTES + 16, identity->seed, 16);
    if (base > 0) {
        put64(out + n, base);
        put64(out + n + 8, chain);
        put64(out + n + 16, bytes_first);
        n += 24;
    }
    put64(out + n, rdl_hash64(out, n));
    return n + 8;
}

static rdl_code create(const char *path, rdl_err *err)
{
    char header[HEADER_BYTES_MAX];
    rdl_root_identity identity;
    if (!rdl_random_bytes(&identity, sizeof identity))
        return rdl_err_set(
            err, RDL_EIO, RDL_ERR_RETRY,
            "could not create journal \"%s\": the system gave no random bytes", path);
    /* RFC 9562: version 4, variant 10. */
    identity.uuid[6] = (uint8_t)((identity.uuid[6] & 0x0f) | 0x40);
    identity.uuid[8] = (uint8_t)((identity.uuid[8] & 0x3f) | 0x80);
    size_t n = build_header(&identity, 0, 0, 0, header);
    return rdl_fs_write_durable(path, header, n, err);
}

/* J2: keep the bytes of a torn append beside the journal, then cut them off. */
static rdl_code set_torn_aside(rdl_journal *j, rdl_str torn, rdl_err *err)
{
    rdl_buf name = {0};
    rdl_buf_printf(&name, "%s.torn-%" PRIu64, j->path, j->sequence + 1);
    rdl_code rc = rdl_fs_write_durable(rdl_buf_str(&name), torn.p, torn.n, err);
    rdl_buf_fini(&name);
    RDL_TRY(rc);
    RDL_TRY(rdl_file_truncate(j->file, j->bytes, err));
    return rdl_file_sync(j->file, err);
}

static rdl_code note_inode(rdl_journal *j, rdl_err *err)
{
    rdl_stat now;
    RDL_TRY(rdl_fs_stat(j->path, &now, err));
    j->inode = now.inode;
    return RDL_OK;
}

static rdl_code open_file(rdl_journal *j,
                          rdl_root_identity *out_identity,
                          rdl_journal_visitor visit,
                          void *arg,
                          rdl_err *err)
{
    rdl_map_file map = {0};
    contents c = {0};
    rdl_code rc = RDL_OK;
    if (!rdl_fs_exists(j->path))
        RDL_TRY(create(j->path, err));
    RDL_TRY(rdl_fs_map(j->path, &map, err));
    RDL_TRY_OUT(read_all(j->path, (rdl_str){map.p, map.n}, &c, visit, arg, err));
    j->identity = c.identity;
    j->base = c.base;
    j->bytes = c.good_bytes;
    j->bytes_first = c.bytes_first;
    j->sequence = c.sequence;
    j->chain = c.chain;
    j->torn = c.torn;
    if (out_identity != NULL)
        *out_identity = c.identity;
    RDL_TRY_OUT(rdl_file_open_append(j->path, &j->file, err));
    if (c.torn)
        RDL_TRY_OUT(
            set_torn_aside(j, (rdl_str){map.p + c.good_bytes, map.n - c.good_bytes}, err));
    RDL_TRY_OUT(note_inode(j, err));
out:
    rdl_fs_unmap(&map);
    return rc;
}

rdl_code rdl_journal_open(const char *path,
                          rdl_root_identity *out_identity,
                          rdl_journal_visitor visit,
                          void *arg,
                          rdl_journal **out,
                          rdl_err *err)
{
    size_t n = strlen(path) + 1;
    rdl_journal *j = calloc(1, sizeof *j); /* allow: lives as long as the engine */
    if (j == NULL)
        return rdl_err_nomem(err);
    j->path = malloc(n); /* allow: as the journal */
    rdl_code rc = j->path == NULL ? rdl_err_nomem(err) : RDL_OK;
    if (rc == RDL_OK) {
        memcpy(j->path, path, n);
        rc = open_file(j, out_identity, visit, arg, err);
    }
    if (rc != RDL_OK) {
        rdl_journal_close(j);
        return rdl_err_area(rc, err, RDL_AREA_STORE);
    }
    *out = j;
    return RDL_OK;
}

bool rdl_journal_was_torn(const rdl_journal *j)
{
    return j->torn;
}

bool rdl_journal_is_broken(const rdl_journal *j)
{
    return j->broken;
}

uint64_t rdl_journal_bytes_first(const rdl_journal *j)
{
    return j->bytes_first;
}

uint64_t rdl_journal_bytes(const rdl_journal *j)
{
    return j->bytes;
}

/* Appends the record, behind the 8 bytes of the chain that its checksum begins with. */
static uint64_t
build_record(uint64_t chain, uint64_t sequence, uint32_t type, rdl_str payload, rdl_buf *out)
{
    /* The previous checksum leads in memory, so that one pass hashes the chain. */
    char head[8 + RECORD_HEAD], tail[RECORD_TAIL];
    put64(head, chain);
    put32(head + 8, record_magic);
    put32(head + 12, type);
    put64(head + 16, sequence);
    put32(head + 24, (uint32_t)payload.n);
    put32(head + 28, (uint32_t)rdl_hash64(head + 8, 20));
    rdl_buf_clear(out);
    rdl_buf_reserve(out, sizeof head + payload.n + sizeof tail);
    rdl_buf_put(out, head, sizeof head);
    rdl_buf_put(out, payload.p, payload.n);
    uint64_t sum = rdl_hash64(out->p, out->n);
    put64(tail, sum);
    rdl_buf_put(out, tail, sizeof tail);
    return sum;
}

static rdl_code write_record(rdl_journal *j, const char *p, size_t n, rdl_err *err)
{
    int fault = RDL_FAULT_AT(SEAL_WRITE);
    if (fault == RDL_FAULT_TORN) {
        RDL_TRY(rdl_file_write(j->file, p, n / 2, err));
        fault = rdl_fault_kill(RDL_FAULT_SEAL_WRITE); /* comes back in a script test only */
    }
    if (fault != 0)
        return rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY,
                           "could not write journal \"%s\": %s", j->path, strerror(fault));
    RDL_TRY(rdl_file_write(j->file, p, n, err));
    fault = RDL_FAULT_AT(SEAL_BEFORE_SYNC);
    if (fault != 0)
        return rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY,
                           "could not sync journal \"%s\": %s", j->path, strerror(fault));
    return rdl_file_sync(j->file, err);
}

/*
 * The root's lock keeps others out where the file system has locks; where it has none (or somebody
 * removed the lock's file), a file that is not as we left it tells of another writer.
 */
static rdl_code check_alone(rdl_journal *j, rdl_err *err)
{
    rdl_stat now;
    RDL_TRY(rdl_fs_stat(j->path, &now, err));
    if (now.exists && now.size == j->bytes && now.inode == j->inode)
        return RDL_OK;
    j->broken = true;
    rdl_err_set(err, RDL_ECONFLICT, 0,
                "cannot append to journal \"%s\": %s", j->path,
                now.exists ? "another process has written to it" : "it is gone");
    return rdl_err_hint(err, "Nothing of this epoch is committed.  One process alone may write to a "
                             "root: stop the other, then start raudal again.");
}

rdl_code rdl_journal_append(rdl_journal *j, uint32_t type, rdl_str payload, rdl_err *err)
{
    rdl_buf record = {0};
    if (j->broken) {
        (void)rdl_err_set(err, RDL_EIO, 0,
                          "cannot append to journal \"%s\": an earlier append failed",
                          j->path);
        err->area = RDL_AREA_STORE;
        return rdl_err_hint(err,
                            "Start raudal again; it goes on from the last good record.");
    }
    if (payload.n > PAYLOAD_MAX) {
        (void)rdl_err_set(err, RDL_ELIMIT, 0,
                          "cannot append to journal \"%s\": the record has %zu bytes, "
                          "the bound is %d",
                          j->path, payload.n, (int)PAYLOAD_MAX);
        err->area = RDL_AREA_STORE;
        return rdl_err_hint(err, "Set max_files_per_epoch lower.");
    }
    RDL_TRY(rdl_err_area(check_alone(j, err), err, RDL_AREA_STORE));
    uint64_t sum = build_record(j->chain, j->sequence + 1, type, payload, &record);
    rdl_code rc = write_record(j, record.p + 8, record.n - 8, err);
    if (rc == RDL_OK) {
        j->bytes += record.n - 8;
        j->sequence++;
        j->chain = sum;
    } else {
        /* What the file holds now is not known: only a reading of it can tell (J1). */
        j->broken = true;
    }
    rdl_buf_fini(&record);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

/* ---- rotation ---- */

/* <folder of the journal>/journal-past */
static char *past_dir(rdl_arena *a, const char *path)
{
    return rdl_arena_printf(a, "%s-past", path);
}

/* J7, first: what the file holds, under the number that it began after. */
static rdl_code set_aside(rdl_journal *j, rdl_err *err)
{
    rdl_arena a;
    rdl_map_file map = {0};
    rdl_buf packed = {0};
    rdl_arena_init(&a, 0);
    const char *dir = past_dir(&a, j->path);
    rdl_code rc = rdl_fs_mkdirs(dir, err);
    if (rc == RDL_OK)
        rc = rdl_fs_map(j->path, &map, err);
    if (rc == RDL_OK) {
        rc = rdl_compress((rdl_str){map.p, (size_t)j->bytes}, &packed, err);
        if (rc == RDL_OK)
            rc = rdl_fs_write_durable(rdl_arena_printf(&a, "%s/%012" PRIu64 ".zst", dir, j->base),
                                      packed.p, packed.n, err);
        rdl_fs_unmap(&map);
    }
    if (rc == RDL_OK)
        rc = rdl_fs_sync_dir(rdl_path_dir(&a, j->path), err);
    rdl_buf_fini(&packed);
    rdl_arena_fini(&a);
    return rc;
}

/* J7, second: the new file, whole, takes the name. */
static rdl_code begin_again(rdl_journal *j, const rdl_buf *whole, const rdl_journal *next,
                            rdl_err *err)
{
    rdl_file *file = NULL;
    /* Whether the name has moved cannot be told from a failure in here. */
    j->broken = true;
    RDL_TRY(rdl_fs_write_durable(j->path, whole->p, whole->n, err));
    (void)RDL_FAULT_AT(JOURNAL_REPLACED);
    RDL_TRY(rdl_file_open_append(j->path, &file, err));
    rdl_file_close(j->file);
    j->file = file;
    RDL_TRY(note_inode(j, err));
    j->base = next->base;
    j->sequence = next->sequence;
    j->chain = next->chain;
    j->bytes = j->bytes_first = whole->n;
    j->broken = false;
    return RDL_OK;
}

rdl_code rdl_journal_rotate(rdl_journal *j, const rdl_journal_record *records, size_t n,
                            rdl_err *err)
{
    char header[HEADER_BYTES_MAX];
    rdl_buf whole = {0}, record = {0};
    rdl_journal next = {.base = j->sequence, .sequence = j->sequence};
    rdl_code rc = RDL_OK;
    if (j->broken || j->sequence == j->base)
        return RDL_OK;
    RDL_TRY(rdl_err_area(check_alone(j, err), err, RDL_AREA_STORE));
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += RECORD_HEAD + records[i].payload.n + RECORD_TAIL;
    size_t head = build_header(&j->identity, j->sequence, j->chain, bytes, header);
    rdl_buf_put(&whole, header, head);
    next.chain = get64(header + head - 8);
    for (size_t i = 0; i < n; i++) {
        next.chain = build_record(next.chain, ++next.sequence, records[i].type,
                                  records[i].payload, &record);
        rdl_buf_put(&whole, record.p + 8, record.n - 8);
    }
    RDL_TRY_OUT(set_aside(j, err));
    int fault = RDL_FAULT_AT(JOURNAL_KEPT);
    if (fault != 0)
        RDL_TRY_OUT(rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not rotate journal \"%s\": %s",
                                j->path, strerror(fault)));
    RDL_TRY_OUT(begin_again(j, &whole, &next, err));
out:
    rdl_buf_fini(&whole);
    rdl_buf_fini(&record);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

/* ---- the past ---- */

typedef struct past {
    rdl_journal_visitor visit;
    void *arg;
    uint64_t last;  /* sequence of the last record given */
    uint64_t first; /* from here on all were given */
    bool summary;   /* the records being read stand for those that are gone */
} past;

/* Between the files of one chain a summary says nothing new. */
static rdl_code give(void *arg, uint32_t type, uint64_t sequence, rdl_str payload, rdl_err *err)
{
    past *p = arg;
    bool follows = sequence == p->last + 1;
    if (!follows)
        p->first = sequence;
    p->last = sequence;
    p->summary = type == RDL_RECORD_SUMMARY && (p->summary || !follows);
    if (type == RDL_RECORD_SUMMARY && !p->summary)
        return RDL_OK;
    return p->visit(p->arg, type, sequence, payload, err);
}

static rdl_code read_past_file(const char *path, past *p, rdl_err *err)
{
    rdl_buf packed = {0}, file = {0};
    contents c;
    rdl_code rc = rdl_fs_read(path, past_bytes_max, &packed, err);
    if (rc == RDL_OK && rdl_decompress((rdl_str){packed.p, packed.n}, past_bytes_max, &file,
                                       err) != RDL_OK)
        rc = damaged(err, path, 0, "the compressed bytes are not whole");
    if (rc == RDL_OK)
        rc = read_all(path, (rdl_str){file.p, file.n}, &c, give, p, err);
    rdl_buf_fini(&packed);
    rdl_buf_fini(&file);
    return rc;
}

/* Past files before the one that the journal goes on from, oldest first. */
static rdl_code read_past(rdl_arena *a, const char *path, uint64_t base, past *p, rdl_err *err)
{
    rdl_names names;
    const char *dir = past_dir(a, path);
    if (base == 0 || !rdl_fs_exists(dir))
        return RDL_OK;
    RDL_TRY(rdl_fs_list(a, dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        char *end = NULL;
        uint64_t from = strtoull(names.v[i], &end, 10);
        if (end == names.v[i] || strcmp(end, ".zst") != 0 || from >= base)
            continue;
        RDL_TRY(read_past_file(rdl_path_join(a, dir, names.v[i]), p, err));
    }
    return RDL_OK;
}

rdl_code rdl_journal_read_all(const char *path,
                              rdl_journal_visitor visit,
                              void *arg,
                              uint64_t *out_first,
                              rdl_err *err)
{
    rdl_map_file map = {0};
    rdl_arena a;
    contents c = {0};
    past p = {.visit = visit, .arg = arg, .first = 1};
    RDL_TRY(rdl_err_area(rdl_fs_map(path, &map, err), err, RDL_AREA_STORE));
    rdl_arena_init(&a, 0);
    rdl_code rc = read_header(path, (rdl_str){map.p, map.n}, &c, err);
    if (rc == RDL_OK)
        rc = read_past(&a, path, c.base, &p, err);
    if (rc == RDL_OK)
        rc = read_all(path, (rdl_str){map.p, map.n}, &c, give, &p, err);
    rdl_arena_fini(&a);
    rdl_fs_unmap(&map);
    *out_first = p.first;
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

void rdl_journal_close(rdl_journal *j)
{
    if (j == NULL)
        return;
    rdl_file_close(j->file);
    free(j->path); /* allow: see open */
    free(j);       /* allow: see open */
}

void rdl_uuid_print(const uint8_t uuid[16], char out[37])
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[uuid[i] >> 4];
        out[at++] = hex[uuid[i] & 15];
    }
    out[at] = '\0';
}
