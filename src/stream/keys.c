/*
 * stream/keys.c - a published key is unique and not null before the epoch is sealed.
 *
 * A store would refuse the row, or keep one of two, after the seal, when nothing can be done about
 * it.  So the epoch that brings such a row fails, by the key's value.
 */
#include "stream/internal.h"

static bool contains(const size_t *list, size_t n, size_t x)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == x)
            return true;
    }
    return false;
}

/* Every column of a key that is unique already is in the published one. */
static bool covers(const rdl_publication *p, const size_t *unique, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!contains(p->key, p->key_count, unique[i]))
            return false;
    }
    return n > 0;
}

static bool proved(const rdl_publication *p)
{
    const rdl_table *t = p->table;
    if (t->kind == RDL_TABLE_VIEW)
        return covers(p, t->primary_key, t->primary_key_count);
    return t->dedup_within_us == 0 && covers(p, t->dedup, t->dedup_count);
}

static rdl_code refuse(const rdl_publication *p, const char *what, const char *values, rdl_err *err)
{
    rdl_buf key = {0};
    rdl_put_key(&key, "", &p->table->columns, p->key, p->key_count);
    rdl_err_set(err, RDL_EDATA, 0, "the published key (%s) of \"%.*s\" is %s: %.300s",
                rdl_buf_str(&key), (int)p->table->full.n, p->table->full.p, what, values);
    rdl_err_hint(err, "Filter or impute such rows, or choose another PRIMARY KEY in PUBLISH.");
    rdl_buf_fini(&key);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

static rdl_code find(rdl_engine *e, const rdl_publication *p, const rdl_buf *sql, const char *what,
                     rdl_err *err)
{
    rdl_arena a;
    char *found = NULL;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_relation_text(e, &a, rdl_buf_str(sql), &found, err);
    if (rc == RDL_OK && found != NULL)
        rc = refuse(p, what, found, err);
    rdl_arena_fini(&a);
    return rc;
}

static rdl_code refuse_nulls(rdl_engine *e, const rdl_publication *p, const rdl_buf *key,
                             rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT row(%s)::VARCHAR FROM ", rdl_buf_str(key));
    rdl_put_relation(&sql, "e", "new:", p->table->full);
    for (size_t i = 0; i < p->key_count; i++) {
        rdl_buf_puts(&sql, i == 0 ? " WHERE " : " OR ");
        rdl_buf_put_sql_ident(&sql, p->table->columns.v[p->key[i]].name);
        rdl_buf_puts(&sql, " IS NULL");
    }
    rdl_buf_puts(&sql, " LIMIT 1");
    rdl_code rc = find(e, p, &sql, "null", err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code refuse_repeats(rdl_engine *e, rdl_work *w, const rdl_publication *p,
                               const rdl_buf *key, rdl_err *err)
{
    rdl_buf sql = {0};
    RDL_TRY(rdl_relation_all(e, w, p->table, err));
    rdl_buf_printf(&sql, "SELECT row(%s)::VARCHAR FROM ", rdl_buf_str(key));
    rdl_put_relation(&sql, "e", "all:", p->table->full);
    rdl_buf_printf(&sql, " WHERE rdl_key(%s) IN (SELECT rdl_key(%s) FROM ", rdl_buf_str(key),
                   rdl_buf_str(key));
    rdl_put_relation(&sql, "e", "new:", p->table->full);
    rdl_buf_printf(&sql, ") GROUP BY %s HAVING count(*) > 1 LIMIT 1", rdl_buf_str(key));
    rdl_code rc = find(e, p, &sql, "not unique", err);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_keys_check(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < e->pipeline->publication_count && rc == RDL_OK; i++) {
        const rdl_publication *p = e->pipeline->publications[i];
        rdl_buf key = {0};
        if (p->table != t || !w->changed[t->index])
            continue;
        rdl_put_key(&key, "", &t->columns, p->key, p->key_count);
        rc = refuse_nulls(e, p, &key, err);
        if (rc == RDL_OK && !proved(p))
            rc = refuse_repeats(e, w, p, &key, err);
        rdl_buf_fini(&key);
    }
    return rdl_err_in(rc, err, "publication of %s", t->full.p);
}
