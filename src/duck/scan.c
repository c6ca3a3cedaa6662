/*
 * duck/scan.c - rdl_scan('name'): rows of ours as a table of DuckDB's.
 *
 *   bind        finds the registered scan by name, gives its columns and estimate
 *   init        which columns are read (projection), how many threads; a pass begins
 *   local init  one set of views for each thread
 *   function    a chunk: views are bound to the projected vectors, then next fills them; the
 *               first opens the thread's rdl_scan_ops local (before it, the pass is not known)
 *
 * An entry is counted: dropping a name while a query still runs takes the name away and
 * leaves the entry to the query.  A failing scan leaves its rdl_err with the connection
 * whose statement reads it (rdl_conn_scan_failed), and DuckDB only its text.
 */
#include "duck/handles.h"

#include <stdatomic.h>
#include <stdlib.h>

struct rdl_scan_entry {
    rdl_scan_entry *next; /* under duck->lock */
    atomic_uint refs;
    char *name;
    rdl_arena arena; /* schema */
    rdl_schema schema;
    rdl_scan_ops ops;
    void *scan;
};

typedef struct scan_bind {
    rdl_duck *duck;
    rdl_scan_entry *entry; /* counted */
    uint64_t conn_id;
} scan_bind;

/* One reading: counted by the query's state and by each thread's. */
typedef struct scan_pass {
    atomic_uint refs;
    rdl_scan_entry *entry; /* counted */
    void *pass;            /* what the ops get; NULL: it did not open */
} scan_pass;

typedef struct scan_init {
    scan_pass *pass;
    size_t n;     /* projected columns */
    size_t *from; /* their indexes in the registered schema; SIZE_MAX: none of ours */
    bool *wanted; /* by registered column */
    rdl_arena arena;
} scan_init;

typedef struct scan_local {
    const scan_bind *bind;
    scan_pass *pass;
    void *local;
    rdl_chunk chunk; /* registered columns */
    bool done;
    rdl_arena arena;
} scan_local;

static void entry_release(rdl_scan_entry *e);

/* ---- passes ---- */

static rdl_code pass_open(rdl_scan_entry *e, scan_pass **out, rdl_err *err)
{
    scan_pass *p = calloc(1, sizeof *p); /* allow: freed by pass_release */
    if (p == NULL)
        return rdl_err_nomem(err);
    atomic_init(&p->refs, 1);
    atomic_fetch_add(&e->refs, 1);
    p->entry = e;
    *out = p;
    if (e->ops.open_pass != NULL)
        return e->ops.open_pass(e->scan, &p->pass, err);
    p->pass = e->scan;
    return RDL_OK;
}

static void pass_release(scan_pass *p)
{
    if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    rdl_scan_entry *e = p->entry;
    if (p->pass != NULL && e->ops.open_pass != NULL && e->ops.close_pass != NULL)
        e->ops.close_pass(e->scan, p->pass);
    entry_release(e);
    free(p); /* allow: see pass_open */
}

/* ---- the registry ---- */

static void entry_release(rdl_scan_entry *e)
{
    if (atomic_fetch_sub(&e->refs, 1) != 1)
        return;
    rdl_arena_fini(&e->arena);
    free(e->name); /* allow: see rdl_scan_register */
    free(e);       /* allow: see rdl_scan_register */
}

/* Deep copy: the caller's schema need not outlive the registration.  Types may be shared
 * constants or the caller's; they are made ours by printing and reading them. */
static rdl_code copy_schema(rdl_arena *a, const rdl_schema *from, rdl_schema *out, rdl_err *err)
{
    rdl_buf text = {0};
    rdl_code rc = RDL_OK;
    *out = (rdl_schema){RDL_NEWN(a, rdl_column, from->n), from->n};
    for (size_t i = 0; i < from->n && rc == RDL_OK; i++) {
        rdl_str name = from->v[i].name;
        out->v[i].name = (rdl_str){rdl_arena_strndup(a, name.p, name.n), name.n};
        rdl_buf_clear(&text);
        rdl_type_print(from->v[i].type, &text);
        rc = rdl_type_parse(a, (rdl_str){rdl_buf_str(&text), text.n}, &out->v[i].type, err);
    }
    rdl_buf_fini(&text);
    return rc;
}

static rdl_scan_entry **find_entry(rdl_duck *d, const char *name)
{
    rdl_scan_entry **at = &d->scans;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

rdl_code rdl_scan_register(rdl_duck *d, const char *name, const rdl_schema *schema,
                           const rdl_scan_ops *ops, void *scan, rdl_err *err)
{
    rdl_scan_entry *e = calloc(1, sizeof *e); /* allow: freed by entry_release */
    if (e == NULL)
        return rdl_err_nomem(err);
    atomic_init(&e->refs, 1);
    rdl_arena_init(&e->arena, 0);
    e->ops = *ops;
    e->scan = scan;
    e->name = strdup(name); /* allow: freed by entry_release */
    rdl_code rc =
        e->name == NULL ? rdl_err_nomem(err) : copy_schema(&e->arena, schema, &e->schema, err);
    if (rc == RDL_OK) {
        rdl_mutex_lock(&d->lock);
        if (*find_entry(d, name) != NULL) {
            rc = rdl_err_set(err, RDL_EBUG, 0, "scan \"%s\" is registered already", name);
        } else {
            e->next = d->scans;
            d->scans = e;
        }
        rdl_mutex_unlock(&d->lock);
    }
    if (rc != RDL_OK)
        entry_release(e);
    return rc;
}

void rdl_scan_drop(rdl_duck *d, const char *name)
{
    rdl_mutex_lock(&d->lock);
    rdl_scan_entry **at = find_entry(d, name), *e = *at;
    if (e != NULL)
        *at = e->next;
    rdl_mutex_unlock(&d->lock);
    if (e != NULL)
        entry_release(e);
}

void rdl_scans_free(rdl_duck *d)
{
    while (d->scans != NULL) {
        rdl_scan_entry *e = d->scans;
        d->scans = e->next;
        entry_release(e);
    }
}

/* ---- the table function ---- */

static void bind_free(void *p)
{
    scan_bind *b = p;
    entry_release(b->entry);
    free(b); /* allow: see scan_bind_fn */
}

static uint64_t connection_of(duckdb_bind_info info)
{
    duckdb_client_context context = NULL;
    duckdb_table_function_get_client_context(info, &context);
    uint64_t id = duckdb_client_context_get_connection_id(context);
    duckdb_destroy_client_context(&context);
    return id;
}

static void add_columns(duckdb_bind_info info, const rdl_scan_entry *e)
{
    rdl_buf name = {0};
    for (size_t i = 0; i < e->schema.n; i++) {
        duckdb_logical_type t = rdl_type_to_duck(e->schema.v[i].type);
        rdl_buf_clear(&name);
        rdl_buf_put(&name, e->schema.v[i].name.p, e->schema.v[i].name.n);
        duckdb_bind_add_result_column(info, rdl_buf_str(&name), t);
        duckdb_destroy_logical_type(&t);
    }
    rdl_buf_fini(&name);
    if (e->ops.rows_estimate != 0)
        duckdb_bind_set_cardinality(info, e->ops.rows_estimate, false);
}

static void scan_bind_fn(duckdb_bind_info info)
{
    rdl_duck *d = duckdb_bind_get_extra_info(info);
    duckdb_value value = duckdb_bind_get_parameter(info, 0);
    char *name = duckdb_get_varchar(value);
    scan_bind *b = calloc(1, sizeof *b); /* allow: DuckDB frees it by bind_free */
    duckdb_destroy_value(&value);
    if (b == NULL || name == NULL) {
        duckdb_bind_set_error(info, "out of memory, or no name was given to rdl_scan");
        goto fail;
    }
    rdl_mutex_lock(&d->lock);
    b->entry = *find_entry(d, name);
    if (b->entry != NULL)
        atomic_fetch_add(&b->entry->refs, 1);
    rdl_mutex_unlock(&d->lock);
    if (b->entry == NULL) {
        rdl_buf message = {0};
        rdl_buf_printf(&message, "no scan \"%s\" is registered", name);
        duckdb_bind_set_error(info, rdl_buf_str(&message));
        rdl_buf_fini(&message);
        goto fail;
    }
    b->duck = d;
    b->conn_id = connection_of(info);
    add_columns(info, b->entry);
    duckdb_bind_set_bind_data(info, b, bind_free);
    duckdb_free(name);
    return;
fail:
    duckdb_free(name);
    free(b); /* allow: see calloc above */
}

static void init_free(void *p)
{
    scan_init *s = p;
    pass_release(s->pass);
    rdl_arena_fini(&s->arena);
    free(s); /* allow: see scan_init_fn */
}

static void scan_init_fn(duckdb_init_info info)
{
    const scan_bind *b = duckdb_init_get_bind_data(info);
    size_t columns = b->entry->schema.n;
    scan_init *s = calloc(1, sizeof *s); /* allow: DuckDB frees it by init_free */
    if (s == NULL) {
        duckdb_init_set_error(info, "out of memory");
        return;
    }
    rdl_arena_init(&s->arena, 0);
    s->n = duckdb_init_get_column_count(info);
    s->from = RDL_NEWN(&s->arena, size_t, s->n);
    s->wanted = RDL_NEWN(&s->arena, bool, columns);
    for (size_t i = 0; i < s->n; i++) {
        size_t at = duckdb_init_get_column_index(info, i);
        s->from[i] = at < columns ? at : SIZE_MAX; /* a virtual column */
        if (at < columns)
            s->wanted[at] = true;
    }
    duckdb_init_set_max_threads(info,
                                b->entry->ops.threads_max > 0 ? b->entry->ops.threads_max : 1);
    duckdb_init_set_init_data(info, s, init_free);
    rdl_err err = {0};
    if (pass_open(b->entry, &s->pass, &err) != RDL_OK) {
        rdl_conn_scan_failed(b->duck, b->conn_id, &err);
        duckdb_init_set_error(info, err.msg);
    }
}

static void local_free(void *p)
{
    scan_local *l = p;
    if (l->local != NULL && l->bind->entry->ops.close_local != NULL)
        l->bind->entry->ops.close_local(l->local);
    pass_release(l->pass);
    rdl_arena_fini(&l->arena);
    free(l); /* allow: see scan_local_fn */
}

static void scan_local_fn(duckdb_init_info info)
{
    const scan_bind *b = duckdb_init_get_bind_data(info);
    const rdl_schema *schema = &b->entry->schema;
    scan_local *l = calloc(1, sizeof *l); /* allow: DuckDB frees it by local_free */
    if (l == NULL) {
        duckdb_init_set_error(info, "out of memory");
        return;
    }
    rdl_arena_init(&l->arena, 0);
    l->bind = b;
    l->chunk = (rdl_chunk){.n = schema->n, .v = RDL_NEWN(&l->arena, rdl_vector, schema->n)};
    for (size_t i = 0; i < schema->n; i++)
        rdl_vector_shape(&l->arena, schema->v[i].type, &l->chunk.v[i]);
    duckdb_init_set_init_data(info, l, local_free);
}

/* The thread's first chunk: only now is it known which pass it belongs to. */
static rdl_code join_pass(scan_local *l, const scan_init *s, rdl_err *err)
{
    const rdl_scan_ops *ops = &s->pass->entry->ops;
    l->pass = s->pass;
    atomic_fetch_add(&l->pass->refs, 1);
    rdl_code rc = ops->open_local != NULL ? ops->open_local(l->pass->pass, &l->local, err) : RDL_OK;
    if (rc != RDL_OK)
        l->local = NULL;
    return rc;
}

static void scan_fn(duckdb_function_info info, duckdb_data_chunk output)
{
    const scan_init *s = duckdb_function_get_init_data(info);
    scan_local *l = duckdb_function_get_local_init_data(info);
    const rdl_scan_entry *e = l->bind->entry;
    rdl_err err = {0};

    l->chunk.rows = 0;
    l->chunk.handle = output;
    for (size_t i = 0; i < s->n; i++)
        if (s->from[i] != SIZE_MAX)
            rdl_vector_bind(&l->chunk.v[s->from[i]], duckdb_data_chunk_get_vector(output, i));
    rdl_code rc = l->pass == NULL ? join_pass(l, s, &err) : RDL_OK;
    if (rc == RDL_OK && !l->done)
        rc = e->ops.next(l->pass->pass, l->local, s->wanted, &l->chunk, &err);
    if (rc != RDL_OK) {
        rdl_conn_scan_failed(l->bind->duck, l->bind->conn_id, &err);
        duckdb_function_set_error(info, err.msg);
        l->chunk.rows = 0;
    }
    l->done = l->done || l->chunk.rows == 0;
    duckdb_data_chunk_set_size(output, l->chunk.rows);
}

rdl_code rdl_scan_function_register(rdl_duck *d, duckdb_connection c, rdl_err *err)
{
    const rdl_table_function f = {.name = "rdl_scan",
                                  .parameters = 1,
                                  .bind = scan_bind_fn,
                                  .init = scan_init_fn,
                                  .init_local = scan_local_fn,
                                  .read = scan_fn};
    return rdl_table_function_register(d, c, &f, err);
}
