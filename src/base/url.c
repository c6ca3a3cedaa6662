/*
 * base/url.c - see the header.
 */
#include "base/url.h"

static bool is_end(char c)
{
    return c == '&' || c == ';' || c == ' ' || c == '\t' || c == '\n';
}

/* Where user:password@ has its password; false when there is none. */
static bool find_password(rdl_str url, size_t *from, size_t *to)
{
    size_t at = 0, colon = 0, end = url.n;
    while (at + 2 < url.n && memcmp(url.p + at, "://", 3) != 0)
        at++;
    if (at + 2 >= url.n)
        return false;
    at += 3;
    /* The last @ before the parameters: a password may have one itself, and a / too. */
    for (size_t i = at; i < url.n && url.p[i] != '?'; i++) {
        if (url.p[i] == '@')
            end = i;
        if (url.p[i] == ':' && colon == 0)
            colon = i;
    }
    *from = colon + 1;
    *to = end;
    return end < url.n && colon != 0 && colon < end;
}

/* The end of a parameter's value, which may be quoted as libpq's settings are. */
static size_t value_end(rdl_str url, size_t at)
{
    if (at < url.n && url.p[at] == '\'') {
        for (at++; at < url.n && url.p[at] != '\''; at++)
            at += url.p[at] == '\\' ? 1 : 0;
        return at < url.n ? at + 1 : url.n;
    }
    while (at < url.n && !is_end(url.p[at]))
        at++;
    return at;
}

void rdl_url_put_shown(rdl_buf *out, rdl_str url)
{
    size_t from = 0, to = 0, done = 0;
    if (find_password(url, &from, &to)) {
        rdl_buf_put(out, url.p, from);
        rdl_buf_puts(out, "***");
        done = to;
    }
    for (size_t i = done; i < url.n; i++) {
        size_t begin = i;
        if (url.p[i] != '=')
            continue;
        while (begin > done && !is_end(url.p[begin - 1]) && url.p[begin - 1] != '?' &&
               url.p[begin - 1] != ':')
            begin--;
        size_t end = value_end(url, i + 1);
        if (rdl_name_is_secret((rdl_str){url.p + begin, i - begin})) {
            rdl_buf_put(out, url.p + done, i + 1 - done);
            rdl_buf_puts(out, "***");
            done = end;
        }
        i = end > i + 1 ? end - 1 : i;
    }
    rdl_buf_put(out, url.p + done, url.n - done);
}

rdl_str rdl_url_shown(rdl_arena *a, rdl_str url)
{
    rdl_buf out = {0};
    rdl_url_put_shown(&out, url);
    rdl_str shown = {rdl_arena_strndup(a, rdl_buf_str(&out), out.n), out.n};
    rdl_buf_fini(&out);
    return shown;
}

void rdl_url_put_json(rdl_buf *out, rdl_str url)
{
    rdl_buf shown = {0};
    rdl_url_put_shown(&shown, url);
    rdl_buf_put_json_text(out, (rdl_str){rdl_buf_str(&shown), shown.n});
    rdl_buf_fini(&shown);
}

bool rdl_url_has_secret(rdl_str url)
{
    rdl_buf shown = {0};
    rdl_url_put_shown(&shown, url);
    bool differs = !rdl_str_eq((rdl_str){rdl_buf_str(&shown), shown.n}, url);
    rdl_buf_fini(&shown);
    return differs;
}
