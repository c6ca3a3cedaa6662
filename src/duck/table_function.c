/*
 * duck/table_function.c - our table functions made known to a connection.
 */
#include "duck/handles.h"

rdl_code rdl_table_function_register(rdl_duck *d, duckdb_connection c, const rdl_table_function *f,
                                     rdl_err *err)
{
    duckdb_table_function t = duckdb_create_table_function();
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_table_function_set_name(t, f->name);
    for (unsigned i = 0; i < f->parameters; i++)
        duckdb_table_function_add_parameter(t, text);
    duckdb_table_function_set_extra_info(t, d, NULL);
    duckdb_table_function_set_bind(t, f->bind);
    duckdb_table_function_set_init(t, f->init);
    if (f->init_local != NULL)
        duckdb_table_function_set_local_init(t, f->init_local);
    duckdb_table_function_set_function(t, f->read);
    duckdb_table_function_supports_projection_pushdown(t, true);
    bool ok = duckdb_register_table_function(c, t) == DuckDBSuccess;
    duckdb_destroy_logical_type(&text);
    duckdb_destroy_table_function(&t);
    return ok ? RDL_OK : rdl_err_set(err, RDL_EBUG, 0, "could not register %s", f->name);
}
