/*
 * cli/script_engine.c - a script's engine, in a child process, and its reader, in this one.
 *
 * The child is forked while nothing here has a thread (the reader is closed before), opens the
 * engine on the root, and serves requests: a request struct down, a reply struct up.  A crash
 * is SIGKILL: at a fault point, by the child itself, or from here.
 */
#include <stdio.h>
#include <string.h>

#include "batch/verify.h"
#include "cli/script_internal.h"
#include "lang/plan.h"

enum {
    SCRIPT_MEMORY = 512 << 20,
    SCRIPT_THREADS = 2,
};

static rdl_load_options load_options(const rdl_script_engine *s)
{
    return (rdl_load_options){.set = s->set, .set_count = s->set_count};
}

/* ---- in the child ---- */

static rdl_code find_tables(rdl_engine *e, const char *name, const rdl_table **out, size_t *n,
                            rdl_err *err)
{
    *n = 0;
    if (name[0] == '\0')
        return RDL_OK;
    *out = rdl_pipeline_find(rdl_engine_pipeline(e), rdl_str_of(name));
    if (*out == NULL)
        return rdl_err_set(err, RDL_EUSAGE, 0, "there is no table \"%s\"", name);
    *n = 1;
    return RDL_OK;
}

static void serve_one(rdl_engine *e, const rdl_request *q, rdl_reply *r)
{
    rdl_run_report report;
    const rdl_table *table = NULL;
    uint64_t changed = 0;
    size_t n = 0;
    switch (q->kind) {
    case RDL_REQUEST_STEP:
        r->rc = rdl_engine_step(e, &r->did, &r->err);
        break;
    case RDL_REQUEST_RUN:
        r->rc = rdl_engine_run_once(e, &report, &r->err);
        break;
    case RDL_REQUEST_FLUSH:
        r->rc = rdl_engine_flush(e, &r->err);
        break;
    case RDL_REQUEST_REFRESH:
        r->rc = find_tables(e, q->table, &table, &n, &r->err);
        if (r->rc == RDL_OK)
            r->rc = rdl_engine_refresh(e, &table, n, &changed, &r->err);
        break;
    }
}

/* What the text has wrong goes into the message, for the script's regex. */
static void add_diags(rdl_err *err, const rdl_diags *diags)
{
    rdl_buf text = {0};
    if (diags->errors == 0)
        return;
    rdl_diags_print(diags, false, &text);
    snprintf(err->msg, sizeof err->msg, "%.1100s", rdl_buf_str(&text));
    rdl_buf_fini(&text);
}

static int serve(void *arg, const rdl_pipe *pipe)
{
    rdl_script_engine *s = arg;
    rdl_arena arena;
    rdl_diags diags;
    rdl_engine *e = NULL;
    rdl_request q;
    rdl_clock clock;
    rdl_clock_stepped(&clock, s->clock_us);
    rdl_arena_init(&arena, 0);
    rdl_diags_init(&diags, &arena);
    const rdl_engine_config config = {.dir = s->dir,
                                      .root = s->root,
                                      .text = s->text,
                                      .load = load_options(s),
                                      .clock = &clock,
                                      .memory_bytes = SCRIPT_MEMORY,
                                      .threads = SCRIPT_THREADS};
    while (rdl_pipe_receive(pipe, &q, sizeof q)) {
        rdl_reply r = {0};
        clock.value_us = q.clock_us;
        if (q.armed)
            rdl_fault_arm(q.point, q.nth, RDL_FAULT_KILL);
        if (e == NULL) {
            r.rc = rdl_engine_open(&config, &diags, &e, &r.err);
            if (r.rc != RDL_OK)
                add_diags(&r.err, &diags);
        }
        if (r.rc == RDL_OK)
            serve_one(e, &q, &r);
        if (!rdl_pipe_send(pipe, &r, sizeof r) || e == NULL)
            break;
    }
    rdl_engine_close(e);
    rdl_arena_fini(&arena);
    return 0;
}

/* ---- in the parent ---- */

static void close_reader(rdl_script_engine *s)
{
    if (s->reader == NULL)
        return;
    rdl_reader_close(s->reader);
    rdl_arena_fini(&s->reader_arena);
    s->reader = NULL;
}

void rdl_script_engine_close(rdl_script_engine *s, bool killed)
{
    close_reader(s);
    if (s->child == NULL)
        return;
    if (killed)
        rdl_child_kill(s->child);
    (void)rdl_child_stop(s->child);
    s->child = NULL;
}

rdl_code rdl_script_ask(rdl_script_engine *s, const rdl_request *q, rdl_reply *out, bool *out_alive,
                        int *out_signal, rdl_err *err)
{
    close_reader(s);
    *out_signal = 0;
    if (s->child == NULL)
        RDL_TRY(rdl_child_start(serve, s, &s->child, err));
    const rdl_pipe *pipe = rdl_child_pipe(s->child);
    *out_alive = rdl_pipe_send(pipe, q, sizeof *q) && rdl_pipe_receive(pipe, out, sizeof *out);
    if (*out_alive && out->rc == RDL_OK)
        return RDL_OK;
    /* Dead, or the engine gave up: the next request opens what is on disk. */
    *out_signal = rdl_child_stop(s->child);
    s->child = NULL;
    return RDL_OK;
}

rdl_code rdl_script_reader(rdl_script_engine *s, rdl_reader **out, rdl_err *err)
{
    if (s->reader == NULL) {
        rdl_diags diags;
        rdl_arena_init(&s->reader_arena, 0);
        rdl_diags_init(&diags, &s->reader_arena);
        const rdl_reader_config config = {.dir = s->dir,
                                          .root = s->root,
                                          .text = s->text,
                                          .load = load_options(s),
                                          .memory_bytes = SCRIPT_MEMORY,
                                          .threads = SCRIPT_THREADS};
        rdl_code rc = rdl_reader_open(&config, &diags, &s->reader, err);
        if (rc != RDL_OK) {
            add_diags(err, &diags);
            rdl_arena_fini(&s->reader_arena);
            s->reader = NULL;
            return rc;
        }
    }
    *out = s->reader;
    return RDL_OK;
}

rdl_code rdl_script_check(rdl_script_engine *s, const char *text, bool *out_ok, rdl_buf *out,
                          rdl_err *err)
{
    rdl_arena a;
    rdl_diags diags;
    rdl_duck *duck = NULL;
    rdl_conn *conn = NULL;
    rdl_pipeline *p;
    const rdl_duck_config config = {.threads = 1};
    const rdl_load_options options = load_options(s);
    rdl_arena_init(&a, 0);
    rdl_diags_init(&diags, &a);
    rdl_code rc = rdl_duck_open(&config, &duck, err);
    if (rc == RDL_OK)
        rc = rdl_conn_open(duck, &conn, err);
    if (rc == RDL_OK) {
        rc = rdl_pipeline_load_text(&a, conn, s->dir, rdl_str_of(text), &options, &diags, &p, err);
        *out_ok = rc == RDL_OK;
        if (diags.errors > 0)
            rdl_diags_print(&diags, false, out);
        else if (rc != RDL_OK)
            rdl_buf_puts(out, err->msg);
        rc = RDL_OK;
    }
    rdl_conn_close(conn);
    rdl_duck_close(duck);
    rdl_arena_fini(&a);
    return rc;
}

/* ---- asking the reader ---- */

static void put_item(rdl_buf *out, const rdl_verify_item *item)
{
    rdl_buf_printf(out, "%s against %s: %llu of %llu differ", item->table->full.p, item->against,
                   (unsigned long long)item->differences, (unsigned long long)item->rows);
    if (item->problem[0] != '\0')
        rdl_buf_printf(out, "; %s", item->problem);
    rdl_buf_putc(out, '\n');
    for (size_t i = 0; i < item->sample_count; i++) {
        const rdl_difference *d = &item->samples[i];
        rdl_buf_printf(out, "  %s\n    expected %s\n    got      %s\n", d->key,
                       d->expected != NULL ? d->expected : "nothing",
                       d->got != NULL ? d->got : "nothing");
    }
}

rdl_code rdl_script_verify(rdl_script_engine *s, bool stores, rdl_buf *out, rdl_err *err)
{
    rdl_reader *r;
    rdl_arena a;
    rdl_verify_item *items;
    size_t n = 0;
    const rdl_verify_options options = {.samples_max = 5, .stores = stores};
    RDL_TRY(rdl_script_reader(s, &r, err));
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_verify(r, &a, &options, &items, &n, err);
    for (size_t i = 0; rc == RDL_OK && i < n; i++) {
        if (items[i].differences > 0 || items[i].problem[0] != '\0')
            put_item(out, &items[i]);
    }
    rdl_arena_fini(&a);
    return rc;
}

rdl_code rdl_script_digest(rdl_script_engine *s, rdl_buf *out, rdl_err *err)
{
    rdl_reader *r;
    rdl_arena a;
    rdl_code rc = RDL_OK;
    RDL_TRY(rdl_script_reader(s, &r, err));
    rdl_arena_init(&a, 0);
    const rdl_pipeline *p = rdl_reader_pipeline(r);
    for (size_t i = 0; rc == RDL_OK && i < p->table_count; i++) {
        const rdl_table *t = p->tables[i];
        rdl_buf sql = {0};
        char *text = NULL;
        if (t->source != NULL)
            continue;
        rdl_buf_puts(&sql,
                     "SELECT concat(count(*), ' rows, ', sum(CAST(hash(t) AS HUGEINT))) FROM ");
        rdl_buf_put_sql_ident(&sql, t->schema);
        rdl_buf_putc(&sql, '.');
        rdl_buf_put_sql_ident(&sql, t->name);
        rdl_buf_puts(&sql, " t");
        rc = rdl_query_text(rdl_reader_conn(r), &a, rdl_buf_str(&sql), &text, err);
        rdl_buf_printf(out, "%s: %s\n", t->full.p, text != NULL ? text : "");
        rdl_buf_fini(&sql);
    }
    rdl_arena_fini(&a);
    return rc;
}
