/*
 * rdl_explain over a small pipeline text: modes and reasons with their places, keys, state,
 * publications; as text and as JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "lang/explain.h"

static const char text[] =
    "CREATE SOURCE events (id TEXT, ts TIMESTAMPTZ, org TEXT, cost DOUBLE, kind TEXT)\n"
    "  FROM 'landing/' FORMAT JSON WATERMARK ts DELAY OF INTERVAL 10 MINUTES;\n"
    "CREATE SOURCE orgs (org TEXT, plan TEXT) FROM 'orgs.csv' FORMAT CSV SNAPSHOT;\n"
    "CREATE MATERIALIZED VIEW silver.orgs PRIMARY KEY (org) AS SELECT org, plan FROM "
    "orgs;\n"
    "CREATE STREAMING TABLE silver.events (\n"
    "  CONSTRAINT id_present EXPECT (id IS NOT NULL) ON VIOLATION QUARANTINE\n"
    ") DEDUPLICATE ON (id)\n"
    "AS SELECT e.*, o.plan FROM STREAM events e LEFT JOIN silver.orgs o ON o.org = e.org;\n"
    "CREATE MATERIALIZED VIEW gold.costs AS\n"
    "SELECT org, sum(cost) AS cost, max(ts) AS latest FROM STREAM silver.events GROUP BY "
    "org;\n"
    "CREATE MATERIALIZED VIEW gold.medians AS\n"
    "SELECT org,\n"
    "       median(cost) AS m\n"
    "FROM STREAM silver.events GROUP BY org;\n"
    "CREATE MATERIALIZED VIEW gold.top AS SELECT org, cost FROM gold.costs ORDER BY cost "
    "LIMIT 3;\n"
    "CREATE MATERIALIZED VIEW gold.plans AS SELECT o.plan, sum(e.cost) AS cost\n"
    "FROM STREAM silver.events e LEFT JOIN silver.orgs o ON o.org = e.org GROUP BY o.plan;\n"
    "PUBLISH gold.costs TO 'sqlite:serving.db' PRIMARY KEY ((org));\n";

typedef struct fixture {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_pipeline *pipeline;
    rdl_diags diags;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f); /* allow: a test's fixture */
    rdl_err err = {0};
    rdl_duck_config config = {.threads = 1};
    rdl_arena_init(&f->arena, 0);
    rdl_diags_init(&f->diags, &f->arena);
    assert_int_equal(rdl_duck_open(&config, &f->duck, &err), RDL_OK);
    assert_int_equal(rdl_conn_open(f->duck, &f->conn, &err), RDL_OK);
    rdl_code rc = rdl_pipeline_load_text(&f->arena, f->conn, "/tmp", rdl_str_of(text), NULL,
                                         &f->diags, &f->pipeline, &err);
    if (rc != RDL_OK) {
        rdl_buf b = {0};
        rdl_diags_print(&f->diags, false, &b);
        print_error("%s\n%s\n", err.msg, rdl_buf_str(&b));
        rdl_buf_fini(&b);
        fail();
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    rdl_conn_close(f->conn);
    rdl_duck_close(f->duck);
    rdl_arena_fini(&f->arena);
    free(f); /* allow: a test's fixture */
    return 0;
}

static void has(const rdl_buf *b, const char *part)
{
    if (strstr(rdl_buf_str(b), part) == NULL) {
        print_error("not found: %s\nin:\n%s\n", part, rdl_buf_str(b));
        fail();
    }
}

static void the_graph_shows_each_table_below_what_it_reads(void **state)
{
    fixture *f = *state;
    rdl_err err = {0};
    rdl_buf b = {0};
    assert_int_equal(rdl_explain(f->pipeline, RDL_STR(""), RDL_EXPLAIN_TEXT, &b, &err), RDL_OK);
    has(&b, "events (source)\n"
            "\xe2\x94\x94\xe2\x94\x80 silver.events (streaming)\n"
            "   \xe2\x94\x9c\xe2\x94\x80 gold.costs (incremental) \xe2\x87\x92 "
            "sqlite:serving.db\n"
            "   \xe2\x94\x82  \xe2\x94\x94\xe2\x94\x80 gold.top (full)\n"
            "   \xe2\x94\x9c\xe2\x94\x80 gold.medians (groups)\n"
            "   \xe2\x94\x94\xe2\x94\x80 gold.plans (incremental)\n");
    has(&b, "silver.events (streaming) ... as above\n");
    has(&b, "watermark      ts less 10m\n");
    rdl_buf_fini(&b);
}

static void a_table_tells_its_mode_and_what_forced_it(void **state)
{
    fixture *f = *state;
    rdl_err err = {0};
    rdl_buf b = {0};
    assert_int_equal(rdl_explain(f->pipeline, RDL_STR("gold.medians"), RDL_EXPLAIN_TEXT, &b, &err),
                     RDL_OK);
    has(&b, "groups: median(\"cost\") is not decomposable; touched groups (org) are "
            "recomputed (");
    has(&b, ":13:8)\n");
    has(&b, "key            org\n");
    has(&b, "-- touched\n");
    rdl_buf_clear(&b);
    assert_int_equal(rdl_explain(f->pipeline, RDL_STR("GOLD.costs"), RDL_EXPLAIN_TEXT, &b, &err),
                     RDL_OK);
    has(&b, "incremental: every aggregate merges exactly");
    has(&b, "exact sum BLOB, sum BIGINT, greatest TIMESTAMP WITH TIME ZONE; rows cannot be "
            "taken "
            "back\n");
    has(&b, "published      sqlite:serving.db as costs, key ((org))\n");
    rdl_buf_clear(&b);
    assert_int_equal(rdl_explain(f->pipeline, RDL_STR("gold.plans"), RDL_EXPLAIN_TEXT, &b, &err),
                     RDL_OK);
    has(&b, "one state entry per group that they touch; the rows that a change meets "
            "when silver.orgs changed\n");
    rdl_buf_clear(&b);
    assert_int_equal(rdl_explain(f->pipeline, RDL_STR("silver.events"), RDL_EXPLAIN_TEXT, &b, &err),
                     RDL_OK);
    has(&b, "rows           one for one\n"); /* the view's key proves the join */
    has(&b, "deduplicate    id, for ever");
    has(&b, "id_present: quarantine");
    rdl_buf_fini(&b);
}

static void json_says_the_same_and_parses(void **state)
{
    fixture *f = *state;
    rdl_err err = {0};
    rdl_buf b = {0};
    assert_int_equal(rdl_explain(f->pipeline, RDL_STR(""), RDL_EXPLAIN_JSON, &b, &err), RDL_OK);
    json_t *root = json_loads(rdl_buf_str(&b), 0, NULL);
    json_t *tables = json_object_get(root, "tables"), *t;
    size_t i, seen = 0;
    json_array_foreach(tables, i, t)
    {
        if (strcmp(json_string_value(json_object_get(t, "name")), "gold.costs") != 0)
            continue;
        seen++;
        assert_string_equal(json_string_value(json_object_get(t, "mode")), "incremental");
        assert_int_equal(json_array_size(json_object_get(t, "state")), 3);
        assert_true(json_integer_value(json_object_get(t, "state_bytes_per_group")) > 60);
        assert_true(json_is_false(json_object_get(t, "may_subtract")));
        assert_int_equal(json_array_size(json_object_get(t, "publications")), 1);
    }
    assert_int_equal(seen, 1);
    assert_int_equal(json_array_size(tables), 8);
    json_decref(root);
    rdl_buf_fini(&b);
}

static void an_unknown_table_is_told_with_the_nearest_name(void **state)
{
    fixture *f = *state;
    rdl_err err = {0};
    rdl_buf b = {0};
    assert_int_equal(rdl_explain(f->pipeline, RDL_STR("gold.cost"), RDL_EXPLAIN_TEXT, &b, &err),
                     RDL_EUSAGE);
    assert_non_null(strstr(err.hint, "gold.costs"));
    rdl_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_graph_shows_each_table_below_what_it_reads),
        cmocka_unit_test(a_table_tells_its_mode_and_what_forced_it),
        cmocka_unit_test(json_says_the_same_and_parses),
        cmocka_unit_test(an_unknown_table_is_told_with_the_nearest_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
