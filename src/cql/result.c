/*
 * cql/result.c - RESULT bodies: metadata, prepared statements, rows.
 */
#include <stdlib.h>

#include "cql/message.h"
#include "cql/type.h"

enum {
    GLOBAL_TABLE = 0x01,
    MORE_PAGES = 0x02,
    NO_METADATA = 0x04,
    METADATA_CHANGED = 0x08,
};

static rdl_str copy(rdl_arena *a, rdl_str s)
{
    return (rdl_str){rdl_arena_strndup(a, s.p != NULL ? s.p : "", s.n), s.n};
}

bool rdl_cql_metadata_read(rdl_wire *w, rdl_arena *a, bool binds, rdl_cql_metadata *out)
{
    int32_t flags = rdl_wire_int(w), n = rdl_wire_int(w);
    rdl_cql_type_reader types = {a, w, RDL_CQL_TYPES_MAX};
    rdl_str keyspace = {NULL, 0}, table = {NULL, 0};
    *out = (rdl_cql_metadata){.n = (uint32_t)n};
    if (n < 0 || n > RDL_CQL_COLUMNS_MAX)
        w->bad = true;
    if (binds) {
        int32_t key_n = rdl_wire_int(w);
        if (w->bad || key_n < 0 || key_n > n)
            return !(w->bad = true);
        out->key = RDL_NEWN(a, uint16_t, key_n > 0 ? (size_t)key_n : 1);
        out->key_n = (uint32_t)key_n;
        for (int32_t i = 0; i < key_n; i++)
            if ((out->key[i] = rdl_wire_short(w)) >= n)
                w->bad = true;
    }
    if (!binds && (flags & MORE_PAGES) != 0) {
        out->paging_state = rdl_wire_bytes(w, NULL);
        out->more_pages = out->paging_state.n > 0;
    }
    if (!binds && (flags & METADATA_CHANGED) != 0)
        (void)rdl_wire_string(w); /* the new id; we ask for metadata each time */
    if (w->bad || (flags & NO_METADATA) != 0)
        return !w->bad;
    if ((flags & GLOBAL_TABLE) != 0 && n > 0) {
        keyspace = copy(a, rdl_wire_string(w));
        table = copy(a, rdl_wire_string(w));
    }
    out->columns = RDL_NEWN(a, rdl_cql_column, n > 0 ? (size_t)n : 1);
    for (int32_t i = 0; i < n && !w->bad; i++) {
        rdl_cql_column *c = &out->columns[i];
        bool own = (flags & GLOBAL_TABLE) == 0;
        c->keyspace = own ? copy(a, rdl_wire_string(w)) : keyspace;
        c->table = own ? copy(a, rdl_wire_string(w)) : table;
        c->name = copy(a, rdl_wire_string(w));
        c->type = rdl_cql_type_read(&types, 0);
    }
    return !w->bad;
}

bool rdl_cql_prepared_read(rdl_wire *w, rdl_arena *a, uint32_t version, rdl_cql_prepared *out)
{
    *out = (rdl_cql_prepared){.id = rdl_wire_string(w)};
    if (version >= 5)
        out->result_id = rdl_wire_string(w);
    return out->id.n > 0 && rdl_cql_metadata_read(w, a, true, &out->binds) &&
           rdl_cql_metadata_read(w, a, false, &out->result);
}

void rdl_cql_prefix_read(rdl_wire *w, uint8_t flags, rdl_cql_result *r)
{
    if ((flags & RDL_CQL_FLAG_TRACING) != 0) {
        const uint8_t *id = rdl_wire_take(w, 16);
        if (r != NULL && id != NULL)
            memcpy(r->tracing_id, id, 16);
        if (r != NULL)
            r->traced = id != NULL;
    }
    if ((flags & RDL_CQL_FLAG_WARNING) != 0) {
        uint16_t n = rdl_wire_short(w);
        if (r != NULL)
            r->warnings = RDL_NEWN(&r->arena, rdl_str, n + 1u);
        for (uint16_t i = 0; i < n && !w->bad; i++) {
            rdl_str warning = rdl_wire_string(w);
            if (r != NULL)
                r->warnings[r->warnings_n++] = warning;
        }
    }
    if ((flags & RDL_CQL_FLAG_PAYLOAD) != 0) {
        uint16_t n = rdl_wire_short(w);
        for (uint16_t i = 0; i < n && !w->bad; i++) {
            (void)rdl_wire_string(w);
            (void)rdl_wire_bytes(w, NULL);
        }
    }
}

static bool rows_read(rdl_cql_result *r, rdl_wire *w)
{
    if (!rdl_cql_metadata_read(w, &r->arena, false, &r->metadata) ||
        (r->metadata.columns == NULL && r->metadata.n > 0))
        return false;
    int32_t rows = rdl_wire_int(w);
    /* A row takes 4 bytes a column; one without columns none, and there is no such row. */
    if (w->bad || rows < 0 ||
        (uint64_t)rows * (r->metadata.n > 0 ? r->metadata.n : SIZE_MAX / 2) > w->n / 4)
        return false;
    r->rows = (uint32_t)rows;
    r->next = *w;
    r->cells = RDL_NEWN(&r->arena, rdl_cql_value, r->metadata.n + 1u);
    for (uint64_t i = 0; i < (uint64_t)r->rows * r->metadata.n && !w->bad; i++)
        (void)rdl_wire_bytes(w, NULL);
    return !w->bad && w->n == 0;
}

rdl_code rdl_cql_result_read(rdl_cql_result *r, const rdl_cql_envelope *e, rdl_err *err)
{
    rdl_wire w = {e->body, e->n, false};
    rdl_cql_prefix_read(&w, e->flags, r);
    bool ok = !w.bad;
    if (ok) {
        r->kind = (rdl_cql_result_kind)rdl_wire_int(&w);
        r->rest = w;
        ok = !w.bad && r->kind >= RDL_CQL_VOID && r->kind <= RDL_CQL_SCHEMA_CHANGE &&
             (r->kind != RDL_CQL_ROWS || rows_read(r, &w));
    }
    if (!ok)
        return rdl_err_set(err, RDL_ENET, 0,
                           "could not understand a result: its %u bytes of kind %d end early, "
                           "go on too long or say what cannot be",
                           e->n, (int)r->kind);
    return RDL_OK;
}

void rdl_cql_result_release(rdl_cql_result *r)
{
    rdl_arena_fini(&r->arena);
    rdl_arena_init(&r->arena, 0);
}

void rdl_cql_result_free(rdl_cql_result *r)
{
    if (r == NULL)
        return;
    rdl_cql_result_release(r);
    rdl_buf_fini(&r->body);
    rdl_buf_fini(&r->request);
    free(r); /* allow: owned results, made by rdl_cql_execute */
}

rdl_cql_result_kind rdl_cql_result_kind_of(const rdl_cql_result *r)
{
    return r->kind;
}

uint32_t rdl_cql_columns(const rdl_cql_result *r)
{
    return r->metadata.n;
}

const rdl_cql_column *rdl_cql_column_at(const rdl_cql_result *r, uint32_t i)
{
    return &r->metadata.columns[i];
}

bool rdl_cql_column_find(const rdl_cql_result *r, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < r->metadata.n; i++) {
        *out = i;
        if (rdl_str_eq(r->metadata.columns[i].name, rdl_str_of(name)))
            return true;
    }
    return false;
}

uint32_t rdl_cql_page_rows(const rdl_cql_result *r)
{
    return r->rows;
}

bool rdl_cql_more_pages(const rdl_cql_result *r)
{
    return r->metadata.more_pages;
}

uint32_t rdl_cql_warnings(const rdl_cql_result *r)
{
    return r->warnings_n;
}

rdl_str rdl_cql_warning_at(const rdl_cql_result *r, uint32_t i)
{
    return r->warnings[i];
}

bool rdl_cql_tracing_id(const rdl_cql_result *r, uint8_t out[16])
{
    if (r->traced)
        memcpy(out, r->tracing_id, 16);
    return r->traced;
}

bool rdl_cql_next(rdl_cql_result *r)
{
    if (r->kind != RDL_CQL_ROWS || r->row == r->rows)
        return false;
    for (uint32_t i = 0; i < r->metadata.n; i++) {
        bool null = false;
        rdl_str s = rdl_wire_bytes(&r->next, &null);
        r->cells[i] = (rdl_cql_value){.type = r->metadata.columns[i].type,
                                      .p = (const uint8_t *)s.p,
                                      .n = null ? -1 : (int32_t)s.n};
    }
    r->row++;
    return true;
}

rdl_cql_value rdl_cql_cell(const rdl_cql_result *r, uint32_t column)
{
    return r->cells[column];
}

bool rdl_cql_applied(const rdl_cql_result *r)
{
    uint32_t i;
    if (r->kind != RDL_CQL_ROWS || r->rows == 0 || !rdl_cql_column_find(r, "[applied]", &i))
        return true;
    /* The first row's, wherever the reader stands. */
    rdl_wire w = r->rest;
    rdl_cql_metadata ignored;
    rdl_arena a;
    rdl_arena_init(&a, 0);
    (void)rdl_cql_metadata_read(&w, &a, false, &ignored);
    (void)rdl_wire_int(&w);
    rdl_str cell = {NULL, 0};
    for (uint32_t k = 0; k <= i; k++)
        cell = rdl_wire_bytes(&w, NULL);
    rdl_arena_fini(&a);
    return cell.n == 1 && cell.p[0] != 0;
}
