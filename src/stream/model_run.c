/*
 * stream/model_run.c - one run of a program: its input, itself, its output.
 *
 * FILES, in state/models/<name>/, made anew by each run
 *   input.json | input.parquet     the rows of TRANSFORM (..) or TRAIN (..), at one sealed cut
 *   output.json | output.parquet   what the program gave
 *   stderr.txt                     what it said; stays until the next run
 *   artifact                       what a training step wrote, until it gets its name
 *   result.parquet                 the checked rows with version and parameters
 *
 * The program finds JSON rows on standard input and writes JSON lines to standard output; with FORMAT PARQUET
 * it finds RAUDAL_INPUT and writes RAUDAL_OUTPUT.  Always set: RAUDAL_MODEL, RAUDAL_PARAMETERS (JSON),
 * RAUDAL_VERSION, RAUDAL_RUN_TIME, and RAUDAL_ARTIFACT where there is one to read or to write.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/program.h"
#include "source/content.h"
#include "stream/model.h"
#include "stream/reader.h"

enum { SAID_MAX = 280 };

static const char *path_of(rdl_model_run *r, const char *name)
{
    return rdl_path_join(&r->arena, r->dir, name);
}

static const char *file_of(rdl_model_run *r, const char *what)
{
    return path_of(r, rdl_arena_printf(&r->arena, "%s.%s", what,
                                       r->model->parquet ? "parquet" : "json"));
}

/* ---- version ---- */

static void hash_file(rdl_hasher *h, const char *path)
{
    rdl_err ignored = {0};
    rdl_stat st;
    if (rdl_fs_stat(path, &st, &ignored) != RDL_OK || !st.exists || st.is_dir)
        return;
    (void)!rdl_content_hash(path, 0, st.size, h, NULL, &ignored);
}

char *rdl_model_version(rdl_arena *a, const rdl_pipeline *p, const rdl_model *m, rdl_str artifact)
{
    rdl_hasher *h = rdl_hasher_new();
    char hex[33];
    rdl_hasher_put(h, m->command.p, m->command.n);
    rdl_hasher_put(h, m->parameters.p, m->parameters.n);
    for (size_t i = 0; i < m->command.n;) {
        size_t begin = i;
        while (i < m->command.n && strchr(" \t\n\"'<>|;&()", m->command.p[i]) == NULL)
            i++;
        if (i > begin)
            hash_file(h, rdl_path_join(a, p->dir, rdl_arena_strndup(a, m->command.p + begin,
                                                                    i - begin)));
        i += i < m->command.n;
    }
    rdl_hash128_hex(rdl_hasher_done(h), hex);
    return rdl_arena_printf(a, "%.*s%s%.12s%s%.*s", (int)m->version.n, m->version.p,
                            m->version.n > 0 ? "+" : "", hex, artifact.n > 0 ? "/" : "",
                            (int)artifact.n, artifact.p);
}

/* ---- input ---- */

static rdl_code write_input(rdl_model_run *r, rdl_reader *reader, rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_puts(&sql, "COPY (");
    rdl_buf_put(&sql, r->model->select.p, r->model->select.n);
    rdl_buf_puts(&sql, ") TO ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(file_of(r, "input")));
    rdl_buf_puts(&sql, r->model->parquet ? " (FORMAT parquet)" : " (FORMAT json)");
    rdl_code rc = rdl_exec(rdl_reader_conn(reader), rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    r->cut = rdl_reader_cut(reader)->epoch;
    (void)RDL_FAULT_AT(MODEL_INPUT);
    return rdl_err_in(rc, err, "input");
}

/* ---- the program ---- */

/* The last line that it said, for the message. */
static void read_said(rdl_model_run *r)
{
    rdl_buf text = {0};
    rdl_err ignored = {0};
    const char *path = path_of(r, "stderr.txt");
    if (rdl_fs_exists(path) && rdl_fs_read(path, 16 << 20, &text, &ignored) == RDL_OK) {
        while (text.n > 0 && (unsigned char)text.p[text.n - 1] <= ' ')
            text.n--;
        size_t begin = text.n;
        while (begin > 0 && text.p[begin - 1] != '\n')
            begin--;
        snprintf(r->said, sizeof r->said, "%.*s",
                 (int)(text.n - begin < SAID_MAX ? text.n - begin : SAID_MAX),
                 text.n > 0 ? text.p + begin : "");
    }
    rdl_buf_fini(&text);
}

static const char *env(rdl_model_run *r, const char *name, rdl_str value)
{
    return rdl_arena_printf(&r->arena, "%s=%.*s", name, (int)value.n, value.p);
}

static rdl_code run_program(rdl_model_run *r, rdl_err *err)
{
    const rdl_model *m = r->model;
    rdl_buf time = {0};
    rdl_program_end end;
    char how[160];
    rdl_timestamp_print_iso(r->for_us, &time);
    const char *artifact = m->table == NULL ? path_of(r, "artifact") : r->artifact;
    const char *const vars[] = {
        env(r, "RAUDAL_MODEL", m->name),
        env(r, "RAUDAL_PARAMETERS", m->parameters),
        env(r, "RAUDAL_VERSION", rdl_str_of(r->version)),
        env(r, "RAUDAL_RUN_TIME", rdl_str_of(rdl_buf_str(&time))),
        env(r, "RAUDAL_INPUT", rdl_str_of(file_of(r, "input"))),
        env(r, "RAUDAL_OUTPUT", rdl_str_of(file_of(r, "output"))),
        artifact != NULL ? env(r, "RAUDAL_ARTIFACT", rdl_str_of(artifact)) : NULL,
        NULL,
    };
    const rdl_program p = {
        .command = rdl_arena_strndup(&r->arena, m->command.p, m->command.n),
        .dir = r->e->pipeline->dir,
        .env = vars,
        .in = m->parquet ? NULL : file_of(r, "input"),
        .out = m->parquet ? path_of(r, "stdout.txt") : file_of(r, "output"),
        .errs = path_of(r, "stderr.txt"),
        .timeout_us = m->timeout_us,
        .stop = &r->e->stop,
    };
    rdl_buf_fini(&time);
    RDL_TRY(rdl_program_run(&p, &end, err));
    read_said(r);
    if (end.status == 0 && end.signal == 0 && !end.timed_out && !end.stopped)
        return RDL_OK;
    rdl_program_print_end(&p, &end, how, sizeof how);
    rdl_err_set(err, end.stopped ? RDL_ESTOP : RDL_EREMOTE, RDL_ERR_RETRY, "\"%.200s\" failed: %s%s%s",
                p.command, how, r->said[0] != '\0' ? ": " : "", r->said);
    return rdl_err_hint(err, "All that it said is in %.150s", p.errs);
}

/* ---- output ---- */

static rdl_code bad_row(rdl_model_run *r, uint64_t row, const char *why, rdl_err *err)
{
    rdl_err_set(err, RDL_EDATA, 0, "row %" PRIu64 " that \"%.*s\" gave does not fit \"%s\": %s", row,
                (int)r->model->command.n, r->model->command.p, r->model->table->full.p, why);
    return rdl_err_hint(err, "No row of this run came in.  Its output is in %.120s", r->dir);
}

static rdl_code check_records(rdl_model_run *r, rdl_conn *conn, rdl_decode *job, rdl_err *err)
{
    size_t n;
    int64_t row = -1;
    char *rescued = NULL;
    const rdl_malformed *bad = rdl_decode_malformed(job, &n);
    if (n > 0)
        return bad_row(r, bad[0].offset + 1, bad[0].reason, err);
    RDL_TRY(rdl_query_i64(conn, "SELECT min(_source_offset) FROM model_output WHERE _rescued IS NOT NULL",
                          &row, err));
    if (row < 0)
        return RDL_OK;
    RDL_TRY(rdl_query_text(conn, &r->arena,
                           "SELECT 'unknown or of another type: ' || _rescued::VARCHAR FROM model_output "
                           "WHERE _rescued IS NOT NULL ORDER BY _source_offset LIMIT 1",
                           &rescued, err));
    return bad_row(r, (uint64_t)row + 1, rescued, err);
}

static rdl_code read_json(rdl_model_run *r, rdl_reader *reader, rdl_err *err)
{
    const rdl_table *t = r->model->table;
    size_t n = t->columns.n - 2; /* the declared ones */
    rdl_decode_spec spec;
    rdl_decode *job = NULL;
    rdl_decode_column *columns = RDL_NEWN(&r->arena, rdl_decode_column, n);
    rdl_decode_spec_init(&spec);
    for (size_t i = 0; i < n; i++)
        columns[i] = (rdl_decode_column){.name = t->columns.v[i].name,
                                         .field = t->columns.v[i].name,
                                         .type = t->columns.v[i].type};
    spec.format = RDL_DECODE_JSON;
    spec.columns = columns;
    spec.column_count = n;
    const rdl_decode_input input = {.path = file_of(r, "output"), .shown = "output",
                                    .compression = RDL_COMPRESSION_NONE};
    RDL_TRY(rdl_decode_register(rdl_reader_duck(reader), "model_output", &spec, &input, 1, &job, err));
    rdl_conn *conn = rdl_reader_conn(reader);
    rdl_code rc = rdl_exec(conn, "CREATE TABLE model_output AS SELECT * FROM rdl_scan('model_output')",
                           err);
    if (rc == RDL_OK)
        rc = check_records(r, conn, job, err);
    rdl_decode_free(job);
    return rc;
}

/* A column that is not declared is refused, as a field of a JSON row is. */
static rdl_code check_columns(rdl_model_run *r, rdl_conn *conn, const char *path, rdl_err *err)
{
    const rdl_table *t = r->model->table;
    rdl_buf sql = {0};
    char *more = NULL;
    rdl_buf_puts(&sql, "SELECT string_agg(column_name, ', ') FROM (DESCRIBE SELECT * FROM read_parquet(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(path));
    rdl_buf_puts(&sql, ")) WHERE lower(column_name) NOT IN (");
    for (size_t i = 0; i + 2 < t->columns.n; i++) {
        rdl_buf_puts(&sql, i > 0 ? ", lower(" : "lower(");
        rdl_buf_put_sql_text(&sql, t->columns.v[i].name);
        rdl_buf_putc(&sql, ')');
    }
    rdl_buf_putc(&sql, ')');
    rdl_code rc = rdl_query_text(conn, &r->arena, rdl_buf_str(&sql), &more, err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK || more == NULL)
        return rdl_err_in(rc, err, "output of %s", r->model->name.p);
    rdl_err_set(err, RDL_EDATA, 0, "\"%.*s\" gave columns that \"%s\" does not declare: %.200s",
                (int)r->model->command.n, r->model->command.p, t->full.p, more);
    return rdl_err_hint(err, "No row of this run came in.  Its output is in %.120s", r->dir);
}

static rdl_code read_parquet(rdl_model_run *r, rdl_reader *reader, rdl_err *err)
{
    const rdl_table *t = r->model->table;
    rdl_buf sql = {0};
    const char *path = file_of(r, "output");
    if (!rdl_fs_exists(path))
        return rdl_err_set(err, RDL_EDATA, 0, "\"%.*s\" wrote no file $RAUDAL_OUTPUT",
                           (int)r->model->command.n, r->model->command.p);
    RDL_TRY(check_columns(r, rdl_reader_conn(reader), path, err));
    rdl_buf_puts(&sql, "CREATE TABLE model_output AS SELECT ");
    for (size_t i = 0; i + 2 < t->columns.n; i++) {
        rdl_buf_puts(&sql, i > 0 ? ", CAST(" : "CAST(");
        rdl_buf_put_sql_ident(&sql, t->columns.v[i].name);
        rdl_buf_puts(&sql, " AS ");
        rdl_type_print(t->columns.v[i].type, &sql);
        rdl_buf_puts(&sql, ") AS ");
        rdl_buf_put_sql_ident(&sql, t->columns.v[i].name);
    }
    rdl_buf_puts(&sql, " FROM read_parquet(");
    rdl_buf_put_sql_text(&sql, rdl_str_of(path));
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_exec(rdl_reader_conn(reader), rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rdl_err_in(rc, err, "output of %s", r->model->name.p);
}

/* The key of every row is there, and its own. */
static rdl_code check_key(rdl_model_run *r, rdl_conn *conn, rdl_err *err)
{
    const rdl_table *t = r->model->table;
    rdl_buf key = {0}, sql = {0};
    char *found = NULL;
    if (t->primary_key_count == 0)
        return RDL_OK;
    rdl_put_key(&key, "", &t->columns, t->primary_key, t->primary_key_count);
    rdl_buf_printf(&sql, "SELECT (%s)::VARCHAR FROM model_output GROUP BY %s HAVING count(*) > 1 ",
                   rdl_buf_str(&key), rdl_buf_str(&key));
    for (size_t i = 0; i < t->primary_key_count; i++) {
        rdl_buf_puts(&sql, "OR ");
        rdl_buf_put_sql_ident(&sql, t->columns.v[t->primary_key[i]].name);
        rdl_buf_puts(&sql, " IS NULL ");
    }
    rdl_buf_puts(&sql, "LIMIT 1");
    rdl_code rc = rdl_query_text(conn, &r->arena, rdl_buf_str(&sql), &found, err);
    if (rc == RDL_OK && found != NULL)
        rc = rdl_err_set(err, RDL_EDATA, 0,
                         "\"%.*s\" gave rows whose key (%s) is not unique and not null: %.200s",
                         (int)r->model->command.n, r->model->command.p, rdl_buf_str(&key), found);
    rdl_buf_fini(&key);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code write_result(rdl_model_run *r, rdl_conn *conn, rdl_err *err)
{
    const rdl_table *t = r->model->table;
    rdl_buf sql = {0};
    int64_t rows = 0;
    r->result = path_of(r, "result.parquet");
    rdl_buf_puts(&sql, "COPY (SELECT ");
    for (size_t i = 0; i + 2 < t->columns.n; i++) {
        rdl_buf_put_sql_ident(&sql, t->columns.v[i].name);
        rdl_buf_puts(&sql, ", ");
    }
    rdl_buf_put_sql_text(&sql, rdl_str_of(r->version));
    rdl_buf_puts(&sql, " AS model_version, ");
    rdl_buf_put_sql_text(&sql, r->model->parameters);
    rdl_buf_puts(&sql, "::JSON AS model_parameters FROM model_output) TO ");
    rdl_buf_put_sql_text(&sql, rdl_str_of(r->result));
    rdl_buf_puts(&sql, " (FORMAT parquet)");
    rdl_code rc = rdl_exec(conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    if (rc == RDL_OK)
        rc = rdl_query_i64(conn, "SELECT count(*) FROM model_output", &rows, err);
    r->rows = (uint64_t)rows;
    (void)RDL_FAULT_AT(MODEL_RESULT);
    return rc;
}

/* M3: durable under a name of its own before anybody is told. */
static rdl_code keep_artifact(rdl_model_run *r, rdl_err *err)
{
    rdl_stat st;
    rdl_civil c;
    char hex[33];
    const char *from = path_of(r, "artifact");
    RDL_TRY(rdl_fs_stat(from, &st, err));
    if (!st.exists || st.is_dir)
        return rdl_err_set(err, RDL_EDATA, 0, "\"%.*s\" wrote no file $RAUDAL_ARTIFACT",
                           (int)r->model->command.n, r->model->command.p);
    rdl_hasher *h = rdl_hasher_new();
    rdl_code rc = rdl_content_hash(from, 0, st.size, h, NULL, err);
    rdl_hash128_hex(rdl_hasher_done(h), hex);
    RDL_TRY(rc);
    rdl_civil_from_us(r->for_us, &c);
    r->result = rdl_arena_printf(&r->arena, "%04d%02u%02uT%02u%02u%02u-%.8s", c.year, c.month, c.day,
                                 c.hour, c.minute, c.second, hex);
    const char *to = rdl_root_artifact(&r->arena, &r->e->root, r->model->name, rdl_str_of(r->result));
    const char *dir = rdl_path_dir(&r->arena, to);
    RDL_TRY(rdl_fs_mkdirs(dir, err));
    RDL_TRY(rdl_fs_sync_file(from, err));
    RDL_TRY(rdl_fs_rename(from, to, err));
    RDL_TRY(rdl_fs_sync_dir(dir, err));
    (void)RDL_FAULT_AT(MODEL_ARTIFACT);
    return RDL_OK;
}

static rdl_code take_output(rdl_model_run *r, rdl_reader *reader, rdl_err *err)
{
    if (r->model->table == NULL)
        return keep_artifact(r, err);
    RDL_TRY(r->model->parquet ? read_parquet(r, reader, err) : read_json(r, reader, err));
    RDL_TRY(check_key(r, rdl_reader_conn(reader), err));
    return write_result(r, rdl_reader_conn(reader), err);
}

static rdl_code work(rdl_model_run *r, rdl_err *err)
{
    const rdl_engine_config *c = &r->e->config;
    const rdl_reader_config config = {
        .dir = c->dir,
        .root = r->e->root.dir,
        .load = c->load,
        .text = c->text,
        .memory_bytes = r->e->memory_bytes / 4,
        .threads = c->threads,
    };
    rdl_arena a;
    rdl_diags diags;
    rdl_reader *reader = NULL;
    rdl_arena_init(&a, 0);
    rdl_diags_init(&diags, &a);
    rdl_code rc = rdl_fs_remove_tree(r->dir, err);
    if (rc == RDL_OK)
        rc = rdl_fs_mkdirs(r->dir, err);
    if (rc == RDL_OK)
        rc = rdl_reader_open(&config, &diags, &reader, err);
    if (rc == RDL_OK)
        rc = write_input(r, reader, err);
    if (rc == RDL_OK)
        rc = run_program(r, err);
    if (rc == RDL_OK)
        rc = take_output(r, reader, err);
    rdl_reader_close(reader);
    rdl_arena_fini(&a);
    return rc;
}

void rdl_model_work(rdl_model_run *r)
{
    int64_t began = rdl_monotonic_us();
    /* A file that the writer moved on from: the newer cut is as good. */
    for (int i = 0; i < 3; i++) {
        r->err = (rdl_err){0};
        r->rc = work(r, &r->err);
        if (r->rc != RDL_EIO || (r->err.flags & RDL_ERR_RETRY) == 0 || r->e->stop)
            break;
    }
    r->rc = rdl_err_in(r->rc, &r->err, "model %s", r->model->name.p);
    r->seconds = (double)(rdl_monotonic_us() - began) / 1e6;
    atomic_store(&r->done, true);
    rdl_watch_wake(r->e->watch);
}
