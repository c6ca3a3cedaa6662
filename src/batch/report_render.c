/*
 * batch/report_render.c - rows as CSV, JSON, HTML or by templates.
 *
 *   CSV    RFC 4180 with LF: a value is quoted when it holds the delimiter, a quote, CR, LF, or
 *          begins or ends in a space; null is empty (OPTIONS (null = ..)), an empty text is ""
 *   JSON   an array of objects, one a line
 *   HTML   a page with one table; or HEADER, TEMPLATE, FOOTER alone, values escaped
 *   TEXT   HEADER once with the first row's values, TEMPLATE for each row, FOOTER with the last's;
 *          without a row HEADER and FOOTER know parameters alone
 *
 * In a template {name} is a column's value or a parameter's, {{ is a brace.
 */
#include "base/fs.h"
#include "batch/report_internal.h"

enum { TEMPLATE_BYTES_MAX = 1 << 20 };

struct rdl_rendering {
    const rdl_reporting *x;
    rdl_report_format format;
    rdl_str header, row, footer; /* p NULL: none */
    rdl_str null, title, language;
    char delimiter;
    bool names; /* CSV: a line of names */
    const rdl_str *columns;
    size_t n;
    uint64_t rows; /* of this file */
    rdl_buf last;  /* the last row's cells, for FOOTER: 'v' or 'n', length, bytes */
};

static rdl_str option(const rdl_report *r, const char *name, const char *fallback)
{
    for (size_t i = 0; i < r->option_count; i++)
        if (rdl_str_eq(r->options[i].name, rdl_str_of(name)))
            return r->options[i].value;
    return rdl_str_of(fallback);
}

rdl_hash128 rdl_report_fingerprint(rdl_arena *a, const rdl_pipeline *p, const rdl_report *report)
{
    const rdl_template *const templates[] = {&report->header, &report->row, &report->footer};
    rdl_buf all = {0};
    rdl_err ignored = {0};
    rdl_buf_put(&all, &report->fingerprint, sizeof report->fingerprint);
    for (size_t i = 0; i < 3; i++) {
        if (!templates[i]->file)
            continue;
        const char *name = rdl_arena_strndup(a, templates[i]->text.p, templates[i]->text.n);
        /* One that cannot be read fails the run; until then it is a text of its own. */
        if (rdl_fs_read(rdl_path_join(a, p->dir, name), TEMPLATE_BYTES_MAX, &all, &ignored) !=
            RDL_OK)
            rdl_buf_puts(&all, "?");
        rdl_buf_putc(&all, '\0');
    }
    rdl_hash128 hash =
        all.n == sizeof report->fingerprint ? report->fingerprint : rdl_hash128_of(all.p, all.n);
    rdl_buf_fini(&all);
    return hash;
}

static rdl_code read_template(const rdl_reporting *x, const rdl_template *t, rdl_str *out,
                              rdl_err *err)
{
    rdl_buf text = {0};
    if (!t->given)
        return RDL_OK;
    *out = t->text;
    if (!t->file)
        return RDL_OK;
    const char *name = rdl_arena_strndup(x->a, t->text.p, t->text.n);
    const char *path = rdl_path_join(x->a, rdl_reader_pipeline(x->r)->dir, name);
    rdl_code rc = rdl_fs_read(path, TEMPLATE_BYTES_MAX, &text, err);
    *out = (rdl_str){rdl_arena_strndup(x->a, rdl_buf_str(&text), text.n), text.n};
    rdl_buf_fini(&text);
    return rc;
}

rdl_code rdl_rendering_new(const rdl_reporting *x, rdl_rendering **out, rdl_err *err)
{
    const rdl_report *r = x->report;
    rdl_rendering *d = RDL_NEW(x->a, rdl_rendering);
    rdl_str delimiter = option(r, "delimiter", ",");
    *d = (rdl_rendering){
        .x = x,
        .format = x->format,
        .null = option(r, "null", ""),
        .title = option(r, "title", r->name.p),
        .language = option(r, "language", "en"),
        .delimiter = delimiter.n == 1 ? delimiter.p[0] : ',',
        .names = !rdl_str_eq_nocase(option(r, "header", "true"), RDL_STR("false")),
    };
    *out = d;
    /* Templates are of the declared format; another that was asked for has its own shape. */
    if (x->format != r->format)
        return RDL_OK;
    RDL_TRY(read_template(x, &r->header, &d->header, err));
    RDL_TRY(read_template(x, &r->row, &d->row, err));
    return read_template(x, &r->footer, &d->footer, err);
}

void rdl_rendering_free(rdl_rendering *d)
{
    if (d != NULL)
        rdl_buf_fini(&d->last);
}

static void put_html(rdl_buf *out, rdl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            rdl_buf_puts(out, "&amp;");
            break;
        case '<':
            rdl_buf_puts(out, "&lt;");
            break;
        case '>':
            rdl_buf_puts(out, "&gt;");
            break;
        case '"':
            rdl_buf_puts(out, "&quot;");
            break;
        default:
            rdl_buf_putc(out, s.p[i]);
        }
    }
}

/* ---- templates ---- */

/* The value of {name}; p NULL: null or not known here. */
static rdl_str place_value(const rdl_rendering *d, rdl_str name, const rdl_str *cells)
{
    for (size_t i = 0; cells != NULL && i < d->n; i++)
        if (rdl_str_eq_nocase(d->columns[i], name))
            return cells[i];
    const rdl_report *r = d->x->report;
    for (size_t i = 0; i < r->parameter_count; i++)
        if (rdl_str_eq_nocase(r->parameters[i].name, name))
            return rdl_str_of(d->x->parameters[i]);
    return (rdl_str){NULL, 0};
}

static void put_template(const rdl_rendering *d, rdl_str t, const rdl_str *cells, rdl_buf *out)
{
    for (size_t i = 0; i < t.n; i++) {
        const char *close = memchr(t.p + i, '}', t.n - i);
        bool brace = t.p[i] == '{' && i + 1 < t.n && t.p[i + 1] == '{';
        if (t.p[i] != '{' || brace || close == NULL) {
            rdl_buf_putc(out, t.p[i]);
            i += brace;
            continue;
        }
        rdl_str name = {t.p + i + 1, (size_t)(close - t.p) - i - 1};
        rdl_str value = place_value(d, name, cells);
        if (value.p == NULL)
            value = d->null;
        if (d->format == RDL_REPORT_HTML)
            put_html(out, value);
        else
            rdl_buf_put(out, value.p, value.n);
        i += name.n + 1;
    }
}

static void keep_last(rdl_rendering *d, const rdl_str *cells)
{
    if (d->footer.p == NULL)
        return;
    rdl_buf_clear(&d->last);
    for (size_t i = 0; i < d->n; i++) {
        rdl_buf_putc(&d->last, cells[i].p != NULL ? 'v' : 'n');
        rdl_buf_put(&d->last, &cells[i].n, sizeof cells[i].n);
        rdl_buf_put(&d->last, cells[i].p != NULL ? cells[i].p : "", cells[i].n);
    }
}

static void put_footer(const rdl_rendering *d, rdl_buf *out)
{
    rdl_str *cells = RDL_NEWN(d->x->a, rdl_str, d->n + 1);
    size_t at = 0;
    if (d->footer.p == NULL)
        return;
    for (size_t i = 0; i < d->n && d->rows > 0; i++) {
        bool valid = d->last.p[at++] == 'v';
        memcpy(&cells[i].n, d->last.p + at, sizeof cells[i].n);
        at += sizeof cells[i].n;
        cells[i].p = valid ? d->last.p + at : NULL;
        at += cells[i].n;
    }
    put_template(d, d->footer, d->rows > 0 ? cells : NULL, out);
}

/* ---- CSV ---- */

static void put_csv(const rdl_rendering *d, rdl_str s, rdl_buf *out)
{
    bool quote = s.n == 0 || s.p[0] == ' ' || s.p[s.n - 1] == ' ';
    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] == d->delimiter || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        rdl_buf_put(out, s.p, s.n);
        return;
    }
    rdl_buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            rdl_buf_putc(out, '"');
        rdl_buf_putc(out, s.p[i]);
    }
    rdl_buf_putc(out, '"');
}

static void put_csv_row(const rdl_rendering *d, const rdl_str *cells, rdl_buf *out)
{
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            rdl_buf_putc(out, d->delimiter);
        if (cells[i].p == NULL)
            rdl_buf_put(out, d->null.p, d->null.n);
        else
            put_csv(d, cells[i], out);
    }
    rdl_buf_putc(out, '\n');
}

/* ---- JSON, HTML ---- */

static void put_json_row(const rdl_rendering *d, const rdl_str *cells, rdl_buf *out)
{
    rdl_buf_puts(out, d->rows == 0 ? "{" : ",\n{");
    for (size_t i = 0; i < d->n; i++) {
        rdl_buf_puts(out, i > 0 ? ", " : "");
        rdl_buf_put_json_text(out, d->columns[i]);
        rdl_buf_puts(out, ": ");
        if (cells[i].p == NULL)
            rdl_buf_puts(out, "null");
        else
            rdl_buf_put(out, cells[i].p, cells[i].n);
    }
    rdl_buf_putc(out, '}');
}

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}"
    "table{border-collapse:collapse}th,td{padding:.3rem .7rem;text-align:left;"
    "vertical-align:top;border-bottom:1px solid #ddd}th{border-bottom:2px solid #888}"
    "caption,footer{color:#666;text-align:left;padding:.3rem 0}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"
    "th,td{border-color:#444}}";

static void begin_html(const rdl_rendering *d, rdl_buf *out)
{
    rdl_buf_puts(out, "<!doctype html>\n<html lang=\"");
    put_html(out, d->language);
    rdl_buf_puts(out, "\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
    put_html(out, d->title);
    rdl_buf_printf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", style);
    put_html(out, d->title);
    rdl_buf_puts(out, "</h1>\n<table>\n<thead><tr>");
    for (size_t i = 0; i < d->n; i++) {
        rdl_buf_puts(out, "<th>");
        put_html(out, d->columns[i]);
        rdl_buf_puts(out, "</th>");
    }
    rdl_buf_puts(out, "</tr></thead>\n<tbody>\n");
}

static void put_html_row(const rdl_rendering *d, const rdl_str *cells, rdl_buf *out)
{
    rdl_buf_puts(out, "<tr>");
    for (size_t i = 0; i < d->n; i++) {
        rdl_buf_puts(out, "<td>");
        put_html(out, cells[i].p != NULL ? cells[i] : d->null);
        rdl_buf_puts(out, "</td>");
    }
    rdl_buf_puts(out, "</tr>\n");
}

/* ---- a file ---- */

static bool is_templated(const rdl_rendering *d)
{
    return d->row.p != NULL;
}

void rdl_render_begin(rdl_rendering *d, const rdl_str *names, size_t n, rdl_buf *out)
{
    d->columns = names;
    d->n = n;
    d->rows = 0;
    if (is_templated(d))
        return; /* HEADER waits for the first row */
    if (d->format == RDL_REPORT_JSON)
        rdl_buf_puts(out, "[");
    if (d->format == RDL_REPORT_HTML)
        begin_html(d, out);
    if ((d->format == RDL_REPORT_CSV || d->format == RDL_REPORT_TEXT) && d->names)
        put_csv_row(d, names, out);
}

void rdl_render_row(rdl_rendering *d, const rdl_str *cells, rdl_buf *out)
{
    if (is_templated(d)) {
        if (d->rows == 0)
            put_template(d, d->header, cells, out);
        put_template(d, d->row, cells, out);
    } else if (d->format == RDL_REPORT_JSON) {
        put_json_row(d, cells, out);
    } else if (d->format == RDL_REPORT_HTML) {
        put_html_row(d, cells, out);
    } else {
        put_csv_row(d, cells, out);
    }
    keep_last(d, cells);
    d->rows++;
}

void rdl_render_end(rdl_rendering *d, rdl_buf *out)
{
    if (is_templated(d)) {
        if (d->rows == 0)
            put_template(d, d->header, NULL, out);
        put_footer(d, out);
    } else if (d->format == RDL_REPORT_JSON) {
        rdl_buf_puts(out, "]\n");
    } else if (d->format == RDL_REPORT_HTML) {
        rdl_buf_puts(out, "</tbody>\n</table>\n</body>\n</html>\n");
    }
}
