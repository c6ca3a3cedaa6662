/*
 * duck/tree.c - SELECT text to DuckDB's JSON tree and back.
 *
 * json_serialize_sql answers {"error":false,"statements":[...]}, or for text that does not
 * parse {"error":true,"error_type":"parser","error_message":"...","position":"10"}: that is
 * a result, not a failure of the query, and is turned into one here.
 */
#include "duck/kept.h"

#include <jansson.h>
#include <stdlib.h>

/*
 * Planning a pipeline asks this some hundred times, and a text as a constant is bound, folded and
 * optimized each time: so each call is prepared once, with the text as its parameter.
 */
static rdl_code call_with_text(rdl_conn *c, rdl_arena *a, duckdb_prepared_statement *call,
                               const char *sql, const char *text, char **out, rdl_err *err)
{
    duckdb_result handle = {0};
    rdl_result *r = NULL;
    const rdl_chunk *chunk;
    *out = NULL;
    if (*call == NULL)
        *call = rdl_duck_prepare_one(c->handle, sql);
    if (*call == NULL || duckdb_bind_varchar(*call, 1, text) != DuckDBSuccess)
        return rdl_err_set(err, RDL_EBUG, 0, "could not prepare %s", sql);
    rdl_conn_begin_statement(c);
    duckdb_state state = rdl_duck_run_prepared(*call, &handle);
    rdl_code rc = rdl_result_take(c, state, &handle, &r, err);
    if (rc != RDL_OK) {
        err->col = 0; /* a place in our own SELECT */
        return rc;
    }
    if (rdl_result_next(r, &chunk) && rdl_vector_valid(&chunk->v[0], 0)) {
        rdl_str answer = rdl_vector_str(&chunk->v[0], 0);
        *out = rdl_arena_strndup(a, answer.p, answer.n);
    }
    rdl_result_free(r);
    return *out != NULL ? RDL_OK : rdl_err_set(err, RDL_EBUG, 0, "%s gave no answer", sql);
}

/* The answer's own error, in the form that a failing statement has. */
static rdl_code answer_error(const json_t *doc, rdl_err *err)
{
    const char *message = json_string_value(json_object_get(doc, "error_message"));
    const char *position = json_string_value(json_object_get(doc, "position"));
    json_t *same = json_pack("{s:s, s:s, s:s}", "exception_type", "Parser", "exception_message",
                             message != NULL ? message : "the text is not a SELECT", "position",
                             position != NULL ? position : "");
    char *text = same != NULL ? json_dumps(same, JSON_COMPACT) : NULL;
    rdl_code rc = rdl_duck_error(err, text, DUCKDB_ERROR_PARSER);
    free(text); /* allow: from jansson */
    json_decref(same);
    return rc;
}

rdl_code rdl_sql_to_tree(rdl_conn *c, rdl_arena *a, const char *select, char **out_json,
                         rdl_err *err)
{
    char *answer = NULL;
    rdl_code rc = RDL_OK;
    RDL_TRY(call_with_text(c, a, &c->to_tree, "SELECT json_serialize_sql($1::VARCHAR)", select,
                           &answer, err));
    if (strncmp(answer, "{\"error\":true", 13) == 0) {
        json_t *doc = json_loads(answer, 0, NULL);
        rc = answer_error(doc, err);
        json_decref(doc);
        return rc;
    }
    *out_json = answer;
    return RDL_OK;
}

rdl_code rdl_tree_to_sql(rdl_conn *c, rdl_arena *a, const char *json, char **out_select,
                         rdl_err *err)
{
    return call_with_text(c, a, &c->from_tree, "SELECT json_deserialize_sql($1::JSON)", json,
                          out_select, err);
}
