/*
 * lake/delta_write.c - actions to JSON, and the commit.
 *
 * A commit is one file:
 *
 *   {"commitInfo":{...,"raudalXxh64":"<hash of all other bytes>"}}
 *   {"protocol":...}  {"metaData":...}   at version 0, and when columns were added
 *   {"txn":...}  {"remove":...}*  {"add":...}*
 *
 * INVARIANTS
 *   L1  The data files it names were synced before (data.c).
 *   L2  It is published by rdl_fs_put_if_absent: whole or not at all, by one writer.
 *   L6  When somebody else took the version: if the log now has our txn, that is our
 *       commit.  Otherwise it is tried at the next one if schema and partitions are as
 *       before and every file that it removes is still there; else RDL_ECONFLICT naming
 *       version and operation.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/hash.h"
#include "lake/delta.h"

#ifndef RAUDAL_VERSION
#define RAUDAL_VERSION "0.1.0"
#endif

static void put_text(rdl_buf *out, const char *key, const char *value)
{
    rdl_buf_printf(out, "\"%s\":", key);
    if (value == NULL)
        rdl_buf_puts(out, "null");
    else
        rdl_buf_put_json_text(out, rdl_str_of(value));
}

static void put_path(rdl_buf *out, const char *path)
{
    rdl_buf coded = {0};
    rdl_uri_escape(rdl_str_of(path), &coded);
    put_text(out, "path", rdl_buf_str(&coded));
    rdl_buf_fini(&coded);
}

static void put_partition(rdl_buf *out, const rdl_delta_file *f)
{
    rdl_buf_puts(out, ",\"partitionValues\":{");
    for (size_t i = 0; i < f->partition_count; i++) {
        rdl_buf_puts(out, i > 0 ? "," : "");
        rdl_buf_put_json_text(out, rdl_str_of(f->partition[i].key));
        rdl_buf_putc(out, ':');
        if (f->partition[i].value == NULL)
            rdl_buf_puts(out, "null");
        else
            rdl_buf_put_json_text(out, rdl_str_of(f->partition[i].value));
    }
    rdl_buf_printf(out, "},\"size\":%" PRIu64, f->size);
}

static const char *bool_text(bool b)
{
    return b ? "true" : "false";
}

void rdl_delta_put_add(rdl_buf *out, const rdl_delta_file *f, bool data_change)
{
    rdl_buf_puts(out, "{\"add\":{");
    put_path(out, f->path);
    put_partition(out, f);
    rdl_buf_printf(out, ",\"modificationTime\":%" PRId64 ",\"dataChange\":%s", f->time_ms,
                   bool_text(data_change));
    if (f->stats != NULL) {
        rdl_buf_putc(out, ',');
        put_text(out, "stats", f->stats);
    }
    if (f->columns != NULL) {
        rdl_buf_puts(out, ",\"tags\":{");
        put_text(out, "raudal.columns", f->columns);
        rdl_buf_putc(out, '}');
    }
    rdl_buf_puts(out, "}}\n");
}

void rdl_delta_put_remove(rdl_buf *out,
                          const rdl_delta_file *f,
                          int64_t time_ms,
                          bool data_change)
{
    rdl_buf_puts(out, "{\"remove\":{");
    put_path(out, f->path);
    rdl_buf_printf(out,
                   ",\"deletionTimestamp\":%" PRId64
                   ",\"dataChange\":%s,\"extendedFileMetadata\":true",
                   time_ms, bool_text(data_change));
    put_partition(out, f);
    rdl_buf_puts(out, "}}\n");
}

void rdl_delta_put_protocol(rdl_buf *out, const rdl_delta_state *s)
{
    rdl_buf_printf(out,
                   "{\"protocol\":{\"minReaderVersion\":%d,\"minWriterVersion\":%d}}\n",
                   s->reader == 3 ? RDL_DELTA_READER : s->reader,
                   s->writer == 7 ? RDL_DELTA_WRITER : s->writer);
}

void rdl_delta_put_metadata(rdl_buf *out, const rdl_delta_state *s)
{
    rdl_buf_puts(out, "{\"metaData\":{");
    put_text(out, "id", s->id);
    if (s->name != NULL) {
        rdl_buf_putc(out, ',');
        put_text(out, "name", s->name);
    }
    if (s->description != NULL) {
        rdl_buf_putc(out, ',');
        put_text(out, "description", s->description);
    }
    rdl_buf_puts(out, ",\"format\":{\"provider\":\"parquet\",\"options\":{}},");
    put_text(out, "schemaString", s->schema_text);
    rdl_buf_puts(out, ",\"partitionColumns\":[");
    for (size_t i = 0; i < s->partition_count; i++) {
        rdl_buf_puts(out, i > 0 ? "," : "");
        rdl_buf_put_json_text(out, s->partition_columns[i]);
    }
    rdl_buf_printf(out, "],\"configuration\":%s",
                   s->configuration != NULL ? s->configuration : "{}");
    if (s->created_ms >= 0)
        rdl_buf_printf(out, ",\"createdTime\":%" PRId64, s->created_ms);
    rdl_buf_puts(out, "}}\n");
}

void rdl_delta_put_txn(rdl_buf *out, const rdl_delta_txn *t)
{
    rdl_buf_puts(out, "{\"txn\":{");
    put_text(out, "appId", t->app_id);
    rdl_buf_printf(out, ",\"version\":%" PRId64, t->version);
    if (t->last_updated_ms >= 0)
        rdl_buf_printf(out, ",\"lastUpdated\":%" PRId64, t->last_updated_ms);
    rdl_buf_puts(out, "}}\n");
}

void rdl_delta_uuid(char out[37])
{
    uint8_t b[16] = {0};
    if (!rdl_random_bytes(b, sizeof b))
        rdl_hash128_of(&b, 0);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    snprintf(out, 37,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
             b[13], b[14], b[15]);
}

/* The table as the log shall have it from now on; old columns keep their places. */
static void plan_metadata(rdl_arena *a,
                          const rdl_delta_change *c,
                          const rdl_delta_state *was,
                          int64_t now_ms,
                          rdl_delta_state *out)
{
    const rdl_lake_table *t = c->table;
    rdl_buf text = {0};
    *out = *was;
    if (was->version < 0) {
        char uuid[37];
        rdl_delta_uuid(uuid);
        out->id = rdl_arena_strdup(a, uuid);
        out->name = t->name;
        out->description = t->description;
        out->configuration = "{}";
        out->reader = RDL_DELTA_READER;
        out->writer = RDL_DELTA_WRITER;
        out->created_ms = now_ms;
    }
    if (was->version < 0 || t->overwrite_schema) {
        out->schema = t->schema;
        out->partition_count = t->partition_count;
        out->partition_columns = RDL_NEWN(a, rdl_str, t->partition_count + 1);
        /* Names as the schema spells them: readers compare them as they stand. */
        for (size_t i = 0; i < t->partition_count; i++)
            out->partition_columns[i] =
                t->schema.v[rdl_schema_find(&t->schema, t->partition_columns[i])].name;
    } else {
        out->schema.v = RDL_NEWN(a, rdl_column, t->schema.n + 1);
        memcpy(out->schema.v, was->schema.v, was->schema.n * sizeof *was->schema.v);
        for (size_t i = 0; i < t->schema.n; i++)
            if (rdl_schema_find(&was->schema, t->schema.v[i].name) < 0)
                out->schema.v[out->schema.n++] = t->schema.v[i];
    }
    rdl_delta_schema_print(&out->schema, &text);
    out->schema_text = rdl_arena_strndup(a, rdl_buf_str(&text), text.n);
    rdl_buf_fini(&text);
}

static void put_info(rdl_buf *out,
                     const rdl_delta_change *c,
                     const rdl_delta_state *s,
                     int64_t now_ms,
                     const rdl_buf *body)
{
    uint64_t rows = 0, bytes = 0;
    char uuid[37];
    for (size_t i = 0; i < c->add_count; i++) {
        rows += c->adds[i].rows;
        bytes += c->adds[i].size;
    }
    rdl_delta_uuid(uuid);
    rdl_buf_printf(out, "{\"commitInfo\":{\"timestamp\":%" PRId64 ",", now_ms);
    put_text(out, "operation", c->info->operation);
    rdl_buf_printf(out, ",\"operationParameters\":{\"epoch\":\"%" PRIu64 "\"}",
                   c->info->epoch);
    if (s->version >= 0)
        rdl_buf_printf(out, ",\"readVersion\":%" PRId64, s->version);
    rdl_buf_printf(out,
                   ",\"isBlindAppend\":%s,\"operationMetrics\":{\"numFiles\":\"%zu\","
                   "\"numRemovedFiles\":\"%zu\",\"numOutputRows\":\"%" PRIu64
                   "\",\"numOutputBytes\":\"%" PRIu64 "\"},",
                   bool_text(c->blind && c->add_count > 0), c->add_count, c->remove_count,
                   rows, bytes);
    put_text(out, "engineInfo", "Raudal/" RAUDAL_VERSION);
    rdl_buf_putc(out, ',');
    put_text(out, "txnId", uuid);
    char hash[17];
    rdl_delta_commit_hash((rdl_str){out->p, out->n}, (rdl_str){rdl_buf_str(body), body->n},
                          hash);
    rdl_buf_printf(out, ",\"raudalXxh64\":\"%s\"}}\n", hash);
}

/* The bytes of the commit after state s; versions never go back in time. */
static rdl_code put_commit(rdl_arena *a,
                           const rdl_delta_change *c,
                           const rdl_delta_state *s,
                           rdl_buf *out,
                           rdl_err *err)
{
    rdl_buf body = {0};
    bool evolved = false;
    int64_t now_ms = c->info->timestamp_us / 1000;
    if (s->version >= 0 && now_ms <= s->timestamp_ms)
        now_ms = s->timestamp_ms + 1;
    if (s->version >= 0)
        RDL_TRY(rdl_delta_schema_evolve(s, c->table, &evolved, err));
    if (s->version < 0 || evolved) {
        rdl_delta_state next;
        plan_metadata(a, c, s, now_ms, &next);
        if (s->version < 0)
            rdl_delta_put_protocol(&body, &next);
        rdl_delta_put_metadata(&body, &next);
    }
    if (c->txn) {
        const rdl_delta_txn txn = {c->table->app_id, (int64_t)c->info->epoch, now_ms};
        rdl_delta_put_txn(&body, &txn);
    }
    for (size_t i = 0; i < c->remove_count; i++)
        rdl_delta_put_remove(&body, c->removes[i], now_ms, c->data_change);
    for (size_t i = 0; i < c->add_count; i++)
        rdl_delta_put_add(&body, &c->adds[i], c->data_change);
    put_info(out, c, s, now_ms, &body);
    rdl_buf_put(out, rdl_buf_str(&body), body.n);
    rdl_buf_fini(&body);
    return RDL_OK;
}

static bool have_txn(const rdl_delta_change *c, const rdl_delta_state *s)
{
    const rdl_delta_txn *t = rdl_delta_txn_of(s, c->table->app_id);
    return c->txn && t != NULL && t->version >= (int64_t)c->info->epoch;
}

/* L6: may the change follow what somebody else committed? */
static rdl_code check_follows(const rdl_delta_change *c,
                              const rdl_delta_state *was,
                              const rdl_delta_state *now,
                              rdl_err *err)
{
    const char *why = NULL, *path = "";
    if (was->version >= 0 &&
        (strcmp(was->schema_text, now->schema_text) != 0 || strcmp(was->id, now->id) != 0))
        why = "changed the table's schema";
    for (size_t i = 0; why == NULL && i < c->remove_count; i++) {
        if (rdl_map_get(&now->files, rdl_str_of(c->removes[i]->path)) == NULL) {
            why = "removed a file that this commit replaces: ";
            path = c->removes[i]->path;
        }
    }
    if (why == NULL)
        return RDL_OK;
    rdl_err_set(err, RDL_ECONFLICT, RDL_ERR_REPLAY,
                "could not commit to table \"%s\": version %" PRId64 " (%s) %s%s",
                c->table->dir, now->version,
                now->last.operation != NULL ? now->last.operation : "no operation", why,
                path);
    return rdl_err_hint(err, "Run it again; it will start from the newer version.");
}

/* The log entry at s->version + 1; RDL_ECONFLICT when that is taken. */
static rdl_code
publish(rdl_arena *a, const rdl_delta_change *c, const rdl_delta_state *s, rdl_err *err)
{
    rdl_buf text = {0};
    rdl_code rc = put_commit(a, c, s, &text, err);
    if (rc == RDL_OK && RDL_FAULT_AT(LAKE_BEFORE_LINK) != 0)
        rc = rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY,
                         "could not publish version %" PRId64 " of \"%s\": fault",
                         s->version + 1, c->table->dir);
    if (rc == RDL_OK)
        rc = rdl_fs_put_if_absent(rdl_delta_commit_path(a, c->table->dir, s->version + 1),
                                  text.p, text.n, err);
    rdl_buf_fini(&text);
    return rc;
}

bool rdl_delta_is_void(rdl_arena *a,
                       const rdl_delta_change *c,
                       const rdl_delta_state *s,
                       rdl_code rc,
                       const rdl_lake_result *out)
{
    if (out->already || rc == RDL_ECONFLICT || rc == RDL_ESCHEMA)
        return true;
    return rc != RDL_OK &&
           !rdl_fs_exists(rdl_delta_commit_path(a, c->table->dir, s->version + 1));
}

rdl_code rdl_delta_commit(rdl_arena *a,
                          const rdl_delta_change *c,
                          rdl_delta_state *s,
                          rdl_lake_result *out,
                          rdl_err *err)
{
    const rdl_delta_state was = *s;
    const char *log = rdl_path_join(a, c->table->dir, "_delta_log");
    if (s->version < 0) {
        RDL_TRY(rdl_fs_mkdirs(log, err));
        /* Each with the folder that it lies in: the schema's may be new, too. */
        const char *const made[] = {log, c->table->dir, rdl_path_dir(a, c->table->dir)};
        RDL_TRY(rdl_fs_sync_many(made, 3, err));
    }
    for (int tries = 0; tries < RDL_DELTA_RETRY_MAX; tries++) {
        rdl_err taken = {0};
        const rdl_code rc = publish(a, c, s, &taken);
        if (rc == RDL_OK) {
            out->version = s->version + 1;
            if (RDL_FAULT_AT(LAKE_AFTER_COMMIT) != 0)
                return rdl_err_set(err, RDL_EIO, RDL_ERR_REPLAY,
                                   "could not go on after version %" PRId64
                                   " of \"%s\": fault",
                                   out->version, c->table->dir);
            return RDL_OK;
        }
        if (rc != RDL_ECONFLICT) {
            *err = taken;
            return rdl_err_area(rc, err, RDL_AREA_STORE);
        }
        RDL_TRY(rdl_delta_load(a, c->table->dir, -1, s, err));
        out->version = s->version;
        out->already = have_txn(c, s);
        if (out->already)
            return RDL_OK;
        RDL_TRY(rdl_err_area(check_follows(c, &was, s, err), err, RDL_AREA_STORE));
    }
    rdl_err_set(err, RDL_ECONFLICT, RDL_ERR_RETRY,
                "could not commit to table \"%s\": other writers took %d versions in a row",
                c->table->dir, RDL_DELTA_RETRY_MAX);
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_STORE);
}
