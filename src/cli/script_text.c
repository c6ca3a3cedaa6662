/*
 * cli/script_text.c - a script's pipeline text: statements that add up, and where its sources
 * read from.
 */
#include <string.h>

#include "cli/script_internal.h"
#include "lang/lexer.h"

typedef struct splitter {
    rdl_arena *arena;
    rdl_statements *out;
    rdl_tokens tokens;
    rdl_str text;
    const char *in_dir;
    bool all_sources;
    unsigned line;
} splitter;

static bool is(const splitter *s, size_t i, const char *word)
{
    return rdl_token_is(&s->tokens, &s->tokens.list.v[i], word);
}

static char *lower(rdl_arena *a, rdl_str s)
{
    char *p = rdl_arena_strndup(a, s.p, s.n);
    for (size_t i = 0; i < s.n; i++)
        p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]);
    return p;
}

/* The name at token *i, dotted or not; *i moves behind it. */
static char *take_name(splitter *s, size_t *i)
{
    rdl_str first = rdl_token_value(s->arena, &s->tokens, &s->tokens.list.v[*i]);
    char *name = lower(s->arena, first);
    (*i)++;
    if (rdl_token_is_symbol(&s->tokens, &s->tokens.list.v[*i], '.')) {
        rdl_str second = rdl_token_value(s->arena, &s->tokens, &s->tokens.list.v[*i + 1]);
        name = rdl_arena_printf(s->arena, "%s.%s", name, lower(s->arena, second));
        *i += 2;
    }
    return name;
}

/* What the statement at tokens [i, end) makes: "<kind> <name>". */
static char *find_key(splitter *s, size_t i, size_t end, bool *source, char **name)
{
    *source = false;
    *name = NULL;
    if (is(s, i, "PUBLISH") && i + 1 < end) {
        i++;
        *name = take_name(s, &i);
        return rdl_arena_printf(s->arena, "publish %s", *name);
    }
    if (!is(s, i, "CREATE"))
        return NULL;
    i++;
    if (i < end && is(s, i, "OR"))
        i += 2;
    while (i < end && (is(s, i, "STREAMING") || is(s, i, "MATERIALIZED") || is(s, i, "DECISION")))
        i++;
    if (i + 1 >= end)
        return NULL;
    *source = is(s, i, "SOURCE");
    const char *kind = *source                ? "source"
                       : is(s, i, "FUNCTION") ? "function"
                       : is(s, i, "FLOW")     ? "flow"
                       : is(s, i, "REPORT")   ? "report"
                                              : "table";
    i++;
    if (i + 2 < end && is(s, i, "IF"))
        i += 3;
    if (i >= end)
        return NULL;
    *name = take_name(s, &i);
    return rdl_arena_printf(s->arena, "%s %s", kind, *name);
}

/* FROM 'url' of a source, outside of its column list; 0 when there is none. */
static size_t find_url(const splitter *s, size_t i, size_t end)
{
    int depth = 0;
    for (; i + 1 < end; i++) {
        const rdl_token *t = &s->tokens.list.v[i];
        depth += rdl_token_is_symbol(&s->tokens, t, '(') - rdl_token_is_symbol(&s->tokens, t, ')');
        if (depth == 0 && is(s, i, "FROM") && t[1].kind == RDL_TOKEN_STRING)
            return i + 1;
    }
    return 0;
}

static bool has_word(const splitter *s, size_t i, size_t end, const char *word)
{
    for (; i < end; i++) {
        if (is(s, i, word))
            return true;
    }
    return false;
}

static rdl_fed_source *add_source(splitter *s, char *name, size_t i, size_t end)
{
    rdl_fed_source *f = rdl_statements_source(s->out, name);
    if (f == NULL) {
        f = &RDL_PUSH(s->arena, &s->out->sources);
        *f = (rdl_fed_source){.name = name};
    }
    f->snapshot = has_word(s, i, end, "SNAPSHOT");
    f->extension = has_word(s, i, end, "CSV")       ? "csv"
                   : has_word(s, i, end, "PARQUET") ? "parquet"
                                                    : "jsonl";
    return f;
}

static void add_statement(splitter *s, size_t i, size_t end)
{
    const rdl_token *v = s->tokens.list.v;
    size_t from = v[i].at, to = v[end - 1].at + v[end - 1].len;
    bool source;
    char *name, *key = find_key(s, i, end, &source, &name);
    rdl_buf text = {0};
    size_t url = source ? find_url(s, i, end) : 0;
    bool fed = url != 0 && (s->all_sources ||
                            rdl_str_eq(rdl_token_text(&s->tokens, &v[url]), RDL_STR("'test:'")));
    if (fed) {
        const rdl_fed_source *f = add_source(s, name, i, end);
        rdl_buf_put(&text, s->text.p + from, v[url].at - from);
        rdl_buf_printf(&text, "'%s/%s/*'", s->in_dir, f->name);
        from = v[url].at + v[url].len;
    }
    rdl_buf_put(&text, s->text.p + from, to - from);
    rdl_buf_puts(&text, ";\n");
    rdl_script_statement made = {key, rdl_arena_strdup(s->arena, rdl_buf_str(&text)), s->line};
    rdl_buf_fini(&text);
    for (size_t k = 0; key != NULL && k < s->out->list.n; k++) {
        char *other = s->out->list.v[k].key;
        if (other != NULL && strcmp(other, key) == 0 && s->line > 0) {
            s->out->list.v[k] = made;
            return;
        }
    }
    RDL_PUSH(s->arena, &s->out->list) = made;
}

void rdl_statements_add(rdl_arena *a, rdl_statements *out, rdl_str text, unsigned line,
                        const char *in_dir, bool all_sources)
{
    splitter s = {.arena = a,
                  .out = out,
                  .text = text,
                  .in_dir = in_dir,
                  .all_sources = all_sources,
                  .line = line};
    const rdl_text_file file = {.path = "script", .text = text, .original = text};
    rdl_diags ignored; /* the loader finds the same */
    rdl_diags_init(&ignored, a);
    rdl_lex(a, &file, &ignored, &s.tokens);
    size_t begin = 0;
    for (size_t i = 0; i < s.tokens.list.n; i++) {
        const rdl_token *t = &s.tokens.list.v[i];
        bool end = t->kind == RDL_TOKEN_END, semicolon = rdl_token_is_symbol(&s.tokens, t, ';');
        if (!end && !semicolon)
            continue;
        if (i > begin)
            add_statement(&s, begin, i);
        begin = i + 1;
    }
}

bool rdl_statements_drop(rdl_statements *s, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->list.n; i++) {
        const char *key = s->list.v[i].key, *space = key != NULL ? strchr(key, ' ') : NULL;
        if (space == NULL || !rdl_str_eq_nocase(rdl_str_of(space + 1), rdl_str_of(name)))
            s->list.v[kept++] = s->list.v[i];
    }
    bool any = kept < s->list.n;
    s->list.n = kept;
    return any;
}

char *rdl_statements_join(rdl_arena *a, const rdl_statements *s)
{
    rdl_buf all = {0};
    for (size_t i = 0; i < s->list.n; i++)
        rdl_buf_puts(&all, s->list.v[i].text);
    char *text = rdl_arena_strndup(a, rdl_buf_str(&all), all.n);
    rdl_buf_fini(&all);
    return text;
}

rdl_fed_source *rdl_statements_source(rdl_statements *s, const char *name)
{
    for (size_t i = 0; i < s->sources.n; i++) {
        if (rdl_str_eq_nocase(rdl_str_of(s->sources.v[i].name), rdl_str_of(name)))
            return &s->sources.v[i];
    }
    return NULL;
}
