/*
 * stream/relation.c - the relations that plans read, and tables kept in memory.
 *
 * Names: schema e holds one epoch's relations; schema c holds whole contents of views and
 * snapshots that plans read, kept from epoch to epoch (C1: c."<t>" equals the content of t at the
 * last sealed epoch, or is being brought to the open one; an aborted epoch forgets what it touched,
 * and it is loaded again from what is sealed).
 *
 * A relation of e is, by the size of its epoch,
 *   held    rows held beside DuckDB (duck/held.h) under a view that stays from epoch to epoch: no
 *           statement makes or drops it, and plans over few held rows are kept
 *   table   a table of DuckDB's, which spills, where an epoch is large for the budget; dropped at its end
 *   view    a text over other relations; it stays while what it reads stays
 * C2: between epochs every held relation is empty and there is no table.  An epoch that failed
 * leaves none of them: the schema is made anew.
 */
#include <inttypes.h>

#include "stream/damage.h"
#include "stream/internal.h"

enum {
    HELD_ROWS_MAX = 65536,
    HELD_ROW_MEMORY = 16384, /* of the budget for each row that may be held */
    HELD_INPUT_SHARE = 16,   /* of the budget: an epoch's input of which every relation is held */
    PACKED_MAX = 4,          /* a whole file may be compressed */
    BIG_EPOCHS = 32,         /* what was too much to hold is a table for so many epochs */
};

typedef enum relation_kind {
    RELATION_NONE,
    RELATION_HELD,
    RELATION_TABLE,
    RELATION_VIEW,
} relation_kind;

typedef struct relation {
    rdl_str name; /* without the schema */
    relation_kind kind;
    bool passing;       /* a view over what goes with the epoch */
    uint64_t big_until; /* epoch */
    rdl_hash128 text;   /* of a view */
} relation;

static relation *relation_of(rdl_engine *e, const char *role, rdl_str table)
{
    rdl_buf name = {0};
    rdl_buf_puts(&name, role);
    rdl_buf_put(&name, table.p, table.n);
    rdl_str key = {rdl_buf_str(&name), name.n};
    relation *r = rdl_map_get(&e->relations, key);
    if (r == NULL) {
        r = RDL_NEW(&e->arena, relation);
        r->name = (rdl_str){rdl_arena_strndup(&e->arena, key.p, key.n), key.n};
        rdl_map_put(&e->relations, r->name, r);
    }
    rdl_buf_fini(&name);
    return r;
}

bool rdl_relation_exists(rdl_engine *e, const char *role, rdl_str table)
{
    return relation_of(e, role, table)->kind != RELATION_NONE;
}

uint64_t rdl_held_rows_max(const rdl_engine *e)
{
    uint64_t by_memory = e->memory_bytes / HELD_ROW_MEMORY;
    return by_memory < HELD_ROWS_MAX ? by_memory : HELD_ROWS_MAX;
}

/* Does the text read tables of DuckDB's, or files, or scans that are registered for one time? */
static bool reads_tables(const char *sql)
{
    static const char *const marks[] = {"e.\"all:", "e.\"before:", "read_parquet", "rdl_scan", "rdl_packed"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (strstr(sql, marks[i]) != NULL)
            return true;
    }
    for (const char *p = strstr(sql, "c.\""); p != NULL; p = strstr(p + 1, "c.\"")) {
        if (p == sql || strchr(" ,(", p[-1]) != NULL)
            return true;
    }
    return false;
}

/* A plan that reads nothing but held rows is kept for the next epoch; one that was made for few rows does
 * not do for many. */
static bool may_keep(const rdl_engine *e, const char *sql)
{
    return e->relation_tables == 0 && e->relations_big == 0 && !reads_tables(sql);
}

rdl_code rdl_relation_query(rdl_engine *e, const char *sql, rdl_result **out, rdl_err *err)
{
    return may_keep(e, sql) ? rdl_query_kept(e->conn, sql, out, err)
                            : rdl_query(e->conn, sql, out, err);
}

rdl_code rdl_relation_i64(rdl_engine *e, const char *sql, int64_t *out, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *k;
    RDL_TRY(rdl_relation_query(e, sql, &r, err));
    if (rdl_result_next(r, &k) && rdl_vector_valid(&k->v[0], 0))
        *out = RDL_VECTOR_AT(&k->v[0], int64_t, 0);
    rdl_result_free(r);
    return RDL_OK;
}

rdl_code rdl_relation_text(rdl_engine *e, rdl_arena *a, const char *sql, char **out, rdl_err *err)
{
    rdl_result *r = NULL;
    const rdl_chunk *k;
    RDL_TRY(rdl_relation_query(e, sql, &r, err));
    if (rdl_result_next(r, &k) && rdl_vector_valid(&k->v[0], 0)) {
        rdl_str text = rdl_vector_str(&k->v[0], 0);
        *out = rdl_arena_strndup(a, text.p, text.n);
    }
    rdl_result_free(r);
    return RDL_OK;
}

/*
 * Writing many rows into a table costs as much as decoding them, and reading them back as much again, so they
 * are held too where the epoch's input is a small part of the budget: as rows it takes about six times its bytes.
 */
static bool fits_memory(const rdl_engine *e, const rdl_work *w)
{
    uint64_t bytes = 0, ranges = 0;
    for (size_t i = 0; i < e->feed_count; i++) {
        for (size_t j = 0; j < w->range_count[i]; j++) {
            const rdl_range *r = &w->ranges[i][j];
            bool packed = r->kind == RDL_RANGE_FILE && r->u.file.whole;
            bytes += packed ? r->bytes * PACKED_MAX : r->bytes;
            ranges++;
        }
    }
    return ranges > 0 && bytes <= e->memory_bytes / HELD_INPUT_SHARE;
}

static void put_name(rdl_buf *sql, const relation *r)
{
    rdl_buf_puts(sql, "e.");
    rdl_buf_put_sql_ident(sql, r->name);
}

static rdl_code drop(rdl_engine *e, relation *r, rdl_err *err)
{
    rdl_buf sql = {0};
    if (r->kind == RELATION_NONE)
        return RDL_OK;
    rdl_buf_puts(&sql, r->kind == RELATION_TABLE ? "DROP TABLE " : "DROP VIEW ");
    put_name(&sql, r);
    e->relation_tables -= r->kind == RELATION_TABLE;
    if (r->kind == RELATION_HELD)
        rdl_held_clear(rdl_held_find(e->duck, r->name.p));
    r->kind = RELATION_NONE;
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code make_table(rdl_engine *e, relation *r, const char *select, uint64_t *out_rows,
                           rdl_err *err)
{
    rdl_buf sql = {0};
    if (r->kind != RELATION_TABLE)
        RDL_TRY(drop(e, r, err));
    rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
    put_name(&sql, r);
    rdl_buf_puts(&sql, " AS ");
    rdl_buf_puts(&sql, select);
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    *out_rows = rdl_conn_changed(e->conn);
    if (rc == RDL_OK && r->kind != RELATION_TABLE) {
        r->kind = RELATION_TABLE;
        e->relation_tables++;
    }
    return rc;
}

/* The view over held rows: the columns without the row's number, but where that is asked for. */
static rdl_code define_held(rdl_engine *e, relation *r, bool numbered, rdl_err *err)
{
    rdl_buf sql = {0};
    if (r->kind != RELATION_HELD) /* its rows are those that were held just now */
        RDL_TRY(drop(e, r, err));
    rdl_buf_puts(&sql, "CREATE OR REPLACE VIEW ");
    put_name(&sql, r);
    rdl_buf_puts(&sql, numbered ? " AS SELECT * FROM rdl_held("
                                : " AS SELECT * EXCLUDE (rowid) FROM rdl_held(");
    rdl_buf_put_sql_text(&sql, r->name);
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        r->kind = RELATION_HELD;
    return rc;
}

/* Rows in any number: each is copied once, from the query's vectors into those that stay. */
static rdl_code hold_many(rdl_engine *e, relation *r, const char *select, bool numbered,
                          uint64_t *out_rows, rdl_err *err)
{
    rdl_held *h = NULL;
    bool new_shape = false;
    e->relations_big++;
    RDL_TRY(rdl_held_stream(e->conn, r->name.p, select, &h, &new_shape, err));
    *out_rows = rdl_held_rows(h);
    return new_shape || r->kind != RELATION_HELD ? define_held(e, r, numbered, err) : RDL_OK;
}

rdl_code rdl_relation_make(rdl_engine *e, const rdl_work *w, const char *role, rdl_str table,
                           const char *select, uint64_t expected, uint64_t *out_rows, rdl_err *err)
{
    relation *r = relation_of(e, role, table);
    uint64_t max = rdl_held_rows_max(e);
    rdl_held *h = NULL;
    bool new_shape = false;
    bool job = w->replay != NULL || w->catch_up || w->refresh != NULL; /* of any size */
    if (!job && (expected > max || w->epoch < r->big_until) && fits_memory(e, w))
        return hold_many(e, r, select, strcmp(role, "judge:") == 0, out_rows, err);
    if (job || expected > max || w->epoch < r->big_until)
        return make_table(e, r, select, out_rows, err);
    RDL_TRY(
        rdl_held_query(e->conn, r->name.p, select, may_keep(e, select), max, &h, &new_shape, err));
    if (h == NULL) {
        r->big_until = w->epoch + BIG_EPOCHS;
        return make_table(e, r, select, out_rows, err);
    }
    *out_rows = rdl_held_rows(h);
    return new_shape || r->kind != RELATION_HELD
               ? define_held(e, r, strcmp(role, "judge:") == 0, err)
               : RDL_OK;
}

rdl_code rdl_relation_hold(rdl_engine *e, const char *role, rdl_str table, const rdl_schema *schema,
                           rdl_held **out, rdl_err *err)
{
    relation *r = relation_of(e, role, table);
    bool new_shape = false;
    RDL_TRY(rdl_held_open(e->duck, r->name.p, schema, out, &new_shape, err));
    return new_shape || r->kind != RELATION_HELD ? define_held(e, r, false, err) : RDL_OK;
}

rdl_code rdl_relation_spill(rdl_engine *e, const char *role, rdl_str table, rdl_appender **out,
                            rdl_err *err)
{
    static const char spilled[] = "e.\"spilled\"";
    relation *r = relation_of(e, role, table);
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "CREATE OR REPLACE TABLE %s AS SELECT * FROM ", spilled);
    put_name(&sql, r);
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    if (rc == RDL_OK)
        rc = drop(e, r, err);
    rdl_buf_clear(&sql);
    rdl_buf_printf(&sql, "ALTER TABLE %s RENAME TO ", spilled);
    rdl_buf_put_sql_ident(&sql, r->name);
    if (rc == RDL_OK)
        rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK)
        return rc;
    r->kind = RELATION_TABLE;
    e->relation_tables++;
    return rdl_appender_open(e->conn, "e", r->name.p, out, err);
}

rdl_code rdl_relation_hold_rows(rdl_engine *e, const char *role, rdl_str table, const char *select,
                                rdl_held **out, rdl_err *err)
{
    relation *r = relation_of(e, role, table);
    bool new_shape = false;
    RDL_TRY(rdl_held_query(e->conn, r->name.p, select, may_keep(e, select), UINT64_MAX, out,
                           &new_shape, err));
    return new_shape || r->kind != RELATION_HELD ? define_held(e, r, false, err) : RDL_OK;
}

rdl_held *rdl_relation_held(rdl_engine *e, const char *role, rdl_str table)
{
    relation *r = relation_of(e, role, table);
    return r->kind == RELATION_HELD ? rdl_held_find(e->duck, r->name.p) : NULL;
}

rdl_code rdl_relation_view(rdl_engine *e, const char *role, rdl_str table, const char *select,
                           bool passing, rdl_err *err)
{
    relation *r = relation_of(e, role, table);
    rdl_hash128 text = rdl_hash128_of(select, strlen(select));
    r->passing = passing;
    if (r->kind == RELATION_VIEW && rdl_hash128_eq(r->text, text))
        return RDL_OK;
    rdl_buf sql = {0};
    if (r->kind != RELATION_VIEW)
        RDL_TRY(drop(e, r, err));
    rdl_buf_puts(&sql, "CREATE OR REPLACE VIEW ");
    put_name(&sql, r);
    rdl_buf_puts(&sql, " AS ");
    rdl_buf_puts(&sql, select);
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    r->kind = rc == RDL_OK ? RELATION_VIEW : r->kind;
    r->text = text;
    return rc;
}

rdl_code rdl_relation_drop(rdl_engine *e, const char *role, rdl_str table, rdl_err *err)
{
    return drop(e, relation_of(e, role, table), err);
}

rdl_code rdl_relations_end(rdl_engine *e, rdl_err *err)
{
    bool tables = e->relation_tables > 0;
    e->relations_big = 0;
    for (size_t i = 0; i < e->relations.n; i++) {
        relation *r = e->relations.entries[i].value;
        if (r->kind == RELATION_HELD)
            rdl_held_clear(rdl_held_find(e->duck, r->name.p));
        else if (r->kind == RELATION_TABLE || (r->kind == RELATION_VIEW && (r->passing || tables)))
            RDL_TRY(drop(e, r, err));
    }
    return RDL_OK;
}

rdl_code rdl_relations_reset(rdl_engine *e, rdl_err *err)
{
    for (size_t i = 0; i < e->relations.n; i++) {
        relation *r = e->relations.entries[i].value;
        if (r->kind == RELATION_HELD)
            rdl_held_clear(rdl_held_find(e->duck, r->name.p));
        r->kind = RELATION_NONE;
    }
    e->relation_tables = e->relations_big = 0;
    return rdl_exec(e->conn, "DROP SCHEMA IF EXISTS e CASCADE; CREATE SCHEMA e", err);
}

static rdl_code snapshot_select(rdl_engine *e, rdl_arena *a, const rdl_table *t, rdl_buf *out,
                                rdl_err *err)
{
    const char *path;
    const rdl_snapshot_history *h = rdl_history_snapshot(&e->history, t->full);
    if (h == NULL) {
        rdl_buf_puts(out, "SELECT * FROM ");
        rdl_put_relation(out, "c", "empty:", t->full);
        return RDL_OK;
    }
    RDL_TRY(rdl_snapshot_path(a, &e->root, h, &path, err));
    rdl_buf_puts(out, "SELECT * FROM read_parquet(");
    rdl_buf_put_sql_text(out, rdl_str_of(path));
    rdl_buf_puts(out, ")");
    return RDL_OK;
}

rdl_code rdl_cache_load(rdl_engine *e, rdl_table *t, rdl_err *err)
{
    rdl_runtime *r = &e->tables[t->index];
    if (r->cached)
        return RDL_OK;
    rdl_arena a;
    rdl_buf sql = {0};
    rdl_cut cut;
    rdl_arena_init(&a, 0);
    rdl_cut_init(&cut, &a, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
    rdl_put_relation(&sql, "c", "", t->full);
    rdl_buf_puts(&sql, " AS ");
    rdl_code rc = t->kind == RDL_TABLE_SNAPSHOT ? snapshot_select(e, &a, t, &sql, err)
                                                : rdl_cut_select(&cut, t, false, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    r->cached = rc == RDL_OK;
    r->cache_empty = r->cached && rdl_conn_changed(e->conn) == 0;
    rdl_buf_fini(&sql);
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "content of %.*s", (int)t->full.n, t->full.p);
}

bool rdl_cache_is_empty(const rdl_engine *e, const rdl_table *t)
{
    return e->tables[t->index].cached && e->tables[t->index].cache_empty;
}

/* Delete from c."<t>" the rows that e."old:<t>" and e."new:<t>" replace. */
static void put_delete(rdl_buf *sql, const rdl_table *t)
{
    bool keyed = t->kind == RDL_TABLE_VIEW && t->primary_key_count > 0;
    rdl_buf_puts(sql, "DELETE FROM ");
    rdl_put_relation(sql, "c", "", t->full);
    if (keyed) {
        rdl_buf_puts(sql, " WHERE rdl_key(");
        rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
        rdl_buf_puts(sql, ") IN (SELECT rdl_key(");
        rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
        rdl_buf_puts(sql, ") FROM ");
        rdl_put_relation(sql, "e", "old:", t->full);
        rdl_buf_puts(sql, " UNION ALL SELECT rdl_key(");
        rdl_put_key(sql, "", &t->columns, t->primary_key, t->primary_key_count);
        rdl_buf_puts(sql, ") FROM ");
        rdl_put_relation(sql, "e", "new:", t->full);
        rdl_buf_puts(sql, ")");
        return;
    }
    /* Without a key, one copy goes for each old row: copies of equal rows are numbered. */
    rdl_buf numbered = {0};
    rdl_buf_puts(&numbered, "rdl_key(");
    rdl_put_columns(&numbered, "", &t->columns);
    rdl_buf_puts(&numbered, ") AS _k, row_number() OVER (PARTITION BY rdl_key(");
    rdl_put_columns(&numbered, "", &t->columns);
    rdl_buf_puts(&numbered, ")) AS _n");
    rdl_buf_printf(sql, " WHERE rowid IN (SELECT h._r FROM (SELECT rowid AS _r, %s FROM ",
                   rdl_buf_str(&numbered));
    rdl_put_relation(sql, "c", "", t->full);
    rdl_buf_printf(sql, ") h JOIN (SELECT %s FROM ", rdl_buf_str(&numbered));
    rdl_put_relation(sql, "e", "old:", t->full);
    rdl_buf_puts(sql, ") o ON h._k = o._k AND h._n = o._n)");
    rdl_buf_fini(&numbered);
}

rdl_code rdl_cache_update(rdl_engine *e, rdl_work *w, rdl_table *t, bool reset, rdl_err *err)
{
    rdl_runtime *r = &e->tables[t->index];
    if (!r->cached)
        return RDL_OK;
    rdl_buf sql = {0};
    w->cache_touched[t->index] = true;
    if (reset) {
        rdl_buf_puts(&sql, "CREATE OR REPLACE TABLE ");
        rdl_put_relation(&sql, "c", "", t->full);
        rdl_buf_puts(&sql, " AS SELECT ");
    } else {
        if (!r->cache_empty && (t->kind != RDL_TABLE_VIEW || w->replaces[t->index])) {
            put_delete(&sql, t);
            rdl_buf_puts(&sql, "; ");
        }
        rdl_buf_puts(&sql, "INSERT INTO ");
        rdl_put_relation(&sql, "c", "", t->full);
        rdl_buf_puts(&sql, " BY NAME SELECT ");
    }
    if (t->kind == RDL_TABLE_VIEW) /* others have columns beside */
        rdl_put_columns(&sql, "", &t->columns);
    else
        rdl_buf_putc(&sql, '*');
    rdl_buf_puts(&sql, " FROM ");
    rdl_put_relation(&sql, "e", "new:", t->full);
    rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    r->cache_empty = false;
    return rdl_err_in(rc, err, "content of %.*s", (int)t->full.n, t->full.p);
}

void rdl_caches_forget(rdl_engine *e, const rdl_work *w)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        if (w->cache_touched[i])
            e->tables[i].cached = false;
    }
}

rdl_code rdl_caches_drop(rdl_engine *e, rdl_err *err)
{
    for (size_t i = 0; i < e->pipeline->table_count; i++) {
        rdl_buf sql = {0};
        if (!e->tables[i].cached)
            continue;
        rdl_buf_puts(&sql, "DROP TABLE IF EXISTS ");
        rdl_put_relation(&sql, "c", "", e->pipeline->tables[i]->full);
        rdl_code rc = rdl_exec(e->conn, rdl_buf_str(&sql), err);
        rdl_buf_fini(&sql);
        RDL_TRY(rc);
        e->tables[i].cached = false; /* loaded again when it is needed */
    }
    return RDL_OK;
}

/* Streaming tables are never kept: what is sealed. */
static rdl_code put_stream_before(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_buf *sql,
                                  rdl_err *err)
{
    rdl_cut cut;
    rdl_cut_init(&cut, &w->arena, &e->root, e->pipeline, &e->history, e->uuid, e->history.epoch);
    return rdl_cut_select(&cut, t, true, sql, err);
}

/* What is sealed, and this epoch's new rows. */
static rdl_code put_stream_all(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_buf *sql, rdl_err *err)
{
    rdl_schema schema;
    RDL_TRY(put_stream_before(e, w, t, sql, err));
    if (!w->changed[t->index])
        return RDL_OK;
    rdl_table_lake_schema(&w->arena, t, &schema);
    rdl_buf_puts(sql, " UNION ALL SELECT ");
    rdl_put_columns(sql, "", &schema);
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "e", "new:", t->full);
    return RDL_OK;
}

/* The content at the end of this epoch, also when nobody kept it before the epoch changed it. */
static rdl_code load_now(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    bool behind = !e->tables[t->index].cached && w->changed[t->index];
    RDL_TRY(rdl_cache_load(e, t, err));
    return behind ? rdl_cache_update(e, w, t, rdl_work_seal_table(e, w, t)->reset, err) : RDL_OK;
}

rdl_code rdl_relation_all(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    if (w->all_made[t->index])
        return RDL_OK;
    rdl_buf sql = {0};
    rdl_code rc = RDL_OK;
    if (t->kind == RDL_TABLE_STREAMING) {
        rc = put_stream_all(e, w, t, &sql, err);
    } else {
        rc = load_now(e, w, t, err);
        rdl_buf_puts(&sql, "SELECT * FROM ");
        rdl_put_relation(&sql, "c", "", t->full);
    }
    if (rc == RDL_OK)
        rc = rdl_relation_view(e, "all:", t->full, rdl_buf_str(&sql), false, err);
    w->all_made[t->index] = rc == RDL_OK;
    rdl_buf_fini(&sql);
    return rdl_err_in(rc, err, "content of %.*s", (int)t->full.n, t->full.p);
}

/* FROM c."<t>" <kind> JOIN its new rows, by the key or by the whole row (NULLs equal). */
static void put_beside_new(rdl_buf *sql, const rdl_table *t, const char *kind)
{
    bool keyed = t->primary_key_count > 0;
    rdl_buf_puts(sql, "SELECT ");
    rdl_put_columns(sql, "h.", &t->columns);
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "c", "", t->full);
    rdl_buf_printf(sql, " h %s JOIN ", kind);
    rdl_put_relation(sql, "e", "new:", t->full);
    rdl_buf_puts(sql, " n ON ");
    rdl_put_same_key(sql, "h", "n", &t->columns, keyed ? t->primary_key : NULL,
                     keyed ? t->primary_key_count : t->columns.n);
}

/* What is there now less the new rows (of equal ones as many as came), and the old rows. */
static void put_undone(rdl_buf *sql, const rdl_table *t)
{
    put_beside_new(sql, t, "ANTI");
    if (t->primary_key_count == 0) {
        rdl_buf_puts(sql, " UNION ALL (");
        put_beside_new(sql, t, "SEMI");
        rdl_buf_puts(sql, " EXCEPT ALL SELECT ");
        rdl_put_columns(sql, "", &t->columns);
        rdl_buf_puts(sql, " FROM ");
        rdl_put_relation(sql, "e", "new:", t->full);
        rdl_buf_puts(sql, ")");
    }
    rdl_buf_puts(sql, " UNION ALL SELECT ");
    rdl_put_columns(sql, "", &t->columns);
    rdl_buf_puts(sql, " FROM ");
    rdl_put_relation(sql, "e", "old:", t->full);
}

rdl_code rdl_relation_before(rdl_engine *e, rdl_work *w, rdl_table *t, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_code rc = RDL_OK;
    if (t->kind == RDL_TABLE_STREAMING) {
        rc = put_stream_before(e, w, t, &sql, err);
    } else if (w->changed[t->index]) {
        rc = load_now(e, w, t, err);
        put_undone(&sql, t);
    } else {
        rc = rdl_relation_all(e, w, t, err);
        rdl_buf_puts(&sql, "SELECT * FROM ");
        rdl_put_relation(&sql, "e", "all:", t->full);
    }
    if (rc == RDL_OK)
        rc = rdl_relation_view(e, "before:", t->full, rdl_buf_str(&sql), false, err);
    rdl_buf_fini(&sql);
    return rdl_err_in(rc, err, "content of %.*s", (int)t->full.n, t->full.p);
}

rdl_code rdl_relation_moved(rdl_engine *e, const rdl_table *t, rdl_err *err)
{
    rdl_buf sql = {0};
    bool stream = t->kind == RDL_TABLE_STREAMING;
    for (size_t i = 0; i < (stream ? 1 : 2); i++) {
        rdl_buf_puts(&sql, i == 0 ? "SELECT " : " UNION ALL SELECT ");
        if (stream)
            rdl_buf_putc(&sql, '*');
        else
            rdl_put_columns(&sql, "", &t->columns);
        rdl_buf_puts(&sql, " FROM ");
        rdl_put_relation(&sql, "e", i == 0 ? "new:" : "old:", t->full);
    }
    rdl_code rc = rdl_relation_view(e, "moved:", t->full, rdl_buf_str(&sql), false, err);
    rdl_buf_fini(&sql);
    return rc;
}
