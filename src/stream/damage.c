/*
 * stream/damage.c - reading file after file until one fails.
 */
#include "stream/damage.h"

#include "base/fs.h"
#include "stream/parts.h"

/* true: the file cannot be read, and why says why. */
static bool is_damaged(rdl_conn *conn, const char *path, rdl_err *why)
{
    rdl_buf sql = {0};
    int64_t ignored;
    rdl_buf_puts(&sql, "SELECT coalesce(sum(hash(f)) % 2, 0)::BIGINT FROM read_parquet(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(path));
    rdl_buf_puts(&sql, ") f");
    rdl_code rc = rdl_query_i64(conn, rdl_buf_str(&sql), &ignored, why);
    rdl_buf_fini(&sql);
    return rc != RDL_OK && rdl_fs_exists(path);
}

static bool snapshot_is_damaged(rdl_arena *a, rdl_conn *conn, const char *dir,
                                const rdl_lake_snapshot *s, const char **out_path, rdl_err *why)
{
    for (size_t i = 0; s != NULL && i < s->file_count; i++) {
        const char *path = rdl_path_join(a, dir, s->files[i].path);
        if (is_damaged(conn, path, why)) {
            *out_path = path;
            return true;
        }
    }
    return false;
}

/* Any of the Parquet files below a folder: segments, landed snapshots. */
static bool folder_is_damaged(const rdl_cut *c, rdl_conn *conn, const char *dir,
                              const char **out_path, rdl_err *why)
{
    rdl_names names;
    rdl_err ignored;
    if (rdl_fs_walk(c->arena, dir, &names, &ignored) != RDL_OK)
        return false;
    for (size_t i = 0; i < names.n; i++) {
        const char *path = rdl_path_join(c->arena, dir, names.v[i]);
        if (rdl_str_ends(rdl_str_of(path), ".parquet") && is_damaged(conn, path, why)) {
            *out_path = path;
            return true;
        }
    }
    return false;
}

static rdl_code blame(const char *path, const char *remedy, const rdl_err *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0, "could not read data file \"%s\": it is damaged (%s)", path,
                why->msg[0] != '\0' ? why->msg : "no reason given");
    rdl_err_hint(err, "%s", remedy);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
}

static const char state_remedy[] = "Restore the folder state/ from a backup of the same time as the lake; "
                                   "raudal backfill reads the sources again into a fresh root.";

rdl_code rdl_damage_name(const rdl_cut *c, rdl_conn *conn, rdl_err *err)
{
    const char *path = NULL;
    rdl_err why;
    if (err->code == RDL_EUSAGE || err->code == RDL_ESTOP || err->code == RDL_ELIMIT)
        return err->code;
    if (folder_is_damaged(c, conn, c->root->epochs, &path, &why) ||
        folder_is_damaged(c, conn, c->root->snapshots, &path, &why))
        return blame(path, state_remedy, &why, err);
    for (size_t i = 0; i < c->pipeline->table_count; i++) {
        const rdl_table *t = c->pipeline->tables[i];
        if (snapshot_is_damaged(c->arena, conn, rdl_root_lake_table(c->arena, c->root, t),
                                c->lakes[i], &path, &why))
            return blame(path,
                         t->kind == RDL_TABLE_VIEW
                             ? "Restore the file from a backup, or make the view again with "
                               "raudal refresh DIR TABLE."
                             : "Restore the file from a backup; raudal backfill reads the "
                               "sources again into a fresh root.",
                         &why, err);
        if (snapshot_is_damaged(c->arena, conn, rdl_root_quarantine(c->arena, c->root, t),
                                c->quarantines[i], &path, &why))
            return blame(path, "Restore the file from a backup.", &why, err);
    }
    /* A file that is gone is named by DuckDB. */
    if (err->hint[0] == '\0' && strstr(err->msg, c->root->state) != NULL &&
        strstr(err->msg, "could not write") == NULL) {
        rdl_err_hint(err, "%s", state_remedy);
        return rdl_err_area(err->code, err, RDL_AREA_STORE);
    }
    return err->code;
}

/* ---- bytes that are not those that were sealed ---- */

rdl_code rdl_sealed_hash(const char *path, rdl_hash128 *out, rdl_err *err)
{
    rdl_map_file map = {0};
    RDL_TRY(rdl_fs_map(path, &map, err));
    *out = rdl_hash128_of(map.p, map.n);
    rdl_fs_unmap(&map);
    return RDL_OK;
}

rdl_code rdl_sealed_check(const char *path, rdl_hash128 sealed, rdl_err *err)
{
    rdl_hash128 now;
    if (sealed.hi == 0 && sealed.lo == 0)
        return RDL_OK;
    rdl_code rc = rdl_sealed_hash(path, &now, err);
    if (rc == RDL_OK && rdl_hash128_eq(now, sealed))
        return RDL_OK;
    if (rc == RDL_OK)
        rc = rdl_err_set(err, RDL_EDATA, 0,
                         "could not read data file \"%s\": its bytes are not those that were sealed",
                         path);
    rdl_err_hint(err, "%s", state_remedy);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

/* New rows: in one file, or in parts and what is left. */
static rdl_code check_new(rdl_arena *a, const rdl_root *root, const rdl_segment_ref *s,
                          rdl_str table, rdl_err *err)
{
    const char *path = rdl_root_segment(a, root, s->epoch, table, RDL_SEGMENT_NEW);
    rdl_parts parts;
    if (s->parts.n == 0)
        return rdl_sealed_check(path, s->sums[RDL_SEGMENT_NEW], err);
    RDL_TRY(rdl_parts_read(a, root, s, table, &parts, err));
    for (size_t i = 0; i < parts.n; i++)
        RDL_TRY(rdl_sealed_check(parts.v[i].path, parts.sums[i], err));
    return rdl_sealed_check(path, parts.rest, err);
}

rdl_code rdl_segments_check(rdl_arena *a, const rdl_root *root, const rdl_table_history *h,
                            uint64_t after, bool quarantine, rdl_err *err)
{
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        for (rdl_segment kind = RDL_SEGMENT_NEW; kind <= RDL_SEGMENT_QUARANTINE; kind++) {
            if (s->epoch <= after || (kind == RDL_SEGMENT_QUARANTINE) != quarantine)
                continue;
            if (kind == RDL_SEGMENT_NEW)
                RDL_TRY(check_new(a, root, s, h->table, err));
            else
                RDL_TRY(rdl_sealed_check(rdl_root_segment(a, root, s->epoch, h->table, kind),
                                    s->sums[kind], err));
        }
    }
    return RDL_OK;
}

rdl_code rdl_snapshot_path(rdl_arena *a, const rdl_root *root, const rdl_snapshot_history *h,
                           const char **out, rdl_err *err)
{
    *out = rdl_root_snapshot(a, root, h->source, h->epoch);
    return rdl_sealed_check(*out, h->file, err);
}
