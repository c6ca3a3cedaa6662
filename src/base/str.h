/*
 * base/str.h - text from outside (pointer and length) and text being built.
 *
 * rdl_str never owns and need not end in NUL.  rdl_buf owns heap bytes that grow, always
 * ends in a NUL that its length does not count, and is released by rdl_buf_fini.  A buffer
 * that cannot grow aborts the process (see arena.h on why); data that users can make large
 * is bounded by its producer before it gets here.
 *
 * Thread: any; a buffer is one thread's at a time.
 */
#ifndef RDL_BASE_STR_H
#define RDL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

typedef struct rdl_str {
    const char *p;
    size_t n;
} rdl_str;

#define RDL_STR(literal) ((rdl_str){(literal), sizeof(literal) - 1})

static inline rdl_str rdl_str_of(const char *s)
{
    return (rdl_str){s, s != NULL ? strlen(s) : 0};
}
bool rdl_str_eq(rdl_str a, rdl_str b);
bool rdl_str_eq_nocase(rdl_str a, rdl_str b); /* ASCII */
int rdl_str_cmp(rdl_str a, rdl_str b);        /* bytes, then length */
bool rdl_str_starts(rdl_str s, const char *prefix);
/* Whole-text match of a name: * is any bytes, ? is one; NUL-terminated. */
bool rdl_name_matches(const char *pattern, const char *name);
bool rdl_str_ends(rdl_str s, const char *suffix);
/* A property, option or variable whose value no output may show: sasl.password, DB_SECRET, ... */
bool rdl_name_is_secret(rdl_str name);

typedef struct rdl_buf {
    char *p; /* NULL until something is put in */
    size_t n, cap;
} rdl_buf;

void rdl_buf_fini(rdl_buf *b);
void rdl_buf_clear(rdl_buf *b); /* keeps the storage */
void rdl_buf_reserve(rdl_buf *b, size_t more);
void rdl_buf_put(rdl_buf *b, const void *p, size_t n);
void rdl_buf_puts(rdl_buf *b, const char *s);
void rdl_buf_putc(rdl_buf *b, char c);
void rdl_buf_printf(rdl_buf *b, const char *fmt, ...) RDL_PRINTF(2, 3);
void rdl_buf_vprintf(rdl_buf *b, const char *fmt, va_list ap) RDL_PRINTF(2, 0);
/* The text with `to` at every place of `from`. */
void rdl_buf_put_replaced(rdl_buf *b, const char *text, const char *from, const char *to);
const char *rdl_buf_str(const rdl_buf *b); /* "" when empty; valid until the next put */
/* Append as SQL: 'it''s' and "a""b" (a dotted name is quoted part by part by _name). */
void rdl_buf_put_sql_text(rdl_buf *b, rdl_str s);
void rdl_buf_put_sql_ident(rdl_buf *b, rdl_str s);
void rdl_buf_put_json_text(rdl_buf *b, rdl_str s); /* with the quotes; UTF-8 kept */

/* Smallest number of edits (insert, delete, change, swap) between two words; <= max + 1. */
unsigned rdl_edit_distance(rdl_str a, rdl_str b, unsigned max);

#endif
