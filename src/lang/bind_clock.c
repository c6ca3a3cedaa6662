/*
 * lang/bind_clock.c - now() and its kin.  Of a streaming table: the time at which the driving
 * source's row came in.  Of a decision: the time at which it is made; of an alert: at which it is
 * asked.  A view has none: it would give another answer at each refresh.
 */
#include "lang/bind.h"

#include <strings.h>

bool rdl_body_is_clock(const char *name, bool *out_date)
{
    static const char *const times[] = {"now", "current_timestamp", "get_current_timestamp",
                                        "transaction_timestamp"};
    *out_date = strcasecmp(name, "current_date") == 0 || strcasecmp(name, "today") == 0;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (strcasecmp(name, times[i]) == 0)
            return true;
    return *out_date;
}

static void decision_clock(rdl_body *body, json_t *node, bool date)
{
    const char *variable = body->kind == RDL_BODY_ALERT ? "alert_at" : "decided_at";
    const char *text =
        rdl_arena_printf(body->b->arena,
                         date ? "CAST(CAST(getvariable('%s') AS TIMESTAMPTZ) AS DATE)"
                              : "CAST(getvariable('%s') AS TIMESTAMPTZ)",
                         variable);
    json_t *expr = NULL;
    rdl_err err = {0};
    if (rdl_tree_exprs(&body->b->tree, &text, 1, &expr, &err) != RDL_OK) {
        rdl_body_error(body, node, err.hint, "%s", err.msg);
        return;
    }
    const char *alias = rdl_arena_strdup(body->b->arena, rdl_tree_text(node, "alias"));
    json_t *place = json_incref(json_object_get(node, "query_location"));
    body->reads_clock = true;
    json_object_clear(node);
    json_object_update(node, expr);
    rdl_body_relocate(node, place);
    json_decref(place);
    rdl_tree_alias(node, alias);
}

void rdl_body_replace_clock(rdl_body *body, rdl_scope *scope, json_t *node, const char *name,
                            bool date)
{
    rdl_binder *b = body->b;
    if (body->kind == RDL_BODY_DECISION || body->kind == RDL_BODY_ALERT) {
        decision_clock(body, node, date);
        return;
    }
    if (body->kind != RDL_BODY_STREAMING && body->kind != RDL_BODY_PLAIN_VIEW) {
        rdl_body_error(body, node, "Use a time that the rows carry, such as an ingest_ts column.",
                       "%s would give another answer at each refresh", name);
        return;
    }
    const rdl_from_item *source = NULL;
    for (size_t i = 0; i < scope->items.n && source == NULL; i++)
        if (scope->items.v[i].table->kind == RDL_TABLE_SOURCE)
            source = &scope->items.v[i];
    if (source == NULL && body->failed)
        return; /* perhaps because of that */
    if (source == NULL) {
        rdl_body_error(body, node,
                       "Keep the source's _ingest_ts as a column of the first table and use that.",
                       "%s can only be used where the body reads the source itself", name);
        return;
    }
    json_t *column = rdl_tree_column(&b->tree, rdl_tree_text(source->node, "alias"), "_ingest_ts");
    if (date) {
        const char *text = "CAST(\"$1\" AS DATE)";
        json_t *cast = NULL;
        rdl_err err = {0};
        if (rdl_tree_exprs(&b->tree, &text, 1, &cast, &err) != RDL_OK) {
            rdl_body_error(body, node, err.hint, "%s", err.msg);
            return;
        }
        column = rdl_tree_bind(&b->tree, cast, &column, 1);
    }
    json_t *alias = json_incref(json_object_get(node, "alias"));
    json_t *place = json_incref(json_object_get(node, "query_location"));
    json_object_clear(node);
    json_object_update(node, column);
    rdl_body_relocate(node, place);
    json_decref(place);
    const char *kept = json_string_value(alias);
    json_object_set_new(node, "alias", json_string(kept != NULL && kept[0] != '\0' ? kept : name));
    json_decref(alias);
}
