/*
 * ops/statement.c - see the header.
 */
#include "ops/statement.h"

#include "base/map.h"

/* From an opening ' " or comment to just after its end; the end of the text if it has none.
 */
static size_t skip_quoted(rdl_str s, size_t at)
{
    char quote = s.p[at++];
    while (at < s.n && s.p[at] != quote)
        at++;
    return at < s.n ? at + 1 : at;
}

static size_t skip_comment(rdl_str s, size_t at)
{
    if (s.p[at] == '-') {
        while (at < s.n && s.p[at] != '\n')
            at++;
        return at;
    }
    for (at += 2; at + 1 < s.n; at++)
        if (s.p[at] == '*' && s.p[at + 1] == '/')
            return at + 2;
    return s.n;
}

static bool is_comment(rdl_str s, size_t at)
{
    return at + 1 < s.n &&
           ((s.p[at] == '-' && s.p[at + 1] == '-') || (s.p[at] == '/' && s.p[at + 1] == '*'));
}

size_t rdl_statement_end(rdl_str s)
{
    for (size_t at = 0; at < s.n;) {
        if (s.p[at] == '\'' || s.p[at] == '"')
            at = skip_quoted(s, at);
        else if (is_comment(s, at))
            at = skip_comment(s, at);
        else if (s.p[at++] == ';')
            return at;
    }
    return 0;
}

bool rdl_statement_blank(rdl_str s)
{
    for (size_t at = 0; at < s.n;) {
        char c = s.p[at];
        if (is_comment(s, at))
            at = skip_comment(s, at);
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';')
            at++;
        else
            return false;
    }
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t word_end(rdl_str s, size_t at)
{
    while (at < s.n && is_word(s.p[at]))
        at++;
    return at;
}

/* "--   $name   what it is": fills described. */
static void read_comment(rdl_arena *a, rdl_str line, rdl_map *described)
{
    size_t at = 2;
    while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
        at++;
    if (at >= line.n || line.p[at] != '$')
        return;
    size_t end = word_end(line, at + 1);
    rdl_str name = {line.p + at + 1, end - at - 1};
    while (end < line.n && (line.p[end] == ' ' || line.p[end] == '\t'))
        end++;
    while (line.n > end && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\r'))
        line.n--;
    if (name.n != 0)
        rdl_map_put(described, name, rdl_arena_strndup(a, line.p + end, line.n - end));
}

typedef RDL_VEC(rdl_parameter) parameters;

static void add(rdl_arena *a, parameters *list, rdl_str name)
{
    for (size_t i = 0; i < list->n; i++)
        if (rdl_str_eq(rdl_str_of(list->v[i].name), name))
            return;
    RDL_PUSH(a, list) = (rdl_parameter){.name = rdl_arena_strndup(a, name.p, name.n)};
}

void rdl_statement_parameters(rdl_arena *a, rdl_str s, rdl_parameter **out, size_t *out_n)
{
    parameters list = {0};
    rdl_map described;
    rdl_map_init(&described, a);
    for (size_t at = 0; at < s.n;) {
        char c = s.p[at];
        if (c == '\'' || c == '"') {
            at = skip_quoted(s, at);
        } else if (is_comment(s, at)) {
            size_t end = skip_comment(s, at);
            if (c == '-')
                read_comment(a, (rdl_str){s.p + at, end - at}, &described);
            at = end;
        } else if ((c == '$' || c == '@' || c == ':') && at + 1 < s.n && is_word(s.p[at + 1]) &&
                   (at == 0 || (s.p[at - 1] != ':' && !is_word(s.p[at - 1])))) {
            size_t end = word_end(s, at + 1);
            add(a, &list, (rdl_str){s.p + at + 1, end - at - 1});
            at = end;
        } else {
            at++;
        }
    }
    for (size_t i = 0; i < list.n; i++) {
        const char *text = rdl_map_get(&described, rdl_str_of(list.v[i].name));
        list.v[i].description = text != NULL ? text : "";
        list.v[i].optional = strstr(list.v[i].description, "(default") != NULL;
    }
    *out = list.v;
    *out_n = list.n;
}
