/*
 * lang/parse_grant.c - GRANT SELECT ON s.t | s.* | ALL TABLES TO ROLE r [, ROLE r2]
 *
 * TABLE and SCHEMA before the name are understood as Databricks writes them.
 */
#include "lang/parse.h"

static bool parse_object(rdl_parser *p, rdl_ast_grant *out)
{
    size_t first = p->at;
    rdl_ident name;
    if (rdl_parse_accept2(p, "ALL", "TABLES")) {
        out->object.pos = rdl_parse_span(p, first, p->at - 1);
        return true;
    }
    bool schema = rdl_parse_accept(p, "SCHEMA");
    if (!schema)
        (void)rdl_parse_accept(p, "TABLE");
    if (!rdl_parse_ident(p, "a table, schema.* or ALL TABLES", &name))
        return false;
    if (!schema && rdl_parse_accept_symbol(p, '.')) {
        out->object.schema = name.text;
        name.text = (rdl_str){"", 0};
        if (!rdl_parse_accept_symbol(p, '*') && !rdl_parse_ident(p, "a table or *", &name))
            return false;
    }
    if (schema)
        out->object.schema = name.text;
    else
        out->object.name = name.text;
    out->object.pos = rdl_parse_span(p, first, p->at - 1);
    return true;
}

bool rdl_parse_grant(rdl_parser *p, rdl_ast_grant *out)
{
    RDL_VEC(rdl_ident) roles = {0};
    if (!rdl_parse_accept(p, "SELECT"))
        return rdl_parse_wrong(p, "SELECT", "Tables change through the pipeline alone.");
    if (!rdl_parse_expect(p, "ON") || !parse_object(p, out) || !rdl_parse_expect(p, "TO"))
        return false;
    do {
        rdl_ident one;
        (void)rdl_parse_accept(p, "ROLE");
        if (!rdl_parse_ident(p, "the name of a role", &one))
            return false;
        RDL_PUSH(p->arena, &roles) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->roles = (rdl_idents){roles.v, roles.n};
    return true;
}
