/*
 * batch/report_rows.c - the rows of a report, and the order in which they are given.
 *
 * report_rows holds the body's rows as they come.  report_groups has one row for each combination
 * of FOR EACH columns (one in all without FOR EACH), numbered in their order, with the number of
 * rows and an order-free digest.  Rows are then read in the report's total order, which begins with
 * the FOR EACH columns, so that one group is at work at a time.
 *
 * Which columns a group has is found before: for a pivot the values of ON with a value, by what ON
 * orders by; for a SELECT with FOR EACH the columns with a value.  Both lists come in the order
 * of the groups and are read beside the rows.
 */
#include <inttypes.h>
#include <stdio.h>

#include "batch/relations.h"
#include "batch/report_internal.h"

/* ---- rows and groups ---- */

static void put_each(rdl_buf *sql, const rdl_report *r, const char *prefix)
{
    for (size_t i = 0; i < r->each_count; i++) {
        rdl_buf_printf(sql, "%s%s", i > 0 ? ", " : "", prefix);
        rdl_buf_put_sql_ident(sql, r->columns.v[r->each[i]].name);
    }
}

rdl_code rdl_report_compute(rdl_reporting *x, rdl_err *err)
{
    const rdl_report *r = x->report;
    rdl_buf sql = {0};
    rdl_buf_printf(&sql, "CREATE OR REPLACE TEMP TABLE report_rows AS %.*s", (int)r->sql.n,
                   r->sql.p);
    rdl_code rc = rdl_exec(x->conn, rdl_buf_str(&sql), err);
    rdl_buf_clear(&sql);
    rdl_buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE report_groups AS SELECT row_number() OVER ");
    if (r->each_count > 0) {
        rdl_buf_puts(&sql, "(ORDER BY ");
        put_each(&sql, r, "");
        rdl_buf_puts(&sql, ") - 1 AS g, * FROM (SELECT ");
        put_each(&sql, r, "");
        rdl_buf_puts(&sql, ", count(*) AS n, sum(hash(");
    } else {
        rdl_buf_puts(&sql, "() - 1 AS g, * FROM (SELECT count(*) AS n, sum(hash(");
    }
    rdl_put_columns(&sql, "", &r->columns);
    rdl_buf_puts(&sql, ")::HUGEINT)::TEXT AS digest FROM report_rows");
    if (r->each_count > 0) {
        rdl_buf_puts(&sql, " GROUP BY ");
        put_each(&sql, r, "");
    }
    rdl_buf_puts(&sql, ")");
    if (rc == RDL_OK)
        rc = rdl_exec(x->conn, rdl_buf_str(&sql), err);
    rdl_buf_fini(&sql);
    return rc;
}

static const char *cell_text(rdl_reporting *x, const rdl_vector *v, size_t row)
{
    rdl_buf b = {0};
    if (!rdl_vector_valid(v, row))
        return NULL;
    rdl_vector_print(v, row, &b);
    const char *s = rdl_arena_strndup(x->a, rdl_buf_str(&b), b.n);
    rdl_buf_fini(&b);
    return s;
}

rdl_code rdl_report_groups(rdl_reporting *x, rdl_report_group **out, size_t *out_n, rdl_err *err)
{
    const rdl_report *r = x->report;
    rdl_result *result = NULL;
    const rdl_chunk *k;
    rdl_buf sql = {0};
    size_t n = 0;
    rdl_buf_puts(&sql, "SELECT n, digest");
    if (r->each_count > 0)
        rdl_buf_puts(&sql, ", ");
    put_each(&sql, r, "");
    rdl_buf_puts(&sql, " FROM report_groups ORDER BY g");
    rdl_code rc = rdl_query(x->conn, rdl_buf_str(&sql), &result, err);
    rdl_buf_fini(&sql);
    RDL_TRY(rc);
    rdl_report_group *all = RDL_NEWN(x->a, rdl_report_group, rdl_result_rows(result) + 1);
    while (rdl_result_next(result, &k)) {
        for (size_t i = 0; i < k->rows; i++, n++) {
            const char **each = RDL_NEWN(x->a, const char *, r->each_count + 1);
            for (size_t e = 0; e < r->each_count; e++)
                each[e] = cell_text(x, &k->v[2 + e], i);
            const char *digest = cell_text(x, &k->v[1], i);
            all[n] = (rdl_report_group){.each = each,
                                        .digest = digest != NULL ? digest : "",
                                        .rows = (uint64_t)RDL_VECTOR_AT(&k->v[0], int64_t, i)};
            all[n].path = rdl_report_path(x, each);
        }
    }
    rdl_result_free(result);
    *out = all;
    *out_n = n;
    return RDL_OK;
}

/* ---- walking ---- */

typedef struct walk {
    rdl_reporting *x;
    const rdl_report_visit *visit;
    rdl_result *lists;     /* (g, ..) of columns, in the order of groups */
    const rdl_chunk *list; /* its chunk at hand */
    size_t list_at;
    rdl_arena group; /* names, and the columns' places */
    rdl_map columns; /* pivot: value of ON -> place + 1 */
    rdl_str *names;
    size_t *from; /* by place: column of the row; SIZE_MAX: of the pivot */
    size_t n;
    rdl_str *cells;
    rdl_buf text;         /* cells lie here: offsets until the row is given */
    size_t *at, *len;     /* by place; len SIZE_MAX: null */
    rdl_buf key, row_key; /* of the row at work */
    bool open, any;
    bool renamed; /* some value of ON is not the name of its column */
} walk;

static void put_value(const walk *w, const rdl_vector *v, size_t row, rdl_buf *out)
{
    if (w->x->format == RDL_REPORT_JSON)
        rdl_vector_print_json(v, row, out);
    else
        rdl_vector_print(v, row, out);
}

static void set_cell(walk *w, size_t place, const rdl_vector *v, size_t row)
{
    w->len[place] = SIZE_MAX;
    if (!rdl_vector_valid(v, row))
        return;
    w->at[place] = w->text.n;
    put_value(w, v, row, &w->text);
    w->len[place] = w->text.n - w->at[place];
}

static rdl_code give_row(walk *w, rdl_err *err)
{
    if (!w->any)
        return RDL_OK;
    const char *base = rdl_buf_str(&w->text);
    for (size_t i = 0; i < w->n; i++)
        w->cells[i] =
            w->len[i] == SIZE_MAX ? (rdl_str){NULL, 0} : (rdl_str){base + w->at[i], w->len[i]};
    rdl_code rc = w->visit->row(w->visit->arg, w->cells, err);
    rdl_buf_clear(&w->text);
    for (size_t i = 0; i < w->n; i++)
        w->len[i] = SIZE_MAX;
    w->any = false;
    return rc;
}

static bool next_list(walk *w)
{
    if (w->list != NULL && w->list_at < w->list->rows)
        return true;
    w->list_at = 0;
    return w->lists != NULL && rdl_result_next(w->lists, &w->list);
}

static int64_t list_group(const walk *w)
{
    return RDL_VECTOR_AT(&w->list->v[0], int64_t, w->list_at);
}

static void add_column(walk *w, rdl_str name, size_t from)
{
    w->names[w->n] = name;
    w->from[w->n++] = from;
}

/* The columns of SELECT's rows that have a value in this group. */
static void select_columns(walk *w, int64_t group)
{
    const rdl_report *r = w->x->report;
    size_t most = r->visible;
    w->names = RDL_NEWN(&w->group, rdl_str, most + 1);
    w->from = RDL_NEWN(&w->group, size_t, most + 1);
    while (next_list(w) && list_group(w) < group)
        w->list_at++;
    bool listed = w->lists != NULL && next_list(w) && list_group(w) == group;
    for (size_t i = 0; i < most; i++)
        if (!listed || RDL_VECTOR_AT(&w->list->v[1 + i], int8_t, w->list_at) != 0)
            add_column(w, r->columns.v[i].name, i);
    w->list_at += listed;
}

/* Values of ON differ from each other: without a name of ours among them, only the first columns
 * are in question. */
static bool has_name(const walk *w, rdl_str name)
{
    size_t n = w->renamed ? w->n : w->x->report->visible;
    for (size_t i = 0; i < n; i++)
        if (rdl_str_eq(w->names[i], name))
            return true;
    return false;
}

/* A value of ON that is called as a column is: name_1, so that readers by name find both. */
static rdl_str own_name(walk *w, rdl_str name)
{
    rdl_str own = name;
    for (int i = 1; has_name(w, own); i++) {
        own = rdl_str_of(rdl_arena_printf(&w->group, "%.*s_%d", (int)name.n, name.p, i));
        w->renamed = true;
    }
    return own;
}

static void pivot_columns(walk *w, int64_t group)
{
    const rdl_report *r = w->x->report;
    RDL_VEC(rdl_str) found = {0};
    while (next_list(w) && list_group(w) < group)
        w->list_at++;
    for (; next_list(w) && list_group(w) == group; w->list_at++) {
        rdl_str s = rdl_vector_str(&w->list->v[1], w->list_at);
        RDL_PUSH(&w->group, &found) = (rdl_str){rdl_arena_strndup(&w->group, s.p, s.n), s.n};
    }
    w->names = RDL_NEWN(&w->group, rdl_str, r->visible + found.n + 1);
    w->from = RDL_NEWN(&w->group, size_t, r->visible + found.n + 1);
    for (size_t i = 0; i < r->visible; i++)
        add_column(w, r->columns.v[i].name, i);
    rdl_map_init(&w->columns, &w->group);
    w->renamed = false;
    for (size_t i = 0; i < found.n; i++) {
        rdl_map_put(&w->columns, found.v[i], (void *)(uintptr_t)(w->n + 1));
        add_column(w, own_name(w, found.v[i]), SIZE_MAX);
    }
}

static rdl_code end_group(walk *w, rdl_err *err)
{
    RDL_TRY(give_row(w, err));
    bool open = w->open;
    w->open = false;
    rdl_buf_clear(&w->row_key);
    return open ? w->visit->end(w->visit->arg, err) : RDL_OK;
}

static rdl_code begin_group(walk *w, int64_t group, rdl_err *err)
{
    rdl_arena_reset(&w->group);
    w->n = 0;
    if (w->x->report->pivots)
        pivot_columns(w, group);
    else
        select_columns(w, group);
    w->cells = RDL_NEWN(&w->group, rdl_str, w->n + 1);
    w->at = RDL_NEWN(&w->group, size_t, w->n + 1);
    w->len = RDL_NEWN(&w->group, size_t, w->n + 1);
    for (size_t i = 0; i < w->n; i++)
        w->len[i] = SIZE_MAX;
    w->open = true;
    return w->visit->begin(w->visit->arg, (size_t)group, w->names, w->n, err);
}

/* One value of a pivot's row, or the first of the next row. */
static rdl_code take_pivot(walk *w, const rdl_chunk *k, size_t row, rdl_err *err)
{
    const rdl_report *r = w->x->report;
    rdl_buf_clear(&w->key);
    for (size_t i = 0; i < r->visible; i++) {
        bool valid = rdl_vector_valid(&k->v[1 + i], row);
        size_t at = w->key.n;
        rdl_buf_putc(&w->key, valid ? 'v' : 'n');
        if (valid)
            rdl_vector_print(&k->v[1 + i], row, &w->key);
        at = w->key.n - at;
        rdl_buf_put(&w->key, &at, sizeof at); /* read from the end, a key has one meaning */
    }
    bool same = w->any && w->key.n == w->row_key.n && memcmp(w->key.p, w->row_key.p, w->key.n) == 0;
    if (!same) {
        RDL_TRY(give_row(w, err));
        for (size_t i = 0; i < r->visible; i++)
            set_cell(w, i, &k->v[1 + i], row);
        rdl_buf_clear(&w->row_key);
        rdl_buf_put(&w->row_key, w->key.p, w->key.n);
        w->any = true;
    }
    const rdl_vector *on = &k->v[1 + r->visible], *value = &k->v[2 + r->visible];
    if (!rdl_vector_valid(on, row) || !rdl_vector_valid(value, row))
        return RDL_OK;
    uintptr_t place = (uintptr_t)rdl_map_get(&w->columns, rdl_vector_str(on, row));
    if (place > 0)
        set_cell(w, (size_t)place - 1, value, row);
    return RDL_OK;
}

static rdl_code take(walk *w, const rdl_chunk *k, size_t row, rdl_err *err)
{
    if (w->x->report->pivots)
        return take_pivot(w, k, row, err);
    for (size_t i = 0; i < w->n; i++)
        set_cell(w, i, &k->v[1 + w->from[i]], row);
    w->any = true;
    return give_row(w, err);
}

static void put_same_group(rdl_buf *sql, const rdl_report *r)
{
    for (size_t i = 0; i < r->each_count; i++) {
        rdl_buf_puts(sql, i > 0 ? " AND r." : "r.");
        rdl_buf_put_sql_ident(sql, r->columns.v[r->each[i]].name);
        rdl_buf_puts(sql, " IS NOT DISTINCT FROM q.");
        rdl_buf_put_sql_ident(sql, r->columns.v[r->each[i]].name);
    }
}

/* FROM report_rows r and its group's number, of the groups at work. */
static void put_from(rdl_buf *sql, const rdl_report *r, bool some)
{
    rdl_buf_puts(sql, " FROM report_rows r JOIN report_groups q ON ");
    put_same_group(sql, r);
    rdl_buf_puts(sql, r->each_count == 0 ? "true" : "");
    rdl_buf_puts(sql, some ? " JOIN report_todo USING (g)" : "");
}

static rdl_code mark_todo(rdl_reporting *x, const rdl_report_group *groups, size_t n, bool *some,
                          rdl_err *err)
{
    rdl_buf sql = {0};
    size_t left = 0;
    *some = false;
    rdl_buf_puts(&sql, "CREATE OR REPLACE TEMP TABLE report_todo AS SELECT unnest(CAST([");
    for (size_t i = 0; i < n; i++) {
        *some |= groups[i].skip;
        if (!groups[i].skip)
            rdl_buf_printf(&sql, "%s%zu", left++ > 0 ? ", " : "", i);
    }
    rdl_buf_puts(&sql, "] AS BIGINT[])) AS g");
    rdl_code rc = *some ? rdl_exec(x->conn, rdl_buf_str(&sql), err) : RDL_OK;
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code open_lists(walk *w, bool some, rdl_err *err)
{
    const rdl_report *r = w->x->report;
    rdl_buf sql = {0};
    if (!r->pivots && r->each_count == 0)
        return RDL_OK;
    rdl_buf_puts(&sql, "SELECT g");
    if (r->pivots)
        rdl_buf_puts(&sql, ", \"__on\"");
    for (size_t i = 0; !r->pivots && i < r->visible; i++) {
        rdl_buf_puts(&sql, ", count(r.");
        rdl_buf_put_sql_ident(&sql, r->columns.v[i].name);
        rdl_buf_puts(&sql, ") > 0");
    }
    put_from(&sql, r, some);
    rdl_buf_puts(&sql, r->pivots ? " WHERE \"__on\" IS NOT NULL AND \"__value\" IS NOT NULL "
                                   "GROUP BY g, \"__on\" ORDER BY g, min(\"__first\") NULLS LAST, "
                                   "\"__on\""
                                 : " GROUP BY g ORDER BY g");
    rdl_code rc = rdl_query(w->x->conn, rdl_buf_str(&sql), &w->lists, err);
    rdl_buf_fini(&sql);
    return rc;
}

static rdl_code open_rows(const walk *w, bool some, rdl_result **out, rdl_err *err)
{
    const rdl_report *r = w->x->report;
    rdl_buf select = {0};
    rdl_buf_printf(&select, "SELECT * FROM (SELECT g AS \"__g\", ");
    rdl_put_columns(&select, "r.", &r->columns);
    put_from(&select, r, some);
    rdl_buf_printf(&select, ") ORDER BY \"__g\", %.*s", (int)r->order.n, r->order.p);
    rdl_code rc = rdl_query_stream(w->x->conn, rdl_buf_str(&select), out, err);
    rdl_buf_fini(&select);
    return rc;
}

static rdl_code give_all(walk *w, rdl_result *rows, rdl_err *err)
{
    const rdl_chunk *k;
    int64_t at = -1;
    while (rdl_result_next(rows, &k)) {
        for (size_t i = 0; i < k->rows; i++) {
            int64_t group = RDL_VECTOR_AT(&k->v[0], int64_t, i);
            if (group != at) {
                RDL_TRY(end_group(w, err));
                RDL_TRY(begin_group(w, group, err));
                at = group;
            }
            RDL_TRY(take(w, k, i, err));
        }
    }
    RDL_TRY(rdl_result_end(rows, err));
    return end_group(w, err);
}

rdl_code rdl_report_walk(rdl_reporting *x, const rdl_report_group *groups, size_t n,
                         const rdl_report_visit *v, rdl_err *err)
{
    walk w = {.x = x, .visit = v};
    rdl_result *rows = NULL;
    bool some = false;
    rdl_arena_init(&w.group, 0);
    rdl_code rc = mark_todo(x, groups, n, &some, err);
    if (rc == RDL_OK)
        rc = open_lists(&w, some, err);
    if (rc == RDL_OK)
        rc = open_rows(&w, some, &rows, err);
    if (rc == RDL_OK)
        rc = give_all(&w, rows, err);
    /* A report without FOR EACH has its one file when there is no row, too. */
    if (rc == RDL_OK && n == 1 && groups[0].rows == 0 && !groups[0].skip)
        rc = begin_group(&w, 0, err);
    if (rc == RDL_OK)
        rc = end_group(&w, err);
    rdl_result_free(rows);
    rdl_result_free(w.lists);
    rdl_arena_fini(&w.group);
    rdl_buf_fini(&w.text);
    rdl_buf_fini(&w.key);
    rdl_buf_fini(&w.row_key);
    return rc;
}
