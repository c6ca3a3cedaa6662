/*
 * lang/variables.c - replacing ${NAME} (see variables.h).
 */
#include "lang/variables.h"

#include <stdlib.h>

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static rdl_str trim(rdl_str s)
{
    while (s.n > 0 && (unsigned char)s.p[0] <= ' ')
        s.p++, s.n--;
    while (s.n > 0 && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

/* One line of raudal.env; false when it is not a setting. */
static bool read_line(rdl_str line, rdl_str *out_name, rdl_str *out_value)
{
    const char *eq = memchr(line.p, '=', line.n);
    if (eq == NULL)
        return false;
    rdl_str name = {line.p, (size_t)(eq - line.p)};
    rdl_str value = trim((rdl_str){eq + 1, line.n - name.n - 1});
    name = trim(name);
    if (rdl_str_starts(name, "export "))
        name = trim((rdl_str){name.p + 7, name.n - 7});
    for (size_t i = 0; i < name.n; i++)
        if (!is_name(name.p[i]))
            return false;
    if (value.n >= 2 && (value.p[0] == '\'' || value.p[0] == '"') &&
        value.p[value.n - 1] == value.p[0])
        value = (rdl_str){value.p + 1, value.n - 2};
    *out_name = name;
    *out_value = value;
    return name.n > 0;
}

void rdl_variables_add(rdl_variables *v, const rdl_text_file *env, rdl_diags *diags)
{
    rdl_str text = env->text;
    for (size_t at = 0; at < text.n;) {
        const char *nl = memchr(text.p + at, '\n', text.n - at);
        size_t end = nl != NULL ? (size_t)(nl - text.p) : text.n;
        rdl_str line = trim((rdl_str){text.p + at, end - at});
        rdl_str name, value;
        if (line.n > 0 && line.p[0] != '#') {
            if (read_line(line, &name, &value))
                RDL_PUSH(v->arena, &v->file) = (rdl_variable){name, value, env->path};
            else
                rdl_diag_add(diags, RDL_DIAG_ERROR,
                             (rdl_pos){env, (uint32_t)(line.p - text.p), (uint32_t)line.n},
                             "Write NAME=value, one a line; # starts a comment.",
                             "this line is not a setting");
        }
        at = end + 1;
    }
}

void rdl_variables_init(rdl_variables *v, rdl_arena *a, const rdl_text_file *env,
                        const rdl_load_options *options, rdl_diags *diags)
{
    *v = (rdl_variables){.arena = a, .options = options};
    if (env != NULL)
        rdl_variables_add(v, env, diags);
}

bool rdl_variables_get(const rdl_variables *v, rdl_str name, rdl_variable *out)
{
    for (size_t i = v->options != NULL ? v->options->set_count : 0; i-- > 0;) {
        const char *set = v->options->set[i], *eq = strchr(set, '=');
        if (eq != NULL && rdl_str_eq((rdl_str){set, (size_t)(eq - set)}, name)) {
            const char *value = rdl_arena_strdup(v->arena, eq + 1);
            *out = (rdl_variable){name, rdl_str_of(value), "--set"};
            return true;
        }
    }
    const char *value = getenv(rdl_arena_strndup(v->arena, name.p, name.n));
    if (value != NULL) {
        value = rdl_arena_strdup(v->arena, value);
        *out = (rdl_variable){name, rdl_str_of(value), "environment"};
        return true;
    }
    for (size_t i = v->file.n; i-- > 0;) {
        if (rdl_str_eq(v->file.v[i].name, name)) {
            *out = v->file.v[i];
            return true;
        }
    }
    return false;
}

static void remember(rdl_variables *v, rdl_variable variable)
{
    for (size_t i = 0; i < v->used.n; i++)
        if (rdl_str_eq(v->used.v[i].name, variable.name))
            return;
    RDL_PUSH(v->arena, &v->used) = variable;
}

/* The length of the comment that starts at p, or 0. */
static size_t comment_length(const char *p, size_t n)
{
    size_t i = 2;
    if (n < 2)
        return 0;
    if (p[0] == '-' && p[1] == '-') {
        while (i < n && p[i] != '\n')
            i++;
        return i;
    }
    if (p[0] != '/' || p[1] != '*')
        return 0;
    for (unsigned depth = 1; i < n && depth > 0;) {
        if (i + 1 < n && p[i] == '/' && p[i + 1] == '*')
            depth++, i += 2;
        else if (i + 1 < n && p[i] == '*' && p[i + 1] == '/')
            depth--, i += 2;
        else
            i++;
    }
    return i;
}

/* The length of the ${..} at p, or 0 when it is none. */
static size_t variable_length(const char *p, size_t n, rdl_str *out_name, rdl_str *out_default)
{
    size_t i = 2;
    if (n < 3 || p[0] != '$' || p[1] != '{')
        return 0;
    while (i < n && is_name(p[i]))
        i++;
    *out_name = (rdl_str){p + 2, i - 2};
    *out_default = (rdl_str){NULL, 0};
    if (i + 1 < n && p[i] == ':' && p[i + 1] == '-') {
        size_t start = i += 2, depth = 0;
        for (; i < n && p[i] != '\n' && (p[i] != '}' || depth > 0); i++) {
            depth += p[i] == '{' && p[i - 1] == '$';
            depth -= p[i] == '}';
        }
        *out_default = (rdl_str){p + start, i - start};
    }
    return i < n && p[i] == '}' && out_name->n > 0 ? i + 1 : 0;
}

static void not_set(const rdl_text_file *file, size_t at, rdl_str name, rdl_diags *diags)
{
    rdl_diag_add(diags, RDL_DIAG_ERROR, (rdl_pos){file, (uint32_t)at, 0},
                 "Set it with --set NAME=value, in the environment or in raudal.env, "
                 "or write ${NAME:-default}.",
                 "variable \"%.*s\" is not set", (int)name.n, name.p);
}

/* A default with the variables in it replaced, as a shell does it; `at` is for errors. */
static rdl_str expand(rdl_variables *v, rdl_str text, const rdl_text_file *file, size_t at,
                      rdl_diags *diags)
{
    rdl_buf out = {0};
    if (memchr(text.p, '$', text.n) == NULL)
        return text;
    for (size_t i = 0; i < text.n;) {
        rdl_str name, fallback;
        size_t n = variable_length(text.p + i, text.n - i, &name, &fallback);
        rdl_variable value = {name, fallback, "default"};
        if (n == 0) {
            rdl_buf_putc(&out, text.p[i++]);
            continue;
        }
        bool found = rdl_variables_get(v, name, &value);
        if (!found && fallback.p != NULL)
            value.value = expand(v, fallback, file, at, diags); /* shorter each time */
        if (found || fallback.p != NULL)
            remember(v, value);
        else
            not_set(file, at, name, diags);
        rdl_buf_put(&out, value.value.p != NULL ? value.value.p : "", value.value.n);
        i += n;
    }
    rdl_str whole = {rdl_arena_strndup(v->arena, rdl_buf_str(&out), out.n), out.n};
    rdl_buf_fini(&out);
    return whole;
}

void rdl_variables_replace(rdl_variables *v, rdl_text_file *file, rdl_diags *diags)
{
    rdl_buf out = {0};
    RDL_VEC(rdl_text_edit) edits = {0};
    rdl_str in = file->original;
    char quote = '\0'; /* of the string that we are in: -- is no comment there */
    for (size_t at = 0; at < in.n;) {
        rdl_str name, fallback;
        size_t n = quote == '\0' ? comment_length(in.p + at, in.n - at) : 0;
        if (n > 0) {
            rdl_buf_put(&out, in.p + at, n);
            at += n;
            continue;
        }
        n = variable_length(in.p + at, in.n - at, &name, &fallback);
        if (n == 0) {
            char c = in.p[at++];
            if (quote != '\0' ? c == quote : c == '\'' || c == '"')
                quote = quote != '\0' ? '\0' : c;
            rdl_buf_putc(&out, c);
            continue;
        }
        rdl_variable value = {name, fallback, "default"};
        bool found = rdl_variables_get(v, name, &value);
        if (!found && fallback.p != NULL) {
            value.value = expand(v, fallback, file, out.n, diags);
            found = true;
        }
        RDL_PUSH(v->arena, &edits) = (rdl_text_edit){out.n, value.value.n, at, n};
        if (found)
            remember(v, value);
        else
            not_set(file, out.n, name, diags);
        rdl_buf_put(&out, value.value.p != NULL ? value.value.p : "", value.value.n);
        at += n;
    }
    file->text = (rdl_str){rdl_arena_strndup(v->arena, rdl_buf_str(&out), out.n), out.n};
    file->edits = edits.v;
    file->edit_count = edits.n;
    rdl_buf_fini(&out);
}

size_t rdl_text_original(const rdl_text_file *file, size_t at)
{
    size_t shift_new = 0, shift_old = 0;
    for (size_t i = 0; i < file->edit_count; i++) {
        const rdl_text_edit *e = &file->edits[i];
        if (at < e->new_at || (at == e->new_at && e->new_len > 0))
            break;
        if (at < e->new_at + e->new_len)
            return e->old_at;
        if (at == e->new_at)
            return e->old_at; /* an empty value */
        shift_new = e->new_at + e->new_len;
        shift_old = e->old_at + e->old_len;
    }
    return at - shift_new + shift_old;
}
