/*
 * Joins of inputs that all change: which inputs move a view, and what the steps' texts give for
 * random changes of all of them in one epoch.
 */
#include "plan_fixture.h"

#include "lang/explain.h"

static void inputs(fixture *f)
{
    fx_input(f, RDL_TABLE_STREAMING, "silver.a", "id INTEGER, k TEXT, v BIGINT");
    fx_input(f, RDL_TABLE_STREAMING, "silver.b", "id INTEGER, k TEXT, w BIGINT");
    fx_input(f, RDL_TABLE_VIEW, "gold.c", "id INTEGER, k TEXT, rate BIGINT");
    fx_input(f, RDL_TABLE_SNAPSHOT, "dim", "k TEXT, label TEXT");
}

typedef struct body_case {
    const char *body;
    const char *names[5];
    rdl_maintenance mode;
    const char *moved, *rebuilt; /* names with commas */
} body_case;

static rdl_table *planned(fixture *f, const body_case *c)
{
    size_t n = 0;
    while (c->names[n] != NULL)
        n++;
    rdl_table *t = fx_table(f, RDL_TABLE_VIEW, "gold.v", c->body, c->names, n);
    t->allow_fanout = true;
    fx_plan(f, t);
    return t;
}

typedef const rdl_table *(*list_of)(const rdl_view_plan *p, size_t i);

static void check_list(const rdl_table *t, const char *what, list_of which, const char *wanted)
{
    rdl_buf b = {0};
    const rdl_table *in;
    for (size_t i = 0; (in = which(t->view_plan, i)) != NULL; i++)
        rdl_buf_printf(&b, "%s%.*s", i > 0 ? "," : "", (int)in->full.n, in->full.p);
    if (strcmp(rdl_buf_str(&b), wanted) != 0) {
        print_error("%s\n%s %s, wanted %s\n%s\n", t->body.p, what, rdl_buf_str(&b), wanted,
                    t->view_plan->reason.p);
        fail();
    }
    rdl_buf_fini(&b);
}

static void an_input_moves_only_where_every_place_of_it_does(void **state)
{
    static const body_case cases[] = {
        {"SELECT a.id, b.w FROM silver.a AS a JOIN silver.b AS b USING (k)",
         {"+silver.a", "+silver.b"},
         RDL_MAINTAIN_APPEND,
         "silver.b",
         ""},
        {"SELECT a.k, sum(a.v * c.rate) AS s FROM silver.a AS a LEFT JOIN gold.c AS c ON a.k = c.k "
         "GROUP BY a.k",
         {"+silver.a", "gold.c"},
         RDL_MAINTAIN_INCREMENTAL,
         "gold.c",
         ""},
        {"SELECT a.k, max(c.rate) AS s FROM silver.a AS a LEFT JOIN gold.c AS c ON a.k = c.k "
         "GROUP BY a.k",
         {"+silver.a", "gold.c"},
         RDL_MAINTAIN_INCREMENTAL,
         "gold.c",
         ""},
        {"SELECT max(c.rate) AS s FROM silver.a AS a LEFT JOIN gold.c AS c ON a.k = c.k",
         {"+silver.a", "gold.c"},
         RDL_MAINTAIN_INCREMENTAL,
         "",
         "gold.c"},
        {"SELECT c.k, count(*) AS n, min(d.label) AS l FROM gold.c AS c JOIN main.dim AS d USING (k) "
         "GROUP BY c.k",
         {"gold.c", "dim"},
         RDL_MAINTAIN_GROUPS,
         "dim",
         ""},
        {"SELECT a.k, first(c.rate ORDER BY a.v) AS r FROM silver.a AS a JOIN gold.c AS c ON a.k = c.k "
         "GROUP BY a.k",
         {"+silver.a", "gold.c"},
         RDL_MAINTAIN_INCREMENTAL,
         "",
         "gold.c"},
        {"SELECT a.k, count(*) AS n FROM silver.a AS a JOIN gold.c AS c ON a.k = c.k "
         "WHERE a.v IN (SELECT rate FROM gold.c) GROUP BY a.k",
         {"+silver.a", "gold.c"},
         RDL_MAINTAIN_INCREMENTAL,
         "",
         "gold.c"},
        {"SELECT a.k, sum(c.r) AS n FROM silver.a AS a JOIN (SELECT k, max(rate) AS r FROM gold.c "
         "GROUP BY k) AS c ON a.k = c.k JOIN main.dim AS d ON d.k = a.k GROUP BY a.k",
         {"+silver.a", "gold.c", "dim"},
         RDL_MAINTAIN_INCREMENTAL,
         "dim",
         "gold.c"},
        {"SELECT x.k, x.n, d.label FROM (SELECT k, count(*) AS n FROM silver.a GROUP BY k) AS x "
         "JOIN main.dim AS d ON d.k = x.k",
         {"+silver.a", "dim"},
         RDL_MAINTAIN_GROUPS,
         "",
         "dim"},
        {"SELECT a.k, count(*) AS n FROM silver.a AS a FULL JOIN silver.b AS b ON a.k = b.k "
         "GROUP BY a.k",
         {"+silver.a", "+silver.b"},
         RDL_MAINTAIN_FULL,
         "",
         ""},
        {"SELECT x.k, count(*) AS n FROM silver.a AS x JOIN silver.a AS y ON x.k = y.k GROUP BY x.k",
         {"+silver.a"},
         RDL_MAINTAIN_INCREMENTAL,
         "",
         ""},
        {"SELECT x.k, count(*) AS n FROM silver.a AS x WHERE EXISTS (SELECT 1 FROM silver.a AS y "
         "WHERE y.id = x.v) GROUP BY x.k",
         {"+silver.a"},
         RDL_MAINTAIN_FULL,
         "",
         ""},
        {"SELECT a.id, l.w FROM silver.a AS a LEFT JOIN LATERAL (SELECT w FROM silver.b AS b "
         "WHERE b.k = a.k) AS l ON true",
         {"+silver.a", "silver.b"},
         RDL_MAINTAIN_APPEND,
         "",
         "silver.b"},
    };
    fixture *f = *state;
    inputs(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_table *t = planned(f, &cases[i]);
        if (t->view_plan->mode != cases[i].mode) {
            print_error("%s\n%s: %s\n", t->body.p, rdl_maintenance_name(t->view_plan->mode),
                        t->view_plan->reason.p);
            fail();
        }
        check_list(t, "moved by", rdl_view_moved_by, cases[i].moved);
        check_list(t, "rebuilt by", rdl_view_rebuilt_by, cases[i].rebuilt);
        f->n--;
    }
}

static void a_rebuild_says_why(void **state)
{
    static const body_case c = {
        "SELECT a.k, first(c.rate ORDER BY a.v) AS r FROM silver.a AS a JOIN gold.c AS c ON a.k = c.k "
        "GROUP BY a.k",
        {"+silver.a", "gold.c"},
        RDL_MAINTAIN_INCREMENTAL,
        "",
        "gold.c"};
    fixture *f = *state;
    inputs(f);
    const rdl_view_plan *p = planned(f, &c)->view_plan;
    assert_non_null(strstr(p->rebuild_why.p, "choose by the arrival"));
}

/* ---- what the texts give ---- */

static void change(fixture *f, const char *table, const char *values, int epoch, bool loses)
{
    rdl_arena *a = &f->arena;
    fx_exec(f, rdl_arena_printf(a, "CREATE OR REPLACE TABLE e.\"before:%s\" AS FROM e.\"all:%s\"",
                                table, table));
    fx_exec(f, rdl_arena_printf(a, "DELETE FROM e.\"new:%s\"", table));
    fx_exec(f, rdl_arena_printf(
                   a,
                   "INSERT INTO e.\"new:%s\" BY NAME SELECT * FROM (SELECT %s FROM (SELECT i, "
                   "hash(i * 31 + %d) %% 1000 AS h FROM range(6) AS r(i)))",
                   table, values, epoch));
    if (loses) {
        fx_exec(f, rdl_arena_printf(a,
                                    "DELETE FROM e.\"old:%s\"; INSERT INTO e.\"old:%s\" SELECT * "
                                    "FROM e.\"all:%s\" WHERE hash(k, %d) %% 3 = 0",
                                    table, table, table, epoch));
        fx_exec(f, rdl_arena_printf(a, "DELETE FROM e.\"all:%s\" WHERE hash(k, %d) %% 3 = 0", table,
                                    epoch));
    }
    fx_exec(f, rdl_arena_printf(a, "INSERT INTO e.\"all:%s\" BY NAME SELECT * %s FROM e.\"new:%s\"",
                                table, loses ? "" : "EXCLUDE (_event_ts)", table));
    fx_exec(f, rdl_arena_printf(a,
                                "CREATE OR REPLACE VIEW e.\"moved:%s\" AS SELECT * FROM "
                                "e.\"new:%s\"%s",
                                table, table,
                                loses ? rdl_arena_printf(a, " UNION ALL FROM e.\"old:%s\"", table)
                                      : ""));
}

static void change_all(fixture *f, int epoch)
{
    static const char key[] = "CASE h % 5 WHEN 0 THEN NULL ELSE 'k' || (h % 5) END AS k";
    rdl_arena *a = &f->arena;
    change(f, "silver.a",
           rdl_arena_printf(a,
                            "CAST(i AS INTEGER) AS id, %s, h AS v, CAST(%d AS BIGINT) AS _epoch, "
                            "0 AS _source_partition, i AS _source_offset, 0 AS _ordinal",
                            key, epoch),
           epoch, false);
    change(f, "silver.b",
           rdl_arena_printf(a,
                            "CAST(i AS INTEGER) AS id, %s, h // 7 AS w, CAST(%d AS BIGINT) AS "
                            "_epoch, 0 AS _source_partition, i AS _source_offset, 0 AS _ordinal",
                            key, epoch),
           epoch + 100, false);
    change(f, "gold.c", rdl_arena_printf(a, "CAST(i AS INTEGER) AS id, %s, h // 9 AS rate", key),
           epoch + 200, true);
    change(f, "dim", rdl_arena_printf(a, "%s, 'l' || (h %% 3) AS label", key), epoch + 300, true);
}

/* was - old + new = is, as multisets. */
static void play_rows(fixture *f, const rdl_table *t)
{
    rdl_arena *a = &f->arena;
    const rdl_view_plan *p = t->view_plan;
    rdl_buf gained = {0}, lost = {0};
    for (size_t i = 0; i < p->step_count; i++) {
        rdl_buf_printf(&gained, "%s%s", i > 0 ? " UNION ALL " : "", p->steps[i].new_sql.p);
        if (p->steps[i].old_sql.n > 0)
            rdl_buf_printf(&lost, " UNION ALL %s", p->steps[i].old_sql.p);
    }
    fx_exec(f, rdl_arena_printf(a, "CREATE OR REPLACE TABLE was AS %s LIMIT 0", p->batch_sql.p));
    for (int epoch = 1; epoch <= 6; epoch++) {
        change_all(f, epoch);
        fx_same(f, t->body.p,
                rdl_arena_printf(a, "SELECT * FROM was UNION ALL %s", rdl_buf_str(&gained)),
                rdl_arena_printf(a, "%s%s", p->batch_sql.p, rdl_buf_str(&lost)));
        fx_exec(f, rdl_arena_printf(a, "CREATE OR REPLACE TABLE was AS %s", p->batch_sql.p));
    }
    rdl_buf_fini(&gained);
    rdl_buf_fini(&lost);
}

static void changes_of_all_inputs_add_up_to_the_view(void **state)
{
    static const body_case cases[] = {
        {"SELECT a.id, b.w, a.k FROM silver.a AS a JOIN silver.b AS b ON a.k = b.k",
         {"+silver.a", "+silver.b"},
         RDL_MAINTAIN_APPEND,
         "",
         ""},
        {"SELECT a.id, b.w, c.rate FROM silver.a AS a LEFT JOIN silver.b AS b ON a.k = b.k AND b.w > 50 "
         "LEFT JOIN gold.c AS c ON c.k = a.k",
         {"+silver.a", "+silver.b", "gold.c"},
         RDL_MAINTAIN_APPEND,
         "",
         ""},
        {"SELECT c.id, d.label, a.v FROM gold.c AS c, main.dim AS d, silver.a AS a WHERE c.k = d.k AND "
         "a.k IS NOT DISTINCT FROM c.k",
         {"gold.c", "dim", "silver.a"},
         RDL_MAINTAIN_APPEND,
         "",
         ""},
        {"SELECT c.id, c.rate FROM gold.c AS c ANTI JOIN main.dim AS d USING (k)",
         {"gold.c", "dim"},
         RDL_MAINTAIN_APPEND,
         "",
         ""},
        {"SELECT x.id, y.rate FROM gold.c AS x LEFT JOIN gold.c AS y ON x.k = y.k AND x.rate < y.rate",
         {"gold.c"},
         RDL_MAINTAIN_APPEND,
         "",
         ""},
        {"SELECT a.id, c.rate FROM silver.a AS a ASOF LEFT JOIN gold.c AS c ON a.k = c.k AND a.v >= c.rate",
         {"+silver.a", "gold.c"},
         RDL_MAINTAIN_APPEND,
         "",
         ""},
        {"SELECT a.id, p.label FROM silver.a AS a LEFT JOIN (SELECT c.k, d.label FROM gold.c AS c JOIN "
         "main.dim AS d USING (k)) AS p USING (k)",
         {"+silver.a", "gold.c", "dim"},
         RDL_MAINTAIN_APPEND,
         "",
         ""},
    };
    fixture *f = *state;
    inputs(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_table *t = planned(f, &cases[i]);
        assert_int_equal(t->view_plan->mode, RDL_MAINTAIN_APPEND);
        assert_true(t->view_plan->step_count > 1);
        for (size_t k = 0; k < 4; k++)
            fx_exec(f,
                    rdl_arena_printf(&f->arena, "DELETE FROM e.\"all:%s\"", f->tables[k]->full.p));
        play_rows(f, t);
        f->n--;
    }
}

static void changes_of_all_inputs_merge_into_states(void **state)
{
    static const body_case cases[] = {
        {"SELECT a.k, sum(a.v * b.w) AS s, count(*) AS n FROM silver.a AS a JOIN silver.b AS b ON a.k = b.k "
         "GROUP BY a.k",
         {"+silver.a", "+silver.b"},
         RDL_MAINTAIN_INCREMENTAL,
         "",
         ""},
        {"SELECT d.label, sum(a.v) AS s, count(c.id) AS n, avg(c.rate) AS r FROM silver.a AS a LEFT JOIN "
         "gold.c AS c ON a.k = c.k LEFT JOIN main.dim AS d ON d.k = a.k GROUP BY d.label",
         {"+silver.a", "gold.c", "dim"},
         RDL_MAINTAIN_INCREMENTAL,
         "",
         ""},
        {"SELECT x.k, sum(y.rate) AS s FROM gold.c AS x LEFT JOIN gold.c AS y ON x.k = y.k GROUP BY x.k",
         {"gold.c"},
         RDL_MAINTAIN_INCREMENTAL,
         "",
         ""},
    };
    fixture *f = *state;
    inputs(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_table *t = planned(f, &cases[i]);
        const rdl_view_plan *p = t->view_plan;
        keyed k = {.plan = p};
        assert_int_equal(p->mode, RDL_MAINTAIN_INCREMENTAL);
        for (size_t j = 0; j < 4; j++)
            fx_exec(f,
                    rdl_arena_printf(&f->arena, "DELETE FROM e.\"all:%s\"", f->tables[j]->full.p));
        for (int epoch = 1; epoch <= 5; epoch++) {
            change_all(f, epoch);
            for (size_t j = 0; j < p->step_count; j++) {
                keyed_merge(f, &k, p->steps[j].new_sql.p, 1);
                if (p->steps[j].old_sql.n > 0)
                    keyed_merge(f, &k, p->steps[j].old_sql.p, -1);
            }
            keyed_publish(f, &k, t);
            fx_same(f, t->body.p, p->final_sql.p, p->batch_sql.p);
        }
        keyed_free(&k);
        f->n--;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_input_moves_only_where_every_place_of_it_does, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(a_rebuild_says_why, fx_setup, fx_teardown),
        cmocka_unit_test_setup_teardown(changes_of_all_inputs_add_up_to_the_view, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(changes_of_all_inputs_merge_into_states, fx_setup,
                                        fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
