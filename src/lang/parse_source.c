/*
 * lang/parse_source.c - CREATE SOURCE.
 */
#include "lang/parse.h"

typedef struct source_seen {
    bool from, format, options, watermark, malformed, repeat, loss, snapshot, unique, duplicate,
        refresh;
} source_seen;

/* The comment behind a column on its line, or above it on lines of their own. */
static rdl_str column_comment(const rdl_parser *p, uint32_t from, uint32_t to)
{
    rdl_str text = p->tokens.file->text;
    uint32_t line_end = to;
    while (line_end < text.n && text.p[line_end] != '\n')
        line_end++;
    for (size_t i = 0; i < p->tokens.comments.n; i++) {
        const rdl_comment *c = &p->tokens.comments.v[i];
        if (c->own_line || c->at < from || c->at >= line_end)
            continue;
        /* Between the column and the comment a comma and spaces, nothing more. */
        bool ours = true;
        for (uint32_t k = to; k < c->at; k++)
            ours = ours && (text.p[k] == ',' || text.p[k] == ' ' || text.p[k] == '\t');
        size_t skip = c->len > 2 && text.p[c->at + 2] == ' ' ? 3 : 2;
        if (ours)
            return (rdl_str){text.p + c->at + skip, c->len - skip};
    }
    return (rdl_str){"", 0};
}

/* FROM KEY and the like: what of a message beside its payload. */
static bool parse_from(rdl_parser *p, rdl_ast_column *out)
{
    static const char *const names[] = {"KEY",       "TIMESTAMP", "HEADERS",   "TOPIC",
                                        "PARTITION", "OFFSET",    "TOMBSTONE", "VALUE"};
    if (!rdl_parse_twice(p, out->from != RDL_COLUMN_FIELD, "FROM"))
        return false;
    out->from_pos = rdl_parse_pos(p, rdl_parse_token(p));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (rdl_parse_accept(p, names[i])) {
            out->from = (rdl_column_from)(i + 1);
            return true;
        }
    }
    return rdl_parse_clause_wrong(p, names, sizeof names / sizeof names[0]);
}

static bool parse_column(rdl_parser *p, rdl_ast_column *out)
{
    uint32_t from = rdl_parse_token(p)->at;
    if (!rdl_parse_ident(p, "the name of a column", &out->name) || !rdl_parse_type(p, &out->type))
        return false;
    bool commented = false;
    for (;;) {
        if (rdl_parse_accept(p, "FIELD")) {
            if (!rdl_parse_twice(p, out->field.n > 0, "FIELD") ||
                !rdl_parse_string(p, "the name of the field", &out->field, NULL))
                return false;
        } else if (rdl_parse_accept(p, "FROM")) {
            if (!parse_from(p, out))
                return false;
        } else if (rdl_parse_accept(p, "AS")) {
            if (!rdl_parse_twice(p, out->computed.text.n > 0, "AS") ||
                !rdl_parse_sql_parens(p, "an expression", &out->computed))
                return false;
        } else if (rdl_parse_accept(p, "COMMENT")) {
            if (!rdl_parse_string(p, "a comment", &out->comment, NULL))
                return false;
            commented = true;
        } else {
            break;
        }
    }
    if (out->computed.text.n > 0 && out->field.n > 0)
        return rdl_parse_fail(p, out->name.pos, "Drop FIELD, or drop AS (..).",
                              "a computed column has no field in the data");
    if (out->from != RDL_COLUMN_FIELD && (out->field.n > 0 || out->computed.text.n > 0))
        return rdl_parse_fail(p, out->from_pos, "Drop FROM, or drop FIELD and AS (..).",
                              "a column FROM the message is no field of its payload");
    const rdl_token *last = &p->tokens.list.v[p->at - 1];
    if (!commented)
        out->comment = column_comment(p, from, last->at + last->len);
    return true;
}

bool rdl_parse_source_columns(rdl_parser *p, rdl_ast_source *out)
{
    static const char *const next[] = {",", ")", "FIELD", "FROM", "AS", "COMMENT"};
    RDL_VEC(rdl_ast_column) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ast_column one = {0};
        if (!parse_column(p, &one))
            return false;
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->columns = list.v;
    out->column_count = list.n;
    return rdl_parse_accept_symbol(p, ')') || rdl_parse_clause_wrong(p, next, 6);
}

bool rdl_parse_format(rdl_parser *p, rdl_ast_source *out)
{
    static const char *const names[] = {"JSON", "CSV", "PARQUET", "TEXT", "RAW"};
    enum { NAMES = sizeof names / sizeof names[0] };
    out->has_format = true;
    for (size_t i = 0; i < NAMES; i++) {
        if (rdl_parse_accept(p, names[i])) {
            out->format = i < NAMES - 1 ? (rdl_format)i : RDL_FORMAT_TEXT;
            return true;
        }
    }
    return rdl_parse_clause_wrong(p, names, NAMES);
}

static bool parse_watermark(rdl_parser *p, rdl_ast_source *out)
{
    return rdl_parse_ident(p, "the column that holds the event's time", &out->watermark) &&
           rdl_parse_expect(p, "DELAY") && rdl_parse_expect(p, "OF") &&
           rdl_parse_interval(p, &out->watermark_delay_us);
}

static bool parse_choice(rdl_parser *p, const char *const *names, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++) {
        if (rdl_parse_accept(p, names[i])) {
            *out = (int)i;
            return true;
        }
    }
    return rdl_parse_clause_wrong(p, names, n);
}

static bool parse_malformed(rdl_parser *p, rdl_ast_source *out)
{
    static const char *const names[] = {"QUARANTINE", "SKIP", "FAIL"};
    int choice = 0;
    if (!parse_choice(p, names, 3, &choice))
        return false;
    out->on_malformed = (rdl_on_malformed)choice;
    return true;
}

static bool parse_repeat(rdl_parser *p, rdl_ast_source *out)
{
    static const char *const names[] = {"SKIP", "READ"};
    int choice = 0;
    if (!parse_choice(p, names, 2, &choice))
        return false;
    out->on_repeat = choice == 0 ? RDL_REPEAT_SKIP : RDL_REPEAT_READ;
    return true;
}

static bool parse_loss(rdl_parser *p, rdl_ast_source *out)
{
    static const char *const names[] = {"FAIL", "CONTINUE"};
    int choice = 0;
    if (!rdl_parse_expect(p, "LOSS") || !parse_choice(p, names, 2, &choice))
        return false;
    out->loss_continues = choice == 1;
    return true;
}

/* Clauses of a snapshot alone. */
static bool parse_unique(rdl_parser *p, rdl_ast_source *out)
{
    return rdl_parse_idents(p, "the name of a column", &out->unique);
}

static bool parse_duplicate(rdl_parser *p, rdl_ast_source *out)
{
    static const char *const names[] = {"FAIL", "FIRST", "LAST"};
    int choice = 0;
    if (!parse_choice(p, names, 3, &choice))
        return false;
    out->on_duplicate = (rdl_on_duplicate)choice;
    return true;
}

static bool parse_refresh(rdl_parser *p, rdl_ast_source *out)
{
    return rdl_parse_interval(p, &out->refresh_us);
}

static bool parse_clause(rdl_parser *p, source_seen *seen, rdl_ast_source *out)
{
    static const char *const clauses[] = {
        "FROM",         "FORMAT",   "OPTIONS",    "WATERMARK",    "ON MALFORMED", "ON REPEAT",
        "ON DATA LOSS", "SNAPSHOT", "UNIQUE KEY", "ON DUPLICATE", "REFRESH EVERY"};
    bool *flag = NULL;
    const char *name = NULL;
    bool (*read)(rdl_parser *, rdl_ast_source *) = NULL;
    if (rdl_parse_accept(p, "FROM")) {
        if (!rdl_parse_twice(p, seen->from, "FROM"))
            return false;
        seen->from = true;
        return rdl_parse_string(p, "a path or URL", &out->url, &out->url_pos);
    }
    if (rdl_parse_accept(p, "OPTIONS")) {
        if (!rdl_parse_twice(p, seen->options, "OPTIONS"))
            return false;
        seen->options = true;
        return rdl_parse_options(p, &out->options, &out->option_count);
    }
    if (rdl_parse_accept(p, "SNAPSHOT")) {
        out->snapshot = true;
        return rdl_parse_twice(p, seen->snapshot, "SNAPSHOT") && (seen->snapshot = true);
    }
    rdl_pos here = rdl_parse_pos(p, rdl_parse_token(p));
    if (rdl_parse_accept2(p, "UNIQUE", "KEY"))
        flag = &seen->unique, name = "UNIQUE KEY", read = parse_unique;
    else if (rdl_parse_accept2(p, "ON", "DUPLICATE"))
        flag = &seen->duplicate, name = "ON DUPLICATE", read = parse_duplicate;
    else if (rdl_parse_accept2(p, "REFRESH", "EVERY"))
        flag = &seen->refresh, name = "REFRESH EVERY", read = parse_refresh;
    if (flag != NULL)
        out->snapshot_pos = here;
    else if (rdl_parse_accept(p, "FORMAT"))
        flag = &seen->format, name = "FORMAT", read = rdl_parse_format;
    else if (rdl_parse_accept(p, "WATERMARK"))
        flag = &seen->watermark, name = "WATERMARK", read = parse_watermark;
    else if (rdl_parse_accept2(p, "ON", "MALFORMED"))
        flag = &seen->malformed, name = "ON MALFORMED", read = parse_malformed;
    else if (rdl_parse_accept2(p, "ON", "REPEAT"))
        flag = &seen->repeat, name = "ON REPEAT", read = parse_repeat;
    else if (rdl_parse_accept2(p, "ON", "DATA"))
        flag = &seen->loss, name = "ON DATA LOSS", read = parse_loss;
    else
        return rdl_parse_clause_wrong(p, clauses, sizeof clauses / sizeof clauses[0]);
    if (!rdl_parse_twice(p, *flag, name))
        return false;
    *flag = true;
    return read(p, out);
}

bool rdl_parse_source(rdl_parser *p, rdl_ast_source *out)
{
    source_seen seen = {0};
    if (!rdl_parse_source_columns(p, out))
        return false;
    while (!rdl_parse_at_end(p))
        if (!parse_clause(p, &seen, out))
            return false;
    if (!seen.from)
        return rdl_parse_wrong(p, "FROM", "A source reads FROM 'path or URL'.");
    if (seen.duplicate && !seen.unique)
        return rdl_parse_wrong(p, "UNIQUE KEY",
                               "ON DUPLICATE says what becomes of rows that share "
                               "a UNIQUE KEY (column, ..).");
    if (!seen.format && !rdl_str_starts(out->url, "postgres"))
        return rdl_parse_wrong(p, "FORMAT", "Add FORMAT JSON, FORMAT CSV or FORMAT PARQUET.");
    return true;
}
