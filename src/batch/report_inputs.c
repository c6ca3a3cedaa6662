/*
 * batch/report_inputs.c - what a report's rows are computed from: its parameters, and its inputs
 * without the files of the lake that cannot hold a row within the bounds that its WHERE sets.
 */
#include <inttypes.h>
#include <stdio.h>

#include "batch/relations.h"
#include "batch/report_internal.h"

/* ---- parameters ---- */

static rdl_code unknown_parameter(const rdl_report *r, const char *name, rdl_err *err)
{
    rdl_buf names = {0};
    for (size_t i = 0; i < r->parameter_count; i++)
        rdl_buf_printf(&names, "%s%.*s", i > 0 ? ", " : "", (int)r->parameters[i].name.n,
                       r->parameters[i].name.p);
    rdl_err_set(err, RDL_EUSAGE, 0, "unrecognized parameter \"%s\"", name);
    rdl_err_hint(err, r->parameter_count > 0 ? "It takes %s." : "It takes none%s.",
                 rdl_buf_str(&names));
    rdl_buf_fini(&names);
    return RDL_EUSAGE;
}

static const char *given_value(const rdl_reporting *x, rdl_str name)
{
    for (size_t i = 0; i < x->request->value_count; i++)
        if (rdl_str_eq_nocase(rdl_str_of(x->request->names[i]), name))
            return x->request->values[i];
    return NULL;
}

static rdl_code set_parameter(rdl_reporting *x, size_t i, rdl_err *err)
{
    const rdl_parameter_def *p = &x->report->parameters[i];
    const char *given = given_value(x, p->name);
    rdl_buf sql = {0};
    char *text = NULL;
    if (given == NULL && p->fallback.p == NULL) {
        rdl_err_set(err, RDL_EUSAGE, 0, "parameter \"%.*s\" has no value", (int)p->name.n,
                    p->name.p);
        return rdl_err_hint(err, "Give it as %.*s=VALUE.", (int)p->name.n, p->name.p);
    }
    rdl_buf_printf(&sql, "SET VARIABLE \"report_%.*s\" = CAST(", (int)p->name.n, p->name.p);
    if (given != NULL)
        rdl_buf_put_sql_text(&sql, rdl_str_of(given));
    else
        rdl_buf_printf(&sql, "(%.*s)", (int)p->fallback.n, p->fallback.p);
    rdl_buf_puts(&sql, " AS ");
    rdl_type_print(p->type, &sql);
    rdl_buf_puts(&sql, ")");
    rdl_code rc = rdl_exec(x->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    if (rc == RDL_EDATA) {
        rdl_err_set(err, RDL_EUSAGE, 0, "cannot read \"%s\" as a value of parameter \"%.*s\"",
                    given != NULL ? given : "its default", (int)p->name.n, p->name.p);
        return RDL_EUSAGE;
    }
    RDL_TRY(rc);
    const char *ask = rdl_arena_printf(x->a, "SELECT CAST(getvariable('report_%.*s') AS TEXT)",
                                       (int)p->name.n, p->name.p);
    RDL_TRY(rdl_query_text(x->conn, x->a, ask, &text, err));
    x->parameters[i] = text;
    return RDL_OK;
}

static rdl_code set_parameters(rdl_reporting *x, rdl_err *err)
{
    const rdl_report *r = x->report;
    x->parameters = RDL_NEWN(x->a, const char *, r->parameter_count + 1);
    for (size_t i = 0; i < x->request->value_count; i++) {
        bool known = false;
        for (size_t k = 0; k < r->parameter_count; k++)
            known |= rdl_str_eq_nocase(r->parameters[k].name, rdl_str_of(x->request->names[i]));
        if (!known)
            return unknown_parameter(r, x->request->names[i], err);
    }
    for (size_t i = 0; i < r->parameter_count; i++)
        RDL_TRY(set_parameter(x, i, err));
    return RDL_OK;
}

/* ---- inputs, without the files that cannot matter ---- */

static void put_side(rdl_buf *sql, const rdl_lake_snapshot *s, const rdl_column *c, bool max)
{
    for (size_t k = 0; k < s->partition_count; k++) {
        if (!rdl_str_eq_nocase(s->partition_columns[k], c->name))
            continue;
        rdl_buf_printf(sql, "TRY_CAST(k%zu AS ", k);
        rdl_type_print(c->type, sql);
        rdl_buf_putc(sql, ')');
        return;
    }
    rdl_buf path = {0};
    rdl_buf_printf(&path, "$.%s.\"%.*s\"", max ? "maxValues" : "minValues", (int)c->name.n,
                   c->name.p);
    rdl_buf_puts(sql, "TRY_CAST(json_extract_string(stats, ");
    rdl_buf_put_sql_text(sql, (rdl_str){path.p, path.n});
    rdl_buf_puts(sql, ") AS ");
    rdl_type_print(c->type, sql);
    rdl_buf_putc(sql, ')');
    /* Statistics of times are cut to milliseconds. */
    if (c->type->kind == RDL_TYPE_TIMESTAMPTZ)
        rdl_buf_printf(sql, " %c INTERVAL 1 MILLISECOND", max ? '+' : '-');
    rdl_buf_fini(&path);
}

static void put_bound(rdl_buf *sql, const rdl_lake_snapshot *s, const rdl_table *t,
                      const rdl_report_bound *b)
{
    const rdl_column *c = &t->columns.v[b->column];
    if (b->op != RDL_BOUND_MOST) {
        rdl_buf_puts(sql, " AND coalesce(");
        put_side(sql, s, c, true);
        rdl_buf_printf(sql, " >= (%.*s), true)", (int)b->value.n, b->value.p);
    }
    if (b->op != RDL_BOUND_LEAST) {
        rdl_buf_puts(sql, " AND coalesce(");
        put_side(sql, s, c, false);
        rdl_buf_printf(sql, " <= (%.*s), true)", (int)b->value.n, b->value.p);
    }
}

static void put_files(rdl_buf *sql, const rdl_lake_snapshot *s)
{
    for (size_t i = 0; i < s->file_count; i++) {
        const rdl_lake_file *f = &s->files[i];
        rdl_buf_printf(sql, "%s(%zu::BIGINT, ", i > 0 ? ", " : "", i);
        if (f->stats != NULL)
            rdl_buf_put_sql_text(sql, rdl_str_of(f->stats));
        else
            rdl_buf_puts(sql, "NULL");
        for (size_t k = 0; k < s->partition_count; k++) {
            rdl_buf_puts(sql, ", ");
            if (f->partition[k] != NULL)
                rdl_buf_put_sql_text(sql, rdl_str_of(f->partition[k]));
            else
                rdl_buf_puts(sql, "NULL");
        }
        rdl_buf_putc(sql, ')');
    }
}

/* Keep the files that may hold rows within the bounds. */
static rdl_code prune(rdl_reporting *x, size_t input, rdl_lake_snapshot *s, rdl_err *err)
{
    const rdl_report *r = x->report;
    rdl_buf sql = {0};
    rdl_result *kept = NULL;
    const rdl_chunk *k;
    size_t n = 0;
    rdl_buf_puts(&sql, "SELECT i FROM (VALUES ");
    put_files(&sql, s);
    rdl_buf_puts(&sql, ") AS f(i, stats");
    for (size_t i = 0; i < s->partition_count; i++)
        rdl_buf_printf(&sql, ", k%zu", i);
    rdl_buf_puts(&sql, ") WHERE true");
    for (size_t i = 0; i < r->bound_count; i++)
        if (r->bounds[i].input == input)
            put_bound(&sql, s, r->inputs[input].table, &r->bounds[i]);
    rdl_buf_puts(&sql, " ORDER BY i");
    rdl_code rc = rdl_query(x->conn, rdl_buf_str(&sql), &kept, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    rdl_lake_file *files = RDL_NEWN(x->a, rdl_lake_file, s->file_count + 1);
    while (rdl_result_next(kept, &k))
        for (size_t i = 0; i < k->rows; i++)
            files[n++] = s->files[RDL_VECTOR_AT(&k->v[0], int64_t, i)];
    rdl_result_free(kept);
    s->files = files;
    s->file_count = n;
    return RDL_OK;
}

static bool is_bounded(const rdl_report *r, size_t input)
{
    for (size_t i = 0; i < r->bound_count; i++)
        if (r->bounds[i].input == input)
            return true;
    return false;
}

static rdl_code narrow_input(rdl_reporting *x, size_t i, rdl_err *err)
{
    rdl_table *t = x->report->inputs[i].table;
    const rdl_lake_snapshot *all;
    rdl_buf sql = {0};
    if (t->source != NULL)
        return RDL_OK;
    rdl_cut cut = *rdl_reader_cut(x->r);
    RDL_TRY(rdl_cut_lake(&cut, t, &all, err));
    rdl_lake_snapshot *s = RDL_NEW(x->a, rdl_lake_snapshot);
    *s = *all;
    if (s->file_count > 0 && is_bounded(x->report, i))
        RDL_TRY(prune(x, i, s, err));
    for (size_t k = 0; k < s->file_count; k++)
        x->result->read_bytes += s->files[k].bytes;
    for (size_t k = 0; k < all->file_count; k++)
        x->result->lake_bytes += all->files[k].bytes;
    x->result->read_files += s->file_count;
    x->result->lake_files += all->file_count;
    if (s->file_count == all->file_count)
        return RDL_OK;
    size_t tables = cut.pipeline->table_count;
    rdl_lake_snapshot **lakes = RDL_NEWN(x->a, rdl_lake_snapshot *, tables + 1);
    lakes[t->index] = s;
    cut.lakes = lakes;
    rdl_buf_puts(&sql, "CREATE OR REPLACE VIEW ");
    rdl_put_relation(&sql, "e", "all:", t->full);
    rdl_buf_puts(&sql, " AS ");
    rdl_code rc = rdl_cut_select(&cut, t, t->kind == RDL_TABLE_STREAMING, &sql, err);
    if (rc == RDL_OK)
        rc = rdl_exec(x->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

rdl_code rdl_report_bind(rdl_reporting *x, rdl_err *err)
{
    rdl_cut cut = *rdl_reader_cut(x->r);
    RDL_TRY(set_parameters(x, err));
    RDL_TRY(rdl_batch_relations(x->conn, &cut, err));
    for (size_t i = 0; i < x->report->input_count; i++)
        RDL_TRY(narrow_input(x, i, err));
    return RDL_OK;
}
