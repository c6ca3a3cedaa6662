/*
 * lang/lexer.c - a pipeline's text as tokens (see lexer.h).
 */
#include "lang/lexer.h"

typedef struct lexer {
    rdl_arena *arena;
    rdl_diags *diags;
    rdl_tokens *out;
    const char *p;
    size_t n, at;
} lexer;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static rdl_pos place(const lexer *l, size_t at, size_t len)
{
    return (rdl_pos){l->out->file, (uint32_t)at, (uint32_t)len};
}

static void push(lexer *l, rdl_token_kind kind, size_t at)
{
    RDL_PUSH(l->arena, &l->out->list) = (rdl_token){kind, (uint32_t)at, (uint32_t)(l->at - at)};
}

static void line_comment(lexer *l)
{
    size_t start = l->at, back = l->at;
    while (back > 0 && (l->p[back - 1] == ' ' || l->p[back - 1] == '\t'))
        back--;
    while (l->at < l->n && l->p[l->at] != '\n')
        l->at++;
    size_t end = l->at;
    while (end > start && is_space(l->p[end - 1]))
        end--;
    RDL_PUSH(l->arena, &l->out->comments) = (rdl_comment){
        .at = (uint32_t)start,
        .len = (uint32_t)(end - start),
        .own_line = back == 0 || l->p[back - 1] == '\n',
    };
}

static void block_comment(lexer *l)
{
    size_t start = l->at;
    unsigned depth = 0;
    while (l->at < l->n) {
        if (l->at + 1 < l->n && l->p[l->at] == '/' && l->p[l->at + 1] == '*') {
            depth++;
            l->at += 2;
        } else if (l->at + 1 < l->n && l->p[l->at] == '*' && l->p[l->at + 1] == '/') {
            depth--;
            l->at += 2;
            if (depth == 0)
                return;
        } else {
            l->at++;
        }
    }
    rdl_diag_add(l->diags, RDL_DIAG_ERROR, place(l, start, 2), "End it with */.",
                 "a comment is not closed");
}

static void quoted(lexer *l, char quote, rdl_token_kind kind)
{
    size_t start = l->at++;
    while (l->at < l->n) {
        if (l->p[l->at] != quote) {
            l->at++;
        } else if (l->at + 1 < l->n && l->p[l->at + 1] == quote) {
            l->at += 2;
        } else {
            l->at++;
            push(l, kind, start);
            return;
        }
    }
    rdl_diag_add(l->diags, RDL_DIAG_ERROR, place(l, start, 1), NULL, "a %s is not closed",
                 kind == RDL_TOKEN_STRING ? "string" : "quoted name");
}

static void number(lexer *l)
{
    size_t start = l->at;
    while (l->at < l->n && (is_digit(l->p[l->at]) || l->p[l->at] == '.'))
        l->at++;
    if (l->at < l->n && (l->p[l->at] == 'e' || l->p[l->at] == 'E')) {
        size_t at = l->at + 1;
        if (at < l->n && (l->p[at] == '+' || l->p[at] == '-'))
            at++;
        if (at < l->n && is_digit(l->p[at])) {
            while (at < l->n && is_digit(l->p[at]))
                at++;
            l->at = at;
        }
    }
    push(l, RDL_TOKEN_NUMBER, start);
}

static void symbol(lexer *l)
{
    unsigned char c = (unsigned char)l->p[l->at++];
    if (c > ' ' && c < 0x7f) {
        push(l, RDL_TOKEN_SYMBOL, l->at - 1);
        return;
    }
    rdl_diag_add(l->diags, RDL_DIAG_ERROR, place(l, l->at - 1, 1), NULL,
                 "the byte 0x%02x has no meaning here", c);
}

void rdl_lex(rdl_arena *a, const rdl_text_file *file, rdl_diags *diags, rdl_tokens *out)
{
    *out = (rdl_tokens){.file = file};
    lexer l = {a, diags, out, file->text.p, file->text.n, 0};
    if (l.n > UINT32_MAX / 2) {
        rdl_diag_add(diags, RDL_DIAG_ERROR, place(&l, 0, 0), NULL, "the file is larger than 2 GB");
        l.n = 0;
    }
    if (l.n >= 3 && memcmp(l.p, "\xef\xbb\xbf", 3) == 0)
        l.at = 3; /* a byte order mark */
    while (l.at < l.n) {
        char c = l.p[l.at], next = l.at + 1 < l.n ? l.p[l.at + 1] : '\0';
        if (is_space(c))
            l.at++;
        else if (c == '-' && next == '-')
            line_comment(&l);
        else if (c == '/' && next == '*')
            block_comment(&l);
        else if (c == '\'')
            quoted(&l, c, RDL_TOKEN_STRING);
        else if (c == '"')
            quoted(&l, c, RDL_TOKEN_QUOTED);
        else if (is_digit(c) || (c == '.' && is_digit(next)))
            number(&l);
        else if (is_word(c)) {
            size_t start = l.at;
            while (l.at < l.n && is_word(l.p[l.at]))
                l.at++;
            push(&l, RDL_TOKEN_WORD, start);
        } else {
            symbol(&l);
        }
    }
    push(&l, RDL_TOKEN_END, l.at);
}

rdl_str rdl_token_text(const rdl_tokens *t, const rdl_token *token)
{
    return (rdl_str){t->file->text.p + token->at, token->len};
}

rdl_str rdl_token_value(rdl_arena *a, const rdl_tokens *t, const rdl_token *token)
{
    rdl_str s = rdl_token_text(t, token);
    if (token->kind != RDL_TOKEN_QUOTED && token->kind != RDL_TOKEN_STRING)
        return s;
    char quote = s.p[0];
    char *out = RDL_NEWN(a, char, s.n);
    size_t n = 0;
    for (size_t i = 1; i + 1 < s.n; i++) {
        out[n++] = s.p[i];
        if (s.p[i] == quote)
            i++;
    }
    return (rdl_str){out, n};
}

bool rdl_token_is(const rdl_tokens *t, const rdl_token *token, const char *keyword)
{
    return token->kind == RDL_TOKEN_WORD &&
           rdl_str_eq_nocase(rdl_token_text(t, token), rdl_str_of(keyword));
}

bool rdl_token_is_symbol(const rdl_tokens *t, const rdl_token *token, char c)
{
    return token->kind == RDL_TOKEN_SYMBOL && t->file->text.p[token->at] == c;
}
