/*
 * base/str.c - comparing, building and quoting text.
 */
#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool rdl_str_eq(rdl_str a, rdl_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool rdl_str_eq_nocase(rdl_str a, rdl_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    }
    return true;
}

int rdl_str_cmp(rdl_str a, rdl_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

bool rdl_str_starts(rdl_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

bool rdl_name_is_secret(rdl_str name)
{
    static const char *const parts[] = {
        "password", "passwd",      "secret",  "token", "key.pem",
        "key_pem",  "private_key", "api_key", "jaas",  "oauthbearer.config"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t n = strlen(parts[i]);
        for (size_t at = 0; at + n <= name.n; at++) {
            if (rdl_str_eq_nocase((rdl_str){name.p + at, n}, (rdl_str){parts[i], n}))
                return true;
        }
    }
    return false;
}

bool rdl_str_ends(rdl_str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

bool rdl_name_matches(const char *pattern, const char *name)
{
    const char *p = pattern, *s = name;
    for (; *p != '\0'; p++, s++) {
        if (*p == '*') {
            while (*p == '*')
                p++;
            for (;; s++) {
                if (rdl_name_matches(p, s))
                    return true;
                if (*s == '\0')
                    return false;
            }
        }
        if (*s == '\0' || (*p != '?' && *p != *s))
            return false;
    }
    return *s == '\0';
}

void rdl_buf_fini(rdl_buf *b)
{
    free(b->p);
    *b = (rdl_buf){0};
}

void rdl_buf_clear(rdl_buf *b)
{
    b->n = 0;
    if (b->p != NULL)
        b->p[0] = '\0';
}

void rdl_buf_reserve(rdl_buf *b, size_t more)
{
    size_t need = b->n + more + 1;
    if (need < more)
        abort();
    if (need <= b->cap)
        return;
    size_t cap = b->cap * 2 > need ? b->cap * 2 : need;
    cap = cap < 64 ? 64 : cap;
    char *p = realloc(b->p, cap);
    if (p == NULL) {
        fputs("raudal: out of memory while building text\n", stderr);
        abort();
    }
    b->p = p;
    b->cap = cap;
}

void rdl_buf_put(rdl_buf *b, const void *p, size_t n)
{
    rdl_buf_reserve(b, n);
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void rdl_buf_puts(rdl_buf *b, const char *s)
{
    rdl_buf_put(b, s, strlen(s));
}

void rdl_buf_putc(rdl_buf *b, char c)
{
    if (b->n + 1 < b->cap) {
        b->p[b->n++] = c;
        b->p[b->n] = '\0';
        return;
    }
    rdl_buf_put(b, &c, 1);
}

void rdl_buf_printf(rdl_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rdl_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void rdl_buf_vprintf(rdl_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n > 0) {
        rdl_buf_reserve(b, (size_t)n);
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

const char *rdl_buf_str(const rdl_buf *b)
{
    return b->p != NULL ? b->p : "";
}

static void put_doubled(rdl_buf *b, rdl_str s, char quote)
{
    rdl_buf_putc(b, quote);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == quote)
            rdl_buf_putc(b, quote);
        rdl_buf_putc(b, s.p[i]);
    }
    rdl_buf_putc(b, quote);
}

void rdl_buf_put_replaced(rdl_buf *b, const char *text, const char *from, const char *to)
{
    const char *at;
    for (; (at = strstr(text, from)) != NULL; text = at + strlen(from)) {
        rdl_buf_put(b, text, (size_t)(at - text));
        rdl_buf_puts(b, to);
    }
    rdl_buf_puts(b, text);
}

void rdl_buf_put_sql_text(rdl_buf *b, rdl_str s)
{
    put_doubled(b, s, '\'');
}

void rdl_buf_put_sql_ident(rdl_buf *b, rdl_str s)
{
    put_doubled(b, s, '"');
}

void rdl_buf_put_json_text(rdl_buf *b, rdl_str s)
{
    rdl_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\') {
            rdl_buf_putc(b, '\\');
            rdl_buf_putc(b, (char)c);
        } else if (c == '\n') {
            rdl_buf_puts(b, "\\n");
        } else if (c == '\t') {
            rdl_buf_puts(b, "\\t");
        } else if (c < 0x20) {
            rdl_buf_printf(b, "\\u%04x", c);
        } else {
            rdl_buf_putc(b, (char)c);
        }
    }
    rdl_buf_putc(b, '"');
}

unsigned rdl_edit_distance(rdl_str a, rdl_str b, unsigned max)
{
    enum { WORD_MAX = 64 };
    unsigned before[WORD_MAX + 1], row[WORD_MAX + 1], last[WORD_MAX + 1];
    if (a.n > WORD_MAX || b.n > WORD_MAX)
        return max + 1;
    for (size_t j = 0; j <= b.n; j++)
        last[j] = (unsigned)j;
    memset(before, 0, sizeof before);
    for (size_t i = 1; i <= a.n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = lower(a.p[i - 1]) == lower(b.p[j - 1]);
            unsigned best = last[j - 1] + (same ? 0 : 1);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && lower(a.p[i - 1]) == lower(b.p[j - 2]) &&
                lower(a.p[i - 2]) == lower(b.p[j - 1]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        memcpy(before, last, sizeof before);
        memcpy(last, row, sizeof last);
    }
    return last[b.n] > max ? max + 1 : last[b.n];
}
