/*
 * stream/cut.c - composing lake and segments.
 */
#include "stream/cut.h"

#include <inttypes.h>

#include "stream/parts.h"

void rdl_cut_init(rdl_cut *c, rdl_arena *a, const rdl_root *root, const rdl_pipeline *p,
                  rdl_history *h, const char *app_id, uint64_t epoch)
{
    *c = (rdl_cut){
        .arena = a,
        .root = root,
        .pipeline = p,
        .history = h,
        .app_id = app_id,
        .epoch = epoch,
        .lakes = RDL_NEWN(a, rdl_lake_snapshot *, p->table_count),
        .quarantines = RDL_NEWN(a, rdl_lake_snapshot *, p->table_count),
    };
}

/*
 * The newest version that shows nothing after the cut: the table may have gone on since the journal
 * was read.
 */
static rdl_code load_version(rdl_cut *c, const char *dir, rdl_lake_snapshot *s, rdl_err *err)
{
    RDL_TRY(rdl_lake_load(c->arena, dir, c->app_id, -1, s, err));
    while (c->beside && s->txn_version > (int64_t)c->epoch) {
        int64_t before = s->version - 1;
        if (before < 0 || rdl_lake_load(c->arena, dir, c->app_id, before, s, err) != RDL_OK)
            return rdl_err_set(err, RDL_EIO, RDL_ERR_RETRY,
                               "could not read the lake table \"%s\" as of epoch %" PRIu64
                               ": it went on meanwhile",
                               dir, c->epoch);
    }
    return RDL_OK;
}

static rdl_code load(rdl_cut *c, rdl_lake_snapshot **slot, const char *dir,
                     const rdl_lake_snapshot **out, rdl_err *err)
{
    if (*slot == NULL) {
        rdl_lake_snapshot *s = RDL_NEW(c->arena, rdl_lake_snapshot);
        RDL_TRY(load_version(c, dir, s, err));
        *slot = s;
    }
    *out = *slot;
    return RDL_OK;
}

rdl_code rdl_cut_lake(rdl_cut *c, const rdl_table *t, const rdl_lake_snapshot **out, rdl_err *err)
{
    return load(c, &c->lakes[t->index], rdl_root_lake_table(c->arena, c->root, t), out, err);
}

rdl_code rdl_cut_quarantine_lake(rdl_cut *c, const rdl_table *t, const rdl_lake_snapshot **out,
                                 rdl_err *err)
{
    return load(c, &c->quarantines[t->index], rdl_root_quarantine(c->arena, c->root, t), out,
                err);
}

void rdl_table_lake_schema(rdl_arena *a, const rdl_table *t, rdl_schema *out)
{
    const rdl_type *big = rdl_type_of(RDL_TYPE_BIGINT);
    const rdl_column identity[] = {
        {RDL_STR("_epoch"), big},
        {RDL_STR("_source_partition"), rdl_type_of(RDL_TYPE_INTEGER)},
        {RDL_STR("_source_offset"), big},
        {RDL_STR("_ordinal"), big},
    };
    size_t more = t->kind == RDL_TABLE_STREAMING ? 4 : 0;
    out->n = t->columns.n + more;
    out->v = RDL_NEWN(a, rdl_column, out->n);
    memcpy(out->v, t->columns.v, t->columns.n * sizeof *out->v);
    memcpy(out->v + t->columns.n, identity, more * sizeof *out->v);
}

void rdl_put_columns(rdl_buf *out, const char *prefix, const rdl_schema *s)
{
    for (size_t i = 0; i < s->n; i++) {
        rdl_buf_puts(out, i == 0 ? "" : ", ");
        rdl_buf_puts(out, prefix);
        rdl_buf_put_sql_ident(out, s->v[i].name);
    }
}

void rdl_put_key(rdl_buf *out, const char *prefix, const rdl_schema *s, const size_t *key,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rdl_buf_puts(out, i == 0 ? "" : ", ");
        rdl_buf_puts(out, prefix);
        rdl_buf_put_sql_ident(out, s->v[key[i]].name);
    }
}

void rdl_put_same_key(rdl_buf *out, const char *a, const char *b, const rdl_schema *s,
                      const size_t *key, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rdl_str name = s->v[key != NULL ? key[i] : i].name;
        rdl_buf_printf(out, i == 0 ? "%s." : " AND %s.", a);
        rdl_buf_put_sql_ident(out, name);
        rdl_buf_printf(out, " IS NOT DISTINCT FROM %s.", b);
        rdl_buf_put_sql_ident(out, name);
    }
}

void rdl_put_relation(rdl_buf *out, const char *schema, const char *role, rdl_str table)
{
    rdl_buf name = {0};
    rdl_buf_puts(&name, role);
    rdl_buf_put(&name, table.p, table.n);
    rdl_buf_puts(out, schema);
    rdl_buf_putc(out, '.');
    rdl_buf_put_sql_ident(out, (rdl_str){name.p, name.n});
    rdl_buf_fini(&name);
}

/* NULL::T AS "c", ... WHERE false: gives a union its columns, whatever its files have. */
static void put_template(rdl_buf *out, const rdl_schema *s)
{
    rdl_buf_puts(out, "SELECT ");
    for (size_t i = 0; i < s->n; i++) {
        rdl_buf_puts(out, i == 0 ? "NULL::" : ", NULL::");
        rdl_type_print(s->v[i].type, out);
        rdl_buf_puts(out, " AS ");
        rdl_buf_put_sql_ident(out, s->v[i].name);
    }
    rdl_buf_puts(out, " WHERE false");
}

void rdl_put_segment(rdl_buf *out, rdl_arena *a, const rdl_root *root, const rdl_segment_ref *s,
                     rdl_str table, rdl_segment kind)
{
    if (s->packed && kind != RDL_SEGMENT_QUARANTINE) {
        rdl_buf_puts(out, "rdl_packed(");
        rdl_buf_put_sql_text(out, rdl_str_of(rdl_root_packed(a, root, s->epoch)));
        rdl_buf_puts(out, ", ");
        rdl_buf_put_sql_text(out, rdl_str_of(rdl_root_packed_name(a, table, kind)));
    } else if (s->parts.n > 0 && kind == RDL_SEGMENT_NEW) {
        rdl_parts_put(out, a, root, s, table);
        return;
    } else {
        rdl_buf_puts(out, "read_parquet(");
        rdl_buf_put_sql_text(out, rdl_str_of(rdl_root_segment(a, root, s->epoch, table, kind)));
    }
    rdl_buf_puts(out, ")");
}

static void put_file(rdl_cut *c, rdl_buf *out, const rdl_segment_ref *s, rdl_str table,
                     rdl_segment kind)
{
    rdl_put_segment(out, c->arena, c->root, s, table, kind);
}

static uint64_t rows_of(const rdl_segment_ref *s, rdl_segment kind)
{
    return kind == RDL_SEGMENT_NEW   ? s->rows_new
           : kind == RDL_SEGMENT_OLD ? s->rows_old
                                     : s->rows_quarantined;
}

/* Rows of one kind of every segment in (from, to], under the schema's columns; without parts: not
 * those that the lake can adopt. */
static void put_some_segments(rdl_cut *c, rdl_buf *out, const rdl_table_history *h,
                              const rdl_schema *schema, uint64_t from, uint64_t to,
                              rdl_segment kind, bool without_parts)
{
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "", schema);
    rdl_buf_puts(out, " FROM (");
    put_template(out, schema);
    bool any = false;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        bool apart = kind == RDL_SEGMENT_NEW && s->parts.n > 0;
        if (s->epoch <= from || s->epoch > to || rows_of(s, kind) == 0 ||
            (apart && without_parts && s->rows_apart == s->rows_new))
            continue;
        if ((s->packed && kind != RDL_SEGMENT_QUARANTINE) || (apart && !without_parts)) {
            rdl_buf_puts(out, any ? "], union_by_name = true)" : "");
            rdl_buf_puts(out, " UNION ALL BY NAME SELECT * FROM ");
            put_file(c, out, s, h->table, kind);
            any = false;
            continue;
        }
        rdl_buf_puts(out, any ? ", " : " UNION ALL BY NAME SELECT * FROM read_parquet([");
        rdl_buf_put_sql_text(
            out, rdl_str_of(rdl_root_segment(c->arena, c->root, s->epoch, h->table, kind)));
        any = true;
    }
    rdl_buf_puts(out, any ? "], union_by_name = true))" : ")");
}

static void put_segments(rdl_cut *c, rdl_buf *out, const rdl_table_history *h,
                         const rdl_schema *schema, uint64_t from, uint64_t to, rdl_segment kind)
{
    put_some_segments(c, out, h, schema, from, to, kind, false);
}

static bool any_segment(const rdl_table_history *h, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < h->segments.n; i++) {
        if (h->segments.v[i].epoch > from && h->segments.v[i].epoch <= to)
            return true;
    }
    return false;
}

/* (SELECT e, k.. FROM every old and new row of (from, to]) */
static void put_named_keys(rdl_cut *c, rdl_buf *out, const rdl_table_history *h,
                           const rdl_table *t, const size_t *key, size_t key_count,
                           uint64_t from, uint64_t to)
{
    bool any = false;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch <= from || s->epoch > to)
            continue;
        for (rdl_segment kind = RDL_SEGMENT_NEW; kind <= RDL_SEGMENT_OLD; kind++) {
            if (rows_of(s, kind) == 0)
                continue;
            rdl_buf_printf(out, "%sSELECT %" PRIu64 "::BIGINT AS _e, ",
                           any ? " UNION ALL " : "", s->epoch);
            rdl_put_key(out, "", &t->columns, key, key_count);
            rdl_buf_puts(out, " FROM ");
            put_file(c, out, s, h->table, kind);
            any = true;
        }
    }
    if (!any) {
        rdl_schema keys = {RDL_NEWN(c->arena, rdl_column, key_count), key_count};
        for (size_t i = 0; i < key_count; i++)
            keys.v[i] = t->columns.v[key[i]];
        rdl_buf_puts(out, "SELECT 0::BIGINT AS _e, * FROM (");
        put_template(out, &keys);
        rdl_buf_puts(out, ")");
    }
}

static void put_newest_keys(rdl_cut *c, rdl_buf *out, const rdl_table_history *h,
                            const rdl_table *t, const size_t *key, size_t key_count, uint64_t from,
                            uint64_t to)
{
    rdl_buf_puts(out, "SELECT max(_e) AS _e, ");
    rdl_put_key(out, "", &t->columns, key, key_count);
    rdl_buf_puts(out, " FROM (");
    put_named_keys(c, out, h, t, key, key_count, from, to);
    rdl_buf_puts(out, ") GROUP BY ALL");
}

/* For each key that (from, to] names: the new row of the newest epoch that names it, if any.
 * named: where these keys and epochs are computed already; or NULL. */
static void put_newest(rdl_cut *c, rdl_buf *out, const rdl_table_history *h, const rdl_table *t,
                       const size_t *key, size_t key_count, uint64_t from, uint64_t to,
                       const rdl_buf *named)
{
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "l.", &t->columns);
    rdl_buf_puts(out, " FROM (");
    bool any = false;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch <= from || s->epoch > to || s->rows_new == 0)
            continue;
        rdl_buf_printf(out, "%sSELECT %" PRIu64 "::BIGINT AS _e, ", any ? " UNION ALL " : "",
                       s->epoch);
        rdl_put_columns(out, "", &t->columns);
        rdl_buf_puts(out, " FROM ");
        put_file(c, out, s, h->table, RDL_SEGMENT_NEW);
        any = true;
    }
    if (!any) {
        rdl_buf_puts(out, "SELECT 0::BIGINT AS _e, * FROM (");
        put_template(out, &t->columns);
        rdl_buf_puts(out, ")");
    }
    rdl_buf_puts(out, ") l JOIN (");
    if (named != NULL)
        rdl_buf_put(out, named->p, named->n);
    else
        put_newest_keys(c, out, h, t, key, key_count, from, to);
    rdl_buf_puts(out, ") m ON l._e = m._e AND ");
    rdl_put_same_key(out, "l", "m", &t->columns, key, key_count);
}

static rdl_code make_stage(rdl_cut *c, const char *name, const rdl_buf *select, rdl_err *err)
{
    return rdl_execf(c->stage, err, "CREATE OR REPLACE TEMP TABLE %s AS %s", name,
                     rdl_buf_str(select));
}

/* The keys that (from, epoch] names with their newest epoch, and the rows it has for them. */
static rdl_code stage_changes(rdl_cut *c, const rdl_table_history *h, const rdl_table *t,
                              uint64_t from, rdl_err *err)
{
    rdl_buf sql = {0}, named = {0};
    put_newest_keys(c, &sql, h, t, t->primary_key, t->primary_key_count, from, c->epoch);
    rdl_code rc = make_stage(c, "rdl_cut_keys", &sql, err);
    rdl_buf_clear(&sql);
    rdl_buf_puts(&named, "SELECT * FROM temp.rdl_cut_keys");
    put_newest(c, &sql, h, t, t->primary_key, t->primary_key_count, from, c->epoch, &named);
    if (rc == RDL_OK)
        rc = make_stage(c, "rdl_cut_rows", &sql, err);
    rdl_buf_fini(&sql);
    rdl_buf_fini(&named);
    return rc;
}

void rdl_cut_unstage(rdl_cut *c)
{
    rdl_err ignored;
    if (c->stage == NULL)
        return;
    (void)!rdl_exec(c->stage, "DROP TABLE IF EXISTS temp.rdl_cut_keys", &ignored);
    (void)!rdl_exec(c->stage, "DROP TABLE IF EXISTS temp.rdl_cut_rows", &ignored);
}

static bool wants_stage(const rdl_cut *c, const rdl_table_history *h, uint64_t from)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch > from && s->epoch <= c->epoch)
            rows += s->rows_new + s->rows_old;
    }
    return c->stage != NULL && rows > c->stage_rows;
}

/* New rows alone, each of another key than all before it: they are added to what is there. */
static void put_added(rdl_cut *c, rdl_buf *out, const rdl_buf *base, bool has_base,
                      const rdl_table_history *h, const rdl_table *t, uint64_t from)
{
    if (has_base)
        rdl_buf_printf(out, "SELECT * FROM (%s) UNION ALL ", rdl_buf_str(base));
    rdl_newest_put_all(out, c->arena, c->root, t, h, from, c->epoch);
}

static rdl_code put_keyed(rdl_cut *c, rdl_buf *out, const rdl_buf *base, bool has_base,
                          const rdl_table_history *h, const rdl_table *t, uint64_t from,
                          rdl_err *err)
{
    bool staged = wants_stage(c, h, from);
    bool one_pass = rdl_newest_is_one_pass(t, h, t->primary_key, t->primary_key_count, from,
                                           c->epoch);
    if (rdl_newest_all_fresh(h, from, c->epoch)) {
        put_added(c, out, base, has_base, h, t, from);
        return RDL_OK;
    }
    if (one_pass && !has_base) {
        rdl_newest_put(out, c->arena, c->root, t, h, t->primary_key, t->primary_key_count, from,
                       c->epoch, false);
        return RDL_OK;
    }
    if (staged)
        RDL_TRY(stage_changes(c, h, t, from, err));
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "l.", &t->columns);
    rdl_buf_printf(out, " FROM (%s) l ANTI JOIN (", rdl_buf_str(base));
    if (staged)
        rdl_buf_puts(out, "SELECT * FROM temp.rdl_cut_keys");
    else
        put_named_keys(c, out, h, t, t->primary_key, t->primary_key_count, from, c->epoch);
    rdl_buf_puts(out, ") m ON ");
    rdl_put_same_key(out, "l", "m", &t->columns, t->primary_key, t->primary_key_count);
    rdl_buf_puts(out, " UNION ALL ");
    if (staged)
        rdl_buf_puts(out, "SELECT * FROM temp.rdl_cut_rows");
    else if (one_pass)
        rdl_newest_put(out, c->arena, c->root, t, h, t->primary_key, t->primary_key_count, from,
                       c->epoch, false);
    else
        put_newest(c, out, h, t, t->primary_key, t->primary_key_count, from, c->epoch, NULL);
    return RDL_OK;
}

static void put_unkeyed(rdl_cut *c, rdl_buf *out, const rdl_buf *base, const rdl_table_history *h,
                        const rdl_table *t, uint64_t from)
{
    rdl_buf now = {0}, next = {0};
    rdl_buf_put(&now, base->p, base->n);
    for (size_t i = 0; i < h->segments.n; i++) {
        const rdl_segment_ref *s = &h->segments.v[i];
        if (s->epoch <= from || s->epoch > c->epoch)
            continue;
        for (rdl_segment kind = RDL_SEGMENT_OLD; kind + 1 > RDL_SEGMENT_NEW; kind--) {
            if (rows_of(s, kind) > 0) {
                rdl_buf_clear(&next);
                rdl_buf_printf(&next, "(%s) %s (SELECT ", rdl_buf_str(&now),
                               kind == RDL_SEGMENT_OLD ? "EXCEPT ALL" : "UNION ALL");
                rdl_put_columns(&next, "", &t->columns);
                rdl_buf_puts(&next, " FROM ");
                put_file(c, &next, s, h->table, kind);
                rdl_buf_puts(&next, ")");
                rdl_buf swap = now;
                now = next;
                next = swap;
            }
            if (kind == RDL_SEGMENT_NEW)
                break;
        }
    }
    rdl_buf_put(out, now.p, now.n);
    rdl_buf_fini(&now);
    rdl_buf_fini(&next);
}

/* Lake rows, or the new rows of the last reset; *from is the epoch they stand for; *any: there are some. */
static rdl_code put_base(rdl_cut *c, const rdl_table *t, const rdl_table_history *h, rdl_buf *out,
                         uint64_t *from, bool *any, rdl_err *err)
{
    const rdl_lake_snapshot *lake;
    RDL_TRY(rdl_cut_lake(c, t, &lake, err));
    *from = lake->txn_version > 0 ? (uint64_t)lake->txn_version : 0;
    uint64_t reset = rdl_history_last_reset(h, *from, c->epoch);
    if (reset != 0) {
        *from = reset;
        *any = true;
        put_segments(c, out, h, &t->columns, reset - 1, reset, RDL_SEGMENT_NEW);
        return RDL_OK;
    }
    rdl_buf_puts(out, "SELECT ");
    rdl_put_columns(out, "", &t->columns);
    rdl_buf_puts(out, " FROM (");
    put_template(out, &t->columns);
    *any = lake->version >= 0 && lake->file_count > 0;
    if (*any) {
        rdl_buf_puts(out, " UNION ALL BY NAME (");
        RDL_TRY(rdl_lake_select(c->arena, rdl_root_lake_table(c->arena, c->root, t), lake, out,
                                err));
        rdl_buf_puts(out, ")");
    }
    rdl_buf_puts(out, ")");
    return RDL_OK;
}

static rdl_code select_view(rdl_cut *c, const rdl_table *t, rdl_buf *out, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(c->history, t->full);
    rdl_buf base = {0};
    uint64_t from = 0;
    bool any = false;
    rdl_code rc = put_base(c, t, h, &base, &from, &any, err);
    if (rc == RDL_OK) {
        if (!any_segment(h, from, c->epoch))
            rdl_buf_put(out, base.p, base.n);
        else if (t->primary_key_count > 0)
            rc = put_keyed(c, out, &base, any, h, t, from, err);
        else
            put_unkeyed(c, out, &base, h, t, from);
    }
    rdl_buf_fini(&base);
    return rc;
}

/* Append-only: lake rows and segments after it, under the schema's columns. */
static rdl_code select_append(rdl_cut *c, const rdl_schema *schema, const rdl_lake_snapshot *lake,
                              const char *dir, const rdl_table_history *h, rdl_segment kind,
                              rdl_buf *out, rdl_err *err)
{
    uint64_t from = lake->txn_version > 0 ? (uint64_t)lake->txn_version : 0;
    put_segments(c, out, h, schema, from, c->epoch, kind);
    if (lake->version >= 0 && lake->file_count > 0) {
        rdl_buf_puts(out, " UNION ALL SELECT ");
        rdl_put_columns(out, "", schema);
        rdl_buf_puts(out, " FROM (");
        put_template(out, schema);
        rdl_buf_puts(out, " UNION ALL BY NAME (");
        RDL_TRY(rdl_lake_select(c->arena, dir, lake, out, err));
        rdl_buf_puts(out, "))");
    }
    return RDL_OK;
}

rdl_code rdl_cut_select(rdl_cut *c, const rdl_table *t, bool identity, rdl_buf *out, rdl_err *err)
{
    if (t->kind == RDL_TABLE_VIEW)
        return rdl_err_in(select_view(c, t, out, err), err, "table %s", t->full.p);
    const rdl_lake_snapshot *lake;
    rdl_schema schema = t->columns;
    if (identity)
        rdl_table_lake_schema(c->arena, t, &schema);
    RDL_TRY(rdl_cut_lake(c, t, &lake, err));
    return select_append(c, &schema, lake, rdl_root_lake_table(c->arena, c->root, t),
                         rdl_history_table(c->history, t->full), RDL_SEGMENT_NEW, out, err);
}

rdl_code rdl_cut_select_rejected(rdl_cut *c, const rdl_table *t, rdl_buf *out, rdl_err *err)
{
    const rdl_lake_snapshot *lake;
    rdl_schema schema;
    rdl_quarantine_schema(c->arena, &schema);
    RDL_TRY(rdl_cut_quarantine_lake(c, t, &lake, err));
    return select_append(c, &schema, lake, rdl_root_quarantine(c->arena, c->root, t),
                         rdl_history_table(c->history, t->full), RDL_SEGMENT_QUARANTINE, out,
                         err);
}

rdl_code rdl_cut_select_quarantine(rdl_cut *c, const rdl_table *t, rdl_buf *out, rdl_err *err)
{
    if (rdl_history_table(c->history, t->full)->ledger.replayed == 0)
        return rdl_cut_select_rejected(c, t, out, err);
    rdl_buf all = {0};
    rdl_code rc = rdl_cut_select_rejected(c, t, &all, err);
    if (rc == RDL_OK)
        rdl_buf_printf(out,
                       "WITH q AS (%s) SELECT * FROM q WHERE replayed_epoch IS NOT NULL OR "
                       "(_epoch, _source_partition, _source_offset, _ordinal) NOT IN (SELECT "
                       "(_epoch, _source_partition, _source_offset, _ordinal) FROM q WHERE "
                       "replayed_epoch IS NOT NULL)",
                       rdl_buf_str(&all));
    rdl_buf_fini(&all);
    return rc;
}

rdl_code rdl_cut_written_after(rdl_cut *c, const rdl_table *t, uint64_t epoch, rdl_buf *out,
                               rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(c->history, t->full);
    if (epoch == 0) {
        rdl_buf_puts(out, "SELECT *, NULL::TIMESTAMPTZ AS _event_ts FROM (");
        RDL_TRY(rdl_cut_select(c, t, true, out, err));
        rdl_buf_puts(out, ")");
        return RDL_OK;
    }
    if (epoch < h->pruned_changed)
        return rdl_err_set(err, RDL_EBUG, 0,
                           "segments of \"%.*s\" after epoch %" PRIu64 " are gone before every "
                           "reader had them",
                           (int)t->full.n, t->full.p, epoch);
    rdl_cut_changes_after(c, t, epoch, RDL_SEGMENT_NEW, out);
    return RDL_OK;
}

void rdl_cut_changes_after(rdl_cut *c, const rdl_table *t, uint64_t epoch, rdl_segment kind,
                           rdl_buf *out)
{
    rdl_schema schema = t->columns;
    if (t->kind == RDL_TABLE_STREAMING) {
        rdl_schema lake;
        rdl_table_lake_schema(c->arena, t, &lake);
        schema = (rdl_schema){RDL_NEWN(c->arena, rdl_column, lake.n + 1), lake.n + 1};
        memcpy(schema.v, lake.v, lake.n * sizeof *schema.v);
        schema.v[lake.n] = (rdl_column){RDL_STR("_event_ts"), rdl_type_of(RDL_TYPE_TIMESTAMPTZ)};
    }
    put_segments(c, out, rdl_history_table(c->history, t->full), &schema, epoch, c->epoch, kind);
}

rdl_code rdl_cut_segments(rdl_cut *c, const rdl_table *t, bool without_parts, rdl_buf *out,
                          rdl_err *err)
{
    const rdl_lake_snapshot *lake;
    rdl_schema schema;
    RDL_TRY(rdl_cut_lake(c, t, &lake, err));
    rdl_table_lake_schema(c->arena, t, &schema);
    put_some_segments(c, out, rdl_history_table(c->history, t->full), &schema,
                      lake->txn_version > 0 ? (uint64_t)lake->txn_version : 0, c->epoch,
                      RDL_SEGMENT_NEW, without_parts);
    return RDL_OK;
}

rdl_code rdl_cut_segments_quarantine(rdl_cut *c, const rdl_table *t, rdl_buf *out, rdl_err *err)
{
    const rdl_lake_snapshot *lake;
    rdl_schema schema;
    RDL_TRY(rdl_cut_quarantine_lake(c, t, &lake, err));
    rdl_quarantine_schema(c->arena, &schema);
    put_segments(c, out, rdl_history_table(c->history, t->full), &schema,
                 lake->txn_version > 0 ? (uint64_t)lake->txn_version : 0, c->epoch,
                 RDL_SEGMENT_QUARANTINE);
    return RDL_OK;
}
