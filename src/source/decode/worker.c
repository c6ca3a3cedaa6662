/*
 * source/decode/worker.c - one thread's share of a job: fills DuckDB's chunks.
 */
#include "source/decode/internal.h"

#include <stdlib.h>

#include "base/clock.h"

static void make_node(rdl_arena *a, rdl_node *node, const rdl_type *type)
{
    node->type = type;
    switch (type->kind) {
    case RDL_TYPE_LIST:
        node->child_count = 1;
        node->children = RDL_NEWN(a, rdl_node, 1);
        make_node(a, &node->children[0], type->child);
        break;
    case RDL_TYPE_MAP:
        node->child_count = 2;
        node->children = RDL_NEWN(a, rdl_node, 2);
        make_node(a, &node->children[0], type->child);
        make_node(a, &node->children[1], type->value);
        break;
    case RDL_TYPE_STRUCT:
        node->child_count = type->field_count;
        node->children = RDL_NEWN(a, rdl_node, type->field_count);
        for (size_t i = 0; i < type->field_count; i++)
            make_node(a, &node->children[i], type->field_types[i]);
        break;
    default:
        break;
    }
}

rdl_code rdl_worker_open(void *scan, void **out_local, rdl_err *err)
{
    rdl_decode *j = scan;
    size_t n = j->field_count;
    rdl_worker *w = calloc(1, sizeof *w); /* allow: one per thread */
    if (w == NULL)
        return rdl_err_nomem(err);
    w->job = j;
    rdl_arena_init(&w->heap, 0);
    rdl_arena_init(&w->csv_arena, 0);
    w->nodes = RDL_NEWN(&w->csv_arena, rdl_node, n + 1);
    w->marks = RDL_NEWN(&w->csv_arena, uint64_t, n + 1);
    w->seen = RDL_NEWN(&w->csv_arena, uint64_t, n + 1);
    w->after = RDL_NEWN(&w->csv_arena, uint32_t, n + 1);
    w->csv_extra = RDL_NEWN(&w->csv_arena, int32_t, n + 1);
    for (size_t i = 0; i < n; i++)
        make_node(&w->csv_arena, &w->nodes[i], j->fields[i].type);
    for (size_t i = 0; i <= n; i++)
        w->after[i] = (uint32_t)i; /* the declared order, to begin with */
    *out_local = w;
    return RDL_OK;
}

void rdl_worker_close(void *local)
{
    rdl_worker *w = local;
    if (w == NULL)
        return;
    if (w->in != NULL) {
        rdl_mutex_lock(&w->job->lock);
        w->job->left = true; /* nobody asked for the rest */
        rdl_mutex_unlock(&w->job->lock);
        rdl_window_finish(w);
    }
    rdl_window_chunk(w);
    free(w->buf); /* allow: one per thread */
    rdl_chunk_free(w->scratch);
    rdl_buf_fini(&w->rescue);
    rdl_buf_fini(&w->text);
    rdl_arena_fini(&w->heap);
    rdl_arena_fini(&w->csv_arena);
    free(w); /* allow: one per thread */
}

void rdl_worker_malformed(rdl_worker *w, uint64_t at, const char *p, size_t kept, uint64_t total,
                          const char *reason)
{
    rdl_decode *j = w->job;
    rdl_malformed m = {.partition = w->in->in.partition,
                       .offset = w->record,
                       .record_at = at,
                       .shown = w->in->in.shown,
                       .bytes_total = total};
    rdl_mutex_lock(&j->lock);
    m.reason = rdl_arena_strdup(&j->malformed_arena, reason);
    m.bytes = (rdl_str){rdl_arena_strndup(&j->malformed_arena, p, kept), kept};
    RDL_PUSH(&j->malformed_arena, &j->malformed) = m;
    rdl_mutex_unlock(&j->lock);
    w->bad_done++;
}

/* ---- binding to a chunk ---- */

static void bind_node(rdl_node *node, rdl_vector *v)
{
    node->v = v;
    node->used = 0;
    node->cap = 0;
    for (size_t i = 0; i < node->child_count; i++)
        bind_node(&node->children[i], &v->children[i]);
}

static rdl_code bind(rdl_worker *w, const bool *wanted, rdl_chunk *out, rdl_err *err)
{
    size_t n = w->job->field_count;
    rdl_vector **system[] = {&w->rescued, &w->partition, &w->offset,
                             &w->file,    &w->record_at, &w->record_bytes};
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all &= wanted == NULL || wanted[i];
    if (!all && w->scratch == NULL)
        RDL_TRY(rdl_chunk_new(&w->job->schema, &w->scratch, err));
    if (!all)
        rdl_chunk_reset(w->scratch);
    for (size_t i = 0; i < n; i++)
        bind_node(&w->nodes[i], wanted == NULL || wanted[i] ? &out->v[i] : &w->scratch->v[i]);
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        *system[i] = wanted == NULL || wanted[n + i] ? &out->v[n + i] : NULL;
    w->out = out;
    w->row = w->run_from = 0;
    if (w->heap_block != NULL) {
        /* One block is kept; more are given back. */
        if (w->heap.used > 65536 + 4096) {
            rdl_arena_reset(&w->heap);
            w->heap_block = w->heap_at = w->heap_end = NULL;
        } else {
            w->heap_at = w->heap_block;
        }
    }
    rdl_window_chunk(w);
    return RDL_OK;
}

static void set_list_sizes(rdl_node *node)
{
    if (node->type->kind == RDL_TYPE_LIST || node->type->kind == RDL_TYPE_MAP)
        rdl_vector_list_set_size(node->v, node->used);
    for (size_t i = 0; i < node->child_count; i++)
        set_list_sizes(&node->children[i]);
}

/* Rows run_from..row come from the current input: say so. */
static void stamp_run(rdl_worker *w)
{
    if (w->in == NULL || w->run_from == w->row)
        return;
    if (w->partition != NULL) {
        for (size_t i = w->run_from; i < w->row; i++)
            RDL_VECTOR_AT(w->partition, int32_t, i) = w->in->in.partition;
    }
    if (w->file != NULL) {
        size_t n = strlen(w->in->in.shown);
        rdl_duck_string s = {{.n = (uint32_t)n}};
        memcpy(s.inlined, w->in->in.shown, n <= 12 ? n : 4);
        if (n > 12)
            s.pointer.p = w->in->in.shown;
        for (size_t i = w->run_from; i < w->row; i++)
            RDL_VECTOR_AT(w->file, rdl_duck_string, i) = s;
    }
    w->run_from = w->row;
}

static rdl_code parse(rdl_worker *w, rdl_err *err)
{
    if (w->in->in.records != NULL) {
        rdl_message_rows(w);
        return RDL_OK;
    }
    if (w->job->spec.format == RDL_DECODE_CSV)
        return rdl_csv_rows(w, err);
    return w->in->array ? rdl_json_array(w, err) : rdl_json_lines(w, err);
}

static bool is_read(const rdl_worker *w)
{
    if (w->in != NULL && w->in->in.records != NULL)
        return w->message == w->in->in.count;
    return w->in == NULL || w->p >= w->stop || w->hungry;
}

static rdl_code fill(rdl_worker *w, rdl_err *err)
{
    while (w->row < RDL_VECTOR_ROWS) {
        if (is_read(w)) {
            rdl_fill did;
            stamp_run(w);
            RDL_TRY(rdl_window_next(w, &did, err));
            if (did != RDL_FILL_READY)
                return RDL_OK;
        }
        RDL_TRY(parse(w, err));
    }
    return RDL_OK;
}

rdl_code rdl_worker_next(void *scan, void *local, const bool *wanted, rdl_chunk *out, rdl_err *err)
{
    rdl_decode *j = scan;
    rdl_worker *w = local;
    int64_t began = rdl_monotonic_us();
    rdl_code rc = bind(w, wanted, out, err);
    if (rc == RDL_OK)
        rc = fill(w, err);
    if (rc != RDL_OK) {
        rdl_job_fail(j);
        return rc;
    }
    stamp_run(w);
    for (size_t i = 0; j->nested && i < j->field_count; i++)
        set_list_sizes(&w->nodes[i]);
    out->rows = w->row;
    atomic_fetch_add(&j->rows, w->rows_done);
    atomic_fetch_add(&j->bad, w->bad_done);
    atomic_fetch_add(&j->rescued, w->rescued_done);
    atomic_fetch_add(&j->bytes, w->bytes_done);
    w->rows_done = w->bad_done = w->rescued_done = w->bytes_done = 0;
    atomic_fetch_add(&j->first->busy_us, (uint64_t)(rdl_monotonic_us() - began));
    return RDL_OK;
}
