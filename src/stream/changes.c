/*
 * stream/changes.c - net changes of a table over sealed epochs, as SQL.
 *
 * Was a key there before an epoch?  A segment of old rows names every row that was replaced or
 * removed, so a new row whose key it does not name is an insert.  Where old rows are left out (a
 * view with a key that nobody reads for its changes, see view.c), the new rows' segment is marked:
 * it has a column _was.
 */
#include "stream/changes.h"

#include <inttypes.h>

/* The net of several epochs, while it is sent. */
#define NET "rdl_net"

typedef struct range {
    rdl_cut *cut;
    const rdl_table *table;
    const rdl_table_history *history;
    const size_t *key;
    size_t key_count;
    uint64_t from, to;
    bool unfinished;
} range;

void rdl_changes_fini(rdl_changes *c)
{
    rdl_buf_fini(&c->prepare);
    rdl_buf_fini(&c->removals);
    rdl_buf_fini(&c->inserts);
    rdl_buf_fini(&c->updates);
    rdl_buf_fini(&c->finish);
    rdl_ordered_free(c->ordered);
    *c = (rdl_changes){0};
}

static bool covers(const range *r, const rdl_segment_ref *s)
{
    return s->epoch > r->from && s->epoch <= r->to &&
           (s->rows_new > 0 || s->rows_old > 0 || s->reset);
}

static void put_file(const range *r, rdl_buf *out, const rdl_segment_ref *s, rdl_segment kind)
{
    rdl_put_segment(out, r->cut->arena, r->cut->root, s, r->history->table, kind);
}

static void put_key(const range *r, rdl_buf *out, const char *prefix)
{
    rdl_put_key(out, prefix, &r->table->columns, r->key, r->key_count);
}

static void put_same_key(const range *r, rdl_buf *out)
{
    rdl_put_same_key(out, "a", "b", &r->table->columns, r->key, r->key_count);
}

/* In the order of the key: a store's index is then written from end to end, not here and there. */
static void put_order(const range *r, rdl_buf *out)
{
    if (out->n == 0)
        return;
    rdl_buf_puts(out, " ORDER BY ");
    put_key(r, out, "a.");
}

/* ---- one segment: no key is named by two epochs ---- */

/* SELECT new rows, all or those whose key the old rows name (SEMI) or do not (ANTI). */
static void put_new_rows(const range *r, rdl_buf *out, const rdl_segment_ref *s, const char *join)
{
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "a.", &r->table->columns);
    rdl_buf_puts(out, " FROM ");
    put_file(r, out, s, RDL_SEGMENT_NEW);
    rdl_buf_puts(out, " a");
    if (join == NULL)
        return;
    rdl_buf_printf(out, " %s JOIN ", join);
    put_file(r, out, s, RDL_SEGMENT_OLD);
    rdl_buf_puts(out, " b ON ");
    put_same_key(r, out);
}

static void put_gone_keys(const range *r, rdl_buf *out, const rdl_segment_ref *s)
{
    rdl_buf_puts(out, "SELECT DISTINCT ");
    put_key(r, out, "a.");
    rdl_buf_puts(out, " FROM ");
    put_file(r, out, s, RDL_SEGMENT_OLD);
    rdl_buf_puts(out, " a");
    if (s->rows_new == 0)
        return;
    rdl_buf_puts(out, " ANTI JOIN ");
    put_file(r, out, s, RDL_SEGMENT_NEW);
    rdl_buf_puts(out, " b ON ");
    put_same_key(r, out);
}

static void one_segment(const range *r, const rdl_segment_ref *s, rdl_changes *out)
{
    if (s->rows_old > 0)
        put_gone_keys(r, &out->removals, s);
    if (s->rows_new == 0)
        return;
    if (s->marked) {
        if (s->rows_fresh > 0) {
            put_new_rows(r, &out->inserts, s, NULL);
            rdl_buf_puts(&out->inserts, " WHERE NOT a._was");
        }
        if (s->rows_fresh < s->rows_new) {
            put_new_rows(r, &out->updates, s, NULL);
            rdl_buf_puts(&out->updates, " WHERE a._was");
        }
    } else if (s->rows_old == 0) {
        put_new_rows(r, &out->inserts, s, NULL);
    } else {
        put_new_rows(r, &out->inserts, s, "ANTI");
        put_new_rows(r, &out->updates, s, "SEMI");
    }
}

/* ---- several ---- */

/*
 * named  each key that an epoch names, and whether something was there before that epoch
 * net    for each key: the newest epoch that names it, and what was there before the oldest;
 *        an old row of the same epoch says more than a new one
 */
static void put_net(const range *r, rdl_buf *out)
{
    bool any = false;
    rdl_buf_puts(out, "WITH named AS (");
    for (size_t i = 0; i < r->history->segments.n; i++) {
        const rdl_segment_ref *s = &r->history->segments.v[i];
        for (rdl_segment kind = RDL_SEGMENT_NEW; kind <= RDL_SEGMENT_OLD; kind++) {
            if (!covers(r, s) || (kind == RDL_SEGMENT_NEW ? s->rows_new : s->rows_old) == 0)
                continue;
            rdl_buf_printf(out, "%sSELECT %" PRIu64 "::BIGINT AS _e, %s AS _was, ",
                           any ? " UNION ALL " : "", s->epoch,
                           kind == RDL_SEGMENT_OLD ? "true"
                           : s->marked             ? "_was"
                                                   : "false");
            put_key(r, out, "");
            rdl_buf_puts(out, " FROM ");
            put_file(r, out, s, kind);
            any = true;
        }
    }
    rdl_buf_puts(out, "), net AS (SELECT ");
    put_key(r, out, "");
    rdl_buf_puts(out, ", max(_e) AS _last, arg_min(_was, 2 * _e - _was::BIGINT) AS _was FROM named "
                      "GROUP BY ALL), rows AS (");
    any = false;
    for (size_t i = 0; i < r->history->segments.n; i++) {
        const rdl_segment_ref *s = &r->history->segments.v[i];
        if (!covers(r, s) || s->rows_new == 0)
            continue;
        rdl_buf_printf(out, "%sSELECT %" PRIu64 "::BIGINT AS _e, ", any ? " UNION ALL " : "",
                       s->epoch);
        rdl_put_columns(out, "", &r->table->columns);
        rdl_buf_puts(out, " FROM ");
        put_file(r, out, s, RDL_SEGMENT_NEW);
        any = true;
    }
    rdl_buf_puts(out, ") ");
}

static void put_net_rows(const range *r, rdl_buf *out)
{
    put_net(r, out);
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "a.", &r->table->columns);
    rdl_buf_puts(out, ", b._was FROM rows a JOIN net b ON a._e = b._last AND ");
    put_same_key(r, out);
}

/* What the net is, computed once for both. */
static void put_prepared(const range *r, rdl_buf *out, bool was)
{
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "a.", &r->table->columns);
    rdl_buf_puts(out, was ? " FROM temp." NET " a WHERE a._was" : " FROM temp." NET " a WHERE NOT a._was");
}

static void put_net_removals(const range *r, rdl_buf *out, bool rows)
{
    if (!rows) { /* then `rows` would be empty text */
        bool any = false;
        for (size_t i = 0; i < r->history->segments.n; i++) {
            const rdl_segment_ref *s = &r->history->segments.v[i];
            if (!covers(r, s) || s->rows_old == 0)
                continue;
            rdl_buf_puts(out, any ? " UNION SELECT " : "SELECT DISTINCT ");
            put_key(r, out, "");
            rdl_buf_puts(out, " FROM ");
            put_file(r, out, s, RDL_SEGMENT_OLD);
            any = true;
        }
        return;
    }
    put_net(r, out);
    rdl_buf_puts(out, "SELECT ");
    put_key(r, out, "b.");
    rdl_buf_puts(out, " FROM net b ANTI JOIN rows a ON a._e = b._last AND ");
    put_same_key(r, out);
    if (!r->unfinished)
        rdl_buf_puts(out, " WHERE b._was");
}

static void several_segments(const range *r, rdl_changes *out)
{
    uint64_t rows_new = 0, rows_old = 0;
    for (size_t i = 0; i < r->history->segments.n; i++) {
        const rdl_segment_ref *s = &r->history->segments.v[i];
        if (!covers(r, s))
            continue;
        rows_new += s->rows_new;
        rows_old += s->rows_old;
    }
    if (rows_new > 0 && rdl_newest_all_fresh(r->history, r->from, r->to)) {
        rdl_buf_puts(&out->inserts, "SELECT * FROM (");
        rdl_newest_put_all(&out->inserts, r->cut->arena, r->cut->root, r->table, r->history,
                           r->from, r->to);
        rdl_buf_puts(&out->inserts, ") a");
    } else if (rows_new > 0) {
        rdl_buf_puts(&out->prepare, "CREATE OR REPLACE TEMP TABLE " NET " AS ");
        if (rdl_newest_is_one_pass(r->table, r->history, r->key, r->key_count, r->from, r->to))
            rdl_newest_put(&out->prepare, r->cut->arena, r->cut->root, r->table, r->history, r->key,
                           r->key_count, r->from, r->to, true);
        else
            put_net_rows(r, &out->prepare);
        rdl_buf_puts(&out->finish, "DROP TABLE IF EXISTS temp." NET);
        put_prepared(r, &out->inserts, false);
        put_prepared(r, &out->updates, true);
    }
    if (rows_old > 0)
        put_net_removals(r, &out->removals, rows_new > 0);
}

/* ---- sorted segments ---- */

static bool comes_ordered(const range *r)
{
    bool same = r->key_count == r->table->primary_key_count;
    for (size_t i = 0; same && i < r->key_count; i++)
        same = r->key[i] == r->table->primary_key[i];
    return same && rdl_ordered_fits(r->table, r->history, r->from, r->to);
}

static rdl_code put_ordered(const range *r, rdl_changes *out, rdl_err *err)
{
    for (size_t i = 0; i < r->history->segments.n; i++) {
        const rdl_segment_ref *s = &r->history->segments.v[i];
        if (!covers(r, s))
            continue;
        out->any_fresh |= !s->marked || s->rows_fresh > 0;
        out->any_known |= s->marked && s->rows_fresh < s->rows_new;
    }
    return rdl_ordered_open(r->cut->root, r->table, r->history, r->from, r->to, &out->ordered, err);
}

void rdl_changes_named(rdl_cut *c, const rdl_table *t, const size_t *key, size_t key_count,
                       uint64_t from, uint64_t to, rdl_buf *out, bool *out_known)
{
    const range r = {.cut = c,
                     .table = t,
                     .history = rdl_history_table(c->history, t->full),
                     .key = key,
                     .key_count = key_count,
                     .from = from,
                     .to = to};
    bool any = false;
    *out_known = from >= r.history->pruned_changed && from >= r.history->dropped_before;
    for (size_t i = 0; i < r.history->segments.n; i++) {
        const rdl_segment_ref *s = &r.history->segments.v[i];
        for (rdl_segment kind = RDL_SEGMENT_NEW; kind <= RDL_SEGMENT_OLD; kind++) {
            *out_known &= !(covers(&r, s) && s->reset);
            if (!covers(&r, s) || (kind == RDL_SEGMENT_NEW ? s->rows_new : s->rows_old) == 0)
                continue;
            rdl_buf_puts(out, any ? " UNION SELECT " : "SELECT DISTINCT ");
            put_key(&r, out, "");
            rdl_buf_puts(out, " FROM ");
            put_file(&r, out, s, kind);
            any = true;
        }
    }
    *out_known &= any;
}

rdl_code rdl_changes_between(rdl_cut *c, const rdl_table *t, const size_t *key, size_t key_count,
                             uint64_t from, uint64_t to, bool unfinished, rdl_changes *out,
                             rdl_err *err)
{
    range r = {c,   t,    rdl_history_table(c->history, t->full), key, key_count,
               from, to, unfinished};
    const rdl_segment_ref *only = NULL;
    size_t n = 0;
    *out = (rdl_changes){0};
    if (from < r.history->pruned_changed)
        return rdl_err_set(err, RDL_ELIMIT, 0,
                           "cannot give the changes of \"%.*s\" since epoch %" PRIu64
                           ": segments up to epoch %" PRIu64 " are gone",
                           (int)t->full.n, t->full.p, from, r.history->pruned_changed);
    for (size_t i = 0; i < r.history->segments.n; i++) {
        const rdl_segment_ref *s = &r.history->segments.v[i];
        if (!covers(&r, s))
            continue;
        out->any = true;
        out->whole |= s->reset;
        only = s;
        n++;
    }
    if (out->whole)
        return rdl_changes_whole(c, t, key, key_count, out, err);
    if (n > 0 && comes_ordered(&r))
        return put_ordered(&r, out, err);
    if (n == 1)
        one_segment(&r, only, out);
    else if (n > 1)
        several_segments(&r, out);
    put_order(&r, &out->inserts);
    put_order(&r, &out->updates);
    return RDL_OK;
}

rdl_code rdl_changes_whole(rdl_cut *c, const rdl_table *t, const size_t *key, size_t key_count,
                           rdl_changes *out, rdl_err *err)
{
    const range r = {.cut = c,
                     .table = t,
                     .history = rdl_history_table(c->history, t->full),
                     .key = key,
                     .key_count = key_count,
                     .to = c->epoch};
    rdl_buf all = {0};
    *out = (rdl_changes){.any = true, .whole = true};
    if (r.history->pruned_changed == 0 && comes_ordered(&r))
        return put_ordered(&r, out, err);
    rdl_code rc = rdl_cut_select(c, t, false, &all, err);
    if (rc == RDL_OK) {
        rdl_buf_puts(&out->inserts, "SELECT * FROM (");
        rdl_buf_put(&out->inserts, all.p, all.n);
        rdl_buf_puts(&out->inserts, ") a");
        put_order(&r, &out->inserts);
    }
    rdl_buf_fini(&all);
    return rc;
}
