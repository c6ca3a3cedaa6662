/*
 * stream/reindex.c - deduplication keys of rows that were written under other keys.
 *
 * The index of a table is named by the table and its key columns.  When a new text names other
 * columns, or begins to deduplicate, the first epoch that judges rows claims the keys of what is
 * there, in arrival order, before it judges: a row that came before the index is no less a
 * first arrival.
 */
#include "stream/internal.h"

rdl_hash128 rdl_key_identity(const char *what, const rdl_table *t, const size_t *columns, size_t n)
{
    rdl_buf b = {0};
    rdl_buf_puts(&b, what);
    rdl_buf_putc(&b, '\n');
    rdl_buf_put(&b, t->full.p, t->full.n);
    for (size_t i = 0; i < n; i++) {
        rdl_buf_putc(&b, '\n');
        rdl_buf_put(&b, t->columns.v[columns[i]].name.p, t->columns.v[columns[i]].name.n);
    }
    rdl_hash128 h = rdl_hash128_of(b.p, b.n);
    rdl_buf_fini(&b);
    return h;
}

typedef struct key_index {
    const rdl_table *table;
    const size_t *columns;
    size_t n;
    uint64_t space;
} key_index;

static void put_query(rdl_buf *sql, const key_index *x, const rdl_buf *content)
{
    rdl_buf_puts(sql, "SELECT ");
    rdl_put_key(sql, "", &x->table->columns, x->columns, x->n);
    rdl_buf_printf(sql, " FROM (%s) ORDER BY " RDL_IDENTITY_COLUMNS, rdl_buf_str(content));
}

static rdl_code claim_chunk(rdl_engine *e, const key_index *x, const rdl_chunk *k, rdl_buf *bytes,
                            rdl_err *err)
{
    rdl_hash128 keys[RDL_VECTOR_ROWS];
    bool claimed[RDL_VECTOR_ROWS];
    for (size_t i = 0; i < k->rows; i++) {
        rdl_buf_clear(bytes);
        for (size_t j = 0; j < k->n; j++)
            rdl_codec_put(&k->v[j], i, bytes);
        keys[i] = rdl_hash128_keyed(&e->hash_key, bytes->p, bytes->n);
    }
    return rdl_state_claim(e->state, x->space, keys, NULL, 0, k->rows, claimed, err);
}

static rdl_code make(rdl_engine *e, rdl_work *w, const key_index *x, rdl_err *err)
{
    rdl_cut cut;
    rdl_buf content = {0}, sql = {0}, bytes = {0};
    rdl_result *r = NULL;
    const rdl_chunk *k;
    rdl_cut_init(&cut, &w->arena, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    rdl_code rc = rdl_state_clear(e->state, x->space, err);
    if (rc == RDL_OK)
        rc = rdl_cut_select(&cut, x->table, true, &content, err);
    put_query(&sql, x, &content);
    if (rc == RDL_OK)
        rc = rdl_query(e->conn, rdl_buf_str(&sql), &r, err);
    while (rc == RDL_OK && rdl_result_next(r, &k))
        rc = claim_chunk(e, x, k, &bytes, err);
    rdl_result_free(r);
    rdl_buf_fini(&content);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&bytes);
    return rdl_err_in(rc, err, "deduplication index of %s", x->table->full.p);
}

/* A table of this name was dropped: what it claimed is not this one's. */
static rdl_code forget_claims(rdl_engine *e, const rdl_table *t, rdl_err *err)
{
    if (t->dedup_count > 0)
        RDL_TRY(rdl_state_clear(e->state, e->tables[t->index].space, err));
    for (size_t j = 0; j < t->constraint_count; j++) {
        const rdl_constraint *k = &t->constraints[j];
        if (k->unique_count > 0)
            RDL_TRY(rdl_state_clear(
                e->state,
                rdl_state_space(rdl_key_identity("unique", t, k->unique, k->unique_count)), err));
    }
    return RDL_OK;
}

rdl_code rdl_reindex(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(&e->history, t->full);
    const key_index dedup = {t, t->dedup, t->dedup_count, e->tables[t->index].space};
    if (!h->exists && h->dropped_before > 0)
        RDL_TRY(forget_claims(e, t, err));
    if (t->dedup_count == 0 || h->rows_total == 0 ||
        rdl_hash128_eq(h->keys, rdl_key_identity("dedup", t, t->dedup, t->dedup_count)))
        return RDL_OK;
    return make(e, w, &dedup, err);
}

rdl_code rdl_reindex_all(rdl_engine *e, rdl_work *w, rdl_err *err)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        const key_index dedup = {t, t->dedup, t->dedup_count, e->tables[i].space};
        if (t->kind != RDL_TABLE_STREAMING)
            continue;
        if (t->dedup_count > 0)
            RDL_TRY(make(e, w, &dedup, err));
        for (size_t j = 0; j < t->constraint_count; j++) {
            const rdl_constraint *k = &t->constraints[j];
            const key_index unique = {
                t, k->unique, k->unique_count,
                rdl_state_space(rdl_key_identity("unique", t, k->unique, k->unique_count))};
            if (k->unique_count > 0)
                RDL_TRY(make(e, w, &unique, err));
        }
    }
    return RDL_OK;
}
