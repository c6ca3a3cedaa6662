/*
 * source/decode/json.h - what the files of the JSON decoder share: json.c (scalars, and the
 * record), json_nested.c (lists, maps, structs), json_skip.c (past a value, and texts without
 * their escapes).
 *
 * Every function takes the place to read and gives the place after it, or NULL with w->status:
 * RDL_PUT_BAD, the record is malformed (w->why, w->why_at), or RDL_PUT_NOCAST, the value does
 * not fit its column.
 *
 * Thread: the worker's.
 */
#ifndef RDL_SOURCE_DECODE_JSON_H
#define RDL_SOURCE_DECODE_JSON_H

#include "source/decode/internal.h"

static inline const char *rdl_json_bad(rdl_worker *w, const char *at, const char *why)
{
    w->status = RDL_PUT_BAD;
    w->why = why;
    w->why_at = at;
    return NULL;
}

static inline const char *rdl_json_nocast(rdl_worker *w)
{
    w->status = RDL_PUT_NOCAST;
    return NULL;
}

static inline bool rdl_json_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Past white space, of which there is mostly none or one blank. */
static inline const char *rdl_json_blank(const rdl_worker *w, const char *p)
{
    if (*p > ' ')
        return p;
    if (*p == ' ' && p[1] > ' ')
        return p + 1;
    return rdl_json_space(w, p);
}

static inline const char *rdl_json_word(rdl_worker *w, const char *p, const char *word, size_t n)
{
    if (memcmp(p, word, n) != 0)
        return rdl_json_bad(w, p, "a value is expected");
    return p + n;
}

/* From behind a field's name to its value. */
static inline const char *rdl_json_colon(rdl_worker *w, const char *p)
{
    p = rdl_json_blank(w, p);
    if (*p != ':')
        return rdl_json_bad(w, p, "':' is expected after the field name");
    return rdl_json_blank(w, p + 1);
}

/* From behind an item to the next one, or to the bracket that closes: *more says which. */
static inline const char *rdl_json_next(rdl_worker *w, const char *p, char close, bool *more)
{
    p = rdl_json_blank(w, p);
    if (*p != ',' && *p != close)
        return rdl_json_bad(w, p,
                            close == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
    *more = *p == ',';
    return *more ? rdl_json_blank(w, p + 1) : p;
}

/* A field's name in quotes, unescaped. */
static inline const char *rdl_json_name(rdl_worker *w, const char *p, rdl_str *out)
{
    if (*p != '"')
        return rdl_json_bad(w, p, "a field name in quotes is expected");
    return rdl_json_unescape(w, p, out);
}

/* Past the number at p by JSON's grammar. */
const char *rdl_json_skip_number(rdl_worker *w, const char *p);
/* The list, map or struct at p into node[row], as its type says. */
const char *rdl_json_put_nested(rdl_worker *w, rdl_node *node, size_t row, const char *p);

#endif
