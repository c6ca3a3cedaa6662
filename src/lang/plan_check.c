/*
 * lang/plan_check.c - constraints as SQL around the rows they judge.
 *
 * IMPUTE constraints come first, in order, each over the row as the earlier ones left it;
 * the others are judged on the imputed row.  _ci is TRUE when constraint i was violated
 * (IMPUTE: was applied), never NULL: an expression that is NULL is no violation.
 */
#include "lang/plan_internal.h"

#include <string.h>

static void put_flag(rdl_buf *b, const rdl_constraint *c, size_t i)
{
    if (c->expr.n == 0) {
        rdl_buf_printf(b, "FALSE AS _c%zu", i);
        return;
    }
    rdl_buf_printf(b, "NOT coalesce(CAST((%.*s) AS BOOLEAN), TRUE) AS _c%zu", (int)c->expr.n,
                   c->expr.p, i);
}

/* b := SELECT * REPLACE (imputed columns) FROM (SELECT *, flag FROM (b) AS t) AS t */
static void wrap_impute(rdl_planner *pl, rdl_buf *b, const rdl_constraint *c, size_t i)
{
    rdl_buf out = {0}, name = {0};
    rdl_buf_put_sql_ident(&name, pl->table->name);
    rdl_buf_puts(&out, c->impute_count > 0 ? "SELECT * REPLACE (" : "SELECT *");
    for (size_t k = 0; k < c->impute_count; k++) {
        const rdl_column *column = &pl->table->columns.v[c->imputes[k].column];
        rdl_buf_printf(&out, "%sCAST(CASE WHEN _c%zu THEN (%.*s) ELSE ", k > 0 ? ", " : "", i,
                       (int)c->imputes[k].expr.n, c->imputes[k].expr.p);
        rdl_buf_put_sql_ident(&out, column->name);
        rdl_buf_puts(&out, " END AS ");
        rdl_type_print(column->type, &out);
        rdl_buf_puts(&out, ") AS ");
        rdl_buf_put_sql_ident(&out, column->name);
    }
    rdl_buf_puts(&out, c->impute_count > 0 ? ") FROM (SELECT *, " : " FROM (SELECT *, ");
    put_flag(&out, c, i);
    rdl_buf_printf(&out, " FROM (%s) AS %s) AS %s", rdl_buf_str(b), rdl_buf_str(&name),
                   rdl_buf_str(&name));
    rdl_buf_fini(b);
    rdl_buf_fini(&name);
    *b = out;
}

rdl_str rdl_plan_check_sql(rdl_planner *pl, const char *from_sql)
{
    const rdl_table *t = pl->table;
    rdl_buf b = {0}, out = {0};
    size_t left = 0;
    rdl_buf_puts(&b, from_sql);
    for (size_t i = 0; i < t->constraint_count; i++) {
        if (t->constraints[i].action == RDL_VIOLATION_IMPUTE)
            wrap_impute(pl, &b, &t->constraints[i], i);
        else
            left++;
    }
    if (left > 0) {
        rdl_buf_puts(&out, "SELECT *");
        for (size_t i = 0; i < t->constraint_count; i++) {
            if (t->constraints[i].action == RDL_VIOLATION_IMPUTE)
                continue;
            rdl_buf_puts(&out, ", ");
            put_flag(&out, &t->constraints[i], i);
        }
        rdl_buf_printf(&out, " FROM (%s) AS ", rdl_buf_str(&b));
        rdl_buf_put_sql_ident(&out, t->name);
    } else {
        rdl_buf_puts(&out, rdl_buf_str(&b));
    }
    rdl_str done = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&out)));
    rdl_buf_fini(&b);
    rdl_buf_fini(&out);
    return done;
}

rdl_str rdl_plan_keep_sql(rdl_planner *pl, rdl_str sql)
{
    const rdl_table *t = pl->table;
    if (t->constraint_count == 0)
        return sql;
    rdl_str checked = rdl_plan_check_sql(pl, sql.p);
    rdl_buf out = {0};
    rdl_buf_puts(&out, "SELECT ");
    for (size_t i = 0; i < t->columns.n; i++) {
        rdl_buf_puts(&out, i > 0 ? ", " : "");
        rdl_buf_put_sql_ident(&out, t->columns.v[i].name);
    }
    rdl_buf_printf(&out, " FROM (%s) AS r", checked.p);
    const char *word = " WHERE ";
    for (size_t i = 0; i < t->constraint_count; i++) {
        rdl_violation action = t->constraints[i].action;
        if (action != RDL_VIOLATION_DROP_ROW && action != RDL_VIOLATION_QUARANTINE)
            continue;
        rdl_buf_printf(&out, "%sNOT _c%zu", word, i);
        word = " AND ";
    }
    rdl_str done = rdl_str_of(rdl_arena_strdup(pl->arena, rdl_buf_str(&out)));
    rdl_buf_fini(&out);
    return done;
}
