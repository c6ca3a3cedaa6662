/*
 * source/landing.c - removing or moving one file of a landing folder.
 */
#include "source/landing.h"

#include <inttypes.h>

#include "source/content.h"

/* The part of a url that is a folder: up to the first wildcard. */
static char *fixed_part(rdl_arena *a, const char *base_dir, const char *url)
{
    rdl_str s = rdl_str_of(url);
    if (rdl_str_starts(s, "file:"))
        url += rdl_str_starts(s, "file://") ? 7 : 5;
    char *path = rdl_arena_strdup(a, url);
    char *glob = strpbrk(path, "*?[");
    if (glob != NULL) {
        *glob = '\0';
        char *slash = strrchr(path, '/');
        path = slash != NULL ? (*slash = '\0', path) : rdl_arena_strdup(a, ".");
    }
    return rdl_path_absolute(a, rdl_path_join(a, base_dir, path));
}

static bool lies_in(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

rdl_code rdl_landing_read(rdl_arena *a, rdl_str option, const char *base_dir, const char *url,
                          rdl_landing *out, rdl_err *err)
{
    static const char move[] = "move:";
    enum { MOVE = sizeof move - 1 };
    *out = (rdl_landing){0};
    if (option.n == 0)
        return RDL_OK;
    out->takes = true;
    if (rdl_str_eq_nocase(option, RDL_STR("delete")))
        return RDL_OK;
    if (!rdl_str_starts(option, move) || option.n == MOVE) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot read option after_commit = '%.*s'", (int)option.n,
                    option.p);
        return rdl_err_hint(err, "Write 'delete', or 'move:' and a folder.");
    }
    const char *folder = rdl_arena_strndup(a, option.p + MOVE, option.n - MOVE);
    out->folder = rdl_path_absolute(a, rdl_path_join(a, base_dir, folder));
    const char *from = fixed_part(a, base_dir, url);
    if (!lies_in(out->folder, from))
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot move read files to \"%s\": the source reads \"%s\"",
                out->folder, from);
    return rdl_err_hint(err, "Name a folder beside it.");
}

static rdl_code same_content(const char *path, const rdl_file_range *r, bool *same, rdl_err *err)
{
    rdl_hasher *h = rdl_hasher_new();
    rdl_code rc = rdl_content_hash(path, 0, r->end, h, NULL, err);
    *same = rdl_hash128_eq(rdl_hasher_done(h), r->prefix_hash);
    return rc;
}

rdl_code rdl_landing_unchanged(const rdl_file_range *r, bool *there, bool *same, rdl_err *err)
{
    rdl_stat st;
    *same = false;
    RDL_TRY(rdl_fs_stat(r->path, &st, err));
    *there = st.exists;
    if (!st.exists || st.size != r->end)
        return RDL_OK;
    *same = st.mtime_us == r->mtime_us && r->mtime_us != 0;
    return *same ? RDL_OK : same_content(r->path, r, same, err);
}

static rdl_code move_to(const rdl_file_range *r, const char *target, bool *done, rdl_err *err)
{
    rdl_arena a;
    rdl_stat st;
    bool same = false;
    *done = false;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_fs_mkdirs(rdl_path_dir(&a, target), err);
    if (rc == RDL_OK)
        rc = rdl_fs_stat(target, &st, err);
    if (rc == RDL_OK && st.exists && st.size == r->end)
        rc = same_content(target, r, &same, err);
    if (rc == RDL_OK && (!st.exists || same)) {
        *done = true;
        rc = rdl_fs_rename(r->path, target, err);
        if (rc != RDL_OK)
            rdl_err_hint(err, "The folder of after_commit must lie on the same file system.");
        if (rc == RDL_OK)
            rc = rdl_fs_sync_dir(rdl_path_dir(&a, target), err);
    }
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_landing_take(const rdl_landing *l, const rdl_file_range *r, uint64_t epoch,
                          rdl_err *err)
{
    rdl_arena a;
    bool done = false;
    if (!rdl_fs_exists(r->path))
        return RDL_OK;
    if (l->folder == NULL)
        return rdl_fs_unlink(r->path, err);
    rdl_arena_init(&a, 0);
    const char *target =
        rdl_path_join(&a, l->folder, r->shown[0] == '/' ? rdl_path_base(r->shown) : r->shown);
    rdl_code rc = move_to(r, target, &done, err);
    if (rc == RDL_OK && !done)
        rc = move_to(r, rdl_arena_printf(&a, "%s.%" PRIu64, target, epoch), &done, err);
    if (rc == RDL_OK && !done)
        rc = rdl_err_set(err, RDL_EIO, 0, "could not move file \"%s\": \"%s.%" PRIu64 "\" is there",
                         r->path, target, epoch);
    rdl_arena_fini(&a);
    return rc;
}
