/*
 * tests/services/cql_node.c - what a session does with a real node, one sentence a case.
 *
 *     cql_node at=host:port [version= lz4= user= password= ca= …]
 *     cql_node load=SECONDS …    inserts until the node was lost and has been back that long
 *     cql_node open=1 …          opens a session, says who is there, and ends
 */
#include "base/clock.h"
#include "cql_arguments.h"

static rdl_cql *session;
static rdl_err err;
static unsigned passed, failed;

#define KEYSPACE "cql_node_test"
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("not ok - %s:%d %s (%s)\n", __func__, __LINE__, #condition, err.msg);           \
            failed++;                                                                              \
            return;                                                                                \
        }                                                                                          \
    } while (0)

static rdl_code run(const char *text)
{
    return rdl_cql_query(session, text, NULL, NULL, &err);
}

/* The first column of the first row, as text. */
static const char *one(const char *text)
{
    static char out[256];
    rdl_cql_result *r = NULL;
    rdl_buf b = {0};
    bool row = false;
    snprintf(out, sizeof out, "(failed)");
    if (rdl_cql_query(session, text, NULL, &r, &err) != RDL_OK)
        return out;
    snprintf(out, sizeof out, "(nothing)");
    if (rdl_cql_fetch(r, &row, &err) == RDL_OK && row &&
        rdl_cql_print(rdl_cql_cell(r, 0), &b, &err) == RDL_OK)
        snprintf(out, sizeof out, "%s", rdl_buf_str(&b));
    rdl_buf_fini(&b);
    rdl_cql_result_free(r);
    return out;
}

static void a_row_is_written_with_the_timestamp_that_is_given(void)
{
    rdl_cql_statement *st;
    rdl_cql_request *r;
    CHECK(rdl_cql_prepare(session, "INSERT INTO " KEYSPACE ".t (k, c, v) VALUES (?, ?, ?)", &st,
                          &err) == RDL_OK);
    CHECK(rdl_cql_key_binds(st) == 1 && rdl_cql_key_bind_at(st, 0) == 0);
    for (int64_t at = 2000; at >= 1000; at -= 1000) { /* the later one stays */
        CHECK(rdl_cql_begin(session, st, &(rdl_cql_options){.timestamp_us = at}, &r, &err) ==
              RDL_OK);
        rdl_cql_put_text(rdl_cql_values(r), RDL_STR("stamp"));
        rdl_cql_put_int(rdl_cql_values(r), 1);
        rdl_cql_put_int(rdl_cql_values(r), at);
        CHECK(rdl_cql_execute(r, NULL, &err) == RDL_OK);
    }
    CHECK(strcmp(one("SELECT v FROM " KEYSPACE ".t WHERE k = 'stamp' AND c = 1"), "2000") == 0);
    CHECK(strcmp(one("SELECT writetime(v) FROM " KEYSPACE ".t WHERE k = 'stamp' AND c = 1"),
                 "2000") == 0);
}

static void an_unset_value_leaves_the_cell_alone(void)
{
    rdl_cql_statement *st;
    rdl_cql_request *r;
    CHECK(rdl_cql_prepare(session, "INSERT INTO " KEYSPACE ".t (k, c, v) VALUES (?, ?, ?)", &st,
                          &err) == RDL_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(rdl_cql_begin(session, st, NULL, &r, &err) == RDL_OK);
        rdl_cql_put_text(rdl_cql_values(r), RDL_STR("unset"));
        rdl_cql_put_int(rdl_cql_values(r), 1);
        if (i == 0)
            rdl_cql_put_int(rdl_cql_values(r), 7);
        else if (i == 1)
            rdl_cql_put_unset(rdl_cql_values(r));
        else
            rdl_cql_put_null(rdl_cql_values(r));
        CHECK(rdl_cql_execute(r, NULL, &err) == RDL_OK);
        CHECK(strcmp(one("SELECT v FROM " KEYSPACE ".t WHERE k = 'unset'"), i < 2 ? "7" : "null") ==
              0);
    }
}

static void a_lightweight_transaction_says_whether_it_was_applied(void)
{
    static const char text[] =
        "INSERT INTO " KEYSPACE ".t (k, c, v) VALUES ('lwt', 1, 1) IF NOT EXISTS";
    rdl_cql_result *r = NULL;
    for (int i = 0; i < 2; i++) {
        CHECK(rdl_cql_query(session, text, NULL, &r, &err) == RDL_OK);
        bool applied = rdl_cql_applied(r);
        rdl_cql_result_free(r);
        CHECK(applied == (i == 0));
    }
}

static void a_batch_is_one_request(void)
{
    rdl_cql_statement *st;
    rdl_cql_request *r;
    rdl_cql_writer w;
    rdl_buf row = {0}, key = {0};
    CHECK(rdl_cql_prepare(session, "INSERT INTO " KEYSPACE ".t (k, c, v) VALUES (?, ?, ?)", &st,
                          &err) == RDL_OK);
    CHECK(rdl_cql_begin_batch(session, RDL_CQL_UNLOGGED, &(rdl_cql_options){.timestamp_us = 77}, &r,
                              &err) == RDL_OK);
    for (int i = 0; i < 50; i++) {
        rdl_buf_clear(&row);
        rdl_cql_row_begin(&w, st, &row, &err);
        rdl_cql_put_text(&w, RDL_STR("batch"));
        rdl_cql_put_int(&w, i);
        rdl_cql_put_int(&w, i * i);
        CHECK(rdl_cql_row_end(&w) == RDL_OK);
        rdl_cql_batch_add_row(r, st, (rdl_str){row.p, row.n});
    }
    CHECK(rdl_cql_batch_count(r) == 50);
    CHECK(rdl_cql_execute(r, NULL, &err) == RDL_OK);
    CHECK(rdl_cql_row_key(st, (rdl_str){row.p, row.n}, &key));
    char token[32];
    snprintf(token, sizeof token, "%ld", (long)rdl_cql_token((rdl_str){key.p, key.n}));
    CHECK(strcmp(one("SELECT token(k) FROM " KEYSPACE ".t WHERE k = 'batch' LIMIT 1"), token) == 0);
    CHECK(strcmp(one("SELECT count(*) FROM " KEYSPACE ".t WHERE k = 'batch'"), "50") == 0);
    CHECK(strcmp(one("SELECT writetime(v) FROM " KEYSPACE ".t WHERE k = 'batch' AND c = 49"),
                 "77") == 0);
    rdl_buf_fini(&row);
    rdl_buf_fini(&key);
}

static void pages_of_a_prepared_statement_follow_each_other(void)
{
    rdl_cql_statement *st;
    rdl_cql_request *q;
    rdl_cql_result *r = NULL;
    bool row = true;
    int64_t n = 0, v = 0;
    CHECK(rdl_cql_prepare(session, "SELECT c FROM " KEYSPACE ".t WHERE k = ?", &st, &err) ==
          RDL_OK);
    CHECK(rdl_cql_begin(session, st, &(rdl_cql_options){.page_rows = 7}, &q, &err) == RDL_OK);
    rdl_cql_put_text(rdl_cql_values(q), RDL_STR("batch"));
    CHECK(rdl_cql_execute(q, &r, &err) == RDL_OK);
    CHECK(rdl_cql_page_rows(r) == 7 && rdl_cql_more_pages(r));
    while (rdl_cql_fetch(r, &row, &err) == RDL_OK && row) {
        CHECK(rdl_cql_get_int(rdl_cql_cell(r, 0), &v, &err) == RDL_OK && v == n);
        n++;
    }
    rdl_cql_result_free(r);
    CHECK(n == 50);
}

static void a_big_value_travels_in_pieces(void)
{
    rdl_cql_statement *st;
    rdl_cql_request *q;
    rdl_cql_result *r = NULL;
    rdl_buf big = {0};
    rdl_str back;
    for (uint64_t x = 1; big.n < 5000000; x = x * 6364136223846793005u + 1442695040888963407u)
        rdl_buf_put(&big, &x, sizeof x);
    CHECK(rdl_cql_prepare(session, "INSERT INTO " KEYSPACE ".big (k, v) VALUES (1, ?)", &st,
                          &err) == RDL_OK);
    CHECK(rdl_cql_begin(session, st, NULL, &q, &err) == RDL_OK);
    rdl_cql_put_blob(rdl_cql_values(q), (rdl_str){big.p, big.n});
    CHECK(rdl_cql_execute(q, NULL, &err) == RDL_OK);
    CHECK(rdl_cql_query(session, "SELECT v FROM " KEYSPACE ".big WHERE k = 1", NULL, &r, &err) ==
          RDL_OK);
    CHECK(rdl_cql_next(r) && rdl_cql_get_blob(rdl_cql_cell(r, 0), &back, &err) == RDL_OK);
    CHECK(back.n == big.n && memcmp(back.p, big.p, big.n) == 0);
    rdl_cql_result_free(r);
    rdl_buf_fini(&big);
}

static void a_statement_outlives_a_change_of_the_schema(void)
{
    rdl_cql_statement *st;
    rdl_cql_stats before, after;
    rdl_cql_stats_get(session, &before);
    CHECK(rdl_cql_prepare(session, "SELECT * FROM " KEYSPACE ".t WHERE k = 'lwt'", &st, &err) ==
          RDL_OK);
    for (int i = 0; i < 2; i++) {
        rdl_cql_request *q;
        rdl_cql_result *r = NULL;
        CHECK(rdl_cql_begin(session, st, NULL, &q, &err) == RDL_OK);
        CHECK(rdl_cql_execute(q, &r, &err) == RDL_OK);
        uint32_t columns = rdl_cql_columns(r);
        rdl_cql_result_free(r);
        CHECK(columns == (i == 0 ? 3 : 4));
        if (i == 0)
            CHECK(run("ALTER TABLE " KEYSPACE ".t ADD w text") == RDL_OK);
    }
    CHECK(rdl_cql_schema_agreement(session, 5000, &err) == RDL_OK);
    for (int i = 0; i < 50; i++) { /* the event comes when it comes */
        rdl_cql_stats_get(session, &after);
        if (after.schema_version > before.schema_version)
            break;
        CHECK(rdl_cql_poll(session, 20, &err) == RDL_OK);
    }
    CHECK(after.schema_version > before.schema_version);
}

static void a_table_that_was_made_anew_with_other_types_is_noticed(void)
{
    rdl_cql_statement *st, *again;
    rdl_cql_request *q;
    static const char text[] = "INSERT INTO " KEYSPACE ".anew (k, v) VALUES (1, ?)";
    CHECK(run("CREATE TABLE " KEYSPACE ".anew (k int PRIMARY KEY, v int)") == RDL_OK);
    CHECK(rdl_cql_prepare(session, text, &st, &err) == RDL_OK);
    CHECK(run("DROP TABLE " KEYSPACE ".anew") == RDL_OK);
    CHECK(run("CREATE TABLE " KEYSPACE ".anew (k int PRIMARY KEY, v bigint)") == RDL_OK);
    CHECK(rdl_cql_begin(session, st, NULL, &q, &err) == RDL_OK);
    rdl_cql_put_int(rdl_cql_values(q), 5);
    CHECK(rdl_cql_execute(q, NULL, &err) == RDL_EREMOTE);
    CHECK(strstr(err.msg, "columns changed") != NULL);
    CHECK(rdl_cql_prepare(session, text, &again, &err) == RDL_OK && again != st);
    CHECK(rdl_cql_begin(session, again, NULL, &q, &err) == RDL_OK);
    rdl_cql_put_int(rdl_cql_values(q), 5);
    CHECK(rdl_cql_execute(q, NULL, &err) == RDL_OK);
}

static void the_schema_is_read_whole(void)
{
    rdl_arena a;
    rdl_cql_table *t = NULL;
    rdl_cql_keyspace *k = NULL;
    const rdl_cql_type *udt = NULL;
    rdl_buf text = {0};
    rdl_arena_init(&a, 0);
    CHECK(run("CREATE TYPE " KEYSPACE ".pt (x int, y frozen<list<text>>)") == RDL_OK);
    CHECK(run("CREATE TABLE " KEYSPACE ".s (\"Org\" text, d date, c int, st int static, "
              "m map<text, frozen<pt>>, PRIMARY KEY ((\"Org\", c), d)) WITH CLUSTERING "
              "ORDER BY "
              "(d DESC) AND comment = 'it''s' AND default_time_to_live = 60") == RDL_OK);
    CHECK(rdl_cql_table_get(session, &a, RDL_STR(KEYSPACE), RDL_STR("s"), &t, &err) == RDL_OK);
    CHECK(t != NULL && t->n == 5 && t->partition_keys == 2 && t->clustering_keys == 1);
    CHECK(rdl_str_eq(t->columns[0].name, RDL_STR("Org")) && t->columns[2].descending);
    CHECK(t->columns[3].role == RDL_CQL_STATIC);
    rdl_cql_type_print(t->columns[4].type, &text);
    CHECK(strcmp(rdl_buf_str(&text), "map<text, frozen<pt>>") == 0);
    bool comment = false;
    for (uint32_t i = 0; i < t->options_n; i++)
        comment |= rdl_str_eq(t->options[i].name, RDL_STR("comment")) &&
                   rdl_str_eq(t->options[i].value, RDL_STR("'it''s'"));
    CHECK(comment);
    CHECK(rdl_cql_udt_get(session, &a, RDL_STR(KEYSPACE), RDL_STR("pt"), &udt, &err) == RDL_OK);
    CHECK(udt != NULL && udt->n == 2);
    CHECK(rdl_cql_keyspace_get(session, &a, RDL_STR(KEYSPACE), &k, &err) == RDL_OK);
    CHECK(k != NULL && k->durable_writes && k->replication_n == 2);
    CHECK(rdl_cql_table_get(session, &a, RDL_STR(KEYSPACE), RDL_STR("none"), &t, &err) == RDL_OK);
    CHECK(t == NULL);
    rdl_buf_fini(&text);
    rdl_arena_fini(&a);
}

static void what_the_server_refuses_is_told_in_its_words(void)
{
    CHECK(run("SELEC 1") == RDL_EREMOTE);
    CHECK(rdl_cql_last_error(session)->code == RDL_CQL_E_SYNTAX);
    CHECK(run("SELECT * FROM " KEYSPACE ".none") == RDL_EREMOTE);
    CHECK(rdl_cql_last_error(session)->code == RDL_CQL_E_INVALID);
    CHECK(run("CREATE TABLE " KEYSPACE ".t (k int PRIMARY KEY)") == RDL_EREMOTE);
    CHECK(rdl_cql_last_error(session)->code == RDL_CQL_E_ALREADY_EXISTS);
    CHECK(strcmp(rdl_cql_last_error(session)->table, "t") == 0);
    rdl_code rc = rdl_cql_query(session, "SELECT * FROM " KEYSPACE ".t",
                                &(rdl_cql_options){.consistency = RDL_CQL_THREE}, NULL, &err);
    CHECK(rc == RDL_EREMOTE && rdl_cql_last_error(session)->code == RDL_CQL_E_UNAVAILABLE);
    CHECK(rdl_cql_last_error(session)->required == 3);
    CHECK(rdl_cql_last_error(session)->alive == 1);
}

static void a_traced_request_has_an_id(void)
{
    rdl_cql_result *r = NULL;
    uint8_t id[16];
    CHECK(rdl_cql_query(session, "SELECT * FROM system.local", &(rdl_cql_options){.tracing = true},
                        &r, &err) == RDL_OK);
    bool traced = rdl_cql_tracing_id(r, id);
    rdl_cql_result_free(r);
    CHECK(traced);
}

static void cases(void)
{
    static void (*const all[])(void) = {a_row_is_written_with_the_timestamp_that_is_given,
                                        an_unset_value_leaves_the_cell_alone,
                                        a_lightweight_transaction_says_whether_it_was_applied,
                                        a_batch_is_one_request,
                                        pages_of_a_prepared_statement_follow_each_other,
                                        a_big_value_travels_in_pieces,
                                        a_statement_outlives_a_change_of_the_schema,
                                        a_table_that_was_made_anew_with_other_types_is_noticed,
                                        the_schema_is_read_whole,
                                        what_the_server_refuses_is_told_in_its_words,
                                        a_traced_request_has_an_id};
    must(run("DROP KEYSPACE IF EXISTS " KEYSPACE), &err);
    must(run("CREATE KEYSPACE " KEYSPACE
             " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"),
         &err);
    must(run("CREATE TABLE " KEYSPACE ".t (k text, c int, v int, PRIMARY KEY (k, c))"), &err);
    must(run("CREATE TABLE " KEYSPACE ".big (k int PRIMARY KEY, v blob)"), &err);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        unsigned before = failed;
        all[i]();
        passed += failed == before;
    }
    must(run("DROP KEYSPACE " KEYSPACE), &err);
}

/* ---- Under load ---- */

static unsigned long answered, refused;

static void done(void *arg, const rdl_cql_answer *a)
{
    (void)arg;
    if (a->code == RDL_OK)
        answered++;
    else if (refused++ < 3)
        fprintf(stderr, "%s\n", a->err->msg);
}

static void load(int seconds)
{
    rdl_cql_statement *st;
    int64_t i = 0, end = 0, latest = rdl_monotonic_us() + 400000000;
    rdl_cql_stats stats;
    must(run("CREATE KEYSPACE IF NOT EXISTS cql_load_test WITH replication = "
             "{'class': 'SimpleStrategy', 'replication_factor': 1}"),
         &err);
    must(run("DROP TABLE IF EXISTS cql_load_test.t"), &err);
    must(run("CREATE TABLE cql_load_test.t (k bigint PRIMARY KEY, v text)"), &err);
    must(rdl_cql_prepare(session, "INSERT INTO cql_load_test.t (k, v) VALUES (?, ?)", &st, &err),
         &err);
    for (; rdl_monotonic_us() < latest && (end == 0 || rdl_monotonic_us() < end); i++) {
        rdl_cql_request *r;
        const rdl_cql_options o = {.idempotent = true, .timeout_ms = 300000, .timestamp_us = 1};
        must(rdl_cql_begin(session, st, &o, &r, &err), &err);
        rdl_cql_put_int(rdl_cql_values(r), i);
        rdl_cql_put_text(rdl_cql_values(r), RDL_STR("some text"));
        must(rdl_cql_send(r, done, NULL, &err), &err);
        rdl_cql_stats_get(session, &stats);
        if (end == 0 && stats.retries > 0 && stats.hosts_up > 0)
            end = rdl_monotonic_us() + (int64_t)seconds * 1000000;
        if (i == 1000) {
            printf("1000 sent\n");
            fflush(stdout);
        }
    }
    must(rdl_cql_drain(session, &err), &err);
    rdl_cql_stats_get(session, &stats);
    printf("sent %ld answered %lu refused %lu retries %lu reprepared %lu\n", (long)i, answered,
           refused, (unsigned long)stats.retries, (unsigned long)stats.reprepared);
}

int main(int argc, char **argv)
{
    rdl_cql_config c;
    rdl_cql_stats stats;
    configure(&c, argc, argv);
    must(rdl_cql_open(&c, &session, &err), &err);
    rdl_cql_stats_get(session, &stats);
    printf("%s, version %u of the protocol, %u of %u nodes\n", rdl_cql_server_version(session),
           stats.protocol_version, stats.hosts_up, stats.hosts);
    if (number("load", 0) > 0)
        load(number("load", 0));
    else if (number("open", 0) == 0)
        cases();
    rdl_cql_close(session);
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
