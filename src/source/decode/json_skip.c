/*
 * source/decode/json_skip.c - past a JSON value, checked throughout, and texts without their
 * escapes.
 */
#include "source/decode/json.h"

#include "source/decode/scan.h"

const char *rdl_json_space(const rdl_worker *w, const char *p)
{
    if (w->multiline) {
        while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
            p++;
    } else {
        while (*p == ' ' || *p == '\t' || *p == '\r')
            p++;
    }
    return p;
}

/* ---- strings ---- */

static const char *bad_string(rdl_worker *w, const char *at)
{
    if (at >= w->stop - 1 || *at == '\n' || *at == '\r')
        return rdl_json_bad(w, at, "the text is not closed by a quote");
    return rdl_json_bad(w, at, "a control byte must be escaped inside text");
}

static const char *check_utf8(rdl_worker *w, const char *p, const char *end)
{
    size_t n = (size_t)(end - p), ok = rdl_utf8_valid(p, n);
    return ok == n ? end : rdl_json_bad(w, p + ok, "a byte sequence is not UTF-8");
}

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i], l = (char)(c | 32);
        int d = rdl_json_digit(c) ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* The escape at p (a backslash); *to gets its bytes unless NULL. */
static const char *escape(rdl_worker *w, const char *p, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *plain = p[1] != '\0' ? strchr(from, p[1]) : NULL;
    if (plain != NULL) {
        if (to != NULL)
            *(*to)++ = into[plain - from];
        return p + 2;
    }
    if (p[1] != 'u')
        return rdl_json_bad(w, p, "an escape must be one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    int c = hex4(p + 2);
    if (c < 0)
        return rdl_json_bad(w, p, "\\u needs four hexadecimal digits");
    uint32_t code = (uint32_t)c;
    const char *after = p + 6;
    if (code >= 0xd800 && code < 0xe000) {
        int low = code < 0xdc00 && after[0] == '\\' && after[1] == 'u' ? hex4(after + 2) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return rdl_json_bad(w, p, "half of a surrogate pair stands alone");
        code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        after += 6;
    }
    if (to != NULL)
        *to = put_utf8(*to, code);
    return after;
}

/* Past the string whose opening quote is at p; *escaped when it holds a backslash. */
static inline const char *skip_string(rdl_worker *w, const char *p, bool *escaped)
{
    *escaped = false;
    for (p++;;) {
        bool high;
        const char *q = rdl_scan_string(p, &high);
        if (high && check_utf8(w, p, q) == NULL)
            return NULL;
        if (*q == '"')
            return q + 1;
        if (*q != '\\')
            return bad_string(w, q);
        *escaped = true;
        p = escape(w, q, NULL);
        if (p == NULL)
            return NULL;
    }
}

const char *rdl_json_unescape(rdl_worker *w, const char *p, rdl_str *out)
{
    bool escaped;
    const char *end = skip_string(w, p, &escaped);
    if (end == NULL)
        return NULL;
    *out = (rdl_str){p + 1, (size_t)(end - p) - 2};
    if (!escaped)
        return end;
    char *text = rdl_worker_take(w, out->n), *to = text;
    for (p++; p < end - 1;) {
        if (*p != '\\')
            *to++ = *p++;
        else if ((p = escape(w, p, &to)) == NULL)
            return NULL;
    }
    *out = (rdl_str){text, (size_t)(to - text)};
    return end;
}

/* ---- numbers ---- */

const char *rdl_json_skip_number(rdl_worker *w, const char *p)
{
    const char *from = p;
    p += *p == '-';
    if (!rdl_json_digit(*p))
        return rdl_json_bad(w, from,
                            *from == '-' ? "a digit must follow '-'" : "a value is expected");
    if (*p == '0' && rdl_json_digit(p[1]))
        return rdl_json_bad(w, p, "a number must not start with 0");
    while (rdl_json_digit(*p))
        p++;
    if (*p == '.') {
        if (!rdl_json_digit(*++p))
            return rdl_json_bad(w, p, "a digit must follow the decimal point");
        while (rdl_json_digit(*p))
            p++;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        if (!rdl_json_digit(*p))
            return rdl_json_bad(w, p, "a digit must follow the exponent's mark");
        while (rdl_json_digit(*p))
            p++;
    }
    return p;
}

/* ---- any value ---- */

static const char *skip_inside(rdl_worker *w, const char *p, bool object)
{
    char close = object ? '}' : ']';
    bool escaped;
    p = rdl_json_blank(w, p + 1);
    for (bool more = *p != close; more;) {
        if (object) {
            if (*p != '"')
                return rdl_json_bad(w, p, "a field name in quotes is expected");
            p = skip_string(w, p, &escaped);
            if (p == NULL || (p = rdl_json_colon(w, p)) == NULL)
                return NULL;
        }
        p = rdl_json_skip(w, p);
        if (p == NULL || (p = rdl_json_next(w, p, close, &more)) == NULL)
            return NULL;
    }
    return p + 1;
}

const char *rdl_json_skip(rdl_worker *w, const char *p)
{
    bool escaped;
    switch (*p) {
    case '"':
        return skip_string(w, p, &escaped);
    case 't':
        return rdl_json_word(w, p, "true", 4);
    case 'f':
        return rdl_json_word(w, p, "false", 5);
    case 'n':
        return rdl_json_word(w, p, "null", 4);
    case '{':
    case '[':
        if (w->depth >= RDL_DECODE_DEPTH_MAX)
            return rdl_json_bad(w, p, "values are nested over 64 deep");
        w->depth++;
        p = skip_inside(w, p, *p == '{');
        w->depth--;
        return p;
    default:
        return rdl_json_skip_number(w, p);
    }
}
