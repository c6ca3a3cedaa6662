/*
 * lang/catalog.c - looking into a loaded pipeline.
 */
#include "lang/catalog.h"

#include <assert.h>
#include <stdlib.h>

#include "lang/plan.h"
#include "lang/settings.h"

void rdl_pipeline_relate(rdl_pipeline *p)
{
    for (size_t i = 0; i < p->table_count; i++) {
        rdl_table *t = p->tables[i];
        t->stream_fed = t->kind == RDL_TABLE_SOURCE;
        for (size_t j = 0; j < t->input_count; j++)
            t->stream_fed |= t->inputs[j].table->stream_fed;
        t->waits = t->decision || (t->kind == RDL_TABLE_VIEW && t->stream_fed &&
                                   t->view_plan->mode == RDL_MAINTAIN_FULL);
        /* What reads a view that waits would be computed twice: it waits with it. */
        for (size_t j = 0; j < t->input_count; j++)
            t->waits |= t->inputs[j].table->waits;
        if (t->model != NULL)
            t->waits = t->stream_fed = false; /* runs of its program alone change it */
    }
}

rdl_table *rdl_pipeline_find(const rdl_pipeline *p, rdl_str full_name)
{
    for (size_t i = 0; i < p->table_count; i++)
        if (rdl_str_eq_nocase(p->tables[i]->full, full_name))
            return p->tables[i];
    return NULL;
}

rdl_code rdl_pipeline_refuse_plain(const rdl_pipeline *p, rdl_str name, rdl_err *err)
{
    for (size_t i = 0; i < p->view_count; i++) {
        const rdl_table *v = p->views[i];
        rdl_buf reads = {0};
        if (!rdl_str_eq_nocase(v->full, name) && !rdl_str_eq_nocase(v->name, name))
            continue;
        for (size_t k = 0; k < v->input_count; k++)
            rdl_buf_printf(&reads, "%s\"%.*s\"", k > 0 ? ", " : "", (int)v->inputs[k].table->full.n,
                           v->inputs[k].table->full.p);
        rdl_err_set(err, RDL_EUSAGE, 0,
                    "\"%.*s\" is a plain view: it keeps no rows, and is put into the bodies that "
                    "read it",
                    (int)v->full.n, v->full.p);
        rdl_err_hint(err, "It reads %s: ask about these; `raudal sql` computes the view.",
                     reads.n > 0 ? rdl_buf_str(&reads) : "no table");
        rdl_buf_fini(&reads);
        return RDL_EUSAGE;
    }
    return RDL_OK;
}

const rdl_report *rdl_pipeline_report(const rdl_pipeline *p, rdl_str name)
{
    for (size_t i = 0; i < p->report_count; i++)
        if (rdl_str_eq_nocase(p->reports[i]->name, name))
            return p->reports[i];
    return NULL;
}

rdl_hash128 rdl_table_lineage(const rdl_table *t)
{
    rdl_buf all = {0};
    rdl_buf_put(&all, &t->fingerprint, sizeof t->fingerprint);
    for (size_t i = 0; i < t->input_count; i++) {
        rdl_hash128 below = rdl_table_lineage(t->inputs[i].table);
        rdl_buf_put(&all, &below, sizeof below);
    }
    rdl_hash128 h = rdl_hash128_of(all.p, all.n);
    rdl_buf_fini(&all);
    return h;
}

static const rdl_variable *find_variable(const rdl_pipeline *p, rdl_str name)
{
    for (size_t i = 0; i < p->variable_count; i++)
        if (rdl_str_eq_nocase(p->variables[i].name, name) &&
            strcmp(p->variables[i].from, "default") != 0)
            return &p->variables[i];
    return NULL;
}

rdl_str rdl_pipeline_setting(const rdl_pipeline *p, const char *name, const char *fallback)
{
    char upper[128] = "RAUDAL_";
    size_t n = strlen(name), head = strlen(upper);
    assert(rdl_setting_is(name)); /* lang/settings.c lists them */
    assert(n + head + 1 <= sizeof upper);
    for (size_t i = 0; i <= n; i++)
        upper[head + i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
    const rdl_variable *v = find_variable(p, rdl_str_of(name));
    if (v == NULL)
        v = find_variable(p, rdl_str_of(upper));
    if (v != NULL && strcmp(v->from, "--set") == 0)
        return v->value;
    const char *env = getenv(upper);
    if (env != NULL)
        return rdl_str_of(rdl_arena_strdup(p->arena, env));
    return v != NULL ? v->value : rdl_str_of(fallback);
}

bool rdl_grant_covers(const rdl_grant *g, const rdl_table *t)
{
    if (g->schema.n == 0 && g->name.n == 0)
        return true;
    rdl_str schema = t->kind < RDL_TABLE_STREAMING ? (rdl_str){"", 0} : t->schema;
    return rdl_str_eq_nocase(g->schema, schema) &&
           (g->name.n == 0 || rdl_str_eq_nocase(g->name, t->name));
}

static const char *kind_of(const rdl_table *t, const char *const names[5])
{
    return t->model != NULL ? "model table" : t->decision ? "decision table" : names[t->kind];
}

const char *rdl_table_kind_name(const rdl_table *t)
{
    static const char *const names[] = {"source", "snapshot source", "streaming table",
                                        "materialized view", "view"};
    return kind_of(t, names);
}

const char *rdl_table_kind_short(const rdl_table *t)
{
    static const char *const names[] = {"source", "snapshot", "streaming table", "view",
                                        "plain view"};
    return kind_of(t, names);
}

bool rdl_report_on_demand(const rdl_report *report)
{
    for (size_t i = 0; i < report->parameter_count; i++)
        if (report->parameters[i].fallback.p == NULL)
            return true;
    return report->path.n == 0;
}

const char *rdl_report_format_name(rdl_report_format format)
{
    static const char *const names[] = {"csv", "json", "text", "html"};
    return names[format];
}
