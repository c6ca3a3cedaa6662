/*
 * base/glob.c - paths that match a pattern.
 *
 * In one part of the path: * any bytes, ? one byte, [a-z] [!a-z] a set, \ takes the next
 * byte as it is.  A part that is ** stands for no folder or any number of them.  As in a
 * shell, a name that begins with a dot is matched only by a part that begins with one.
 * Folders that cannot be listed match nothing below them, except the one that the pattern
 * names outright.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fs.h"

enum {
    FOLDERS_DEEP_MAX = 64,
};

typedef struct globber {
    rdl_arena *arena;
    RDL_VEC(char *) found;
} globber;

static rdl_code expand(globber *g, const char *at, const char *pattern, unsigned depth,
                       rdl_err *err);

/* p is after the "["; whether c is in the set; *out_next after the "]", NULL if there is
 * none. */
static bool in_set(const char *p, const char *end, unsigned char c, const char **out_next)
{
    bool inside = false, negate = p < end && (*p == '!' || *p == '^');
    p += negate;
    for (bool first = true; p < end && (first || *p != ']'); first = false) {
        if (*p == '\\' && p + 1 < end)
            p++;
        unsigned char low = (unsigned char)*p++, high = low;
        if (p + 1 < end && *p == '-' && p[1] != ']') {
            p++;
            if (*p == '\\' && p + 1 < end)
                p++;
            high = (unsigned char)*p++;
        }
        inside |= c >= low && c <= high;
    }
    *out_next = p < end ? p + 1 : NULL;
    return inside != negate;
}

/* One byte of the pattern (not *) against one byte; the place after it, NULL: no match. */
static const char *match_one(const char *p, const char *end, char c)
{
    const char *next;
    if (*p == '?')
        return p + 1;
    if (*p == '[') {
        bool inside = in_set(p + 1, end, (unsigned char)c, &next);
        if (next != NULL)
            return inside ? next : NULL;
        return c == '[' ? p + 1 : NULL; /* a bracket that is not closed is itself */
    }
    if (*p == '\\' && p + 1 < end)
        p++;
    return *p == c ? p + 1 : NULL;
}

/* On a mismatch the last * takes one byte more; earlier ones need not be tried again. */
static bool match_part(const char *p, const char *end, const char *s)
{
    const char *star = NULL, *star_s = NULL;
    if (*s == '.' && (p == end || *p != '.'))
        return false;
    while (*s != '\0') {
        const char *next;
        if (p < end && *p == '*') {
            star = ++p;
            star_s = s;
        } else if (p < end && (next = match_one(p, end, *s)) != NULL) {
            p = next;
            s++;
        } else if (star != NULL) {
            p = star;
            s = ++star_s;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

static bool is_plain(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr("*?[\\", p[i]) != NULL)
            return false;
    }
    return true;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode); /* ** does not go through links */
}

/* at/name, where at is "" (here) or ends in a slash. */
static char *below(globber *g, const char *at, const char *name, size_t n)
{
    return rdl_arena_printf(g->arena, "%s%.*s", at, (int)n, name);
}

static char *with_slash(globber *g, const char *path)
{
    return rdl_arena_printf(g->arena, "%s/", path);
}

static rdl_code expand_any_folders(globber *g, const char *at, const char *rest,
                                   const char *names_again, unsigned depth, rdl_err *err)
{
    rdl_names names = {0};
    rdl_err ignored;
    RDL_TRY(expand(g, at, rest, depth + 1, err));
    if (rdl_fs_list(g->arena, *at != '\0' ? at : ".", &names, &ignored) != RDL_OK)
        return RDL_OK;
    for (size_t i = 0; i < names.n; i++) {
        char *path = below(g, at, names.v[i], strlen(names.v[i]));
        if (names.v[i][0] != '.' && is_folder(path))
            RDL_TRY(expand(g, with_slash(g, path), names_again, depth + 1, err));
    }
    return RDL_OK;
}

static rdl_code expand(globber *g, const char *at, const char *pattern, unsigned depth,
                       rdl_err *err)
{
    rdl_names names = {0};
    rdl_err ignored;
    size_t n = strcspn(pattern, "/"), slashes = strspn(pattern + n, "/");
    const char *rest = pattern + n + slashes;
    if (depth > FOLDERS_DEEP_MAX)
        return rdl_err_set(err, RDL_ELIMIT, 0,
                           "could not expand \"%s\": its folders are nested too deeply", at);
    if (n == 2 && pattern[0] == '*' && pattern[1] == '*')
        return expand_any_folders(g, at, *rest != '\0' ? rest : "*", pattern, depth, err);
    if (is_plain(pattern, n)) {
        char *path = below(g, at, pattern, n);
        if (*rest != '\0')
            return expand(g, below(g, at, pattern, n + slashes), rest, depth + 1, err);
        if (rdl_fs_exists(path))
            RDL_PUSH(g->arena, &g->found) = path;
        return RDL_OK;
    }
    if (rdl_fs_list(g->arena, *at != '\0' ? at : ".", &names, &ignored) != RDL_OK)
        return RDL_OK;
    for (size_t i = 0; i < names.n; i++) {
        if (!match_part(pattern, pattern + n, names.v[i]))
            continue;
        char *path = below(g, at, names.v[i], strlen(names.v[i]));
        if (*rest != '\0')
            RDL_TRY(expand(g, with_slash(g, path), rest, depth + 1, err));
        else
            RDL_PUSH(g->arena, &g->found) = path;
    }
    return RDL_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

rdl_code rdl_fs_glob(rdl_arena *a, const char *pattern, rdl_names *out, rdl_err *err)
{
    globber g = {.arena = a};
    size_t root = strspn(pattern, "/"), n = 0;
    RDL_TRY(expand(&g, root > 0 ? "/" : "", pattern + root, 0, err));
    if (g.found.n > 0)
        qsort(g.found.v, g.found.n, sizeof *g.found.v, by_bytes);
    for (size_t i = 0; i < g.found.n; i++) {
        if (n == 0 || strcmp(g.found.v[n - 1], g.found.v[i]) != 0)
            g.found.v[n++] = g.found.v[i]; /* two ** may reach one path in two ways */
    }
    *out = (rdl_names){.v = g.found.v, .n = n};
    return RDL_OK;
}
