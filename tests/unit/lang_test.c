/*
 * The pipeline language: what is read, what is bound to what, and the exact words when
 * something is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "lang/ast.h"
#include "lang/catalog.h"
#include "lang/lexer.h"
#include "lang/load.h"
#include "lang/plan.h"
#include "lang/plan_internal.h"

typedef struct fixture {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_diags diags;
    rdl_pipeline *p;
    rdl_err err;
    rdl_buf said;
} fixture;

static void open_fixture(fixture *f)
{
    *f = (fixture){0};
    rdl_arena_init(&f->arena, 0);
    rdl_diags_init(&f->diags, &f->arena);
    const rdl_duck_config config = {.threads = 1};
    assert_int_equal(rdl_duck_open(&config, &f->duck, &f->err), RDL_OK);
    assert_int_equal(rdl_conn_open(f->duck, &f->conn, &f->err), RDL_OK);
}

static void close_fixture(fixture *f)
{
    rdl_buf_fini(&f->said);
    rdl_conn_close(f->conn);
    rdl_duck_close(f->duck);
    rdl_arena_fini(&f->arena);
}

static rdl_code load(fixture *f, const char *text, const rdl_load_options *options)
{
    rdl_diags_init(&f->diags, &f->arena);
    rdl_buf_clear(&f->said);
    rdl_code rc = rdl_pipeline_load_text(&f->arena, f->conn, "/nowhere", rdl_str_of(text), options,
                                         &f->diags, &f->p, &f->err);
    rdl_diags_print(&f->diags, false, &f->said);
    return rc;
}

static void loads(fixture *f, const char *text)
{
    rdl_code rc = load(f, text, NULL);
    if (rc != RDL_OK)
        fail_msg("%s\n%s", f->err.msg, rdl_buf_str(&f->said));
}

static void fails(fixture *f, const char *text, const char *said)
{
    assert_int_equal(load(f, text, NULL), RDL_EUSAGE);
    assert_string_equal(rdl_buf_str(&f->said), said);
}

static rdl_table *table(fixture *f, const char *name)
{
    rdl_table *t = rdl_pipeline_find(f->p, rdl_str_of(name));
    assert_non_null(t);
    return t;
}

static const char *columns(fixture *f, const char *name)
{
    const rdl_table *t = table(f, name);
    rdl_buf out = {0};
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_printf(&out, "%s%.*s ", i > 0 ? ", " : "", (int)t->columns.v[i].name.n,
                       t->columns.v[i].name.p);
        rdl_type_print(t->columns.v[i].type, &out);
    }
    const char *text = rdl_arena_strdup(&f->arena, rdl_buf_str(&out));
    rdl_buf_fini(&out);
    return text;
}

static void str_is(rdl_str s, const char *expected)
{
    if (!rdl_str_eq(s, rdl_str_of(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", (int)s.n, s.p, expected);
}

static void query_is(fixture *f, const char *sql, const char *expected)
{
    rdl_result *r = NULL;
    const rdl_chunk *c;
    rdl_buf out = {0};
    if (rdl_query(f->conn, sql, &r, &f->err) != RDL_OK)
        fail_msg("%s\n%s", f->err.msg, sql);
    while (rdl_result_next(r, &c)) {
        for (size_t row = 0; row < c->rows; row++) {
            for (size_t i = 0; i < c->n; i++) {
                rdl_buf_puts(&out, i > 0 ? "|" : "");
                if (rdl_vector_valid(&c->v[i], row))
                    rdl_vector_print(&c->v[i], row, &out);
            }
            rdl_buf_putc(&out, '\n');
        }
    }
    rdl_result_free(r);
    assert_string_equal(rdl_buf_str(&out), expected);
    rdl_buf_fini(&out);
}

#define CLICKS "CREATE SOURCE clicks (ts TIMESTAMP, page TEXT, n BIGINT) FROM 'in/' FORMAT JSON;\n"
#define PAGES "CREATE SOURCE pages (page TEXT, title TEXT) FROM 'p.csv' FORMAT CSV SNAPSHOT;\n"
#define BRONZE "CREATE STREAMING TABLE b.clicks AS SELECT * FROM STREAM clicks;\n"

static void the_lexer_knows_comments_strings_and_names(void **state)
{
    (void)state;
    static const char text[] = "a /* x /* y */ z */ 'it''s' -- end\n \"q\"\"q\" 1.5e-3 ;";
    rdl_arena a;
    rdl_diags d;
    rdl_tokens t;
    rdl_arena_init(&a, 0);
    rdl_diags_init(&d, &a);
    const rdl_text_file file = {.path = "t", .text = RDL_STR(text), .original = RDL_STR(text)};
    rdl_lex(&a, &file, &d, &t);
    assert_int_equal(t.list.n, 6);
    assert_int_equal(t.comments.n, 1);
    str_is(rdl_token_value(&a, &t, &t.list.v[1]), "it's");
    str_is(rdl_token_value(&a, &t, &t.list.v[2]), "q\"q");
    assert_int_equal(t.list.v[3].kind, RDL_TOKEN_NUMBER);
    assert_true(rdl_token_is_symbol(&t, &t.list.v[4], ';'));
    assert_int_equal(d.errors, 0);
    rdl_arena_fini(&a);
}

static void unclosed_quotes_and_comments_are_reported(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    fails(&f, "/* a",
          "pipeline.sql:1:1: error: a comment is not closed\n"
          "  1 | /* a\n"
          "    | ^^\n"
          "hint: End it with */.\n");
    fails(&f, ";;'x",
          "pipeline.sql:1:3: error: a string is not closed\n"
          "  1 | ;;'x\n"
          "    |   ^\n");
    close_fixture(&f);
}

static void a_source_has_all_its_clauses_in_any_order(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, "-- Prices, daily.\n-- From the vendor.\n"
              "CREATE OR REFRESH SOURCE prices (\n"
              "  \"when\" TEXT FIELD 'Time', -- as they write it\n"
              "  ts TIMESTAMPTZ AS (CAST(\"when\" AS TIMESTAMPTZ)),\n"
              "  amount DECIMAL(18,6) COMMENT 'in EUR', small SMALLINT, tags TEXT[]\n"
              ") ON REPEAT SKIP OPTIONS (Delimiter = ';', null = 'NA', quiet_ms = 50)\n"
              "  WATERMARK ts DELAY OF INTERVAL '2' DAYS ON MALFORMED FAIL FORMAT CSV FROM 'p/*';");
    const rdl_table *t = table(&f, "PRICES");
    const rdl_source_def *s = t->source;
    assert_string_equal(columns(&f, "prices"),
                        "when VARCHAR, ts TIMESTAMP WITH TIME ZONE, amount DECIMAL(18,6), "
                        "small INTEGER, tags VARCHAR[]");
    str_is(t->comment, "Prices, daily.\nFrom the vendor.");
    str_is(t->schema, "main");
    str_is(t->column_comments[0], "as they write it");
    str_is(t->column_comments[2], "in EUR");
    str_is(s->columns[0].field, "Time");
    str_is(s->columns[1].computed,
           "CAST(CAST(\"when\" AS TIMESTAMP WITH TIME ZONE) AS TIMESTAMP WITH TIME ZONE)");
    assert_int_equal(s->format, RDL_FORMAT_CSV);
    assert_int_equal(s->on_malformed, RDL_MALFORMED_FAIL);
    assert_int_equal(s->on_repeat, RDL_REPEAT_SKIP);
    assert_int_equal(s->watermark_column, 1);
    assert_true(s->watermark_delay_us == INT64_C(172800000000));
    assert_int_equal(s->option_count, 3);
    str_is(s->options[0].name, "delimiter");
    str_is(s->options[2].value, "50");
    str_is(s->url, "p/*");
    close_fixture(&f);
}

static void a_misspelt_option_is_named_with_the_nearest(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    assert_int_equal(load(&f,
                          "CREATE SOURCE s (a TEXT) FROM 'p' FORMAT CSV "
                          "OPTIONS (delimeter = ';');",
                          NULL),
                     RDL_EUSAGE);
    assert_int_equal(f.diags.errors, 1);
    assert_string_equal(f.diags.list.v[0].msg, "unrecognized option \"delimeter\"");
    assert_string_equal(f.diags.list.v[0].hint, "Did you mean \"delimiter\"?");
    close_fixture(&f);
}

static void a_streaming_table_has_constraints_of_all_kinds(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CLICKS
          "CREATE STREAMING TABLE b.t (\n"
          "  CONSTRAINT a EXPECT (n > 0),\n"
          "  CONSTRAINT b EXPECT (page IS NOT NULL) ON VIOLATION DROP ROW,\n"
          "  CONSTRAINT c EXPECT (n < 9) ON VIOLATION QUARANTINE,\n"
          "  CONSTRAINT d EXPECT (n <> 5) ON VIOLATION FAIL UPDATE,\n"
          "  CONSTRAINT e EXPECT (n <> 7) ON VIOLATION IMPUTE (n = coalesce(n, 0), page = '/'),\n"
          "  CONSTRAINT f EXPECT UNIQUE (page, n) ON VIOLATION QUARANTINE\n"
          ") ALLOW FANOUT ON LATE DIVERT DEDUPLICATE ON (page) WITHIN INTERVAL 1 HOUR\n"
          "  PARTITIONED BY (day) COMMENT 'all of them'\n"
          "AS SELECT *, CAST(ts AS DATE) AS day, -- the event's\n"
          "   _ingest_ts AS ingest_ts FROM STREAM clicks;");
    const rdl_table *t = table(&f, "b.t");
    assert_int_equal(t->kind, RDL_TABLE_STREAMING);
    assert_int_equal(t->constraint_count, 6);
    static const rdl_violation actions[] = {RDL_VIOLATION_KEEP,       RDL_VIOLATION_DROP_ROW,
                                            RDL_VIOLATION_QUARANTINE, RDL_VIOLATION_FAIL,
                                            RDL_VIOLATION_IMPUTE,     RDL_VIOLATION_QUARANTINE};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(t->constraints[i].action, actions[i]);
    assert_int_equal(t->constraints[4].impute_count, 2);
    str_is(t->constraints[4].imputes[0].expr, "COALESCE(n, 0)");
    assert_int_equal(t->constraints[5].unique_count, 2);
    assert_int_equal(t->constraints[5].unique[0], 1);
    assert_int_equal(t->on_late, RDL_LATE_DIVERT);
    assert_true(t->allow_fanout);
    assert_int_equal(t->dedup[0], 1);
    assert_true(t->dedup_within_us == INT64_C(3600000000));
    assert_int_equal(t->partition_by[0], 3);
    str_is(t->comment, "all of them");
    str_is(t->column_comments[3], "the event's");
    assert_non_null(t->stream_plan);
    close_fixture(&f);
}

static void a_view_has_a_key_and_a_schedule(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(
        &f, CLICKS BRONZE
        "CREATE MATERIALIZED VIEW g.a PRIMARY KEY (page) SCHEDULE CRON '0 3 * * *' AS\n"
        "  SELECT page, sum(n) AS n FROM STREAM b.clicks GROUP BY ALL;\n"
        "CREATE MATERIALIZED VIEW IF NOT EXISTS g.b SCHEDULE EVERY INTERVAL 5 MINUTES AS\n"
        "  SELECT page FROM a;\n"
        "CREATE MATERIALIZED VIEW g.c TRIGGER ON UPDATE AS SELECT page FROM g.b;\n"
        "PUBLISH g.a TO 'sqlite:s.db' AS pages_n PRIMARY KEY ((page), n DESC) RENAME (page AS page)\n"
        "  WITH (consistency = ONE, replication = {'class': 'X', 'dc': 3});\n"
        "PUBLISH g.a TO 'sqlite:s.db';");
    assert_int_equal(table(&f, "g.a")->schedule.kind, RDL_SCHEDULE_CRON);
    assert_true(table(&f, "g.b")->schedule.every_us == 300000000);
    assert_int_equal(table(&f, "g.c")->schedule.kind, RDL_SCHEDULE_ON_UPDATE);
    assert_string_equal(columns(&f, "g.a"), "page VARCHAR, n DECIMAL(38,0)");
    assert_int_equal(f.p->publication_count, 2);
    const rdl_publication *pub = f.p->publications[0];
    str_is(pub->name, "pages_n");
    assert_int_equal(pub->partition_key_count, 1);
    assert_int_equal(pub->key_count, 2);
    assert_true(pub->descending[1]);
    assert_int_equal(f.p->publications[1]->key_count, 1);
    for (size_t i = 0; i < f.p->table_count; i++)
        for (size_t k = 0; k < f.p->tables[i]->input_count; k++)
            assert_true(f.p->tables[i]->inputs[k].table->index < i);
    close_fixture(&f);
}

static void a_star_never_brings_hidden_columns(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CLICKS PAGES
          "CREATE STREAMING TABLE b.a AS SELECT * FROM STREAM clicks;\n"
          "CREATE STREAMING TABLE b.b AS SELECT c.*, title FROM STREAM clicks AS c\n"
          "  LEFT JOIN pages USING (page);\n"
          "CREATE STREAMING TABLE b.c AS SELECT * EXCLUDE (n) REPLACE (upper(title) AS title)\n"
          "  RENAME (ts AS at_time) FROM STREAM clicks LEFT JOIN pages USING (page);\n"
          "CREATE STREAMING TABLE b.d AS SELECT q.* FROM (SELECT * FROM STREAM b.a) AS q;\n"
          "CREATE MATERIALIZED VIEW g.a AS WITH q AS (SELECT * FROM b.a) SELECT * FROM q;\n"
          "CREATE MATERIALIZED VIEW g.b AS SELECT max(COLUMNS(* EXCLUDE (page))) FROM b.a;\n"
          "CREATE MATERIALIZED VIEW g.c AS SELECT * FROM b.a NATURAL JOIN b.c;\n"
          "CREATE MATERIALIZED VIEW g.d AS SELECT a.* FROM b.a WHERE b.a.n > 1;\n");
    static const char plain[] = "ts TIMESTAMP WITH TIME ZONE, page VARCHAR, n BIGINT";
    assert_string_equal(columns(&f, "b.a"), plain);
    assert_string_equal(columns(&f, "b.b"),
                        "ts TIMESTAMP WITH TIME ZONE, page VARCHAR, n BIGINT, title VARCHAR");
    assert_string_equal(columns(&f, "b.c"),
                        "at_time TIMESTAMP WITH TIME ZONE, page VARCHAR, title VARCHAR");
    assert_string_equal(columns(&f, "b.d"), plain);
    assert_string_equal(columns(&f, "g.a"), plain);
    assert_string_equal(columns(&f, "g.b"), "ts TIMESTAMP WITH TIME ZONE, n BIGINT");
    assert_string_equal(columns(&f, "g.d"), plain);
    str_is(table(&f, "b.a")->body,
           "SELECT clicks.ts, clicks.page, clicks.n FROM main.clicks AS clicks");
    fails(&f, CLICKS "CREATE STREAMING TABLE b.a AS SELECT * EXCLUDE (m) FROM STREAM clicks;",
          "pipeline.sql:2:38: error: * has no column \"m\"\n"
          "  2 | CREATE STREAMING TABLE b.a AS SELECT * EXCLUDE (m) FROM STREAM clicks;\n"
          "    |                                      ^\n");
    close_fixture(&f);
}

static void a_tables_name_is_no_column(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    fails(&f, CLICKS "CREATE STREAMING TABLE b.a AS SELECT c AS row FROM STREAM clicks AS c;",
          "pipeline.sql:2:38: error: \"c\" is a table here, not a column\n"
          "  2 | CREATE STREAMING TABLE b.a AS SELECT c AS row FROM STREAM clicks AS c;\n"
          "    |                                      ^\n"
          "hint: Name the columns, for example with struct_pack.\n");
    close_fixture(&f);
}

static void types_outside_the_list_are_cast_or_refused(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f,
          CLICKS "CREATE STREAMING TABLE b.a AS SELECT *, ts::TIMESTAMP AS t, n::FLOAT AS fl,\n"
                 "  n::TINYINT AS ti, n::UBIGINT AS ub, [ts::TIMESTAMP] AS l FROM STREAM clicks;\n"
                 "CREATE MATERIALIZED VIEW g.u AS SELECT sum(n) AS n FROM b.a\n"
                 "  UNION ALL SELECT 0::HUGEINT;\n");
    assert_string_equal(columns(&f, "b.a"),
                        "ts TIMESTAMP WITH TIME ZONE, page VARCHAR, n BIGINT, "
                        "t TIMESTAMP WITH TIME ZONE, fl DOUBLE, ti INTEGER, ub DECIMAL(38,0), "
                        "l TIMESTAMP WITH TIME ZONE[]");
    assert_string_equal(columns(&f, "g.u"), "n DECIMAL(38,0)");
    fails(&f,
          CLICKS BRONZE "CREATE MATERIALIZED VIEW g.i AS SELECT page, INTERVAL 1 DAY AS i "
                        "FROM b.clicks;",
          "pipeline.sql:3:55: error: column \"i\" has type INTERVAL, which a table cannot hold\n"
          "  3 | CREATE MATERIALIZED VIEW g.i AS SELECT page, INTERVAL 1 DAY AS i FROM "
          "b.clicks;\n"
          "    |                                                       ^\n"
          "hint: Cast it.\n");
    close_fixture(&f);
}

static void views_and_functions_are_put_into_the_body(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CLICKS
          "CREATE FUNCTION twice(x DOUBLE) RETURNS BIGINT RETURN x * 2;\n"
          "CREATE FUNCTION all_twice(xs BIGINT[], y BIGINT) RETURNS BIGINT[]\n"
          "  RETURN list_transform(xs, n -> n * y + twice(y));\n"
          "CREATE VIEW v AS SELECT page, twice(n) AS n2, n FROM STREAM clicks;\n"
          "CREATE STREAMING TABLE b.a AS SELECT x.page, all_twice([n2], n) AS l FROM v AS x;\n");
    const rdl_table *t = table(&f, "b.a");
    assert_int_equal(t->input_count, 1);
    assert_true(t->inputs[0].stream);
    str_is(t->inputs[0].table->full, "clicks");
    assert_string_equal(columns(&f, "b.a"), "page VARCHAR, l BIGINT[]");
    assert_true(rdl_str_starts(t->body, "SELECT x.page, CAST(list_transform("));
    /* The lambda's n is not the table's n. */
    rdl_err err = {0};
    assert_int_equal(rdl_exec(f.conn,
                              "CREATE TABLE main.clicks AS SELECT NULL::TIMESTAMPTZ AS ts,"
                              " '/' AS page, 3::BIGINT AS n",
                              &err),
                     RDL_OK);
    query_is(&f, rdl_arena_strndup(&f.arena, t->body.p, t->body.n), "/|[24]\n");
    fails(&f, "CREATE FUNCTION f(x BIGINT) RETURNS BIGINT RETURN x + y;",
          "pipeline.sql:1:55: error: unrecognized argument \"y\"\n"
          "  1 | CREATE FUNCTION f(x BIGINT) RETURNS BIGINT RETURN x + y;\n"
          "    |                                                       ^\n"
          "hint: A function sees its arguments only.\n");
    close_fixture(&f);
}

static void now_means_the_rows_arrival_in_streams_and_nothing_in_views(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CLICKS "CREATE STREAMING TABLE b.a AS SELECT page, now() AS a, current_date AS b,\n"
                     "  current_timestamp FROM STREAM clicks AS c;");
    assert_string_equal(columns(&f, "b.a"), "page VARCHAR, a TIMESTAMP WITH TIME ZONE, b DATE, "
                                            "current_timestamp TIMESTAMP WITH TIME ZONE");
    str_is(table(&f, "b.a")->body,
           "SELECT page, c._ingest_ts AS a, CAST(c._ingest_ts AS DATE) AS b, c._ingest_ts AS "
           "current_timestamp FROM main.clicks AS c");
    fails(&f,
          CLICKS BRONZE
          "CREATE MATERIALIZED VIEW g.a AS SELECT page FROM b.clicks WHERE ts > now();\n"
          "CREATE MATERIALIZED VIEW g.b AS SELECT page, random() AS r FROM b.clicks;\n",
          "pipeline.sql:3:70: error: now() would give another answer at each refresh\n"
          "  3 | CREATE MATERIALIZED VIEW g.a AS SELECT page FROM b.clicks WHERE ts > now();\n"
          "    |                                                                      ^^^\n"
          "hint: Use a time that the rows carry, such as an ingest_ts column.\n"
          "pipeline.sql:4:46: error: random() depends on more than its arguments\n"
          "  4 | CREATE MATERIALIZED VIEW g.b AS SELECT page, random() AS r FROM b.clicks;\n"
          "    |                                              ^^^^^^\n"
          "hint: The same rows must always give the same answer.\n");
    close_fixture(&f);
}

static void several_errors_come_at_once_with_places_and_nearest_names(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    fails(
        &f,
        CLICKS "CREATE STREAMING TABLE b.a AS\n"
               "  SELECT ts, pge FROM STREAM clicks;\n"
               "CREATE STREAMING TABEL b.b AS SELECT 1;\n"
               "CREATE STREAMING TABLE b.c AS SELECT * FROM STREAM klicks;\n"
               "CREATE MATERIALIZED VIEW g.a AS SELECT lenght(page) AS l FROM b.d\n"
               "CREATE STREAMING TABLE b.d PARTITIONED BY (pag) AS SELECT * FROM STREAM clicks;\n",
        "pipeline.sql:3:14: error: unrecognized column \"pge\" in source \"clicks\"\n"
        "  3 |   SELECT ts, pge FROM STREAM clicks;\n"
        "    |              ^^^\n"
        "hint: Did you mean \"page\"?\n"
        "pipeline.sql:4:8: error: expected SOURCE, STREAMING TABLE, MATERIALIZED VIEW, VIEW, "
        "FUNCTION, FLOW, DECISION TABLE, REPORT, MODEL TABLE, MODEL or ALERT, found \"STREAMING\"\n"
        "  4 | CREATE STREAMING TABEL b.b AS SELECT 1;\n"
        "    |        ^^^^^^^^^\n"
        "pipeline.sql:5:52: error: unrecognized table \"klicks\"\n"
        "  5 | CREATE STREAMING TABLE b.c AS SELECT * FROM STREAM klicks;\n"
        "    |                                                    ^^^^^^\n"
        "hint: Did you mean \"clicks\"?\n"
        "pipeline.sql:7:1: error: a semicolon is missing before this statement\n"
        "  7 | CREATE STREAMING TABLE b.d PARTITIONED BY (pag) AS SELECT * FROM STREAM clicks;\n"
        "    | ^^^^^^\n"
        "hint: End the statement above with one.\n"
        "pipeline.sql:7:44: error: unrecognized column \"pag\" in \"b.d\"\n"
        "  7 | CREATE STREAMING TABLE b.d PARTITIONED BY (pag) AS SELECT * FROM STREAM clicks;\n"
        "    |                                            ^^^\n"
        "hint: Did you mean \"page\"?\n");
    assert_string_equal(f.err.msg, "could not load pipeline \"nowhere\": 5 errors in its text");
    assert_int_equal(rdl_err_exit_code(&f.err), 2);
    close_fixture(&f);
}

static void a_place_inside_a_rewritten_body_is_the_users(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    fails(&f,
          CLICKS BRONZE "CREATE VIEW v AS SELECT *, n + 1 AS m FROM b.clicks;\n"
                        "CREATE MATERIALIZED VIEW g.a AS\n"
                        "  SELECT page,\n"
                        "         sum(m) FILTER (WHERE tz IS NOT NULL) AS \"größe\"\n"
                        "  FROM v GROUP BY ALL;\n",
          "pipeline.sql:6:31: error: unrecognized column \"tz\" in table \"b.clicks\"\n"
          "  6 |          sum(m) FILTER (WHERE tz IS NOT NULL) AS \"größe\"\n"
          "    |                               ^^\n"
          "hint: Did you mean \"ts\"?\n");
    fails(&f,
          CLICKS
          "CREATE STREAMING TABLE b.a AS SELECT 'größe' AS g, CASE WHEN 1 FROM STREAM clicks;",
          "pipeline.sql:2:64: error: syntax error at or near \"FROM\"\n"
          "  2 | CREATE STREAMING TABLE b.a AS SELECT 'größe' AS g, CASE WHEN 1 FROM STREAM "
          "clicks;\n"
          "    |                                                                ^^^^\n");
    close_fixture(&f);
}

static void what_may_be_read_how_is_checked(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    fails(&f,
          CLICKS PAGES BRONZE
          "CREATE STREAMING TABLE b.a AS SELECT * FROM clicks;\n"
          "CREATE STREAMING TABLE b.b AS SELECT * FROM STREAM pages;\n"
          "CREATE MATERIALIZED VIEW g.a AS SELECT * FROM STREAM clicks;\n"
          "CREATE STREAMING TABLE b.c AS SELECT c.* FROM STREAM clicks AS c JOIN b.clicks AS d "
          "USING (page);\n"
          "CREATE STREAMING TABLE b.e AS SELECT * FROM pages;\n",
          "pipeline.sql:4:45: error: source \"clicks\" is append-only and can only be read as a "
          "stream\n"
          "  4 | CREATE STREAMING TABLE b.a AS SELECT * FROM clicks;\n"
          "    |                                             ^^^^^^\n"
          "hint: Write STREAM before its name.\n"
          "pipeline.sql:5:52: error: STREAM needs rows that are only added, and \"pages\" is a "
          "snapshot source\n"
          "  5 | CREATE STREAMING TABLE b.b AS SELECT * FROM STREAM pages;\n"
          "    |                                                    ^^^^^\n"
          "hint: Drop the word STREAM: its rows can change or go.\n"
          "pipeline.sql:6:54: error: a materialized view cannot read source \"clicks\": its rows "
          "are not kept\n"
          "  6 | CREATE MATERIALIZED VIEW g.a AS SELECT * FROM STREAM clicks;\n"
          "    |                                                      ^^^^^^\n"
          "hint: Land it in a streaming table first: CREATE STREAMING TABLE bronze.x AS SELECT * "
          "FROM STREAM x.\n"
          "pipeline.sql:7:71: error: \"b.clicks\" is fed by a stream: the result would depend on "
          "when it is read\n"
          "  7 | CREATE STREAMING TABLE b.c AS SELECT c.* FROM STREAM clicks AS c JOIN b.clicks AS "
          "d USING (page);\n"
          "    |                                                                       ^^^^^^^^\n"
          "hint: Join a snapshot, or say PROCESSING TIME to take the table as it stands.\n"
          "pipeline.sql:8:31: error: a streaming table must read a stream\n"
          "  8 | CREATE STREAMING TABLE b.e AS SELECT * FROM pages;\n"
          "    |                               ^^^^^^^^^^^^^^^^^^^\n"
          "hint: Write FROM STREAM x, or create a MATERIALIZED VIEW instead.\n");
    close_fixture(&f);
}

static void cycles_duplicates_and_reserved_names_are_refused(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    fails(&f,
          CLICKS "CREATE MATERIALIZED VIEW g.a AS SELECT * FROM g.b;\n"
                 "CREATE MATERIALIZED VIEW g.b AS SELECT * FROM g.a;\n"
                 "CREATE SOURCE Clicks (a TEXT) FROM 'x' FORMAT JSON;\n"
                 "CREATE SOURCE s (_epoch INT) FROM 'x' FORMAT JSON;\n"
                 "CREATE MATERIALIZED VIEW alone AS SELECT 1 AS one;\n",
          "pipeline.sql:3:47: error: \"g.a\" is part of a cycle\n"
          "  3 | CREATE MATERIALIZED VIEW g.b AS SELECT * FROM g.a;\n"
          "    |                                               ^^^\n"
          "hint: Tables must not depend on themselves, directly or through others.\n"
          "pipeline.sql:4:15: error: \"clicks\" is there already, at pipeline.sql:1\n"
          "  4 | CREATE SOURCE Clicks (a TEXT) FROM 'x' FORMAT JSON;\n"
          "    |               ^^^^^^\n"
          "pipeline.sql:5:18: error: \"_epoch\" is a system column\n"
          "  5 | CREATE SOURCE s (_epoch INT) FROM 'x' FORMAT JSON;\n"
          "    |                  ^^^^^^\n"
          "hint: Give it another name, with FIELD for the name in the data.\n"
          "pipeline.sql:6:26: error: table \"alone\" has no schema\n"
          "  6 | CREATE MATERIALIZED VIEW alone AS SELECT 1 AS one;\n"
          "    |                          ^^^^^\n"
          "hint: Write it as schema.name, for example gold.x.\n");
    close_fixture(&f);
}

static void what_this_version_lacks_is_said(void **state)
{
    (void)state;
    fixture f;
    static const char *const texts[][2] = {
        {"CREATE SOURCE k (a TEXT) FROM 's3://b/t' FORMAT JSON;",
         "sources of the kind \"s3:\" are not"},
    };
    open_fixture(&f);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(load(&f, texts[i][0], NULL), RDL_EUSAGE);
        assert_int_equal(f.diags.errors, 1);
        assert_non_null(strstr(rdl_buf_str(&f.said), texts[i][1]));
        assert_non_null(strstr(rdl_buf_str(&f.said), "supported in this version"));
    }
    assert_int_equal(load(&f,
                          CLICKS BRONZE "PUBLISH b.clicks TO 'mongo://h/k' "
                                        "PRIMARY KEY (page);",
                          NULL),
                     RDL_EUSAGE);
    assert_non_null(strstr(rdl_buf_str(&f.said), "destinations of the kind \"mongo:\""));
    close_fixture(&f);
}

static void columns_of_messages_are_for_topics_and_typed(void **state)
{
    (void)state;
    fixture f;
    static const char *const texts[][2] = {
        {"CREATE SOURCE k (a TEXT) FROM 'in/' FORMAT TEXT;", "are for messages"},
        {"CREATE SOURCE k (a TEXT FROM OFFSET) FROM 'kafka://b/t' FORMAT JSON;",
         "a column FROM OFFSET is declared as BIGINT"},
        {"CREATE SOURCE k (a TEXT FROM HEADERS) FROM 'kafka://b/t' FORMAT JSON;",
         "MAP(TEXT, TEXT)"},
        {"CREATE SOURCE k (a TEXT FROM NOTHING) FROM 'kafka://b/t' FORMAT JSON;", "expected KEY"},
        {"CREATE SOURCE k (a TEXT FROM KEY FIELD 'x') FROM 'kafka://b/t' FORMAT JSON;",
         "is no field of its payload"},
        {"CREATE SOURCE k (a TEXT, b TEXT) FROM 'kafka://b/t' FORMAT RAW;", "there are 2"},
        {"CREATE SOURCE k (a TEXT) FROM 'kafka://b/t' FORMAT PARQUET;", "has no Parquet files"},
        {"CREATE SOURCE k (a TEXT) FROM 'kafka://b/t' FORMAT JSON OPTIONS (strat = 'latest');",
         "Did you mean \"start\""},
        {"CREATE SOURCE k (a TEXT) FROM 'kafka://b/t' FORMAT JSON ON DATA LOSS MAYBE;",
         "expected FAIL or CONTINUE"},
    };
    open_fixture(&f);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(load(&f, texts[i][0], NULL), RDL_EUSAGE);
        assert_non_null(strstr(rdl_buf_str(&f.said), texts[i][1]));
    }
    /* So that one text runs on a folder and on a topic. */
    assert_int_equal(
        load(&f, "CREATE SOURCE k (a TEXT FROM KEY, b TEXT FROM VALUE) FROM 'in/' FORMAT JSON;",
             NULL),
        RDL_OK);
    assert_int_equal(
        load(&f,
             "CREATE SOURCE k (key TEXT FROM KEY, at TIMESTAMPTZ FROM TIMESTAMP, "
             "h MAP(TEXT, TEXT) FROM HEADERS, t TEXT FROM TOPIC, p INT FROM PARTITION, "
             "o BIGINT FROM OFFSET, gone BOOLEAN FROM TOMBSTONE, v BLOB) "
             "FROM 'kafka://b:9092/t,u' FORMAT RAW ON DATA LOSS CONTINUE "
             "OPTIONS (sasl.username = 'u', 'sasl.password' = 'p', start = 'latest');",
             NULL),
        RDL_OK);
    const rdl_source_def *s = f.p->tables[0]->source;
    assert_true(s->loss_continues);
    assert_int_equal(s->format, RDL_FORMAT_TEXT);
    assert_int_equal(s->columns[0].from, RDL_COLUMN_KEY);
    assert_int_equal(s->columns[6].from, RDL_COLUMN_TOMBSTONE);
    assert_string_equal(s->options[0].name.p, "sasl.username");
    close_fixture(&f);
}

static void variables_come_from_the_file_the_environment_and_set(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    char *dir = rdl_fs_temp_dir(&f.arena, "rdl-lang", &f.err);
    assert_non_null(dir);
    static const char env[] = "# comment\nexport LANG_TEST_A = 'file a'\nLANG_TEST_B=file b\n"
                              "max_rows_per_epoch=7\n";
    assert_int_equal(rdl_fs_write_durable(rdl_path_join(&f.arena, dir, "raudal.env"), env,
                                          sizeof env - 1, &f.err),
                     RDL_OK);
    static const char text[] =
        "-- ${LANG_TEST_NOBODY} in a comment is left alone\n"
        "CREATE SOURCE a (x TEXT) FROM '${LANG_TEST_A}' FORMAT JSON;\n"
        "CREATE SOURCE b (x TEXT) FROM '${LANG_TEST_B}' FORMAT JSON;\n"
        "CREATE SOURCE c (x TEXT) FROM '${LANG_TEST_C:-default c}' FORMAT JSON;\n"
        "CREATE SOURCE d (x TEXT) FROM '${LANG_TEST_D}' FORMAT JSON;\n"
        "CREATE SOURCE e (x TEXT) FROM '${LANG_TEST_E:-${LANG_TEST_B}/${LANG_TEST_F:-f}/*}' FORMAT "
        "JSON;\n";
    assert_int_equal(
        rdl_fs_write_durable(rdl_path_join(&f.arena, dir, "a.sql"), text, sizeof text - 1, &f.err),
        RDL_OK);
    assert_int_equal(rdl_fs_mkdirs(rdl_path_join(&f.arena, dir, "queries"), &f.err), RDL_OK);
    static const char query[] = "-- What it answers.\n-- How.\nSELECT 1;\n";
    assert_int_equal(rdl_fs_write_durable(rdl_path_join(&f.arena, dir, "queries/q.sql"), query,
                                          sizeof query - 1, &f.err),
                     RDL_OK);
    setenv("LANG_TEST_B", "env b", 1);
    setenv("LANG_TEST_D", "env d", 1);
    static const char *const set[] = {"LANG_TEST_D=set d"};
    const rdl_load_options options = {.set = set, .set_count = 1};
    rdl_code rc = rdl_pipeline_load(&f.arena, f.conn, dir, &options, &f.diags, &f.p, &f.err);
    unsetenv("LANG_TEST_B");
    unsetenv("LANG_TEST_D");
    assert_int_equal(rc, RDL_OK);
    str_is(table(&f, "a")->source->url, "file a");
    str_is(table(&f, "b")->source->url, "env b");
    str_is(table(&f, "c")->source->url, "default c");
    str_is(table(&f, "d")->source->url, "set d");
    str_is(table(&f, "e")->source->url, "env b/f/*");
    str_is(rdl_pipeline_setting(f.p, "max_rows_per_epoch", "1"), "7");
    str_is(rdl_pipeline_setting(f.p, "trigger_interval", "30 s"), "30 s");
    setenv("RAUDAL_MAX_ROWS_PER_EPOCH", "8", 1);
    str_is(rdl_pipeline_setting(f.p, "max_rows_per_epoch", "1"), "8");
    unsetenv("RAUDAL_MAX_ROWS_PER_EPOCH");
    assert_int_equal(f.p->query_count, 1);
    str_is(f.p->queries[0].name, "q");
    str_is(f.p->queries[0].comment, "What it answers.\nHow.");
    assert_int_equal(rdl_fs_remove_tree(dir, &f.err), RDL_OK);
    close_fixture(&f);
}

static void a_variable_that_nobody_set_is_an_error_at_its_place(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    static const char *const set[] = {"LANG_TEST_LONG=a much longer text than the name of it"};
    const rdl_load_options options = {.set = set, .set_count = 1};
    assert_int_equal(load(&f,
                          "CREATE SOURCE a (x TEXT) FROM '${LANG_TEST_LONG}${LANG_TEST_NO}' "
                          "FORMAT JSN;",
                          &options),
                     RDL_EUSAGE);
    assert_string_equal(
        rdl_buf_str(&f.said),
        "pipeline.sql:1:49: error: variable \"LANG_TEST_NO\" is not set\n"
        "  1 | CREATE SOURCE a (x TEXT) FROM '${LANG_TEST_LONG}${LANG_TEST_NO}' FORMAT JSN;\n"
        "    |                                                 ^^^^^^^^^^^^^^^\n"
        "hint: Set it with --set NAME=value, in the environment or in raudal.env, or write "
        "${NAME:-default}.\n"
        "pipeline.sql:1:73: error: expected JSON, CSV, PARQUET, TEXT or RAW, found \"JSN\"\n"
        "  1 | CREATE SOURCE a (x TEXT) FROM '${LANG_TEST_LONG}${LANG_TEST_NO}' FORMAT JSN;\n"
        "    |                                                                         ^^^\n"
        "hint: Did you mean JSON?\n");
    close_fixture(&f);
}

static void the_connection_is_left_as_it_was(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    rdl_err err = {0};
    assert_int_equal(
        rdl_exec(f.conn, "CREATE SCHEMA b; CREATE TABLE b.clicks AS SELECT 42 AS x", &err), RDL_OK);
    loads(&f, CLICKS BRONZE);
    assert_int_equal(load(&f, CLICKS "CREATE", NULL), RDL_EUSAGE);
    query_is(&f, "SELECT x FROM b.clicks", "42\n");
    query_is(&f, "SELECT count(*) FROM duckdb_databases() WHERE NOT internal", "1\n");
    query_is(&f, "SELECT count(*) FROM duckdb_tables()", "1\n");
    close_fixture(&f);
}

static void a_fingerprint_follows_the_meaning_not_the_spelling(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CLICKS "CREATE STREAMING TABLE b.a AS SELECT page, n + 1 AS m FROM STREAM clicks;");
    const rdl_hash128 first = table(&f, "b.a")->fingerprint;
    loads(&f, CLICKS "-- a comment\ncreate streaming table b.a as\n"
                     "select page, n+1 m from stream(clicks);");
    assert_true(rdl_hash128_eq(first, table(&f, "b.a")->fingerprint));
    loads(&f, CLICKS "CREATE STREAMING TABLE b.a AS SELECT page, n + 2 AS m FROM STREAM clicks;");
    assert_false(rdl_hash128_eq(first, table(&f, "b.a")->fingerprint));
    loads(&f, CLICKS "CREATE STREAMING TABLE b.a DEDUPLICATE ON (page) AS SELECT page, n + 1 AS m "
                     "FROM STREAM clicks;");
    assert_false(rdl_hash128_eq(first, table(&f, "b.a")->fingerprint));
    close_fixture(&f);
}

#define CHANGES                                                                                    \
    "CREATE SOURCE cdc (id INT, op TEXT, at_s INT, city TEXT, seen INT) FROM 'c/' FORMAT JSON;\n"

static void put_changes(fixture *f, const char *history)
{
    rdl_err err = {0};
    rdl_code rc = rdl_execf(
        f->conn, &err,
        "CREATE OR REPLACE TABLE s.\"%s$changes\" AS SELECT id, op, at_s, city, seen, "
        "op = 'D' AS _cdc_delete, at_s AS _cdc_sequence, 1 AS _epoch, 0 AS _source_partition, "
        "CAST(row_number() OVER () AS BIGINT) AS _source_offset, 0 AS _ordinal FROM (VALUES "
        "(1, 'U', 10, 'Lima', 1), (1, 'U', 30, 'Cusco', 3), (1, 'U', 20, 'Lima', 2), "
        "(2, 'U', 10, 'Quito', 1), (2, 'D', 40, NULL, NULL), (2, 'U', 50, 'Loja', 5), "
        "(3, 'U', 10, 'X', 1), (3, 'U', 10, 'Y', 2), (3, 'D', 60, NULL, NULL)) "
        "AS v(id, op, at_s, city, seen)",
        history);
    if (rc != RDL_OK)
        fail_msg("%s", err.msg);
}

static void a_flow_of_type_1_keeps_the_last_change_of_each_key(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CHANGES "CREATE FLOW f AS AUTO CDC INTO s.one FROM STREAM cdc KEYS (id)\n"
                      "  APPLY AS DELETE WHEN op = 'D' SEQUENCE BY at_s COLUMNS * EXCEPT (op)\n"
                      "  STORED AS SCD TYPE 1;");
    const rdl_table *t = table(&f, "s.one"), *c = table(&f, "s.one$changes");
    assert_true(c->internal);
    assert_int_equal(c->kind, RDL_TABLE_STREAMING);
    assert_null(c->cdc_snapshot);
    assert_int_equal(t->view_plan->mode, RDL_MAINTAIN_GROUPS);
    assert_int_equal(t->primary_key_count, 1);
    assert_string_equal(columns(&f, "s.one"),
                        "id INTEGER, at_s INTEGER, city VARCHAR, seen INTEGER");
    rdl_err err = {0};
    assert_int_equal(rdl_exec(f.conn, "CREATE SCHEMA s", &err), RDL_OK);
    put_changes(&f, "one");
    query_is(&f, rdl_arena_printf(&f.arena, "FROM (%.*s) ORDER BY ALL", (int)t->body.n, t->body.p),
             "1|30|Cusco|3\n2|50|Loja|5\n");
    close_fixture(&f);
}

static void a_flow_of_type_2_keeps_every_run_in_event_order(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CHANGES "CREATE FLOW f AS AUTO CDC INTO s.two FROM STREAM cdc KEYS (id)\n"
                      "  APPLY AS DELETE WHEN op = 'D' SEQUENCE BY at_s\n"
                      "  COLUMNS (id, city, seen) STORED AS SCD TYPE 2 TRACK HISTORY ON (city);");
    const rdl_table *t = table(&f, "s.two");
    assert_int_equal(t->view_plan->mode, RDL_MAINTAIN_GROUPS);
    assert_int_equal(t->primary_key_count, 2);
    rdl_err err = {0};
    assert_int_equal(rdl_exec(f.conn, "CREATE SCHEMA s", &err), RDL_OK);
    put_changes(&f, "two");
    query_is(&f,
             rdl_arena_printf(&f.arena, "FROM (%.*s) ORDER BY id, __start_at", (int)t->body.n,
                              t->body.p),
             "1|Lima|2|10|30\n" /* untracked columns as the run's last change has them */
             "1|Cusco|3|30|\n"
             "2|Quito|1|10|40\n" /* deleted from 40 to 50 */
             "2|Loja|5|50|\n"
             "3|Y|2|10|60\n"); /* of equal sequences the later arrival */
    close_fixture(&f);
}

static void a_flow_from_a_snapshot_is_fed_by_its_versions(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, PAGES "CREATE FLOW f AS AUTO CDC INTO s.pages FROM pages KEYS (page)\n"
                    "  STORED AS SCD TYPE 2;");
    const rdl_table *c = table(&f, "s.pages$changes");
    assert_ptr_equal(c->cdc_snapshot, table(&f, "pages"));
    assert_int_equal(c->cdc_key_count, 1);
    assert_int_equal(c->cdc_keys[0], 0);
    assert_null(c->stream_plan);
    assert_string_equal(columns(&f, "s.pages$changes"),
                        "page VARCHAR, title VARCHAR, _cdc_delete BOOLEAN, "
                        "_cdc_sequence TIMESTAMP WITH TIME ZONE");
    fails(&f, CLICKS "CREATE FLOW f AS AUTO CDC INTO s.t FROM STREAM clicks KEYS (pgae);",
          "pipeline.sql:2:13: error: a flow from a stream needs SEQUENCE BY\n"
          "  2 | CREATE FLOW f AS AUTO CDC INTO s.t FROM STREAM clicks KEYS (pgae);\n"
          "    |             ^\n"
          "hint: Add SEQUENCE BY with the column of the change's time.\n");
    close_fixture(&f);
}

static void windows_of_the_prelude_are_half_open_and_aligned(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    loads(&f, CLICKS);
    query_is(&f,
             "SELECT tumble_start(TIMESTAMPTZ '2025-07-18 01:29:59.999999', INTERVAL 30 MINUTE),"
             " tumble_end(TIMESTAMPTZ '2025-07-18 01:30:00', INTERVAL 30 MINUTE)",
             "2025-07-18 01:00:00+00|2025-07-18 02:00:00+00\n");
    query_is(&f, "SELECT tumble_start(TIMESTAMPTZ '1969-12-31 23:59:59', INTERVAL 1 HOUR)",
             "1969-12-31 23:00:00+00\n");
    query_is(&f,
             "SELECT w.window_start, w.window_end FROM (SELECT unnest(hop_windows("
             "TIMESTAMPTZ '2025-07-18 01:30:00', INTERVAL 1 HOUR, INTERVAL 30 MINUTE)) AS w)",
             "2025-07-18 01:00:00+00|2025-07-18 02:00:00+00\n"
             "2025-07-18 01:30:00+00|2025-07-18 02:30:00+00\n");
    query_is(&f,
             "SELECT len(hop_windows(TIMESTAMPTZ '2025-07-18 01:04:00', INTERVAL 5 MINUTE, "
             "INTERVAL 2 MINUTE)), len(hop_windows(TIMESTAMPTZ '2025-07-18 01:05:00', "
             "INTERVAL 5 MINUTE, INTERVAL 2 MINUTE)), hop_windows(CAST(NULL AS TIMESTAMPTZ), "
             "INTERVAL 5 MINUTE, INTERVAL 2 MINUTE)",
             "3|2|[]\n");
    close_fixture(&f);
}

static void diagnostics_are_bounded_and_print_as_json(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    rdl_buf text = {0};
    for (int i = 0; i < RDL_DIAG_MAX + 7; i++)
        rdl_buf_puts(&text, "DROP x;\n");
    assert_int_equal(load(&f, rdl_buf_str(&text), NULL), RDL_EUSAGE);
    rdl_buf_fini(&text);
    assert_int_equal(f.diags.list.n, RDL_DIAG_MAX);
    assert_int_equal(f.diags.errors, RDL_DIAG_MAX + 7);
    assert_non_null(strstr(rdl_buf_str(&f.said), "\nand 7 more\n"));
    assert_int_equal(load(&f, "DROP x", NULL), RDL_EUSAGE);
    rdl_buf json = {0};
    rdl_diags_print_json(&f.diags, &json);
    assert_string_equal(
        rdl_buf_str(&json),
        "[{\"severity\":\"error\",\"file\":\"pipeline.sql\",\"line\":1,\"column\":1,"
        "\"message\":\"expected CREATE, PUBLISH, SEED or GRANT, found \\\"DROP\\\"\","
        "\"hint\":null}]");
    rdl_buf_fini(&json);
    close_fixture(&f);
}

static void a_long_line_is_cut_around_the_place(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    rdl_buf text = {0};
    for (int i = 0; i < 400; i++)
        rdl_buf_putc(&text, ' ');
    rdl_buf_puts(&text, "DROP x");
    assert_int_equal(load(&f, rdl_buf_str(&text), NULL), RDL_EUSAGE);
    rdl_buf_fini(&text);
    const char *line = strstr(rdl_buf_str(&f.said), "1 | ...");
    assert_non_null(line);
    const char *caret = strchr(strchr(line, '\n') + 1, '^');
    const char *word = strstr(line, "DROP");
    assert_int_equal(caret - strchr(line, '\n') - 1, word - (line - 2));
    close_fixture(&f);
}

/* What `ours` says of a function is what the library's own list says, by `theirs`. */
static void lists_agree(const char *theirs, const char *where, bool (*ours)(const char *name),
                        size_t least)
{
    fixture f;
    open_fixture(&f);
    rdl_result *r = NULL;
    const rdl_chunk *c;
    size_t functions = 0;
    const char *sql = rdl_arena_printf(
        &f.arena, "SELECT function_name, %s FROM duckdb_functions() WHERE %s GROUP BY 1", theirs,
        where);
    assert_int_equal(rdl_query(f.conn, sql, &r, &f.err), RDL_OK);
    while (rdl_result_next(r, &c)) {
        for (size_t i = 0; i < c->rows; i++) {
            rdl_str s = rdl_vector_str(&c->v[0], i);
            const char *name = rdl_arena_strndup(&f.arena, s.p, s.n);
            bool wanted = RDL_VECTOR_AT(&c->v[1], int8_t, i) != 0;
            if (ours(name) != wanted)
                fail_msg("%s is%s one", name, wanted ? "" : " not");
            functions++;
        }
    }
    assert_true(functions > least);
    rdl_result_free(r);
    close_fixture(&f);
}

static void the_list_of_unstable_functions_is_the_librarys(void **state)
{
    (void)state;
    lists_agree("bool_or(stability <> 'CONSISTENT') AND function_name <> 'error'",
                "function_type IN ('scalar', 'aggregate')", rdl_function_is_unstable, 500);
}

static void the_list_of_aggregates_is_the_librarys(void **state)
{
    (void)state;
    /* The library counts its window functions among them. */
    lists_agree(
        "bool_or(function_type = 'aggregate') AND function_name NOT IN ('cume_dist', 'dense_rank', "
        "'fill', 'first_value', 'lag', 'last_value', 'lead', 'nth_value', 'ntile', 'percent_rank', "
        "'rank', 'rank_dense', 'row_number')",
        "function_type IN ('scalar', 'aggregate')", rdl_plan_is_aggregate, 500);
}

static void our_aggregates_are_refused_in_windows(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    fails(&f,
          CLICKS BRONZE
          "CREATE MATERIALIZED VIEW g.a AS SELECT page, RDL_sum(n) OVER (PARTITION BY page) AS s "
          "FROM b.clicks;\n",
          "pipeline.sql:3:46: error: rdl_sum() cannot stand in a window\n"
          "  3 | CREATE MATERIALIZED VIEW g.a AS SELECT page, RDL_sum(n) OVER (PARTITION BY page) "
          "AS s FROM b.clicks;\n"
          "    |                                              ^^^^^^^\n"
          "hint: Write sum, avg, var_pop, ...: they are made exact where they can be.\n");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lexer_knows_comments_strings_and_names),
        cmocka_unit_test(unclosed_quotes_and_comments_are_reported),
        cmocka_unit_test(a_source_has_all_its_clauses_in_any_order),
        cmocka_unit_test(a_misspelt_option_is_named_with_the_nearest),
        cmocka_unit_test(a_streaming_table_has_constraints_of_all_kinds),
        cmocka_unit_test(a_view_has_a_key_and_a_schedule),
        cmocka_unit_test(a_star_never_brings_hidden_columns),
        cmocka_unit_test(a_tables_name_is_no_column),
        cmocka_unit_test(types_outside_the_list_are_cast_or_refused),
        cmocka_unit_test(views_and_functions_are_put_into_the_body),
        cmocka_unit_test(now_means_the_rows_arrival_in_streams_and_nothing_in_views),
        cmocka_unit_test(several_errors_come_at_once_with_places_and_nearest_names),
        cmocka_unit_test(a_place_inside_a_rewritten_body_is_the_users),
        cmocka_unit_test(what_may_be_read_how_is_checked),
        cmocka_unit_test(cycles_duplicates_and_reserved_names_are_refused),
        cmocka_unit_test(what_this_version_lacks_is_said),
        cmocka_unit_test(columns_of_messages_are_for_topics_and_typed),
        cmocka_unit_test(variables_come_from_the_file_the_environment_and_set),
        cmocka_unit_test(a_variable_that_nobody_set_is_an_error_at_its_place),
        cmocka_unit_test(the_connection_is_left_as_it_was),
        cmocka_unit_test(a_fingerprint_follows_the_meaning_not_the_spelling),
        cmocka_unit_test(a_flow_of_type_1_keeps_the_last_change_of_each_key),
        cmocka_unit_test(a_flow_of_type_2_keeps_every_run_in_event_order),
        cmocka_unit_test(a_flow_from_a_snapshot_is_fed_by_its_versions),
        cmocka_unit_test(windows_of_the_prelude_are_half_open_and_aligned),
        cmocka_unit_test(diagnostics_are_bounded_and_print_as_json),
        cmocka_unit_test(a_long_line_is_cut_around_the_place),
        cmocka_unit_test(the_list_of_unstable_functions_is_the_librarys),
        cmocka_unit_test(the_list_of_aggregates_is_the_librarys),
        cmocka_unit_test(our_aggregates_are_refused_in_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
