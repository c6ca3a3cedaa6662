/*
 * contract/sink_contract.c - the contract of sink/sink.h as tests; see the header.
 *
 * Rows are written as texts, "1|a|NULL", and a table's content is compared as its sorted
 * lines, so that a case reads as what goes in and what is there afterwards.
 */
#include "sink_contract.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "sink/text_value.h"

/* A change names what it has; the rest is nothing. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define ROOT_A "11111111-1111-4111-8111-111111111111"
#define ROOT_B "22222222-2222-4222-8222-222222222222"

/* ---- tables and rows as texts ---- */

/* "id INTEGER, name TEXT" */
static rdl_schema schema_of(rdl_arena *a, const char *text)
{
    RDL_VEC(rdl_column) columns = {0};
    rdl_err err;
    const char *p = text;
    while (*p != '\0') {
        const char *space = strchr(p, ' '), *end = space;
        int depth = 0;
        for (; *end != '\0' && (depth != 0 || *end != ','); end++)
            depth += *end == '(' ? 1 : *end == ')' ? -1 : 0;
        rdl_column c = {
            .name = {rdl_arena_strndup(a, p, (size_t)(space - p)), (size_t)(space - p)}};
        rdl_str type = {space + 1, (size_t)(end - space - 1)};
        assert_int_equal(rdl_type_parse(a, type, &c.type, &err), RDL_OK);
        RDL_PUSH(a, &columns) = c;
        p = *end == ',' ? end + 2 : end;
    }
    return (rdl_schema){columns.v, columns.n};
}

/* The first key_count columns are the key. */
static rdl_sink_table
table_of(rdl_arena *a, const char *name, const char *columns, size_t keys)
{
    rdl_sink_table t = {.name = name, .columns = schema_of(a, columns), .key_count = keys};
    size_t *key = RDL_NEWN(a, size_t, keys);
    bool *descending = RDL_NEWN(a, bool, keys);
    for (size_t i = 0; i < keys; i++) {
        key[i] = i;
        descending[i] = i % 2 == 1;
    }
    t.key = key;
    t.descending = descending;
    t.partition_key_count = 1;
    return t;
}

static void set_value(rdl_vector *v, size_t row, rdl_str text, rdl_text_slot *slot)
{
    if (rdl_str_eq(text, RDL_STR("NULL"))) {
        rdl_vector_set_null(v, row);
    } else if (!rdl_text_read(text, v, row, slot)) {
        fail_msg("\"%.*s\" is no value of its type", (int)text.n, text.p);
    }
}

/* Rows are separated by line breaks, values by bars. */
static rdl_chunk *chunk_of(rdl_arena *a, const rdl_schema *schema, const char *rows)
{
    rdl_chunk *c;
    rdl_err err;
    assert_int_equal(rdl_chunk_new(schema, &c, &err), RDL_OK);
    rdl_text_slot *slots = RDL_NEWN(a, rdl_text_slot, schema->n);
    for (size_t i = 0; i < schema->n; i++)
        rdl_text_slot_init(a, schema->v[i].type, &slots[i]);
    for (const char *p = rows; *p != '\0'; c->rows++) {
        for (size_t i = 0; i < schema->n; i++) {
            size_t n = strcspn(p, i + 1 < schema->n ? "|" : "\n");
            set_value(&c->v[i], c->rows, (rdl_str){p, n}, &slots[i]);
            p += n;
            p += *p != '\0' ? 1 : 0;
        }
    }
    for (size_t i = 0; i < schema->n; i++)
        rdl_text_slot_finish(&c->v[i], &slots[i]);
    return c;
}

typedef struct content {
    rdl_arena *arena;
    RDL_VEC(char *) lines;
} content;

static rdl_code visit(void *arg, const rdl_chunk *rows, rdl_err *err)
{
    content *to = arg;
    rdl_buf line = {0};
    (void)err;
    for (size_t row = 0; row < rows->rows; row++) {
        rdl_buf_clear(&line);
        for (size_t i = 0; i < rows->n; i++) {
            rdl_buf_puts(&line, i != 0 ? "|" : "");
            rdl_vector_print(&rows->v[i], row, &line);
        }
        RDL_PUSH(to->arena, &to->lines) = rdl_arena_strdup(to->arena, rdl_buf_str(&line));
    }
    rdl_buf_fini(&line);
    return RDL_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *content_of(rdl_arena *a, rdl_sink *s, const rdl_sink_table *t)
{
    content c = {.arena = a};
    rdl_buf all = {0};
    rdl_err err;
    if (s->ops->scan(s, t, visit, &c, &err) != RDL_OK)
        fail_msg("%s", err.msg);
    if (c.lines.n != 0)
        qsort(c.lines.v, c.lines.n, sizeof *c.lines.v, by_bytes);
    for (size_t i = 0; i < c.lines.n; i++)
        rdl_buf_printf(&all, "%s%s", i != 0 ? "\n" : "", c.lines.v[i]);
    char *text = rdl_arena_strdup(a, rdl_buf_str(&all));
    rdl_buf_fini(&all);
    return text;
}

/* ---- a sink's life as one-liners ---- */

#define OK(call)                                                                           \
    do {                                                                                   \
        if ((call) != RDL_OK)                                                              \
            fail_msg("%s: %s", #call, err.msg);                                            \
    } while (0)

static rdl_sink *open_as(sink_under_test *u, const char *root, bool adopt, bool read_only)
{
    rdl_sink *s;
    rdl_err err;
    rdl_sink_config c = {.url = u->url,
                         .root_dir = u->root_dir,
                         .root_uuid = root,
                         .adopt = adopt,
                         .read_only = read_only};
    OK(u->ops->open(&c, &s, &err));
    return s;
}

static int64_t progress(rdl_sink *s, const rdl_sink_table *t)
{
    int64_t epoch = -2;
    rdl_err err;
    OK(s->ops->prepare(s, t, &epoch, &err));
    return epoch;
}

#define WRITE_US INT64_C(1735689600000000) /* 2025-01-01 */

typedef struct change {
    int64_t from, to;
    bool whole;
    const char *remove, *upsert; /* rows; NULL: none */
    const char *insert;
} change;

/* Everything but the end. */
static rdl_code write_open(
    sink_under_test *u, rdl_sink *s, const rdl_sink_table *t, const change *c, rdl_err *err)
{
    const rdl_sink_batch b = {.from_epoch = c->from,
                              .to_epoch = c->to,
                              .whole = c->whole,
                              .write_us = WRITE_US + c->to};
    rdl_code rc = s->ops->begin(s, t, &b, err);
    if (rc == RDL_OK && c->remove != NULL) {
        rdl_schema keys = {t->columns.v, t->key_count};
        rdl_chunk *chunk = chunk_of(&u->arena, &keys, c->remove);
        rc = s->ops->remove(s, chunk, err);
        rdl_chunk_free(chunk);
    }
    if (rc == RDL_OK && c->insert != NULL) {
        rdl_chunk *chunk = chunk_of(&u->arena, &t->columns, c->insert);
        rc = s->ops->insert(s, chunk, err);
        rdl_chunk_free(chunk);
    }
    if (rc == RDL_OK && c->upsert != NULL) {
        rdl_chunk *chunk = chunk_of(&u->arena, &t->columns, c->upsert);
        rc = s->ops->upsert(s, chunk, err);
        rdl_chunk_free(chunk);
    }
    return rc;
}

static rdl_code
write_all(sink_under_test *u, rdl_sink *s, const rdl_sink_table *t, change c, rdl_err *err)
{
    rdl_code rc = write_open(u, s, t, &c, err);
    if (rc == RDL_OK)
        return s->ops->commit(s, err);
    s->ops->abort(s);
    return rc;
}

#define EXPECT(s, t, text) assert_string_equal(content_of(&u->arena, (s), (t)), (text))

static int sink_setup(void **state)
{
    sink_under_test *u = *state;
    rdl_arena_init(&u->arena, 0);
    u->reset(u);
    return 0;
}

static int sink_teardown(void **state)
{
    sink_under_test *u = *state;
    rdl_fault_disarm();
    rdl_arena_fini(&u->arena);
    return 0;
}

#define PEOPLE "id INTEGER, name TEXT, age INTEGER"

/* ---- cases ---- */

static void a_new_table_has_no_progress_until_it_is_filled(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    assert_int_equal(progress(s, &t), -1);
    assert_int_equal(progress(s, &t), -1);
    OK(write_all(u, s, &t, (change){-1, 7, true, NULL, "1|ann|30\n2|bob|NULL"}, &err));
    assert_int_equal(progress(s, &t), 7);
    EXPECT(s, &t, "1|ann|30\n2|bob|NULL");
    u->ops->close(s);
    s = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(s, &t), 7);
    EXPECT(s, &t, "1|ann|30\n2|bob|NULL");
    u->ops->close(s);
}

static void an_upsert_writes_every_column_nulls_included(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30\n2|bob|40"}, &err));
    OK(write_all(u, s, &t, (change){1, 2, false, NULL, "2|NULL|41\n3|cid|5"}, &err));
    EXPECT(s, &t, "1|ann|30\n2|NULL|41\n3|cid|5");
    u->ops->close(s);
}

static void of_a_key_twice_in_one_batch_the_last_counts(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30\n1|bob|40\n1|cid|NULL"},
                 &err));
    EXPECT(s, &t, "1|cid|NULL");
    u->ops->close(s);
}

static void inserts_and_upserts_share_a_batch(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, "1|ann|30\n2|bob|40\n4|eve|9"},
                 &err));
    OK(write_all(u, s, &t, (change){1, 2, false, "4", "2|NULL|41", "3|cid|NULL"}, &err));
    EXPECT(s, &t, "1|ann|30\n2|NULL|41\n3|cid|NULL");
    assert_int_equal(progress(s, &t), 2);
    u->ops->close(s);
}

/* What a table is owned for: the pipeline's row is the one that is shown. */
static void an_insert_of_a_key_that_somebody_wrote_replaces_it(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, "1|ann|30"}, &err));
    rdl_code rc =
        write_all(u, s, &t, (change){1, 2, false, NULL, NULL, "2|bob|1\n1|new|31"}, &err);
    if (rc != RDL_OK) {
        assert_true((err.flags & RDL_ERR_REPLAY) != 0);
        EXPECT(s, &t, "1|ann|30");
        assert_int_equal(progress(s, &t), 1);
        OK(write_all(u, s, &t, (change){1, 2, false, NULL, "2|bob|1\n1|new|31"}, &err));
    }
    EXPECT(s, &t, "1|new|31\n2|bob|1");
    assert_int_equal(progress(s, &t), 2);
    u->ops->close(s);
}

static rdl_code count_statement(void *arg, const char *statement, rdl_err *err)
{
    (void)err;
    assert_true(statement[0] != '\0');
    ++*(int *)arg;
    return RDL_OK;
}

static void provisioning_tells_what_it_makes_and_makes_it_once(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    int said = 0, again = 0;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *r = open_as(u, ROOT_A, false, true);
    OK(r->ops->provision(r, &t, count_statement, &said, &err));
    assert_true(said > 0);
    EXPECT(r, &t, ""); /* it only told */
    u->ops->close(r);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    OK(s->ops->provision(s, &t, count_statement, &again, &err));
    assert_true(again > 0);
    again = 0;
    OK(s->ops->provision(s, &t, count_statement, &again, &err));
    assert_int_equal(again, 0);
    assert_int_equal(progress(s, &t), -1);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, "1|ann|30"}, &err));
    OK(s->ops->provision(s, &t, count_statement, &again, &err));
    assert_int_equal(again, 0);
    EXPECT(s, &t, "1|ann|30");
    u->ops->close(s);
}

static void seeding_moves_no_progress_and_twice_changes_nothing(void **state)
{
    static const rdl_sink_batch seed = {.seed = true, .write_us = WRITE_US};
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    OK(s->ops->provision(s, &t, NULL, NULL, &err));
    for (int i = 0; i < 2; i++) {
        rdl_chunk *c = chunk_of(&u->arena, &t.columns, "1|ann|30\n2|bob|NULL");
        OK(s->ops->begin(s, &t, &seed, &err));
        OK(s->ops->upsert(s, c, &err));
        OK(s->ops->commit(s, &err));
        rdl_chunk_free(c);
        EXPECT(s, &t, "1|ann|30\n2|bob|NULL");
    }
    u->ops->close(s);
}

static void removals_come_first_and_a_missing_key_is_fine(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30\n2|bob|40\n3|cid|50"},
                 &err));
    OK(write_all(u, s, &t, (change){1, 2, false, "1\n2\n99", "1|eve|1"}, &err));
    EXPECT(s, &t, "1|eve|1\n3|cid|50");
    u->ops->close(s);
}

static void whole_replaces_everything_that_was_there(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30\n2|bob|40"}, &err));
    OK(write_all(u, s, &t, (change){1, 5, true, NULL, "3|cid|50"}, &err));
    EXPECT(s, &t, "3|cid|50");
    assert_int_equal(progress(s, &t), 5);
    u->ops->close(s);
}

static void an_empty_batch_moves_the_progress(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 0, true, NULL, NULL}, &err));
    assert_int_equal(progress(s, &t), 0);
    EXPECT(s, &t, "");
    u->ops->close(s);
}

static void an_abort_changes_nothing(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    change c = {1, 2, true, "1", "2|bob|40"};
    OK(write_open(u, s, &t, &c, &err));
    u->ops->abort(s);
    EXPECT(s, &t, "1|ann|30");
    assert_int_equal(progress(s, &t), 1);
    OK(write_open(u, s, &t, &c, &err)); /* and so does closing in the middle */
    u->ops->close(s);
    s = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(s, &t), 1);
    EXPECT(s, &t, "1|ann|30");
    u->ops->close(s);
}

static void an_epoch_that_is_there_already_changes_nothing(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    OK(write_all(u, s, &t, (change){1, 2, false, "1", "2|bob|40"}, &err));
    assert_int_equal(write_all(u, s, &t, (change){1, 2, false, NULL, "1|old|0"}, &err),
                     RDL_ECONFLICT);
    assert_int_equal(err.area, RDL_AREA_SINK);
    assert_true(err.hint[0] != '\0');
    EXPECT(s, &t, "2|bob|40");
    assert_int_equal(progress(s, &t), 2);
    u->ops->close(s);
}

static void progress_moved_by_another_is_a_conflict(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *one = open_as(u, ROOT_A, false, false);
    rdl_sink *two = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(one, &t), -1);
    assert_int_equal(progress(two, &t), -1);
    OK(write_all(u, one, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    assert_int_equal(write_all(u, two, &t, (change){-1, 1, true, NULL, "1|bob|40"}, &err),
                     RDL_ECONFLICT);
    EXPECT(two, &t, "1|ann|30");
    assert_int_equal(progress(two, &t), 1);
    OK(write_all(u, two, &t, (change){1, 2, false, NULL, "2|bob|40"}, &err));
    assert_int_equal(write_all(u, one, &t, (change){1, 2, false, NULL, "3|eve|0"}, &err),
                     RDL_ECONFLICT);
    EXPECT(one, &t, "1|ann|30\n2|bob|40");
    u->ops->close(one);
    u->ops->close(two);
}

static void another_roots_table_is_refused_unless_adopted(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    int64_t epoch = -2;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink_table other = table_of(&u->arena, "others", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 9, true, NULL, "1|ann|30"}, &err));
    u->ops->close(s);

    s = open_as(u, ROOT_B, false, false);
    assert_int_equal(s->ops->prepare(s, &t, &epoch, &err), RDL_ECONFLICT);
    assert_non_null(strstr(err.msg, ROOT_A));
    assert_non_null(strstr(err.hint, "--adopt"));
    assert_int_equal(rdl_err_exit_code(&err), 5);
    assert_int_equal(progress(s, &other), -1); /* a table of its own it may have */
    EXPECT(s, &t, "1|ann|30");
    u->ops->close(s);

    s = open_as(u, ROOT_B, true, false);
    assert_int_equal(progress(s, &t), -1);
    EXPECT(s, &t, "1|ann|30"); /* until it is filled whole */
    OK(write_all(u, s, &t, (change){-1, 3, true, NULL, "2|bob|40"}, &err));
    EXPECT(s, &t, "2|bob|40");
    u->ops->close(s);

    s = open_as(u, ROOT_A, false, false); /* the first one has lost it */
    assert_int_equal(s->ops->prepare(s, &t, &epoch, &err), RDL_ECONFLICT);
    u->ops->close(s);
    s = open_as(u, ROOT_B, true, false); /* adopting one's own changes nothing */
    assert_int_equal(progress(s, &t), 3);
    u->ops->close(s);
}

static void tables_of_one_store_go_on_independently(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table a = table_of(&u->arena, "a", PEOPLE, 1);
    rdl_sink_table b = table_of(&u->arena, "b", PEOPLE, 2);
    (void)progress(s, &a);
    (void)progress(s, &b);
    OK(write_all(u, s, &a, (change){-1, 4, true, NULL, "1|ann|30"}, &err));
    OK(write_all(u, s, &b, (change){-1, 2, true, NULL, "1|x|1\n1|y|2"}, &err));
    OK(write_all(u, s, &b, (change){2, 3, false, "1|x", "1|z|3"}, &err));
    assert_int_equal(progress(s, &a), 4);
    assert_int_equal(progress(s, &b), 3);
    EXPECT(s, &a, "1|ann|30");
    EXPECT(s, &b, "1|y|2\n1|z|3");
    u->ops->close(s);
}

#define EVERY_TYPE                                                                         \
    "id INTEGER, b BOOLEAN, i INTEGER, l BIGINT, d DOUBLE, n DECIMAL(15,4), m "            \
    "DECIMAL(38,10), "                                                                     \
    "t TEXT, day DATE, at TIMESTAMPTZ, x BLOB, j JSON, tags TEXT[], nums "                 \
    "DECIMAL(5,2)[][], "                                                                   \
    "pairs MAP(TEXT,DOUBLE), who STRUCT(a INTEGER, b TEXT, c DATE[])"

/* Rows of EVERY_TYPE, written and read, are what they were. */
static void comes_back(sink_under_test *u, const char *rows, size_t count)
{
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "every", EVERY_TYPE, 1);
    rdl_chunk *c = chunk_of(&u->arena, &t.columns, rows);
    content wanted = {.arena = &u->arena};
    rdl_buf text = {0};
    assert_int_equal(c->rows, count);
    OK(visit(&wanted, c, &err));
    for (size_t i = 0; i < wanted.lines.n; i++)
        rdl_buf_printf(&text, "%s%s", i != 0 ? "\n" : "", wanted.lines.v[i]);
    rdl_chunk_free(c);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, rows}, &err));
    EXPECT(s, &t, rdl_buf_str(&text));
    rdl_buf_fini(&text);
    u->ops->close(s);
}

static void values_of_every_type_come_back_as_they_went(void **state)
{
    static const char rows[] =
        "1|true|-2147483648|9223372036854775807|0.1|12345678901.2345|"
        "1234567890123456789012345678.0123456789|it's \"q\"|2025-07-18|"
        "2025-07-18 01:02:03.456789+00|\\x00\\xFFab|{\"a\": [1, "
        "2]}|[\"a\",null,\"\\u00e9\\n\"]|"
        "[[1.25,-0.05],[],null,[999.99]]|{\"k\":1.5,\"l\":null}|"
        "{\"a\":1,\"b\":\"x\",\"c\":[\"2025-01-01\",null]}\n"
        "2|false|2147483647|-9223372036854775808|1e+300|-0.0001|-0.0000000001||0001-01-01|"
        "1969-12-31 23:59:59.999999+00||null|[]|[]|{}|{\"a\":null,\"b\":null,\"c\":null}\n"
        "3|true|0|0|-inf|99999999999.9999|99999999999999999999999999.9999999999|"
        "\xE2\x82\xAC|"
        "9999-12-31|infinity|\\x5C\\x22|\"text\"|[\"\"]|[[]]|{\"\":-0.5}|"
        "{\"a\":-1,\"b\":\"\",\"c\":[]}\n"
        "4|false|1|1|5e-324|0.0000|0.0000000000|NULL as text|infinity|-infinity|a|[]|"
        "[\"x\"]|[[0.00]]|{\"a\":nan}|{\"a\":2,\"b\":\"nul\\u0000l\",\"c\":[\"infinity\"]}";
    comes_back(*state, rows, 4);
}

static void null_in_each_type_comes_back_as_null(void **state)
{
    static const char row[] =
        "1|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|"
        "NULL|NULL|NULL";
    comes_back(*state, row, 1);
}

static void keys_of_every_kind_find_their_row(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "k",
                                "d DATE, t TIMESTAMPTZ, n DECIMAL(10,2), m DECIMAL(20,2), "
                                "x DOUBLE, s TEXT, o BOOLEAN, v INTEGER",
                                7);
    (void)progress(s, &t);
    OK(write_all(u, s, &t,
                 (change){-1, 1, true, NULL,
                          "2025-01-01|2025-01-01 00:00:00+00|0.10|0.30|0.1|a|true|1\n"
                          "2025-01-01|2025-01-01 00:00:00.5+00|0.10|0.30|0.1|a|true|2\n"
                          "2025-01-01|2025-01-01 00:00:00+00|0.20|0.30|0.1|a|true|3\n"
                          "2025-01-01|2025-01-01 00:00:00+00|0.10|0.30|0.1||false|4"},
                 &err));
    OK(write_all(u, s, &t,
                 (change){1, 2, false,
                          "2025-01-01|2025-01-01 00:00:00.5+00|0.10|0.30|0.1|a|true",
                          "2025-01-01|2025-01-01 00:00:00+00|0.20|0.30|0.1|a|true|30"},
                 &err));
    EXPECT(s, &t,
           "2025-01-01|2025-01-01 00:00:00+00|0.10|0.30|0.1|a|true|1\n"
           "2025-01-01|2025-01-01 00:00:00+00|0.10|0.30|0.1||false|4\n"
           "2025-01-01|2025-01-01 00:00:00+00|0.20|0.30|0.1|a|true|30");
    u->ops->close(s);
}

static void names_may_be_anything(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena,
                                "order \"by\" d\xC3\xAD"
                                "a",
                                "group TEXT, it's INTEGER", 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "a|1\nb|2"}, &err));
    OK(write_all(u, s, &t, (change){1, 2, false, "a", "b|3"}, &err));
    EXPECT(s, &t, "b|3");
    u->ops->close(s);
}

static void a_null_in_the_key_is_refused_by_name(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 2);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|a|30"}, &err));
    assert_int_equal(
        write_all(u, s, &t, (change){1, 2, false, NULL, "2|b|1\n3|NULL|30"}, &err),
        RDL_EDATA);
    assert_non_null(strstr(err.msg, "\"name\""));
    EXPECT(s, &t, "1|a|30");
    assert_int_equal(progress(s, &t), 1);
    u->ops->close(s);
}

static void a_table_that_does_not_fit_is_refused_and_says_why(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    int64_t epoch;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    rdl_sink_table more = table_of(&u->arena, "people", PEOPLE ", mail TEXT", 1);
    assert_int_equal(s->ops->prepare(s, &more, &epoch, &err), RDL_ESCHEMA);
    assert_non_null(strstr(err.msg, "column \"mail\" is missing"));
    rdl_sink_table fewer = table_of(&u->arena, "people", "id INTEGER, name TEXT", 1);
    assert_int_equal(s->ops->prepare(s, &fewer, &epoch, &err), RDL_ESCHEMA);
    assert_non_null(strstr(err.msg, "column \"age\" is there"));
    rdl_sink_table typed =
        table_of(&u->arena, "people", "id INTEGER, name TEXT, age TEXT", 1);
    assert_int_equal(s->ops->prepare(s, &typed, &epoch, &err), RDL_ESCHEMA);
    assert_non_null(strstr(err.msg, "column \"age\" is of type"));
    rdl_sink_table keyed = table_of(&u->arena, "people", PEOPLE, 2);
    assert_int_equal(s->ops->prepare(s, &keyed, &epoch, &err), RDL_ESCHEMA);
    assert_non_null(strstr(err.msg, "(id, name)"));
    assert_int_equal(rdl_err_exit_code(&err), 5);
    assert_int_equal(progress(s, &t), 1);
    EXPECT(s, &t, "1|ann|30");
    u->ops->close(s);
}

static void many_rows_go_in_and_come_back(void **state)
{
    enum {
        ROWS = 3 * RDL_VECTOR_ROWS + 17
    };
    sink_under_test *u = *state;
    rdl_err err;
    rdl_chunk *c;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "many", "id BIGINT, s TEXT", 1);
    (void)progress(s, &t);
    OK(rdl_chunk_new(&t.columns, &c, &err));
    const rdl_sink_batch b = {-1, 1, true, false, WRITE_US};
    OK(u->ops->begin(s, &t, &b, &err));
    for (int64_t from = 0; from < ROWS; from += RDL_VECTOR_ROWS) {
        rdl_chunk_reset(c);
        for (; c->rows < RDL_VECTOR_ROWS && from + (int64_t)c->rows < ROWS; c->rows++) {
            char text[40];
            int64_t id = from + (int64_t)c->rows;
            int n = snprintf(text, sizeof text, "a text of row %lld", (long long)id);
            RDL_VECTOR_AT(&c->v[0], int64_t, c->rows) = id;
            rdl_vector_set_str(&c->v[1], c->rows, text, (size_t)n);
        }
        OK(u->ops->upsert(s, c, &err));
    }
    OK(u->ops->commit(s, &err));
    rdl_chunk_free(c);
    content back = {.arena = &u->arena};
    OK(u->ops->scan(s, &t, visit, &back, &err));
    assert_int_equal(back.lines.n, ROWS);
    qsort(back.lines.v, back.lines.n, sizeof *back.lines.v, by_bytes);
    assert_string_equal(back.lines.v[0], "0|a text of row 0");
    assert_string_equal(back.lines.v[ROWS - 1], "9|a text of row 9");
    u->ops->close(s);
}

/* ---- faults ---- */

static void a_failure_before_the_commit_leaves_all_as_it_was(void **state)
{
    static const rdl_fault points[] = {RDL_FAULT_SINK_BEFORE_ROWS,
                                       RDL_FAULT_SINK_BEFORE_COMMIT};
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    for (size_t i = 0; i < 2; i++) {
        rdl_fault_arm(points[i], 1, EIO);
        assert_int_equal(write_all(u, s, &t, (change){1, 2, true, NULL, "2|bob|40"}, &err),
                         RDL_EIO);
        assert_true(rdl_fault_fired());
        assert_true((err.flags & RDL_ERR_RETRY) != 0);
        rdl_fault_disarm();
        EXPECT(s, &t, "1|ann|30");
        assert_int_equal(progress(s, &t), 1);
    }
    OK(write_all(u, s, &t, (change){1, 2, true, NULL, "2|bob|40"}, &err));
    EXPECT(s, &t, "2|bob|40");
    u->ops->close(s);
}

static void after_a_lost_answer_the_progress_tells_that_the_rows_are_there(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    rdl_fault_arm(RDL_FAULT_SINK_AFTER_COMMIT, 1, EIO);
    assert_int_equal(write_all(u, s, &t, (change){1, 2, false, NULL, "2|bob|40"}, &err),
                     RDL_EIO);
    rdl_fault_disarm();
    assert_int_equal(progress(s, &t), 2);
    assert_int_equal(write_all(u, s, &t, (change){1, 2, false, NULL, "2|bob|0"}, &err),
                     RDL_ECONFLICT);
    EXPECT(s, &t, "1|ann|30\n2|bob|40");
    OK(write_all(u, s, &t, (change){2, 3, false, NULL, "3|cid|50"}, &err));
    u->ops->close(s);
}

static void die_while_writing(sink_under_test *u, const rdl_sink_table *t, rdl_fault point)
{
    pid_t child = fork();
    if (child == 0) {
        rdl_err err;
        rdl_fault_arm(point, 1, RDL_FAULT_KILL);
        rdl_sink *s = open_as(u, ROOT_A, false, false);
        (void)progress(s, t);
        (void)write_all(u, s, t, (change){1, 2, false, "1", "2|bob|40\n3|cid|50"}, &err);
        _exit(1); /* it should not get here */
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_process_that_dies_leaves_the_old_rows_or_the_new_ones(void **state)
{
    static const struct {
        rdl_fault point;
        int64_t epoch;
        const char *rows;
    } cases[] = {
        {RDL_FAULT_SINK_BEFORE_ROWS, 1, "1|ann|30"},
        {RDL_FAULT_SINK_BEFORE_COMMIT, 1, "1|ann|30"},
        {RDL_FAULT_SINK_AFTER_COMMIT, 2, "2|bob|40\n3|cid|50"},
    };
    sink_under_test *u = *state;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rdl_err err;
        u->reset(u);
        rdl_sink *s = open_as(u, ROOT_A, false, false);
        (void)progress(s, &t);
        OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
        u->ops->close(s);
        die_while_writing(u, &t, cases[i].point);
        s = open_as(u, ROOT_A, false, false);
        assert_int_equal(progress(s, &t), cases[i].epoch);
        EXPECT(s, &t, cases[i].rows);
        if (cases[i].epoch == 1)
            OK(write_all(u, s, &t, (change){1, 2, false, "1", "2|bob|40\n3|cid|50"}, &err));
        EXPECT(s, &t, "2|bob|40\n3|cid|50");
        u->ops->close(s);
    }
}

/* ---- reading beside ---- */

static void a_reader_creates_nothing_and_sees_the_last_commit(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *r = open_as(u, ROOT_A, false, true);
    assert_int_equal(progress(r, &t), -1);
    EXPECT(r, &t, "");
    u->ops->close(r);
    rdl_sink *w = open_as(u, ROOT_A, false, false);
    r = open_as(u, ROOT_A, false, true);
    assert_int_equal(progress(r, &t), -1);
    (void)progress(w, &t);
    OK(write_all(u, w, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    change c = {1, 2, true, NULL, "2|bob|40"};
    OK(write_open(u, w, &t, &c, &err));
    assert_int_equal(progress(r, &t), 1);
    EXPECT(r, &t, "1|ann|30");
    OK(u->ops->commit(w, &err));
    assert_int_equal(progress(r, &t), 2);
    EXPECT(r, &t, "2|bob|40");
    assert_int_equal(progress(r, &t), 2);
    u->ops->close(r);
    u->ops->close(w);
}

/*
 * Where a store has snapshots, prepare took one.  Where it has none, a reader can ask whether rows of a
 * batch that is not finished are among those it sees.
 */
static void a_reader_scans_the_epoch_that_it_was_told_or_knows_better(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    bool snapshots = u->ops->unfinished == NULL;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *w = open_as(u, ROOT_A, false, false), *r = open_as(u, ROOT_A, false, true);
    (void)progress(w, &t);
    OK(write_all(u, w, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    assert_int_equal(progress(r, &t), 1);
    assert_true(snapshots || !u->ops->unfinished(r, &t));
    change c = {1, 2, false, NULL, "2|bob|40"};
    OK(write_open(u, w, &t, &c, &err));
    assert_int_equal(progress(r, &t), 1);
    assert_true(snapshots || u->ops->unfinished(r, &t));
    OK(u->ops->commit(w, &err));
    if (snapshots)
        EXPECT(r, &t, "1|ann|30");
    assert_int_equal(progress(r, &t), 2);
    assert_true(snapshots || !u->ops->unfinished(r, &t));
    EXPECT(r, &t, "1|ann|30\n2|bob|40");
    u->ops->close(r);
    u->ops->close(w);
}

static rdl_code put_columns(void *arg, size_t n, const char *const *names, rdl_err *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(arg, "%s%s", i != 0 ? "|" : "", names[i]);
    return RDL_OK;
}

static rdl_code
put_row(void *arg, size_t n, const rdl_str *values, const bool *numeric, rdl_err *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++)
        rdl_buf_printf(arg, "%s%.*s%s", i != 0 ? "|" : "\n",
                       values[i].p != NULL ? (int)values[i].n : 4,
                       values[i].p != NULL ? values[i].p : "NULL", numeric[i] ? "#" : "");
    return RDL_OK;
}

/* The answer as text, or the failure's message. */
static char *ask(sink_under_test *u,
                 rdl_sink *s,
                 const char *text,
                 size_t n,
                 const char *const *names,
                 const char *const *values)
{
    rdl_buf out = {0};
    rdl_err err;
    if (s->ops->query(s, text, names, values, n, put_columns, put_row, &out, &err) !=
        RDL_OK) {
        rdl_buf_clear(&out);
        rdl_buf_puts(&out, err.msg);
    }
    char *answer = rdl_arena_strdup(&u->arena, rdl_buf_str(&out));
    rdl_buf_fini(&out);
    return answer;
}

static void a_query_takes_its_parameters_by_name(void **state)
{
    static const char *const names[] = {"who", "least"}, *const values[] = {"ann", "18"};
    static const char *const nothing[] = {"ann", NULL};
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t,
                 (change){-1, 1, true, NULL, "1|ann|30\n2|ann|10\n3|bob|50\n4|ann|NULL"},
                 &err));
    const char *text = "SELECT id, name, age FROM people WHERE name = $who AND age >= "
                       "coalesce($least, 0) ORDER BY id";
    assert_string_equal(ask(u, s, text, 2, names, values), "id|name|age\n1#|ann|30#");
    assert_string_equal(ask(u, s, text, 2, names, nothing),
                        "id|name|age\n1#|ann|30#\n2#|ann|10#");
    assert_string_equal(ask(u, s, text, 1, names, values),
                        "the query needs a value for \"least\"");
    assert_string_equal(
        ask(u, s, "SELECT id FROM people WHERE name = :who", 2, names, values),
        "the query has no parameter \"least\"");
    assert_string_equal(ask(u, s, "SELECT age FROM people WHERE id = 4", 0, NULL, NULL),
                        "age\nNULL");
    assert_string_equal(ask(u, s, "SELECT id FROM people WHERE id = 99", 0, NULL, NULL),
                        "id");
    u->ops->close(s);
}

static void a_query_cannot_write(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    static const char *const bad[] = {"DELETE FROM people",
                                      "DROP TABLE people",
                                      "SELECT 1; DELETE FROM people",
                                      "",
                                      "-- nothing",
                                      "SELECT nobody FROM people"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rdl_buf out = {0};
        assert_int_equal(
            s->ops->query(s, bad[i], NULL, NULL, 0, put_columns, put_row, &out, &err),
            RDL_EUSAGE);
        rdl_buf_fini(&out);
    }
    EXPECT(s, &t, "1|ann|30");
    u->ops->close(s);
}

#define SINK_TEST(name) cmocka_unit_test_setup_teardown(name, sink_setup, sink_teardown)

#define SINK_CONTRACT_TESTS                                                                \
    SINK_TEST(a_new_table_has_no_progress_until_it_is_filled),                             \
        SINK_TEST(an_upsert_writes_every_column_nulls_included),                           \
        SINK_TEST(of_a_key_twice_in_one_batch_the_last_counts),                            \
        SINK_TEST(inserts_and_upserts_share_a_batch),                                      \
        SINK_TEST(an_insert_of_a_key_that_somebody_wrote_replaces_it),                     \
        SINK_TEST(provisioning_tells_what_it_makes_and_makes_it_once),                     \
        SINK_TEST(seeding_moves_no_progress_and_twice_changes_nothing),                    \
        SINK_TEST(removals_come_first_and_a_missing_key_is_fine),                          \
        SINK_TEST(whole_replaces_everything_that_was_there),                               \
        SINK_TEST(an_empty_batch_moves_the_progress), SINK_TEST(an_abort_changes_nothing), \
        SINK_TEST(an_epoch_that_is_there_already_changes_nothing),                         \
        SINK_TEST(progress_moved_by_another_is_a_conflict),                                \
        SINK_TEST(another_roots_table_is_refused_unless_adopted),                          \
        SINK_TEST(tables_of_one_store_go_on_independently),                                \
        SINK_TEST(values_of_every_type_come_back_as_they_went),                            \
        SINK_TEST(null_in_each_type_comes_back_as_null),                                   \
        SINK_TEST(keys_of_every_kind_find_their_row), SINK_TEST(names_may_be_anything),    \
        SINK_TEST(a_null_in_the_key_is_refused_by_name),                                   \
        SINK_TEST(a_table_that_does_not_fit_is_refused_and_says_why),                      \
        SINK_TEST(many_rows_go_in_and_come_back),                                          \
        SINK_TEST(a_failure_before_the_commit_leaves_all_as_it_was),                       \
        SINK_TEST(after_a_lost_answer_the_progress_tells_that_the_rows_are_there),         \
        SINK_TEST(a_process_that_dies_leaves_the_old_rows_or_the_new_ones),                \
        SINK_TEST(a_reader_creates_nothing_and_sees_the_last_commit),                      \
        SINK_TEST(a_reader_scans_the_epoch_that_it_was_told_or_knows_better),              \
        SINK_TEST(a_query_takes_its_parameters_by_name), SINK_TEST(a_query_cannot_write)
