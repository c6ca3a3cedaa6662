/*
 * stream/renamed.c - what a changed text would read twice, or leaves unread without a word.
 *
 * What was read is known by the name of its source.  A source under another name begins anew: where a
 * table that is there already does not deduplicate, every row would be in it twice, and the run is
 * refused.  A streaming table under another name (or a new one) begins with what its source gives
 * next: rows that were read before it was there are not in it, and the run says so.
 */
#include <inttypes.h>

#include "stream/internal.h"

static bool reads(const rdl_table *t, const rdl_table *source)
{
    for (size_t i = 0; i < t->input_count; i++)
        if (t->inputs[i].table == source)
            return true;
    return false;
}

static bool has_old_reader(rdl_engine *e, const rdl_table *source)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (t->dedup_count == 0 && reads(t, source) &&
            rdl_history_table(&e->history, t->full)->exists)
            return true;
    }
    return false;
}

/* Files that sources which left the pipeline have read, where f begins anew. */
void rdl_feed_find_elsewhere(rdl_engine *e, rdl_feed *f)
{
    rdl_map *files = NULL;
    if (f->table->kind != RDL_TABLE_SOURCE || f->table->source->on_repeat == RDL_REPEAT_READ ||
        !has_old_reader(e, f->table))
        return;
    for (size_t i = 0; i < e->history.ranges.n; i++) {
        rdl_sealed_range *r = &e->history.ranges.v[i];
        if (rdl_str_eq(r->source, f->table->full))
            return;
        if (r->range.kind != RDL_RANGE_FILE || rdl_pipeline_find(e->pipeline, r->source) != NULL)
            continue;
        if (files == NULL) {
            files = RDL_NEW(&e->arena, rdl_map);
            rdl_map_init(files, &e->arena);
        }
        rdl_map_put(files, rdl_str_of(r->range.u.file.path), r);
    }
    f->elsewhere = files;
}

rdl_code rdl_feed_check_elsewhere(const rdl_feed *f, const rdl_range *r, rdl_err *err)
{
    if (f->elsewhere == NULL || r->kind != RDL_RANGE_FILE)
        return RDL_OK;
    const rdl_file_range *now = &r->u.file;
    const rdl_sealed_range *was = rdl_map_get(f->elsewhere, rdl_str_of(now->path));
    if (was == NULL || now->end < was->range.u.file.end ||
        (now->end == was->range.u.file.end &&
         !rdl_hash128_eq(now->prefix_hash, was->range.u.file.prefix_hash)))
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "source \"%s\" would read \"%s\" again: \"%.*s\", which is no longer in the pipeline, "
                "has read it, and not every table on it deduplicates",
                f->table->full.p, now->shown, (int)was->source.n, was->source.p);
    rdl_err_hint(err, "Keep the source's old name; or say ON REPEAT READ; or compute everything again "
                      "into a fresh root with raudal backfill.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

void rdl_warn_of_unread(rdl_engine *e)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        size_t before = 0;
        if (t->kind != RDL_TABLE_STREAMING || t->cdc_snapshot != NULL || !e->tables[i].selected ||
            rdl_history_table(&e->history, t->full)->exists)
            continue;
        for (size_t j = 0; j < e->history.ranges.n; j++) {
            const rdl_table *s = rdl_pipeline_find(e->pipeline, e->history.ranges.v[j].source);
            before += s != NULL && s->kind == RDL_TABLE_SOURCE && reads(t, s);
        }
        if (before > 0)
            rdl_engine_warn(e,
                            "%s is new: it begins with what comes next; %zu file%s or partition%s of its "
                            "sources were read before, and raudal backfill reads them into a fresh root",
                            t->full.p, before, before == 1 ? "" : "s", before == 1 ? "" : "s");
    }
}
