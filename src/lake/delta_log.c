/*
 * lake/delta_log.c - the log read: actions to a state.
 *
 * A load starts at the newest checkpoint at or below the version that is wanted (or at
 * nothing) and applies every later commit, in order, without a gap.
 *
 * INVARIANTS
 *   L4  Protocol and schema are understood in full, or the table is refused by the
 *       feature's name: newer reader versions, deletion vectors, column mapping, absolute
 *       paths.
 *   L5  A commit that cannot be read, whose hash is not the one it carries, or that is
 *       absent between two that are there, fails the load with its path.
 *
 * Checked by tests/unit/lake_test.c.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/hash.h"
#include "lake/delta.h"

enum {
    COMMIT_BYTES_MAX = 1 << 30,
    VERSION_DIGITS = 20,
};

void rdl_delta_state_init(rdl_delta_state *s, rdl_arena *a)
{
    *s = (rdl_delta_state){.arena = a, .version = -1};
    s->last.timestamp_ms = -1;
    s->last.txn_version = -1;
    rdl_map_init(&s->files, a);
    rdl_map_init(&s->removed, a);
    rdl_map_init(&s->txns, a);
}

char *rdl_delta_commit_path(rdl_arena *a, const char *dir, int64_t version)
{
    return rdl_arena_printf(a, "%s/_delta_log/%020" PRId64 ".json", dir, version);
}

const rdl_delta_txn *rdl_delta_txn_of(const rdl_delta_state *s, const char *app_id)
{
    return app_id == NULL ? NULL : rdl_map_get(&s->txns, rdl_str_of(app_id));
}

/* Actions. */

static const char *text_of(rdl_arena *a, const json_t *object, const char *key)
{
    const json_t *j = json_object_get(object, key);
    return json_is_string(j)
               ? rdl_arena_strndup(a, json_string_value(j), json_string_length(j))
               : NULL;
}

static int64_t int_of(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *j = json_object_get(object, key);
    return json_is_integer(j) ? (int64_t)json_integer_value(j) : otherwise;
}

static rdl_code unreadable(rdl_err *err, const char *where, const char *reason)
{
    rdl_err_set(err, RDL_EDATA, 0, "could not read Delta log \"%s\": %s", where, reason);
    err->area = RDL_AREA_STORE;
    return rdl_err_hint(err, "Restore the file from a backup, or read everything again into a fresh root with raudal backfill.");
}

static rdl_code refused(rdl_err *err, const char *where, const char *feature)
{
    rdl_err_set(err, RDL_ESCHEMA, 0,
                "cannot read Delta log \"%s\": the table uses the feature \"%s\"", where,
                feature);
    err->area = RDL_AREA_STORE;
    return rdl_err_hint(
        err, "Raudal reads and writes Delta reader version 1, writer version 2.");
}

static bool is_absolute(const char *path)
{
    if (path[0] == '/')
        return true;
    for (const char *p = path; *p != '\0' && *p != '/'; p++)
        if (*p == ':')
            return true;
        else if (strchr("=%", *p) != NULL)
            return false;
    return false;
}

/* "..", which would leave the table's folder. */
static bool climbs(const char *path)
{
    for (const char *p = path; p != NULL; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
            return true;
    }
    return false;
}

/* Our own stats begin with the count; others' are read in full. */
static uint64_t rows_of(const char *stats)
{
    static const char head[] = "{\"numRecords\":";
    uint64_t n = 0;
    if (stats == NULL)
        return UINT64_MAX;
    if (strncmp(stats, head, sizeof head - 1) == 0) {
        const char *p = stats + sizeof head - 1;
        size_t digits = 0;
        for (; p[digits] >= '0' && p[digits] <= '9' && digits < 18; digits++)
            n = n * 10 + (uint64_t)(p[digits] - '0');
        if (digits > 0 && (p[digits] == ',' || p[digits] == '}'))
            return n;
    }
    json_t *j = json_loads(stats, 0, NULL);
    const int64_t count = int_of(j, "numRecords", -1);
    json_decref(j);
    return count < 0 ? UINT64_MAX : (uint64_t)count;
}

static rdl_code parse_path(
    rdl_delta_state *s, const json_t *j, const char *where, const char **out, rdl_err *err)
{
    const json_t *path = json_object_get(j, "path");
    if (!json_is_string(path) || json_string_length(path) == 0)
        return unreadable(err, where, "a file action has no path");
    if (is_absolute(json_string_value(path)))
        return refused(err, where, "absolute paths (shallow clone)");
    rdl_buf plain = {0};
    const rdl_str coded = {json_string_value(path), json_string_length(path)};
    if (!rdl_uri_unescape(coded, &plain)) {
        rdl_buf_fini(&plain);
        return unreadable(err, where, "a path is not percent-encoded as a URI");
    }
    *out = rdl_arena_strndup(s->arena, rdl_buf_str(&plain), plain.n);
    rdl_buf_fini(&plain);
    if (climbs(*out))
        return unreadable(err, where, "a path leaves the table's folder");
    return RDL_OK;
}

static rdl_code parse_file(rdl_delta_state *s,
                           const json_t *j,
                           const char *time_key,
                           const char *where,
                           rdl_delta_file **out,
                           rdl_err *err)
{
    rdl_arena *a = s->arena;
    rdl_delta_file *f = RDL_NEW(a, rdl_delta_file);
    const json_t *vector = json_object_get(j, "deletionVector");
    if (vector != NULL && !json_is_null(vector))
        return refused(err, where, "deletionVectors");
    RDL_TRY(parse_path(s, j, where, &f->path, err));
    const int64_t size = int_of(j, "size", 0);
    if (size < 0)
        return unreadable(err, where, "a file's size is negative");
    f->size = (uint64_t)size;
    f->time_ms = int_of(j, time_key, 0);
    f->stats = text_of(a, j, "stats");
    f->rows = rows_of(f->stats);
    f->columns = text_of(a, json_object_get(j, "tags"), "raudal.columns");
    f->data_change = !json_is_false(json_object_get(j, "dataChange"));
    f->extended = json_is_true(json_object_get(j, "extendedFileMetadata"));

    json_t *values = json_object_get(j, "partitionValues");
    f->partition = RDL_NEWN(a, rdl_delta_pair, json_object_size(values) + 1);
    const char *key;
    json_t *value;
    json_object_foreach(values, key, value)
    {
        rdl_delta_pair *pair = &f->partition[f->partition_count++];
        pair->key = rdl_arena_strdup(a, key);
        pair->value =
            json_is_string(value) ? rdl_arena_strdup(a, json_string_value(value)) : NULL;
    }
    *out = f;
    return RDL_OK;
}

static rdl_code
apply_protocol(rdl_delta_state *s, const json_t *j, const char *where, rdl_err *err)
{
    const int64_t reader = int_of(j, "minReaderVersion", -1);
    const int64_t writer = int_of(j, "minWriterVersion", -1);
    if (reader < 0 || writer < 0)
        return unreadable(err, where, "the protocol action has no versions");
    const char *const lists[] = {"readerFeatures", "writerFeatures"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *features = json_object_get(j, lists[i]);
        for (size_t k = 0; k < json_array_size(features); k++) {
            const char *name = json_string_value(json_array_get(features, k));
            /* What every reader of version 1, writer of version 2 does is no new feature.
             */
            if (name != NULL && strcmp(name, "appendOnly") != 0 &&
                strcmp(name, "invariants") != 0)
                return refused(err, where, name);
        }
    }
    if (reader == 2 && writer <= 6)
        return refused(err, where, "columnMapping");
    if (reader > 1 && json_array_size(json_object_get(j, "readerFeatures")) == 0 &&
        reader != 3)
        return refused(err, where,
                       rdl_arena_printf(s->arena, "reader version %" PRId64, reader));
    if (writer > RDL_DELTA_WRITER && writer != 7) {
        static const char *const named[] = {"checkConstraints",
                                            "changeDataFeed, generatedColumns",
                                            "columnMapping", "identityColumns"};
        if (writer <= 6)
            return refused(err, where, named[writer - 3]);
        return refused(err, where,
                       rdl_arena_printf(s->arena, "writer version %" PRId64, writer));
    }
    s->reader = (int)reader;
    s->writer = (int)writer;
    return RDL_OK;
}

static rdl_code
check_configuration(const json_t *configuration, const char *where, rdl_err *err)
{
    const char *mapping =
        json_string_value(json_object_get(configuration, "delta.columnMapping.mode"));
    if (mapping != NULL && strcmp(mapping, "none") != 0)
        return refused(err, where, "columnMapping");
    return RDL_OK;
}

static rdl_code
apply_metadata(rdl_delta_state *s, const json_t *j, const char *where, rdl_err *err)
{
    rdl_arena *a = s->arena;
    const json_t *configuration = json_object_get(j, "configuration");
    const char *provider =
        json_string_value(json_object_get(json_object_get(j, "format"), "provider"));
    if (provider != NULL && strcmp(provider, "parquet") != 0)
        return refused(err, where, rdl_arena_printf(a, "format %s", provider));
    RDL_TRY(check_configuration(configuration, where, err));
    s->id = text_of(a, j, "id");
    s->name = text_of(a, j, "name");
    s->description = text_of(a, j, "description");
    s->schema_text = text_of(a, j, "schemaString");
    s->created_ms = int_of(j, "createdTime", -1);
    if (s->schema_text == NULL)
        return unreadable(err, where, "the metaData action has no schemaString");
    char *text =
        json_is_object(configuration) ? json_dumps(configuration, JSON_COMPACT) : NULL;
    s->configuration = rdl_arena_strdup(a, text != NULL ? text : "{}");
    free(text); /* allow: jansson's text */

    const json_t *columns = json_object_get(j, "partitionColumns");
    s->partition_count = json_array_size(columns);
    s->partition_columns = RDL_NEWN(a, rdl_str, s->partition_count + 1);
    for (size_t i = 0; i < s->partition_count; i++) {
        const char *name = json_string_value(json_array_get(columns, i));
        if (name == NULL)
            return unreadable(err, where, "a partition column is not text");
        s->partition_columns[i] = rdl_str_of(rdl_arena_strdup(a, name));
    }
    RDL_TRY(rdl_err_area(rdl_delta_schema_parse(a, s->schema_text, &s->schema, err), err,
                         RDL_AREA_STORE));
    for (size_t i = 0; i < s->partition_count; i++)
        if (rdl_schema_find(&s->schema, s->partition_columns[i]) < 0)
            return unreadable(err, where, "a partition column is not in the schema");
    return RDL_OK;
}

static rdl_code
apply_txn(rdl_delta_state *s, const json_t *j, const char *where, rdl_err *err)
{
    rdl_delta_txn *t = RDL_NEW(s->arena, rdl_delta_txn);
    t->app_id = text_of(s->arena, j, "appId");
    t->version = int_of(j, "version", -1);
    t->last_updated_ms = int_of(j, "lastUpdated", -1);
    if (t->app_id == NULL || t->version < 0)
        return unreadable(err, where, "a txn action has no appId or version");
    rdl_map_put(&s->txns, rdl_str_of(t->app_id), t);
    s->txn_newest = t->app_id;
    s->last.txn_version = t->version;
    return RDL_OK;
}

static rdl_code
apply_file(rdl_delta_state *s, const json_t *j, bool add, const char *where, rdl_err *err)
{
    rdl_delta_file *f = NULL;
    RDL_TRY(
        parse_file(s, j, add ? "modificationTime" : "deletionTimestamp", where, &f, err));
    const rdl_str key = rdl_str_of(f->path);
    rdl_map_put(&s->files, key, add ? f : NULL);
    if (!add || rdl_map_get(&s->removed, key) != NULL)
        rdl_map_put(&s->removed, key, add ? NULL : f);
    if (add) {
        s->last.files_added++;
        s->last.rows_added += f->rows == UINT64_MAX ? 0 : f->rows;
    } else {
        s->last.files_removed++;
    }
    return RDL_OK;
}

rdl_code rdl_delta_apply(rdl_delta_state *s, rdl_str line, const char *where, rdl_err *err)
{
    json_error_t why;
    json_t *root = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &why);
    rdl_code rc = RDL_OK;
    const json_t *j;
    if (!json_is_object(root)) {
        json_decref(root);
        return unreadable(err, where, root == NULL ? why.text : "a line is not an object");
    }
    if (json_is_object(j = json_object_get(root, "add")))
        RDL_TRY_OUT(apply_file(s, j, true, where, err));
    if (json_is_object(j = json_object_get(root, "remove")))
        RDL_TRY_OUT(apply_file(s, j, false, where, err));
    if (json_is_object(j = json_object_get(root, "protocol")))
        RDL_TRY_OUT(apply_protocol(s, j, where, err));
    if (json_is_object(j = json_object_get(root, "metaData")))
        RDL_TRY_OUT(apply_metadata(s, j, where, err));
    if (json_is_object(j = json_object_get(root, "txn")))
        RDL_TRY_OUT(apply_txn(s, j, where, err));
    if (json_is_object(j = json_object_get(root, "commitInfo"))) {
        s->last.timestamp_ms = int_of(j, "timestamp", -1);
        s->last.operation = text_of(s->arena, j, "operation");
    }
    /* domainMetadata, cdc, sidecar and checkpointMetadata come with features refused above.
     */
out:
    json_decref(root);
    return rc;
}

/* Commits. */

static bool take_line(rdl_str *rest, rdl_str *line)
{
    while (rest->n > 0 && (*rest->p == '\n' || *rest->p == '\r')) {
        rest->p++;
        rest->n--;
    }
    if (rest->n == 0)
        return false;
    const char *end = memchr(rest->p, '\n', rest->n);
    line->p = rest->p;
    line->n = end != NULL ? (size_t)(end - rest->p) : rest->n;
    rest->p += line->n;
    rest->n -= line->n;
    return true;
}

void rdl_delta_commit_hash(rdl_str head, rdl_str body, char out[17])
{
    rdl_buf text = {0};
    rdl_buf_put(&text, head.p, head.n);
    rdl_buf_printf(&text, "%016" PRIx64, rdl_hash64(body.p, body.n));
    snprintf(out, 17, "%016" PRIx64, rdl_hash64(text.p, text.n));
    rdl_buf_fini(&text);
}

/* Does it carry a hash, and the right one? */
static bool is_marked(rdl_str all, bool *out_good)
{
    static const char mark[] = ",\"raudalXxh64\":\"";
    const char *end = memchr(all.p, '\n', all.n);
    if (end == NULL)
        return false;
    const size_t first = (size_t)(end - all.p);
    const char *at = memmem(all.p, first, mark, sizeof mark - 1);
    if (at == NULL)
        return false;
    char hash[17];
    rdl_delta_commit_hash((rdl_str){all.p, (size_t)(at - all.p)},
                          (rdl_str){end + 1, all.n - first - 1}, hash);
    at += sizeof mark - 1;
    *out_good = first - (size_t)(at - all.p) >= 16 && memcmp(at, hash, 16) == 0;
    return true;
}

bool rdl_delta_is_ours(rdl_str all)
{
    bool good = false;
    return is_marked(all, &good) && good && all.p[all.n - 1] == '\n';
}

static rdl_code check_hash(rdl_str all, const char *where, rdl_err *err)
{
    bool good = false;
    if (is_marked(all, &good) && !good)
        return unreadable(err, where, "its bytes are not the ones that were written");
    return RDL_OK;
}

rdl_code
rdl_delta_read_commit(rdl_delta_state *s, const char *dir, int64_t version, rdl_err *err)
{
    const char *path = rdl_delta_commit_path(s->arena, dir, version);
    rdl_buf bytes = {0};
    rdl_stat stat;
    rdl_code rc = RDL_OK;
    RDL_TRY_OUT(rdl_fs_stat(path, &stat, err));
    RDL_TRY_OUT(rdl_fs_read(path, COMMIT_BYTES_MAX, &bytes, err));
    s->last = (rdl_delta_info){.timestamp_ms = -1, .txn_version = -1};
    rdl_str rest = {rdl_buf_str(&bytes), bytes.n}, line;
    RDL_TRY_OUT(check_hash(rest, path, err));
    size_t lines = 0;
    for (; take_line(&rest, &line); lines++)
        RDL_TRY_OUT(rdl_delta_apply(s, line, path, err));
    if (lines == 0) {
        rc = unreadable(err, path, "it is empty");
        goto out;
    }
    if (bytes.p[bytes.n - 1] != '\n' &&
        memmem(bytes.p, bytes.n, "\"raudalXxh64\"", 13) != NULL) {
        rc = unreadable(err, path, "its end is cut off");
        goto out;
    }
    if (s->last.timestamp_ms < 0)
        s->last.timestamp_ms = stat.mtime_us / 1000;
    s->version = version;
    s->timestamp_ms = s->last.timestamp_ms;
out:
    rdl_buf_fini(&bytes);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

/* The listing. */

static bool take_version(const char *p, int64_t *out)
{
    int64_t v = 0;
    for (int i = 0; i < VERSION_DIGITS; i++) {
        if (p[i] < '0' || p[i] > '9' || v > (INT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (p[i] - '0');
    }
    *out = v;
    return true;
}

/* A part counts when it is the last and all others are in the (sorted) list just before. */
static bool checkpoint_name(const rdl_names *names, size_t at, int64_t *out)
{
    const char *name = names->v[at];
    unsigned part = 0, parts = 0;
    int used = 0;
    if (!take_version(name, out))
        return false;
    name += VERSION_DIGITS;
    if (strcmp(name, ".checkpoint.parquet") == 0)
        return true;
    if (sscanf(name, ".checkpoint.%10u.%10u.parquet%n", &part, &parts, &used) != 2 ||
        used == 0 || name[used] != '\0' || part != parts || parts > at + 1)
        return false;
    for (size_t i = at + 1 - parts; i < at; i++)
        if (strncmp(names->v[i], names->v[at], VERSION_DIGITS + 12) != 0)
            return false;
    return true;
}

rdl_code rdl_delta_list(rdl_arena *a, const char *dir, rdl_delta_listing *out, rdl_err *err)
{
    *out = (rdl_delta_listing){0};
    const char *log = rdl_path_join(a, dir, "_delta_log");
    if (!rdl_fs_exists(log))
        return RDL_OK;
    RDL_TRY(rdl_err_area(rdl_fs_list(a, log, &out->names, err), err, RDL_AREA_STORE));
    const size_t n = out->names.n;
    out->commits = RDL_NEWN(a, int64_t, n + 1);
    out->checkpoints = RDL_NEWN(a, int64_t, n + 1);
    out->copies = RDL_NEWN(a, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        const char *name = out->names.v[i];
        int64_t v;
        if (take_version(name, &v) && strcmp(name + VERSION_DIGITS, ".json") == 0)
            out->commits[out->commit_count++] = v;
        else if (checkpoint_name(&out->names, i, &v))
            out->checkpoints[out->checkpoint_count++] = v;
        else if (strncmp(name, "_raudal.", 8) == 0 && take_version(name + 8, &v) &&
                 strcmp(name + 8 + VERSION_DIGITS, ".jsonl") == 0)
            out->copies[out->copy_count++] = v;
    }
    return RDL_OK;
}

/* Checkpoints. */

/* Whether the copy checks out; a bad one leaves the state to be started anew. */
static rdl_code read_copy(
    rdl_delta_state *s, const char *dir, int64_t version, bool *out_good, rdl_err *err)
{
    static const char mark[] = "{\"raudalEnd\":{\"xxh64\":\"";
    const char *path = rdl_arena_printf(
        s->arena, "%s/_delta_log/_raudal.%020" PRId64 ".jsonl", dir, version);
    rdl_buf bytes = {0};
    rdl_code rc = RDL_OK;
    rdl_err gone = {0};
    *out_good = false;
    /* A newer checkpoint may have removed it since it was listed. */
    if (rdl_fs_read(path, 0, &bytes, &gone) != RDL_OK)
        goto out;
    const char *end = bytes.n == 0
                          ? NULL
                          : memrchr(bytes.p, '\n', bytes.n - 1); /* before the last line */
    if (end == NULL || (size_t)(bytes.p + bytes.n - end) < sizeof mark + 16 ||
        strncmp(end + 1, mark, sizeof mark - 1) != 0)
        goto out;
    const size_t body = (size_t)(end + 1 - bytes.p);
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, rdl_hash64(bytes.p, body));
    if (memcmp(end + sizeof mark, hash, 16) != 0)
        goto out;
    rdl_str rest = {bytes.p, body}, line;
    while (take_line(&rest, &line))
        RDL_TRY_OUT(rdl_delta_apply(s, line, path, err));
    s->version = version;
    s->timestamp_ms = s->last.timestamp_ms;
    *out_good = true;
out:
    rdl_buf_fini(&bytes);
    return rc;
}

static rdl_code read_rows(
    rdl_delta_state *s, rdl_conn *conn, const char *sql, const char *path, rdl_err *err)
{
    rdl_result *result = NULL;
    const rdl_chunk *chunk;
    rdl_code rc = RDL_OK;
    RDL_TRY_OUT(rdl_query(conn, sql, &result, err));
    while (rdl_result_next(result, &chunk))
        for (size_t i = 0; i < chunk->rows; i++)
            RDL_TRY_OUT(rdl_delta_apply(s, rdl_vector_str(&chunk->v[0], i), path, err));
out:
    rdl_result_free(result);
    return rc;
}

/* Another writer's checkpoint: DuckDB gives its rows back as JSON actions. */
static rdl_code read_parquet(rdl_delta_state *s,
                             const char *dir,
                             const rdl_delta_listing *list,
                             int64_t version,
                             rdl_err *err)
{
    rdl_duck *duck = NULL;
    rdl_conn *conn = NULL;
    rdl_buf sql = {0};
    rdl_code rc = RDL_OK;
    const rdl_duck_config config = {.threads = 1};
    const char *prefix = rdl_arena_printf(s->arena, "%020" PRId64 ".checkpoint.", version);
    const char *path = NULL;
    const char *single = rdl_arena_printf(s->arena, "%sparquet", prefix);
    bool whole = false;
    for (size_t i = 0; i < list->names.n; i++)
        whole = whole || strcmp(list->names.v[i], single) == 0;

    rdl_buf_puts(&sql, "SELECT CAST(to_json(t) AS VARCHAR) FROM read_parquet([");
    for (size_t i = 0; i < list->names.n; i++) {
        if (whole ? strcmp(list->names.v[i], single) != 0
                  : strncmp(list->names.v[i], prefix, strlen(prefix)) != 0)
            continue;
        rdl_buf_puts(&sql, path != NULL ? ", " : "");
        path = rdl_arena_printf(s->arena, "%s/_delta_log/%s", dir, list->names.v[i]);
        rdl_buf_put_sql_text(&sql, rdl_str_of(path));
    }
    rdl_buf_puts(&sql, "], hive_partitioning=false) t");
    RDL_TRY_OUT(rdl_duck_open(&config, &duck, err));
    RDL_TRY_OUT(rdl_conn_open(duck, &conn, err));
    RDL_TRY_OUT(read_rows(s, conn, rdl_buf_str(&sql), path, err));
    s->version = version;
out:
    if (conn != NULL)
        rdl_conn_close(conn);
    rdl_duck_close(duck);
    rdl_buf_fini(&sql);
    return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_STORE), err, "checkpoint %" PRId64,
                      version);
}

static int64_t newest_upto(const int64_t *v, size_t n, int64_t limit)
{
    while (n > 0 && v[n - 1] > limit)
        n--;
    return n > 0 ? v[n - 1] : -1;
}

static rdl_code load_base(rdl_delta_state *s,
                          const char *dir,
                          const rdl_delta_listing *list,
                          int64_t limit,
                          rdl_err *err)
{
    const int64_t parquet = newest_upto(list->checkpoints, list->checkpoint_count, limit);
    const int64_t copy = newest_upto(list->copies, list->copy_count, limit);
    bool good = false;
    if (copy >= 0 && copy >= parquet) {
        RDL_TRY(read_copy(s, dir, copy, &good, err));
        if (good)
            return RDL_OK;
        rdl_delta_state_init(s, s->arena);
    }
    if (parquet < 0)
        return RDL_OK;
    RDL_TRY(read_parquet(s, dir, list, parquet, err));
    return RDL_OK;
}

static rdl_code check_loaded(const rdl_delta_state *s, const char *dir, rdl_err *err)
{
    if (s->reader == 0)
        return unreadable(err, dir, "no protocol action in it");
    if (s->schema_text == NULL)
        return unreadable(err, dir, "no metaData action in it");
    return RDL_OK;
}

static rdl_code no_such_version(const rdl_delta_listing *list,
                                const char *dir,
                                int64_t version,
                                int64_t newest,
                                rdl_err *err)
{
    const int64_t oldest = list->commit_count > 0 ? list->commits[0] : newest;
    if (version > newest)
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "could not read version %" PRId64
                    " of table \"%s\": the newest is %" PRId64,
                    version, dir, newest);
    else
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "could not read version %" PRId64
                    " of table \"%s\": its log was cleaned up",
                    version, dir);
    return rdl_err_hint(err, "Versions from %" PRId64 " to %" PRId64 " may be read.",
                        oldest, newest);
}

/* Commits after the base, up to the limit, without a gap. */
static rdl_code replay(rdl_delta_state *s,
                       const char *dir,
                       const rdl_delta_listing *list,
                       int64_t limit,
                       int64_t newest,
                       rdl_err *err)
{
    for (size_t i = 0; i < list->commit_count; i++) {
        const int64_t v = list->commits[i];
        if (v > limit)
            break;
        if (v <= s->version)
            continue;
        if (v != s->version + 1 && s->version < 0 && limit < newest)
            return no_such_version(list, dir, limit, newest, err);
        if (v != s->version + 1)
            return unreadable(err, rdl_delta_commit_path(s->arena, dir, s->version + 1),
                              "the file is missing, and later versions are there");
        RDL_TRY(rdl_delta_read_commit(s, dir, v, err));
    }
    return RDL_OK;
}

/* A checkpoint does not say when its version was committed; the commit does. */
static rdl_code fill_timestamp(rdl_delta_state *s, const char *dir, rdl_err *err)
{
    rdl_delta_state scratch;
    if (s->timestamp_ms > 0 || s->version < 0)
        return RDL_OK;
    rdl_delta_state_init(&scratch, s->arena);
    if (rdl_fs_exists(rdl_delta_commit_path(s->arena, dir, s->version))) {
        RDL_TRY(rdl_delta_read_commit(&scratch, dir, s->version, err));
        s->last = scratch.last;
        s->timestamp_ms = scratch.timestamp_ms;
    }
    return RDL_OK;
}

rdl_code rdl_delta_load(
    rdl_arena *a, const char *dir, int64_t version, rdl_delta_state *out, rdl_err *err)
{
    rdl_delta_listing list;
    rdl_delta_state_init(out, a);
    RDL_TRY(rdl_delta_list(a, dir, &list, err));
    int64_t newest = newest_upto(list.commits, list.commit_count, INT64_MAX);
    const int64_t base = newest_upto(list.checkpoints, list.checkpoint_count, INT64_MAX);
    if (base > newest)
        newest = base;
    if (newest < 0) {
        if (version < 0)
            return RDL_OK;
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "could not read version %" PRId64
                           " of table \"%s\": there is no table",
                           version, dir);
    }
    const int64_t limit = version < 0 ? newest : version;
    if (limit > newest)
        return no_such_version(&list, dir, version, newest, err);
    RDL_TRY(load_base(out, dir, &list, limit, err));
    RDL_TRY(replay(out, dir, &list, limit, newest, err));
    if (out->version != limit)
        return no_such_version(&list, dir, version, newest, err);
    RDL_TRY(fill_timestamp(out, dir, err));
    return check_loaded(out, dir, err);
}
