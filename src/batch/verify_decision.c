/*
 * batch/verify_decision.c - is what was decided what the inputs said then?
 *
 * Each epoch in which rows were decided is gone back to: e."all:<t>" of all that the body reads is
 * made as it was at that epoch,
 *
 *   streaming table   its rows up to that epoch (their identity says so)
 *   snapshot          the version that was the newest then; the engine keeps those that decisions read
 *   view              its batch text over these
 *   decision table    the rows decided up to then; itself: before
 *
 * and the body is run with now() = _decided_at.  The rows whose keys were not decided before must
 * be those that are there.  Rows that were decided under another text cannot be computed again;
 * like all of them they must be the cells that the seals added.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/fs.h"
#include "batch/relations.h"
#include "batch/verify_internal.h"
#include "lang/plan.h"
#include "stream/root.h"

typedef struct moment {
    rdl_verifying *c;
    uint64_t epoch;
    bool *made; /* by table */
} moment;

static rdl_code snapshot_at(moment *m, const rdl_table *t, rdl_buf *sql, rdl_err *err)
{
    rdl_verifying *c = m->c;
    const char *exact = rdl_root_snapshot(c->a, c->cut.root, t->full, m->epoch);
    const char *dir = rdl_path_dir(c->a, exact), *found = NULL;
    rdl_names names = {0};
    if (rdl_fs_exists(dir))
        RDL_TRY(rdl_fs_list(c->a, dir, &names, err));
    for (size_t i = 0; i < names.n; i++)
        if (strcmp(names.v[i], rdl_path_base(exact)) <= 0)
            found = names.v[i];
    if (found == NULL) {
        rdl_buf_puts(sql, "SELECT ");
        for (size_t i = 0; i < t->columns.n; i++) {
            rdl_buf_puts(sql, i == 0 ? "NULL::" : ", NULL::");
            rdl_type_print(t->columns.v[i].type, sql);
            rdl_buf_puts(sql, " AS ");
            rdl_buf_put_sql_ident(sql, t->columns.v[i].name);
        }
        rdl_buf_puts(sql, " WHERE false");
        return RDL_OK;
    }
    rdl_buf_puts(sql, "SELECT * FROM read_parquet(");
    rdl_buf_put_sql_text(sql, rdl_str_of(rdl_path_join(c->a, dir, found)));
    rdl_buf_puts(sql, ")");
    return RDL_OK;
}

static rdl_code put_at(moment *m, const rdl_table *t, bool before, rdl_buf *sql, rdl_err *err)
{
    rdl_verifying *c = m->c;
    if (t->kind == RDL_TABLE_SNAPSHOT)
        return snapshot_at(m, t, sql, err);
    if (t->kind == RDL_TABLE_VIEW && !t->decision) {
        rdl_buf_puts(sql, t->view_plan->batch_sql.p);
        return RDL_OK;
    }
    rdl_buf_puts(sql, "SELECT * FROM (");
    RDL_TRY(rdl_cut_select(&c->cut, t, t->kind == RDL_TABLE_STREAMING, sql, err));
    rdl_buf_printf(sql, ") WHERE %s %s %" PRIu64, t->decision ? "_decided_epoch" : "_epoch",
                   before ? "<" : "<=", m->epoch);
    return RDL_OK;
}

/* e."all:<t>" at the moment, with what it is made of. */
static rdl_code make_at(moment *m, const rdl_table *t, bool before, rdl_err *err)
{
    rdl_buf sql = {0};
    bool computed = t->kind == RDL_TABLE_VIEW && !t->decision;
    if (t->kind == RDL_TABLE_SOURCE || m->made[t->index])
        return RDL_OK;
    for (size_t i = 0; computed && i < t->input_count; i++)
        RDL_TRY(make_at(m, t->inputs[i].table, false, err));
    rdl_buf_puts(&sql, "DROP VIEW IF EXISTS ");
    rdl_put_relation(&sql, "e", "all:", t->full);
    rdl_code rc = rdl_exec(m->c->conn, rdl_buf_str(&sql), err);
    rdl_buf_clear(&sql);
    rdl_buf_puts(&sql, "CREATE TABLE ");
    rdl_put_relation(&sql, "e", "all:", t->full);
    rdl_buf_puts(&sql, " AS ");
    if (rc == RDL_OK)
        rc = put_at(m, t, before, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_exec(m->c->conn, rdl_buf_str(&sql), err);
    m->made[t->index] = rc == RDL_OK;
    rdl_buf_fini(&sql);
    return rdl_err_in(rc, err, "%s at epoch %" PRIu64, t->full.p, m->epoch);
}

static void put_key(rdl_buf *sql, const rdl_table *t)
{
    rdl_buf_puts(sql, "rdl_key(");
    rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
    rdl_buf_putc(sql, ')');
}

static rdl_code decide_again(moment *m, const rdl_table *t, int64_t at_us, const char *lineage,
                             rdl_err *err)
{
    rdl_verifying *c = m->c;
    rdl_buf sql = {0}, body = {0};
    rdl_schema columns = {t->columns.v, t->columns.n - 3};
    rdl_put_columns(&body, "", &columns);
    rdl_code rc = rdl_execf(c->conn, err,
                            "SET VARIABLE decided_at = CAST(make_timestamp(%" PRId64
                            "::BIGINT) AS TIMESTAMPTZ)",
                            at_us);
    rdl_buf_printf(&sql,
                   "INSERT INTO v.want SELECT %s, CAST(make_timestamp(%" PRId64
                   "::BIGINT) AS TIMESTAMPTZ), %" PRIu64 "::BIGINT, '%s' FROM (%s) WHERE ",
                   rdl_buf_str(&body), at_us, m->epoch, lineage, t->view_plan->unchecked_sql.p);
    put_key(&sql, t);
    rdl_buf_puts(&sql, " NOT IN (SELECT ");
    put_key(&sql, t);
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, "e", "all:", t->full);
    rdl_buf_putc(&sql, ')');
    if (rc == RDL_OK)
        rc = rdl_exec(c->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&body);
    return rc;
}

static rdl_code unmake(moment *m, rdl_err *err)
{
    const rdl_pipeline *p = m->c->cut.pipeline;
    for (size_t i = 0; i < p->table_count; i++) {
        rdl_buf sql = {0};
        if (!m->made[i])
            continue;
        rdl_buf_puts(&sql, "DROP TABLE ");
        rdl_put_relation(&sql, "e", "all:", p->tables[i]->full);
        rdl_code rc = rdl_exec(m->c->conn, rdl_buf_str(&sql), err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
        m->made[i] = false;
    }
    return RDL_OK;
}

/* One epoch's decisions, made again into v.want. */
static rdl_code go_back(moment *m, const rdl_table *t, int64_t at_us, const char *lineage,
                        rdl_err *err)
{
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < t->input_count && rc == RDL_OK; i++)
        rc = make_at(m, t->inputs[i].table, false, err);
    if (rc == RDL_OK)
        rc = make_at(m, t, true, err);
    if (rc == RDL_OK)
        rc = decide_again(m, t, at_us, lineage, err);
    rdl_err late = {0};
    rdl_code undone = unmake(m, rc == RDL_OK ? err : &late);
    return rc == RDL_OK ? undone : rc;
}

static rdl_code decide_all(rdl_verifying *c, const rdl_table *t, const char *lineage,
                           rdl_verify_item *item, rdl_err *err)
{
    moment m = {.c = c, .made = RDL_NEWN(c->a, bool, c->cut.pipeline->table_count + 1)};
    rdl_result *moments = NULL;
    const rdl_chunk *k;
    uint64_t n = 0, others = 0;
    rdl_code rc = rdl_queryf(c->conn, &moments, err,
                             "SELECT DISTINCT _decided_epoch, epoch_us(_decided_at) FROM v.have "
                             "WHERE _decided_by = '%s' ORDER BY 1",
                             lineage);
    while (rc == RDL_OK && rdl_result_next(moments, &k)) {
        for (size_t i = 0; i < k->rows && rc == RDL_OK; i++, n++) {
            m.epoch = (uint64_t)RDL_VECTOR_AT(&k->v[0], int64_t, i);
            rc = go_back(&m, t, RDL_VECTOR_AT(&k->v[1], int64_t, i), lineage, err);
        }
    }
    rdl_result_free(moments);
    const char *sql =
        rdl_arena_printf(c->a, "SELECT count(*) FROM v.have WHERE _decided_by <> '%s'", lineage);
    if (rc == RDL_OK)
        rc = rdl_verify_count(c, sql, &others, err);
    item->against = rdl_arena_printf(c->a, "inputs at %" PRIu64 " epoch%s", n, n == 1 ? "" : "s");
    if (others > 0)
        item->against = rdl_arena_printf(c->a, "%s; %" PRIu64 " of an earlier text as sealed",
                                         item->against, others);
    return rc;
}

rdl_code rdl_verify_decision(rdl_verifying *c, const rdl_table *t, rdl_verify_item *item,
                             rdl_err *err)
{
    char lineage[33];
    rdl_hash128_hex(rdl_table_lineage(t), lineage);
    RDL_TRY(rdl_verify_fill_content(c, t, "have", err));
    RDL_TRY(rdl_execf(c->conn, err,
                      "CREATE OR REPLACE TABLE v.want AS SELECT * FROM v.have WHERE "
                      "_decided_by <> '%s'",
                      lineage));
    rdl_code rc = decide_all(c, t, lineage, item, err);
    rdl_err late = {0};
    rdl_code restored = rdl_batch_relations(c->conn, &c->cut, rc == RDL_OK ? err : &late);
    RDL_TRY(rc);
    RDL_TRY(restored);
    RDL_TRY(rdl_verify_compare(c, t, NULL, item, err));
    return rdl_verify_content(c, t, item, err);
}
