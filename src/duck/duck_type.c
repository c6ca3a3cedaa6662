/*
 * duck/duck_type.c - DuckDB's types as ours and back.
 *
 * Integers of every width up to 32 bits signed become INTEGER, UINTEGER becomes BIGINT,
 * UBIGINT DECIMAL(20,0), HUGEINT and UHUGEINT DECIMAL(38,0), FLOAT DOUBLE, and all
 * TIMESTAMPs become TIMESTAMPTZ.  A bare NULL has type INTEGER, as in CREATE TABLE AS.
 */
#include "duck/handles.h"

#include <stdlib.h>

/* Names of what tables cannot hold, for messages. */
static const char *refused_name(duckdb_type id)
{
    switch (id) {
    case DUCKDB_TYPE_TIME:
    case DUCKDB_TYPE_TIME_NS:
        return "TIME";
    case DUCKDB_TYPE_TIME_TZ:
        return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_INTERVAL:
        return "INTERVAL";
    case DUCKDB_TYPE_ENUM:
        return "ENUM";
    case DUCKDB_TYPE_ARRAY:
        return "ARRAY of a fixed length";
    case DUCKDB_TYPE_UUID:
        return "UUID";
    case DUCKDB_TYPE_UNION:
        return "UNION";
    case DUCKDB_TYPE_BIT:
        return "BIT";
    case DUCKDB_TYPE_BIGNUM:
        return "BIGNUM";
    default:
        return "of another kind";
    }
}

rdl_code rdl_type_refuse(rdl_str column, const char *bad, rdl_err *err)
{
    rdl_err_set(err, RDL_ESCHEMA, 0, "column \"%.*s\" cannot be of type %s", (int)column.n,
                column.p, bad);
    return rdl_err_hint(err, "CAST it to one of BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL, TEXT, "
                             "BLOB, DATE, TIMESTAMPTZ, JSON, or a list, map or struct of these.");
}

static bool is_json(duckdb_logical_type t)
{
    char *alias = duckdb_logical_type_get_alias(t);
    bool json = alias != NULL && strcmp(alias, "JSON") == 0;
    duckdb_free(alias);
    return json;
}

static bool list_from_duck(rdl_arena *a, duckdb_logical_type t, const rdl_type **out, rdl_widen *w,
                           const char **bad)
{
    const rdl_type *element = NULL;
    duckdb_logical_type child = duckdb_list_type_child_type(t);
    w->children = RDL_NEWN(a, rdl_widen, 1);
    bool ok = rdl_type_from_duck(a, child, &element, w->children, bad);
    duckdb_destroy_logical_type(&child);
    if (ok)
        *out = rdl_type_list(a, element);
    w->exact = w->children[0].exact;
    w->checked = w->children[0].checked;
    return ok;
}

static bool map_from_duck(rdl_arena *a, duckdb_logical_type t, const rdl_type **out, rdl_widen *w,
                          const char **bad)
{
    const rdl_type *key = NULL, *value = NULL;
    duckdb_logical_type k = duckdb_map_type_key_type(t), v = duckdb_map_type_value_type(t);
    w->children = RDL_NEWN(a, rdl_widen, 2);
    bool ok = rdl_type_from_duck(a, k, &key, &w->children[0], bad) &&
              rdl_type_from_duck(a, v, &value, &w->children[1], bad);
    duckdb_destroy_logical_type(&k);
    duckdb_destroy_logical_type(&v);
    if (ok)
        *out = rdl_type_map(a, key, value);
    w->exact = w->children[0].exact && w->children[1].exact;
    w->checked = w->children[0].checked || w->children[1].checked;
    return ok;
}

static bool struct_from_duck(rdl_arena *a, duckdb_logical_type t, const rdl_type **out,
                             rdl_widen *w, const char **bad)
{
    size_t n = duckdb_struct_type_child_count(t);
    rdl_str *names = RDL_NEWN(a, rdl_str, n);
    const rdl_type **types = RDL_NEWN(a, const rdl_type *, n);
    w->children = RDL_NEWN(a, rdl_widen, n);
    w->exact = true;
    for (size_t i = 0; i < n; i++) {
        char *name = duckdb_struct_type_child_name(t, i);
        names[i].n = strlen(name);
        names[i].p = rdl_arena_strndup(a, name, names[i].n);
        duckdb_free(name);
        duckdb_logical_type child = duckdb_struct_type_child_type(t, i);
        bool ok = rdl_type_from_duck(a, child, &types[i], &w->children[i], bad);
        duckdb_destroy_logical_type(&child);
        if (!ok)
            return false;
        w->exact = w->exact && w->children[i].exact;
        w->checked = w->checked || w->children[i].checked;
    }
    rdl_type *type = RDL_NEW(a, rdl_type);
    *type = (rdl_type){
        .kind = RDL_TYPE_STRUCT, .field_count = n, .field_names = names, .field_types = types};
    *out = type;
    return true;
}

/* Scalars without parameters: our kind, and whether the bytes are the same. */
static rdl_type_kind scalar_kind(duckdb_type id, bool *out_exact)
{
    *out_exact = true;
    switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
        return RDL_TYPE_BOOLEAN;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_SQLNULL:
        return RDL_TYPE_INTEGER;
    case DUCKDB_TYPE_BIGINT:
        return RDL_TYPE_BIGINT;
    case DUCKDB_TYPE_DOUBLE:
        return RDL_TYPE_DOUBLE;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_STRING_LITERAL:
        return RDL_TYPE_TEXT;
    case DUCKDB_TYPE_BLOB:
        return RDL_TYPE_BLOB;
    case DUCKDB_TYPE_DATE:
        return RDL_TYPE_DATE;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return RDL_TYPE_TIMESTAMPTZ;
    default:
        break;
    }
    *out_exact = false;
    switch (id) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
        return RDL_TYPE_INTEGER;
    case DUCKDB_TYPE_UINTEGER:
        return RDL_TYPE_BIGINT;
    case DUCKDB_TYPE_FLOAT:
        return RDL_TYPE_DOUBLE;
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return RDL_TYPE_TIMESTAMPTZ;
    default:
        return 0;
    }
}

bool rdl_type_from_duck(rdl_arena *a, duckdb_logical_type t, const rdl_type **out, rdl_widen *w,
                        const char **bad)
{
    duckdb_type id = duckdb_get_type_id(t);
    bool exact = false;
    rdl_type_kind kind = scalar_kind(id, &exact);

    *w = (rdl_widen){.from = id, .exact = exact};
    if (kind == RDL_TYPE_TEXT && is_json(t))
        kind = RDL_TYPE_JSON;
    if (kind != 0) {
        w->checked = id == DUCKDB_TYPE_TIMESTAMP_S || id == DUCKDB_TYPE_TIMESTAMP_MS;
        *out = rdl_type_of(kind);
        return true;
    }
    switch (id) {
    case DUCKDB_TYPE_DECIMAL:
        w->exact = true;
        *out = rdl_type_decimal(a, duckdb_decimal_width(t), duckdb_decimal_scale(t));
        return true;
    case DUCKDB_TYPE_UBIGINT:
        *out = rdl_type_decimal(a, 20, 0);
        return true;
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_INTEGER_LITERAL:
        w->checked = true;
        *out = rdl_type_decimal(a, 38, 0);
        return true;
    case DUCKDB_TYPE_LIST:
        return list_from_duck(a, t, out, w, bad);
    case DUCKDB_TYPE_MAP:
        return map_from_duck(a, t, out, w, bad);
    case DUCKDB_TYPE_STRUCT:
        return struct_from_duck(a, t, out, w, bad);
    default:
        *bad = refused_name(id);
        return false;
    }
}

static duckdb_logical_type struct_to_duck(const rdl_type *t)
{
    size_t n = t->field_count;
    rdl_arena a;
    rdl_arena_init(&a, 0);
    duckdb_logical_type *types = RDL_NEWN(&a, duckdb_logical_type, n);
    const char **names = RDL_NEWN(&a, const char *, n);
    for (size_t i = 0; i < n; i++) {
        types[i] = rdl_type_to_duck(t->field_types[i]);
        names[i] = rdl_arena_strndup(&a, t->field_names[i].p, t->field_names[i].n);
    }
    duckdb_logical_type out = duckdb_create_struct_type(types, names, n);
    for (size_t i = 0; i < n; i++)
        duckdb_destroy_logical_type(&types[i]);
    rdl_arena_fini(&a);
    return out;
}

static duckdb_logical_type nested_to_duck(const rdl_type *t)
{
    if (t->kind == RDL_TYPE_STRUCT)
        return struct_to_duck(t);
    duckdb_logical_type child = rdl_type_to_duck(t->child), out;
    if (t->kind == RDL_TYPE_LIST) {
        out = duckdb_create_list_type(child);
    } else {
        duckdb_logical_type value = rdl_type_to_duck(t->value);
        out = duckdb_create_map_type(child, value);
        duckdb_destroy_logical_type(&value);
    }
    duckdb_destroy_logical_type(&child);
    return out;
}

duckdb_logical_type rdl_type_to_duck(const rdl_type *t)
{
    static const duckdb_type ids[] = {
        [RDL_TYPE_BOOLEAN] = DUCKDB_TYPE_BOOLEAN, [RDL_TYPE_INTEGER] = DUCKDB_TYPE_INTEGER,
        [RDL_TYPE_BIGINT] = DUCKDB_TYPE_BIGINT,   [RDL_TYPE_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [RDL_TYPE_TEXT] = DUCKDB_TYPE_VARCHAR,    [RDL_TYPE_BLOB] = DUCKDB_TYPE_BLOB,
        [RDL_TYPE_DATE] = DUCKDB_TYPE_DATE,       [RDL_TYPE_TIMESTAMPTZ] = DUCKDB_TYPE_TIMESTAMP_TZ,
        [RDL_TYPE_JSON] = DUCKDB_TYPE_VARCHAR,
    };
    switch (t->kind) {
    case RDL_TYPE_DECIMAL:
        return duckdb_create_decimal_type(t->precision, t->scale);
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
    case RDL_TYPE_STRUCT:
        return nested_to_duck(t);
    default:
        break;
    }
    duckdb_logical_type out = duckdb_create_logical_type(ids[t->kind]);
    if (t->kind == RDL_TYPE_JSON)
        duckdb_logical_type_set_alias(out, "JSON");
    return out;
}
