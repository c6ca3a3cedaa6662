/*
 * lang/explain.c - how a pipeline is kept up to date (explain.h): words and sizes.
 */
#include "lang/explain_internal.h"

/* Bytes of state: of an entry by itself, a text, an exact sum; guesses, for people. */
enum { ENTRY_BYTES = 48, TEXT_BYTES = 16, EXACT_BYTES = 40 };

const char *rdl_maintenance_name(rdl_maintenance mode)
{
    switch (mode) {
    case RDL_MAINTAIN_INCREMENTAL:
        return "incremental";
    case RDL_MAINTAIN_APPEND:
        return "append";
    case RDL_MAINTAIN_GROUPS:
        return "groups";
    case RDL_MAINTAIN_FULL:
        return "full";
    }
    return "";
}

static size_t type_bytes(const rdl_type *t)
{
    size_t n = 1;
    switch (t->kind) {
    case RDL_TYPE_BOOLEAN:
        return n + 1;
    case RDL_TYPE_INTEGER:
    case RDL_TYPE_DATE:
        return n + 4;
    case RDL_TYPE_BIGINT:
    case RDL_TYPE_DOUBLE:
    case RDL_TYPE_TIMESTAMPTZ:
        return n + 8;
    case RDL_TYPE_DECIMAL:
        return n + 16;
    case RDL_TYPE_STRUCT:
        for (size_t i = 0; i < t->field_count; i++)
            n += type_bytes(t->field_types[i]);
        return n;
    case RDL_TYPE_TEXT:
    case RDL_TYPE_BLOB:
    case RDL_TYPE_JSON:
    case RDL_TYPE_LIST:
    case RDL_TYPE_MAP:
        break;
    }
    return n + TEXT_BYTES;
}

size_t rdl_view_state_bytes(const rdl_view_plan *plan)
{
    if (plan->mode != RDL_MAINTAIN_INCREMENTAL)
        return 0;
    size_t n = ENTRY_BYTES + 8;
    for (size_t i = 0; i < plan->key_count; i++)
        n += type_bytes(plan->key_types[i]);
    for (size_t i = 0; i < plan->slot_count; i++) {
        const rdl_slot *s = &plan->slots[i];
        n += s->kind == RDL_SLOT_ADD_INT     ? 16
             : s->kind == RDL_SLOT_ADD_EXACT ? EXACT_BYTES
                                             : type_bytes(s->type);
    }
    return n;
}

const char *rdl_explain_kind(const rdl_table *t)
{
    switch (t->kind) {
    case RDL_TABLE_SOURCE:
        return "source";
    case RDL_TABLE_SNAPSHOT:
        return "snapshot";
    case RDL_TABLE_STREAMING:
        return "streaming";
    case RDL_TABLE_PLAIN:
        return "plain view";
    case RDL_TABLE_VIEW:
        return "view";
    }
    return "";
}

static bool has_step(const rdl_view_plan *p, const rdl_table *t)
{
    for (size_t i = 0; i < p->step_count; i++)
        if (p->steps[i].input == t)
            return true;
    return false;
}

const rdl_table *rdl_view_rebuilt_by(const rdl_view_plan *p, size_t i)
{
    for (size_t k = 0; p->driving != NULL && k < p->needs_all_count; k++) {
        const rdl_table *t = p->needs_all[k];
        if (t != p->driving && !has_step(p, t) && i-- == 0)
            return t;
    }
    return NULL;
}

const rdl_table *rdl_view_moved_by(const rdl_view_plan *p, size_t i)
{
    for (size_t k = 0; p->driving != NULL && k < p->needs_all_count; k++) {
        const rdl_table *t = p->needs_all[k];
        if (t != p->driving && has_step(p, t) && i-- == 0)
            return t;
    }
    return NULL;
}

const char *rdl_explain_cost(const rdl_table *t)
{
    if (t->view_plan == NULL)
        return t->stream_plan != NULL ? "the epoch's rows" : "";
    switch (t->view_plan->mode) {
    case RDL_MAINTAIN_INCREMENTAL:
        return "the epoch's rows, and one state entry per group that they touch";
    case RDL_MAINTAIN_APPEND:
        return "the epoch's rows";
    case RDL_MAINTAIN_GROUPS:
        return "a scan of the input, and all rows of the groups that the epoch touches";
    case RDL_MAINTAIN_FULL:
        return "all rows of every input";
    }
    return "";
}

const char *rdl_explain_slot(rdl_slot_kind kind)
{
    switch (kind) {
    case RDL_SLOT_ADD_INT:
        return "sum";
    case RDL_SLOT_ADD_EXACT:
        return "exact sum";
    case RDL_SLOT_MIN:
        return "least";
    case RDL_SLOT_MAX:
        return "greatest";
    }
    return "";
}

const char *rdl_explain_violation(rdl_violation v)
{
    switch (v) {
    case RDL_VIOLATION_KEEP:
        return "keep";
    case RDL_VIOLATION_DROP_ROW:
        return "drop row";
    case RDL_VIOLATION_QUARANTINE:
        return "quarantine";
    case RDL_VIOLATION_FAIL:
        return "fail update";
    case RDL_VIOLATION_IMPUTE:
        return "impute";
    }
    return "";
}

const char *rdl_explain_late(rdl_on_late late)
{
    return late == RDL_LATE_AMEND ? "amend" : late == RDL_LATE_DIVERT ? "divert" : "drop";
}

size_t rdl_explain_texts(const rdl_table *t, rdl_named_text out[RDL_EXPLAIN_TEXTS_MAX])
{
    size_t n = 0;
    if (t->stream_plan != NULL)
        out[n++] = (rdl_named_text){"body", t->stream_plan->body_sql};
    if (t->view_plan != NULL) {
        const rdl_view_plan *p = t->view_plan;
        const rdl_named_text all[] = {
            {"partial", p->partial_new_sql}, {"final", p->final_sql},
            {"touched", p->touched_sql},     {"touched partial", p->partial_touched_sql},
            {"groups", p->groups_sql},       {"rows", p->row_new_sql},
            {"checked", p->checked_sql},     {"batch", p->batch_sql},
        };
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (all[i].sql.n > 0)
                out[n++] = all[i];
        for (size_t i = 0; i < p->step_count && n + 1 < RDL_EXPLAIN_TEXTS_MAX; i++) {
            out[n++] = (rdl_named_text){"step, new", p->steps[i].new_sql};
            if (p->steps[i].old_sql.n > 0)
                out[n++] = (rdl_named_text){"step, old", p->steps[i].old_sql};
        }
    }
    return n;
}

static rdl_code not_there(const rdl_pipeline *p, rdl_str table, rdl_err *err)
{
    rdl_arena scratch;
    RDL_TRY(rdl_pipeline_refuse_plain(p, table, err));
    rdl_arena_init(&scratch, 0);
    const char **names = RDL_NEWN(&scratch, const char *, p->table_count + 1);
    for (size_t i = 0; i < p->table_count; i++)
        names[i] = rdl_arena_strndup(&scratch, p->tables[i]->full.p, p->tables[i]->full.n);
    const char *near = rdl_nearest(table, names, p->table_count);
    rdl_code rc = rdl_err_set(err, RDL_EUSAGE, 0, "could not explain \"%.*s\": no such table",
                              (int)table.n, table.p);
    if (near != NULL)
        rdl_err_hint(err, "Did you mean \"%s\"?", near);
    rdl_arena_fini(&scratch);
    return rc;
}

rdl_code rdl_explain(const rdl_pipeline *p, rdl_str table, rdl_explain_format format, rdl_buf *out,
                     rdl_err *err)
{
    const rdl_table *only = NULL;
    if (table.n > 0) {
        only = rdl_pipeline_find(p, table);
        if (only == NULL)
            return not_there(p, table, err);
    }
    if (format == RDL_EXPLAIN_JSON)
        return rdl_explain_put_json(out, p, only, err);
    rdl_explain_put_text(out, p, only);
    return RDL_OK;
}
