/*
 * duck/tree.c - SELECT text to DuckDB's JSON tree and back.
 *
 * json_serialize_sql answers {"error":false,"statements":[...]}, or for text that does not
 * parse {"error":true,"error_type":"parser","error_message":"...","position":"10"}: that is
 * a result, not a failure of the query, and is turned into one here.
 */
#include "duck/handles.h"

#include <jansson.h>
#include <stdlib.h>

static rdl_code call_with_text(rdl_conn *c,
                               rdl_arena *a,
                               const char *function,
                               const char *text,
                               char **out,
                               rdl_err *err)
{
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "SELECT %s(", function);
    rdl_buf_put_sql_text(&sql, rdl_str_of(text));
    rdl_buf_puts(&sql, ")");
    *out = NULL;
    rdl_code rc = rdl_query_text(c, a, rdl_buf_str(&sql), out, err);
    rdl_buf_fini(&sql);
    if (rc != RDL_OK)
        err->col = 0; /* a place in our own SELECT */
    else if (*out == NULL)
        rc = rdl_err_set(err, RDL_EBUG, 0, "%s gave no answer", function);
    return rc;
}

/* The answer's own error, in the form that a failing statement has. */
static rdl_code answer_error(const json_t *doc, rdl_err *err)
{
    const char *message = json_string_value(json_object_get(doc, "error_message"));
    const char *position = json_string_value(json_object_get(doc, "position"));
    json_t *same =
        json_pack("{s:s, s:s, s:s}", "exception_type", "Parser", "exception_message",
                  message != NULL ? message : "the text is not a SELECT", "position",
                  position != NULL ? position : "");
    char *text = same != NULL ? json_dumps(same, JSON_COMPACT) : NULL;
    rdl_code rc = rdl_duck_error(err, text, DUCKDB_ERROR_PARSER);
    free(text); /* allow: from jansson */
    json_decref(same);
    return rc;
}

rdl_code rdl_sql_to_tree(
    rdl_conn *c, rdl_arena *a, const char *select, char **out_json, rdl_err *err)
{
    char *answer = NULL;
    rdl_code rc = RDL_OK;
    RDL_TRY(call_with_text(c, a, "json_serialize_sql", select, &answer, err));
    if (strncmp(answer, "{\"error\":true", 13) == 0) {
        json_t *doc = json_loads(answer, 0, NULL);
        rc = answer_error(doc, err);
        json_decref(doc);
        return rc;
    }
    *out_json = answer;
    return RDL_OK;
}

rdl_code rdl_tree_to_sql(
    rdl_conn *c, rdl_arena *a, const char *json, char **out_select, rdl_err *err)
{
    return call_with_text(c, a, "json_deserialize_sql", json, out_select, err);
}
