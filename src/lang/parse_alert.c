/*
 * lang/parse_alert.c - CREATE ALERT: what must not stay unseen, and who is told.
 *
 *   CREATE ALERT n [SEVERITY INFO | WARNING | CRITICAL] [SCHEDULE ..] [COMMENT '..']
 *     WHEN (SELECT ..)                                     it gives rows (or one that is true)
 *        | FRESHNESS OF t > INTERVAL ..                    t did not change for so long
 *        | VOLUME OF t [PER DAY | HOUR | EPOCH] OUTSIDE n DEVIATIONS [OF LAST k]
 *        | QUALITY OF t < 0.99 [OVER INTERVAL ..]          share of rows that were written
 *        | DURATION OF t | RUN > INTERVAL ..
 *        | OVERDUE [OF t]                                  later or longer than PROMISE says
 *        | FAILURE [OF t]
 *     [MESSAGE 'text with {column} places'] [REPEAT EVERY INTERVAL ..]
 *     NOTIFY 'mailto:..' | 'https://..' | 'command' [, ..]
 */
#include "lang/parse.h"

#include <stdlib.h>

static bool parse_number(rdl_parser *p, const char *what, double *out)
{
    const rdl_token *t = rdl_parse_token(p);
    char text[40], *end;
    rdl_str s = rdl_token_text(&p->tokens, t);
    if (t->kind != RDL_TOKEN_NUMBER || s.n >= sizeof text)
        return rdl_parse_wrong(p, what, NULL);
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *out = strtod(text, &end);
    if (*end != '\0' || *out < 0)
        return rdl_parse_wrong(p, what, NULL);
    p->at++;
    return true;
}

static bool parse_count(rdl_parser *p, unsigned *out)
{
    double n;
    rdl_pos pos = rdl_parse_pos(p, rdl_parse_token(p));
    if (!parse_number(p, "a number of periods", &n))
        return false;
    if (n < 5 || n > 10000)
        return rdl_parse_fail(p, pos, NULL, "what is usual shows in 5 to 10000 periods");
    *out = (unsigned)n;
    return true;
}

static bool parse_of(rdl_parser *p, rdl_ast_alert *out)
{
    return rdl_parse_expect(p, "OF") && rdl_parse_ref(p, "the name of a table", &out->of);
}

static bool parse_volume(rdl_parser *p, rdl_ast_alert *out)
{
    static const struct {
        const char *word;
        rdl_alert_period period;
    } periods[] = {{"DAY", RDL_PER_DAY}, {"HOUR", RDL_PER_HOUR}, {"EPOCH", RDL_PER_EPOCH}};
    static const char *const words[] = {"DAY", "HOUR", "EPOCH"};
    out->last = 14;
    if (!parse_of(p, out))
        return false;
    if (rdl_parse_accept(p, "PER")) {
        size_t i = 0;
        while (i < 3 && !rdl_parse_accept(p, periods[i].word))
            i++;
        if (i == 3)
            return rdl_parse_clause_wrong(p, words, 3);
        out->period = periods[i].period;
    }
    if (!rdl_parse_expect(p, "OUTSIDE") ||
        !parse_number(p, "how many deviations from the average are usual", &out->threshold) ||
        !rdl_parse_expect(p, "DEVIATIONS"))
        return false;
    return !rdl_parse_accept2(p, "OF", "LAST") || parse_count(p, &out->last);
}

static bool parse_quality(rdl_parser *p, rdl_ast_alert *out)
{
    out->length_us = INT64_C(86400) * 1000000;
    if (!parse_of(p, out) || !rdl_parse_expect_symbol(p, '<'))
        return false;
    rdl_pos pos = rdl_parse_pos(p, rdl_parse_token(p));
    if (!parse_number(p, "a share such as 0.99", &out->threshold))
        return false;
    if (out->threshold <= 0 || out->threshold > 1)
        return rdl_parse_fail(p, pos, "0.99 is 99 %.", "a share lies between 0 and 1");
    return !rdl_parse_accept(p, "OVER") || rdl_parse_interval(p, &out->length_us);
}

static bool parse_longer(rdl_parser *p, rdl_ast_alert *out)
{
    return rdl_parse_expect_symbol(p, '>') && rdl_parse_interval(p, &out->length_us);
}

static bool parse_duration(rdl_parser *p, rdl_ast_alert *out)
{
    if (!rdl_parse_expect(p, "OF"))
        return false;
    out->run = rdl_parse_accept(p, "RUN");
    if (!out->run && !rdl_parse_ref(p, "the name of a table, or RUN", &out->of))
        return false;
    return parse_longer(p, out);
}

static bool parse_when(rdl_parser *p, rdl_ast_alert *out)
{
    static const char *const kinds[] = {"FRESHNESS", "VOLUME",  "QUALITY", "DURATION",
                                        "OVERDUE",   "FAILURE", "(SELECT"};
    rdl_pos pos = rdl_parse_pos(p, rdl_parse_token(p));
    if (!rdl_parse_twice(p, out->kind != RDL_ALERT_NONE, "WHEN"))
        return false;
    out->when_pos = pos;
    for (size_t i = 0; i < 6; i++)
        if (rdl_parse_accept(p, kinds[i]))
            out->kind = (rdl_alert_kind)(RDL_ALERT_FRESHNESS + i);
    switch (out->kind) {
    case RDL_ALERT_FRESHNESS:
        return parse_of(p, out) && parse_longer(p, out);
    case RDL_ALERT_VOLUME:
        return parse_volume(p, out);
    case RDL_ALERT_QUALITY:
        return parse_quality(p, out);
    case RDL_ALERT_DURATION:
        return parse_duration(p, out);
    case RDL_ALERT_OVERDUE:
    case RDL_ALERT_FAILURE:
        return !rdl_parse_is(p, "OF") || parse_of(p, out);
    default:
        break;
    }
    if (!rdl_token_is_symbol(&p->tokens, rdl_parse_token(p), '('))
        return rdl_parse_clause_wrong(p, kinds, sizeof kinds / sizeof kinds[0]);
    out->kind = RDL_ALERT_SELECT;
    return rdl_parse_sql_parens(p, "SELECT", &out->select);
}

static bool parse_severity(rdl_parser *p, rdl_ast_alert *out)
{
    static const char *const words[] = {"INFO", "WARNING", "CRITICAL"};
    if (!rdl_parse_twice(p, out->has_severity, "SEVERITY"))
        return false;
    out->has_severity = true;
    for (size_t i = 0; i < 3; i++) {
        out->severity = (rdl_alert_severity)i;
        if (rdl_parse_accept(p, words[i]))
            return true;
    }
    return rdl_parse_clause_wrong(p, words, 3);
}

static bool parse_targets(rdl_parser *p, rdl_ast_alert *out)
{
    RDL_VEC(rdl_alert_target) list = {0};
    if (!rdl_parse_twice(p, out->target_count > 0, "NOTIFY"))
        return false;
    do {
        rdl_alert_target one;
        if (!rdl_parse_string(p, "'mailto:..', 'https://..' or a command", &one.to, &one.pos))
            return false;
        RDL_PUSH(p->arena, &list) = one;
    } while (rdl_parse_accept_symbol(p, ','));
    out->targets = list.v;
    out->target_count = list.n;
    return true;
}

static bool parse_clause(rdl_parser *p, rdl_ast_alert *out)
{
    static const char *const clauses[] = {"WHEN",    "NOTIFY",  "SEVERITY",    "SCHEDULE",
                                          "COMMENT", "MESSAGE", "REPEAT EVERY"};
    if (rdl_parse_accept(p, "WHEN"))
        return parse_when(p, out);
    if (rdl_parse_accept(p, "NOTIFY"))
        return parse_targets(p, out);
    if (rdl_parse_accept(p, "SEVERITY"))
        return parse_severity(p, out);
    if (rdl_parse_at_schedule(p))
        return rdl_parse_schedule(p, &out->schedule);
    if (rdl_parse_accept(p, "COMMENT"))
        return rdl_parse_twice(p, out->comment.n > 0, "COMMENT") &&
               rdl_parse_string(p, "a comment", &out->comment, NULL);
    if (rdl_parse_accept(p, "MESSAGE"))
        return rdl_parse_twice(p, out->message.n > 0, "MESSAGE") &&
               rdl_parse_string(p, "a text with {column} places", &out->message, &out->message_pos);
    if (rdl_parse_accept2(p, "REPEAT", "EVERY"))
        return rdl_parse_twice(p, out->repeat_us > 0, "REPEAT EVERY") &&
               rdl_parse_interval(p, &out->repeat_us);
    return rdl_parse_clause_wrong(p, clauses, sizeof clauses / sizeof clauses[0]);
}

bool rdl_parse_alert(rdl_parser *p, rdl_ast_alert *out)
{
    while (!rdl_parse_at_end(p))
        if (!parse_clause(p, out))
            return false;
    if (out->kind == RDL_ALERT_NONE)
        return rdl_parse_wrong(p, "WHEN", "Write WHEN (SELECT ..) or WHEN FAILURE.");
    if (out->target_count == 0)
        return rdl_parse_wrong(p, "NOTIFY", "Write NOTIFY 'mailto:you@example.org'.");
    return true;
}
