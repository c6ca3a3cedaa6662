/*
 * stream/view.c - keeping a materialized view equal to its body, as pairs of old and new rows.
 *
 * WHAT HAPPENS TO VIEW v IN AN EPOCH
 *   nothing      its inputs did not change, or it waits: a whole-table view over streamed rows, and
 *                what reads one, is brought up on a schedule and at the end of --once, not by
 *                every epoch; or its schedule holds it (schedule.h)
 *   maintain     by its plan's mode, from the changes of its driving input, or of all that move it (moving.c)
 *   catch up     the same, from the net of the epochs that it sat out (view_missed.c)
 *   decide       a decision table: undecided keys are added (decide.c)
 *   build        its text is new, an input changed that does not move it, or it missed epochs:
 *                computed whole.  Same text: compared with what is there, so that readers see pairs;
 *                other text: `reset`, the new rows are the whole content.
 *
 * INVARIANT  V1  After the step, content(v) - old + new = batch_sql(v) over the inputs at the end of
 *                the epoch (for a view that waits: at the epoch that it names).
 */
#include <inttypes.h>
#include <stdio.h>

#include "stream/model.h"

typedef enum action {
    ACTION_NONE,
    ACTION_MAINTAIN,
    ACTION_CATCH_UP,
    ACTION_BUILD,
    ACTION_RESET,
    ACTION_DECIDE,
} action;

static bool any_changed(const rdl_work *w, const rdl_table *v)
{
    for (size_t i = 0; i < v->input_count; i++) {
        if (w->changed[v->inputs[i].table->index])
            return true;
    }
    return false;
}

static bool input_reset(rdl_work *w, const rdl_table *v)
{
    for (size_t i = 0; i < w->seal.tables.n; i++) {
        if (!w->seal.tables.v[i].reset)
            continue;
        for (size_t j = 0; j < v->input_count; j++) {
            if (rdl_str_eq(v->inputs[j].table->full, w->seal.tables.v[i].table))
                return true;
        }
    }
    return false;
}

static action choose(rdl_engine *e, rdl_work *w, const rdl_table *v)
{
    const rdl_view_plan *p = v->view_plan;
    const rdl_table_history *h = rdl_history_table(&e->history, v->full);
    bool same_text = h->exists && h->fingerprint.hi == v->fingerprint.hi &&
                     h->fingerprint.lo == v->fingerprint.lo;
    bool missed = rdl_view_is_behind(e, v);
    bool changed = any_changed(w, v);
    bool asked = w->refresh != NULL && w->refresh[v->index];
    if (v->model != NULL)
        return rdl_models_result(w, v) == NULL ? ACTION_NONE
               : same_text                     ? ACTION_BUILD
                                               : ACTION_RESET;
    if (v->decision) {
        bool look = w->due[v->index] || missed || changed || rdl_decision_is_due(e, v);
        return w->refresh_deferred && w->refresh == NULL && look &&
                       !rdl_schedule_holds(e, w, v)
                   ? ACTION_DECIDE
                   : ACTION_NONE;
    }
    if (!asked && rdl_schedule_holds(e, w, v))
        return ACTION_NONE;
    if (v->waits && !w->refresh_deferred && !asked)
        return ACTION_NONE;
    if (!same_text && (h->exists || missed || p->mode == RDL_MAINTAIN_FULL))
        return ACTION_RESET;
    if (!same_text)
        return ACTION_MAINTAIN; /* never seen, and nothing was there before this epoch */
    if (asked || input_reset(w, v))
        return ACTION_BUILD;
    if (missed)
        return rdl_view_missed_at_hand(e, w, v) ? ACTION_CATCH_UP : ACTION_BUILD;
    if (!changed)
        return ACTION_NONE;
    bool kept = p->mode != RDL_MAINTAIN_FULL && (rdl_view_is_still(w, v) || rdl_view_moves(w, v));
    return kept ? ACTION_MAINTAIN : ACTION_BUILD;
}

/* ---- small SQL steps ---- */

/* e."<role><v>"; what a build makes may be as large as the view, so that is a table. */
rdl_code rdl_view_create(rdl_engine *e, const rdl_work *w, const char *role, const rdl_table *v,
                         const char *select, uint64_t *out_rows, rdl_err *err)
{
    uint64_t rows = 0;
    rdl_code rc = rdl_relation_make(e, w, role, v->full, select,
                                    w->building ? UINT64_MAX : w->rows, &rows, err);
    if (out_rows != NULL)
        *out_rows = rows;
    return rc;
}

rdl_code rdl_view_create_empty(rdl_engine *e, const char *role, const rdl_table *v, rdl_err *err)
{
    rdl_held *none;
    return rdl_relation_hold(e, role, v->full, &v->columns, &none, err);
}

/* ---- the modes ---- */

/* What a step gave: how many rows are new and old, and whether any may replace one that was there. */
typedef struct given {
    uint64_t rows_new, rows_old;
    bool replaces;
} given;

/* The final text over the states that were there before. */
static rdl_code put_old_rows(rdl_engine *e, rdl_work *w, rdl_table *v, const char *role, given *g,
                             rdl_err *err)
{
    rdl_buf sql = {0}, to = {0};
    rdl_buf_printf(&to, "\"%s", role);
    rdl_buf_put_replaced(&sql, v->view_plan->final_sql.p, "\"states:", rdl_buf_str(&to));
    rdl_buf_fini(&to);
    rdl_code rc = rdl_view_put_rows(e, w, v, "old:", rdl_buf_str(&sql), false, &g->rows_old, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code states_to_rows(rdl_engine *e, rdl_work *w, rdl_table *v, rdl_touched *touched,
                               given *g, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    const rdl_runtime *r = &e->tables[v->index];
    int64_t replaced = 0;
    g->replaces = rdl_touched_known(touched) > 0;
    /* With a key, a row that is replaced need not be named; one that is gone must be. */
    bool only_gone = v->primary_key_count > 0 && !r->old_needed;
    bool marked = only_gone && r->published && v->constraint_count == 0;
    RDL_TRY(rdl_touched_expose(e, touched, false, false, err));
    RDL_TRY(rdl_view_put_rows(e, w, v, "new:", marked ? p->marked_sql.p : p->final_sql.p, true, &g->rows_new,
                     err));
    if (marked && g->replaces)
        RDL_TRY(rdl_view_count(e, "new:", v, "count(*) FILTER (_was)", &replaced, err));
    only_gone = only_gone && (marked || !r->published) &&
                g->rows_new == rdl_touched_count(touched) - rdl_touched_gone(touched);
    if (marked) {
        rdl_sealed_table *s = rdl_work_seal_table(e, w, v);
        s->marked = true;
        s->rows_fresh = g->rows_new - (uint64_t)replaced;
    }
    if (!g->replaces || (only_gone && rdl_touched_gone(touched) == 0))
        return rdl_view_create_empty(e, "old:", v, err);
    RDL_TRY(rdl_touched_expose(e, touched, true, only_gone, err));
    return put_old_rows(e, w, v, rdl_touched_role(touched, true), g, err);
}

static bool has_old(const rdl_table *t)
{
    return t->kind == RDL_TABLE_VIEW || t->kind == RDL_TABLE_SNAPSHOT;
}

static bool driving_changed(const rdl_work *w, const rdl_table *v)
{
    return w->missed == v || w->changed[v->view_plan->driving->index];
}

/* The keys that the steps' texts give, as e."touched:<v>". */
static rdl_code put_touched(rdl_engine *e, rdl_work *w, rdl_table *v, rdl_err *err)
{
    const char *new_sql, *old_sql;
    rdl_buf sql = {0};
    RDL_TRY(rdl_view_moving_texts(e, w, v, &new_sql, &old_sql, err));
    rdl_buf_puts(&sql, "SELECT DISTINCT * FROM (");
    rdl_buf_puts(&sql, new_sql != NULL ? new_sql : old_sql);
    if (new_sql != NULL && old_sql != NULL)
        rdl_buf_printf(&sql, " UNION ALL %s", old_sql);
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_view_create(e, w, "touched:", v, rdl_buf_str(&sql), NULL, err);
    rdl_buf_fini(&sql);
    return rc;
}

/* The states of touched groups as they are now; a group that has no rows any more is named too. */
static void put_afresh(rdl_buf *sql, const rdl_table *v)
{
    const rdl_view_plan *p = v->view_plan;
    rdl_buf_printf(sql, "%s UNION ALL SELECT ", p->partial_touched_sql.p);
    for (size_t i = 0; i < p->key_count; i++)
        rdl_buf_printf(sql, "k%zu, ", i);
    rdl_buf_puts(sql, "0::BIGINT");
    for (size_t i = 0; i < p->slot_count; i++)
        rdl_buf_puts(sql, ", NULL");
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "e", "touched:", v->full);
}

static rdl_code merge_changes(rdl_engine *e, rdl_work *w, rdl_table *v, rdl_touched **out,
                              rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    rdl_partials from = {0};
    if (!rdl_view_moves(w, v)) {
        bool changed = driving_changed(w, v), retract = changed && has_old(p->driving);
        from.new_sql = changed ? rdl_view_missed_text(w, v, p->partial_new_sql.p) : NULL;
        from.old_sql = retract ? rdl_view_missed_text(w, v, p->partial_old_sql.p) : NULL;
        return rdl_merge_partials(e, v, &from, out, err);
    }
    from.repeat = true;
    if (p->partial_touched_sql.n == 0) {
        RDL_TRY(rdl_view_moving_texts(e, w, v, &from.new_sql, &from.old_sql, err));
        return rdl_merge_partials(e, v, &from, out, err);
    }
    rdl_buf sql = {0};
    rdl_code rc = put_touched(e, w, v, err);
    if (rc == RDL_OK)
        rc = rdl_relation_all(e, w, p->driving, err);
    put_afresh(&sql, v);
    from = (rdl_partials){.new_sql = rdl_buf_str(&sql), .repeat = true, .afresh = true};
    if (rc == RDL_OK)
        rc = rdl_merge_partials(e, v, &from, out, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code maintain_incremental(rdl_engine *e, rdl_work *w, rdl_table *v, given *g,
                                     rdl_err *err)
{
    rdl_touched *touched = NULL;
    rdl_code rc = merge_changes(e, w, v, &touched, err);
    if (rc == RDL_OK)
        rc = states_to_rows(e, w, v, touched, g, err);
    rdl_touched_free(touched);
    return rc;
}

static rdl_code build_incremental(rdl_engine *e, rdl_work *w, rdl_table *v, const char *role,
                                  uint64_t *out_rows, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    rdl_touched *touched = NULL;
    RDL_TRY(rdl_relation_all(e, w, p->driving, err));
    RDL_TRY(rdl_state_clear(e->state, e->tables[v->index].space, err));
    const rdl_partials all = {.new_sql = p->partial_all_sql.p};
    rdl_code rc = rdl_merge_partials(e, v, &all, &touched, err);
    if (rc == RDL_OK)
        rc = rdl_touched_expose(e, touched, false, false, err);
    if (rc == RDL_OK)
        rc = rdl_view_put_rows(e, w, v, role, p->final_sql.p, true, out_rows, err);
    rdl_touched_free(touched);
    return rc;
}

/* a EXCEPT ALL b, as multisets of whole rows; DuckDB compares NULLs as equal here. */
static rdl_code subtract(rdl_engine *e, const rdl_work *w, const rdl_table *v, const char *role,
                         const char *a_schema, const char *a_role, const char *b_schema,
                         const char *b_role, uint64_t *out_rows, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT ");
    rdl_put_columns(&sql, "", &v->columns);
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, a_schema, a_role, v->full);
    rdl_buf_puts(&sql, " EXCEPT ALL SELECT ");
    rdl_put_columns(&sql, "", &v->columns);
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, b_schema, b_role, v->full);
    rdl_code rc = rdl_view_create(e, w, role, v, rdl_buf_str(&sql), out_rows, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code maintain_groups(rdl_engine *e, rdl_work *w, rdl_table *v, given *g, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    rdl_buf sql = {0};
    bool moves = rdl_view_moves(w, v);
    if (!moves && !driving_changed(w, v)) { /* the first look, and nothing has come yet */
        RDL_TRY(rdl_view_create_empty(e, "new:", v, err));
        return rdl_view_create_empty(e, "old:", v, err);
    }
    if (moves)
        RDL_TRY(put_touched(e, w, v, err));
    else
        RDL_TRY(rdl_view_create(e, w, "touched:", v, rdl_view_missed_text(w, v, p->touched_sql.p),
                                NULL, err));
    RDL_TRY(rdl_relation_all(e, w, p->driving, err));
    if (rdl_cache_is_empty(e, v)) {
        RDL_TRY(rdl_view_put_rows(e, w, v, "new:", p->groups_sql.p, true, &g->rows_new, err));
        return rdl_view_create_empty(e, "old:", v, err);
    }
    RDL_TRY(rdl_view_put_rows(e, w, v, "now:", p->groups_sql.p, true, NULL, err));
    rdl_buf_puts(&sql, "SELECT ");
    rdl_put_columns(&sql, "", &v->columns);
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, "c", "", v->full);
    rdl_buf_puts(&sql, " WHERE rdl_key(");
    rdl_put_key(&sql, "", &v->columns, p->key_columns, p->key_count);
    rdl_buf_puts(&sql, ") IN (SELECT rdl_key(");
    for (size_t i = 0; i < p->key_count; i++)
        rdl_buf_printf(&sql, "%sk%zu", i == 0 ? "" : ", ", i);
    rdl_buf_puts(&sql, ") FROM ");
    rdl_put_relation(&sql, "e", "touched:", v->full);
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_view_create(e, w, "was:", v, rdl_buf_str(&sql), NULL, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    g->replaces = true;
    RDL_TRY(subtract(e, w, v, "new:", "e", "now:", "e", "was:", &g->rows_new, err));
    return subtract(e, w, v, "old:", "e", "was:", "e", "now:", &g->rows_old, err);
}

/* Rows less others, both made by texts; a row that one step gives and another takes is in neither. */
static rdl_code put_net(rdl_engine *e, rdl_work *w, rdl_table *v, bool of_new, given *g, rdl_err *err)
{
    rdl_buf sql = {0};
    const char *roles[] = {of_new ? "now:" : "was:", of_new ? "was:" : "now:"};
    for (size_t i = 0; i < 2; i++) {
        rdl_buf_puts(&sql, i == 0 ? "SELECT " : " EXCEPT ALL SELECT ");
        rdl_put_columns(&sql, "", &v->columns);
        rdl_buf_puts(&sql, " FROM ");
        rdl_put_relation(&sql, "e", roles[i], v->full);
    }
    rdl_code rc = rdl_view_put_rows(e, w, v, of_new ? "new:" : "old:", rdl_buf_str(&sql), of_new,
                           of_new ? &g->rows_new : &g->rows_old, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code append_moving(rdl_engine *e, rdl_work *w, rdl_table *v, given *g, rdl_err *err)
{
    const char *texts[2] = {NULL, NULL};
    RDL_TRY(rdl_view_moving_texts(e, w, v, &texts[0], &texts[1], err));
    for (size_t i = 0; i < 2; i++) {
        const char *role = i == 0 ? "now:" : "was:";
        if (texts[i] == NULL)
            RDL_TRY(rdl_view_create_empty(e, role, v, err));
        else
            RDL_TRY(rdl_view_create(e, w, role, v, texts[i], NULL, err));
    }
    g->replaces = v->primary_key_count > 0 || texts[1] != NULL;
    RDL_TRY(put_net(e, w, v, true, g, err));
    return put_net(e, w, v, false, g, err);
}

static rdl_code maintain_append(rdl_engine *e, rdl_work *w, rdl_table *v, given *g, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    if (rdl_view_moves(w, v))
        return append_moving(e, w, v, g, err);
    const char *add = rdl_view_missed_text(w, v, p->row_new_sql.p);
    if (!driving_changed(w, v))
        RDL_TRY(rdl_view_create_empty(e, "new:", v, err));
    else
        RDL_TRY(rdl_view_put_rows(e, w, v, "new:", add, true, &g->rows_new, err));
    g->replaces = v->primary_key_count > 0; /* a repeated key is an error, found later */
    if (!has_old(p->driving) || !driving_changed(w, v))
        return rdl_view_create_empty(e, "old:", v, err);
    g->replaces = true;
    return rdl_view_put_rows(e, w, v, "old:", rdl_view_missed_text(w, v, p->row_old_sql.p), false,
                    &g->rows_old, err);
}

static rdl_code maintain(rdl_engine *e, rdl_work *w, rdl_table *v, given *g, rdl_err *err)
{
    switch (v->view_plan->mode) {
    case RDL_MAINTAIN_INCREMENTAL:
        return maintain_incremental(e, w, v, g, err);
    case RDL_MAINTAIN_GROUPS:
        return maintain_groups(e, w, v, g, err);
    case RDL_MAINTAIN_APPEND:
        return maintain_append(e, w, v, g, err);
    case RDL_MAINTAIN_FULL:
        break;
    }
    return rdl_err_set(err, RDL_EBUG, 0, "view \"%.*s\" has no way to be maintained",
                       (int)v->full.n, v->full.p);
}

/* The rows that the table's program gave. */
static rdl_code build_model(rdl_engine *e, rdl_work *w, rdl_table *v, const char *role,
                            uint64_t *out_rows, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT ");
    rdl_put_columns(&sql, "", &v->columns);
    rdl_buf_puts(&sql, " FROM read_parquet(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(rdl_models_result(w, v)));
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_view_create(e, w, role, v, rdl_buf_str(&sql), out_rows, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code build(rdl_engine *e, rdl_work *w, rdl_table *v, bool reset, given *g, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    bool all_new = reset || rdl_cache_is_empty(e, v);
    const char *role = all_new ? "new:" : "now:";
    uint64_t rows = 0;
    for (size_t i = 0; i < v->input_count && v->model == NULL; i++)
        RDL_TRY(rdl_relation_all(e, w, v->inputs[i].table, err));
    if (v->model != NULL)
        RDL_TRY(build_model(e, w, v, role, &rows, err));
    else if (p->mode == RDL_MAINTAIN_INCREMENTAL)
        RDL_TRY(build_incremental(e, w, v, role, &rows, err));
    else
        RDL_TRY(rdl_view_put_rows(e, w, v, role, p->unchecked_sql.p, true, &rows, err));
    g->replaces = true;
    g->rows_new = rows;
    if (all_new)
        return rdl_view_create_empty(e, "old:", v, err);
    RDL_TRY(rdl_cache_load(e, v, err));
    RDL_TRY(subtract(e, w, v, "new:", "e", "now:", "c", "", &g->rows_new, err));
    return subtract(e, w, v, "old:", "c", "", "e", "now:", &g->rows_old, err);
}

/* ---- a range ---- */

static void put_range(rdl_buf *sql, const rdl_work *w, const rdl_table *v)
{
    const rdl_column *c = &v->columns.v[rdl_refresh_column(v)];
    const char *const bounds[] = {w->range->from, w->range->to};
    rdl_buf_puts(sql, " WHERE true");
    for (size_t i = 0; i < 2; i++) {
        if (bounds[i] == NULL)
            continue;
        rdl_buf_puts(sql, " AND ");
        rdl_buf_put_sql_ident(sql, c->name);
        rdl_buf_puts(sql, i == 0 ? " >= CAST(" : " < CAST(");
        rdl_buf_put_sql_text(sql, rdl_str_of(bounds[i]));
        rdl_buf_puts(sql, " AS ");
        rdl_type_print(c->type, sql);
        rdl_buf_puts(sql, ")");
    }
}

/*
 * The rows of a range computed again, keyed state left alone: it answers for the driving input's
 * changes, which this does not touch.
 */
static rdl_code build_range(rdl_engine *e, rdl_work *w, rdl_table *v, given *g, rdl_err *err)
{
    rdl_buf sql = {0};
    for (size_t i = 0; i < v->input_count; i++)
        RDL_TRY(rdl_relation_all(e, w, v->inputs[i].table, err));
    RDL_TRY(rdl_cache_load(e, v, err));
    rdl_buf_printf(&sql, "SELECT * FROM (%s)", v->view_plan->unchecked_sql.p);
    put_range(&sql, w, v);
    rdl_code rc = rdl_view_put_rows(e, w, v, "now:", rdl_buf_str(&sql), true, NULL, err);
    rdl_buf_clear(&sql);
    rdl_buf_puts(&sql, "SELECT ");
    rdl_put_columns(&sql, "", &v->columns);
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, "c", "", v->full);
    put_range(&sql, w, v);
    if (rc == RDL_OK)
        rc = rdl_view_create(e, w, "was:", v, rdl_buf_str(&sql), NULL, err);
    rdl_buf_fini(&sql);
    g->replaces = true;
    if (rc == RDL_OK)
        rc = subtract(e, w, v, "new:", "e", "now:", "e", "was:", &g->rows_new, err);
    return rc == RDL_OK
               ? subtract(e, w, v, "old:", "e", "was:", "e", "now:", &g->rows_old, err)
               : rc;
}

/* A refresh that was asked for replaces content that is damaged or gone. */
static bool readable(rdl_engine *e, rdl_table *v)
{
    rdl_err ignored = {0};
    return rdl_cache_load(e, v, &ignored) == RDL_OK;
}

rdl_code rdl_view_maintain(rdl_engine *e, rdl_work *w, rdl_table *v, rdl_err *err)
{
    action what = choose(e, w, v);
    given g = {0};
    rdl_code rc;
    if (what == ACTION_NONE)
        return RDL_OK;
    const rdl_view_plan *p = v->view_plan;
    for (size_t i = 0; i < p->needs_all_count; i++)
        RDL_TRY(rdl_relation_all(e, w, p->needs_all[i], err));
    bool proved = p->mode == RDL_MAINTAIN_INCREMENTAL;
    if (what == ACTION_BUILD && w->refresh != NULL && w->refresh[v->index])
        what = readable(e, v) ? ACTION_BUILD : ACTION_RESET;
    if (e->tables[v->index].cache_needed && what != ACTION_RESET)
        RDL_TRY(rdl_cache_load(e, v, err));
    /* What a range leaves out may be behind still: the view is, then. */
    bool range = w->range != NULL && w->refresh[v->index];
    bool complete = !range || !rdl_view_is_behind(e, v);
    w->building = range || what != ACTION_MAINTAIN;
    RDL_TRY(rdl_view_check_fans(e, w, v, w->building, err));
    if (what == ACTION_CATCH_UP && !range)
        RDL_TRY(rdl_view_missed_expose(e, w, v, err));
    if (range)
        rc = build_range(e, w, v, &g, err);
    else if (what == ACTION_DECIDE)
        rc = rdl_decide(e, w, v, &g.rows_new, err);
    else
        rc = what == ACTION_MAINTAIN || what == ACTION_CATCH_UP
                 ? maintain(e, w, v, &g, err)
                 : build(e, w, v, what == ACTION_RESET, &g, err);
    w->building = false;
    w->missed = NULL;
    if (rc == RDL_OK && v->primary_key_count > 0 && !proved)
        rc = rdl_view_check_key(e, v, e->tables[v->index].cached && !rdl_cache_is_empty(e, v) && what != ACTION_RESET, err);
    w->rows_new[v->index] = g.rows_new;
    w->replaces[v->index] = g.replaces;
    if (rc == RDL_OK && (what == ACTION_RESET || g.rows_new + g.rows_old > 0))
        rc = rdl_cache_update(e, w, v, what == ACTION_RESET, err);
    if (rc != RDL_OK)
        return rdl_err_in(rc, err, "view %s", v->full.p);
    rdl_sealed_table *s = rdl_work_seal_table(e, w, v);
    s->rows_new = g.rows_new;
    s->rows_old = g.rows_old;
    s->reset = what == ACTION_RESET;
    s->evaluated = complete;
    s->ledger = w->reports[v->index].ledger;
    s->rows_quarantined = s->ledger.quarantined;
    w->reports[v->index].rows_new = s->rows_new;
    w->reports[v->index].rows_old = s->rows_old;
    w->changed[v->index] = g.rows_new > 0 || g.rows_old > 0 || s->reset;
    return rdl_err_in(rdl_view_check_unique(e, w, v, err), err, "view %s", v->full.p);
}
