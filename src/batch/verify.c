/*
 * batch/verify.c - the batch answer beside what is held and what is served.
 *
 * Everything is compared as multisets of whole rows in DuckDB; rows that differ are then paired by
 * the table's key, so that a wrong value is told from a missing or an extra row.
 */
#include "batch/verify_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "batch/relations.h"
#include "lang/plan.h"
#include "stream/cut.h"
#include "stream/damage.h"


enum {
    AGAIN_MAX = 12, /* later cuts of a root that is written to */
    AGAIN_MS = 20,  /* before the first; doubled AGAIN_DOUBLED times */
    AGAIN_DOUBLED = 5,
};
#define NO_PUBLICATION SIZE_MAX

/* ---- comparing v.want with v.have ---- */

rdl_code rdl_verify_count(rdl_verifying *c, const char *sql, uint64_t *out, rdl_err *err)
{
    int64_t n = 0;
    RDL_TRY(rdl_query_i64(c->conn, sql, &n, err));
    *out = (uint64_t)n;
    return RDL_OK;
}

static const size_t *key_of(const rdl_table *t, const rdl_publication *p, size_t *out_n)
{
    *out_n = p != NULL ? p->key_count : t->primary_key_count;
    return p != NULL ? p->key : t->primary_key;
}

static char *row_text(rdl_verifying *c, const rdl_chunk *k, size_t row, size_t from, size_t n,
                      const rdl_schema *s, const size_t *columns)
{
    rdl_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        size_t column = columns != NULL ? columns[i] : i;
        rdl_buf_puts(&b, i == 0 ? "" : ", ");
        rdl_buf_put(&b, s->v[column].name.p, s->v[column].name.n);
        rdl_buf_putc(&b, '=');
        if (rdl_vector_valid(&k->v[from + column], row))
            rdl_vector_print(&k->v[from + column], row, &b);
        else
            rdl_buf_puts(&b, "NULL");
    }
    char *text = rdl_arena_strndup(c->a, rdl_buf_str(&b), b.n);
    rdl_buf_fini(&b);
    return text;
}

static void put_sides(rdl_buf *sql, const rdl_table *t)
{
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < t->columns.n; i++) {
            rdl_buf_puts(sql, side == 1 || i > 0 ? ", " : "");
            rdl_buf_puts(sql, side == 0 ? "w." : "h.");
            rdl_buf_put_sql_ident(sql, t->columns.v[i].name);
        }
    }
}

/* Rows of either side that the other lacks, paired by key where there is one. */
static rdl_code sample(rdl_verifying *c, const rdl_table *t, const rdl_publication *p,
                       rdl_verify_item *item, rdl_err *err)
{
    size_t key_count;
    const size_t *key = key_of(t, p, &key_count);
    rdl_buf sql = {0}, columns = {0};
    rdl_result *result = NULL;
    const rdl_chunk *k;
    rdl_put_columns(&columns, "", &t->columns);
    rdl_buf_puts(&sql, "SELECT ");
    put_sides(&sql, t);
    rdl_buf_puts(&sql, ", w._w IS NOT NULL, h._h IS NOT NULL FROM (SELECT *, 1 AS _w FROM "
                       "v.missing) w FULL JOIN (SELECT *, 1 AS _h FROM v.extra) h ON ");
    rdl_buf_puts(&sql, key_count == 0 ? "false" : "");
    rdl_put_same_key(&sql, "w", "h", &t->columns, key, key_count);
    rdl_code rc = rdl_query(c->conn, rdl_buf_str(&sql), &result, err);
    item->samples = RDL_NEWN(c->a, rdl_difference, c->options->samples_max + 1);
    size_t n = t->columns.n;
    while (rc == RDL_OK && rdl_result_next(result, &k)) {
        for (size_t i = 0; i < k->rows; i++, item->differences++) {
            if (item->sample_count >= c->options->samples_max)
                continue;
            bool want = RDL_VECTOR_AT(&k->v[2 * n], int8_t, i) != 0;
            bool have = RDL_VECTOR_AT(&k->v[2 * n + 1], int8_t, i) != 0;
            item->samples[item->sample_count++] = (rdl_difference){
                .kind = want && have ? RDL_DIFF_VALUE : want ? RDL_DIFF_MISSING : RDL_DIFF_EXTRA,
                .key = key_count > 0
                           ? row_text(c, k, i, want ? 0 : n, key_count, &t->columns, key)
                           : rdl_arena_strdup(c->a, "(no key)"),
                .expected = want ? row_text(c, k, i, 0, n, &t->columns, NULL) : NULL,
                .got = have ? row_text(c, k, i, n, n, &t->columns, NULL) : NULL,
            };
        }
    }
    rdl_result_free(result);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&columns);
    return rc;
}

rdl_code rdl_verify_compare(rdl_verifying *c, const rdl_table *t, const rdl_publication *p,
                        rdl_verify_item *item, rdl_err *err)
{
    rdl_buf columns = {0}, sql = {0};
    rdl_put_columns(&columns, "", &t->columns);
    const char *list = rdl_buf_str(&columns);
    rdl_buf_printf(&sql,
                   "CREATE OR REPLACE TABLE v.missing AS SELECT %s FROM v.want EXCEPT ALL "
                   "SELECT %s FROM v.have; CREATE OR REPLACE TABLE v.extra AS SELECT %s FROM "
                   "v.have EXCEPT ALL SELECT %s FROM v.want",
                   list, list, list, list);
    rdl_code rc = rdl_exec(c->conn, rdl_buf_str(&sql), err);
    if (rc == RDL_OK)
        rc = rdl_verify_count(c, "SELECT count(*) FROM v.have", &item->rows, err);
    rdl_buf_clear(&sql);
    rdl_buf_printf(&sql, "SELECT format('{:032x}', coalesce(bit_xor(md5_number(rdl_key(%s))), 0)) "
                         "FROM v.have",
                   list);
    char *hash = NULL;
    if (rc == RDL_OK)
        rc = rdl_query_text(c->conn, c->a, rdl_buf_str(&sql), &hash, err);
    if (hash != NULL)
        snprintf(item->hash, sizeof item->hash, "%s", hash);
    if (rc == RDL_OK)
        rc = sample(c, t, p, item, err);
    rdl_buf_fini(&columns);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_verify_fill(rdl_verifying *c, const char *name, const char *select, rdl_err *err)
{
    return rdl_execf(c->conn, err, "CREATE OR REPLACE TABLE v.%s AS %s", name, select);
}

rdl_code rdl_verify_fill_cut(rdl_verifying *c, rdl_cut *cut, const rdl_table *t, const char *name,
                             rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_code rc = rdl_cut_select(cut, t, false, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_verify_fill(c, name, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_verify_fill_content(rdl_verifying *c, const rdl_table *t, const char *name,
                                 rdl_err *err)
{
    return rdl_verify_fill_cut(c, &c->cut, t, name, err);
}

/* ---- the three checks ---- */

static bool may_wait(const rdl_table *t)
{
    bool may = t->waits || t->schedule.kind == RDL_SCHEDULE_CRON ||
               t->schedule.kind == RDL_SCHEDULE_EVERY;
    for (size_t i = 0; i < t->input_count; i++)
        may |= may_wait(t->inputs[i].table);
    return may && t->kind == RDL_TABLE_VIEW;
}

/*
 * A view that is brought up on a schedule (or at the end of --once) is not behind its definition
 * while it waits: it shows an epoch of its own, which no longer can be asked for here.
 */
static bool waits(rdl_verifying *c, const rdl_table *t, uint64_t *out_changed)
{
    *out_changed = 0;
    if (!may_wait(t))
        return false;
    for (size_t i = 0; i < t->input_count; i++) {
        uint64_t changed = rdl_history_table(c->cut.history, t->inputs[i].table->full)->last_changed;
        *out_changed = changed > *out_changed ? changed : *out_changed;
    }
    return *out_changed > rdl_history_table(c->cut.history, t->full)->last_evaluated;
}

static rdl_code pass_over(rdl_verifying *c, const rdl_table *t, const char *why,
                          rdl_verify_item *item, rdl_err *err)
{
    item->not_compared = why;
    RDL_TRY(rdl_verify_fill_content(c, t, "have", err));
    return rdl_verify_count(c, "SELECT count(*) FROM v.have", &item->rows, err);
}

static rdl_code check_view(rdl_verifying *c, const rdl_table *t, rdl_verify_item *item, rdl_err *err)
{
    item->against = "batch definition";
    uint64_t changed;
    if (t->model != NULL)
        return pass_over(c, t, "a program gave its rows", item, err);
    if (waits(c, t, &changed))
        return pass_over(c, t,
                         rdl_arena_printf(c->a,
                                          "it waits for its time, and shows epoch %" PRIu64
                                          "; what it reads changed in epoch %" PRIu64,
                                          rdl_history_table(c->cut.history, t->full)->last_evaluated,
                                          changed),
                         item, err);
    RDL_TRY(rdl_verify_fill(c, "want", t->view_plan->batch_sql.p, err));
    RDL_TRY(rdl_verify_fill_content(c, t, "have", err));
    return rdl_verify_compare(c, t, NULL, item, err);
}

/* Every cell as it was sealed: the sum of row hashes does not depend on order or files. */
rdl_code rdl_verify_content(rdl_verifying *c, const rdl_table *t, rdl_verify_item *item,
                            rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(c->cut.history, t->full);
    rdl_str now = {0};
    RDL_TRY(rdl_content_sum(c->conn, c->a, t, "v.have", &now, err));
    if (rdl_content_matches(&h->content, now, item->rows))
        return RDL_OK;
    item->differences++;
    snprintf(item->problem, sizeof item->problem,
             "the rows are not those that were sealed: a value was changed in the lake or a "
             "segment since");
    return RDL_OK;
}

/* Rejected rows are what was sealed of them: a replay gives the table their bytes again. */
static rdl_code compare_rejected(rdl_verifying *c, const rdl_table_history *h, const char *rejected,
                                 rdl_verify_item *item, rdl_err *err)
{
    rdl_schema columns;
    rdl_str now = RDL_STR("");
    rdl_buf from = {0};
    rdl_quarantine_schema(c->a, &columns);
    rdl_buf_printf(&from, "(%s)", rejected);
    rdl_code rc = rdl_content_sum_of(c->conn, c->a, &columns, rdl_buf_str(&from), &now, err);
    rdl_buf_fini(&from);
    if (rc != RDL_OK || rdl_content_matches(&h->rejected, now, h->quarantined_total))
        return rc;
    item->differences++;
    snprintf(item->problem, sizeof item->problem,
             "as many rows lie in quarantine as were sealed, but not the same: a value was changed since");
    return RDL_OK;
}

/* Every row that the ledger sent to quarantine lies there. */
static rdl_code check_rejected(rdl_verifying *c, const rdl_table *t, const rdl_table_history *h,
                               rdl_verify_item *item, rdl_err *err)
{
    rdl_buf sql = {0};
    uint64_t there = 0;
    if (h->last_quarantined == 0)
        return RDL_OK;
    rdl_buf_puts(&sql, "SELECT count(*) FROM (");
    rdl_code rc = rdl_cut_select_rejected(&c->cut, t, &sql, err);
    rdl_buf_putc(&sql, ')');
    if (rc == RDL_OK)
        rc = rdl_verify_count(c, rdl_buf_str(&sql), &there, err);
    if (rc == RDL_OK && there == h->quarantined_total) {
        rdl_buf_clear(&sql);
        rc = rdl_cut_select_rejected(&c->cut, t, &sql, err);
        if (rc == RDL_OK)
            rc = compare_rejected(c, h, rdl_buf_str(&sql), item, err);
    }
    rdl_buf_fini(&sql);
    if (rc != RDL_OK || there == h->quarantined_total)
        return rc;
    item->differences += there > h->quarantined_total ? there - h->quarantined_total
                                                      : h->quarantined_total - there;
    snprintf(item->problem, sizeof item->problem,
             "the ledger sent %" PRIu64 " rows to quarantine, and %" PRIu64 " lie there",
             h->quarantined_total, there);
    return RDL_OK;
}

static rdl_code check_stream(rdl_verifying *c, const rdl_table *t, rdl_verify_item *item, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(c->cut.history, t->full);
    rdl_buf sql = {0}, dedup = {0};
    uint64_t distinct = 0, keys = 0;
    item->against = "ledger";
    rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE v.have AS ");
    rdl_code rc = rdl_cut_select(&c->cut, t, true, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_exec(c->conn, rdl_buf_str(&sql), err);
    if (rc == RDL_OK)
        rc = rdl_verify_count(c, "SELECT count(*) FROM v.have", &item->rows, err);
    if (rc == RDL_OK)
        rc = rdl_verify_count(c, "SELECT count(DISTINCT (_epoch, _source_partition, _source_offset, "
                      "_ordinal)) FROM v.have",
                   &distinct, err);
    keys = item->rows;
    if (rc == RDL_OK && t->dedup_count > 0 && t->dedup_within_us == 0) {
        rdl_buf_puts(&dedup, "SELECT count(DISTINCT rdl_key(");
        rdl_put_key(&dedup, "", &t->columns, t->dedup, t->dedup_count);
        rdl_buf_puts(&dedup, ")) FROM v.have");
        rc = rdl_verify_count(c, rdl_buf_str(&dedup), &keys, err);
    }
    uint64_t written = h->ledger.written;
    if (rc == RDL_OK && (written != item->rows || distinct != item->rows || keys != item->rows)) {
        item->differences = written > item->rows   ? written - item->rows
                            : item->rows > written ? item->rows - written
                            : distinct < item->rows ? item->rows - distinct
                                                    : item->rows - keys;
        snprintf(item->problem, sizeof item->problem,
                 "the ledger says %" PRIu64 " rows were written, the table has %" PRIu64
                 ", of them %" PRIu64 " distinct identities and %" PRIu64 " distinct keys",
                 written, item->rows, distinct, keys);
    }
    if (rc == RDL_OK && item->problem[0] == '\0')
        rc = rdl_verify_content(c, t, item, err);
    if (rc == RDL_OK && item->problem[0] == '\0')
        rc = check_rejected(c, t, h, item, err);
    if (rc == RDL_OK && !rdl_ledger_balances(&h->ledger)) {
        item->differences++;
        snprintf(item->problem, sizeof item->problem, "the ledger does not balance");
    }
    rdl_buf_fini(&sql);
    rdl_buf_fini(&dedup);
    return rc;
}

/* ---- all ---- */

static rdl_code take_reader(rdl_verifying *c, rdl_reader *r, rdl_err *err)
{
    c->r = r;
    c->conn = rdl_reader_conn(r);
    c->cut = *rdl_reader_cut(r);
    RDL_TRY(rdl_batch_relations(c->conn, &c->cut, err));
    return rdl_exec(c->conn, "CREATE SCHEMA IF NOT EXISTS v", err);
}

rdl_code rdl_verify_later_cut(rdl_verifying *c, rdl_err *err)
{
    rdl_reader *r;
    RDL_TRY(c->options->reopen(c->options->reopen_arg, &r, err));
    rdl_reader_close(c->own);
    c->own = r;
    return take_reader(c, r, err);
}

bool rdl_verify_is_live(rdl_verifying *c)
{
    return c->options->reopen != NULL &&
           rdl_lock_held(rdl_path_join(c->a, c->cut.root->state, "LOCK"));
}

/* A later cut, after a pause that grows. */
static rdl_code look_again(rdl_verifying *c, unsigned tries, rdl_err *err)
{
    rdl_sleep_ms((int64_t)AGAIN_MS << (tries < AGAIN_DOUBLED ? tries : AGAIN_DOUBLED));
    return rdl_verify_later_cut(c, err);
}

/* Of the table, or of what publishes it; names, since each reader has a pipeline of its own. */
static rdl_code check_once(rdl_verifying *c, rdl_str table, size_t publication, rdl_verify_item *item,
                           bool *moved, rdl_err *err)
{
    const rdl_pipeline *p = rdl_reader_pipeline(c->r);
    const rdl_table *t = rdl_pipeline_find(p, table);
    *item = (rdl_verify_item){.table = t, .against = ""};
    if (publication != NO_PUBLICATION) {
        item->publication = p->publications[publication];
        return rdl_verify_publication(c, item->publication, item, moved, err);
    }
    return t->decision                ? rdl_verify_decision(c, t, item, err)
           : t->kind == RDL_TABLE_VIEW ? check_view(c, t, item, err)
                                       : check_stream(c, t, item, err);
}

/*
 * Beside a run, files of the cut may be gone and a store be elsewhere by the time they are read:
 * then a later cut is looked at.  What differs at one cut differs; that is not asked twice.
 */
static rdl_code run_check(rdl_verifying *c, const rdl_table *t, size_t publication, rdl_err *err)
{
    rdl_verify_item item;
    int64_t began = rdl_monotonic_us();
    rdl_err own;
    rdl_code rc;
    if (c->options->only != NULL && !rdl_name_matches(c->options->only, t->full.p))
        return RDL_OK;
    bool last = c->options->reopen == NULL;
    for (unsigned tries = 0;; tries++) {
        bool moved = false;
        own = (rdl_err){0};
        c->last_look = tries == AGAIN_MAX;
        rc = check_once(c, t->full, publication, &item, &moved, &own);
        if ((rc == RDL_OK && !moved) || tries == AGAIN_MAX || last)
            break;
        /* A run that has ended meanwhile may have gone on until then. */
        last = !rdl_verify_is_live(c);
        RDL_TRY(look_again(c, tries, err));
    }
    if (rc != RDL_OK) {
        /* One table that cannot be checked does not hide the others; it is a difference. */
        (void)!rdl_damage_name(&c->cut, c->conn, &own);
        snprintf(item.problem, sizeof item.problem, "could not be checked: %.250s", own.msg);
        item.differences++;
    }
    item.seconds = (double)(rdl_monotonic_us() - began) / 1e6;
    RDL_PUSH(c->a, &c->items) = item;
    return RDL_OK;
}

static rdl_code check_all(rdl_verifying *c, const rdl_pipeline *p, rdl_err *err)
{
    for (size_t i = 0; i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        bool known = rdl_history_table(c->cut.history, t->full)->exists;
        if (known && (t->kind == RDL_TABLE_VIEW || t->kind == RDL_TABLE_STREAMING))
            RDL_TRY(run_check(c, t, NO_PUBLICATION, err));
    }
    for (size_t i = 0; c->options->stores && i < p->publication_count; i++) {
        if (rdl_history_table(c->cut.history, p->publications[i]->table->full)->exists)
            RDL_TRY(run_check(c, p->publications[i]->table, i, err));
    }
    return RDL_OK;
}

rdl_code rdl_verify(rdl_reader *r, rdl_arena *a, const rdl_verify_options *options,
                    rdl_verify_item **out, size_t *out_n, rdl_err *err)
{
    rdl_verifying c = {.a = a, .options = options};
    rdl_code rc = take_reader(&c, r, err);
    if (rc == RDL_OK)
        rc = check_all(&c, rdl_reader_pipeline(r), err);
    rdl_reader_close(c.own);
    *out = c.items.v;
    *out_n = c.items.n;
    return rc;
}
