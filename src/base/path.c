/*
 * base/path.c - paths as text; links are not resolved.
 */
#include <limits.h>
#include <unistd.h>

#include "base/fs.h"

char *rdl_path_join(rdl_arena *a, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    if (name[0] == '/' || n == 0)
        return rdl_arena_strdup(a, name);
    if (name[0] == '\0')
        return rdl_arena_strdup(a, dir);
    size_t m = strlen(name), slash = dir[n - 1] != '/';
    char *p = rdl_arena_x(a, n + slash + m + 1);
    memcpy(p, dir, n);
    if (slash)
        p[n] = '/';
    memcpy(p + n + slash, name, m);
    return p;
}

const char *rdl_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

char *rdl_path_dir(rdl_arena *a, const char *path)
{
    size_t n = (size_t)(rdl_path_base(path) - path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n > 0 ? rdl_arena_strndup(a, path, n) : rdl_arena_strdup(a, ".");
}

char *rdl_path_absolute(rdl_arena *a, const char *path)
{
    char cwd[PATH_MAX] = "/";
    if (path[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
        cwd[1] = '\0';
    char *full = rdl_path_join(a, cwd, path);
    char *out = rdl_arena_x(a, strlen(full) + 2);
    size_t n = 0;
    for (const char *p = full; *p != '\0';) {
        size_t skip = strspn(p, "/"), part = strcspn(p + skip, "/");
        const char *s = p + skip;
        p = s + part;
        if (part == 0 || (part == 1 && s[0] == '.'))
            continue;
        if (part == 2 && s[0] == '.' && s[1] == '.') {
            while (n > 0 && out[--n] != '/')
                ;
            continue;
        }
        out[n++] = '/';
        memcpy(out + n, s, part);
        n += part;
    }
    if (n == 0)
        out[n++] = '/';
    out[n] = '\0';
    return out;
}
