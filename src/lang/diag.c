/*
 * lang/diag.c - messages about a pipeline's text, with the line and a caret (see diag.h).
 *
 * Positions are in the text after ${..} replacement; they are shown in the text before it.
 */
#include "lang/diag.h"

#include <stdio.h>
#include <stdlib.h>

#include "lang/variables.h"

enum { LINE_SHOWN_MAX = 160 /* bytes of a line that are printed */ };

void rdl_diags_init(rdl_diags *d, rdl_arena *a)
{
    *d = (rdl_diags){.arena = a};
}

void rdl_diag_add(rdl_diags *d, rdl_severity severity, rdl_pos pos, const char *hint,
                  const char *fmt, ...)
{
    if (severity == RDL_DIAG_ERROR)
        d->errors++;
    else
        d->warnings++;
    if (d->list.n == RDL_DIAG_MAX) {
        d->dropped++;
        return;
    }
    rdl_buf msg = {0};
    char small[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof small) {
        rdl_buf_reserve(&msg, (size_t)n + 1);
        va_start(ap, fmt);
        vsnprintf(msg.p, (size_t)n + 1, fmt, ap);
        va_end(ap);
        msg.n = (size_t)n;
    }
    RDL_PUSH(d->arena, &d->list) = (rdl_diag){
        .severity = severity,
        .pos = pos,
        .msg = rdl_arena_strdup(d->arena, msg.n > 0 ? msg.p : small),
        .hint = rdl_arena_strdup(d->arena, hint),
    };
    rdl_buf_fini(&msg);
}

/* The place in the text as the user wrote it. */
static void original_place(rdl_pos pos, size_t *out_at, size_t *out_len)
{
    const rdl_text_file *f = pos.file;
    size_t at = rdl_text_original(f, pos.at), end = rdl_text_original(f, pos.at + pos.len);
    if (at > f->original.n)
        at = f->original.n;
    if (end > f->original.n)
        end = f->original.n;
    *out_at = at;
    *out_len = end > at ? end - at : 0;
    for (size_t i = 0; i < f->edit_count; i++) /* a ${..} that stands for nothing */
        if (f->edits[i].old_at == at && f->edits[i].new_len == 0 && pos.len == 0)
            *out_len = f->edits[i].old_len;
}

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static uint32_t characters(const char *p, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += !continues_character(p[i]);
    return count;
}

static size_t line_start(rdl_str text, size_t at)
{
    while (at > 0 && text.p[at - 1] != '\n')
        at--;
    return at;
}

void rdl_pos_line(rdl_pos pos, uint32_t *out_line, uint32_t *out_col)
{
    *out_line = *out_col = 0;
    if (pos.file == NULL)
        return;
    size_t at, len;
    original_place(pos, &at, &len);
    rdl_str text = pos.file->original;
    uint32_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text.p[i] == '\n';
    size_t start = line_start(text, at);
    *out_line = line;
    *out_col = characters(text.p + start, at - start) + 1;
}

/* The line with a caret under the place. */
static void print_line(rdl_pos pos, uint32_t line, const char *on, const char *off, rdl_buf *out)
{
    size_t at, len;
    original_place(pos, &at, &len);
    rdl_str text = pos.file->original;
    size_t start = line_start(text, at), end = at;
    while (end < text.n && text.p[end] != '\n' && text.p[end] != '\r')
        end++;
    if (at + len > end)
        len = end - at;
    const char *cut = "", *cut_end = "";
    if (end - start > LINE_SHOWN_MAX) {
        if (at - start > LINE_SHOWN_MAX / 2) {
            start = at - LINE_SHOWN_MAX / 2;
            while (start < at && continues_character(text.p[start]))
                start++;
            cut = "...";
        }
        if (end - start > LINE_SHOWN_MAX) {
            end = start + LINE_SHOWN_MAX;
            while (end > at && continues_character(text.p[end]))
                end--;
            cut_end = "...";
        }
        if (at + len > end)
            len = end - at;
    }
    int width = snprintf(NULL, 0, "%u", line);
    rdl_buf_printf(out, "  %u | %s", line, cut);
    for (size_t i = start; i < end; i++)
        rdl_buf_putc(out, (unsigned char)text.p[i] < ' ' ? ' ' : text.p[i]);
    rdl_buf_printf(out, "%s\n  %*s | %*s", cut_end, width, "", (int)strlen(cut), "");
    uint32_t before = characters(text.p + start, at - start);
    uint32_t marks = characters(text.p + at, len);
    rdl_buf_printf(out, "%*s%s", (int)before, "", on);
    for (uint32_t i = 0; i < (marks > 0 ? marks : 1); i++)
        rdl_buf_putc(out, '^');
    rdl_buf_printf(out, "%s\n", off);
}

static int by_place(const void *left, const void *right)
{
    const rdl_diag *a = *(const rdl_diag *const *)left, *b = *(const rdl_diag *const *)right;
    if (a->pos.file != b->pos.file) {
        if (a->pos.file == NULL || b->pos.file == NULL)
            return a->pos.file == NULL ? -1 : 1;
        int c = strcmp(a->pos.file->path, b->pos.file->path);
        if (c != 0)
            return c;
    }
    if (a->pos.at != b->pos.at)
        return a->pos.at < b->pos.at ? -1 : 1;
    return a < b ? -1 : a > b; /* as they came */
}

static const rdl_diag **sorted(const rdl_diags *d)
{
    const rdl_diag **all = RDL_NEWN(d->arena, const rdl_diag *, d->list.n + 1);
    for (size_t i = 0; i < d->list.n; i++)
        all[i] = &d->list.v[i];
    if (d->list.n > 0)
        qsort(all, d->list.n, sizeof(rdl_diag *), by_place);
    return all;
}

void rdl_diags_print(const rdl_diags *d, bool color, rdl_buf *out)
{
    const rdl_diag **all = sorted(d);
    const char *off = color ? "\033[0m" : "", *bold = color ? "\033[1m" : "";
    for (size_t i = 0; i < d->list.n; i++) {
        const rdl_diag *x = all[i];
        bool error = x->severity == RDL_DIAG_ERROR;
        const char *on = !color ? "" : error ? "\033[1;31m" : "\033[1;33m";
        uint32_t line, col;
        rdl_pos_line(x->pos, &line, &col);
        if (line > 0)
            rdl_buf_printf(out, "%s%s:%u:%u:%s ", bold, x->pos.file->path, line, col, off);
        rdl_buf_printf(out, "%s%s:%s %s\n", on, error ? "error" : "warning", off, x->msg);
        if (line > 0)
            print_line(x->pos, line, on, off, out);
        if (x->hint != NULL)
            rdl_buf_printf(out, "hint: %s\n", x->hint);
    }
    if (d->dropped > 0)
        rdl_buf_printf(out, "and %zu more\n", d->dropped);
}

void rdl_diags_print_json(const rdl_diags *d, rdl_buf *out)
{
    const rdl_diag **all = sorted(d);
    rdl_buf_putc(out, '[');
    for (size_t i = 0; i < d->list.n; i++) {
        const rdl_diag *x = all[i];
        uint32_t line, col;
        rdl_pos_line(x->pos, &line, &col);
        rdl_buf_printf(out, "%s{\"severity\":\"%s\",\"file\":", i > 0 ? "," : "",
                       x->severity == RDL_DIAG_ERROR ? "error" : "warning");
        if (line > 0)
            rdl_buf_put_json_text(out, rdl_str_of(x->pos.file->path));
        else
            rdl_buf_puts(out, "null");
        rdl_buf_printf(out, ",\"line\":%u,\"column\":%u,\"message\":", line, col);
        rdl_buf_put_json_text(out, rdl_str_of(x->msg));
        rdl_buf_puts(out, ",\"hint\":");
        if (x->hint != NULL)
            rdl_buf_put_json_text(out, rdl_str_of(x->hint));
        else
            rdl_buf_puts(out, "null");
        rdl_buf_putc(out, '}');
    }
    rdl_buf_putc(out, ']');
}

const char *rdl_nearest(rdl_str name, const char *const *names, size_t n)
{
    enum { EDITS_MAX = 2 };
    const char *best = NULL;
    unsigned best_edits = EDITS_MAX + 1;
    for (size_t i = 0; i < n; i++) {
        rdl_str other = rdl_str_of(names[i]);
        if (rdl_str_eq_nocase(name, other))
            return names[i];
        unsigned edits = rdl_edit_distance(name, other, EDITS_MAX);
        /* "a" is within two edits of "id": a guess must keep most of the word. */
        if (edits < best_edits && edits * 2 <= (name.n > other.n ? name.n : other.n)) {
            best = names[i];
            best_edits = edits;
        }
    }
    return best;
}
