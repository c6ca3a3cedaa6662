/*
 * lang/parse_flow.c - CREATE FLOW .. AUTO CDC, and PUBLISH.
 */
#include "lang/parse.h"

static bool at_flow_clause(const rdl_parser *p)
{
    return rdl_parse_is2(p, "SEQUENCE", "BY") || rdl_parse_is2(p, "STORED", "AS") ||
           rdl_parse_is2(p, "TRACK", "HISTORY") || rdl_parse_is2(p, "APPLY", "AS") ||
           (rdl_parse_is(p, "COLUMNS") &&
            !rdl_token_is_symbol(&p->tokens, rdl_parse_ahead(p, 1), '.'));
}

/* (a, b) · a, b · * EXCEPT (a, b) */
static bool parse_selection(rdl_parser *p, rdl_ast_selection *out)
{
    out->given = true;
    if (rdl_parse_accept_symbol(p, '*')) {
        out->except = true;
        return rdl_parse_expect(p, "EXCEPT") &&
               rdl_parse_idents(p, "the name of a column", &out->columns);
    }
    if (rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '('))
        return rdl_parse_idents(p, "the name of a column", &out->columns);
    RDL_VEC(rdl_ident) list = {0};
    do {
        rdl_ident one;
        if (!rdl_parse_ident(p, "the name of a column", &one))
            return false;
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->columns = (rdl_idents){list.v, list.n};
    return true;
}

static bool parse_stored(rdl_parser *p, rdl_ast_flow *out)
{
    if (!rdl_parse_expect(p, "AS") || !rdl_parse_expect(p, "SCD") || !rdl_parse_expect(p, "TYPE"))
        return false;
    rdl_str n = rdl_token_text(&p->tokens, rdl_parse_token(p));
    if (n.n != 1 || (n.p[0] != '1' && n.p[0] != '2'))
        return rdl_parse_wrong(p, "1 or 2", NULL);
    out->scd = (unsigned)(n.p[0] - '0');
    p->at++;
    return true;
}

static bool parse_clause(rdl_parser *p, rdl_ast_flow *out)
{
    static const char *const clauses[] = {"KEYS",    "APPLY AS DELETE WHEN", "SEQUENCE BY",
                                          "COLUMNS", "STORED AS SCD TYPE",   "TRACK HISTORY ON"};
    if (rdl_parse_accept(p, "KEYS"))
        return rdl_parse_twice(p, out->keys.n > 0, "KEYS") &&
               rdl_parse_idents(p, "the name of a column", &out->keys);
    if (rdl_parse_accept(p, "APPLY"))
        return rdl_parse_twice(p, out->delete_when.text.n > 0, "APPLY AS DELETE") &&
               rdl_parse_expect(p, "AS") && rdl_parse_expect(p, "DELETE") &&
               rdl_parse_expect(p, "WHEN") &&
               rdl_parse_sql(p, at_flow_clause, "a condition", &out->delete_when);
    if (rdl_parse_accept2(p, "SEQUENCE", "BY"))
        return rdl_parse_twice(p, out->sequence.text.n > 0, "SEQUENCE BY") &&
               rdl_parse_ident(p, "the column that orders the changes", &out->sequence);
    if (rdl_parse_accept(p, "COLUMNS"))
        return rdl_parse_twice(p, out->columns.given, "COLUMNS") &&
               parse_selection(p, &out->columns);
    if (rdl_parse_accept(p, "STORED"))
        return rdl_parse_twice(p, out->scd != 0, "STORED AS") && parse_stored(p, out);
    if (rdl_parse_accept2(p, "TRACK", "HISTORY"))
        return rdl_parse_twice(p, out->track.given, "TRACK HISTORY") && rdl_parse_expect(p, "ON") &&
               parse_selection(p, &out->track);
    return rdl_parse_clause_wrong(p, clauses, sizeof clauses / sizeof clauses[0]);
}

bool rdl_parse_flow(rdl_parser *p, rdl_stmt *out)
{
    rdl_ast_flow *f = &out->u.flow;
    if (!rdl_parse_expect(p, "AS") || !rdl_parse_expect(p, "AUTO") || !rdl_parse_expect(p, "CDC") ||
        !rdl_parse_expect(p, "INTO") ||
        !rdl_parse_ref(p, "the table that the flow keeps", &f->target) ||
        !rdl_parse_expect(p, "FROM"))
        return false;
    f->stream = rdl_parse_accept(p, "STREAM");
    bool parens = f->stream && rdl_parse_accept_symbol(p, '(');
    if (!rdl_parse_ref(p, "a source or table", &f->input) ||
        (parens && !rdl_parse_expect_symbol(p, ')')))
        return false;
    while (!rdl_parse_at_end(p))
        if (!parse_clause(p, f))
            return false;
    if (f->keys.n == 0)
        return rdl_parse_wrong(p, "KEYS", "Name the columns that identify a row: KEYS (id).");
    if (f->track.given && f->scd != 2)
        return rdl_parse_fail(p, f->track.columns.v[0].pos, "Write STORED AS SCD TYPE 2.",
                              "only type 2 has a history to track");
    if (f->scd == 0)
        f->scd = 1;
    return true;
}

static bool parse_key_column(rdl_parser *p, rdl_ident *out, bool *descending)
{
    *descending = false;
    if (!rdl_parse_ident(p, "the name of a column", out))
        return false;
    if (rdl_parse_accept(p, "DESC"))
        *descending = true;
    else
        (void)rdl_parse_accept(p, "ASC");
    return true;
}

/* ((a, b), c DESC, d) or (a, b): without inner parentheses the first is the partition key. */
bool rdl_parse_publish_key(rdl_parser *p, rdl_ast_publish *out)
{
    RDL_VEC(rdl_ident) columns = {0};
    RDL_VEC(bool) descending = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    if (rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '(')) {
        rdl_idents partition;
        if (!rdl_parse_idents(p, "the name of a column", &partition))
            return false;
        for (size_t i = 0; i < partition.n; i++) {
            RDL_PUSH(p->arena, &columns) = partition.v[i];
            RDL_PUSH(p->arena, &descending) = false;
        }
        out->partition_key_count = partition.n;
    } else {
        rdl_ident first;
        bool down;
        if (!parse_key_column(p, &first, &down))
            return false;
        RDL_PUSH(p->arena, &columns) = first;
        RDL_PUSH(p->arena, &descending) = down;
        out->partition_key_count = 1;
    }
    while (rdl_parse_accept_symbol(p, ',')) {
        rdl_ident one;
        bool down;
        if (!parse_key_column(p, &one, &down))
            return false;
        RDL_PUSH(p->arena, &columns) = one;
        RDL_PUSH(p->arena, &descending) = down;
    }
    out->key = (rdl_idents){columns.v, columns.n};
    out->descending = descending.v;
    return rdl_parse_expect_symbol(p, ')');
}

/* (column AS name in the store, ..) */
static bool parse_rename(rdl_parser *p, rdl_ast_publish *out)
{
    RDL_VEC(rdl_ident) from = {0};
    RDL_VEC(rdl_ident) to = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ident a, b;
        if (!rdl_parse_ident(p, "the name of a column", &a) || !rdl_parse_expect(p, "AS") ||
            !rdl_parse_ident(p, "its name in the store", &b))
            return false;
        RDL_PUSH(p->arena, &from) = a;
        RDL_PUSH(p->arena, &to) = b;
    } while (rdl_parse_accept_symbol(p, ','));
    out->renamed = (rdl_idents){from.v, from.n};
    out->as = (rdl_idents){to.v, to.n};
    return rdl_parse_expect_symbol(p, ')');
}

bool rdl_parse_publish(rdl_parser *p, rdl_stmt *out)
{
    static const char *const clauses[] = {"AS", "RENAME", "PRIMARY KEY", "WITH"};
    rdl_ast_publish *u = &out->u.publish;
    rdl_ident name = {0};
    if (!rdl_parse_ref(p, "the table to publish", &out->name) || !rdl_parse_expect(p, "TO") ||
        !rdl_parse_string(p, "a URL such as 'sqlite:serving.db'", &u->url, &u->url_pos))
        return false;
    while (!rdl_parse_at_end(p)) {
        bool ok;
        if (rdl_parse_accept(p, "AS"))
            ok = rdl_parse_twice(p, name.text.n > 0, "AS") && rdl_parse_ident(p, "a name", &name);
        else if (rdl_parse_accept(p, "RENAME"))
            ok = rdl_parse_twice(p, u->renamed.n > 0, "RENAME") && parse_rename(p, u);
        else if (rdl_parse_accept2(p, "PRIMARY", "KEY"))
            ok = rdl_parse_twice(p, u->key.n > 0, "PRIMARY KEY") && rdl_parse_publish_key(p, u);
        else if (rdl_parse_accept(p, "WITH"))
            ok = rdl_parse_twice(p, u->option_count > 0, "WITH") &&
                 rdl_parse_options(p, &u->options, &u->option_count);
        else
            ok = rdl_parse_clause_wrong(p, clauses, 4);
        if (!ok)
            return false;
    }
    u->name = name.text;
    return true;
}
