/*
 * lang/parse_model.c - CREATE MODEL TABLE and CREATE MODEL: a program of the user's, what it reads
 * and what it gives.
 *
 *   CREATE MODEL TABLE s.n (col type, ..) [PRIMARY KEY (..)] [PARTITIONED BY (..)] [SCHEDULE ..]
 *   AS TRANSFORM (SELECT ..) USING 'command' [PARAMETERS (k = v, ..)] [TIMEOUT INTERVAL ..]
 *      [FORMAT JSON | PARQUET] [VERSION '..'] [ARTIFACT n]
 *
 *   CREATE MODEL n [SCHEDULE ..] AS TRAIN (SELECT ..) USING 'command' ..
 */
#include "lang/parse.h"

static bool parse_columns(rdl_parser *p, rdl_ast_model *out)
{
    RDL_VEC(rdl_ast_column) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ast_column one = {0};
        if (!rdl_parse_ident(p, "the name of a column", &one.name) || !rdl_parse_type(p, &one.type))
            return false;
        if (rdl_parse_accept(p, "COMMENT") && !rdl_parse_string(p, "a comment", &one.comment, NULL))
            return false;
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->columns = list.v;
    out->column_count = list.n;
    return rdl_parse_expect_symbol(p, ')');
}

static bool parse_head_clause(rdl_parser *p, bool table, rdl_ast_model *out)
{
    static const char *const clauses[] = {"SCHEDULE", "TRIGGER ON UPDATE", "COMMENT",
                                          "AS",       "PRIMARY KEY",       "PARTITIONED BY"};
    if (rdl_parse_at_schedule(p))
        return rdl_parse_schedule(p, &out->schedule);
    if (rdl_parse_accept(p, "COMMENT"))
        return rdl_parse_twice(p, out->comment.n > 0, "COMMENT") &&
               rdl_parse_string(p, "a comment", &out->comment, NULL);
    if (table && rdl_parse_accept2(p, "PRIMARY", "KEY"))
        return rdl_parse_twice(p, out->primary_key.n > 0, "PRIMARY KEY") &&
               rdl_parse_idents(p, "the name of a column", &out->primary_key);
    if (table && rdl_parse_accept2(p, "PARTITIONED", "BY"))
        return rdl_parse_twice(p, out->partition_by.n > 0, "PARTITIONED BY") &&
               rdl_parse_idents(p, "the name of a column", &out->partition_by);
    return rdl_parse_clause_wrong(p, clauses, table ? 6 : 4);
}

static bool parse_format(rdl_parser *p, rdl_ast_model *out)
{
    static const char *const names[] = {"JSON", "PARQUET"};
    if (rdl_parse_accept(p, "JSON"))
        return true;
    if (rdl_parse_accept(p, "PARQUET"))
        return out->parquet = true;
    return rdl_parse_clause_wrong(p, names, 2);
}

static bool parse_tail_clause(rdl_parser *p, rdl_ast_model *out)
{
    static const char *const clauses[] = {"PARAMETERS", "TIMEOUT",  "FORMAT",
                                          "VERSION",    "ARTIFACT", "SCHEDULE"};
    if (rdl_parse_accept(p, "PARAMETERS"))
        return rdl_parse_twice(p, out->parameter_count > 0, "PARAMETERS") &&
               rdl_parse_options(p, &out->parameters, &out->parameter_count);
    if (rdl_parse_accept(p, "TIMEOUT"))
        return rdl_parse_twice(p, out->timeout_us > 0, "TIMEOUT") &&
               rdl_parse_interval(p, &out->timeout_us);
    if (rdl_parse_accept(p, "FORMAT"))
        return parse_format(p, out);
    if (rdl_parse_accept(p, "VERSION"))
        return rdl_parse_string(p, "a version", &out->version, NULL);
    if (rdl_parse_accept(p, "ARTIFACT"))
        return rdl_parse_ref(p, "the name of a model", &out->artifact);
    if (rdl_parse_at_schedule(p))
        return rdl_parse_schedule(p, &out->schedule);
    return rdl_parse_clause_wrong(p, clauses, sizeof clauses / sizeof clauses[0]);
}

bool rdl_parse_model(rdl_parser *p, bool table, rdl_ast_model *out)
{
    if (table && !parse_columns(p, out))
        return false;
    while (!rdl_parse_accept(p, "AS"))
        if (!parse_head_clause(p, table, out))
            return false;
    if (!rdl_parse_expect(p, table ? "TRANSFORM" : "TRAIN") ||
        !rdl_parse_sql_parens(p, "SELECT", &out->select) || !rdl_parse_expect(p, "USING") ||
        !rdl_parse_string(p, "a command", &out->command, &out->command_pos))
        return false;
    while (!rdl_parse_at_end(p))
        if (!parse_tail_clause(p, out))
            return false;
    return true;
}
