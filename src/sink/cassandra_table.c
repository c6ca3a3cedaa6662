/*
 * sink/cassandra_table.c - keyspaces, types and tables: made where they are missing, checked
 * where they are there.
 *
 * A table that is there keeps its own types, order and options: what is published must fit,
 * column by column, and the key must be the same; whatever else it has is left alone.
 * Every difference is named at once.
 */
#include "sink/cassandra_internal.h"

enum {
    AGREEMENT_MS = 30000,
};

/* ---- small things ---- */

rdl_str rdl_cassandra_option(const rdl_sink_table *t, const char *name)
{
    for (size_t i = 0; i < t->option_count; i++)
        if (rdl_str_eq_nocase(t->options[i].name, rdl_str_of(name)))
            return t->options[i].value;
    return (rdl_str){0};
}

const char *rdl_cassandra_fold(rdl_arena *a, rdl_str name)
{
    char *out = rdl_arena_strndup(a, name.p, name.n);
    for (size_t i = 0; i < name.n; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] + 32);
    return out;
}

void rdl_cassandra_put_table(const rdl_cassandra *s, rdl_buf *b, const char *table)
{
    rdl_cql_put_ident(b, rdl_str_of(s->keyspace));
    rdl_buf_putc(b, '.');
    rdl_cql_put_ident(b, rdl_str_of(table));
}

rdl_code rdl_cassandra_run(rdl_cassandra *s, const char *what, const char *cql, rdl_err *err)
{
    rdl_code rc = rdl_cql_query(s->session, cql, NULL, NULL, err);
    if (rc == RDL_OK)
        rc = rdl_cql_schema_agreement(s->session, AGREEMENT_MS, err);
    return rc == RDL_OK ? RDL_OK : rdl_cassandra_fail(s, rc, err, "%s", what);
}

static rdl_code say_and_run(rdl_cassandra *s, rdl_buf *cql, const char *what, rdl_sink_say say,
                            void *arg, bool apply, rdl_err *err)
{
    if (say != NULL)
        RDL_TRY(say(arg, rdl_buf_str(cql), err));
    return apply ? rdl_cassandra_run(s, what, rdl_buf_str(cql), err) : RDL_OK;
}

/* ---- the keyspace ---- */

static rdl_code local_datacentre(rdl_cassandra *s, rdl_buf *out, rdl_err *err)
{
    rdl_cql_result *r = NULL;
    rdl_str text = {0};
    rdl_code rc = rdl_cql_query(s->session, "SELECT data_center FROM system.local", NULL, &r, err);
    if (rc == RDL_OK && rdl_cql_next(r))
        rc = rdl_cql_get_text(rdl_cql_cell(r, 0), &text, err);
    if (rc == RDL_OK)
        rdl_cql_put_string(out, text);
    rdl_cql_result_free(r);
    return rc == RDL_OK ? RDL_OK : rdl_cassandra_fail(s, rc, err, "read the data centre");
}

static rdl_code put_replication(rdl_cassandra *s, rdl_str option, rdl_buf *out, rdl_err *err)
{
    if (option.n == 0) {
        rdl_buf_puts(out, "{'class': 'SimpleStrategy', 'replication_factor': 1}");
        return RDL_OK;
    }
    if (option.p[0] == '{') {
        rdl_buf_put(out, option.p, option.n);
        return RDL_OK;
    }
    for (size_t i = 0; i < option.n; i++) {
        if (option.p[i] >= '0' && option.p[i] <= '9')
            continue;
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "option replication is \"%.*s\", neither a map nor a number of replicas",
                    (int)option.n, option.p);
        rdl_err_hint(err, "Write {'class': 'NetworkTopologyStrategy', 'dc1': 3}, or 3.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
    }
    rdl_buf_puts(out, "{'class': 'NetworkTopologyStrategy', ");
    RDL_TRY(local_datacentre(s, out, err));
    rdl_buf_printf(out, ": %.*s}", (int)option.n, option.p);
    return RDL_OK;
}

rdl_code rdl_cassandra_keyspace_make(rdl_cassandra *s, const rdl_sink_table *t, rdl_sink_say say,
                                     void *arg, bool apply, bool *out_there, rdl_err *err)
{
    rdl_arena a;
    rdl_cql_keyspace *there = NULL;
    rdl_buf cql = {0};
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_cql_keyspace_get(s->session, &a, rdl_str_of(s->keyspace), &there, err);
    if (rc != RDL_OK)
        rc = rdl_cassandra_fail(s, rc, err, "read the schema");
    *out_there = there != NULL;
    if (rc == RDL_OK && there == NULL && (apply || say != NULL)) {
        rdl_buf_puts(&cql, "CREATE KEYSPACE IF NOT EXISTS ");
        rdl_cql_put_ident(&cql, rdl_str_of(s->keyspace));
        rdl_buf_puts(&cql, " WITH replication = ");
        rc = put_replication(s, rdl_cassandra_option(t, "replication"), &cql, err);
        if (rc == RDL_OK)
            rc = say_and_run(s, &cql, "create the keyspace", say, arg, apply, err);
    }
    rdl_buf_fini(&cql);
    rdl_arena_fini(&a);
    return rc;
}

/* ---- what a missing table is made as ---- */

/* "tags set<text>, cost decimal": the type that is written for a column, or nothing. */
static rdl_str written_type(const rdl_sink_table *t, rdl_str column)
{
    rdl_str list = rdl_cassandra_option(t, "types");
    size_t at = 0;
    while (at < list.n) {
        int depth = 0;
        while (at < list.n && (list.p[at] == ' ' || list.p[at] == ','))
            at++;
        size_t from = at, space = at;
        while (space < list.n && list.p[space] != ' ')
            space++;
        for (; at < list.n && (depth > 0 || list.p[at] != ','); at++)
            depth += list.p[at] == '<' ? 1 : list.p[at] == '>' ? -1 : 0;
        if (space < at && rdl_str_eq_nocase((rdl_str){list.p + from, space - from}, column)) {
            while (space < at && list.p[space] == ' ')
                space++;
            return (rdl_str){list.p + space, at - space};
        }
    }
    return (rdl_str){0};
}

static const char *udt_of(rdl_arena *a, const char *table, rdl_str column)
{
    return rdl_arena_printf(a, "%s_%s", table, rdl_cassandra_fold(a, column));
}

/* The STRUCT in a column's type, below lists and maps; NULL: none. */
static const rdl_type *struct_in(const rdl_type *t)
{
    const rdl_type *found = NULL;
    if (t->kind == RDL_TYPE_STRUCT)
        return t;
    if (t->kind == RDL_TYPE_MAP)
        found = struct_in(t->value);
    if (t->kind == RDL_TYPE_LIST || (t->kind == RDL_TYPE_MAP && found == NULL))
        found = struct_in(t->child);
    return found;
}

/* Inner types first. */
static rdl_code make_type(rdl_cassandra *s, rdl_arena *a, const rdl_type *t, const char *udt,
                          rdl_sink_say say, void *arg, bool apply, rdl_err *err)
{
    rdl_buf cql = {0};
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < t->field_count && rc == RDL_OK; i++) {
        const rdl_type *inner = struct_in(t->field_types[i]);
        if (inner != NULL)
            rc = make_type(s, a, inner, udt_of(a, udt, t->field_names[i]), say, arg, apply, err);
    }
    rdl_buf_puts(&cql, "CREATE TYPE IF NOT EXISTS ");
    rdl_cassandra_put_table(s, &cql, udt);
    rdl_buf_puts(&cql, " (");
    for (size_t i = 0; i < t->field_count; i++) {
        rdl_buf_puts(&cql, i > 0 ? ", " : "");
        rdl_cql_put_ident(&cql, rdl_str_of(rdl_cassandra_fold(a, t->field_names[i])));
        rdl_buf_putc(&cql, ' ');
        rdl_cassandra_put_type(&cql, t->field_types[i], s->keyspace,
                               udt_of(a, udt, t->field_names[i]));
    }
    rdl_buf_puts(&cql, ")");
    if (rc == RDL_OK)
        rc = say_and_run(s, &cql, "create a type", say, arg, apply, err);
    rdl_buf_fini(&cql);
    return rc;
}

static void put_key(rdl_buf *b, rdl_arena *a, const rdl_sink_table *t)
{
    rdl_buf_puts(b, "PRIMARY KEY ((");
    for (size_t i = 0; i < t->key_count; i++) {
        rdl_buf_puts(b, i == t->partition_key_count ? "), " : i > 0 ? ", " : "");
        rdl_cql_put_ident(b, rdl_str_of(rdl_cassandra_fold(a, t->columns.v[t->key[i]].name)));
    }
    rdl_buf_puts(b, t->key_count == t->partition_key_count ? "))" : ")");
}

static void put_order(rdl_buf *b, rdl_arena *a, const rdl_sink_table *t)
{
    if (t->key_count == t->partition_key_count)
        return;
    rdl_buf_puts(b, " AND CLUSTERING ORDER BY (");
    for (size_t i = t->partition_key_count; i < t->key_count; i++) {
        rdl_buf_puts(b, i > t->partition_key_count ? ", " : "");
        rdl_cql_put_ident(b, rdl_str_of(rdl_cassandra_fold(a, t->columns.v[t->key[i]].name)));
        rdl_buf_puts(b, t->descending != NULL && t->descending[i] ? " DESC" : " ASC");
    }
    rdl_buf_putc(b, ')');
}

/* A map as it stands; a class by its name alone. */
static void put_map_option(rdl_buf *b, const rdl_sink_table *t, const char *name)
{
    rdl_str value = rdl_cassandra_option(t, name);
    if (value.n == 0)
        return;
    rdl_buf_printf(b, " AND %s = ", name);
    if (value.p[0] == '{') {
        rdl_buf_put(b, value.p, value.n);
        return;
    }
    rdl_buf_puts(b, "{'class': ");
    rdl_cql_put_string(b, value);
    rdl_buf_putc(b, '}');
}

static void put_options(rdl_buf *b, const rdl_sink_table *t)
{
    static const char *const numbers[] = {"default_time_to_live", "gc_grace_seconds"};
    rdl_str comment = rdl_cassandra_option(t, "comment");
    rdl_buf_puts(b, " WITH comment = ");
    rdl_cql_put_string(b, comment.n > 0 ? comment : RDL_STR("published by raudal"));
    for (size_t i = 0; i < 2; i++) {
        rdl_str value = rdl_cassandra_option(t, numbers[i]);
        if (value.n > 0)
            rdl_buf_printf(b, " AND %s = %.*s", numbers[i], (int)value.n, value.p);
    }
    put_map_option(b, t, "compaction");
    put_map_option(b, t, "compression");
}

static void put_create(rdl_cassandra *s, rdl_arena *a, const rdl_sink_table *t, const char *name,
                       rdl_buf *b)
{
    rdl_buf_puts(b, "CREATE TABLE IF NOT EXISTS ");
    rdl_cassandra_put_table(s, b, name);
    rdl_buf_puts(b, " (");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_str column = t->columns.v[i].name, type = written_type(t, column);
        rdl_cql_put_ident(b, rdl_str_of(rdl_cassandra_fold(a, column)));
        rdl_buf_putc(b, ' ');
        if (type.n > 0)
            rdl_buf_put(b, type.p, type.n);
        else
            rdl_cassandra_put_type(b, t->columns.v[i].type, s->keyspace, udt_of(a, name, column));
        rdl_buf_puts(b, ", ");
    }
    put_key(b, a, t);
    rdl_buf_putc(b, ')');
    put_options(b, t);
    put_order(b, a, t);
}

/* A name in `types` that is no column's would be passed over in silence. */
static rdl_code check_written_types(const rdl_sink_table *t, rdl_err *err)
{
    rdl_str list = rdl_cassandra_option(t, "types");
    for (size_t at = 0; at < list.n;) {
        int depth = 0;
        while (at < list.n && (list.p[at] == ' ' || list.p[at] == ','))
            at++;
        size_t from = at, end = at;
        while (end < list.n && list.p[end] != ' ' && list.p[end] != ',')
            end++;
        rdl_str column = {list.p + from, end - from};
        for (; at < list.n && (depth > 0 || list.p[at] != ','); at++)
            depth += list.p[at] == '<' ? 1 : list.p[at] == '>' ? -1 : 0;
        if (column.n == 0 || rdl_schema_find(&t->columns, column) >= 0)
            continue;
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "option types of table \"%s\" names a column \"%.*s\" that is not there",
                    t->name, (int)column.n, column.p);
        rdl_err_hint(err, "Write types = 'column type, column type', in the store's names.");
        return rdl_err_area(RDL_EUSAGE, err, RDL_AREA_TEXT);
    }
    return RDL_OK;
}

rdl_code rdl_cassandra_table_make(rdl_cassandra *s, const rdl_sink_table *t, rdl_sink_say say,
                                  void *arg, bool apply, bool *out_there, rdl_err *err)
{
    rdl_arena a;
    rdl_cql_table *there = NULL;
    rdl_buf cql = {0};
    rdl_arena_init(&a, 0);
    const char *name = rdl_cassandra_fold(&a, rdl_str_of(t->name));
    rdl_code rc = check_written_types(t, err);
    if (rc == RDL_OK) {
        rc = rdl_cql_table_get(s->session, &a, rdl_str_of(s->keyspace), rdl_str_of(name), &there,
                               err);
        if (rc != RDL_OK)
            rc = rdl_cassandra_fail(s, rc, err, "read the schema");
    }
    *out_there = there != NULL;
    for (size_t i = 0; rc == RDL_OK && there == NULL && i < t->columns.n; i++) {
        const rdl_type *inner = struct_in(t->columns.v[i].type);
        if (inner != NULL && written_type(t, t->columns.v[i].name).n == 0)
            rc = make_type(s, &a, inner, udt_of(&a, name, t->columns.v[i].name), say, arg, apply,
                           err);
    }
    if (rc == RDL_OK && there == NULL) {
        put_create(s, &a, t, name, &cql);
        rc = say_and_run(s, &cql, rdl_arena_printf(&a, "create table \"%s\"", name), say, arg,
                         apply, err);
    }
    rdl_buf_fini(&cql);
    rdl_arena_fini(&a);
    return rc;
}

/* ---- does what is there fit ---- */

static const rdl_cql_table_column *column_of(const rdl_cql_table *t, rdl_str name)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (rdl_str_eq_nocase(t->columns[i].name, name))
            return &t->columns[i];
    return NULL;
}

static void put_their_key(rdl_buf *b, const rdl_cql_table *t)
{
    rdl_buf_puts(b, "((");
    for (uint32_t i = 0; i < t->partition_keys + t->clustering_keys; i++) {
        rdl_buf_puts(b, i == t->partition_keys ? "), " : i > 0 ? ", " : "");
        rdl_buf_put(b, t->columns[i].name.p, t->columns[i].name.n);
        rdl_buf_puts(b, t->columns[i].descending ? " DESC" : "");
    }
    rdl_buf_puts(b, t->clustering_keys == 0 ? "))" : ")");
}

static void check_key(const rdl_sink_table *t, const rdl_cql_table *there, rdl_buf *wrong)
{
    bool same = there->partition_keys == t->partition_key_count &&
                there->partition_keys + there->clustering_keys == t->key_count;
    for (size_t i = 0; same && i < t->key_count; i++) {
        const rdl_cql_table_column *c = &there->columns[i];
        bool down = i >= t->partition_key_count && t->descending != NULL && t->descending[i];
        same = rdl_str_eq_nocase(c->name, t->columns.v[t->key[i]].name) && c->descending == down;
    }
    if (same)
        return;
    rdl_buf ours = {0}, theirs = {0};
    rdl_buf_puts(&ours, "((");
    for (size_t i = 0; i < t->key_count; i++) {
        rdl_str name = t->columns.v[t->key[i]].name;
        rdl_buf_puts(&ours, i == t->partition_key_count ? "), " : i > 0 ? ", " : "");
        rdl_buf_put(&ours, name.p, name.n);
        rdl_buf_puts(&ours, t->descending != NULL && t->descending[i] ? " DESC" : "");
    }
    rdl_buf_puts(&ours, t->key_count == t->partition_key_count ? "))" : ")");
    put_their_key(&theirs, there);
    rdl_sink_misfit(wrong, "its primary key is %s, not %s", rdl_buf_str(&theirs),
                    rdl_buf_str(&ours));
    rdl_buf_fini(&ours);
    rdl_buf_fini(&theirs);
}

static void check_column(rdl_cassandra *s, rdl_cassandra_table *out, const rdl_sink_table *t,
                         size_t i, rdl_buf *wrong)
{
    rdl_str name = t->columns.v[i].name;
    const rdl_cql_table_column *c = column_of(out->there, name);
    rdl_buf why = {0};
    if (c == NULL) {
        rdl_sink_misfit(wrong, "column \"%.*s\" is missing", (int)name.n, name.p);
        return;
    }
    out->columns[i] = rdl_arena_strndup(&s->arena, c->name.p, c->name.n);
    if (c->role == RDL_CQL_STATIC)
        rdl_sink_misfit(wrong, "column \"%.*s\" is static there", (int)name.n, name.p);
    else if (!rdl_cassandra_fit(&s->arena, t->columns.v[i].type, c->type, false, &out->convs[i],
                                &why))
        rdl_sink_misfit(wrong, "column \"%.*s\": %s", (int)name.n, name.p, rdl_buf_str(&why));
    for (size_t k = 0; k < t->key_count; k++)
        out->convs[i].key |= t->key[k] == i;
    if (out->convs[i].key && c->type->kind == RDL_CQL_SET)
        rdl_sink_misfit(wrong,
                        "column \"%.*s\" of the key is a set, which two lists may have in common",
                        (int)name.n, name.p);
    if (out->convs[i].key && c->type->kind == RDL_CQL_MAP)
        rdl_sink_misfit(wrong, "column \"%.*s\" of the key is a map, whose order is lost there",
                        (int)name.n, name.p);
    out->live_list |= out->convs[i].live && c->type->kind == RDL_CQL_LIST;
    rdl_buf_fini(&why);
}

static rdl_code check(rdl_cassandra *s, rdl_cassandra_table *out, const rdl_sink_table *t,
                      rdl_err *err)
{
    rdl_buf wrong = {0};
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < t->columns.n; i++)
        check_column(s, out, t, i, &wrong);
    for (uint32_t i = 0; i < out->there->n; i++)
        out->extra |= rdl_schema_find(&t->columns, out->there->columns[i].name) < 0;
    check_key(t, out->there, &wrong);
    if (wrong.n > 0) {
        rdl_err_set(err, RDL_ESCHEMA, 0, "cannot publish to table \"%s\" of Cassandra %s: %s",
                    out->name, s->where, rdl_buf_str(&wrong));
        rdl_err_hint(err, "Publish under another name (PUBLISH ... AS name), or drop the table "
                          "there: it is made again and filled from the lake.");
        rc = rdl_err_area(RDL_ESCHEMA, err, RDL_AREA_SINK);
    }
    rdl_buf_fini(&wrong);
    return rc;
}

static int64_t number_option(const rdl_sink_table *t, const char *name, int64_t initial)
{
    rdl_str s = rdl_cassandra_option(t, name);
    int64_t x = 0;
    for (size_t i = 0; i < s.n && i < 18; i++)
        x = 10 * x + (s.p[i] - '0');
    return s.n > 0 ? x : initial;
}

enum {
    BATCH_BYTES = 4096,
    IN_FLIGHT = 1024,
};

static void read_options(rdl_cassandra_table *out, const rdl_sink_table *t)
{
    rdl_str level = rdl_cassandra_option(t, "consistency");
    if (level.n == 0 || !rdl_cql_consistency_parse(level, &out->consistency))
        out->consistency = RDL_CQL_LOCAL_QUORUM;
    out->batch_bytes = (size_t)number_option(t, "batch_bytes", BATCH_BYTES);
    out->in_flight = (uint32_t)number_option(t, "in_flight", IN_FLIGHT);
    out->ttl_s = number_option(t, "default_time_to_live", 0);
}

rdl_code rdl_cassandra_table_bind(rdl_cassandra *s, const rdl_sink_table *t,
                                  rdl_cassandra_table **out, rdl_err *err)
{
    rdl_cql_table *there = NULL;
    rdl_cql_stats stats;
    rdl_arena *a = &s->arena;
    const char *name = rdl_cassandra_fold(a, rdl_str_of(t->name));
    *out = NULL;
    rdl_cql_stats_get(s->session, &stats); /* before: what changes while we read is seen later */
    rdl_code rc =
        rdl_cql_table_get(s->session, a, rdl_str_of(s->keyspace), rdl_str_of(name), &there, err);
    if (rc != RDL_OK)
        return rdl_cassandra_fail(s, rc, err, "read the schema");
    if (there == NULL)
        return RDL_OK;
    rdl_cassandra_table *b = RDL_NEW(a, rdl_cassandra_table);
    *b = (rdl_cassandra_table){
        .name = name,
        .there = there,
        .schema_version = stats.schema_version,
        .column_count = t->columns.n,
        .columns = RDL_NEWN(a, const char *, t->columns.n),
        .convs = RDL_NEWN(a, rdl_cassandra_conv, t->columns.n),
        .key = RDL_NEWN(a, size_t, t->key_count),
        .key_count = t->key_count,
        .partition_key_count = t->partition_key_count,
    };
    memcpy(b->key, t->key, t->key_count * sizeof *b->key);
    read_options(b, t);
    RDL_TRY(check(s, b, t, err));
    *out = b;
    return RDL_OK;
}
