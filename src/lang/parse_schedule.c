/*
 * lang/parse_schedule.c - SCHEDULE and TRIGGER, the clause that every statement which runs by
 * itself takes:
 *
 *   SCHEDULE CRON '0 3 * * *' [TIME ZONE 'America/Bogota']
 *   SCHEDULE EVERY INTERVAL 10 MINUTES
 *   TRIGGER ON UPDATE [AT MOST EVERY INTERVAL 1 MINUTE]
 *
 * and beside or without it what its readers were promised: done so long after it was due, or after
 * what it reads changed; `raudal status` and raudal.schedules hold it against what was.
 *
 *   PROMISE INTERVAL 15 MINUTES
 */
#include "base/cron.h"
#include "duck/zone.h"
#include "lang/bind.h"
#include "lang/parse.h"

static bool parse_cron(rdl_parser *p, rdl_schedule *out)
{
    out->kind = RDL_SCHEDULE_CRON;
    if (!rdl_parse_string(p, "a cron line such as '0 3 * * *'", &out->cron, &out->pos))
        return false;
    bool zone = rdl_parse_accept2(p, "TIME", "ZONE") || rdl_parse_accept2(p, "AT", "TIME");
    if (!zone)
        return true;
    (void)rdl_parse_accept(p, "ZONE"); /* AT TIME ZONE */
    return rdl_parse_string(p, "a time zone such as 'America/Bogota'", &out->zone, &out->pos);
}

static bool parse_trigger(rdl_parser *p, rdl_schedule *out)
{
    out->kind = RDL_SCHEDULE_ON_UPDATE;
    if (!rdl_parse_expect(p, "ON") || !rdl_parse_expect(p, "UPDATE"))
        return false;
    if (!rdl_parse_accept2(p, "AT", "MOST"))
        return true;
    return rdl_parse_expect(p, "EVERY") && rdl_parse_interval(p, &out->every_us);
}

bool rdl_parse_at_schedule(const rdl_parser *p)
{
    return rdl_parse_is(p, "SCHEDULE") || rdl_parse_is2(p, "TRIGGER", "ON") ||
           rdl_parse_is2(p, "PROMISE", "INTERVAL");
}

static bool parse_promise(rdl_parser *p, rdl_schedule *out)
{
    rdl_pos pos = rdl_parse_pos(p, rdl_parse_token(p));
    if (!rdl_parse_twice(p, out->promise_us > 0, "PROMISE") || !rdl_parse_expect(p, "PROMISE") ||
        !rdl_parse_interval(p, &out->promise_us))
        return false;
    return out->promise_us > 0 ||
           rdl_parse_fail(p, pos, "Write a time such as INTERVAL 15 MINUTES.",
                          "nothing is done in no time");
}

bool rdl_parse_schedule(rdl_parser *p, rdl_schedule *out)
{
    static const char *const choices[] = {"CRON", "EVERY"};
    if (rdl_parse_is(p, "PROMISE"))
        return parse_promise(p, out);
    if (!rdl_parse_twice(p, out->kind != RDL_SCHEDULE_NONE, "a schedule"))
        return false;
    out->pos = rdl_parse_pos(p, rdl_parse_token(p));
    if (rdl_parse_accept(p, "TRIGGER"))
        return parse_trigger(p, out);
    if (!rdl_parse_expect(p, "SCHEDULE"))
        return false;
    (void)rdl_parse_accept(p, "REFRESH"); /* as Databricks once wrote it */
    if (rdl_parse_accept(p, "CRON"))
        return parse_cron(p, out);
    if (!rdl_parse_accept(p, "EVERY"))
        return rdl_parse_clause_wrong(p, choices, 2);
    out->kind = RDL_SCHEDULE_EVERY;
    if (!rdl_parse_interval(p, &out->every_us))
        return false;
    return out->every_us > 0 ||
           rdl_parse_fail(p, out->pos, "Write at least INTERVAL 1 MILLISECOND.",
                          "a schedule cannot run without a pause");
}

bool rdl_bind_schedule(rdl_binder *b, const rdl_schedule *s, rdl_str of)
{
    rdl_cron cron;
    rdl_err err = {0};
    bool known = true;
    char why[200];
    if (s->kind != RDL_SCHEDULE_CRON)
        return true;
    if (!rdl_cron_parse(s->cron, &cron, why, sizeof why)) {
        rdl_bind_error(b, s->pos, "Write minute, hour, day, month and weekday, as in '0 3 * * *'.",
                       "the schedule '%.*s' of \"%.*s\" is no cron line: %s", (int)s->cron.n,
                       s->cron.p, (int)of.n, of.p, why);
        return false;
    }
    if (s->zone.n > 0 && rdl_zone_known(b->conn, s->zone, &known, &err) == RDL_OK && !known) {
        rdl_bind_error(b, s->pos, "Write its name in the IANA database, as in 'America/Bogota'.",
                       "unrecognized time zone \"%.*s\"", (int)s->zone.n, s->zone.p);
        return false;
    }
    return true;
}
