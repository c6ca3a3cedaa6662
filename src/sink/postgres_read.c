/*
 * sink/postgres_read.c - a table's rows back, as their declared types: for verify.
 *
 * By COPY ... TO STDOUT in binary: one tuple is one piece of data (the first has the header before
 * it), decoded by the column's own type.  A value that is not as we write it is an error, never a
 * guess.
 */
#include "sink/postgres_internal.h"

typedef struct scan {
    rdl_postgres *s;
    const rdl_sink_table *table;
    rdl_pg_table *at;
    rdl_chunk *chunk;
    rdl_text_slot *slots; /* by column */
    bool begun;           /* the header was read */
    rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err);
    void *arg;
} scan;

static uint32_t get_u32(const char *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return __builtin_bswap32(x);
}

static rdl_code scan_flush(scan *c, rdl_err *err)
{
    return rdl_text_slots_flush(c->chunk, c->slots, c->visit, c->arg, err);
}

static rdl_code refuse_value(const scan *c, size_t column, rdl_err *err)
{
    rdl_buf type = {0};
    rdl_str name = c->table->columns.v[column].name;
    rdl_type_print(c->table->columns.v[column].type, &type);
    rdl_err_set(err, RDL_EDATA, 0,
                "could not read table \"%s\" of %s: a value of column \"%.*s\" is not a %s as we "
                "write it",
                c->at->full, c->s->pg->where, (int)name.n, name.p, rdl_buf_str(&type));
    rdl_buf_fini(&type);
    return rdl_err_hint(err, "Somebody else changed the table; `raudal publish` fills it again.");
}

static rdl_code damaged(const scan *c, rdl_err *err)
{
    return rdl_err_set(err, RDL_EDATA, 0, "could not read table \"%s\" of %s: a tuple is cut off",
                       c->at->full, c->s->pg->where);
}

static rdl_code read_tuple(scan *c, const char *p, const char *end, rdl_err *err)
{
    size_t row = c->chunk->rows;
    for (size_t i = 0; i < c->table->columns.n; i++) {
        if (end - p < 4)
            return damaged(c, err);
        uint32_t n = get_u32(p);
        p += 4;
        if (n == UINT32_MAX) {
            rdl_vector_set_null(&c->chunk->v[i], row);
            continue;
        }
        if ((size_t)(end - p) < n)
            return damaged(c, err);
        if (!rdl_pg_read_value((rdl_str){p, n}, &c->at->columns[i].type, &c->chunk->v[i], row,
                               &c->slots[i]))
            return refuse_value(c, i, err);
        p += n;
    }
    c->chunk->rows++;
    return c->chunk->rows == RDL_VECTOR_ROWS ? scan_flush(c, err) : RDL_OK;
}

/* libpq gives one message at a time: the header alone or before a tuple, a tuple, the trailer. */
static rdl_code take(void *arg, const char *p, size_t n, rdl_err *err)
{
    scan *c = arg;
    const char *end = p + n;
    if (!c->begun) {
        if (n < 19)
            return damaged(c, err);
        p += 19 + get_u32(p + 15);
        c->begun = true;
    }
    if (end - p < 2)
        return RDL_OK;
    int16_t columns = (int16_t)((uint8_t)p[0] << 8 | (uint8_t)p[1]);
    if (columns == -1)
        return RDL_OK;
    if ((size_t)columns != c->table->columns.n)
        return damaged(c, err);
    return read_tuple(c, p + 2, end, err);
}

static rdl_code scan_run(scan *c, rdl_arena *a, rdl_err *err)
{
    rdl_buf sql = {0};
    c->slots = RDL_NEWN(a, rdl_text_slot, c->table->columns.n);
    for (size_t i = 0; i < c->table->columns.n; i++)
        rdl_text_slot_init(a, c->table->columns.v[i].type, &c->slots[i]);
    RDL_TRY(rdl_chunk_new(&c->table->columns, &c->chunk, err));
    rdl_buf_puts(&sql, "COPY (SELECT ");
    rdl_pg_put_columns(c->table, c->at, "", &sql);
    rdl_buf_printf(&sql, " FROM %s) TO STDOUT (FORMAT binary)", c->at->quoted);
    rdl_code rc = rdl_pg_copy_out(c->s->pg, rdl_buf_str(&sql), take, c, "read a table", err);
    rdl_buf_fini(&sql);
    return rc == RDL_OK ? scan_flush(c, err) : rc;
}

rdl_code rdl_pg_scan(rdl_sink *sink, const rdl_sink_table *t,
                     rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err), void *arg,
                     rdl_err *err)
{
    rdl_postgres *s = rdl_postgres_of(sink);
    scan c = {.s = s, .table = t, .visit = visit, .arg = arg};
    rdl_arena a;
    rdl_code rc = rdl_pg_table_find(s, t, &c.at, err);
    if (rc == RDL_OK && c.at->exists)
        rc = rdl_pg_table_fit(s, t, c.at, NULL, err);
    if (rc == RDL_OK && c.at->exists) {
        rdl_arena_init(&a, 0);
        rc = scan_run(&c, &a, err);
        rdl_chunk_free(c.chunk);
        rdl_arena_fini(&a);
    }
    return rdl_err_in(rdl_err_area(rc, err, RDL_AREA_SINK), err, "sink postgres");
}
