/*
 * lake/vacuum.c - files that no reader needs any more are removed; ours after a crash, too.
 *
 * VACUUM removes, when older than the retention:
 *   - a data file that the newest version removed (by its deletionTimestamp),
 *   - a file that no version names (by its time on disk), folders of an aborted write,
 *   - with the log's own retention: commits, checkpoints and copies below the newest
 *     checkpoint that is itself old enough, so that every kept version can still be loaded.
 * What begins with _ or . is left alone, except partition folders (_day=...) and our
 * stages.
 *
 * SWEEP runs at start under the root's lock, so that nothing of ours can be in the making:
 * it removes stages, temporaries, and data files with our name (L3) which the newest
 * version neither holds nor removed and whose epoch is above the table's txn (or which a
 * compaction left).  It never looks at other writers' files.
 *
 * INVARIANTS
 *   L10 A file of the newest version is never removed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/fs.h"
#include "lake/delta.h"

typedef RDL_VEC(char *) path_list;

static bool is_stage(const char *path)
{
    return strncmp(path, RDL_DATA_STAGE, sizeof RDL_DATA_STAGE - 1) == 0;
}

/* A part of the path that begins with _ or . and is no partition folder. */
static bool is_hidden(const char *path)
{
    for (const char *p = path; p != NULL; p = strchr(p, '/')) {
        p += *p == '/';
        const size_t n = strcspn(p, "/");
        if ((*p == '_' || *p == '.') && (p[n] != '/' || memchr(p, '=', n) == NULL))
            return true;
    }
    return false;
}

static rdl_code choose_data(rdl_arena *a,
                            const char *dir,
                            const rdl_delta_state *s,
                            int64_t oldest_us,
                            path_list *out,
                            rdl_err *err)
{
    rdl_names names;
    RDL_TRY(rdl_fs_walk(a, dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        const char *path = names.v[i];
        const rdl_str key = rdl_str_of(path);
        rdl_stat stat;
        if ((is_hidden(path) && !is_stage(path)) || rdl_map_get(&s->files, key) != NULL)
            continue;
        RDL_TRY(rdl_fs_stat(rdl_path_join(a, dir, path), &stat, err));
        const rdl_delta_file *gone = rdl_map_get(&s->removed, key);
        const int64_t since_us = gone != NULL ? gone->time_ms * 1000 : stat.mtime_us;
        if (stat.exists && since_us < oldest_us)
            RDL_PUSH(a, out) = names.v[i];
    }
    return RDL_OK;
}

/* The newest checkpoint whose version was committed before the time; -1: none. */
static rdl_code log_floor(rdl_arena *a,
                          const char *dir,
                          const rdl_delta_listing *list,
                          int64_t oldest_us,
                          int64_t *out,
                          rdl_err *err)
{
    *out = -1;
    for (size_t i = list->checkpoint_count; i-- > 0;) {
        rdl_stat stat;
        RDL_TRY(
            rdl_fs_stat(rdl_delta_commit_path(a, dir, list->checkpoints[i]), &stat, err));
        if (!stat.exists || stat.mtime_us < oldest_us) {
            *out = list->checkpoints[i];
            return RDL_OK;
        }
    }
    return RDL_OK;
}

static bool leading_version(const char *p, int64_t *out)
{
    int64_t v = 0;
    if (strspn(p, "0123456789") != 20)
        return false;
    for (int i = 0; i < 20; i++)
        v = v > INT64_MAX / 10 - 1 ? INT64_MAX / 10 - 1 : v * 10 + (p[i] - '0');
    *out = v;
    return true;
}

static rdl_code
choose_log(rdl_arena *a, const char *dir, int64_t oldest_us, path_list *out, rdl_err *err)
{
    rdl_delta_listing list;
    int64_t bottom, v;
    RDL_TRY(rdl_delta_list(a, dir, &list, err));
    RDL_TRY(log_floor(a, dir, &list, oldest_us, &bottom, err));
    for (size_t i = 0; i < list.names.n; i++) {
        const char *name = list.names.v[i];
        const char *digits = strncmp(name, "_raudal.", 8) == 0 ? name + 8 : name;
        if (leading_version(digits, &v) && v < bottom)
            RDL_PUSH(a, out) = rdl_arena_printf(a, "_delta_log/%s", name);
    }
    return RDL_OK;
}

static rdl_code
remove_all(rdl_arena *a, const char *dir, const path_list *paths, rdl_err *err)
{
    for (size_t i = 0; i < paths->n; i++) {
        if (RDL_FAULT_AT(LAKE_VACUUM) != 0)
            return rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY,
                               "could not remove \"%s\": fault", paths->v[i]);
        RDL_TRY(rdl_fs_unlink(rdl_path_join(a, dir, paths->v[i]), err));
    }
    return RDL_OK;
}

/* Stages that a removal left empty. */
static rdl_code drop_stages(rdl_arena *a, const char *dir, bool all, rdl_err *err)
{
    rdl_names names, inside;
    RDL_TRY(rdl_fs_list(a, dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        if (!is_stage(names.v[i]))
            continue;
        const char *path = rdl_path_join(a, dir, names.v[i]);
        RDL_TRY(rdl_fs_walk(a, path, &inside, err));
        if (all || inside.n == 0)
            RDL_TRY(rdl_fs_remove_tree(path, err));
    }
    return RDL_OK;
}

rdl_code rdl_lake_vacuum(rdl_arena *a,
                         const char *dir,
                         int64_t now_us,
                         int64_t retention_us,
                         int64_t log_retention_us,
                         bool dry_run,
                         char ***out_paths,
                         size_t *out_n,
                         rdl_err *err)
{
    rdl_delta_state s;
    path_list paths = {0};
    rdl_code rc = RDL_OK;
    *out_paths = NULL;
    *out_n = 0;
    RDL_TRY_OUT(rdl_delta_load(a, dir, -1, &s, err));
    if (s.version < 0)
        return RDL_OK;
    RDL_TRY_OUT(choose_data(a, dir, &s, now_us - retention_us, &paths, err));
    RDL_TRY_OUT(choose_log(a, dir, now_us - log_retention_us, &paths, err));
    if (!dry_run) {
        RDL_TRY_OUT(remove_all(a, dir, &paths, err));
        RDL_TRY_OUT(drop_stages(a, dir, false, err));
    }
    *out_paths = paths.v;
    *out_n = paths.n;
out:
    rc = rdl_err_area(rc, err, RDL_AREA_STORE);
    return rdl_err_in(rc, err, "vacuum of %s", dir);
}

/* part-<root8>-<epoch>-[c]<n>-...: is it ours, and of which epoch? */
static bool
our_file(const char *path, const char *prefix, uint64_t *epoch, bool *compaction)
{
    const char *name = rdl_path_base(path);
    const size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0)
        return false;
    const char *p = name + n;
    *epoch = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        *epoch = *epoch > UINT64_MAX / 10 - 1 ? UINT64_MAX / 10 - 1
                                              : *epoch * 10 + (uint64_t)(*p - '0');
    if (*p++ != '-')
        return false;
    *compaction = *p == 'c';
    return true;
}

static rdl_code sweep_data(rdl_arena *a,
                           const char *dir,
                           const char *app_id,
                           const rdl_delta_state *s,
                           size_t *removed,
                           rdl_err *err)
{
    rdl_names names;
    rdl_buf prefix = {0};
    const rdl_delta_txn *txn = rdl_delta_txn_of(s, app_id);
    rdl_code rc = RDL_OK;
    rdl_data_prefix(app_id, &prefix);
    RDL_TRY_OUT(rdl_fs_walk(a, dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        const rdl_str key = rdl_str_of(names.v[i]);
        uint64_t epoch;
        bool compaction;
        if (is_hidden(names.v[i]) ||
            !our_file(names.v[i], rdl_buf_str(&prefix), &epoch, &compaction))
            continue;
        if (rdl_map_get(&s->files, key) != NULL || rdl_map_get(&s->removed, key) != NULL)
            continue;
        if (!compaction && txn != NULL && epoch <= (uint64_t)txn->version)
            continue;
        RDL_TRY_OUT(rdl_fs_unlink(rdl_path_join(a, dir, names.v[i]), err));
        (*removed)++;
    }
out:
    rdl_buf_fini(&prefix);
    return rc;
}

static rdl_code
sweep_temporaries(rdl_arena *a, const char *dir, size_t *removed, rdl_err *err)
{
    const char *log = rdl_path_join(a, dir, "_delta_log");
    rdl_names names;
    if (!rdl_fs_exists(log))
        return RDL_OK;
    RDL_TRY(rdl_fs_list(a, log, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        if (names.v[i][0] != '.' || !rdl_str_ends(rdl_str_of(names.v[i]), ".tmp"))
            continue;
        RDL_TRY(rdl_fs_unlink(rdl_path_join(a, log, names.v[i]), err));
        (*removed)++;
    }
    return RDL_OK;
}

rdl_code
rdl_lake_sweep(const char *dir, const char *app_id, size_t *out_removed, rdl_err *err)
{
    rdl_arena call;
    rdl_delta_state s;
    rdl_names names;
    rdl_code rc = RDL_OK;
    *out_removed = 0;
    if (!rdl_fs_exists(dir))
        return RDL_OK;
    rdl_arena_init(&call, 0);
    RDL_TRY_OUT(rdl_delta_load(&call, dir, -1, &s, err));
    RDL_TRY_OUT(rdl_fs_list(&call, dir, &names, err));
    for (size_t i = 0; i < names.n; i++)
        *out_removed += is_stage(names.v[i]);
    RDL_TRY_OUT(drop_stages(&call, dir, true, err));
    RDL_TRY_OUT(sweep_temporaries(&call, dir, out_removed, err));
    RDL_TRY_OUT(sweep_data(&call, dir, app_id, &s, out_removed, err));
out:
    rdl_arena_fini(&call);
    rc = rdl_err_area(rc, err, RDL_AREA_STORE);
    return rdl_err_in(rc, err, "sweep of %s", dir);
}
