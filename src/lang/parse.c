/*
 * lang/parse.c - the pieces that statements are made of: words, names, texts, lengths of time,
 * options, types and stretches of SQL.
 */
#include "lang/parse.h"

#include <stdio.h>

#include "base/clock.h"

const rdl_token *rdl_parse_ahead(const rdl_parser *p, size_t n)
{
    size_t last = p->tokens.list.n - 1;
    return &p->tokens.list.v[p->at + n < last ? p->at + n : last];
}

rdl_pos rdl_parse_pos(const rdl_parser *p, const rdl_token *token)
{
    return (rdl_pos){p->tokens.file, token->at, token->len};
}

rdl_pos rdl_parse_span(const rdl_parser *p, size_t first, size_t last)
{
    const rdl_token *a = &p->tokens.list.v[first], *b = &p->tokens.list.v[last];
    return (rdl_pos){p->tokens.file, a->at, b->at + b->len - a->at};
}

bool rdl_parse_at_end(const rdl_parser *p)
{
    const rdl_token *t = rdl_parse_token(p);
    return t->kind == RDL_TOKEN_END || rdl_token_is_symbol(&p->tokens, t, ';');
}

bool rdl_parse_is(const rdl_parser *p, const char *keyword)
{
    return rdl_token_is(&p->tokens, rdl_parse_token(p), keyword);
}

bool rdl_parse_is2(const rdl_parser *p, const char *first, const char *second)
{
    return rdl_parse_is(p, first) && rdl_token_is(&p->tokens, rdl_parse_ahead(p, 1), second);
}

bool rdl_parse_accept(rdl_parser *p, const char *keyword)
{
    if (!rdl_parse_is(p, keyword))
        return false;
    p->at++;
    return true;
}

bool rdl_parse_accept2(rdl_parser *p, const char *first, const char *second)
{
    if (!rdl_parse_is2(p, first, second))
        return false;
    p->at += 2;
    return true;
}

bool rdl_parse_accept_symbol(rdl_parser *p, char c)
{
    if (!rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), c))
        return false;
    p->at++;
    return true;
}

bool rdl_parse_fail(rdl_parser *p, rdl_pos pos, const char *hint, const char *fmt, ...)
{
    char msg[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    rdl_diag_add(p->diags, RDL_DIAG_ERROR, pos, hint, "%s", msg);
    return false;
}

bool rdl_parse_wrong(rdl_parser *p, const char *what, const char *hint)
{
    const rdl_token *t = rdl_parse_token(p);
    rdl_pos pos = rdl_parse_pos(p, t);
    if (t->kind == RDL_TOKEN_END)
        return rdl_parse_fail(p, pos, hint, "expected %s, found the end of the text", what);
    rdl_str s = rdl_token_text(&p->tokens, t);
    if (s.n > 40)
        s.n = 40;
    if (t->kind == RDL_TOKEN_WORD || t->kind == RDL_TOKEN_SYMBOL || t->kind == RDL_TOKEN_NUMBER)
        return rdl_parse_fail(p, pos, hint, "expected %s, found \"%.*s\"", what, (int)s.n, s.p);
    return rdl_parse_fail(p, pos, hint, "expected %s, found %.*s", what, (int)s.n, s.p);
}

bool rdl_parse_expect(rdl_parser *p, const char *keyword)
{
    return rdl_parse_accept(p, keyword) || rdl_parse_wrong(p, keyword, NULL);
}

bool rdl_parse_expect_symbol(rdl_parser *p, char c)
{
    char what[] = {'"', c, '"', '\0'};
    return rdl_parse_accept_symbol(p, c) || rdl_parse_wrong(p, what, NULL);
}

bool rdl_parse_clause_wrong(rdl_parser *p, const char *const *clauses, size_t n)
{
    rdl_buf all = {0};
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", clauses[i]);
    const char *best = NULL, *hint = NULL;
    if (rdl_parse_token(p)->kind == RDL_TOKEN_WORD)
        best = rdl_nearest(rdl_token_text(&p->tokens, rdl_parse_token(p)), clauses, n);
    if (best != NULL)
        hint = rdl_arena_printf(p->arena, "Did you mean %s?", best);
    const char *what = rdl_arena_printf(p->arena, "%s", rdl_buf_str(&all));
    rdl_buf_fini(&all);
    return rdl_parse_wrong(p, what, hint);
}

bool rdl_parse_twice(rdl_parser *p, bool seen, const char *clause)
{
    if (!seen)
        return true;
    return rdl_parse_fail(p, rdl_parse_pos(p, rdl_parse_token(p)), NULL, "%s is written twice",
                          clause);
}

bool rdl_parse_ident(rdl_parser *p, const char *what, rdl_ident *out)
{
    const rdl_token *t = rdl_parse_token(p);
    if (t->kind != RDL_TOKEN_WORD && t->kind != RDL_TOKEN_QUOTED)
        return rdl_parse_wrong(p, what, NULL);
    *out = (rdl_ident){rdl_token_value(p->arena, &p->tokens, t), rdl_parse_pos(p, t)};
    p->at++;
    if (out->text.n == 0)
        return rdl_parse_fail(p, out->pos, NULL, "a name must not be empty");
    return true;
}

bool rdl_parse_ref(rdl_parser *p, const char *what, rdl_ref *out)
{
    size_t first = p->at;
    rdl_ident name;
    if (!rdl_parse_ident(p, what, &name))
        return false;
    *out = (rdl_ref){.name = name.text};
    if (rdl_parse_accept_symbol(p, '.')) {
        out->schema = name.text;
        if (!rdl_parse_ident(p, "a name behind the dot", &name))
            return false;
        out->name = name.text;
    }
    out->pos = rdl_parse_span(p, first, p->at - 1);
    return true;
}

bool rdl_parse_string(rdl_parser *p, const char *what, rdl_str *out, rdl_pos *out_pos)
{
    const rdl_token *t = rdl_parse_token(p);
    if (t->kind != RDL_TOKEN_STRING)
        return rdl_parse_wrong(p, what, "Write it in single quotes.");
    *out = rdl_token_value(p->arena, &p->tokens, t);
    if (out_pos != NULL)
        *out_pos = rdl_parse_pos(p, t);
    p->at++;
    return true;
}

bool rdl_parse_idents(rdl_parser *p, const char *what, rdl_idents *out)
{
    RDL_VEC(rdl_ident) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ident one;
        if (!rdl_parse_ident(p, what, &one))
            return false;
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    *out = (rdl_idents){list.v, list.n};
    return rdl_parse_expect_symbol(p, ')');
}

bool rdl_parse_interval(rdl_parser *p, int64_t *out_us)
{
    if (!rdl_parse_expect(p, "INTERVAL"))
        return false;
    size_t first = p->at;
    rdl_buf text = {0};
    const rdl_token *t = rdl_parse_token(p);
    if (t->kind != RDL_TOKEN_NUMBER && t->kind != RDL_TOKEN_STRING)
        return rdl_parse_wrong(p, "a length of time such as 10 MINUTES", NULL);
    rdl_str value = rdl_token_value(p->arena, &p->tokens, t);
    rdl_buf_put(&text, value.p, value.n);
    p->at++;
    bool bare = t->kind == RDL_TOKEN_NUMBER ||
                memchr("0123456789", value.n > 0 ? value.p[value.n - 1] : 'x', 10) != NULL;
    if (bare && rdl_parse_token(p)->kind == RDL_TOKEN_WORD) {
        value = rdl_token_text(&p->tokens, rdl_parse_token(p));
        rdl_buf_putc(&text, ' ');
        rdl_buf_put(&text, value.p, value.n);
        p->at++;
    }
    bool ok = rdl_interval_parse((rdl_str){rdl_buf_str(&text), text.n}, out_us) && *out_us >= 0;
    rdl_buf_fini(&text);
    if (!ok)
        return rdl_parse_fail(p, rdl_parse_span(p, first, p->at - 1),
                              "Write it as INTERVAL 10 MINUTES; units are MILLISECONDS, SECONDS, "
                              "MINUTES, HOURS, DAYS and WEEKS.",
                              "this is not a length of time");
    return true;
}

static rdl_str lower(rdl_arena *a, rdl_str s)
{
    char *p = rdl_arena_strndup(a, s.p, s.n);
    for (size_t i = 0; i < s.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 32);
    return (rdl_str){p, s.n};
}

/* A map as in CQL, {'class': 'SimpleStrategy'}: its text, braces included. */
static bool parse_map(rdl_parser *p, rdl_str *out)
{
    const rdl_token *open = rdl_parse_token(p);
    while (!rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '}')) {
        if (rdl_parse_at_end(p))
            return rdl_parse_wrong(p, "} at the end of the map", NULL);
        p->at++;
    }
    const rdl_token *close = rdl_parse_token(p);
    p->at++;
    *out = (rdl_str){p->tokens.file->text.p + open->at, close->at + 1 - open->at};
    return true;
}

static bool parse_option_value(rdl_parser *p, rdl_str *out)
{
    if (rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '{'))
        return parse_map(p, out);
    bool minus = rdl_parse_accept_symbol(p, '-');
    const rdl_token *t = rdl_parse_token(p);
    if (t->kind == RDL_TOKEN_SYMBOL || t->kind == RDL_TOKEN_END)
        return rdl_parse_wrong(p, "a value", NULL);
    *out = rdl_token_value(p->arena, &p->tokens, t);
    if (minus)
        *out = rdl_str_of(rdl_arena_printf(p->arena, "-%.*s", (int)out->n, out->p));
    p->at++;
    return true;
}

/* A word, words with dots between (sasl.password), or either in quotes. */
static bool parse_option_name(rdl_parser *p, rdl_ident *out)
{
    const rdl_token *t = rdl_parse_token(p);
    if (t->kind == RDL_TOKEN_STRING)
        return rdl_parse_string(p, "the name of an option", &out->text, &out->pos);
    size_t first = p->at;
    rdl_ident part;
    if (!rdl_parse_ident(p, "the name of an option", out))
        return false;
    while (rdl_parse_accept_symbol(p, '.')) {
        if (!rdl_parse_ident(p, "a name behind the dot", &part))
            return false;
        out->text = rdl_str_of(rdl_arena_printf(p->arena, "%.*s.%.*s", (int)out->text.n,
                                                out->text.p, (int)part.text.n, part.text.p));
    }
    out->pos = rdl_parse_span(p, first, p->at - 1);
    return true;
}

bool rdl_parse_options(rdl_parser *p, rdl_option **out, size_t *out_n)
{
    RDL_VEC(rdl_option) list = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    do {
        rdl_ident name;
        if (!parse_option_name(p, &name) || !rdl_parse_expect_symbol(p, '='))
            return false;
        size_t sign = p->at;
        rdl_str value = {0};
        if (!parse_option_value(p, &value))
            return false;
        rdl_str key = lower(p->arena, name.text);
        for (size_t i = 0; i < list.n; i++)
            if (rdl_str_eq(list.v[i].name, key))
                return rdl_parse_fail(p, name.pos, NULL, "option \"%.*s\" is written twice",
                                      (int)key.n, key.p);
        RDL_PUSH(p->arena, &list) = (rdl_option){key, value, rdl_parse_span(p, sign, p->at - 1)};
    } while (rdl_parse_accept_symbol(p, ','));
    *out = list.v;
    *out_n = list.n;
    return rdl_parse_expect_symbol(p, ')');
}

/* Moves over one token, keeping count of the parentheses; false at an unmatched ). */
static bool step(rdl_parser *p, unsigned *depth)
{
    const rdl_token *t = rdl_parse_token(p);
    char c = t->kind == RDL_TOKEN_SYMBOL ? p->tokens.file->text.p[t->at] : '\0';
    if (c == '(' || c == '[' || c == '{')
        ++*depth;
    if (c == ')' || c == ']' || c == '}') {
        if (*depth == 0)
            return false;
        --*depth;
    }
    p->at++;
    return true;
}

void rdl_parse_sql_from(const rdl_parser *p, size_t first, rdl_sql *out)
{
    out->pos = rdl_parse_span(p, first, p->at - 1);
    out->text = (rdl_str){p->tokens.file->text.p + out->pos.at, out->pos.len};
}

bool rdl_parse_sql(rdl_parser *p, rdl_parse_stop stop, const char *what, rdl_sql *out)
{
    size_t first = p->at;
    unsigned depth = 0;
    while (!rdl_parse_at_end(p) && !(depth == 0 && stop(p)))
        if (!step(p, &depth))
            break;
    if (p->at == first)
        return rdl_parse_wrong(p, what, NULL);
    rdl_parse_sql_from(p, first, out);
    return true;
}

static bool at_close(const rdl_parser *p)
{
    return rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), ')');
}

bool rdl_parse_sql_parens(rdl_parser *p, const char *what, rdl_sql *out)
{
    size_t open = p->at;
    if (!rdl_parse_expect_symbol(p, '(') || !rdl_parse_sql(p, at_close, what, out))
        return false;
    if (at_close(p)) {
        p->at++;
        return true;
    }
    return rdl_parse_fail(p, rdl_parse_pos(p, &p->tokens.list.v[open]), NULL,
                          "this parenthesis is not closed");
}

/* TEXT, DECIMAL(18,6), TIMESTAMP WITH TIME ZONE, STRUCT(a TEXT)[], MAP<TEXT, INT>. */
bool rdl_parse_type(rdl_parser *p, rdl_sql *out)
{
    size_t first = p->at;
    if (rdl_parse_token(p)->kind != RDL_TOKEN_WORD)
        return rdl_parse_wrong(p, "a type", NULL);
    bool time = rdl_parse_is(p, "TIMESTAMP");
    if (rdl_parse_is2(p, "DOUBLE", "PRECISION"))
        p->at++;
    p->at++;
    if (time && (rdl_parse_is2(p, "WITH", "TIME") || rdl_parse_is2(p, "WITHOUT", "TIME")))
        p->at += rdl_token_is(&p->tokens, rdl_parse_ahead(p, 2), "ZONE") ? 3 : 0;
    unsigned angles = 0, depth = 0;
    while (!rdl_parse_at_end(p)) {
        const rdl_token *t = rdl_parse_token(p);
        char c = t->kind == RDL_TOKEN_SYMBOL ? p->tokens.file->text.p[t->at] : '\0';
        angles += c == '<';
        if (angles == 0 && depth == 0 && c != '(' && c != '[')
            break;
        if (c == '>' && angles > 0)
            angles--;
        if (!step(p, &depth))
            break;
    }
    if (angles > 0 || depth > 0)
        return rdl_parse_fail(p, rdl_parse_span(p, first, first), NULL, "this type is not closed");
    rdl_parse_sql_from(p, first, out);
    return true;
}
