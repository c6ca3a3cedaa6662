/*
 * The plan cache: what is read equals what was kept, and anything else is as no file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/build.h"
#include "base/fs.h"
#include "lang/explain.h"
#include "lang/plan_cache.h"

static const char text[] =
    "-- Clicks as they come.\n"
    "CREATE SOURCE clicks (ts TIMESTAMPTZ, page TEXT, n BIGINT, tags TEXT[], m MAP(TEXT, INT),\n"
    "  s STRUCT(a INT, b DECIMAL(10,2)), twice BIGINT AS (n * 2)) FROM '${IN:-in/}' FORMAT JSON\n"
    "  WATERMARK ts DELAY OF INTERVAL 10 MINUTES;\n"
    "CREATE SOURCE pages (page TEXT, title TEXT) FROM 'p.csv' FORMAT CSV SNAPSHOT;\n"
    "CREATE STREAMING TABLE b.clicks (\n"
    "  CONSTRAINT low EXPECT (n >= ${LOW:-0}) ON VIOLATION IMPUTE (n = 0, page = upper(page)),\n"
    "  CONSTRAINT has EXPECT (page IS NOT NULL) ON VIOLATION QUARANTINE\n"
    ") PARTITIONED BY (d) DEDUPLICATE ON (ts, page) ON LATE DIVERT\n"
    "AS SELECT c.*, p.title, CAST(ts AS DATE) AS d -- the day\n"
    "FROM STREAM clicks AS c LEFT JOIN pages AS p USING (page);\n"
    "CREATE MATERIALIZED VIEW g.days PRIMARY KEY (d) SCHEDULE CRON '0 3 * * *' AS\n"
    "  SELECT d, sum(n) AS n, avg(n * 1.5e0) AS mean, min(page) AS first_page\n"
    "  FROM STREAM b.clicks GROUP BY d;\n"
    "CREATE MATERIALIZED VIEW g.some (CONSTRAINT u EXPECT UNIQUE (page)) AS\n"
    "  SELECT page, median(n) AS m FROM b.clicks GROUP BY page;\n"
    "CREATE MATERIALIZED VIEW g.rows AS SELECT page, n + 1 AS n FROM b.clicks WHERE n > 1;\n"
    "CREATE MATERIALIZED VIEW g.all AS SELECT quantile_cont(n, 0.5) AS q FROM b.clicks;\n"
    "CREATE FLOW f AS AUTO CDC INTO g.pages FROM pages KEYS (page) SEQUENCE BY title\n"
    "  STORED AS SCD TYPE 2;\n"
    "PUBLISH g.days TO 'sqlite:serving.db' AS days PRIMARY KEY ((d), first_page DESC);\n";

typedef struct fixture {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_diags diags;
    rdl_pipeline *p;
    rdl_err err;
    char *dir, *file, *cache;
    const char *set[1];
    rdl_load_options options;
} fixture;

static void open_fixture(fixture *f)
{
    *f = (fixture){0};
    rdl_arena_init(&f->arena, 0);
    const rdl_duck_config config = {.threads = 1};
    assert_int_equal(rdl_duck_open(&config, &f->duck, &f->err), RDL_OK);
    assert_int_equal(rdl_conn_open(f->duck, &f->conn, &f->err), RDL_OK);
    f->dir = rdl_fs_temp_dir(&f->arena, "rdl-plan", &f->err);
    assert_non_null(f->dir);
    f->file = rdl_path_join(&f->arena, f->dir, "pipeline.sql");
    f->cache = rdl_path_join(&f->arena, f->dir, "plan.cache");
    f->options = (rdl_load_options){.set = f->set, .plan_cache = f->cache};
    assert_int_equal(rdl_fs_write_durable(f->file, text, sizeof text - 1, &f->err), RDL_OK);
}

static void close_fixture(fixture *f)
{
    assert_int_equal(rdl_fs_remove_tree(f->dir, &f->err), RDL_OK);
    rdl_conn_close(f->conn);
    rdl_duck_close(f->duck);
    rdl_arena_fini(&f->arena);
}

/* Whether the plan was made anew. */
static bool load_is_work(fixture *f)
{
    rdl_diags_init(&f->diags, &f->arena);
    rdl_code rc =
        rdl_pipeline_load(&f->arena, f->conn, f->dir, &f->options, &f->diags, &f->p, &f->err);
    if (rc != RDL_OK) {
        rdl_buf said = {0};
        rdl_diags_print(&f->diags, false, &said);
        fail_msg("%s\n%s", f->err.msg, rdl_buf_str(&said));
    }
    return f->p->may_keep;
}

static void keep(fixture *f)
{
    assert_int_equal(rdl_pipeline_keep(f->p, f->cache, &f->err), RDL_OK);
}

static void put_all(fixture *f, rdl_buf *out)
{
    assert_int_equal(rdl_explain(f->p, RDL_STR(""), RDL_EXPLAIN_TEXT, out, &f->err), RDL_OK);
    assert_int_equal(rdl_explain(f->p, RDL_STR(""), RDL_EXPLAIN_JSON, out, &f->err), RDL_OK);
}

static void what_is_read_equals_what_was_kept(void **state)
{
    (void)state;
    fixture f;
    rdl_buf made = {0}, read = {0}, made_bytes = {0}, read_bytes = {0};
    open_fixture(&f);
    assert_true(load_is_work(&f));
    put_all(&f, &made);
    rdl_plan_cache_bytes(f.p, f.p->plan_key, &made_bytes);
    assert_true(made_bytes.n > 1000);
    keep(&f);
    assert_false(load_is_work(&f));
    put_all(&f, &read);
    rdl_plan_cache_bytes(f.p, f.p->plan_key, &read_bytes);
    assert_string_equal(rdl_buf_str(&made), rdl_buf_str(&read));
    assert_int_equal(made_bytes.n, read_bytes.n);
    assert_memory_equal(made_bytes.p, read_bytes.p, made_bytes.n);
    /* Places are in the texts that were read this time. */
    const rdl_table *t = rdl_pipeline_find(f.p, RDL_STR("b.clicks"));
    uint32_t line, column;
    rdl_pos_line(t->constraints[1].pos, &line, &column);
    assert_int_equal(line, 8);
    assert_int_equal(t->source == NULL && t->stream_plan != NULL, 1);
    rdl_buf_fini(&made);
    rdl_buf_fini(&read);
    rdl_buf_fini(&made_bytes);
    rdl_buf_fini(&read_bytes);
    close_fixture(&f);
}

static void another_text_or_another_setting_is_another_plan(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    assert_true(load_is_work(&f));
    keep(&f);
    f.set[0] = "LOW=7";
    f.options.set_count = 1;
    assert_true(load_is_work(&f));
    assert_non_null(
        strstr(rdl_pipeline_find(f.p, RDL_STR("b.clicks"))->constraints[0].expr.p, "7"));
    keep(&f);
    assert_false(load_is_work(&f));
    char *other = rdl_arena_printf(&f.arena, "%s-- one comment more\n", text);
    assert_int_equal(rdl_fs_write_durable(f.file, other, strlen(other), &f.err), RDL_OK);
    assert_true(load_is_work(&f));
    /* A second file, even an empty one, is another pipeline. */
    keep(&f);
    const char *more = rdl_path_join(&f.arena, f.dir, "z.sql");
    assert_int_equal(rdl_fs_write_durable(more, "", 0, &f.err), RDL_OK);
    assert_true(load_is_work(&f));
    close_fixture(&f);
}

static void without_a_cache_every_load_is_made_anew(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    assert_true(load_is_work(&f));
    keep(&f);
    f.options.plan_cache = NULL;
    rdl_diags_init(&f.diags, &f.arena);
    assert_int_equal(rdl_pipeline_load(&f.arena, f.conn, f.dir, &f.options, &f.diags, &f.p, &f.err),
                     RDL_OK);
    assert_false(f.p->may_keep);
    close_fixture(&f);
}

static void a_file_with_a_wrong_or_missing_byte_is_as_no_file(void **state)
{
    (void)state;
    fixture f;
    rdl_buf good = {0};
    open_fixture(&f);
    assert_true(load_is_work(&f));
    rdl_plan_cache_bytes(f.p, f.p->plan_key, &good);
    for (size_t i = 0; i < good.n; i += i < 64 ? 1 : good.n / 40) {
        rdl_pipeline p = *f.p;
        good.p[i] ^= 1;
        assert_int_equal(rdl_fs_write_durable(f.cache, good.p, good.n, &f.err), RDL_OK);
        assert_false(rdl_plan_cache_read(&p, f.cache, f.p->plan_key));
        good.p[i] ^= 1;
        assert_int_equal(rdl_fs_write_durable(f.cache, good.p, i, &f.err), RDL_OK);
        assert_false(rdl_plan_cache_read(&p, f.cache, f.p->plan_key));
        assert_ptr_equal(p.tables, f.p->tables);
    }
    rdl_buf_putc(&good, 'x');
    assert_int_equal(rdl_fs_write_durable(f.cache, good.p, good.n, &f.err), RDL_OK);
    assert_true(load_is_work(&f));
    rdl_buf_fini(&good);
    close_fixture(&f);
}

/* Bytes that a hash vouches for, and that are wrong all the same, are refused or harmless. */
static void wrong_bytes_under_a_right_hash_do_no_harm(void **state)
{
    (void)state;
    enum { PAYLOAD = 11 + 32 };
    fixture f;
    rdl_buf good = {0};
    open_fixture(&f);
    assert_true(load_is_work(&f));
    rdl_plan_cache_bytes(f.p, f.p->plan_key, &good);
    size_t refused = 0;
    for (size_t i = PAYLOAD; i < good.n; i += 1 + good.n / 300) {
        char was = good.p[i];
        good.p[i] = (char)0xff;
        rdl_hash128 sum = rdl_hash128_of(good.p + PAYLOAD, good.n - PAYLOAD);
        memcpy(good.p + PAYLOAD - 16, &sum, 16);
        rdl_err err = {0};
        rdl_file *file = NULL;
        assert_int_equal(rdl_file_create(f.cache, &file, &err), RDL_OK);
        assert_int_equal(rdl_file_write(file, good.p, good.n, &err), RDL_OK);
        rdl_file_close(file);
        rdl_pipeline p = *f.p;
        refused += !rdl_plan_cache_read(&p, f.cache, f.p->plan_key);
        good.p[i] = was;
    }
    assert_true(refused > 0);
    rdl_buf_fini(&good);
    close_fixture(&f);
}

static void a_build_knows_itself(void **state)
{
    (void)state;
    rdl_hash128 a, b;
    assert_true(rdl_build_identity(&a));
    assert_true(rdl_build_identity(&b));
    assert_true(rdl_hash128_eq(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_equals_what_was_kept),
        cmocka_unit_test(another_text_or_another_setting_is_another_plan),
        cmocka_unit_test(without_a_cache_every_load_is_made_anew),
        cmocka_unit_test(a_file_with_a_wrong_or_missing_byte_is_as_no_file),
        cmocka_unit_test(wrong_bytes_under_a_right_hash_do_no_harm),
        cmocka_unit_test(a_build_knows_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
