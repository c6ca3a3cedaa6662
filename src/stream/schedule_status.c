/*
 * stream/schedule_status.c - what runs by itself, and when, for people.
 */
#include "stream/reader.h"
#include "stream/schedule.h"

void rdl_schedule_print(const rdl_schedule *s, rdl_buf *out)
{
    switch (s->kind) {
    case RDL_SCHEDULE_CRON:
        rdl_buf_printf(out, "CRON '%.*s'", (int)s->cron.n, s->cron.p);
        if (s->zone.n > 0)
            rdl_buf_printf(out, " TIME ZONE '%.*s'", (int)s->zone.n, s->zone.p);
        break;
    case RDL_SCHEDULE_EVERY:
        rdl_buf_puts(out, "EVERY ");
        rdl_interval_print(s->every_us, out);
        break;
    case RDL_SCHEDULE_ON_UPDATE:
        rdl_buf_puts(out, "ON UPDATE");
        if (s->every_us > 0) {
            rdl_buf_puts(out, " AT MOST EVERY ");
            rdl_interval_print(s->every_us, out);
        }
        break;
    case RDL_SCHEDULE_NONE:
        break;
    }
}

static rdl_code describe(rdl_conn *conn, rdl_arena *a, const rdl_schedule *s, rdl_str name,
                         int64_t last_us, int64_t from_us, rdl_schedule_status *out, rdl_err *err)
{
    rdl_timetable times;
    rdl_buf text = {0};
    rdl_schedule_print(s, &text);
    *out = (rdl_schedule_status){name, rdl_arena_strdup(a, rdl_buf_str(&text)), last_us, INT64_MAX};
    rdl_buf_fini(&text);
    RDL_TRY(rdl_timetable_read(a, conn, s, name, &times, err));
    bool any = s->kind == RDL_SCHEDULE_ON_UPDATE && s->every_us == 0;
    out->next_us = from_us == INT64_MIN || any ? INT64_MIN : rdl_timetable_next(&times, from_us);
    return RDL_OK;
}

static rdl_code describe_model(const rdl_model *m, rdl_history *h, rdl_conn *conn, rdl_arena *a,
                               rdl_schedule_status *out, rdl_err *err)
{
    char *name = rdl_arena_printf(a, "%s %.*s", m->table != NULL ? "model" : "train",
                                  (int)m->name.n, m->name.p);
    const rdl_sealed_job *last = rdl_history_job(h, rdl_str_of(name));
    rdl_schedule s = m->schedule;
    if (s.kind == RDL_SCHEDULE_NONE)
        s.kind = RDL_SCHEDULE_ON_UPDATE;
    return describe(conn, a, &s, rdl_str_of(name), last != NULL ? last->ran_us : INT64_MIN,
                    last != NULL ? last->for_us : INT64_MIN, out, err);
}

rdl_code rdl_schedules_status(const rdl_pipeline *p, rdl_history *h, rdl_conn *conn, rdl_arena *a,
                              rdl_schedule_status **out, size_t *out_n, rdl_err *err)
{
    *out = RDL_NEWN(a, rdl_schedule_status, p->table_count + p->model_count + 1);
    *out_n = 0;
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        const rdl_table_history *past = rdl_history_table(h, t->full);
        int64_t last = past->last_evaluated > 0 ? past->last_evaluated_us : INT64_MIN;
        if (t->schedule.kind == RDL_SCHEDULE_NONE)
            continue;
        RDL_TRY(describe(conn, a, &t->schedule, t->full, last, last, &(*out)[*out_n], err));
        ++*out_n;
    }
    for (size_t i = 0; i < p->model_count; i++)
        RDL_TRY(describe_model(p->models[i], h, conn, a, &(*out)[(*out_n)++], err));
    return RDL_OK;
}
