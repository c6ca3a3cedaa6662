/*
 * batch/report.c - one run of a report, from parameters to files.
 *
 *   1  parameters become DuckDB variables; the lake files that the body cannot need are left out
 *   2  the body's rows become a table, and its groups with a digest of their rows another
 *   3  groups whose file has that digest are passed over
 *   4  the others are rendered in the report's total order, each file whole
 *   5  files of groups that are gone are removed
 */
#include "batch/report_internal.h"

enum { PIECE_BYTES = 1 << 20 };

typedef struct writing {
    rdl_reporting *x;
    rdl_rendering *render;
    rdl_report_files *files; /* NULL: the sink */
    const rdl_report_group *groups;
    rdl_buf out;
} writing;

static rdl_code send(writing *w, rdl_err *err)
{
    const rdl_report_sink *sink = w->x->request->sink;
    rdl_code rc = RDL_OK;
    w->x->result->bytes += w->out.n;
    if (w->out.n > 0)
        rc = w->files != NULL ? rdl_report_files_put(w->files, w->out.p, w->out.n, err)
                              : sink->put(sink->arg, w->out.p, w->out.n, err);
    rdl_buf_clear(&w->out);
    return rc;
}

static rdl_code begin(void *arg, size_t group, const rdl_str *names, size_t n, rdl_err *err)
{
    writing *w = arg;
    const rdl_report_sink *sink = w->x->request->sink;
    const rdl_report_group *g = &w->groups[group];
    if (w->files != NULL)
        RDL_TRY(rdl_report_files_begin(w->files, g, err));
    else if (sink->begin != NULL)
        RDL_TRY(sink->begin(sink->arg, g->path, err));
    rdl_render_begin(w->render, names, n, &w->out);
    return RDL_OK;
}

static rdl_code row(void *arg, const rdl_str *cells, rdl_err *err)
{
    writing *w = arg;
    w->x->result->rows++;
    rdl_render_row(w->render, cells, &w->out);
    return w->out.n >= PIECE_BYTES ? send(w, err) : RDL_OK;
}

static rdl_code end(void *arg, rdl_err *err)
{
    writing *w = arg;
    rdl_render_end(w->render, &w->out);
    RDL_TRY(send(w, err));
    return w->files != NULL ? rdl_report_files_end(w->files, err) : RDL_OK;
}

static rdl_code write_groups(writing *w, rdl_err *err)
{
    rdl_report_group *groups = NULL;
    size_t n = 0;
    const rdl_report_visit visit = {begin, row, end, w};
    RDL_TRY(rdl_report_groups(w->x, &groups, &n, err));
    w->groups = groups;
    w->x->result->files = n;
    if (w->files != NULL)
        RDL_TRY(rdl_report_files_plan(w->files, groups, n, err));
    RDL_TRY(rdl_rendering_new(w->x, &w->render, err));
    RDL_TRY(rdl_report_walk(w->x, groups, n, &visit, err));
    return w->files != NULL ? rdl_report_files_finish(w->files, err) : RDL_OK;
}

static rdl_code run(rdl_reporting *x, rdl_err *err)
{
    writing w = {.x = x};
    RDL_TRY(rdl_report_bind(x, err));
    RDL_TRY(rdl_report_compute(x, err));
    rdl_code rc = RDL_OK;
    if (x->request->sink == NULL)
        rc = rdl_report_files_open(x, &w.files, err);
    if (rc == RDL_OK)
        rc = write_groups(&w, err);
    rdl_rendering_free(w.render);
    rdl_report_files_close(w.files);
    rdl_buf_fini(&w.out);
    return rc;
}

rdl_code rdl_report_run(rdl_reader *r, const rdl_report *report, const rdl_report_request *request,
                        rdl_report_result *out, rdl_err *err)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    *out = (rdl_report_result){.epoch = rdl_reader_cut(r)->epoch};
    rdl_reporting x = {.a = &a,
                       .r = r,
                       .conn = rdl_reader_conn(r),
                       .report = report,
                       .request = request,
                       .format = request->has_format ? request->format : report->format,
                       .result = out};
    x.fingerprint = rdl_report_fingerprint(&a, rdl_reader_pipeline(r), report);
    rdl_code rc = run(&x, err);
    rdl_arena_fini(&a);
    return rdl_err_in(rc, err, "report %s", report->name.p);
}

bool rdl_report_is_behind(rdl_reader *r, const rdl_report *report, const rdl_report_state *last)
{
    const rdl_cut *cut = rdl_reader_cut(r);
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_hash128 now = rdl_report_fingerprint(&a, rdl_reader_pipeline(r), report);
    rdl_arena_fini(&a);
    if (last->epoch == 0 || !rdl_hash128_eq(last->fingerprint, now))
        return true;
    for (size_t i = 0; i < report->input_count; i++) {
        const rdl_table *t = report->inputs[i].table;
        if (rdl_history_table(cut->history, t->full)->last_changed > last->epoch)
            return true;
        const rdl_snapshot_history *s = rdl_history_snapshot(cut->history, t->full);
        if (t->kind == RDL_TABLE_SNAPSHOT && s != NULL && s->epoch > last->epoch)
            return true;
    }
    return false;
}
