/*
 * stream/judge_runs.c - rows judged as they lie, where constraints and time alone decide.
 *
 * Without keys to claim, a row's fate needs its violated constraints and, for lateness, the rows of
 * its partition that arrived before it.  Rows mostly lie in long stretches of arrival order, so they
 * are not sorted but their stretches are:
 *
 *   run      rows one after the other by rowid, of one epoch and partition, in arrival order and
 *            without a wide gap: several threads read a partition, and their shares take turns
 *   events   event times of all rows as they were read: 8 bytes a row
 *   marks    rows that violate something; few
 *
 * Rows that a body has scattered (a join, say) make short runs, or runs that interleave: then judge.c
 * sorts them row by row.
 */
#include <stdlib.h>

#include "stream/judge.h"

enum {
    RUNS_FREE = 64,    /* so many runs are always fine; beyond them, */
    RUN_ROWS_MIN = 16, /* they must be as long on average */
    GAP_MAX = 256,     /* offsets that a body filtered; a wider gap is another reader's share */
};

typedef struct run {
    int64_t epoch, rowid;
    int64_t first, first_ordinal, last, last_ordinal; /* offsets, inclusive */
    int32_t partition;
    size_t at, n; /* in events */
} run;

typedef struct mark {
    size_t at; /* in events; ascending */
    int64_t rowid;
    uint64_t violated;
    rdl_fate fate;
} mark;

typedef struct sitting {
    rdl_work *w;
    const rdl_table *t;
    int64_t *events;
    size_t n, cap;
    RDL_VEC(run) runs;
    RDL_VEC(mark) marks;
    bool fails; /* judge.c finds the first such record */
} sitting;

static bool make_room(sitting *s, size_t more)
{
    if (s->n + more <= s->cap)
        return true;
    size_t cap = (s->n + more) * 2;
    int64_t *events = realloc(s->events, cap * sizeof *events); /* allow: an epoch's rows */
    if (events == NULL)
        return false;
    s->events = events;
    s->cap = cap;
    return true;
}

typedef struct columns {
    const int64_t *rowid, *epoch, *offset, *ordinal, *violated;
    const int32_t *partition;
} columns;

/* Is (offset, ordinal) soon after (last, last_ordinal)? */
static bool is_soon_after(int64_t offset, int64_t ordinal, int64_t last, int64_t last_ordinal)
{
    return offset == last ? ordinal > last_ordinal : offset > last && offset - last <= GAP_MAX;
}

static bool follows(const columns *c, size_t i)
{
    return c->rowid[i] == c->rowid[i - 1] + 1 && c->epoch[i] == c->epoch[i - 1] &&
           c->partition[i] == c->partition[i - 1] &&
           is_soon_after(c->offset[i], c->ordinal[i], c->offset[i - 1], c->ordinal[i - 1]);
}

static bool goes_on(const run *r, const columns *c)
{
    return c->rowid[0] == r->rowid + (int64_t)r->n && c->epoch[0] == r->epoch &&
           c->partition[0] == r->partition &&
           is_soon_after(c->offset[0], c->ordinal[0], r->last, r->last_ordinal);
}

static void take_runs(sitting *s, const columns *c, size_t rows)
{
    for (size_t from = 0, to; from < rows; from = to) {
        to = from + 1;
        while (to < rows && follows(c, to))
            to++;
        run *last = s->runs.n > 0 ? &s->runs.v[s->runs.n - 1] : NULL;
        if (from > 0 || last == NULL || !goes_on(last, c)) {
            last = &RDL_PUSH(&s->w->arena, &s->runs);
            *last = (run){.epoch = c->epoch[from],
                          .rowid = c->rowid[from],
                          .first = c->offset[from],
                          .first_ordinal = c->ordinal[from],
                          .partition = c->partition[from],
                          .at = s->n + from};
        }
        last->last = c->offset[to - 1];
        last->last_ordinal = c->ordinal[to - 1];
        last->n += to - from;
    }
}

static void take_marks(sitting *s, const columns *c, size_t rows)
{
    uint64_t any = 0;
    for (size_t i = 0; i < rows; i++)
        any |= (uint64_t)c->violated[i];
    for (size_t i = 0; any != 0 && i < rows; i++) {
        if (c->violated[i] == 0)
            continue;
        mark m = {.at = s->n + i, .rowid = c->rowid[i], .violated = (uint64_t)c->violated[i]};
        m.fate = rdl_judge_violated(s->t, m.violated, &s->fails);
        if (m.fate != RDL_FATE_WRITTEN)
            s->events[m.at] = INT64_MIN; /* it moves no watermark */
        RDL_PUSH(&s->w->arena, &s->marks) = m;
    }
}

static rdl_code take_chunk(sitting *s, const rdl_chunk *k, rdl_err *err)
{
    const columns c = {.rowid = k->v[0].data,
                       .epoch = k->v[1].data,
                       .partition = k->v[2].data,
                       .offset = k->v[3].data,
                       .ordinal = k->v[4].data,
                       .violated = k->v[6].data};
    if (!make_room(s, k->rows))
        return rdl_err_nomem(err);
    memcpy(s->events + s->n, k->v[5].data, k->rows * sizeof *s->events);
    for (size_t i = 0; k->v[5].validity != NULL && i < k->rows; i++) {
        if (!rdl_vector_valid(&k->v[5], i))
            s->events[s->n + i] = INT64_MIN;
    }
    take_runs(s, &c, k->rows);
    take_marks(s, &c, k->rows);
    s->n += k->rows;
    return RDL_OK;
}

static bool scattered(const sitting *s)
{
    return s->runs.n > RUNS_FREE && s->runs.n > s->n / RUN_ROWS_MIN;
}

static rdl_code read_all(sitting *s, rdl_engine *e, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *r = NULL;
    const rdl_chunk *k;
    rdl_judge_put_query(&sql, s->t);
    rdl_code rc = rdl_relation_query(e, rdl_buf_str(&sql), &r, err);
    while (rc == RDL_OK && !s->fails && !scattered(s) && rdl_result_next(r, &k))
        rc = take_chunk(s, k, err);
    rdl_result_free(r);
    rdl_buf_fini(&sql);
    return rc;
}

static int by_arrival(const void *pa, const void *pb)
{
    const run *a = pa, *b = pb;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (a->first_ordinal > b->first_ordinal) - (a->first_ordinal < b->first_ordinal);
}

/* In arrival order, and none begins before the one before it ends. */
static bool settle_order(sitting *s)
{
    if (s->runs.n > 1)
        qsort(s->runs.v, s->runs.n, sizeof *s->runs.v, by_arrival);
    for (size_t i = 1; i < s->runs.n; i++) {
        const run *a = &s->runs.v[i - 1], *b = &s->runs.v[i];
        if (a->epoch == b->epoch && a->partition == b->partition &&
            (b->first < a->last || (b->first == a->last && b->first_ordinal <= a->last_ordinal)))
            return false;
    }
    return true;
}

static mark *mark_at(sitting *s, size_t at)
{
    size_t low = 0, high = s->marks.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->marks.v[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->marks.n && s->marks.v[low].at == at ? &s->marks.v[low] : NULL;
}

static void divert(sitting *s, const run *r, size_t i, rdl_verdicts *out)
{
    mark *m = mark_at(s, r->at + i);
    rdl_fate fate = s->t->on_late == RDL_LATE_DIVERT ? RDL_FATE_LATE_DIVERTED
                                                     : RDL_FATE_LATE_DROPPED;
    if (m != NULL)
        m->fate = fate;
    else
        RDL_PUSH(&s->w->arena, out) =
            (rdl_verdict){r->rowid + (int64_t)i, (int32_t)fate, 0};
}

static void judge_late(sitting *s, rdl_lanes *lanes, rdl_ledger *l, rdl_verdicts *out)
{
    for (size_t k = 0; k < s->runs.n; k++) {
        const run *r = &s->runs.v[k];
        const int64_t *events = s->events + r->at;
        rdl_lane *own = rdl_lane_of(lanes, r->partition);
        for (size_t i = 0; own != NULL && i < r->n; i++) {
            if (events[i] == INT64_MIN)
                continue;
            lanes->seen++;
            if (!rdl_lane_is_late(own, events[i]))
                continue;
            lanes->behind++;
            if (s->t->on_late == RDL_LATE_AMEND)
                l->amended++;
            else
                divert(s, r, i, out);
        }
    }
}

static void count(const sitting *s, rdl_ledger *l, rdl_table_report *report, rdl_verdicts *out)
{
    for (size_t i = 0; i < s->marks.n; i++) {
        const mark *m = &s->marks.v[i];
        rdl_judge_count_tags(s->t, m->violated, m->fate == RDL_FATE_WRITTEN, l, report);
        if (m->fate != RDL_FATE_WRITTEN)
            RDL_PUSH(&s->w->arena, out) =
                (rdl_verdict){m->rowid, (int32_t)m->fate, (int64_t)m->violated};
    }
    l->written = s->n - out->n;
}

rdl_code rdl_judge_runs(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_ledger *l,
                        rdl_table_report *report, rdl_verdicts *out, bool *done, rdl_err *err)
{
    sitting s = {.w = w, .t = t};
    rdl_lanes lanes;
    rdl_code rc = read_all(&s, e, err);
    *done = rc == RDL_OK && !s.fails && !scattered(&s) && settle_order(&s);
    if (*done) {
        rdl_lanes_open(&lanes, e, w, t);
        judge_late(&s, &lanes, l, out);
        rdl_lanes_close(&lanes, e, w);
        count(&s, l, report, out);
    }
    free(s.events); /* allow: an epoch's rows */
    return rc;
}
