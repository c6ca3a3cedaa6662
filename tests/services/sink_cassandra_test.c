/*
 * services/sink_cassandra_test.c - the Cassandra sink keeps the contract, on a real node; and what
 * is Cassandra's alone.  $RAUDAL_CASSANDRA names the node; a keyspace of its own is made there.
 *
 * NOT KEPT, since a batch is no transaction there (sink/cassandra.c): rows of a batch that fails
 * may be seen, until the next batch writes them again, over or away.  Nor are nulls in collections,
 * a key twice in a batch, or any name for a table: those are refused, or cannot come.
 */
#pragma GCC diagnostic ignored "-Wunused-function" /* the cases that are not kept */
#include "../contract/sink_contract.c"

#include "base/clock.h"
#include "cql/cql.h"

static char url[300], keyspace[40];
static rdl_cql *node;

/* ---- the node, not through the sink ---- */

static void raw_exec(const char *fmt, ...) RDL_PRINTF(1, 2);
static void raw_exec(const char *fmt, ...)
{
    char cql[1000];
    rdl_err err;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cql, sizeof cql, fmt, ap);
    va_end(ap);
    const rdl_cql_options patient = {.timeout_ms = 60000};
    OK(rdl_cql_query(node, cql, &patient, NULL, &err));
}

/* First row, columns separated by bars. */
static const char *raw_row(const char *fmt, ...) RDL_PRINTF(1, 2);
static const char *raw_row(const char *fmt, ...)
{
    static char text[1000];
    char cql[1000];
    rdl_err err;
    rdl_cql_result *r = NULL;
    rdl_buf row = {0};
    bool any = false;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cql, sizeof cql, fmt, ap);
    va_end(ap);
    OK(rdl_cql_query(node, cql, NULL, &r, &err));
    OK(rdl_cql_fetch(r, &any, &err));
    for (uint32_t i = 0; any && i < rdl_cql_columns(r); i++) {
        rdl_buf_puts(&row, i > 0 ? "|" : "");
        OK(rdl_cql_print(rdl_cql_cell(r, i), &row, &err));
    }
    snprintf(text, sizeof text, "%s", rdl_buf_str(&row));
    rdl_buf_fini(&row);
    rdl_cql_result_free(r);
    return text;
}

static void reset(sink_under_test *u)
{
    raw_exec("DROP KEYSPACE IF EXISTS %s", keyspace);
    u->url = url;
}

static int connect_to_node(void **state)
{
    static sink_under_test under = {.ops = &rdl_sink_cassandra, .reset = reset, .root_dir = "."};
    rdl_err err;
    rdl_cql_config c;
    rdl_cql_config_init(&c);
    c.contact_points = getenv("RAUDAL_CASSANDRA");
    OK(rdl_cql_open(&c, &node, &err));
    snprintf(keyspace, sizeof keyspace, "raudal_sink_%d", (int)getpid());
    snprintf(url, sizeof url, "cassandra://%s/%s?timeout_ms=3000", c.contact_points, keyspace);
    *state = &under;
    return 0;
}

static int drop_keyspace(void **state)
{
    (void)state;
    raw_exec("DROP KEYSPACE IF EXISTS %s", keyspace);
    rdl_cql_close(node);
    return 0;
}

/* ---- values ---- */

static void values_of_every_type_without_nulls_inside_come_back(void **state)
{
    static const char rows[] =
        "1|true|-2147483648|9223372036854775807|0.1|12345678901.2345|"
        "1234567890123456789012345678.0123456789|it's \"q\"|2025-07-18|"
        "2025-07-18 01:02:03.456+00|\\x00\\xFFab|{\"a\": [1, 2]}|[\"a\",\"\\u00e9\\n\"]|"
        "[[1.25,-0.05],[],[999.99]]|{\"k\":1.5,\"l\":-2}|"
        "{\"a\":1,\"b\":\"x\",\"c\":[\"2025-01-01\"]}\n"
        "2|false|2147483647|-9223372036854775808|1e+300|-0.0001|-0.0000000001||0001-01-01|"
        "1969-12-31 23:59:59.999+00||null|[]|[]|{}|{\"a\":null,\"b\":null,\"c\":null}\n"
        "3|true|0|0|-inf|99999999999.9999|99999999999999999999999999.9999999999|\xE2\x82\xAC|"
        "9999-12-31|9999-12-31 23:59:59+00|\\x5C\\x22|\"text\"|[\"\"]|[[]]|{\"\":-0.5}|"
        "{\"a\":-1,\"b\":\"\",\"c\":[]}";
    comes_back(*state, rows, 3);
}

static void a_value_that_cassandra_cannot_hold_is_refused_by_column(void **state)
{
    static const struct {
        const char *row, *says;
    } cases[] = {
        {"1|[\"a\",null]|2025-01-01|2025-01-01 00:00:00+00", "\"tags\": cannot write a value as"},
        {"1|[]|infinity|2025-01-01 00:00:00+00",
         "\"day\": cannot write a value as date: it is infinite"},
        {"1|[]|2025-01-01|-infinity", "\"at\": cannot write a value as timestamp: it is infinite"},
        {"|[]|2025-01-01|2025-01-01 00:00:00+00", "\"k\" is an empty text"},
    };
    sink_under_test *u = *state;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "v", "k TEXT, tags TEXT[], day DATE, at TIMESTAMPTZ", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_err err = {0};
        (void)progress(s, &t);
        assert_int_equal(write_all(u, s, &t, (change){-1, 1, true, NULL, cases[i].row}, &err),
                         RDL_EDATA);
        if (strstr(err.msg, cases[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.msg, cases[i].says);
        assert_int_equal(rdl_err_exit_code(&err), 5);
        assert_int_equal(progress(s, &t), -1);
    }
    u->ops->close(s);
}

static void of_a_refused_row_the_key_is_told(void **state)
{
    sink_under_test *u = *state;
    rdl_err err = {0};
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "v", "k TEXT, n INTEGER, v TEXT", 2);
    char row[70100];
    memset(row, 'k', sizeof row);
    snprintf(row + 70000, 100, "|7|x");
    (void)progress(s, &t);
    assert_int_equal(write_all(u, s, &t, (change){-1, 1, true, NULL, row}, &err), RDL_EREMOTE);
    assert_non_null(strstr(err.msg, "(k = kkkk"));
    assert_non_null(strstr(err.msg, "kk…, n = 7)"));
    assert_non_null(strstr(err.msg, "70000"));
    u->ops->close(s);
}

static void zero_has_one_spelling_in_a_key(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "z", "d DOUBLE, v DOUBLE", 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "-0|-0"}, &err));
    OK(write_all(u, s, &t, (change){1, 2, false, NULL, "0|1"}, &err));
    EXPECT(s, &t, "0.0|1.0");
    OK(write_all(u, s, &t, (change){2, 3, false, "-0", NULL}, &err));
    EXPECT(s, &t, "");
    u->ops->close(s);
}

/* ---- seeds ---- */

static void of_a_key_twice_in_a_seed_the_last_counts(void **state)
{
    static const rdl_sink_batch seed = {.seed = true};
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t =
        table_of(&u->arena, "people", "id INTEGER, c INTEGER, name TEXT, age INTEGER", 2);
    OK(s->ops->provision(s, &t, NULL, NULL, &err));
    rdl_chunk *c =
        chunk_of(&u->arena, &t.columns, "1|1|zoe|30\n1|1|bob|50\n1|2|eve|1\n1|1|ann|NULL");
    OK(s->ops->begin(s, &t, &seed, &err));
    OK(s->ops->upsert(s, c, &err));
    OK(s->ops->commit(s, &err));
    rdl_chunk_free(c);
    EXPECT(s, &t, "1|1|ann|NULL\n1|2|eve|1"); /* all of the last row, nothing of those before */
    u->ops->close(s);
}

/* ---- batches that end badly ---- */

static void what_a_failed_batch_wrote_the_next_one_writes_over_or_removes(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    assert_false(s->ops->unfinished(s, &t));
    rdl_fault_arm(RDL_FAULT_SINK_BEFORE_COMMIT, 1, EIO);
    assert_int_not_equal(
        write_all(u, s, &t, (change){1, 2, false, NULL, "1|x|1", "2|new|2\n3|new|3"}, &err),
        RDL_OK);
    assert_true((err.flags & RDL_ERR_RETRY) != 0);
    rdl_fault_disarm();
    u->ops->close(s);
    s = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(s, &t), 1);
    assert_true(s->ops->unfinished(s, &t)); /* so its removals name what came and went, too */
    OK(write_all(u, s, &t, (change){1, 3, false, "3", "1|ann|31", "2|bob|NULL"}, &err));
    EXPECT(s, &t, "1|ann|31\n2|bob|NULL");
    assert_int_equal(progress(s, &t), 3);
    assert_false(s->ops->unfinished(s, &t));
    u->ops->close(s);
}

static void an_attempt_that_is_made_again_changes_no_cell(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    char before[200];
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    const change c = {1, 2, false, "1", NULL, "2|bob|NULL"};
    rdl_fault_arm(RDL_FAULT_SINK_BEFORE_COMMIT, 1, EIO);
    assert_int_not_equal(write_all(u, s, &t, c, &err), RDL_OK);
    rdl_fault_disarm();
    snprintf(before, sizeof before, "%s",
             raw_row("SELECT name, writetime(name), age FROM %s.people WHERE id = 2", keyspace));
    assert_int_equal(strncmp(before, "bob|1", 5), 0);
    u->ops->close(s);
    s = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(s, &t), 1);
    OK(write_all(u, s, &t, c, &err));
    assert_string_equal(
        raw_row("SELECT name, writetime(name), age FROM %s.people WHERE id = 2", keyspace), before);
    EXPECT(s, &t, "2|bob|NULL");
    u->ops->close(s);
}

static void a_claim_that_was_overtaken_cannot_finish_and_its_rows_lose(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *old = open_as(u, ROOT_A, false, false);
    (void)progress(old, &t);
    OK(write_all(u, old, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    const change late = {1, 2, false, NULL, "1|zombie|0"};
    OK(write_open(u, old, &t, &late, &err));
    rdl_sink *now = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(now, &t), 1);
    OK(write_all(u, now, &t, (change){1, 3, false, NULL, "1|ann|31"}, &err));
    assert_int_equal(old->ops->commit(old, &err), RDL_ECONFLICT);
    u->ops->close(old);
    EXPECT(now, &t, "1|ann|31");
    assert_int_equal(progress(now, &t), 3);
    u->ops->close(now);
}

/* As a process that is stopped: its rows go out after the heir has looked for old ones. */
static void rows_that_went_out_after_an_heir_took_the_table_are_taken_back(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", "id INTEGER, c INTEGER, name TEXT", 2);
    rdl_sink *old = open_as(u, ROOT_A, false, false);
    (void)progress(old, &t);
    OK(write_all(u, old, &t, (change){-1, 1, true, NULL, "1|1|ann\n2|1|bob"}, &err));
    const change late = {1, 2, false, NULL, "3|1|late", "1|1|late\n4|1|late\n4|2|late\n4|3|late"};
    OK(write_open(u, old, &t, &late, &err));
    rdl_sink *heir = open_as(u, ROOT_B, true, false);
    (void)progress(heir, &t);
    OK(write_all(u, heir, &t, (change){-1, 1, true, NULL, "1|1|heir\n4|2|heir"}, &err));
    EXPECT(heir, &t, "1|1|heir\n4|2|heir");
    assert_int_equal(old->ops->commit(old, &err), RDL_ECONFLICT);
    EXPECT(heir, &t, "1|1|heir\n4|2|heir");
    assert_string_equal(raw_row("SELECT count(*) FROM %s.people", keyspace), "2");
    u->ops->close(old);
    OK(write_all(u, heir, &t, (change){1, 2, false, NULL, "3|1|heir"}, &err));
    EXPECT(heir, &t, "1|1|heir\n3|1|heir\n4|2|heir");
    u->ops->close(heir);
}

/* The rows of the newer claim bear the times of the late ones: a removal would take both. */
static void late_rows_that_the_newer_claim_wrote_too_stay(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *old = open_as(u, ROOT_A, false, false);
    (void)progress(old, &t);
    OK(write_all(u, old, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    const change same = {1, 2, false, NULL, "2|bob|1\n3|cid|2"};
    OK(write_open(u, old, &t, &same, &err));
    rdl_sink *now = open_as(u, ROOT_A, false, false); /* the same root, from a copy */
    assert_int_equal(progress(now, &t), 1);
    OK(write_all(u, now, &t, same, &err));
    rdl_sleep_ms(2100); /* the old one's knowledge of its claim grows old */
    assert_int_equal(old->ops->commit(old, &err), RDL_ECONFLICT);
    u->ops->close(old);
    EXPECT(now, &t, "1|ann|30\n2|bob|1\n3|cid|2");
    u->ops->close(now);
}

/* ---- times ---- */

static void a_later_epoch_wins_whatever_its_clock_says(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    const int64_t clocks[] = {5000, 5000, 4000, 5001, 1}; /* still, back, ahead by one, far back */
    (void)progress(s, &t);
    for (int64_t i = 0; i < 5; i++) {
        char row[40];
        const rdl_sink_batch b = {
            .from_epoch = i - 1, .to_epoch = i, .whole = false, .write_us = WRITE_US + clocks[i]};
        snprintf(row, sizeof row, "1|%s|%d", i % 2 == 0 ? "a" : "NULL", 9 - (int)i);
        rdl_chunk *c = chunk_of(&u->arena, &t.columns, row);
        OK(s->ops->begin(s, &t, &b, &err));
        OK(s->ops->upsert(s, c, &err));
        OK(s->ops->commit(s, &err));
        rdl_chunk_free(c);
        EXPECT(s, &t, row);
    }
    u->ops->close(s);
}

static void whole_replaces_rows_from_the_future_too(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    raw_exec("UPDATE %s.people USING TIMESTAMP 4000000000000000 SET age = 99 WHERE id = 1",
             keyspace);
    raw_exec("INSERT INTO %s.people (id, age) VALUES (2, 2) USING TIMESTAMP 4000000000000000",
             keyspace);
    EXPECT(s, &t, "1|ann|99\n2|NULL|2");
    const change c = {1, 2, true, NULL, "1|ann|30"};
    assert_int_equal(write_all(u, s, &t, c, &err), RDL_ECONFLICT);
    assert_true((err.flags & RDL_ERR_REPLAY) != 0); /* the caller sends it once more */
    OK(write_all(u, s, &t, c, &err));
    EXPECT(s, &t, "1|ann|30");
    OK(write_all(u, s, &t, (change){2, 3, false, "1", "3|cid|1"}, &err));
    EXPECT(s, &t, "3|cid|1");
    u->ops->close(s);
}

/* ---- tables ---- */

static void a_table_that_was_made_again_has_no_progress(void **state)
{
    static const char made[] = "CREATE TABLE %s.people (id int PRIMARY KEY, name text, age int)";
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 4, true, NULL, "1|ann|30"}, &err));
    raw_exec("DROP TABLE %s.people", keyspace);
    raw_exec(made, keyspace);
    rdl_sink *other = open_as(u, ROOT_B, false, false); /* it is still ours */
    int64_t epoch;
    assert_int_equal(other->ops->prepare(other, &t, &epoch, &err), RDL_ECONFLICT);
    u->ops->close(other);
    rdl_code rc = RDL_OK;
    for (int64_t i = 4; i < 200 && rc == RDL_OK; i++) /* until the open session has heard of it */
        rc = write_all(u, s, &t, (change){i, i + 1, false, NULL, "2|bob|1"}, &err);
    assert_int_not_equal(rc, RDL_OK);
    assert_true((err.flags & RDL_ERR_RETRY) != 0);
    assert_non_null(strstr(err.msg, "somebody dropped it and made it again"));
    assert_int_equal(progress(s, &t), -1);
    OK(write_all(u, s, &t, (change){-1, 5, true, NULL, "1|ann|30\n2|bob|1"}, &err));
    EXPECT(s, &t, "1|ann|30\n2|bob|1");
    u->ops->close(s);
}

static void a_name_that_is_none_is_refused(void **state)
{
    static const char *const names[] = {"order \"by\"", "raudal_progress", "a.b",
                                        "a_name_that_has_more_than_the_forty_eight_letters_"};
    sink_under_test *u = *state;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rdl_err err = {0};
        int64_t epoch;
        rdl_sink_table t = table_of(&u->arena, names[i], PEOPLE, 1);
        assert_int_equal(s->ops->prepare(s, &t, &epoch, &err), RDL_ESCHEMA);
        assert_non_null(strstr(err.hint, "AS name"));
    }
    u->ops->close(s);
}

static void reserved_names_of_columns_are_quoted(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "select", "group TEXT, it's INTEGER, token TEXT", 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "a|1|x\nb|2|y"}, &err));
    OK(write_all(u, s, &t, (change){1, 2, false, "a", "b|3|z"}, &err));
    EXPECT(s, &t, "b|3|z");
    u->ops->close(s);
}

static void a_table_that_does_not_fit_says_everything_at_once(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    int64_t epoch;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    (void)progress(s, &t);
    raw_exec("CREATE TYPE %s.one (a int)", keyspace);
    raw_exec(
        "CREATE TABLE %s.odd (id int, name frozen<set<int>>, age text, m frozen<map<text, int>>, "
        "u frozen<one>, s text STATIC, c int, PRIMARY KEY (id, c))",
        keyspace);
    rdl_sink_table odd = table_of(&u->arena, "odd",
                                  "id INTEGER, name TEXT[], age INTEGER, m MAP(TEXT, TEXT), "
                                  "u STRUCT(a INTEGER, b TEXT), s TEXT, more TEXT",
                                  1);
    assert_int_equal(s->ops->prepare(s, &odd, &epoch, &err), RDL_ESCHEMA);
    static const char *const says[] = {"\"name\"",
                                       "\"age\": INTEGER does not fit into text",
                                       "\"m\"",
                                       "no field \"b\"",
                                       "\"s\" is static",
                                       "\"more\" is missing",
                                       "primary key is ((id), c), not ((id))"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        if (strstr(err.msg, says[i]) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.msg, says[i]);
    assert_int_equal(rdl_err_exit_code(&err), 5);
    u->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SINK_TEST(a_new_table_has_no_progress_until_it_is_filled),
        SINK_TEST(an_upsert_writes_every_column_nulls_included),
        SINK_TEST(inserts_and_upserts_share_a_batch),
        SINK_TEST(an_insert_of_a_key_that_somebody_wrote_replaces_it),
        SINK_TEST(provisioning_tells_what_it_makes_and_makes_it_once),
        SINK_TEST(seeding_moves_no_progress_and_twice_changes_nothing),
        SINK_TEST(removals_come_first_and_a_missing_key_is_fine),
        SINK_TEST(whole_replaces_everything_that_was_there),
        SINK_TEST(an_empty_batch_moves_the_progress),
        SINK_TEST(an_epoch_that_is_there_already_changes_nothing),
        SINK_TEST(progress_moved_by_another_is_a_conflict),
        SINK_TEST(another_roots_table_is_refused_unless_adopted),
        SINK_TEST(tables_of_one_store_go_on_independently),
        SINK_TEST(null_in_each_type_comes_back_as_null),
        SINK_TEST(keys_of_every_kind_find_their_row),
        SINK_TEST(a_null_in_the_key_is_refused_by_name),
        SINK_TEST(many_rows_go_in_and_come_back),
        SINK_TEST(after_a_lost_answer_the_progress_tells_that_the_rows_are_there),
        SINK_TEST(values_of_every_type_without_nulls_inside_come_back),
        SINK_TEST(a_value_that_cassandra_cannot_hold_is_refused_by_column),
        SINK_TEST(of_a_refused_row_the_key_is_told),
        SINK_TEST(zero_has_one_spelling_in_a_key),
        SINK_TEST(of_a_key_twice_in_a_seed_the_last_counts),
        SINK_TEST(what_a_failed_batch_wrote_the_next_one_writes_over_or_removes),
        SINK_TEST(an_attempt_that_is_made_again_changes_no_cell),
        SINK_TEST(a_claim_that_was_overtaken_cannot_finish_and_its_rows_lose),
        SINK_TEST(rows_that_went_out_after_an_heir_took_the_table_are_taken_back),
        SINK_TEST(late_rows_that_the_newer_claim_wrote_too_stay),
        SINK_TEST(a_later_epoch_wins_whatever_its_clock_says),
        SINK_TEST(whole_replaces_rows_from_the_future_too),
        SINK_TEST(a_table_that_was_made_again_has_no_progress),
        SINK_TEST(a_name_that_is_none_is_refused),
        SINK_TEST(reserved_names_of_columns_are_quoted),
        SINK_TEST(a_table_that_does_not_fit_says_everything_at_once),
    };
    if (getenv("RAUDAL_CASSANDRA") == NULL) {
        fprintf(stderr, "RAUDAL_CASSANDRA names no node\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, connect_to_node, drop_keyspace);
}
