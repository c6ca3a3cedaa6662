/*
 * stream/fanout.c - the law of fan-out: no join gives a row of a stream more than once unless the
 * text says ALLOW FANOUT.
 *
 * A streaming table's copies are counted by identity (judge.c).  A view keeps no identity, so before
 * it is computed its joins are looked at: while the dimension's key is unique nothing can be
 * multiplied, and that is asked once for each version of the dimension; where its change moves the
 * view (moving.c), of the keys that changed alone.
 * A key that repeats is no error in itself: then the rows that the epoch joins are counted.
 *
 * INVARIANT  F1  A view whose joins are checked, sealed at epoch n, was computed from rows none of which
 *                met two rows of a dimension.  tests/slt/joins holds it.
 */
#include <inttypes.h>

#include "stream/internal.h"

static rdl_code fans_out(const rdl_fan *f, const char *key, int64_t rows, rdl_err *err)
{
    rdl_str s = f->stream->full;
    rdl_buf with = {0};
    if (f->key.n > 0)
        rdl_buf_printf(&with, "the join of \"%.*s\" (%s) with \"%s\" (%s)", (int)s.n, s.p,
                       f->stream_key.p, f->dimension.p, f->key.p);
    else
        rdl_buf_printf(&with, "the join of \"%.*s\" with \"%s\"", (int)s.n, s.p, f->dimension.p);
    rdl_err_set(err, RDL_EDATA, 0,
                "%.500s gives a row more than once: %" PRId64 " rows of \"%.100s\" %s%.300s",
                rdl_buf_str(&with), rows, f->dimension.p,
                key[0] != '\0' ? "have " : "meet one row", key);
    rdl_err_hint(err,
                 "Make the key of \"%.100s\" unique (UNIQUE KEY .. ON DUPLICATE FIRST in a snapshot "
                 "source says which row counts), or write ALLOW FANOUT before AS if the copies "
                 "are meant.",
                 f->dimension.p);
    rdl_buf_fini(&with);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

rdl_code rdl_fan_look(rdl_engine *e, const char *copies_sql, const rdl_fan *f, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *k;
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_relation_query(e, copies_sql, &r, err));
    if (rdl_result_next(r, &k)) {
        rdl_buf key = {0};
        if (rdl_vector_valid(&k->v[0], 0)) {
            rdl_str text = rdl_vector_str(&k->v[0], 0);
            rdl_buf_put(&key, text.p, text.n);
        }
        rc = fans_out(f, rdl_buf_str(&key), RDL_VECTOR_AT(&k->v[1], int64_t, 0), err);
        rdl_buf_fini(&key);
    }
    rdl_result_free(r);
    return rc;
}

/* No row: no key repeats. */
static rdl_code is_unique(rdl_engine *e, rdl_str repeats_sql, bool *out, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *k;
    *out = false;
    if (repeats_sql.n == 0)
        return RDL_OK;
    RDL_TRY(rdl_relation_query(e, repeats_sql.p, &r, err));
    *out = !rdl_result_next(r, &k);
    rdl_result_free(r);
    return RDL_OK;
}

/* Of all rows; the dimension (or what the fan's stream is) is another one than it was. */
static rdl_code check_all(rdl_engine *e, const rdl_fan *f, rdl_fan_known *known, rdl_err *err)
{
    bool unique = false;
    RDL_TRY(is_unique(e, f->repeats_sql, &unique, err));
    *known = unique ? RDL_FAN_UNIQUE : RDL_FAN_REPEATS;
    return unique ? RDL_OK : rdl_fan_look(e, f->copies_all_sql.p, f, err);
}

/* What else than the fan's own two tables changed may join them otherwise (a third of one FROM). */
static bool only_its_own_changed(const rdl_work *w, const rdl_table *v, const rdl_fan *f)
{
    for (size_t i = 0; i < v->input_count; i++) {
        const rdl_table *t = v->inputs[i].table;
        if (w->changed[t->index] && t != f->stream && t != f->side)
            return false;
    }
    return true;
}

/* Of what changed: the dimension's new rows, the stream's. */
static rdl_code check_changes(rdl_engine *e, const rdl_work *w, const rdl_table *v,
                              const rdl_fan *f, rdl_fan_known *known, rdl_err *err)
{
    bool moved = f->side != NULL && w->changed[f->side->index], unique = false;
    if (*known == RDL_FAN_UNKNOWN || (moved && *known == RDL_FAN_UNIQUE)) {
        rdl_str asked = *known == RDL_FAN_UNKNOWN ? f->repeats_sql : f->repeats_moved_sql;
        RDL_TRY(is_unique(e, asked, &unique, err));
        *known = unique ? RDL_FAN_UNIQUE : RDL_FAN_REPEATS;
    }
    if (*known == RDL_FAN_UNIQUE)
        return RDL_OK;
    if (!rdl_view_is_still(w, v) &&
        (f->copies_moved_sql.n == 0 || !only_its_own_changed(w, v, f)))
        return rdl_fan_look(e, f->copies_all_sql.p, f, err);
    if (moved)
        RDL_TRY(rdl_fan_look(e, f->copies_moved_sql.p, f, err));
    return w->changed[f->stream->index] ? rdl_fan_look(e, f->copies_sql.p, f, err) : RDL_OK;
}

rdl_code rdl_view_check_fans(rdl_engine *e, rdl_work *w, rdl_table *v, bool whole, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    rdl_runtime *run = &e->tables[v->index];
    if (p->fan_count == 0)
        return RDL_OK;
    if (run->fans == NULL)
        run->fans = RDL_NEWN(&e->arena, rdl_fan_known, p->fan_count);
    for (size_t i = 0; i < p->fan_count; i++) {
        const rdl_fan *f = &p->fans[i];
        bool still = f->stream == p->driving && rdl_view_is_still(w, v);
        bool moves = f->side != NULL && rdl_view_moves(w, v);
        bool all = whole || (!still && !moves);
        for (size_t j = 0; (all || !still) && j < v->input_count; j++)
            RDL_TRY(rdl_relation_all(e, w, v->inputs[j].table, err));
        RDL_TRY(all ? check_all(e, f, &run->fans[i], err)
                    : check_changes(e, w, v, f, &run->fans[i], err));
    }
    return RDL_OK;
}

/* An aborted epoch may have looked at a version that never was. */
void rdl_fans_forget(rdl_engine *e)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        rdl_fan_known *known = e->tables[i].fans;
        size_t n = known != NULL ? e->tables[i].table->view_plan->fan_count : 0;
        for (size_t k = 0; k < n; k++)
            known[k] = RDL_FAN_UNKNOWN;
    }
}
