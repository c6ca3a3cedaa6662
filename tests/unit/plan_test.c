/*
 * The planner, checked by execution: whatever it splits, groups or threads must give what
 * the batch text gives, epoch after epoch, to the bit.
 */
#include "plan_fixture.h"

#define USAGE_COLUMNS                                                                              \
    "org TEXT, day DATE, ts TIMESTAMPTZ, service TEXT, cost DOUBLE, qty BIGINT, "                  \
    "price DECIMAL(18,3), ok BOOLEAN, \"order\" INTEGER, tags TEXT[]"

/* Random values with NULLs, ties, and doubles whose sum depends on their order. */
#define RANDOM_USAGE                                                                               \
    "CASE WHEN h % 7 = 0 THEN NULL ELSE 'o' || (h % 5) END AS org, "                               \
    "DATE '2025-01-01' + CAST(h % 4 AS INTEGER) AS day, "                                          \
    "TIMESTAMPTZ '2025-01-01 00:00:00+00' + to_minutes(CAST(h % 300 AS BIGINT)) AS ts, "           \
    "CASE WHEN h % 11 = 0 THEN NULL ELSE 's' || (h // 7 % 3) END AS service, "                     \
    "CASE WHEN h % 5 = 1 THEN NULL WHEN h % 13 = 0 THEN 1e17 WHEN h % 13 = 1 THEN -1e17 "          \
    "WHEN h % 17 = 2 THEN -0.0 ELSE (h % 1000) / 7.0 END AS cost, "                                \
    "CASE WHEN h % 6 = 1 THEN NULL ELSE CAST(h % 9 AS BIGINT) - 4 END AS qty, "                    \
    "CASE WHEN h % 9 = 2 THEN NULL ELSE CAST((h % 5000) / 1000.0 AS DECIMAL(18,3)) END "           \
    "AS price, "                                                                                   \
    "CASE WHEN h % 8 = 3 THEN NULL ELSE h % 3 > 0 END AS ok, "                                     \
    "CAST(h % 6 AS INTEGER) AS \"order\", "                                                        \
    "CASE WHEN h % 5 = 0 THEN NULL ELSE list_transform(range(CAST(h % 3 AS BIGINT)), "             \
    "x -> 't' || (x % 2)) END AS tags"

static const char *random_rows(fixture *f, int epoch, int rows)
{
    return rdl_arena_printf(&f->arena,
                            "SELECT %s, CAST(i AS BIGINT) AS i FROM (SELECT i, "
                            "CAST(hash(i * 7919 + %d) %% 1000003 AS BIGINT) AS h "
                            "FROM range(%d) AS r(i))",
                            RANDOM_USAGE, epoch * 1000003, rows);
}

static void feed_stream(fixture *f, int epoch, int rows)
{
    fx_exec(f, rdl_arena_printf(&f->arena,
                                "DELETE FROM e.\"new:silver.usage\"; "
                                "INSERT INTO e.\"new:silver.usage\" SELECT * EXCLUDE (i), %d, "
                                "CAST(i %% 2 AS INTEGER), i // 2, 0, ts FROM (%s); "
                                "INSERT INTO e.\"all:silver.usage\" SELECT * EXCLUDE (_event_ts) "
                                "FROM e.\"new:silver.usage\"",
                                epoch, random_rows(f, epoch, rows)));
}

static rdl_table *usage_stream(fixture *f)
{
    return fx_input(f, RDL_TABLE_STREAMING, "silver.usage", USAGE_COLUMNS);
}

static void play_incremental(fixture *f, rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    keyed k = {.plan = p};
    static const int rows[] = {0, 40, 1, 300, 0, 77};
    for (size_t e = 0; e < sizeof rows / sizeof *rows; e++) {
        feed_stream(f, (int)e + 1, rows[e]);
        keyed_merge(f, &k, p->partial_new_sql.p, 1);
        keyed_publish(f, &k, t);
        fx_same(f, "final", p->final_sql.p, p->batch_sql.p);
    }
    keyed built = {.plan = p};
    keyed_merge(f, &built, p->partial_all_sql.p, 1);
    keyed_publish(f, &built, t);
    fx_same(f, "built", p->final_sql.p, p->batch_sql.p);
    keyed_free(&k);
    keyed_free(&built);
}

static rdl_table *stream_view(fixture *f, const char *name, const char *body)
{
    static const char *const inputs[] = {"+silver.usage"};
    rdl_table *t = fx_table(f, RDL_TABLE_VIEW, name, body, inputs, 1);
    fx_plan(f, t);
    return t;
}

static void check_mode(const rdl_table *t, rdl_maintenance mode)
{
    if (t->view_plan->mode != mode) {
        print_error("mode %d, not %d: %s\n%s\n", (int)t->view_plan->mode, (int)mode,
                    t->view_plan->reason.p, t->body.p);
        fail();
    }
}

static const char *const incremental_bodies[] = {
    /* sums, counts and averages of each kind of number */
    "SELECT org, day, sum(cost) AS c, sum(qty) AS q, sum(price) AS p, count(*) AS n, "
    "count(cost) AS nc, avg(cost) AS ac, avg(qty) AS aq, avg(price) AS ap "
    "FROM silver.usage GROUP BY org, day",
    /* spreads; GROUP BY ALL; expressions over aggregates; aliases used again */
    "SELECT org AS o, upper(service) AS \"select\", stddev(cost) AS sd, var_pop(qty) AS v, "
    "stddev_pop(price) AS sp, variance(cost) AS vs, sum(cost) / nullif(count(*), 0) AS r, "
    "r * 2 AS r2 FROM silver.usage GROUP BY ALL",
    /* extremes and choices */
    "SELECT service, min(cost) AS a, max(cost) AS b, min(org) AS c, max(ts) AS d, "
    "bool_and(ok) AS e, bool_or(ok) AS f, count_if(ok) AS g, any_value(org) AS h, "
    "first(cost) AS i, last(org) AS j, arg_min(org, cost) AS k, arg_max(org, price) AS l, "
    "min_by(qty, ts) AS m, max_by(tags, ts) AS mm FROM silver.usage GROUP BY service",
    /* choices by an order of their own */
    "SELECT day, first(org ORDER BY ts) AS a, last(org ORDER BY ts, qty) AS b, "
    "first(org ORDER BY cost DESC) AS c, last(qty ORDER BY price DESC NULLS FIRST) AS d, "
    "first(cost ORDER BY qty NULLS FIRST) AS e FROM silver.usage GROUP BY 1",
    /* FILTER, WHERE, HAVING, HAVING by alias, qualified names */
    "SELECT usage.org, sum(usage.cost) FILTER (WHERE usage.ok) AS c, "
    "count(*) FILTER (WHERE qty > 0) AS n, min(qty) FILTER (WHERE ok) AS m "
    "FROM silver.usage WHERE usage.qty IS NOT NULL GROUP BY org HAVING n > 3 AND sum(qty) "
    "< 900",
    "SELECT silver.usage.org AS org, max(silver.usage.qty) AS q FROM silver.usage GROUP BY "
    "ALL",
    /* one group, always there */
    "SELECT sum(cost) AS c, count(*) AS n, max(qty) AS m, avg(qty) AS a FROM silver.usage",
    "SELECT count(*) AS n FROM silver.usage HAVING count(*) > 50",
    /* keys that are words and expressions; a key by alias that is also a column */
    "SELECT \"order\", date_trunc('hour', ts) AS hour, CASE WHEN qty > 0 THEN 'up' ELSE "
    "'down' "
    "END AS dir, count(*) AS \"count\" FROM silver.usage GROUP BY \"order\", hour, dir",
    /* no aggregates at all */
    "SELECT DISTINCT org, service FROM silver.usage",
    "SELECT org FROM silver.usage GROUP BY org HAVING count(*) > 10",
    /* through a subquery, a CTE, and lists */
    "SELECT o, sum(c) AS s, first(c) AS f FROM (SELECT org AS o, cost AS c, ok FROM "
    "silver.usage "
    "WHERE ok) AS x GROUP BY o",
    "WITH x AS (SELECT * FROM silver.usage WHERE qty > 0), y AS (SELECT org, cost * 2 AS "
    "c2 FROM "
    "x) SELECT org, sum(c2) AS s, any_value(c2) AS v FROM y GROUP BY org",
    "SELECT t.tag, count(*) AS n, sum(cost) AS c FROM silver.usage AS u, unnest(u.tags) AS "
    "t(tag) "
    "GROUP BY t.tag",
    /* sliding windows as rows */
    "SELECT org, w AS window_start, sum(cost) AS c FROM (SELECT org, cost, "
    "unnest(list_transform("
    "range(2), i -> time_bucket(INTERVAL 30 MINUTES, ts) - to_minutes(30 * i))) AS w FROM "
    "silver.usage) AS x GROUP BY org, w",
    /* lists that are written out: told apart by a field, by themselves, and not at all */
    "SELECT day, m.kind AS kind, m.id AS id, sum(qty) AS q, count(*) AS n FROM (SELECT day, qty, "
    "unnest([{'kind': 'org', 'id': org}, {'kind': 'service', 'id': service}, {'kind': 'all', "
    "'id': 'all'}]) AS m FROM silver.usage) AS x GROUP BY ALL",
    "SELECT w, sum(cost) AS c, avg(cost) AS a, first(org) AS f FROM (SELECT cost, org, "
    "unnest([1, 2, 3]) AS w FROM silver.usage WHERE ok) AS x GROUP BY w",
    "SELECT name, sum(qty) AS q, max(cost) AS c FROM (SELECT qty, cost, unnest([org, service, "
    "'s1']) AS name FROM silver.usage) AS x GROUP BY name HAVING count(*) > 2",
    "SELECT m.id AS id, count(qty) AS n FROM (SELECT qty, unnest([{'kind': 'a', 'id': org}, "
    "{'kind': 'b', 'id': service}]) AS m FROM silver.usage) AS x WHERE m.kind <> 'b' GROUP BY 1",
    "SELECT k, sum(q) AS q FROM (SELECT y.k AS k, y.q AS q FROM (SELECT qty AS q, unnest(['x', "
    "'y']) AS k FROM silver.usage) AS y WHERE y.k <> 'z') AS x GROUP BY k",
    /* numbers of different types have the list's type, so the list stays */
    "SELECT v, count(*) AS n FROM (SELECT unnest([qty, 2.5, \"order\"]) AS v FROM silver.usage) AS "
    "x GROUP BY v",
    /* a cast that the binder adds to sums of BIGINT, integers as keys */
    "SELECT CAST(qty % 3 AS SMALLINT) AS k, CAST(sum(qty) AS DECIMAL(38,0)) AS s, "
    "sum(\"order\") * 2 AS t FROM silver.usage GROUP BY k",
};

static void incremental_views_equal_their_batch_text(void **state)
{
    fixture *f = *state;
    usage_stream(f);
    size_t n = sizeof incremental_bodies / sizeof *incremental_bodies;
    for (size_t i = 0; i < n; i++) {
        rdl_table *t =
            stream_view(f, rdl_arena_printf(&f->arena, "gold.v%zu", i), incremental_bodies[i]);
        check_mode(t, RDL_MAINTAIN_INCREMENTAL);
        fx_exec(f, "DELETE FROM e.\"all:silver.usage\"");
        play_incremental(f, t);
        f->n--;
    }
}

static void a_written_list_is_a_query_for_each_element(void **state)
{
    static const struct {
        const char *list, *keys;
        bool spread, repeats;
    } cases[] = {
        {"[{'kind': 'o', 'id': org}, {'kind': 's', 'id': service}]", "m.kind, m.id", true, false},
        {"[{'kind': 'o', 'id': org}, {'kind': 'o', 'id': service}]", "m.kind, m.id", true, true},
        {"[{'kind': 'o', 'id': org}, {'kind': 's', 'id': service}]", "m.id", true, true},
        {"[{'kind': 'o', 'id': org}, {'kind': 's', 'id': service}]", "upper(m.kind) AS kind", true,
         true},
        {"[1, 2]", "m", true, false},
        {"[1, 1]", "m", true, true},
        {"[org, service]", "m", true, true},
        {"[qty, 2.5]", "m", false, false},
        {"[org]", "m", false, false},
        {"list_concat([org], [service])", "m", false, false},
    };
    fixture *f = *state;
    usage_stream(f);
    size_t n = sizeof cases / sizeof *cases;
    for (size_t k = 0; k < 2 * n; k++) { /* with a name for the subquery, and without */
        size_t i = k / 2;
        const char *body =
            rdl_arena_printf(&f->arena,
                             "SELECT %s, sum(qty) AS q FROM (SELECT qty, unnest(%s) "
                             "AS m FROM silver.usage)%s GROUP BY ALL",
                             cases[i].keys, cases[i].list, k % 2 == 0 ? " AS x" : "");
        rdl_table *t = stream_view(f, rdl_arena_printf(&f->arena, "gold.w%zu", k), body);
        const rdl_view_plan *p = t->view_plan;
        check_mode(t, RDL_MAINTAIN_INCREMENTAL);
        assert_int_equal(strstr(p->partial_new_sql.p, "UNION ALL") != NULL, cases[i].spread);
        assert_int_equal(strstr(p->partial_new_sql.p, "unnest") == NULL, cases[i].spread);
        assert_int_equal(p->partial_repeats, cases[i].repeats);
        fx_exec(f, "DELETE FROM e.\"all:silver.usage\"");
        play_incremental(f, t);
        f->n--;
    }
}

/* -- groups
 * ------------------------------------------------------------------------------------ */

/* The view as the epoch keeps it: rows of touched keys leave, groups_sql's come. */
static void apply_groups(fixture *f, const rdl_table *t)
{
    const rdl_view_plan *p = t->view_plan;
    rdl_arena *a = &f->arena;
    fx_exec(f, rdl_arena_printf(a, "CREATE OR REPLACE TABLE e.\"touched:%s\" AS %s", t->full.p,
                                p->touched_sql.p));
    rdl_buf match = {0};
    for (size_t i = 0; i < p->key_count; i++) {
        rdl_buf_printf(&match, "%s v.", i > 0 ? " AND" : "");
        rdl_buf_put_sql_ident(&match, t->columns.v[p->key_columns[i]].name);
        rdl_buf_printf(&match, " IS NOT DISTINCT FROM k.k%zu", i);
    }
    fx_exec(f, rdl_arena_printf(
                   a,
                   "CREATE OR REPLACE TABLE kept AS SELECT v.* FROM e.\"all:%s\" AS v ANTI JOIN "
                   "e.\"touched:%s\" AS k ON %s UNION ALL %s",
                   t->full.p, t->full.p, rdl_buf_str(&match), p->groups_sql.p));
    fx_exec(f, rdl_arena_printf(a, "CREATE OR REPLACE TABLE e.\"all:%s\" AS FROM kept", t->full.p));
    rdl_buf_fini(&match);
}

static void play_groups(fixture *f, rdl_table *t)
{
    static const int rows[] = {0, 40, 1, 200, 0, 7};
    fx_exec(f,
            rdl_arena_printf(&f->arena, "CREATE OR REPLACE TABLE e.\"all:%s\" AS FROM (%s) LIMIT 0",
                             t->full.p, t->view_plan->batch_sql.p));
    for (size_t e = 0; e < sizeof rows / sizeof *rows; e++) {
        feed_stream(f, (int)e + 1, rows[e]);
        apply_groups(f, t);
        fx_same(f, "groups", rdl_arena_printf(&f->arena, "FROM e.\"all:%s\"", t->full.p),
                t->view_plan->batch_sql.p);
    }
}

static const char *const group_bodies[] = {
    "SELECT org, median(cost) AS m, count(DISTINCT service) AS s, sum(cost) AS c "
    "FROM silver.usage GROUP BY org",
    "SELECT org AS o, day, string_agg(service) AS l, list(qty) AS q, mode(qty) IS NULL AS "
    "d "
    "FROM silver.usage WHERE ok GROUP BY ALL HAVING count(*) > 1",
    "SELECT *, row_number() OVER (PARTITION BY org, day ORDER BY ts) AS rn, "
    "sum(cost) OVER (PARTITION BY org) AS c FROM silver.usage",
    "SELECT org, day, qty FROM silver.usage QUALIFY row_number() OVER (PARTITION BY day, "
    "org ORDER "
    "BY ts DESC) = 1",
    "SELECT org, day, sum(cost) AS c, avg(sum(cost)) OVER (PARTITION BY org) AS a FROM "
    "silver.usage "
    "GROUP BY org, day",
    "SELECT org, c / n AS r FROM (SELECT org, sum(cost) AS c, count(*) AS n FROM "
    "silver.usage GROUP "
    "BY org) AS x WHERE n > 2",
    "WITH m AS (SELECT *, median(cost) OVER (PARTITION BY org, service) AS med FROM "
    "silver.usage), "
    "d AS (SELECT *, median(abs(cost - med)) OVER (PARTITION BY org, service) AS mad FROM "
    "m) "
    "SELECT org, service, ts, cost, (cost - med) / nullif(mad, 0) AS score FROM d",
    "SELECT DISTINCT ON (org) org, CAST(day AS TEXT) AS day FROM (SELECT org, max(day) AS "
    "day FROM "
    "silver.usage GROUP BY org) AS x",
    "SELECT corr(cost, qty) AS r, product(price) AS p, skewness(cost) AS s, org, \"order\" "
    "FROM "
    "silver.usage WHERE abs(cost) < 1e6 GROUP BY \"order\", org",
};

static void grouped_views_equal_their_batch_text(void **state)
{
    fixture *f = *state;
    usage_stream(f);
    for (size_t i = 0; i < sizeof group_bodies / sizeof *group_bodies; i++) {
        rdl_table *t = stream_view(f, rdl_arena_printf(&f->arena, "gold.g%zu", i), group_bodies[i]);
        check_mode(t, RDL_MAINTAIN_GROUPS);
        fx_exec(f, "DELETE FROM e.\"all:silver.usage\"");
        play_groups(f, t);
        f->n--;
    }
}

static void dimensions_join_before_rows_are_grouped(void **state)
{
    static const char *const inputs[] = {"+silver.usage", "gold.orgs"};
    static const struct {
        const char *body;
        rdl_maintenance mode;
    } cases[] = {
        {"SELECT o.plan, usage.day, sum(cost) AS c, first(qty) AS f, count(o.org) AS n "
         "FROM "
         "silver.usage LEFT JOIN gold.orgs AS o ON o.org = usage.org GROUP BY ALL",
         RDL_MAINTAIN_INCREMENTAL},
        {"SELECT org, plan, count(*) AS n FROM silver.usage JOIN gold.orgs USING (org) "
         "GROUP BY "
         "org, plan",
         RDL_MAINTAIN_INCREMENTAL},
        {"SELECT org, count(*) AS n FROM silver.usage WHERE org IN (SELECT org FROM "
         "gold.orgs) "
         "GROUP BY org",
         RDL_MAINTAIN_INCREMENTAL},
        {"SELECT o.plan, median(cost) AS c FROM silver.usage AS u LEFT JOIN gold.orgs AS o "
         "ON o.org "
         "= u.org GROUP BY o.plan",
         RDL_MAINTAIN_GROUPS},
        {"SELECT x.org, x.m, o.plan FROM (SELECT org, median(cost) AS m FROM silver.usage "
         "GROUP BY "
         "org) AS x LEFT JOIN gold.orgs AS o ON o.org = x.org",
         RDL_MAINTAIN_GROUPS},
        {"SELECT x.m, o.org FROM (SELECT org, median(cost) AS m FROM silver.usage GROUP BY "
         "org) AS x "
         "LEFT JOIN gold.orgs AS o ON o.org = x.org",
         RDL_MAINTAIN_FULL},
    };
    fixture *f = *state;
    usage_stream(f);
    fx_input(f, RDL_TABLE_VIEW, "gold.orgs", "org TEXT, plan TEXT");
    fx_exec(f, "INSERT INTO e.\"all:gold.orgs\" VALUES ('o1', 'p'), ('o1', 'q'), ('o2', NULL), "
               "(NULL, 'z')");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_table *t = fx_table(f, RDL_TABLE_VIEW, rdl_arena_printf(&f->arena, "gold.d%zu", i),
                                cases[i].body, inputs, 2);
        fx_plan(f, t);
        check_mode(t, cases[i].mode);
        fx_exec(f, "DELETE FROM e.\"all:silver.usage\"");
        if (cases[i].mode == RDL_MAINTAIN_INCREMENTAL)
            play_incremental(f, t);
        else if (cases[i].mode == RDL_MAINTAIN_GROUPS)
            play_groups(f, t);
        f->n--;
    }
}

/* -- changes: rows that come and go
 * -------------------------------------------------------------- */

/* Random pairs of a view: some rows of e."all:" leave, some come. */
static void feed_changes(fixture *f, const char *full, int epoch, int rows)
{
    rdl_arena *a = &f->arena;
    fx_exec(f,
            rdl_arena_printf(a,
                             "DELETE FROM e.\"new:%s\"; DELETE FROM e.\"old:%s\"; "
                             "INSERT INTO e.\"new:%s\" SELECT * EXCLUDE (i) FROM (%s); "
                             "INSERT INTO e.\"old:%s\" SELECT * FROM e.\"all:%s\" WHERE "
                             "hash(rdl_key(ts, org, cost, qty)) %% 3 = %d",
                             full, full, full, random_rows(f, epoch, rows), full, full, epoch % 3));
    fx_exec(f, rdl_arena_printf(a,
                                "CREATE OR REPLACE TABLE kept AS (SELECT * FROM e.\"all:%s\" "
                                "EXCEPT ALL SELECT * FROM e.\"old:%s\") UNION ALL SELECT * FROM "
                                "e.\"new:%s\"; DELETE FROM e.\"all:%s\"; INSERT INTO "
                                "e.\"all:%s\" FROM kept",
                                full, full, full, full, full));
}

static rdl_table *change_view(fixture *f, const char *name, const char *body)
{
    static const char *const inputs[] = {"gold.usage"};
    rdl_table *t = fx_table(f, RDL_TABLE_VIEW, name, body, inputs, 1);
    fx_plan(f, t);
    return t;
}

static void rows_that_go_are_taken_back_to_the_bit(void **state)
{
    fixture *f = *state;
    fx_input(f, RDL_TABLE_VIEW, "gold.usage", USAGE_COLUMNS);
    rdl_table *t = change_view(
        f, "gold.sums",
        "SELECT org, service, sum(cost) AS c, avg(cost) AS a, stddev(cost) AS s, sum(qty) "
        "AS q, "
        "count(ok) AS k, sum(price) FILTER (WHERE ok) AS p FROM gold.usage GROUP BY ALL");
    check_mode(t, RDL_MAINTAIN_INCREMENTAL);
    assert_true(t->view_plan->may_subtract);
    keyed k = {.plan = t->view_plan};
    for (int e = 1; e < 8; e++) {
        feed_changes(f, "gold.usage", e, e * 13 % 60);
        keyed_merge(f, &k, t->view_plan->partial_new_sql.p, 1);
        keyed_merge(f, &k, t->view_plan->partial_old_sql.p, -1);
        keyed_publish(f, &k, t);
        fx_same(f, "taken back", t->view_plan->final_sql.p, t->view_plan->batch_sql.p);
    }
    keyed_free(&k);
}

static void extremes_over_rows_that_go_are_recomputed_by_group(void **state)
{
    fixture *f = *state;
    fx_input(f, RDL_TABLE_VIEW, "gold.usage", USAGE_COLUMNS);
    rdl_table *t = change_view(f, "gold.top",
                               "SELECT org, max(cost) AS c, first(service) AS s, arg_max(qty, ts) "
                               "AS q FROM gold.usage GROUP BY org");
    check_mode(t, RDL_MAINTAIN_GROUPS);
    fx_exec(f, rdl_arena_printf(&f->arena, "CREATE TABLE e.\"all:gold.top\" AS FROM (%s)",
                                t->view_plan->batch_sql.p));
    for (int e = 1; e < 8; e++) {
        feed_changes(f, "gold.usage", e, e * 17 % 50);
        apply_groups(f, t);
        fx_same(f, "groups", "FROM e.\"all:gold.top\"", t->view_plan->batch_sql.p);
    }
}

static void appended_views_map_old_rows_and_new_rows(void **state)
{
    fixture *f = *state;
    static const char *const inputs[] = {"gold.usage", "gold.orgs"};
    fx_input(f, RDL_TABLE_VIEW, "gold.usage", USAGE_COLUMNS);
    fx_input(f, RDL_TABLE_VIEW, "gold.orgs", "org TEXT, plan TEXT");
    fx_exec(f, "INSERT INTO e.\"all:gold.orgs\" VALUES ('o1', 'p'), ('o1', 'q'), ('o2', 'p')");
    rdl_table *t = fx_table(f, RDL_TABLE_VIEW, "gold.rows",
                            "SELECT u.*, o.plan, cost * 2 AS twice, t.x FROM gold.usage AS u LEFT "
                            "JOIN gold.orgs AS o "
                            "ON o.org = u.org, unnest(u.tags) AS t(x) WHERE qty IS NOT NULL",
                            inputs, 2);
    fx_plan(f, t);
    check_mode(t, RDL_MAINTAIN_APPEND);
    assert_int_equal(t->view_plan->needs_all_count, 1);
    fx_exec(f, rdl_arena_printf(&f->arena, "CREATE TABLE e.\"all:gold.rows\" AS FROM (%s)",
                                t->view_plan->batch_sql.p));
    for (int e = 1; e < 6; e++) {
        feed_changes(f, "gold.usage", e, e * 17 % 50);
        fx_exec(f, rdl_arena_printf(&f->arena,
                                    "CREATE OR REPLACE TABLE e.\"all:gold.rows\" AS (FROM "
                                    "e.\"all:gold.rows\" EXCEPT ALL (%s)) UNION ALL (%s)",
                                    t->view_plan->row_old_sql.p, t->view_plan->row_new_sql.p));
        fx_same(f, "rows", "FROM e.\"all:gold.rows\"", t->view_plan->batch_sql.p);
    }
}

/* -- the batch text against the body as DuckDB runs it
 * --------------------------------------------- */

static void batch_texts_answer_the_body(void **state)
{
    static const char *const bodies[] = {
        "SELECT org, day, sum(qty) AS q, sum(price) AS p, count(*) AS n, min(ts) AS t, "
        "round(avg(cost) FILTER (WHERE abs(cost) < 1e6), 6) AS a, "
        "round(stddev(qty), 6) AS s, arg_min(day, ts) AS d FROM silver.usage GROUP BY ALL "
        "HAVING count(*) > 2",
        "SELECT DISTINCT org, service FROM silver.usage ORDER BY 1",
        "WITH a AS (SELECT org, sum(qty) AS q FROM silver.usage GROUP BY org) SELECT "
        "x.org, x.q, "
        "y.q AS z FROM a AS x JOIN a AS y ON x.org = y.org",
        "SELECT org, qty FROM silver.usage UNION SELECT service, \"order\" FROM "
        "silver.usage",
        "SELECT *, rank() OVER (PARTITION BY org ORDER BY ts) AS r FROM silver.usage",
        "SELECT u.org, u.qty FROM silver.usage AS u WHERE u.qty = (SELECT max(qty) FROM "
        "silver.usage AS v WHERE v.org = u.org)",
        "SELECT median(qty) AS m, count(DISTINCT org) AS d FROM silver.usage",
        "SELECT org, qty FROM silver.usage ORDER BY ts, org, qty LIMIT 5",
    };
    fixture *f = *state;
    usage_stream(f);
    feed_stream(f, 1, 400);
    fx_exec(f, "INSERT INTO silver.usage SELECT COLUMNS(c -> c NOT LIKE '\\_%' ESCAPE '\\') FROM "
               "e.\"all:silver.usage\"");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        rdl_table *t = stream_view(f, rdl_arena_printf(&f->arena, "gold.b%zu", i), bodies[i]);
        fx_same(f, "batch", t->view_plan->batch_sql.p, bodies[i]);
        if (i >= 6 || i == 2 || i == 3 || i == 5)
            check_mode(t, RDL_MAINTAIN_FULL);
        assert_true(t->view_plan->reason.n > 0);
        f->n--;
    }
}

/* -- constraints
 * -------------------------------------------------------------------------------------- */

static void constraints_impute_in_order_then_judge(void **state)
{
    static const char *const inputs[] = {"+silver.usage"};
    fixture *f = *state;
    usage_stream(f);
    rdl_table *t = fx_table(
        f, RDL_TABLE_VIEW, "gold.checked",
        "SELECT org, sum(qty) AS q, count(*) AS n FROM silver.usage GROUP BY org", inputs, 1);
    rdl_impute first = {.column = 1, .expr = RDL_STR("-1")};
    rdl_impute second[] = {{.column = 1, .expr = RDL_STR("q - 1")},
                           {.column = 2, .expr = RDL_STR("q")}};
    rdl_constraint c[] = {
        {.name = RDL_STR("big"), .action = RDL_VIOLATION_QUARANTINE, .expr = RDL_STR("n < 30")},
        {.name = RDL_STR("q"),
         .action = RDL_VIOLATION_IMPUTE,
         .expr = RDL_STR("q IS NOT NULL"),
         .imputes = &first,
         .impute_count = 1},
        {.name = RDL_STR("p"),
         .action = RDL_VIOLATION_IMPUTE,
         .expr = RDL_STR("checked.q >= 0"),
         .imputes = second,
         .impute_count = 2},
        {.name = RDL_STR("u"),
         .action = RDL_VIOLATION_KEEP,
         .unique = (size_t[]){0},
         .unique_count = 1},
    };
    t->constraints = c;
    t->constraint_count = 4;
    fx_plan(f, t);
    fx_exec(f, "CREATE TABLE e.\"unchecked:gold.checked\" (org TEXT, q DECIMAL(38,0), n BIGINT); "
               "INSERT INTO e.\"unchecked:gold.checked\" VALUES ('a', 5, 3), ('b', NULL, 4), "
               "('c', -7, 99), (NULL, 1, NULL)");
    fx_same(f, "checked", t->view_plan->checked_sql.p,
            "SELECT * FROM (VALUES ('a', CAST(5 AS DECIMAL(38,0)), CAST(3 AS BIGINT), "
            "FALSE, FALSE, "
            "FALSE, FALSE), ('b', -2, -1, FALSE, TRUE, TRUE, FALSE), ('c', -8, -7, FALSE, "
            "FALSE, "
            "TRUE, FALSE), (NULL, 1, NULL, FALSE, FALSE, FALSE, FALSE)) AS v");
    feed_stream(f, 1, 300);
    assert_int_equal(
        fx_count(f, rdl_arena_printf(&f->arena, "SELECT count(*) FROM (%s) WHERE n >= 30",
                                     t->view_plan->batch_sql.p)),
        0);
}

/* -- streaming tables
 * ------------------------------------------------------------------------------- */

static rdl_table *stream_table(fixture *f, const char *name, const char *body,
                               const char *const *inputs, size_t n)
{
    rdl_table *t = fx_table(f, RDL_TABLE_STREAMING, name, body, inputs, n);
    t->allow_fanout = true; /* copies are numbered */
    fx_plan(f, t);
    return t;
}

static void check_identity(fixture *f, const rdl_table *t)
{
    const char *sql = t->stream_plan->body_sql.p;
    assert_int_equal(fx_count(f, rdl_arena_printf(&f->arena,
                                                  "SELECT count(*) - count(DISTINCT (_epoch, "
                                                  "_source_partition, _source_offset, _ordinal)) "
                                                  "FROM (%s)",
                                                  sql)),
                     0);
    fx_exec(f, rdl_arena_printf(&f->arena, "CREATE OR REPLACE TABLE once AS FROM (%s)", sql));
    fx_exec(f, "CREATE OR REPLACE TABLE kept AS FROM e.\"new:silver.usage\" ORDER BY hash(ts); "
               "DELETE FROM e.\"new:silver.usage\"; INSERT INTO e.\"new:silver.usage\" FROM kept");
    fx_same(f, "identity", "FROM once", sql);
    assert_int_equal(fx_count(f, "SELECT count(*) FROM once ANTI JOIN e.\"new:silver.usage\" AS u "
                                 "USING (_epoch, _source_partition, _source_offset, _event_ts)"),
                     0);
}

static void streaming_tables_keep_identity_through_joins_and_lists(void **state)
{
    static const char *const inputs[] = {"+silver.usage", "silver.orgs", "gold.plans"};
    static const struct {
        const char *body;
        bool fans, filters;
    } cases[] = {
        {"SELECT *, CAST(ts AS DATE) AS d FROM silver.usage", false, false},
        {"SELECT * REPLACE (qty + 1 AS qty) FROM silver.usage WHERE ok", false, true},
        {"SELECT u.*, o.plan FROM silver.usage AS u LEFT JOIN silver.orgs AS o ON o.org = "
         "u.org",
         true, false},
        {"SELECT u.*, p.price AS pp FROM silver.orgs AS o RIGHT JOIN silver.usage AS u "
         "USING (org) LEFT "
         "JOIN gold.plans AS p ON p.plan = o.plan",
         true, false},
        {"SELECT u.*, p.price AS pp FROM silver.usage AS u JOIN gold.plans AS p ON p.plan "
         "= u.service",
         false, true},
        {"SELECT org, t.tag FROM silver.usage, unnest(tags) AS t(tag)", true, true},
        {"SELECT org, unnest(tags) AS tag FROM silver.usage", true, true},
        {"WITH x AS (SELECT *, cost * 2 AS c2 FROM silver.usage WHERE qty > 0) SELECT org, "
         "c2 FROM x AS "
         "y WHERE c2 > 1",
         false, true},
        {"SELECT org, qty FROM silver.usage UNION ALL SELECT service, \"order\" FROM "
         "silver.usage",
         true, false},
        {"SELECT a.o FROM (SELECT org AS o, s.z FROM silver.usage, LATERAL (SELECT "
         "upper(org) AS z) AS s) "
         "AS a",
         false, false},
        {"SELECT silver.usage.org AS org FROM silver.usage SEMI JOIN silver.orgs USING "
         "(org)",
         false, true},
    };
    fixture *f = *state;
    usage_stream(f);
    fx_input(f, RDL_TABLE_SNAPSHOT, "silver.orgs", "org TEXT, plan TEXT");
    rdl_table *plans = fx_input(f, RDL_TABLE_VIEW, "gold.plans", "plan TEXT, price DOUBLE");
    plans->primary_key = (size_t[]){0};
    plans->primary_key_count = 1;
    fx_exec(f, "INSERT INTO e.\"all:silver.orgs\" VALUES ('o1', 's1'), ('o1', 's2'), "
               "('o1', 's2'), ('o2', "
               "NULL); INSERT INTO e.\"all:gold.plans\" VALUES ('s1', 1.5), ('s2', 2)");
    feed_stream(f, 1, 200);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_table *t = stream_table(f, rdl_arena_printf(&f->arena, "silver.t%zu", i), cases[i].body,
                                    inputs, 3);
        assert_int_equal(f->diags.errors, 0);
        check_identity(f, t);
        assert_int_equal(t->stream_plan->may_fan_out, cases[i].fans);
        assert_int_equal(t->stream_plan->may_filter, cases[i].filters);
        f->n--;
    }
}

/* Numbering sorts every row by all that it holds: not for an error, which two equal identities
 * show. */
static void copies_are_not_numbered_where_they_are_an_error(void **state)
{
    static const char *const inputs[] = {"+silver.usage"};
    fixture *f = *state;
    usage_stream(f);
    feed_stream(f, 1, 60);
    rdl_table *t =
        fx_table(f, RDL_TABLE_STREAMING, "silver.tags",
                 "SELECT org, t.x FROM silver.usage AS u, unnest(u.tags) AS t(x)", inputs, 1);
    fx_plan(f, t);
    assert_true(t->stream_plan->may_fan_out && t->stream_plan->once);
    assert_null(strstr(t->stream_plan->body_sql.p, "row_number"));
    assert_true(
        fx_count(f, rdl_arena_printf(&f->arena,
                                     "SELECT count(*) - count(DISTINCT (_epoch, _source_partition, "
                                     "_source_offset, _ordinal)) FROM (%s)",
                                     t->stream_plan->body_sql.p)) > 0);
    t->allow_fanout = true;
    fx_plan(f, t);
    assert_false(t->stream_plan->once);
    check_identity(f, t);
}

/* The name says that it may be an instant; what it is in the inner query decides. */
static void a_date_is_taken_of_whatever_has_the_name_of_an_instant(void **state)
{
    static const char *const inputs[] = {"+events"};
    fixture *f = *state;
    fx_input(f, RDL_TABLE_SOURCE, "events", "id TEXT, ts TIMESTAMPTZ, day TEXT");
    fx_exec(
        f,
        "INSERT INTO e.\"new:events\" VALUES ('a', TIMESTAMPTZ '2026-02-03 23:59:59Z', '2026-02-04', 'f1', 0, 7, 0, "
        "now(), 3, NULL, now()), ('b', NULL, NULL, 'f1', 0, 8, 0, now(), 3, NULL, NULL)");
    rdl_table *t = stream_table(f, "bronze.events",
                                "SELECT id, CAST(ts AS DATE) AS d, TRY_CAST(was AS DATE) AS g "
                                "FROM (SELECT id, day AS ts, ts AS was FROM main.events) AS x",
                                inputs, 1);
    fx_plan(f, t);
    assert_int_equal(f->diags.errors, 0);
    assert_non_null(strstr(t->stream_plan->body_sql.p, "rdl_to_date"));
    fx_same(
        f, "dates",
        rdl_arena_printf(&f->arena, "SELECT id, d, g FROM (%s)", t->stream_plan->body_sql.p),
        "SELECT * FROM (VALUES ('a', DATE '2026-02-04', DATE '2026-02-03'), ('b', NULL, NULL))");
}

static void system_columns_of_a_source_are_seen_when_named(void **state)
{
    static const char *const inputs[] = {"+events"};
    fixture *f = *state;
    fx_input(f, RDL_TABLE_SOURCE, "events", "id TEXT, \"timestamp\" TIMESTAMPTZ, v BIGINT");
    fx_exec(f, "INSERT INTO e.\"new:events\" VALUES ('a', now(), 1, 'f1', 0, 7, 0, now(), "
               "3, NULL, "
               "now()), (NULL, NULL, 2, 'f2', 0, 8, 0, now(), 3, '{}', NULL)");
    rdl_table *t = stream_table(f, "bronze.events",
                                "SELECT events.id AS id, CAST(events.\"timestamp\" AS DATE) AS d, "
                                "main.events._source_file AS source_file, _ingest_ts AS ingest_ts, "
                                "x.* FROM main.events, LATERAL (SELECT v + 1 AS w) AS x",
                                inputs, 1);
    rdl_constraint c[] = {
        {.name = RDL_STR("id"),
         .action = RDL_VIOLATION_QUARANTINE,
         .expr = RDL_STR("id IS NOT NULL")},
        {.name = RDL_STR("w"), .action = RDL_VIOLATION_DROP_ROW, .expr = RDL_STR("w < 3")},
    };
    t->constraints = c;
    t->constraint_count = 2;
    fx_plan(f, t);
    assert_int_equal(f->diags.errors, 0);
    assert_non_null(strstr(t->stream_plan->body_sql.p, "rdl_to_date"));
    fx_same(f, "judged",
            rdl_arena_printf(&f->arena,
                             "SELECT id, source_file, w, _source_offset, _c0, _c1 FROM (%s)",
                             t->stream_plan->body_sql.p),
            "SELECT * FROM (VALUES ('a', 'f1', CAST(2 AS BIGINT), CAST(7 AS BIGINT), "
            "FALSE, FALSE), "
            "(NULL, 'f2', 3, 8, TRUE, TRUE)) AS v");
}

static void declared_hops_are_told_from_other_copies(void **state)
{
    static const char *const inputs[] = {"+silver.usage"};
    static const struct {
        const char *body;
        bool fans, hop;
    } cases[] = {
        {"SELECT org, w.hop_start AS s FROM (SELECT org, unnest(hop_windows(ts, 2)) AS w "
         "FROM "
         "silver.usage)",
         true, true},
        {"SELECT org, unnest(hop_windows(ts, 2)) AS w FROM silver.usage", true, true},
        {"SELECT org, w.hop_start AS s, t.x FROM (SELECT org, tags, unnest(hop_windows(ts, "
         "2)) AS w "
         "FROM silver.usage) AS u, unnest(u.tags) AS t(x)",
         true, false},
    };
    fixture *f = *state;
    usage_stream(f);
    fx_exec(
        f,
        "CREATE OR REPLACE MACRO hop_windows(ts, n) AS list_transform(range(n), i -> {'hop_start': "
        "time_bucket(INTERVAL 30 MINUTES, ts) - to_minutes(30 * i)})");
    feed_stream(f, 1, 60);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_table *t = stream_table(f, "silver.hops", cases[i].body, inputs, 1);
        assert_int_equal(t->stream_plan->may_fan_out, cases[i].fans);
        assert_int_equal(t->stream_plan->declared_hop, cases[i].hop);
        check_identity(f, t);
        f->n--;
    }
}

static void bodies_that_fold_rows_are_refused_with_a_place(void **state)
{
    static const char *const inputs[] = {"+silver.usage", "+silver.other"};
    static const struct {
        const char *body, *word, *said;
    } cases[] = {
        {"SELECT DISTINCT org FROM silver.usage", "DISTINCT", "DISTINCT"},
        {"SELECT org FROM silver.usage ORDER BY org", "ORDER BY", "ORDER BY"},
        {"SELECT org FROM silver.usage LIMIT 3", "LIMIT", "LIMIT"},
        {"SELECT org, count(*) AS n FROM silver.usage GROUP BY org", "GROUP BY", "GROUP BY"},
        {"SELECT sum(qty) AS n FROM silver.usage", "sum", "sum"},
        {"SELECT org, lag(qty) OVER (ORDER BY ts) AS n FROM silver.usage", "OVER", "window"},
        {"SELECT org FROM silver.usage UNION SELECT service FROM silver.usage", "UNION", "UNION"},
        {"SELECT u.org FROM silver.usage AS u JOIN silver.other AS o USING (org)", "JOIN", "AS OF"},
        {"SELECT u.org FROM silver.usage AS u FULL JOIN (VALUES ('x')) AS o(org) USING "
         "(org)",
         "JOIN", "join"},
        {"SELECT 1 AS x", "SELECT", "names none"},
    };
    fixture *f = *state;
    usage_stream(f);
    fx_input(f, RDL_TABLE_STREAMING, "silver.other", "org TEXT");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdl_table *t = stream_table(f, "silver.bad", cases[i].body, inputs, 2);
        assert_null(t->stream_plan);
        assert_int_equal(f->diags.errors, i + 1);
        const rdl_diag *d = &f->diags.list.v[i];
        if (strstr(d->msg, cases[i].said) == NULL ||
            strncmp(d->pos.file->text.p + d->pos.at, cases[i].word, strlen(cases[i].word)) != 0) {
            print_error("%s\n%s\n", cases[i].body, d->msg);
            fail();
        }
        f->n--;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_written_list_is_a_query_for_each_element, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(incremental_views_equal_their_batch_text, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(grouped_views_equal_their_batch_text, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(dimensions_join_before_rows_are_grouped, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(rows_that_go_are_taken_back_to_the_bit, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(extremes_over_rows_that_go_are_recomputed_by_group,
                                        fx_setup, fx_teardown),
        cmocka_unit_test_setup_teardown(appended_views_map_old_rows_and_new_rows, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(batch_texts_answer_the_body, fx_setup, fx_teardown),
        cmocka_unit_test_setup_teardown(constraints_impute_in_order_then_judge, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(a_date_is_taken_of_whatever_has_the_name_of_an_instant,
                                        fx_setup, fx_teardown),
        cmocka_unit_test_setup_teardown(streaming_tables_keep_identity_through_joins_and_lists,
                                        fx_setup, fx_teardown),
        cmocka_unit_test_setup_teardown(bodies_that_fold_rows_are_refused_with_a_place, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(system_columns_of_a_source_are_seen_when_named, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(copies_are_not_numbered_where_they_are_an_error, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(declared_hops_are_told_from_other_copies, fx_setup,
                                        fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
