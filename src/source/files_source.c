/*
 * source/files_source.c - files behind the contract of source.h.
 *
 * What is read next, and what is known already, files.c decides; here its ranges become those of
 * every source, and folders are watched.
 */
#include <stdlib.h>

#include "base/map.h"
#include "source/source.h"

typedef struct files_source {
    rdl_source head;
    rdl_files *files;
    rdl_arena arena;
    rdl_source_config config;
    rdl_compression compression;
    rdl_map watched; /* folders */
    bool url_watched;
} files_source;

static files_source *self(rdl_source *s)
{
    return (files_source *)(void *)s;
}

static rdl_compression compression_of(const rdl_source_config *c)
{
    rdl_str s = rdl_source_option_text(c, "compression", "auto");
    if (rdl_str_eq_nocase(s, RDL_STR("gzip")))
        return RDL_COMPRESSION_GZIP;
    if (rdl_str_eq_nocase(s, RDL_STR("zstd")))
        return RDL_COMPRESSION_ZSTD;
    return rdl_str_eq_nocase(s, RDL_STR("none")) ? RDL_COMPRESSION_NONE : RDL_COMPRESSION_AUTO;
}

static int64_t quiet_ms_of(const rdl_source_config *c)
{
    rdl_str quiet = rdl_source_option_text(c, "quiet_ms", "1000");
    int64_t ms = 0;
    for (size_t i = 0; i < quiet.n && quiet.p[i] >= '0' && quiet.p[i] <= '9'; i++)
        ms = ms * 10 + (quiet.p[i] - '0');
    return ms;
}

static void files_close(rdl_source *s)
{
    if (s == NULL)
        return;
    files_source *f = self(s);
    rdl_files_free(f->files);
    rdl_arena_fini(&f->arena);
    free(f); /* allow: the source itself */
}

static rdl_code files_open(const rdl_source_config *config, rdl_source **out, rdl_err *err)
{
    files_source *f = calloc(1, sizeof *f); /* allow: the source itself */
    if (f == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&f->arena, 0);
    rdl_map_init(&f->watched, &f->arena);
    f->head.ops = &rdl_source_files;
    f->config = *config;
    f->config.base_dir = rdl_arena_strdup(&f->arena, config->base_dir);
    f->config.url = rdl_arena_strdup(&f->arena, config->url);
    f->compression = compression_of(config);
    const rdl_files_config files = {
        .base_dir = config->base_dir,
        .url = config->url,
        .line_format = !config->parquet && (f->compression == RDL_COMPRESSION_AUTO ||
                                            f->compression == RDL_COMPRESSION_NONE),
        .quote = config->spec->format == RDL_DECODE_CSV ? config->spec->quote : '\0',
        .repeat = config->repeat,
        .may_repeat = config->may_repeat,
        .quiet_ms = quiet_ms_of(config),
        .newest =
            rdl_str_eq_nocase(rdl_source_option_text(config, "newest", "false"), RDL_STR("true")),
        .clock = config->clock,
    };
    rdl_code rc = rdl_files_new(&files, &f->files, err);
    if (rc != RDL_OK) {
        files_close(&f->head);
        return rc;
    }
    *out = &f->head;
    return RDL_OK;
}

/* ---- append-only ---- */

static void files_restore(rdl_source *s, const rdl_range *sealed)
{
    if (sealed->kind == RDL_RANGE_FILE)
        rdl_files_restore(self(s)->files, &sealed->u.file);
}

static void files_forget(rdl_source *s, const rdl_range *cleared)
{
    if (cleared->kind == RDL_RANGE_FILE)
        rdl_files_forget(self(s)->files, cleared->u.file.path);
}

/* Files are cut by bytes: how many rows these hold is an estimate. */
static uint64_t bytes_max(const rdl_source_limits *l)
{
    uint64_t by_rows = l->rows_max > 0 ? (uint64_t)((double)l->rows_max * l->row_bytes) + 1 : 0;
    if (l->bytes_max == 0 || by_rows == 0)
        return l->bytes_max + by_rows;
    return by_rows < l->bytes_max ? by_rows : l->bytes_max;
}

static rdl_code files_next(rdl_source *s, rdl_arena *a, const rdl_source_limits *limits,
                           rdl_range **out, size_t *out_n, rdl_err *err)
{
    const rdl_files_limits bounds = {
        .files_max = limits->files_max,
        .bytes_max = bytes_max(limits),
        .rows_sampled = limits->row_bytes_guessed ? limits->rows_max : 0,
        .final = limits->final,
    };
    rdl_file_range *files = NULL;
    *out_n = 0;
    RDL_TRY(rdl_files_next(self(s)->files, a, &bounds, &files, out_n, err));
    *out = RDL_NEWN(a, rdl_range, *out_n + 1);
    for (size_t i = 0; i < *out_n; i++)
        (*out)[i] = (rdl_range){.kind = RDL_RANGE_FILE,
                                .number = files[i].partition,
                                .name = files[i].shown,
                                .bytes = files[i].end - files[i].begin,
                                .u.file = files[i]};
    return RDL_OK;
}

static rdl_code files_freeze(rdl_source *s, rdl_err *err)
{
    return rdl_files_freeze(self(s)->files, err);
}

static rdl_code files_inputs(rdl_source *s, rdl_arena *a, const rdl_range *ranges, size_t n,
                             rdl_source_inputs *out, rdl_err *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const rdl_file_range *r = &ranges[i].u.file;
        if (r->skipped || r->end == r->begin)
            continue;
        RDL_PUSH(a, &out->range) = i;
        RDL_PUSH(a, &out->list) = (rdl_decode_input){
            .path = r->path,
            .shown = r->shown,
            .compression = self(s)->compression,
            .partition = ranges[i].number,
            .begin = r->begin,
            .end = r->whole ? 0 : r->end,
            .first_record = r->first_record,
        };
    }
    return RDL_OK;
}

static void files_rewind(rdl_source *s)
{
    rdl_files_rewind(self(s)->files);
}

static rdl_code files_lag(rdl_source *s, const rdl_source_limits *limits, rdl_source_lag *out,
                          rdl_err *err)
{
    *out = (rdl_source_lag){0};
    RDL_TRY(rdl_files_lag(self(s)->files, &out->files, &out->bytes, err));
    out->ready = (limits->files_max > 0 && out->files >= limits->files_max) ||
                 (bytes_max(limits) > 0 && out->bytes >= bytes_max(limits));
    return RDL_OK;
}

/* ---- folders to watch ---- */

static void watch_dir(files_source *f, const char *dir)
{
    rdl_err ignored = {0};
    if (rdl_map_has(&f->watched, rdl_str_of(dir)))
        return;
    rdl_map_put(&f->watched, rdl_str_of(dir), f);
    (void)!rdl_watch_add(f->config.watch, dir, &ignored); /* looked at anyway */
}

/* The url's folder; for a glob the one above the first wildcard. */
static void watch_url(files_source *f)
{
    rdl_arena a;
    rdl_str url = rdl_str_of(f->config.url);
    rdl_err ignored = {0};
    rdl_stat st;
    rdl_arena_init(&a, 0);
    char *path = rdl_arena_strndup(&a, url.p, url.n);
    if (rdl_str_starts(url, "file:"))
        path += rdl_str_starts(url, "file://") ? 7 : 5;
    char *glob = strpbrk(path, "*?[");
    if (glob != NULL) {
        *glob = '\0';
        char *slash = strrchr(path, '/');
        path = slash != NULL ? (*slash = '\0', path) : rdl_arena_strdup(&a, ".");
    }
    path = rdl_path_join(&a, f->config.base_dir, path);
    if (rdl_fs_stat(path, &st, &ignored) == RDL_OK)
        watch_dir(f, st.exists && st.is_dir ? path : rdl_path_dir(&a, path));
    rdl_arena_fini(&a);
    f->url_watched = true;
}

/* Folders below the url's show themselves by what was read from them. */
static void files_watch(rdl_source *s)
{
    files_source *f = self(s);
    if (f->config.watch == NULL)
        return;
    if (!f->url_watched)
        watch_url(f);
    rdl_arena a;
    const char *path;
    rdl_arena_init(&a, 0);
    while ((path = rdl_files_untold_path(f->files)) != NULL)
        watch_dir(f, rdl_path_dir(&a, path));
    rdl_arena_fini(&a);
}

/* ---- snapshots ---- */

static rdl_code files_version(rdl_source *s, rdl_arena *a, rdl_version *out, rdl_err *err)
{
    rdl_snapshot_version *v = RDL_NEW(a, rdl_snapshot_version);
    RDL_TRY(rdl_files_snapshot(self(s)->files, a, v, err));
    *out = (rdl_version){.hash = v->hash,
                         .n = v->n,
                         .names = (const char **)(void *)v->paths,
                         .bytes = v->bytes,
                         .own = v};
    return RDL_OK;
}

static rdl_code files_version_inputs(rdl_source *s, rdl_arena *a, const rdl_version *version,
                                     rdl_source_inputs *out, rdl_err *err)
{
    const rdl_snapshot_version *v = version->own;
    (void)err;
    for (size_t i = 0; i < v->n; i++) {
        RDL_PUSH(a, &out->range) = i;
        RDL_PUSH(a, &out->list) = (rdl_decode_input){
            .path = v->paths[i], .shown = v->shown[i], .compression = self(s)->compression};
    }
    return RDL_OK;
}

const rdl_source_ops rdl_source_files = {
    .kind = "file",
    .open = files_open,
    .restore = files_restore,
    .forget = files_forget,
    .next = files_next,
    .freeze = files_freeze,
    .inputs = files_inputs,
    .rewind = files_rewind,
    .lag = files_lag,
    .watch = files_watch,
    .version = files_version,
    .version_inputs = files_version_inputs,
    .close = files_close,
};
