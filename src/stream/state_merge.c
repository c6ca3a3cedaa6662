/*
 * stream/state_merge.c - layers read together in key order; a merge written as a run.
 *
 * Fan-in is small (at most a dozen), so the smallest head is found by looking at each.
 *
 * INVARIANTS
 *   M1  Of entries with one key the newest layer's is given, the others are passed over.
 *   M2  An entry older than its space's clear may be dropped at any level: whatever lies below
 *       it is older still.  A tombstone only at the bottom.
 */
#include "stream/state_merge.h"

#include <stdlib.h>

#include "base/fault.h"
#include "stream/state_format.h"

enum {
    STOP_EVERY = 4096, /* entries between looks at the stop flag */
};

void rdl_merge_fini(rdl_merge *m)
{
    for (size_t i = 0; i < m->n; i++) {
        rdl_run_cursor_fini(&m->layers[i].cursor);
        free(m->layers[i].sorted); /* allow: see add_table */
        free(m->layers[i].parts);  /* allow: see add_parts */
    }
    free(m->layers); /* allow: see add_layer */
    *m = (rdl_merge){0};
}

static rdl_code add_layer(rdl_merge *m, rdl_source_layer **out, rdl_err *err)
{
    if (m->n == m->cap) {
        size_t cap = m->cap == 0 ? 8 : m->cap * 2;
        rdl_source_layer *layers =
            realloc(m->layers, cap * sizeof *layers); /* allow: state */
        if (layers == NULL)
            return rdl_err_nomem(err);
        m->layers = layers;
        m->cap = cap;
    }
    *out = &m->layers[m->n++];
    **out = (rdl_source_layer){0};
    return RDL_OK;
}

static int by_space(const void *x, const void *y)
{
    const rdl_layer_part *a = x, *b = y;
    return (a->space > b->space) - (a->space < b->space);
}

/* Entries by space index: how many there are, then where the next one goes. */
typedef struct places {
    size_t *v, n;
} places;

static bool count_spaces(const rdl_memtable *t, uint32_t only, places *out)
{
    rdl_memtable_walk w = {.table = t};
    for (const rdl_entry *e = rdl_memtable_next(&w); e != NULL; e = rdl_memtable_next(&w)) {
        if (only != UINT32_MAX && e->space != only)
            continue;
        if (e->space >= out->n) {
            size_t n = (size_t)e->space + 1;
            size_t *v = realloc(out->v, n * sizeof *v); /* allow: freed by rdl_merge_add_table */
            if (v == NULL)
                return false;
            memset(v + out->n, 0, (n - out->n) * sizeof *v);
            *out = (places){v, n};
        }
        out->v[e->space]++;
    }
    return true;
}

/* The layer's parts in the order of their spaces; counts become places. */
static bool add_parts(rdl_source_layer *l, const rdl_space_view *spaces, places *p)
{
    l->parts = malloc((p->n + 1) * sizeof *l->parts); /* allow: freed by rdl_merge_fini */
    if (l->parts == NULL)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        if (p->v[i] > 0)
            l->parts[l->part_count++] = (rdl_layer_part){spaces[i].id, i};
    }
    qsort(l->parts, l->part_count, sizeof *l->parts, by_space);
    for (size_t i = 0; i < l->part_count; i++) {
        size_t *place = &p->v[l->parts[i].end], count = *place;
        *place = l->n;
        l->n += count;
        l->parts[i].end = l->n;
    }
    return true;
}

static void place_entries(rdl_source_layer *l, const rdl_memtable *t, uint32_t only, places *p)
{
    rdl_memtable_walk w = {.table = t};
    for (const rdl_entry *e = rdl_memtable_next(&w); e != NULL; e = rdl_memtable_next(&w)) {
        rdl_str key = rdl_entry_key(e);
        if (only == UINT32_MAX || e->space == only)
            l->sorted[p->v[e->space]++] = (rdl_sort_key){.p = key.p, .n = (uint32_t)key.n};
    }
    for (size_t i = 0, from = 0; i < l->part_count; from = l->parts[i++].end)
        rdl_key_sort(l->sorted + from, l->parts[i].end - from);
}

rdl_code rdl_merge_add_table(rdl_merge *m,
                             const rdl_memtable *t,
                             const rdl_space_view *spaces,
                             uint32_t only,
                             rdl_err *err)
{
    rdl_source_layer *l = NULL;
    places p = {0};
    if (t->entries == 0)
        return RDL_OK;
    RDL_TRY(add_layer(m, &l, err));
    l->epoch_base = t->epoch_base;
    bool ok = count_spaces(t, only, &p) && add_parts(l, spaces, &p);
    if (ok) {
        l->sorted = malloc((l->n + 1) * sizeof *l->sorted); /* allow: large buffer */
        ok = l->sorted != NULL;
    }
    if (ok)
        place_entries(l, t, only, &p);
    free(p.v); /* allow: see count_spaces */
    return ok ? RDL_OK : rdl_err_nomem(err);
}

rdl_code rdl_merge_add_run(rdl_merge *m, const rdl_run *r, rdl_err *err)
{
    rdl_source_layer *l = NULL;
    RDL_TRY(add_layer(m, &l, err));
    l->is_run = true;
    rdl_run_cursor_init(&l->cursor, r);
    return RDL_OK;
}

/* Show what the layer stands at. */
static void show(rdl_source_layer *l)
{
    if (l->is_run) {
        l->done = l->cursor.done;
        l->entry = l->cursor.entry;
        return;
    }
    l->done = l->at == l->n;
    if (l->done)
        return;
    const rdl_entry *e = rdl_entry_of_key(l->sorted[l->at].p);
    while (l->at >= l->parts[l->part].end)
        l->part++;
    l->entry = (rdl_run_entry){.space = l->parts[l->part].space,
                               .epoch = l->epoch_base + e->epoch,
                               .key = rdl_entry_key(e),
                               .value = rdl_entry_value(e),
                               .tombstone = rdl_entry_is_tombstone(e)};
}

rdl_code rdl_merge_start(rdl_merge *m, const uint64_t *space, rdl_err *err)
{
    for (size_t i = 0; i < m->n; i++) {
        rdl_source_layer *l = &m->layers[i];
        if (l->is_run && space != NULL)
            RDL_TRY(rdl_run_cursor_seek(&l->cursor, *space, (rdl_str){0}, err));
        else if (l->is_run)
            RDL_TRY(rdl_run_cursor_first(&l->cursor, err));
        show(l);
    }
    m->given = m->n;
    return RDL_OK;
}

static int compare_entries(const rdl_run_entry *a, const rdl_run_entry *b)
{
    if (a->space != b->space)
        return a->space < b->space ? -1 : 1;
    return rdl_str_cmp(a->key, b->key);
}

static rdl_code advance(rdl_source_layer *l, rdl_err *err)
{
    if (l->is_run)
        RDL_TRY(rdl_run_cursor_next(&l->cursor, err));
    else
        l->at++;
    show(l);
    return RDL_OK;
}

/*
 * The layer that gives an entry goes on standing at it until the next call, so that its strings
 * live; layers below that hold the same key are moved on at once.
 */
rdl_code rdl_merge_next(rdl_merge *m, rdl_run_entry *out, bool *end, rdl_err *err)
{
    size_t best = m->n;
    if (m->given < m->n)
        RDL_TRY(advance(&m->layers[m->given], err));
    for (size_t i = 0; i < m->n; i++)
        if (!m->layers[i].done &&
            (best == m->n ||
             compare_entries(&m->layers[i].entry, &m->layers[best].entry) < 0))
            best = i;
    m->given = best;
    *end = best == m->n;
    if (*end)
        return RDL_OK;
    for (size_t i = best + 1; i < m->n; i++)
        if (!m->layers[i].done &&
            compare_entries(&m->layers[i].entry, &m->layers[best].entry) == 0)
            RDL_TRY(advance(&m->layers[i], err)); /* M1 */
    *out = m->layers[best].entry;
    return RDL_OK;
}

static bool hidden(const rdl_merge_output *o, const rdl_run_entry *e, size_t *at)
{
    /* Entries of a space stand together: the last one found is nearly always right. */
    if (*at >= o->space_count || o->spaces[*at].id != e->space) {
        for (*at = 0; *at < o->space_count && o->spaces[*at].id != e->space;)
            ++*at;
    }
    return *at < o->space_count && e->epoch < o->spaces[*at].cleared_at;
}

static rdl_code
write_entries(rdl_merge *m, const rdl_merge_output *o, rdl_run_writer *w, rdl_err *err)
{
    size_t space = 0;
    RDL_TRY(rdl_merge_start(m, NULL, err));
    for (uint64_t n = 0;; n++) {
        rdl_run_entry e = {0};
        bool end;
        if (n % STOP_EVERY == 0 && atomic_load_explicit(o->stop, memory_order_relaxed))
            return rdl_err_set(err, RDL_ESTOP, 0,
                               "could not finish run \"%s\": asked to stop", o->path);
        RDL_TRY(rdl_merge_next(m, &e, &end, err));
        if (end)
            return RDL_OK;
        if ((o->bottom && e.tombstone) || hidden(o, &e, &space)) /* M2 */
            continue;
        RDL_TRY(rdl_run_writer_add(w, &e, err));
    }
}

static rdl_code publish(const char *tmp, const rdl_merge_output *o, rdl_err *err)
{
    rdl_arena a;
    int fault = RDL_FAULT_AT(RUN_BEFORE_RENAME);
    if (fault != 0)
        return rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not rename run \"%s\": %s",
                           o->path, strerror(fault));
    RDL_TRY(rdl_fs_rename(tmp, o->path, err));
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_fs_sync_dir(rdl_path_dir(&a, o->path), err);
    rdl_arena_fini(&a);
    RDL_TRY(rc);
    fault = RDL_FAULT_AT(RUN_WRITTEN);
    if (fault != 0)
        return rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY, "could not write run \"%s\": %s",
                           o->path, strerror(fault));
    return RDL_OK;
}

rdl_code
rdl_merge_write(rdl_merge *m, const rdl_merge_output *o, rdl_run_info *info, rdl_err *err)
{
    rdl_buf tmp = {0};
    rdl_run_writer *w = NULL;
    rdl_err ignored;
    rdl_code rc = RDL_OK;
    const char *base = rdl_path_base(o->path);
    rdl_buf_printf(&tmp, "%.*s.%s.tmp", (int)(base - o->path), o->path, base);
    RDL_TRY_OUT(rdl_run_writer_new(rdl_buf_str(&tmp), o->id, o->epoch_base, o->memory_bytes,
                                   &w, err));
    RDL_TRY_OUT(write_entries(m, o, w, err));
    RDL_TRY_OUT(rdl_run_writer_finish(w, info, err));
    if (info->entries > 0)
        RDL_TRY_OUT(publish(rdl_buf_str(&tmp), o, err));
out:
    rdl_run_writer_free(w);
    if (rc != RDL_OK || info->entries == 0)
        (void)!rdl_fs_unlink(rdl_buf_str(&tmp), &ignored);
    if (rc != RDL_OK)
        (void)!rdl_fs_unlink(o->path, &ignored);
    rdl_buf_fini(&tmp);
    return rc;
}
