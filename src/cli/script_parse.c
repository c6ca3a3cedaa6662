/*
 * cli/script_parse.c - a script's text as records (see script.h for the format).
 */
#include <string.h>

#include "cli/script_internal.h"

typedef enum body_kind {
    BODY_NONE,
    BODY_TEXT,     /* until a blank line */
    BODY_ROWS,     /* until ----, which must be there; blank lines belong to it */
    BODY_QUESTION, /* text, ----, expected rows until a blank line */
} body_kind;

static const struct {
    const char *word;
    body_kind body;
    size_t words_min, words_max;
    const char *usage;
} verbs[RDL_VERB_COUNT] = {
    [RDL_VERB_STATEMENT] = {"statement", BODY_TEXT, 1, 1, "statement ok | error [regex]"},
    [RDL_VERB_DROP] = {"drop", BODY_NONE, 1, 1, "drop NAME"},
    [RDL_VERB_SET] = {"set", BODY_NONE, 1, 9, "set NAME=VALUE"},
    [RDL_VERB_FEED] = {"feed", BODY_ROWS, 1, 5, "feed SOURCE [file=NAME] [append] [raw] [bare]"},
    [RDL_VERB_REMOVE] = {"remove", BODY_NONE, 1, 2, "remove SOURCE [file=NAME]"},
    [RDL_VERB_CLOCK] = {"clock", BODY_NONE, 1, 9, "clock TIMESTAMP | +INTERVAL"},
    [RDL_VERB_EPOCH] = {"epoch", BODY_NONE, 0, 1, "epoch [nothing | error REGEX]"},
    [RDL_VERB_RUN] = {"run", BODY_NONE, 0, 0, "run [error REGEX]"},
    [RDL_VERB_FLUSH] = {"flush", BODY_NONE, 0, 0, "flush [error REGEX]"},
    [RDL_VERB_REFRESH] = {"refresh", BODY_NONE, 0, 1, "refresh [TABLE]"},
    [RDL_VERB_CRASH] = {"crash", BODY_NONE, 0, 3, "crash [[at] POINT [NTH]]"},
    [RDL_VERB_RESTART] = {"restart", BODY_NONE, 0, 0, "restart"},
    [RDL_VERB_SWEEP] = {"sweep", BODY_NONE, 0, 2, "sweep [NTH] [GLOB]"},
    [RDL_VERB_QUERY] = {"query", BODY_QUESTION, 1, 2, "query TYPES [rowsort | valuesort]"},
    [RDL_VERB_VERIFY] = {"verify", BODY_NONE, 0, 0, "verify"},
    [RDL_VERB_LEDGER] = {"ledger", BODY_QUESTION, 1, 1, "ledger TABLE"},
    [RDL_VERB_MODE] = {"mode", BODY_QUESTION, 1, 1, "mode TABLE"},
    [RDL_VERB_REPORT] = {"report", BODY_QUESTION, 1, 64, "report NAME [PARAMETER=VALUE ...]"},
};

typedef struct parser {
    rdl_arena *arena;
    rdl_str text;
    size_t at;     /* begin of the next line */
    unsigned line; /* its number, 1-based */
} parser;

static bool next_line(parser *p, rdl_str *out)
{
    if (p->at >= p->text.n)
        return false;
    const char *begin = p->text.p + p->at, *nl = memchr(begin, '\n', p->text.n - p->at);
    size_t n = nl != NULL ? (size_t)(nl - begin) : p->text.n - p->at;
    p->at += n + (nl != NULL);
    p->line++;
    *out = (rdl_str){begin, n};
    if (out->n > 0 && out->p[out->n - 1] == '\r')
        out->n--;
    return true;
}

static bool is_blank(rdl_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != ' ' && s.p[i] != '\t')
            return false;
    }
    return true;
}

static bool is_rule(rdl_str s)
{
    return s.n == 4 && memcmp(s.p, "----", 4) == 0;
}

static rdl_code wrong(const parser *p, rdl_err *err, const char *usage, const char *what)
{
    (void)p;
    rdl_err_set(err, RDL_EUSAGE, 0, "%s", what);
    if (usage != NULL)
        return rdl_err_hint(err, "Write %s.", usage);
    return RDL_EUSAGE;
}

/* Words of the record's first line; "error" takes the rest of the line. */
static void split_words(parser *p, rdl_str line, rdl_record *r)
{
    RDL_VEC(char *) words = {0};
    size_t at = 0;
    while (at < line.n) {
        while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
            at++;
        size_t begin = at;
        while (at < line.n && line.p[at] != ' ' && line.p[at] != '\t')
            at++;
        if (at == begin)
            break;
        char *word = rdl_arena_strndup(p->arena, line.p + begin, at - begin);
        RDL_PUSH(p->arena, &words) = word;
        if (words.n > 1 && words.n <= 2 && strcmp(word, "error") == 0) {
            while (at < line.n && line.p[at] == ' ')
                at++;
            size_t end = line.n;
            while (end > at && line.p[end - 1] == ' ')
                end--;
            r->error = true;
            r->regex = end > at ? rdl_arena_strndup(p->arena, line.p + at, end - at) : NULL;
            break;
        }
    }
    r->words = words.v;
    r->word_count = words.n;
}

static rdl_code read_rows(parser *p, rdl_record *r, const char *usage, rdl_err *err)
{
    size_t begin = p->at;
    rdl_str line;
    while (next_line(p, &line)) {
        if (is_rule(line)) {
            r->body = (rdl_str){p->text.p + begin, (size_t)(line.p - p->text.p) - begin};
            return RDL_OK;
        }
    }
    return wrong(p, err, usage, "the rows of this feed do not end: a line ---- is missing");
}

static void read_text(parser *p, rdl_record *r, bool question)
{
    size_t begin = p->at, end = p->at;
    rdl_str line;
    while (p->at < p->text.n) {
        size_t before = p->at;
        (void)next_line(p, &line);
        if (is_blank(line))
            break;
        if (is_rule(line)) {
            r->has_expected = question;
            break;
        }
        end = p->at;
        (void)before;
    }
    r->body = (rdl_str){p->text.p + begin, end - begin};
    r->body_end = end;
    if (!r->has_expected)
        return;
    begin = end = p->at;
    while (next_line(p, &line) && !is_blank(line))
        end = p->at;
    r->expected = (rdl_str){p->text.p + begin, end - begin};
    r->expected_at = begin;
}

static rdl_code parse_record(parser *p, rdl_str line, rdl_record *r, rdl_err *err)
{
    int verb = 0;
    r->line = p->line;
    split_words(p, line, r);
    while (verb < RDL_VERB_COUNT && strcmp(verbs[verb].word, r->words[0]) != 0)
        verb++;
    if (verb == RDL_VERB_COUNT) {
        const char *names[RDL_VERB_COUNT];
        for (int i = 0; i < RDL_VERB_COUNT; i++)
            names[i] = verbs[i].word;
        const char *nearest = rdl_nearest(rdl_str_of(r->words[0]), names, RDL_VERB_COUNT);
        rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized command \"%s\"", r->words[0]);
        return nearest != NULL ? rdl_err_hint(err, "Did you mean \"%s\"?", nearest) : RDL_EUSAGE;
    }
    r->verb = (rdl_verb)verb;
    r->words++;
    r->word_count--;
    size_t n = r->word_count - (r->error && verb != RDL_VERB_STATEMENT && verb != RDL_VERB_QUERY);
    if (n < verbs[verb].words_min || n > verbs[verb].words_max)
        return wrong(p, err, verbs[verb].usage, "this line has too few or too many words");
    if (verb == RDL_VERB_STATEMENT && !r->error && strcmp(r->words[0], "ok") != 0)
        return wrong(p, err, verbs[verb].usage, "a statement is expected to be ok or an error");
    if (verbs[verb].body == BODY_ROWS)
        return read_rows(p, r, verbs[verb].usage, err);
    if (verbs[verb].body != BODY_NONE)
        read_text(p, r, verbs[verb].body == BODY_QUESTION && !r->error);
    return RDL_OK;
}

rdl_code rdl_script_parse(rdl_arena *a, rdl_str text, rdl_script_text *out, rdl_err *err)
{
    parser p = {.arena = a, .text = text};
    rdl_str line;
    *out = (rdl_script_text){.text = text};
    while (next_line(&p, &line)) {
        if (is_blank(line) || line.p[0] == '#')
            continue;
        rdl_record r = {0};
        unsigned at = p.line;
        rdl_code rc = parse_record(&p, line, &r, err);
        if (rc != RDL_OK) {
            err->line = at;
            return rc;
        }
        RDL_PUSH(a, &out->records) = r;
    }
    return RDL_OK;
}
