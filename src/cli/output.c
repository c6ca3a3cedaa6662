/*
 * cli/output.c - rows to stdout; see the header for the formats.
 */
#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    TABLE_ROWS = 1000,      /* whose widths count */
    COLUMN_WIDTH_LEAST = 8, /* a column is not cut below this */
    FLUSH_BYTES = 1 << 16,
};

struct rdl_output {
    rdl_output_format format;
    rdl_arena arena; /* names; rows of the table that wait for their widths */
    size_t n;
    char **names;
    const char *null; /* how a table shows one */
    rdl_buf line;
    bool failed;
    int failed_errno;
    uint64_t rows;

    /* RDL_OUTPUT_TABLE */
    RDL_VEC(rdl_cell *) waiting;
    size_t *widths;
    bool *numeric; /* every value so far is a number */
    bool widths_known;
};

rdl_code rdl_output_choose(const rdl_cli *cli, rdl_output_format fallback, rdl_output_format *out,
                           rdl_err *err)
{
    static const char *const names[] = {"table", "csv", "json", "jsonl"};
    const char *wanted = cli->values[RDL_CLI_FORMAT];
    *out = rdl_cli_has(cli, RDL_CLI_JSON) ? RDL_OUTPUT_JSON : fallback;
    if (wanted == NULL)
        return RDL_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(wanted, names[i]) == 0) {
            *out = (rdl_output_format)i;
            return RDL_OK;
        }
    }
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized format \"%s\"", wanted);
    return rdl_err_hint(err, "Formats are table, csv, json and jsonl.");
}

/* ---- writing ---- */

static void flush(rdl_output *o)
{
    if (o->line.n != 0 && !o->failed && fwrite(o->line.p, 1, o->line.n, stdout) != o->line.n) {
        o->failed = true;
        o->failed_errno = errno;
    }
    rdl_buf_clear(&o->line);
}

static void flush_some(rdl_output *o)
{
    if (o->line.n >= FLUSH_BYTES)
        flush(o);
}

static void put_csv_text(rdl_buf *b, rdl_str s)
{
    bool quote = s.n == 0;
    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote && (s.p[0] == ' ' || s.p[s.n - 1] == ' '))
        quote = true;
    if (!quote) {
        rdl_buf_put(b, s.p, s.n);
        return;
    }
    rdl_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            rdl_buf_putc(b, '"');
        rdl_buf_putc(b, s.p[i]);
    }
    rdl_buf_putc(b, '"');
}

static void put_csv_row(rdl_output *o, const rdl_cell *cells)
{
    for (size_t i = 0; i < o->n; i++) {
        if (i != 0)
            rdl_buf_putc(&o->line, ',');
        if (cells[i].kind != RDL_CELL_NULL)
            put_csv_text(&o->line, cells[i].text);
    }
    rdl_buf_putc(&o->line, '\n');
}

static void put_json_row(rdl_output *o, const rdl_cell *cells)
{
    rdl_buf_putc(&o->line, '{');
    for (size_t i = 0; i < o->n; i++) {
        rdl_buf_puts(&o->line, i != 0 ? ", " : "");
        rdl_buf_put_json_text(&o->line, rdl_str_of(o->names[i]));
        rdl_buf_puts(&o->line, ": ");
        if (cells[i].kind == RDL_CELL_NULL)
            rdl_buf_puts(&o->line, "null");
        else if (cells[i].kind == RDL_CELL_TEXT)
            rdl_buf_put_json_text(&o->line, cells[i].text);
        else
            rdl_buf_put(&o->line, cells[i].text.p, cells[i].text.n);
    }
    rdl_buf_putc(&o->line, '}');
}

/* ---- the table ---- */

/* Control characters would break the lines of a table. */
static rdl_str printable(rdl_arena *a, rdl_str s)
{
    rdl_buf b = {0};
    size_t i = 0;
    while (i < s.n && (unsigned char)s.p[i] >= 32 && s.p[i] != 127)
        i++;
    if (i == s.n)
        return (rdl_str){rdl_arena_strndup(a, s.p, s.n), s.n};
    for (i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n' || c == '\t' || c == '\r')
            rdl_buf_printf(&b, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
        else if (c < 32 || c == 127)
            rdl_buf_printf(&b, "\\x%02X", c);
        else
            rdl_buf_putc(&b, s.p[i]);
    }
    rdl_str copy = {rdl_arena_strndup(a, rdl_buf_str(&b), b.n), b.n};
    rdl_buf_fini(&b);
    return copy;
}

static size_t total_width(const rdl_output *o)
{
    size_t total = 1;
    for (size_t i = 0; i < o->n; i++)
        total += o->widths[i] + (i != 0 ? 2 : 0);
    return total;
}

/* Take from the widest column until the line fits. */
static void fit_terminal(rdl_output *o)
{
    unsigned width = rdl_cli_width(STDOUT_FILENO);
    while (width != 0 && total_width(o) > width) {
        size_t widest = 0;
        for (size_t i = 1; i < o->n; i++)
            if (o->widths[i] > o->widths[widest])
                widest = i;
        if (o->widths[widest] <= COLUMN_WIDTH_LEAST)
            return;
        o->widths[widest]--;
    }
}

static void put_rule(rdl_output *o)
{
    for (size_t i = 0; i < o->n; i++) {
        rdl_buf_puts(&o->line, i == 0 ? " " : "  ");
        for (size_t k = 0; k < o->widths[i]; k++)
            rdl_buf_putc(&o->line, '-');
    }
    rdl_buf_putc(&o->line, '\n');
}

static void end_line(rdl_output *o)
{
    while (o->line.n != 0 && o->line.p[o->line.n - 1] == ' ')
        o->line.n--;
    rdl_buf_putc(&o->line, '\n');
}

static void put_table_row(rdl_output *o, const rdl_cell *cells)
{
    for (size_t i = 0; i < o->n; i++) {
        rdl_str s = cells[i].kind == RDL_CELL_NULL ? rdl_str_of(o->null) : cells[i].text;
        rdl_buf_puts(&o->line, i == 0 ? " " : "  ");
        rdl_put_padded(&o->line, s, o->widths[i], o->numeric[i]);
    }
    end_line(o);
    flush_some(o);
}

static void begin_table(rdl_output *o)
{
    o->widths_known = true;
    fit_terminal(o);
    for (size_t i = 0; i < o->n; i++) {
        rdl_buf_puts(&o->line, i == 0 ? " " : "  ");
        rdl_put_padded(&o->line, rdl_str_of(o->names[i]), o->widths[i], o->numeric[i]);
    }
    end_line(o);
    put_rule(o);
    for (size_t i = 0; i < o->waiting.n; i++)
        put_table_row(o, o->waiting.v[i]);
}

static void table_row(rdl_output *o, const rdl_cell *cells)
{
    rdl_arena a;
    if (o->widths_known) {
        rdl_arena_init(&a, 0);
        rdl_cell *copy = RDL_NEWN(&a, rdl_cell, o->n);
        for (size_t i = 0; i < o->n; i++)
            copy[i] = (rdl_cell){cells[i].kind, printable(&a, cells[i].text)};
        put_table_row(o, copy);
        rdl_arena_fini(&a);
        return;
    }
    rdl_cell *copy = RDL_NEWN(&o->arena, rdl_cell, o->n);
    for (size_t i = 0; i < o->n; i++) {
        copy[i] = (rdl_cell){cells[i].kind, printable(&o->arena, cells[i].text)};
        size_t width =
            copy[i].kind == RDL_CELL_NULL ? strlen(o->null) : rdl_text_width(copy[i].text);
        if (width > o->widths[i])
            o->widths[i] = width;
        o->numeric[i] &= copy[i].kind == RDL_CELL_NULL || copy[i].kind == RDL_CELL_NUMBER;
    }
    RDL_PUSH(&o->arena, &o->waiting) = copy;
    if (o->waiting.n == TABLE_ROWS)
        begin_table(o);
}

void rdl_output_null(rdl_output *o, const char *text)
{
    o->null = text;
}

/* ---- the life of an output ---- */

rdl_output *rdl_output_new(rdl_output_format format, const char *const *names, size_t n)
{
    rdl_output *o = calloc(1, sizeof *o); /* allow: freed by finish or drop */
    if (o == NULL)
        abort();
    rdl_arena_init(&o->arena, 0);
    o->format = format;
    o->null = "NULL";
    o->n = n;
    o->names = RDL_NEWN(&o->arena, char *, n);
    o->widths = RDL_NEWN(&o->arena, size_t, n);
    o->numeric = RDL_NEWN(&o->arena, bool, n);
    for (size_t i = 0; i < n; i++) {
        o->names[i] = rdl_arena_strdup(&o->arena, names[i]);
        o->widths[i] = rdl_text_width(rdl_str_of(names[i]));
        o->numeric[i] = true;
        if (format == RDL_OUTPUT_CSV) {
            rdl_buf_puts(&o->line, i != 0 ? "," : "");
            put_csv_text(&o->line, rdl_str_of(names[i]));
        }
    }
    if (format == RDL_OUTPUT_CSV)
        rdl_buf_putc(&o->line, '\n');
    return o;
}

void rdl_output_row(rdl_output *o, const rdl_cell *cells)
{
    switch (o->format) {
    case RDL_OUTPUT_TABLE:
        table_row(o, cells);
        break;
    case RDL_OUTPUT_CSV:
        put_csv_row(o, cells);
        break;
    case RDL_OUTPUT_JSON:
        rdl_buf_puts(&o->line, o->rows == 0 ? "[" : ",\n ");
        put_json_row(o, cells);
        break;
    case RDL_OUTPUT_JSONL:
        put_json_row(o, cells);
        rdl_buf_putc(&o->line, '\n');
        break;
    }
    o->rows++;
    flush_some(o);
}

void rdl_output_drop(rdl_output *o)
{
    if (o == NULL)
        return;
    rdl_buf_fini(&o->line);
    rdl_arena_fini(&o->arena);
    free(o); /* allow: see rdl_output_new */
}

rdl_code rdl_output_finish(rdl_output *o, rdl_err *err)
{
    if (o->format == RDL_OUTPUT_TABLE && !o->widths_known)
        begin_table(o);
    if (o->format == RDL_OUTPUT_JSON)
        rdl_buf_puts(&o->line, o->rows == 0 ? "[]\n" : "]\n");
    flush(o);
    if (!o->failed && fflush(stdout) != 0) {
        o->failed = true;
        o->failed_errno = errno;
    }
    rdl_code rc = RDL_OK;
    if (o->failed) {
        rc = rdl_err_set(err, RDL_EIO, 0, "could not write the result: %s",
                         strerror(o->failed_errno));
    }
    rdl_output_drop(o);
    return rc;
}

/* ---- results of DuckDB ---- */

static rdl_cell_kind kind_of(const rdl_vector *v, size_t row)
{
    if (!rdl_vector_valid(v, row))
        return RDL_CELL_NULL;
    switch (v->type->kind) {
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DECIMAL:
        return RDL_CELL_NUMBER;
    case RDL_TYPE_DOUBLE: {
        double x = RDL_VECTOR_AT(v, double, row);
        return x - x == 0 ? RDL_CELL_NUMBER : RDL_CELL_TEXT; /* inf and nan are no JSON */
    }
    case RDL_TYPE_BOOLEAN:
    case RDL_TYPE_JSON:
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
    case RDL_TYPE_STRUCT:
        return RDL_CELL_JSON;
    default:
        return RDL_CELL_TEXT;
    }
}

static void put_chunk(rdl_output *o, const rdl_chunk *c, rdl_buf *text, rdl_cell *cells,
                      size_t *ends)
{
    bool json = o->format == RDL_OUTPUT_JSON || o->format == RDL_OUTPUT_JSONL;
    for (size_t row = 0; row < c->rows; row++) {
        rdl_buf_clear(text);
        for (size_t i = 0; i < c->n; i++) {
            const rdl_vector *v = &c->v[i];
            cells[i].kind = kind_of(v, row);
            if (cells[i].kind != RDL_CELL_NULL) {
                if (json && v->type->kind == RDL_TYPE_TIMESTAMPTZ &&
                    RDL_VECTOR_AT(v, int64_t, row) != INT64_MAX &&
                    RDL_VECTOR_AT(v, int64_t, row) != -INT64_MAX)
                    rdl_timestamp_print_iso(RDL_VECTOR_AT(v, int64_t, row), text);
                else
                    rdl_vector_print(v, row, text);
            }
            ends[i] = text->n;
        }
        for (size_t i = 0; i < c->n; i++) {
            size_t from = i != 0 ? ends[i - 1] : 0;
            cells[i].text = (rdl_str){rdl_buf_str(text) + from, ends[i] - from};
        }
        rdl_output_row(o, cells);
    }
}

rdl_code rdl_output_result(rdl_output_format format, rdl_result *r, uint64_t *out_rows,
                           rdl_err *err)
{
    const rdl_schema *s = rdl_result_schema(r);
    const rdl_chunk *c;
    rdl_arena a;
    rdl_buf text = {0};
    rdl_arena_init(&a, 0);
    const char **names = RDL_NEWN(&a, const char *, s->n);
    for (size_t i = 0; i < s->n; i++)
        names[i] = rdl_arena_strndup(&a, s->v[i].name.p, s->v[i].name.n);
    rdl_cell *cells = RDL_NEWN(&a, rdl_cell, s->n);
    size_t *ends = RDL_NEWN(&a, size_t, s->n);
    rdl_output *o = rdl_output_new(format, names, s->n);
    while (rdl_result_next(r, &c))
        put_chunk(o, c, &text, cells, ends);
    *out_rows = o->rows;
    rdl_buf_fini(&text);
    rdl_arena_fini(&a);
    return rdl_output_finish(o, err);
}

/* ---- rows of our own ---- */

void rdl_row_begin(rdl_row *r, rdl_arena *a)
{
    r->arena = a;
    r->n = 0;
}

static void add(rdl_row *r, rdl_cell_kind kind, rdl_str text)
{
    if (r->n < sizeof r->cells / sizeof r->cells[0])
        r->cells[r->n++] = (rdl_cell){kind, {rdl_arena_strndup(r->arena, text.p, text.n), text.n}};
}

static void add_buf(rdl_row *r, rdl_cell_kind kind, rdl_buf *b)
{
    add(r, kind, (rdl_str){rdl_buf_str(b), b->n});
    rdl_buf_fini(b);
}

void rdl_row_null(rdl_row *r)
{
    add(r, RDL_CELL_NULL, RDL_STR(""));
}

void rdl_row_str(rdl_row *r, rdl_str text)
{
    add(r, RDL_CELL_TEXT, text);
}

void rdl_row_text(rdl_row *r, const char *text)
{
    if (text == NULL)
        rdl_row_null(r);
    else
        rdl_row_str(r, rdl_str_of(text));
}

void rdl_row_u64(rdl_row *r, uint64_t x)
{
    rdl_buf b = {0};
    rdl_buf_printf(&b, "%" PRIu64, x);
    add_buf(r, RDL_CELL_NUMBER, &b);
}

void rdl_row_i64(rdl_row *r, int64_t x)
{
    rdl_buf b = {0};
    rdl_buf_printf(&b, "%" PRId64, x);
    add_buf(r, RDL_CELL_NUMBER, &b);
}

void rdl_row_seconds(rdl_row *r, double x)
{
    rdl_buf b = {0};
    rdl_buf_printf(&b, "%.3f", x);
    add_buf(r, RDL_CELL_NUMBER, &b);
}

void rdl_row_time(rdl_row *r, int64_t us)
{
    rdl_buf b = {0};
    if (us == INT64_MIN) {
        rdl_row_null(r);
        return;
    }
    rdl_timestamp_print_iso(us, &b);
    add_buf(r, RDL_CELL_TEXT, &b);
}
