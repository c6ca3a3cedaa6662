/*
 * stream/refresh.c - views computed again by hand, whole or for a range; stores filled again.
 *
 * A refresh is an epoch of its own: it reads what the lake holds and the snapshots as they are now.
 */
#include "stream/internal.h"

/* A table is asked for when it is named, or when something it reads is. */
static void mark_refresh(rdl_engine *e, const rdl_table *const *tables, size_t n, bool *out)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        out[i] = n == 0 && t->kind == RDL_TABLE_VIEW && !t->decision && t->model == NULL;
        if (t->decision || t->model != NULL)
            continue; /* what is decided stands; a program's rows come by its runs */
        for (size_t j = 0; j < n; j++)
            out[i] |= tables[j] == t;
        for (size_t j = 0; j < t->input_count; j++)
            out[i] |= out[t->inputs[j].table->index] && t->kind == RDL_TABLE_VIEW;
    }
}

static void begin_refresh(rdl_engine *e, rdl_work *w)
{
    int64_t now = rdl_now_us(e->clock);
    rdl_work_init(e, w);
    w->ts_us = now > e->history.ts_us ? now : e->history.ts_us + 1;
    w->refresh = RDL_NEWN(&w->arena, bool, e->pipeline->table_count + 1);
}

static rdl_code run_refresh(rdl_engine *e, rdl_work *w, uint64_t *out_changed_rows, rdl_err *err)
{
    int64_t began = rdl_monotonic_us();
    rdl_code rc = rdl_epoch_run(e, w, err);
    *out_changed_rows = 0;
    if (rc == RDL_OK)
        rdl_note_sealed(e, w, began);
    for (size_t i = 0; rc == RDL_OK && i < e->pipeline->table_count; i++)
        *out_changed_rows += w->reports[i].rows_new + w->reports[i].rows_old;
    rdl_work_fini(e, w);
    return rc == RDL_OK ? rdl_engine_flush(e, err) : rc;
}

static bool is_time(const rdl_table *v, size_t column)
{
    rdl_type_kind kind = v->columns.v[column].type->kind;
    return kind == RDL_TYPE_DATE || kind == RDL_TYPE_TIMESTAMPTZ;
}

int rdl_refresh_column(const rdl_table *v)
{
    const size_t *const lists[] = {v->partition_by, v->primary_key};
    const size_t counts[] = {v->partition_count, v->primary_key_count};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < counts[k]; i++)
            if (is_time(v, lists[k][i]))
                return (int)lists[k][i];
    }
    for (size_t i = 0; i < v->columns.n; i++)
        if (is_time(v, i))
            return (int)i;
    return v->partition_count > 0 ? (int)v->partition_by[0] : -1;
}

static rdl_code check_bound(rdl_engine *e, const rdl_column *c, const char *name, const char *value,
                            rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_err why = {0};
    int64_t good = 1;
    if (value == NULL)
        return RDL_OK;
    rdl_buf_puts(&sql, "SELECT (CAST(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(value));
    rdl_buf_puts(&sql, " AS ");
    rdl_type_print(c->type, &sql);
    rdl_buf_puts(&sql, ") IS NOT NULL)::BIGINT");
    rdl_code rc = rdl_query_i64(e->conn, rdl_buf_str(&sql), &good, &why);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK && good == 1)
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "--%s is \"%s\", which is no value of column \"%.*s\"", name,
                value, (int)c->name.n, c->name.p);
    return rdl_err_hint(err, "Write dates as 2026-11-21 and times as '2026-11-21 14:00', in UTC.");
}

static rdl_code refuse_kind(const rdl_table *t, rdl_err *err)
{
    if (t->decision)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "cannot refresh \"%s\": what was decided never changes", t->full.p);
    if (t->model != NULL)
        return rdl_err_set(err, RDL_EUSAGE, 0,
                           "cannot refresh \"%s\": its rows come from runs of its program", t->full.p);
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot refresh \"%s\": it is no materialized view", t->full.p);
    return rdl_err_hint(err, "Streaming tables keep what they judged; read the sources "
                             "again into a fresh root with raudal backfill.");
}

rdl_code rdl_engine_refresh_range(rdl_engine *e, const rdl_table *t, const char *from, const char *to,
                                  const char **out_column, uint64_t *out_changed_rows, rdl_err *err)
{
    const rdl_refresh_range range = {from, to};
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    rdl_work w;
    if (t->kind != RDL_TABLE_VIEW || t->decision || t->model != NULL)
        return refuse_kind(t, err);
    int column = rdl_refresh_column(t);
    if (column < 0) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot refresh a range of \"%s\": it has no date, no time and "
                    "no partition column", t->full.p);
        return rdl_err_hint(err, "Refresh the whole of it.");
    }
    if (!h->exists || !rdl_hash128_eq(h->fingerprint, t->fingerprint)) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot refresh a range of \"%s\": it was not computed by this "
                    "text yet", t->full.p);
        return rdl_err_hint(err, "Run the pipeline, or refresh the whole of it.");
    }
    RDL_TRY(check_bound(e, &t->columns.v[column], "from", from, err));
    RDL_TRY(check_bound(e, &t->columns.v[column], "to", to, err));
    *out_column = rdl_arena_strndup(&e->arena, t->columns.v[column].name.p,
                                    t->columns.v[column].name.n);
    begin_refresh(e, &w);
    w.range = &range;
    w.refresh_deferred = true;
    w.refresh[t->index] = true;
    return run_refresh(e, &w, out_changed_rows, err);
}

rdl_code rdl_engine_refresh(rdl_engine *e, const rdl_table *const *tables, size_t n,
                            uint64_t *out_changed_rows, rdl_err *err)
{
    rdl_work w;
    for (size_t i = 0; i < n; i++)
        if (tables[i]->kind != RDL_TABLE_VIEW || tables[i]->decision || tables[i]->model != NULL)
            return refuse_kind(tables[i], err);
    begin_refresh(e, &w);
    if (e->config.rebuild_state)
        n = 0; /* nothing that keeps state may be left out */
    w.refresh_deferred = n == 0;
    mark_refresh(e, tables, n, w.refresh);
    rdl_code rc = run_refresh(e, &w, out_changed_rows, err);
    /* The state that was made replaces what was forgotten by a checkpoint of its own. */
    if (rc == RDL_OK && e->config.rebuild_state)
        rc = rdl_prune(e, true, err);
    e->config.rebuild_state &= rc != RDL_OK;
    return rc;
}

rdl_code rdl_engine_republish(rdl_engine *e, const rdl_table *const *tables, size_t n, rdl_err *err)
{
    for (size_t i = 0; i < e->destination_count; i++) {
        rdl_destination *d = &e->destinations[i];
        bool wanted = n == 0;
        for (size_t j = 0; j < n; j++)
            wanted |= tables[j] == d->publication->table;
        if (!wanted || !rdl_history_table(&e->history, d->publication->table->full)->exists)
            continue;
        if (d->filled && !e->ran) /* the store was empty, or new, when we came */
            continue;
        rdl_code rc = rdl_apply_whole(e, d, err);
        if (rc != RDL_OK)
            return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "publication of %s",
                              d->publication->table->full.p);
    }
    return RDL_OK;
}
