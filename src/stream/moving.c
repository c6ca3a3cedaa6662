/*
 * stream/moving.c - a view whose inputs change side by side: which of the plan's steps an epoch
 * takes, and the relations that these read.
 *
 * The driving input alone needs no step: its own texts read every other input as it is now, which
 * is as it was.  e."before:<t>" is made only for the texts that name it: of a streaming table it is
 * what is sealed, of a view or a snapshot its content with the epoch's pairs undone.
 */
#include "stream/internal.h"

static bool has_step(const rdl_view_plan *p, const rdl_table *t)
{
    for (size_t i = 0; i < p->step_count; i++)
        if (p->steps[i].input == t)
            return true;
    return false;
}

bool rdl_view_joins_itself(const rdl_table *v)
{
    size_t places = 0;
    for (size_t i = 0; i < v->view_plan->step_count; i++)
        places += v->view_plan->steps[i].input == v->view_plan->driving;
    return places > 1;
}

bool rdl_view_is_still(const rdl_work *w, const rdl_table *v)
{
    for (size_t i = 0; i < v->input_count; i++) {
        const rdl_table *t = v->inputs[i].table;
        if (w->changed[t->index] && t != v->view_plan->driving)
            return false;
    }
    /* Read twice, the driving input is another one beside itself. */
    return !rdl_view_joins_itself(v) || !w->changed[v->view_plan->driving->index];
}

bool rdl_view_moves(const rdl_work *w, const rdl_table *v)
{
    if (w->missed == v || rdl_view_is_still(w, v))
        return false;
    for (size_t i = 0; i < v->input_count; i++) {
        const rdl_table *t = v->inputs[i].table;
        if (w->changed[t->index] && !has_step(v->view_plan, t))
            return false;
    }
    return true;
}

static void put_text(rdl_buf *out, rdl_str sql)
{
    if (sql.n == 0)
        return;
    rdl_buf_puts(out, out->n > 0 ? " UNION ALL " : "");
    rdl_buf_put(out, sql.p, sql.n);
}

/* Do the texts read this relation of the table? */
static bool reads(const char *const *texts, size_t n, const char *role, const rdl_table *t)
{
    rdl_buf name = {0};
    bool found = false;
    rdl_put_relation(&name, "e", role, t->full);
    for (size_t i = 0; i < n; i++)
        found = found || (texts[i] != NULL && strstr(texts[i], rdl_buf_str(&name)) != NULL);
    rdl_buf_fini(&name);
    return found;
}

static rdl_code make_relations(rdl_engine *e, rdl_work *w, const rdl_table *v,
                               const char *const *texts, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    for (size_t i = 0; i < p->step_count; i++) {
        rdl_table *t = p->steps[i].input;
        if (reads(texts, 2, "all:", t))
            RDL_TRY(rdl_relation_all(e, w, t, err));
        if (reads(texts, 2, "before:", t))
            RDL_TRY(rdl_relation_before(e, w, t, err));
        if (reads(texts, 2, "moved:", t))
            RDL_TRY(rdl_relation_moved(e, t, err));
    }
    return RDL_OK;
}

rdl_code rdl_view_moving_texts(rdl_engine *e, rdl_work *w, rdl_table *v, const char **new_sql,
                               const char **old_sql, rdl_err *err)
{
    const rdl_view_plan *p = v->view_plan;
    rdl_buf texts[2] = {{0}, {0}};
    for (size_t i = 0; i < p->step_count; i++) {
        if (!w->changed[p->steps[i].input->index])
            continue;
        put_text(&texts[0], p->steps[i].new_sql);
        put_text(&texts[1], p->steps[i].old_sql);
    }
    const char *kept[2] = {NULL, NULL};
    for (size_t i = 0; i < 2; i++) {
        if (texts[i].n > 0)
            kept[i] = rdl_arena_strndup(&w->arena, texts[i].p, texts[i].n);
        rdl_buf_fini(&texts[i]);
    }
    *new_sql = kept[0];
    *old_sql = kept[1];
    return make_relations(e, w, v, kept, err);
}
