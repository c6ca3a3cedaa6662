/*
 * stream/damage.c - reading file after file until one fails.
 */
#include "stream/damage.h"

#include "base/fs.h"

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

static bool segments_are_damaged(const rdl_cut *c, rdl_conn *conn, const char **out_path,
                                 rdl_err *why)
{
    rdl_names names;
    rdl_err ignored;
    if (rdl_fs_walk(c->arena, c->root->epochs, &names, &ignored) != RDL_OK)
        return false;
    for (size_t i = 0; i < names.n; i++) {
        const char *path = rdl_path_join(c->arena, c->root->epochs, names.v[i]);
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

rdl_code rdl_damage_name(const rdl_cut *c, rdl_conn *conn, rdl_err *err)
{
    const char *path = NULL;
    rdl_err why;
    if (err->code == RDL_EUSAGE || err->code == RDL_ESTOP || err->code == RDL_ELIMIT)
        return err->code;
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
    if (segments_are_damaged(c, conn, &path, &why))
        return blame(path, "Restore the folder state/ from a backup.", &why, err);
    return err->code;
}
