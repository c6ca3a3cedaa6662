/*
 * sink/cassandra_rows.c - a row of a chunk as its statement takes it; what cannot be one is refused
 * by name.
 *
 * A key must stay one key there: a null, an empty partition, and values that the store would take
 * for another row's (microseconds, capital letters of a uuid) are refused before anything is sent.
 */
#include "sink/cassandra_internal.h"

#include <stdio.h>

/* Columns of a key come in its order, whole rows in the table's. */
size_t rdl_cassandra_column(const rdl_cassandra *s, rdl_cassandra_kind kind, size_t key)
{
    return kind == RDL_CASSANDRA_REMOVE ? key : s->table->key[key];
}

static rdl_code refuse_key(rdl_cassandra *s, rdl_err *err, const char *hint, const char *fmt, ...)
    RDL_PRINTF(4, 5);
static rdl_code refuse_key(rdl_cassandra *s, rdl_err *err, const char *hint, const char *fmt, ...)
{
    char why[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    rdl_err_set(err, RDL_EDATA, 0, "cannot write table \"%s\" of Cassandra %s: %s", s->table->name,
                s->where, why);
    rdl_err_hint(err, "%s", hint);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SINK);
}

/* The store has no such partition. */
static bool is_empty_partition(const rdl_cassandra_table *t, size_t i, const rdl_vector *v,
                               size_t row)
{
    bool text = v->type->kind == RDL_TYPE_TEXT || v->type->kind == RDL_TYPE_BLOB;
    return i == 0 && t->partition_key_count == 1 && text && rdl_vector_str(v, row).n == 0;
}

/* Why the store would take this value of the key for another one's: two rows would become one. */
static const char *merges(const rdl_cassandra_conv *c, const rdl_vector *v, size_t row)
{
    if (v->type->kind == RDL_TYPE_TIMESTAMPTZ && c->to->kind == RDL_CQL_TIMESTAMP)
        return RDL_VECTOR_AT(v, int64_t, row) % 1000 != 0
                   ? "has microseconds, of which a timestamp there knows nothing"
                   : NULL;
    if (c->to->kind != RDL_CQL_UUID && c->to->kind != RDL_CQL_TIMEUUID)
        return NULL;
    rdl_str text = rdl_vector_str(v, row);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 'A' && text.p[i] <= 'F')
            return "has capital letters, of which a uuid knows nothing";
    return NULL;
}

static rdl_code check_key_values(rdl_cassandra *s, rdl_cassandra_kind kind, const rdl_chunk *rows,
                                 size_t row, rdl_err *err)
{
    const rdl_cassandra_table *t = s->table;
    for (size_t i = 0; i < t->key_count; i++) {
        const rdl_vector *v = &rows->v[rdl_cassandra_column(s, kind, i)];
        const char *column = t->columns[t->key[i]];
        if (!rdl_vector_valid(v, row))
            return refuse_key(
                s, err,
                "Keep such rows out of the view (WHERE ... IS NOT NULL), or choose another key.",
                "column \"%s\" of its key is NULL in a row", column);
        if (is_empty_partition(t, i, v, row))
            return refuse_key(
                s, err,
                "Keep such rows out of the view (WHERE ... <> ''), name them "
                "(coalesce(nullif(..., ''), 'none')), or let the partition key have two columns.",
                "its partition key \"%s\" is an empty text in a row, which Cassandra refuses",
                column);
        const char *why =
            kind != RDL_CASSANDRA_REMOVE ? merges(&t->convs[t->key[i]], v, row) : NULL;
        if (why != NULL)
            return refuse_key(
                s, err,
                "Make it one value in the view (date_trunc('milliseconds', ...), lower(...)), or "
                "publish it as another type: WITH (types = '...'), when the table is made: one "
                "that "
                "is there keeps its own until it is dropped.",
                "column \"%s\" of its key %s, so two rows could become one", column, why);
    }
    return RDL_OK;
}

static rdl_code refuse_value(rdl_cassandra *s, size_t column, rdl_err *err)
{
    rdl_err own = *err;
    rdl_err_set(err, own.code != RDL_OK ? own.code : RDL_EDATA, 0,
                "could not write table \"%s\" of Cassandra %s, column \"%s\": %s", s->table->name,
                s->where, s->table->columns[column], own.msg);
    return rdl_err_area(err->code, err, RDL_AREA_SINK);
}

rdl_code rdl_cassandra_encode(rdl_cassandra *s, rdl_cassandra_kind kind, const rdl_chunk *rows,
                              size_t row, rdl_buf *out, rdl_err *err)
{
    const rdl_cassandra_table *t = s->table;
    rdl_cql_writer w;
    bool unset = kind == RDL_CASSANDRA_INSERT && s->same_rows;
    size_t n = kind == RDL_CASSANDRA_REMOVE ? t->key_count : t->column_count;
    RDL_TRY(check_key_values(s, kind, rows, row, err));
    rdl_cql_row_begin(&w, rdl_cassandra_statement(s, kind), out, err);
    for (size_t i = 0; i < n; i++) {
        size_t column = kind == RDL_CASSANDRA_REMOVE ? t->key[i] : i;
        if (rdl_cassandra_write_value(&w, &t->convs[column], &rows->v[i], row, unset, true, err) !=
            RDL_OK)
            return refuse_value(s, column, err);
    }
    rdl_code rc = rdl_cql_row_end(&w);
    if (rc != RDL_OK)
        return rdl_cassandra_fail(s, rc, err, "write a row of table \"%s\"", t->name);
    return RDL_OK;
}
