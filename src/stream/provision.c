/*
 * stream/provision.c - see the header.
 */
#include "stream/provision.h"

#include <inttypes.h>

#include "base/fs.h"
#include "base/url.h"
#include "stream/destination.h"
#include "stream/source_spec.h"

typedef struct job {
    const rdl_provision_config *config;
    rdl_provision_report *report;
    rdl_arena arena;
    rdl_map said; /* statements of the store at hand: a dry run would tell one for each table */
    rdl_str shown;
    const rdl_sink_ops *ops;
    rdl_sink *sink;
    rdl_err last; /* refusal, not told yet */
} job;

static rdl_code say(void *arg, const char *sql, rdl_err *err)
{
    job *j = arg;
    rdl_str key = rdl_str_of(rdl_arena_strdup(&j->arena, sql));
    if (rdl_map_has(&j->said, key))
        return RDL_OK;
    rdl_map_put(&j->said, key, j);
    j->report->statements++;
    return j->config->statement(j->config->arg, j->shown, sql, err);
}

/* ---- seeds ---- */

static rdl_code refuse_malformed(const rdl_publication *seed, rdl_decode *d, rdl_err *err)
{
    size_t n = 0;
    const rdl_malformed *m = rdl_decode_malformed(d, &n);
    rdl_err_set(err, RDL_EDATA, 0, "malformed record %" PRIu64 " in \"%s\": %s", m[0].offset,
                m[0].shown, m[0].reason);
    rdl_err_hint(err, "Mend the record: a seed is loaded whole or not at all.");
    (void)seed;
    return RDL_EDATA;
}

/* A value that is not of its column's type would be null there. */
static rdl_code check_rescued(job *j, const rdl_decode_counts *counts, rdl_err *err)
{
    char *text = NULL;
    if (counts->rescued == 0)
        return RDL_OK;
    RDL_TRY(rdl_query_text(j->config->conn, &j->arena,
                           "SELECT 'record ' || _source_offset || ' of \"' || _source_file || "
                           "'\": ' || _rescued FROM rdl_seed WHERE _rescued IS NOT NULL ORDER BY "
                           "_source_offset LIMIT 1",
                           &text, err));
    rdl_err_set(err, RDL_EDATA, 0, "%" PRIu64 " records have fields that fit no column, as %s",
                counts->rescued, text != NULL ? text : "(none)");
    return rdl_err_hint(err, "Declare the columns as the file has them.");
}

static rdl_code read_seed(job *j, const rdl_publication *seed, rdl_decode **decode, rdl_err *err)
{
    const rdl_source_def *s = seed->table->source;
    const rdl_pipeline *p = j->config->pipeline;
    const char *shown = rdl_arena_strndup(&j->arena, s->url.p, s->url.n);
    const rdl_decode_input input = {.path = rdl_path_join(&j->arena, p->dir, shown),
                                    .shown = shown};
    rdl_decode_spec spec;
    rdl_decode_counts counts;
    rdl_source_spec(&j->arena, s, &spec);
    RDL_TRY(rdl_decode_register(j->config->duck, "seed", &spec, &input, 1, decode, err));
    RDL_TRY(rdl_exec(j->config->conn,
                     "CREATE OR REPLACE TEMP TABLE rdl_seed AS FROM rdl_scan('seed')", err));
    rdl_decode_result(*decode, &counts);
    if (counts.malformed > 0)
        return refuse_malformed(seed, *decode, err);
    return check_rescued(j, &counts, err);
}

static rdl_code send_seed(job *j, const rdl_publication *seed, const rdl_sink_table *table,
                          uint64_t *out_rows, rdl_err *err)
{
    const rdl_sink_batch batch = {.seed = true};
    rdl_buf sql = {0};
    rdl_result *rows = NULL;
    const rdl_chunk *chunk;
    rdl_buf_puts(&sql, "SELECT ");
    for (size_t i = 0; i < seed->table->columns.n; i++) {
        rdl_buf_puts(&sql, i != 0 ? ", " : "");
        rdl_buf_put_sql_ident(&sql, seed->table->columns.v[i].name);
    }
    rdl_buf_puts(&sql, " FROM rdl_seed ORDER BY _source_offset");
    rdl_code rc = rdl_query(j->config->conn, rdl_buf_str(&sql), &rows, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    *out_rows = rdl_result_rows(rows);
    rc = j->ops->begin(j->sink, table, &batch, err);
    if (rc == RDL_OK) {
        while (rc == RDL_OK && rdl_result_next(rows, &chunk))
            rc = j->ops->upsert(j->sink, chunk, err);
        if (rc == RDL_OK)
            rc = rdl_result_end(rows, err);
        if (rc == RDL_OK)
            rc = j->ops->commit(j->sink, err);
        else
            j->ops->abort(j->sink);
    }
    rdl_result_free(rows);
    return rc;
}

static rdl_code load_seed(job *j, const rdl_publication *seed, const rdl_sink_table *table,
                          rdl_err *err)
{
    rdl_decode *decode = NULL;
    uint64_t rows = 0;
    int64_t count = 0;
    rdl_code rc = rdl_err_area(read_seed(j, seed, &decode, err), err, RDL_AREA_SOURCE);
    if (rc == RDL_OK && j->config->dry_run)
        rc = rdl_query_i64(j->config->conn, "SELECT count(*) FROM rdl_seed", &count, err);
    else if (rc == RDL_OK)
        rc = rdl_err_area(send_seed(j, seed, table, &rows, err), err, RDL_AREA_SINK);
    rdl_decode_free(decode);
    rc = rdl_err_in(rc, err, "seed %s", seed->table->full.p);
    RDL_TRY(rc);
    j->report->seeds++;
    return j->config->seeded(j->config->arg, seed, j->config->dry_run ? (uint64_t)count : rows,
                             err);
}

/* ---- tables ---- */

static bool wanted(const job *j, const rdl_publication *p)
{
    for (size_t i = 0; i < j->config->table_count; i++)
        if (j->config->tables[i] == p->table)
            return true;
    return j->config->table_count == 0;
}

/* The others may fit, and who provisions wants to hear of all at once. */
static rdl_code note_refusal(job *j, rdl_code rc, rdl_err *err)
{
    if (rc != RDL_ESCHEMA && rc != RDL_ECONFLICT && rc != RDL_EDATA)
        return rc;
    if (j->report->refused++ > 0)
        j->config->refused(j->config->arg, &j->last);
    j->last = *err;
    *err = (rdl_err){0};
    return RDL_OK;
}

static rdl_code provision(job *j, const rdl_publication *p, bool seed, rdl_err *err)
{
    rdl_sink_table *table = RDL_NEW(&j->arena, rdl_sink_table);
    rdl_sink_table_of(&j->arena, p, table);
    rdl_code rc = rdl_err_area(j->ops->provision(j->sink, table, say, j, err), err, RDL_AREA_SINK);
    j->report->tables++;
    if (rc == RDL_OK && seed)
        rc = load_seed(j, p, table, err);
    return rc == RDL_OK ? RDL_OK : note_refusal(j, rc, err);
}

static rdl_code provision_list(job *j, rdl_publication *const *list, size_t n, rdl_str url,
                               bool seeds, rdl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (rdl_str_eq(list[i]->url, url) && wanted(j, list[i]))
            RDL_TRY(provision(j, list[i], seeds, err));
    }
    return RDL_OK;
}

static rdl_code provision_store(job *j, rdl_str url, rdl_err *err)
{
    const rdl_provision_config *c = j->config;
    const rdl_pipeline *p = c->pipeline;
    const rdl_sink_config config = {.url = rdl_arena_strndup(&j->arena, url.p, url.n),
                                    .root_dir = c->root_dir,
                                    .root_uuid = "",
                                    .read_only = c->dry_run};
    rdl_map_init(&j->said, &j->arena);
    j->shown = rdl_url_shown(&j->arena, url);
    RDL_TRY(rdl_sink_find(url, &j->ops, err));
    if (!c->dry_run && strcmp(j->ops->kind, "sqlite") == 0)
        RDL_TRY(rdl_fs_mkdirs(c->root_dir, err));
    RDL_TRY(rdl_err_area(j->ops->open(&config, &j->sink, err), err, RDL_AREA_SINK));
    j->report->stores++;
    rdl_code rc = provision_list(j, p->publications, p->publication_count, url, false, err);
    if (rc == RDL_OK)
        rc = provision_list(j, p->seeds, p->seed_count, url, true, err);
    j->ops->close(j->sink);
    j->sink = NULL;
    return rc;
}

static rdl_code each_store(job *j, rdl_publication *const *list, size_t n, rdl_map *done,
                           rdl_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!wanted(j, list[i]) || rdl_map_has(done, list[i]->url))
            continue;
        rdl_map_put(done, list[i]->url, j);
        RDL_TRY(provision_store(j, list[i]->url, err));
    }
    return RDL_OK;
}

rdl_code rdl_provision(const rdl_provision_config *config, rdl_provision_report *out, rdl_err *err)
{
    job j = {.config = config, .report = out};
    rdl_map done;
    const rdl_pipeline *p = config->pipeline;
    *out = (rdl_provision_report){0};
    rdl_arena_init(&j.arena, 0);
    rdl_map_init(&done, &j.arena);
    rdl_code rc = each_store(&j, p->publications, p->publication_count, &done, err);
    if (rc == RDL_OK)
        rc = each_store(&j, p->seeds, p->seed_count, &done, err);
    rdl_arena_fini(&j.arena);
    if (rc != RDL_OK || out->refused == 0)
        return rc;
    *err = j.last;
    return j.last.code;
}
