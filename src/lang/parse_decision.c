/*
 * lang/parse_decision.c - CREATE DECISION TABLE: what is decided once and never changes.
 *
 *   CREATE DECISION TABLE s.n [(column TYPE, ..)] PRIMARY KEY (..) [SCHEDULE .. | TRIGGER ON
 *   UPDATE] [PARTITIONED BY (..)] [COMMENT '..'] AS SELECT ..
 *
 * The columns are declared when the body reads the table's own past: their types must be known
 * before the body is bound.
 */
#include "lang/parse.h"

static bool parse_columns(rdl_parser *p, rdl_ast_table *out)
{
    RDL_VEC(rdl_ast_argument) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ast_argument one = {0};
        if (!rdl_parse_ident(p, "the name of a column", &one.name) || !rdl_parse_type(p, &one.type))
            return false;
        for (size_t i = 0; i < list.n; i++)
            if (rdl_str_eq_nocase(list.v[i].name.text, one.name.text))
                return rdl_parse_fail(p, one.name.pos, NULL, "column \"%.*s\" is written twice",
                                      (int)one.name.text.n, one.name.text.p);
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->declared = list.v;
    out->declared_count = list.n;
    return rdl_parse_expect_symbol(p, ')');
}

static bool parse_clause(rdl_parser *p, rdl_ast_table *out)
{
    static const char *const clauses[] = {"PRIMARY KEY",    "SCHEDULE", "TRIGGER ON UPDATE",
                                          "PARTITIONED BY", "COMMENT",  "AS"};
    if (rdl_parse_accept2(p, "PRIMARY", "KEY"))
        return rdl_parse_twice(p, out->primary_key.n > 0, "PRIMARY KEY") &&
               rdl_parse_idents(p, "the name of a column", &out->primary_key);
    if (rdl_parse_accept2(p, "PARTITIONED", "BY"))
        return rdl_parse_twice(p, out->partition_by.n > 0, "PARTITIONED BY") &&
               rdl_parse_idents(p, "the name of a column", &out->partition_by);
    if (rdl_parse_at_schedule(p))
        return rdl_parse_schedule(p, &out->schedule);
    if (rdl_parse_accept(p, "COMMENT"))
        return rdl_parse_twice(p, out->comment.n > 0, "COMMENT") &&
               rdl_parse_string(p, "a comment", &out->comment, NULL);
    return rdl_parse_clause_wrong(p, clauses, sizeof clauses / sizeof clauses[0]);
}

bool rdl_parse_decision(rdl_parser *p, rdl_ast_table *out)
{
    if (rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '(') && !parse_columns(p, out))
        return false;
    while (!rdl_parse_accept(p, "AS"))
        if (!parse_clause(p, out))
            return false;
    if (out->primary_key.n == 0)
        return rdl_parse_wrong(p, "PRIMARY KEY before AS",
                               "A decision table needs the key by which a thing is decided once.");
    return rdl_parse_body(p, &out->body);
}
