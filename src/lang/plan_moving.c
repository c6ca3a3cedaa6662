/*
 * lang/plan_moving.c - joins of inputs that all change: what a change of each place where the
 * body reads a table does to the view.
 *
 * A join is linear in each of its inputs, so the view's change is a sum over the places, taken
 * one after the other: while place i changes, those before it are as they are after the epoch,
 * those behind it as they were before.
 *
 *   d(A x B x C)  =  dA x B_before x C_before  +  A_all x dB x C_before  +  A_all x B_all x dC
 *
 * Order: views and snapshots first, streaming tables next, the driving one last; what a
 * streaming table was before an epoch costs nothing to say.
 *
 * The right side of LEFT, SEMI, ANTI and ASOF joins is not linear: a row there takes away or
 * gives back what stands for "no match".  Its place *affects* the rows of the left side: those
 * that meet a changed row by the join's own condition, before or after, are joined again, as they
 * were and as they are.
 *
 *   d(A left join B)  by dB  =  (A semi join moved B) left join B_all
 *                             - (A semi join moved B) left join B_before
 *
 * For ASOF the condition alone (not the nearest row) finds more rows than change; they cancel.
 *
 * INVARIANTS
 *   Y1  The texts of the places whose tables changed, added up with their signs, are the view's
 *       change, whichever of the tables changed.  tests/slt/views/moving_*.slt, tests/cli/moving_views_test.sh
 *   Y2  A table moves only if every place that reads it is one of these places: the same table in
 *       a subquery of WHERE, below a fold, or beside a fold is seen whole, so its change rebuilds.
 */
#include "lang/plan_internal.h"

#include <string.h>

static const char mark_key[] = "__rdl_mark"; /* DuckDB passes it over when it prints */

static json_int_t mark_of(const json_t *node)
{
    return json_integer_value(json_object_get(node, mark_key));
}

static bool keeps_rows(const rdl_table *t)
{
    return t->kind == RDL_TABLE_STREAMING;
}

/* ---- places ---- */

/* The first place of the driving table on the way down through FROM clauses. */
static json_t *first_place(const rdl_planner *pl, json_t *ref, const rdl_table *driving)
{
    if (rdl_tree_is(ref, "SELECT_NODE"))
        return first_place(pl, json_object_get(ref, "from_table"), driving);
    if (rdl_tree_is(ref, "SUBQUERY"))
        return first_place(pl, json_object_get(json_object_get(ref, "subquery"), "node"), driving);
    if (rdl_tree_is(ref, "JOIN")) {
        bool right = strcmp(rdl_tree_text(ref, "join_type"), "RIGHT") == 0;
        json_t *a = first_place(pl, json_object_get(ref, right ? "right" : "left"), driving);
        return a != NULL ? a
                         : first_place(pl, json_object_get(ref, right ? "left" : "right"), driving);
    }
    const rdl_input *in = rdl_plan_input_of(pl, ref);
    return in != NULL && in->table == driving ? ref : NULL;
}

bool rdl_plan_mark_driving(rdl_planner *pl, json_t *query, const rdl_table *driving)
{
    json_t *place = first_place(pl, query, driving);
    if (place != NULL)
        json_object_set_new(place, mark_key, json_integer(RDL_MARK_DRIVING));
    pl->marked = place != NULL;
    return pl->marked;
}

bool rdl_plan_drives(const json_t *base)
{
    return mark_of(base) == RDL_MARK_DRIVING;
}

typedef struct search {
    rdl_planner *pl;
    rdl_moving *out;
    json_int_t next;
    bool full;
} search;

static void take_leaf(search *s, json_t *ref, json_int_t join)
{
    const rdl_input *in = rdl_plan_input_of(s->pl, ref);
    if (in == NULL || rdl_tree_has(ref, "sample") || rdl_tree_has(ref, "at_clause"))
        return;
    bool driving = mark_of(ref) == RDL_MARK_DRIVING;
    s->full = s->full || s->out->n == RDL_MOVING_MAX;
    if (s->full)
        return;
    json_int_t mark = driving ? RDL_MARK_DRIVING : s->next++;
    json_object_set_new(ref, mark_key, json_integer(mark));
    s->out->v[s->out->n++] =
        (rdl_place){.table = in->table, .mark = mark, .join = join, .driving = driving};
}

static void visit_ref(search *s, json_t *ref, json_int_t join);

static void visit_select(search *s, json_t *select, json_int_t join)
{
    if (rdl_tree_is(select, "SELECT_NODE") && !rdl_plan_is_grouped(select) &&
        !rdl_plan_is_windowed(select) && !rdl_tree_has(select, "modifiers") &&
        !rdl_tree_has(select, "sample"))
        visit_ref(s, json_object_get(select, "from_table"), join);
}

/* Places on the right of these joins affect rows of the left. */
static void visit_right(search *s, json_t *node, json_int_t join)
{
    bool asof = strcmp(rdl_tree_text(node, "ref_type"), "ASOF") == 0;
    json_t *use = json_object_get(node, "using_columns");
    if (join != 0 || (asof && json_array_size(use) == 1))
        return; /* nested, or nothing but the order of time would find the rows */
    json_int_t mark = s->next++;
    json_object_set_new(node, mark_key, json_integer(mark));
    visit_ref(s, json_object_get(node, "right"), mark);
}

static void visit_ref(search *s, json_t *ref, json_int_t join)
{
    if (rdl_tree_is(ref, "BASE_TABLE"))
        take_leaf(s, ref, join);
    if (rdl_tree_is(ref, "SUBQUERY"))
        visit_select(s, json_object_get(json_object_get(ref, "subquery"), "node"), join);
    if (!rdl_tree_is(ref, "JOIN"))
        return;
    const char *kind = rdl_tree_text(ref, "join_type"), *way = rdl_tree_text(ref, "ref_type");
    bool regular = strcmp(way, "REGULAR") == 0, inner = strcmp(kind, "INNER") == 0;
    bool asof = strcmp(way, "ASOF") == 0, left = strcmp(kind, "LEFT") == 0;
    bool half = strcmp(kind, "SEMI") == 0 || strcmp(kind, "ANTI") == 0;
    if (inner && (regular || strcmp(way, "CROSS") == 0)) {
        visit_ref(s, json_object_get(ref, "left"), join);
        visit_ref(s, json_object_get(ref, "right"), join);
    } else if ((regular && (left || half)) || (asof && (inner || left))) {
        visit_ref(s, json_object_get(ref, "left"), join);
        visit_right(s, ref, join);
    }
}

typedef struct counting {
    const rdl_planner *pl;
    const rdl_table *table;
    size_t n;
} counting;

static bool visit_count(void *arg, json_t *node)
{
    counting *c = arg;
    const rdl_input *in = rdl_plan_input_of(c->pl, node);
    c->n += in != NULL && in->table == c->table;
    return true;
}

static size_t places_of(const rdl_moving *m, const rdl_table *t)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += m->v[i].table == t;
    return n;
}

typedef struct mention {
    bool found;
} mention;

/* A snapshot's system columns are no part of its changes. */
static bool visit_system(void *arg, json_t *node)
{
    static const char *const names[] = {"_source_file", "_source_partition", "_source_offset",
                                        "_ordinal",     "_ingest_ts",        "_epoch",
                                        "_rescued",     "_event_ts"};
    mention *m = arg;
    const char *name = rdl_tree_column_name(node);
    for (size_t i = 0; name[0] == '_' && i < sizeof names / sizeof *names; i++)
        m->found = m->found || strcmp(name, names[i]) == 0;
    return !m->found;
}

static bool may_move(const rdl_planner *pl, const rdl_moving *m, json_t *query, const rdl_table *t)
{
    counting c = {.pl = pl, .table = t};
    mention system = {0};
    if (t->kind == RDL_TABLE_SOURCE)
        return false;
    rdl_tree_walk(query, visit_count, &c);
    if (t->kind == RDL_TABLE_SNAPSHOT)
        rdl_tree_walk(query, visit_system, &system);
    return c.n == places_of(m, t) && !system.found;
}

static void drop_table(rdl_moving *m, const rdl_table *t)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].table != t)
            m->v[n++] = m->v[i];
    m->n = n;
}

static int rank_of(const rdl_place *p)
{
    return p->driving && keeps_rows(p->table) ? 2 : keeps_rows(p->table) ? 1 : 0;
}

static void order_places(rdl_moving *m)
{
    for (size_t i = 1; i < m->n; i++) {
        rdl_place p = m->v[i];
        size_t j = i;
        for (; j > 0 && rank_of(&m->v[j - 1]) > rank_of(&p); j--)
            m->v[j] = m->v[j - 1];
        m->v[j] = p;
    }
}

/* ---- one place's change ---- */

typedef struct standing {
    rdl_planner *pl;
    const rdl_moving *m;
    size_t step;
    bool after, moved; /* moved: the affecting side as what changed of it */
} standing;

static const char *role_of(const standing *s, size_t i)
{
    if (i != s->step)
        return i < s->step ? "all:" : "before:";
    if (s->moved)
        return "moved:";
    if (s->m->v[i].join != 0)
        return s->after ? "all:" : "before:";
    return s->after ? "new:" : "old:";
}

static json_t *swap_place(void *arg, json_t *node)
{
    standing *s = arg;
    json_int_t mark = rdl_tree_is(node, "BASE_TABLE") ? mark_of(node) : 0;
    for (size_t i = 0; mark != 0 && i < s->m->n; i++) {
        const rdl_place *p = &s->m->v[i];
        const char *role = role_of(s, i);
        if (p->mark != mark)
            continue;
        /* The driving place is threaded by who asks; what is read whole is told so later. */
        if (p->driving || strcmp(role, "all:") == 0)
            return node;
        return rdl_plan_relation(s->pl, node, p->table, role, NULL);
    }
    return NULL;
}

typedef struct finding {
    json_int_t mark;
    json_t *found;
} finding;

static bool visit_join(void *arg, json_t *node)
{
    finding *f = arg;
    if (rdl_tree_is(node, "JOIN") && mark_of(node) == f->mark)
        f->found = node;
    return f->found == NULL;
}

/* left becomes (left SEMI JOIN right ON the same condition); right is a copy of its own. */
static void restrict_left(rdl_planner *pl, json_t *join, json_t *right)
{
    json_t *use = rdl_tree_clone(&pl->tree, json_object_get(join, "using_columns"));
    if (strcmp(rdl_tree_text(join, "ref_type"), "ASOF") == 0 && json_array_size(use) > 0)
        json_array_remove(use, json_array_size(use) - 1); /* the order of time, not equality */
    json_t *condition = rdl_tree_clone(&pl->tree, json_object_get(join, "condition"));
    json_t *semi = rdl_tree_keep(
        &pl->tree, json_pack("{s:s, s:s, s:n, s:i, s:O, s:O, s:O, s:s, s:s, s:O, s:b, s:[]}",
                             "type", "JOIN", "alias", "", "sample", "query_location", 0, "left",
                             json_object_get(join, "left"), "right", right, "condition", condition,
                             "join_type", "SEMI", "ref_type", "REGULAR", "using_columns", use,
                             "delim_flipped", 0, "duplicate_eliminated_columns"));
    json_object_set(join, "left", semi);
}

/* query, in place, while the step's place changes: as after the change, or as before it. */
static void stand_at(rdl_planner *pl, json_t *query, size_t step, bool after)
{
    const rdl_moving *m = &pl->moving;
    standing s = {.pl = pl, .m = m, .step = step, .after = after};
    if (m->v[step].join != 0) {
        finding f = {.mark = m->v[step].join};
        standing moved = {.pl = pl, .m = m, .step = step, .moved = true};
        rdl_tree_walk(query, visit_join, &f);
        json_t *right = rdl_tree_clone(&pl->tree, json_object_get(f.found, "right"));
        restrict_left(pl, f.found, rdl_tree_map(right, swap_place, &moved));
    }
    rdl_tree_map(query, swap_place, &s);
}

const char *rdl_moving_stand(rdl_planner *pl, json_t *query, size_t step, bool after)
{
    standing s = {.pl = pl, .m = &pl->moving, .step = step, .after = after};
    stand_at(pl, query, step, after);
    for (size_t i = 0; i < pl->moving.n; i++)
        if (pl->moving.v[i].driving)
            return role_of(&s, i);
    return "all:";
}

/* Whether DuckDB binds the affected rows of this place: a lateral side may want what is not there. */
static rdl_code binds_affected(rdl_planner *pl, const rdl_place *p, json_t *query, bool *out,
                               rdl_err *err)
{
    finding f = {.mark = p->join};
    rdl_str text;
    rdl_schema schema = {0};
    rdl_err ignored = {0};
    json_t *copy = rdl_tree_clone(&pl->tree, query);
    rdl_tree_walk(copy, visit_join, &f);
    restrict_left(pl, f.found, rdl_tree_clone(&pl->tree, json_object_get(f.found, "right")));
    RDL_TRY(rdl_tree_print(&pl->tree, copy, &text, err));
    *out = rdl_describe(pl->conn, pl->arena, text.p, &schema, &ignored) == RDL_OK;
    return RDL_OK;
}

rdl_code rdl_plan_find_moving(rdl_planner *pl, json_t *query, json_t *bottom, rdl_err *err)
{
    rdl_moving *m = &pl->moving;
    search s = {.pl = pl, .out = m, .next = RDL_MARK_DRIVING + 1};
    *m = (rdl_moving){0};
    visit_ref(&s, json_object_get(bottom, "from_table"), 0);
    bool driven = false;
    for (size_t i = 0; i < m->n; i++) {
        const rdl_place p = m->v[i];
        bool binds = true;
        driven = driven || (p.driving && may_move(pl, m, query, p.table));
        if (may_move(pl, m, query, p.table) && p.join != 0)
            RDL_TRY(binds_affected(pl, &p, query, &binds, err));
        if (binds && may_move(pl, m, query, p.table))
            continue;
        drop_table(m, p.table);
        i = (size_t)-1; /* from the start: others may be gone too */
    }
    if (s.full || !driven || m->n < 2)
        *m = (rdl_moving){0};
    order_places(m);
    return RDL_OK;
}

bool rdl_plan_moves(const rdl_planner *pl, const rdl_table *t)
{
    return places_of(&pl->moving, t) > 0;
}

size_t rdl_plan_stream_count(const rdl_planner *pl)
{
    size_t n = 0;
    for (size_t i = 0; i < pl->table->input_count; i++)
        n += pl->table->inputs[i].stream;
    return n;
}

/* ---- the texts ---- */

rdl_code rdl_plan_steps(rdl_planner *pl, rdl_view_plan *plan, rdl_step_text text, void *arg,
                        rdl_err *err)
{
    const rdl_moving *m = &pl->moving;
    rdl_view_step *steps = RDL_NEWN(pl->arena, rdl_view_step, m->n + 1);
    plan->steps = m->n > 0 ? steps : NULL;
    plan->step_count = m->n;
    for (size_t i = 0; i < m->n && pl->refusal.why == NULL; i++) {
        const rdl_place *p = &m->v[i];
        steps[i] = (rdl_view_step){.input = p->table};
        RDL_TRY(text(arg, i, true, &steps[i].new_sql, err));
        if (pl->refusal.why != NULL)
            break;
        if (p->join != 0)
            RDL_TRY(text(arg, i, false, &steps[i].old_sql, err));
        else if (!keeps_rows(p->table))
            steps[i].old_sql = rdl_plan_retarget(pl, steps[i].new_sql, "new:", "old:", p->table);
    }
    return RDL_OK;
}

bool rdl_plan_steps_lose(const rdl_view_plan *plan)
{
    bool lose = false;
    for (size_t i = 0; i < plan->step_count; i++)
        lose = lose || plan->steps[i].old_sql.n > 0;
    return lose;
}
