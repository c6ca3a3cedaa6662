/*
 * lang/parse_seed.c - SEED: rows of a file that `raudal provision` puts into a store.
 */
#include "lang/parse.h"

typedef struct seed_seen {
    bool from, format, options, to, as, key, with;
} seed_seen;

static bool parse_clause(rdl_parser *p, seed_seen *seen, rdl_ast_seed *out)
{
    static const char *const clauses[] = {"FROM", "FORMAT",      "OPTIONS", "TO",
                                          "AS",   "PRIMARY KEY", "WITH"};
    rdl_ident name;
    if (rdl_parse_accept(p, "FROM"))
        return rdl_parse_twice(p, seen->from, "FROM") && (seen->from = true) &&
               rdl_parse_string(p, "the path of a file", &out->source.url, &out->source.url_pos);
    if (rdl_parse_accept(p, "FORMAT"))
        return rdl_parse_twice(p, seen->format, "FORMAT") && (seen->format = true) &&
               rdl_parse_format(p, &out->source);
    if (rdl_parse_accept(p, "OPTIONS"))
        return rdl_parse_twice(p, seen->options, "OPTIONS") && (seen->options = true) &&
               rdl_parse_options(p, &out->source.options, &out->source.option_count);
    if (rdl_parse_accept(p, "TO"))
        return rdl_parse_twice(p, seen->to, "TO") && (seen->to = true) &&
               rdl_parse_string(p, "a URL such as 'postgres://host/database'", &out->publish.url,
                                &out->publish.url_pos);
    if (rdl_parse_accept2(p, "PRIMARY", "KEY"))
        return rdl_parse_twice(p, seen->key, "PRIMARY KEY") && (seen->key = true) &&
               rdl_parse_publish_key(p, &out->publish);
    if (rdl_parse_accept(p, "WITH"))
        return rdl_parse_twice(p, seen->with, "WITH") && (seen->with = true) &&
               rdl_parse_options(p, &out->publish.options, &out->publish.option_count);
    if (!rdl_parse_accept(p, "AS"))
        return rdl_parse_clause_wrong(p, clauses, sizeof clauses / sizeof clauses[0]);
    if (!rdl_parse_twice(p, seen->as, "AS") || !rdl_parse_ident(p, "a name", &name))
        return false;
    seen->as = true;
    out->publish.name = name.text;
    return true;
}

bool rdl_parse_seed(rdl_parser *p, rdl_stmt *out)
{
    rdl_ast_seed *seed = &out->u.seed;
    seed_seen seen = {0};
    seed->source.format = RDL_FORMAT_CSV;
    if (!rdl_parse_ref(p, "a name", &out->name) || !rdl_parse_source_columns(p, &seed->source))
        return false;
    while (!rdl_parse_at_end(p))
        if (!parse_clause(p, &seen, seed))
            return false;
    if (!seen.from)
        return rdl_parse_wrong(p, "FROM", "A seed's rows are FROM 'a file'.");
    if (!seen.to)
        return rdl_parse_wrong(p, "TO", "A seed goes TO a store, 'postgres://host/database'.");
    return seen.key || rdl_parse_wrong(p, "PRIMARY KEY", "Rows of the same key are replaced.");
}
