/*
 * source/listing.c - the files that a url names.
 *
 * Names that begin with . or _ (in any folder below the url's) and names that end in .tmp,
 * .crc or ._COPYING_ are not input: writers use them for what is not complete.
 */
#include "source/listing.h"

#include <string.h>

static bool is_input(const char *shown)
{
    const char *name = shown;
    for (const char *p = shown;; p++) {
        if (p == name && (*p == '.' || *p == '_'))
            return false;
        if (*p == '\0')
            break;
        if (*p == '/')
            name = p + 1;
    }
    rdl_str s = rdl_str_of(name);
    return s.n > 0 && !rdl_str_ends(s, ".tmp") && !rdl_str_ends(s, ".crc") &&
           !rdl_str_ends(s, "._COPYING_");
}

static const char *url_path(rdl_arena *a, const char *base_dir, const char *url)
{
    if (strncmp(url, "file://", 7) == 0)
        url += 7;
    else if (strncmp(url, "file:", 5) == 0)
        url += 5;
    return rdl_path_absolute(a, rdl_path_join(a, base_dir != NULL ? base_dir : ".", url));
}

static rdl_code missing(const char *path, rdl_err *err)
{
    rdl_err_set(err, RDL_EIO, 0, "could not list source folder \"%s\": it does not exist", path);
    rdl_err_hint(err, "Create the folder, or correct the path after FROM.");
    return rdl_err_area(RDL_EIO, err, RDL_AREA_SOURCE);
}

static rdl_code add(rdl_arena *a, const char *path, const char *shown, rdl_listing *out,
                    rdl_err *err)
{
    rdl_listed f = {.path = path, .shown = shown};
    RDL_TRY(rdl_err_area(rdl_fs_stat(path, &f.stat, err), err, RDL_AREA_SOURCE));
    if (f.stat.exists && !f.stat.is_dir)
        out->v[out->n++] = f;
    (void)a;
    return RDL_OK;
}

static rdl_code list_folder(rdl_arena *a, const char *dir, rdl_listing *out, rdl_err *err)
{
    rdl_names names;
    RDL_TRY(rdl_err_area(rdl_fs_walk(a, dir, &names, err), err, RDL_AREA_SOURCE));
    out->v = RDL_NEWN(a, rdl_listed, names.n + 1);
    for (size_t i = 0; i < names.n; i++) {
        if (is_input(names.v[i]))
            RDL_TRY(add(a, rdl_path_join(a, dir, names.v[i]), names.v[i], out, err));
    }
    return RDL_OK;
}

/* The folder above the first wildcard. */
static const char *glob_root(rdl_arena *a, const char *pattern)
{
    size_t n = strcspn(pattern, "*?[");
    while (n > 0 && pattern[n - 1] != '/')
        n--;
    return n <= 1 ? "/" : rdl_arena_strndup(a, pattern, n - 1);
}

static rdl_code list_glob(rdl_arena *a, const char *pattern, rdl_listing *out, rdl_err *err)
{
    rdl_names names;
    rdl_stat st;
    const char *root = glob_root(a, pattern);
    size_t skip = strlen(root) + (root[1] != '\0');
    RDL_TRY(rdl_err_area(rdl_fs_stat(root, &st, err), err, RDL_AREA_SOURCE));
    if (!st.exists || !st.is_dir)
        return missing(root, err);
    RDL_TRY(rdl_err_area(rdl_fs_glob(a, pattern, &names, err), err, RDL_AREA_SOURCE));
    out->v = RDL_NEWN(a, rdl_listed, names.n + 1);
    for (size_t i = 0; i < names.n; i++) {
        const char *path = names.v[i];
        const char *shown = strlen(path) > skip ? path + skip : path;
        if (is_input(shown))
            RDL_TRY(add(a, path, shown, out, err));
    }
    return RDL_OK;
}

rdl_code rdl_listing_read(rdl_arena *a, const char *base_dir, const char *url, rdl_listing *out,
                          rdl_err *err)
{
    rdl_stat st;
    const char *path = url_path(a, base_dir, url);
    size_t n = strlen(url);
    *out = (rdl_listing){0};
    RDL_TRY(rdl_err_area(rdl_fs_stat(path, &st, err), err, RDL_AREA_SOURCE));
    if (st.exists && st.is_dir)
        return list_folder(a, path, out, err);
    if (!st.exists && strpbrk(path, "*?[") != NULL)
        return list_glob(a, path, out, err);
    if (!st.exists && n > 0 && url[n - 1] == '/')
        return missing(path, err);
    out->v = RDL_NEWN(a, rdl_listed, 1);
    if (st.exists)
        return add(a, path, rdl_path_base(path), out, err);
    const char *dir = rdl_path_dir(a, path);
    return rdl_fs_exists(dir) ? RDL_OK : missing(dir, err);
}

bool rdl_listing_success(rdl_arena *a, const char *path)
{
    return rdl_fs_exists(rdl_path_join(a, rdl_path_dir(a, path), "_SUCCESS"));
}
