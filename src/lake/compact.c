/*
 * lake/compact.c - many small files of a partition become one; no row changes.
 *
 * The files are read through the snapshot's own SELECT, so that columns which were added
 * later are filled in, and written like any other rows.  The commit has dataChange=false in
 * every action, and no txn: it may follow the append of the same epoch.
 *
 * Per partition (and size, where asked) and call at most target_bytes are merged into one file, and
 * at most bytes_max in all, but no less than one group; what is left waits for the next call.  Before anything is committed the new files' row count is compared
 * with the old ones': a difference is RDL_EBUG and nothing changes.
 */
#include <inttypes.h>

#include "base/fs.h"
#include "lake/delta.h"

typedef struct compaction {
    rdl_arena *arena;
    const rdl_lake_table *table;
    rdl_lake_compact_options options;
    rdl_delta_state state;
    rdl_lake_snapshot picked; /* the snapshot with the files to merge only */
    rdl_delta_file **removes;
    size_t remove_count;
    bool rows_known;
} compaction;

static rdl_lake_compact_options defaults(const rdl_lake_compact_options *given)
{
    rdl_lake_compact_options o = given != NULL ? *given : (rdl_lake_compact_options){0};
    if (o.small_bytes == 0)
        o.small_bytes = (uint64_t)32 << 20;
    if (o.target_bytes == 0)
        o.target_bytes = (uint64_t)128 << 20;
    if (o.files_min < 2)
        o.files_min = o.files_min == 0 ? 4 : 2;
    return o;
}

static void take(compaction *c, const rdl_lake_file *f)
{
    c->picked.files[c->picked.file_count++] = *f;
    c->picked.bytes += f->bytes;
    if (f->rows == UINT64_MAX)
        c->rows_known = false;
    else
        c->picked.rows += f->rows;
    c->removes[c->remove_count++] = rdl_map_get(&c->state.files, rdl_str_of(f->path));
}

/* 0: below 4 KiB, 1: below 32 KiB, 2: below 256 KiB, ... */
static unsigned size_class(uint64_t bytes)
{
    unsigned class = 0;
    for (uint64_t bound = 4096; bytes >= bound && class < 16; bound *= 8)
        class++;
    return class;
}

/* The small files of one group, up to the target. */
static void pick_group(compaction *c, rdl_lake_file *const *group, size_t n)
{
    uint64_t bytes = 0;
    size_t end = 0;
    while (end < n && (end == 0 || bytes + group[end]->bytes <= c->options.target_bytes))
        bytes += group[end++]->bytes;
    if (end < c->options.files_min)
        return;
    if (c->options.bytes_max > 0 && c->remove_count > 0 &&
        c->picked.bytes + bytes > c->options.bytes_max)
        return;
    for (size_t i = 0; i < end; i++)
        take(c, group[i]);
}

typedef RDL_VEC(rdl_lake_file *) file_group;

static void pick(compaction *c, const rdl_lake_snapshot *all)
{
    rdl_map groups;
    rdl_buf key = {0};
    rdl_map_init(&groups, c->arena);
    for (size_t i = 0; i < all->file_count; i++) {
        rdl_lake_file *f = &all->files[i];
        if (f->bytes >= c->options.small_bytes)
            continue;
        rdl_buf_clear(&key);
        rdl_partition_key(rdl_map_get(&c->state.files, rdl_str_of(f->path)), &all->schema,
                          all->partition_columns, all->partition_count, &key);
        if (c->options.by_size)
            rdl_buf_printf(&key, "\n%u", size_class(f->bytes));
        const rdl_str name = {rdl_buf_str(&key), key.n};
        file_group *group = rdl_map_get(&groups, name);
        if (group == NULL) {
            group = RDL_NEW(c->arena, file_group);
            rdl_map_put(&groups, name, group);
        }
        RDL_PUSH(c->arena, group) = f;
    }
    rdl_buf_fini(&key);
    for (size_t i = 0; i < groups.n; i++) {
        const file_group *group = groups.entries[i].value;
        pick_group(c, group->v, group->n);
    }
}

/* The log's schema, not the caller's: compaction never changes it. */
static rdl_lake_table as_logged(const compaction *c)
{
    rdl_lake_table t = *c->table;
    t.schema = c->state.schema;
    t.partition_columns = c->state.partition_columns;
    t.partition_count = c->state.partition_count;
    return t;
}

static rdl_code merge(compaction *c,
                      rdl_conn *conn,
                      const rdl_lake_commit_info *info,
                      rdl_lake_result *out,
                      rdl_err *err)
{
    const rdl_lake_table t = as_logged(c);
    rdl_buf sql = {0};
    rdl_data_files files = {0};
    rdl_code rc = rdl_lake_select(c->arena, t.dir, &c->picked, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_data_write(conn, c->arena, &t, rdl_buf_str(&sql), c->options.order_by,
                            info, true, &files, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    if (c->rows_known && files.rows != c->picked.rows)
        rc = rdl_err_set(err, RDL_EBUG, 0,
                         "could not compact table \"%s\": %" PRIu64 " rows became %" PRIu64,
                         t.dir, c->picked.rows, files.rows);
    const rdl_delta_change change = {.table = &t,
                                     .info = info,
                                     .adds = files.v,
                                     .add_count = files.n,
                                     .removes = c->removes,
                                     .remove_count = c->remove_count};
    if (rc == RDL_OK)
        rc = rdl_delta_commit(c->arena, &change, &c->state, out, err);
    if (rdl_delta_is_void(c->arena, &change, &c->state, rc, out))
        rdl_data_discard(c->arena, t.dir, &files);
    RDL_TRY(rc);
    out->files_added = files.n;
    out->files_removed = c->remove_count;
    out->rows_added = files.rows;
    out->bytes_added = files.bytes;
    return RDL_OK;
}

static rdl_code compact(rdl_arena *a,
                        rdl_conn *conn,
                        const rdl_lake_table *t,
                        const rdl_lake_compact_options *options,
                        const rdl_lake_commit_info *info,
                        rdl_lake_result *out,
                        rdl_err *err)
{
    compaction c = {
        .arena = a, .table = t, .options = defaults(options), .rows_known = true};
    rdl_lake_snapshot all;
    *out = (rdl_lake_result){.version = -1};
    RDL_TRY(rdl_delta_load(a, t->dir, -1, &c.state, err));
    out->version = c.state.version;
    out->already = true;
    if (c.state.version < 0)
        return RDL_OK;
    RDL_TRY(rdl_lake_snapshot_of(a, &c.state, t->app_id, &all, err));
    c.picked = all;
    c.picked.files = RDL_NEWN(a, rdl_lake_file, all.file_count + 1);
    c.picked.file_count = 0;
    c.picked.rows = c.picked.bytes = 0;
    c.removes = RDL_NEWN(a, rdl_delta_file *, all.file_count + 1);
    pick(&c, &all);
    if (c.remove_count == 0)
        return RDL_OK;
    out->already = false;
    return merge(&c, conn, info, out, err);
}

rdl_code rdl_lake_compact(rdl_conn *conn,
                          const rdl_lake_table *t,
                          const rdl_lake_compact_options *options,
                          const rdl_lake_commit_info *info,
                          rdl_lake_result *out,
                          rdl_err *err)
{
    rdl_arena call;
    rdl_arena_init(&call, 0);
    const rdl_code rc = compact(&call, conn, t, options, info, out, err);
    rdl_arena_fini(&call);
    return rdl_err_in(rc, err, "compaction of %s", t->name != NULL ? t->name : t->dir);
}
