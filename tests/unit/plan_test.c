/*
 * The planner, checked by execution: whatever it splits, groups or threads must give what the
 * batch text gives, epoch after epoch, to the bit.
 */
#include "tests/unit/plan_fixture.h"

#define USAGE_COLUMNS                                                                        \
    "org TEXT, day DATE, ts TIMESTAMPTZ, service TEXT, cost DOUBLE, qty BIGINT, "            \
    "price DECIMAL(18,3), ok BOOLEAN, \"order\" INTEGER, tags TEXT[]"

/* Random values with NULLs, ties, and doubles whose sum depends on their order. */
#define RANDOM_USAGE                                                                         \
    "CASE WHEN h % 7 = 0 THEN NULL ELSE 'o' || (h % 5) END AS org, "                         \
    "DATE '2025-01-01' + CAST(h % 4 AS INTEGER) AS day, "                                    \
    "TIMESTAMPTZ '2025-01-01 00:00:00+00' + to_minutes(CAST(h % 300 AS BIGINT)) AS ts, "     \
    "CASE WHEN h % 11 = 0 THEN NULL ELSE 's' || (h // 7 % 3) END AS service, "               \
    "CASE WHEN h % 5 = 1 THEN NULL WHEN h % 13 = 0 THEN 1e17 WHEN h % 13 = 1 THEN -1e17 "    \
    "WHEN h % 17 = 2 THEN -0.0 ELSE (h % 1000) / 7.0 END AS cost, "                          \
    "CASE WHEN h % 6 = 1 THEN NULL ELSE CAST(h % 9 AS BIGINT) - 4 END AS qty, "              \
    "CASE WHEN h % 9 = 2 THEN NULL ELSE CAST((h % 5000) / 1000.0 AS DECIMAL(18,3)) END AS price, " \
    "CASE WHEN h % 8 = 3 THEN NULL ELSE h % 3 > 0 END AS ok, "                               \
    "CAST(h % 6 AS INTEGER) AS \"order\", "                                                  \
    "CASE WHEN h % 5 = 0 THEN NULL ELSE list_transform(range(CAST(h % 3 AS BIGINT)), "       \
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
    "FROM silver.usage WHERE usage.qty IS NOT NULL GROUP BY org HAVING n > 3 AND sum(qty) < 900",
    "SELECT silver.usage.org AS org, max(silver.usage.qty) AS q FROM silver.usage GROUP BY ALL",
    /* one group, always there */
    "SELECT sum(cost) AS c, count(*) AS n, max(qty) AS m, avg(qty) AS a FROM silver.usage",
    "SELECT count(*) AS n FROM silver.usage HAVING count(*) > 50",
    /* keys that are words and expressions; a key by alias that is also a column */
    "SELECT \"order\", date_trunc('hour', ts) AS hour, CASE WHEN qty > 0 THEN 'up' ELSE 'down' "
    "END AS dir, count(*) AS \"count\" FROM silver.usage GROUP BY \"order\", hour, dir",
    /* no aggregates at all */
    "SELECT DISTINCT org, service FROM silver.usage",
    "SELECT org FROM silver.usage GROUP BY org HAVING count(*) > 10",
    /* through a subquery, a CTE, and lists */
    "SELECT o, sum(c) AS s, first(c) AS f FROM (SELECT org AS o, cost AS c, ok FROM silver.usage "
    "WHERE ok) AS x GROUP BY o",
    "WITH x AS (SELECT * FROM silver.usage WHERE qty > 0), y AS (SELECT org, cost * 2 AS c2 FROM "
    "x) SELECT org, sum(c2) AS s, any_value(c2) AS v FROM y GROUP BY org",
    "SELECT t.tag, count(*) AS n, sum(cost) AS c FROM silver.usage AS u, unnest(u.tags) AS t(tag) "
    "GROUP BY t.tag",
    /* sliding windows as rows */
    "SELECT org, w AS window_start, sum(cost) AS c FROM (SELECT org, cost, unnest(list_transform("
    "range(2), i -> time_bucket(INTERVAL 30 MINUTES, ts) - to_minutes(30 * i))) AS w FROM "
    "silver.usage) AS x GROUP BY org, w",
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
        rdl_table *t = stream_view(f, rdl_arena_printf(&f->arena, "gold.v%zu", i),
                                   incremental_bodies[i]);
        check_mode(t, RDL_MAINTAIN_INCREMENTAL);
        fx_exec(f, "DELETE FROM e.\"all:silver.usage\"");
        play_incremental(f, t);
        f->n--;
    }
}

/* -- groups ------------------------------------------------------------------------------------ */

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
                   a, "CREATE OR REPLACE TABLE kept AS SELECT v.* FROM e.\"all:%s\" AS v ANTI JOIN "
                      "e.\"touched:%s\" AS k ON %s UNION ALL %s",
                   t->full.p, t->full.p, rdl_buf_str(&match), p->groups_sql.p));
    fx_exec(f, rdl_arena_printf(a, "CREATE OR REPLACE TABLE e.\"all:%s\" AS FROM kept", t->full.p));
    rdl_buf_fini(&match);
}

static void play_groups(fixture *f, rdl_table *t)
{
    static const int rows[] = {0, 40, 1, 200, 0, 7};
    fx_exec(f, rdl_arena_printf(&f->arena, "CREATE OR REPLACE TABLE e.\"all:%s\" AS FROM (%s) LIMIT 0",
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
    "SELECT org AS o, day, string_agg(service) AS l, list(qty) AS q, mode(qty) IS NULL AS d "
    "FROM silver.usage WHERE ok GROUP BY ALL HAVING count(*) > 1",
    "SELECT *, row_number() OVER (PARTITION BY org, day ORDER BY ts) AS rn, "
    "sum(cost) OVER (PARTITION BY org) AS c FROM silver.usage",
    "SELECT org, day, qty FROM silver.usage QUALIFY row_number() OVER (PARTITION BY day, org ORDER "
    "BY ts DESC) = 1",
    "SELECT org, day, sum(cost) AS c, avg(sum(cost)) OVER (PARTITION BY org) AS a FROM silver.usage "
    "GROUP BY org, day",
    "SELECT org, c / n AS r FROM (SELECT org, sum(cost) AS c, count(*) AS n FROM silver.usage GROUP "
    "BY org) AS x WHERE n > 2",
    "WITH m AS (SELECT *, median(cost) OVER (PARTITION BY org, service) AS med FROM silver.usage), "
    "d AS (SELECT *, median(abs(cost - med)) OVER (PARTITION BY org, service) AS mad FROM m) "
    "SELECT org, service, ts, cost, (cost - med) / nullif(mad, 0) AS score FROM d",
    "SELECT DISTINCT ON (org) org, CAST(day AS TEXT) AS day FROM (SELECT org, max(day) AS day FROM "
    "silver.usage GROUP BY org) AS x",
    "SELECT corr(cost, qty) AS r, product(price) AS p, skewness(cost) AS s, org, \"order\" FROM "
    "silver.usage WHERE abs(cost) < 1e6 GROUP BY \"order\", org",
};

static void grouped_views_equal_their_batch_text(void **state)
{
    fixture *f = *state;
    usage_stream(f);
    for (size_t i = 0; i < sizeof group_bodies / sizeof *group_bodies; i++) {
        rdl_table *t = stream_view(f, rdl_arena_printf(&f->arena, "gold.g%zu", i),
                                   group_bodies[i]);
        check_mode(t, RDL_MAINTAIN_GROUPS);
        fx_exec(f, "DELETE FROM e.\"all:silver.usage\"");
        play_groups(f, t);
        f->n--;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(incremental_views_equal_their_batch_text, fx_setup,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(grouped_views_equal_their_batch_text, fx_setup,
                                        fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
