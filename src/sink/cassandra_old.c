/*
 * sink/cassandra_old.c - the old rows of a republication, when the new ones are there (W5).
 *
 * Each row of the table is looked at with the times of its cells.  Ours of this batch have
 * write_us, or a little more (W6).  A row all of whose cells are older goes.  One with a later cell
 * was written by somebody whose clock is ahead, or says so: it hides what we wrote.  Then the
 * batch is done again, at a time after that cell's.
 */
#include "sink/cassandra_internal.h"

#include <inttypes.h>

/* Nobody's clock says so, and there must be room for later ones: the end of the year 9999. */
static const int64_t latest_us = INT64_C(253402300799999999);

static bool has_time(const rdl_cassandra_table *t, size_t column)
{
    const rdl_cassandra_conv *c = &t->convs[column];
    for (size_t k = 0; k < t->key_count; k++)
        if (t->key[k] == column)
            return false;
    return !c->live && (c->to->kind != RDL_CQL_UDT || c->to->frozen);
}

/* The key, and when the cells were written. */
static rdl_code select_rows(rdl_cassandra *s, rdl_cql_result **out, rdl_err *err)
{
    const rdl_cassandra_table *t = s->table;
    const rdl_cql_options options = {.consistency = rdl_cassandra_read_level(t),
                                     .idempotent = true};
    rdl_buf cql = {0};
    rdl_buf_puts(&cql, "SELECT ");
    for (size_t i = 0; i < t->key_count; i++) {
        rdl_buf_puts(&cql, i > 0 ? ", " : "");
        rdl_cql_put_ident(&cql, rdl_str_of(t->columns[t->key[i]]));
    }
    for (size_t i = 0; i < t->column_count; i++) {
        if (!has_time(t, i))
            continue;
        rdl_buf_puts(&cql, ", writetime(");
        rdl_cql_put_ident(&cql, rdl_str_of(t->columns[i]));
        rdl_buf_putc(&cql, ')');
    }
    rdl_buf_puts(&cql, " FROM ");
    rdl_cassandra_put_table(s, &cql, t->name);
    rdl_code rc = rdl_cql_query(s->session, rdl_buf_str(&cql), &options, out, err);
    rdl_buf_fini(&cql);
    return rc;
}

/* Of the newest cell that tells; 0: none does. */
static rdl_code newest(const rdl_cassandra *s, const rdl_cql_result *r, int64_t *out, rdl_err *err)
{
    *out = 0;
    for (uint32_t i = (uint32_t)s->table->key_count; i < rdl_cql_columns(r); i++) {
        int64_t at = 0;
        if (!rdl_cql_is_null(rdl_cql_cell(r, i)))
            RDL_TRY(rdl_cql_get_int(rdl_cql_cell(r, i), &at, err));
        *out = at > *out ? at : *out;
    }
    return RDL_OK;
}

/* Of a row without a cell that tells, too: if it is new, its removal is older than it. */
static rdl_code remove_row(rdl_cassandra *s, const rdl_cql_result *r, rdl_str *key, rdl_err *err)
{
    for (uint32_t i = 0; i < s->table->key_count; i++) {
        rdl_cql_value v = rdl_cql_cell(r, i);
        key[i] = (rdl_str){(const char *)v.p, (size_t)v.n};
    }
    return rdl_cassandra_remove_key(s, key, err);
}

static rdl_code look(rdl_cassandra *s, const rdl_cql_result *r, rdl_str *key, rdl_err *err)
{
    int64_t at = 0, ours = s->write_us + 2 * (int64_t)s->attempts;
    RDL_TRY(newest(s, r, &at, err));
    if (at < s->write_us)
        return remove_row(s, r, key, err);
    if (at > ours && at > s->table->foreign_us)
        s->table->foreign_us = at;
    return RDL_OK;
}

static rdl_code refuse_foreign(rdl_cassandra *s, rdl_err *err)
{
    rdl_cassandra_table *t = s->table;
    bool chase = t->foreign_us < latest_us;
    rdl_err_set(err, RDL_ECONFLICT, chase ? RDL_ERR_REPLAY : 0,
                "could not replace what table \"%s\" of Cassandra %s holds: somebody wrote a row "
                "there with a later time (%" PRId64 " microseconds since 1970)",
                t->name, s->where, t->foreign_us);
    rdl_err_hint(err, "Drop the table: it is made again and filled from the lake.");
    if (!chase)
        t->foreign_us = 0;
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_SINK);
}

rdl_code rdl_cassandra_remove_old(rdl_cassandra *s, rdl_err *err)
{
    rdl_cql_result *r = NULL;
    rdl_arena a;
    bool row = true;
    RDL_TRY(rdl_cassandra_make_statements(s, err));
    rdl_arena_init(&a, 0);
    rdl_str *key = RDL_NEWN(&a, rdl_str, s->table->key_count);
    rdl_code rc = select_rows(s, &r, err);
    while (rc == RDL_OK && row) {
        rc = rdl_cql_fetch(r, &row, err);
        if (rc != RDL_OK)
            break;
        if (row && (rc = look(s, r, key, err)) != RDL_OK)
            goto out; /* says already what it could not do */
    }
    if (rc != RDL_OK)
        rc = rdl_cassandra_fail(s, rc, err, "read the old rows of table \"%s\"", s->table->name);
    else if (s->table->foreign_us >= s->write_us)
        rc = refuse_foreign(s, err);
out:
    rdl_cql_result_free(r);
    rdl_arena_fini(&a);
    return rc;
}
