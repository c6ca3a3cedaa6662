/*
 * lang/parse_statement.c - statements of the pipeline language: which one it is, and the comment
 * above it.  The grammar is docs/reference/language.md; a statement's own file has its clauses.
 */
#include "lang/parse.h"

/* What CREATE makes. */
static const struct {
    const char *first, *second, *name;
    rdl_stmt_kind kind;
} kinds[] = {
    {"SOURCE", NULL, "SOURCE", RDL_STMT_SOURCE},
    {"STREAMING", "TABLE", "STREAMING TABLE", RDL_STMT_STREAMING},
    {"MATERIALIZED", "VIEW", "MATERIALIZED VIEW", RDL_STMT_VIEW},
    {"VIEW", NULL, "VIEW", RDL_STMT_PLAIN_VIEW},
    {"FUNCTION", NULL, "FUNCTION", RDL_STMT_FUNCTION},
    {"FLOW", NULL, "FLOW", RDL_STMT_FLOW},
    {"DECISION", "TABLE", "DECISION TABLE", RDL_STMT_DECISION},
    {"REPORT", NULL, "REPORT", RDL_STMT_REPORT},
    {"MODEL", "TABLE", "MODEL TABLE", RDL_STMT_MODEL_TABLE},
    {"MODEL", NULL, "MODEL", RDL_STMT_MODEL},
    {"ALERT", NULL, "ALERT", RDL_STMT_ALERT},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

bool rdl_parse_starts_statement(const rdl_parser *p)
{
    const rdl_token *t = rdl_parse_token(p);
    rdl_str text = p->tokens.file->text;
    if (t->at == 0 || text.p[t->at - 1] != '\n')
        return false;
    if (rdl_parse_is(p, "PUBLISH") || rdl_parse_is(p, "SEED"))
        return rdl_parse_ahead(p, 1)->kind == RDL_TOKEN_WORD;
    bool found = rdl_parse_is2(p, "CREATE", "OR") || rdl_parse_is2(p, "GRANT", "SELECT");
    for (size_t i = 0; i < KINDS && !found; i++)
        found = rdl_parse_is2(p, "CREATE", kinds[i].first);
    return found;
}

/* The -- lines that stand right above the statement's first token. */
static rdl_str comment_above(const rdl_parser *p, size_t first)
{
    rdl_str text = p->tokens.file->text;
    size_t n = 0, below = p->tokens.list.v[first].at;
    for (size_t i = p->tokens.comments.n; i-- > 0;) {
        const rdl_comment *c = &p->tokens.comments.v[i];
        if (c->at >= below)
            continue;
        size_t lines = 0;
        bool clear = c->own_line;
        for (size_t k = c->at + c->len; k < below && clear; k++) {
            lines += text.p[k] == '\n';
            clear = (unsigned char)text.p[k] <= ' ';
        }
        if (!clear || lines != 1)
            break;
        below = c->at;
        n++;
        while (below > 0 && text.p[below - 1] != '\n')
            below--;
    }
    rdl_buf out = {0};
    for (size_t i = 0; i < p->tokens.comments.n && n > 0; i++) {
        const rdl_comment *c = &p->tokens.comments.v[i];
        if (c->at < below || c->at > p->tokens.list.v[first].at)
            continue;
        size_t skip = c->len > 2 && text.p[c->at + 2] == ' ' ? 3 : 2;
        if (out.n > 0)
            rdl_buf_putc(&out, '\n');
        rdl_buf_put(&out, text.p + c->at + skip, c->len - skip);
    }
    rdl_str s = {rdl_arena_strndup(p->arena, rdl_buf_str(&out), out.n), out.n};
    rdl_buf_fini(&out);
    return s;
}

static bool parse_function(rdl_parser *p, rdl_ast_function *out)
{
    RDL_VEC(rdl_ast_argument) arguments = {0};
    if (!rdl_parse_expect_symbol(p, '('))
        return false;
    while (!rdl_parse_accept_symbol(p, ')')) {
        rdl_ast_argument one = {0};
        if (arguments.n > 0 && !rdl_parse_expect_symbol(p, ','))
            return false;
        if (!rdl_parse_ident(p, "the name of an argument", &one.name) ||
            !rdl_parse_type(p, &one.type))
            return false;
        RDL_PUSH(p->arena, &arguments) = one;
    }
    out->arguments = arguments.v;
    out->argument_count = arguments.n;
    if (!rdl_parse_expect(p, "RETURNS") || !rdl_parse_type(p, &out->returns) ||
        !rdl_parse_expect(p, "RETURN"))
        return false;
    return rdl_parse_sql(p, rdl_parse_at_end, "an expression", &out->expr);
}

/* Behind CREATE: what is created. */
static bool create_kind(rdl_parser *p, rdl_stmt_kind *out)
{
    const char *names[KINDS];
    if (rdl_parse_accept(p, "OR")) {
        if (!rdl_parse_accept(p, "REFRESH") && !rdl_parse_accept(p, "REPLACE"))
            return rdl_parse_wrong(p, "REFRESH or REPLACE", NULL);
    }
    for (size_t i = 0; i < KINDS; i++) {
        bool found = kinds[i].second != NULL ? rdl_parse_accept2(p, kinds[i].first, kinds[i].second)
                                             : rdl_parse_accept(p, kinds[i].first);
        if (found) {
            *out = kinds[i].kind;
            if (rdl_parse_is2(p, "IF", "NOT") &&
                rdl_token_is(&p->tokens, rdl_parse_ahead(p, 2), "EXISTS"))
                p->at += 3;
            return true;
        }
    }
    if (rdl_parse_is(p, "TABLE"))
        return rdl_parse_wrong(p, "STREAMING TABLE or MATERIALIZED VIEW",
                               "Write CREATE STREAMING TABLE for rows that are only added, "
                               "CREATE MATERIALIZED VIEW for a result that is kept up to date.");
    for (size_t i = 0; i < KINDS; i++)
        names[i] = kinds[i].name;
    return rdl_parse_clause_wrong(p, names, KINDS);
}

static bool parse_create(rdl_parser *p, rdl_stmt *out)
{
    if (!create_kind(p, &out->kind) || !rdl_parse_ref(p, "a name", &out->name))
        return false;
    switch (out->kind) {
    case RDL_STMT_SOURCE:
        return rdl_parse_source(p, &out->u.source);
    case RDL_STMT_STREAMING:
    case RDL_STMT_VIEW:
        return rdl_parse_table(p, out->kind, &out->u.table);
    case RDL_STMT_PLAIN_VIEW:
        return rdl_parse_expect(p, "AS") && rdl_parse_body(p, &out->u.body);
    case RDL_STMT_FUNCTION:
        return parse_function(p, &out->u.function);
    case RDL_STMT_DECISION:
        return rdl_parse_decision(p, &out->u.table);
    case RDL_STMT_REPORT:
        return rdl_parse_report(p, &out->u.report);
    case RDL_STMT_MODEL_TABLE:
    case RDL_STMT_MODEL:
        return rdl_parse_model(p, out->kind == RDL_STMT_MODEL_TABLE, &out->u.model);
    case RDL_STMT_ALERT:
        return rdl_parse_alert(p, &out->u.alert);
    default:
        return rdl_parse_flow(p, out);
    }
}

static bool parse_statement(rdl_parser *p, rdl_stmt *out)
{
    static const char *const words[] = {"CREATE", "PUBLISH", "SEED", "GRANT"};
    if (rdl_parse_accept(p, "CREATE"))
        return parse_create(p, out);
    if (rdl_parse_accept(p, "PUBLISH")) {
        out->kind = RDL_STMT_PUBLISH;
        return rdl_parse_publish(p, out);
    }
    if (rdl_parse_accept(p, "SEED")) {
        out->kind = RDL_STMT_SEED;
        return rdl_parse_seed(p, out);
    }
    if (rdl_parse_accept(p, "GRANT")) {
        out->kind = RDL_STMT_GRANT;
        out->name.pos = rdl_parse_pos(p, rdl_parse_token(p));
        return rdl_parse_grant(p, &out->u.grant);
    }
    return rdl_parse_clause_wrong(p, words, sizeof words / sizeof words[0]);
}

void rdl_parse(rdl_arena *a, const rdl_text_file *file, rdl_diags *diags, rdl_script *out)
{
    rdl_parser p = {.arena = a, .diags = diags};
    rdl_lex(a, file, diags, &p.tokens);
    while (rdl_parse_token(&p)->kind != RDL_TOKEN_END) {
        if (rdl_parse_accept_symbol(&p, ';'))
            continue;
        rdl_stmt *s = RDL_NEW(a, rdl_stmt);
        s->comment = comment_above(&p, p.at);
        bool ok = parse_statement(&p, s);
        if (ok && !rdl_parse_at_end(&p))
            ok = rdl_parse_wrong(&p, "\";\"", NULL);
        if (ok) {
            s->end = rdl_parse_token(&p)->at;
            RDL_PUSH(a, &out->list) = s;
        }
        if (p.resume > 0) {
            p.at = p.resume;
            p.resume = 0;
            continue;
        }
        while (!rdl_parse_at_end(&p))
            p.at++;
    }
}
