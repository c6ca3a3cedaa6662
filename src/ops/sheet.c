/*
 * ops/sheet.c - rows into a raudal.* table; see the header.
 */
#include "ops/sheet.h"

#include <assert.h>

rdl_code rdl_sheet_open(rdl_conn *conn, rdl_system_table_id id, rdl_sheet *out, rdl_err *err)
{
    *out = (rdl_sheet){.table = &rdl_system_tables[id], .err = err};
    RDL_TRY(rdl_system_table_create(conn, id, err));
    return rdl_appender_open(conn, "raudal", out->table->name, &out->appender, err);
}

static rdl_vector *value(rdl_sheet *s, const char *type)
{
    assert(strcmp(s->table->columns[s->at].type, type) == 0);
    (void)type;
    return &rdl_appender_chunk(s->appender)->v[s->at];
}

static size_t row_of(const rdl_sheet *s)
{
    return rdl_appender_chunk(s->appender)->rows;
}

static void next(rdl_sheet *s)
{
    rdl_chunk *c = rdl_appender_chunk(s->appender);
    if (++s->at < s->table->column_count)
        return;
    s->at = 0;
    if (++c->rows == RDL_VECTOR_ROWS && s->rc == RDL_OK)
        s->rc = rdl_appender_flush(s->appender, s->err);
    if (s->rc != RDL_OK)
        rdl_chunk_reset(c);
}

void rdl_sheet_null(rdl_sheet *s)
{
    rdl_vector_set_null(&rdl_appender_chunk(s->appender)->v[s->at], row_of(s));
    next(s);
}

void rdl_sheet_str(rdl_sheet *s, rdl_str v)
{
    if (v.p == NULL) {
        rdl_sheet_null(s);
        return;
    }
    rdl_vector_set_str(value(s, "TEXT"), row_of(s), v.p, v.n);
    next(s);
}

void rdl_sheet_text(rdl_sheet *s, const char *v)
{
    rdl_sheet_str(s, rdl_str_of(v));
}

void rdl_sheet_i64(rdl_sheet *s, int64_t v)
{
    RDL_VECTOR_AT(value(s, "BIGINT"), int64_t, row_of(s)) = v;
    next(s);
}

void rdl_sheet_u64(rdl_sheet *s, uint64_t v)
{
    rdl_sheet_i64(s, (int64_t)v);
}

void rdl_sheet_bool(rdl_sheet *s, bool v)
{
    RDL_VECTOR_AT(value(s, "BOOLEAN"), bool, row_of(s)) = v;
    next(s);
}

void rdl_sheet_time(rdl_sheet *s, int64_t us)
{
    if (us == INT64_MIN || us == INT64_MAX) {
        rdl_sheet_null(s);
        return;
    }
    RDL_VECTOR_AT(value(s, "TIMESTAMPTZ"), int64_t, row_of(s)) = us;
    next(s);
}

void rdl_sheet_seconds(rdl_sheet *s, int64_t us)
{
    if (us == INT64_MIN) {
        rdl_sheet_null(s);
        return;
    }
    RDL_VECTOR_AT(value(s, "DOUBLE"), double, row_of(s)) = (double)us / 1e6;
    next(s);
}

rdl_code rdl_sheet_close(rdl_sheet *s)
{
    rdl_err ignored;
    rdl_code rc = rdl_appender_close(s->appender, s->rc == RDL_OK ? s->err : &ignored);
    s->appender = NULL;
    return s->rc != RDL_OK ? s->rc : rc;
}
