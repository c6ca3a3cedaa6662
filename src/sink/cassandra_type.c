/*
 * sink/cassandra_type.c - which of our types fits which of Cassandra's.
 *
 *   ours           created as               also fits
 *   BOOLEAN        boolean
 *   INTEGER        int                      bigint, varint
 *   BIGINT         bigint                   varint
 *   DOUBLE         double
 *   DECIMAL(p,s)   decimal, scale s         varint (s = 0), double (p <= 15)
 *   TEXT           text                     ascii, uuid, timeuuid
 *   JSON           text
 *   BLOB           blob
 *   DATE           date
 *   TIMESTAMPTZ    timestamp: milliseconds, later digits are cut      bigint: microseconds
 *   LIST           frozen<list<..>>         list, set, frozen<set<..>>, vector<..>
 *   MAP            frozen<map<..>>          map
 *   STRUCT         frozen<type made for it> type (not frozen), frozen<tuple<..>>
 *
 * Frozen is the default since the pipeline writes a value whole: one cell, no tombstone at a
 * rewrite, and an empty list is not a null.  A collection in a collection is always frozen.
 */
#include "sink/cassandra_internal.h"

/* ---- what a column is created as ---- */

void rdl_cassandra_put_type(rdl_buf *b, const rdl_type *t, const char *keyspace,
                            const char *udt_name)
{
    static const struct {
        rdl_type_kind kind;
        const char *name;
    } scalars[] = {
        {RDL_TYPE_BOOLEAN, "boolean"},
        {RDL_TYPE_INTEGER, "int"},
        {RDL_TYPE_BIGINT, "bigint"},
        {RDL_TYPE_DOUBLE, "double"},
        {RDL_TYPE_DECIMAL, "decimal"},
        {RDL_TYPE_TEXT, "text"},
        {RDL_TYPE_BLOB, "blob"},
        {RDL_TYPE_DATE, "date"},
        {RDL_TYPE_TIMESTAMPTZ, "timestamp"},
        {RDL_TYPE_JSON, "text"},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        if (scalars[i].kind == t->kind) {
            rdl_buf_puts(b, scalars[i].name);
            return;
        }
    }
    if (t->kind == RDL_TYPE_STRUCT) {
        rdl_buf_puts(b, "frozen<");
        rdl_cql_put_ident(b, rdl_str_of(keyspace));
        rdl_buf_putc(b, '.');
        rdl_cql_put_ident(b, rdl_str_of(udt_name));
        rdl_buf_putc(b, '>');
        return;
    }
    rdl_buf_puts(b, t->kind == RDL_TYPE_LIST ? "frozen<list<" : "frozen<map<");
    rdl_cassandra_put_type(b, t->child, keyspace, udt_name);
    if (t->kind == RDL_TYPE_MAP) {
        rdl_buf_puts(b, ", ");
        rdl_cassandra_put_type(b, t->value, keyspace, udt_name);
    }
    rdl_buf_puts(b, ">>");
}

/* ---- what fits ---- */

static bool scalar_fits(const rdl_type *t, rdl_cql_kind to)
{
    switch (t->kind) {
    case RDL_TYPE_BOOLEAN:
        return to == RDL_CQL_BOOLEAN;
    case RDL_TYPE_INTEGER:
        return to == RDL_CQL_INT || to == RDL_CQL_BIGINT || to == RDL_CQL_VARINT;
    case RDL_TYPE_BIGINT:
        return to == RDL_CQL_BIGINT || to == RDL_CQL_VARINT;
    case RDL_TYPE_DOUBLE:
        return to == RDL_CQL_DOUBLE;
    case RDL_TYPE_DECIMAL:
        return to == RDL_CQL_DECIMAL || (to == RDL_CQL_VARINT && t->scale == 0) ||
               (to == RDL_CQL_DOUBLE && t->precision <= 15);
    case RDL_TYPE_TEXT:
        return to == RDL_CQL_TEXT || to == RDL_CQL_ASCII || to == RDL_CQL_UUID ||
               to == RDL_CQL_TIMEUUID;
    case RDL_TYPE_JSON:
        return to == RDL_CQL_TEXT;
    case RDL_TYPE_BLOB:
        return to == RDL_CQL_BLOB;
    case RDL_TYPE_DATE:
        return to == RDL_CQL_DATE;
    case RDL_TYPE_TIMESTAMPTZ:
        return to == RDL_CQL_TIMESTAMP || to == RDL_CQL_BIGINT;
    default:
        return false;
    }
}

static bool not_fitting(const rdl_type *t, const rdl_cql_type *to, rdl_buf *why)
{
    rdl_buf ours = {0}, theirs = {0};
    rdl_type_print(t, &ours);
    rdl_cql_type_print(to, &theirs);
    rdl_buf_printf(why, "%s does not fit into %s", rdl_buf_str(&ours), rdl_buf_str(&theirs));
    rdl_buf_fini(&ours);
    rdl_buf_fini(&theirs);
    return false;
}

static int field_named(const rdl_type *t, rdl_str name)
{
    for (size_t i = 0; i < t->field_count; i++)
        if (rdl_str_eq_nocase(t->field_names[i], name))
            return (int)i;
    return -1;
}

/* A type's fields are found by name, a tuple's by place; each of ours needs one. */
static bool fit_struct(rdl_arena *a, const rdl_type *t, const rdl_cql_type *to,
                       rdl_cassandra_conv *out, rdl_buf *why)
{
    out->child_count = to->n;
    out->children = RDL_NEWN(a, rdl_cassandra_conv, to->n + 1);
    out->fields = RDL_NEWN(a, int, to->n + 1);
    size_t found = 0;
    for (uint32_t i = 0; i < to->n; i++) {
        int at = to->kind == RDL_CQL_UDT ? field_named(t, to->names[i])
                 : i < t->field_count    ? (int)i
                                         : -1;
        out->fields[i] = at;
        if (at < 0)
            continue;
        found++;
        if (!rdl_cassandra_fit(a, t->field_types[at], to->args[i], true, &out->children[i], why))
            return false;
    }
    if (found == t->field_count)
        return true;
    for (size_t i = 0; i < t->field_count; i++) {
        bool there = false;
        for (uint32_t k = 0; k < to->n; k++)
            there |= out->fields[k] == (int)i;
        if (there)
            continue;
        rdl_buf_printf(why, "the type has no field \"%.*s\"", (int)t->field_names[i].n,
                       t->field_names[i].p);
        return false;
    }
    return not_fitting(t, to, why);
}

static bool is_collection(const rdl_type *t, const rdl_cql_type *to)
{
    if (t->kind == RDL_TYPE_LIST)
        return to->kind == RDL_CQL_LIST || to->kind == RDL_CQL_SET || to->kind == RDL_CQL_VECTOR;
    if (t->kind == RDL_TYPE_MAP)
        return to->kind == RDL_CQL_MAP;
    return t->kind == RDL_TYPE_STRUCT && (to->kind == RDL_CQL_UDT || to->kind == RDL_CQL_TUPLE);
}

bool rdl_cassandra_fit(rdl_arena *a, const rdl_type *t, const rdl_cql_type *to, bool nested,
                       rdl_cassandra_conv *out, rdl_buf *why)
{
    *out = (rdl_cassandra_conv){.from = t, .to = to};
    if (rdl_type_is_scalar(t))
        return scalar_fits(t, to->kind) || not_fitting(t, to, why);
    if (!is_collection(t, to))
        return not_fitting(t, to, why);
    out->live = !nested && !to->frozen &&
                (to->kind == RDL_CQL_LIST || to->kind == RDL_CQL_SET || to->kind == RDL_CQL_MAP);
    if (t->kind == RDL_TYPE_STRUCT)
        return fit_struct(a, t, to, out, why);
    out->child_count = t->kind == RDL_TYPE_MAP ? 2 : 1;
    out->children = RDL_NEWN(a, rdl_cassandra_conv, 2);
    return rdl_cassandra_fit(a, t->child, to->args[0], true, &out->children[0], why) &&
           (t->kind == RDL_TYPE_LIST ||
            rdl_cassandra_fit(a, t->value, to->args[1], true, &out->children[1], why));
}

/* ---- what comes back ---- */

/* A value that comes back as it went in needs no expression. */
static bool comes_back(const rdl_cassandra_conv *c)
{
    if (c->to->kind == RDL_CQL_TIMESTAMP || c->to->kind == RDL_CQL_SET ||
        c->to->kind == RDL_CQL_MAP || c->to->kind == RDL_CQL_UUID ||
        c->to->kind == RDL_CQL_TIMEUUID || c->live)
        return false;
    for (size_t i = 0; i < c->child_count; i++)
        if (c->children[i].to != NULL && !comes_back(&c->children[i]))
            return false;
    return true;
}

static void put_struct_served(rdl_buf *b, const rdl_cassandra_conv *c, const char *value)
{
    rdl_buf_printf(b, "CASE WHEN %s IS NOT NULL THEN struct_pack(", value);
    for (size_t i = 0; i < c->from->field_count; i++) {
        rdl_buf field = {0};
        rdl_str name = c->from->field_names[i];
        rdl_buf_puts(b, i > 0 ? ", " : "");
        rdl_buf_put_sql_ident(b, name);
        rdl_buf_puts(b, " := ");
        rdl_buf_printf(&field, "%s.", value);
        rdl_buf_put_sql_ident(&field, name);
        for (size_t k = 0; k < c->child_count; k++)
            if (c->fields[k] == (int)i)
                rdl_cassandra_put_served(b, &c->children[k], rdl_buf_str(&field));
        rdl_buf_fini(&field);
    }
    rdl_buf_puts(b, ") END");
}

static void put_list_served(rdl_buf *b, const rdl_cassandra_conv *c, const char *value)
{
    bool set = c->to->kind == RDL_CQL_SET;
    rdl_buf_puts(b, c->live ? "nullif(" : "");
    rdl_buf_puts(b, set ? "list_sort(list_distinct(" : "");
    if (comes_back(&c->children[0])) {
        rdl_buf_puts(b, value);
    } else {
        rdl_buf_printf(b, "list_transform(%s, lambda x: ", value);
        rdl_cassandra_put_served(b, &c->children[0], "x");
        rdl_buf_puts(b, ")");
    }
    rdl_buf_puts(b, set ? "))" : "");
    rdl_buf_puts(b, c->live ? ", [])" : "");
}

/* Entries by key, as the server sorts them; without any, a live map is null. */
static void put_map_served(rdl_buf *b, const rdl_cassandra_conv *c, const char *value)
{
    rdl_buf_printf(b, "CASE WHEN %s IS NOT NULL%s%s%s THEN map_from_entries(list_sort(", value,
                   c->live ? " AND cardinality(" : "", c->live ? value : "",
                   c->live ? ") > 0" : "");
    if (comes_back(&c->children[0]) && comes_back(&c->children[1])) {
        rdl_buf_printf(b, "map_entries(%s)", value);
    } else {
        rdl_buf_printf(b, "list_transform(map_entries(%s), lambda x: {'key': ", value);
        rdl_cassandra_put_served(b, &c->children[0], "x.key");
        rdl_buf_puts(b, ", 'value': ");
        rdl_cassandra_put_served(b, &c->children[1], "x.value");
        rdl_buf_puts(b, "})");
    }
    rdl_buf_puts(b, ")) END");
}

void rdl_cassandra_put_served(rdl_buf *b, const rdl_cassandra_conv *c, const char *value)
{
    if (comes_back(c))
        rdl_buf_puts(b, value);
    else if (c->to->kind == RDL_CQL_TIMESTAMP)
        rdl_buf_printf(b, "date_trunc('millisecond', %s)", value);
    else if (c->to->kind == RDL_CQL_UUID || c->to->kind == RDL_CQL_TIMEUUID)
        rdl_buf_printf(b, "lower(%s)", value);
    else if (c->from->kind == RDL_TYPE_STRUCT)
        put_struct_served(b, c, value);
    else if (c->from->kind == RDL_TYPE_MAP)
        put_map_served(b, c, value);
    else
        put_list_served(b, c, value);
}
