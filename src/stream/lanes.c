/*
 * stream/lanes.c - running maxima of event time, by which rows are late.
 */
#include "stream/judge.h"

/* A topic's partitions advance apart: each is a lane, so that how an epoch cuts them decides nothing. */
static int32_t lane_of(rdl_lanes *l, rdl_engine *e, rdl_work *w, const rdl_sealed_partition *p)
{
    const rdl_table *s = rdl_pipeline_find(e->pipeline, p->source);
    rdl_str name = p->source;
    if (s == NULL || s->source == NULL || s->source->watermark_column < 0)
        return -1;
    if (rdl_str_starts(s->source->url, "kafka:"))
        name = rdl_str_of(rdl_arena_printf(&w->arena, "%.*s:%.*s", (int)p->source.n, p->source.p,
                                           (int)p->name.n, p->name.p));
    for (size_t i = 0; i < l->n && name.p == p->source.p; i++) {
        if (rdl_str_eq(l->v[i].name, name))
            return (int32_t)i;
    }
    l->v[l->n] = (rdl_lane){name, rdl_history_watermark(&e->history, l->t->full, name),
                            s->source->watermark_delay_us, false};
    return (int32_t)l->n++;
}

void rdl_lanes_open(rdl_lanes *l, rdl_engine *e, rdl_work *w, const rdl_table *t)
{
    const rdl_history *h = &e->history;
    *l = (rdl_lanes){.t = t};
    l->of_count = h->partition_next + (int32_t)w->seal.partitions.n;
    l->of = RDL_NEWN(&w->arena, int32_t, (size_t)l->of_count + 1);
    l->v = RDL_NEWN(&w->arena, rdl_lane, h->partitions.n + w->seal.partitions.n + 1);
    memset(l->of, -1, sizeof *l->of * ((size_t)l->of_count + 1));
    for (size_t i = 0; i < h->partitions.n; i++)
        l->of[h->partitions.v[i].number] = lane_of(l, e, w, &h->partitions.v[i]);
    for (size_t i = 0; i < w->seal.partitions.n; i++)
        l->of[w->seal.partitions.v[i].number] = lane_of(l, e, w, &w->seal.partitions.v[i]);
}

void rdl_lanes_close(rdl_lanes *l, rdl_engine *e, rdl_work *w)
{
    e->late_behind[l->t->index] += (double)l->behind;
    e->late_seen[l->t->index] += (double)l->seen;
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].max_us != INT64_MIN && l->v[i].moved)
            RDL_PUSH(&w->arena, &w->seal.watermarks) =
                (rdl_sealed_watermark){l->t->full, l->v[i].name, l->v[i].max_us};
    }
}
