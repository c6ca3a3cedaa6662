/*
 * stream/reader.c - a root as SQL views, beside its writer.
 */
#include "stream/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/log.h"
#include "sink/sink.h"
#include "stream/cut.h"
#include "stream/damage.h"
#include "stream/destination.h"
#include "stream/journal.h"
#include "stream/lease.h"
#include "stream/schedule.h"
#include "stream/travel.h"

enum { OPEN_AGAIN_MAX = 8 };

struct rdl_reader {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_pipeline *pipeline;
    rdl_root root;
    rdl_root_identity identity;
    char uuid[37];
    rdl_history history;
    rdl_cut cut;
    rdl_lease *lease;
};

static rdl_code visit(void *arg, uint32_t type, uint64_t sequence, rdl_str payload, rdl_err *err)
{
    rdl_reader *r = arg;
    (void)sequence;
    return rdl_history_visit(&r->history, NULL, type, payload, err);
}

static rdl_code read_journal(rdl_reader *r, rdl_err *err)
{
    const char *journal = rdl_path_join(&r->arena, r->root.state, "journal");
    rdl_stat st;
    if (rdl_fs_stat(journal, &st, err) != RDL_OK)
        return rdl_err_area(err->code, err, RDL_AREA_STORE);
    if (!st.exists) {
        rdl_err_set(err, RDL_EIO, 0, "there is no root at \"%s\"", r->root.dir);
        rdl_err_hint(err, "Make it with raudal run --once, or name another with --root.");
        return rdl_err_area(RDL_EIO, err, RDL_AREA_CONFIG);
    }
    rdl_code rc = rdl_journal_read(journal, &r->identity, visit, r, err);
    rdl_uuid_print(r->identity.uuid, r->uuid);
    return rdl_err_area(rc, err, RDL_AREA_STORE);
}

static void put_name(rdl_buf *sql, rdl_str schema, rdl_str name, const char *suffix)
{
    rdl_buf full = {0};
    rdl_buf_put(&full, name.p, name.n);
    rdl_buf_puts(&full, suffix);
    rdl_buf_put_sql_ident(sql, schema);
    rdl_buf_putc(sql, '.');
    rdl_buf_put_sql_ident(sql, (rdl_str){full.p, full.n});
    rdl_buf_fini(&full);
}

static rdl_code make_view(rdl_reader *r, rdl_str schema, rdl_str name, const char *suffix,
                          const rdl_buf *select, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    rdl_buf_put_sql_ident(&sql, schema);
    rdl_buf_puts(&sql, "; CREATE OR REPLACE VIEW ");
    put_name(&sql, schema, name, suffix);
    rdl_buf_printf(&sql, " AS %s", rdl_buf_str(select));
    rdl_code rc = rdl_exec(r->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

/* A snapshot's newest version; as "s$rows" with where each row came from, and what did not fit. */
static rdl_code define_snapshot(rdl_reader *r, const rdl_table *t, rdl_err *err)
{
    const rdl_snapshot_history *h = rdl_history_snapshot(&r->history, t->full);
    rdl_buf from = {0}, select = {0};
    rdl_code rc = RDL_OK;
    if (h == NULL)
        return RDL_OK;
    rdl_buf_puts(&from, " FROM read_parquet(");
    rdl_buf_put_sql_text(&from, rdl_str_of(rdl_root_snapshot(&r->arena, &r->root, h->source, h->epoch)));
    rdl_buf_putc(&from, ')');
    rdl_buf_puts(&select, "SELECT ");
    rdl_put_columns(&select, "", &t->columns);
    rdl_buf_puts(&select, rdl_buf_str(&from));
    rc = make_view(r, t->schema, t->name, "", &select, err);
    rdl_buf_clear(&select);
    rdl_buf_puts(&select, "SELECT ");
    rdl_put_columns(&select, "", &t->columns);
    rdl_buf_printf(&select, ", _epoch, _source_partition, _source_offset, _source_file, _ingest_ts, "
                            "_rescued%s", rdl_buf_str(&from));
    if (rc == RDL_OK)
        rc = make_view(r, t->schema, t->name, "$rows", &select, err);
    rdl_buf_fini(&from);
    rdl_buf_fini(&select);
    return rc;
}

static rdl_code define_table(rdl_reader *r, const rdl_table *t, rdl_err *err)
{
    rdl_buf select = {0};
    rdl_code rc = RDL_OK;
    bool source = t->source != NULL;
    if (!source) {
        rc = rdl_cut_select(&r->cut, t, false, &select, err);
        if (rc == RDL_OK)
            rc = make_view(r, t->schema, t->name, "", &select, err);
    }
    if (t->kind == RDL_TABLE_SNAPSHOT)
        rc = define_snapshot(r, t, err);
    if (rc == RDL_OK && t->kind == RDL_TABLE_STREAMING) {
        rdl_buf_clear(&select);
        rc = rdl_cut_select(&r->cut, t, true, &select, err);
        if (rc == RDL_OK)
            rc = make_view(r, t->schema, t->name, "$rows", &select, err);
    }
    bool rejects = !source || rdl_history_table(&r->history, t->full)->last_quarantined > 0;
    if (rc == RDL_OK && rejects) {
        rdl_buf_clear(&select);
        rc = rdl_cut_select_quarantine(&r->cut, t, &select, err);
        if (rc == RDL_OK)
            rc = make_view(r, RDL_STR("quarantine"),
                           rdl_str_of(rdl_root_quarantine_name(&r->arena, t)), "", &select, err);
    }
    rdl_buf_fini(&select);
    return rdl_err_in(rc, err, "table %s", t->full.p);
}

/* CREATE VIEW, over the views of tables above. */
static rdl_code define_plain(rdl_reader *r, const rdl_table *v, rdl_err *err)
{
    rdl_buf select = {0};
    if (v->body.n == 0)
        return RDL_OK;
    rdl_buf_put(&select, v->body.p, v->body.n);
    rdl_str schema = v->schema.n > 0 ? v->schema : RDL_STR("main");
    rdl_err why = {0};
    rdl_code rc = make_view(r, schema, v->name, "", &select, &why);
    rdl_buf_fini(&select);
    if (rc == RDL_OK || rc == RDL_EIO || rc == RDL_ENOMEM) {
        *err = why;
        return rc;
    }
    /* A system column that bodies have and tables lack: the others can be asked all the same. */
    rdl_log(RDL_LOG_WARN, "view", "cannot_be_asked", "view=%s because=\"%s\"", v->full.p, why.msg);
    return RDL_OK;
}

static rdl_code load(rdl_reader *r, const rdl_reader_config *config, rdl_diags *diags, rdl_err *err)
{
    const char *dir = config->root != NULL ? config->root
                                           : rdl_path_join(&r->arena, config->dir, ".raudal");
    const rdl_duck_config duck = {.memory_bytes = config->memory_bytes,
                                  .threads = config->threads,
                                  .temp_dir = config->temp_dir};
    RDL_TRY(rdl_duck_open(&duck, &r->duck, err));
    RDL_TRY(rdl_conn_open(r->duck, &r->conn, err));
    rdl_load_options options = config->load;
    rdl_root_paths(&r->arena, dir, &r->root);
    options.plan_cache = r->root.plan_cache;
    if (config->text != NULL)
        RDL_TRY(rdl_pipeline_load_text(diags->arena, r->conn, config->dir,
                                       rdl_str_of(config->text), &options, diags,
                                       &r->pipeline, err));
    else
        RDL_TRY(rdl_pipeline_load(diags->arena, r->conn, config->dir, &options, diags,
                                  &r->pipeline, err));
    RDL_TRY(rdl_exec(r->conn,
                     rdl_arena_strndup(&r->arena, r->pipeline->prelude_sql.p,
                                       r->pipeline->prelude_sql.n),
                     err));
    rdl_history_init(&r->history, &r->arena);
    r->lease = rdl_lease_take(&r->arena, &r->root);
    RDL_TRY(read_journal(r, err));
    rdl_cut_init(&r->cut, &r->arena, &r->root, r->pipeline, &r->history, r->uuid,
                 r->history.epoch);
    r->cut.beside = true;
    for (size_t i = 0; i < r->pipeline->table_count; i++)
        RDL_TRY(define_table(r, r->pipeline->tables[i], err));
    for (size_t i = 0; i < r->pipeline->view_count; i++)
        RDL_TRY(define_plain(r, r->pipeline->views[i], err));
    return RDL_OK;
}

static rdl_code open_once(const rdl_reader_config *config, rdl_diags *diags, rdl_reader **out,
                          rdl_err *err)
{
    rdl_reader *r = calloc(1, sizeof *r); /* allow: the reader itself */
    if (r == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&r->arena, 0);
    rdl_code rc = load(r, config, diags, err);
    /* A segment that the writer removed after the journal was read: now it says so too. */
    if (rc == RDL_EIO && r->root.state != NULL &&
        rdl_lock_held(rdl_path_join(&r->arena, r->root.state, "LOCK")))
        err->flags |= RDL_ERR_RETRY;
    if (rc != RDL_OK) {
        rdl_reader_close(r);
        r = NULL;
    }
    *out = r;
    return rc;
}

rdl_code rdl_reader_open(const rdl_reader_config *config, rdl_diags *diags, rdl_reader **out,
                         rdl_err *err)
{
    for (int again = 0;; again++) {
        rdl_code rc = open_once(config, diags, out, err);
        if (rc != RDL_EIO || (err->flags & RDL_ERR_RETRY) == 0 || again == OPEN_AGAIN_MAX)
            return rc;
        *err = (rdl_err){0};
    }
}

void rdl_reader_close(rdl_reader *r)
{
    if (r == NULL)
        return;
    rdl_conn_close(r->conn);
    rdl_duck_close(r->duck);
    rdl_lease_release(r->lease);
    rdl_arena_fini(&r->arena);
    free(r); /* allow: as its calloc */
}

const rdl_pipeline *rdl_reader_pipeline(const rdl_reader *r)
{
    return r->pipeline;
}

rdl_conn *rdl_reader_conn(rdl_reader *r)
{
    return r->conn;
}

rdl_duck *rdl_reader_duck(rdl_reader *r)
{
    return r->duck;
}

const char *rdl_reader_root(const rdl_reader *r)
{
    return r->root.dir;
}

const char *rdl_reader_root_uuid(const rdl_reader *r)
{
    return r->uuid;
}

const rdl_cut *rdl_reader_cut(const rdl_reader *r)
{
    return &r->cut;
}

/* ---- SQL ---- */

static rdl_str first_word(const char *sql)
{
    for (;;) {
        while (*sql == ' ' || *sql == '\t' || *sql == '\n' || *sql == '\r' || *sql == '(')
            sql++;
        if (sql[0] == '-' && sql[1] == '-')
            sql += strcspn(sql, "\n");
        else if (sql[0] == '/' && sql[1] == '*' && strstr(sql + 2, "*/") != NULL)
            sql = strstr(sql + 2, "*/") + 2;
        else
            break;
    }
    size_t n = 0;
    while ((sql[n] >= 'a' && sql[n] <= 'z') || (sql[n] >= 'A' && sql[n] <= 'Z'))
        n++;
    return (rdl_str){sql, n};
}

static rdl_code refuse_writes(const char *sql, rdl_err *err)
{
    static const char *const readers[] = {"select",    "with", "values",   "from", "describe",
                                          "summarize", "show", "explain", "pivot", "table"};
    rdl_str word = first_word(sql);
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        if (rdl_str_eq_nocase(word, rdl_str_of(readers[i])))
            return RDL_OK;
    }
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot run \"%.*s\": raudal sql reads only", (int)word.n,
                word.p);
    return rdl_err_hint(err, "Write a SELECT; tables change through the pipeline's own text.");
}

/* DuckDB's COPY and the like could hide behind a semicolon: one statement, no more. */
static rdl_code refuse_several(const char *sql, rdl_err *err)
{
    char quote = '\0';
    for (const char *p = sql; *p != '\0'; p++) {
        if (quote != '\0') {
            quote = *p == quote ? '\0' : quote;
        } else if (*p == '\'' || *p == '"') {
            quote = *p;
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
            if (*p == '\0')
                break;
        } else if (*p == ';' && first_word(p + 1).n > 0) {
            rdl_err_set(err, RDL_EUSAGE, 0, "cannot run more than one statement at a time");
            err->col = (uint32_t)(p - sql) + 1;
            return RDL_EUSAGE;
        }
    }
    return RDL_OK;
}

/* Is the word there, whatever its case? */
static bool mentions(const char *sql, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = sql; *p != '\0'; p++) {
        if (rdl_str_eq_nocase((rdl_str){p, strnlen(p, n)}, (rdl_str){word, n}))
            return true;
    }
    return false;
}

/* DuckDB 1.5.6 gives an aggregate of the C API in a window one state for many rows, and crashes;
 * tests/unit/lang_test.c guards the same in pipelines. */
static rdl_code refuse_windows_of_ours(const char *sql, rdl_err *err)
{
    if (!mentions(sql, "rdl_") || !mentions(sql, "over"))
        return RDL_OK;
    rdl_err_set(err, RDL_EUSAGE, 0, "cannot use an rdl_ function together with OVER");
    return rdl_err_hint(err, "Use DuckDB's own aggregate in the window.");
}

/* DuckDB's SHOW TABLES sees one schema, and the tables are in many. */
static const char *shown_tables(const char *sql)
{
    rdl_str show = first_word(sql), tables = first_word(show.p + show.n);
    const char *rest = tables.p + tables.n;
    rest += strspn(rest, " \t\r\n;");
    if (!rdl_str_eq_nocase(show, RDL_STR("show")) ||
        !rdl_str_eq_nocase(tables, RDL_STR("tables")) || *rest != '\0')
        return sql;
    return "SELECT table_schema AS schema, table_name AS name, "
           "list(column_name ORDER BY ordinal_position) AS columns "
           "FROM information_schema.columns WHERE table_name NOT LIKE '%$rows' GROUP BY ALL "
           "ORDER BY ALL";
}

rdl_code rdl_reader_query(rdl_reader *r, const char *sql, rdl_result **out, rdl_err *err)
{
    rdl_buf travelled = {0};
    RDL_TRY(refuse_writes(sql, err));
    RDL_TRY(refuse_several(sql, err));
    RDL_TRY(refuse_windows_of_ours(sql, err));
    rdl_code rc = rdl_travel_rewrite(&r->cut, r->conn, shown_tables(sql), &travelled, err);
    if (rc == RDL_OK)
        rc = rdl_query(r->conn, rdl_buf_str(&travelled), out, err);
    rdl_buf_fini(&travelled);
    if (rc == RDL_EIO)
        err->flags |= RDL_ERR_RETRY;
    return rc != RDL_OK ? rdl_damage_name(&r->cut, r->conn, err) : RDL_OK;
}

/* ---- status ---- */

static rdl_code count(rdl_reader *r, rdl_str schema, rdl_str name, uint64_t *out, rdl_err *err)
{
    rdl_buf sql = {0};
    int64_t n = 0;
    rdl_buf_puts(&sql, "SELECT count(*) FROM ");
    put_name(&sql, schema, name, "");
    rdl_code rc = rdl_query_i64(r->conn, rdl_buf_str(&sql), &n, err);
    rdl_buf_fini(&sql);
    *out = (uint64_t)n;
    return rc;
}

static rdl_code table_status(rdl_reader *r, const rdl_table *t, rdl_table_status *out, rdl_err *err)
{
    const rdl_table_history *h = rdl_history_table(&r->history, t->full);
    *out = (rdl_table_status){.table = t,
                              .quarantined = h->quarantined_total - 2 * h->replayed_total,
                              .last_epoch = h->last_changed,
                              .lake_version = -1,
                              .watermark_us = INT64_MIN,
                              .ledger = h->ledger,
                              .changed_us = h->last_changed > 0 ? h->last_changed_us : INT64_MIN,
                              .took_us = h->took_us};
    for (size_t i = 0; i < r->history.watermarks.n; i++) {
        const rdl_watermark *w = r->history.watermarks.entries[i].value;
        if (rdl_str_eq(w->table, t->full) && w->max_us > out->watermark_us)
            out->watermark_us = w->max_us;
    }
    if (t->source != NULL) {
        const rdl_snapshot_history *s = rdl_history_snapshot(&r->history, t->full);
        out->rows = s != NULL ? s->rows : 0;
        return RDL_OK;
    }
    const rdl_lake_snapshot *lake;
    RDL_TRY(rdl_cut_lake(&r->cut, t, &lake, err));
    out->lake_version = lake->version;
    out->files = lake->file_count;
    out->bytes = lake->bytes;
    out->lake_epoch = lake->txn_version > 0 ? (uint64_t)lake->txn_version : 0;
    return count(r, t->schema, t->name, &out->rows, err);
}

static void publication_status(rdl_reader *r, const rdl_publication *p, rdl_publication_status *out)
{
    rdl_err err;
    rdl_sink *s = NULL;
    *out = (rdl_publication_status){.publication = p, .epoch = -1};
    rdl_sink_table table;
    rdl_sink_table_of(&r->arena, p, &table);
    rdl_code rc = rdl_sink_open_to_read(&r->arena, p->url, r->root.dir, r->uuid, &s, &err);
    if (rc == RDL_OK)
        rc = s->ops->prepare(s, &table, &out->epoch, &err);
    if (rc != RDL_OK)
        snprintf(out->problem, sizeof out->problem, "%.190s", err.msg);
    if (out->epoch >= 0 && (int64_t)rdl_history_table(&r->history, p->table->full)->last_changed > out->epoch)
        out->behind = r->history.epoch - (uint64_t)out->epoch;
    if (s != NULL)
        s->ops->close(s);
}

static void tree_bytes(rdl_arena *a, const char *dir, uint64_t *out)
{
    rdl_err ignored;
    rdl_names names;
    if (!rdl_fs_exists(dir) || rdl_fs_walk(a, dir, &names, &ignored) != RDL_OK)
        return;
    for (size_t i = 0; i < names.n; i++) {
        rdl_stat st;
        if (rdl_fs_stat(rdl_path_join(a, dir, names.v[i]), &st, &ignored) == RDL_OK && st.exists)
            *out += st.size;
    }
}

static void writer_status(rdl_reader *r, rdl_root_status *out)
{
    rdl_err err;
    rdl_buf text = {0};
    const char *lock = rdl_path_join(&r->arena, r->root.state, "LOCK");
    if (rdl_fs_exists(lock) && rdl_fs_read(lock, 4096, &text, &err) == RDL_OK && text.n > 0) {
        out->writer_alive = rdl_lock_held(lock);
        snprintf(out->writer, sizeof out->writer, "%.190s", text.p);
    }
    rdl_buf_fini(&text);
}

static void left_status(rdl_reader *r, rdl_arena *a, rdl_root_status *out)
{
    const rdl_table_history **left;
    rdl_history_left(&r->history, r->pipeline, a, &left, &out->left_count);
    out->left = RDL_NEWN(a, const char *, out->left_count + 1);
    for (size_t i = 0; i < out->left_count; i++)
        out->left[i] = rdl_arena_strndup(a, left[i]->table.p, left[i]->table.n);
}

rdl_code rdl_reader_status_of(rdl_reader *r, rdl_arena *a, unsigned parts, rdl_root_status *out,
                              rdl_err *err)
{
    *out = (rdl_root_status){.epoch = r->history.epoch, .last_seal_us = r->history.ts_us};
    if ((parts & RDL_STATUS_TABLES) != 0) {
        out->table_count = r->pipeline->table_count;
        out->tables = RDL_NEWN(a, rdl_table_status, out->table_count + 1);
        for (size_t i = 0; i < out->table_count; i++)
            RDL_TRY(table_status(r, r->pipeline->tables[i], &out->tables[i], err));
        left_status(r, a, out);
    }
    if ((parts & RDL_STATUS_STORES) != 0) {
        out->publication_count = r->pipeline->publication_count;
        out->publications = RDL_NEWN(a, rdl_publication_status, out->publication_count + 1);
        for (size_t i = 0; i < out->publication_count; i++)
            publication_status(r, r->pipeline->publications[i], &out->publications[i]);
    }
    if ((parts & RDL_STATUS_SCHEDULES) != 0)
        RDL_TRY(rdl_schedules_status(r->pipeline, &r->history, r->conn, a, &out->schedules,
                                     &out->schedule_count, err));
    if ((parts & RDL_STATUS_BYTES) != 0) {
        tree_bytes(a, r->root.state, &out->state_bytes);
        tree_bytes(a, r->root.lake, &out->lake_bytes);
        writer_status(r, out);
    }
    return RDL_OK;
}

rdl_code rdl_reader_status(rdl_reader *r, rdl_arena *a, rdl_root_status *out, rdl_err *err)
{
    return rdl_reader_status_of(r, a, RDL_STATUS_TABLES | RDL_STATUS_STORES | RDL_STATUS_SCHEDULES |
                                          RDL_STATUS_BYTES, out, err);
}

rdl_code rdl_reader_report_schedule(rdl_reader *r, rdl_arena *a, const rdl_report *report,
                                    const rdl_report_past *past, rdl_schedule_status *out,
                                    rdl_err *err)
{
    return rdl_schedule_of_report(report, &r->history, r->conn, a, past, out, err);
}

typedef struct seal_visit {
    uint64_t epoch;
    rdl_seal_visitor visit;
    void *arg;
} seal_visit;

static rdl_code visit_seal(void *arg, uint32_t type, uint64_t sequence, rdl_str payload, rdl_err *err)
{
    const seal_visit *v = arg;
    rdl_arena a;
    rdl_seal seal;
    (void)sequence;
    if (type != RDL_RECORD_SEAL)
        return RDL_OK;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_seal_parse(&a, payload, &seal, err);
    if (rc == RDL_OK && seal.epoch <= v->epoch)
        rc = v->visit(v->arg, &seal, err);
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_reader_seals(rdl_reader *r, rdl_seal_visitor seen, void *arg, rdl_err *err)
{
    seal_visit v = {r->history.epoch, seen, arg};
    uint64_t first;
    const char *journal = rdl_path_join(&r->arena, r->root.state, "journal");
    return rdl_err_area(rdl_journal_read_all(journal, visit_seal, &v, &first, err), err,
                        RDL_AREA_STORE);
}
