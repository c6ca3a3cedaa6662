/*
 * lake/checkpoint.c - the state of a version as one file, so that loading need not replay.
 *
 * Order of writing, each complete and synced before the next begins:
 *
 *   1  _raudal.<v>.jsonl              action lines, then their hash; what our loads read
 *   2  <v>.checkpoint.parquet         DuckDB turns 1 into Delta's nested schema
 *   3  _last_checkpoint               a hint to other readers
 *
 *   4  older copies are removed       old versions load from their Parquet checkpoints
 *
 * Dying between them leaves files that are true and merely not hinted at.  Removes younger
 * than a week are kept, as Delta asks, so that other writers' vacuum spares their files.
 *
 * INVARIANTS
 *   L8  A file named <v>.checkpoint.parquet is complete: it is written under another name,
 *       synced and renamed.
 *   L9  Loading from it gives the state that replaying the log gives.  Checked by
 *       tests/unit/lake_test.c (a_checkpoint_stands_for_the_cleaned_log).
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"
#include "lake/delta.h"

typedef struct counts {
    uint64_t actions, adds;
    uint64_t line_max; /* bytes of the longest action; DuckDB takes buffers twice as large */
} counts;

static counts put_state(const rdl_delta_state *s, rdl_buf *out)
{
    counts n = {.actions = 2};
    const int64_t oldest = s->timestamp_ms - RDL_DELTA_TOMBSTONE_MS;
    rdl_delta_put_protocol(out, s);
    rdl_delta_put_metadata(out, s);
    for (size_t i = 0; i < s->txns.n; i++) {
        const rdl_delta_txn *t = s->txns.entries[i].value;
        /* The newest last, so that a load finds it as the newest again. */
        if (s->txn_newest == NULL || strcmp(t->app_id, s->txn_newest) != 0)
            rdl_delta_put_txn(out, t);
        n.actions++;
    }
    if (s->txn_newest != NULL)
        rdl_delta_put_txn(out, rdl_delta_txn_of(s, s->txn_newest));
    for (size_t i = 0; i < s->removed.n; i++) {
        const rdl_delta_file *f = s->removed.entries[i].value;
        if (f == NULL || f->time_ms < oldest)
            continue;
        rdl_delta_put_remove(out, f, f->time_ms, false);
        n.actions++;
    }
    for (size_t i = 0; i < s->files.n; i++) {
        const rdl_delta_file *f = s->files.entries[i].value;
        if (f == NULL)
            continue;
        rdl_delta_put_add(out, f, false);
        n.actions++;
        n.adds++;
    }
    return n;
}

/* At least 1 MiB, so that its buffers are not made for each handful of actions. */
static uint64_t longest_line(const rdl_buf *text)
{
    uint64_t longest = 1 << 20;
    for (const char *p = text->p, *end = p + text->n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl != NULL ? nl + 1 : end;
        if ((uint64_t)(stop - p) > longest)
            longest = (uint64_t)(stop - p);
        p = stop;
    }
    return longest;
}

static rdl_code
write_copy(const char *path, const rdl_delta_state *s, counts *out_n, rdl_err *err)
{
    rdl_buf text = {0};
    *out_n = put_state(s, &text);
    rdl_buf_printf(&text, "{\"raudalEnd\":{\"xxh64\":\"%016" PRIx64 "\"}}\n",
                   rdl_hash64(text.p, text.n));
    out_n->line_max = longest_line(&text);
    const rdl_code rc = rdl_fs_write_durable(path, text.p, text.n, err);
    rdl_buf_fini(&text);
    return rc;
}

/* Types of the actions as Delta's checkpoint has them, spelled for read_json. */
static const char checkpoint_columns[] =
    "columns={"
    "txn: 'STRUCT(\"appId\" VARCHAR, \"version\" BIGINT, \"lastUpdated\" BIGINT)', "
    "add: 'STRUCT(\"path\" VARCHAR, \"partitionValues\" MAP(VARCHAR, VARCHAR), \"size\" "
    "BIGINT, "
    "\"modificationTime\" BIGINT, \"dataChange\" BOOLEAN, \"stats\" VARCHAR, "
    "\"tags\" MAP(VARCHAR, VARCHAR))', "
    "remove: 'STRUCT(\"path\" VARCHAR, \"deletionTimestamp\" BIGINT, \"dataChange\" "
    "BOOLEAN, "
    "\"extendedFileMetadata\" BOOLEAN, \"partitionValues\" MAP(VARCHAR, VARCHAR), "
    "\"size\" BIGINT)', "
    "\"metaData\": 'STRUCT(\"id\" VARCHAR, \"name\" VARCHAR, \"description\" VARCHAR, "
    "\"format\" STRUCT(\"provider\" VARCHAR, \"options\" MAP(VARCHAR, VARCHAR)), "
    "\"schemaString\" VARCHAR, \"partitionColumns\" VARCHAR[], "
    "\"configuration\" MAP(VARCHAR, VARCHAR), \"createdTime\" BIGINT)', "
    "protocol: 'STRUCT(\"minReaderVersion\" INTEGER, \"minWriterVersion\" INTEGER)'}";

static rdl_code write_parquet(rdl_conn *conn,
                              const char *copy,
                              uint64_t line_max,
                              const char *temporary,
                              const char *path,
                              rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql,
                 "COPY (SELECT txn, add, remove, \"metaData\", protocol FROM read_json(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(copy));
    rdl_buf_printf(&sql,
                   ", format='newline_delimited', maximum_object_size=%" PRIu64 ", %s) WHERE "
                   "coalesce(txn IS NOT NULL OR add IS NOT NULL OR remove IS NOT NULL OR "
                   "\"metaData\" IS NOT NULL OR protocol IS NOT NULL, false)) TO ",
                   line_max, checkpoint_columns);
    rdl_buf_put_sql_text(&sql, rdl_str_of(temporary));
    rdl_buf_puts(&sql, " (FORMAT parquet, COMPRESSION snappy)");
    rdl_code rc = rdl_exec(conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        rc = rdl_fs_sync_file(temporary, err);
    if (rc == RDL_OK && RDL_FAULT_AT(LAKE_CHECKPOINT) != 0)
        rc = rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not publish \"%s\": fault",
                         path);
    if (rc == RDL_OK)
        rc = rdl_fs_rename(temporary, path, err);
    return rc;
}

static rdl_code
make(rdl_arena *a, rdl_conn *conn, const char *dir, const rdl_delta_state *s, rdl_err *err)
{
    const char *log = rdl_path_join(a, dir, "_delta_log");
    const char *copy =
        rdl_arena_printf(a, "%s/_raudal.%020" PRId64 ".jsonl", log, s->version);
    const char *path =
        rdl_arena_printf(a, "%s/%020" PRId64 ".checkpoint.parquet", log, s->version);
    const char *temporary =
        rdl_arena_printf(a, "%s/.checkpoint-%" PRId64 ".tmp", log, s->version);
    rdl_buf hint = {0};
    counts n;
    rdl_stat stat;
    RDL_TRY(write_copy(copy, s, &n, err));
    const rdl_code rc = write_parquet(conn, copy, n.line_max, temporary, path, err);
    if (rc != RDL_OK) {
        rdl_err ignored = {0};
        (void)!rdl_fs_unlink(temporary, &ignored);
        return rc;
    }
    RDL_TRY(rdl_fs_sync_dir(log, err));
    RDL_TRY(rdl_fs_stat(path, &stat, err));
    rdl_buf_printf(&hint,
                   "{\"version\":%" PRId64 ",\"size\":%" PRIu64 ",\"sizeInBytes\":%" PRIu64
                   ",\"numOfAddFiles\":%" PRIu64 "}",
                   s->version, n.actions, stat.size, n.adds);
    const rdl_code written = rdl_fs_write_durable(rdl_path_join(a, log, "_last_checkpoint"),
                                                  hint.p, hint.n, err);
    rdl_buf_fini(&hint);
    return written;
}

static rdl_code drop_copies(rdl_arena *a,
                            const char *dir,
                            const rdl_delta_listing *list,
                            int64_t below,
                            rdl_err *err)
{
    for (size_t i = 0; i < list->copy_count; i++)
        if (list->copies[i] < below)
            RDL_TRY(rdl_fs_unlink(
                rdl_arena_printf(a, "%s/_delta_log/_raudal.%020" PRId64 ".jsonl", dir,
                                 list->copies[i]),
                err));
    return RDL_OK;
}

rdl_code rdl_lake_checkpoint(
    rdl_conn *conn, const rdl_lake_table *t, bool force, bool *out_made, rdl_err *err)
{
    rdl_arena call;
    rdl_delta_listing list;
    rdl_delta_state s;
    rdl_code rc = RDL_OK;
    *out_made = false;
    rdl_arena_init(&call, 0);
    RDL_TRY_OUT(rdl_delta_list(&call, t->dir, &list, err));
    const int64_t newest = list.commit_count > 0 ? list.commits[list.commit_count - 1] : -1;
    const int64_t last =
        list.checkpoint_count > 0 ? list.checkpoints[list.checkpoint_count - 1] : -1;
    const bool due =
        newest - last >= RDL_DELTA_CHECKPOINT_EVERY || (force && newest > last);
    if (newest < 0 || !due)
        goto out;
    RDL_TRY_OUT(rdl_delta_load(&call, t->dir, newest, &s, err));
    RDL_TRY_OUT(make(&call, conn, t->dir, &s, err));
    *out_made = true;
    RDL_TRY_OUT(drop_copies(&call, t->dir, &list, newest, err));
out:
    rdl_arena_fini(&call);
    rc = rdl_err_area(rc, err, RDL_AREA_STORE);
    return rdl_err_in(rc, err, "checkpoint of %s", t->name != NULL ? t->name : t->dir);
}
