/*
 * sink/sqlite_rows.c - rows into SQLite and back; the types are at the top of sqlite_table.c.
 *
 * A value that is not as we write it is an error when read back, never a guess.
 */
#include <math.h>
#include <stdio.h>

#include "sink/sqlite_internal.h"
#include "sink/text_value.h"

/* ---- writing rows ---- */

/* Times get SQLite's offset: rdl_vector_print's ends in +00. */
static int bind_printed(rdl_sqlite *s, sqlite3_stmt *st, int at, const rdl_vector *v, size_t row)
{
    rdl_buf_clear(&s->text);
    if (v->child_count != 0)
        rdl_vector_print_json(v, row, &s->text);
    else
        rdl_vector_print(v, row, &s->text);
    if (v->type->kind == RDL_TYPE_TIMESTAMPTZ && s->text.n > 3 &&
        memcmp(s->text.p + s->text.n - 3, "+00", 3) == 0)
        rdl_buf_puts(&s->text, ":00");
    return sqlite3_bind_text(st, at, s->text.p, (int)s->text.n, SQLITE_TRANSIENT);
}

/* Text and bytes stay where they are until the step is done. */
static int bind_value(rdl_sqlite *s, sqlite3_stmt *st, int at, const rdl_vector *v, size_t row)
{
    rdl_str text;
    double x;
    if (!rdl_vector_valid(v, row))
        return sqlite3_bind_null(st, at);
    switch (v->type->kind) {
    case RDL_TYPE_BOOLEAN:
        return sqlite3_bind_int(st, at, RDL_VECTOR_AT(v, int8_t, row) != 0);
    case RDL_TYPE_INTEGER:
        return sqlite3_bind_int(st, at, RDL_VECTOR_AT(v, int32_t, row));
    case RDL_TYPE_BIGINT:
        return sqlite3_bind_int64(st, at, RDL_VECTOR_AT(v, int64_t, row));
    case RDL_TYPE_DOUBLE:
        x = RDL_VECTOR_AT(v, double, row);
        return isnan(x) ? sqlite3_bind_text(st, at, "nan", 3, SQLITE_STATIC)
                        : sqlite3_bind_double(st, at, x);
    case RDL_TYPE_DECIMAL:
        return rdl_sqlite_bind_decimal(s, st, at, v, row);
    case RDL_TYPE_TEXT:
    case RDL_TYPE_JSON:
        text = rdl_vector_str(v, row);
        return sqlite3_bind_text(st, at, text.n != 0 ? text.p : "", (int)text.n, SQLITE_STATIC);
    case RDL_TYPE_BLOB:
        text = rdl_vector_str(v, row);
        return text.n != 0 ? sqlite3_bind_blob(st, at, text.p, (int)text.n, SQLITE_STATIC)
                           : sqlite3_bind_zeroblob(st, at, 0);
    default:
        return bind_printed(s, st, at, v, row);
    }
}

static rdl_code refuse_null_key(rdl_sqlite *s, const rdl_sink_table *t, size_t column, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0,
                "cannot write table \"%s\" of \"%s\": column \"%.*s\" of its key is NULL in a row",
                t->name, s->path, (int)t->columns.v[column].name.n, t->columns.v[column].name.p);
    rdl_err_hint(err, "Keep such rows out of the view (WHERE ... IS NOT NULL), or choose another "
                      "key.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SINK);
}

static void put_names(rdl_buf *b, const rdl_sink_table *t, const char *before, const char *after)
{
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_puts(b, i != 0 ? ", " : "");
        rdl_buf_puts(b, before);
        if (before[0] != '?')
            rdl_buf_put_sql_ident(b, t->columns.v[i].name);
        rdl_buf_puts(b, after);
    }
}

static rdl_code make_upsert(rdl_sqlite *s, rdl_err *err)
{
    const rdl_sink_table *t = s->table;
    rdl_buf b = {0};
    rdl_buf_puts(&b, "INSERT INTO ");
    rdl_buf_put_sql_ident(&b, rdl_str_of(t->name));
    rdl_buf_puts(&b, " (");
    put_names(&b, t, "", "");
    rdl_buf_puts(&b, ") VALUES (");
    put_names(&b, t, "?", "");
    rdl_buf_puts(&b, ") ON CONFLICT (");
    for (size_t i = 0; i < t->key_count; i++) {
        rdl_buf_puts(&b, i != 0 ? ", " : "");
        rdl_buf_put_sql_ident(&b, t->columns.v[t->key[i]].name);
    }
    rdl_buf_puts(&b, ") DO ");
    const char *sep = "UPDATE SET ";
    for (size_t i = 0; i < t->columns.n; i++) {
        if (rdl_sink_is_key(t, i))
            continue;
        rdl_buf_puts(&b, sep);
        rdl_buf_put_sql_ident(&b, t->columns.v[i].name);
        rdl_buf_puts(&b, " = excluded.");
        rdl_buf_put_sql_ident(&b, t->columns.v[i].name);
        sep = ", ";
    }
    if (sep[0] == 'U')
        rdl_buf_puts(&b, "NOTHING");
    rdl_code rc = rdl_sqlite_prepare(s, rdl_buf_str(&b), &s->upsert, "prepare an upsert", err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code make_remove(rdl_sqlite *s, rdl_err *err)
{
    const rdl_sink_table *t = s->table;
    rdl_buf b = {0};
    rdl_buf_puts(&b, "DELETE FROM ");
    rdl_buf_put_sql_ident(&b, rdl_str_of(t->name));
    for (size_t i = 0; i < t->key_count; i++) {
        rdl_buf_puts(&b, i != 0 ? " AND " : " WHERE ");
        rdl_buf_put_sql_ident(&b, t->columns.v[t->key[i]].name);
        rdl_buf_puts(&b, " = ?");
    }
    rdl_code rc = rdl_sqlite_prepare(s, rdl_buf_str(&b), &s->remove, "prepare a removal", err);
    rdl_buf_fini(&b);
    return rc;
}

static rdl_code run_row(rdl_sqlite *s, sqlite3_stmt *st, const char *what, rdl_err *err)
{
    int step = sqlite3_step(st);
    if (sqlite3_reset(st) == SQLITE_OK && step == SQLITE_DONE)
        return RDL_OK;
    return rdl_sqlite_fail(s, s->db, err, "%s table \"%s\"", what, s->table->name);
}

static rdl_code upsert_row(rdl_sqlite *s, const rdl_chunk *rows, size_t row, rdl_err *err)
{
    const rdl_sink_table *t = s->table;
    for (size_t i = 0; i < t->key_count; i++)
        if (!rdl_vector_valid(&rows->v[t->key[i]], row))
            return refuse_null_key(s, t, t->key[i], err);
    for (size_t i = 0; i < rows->n; i++)
        if (bind_value(s, s->upsert, (int)i + 1, &rows->v[i], row) != SQLITE_OK)
            return rdl_sqlite_fail(s, s->db, err,
                                   "write a value of column \"%.*s\" of table \"%s\"",
                                   (int)t->columns.v[i].name.n, t->columns.v[i].name.p, t->name);
    return run_row(s, s->upsert, "write", err);
}

rdl_code rdl_sqlite_upsert(rdl_sink *sink, const rdl_chunk *rows, rdl_err *err)
{
    rdl_sqlite *s = rdl_sqlite_of(sink);
    rdl_code rc = s->upsert != NULL ? RDL_OK : make_upsert(s, err);
    for (size_t row = 0; row < rows->rows && rc == RDL_OK; row++)
        rc = upsert_row(s, rows, row, err);
    return rdl_err_in(rc, err, "sink sqlite");
}

static rdl_code remove_row(rdl_sqlite *s, const rdl_chunk *keys, size_t row, rdl_err *err)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (!rdl_vector_valid(&keys->v[i], row))
            return refuse_null_key(s, s->table, s->table->key[i], err);
        if (bind_value(s, s->remove, (int)i + 1, &keys->v[i], row) != SQLITE_OK)
            return rdl_sqlite_fail(s, s->db, err, "write a key of table \"%s\"", s->table->name);
    }
    return run_row(s, s->remove, "remove a row from", err);
}

rdl_code rdl_sqlite_remove(rdl_sink *sink, const rdl_chunk *keys, rdl_err *err)
{
    rdl_sqlite *s = rdl_sqlite_of(sink);
    rdl_code rc = s->remove != NULL ? RDL_OK : make_remove(s, err);
    for (size_t row = 0; row < keys->rows && rc == RDL_OK; row++)
        rc = remove_row(s, keys, row, err);
    return rdl_err_in(rc, err, "sink sqlite");
}

/* ---- reading back ---- */

static bool read_int(sqlite3_stmt *st, int at, rdl_vector *v, size_t row)
{
    if (sqlite3_column_type(st, at) != SQLITE_INTEGER)
        return false;
    int64_t x = sqlite3_column_int64(st, at);
    if (v->type->kind == RDL_TYPE_BIGINT)
        RDL_VECTOR_AT(v, int64_t, row) = x;
    else if (v->type->kind == RDL_TYPE_BOOLEAN && (x == 0 || x == 1))
        RDL_VECTOR_AT(v, int8_t, row) = (int8_t)x;
    else if (v->type->kind == RDL_TYPE_INTEGER && x >= INT32_MIN && x <= INT32_MAX)
        RDL_VECTOR_AT(v, int32_t, row) = (int32_t)x;
    else
        return false;
    return true;
}

static bool is_number(sqlite3_stmt *st, int at)
{
    int type = sqlite3_column_type(st, at);
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

static bool read_bytes(sqlite3_stmt *st, int at, rdl_vector *v, size_t row)
{
    const void *p = sqlite3_column_blob(st, at);
    if (sqlite3_column_type(st, at) != SQLITE_BLOB)
        return false;
    rdl_vector_set_str(v, row, p != NULL ? p : "", (size_t)sqlite3_column_bytes(st, at));
    return true;
}

/* False when the cell does not hold what we write for this type. */
static bool read_cell(sqlite3_stmt *st, int at, rdl_vector *v, size_t row, rdl_text_slot *slot)
{
    rdl_type_kind kind = v->type->kind;
    if (sqlite3_column_type(st, at) == SQLITE_NULL) {
        rdl_vector_set_null(v, row);
        return true;
    }
    if (kind == RDL_TYPE_BOOLEAN || kind == RDL_TYPE_INTEGER || kind == RDL_TYPE_BIGINT)
        return read_int(st, at, v, row);
    if (kind == RDL_TYPE_BLOB)
        return read_bytes(st, at, v, row);
    if (kind == RDL_TYPE_DECIMAL)
        return rdl_sqlite_read_decimal(st, at, v, row, slot);
    if (kind == RDL_TYPE_DOUBLE && is_number(st, at)) {
        RDL_VECTOR_AT(v, double, row) = sqlite3_column_double(st, at);
        return true;
    }
    if (sqlite3_column_type(st, at) != SQLITE_TEXT)
        return false;
    const char *p = (const char *)sqlite3_column_text(st, at);
    rdl_str text = {p, (size_t)sqlite3_column_bytes(st, at)};
    if (kind == RDL_TYPE_DOUBLE && !rdl_str_eq(text, RDL_STR("nan")))
        return false;
    return p != NULL && rdl_text_read(text, v, row, slot);
}

typedef struct scan {
    rdl_sqlite *sink;
    const rdl_sink_table *table;
    sqlite3_stmt *st;
    rdl_chunk *chunk;
    rdl_text_slot *slots; /* by column */
    rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err);
    void *arg;
} scan;

static rdl_code scan_row(scan *c, rdl_err *err)
{
    const rdl_sink_table *t = c->table;
    size_t row = c->chunk->rows;
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf type = {0};
        if (read_cell(c->st, (int)i, &c->chunk->v[i], row, &c->slots[i]))
            continue;
        const char *text = (const char *)sqlite3_column_text(c->st, (int)i);
        rdl_type_print(t->columns.v[i].type, &type);
        rdl_err_set(err, RDL_EDATA, 0,
                    "could not read table \"%s\" of \"%s\": value \"%.60s\" of column \"%.*s\" "
                    "is not a %s as we write it",
                    t->name, c->sink->path, text != NULL ? text : "", (int)t->columns.v[i].name.n,
                    t->columns.v[i].name.p, rdl_buf_str(&type));
        rdl_buf_fini(&type);
        rdl_err_hint(err, "Somebody else changed the table; `raudal publish` fills it again.");
        return rdl_err_area(RDL_EDATA, err, RDL_AREA_SINK);
    }
    c->chunk->rows++;
    return RDL_OK;
}

static rdl_code scan_flush(scan *c, rdl_err *err)
{
    return rdl_text_slots_flush(c->chunk, c->slots, c->visit, c->arg, err);
}

static rdl_code scan_rows(scan *c, rdl_err *err)
{
    int step;
    while ((step = sqlite3_step(c->st)) == SQLITE_ROW) {
        RDL_TRY(scan_row(c, err));
        if (c->chunk->rows == RDL_VECTOR_ROWS)
            RDL_TRY(scan_flush(c, err));
    }
    if (step != SQLITE_DONE)
        return rdl_sqlite_fail(c->sink, c->sink->db, err, "read table \"%s\"", c->table->name);
    return scan_flush(c, err);
}

static rdl_code scan_open(scan *c, rdl_arena *a, rdl_err *err)
{
    rdl_buf sql = {0};
    c->slots = RDL_NEWN(a, rdl_text_slot, c->table->columns.n);
    for (size_t i = 0; i < c->table->columns.n; i++)
        rdl_text_slot_init(a, c->table->columns.v[i].type, &c->slots[i]);
    RDL_TRY(rdl_chunk_new(&c->table->columns, &c->chunk, err));
    rdl_buf_puts(&sql, "SELECT ");
    put_names(&sql, c->table, "", "");
    rdl_buf_puts(&sql, " FROM ");
    rdl_buf_put_sql_ident(&sql, rdl_str_of(c->table->name));
    rdl_code rc = rdl_sqlite_prepare(c->sink, rdl_buf_str(&sql), &c->st, "read the table", err);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_sqlite_scan(rdl_sink *sink, const rdl_sink_table *t,
                         rdl_code (*visit)(void *arg, const rdl_chunk *rows, rdl_err *err),
                         void *arg, rdl_err *err)
{
    rdl_sqlite *s = rdl_sqlite_of(sink);
    scan c = {.sink = s, .table = t, .visit = visit, .arg = arg};
    bool there = false;
    rdl_arena a;
    rdl_code rc = rdl_sqlite_has_table(s, t->name, &there, err);
    if (rc != RDL_OK || !there)
        return rdl_err_in(rc, err, "sink sqlite");
    rdl_arena_init(&a, 0);
    rc = scan_open(&c, &a, err);
    if (rc == RDL_OK)
        rc = scan_rows(&c, err);
    sqlite3_finalize(c.st);
    rdl_chunk_free(c.chunk);
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "sink sqlite");
}
