/*
 * lang/diag.h - what is wrong with a pipeline's text, several at a time.
 *
 * A position is a file and a byte offset; line, column and the caret line are worked out when
 * printed.  At most RDL_DIAG_MAX are kept; the rest are counted.
 *
 *   clicks.sql:4:17: error: unrecognized column "pge" in source "clicks"
 *     4 |   SELECT at, pge FROM clicks
 *       |              ^^^
 *   hint: Did you mean "page"?
 *
 * Thread: one at a time.
 */
#ifndef RDL_LANG_DIAG_H
#define RDL_LANG_DIAG_H

#include "base/arena.h"
#include "base/str.h"

enum { RDL_DIAG_MAX = 50 };

typedef struct rdl_text_file {
    const char *path; /* as shown: relative to the pipeline's folder */
    rdl_str text;     /* after ${..} replacement */
    rdl_str original; /* before it; positions are mapped back through `edits` for display */
    struct rdl_text_edit *edits;
    size_t edit_count;
} rdl_text_file;

typedef struct rdl_pos {
    const rdl_text_file *file; /* NULL: no place */
    uint32_t at, len;          /* bytes in file->text */
} rdl_pos;

typedef enum rdl_severity {
    RDL_DIAG_ERROR,
    RDL_DIAG_WARNING,
} rdl_severity;

typedef struct rdl_diag {
    rdl_severity severity;
    rdl_pos pos;
    char *msg, *hint; /* hint may be NULL */
} rdl_diag;

typedef struct rdl_diags {
    rdl_arena *arena;
    RDL_VEC(rdl_diag) list;
    size_t errors, warnings, dropped;
} rdl_diags;

void rdl_diags_init(rdl_diags *d, rdl_arena *a);
void rdl_diag_add(rdl_diags *d, rdl_severity severity, rdl_pos pos, const char *hint,
                  const char *fmt, ...) RDL_PRINTF(5, 6);
/* All of them, sorted by file and place, in the format above. */
void rdl_diags_print(const rdl_diags *d, bool color, rdl_buf *out);
void rdl_diags_print_json(const rdl_diags *d, rdl_buf *out); /* array of objects */
/* 1-based line and column (in characters) of a position in the original text. */
void rdl_pos_line(rdl_pos pos, uint32_t *out_line, uint32_t *out_col);
/* The nearest of names within two edits, or NULL. */
const char *rdl_nearest(rdl_str name, const char *const *names, size_t n);

#endif
