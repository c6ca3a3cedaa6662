/*
 * sink/cassandra_scan.c - every row of a published table, read back for verify.
 *
 * The ring is read in ranges of tokens, each in pages, so that no single request asks the
 * whole table of one coordinator.  Reads are at QUORUM of the datacentre at least, so that
 * they see what a smaller write consistency left on some replicas alone.
 */
#include "sink/cassandra_internal.h"

#include <inttypes.h>

enum {
    RANGES = 16,
    PAGE_ROWS = 2000,
};

typedef struct scan {
    rdl_cassandra *s;
    rdl_cassandra_table *t;
    rdl_cql_statement *st;
    rdl_chunk *chunk;
    rdl_text_slot *slots; /* by column */
    rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err);
    void *arg;
} scan;

static rdl_code flush(scan *c, rdl_err *err)
{
    return rdl_text_slots_flush(c->chunk, c->slots, c->visit, c->arg, err);
}

static rdl_code take_row(scan *c, const rdl_cql_result *r, rdl_err *err)
{
    size_t row = c->chunk->rows;
    for (size_t i = 0; i < c->t->column_count; i++) {
        rdl_code rc = rdl_cassandra_read_value(&c->t->convs[i], rdl_cql_cell(r, (uint32_t)i),
                                               &c->chunk->v[i], row, &c->slots[i], err);
        if (rc == RDL_OK)
            continue;
        rdl_err own = *err;
        rdl_err_set(err, rc, 0, "could not read table \"%s\" of Cassandra %s, column \"%s\": %s",
                    c->t->name, c->s->where, c->t->columns[i], own.msg);
        rdl_err_hint(err, "Somebody else changed the table; `raudal publish` fills it again.");
        return rdl_err_area(rc, err, RDL_AREA_SINK);
    }
    c->chunk->rows++;
    return c->chunk->rows == RDL_VECTOR_ROWS ? flush(c, err) : RDL_OK;
}

static void put_token(rdl_buf *b, const rdl_cassandra_table *t, const char *compare)
{
    rdl_buf_puts(b, "token(");
    for (size_t i = 0; i < t->partition_key_count; i++) {
        rdl_buf_puts(b, i > 0 ? ", " : "");
        rdl_cql_put_ident(b, rdl_str_of(t->columns[t->key[i]]));
    }
    rdl_buf_printf(b, ") %s ?", compare);
}

static rdl_code prepare(scan *c, rdl_err *err)
{
    rdl_buf cql = {0};
    rdl_buf_puts(&cql, "SELECT ");
    for (size_t i = 0; i < c->t->column_count; i++) {
        rdl_buf_puts(&cql, i > 0 ? ", " : "");
        rdl_cql_put_ident(&cql, rdl_str_of(c->t->columns[i]));
    }
    rdl_buf_puts(&cql, " FROM ");
    rdl_cassandra_put_table(c->s, &cql, c->t->name);
    rdl_buf_puts(&cql, " WHERE ");
    put_token(&cql, c->t, ">=");
    rdl_buf_puts(&cql, " AND ");
    put_token(&cql, c->t, "<=");
    rdl_code rc = rdl_cql_prepare(c->s->session, rdl_buf_str(&cql), &c->st, err);
    rdl_buf_fini(&cql);
    return rc;
}

rdl_cql_consistency rdl_cassandra_read_level(const rdl_cassandra_table *t)
{
    switch (t->consistency) {
    case RDL_CQL_QUORUM:
    case RDL_CQL_EACH_QUORUM:
    case RDL_CQL_ALL:
        return t->consistency == RDL_CQL_ALL ? RDL_CQL_ALL : RDL_CQL_QUORUM;
    default:
        return RDL_CQL_LOCAL_QUORUM;
    }
}

/* Tokens from and to, both inclusive. */
static rdl_code scan_range(scan *c, int64_t from, int64_t to, rdl_err *err)
{
    rdl_cql_request *q = NULL;
    rdl_cql_result *r = NULL;
    bool row = true;
    const rdl_cql_options options = {
        .consistency = rdl_cassandra_read_level(c->t), .idempotent = true, .page_rows = PAGE_ROWS};
    rdl_code rc = rdl_cql_begin(c->s->session, c->st, &options, &q, err);
    if (rc == RDL_OK) {
        rdl_cql_put_int(rdl_cql_values(q), from);
        rdl_cql_put_int(rdl_cql_values(q), to);
        rc = rdl_cql_execute(q, &r, err);
    }
    if (rc == RDL_OK)
        rc = rdl_cql_fetch(r, &row, err);
    if (rc != RDL_OK)
        rc = rdl_cassandra_fail(c->s, rc, err, "read table \"%s\"", c->t->name);
    while (rc == RDL_OK && row) {
        rc = take_row(c, r, err);
        if (rc == RDL_OK && (rc = rdl_cql_fetch(r, &row, err)) != RDL_OK)
            rc = rdl_cassandra_fail(c->s, rc, err, "read table \"%s\"", c->t->name);
    }
    rdl_cql_result_free(r);
    return rc;
}

static rdl_code scan_all(scan *c, const rdl_sink_table *table, rdl_arena *a, rdl_err *err)
{
    const uint64_t width = UINT64_MAX / RANGES;
    c->slots = RDL_NEWN(a, rdl_text_slot, table->columns.n);
    for (size_t i = 0; i < table->columns.n; i++)
        rdl_text_slot_init(a, table->columns.v[i].type, &c->slots[i]);
    RDL_TRY(rdl_chunk_new(&table->columns, &c->chunk, err));
    rdl_code rc = prepare(c, err);
    if (rc != RDL_OK)
        return rdl_cassandra_fail(c->s, rc, err, "read table \"%s\"", c->t->name);
    for (uint64_t i = 0; i < RANGES; i++) {
        uint64_t from = i * (width + 1), to = i + 1 < RANGES ? from + width : UINT64_MAX;
        RDL_TRY(scan_range(c, (int64_t)(from ^ (uint64_t)INT64_MIN),
                           (int64_t)(to ^ (uint64_t)INT64_MIN), err));
    }
    return flush(c, err);
}

rdl_code rdl_cassandra_scan(rdl_sink *sink, const rdl_sink_table *table,
                            rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err),
                            void *arg, rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    scan c = {.s = s, .visit = visit, .arg = arg};
    rdl_arena a;
    rdl_code rc = rdl_cassandra_table_bind(s, table, &c.t, err);
    if (rc != RDL_OK || c.t == NULL)
        return rdl_err_in(rc, err, "sink cassandra");
    rdl_arena_init(&a, 0);
    rc = scan_all(&c, table, &a, err);
    rdl_chunk_free(c.chunk);
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "sink cassandra");
}

/* What a time to live of the table that is there says; 0: rows stay. */
static bool expires(const rdl_cassandra_table *t)
{
    for (uint32_t i = 0; i < t->there->options_n; i++)
        if (rdl_str_eq(t->there->options[i].name, RDL_STR("default_time_to_live")))
            return !rdl_str_eq(t->there->options[i].value, RDL_STR("0"));
    return false;
}

rdl_code rdl_cassandra_served(rdl_sink *sink, const rdl_sink_table *table, size_t column,
                              const char *value, rdl_buf *sql, bool *out_expires, rdl_err *err)
{
    rdl_cassandra *s = rdl_cassandra_of(sink);
    rdl_cassandra_table *t = rdl_cassandra_table_named(s, table->name);
    *out_expires = false;
    if (t == NULL)
        RDL_TRY(rdl_err_in(rdl_cassandra_table_bind(s, table, &t, err), err, "sink cassandra"));
    if (t == NULL)
        rdl_buf_puts(sql, value);
    else
        rdl_cassandra_put_served(sql, &t->convs[column], value);
    *out_expires = t != NULL && expires(t);
    return RDL_OK;
}
