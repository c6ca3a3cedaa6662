/*
 * unit/sink_sqlite_test.c - the SQLite sink keeps the contract, and what is SQLite's alone.
 */
#include "../contract/sink_contract.c"

#include <sqlite3.h>

#include "base/fs.h"

static char folder[300];
static char file[320];

static void reset(sink_under_test *u)
{
    rdl_err err;
    assert_int_equal(rdl_fs_remove_tree(folder, &err), RDL_OK);
    assert_int_equal(rdl_fs_mkdirs(folder, &err), RDL_OK);
    u->url = "sqlite:serving.db";
}

static int make_folder(void **state)
{
    static sink_under_test under = {.ops = &rdl_sink_sqlite, .reset = reset};
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/raudal-sink-%d", tmp != NULL ? tmp : "/tmp", (int)getpid());
    snprintf(file, sizeof file, "%s/serving.db", folder);
    under.root_dir = folder;
    *state = &under;
    return 0;
}

static int remove_folder(void **state)
{
    rdl_err err;
    (void)state;
    return rdl_fs_remove_tree(folder, &err) == RDL_OK ? 0 : -1;
}

static sqlite3 *raw(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    return db;
}

static void raw_exec(const char *sql)
{
    sqlite3 *db = raw();
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* First row, columns separated by bars. */
static const char *raw_row(const char *sql)
{
    static char text[1000];
    sqlite3_stmt *st;
    sqlite3 *db = raw();
    text[0] = '\0';
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    if (sqlite3_step(st) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const char *v = (const char *)sqlite3_column_text(st, i);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i != 0 ? "|" : "",
                     v != NULL ? v : "NULL");
        }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return text;
}

static rdl_code try_open(sink_under_test *u, const char *url, rdl_err *err)
{
    rdl_sink *s = NULL;
    rdl_sink_config c = {.url = url, .root_dir = u->root_dir, .root_uuid = ROOT_A};
    rdl_code rc = u->ops->open(&c, &s, err);
    if (rc == RDL_OK)
        u->ops->close(s);
    return rc;
}

/* ---- cases ---- */

static void a_url_that_names_no_file_is_refused(void **state)
{
    sink_under_test *u = *state;
    const rdl_sink_ops *ops;
    rdl_err err;
    assert_int_equal(try_open(u, "sqlite:", &err), RDL_EUSAGE);
    assert_int_equal(try_open(u, "sqlite::memory:", &err), RDL_EUSAGE);
    assert_int_equal(try_open(u, "sqlite:a.db?mode=memory", &err), RDL_EUSAGE);
    assert_int_equal(rdl_err_exit_code(&err), 3);
    assert_int_equal(try_open(u, "sqlite:a/b/c.db?busy_timeout_ms=5", &err), RDL_OK);
    assert_int_equal(rdl_sink_find(RDL_STR("sqlite:x"), &ops, &err), RDL_OK);
    assert_ptr_equal(ops, &rdl_sink_sqlite);
    assert_int_equal(rdl_sink_find(RDL_STR("oracle://h/secret"), &ops, &err), RDL_EUSAGE);
    assert_non_null(strstr(err.msg, "oracle"));
    assert_non_null(strstr(err.msg, "sqlite:"));
    assert_null(strstr(err.msg, "secret"));
    assert_int_equal(rdl_sink_find(RDL_STR("serving.db"), &ops, &err), RDL_EUSAGE);
}

static void a_file_that_is_no_database_is_named_and_left_alone(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    char text[4096];
    rdl_buf back = {0};
    memset(text, 'x', sizeof text);
    assert_int_equal(rdl_fs_write_durable(file, text, sizeof text, &err), RDL_OK);
    assert_int_equal(try_open(u, u->url, &err), RDL_EDATA);
    assert_non_null(strstr(err.msg, file));
    assert_non_null(strstr(err.msg, "not a database"));
    assert_int_equal(rdl_err_exit_code(&err), 5);
    assert_int_equal(rdl_fs_read(file, 0, &back, &err), RDL_OK);
    assert_int_equal(back.n, sizeof text);
    rdl_buf_fini(&back);
    assert_int_equal(try_open(u, "sqlite:.", &err), RDL_EUSAGE);
    assert_non_null(strstr(err.msg, "folder"));
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    assert_int_equal(rdl_fs_write_durable(file, "", 0, &err), RDL_OK);
    assert_int_equal(try_open(u, "sqlite:serving.db/below.db", &err), RDL_EIO);
    assert_int_equal(rdl_err_exit_code(&err), 5);
    if (geteuid() == 0)
        return; /* for root nothing is read-only */
    assert_int_equal(chmod(folder, 0500), 0);
    rdl_code rc = try_open(u, "sqlite:other.db", &err);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(rc, RDL_EIO);
    assert_non_null(strstr(err.hint, "written by this user"));
}

static void a_locked_database_is_an_error_that_may_pass(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    u->url = "sqlite:serving.db?busy_timeout_ms=1";
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    sqlite3 *db = raw();
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err), RDL_EIO);
    assert_true((err.flags & RDL_ERR_RETRY) != 0);
    assert_non_null(strstr(err.msg, "locked"));
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    EXPECT(s, &t, "1|ann|30");
    u->ops->close(s);
}

static void readers_outside_are_never_blocked(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    change c = {1, 2, true, NULL, "2|bob|40"};
    OK(write_open(u, s, &t, &c, &err));
    assert_string_equal(raw_row("SELECT * FROM people"), "1|ann|30");
    assert_string_equal(ask(u, s, "SELECT name FROM people", 0, NULL, NULL), "name\nann");
    OK(u->ops->commit(s, &err));
    assert_string_equal(raw_row("SELECT * FROM people"), "2|bob|40");
    assert_string_equal(raw_row("PRAGMA journal_mode"), "wal");
    u->ops->close(s);
}

static void a_table_has_the_key_the_order_and_the_types_of_the_pipeline(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "cost",
                                "org TEXT, day DATE, n DECIMAL(15,2), big DECIMAL(16,2), "
                                "at TIMESTAMPTZ, ok BOOLEAN",
                                2);
    rdl_sink_table wide = table_of(&u->arena, "wide", "id INTEGER, doc JSON", 1);
    (void)progress(s, &t);
    (void)progress(s, &wide);
    assert_string_equal(raw_row("SELECT sql FROM sqlite_master WHERE name = 'cost'"),
                        "CREATE TABLE \"cost\" (\"org\" TEXT NOT NULL, \"day\" TEXT NOT NULL, "
                        "\"n\" DECIMAL(15,2), \"big\" DECIMAL(16,2), \"at\" TEXT, \"ok\" INTEGER, "
                        "PRIMARY KEY (\"org\", \"day\" DESC)) WITHOUT ROWID");
    assert_string_equal(raw_row("SELECT sql FROM sqlite_master WHERE name = 'wide'"),
                        "CREATE TABLE \"wide\" (\"id\" INTEGER NOT NULL, \"doc\" TEXT, "
                        "PRIMARY KEY (\"id\"))");
    OK(write_all(u, s, &t,
                 (change){-1, 1, true, NULL,
                          "a|2025-01-01|1234567890123.45|12345678901234.56|"
                          "2025-01-01 10:00:00.25+00|true\n"
                          "a|2025-01-02|0.10|0.10|2025-01-01 10:00:00+00|false"},
                 &err));
    assert_string_equal(raw_row("SELECT sum(n), typeof(n), max(typeof(big)), max(at), min(at), ok, "
                                "date(at), strftime('%s', at) FROM cost"),
                        "1234567890123.55|real|real|2025-01-01 10:00:00.25+00:00|"
                        "2025-01-01 10:00:00+00:00|0|2025-01-01|1735725600");
    assert_string_equal(
        ask(u, s, "SELECT n, big, n * 2 FROM cost ORDER BY day DESC", 0, NULL, NULL),
        "n|big|n * 2\n0.10#|0.10#|0.2#\n1234567890123.45#|12345678901234.56#|"
        "2469135780246.9#");
    u->ops->close(s);
}

static void decimals_order_as_numbers_and_keep_their_digits(void **state)
{
    static const char rows[] =
        "1|9.50|9|0.00000000000000000000000000000000000001\n"
        "2|100.10|10|0.5\n3|-20.05|-9223372036854775808|-0.5\n4|NULL|NULL|NULL\n"
        "5|12345678901234567.89|9223372036854775808|0.10000000000000000000000000000000000001\n"
        "6|9999999999999.99|9223372036854775807|0.000000000000009\n"
        "7|999999999999999999999999999999999999.99|99999999999999999999999999999999999999|0.7\n"
        "8|10000000000000.00|1|-0.99999999999999999999999999999999999999";
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "sums",
                                "id INTEGER, v DECIMAL(38,2), n DECIMAL(38,0), small "
                                "DECIMAL(38,38)",
                                1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, rows}, &err));
    assert_string_equal(raw_row("SELECT group_concat(id, ' ') FROM (SELECT id FROM sums WHERE v "
                                "IS NOT NULL ORDER BY v)"),
                        "3 1 2 6 8 5 7");
    assert_string_equal(raw_row("SELECT group_concat(id, ' ') FROM (SELECT id FROM sums WHERE n "
                                "> 9 ORDER BY n)"),
                        "2 6 5 7");
    assert_string_equal(raw_row("SELECT group_concat(id, ' ') FROM (SELECT id FROM sums WHERE "
                                "small + 0 < 0.5 ORDER BY small + 0)"),
                        "8 3 1 6 5");
    assert_string_equal(ask(u, s, "SELECT v, n FROM sums WHERE id IN (5, 7) ORDER BY v", 0, NULL,
                            NULL),
                        "v|n\n12345678901234567.89#|9223372036854775808#\n"
                        "999999999999999999999999999999999999.99#|"
                        "99999999999999999999999999999999999999#");
    EXPECT(s, &t,
           "1|9.50|9|0.00000000000000000000000000000000000001\n"
           "2|100.10|10|0.50000000000000000000000000000000000000\n"
           "3|-20.05|-9223372036854775808|-0.50000000000000000000000000000000000000\n"
           "4|NULL|NULL|NULL\n"
           "5|12345678901234567.89|9223372036854775808|0.10000000000000000000000000000000000001\n"
           "6|9999999999999.99|9223372036854775807|0.00000000000000900000000000000000000000\n"
           "7|999999999999999999999999999999999999.99|99999999999999999999999999999999999999|"
           "0.70000000000000000000000000000000000000\n"
           "8|10000000000000.00|1|-0.99999999999999999999999999999999999999");
    u->ops->close(s);
}

static void rows_that_no_pipeline_wrote_are_not_touched(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    int64_t epoch;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    raw_exec("CREATE TABLE people (id INT NOT NULL PRIMARY KEY, age INTEGER, name VARCHAR(20));"
             "INSERT INTO people VALUES (7, 70, 'mine'); CREATE VIEW seen AS SELECT 1 AS id");
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    assert_int_equal(s->ops->prepare(s, &t, &epoch, &err), RDL_ECONFLICT);
    assert_non_null(strstr(err.msg, "no pipeline wrote"));
    rdl_sink_table view = table_of(&u->arena, "seen", "id INTEGER", 1);
    assert_int_equal(s->ops->prepare(s, &view, &epoch, &err), RDL_ESCHEMA);
    rdl_sink_table ours = table_of(&u->arena, "_raudal_progress", "id INTEGER", 1);
    assert_int_equal(s->ops->prepare(s, &ours, &epoch, &err), RDL_ESCHEMA);
    u->ops->close(s);
    assert_string_equal(raw_row("SELECT * FROM people"), "7|70|mine");
    s = open_as(u, ROOT_A, true, false); /* columns in another order fit */
    assert_int_equal(progress(s, &t), -1);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
    EXPECT(s, &t, "1|ann|30");
    u->ops->close(s);
}

static void a_table_that_was_dropped_is_made_and_filled_again(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 5, true, NULL, "1|ann|30"}, &err));
    u->ops->close(s);
    raw_exec("DROP TABLE people");
    s = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(s, &t), -1);
    EXPECT(s, &t, "");
    u->ops->close(s);
}

static void what_others_changed_is_not_guessed_at(void **state)
{
    static const char *const changes[] = {"UPDATE people SET age = 'old'",
                                          "UPDATE people SET age = 99999999999",
                                          "UPDATE people SET name = x'00'"};
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        content c = {.arena = &u->arena};
        reset(u);
        rdl_sink *s = open_as(u, ROOT_A, false, false);
        (void)progress(s, &t);
        OK(write_all(u, s, &t, (change){-1, 1, true, NULL, "1|ann|30"}, &err));
        raw_exec(changes[i]);
        assert_int_equal(s->ops->scan(s, &t, visit, &c, &err), RDL_EDATA);
        assert_non_null(strstr(err.msg, "as we write it"));
        u->ops->close(s);
    }
}

static void text_with_a_nul_inside_is_kept(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_chunk *c;
    content back = {.arena = &u->arena};
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    c = chunk_of(&u->arena, &t.columns, "1|x|30");
    rdl_vector_set_str(&c->v[1], 0, "a\0b", 3);
    const rdl_sink_batch b = {-1, 1, true, false, WRITE_US};
    OK(u->ops->begin(s, &t, &b, &err));
    OK(u->ops->upsert(s, c, &err));
    OK(u->ops->commit(s, &err));
    rdl_chunk_free(c);
    OK(s->ops->scan(s, &t, visit, &back, &err));
    assert_string_equal(raw_row("SELECT hex(name) FROM people"), "610062");
    u->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SINK_CONTRACT_TESTS,
        SINK_TEST(a_url_that_names_no_file_is_refused),
        SINK_TEST(a_file_that_is_no_database_is_named_and_left_alone),
        SINK_TEST(a_place_that_cannot_be_written_is_named),
        SINK_TEST(a_locked_database_is_an_error_that_may_pass),
        SINK_TEST(readers_outside_are_never_blocked),
        SINK_TEST(a_table_has_the_key_the_order_and_the_types_of_the_pipeline),
        SINK_TEST(decimals_order_as_numbers_and_keep_their_digits),
        SINK_TEST(rows_that_no_pipeline_wrote_are_not_touched),
        SINK_TEST(a_table_that_was_dropped_is_made_and_filled_again),
        SINK_TEST(what_others_changed_is_not_guessed_at),
        SINK_TEST(text_with_a_nul_inside_is_kept),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
