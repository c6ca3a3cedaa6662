/*
 * duck/duck.c - the database, its connections, and statements without results.
 *
 * Settings are made at open and then locked: a pipeline's SQL cannot change the time zone,
 * raise the memory limit or load an extension.  errors_as_json and TimeZone are global, so
 * that each connection has them from its first statement.
 */
#include "duck/handles.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "duck/functions.h"
#include "duck/kept.h"
#include "duck/local_day.h"

enum { SMALL_MEMORY_BYTES = 512 << 20 };

static rdl_code
set_option(duckdb_config cf, const char *name, const char *value, rdl_err *err)
{
    if (duckdb_set_config(cf, name, value) == DuckDBSuccess)
        return RDL_OK;
    return rdl_err_set(err, RDL_EUSAGE, 0, "could not set DuckDB's option \"%s\" to \"%s\"",
                       name, value);
}

static rdl_code configure(const rdl_duck_config *config, duckdb_config cf, rdl_err *err)
{
    static const char *const fixed[][2] = {
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"allow_persistent_secrets", "false"},
        {"preserve_insertion_order", "false"},
        /* Segments and lake files are read once or twice, and the kernel keeps them. */
        {"enable_external_file_cache", "false"},
        {"default_null_order", "nulls_last"},
        {"errors_as_json", "true"},
    };
    char number[32];

    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        RDL_TRY(set_option(cf, fixed[i][0], fixed[i][1], err));
    if (config->memory_bytes != 0) {
        snprintf(number, sizeof number, "%" PRIu64 "B", config->memory_bytes);
        RDL_TRY(set_option(cf, "memory_limit", number, err));
    }
    /* A partitioned COPY holds what it has not flushed for each thread and open file, and none
     * of that spills: a small budget has one thread, small buffers and few open files. */
    bool small = config->memory_bytes != 0 && config->memory_bytes < SMALL_MEMORY_BYTES;
    unsigned threads = config->threads == 0 && small ? 1 : config->threads;
    if (threads != 0) {
        snprintf(number, sizeof number, "%u", threads);
        RDL_TRY(set_option(cf, "threads", number, err));
    }
    if (small) {
        RDL_TRY(set_option(cf, "partitioned_write_flush_threshold", "8192", err));
        RDL_TRY(set_option(cf, "partitioned_write_max_open_files", "4", err));
    }
    return set_option(cf, "temp_directory",
                      config->temp_dir != NULL ? config->temp_dir : "", err);
}

static rdl_code
open_database(const rdl_duck_config *config, duckdb_database *out, rdl_err *err)
{
    duckdb_config cf = NULL;
    char *why = NULL;
    rdl_code rc = RDL_OK;

    if (duckdb_create_config(&cf) != DuckDBSuccess)
        return rdl_err_nomem(err);
    RDL_TRY_OUT(configure(config, cf, err));
    if (duckdb_open_ext(":memory:", out, cf, &why) != DuckDBSuccess) {
        rc = rdl_duck_error(err, why, DUCKDB_ERROR_INVALID);
        duckdb_free(why);
        rc = rdl_err_in(rc, err, "open DuckDB");
    }
out:
    duckdb_destroy_config(&cf);
    return rc;
}

/* What only a connection can do, once per database. */
static rdl_code prepare_database(rdl_duck *d, rdl_err *err)
{
    rdl_conn *c = NULL;
    rdl_code rc = RDL_OK;

    RDL_TRY(rdl_conn_open(d, &c, err));
    RDL_TRY_OUT(rdl_exec(c, "SET GLOBAL TimeZone = 'UTC'", err));
    RDL_TRY_OUT(rdl_functions_register(c, err));
    RDL_TRY_OUT(rdl_scan_function_register(d, c->handle, err));
    RDL_TRY_OUT(rdl_held_function_register(d, c->handle, err));
    RDL_TRY_OUT(rdl_packed_function_register(d, c->handle, err));
    RDL_TRY_OUT(rdl_exec(c, "SET GLOBAL lock_configuration = true", err));
out:
    rdl_conn_close(c);
    return rc;
}

rdl_code rdl_duck_open(const rdl_duck_config *config, rdl_duck **out, rdl_err *err)
{
    rdl_duck *d = calloc(1, sizeof *d); /* allow: long-lived, freed by rdl_duck_close */
    if (d == NULL)
        return rdl_err_nomem(err);
    rdl_mutex_init(&d->lock);
    rdl_code rc = open_database(config, &d->db, err);
    if (rc == RDL_OK)
        rc = prepare_database(d, err);
    if (rc != RDL_OK) {
        rdl_duck_close(d);
        return rc;
    }
    *out = d;
    return RDL_OK;
}

void rdl_duck_close(rdl_duck *d)
{
    if (d == NULL)
        return;
    duckdb_close(&d->db);
    rdl_scans_free(d);
    rdl_helds_free(d);
    rdl_local_zones_free(d);
    rdl_mutex_fini(&d->lock);
    free(d); /* allow: long-lived */
}

const char *rdl_duck_version(void)
{
    return duckdb_library_version();
}

/* ---- connections ---- */

rdl_code rdl_conn_open(rdl_duck *d, rdl_conn **out, rdl_err *err)
{
    duckdb_client_context context = NULL;
    rdl_conn *c = calloc(1, sizeof *c); /* allow: long-lived, freed by rdl_conn_close */
    if (c == NULL)
        return rdl_err_nomem(err);
    if (duckdb_connect(d->db, &c->handle) != DuckDBSuccess) {
        free(c); /* allow: see calloc above */
        return rdl_err_set(err, RDL_ENOMEM, 0, "could not connect to DuckDB");
    }
    c->duck = d;
    duckdb_connection_get_client_context(c->handle, &context);
    c->id = duckdb_client_context_get_connection_id(context);
    duckdb_destroy_client_context(&context);
    rdl_mutex_lock(&d->lock);
    c->next = d->conns;
    d->conns = c;
    rdl_mutex_unlock(&d->lock);
    *out = c;
    return RDL_OK;
}

void rdl_conn_close(rdl_conn *c)
{
    if (c == NULL)
        return;
    rdl_mutex_lock(&c->duck->lock);
    rdl_conn **at = &c->duck->conns;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    rdl_mutex_unlock(&c->duck->lock);
    rdl_kept_free(c);
    duckdb_destroy_prepare(&c->to_tree);
    duckdb_destroy_prepare(&c->from_tree);
    duckdb_disconnect(&c->handle);
    free(c); /* allow: long-lived */
}

void rdl_conn_interrupt(rdl_conn *c)
{
    duckdb_interrupt(c->handle);
}

void rdl_conn_begin_statement(rdl_conn *c)
{
    rdl_mutex_lock(&c->duck->lock);
    c->scan_failed = false;
    rdl_mutex_unlock(&c->duck->lock);
}

void rdl_conn_scan_failed(rdl_duck *d, uint64_t conn_id, const rdl_err *err)
{
    rdl_mutex_lock(&d->lock);
    for (rdl_conn *c = d->conns; c != NULL; c = c->next) {
        if (c->id == conn_id && !c->scan_failed) { /* the first to fail tells why */
            c->scan_failed = true;
            c->scan_err = *err;
        }
    }
    rdl_mutex_unlock(&d->lock);
}

rdl_code
rdl_conn_error(rdl_conn *c, rdl_err *err, const char *text, duckdb_error_type fallback)
{
    bool scan = false;
    rdl_mutex_lock(&c->duck->lock);
    if (c->scan_failed) {
        *err = c->scan_err;
        c->scan_failed = false;
        scan = true;
    }
    rdl_mutex_unlock(&c->duck->lock);
    return scan ? err->code : rdl_duck_error(err, text, fallback);
}

/* ---- statements without a result ---- */

/* INSERT, UPDATE, DELETE, COPY say it themselves; CREATE TABLE AS in a column "Count". */
static uint64_t rows_changed(duckdb_result *r)
{
    uint64_t changed = 0;
    if (duckdb_result_return_type(*r) == DUCKDB_RESULT_TYPE_CHANGED_ROWS)
        return duckdb_rows_changed(r);
    if (duckdb_result_statement_type(*r) != DUCKDB_STATEMENT_TYPE_CREATE ||
        duckdb_column_count(r) != 1 || duckdb_column_type(r, 0) != DUCKDB_TYPE_BIGINT)
        return 0;
    duckdb_data_chunk chunk = duckdb_fetch_chunk(*r);
    if (chunk != NULL && duckdb_data_chunk_get_size(chunk) != 0)
        changed =
            *(uint64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    duckdb_destroy_data_chunk(&chunk);
    return changed;
}

rdl_code rdl_exec(rdl_conn *c, const char *sql, rdl_err *err)
{
    duckdb_result r;
    rdl_code rc = RDL_OK;

    rdl_conn_begin_statement(c);
    c->changed = 0;
    if (rdl_duck_run(c->handle, sql, &r) != DuckDBSuccess)
        rc = rdl_conn_error(c, err, duckdb_result_error(&r), duckdb_result_error_type(&r));
    else
        c->changed = rows_changed(&r);
    duckdb_destroy_result(&r);
    return rc;
}

static void put_formatted(rdl_buf *sql, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        return;
    rdl_buf_reserve(sql, (size_t)n + 1);
    vsnprintf(sql->p, (size_t)n + 1, fmt, ap);
    sql->n = (size_t)n;
}

rdl_code rdl_execf(rdl_conn *c, rdl_err *err, const char *fmt, ...)
{
    rdl_buf sql = {0};
    va_list ap;
    va_start(ap, fmt);
    put_formatted(&sql, fmt, ap);
    va_end(ap);
    rdl_code rc = rdl_exec(c, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_queryf(rdl_conn *c, rdl_result **out, rdl_err *err, const char *fmt, ...)
{
    rdl_buf sql = {0};
    va_list ap;
    va_start(ap, fmt);
    put_formatted(&sql, fmt, ap);
    va_end(ap);
    rdl_code rc = rdl_query(c, rdl_buf_str(&sql), out, err);
    rdl_buf_fini(&sql);
    return rc;
}

uint64_t rdl_conn_changed(const rdl_conn *c)
{
    return c->changed;
}
