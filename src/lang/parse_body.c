/*
 * lang/parse_body.c - the SELECT of a statement: where it ends, and which of its tables are
 * streams.  What it says is DuckDB's parser's (bind_body.c).
 */
#include "lang/parse.h"

/* Whether `word` at token i opens or ends a list of tables in a SELECT. */
static int from_state(const rdl_parser *p, size_t i, int now)
{
    static const char *const closes[] = {"SELECT",    "WHERE",   "GROUP", "HAVING", "ORDER",
                                         "WINDOW",    "QUALIFY", "LIMIT", "UNION",  "EXCEPT",
                                         "INTERSECT", "ON",      "USING"};
    const rdl_tokens *t = &p->tokens;
    const rdl_token *token = &t->list.v[i];
    if (rdl_token_is(t, token, "FROM"))
        return i > 0 && rdl_token_is(t, token - 1, "DISTINCT") ? now : 1;
    if (rdl_token_is(t, token, "JOIN"))
        return 1;
    for (size_t k = 0; k < sizeof closes / sizeof closes[0]; k++)
        if (rdl_token_is(t, token, closes[k]))
            return 0;
    return now;
}

static void blank(char *text, uint32_t base, const rdl_token *t)
{
    memset(text + (t->at - base), ' ', t->len);
}

/*
 * STREAM x, and STREAM(x) as Spark writes it, behind FROM, JOIN and the commas of a FROM list.
 * Elsewhere STREAM is an ordinary name.
 */
static void find_streams(rdl_parser *p, size_t first, size_t end, rdl_ast_body *out)
{
    enum { DEPTH_MAX = 64 };
    int in_from[DEPTH_MAX] = {0};
    size_t depth = 0;
    char *text = rdl_arena_strndup(p->arena, out->sql.text.p, out->sql.text.n);
    uint32_t base = out->sql.pos.at;
    RDL_VEC(uint32_t) found = {0};
    const rdl_tokens *t = &p->tokens;
    for (size_t i = first; i < end; i++) {
        const rdl_token *token = &t->list.v[i], *next = token + 1;
        bool list_start =
            i > first && in_from[depth] == 1 &&
            (rdl_token_is(t, token - 1, "FROM") || rdl_token_is(t, token - 1, "JOIN") ||
             rdl_token_is_symbol(t, token - 1, ',') || rdl_token_is_symbol(t, token - 1, '('));
        if (list_start && rdl_token_is(t, token, "STREAM") && i + 1 < end) {
            const rdl_token *name = next;
            if (rdl_token_is_symbol(t, next, '(')) {
                size_t close = i + 2;
                while (close < end && !rdl_token_is_symbol(t, &t->list.v[close], ')'))
                    close++;
                if (close < end) {
                    blank(text, base, next);
                    blank(text, base, &t->list.v[close]);
                    p->tokens.list.v[close].kind = RDL_TOKEN_WORD; /* no longer a parenthesis */
                    i++;
                }
                name = next + 1;
            }
            if (name->kind == RDL_TOKEN_WORD || name->kind == RDL_TOKEN_QUOTED) {
                blank(text, base, token);
                RDL_PUSH(p->arena, &found) = name->at - base;
            }
            continue;
        }
        if (rdl_token_is_symbol(t, token, '(') && depth + 1 < DEPTH_MAX) {
            in_from[depth + 1] = list_start;
            depth++;
        } else if (rdl_token_is_symbol(t, token, ')') && depth > 0) {
            depth--;
        }
        in_from[depth] = from_state(p, i, in_from[depth]);
    }
    out->blanked = (rdl_str){text, out->sql.text.n};
    out->streams = found.v;
    out->stream_count = found.n;
}

bool rdl_parse_body(rdl_parser *p, rdl_ast_body *out)
{
    size_t first = p->at;
    if (!rdl_parse_is(p, "SELECT") && !rdl_parse_is(p, "WITH") && !rdl_parse_is(p, "FROM") &&
        !rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '('))
        return rdl_parse_wrong(p, "SELECT", NULL);
    while (!rdl_parse_at_end(p) && !rdl_parse_starts_statement(p))
        p->at++;
    if (!rdl_parse_at_end(p)) {
        p->resume = p->at;
        return rdl_parse_fail(p, rdl_parse_pos(p, rdl_parse_token(p)),
                              "End the statement above with one.",
                              "a semicolon is missing before this statement");
    }
    rdl_parse_sql_from(p, first, &out->sql);
    find_streams(p, first, p->at, out);
    return true;
}
