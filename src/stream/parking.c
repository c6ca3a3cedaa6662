/*
 * stream/parking.c - what fails is put aside; see the header.
 */
#include "stream/parking.h"

#include "base/log.h"

#define SOURCE_RETRY_MIN_US (INT64_C(1) * 1000000)
#define RETRY_MAX_US (INT64_C(3600) * 1000000)

typedef struct culprit {
    const rdl_table *table;
    const char *name; /* "table gold.x", "source x" */
    unsigned failures; /* in a row */
    bool aside;
    int64_t retry_us;
} culprit;

struct rdl_parking {
    RDL_VEC(culprit) list;
    bool *chosen, *wanted; /* tables by --only and --from; feeds that they read */
    bool *out;             /* by table: aside now */
    rdl_err first;
};

void rdl_parking_begin(rdl_engine *e)
{
    size_t n = e->pipeline->table_count;
    rdl_err earlier;
    (void)!rdl_parking_end(e, &earlier); /* of a run that ended early */
    rdl_parking *p = RDL_NEW(&e->arena, rdl_parking);
    *p = (rdl_parking){.chosen = RDL_NEWN(&e->arena, bool, n + 1),
                       .wanted = RDL_NEWN(&e->arena, bool, e->feed_count + 1),
                       .out = RDL_NEWN(&e->arena, bool, n + 1)};
    for (size_t i = 0; i < n; i++)
        p->chosen[i] = e->tables[i].selected;
    for (size_t i = 0; i < e->feed_count; i++)
        p->wanted[i] = e->feeds[i].wanted;
    e->parking = p;
}

/* ---- who is out ---- */

static bool add(bool *out, const rdl_table *t)
{
    bool is_new = !out[t->index];
    out[t->index] = true;
    return is_new;
}

/* What a table takes with it: sources whose rows it would miss, what its changes are made from. */
static bool spread_up(bool *out, const rdl_table *t)
{
    bool more = t->cdc_snapshot != NULL && add(out, t->cdc_snapshot);
    for (size_t i = 0; i < t->input_count && t->kind == RDL_TABLE_STREAMING; i++)
        if (t->inputs[i].table->kind == RDL_TABLE_SOURCE)
            more |= add(out, t->inputs[i].table);
    return more;
}

/* A source that rests stops nobody: there are no rows of it.  Everything else stops its readers. */
static bool spread_down(bool *out, const rdl_table *t)
{
    bool stopped = t->cdc_snapshot != NULL && out[t->cdc_snapshot->index];
    for (size_t i = 0; i < t->input_count && !stopped; i++)
        stopped = out[t->inputs[i].table->index] && t->inputs[i].table->kind != RDL_TABLE_SOURCE;
    return stopped && add(out, t);
}

static void spread(const rdl_pipeline *p, bool *out)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < p->table_count; i++) {
            if (out[i])
                more |= spread_up(out, p->tables[i]);
            else
                more |= spread_down(out, p->tables[i]);
        }
    }
}

static bool has_reader(const rdl_engine *e, const rdl_table *source)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        bool reads = t->cdc_snapshot == source;
        for (size_t k = 0; k < t->input_count; k++)
            reads |= t->inputs[k].table == source;
        if (reads && e->tables[i].selected)
            return true;
    }
    return false;
}

static void choose(rdl_engine *e)
{
    rdl_parking *p = e->parking;
    size_t n = e->pipeline->table_count;
    memset(p->out, 0, n * sizeof *p->out);
    for (size_t i = 0; i < p->list.n; i++)
        if (p->list.v[i].aside)
            p->out[p->list.v[i].table->index] = true;
    spread(e->pipeline, p->out);
    for (size_t i = 0; i < n; i++)
        e->tables[i].selected =
            p->chosen[i] && (!p->out[i] || e->pipeline->tables[i]->source != NULL);
    for (size_t i = 0; i < e->feed_count; i++) {
        const rdl_table *s = e->feeds[i].table;
        /* The next version of a whole state may be what mends its readers. */
        e->feeds[i].wanted = p->wanted[i] && !p->out[s->index] &&
                             (has_reader(e, s) || s->kind == RDL_TABLE_SNAPSHOT);
    }
}

/* ---- failures ---- */

/* Damage of state or lake is met inside a table's work and is nobody's own. */
static bool is_its_own(const rdl_table *t, rdl_code rc, const rdl_err *err)
{
    if (err->area == RDL_AREA_STORE)
        return false;
    if (rc == RDL_EDATA || rc == RDL_ESCHEMA || rc == RDL_EUSAGE || rc == RDL_ELIMIT)
        return true;
    return (t->source != NULL || err->area == RDL_AREA_SOURCE) &&
           (rc == RDL_EIO || rc == RDL_ENET || rc == RDL_EREMOTE || rc == RDL_ECONFLICT);
}

static culprit *culprit_of(rdl_engine *e, const rdl_table *t)
{
    rdl_parking *p = e->parking;
    for (size_t i = 0; i < p->list.n; i++)
        if (p->list.v[i].table == t)
            return &p->list.v[i];
    RDL_PUSH(&e->arena, &p->list) = (culprit){
        .table = t,
        .name = rdl_arena_printf(&e->arena, "%s %s", t->source != NULL ? "source" : "table", t->full.p)};
    return &p->list.v[p->list.n - 1];
}

static void tell(rdl_engine *e, const culprit *c, const rdl_err *err)
{
    int64_t now = rdl_now_us(e->clock);
    const rdl_job_report report = {.name = c->name,
                                   .started_us = now,
                                   .ended_us = now,
                                   .ok = err == NULL,
                                   .message = err != NULL ? err->msg : "",
                                   .epoch = e->history.epoch};
    rdl_engine_tell_job(e, &report);
}

bool rdl_parking_take(rdl_engine *e, rdl_code rc, const rdl_err *err)
{
    const rdl_table *t = e->blame;
    e->blame = NULL;
    if (e->parking == NULL || t == NULL || e->stop || !is_its_own(t, rc, err))
        return false;
    culprit *c = culprit_of(e, t);
    if (c->aside)
        return false;
    int64_t pause = t->source != NULL ? SOURCE_RETRY_MIN_US : e->retry_us;
    for (unsigned i = 0; i < c->failures && pause < RETRY_MAX_US; i++)
        pause *= 2;
    c->failures++;
    c->aside = true;
    c->retry_us = rdl_now_us(e->clock) + (pause < RETRY_MAX_US ? pause : RETRY_MAX_US);
    if (e->parking->first.code == RDL_OK)
        e->parking->first = *err;
    rdl_log_err(RDL_LOG_WARN, "epoch", t->source != NULL ? "source_put_aside" : "table_put_aside", err);
    tell(e, c, err);
    choose(e);
    return true;
}

void rdl_parking_turn(rdl_engine *e)
{
    rdl_parking *p = e->parking;
    bool any = false;
    int64_t now = p != NULL ? rdl_now_us(e->clock) : 0;
    for (size_t i = 0; p != NULL && i < p->list.n; i++) {
        culprit *c = &p->list.v[i];
        if (!c->aside || (now < c->retry_us && c->retry_us <= now + RETRY_MAX_US))
            continue;
        c->aside = false;
        any = true;
    }
    if (any)
        choose(e);
}

int64_t rdl_parking_next(const rdl_engine *e)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; e->parking != NULL && i < e->parking->list.n; i++) {
        const culprit *c = &e->parking->list.v[i];
        if (c->aside && c->retry_us < next)
            next = c->retry_us;
    }
    return next;
}

static bool names(const rdl_seal *s, const rdl_table *t)
{
    for (size_t i = 0; i < s->tables.n; i++)
        if (rdl_str_eq(s->tables.v[i].table, t->full))
            return true;
    for (size_t i = 0; i < s->ranges.n; i++)
        if (rdl_str_eq(s->ranges.v[i].source, t->full))
            return true;
    return false;
}

void rdl_parking_sealed(rdl_engine *e, const rdl_work *w)
{
    for (size_t i = 0; e->parking != NULL && i < e->parking->list.n; i++) {
        culprit *c = &e->parking->list.v[i];
        if (c->aside || c->failures == 0 || !names(&w->seal, c->table))
            continue;
        c->failures = 0;
        rdl_log(RDL_LOG_INFO, "epoch", "works_again", "name=\"%s\"", c->name);
        tell(e, c, NULL);
    }
}

rdl_code rdl_parking_end(rdl_engine *e, rdl_err *err)
{
    rdl_parking *p = e->parking;
    if (p == NULL)
        return RDL_OK;
    for (size_t i = 0; i < p->list.n; i++)
        p->list.v[i].aside = false;
    choose(e);
    e->parking = NULL;
    if (p->first.code != RDL_OK)
        *err = p->first;
    return p->first.code;
}
