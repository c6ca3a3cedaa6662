/*
 * api/raudal.c - the public interface, raudal.h, on top of engine and reader.
 *
 * A handle keeps its engine, once opened, until it is closed: so raudal_stop, which may
 * come from a signal handler at any instant, never meets an engine that is going away.
 */
#include "raudal.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "ops/named_query.h"
#include "stream/reader.h"

struct raudal {
    rdl_arena arena;
    raudal_options options; /* texts copied */
    char *dir, *root;
    _Atomic(rdl_engine *) engine; /* NULL until the first run */
    atomic_bool stop;             /* asked before there was an engine */
    rdl_err err;
    rdl_buf diagnostics;
};

static_assert((int)RAUDAL_EBUG == (int)RDL_EBUG && (int)RAUDAL_ESTOP == (int)RDL_ESTOP,
              "the codes are the same numbers");

/* ---- failures ---- */

static raudal_code done(rdl_code rc)
{
    return (raudal_code)rc;
}

static void keep_diagnostics(raudal *r, const rdl_diags *diags)
{
    rdl_buf_clear(&r->diagnostics);
    if (diags->list.n != 0)
        rdl_diags_print(diags, false, &r->diagnostics);
}

const char *raudal_error(const raudal *r)
{
    return r != NULL ? r->err.msg : "out of memory";
}

const char *raudal_hint(const raudal *r)
{
    return r != NULL ? r->err.hint : "";
}

const char *raudal_diagnostics(const raudal *r)
{
    return r != NULL ? rdl_buf_str(&r->diagnostics) : "";
}

const char *raudal_version(void)
{
    return RAUDAL_VERSION;
}

/* ---- open and close ---- */

/* Callers compiled against an older header give a smaller struct: the rest is 0. */
static void copy_options(raudal *r, const raudal_options *from)
{
    raudal_options *to = &r->options;
    if (from == NULL)
        return;
    memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
    const char **set = RDL_NEWN(&r->arena, const char *, to->set_count + 1);
    for (size_t i = 0; i < to->set_count; i++)
        set[i] = rdl_arena_strdup(&r->arena, to->set[i]);
    to->set = set;
    to->only = rdl_arena_strdup(&r->arena, to->only);
    if (to->root != NULL)
        r->root = rdl_path_absolute(&r->arena, to->root);
}

static rdl_load_options load_options(const raudal *r)
{
    return (rdl_load_options){.set = r->options.set, .set_count = r->options.set_count};
}

/* A pipeline alone; a is its arena. */
typedef struct loaded {
    rdl_arena arena;
    rdl_duck *duck;
    rdl_conn *conn;
    rdl_pipeline *pipeline;
} loaded;

static void unload(loaded *l)
{
    if (l->conn != NULL)
        rdl_conn_close(l->conn);
    rdl_duck_close(l->duck);
    rdl_arena_fini(&l->arena);
}

static rdl_code load(raudal *r, loaded *out)
{
    rdl_diags diags;
    rdl_load_options options = load_options(r);
    *out = (loaded){0};
    rdl_arena_init(&out->arena, 0);
    rdl_diags_init(&diags, &out->arena);
    rdl_code rc = rdl_duck_open(&(rdl_duck_config){.threads = 1}, &out->duck, &r->err);
    if (rc == RDL_OK)
        rc = rdl_conn_open(out->duck, &out->conn, &r->err);
    if (rc == RDL_OK)
        rc = rdl_pipeline_load(&out->arena, out->conn, r->dir, &options, &diags, &out->pipeline,
                               &r->err);
    keep_diagnostics(r, &diags);
    if (rc != RDL_OK)
        unload(out);
    return rc;
}

raudal_code raudal_open(const char *dir, const raudal_options *options, raudal **out)
{
    loaded l;
    raudal *r = calloc(1, sizeof *r); /* allow: the caller's handle, freed by raudal_close */
    *out = r;
    if (r == NULL)
        return RAUDAL_ENOMEM;
    rdl_arena_init(&r->arena, 0);
    copy_options(r, options);
    r->dir = rdl_path_absolute(&r->arena, dir);
    if (r->root == NULL)
        r->root = rdl_path_join(&r->arena, r->dir, ".raudal");
    rdl_code rc = load(r, &l);
    if (rc == RDL_OK)
        unload(&l);
    return done(rc);
}

void raudal_close(raudal *r)
{
    if (r == NULL)
        return;
    rdl_engine_close(atomic_exchange(&r->engine, NULL));
    rdl_buf_fini(&r->diagnostics);
    rdl_arena_fini(&r->arena);
    free(r); /* allow: see raudal_open */
}

/* ---- running ---- */

static rdl_code open_engine(raudal *r)
{
    rdl_diags diags;
    rdl_engine *e = NULL;
    rdl_engine_config config = {.dir = r->dir,
                                .root = r->root,
                                .load = load_options(r),
                                .adopt = r->options.adopt != 0,
                                .memory_bytes = r->options.memory_bytes,
                                .threads = r->options.threads,
                                .only = r->options.only};
    if (atomic_load(&r->engine) != NULL)
        return RDL_OK;
    rdl_diags_init(&diags, &r->arena);
    rdl_code rc = rdl_engine_open(&config, &diags, &e, &r->err);
    keep_diagnostics(r, &diags);
    if (rc == RDL_OK)
        atomic_store(&r->engine, e);
    return rc;
}

static void fill_report(raudal_report *out, const rdl_run_report *from)
{
    const rdl_ledger *l = &from->total;
    raudal_report full = {
        .size = out->size,
        .epochs = from->epochs,
        .last_epoch = from->last_epoch,
        .stopped = from->stopped,
        .seconds = from->seconds,
        .bytes_read = from->bytes_read,
        .read = l->read,
        .replayed = l->replayed,
        .fanout = l->fanout,
        .written = l->written,
        .duplicate = l->duplicate,
        .late_diverted = l->late_diverted,
        .late_dropped = l->late_dropped,
        .quarantined = l->quarantined,
        .dropped = l->dropped,
        .filtered = l->filtered,
    };
    memcpy(out, &full, out->size < sizeof full ? out->size : sizeof full);
}

static raudal_code run(raudal *r, raudal_report *out, bool once)
{
    rdl_run_report report = {0};
    rdl_code rc = open_engine(r);
    if (rc != RDL_OK)
        return done(rc);
    rdl_engine *e = atomic_load(&r->engine);
    if (atomic_exchange(&r->stop, false)) { /* raudal_stop came before the engine was there */
        report.stopped = true;
        rdl_engine_status status = {0};
        rdl_engine_get_status(e, &status);
        report.last_epoch = status.epoch;
    } else {
        rc = once ? rdl_engine_run_once(e, &report, &r->err) : rdl_engine_run(e, &report, &r->err);
    }
    if (rc == RDL_OK && out != NULL)
        fill_report(out, &report);
    return done(rc);
}

raudal_code raudal_run_once(raudal *r, raudal_report *out)
{
    return run(r, out, true);
}

raudal_code raudal_run(raudal *r, raudal_report *out)
{
    return run(r, out, false);
}

void raudal_stop(raudal *r)
{
    rdl_engine *e = atomic_load(&r->engine);
    if (e != NULL)
        rdl_engine_stop(e);
    else
        atomic_store(&r->stop, true);
}

/* ---- asking ---- */

static rdl_code open_reader(raudal *r, rdl_arena *a, rdl_reader **out)
{
    rdl_diags diags;
    rdl_reader_config config = {.dir = r->dir,
                                .root = r->root,
                                .load = load_options(r),
                                .memory_bytes = r->options.memory_bytes,
                                .threads = r->options.threads};
    rdl_diags_init(&diags, a);
    rdl_code rc = rdl_reader_open(&config, &diags, out, &r->err);
    keep_diagnostics(r, &diags);
    return rc;
}

static rdl_code read_status(raudal *r, rdl_arena *a, raudal_status *out)
{
    rdl_reader *reader = NULL;
    rdl_root_status s;
    RDL_TRY(open_reader(r, a, &reader));
    rdl_code rc = rdl_reader_status(reader, a, &s, &r->err);
    if (rc == RDL_OK) {
        raudal_status full = {.size = out->size,
                              .epoch = s.epoch,
                              .last_seal_us = s.last_seal_us,
                              .writer_alive = s.writer_alive,
                              .lake_bytes = s.lake_bytes,
                              .state_bytes = s.state_bytes};
        for (size_t i = 0; i < s.table_count; i++) {
            if (s.tables[i].table->internal || s.tables[i].table->kind < RDL_TABLE_STREAMING)
                continue;
            full.tables++;
            full.rows += s.tables[i].rows;
            full.quarantined += s.tables[i].quarantined;
        }
        memcpy(out, &full, out->size < sizeof full ? out->size : sizeof full);
    }
    rdl_reader_close(reader);
    return rc;
}

raudal_code raudal_get_status(raudal *r, raudal_status *out)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_code rc = read_status(r, &a, out);
    rdl_arena_fini(&a);
    return done(rc);
}

/* One row as texts in a buffer, each with its NUL. */
typedef struct giving {
    raudal_row row;
    raudal_row_fn fn;
    void *arg;
    const char **values;
    size_t *lengths, *starts;
    bool *null;
    rdl_buf text;
} giving;

static void giving_init(giving *g, rdl_arena *a, size_t n, const char *const *names,
                        const char *const *types)
{
    g->values = RDL_NEWN(a, const char *, n);
    g->lengths = RDL_NEWN(a, size_t, n);
    g->starts = RDL_NEWN(a, size_t, n);
    g->null = RDL_NEWN(a, bool, n);
    g->row = (raudal_row){n, names, types, g->values, g->lengths};
}

static void giving_add(giving *g, size_t column, size_t start)
{
    g->starts[column] = start;
    g->lengths[column] = g->text.n - start;
    rdl_buf_putc(&g->text, '\0');
}

static rdl_code giving_row(giving *g, rdl_err *err)
{
    for (size_t i = 0; i < g->row.n; i++)
        g->values[i] = g->null[i] ? NULL : g->text.p + g->starts[i];
    int stop = g->fn(g->arg, &g->row);
    rdl_buf_clear(&g->text);
    return stop == 0 ? RDL_OK : rdl_err_set(err, RDL_ESTOP, 0, "the caller ended the query");
}

static rdl_code give_chunk(giving *g, const rdl_chunk *c, rdl_err *err)
{
    for (size_t row = 0; row < c->rows; row++) {
        for (size_t i = 0; i < c->n; i++) {
            size_t start = g->text.n;
            g->null[i] = !rdl_vector_valid(&c->v[i], row);
            if (!g->null[i])
                rdl_vector_print(&c->v[i], row, &g->text);
            giving_add(g, i, start);
        }
        RDL_TRY(giving_row(g, err));
    }
    return RDL_OK;
}

static rdl_code give_result(giving *g, rdl_arena *a, rdl_result *result, rdl_err *err)
{
    const rdl_schema *s = rdl_result_schema(result);
    const char **names = RDL_NEWN(a, const char *, s->n), **types = RDL_NEWN(a, const char *, s->n);
    const rdl_chunk *c;
    rdl_code rc = RDL_OK;
    for (size_t i = 0; i < s->n; i++) {
        rdl_buf type = {0};
        rdl_type_print(s->v[i].type, &type);
        names[i] = rdl_arena_strndup(a, s->v[i].name.p, s->v[i].name.n);
        types[i] = rdl_arena_strdup(a, rdl_buf_str(&type));
        rdl_buf_fini(&type);
    }
    giving_init(g, a, s->n, names, types);
    while (rc == RDL_OK && rdl_result_next(result, &c))
        rc = give_chunk(g, c, err);
    return rc;
}

static rdl_code query_lake(raudal *r, rdl_arena *a, const char *sql, giving *g)
{
    enum { TRIES = 4 }; /* a file that vanished because the writer moved on: look again */
    rdl_reader *reader = NULL;
    rdl_result *result = NULL;
    rdl_code rc = RDL_OK;
    for (int i = 0; i < TRIES && result == NULL; i++) {
        rdl_reader_close(reader);
        reader = NULL;
        RDL_TRY(open_reader(r, a, &reader));
        rc = rdl_reader_query(reader, sql, &result, &r->err);
        if (rc != RDL_OK && (r->err.flags & RDL_ERR_RETRY) == 0)
            break;
    }
    if (rc == RDL_OK)
        rc = give_result(g, a, result, &r->err);
    if (result != NULL)
        rdl_result_free(result);
    rdl_reader_close(reader);
    return rc;
}

raudal_code raudal_query(raudal *r, const char *sql, raudal_row_fn row, void *arg)
{
    rdl_arena a;
    giving g = {.fn = row, .arg = arg};
    rdl_arena_init(&a, 0);
    rdl_code rc = query_lake(r, &a, sql, &g);
    rdl_buf_fini(&g.text);
    rdl_arena_fini(&a);
    return done(rc);
}

/* ---- asking the store ---- */

typedef struct store_rows {
    giving g;
    rdl_arena *arena;
} store_rows;

static rdl_code store_columns(void *arg, size_t n, const char *const *names, rdl_err *err)
{
    store_rows *s = arg;
    const char **copies = RDL_NEWN(s->arena, const char *, n);
    const char **types = RDL_NEWN(s->arena, const char *, n);
    (void)err;
    for (size_t i = 0; i < n; i++) {
        copies[i] = rdl_arena_strdup(s->arena, names[i]);
        types[i] = "";
    }
    giving_init(&s->g, s->arena, n, copies, types);
    return RDL_OK;
}

static rdl_code store_row(void *arg, size_t n, const rdl_str *values, const bool *numeric,
                          rdl_err *err)
{
    store_rows *s = arg;
    (void)numeric;
    for (size_t i = 0; i < n; i++) {
        size_t start = s->g.text.n;
        s->g.null[i] = values[i].p == NULL;
        if (!s->g.null[i])
            rdl_buf_put(&s->g.text, values[i].p, values[i].n);
        giving_add(&s->g, i, start);
    }
    return giving_row(&s->g, err);
}

raudal_code raudal_query_store(raudal *r, const char *name, const raudal_parameter *parameters,
                               size_t count, raudal_row_fn row, void *arg)
{
    loaded l;
    store_rows rows = {.g = {.fn = row, .arg = arg}};
    rdl_code rc = load(r, &l);
    if (rc != RDL_OK)
        return done(rc);
    rows.arena = &l.arena;
    rdl_named_query q = {.pipeline = l.pipeline, .root_dir = r->root};
    q.values.names = RDL_NEWN(&l.arena, const char *, count + 1);
    q.values.values = RDL_NEWN(&l.arena, const char *, count + 1);
    for (q.values.n = 0; q.values.n < count; q.values.n++) {
        q.values.names[q.values.n] = parameters[q.values.n].name;
        q.values.values[q.values.n] = parameters[q.values.n].value;
    }
    rc = rdl_named_query_find(l.pipeline, name, &q.file, &r->err);
    if (rc == RDL_OK)
        rc = rdl_named_query_run(&l.arena, &q, store_columns, store_row, &rows, &r->err);
    rdl_buf_fini(&rows.g.text);
    unload(&l);
    return done(rc);
}
