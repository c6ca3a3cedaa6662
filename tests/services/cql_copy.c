/*
 * tests/services/cql_copy.c - copies a table's rows, each value read by its getter and
 * written by its setter; another client compares what is in both.
 *
 *     cql_copy at=host:port from=keyspace.table to=keyspace.table [version= lz4= …]
 */
#include "cql_arguments.h"

static unsigned failures;

static void done(void *arg, const rdl_cql_answer *a)
{
    (void)arg;
    if (a->code == RDL_OK)
        return;
    fprintf(stderr, "%s\n", a->err->msg);
    failures++;
}

static void copy_value(rdl_cql_writer *w, rdl_cql_value v, rdl_err *err);

static void copy_items(rdl_cql_writer *w, rdl_cql_value v, rdl_err *err)
{
    rdl_cql_items it;
    rdl_cql_value key = {0}, item;
    must(rdl_cql_items_of(v, &it, err), err);
    rdl_cql_put_begin(w);
    while (rdl_cql_items_next(&it, &key, &item)) {
        if (v.type->kind == RDL_CQL_MAP)
            copy_value(w, key, err);
        copy_value(w, item, err);
    }
    rdl_cql_put_end(w);
}

static void copy_number(rdl_cql_writer *w, rdl_cql_value v, rdl_err *err)
{
    rdl_cql_int128 wide;
    rdl_str raw;
    int32_t scale = 0;
    rdl_code rc = v.type->kind == RDL_CQL_VARINT ? rdl_cql_get_varint(v, &wide, err)
                                                 : rdl_cql_get_decimal(v, &wide, &scale, err);
    if (rc == RDL_ELIMIT) { /* wider than 128 bits: by way of text, then */
        rdl_buf text = {0};
        must(rdl_cql_print(v, &text, err), err);
        rdl_cql_put_parsed(w, (rdl_str){text.p, text.n});
        rdl_buf_fini(&text);
        return;
    }
    must(rc, err);
    must(rdl_cql_get_blob(v, &raw, err), err);
    if (v.type->kind == RDL_CQL_VARINT)
        rdl_cql_put_varint(w, wide);
    else
        rdl_cql_put_decimal(w, wide, scale);
}

static void copy_time(rdl_cql_writer *w, rdl_cql_value v, rdl_err *err)
{
    rdl_cql_duration duration;
    int64_t n = 0;
    switch (v.type->kind) {
    case RDL_CQL_DATE:
        must(rdl_cql_get_date(v, &n, err), err);
        rdl_cql_put_date(w, n);
        break;
    case RDL_CQL_TIME:
        must(rdl_cql_get_time(v, &n, err), err);
        rdl_cql_put_time(w, n);
        break;
    case RDL_CQL_TIMESTAMP:
        must(rdl_cql_get_timestamp(v, &n, err), err);
        rdl_cql_put_timestamp(w, n);
        break;
    default:
        must(rdl_cql_get_duration(v, &duration, err), err);
        rdl_cql_put_duration(w, duration);
    }
}

static void copy_value(rdl_cql_writer *w, rdl_cql_value v, rdl_err *err)
{
    int64_t n = 0;
    double d = 0;
    bool flag = false;
    rdl_str s;
    uint8_t id[16];
    rdl_address address;
    if (rdl_cql_is_null(v)) {
        rdl_cql_put_null(w);
        return;
    }
    switch (v.type->kind) {
    case RDL_CQL_BOOLEAN:
        must(rdl_cql_get_bool(v, &flag, err), err);
        rdl_cql_put_bool(w, flag);
        break;
    case RDL_CQL_TINYINT:
    case RDL_CQL_SMALLINT:
    case RDL_CQL_INT:
    case RDL_CQL_BIGINT:
        must(rdl_cql_get_int(v, &n, err), err);
        rdl_cql_put_int(w, n);
        break;
    case RDL_CQL_FLOAT:
    case RDL_CQL_DOUBLE:
        must(rdl_cql_get_double(v, &d, err), err);
        rdl_cql_put_double(w, d);
        break;
    case RDL_CQL_ASCII:
    case RDL_CQL_TEXT:
        must(rdl_cql_get_text(v, &s, err), err);
        rdl_cql_put_text(w, s);
        break;
    case RDL_CQL_BLOB:
        must(rdl_cql_get_blob(v, &s, err), err);
        rdl_cql_put_blob(w, s);
        break;
    case RDL_CQL_UUID:
    case RDL_CQL_TIMEUUID:
        must(rdl_cql_get_uuid(v, id, err), err);
        rdl_cql_put_uuid(w, id);
        break;
    case RDL_CQL_INET:
        must(rdl_cql_get_inet(v, &address, err), err);
        rdl_cql_put_inet(w, &address);
        break;
    case RDL_CQL_VARINT:
    case RDL_CQL_DECIMAL:
        copy_number(w, v, err);
        break;
    case RDL_CQL_DATE:
    case RDL_CQL_TIME:
    case RDL_CQL_TIMESTAMP:
    case RDL_CQL_DURATION:
        copy_time(w, v, err);
        break;
    default:
        copy_items(w, v, err);
    }
}

static void insert_text(rdl_buf *out, const rdl_cql_result *r, const char *to)
{
    rdl_buf_printf(out, "INSERT INTO %s (", to);
    for (uint32_t i = 0; i < rdl_cql_columns(r); i++) {
        rdl_buf_puts(out, i > 0 ? ", " : "");
        rdl_cql_put_ident(out, rdl_cql_column_at(r, i)->name);
    }
    rdl_buf_puts(out, ") VALUES (");
    for (uint32_t i = 0; i < rdl_cql_columns(r); i++)
        rdl_buf_puts(out, i > 0 ? ", ?" : "?");
    rdl_buf_puts(out, ")");
}

int main(int argc, char **argv)
{
    rdl_cql_config c;
    rdl_cql *s;
    rdl_cql_result *r;
    rdl_cql_statement *st;
    rdl_err err = {0};
    rdl_buf text = {0};
    bool row = true;
    unsigned long rows = 0;
    configure(&c, argc, argv);
    c.request_timeout_ms = 60000;
    must(rdl_cql_open(&c, &s, &err), &err);
    rdl_buf_printf(&text, "SELECT * FROM %s", argument("from", "?"));
    must(rdl_cql_query(s, text.p, &(rdl_cql_options){.page_rows = 500}, &r, &err), &err);
    rdl_buf_clear(&text);
    insert_text(&text, r, argument("to", "?"));
    must(rdl_cql_prepare(s, text.p, &st, &err), &err);
    for (;;) {
        rdl_cql_request *q;
        must(rdl_cql_fetch(r, &row, &err), &err);
        if (!row)
            break;
        must(rdl_cql_begin(s, st, &(rdl_cql_options){.idempotent = true}, &q, &err), &err);
        for (uint32_t i = 0; i < rdl_cql_columns(r); i++)
            copy_value(rdl_cql_values(q), rdl_cql_cell(r, i), &err);
        must(rdl_cql_send(q, done, NULL, &err), &err);
        rows++;
    }
    must(rdl_cql_drain(s, &err), &err);
    printf("%lu rows\n", rows);
    rdl_cql_result_free(r);
    rdl_buf_fini(&text);
    rdl_cql_close(s);
    return failures > 0;
}
