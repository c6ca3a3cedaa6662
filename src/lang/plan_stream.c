/*
 * lang/plan_stream.c - a streaming table's epoch text: its body over the epoch's new rows,
 * with the identity of the row that each came from, and the constraints' verdicts.
 */
#include "lang/plan_internal.h"

#include <string.h>

static void put_columns(rdl_planner *pl, rdl_buf *b, bool cast)
{
    const rdl_schema *s = &pl->table->columns;
    for (size_t i = 0; i < s->n; i++) {
        rdl_buf_puts(b, i > 0 ? ", " : "");
        if (cast) {
            rdl_buf_puts(b, "CAST(r.");
            rdl_buf_put_sql_ident(b, s->v[i].name);
            rdl_buf_puts(b, " AS ");
            rdl_type_print(s->v[i].type, b);
            rdl_buf_puts(b, ") AS ");
        }
        rdl_buf_put_sql_ident(b, s->v[i].name);
    }
}

/*
 * The visible columns, the identity and _event_ts from the threaded body.  Numbering copies sorts
 * all rows by all columns: that is not done where a copy is an error, which judge.c sees by itself.
 */
static const char *identity_sql(rdl_planner *pl, const rdl_thread *th, bool once, rdl_str threaded)
{
    rdl_buf b = {0};
    rdl_buf_puts(&b, "SELECT ");
    put_columns(pl, &b, true);
    rdl_buf_puts(&b, ", r.__rdl_epoch AS _epoch, r.__rdl_partition AS _source_partition, "
                     "r.__rdl_offset AS _source_offset, ");
    if (!once && (th->fans || th->fans_hop || th->unions)) {
        /* Rows that tie here are equal in all that is visible, so any order is the same. */
        rdl_buf_puts(&b, "row_number() OVER (PARTITION BY r.__rdl_epoch, r.__rdl_partition, "
                         "r.__rdl_offset ORDER BY r.__rdl_ordinal");
        for (size_t i = 0; i < pl->table->columns.n; i++) {
            rdl_buf_puts(&b, ", r.");
            rdl_buf_put_sql_ident(&b, pl->table->columns.v[i].name);
        }
        rdl_buf_puts(&b, ") - 1 AS _ordinal");
    } else {
        rdl_buf_puts(&b, "r.__rdl_ordinal AS _ordinal");
    }
    rdl_buf_printf(&b, ", r.__rdl_event AS _event_ts FROM (%s) AS r", threaded.p);
    const char *sql = rdl_arena_strdup(pl->arena, rdl_buf_str(&b));
    rdl_buf_fini(&b);
    return sql;
}

static rdl_str judged_sql(rdl_planner *pl, const char *rows)
{
    rdl_str checked = rdl_plan_check_sql(pl, rows);
    rdl_buf b = {0};
    rdl_buf_puts(&b, "SELECT ");
    put_columns(pl, &b, false);
    rdl_buf_puts(&b, ", " RDL_IDENTITY_COLUMNS ", _event_ts");
    for (size_t i = 0; i < pl->table->constraint_count; i++)
        rdl_buf_printf(&b, ", _c%zu", i);
    rdl_buf_printf(&b, " FROM (%s) AS r", checked.p);
    rdl_str sql = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&b)));
    rdl_buf_fini(&b);
    return sql;
}

static void check_names(rdl_planner *pl)
{
    static const char *const taken[] = {"_epoch", "_source_partition", "_source_offset", "_ordinal",
                                        "_event_ts"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (rdl_schema_find(&pl->table->columns, rdl_str_of(taken[i])) >= 0)
            rdl_plan_refuse(pl, taken[i],
                            "Give the column another name with AS: every lake table has this one.",
                            "the column name %s is taken by the row's identity", taken[i]);
}

static void need_inputs(rdl_planner *pl, rdl_stream_plan *plan)
{
    for (size_t i = 0; i < pl->table->input_count; i++) {
        rdl_table *in = pl->table->inputs[i].table;
        if (!rdl_plan_is_stream_input(pl, in))
            rdl_plan_need(pl, &plan->needs_all, &plan->needs_all_count, in);
    }
}

/* Does some input have an instant of this name? */
static bool may_be_instant(const rdl_planner *pl, const json_t *column)
{
    const char *name = column != NULL ? rdl_tree_column_name(column) : NULL;
    for (size_t i = 0; name != NULL && i < pl->table->input_count; i++) {
        const rdl_schema *s = &pl->table->inputs[i].table->columns;
        int at = rdl_schema_find(s, rdl_str_of(name));
        if (at >= 0 && s->v[at].type->kind == RDL_TYPE_TIMESTAMPTZ)
            return true;
    }
    return name != NULL && strcmp(name, "_ingest_ts") == 0;
}

/* CAST(ts AS DATE), which DuckDB takes through a calendar of time zones (duck/utc.h). */
static json_t *without_calendar(void *arg, json_t *node)
{
    rdl_planner *pl = arg;
    const char *to = rdl_tree_text(json_object_get(node, "cast_type"), "id");
    json_t *child = json_object_get(node, "child");
    if (!rdl_tree_class(node, "CAST") || to == NULL || strcmp(to, "DATE") != 0 ||
        json_is_true(json_object_get(node, "try_cast")) || !rdl_tree_class(child, "COLUMN_REF") ||
        !may_be_instant(pl, child))
        return NULL;
    json_t *args = rdl_tree_keep(&pl->tree, json_array());
    json_array_append(args, child);
    json_t *call = rdl_tree_call(&pl->tree, "rdl_to_date", args);
    const char *alias = rdl_tree_text(node, "alias");
    if (alias != NULL && alias[0] != '\0')
        rdl_tree_alias(call, alias);
    return call;
}

rdl_code rdl_plan_stream(rdl_planner *pl, rdl_err *err)
{
    rdl_table *t = pl->table;
    rdl_stream_plan *plan = RDL_NEW(pl->arena, rdl_stream_plan);
    rdl_thread th = {.pl = pl, .prefix = "new:", .identity = RDL_THREAD_EVENT};
    json_t *query = rdl_tree_clone(&pl->tree, pl->flat);
    check_names(pl);
    if (!rdl_thread_holds(&th, query))
        rdl_plan_refuse(pl, "FROM", "Write FROM STREAM before the table whose rows it takes.",
                        "a streaming table reads a stream, and this text names none");
    RDL_TRY(rdl_thread_query(&th, query, err));
    if (pl->refusal.why != NULL) {
        rdl_diag_add(pl->diags, RDL_DIAG_ERROR, rdl_plan_locate(t, pl->refusal.word),
                     pl->refusal.hint, "could not stream into table \"%.*s\": %s", (int)t->full.n,
                     t->full.p, pl->refusal.why);
        return RDL_OK;
    }
    rdl_plan_read_all(pl, query);
    query = rdl_tree_map(query, without_calendar, pl);
    rdl_str threaded;
    RDL_TRY(rdl_tree_print(&pl->tree, query, &threaded, err));
    plan->once = th.fans && !th.unions && !t->allow_fanout;
    plan->body_sql = judged_sql(pl, identity_sql(pl, &th, plan->once, threaded));
    plan->may_fan_out = th.fans || th.fans_hop;
    plan->declared_hop = th.fans_hop && !th.fans;
    plan->may_filter = th.filters;
    need_inputs(pl, plan);
    if (th.fans && !t->allow_fanout)
        RDL_TRY(rdl_plan_fans(pl, &plan->fans, &plan->fan_count, err));
    t->stream_plan = plan;
    return RDL_OK;
}
