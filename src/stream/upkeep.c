/*
 * stream/upkeep.c - small files of the lake are merged and old versions removed while a run goes on.
 *
 * WHEN   after the lake took sealed epochs: in the continuous loop on the lake thread, else at the
 *        end of --once.  A run that has nothing to do does nothing here.
 * MERGE  lake_compact_files (8) or more files of like size in a partition become one; a round merges
 *        ROUND_BYTES and takes ROUND_US at most (a started table is finished), and the next goes on
 *        with the next table.  A file of 8 MiB rests: what an epoch of many rows wrote (parts.h) is
 *        not worth writing again.  raudal lake compact goes further.
 * VACUUM once a day: files and log entries that no version of the last lake_retention (30 days) needs.
 *
 * INVARIANTS
 *   M1  One thread at a time commits to a lake table: whoever applies does this, too.
 *   M2  No row changes and no epoch's txn moves: a cut reads the same before, between and after.
 *   M3  What fails here is logged and tried again later; it ends no run and loses nothing.
 *
 * Tests: tests/slt/lake/upkeep.slt, tests/unit/upkeep_test.c; killed at lake.compact_data and
 * lake.vacuum.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "stream/internal.h"

enum {
    ROUND_US = 2 * 1000 * 1000,
    VACUUM_EVERY_HOURS = 24,
};
static const uint64_t round_bytes = (uint64_t)256 << 20;
static const uint64_t file_bytes = (uint64_t)8 << 20;
static const int64_t hour_us = (int64_t)3600 * 1000 * 1000;
static const int64_t log_retention_us = (int64_t)30 * 24 * 3600 * 1000 * 1000;

/* One Delta table: of a table, or of its quarantine. */
typedef struct kept_table {
    const rdl_table *table;
    const char *dir, *label, *order_by;
    int64_t version; /* looked at; -1: never */
    bool broken;     /* a merge that would have changed rows: not tried again */
} kept_table;

struct rdl_upkeep {
    RDL_VEC(kept_table) tables;
    size_t next;        /* whose turn it is */
    uint64_t files_min; /* 0: never merge */
    int64_t retention_us;
};

static void add_table(rdl_engine *e, const rdl_table *t, const char *dir, const char *label,
                      bool quarantine)
{
    rdl_buf order = {0};
    if (quarantine || (t->kind == RDL_TABLE_STREAMING && !t->decision))
        rdl_buf_puts(&order, RDL_IDENTITY_COLUMNS);
    else
        rdl_put_key(&order, "", &t->columns, t->primary_key, t->primary_key_count);
    RDL_PUSH(&e->arena, &e->upkeep->tables) = (kept_table){
        .table = t,
        .dir = dir,
        .label = label,
        .order_by = order.n > 0 ? rdl_arena_strndup(&e->arena, order.p, order.n) : NULL,
        .version = -1,
    };
    rdl_buf_fini(&order);
}

void rdl_upkeep_open(rdl_engine *e, uint64_t files_min, int64_t retention_us)
{
    e->upkeep = RDL_NEW(&e->arena, rdl_upkeep);
    e->upkeep->files_min = files_min;
    e->upkeep->retention_us = retention_us;
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (t->source == NULL)
            add_table(e, t, rdl_root_lake_table(&e->arena, &e->root, t), t->full.p, false);
        add_table(e, t, rdl_root_quarantine(&e->arena, &e->root, t),
                  rdl_arena_printf(&e->arena, "quarantine.%s",
                                   rdl_root_quarantine_name(&e->arena, t)),
                  true);
    }
}

/* ---- merging ---- */

static rdl_code merge_table(const rdl_apply *p, rdl_arena *a, kept_table *k, uint64_t left,
                            uint64_t *merged, rdl_err *err)
{
    rdl_engine *e = p->e;
    rdl_lake_snapshot now;
    rdl_lake_result result;
    int64_t began = rdl_monotonic_us();
    bool made = false;
    if (!rdl_fs_exists(k->dir))
        return RDL_OK;
    RDL_TRY(rdl_lake_load(a, k->dir, e->uuid, -1, &now, err));
    if (now.version < 0 || now.version == k->version)
        return RDL_OK;
    k->version = now.version;
    if (now.file_count < e->upkeep->files_min)
        return RDL_OK;
    const rdl_lake_table table = {.dir = k->dir,
                                  .app_id = e->uuid,
                                  .name = k->label,
                                  .schema = now.schema,
                                  .partition_columns = now.partition_columns,
                                  .partition_count = now.partition_count};
    const rdl_lake_commit_info info = {
        .operation = "OPTIMIZE",
        .epoch = now.txn_version > 0 ? (uint64_t)now.txn_version : 0,
        .timestamp_us = rdl_now_us(e->clock)};
    const rdl_lake_compact_options options = {.files_min = (size_t)e->upkeep->files_min,
                                              .order_by = k->order_by,
                                              .by_size = true,
                                              .small_bytes = file_bytes,
                                              .bytes_max = left};
    RDL_TRY(rdl_lake_compact(p->conn, &table, &options, &info, &result, err));
    if (result.already)
        return RDL_OK;
    k->version = -1; /* one merge may make files enough for another */
    *merged = result.bytes_added;
    rdl_log(RDL_LOG_INFO, "lake", "compacted",
            "table=%s files=%" PRIu64 " into=%" PRIu64 " bytes=%" PRIu64 " ms=%" PRId64, k->label,
            result.files_removed, result.files_added, result.bytes_added,
            (rdl_monotonic_us() - began) / 1000);
    return rdl_lake_checkpoint(p->conn, &table, false, &made, err);
}

static void merge_round(const rdl_apply *p)
{
    rdl_upkeep *u = p->e->upkeep;
    uint64_t left = round_bytes;
    int64_t until = rdl_monotonic_us() + ROUND_US;
    for (size_t i = 0; i < u->tables.n && left > 0 && rdl_monotonic_us() < until; i++) {
        kept_table *k = &u->tables.v[u->next];
        rdl_arena a;
        rdl_err why = {0};
        uint64_t merged = 0;
        if (p->e->stop)
            return;
        u->next = (u->next + 1) % u->tables.n;
        if (k->broken)
            continue;
        rdl_arena_init(&a, 0);
        rdl_code rc = merge_table(p, &a, k, left, &merged, &why);
        rdl_arena_fini(&a);
        k->broken = rc == RDL_EBUG;
        if (rc != RDL_OK)
            rdl_log_err(RDL_LOG_WARN, "lake", "not_compacted", &why);
        left -= merged < left ? merged : left;
    }
}

/* ---- old versions ---- */

/* The time of the last vacuum, as text in a file of state/; 0: none yet. */
static int64_t last_vacuum(const char *path)
{
    rdl_buf text = {0};
    rdl_err ignored = {0};
    int64_t at = 0;
    if (rdl_fs_exists(path) && rdl_fs_read(path, 64, &text, &ignored) == RDL_OK)
        at = strtoll(rdl_buf_str(&text), NULL, 10);
    rdl_buf_fini(&text);
    return at;
}

static rdl_code note_vacuum(const char *path, int64_t now, rdl_err *err)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64 "\n", now);
    return rdl_fs_write_durable(path, text, (size_t)n, err);
}

static void vacuum_all(rdl_engine *e, int64_t now)
{
    for (size_t i = 0; i < e->upkeep->tables.n && !e->stop; i++) {
        const kept_table *k = &e->upkeep->tables.v[i];
        rdl_arena a;
        rdl_err why = {0};
        char **paths;
        size_t n = 0;
        if (!rdl_fs_exists(k->dir))
            continue;
        rdl_arena_init(&a, 0);
        int64_t log = e->upkeep->retention_us > log_retention_us ? e->upkeep->retention_us
                                                                  : log_retention_us;
        if (rdl_lake_vacuum(&a, k->dir, now, e->upkeep->retention_us, log, false, &paths, &n,
                            &why) != RDL_OK)
            rdl_log_err(RDL_LOG_WARN, "lake", "not_vacuumed", &why);
        else if (n > 0)
            rdl_log(RDL_LOG_INFO, "lake", "vacuumed", "table=%s files=%zu", k->label, n);
        rdl_arena_fini(&a);
    }
}

static void vacuum_when_due(rdl_engine *e)
{
    rdl_arena a;
    rdl_err why = {0};
    int64_t now = rdl_now_us(e->clock);
    if (e->upkeep->retention_us == 0)
        return;
    rdl_arena_init(&a, 0);
    const char *path = rdl_path_join(&a, e->root.state, "vacuumed");
    int64_t last = last_vacuum(path);
    /* A clock that went back is not a reason to remove anything sooner, or never again. */
    if (last == 0 || last > now || now - last >= VACUUM_EVERY_HOURS * hour_us) {
        if (last > 0 && last <= now)
            vacuum_all(e, now);
        if (note_vacuum(path, now, &why) != RDL_OK)
            rdl_log_err(RDL_LOG_WARN, "lake", "not_vacuumed", &why);
    }
    rdl_arena_fini(&a);
}

void rdl_upkeep_round(const rdl_apply *p)
{
    if (p->e->upkeep->files_min > 0)
        merge_round(p);
    vacuum_when_due(p->e);
}
