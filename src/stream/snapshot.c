/*
 * stream/snapshot.c - a new version of a snapshot into relations.
 *
 * e."decoded:<s>" is the version as it came; with UNIQUE KEY e."unique:<s>" has one row of each key
 * of it.  Then the difference from the last
 * version by the declared columns, as multisets: e."new:<s>", e."old:<s>".  A row that did not
 * change keeps the system columns of the version that brought it.  The version that results is
 * landed in state/snapshots, so that a rebuild does not need its source again.
 */
#include <inttypes.h>

#include "base/log.h"
#include "stream/damage.h"
#include "stream/internal.h"
#include "stream/source_spec.h"

static void put_numbered(rdl_buf *sql, const rdl_table *t, const char *schema, const char *role)
{
    rdl_buf_puts(sql, "(SELECT *, rdl_key(");
    rdl_put_columns(sql, "", &t->columns);
    rdl_buf_puts(sql, ") AS _k, row_number() OVER (PARTITION BY rdl_key(");
    rdl_put_columns(sql, "", &t->columns);
    rdl_buf_puts(sql, ") ORDER BY _source_partition, _source_offset) AS _n FROM ");
    rdl_put_relation(sql, schema, role, t->full);
    rdl_buf_puts(sql, ")");
}

/* The rows of the version at hand. */
static const char *version_role(const rdl_table *t)
{
    return t->source->unique_count > 0 ? "unique:" : "decoded:";
}

static rdl_code difference(rdl_engine *e, const rdl_work *w, const rdl_table *t, const char *role,
                           bool of_new, uint64_t *out_rows, rdl_err *err)
{
    rdl_buf sql = {0};
    if (rdl_cache_is_empty(e, t)) { /* no version was before this one */
        rdl_buf_puts(&sql, of_new ? "SELECT * EXCLUDE (_record_at, _record_bytes) FROM "
                                  : "SELECT * FROM ");
        rdl_put_relation(&sql, of_new ? "e" : "c", of_new ? version_role(t) : "", t->full);
    } else {
        rdl_buf_puts(&sql, of_new ? "SELECT l.* EXCLUDE (_k, _n, _record_at, _record_bytes) FROM "
                                  : "SELECT l.* EXCLUDE (_k, _n) FROM ");
        put_numbered(&sql, t, of_new ? "e" : "c", of_new ? version_role(t) : "");
        rdl_buf_puts(&sql, " l ANTI JOIN ");
        put_numbered(&sql, t, of_new ? "c" : "e", of_new ? "" : version_role(t));
        rdl_buf_puts(&sql, " r ON l._k = r._k AND l._n = r._n");
    }
    rdl_code rc = rdl_relation_make(e, w, role, t->full, rdl_buf_str(&sql), w->rows, out_rows, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code count_of(rdl_engine *e, const char *schema, const char *role, rdl_str table,
                         int64_t *out, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "SELECT count(*) FROM ");
    rdl_put_relation(&sql, schema, role, table);
    rdl_code rc = rdl_query_i64(e->conn, rdl_buf_str(&sql), out, err);
    rdl_buf_fini(&sql);
    return rc;
}

/* A delivery that lost most of its rows is more often broken than true. */
static rdl_code refuse_shrinking(rdl_engine *e, const rdl_feed *f, int64_t before, int64_t gone,
                                 int64_t now, rdl_err *err)
{
    (void)e;
    if (rdl_source_truth(f->table->source, "allow_shrink", false))
        return RDL_OK;
    bool empty = now == 0 && before > 0;
    if (!empty && gone * 2 <= before)
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "the new version of snapshot \"%s\" has %" PRId64 " rows and drops %" PRId64
                " of the %" PRId64 " that were there",
                f->table->full.p, now, gone, before);
    rdl_err_hint(err, "If that is right, say OPTIONS (allow_shrink = 'true') in its CREATE SOURCE.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* A record that cannot be read may be the very row that seems to be gone. */
static rdl_code refuse_unreadable(const rdl_feed *f, uint64_t malformed, int64_t gone, int64_t added,
                                  rdl_err *err)
{
    const rdl_source_def *s = f->table->source;
    if (malformed == 0 || gone <= added || s->on_malformed == RDL_MALFORMED_SKIP)
        return RDL_OK;
    rdl_err_set(err, RDL_EDATA, 0,
                "the new version of snapshot \"%s\" has %" PRIu64 " malformed records and lacks "
                "%" PRId64 " rows that were there: they cannot be told from deletions",
                f->table->full.p, malformed, gone - added);
    rdl_err_hint(err, "Mend the file; ON MALFORMED SKIP in its CREATE SOURCE takes such rows as "
                      "deleted.");
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/* ---- UNIQUE KEY ---- */

static void put_key(rdl_buf *sql, const rdl_table *t)
{
    for (size_t i = 0; i < t->source->unique_count; i++) {
        rdl_buf_puts(sql, i != 0 ? ", " : "");
        rdl_buf_put_sql_ident(sql, t->columns.v[t->source->unique[i]].name);
    }
}

/* Both of the first two rows that share a key, with their places. */
static rdl_code refuse_duplicates(rdl_engine *e, const rdl_table *t, uint64_t rows, rdl_err *err)
{
    rdl_arena a;
    rdl_buf sql = {0}, key = {0}, whole = {0};
    char *example = NULL;
    rdl_err ignored;
    rdl_arena_init(&a, 0);
    put_key(&key, t);
    for (size_t i = 0; i < t->source->unique_count; i++) {
        rdl_buf_puts(&whole, i != 0 ? " AND " : "");
        rdl_buf_put_sql_ident(&whole, t->columns.v[t->source->unique[i]].name);
        rdl_buf_puts(&whole, " IS NOT NULL");
    }
    rdl_buf_printf(&sql,
                   "SELECT string_agg(format('{} at {}:{}', to_json(j)::VARCHAR, _source_file, "
                   "_source_offset + 1), ' and ' ORDER BY _source_file, _source_offset) FROM "
                   "(SELECT j, _source_file, _source_offset FROM (SELECT %s, _source_file, "
                   "_source_offset, {",
                   rdl_buf_str(&key));
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_puts(&sql, i != 0 ? ", " : "");
        rdl_buf_put_sql_text(&sql, t->columns.v[i].name);
        rdl_buf_puts(&sql, ": ");
        rdl_buf_put_sql_ident(&sql, t->columns.v[i].name);
    }
    rdl_buf_puts(&sql, "} AS j FROM ");
    rdl_put_relation(&sql, "e", "decoded:", t->full);
    rdl_buf_printf(&sql,
                   ") QUALIFY count(*) OVER (PARTITION BY %s) > 1 AND %s ORDER BY "
                   "%s, _source_file, _source_offset LIMIT 2)",
                   rdl_buf_str(&key), rdl_buf_str(&whole), rdl_buf_str(&key));
    if (rdl_relation_text(e, &a, rdl_buf_str(&sql), &example, &ignored) != RDL_OK)
        example = NULL;
    rdl_err_set(err, RDL_EDATA, 0,
                "the new version of snapshot \"%s\" has %" PRIu64 " row%s whose key (%s) another "
                "has too; for example %.500s",
                t->full.p, rows, rows == 1 ? "" : "s", rdl_buf_str(&key),
                example != NULL ? example : "(none)");
    rdl_err_hint(err, "Mend it where it is from, or say ON DUPLICATE FIRST or LAST in its CREATE "
                      "SOURCE; where each file is the whole state, OPTIONS (newest = 'true').");
    rdl_buf_fini(&sql);
    rdl_buf_fini(&key);
    rdl_buf_fini(&whole);
    rdl_arena_fini(&a);
    return rdl_err_area(RDL_EDATA, err, RDL_AREA_SOURCE);
}

/*
 * e."unique:<s>": one row of each key, by file and place in it.  Rows whose key has a NULL share
 * it with nobody, as in SQL.
 */
static rdl_code keep_one_of_each(rdl_engine *e, rdl_work *w, const rdl_table *t, uint64_t *rows,
                                 rdl_err *err)
{
    const rdl_source_def *s = t->source;
    const char *order = s->on_duplicate == RDL_DUPLICATE_LAST ? "DESC" : "ASC";
    rdl_buf sql = {0};
    uint64_t kept = 0;
    if (s->unique_count == 0)
        return RDL_OK;
    rdl_buf_puts(&sql, "SELECT * FROM ");
    rdl_put_relation(&sql, "e", "decoded:", t->full);
    rdl_buf_puts(&sql, " QUALIFY row_number() OVER (PARTITION BY ");
    put_key(&sql, t);
    rdl_buf_printf(&sql, " ORDER BY _source_file %s, _source_offset %s) = 1", order, order);
    for (size_t i = 0; i < s->unique_count; i++) {
        rdl_buf_puts(&sql, " OR ");
        rdl_buf_put_sql_ident(&sql, t->columns.v[s->unique[i]].name);
        rdl_buf_puts(&sql, " IS NULL");
    }
    rdl_code rc = rdl_relation_make(e, w, "unique:", t->full, rdl_buf_str(&sql), *rows, &kept, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    uint64_t gone = *rows - kept;
    *rows = kept;
    if (gone == 0)
        return RDL_OK;
    if (s->on_duplicate == RDL_DUPLICATE_FAIL)
        return refuse_duplicates(e, t, gone, err);
    w->reports[t->index].ledger.duplicate = gone;
    rdl_engine_warn(e, "snapshot %s: %" PRIu64 " row%s left out, whose key another row has: the %s "
                       "of each is kept",
                    t->full.p, gone, gone == 1 ? " is" : "s are",
                    s->on_duplicate == RDL_DUPLICATE_LAST ? "last" : "first");
    return RDL_OK;
}

/* ---- values that do not fit ---- */

/* The fields of the data that a value was declared for. */
static void put_fields(rdl_buf *sql, const rdl_source_def *s)
{
    const char *sep = "";
    for (size_t i = 0; i < s->column_count; i++) {
        if (s->columns[i].computed.n > 0)
            continue;
        rdl_buf_puts(sql, sep);
        rdl_buf_put_sql_text(sql, s->columns[i].field);
        sep = ", ";
    }
}

/*
 * No constraint stands between a snapshot and its readers: who reads NULL is told here which value
 * did not fit.  Rows that did not change were told with the version that brought them.
 */
static rdl_code tell_misfits(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_err *err)
{
    rdl_buf sql = {0};
    char *text = NULL;
    if (w->reports[t->index].ledger.rescued == 0)
        return RDL_OK;
    rdl_buf_puts(&sql, "SELECT CASE WHEN count(*) > 0 THEN format('{} value{} not fit the type of the "
                       "column and {} NULL; {}{} = {} in record {} of {}', count(*), CASE count(*) WHEN 1 THEN "
                       "' does' ELSE 's do' END, CASE count(*) WHEN 1 THEN 'is' ELSE 'are' END, CASE "
                       "count(*) WHEN 1 THEN '' ELSE 'the first: ' END, arg_min(k, _at), "
                       "arg_min(left(v, 60), _at), arg_min(_source_offset, _at) + 1, "
                       "arg_min(_source_file, _at)) END FROM (SELECT k, (_rescued->k)::VARCHAR AS v, "
                       "_source_file, _source_offset, (_source_file, _source_offset, k) AS _at FROM (SELECT "
                       "_rescued, _source_file, _source_offset, unnest(json_keys(_rescued)) AS k FROM ");
    rdl_put_relation(&sql, "e", "new:", t->full);
    rdl_buf_puts(&sql, " WHERE _rescued IS NOT NULL) WHERE k IN (");
    put_fields(&sql, t->source);
    rdl_buf_puts(&sql, "))");
    rdl_code rc = rdl_relation_text(e, &w->arena, rdl_buf_str(&sql), &text, err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK || text == NULL)
        return rc;
    rdl_engine_warn(e, "snapshot %s: %s (_rescued in \"%s$rows\" has them)", t->full.p, text,
                    t->full.p);
    rdl_log(RDL_LOG_INFO, "snapshot", "values_do_not_fit",
            "source=%s epoch=%" PRIu64 " message=\"%s\"", t->full.p, w->epoch, text);
    return RDL_OK;
}

static rdl_code land(rdl_engine *e, rdl_work *w, const rdl_table *t, rdl_hash128 *out_file,
                     rdl_err *err)
{
    const char *path = rdl_root_snapshot(&w->arena, &e->root, t->full, w->epoch);
    RDL_TRY(rdl_fs_mkdirs(rdl_path_dir(&w->arena, path), err));
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "COPY ");
    rdl_put_relation(&sql, "c", "", t->full);
    rdl_buf_puts(&sql, " TO ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(path));
    rdl_buf_puts(&sql, " (FORMAT parquet)");
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        rc = rdl_sealed_hash(path, out_file, err);
    if (rc == RDL_OK)
        (void)RDL_FAULT_AT(SNAPSHOT_LANDED);
    return rc;
}

/* The parts of a version (its files) have numbers as the partitions of a stream have. */
static void number_parts(rdl_engine *e, rdl_work *w, const rdl_table *t, const rdl_version *v,
                         rdl_source_inputs *inputs)
{
    int32_t *numbers = RDL_NEWN(&w->arena, int32_t, v->n + 1);
    for (size_t i = 0; i < v->n; i++) {
        const rdl_str name = rdl_str_of(v->names[i]);
        numbers[i] = rdl_history_partition(&e->history, t->full, name);
        if (numbers[i] >= 0)
            continue;
        numbers[i] = e->history.partition_next + (int32_t)w->seal.partitions.n;
        RDL_PUSH(&w->arena, &w->seal.partitions) =
            (rdl_sealed_partition){numbers[i], t->full, name};
    }
    for (size_t i = 0; i < inputs->list.n; i++)
        inputs->list.v[i].partition = numbers[inputs->range.v[i]];
}

rdl_code rdl_ingest_snapshot(rdl_engine *e, rdl_work *w, rdl_feed *f, rdl_err *err)
{
    size_t at = (size_t)(f - e->feeds);
    const rdl_version *v = &w->snapshots[at];
    rdl_table *t = f->table;
    int64_t before = 0;
    uint64_t gone = 0, now = 0, added = 0;
    rdl_source_inputs inputs = {0};
    RDL_TRY(f->source->ops->version_inputs(f->source, &w->arena, v, &inputs, err));
    number_parts(e, w, t, v, &inputs);
    RDL_TRY(rdl_cache_load(e, t, err));
    RDL_TRY(rdl_ingest_records(e, w, f, inputs.list.v, inputs.list.n, err));
    if (!rdl_cache_is_empty(e, t))
        RDL_TRY(count_of(e, "c", "", t->full, &before, err));
    now = w->rows_new[t->index];
    RDL_TRY(keep_one_of_each(e, w, t, &now, err));
    RDL_TRY(difference(e, w, t, "old:", false, &gone, err));
    RDL_TRY(difference(e, w, t, "new:", true, &added, err));
    RDL_TRY(refuse_shrinking(e, f, before, (int64_t)(gone - (added < gone ? added : gone)),
                             (int64_t)now, err));
    RDL_TRY(refuse_unreadable(f, w->reports[t->index].ledger.malformed, (int64_t)gone,
                              (int64_t)added, err));
    RDL_TRY(tell_misfits(e, w, t, err));
    w->changed[t->index] = gone != 0 || added != 0;
    w->rows_new[t->index] = added;
    RDL_TRY(rdl_cache_update(e, w, t, false, err));
    rdl_hash128 file;
    RDL_TRY(land(e, w, t, &file, err));
    RDL_PUSH(&w->arena, &w->seal.snapshots) =
        (rdl_sealed_snapshot){t->full, v->hash, now, file};
    rdl_sealed_table *s = rdl_work_seal_table(e, w, t);
    s->ledger = w->reports[t->index].ledger;
    s->ledger.written = now;
    s->rows_new = added;
    s->rows_old = gone;
    if (w->reports[t->index].ledger.malformed == 0)
        return RDL_OK;
    if (t->source->on_malformed == RDL_MALFORMED_SKIP) {
        s->ledger.dropped = s->ledger.malformed;
        return RDL_OK;
    }
    RDL_TRY(rdl_quarantine_rows(e, w, t, false, &s->rows_quarantined, err));
    s->ledger.quarantined = s->rows_quarantined;
    return RDL_OK;
}
