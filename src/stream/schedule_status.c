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

/* The oldest change that it lacks, as far as the newest change of each input tells. */
static int64_t waiting_since(rdl_history *h, const rdl_input *inputs, size_t n, uint64_t seen)
{
    int64_t since = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        const rdl_table_history *in = rdl_history_table(h, inputs[i].table->full);
        if (in->last_changed > seen && (since == INT64_MIN || in->last_changed_us < since))
            since = in->last_changed_us;
    }
    return since;
}

static rdl_code describe(rdl_conn *conn, rdl_arena *a, const rdl_schedule *s, rdl_str name,
                         int64_t last_us, int64_t from_us, rdl_schedule_status *out, rdl_err *err)
{
    rdl_timetable times;
    rdl_buf text = {0};
    rdl_schedule_print(s, &text);
    *out = (rdl_schedule_status){.name = name,
                                 .text = rdl_arena_strdup(a, rdl_buf_str(&text)),
                                 .last_us = last_us,
                                 .next_us = INT64_MAX,
                                 .promise_us = s->promise_us,
                                 .waiting_us = INT64_MIN,
                                 .times = s->kind == RDL_SCHEDULE_CRON ||
                                          s->kind == RDL_SCHEDULE_EVERY};
    rdl_buf_fini(&text);
    RDL_TRY(rdl_timetable_read(a, conn, s, name, &times, err));
    bool any = s->kind == RDL_SCHEDULE_NONE ||
               (s->kind == RDL_SCHEDULE_ON_UPDATE && s->every_us == 0);
    out->next_us = from_us == INT64_MIN || any ? INT64_MIN : rdl_timetable_next(&times, from_us);
    return RDL_OK;
}

/* What came before the time that it is due at waits since then. */
static void wait_for(rdl_schedule_status *s, int64_t changed_us)
{
    s->waiting_us = changed_us;
    if (changed_us != INT64_MIN && s->times && s->next_us > changed_us && s->next_us != INT64_MAX)
        s->waiting_us = s->next_us;
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
    RDL_TRY(describe(conn, a, &s, rdl_str_of(name), last != NULL ? last->ran_us : INT64_MIN,
                     last != NULL ? last->for_us : INT64_MIN, out, err));
    wait_for(out, waiting_since(h, m->inputs, m->input_count, last != NULL ? last->cut : 0));
    return RDL_OK;
}

static rdl_code describe_table(const rdl_table *t, rdl_history *h, rdl_conn *conn, rdl_arena *a,
                               rdl_schedule_status *out, rdl_err *err)
{
    const rdl_table_history *past = rdl_history_table(h, t->full);
    int64_t last = past->last_evaluated > 0 ? past->last_evaluated_us : INT64_MIN;
    RDL_TRY(describe(conn, a, &t->schedule, t->full, last, last, out, err));
    out->took_us = past->took_us;
    wait_for(out, waiting_since(h, t->inputs, t->input_count, past->last_evaluated));
    return RDL_OK;
}

rdl_code rdl_schedule_of_report(const rdl_report *rep, rdl_history *h, rdl_conn *conn, rdl_arena *a,
                                const rdl_report_past *past, rdl_schedule_status *out, rdl_err *err)
{
    char *name = rdl_arena_printf(a, "report %.*s", (int)rep->name.n, rep->name.p);
    rdl_schedule s = rep->schedule;
    if (s.kind == RDL_SCHEDULE_NONE)
        s.kind = RDL_SCHEDULE_ON_UPDATE;
    RDL_TRY(describe(conn, a, &s, rdl_str_of(name), past->ended_us, past->started_us, out, err));
    out->took_us = past->ended_us != INT64_MIN ? past->ended_us - past->started_us : 0;
    wait_for(out, waiting_since(h, rep->inputs, rep->input_count, past->epoch));
    return RDL_OK;
}

rdl_code rdl_schedules_status(const rdl_pipeline *p, rdl_history *h, rdl_conn *conn, rdl_arena *a,
                              rdl_schedule_status **out, size_t *out_n, rdl_err *err)
{
    *out = RDL_NEWN(a, rdl_schedule_status, p->table_count + p->model_count + 1);
    *out_n = 0;
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        if (t->schedule.kind == RDL_SCHEDULE_NONE && t->schedule.promise_us == 0)
            continue;
        RDL_TRY(describe_table(t, h, conn, a, &(*out)[(*out_n)++], err));
    }
    for (size_t i = 0; i < p->model_count; i++)
        RDL_TRY(describe_model(p->models[i], h, conn, a, &(*out)[(*out_n)++], err));
    return RDL_OK;
}
