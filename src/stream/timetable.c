/*
 * stream/timetable.c - schedules as times, and jobs that run by them (see schedule.h).
 */
#include "duck/zone.h"
#include "stream/schedule.h"

/* A clock that is kept right is put back by less. */
#define AHEAD_US (INT64_C(60) * 1000000)
/* How far back the newest missed time of a cron line is looked for at once. */
#define NEAR_US (INT64_C(32) * 24 * 3600 * 1000000)

rdl_code rdl_timetable_read(rdl_arena *a, rdl_conn *conn, const rdl_schedule *s, rdl_str of,
                            rdl_timetable *out, rdl_err *err)
{
    char why[200];
    *out = (rdl_timetable){.kind = s->kind, .every_us = s->every_us};
    if (s->kind != RDL_SCHEDULE_CRON)
        return RDL_OK;
    if (!rdl_cron_parse(s->cron, &out->cron, why, sizeof why))
        return rdl_err_set(err, RDL_EUSAGE, 0, "the schedule '%.*s' of \"%.*s\" is no cron line: %s",
                           (int)s->cron.n, s->cron.p, (int)of.n, of.p, why);
    return rdl_zone_read(conn, a, s->zone, &out->zone, err);
}

bool rdl_time_is_ahead(int64_t noted_us, int64_t now_us)
{
    return noted_us > now_us && noted_us - now_us > AHEAD_US;
}

int64_t rdl_timetable_next(const rdl_timetable *t, int64_t after_us)
{
    if (t->kind == RDL_SCHEDULE_CRON)
        return rdl_cron_next_in(&t->cron, &t->zone, after_us);
    if (t->kind == RDL_SCHEDULE_NONE || (t->kind == RDL_SCHEDULE_ON_UPDATE && t->every_us == 0))
        return INT64_MAX;
    return after_us > INT64_MAX - t->every_us ? INT64_MAX : after_us + t->every_us;
}

int64_t rdl_timetable_newest(const rdl_timetable *t, int64_t after_us, int64_t now_us)
{
    if (t->kind != RDL_SCHEDULE_CRON) {
        if (after_us == INT64_MIN || t->every_us <= 0 || after_us > now_us)
            return now_us;
        return after_us + (now_us - after_us) / t->every_us * t->every_us;
    }
    int64_t from = after_us > now_us - NEAR_US ? after_us : now_us - NEAR_US;
    int64_t newest = INT64_MIN;
    for (int pass = 0; pass < 2 && newest == INT64_MIN; pass++) {
        for (int64_t at = rdl_timetable_next(t, from); at <= now_us; at = rdl_timetable_next(t, at))
            newest = at;
        if (after_us == INT64_MIN || from == after_us)
            break;
        from = after_us; /* a line with few times in a year */
    }
    return newest != INT64_MIN ? newest : now_us;
}

/* ---- jobs ---- */

rdl_code rdl_job_open(rdl_engine *e, rdl_str name, const rdl_schedule *s, rdl_job **out, rdl_err *err)
{
    rdl_job *j = RDL_NEW(&e->arena, rdl_job);
    j->name = name;
    j->not_before_us = INT64_MIN;
    RDL_TRY(rdl_timetable_read(&e->arena, e->conn, s, name, &j->times, err));
    RDL_PUSH(&e->arena, &e->jobs) = j;
    *out = j;
    return RDL_OK;
}

static bool has_times(const rdl_timetable *t)
{
    return t->kind == RDL_SCHEDULE_CRON || t->kind == RDL_SCHEDULE_EVERY;
}

int64_t rdl_job_next(rdl_engine *e, const rdl_job *j)
{
    const rdl_sealed_job *last = rdl_history_job(&e->history, j->name);
    if (!has_times(&j->times))
        return INT64_MAX;
    bool ran = last != NULL && !rdl_time_is_ahead(last->for_us, rdl_now_us(e->clock));
    int64_t next = ran ? rdl_timetable_next(&j->times, last->for_us) : INT64_MIN;
    return next > j->not_before_us ? next : j->not_before_us;
}

bool rdl_job_due(rdl_engine *e, const rdl_job *j, int64_t now_us, int64_t *out_for_us)
{
    const rdl_sealed_job *last = rdl_history_job(&e->history, j->name);
    *out_for_us = now_us;
    if (!has_times(&j->times) || rdl_job_next(e, j) > now_us)
        return false;
    *out_for_us = rdl_timetable_newest(&j->times, last != NULL ? last->for_us : INT64_MIN, now_us);
    return true;
}

void rdl_job_ran_with(rdl_work *w, const rdl_job *j, int64_t for_us)
{
    RDL_PUSH(&w->arena, &w->seal.jobs) = 
        (rdl_sealed_job){.name = j->name, .for_us = for_us, .ran_us = w->ts_us};
}

rdl_code rdl_job_ran(rdl_engine *e, const rdl_job *j, int64_t for_us, rdl_err *err)
{
    const rdl_sealed_job job = {
        .name = j->name, .for_us = for_us, .ran_us = rdl_now_us(e->clock)};
    return rdl_job_note(e, &job, err);
}

rdl_code rdl_job_note(rdl_engine *e, const rdl_sealed_job *job, rdl_err *err)
{
    rdl_buf record = {0};
    rdl_seal_print_job(job, &record);
    rdl_code rc = rdl_journal_append(e->journal, RDL_RECORD_JOB, (rdl_str){record.p, record.n}, err);
    rdl_buf_fini(&record);
    if (rc == RDL_OK)
        rdl_history_add_job(&e->history, job);
    return rc;
}
