/*
 * lang/load.c - a folder as a pipeline.
 *
 * Pipeline text is *.sql in the folder itself, in the order of their names.  queries/ holds
 * *.sql and *.cql, one query each.  tests/ and everything else is left alone.
 */
#include "lang/load.h"

#include <string.h>

#include "base/fs.h"
#include "base/url.h"
#include "lang/plan_cache.h"
#include "lang/settings.h"
#include "lang/variables.h"

enum { TEXT_BYTES_MAX = 16 << 20 };

typedef struct loader {
    rdl_arena *arena;
    rdl_pipeline *pipeline;
    rdl_diags *diags;
    rdl_variables variables;
    RDL_VEC(const rdl_text_file *) files;
} loader;

static rdl_code read_text(rdl_arena *a, const char *path, rdl_str *out, rdl_err *err)
{
    rdl_buf text = {0};
    rdl_code rc = rdl_fs_read(path, TEXT_BYTES_MAX, &text, err);
    if (rc == RDL_OK)
        *out = (rdl_str){rdl_arena_strndup(a, rdl_buf_str(&text), text.n), text.n};
    rdl_buf_fini(&text);
    return rc;
}

static void add_text(loader *l, const char *path, rdl_str original)
{
    rdl_text_file *file = RDL_NEW(l->arena, rdl_text_file);
    *file = (rdl_text_file){.path = rdl_arena_strdup(l->arena, path), .original = original};
    rdl_variables_replace(&l->variables, file, l->diags);
    RDL_PUSH(l->arena, &l->files) = file;
}

static bool has_suffix(const char *name, const char *suffix)
{
    return name[0] != '.' && rdl_str_ends(rdl_str_of(name), suffix);
}

/* The -- lines that a query's text begins with. */
static rdl_str leading_comment(rdl_arena *a, rdl_str text)
{
    rdl_buf out = {0};
    for (size_t at = 0; at < text.n;) {
        const char *nl = memchr(text.p + at, '\n', text.n - at);
        size_t end = nl != NULL ? (size_t)(nl - text.p) : text.n;
        if (end - at < 2 || text.p[at] != '-' || text.p[at + 1] != '-')
            break;
        size_t skip = end - at > 2 && text.p[at + 2] == ' ' ? 3 : 2;
        size_t stop = end > at && text.p[end - 1] == '\r' ? end - 1 : end;
        if (out.n > 0)
            rdl_buf_putc(&out, '\n');
        if (stop > at + skip)
            rdl_buf_put(&out, text.p + at + skip, stop - at - skip);
        at = end + 1;
    }
    rdl_str s = {rdl_arena_strndup(a, rdl_buf_str(&out), out.n), out.n};
    rdl_buf_fini(&out);
    return s;
}

static rdl_query_file *query_named(rdl_pipeline *p, rdl_str name)
{
    for (size_t i = 0; i < p->query_count; i++)
        if (rdl_str_eq(p->queries[i].name, name))
            return &p->queries[i];
    p->queries[p->query_count] = (rdl_query_file){.name = name};
    return &p->queries[p->query_count++];
}

/* Two files of one name are one query, in SQL and in CQL. */
static rdl_code load_query(loader *l, const char *dir, const char *file, rdl_err *err)
{
    const char *path = rdl_path_join(l->arena, dir, file);
    rdl_query_file *q = query_named(l->pipeline, (rdl_str){file, strlen(file) - 4});
    bool cql = has_suffix(file, ".cql");
    rdl_str text;
    RDL_TRY(read_text(l->arena, path, &text, err));
    if (cql)
        q->cql = text;
    if (cql && q->path.n > 0)
        return RDL_OK;
    q->path = rdl_str_of(path);
    q->text = text;
    q->comment = leading_comment(l->arena, q->text);
    return RDL_OK;
}

static rdl_code load_queries(loader *l, rdl_err *err)
{
    rdl_pipeline *p = l->pipeline;
    const char *dir = rdl_path_join(l->arena, p->dir, "queries");
    rdl_names names;
    rdl_stat st;
    RDL_TRY(rdl_fs_stat(dir, &st, err));
    if (!st.exists || !st.is_dir)
        return RDL_OK;
    RDL_TRY(rdl_fs_list(l->arena, dir, &names, err));
    p->queries = RDL_NEWN(l->arena, rdl_query_file, names.n + 1);
    for (size_t i = 0; i < names.n; i++) {
        if (has_suffix(names.v[i], ".sql") || has_suffix(names.v[i], ".cql"))
            RDL_TRY(load_query(l, dir, names.v[i], err));
    }
    return RDL_OK;
}

/* NULL in out when there is none. */
static rdl_code read_env(loader *l, const char *name, rdl_text_file **out, rdl_err *err)
{
    const char *path = rdl_path_join(l->arena, l->pipeline->dir, name);
    rdl_stat st;
    *out = NULL;
    RDL_TRY(rdl_fs_stat(path, &st, err));
    if (!st.exists || st.is_dir)
        return RDL_OK;
    rdl_text_file *file = RDL_NEW(l->arena, rdl_text_file);
    RDL_TRY(read_text(l->arena, path, &file->text, err));
    file->path = name;
    file->original = file->text;
    *out = file;
    return RDL_OK;
}

static rdl_code no_environment(loader *l, const char *env, rdl_err *err)
{
    rdl_names names = {0};
    rdl_buf known = {0};
    RDL_TRY(rdl_fs_list(l->arena, l->pipeline->dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        rdl_str name = rdl_str_of(names.v[i]);
        if (rdl_str_starts(name, "raudal.") && rdl_str_ends(name, ".env") && name.n > 11)
            rdl_buf_printf(&known, "%s%.*s", known.n > 0 ? ", " : "", (int)name.n - 11, name.p + 7);
    }
    rdl_err_set(err, RDL_EUSAGE, 0,
                "there is no environment \"%s\": the pipeline has no raudal.%s.env", env, env);
    rdl_err_hint(err, known.n > 0 ? "It has %s." : "Write that file; it may be empty.%s",
                 rdl_buf_str(&known));
    rdl_buf_fini(&known);
    return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_CONFIG);
}

/* raudal.env, then that of the environment that was named. */
static rdl_code load_env(loader *l, const rdl_load_options *options, rdl_err *err)
{
    rdl_text_file *file;
    RDL_TRY(read_env(l, "raudal.env", &file, err));
    rdl_variables_init(&l->variables, l->arena, file, options, l->diags);
    if (options == NULL || options->env == NULL)
        return RDL_OK;
    RDL_TRY(read_env(l, rdl_arena_printf(l->arena, "raudal.%s.env", options->env), &file, err));
    if (file == NULL)
        return no_environment(l, options->env, err);
    rdl_variables_add(&l->variables, file, l->diags);
    return RDL_OK;
}

/* Settings given by --set that no text uses are settings all the same. */
static void keep_variables(loader *l, const rdl_load_options *options)
{
    rdl_pipeline *p = l->pipeline;
    RDL_VEC(rdl_variable) all = {0};
    for (size_t i = 0; i < l->variables.used.n; i++)
        RDL_PUSH(l->arena, &all) = l->variables.used.v[i];
    size_t used = all.n;
    for (size_t i = 0; i < l->variables.file.n; i++) {
        rdl_variable v = l->variables.file.v[i];
        bool shown = false;
        for (size_t k = 0; k < used && !shown; k++)
            shown = rdl_str_eq(all.v[k].name, v.name);
        (void)rdl_variables_get(&l->variables, v.name, &v);
        if (!shown)
            RDL_PUSH(l->arena, &all) = v;
    }
    for (size_t i = 0; options != NULL && i < options->set_count; i++) {
        const char *set = rdl_arena_strdup(l->arena, options->set[i]), *eq = strchr(set, '=');
        if (eq == NULL)
            continue;
        rdl_variable v = {{set, (size_t)(eq - set)}, rdl_str_of(eq + 1), "--set"};
        bool shown = false;
        for (size_t k = 0; k < all.n && !shown; k++)
            shown = rdl_str_eq(all.v[k].name, v.name);
        (void)rdl_variables_get(&l->variables, v.name, &v);
        if (!shown)
            RDL_PUSH(l->arena, &all) = v;
    }
    p->variables = all.v;
    p->variable_count = all.n;
}

/* What --set names must be a setting, or a variable of some text or of raudal.env. */
static bool is_known_name(const loader *l, rdl_str name)
{
    for (size_t i = 0; i < rdl_setting_count; i++)
        if (rdl_str_eq_nocase(name, rdl_str_of(rdl_settings[i].name)))
            return true;
    for (size_t i = 0; i < l->variables.used.n; i++)
        if (rdl_str_eq(l->variables.used.v[i].name, name))
            return true;
    for (size_t i = 0; i < l->variables.file.n; i++)
        if (rdl_str_eq(l->variables.file.v[i].name, name))
            return true;
    return false;
}

static const char *nearest_name(const loader *l, rdl_str name)
{
    size_t n = 0, max = rdl_setting_count + l->variables.used.n;
    const char **names = RDL_NEWN(l->arena, const char *, max);
    for (size_t i = 0; i < rdl_setting_count; i++)
        names[n++] = rdl_settings[i].name;
    for (size_t i = 0; i < l->variables.used.n; i++) {
        rdl_str v = l->variables.used.v[i].name;
        names[n++] = rdl_arena_strndup(l->arena, v.p, v.n);
    }
    return rdl_nearest(name, names, n);
}

static rdl_code check_set(const loader *l, const rdl_load_options *options, rdl_err *err)
{
    for (size_t i = 0; options != NULL && i < options->set_count; i++) {
        const char *set = options->set[i];
        rdl_str name = {set, (size_t)(strchr(set, '=') - set)};
        if (is_known_name(l, name))
            continue;
        const char *nearest = nearest_name(l, name);
        rdl_err_set(
            err, RDL_EUSAGE, 0,
            "there is no setting \"%.*s\", and no text of the pipeline uses such a variable",
            (int)name.n, name.p);
        if (nearest != NULL)
            rdl_err_hint(err, "Did you mean %s?", nearest);
        else
            rdl_err_hint(err, "raudal check DIR --variables lists what there is.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
    }
    return RDL_OK;
}

static rdl_code begin(loader *l, rdl_arena *a, const char *dir, const rdl_load_options *options,
                      rdl_diags *diags, rdl_err *err)
{
    rdl_pipeline *p = RDL_NEW(a, rdl_pipeline);
    *l = (loader){.arena = a, .pipeline = p, .diags = diags};
    p->arena = a;
    p->dir = rdl_path_absolute(a, dir);
    p->name = rdl_path_base(p->dir);
    p->prelude_sql = rdl_prelude_sql();
    for (size_t i = 0; options != NULL && i < options->set_count; i++)
        if (strchr(options->set[i], '=') == NULL)
            return rdl_err_set(err, RDL_EUSAGE, 0,
                               "cannot read the setting \"%s\": it has no =", options->set[i]);
    return load_env(l, options, err);
}

static rdl_code bind_texts(loader *l, rdl_conn *conn, rdl_err *err)
{
    rdl_script script = {0};
    for (size_t i = 0; i < l->files.n; i++)
        rdl_parse(l->arena, l->files.v[i], l->diags, &script);
    return rdl_bind(l->pipeline, conn, &script, l->diags, err);
}

static bool is_secret_option(const rdl_option *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rdl_name_is_secret(v[i].name))
            return true;
    }
    return false;
}

static bool any_secret(rdl_publication *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_secret_option(list[i]->options, list[i]->option_count) ||
            rdl_url_has_secret(list[i]->url))
            return true;
    }
    return false;
}

/* A kept plan is a file: passwords of options and URLs (user:password@) do not go there. */
static bool holds_secret(const rdl_pipeline *p)
{
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_source_def *s = p->tables[i]->source;
        if (s != NULL &&
            (is_secret_option(s->options, s->option_count) || rdl_url_has_secret(s->url)))
            return true;
    }
    return any_secret(p->publications, p->publication_count) || any_secret(p->seeds, p->seed_count);
}

/* What an earlier load of the same text worked out, or the work. */
static rdl_code plan_texts(loader *l, rdl_conn *conn, const char *cache, rdl_err *err)
{
    rdl_pipeline *p = l->pipeline;
    p->files = l->files.v;
    p->file_count = l->files.n;
    bool known = cache != NULL && l->diags->list.n == 0 && rdl_plan_cache_key(p, &p->plan_key);
    if (known && rdl_plan_cache_read(p, cache, p->plan_key))
        return RDL_OK;
    RDL_TRY(bind_texts(l, conn, err));
    p->may_keep = known && l->diags->list.n == 0 && !holds_secret(p);
    return RDL_OK;
}

static rdl_code finish(loader *l, rdl_conn *conn, const rdl_load_options *options,
                       rdl_pipeline **out, rdl_err *err)
{
    const char *cache = options != NULL ? options->plan_cache : NULL;
    RDL_TRY(check_set(l, options, err));
    RDL_TRY(plan_texts(l, conn, cache, err));
    if (l->diags->errors == 0)
        rdl_pipeline_relate(l->pipeline);
    keep_variables(l, options);
    size_t n = l->diags->errors;
    if (n > 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "could not load pipeline \"%s\": %zu error%s in its text",
                    l->pipeline->name, n, n == 1 ? "" : "s");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
    }
    *out = l->pipeline;
    return RDL_OK;
}

rdl_code rdl_pipeline_load(rdl_arena *a, rdl_conn *conn, const char *dir,
                           const rdl_load_options *options, rdl_diags *diags, rdl_pipeline **out,
                           rdl_err *err)
{
    loader l;
    rdl_names names;
    rdl_stat st;
    bool any = false;
    RDL_TRY(rdl_fs_stat(dir, &st, err));
    if (!st.exists || !st.is_dir) {
        rdl_err_set(err, RDL_EIO, 0, "could not open pipeline \"%s\": %s", dir,
                    st.exists ? "it is not a folder" : "there is no such folder");
        rdl_err_hint(err, "raudal init %s makes one.", dir);
        return rdl_err_area(RDL_EIO, err, RDL_AREA_TEXT);
    }
    RDL_TRY(begin(&l, a, dir, options, diags, err));
    RDL_TRY(rdl_fs_list(a, l.pipeline->dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        const char *path = rdl_path_join(a, l.pipeline->dir, names.v[i]);
        rdl_str text;
        RDL_TRY(rdl_fs_stat(path, &st, err));
        if (!has_suffix(names.v[i], ".sql") || st.is_dir)
            continue;
        RDL_TRY(read_text(a, path, &text, err));
        add_text(&l, names.v[i], text);
        any = true;
    }
    if (!any) { /* a volume that is not mounted, a name mistyped: not a run that has nothing to do */
        rdl_err_set(err, RDL_EUSAGE, 0, "could not load pipeline \"%s\": no *.sql file lies in the folder",
                    dir);
        rdl_err_hint(err, "Is it the right folder, and mounted?  raudal init makes one with a first pipeline.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
    }
    RDL_TRY(load_queries(&l, err));
    return finish(&l, conn, options, out, err);
}

rdl_code rdl_pipeline_load_text(rdl_arena *a, rdl_conn *conn, const char *dir, rdl_str text,
                                const rdl_load_options *options, rdl_diags *diags,
                                rdl_pipeline **out, rdl_err *err)
{
    loader l;
    RDL_TRY(begin(&l, a, dir, options, diags, err));
    char *copy = rdl_arena_strndup(a, text.p, text.n);
    add_text(&l, "pipeline.sql", (rdl_str){copy, text.n});
    return finish(&l, conn, options, out, err);
}

rdl_code rdl_pipeline_keep(rdl_pipeline *p, const char *path, rdl_err *err)
{
    rdl_buf bytes = {0};
    rdl_code rc = RDL_OK;
    if (!p->may_keep)
        return RDL_OK;
    rdl_plan_cache_bytes(p, p->plan_key, &bytes);
    if (bytes.n > 0)
        rc = rdl_fs_write_durable(path, bytes.p, bytes.n, err);
    p->may_keep = false;
    rdl_buf_fini(&bytes);
    return rc;
}
