/*
 * lang/lexer.h - a pipeline's text as tokens.
 *
 * Words are ASCII letters, digits, _, $ and every byte above 0x7f, not starting with a digit.
 * Comments are -- to the end of the line and nested slash-star.  A quoted identifier doubles "
 * inside, a string doubles '.  Symbols are one character each, except :: || -> and the like,
 * which only DuckDB's parser reads: a body's extent is all that matters here.
 *
 * Thread: any.
 */
#ifndef RDL_LANG_LEXER_H
#define RDL_LANG_LEXER_H

#include "lang/diag.h"

typedef enum rdl_token_kind {
    RDL_TOKEN_END,
    RDL_TOKEN_WORD,
    RDL_TOKEN_QUOTED, /* "identifier" */
    RDL_TOKEN_STRING, /* 'text' */
    RDL_TOKEN_NUMBER,
    RDL_TOKEN_SYMBOL, /* one character */
} rdl_token_kind;

typedef struct rdl_token {
    rdl_token_kind kind;
    uint32_t at, len; /* bytes in the file's text, quotes included */
} rdl_token;

/* A comment of the -- kind. */
typedef struct rdl_comment {
    uint32_t at, len; /* from the first - to before the line's end */
    bool own_line;    /* nothing but spaces before it */
} rdl_comment;

typedef struct rdl_tokens {
    const rdl_text_file *file;
    RDL_VEC(rdl_token) list; /* ends in RDL_TOKEN_END */
    RDL_VEC(rdl_comment) comments;
} rdl_tokens;

/* Never fails: unterminated quotes and strange bytes are reported and passed over. */
void rdl_lex(rdl_arena *a, const rdl_text_file *file, rdl_diags *diags, rdl_tokens *out);

rdl_str rdl_token_text(const rdl_tokens *t, const rdl_token *token); /* as written */
/* Without quotes; doubled quotes single. */
rdl_str rdl_token_value(rdl_arena *a, const rdl_tokens *t, const rdl_token *token);
bool rdl_token_is(const rdl_tokens *t, const rdl_token *token, const char *keyword);
bool rdl_token_is_symbol(const rdl_tokens *t, const rdl_token *token, char c);

#endif
