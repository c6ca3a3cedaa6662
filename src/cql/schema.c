/*
 * cql/schema.c - keyspaces, tables and types, from system_schema.
 *
 * Types come as text; names of UDTs in it are looked up among the keyspace's own, which are
 * read first, all of them: they may be made of each other.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cql/internal.h"
#include "cql/type.h"

/* One statement with text parameters, all pages read by the caller. */
static rdl_code ask(rdl_cql *s, const char *text, const rdl_str *parameters, uint32_t n,
                    rdl_cql_result **out, rdl_err *err)
{
    rdl_cql_statement *st;
    rdl_cql_request *r;
    const rdl_cql_options options = {.consistency = RDL_CQL_LOCAL_ONE, .idempotent = true};
    RDL_TRY(rdl_cql_prepare(s, text, &st, err));
    RDL_TRY(rdl_cql_begin(s, st, &options, &r, err));
    for (uint32_t i = 0; i < n; i++)
        rdl_cql_put_text(rdl_cql_values(r), parameters[i]);
    return rdl_cql_execute(r, out, err);
}

static rdl_str copy(rdl_arena *a, rdl_str s)
{
    return (rdl_str){rdl_arena_strndup(a, s.p != NULL ? s.p : "", s.n), s.n};
}

/* A text cell; null is "". */
static rdl_code text_of(rdl_cql_result *r, const char *column, rdl_arena *a, rdl_str *out,
                        rdl_err *err)
{
    uint32_t i;
    *out = (rdl_str){"", 0};
    if (!rdl_cql_column_find(r, column, &i))
        return rdl_err_set(err, RDL_ESCHEMA, 0,
                           "could not read the schema: there is no column \"%s\"", column);
    if (rdl_cql_is_null(rdl_cql_cell(r, i)))
        return RDL_OK;
    RDL_TRY(rdl_cql_get_text(rdl_cql_cell(r, i), out, err));
    *out = copy(a, *out);
    return RDL_OK;
}

/* ---- Keyspaces ---- */

static rdl_code keyspace_row(rdl_cql_result *r, rdl_arena *a, rdl_cql_keyspace *k, rdl_err *err)
{
    rdl_cql_items it;
    rdl_cql_value key, item;
    uint32_t column;
    if (rdl_cql_column_find(r, "durable_writes", &column))
        RDL_TRY(rdl_cql_get_bool(rdl_cql_cell(r, column), &k->durable_writes, err));
    if (!rdl_cql_column_find(r, "replication", &column) || rdl_cql_is_null(rdl_cql_cell(r, column)))
        return RDL_OK;
    RDL_TRY(rdl_cql_items_of(rdl_cql_cell(r, column), &it, err));
    k->replication = RDL_NEWN(a, rdl_cql_option, it.count + 1u);
    while (rdl_cql_items_next(&it, &key, &item)) {
        rdl_cql_option *o = &k->replication[k->replication_n++];
        RDL_TRY(rdl_cql_get_text(key, &o->name, err));
        RDL_TRY(rdl_cql_get_text(item, &o->value, err));
        o->name = copy(a, o->name);
        o->value = copy(a, o->value);
    }
    return RDL_OK;
}

rdl_code rdl_cql_keyspace_get(rdl_cql *s, rdl_arena *a, rdl_str name, rdl_cql_keyspace **out,
                              rdl_err *err)
{
    rdl_cql_result *r = NULL;
    bool row = false;
    *out = NULL;
    RDL_TRY(
        ask(s, "SELECT * FROM system_schema.keyspaces WHERE keyspace_name = ?", &name, 1, &r, err));
    rdl_code rc = rdl_cql_fetch(r, &row, err);
    if (rc == RDL_OK && row) {
        rdl_cql_keyspace *k = RDL_NEW(a, rdl_cql_keyspace);
        k->name = copy(a, name);
        rc = keyspace_row(r, a, k, err);
        if (rc == RDL_OK)
            *out = k;
    }
    rdl_cql_result_free(r);
    return rc;
}

/* ---- UDTs ---- */

typedef struct udt {
    rdl_str name;
    rdl_str *names, *types;
    uint32_t n;
    rdl_cql_type *made; /* NULL until somebody asks for it */
    bool making;
} udt;

typedef struct udts {
    rdl_arena *a;
    rdl_str keyspace;
    RDL_VEC(udt) all;
} udts;

static rdl_code texts_of(rdl_cql_result *r, const char *column, rdl_arena *a, rdl_str **out,
                         uint32_t *n, rdl_err *err)
{
    uint32_t i;
    rdl_cql_items it;
    rdl_cql_value item;
    *n = 0;
    if (!rdl_cql_column_find(r, column, &i))
        return rdl_err_set(err, RDL_ESCHEMA, 0,
                           "could not read the schema: there is no column \"%s\"", column);
    RDL_TRY(rdl_cql_items_of(rdl_cql_cell(r, i), &it, err));
    *out = RDL_NEWN(a, rdl_str, it.count + 1u);
    while (rdl_cql_items_next(&it, NULL, &item)) {
        RDL_TRY(rdl_cql_get_text(item, &(*out)[*n], err));
        (*out)[*n] = copy(a, (*out)[*n]);
        (*n)++;
    }
    return RDL_OK;
}

static rdl_code udts_read(rdl_cql *s, udts *u, rdl_err *err)
{
    rdl_cql_result *r = NULL;
    bool row = false;
    RDL_TRY(ask(s, "SELECT * FROM system_schema.types WHERE keyspace_name = ?", &u->keyspace, 1, &r,
                err));
    rdl_code rc = rdl_cql_fetch(r, &row, err);
    while (rc == RDL_OK && row) {
        udt t = {0};
        uint32_t types_n = 0;
        if ((rc = text_of(r, "type_name", u->a, &t.name, err)) != RDL_OK ||
            (rc = texts_of(r, "field_names", u->a, &t.names, &t.n, err)) != RDL_OK ||
            (rc = texts_of(r, "field_types", u->a, &t.types, &types_n, err)) != RDL_OK)
            break;
        if (types_n < t.n)
            t.n = types_n;
        RDL_PUSH(u->a, &u->all) = t;
        rc = rdl_cql_fetch(r, &row, err);
    }
    rdl_cql_result_free(r);
    return rc;
}

static const rdl_cql_type *find_udt(void *arg, rdl_str name)
{
    udts *u = arg;
    rdl_err ignored;
    for (size_t i = 0; i < u->all.n; i++) {
        udt *t = &u->all.v[i];
        if (!rdl_str_eq(t->name, name))
            continue;
        if (t->made != NULL || t->making)
            return t->made;
        t->making = true; /* one that held itself would not end */
        const rdl_cql_type **args = RDL_NEWN(u->a, const rdl_cql_type *, t->n + 1u);
        for (uint32_t k = 0; k < t->n; k++)
            if (rdl_cql_type_parse(u->a, t->types[k], find_udt, u, &args[k], &ignored) != RDL_OK)
                return NULL;
        rdl_cql_type *made = RDL_NEW(u->a, rdl_cql_type);
        *made = (rdl_cql_type){.kind = RDL_CQL_UDT,
                               .n = t->n,
                               .args = args,
                               .names = t->names,
                               .keyspace = u->keyspace,
                               .name = t->name};
        t->made = made;
        return made;
    }
    return NULL;
}

rdl_code rdl_cql_udt_get(rdl_cql *s, rdl_arena *a, rdl_str keyspace, rdl_str name,
                         const rdl_cql_type **out, rdl_err *err)
{
    udts u = {.a = a, .keyspace = copy(a, keyspace)};
    *out = NULL;
    RDL_TRY(udts_read(s, &u, err));
    *out = find_udt(&u, name);
    return RDL_OK;
}

/* ---- Tables ---- */

static int order(const rdl_cql_table_column *a, const rdl_cql_table_column *b)
{
    if (a->role != b->role)
        return a->role < b->role ? -1 : 1;
    if (a->role == RDL_CQL_PARTITION_KEY || a->role == RDL_CQL_CLUSTERING)
        return a->position < b->position ? -1 : a->position > b->position;
    return rdl_str_cmp(a->name, b->name);
}

static void sort_columns(rdl_cql_table_column *v, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k > 0 && order(&v[k - 1], &v[k]) > 0; k--) {
            rdl_cql_table_column swap = v[k];
            v[k] = v[k - 1];
            v[k - 1] = swap;
        }
}

static rdl_code column_row(rdl_cql_result *r, udts *u, rdl_cql_table_column *c, rdl_err *err)
{
    rdl_str kind, type, direction;
    int64_t position = 0;
    uint32_t i;
    RDL_TRY(text_of(r, "column_name", u->a, &c->name, err));
    RDL_TRY(text_of(r, "kind", u->a, &kind, err));
    RDL_TRY(text_of(r, "type", u->a, &type, err));
    RDL_TRY(text_of(r, "clustering_order", u->a, &direction, err));
    if (rdl_cql_column_find(r, "position", &i))
        RDL_TRY(rdl_cql_get_int(rdl_cql_cell(r, i), &position, err));
    c->role = rdl_str_eq(kind, RDL_STR("partition_key")) ? RDL_CQL_PARTITION_KEY
              : rdl_str_eq(kind, RDL_STR("clustering"))  ? RDL_CQL_CLUSTERING
              : rdl_str_eq(kind, RDL_STR("static"))      ? RDL_CQL_STATIC
                                                         : RDL_CQL_REGULAR;
    c->position = position < 0 ? 0 : (uint32_t)position;
    c->descending = rdl_str_eq(direction, RDL_STR("desc"));
    return rdl_cql_type_parse(u->a, type, find_udt, u, &c->type, err);
}

static rdl_code columns_read(rdl_cql *s, udts *u, rdl_cql_table *t, rdl_err *err)
{
    const rdl_str names[2] = {t->keyspace, t->name};
    RDL_VEC(rdl_cql_table_column) columns = {0};
    rdl_cql_result *r = NULL;
    bool row = false;
    RDL_TRY(ask(s, "SELECT * FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?",
                names, 2, &r, err));
    rdl_code rc = rdl_cql_fetch(r, &row, err);
    while (rc == RDL_OK && row) {
        rdl_cql_table_column c = {0};
        rc = column_row(r, u, &c, err);
        if (rc != RDL_OK)
            break;
        RDL_PUSH(u->a, &columns) = c;
        t->partition_keys += c.role == RDL_CQL_PARTITION_KEY;
        t->clustering_keys += c.role == RDL_CQL_CLUSTERING;
        rc = rdl_cql_fetch(r, &row, err);
    }
    rdl_cql_result_free(r);
    t->columns = columns.v;
    t->n = (uint32_t)columns.n;
    sort_columns(t->columns, t->n);
    return rc;
}

static rdl_code id_of(const rdl_cql_result *r, rdl_cql_table *t, rdl_err *err)
{
    uint32_t i;
    if (!rdl_cql_column_find(r, "id", &i))
        return rdl_err_set(err, RDL_ESCHEMA, 0,
                           "could not read the schema: there is no column \"id\"");
    return rdl_cql_get_uuid(rdl_cql_cell(r, i), t->id, err);
}

static rdl_code options_of(rdl_cql_result *r, rdl_arena *a, rdl_cql_table *t, rdl_err *err)
{
    rdl_buf text = {0};
    t->options = RDL_NEWN(a, rdl_cql_option, rdl_cql_columns(r) + 1u);
    for (uint32_t i = 0; i < rdl_cql_columns(r); i++) {
        rdl_str name = rdl_cql_column_at(r, i)->name;
        if (rdl_str_eq(name, RDL_STR("keyspace_name")) || rdl_str_eq(name, RDL_STR("table_name")) ||
            rdl_str_eq(name, RDL_STR("id")) || rdl_str_eq(name, RDL_STR("flags")) ||
            rdl_cql_is_null(rdl_cql_cell(r, i)))
            continue;
        rdl_buf_clear(&text);
        rdl_code rc = rdl_cql_print_literal(rdl_cql_cell(r, i), &text, err);
        if (rc != RDL_OK) {
            rdl_buf_fini(&text);
            return rc;
        }
        t->options[t->options_n++] =
            (rdl_cql_option){copy(a, name), copy(a, (rdl_str){rdl_buf_str(&text), text.n})};
    }
    rdl_buf_fini(&text);
    return RDL_OK;
}

rdl_code rdl_cql_table_get(rdl_cql *s, rdl_arena *a, rdl_str keyspace, rdl_str name,
                           rdl_cql_table **out, rdl_err *err)
{
    const rdl_str names[2] = {keyspace, name};
    udts u = {.a = a, .keyspace = copy(a, keyspace)};
    rdl_cql_result *r = NULL;
    bool row = false;
    *out = NULL;
    RDL_TRY(ask(s, "SELECT * FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?",
                names, 2, &r, err));
    rdl_cql_table *t = RDL_NEW(a, rdl_cql_table);
    t->keyspace = u.keyspace;
    t->name = copy(a, name);
    rdl_code rc = rdl_cql_fetch(r, &row, err);
    if (rc == RDL_OK && row)
        rc = id_of(r, t, err);
    if (rc == RDL_OK && row)
        rc = options_of(r, a, t, err);
    rdl_cql_result_free(r);
    if (rc != RDL_OK || !row)
        return rc;
    RDL_TRY(udts_read(s, &u, err));
    RDL_TRY(columns_read(s, &u, t, err));
    *out = t;
    return RDL_OK;
}

rdl_code rdl_cql_tables_list(rdl_cql *s, rdl_arena *a, rdl_str keyspace, rdl_str **out_names,
                             uint32_t *out_n, rdl_err *err)
{
    RDL_VEC(rdl_str) names = {0};
    rdl_cql_result *r = NULL;
    bool row = false;
    *out_n = 0;
    RDL_TRY(ask(s, "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?", &keyspace,
                1, &r, err));
    rdl_code rc = rdl_cql_fetch(r, &row, err);
    while (rc == RDL_OK && row) {
        rdl_str name;
        rc = text_of(r, "table_name", a, &name, err);
        if (rc == RDL_OK) {
            RDL_PUSH(a, &names) = name;
            rc = rdl_cql_fetch(r, &row, err);
        }
    }
    rdl_cql_result_free(r);
    *out_names = names.v;
    *out_n = (uint32_t)names.n;
    return rc;
}

const rdl_cql_table_column *rdl_cql_table_column_find(const rdl_cql_table *t, rdl_str name)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (rdl_str_eq(t->columns[i].name, name))
            return &t->columns[i];
    return NULL;
}

/* ---- Agreement ---- */

/* Are all schema versions of this result the same, and that of the results before? */
static rdl_code versions_agree(rdl_cql *s, const char *text, uint8_t version[16], bool *agree,
                               rdl_err *err)
{
    rdl_cql_result *r = NULL;
    bool row = false;
    uint8_t none[16] = {0};
    RDL_TRY(rdl_cql_query(
        s, text, &(rdl_cql_options){.consistency = RDL_CQL_ONE, .idempotent = true}, &r, err));
    rdl_code rc = rdl_cql_fetch(r, &row, err);
    while (rc == RDL_OK && row) {
        uint8_t id[16];
        if (!rdl_cql_is_null(rdl_cql_cell(r, 0)) &&
            (rc = rdl_cql_get_uuid(rdl_cql_cell(r, 0), id, err)) == RDL_OK) {
            if (memcmp(version, none, 16) == 0)
                memcpy(version, id, 16);
            *agree &= memcmp(version, id, 16) == 0;
        }
        if (rc == RDL_OK)
            rc = rdl_cql_fetch(r, &row, err);
    }
    rdl_cql_result_free(r);
    return rc;
}

rdl_code rdl_cql_schema_agreement(rdl_cql *s, uint32_t timeout_ms, rdl_err *err)
{
    int64_t end = rdl_monotonic_us() + (int64_t)timeout_ms * 1000;
    for (;;) {
        uint8_t version[16] = {0};
        bool agree = true;
        RDL_TRY(versions_agree(s, "SELECT schema_version FROM system.local", version, &agree, err));
        RDL_TRY(versions_agree(s, "SELECT schema_version FROM system.peers", version, &agree, err));
        if (agree)
            return RDL_OK;
        if (rdl_monotonic_us() > end)
            return rdl_err_set(err, RDL_ENET, RDL_ERR_RETRY,
                               "could not wait for the nodes to agree on the schema: they still "
                               "differ after %u ms",
                               timeout_ms);
        rdl_sleep_ms(100);
    }
}
