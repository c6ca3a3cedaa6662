/*
 * duck/appender.c - chunks of ours into a table of DuckDB's.
 */
#include "duck/handles.h"

#include <stdlib.h>

struct rdl_appender {
    duckdb_appender handle;
    rdl_chunk *chunk;
    rdl_arena arena;
};

static rdl_code appender_error(rdl_appender *ap, rdl_err *err)
{
    duckdb_error_data data = duckdb_appender_error_data(ap->handle);
    rdl_code rc =
        rdl_duck_error(err, duckdb_error_data_message(data), duckdb_error_data_error_type(data));
    duckdb_destroy_error_data(&data);
    err->col = 0;
    return rc;
}

static rdl_code table_schema(rdl_appender *ap, rdl_schema *out, rdl_err *err)
{
    size_t n = duckdb_appender_column_count(ap->handle);
    *out = (rdl_schema){RDL_NEWN(&ap->arena, rdl_column, n), n};
    for (size_t i = 0; i < n; i++) {
        rdl_widen w;
        const char *bad = NULL;
        duckdb_logical_type t = duckdb_appender_column_type(ap->handle, i);
        out->v[i].name = rdl_str_of(rdl_arena_printf(&ap->arena, "%zu", i + 1));
        bool ok = rdl_type_from_duck(&ap->arena, t, &out->v[i].type, &w, &bad);
        duckdb_destroy_logical_type(&t);
        if (!ok)
            return rdl_type_refuse(out->v[i].name, bad, err);
    }
    return RDL_OK;
}

static void appender_free(rdl_appender *ap)
{
    rdl_chunk_free(ap->chunk);
    (void)duckdb_appender_destroy(&ap->handle); /* closed before, or failed already */
    rdl_arena_fini(&ap->arena);
    free(ap); /* allow: freed by its owner */
}

rdl_code rdl_appender_open(rdl_conn *c, const char *schema, const char *table, rdl_appender **out,
                           rdl_err *err)
{
    rdl_schema columns;
    rdl_code rc = RDL_OK;
    rdl_appender *ap = calloc(1, sizeof *ap); /* allow: freed by rdl_appender_close */
    if (ap == NULL)
        return rdl_err_nomem(err);
    rdl_arena_init(&ap->arena, 0);
    if (duckdb_appender_create(c->handle, schema, table, &ap->handle) != DuckDBSuccess)
        rc = appender_error(ap, err);
    if (rc == RDL_OK)
        rc = table_schema(ap, &columns, err);
    if (rc == RDL_OK)
        rc = rdl_chunk_new(&columns, &ap->chunk, err);
    if (rc != RDL_OK) {
        appender_free(ap);
        return rdl_err_in(rc, err, "append to %s", table);
    }
    *out = ap;
    return RDL_OK;
}

rdl_chunk *rdl_appender_chunk(rdl_appender *ap)
{
    return ap->chunk;
}

rdl_code rdl_appender_flush(rdl_appender *ap, rdl_err *err)
{
    rdl_chunk *c = ap->chunk;
    if (c->rows == 0)
        return RDL_OK;
    duckdb_data_chunk_set_size(c->handle, c->rows);
    if (duckdb_append_data_chunk(ap->handle, c->handle) != DuckDBSuccess)
        return appender_error(ap, err);
    rdl_chunk_reset(c);
    return RDL_OK;
}

rdl_code rdl_appender_close(rdl_appender *ap, rdl_err *err)
{
    if (ap == NULL)
        return RDL_OK;
    rdl_code rc = rdl_appender_flush(ap, err);
    if (rc == RDL_OK && duckdb_appender_close(ap->handle) != DuckDBSuccess)
        rc = appender_error(ap, err);
    appender_free(ap);
    return rc;
}
