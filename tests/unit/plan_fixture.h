/*
 * tests/unit/plan_fixture.h - a pipeline built by hand, and an epoch played in DuckDB: the
 * planner's texts are run over random changes and compared with the batch text.
 */
#ifndef RDL_TESTS_PLAN_FIXTURE_H
#define RDL_TESTS_PLAN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/exact_sum.h"
#include "duck/codec.h"
#include "duck/duck.h"
#include "lang/load.h"
#include "lang/plan.h"

typedef struct fixture {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_diags diags;
    rdl_table *tables[16];
    size_t n;
} fixture;

static rdl_err fx_err;

#define OK(expr)                                                                                   \
    do {                                                                                           \
        memset(&fx_err, 0, sizeof fx_err);                                                         \
        if ((expr) != RDL_OK) {                                                                    \
            print_error("%s: %s (%s)\n", #expr, fx_err.msg, fx_err.hint);                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static void fx_exec(fixture *f, const char *sql)
{
    memset(&fx_err, 0, sizeof fx_err);
    if (rdl_exec(f->conn, sql, &fx_err) != RDL_OK) {
        print_error("%s\n%s (%s)\n", sql, fx_err.msg, fx_err.hint);
        fail();
    }
}

static int64_t fx_count(fixture *f, const char *sql)
{
    int64_t n = -1;
    memset(&fx_err, 0, sizeof fx_err);
    if (rdl_query_i64(f->conn, sql, &n, &fx_err) != RDL_OK) {
        print_error("%s\n%s (%s)\n", sql, fx_err.msg, fx_err.hint);
        fail();
    }
    return n;
}

static int fx_setup(void **state)
{
    fixture *f = calloc(1, sizeof *f); /* allow: a test's fixture */
    rdl_arena_init(&f->arena, 0);
    rdl_duck_config config = {.threads = 2};
    OK(rdl_duck_open(&config, &f->duck, &fx_err));
    OK(rdl_conn_open(f->duck, &f->conn, &fx_err));
    rdl_diags_init(&f->diags, &f->arena);
    fx_exec(f, rdl_prelude_sql().p);
    fx_exec(f, "CREATE SCHEMA e; CREATE SCHEMA silver; CREATE SCHEMA gold");
    *state = f;
    return 0;
}

static int fx_teardown(void **state)
{
    fixture *f = *state;
    rdl_conn_close(f->conn);
    rdl_duck_close(f->duck);
    rdl_arena_fini(&f->arena);
    free(f); /* allow: a test's fixture */
    return 0;
}

static rdl_table *fx_new_table(fixture *f, rdl_table_kind kind, const char *full)
{
    rdl_table *t = RDL_NEW(&f->arena, rdl_table);
    const char *dot = strchr(full, '.');
    t->kind = kind;
    t->full = rdl_str_of(rdl_arena_strdup(&f->arena, full));
    t->schema = dot != NULL ? rdl_str_of(rdl_arena_strndup(&f->arena, full, (size_t)(dot - full)))
                            : RDL_STR("main");
    t->name = rdl_str_of(dot != NULL ? rdl_arena_strdup(&f->arena, dot + 1) : t->full.p);
    t->index = f->n;
    f->tables[f->n++] = t;
    return t;
}

/* An input: scratch table under its own name; e."all:", e."new:", e."old:" empty. */
static rdl_table *fx_input(fixture *f, rdl_table_kind kind, const char *full, const char *columns)
{
    rdl_table *t = fx_new_table(f, kind, full);
    rdl_arena *a = &f->arena;
    const char *name = rdl_arena_printf(a, "\"%s\".\"%s\"", t->schema.p, t->name.p);
    const char *more =
        kind == RDL_TABLE_STREAMING ? ", _epoch BIGINT, _source_partition INTEGER, "
                                      "_source_offset BIGINT, _ordinal BIGINT"
        : kind == RDL_TABLE_SOURCE
            ? ", _source_file TEXT, _source_partition INTEGER, _source_offset BIGINT, "
              "_ordinal BIGINT, _ingest_ts TIMESTAMPTZ, _epoch BIGINT, _rescued TEXT"
            : "";
    bool events = kind == RDL_TABLE_STREAMING || kind == RDL_TABLE_SOURCE;
    fx_exec(f, rdl_arena_printf(a, "CREATE TABLE %s (%s)", name, columns));
    OK(rdl_describe(f->conn, a, rdl_arena_printf(a, "SELECT * FROM %s", name), &t->columns,
                    &fx_err));
    if (kind == RDL_TABLE_SOURCE)
        fx_exec(f, rdl_arena_printf(a, "CREATE OR REPLACE TABLE %s (%s%s)", name, columns, more));
    fx_exec(f, rdl_arena_printf(a, "CREATE TABLE e.\"all:%s\" (%s%s)", full, columns, more));
    fx_exec(f, rdl_arena_printf(a, "CREATE TABLE e.\"new:%s\" (%s%s%s)", full, columns, more,
                                events ? ", _event_ts TIMESTAMPTZ" : ""));
    if (!events)
        fx_exec(f, rdl_arena_printf(a, "CREATE TABLE e.\"old:%s\" (%s)", full, columns));
    return t;
}

/* A table with a body; inputs are full names, "+name" is written STREAM. */
static rdl_table *fx_table(fixture *f, rdl_table_kind kind, const char *full, const char *body,
                           const char *const *inputs, size_t n)
{
    rdl_table *t = fx_new_table(f, kind, full);
    rdl_text_file *file = RDL_NEW(&f->arena, rdl_text_file);
    t->body = t->body_text = rdl_str_of(rdl_arena_strdup(&f->arena, body));
    *file = (rdl_text_file){.path = "test.sql", .text = t->body, .original = t->body};
    t->body_pos = (rdl_pos){file, 0, (uint32_t)t->body.n};
    OK(rdl_describe(f->conn, &f->arena, body, &t->columns, &fx_err));
    t->inputs = RDL_NEWN(&f->arena, rdl_input, n);
    t->input_count = n;
    for (size_t i = 0; i < n; i++) {
        bool stream = inputs[i][0] == '+';
        rdl_str name = rdl_str_of(inputs[i] + stream);
        for (size_t k = 0; k < f->n; k++)
            if (rdl_str_eq(f->tables[k]->full, name))
                t->inputs[i] = (rdl_input){.table = f->tables[k], .stream = stream};
        assert_non_null(t->inputs[i].table);
    }
    return t;
}

static void fx_plan(fixture *f, rdl_table *t)
{
    memset(&fx_err, 0, sizeof fx_err);
    if (rdl_plan_table(&f->arena, f->conn, NULL, t, &f->diags, &fx_err) != RDL_OK) {
        print_error("%s\n%s (%s)\n", t->body.p, fx_err.msg, fx_err.hint);
        fail();
    }
}

/* Both SELECTs give the same rows, each as often. */
static void fx_same(fixture *f, const char *what, const char *a, const char *b)
{
    int64_t n = fx_count(
        f, rdl_arena_printf(&f->arena,
                            "SELECT count(*) FROM ((SELECT * FROM (%s) EXCEPT ALL SELECT * FROM "
                            "(%s)) UNION ALL (SELECT * FROM (%s) EXCEPT ALL SELECT * FROM (%s)))",
                            a, b, b, a));
    if (n != 0) {
        print_error("%s: %lld rows differ\n--- %s\n--- %s\n", what, (long long)n, a, b);
        fail();
    }
}

/* -- a keyed state, merged the plain way
 * ------------------------------------------------------ */

typedef struct group {
    rdl_buf key, slot[24];
    rdl_i128 sum[24];
    bool set[24];
    int64_t n;
    struct group *next;
} group;

typedef struct keyed {
    const rdl_view_plan *plan;
    group *first;
} keyed;

static group *keyed_find(keyed *k, rdl_str key)
{
    for (group *g = k->first; g != NULL; g = g->next)
        if (rdl_str_eq((rdl_str){g->key.p, g->key.n}, key))
            return g;
    group *g = calloc(1, sizeof *g); /* allow: a test's state */
    rdl_buf_put(&g->key, key.p, key.n);
    g->next = k->first;
    return k->first = g;
}

static void keyed_free(keyed *k)
{
    while (k->first != NULL) {
        group *g = k->first;
        k->first = g->next;
        rdl_buf_fini(&g->key);
        for (size_t i = 0; i < 24; i++)
            rdl_buf_fini(&g->slot[i]);
        free(g); /* allow: a test's state */
    }
}

static void keyed_slot(const rdl_slot *s, group *g, size_t i, const rdl_vector *v, size_t row,
                       int sign)
{
    if (!rdl_vector_valid(v, row))
        return;
    if (s->kind == RDL_SLOT_ADD_INT) {
        rdl_i128 x = v->type->kind == RDL_TYPE_DECIMAL ? rdl_vector_decimal(v, row)
                                                       : RDL_VECTOR_AT(v, int64_t, row);
        g->sum[i] += sign * x;
    } else if (s->kind == RDL_SLOT_ADD_EXACT) {
        rdl_buf out = {0};
        rdl_str had = {g->slot[i].p, g->slot[i].n};
        rdl_exact_sum zero;
        uint8_t bytes[RDL_EXACT_BYTES_MAX];
        rdl_exact_init(&zero);
        size_t z = rdl_exact_encode(&zero, bytes);
        rdl_exact_fini(&zero);
        if (!g->set[i])
            had = (rdl_str){(const char *)bytes, z};
        assert_true(rdl_exact_merge_bytes(had, rdl_vector_str(v, row), sign, &out));
        rdl_buf_fini(&g->slot[i]);
        g->slot[i] = out;
    } else {
        rdl_buf now = {0};
        assert_int_equal(sign, 1);
        rdl_codec_put(v, row, &now);
        int order = rdl_str_cmp((rdl_str){now.p, now.n}, (rdl_str){g->slot[i].p, g->slot[i].n});
        if (!g->set[i] || (s->kind == RDL_SLOT_MIN ? order < 0 : order > 0)) {
            rdl_buf_fini(&g->slot[i]);
            g->slot[i] = now;
        } else {
            rdl_buf_fini(&now);
        }
    }
    g->set[i] = true;
}

static void keyed_merge(fixture *f, keyed *k, const char *partial, int sign)
{
    rdl_result *r = NULL;
    const rdl_chunk *c = NULL;
    size_t *columns = RDL_NEWN(&f->arena, size_t, k->plan->key_count + 1);
    for (size_t i = 0; i < k->plan->key_count; i++)
        columns[i] = i;
    memset(&fx_err, 0, sizeof fx_err);
    if (rdl_query(f->conn, partial, &r, &fx_err) != RDL_OK) {
        print_error("%s\n%s\n", partial, fx_err.msg);
        fail();
    }
    assert_int_equal(rdl_result_schema(r)->n, k->plan->key_count + 1 + k->plan->slot_count);
    for (size_t i = 0; i < k->plan->slot_count; i++)
        assert_true(rdl_type_eq(rdl_result_schema(r)->v[k->plan->key_count + 1 + i].type,
                                k->plan->slots[i].type));
    while (rdl_result_next(r, &c))
        for (size_t row = 0; row < c->rows; row++) {
            rdl_buf key = {0};
            rdl_codec_put_row(c, columns, k->plan->key_count, row, &key);
            group *g = keyed_find(k, (rdl_str){key.p, key.n});
            rdl_buf_fini(&key);
            g->n += sign * RDL_VECTOR_AT(&c->v[k->plan->key_count], int64_t, row);
            for (size_t i = 0; i < k->plan->slot_count; i++)
                keyed_slot(&k->plan->slots[i], g, i, &c->v[k->plan->key_count + 1 + i], row, sign);
        }
    rdl_result_free(r);
}

/* All groups into e."states:<v>". */
static void keyed_publish(fixture *f, keyed *k, const rdl_table *t)
{
    const rdl_view_plan *p = k->plan;
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "CREATE OR REPLACE TABLE e.\"states:%s\" (", t->full.p);
    for (size_t i = 0; i < p->key_count; i++) {
        rdl_buf_printf(&sql, "k%zu ", i);
        rdl_type_print(p->key_types[i], &sql);
        rdl_buf_puts(&sql, ", ");
    }
    rdl_buf_puts(&sql, "n BIGINT");
    for (size_t i = 0; i < p->slot_count; i++) {
        rdl_buf_printf(&sql, ", s%zu ", i);
        rdl_type_print(p->slots[i].type, &sql);
    }
    rdl_buf_puts(&sql, ")");
    fx_exec(f, rdl_buf_str(&sql));
    rdl_buf_fini(&sql);
    rdl_appender *ap = NULL;
    OK(rdl_appender_open(f->conn, "e", rdl_arena_printf(&f->arena, "states:%s", t->full.p), &ap,
                         &fx_err));
    for (group *g = k->first; g != NULL; g = g->next) {
        if (g->n == 0 && p->key_count > 0)
            continue;
        rdl_chunk *c = rdl_appender_chunk(ap);
        size_t at = 0, row = c->rows++;
        for (size_t i = 0; i < p->key_count; i++)
            OK(rdl_codec_get((rdl_str){g->key.p, g->key.n}, &at, &c->v[i], row, &fx_err));
        RDL_VECTOR_AT(&c->v[p->key_count], int64_t, row) = g->n;
        for (size_t i = 0; i < p->slot_count; i++) {
            rdl_vector *v = &c->v[p->key_count + 1 + i];
            at = 0;
            if (!g->set[i])
                rdl_vector_set_null(v, row);
            else if (p->slots[i].kind == RDL_SLOT_ADD_EXACT)
                rdl_vector_set_str(v, row, g->slot[i].p, g->slot[i].n);
            else if (p->slots[i].kind != RDL_SLOT_ADD_INT)
                OK(rdl_codec_get((rdl_str){g->slot[i].p, g->slot[i].n}, &at, v, row, &fx_err));
            else if (p->slots[i].type->kind == RDL_TYPE_DECIMAL)
                rdl_vector_set_decimal(v, row, g->sum[i]);
            else
                RDL_VECTOR_AT(v, int64_t, row) = (int64_t)g->sum[i];
        }
        if (c->rows == RDL_VECTOR_ROWS)
            OK(rdl_appender_flush(ap, &fx_err));
    }
    OK(rdl_appender_close(ap, &fx_err));
}

#endif
