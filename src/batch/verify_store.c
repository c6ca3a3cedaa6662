/*
 * batch/verify_store.c - a published table, read back from its store, against the table it serves.
 */
#include <inttypes.h>
#include <stdio.h>

#include "batch/verify_internal.h"
#include "sink/sink.h"
#include "stream/changes.h"
#include "stream/destination.h"

typedef struct copying {
    rdl_appender *to;
} copying;

static void copy_value(const rdl_vector *from, size_t i, rdl_vector *to, size_t row);

static void copy_list(const rdl_vector *from, size_t i, rdl_vector *to, size_t row)
{
    rdl_duck_list source = RDL_VECTOR_AT(from, rdl_duck_list, i);
    rdl_duck_list *entries = to->data;
    uint64_t at = 0;
    for (size_t j = 0; j < row; j++) {
        uint64_t end = entries[j].offset + entries[j].length;
        at = rdl_vector_valid(to, j) && end > at ? end : at;
    }
    if (!rdl_vector_list_reserve(to, at + source.length))
        return;
    for (uint64_t j = 0; j < source.length; j++) {
        for (size_t k = 0; k < to->child_count; k++)
            copy_value(&from->children[k], source.offset + j, &to->children[k], at + j);
    }
    ((rdl_duck_list *)to->data)[row] = (rdl_duck_list){at, source.length};
    rdl_vector_list_set_size(to, at + source.length);
}

static void copy_value(const rdl_vector *from, size_t i, rdl_vector *to, size_t row)
{
    if (!rdl_vector_valid(from, i)) {
        rdl_vector_set_null(to, row);
        return;
    }
    switch (to->type->kind) {
    case RDL_TYPE_TEXT:
    case RDL_TYPE_JSON:
    case RDL_TYPE_BLOB: {
        rdl_str s = rdl_vector_str(from, i);
        rdl_vector_set_str(to, row, s.p, s.n);
        return;
    }
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
        copy_list(from, i, to, row);
        return;
    case RDL_TYPE_STRUCT:
        for (size_t k = 0; k < to->child_count; k++)
            copy_value(&from->children[k], i, &to->children[k], row);
        return;
    default: {
        size_t width = rdl_vector_width(to->type);
        memcpy((char *)to->data + row * width, (const char *)from->data + i * width, width);
    }
    }
}

static rdl_code take_served(void *arg, const rdl_chunk *rows, rdl_err *err)
{
    copying *copy = arg;
    for (size_t i = 0; i < rows->rows; i++) {
        rdl_chunk *c = rdl_appender_chunk(copy->to);
        for (size_t j = 0; j < rows->n; j++)
            copy_value(&rows->v[j], i, &c->v[j], c->rows);
        c->rows++;
        if (c->rows == RDL_VECTOR_ROWS)
            RDL_TRY(rdl_appender_flush(copy->to, err));
    }
    return RDL_OK;
}

/* v.want as the store can give it back; rows that may have expired count when they are there. */
static rdl_code expect_served(rdl_verifying *c, rdl_sink *s, const rdl_sink_table *table,
                              const rdl_publication *p, rdl_err *err)
{
    const rdl_schema *columns = &p->table->columns;
    rdl_buf sql = {0}, name = {0};
    rdl_code rc = RDL_OK;
    bool expires = false;
    if (s->ops->served == NULL)
        return RDL_OK;
    rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE v.want AS SELECT ");
    for (size_t i = 0; i < columns->n && rc == RDL_OK; i++) {
        rdl_buf_clear(&name);
        rdl_buf_put_sql_ident(&name, columns->v[i].name);
        rdl_buf_puts(&sql, i > 0 ? ", " : "");
        rc = s->ops->served(s, table, i, rdl_buf_str(&name), &sql, &expires, err);
        rdl_buf_printf(&sql, " AS %s", rdl_buf_str(&name));
    }
    rdl_buf_puts(&sql, " FROM v.want");
    if (expires) {
        rdl_buf_puts(&sql, " SEMI JOIN v.have USING (");
        rdl_put_key(&sql, "", columns, p->key, p->key_count);
        rdl_buf_puts(&sql, ")");
    }
    if (rc == RDL_OK)
        rc = rdl_exec(c->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&name);
    return rc;
}

typedef struct serving {
    rdl_sink *sink;
    rdl_sink_table table;
    int64_t epoch;   /* that prepare told; the store's snapshot is of it, where it has snapshots */
    bool unfinished; /* rows of a later epoch were among those of this one */
} serving;

/* A store without transactions is being written to, or was when its writer died. */
static bool half_written(const serving *s)
{
    return s->sink->ops->unfinished != NULL && s->sink->ops->unfinished(s->sink, &s->table);
}

static rdl_code open_store(rdl_verifying *c, const rdl_publication *p, serving *s, rdl_err *err)
{
    rdl_sink_table_of(c->a, p, &s->table);
    RDL_TRY(rdl_sink_open_to_read(c->a, p->url, rdl_reader_root(c->r), rdl_reader_root_uuid(c->r),
                                  &s->sink, err));
    RDL_TRY(s->sink->ops->prepare(s->sink, &s->table, &s->epoch, err));
    s->unfinished = half_written(s);
    return RDL_OK;
}

/* Beside a run a store goes on after the cut was taken.  What it shows was sealed before, so that a
 * cut taken now knows it, also when the run has ended since. */
static rdl_code catch_up(rdl_verifying *c, const serving *s, rdl_err *err)
{
    if (s->epoch <= (int64_t)c->cut.epoch || c->options->reopen == NULL)
        return RDL_OK;
    return rdl_verify_later_cut(c, err);
}

/* v.have: the store's rows; v.want, as the store can give it back.  *out_still: the store showed one
 * epoch from the first row to the last. */
static rdl_code fetch_served(rdl_verifying *c, serving *s, const rdl_publication *p,
                             bool *out_still, rdl_err *err)
{
    int64_t after = -1;
    copying copy = {0};
    RDL_TRY(rdl_appender_open(c->conn, "v", "have", &copy.to, err));
    rdl_code rc = s->sink->ops->scan(s->sink, &s->table, take_served, &copy, err);
    rdl_err late;
    rdl_code closed = rdl_appender_close(copy.to, rc == RDL_OK ? err : &late);
    rc = rc == RDL_OK ? closed : rc;
    if (rc == RDL_OK)
        rc = s->sink->ops->prepare(s->sink, &s->table, &after, err);
    s->unfinished = s->unfinished || (rc == RDL_OK && half_written(s));
    *out_still = after == s->epoch;
    return rc == RDL_OK ? expect_served(c, s->sink, &s->table, p, err) : rc;
}

/*
 * What the table was at the epoch that the store shows, if the root still knows: its lake has a
 * version from then and the segments that came after it are there.  *out_known says.
 */
static rdl_code cut_as_served(rdl_verifying *c, const rdl_table *t, uint64_t epoch, rdl_cut *out,
                              bool *out_known, rdl_err *err)
{
    const rdl_lake_snapshot *lake;
    rdl_cut_init(out, c->cut.arena, c->cut.root, c->cut.pipeline, c->cut.history, c->cut.app_id,
                 epoch);
    out->beside = true;
    *out_known = false;
    rdl_code rc = rdl_cut_lake(out, t, &lake, err);
    if (rc != RDL_OK)
        return (err->flags & RDL_ERR_RETRY) != 0 ? RDL_OK : rc;
    /* Segments of (lake, epoch] are needed; gone are some up to this one. */
    const rdl_table_history *h = rdl_history_table(c->cut.history, t->full);
    uint64_t pruned = h->pruned_changed < epoch ? h->pruned_changed : epoch;
    *out_known = lake->txn_version >= (int64_t)pruned && epoch >= h->dropped_before;
    return RDL_OK;
}

/*
 * v.want as the table is at the cut.  A store that is elsewhere, while a run goes on, is compared with
 * the table at the store's own epoch.
 */
static rdl_code fill_want(rdl_verifying *c, const rdl_table *t, int64_t epoch, bool *out_then,
                          rdl_err *err)
{
    rdl_cut then;
    *out_then = false;
    if (epoch > 0 && epoch < (int64_t)c->cut.epoch && rdl_verify_is_live(c))
        RDL_TRY(cut_as_served(c, t, (uint64_t)epoch, &then, out_then, err));
    return rdl_verify_fill_cut(c, *out_then ? &then : &c->cut, t, "want", err);
}

/* Is the store, at its epoch, what the table is at the cut? */
static bool shows_cut(const rdl_verifying *c, const rdl_table *t, int64_t epoch)
{
    return epoch >= (int64_t)rdl_history_table(c->cut.history, t->full)->last_changed &&
           epoch <= (int64_t)c->cut.epoch;
}

/*
 * Beside a run that cannot write to the store for long: its epoch lies between two versions of the
 * lake, and what the first of them lacks is pruned.  Rows whose key a later epoch names will be
 * written over; all others have to be there as they are at the cut.
 */
static rdl_code compare_settled(rdl_verifying *c, const serving *s, const rdl_table *t,
                                const rdl_publication *p, rdl_verify_item *item, bool *out_done,
                                rdl_err *err)
{
    static const char *const sides[] = {"want", "have"};
    rdl_verify_item rest = *item;
    rdl_buf sql = {0}, keys = {0};
    rdl_code rc = RDL_OK;
    *out_done = false;
    rdl_changes_named(&c->cut, t, p->key, p->key_count, (uint64_t)s->epoch, c->cut.epoch, &keys,
                      out_done);
    if (*out_done)
        rc = rdl_execf(c->conn, err, "CREATE OR REPLACE TABLE v.coming AS %s", rdl_buf_str(&keys));
    for (size_t side = 0; *out_done && side < 2 && rc == RDL_OK; side++) {
        rdl_buf_clear(&sql);
        rdl_buf_printf(&sql, "DELETE FROM v.%s a USING v.coming b WHERE ", sides[side]);
        rdl_put_same_key(&sql, "a", "b", &t->columns, p->key, p->key_count);
        rc = rdl_exec(c->conn, rdl_buf_str(&sql), err);
    }
    rest.differences = 0;
    rest.sample_count = 0;
    if (*out_done && rc == RDL_OK)
        rc = rdl_verify_compare(c, t, p, &rest, err);
    if (*out_done && rc == RDL_OK) {
        rest.rows = item->rows;
        rest.against =
            rdl_arena_printf(c->a,
                             "lake at epoch %" PRIu64 ", without rows that epochs after %" PRId64
                             " change, which the store has not yet",
                             c->cut.epoch, s->epoch);
        *item = rest;
    }
    rdl_buf_fini(&sql);
    rdl_buf_fini(&keys);
    return rc;
}

static rdl_code compare_served(rdl_verifying *c, serving *s, const rdl_publication *p,
                               rdl_verify_item *item, bool *out_moved, rdl_err *err)
{
    bool still = true, then = false;
    RDL_TRY(catch_up(c, s, err));
    const rdl_table *t = rdl_pipeline_find(rdl_reader_pipeline(c->r), p->table->full);
    RDL_TRY(fill_want(c, t, s->epoch, &then, err));
    RDL_TRY(
        rdl_exec(c->conn, "CREATE OR REPLACE TABLE v.have AS SELECT * FROM v.want LIMIT 0", err));
    RDL_TRY(fetch_served(c, s, p, &still, err));
    RDL_TRY(rdl_verify_compare(c, t, p, item, err));
    /* An epoch that nobody sealed: a later cut may know it; else the store is not this root's. */
    bool ahead = s->epoch > (int64_t)c->cut.epoch;
    item->differences += ahead && item->differences == 0;
    *out_moved =
        item->differences > 0 && (!still || s->unfinished || (!then && !shows_cut(c, t, s->epoch)));
    bool behind = s->epoch > 0 && s->epoch <= (int64_t)c->cut.epoch;
    if (*out_moved && still && behind && c->last_look && rdl_verify_is_live(c)) {
        bool done = false;
        RDL_TRY(compare_settled(c, s, t, p, item, &done, err));
        *out_moved = !done;
        then = then && !done;
    }
    if (then)
        item->against =
            rdl_arena_printf(c->a, "lake at epoch %" PRId64 ", which the store shows", s->epoch);
    if (*out_moved)
        snprintf(item->problem, sizeof item->problem,
                 "the store shows epoch %" PRId64 "%s, the lake was read at %" PRIu64, s->epoch,
                 !still          ? " and went on while it was read"
                 : s->unfinished ? " and rows of a later one, which is not finished"
                                 : "",
                 c->cut.epoch);
    return RDL_OK;
}

rdl_code rdl_verify_publication(rdl_verifying *c, const rdl_publication *p, rdl_verify_item *item,
                                bool *out_moved, rdl_err *err)
{
    serving s = {.epoch = -1};
    item->against = "lake";
    rdl_code rc = open_store(c, p, &s, err);
    if (rc == RDL_OK)
        rc = compare_served(c, &s, p, item, out_moved, err);
    if (s.sink != NULL)
        s.sink->ops->close(s.sink);
    return rc;
}
