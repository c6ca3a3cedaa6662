/*
 * cli/discover.c - `raudal discover PATH`: which files belong together, and a CREATE SOURCE for
 * each kind.
 *
 * A source is the files of one format in one folder (folders such as day=2025-08-01 count as the
 * folder that they lie in).  CSV files whose headers have little in common are several sources.
 * What was inferred is no promise: what is doubtful stands beside it as a comment.
 */
#include "cli/discover.h"

#include <stdio.h>

#include "base/fs.h"

enum {
    FILES_MAX = 100000,
    GROUPS_MAX = 50,
};

typedef struct finding {
    rdl_arena *a;
    RDL_VEC(rdl_found_group *) groups;
    size_t passed; /* files of no known format */
} finding;

static const struct {
    const char *suffix;
    rdl_format format;
} suffixes[] = {
    {".json", RDL_FORMAT_JSON}, {".jsonl", RDL_FORMAT_JSON}, {".ndjson", RDL_FORMAT_JSON},
    {".csv", RDL_FORMAT_CSV},   {".tsv", RDL_FORMAT_CSV},    {".parquet", RDL_FORMAT_PARQUET},
};

/* Where ".csv" begins, or ".csv.gz", ".csv.zst"; NULL: none of ours.  *out_n is the length without
 * what says that it is compressed, for both kinds may lie side by side. */
static const char *suffix_of(const char *name, rdl_format *out, size_t *out_n)
{
    static const char *const packed[] = {"", ".gz", ".zst"};
    rdl_str all = rdl_str_of(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        for (size_t k = 0; k < 3; k++) {
            char whole[32];
            snprintf(whole, sizeof whole, "%s%s", suffixes[i].suffix, packed[k]);
            if (!rdl_str_ends(all, whole) || (k > 0 && suffixes[i].format == RDL_FORMAT_PARQUET))
                continue;
            *out = suffixes[i].format;
            *out_n = strlen(suffixes[i].suffix);
            return name + all.n - strlen(whole);
        }
    }
    return NULL;
}

/* Without key=value folders at its end. */
static const char *folder_of(rdl_arena *a, const char *path)
{
    const char *dir = rdl_path_dir(a, path);
    while (strchr(rdl_path_base(dir), '=') != NULL)
        dir = rdl_path_dir(a, dir);
    return dir;
}

/* The names of a CSV file's first line; none when it does not look like a header (or is
 * compressed). */
static void read_header(rdl_arena *a, const char *path, rdl_found_header *out)
{
    char head[4096];
    size_t n = 0;
    rdl_file *file;
    rdl_err ignored;
    *out = (rdl_found_header){0};
    if (rdl_file_open_read(path, &file, &ignored) != RDL_OK)
        return;
    rdl_code rc = rdl_file_pread(file, head, sizeof head, 0, &n, &ignored);
    rdl_file_close(file);
    const char *end = rc == RDL_OK ? memchr(head, '\n', n) : NULL;
    for (const char *at = head; end != NULL && at <= end;) {
        size_t k = 0;
        while (at + k < end && memchr(",;\t|\r", at[k], 5) == NULL)
            k++;
        rdl_str name = {at, k};
        if (name.n >= 2 && name.p[0] == '"' && name.p[name.n - 1] == '"')
            name = (rdl_str){name.p + 1, name.n - 2};
        at += k + 1;
        if (name.n == 0 && at > end) /* a line's end of two bytes */
            break;
        bool word = name.n > 0 && (name.p[0] < '0' || name.p[0] > '9');
        for (size_t i = 0; i < name.n && word; i++)
            word = name.p[i] != '.' && name.p[i] != ':' && name.p[i] != '-' && name.p[i] != '@';
        if (!word) {
            *out = (rdl_found_header){0};
            return;
        }
        RDL_PUSH(a, out) = (rdl_str){rdl_arena_strndup(a, name.p, name.n), name.n};
    }
}

/* Two thirds of the narrower one's columns: a file that gained a column is of the same source. */
static bool headers_fit(const rdl_found_header *a, const rdl_found_header *b)
{
    size_t same = 0, least = a->n < b->n ? a->n : b->n;
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            same += rdl_str_eq_nocase(a->v[i], b->v[k]);
    return same * 3 >= least * 2;
}

static void add_file(finding *f, const char *path)
{
    rdl_format format;
    size_t n = 0;
    const char *suffix = suffix_of(path, &format, &n);
    const char *base = rdl_path_base(path);
    rdl_stat st = {0};
    rdl_err ignored;
    if (suffix == NULL || base[0] == '.' || base[0] == '_') {
        f->passed += base[0] != '.' && base[0] != '_';
        return;
    }
    const char *dir = folder_of(f->a, path);
    suffix = rdl_arena_strndup(f->a, suffix, n);
    rdl_found_group *g = NULL;
    rdl_found_header header = {0};
    bool beside = false; /* files of the same kind, with other columns */
    if (format == RDL_FORMAT_CSV)
        read_header(f->a, path, &header);
    for (size_t i = 0; i < f->groups.n && g == NULL; i++) {
        if (strcmp(f->groups.v[i]->dir, dir) != 0 || strcmp(f->groups.v[i]->suffix, suffix) != 0)
            continue;
        if (headers_fit(&f->groups.v[i]->header, &header))
            g = f->groups.v[i];
        else
            f->groups.v[i]->mixed = beside = true;
    }
    if (g != NULL)
        g->mixed |= beside;
    if (g == NULL) {
        g = RDL_NEW(f->a, rdl_found_group);
        *g = (rdl_found_group){
            .dir = dir, .format = format, .suffix = suffix, .header = header, .mixed = beside};
        for (size_t i = 0; i < f->groups.n; i++)
            if (strcmp(f->groups.v[i]->dir, dir) == 0)
                g->several = f->groups.v[i]->several = true;
        RDL_PUSH(f->a, &f->groups) = g;
    }
    if (rdl_fs_stat(path, &st, &ignored) == RDL_OK)
        g->bytes += st.size;
    RDL_PUSH(f->a, &g->paths) = path;
}

static rdl_code find_files(finding *f, const char *path, rdl_err *err)
{
    rdl_names names = {0};
    rdl_stat st;
    RDL_TRY(rdl_fs_stat(path, &st, err));
    if (st.exists && !st.is_dir) {
        add_file(f, path);
        return RDL_OK;
    }
    if (!st.exists) {
        RDL_TRY(rdl_fs_glob(f->a, path, &names, err));
        if (names.n == 0)
            return rdl_err_area(rdl_err_set(err, RDL_EUSAGE, 0, "there is nothing at \"%s\"", path),
                                err, RDL_AREA_SOURCE);
    } else {
        RDL_TRY(rdl_fs_walk(f->a, path, &names, err));
    }
    for (size_t i = 0; i < names.n && i < FILES_MAX; i++)
        add_file(f, st.exists ? rdl_path_join(f->a, path, names.v[i]) : names.v[i]);
    return RDL_OK;
}

/* ---- names ---- */

static char *identifier(rdl_arena *a, const char *text, size_t n)
{
    char *out = rdl_arena_x(a, n + 3);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (fine && k == 0 && c <= '9')
            out[k++] = '_';
        if (fine)
            out[k++] = c;
        else if (k > 0 && out[k - 1] != '_')
            out[k++] = '_';
    }
    while (k > 0 && out[k - 1] == '_')
        k--;
    out[k] = '\0';
    return k > 0 ? out : rdl_arena_strdup(a, "files");
}

size_t rdl_found_prefix(const rdl_found_group *g)
{
    const char *first = g->paths.v[0];
    size_t n = strlen(first);
    for (size_t i = 1; i < g->paths.n; i++) {
        size_t k = 0;
        while (k < n && g->paths.v[i][k] == first[k])
            k++;
        n = k;
    }
    while (n > 0 && first[n - 1] >= '0' && first[n - 1] <= '9')
        n--;
    return n;
}

/* A single file's own name, what the names of files in a mixed folder begin with, else the
 * folder's; made unique. */
static void name_groups(finding *f)
{
    for (size_t i = 0; i < f->groups.n; i++) {
        rdl_found_group *g = f->groups.v[i];
        const char *base = g->paths.n == 1 ? rdl_path_base(g->paths.v[0]) : rdl_path_base(g->dir);
        rdl_format format;
        size_t n = strlen(base), length;
        const char *suffix = g->paths.n == 1 ? suffix_of(base, &format, &length) : NULL;
        if (suffix != NULL)
            n = (size_t)(suffix - base);
        size_t prefix = g->mixed && g->paths.n > 1 ? rdl_found_prefix(g) : 0;
        if (prefix > strlen(g->dir) + 1) {
            base = g->paths.v[0] + strlen(g->dir) + 1;
            n = prefix - strlen(g->dir) - 1;
        }
        const char *name = identifier(f->a, base, n), *unique = name;
        for (unsigned again = 2, k = 0; k < i; k++)
            if (strcmp(f->groups.v[k]->name, unique) == 0) {
                unique = rdl_arena_printf(f->a, "%s_%u", name, again++);
                k = (unsigned)-1;
            }
        g->name = unique;
    }
}

/* ---- the command ---- */

static rdl_code print_groups(finding *f, rdl_conn *conn, rdl_err *err)
{
    for (size_t i = 0; i < f->groups.n && i < GROUPS_MAX; i++) {
        rdl_buf b = {0};
        rdl_err own = {0};
        const rdl_found_group *g = f->groups.v[i];
        rdl_buf_puts(&b, i > 0 ? "\n" : "");
        rdl_code rc = rdl_discover_print(conn, f->a, g, &b, &own);
        if (rc != RDL_OK) {
            rdl_buf_clear(&b);
            rdl_buf_printf(&b, "%s-- %zu file%s %s/*%s could not be read: %.200s\n",
                           i > 0 ? "\n" : "", g->paths.n, g->paths.n == 1 ? "" : "s", g->dir,
                           g->suffix, own.msg);
            for (size_t k = 1; k < b.n; k++)
                if (b.p[k] == '\n' && k + 1 < b.n)
                    b.p[k] = ' ';
        }
        rc = rdl_cli_print(&b, err);
        rdl_buf_fini(&b);
        RDL_TRY(rc);
    }
    return RDL_OK;
}

static rdl_code discover(rdl_cli *cli, rdl_conn *conn, rdl_err *err)
{
    finding f = {.a = &cli->arena};
    RDL_TRY(find_files(&f, rdl_path_absolute(&cli->arena, cli->args[0]), err));
    if (f.groups.n == 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "there is no JSON, CSV or Parquet file at \"%s\"",
                    cli->args[0]);
        rdl_err_hint(
            err, "Names end in .json, .jsonl, .ndjson, .csv, .tsv or .parquet, the first five also "
                 "in .gz and .zst.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_SOURCE);
    }
    name_groups(&f);
    if (f.groups.n > GROUPS_MAX)
        rdl_cli_note("raudal: warning: %zu kinds of files were found, %d are shown", f.groups.n,
                     GROUPS_MAX);
    if (f.passed > 0)
        rdl_cli_note("raudal: warning: %zu file%s of other kinds passed over", f.passed,
                     f.passed == 1 ? " was" : "s were");
    return print_groups(&f, conn, err);
}

rdl_code rdl_cmd_discover(rdl_cli *cli, rdl_err *err)
{
    rdl_duck *duck = NULL;
    rdl_conn *conn = NULL;
    RDL_TRY(rdl_duck_open(&(rdl_duck_config){.threads = 1}, &duck, err));
    rdl_code rc = rdl_conn_open(duck, &conn, err);
    if (rc == RDL_OK)
        rc = discover(cli, conn, err);
    rdl_conn_close(conn);
    rdl_duck_close(duck);
    return rc;
}
