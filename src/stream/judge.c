/*
 * stream/judge.c - each row of a streaming table meets exactly one fate.
 *
 * The body runs into e."judge:<t>" (visible columns, identity, _event_ts, _c0..).  Then, row by
 * row in arrival order (identity order), the first of these that applies takes the row:
 *
 *   a constraint that was violated   DROP ROW, QUARANTINE, FAIL UPDATE (IMPUTE and KEEP only tag)
 *   EXPECT UNIQUE                    the same, by the deduplication index
 *   late                             DIVERT, DROP (AMEND only tags)
 *   duplicate
 *   written
 *
 * Where no key decides, judge_runs.c does the same without looking at rows one by one.
 *
 * INVARIANTS
 *   W1  Late is behind the running maximum of the row's own (table, source partition) in arrival order,
 *       minus the delay.  Rows that a constraint took move no maximum and claim no key.  So cuts
 *       of epochs, threads and crashes cannot change a fate (tests/slt/late_*.slt).
 *   W2  read + fanout = sum of fates + filtered, or the epoch is not sealed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "stream/judge.h"

typedef struct judged_row {
    int64_t epoch, offset, ordinal, rowid;
    int64_t event_us;      /* INT64_MIN: none */
    uint64_t violated;     /* bit per constraint */
    int32_t partition;
    uint32_t place;        /* as it came from the query: its keys are there */
    rdl_fate fate;
} judged_row;

typedef struct court {
    rdl_engine *e;
    rdl_work *w;
    rdl_table *t;
    judged_row *rows;
    size_t n, cap;
    rdl_hash128 *keys;     /* per row: dedup key first, then one per EXPECT UNIQUE; by place */
    size_t keys_per_row, keys_cap;
    rdl_buf key_bytes;
    rdl_verdicts verdicts; /* rows that are not written */
} court;

/* ---- reading the rows ---- */

static size_t unique_constraints(const rdl_table *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->constraint_count; i++)
        n += t->constraints[i].unique_count > 0;
    return n;
}

void rdl_judge_put_query(rdl_buf *sql, const rdl_table *t)
{
    rdl_buf_puts(sql, "SELECT rowid::BIGINT, _epoch, _source_partition, _source_offset, _ordinal, "
                      "_event_ts, (0::BIGINT");
    for (size_t i = 0; i < t->constraint_count; i++) {
        if (t->constraints[i].unique_count == 0)
            rdl_buf_printf(sql, " + CASE WHEN _c%zu THEN %" PRIu64 "::BIGINT ELSE 0 END", i,
                           (uint64_t)1 << i);
    }
    rdl_buf_puts(sql, ")");
    for (size_t i = 0; i < t->dedup_count; i++) {
        rdl_buf_puts(sql, ", ");
        rdl_buf_put_sql_ident(sql, t->columns.v[t->dedup[i]].name);
    }
    for (size_t i = 0; i < t->constraint_count; i++) {
        for (size_t j = 0; j < t->constraints[i].unique_count; j++) {
            rdl_buf_puts(sql, ", ");
            rdl_buf_put_sql_ident(sql, t->columns.v[t->constraints[i].unique[j]].name);
        }
    }
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "e", "judge:", t->full);
}

static rdl_code make_room(court *c, size_t more, rdl_err *err)
{
    if (c->n + more <= c->cap)
        return RDL_OK;
    size_t cap = (c->n + more) * 2;
    judged_row *rows = realloc(c->rows, cap * sizeof *rows); /* allow: an epoch's rows */
    if (rows == NULL)
        return rdl_err_nomem(err);
    c->rows = rows;
    if (c->keys_per_row > 0) {
        rdl_hash128 *keys = realloc(c->keys, cap * c->keys_per_row * sizeof *keys); /* allow: as above */
        if (keys == NULL)
            return rdl_err_nomem(err);
        c->keys = keys;
    }
    c->cap = cap;
    return RDL_OK;
}

static rdl_hash128 key_of(court *c, const rdl_chunk *k, size_t first, size_t n, size_t row)
{
    rdl_buf_clear(&c->key_bytes);
    for (size_t i = 0; i < n; i++)
        rdl_codec_put(&k->v[first + i], row, &c->key_bytes);
    return rdl_hash128_keyed(&c->e->hash_key, c->key_bytes.p, c->key_bytes.n);
}

static void take_row(court *c, const rdl_chunk *k, size_t row)
{
    const rdl_table *t = c->t;
    judged_row *j = &c->rows[c->n];
    *j = (judged_row){
        .rowid = RDL_VECTOR_AT(&k->v[0], int64_t, row),
        .epoch = RDL_VECTOR_AT(&k->v[1], int64_t, row),
        .partition = RDL_VECTOR_AT(&k->v[2], int32_t, row),
        .offset = RDL_VECTOR_AT(&k->v[3], int64_t, row),
        .ordinal = RDL_VECTOR_AT(&k->v[4], int64_t, row),
        .event_us = rdl_vector_valid(&k->v[5], row) ? RDL_VECTOR_AT(&k->v[5], int64_t, row)
                                                    : INT64_MIN,
        .violated = (uint64_t)RDL_VECTOR_AT(&k->v[6], int64_t, row),
        .place = (uint32_t)c->n,
    };
    size_t column = 7, slot = c->n * c->keys_per_row;
    if (t->dedup_count > 0)
        c->keys[slot++] = key_of(c, k, column, t->dedup_count, row);
    column += t->dedup_count;
    for (size_t i = 0; i < t->constraint_count; i++) {
        if (t->constraints[i].unique_count == 0)
            continue;
        c->keys[slot++] = key_of(c, k, column, t->constraints[i].unique_count, row);
        column += t->constraints[i].unique_count;
    }
    c->n++;
}

static int by_arrival(const void *pa, const void *pb)
{
    const judged_row *a = pa, *b = pb;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

/* DuckDB's row order is not to be relied on; mostly it is right already. */
static void sort_rows(court *c)
{
    for (size_t i = 1; i < c->n; i++) {
        if (by_arrival(&c->rows[i - 1], &c->rows[i]) > 0) {
            qsort(c->rows, c->n, sizeof *c->rows, by_arrival);
            return;
        }
    }
}

static rdl_code read_rows(court *c, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_result *r = NULL;
    const rdl_chunk *k;
    rdl_judge_put_query(&sql, c->t);
    rdl_code rc = rdl_relation_query(c->e, rdl_buf_str(&sql), &r, err);
    while (rc == RDL_OK && rdl_result_next(r, &k)) {
        rc = make_room(c, k->rows, err);
        for (size_t i = 0; rc == RDL_OK && i < k->rows; i++)
            take_row(c, k, i);
    }
    rdl_result_free(r);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        sort_rows(c);
    return rc;
}

/* ---- constraints ---- */

static rdl_code fail_update(court *c, const judged_row *j, const rdl_constraint *k, rdl_err *err)
{
    const rdl_history *h = &c->e->history;
    const char *where = "";
    for (size_t i = 0; i < h->partitions.n; i++) {
        if (h->partitions.v[i].number == j->partition)
            where = h->partitions.v[i].name.p;
    }
    for (size_t i = 0; i < c->w->seal.partitions.n; i++) {
        if (c->w->seal.partitions.v[i].number == j->partition)
            where = c->w->seal.partitions.v[i].name.p;
    }
    rdl_err_set(err, RDL_EDATA, 0,
                "constraint \"%.*s\" of \"%.*s\" says FAIL UPDATE, and record %" PRId64
                " of \"%s\" violates it",
                (int)k->name.n, k->name.p, (int)c->t->full.n, c->t->full.p, j->offset, where);
    rdl_err_hint(err, "Mend the record, or change the constraint to ON VIOLATION QUARANTINE.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* The first violated constraint in the order of the text decides. */
rdl_fate rdl_judge_violated(const rdl_table *t, uint64_t violated, bool *fails)
{
    for (size_t k = 0; k < t->constraint_count; k++) {
        if ((violated >> k & 1) == 0)
            continue;
        switch (t->constraints[k].action) {
        case RDL_VIOLATION_DROP_ROW:
            return RDL_FATE_DROPPED;
        case RDL_VIOLATION_QUARANTINE:
            return RDL_FATE_QUARANTINED;
        case RDL_VIOLATION_FAIL:
            *fails = true;
            return RDL_FATE_WRITTEN;
        case RDL_VIOLATION_KEEP:
        case RDL_VIOLATION_IMPUTE:
            break;
        }
    }
    return RDL_FATE_WRITTEN;
}

static rdl_code fail_of(court *c, const judged_row *j, rdl_err *err)
{
    size_t k = 0;
    while ((j->violated >> k & 1) == 0 || c->t->constraints[k].action != RDL_VIOLATION_FAIL)
        k++;
    return fail_update(c, j, &c->t->constraints[k], err);
}

static rdl_code judge_constraints(court *c, rdl_err *err)
{
    bool fails = false;
    for (size_t i = 0; i < c->n; i++) {
        judged_row *j = &c->rows[i];
        if (j->violated != 0)
            j->fate = rdl_judge_violated(c->t, j->violated, &fails);
        if (fails)
            return fail_of(c, j, err);
    }
    return RDL_OK;
}

/* Claim key number `which` for every row that is still to be written. */
static rdl_code claim(court *c, size_t which, uint64_t space, int64_t within_us, bool **out,
                      rdl_err *err)
{
    size_t n = 0;
    rdl_hash128 *keys = rdl_arena_alloc(&c->w->arena, (c->n + 1) * sizeof *keys);
    int64_t *when = rdl_arena_alloc(&c->w->arena, (c->n + 1) * sizeof *when);
    bool *claimed = rdl_arena_alloc(&c->w->arena, c->n + 1);
    if (keys == NULL || when == NULL || claimed == NULL)
        return rdl_err_nomem(err);
    for (size_t i = 0; i < c->n; i++) {
        if (c->rows[i].fate != RDL_FATE_WRITTEN)
            continue;
        keys[n] = c->keys[c->rows[i].place * c->keys_per_row + which];
        when[n++] = c->rows[i].event_us == INT64_MIN ? 0 : c->rows[i].event_us;
    }
    *out = claimed;
    return rdl_state_claim(c->e->state, space, keys, within_us > 0 ? when : NULL, within_us, n,
                           claimed, err);
}

static uint64_t unique_space(const court *c, size_t constraint)
{
    const rdl_constraint *k = &c->t->constraints[constraint];
    return rdl_state_space(rdl_key_identity("unique", c->t, k->unique, k->unique_count));
}

static rdl_code judge_unique(court *c, rdl_err *err)
{
    size_t which = c->t->dedup_count > 0 ? 1 : 0;
    for (size_t k = 0; k < c->t->constraint_count; k++) {
        const rdl_constraint *constraint = &c->t->constraints[k];
        bool *claimed;
        if (constraint->unique_count == 0)
            continue;
        RDL_TRY(claim(c, which++, unique_space(c, k), 0, &claimed, err));
        for (size_t i = 0, n = 0; i < c->n; i++) {
            judged_row *j = &c->rows[i];
            if (j->fate != RDL_FATE_WRITTEN || claimed[n++])
                continue;
            j->violated |= (uint64_t)1 << k;
            if (constraint->action == RDL_VIOLATION_FAIL)
                return fail_update(c, j, constraint, err);
            if (constraint->action != RDL_VIOLATION_KEEP)
                j->fate = constraint->action == RDL_VIOLATION_QUARANTINE ? RDL_FATE_QUARANTINED
                                                                         : RDL_FATE_DROPPED;
        }
    }
    return RDL_OK;
}

/* ---- late ---- */

static void judge_late(court *c)
{
    rdl_lanes l;
    rdl_lanes_open(&l, c->e, c->w, c->t);
    for (size_t i = 0; i < c->n; i++) {
        judged_row *j = &c->rows[i];
        rdl_lane *own = rdl_lane_of(&l, j->partition);
        if (j->fate != RDL_FATE_WRITTEN || j->event_us == INT64_MIN || own == NULL)
            continue;
        l.seen++;
        if (!rdl_lane_is_late(own, j->event_us))
            continue;
        l.behind++;
        if (c->t->on_late == RDL_LATE_DIVERT)
            j->fate = RDL_FATE_LATE_DIVERTED;
        else if (c->t->on_late == RDL_LATE_DROP)
            j->fate = RDL_FATE_LATE_DROPPED;
        else
            j->violated |= (uint64_t)1 << 63; /* a tag: counted as amended if it is written */
    }
    rdl_lanes_close(&l, c->e, c->w);
}

static rdl_code judge_duplicates(court *c, rdl_err *err)
{
    bool *claimed;
    if (c->t->dedup_count == 0)
        return RDL_OK;
    RDL_TRY(claim(c, 0, c->e->tables[c->t->index].space, c->t->dedup_within_us, &claimed, err));
    for (size_t i = 0, n = 0; i < c->n; i++) {
        if (c->rows[i].fate == RDL_FATE_WRITTEN && !claimed[n++])
            c->rows[i].fate = RDL_FATE_DUPLICATE;
    }
    return RDL_OK;
}

/* ---- the verdicts back into DuckDB ---- */

static rdl_code expose_verdicts(court *c, rdl_err *err)
{
    rdl_column columns[] = {{RDL_STR("rid"), rdl_type_of(RDL_TYPE_BIGINT)},
                            {RDL_STR("fate"), rdl_type_of(RDL_TYPE_INTEGER)},
                            {RDL_STR("violated"), rdl_type_of(RDL_TYPE_BIGINT)}};
    const rdl_schema schema = {columns, 3};
    rdl_held *h = NULL;
    RDL_TRY(rdl_relation_hold(c->e, "fates:", c->t->full, &schema, &h, err));
    for (size_t from = 0; from < c->verdicts.n; from += RDL_VECTOR_ROWS) {
        rdl_chunk *k;
        RDL_TRY(rdl_chunk_new(&schema, &k, err));
        while (k->rows < RDL_VECTOR_ROWS && from + k->rows < c->verdicts.n) {
            const rdl_verdict *v = &c->verdicts.v[from + k->rows];
            RDL_VECTOR_AT(&k->v[0], int64_t, k->rows) = v->rowid;
            RDL_VECTOR_AT(&k->v[1], int32_t, k->rows) = v->fate;
            RDL_VECTOR_AT(&k->v[2], int64_t, k->rows) = v->violated;
            k->rows++;
        }
        RDL_TRY(rdl_held_push(h, k, err));
    }
    return RDL_OK;
}

void rdl_judge_count_tags(const rdl_table *t, uint64_t violated, bool written, rdl_ledger *l,
                          rdl_table_report *report)
{
    bool imputed = false, kept = false;
    for (size_t k = 0; k < t->constraint_count; k++) {
        if ((violated >> k & 1) == 0)
            continue;
        report->violations[k]++;
        imputed |= t->constraints[k].action == RDL_VIOLATION_IMPUTE;
        kept |= t->constraints[k].action == RDL_VIOLATION_KEEP;
    }
    l->imputed += written && imputed;
    l->kept += written && kept;
}

static void collect_verdicts(court *c, rdl_ledger *l, rdl_table_report *report)
{
    const uint64_t tags = ~((uint64_t)1 << 63);
    for (size_t i = 0; i < c->n; i++) {
        const judged_row *j = &c->rows[i];
        bool written = j->fate == RDL_FATE_WRITTEN;
        if (j->violated != 0)
            rdl_judge_count_tags(c->t, j->violated, written, l, report);
        l->amended += written && j->violated >> 63 != 0;
        if (!written)
            RDL_PUSH(&c->w->arena, &c->verdicts) =
                (rdl_verdict){j->rowid, (int32_t)j->fate, (int64_t)(j->violated & tags)};
    }
    l->written = c->n - c->verdicts.n;
}

static void count_verdicts(const court *c, rdl_ledger *l)
{
    for (size_t i = 0; i < c->verdicts.n; i++) {
        int32_t fate = c->verdicts.v[i].fate;
        l->dropped += fate == RDL_FATE_DROPPED;
        l->quarantined += fate == RDL_FATE_QUARANTINED;
        l->late_diverted += fate == RDL_FATE_LATE_DIVERTED;
        l->late_dropped += fate == RDL_FATE_LATE_DROPPED;
        l->duplicate += fate == RDL_FATE_DUPLICATE;
    }
}

/* ---- what the body did: filtered, fanned out ---- */

/* Is this input read as a stream, for the first time, with rows? */
static bool counts(const rdl_work *w, const rdl_table *t, size_t i)
{
    bool seen = !t->inputs[i].stream || !w->changed[t->inputs[i].table->index];
    for (size_t j = 0; j < i && !seen; j++)
        seen = t->inputs[j].table == t->inputs[i].table && t->inputs[j].stream;
    return !seen;
}

/* What every input's maker counted; false: one was not counted. */
static bool rows_of_inputs(const rdl_work *w, const rdl_table *t, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < t->input_count; i++) {
        if (!counts(w, t, i))
            continue;
        if (w->rows_new[t->inputs[i].table->index] == UINT64_MAX)
            return false;
        *out += w->rows_new[t->inputs[i].table->index];
    }
    return true;
}

static rdl_code count_input(rdl_engine *e, rdl_work *w, const rdl_table *t, const char *what,
                            int64_t *out, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT sum(n)::BIGINT FROM (SELECT 0::BIGINT AS n");
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (!counts(w, t, i))
            continue;
        rdl_buf_printf(&sql, " UNION ALL SELECT %s FROM ", what);
        rdl_put_relation(&sql, "e", "new:", in->full);
    }
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_relation_i64(e, rdl_buf_str(&sql), out, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code count_body(rdl_engine *e, const rdl_table *t, const char *what, int64_t *out,
                           rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT %s FROM ", what);
    rdl_put_relation(&sql, "e", "judge:", t->full);
    rdl_code rc = rdl_relation_i64(e, rdl_buf_str(&sql), out, err);
    rdl_buf_fini(&sql);
    return rc;
}

/* The join that made the copies, with its keys; RDL_OK: it was none of a dimension. */
static rdl_code blame_join(rdl_engine *e, const rdl_table *t, uint64_t copies, rdl_err *err)
{
    for (size_t i = 0; i < t->stream_plan->fan_count; i++) {
        rdl_err why = {0};
        if (rdl_fan_look(e, t->stream_plan->fans[i].copies_sql.p, &t->stream_plan->fans[i], &why) != RDL_EDATA)
            continue;
        rdl_err_set(err, RDL_EDATA, 0, "the body of \"%.*s\" made %" PRIu64 " rows too many: %s",
                    (int)t->full.n, t->full.p, copies, why.msg);
        rdl_err_hint(err, "%s", why.hint);
        return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
    }
    return RDL_OK;
}

static rdl_code refuse_fanout(rdl_engine *e, rdl_table *t, uint64_t copies, rdl_err *err)
{
    RDL_TRY(blame_join(e, t, copies, err));
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_buf sql = {0};
    char *example = NULL;
    rdl_buf_puts(&sql, "SELECT string_agg(x, '; ') FROM (SELECT to_json(j)::VARCHAR AS x "
                       "FROM (SELECT ");
    rdl_put_columns(&sql, "", &t->columns);
    rdl_buf_puts(&sql, ", " RDL_IDENTITY_COLUMNS " FROM ");
    rdl_put_relation(&sql, "e", "judge:", t->full);
    rdl_buf_puts(&sql, ") j WHERE (_epoch, _source_partition, _source_offset) IN (SELECT (_epoch, "
                       "_source_partition, _source_offset) FROM ");
    rdl_put_relation(&sql, "e", "judge:", t->full);
    rdl_buf_puts(&sql, " GROUP BY _epoch, _source_partition, _source_offset HAVING count(*) > 1 "
                       "ORDER BY 1 LIMIT 1) ORDER BY _ordinal, x LIMIT 2)");
    rdl_err ignored;
    if (rdl_query_text(e->conn, &a, rdl_buf_str(&sql), &example, &ignored) != RDL_OK)
        example = NULL;
    rdl_err_set(err, RDL_EDATA, 0,
                "the body of \"%.*s\" made %" PRIu64 " rows too many: a join or unnest gives some "
                "input rows more than once; for example %.600s",
                (int)t->full.n, t->full.p, copies, example != NULL ? example : "(none)");
    rdl_err_hint(err, "Make the joined key unique (a dimension may hold it twice), or say ALLOW "
                      "FANOUT if the copies are meant.");
    rdl_buf_fini(&sql);
    rdl_arena_fini(&a);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* Rows of one identity are copies, where the body does not number them. */
static rdl_code refuse_copies(const court *c, rdl_err *err)
{
    uint64_t copies = 0;
    if (!c->t->stream_plan->once)
        return RDL_OK;
    for (size_t i = 1; i < c->n; i++)
        copies += by_arrival(&c->rows[i - 1], &c->rows[i]) == 0;
    return copies > 0 ? refuse_fanout(c->e, c->t, copies, err) : RDL_OK;
}

static rdl_code account_for_body(rdl_engine *e, rdl_work *w, rdl_table *t, uint64_t rows_in,
                                 uint64_t rows_out, rdl_ledger *l, rdl_err *err)
{
    const rdl_stream_plan *p = t->stream_plan;
    if (!p->may_fan_out || p->once) {
        l->filtered = rows_in - rows_out;
        return RDL_OK;
    }
    const char *distinct = "count(DISTINCT (_epoch, _source_partition, _source_offset))::BIGINT";
    int64_t ids_in = 0, ids_out = 0;
    RDL_TRY(count_input(e, w, t, distinct, &ids_in, err));
    RDL_TRY(count_body(e, t, distinct, &ids_out, err));
    l->filtered = (uint64_t)(ids_in - ids_out);
    /* Copies that an upstream table was allowed to make stay copies here. */
    uint64_t copies_in = rows_in - (uint64_t)ids_in, copies = rows_out - (uint64_t)ids_out;
    if (copies < copies_in)
        l->filtered += copies_in - copies;
    l->fanout = copies > copies_in ? copies - copies_in : 0;
    if (p->declared_hop)
        l->hop_copies = l->fanout;
    else if (l->fanout > 0 && !t->allow_fanout)
        return refuse_fanout(e, t, l->fanout, err);
    return RDL_OK;
}

/* ---- all together ---- */

static rdl_code run_body(rdl_engine *e, rdl_work *w, rdl_table *t, uint64_t *out_rows, rdl_err *err)
{
    const rdl_stream_plan *p = t->stream_plan;
    for (size_t i = 0; i < p->needs_all_count; i++)
        RDL_TRY(rdl_relation_all(e, w, p->needs_all[i], err));
    return rdl_relation_make(e, w, "judge:", t->full, p->body_sql.p,
                             w->catch_up ? UINT64_MAX : w->rows, out_rows, err);
}

static rdl_code remove_rejected(court *c, rdl_err *err)
{
    rdl_held *h = rdl_relation_held(c->e, "judge:", c->t->full);
    rdl_buf sql = {0};
    if (h != NULL) {
        bool *gone = rdl_arena_alloc(&c->w->arena, rdl_held_rows(h) + 1);
        if (gone == NULL)
            return rdl_err_nomem(err);
        for (size_t i = 0; i < c->verdicts.n; i++)
            gone[c->verdicts.v[i].rowid] = true;
        return rdl_held_filter(h, gone, err);
    }
    rdl_buf_puts(&sql, "DELETE FROM ");
    rdl_put_relation(&sql, "e", "judge:", c->t->full);
    rdl_buf_puts(&sql, " WHERE rowid IN (SELECT rid FROM ");
    rdl_put_relation(&sql, "e", "fates:", c->t->full);
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_exec(c->e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

/* e."new:<t>" over the rows that stay. */
static rdl_code expose_written(court *c, rdl_err *err)
{
    const rdl_table *t = c->t;
    rdl_buf sql = {0};
    if (c->verdicts.n > 0)
        RDL_TRY(remove_rejected(c, err));
    rdl_buf_puts(&sql, "SELECT ");
    rdl_put_columns(&sql, "", &t->columns);
    rdl_buf_puts(&sql, ", " RDL_IDENTITY_COLUMNS ", _event_ts FROM ");
    rdl_put_relation(&sql, "e", "judge:", t->full);
    rdl_code rc = rdl_relation_view(c->e, "new:", t->full, rdl_buf_str(&sql), false, err);
    rdl_buf_fini(&sql);
    return rc;
}

/* Row by row, in arrival order. */
static rdl_code sit(court *c, rdl_ledger *l, rdl_table_report *report, rdl_err *err)
{
    RDL_TRY(read_rows(c, err));
    RDL_TRY(refuse_copies(c, err));
    RDL_TRY(judge_constraints(c, err));
    RDL_TRY(judge_unique(c, err));
    if (c->w->replay == NULL) /* rows come from where they waited: not late */
        judge_late(c);
    RDL_TRY(judge_duplicates(c, err));
    collect_verdicts(c, l, report);
    return RDL_OK;
}

static rdl_code judge_all(court *c, rdl_ledger *l, rdl_table_report *report, rdl_err *err)
{
    bool done = false;
    c->keys_per_row = (c->t->dedup_count > 0) + unique_constraints(c->t);
    /* Copies show among the rows alone. */
    if (c->keys_per_row == 0 && c->w->replay == NULL && !c->t->stream_plan->once)
        RDL_TRY(rdl_judge_runs(c->e, c->w, c->t, l, report, &c->verdicts, &done, err));
    if (!done)
        RDL_TRY(sit(c, l, report, err));
    count_verdicts(c, l);
    return c->verdicts.n > 0 ? expose_verdicts(c, err) : RDL_OK;
}

static uint64_t malformed_of_inputs(rdl_engine *e, rdl_work *w, const rdl_table *t, bool *skip)
{
    uint64_t n = 0;
    (void)e;
    for (size_t i = 0; i < t->input_count; i++) {
        const rdl_table *in = t->inputs[i].table;
        if (in->kind != RDL_TABLE_SOURCE)
            continue;
        n += w->reports[in->index].ledger.malformed;
        *skip = in->source->on_malformed == RDL_MALFORMED_SKIP;
    }
    return n;
}

rdl_code rdl_judge(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    rdl_table_report *report = &w->reports[t->index];
    rdl_ledger *l = &report->ledger;
    court c = {.e = e, .w = w, .t = t};
    uint64_t rows_in = 0, rows_out = 0;
    bool skip = false, again = w->replay != NULL && w->replay->table == t;
    rdl_code rc = RDL_OK;
    RDL_TRY_OUT(rdl_reindex(e, w, t, err));
    RDL_TRY_OUT(run_body(e, w, t, &rows_out, err));
    RDL_TRY_OUT(rdl_ingest_settle(e, w, t, err));
    if (again)
        RDL_TRY_OUT(rdl_replay_narrow(e, w, t, &rows_out, err));
    if (again || !rows_of_inputs(w, t, &rows_in)) {
        int64_t counted = 0;
        RDL_TRY_OUT(count_input(e, w, t, "count(*)", &counted, err));
        rows_in = (uint64_t)counted;
    }
    RDL_TRY_OUT(account_for_body(e, w, t, rows_in, rows_out, l, err));
    RDL_TRY_OUT(judge_all(&c, l, report, err));
    l->malformed = malformed_of_inputs(e, w, t, &skip);
    l->read = again ? 0 : rows_in + l->malformed;
    l->replayed = again ? rows_in : 0;
    uint64_t rejected = 0;
    if (again)
        RDL_TRY_OUT(rdl_replay_mark(e, w, t, l->quarantined > 0, &rejected, err));
    else if (l->quarantined + l->late_diverted > 0 || (l->malformed > 0 && !skip))
        RDL_TRY_OUT(rdl_quarantine_rows(e, w, t, l->quarantined + l->late_diverted > 0,
                                        &rejected, err));
    if (skip)
        l->dropped += l->malformed;
    else
        l->quarantined += l->malformed;
    RDL_TRY_OUT(expose_written(&c, err));
    rdl_sealed_table *s = rdl_work_seal_table(e, w, t);
    s->rows_new = l->written;
    w->rows_new[t->index] = l->written;
    s->rows_quarantined = rejected;
    s->ledger = *l;
    s->evaluated = true;
    s->keys = t->dedup_count > 0 ? rdl_key_identity("dedup", t, t->dedup, t->dedup_count)
                                 : (rdl_hash128){0, 0};
    w->changed[t->index] = l->written > 0;
    if (!rdl_ledger_balances(l) ||
        (!again && rejected != l->quarantined + l->late_diverted))
        rc = rdl_err_set(err, RDL_EBUG, 0,
                         "the ledger of \"%.*s\" does not balance: %" PRIu64 " read, %" PRIu64
                         " fanned out, %" PRIu64 " written, %" PRIu64 " duplicate, %" PRIu64
                         " quarantined (%" PRIu64 " kept for replay), %" PRIu64 " filtered",
                         (int)t->full.n, t->full.p, l->read, l->fanout, l->written, l->duplicate,
                         l->quarantined, rejected, l->filtered);
out:
    rdl_buf_fini(&c.key_bytes);
    free(c.rows); /* allow: an epoch's rows */
    free(c.keys); /* allow: as above */
    return rdl_err_in(rc, err, "table %s", t->full.p);
}
