/*
 * lang/parse_table.c - CREATE STREAMING TABLE and CREATE MATERIALIZED VIEW: constraints, clauses
 * in any order, and the body.
 */
#include "lang/parse.h"

static bool comma_or_close(const rdl_parser *p)
{
    return rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), ',');
}

static bool parse_imputes(rdl_parser *p, rdl_ast_constraint *out)
{
    RDL_VEC(rdl_ast_impute) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ast_impute one;
        if (!rdl_parse_ident(p, "the name of a column", &one.column) ||
            !rdl_parse_expect_symbol(p, '=') ||
            !rdl_parse_sql(p, comma_or_close, "an expression", &one.expr))
            return false;
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->imputes = list.v;
    out->impute_count = list.n;
    return rdl_parse_expect_symbol(p, ')');
}

static bool parse_violation(rdl_parser *p, rdl_ast_constraint *out)
{
    static const char *const actions[] = {"KEEP", "DROP ROW", "QUARANTINE", "FAIL UPDATE",
                                          "IMPUTE"};
    if (rdl_parse_accept(p, "KEEP"))
        out->action = RDL_VIOLATION_KEEP;
    else if (rdl_parse_accept(p, "DROP")) {
        out->action = RDL_VIOLATION_DROP_ROW;
        return rdl_parse_expect(p, "ROW");
    } else if (rdl_parse_accept(p, "QUARANTINE"))
        out->action = RDL_VIOLATION_QUARANTINE;
    else if (rdl_parse_accept(p, "FAIL")) {
        out->action = RDL_VIOLATION_FAIL;
        return rdl_parse_expect(p, "UPDATE");
    } else if (rdl_parse_accept(p, "IMPUTE")) {
        out->action = RDL_VIOLATION_IMPUTE;
        return parse_imputes(p, out);
    } else {
        return rdl_parse_clause_wrong(p, actions, 5);
    }
    return true;
}

static bool parse_constraint(rdl_parser *p, rdl_ast_constraint *out)
{
    if (!rdl_parse_expect(p, "CONSTRAINT") ||
        !rdl_parse_ident(p, "the name of the constraint", &out->name) ||
        !rdl_parse_expect(p, "EXPECT"))
        return false;
    if (rdl_parse_accept(p, "UNIQUE")) {
        if (!rdl_parse_idents(p, "the name of a column", &out->unique))
            return false;
    } else if (!rdl_parse_sql_parens(p, "a condition", &out->expr)) {
        return false;
    }
    if (rdl_parse_accept2(p, "ON", "VIOLATION"))
        return parse_violation(p, out);
    return true;
}

static bool parse_constraints(rdl_parser *p, rdl_ast_table *out)
{
    RDL_VEC(rdl_ast_constraint) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ast_constraint one = {0};
        if (!parse_constraint(p, &one))
            return false;
        for (size_t i = 0; i < list.n; i++)
            if (rdl_str_eq_nocase(list.v[i].name.text, one.name.text))
                return rdl_parse_fail(p, one.name.pos, NULL, "constraint \"%.*s\" is written twice",
                                      (int)one.name.text.n, one.name.text.p);
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->constraints = list.v;
    out->constraint_count = list.n;
    return rdl_parse_expect_symbol(p, ')');
}

static bool parse_on_late(rdl_parser *p, rdl_ast_table *out)
{
    static const char *const choices[] = {"AMEND", "DIVERT", "DROP"};
    for (size_t i = 0; i < 3; i++) {
        if (rdl_parse_accept(p, choices[i])) {
            out->on_late = (rdl_on_late)i;
            return true;
        }
    }
    return rdl_parse_clause_wrong(p, choices, 3);
}

static bool parse_dedup(rdl_parser *p, rdl_ast_table *out)
{
    if (!rdl_parse_expect(p, "ON") || !rdl_parse_idents(p, "the name of a column", &out->dedup))
        return false;
    if (rdl_parse_accept(p, "WITHIN"))
        return rdl_parse_interval(p, &out->dedup_within_us);
    return true;
}

static bool parse_streaming_clause(rdl_parser *p, rdl_ast_table *out, bool *seen_late)
{
    static const char *const clauses[] = {"PARTITIONED BY", "DEDUPLICATE", "ON LATE",
                                          "ALLOW FANOUT",   "COMMENT",     "AS"};
    if (rdl_parse_accept(p, "DEDUPLICATE"))
        return rdl_parse_twice(p, out->dedup.n > 0, "DEDUPLICATE") && parse_dedup(p, out);
    if (rdl_parse_accept2(p, "ON", "LATE")) {
        if (!rdl_parse_twice(p, *seen_late, "ON LATE"))
            return false;
        *seen_late = true;
        return parse_on_late(p, out);
    }
    if (rdl_parse_accept2(p, "ALLOW", "FANOUT"))
        return out->allow_fanout = true;
    if (rdl_parse_accept2(p, "PROCESSING", "TIME"))
        return out->processing_time = true;
    if (rdl_parse_is2(p, "PRIMARY", "KEY"))
        return rdl_parse_wrong(p, "a clause of a streaming table",
                               "Write DEDUPLICATE ON (..) to keep one row per key.");
    return rdl_parse_clause_wrong(p, clauses, 6);
}

static bool parse_view_clause(rdl_parser *p, rdl_ast_table *out)
{
    static const char *const clauses[] = {
        "PRIMARY KEY",  "PARTITIONED BY", "SCHEDULE", "TRIGGER ON UPDATE",
        "ALLOW FANOUT", "COMMENT",        "AS"};
    if (rdl_parse_accept2(p, "ALLOW", "FANOUT"))
        return out->allow_fanout = true;
    if (rdl_parse_accept2(p, "PRIMARY", "KEY"))
        return rdl_parse_twice(p, out->primary_key.n > 0, "PRIMARY KEY") &&
               rdl_parse_idents(p, "the name of a column", &out->primary_key);
    if (rdl_parse_at_schedule(p))
        return rdl_parse_schedule(p, &out->schedule);
    if (rdl_parse_is(p, "DEDUPLICATE"))
        return rdl_parse_wrong(p, "a clause of a materialized view",
                               "Deduplicate in a streaming table below it, or by GROUP BY.");
    return rdl_parse_clause_wrong(p, clauses, 7);
}

bool rdl_parse_table(rdl_parser *p, rdl_stmt_kind kind, rdl_ast_table *out)
{
    bool seen_late = false;
    if (rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '(') && !parse_constraints(p, out))
        return false;
    while (!rdl_parse_accept(p, "AS")) {
        bool ok;
        if (rdl_parse_accept2(p, "PARTITIONED", "BY"))
            ok = rdl_parse_twice(p, out->partition_by.n > 0, "PARTITIONED BY") &&
                 rdl_parse_idents(p, "the name of a column", &out->partition_by);
        else if (rdl_parse_accept(p, "COMMENT"))
            ok = rdl_parse_twice(p, out->comment.n > 0, "COMMENT") &&
                 rdl_parse_string(p, "a comment", &out->comment, NULL);
        else if (kind == RDL_STMT_STREAMING)
            ok = parse_streaming_clause(p, out, &seen_late);
        else
            ok = parse_view_clause(p, out);
        if (!ok)
            return false;
    }
    return rdl_parse_body(p, &out->body);
}
