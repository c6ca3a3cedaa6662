/*
 * services/sink_postgres_test.c - the PostgreSQL sink keeps the contract, on a real server; and
 * what is PostgreSQL's alone.  $RAUDAL_POSTGRES names the server; a database of its own is made
 * there.
 */
#include "../contract/sink_contract.c"

#include <libpq-fe.h>

static char database[40], url[600], server[500];

/* ---- the server, not through the sink ---- */

static void no_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static PGconn *raw(const char *conninfo)
{
    PGconn *c = PQconnectdb(conninfo);
    (void)PQsetNoticeReceiver(c, no_notice, NULL);
    if (PQstatus(c) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(c));
    return c;
}

static void raw_exec_at(const char *conninfo, const char *sql)
{
    PGconn *c = raw(conninfo);
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

static void raw_exec(const char *sql)
{
    raw_exec_at(url, sql);
}

/* First row, columns separated by bars. */
static const char *raw_row(const char *sql)
{
    static char text[2000];
    PGconn *c = raw(url);
    PGresult *r = PQexec(c, sql);
    text[0] = '\0';
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    for (int i = 0; PQntuples(r) > 0 && i < PQnfields(r); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i != 0 ? "|" : "",
                 PQgetisnull(r, 0, i) ? "NULL" : PQgetvalue(r, 0, i));
    PQclear(r);
    PQfinish(c);
    return text;
}

static void reset(sink_under_test *u)
{
    raw_exec("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; "
             "DROP SCHEMA IF EXISTS serving CASCADE");
    u->url = url;
}

static int make_database(void **state)
{
    static sink_under_test under = {.ops = &rdl_sink_postgres, .reset = reset, .root_dir = "."};
    char sql[300];
    snprintf(server, sizeof server, "%s", getenv("RAUDAL_POSTGRES"));
    snprintf(database, sizeof database, "raudal_sink_%d", (int)getpid());
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", database);
    raw_exec_at(server, sql);
    char *slash = strrchr(server, '/');
    snprintf(url, sizeof url, "%.*s/%s", (int)(slash - server), server, database);
    /* Nothing may depend on where the server believes to be. */
    snprintf(sql, sizeof sql,
             "ALTER DATABASE %s SET TimeZone = 'Pacific/Chatham'; "
             "ALTER DATABASE %s SET DateStyle = 'German'",
             database, database);
    raw_exec_at(server, sql);
    *state = &under;
    return 0;
}

static int drop_database(void **state)
{
    char sql[300];
    (void)state;
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", database);
    raw_exec_at(server, sql);
    return 0;
}

static rdl_code try_open(const char *as, rdl_err *err)
{
    rdl_sink *s = NULL;
    rdl_sink_config c = {.url = as, .root_dir = ".", .root_uuid = ROOT_A};
    rdl_code rc = rdl_sink_postgres.open(&c, &s, err);
    if (rc == RDL_OK)
        s->ops->close(s);
    return rc;
}

static rdl_code try_prepare(sink_under_test *u, const rdl_sink_table *t, rdl_err *err)
{
    int64_t epoch;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_code rc = s->ops->prepare(s, t, &epoch, err);
    s->ops->close(s);
    return rc;
}

/* ---- connections ---- */

static void a_url_may_be_spelled_both_ways_and_as_settings(void **state)
{
    (void)state;
    rdl_err err;
    char other[700];
    const rdl_sink_ops *ops;
    snprintf(other, sizeof other, "postgresql%s", strchr(url, ':'));
    OK(try_open(other, &err));
    OK(rdl_sink_find(rdl_str_of(other), &ops, &err));
    assert_ptr_equal(ops, &rdl_sink_postgres);
    PGconn *c = raw(url);
    snprintf(other, sizeof other, "postgres:host=%s port=%s user=%s dbname=%s", PQhost(c),
             PQport(c), PQuser(c), PQdb(c));
    PQfinish(c);
    OK(try_open(other, &err));
    assert_int_equal(try_open("postgres:", &err), RDL_EUSAGE);
    assert_int_equal(try_open("postgres:  ", &err), RDL_EUSAGE);
}

static void a_password_is_never_repeated(void **state)
{
    static const char *const bad[] = {
        "postgres://u:s3cret@[::1/db",        "postgres://u:s3cret%zz@h/db",
        "postgres://u:s3cret@h:port/db",      "postgres:host=h password=s3cret what",
        "postgres://u:s3cret@h/db?nothing=1", "postgres://u:s3cret@127.0.0.1:1/db"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rdl_err err = {0};
        assert_int_not_equal(try_open(bad[i], &err), RDL_OK);
        assert_true(err.msg[0] != '\0' && err.hint[0] != '\0');
        assert_null(strstr(err.msg, "s3cret"));
        assert_null(strstr(err.hint, "s3cret"));
    }
}

static void a_server_that_is_down_may_answer_later_and_a_missing_database_is_said(void **state)
{
    rdl_err err;
    char other[700];
    (void)state;
    assert_int_equal(try_open("postgres://127.0.0.1:1/nowhere?connect_timeout=2", &err), RDL_ENET);
    assert_true((err.flags & RDL_ERR_RETRY) != 0);
    assert_int_equal(rdl_err_exit_code(&err), 5);
    snprintf(other, sizeof other, "%.*s/nobody_made_this", (int)(strrchr(url, '/') - url), url);
    assert_int_equal(try_open(other, &err), RDL_EREMOTE);
    assert_non_null(strstr(err.msg, "does not exist"));
    assert_true((err.flags & RDL_ERR_RETRY) == 0);
}

/* ---- tables that are there ---- */

static void peoples_own_tables_are_taken_with_their_types(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    raw_exec("CREATE TABLE bytes(timestamp TIMESTAMP, id TEXT, value BIGINT, type VARCHAR(40), "
             "seen timestamptz DEFAULT now(), UNIQUE (id, type, timestamp))");
    rdl_sink_table t = table_of(
        &u->arena, "bytes", "timestamp TIMESTAMPTZ, id TEXT, type TEXT, value DECIMAL(38,0)", 3);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(s, &t), -1);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, "2025-01-01 00:00:00+00|a|b|5"},
                 &err));
    OK(write_all(u, s, &t, (change){1, 2, false, NULL, "2025-01-01 00:00:00+00|a|b|7"}, &err));
    EXPECT(s, &t, "2025-01-01 00:00:00+00|a|b|7");
    assert_string_equal(raw_row("SELECT timestamp = '2025-01-01 00:00:00', value, seen IS NOT NULL "
                                "FROM bytes"),
                        "t|7|t");
    assert_int_equal(write_all(u, s, &t,
                               (change){2, 3, false, NULL,
                                        "2025-01-01 00:00:00+00|a|b|"
                                        "9223372036854775808"},
                               &err),
                     RDL_EDATA);
    assert_non_null(strstr(err.msg, "\"value\""));
    assert_int_equal(progress(s, &t), 2);
    u->ops->close(s);
}

static void jsonb_and_uuid_columns_are_taken(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    raw_exec("CREATE TABLE k(id uuid PRIMARY KEY, j jsonb, tags jsonb, n numeric)");
    rdl_sink_table t = table_of(&u->arena, "k", "id TEXT, j JSON, tags TEXT[], n BIGINT", 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t,
                 (change){-1, 1, true, NULL, NULL,
                          "11111111-1111-4111-8111-11111111111a|{\"a\": 1}|[\"x\",null]|-5"},
                 &err));
    EXPECT(s, &t, "11111111-1111-4111-8111-11111111111a|{\"a\": 1}|[\"x\",null]|-5");
    assert_int_equal(write_all(u, s, &t, (change){1, 2, false, NULL, "no uuid|1|[]|1"}, &err),
                     RDL_EDATA);
    u->ops->close(s);
}

static void what_does_not_fit_is_named(void **state)
{
    static const struct {
        const char *ddl, *says;
    } cases[] = {
        {"CREATE TABLE people(id int PRIMARY KEY, name text, age int, mail text NOT NULL)",
         "column \"mail\" is there but not in the pipeline, and has no default"},
        {"CREATE TABLE people(id int PRIMARY KEY, name text, age smallint)",
         "column \"age\" is of type smallint, not integer"},
        {"CREATE TABLE people(id int PRIMARY KEY, name text NOT NULL, age int)",
         "column \"name\" is NOT NULL there"},
        {"CREATE TABLE people(id int PRIMARY KEY, name text, age int GENERATED ALWAYS AS (id) "
         "STORED)",
         "column \"age\" is generated there"},
        {"CREATE TABLE people(id int, name text, age int); INSERT INTO people VALUES (1, 'a', 2)",
         "it has no primary key or unique index over (id)"},
        {"CREATE TABLE people(id int, name text UNIQUE, age int); INSERT INTO people VALUES "
         "(1, 'a', 2)",
         "it has no primary key or unique index over (id)"},
        {"CREATE VIEW people AS SELECT 1 AS id", "there is a view of that name"},
    };
    sink_under_test *u = *state;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rdl_err err;
        reset(u);
        raw_exec(cases[i].ddl);
        rdl_sink *s = open_as(u, ROOT_A, true, false);
        int64_t epoch;
        assert_int_equal(s->ops->prepare(s, &t, &epoch, &err), RDL_ESCHEMA);
        if (strstr(err.msg, cases[i].says) == NULL)
            fail_msg("%s\nsays: %s", cases[i].ddl, err.msg);
        assert_int_equal(rdl_err_exit_code(&err), 5);
        s->ops->close(s);
    }
}

static void an_empty_table_without_a_key_gets_one(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    raw_exec("CREATE TABLE people(id int, name text, age int)");
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    OK(try_prepare(u, &t, &err));
    assert_string_equal(raw_row("SELECT count(*) FROM pg_index WHERE indrelid = 'people'::regclass "
                                "AND indisunique"),
                        "1");
}

static void rows_that_nobody_owns_are_not_replaced_unless_adopted(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    raw_exec("CREATE TABLE people(id int PRIMARY KEY, name text, age int); INSERT INTO people "
             "VALUES (1, 'theirs', 2)");
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    assert_int_equal(try_prepare(u, &t, &err), RDL_ECONFLICT);
    assert_non_null(strstr(err.hint, "--adopt"));
    rdl_sink *s = open_as(u, ROOT_A, true, false);
    assert_int_equal(progress(s, &t), -1);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, "2|ours|3"}, &err));
    EXPECT(s, &t, "2|ours|3");
    u->ops->close(s);
}

static void names_are_folded_as_postgres_folds_them(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    raw_exec("CREATE SCHEMA serving; CREATE TABLE serving.taken(id int PRIMARY KEY, \"userName\" "
             "text)");
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    rdl_sink_table t = table_of(&u->arena, "Serving.Made", "Id INTEGER, userName TEXT", 1);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, "1|ann"}, &err));
    assert_string_equal(raw_row("SELECT id, username FROM serving.made"), "1|ann");
    rdl_sink_table taken = table_of(&u->arena, "serving.taken", "Id INTEGER, username TEXT", 1);
    (void)progress(s, &taken);
    OK(write_all(u, s, &taken, (change){-1, 1, true, NULL, NULL, "1|bob"}, &err));
    assert_string_equal(raw_row("SELECT \"userName\" FROM serving.taken"), "bob");
    u->ops->close(s);
}

static void permission_that_is_missing_is_said(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    char other[900], role[64], sql[300];
    snprintf(role, sizeof role, "raudal_poor_%d", (int)getpid());
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN", role);
    raw_exec(sql);
    const char *host = strchr(url, '@');
    snprintf(other, sizeof other, "postgres://%s%s", role, host != NULL ? host : "@");
    const char *own = u->url;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    u->url = other;
    raw_exec("GRANT USAGE ON SCHEMA public TO public");
    assert_int_equal(try_prepare(u, &t, &err), RDL_EREMOTE);
    assert_non_null(strstr(err.msg, "permission denied"));
    assert_int_equal(rdl_err_exit_code(&err), 5);
    u->url = own;
    snprintf(sql, sizeof sql, "DROP OWNED BY %s; DROP ROLE %s", role, role);
    raw_exec(sql);
}

/* ---- provision ---- */

static rdl_code keep_statement(void *arg, const char *statement, rdl_err *err)
{
    (void)err;
    rdl_buf_printf(arg, "%s;\n", statement);
    return RDL_OK;
}

static void a_keyless_table_is_provisioned_when_its_rows_differ(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_buf said = {0};
    raw_exec("CREATE TABLE bytes(timestamp TIMESTAMP, id TEXT, value BIGINT, type TEXT); "
             "INSERT INTO bytes VALUES ('2025-01-01', 'a', 1, 'x'), ('2025-01-01', 'a', 2, 'x'), "
             "('2025-01-01', 'b', 1, 'x')");
    rdl_sink_table t =
        table_of(&u->arena, "bytes", "timestamp TIMESTAMPTZ, id TEXT, type TEXT, value BIGINT", 3);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    assert_int_equal(s->ops->provision(s, &t, keep_statement, &said, &err), RDL_ECONFLICT);
    assert_non_null(strstr(err.msg, "1 key is there more than once, among them (\"2025-01-01 "
                                    "00:00:00\",a,x)"));
    assert_non_null(strstr(err.hint, "HAVING count(*) > 1"));
    raw_exec("DELETE FROM bytes WHERE value = 2");
    raw_exec("INSERT INTO bytes VALUES (NULL, 'c', 1, 'x')");
    assert_int_equal(s->ops->provision(s, &t, NULL, NULL, &err), RDL_ECONFLICT);
    assert_non_null(strstr(err.msg, "null"));
    raw_exec("DELETE FROM bytes WHERE id = 'c'");
    rdl_buf_clear(&said);
    OK(s->ops->provision(s, &t, keep_statement, &said, &err));
    assert_non_null(strstr(said.p, "CREATE UNIQUE INDEX ON \"public\".\"bytes\""));
    rdl_buf_clear(&said);
    OK(s->ops->provision(s, &t, keep_statement, &said, &err));
    assert_int_equal(said.n, 0);
    assert_string_equal(raw_row("SELECT count(*), min(value) FROM bytes"), "2|1");
    rdl_buf_fini(&said);
    u->ops->close(s);
}

static void indexes_are_made_once(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    const rdl_sink_option options[] = {{RDL_STR("indexes"), RDL_STR("name; age, name")},
                                       {RDL_STR("fillfactor"), RDL_STR("60")}};
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    t.options = options;
    t.option_count = 2;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(s->ops->provision(s, &t, NULL, NULL, &err));
    (void)progress(s, &t);
    assert_string_equal(
        raw_row("SELECT count(*) FROM pg_index WHERE indrelid = 'people'::regclass"), "3");
    assert_string_equal(raw_row("SELECT reloptions::text FROM pg_class WHERE relname = 'people'"),
                        "{fillfactor=60}");
    const rdl_sink_option wrong[] = {{RDL_STR("indexes"), RDL_STR("nobody")}};
    t.options = wrong;
    t.option_count = 1;
    assert_int_equal(s->ops->provision(s, &t, NULL, NULL, &err), RDL_EUSAGE);
    assert_non_null(strstr(err.msg, "\"nobody\""));
    u->ops->close(s);
}

/* ---- who may write ---- */

/* An earlier process whose session still holds the row: it is ended, and cannot commit. */
static void a_zombie_in_the_middle_of_a_batch_is_ended(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *old = open_as(u, ROOT_A, false, false);
    (void)progress(old, &t);
    OK(write_all(u, old, &t, (change){-1, 1, true, NULL, NULL, "1|ann|30"}, &err));
    change late = {1, 2, false, NULL, "1|zombie|0", "2|zombie|0"};
    OK(write_open(u, old, &t, &late, &err));
    rdl_sink *now = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(now, &t), 1);
    OK(write_all(u, now, &t, (change){1, 2, false, NULL, "1|ann|31", NULL}, &err));
    assert_int_not_equal(old->ops->commit(old, &err), RDL_OK);
    assert_true((err.flags & RDL_ERR_RETRY) != 0);
    u->ops->close(old);
    EXPECT(now, &t, "1|ann|31");
    assert_int_equal(progress(now, &t), 2);
    u->ops->close(now);
}

static void a_session_that_is_ended_loses_nothing(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, "1|ann|30"}, &err));
    change c = {1, 2, false, "1", NULL, "2|bob|40"};
    OK(write_open(u, s, &t, &c, &err));
    raw_exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name "
             "LIKE 'raudal%'");
    assert_int_not_equal(s->ops->commit(s, &err), RDL_OK);
    assert_true((err.flags & RDL_ERR_RETRY) != 0);
    u->ops->close(s);
    s = open_as(u, ROOT_A, false, false);
    assert_int_equal(progress(s, &t), 1);
    EXPECT(s, &t, "1|ann|30");
    OK(write_all(u, s, &t, c, &err));
    EXPECT(s, &t, "2|bob|40");
    u->ops->close(s);
}

static void text_with_a_nul_inside_is_refused_by_name(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    rdl_chunk *c;
    rdl_sink_table t = table_of(&u->arena, "people", PEOPLE, 1);
    const rdl_sink_batch b = {-1, 1, true, false, WRITE_US};
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    (void)progress(s, &t);
    OK(rdl_chunk_new(&t.columns, &c, &err));
    RDL_VECTOR_AT(&c->v[0], int32_t, 0) = 1;
    rdl_vector_set_str(&c->v[1], 0, "a\0b", 3);
    RDL_VECTOR_AT(&c->v[2], int32_t, 0) = 2;
    c->rows = 1;
    OK(s->ops->begin(s, &t, &b, &err));
    assert_int_equal(s->ops->insert(s, c, &err), RDL_EDATA);
    assert_non_null(strstr(err.msg, "\"name\""));
    s->ops->abort(s);
    rdl_chunk_free(c);
    assert_int_equal(progress(s, &t), -1);
    u->ops->close(s);
}

/* Every digit count and scale, against the server's own reading of the text. */
static void decimals_of_every_scale_are_what_psql_shows(void **state)
{
    sink_under_test *u = *state;
    rdl_err err;
    for (unsigned scale = 0; scale <= 12; scale++) {
        char columns[80], rows[400], want[400];
        snprintf(columns, sizeof columns, "id INTEGER, n DECIMAL(30,%u)", scale);
        static const char digits[] = "987654321098765432";
        rows[0] = want[0] = '\0';
        for (unsigned n = 1; n <= 5; n++) {
            unsigned whole = 3 * n - 2;
            char value[64];
            snprintf(value, sizeof value, "%s%.*s%s%.*s", n % 2 == 0 ? "-" : "", (int)whole, digits,
                     scale > 0 ? "." : "", (int)scale, "000100200030004");
            snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "%s%u|%s", n > 1 ? "\n" : "",
                     n, value);
            snprintf(want + strlen(want), sizeof want - strlen(want), "%s%s", n > 1 ? "," : "",
                     value);
        }
        reset(u);
        rdl_sink_table t = table_of(&u->arena, "d", columns, 1);
        rdl_sink *s = open_as(u, ROOT_A, false, false);
        (void)progress(s, &t);
        OK(write_all(u, s, &t, (change){-1, 1, true, NULL, NULL, rows}, &err));
        assert_string_equal(raw_row("SELECT string_agg(n::text, ',' ORDER BY id) FROM d"), want);
        EXPECT(s, &t, rows);
        u->ops->close(s);
    }
}

static void parameters_in_texts_and_comments_are_none(void **state)
{
    static const char *const names[] = {"x"}, *const values[] = {"7"};
    sink_under_test *u = *state;
    rdl_sink *s = open_as(u, ROOT_A, false, false);
    assert_string_equal(
        ask(u, s,
            "SELECT ':x $x @x' AS a, $$ $x $$ AS b, $t$:x$t$ AS c, '1'::int + :x AS d /* :x */ -- $x",
            1, names, values),
        "a|b|c|d\n:x $x @x| $x |:x|8#");
    assert_string_equal(
        ask(u, s, "SELECT true AS a, ARRAY[1,2] AS b, 'NaN'::float8 AS c", 0, NULL, NULL),
        "a|b|c\ntrue|{1,2}|NaN");
    u->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SINK_CONTRACT_TESTS,
        SINK_TEST(a_url_may_be_spelled_both_ways_and_as_settings),
        SINK_TEST(a_password_is_never_repeated),
        SINK_TEST(a_server_that_is_down_may_answer_later_and_a_missing_database_is_said),
        SINK_TEST(peoples_own_tables_are_taken_with_their_types),
        SINK_TEST(jsonb_and_uuid_columns_are_taken),
        SINK_TEST(what_does_not_fit_is_named),
        SINK_TEST(an_empty_table_without_a_key_gets_one),
        SINK_TEST(rows_that_nobody_owns_are_not_replaced_unless_adopted),
        SINK_TEST(names_are_folded_as_postgres_folds_them),
        SINK_TEST(permission_that_is_missing_is_said),
        SINK_TEST(a_keyless_table_is_provisioned_when_its_rows_differ),
        SINK_TEST(indexes_are_made_once),
        SINK_TEST(a_zombie_in_the_middle_of_a_batch_is_ended),
        SINK_TEST(a_session_that_is_ended_loses_nothing),
        SINK_TEST(text_with_a_nul_inside_is_refused_by_name),
        SINK_TEST(decimals_of_every_scale_are_what_psql_shows),
        SINK_TEST(parameters_in_texts_and_comments_are_none),
    };
    if (getenv("RAUDAL_POSTGRES") == NULL) {
        fprintf(stderr, "RAUDAL_POSTGRES names no server\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, make_database, drop_database);
}
