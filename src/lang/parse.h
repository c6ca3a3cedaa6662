/*
 * lang/parse.h - what the parser's files share.
 *
 * A function that reads returns false after it has reported; the statement is then given up
 * and reading goes on behind the next semicolon.
 *
 * Thread: one at a time.
 */
#ifndef RDL_LANG_PARSE_H
#define RDL_LANG_PARSE_H

#include "lang/ast.h"
#include "lang/lexer.h"

typedef struct rdl_parser {
    rdl_arena *arena;
    rdl_diags *diags;
    rdl_tokens tokens;
    size_t at;     /* in tokens.list */
    size_t resume; /* where to go on after a failure; 0: behind the next semicolon */
} rdl_parser;

static inline const rdl_token *rdl_parse_token(const rdl_parser *p)
{
    return &p->tokens.list.v[p->at];
}
/* The token n ahead; the last one is END. */
const rdl_token *rdl_parse_ahead(const rdl_parser *p, size_t n);
rdl_pos rdl_parse_pos(const rdl_parser *p, const rdl_token *token);
/* From token first to token last, both included. */
rdl_pos rdl_parse_span(const rdl_parser *p, size_t first, size_t last);
bool rdl_parse_at_end(const rdl_parser *p); /* of the statement */
/* The word that opens a statement, at the start of a line: it cannot be part of a SELECT. */
bool rdl_parse_starts_statement(const rdl_parser *p);

bool rdl_parse_is(const rdl_parser *p, const char *keyword);
bool rdl_parse_is2(const rdl_parser *p, const char *first, const char *second);
bool rdl_parse_accept(rdl_parser *p, const char *keyword);
bool rdl_parse_accept2(rdl_parser *p, const char *first, const char *second);
bool rdl_parse_accept_symbol(rdl_parser *p, char c);
bool rdl_parse_expect(rdl_parser *p, const char *keyword);
bool rdl_parse_expect_symbol(rdl_parser *p, char c);

/* "expected <what>, found <token>", at the token; false. */
bool rdl_parse_wrong(rdl_parser *p, const char *what, const char *hint);
bool rdl_parse_fail(rdl_parser *p, rdl_pos pos, const char *hint, const char *fmt, ...)
    RDL_PRINTF(4, 5);
/* A clause that the statement has already, or may not have; false. */
bool rdl_parse_clause_wrong(rdl_parser *p, const char *const *clauses, size_t n);
bool rdl_parse_twice(rdl_parser *p, bool seen, const char *clause);

bool rdl_parse_ident(rdl_parser *p, const char *what, rdl_ident *out);
bool rdl_parse_ref(rdl_parser *p, const char *what, rdl_ref *out);
bool rdl_parse_string(rdl_parser *p, const char *what, rdl_str *out, rdl_pos *out_pos);
bool rdl_parse_idents(rdl_parser *p, const char *what, rdl_idents *out); /* ( a, b ) */
bool rdl_parse_interval(rdl_parser *p, int64_t *out_us);                 /* INTERVAL 5 MINUTES */
/* SCHEDULE .. and TRIGGER ON UPDATE .. (parse_schedule.c) */
bool rdl_parse_at_schedule(const rdl_parser *p);
bool rdl_parse_schedule(rdl_parser *p, rdl_schedule *out);
bool rdl_parse_options(rdl_parser *p, rdl_option **out, size_t *out_n); /* ( k = v, .. ) */
bool rdl_parse_type(rdl_parser *p, rdl_sql *out);
/* The SQL from here to the first token at depth 0 for which stop holds, or the statement's end. */
typedef bool (*rdl_parse_stop)(const rdl_parser *p);
bool rdl_parse_sql(rdl_parser *p, rdl_parse_stop stop, const char *what, rdl_sql *out);
/* The SQL from token first to here. */
void rdl_parse_sql_from(const rdl_parser *p, size_t first, rdl_sql *out);
bool rdl_parse_sql_parens(rdl_parser *p, const char *what, rdl_sql *out); /* ( expr ) */
bool rdl_parse_body(rdl_parser *p, rdl_ast_body *out); /* behind AS, to the statement's end */

bool rdl_parse_source(rdl_parser *p, rdl_ast_source *out);
bool rdl_parse_table(rdl_parser *p, rdl_stmt_kind kind, rdl_ast_table *out);
bool rdl_parse_decision(rdl_parser *p, rdl_ast_table *out);
bool rdl_parse_report(rdl_parser *p, rdl_ast_report *out);
bool rdl_parse_flow(rdl_parser *p, rdl_stmt *out);
bool rdl_parse_model(rdl_parser *p, bool table, rdl_ast_model *out);
bool rdl_parse_publish(rdl_parser *p, rdl_stmt *out);
bool rdl_parse_seed(rdl_parser *p, rdl_stmt *out);
/* Their parts: ( columns ) of a source, behind FORMAT, behind PRIMARY KEY. */
bool rdl_parse_source_columns(rdl_parser *p, rdl_ast_source *out);
bool rdl_parse_format(rdl_parser *p, rdl_ast_source *out);
bool rdl_parse_publish_key(rdl_parser *p, rdl_ast_publish *out);
bool rdl_parse_alert(rdl_parser *p, rdl_ast_alert *out);
bool rdl_parse_grant(rdl_parser *p, rdl_ast_grant *out);

#endif
