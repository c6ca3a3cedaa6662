/*
 * batch/report_files.c - the files of a report, each whole at every instant, and what was written.
 *
 * MANIFEST  <root>/state/reports/<name>.json
 *
 *   {"format": 1, "report": "..", "fingerprint": "<32 hex>", "duckdb": "v..", "epoch": n,
 *    "ran_us": n, "for_us": n, "files": [{"path": "..", "bytes": n, "hash": "<32 hex>",
 *    "digest": ".."}, ..]}
 *
 * A run writes it before its files, naming the old and the new ones (a file that is not known to
 * be there yet has no hash), and after them.
 *
 * INVARIANTS
 *   Q1  A file has the bytes of one run: it is written under the name .<file>.raudal.tmp, synced,
 *       and renamed; folders are synced after.  A crash leaves old or new.
 *   Q2  Every file (and every temporary) that a run may leave is named by a durable manifest before
 *       it is written, so that a later run removes what is not wanted any more.
 *   Q3  A file is passed over only when the manifest says that it was made by the same text from
 *       rows of the same digest, and it is there with that size.
 *   Q4  No two groups share a file, on a file system that ignores case or forms of letters either:
 *       what lies under a name is known by device and inode.  Such groups fail the run before one
 *       of them is lost.
 *
 * tests/cli/report_kill_test.sh kills at report.planned, report.written, report.renamed,
 * report.removed.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"
#include "batch/report_internal.h"

enum {
    BATCH_FILES = 512,
    BATCH_BYTES = 64 << 20,
    NAME_BYTES_MAX = 240, /* the temporary's name is a little longer, and has to stay below 256 */
    SUFFIX_BYTES_MAX = 16,
    MANIFEST_BYTES_MAX = 256 << 20,
};

typedef struct known {
    const char *path, *digest;
    char hash[33]; /* "": not known to be there */
    uint64_t bytes;
    bool wanted;
} known;

struct rdl_report_files {
    rdl_reporting *x;
    const char *manifest;
    rdl_lock *lock;
    rdl_report_state last;
    const char *duckdb; /* that made the digests */
    rdl_map files;      /* path -> known * */
    bool kept;          /* there is a manifest for this run */
    rdl_map taken;      /* device and inode -> known *: whose bytes lie there in this run */
    /* The file at work: */
    known *now;
    const char *tmp;
    rdl_buf bytes; /* until it is too large */
    rdl_file *out;
    rdl_hasher *hash;
    uint64_t size;
    /* Written, not published: */
    RDL_VEC(known *) waiting;
    uint64_t waiting_bytes;
};

/* ---- paths ---- */

/* One value as part of a file's name: injective, and never a folder, a hidden or a special name. */
static void put_escaped(rdl_buf *out, const char *value)
{
    if (value == NULL || value[0] == '\0') {
        rdl_buf_puts(out, value == NULL ? "%null" : "%empty");
        return;
    }
    for (const char *p = value; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c >= 0x80 || (c == '.' && p > value);
        if (plain)
            rdl_buf_putc(out, (char)c);
        else
            rdl_buf_printf(out, "%%%02X", c);
    }
}

/* A name that no folder takes keeps its beginning and its suffix; between them stands its hash. */
static void put_name(rdl_buf *out, rdl_str name)
{
    char hash[33];
    size_t n = NAME_BYTES_MAX - 40, suffix = 0;
    if (name.n <= NAME_BYTES_MAX) {
        rdl_buf_put(out, name.p, name.n);
        return;
    }
    for (size_t i = 1; i <= SUFFIX_BYTES_MAX && suffix == 0; i++)
        suffix = name.p[name.n - i] == '.' ? i : 0;
    n -= suffix;
    while (n > 0 && ((unsigned char)name.p[n] & 0xc0) == 0x80)
        n--; /* no half character */
    rdl_hash128_hex(rdl_hash128_of(name.p, name.n), hash);
    rdl_buf_put(out, name.p, n);
    rdl_buf_printf(out, "%%~%s", hash);
    rdl_buf_put(out, name.p + name.n - suffix, suffix);
}

static void put_names(rdl_buf *out, rdl_str path)
{
    for (size_t from = 0, i = 0; i <= path.n; i++) {
        if (i < path.n && path.p[i] != '/')
            continue;
        put_name(out, (rdl_str){path.p + from, i - from});
        if (i < path.n)
            rdl_buf_putc(out, '/');
        from = i + 1;
    }
}

static const char *place_text(const rdl_reporting *x, rdl_str name, const char *const *each)
{
    const rdl_report *r = x->report;
    for (size_t i = 0; i < r->each_count; i++)
        if (rdl_str_eq_nocase(r->columns.v[r->each[i]].name, name))
            return each[i];
    for (size_t i = 0; i < r->parameter_count; i++)
        if (rdl_str_eq_nocase(r->parameters[i].name, name))
            return x->parameters[i];
    return "";
}

const char *rdl_report_path(rdl_reporting *x, const char *const *each)
{
    rdl_str t = x->request->to != NULL ? rdl_str_of(x->request->to) : x->report->path;
    rdl_buf out = {0}, names = {0};
    if (t.n == 0)
        return NULL;
    for (size_t i = 0; i < t.n; i++) {
        const char *close = memchr(t.p + i, '}', t.n - i);
        bool brace = t.p[i] == '{' && i + 1 < t.n && t.p[i + 1] == '{';
        if (t.p[i] != '{' || brace || close == NULL) {
            rdl_buf_putc(&out, t.p[i]);
            i += brace;
            continue;
        }
        rdl_str name = {t.p + i + 1, (size_t)(close - t.p) - i - 1};
        put_escaped(&out, place_text(x, name, each));
        i += name.n + 1;
    }
    const char *base = x->request->to != NULL ? "." : rdl_reader_root(x->r);
    put_names(&names, (rdl_str){rdl_buf_str(&out), out.n});
    const char *path = rdl_path_absolute(
        x->a, rdl_path_join(x->a, rdl_path_absolute(x->a, base), rdl_buf_str(&names)));
    rdl_buf_fini(&names);
    rdl_buf_fini(&out);
    return path;
}

static const char *temporary(rdl_arena *a, const char *path)
{
    return rdl_arena_printf(a, "%s/.%s.raudal.tmp", rdl_path_dir(a, path), rdl_path_base(path));
}

static const char *manifest_path(rdl_arena *a, const char *root, const rdl_report *r,
                                 const char *suffix)
{
    rdl_buf escaped = {0}, name = {0};
    const char *plain = rdl_arena_strndup(a, r->name.p, r->name.n);
    put_escaped(&escaped, plain);
    put_name(&name, (rdl_str){rdl_buf_str(&escaped), escaped.n});
    const char *path =
        rdl_arena_printf(a, "%s/state/reports/%s.%s", root, rdl_buf_str(&name), suffix);
    rdl_buf_fini(&escaped);
    rdl_buf_fini(&name);
    return path;
}

/* ---- the manifest ---- */

static const char *text_of(rdl_arena *a, const json_t *from, const char *key)
{
    const char *s = json_string_value(json_object_get(from, key));
    return rdl_arena_strdup(a, s != NULL ? s : "");
}

static void read_file(rdl_arena *a, const json_t *from, rdl_map *out)
{
    known *k = RDL_NEW(a, known);
    k->path = text_of(a, from, "path");
    k->digest = text_of(a, from, "digest");
    snprintf(k->hash, sizeof k->hash, "%s", text_of(a, from, "hash"));
    k->bytes = (uint64_t)json_integer_value(json_object_get(from, "bytes"));
    rdl_map_put(out, rdl_str_of(k->path), k);
}

static rdl_code damaged(const char *path, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0, "could not read the manifest \"%s\": it is no JSON of ours",
                path);
    rdl_err_hint(err, "Remove it: the report is then written anew, and files of groups that are "
                      "gone stay.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
}

static rdl_code read_manifest(rdl_arena *a, const char *path, rdl_report_state *out, rdl_map *files,
                              const char **duckdb, rdl_err *err)
{
    rdl_buf text = {0};
    json_error_t why;
    size_t i;
    json_t *one;
    *out = (rdl_report_state){.ran_us = INT64_MIN, .for_us = INT64_MIN};
    if (!rdl_fs_exists(path))
        return RDL_OK;
    rdl_code rc = rdl_fs_read(path, MANIFEST_BYTES_MAX, &text, err);
    json_t *all = rc == RDL_OK ? json_loadb(rdl_buf_str(&text), text.n, 0, &why) : NULL;
    rdl_buf_fini(&text);
    RDL_TRY(rc);
    if (all == NULL || json_integer_value(json_object_get(all, "format")) != 1 ||
        !rdl_hash128_unhex(text_of(a, all, "fingerprint"), 32, &out->fingerprint)) {
        json_decref(all);
        return damaged(path, err);
    }
    out->epoch = (uint64_t)json_integer_value(json_object_get(all, "epoch"));
    out->ran_us = json_integer_value(json_object_get(all, "ran_us"));
    out->for_us = json_integer_value(json_object_get(all, "for_us"));
    if (duckdb != NULL)
        *duckdb = text_of(a, all, "duckdb");
    json_array_foreach(json_object_get(all, "files"), i, one)
    {
        if (files != NULL)
            read_file(a, one, files);
    }
    json_decref(all);
    return RDL_OK;
}

static void put_file(rdl_buf *b, const known *k, bool first)
{
    rdl_buf_puts(b, first ? "\n{\"path\": " : ",\n{\"path\": ");
    rdl_buf_put_json_text(b, rdl_str_of(k->path));
    if (k->hash[0] != '\0') {
        rdl_buf_printf(b, ", \"bytes\": %" PRIu64 ", \"hash\": \"%s\", \"digest\": ", k->bytes,
                       k->hash);
        rdl_buf_put_json_text(b, rdl_str_of(k->digest));
    }
    rdl_buf_putc(b, '}');
}

static rdl_code write_manifest(rdl_report_files *f, bool done, rdl_err *err)
{
    const rdl_report *r = f->x->report;
    rdl_buf b = {0};
    char hex[33];
    bool first = true;
    int64_t ran = done ? rdl_now_us(&rdl_clock_system) : f->last.ran_us;
    rdl_hash128_hex(f->x->fingerprint, hex);
    rdl_buf_puts(&b, "{\"format\": 1, \"report\": ");
    rdl_buf_put_json_text(&b, r->name);
    rdl_buf_printf(&b,
                   ", \"fingerprint\": \"%s\", \"duckdb\": \"%s\", \"epoch\": %" PRIu64
                   ", \"ran_us\": %" PRId64 ", \"for_us\": %" PRId64 ", \"files\": [",
                   hex, rdl_duck_version(), done ? f->x->result->epoch : f->last.epoch, ran,
                   done ? f->x->request->for_us : f->last.for_us);
    for (size_t i = 0; i < f->files.n; i++) {
        const known *k = f->files.entries[i].value;
        if (done && !k->wanted)
            continue;
        put_file(&b, k, first);
        first = false;
    }
    rdl_buf_puts(&b, "]}\n");
    rdl_code rc = rdl_fs_write_durable(f->manifest, b.p, b.n, err);
    rdl_buf_fini(&b);
    return rc;
}

rdl_code rdl_report_last(rdl_arena *a, const char *root, const rdl_report *report,
                         rdl_report_state *out, rdl_err *err)
{
    return read_manifest(a, manifest_path(a, root, report, "json"), out, NULL, NULL, err);
}

/* ---- Q4: names that are one for the file system ---- */

static known *holder_of(const rdl_report_files *f, const rdl_stat *st, uint64_t id[2])
{
    id[0] = st->device;
    id[1] = st->inode;
    return rdl_map_get(&f->taken, (rdl_str){(const char *)id, 2 * sizeof id[0]});
}

static void hold(rdl_report_files *f, const rdl_stat *st, known *k)
{
    uint64_t id[2];
    if (holder_of(f, st, id) != k)
        rdl_map_put(&f->taken, (rdl_str){(const char *)id, sizeof id}, k);
}

/* What lies under this name, if anything does, is no other group's. */
static rdl_code own(const rdl_report_files *f, const char *path, const known *k, rdl_stat *out,
                    rdl_err *err)
{
    uint64_t id[2];
    RDL_TRY(rdl_fs_stat(path, out, err));
    const known *other = out->exists ? holder_of(f, out, id) : NULL;
    if (other == NULL || other == k)
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "two groups would be written to one file: \"%s\" and \"%s\" are the same name here",
                other->path, k->path);
    return rdl_err_hint(
        err, "This file system takes letters of either case, or of several forms, for one: "
             "put another column into the path, or write elsewhere.");
}

/* ---- a run ---- */

rdl_code rdl_report_files_open(rdl_reporting *x, rdl_report_files **out, rdl_err *err)
{
    rdl_report_files *f = RDL_NEW(x->a, rdl_report_files);
    const char *root = rdl_reader_root(x->r);
    *f = (rdl_report_files){
        .x = x, .manifest = manifest_path(x->a, root, x->report, "json"), .duckdb = ""};
    rdl_map_init(&f->files, x->a);
    rdl_map_init(&f->taken, x->a);
    *out = f;
    /* What is asked for with values or elsewhere is nobody's to keep. */
    f->kept = x->request->value_count == 0 && x->request->to == NULL && !x->request->has_format;
    if (!f->kept)
        return RDL_OK;
    RDL_TRY(rdl_fs_mkdirs(rdl_path_dir(x->a, f->manifest), err));
    RDL_TRY(rdl_lock_take(manifest_path(x->a, root, x->report, "lock"), "a run of this report",
                          &f->lock, err));
    RDL_TRY(read_manifest(x->a, f->manifest, &f->last, &f->files, &f->duckdb, err));
    for (size_t i = 0; i < f->files.n; i++) {
        const known *k = f->files.entries[i].value;
        RDL_TRY(rdl_fs_unlink(temporary(x->a, k->path), err));
    }
    return RDL_OK;
}

/* Q3 */
static bool is_there(rdl_report_files *f, known *k, const rdl_report_group *g)
{
    rdl_err ignored = {0};
    rdl_stat st;
    bool there = rdl_hash128_eq(f->last.fingerprint, f->x->fingerprint) &&
                 strcmp(f->duckdb, rdl_duck_version()) == 0 && k->hash[0] != '\0' &&
                 strcmp(k->digest, g->digest) == 0 &&
                 rdl_fs_stat(k->path, &st, &ignored) == RDL_OK && st.exists && st.size == k->bytes;
    if (there)
        hold(f, &st, k);
    return there;
}

rdl_code rdl_report_files_plan(rdl_report_files *f, rdl_report_group *groups, size_t n,
                               rdl_err *err)
{
    bool news = false;
    for (size_t i = 0; i < n; i++) {
        known *k = rdl_map_get(&f->files, rdl_str_of(groups[i].path));
        if (k != NULL && k->wanted)
            return rdl_err_set(err, RDL_EDATA, 0, "two groups would be written to \"%s\"",
                               groups[i].path);
        if (k == NULL) {
            k = RDL_NEW(f->x->a, known);
            k->path = groups[i].path;
            k->digest = "";
            rdl_map_put(&f->files, rdl_str_of(k->path), k);
            news = true;
        }
        k->wanted = true;
        groups[i].skip = f->kept && is_there(f, k, &groups[i]);
    }
    if (f->kept && news)
        RDL_TRY(write_manifest(f, false, err));
    (void)RDL_FAULT_AT(REPORT_PLANNED);
    return RDL_OK;
}

rdl_code rdl_report_files_begin(rdl_report_files *f, const rdl_report_group *g, rdl_err *err)
{
    f->now = rdl_map_get(&f->files, rdl_str_of(g->path));
    f->now->digest = g->digest;
    f->tmp = temporary(f->x->a, g->path);
    f->size = 0;
    rdl_buf_clear(&f->bytes);
    f->hash = rdl_hasher_new();
    return rdl_fs_mkdirs(rdl_path_dir(f->x->a, g->path), err);
}

static rdl_code create(rdl_report_files *f, rdl_err *err)
{
    rdl_stat st;
    RDL_TRY(rdl_file_create(f->tmp, &f->out, err));
    RDL_TRY(own(f, f->tmp, f->now, &st, err));
    hold(f, &st, f->now);
    return rdl_file_write(f->out, rdl_buf_str(&f->bytes), f->bytes.n, err);
}

rdl_code rdl_report_files_put(rdl_report_files *f, const char *p, size_t n, rdl_err *err)
{
    f->size += n;
    rdl_hasher_put(f->hash, p, n);
    if (f->out == NULL && f->bytes.n + n <= BATCH_BYTES) {
        rdl_buf_put(&f->bytes, p, n);
        return RDL_OK;
    }
    if (f->out == NULL) {
        RDL_TRY(create(f, err));
        rdl_buf_clear(&f->bytes);
    }
    return rdl_file_write(f->out, p, n, err);
}

/* Synced, renamed, their folders synced: Q1 for all that waits. */
static rdl_code publish(rdl_report_files *f, rdl_err *err)
{
    rdl_arena *a = f->x->a;
    size_t n = f->waiting.n, dirs = 0;
    const char **paths = RDL_NEWN(a, const char *, n + 1);
    if (n == 0)
        return RDL_OK;
    for (size_t i = 0; i < n; i++)
        paths[i] = temporary(a, f->waiting.v[i]->path);
    RDL_TRY(rdl_fs_sync_many(paths, n, err));
    (void)RDL_FAULT_AT(REPORT_WRITTEN);
    for (size_t i = 0; i < n; i++) {
        rdl_stat st;
        RDL_TRY(own(f, f->waiting.v[i]->path, f->waiting.v[i], &st, err));
        RDL_TRY(rdl_fs_rename(paths[i], f->waiting.v[i]->path, err));
        (void)RDL_FAULT_AT(REPORT_RENAMED);
    }
    const char *last = "";
    for (size_t i = 0; i < n; i++) {
        const char *dir = rdl_path_dir(a, f->waiting.v[i]->path);
        if (strcmp(dir, last) != 0)
            paths[dirs++] = dir;
        last = dir;
    }
    RDL_TRY(rdl_fs_sync_many(paths, dirs, err));
    f->x->result->files_written += n;
    f->waiting.n = 0;
    f->waiting_bytes = 0;
    return RDL_OK;
}

/* The bytes that are there already are left alone, with their time. */
static bool unchanged(rdl_report_files *f, const char *hash)
{
    rdl_err ignored = {0};
    rdl_stat st;
    bool same = strcmp(f->now->hash, hash) == 0 && f->now->bytes == f->size &&
                rdl_fs_stat(f->now->path, &st, &ignored) == RDL_OK && st.exists &&
                st.size == f->size;
    if (same)
        hold(f, &st, f->now);
    return same;
}

/* A name that is free again may be given out again by the file system. */
static rdl_code drop_temporary(rdl_report_files *f, rdl_err *err)
{
    rdl_stat st;
    RDL_TRY(rdl_fs_stat(f->tmp, &st, err));
    if (st.exists)
        hold(f, &st, NULL);
    return rdl_fs_unlink(f->tmp, err);
}

rdl_code rdl_report_files_end(rdl_report_files *f, rdl_err *err)
{
    char hash[33];
    rdl_hash128_hex(rdl_hasher_done(f->hash), hash);
    f->hash = NULL;
    bool same = unchanged(f, hash);
    if (f->out == NULL && !same)
        RDL_TRY(create(f, err));
    rdl_file_close(f->out);
    f->out = NULL;
    snprintf(f->now->hash, sizeof f->now->hash, "%s", hash);
    f->now->bytes = f->size;
    if (same)
        return drop_temporary(f, err);
    RDL_PUSH(f->x->a, &f->waiting) = f->now;
    f->waiting_bytes += f->size;
    if (f->waiting.n >= BATCH_FILES || f->waiting_bytes >= BATCH_BYTES)
        return publish(f, err);
    return RDL_OK;
}

static rdl_code remove_vanished(rdl_report_files *f, rdl_err *err)
{
    for (size_t i = 0; i < f->files.n; i++) {
        const known *k = f->files.entries[i].value;
        rdl_stat st;
        uint64_t id[2];
        if (k->wanted)
            continue;
        RDL_TRY(rdl_fs_stat(k->path, &st, err));
        if (st.exists && holder_of(f, &st, id) != NULL)
            continue; /* another name of a group's file */
        RDL_TRY(rdl_fs_unlink(k->path, err));
        f->x->result->files_removed++;
        (void)RDL_FAULT_AT(REPORT_REMOVED);
    }
    return RDL_OK;
}

rdl_code rdl_report_files_finish(rdl_report_files *f, rdl_err *err)
{
    RDL_TRY(publish(f, err));
    if (!f->kept)
        return RDL_OK;
    RDL_TRY(remove_vanished(f, err));
    return write_manifest(f, true, err);
}

void rdl_report_files_close(rdl_report_files *f)
{
    if (f == NULL)
        return;
    rdl_file_close(f->out);
    if (f->hash != NULL)
        (void)rdl_hasher_done(f->hash);
    rdl_buf_fini(&f->bytes);
    rdl_lock_release(f->lock);
}
