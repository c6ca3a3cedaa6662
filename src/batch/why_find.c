/*
 * batch/why_find.c - the rows that a question means (why_internal.h).
 */
#include "batch/why_internal.h"

#include <inttypes.h>

#include "lang/plan.h"
#include "stream/root.h"

void rdl_why_say(rdl_why_trace *t, unsigned depth, const rdl_table *table, rdl_whereabouts what,
                 const char *text, const char *row)
{
    RDL_PUSH(t->a, &t->steps) = (rdl_why_step){depth, table, what, text, row};
}

/* ---- names and predicates ---- */

void rdl_why_put_rows_of(rdl_buf *sql, const rdl_table *t)
{
    rdl_buf name = {0};
    rdl_buf_put(&name, t->name.p, t->name.n);
    rdl_buf_puts(&name, "$rows");
    rdl_buf_put_sql_ident(sql, t->schema);
    rdl_buf_putc(sql, '.');
    rdl_buf_put_sql_ident(sql, (rdl_str){name.p, name.n});
    rdl_buf_fini(&name);
}

void rdl_why_put_content_of(rdl_buf *sql, const rdl_table *t)
{
    rdl_buf_put_sql_ident(sql, t->schema);
    rdl_buf_putc(sql, '.');
    rdl_buf_put_sql_ident(sql, t->name);
}

static void put_identity(rdl_buf *sql, const rdl_why_identity *id)
{
    rdl_buf_printf(sql,
                   "_epoch = %" PRId64 " AND _source_partition = %" PRId32
                   " AND _source_offset = %" PRId64,
                   id->epoch, id->partition, id->offset);
}

bool rdl_why_put_question(rdl_buf *sql, const rdl_why_trace *t, const rdl_table *table)
{
    for (size_t i = 0; i < t->q->n; i++) {
        int at = rdl_schema_find(&table->columns, rdl_str_of(t->q->names[i]));
        if (at < 0)
            return false;
        rdl_buf_puts(sql, i == 0 ? "" : " AND ");
        rdl_buf_put_sql_ident(sql, table->columns.v[at].name);
        rdl_buf_puts(sql, " IS NOT DISTINCT FROM ");
        if (t->q->values[i] == NULL) {
            rdl_buf_puts(sql, "NULL");
            continue;
        }
        rdl_buf_puts(sql, "CAST(");
        rdl_buf_put_sql_text(sql, rdl_str_of(t->q->values[i]));
        rdl_buf_puts(sql, " AS ");
        rdl_type_print(table->columns.v[at].type, sql);
        rdl_buf_putc(sql, ')');
    }
    return true;
}

void rdl_why_put_rejected_question(rdl_buf *sql, const rdl_why_trace *t)
{
    rdl_buf_puts(sql, "(record IS NOT NULL");
    for (size_t i = 0; i < t->q->n; i++) {
        rdl_buf_puts(sql, " AND json_extract_string(record, ");
        rdl_buf path = {0};
        rdl_buf_puts(&path, "$.\"");
        rdl_buf_puts(&path, t->q->names[i]);
        rdl_buf_puts(&path, "\"");
        rdl_buf_put_sql_text(sql, (rdl_str){path.p, path.n});
        rdl_buf_fini(&path);
        rdl_buf_puts(sql, ") IS NOT DISTINCT FROM ");
        if (t->q->values[i] != NULL)
            rdl_buf_put_sql_text(sql, rdl_str_of(t->q->values[i]));
        else
            rdl_buf_puts(sql, "NULL");
    }
    rdl_buf_puts(sql, ") OR (record IS NULL");
    for (size_t i = 0; i < t->q->n; i++) {
        if (t->q->values[i] == NULL)
            continue;
        rdl_buf_puts(sql, " AND contains(coalesce(TRY(decode(raw)), raw::VARCHAR), ");
        rdl_buf_put_sql_text(sql, rdl_str_of(t->q->values[i]));
        rdl_buf_putc(sql, ')');
    }
    rdl_buf_putc(sql, ')');
}

/* ---- asking ---- */

static rdl_code find_rows(rdl_why_trace *t, const char *sql, rdl_why_found **out, size_t *out_n,
                          rdl_err *err)
{
    RDL_VEC(rdl_why_found) rows = {0};
    rdl_result *result;
    const rdl_chunk *k;
    RDL_TRY(rdl_query(t->conn, sql, &result, err));
    while (rdl_result_next(result, &k)) {
        for (size_t i = 0; i < k->rows; i++) {
            rdl_str row = rdl_vector_str(&k->v[4], i);
            RDL_PUSH(t->a, &rows) =
                (rdl_why_found){.id = {.epoch = RDL_VECTOR_AT(&k->v[0], int64_t, i),
                                       .partition = RDL_VECTOR_AT(&k->v[1], int32_t, i),
                                       .offset = RDL_VECTOR_AT(&k->v[2], int64_t, i),
                                       .ordinal = RDL_VECTOR_AT(&k->v[3], int64_t, i)},
                                .row = rdl_arena_strndup(t->a, row.p, row.n)};
        }
    }
    rdl_result_free(result);
    *out = rows.v;
    *out_n = rows.n;
    return RDL_OK;
}

rdl_code rdl_why_find_in(rdl_why_trace *t, const rdl_table *table, const char *where,
                         rdl_why_found **out, size_t *out_n, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT " RDL_IDENTITY_COLUMNS ", to_json(struct_pack(");
    for (size_t i = 0; i < table->columns.n; i++) {
        rdl_buf_puts(&sql, i == 0 ? "" : ", ");
        rdl_buf_put_sql_ident(&sql, table->columns.v[i].name);
        rdl_buf_puts(&sql, " := ");
        rdl_buf_put_sql_ident(&sql, table->columns.v[i].name);
    }
    rdl_buf_puts(&sql, "))::VARCHAR FROM ");
    rdl_why_put_rows_of(&sql, table);
    rdl_buf_printf(&sql, " WHERE %s ORDER BY " RDL_IDENTITY_COLUMNS " LIMIT %zu", where,
                   t->rows_max);
    rdl_code rc = find_rows(t, rdl_buf_str(&sql), out, out_n, err);
    rdl_buf_fini(&sql);
    return rc;
}

char *rdl_why_where_identity(rdl_why_trace *t, const rdl_why_identity *id)
{
    rdl_buf where = {0};
    put_identity(&where, id);
    char *text = rdl_arena_strndup(t->a, where.p, where.n);
    rdl_buf_fini(&where);
    return text;
}

const char *rdl_why_place(rdl_why_trace *t, const rdl_why_identity *id)
{
    const rdl_history *h = t->cut.history;
    for (size_t i = 0; i < h->partitions.n; i++) {
        const rdl_sealed_partition *p = &h->partitions.v[i];
        if (p->number == id->partition)
            return rdl_arena_printf(t->a, "record %" PRId64 " of %.*s, in epoch %" PRId64,
                                    id->offset, (int)p->name.n, p->name.p, id->epoch);
    }
    return rdl_arena_printf(t->a, "change %" PRId64 " of epoch %" PRId64, id->offset, id->epoch);
}

/* ---- quarantine ---- */

static rdl_code has_quarantine(rdl_why_trace *t, const rdl_table *table, bool *out, rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t n = 0;
    rdl_buf_puts(&sql, "SELECT count(*) FROM information_schema.tables WHERE table_schema = "
                       "'quarantine' AND table_name = ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(rdl_root_quarantine_name(t->a, table)));
    rdl_code rc = rdl_query_i64(t->conn, rdl_buf_str(&sql), &n, err);
    rdl_buf_fini(&sql);
    *out = n > 0;
    return rc;
}

rdl_code rdl_why_say_rejected(rdl_why_trace *t, unsigned depth, const rdl_table *table,
                              const char *where, size_t *out_n, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_why_found *rows;
    bool there;
    *out_n = 0;
    RDL_TRY(has_quarantine(t, table, &there, err));
    if (!there)
        return RDL_OK;
    rdl_buf_puts(
        &sql, "SELECT " RDL_IDENTITY_COLUMNS ", list_aggregate(reasons, 'string_agg', "
              "', ') || coalesce(' (' || nullif(detail, '') || ')', '') || '; record ' || "
              "_source_offset || ' of ' || source_file || coalesce('; judged again in epoch ' || "
              "replayed_epoch, '') || chr(10) || "
              "coalesce(record::VARCHAR, TRY(decode(raw)), raw::VARCHAR, '') "
              "FROM quarantine.");
    rdl_buf_put_sql_ident(&sql, rdl_str_of(rdl_root_quarantine_name(t->a, table)));
    rdl_buf_printf(&sql, " WHERE %s ORDER BY " RDL_IDENTITY_COLUMNS " LIMIT %zu", where,
                   t->rows_max);
    rdl_code rc = find_rows(t, rdl_buf_str(&sql), &rows, out_n, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    for (size_t i = 0; i < *out_n; i++) {
        char *row = strchr(rows[i].row, '\n');
        *row++ = '\0';
        rdl_why_say(t, depth, table, RDL_WHY_QUARANTINED, rows[i].row, row);
    }
    return RDL_OK;
}
