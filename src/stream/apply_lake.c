/*
 * stream/apply_lake.c - sealed epochs into the lake, several tables at a time.
 *
 * LOOK   what each table and each quarantine shows is asked, by the newest commit alone; those that
 *        lack sealed rows are due.
 * TAKE   due ones are taken by up to HANDS_MAX hands, the largest first.  A hand is a thread with a
 *        connection and a cut of its own; the first is the caller.  A table is one hand's alone,
 *        so that one thread commits to it (M1).  A failure ends the others after their table.
 *
 * Rows are sorted by DuckDB and written by lake/parquet.c, and neither uses two processors for a
 * table of usual size: two tables side by side do.
 *
 * INVARIANTS  A1-A4 of apply.c.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/machine.h"
#include "stream/damage.h"
#include "stream/ordered.h"
#include "stream/parts.h"

enum {
    STAGE_ROW_MEMORY = 1024, /* of the budget for each changed row that one statement may bring in */
    HANDS_MAX = 4,
    MERGED_COLUMN_MEMORY = 16, /* of a row that is merged, for each column, and beside them */
    MERGED_ROW_MEMORY = 64,
    ONE_ROW_GROUP = 100 * 1024, /* rows: a reader by several threads gives no more in order */
    IN_ORDER_MEMORY = 64 << 20,
    HAND_MEMORY = 1 << 30, /* of the budget for each hand: what sorts does not spill at once */
};

static rdl_code check_not_behind(rdl_str table, uint64_t shown, uint64_t pruned, rdl_err *err)
{
    if (shown >= pruned)
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "the lake table \"%.*s\" is at epoch %" PRIu64 ", but segments up to epoch %" PRIu64
                " are gone: it was restored or deleted",
                (int)table.n, table.p, shown, pruned);
    rdl_err_hint(err, "Put back the table's folder of the same time as state/, or compute "
                      "everything again into a fresh root with raudal backfill.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_STORE);
}

/* A root without a past finds tables here: its journal was lost, and it would write every row again. */
static rdl_code check_empty(const rdl_apply *p, rdl_arena *a, const char *dir, const char *name,
                            rdl_err *err)
{
    rdl_lake_snapshot now;
    if (!rdl_fs_exists(dir))
        return RDL_OK;
    RDL_TRY(rdl_lake_load(a, dir, p->e->uuid, -1, &now, err));
    if (now.version < 0 || now.txn_version >= 0)
        return RDL_OK;
    rdl_err_set(err, RDL_ECONFLICT, 0, "the lake table \"%s\" was written by another root", name);
    rdl_err_hint(err, "If state/ was lost, restore it; to read the sources again from the beginning, "
                      "run raudal backfill into a fresh root.");
    return rdl_err_area(RDL_ECONFLICT, err, RDL_AREA_STORE);
}

rdl_code rdl_apply_check_fresh(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    const rdl_apply p = {e, e->conn, &e->history};
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->pipeline->table_count && rc == RDL_OK; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        if (t->kind != RDL_TABLE_SOURCE && t->kind != RDL_TABLE_SNAPSHOT)
            rc = check_empty(&p, &a, rdl_root_lake_table(&a, &e->root, t), t->full.p, err);
        if (rc == RDL_OK)
            rc = check_empty(&p, &a, rdl_root_quarantine(&a, &e->root, t),
                             rdl_root_quarantine_name(&a, t), err);
    }
    rdl_arena_fini(&a);
    return rc;
}

static bool pending(const rdl_table_history *h, uint64_t after, bool quarantine)
{
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        bool any = quarantine ? s->rows_quarantined > 0
                              : s->rows_new > 0 || s->rows_old > 0 || s->reset;
        if (s->epoch > after && any)
            return true;
    }
    return false;
}

/* SELECT DISTINCT of the partition columns over every old and new row after an epoch. */
static void put_touched(rdl_buf *out, const rdl_apply *p, rdl_arena *a, const rdl_table *t,
                        const rdl_table_history *h, uint64_t after)
{
    bool any = false;
    rdl_buf_puts(out, "SELECT DISTINCT * FROM (");
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        for (rdl_segment kind = RDL_SEGMENT_NEW; kind <= RDL_SEGMENT_OLD; kind++) {
            if (s->epoch <= after || (kind == RDL_SEGMENT_NEW ? s->rows_new : s->rows_old) == 0)
                continue;
            rdl_buf_puts(out, any ? " UNION ALL SELECT " : "SELECT ");
            rdl_put_key(out, "", &t->columns, t->partition_by, t->partition_count);
            rdl_buf_puts(out, " FROM ");
            rdl_put_segment(out, a, &p->e->root, s, t->full, kind);
            any = true;
        }
    }
    rdl_buf_puts(out, ")");
}

typedef RDL_VEC(rdl_lake_part) part_list;

static rdl_code next_ordered(void *arg, const rdl_chunk **out, rdl_err *err)
{
    return rdl_ordered_next(arg, out, err);
}

static size_t segments_between(const rdl_table_history *h, uint64_t after, uint64_t upto)
{
    size_t n = 0;
    for (size_t i = 0; i < h->segments.n; i++)
        n += h->segments.v[i].epoch > after && h->segments.v[i].epoch <= upto;
    return n;
}

/* A view whose segments are sorted, and few enough to be open at once: they are merged, with what the
 * lake has. */
static bool comes_ordered(const rdl_apply *p, const rdl_cut *cut, const rdl_table *t,
                          const rdl_table_history *h, const rdl_lake_table *lake, uint64_t after)
{
    uint64_t chunk = RDL_VECTOR_ROWS * (t->columns.n * MERGED_COLUMN_MEMORY + MERGED_ROW_MEMORY);
    return h->pruned_changed <= after && rdl_lake_rows_fit(lake) &&
           segments_between(h, after, cut->epoch) * chunk <= p->e->memory_bytes / 4 &&
           rdl_ordered_fits(t, h, after, cut->epoch);
}

/* Where a table's rows are read in the order in which they lie: by one thread. */
typedef struct in_order {
    rdl_duck *duck;
    rdl_conn *conn;
} in_order;

static rdl_code open_in_order(const rdl_apply *p, in_order *out, rdl_err *err)
{
    uint64_t memory = p->e->memory_bytes / 16;
    const rdl_duck_config config = {
        .threads = 1, .memory_bytes = memory > IN_ORDER_MEMORY ? memory : IN_ORDER_MEMORY};
    RDL_TRY(rdl_duck_open(&config, &out->duck, err));
    return rdl_conn_open(out->duck, &out->conn, err);
}

static void close_in_order(in_order *o)
{
    rdl_conn_close(o->conn);
    rdl_duck_close(o->duck);
}

static rdl_code add_base(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                         const rdl_lake_table *lake, const rdl_lake_snapshot *now, in_order *o,
                         rdl_ordered *rows, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_code rc = RDL_OK;
    if (now->file_count > 1 || now->rows > ONE_ROW_GROUP)
        rc = open_in_order(p, o, err);
    rdl_buf_puts(&sql, "SELECT ");
    rdl_put_columns(&sql, "", &t->columns);
    rdl_buf_puts(&sql, " FROM (");
    if (rc == RDL_OK)
        rc = rdl_lake_select(cut->arena, lake->dir, now, &sql, err);
    rdl_buf_puts(&sql, ")");
    if (rc == RDL_OK)
        rc = rdl_ordered_base(rows, o->conn != NULL ? o->conn : p->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

/* *unfit: the lake's rows lie in another order, or are of other types; nothing was done. */
static rdl_code merge_ordered(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                              const rdl_table_history *h, const rdl_lake_table *lake,
                              const rdl_lake_snapshot *now, uint64_t after,
                              const rdl_lake_commit_info *info, rdl_lake_result *out, bool *unfit,
                              rdl_err *err)
{
    rdl_ordered *rows = NULL;
    in_order base = {0};
    RDL_TRY(rdl_ordered_open(cut->root, t, h, after, cut->epoch, &rows, err));
    const rdl_lake_rows given = {next_ordered, rows};
    rdl_code rc = RDL_OK;
    if (now->version >= 0 && now->file_count > 0)
        rc = add_base(p, cut, t, lake, now, &base, rows, err);
    if (rc == RDL_OK)
        rc = rdl_ordered_begin(rows, RDL_ORDERED_ALL, err);
    if (rc == RDL_OK)
        rc = rdl_lake_replace_all(lake, &given, info, out, err);
    *unfit = rdl_ordered_base_unfit(rows);
    rdl_ordered_free(rows);
    close_in_order(&base);
    return rc;
}

static rdl_code replace_view(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                             const rdl_lake_table *lake, const rdl_lake_snapshot *now,
                             const rdl_lake_commit_info *info, rdl_lake_result *out, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    uint64_t after = now->txn_version > 0 ? (uint64_t)now->txn_version : 0;
    rdl_buf select = {0}, touched = {0}, order = {0};
    if (comes_ordered(p, cut, t, h, lake, after)) {
        bool unfit = false;
        rdl_code merged = merge_ordered(p, cut, t, h, lake, now, after, info, out, &unfit, err);
        if (!unfit)
            return merged;
        /* Somebody else wrote these files: sorted below. */
        rdl_log(RDL_LOG_INFO, "lake", "not_merged", "table=%s reason=%s", t->full.p, err->msg);
        *err = (rdl_err){0};
    }
    cut->stage = p->conn;
    cut->stage_rows = p->e->memory_bytes / STAGE_ROW_MEMORY;
    rdl_code rc = rdl_cut_select(cut, t, false, &select, err);
    bool whole = t->partition_count == 0 || now->version < 0 ||
                 rdl_history_last_reset(h, after, UINT64_MAX) > 0;
    rdl_lake_table as = *lake;
    as.overwrite_schema = whole;
    if (rc == RDL_OK && !whole) {
        put_touched(&touched, p, cut->arena, t, h, after);
        rdl_buf part = {0};
        rdl_buf_puts(&part, "SELECT * FROM (");
        rdl_buf_put(&part, select.p, select.n);
        rdl_buf_puts(&part, ") WHERE rdl_key(");
        rdl_put_key(&part, "", &t->columns, t->partition_by, t->partition_count);
        rdl_buf_puts(&part, ") IN (SELECT rdl_key(");
        rdl_put_key(&part, "", &t->columns, t->partition_by, t->partition_count);
        rdl_buf_printf(&part, ") FROM (%s))", rdl_buf_str(&touched));
        rdl_buf_fini(&select);
        select = part;
    }
    rdl_put_key(&order, "", &t->columns, t->primary_key, t->primary_key_count);
    if (rc == RDL_OK)
        rc = rdl_lake_replace(p->conn, &as, rdl_buf_str(&select),
                              whole ? NULL : rdl_buf_str(&touched),
                              order.n > 0 ? rdl_buf_str(&order) : NULL, info, out, err);
    rdl_cut_unstage(cut);
    cut->stage = NULL;
    rdl_buf_fini(&select);
    rdl_buf_fini(&touched);
    rdl_buf_fini(&order);
    return rc;
}

static void partition_names(rdl_arena *a, const rdl_table *t, rdl_lake_table *lake)
{
    rdl_str *names = RDL_NEWN(a, rdl_str, t->partition_count + 1);
    for (size_t i = 0; i < t->partition_count; i++)
        names[i] = t->columns.v[t->partition_by[i]].name;
    lake->partition_columns = names;
    lake->partition_count = t->partition_count;
}

void rdl_table_in_lake(rdl_arena *a, const rdl_root *root, const char *app_id, const rdl_table *t,
                       rdl_lake_table *out)
{
    *out = (rdl_lake_table){.dir = rdl_root_lake_table(a, root, t),
                            .app_id = app_id,
                            .name = t->full.p,
                            .description = t->comment.p};
    rdl_table_lake_schema(a, t, &out->schema);
    partition_names(a, t, out);
}

/* ---- adopting ---- */

/* The parts of every segment of (after, upto]; false in *fit: some have other columns. */
static rdl_code parts_between(const rdl_apply *p, rdl_arena *a, const rdl_lake_table *lake,
                              const rdl_table_history *h, uint64_t after, uint64_t upto,
                              part_list *out, bool *fit, rdl_err *err)
{
    *fit = true;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        rdl_parts parts;
        if (s->epoch <= after || s->epoch > upto || s->parts.n == 0)
            continue;
        RDL_TRY(rdl_parts_read(a, &p->e->root, s, h->table, &parts, err));
        for (size_t k = 0; k < parts.n; k++) {
            *fit = *fit && rdl_lake_part_is_current(lake, &parts.v[k]);
            RDL_PUSH(a, out) = parts.v[k];
        }
    }
    return RDL_OK;
}

/* Rows that lie in no part. */
static bool any_row_apart_from_parts(const rdl_table_history *h, uint64_t after, uint64_t upto)
{
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch > after && s->epoch <= upto && s->rows_new > s->rows_apart)
            return true;
    }
    return false;
}

static rdl_code append_stream(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                              const rdl_lake_table *lake, uint64_t after,
                              const rdl_lake_commit_info *info, rdl_lake_result *out,
                              bool quarantine, rdl_err *err)
{
    rdl_buf select = {0}, order = {0};
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    part_list parts = {0};
    bool fit = true, rest = true;
    if (!quarantine)
        RDL_TRY(parts_between(p, cut->arena, lake, h, after, cut->epoch, &parts, &fit, err));
    if (!fit) /* the table grew since: all rows are written again */
        parts.n = 0;
    if (parts.n > 0)
        rest = any_row_apart_from_parts(h, after, cut->epoch);
    rdl_code rc = quarantine ? rdl_cut_segments_quarantine(cut, t, &select, err)
                             : rdl_cut_segments(cut, t, parts.n > 0, &select, err);
    if (t->decision && !quarantine)
        rdl_put_key(&order, "", &t->columns, t->primary_key, t->primary_key_count);
    else
        rdl_buf_puts(&order, RDL_IDENTITY_COLUMNS);
    if (rc == RDL_OK)
        rc = rdl_lake_append_parts(p->conn, lake, rest ? rdl_buf_str(&select) : NULL,
                                   rdl_buf_str(&order), parts.v, parts.n, info, out, err);
    rdl_buf_fini(&order);
    rdl_buf_fini(&select);
    return rc;
}

static rdl_code finish_lake(const rdl_apply *p, const rdl_lake_table *lake, rdl_err *err)
{
    bool made = false;
    return rdl_lake_checkpoint(p->conn, lake, false, &made, err);
}

/* What was sealed under another text waits for the rebuild that replaces it. */
bool rdl_apply_is_stale(const rdl_table *t, const rdl_table_history *h)
{
    return t->kind == RDL_TABLE_VIEW && !t->decision &&
           !rdl_hash128_eq(h->fingerprint, t->fingerprint);
}

/* A streaming table keeps its rows when its text changes, so the new columns must fit them. */
rdl_code rdl_apply_check_schemas(rdl_engine *e, rdl_err *err)
{
    rdl_arena a;
    rdl_code rc = RDL_OK;
    rdl_arena_init(&a, 0);
    for (size_t i = 0; i < e->pipeline->table_count && rc == RDL_OK; i++) {
        const rdl_table *t = e->pipeline->tables[i];
        const rdl_table_history *h = rdl_history_table(&e->history, t->full);
        if ((t->kind != RDL_TABLE_STREAMING && !t->decision) || !h->exists ||
            rdl_hash128_eq(h->fingerprint, t->fingerprint))
            continue;
        rdl_lake_table lake = {.dir = rdl_root_lake_table(&a, &e->root, t),
                               .app_id = e->uuid,
                               .name = t->full.p};
        rdl_table_lake_schema(&a, t, &lake.schema);
        partition_names(&a, t, &lake);
        rc = rdl_err_area(rdl_lake_check(&lake, err), err, RDL_AREA_TEXT);
    }
    rdl_arena_fini(&a);
    return rc;
}

/* A Delta table that lacks sealed rows. */
typedef struct due_table {
    const rdl_table *table;
    bool quarantine;
    uint64_t rows; /* that it lacks */
} due_table;

typedef struct lake_job {
    const rdl_apply *p;
    const rdl_lake_commit_info *info;
    RDL_VEC(due_table) due;
    atomic_size_t next;
    atomic_bool failed;
} lake_job;

typedef struct lake_hand {
    lake_job *job;
    rdl_conn *conn;
    rdl_thread *thread; /* NULL: the caller's */
    rdl_arena arena;
    rdl_cut cut;
    rdl_code rc;
    rdl_err err;
} lake_hand;

/* ---- look ---- */

static uint64_t pending_rows(const rdl_table_history *h, uint64_t after, bool quarantine)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch > after)
            rows += quarantine ? s->rows_quarantined : s->rows_new + s->rows_old;
    }
    return rows;
}

static rdl_code look_at_table(lake_job *job, rdl_arena *a, const rdl_table *t, rdl_err *err)
{
    const rdl_apply *p = job->p;
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    int64_t version, shown;
    if (!h->exists || t->kind == RDL_TABLE_SOURCE || t->kind == RDL_TABLE_SNAPSHOT)
        return RDL_OK;
    RDL_TRY(rdl_lake_shown(rdl_root_lake_table(a, &p->e->root, t), p->e->uuid, &version, &shown,
                           err));
    RDL_TRY(rdl_apply_not_ahead(p, t, shown, "the lake table", err));
    uint64_t after = shown > 0 ? (uint64_t)shown : 0;
    RDL_TRY(check_not_behind(t->full, after, h->pruned_changed, err));
    if ((version < 0 || pending(h, after, false)) && !rdl_apply_is_stale(t, h))
        RDL_PUSH(a, &job->due) = (due_table){t, false, pending_rows(h, after, false)};
    return RDL_OK;
}

static rdl_str quarantine_name(rdl_arena *a, const rdl_table *t)
{
    return rdl_str_of(rdl_arena_printf(a, "quarantine.%s", rdl_root_quarantine_name(a, t)));
}

static rdl_code look_at_quarantine(lake_job *job, rdl_arena *a, const rdl_table *t, rdl_err *err)
{
    const rdl_apply *p = job->p;
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    int64_t version, shown;
    if (h->last_quarantined == 0)
        return RDL_OK;
    RDL_TRY(rdl_lake_shown(rdl_root_quarantine(a, &p->e->root, t), p->e->uuid, &version, &shown,
                           err));
    uint64_t after = shown > 0 ? (uint64_t)shown : 0;
    RDL_TRY(rdl_apply_not_ahead(p, t, shown, "the quarantine", err));
    RDL_TRY(check_not_behind(quarantine_name(a, t), after, h->pruned_quarantined, err));
    if (pending(h, after, true))
        RDL_PUSH(a, &job->due) = (due_table){t, true, pending_rows(h, after, true)};
    return RDL_OK;
}

static int by_rows(const void *a, const void *b)
{
    const due_table *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows < y->rows ? 1 : -1;
    return (x->table->index > y->table->index) - (x->table->index < y->table->index);
}

static rdl_code look(lake_job *job, rdl_arena *a, rdl_err *err)
{
    const rdl_pipeline *pipeline = job->p->e->pipeline;
    for (size_t i = 0; i < pipeline->table_count; i++) {
        const rdl_table *t = pipeline->tables[i];
        rdl_code rc = look_at_table(job, a, t, err);
        if (rc == RDL_OK)
            rc = look_at_quarantine(job, a, t, err);
        if (rc != RDL_OK)
            return rdl_err_in(rc, err, "lake table %s", t->full.p);
    }
    if (job->due.n > 1)
        qsort(job->due.v, job->due.n, sizeof *job->due.v, by_rows);
    return RDL_OK;
}

/* ---- take ---- */

/* The epoch of the n-th segment after an epoch; `last`, if there are not more than n. */
static uint64_t end_of_turn(const rdl_table_history *h, uint64_t after, uint64_t last, size_t n)
{
    size_t seen = 0;
    if (segments_between(h, after, last) <= n)
        return last;
    for (size_t i = 0; i < h->segments.n; i++) {
        seen += h->segments.v[i].epoch > after;
        if (seen == n)
            return h->segments.v[i].epoch;
    }
    return last;
}

/* One commit of what was sealed behind what the lake has (*out_after), up to an epoch. */
static rdl_code take_upto(const rdl_apply *p, const rdl_table *t, const rdl_lake_table *lake,
                          const rdl_lake_commit_info *info, uint64_t upto, uint64_t *out_after,
                          rdl_err *err)
{
    rdl_arena a;
    rdl_cut cut;
    const rdl_lake_snapshot *now;
    rdl_lake_result result;
    rdl_lake_commit_info some = *info;
    some.epoch = upto;
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &p->e->root, p->e->pipeline, p->history, p->e->uuid, upto);
    rdl_code rc = rdl_cut_lake(&cut, t, &now, err);
    if (rc == RDL_OK) {
        *out_after = now->txn_version > 0 ? (uint64_t)now->txn_version : 0;
        rc = t->kind == RDL_TABLE_VIEW && !t->decision
                 ? replace_view(p, &cut, t, lake, now, &some, &result, err)
                 : append_stream(p, &cut, t, lake, *out_after, &some, &result, false, err);
    }
    rdl_arena_fini(&a);
    return rc;
}

/*
 * All at once; where memory does not do for that, half of the epochs, and so on, then as many again.
 * The lake has a sealed epoch in between, as after any commit, and goes on from there.
 */
static rdl_code take_in_turns(const rdl_apply *p, const rdl_table *t, const rdl_lake_table *lake,
                              const rdl_lake_commit_info *info, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(p->history, t->full);
    uint64_t upto = info->epoch, after = 0;
    size_t turn = SIZE_MAX; /* segments */
    for (;;) {
        rdl_code rc = take_upto(p, t, lake, info, upto, &after, err);
        if (rc == RDL_OK && upto == info->epoch)
            return RDL_OK;
        if (rc == RDL_OK) {
            upto = end_of_turn(h, upto, info->epoch, turn);
            continue;
        }
        /* What was there before a reset is of another text, and gone. */
        uint64_t reset = rdl_history_last_reset(h, after, info->epoch);
        uint64_t from = reset > after ? reset : after;
        size_t n = upto > from ? segments_between(h, from, upto) : 0;
        if (rc != RDL_ELIMIT || n < 2)
            return rc;
        turn = n / 2;
        rdl_log(RDL_LOG_INFO, "lake", "commit_halved",
                "table=%s after=%" PRIu64 " upto=%" PRIu64 " segments=%zu", t->full.p, after, upto,
                turn);
        *err = (rdl_err){0};
        upto = end_of_turn(h, from, info->epoch, turn);
    }
}

static rdl_code take_table(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                           const rdl_lake_commit_info *info, rdl_err *err)
{
    const rdl_lake_snapshot *now;
    RDL_TRY(rdl_cut_lake(cut, t, &now, err));
    uint64_t after = now->txn_version > 0 ? (uint64_t)now->txn_version : 0;
    RDL_TRY(rdl_segments_check(cut->arena, &p->e->root, rdl_history_table(p->history, t->full),
                               after, false, err));
    rdl_lake_table lake;
    rdl_table_in_lake(cut->arena, &p->e->root, p->e->uuid, t, &lake);
    RDL_TRY(take_in_turns(p, t, &lake, info, err));
    return finish_lake(p, &lake, err);
}

static rdl_code take_quarantine(const rdl_apply *p, rdl_cut *cut, const rdl_table *t,
                                const rdl_lake_commit_info *info, rdl_err *err)
{
    const rdl_lake_snapshot *now;
    rdl_lake_result result;
    RDL_TRY(rdl_cut_quarantine_lake(cut, t, &now, err));
    RDL_TRY(rdl_segments_check(cut->arena, &p->e->root, rdl_history_table(p->history, t->full),
                               now->txn_version > 0 ? (uint64_t)now->txn_version : 0, true, err));
    rdl_lake_table lake = {
        .dir = rdl_root_quarantine(cut->arena, &p->e->root, t),
        .app_id = p->e->uuid,
        .name = quarantine_name(cut->arena, t).p,
        .description = "rows that were rejected, with their bytes and the reasons",
    };
    rdl_quarantine_schema(cut->arena, &lake.schema);
    RDL_TRY(append_stream(p, cut, t, &lake, 0, info, &result, true, err));
    return finish_lake(p, &lake, err);
}

static void *take(void *arg)
{
    lake_hand *h = arg;
    lake_job *job = h->job;
    const rdl_apply own = {job->p->e, h->conn, job->p->history};
    while (!atomic_load(&job->failed)) {
        size_t at = atomic_fetch_add(&job->next, 1);
        if (at >= job->due.n)
            break;
        const due_table *d = &job->due.v[at];
        h->rc = d->quarantine ? take_quarantine(&own, &h->cut, d->table, job->info, &h->err)
                              : take_table(&own, &h->cut, d->table, job->info, &h->err);
        if (h->rc == RDL_OK)
            continue;
        rdl_err_in(h->rc, &h->err, "lake table %s", d->table->full.p);
        atomic_store(&job->failed, true);
    }
    return NULL;
}

static void hand_init(lake_hand *h, lake_job *job, rdl_conn *conn)
{
    const rdl_engine *e = job->p->e;
    *h = (lake_hand){.job = job, .conn = conn};
    rdl_arena_init(&h->arena, 0);
    rdl_cut_init(&h->cut, &h->arena, &e->root, e->pipeline, job->p->history, e->uuid,
                 job->p->history->epoch);
}

static size_t hands_for(const lake_job *job)
{
    size_t n = rdl_cpu_count(), by_memory = job->p->e->memory_bytes / HAND_MEMORY;
    unsigned asked = job->p->e->config.threads;
    n = asked > 0 && asked < n ? asked : n;
    n = n < by_memory ? n : by_memory;
    n = n < job->due.n ? n : job->due.n;
    return n < 1 ? 1 : n < HANDS_MAX ? n : HANDS_MAX;
}

/* A hand that cannot be had is done without. */
static void start_hand(lake_hand *h, lake_job *job)
{
    rdl_err why = {0};
    rdl_conn *conn = NULL;
    hand_init(h, job, NULL);
    if (rdl_conn_open(job->p->e->duck, &conn, &why) != RDL_OK) {
        rdl_log_err(RDL_LOG_WARN, "lake", "no_hand", &why);
        return;
    }
    h->conn = conn;
    if (rdl_thread_start("lake", take, h, &h->thread, &why) != RDL_OK)
        rdl_log_err(RDL_LOG_WARN, "lake", "no_hand", &why);
}

static rdl_code take_all(lake_job *job, rdl_err *err)
{
    lake_hand hands[HANDS_MAX];
    size_t n = hands_for(job);
    rdl_code rc = RDL_OK;
    hand_init(&hands[0], job, job->p->conn);
    for (size_t i = 1; i < n; i++)
        start_hand(&hands[i], job);
    take(&hands[0]);
    for (size_t i = 0; i < n; i++) {
        rdl_thread_join(hands[i].thread);
        if (i > 0)
            rdl_conn_close(hands[i].conn);
        rdl_arena_fini(&hands[i].arena);
        if (hands[i].rc == RDL_OK || rc != RDL_OK)
            continue;
        rc = hands[i].rc;
        *err = hands[i].err;
    }
    return rc;
}

rdl_code rdl_apply_to_lake(const rdl_apply *p, rdl_err *err)
{
    rdl_arena a;
    int64_t began = rdl_monotonic_us();
    const rdl_lake_commit_info info = {
        .operation = "RAUDAL", .epoch = p->history->epoch, .timestamp_us = p->history->ts_us};
    lake_job job = {.p = p, .info = &info};
    rdl_arena_init(&a, 0);
    rdl_code rc = look(&job, &a, err);
    if (rc == RDL_OK && job.due.n > 0)
        rc = take_all(&job, err);
    rdl_arena_fini(&a);
    if (rc != RDL_OK)
        rc = rdl_engine_name_damage(p, err);
    rdl_engine_note_step(p->e, RDL_STEP_LAKE, began, 0, 0);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

rdl_code rdl_apply_lake(rdl_engine *e, rdl_err *err)
{
    const rdl_apply p = {e, e->conn, &e->history};
    rdl_engine_progress_at(e, NULL, "lake");
    e->last_lake_us = rdl_now_us(e->clock);
    return rdl_apply_to_lake(&p, err);
}
