/*
 * lang/parse_report.c - CREATE REPORT: clauses in any order, then a SELECT or a PIVOT.
 *
 *   CREATE REPORT n FORMAT CSV|JSON|TEXT|HTML [TO 'path'] [FOR EACH (c, ..)]
 *     [PARAMETERS (p TYPE [DEFAULT expr], ..)] [SCHEDULE .. | TRIGGER ON UPDATE]
 *     [OPTIONS (..)] [HEADER t] [TEMPLATE t] [FOOTER t] [COMMENT '..']      t: 'text' | FILE 'path'
 *   AS SELECT ..
 *    | PIVOT t | (SELECT ..) ON c [ORDER BY expr] USING aggregate GROUP BY c, .. [ORDER BY ..]
 */
#include "lang/parse.h"

static bool parse_format(rdl_parser *p, rdl_ast_report *out)
{
    static const char *const names[RDL_REPORT_FORMAT_COUNT] = {"CSV", "JSON", "TEXT", "HTML"};
    if (!rdl_parse_twice(p, out->has_format, "FORMAT"))
        return false;
    for (size_t i = 0; i < RDL_REPORT_FORMAT_COUNT; i++) {
        if (rdl_parse_accept(p, names[i])) {
            out->has_format = true;
            out->format = (rdl_report_format)i;
            return true;
        }
    }
    return rdl_parse_clause_wrong(p, names, RDL_REPORT_FORMAT_COUNT);
}

static bool behind_default(const rdl_parser *p)
{
    const rdl_token *t = rdl_parse_token(p);
    return rdl_token_is_symbol(&p->tokens, t, ',') || rdl_token_is_symbol(&p->tokens, t, ')');
}

static bool parse_parameters(rdl_parser *p, rdl_ast_report *out)
{
    RDL_VEC(rdl_ast_parameter) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ast_parameter one = {0};
        if (!rdl_parse_ident(p, "the name of a parameter", &one.name) ||
            !rdl_parse_type(p, &one.type))
            return false;
        if (rdl_parse_accept(p, "DEFAULT") &&
            !rdl_parse_sql(p, behind_default, "an expression", &one.fallback))
            return false;
        for (size_t i = 0; i < list.n; i++)
            if (rdl_str_eq_nocase(list.v[i].name.text, one.name.text))
                return rdl_parse_fail(p, one.name.pos, NULL, "parameter \"%.*s\" is written twice",
                                      (int)one.name.text.n, one.name.text.p);
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->parameters = list.v;
    out->parameter_count = list.n;
    return rdl_parse_expect_symbol(p, ')');
}

static bool parse_template(rdl_parser *p, const char *clause, rdl_ast_template *out)
{
    if (!rdl_parse_twice(p, out->given, clause))
        return false;
    out->given = true;
    out->file = rdl_parse_accept(p, "FILE");
    return rdl_parse_string(p, "a text with {column} places, or FILE and a path", &out->text,
                            &out->pos);
}

static bool parse_clause(rdl_parser *p, rdl_ast_report *out)
{
    static const char *const clauses[] = {
        "FORMAT", "TO",       "FOR EACH", "PARAMETERS", "SCHEDULE", "TRIGGER ON UPDATE",
        "HEADER", "TEMPLATE", "FOOTER",   "OPTIONS",    "COMMENT",  "AS"};
    if (rdl_parse_accept(p, "FORMAT"))
        return parse_format(p, out);
    if (rdl_parse_accept(p, "TO"))
        return rdl_parse_twice(p, out->path.p != NULL, "TO") &&
               rdl_parse_string(p, "a path such as 'reports/{customer}.csv'", &out->path,
                                &out->path_pos);
    if (rdl_parse_accept2(p, "FOR", "EACH"))
        return rdl_parse_twice(p, out->each.n > 0, "FOR EACH") &&
               rdl_parse_idents(p, "the name of a column", &out->each);
    if (rdl_parse_accept(p, "PARAMETERS"))
        return rdl_parse_twice(p, out->parameter_count > 0, "PARAMETERS") &&
               parse_parameters(p, out);
    if (rdl_parse_at_schedule(p))
        return rdl_parse_schedule(p, &out->schedule);
    if (rdl_parse_accept(p, "HEADER"))
        return parse_template(p, "HEADER", &out->header);
    if (rdl_parse_accept(p, "TEMPLATE"))
        return parse_template(p, "TEMPLATE", &out->row);
    if (rdl_parse_accept(p, "FOOTER"))
        return parse_template(p, "FOOTER", &out->footer);
    if (rdl_parse_accept(p, "OPTIONS"))
        return rdl_parse_twice(p, out->option_count > 0, "OPTIONS") &&
               rdl_parse_options(p, &out->options, &out->option_count);
    if (rdl_parse_accept(p, "COMMENT"))
        return rdl_parse_twice(p, out->comment.n > 0, "COMMENT") &&
               rdl_parse_string(p, "a comment", &out->comment, NULL);
    return rdl_parse_clause_wrong(p, clauses, sizeof clauses / sizeof clauses[0]);
}

static bool at_on(const rdl_parser *p)
{
    return rdl_parse_is(p, "ON");
}

static bool at_using(const rdl_parser *p)
{
    return rdl_parse_is(p, "USING");
}

static bool at_group(const rdl_parser *p)
{
    return rdl_parse_is2(p, "GROUP", "BY");
}

static bool parse_pivot(rdl_parser *p, rdl_ast_pivot *out)
{
    RDL_VEC(rdl_ident) group = {0};
    if (!rdl_parse_sql(p, at_on, "a table or (SELECT ..)", &out->from) ||
        !rdl_parse_expect(p, "ON") ||
        !rdl_parse_ident(p, "the column whose values become columns", &out->on))
        return false;
    if (rdl_parse_accept2(p, "ORDER", "BY") &&
        !rdl_parse_sql(p, at_using, "an expression", &out->on_order))
        return false;
    if (!rdl_parse_expect(p, "USING") ||
        !rdl_parse_sql(p, at_group, "an aggregate such as first(answer)", &out->value))
        return false;
    if (!rdl_parse_accept2(p, "GROUP", "BY"))
        return rdl_parse_wrong(p, "GROUP BY", "Name the columns that make one row of the report.");
    do {
        rdl_ident one;
        if (!rdl_parse_ident(p, "the name of a column", &one))
            return false;
        RDL_PUSH(p->arena, &group) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->group = (rdl_idents){group.v, group.n};
    if (rdl_parse_accept2(p, "ORDER", "BY"))
        return rdl_parse_sql(p, rdl_parse_at_end, "columns to order by", &out->order);
    return true;
}

bool rdl_parse_report(rdl_parser *p, rdl_ast_report *out)
{
    while (!rdl_parse_accept(p, "AS"))
        if (!parse_clause(p, out))
            return false;
    if (!out->has_format)
        return rdl_parse_wrong(p, "FORMAT before AS", "Write FORMAT CSV, JSON, TEXT or HTML.");
    size_t first = p->at;
    if (!rdl_parse_accept(p, "PIVOT"))
        return rdl_parse_body(p, &out->body);
    out->pivots = true;
    if (!parse_pivot(p, &out->pivot))
        return false;
    out->body.sql.pos = rdl_parse_span(p, first, p->at - 1);
    out->body.sql.text =
        (rdl_str){p->tokens.file->text.p + out->body.sql.pos.at, out->body.sql.pos.len};
    return true;
}
