/*
 * stream/newest.c - the newest row of each key over several segments, without a join.
 *
 * Where old rows are left out (view.c), a key is named by new rows alone: its newest row is the one
 * of the greatest epoch, which one aggregation finds.  Where every row says that its key was not
 * there before, there is nothing to find.
 */
#include <inttypes.h>

#include "stream/cut.h"

static bool lies_in(const rdl_segment_ref *s, uint64_t from, uint64_t to)
{
    return s->epoch > from && s->epoch <= to && (s->rows_new > 0 || s->rows_old > 0 || s->reset);
}

static bool is_key(const size_t *key, size_t key_count, size_t column)
{
    for (size_t i = 0; i < key_count; i++) {
        if (key[i] == column)
            return true;
    }
    return false;
}

bool rdl_newest_all_fresh(const rdl_table_history *h, uint64_t from, uint64_t to)
{
    bool any = false;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (!lies_in(s, from, to))
            continue;
        any = true;
        if (s->rows_old > 0 || s->reset || !s->marked || s->rows_fresh < s->rows_new)
            return false;
    }
    return any;
}

bool rdl_newest_is_one_pass(const rdl_table *t, const rdl_table_history *h, const size_t *key,
                            size_t key_count, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < t->columns.n; i++) {
        if (!is_key(key, key_count, i) && !rdl_type_is_scalar(t->columns.v[i].type))
            return false;
    }
    bool any = false;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (!lies_in(s, from, to))
            continue;
        any = true;
        if (s->rows_old > 0 || s->reset)
            return false;
    }
    return any;
}

static void put_rows(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_table *t,
                     const rdl_table_history *h, uint64_t from, uint64_t to, bool was)
{
    bool any = false;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (!lies_in(s, from, to) || s->rows_new == 0)
            continue;
        rdl_buf_printf(out, "%sSELECT %" PRIu64 "::BIGINT AS _e, ", any ? " UNION ALL " : "",
                       s->epoch);
        if (was)
            rdl_buf_puts(out, s->marked ? "_was, " : "false AS _was, ");
        rdl_put_columns(out, "", &t->columns);
        rdl_buf_puts(out, " FROM ");
        rdl_put_segment(out, a, root, s, h->table, RDL_SEGMENT_NEW);
        any = true;
    }
}

void rdl_newest_put_all(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_table *t,
                        const rdl_table_history *h, uint64_t from, uint64_t to)
{
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "", &t->columns);
    rdl_buf_puts(out, " FROM (");
    put_rows(out, a, root, t, h, from, to, false);
    rdl_buf_puts(out, ")");
}

void rdl_newest_put(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_table *t,
                    const rdl_table_history *h, const size_t *key, size_t key_count, uint64_t from,
                    uint64_t to, bool was)
{
    rdl_buf_puts(out, "SELECT ");
    for (size_t i = 0; i < t->columns.n; i++) {
        bool is = is_key(key, key_count, i);
        rdl_buf_puts(out, i > 0 ? ", " : "");
        rdl_buf_puts(out, is ? "" : "arg_max_null(");
        rdl_buf_put_sql_ident(out, t->columns.v[i].name);
        if (!is) {
            rdl_buf_puts(out, ", _e) AS ");
            rdl_buf_put_sql_ident(out, t->columns.v[i].name);
        }
    }
    rdl_buf_puts(out, was ? ", arg_min(_was, _e) AS _was FROM (" : " FROM (");
    put_rows(out, a, root, t, h, from, to, was);
    rdl_buf_puts(out, ") GROUP BY ");
    rdl_put_key(out, "", &t->columns, key, key_count);
}
